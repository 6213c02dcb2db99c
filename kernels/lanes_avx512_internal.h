/* Sixteen fp32 lanes as one AVX-512 register. Every lanes_*_internal.h gives the same functions,
   each exact or correctly rounded, so that the paths' templates give the same bits. */
#ifndef KERNELS_LANES_AVX512_INTERNAL_H
#define KERNELS_LANES_AVX512_INTERNAL_H

#include <immintrin.h>
#include <stdint.h>

typedef __m512 lanes;

static inline lanes lanes_zero(void) {
  return _mm512_setzero_ps();
}

static inline lanes lanes_all(float x) {
  return _mm512_set1_ps(x);
}

static inline lanes lanes_load(const float *x) {
  return _mm512_loadu_ps(x);
}

static inline void lanes_store(float *to, lanes x) {
  _mm512_storeu_ps(to, x);
}

static inline lanes lanes_add(lanes a, lanes b) {
  return _mm512_add_ps(a, b);
}

static inline lanes lanes_subtract(lanes a, lanes b) {
  return _mm512_sub_ps(a, b);
}

static inline lanes lanes_multiply(lanes a, lanes b) {
  return _mm512_mul_ps(a, b);
}

static inline lanes lanes_divide(lanes a, lanes b) {
  return _mm512_div_ps(a, b);
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c) {
  return _mm512_fmadd_ps(a, b, c);
}

/* a < b ? yes : no, with no for NaN. */
static inline lanes lanes_if_less(lanes a, lanes b, lanes yes, lanes no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}

/* a > b ? a : b, so b for NaN. */
static inline lanes lanes_greater(lanes a, lanes b) {
  return _mm512_max_ps(a, b);
}

/* The bits of a plus those of b shifted left by 23. */
static inline lanes lanes_add_exponent(lanes a, lanes b) {
  __m512i shifted = _mm512_slli_epi32(_mm512_castps_si512(b), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), shifted));
}

/* Sixteen pairs of bf16, as fp32. */
static inline void lanes_load_pairs(const void *from, lanes *even, lanes *odd) {
  __m512i pairs = _mm512_loadu_si512(from);
  *even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
  *odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000u)));
}

static inline lanes lanes_load_bf16(const uint16_t *from) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* number_to_bf16 of each. */
static inline void lanes_store_bf16(uint16_t *to, lanes x) {
  __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
  __m512i even = _mm512_and_si512(high, _mm512_set1_epi32(1));
  __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
  __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
  __m512i size = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
  __mmask16 is_nan = _mm512_cmpgt_epi32_mask(size, _mm512_set1_epi32(0x7f800000));
  __m512i rounded = _mm512_mask_blend_epi32(is_nan, _mm512_srli_epi32(up, 16), quiet);
  _mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtepi32_epi16(rounded));
}

/* Each rounded to bf16, as fp32; none is NaN, or its low bits are zero. */
static inline lanes lanes_round_bf16(lanes x) {
  __m512i bits = _mm512_castps_si512(x);
  __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
  return _mm512_castsi512_ps(_mm512_and_si512(up, _mm512_set1_epi32((int)0xffff0000u)));
}

#endif
