#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Tiles exist (CPUID leaf 7: amx-bf16 and amx-tile), the system saves them (XCR0 bits 17 and 18),
   and Linux lets this process use them (arch_prctl, ARCH_REQ_XCOMP_PERM for XTILEDATA). */
static int has_tiles(void) {
  enum { AMX = 1 << 22 | 1 << 24, SAVED = 3 << 17, OSXSAVE = 1 << 27 };
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE)) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & AMX) != AMX) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & SAVED) != SAVED) return 0;
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}

int cpu_has(cpu_path path) {
  switch (path) {
  case CPU_PORTABLE:
  case CPU_TILES: return 1;
  case CPU_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  case CPU_AVX512: return cpu_has(CPU_AVX2) && __builtin_cpu_supports("avx512f");
  case CPU_BF16:
    return cpu_has(CPU_AVX512) && __builtin_cpu_supports("avx512bf16") &&
           __builtin_cpu_supports("avx512bw") && /* compilers take one to include the other */
           cpu_pairs_are_links();
  case CPU_AMX: return cpu_has(CPU_AVX512) && has_tiles();
  }
  return 0;
}
#else
int cpu_has(cpu_path path) {
  return path == CPU_PORTABLE || path == CPU_TILES;
}
#endif

unsigned kernels_cpu_paths(void) {
  unsigned paths = 0;
  for (unsigned path = CPU_PORTABLE; path <= CPU_TILES; path *= 2)
    paths |= cpu_has((cpu_path)path) ? path : 0;
  return paths;
}

const char *kernels_cpu_path_name(cpu_path path) {
  switch (path) {
  case CPU_PORTABLE: return "portable";
  case CPU_AVX2: return "avx2";
  case CPU_AVX512: return "avx512";
  case CPU_BF16: return "avx512_bf16";
  case CPU_AMX: return "amx";
  case CPU_TILES: return "tiles";
  }
  return "none";
}
