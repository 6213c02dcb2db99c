#include "base/clock.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <pthread.h>
#include <time.h>

/* What is queued becomes one transaction, and while that syncs the next group forms by itself. A
   small group waits a little for company: a commit costs the same for one sample as for a hundred,
   and 50 ms is what a sample may wait to be durable. A group has a bound too, so that callers who
   wait for room get some of it soon. */
enum { GROUP_BYTES = STORE_QUEUE_BYTES / 16, GATHER_NS = 10000000, BUSY_TRIES = 20 };

struct writer {
  store *owner;
  connection on; /* the thread's, between writer_open and its end */
  pthread_t thread;

  pthread_mutex_t lock; /* guards all below; never held while writing */
  pthread_cond_t work;  /* something was queued, or stopping, or no longer paused */
  pthread_cond_t done;  /* a group ended: there is room, or all is durable, or it failed */
  record *first, **last;
  size_t held_bytes;         /* queued and in the group being written */
  int64_t accepted, durable; /* records */
  int writing, stopping, paused;
  pthread_t paused_by;
  status failed; /* the first failure, and its detail */
  detail failure;
  store_stats stats;
  record_encoder *encoders; /* idle ones */
};

/* ---- the thread -------------------------------------------------------------------------------
 */

static void free_records(record *r) {
  for (record *next; r; r = next) {
    next = r->next;
    memory_free(r);
  }
}

/* Waits for work, and once for more of it. Locked by the caller. */
static void wait_for_work(writer *w) {
  for (int gathered = 0;; gathered = 1) {
    while (w->paused || (!w->first && !w->stopping))
      (void)pthread_cond_wait(&w->work, &w->lock);
    if (gathered || w->stopping || w->held_bytes >= GROUP_BYTES) return;
    (void)pthread_mutex_unlock(&w->lock);
    (void)nanosleep(&(struct timespec){.tv_nsec = GATHER_NS}, NULL);
    (void)pthread_mutex_lock(&w->lock);
  }
}

/* Takes a group out of the queue; NULL when there is none left to wait for. */
static record *take_group(writer *w) {
  (void)pthread_mutex_lock(&w->lock);
  wait_for_work(w);
  record *group = w->first, **end = &w->first;
  for (size_t bytes = 0; *end && bytes < GROUP_BYTES; end = &(*end)->next)
    bytes += (*end)->bytes;
  w->first = *end;
  *end = NULL;
  if (!w->first) w->last = &w->first;
  w->writing = group != NULL;
  (void)pthread_mutex_unlock(&w->lock);
  return group;
}

static status write_group(writer *w, const record *group, detail *err) {
  status failed = connection_run(&w->on, "BEGIN IMMEDIATE", err);
  if (failed) return failed;
  for (const record *r = group; !failed && r; r = r->next)
    failed = r->is_load ? load_write(&w->on, &r->load, w->owner->process, err)
                        : sample_write(&w->on, r, w->owner->process, err);
  if (!failed) failed = connection_run(&w->on, "COMMIT", err);
  connection_rollback(&w->on);
  return failed;
}

/* After a failure nothing more can be trusted to be written, so what is queued is dropped too. */
static void end_group(writer *w, record *group, status failed, const detail *why, int64_t start) {
  record *dropped = NULL;
  (void)pthread_mutex_lock(&w->lock);
  for (const record *r = group; r; r = r->next) {
    w->held_bytes -= r->bytes;
    if (failed) continue;
    w->durable++;
    w->stats.samples += !r->is_load;
    w->stats.bytes += (int64_t)r->bytes;
  }
  if (failed) {
    w->failed = failed;
    w->failure = *why;
    dropped = w->first;
    w->first = NULL;
    w->last = &w->first;
    w->held_bytes = 0;
  } else {
    w->stats.commits++;
  }
  w->stats.write_ns += clock_monotonic_ns() - start;
  w->writing = 0;
  (void)pthread_cond_broadcast(&w->done);
  (void)pthread_mutex_unlock(&w->lock);
  free_records(group);
  free_records(dropped);
}

/* Another program that holds the file (a forgotten transaction in somebody's shell) is waited for,
   since the group is rolled back whole: each try waits the busy timeout itself. */
static status write_patiently(writer *w, const record *group, detail *why) {
  status failed = write_group(w, group, why);
  for (int tries = 1; failed == E_BUSY && tries < BUSY_TRIES; tries++) {
    log_warn(w->owner->messages, "%s; trying again", why->text);
    failed = write_group(w, group, why);
  }
  return failed;
}

static void *run_writer(void *context) {
  writer *w = context;
  for (record *group; (group = take_group(w));) {
    detail why = {0};
    int64_t start = clock_monotonic_ns();
    status failed = write_patiently(w, group, &why);
    end_group(w, group, failed, &why, start);
  }
  return NULL;
}

/* ---- its life ---------------------------------------------------------------------------------
 */

static void free_writer(writer *w) {
  connection_close(&w->on);
  for (record_encoder *e = w->encoders, *next; e; e = next) {
    next = e->next;
    record_encoder_close(e);
  }
  (void)pthread_cond_destroy(&w->work);
  (void)pthread_cond_destroy(&w->done);
  (void)pthread_mutex_destroy(&w->lock);
  memory_free(w);
}

