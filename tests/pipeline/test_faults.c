/* Every allocation and every operation on a file fails in turn while a job of three samples runs:
   each time a clear end, a sound store, and the same command afterwards ends as if nothing had
   been. Argument: how many allocations lie between two that fail (1: every one does). Operations
   on files are fewer: every eleventh fails, or every one when every allocation does. A second
   argument: the first allocation that fails, to look at what a longer search has found. */
#include "base/random.h"
#include "pipeline/jobs.h"
#include "pipeline/run.h"
#include "reports/report.h"
#include "tests/pipeline/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t stride = 1499, first = 0;

static const char JOB[] = "name: faults\n"
                          "tasks: three\n"
                          "seed: 5\n"
                          "conditions:\n"
                          "  - {name: apr, mode: symbolic, search: apr, beam: 3}\n";

static const char COMPARED[] = "name: compared\n"
                               "tasks: three\n"
                               "seed: 5\n"
                               "conditions:\n"
                               "  - {name: apr, mode: symbolic, search: apr, beam: 3}\n"
                               "  - {name: bfs, mode: symbolic, search: bfs, beam: 2}\n"
                               "compare:\n"
                               "  - {a: apr, b: bfs}\n";

static const trouble none = {.kind = TROUBLE_NONE};

/* What is tried again and again: a command on a store that is as it was before. */
typedef struct subject {
  const char *const *arguments;
  const char *before; /* the store before it; NULL: there is none */
  const char *db, *out;
  int64_t samples; /* after it */
  hash printed;    /* by it when nothing is in its way */
  hash promised;
} subject;

static hash hash_file(const char *path) {
  size_t bytes;
  char *whole = support_read(path, &bytes);
  hash h = hash_of(whole, bytes);
  free(whole);
  return h;
}

static void prepare(subject *s) {
  trial_place(s->before, s->db);
  trial t = trial_command(&none, s->arguments, s->out);
  ck_assert_msg(t.ended == OK, "%s: %s", s->arguments[0], t.why.text);
  s->samples = trial_check_store(s->db);
  s->promised = trial_promised(s->db);
  s->printed = hash_file(s->out);
}

static void check_no_lock(const char *db, const trouble *t) {
  char lock[600];
  (void)snprintf(lock, sizeof lock, "%s.lock", db);
  ck_assert_msg(access(lock, F_OK) != 0, "%s: the lock is still there", trouble_name(t));
}

/* The end that a trouble may have: none at all, or one that names it. */
static void check_end(const trouble *t, const trial *said) {
  if (said->ended == OK) return;
  const char *name = trouble_name(t), *why = said->why.text;
  ck_assert_msg(said->why.code == said->ended, "%s: no cause is given: %s", name, why);
  ck_assert_msg(!strstr(why, "damaged"), "%s: %s", name, why);
  if (t->kind == TROUBLE_ALLOCATION || t->kind == TROUBLE_ALLOCATIONS) {
    ck_assert_msg(said->ended == E_MEMORY && strstr(why, "memory"), "%s: %s: %s", name,
                  status_name(said->ended), why);
  } else if (t->kind == TROUBLE_DISK || t->files.cause == ENOSPC) {
    ck_assert_msg(said->ended == E_STORE && strstr(why, "make room and run again"), "%s: %s: %s",
                  name, status_name(said->ended), why);
  } else {
    ck_assert_msg(said->exit_code == 5, "%s: %s: %s", name, status_name(said->ended), why);
  }
}

