/* A template: attention of one row and the query heads that share a key head. How scores and sums
   of values are computed is the including file's: by vectors (below) or by tiles. */
#ifndef KERNELS_CPU_ATTENTION_INTERNAL_H
#define KERNELS_CPU_ATTENTION_INTERNAL_H

#include "kernels/cpu_product_internal.h"

/* One chunk for one key head. */
typedef struct chunk {
  const cpu_device *d;
  const int32_t *pages; /* of the chunk's keys */
  int layer, kv_head;
  int grouped; /* query heads */
  int seen;    /* keys, 1 to KERNELS_CHUNK */
} chunk;

/* Blocks of the chunk's page that holds this key. */
static inline unsigned char *block_of(const chunk *k, int which, int key) {
  int32_t page = k->pages[key / k->d->head.options.page_keys];
  return cache_block(k->d, page, k->layer, which, k->kv_head);
}

/* s->p = dot(s->q, keys), unscaled, at least for the keys seen. */
static void vector_scores(const chunk *k, cpu_scratch *s) {
  const device_options *o = &k->d->head.options;
  size_t unit = kernels_activation_bytes(o->compute);
  dots block = {.x = s->q[0], .x_stride = KERNELS_HEAD_MAX, .y_stride = KERNELS_CHUNK};
  block.groups = k->d->head_padded / KERNELS_GROUP;
  block.panel_bytes = (size_t)k->d->head_padded * CPU_LANES * unit;
  for (int key = 0; key < k->seen; key += o->page_keys) {
    int keys = k->seen - key < o->page_keys ? k->seen - key : o->page_keys;
    block.low = block_of(k, 0, key);
    block.high = block.low + HALF_GROUP * CPU_LANES * unit;
    block.y = s->p[0] + key;
    run_dots(o->compute, &block, k->grouped, padded(keys, CPU_LANES) / CPU_LANES);
  }
}

/* s->o = dot(s->p, values). Groups without a key seen would add zeros to a sum whose zeros lose
   their sign anyway, and a half without one is read from the other half's page: its p are zero. */
static void vector_sums(const chunk *k, cpu_scratch *s) {
  const device_options *o = &k->d->head.options;
  size_t unit = kernels_activation_bytes(o->compute);
  int panels = padded(o->head_size, CPU_LANES) / CPU_LANES;
  dots block = {.x_stride = KERNELS_CHUNK, .y = s->o[0], .y_stride = KERNELS_HEAD_MAX};
  block.panel_bytes = (size_t)o->page_keys * CPU_LANES * unit;
  block.groups = 1;
  for (int key = 0; key < k->seen; key += KERNELS_GROUP) {
    int other = key + HALF_GROUP < k->seen ? key + HALF_GROUP : key;
    block.x = s->p[0] + key;
    block.low = block_of(k, 1, key) + (size_t)(key % o->page_keys) * CPU_LANES * unit;
    block.high = block_of(k, 1, other) + (size_t)(other % o->page_keys) * CPU_LANES * unit;
    block.carry = key > 0;
    run_dots(o->compute, &block, k->grouped, panels);
  }
}

/* dot(p, ones): the chains of the four groups side by side. */
static float sum_of_p(const float *p) {
  enum { GROUPS = KERNELS_CHUNK / KERNELS_GROUP };
  float even[GROUPS] = {0}, odd[GROUPS] = {0}, acc = 0;
  for (int i = 0; i < KERNELS_GROUP; i += 2) {
    for (int g = 0; g < GROUPS; g++) {
      even[g] = even[g] + p[g * KERNELS_GROUP + i];
      odd[g] = odd[g] + p[g * KERNELS_GROUP + i + 1];
    }
  }
  for (int g = 0; g < GROUPS; g++)
    acc = acc + (even[g] + odd[g]);
  return acc;
}

/* Scores to p in place, with their maximum and sum. */
static void weigh(compute_type c, float *p, int seen, float scale, float *m, float *l) {
  float most[CPU_LANES];
  lanes top = lanes_all(-INFINITY);
  for (int i = seen; i < KERNELS_CHUNK; i++)
    p[i] = -INFINITY;
  for (int i = 0; i < KERNELS_CHUNK; i += CPU_LANES) {
    lanes score = lanes_multiply(lanes_load(p + i), lanes_all(scale));
    top = lanes_if_less(top, score, score, top);
    lanes_store(p + i, score);
  }
  lanes_store(most, top);
  *m = most[0];
  for (int i = 1; i < CPU_LANES; i++)
    *m = most[i] > *m ? most[i] : *m;
  for (int i = 0; i < KERNELS_CHUNK; i += CPU_LANES) {
    lanes e = exp_lanes(lanes_subtract(lanes_load(p + i), lanes_all(*m)));
    lanes_store(p + i, round_lanes(c, e));
  }
  for (int i = seen; i < KERNELS_CHUNK; i++)
    p[i] = 0;
  *l = sum_of_p(p);
}

