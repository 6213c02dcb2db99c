/* Private to the ceilings: the loops that are timed. */
#ifndef KERNELS_CEILING_INTERNAL_H
#define KERNELS_CEILING_INTERNAL_H

#include "kernels/ceiling.h"

/* Arithmetic on registers that depends on nothing else. rounds is at least 1. */
typedef struct ceiling_loop {
  const char *name;
  int (*has)(void);
  void (*work)(int64_t rounds);
  double flops; /* of a round */
} ceiling_loop;

extern const ceiling_loop ceiling_loops[CEILING_UNITS];

/* Reads bytes (a multiple of 64) with the widest loads of the machine. from is aligned to 64. */
typedef void ceiling_reader(const void *from, size_t bytes);
ceiling_reader *ceiling_best_reader(void);

#endif