/* One trial; whether it ended as if nothing had been. *asked: what was counted in it. */
static int try(const subject *s, const trouble *t, int64_t *asked) {
  trial_place(s->before, s->db);
  trial said = trial_command(t, s->arguments, s->out);
  check_end(t, &said);
  check_no_lock(s->db, t);
  int there = access(s->db, F_OK) == 0;
  hash printed = hash_file(s->out);
  ck_assert_msg(said.ended || hash_equal(&printed, &s->printed), "%s: prints something else",
                trouble_name(t));
  /* Looking takes up a journal that was left, so half of the stores are run again as they are. */
  if (there && (said.ended == OK || t->files.number % 2)) {
    int64_t samples = trial_check_store(s->db);
    ck_assert_msg(said.ended ? samples <= s->samples : samples == s->samples, "%s: %lld samples",
                  trouble_name(t), (long long)samples);
  }
  trial again = trial_command(&none, s->arguments, s->out);
  ck_assert_msg(again.ended == OK, "after %s: %s", trouble_name(t), again.why.text);
  ck_assert_int_eq(trial_check_store(s->db), s->samples);
  hash promised = trial_promised(s->db);
  ck_assert_msg(hash_equal(&promised, &s->promised), "%s: the samples differ", trouble_name(t));
  *asked = said.asked;
  return said.ended == OK;
}

static int64_t trials, harmless; /* of the test at hand */

/* Trials until the trouble comes too late to meet the command. The first ones are never left out.
 */
static void try_all(const subject *s, trouble t, int64_t step) {
  enum { ALWAYS = 6 };
  int64_t before = trials;
  for (int64_t asked;; t.files.number += t.files.number < ALWAYS ? 1 : step) {
    harmless += try(s, &t, &asked);
    trials++;
    if (asked <= t.files.number) break;
  }
  ck_assert_msg(trials > before + 1, "%s does not happen", trouble_name(&t));
}

static void print_trials(void) {
  (void)printf("%lld trials, %lld of them harmless\n", (long long)trials, (long long)harmless);
}

/* ---- tasks make -------------------------------------------------------------------------------
 */

static const char *const MAKE[] = {"tasks", "make",   "countdown", "--name", "three", "--count",
                                   "3",     "--seed", "1",         "--db",   NULL,    NULL};
enum { MAKE_DB = 10 };

static subject making(void) {
  static const char *arguments[sizeof MAKE / sizeof MAKE[0]];
  memcpy(arguments, MAKE, sizeof MAKE);
  arguments[MAKE_DB] = support_path("made.db");
  subject s = {.arguments = arguments, .db = arguments[MAKE_DB], .out = support_path("made.out")};
  prepare(&s);
  return s;
}

/* ---- tasks import -----------------------------------------------------------------------------
 */

static subject importing(void) {
  static const char *arguments[] = {"tasks", "import", NULL, "--name", "three", "--db", NULL, NULL};
  subject s = {.arguments = arguments, .db = support_path("in.db"), .out = support_path("in.out")};
  arguments[2] = support_path("three.jsonl");
  arguments[6] = s.db;
  support_write(arguments[2], "{\"nums\":[3,5,7,2],\"target\":24}\n"
                              "{\"nums\":[11,5,4,2],\"target\":30,\"cluster\":\"a cluster\"}\n"
                              "{\"nums\":[90,88,18,81],\"target\":27,\"split\":\"test\"}\n");
  prepare(&s);
  return s;
}

/* ---- run --------------------------------------------------------------------------------------
 */

static subject running(void) {
  static const char *arguments[] = {"run", NULL, "--threads", "1", "--db", NULL, NULL};
  subject made = making(), s = {.before = support_path("before.db"), .db = support_path("run.db")};
  trial_place(made.db, s.before);
  arguments[1] = support_path("job.yaml");
  arguments[5] = s.db;
  support_write(arguments[1], JOB);
  s.arguments = arguments;
  s.out = support_path("run.out");
  prepare(&s);
  ck_assert_int_eq(s.samples, 3);
  return s;
}

/* ---- what only looks --------------------------------------------------------------------------
 */

static const char *const LOOKS[][8] = {{"tasks", "list", "--db"},
                                       {"tasks", "show", "three", "--json", "--db"},
                                       {"run", "JOB", "--explain", "--db"},
                                       {"trace", "apr/0/0", "--db"},
                                       {"trace", "apr/0/0", "--json", "--db"},
                                       {"rescore", "JOB", "--db"},
                                       {"report", "--text", "--db"},
                                       {"report", "--text", "--json", "--db"}};
