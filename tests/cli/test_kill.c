/* Kills (-9) of a run at random moments, each followed by the same command, leave the store that
   an uninterrupted run leaves. Arguments: kills, tasks. The job has ten conditions. */
#include "base/clock.h"
#include "base/random.h"
#include "tests/support/program.h"
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int kills = 8, tasks = 500;
static int64_t samples_in(const char *db) {
  return atoll(program_sqlite(db, "SELECT count(*) FROM sample"));
}

static void sleep_ns(int64_t ns) {
  struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
  (void)nanosleep(&t, NULL);
}

START_TEST(killed_runs_end_equal) {
  const char *whole = support_path("whole.db"), *killed = support_path("killed.db");
  const char *job = support_path("job.yaml");
  program_write_job(job, 1);
  program_make_tasks(whole, tasks);
  program_make_tasks(killed, tasks);
  const char *run_killed[] = {"run", job, "--db", killed, NULL};
  int64_t started = clock_monotonic_ns();
  ck_ended(nightjar("run", job, "--db", whole), 0);
  int64_t whole_ns = clock_monotonic_ns() - started, total = (int64_t)tasks * PROGRAM_CONDITIONS;
  ck_assert_int_eq(samples_in(whole), total);

  hash place = hash_of("kill", 4);
  random_stream draws = random_start(random_key_of(1, &place, 0, "0"));
  int midway = 0;
  int64_t before = 0;
  for (int i = 0; i < kills; i++) {
    int64_t left = total - before;
    /* At most half of what remains: a machine that is quicker now than before ends no run. */
    double fraction = 0.5 * (double)random_next(&draws) / 4294967296.0;
    int64_t remaining_ns = (int64_t)((double)whole_ns * (double)left / (double)total);
    pid_t pid = program_start(run_killed);
    sleep_ns((int64_t)(fraction * (double)(remaining_ns + 20000000)));
    (void)kill(pid, SIGKILL);
    (void)program_wait(pid);
    ck_assert_str_eq(program_sqlite(killed, "PRAGMA integrity_check"), "ok");
    ck_assert_str_eq(program_sqlite(killed, "PRAGMA foreign_key_check"), "");
    int64_t now = samples_in(killed);
    ck_assert_int_ge(now, before); /* nothing committed is lost */
    midway += now > before && now < total;
    before = now;
  }
  ck_assert_int_gt(midway, 0);
  ck_ended(nightjar("run", job, "--db", killed), 0);
  ck_assert_int_eq(samples_in(killed), total);
  hash a = program_promised(whole), b = program_promised(killed);
  ck_assert(hash_equal(&a, &b));
  ck_assert_str_eq(program_sqlite(killed, "SELECT count(*) FROM comparison"), "1");

  /* Nothing is left to do, and a changed seed is another run. */
  ck_ended(nightjar("run", job, "--db", killed), 0);
  ck_assert_int_eq(samples_in(killed), total);
}
END_TEST

START_TEST(signals_and_limits_stop_resumably) {
  const char *db = support_path("stopped.db"), *job = support_path("job.yaml");
  program_write_job(job, 1);
  program_make_tasks(db, tasks);
  ck_ended(nightjar("run", job, "--db", db, "--limit", "20"), 0);
  ck_assert_int_eq(samples_in(db), 20 * PROGRAM_CONDITIONS);
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
  program_write_job(job, 20); /* many seconds of work */
  const char *run[] = {"run", job, "--db", db, NULL};
  for (int i = 0; i < 5; i++) {
    int64_t before = samples_in(db);
    pid_t pid = program_start(run);
    sleep_ns(250000000);
    (void)kill(pid, numbers[i]);
    int code = program_wait(pid);
    ck_assert_msg(code == 75, "exit %d after signal %d", code, numbers[i]);
    ck_assert_int_ge(samples_in(db), before);
  }
  ck_ended(nightjar("run", job, "--db", db, "--limit", "20"), 0);
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1) kills = atoi(argv[1]);
  if (argc > 2) tasks = atoi(argv[2]);
  Suite *suite = suite_create("kill");
  TCase *all = tcase_create("kill");
  tcase_add_test(all, killed_runs_end_equal);
  tcase_add_test(all, signals_and_limits_stop_resumably);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
