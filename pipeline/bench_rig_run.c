/* Each operation of the forward pass alone, with arguments as the forward pass gives them. */
#include "pipeline/bench_rig_internal.h"

static status run_embed(rig *r, int turn, detail *err) {
  (void)turn;
  embed_args a = {.plan = &r->plan,
                  .table = r->weights[rig_shape_of(BENCH_VOCABULARY)][0],
                  .residual = r->arrays[RIG_RESIDUAL]};
  return r->kernels->embed(r->device, &a, err);
}

static status run_norm_add(rig *r, int turn, detail *err) {
  (void)turn;
  norm_add_args a = {.rows = r->plan.rows,
                     .width = r->config->hidden,
                     .epsilon = (float)r->config->epsilon,
                     .residual = r->arrays[RIG_RESIDUAL],
                     .delta = r->arrays[RIG_DELTA],
                     .gain = r->arrays[RIG_GAIN],
                     .out = r->arrays[RIG_NORMED]};
  return r->kernels->norm_add(r->device, &a, err);
}

static status run_product(rig *r, bench_operation o, int turn, detail *err) {
  static const struct {
    rig_array x, y;
  } operands[RIG_SHAPES] = {{RIG_NORMED, RIG_PROJECTED},
                            {RIG_ATTENDED, RIG_DELTA},
                            {RIG_NORMED, RIG_GATE_UP},
                            {RIG_ACTIVATED, RIG_DELTA},
                            {RIG_GATHERED, RIG_LOGITS}};
  const model_config *c = r->config;
  int shape = rig_shape_of(o);
  int has_bias = o == BENCH_QKV      ? c->qkv_bias
                 : o == BENCH_OUTPUT ? c->output_bias
                                     : o != BENCH_VOCABULARY && c->mlp_bias;
  product_args a = {.rows = o == BENCH_VOCABULARY ? r->plan.outputs : r->plan.rows,
                    .x = r->arrays[operands[shape].x],
                    .w = r->weights[shape][turn % r->copies[shape]],
                    .bias = has_bias ? r->arrays[RIG_BIAS] : NULL,
                    .y = r->arrays[operands[shape].y]};
  return r->kernels->product(r->device, &a, err);
}

/* A prompt's keys are used where they have just been written; stored ones go round the layers. */
static int layer_of(const rig *r, int turn) {
  return r->point.kind == BENCH_PREFILL ? 0 : turn % r->config->layers;
}

static status run_rope_append(rig *r, int turn, detail *err) {
  const model_config *c = r->config;
  size_t queries = (size_t)(c->heads * c->head_size), keys = (size_t)(c->kv_heads * c->head_size);
  size_t stride = queries + 2 * keys;
  const float *projected = r->arrays[RIG_PROJECTED], *gain = r->arrays[RIG_GAIN];
  rope_append_args a = {.plan = &r->plan,
                        .layer = layer_of(r, turn),
                        .heads = c->heads,
                        .q = projected,
                        .k = projected + queries,
                        .v = projected + queries + keys,
                        .q_stride = stride,
                        .k_stride = stride,
                        .v_stride = stride,
                        .q_gain = c->head_norm ? gain : NULL,
                        .k_gain = c->head_norm ? gain : NULL,
                        .epsilon = (float)c->epsilon,
                        .rope = r->arrays[RIG_ROPE],
                        .rope_positions = r->positions,
                        .out = r->arrays[RIG_QUERY]};
  return r->kernels->rope_append(r->device, &a, err);
}

static status run_attention(rig *r, int turn, detail *err) {
  attention_args a = {.plan = &r->plan,
                      .layer = layer_of(r, turn),
                      .heads = r->config->heads,
                      .q = r->arrays[RIG_QUERY],
                      .rope = r->arrays[RIG_ROPE],
                      .rope_positions = r->positions,
                      .out = r->arrays[RIG_ATTENDED]};
  return r->kernels->attention(r->device, &a, err);
}

static status run_swiglu(rig *r, int turn, detail *err) {
  (void)turn;
  size_t width = (size_t)r->config->feed_forward;
  const float *gate = r->arrays[RIG_GATE_UP];
  swiglu_args a = {.rows = r->plan.rows,
                   .width = r->config->feed_forward,
                   .gate = gate,
                   .up = gate + width,
                   .gate_stride = 2 * width,
                   .up_stride = 2 * width,
                   .out = r->arrays[RIG_ACTIVATED]};
  return r->kernels->swiglu(r->device, &a, err);
}

static status run_gather(rig *r, int turn, detail *err) {
  (void)turn;
  gather_args a = {.plan = &r->plan,
                   .width = r->config->hidden,
                   .from = r->arrays[RIG_NORMED],
                   .to = r->arrays[RIG_GATHERED]};
  return r->kernels->gather(r->device, &a, err);
}

static status sample_from(rig *r, const float *logits, detail *err) {
  sample_args a = {.rows = r->plan.outputs,
                   .vocabulary = r->config->vocabulary,
                   .logits = logits,
                   .row = r->sample_rows,
                   .out = r->sample_outs};
  return r->kernels->sample(r->device, &a, err);
}

status rig_run(rig *r, bench_operation o, int turn, detail *err) {
  switch (o) {
  case BENCH_EMBED: return run_embed(r, turn, err);
  case BENCH_NORM_ADD: return run_norm_add(r, turn, err);
  case BENCH_ROPE_APPEND: return run_rope_append(r, turn, err);
  case BENCH_ATTENTION: return run_attention(r, turn, err);
  case BENCH_SWIGLU: return run_swiglu(r, turn, err);
  case BENCH_GATHER: return run_gather(r, turn, err);
  case BENCH_SAMPLE: return sample_from(r, r->arrays[RIG_LOGITS], err);
  default: return run_product(r, o, turn, err);
  }
}

status rig_step(rig *r, detail *err) {
  status failed = forward_run(r->forward, &r->plan, err);
  return failed ? failed : sample_from(r, forward_logits(r->forward), err);
}

double rig_stream_footprint(const rig *r, bench_operation o, const bench_cost *cost) {
  if (o == BENCH_ATTENTION) return cost->stream_bytes * r->config->layers;
  if (!bench_operation_is_product(o)) return cost->stream_bytes;
  return cost->stream_bytes * r->copies[rig_shape_of(o)];
}
