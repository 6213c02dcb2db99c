/* A template: what works on rows alone, over the lanes that the including file has chosen. */
#ifndef KERNELS_CPU_ROWS_INTERNAL_H
#define KERNELS_CPU_ROWS_INTERNAL_H

#include "kernels/cpu_internal.h"
#include "kernels/exp_internal.h"
#include "kernels/math.h"

#include <math.h>
#include <string.h>

/* The first count (at most 16) of a vector; zeros stand in for the others. */
static inline lanes load_some(const float *x, int count) {
  if (count >= CPU_LANES) return lanes_load(x);
  float some[CPU_LANES] = {0};
  memcpy(some, x, (size_t)count * sizeof *x);
  return lanes_load(some);
}

static inline void store_some(float *to, lanes x, int count) {
  if (count >= CPU_LANES) {
    lanes_store(to, x);
    return;
  }
  float some[CPU_LANES];
  lanes_store(some, x);
  memcpy(to, some, (size_t)count * sizeof *to);
}

static inline void store_activations(compute_type c, void *to, size_t at, lanes x, int count) {
  if (c == COMPUTE_FP32) {
    store_some((float *)to + at, x, count);
  } else if (count >= CPU_LANES) {
    lanes_store_bf16((uint16_t *)to + at, x);
  } else {
    uint16_t some[CPU_LANES];
    lanes_store_bf16(some, x);
    memcpy((uint16_t *)to + at, some, (size_t)count * sizeof *some);
  }
}

/* Rounds each lane to an activation. */
static inline lanes round_lanes(compute_type c, lanes x) {
  if (c == COMPUTE_FP32) return x;
  uint16_t rounded[CPU_LANES];
  lanes_store_bf16(rounded, x);
  return lanes_load_bf16(rounded);
}

/* math_exp of each lane that is within its range or below it; the others are anything. */
static inline lanes exp_lanes_in_range(lanes x) {
  lanes shifted = lanes_fma(x, lanes_all(EXP_LOG2E), lanes_all(EXP_ROUND));
  lanes n = lanes_subtract(shifted, lanes_all(EXP_ROUND));
  lanes r = lanes_fma(n, lanes_all(-EXP_LN2_HIGH), x);
  r = lanes_fma(n, lanes_all(-EXP_LN2_LOW), r);
  lanes p = lanes_fma(lanes_all(EXP_P0), r, lanes_all(EXP_P1));
  p = lanes_fma(p, r, lanes_all(EXP_P2));
  p = lanes_fma(p, r, lanes_all(EXP_P3));
  p = lanes_fma(p, r, lanes_all(EXP_P4));
  p = lanes_fma(p, r, lanes_all(EXP_P5));
  lanes y = lanes_fma(lanes_multiply(r, r), p, r);
  y = lanes_add_exponent(lanes_add(y, lanes_all(1)), shifted);
  return lanes_if_less(x, lanes_all(EXP_LOWEST), lanes_zero(), y);
}

/* math_exp of each lane. */
static inline lanes exp_lanes(lanes x) {
  lanes y = exp_lanes_in_range(x);
  lanes beyond = lanes_if_less(lanes_all(EXP_HIGHEST), x, lanes_all(INFINITY), x); /* or NaN */
  return lanes_if_less(x, lanes_all(EXP_ABOVE), y, beyond);
}

/* math_exp of each lane, none of which is above 0; or NaN. */
static inline lanes exp_lanes_below(lanes x) {
  return lanes_if_less(x, lanes_all(1), exp_lanes_in_range(x), x);
}

/* 1 / sqrt(mean_square(x, n) + epsilon). */
static float norm_scale(lanes squares, int n, float epsilon) {
  float sum[CPU_LANES];
  lanes_store(sum, squares);
  for (int half = CPU_LANES / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; j++)
      sum[j] = sum[j] + sum[j + half];
  }
  return 1.0f / sqrtf(sum[0] / (float)n + epsilon);
}

static void norm_one(compute_type c, const norm_add_args *a, int row) {
  size_t at = (size_t)row * a->width;
  float *x = a->residual + at;
  lanes squares = lanes_zero();
  for (int i = 0; i < a->width; i += CPU_LANES) {
    int left = a->width - i;
    lanes sum = load_some(x + i, left);
    if (a->delta) {
      sum = lanes_add(sum, load_some(a->delta + at + i, left));
      store_some(x + i, sum, left);
    }
    squares = lanes_fma(sum, sum, squares);
  }
  lanes scale = lanes_all(norm_scale(squares, a->width, a->epsilon));
  for (int i = 0; i < a->width; i += CPU_LANES) {
    int left = a->width - i;
    lanes y = lanes_multiply(load_some(x + i, left), scale);
    store_activations(c, a->out, at + i, lanes_multiply(y, load_some(a->gain + i, left)), left);
  }
}