enum { LOOK_COUNT = sizeof LOOKS / sizeof LOOKS[0] };

/* A finished store and a command that prints of it; two conditions are compared there. */
static subject looking(int at) {
  static const char *arguments[10];
  subject made = making(), s = {.before = support_path("ran.db"), .db = support_path("look.db")};
  const char *file = support_path("file.yaml");
  support_write(file, COMPARED);
  trial_place(made.db, s.before);
  const char *run[] = {"run", file, "--threads", "1", "--db", s.before, NULL};
  ck_assert_int_eq(trial_command(&none, run, support_path("ran.out")).ended, OK);
  int count = 0;
  for (; LOOKS[at][count]; count++)
    arguments[count] = strcmp(LOOKS[at][count], "JOB") != 0 ? LOOKS[at][count] : file;
  arguments[count] = s.db;
  s.arguments = arguments;
  s.out = support_path("look.out");
  prepare(&s);
  ck_assert_int_eq(s.samples, 6);
  return s;
}

/* ---- what fails -------------------------------------------------------------------------------
 */

/* ---- merge ------------------------------------------------------------------------------------
 */

/* Into a store that is not there, or into the other shard's. */
static subject merging(int into_one) {
  static const char *arguments[] = {"merge", NULL, NULL, NULL, NULL};
  subject made = making(), s = {.db = support_path("merged.db")};
  const char *file = support_path("file.yaml"), *out = support_path("ran.out");
  const char *shards[] = {support_path("one.db"), support_path("two.db")};
  support_write(file, COMPARED);
  for (int i = 0; i < 2; i++) {
    const char *run[] = {"run", file, "--shard", i ? "2/2" : "1/2", "--db", shards[i], NULL};
    trial_place(made.db, shards[i]);
    ck_assert_int_eq(trial_command(&none, run, out).ended, OK);
  }
  s.before = into_one ? shards[0] : NULL;
  arguments[1] = s.db;
  arguments[2] = shards[1];
  arguments[3] = into_one ? NULL : shards[0];
  s.arguments = arguments;
  s.out = support_path("merged.out");
  prepare(&s);
  ck_assert_int_eq(s.samples, 6);
  return s;
}

static void fail_allocations(subject s, trouble_kind kind) {
  try_all(&s, (trouble){.kind = kind, .files = {.number = first}}, stride);
}

/* What a full disk has no room for; all else fails on a broken one only. */
static int can_be_full(fault_operation operation) {
  return operation != FAULT_READ && operation != FAULT_DELETE && operation != FAULT_LOCK;
}

/* What one who only reads does too. */
static int is_reading(fault_operation operation) {
  return operation == FAULT_OPEN || operation == FAULT_READ || operation == FAULT_LOCK;
}

static void fail_files(subject s, int cause, int only_reading) {
  for (fault_operation operation = 0; operation < FAULT_OPERATIONS; operation++) {
    if (cause == ENOSPC && !can_be_full(operation)) continue;
    if (only_reading && !is_reading(operation)) continue;
    for (int later = 0; later < 2; later++) {
      trouble t = {.kind = TROUBLE_FILES};
      t.files = (fault_files){.operation = operation, .later_too = later, .cause = cause};
      try_all(&s, t, stride > 1 ? 11 : 1);
    }
  }
}

START_TEST(make_without_an_allocation) {
  fail_allocations(making(), TROUBLE_ALLOCATION);
}
END_TEST

START_TEST(make_without_memory) {
  fail_allocations(making(), TROUBLE_ALLOCATIONS);
}
END_TEST

START_TEST(make_on_a_broken_disk) {
  fail_files(making(), EIO, 0);
}
END_TEST

START_TEST(make_on_a_full_disk) {
  fail_files(making(), ENOSPC, 0);
}
END_TEST

START_TEST(import_without_an_allocation) {
  fail_allocations(importing(), TROUBLE_ALLOCATION);
}
END_TEST

START_TEST(import_without_memory) {
  fail_allocations(importing(), TROUBLE_ALLOCATIONS);
}
END_TEST

