/* The JSON of bench --model; docs/bench.md describes it. */
#include "engine/forward.h"
#include "pipeline/bench_model.h"
#include "pipeline/output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Six digits: more are noise. */
static json_t *number(double value) {
  if (!isfinite(value) || value < 0) return json_null();
  char digits[32];
  (void)snprintf(digits, sizeof digits, "%.6g", value);
  return json_real(strtod(digits, NULL));
}

static double share_of(double ceiling_s, double seconds) {
  return seconds > 0 ? ceiling_s / seconds : -1;
}

/* Adds a new value to a new list; NULL and a failed list stay failed. */
static json_t *with(json_t *list, json_t *value) {
  if (list && json_array_append_new(list, value) == 0) return list;
  json_decref(list);
  return NULL;
}

static json_t *machine_json(const bench_results *r) {
  return json_pack("{s:o, s:i, s:i, s:s, s:I, s:o, s:o, s:o, s:b}", "processor",
                   output_json_text(r->processor, strlen(r->processor)), "cores", r->plan->cores,
                   "threads", r->plan->threads, "path", r->path, "memory_bytes",
                   (json_int_t)r->memory_bytes, "load_before", number(r->load_before), "load_after",
                   number(r->load_after), "peak_spread", number(r->peak_spread), "loaded",
                   r->loaded);
}

static json_t *model_json(const bench_results *r) {
  const model_config *c = r->config;
  const char *folder = model_folder(r->plan->model);
  bench_point token = {.kind = BENCH_DECODE, .threads = 1, .tokens = 1};
  return json_pack("{s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I}", "folder",
                   output_json_text(folder, strlen(folder)), "layers", c->layers, "hidden",
                   c->hidden, "heads", c->heads, "kv_heads", c->kv_heads, "head_size", c->head_size,
                   "feed_forward", c->feed_forward, "vocabulary", c->vocabulary, "page_keys",
                   r->page_keys, "weight_bytes", (json_int_t)(2 * config_product_parameters(c)),
                   "cache_bytes_token", (json_int_t)bench_cache_bytes(c, &token, 1));
}

static json_t *peaks_json(const bench_results *r) {
  json_t *list = json_array();
  for (int u = 0; list && u < CEILING_UNITS; u++) {
    if (r->peak_all[u] <= 0) continue;
    int products = u == (int)r->product_unit, rest = u == (int)r->other_unit;
    const char *use = products && rest ? "all" : products ? "products" : rest ? "rest" : "none";
    list = with(list, json_pack("{s:s, s:s, s:o, s:o}", "unit", ceiling_unit_name((ceiling_unit)u),
                                "used_for", use, "flops_one_thread", number(r->peak_one[u]),
                                "flops_all_threads", number(r->peak_all[u])));
  }
  return list;
}

static json_t *reading_json(const bench_results *r) {
  json_t *list = json_array();
  for (int i = 0; list && i < r->level_count; i++) {
    const bench_level *l = &r->levels[i];
    list = with(list, json_pack("{s:s, s:I, s:o, s:o}", "level", l->name, "footprint_bytes",
                                (json_int_t)l->bytes, "bytes_s_one_thread", number(l->one),
                                "bytes_s_all_threads", number(l->all)));
  }
  return list;
}

static json_t *operation_json(bench_operation o, const bench_timing *t) {
  return json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "operation",
                   bench_operation_name(o), "calls", t->cost.calls, "repeats", t->repeats,
                   "seconds", number(t->seconds), "least_seconds", number(t->least_s),
                   "ceiling_seconds", number(t->ceiling_s), "share",
                   number(share_of(t->ceiling_s, t->seconds)), "stream_bytes",
                   number(t->cost.stream_bytes), "local_bytes", number(t->cost.local_bytes),
                   "flops", number(t->cost.flops), "stream_bytes_s", number(t->stream_rate),
                   "local_bytes_s", number(t->local_rate), "peak_flops", number(t->peak));
}

/* Of gangs how many work in each, and the same rows apart. */
static json_t *with_gangs(json_t *step, const bench_step *s) {
  if (!step || s->point.kind != BENCH_GANGS) return step;
  json_t *gangs = json_pack(
      "{s:i, s:o, s:o, s:o, s:o}", "workers", s->point.workers, "apart_seconds", number(s->apart_s),
      "apart_least_seconds", number(s->apart_least_s), "apart_ceiling_seconds",
      number(s->apart_ceiling_s), "rate_ratio", number(share_of(s->apart_s, s->seconds)));
  if (gangs && !json_object_update(step, gangs)) {
    json_decref(gangs);
    return step;
  }
  json_decref(gangs);
  json_decref(step);
  return NULL;
}

static json_t *step_json(const bench_step *s) {
  const char *kind = bench_kind_name(s->point.kind);
  if (s->skipped[0]) {
    return json_pack("{s:s, s:i, s:i, s:s}", "kind", kind, "threads", s->point.threads, "tokens",
                     s->point.tokens, "skipped", s->skipped);
  }
  json_t *operations = json_array();
  for (int o = 0; operations && o < BENCH_OPERATION_COUNT; o++)
    operations = with(operations, operation_json((bench_operation)o, &s->operations[o]));
  json_t *step = json_pack(
      "{s:s, s:i, s:i, s:n, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", kind,
      "threads", s->point.threads, "tokens", s->point.tokens, "skipped", "repeats", s->repeats,
      "seconds", number(s->seconds), "least_seconds", number(s->least_s), "ceiling_seconds",
      number(s->ceiling_s), "share", number(share_of(s->ceiling_s, s->seconds)), "tokens_s",
      number(bench_rows(&s->point) / s->seconds), "flops", number(s->flops), "stream_bytes_s",
      number(s->stream_rate), "peak_flops", number(s->peak), "operations", operations);
  return with_gangs(step, s);
}

/* Nothing was compared: not known. */
static json_t *known(double value) {
  return number(value > 0 ? value : -1);
}

static json_t *products_json(const bench_results *r) {
  json_t *list = json_array();
  for (int i = 0; list && i < r->product_count; i++) {
    const bench_product *p = &r->products[i];
    list = with(list,
                json_pack("{s:s, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "weight",
                          bench_operation_name(p->shape), "rows", p->rows, "n", p->n, "k", p->k,
                          "seconds", number(p->seconds), "yardstick_seconds", known(p->yardstick_s),
                          "ratio", known(p->yardstick_s / p->seconds), "fp32_seconds",
                          known(p->fp32_s), "fp32_ratio", known(p->fp32_s / p->seconds)));
  }
  return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "yardstick", r->yardstick, "ratio_mean",
                   known(r->ratio_mean), "ratio_least", known(r->ratio_least), "fp32_ratio_mean",
                   known(r->fp32_mean), "fp32_ratio_least", known(r->fp32_least), "list", list);
}

json_t *bench_model_json(const bench_results *r) {
  json_t *steps = json_array();
  for (int i = 0; steps && i < r->plan->point_count; i++)
    steps = with(steps, step_json(&r->steps[i]));
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "machine", machine_json(r), "model",
                   model_json(r), "peaks", peaks_json(r), "reading", reading_json(r), "steps",
                   steps, "products", products_json(r));
}
