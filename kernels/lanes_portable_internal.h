/* Sixteen fp32 lanes as an array; see lanes_avx512_internal.h for what each does. */
#ifndef KERNELS_LANES_PORTABLE_INTERNAL_H
#define KERNELS_LANES_PORTABLE_INTERNAL_H

#include "kernels/number.h"

#include <math.h>

typedef struct lanes {
  float x[16];
} lanes;

#define LANES_EACH(expression)                                                                     \
  lanes out;                                                                                       \
  for (int i = 0; i < 16; i++)                                                                     \
    out.x[i] = (expression);                                                                       \
  return out

static inline lanes lanes_all(float x) {
  LANES_EACH(x);
}

static inline lanes lanes_zero(void) {
  return lanes_all(0);
}

static inline lanes lanes_load(const float *x) {
  LANES_EACH(x[i]);
}

static inline void lanes_store(float *to, lanes x) {
  memcpy(to, x.x, sizeof x.x);
}

static inline lanes lanes_add(lanes a, lanes b) {
  LANES_EACH(a.x[i] + b.x[i]);
}

static inline lanes lanes_subtract(lanes a, lanes b) {
  LANES_EACH(a.x[i] - b.x[i]);
}

static inline lanes lanes_multiply(lanes a, lanes b) {
  LANES_EACH(a.x[i] * b.x[i]);
}

static inline lanes lanes_divide(lanes a, lanes b) {
  LANES_EACH(a.x[i] / b.x[i]);
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c) {
  LANES_EACH(fmaf(a.x[i], b.x[i], c.x[i]));
}

static inline lanes lanes_if_less(lanes a, lanes b, lanes yes, lanes no) {
  LANES_EACH(a.x[i] < b.x[i] ? yes.x[i] : no.x[i]);
}

static inline lanes lanes_greater(lanes a, lanes b) {
  LANES_EACH(a.x[i] > b.x[i] ? a.x[i] : b.x[i]);
}

static inline lanes lanes_add_exponent(lanes a, lanes b) {
  LANES_EACH(number_of_bits(number_bits(a.x[i]) + (number_bits(b.x[i]) << 23)));
}

static inline lanes lanes_load_bf16(const uint16_t *from) {
  LANES_EACH(number_from_bf16(from[i]));
}

static inline void lanes_load_pairs(const void *from, lanes *even, lanes *odd) {
  const uint16_t *pair = from;
  for (int i = 0; i < 16; i++) {
    even->x[i] = number_from_bf16(pair[2 * i]);
    odd->x[i] = number_from_bf16(pair[2 * i + 1]);
  }
}

static inline void lanes_store_bf16(uint16_t *to, lanes x) {
  for (int i = 0; i < 16; i++)
    to[i] = number_to_bf16(x.x[i]);
}

static inline lanes lanes_round_bf16(lanes x) {
  LANES_EACH(number_from_bf16(number_to_bf16(x.x[i])));
}

#undef LANES_EACH
#endif
