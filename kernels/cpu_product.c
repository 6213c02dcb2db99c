/* How a product is cut: into blocks of rows, and into shares of panels that threads take.

   A product of r rows, n outputs and k elements must do 2 r n k operations and, under bf16, read
   2 n k bytes of weights. With few rows that is bound by memory, which then should be read once and
   in order: all rows meet two panels before the next two, which are fetched meanwhile. With many it
   is bound by arithmetic: weights are read once for each block of rows, and a block of 96 asks
   memory for a byte in 96 operations. The rows of a block stay in the second cache while panels
   pass by. */
#include "kernels/cpu_internal.h"

enum {
  BLOCK_BYTES = 256 * 1024, /* rows of a block: well within the second cache of one core */
  LEAST_ROWS = 32,          /* of a block, however wide: two tiles */
  ROWS_TOGETHER = 16,       /* a tile: blocks are whole ones */
  SHARES = 16               /* per thread: a late one leaves a sixteenth of its run to others */
};

/* Rows are a line apart from a round number of bytes, so that they do not meet in one set. */
size_t cpu_operand_bytes(const cpu_device *d, int k) {
  size_t unit = d->head.options.compute == COMPUTE_FP32 ? sizeof(float) : d->ops->operand_bytes;
  return (size_t)padded(k, KERNELS_GROUP) * unit + CPU_LINE;
}

int cpu_block_rows(const cpu_device *d, int k) {
  size_t rows = BLOCK_BYTES / cpu_operand_bytes(d, k) / LEAST_ROWS * LEAST_ROWS;
  if (rows < LEAST_ROWS) return LEAST_ROWS;
  return rows < CPU_BLOCK_ROWS ? (int)rows : CPU_BLOCK_ROWS;
}

/* One product as the threads see it: units of two panels for one block of rows, by block. */
typedef struct cut {
  cpu_device *d;
  const product_args *args;
  int rows;   /* of a block but the last */
  int panels; /* of the weight */
  int units;  /* of a block */
} cut;

static int least(int a, int b) {
  return a < b ? a : b;
}

static void share_product(void *context, int thread, int first, int last) {
  const cut *c = context;
  cpu_scratch *s = c->d->scratch[thread];
  for (int end; first < last; first = end) {
    int block = first / c->units, start = block * c->units;
    end = least(last, start + c->units);
    product_block b = {.args = c->args, .row = block * c->rows, .first = 2 * (first - start)};
    b.rows = least(c->rows, c->args->rows - b.row);
    b.last = least(2 * (end - start), c->panels);
    if (s->x_of != c->d->products || s->x_row != b.row) c->d->ops->operands(c->d, &b, s);
    s->x_of = c->d->products;
    s->x_row = b.row;
    c->d->ops->product(c->d, &b, s);
  }
}

void cpu_product(cpu_device *d, const product_args *a) {
  if (a->rows == 0) return;
  int most = cpu_block_rows(d, a->w->k), blocks = (a->rows + most - 1) / most;
  cut c = {.d = d, .args = a, .panels = padded(a->w->n, CPU_LANES) / CPU_LANES};
  c.rows = padded((a->rows + blocks - 1) / blocks, ROWS_TOGETHER);
  c.units = (c.panels + 1) / 2;
  blocks = (a->rows + c.rows - 1) / c.rows;
  int count = blocks * c.units, step = count / (d->head.options.threads * SHARES);
  d->products++;
  pool_run(d->pool, count, step ? step : 1, share_product, &c);
}
