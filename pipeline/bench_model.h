/* Measuring a model on this machine: every operation of its forward pass, whole steps, and its
   products beside another library's, each against what the machine does at most.

   A point is a step: `threads` threads that each feed one token behind tokens - 1 stored ones
   (decode), the same where each so many of them are workers that read each other (gangs), or one
   prompt of `tokens` tokens (prefill). The ceiling of an operation is

     max(stream bytes / bandwidth + local bytes / bandwidth, flops / peak)

   Stream bytes are weights, keys and values, which a step reads once and no cache holds until the
   next; local bytes are activations, which the operation before has just written. Each bandwidth is
   measured at its own footprint, each peak on the instruction that the path uses, in bursts between
   the runs of the operation; medians are compared. Bytes are unique bytes: what several rows read
   counts once. The ceiling of a step is the sum of its operations'. A share is ceiling / time.

   Numbers of all arrays are random and finite; every page of the cache holds the keys and values of
   the same 16 tokens. Main thread. */
#ifndef PIPELINE_BENCH_MODEL_H
#define PIPELINE_BENCH_MODEL_H

#include "base/arena.h"
#include "base/log.h"
#include "engine/model.h"
#include "kernels/ceiling.h"

typedef enum bench_kind { BENCH_DECODE, BENCH_GANGS, BENCH_PREFILL } bench_kind;

const char *bench_kind_name(bench_kind k);

typedef struct bench_point {
  bench_kind kind;
  int threads, tokens; /* of a prefill one thread */
  int workers;         /* of each gang; 0 of other kinds */
} bench_point;

/* What a worker of a gang sees, in tokens: the history, a header, a step of each other worker, a
   header, its own step. All workers see the same tokens, so a gang stores as many as one sees. Half
   of them are steps. */
typedef struct bench_view {
  int history, header, step;
} bench_view;

bench_view bench_view_of(const bench_point *p);
/* The same rows with the same views, each thread's its own. */
bench_point bench_apart(const bench_point *p);

/* In the order of a step: name, whether a product of the path's own instruction. */
#define BENCH_OPERATIONS(X)                                                                        \
  X(EMBED, "embed", 0)                                                                             \
  X(NORM_ADD, "norm_add", 0)                                                                       \
  X(QKV, "qkv", 1)                                                                                 \
  X(ROPE_APPEND, "rope_append", 0)                                                                 \
  X(ATTENTION, "attention", 1)                                                                     \
  X(OUTPUT, "output", 1)                                                                           \
  X(GATE_UP, "gate_up", 1)                                                                         \
  X(SWIGLU, "swiglu", 0)                                                                           \
  X(DOWN, "down", 1)                                                                               \
  X(GATHER, "gather", 0)                                                                           \
  X(VOCABULARY, "vocabulary", 1)                                                                   \
  X(SAMPLE, "sample", 0)

typedef enum bench_operation {
#define X(name, text, product) BENCH_##name,
  BENCH_OPERATIONS(X)
#undef X
      BENCH_OPERATION_COUNT
} bench_operation;

const char *bench_operation_name(bench_operation o);
int bench_operation_is_product(bench_operation o);

/* What one call must do. */
typedef struct bench_cost {
  int calls; /* in a step */
  double stream_bytes, local_bytes, flops;
} bench_cost;

void bench_cost_of(const model_config *c, const bench_point *p, bench_operation o, bench_cost *out);
/* Rows of a step, rows that need logits, and bytes of the cache in bf16. */
int bench_rows(const bench_point *p);
int bench_outputs(const bench_point *p);
int64_t bench_cache_bytes(const model_config *c, const bench_point *p, int page_keys);

/* One operation at one point: medians of `repeats` interleaved repeats. */
typedef struct bench_timing {
  bench_cost cost;
  int repeats;
  double seconds, ceiling_s;      /* of one call */
  double least_s;                 /* of the fastest repeat */
  double stream_rate, local_rate; /* bytes/s at the footprints */
  double peak;                    /* flop/s */
} bench_timing;

typedef struct bench_step {
  bench_point point;
  char skipped[96]; /* why; empty: it was measured, and the rest holds */
  bench_timing operations[BENCH_OPERATION_COUNT];
  int repeats;
  double seconds, ceiling_s; /* of forward_run and sample together */
  double least_s;            /* of the fastest repeat */
  double stream_rate, peak;  /* between its runs */
  double flops;              /* of all operations */
  /* Of gangs: the same rows apart, in turns with them, and their ceiling at the same rates. */
  double apart_s, apart_least_s, apart_ceiling_s;
} bench_step;

/* One product, with weights that stay where a cache holds them, if one does: the best of some
   repeats, ours and the yardstick's in turns. */
typedef struct bench_product {
  bench_operation shape;
  int rows, n, k;
  double seconds;
  double yardstick_s, fp32_s; /* the yardstick's in bf16, and in fp32; 0: there is none */
} bench_product;

typedef struct bench_level {
  const char *name; /* "L1", ..., "memory" */
  size_t bytes;     /* that all threads read together; one thread its part of them */
  double one, all;  /* bytes/s of one thread, of all */
} bench_level;

enum {
  BENCH_POINTS_MAX = 64,
  BENCH_ROWS_MAX = 32, /* numbers of rows of the products' table */
  BENCH_PRODUCTS_MAX = BENCH_ROWS_MAX * 5,
  BENCH_LEVELS = 4,
  BENCH_REPEATS_MAX = 200,
  BENCH_PEAKS_MAX = 1 << 14
};

typedef struct bench_plan {
  const model *model;
  int cores;      /* that this process may use */
  int threads;    /* of the device */
  unsigned paths; /* that the device may choose; 0: all */
  int quick;      /* shorter bursts, fewer repeats */
  int repeats;    /* of each measure at least, 2 to BENCH_REPEATS_MAX; 0: as many as usual */
  bench_point points[BENCH_POINTS_MAX];
  int point_count;
  int rows[BENCH_ROWS_MAX]; /* of the products' table */
  int row_count;
} bench_plan;

typedef struct bench_results {
  const bench_plan *plan;
  const model_config *config;
  char processor[80], path[16];
  int64_t memory_bytes; /* available before anything was taken */
  int page_keys;
  double load_before, load_after; /* averages of a minute; negative: not known */
  double peak_spread;             /* of the path's peak in the run: 10th to 90th of 100 / median */
  int loaded;                     /* whether the machine had other work */
  ceiling_unit product_unit, other_unit;
  double peak_one[CEILING_UNITS], peak_all[CEILING_UNITS]; /* flop/s; 0: the machine lacks it */
  bench_level levels[BENCH_LEVELS];
  int level_count;
  bench_step steps[BENCH_POINTS_MAX]; /* by the plan's points */
  bench_product products[BENCH_PRODUCTS_MAX];
  int product_count;
  char yardstick[192]; /* its name, or why there is none */
  /* The yardstick's time over ours, geometric mean and least; 0: nothing was compared. In fp32
     where the path has no instruction for bf16, as the yardstick may have: then that has ours. */
  double ratio_mean, ratio_least, fp32_mean, fp32_least;
} bench_results;

/* E_STOPPED after a signal; else those of the model, the device and memory. */
MUST_CHECK status bench_model_run(bench_results *out, const bench_plan *plan, logger *messages,
                                  detail *err);

/* Appends what a person reads. */
void bench_model_text(const bench_results *r, text *out);
/* The object that a program reads (docs/bench.md), new; NULL: no memory. */
MUST_CHECK json_t *bench_model_json(const bench_results *r);

#endif
