/* What VDPBF16PS adds to the lanes of AVX-512: two links of a chain at once (see CPU_BF16 in
   kernels.h). The instruction takes the high half of a pair first. */
#ifndef KERNELS_LANES_BF16_INTERNAL_H
#define KERNELS_LANES_BF16_INTERNAL_H

#include "kernels/lanes_avx512_internal.h"

#include <string.h>

#define LANES_LINKS

/* sum = fma(x's high half, w's high half, sum), then the low halves. */
static inline lanes lanes_links(lanes x, lanes w, lanes sum) {
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(x), (__m512bh)_mm512_castps_si512(w));
}

/* One pair in all lanes. As a whole number: where the instruction is executed among those (Zen 4),
   a broadcast of a float costs it a third of its rate. */
static inline lanes lanes_all_links(const float *pair) {
  int bits;
  memcpy(&bits, pair, sizeof bits);
  return _mm512_castsi512_ps(_mm512_set1_epi32(bits));
}

/* Two vectors of pairs, held in registers: the compiler would load them again for each row, since
   the instruction's type for them is another. */
static inline void lanes_load_links(const void *from, lanes *even, lanes *odd) {
  *even = lanes_load(from);
  *odd = lanes_load((const float *)from + 16);
  __asm__("" : "+v"(*even), "+v"(*odd));
}

/* Sixteen elements in the order of PANEL_QUADS: of each four 2, 0, 3, 1. */
static inline void lanes_store_links(void *to, const uint16_t *from) {
  const __m256i order = _mm256_setr_epi8(4, 5, 0, 1, 6, 7, 2, 3, 12, 13, 8, 9, 14, 15, 10, 11, 4, 5,
                                         0, 1, 6, 7, 2, 3, 12, 13, 8, 9, 14, 15, 10, 11);
  __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)from);
  _mm256_storeu_si256((__m256i *)to, _mm256_shuffle_epi8(x, order));
}

#endif
