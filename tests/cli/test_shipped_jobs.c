/* Every job file that ships runs on two tasks of the set that it names, with models' contexts cut
   to 512 tokens so that a night takes seconds, and its contrasts find what they name. */
#include "tests/support/program.h"

#include <glob.h>
#include <string.h>

static glob_t jobs;

static void shorten(char *yaml) {
  static const char key[] = "context: ";
  for (char *at = yaml; (at = strstr(at, key));) {
    at += sizeof key - 1;
    if (strspn(at, "0123456789") == 4) memcpy(at, "512 ", 4);
  }
}

START_TEST(a_shipped_job_runs) {
  const char *job = support_path("job.yaml"), *db = support_path("jobs.db");
  char *yaml = program_read(jobs.gl_pathv[_i]), *tasks = strstr(yaml, "\ntasks: ");
  char set[128];
  ck_assert_msg(tasks && sscanf(tasks, "\ntasks: %127s", set) == 1, "%s names no task set",
                jobs.gl_pathv[_i]);
  shorten(yaml);
  support_write(job, yaml);
  ck_ended(nightjar("tasks", "make", "countdown", "--name", set, "--count", "8", "--seed", "1",
                    "--db", db),
           0);
  ck_ended(nightjar("run", job, "--db", db, "--limit", "2"), 0);
  ck_assert_msg(program_count(db, "SELECT count(*) FROM comparison") > 0, "%s: no contrast",
                jobs.gl_pathv[_i]);
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