/* Folds head h's partial (m, l, s->o) into its sum. */
static void fold(cpu_scratch *s, int h, float m, float l, int head_size, int is_first) {
  lanes a = lanes_zero(), b = lanes_all(1);
  float top = m;
  if (!is_first) {
    top = s->m[h] > m ? s->m[h] : m;
    float old = math_exp(s->m[h] - top), new = math_exp(m - top);
    s->l[h] = fmaf(s->l[h], old, l * new);
    a = lanes_all(old), b = lanes_all(new);
  } else {
    s->l[h] = l;
  }
  s->m[h] = top;
  for (int e = 0; e < head_size; e += CPU_LANES) { /* past head_size there is room */
    lanes next = lanes_add(lanes_load(s->o[h] + e), lanes_zero());
    if (!is_first) next = lanes_fma(lanes_load(s->sum[h] + e), a, lanes_multiply(next, b));
    lanes_store(s->sum[h] + e, next);
  }
}

/* Rotates and rounds the queries of a span. */
static void turn_queries(const cpu_device *d, const attention_args *a, const float *q, int grouped,
                         int32_t position, cpu_scratch *s) {
  int size = d->head.options.head_size;
  for (int h = 0; h < grouped; h++) {
    rotate_head(q + (size_t)h * size, s->q[h], size, a->rope + (size_t)position * size);
    memset(s->q[h] + size, 0, (size_t)(d->head_padded - size) * sizeof(float));
    for (int e = 0; e < size; e += CPU_LANES)
      lanes_store(s->q[h] + e, round_lanes(d->head.options.compute, lanes_load(s->q[h] + e)));
  }
}

/* The row's results, activations. */
static void put_heads(const cpu_device *d, const attention_args *a, size_t at, int grouped,
                      int chunks, const cpu_scratch *s) {
  int size = d->head.options.head_size;
  for (int h = 0; h < grouped; h++) {
    lanes l = lanes_all(chunks ? s->l[h] : 1);
    for (int e = 0; e < size; e += CPU_LANES) {
      lanes sum = chunks ? lanes_load(s->sum[h] + e) : lanes_zero();
      store_activations(d->head.options.compute, a->out, at + (size_t)h * size + e,
                        lanes_divide(sum, l), size - e);
    }
  }
}

ALWAYS_INLINE void attend(const cpu_device *d, const attention_args *a, int row, int kv_head,
                          cpu_scratch *s, void (*scores)(const chunk *, cpu_scratch *),
                          void (*sums)(const chunk *, cpu_scratch *)) {
  const step_plan *p = a->plan;
  const device_options *o = &d->head.options;
  chunk k = {.d = d, .layer = a->layer, .kv_head = kv_head, .grouped = a->heads / o->kv_heads};
  size_t at = ((size_t)row * a->heads + (size_t)kv_head * k.grouped) * o->head_size;
  float scale = 1.0f / sqrtf((float)o->head_size), l[KERNELS_GROUPED_MAX], m[KERNELS_GROUPED_MAX];
  int chunks = 0;
  for (int32_t span = p->row_span[row]; span < p->row_span[row + 1]; span++) {
    if (p->span_keys[span] == 0) continue;
    turn_queries(d, a, a->q + at, k.grouped, p->span_position[span], s);
    for (int first = 0; first < p->span_keys[span]; first += KERNELS_CHUNK, chunks++) {
      int left = p->span_keys[span] - first;
      k.seen = left < KERNELS_CHUNK ? left : KERNELS_CHUNK;
      k.pages = p->pages + p->span_page[span] + first / o->page_keys;
      scores(&k, s);
      for (int h = 0; h < k.grouped; h++)
        weigh(o->compute, s->p[h], k.seen, scale, &m[h], &l[h]);
      sums(&k, s);
      for (int h = 0; h < k.grouped; h++)
        fold(s, h, m[h], l[h], o->head_size, chunks == 0);
    }
  }
  put_heads(d, a, at, k.grouped, chunks, s);
}

static void path_attention(const cpu_device *d, const attention_args *a, int row, int kv_head,
                           cpu_scratch *s) {
  attend(d, a, row, kv_head, s, vector_scores, vector_sums);
}

#endif
