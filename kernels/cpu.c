#include "kernels/cpu_internal.h"

#include <string.h>

/* ---- opening --------------------------------------------------------------------------------- */

static const cpu_ops *ops_of(cpu_path path) {
  switch (path) {
#if defined(__x86_64__)
  case CPU_AMX: return &cpu_ops_amx;
  case CPU_BF16: return &cpu_ops_bf16;
  case CPU_AVX512: return &cpu_ops_avx512;
  case CPU_AVX2: return &cpu_ops_avx2;
#endif
  case CPU_TILES: return &cpu_ops_tiles;
  default: return &cpu_ops_portable;
  }
}

static panel_order order_of(const cpu_device *d) {
  if (d->head.options.compute == COMPUTE_FP32) return PANEL_SINGLES;
  return d->path == CPU_BF16 ? PANEL_QUADS : PANEL_PAIRS;
}

/* The best that the machine has among those allowed; CPU_TILES only where it alone is. */
static status choose_path(cpu_device *d, detail *err) {
  static const cpu_path order[] = {CPU_AMX, CPU_BF16, CPU_AVX512, CPU_AVX2, CPU_PORTABLE};
  unsigned allowed = d->head.options.paths;
  d->path = CPU_TILES;
  if (allowed == CPU_TILES) return OK;
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    d->path = order[i];
    if ((!allowed || allowed & order[i]) && cpu_has(order[i])) return OK;
  }
  return fault(err, E_DEVICE, "this processor has none of the paths that are allowed (mask %u)",
               allowed);
}

static void close_device(device *head) {
  if (!head) return;
  cpu_device *d = (cpu_device *)head;
  pool_close(d->pool);
  for (int t = 0; t < d->head.options.threads; t++) {
    if (d->scratch[t]) {
      host_free(d->scratch[t]->x);
      host_free(d->scratch[t]->ids);
    }
    host_free(d->scratch[t]);
  }
  host_free(d->records);
  host_free(d->head.cache);
  host_free(d);
}

static status take_memory(cpu_device *d, detail *err) {
  const device_options *o = &d->head.options;
  d->head_padded = padded(o->head_size, KERNELS_GROUP);
  size_t bytes;
  d->head.page_bytes = (size_t)o->layers * 2 * (size_t)o->kv_heads * (size_t)o->page_keys *
                       (size_t)d->head_padded * kernels_activation_bytes(o->compute);
  status failed = backend_size(&bytes, (size_t)o->pages, d->head.page_bytes, "the cache", err);
  if (failed) return failed;
  d->head.cache = host_take(bytes);
  if (!d->head.cache) return fault(err, E_MEMORY, "no memory for a cache of %zu bytes", bytes);
  if (o->threads > 1) {
    bytes = (size_t)o->threads * cpu_record_floats(d, CPU_RECORD_SLOTS) * sizeof *d->records;
    d->records = host_take(bytes);
    if (!d->records) return fault(err, E_MEMORY, "no memory for attention's %zu bytes", bytes);
  }
  for (int t = 0; t < o->threads; t++) {
    d->scratch[t] = host_take(sizeof *d->scratch[t]);
    if (!d->scratch[t]) return fault(err, E_MEMORY, "no memory for thread %d of the device", t);
  }
  return OK;
}

static status open_device(device **out, const device_options *o, detail *err) {
  status failed = backend_check_options(o, err);
  if (failed) return failed;
  cpu_device *d = host_take(sizeof *d);
  if (!d) return fault(err, E_MEMORY, "no memory for a device");
  d->head.options = *o;
  failed = choose_path(d, err);
  if (!failed) d->ops = ops_of(d->path);
  d->order = order_of(d);
  if (!failed) failed = take_memory(d, err);
  if (!failed) failed = pool_open(&d->pool, o->threads, err);
  if (failed) {
    close_device(&d->head);
    return failed;
  }
  *out = &d->head;
  return OK;
}

static const char *path(const device *d) {
  return ((const cpu_device *)d)->ops->name;
}

static void free_weight(device *d, packed_weight *w) {
  (void)d;
  if (!w) return;
  host_free(w->data);
  host_free(w);
}

/* ---- operations: shares of rows -------------------------------------------------------------- */

/* One operation as the threads see it. Sharing never changes an order of sums: no index that is
   shared out is summed over. */
