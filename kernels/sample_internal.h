/* Pieces of sampling that every host backend shares because they are scalar wherever they stand. */
#ifndef KERNELS_SAMPLE_INTERNAL_H
#define KERNELS_SAMPLE_INTERNAL_H

#include "kernels/kernels.h"

/* x below which no noise can make an id win. */
#define SAMPLE_HOPELESS (-26.1f)

/* round(2^40 exp(x)) for x <= 0. */
uint64_t sample_mass(float x);

/* log(mass / 2^40), mass > 0. */
double sample_log_mass(uint64_t mass);

/* Gumbel noise of an id. */
double sample_noise(const sample_row *row, uint32_t id);

#endif
