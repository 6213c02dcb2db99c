/* What this machine does at most, measured: arithmetic that stays in registers, and reading memory
   at a footprint. An operation can be no faster than

     max(bytes / ceiling_read at its footprint, flops / ceiling_arithmetic of its instruction)

   and the part of that which it reaches is its share. Rates move with the clock and with what else
   runs, so a ceiling is measured in short bursts between runs of the operation, and medians of both
   are compared. Nothing here is on a token's path.

   A ceiling owns threads, and a buffer to read. One thread at a time uses it. Bursts return rates
   and never fail. Threads of a device, or of a ceiling, look for work for a while before they sleep
   and keep a core busy with that: a burst begins with CEILING_SETTLING_NS that are not timed, and
   who times something else after one does well to run it for as long before. */
#ifndef KERNELS_CEILING_H
#define KERNELS_CEILING_H

#include "base/status.h"

typedef struct ceiling ceiling;

enum { CEILING_SETTLING_NS = 300000 };

typedef enum ceiling_unit {
  CEILING_PLAIN,  /* fmaf as the compiler makes it for any machine of this kind */
  CEILING_AVX2,   /* fused multiply-add, 8 of fp32 */
  CEILING_AVX512, /* the same, 16 of fp32 */
  CEILING_BF16,   /* VDPBF16PS */
  CEILING_TILES,  /* TDPBF16PS on AMX's tiles */
  CEILING_UNITS
} ceiling_unit;

const char *ceiling_unit_name(ceiling_unit u); /* "AVX-512 fma"; a constant */
int ceiling_has(ceiling_unit u);               /* whether this machine has it */

/* What a path of the cpu backend (kernels_cpu_path_name) makes its products in bf16 with, and all
   else. */
void ceiling_of_path(const char *path, ceiling_unit *product, ceiling_unit *other);

/* bytes: of the buffer, at least 1 MiB; larger footprints are read as if they were as large as it.
   It is written, so that its pages are its own. E_MEMORY, E_LIMIT. */
MUST_CHECK status ceiling_open(ceiling **out, int threads, size_t bytes, detail *err);
void ceiling_close(ceiling *c); /* NULL is a no-op */

/* Floating-point operations a second (a fused multiply-add is two) of the first `threads` of the
   ceiling's threads together, on a unit that the machine has, timed for about this long. */
double ceiling_arithmetic(ceiling *c, ceiling_unit u, int threads, int64_t ns);

/* Bytes a second that they read together out of footprint bytes, each its own part of them, round
   and round. A footprint that a cache may hold is read once before, untimed. */
double ceiling_read(ceiling *c, size_t footprint, int threads, int64_t ns);

#endif
