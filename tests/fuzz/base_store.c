#include "tests/fuzz/base_store.h"

#include "pipeline/jobs.h"
#include "pipeline/run.h"
#include "reports/report.h"
#include "solvers/countdown.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static const char job_yaml[] =
    "name: small\n"
    "tasks: few\n"
    "seed: 3\n"
    "repeats: 2\n"
    "conditions:\n"
    "- {name: sos, mode: symbolic, search: dfs, limit: {context: 300}}\n"
    "- {name: sos+, mode: symbolic, search: sosp, beam: [1, 2]}\n"
    "- {name: apr, mode: symbolic, search: apr, beam: 2, child_beam: 3}\n"
    "compare:\n"
    "- {a: apr, b: sos}\n"
    "- {a: sos+, b: sos, axis: tokens_ref, at: [256, 512]}\n";

static void add_tasks(store *s) {
  detail err;
  REQUIRE(store_task_set_begin(s, "few", "countdown", "{}", &err) == OK);
  countdown_source from = countdown_published(5, COUNTDOWN_TEST);
  from.numbers = 3;
  for (uint64_t n = 0; n < 3; n++) {
    countdown_problem problem;
    text question, target;
    text_open(&question, 4096);
    text_open(&target, 4096);
    REQUIRE(countdown_generate(&from, n, &problem, &err) == OK);
    countdown_question(&problem, &question);
    countdown_target(&problem, &target);
    store_task task = {.question = text_string(&question),
                       .target = text_string(&target),
                       .cluster = n ? "c" : NULL,
                       .split = "test"};
    REQUIRE(store_task_add(s, &task, &err) == OK);
    text_close(&question);
    text_close(&target);
  }
  store_task_set set;
  int added;
  REQUIRE(store_task_set_end(s, &set, &added, &err) == OK);
}

static void run_job(store *s, const char *file) {
  detail err;
  job *j = NULL;
  plan *p = NULL;
  run_totals totals;
  store_process process = {.version = "0", .device = "cpu", .settings_json = "{}"};
  REQUIRE(jobs_load(&j, file, &err) == OK);
  REQUIRE(plan_open(&p, s, j, NULL, &err) == OK);
  REQUIRE(plan_commit(p, s, NULL, &err) == OK);
  REQUIRE(store_process_start(s, &process, &err) == OK);
  REQUIRE(run_plan(p, s, &(run_options){.threads = 1}, NULL, &totals, &err) == OK);
  REQUIRE(report_comparisons(s, "small", &err) == OK);
  plan_close(p);
  job_close(j);
}

/* Small pages, so that damage to a page is damage to one thing. */
static void pack(const char *path) {
  sqlite3 *db = NULL;
  REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, "PRAGMA page_size = 1024; VACUUM", NULL, NULL, NULL) == SQLITE_OK);
  REQUIRE(sqlite3_close(db) == SQLITE_OK);
}

static fuzz_part read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  REQUIRE(file && fseek(file, 0, SEEK_END) == 0);
  long size = ftell(file);
  REQUIRE(size > 0);
  char *bytes = malloc((size_t)size);
  rewind(file);
  REQUIRE(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size);
  (void)fclose(file);
  return (fuzz_part){bytes, (size_t)size};
}

fuzz_part base_store(void) {
  static fuzz_part made;
  if (made.bytes) return made;
  detail err;
  store *s = NULL;
  char path[512], job_path[512];
  (void)snprintf(path, sizeof path, "%s", fuzz_path("base.db"));
  (void)snprintf(job_path, sizeof job_path, "%s", fuzz_path("small.yaml"));
  fuzz_write(job_path, job_yaml, sizeof job_yaml - 1);
  REQUIRE(store_open(&s, path, STORE_WRITE, NULL, &err) == OK);
  add_tasks(s);
  run_job(s, job_path);
  REQUIRE(store_close(s, &err) == OK);
  pack(path);
  made = read_file(path);
  return made;
}
