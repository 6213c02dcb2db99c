/* Every job file that ships runs as it is, on two tasks of the set that it names, and its contrasts
   find what they name. */
#include "tests/support/program.h"

#include <glob.h>
#include <string.h>

static glob_t jobs;

START_TEST(a_shipped_job_runs) {
  const char *job = jobs.gl_pathv[_i], *db = support_path("jobs.db");
  const char *yaml = program_read(job), *tasks = strstr(yaml, "\ntasks: ");
  char set[128];
  ck_assert_msg(tasks && sscanf(tasks, "\ntasks: %127s", set) == 1, "%s names no task set", job);
  ck_ended(nightjar("tasks", "make", "countdown", "--name", set, "--count", "8", "--seed", "1",
                    "--db", db),
           0);
  ck_ended(nightjar("run", job, "--db", db, "--limit", "2"), 0);
  ck_assert_msg(program_count(db, "SELECT count(*) FROM comparison") > 0, "%s: no contrast", job);
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM accuracy WHERE samples = 0"), "0");
  outcome o = nightjar("report", "--text", "--db", db);
  ck_ended(o, 0);
  ck_lacks(o.out, "Refused");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("shipped_jobs");
  TCase *all = tcase_create("shipped_jobs");
  if (glob("jobs/*.yaml", 0, NULL, &jobs) != 0) return 1;
  tcase_add_loop_test(all, a_shipped_job_runs, 0, (int)jobs.gl_pathc);
  suite_add_tcase(suite, all);
  int failed = support_run(suite);
  globfree(&jobs);
  return failed;
}
