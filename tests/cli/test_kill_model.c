/* A model's night killed (-9) at random moments, each followed by the same command, leaves the
   store that an uninterrupted one leaves. Arguments: kills, tasks. The job has sixteen conditions.
 */
#include "tests/cli/kills.h"
#include "tests/support/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int kills = 30, tasks = 100;

/* Few threads at once: a night long enough to be killed often. What they are changes nothing. */
static const char SLOWLY[] = "record: {logprobs: true}\nengine: {slots: 2}\n";
static const char QUICKLY[] = "record: {logprobs: true}\n";

static const char *job, *folder;
static random_stream draws;

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
  ck_assert_int_eq(kills_samples(whole), (int64_t)tasks * PROGRAM_REASONED);
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

START_TEST(killed_nights_end_equal) {
  const char *db = support_path("killed.db");
  prepare(db);
  program_write_reasoning(job, folder, 1, SLOWLY);
  int64_t made = kills_run(job, db, kills, &draws);
  ck_assert_int_lt(made, (int64_t)tasks * PROGRAM_REASONED);
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
    int64_t before = kills_samples(db);
    pid_t pid = program_start(run);
    kills_wait(db, before);
    (void)kill(pid, numbers[i]);
    ck_assert_int_eq(program_wait(pid), 75);
    ck_holds(program_read(support_path("stderr")), "run the same command to go on");
    ck_assert_str_eq(program_sqlite(db, "PRAGMA journal_mode"), "delete");
    ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM process WHERE ended_ns IS NULL"),
                     "0");
  }
  ck_assert_int_lt(kills_samples(db), (int64_t)tasks * PROGRAM_REASONED);
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
