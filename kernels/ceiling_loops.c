/* The loops of the ceilings. Twelve chains hide the latency of a fused multiply-add on every core
   that has these units (at most 2 a cycle, 6 cycles each); values stay finite and normal: a chain
   goes from 1 to x / 2 + 1, which ends at 2, and products of bf16 add 1 - 1. */
#include "kernels/ceiling_internal.h"
#include "kernels/cpu_internal.h"

#include <math.h>

enum { CHAINS = 12 };

/* ---- any machine ----------------------------------------------------------------------------- */

static int always(void) {
  return 1;
}

static void work_plain(int64_t rounds) {
  float chain[CHAINS];
  for (int i = 0; i < CHAINS; i++)
    chain[i] = 1;
  for (int64_t r = 0; r < rounds; r++) {
    for (int i = 0; i < CHAINS; i++)
      chain[i] = fmaf(chain[i], 0.5F, 1);
  }
  volatile float sink;
  for (int i = 0; i < CHAINS; i++)
    sink = chain[i];
  (void)sink;
}

static void read_plain(const void *from, size_t bytes) {
  const volatile uint64_t *word = from;
  for (size_t i = 0; i < bytes / sizeof *word; i += 8) {
    for (size_t j = 0; j < 8; j++)
      (void)word[i + j];
  }
}

#if defined(__x86_64__)

/* ---- x86: written as instructions, so that every build measures the same --------------------- */

/* `do` with each chain's register: the operands 14 and 15 are constants. */
#define TWELVE(do)                                                                                 \
  do                                                                                               \
  (0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11)
#define CLOBBERED                                                                                  \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",         \
      "xmm11", "xmm14", "xmm15", "cc"
#define AROUND(body, count) "1:\n\t" body "dec " count "\n\tjnz 1b\n\t"

#define START_YMM(r) "vmovaps %%ymm14, %%ymm" #r "\n\t"
#define FMA_YMM(r)   "vfmadd213ps %%ymm14, %%ymm15, %%ymm" #r "\n\t"
#define START_ZMM(r) "vmovaps %%zmm14, %%zmm" #r "\n\t"
#define FMA_ZMM(r)   "vfmadd213ps %%zmm14, %%zmm15, %%zmm" #r "\n\t"
#define DOT_ZMM(r)   "vdpbf16ps %%zmm14, %%zmm15, %%zmm" #r "\n\t"

static const float one = 1, half = 0.5F;
/* 1 and 1, 1 and -1 as pairs of bf16. */
static const uint32_t ones = 0x3f803f80, opposites = 0xbf803f80;

__attribute__((target("avx2,fma"))) static void work_avx2(int64_t rounds) {
  __asm__ volatile("vbroadcastss %1, %%ymm14\n\tvbroadcastss %2, %%ymm15\n\t" TWELVE(START_YMM)
                       AROUND(TWELVE(FMA_YMM), "%0") "vzeroupper"
                   : "+r"(rounds)
                   : "m"(one), "m"(half)
                   : CLOBBERED);
}

__attribute__((target("avx512f"))) static void work_avx512(int64_t rounds) {
  __asm__ volatile("vbroadcastss %1, %%zmm14\n\tvbroadcastss %2, %%zmm15\n\t" TWELVE(START_ZMM)
                       AROUND(TWELVE(FMA_ZMM), "%0") "vzeroupper"
                   : "+r"(rounds)
                   : "m"(one), "m"(half)
                   : CLOBBERED);
}

__attribute__((target("avx512f"))) static void work_bf16(int64_t rounds) {
  __asm__ volatile("vpbroadcastd %1, %%zmm14\n\tvpbroadcastd %2, %%zmm15\n\t" TWELVE(START_ZMM)
                       AROUND(TWELVE(DOT_ZMM), "%0") "vzeroupper"
                   : "+r"(rounds)
                   : "m"(ones), "m"(opposites)
                   : CLOBBERED);
}

/* Six sums, and two tiles of operands that stay where they are (Intel SDM: palette 1, then from
   byte 16 the bytes a row of each tile and from byte 48 its rows). */
