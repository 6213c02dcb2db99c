/* A template: dots of rows with panels by vectors. Outputs stand across lanes, each with its own
   even and odd chain, so that the order is the reference's whatever the block. */
#ifndef KERNELS_CPU_PRODUCT_INTERNAL_H
#define KERNELS_CPU_PRODUCT_INTERNAL_H

#include "kernels/cpu_rows_internal.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { HALF_GROUP = KERNELS_GROUP / 2, BLOCK_PANELS = 4 };

/* A block of dots: rows of x with panels, groups of 32 elements each. A group's first 16 elements
   are at low, its last 16 at high, so that values of two small pages can meet in one group. */
typedef struct dots {
  const float *x; /* [rows, at least groups * 32] */
  size_t x_stride;
  const unsigned char *low, *high; /* of the first panel's first group */
  size_t panel_bytes;              /* from panel to panel */
  int groups;
  int carry; /* whether y holds the sums so far */
  float *y;  /* [rows, panels * 16] */
  size_t y_stride;
} dots;

ALWAYS_INLINE void load_pair(compute_type c, const unsigned char *from, lanes *even, lanes *odd) {
  if (c == COMPUTE_FP32) {
    *even = lanes_load((const float *)(const void *)from);
    *odd = lanes_load((const float *)(const void *)from + CPU_LANES);
  } else {
    lanes_load_pairs(from, even, odd);
  }
}

ALWAYS_INLINE size_t pair_bytes(compute_type c) {
  return 2 * CPU_LANES * (c == COMPUTE_FP32 ? sizeof(float) : sizeof(uint16_t));
}

/* Sixteen elements of both chains, for rows by panels outputs at a time. */
ALWAYS_INLINE void half_group(compute_type c, int rows, int panels, const dots *d, const float *x,
                              const unsigned char *w, lanes *even, lanes *odd) {
  for (int i = 0; i < HALF_GROUP / 2; i++) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) {
      lanes w_even, w_odd;
      load_pair(c, w + p * d->panel_bytes + i * pair_bytes(c), &w_even, &w_odd);
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++) {
        lanes *e = &even[p * rows + r], *o = &odd[p * rows + r];
        *e = lanes_fma(lanes_all(x[r * d->x_stride + 2 * i]), w_even, *e);
        *o = lanes_fma(lanes_all(x[r * d->x_stride + 2 * i + 1]), w_odd, *o);
      }
    }
  }
}

ALWAYS_INLINE void some_dots(compute_type c, int rows, int panels, const dots *d, int row,
                             int panel) {
  enum { MOST = 8 };
  lanes acc[MOST], even[MOST], odd[MOST];
  float *y = d->y + row * d->y_stride + panel * CPU_LANES;
  const float *x = d->x + row * d->x_stride;
  const unsigned char *low = d->low + panel * d->panel_bytes;
  const unsigned char *high = d->high + panel * d->panel_bytes;
#pragma GCC unroll 8
  for (int i = 0; i < rows * panels; i++) {
    const float *from = y + (i % rows) * d->y_stride + i / rows * CPU_LANES;
    acc[i] = d->carry ? lanes_load(from) : lanes_zero();
  }
  for (int g = 0; g < d->groups; g++) {
#pragma GCC unroll 8
    for (int i = 0; i < rows * panels; i++)
      even[i] = odd[i] = lanes_zero();
    half_group(c, rows, panels, d, x, low, even, odd);
    half_group(c, rows, panels, d, x + HALF_GROUP, high, even, odd);
#pragma GCC unroll 8
    for (int i = 0; i < rows * panels; i++)
      acc[i] = lanes_add(acc[i], lanes_add(even[i], odd[i]));
    x += KERNELS_GROUP;
    low += HALF_GROUP * pair_bytes(c); /* pairs of both halves: a whole group */
    high += HALF_GROUP * pair_bytes(c);
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows * panels; i++)
    lanes_store(y + (i % rows) * d->y_stride + i / rows * CPU_LANES, acc[i]);
}

