/* A template: dots of rows with panels by vectors. Outputs stand across lanes, each with its own
   even and odd chain, so that the order is the reference's whatever the block.

   The including file has chosen lanes, and says
     LANES_BF16         the form of its dots under COMPUTE_BF16
     LANES_MOST_ROWS    how many rows, and
     LANES_MOST_PANELS  panels, meet in registers at a time
     LANES_BLOCKS(X)    X(rows, panels) for each number of either

   Four rows by two panels keep sixteen chains and eight sums in registers. A step of the chains is
   sixteen fused multiply-adds (or VDPBF16PS, each two of them) and twelve loads: four vectors of
   the panels, 256 bytes, and eight numbers of the rows, 32 bytes. So panels stand in the first
   cache while rows pass by from the second, PANEL_BYTES at a time, and arithmetic is the bound. */
#ifndef KERNELS_CPU_PRODUCT_INTERNAL_H
#define KERNELS_CPU_PRODUCT_INTERNAL_H

#include "kernels/cpu_rows_internal.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
  HALF_GROUP = KERNELS_GROUP / 2,
  PANEL_BYTES = 16384 /* of panels that all rows of a block meet: half of the first cache */
};

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
  int ahead_lines;            /* of each panel that comes next, fetched with each group */
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

/* One or two elements of a row, in all lanes. */
ALWAYS_INLINE lanes to_all(dot_form f, const float *x) {
#ifdef LANES_LINKS
  if (f == DOT_LINKS) return lanes_all_links(x);
#endif
  (void)f;
  return lanes_all(*x);
}

/* sum with one link of the chain, or two. */
ALWAYS_INLINE lanes links(dot_form f, lanes x, lanes w, lanes sum) {
#ifdef LANES_LINKS
  if (f == DOT_LINKS) return lanes_links(x, w, sum);
#endif
  (void)f;
  return lanes_fma(x, w, sum);
}

/* Sixteen elements of both chains; row r with panel p is number p * rows + r. */
ALWAYS_INLINE void half_group(dot_form f, int rows, int panels, const dots *d, const float *x,
                              const unsigned char *w, lanes *even, lanes *odd) {
  lanes w_even[LANES_MOST_PANELS], w_odd[LANES_MOST_PANELS];
  const int steps = HALF_GROUP / step_elements(f);
#pragma GCC unroll 4
  for (int i = 0; i < steps; i++) {
#pragma GCC unroll 2
    for (int p = 0; p < panels; p++)
      load_step(f, w + p * d->panel_bytes + i * step_bytes(f), &w_even[p], &w_odd[p]);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
      const float *row = x + r * d->x_stride + 2 * i;
      lanes x_even = to_all(f, row), x_odd = to_all(f, row + 1);
#pragma GCC unroll 2
      for (int p = 0; p < panels; p++) {
        even[p * rows + r] = links(f, x_even, w_even[p], even[p * rows + r]);
        odd[p * rows + r] = links(f, x_odd, w_odd[p], odd[p * rows + r]);
      }
    }
  }
}

/* Into the second cache: the first is full. */
ALWAYS_INLINE void fetch_ahead(const dots *d, int panels, const unsigned char *from) {
  for (int p = 0; p < panels; p++, from += d->panel_bytes) {
    for (int line = 0; line < d->ahead_lines; line++)
      __builtin_prefetch(from + line * CPU_LINE, 0, 2);
  }
}

/* Some rows with one or two panels. */
ALWAYS_INLINE void some_dots(dot_form f, int rows, int panels, const dots *d) {
  enum { MOST = LANES_MOST_ROWS * LANES_MOST_PANELS };
  lanes acc[MOST], even[MOST], odd[MOST];
  const size_t half = HALF_GROUP / step_elements(f);
  const float *x = d->x;
  const unsigned char *low = d->low, *high = d->high, *ahead = d->ahead;
#pragma GCC unroll 8
  for (int i = 0; i < rows * panels; i++) {
    const float *from = d->y + i % rows * d->y_stride + i / rows * CPU_LANES;
    acc[i] = d->carry ? lanes_load(from) : lanes_zero();
  }
  for (int g = 0; g < d->groups; g++) {
#pragma GCC unroll 8
    for (int i = 0; i < rows * panels; i++)
      even[i] = odd[i] = lanes_zero();
    half_group(f, rows, panels, d, x, low, even, odd);
    half_group(f, rows, panels, d, x + 2 * half, high, even, odd);
#pragma GCC unroll 8
    for (int i = 0; i < rows * panels; i++)
      acc[i] = lanes_add(acc[i], lanes_add(even[i], odd[i]));
    fetch_ahead(d, panels, ahead);
    ahead += d->ahead_lines * CPU_LINE;
    x += 4 * half;
    low += 2 * half * step_bytes(f); /* of both halves: a whole group */
    high += 2 * half * step_bytes(f);
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows * panels; i++)
    lanes_store(d->y + i % rows * d->y_stride + i / rows * CPU_LANES, acc[i]);
}

