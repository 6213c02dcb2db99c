/* Tables of rotary positions (Su et al., "RoFormer", 2021), computed in double and rounded once.

   Pair i of a head turns by position * frequency[i], frequency[i] = theta^(-2i / head_size),
   changed by a scaling: linear divides every frequency by factor; llama3 (Llama 3.1 and later)
   divides the slow ones by factor, keeps the fast ones and blends between them by wavelength. Kinds
   that this enum lacks are refused by whoever reads a model. Pure, any thread. */
#ifndef KERNELS_ROPE_H
#define KERNELS_ROPE_H

#include "base/status.h"

typedef enum rope_kind { ROPE_PLAIN, ROPE_LINEAR, ROPE_LLAMA3 } rope_kind;

typedef struct rope_options {
  rope_kind kind;
  int head_size;                                      /* even */
  double theta;                                       /* more than 1, at most 10^12 */
  double factor;                                      /* linear, llama3: at least 1 */
  double low_frequency_factor, high_frequency_factor; /* llama3; low < high */
  double original_positions;                          /* llama3: trained before it was scaled */
} rope_options;

enum { ROPE_POSITIONS_MAX = 1000000 };

/* frequencies is [head_size / 2]. E_INPUT for options that no model can mean. */
MUST_CHECK status rope_frequencies(const rope_options *options, double *frequencies, detail *err);

/* Fills table, [positions, 2, head_size / 2]: for each position the cosines, then the sines. It is
   host memory; a device's copy is put() there. E_INPUT likewise, or above ROPE_POSITIONS_MAX. */
MUST_CHECK status rope_fill(const rope_options *options, int positions, float *table, detail *err);

#endif
