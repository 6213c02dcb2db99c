/* What a page computes from the scores instead of asking the view paired for it, which answers for
   every job of the store at once. Numbers are the view's own. */
#include "reports/page_internal.h"

#include <stdlib.h>

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
