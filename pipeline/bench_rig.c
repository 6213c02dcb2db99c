#include "base/memory.h"
#include "kernels/rope.h"
#include "pipeline/bench_rig_internal.h"

#include <string.h>

/* ---- sizes ----------------------------------------------------------------------------------- */

static const bench_operation shapes[RIG_SHAPES] = {BENCH_QKV, BENCH_OUTPUT, BENCH_GATE_UP,
                                                   BENCH_DOWN, BENCH_VOCABULARY};

int rig_shape_of(bench_operation o) {
  int i = 0;
  while (shapes[i] != o)
    i++;
  return i;
}

void rig_product_size(const model_config *c, bench_operation o, int *n, int *k) {
  int queries = c->heads * c->head_size, keys = c->kv_heads * c->head_size;
  *n = c->hidden;
  *k = c->hidden;
  if (o == BENCH_QKV) *n = queries + 2 * keys;
  if (o == BENCH_OUTPUT) *k = queries;
  if (o == BENCH_GATE_UP) *n = 2 * c->feed_forward;
  if (o == BENCH_DOWN) *k = c->feed_forward;
  if (o == BENCH_VOCABULARY) *n = c->vocabulary;
}

static int widest_product(const model_config *c) {
  int most = 0, n, k;
  for (int i = 0; i < RIG_SHAPES; i++) {
    rig_product_size(c, shapes[i], &n, &k);
    if (n > most) most = n;
  }
  return most;
}

static void list_arrays(const rig *r, size_t out[RIG_ARRAYS]) {
  const model_config *c = r->config;
  size_t queries = (size_t)(c->heads * c->head_size), keys = (size_t)(c->kv_heads * c->head_size);
  size_t rows = (size_t)r->rows, outputs = (size_t)r->outputs, hidden = (size_t)c->hidden;
  size_t middle = (size_t)c->feed_forward;
  out[RIG_RESIDUAL] = rows * hidden * 4;
  out[RIG_NORMED] = rows * hidden * 2;
  out[RIG_PROJECTED] = rows * (queries + 2 * keys) * 4;
  out[RIG_QUERY] = rows * queries * 4;
  out[RIG_ATTENDED] = rows * queries * 2;
  out[RIG_DELTA] = rows * hidden * 4;
  out[RIG_GATE_UP] = rows * 2 * middle * 4;
  out[RIG_ACTIVATED] = rows * middle * 2;
  out[RIG_GATHERED] = outputs * hidden * 2;
  out[RIG_LOGITS] = outputs * (size_t)c->vocabulary * 4;
  out[RIG_GAIN] = (size_t)(c->hidden > c->head_size ? c->hidden : c->head_size) * 4;
  out[RIG_BIAS] = (size_t)widest_product(c) * 4;
  out[RIG_ROPE] = (size_t)r->positions * (size_t)c->head_size * 4;
}

static int is_bf16(int array) {
  return array == RIG_NORMED || array == RIG_ATTENDED || array == RIG_ACTIVATED ||
         array == RIG_GATHERED;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Numbers that are as good as random for a multiplier, and quick to make. */
static uint32_t next(uint32_t *state) {
  *state = *state * 1664525U + 1013904223U;
  return *state >> 8;
}

void rig_random_bf16(uint16_t *x, size_t count) {
  uint32_t state = 1;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = next(&state); /* an exponent of 2^-4 to 2^-1 */
    x[i] = (uint16_t)((bits & 0x807fU) | (123U + (bits >> 16) % 4) << 7);
  }
}

