/* Many threads, little room, no memory, a full disk, a kill: nothing half, nothing silent. */
#include "base/memory.h"
#include "tests/store/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A root and two children whose traces name the key, so that a mixture would show. */
static status put_tree(store *s, int64_t task, int32_t repeat, detail *err) {
  char traces[3][200];
  store_thread threads[3];
  for (int i = 0; i < 3; i++) {
    (void)snprintf(traces[i], sizeof traces[i], "%lld.%d thread %d %s", (long long)task, repeat, i,
                   "Exploring Operation: 90-88=2, Resulting Numbers: [81, 18, 2]\n"
                   "Exploring Operation: 90-88=2, Resulting Numbers: [81, 18, 2]\n");
    threads[i] = plain_thread(i == 0 ? "0" : i == 1 ? "0.0" : "0.1", i ? 0 : -1, traces[i]);
  }
  store_sample sample = plain_sample(task, repeat, "done");
  sample.threads = threads;
  sample.thread_count = 3;
  store_verdict v = {.thread = -1, .checker = "countdown", .reason = "solved", .correct = 1};
  v.score = 1;
  return store_put(s, &sample, &v, 1, err);
}

/* Every sample that is there has its three threads, traces that are its own, and its verdict. */
static void check_whole(store *s, int64_t least) {
  check_clean(s);
  int64_t samples = number(s, "SELECT count(*) FROM sample");
  ck_assert_int_ge(samples, least);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM thread"), 3 * samples);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM verdict"), samples);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM trace JOIN sample ON sample.id = trace.sample "
                             "WHERE cast(sqlar_uncompress(text, text_bytes) AS TEXT) LIKE "
                             "task || '.' || repeat || ' thread ' || thread || ' %'"),
                   3 * samples);
}

/* ---- many threads -----------------------------------------------------------------------------
 */

enum { PUTTERS = 4, TASKS = 50, REPEATS = 20 };

typedef struct putter {
  store *s;
  int number;
  status failed;
  detail err;
} putter;

static void *put_many(void *context) {
  putter *p = context;
  for (int i = p->number; !p->failed && i < TASKS * REPEATS; i += PUTTERS) {
    p->failed = put_tree(p->s, i % TASKS + 1, i / TASKS, &p->err);
    if (!p->failed && i % 97 == 0) p->failed = store_flush(p->s, &p->err);
  }
  return NULL;
}

START_TEST(many_threads_put_at_once) {
  detail err;
  store *s = open_ready("many.db", TASKS);
  pthread_t thread[PUTTERS];
  putter p[PUTTERS];
  for (int i = 0; i < PUTTERS; i++) {
    p[i] = (putter){.s = s, .number = i};
    ck_assert_int_eq(pthread_create(&thread[i], NULL, put_many, &p[i]), 0);
  }
  for (int i = 0; i < 20; i++) { /* the owner writes in between */
    ck_ok(store_job_put(s, "job", "{}", &err));
    (void)store_written(s);
  }
  for (int i = 0; i < PUTTERS; i++) {
    ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_msg(p[i].failed == OK, "%s", p[i].err.text);
  }
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(store_written(s).samples, TASKS * REPEATS);
  check_whole(s, TASKS * REPEATS);
  close_store(s);
}
END_TEST

/* ---- little room ------------------------------------------------------------------------------
 */

enum { LARGE_BYTES = 9 << 20, LARGE = 10 }; /* more together than the queue holds */

static char *noise_of(size_t bytes) {
  char *noise = malloc(bytes);
  uint32_t state = 7;
  for (size_t i = 0; i < bytes; i++)
    noise[i] = (char)((state = state * 1664525u + 1013904223u) >> 24);
  return noise;
}

static status put_large(store *s, const char *noise, size_t bytes, int64_t task, detail *err) {
  store_thread thread = plain_thread("0", -1, "");
  thread.text = noise;
  thread.text_bytes = bytes;
  store_sample sample = plain_sample(task, 0, "done");
  sample.threads = &thread;
  sample.thread_count = 1;
  return store_put(s, &sample, NULL, 0, err);
}

typedef struct large {
  store *s;
  const char *noise;
  status failed;
  detail err;
} large;

static void *put_all_large(void *context) {
  large *l = context;
  for (int64_t task = 1; !l->failed && task <= LARGE; task++)
    l->failed = put_large(l->s, l->noise, LARGE_BYTES, task, &l->err);
  return NULL;
}

START_TEST(a_full_queue_makes_callers_wait_and_never_itself) {
  detail err;
  char *noise = noise_of(STORE_QUEUE_BYTES + 1000);
  store *s = open_ready("queue.db", LARGE + 2);
  ck_ok(store_task_set_begin(s, "open", "countdown", "{}", &err)); /* nothing commits meanwhile */
  large l = {.s = s, .noise = noise};
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, put_all_large, &l), 0);
  status code = OK;
  while (!code) /* until the queue is full: the thread waits, but the owner would wait for itself */
    code = put_large(s, noise, LARGE_BYTES, LARGE + 1, &err);
  ck_assert_int_eq(code, E_STORE);
  ck_assert_ptr_nonnull(strstr(err.text, "while a task set is being added"));
  ck_fails(store_flush(s, &err), E_STORE, "while a task set is being added");
  (void)usleep(50000);
  store_task_set_abandon(s);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  ck_assert_int_gt(store_written(s).blocked_ns, 0);
  (void)!store_close(s, &err); /* the owner may have put one key twice */
  free(noise);
}
END_TEST

