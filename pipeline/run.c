#include "pipeline/run.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/feeder.h"
#include "pipeline/model_engine.h"
#include "pipeline/run_internal.h"
#include "pipeline/stop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

enum { SAMPLE_BYTES_MAX = 512 << 20, QUEUE_A_WORKER = 16 };
static const int64_t TICK_NS = 100000000;

typedef struct pool {
  const night *night;
  pthread_mutex_t lock;
  pthread_cond_t may_take, may_feed;
  sample_work *ring; /* [capacity]; targets are owned by their slot */
  int capacity, head, count;
  int in_flight, closed;
  status failed;
  detail why;
  int64_t waited_ns; /* the feeder's */
} pool;

/* A worker's, the ring's or the feeder's: whoever holds it last ends it. */
static void release_work(const sample_work *w) {
  memory_free((char *)(uintptr_t)w->target);
}

int run_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 1;
  int cores = CPU_COUNT(&set);
  return cores > 0 ? cores : 1;
}

static void pool_fail(pool *p, status s, const detail *why) {
  if (!p->failed) {
    p->failed = s;
    p->why = *why;
  }
  (void)pthread_cond_broadcast(&p->may_take);
  (void)pthread_cond_broadcast(&p->may_feed);
}

/* Takes samples until the ring is empty and closed, or something failed. */
static void *work(void *context) {
  pool *p = context;
  detail err = {0};
  arena *memory = NULL;
  status s = arena_open(&memory, SAMPLE_BYTES_MAX, &err);
  (void)pthread_mutex_lock(&p->lock);
  while (!s && !p->failed) {
    if (p->count == 0 && p->closed) break;
    if (p->count == 0) {
      (void)pthread_cond_wait(&p->may_take, &p->lock);
      continue;
    }
    sample_work w = p->ring[p->head];
    p->head = (p->head + 1) % p->capacity;
    p->count--;
    w.in_flight = ++p->in_flight;
    (void)pthread_cond_signal(&p->may_feed);
    (void)pthread_mutex_unlock(&p->lock);
    sample_outcome outcome;
    s = sample_run(&w, p->night->store, memory, &outcome, &err);
    release_work(&w);
    if (!s) progress_add(p->night->progress, w.run, outcome.end, outcome.tokens);
    (void)pthread_mutex_lock(&p->lock);
    p->in_flight--;
    (void)pthread_cond_signal(&p->may_feed);
  }
  if (s) pool_fail(p, s, &err);
  (void)pthread_mutex_unlock(&p->lock);
  arena_close(memory);
  return NULL;
}

int night_must_stop(const night *n) {
  int signal = stop_signal();
  if (signal) {
    *n->stopped = signal;
  } else if (n->options->max_wall_ns &&
             progress_elapsed_ns(n->progress) >= n->options->max_wall_ns) {
    *n->stopped = -1;
  }
  return *n->stopped != 0;
}

/* Waits for a worker a tick at most. Locked by the caller. */
static void wait_for_worker(pool *p) {
  struct timespec until;
  int64_t now = clock_unix_ns() + TICK_NS, before = clock_monotonic_ns();
  until.tv_sec = (time_t)(now / 1000000000);
  until.tv_nsec = (long)(now % 1000000000);
  (void)pthread_cond_timedwait(&p->may_feed, &p->lock, &until);
  p->waited_ns += clock_monotonic_ns() - before;
}

/* Puts one sample into the ring; *fed is 0 when the night ends before there is room. */
static status feed(pool *p, const planned_run *r, const store_item *item, int *fed, detail *err) {
  const night *n = p->night;
  sample_work w = {.run = r,
                   .task = item->task.id,
                   .target = memory_copy_text(item->task.target),
                   .content = item->task.content,
                   .seed = (uint64_t)n->plan->job->seed,
                   .repeat = item->repeat,
                   .attempt = item->attempt};
  if (!w.target) return fault(err, E_MEMORY, "no memory for a task");
  *fed = 0;
  for (;;) {
    if (night_must_stop(n)) break;
    (void)pthread_mutex_lock(&p->lock);
    if (p->count == p->capacity && !p->failed) wait_for_worker(p);
    int failed = p->failed != OK, room = p->count < p->capacity && !failed;
    if (room) {
      w.queued_ns = store_now_ns(n->store);
      p->ring[(p->head + p->count++) % p->capacity] = w;
      (void)pthread_cond_signal(&p->may_take);
    }
    (void)pthread_mutex_unlock(&p->lock);
    progress_show(n->progress, 0);
    if (room) {
      *fed = 1;
      return OK;
    }
    if (failed) break;
  }
  release_work(&w);
  return OK;
}

static status feed_all(pool *p, feeder *from, detail *err) {
  status failed = OK;
  for (int going = 1; !failed && going;) {
    planned_run *r;
    store_item item;
    failed = feeder_next(from, &r, &item, err);
    if (failed || !r) break;
    failed = feed(p, r, &item, &going, err);
  }
  return failed;
}

static status pool_open(pool *p, const night *n, int threads, detail *err) {
  *p = (pool){.night = n, .capacity = threads * QUEUE_A_WORKER};
  p->ring = memory_zeroed((size_t)p->capacity, sizeof *p->ring);
  if (!p->ring) return fault(err, E_MEMORY, "no memory for %d workers", threads);
  REQUIRE(pthread_mutex_init(&p->lock, NULL) == 0);
  REQUIRE(pthread_cond_init(&p->may_take, NULL) == 0);
  REQUIRE(pthread_cond_init(&p->may_feed, NULL) == 0);
  return OK;
}