void rig_random_fp32(float *x, size_t count) {
  uint32_t state = 1;
  for (size_t i = 0; i < count; i++)
    x[i] = (float)next(&state) * 0x1p-23F - 1;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void find_extents(rig *r, const bench_plan *plan, const char *skip) {
  r->rows = RIG_PAGE_KEYS;
  r->outputs = 1;
  r->pages = 1;
  r->positions = RIG_PAGE_KEYS < r->config->context ? RIG_PAGE_KEYS : r->config->context;
  for (int i = 0; i < plan->point_count; i++) {
    const bench_point *p = &plan->points[i];
    if (skip[i]) continue;
    int pages = (p->tokens + RIG_PAGE_KEYS - 1) / RIG_PAGE_KEYS * p->threads;
    if (bench_rows(p) > r->rows) r->rows = bench_rows(p);
    if (bench_outputs(p) > r->outputs) r->outputs = bench_outputs(p);
    if (pages > r->pages) r->pages = pages;
    if (p->tokens > r->positions) r->positions = p->tokens;
  }
}

/* One weight that all copies of a shape are packed from. */
static status pack_shape(rig *r, int shape, uint16_t *numbers, detail *err) {
  enum { CYCLED_BYTES = 512 << 20 }; /* more than any cache holds */
  int n, k;
  rig_product_size(r->config, shapes[shape], &n, &k);
  size_t count = (size_t)n * (size_t)k, wanted = CYCLED_BYTES / (count * 2) + 1;
  size_t most = shapes[shape] == BENCH_VOCABULARY ? 1 : (size_t)r->config->layers;
  if (wanted > RIG_COPIES_MAX) wanted = RIG_COPIES_MAX;
  if (most > wanted) most = wanted;
  rig_random_bf16(numbers, count);
  weight_part part = {.data = numbers, .element = ELEMENT_BF16, .n = n};
  weight_source source = {.parts = &part, .count = 1, .k = k};
  status failed = OK;
  for (size_t i = 0; !failed && i < most; i++) {
    failed = r->kernels->weight_pack(r->device, &r->weights[shape][i], &source, err);
    if (!failed) r->copies[shape]++;
  }
  return failed;
}

static status pack_weights(rig *r, detail *err) {
  size_t most = 0;
  for (int i = 0, n, k; i < RIG_SHAPES; i++) {
    rig_product_size(r->config, shapes[i], &n, &k);
    if ((size_t)n * (size_t)k > most) most = (size_t)n * (size_t)k;
  }
  uint16_t *numbers = memory_take(most * sizeof *numbers);
  if (!numbers) return fault(err, E_MEMORY, "no memory for %zu weights", most);
  status failed = OK;
  for (int i = 0; !failed && i < RIG_SHAPES; i++)
    failed = pack_shape(r, i, numbers, err);
  memory_free(numbers);
  return failed;
}

static status fill_array(rig *r, int array, size_t bytes, detail *err) {
  void *host = memory_take(bytes);
  status failed = OK;
  if (!host) return fault(err, E_MEMORY, "no memory for an operand of %zu bytes", bytes);
  if (array == RIG_ROPE) {
    failed = rope_fill(&r->config->rope, r->positions, host, err);
  } else if (is_bf16(array)) {
    rig_random_bf16(host, bytes / 2);
  } else {
    rig_random_fp32(host, bytes / 4);
  }
  for (size_t i = 0; array == RIG_GAIN && i < bytes / 4; i++)
    ((float *)host)[i] = 1;
  if (!failed) failed = r->kernels->put(r->device, r->arrays[array], host, bytes, err);
  memory_free(host);
  return failed;
}

static status take_arrays(rig *r, detail *err) {
  size_t bytes[RIG_ARRAYS];
  status failed = OK;
  list_arrays(r, bytes);
  for (int i = 0; !failed && i < RIG_ARRAYS; i++) {
    failed = r->kernels->take(r->device, &r->arrays[i], bytes[i], err);
    if (!failed) failed = fill_array(r, i, bytes[i], err);
  }
  return failed;
}

/* ---- plans ----------------------------------------------------------------------------------- */

static int32_t *take_numbers(int count) {
  return memory_zeroed((size_t)count, sizeof(int32_t));
}

static status take_plan(rig *r, detail *err) {
  r->token = memory_zeroed((size_t)r->rows, sizeof *r->token);
  r->slot = take_numbers(r->rows);
  r->position = take_numbers(r->rows);
  r->span_page = take_numbers(r->rows);
  r->keys = take_numbers(r->rows);
  r->first = take_numbers(r->rows + 1);
  r->page = take_numbers(r->pages);
  r->output = take_numbers(r->outputs);
  r->sample_rows = memory_zeroed((size_t)r->outputs, sizeof *r->sample_rows);
  r->sample_outs = memory_zeroed((size_t)r->outputs, sizeof *r->sample_outs);
  int all = r->token && r->slot && r->position && r->span_page && r->keys && r->first && r->page &&
            r->output && r->sample_rows && r->sample_outs;
  if (!all) return fault(err, E_MEMORY, "no memory for a plan of %d rows", r->rows);
  uint32_t state = 1;
  for (int i = 0; i < r->rows; i++) {
    r->token[i] = next(&state) % (uint32_t)r->config->vocabulary;
    r->first[i + 1] = i + 1; /* each row sees one span */
  }
  for (int i = 0; i < r->pages; i++)
    r->page[i] = i;
  for (int i = 0; i < r->outputs; i++)
    r->sample_rows[i] = (sample_row){.top_p = 1};
  return OK;
}

void rig_set(rig *r, const bench_point *p) {
  int rows = bench_rows(p), outputs = bench_outputs(p), decode = p->kind == BENCH_DECODE;
  int pages = (p->tokens + RIG_PAGE_KEYS - 1) / RIG_PAGE_KEYS;
  REQUIRE(rows <= r->rows && outputs <= r->outputs && pages * p->threads <= r->pages);
  r->point = *p;
  for (int i = 0; i < rows; i++) {
    r->position[i] = decode ? p->tokens - 1 : i;
    r->keys[i] = r->position[i] + 1;
    r->span_page[i] = decode ? i * pages : 0;
    r->slot[i] = r->span_page[i] * RIG_PAGE_KEYS + r->position[i];
  }
  for (int i = 0; i < outputs; i++)
    r->output[i] = decode ? i : rows - 1;
  r->plan = (step_plan){.rows = rows,
                        .spans = rows,
                        .outputs = outputs,
                        .token = r->token,
                        .write_slot = r->slot,
                        .write_position = r->position,
                        .row_span = r->first,
                        .span_page = r->span_page,
                        .span_keys = r->keys,
                        .span_position = r->position,
                        .pages = r->page,
                        .output_row = r->output};
}

/* The first page gets the keys and values of tokens, and every other page a copy: memory that
   nothing was written to would be read from one page of zeros. */
static status fill_cache(rig *r, detail *err) {
  bench_point first = {.kind = BENCH_PREFILL, .threads = 1, .tokens = RIG_PAGE_KEYS};
  if (first.tokens > r->positions) first.tokens = r->positions;
  rig_set(r, &first);
  status failed = forward_run(r->forward, &r->plan, err);
  for (int32_t i = 1; !failed && i < r->pages; i++)
    failed = r->kernels->page_copy(r->device, i, 0, err);
  return failed;
}

status rig_open(rig *r, const bench_plan *plan, const char *skip, detail *err) {
  *r = (rig){.config = model_config_of(plan->model)};
  find_extents(r, plan, skip);
  forward_options o = {.backend = "cpu",
                       .compute = COMPUTE_BF16,
                       .threads = plan->threads,
                       .paths = plan->paths,
                       .rows = r->rows,
                       .outputs = r->outputs,
                       .pages = r->pages,
                       .page_keys = RIG_PAGE_KEYS,
                       .positions = r->positions};
  status failed = forward_open(&r->forward, plan->model, &o, err);
  if (failed) return failed;
  r->kernels = forward_kernels(r->forward);
  r->device = forward_device(r->forward);
  failed = take_arrays(r, err);
  if (!failed) failed = pack_weights(r, err);
  if (!failed) failed = take_plan(r, err);
  if (!failed) failed = fill_cache(r, err);
  if (failed) rig_close(r);
  return failed;
}

void rig_close(rig *r) {
  void *const plan[] = {r->token, r->slot, r->position, r->span_page,   r->keys,
                        r->first, r->page, r->output,   r->sample_rows, r->sample_outs};
  for (size_t i = 0; i < sizeof plan / sizeof *plan; i++)
    memory_free(plan[i]);
  for (int i = 0; i < RIG_ARRAYS && r->device; i++)
    r->kernels->give(r->device, r->arrays[i]);
  for (int i = 0; i < RIG_SHAPES; i++) {
    for (int j = 0; j < r->copies[i]; j++)
      r->kernels->weight_free(r->device, r->weights[i][j]);
  }
  forward_close(r->forward);
  *r = (rig){0};
}
