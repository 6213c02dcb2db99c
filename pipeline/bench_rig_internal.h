/* Private to the measuring of models: a forward pass with a cache that is filled, and operands for
   each of its operations alone. */
#ifndef PIPELINE_BENCH_RIG_INTERNAL_H
#define PIPELINE_BENCH_RIG_INTERNAL_H

#include "engine/forward.h"
#include "pipeline/bench_model.h"

enum {
  RIG_PAGE_KEYS = 16,
  RIG_SHAPES = 5, /* weights: qkv, output, gate_up, down, vocabulary */
  RIG_COPIES_MAX = 256
};

/* The arrays of the operations, each large enough for every point. */
typedef enum rig_array {
  RIG_RESIDUAL,  /* fp32 [rows, hidden] */
  RIG_NORMED,    /* bf16 [rows, hidden] */
  RIG_PROJECTED, /* fp32 [rows, (heads + 2 kv_heads) * head_size] */
  RIG_QUERY,     /* fp32 [rows, heads * head_size] */
  RIG_ATTENDED,  /* bf16 [rows, heads * head_size] */
  RIG_DELTA,     /* fp32 [rows, hidden] */
  RIG_GATE_UP,   /* fp32 [rows, 2 feed_forward] */
  RIG_ACTIVATED, /* bf16 [rows, feed_forward] */
  RIG_GATHERED,  /* bf16 [outputs, hidden] */
  RIG_LOGITS,    /* fp32 [outputs, vocabulary] */
  RIG_GAIN,      /* fp32 [the most of hidden and head_size] ones */
  RIG_BIAS,      /* fp32 [widest product] */
  RIG_ROPE,      /* fp32 [positions, 2, head_size / 2] */
  RIG_ARRAYS
} rig_array;

typedef struct rig {
  const model_config *config; /* borrowed */
  forward *forward;
  const kernels *kernels;
  device *device;
  int rows, outputs, spans, pages, positions;
  packed_weight *weights[RIG_SHAPES][RIG_COPIES_MAX];
  int copies[RIG_SHAPES];
  void *arrays[RIG_ARRAYS];
  /* What the plan points to. */
  uint32_t *token;                     /* [rows] */
  int32_t *slot, *position, *first;    /* [rows]; first [rows + 1] */
  int32_t *span_page, *keys, *turn_by; /* [spans] turn_by: positions of the queries */
  int32_t *page, *output;              /* [pages], [outputs] */
  step_plan plan;                      /* of the current point */
  bench_point point;
  sample_row *sample_rows;    /* [outputs] greedy */
  sample_result *sample_outs; /* [outputs] */
} rig;

/* n and k of a product. */
void rig_product_size(const model_config *c, bench_operation o, int *n, int *k);
/* The place of a product's weights in rig.weights. */
int rig_shape_of(bench_operation o);

/* Opens for all points of the plan that skip leaves, [plan->point_count]. E_MEMORY, E_DEVICE,
   E_INPUT. */
MUST_CHECK status rig_open(rig *r, const bench_plan *plan, const char *skip, detail *err);
void rig_close(rig *r); /* a zeroed one is a no-op */

/* Makes the plan of a point: from then on rig_run and rig_step mean it. */
void rig_set(rig *r, const bench_point *p);
/* Runs an operation once. turn goes round the layers (their weights, keys and values), so that no
   cache holds what a step would have to read again. */
MUST_CHECK status rig_run(rig *r, bench_operation o, int turn, detail *err);
/* The bytes that turns go through. */
double rig_stream_footprint(const rig *r, bench_operation o, const bench_cost *cost);
/* A whole step: forward_run and sample. */
MUST_CHECK status rig_step(rig *r, detail *err);

/* Random bf16 or fp32 numbers of either sign, at most 1. */
void rig_random_bf16(uint16_t *x, size_t count);
void rig_random_fp32(float *x, size_t count);

#endif
