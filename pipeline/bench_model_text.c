/* What bench --model prints for a person, in at most 100 columns. */
#include "pipeline/bench_model.h"
#include "pipeline/output.h"

#include <stdio.h>
#include <string.h>

enum { POINTS_A_TABLE = 8, DETAILED_POINTS_MAX = 4, NAME_BYTES = 32 };

static void cell(listing *t, int digits, const char *unit, double value) {
  char word[48];
  (void)snprintf(word, sizeof word, "%.*f%s", digits, value, unit);
  listing_text(t, word);
}

/* Four digits, however large. */
static void rate(listing *t, double value) {
  listing_real(t, value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

static void name_point(const bench_point *p, char out[NAME_BYTES]) {
  if (p->kind == BENCH_GANGS) {
    (void)snprintf(out, NAME_BYTES, "%dx%dx%d", p->threads / p->workers, p->workers, p->tokens);
  } else if (p->kind == BENCH_DECODE) {
    (void)snprintf(out, NAME_BYTES, "%dx%d", p->threads, p->tokens);
  } else {
    (void)snprintf(out, NAME_BYTES, "prefill %d", p->tokens);
  }
}

static void end_table(listing *t, text *out) {
  listing_print(t, out);
  listing_close(t);
  text_char(out, '\n');
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void put_head(const bench_results *r, text *out) {
  const model_config *c = r->config;
  bench_point token = {.kind = BENCH_DECODE, .threads = 1, .tokens = 1};
  text_format(out, "%-10s", "machine");
  output_printable(out, r->processor, strlen(r->processor));
  text_format(out, ", %d cores, %.1f GB of memory available\n", r->plan->cores,
              (double)r->memory_bytes / 1e9);
  text_format(out, "%-10spath %s on %d threads, bf16, pages of %d keys\n", "device", r->path,
              r->plan->threads, r->page_keys);
  text_format(out, "%-10s", "model");
  const char *folder = model_folder(r->plan->model);
  output_printable(out, folder, strlen(folder));
  text_format(out, "\n%-10s%d layers of %d, %d heads of %d (%d of keys), feed-forward %d, %d ids\n",
              "", c->layers, c->hidden, c->heads, c->head_size, c->kv_heads, c->feed_forward,
              c->vocabulary);
  text_format(out, "%-10s%.1f MB of weights read a step, %lld bytes of cache a token\n", "",
              2e-6 * (double)config_product_parameters(c),
              (long long)bench_cache_bytes(c, &token, 1));
  text_format(out, "%-10s%.2f before, %.2f after; the peak of products moved by %.0f %%\n", "load",
              r->load_before, r->load_after, r->peak_spread * 100);
  if (r->loaded) {
    text_put(out, "LOADED    the machine had other work, or its clock moved: shares compare, times "
                  "do not\n");
  }
  text_char(out, '\n');
}

static void put_peaks(const bench_results *r, text *out) {
  static const listing_column columns[] = {
      {"peak", 0}, {"one thread", 1}, {"all", 1}, {"unit", 0}, {"", 0}};
  listing t;
  listing_open(&t, columns, 5);
  for (int u = 0; u < CEILING_UNITS; u++) {
    if (r->peak_all[u] <= 0) continue;
    int products = u == (int)r->product_unit, rest = u == (int)r->other_unit;
    listing_text(&t, ceiling_unit_name((ceiling_unit)u));
    rate(&t, r->peak_one[u] / 1e9);
    rate(&t, r->peak_all[u] / 1e9);
    listing_text(&t, "GFLOP/s");
    listing_text(&t, products && rest ? "all operations"
                     : products       ? "products, attention"
                     : rest           ? "the other operations"
                                      : "not used by this path");
  }
  for (int i = 0; i < r->level_count; i++) {
    const bench_level *l = &r->levels[i];
    char of[64];
    listing_text(&t, l->name);
    rate(&t, l->one / 1e9);
    rate(&t, l->all / 1e9);
    listing_text(&t, "GB/s");
    (void)snprintf(of, sizeof of, "reading %.1f MB in all", (double)l->bytes / 1e6);
    listing_text(&t, of);
  }
  end_table(&t, out);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void put_step(listing *t, const bench_step *s) {
  char name[NAME_BYTES];
  double stream = 0;
  for (int o = 0; o < BENCH_OPERATION_COUNT; o++)
    stream += s->operations[o].cost.calls * s->operations[o].cost.stream_bytes;
  name_point(&s->point, name);
  listing_text(t, name);
  rate(t, s->seconds * 1e3);
  rate(t, s->least_s * 1e3);
  rate(t, s->ceiling_s * 1e3);
  listing_real(t, s->ceiling_s / s->seconds, 2);
  listing_real(t, s->ceiling_s / s->least_s, 2);
  rate(t, bench_rows(&s->point) / s->seconds);
  rate(t, stream / 1e6);
  rate(t, s->flops / 1e9);
  rate(t, s->flops / s->seconds / 1e9);
  rate(t, s->peak / 1e9);
  rate(t, s->stream_rate / 1e9);
}

static void put_steps(const bench_results *r, text *out) {
  static const listing_column columns[] = {
      {"step", 0},     {"ms", 1}, {"least", 1}, {"ceiling", 1}, {"share", 1}, {"best", 1},
      {"tokens/s", 1}, {"MB", 1}, {"GFLOP", 1}, {"GFLOP/s", 1}, {"peak", 1},  {"memory GB/s", 1}};
  listing t;
  listing_open(&t, columns, sizeof columns / sizeof *columns);
  for (int i = 0; i < r->plan->point_count; i++) {
    if (!r->steps[i].skipped[0]) put_step(&t, &r->steps[i]);
  }
  text_put(out,
           "A share is ceiling / time: the least time that the bytes and operations of the work "
           "need at the\nrates measured beside it, medians both; best is the share of the "
           "fastest repeat.\n");
  end_table(&t, out);
  for (int i = 0; i < r->plan->point_count; i++) {
    char name[NAME_BYTES];
    if (!r->steps[i].skipped[0]) continue;
    name_point(&r->steps[i].point, name);
    text_format(out, "skipped %s: %s\n", name, r->steps[i].skipped);
  }
}

/* ---- gangs ----------------------------------------------------------------------------------- */

static void put_gang(listing *t, const bench_step *s) {
  char name[NAME_BYTES];
  name_point(&s->point, name);
  listing_text(t, name);
  rate(t, s->seconds * 1e3);
  rate(t, s->apart_s * 1e3);
  listing_real(t, s->apart_s / s->seconds, 2);
  rate(t, s->least_s * 1e3);
  rate(t, s->apart_least_s * 1e3);
  listing_real(t, s->apart_least_s / s->least_s, 2);
  listing_real(t, s->apart_ceiling_s / s->ceiling_s, 2);
}

static void put_gangs(const bench_results *r, text *out) {
  static const listing_column columns[] = {{"gangs", 0}, {"ms", 1},         {"apart", 1},
                                           {"times", 1}, {"least", 1},      {"apart", 1},
                                           {"times", 1}, {"of ceilings", 1}};
  listing t;
  listing_open(&t, columns, sizeof columns / sizeof *columns);
  int count = 0;
  for (int i = 0; i < r->plan->point_count; i++) {
    const bench_step *s = &r->steps[i];
    if (s->skipped[0] || s->point.kind != BENCH_GANGS) continue;
    put_gang(&t, s);
    count++;
  }
  if (!count) {
    listing_close(&t);
    return;
  }
  text_put(out,
           "Gangs beside the same rows as threads apart, step by step: times is the rate of gangs "
           "over theirs,\nand that of ceilings what the machine has to give.\n");
  end_table(&t, out);
}

/* ---- operations ------------------------------------------------------------------------------ */

static double share(const bench_timing *t) {
  return t->ceiling_s / t->seconds;
}

static double step_ms(const bench_timing *t) {
  return t->cost.calls * t->seconds * 1e3;
}

/* One figure of every operation at some points. */
static void put_matrix(const char *title, const bench_step *const *steps, int count,
                       double (*figure)(const bench_timing *), int digits, text *out) {
  listing_column columns[POINTS_A_TABLE + 1] = {{title, 0}};
  char names[POINTS_A_TABLE][NAME_BYTES];
  listing t;
  for (int i = 0; i < count; i++) {
    name_point(&steps[i]->point, names[i]);
    columns[i + 1] = (listing_column){names[i], 1};
  }
  listing_open(&t, columns, count + 1);
  for (int o = 0; o < BENCH_OPERATION_COUNT; o++) {
    listing_text(&t, bench_operation_name((bench_operation)o));
    for (int i = 0; i < count; i++)
      listing_real(&t, figure(&steps[i]->operations[o]), digits);
  }
  end_table(&t, out);
}

static void put_detail(const bench_step *s, text *out) {
  static const listing_column columns[] = {{"operation", 0},  {"calls", 1},   {"us", 1},
                                           {"least", 1},      {"ceiling", 1}, {"share", 1},
                                           {"MB", 1},         {"GFLOP", 1},   {"GB/s at", 1},
                                           {"GFLOP/s at", 1}, {"bound", 0}};
  char name[NAME_BYTES];
  listing t;
  name_point(&s->point, name);
  text_format(out, "%s, each operation alone (us of one call)\n", name);
  listing_open(&t, columns, sizeof columns / sizeof *columns);
  for (int o = 0; o < BENCH_OPERATION_COUNT; o++) {
    const bench_timing *one = &s->operations[o];
    double bytes = one->cost.stream_bytes + one->cost.local_bytes;
    int streams = one->cost.stream_bytes > one->cost.local_bytes;
    listing_text(&t, bench_operation_name((bench_operation)o));
    listing_int(&t, one->cost.calls);
    rate(&t, one->seconds * 1e6);
    rate(&t, one->least_s * 1e6);
    rate(&t, one->ceiling_s * 1e6);
    listing_real(&t, share(one), 2);
    cell(&t, bytes < 1e5 ? 4 : 2, "", bytes / 1e6);
    cell(&t, one->cost.flops < 1e7 ? 5 : 3, "", one->cost.flops / 1e9);
    rate(&t, (streams ? one->stream_rate : one->local_rate) / 1e9);
    rate(&t, one->peak / 1e9);
    listing_text(&t, one->cost.flops / one->peak >= one->ceiling_s ? "compute" : "bytes");
  }
  end_table(&t, out);
}

static void put_operations(const bench_results *r, text *out) {
  const bench_step *steps[BENCH_POINTS_MAX];
  int count = 0;
  for (int i = 0; i < r->plan->point_count; i++) {
    if (!r->steps[i].skipped[0]) steps[count++] = &r->steps[i];
  }
  if (count <= DETAILED_POINTS_MAX) {
    for (int i = 0; i < count; i++)
      put_detail(steps[i], out);
    return;
  }
  text_put(out,
           "Operations, each alone; their bytes and operations are in --json, or printed for at "
           "most four steps.\n");
  for (int i = 0; i < count; i += POINTS_A_TABLE) {
    int some = count - i < POINTS_A_TABLE ? count - i : POINTS_A_TABLE;
    put_matrix("share", steps + i, some, share, 2, out);
    put_matrix("ms a step", steps + i, some, step_ms, 2, out);
  }
}

/* ---- products -------------------------------------------------------------------------------- */

static void put_product_row(listing *t, const bench_results *r, int rows) {
  listing_int(t, rows);
  for (int shape = 0; shape < BENCH_OPERATION_COUNT; shape++) {
    if (!bench_operation_is_product((bench_operation)shape) || shape == BENCH_ATTENTION) continue;
    double speed = -1, ratio = -1;
    for (int i = 0; i < r->product_count; i++) {
      const bench_product *p = &r->products[i];
      if (p->rows != rows || (int)p->shape != shape) continue;
      speed = 2e-9 * p->rows * p->n * p->k / p->seconds;
      if (p->yardstick_s > 0) ratio = p->yardstick_s / p->seconds;
    }
    rate(t, speed);
    listing_real(t, ratio, 2);
  }
}

static void put_products(const bench_results *r, text *out) {
  static const listing_column columns[] = {{"rows", 1}, {"qkv", 1},        {"x", 1}, {"output", 1},
                                           {"x", 1},    {"gate_up", 1},    {"x", 1}, {"down", 1},
                                           {"x", 1},    {"vocabulary", 1}, {"x", 1}};
  listing t;
  text_format(out,
              "Products in GFLOP/s, weights used again and again; x: times the yardstick's\n"
              "yardstick: %s\n",
              r->yardstick);
  listing_open(&t, columns, sizeof columns / sizeof *columns);
  for (int i = 0; i < r->plan->row_count; i++)
    put_product_row(&t, r, r->plan->rows[i]);
  listing_print(&t, out);
  listing_close(&t);
  if (r->ratio_mean > 0) {
    text_format(out, "times the yardstick's: geometric mean %.3f, least %.3f\n", r->ratio_mean,
                r->ratio_least);
  }
  if (r->fp32_mean > 0) {
    text_format(out, "times the yardstick's in fp32, which has our instruction: %.3f, least %.3f\n",
                r->fp32_mean, r->fp32_least);
  }
}

void bench_model_text(const bench_results *r, text *out) {
  put_head(r, out);
  put_peaks(r, out);
  if (r->plan->point_count) {
    put_steps(r, out);
    put_gangs(r, out);
    put_operations(r, out);
  }
  if (r->plan->row_count) put_products(r, out);
}
