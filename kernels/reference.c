#include "kernels/reference_internal.h"

#include <string.h>

static void close_device(device *d) {
  if (!d) return;
  host_free(d->cache);
  host_free(d);
}

static status open_device(device **out, const device_options *o, detail *err) {
  status failed = backend_check_options(o, err);
  if (failed) return failed;
  size_t bytes, page_bytes = (size_t)o->layers * 2 * (size_t)o->kv_heads * (size_t)o->page_keys *
                             (size_t)o->head_size * kernels_activation_bytes(o->compute);
  failed = backend_size(&bytes, (size_t)o->pages, page_bytes, "the cache", err);
  if (failed) return failed;
  device *d = host_take(sizeof *d);
  if (d) d->cache = host_take(bytes);
  if (!d || !d->cache) {
    close_device(d);
    return fault(err, E_MEMORY, "no memory for a cache of %zu bytes", bytes);
  }
  d->options = *o;
  d->page_bytes = page_bytes;
  *out = d;
  return OK;
}

static const char *path(const device *d) {
  (void)d;
  return "reference";
}

static void free_weight(device *d, packed_weight *w) {
  (void)d;
  if (!w) return;
  host_free(w->data);
  host_free(w);
}

static status pack_weight(device *d, packed_weight **out, const weight_source *source,
                          detail *err) {
  int n;
  size_t bytes;
  compute_type c = d->options.compute;
  status failed = backend_source_rows(source, &n, err);
  if (failed) return failed;
  size_t row_bytes = (size_t)source->k * kernels_activation_bytes(c);
  failed = backend_size(&bytes, (size_t)n, row_bytes, "a weight", err);
  if (failed) return failed;
  packed_weight *w = host_take(sizeof *w);
  if (w) w->data = host_take(bytes);
  if (!w || !w->data) {
    free_weight(d, w);
    return fault(err, E_MEMORY, "no memory for a weight of %zu bytes", bytes);
  }
  w->n = n;
  w->k = source->k;
  size_t at = 0;
  for (int p = 0; p < source->count; p++) {
    size_t count = (size_t)source->parts[p].n * (size_t)source->k;
    for (size_t i = 0; i < count; i++)
      activation_put(c, w->data, at++, backend_element(&source->parts[p], i));
  }
  *out = w;
  return OK;
}

#define OPERATION(name)                                                                            \
  static status name(device *d, const name##_args *a, detail *err) {                               \
    (void)err;                                                                                     \
    check_##name(d, a);                                                                            \
    unsigned mode = float_mode_enter();                                                            \
    reference_##name(d, a);                                                                        \
    float_mode_leave(mode);                                                                        \
    return OK;                                                                                     \
  }
OPERATION(embed)
OPERATION(norm_add)
OPERATION(product)
OPERATION(rope_append)
OPERATION(attention)
OPERATION(swiglu)
OPERATION(gather)
OPERATION(splice)

static status sample(device *d, const sample_args *a, detail *err) {
  check_sample(d, a);
  uint32_t *scratch = host_take((size_t)a->vocabulary * sizeof *scratch);
  if (!scratch) return fault(err, E_MEMORY, "no memory to sort %d ids", a->vocabulary);
  unsigned mode = float_mode_enter();
  reference_sample(a, scratch);
  float_mode_leave(mode);
  host_free(scratch);
  return OK;
}

const kernels kernels_reference = {
    "reference",     open_device,     close_device, path,        host_memory_take, host_memory_give,
    host_memory_put, host_memory_get, pack_weight,  free_weight, host_page_bytes,  host_page_copy,
    host_page_get,   host_page_put,   embed,        norm_add,    product,          rope_append,
    attention,       swiglu,          gather,       splice,      sample,
};
