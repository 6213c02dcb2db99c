#include "pipeline/feeder.h"

#include "base/memory.h"

#include <string.h>

enum { RUNS_IN_TURN = 64, FED_IN_TURN = 32 };

struct feeder {
  store *store;
  planned_run **runs; /* [count] */
  size_t count;
  store_work *open[RUNS_IN_TURN]; /* of runs [first, first + opened); NULL: has no more */
  size_t first, opened, turn;
  int fed; /* of the run whose turn it is */
};

status feeder_open(feeder **out, store *s, planned_run *const *runs, size_t count, detail *err) {
  feeder *f = memory_zeroed(1, sizeof *f);
  if (f) f->runs = memory_take((count ? count : 1) * sizeof *f->runs);
  if (!f || !f->runs) {
    memory_free(f);
    return fault(err, E_MEMORY, "no memory for the work of %zu runs", count);
  }
  memcpy(f->runs, runs, count * sizeof *f->runs);
  f->store = s;
  f->count = count;
  *out = f;
  return OK;
}

void feeder_close(feeder *f) {
  if (!f) return;
  for (size_t i = 0; i < f->opened; i++)
    store_work_close(f->open[i]);
  memory_free(f->runs);
  memory_free(f);
}

/* Opens the next runs when those that are open have nothing left. */
static status open_group(feeder *f, detail *err) {
  f->first += f->opened;
  f->opened = f->turn = 0;
  f->fed = 0;
  while (f->opened < RUNS_IN_TURN && f->first + f->opened < f->count) {
    const planned_run *r = f->runs[f->first + f->opened];
    status failed = store_work_open(&f->open[f->opened], f->store, &r->filter, err);
    if (failed) return failed;
    f->opened++;
  }
  return OK;
}

static int group_is_done(const feeder *f) {
  for (size_t i = 0; i < f->opened; i++) {
    if (f->open[i]) return 0;
  }
  return 1;
}

static void next_turn(feeder *f) {
  f->turn = (f->turn + 1) % f->opened;
  f->fed = 0;
}

status feeder_next(feeder *f, planned_run **run, store_item *item, detail *err) {
  *run = NULL;
  for (;;) {
    if (group_is_done(f)) {
      status failed = open_group(f, err);
      if (failed || !f->opened) return failed;
    }
    if (!f->open[f->turn] || f->fed == FED_IN_TURN) {
      next_turn(f);
      continue;
    }
    int found = 0;
    status failed = store_work_next(f->open[f->turn], item, &found, err);
    if (failed) return failed;
    if (found) {
      f->fed++;
      *run = f->runs[f->first + f->turn];
      return OK;
    }
    store_work_close(f->open[f->turn]);
    f->open[f->turn] = NULL;
  }
}
