#include "pipeline/progress.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/output.h"

#include <pthread.h>
#include <stdio.h>

/* The speed is that of the last half minute: what was slow at the start, or another model, says
   nothing of what is to come. */
enum { POINTS = 31 };
static const int64_t SHOWN_EVERY_NS = 100000000, POINT_EVERY_NS = 1000000000;

typedef struct run_progress {
  int64_t finished, tokens;
} run_progress;

typedef struct progress_point {
  int64_t ns, finished, tokens;
} progress_point;

struct progress {
  const plan *plan;
  logger *messages;
  pthread_mutex_t lock;
  run_totals totals;
  int64_t under_way;             /* tokens */
  const job_model *model;        /* whose runs are under way; NULL: those that need none */
  run_progress *runs;            /* [plan->run_count] */
  progress_point points[POINTS]; /* a ring: the oldest is at first. The shower's */
  int first, point_count;
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

/* ---- how fast -------------------------------------------------------------------------------- */

static progress_point stand(progress *p) {
  (void)pthread_mutex_lock(&p->lock);
  const run_totals *t = &p->totals;
  progress_point now = {.ns = clock_monotonic_ns(),
                        .finished = t->done + t->capped + t->failed,
                        .tokens = t->tokens + p->under_way};
  (void)pthread_mutex_unlock(&p->lock);
  return now;
}

/* Keeps where it stands, once a second. */
static void keep_point(progress *p, const progress_point *now) {
  const progress_point *newest = &p->points[(p->first + p->point_count + POINTS - 1) % POINTS];
  if (p->point_count && now->ns - newest->ns < POINT_EVERY_NS) return;
  if (p->point_count == POINTS) {
    p->first = (p->first + 1) % POINTS;
    p->point_count--;
  }
  p->points[(p->first + p->point_count++) % POINTS] = *now;
}

static double per_second(int64_t amount, int64_t ns) {
  return ns > 0 && amount > 0 ? (double)amount / ((double)ns / 1e9) : 0;
}

/* ---- counting -------------------------------------------------------------------------------- */

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

void progress_turn(progress *p, const job_model *of) {
  (void)pthread_mutex_lock(&p->lock);
  p->model = of;
  (void)pthread_mutex_unlock(&p->lock);
  p->point_count = 0;
  progress_point now = stand(p);
  keep_point(p, &now);
}

void progress_under_way(progress *p, int64_t tokens) {
  (void)pthread_mutex_lock(&p->lock);
  p->under_way = tokens;
  (void)pthread_mutex_unlock(&p->lock);
}

/* ---- what is to come ------------------------------------------------------------------------- */

typedef struct outlook {
  int64_t samples;
  double tokens;
  int is_more; /* there are runs besides whose tokens or speed nothing is known of yet */
} outlook;

/* Of all finished samples of runs with this model; negative: none. */
static double mean_tokens(const progress *p, const job_model *of) {
  int64_t tokens = 0, finished = 0;
  for (size_t i = 0; i < p->plan->run_count; i++) {
    if (p->plan->runs[i].model != of) continue;
    tokens += p->runs[i].tokens;
    finished += p->runs[i].finished;
  }
  return finished ? (double)tokens / (double)finished : -1;
}

/* By the mean of each run's finished samples, or of all with its model where it has none. Locked.
   Models follow one another, and the speed of one says nothing of the next one's. */
static outlook look_ahead(const progress *p) {
  outlook o = {0};
  double mean = mean_tokens(p, p->model);
  for (size_t i = 0; i < p->plan->run_count; i++) {
    const planned_run *of = &p->plan->runs[i];
    const run_progress *r = &p->runs[i];
    int64_t remaining = of->counts.left - r->finished;
    if (remaining <= 0) continue;
    o.samples += remaining;
    if (of->model != p->model || mean < 0) {
      o.is_more = 1;
    } else {
      o.tokens +=
          (double)remaining * (r->finished ? (double)r->tokens / (double)r->finished : mean);
    }
  }
  return o;
}

/* ---- the line -------------------------------------------------------------------------------- */

static int has_models(const plan *p) {
  return p->model_count > 0;
}

/* Short enough for 80 columns: a line that wraps cannot be rewritten. */
static void show(const progress *p, const progress_point *from, const progress_point *now,
                 const outlook *ahead, int64_t failed) {
  int64_t ns = now->ns - from->ns;
  double rate = per_second(now->tokens - from->tokens, ns);
  text line;
  text_open(&line, 512);
  text_format(&line, "%lld/%lld samples, ", (long long)now->finished,
              (long long)(now->finished + ahead->samples));
  output_count(&line, (double)now->tokens);
  if (!ahead->is_more && now->finished) {
    text_char(&line, '/');
    output_count(&line, (double)now->tokens + ahead->tokens);
  }
  text_put(&line, " tokens");
  if (failed) text_format(&line, ", %lld failed", (long long)failed);
  if (!has_models(p->plan)) {
    text_format(&line, ", %.0f/s", per_second(now->finished - from->finished, ns));
  }
  text_put(&line, ", ");
  output_count(&line, rate);
  text_put(&line, " tokens/s, ");
  if (rate > 0 && now->finished && !(ahead->is_more && ahead->tokens <= 0)) {
    output_duration(&line, ahead->tokens / rate);
    text_put(&line, ahead->is_more ? "+ left" : " left");
  } else {
    text_put(&line, "? left");
  }
  log_progress(p->messages, "%s", text_string(&line));
  text_close(&line);
}

void progress_show(progress *p, int last) {
  progress_point start = {.ns = p->started_ns}, now = stand(p);
  if (!last && now.ns - p->shown_ns < SHOWN_EVERY_NS) return;
  p->shown_ns = now.ns;
  (void)pthread_mutex_lock(&p->lock);
  outlook ahead = look_ahead(p);
  int64_t failed = p->totals.failed;
  ahead.tokens -= (double)p->under_way;
  (void)pthread_mutex_unlock(&p->lock);
  if (ahead.tokens < 0) ahead.tokens = 0;
  keep_point(p, &now);
  show(p, last ? &start : &p->points[p->first], &now, &ahead, failed);
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
