/* A model's night killed (-9) at random moments, each followed by the same command, leaves the
   store that an uninterrupted one leaves. Arguments: kills, tasks. The job has sixteen conditions.
 */
#include "base/clock.h"
#include "base/random.h"
#include "tests/support/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int kills = 30, tasks = 100;
static const int64_t WAIT_NS = 60000000000;

/* Few threads at once: a night long enough to be killed often. What they are changes nothing. */
static const char SLOWLY[] = "record: {logprobs: true}\nengine: {slots: 2}\n";
static const char QUICKLY[] = "record: {logprobs: true}\n";

static const char *job, *folder;
static random_stream draws;

static int64_t samples_in(const char *db) {
  return program_count(db, "SELECT count(*) FROM sample");
}

static void sleep_ns(int64_t ns) {
  (void)nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
}

static void prepare(const char *db) {
  job = support_path("job.yaml");
  folder = program_make_model("tiny");
  program_make_tasks(db, tasks);
  hash place = hash_of("kill model", 10);
  draws = random_start(random_key_of(1, &place, 0, "0"));
}

/* What a night that nobody ends leaves. */
static hash promised_whole(void) {
  const char *whole = support_path("whole.db");
  program_make_tasks(whole, tasks);
  program_write_reasoning(job, folder, 1, QUICKLY);
  ck_ended(nightjar("run", job, "--db", whole), 0);
  ck_assert_int_eq(samples_in(whole), (int64_t)tasks * PROGRAM_REASONED);
  return program_promised(whole);
}

static void ends_equal(const char *db) {
  program_write_reasoning(job, folder, 1, QUICKLY);
  ck_ended(nightjar("run", job, "--db", db), 0);
  ck_assert_str_eq(program_sqlite(db, "PRAGMA foreign_key_check"), "");
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM comparison"), "1");
  hash found = program_promised(db), wanted = promised_whole();
  ck_assert(hash_equal(&found, &wanted));
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
}

/* Until the store holds more samples than before. */
static void wait_for_more(const char *db, int64_t before) {
  int64_t started = clock_monotonic_ns();
  while (samples_in(db) <= before) {
    ck_assert_msg(clock_monotonic_ns() - started < WAIT_NS,
                  "nothing more is committed: is all done?");
    sleep_ns(5000000);
  }
}

/* A moment of the next so many milliseconds. */
static void wait_a_while(uint32_t milliseconds) {
  sleep_ns((int64_t)random_below(&draws, 1000 * milliseconds) * 1000);
}

START_TEST(killed_nights_end_equal) {
  const char *db = support_path("killed.db");
  prepare(db);
  program_write_reasoning(job, folder, 1, SLOWLY);
  const char *run[] = {"run", job, "--db", db, NULL};
  int64_t before = 0;
  int midway = 0;
  for (int i = 0; i < kills; i++) {
    int early = i % 3 == 2; /* while it starts, or before anything is committed */
    pid_t pid = program_start(run);
    if (!early) wait_for_more(db, before);
    wait_a_while(early ? 120 : 40);
    (void)kill(pid, SIGKILL);
    midway += program_wait(pid) == -SIGKILL;
    ck_assert_str_eq(program_sqlite(db, "PRAGMA integrity_check"), "ok");
    int64_t now = samples_in(db);
    ck_assert_int_ge(now, before + !early); /* nothing committed is lost */
    before = now;
  }
  ck_assert_int_eq(midway, kills);
  ck_assert_int_lt(before, (int64_t)tasks * PROGRAM_REASONED);
  ends_equal(db);
}
END_TEST

START_TEST(a_signal_ends_a_night_resumably) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
  const char *db = support_path("stopped.db");
  prepare(db);
  program_write_reasoning(job, folder, 1, SLOWLY);
  const char *run[] = {"run", job, "--db", db, NULL};
  for (int i = 0; i < 3; i++) {
    int64_t before = samples_in(db);
    pid_t pid = program_start(run);
    wait_for_more(db, before);
    (void)kill(pid, numbers[i]);
    ck_assert_int_eq(program_wait(pid), 75);
    ck_holds(program_read(support_path("stderr")), "run the same command to go on");
    ck_assert_str_eq(program_sqlite(db, "PRAGMA journal_mode"), "delete");
    ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM process WHERE ended_ns IS NULL"),
                     "0");
  }
  ck_assert_int_lt(samples_in(db), (int64_t)tasks * PROGRAM_REASONED);
  ends_equal(db);
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1) kills = atoi(argv[1]);
  if (argc > 2) tasks = atoi(argv[2]);
  Suite *suite = suite_create("kill_model");
  TCase *all = tcase_create("kill_model");
  tcase_add_test(all, killed_nights_end_equal);
  tcase_add_test(all, a_signal_ends_a_night_resumably);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
