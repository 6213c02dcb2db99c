/* What each operation must read, write and compute, by kernels.h's definitions. */
#include "pipeline/bench_model.h"

/* Floating-point operations that kernels.h writes down: an exponential has two steps of reduction,
   seven fused multiply-adds, an addition and a scaling; a rotation is four for two elements. */
enum { NORM_FLOPS = 5, EXP_FLOPS = 20, ROTATE_FLOPS = 3, SWIGLU_FLOPS = EXP_FLOPS + 4 };

const char *bench_operation_name(bench_operation o) {
  static const char *const names[] = {
#define X(name, text, product) text,
      BENCH_OPERATIONS(X)
#undef X
  };
  return names[o];
}

int bench_operation_is_product(bench_operation o) {
  static const int products[] = {
#define X(name, text, product) product,
      BENCH_OPERATIONS(X)
#undef X
  };
  return products[o];
}

const char *bench_kind_name(bench_kind k) {
  static const char *const names[] = {"decode", "gangs", "prefill"};
  return names[k];
}

static int smaller(int a, int b) {
  return a < b ? a : b;
}

bench_view bench_view_of(const bench_point *p) {
  enum { HEADER = 16 };
  bench_view v = {.header = smaller(HEADER, p->tokens / 8), .step = p->tokens / 2 / p->workers};
  v.history = p->tokens - 2 * v.header - p->workers * v.step;
  return v;
}

bench_point bench_apart(const bench_point *p) {
  return (bench_point){.kind = BENCH_DECODE, .threads = p->threads, .tokens = p->tokens};
}

int bench_rows(const bench_point *p) {
  return p->kind == BENCH_PREFILL ? p->tokens : p->threads;
}

int bench_outputs(const bench_point *p) {
  return p->kind == BENCH_PREFILL ? 1 : p->threads;
}

static int64_t pages_for(int tokens, int page_keys) {
  return (tokens + page_keys - 1) / page_keys;
}

static int64_t pages_of(const bench_point *p, int page_keys) {
  if (p->kind != BENCH_GANGS) return pages_for(p->tokens, page_keys) * p->threads;
  bench_view v = bench_view_of(p);
  int64_t pages = pages_for(v.history, page_keys) + 2 * pages_for(v.header, page_keys);
  return (pages + p->workers * pages_for(v.step, page_keys)) * (p->threads / p->workers);
}

int64_t bench_cache_bytes(const model_config *c, const bench_point *p, int page_keys) {
  return pages_of(p, page_keys) * page_keys * c->layers * 2 * c->kv_heads * c->head_size * 2;
}

/* Keys that the rows see, all rows together. */
static double seen_keys(const bench_point *p) {
  double tokens = p->tokens;
  return p->kind == BENCH_PREFILL ? tokens * (tokens + 1) / 2 : p->threads * tokens;
}

/* Keys that are stored. */
static double stored_keys(const bench_point *p) {
  return (double)p->tokens * p->threads / (p->kind == BENCH_GANGS ? p->workers : 1);
}

static void product(bench_cost *out, int rows, int n, int k, int has_bias) {
  double each = n * (double)k;
  out->stream_bytes = each * 2;
  out->local_bytes = rows * (k * 2.0 + n * 4.0) + (has_bias ? n * 4.0 : 0);
  out->flops = 2 * each * rows;
}

void bench_cost_of(const model_config *c, const bench_point *p, bench_operation o,
                   bench_cost *out) {
  int rows = bench_rows(p), outputs = bench_outputs(p);
  int queries = c->heads * c->head_size, keys = c->kv_heads * c->head_size;
  double row_values = (double)rows * c->hidden, logits = (double)outputs * c->vocabulary;
  *out = (bench_cost){.calls = c->layers};
  switch (o) {
  case BENCH_EMBED:
    out->calls = 1;
    out->stream_bytes = row_values * 2;
    out->local_bytes = row_values * 4;
    break;
  case BENCH_NORM_ADD: /* of the first in a step there is no delta, which is counted */
    out->calls = 2 * c->layers + 1;
    out->local_bytes = row_values * (4 + 4 + 4 + 2) + c->hidden * 4.0;
    out->flops = row_values * NORM_FLOPS;
    break;
  case BENCH_QKV: product(out, rows, queries + 2 * keys, c->hidden, c->qkv_bias); break;
  case BENCH_ROPE_APPEND: /* the new keys and values are written and soon read */
    out->local_bytes = rows * ((queries + 2.0 * keys) * 4 + queries * 4.0 + 2.0 * keys * 2);
    out->flops = rows * (double)keys * ROTATE_FLOPS;
    break;
  case BENCH_ATTENTION: /* the keys of a prompt in one step have just been written */
    out->stream_bytes = stored_keys(p) * 2 * keys * 2;
    out->local_bytes = rows * (queries * 4.0 + queries * 2.0);
    if (p->kind == BENCH_PREFILL) {
      out->local_bytes += out->stream_bytes;
      out->stream_bytes = 0;
    }
    out->flops = 4 * seen_keys(p) * queries;
    break;
  case BENCH_OUTPUT: product(out, rows, c->hidden, queries, c->output_bias); break;
  case BENCH_GATE_UP: product(out, rows, 2 * c->feed_forward, c->hidden, c->mlp_bias); break;
  case BENCH_SWIGLU:
    out->local_bytes = (double)rows * c->feed_forward * (4 + 4 + 2);
    out->flops = (double)rows * c->feed_forward * SWIGLU_FLOPS;
    break;
  case BENCH_DOWN: product(out, rows, c->hidden, c->feed_forward, c->mlp_bias); break;
  case BENCH_GATHER:
    out->calls = 1;
    out->local_bytes = (double)outputs * c->hidden * (2 + 2);
    break;
  case BENCH_VOCABULARY:
    out->calls = 1;
    product(out, outputs, c->vocabulary, c->hidden, 0);
    break;
  case BENCH_SAMPLE: /* greedy: a mass of every id for the raw log-probability */
    out->calls = 1;
    out->local_bytes = logits * 4;
    out->flops = logits * EXP_FLOPS;
    break;
  case BENCH_OPERATION_COUNT: break;
  }
}