/* Rows in steps of nearly equal size; each fetches its part of the panels that come next. */
ALWAYS_INLINE void all_dots(dot_form f, const dots *d, int rows, int panels) {
  dots b = *d;
  for (int panel = 0, width; panel < panels; panel += width) {
    width = panels - panel < LANES_MOST_PANELS ? panels - panel : LANES_MOST_PANELS;
    b.x = d->x;
    b.y = d->y + panel * CPU_LANES;
    b.ahead = d->ahead;
    for (int left = rows, step; left > 0; left -= step) {
      int steps = (left + LANES_MOST_ROWS - 1) / LANES_MOST_ROWS;
      step = (left + steps - 1) / steps;
#define BLOCK(r, p)                                                                                \
  if (step == (r) && width == (p)) some_dots(f, r, p, &b);
      LANES_BLOCKS(BLOCK)
#undef BLOCK
      b.x += step * b.x_stride;
      b.y += step * b.y_stride;
      b.ahead += b.groups * b.ahead_lines * CPU_LINE;
    }
    b.low += width * b.panel_bytes;
    b.high += width * b.panel_bytes;
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
      _Alignas(CPU_LINE) unsigned char some[CPU_LANES * sizeof(float)] = {0};
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

/* Outputs of some panels to their place, with the bias. */
static void put_outputs(const product_block *b, const float *y, size_t y_stride, int panel,
                        int panels) {
  const product_args *a = b->args;
  for (int r = 0; r < b->rows; r++, y += y_stride) {
    for (int p = 0; p < panels; p++) {
      int output = (panel + p) * CPU_LANES, left = a->w->n - output;
      lanes sum = lanes_load(y + p * CPU_LANES);
      if (a->bias) sum = lanes_add(sum, load_some(a->bias + output, left));
      store_some(a->y + (size_t)(b->row + r) * a->w->n + output, sum, left);
    }
  }
}

/* Lines of each panel to fetch with a group, so that all row steps together fetch as much as they
   read; none past the last panel. */
static int lines_ahead(compute_type c, int rows) {
  int steps = (rows + LANES_MOST_ROWS - 1) / LANES_MOST_ROWS;
  int lines = (int)(kernels_activation_bytes(c) * KERNELS_GROUP * CPU_LANES / CPU_LINE);
  return (lines + steps - 1) / steps;
}

/* Two panels with all rows, so many groups at a time as stand in the first cache. */
static void path_panels(const cpu_device *d, const product_block *b, int panel, int panels,
                        cpu_scratch *s) {
  const packed_weight *w = b->args->w;
  compute_type c = d->head.options.compute;
  size_t group_bytes = KERNELS_GROUP * CPU_LANES * kernels_activation_bytes(c);
  int groups = padded(w->k, KERNELS_GROUP) / KERNELS_GROUP;
  int most = (int)(PANEL_BYTES / LANES_MOST_PANELS / group_bytes);
  int is_last = (panel + panels) * CPU_LANES >= w->n;
  dots block = {.y = s->y[0], .y_stride = sizeof s->y[0] / sizeof s->y[0][0]};
  block.x_stride = cpu_operand_bytes(d, w->k) / sizeof *block.x;
  block.panel_bytes = groups * group_bytes;
  const unsigned char *first = (const unsigned char *)w->data + panel * block.panel_bytes;
  for (int g = 0; g < groups; g += most) {
    block.groups = groups - g < most ? groups - g : most;
    block.carry = g > 0;
    block.x = (const float *)s->x + operand_at(c, g * KERNELS_GROUP);
    block.low = first + g * group_bytes;
    block.high = block.low + group_bytes / 2;
    block.ahead =
        g + most < groups ? block.low + most * group_bytes : first + panels * block.panel_bytes;
    block.ahead_lines = g + most < groups || !is_last ? lines_ahead(c, b->rows) : 0;
    run_dots(c, &block, b->rows, panels);
  }
}

static void path_product(const cpu_device *d, const product_block *b, cpu_scratch *s) {
  for (int panel = b->first; panel < b->last; panel += LANES_MOST_PANELS) {
    int left = b->last - panel, panels = left < LANES_MOST_PANELS ? left : LANES_MOST_PANELS;
    path_panels(d, b, panel, panels, s);
    put_outputs(b, s->y[0], sizeof s->y[0] / sizeof s->y[0][0], panel, panels);
  }
}

#endif
