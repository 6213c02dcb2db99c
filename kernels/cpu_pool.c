/* A round of work is announced by one store and ended by another; who works counts itself in and
   out. So a thread that is late, or that the system does not run, is not waited for: the caller
   takes its share. Locks and conditions are for those who sleep. */
#include "base/clock.h"
#include "base/memory.h"
#include "kernels/cpu_internal.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum {
  SPIN_NS = 200000,      /* longer than from one operation to the next, or one step to the next */
  SPIN_CROWDED_NS = 1000 /* where someone else may need the core */
};

/* A thread's run of what is shared out. A line of its own, since others look at it only late. */
typedef struct share {
  atomic_int next;
  int end;
  char apart[CPU_LINE - sizeof(atomic_int) - sizeof(int)];
} share;

struct pool {
  share share[KERNELS_THREADS_MAX]; /* [threads] */
  pool_work *work;
  void *context;
  int step;

  atomic_uint open;   /* the round that may be entered; 0 for none */
  atomic_int inside;  /* threads besides the caller that may be at work */
  atomic_int asleep;  /* threads that wait for `started` */
  atomic_int waiting; /* whether the caller waits for `finished` */
  atomic_int ending;
  unsigned round; /* the last one */

  int64_t spin_ns;
  pthread_mutex_t lock;
  pthread_cond_t started, finished;
  int threads, running; /* wanted, and started besides the caller */
  pthread_t thread[KERNELS_THREADS_MAX];
};

typedef struct start {
  pool *p;
  int thread;
} start;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* The thread's own run, then the others'. */
static void take_part(pool *p, int thread) {
  unsigned mode = float_mode_enter();
  for (int i = 0; i < p->threads; i++) {
    share *s = &p->share[(thread + i) % p->threads];
    while (atomic_load_explicit(&s->next, memory_order_relaxed) < s->end) {
      int first = atomic_fetch_add(&s->next, p->step);
      if (first >= s->end) break;
      int last = s->end - first < p->step ? s->end : first + p->step;
      p->work(p->context, thread, first, last);
    }
  }
  float_mode_leave(mode);
}

/* ---- threads that wait for work -------------------------------------------------------------- */

static int has_news(pool *p, unsigned done) {
  unsigned open = atomic_load(&p->open);
  return (open && open != done) || atomic_load(&p->ending);
}

/* Looks for a round after `done` for a while; then sleeps until one is announced. */
static void await_round(pool *p, unsigned done) {
  int64_t until = clock_monotonic_ns() + p->spin_ns;
  while (clock_monotonic_ns() < until) {
    for (int i = 0; i < 16; i++) {
      if (has_news(p, done)) return;
      relax();
    }
  }
  pthread_mutex_lock(&p->lock);
  atomic_fetch_add(&p->asleep, 1);
  if (!has_news(p, done)) pthread_cond_wait(&p->started, &p->lock);
  atomic_fetch_sub(&p->asleep, 1);
  pthread_mutex_unlock(&p->lock);
}

static void leave(pool *p) {
  if (atomic_fetch_sub(&p->inside, 1) > 1 || !atomic_load(&p->waiting)) return;
  pthread_mutex_lock(&p->lock);
  pthread_cond_signal(&p->finished);
  pthread_mutex_unlock(&p->lock);
}

static void *wait_and_work(void *argument) {
  start s = *(start *)argument;
  memory_free(argument);
  unsigned done = 0;
  while (!atomic_load(&s.p->ending)) {
    await_round(s.p, done);
    atomic_fetch_add(&s.p->inside, 1); /* before the look that decides: see end_round */
    unsigned open = atomic_load(&s.p->open);
    if (open && open != done) {
      take_part(s.p, s.thread);
      done = open;
    }
    leave(s.p);
  }
  return NULL;
}

/* ---- the caller ------------------------------------------------------------------------------ */

static void begin_round(pool *p) {
  p->round = p->round + 1 ? p->round + 1 : 1;
  atomic_store(&p->open, p->round);
  if (!atomic_load(&p->asleep)) return;
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->started);
  pthread_mutex_unlock(&p->lock);
}

/* Whoever counts itself in from here on finds no round; whoever did before is waited for. */
static void end_round(pool *p) {
  atomic_store(&p->open, 0);
  if (!atomic_load(&p->inside)) return;
  int64_t until = clock_monotonic_ns() + p->spin_ns;
  while (atomic_load(&p->inside) && clock_monotonic_ns() < until)
    relax();
  if (!atomic_load(&p->inside)) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->waiting, 1);
  while (atomic_load(&p->inside))
    pthread_cond_wait(&p->finished, &p->lock);
  atomic_store(&p->waiting, 0);
  pthread_mutex_unlock(&p->lock);
}

void pool_run(pool *p, int count, int step, pool_work *work, void *context) {
  p->work = work;
  p->context = context;
  p->step = step;
  for (int t = 0; t < p->threads; t++) {
    atomic_store_explicit(&p->share[t].next, (int)((int64_t)count * t / p->threads),
                          memory_order_relaxed);
    p->share[t].end = (int)((int64_t)count * (t + 1) / p->threads);
  }
  int alone = !p->running || count <= step;
  if (!alone) begin_round(p);
  take_part(p, 0);
  if (!alone) end_round(p);
}

/* ---- opening --------------------------------------------------------------------------------- */

static status start_threads(pool *p, detail *err) {
  while (p->running < p->threads - 1) {
    start *s = memory_take(sizeof *s);
    if (!s) return fault(err, E_MEMORY, "no memory for a thread of the device");
    *s = (start){p, p->running + 1};
    int failed = pthread_create(&p->thread[p->running], NULL, wait_and_work, s);
    if (failed) {
      memory_free(s);
      return fault(err, E_LIMIT, "thread %d of %d of the device cannot start: %s", p->running + 2,
                   p->threads, strerror(failed));
    }
    p->running++;
  }
  return OK;
}

/* Cores that this process may run on; 1 where the system does not tell. */
static int cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

status pool_open(pool **out, int threads, detail *err) {
  pool *p = host_take(sizeof *p);
  if (!p) return fault(err, E_MEMORY, "no memory for the threads of a device");
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->started, NULL);
  pthread_cond_init(&p->finished, NULL);
  p->threads = threads;
  p->spin_ns = threads <= cores() ? SPIN_NS : SPIN_CROWDED_NS;
  status failed = start_threads(p, err);
  if (failed) {
    pool_close(p);
    return failed;
  }
  *out = p;
  return OK;
}

void pool_close(pool *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->ending, 1);
  pthread_cond_broadcast(&p->started);
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < p->running; i++)
    pthread_join(p->thread[i], NULL);
  pthread_cond_destroy(&p->finished);
  pthread_cond_destroy(&p->started);
  pthread_mutex_destroy(&p->lock);
  host_free(p);
}
