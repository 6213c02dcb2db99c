/* The product of another library, to hold ours against: oneDNN's matmul of bf16, or of fp32, by
   weights that it packs as it likes, into fp32. For benchmarks alone: its order of sums is not
   ours, and nothing of a token passes here.

   oneDNN is optional. A build that found its header (Debian's libdnnl-dev, version 2) looks for the
   library when a yardstick is opened, so that the program starts without it and runs where it is
   not. Its threads are OpenMP's: the process keeps them, and they spin for some milliseconds after
   each product, so who times something else next runs it for a while first.

   One thread at a time, the same for all of a yardstick's life. */
#ifndef KERNELS_YARDSTICK_H
#define KERNELS_YARDSTICK_H

#include "base/status.h"

typedef struct yardstick yardstick;
typedef struct yardstick_product yardstick_product;

/* What both read and write; borrowed until the product is closed. */
typedef struct yardstick_shape {
  int rows, n, k;
  int fp32;      /* 1: of x and w, else bf16 */
  const void *x; /* [rows, k] */
  const void *w; /* [n, k]; may go once the product is open */
  float *y;      /* [rows, n] */
} yardstick_shape;

/* E_DEVICE says what is missing and how to get it. */
MUST_CHECK status yardstick_open(yardstick **out, int threads, detail *err);
void yardstick_close(yardstick *y);             /* NULL is a no-op */
const char *yardstick_name(const yardstick *y); /* "oneDNN 2.6.3"; valid until close */

/* E_DEVICE where oneDNN has no such product on this machine; E_MEMORY. */
MUST_CHECK status yardstick_product_open(yardstick_product **out, yardstick *y,
                                         const yardstick_shape *shape, detail *err);
void yardstick_product_close(yardstick_product *p); /* NULL is a no-op */
MUST_CHECK status yardstick_product_run(yardstick_product *p, detail *err);

#endif