START_TEST(import_on_a_full_disk) {
  fail_files(importing(), ENOSPC, 0);
}
END_TEST

START_TEST(run_without_an_allocation) {
  fail_allocations(running(), TROUBLE_ALLOCATION);
}
END_TEST

START_TEST(run_without_memory) {
  fail_allocations(running(), TROUBLE_ALLOCATIONS);
}
END_TEST

START_TEST(run_on_a_broken_disk) {
  fail_files(running(), EIO, 0);
}
END_TEST

START_TEST(run_on_a_full_disk) {
  fail_files(running(), ENOSPC, 0);
}
END_TEST

START_TEST(look_without_an_allocation) {
  fail_allocations(looking(_i), TROUBLE_ALLOCATION);
}
END_TEST

START_TEST(look_without_memory) {
  fail_allocations(looking(_i), TROUBLE_ALLOCATIONS);
}
END_TEST

START_TEST(look_on_a_broken_disk) {
  fail_files(looking(_i), EIO, 1);
}
END_TEST

START_TEST(merge_without_an_allocation) {
  fail_allocations(merging(_i), TROUBLE_ALLOCATION);
}
END_TEST

START_TEST(merge_without_memory) {
  fail_allocations(merging(_i), TROUBLE_ALLOCATIONS);
}
END_TEST

START_TEST(merge_on_a_broken_disk) {
  fail_files(merging(_i), EIO, 0);
}
END_TEST

START_TEST(merge_on_a_full_disk) {
  fail_files(merging(_i), ENOSPC, 0);
}
END_TEST

/* ---- a disk that gets full ---------------------------------------------------------------------
 */

enum { MOMENTS = 20, LARGE = 300 };

typedef struct night {
  const char *job, *db;
} night;

static status work_in(store *s, job *j, trial *said, detail *err) {
  plan *p = NULL;
  run_totals totals;
  store_process process = {.version = "1", .device = "cpu", .settings_json = "{}"};
  status failed = plan_open(&p, s, j, NULL, err);
  if (!failed) failed = plan_commit(p, s, NULL, err);
  if (!failed) failed = store_process_start(s, &process, err);
  if (!failed) failed = run_plan(p, s, &(run_options){.threads = 2}, NULL, &totals, err);
  said->durable = store_written(s).samples;
  said->used = faults_disk_used();
  if (!failed) failed = report_comparisons(s, "faults", err);
  plan_close(p);
  return failed;
}

/* As nightjar run, which does not say how many samples it knows to be durable. */
static status work_night(void *context, trial *said, detail *err) {
  const night *n = context;
  job *j = NULL;
  store *s = NULL;
  status failed = jobs_load(&j, n->job, err);
  if (!failed) failed = store_open(&s, n->db, STORE_WRITE, NULL, err);
  if (!failed) failed = work_in(s, j, said, err);
  status closed = store_close(s, failed ? NULL : err);
  job_close(j);
  return failed ? failed : closed;
}

/* Twice on a disk of so many bytes, then on one with room; how many samples the first two left.
   Looking takes up the journal that was left, so half of the disks stay as they are in between. */
static int64_t fill_up(const char *before, night *n, int64_t bytes, const hash *promised) {
  trouble t = {.kind = TROUBLE_DISK, .files = {.number = bytes}};
  int64_t durable = 0, samples = 0;
  trial_place(before, n->db);
  for (int again = 0; again < 2; again++) {
    trial said = trial_of(&t, work_night, n);
    check_end(&t, &said);
    check_no_lock(n->db, &t);
    durable += said.durable;
    if (again || bytes % 2) samples = trial_check_store(n->db);
    if (again || bytes % 2) ck_assert_int_ge(samples, durable); /* none of them is lost */
  }
  trial said = trial_of(&none, work_night, n);
  ck_assert_msg(said.ended == OK, "after %s: %s", trouble_name(&t), said.why.text);
  ck_assert_int_eq(samples + said.durable, LARGE);
  ck_assert_int_eq(trial_check_store(n->db), LARGE);
  hash now = trial_promised(n->db);
  ck_assert(hash_equal(&now, promised));
  return samples;
}