static void path_norm_add(compute_type c, const norm_add_args *a, int first, int last) {
  for (int row = first; row < last; row++)
    norm_one(c, a, row);
}

static void path_swiglu(compute_type c, const swiglu_args *a, int first, int last) {
  for (int row = first; row < last; row++) {
    const float *gate = a->gate + row * a->gate_stride, *up = a->up + row * a->up_stride;
    for (int i = 0; i < a->width; i += CPU_LANES) {
      int left = a->width - i;
      lanes g = load_some(gate + i, left);
      lanes e = exp_lanes(lanes_multiply(g, lanes_all(-1)));
      lanes silu = lanes_divide(g, lanes_add(lanes_all(1), e));
      lanes y = lanes_multiply(silu, load_some(up + i, left));
      store_activations(c, a->out, (size_t)row * a->width + i, y, left);
    }
  }
}

/* rotate() of kernels.h from x to y, which may be x. */
static void rotate_head(const float *x, float *y, int head_size, const float *turn) {
  int half = head_size / 2;
  for (int i = 0; i < half; i += CPU_LANES) {
    int left = half - i;
    lanes low = load_some(x + i, left), high = load_some(x + half + i, left);
    lanes cosine = load_some(turn + i, left), sine = load_some(turn + half + i, left);
    lanes minus = lanes_multiply(lanes_multiply(high, sine), lanes_all(-1));
    store_some(y + i, lanes_fma(low, cosine, minus), left);
    store_some(y + half + i, lanes_fma(high, cosine, lanes_multiply(low, sine)), left);
  }
}

static void norm_head(const float *x, float *y, int size, const float *gain, float epsilon) {
  if (!gain) {
    memcpy(y, x, (size_t)size * sizeof *x);
    return;
  }
  lanes squares = lanes_zero();
  for (int i = 0; i < size; i += CPU_LANES) {
    lanes one = load_some(x + i, size - i);
    squares = lanes_fma(one, one, squares);
  }
  lanes scale = lanes_all(norm_scale(squares, size, epsilon));
  for (int i = 0; i < size; i += CPU_LANES) {
    lanes one = lanes_multiply(load_some(x + i, size - i), scale);
    store_some(y + i, lanes_multiply(one, load_some(gain + i, size - i)), size - i);
  }
}

/* A key or a value as the cache holds it, before it goes to its panels. */
typedef union stored_head {
  uint16_t half[KERNELS_HEAD_MAX]; /* COMPUTE_BF16 */
  float full[KERNELS_HEAD_MAX];    /* COMPUTE_FP32 */
} stored_head;

/* Zero stands for what is not finite; 0 where there was such. */
static int store_head(compute_type c, const float *x, int size, stored_head *to) {
  int finite = 1;
  if (c == COMPUTE_FP32) {
    for (int e = 0; e < size; e++) {
      to->full[e] = number_is_finite(x[e]) ? x[e] : 0;
      finite &= number_is_finite(x[e]);
    }
    return finite;
  }
  for (int e = 0; e < size; e += CPU_LANES)
    lanes_store_bf16(to->half + e, load_some(x + e, size - e));
  for (int e = 0; e < size; e++)
    finite &= (to->half[e] & 0x7f80u) != 0x7f80u;
  for (int e = 0; !finite && e < size; e++)
    to->half[e] = (to->half[e] & 0x7f80u) != 0x7f80u ? to->half[e] : 0;
  return finite;
}

/* Where element e of the page's key or value at this index stands in its block. */
static inline size_t key_at(const cpu_device *d, int index, int e) {
  size_t panel = (size_t)(index / CPU_LANES) * d->head_padded * CPU_LANES;
  return panel + panel_at(d->order, e, index % CPU_LANES);
}

static inline size_t value_at(const cpu_device *d, int index, int e) {
  size_t panel = (size_t)(e / CPU_LANES) * d->head.options.page_keys * CPU_LANES;
  return panel + panel_at(d->order, index, e % CPU_LANES);
}

static int put_key(const cpu_device *d, unsigned char *block, int index, const float *x) {
  int size = d->head.options.head_size;
  stored_head head;
  int finite = store_head(d->head.options.compute, x, size, &head);
  if (d->head.options.compute == COMPUTE_FP32) {
    for (int e = 0; e < size; e++)
      ((float *)(void *)block)[key_at(d, index, e)] = head.full[e];
  } else {
    for (int e = 0; e < size; e++)
      ((uint16_t *)(void *)block)[key_at(d, index, e)] = head.half[e];
  }
  return finite;
}

