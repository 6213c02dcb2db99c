/* Private to the forward pass: packed weights and the memory of a step. */
#ifndef ENGINE_FORWARD_INTERNAL_H
#define ENGINE_FORWARD_INTERNAL_H

#include "engine/forward.h"

/* Extents as the operations read them; biases and gains are fp32 in device memory, NULL: none. */
typedef struct forward_layer {
  packed_weight *qkv;     /* [(heads + 2 kv_heads) * head_size, hidden] */
  packed_weight *output;  /* [hidden, heads * head_size] */
  packed_weight *gate_up; /* [2 feed_forward, hidden] */
  packed_weight *down;    /* [hidden, feed_forward] */
  float *qkv_bias, *output_bias, *gate_up_bias, *down_bias;
  float *norm, *mlp_norm; /* [hidden] */
  float *q_norm, *k_norm; /* [head_size] */
} forward_layer;

/* The arrays of a step; rows are the options'. */
typedef enum step_array {
  STEP_RESIDUAL,  /* fp32 [rows, hidden] */
  STEP_NORMED,    /* activations [rows, hidden] */
  STEP_PROJECTED, /* fp32 [rows, (heads + 2 kv_heads) * head_size] */
  STEP_QUERY,     /* fp32 [rows, heads * head_size] */
  STEP_ATTENDED,  /* activations [rows, heads * head_size] */
  STEP_DELTA,     /* fp32 [rows, hidden] */
  STEP_GATE_UP,   /* fp32 [rows, 2 feed_forward] */
  STEP_ACTIVATED, /* activations [rows, feed_forward] */
  STEP_BROKEN,    /* bytes [rows] */
  STEP_GATHERED,  /* activations [outputs, hidden] */
  STEP_ROPE,      /* fp32 [positions, 2, head_size / 2], the same in every step */
  STEP_LOGITS,    /* fp32 [outputs, vocabulary] */
  STEP_ARRAYS
} step_array;

struct forward {
  const kernels *kernels;
  device *device;
  model_config config;
  forward_options options;
  int last_rows, last_outputs;

  forward_layer *layers;                 /* [config.layers] host memory */
  packed_weight *embedding, *vocabulary; /* the same where tied */
  float *norm;                           /* [hidden] */

  void *step[STEP_ARRAYS]; /* device memory, by forward.c's list of extents */
  uint8_t *unbroken;       /* [rows] zeros, host memory */
};

/* Packs the model's weights onto the device, and checks that they are finite. */
MUST_CHECK status forward_load(forward *f, const model *m, detail *err);
void forward_unload(forward *f);

#endif