/* Blocks that keep their chains in registers: LANES_BLOCKS(X) names those of the path, X(rows,
   panels), the larger first, with one of a single panel for each number of rows. */
ALWAYS_INLINE void all_dots(compute_type c, const dots *d, int rows, int panels) {
  for (int row = 0, step; row < rows; row += step) {
    step = LANES_ROW_STEP(rows - row);
    for (int panel = 0; panel < panels;) {
#define TRY(r, p)                                                                                  \
  if (step == (r) && panels - panel >= (p)) {                                                      \
    some_dots(c, r, p, d, row, panel);                                                             \
    panel += (p);                                                                                  \
    continue;                                                                                      \
  }
      LANES_BLOCKS(TRY)
#undef TRY
    }
  }
}

static void run_dots(compute_type c, const dots *d, int rows, int panels) {
  if (c == COMPUTE_FP32) {
    all_dots(COMPUTE_FP32, d, rows, panels);
  } else {
    all_dots(COMPUTE_BF16, d, rows, panels);
  }
}

/* Rows of activations as fp32, padded with zeros. */
static void widen_rows(compute_type c, const void *x, int row, int rows, int k, float *to) {
  int k_padded = padded(k, KERNELS_GROUP);
  for (int r = 0; r < rows; r++, to += k_padded) {
    size_t at = (size_t)(row + r) * k;
    if (c == COMPUTE_FP32) {
      memcpy(to, (const float *)x + at, (size_t)k * sizeof *to);
    } else {
      const uint16_t *from = (const uint16_t *)x + at;
      int i = 0;
      for (; i + CPU_LANES <= k; i += CPU_LANES)
        lanes_store(to + i, lanes_load_bf16(from + i));
      for (; i < k; i++)
        to[i] = number_from_bf16(from[i]);
    }
    memset(to + k, 0, (size_t)(k_padded - k) * sizeof *to);
  }
}

/* Outputs to their place, with the bias. */
static void put_outputs(const product_args *a, const float *y, size_t y_stride, int row, int rows,
                        int panel, int panels) {
  for (int r = 0; r < rows; r++, y += y_stride) {
    for (int p = 0; p < panels; p++) {
      int output = (panel + p) * CPU_LANES, left = a->w->n - output;
      lanes sum = lanes_load(y + p * CPU_LANES);
      if (a->bias) sum = lanes_add(sum, load_some(a->bias + output, left));
      store_some(a->y + (size_t)(row + r) * a->w->n + output, sum, left);
    }
  }
}

static void path_product(const cpu_device *d, const product_args *a, int first, int last,
                         cpu_scratch *s) {
  compute_type c = d->head.options.compute;
  size_t unit = kernels_activation_bytes(c);
  int k_padded = padded(a->w->k, KERNELS_GROUP);
  dots block = {.x = s->x, .x_stride = (size_t)k_padded, .groups = k_padded / KERNELS_GROUP};
  block.panel_bytes = panel_size(a->w) * unit;
  block.y = s->y[0];
  block.y_stride = sizeof s->y[0] / sizeof s->y[0][0];
  for (int row = 0; row < a->rows; row += CPU_BLOCK_ROWS) {
    int rows = a->rows - row < CPU_BLOCK_ROWS ? a->rows - row : CPU_BLOCK_ROWS;
    widen_rows(c, a->x, row, rows, a->w->k, s->x);
    for (int panel = first; panel < last; panel += BLOCK_PANELS) {
      int panels = last - panel < BLOCK_PANELS ? last - panel : BLOCK_PANELS;
      block.low = (const unsigned char *)a->w->data + panel * block.panel_bytes;
      block.high = block.low + HALF_GROUP * CPU_LANES * unit;
      run_dots(c, &block, rows, panels);
      put_outputs(a, block.y, block.y_stride, row, rows, panel, panels);
    }
  }
}

#endif
