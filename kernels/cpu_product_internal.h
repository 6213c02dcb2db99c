/* A template: dots of rows with panels by vectors. Outputs stand across lanes, each with its own
   even and odd chain, so that the order is the reference's whatever the block.

   The including file has chosen lanes, and says
     LANES_BF16       the form of its dots under COMPUTE_BF16
     LANES_MOST_ROWS  how many rows keep their chains in registers
     LANES_ROWS(X)    X(1) ... X(LANES_MOST_ROWS)

   One panel at a time meets as many rows as registers hold: per sixteen outputs, two elements and
   one row that is a load of x that goes to all lanes and two fused multiply-adds (two of
   VDPBF16PS for four elements), per element of a panel one load for all rows. So the arithmetic is
   the bound where rows are in the second cache, and a panel passes through the first. */
#ifndef KERNELS_CPU_PRODUCT_INTERNAL_H
#define KERNELS_CPU_PRODUCT_INTERNAL_H

#include "kernels/cpu_rows_internal.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { HALF_GROUP = KERNELS_GROUP / 2, CACHE_LINE = 64 };

/* How rows and panels stand. A row has as many elements as whole groups need. */
typedef enum dot_form {
  DOT_SINGLES, /* both fp32 */
  DOT_WIDENED, /* rows fp32, panels bf16 in pairs */
  DOT_LINKS    /* both bf16 in quads: a float of x is the bits of two links */
} dot_form;

/* A block of dots: rows of x with panels, groups of 32 elements each. A group's first 16 elements
   are at low, its last 16 at high, so that values of two small pages can meet in one group. */
typedef struct dots {
  const float *x;                  /* [rows] of operands: see make_operands */
  size_t x_stride;                 /* in floats, whatever they hold */
  const unsigned char *low, *high; /* of the first panel's first group */
  size_t panel_bytes;              /* from panel to panel */
  int groups;
  int carry;                  /* whether y holds the sums so far */
  int ahead_lines;            /* of the next panel, that are fetched with each group */
  const unsigned char *ahead; /* where they start */
  float *y;                   /* [rows, panels * 16] */
  size_t y_stride;
} dots;

ALWAYS_INLINE dot_form form_of(compute_type c) {
  return c == COMPUTE_FP32 ? DOT_SINGLES : LANES_BF16;
}

/* Vectors of sixteen even elements' outputs and of sixteen odd ones', and what a step of them is.
 */
ALWAYS_INLINE void load_step(dot_form f, const unsigned char *from, lanes *even, lanes *odd) {
  if (f == DOT_WIDENED) {
    lanes_load_pairs(from, even, odd);
  } else if (f == DOT_LINKS) {
#ifdef LANES_LINKS
    lanes_load_links(from, even, odd);
#endif
  } else {
    *even = lanes_load((const float *)(const void *)from);
    *odd = lanes_load((const float *)(const void *)from + CPU_LANES);
  }
}

ALWAYS_INLINE int step_elements(dot_form f) {
  return f == DOT_LINKS ? 4 : 2;
}

ALWAYS_INLINE size_t step_bytes(dot_form f) {
  return f == DOT_WIDENED ? 2 * CPU_LANES * sizeof(uint16_t) : 2 * CPU_LANES * sizeof(float);
}

/* sum with one link of the chain, or two. */
ALWAYS_INLINE lanes links(dot_form f, const float *x, lanes w, lanes sum) {
#ifdef LANES_LINKS
  if (f == DOT_LINKS) return lanes_links(lanes_all_links(x), w, sum);
#endif
  (void)f;
  return lanes_fma(lanes_all(*x), w, sum);
}

/* Sixteen elements of both chains, for some rows. */
ALWAYS_INLINE void half_group(dot_form f, int rows, const float *x, size_t x_stride,
                              const unsigned char *w, lanes *even, lanes *odd) {
  for (int i = 0; i < HALF_GROUP / step_elements(f); i++) {
    lanes w_even, w_odd;
    load_step(f, w + i * step_bytes(f), &w_even, &w_odd);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      const float *row = x + r * x_stride + 2 * i;
      even[r] = links(f, row, w_even, even[r]);
      odd[r] = links(f, row + 1, w_odd, odd[r]);
    }
  }
}

