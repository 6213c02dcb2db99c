/* Latencies and throughput: what is measured, apart from what is promised. Percentiles are computed
   here and not asked of the view latency, which answers for every job of the store at once and
   takes a million samples several seconds. Numbers are the view's own. */
#include "base/memory.h"
#include "reports/page_internal.h"
#include "store/query.h"

#include <stdlib.h>
#include <string.h>

/* ---- percentiles -----------------------------------------------------------------------------
 */

typedef struct times {
  int64_t *ns; /* [capacity], used again for each condition */
  size_t count, capacity;
  double load, loaded; /* the sum of batch_samples, over those that have it */
} times;

static status add_time(times *t, int64_t ns, double load, detail *err) {
  if (t->count == t->capacity) {
    size_t capacity = t->capacity ? 2 * t->capacity : 4096;
    int64_t *grown = memory_grow(t->ns, capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for the times of %zu samples", capacity);
    t->ns = grown;
    t->capacity = capacity;
  }
  t->ns[t->count++] = ns;
  t->load += stats_known(load) ? load : 0;
  t->loaded += stats_known(load);
  return OK;
}

static int by_time(const void *left, const void *right) {
  const int64_t *a = left, *b = right;
  return *a < *b ? -1 : *a > *b;
}

/* The nearest rank: the smallest time that at least that share of the samples do not exceed. */
static double percentile_ms(const times *t, size_t percent) {
  size_t rank = (t->count * percent + 99) / 100;
  return (double)t->ns[rank ? rank - 1 : 0] / 1e6;
}

static status read_latency(page_latency *out, times *t, query *q, const page *p,
                           const char *condition, detail *err) {
  status failed = OK;
  *out = (page_latency){0, STATS_NONE, STATS_NONE, STATS_NONE, STATS_NONE};
  t->count = 0;
  t->load = t->loaded = 0;
  query_rewind(q);
  query_bind_text(q, 1, p->all->job);
  query_bind_text(q, 2, condition);
  for (int row = 0; !failed && !(failed = query_next(q, &row, err)) && row;)
    failed = add_time(t, query_int(q, 0), scores_number(q, 1), err);
  if (failed || !t->count) return failed;
  qsort(t->ns, t->count, sizeof *t->ns, by_time);
  *out = (page_latency){(int64_t)t->count, percentile_ms(t, 50), percentile_ms(t, 90),
                        percentile_ms(t, 99), t->loaded > 0 ? t->load / t->loaded : STATS_NONE};
  return OK;
}

#define OF_CONDITION                                                                               \
  "FROM condition c "                                                                              \
  "CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats AND s.status <> 'failed' "        \
  "CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks "

/* Of a sample's passes the median, the lower of two. */
static const char alone_query[] =
    "SELECT total_ns, 1.0 FROM (SELECT a.total_ns, row_number() OVER (PARTITION BY a.sample "
    "ORDER BY a.total_ns) AS place, count(*) OVER (PARTITION BY a.sample) AS passes " OF_CONDITION
    "CROSS JOIN alone a ON a.sample = s.id WHERE c.job = ? AND c.name = ?) "
    "WHERE place = (passes + 1) / 2";

static status any_alone(const page *p, int *any, detail *err) {
  query *q = NULL;
  int row = 0;
  status failed = query_open(&q, p->s, "SELECT EXISTS (SELECT 1 FROM alone)", err);
  if (!failed) failed = query_next(q, &row, err);
  *any = !failed && row && query_int(q, 0);
  query_close(q);
  return failed;
}

static status read_derived(const page *p, page_condition *conditions, size_t count, detail *err) {
  query *q = NULL;
  size_t at = 0;
  status failed = query_open(&q, p->s,
                             "SELECT c.name, count(*) FROM condition c "
                             "CROSS JOIN sample s ON s.run = c.run AND s.derived = 1 "
                             "AND s.repeat < c.repeats "
                             "CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks "
                             "WHERE c.job = ? GROUP BY c.ordinal, c.id",
                             err);
  if (failed) return failed;
  query_bind_text(q, 1, p->all->job);
  for (int row = 0; !(failed = query_next(q, &row, err)) && row && at < count;) {
    while (at < count && strcmp(conditions[at].name, query_text(q, 0)) != 0)
      at++;
    if (at < count) conditions[at].derived = query_int(q, 1);
  }
  query_close(q);
  return failed;
}

status page_latencies(const page *p, page_condition *conditions, size_t count, detail *err) {
  query *batch = NULL, *alone = NULL;
  times t = {0};
  int measured = 0;
  status failed = any_alone(p, &measured, err);
  if (!failed) failed = read_derived(p, conditions, count, err);
  if (!failed) {
    failed = query_open(&batch, p->s,
                        "SELECT s.ended_ns - s.started_ns, s.batch_samples " OF_CONDITION
                        "WHERE c.job = ? AND c.name = ? AND s.derived = 0",
                        err);
  }
  if (!failed && measured) failed = query_open(&alone, p->s, alone_query, err);
  for (size_t i = 0; !failed && i < count; i++) {
    failed = read_latency(&conditions[i].batch, &t, batch, p, conditions[i].name, err);
    if (!failed && measured) {
      failed = read_latency(&conditions[i].alone, &t, alone, p, conditions[i].name, err);
    }
  }
  query_close(batch);
  query_close(alone);
  memory_free(t.ns);
  return failed;
}

/* ---- the table -------------------------------------------------------------------------------
 */

static void put_ms(table *t, double ms) {
  if (stats_known(ms)) {
    table_cell(t, "%.*f", ms < 1 ? 3 : ms < 100 ? 1 : 0, ms);
  } else {
    table_cell(t, "-");
  }
}

static void put_latency(table *t, const char *name, const char *kind, const page_latency *l) {
  table_next(t, NULL);
  table_cell(t, "%s", name);
  table_cell(t, "%s", kind);
  table_cell(t, "%lld", (long long)l->samples);
  if (stats_known(l->batch_samples)) {
    table_cell(t, "%.1f", l->batch_samples);
  } else {
    table_cell(t, "%s", "");
  }
  put_ms(t, l->p50_ms);
  put_ms(t, l->p90_ms);
  put_ms(t, l->p99_ms);
}

status page_latency_table(const page *p, const page_condition *conditions, size_t count,
                          int has_model, detail *err) {
  static const char *const titles[] = {"condition", "kind", "samples", "load", "p50", "p90", "p99"};
  int any = has_model;
  for (size_t i = 0; i < count; i++)
    any |= conditions[i].alone.samples > 0;
  if (!any) return OK;
  table t;
  page_title(p, "Latency in ms by kind");
  table_open(&t, p->memory, "Llrrrrr");
  table_next(&t, page_paint(p, "\x1b[2m"));
  for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
    table_cell(&t, "%s", titles[i]);
  for (size_t i = 0; i < count; i++) {
    const page_condition *c = &conditions[i];
    if (c->batch.samples) put_latency(&t, c->name, "batch", &c->batch);
    if (c->alone.samples) put_latency(&t, c->name, "alone", &c->alone);
  }
  status failed = table_write(&t, p->width, p->out, err);
  if (failed) return failed;
  page_note(p,
            "batch: beside as many samples as load says, which is throughput and compares no "
            "methods. alone: by itself in an empty engine, the median of its passes; methods are "
            "compared by it only. `nightjar verify --passes 3` measures it.");
  return OK;
}

/* ---- throughput ------------------------------------------------------------------------------
 */

static void put_number(table *t, int decimals, double value, const char *unit) {
  if (stats_known(value)) {
    table_cell(t, "%.*f%s", decimals, value, unit);
  } else {
    table_cell(t, "-");
  }
}

static void put_process(table *t, const query *q) {
  table_next(t, NULL);
  table_cell(t, "%s", query_text(q, 0));
  table_cell(t, "%s", query_text(q, 1));
  put_number(t, 1, query_real(q, 2) / 60, "");
  put_number(t, 1, scores_number(q, 3), "");
  put_number(t, 1, scores_number(q, 4), "");
  put_number(t, 1, scores_number(q, 5), "");
  put_number(t, 1, scores_number(q, 6), "");
  put_number(t, 1, scores_number(q, 7), "");
  table_cell(t, "%lld", (long long)query_int(q, 8));
  put_number(t, 1, 100 * scores_number(q, 9), "");
  put_number(t, 1, 100 * scores_number(q, 10), "");
}

status page_throughput(const page *p, detail *err) {
  static const char *const titles[] = {"started, UTC", "host",    "minutes", "sampled/s",
                                       "prefilled/s",  "samples", "running", "waiting",
                                       "preempted",    "steps %", "record %"};
  query *q = NULL;
  table t;
  int row = 0;
  status failed = query_open(&q, p->s, PAGE_THROUGHPUT("?1"), err);
  if (failed) return failed;
  query_bind_text(q, 1, p->all->job);
  failed = query_next(q, &row, err);
  if (!failed && row) {
    page_title(p, "Throughput of the last processes (tokens a second; means over their time)");
    table_open(&t, p->memory, "lLrrrrrrrrr");
    table_next(&t, page_paint(p, "\x1b[2m"));
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
      table_cell(&t, "%s", titles[i]);
    for (; !failed && row; failed = query_next(q, &row, err))
      put_process(&t, q);
    if (!failed) failed = table_write(&t, p->width, p->out, err);
  }
  query_close(q);
  return failed;
}
