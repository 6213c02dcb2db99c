/* What works on the cache: rope_append, splice, attention. */
#include "kernels/math.h"
#include "kernels/reference_internal.h"

#include <math.h>
#include <string.h>

size_t reference_slot(const device *d, int layer, int which, int kv_head, int64_t slot) {
  const device_options *o = &d->options;
  size_t page = (size_t)(slot / o->page_keys), index = (size_t)(slot % o->page_keys);
  size_t block = (page * o->layers + layer) * 2 + which;
  return ((block * o->kv_heads + kv_head) * o->page_keys + index) * o->head_size;
}

void reference_rotate(float *x, int head_size, const float *turn) {
  int half = head_size / 2;
  for (int i = 0; i < half; i++) {
    float cosine = turn[i], sine = turn[half + i], low = x[i], high = x[i + half];
    x[i] = fmaf(low, cosine, -(high * sine));
    x[i + half] = fmaf(high, cosine, low * sine);
  }
}

static void norm_head(float *x, int head_size, const float *gain, float epsilon) {
  if (!gain) return;
  float scale = reference_norm_scale(x, head_size, epsilon);
  for (int i = 0; i < head_size; i++)
    x[i] = x[i] * scale * gain[i];
}

/* Puts a key or value in its slot; 1 where something was not finite. */
static int put_slot(device *d, size_t to, const float *x) {
  int broken = 0;
  for (int i = 0; i < d->options.head_size; i++) {
    float value = activation_rounded(d->options.compute, x[i]);
    int finite = number_is_finite(value);
    activation_put(d->options.compute, d->cache, to + i, finite ? value : 0);
    if (!finite) broken = 1;
  }
  return broken;
}

void reference_rope_append(device *d, const rope_append_args *a) {
  int size = d->options.head_size;
  size_t bytes = (size_t)size * sizeof(float);
  float x[KERNELS_HEAD_MAX];
  for (int32_t r = 0; r < a->plan->rows; r++) {
    const float *turn = a->rope + (size_t)a->plan->write_position[r] * size;
    int64_t slot = a->plan->write_slot[r];
    for (int h = 0; h < a->heads; h++) {
      memcpy(x, a->q + r * a->q_stride + (size_t)h * size, bytes);
      norm_head(x, size, a->q_gain, a->epsilon);
      memcpy(a->out + ((size_t)r * a->heads + h) * size, x, bytes);
    }
    for (int h = 0; h < d->options.kv_heads; h++) {
      memcpy(x, a->k + r * a->k_stride + (size_t)h * size, bytes);
      norm_head(x, size, a->k_gain, a->epsilon);
      reference_rotate(x, size, turn);
      int broken = put_slot(d, reference_slot(d, a->layer, 0, h, slot), x);
      memcpy(x, a->v + r * a->v_stride + (size_t)h * size, bytes);
      broken |= put_slot(d, reference_slot(d, a->layer, 1, h, slot), x);
      if (broken && a->broken) a->broken[r] = 1;
    }
  }
}

void reference_splice(device *d, const splice_args *a) {
  const device_options *o = &d->options;
  const float *turn = a->rope + (size_t)a->turn * o->head_size;
  float x[KERNELS_HEAD_MAX];
  for (int block = 0; block < o->layers * 2 * o->kv_heads; block++) {
    int layer = block / 2 / o->kv_heads, which = block / o->kv_heads % 2, h = block % o->kv_heads;
    for (int s = 0; s < a->slots; s++) {
      size_t from = reference_slot(d, layer, which, h, a->from[s]);
      for (int i = 0; i < o->head_size; i++)
        x[i] = activation_get(o->compute, d->cache, from + i);
      if (which == 0 && a->turn) reference_rotate(x, o->head_size, turn);
      (void)put_slot(d, reference_slot(d, layer, which, h, a->to[s]), x);
    }
  }
}

typedef struct partial {
  float m, l, o[KERNELS_HEAD_MAX];
} partial;

