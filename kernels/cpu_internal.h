/* The cpu backend inside: the device, the layouts, and the table that each path fills.

   Layouts. A panel is 16 outputs by k elements, in the order that the device's path reads; element
   (k, lane) stands at panel_at(). A weight is its panels, n and k padded with zeros to 16 and 32.
   The cache is [pages, layers, 2, kv_heads] blocks of page_keys * head_padded elements; a block of
   keys is panels of 16 keys over the head's elements, a block of values is panels of 16 elements
   over the page's keys: keys are outputs of the one product, and the sum's index of the other.
   Padding is zero. */
#ifndef KERNELS_CPU_INTERNAL_H
#define KERNELS_CPU_INTERNAL_H

#include "kernels/backend_internal.h"

enum {
  CPU_LINE = 64, /* bytes of the cache's lines */
  CPU_LANES = 16,
  CPU_BLOCK_ROWS = 256 /* most rows of a product that a thread holds at a time */
};

/* The order of elements in a panel. In quads the even elements of four make one pair and the odd
   ones the other, the later in the low half: each pair is two links of a chain. */
typedef enum panel_order {
  PANEL_SINGLES, /* fp32 [k, 16] */
  PANEL_PAIRS,   /* bf16 [k / 2, 16, 2]: what a tile loads, and what a shift and a mask unpack */
  PANEL_QUADS    /* bf16 [k / 4, 2, 16, 2]: what VDPBF16PS takes */
} panel_order;

typedef struct pool pool;

/* Where a row of a block of attention stands in its view. */
typedef struct cpu_cursor {
  int32_t span;         /* the next one */
  int32_t left;         /* keys of this one from its chunk on; 0 where the row is finished */
  const int32_t *pages; /* from its chunk on */
} cpu_cursor;

enum {
  CPU_SLOTS = KERNELS_GROUPED_MAX,  /* rows by query heads of a block of attention */
  CPU_RECORD_SLOTS = 4 * CPU_SLOTS, /* of partials that are kept, for each thread */
};

/* What one thread works in. Of attention, [slots, head_padded] arrays stand without gaps. */
typedef struct cpu_scratch {
  float q[CPU_SLOTS * KERNELS_HEAD_MAX];        /* rotated, rounded, padded with zeros */
  float gathered[CPU_SLOTS * KERNELS_HEAD_MAX]; /* queries of rows that are not adjacent */
  float p[CPU_SLOTS][KERNELS_CHUNK];            /* scores, then p */
  float o[CPU_SLOTS * KERNELS_HEAD_MAX];        /* of a chunk, with m and l */
  float sum[CPU_SLOTS * KERNELS_HEAD_MAX];      /* of the rows, with sum_m and sum_l */
  uint16_t tile[CPU_SLOTS][KERNELS_HEAD_MAX];   /* a tile's operand: q, then p */
  float m[CPU_SLOTS], l[CPU_SLOTS], sum_m[CPU_SLOTS], sum_l[CPU_SLOTS];
  cpu_cursor cursor[CPU_SLOTS];           /* of the block's rows */
  int member[CPU_SLOTS];                  /* rows of the block that stand at a chunk */
  float y[CPU_BLOCK_ROWS][2 * CPU_LANES]; /* outputs before they go to their place */
  void *x;       /* [rows of a block, k padded] operands of a product, as its path reads them */
  uint64_t x_of; /* the product, by its number, that x belongs to */
  int x_row;     /* the first row in x */
  uint32_t *ids; /* [most ids so far] of sample */
} cpu_scratch;

typedef struct cpu_device cpu_device;

/* A share of a product: these rows with panels first to last - 1. */
typedef struct product_block {
  const product_args *args;
  int row, rows, first, last;
} product_block;

/* A block of attention: neighbouring rows and a key head. Or a part of one row's view, where rows
   are too few for the threads: some of its chunks, whose partials are kept in records and folded
   when all are there. */
typedef struct cpu_block {
  const cpu_device *d;
  const attention_args *a;
  int row, rows; /* rows by query heads of the key head are at most CPU_SLOTS */
  int kv_head;
  int next_head;     /* that this thread is likely to take for the same rows, or -1 */
  int chunk, chunks; /* of a part */
  int is_last;       /* of a fold: the row has no chunks after it */
  float *records;    /* [chunks], of a fold [1 + chunks], each of cpu_record_floats */
} cpu_block;

/* One path. Each function does a share of an operation: rows, panels of a weight, or a block of
   attention, in the floating-point mode of the kernels. */