status writer_open(writer **out, store *s, detail *err) {
  writer *w = memory_zeroed(1, sizeof *w);
  if (!w) return fault(err, E_MEMORY, "no memory to write %s", s->path);
  w->owner = s;
  w->last = &w->first;
  REQUIRE(pthread_mutex_init(&w->lock, NULL) == 0);
  REQUIRE(pthread_cond_init(&w->work, NULL) == 0 && pthread_cond_init(&w->done, NULL) == 0);
  status failed = connection_open(&w->on, s->file, s->path, SQLITE_OPEN_READWRITE, err);
  if (!failed) failed = store_prepare_writing(&w->on, s->network, err);
  if (!failed && pthread_create(&w->thread, NULL, run_writer, w) != 0) {
    failed = fault(err, E_MEMORY, "no thread to write %s", s->path);
  }
  if (failed) {
    free_writer(w);
    return failed;
  }
  *out = w;
  return OK;
}

static status failure_of(const writer *w, detail *err) {
  if (w->failed && err) *err = w->failure;
  return w->failed;
}

status writer_close(writer *w, detail *err) {
  if (!w) return OK;
  (void)pthread_mutex_lock(&w->lock);
  w->stopping = 1;
  (void)pthread_cond_signal(&w->work);
  (void)pthread_mutex_unlock(&w->lock);
  (void)pthread_join(w->thread, NULL);
  status failed = failure_of(w, err);
  free_writer(w);
  return failed;
}

void writer_pause(writer *w) {
  if (!w) return;
  (void)pthread_mutex_lock(&w->lock);
  w->paused = 1;
  w->paused_by = pthread_self();
  while (w->writing)
    (void)pthread_cond_wait(&w->done, &w->lock);
  (void)pthread_mutex_unlock(&w->lock);
}

void writer_resume(writer *w) {
  if (!w) return;
  (void)pthread_mutex_lock(&w->lock);
  w->paused = 0;
  (void)pthread_cond_signal(&w->work);
  (void)pthread_mutex_unlock(&w->lock);
}

/* ---- callers ----------------------------------------------------------------------------------
 */

/* One waiting step, refused where the caller itself is what the writer waits for. */
static status wait_for_writer(writer *w, detail *err) {
  if (w->paused && pthread_equal(w->paused_by, pthread_self())) {
    return fault(
        err, E_STORE,
        "samples cannot be committed to %s while a task set is being added; end or abandon "
        "it first",
        w->owner->path);
  }
  (void)pthread_cond_wait(&w->done, &w->lock);
  return OK;
}

static status wait_for_room(writer *w, size_t bytes, detail *err) {
  status failed = failure_of(w, err);
  if (failed || !w->held_bytes || w->held_bytes + bytes <= STORE_QUEUE_BYTES) return failed;
  int64_t start = clock_monotonic_ns();
  while (!failed && w->held_bytes && w->held_bytes + bytes > STORE_QUEUE_BYTES) {
    failed = wait_for_writer(w, err);
    if (!failed) failed = failure_of(w, err);
  }
  w->stats.blocked_ns += clock_monotonic_ns() - start;
  return failed;
}

static status queue_record(writer *w, record *r, detail *err) {
  (void)pthread_mutex_lock(&w->lock);
  status failed = wait_for_room(w, r->bytes, err);
  if (!failed) {
    *w->last = r;
    w->last = &r->next;
    w->held_bytes += r->bytes;
    w->accepted++;
    (void)pthread_cond_signal(&w->work);
  }
  (void)pthread_mutex_unlock(&w->lock);
  return failed;
}

static record_encoder *idle_encoder(writer *w) {
  (void)pthread_mutex_lock(&w->lock);
  record_encoder *e = w->encoders;
  if (e) w->encoders = e->next;
  (void)pthread_mutex_unlock(&w->lock);
  return e;
}

static void return_encoder(writer *w, record_encoder *e) {
  (void)pthread_mutex_lock(&w->lock);
  e->next = w->encoders;
  w->encoders = e;
  (void)pthread_mutex_unlock(&w->lock);
}

status store_put(store *s, const store_sample *sample, const store_verdict *verdicts,
                 size_t verdict_count, detail *err) {
  if (!s->writes) return fault(err, E_STORE, "%s was opened for reading", s->path);
  writer *w = s->writer;
  REQUIRE(w); /* store_process_start comes first */
  status failed = OK;
  record_encoder *e = idle_encoder(w);
  if (!e) failed = record_encoder_open(&e, err);
  if (failed) return failed;
  record *r = NULL;
  failed = record_make(&r, e, sample, verdicts, verdict_count, err);
  return_encoder(w, e);
  if (!failed) failed = queue_record(w, r, err);
  if (failed) memory_free(r);
  return failed;
}

status store_load_put(store *s, const store_load *load, detail *err) {
  if (!s->writes) return fault(err, E_STORE, "%s was opened for reading", s->path);
  REQUIRE(s->writer); /* store_process_start comes first */
  record *r = NULL;
  status failed = record_of_load(&r, load, err);
  if (!failed) failed = queue_record(s->writer, r, err);
  if (failed) memory_free(r);
  return failed;
}

status store_flush(store *s, detail *err) {
  writer *w = s->writer;
  if (!w) return OK;
  (void)pthread_mutex_lock(&w->lock);
  int64_t wanted = w->accepted;
  status failed = failure_of(w, err);
  while (!failed && w->durable < wanted) {
    failed = wait_for_writer(w, err);
    if (!failed) failed = failure_of(w, err);
  }
  (void)pthread_mutex_unlock(&w->lock);
  return failed;
}

store_stats store_written(store *s) {
  writer *w = s->writer;
  if (!w) return (store_stats){0};
  (void)pthread_mutex_lock(&w->lock);
  store_stats stats = w->stats;
  (void)pthread_mutex_unlock(&w->lock);
  return stats;
}
