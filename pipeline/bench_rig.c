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

static int larger(int a, int b) {
  return a > b ? a : b;
}

static int64_t page_bytes(const model_config *c) {
  bench_point page = {.kind = BENCH_DECODE, .threads = 1, .tokens = RIG_PAGE_KEYS};
  return bench_cache_bytes(c, &page, RIG_PAGE_KEYS);
}

static int pages_of(int tokens) {
  return (tokens + RIG_PAGE_KEYS - 1) / RIG_PAGE_KEYS;
}

/* Gangs have room for their rows apart as well, which take more. */
static void find_extents(rig *r, const bench_plan *plan, const char *skip) {
  r->rows = r->spans = RIG_PAGE_KEYS;
  r->outputs = 1;
  r->pages = 1;
  r->positions = RIG_PAGE_KEYS < r->config->context ? RIG_PAGE_KEYS : r->config->context;
  for (int i = 0; i < plan->point_count; i++) {
    const bench_point *p = &plan->points[i];
    if (skip[i]) continue;
    r->rows = larger(r->rows, bench_rows(p));
    r->spans = larger(r->spans, bench_rows(p) * (p->workers ? p->workers + 3 : 1));
    r->outputs = larger(r->outputs, bench_outputs(p));
    r->pages = larger(r->pages, pages_of(p->tokens) * p->threads);
    r->pages = larger(
        r->pages, (int)(bench_cache_bytes(r->config, p, RIG_PAGE_KEYS) / page_bytes(r->config)));
    r->positions = larger(r->positions, p->tokens);
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
  r->span_page = take_numbers(r->spans);
  r->keys = take_numbers(r->spans);
  r->turn_by = take_numbers(r->spans);
  r->first = take_numbers(r->rows + 1);
  r->page = take_numbers(r->pages);
  r->output = take_numbers(r->outputs);
  r->sample_rows = memory_zeroed((size_t)r->outputs, sizeof *r->sample_rows);
  r->sample_outs = memory_zeroed((size_t)r->outputs, sizeof *r->sample_outs);
  int all = r->token && r->slot && r->position && r->span_page && r->keys && r->turn_by &&
            r->first && r->page && r->output && r->sample_rows && r->sample_outs;
  if (!all) return fault(err, E_MEMORY, "no memory for a plan of %d rows", r->rows);
  uint32_t state = 1;
  for (int i = 0; i < r->rows; i++)
    r->token[i] = next(&state) % (uint32_t)r->config->vocabulary;
  for (int i = 0; i < r->pages; i++)
    r->page[i] = i;
  for (int i = 0; i < r->outputs; i++)
    r->sample_rows[i] = (sample_row){.top_p = 1};
  return OK;
}

/* Adds a span to what a row sees; turn_by of the row's query at its place in the view. */
static void add_span(rig *r, int row, int page, int keys, int turn_by) {
  int at = r->first[row + 1]++;
  REQUIRE(at < r->spans && page + pages_of(keys) <= r->pages);
  r->span_page[at] = page;
  r->keys[at] = keys;
  r->turn_by[at] = turn_by;
}

static void set_row(rig *r, int row, int page, int index) {
  r->position[row] = index;
  r->slot[row] = page * RIG_PAGE_KEYS + index;
  r->first[row + 1] = r->first[row];
}

/* A gang's pages are those of its history, of two headers, and of each worker's step. */
static void set_worker(rig *r, const bench_point *p, int row) {
  bench_view v = bench_view_of(p);
  int history = pages_of(v.history), header = pages_of(v.header), step = pages_of(v.step);
  int page = row / p->workers * (history + 2 * header + p->workers * step);
  int steps = page + history + 2 * header, worker = row % p->workers, last = p->tokens - 1;
  set_row(r, row, steps + worker * step, v.step - 1);
  add_span(r, row, page, v.history, last);
  last -= v.history;
  add_span(r, row, page + history, v.header, last);
  last -= v.header;
  for (int i = 0; i < p->workers; i++) {
    if (i == worker) continue;
    add_span(r, row, steps + i * step, v.step, last);
    last -= v.step;
  }
  add_span(r, row, page + history + header, v.header, last);
  add_span(r, row, steps + worker * step, v.step, last - v.header);
}

static void set_rows(rig *r, const bench_point *p) {
  int decode = p->kind == BENCH_DECODE, pages = pages_of(p->tokens);
  for (int i = 0; i < bench_rows(p); i++) {
    int index = decode ? p->tokens - 1 : i, page = decode ? i * pages : 0;
    if (p->kind == BENCH_GANGS) {
      set_worker(r, p, i);
    } else {
      set_row(r, i, page, index);
      add_span(r, i, page, index + 1, index);
    }
  }
}

void rig_set(rig *r, const bench_point *p) {
  int rows = bench_rows(p), outputs = bench_outputs(p);
  REQUIRE(rows <= r->rows && outputs <= r->outputs);
  r->point = *p;
  r->first[0] = 0;
  set_rows(r, p);
  for (int i = 0; i < outputs; i++)
    r->output[i] = p->kind == BENCH_PREFILL ? rows - 1 : i;
  r->plan = (step_plan){.rows = rows,
                        .spans = r->first[rows],
                        .outputs = outputs,
                        .token = r->token,
                        .write_slot = r->slot,
                        .write_position = r->position,
                        .row_span = r->first,
                        .span_page = r->span_page,
                        .span_keys = r->keys,
                        .span_position = r->turn_by,
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
  void *const plan[] = {r->token, r->slot, r->position, r->span_page,   r->keys,       r->turn_by,
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
