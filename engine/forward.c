#include "engine/forward.h"

#include "base/memory.h"
#include "engine/forward_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- sizes ----------------------------------------------------------------------------------- */

static int64_t queries_of(const model_config *c) {
  return (int64_t)c->heads * c->head_size;
}

static int64_t keys_of(const model_config *c) {
  return (int64_t)c->kv_heads * c->head_size;
}

static int positions_of(const model_config *c, const forward_options *o) {
  return o->positions ? o->positions : c->context;
}

/* The bytes of each array of a step. */
static void list_arrays(const model_config *c, const forward_options *o, int64_t out[STEP_ARRAYS]) {
  int64_t activation = (int64_t)kernels_activation_bytes(o->compute), real = sizeof(float);
  int64_t queries = queries_of(c), projected = queries + 2 * keys_of(c);
  int64_t rows = o->rows, middle = c->feed_forward;
  out[STEP_RESIDUAL] = rows * c->hidden * real;
  out[STEP_NORMED] = rows * c->hidden * activation;
  out[STEP_PROJECTED] = rows * projected * real;
  out[STEP_QUERY] = rows * queries * real;
  out[STEP_ATTENDED] = rows * queries * activation;
  out[STEP_DELTA] = rows * c->hidden * real;
  out[STEP_GATE_UP] = rows * 2 * middle * real;
  out[STEP_ACTIVATED] = rows * middle * activation;
  out[STEP_BROKEN] = rows;
  out[STEP_GATHERED] = (int64_t)o->outputs * c->hidden * activation;
  out[STEP_ROPE] = (int64_t)positions_of(c, o) * c->head_size * real;
  out[STEP_LOGITS] = (int64_t)o->outputs * c->vocabulary * real;
}

forward_bytes forward_size(const model_config *c, const forward_options *o) {
  int64_t arrays[STEP_ARRAYS], element = (int64_t)kernels_activation_bytes(o->compute);
  int64_t table = c->tied ? 0 : (int64_t)c->vocabulary * c->hidden;
  forward_bytes b = {.weights = (config_product_parameters(c) + table) * element,
                     .cache = 2 * c->layers * keys_of(c) * element * o->pages * o->page_keys};
  list_arrays(c, o, arrays);
  for (int i = 0; i < STEP_LOGITS; i++)
    b.workspace += arrays[i];
  b.logits = arrays[STEP_LOGITS];
  return b;
}

/* ---- opening --------------------------------------------------------------------------------- */

static status check_options(const model_config *c, const forward_options *o, detail *err) {
  int positions = positions_of(c, o);
  if (!kernels_find(o->backend)) {
    return fault(err, E_INPUT, "there is no backend \"%s\"; \"reference\" and \"cpu\" are",
                 o->backend);
  }
  if (o->rows < 1 || o->outputs < 1 || o->outputs > o->rows) {
    return fault(err, E_INPUT, "a step of %d rows and %d outputs: outputs are 1 to rows", o->rows,
                 o->outputs);
  }
  if (positions < 1 || positions > c->context || positions > ROPE_POSITIONS_MAX) {
    return fault(err, E_INPUT, "%d positions: 1 to %d are possible for this model", positions,
                 c->context < ROPE_POSITIONS_MAX ? c->context : (int)ROPE_POSITIONS_MAX);
  }
  return OK;
}

static status fill_rope(forward *f, detail *err) {
  int positions = positions_of(&f->config, &f->options);
  size_t bytes = (size_t)positions * (size_t)f->config.head_size * sizeof(float);
  float *table = memory_take(bytes);
  if (!table) return fault(err, E_MEMORY, "no memory for a rotary table of %zu bytes", bytes);
  status failed = rope_fill(&f->config.rope, positions, table, err);
  if (!failed) failed = f->kernels->put(f->device, f->step[STEP_ROPE], table, bytes, err);
  memory_free(table);
  return failed;
}

static status take_arrays(forward *f, detail *err) {
  int64_t bytes[STEP_ARRAYS];
  status failed = OK;
  list_arrays(&f->config, &f->options, bytes);
  for (int i = 0; !failed && i < STEP_ARRAYS; i++)
    failed = f->kernels->take(f->device, &f->step[i], (size_t)bytes[i], err);
  if (failed) return failed;
  f->unbroken = memory_zeroed((size_t)f->options.rows, 1);
  return f->unbroken ? OK : fault(err, E_MEMORY, "no memory for a step's rows");
}