START_TEST(a_disk_gets_full_and_is_made_room_on) {
  const char *before = support_path("before.db");
  night n = {support_path("job.yaml"), support_path("night.db")};
  support_write(n.job, JOB);
  const char *make[] = {"tasks", "make",   "countdown", "--name", "three", "--count",
                        "300",   "--seed", "1",         "--db",   before,  NULL};
  ck_assert_int_eq(trial_command(&none, make, support_path("out")).ended, OK);
  trial_place(before, n.db);
  trial whole = trial_of(&none, work_night, &n);
  ck_assert_int_eq(trial_check_store(n.db), LARGE);
  hash promised = trial_promised(n.db), place = hash_of("disk", 4);
  struct stat info;
  ck_assert_int_eq(stat(before, &info), 0);
  random_stream draws = random_start(random_key_of(1, &place, 0, "0"));
  int64_t midway = 0, growth = whole.used - (int64_t)info.st_size;
  for (int i = 0; i < MOMENTS; i++) {
    /* Up to three quarters: groups of commits differ, and with them what the journal takes. */
    int64_t more = (int64_t)(0.75 * (double)growth * random_next(&draws) / 4294967296.0);
    int64_t samples = fill_up(before, &n, (int64_t)info.st_size + more, &promised);
    midway += samples > 0 && samples < LARGE;
    trials++;
  }
  ck_assert_int_gt(midway, MOMENTS / 3);
}
END_TEST

/* A case by its name is run alone with CK_RUN_CASE. */
static TCase *add_case(Suite *suite, const char *name) {
  TCase *one = tcase_create(name);
  tcase_add_checked_fixture(one, faults_install, print_trials); /* in each test's process */
  tcase_set_timeout(one, 0); /* a child has a bound of its own, and so has the whole by CTest */
  suite_add_tcase(suite, one);
  return one;
}

int main(int argc, char **argv) {
  if (argc > 1) stride = atoll(argv[1]);
  if (argc > 2) first = atoll(argv[2]);
  Suite *suite = suite_create("faults");
  TCase *make_memory = add_case(suite, "make memory"), *make_files = add_case(suite, "make files");
  TCase *run_memory = add_case(suite, "run memory"), *run_files = add_case(suite, "run files");
  tcase_add_test(make_memory, make_without_an_allocation);
  tcase_add_test(make_memory, make_without_memory);
  TCase *import = add_case(suite, "import");
  tcase_add_test(import, import_without_an_allocation);
  tcase_add_test(import, import_without_memory);
  tcase_add_test(import, import_on_a_full_disk);
  tcase_add_test(make_files, make_on_a_broken_disk);
  tcase_add_test(make_files, make_on_a_full_disk);
  tcase_add_test(run_memory, run_without_an_allocation);
  tcase_add_test(run_memory, run_without_memory);
  tcase_add_test(run_files, run_on_a_broken_disk);
  tcase_add_test(run_files, run_on_a_full_disk);
  TCase *merge_memory = add_case(suite, "merge memory"),
        *merge_files = add_case(suite, "merge files");
  tcase_add_loop_test(merge_memory, merge_without_an_allocation, 0, 2);
  tcase_add_loop_test(merge_memory, merge_without_memory, 0, 2);
  tcase_add_loop_test(merge_files, merge_on_a_broken_disk, 0, 2);
  tcase_add_loop_test(merge_files, merge_on_a_full_disk, 0, 2);
  tcase_add_test(add_case(suite, "disk"), a_disk_gets_full_and_is_made_room_on);
  TCase *looks = add_case(suite, "looks");
  tcase_add_loop_test(looks, look_without_an_allocation, 0, LOOK_COUNT);
  tcase_add_loop_test(looks, look_without_memory, 0, LOOK_COUNT);
  tcase_add_loop_test(looks, look_on_a_broken_disk, 0, LOOK_COUNT);
  return support_run(suite);
}
