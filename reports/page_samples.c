/* What a page computes from the samples instead of asking a view for it: the views latency and
   paired answer the same for every job of the store at once, which takes a million samples several
   seconds. Numbers are the views' own. */
#include "base/memory.h"
#include "reports/page_internal.h"
#include "store/query.h"

#include <stdlib.h>

/* ---- latency --------------------------------------------------------------------------------- */

typedef struct times {
  int64_t *ns; /* [capacity], used again for each condition */
  size_t count, capacity;
} times;

static status add_time(times *t, int64_t ns, detail *err) {
  if (t->count == t->capacity) {
    size_t capacity = t->capacity ? 2 * t->capacity : 4096;
    int64_t *grown = memory_grow(t->ns, capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for the times of %zu samples", capacity);
    t->ns = grown;
    t->capacity = capacity;
  }
  t->ns[t->count++] = ns;
  return OK;
}

static int by_time(const void *left, const void *right) {
  const int64_t *a = left, *b = right;
  return *a < *b ? -1 : *a > *b;
}

/* The nearest rank: the smallest time that at least half of the samples do not exceed. */
static status read_median(times *t, query *q, const page *p, const char *condition, double *out,
                          detail *err) {
  status failed = OK;
  t->count = 0;
  query_rewind(q);
  query_bind_text(q, 1, p->all->job);
  query_bind_text(q, 2, condition);
  for (int row = 0; !failed && !(failed = query_next(q, &row, err)) && row;)
    failed = add_time(t, query_int(q, 0), err);
  if (failed) return failed;
  *out = STATS_NONE;
  if (!t->count) return OK;
  qsort(t->ns, t->count, sizeof *t->ns, by_time);
  *out = (double)t->ns[(t->count - 1) / 2] / 1e6;
  return OK;
}

status page_latencies(const page *p, page_condition *conditions, size_t count, detail *err) {
  query *q = NULL;
  times t = {0};
  status failed = query_open(&q, p->s,
                             "SELECT s.ended_ns - s.started_ns FROM condition c "
                             "CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats "
                             "AND s.status <> 'failed' "
                             "CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks "
                             "WHERE c.job = ? AND c.name = ?",
                             err);
  for (size_t i = 0; !failed && i < count; i++)
    failed = read_median(&t, q, p, conditions[i].name, &conditions[i].p50_ms, err);
  query_close(q);
  memory_free(t.ns);
  return failed;
}

/* ---- paired ---------------------------------------------------------------------------------- */

/* The mean over the repeats that were judged; STATS_NONE without one. */
static double task_mean(const scores_condition *c, size_t task) {
  double sum = 0, count = 0;
  for (size_t r = 0; r < c->repeats; r++) {
    const scores_cell *cell = &c->cells[task * c->repeats + r];
    if (cell->state != CELL_SCORED) continue;
    sum += cell->score;
    count += 1;
  }
  return count > 0 ? sum / count : STATS_NONE;
}

typedef struct pairing {
  const scores *all;
  double *mean;       /* [count, tasks] */
  double *difference; /* [tasks], of one pair */
  int32_t *unit;      /* [tasks], of one pair */
} pairing;

static status pair_error(pairing *w, size_t a, size_t b, stats_mean *out, detail *err) {
  size_t tasks = w->all->tasks, shared = 0;
  const double *x = &w->mean[a * tasks], *y = &w->mean[b * tasks];
  for (size_t task = 0; task < tasks; task++) {
    if (!stats_known(x[task]) || !stats_known(y[task])) continue;
    w->difference[shared] = x[task] - y[task];
    w->unit[shared++] = w->all->unit[task];
  }
  return stats_mean_of(w->difference, w->all->clustered ? w->unit : NULL, shared, out, err);
}

static int by_size(const void *left, const void *right) {
  const double *a = left, *b = right;
  return *a < *b ? -1 : *a > *b;
}

status page_pair_errors(const page *p, double *median, int64_t *pairs, detail *err) {
  const scores *all = p->all;
  size_t count = all->count, tasks = all->tasks, found = 0;
  pairing w = {.all = all};
  w.mean = arena_take(p->memory, count * tasks + 1, sizeof *w.mean);
  w.difference = arena_take(p->memory, tasks + 1, sizeof *w.difference);
  w.unit = arena_take(p->memory, tasks + 1, sizeof *w.unit);
  double *se = arena_take(p->memory, count * count / 2 + 1, sizeof *se);
  if (!w.mean || !w.difference || !w.unit || !se) return arena_full(p->memory, err);
  for (size_t i = 0; i < count * tasks; i++)
    w.mean[i] = task_mean(&all->conditions[i / tasks], i % tasks);
  for (size_t a = 0; a < count; a++) {
    for (size_t b = a + 1; b < count; b++) {
      stats_mean m;
      status failed = pair_error(&w, a, b, &m, err);
      if (failed) return failed;
      if (m.tasks && !m.vanishes && m.se > 0) se[found++] = m.se;
    }
  }
  qsort(se, found, sizeof *se, by_size);
  *pairs = (int64_t)found;
  *median = found ? se[(found - 1) / 2] : 0;
  return OK;
}
