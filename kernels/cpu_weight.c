/* Weights in panels, and rows of them back: the vocabulary's matrix is also the table of embeddings
   where a model ties them, and is held once. */
#include "kernels/cpu_internal.h"

#include <string.h>

/* x has room for the widest k, in every thread. */
static status widen_scratch(cpu_device *d, int k, detail *err) {
  size_t wanted = (size_t)padded(k, KERNELS_GROUP);
  if (wanted <= d->scratch_k) return OK;
  for (int t = 0; t < d->head.options.threads; t++) {
    float *x = host_take(wanted * CPU_BLOCK_ROWS * sizeof(float));
    if (!x) return fault(err, E_MEMORY, "no memory for rows of %d elements in each thread", k);
    host_free(d->scratch[t]->x);
    d->scratch[t]->x = x;
  }
  d->scratch_k = wanted;
  return OK;
}

static void pack_part(const device *d, packed_weight *w, const weight_part *part, int from) {
  compute_type c = d->options.compute;
  for (int j = 0; j < part->n; j++) {
    int output = from + j;
    size_t panel = (size_t)(output / CPU_LANES) * panel_size(w);
    for (int i = 0; i < w->k; i++) {
      size_t at = panel + panel_at(c, i, output % CPU_LANES);
      activation_put(c, w->data, at, backend_element(part, (size_t)j * w->k + i));
    }
  }
}

status cpu_weight_pack(device *d, packed_weight **out, const weight_source *source, detail *err) {
  int n;
  size_t bytes;
  status failed = backend_source_rows(source, &n, err);
  if (failed) return failed;
  size_t panel = (size_t)padded(source->k, KERNELS_GROUP) * CPU_LANES;
  failed = backend_size(&bytes, (size_t)padded(n, CPU_LANES) / CPU_LANES,
                        panel * kernels_activation_bytes(d->options.compute), "a weight", err);
  if (!failed) failed = widen_scratch((cpu_device *)d, source->k, err);
  if (failed) return failed;
  packed_weight *w = host_take(sizeof *w);
  if (w) w->data = host_take(bytes);
  if (!w || !w->data) {
    host_free(w);
    return fault(err, E_MEMORY, "no memory for a weight of %zu bytes", bytes);
  }
  w->n = n;
  w->k = source->k;
  for (int p = 0, from = 0; p < source->count; from += source->parts[p++].n)
    pack_part(d, w, &source->parts[p], from);
  *out = w;
  return OK;
}

void cpu_embed(const cpu_device *d, const embed_args *a, int first, int last) {
  compute_type c = d->head.options.compute;
  int width = a->table->k;
  for (int row = first; row < last; row++) {
    int output = (int)a->plan->token[row];
    size_t panel = (size_t)(output / CPU_LANES) * panel_size(a->table);
    for (int i = 0; i < width; i++) {
      size_t at = panel + panel_at(c, i, output % CPU_LANES);
      a->residual[(size_t)row * width + i] = activation_get(c, a->table->data, at);
    }
  }
}