/* Some rows with one panel. */
ALWAYS_INLINE void some_dots(dot_form f, int rows, const dots *d) {
  lanes acc[LANES_MOST_ROWS], even[LANES_MOST_ROWS], odd[LANES_MOST_ROWS];
  const size_t half = HALF_GROUP / step_elements(f);
  const float *x = d->x;
  const unsigned char *low = d->low, *high = d->high, *ahead = d->ahead;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
    acc[r] = d->carry ? lanes_load(d->y + r * d->y_stride) : lanes_zero();
  for (int g = 0; g < d->groups; g++) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
      even[r] = odd[r] = lanes_zero();
    half_group(f, rows, x, d->x_stride, low, even, odd);
    half_group(f, rows, x + 2 * half, d->x_stride, high, even, odd);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
      acc[r] = lanes_add(acc[r], lanes_add(even[r], odd[r]));
    for (int line = 0; line < d->ahead_lines; line++, ahead += CACHE_LINE)
      __builtin_prefetch(ahead, 0, 2); /* into the second cache: the first is full */
    x += 4 * half;
    low += 2 * half * step_bytes(f); /* of both halves: a whole group */
    high += 2 * half * step_bytes(f);
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
    lanes_store(d->y + r * d->y_stride, acc[r]);
}

/* Rows in steps of nearly equal size; each fetches its part of the panel that comes next. */
ALWAYS_INLINE void all_dots(dot_form f, const dots *d, int rows, int panels) {
  dots b = *d;
  for (int panel = 0; panel < panels; panel++) {
    b.x = d->x;
    b.y = d->y + panel * CPU_LANES;
    b.ahead = d->ahead;
    for (int left = rows, step; left > 0; left -= step) {
      int steps = (left + LANES_MOST_ROWS - 1) / LANES_MOST_ROWS;
      step = (left + steps - 1) / steps;
      switch (step) {
#define ROWS(r)                                                                                    \
  case r: some_dots(f, r, &b); break;
        LANES_ROWS(ROWS)
#undef ROWS
      }
      b.x += step * b.x_stride;
      b.y += step * b.y_stride;
      b.ahead += b.groups * b.ahead_lines * CACHE_LINE;
    }
    b.low += b.panel_bytes;
    b.high += b.panel_bytes;
  }
}

static void run_dots(compute_type c, const dots *d, int rows, int panels) {
  if (c == COMPUTE_FP32) {
    all_dots(DOT_SINGLES, d, rows, panels);
  } else {
    all_dots(LANES_BF16, d, rows, panels);
  }
}

/* Rows of fp32 that are activations become the operands of run_dots, in place. columns is a
   multiple of 32. */
static inline void make_operands(compute_type c, float *x, size_t stride, int rows, int columns) {
#ifdef LANES_LINKS
  for (int r = 0; c == COMPUTE_BF16 && r < rows; r++) {
    float *from = x + r * stride;
    unsigned char *to = (unsigned char *)from;
    uint16_t narrow[CPU_LANES];
    for (int i = 0; i < columns; i += CPU_LANES, to += sizeof narrow) {
      lanes_store_bf16(narrow, lanes_load(from + i));
      lanes_store_links(to, narrow);
    }
  }
#else
  (void)c, (void)x, (void)stride, (void)rows, (void)columns;
#endif
}

/* Where a group's operands start in a row, in floats. */
ALWAYS_INLINE size_t operand_at(compute_type c, int element) {
  return (size_t)(form_of(c) == DOT_LINKS ? element / 2 : element);
}

/* Sixteen activations at an index, as operands. */
ALWAYS_INLINE void put_operands(dot_form f, const void *from, size_t at, unsigned char *to) {
  if (f == DOT_SINGLES) {
    memcpy(to, (const float *)from + at, CPU_LANES * sizeof(float));
  } else if (f == DOT_WIDENED) {
    lanes_store((float *)(void *)to, lanes_load_bf16((const uint16_t *)from + at));
  } else {
#ifdef LANES_LINKS
    lanes_store_links(to, (const uint16_t *)from + at);
#endif
  }
}

