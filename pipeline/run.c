#include "pipeline/run.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/output.h"
#include "pipeline/sample.h"
#include "pipeline/stop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

enum { SAMPLE_BYTES_MAX = 512 << 20, RUNS_IN_TURN = 64, FED_IN_TURN = 32, QUEUE_A_WORKER = 16 };
static const int64_t TICK_NS = 100000000;

/* How far a run is, under the pool's lock. */
typedef struct run_progress {
  int64_t finished, tokens_ref;
} run_progress;

typedef struct pool {
  plan *plan;
  store *store;
  pthread_mutex_t lock;
  pthread_cond_t may_take, may_feed;
  sample_work *ring; /* [capacity]; targets are owned by their slot */
  int capacity, head, count;
  int in_flight, closed;
  status failed;
  detail why;
  run_totals totals;
  run_progress *progress; /* [plan->run_count] */
  int64_t started_ns, shown_ns;
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

static void add_outcome(pool *p, const planned_run *r, const sample_outcome *o) {
  run_progress *progress = &p->progress[r - p->plan->runs];
  progress->finished++;
  progress->tokens_ref += o->tokens_ref;
  p->totals.tokens_ref += o->tokens_ref;
  p->totals.done += o->end == SAMPLE_DONE;
  p->totals.capped += o->end == SAMPLE_CAPPED;
  p->totals.failed += o->end == SAMPLE_FAILED;
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
    s = sample_run(&w, p->store, memory, &outcome, &err);
    release_work(&w);
    (void)pthread_mutex_lock(&p->lock);
    p->in_flight--;
    if (!s) add_outcome(p, w.run, &outcome);
    (void)pthread_cond_signal(&p->may_feed);
  }
  if (s) pool_fail(p, s, &err);
  (void)pthread_mutex_unlock(&p->lock);
  arena_close(memory);
  return NULL;
}

static int64_t tokens_left(const pool *p, int64_t *samples_left) {
  int64_t left = 0, finished = 0, tokens = 0;
  double expected = 0;
  for (size_t i = 0; i < p->plan->run_count; i++) {
    finished += p->progress[i].finished;
    tokens += p->progress[i].tokens_ref;
  }
  double overall = finished ? (double)tokens / (double)finished : 0;
  for (size_t i = 0; i < p->plan->run_count; i++) {
    const run_progress *r = &p->progress[i];
    int64_t remaining = p->plan->runs[i].counts.left - r->finished;
    if (remaining < 0) remaining = 0;
    left += remaining;
    expected +=
        (double)remaining * (r->finished ? (double)r->tokens_ref / (double)r->finished : overall);
  }
  *samples_left = left;
  return (int64_t)expected;
}

static void show_progress(pool *p, logger *messages, int last) {
  int64_t now = clock_monotonic_ns();
  if (!last && now - p->shown_ns < TICK_NS) return;
  p->shown_ns = now;
  (void)pthread_mutex_lock(&p->lock);
  int64_t samples_left, tokens_to_come = tokens_left(p, &samples_left);
  run_totals t = p->totals;
  (void)pthread_mutex_unlock(&p->lock);
  int64_t finished = t.done + t.capped + t.failed;
  double seconds = (double)(now - p->started_ns) / 1e9;
  double rate = seconds > 0 ? (double)t.tokens_ref / seconds : 0;
  char failed[48] = "";
  text left;
  text_open(&left, 64);
  if (rate > 0) output_duration(&left, (double)tokens_to_come / rate);
  if (t.failed) (void)snprintf(failed, sizeof failed, ", %lld failed", (long long)t.failed);
  /* Short enough for 80 columns: a line that wraps cannot be rewritten. */
  log_progress(messages,
               "%lld/%lld samples, %.1f/%.1f M tokens%s, %.0f/s, %.1f M tokens/s, %s left",
               (long long)finished, (long long)(finished + samples_left),
               (double)t.tokens_ref / 1e6, (double)(t.tokens_ref + tokens_to_come) / 1e6, failed,
               seconds > 0 ? (double)finished / seconds : 0, rate / 1e6,
               left.bytes ? text_string(&left) : "?");
  text_close(&left);
}

/* Whether the night ends early, and why. */
static int must_stop(pool *p, const run_options *o) {
  int signal = stop_signal();
  if (signal) {
    p->totals.stopped = signal;
  } else if (o->max_wall_ns && clock_monotonic_ns() - p->started_ns >= o->max_wall_ns) {
    p->totals.stopped = -1;
  }
  return p->totals.stopped != 0;
}

/* Waits for a worker a tick at most. Locked by the caller. */
static void wait_for_worker(pool *p) {
  struct timespec until;
  int64_t now = clock_unix_ns() + TICK_NS, before = clock_monotonic_ns();
  until.tv_sec = (time_t)(now / 1000000000);
  until.tv_nsec = (long)(now % 1000000000);
  (void)pthread_cond_timedwait(&p->may_feed, &p->lock, &until);
  p->totals.feeder_waited_ns += clock_monotonic_ns() - before;
}