static void work_tiles(int64_t rounds) {
  uint32_t operand[2][16][16];
  _Alignas(64) uint8_t config[64] = {1};
  for (int t = 0; t < 8; t++)
    config[16 + 2 * t] = 64, config[48 + t] = 16;
  for (int i = 0; i < 16 * 16; i++)
    operand[0][i / 16][i % 16] = ones, operand[1][i / 16][i % 16] = opposites;
  __asm__ volatile("ldtilecfg %1\n\t"
                   "tileloadd (%2,%4,1), %%tmm6\n\ttileloadd (%3,%4,1), %%tmm7\n\t"
                   "tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\t"
                   "tilezero %%tmm3\n\ttilezero %%tmm4\n\ttilezero %%tmm5\n\t" AROUND(
                       "tdpbf16ps %%tmm7, %%tmm6, %%tmm0\n\ttdpbf16ps %%tmm7, %%tmm6, %%tmm1\n\t"
                       "tdpbf16ps %%tmm7, %%tmm6, %%tmm2\n\ttdpbf16ps %%tmm7, %%tmm6, %%tmm3\n\t"
                       "tdpbf16ps %%tmm7, %%tmm6, %%tmm4\n\ttdpbf16ps %%tmm7, %%tmm6, %%tmm5\n\t",
                       "%0") "tilerelease"
                   : "+r"(rounds)
                   : "m"(config), "r"(operand[0]), "r"(operand[1]), "r"((size_t)64)
                   : "memory", "cc");
}

static int has_avx2(void) {
  return cpu_has(CPU_AVX2);
}

static int has_avx512(void) {
  return cpu_has(CPU_AVX512);
}

static int has_bf16(void) {
  return cpu_has(CPU_AVX512) && __builtin_cpu_supports("avx512bf16");
}

static int has_tiles(void) {
  return cpu_has(CPU_AMX);
}

/* What is loaded is not used. */
#define LOAD(from, to) "vmovaps " #from "(%0), %%" #to "\n\t"

__attribute__((target("avx2"))) static void read_avx2(const void *from, size_t bytes) {
  size_t lines = bytes / 64;
  __asm__ volatile(AROUND(LOAD(0, ymm0) LOAD(32, ymm1) "add $64, %0\n\t", "%1") "vzeroupper"
                   : "+r"(from), "+r"(lines)
                   :
                   : CLOBBERED, "memory");
}

__attribute__((target("avx512f"))) static void read_avx512(const void *from, size_t bytes) {
  size_t lines = bytes / 64 % 4, fours = bytes / 256;
  if (lines) {
    __asm__ volatile(AROUND(LOAD(0, zmm0) "add $64, %0\n\t", "%1") "vzeroupper"
                     : "+r"(from), "+r"(lines)
                     :
                     : CLOBBERED, "memory");
  }
  if (fours) {
    __asm__ volatile(AROUND(LOAD(0, zmm0) LOAD(64, zmm1) LOAD(128, zmm2)
                                LOAD(192, zmm3) "add $256, %0\n\t",
                            "%1") "vzeroupper"
                     : "+r"(from), "+r"(fours)
                     :
                     : CLOBBERED, "memory");
  }
}

const ceiling_loop ceiling_loops[CEILING_UNITS] = {
    [CEILING_PLAIN] = {"plain fmaf", always, work_plain, 2.0 * CHAINS},
    [CEILING_AVX2] = {"AVX2 fma", has_avx2, work_avx2, 2.0 * 8 * CHAINS},
    [CEILING_AVX512] = {"AVX-512 fma", has_avx512, work_avx512, 2.0 * 16 * CHAINS},
    [CEILING_BF16] = {"VDPBF16PS", has_bf16, work_bf16, 2.0 * 32 * CHAINS},
    [CEILING_TILES] = {"TDPBF16PS", has_tiles, work_tiles, 2.0 * 16 * 16 * 32 * 6}};

ceiling_reader *ceiling_best_reader(void) {
  return has_avx512() ? read_avx512 : has_avx2() ? read_avx2 : read_plain;
}
#else
static int never(void) {
  return 0;
}

const ceiling_loop ceiling_loops[CEILING_UNITS] = {
    [CEILING_PLAIN] = {"plain fmaf", always, work_plain, 2.0 * CHAINS},
    [CEILING_AVX2] = {"AVX2 fma", never, NULL, 0},
    [CEILING_AVX512] = {"AVX-512 fma", never, NULL, 0},
    [CEILING_BF16] = {"VDPBF16PS", never, NULL, 0},
    [CEILING_TILES] = {"TDPBF16PS", never, NULL, 0}};

ceiling_reader *ceiling_best_reader(void) {
  return read_plain;
}
#endif
