/* What works on rows alone: embed, norm_add, swiglu, gather. */
#include "kernels/math.h"
#include "kernels/reference_internal.h"

#include <math.h>
#include <string.h>

void reference_embed(device *d, const embed_args *a) {
  int width = a->table->k;
  for (int32_t r = 0; r < a->plan->rows; r++) {
    for (int i = 0; i < width; i++) {
      size_t from = (size_t)a->plan->token[r] * width + i;
      a->residual[(size_t)r * width + i] = activation_get(d->options.compute, a->table->data, from);
    }
  }
}

float reference_norm_scale(const float *x, int n, float epsilon) {
  float sum[16] = {0};
  for (int i = 0; i < n; i++)
    sum[i % 16] = fmaf(x[i], x[i], sum[i % 16]);
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++)
      sum[j] = sum[j] + sum[j + half];
  }
  return 1.0f / sqrtf(sum[0] / (float)n + epsilon);
}

void reference_norm_add(device *d, const norm_add_args *a) {
  for (int r = 0; r < a->rows; r++) {
    size_t row = (size_t)r * a->width;
    float *x = a->residual + row;
    for (int i = 0; a->delta && i < a->width; i++)
      x[i] = x[i] + a->delta[row + i];
    float scale = reference_norm_scale(x, a->width, a->epsilon);
    for (int i = 0; i < a->width; i++)
      activation_put(d->options.compute, a->out, row + i, x[i] * scale * a->gain[i]);
  }
}

void reference_swiglu(device *d, const swiglu_args *a) {
  for (int r = 0; r < a->rows; r++) {
    const float *gate = a->gate + r * a->gate_stride, *up = a->up + r * a->up_stride;
    for (int i = 0; i < a->width; i++) {
      float silu = gate[i] / (1.0f + math_exp(-gate[i]));
      activation_put(d->options.compute, a->out, (size_t)r * a->width + i, silu * up[i]);
    }
  }
}

void reference_gather(device *d, const gather_args *a) {
  size_t bytes = (size_t)a->width * kernels_activation_bytes(d->options.compute);
  for (int32_t i = 0; i < a->plan->outputs; i++) {
    const char *from = (const char *)a->from + (size_t)a->plan->output_row[i] * bytes;
    memcpy((char *)a->to + (size_t)i * bytes, from, bytes);
  }
}