/* Slots of a chunk's keys; those past the keys seen have none. */
typedef struct chunk {
  int64_t slot[KERNELS_CHUNK];
  int seen;
} chunk;

static chunk chunk_of(const device *d, const step_plan *p, int32_t span, int first) {
  chunk c = {.seen = p->span_keys[span] - first};
  if (c.seen > KERNELS_CHUNK) c.seen = KERNELS_CHUNK;
  int keys = d->options.page_keys;
  for (int i = 0; i < c.seen; i++) {
    int64_t page = p->pages[p->span_page[span] + (first + i) / keys];
    c.slot[i] = page * keys + (first + i) % keys;
  }
  return c;
}

/* q is rotated and rounded. */
static void partial_of(const device *d, int layer, int kv_head, const float *q, const chunk *c,
                       partial *out) {
  compute_type kind = d->options.compute;
  int size = d->options.head_size;
  float p[KERNELS_CHUNK] = {0}, x[KERNELS_HEAD_MAX], ones[KERNELS_CHUNK];
  float scale = 1.0f / sqrtf((float)size);
  out->m = -INFINITY;
  for (int i = 0; i < c->seen; i++) {
    size_t from = reference_slot(d, layer, 0, kv_head, c->slot[i]);
    for (int e = 0; e < size; e++)
      x[e] = activation_get(kind, d->cache, from + e);
    p[i] = reference_dot(q, x, size) * scale;
    if (p[i] > out->m) out->m = p[i];
  }
  for (int i = 0; i < c->seen; i++)
    p[i] = activation_rounded(kind, math_exp(p[i] - out->m));
  for (int e = 0; e < size; e++) {
    float values[KERNELS_CHUNK] = {0};
    for (int i = 0; i < c->seen; i++)
      values[i] =
          activation_get(kind, d->cache, reference_slot(d, layer, 1, kv_head, c->slot[i]) + e);
    out->o[e] = reference_dot(p, values, KERNELS_CHUNK) + 0.0f;
  }
  for (int i = 0; i < KERNELS_CHUNK; i++)
    ones[i] = 1;
  out->l = reference_dot(p, ones, KERNELS_CHUNK);
}

static void fold(partial *into, const partial *next, int head_size) {
  float m = into->m > next->m ? into->m : next->m;
  float a = math_exp(into->m - m), b = math_exp(next->m - m);
  into->l = fmaf(into->l, a, next->l * b);
  for (int e = 0; e < head_size; e++)
    into->o[e] = fmaf(into->o[e], a, next->o[e] * b);
  into->m = m;
}

static void one_head(const device *d, const attention_args *a, int32_t row, int head) {
  const step_plan *p = a->plan;
  int size = d->options.head_size, chunks = 0;
  int kv_head = head / (a->heads / d->options.kv_heads);
  size_t at = ((size_t)row * a->heads + head) * size;
  partial sum = {.l = 1}, next;
  for (int32_t span = p->row_span[row]; span < p->row_span[row + 1]; span++) {
    float q[KERNELS_HEAD_MAX];
    memcpy(q, a->q + at, (size_t)size * sizeof *q);
    reference_rotate(q, size, a->rope + (size_t)p->span_position[span] * size);
    for (int i = 0; i < size; i++)
      q[i] = activation_rounded(d->options.compute, q[i]);
    for (int first = 0; first < p->span_keys[span]; first += KERNELS_CHUNK) {
      chunk c = chunk_of(d, p, span, first);
      partial_of(d, a->layer, kv_head, q, &c, chunks ? &next : &sum);
      if (chunks++) fold(&sum, &next, size);
    }
  }
  for (int e = 0; e < size; e++)
    activation_put(d->options.compute, a->out, at + e, sum.o[e] / sum.l);
}

void reference_attention(device *d, const attention_args *a) {
  for (int32_t r = 0; r < a->plan->rows; r++) {
    for (int h = 0; h < a->heads; h++)
      one_head(d, a, r, h);
  }
}