/* The block's rows as operands, padded with zeros. */
ALWAYS_INLINE void all_operands(dot_form f, const product_block *b, unsigned char *to,
                                size_t row_bytes) {
  int k = b->args->w->k;
  size_t unit = f == DOT_SINGLES ? sizeof(float) : sizeof(uint16_t);
  size_t step = CPU_LANES * (f == DOT_LINKS ? sizeof(uint16_t) : sizeof(float));
  for (int r = 0; r < b->rows; r++, to += row_bytes) {
    size_t at = (size_t)(b->row + r) * k;
    unsigned char *next = to;
    int i = 0;
    for (; i + CPU_LANES <= k; i += CPU_LANES, next += step)
      put_operands(f, b->args->x, at + i, next);
    for (; i < padded(k, KERNELS_GROUP); i += CPU_LANES, next += step) {
      unsigned char some[CPU_LANES * sizeof(float)] = {0};
      if (i < k) memcpy(some, (const unsigned char *)b->args->x + (at + i) * unit, (k - i) * unit);
      put_operands(f, some, 0, next);
    }
  }
}

static void path_operands(const cpu_device *d, const product_block *b, cpu_scratch *s) {
  size_t row_bytes = cpu_operand_bytes(d, b->args->w->k);
  if (d->head.options.compute == COMPUTE_FP32) {
    all_operands(DOT_SINGLES, b, s->x, row_bytes);
  } else {
    all_operands(LANES_BF16, b, s->x, row_bytes);
  }
}

/* Outputs to their place, with the bias; y may be the place. */
static void put_outputs(const product_block *b, const float *y, size_t y_stride, int panel) {
  const product_args *a = b->args;
  int output = panel * CPU_LANES, left = a->w->n - output;
  for (int r = 0; r < b->rows; r++) {
    lanes sum = lanes_load(y + r * y_stride);
    if (a->bias) sum = lanes_add(sum, load_some(a->bias + output, left));
    store_some(a->y + (size_t)(b->row + r) * a->w->n + output, sum, left);
  }
}

/* Lines of the next panel to fetch with each group, so that all row steps together fetch it. */
static int lines_ahead(compute_type c, int rows) {
  int steps = (rows + LANES_MOST_ROWS - 1) / LANES_MOST_ROWS;
  int lines = (int)(kernels_activation_bytes(c) * KERNELS_GROUP * CPU_LANES / CACHE_LINE);
  return (lines + steps - 1) / steps;
}

static void path_product(const cpu_device *d, const product_block *b, cpu_scratch *s) {
  compute_type c = d->head.options.compute;
  const product_args *a = b->args;
  int panels = padded(a->w->n, CPU_LANES) / CPU_LANES;
  size_t unit = kernels_activation_bytes(c), panel_bytes = panel_size(a->w) * unit;
  dots block = {.x = s->x, .panel_bytes = panel_bytes};
  block.x_stride = cpu_operand_bytes(d, a->w->k) / sizeof *block.x;
  block.groups = padded(a->w->k, KERNELS_GROUP) / KERNELS_GROUP;
  for (int panel = b->first; panel < b->last; panel++) {
    int is_whole = (panel + 1) * CPU_LANES <= a->w->n;
    block.low = (const unsigned char *)a->w->data + panel * panel_bytes;
    block.high = block.low + HALF_GROUP * CPU_LANES * unit;
    block.ahead = block.low + panel_bytes;
    block.ahead_lines = panel + 1 < panels ? lines_ahead(c, b->rows) : 0;
    block.y = is_whole ? a->y + (size_t)b->row * a->w->n + panel * CPU_LANES : s->y[0];
    block.y_stride = is_whole ? (size_t)a->w->n : CPU_LANES;
    run_dots(c, &block, b->rows, 1);
    if (!is_whole || a->bias) put_outputs(b, block.y, block.y_stride, panel);
  }
}

#endif