typedef struct cpu_ops {
  const char *name;
  size_t operand_bytes; /* of an element of a product's rows under COMPUTE_BF16 */
  void (*norm_add)(compute_type c, const norm_add_args *a, int first, int last);
  void (*swiglu)(compute_type c, const swiglu_args *a, int first, int last);
  void (*rope_append)(const cpu_device *d, const rope_append_args *a, int first, int last);
  void (*operands)(const cpu_device *d, const product_block *b, cpu_scratch *s); /* fills s->x */
  void (*product)(const cpu_device *d, const product_block *b, cpu_scratch *s);
  void (*attention)(const cpu_block *b, cpu_scratch *s);
  void (*attention_part)(const cpu_block *b, cpu_scratch *s);
  void (*attention_fold)(const cpu_block *b);
  void (*splice)(const cpu_device *d, const splice_args *a, int first, int last);
  void (*exps)(float *x, int n); /* math_exp of each, in place */
  void (*masses)(const float *x, int n, float top, float temperature, uint64_t *sum);
} cpu_ops;

struct cpu_device {
  device head;
  const cpu_ops *ops;
  cpu_path path;
  pool *pool;
  cpu_scratch *scratch[KERNELS_THREADS_MAX]; /* [threads] */
  size_t scratch_bytes, scratch_ids;         /* what x and ids have room for */
  uint64_t products;                         /* how many have been asked for */
  float *records;                            /* of attention, for CPU_RECORD_SLOTS a thread */
  panel_order order;                         /* of the path's panels */
  int head_padded;                           /* head_size up to a multiple of 32 */
};

extern const cpu_ops cpu_ops_portable, cpu_ops_avx2, cpu_ops_avx512, cpu_ops_bf16, cpu_ops_amx,
    cpu_ops_tiles;

static inline int padded(int n, int to) {
  return (n + to - 1) / to * to;
}

/* Where element (k, lane) stands in a panel. */
static inline size_t panel_at(panel_order order, int k, int lane) {
  size_t i = (size_t)k, j = (size_t)lane;
  switch (order) {
  case PANEL_SINGLES: return i * CPU_LANES + j;
  case PANEL_PAIRS: return i / 2 * 2 * CPU_LANES + j * 2 + i % 2;
  case PANEL_QUADS: break;
  }
  size_t quad = i / 4 * 4 * CPU_LANES, chain = i % 2 * 2 * CPU_LANES;
  return quad + chain + j * 2 + (i % 4 < 2);
}

/* Elements of a weight's panel. */
static inline size_t panel_size(const packed_weight *w) {
  return (size_t)padded(w->k, KERNELS_GROUP) * CPU_LANES;
}

/* The block of a page: keys (which = 0) or values (which = 1) of a key head. */
static inline unsigned char *cache_block(const cpu_device *d, int32_t page, int layer, int which,
                                         int kv_head) {
  const device_options *o = &d->head.options;
  size_t block = (((size_t)page * o->layers + layer) * 2 + which) * o->kv_heads + kv_head;
  size_t unit = o->compute == COMPUTE_FP32 ? sizeof(float) : sizeof(uint16_t);
  return (unsigned char *)d->head.cache + block * o->page_keys * d->head_padded * unit;
}

/* What a chunk's partials of so many slots take. */
static inline size_t cpu_record_floats(const cpu_device *d, int slots) {
  return (size_t)slots * (d->head_padded + 2);
}

/* Threads that wait for work between operations: they look for it for some microseconds, then
   sleep. Thread 0 is the caller. E_MEMORY, E_LIMIT. */
MUST_CHECK status pool_open(pool **out, int threads, detail *err);
void pool_close(pool *p); /* NULL is a no-op */
/* Calls work(context, thread, first, last) until 0 to count - 1 are done, in the floating-point
   mode of the kernels. A thread has one run of them and takes `step` at a time, then what others
   have left: nothing that is summed over may be shared out. Takes no lock, and asks the system
   nothing, while no thread sleeps. */
typedef void pool_work(void *context, int thread, int first, int last);
void pool_run(pool *p, int count, int step, pool_work *work, void *context);

/* Rows of a product that a thread holds at a time, and the bytes from row to row as operands. */
int cpu_block_rows(const cpu_device *d, int k);
size_t cpu_operand_bytes(const cpu_device *d, int k);
void cpu_product(cpu_device *d, const product_args *a);

MUST_CHECK status cpu_weight_pack(device *d, packed_weight **out, const weight_source *source,
                                  detail *err);
void cpu_embed(const cpu_device *d, const embed_args *a, int first, int last);
void cpu_attention(cpu_device *d, const attention_args *a);
void cpu_sample(const cpu_device *d, const sample_args *a, int row, cpu_scratch *s);

/* Whether the machine and its system have the path. Asking for AMX also asks the kernel for leave
   to use tiles, once per process; asking for CPU_BF16 tries its instruction. */
int cpu_has(cpu_path path);
/* Whether VDPBF16PS, which the processor must have, is two links of a chain, over drawn operands
   that cancel, underflow, overflow and vanish. */
int cpu_pairs_are_links(void);

#endif