/* What did not fit, with the arithmetic: which number to lower is the reader's to choose. */
static status with_arithmetic(const forward *f, status failed, detail *err) {
  char cause[256];
  forward_bytes b = forward_size(&f->config, &f->options);
  if (failed != E_MEMORY || !err) return failed;
  (void)snprintf(cause, sizeof cause, "%.255s", err->text);
  return fault(err, E_MEMORY,
               "%s; the model takes %.1f MB of weights, %.1f MB of cache (%d pages of %d keys), "
               "%.1f MB of workspace and %.1f MB of logits",
               cause, (double)b.weights / 1e6, (double)b.cache / 1e6, f->options.pages,
               f->options.page_keys, (double)b.workspace / 1e6, (double)b.logits / 1e6);
}

static status open_device(forward *f, detail *err) {
  device_options o = {.compute = f->options.compute,
                      .threads = f->options.threads,
                      .paths = f->options.paths,
                      .layers = f->config.layers,
                      .kv_heads = f->config.kv_heads,
                      .head_size = f->config.head_size,
                      .pages = f->options.pages,
                      .page_keys = f->options.page_keys};
  return f->kernels->open(&f->device, &o, err);
}

status forward_open(forward **out, const model *m, const forward_options *options, detail *err) {
  const model_config *c = model_config_of(m);
  status failed = check_options(c, options, err);
  if (failed) return failed;
  forward *f = memory_zeroed(1, sizeof *f);
  if (!f) return fault(err, E_MEMORY, "no memory for a forward pass");
  *f = (forward){.kernels = kernels_find(options->backend), .config = *c, .options = *options};
  f->options.backend = f->kernels->name;
  failed = open_device(f, err);
  if (!failed) failed = take_arrays(f, err);
  if (!failed) failed = fill_rope(f, err);
  if (!failed) failed = forward_load(f, m, err);
  if (failed) {
    failed = with_arithmetic(f, failed, err);
    forward_close(f);
    return failed;
  }
  *out = f;
  return OK;
}

