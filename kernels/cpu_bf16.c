/* The path of AVX-512 with VDPBF16PS: two links of a chain per lane and instruction. Compute fp32
   goes as in the path of AVX-512. */
#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include "kernels/lanes_bf16_internal.h"

#define LANES_BF16        DOT_LINKS
#define LANES_MOST_ROWS   4
#define LANES_MOST_PANELS 2
#define LANES_BLOCKS(X)   X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2)
#include "kernels/cpu_attention_internal.h"

const cpu_ops cpu_ops_bf16 = {
    "avx512_bf16", sizeof(uint16_t), path_norm_add,  path_swiglu,         path_rope_append,
    path_operands, path_product,     path_attention, path_attention_part, path_attention_fold,
    path_splice,   path_exps,        path_masses};

enum { PROBES = 4096, CHAIN = 8 };

/* A bf16: in a quarter of all cases the negative of what came before; at times zero, denormal, huge
   or so small that products are denormal or specks of those; else from 2^-15 to 2, so far apart
   that sums of products must be rounded. */
static uint16_t drawn_half(uint32_t word, uint16_t before) {
  static const struct {
    uint16_t bits, drawn;
  } kinds[] = {{0, 0x8000},      {0, 0x807f},      {0x7e00, 0x80ff}, {0x1f00, 0x80ff},
               {0x1800, 0x80ff}, {0x1800, 0x80ff}, {0x1800, 0x80ff}, {0x3800, 0x87ff}};
  enum { USUAL = sizeof kinds / sizeof *kinds - 1 };
  uint32_t kind = word % 32 < USUAL ? word % 32 : USUAL;
  if (word >> 5 & 3u) return (uint16_t)(kinds[kind].bits | (word >> 16 & kinds[kind].drawn));
  return before ^ 0x8000u;
}

/* Draws that are the same everywhere: a step of Knuth's linear congruence (MMIX). */
static uint32_t drawn_word(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 32);
}

static int lane_is_links(uint32_t x, uint32_t w, float sum, float got) {
  float high = fmaf(number_of_bits(x & 0xffff0000u), number_of_bits(w & 0xffff0000u), sum);
  float both = fmaf(number_of_bits(x << 16), number_of_bits(w << 16), high);
  return number_bits(both) == number_bits(got) || (both != both && got != got);
}

/* Where a chain starts: at zero, or at the least normal number of either sign. What is a speck
   below that one is not tiny, since it is after rounding that this is asked. */
static float chain_start(int chain, int lane) {
  uint32_t sign = (uint32_t)(lane & 1) << 31;
  return chain % 2 ? number_of_bits(sign | 0x00800000u) : 0;
}

/* In a chain: each sum is where the next starts, so that what cancels does so after rounding. */
int cpu_pairs_are_links(void) {
  uint32_t x[CPU_LANES], w[CPU_LANES];
  float sum[CPU_LANES] = {0}, got[CPU_LANES];
  uint64_t state = 1;
  int same = 1;
  unsigned mode = float_mode_enter();
  for (int i = 0; i < PROBES; i++) {
    for (int j = 0; j < CPU_LANES; j++) {
      uint16_t a = drawn_half(drawn_word(&state), 0x3f80), b = drawn_half(drawn_word(&state), a);
      uint16_t p = drawn_half(drawn_word(&state), 0x3f80), q = drawn_half(drawn_word(&state), p);
      x[j] = (uint32_t)a << 16 | b;
      w[j] = (uint32_t)p << 16 | (drawn_word(&state) & 3u ? q : p);
      if (i % CHAIN == 0) sum[j] = chain_start(i / CHAIN, j);
    }
    lanes_store(got, lanes_links(lanes_load((const float *)(const void *)x),
                                 lanes_load((const float *)(const void *)w), lanes_load(sum)));
    for (int j = 0; j < CPU_LANES; j++)
      same &= lane_is_links(x[j], w[j], sum[j], got[j]);
    memcpy(sum, got, sizeof sum);
  }
  float_mode_leave(mode);
  return same;
}
#endif