/* Puts one sample into the ring; *fed is 0 when the night ends before there is room. */
static status feed(pool *p, const planned_run *r, const store_item *item, const run_options *o,
                   logger *messages, int *fed, detail *err) {
  sample_work w = {.run = r,
                   .task = item->task.id,
                   .target = memory_copy_text(item->task.target),
                   .content = item->task.content,
                   .seed = (uint64_t)p->plan->job->seed,
                   .repeat = item->repeat,
                   .attempt = item->attempt};
  if (!w.target) return fault(err, E_MEMORY, "no memory for a task");
  *fed = 0;
  for (;;) {
    if (must_stop(p, o)) break;
    (void)pthread_mutex_lock(&p->lock);
    if (p->count == p->capacity && !p->failed) wait_for_worker(p);
    int failed = p->failed != OK, room = p->count < p->capacity && !failed;
    if (room) {
      w.queued_ns = store_now_ns(p->store);
      p->ring[(p->head + p->count++) % p->capacity] = w;
      (void)pthread_cond_signal(&p->may_take);
    }
    (void)pthread_mutex_unlock(&p->lock);
    show_progress(p, messages, 0);
    if (room) {
      *fed = 1;
      return OK;
    }
    if (failed) break;
  }
  release_work(&w);
  return OK;
}

/* Feeds a few samples of one run; *more is 0 when it has no more. */
static status feed_turn(pool *p, const planned_run *r, store_work *work_left, const run_options *o,
                        logger *messages, int *more, int *going, detail *err) {
  for (int i = 0; i < FED_IN_TURN; i++) {
    store_item item;
    status s = store_work_next(work_left, &item, more, err);
    if (s || !*more) return s;
    s = feed(p, r, &item, o, messages, going, err);
    if (s || !*going) return s;
  }
  return OK;
}

/* Feeds runs [from, from + count) in turn until none has anything left. */
static status feed_group(pool *p, size_t from, size_t count, const run_options *o, logger *messages,
                         int *going, detail *err) {
  store_work *work_left[RUNS_IN_TURN] = {0};
  status s = OK;
  for (size_t i = 0; !s && i < count; i++) {
    s = store_work_open(&work_left[i], p->store, &p->plan->runs[from + i].filter, err);
  }
  for (size_t open = count; !s && open && *going;) {
    for (size_t i = 0; !s && *going && i < count; i++) {
      if (!work_left[i]) continue;
      int more = 1;
      s = feed_turn(p, &p->plan->runs[from + i], work_left[i], o, messages, &more, going, err);
      if (!more) {
        store_work_close(work_left[i]);
        work_left[i] = NULL;
        open--;
      }
    }
  }
  for (size_t i = 0; i < count; i++)
    store_work_close(work_left[i]);
  return s;
}

static status feed_all(pool *p, const run_options *o, logger *messages, detail *err) {
  int going = 1;
  status s = OK;
  for (size_t from = 0; !s && going && from < p->plan->run_count; from += RUNS_IN_TURN) {
    size_t count = p->plan->run_count - from;
    s = feed_group(p, from, count < RUNS_IN_TURN ? count : RUNS_IN_TURN, o, messages, &going, err);
  }
  return s;
}

static status pool_open(pool *p, plan *of, store *s, int threads, detail *err) {
  *p = (pool){.plan = of,
              .store = s,
              .capacity = threads * QUEUE_A_WORKER,
              .started_ns = clock_monotonic_ns()};
  p->ring = memory_zeroed((size_t)p->capacity, sizeof *p->ring);
  p->progress = memory_zeroed(of->run_count, sizeof *p->progress);
  if (!p->ring || !p->progress) {
    memory_free(p->ring);
    memory_free(p->progress);
    return fault(err, E_MEMORY, "no memory for %d workers", threads);
  }
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
  memory_free(p->progress);
  (void)pthread_mutex_destroy(&p->lock);
  (void)pthread_cond_destroy(&p->may_take);
  (void)pthread_cond_destroy(&p->may_feed);
}

/* No more is fed. Waits for the workers; when the night ends early what waits in the ring is given
   up, and only samples that a worker has begun are finished. */
static void drain(pool *p, const run_options *o, logger *messages) {
  (void)pthread_mutex_lock(&p->lock);
  p->closed = 1;
  (void)pthread_cond_broadcast(&p->may_take);
  while ((p->count || p->in_flight) && !p->failed) {
    if (p->count && must_stop(p, o)) drop_waiting(p);
    if (!p->count && !p->in_flight) break;
    wait_for_worker(p);
    (void)pthread_mutex_unlock(&p->lock);
    show_progress(p, messages, 0);
    (void)pthread_mutex_lock(&p->lock);
  }
  (void)pthread_mutex_unlock(&p->lock);
}

status run_plan(plan *of, store *s, const run_options *o, logger *messages, run_totals *out,
                detail *err) {
  int threads = o->threads > 0 ? o->threads : run_cores(), started = 0;
  pool p;
  status st = pool_open(&p, of, s, threads, err);
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
  if (!st) st = feed_all(&p, o, messages, err);
  drain(&p, o, messages);
  for (int i = 0; i < started; i++)
    (void)pthread_join(workers[i], NULL);
  memory_free(workers);
  detail flush_error = {0};
  status flushed = store_flush(s, &flush_error);
  if (!st && p.failed) {
    st = p.failed;
    if (err) *err = p.why;
  }
  if (!st && flushed) {
    st = flushed;
    if (err) *err = flush_error;
  }
  show_progress(&p, messages, 1);
  log_progress_end(messages);
  p.totals.wall_ns = clock_monotonic_ns() - p.started_ns;
  *out = p.totals;
  pool_close(&p);
  return st;
}
