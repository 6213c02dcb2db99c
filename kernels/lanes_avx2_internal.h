/* Sixteen fp32 lanes as two AVX2 registers; see lanes_avx512_internal.h for what each does. */
#ifndef KERNELS_LANES_AVX2_INTERNAL_H
#define KERNELS_LANES_AVX2_INTERNAL_H

#include <immintrin.h>
#include <stdint.h>

typedef struct lanes {
  __m256 low, high;
} lanes;

static inline lanes lanes_zero(void) {
  return (lanes){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

static inline lanes lanes_all(float x) {
  return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline lanes lanes_load(const float *x) {
  return (lanes){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}

static inline void lanes_store(float *to, lanes x) {
  _mm256_storeu_ps(to, x.low);
  _mm256_storeu_ps(to + 8, x.high);
}

static inline lanes lanes_add(lanes a, lanes b) {
  return (lanes){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

static inline lanes lanes_subtract(lanes a, lanes b) {
  return (lanes){_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}

static inline lanes lanes_multiply(lanes a, lanes b) {
  return (lanes){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

static inline lanes lanes_divide(lanes a, lanes b) {
  return (lanes){_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c) {
  return (lanes){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

static inline __m256 lanes_half_if_less(__m256 a, __m256 b, __m256 yes, __m256 no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

static inline lanes lanes_if_less(lanes a, lanes b, lanes yes, lanes no) {
  return (lanes){lanes_half_if_less(a.low, b.low, yes.low, no.low),
                 lanes_half_if_less(a.high, b.high, yes.high, no.high)};
}

static inline lanes lanes_greater(lanes a, lanes b) {
  return (lanes){_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}

static inline __m256 lanes_half_add_exponent(__m256 a, __m256 b) {
  __m256i shifted = _mm256_slli_epi32(_mm256_castps_si256(b), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), shifted));
}

static inline lanes lanes_add_exponent(lanes a, lanes b) {
  return (lanes){lanes_half_add_exponent(a.low, b.low), lanes_half_add_exponent(a.high, b.high)};
}

static inline void lanes_half_load_pairs(const void *from, __m256 *even, __m256 *odd) {
  __m256i pairs = _mm256_loadu_si256((const __m256i *)from);
  *even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  *odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000u)));
}

static inline void lanes_load_pairs(const void *from, lanes *even, lanes *odd) {
  lanes_half_load_pairs(from, &even->low, &odd->low);
  lanes_half_load_pairs((const char *)from + 32, &even->high, &odd->high);
}

static inline __m256 lanes_half_load_bf16(const uint16_t *from) {
  __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline lanes lanes_load_bf16(const uint16_t *from) {
  return (lanes){lanes_half_load_bf16(from), lanes_half_load_bf16(from + 8)};
}

static inline void lanes_half_store_bf16(uint16_t *to, __m256 x) {
  __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
  __m256i even = _mm256_and_si256(high, _mm256_set1_epi32(1));
  __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
  __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  __m256i size = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
  __m256i is_nan = _mm256_cmpgt_epi32(size, _mm256_set1_epi32(0x7f800000));
  __m256i rounded = _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), quiet, is_nan);
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
  _mm_storeu_si128((__m128i *)(void *)to, _mm256_castsi256_si128(packed));
}

static inline void lanes_store_bf16(uint16_t *to, lanes x) {
  lanes_half_store_bf16(to, x.low);
  lanes_half_store_bf16(to + 8, x.high);
}

static inline __m256 lanes_half_round_bf16(__m256 x) {
  __m256i bits = _mm256_castps_si256(x);
  __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
  return _mm256_castsi256_ps(_mm256_and_si256(up, _mm256_set1_epi32((int)0xffff0000u)));
}

static inline lanes lanes_round_bf16(lanes x) {
  return (lanes){lanes_half_round_bf16(x.low), lanes_half_round_bf16(x.high)};
}

#endif