static int put_value(const cpu_device *d, unsigned char *block, int index, const float *x) {
  int size = d->head.options.head_size;
  stored_head head;
  int finite = store_head(d->head.options.compute, x, size, &head);
  if (d->head.options.compute == COMPUTE_FP32) {
    for (int e = 0; e < size; e++)
      ((float *)(void *)block)[value_at(d, index, e)] = head.full[e];
  } else {
    for (int e = 0; e < size; e++)
      ((uint16_t *)(void *)block)[value_at(d, index, e)] = head.half[e];
  }
  return finite;
}

static void append_one(const cpu_device *d, const rope_append_args *a, int32_t row) {
  const device_options *o = &d->head.options;
  const float *turn = a->rope + (size_t)a->plan->write_position[row] * o->head_size;
  int32_t page = a->plan->write_slot[row] / o->page_keys;
  int index = a->plan->write_slot[row] % o->page_keys, finite = 1;
  float x[KERNELS_HEAD_MAX];
  for (int h = 0; h < a->heads; h++) {
    const float *q = a->q + row * a->q_stride + (size_t)h * o->head_size;
    float *to = a->out + ((size_t)row * a->heads + h) * o->head_size;
    norm_head(q, to, o->head_size, a->q_gain, a->epsilon);
  }
  for (int h = 0; h < o->kv_heads; h++) {
    const float *k = a->k + row * a->k_stride + (size_t)h * o->head_size;
    norm_head(k, x, o->head_size, a->k_gain, a->epsilon);
    rotate_head(x, x, o->head_size, turn);
    finite &= put_key(d, cache_block(d, page, a->layer, 0, h), index, x);
    const float *v = a->v + row * a->v_stride + (size_t)h * o->head_size;
    finite &= put_value(d, cache_block(d, page, a->layer, 1, h), index, v);
  }
  if (!finite && a->broken) a->broken[row] = 1;
}

static void path_rope_append(const cpu_device *d, const rope_append_args *a, int first, int last) {
  for (int row = first; row < last; row++)
    append_one(d, a, row);
}

static inline float get_element(compute_type c, const unsigned char *block, size_t at) {
  if (c == COMPUTE_FP32) return ((const float *)(const void *)block)[at];
  return number_from_bf16(((const uint16_t *)(const void *)block)[at]);
}

/* One slot of one layer and key head. */
static void splice_slot(const cpu_device *d, const splice_args *a, int slot, int layer, int h) {
  const device_options *o = &d->head.options;
  int32_t from_page = a->from[slot] / o->page_keys, to_page = a->to[slot] / o->page_keys;
  int from = a->from[slot] % o->page_keys, to = a->to[slot] % o->page_keys;
  float x[KERNELS_HEAD_MAX];
  const unsigned char *block = cache_block(d, from_page, layer, 0, h);
  for (int e = 0; e < o->head_size; e++)
    x[e] = get_element(o->compute, block, key_at(d, from, e));
  if (a->turn) rotate_head(x, x, o->head_size, a->rope + (size_t)a->turn * o->head_size);
  (void)put_key(d, cache_block(d, to_page, layer, 0, h), to, x);
  block = cache_block(d, from_page, layer, 1, h);
  for (int e = 0; e < o->head_size; e++)
    x[e] = get_element(o->compute, block, value_at(d, from, e));
  (void)put_value(d, cache_block(d, to_page, layer, 1, h), to, x);
}

static void path_splice(const cpu_device *d, const splice_args *a, int first, int last) {
  for (int block = 0; block < d->head.options.layers * d->head.options.kv_heads; block++) {
    int layer = block / d->head.options.kv_heads, h = block % d->head.options.kv_heads;
    for (int slot = first; slot < last; slot++)
      splice_slot(d, a, slot, layer, h);
  }
}

static void path_exps(float *x, int n) {
  for (int i = 0; i < n; i += CPU_LANES)
    store_some(x + i, exp_lanes(load_some(x + i, n - i)), n - i);
}

/* Adds sample_mass((x[i] - top) / temperature) for all i to *sum. */
static void path_masses(const float *x, int n, float top, float temperature, uint64_t *sum) {
  lanes whole = lanes_all(0x1p+23f);
  float mass[CPU_LANES];
  for (int i = 0; i < n; i += CPU_LANES) {
    int count = n - i < CPU_LANES ? n - i : CPU_LANES;
    lanes z = lanes_subtract(load_some(x + i, count), lanes_all(top));
    lanes y = exp_lanes(lanes_divide(z, lanes_all(temperature)));
    y = lanes_multiply(y, lanes_all(0x1p+40f));
    lanes rounded = lanes_subtract(lanes_add(y, whole), whole);
    lanes_store(mass, lanes_if_less(y, whole, rounded, y));
    for (int j = 0; j < count; j++)
      *sum += (uint64_t)(int64_t)mass[j];
  }
}

#endif