static void drop_waiting(pool *p) {
  for (; p->count > 0; p->count--) {
    release_work(&p->ring[p->head]);
    p->head = (p->head + 1) % p->capacity;
  }
}

static void pool_close(pool *p) {
  drop_waiting(p);
  memory_free(p->ring);
  (void)pthread_mutex_destroy(&p->lock);
  (void)pthread_cond_destroy(&p->may_take);
  (void)pthread_cond_destroy(&p->may_feed);
}

/* No more is fed. Waits for the workers; when the night ends early what waits in the ring is given
   up, and only samples that a worker has begun are finished. */
static void drain(pool *p) {
  (void)pthread_mutex_lock(&p->lock);
  p->closed = 1;
  (void)pthread_cond_broadcast(&p->may_take);
  while ((p->count || p->in_flight) && !p->failed) {
    if (p->count && night_must_stop(p->night)) drop_waiting(p);
    if (!p->count && !p->in_flight) break;
    wait_for_worker(p);
    (void)pthread_mutex_unlock(&p->lock);
    progress_show(p->night->progress, 0);
    (void)pthread_mutex_lock(&p->lock);
  }
  (void)pthread_mutex_unlock(&p->lock);
}

/* Solves what is left of symbolic runs. *waited_ns: of the feeder, for workers. */
static status run_symbolic(const night *n, feeder *from, int threads, int64_t *waited_ns,
                           detail *err) {
  int started = 0;
  pool p;
  status st = pool_open(&p, n, threads, err);
  if (st) return st;
  pthread_t *workers = memory_zeroed((size_t)threads, sizeof *workers);
  if (!workers) st = fault(err, E_MEMORY, "no memory for %d workers", threads);
  while (!st && started < threads) {
    int problem = pthread_create(&workers[started], NULL, work, &p);
    if (problem) {
      st = fault(err, E_DEVICE, "cannot start worker %d: %s", started, strerror(problem));
    } else {
      started++;
    }
  }
  if (!st) st = feed_all(&p, from, err);
  drain(&p);
  for (int i = 0; i < started; i++)
    (void)pthread_join(workers[i], NULL);
  memory_free(workers);
  if (!st && p.failed) {
    st = p.failed;
    if (err) *err = p.why;
  }
  *waited_ns = p.waited_ns;
  pool_close(&p);
  return st;
}

/* ---- the night ------------------------------------------------------------------------------- */

static status run_all_symbolic(const night *n, planned_run **runs, run_totals *out, detail *err) {
  feeder *from = NULL;
  size_t count = plan_left(n->plan, NULL, runs);
  if (!count) return OK;
  status failed = feeder_open(&from, n->store, runs, count, err);
  if (!failed) {
    failed = run_symbolic(n, from, n->options->threads, &out->feeder_waited_ns, err);
  }
  feeder_close(from);
  return failed;
}

static status run_everything(const night *n, planned_run **runs, run_totals *out, detail *err) {
  status failed = run_all_symbolic(n, runs, out, err);
  for (size_t i = 0; !failed && i < n->plan->model_count && !night_must_stop(n); i++) {
    size_t count = plan_left(n->plan, n->plan->models[i], runs);
    if (count) failed = run_model(n, n->plan->models[i], runs, count, out, err);
  }
  return failed;
}

status run_check(const plan *p, int threads, detail *err) {
  planned_run **runs = memory_take((p->run_count ? p->run_count : 1) * sizeof *runs);
  status failed = runs ? OK : fault(err, E_MEMORY, "no memory for %zu runs", p->run_count);
  for (size_t i = 0; !failed && i < p->model_count; i++) {
    const job_model *m = p->models[i];
    size_t count = plan_left(p, m, runs);
    engine_options options = model_engine_options(p, m, runs, count, threads, 0);
    if (count) failed = model_engine_check(m, runs, count, &options, err);
  }
  memory_free(runs);
  return failed;
}

status run_plan(plan *of, store *s, const run_options *o, logger *messages, run_totals *out,
                detail *err) {
  int stopped = 0;
  run_options options = *o;
  if (options.threads <= 0) options.threads = run_cores();
  night n = {
      .plan = of, .store = s, .options = &options, .messages = messages, .stopped = &stopped};
  run_totals spent = {0};
  planned_run **runs = memory_take((of->run_count ? of->run_count : 1) * sizeof *runs);
  status failed = runs ? OK : fault(err, E_MEMORY, "no memory for %zu runs", of->run_count);
  if (!failed) failed = progress_open(&n.progress, of, messages, err);
  if (!failed) failed = run_everything(&n, runs, &spent, err);
  detail flush_error = {0};
  status flushed = store_flush(s, &flush_error);
  if (!failed && flushed) {
    failed = flushed;
    if (err) *err = flush_error;
  }
  if (n.progress) {
    progress_show(n.progress, 1);
    log_progress_end(messages);
    *out = progress_totals(n.progress);
    out->wall_ns = progress_elapsed_ns(n.progress);
    out->feeder_waited_ns = spent.feeder_waited_ns;
    out->model_ns = spent.model_ns;
    out->record_ns = spent.record_ns;
    out->model_tokens = spent.model_tokens;
    out->stopped = stopped;
  }
  progress_close(n.progress);
  memory_free(runs);
  return failed;
}