START_TEST(one_record_larger_than_the_queue_is_taken_when_it_is_empty) {
  detail err;
  char *noise = noise_of(STORE_QUEUE_BYTES + 1000);
  store *s = open_ready("large.db", 3);
  for (int64_t task = 1; task <= 2; task++)
    ck_ok(put_large(s, noise, STORE_QUEUE_BYTES + 1000, task, &err));
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(number(s, "SELECT sum(length(text)) FROM trace"),
                   2 * (STORE_QUEUE_BYTES + 1000));
  free(noise);
  close_store(s);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------
 */

START_TEST(each_allocation_that_fails_is_a_clear_error) {
  detail err;
  store *s = open_ready("memory.db", 2);
  int failures = 0;
  for (int64_t allocations = 0;; allocations++) {
    ck_assert_int_lt(allocations, 100);
    memory_fail_after(allocations);
    status code = put_tree(s, 1, 0, &err);
    memory_fail_after(-1);
    if (!code) break;
    ck_assert_int_eq(code, E_MEMORY);
    ck_assert_ptr_nonnull(strstr(err.text, "no memory"));
    failures++;
  }
  ck_assert_int_ge(failures, 3); /* a compressor, its scratch, the record */
  ck_ok(store_flush(s, &err));
  check_whole(s, 1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"), 1);
  close_store(s);
}
END_TEST

START_TEST(opening_without_memory_fails_and_leaves_no_lock) {
  detail err;
  store *s = NULL;
  const char *path = support_path("open.db"), *locked = support_path("open.db.lock");
  close_store(open_store("open.db", STORE_WRITE));
  int failures = 0;
  for (int64_t allocations = 0;; allocations++) {
    memory_fail_after(allocations);
    status code = store_open(&s, path, STORE_WRITE, NULL, &err);
    memory_fail_after(-1);
    if (!code) break;
    ck_assert_int_eq(code, E_MEMORY);
    ck_assert_int_ne(access(locked, F_OK), 0);
    failures++;
  }
  ck_assert_int_ge(failures, 3);
  close_store(s);
}
END_TEST

/* ---- a full disk ------------------------------------------------------------------------------
 */

/* A limit on file sizes stands in for a full disk: the same messages, without a disk. */
START_TEST(a_full_disk_ends_it_and_keeps_what_was_committed) {
  detail err;
  store *s = open_ready("full.db", 400);
  ck_ok(put_tree(s, 1, 0, &err));
  ck_ok(store_flush(s, &err));
  ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
  struct rlimit limit;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  struct rlimit small = {.rlim_cur = 1 << 20, .rlim_max = limit.rlim_max};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
  char *noise = noise_of(50000);
  status code = OK;
  for (int64_t task = 2; !code && task <= 400; task++)
    code = put_large(s, noise, 50000, task, &err);
  if (!code) code = store_flush(s, &err);
  ck_assert_msg(code == E_STORE, "%s: %s", status_name(code), err.text);
  ck_assert_ptr_nonnull(strstr(err.text, "make room and run again"));
  ck_fails(put_tree(s, 2, 0, &err), E_STORE, "make room and run again");
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  ck_fails(store_close(s, &err), E_STORE, "make room and run again");
  s = open_store("full.db", STORE_WRITE);
  check_clean(s);
  ck_assert_int_ge(number(s, "SELECT count(*) FROM sample"), 1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"),
                   number(s, "SELECT count(DISTINCT sample) FROM trace"));
  free(noise);
  close_store(s);
}
END_TEST

/* ---- a kill -----------------------------------------------------------------------------------
 */

/* Puts trees until it is killed, and says through the pipe how many are durable. */
static void put_until_killed(const char *path, int pipe_in) {
  detail err;
  store *s;
  if (store_open(&s, path, STORE_WRITE, NULL, &err)) _exit(1);
  store_process p = {.version = "1", .device = "cpu", .settings_json = "{}"};
  if (store_process_start(s, &p, &err)) _exit(1);
  store_work_filter f = {.run = 1, .task_limit = -1, .repeats = 100000, .attempts_max = 1};
  store_work *w;
  if (store_work_open(&w, s, &f, &err)) _exit(1);
  store_item item;
  int found;
  for (int32_t put = 1; !store_work_next(w, &item, &found, &err) && found; put++) {
    if (put_tree(s, item.task.id, item.repeat, &err)) _exit(1);
    if (put % 50 == 0 && !store_flush(s, &err)) (void)!write(pipe_in, &put, sizeof put);
  }
  _exit(1);
}

START_TEST(a_kill_loses_nothing_that_was_committed) {
  close_store(open_ready("killed.db", 1000));
  const char *path = support_path("killed.db");
  int64_t before = 0;
  for (int round = 0; round < 5; round++) {
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) put_until_killed(path, ends[1]);
    (void)close(ends[1]);
    int32_t durable = 0;
    for (int i = 0; i <= round; i++)
      ck_assert_int_eq(read(ends[0], &durable, sizeof durable), sizeof durable);
    (void)usleep((useconds_t)(round * 700)); /* somewhere in the next group */
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    for (int32_t later; read(ends[0], &later, sizeof later) == sizeof later;)
      durable = later;
    (void)close(ends[0]);
    store *s = open_store("killed.db", STORE_WRITE);
    check_whole(s, before + durable);
    before = number(s, "SELECT count(*) FROM sample");
    close_store(s);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("store faults");
  TCase *cases = tcase_create("threads and faults");
  tcase_add_test(cases, many_threads_put_at_once);
  tcase_add_test(cases, a_full_queue_makes_callers_wait_and_never_itself);
  tcase_add_test(cases, one_record_larger_than_the_queue_is_taken_when_it_is_empty);
  tcase_add_test(cases, each_allocation_that_fails_is_a_clear_error);
  tcase_add_test(cases, opening_without_memory_fails_and_leaves_no_lock);
  tcase_add_test(cases, a_full_disk_ends_it_and_keeps_what_was_committed);
  tcase_add_test(cases, a_kill_loses_nothing_that_was_committed);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