void forward_close(forward *f) {
  if (!f) return;
  if (f->device) {
    for (int i = 0; i < STEP_ARRAYS; i++)
      f->kernels->give(f->device, f->step[i]);
    forward_unload(f);
  }
  f->kernels->close(f->device);
  memory_free(f->unbroken);
  memory_free(f);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static status norm(forward *f, int rows, const float *delta, const float *gain, detail *err) {
  norm_add_args a = {.rows = rows,
                     .width = f->config.hidden,
                     .epsilon = (float)f->config.epsilon,
                     .residual = f->step[STEP_RESIDUAL],
                     .delta = delta,
                     .gain = gain,
                     .out = f->step[STEP_NORMED]};
  return f->kernels->norm_add(f->device, &a, err);
}

static status product(forward *f, int rows, const void *x, const packed_weight *w,
                      const float *bias, float *y, detail *err) {
  product_args a = {.rows = rows, .x = x, .w = w, .bias = bias, .y = y};
  return f->kernels->product(f->device, &a, err);
}

static status append(forward *f, const step_plan *plan, int layer, detail *err) {
  const model_config *c = &f->config;
  const forward_layer *l = &f->layers[layer];
  size_t queries = (size_t)queries_of(c), keys = (size_t)keys_of(c), stride = queries + 2 * keys;
  const float *projected = f->step[STEP_PROJECTED];
  rope_append_args a = {.plan = plan,
                        .layer = layer,
                        .heads = c->heads,
                        .q = projected,
                        .k = projected + queries,
                        .v = projected + queries + keys,
                        .q_stride = stride,
                        .k_stride = stride,
                        .v_stride = stride,
                        .q_gain = l->q_norm,
                        .k_gain = l->k_norm,
                        .epsilon = (float)c->epsilon,
                        .rope = f->step[STEP_ROPE],
                        .rope_positions = positions_of(c, &f->options),
                        .out = f->step[STEP_QUERY],
                        .broken = f->step[STEP_BROKEN]};
  return f->kernels->rope_append(f->device, &a, err);
}

static status attend(forward *f, const step_plan *plan, int layer, detail *err) {
  attention_args a = {.plan = plan,
                      .layer = layer,
                      .heads = f->config.heads,
                      .q = f->step[STEP_QUERY],
                      .rope = f->step[STEP_ROPE],
                      .rope_positions = positions_of(&f->config, &f->options),
                      .out = f->step[STEP_ATTENDED]};
  return f->kernels->attention(f->device, &a, err);
}

static status activate(forward *f, int rows, detail *err) {
  size_t width = (size_t)f->config.feed_forward;
  const float *gate = f->step[STEP_GATE_UP];
  swiglu_args a = {.rows = rows,
                   .width = f->config.feed_forward,
                   .gate = gate,
                   .up = gate + width,
                   .gate_stride = 2 * width,
                   .up_stride = 2 * width,
                   .out = f->step[STEP_ACTIVATED]};
  return f->kernels->swiglu(f->device, &a, err);
}

/* delta is what the layer before left to be added; NULL for the first. */
static status run_layer(forward *f, const step_plan *plan, int layer, const float *delta,
                        detail *err) {
  const forward_layer *l = &f->layers[layer];
  int rows = plan->rows;
  status failed = norm(f, rows, delta, l->norm, err);
  if (!failed)
    failed =
        product(f, rows, f->step[STEP_NORMED], l->qkv, l->qkv_bias, f->step[STEP_PROJECTED], err);
  if (!failed) failed = append(f, plan, layer, err);
  if (!failed) failed = attend(f, plan, layer, err);
  if (!failed)
    failed = product(f, rows, f->step[STEP_ATTENDED], l->output, l->output_bias,
                     f->step[STEP_DELTA], err);
  if (!failed) failed = norm(f, rows, f->step[STEP_DELTA], l->mlp_norm, err);
  if (!failed)
    failed = product(f, rows, f->step[STEP_NORMED], l->gate_up, l->gate_up_bias,
                     f->step[STEP_GATE_UP], err);
  if (!failed) failed = activate(f, rows, err);
  if (!failed)
    failed =
        product(f, rows, f->step[STEP_ACTIVATED], l->down, l->down_bias, f->step[STEP_DELTA], err);
  return failed;
}

static status run_ends(forward *f, const step_plan *plan, detail *err) {
  gather_args gather = {.plan = plan,
                        .width = f->config.hidden,
                        .from = f->step[STEP_NORMED],
                        .to = f->step[STEP_GATHERED]};
  status failed = norm(f, plan->rows, f->step[STEP_DELTA], f->norm, err);
  if (!failed) failed = f->kernels->gather(f->device, &gather, err);
  if (!failed) {
    failed = product(f, plan->outputs, f->step[STEP_GATHERED], f->vocabulary, NULL,
                     f->step[STEP_LOGITS], err);
  }
  return failed;
}

status forward_run(forward *f, const step_plan *plan, detail *err) {
  REQUIRE(plan->rows >= 0 && plan->rows <= f->options.rows);
  REQUIRE(plan->outputs >= 0 && plan->outputs <= f->options.outputs);
  embed_args embed = {.plan = plan, .table = f->embedding, .residual = f->step[STEP_RESIDUAL]};
  size_t rows = (size_t)plan->rows;
  f->last_rows = plan->rows;
  f->last_outputs = plan->outputs;
  status failed = f->kernels->put(f->device, f->step[STEP_BROKEN], f->unbroken, rows, err);
  if (!failed) failed = f->kernels->embed(f->device, &embed, err);
  for (int i = 0; !failed && i < f->config.layers; i++)
    failed = run_layer(f, plan, i, i ? f->step[STEP_DELTA] : NULL, err);
  return failed ? failed : run_ends(f, plan, err);
}

const float *forward_logits(const forward *f) {
  return f->step[STEP_LOGITS];
}

status forward_get_logits(forward *f, int outputs, float *to_host, detail *err) {
  REQUIRE(outputs >= 0 && outputs <= f->last_outputs);
  size_t bytes = (size_t)outputs * (size_t)f->config.vocabulary * sizeof(float);
  return f->kernels->get(f->device, to_host, f->step[STEP_LOGITS], bytes, err);
}

status forward_get_broken(forward *f, uint8_t *to_host, detail *err) {
  return f->kernels->get(f->device, to_host, f->step[STEP_BROKEN], (size_t)f->last_rows, err);
}

const kernels *forward_kernels(const forward *f) {
  return f->kernels;
}

device *forward_device(const forward *f) {
  return f->device;
}

const float *forward_rope(const forward *f, int *positions) {
  *positions = positions_of(&f->config, &f->options);
  return f->step[STEP_ROPE];
}