typedef struct job {
  cpu_device *d;
  const void *args;
  void (*share)(const struct job *j, int first, int last, cpu_scratch *s);
} job;

static void work(void *context, int thread, int first, int last) {
  const job *j = context;
  j->share(j, first, last, j->d->scratch[thread]);
}

/* Rows are cheap and alike: a thread takes them by the handful. */
static int handful(const cpu_device *d, int count) {
  int some = count / (8 * d->head.options.threads);
  return some ? some : 1;
}

static void share_embed(const job *j, int first, int last, cpu_scratch *s) {
  (void)s;
  cpu_embed(j->d, j->args, first, last);
}

static void share_norm_add(const job *j, int first, int last, cpu_scratch *s) {
  (void)s;
  j->d->ops->norm_add(j->d->head.options.compute, j->args, first, last);
}

static void share_rope_append(const job *j, int first, int last, cpu_scratch *s) {
  (void)s;
  j->d->ops->rope_append(j->d, j->args, first, last);
}

static void share_swiglu(const job *j, int first, int last, cpu_scratch *s) {
  (void)s;
  j->d->ops->swiglu(j->d->head.options.compute, j->args, first, last);
}

static void share_gather(const job *j, int first, int last, cpu_scratch *s) {
  (void)s;
  const gather_args *a = j->args;
  size_t bytes = (size_t)a->width * kernels_activation_bytes(j->d->head.options.compute);
  for (int i = first; i < last; i++) {
    const char *from = (const char *)a->from + (size_t)a->plan->output_row[i] * bytes;
    memcpy((char *)a->to + (size_t)i * bytes, from, bytes);
  }
}

static void share_splice(const job *j, int first, int last, cpu_scratch *s) {
  (void)s;
  j->d->ops->splice(j->d, j->args, first, last);
}

static void share_sample(const job *j, int first, int last, cpu_scratch *s) {
  for (int i = first; i < last; i++)
    cpu_sample(j->d, j->args, i, s);
}

#define OPERATION(name, how_many, at_once)                                                         \
  static status name(device *d, const name##_args *a, detail *err) {                               \
    (void)err;                                                                                     \
    check_##name(d, a);                                                                            \
    job j = {(cpu_device *)d, a, share_##name};                                                    \
    int count = how_many;                                                                          \
    pool_run(j.d->pool, count, at_once, work, &j);                                                 \
    return OK;                                                                                     \
  }
OPERATION(embed, a->plan->rows, handful(j.d, count))
OPERATION(norm_add, a->rows, handful(j.d, count))
OPERATION(rope_append, a->plan->rows, handful(j.d, count))
OPERATION(swiglu, a->rows, handful(j.d, count))
OPERATION(gather, a->plan->outputs, handful(j.d, count))
OPERATION(splice, a->slots, handful(j.d, count))

static status product(device *head, const product_args *a, detail *err) {
  (void)err;
  check_product(head, a);
  cpu_product((cpu_device *)head, a);
  return OK;
}

static status attention(device *d, const attention_args *a, detail *err) {
  (void)err;
  check_attention(d, a);
  cpu_attention((cpu_device *)d, a);
  return OK;
}

static status sample(device *head, const sample_args *a, detail *err) {
  cpu_device *d = (cpu_device *)head;
  check_sample(head, a);
  for (int t = 0; t < d->head.options.threads && d->scratch_ids < (size_t)a->vocabulary; t++) {
    uint32_t *ids = host_take((size_t)a->vocabulary * sizeof *ids);
    if (!ids) return fault(err, E_MEMORY, "no memory to choose among %d ids", a->vocabulary);
    host_free(d->scratch[t]->ids);
    d->scratch[t]->ids = ids;
  }
  if (d->scratch_ids < (size_t)a->vocabulary) d->scratch_ids = (size_t)a->vocabulary;
  job j = {d, a, share_sample};
  pool_run(d->pool, a->rows, 1, work, &j);
  return OK;
}

const kernels kernels_cpu = {
    "cpu",
    open_device,
    close_device,
    path,
    host_memory_take,
    host_memory_give,
    host_memory_put,
    host_memory_get,
    cpu_weight_pack,
    free_weight,
    host_page_bytes,
    host_page_copy,
    host_page_get,
    host_page_put,
    embed,
    norm_add,
    product,
    rope_append,
    attention,
    swiglu,
    gather,
    splice,
    sample,
};
