#include "base/memory.h"
#include "kernels/cpu_internal.h"

#include <pthread.h>
#include <string.h>

struct pool {
  pthread_mutex_t lock;
  pthread_cond_t started, finished;
  pool_work *work;
  void *context;
  uint64_t round; /* of work; a thread does each once */
  int busy;       /* threads besides the caller that have not finished the round */
  int ending;
  int threads, running; /* wanted, and started besides the caller */
  pthread_t thread[KERNELS_THREADS_MAX];
};

typedef struct start {
  pool *p;
  int thread;
} start;

static void in_mode(pool_work *work, void *context, int thread) {
  unsigned mode = float_mode_enter();
  work(context, thread);
  float_mode_leave(mode);
}

static void *wait_and_work(void *argument) {
  start s = *(start *)argument;
  memory_free(argument);
  uint64_t done = 0;
  pthread_mutex_lock(&s.p->lock);
  for (;;) {
    while (s.p->round == done && !s.p->ending)
      pthread_cond_wait(&s.p->started, &s.p->lock);
    if (s.p->ending) break;
    done = s.p->round;
    pool_work *work = s.p->work;
    void *context = s.p->context;
    pthread_mutex_unlock(&s.p->lock);
    in_mode(work, context, s.thread);
    pthread_mutex_lock(&s.p->lock);
    if (--s.p->busy == 0) pthread_cond_signal(&s.p->finished);
  }
  pthread_mutex_unlock(&s.p->lock);
  return NULL;
}

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

status pool_open(pool **out, int threads, detail *err) {
  pool *p = memory_zeroed(1, sizeof *p);
  if (!p) return fault(err, E_MEMORY, "no memory for the threads of a device");
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->started, NULL);
  pthread_cond_init(&p->finished, NULL);
  p->threads = threads;
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
  p->ending = 1;
  pthread_cond_broadcast(&p->started);
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < p->running; i++)
    pthread_join(p->thread[i], NULL);
  pthread_cond_destroy(&p->finished);
  pthread_cond_destroy(&p->started);
  pthread_mutex_destroy(&p->lock);
  memory_free(p);
}

void pool_run(pool *p, pool_work *work, void *context) {
  if (p->running) {
    pthread_mutex_lock(&p->lock);
    p->work = work;
    p->context = context;
    p->busy = p->running;
    p->round++;
    pthread_cond_broadcast(&p->started);
    pthread_mutex_unlock(&p->lock);
  }
  in_mode(work, context, 0);
  if (!p->running) return;
  pthread_mutex_lock(&p->lock);
  while (p->busy)
    pthread_cond_wait(&p->finished, &p->lock);
  pthread_mutex_unlock(&p->lock);
}
