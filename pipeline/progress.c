#include "pipeline/progress.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/output.h"

#include <pthread.h>
#include <stdio.h>

static const int64_t SHOWN_EVERY_NS = 100000000;

typedef struct run_progress {
  int64_t finished, tokens;
} run_progress;

struct progress {
  const plan *plan;
  logger *messages;
  pthread_mutex_t lock;
  run_totals totals;
  int64_t under_way;
  run_progress *runs; /* [plan->run_count] */
  int64_t started_ns, shown_ns;
};

status progress_open(progress **out, const plan *of, logger *messages, detail *err) {
  progress *p = memory_zeroed(1, sizeof *p);
  if (p) p->runs = memory_zeroed(of->run_count ? of->run_count : 1, sizeof *p->runs);
  if (!p || !p->runs) {
    memory_free(p);
    return fault(err, E_MEMORY, "no memory for the progress of %zu runs", of->run_count);
  }
  p->plan = of;
  p->messages = messages;
  p->started_ns = clock_monotonic_ns();
  REQUIRE(pthread_mutex_init(&p->lock, NULL) == 0);
  *out = p;
  return OK;
}

void progress_close(progress *p) {
  if (!p) return;
  (void)pthread_mutex_destroy(&p->lock);
  memory_free(p->runs);
  memory_free(p);
}

void progress_add(progress *p, const planned_run *r, sample_end end, int64_t tokens) {
  (void)pthread_mutex_lock(&p->lock);
  run_progress *own = &p->runs[r - p->plan->runs];
  own->finished++;
  own->tokens += tokens;
  p->totals.tokens += tokens;
  p->totals.done += end == SAMPLE_DONE;
  p->totals.capped += end == SAMPLE_CAPPED;
  p->totals.failed += end == SAMPLE_FAILED;
  (void)pthread_mutex_unlock(&p->lock);
}

void progress_under_way(progress *p, int64_t tokens) {
  (void)pthread_mutex_lock(&p->lock);
  p->under_way = tokens;
  (void)pthread_mutex_unlock(&p->lock);
}

/* By the mean of each run's finished samples, or of all where a run has none. Locked. */
static int64_t tokens_left(const progress *p, int64_t *samples_left) {
  int64_t left = 0, finished = p->totals.done + p->totals.capped + p->totals.failed;
  double overall = finished ? (double)p->totals.tokens / (double)finished : 0, expected = 0;
  for (size_t i = 0; i < p->plan->run_count; i++) {
    const run_progress *r = &p->runs[i];
    int64_t remaining = p->plan->runs[i].counts.left - r->finished;
    if (remaining < 0) remaining = 0;
    left += remaining;
    expected +=
        (double)remaining * (r->finished ? (double)r->tokens / (double)r->finished : overall);
  }
  *samples_left = left;
  return (int64_t)expected;
}

void progress_show(progress *p, int last) {
  int64_t now = clock_monotonic_ns(), samples_left;
  if (!last && now - p->shown_ns < SHOWN_EVERY_NS) return;
  p->shown_ns = now;
  (void)pthread_mutex_lock(&p->lock);
  int64_t expected = tokens_left(p, &samples_left), under_way = p->under_way;
  run_totals t = p->totals;
  (void)pthread_mutex_unlock(&p->lock);
  int64_t finished = t.done + t.capped + t.failed, tokens = t.tokens + under_way;
  int64_t to_come = expected > under_way ? expected - under_way : 0;
  double seconds = (double)(now - p->started_ns) / 1e9;
  double rate = seconds > 0 ? (double)tokens / seconds : 0;
  int is_million = rate >= 1e5;
  char failed[48] = "";
  text left;
  text_open(&left, 64);
  if (rate > 0 && finished) output_duration(&left, (double)to_come / rate);
  if (t.failed) (void)snprintf(failed, sizeof failed, ", %lld failed", (long long)t.failed);
  /* Short enough for 80 columns: a line that wraps cannot be rewritten. */
  log_progress(p->messages,
               "%lld/%lld samples, %.1f/%.1f M tokens%s, %.0f/s, %.1f %stokens/s, %s left",
               (long long)finished, (long long)(finished + samples_left), (double)tokens / 1e6,
               (double)(tokens + to_come) / 1e6, failed,
               seconds > 0 ? (double)finished / seconds : 0, is_million ? rate / 1e6 : rate,
               is_million ? "M " : "", left.bytes ? text_string(&left) : "?");
  text_close(&left);
}

run_totals progress_totals(progress *p) {
  (void)pthread_mutex_lock(&p->lock);
  run_totals t = p->totals;
  (void)pthread_mutex_unlock(&p->lock);
  return t;
}

int64_t progress_elapsed_ns(const progress *p) {
  return clock_monotonic_ns() - p->started_ns;
}
