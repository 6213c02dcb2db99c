#include "kernels/reference_internal.h"

#include <math.h>

/* One group: acc + (even + odd). Past count stand zeros, whose products are added all the same. */
static float add_group(float acc, const float *x, const float *w, int count) {
  float even = 0, odd = 0;
  for (int i = 0; i < KERNELS_GROUP; i += 2) {
    even = fmaf(i < count ? x[i] : 0, i < count ? w[i] : 0, even);
    odd = fmaf(i + 1 < count ? x[i + 1] : 0, i + 1 < count ? w[i + 1] : 0, odd);
  }
  return acc + (even + odd);
}

float reference_dot(const float *x, const float *w, int k) {
  float acc = 0;
  for (int from = 0; from < k; from += KERNELS_GROUP)
    acc = add_group(acc, x + from, w + from, k - from);
  return acc;
}

/* Elements are expanded a group at a time, which is exact. */
static float one_output(const device *d, const product_args *a, size_t row, size_t output) {
  float acc = 0;
  int k = a->w->k;
  for (int from = 0; from < k; from += KERNELS_GROUP) {
    float x[KERNELS_GROUP], w[KERNELS_GROUP];
    int count = k - from < KERNELS_GROUP ? k - from : KERNELS_GROUP;
    for (int i = 0; i < count; i++) {
      x[i] = activation_get(d->options.compute, a->x, row * k + from + i);
      w[i] = activation_get(d->options.compute, a->w->data, output * k + from + i);
    }
    acc = add_group(acc, x, w, count);
  }
  return a->bias ? acc + a->bias[output] : acc;
}

void reference_product(device *d, const product_args *a) {
  for (int r = 0; r < a->rows; r++) {
    for (int j = 0; j < a->w->n; j++)
      a->y[(size_t)r * a->w->n + j] = one_output(d, a, (size_t)r, (size_t)j);
  }
}
