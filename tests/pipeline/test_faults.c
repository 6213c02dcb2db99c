/* Every allocation and every operation on a file fails in turn while a job of three samples runs:
   each time a clear end, a sound store, and the same command afterwards ends as if nothing had
   been. Argument: every so manieth allocation fails; operations on files are fewer, and of them
   every third does, or every one when every allocation does. */
#include "tests/pipeline/trial.h"
#include "tests/support/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t stride = 101;

static const char JOB[] = "name: faults\n"
                          "tasks: three\n"
                          "seed: 5\n"
                          "conditions:\n"
                          "  - {name: apr, mode: symbolic, search: apr, beam: 3}\n";

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

/* Trials until the trouble comes too late to meet the command. */
static void try_all(const subject *s, trouble t, int64_t step) {
  int64_t trials = 0, harmless = 0, asked;
  for (t.files.number = 0;; t.files.number += step) {
    harmless += try(s, &t, &asked);
    trials++;
    if (asked <= t.files.number) break;
  }
  ck_assert_int_gt(trials, 1); /* it met the command at all */
  (void)printf("%s %s, until %s: %lld trials, %lld of them harmless\n", s->arguments[0],
               s->arguments[1], trouble_name(&t), (long long)trials, (long long)harmless);
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

/* ---- what fails -------------------------------------------------------------------------------
 */

static void fail_allocations(subject s, trouble_kind kind) {
  try_all(&s, (trouble){.kind = kind}, stride);
}

/* What a full disk has no room for; all else fails on a broken one only. */
static int can_be_full(fault_operation operation) {
  return operation != FAULT_READ && operation != FAULT_DELETE && operation != FAULT_LOCK;
}

static void fail_files(subject s, int cause) {
  for (fault_operation operation = 0; operation < FAULT_OPERATIONS; operation++) {
    for (int later = 0; later < 2; later++) {
      trouble t = {.kind = TROUBLE_FILES};
      t.files = (fault_files){.operation = operation, .later_too = later, .cause = cause};
      if (cause == EIO || can_be_full(operation)) try_all(&s, t, stride > 1 ? 3 : 1);
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
  fail_files(making(), EIO);
}
END_TEST

START_TEST(make_on_a_full_disk) {
  fail_files(making(), ENOSPC);
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
  fail_files(running(), EIO);
}
END_TEST

START_TEST(run_on_a_full_disk) {
  fail_files(running(), ENOSPC);
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1) stride = atoll(argv[1]);
  Suite *suite = suite_create("faults");
  TCase *all = tcase_create("faults");
  tcase_add_checked_fixture(all, faults_install, NULL); /* in the process of each test */
  tcase_set_timeout(all, 0); /* a child has a bound of its own, and so has the whole by CTest */
  tcase_add_test(all, make_without_an_allocation);
  tcase_add_test(all, make_without_memory);
  tcase_add_test(all, make_on_a_broken_disk);
  tcase_add_test(all, make_on_a_full_disk);
  tcase_add_test(all, run_without_an_allocation);
  tcase_add_test(all, run_without_memory);
  tcase_add_test(all, run_on_a_broken_disk);
  tcase_add_test(all, run_on_a_full_disk);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
