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

/* ---- what a model leaves -----------------------------------------------------------------------
 */

static int64_t add_model_run(store *s) {
  detail err;
  int64_t run;
  int made;
  store_task_set set;
  store_model m = {.hash = hash_of("weights", 7),
                   .name = "model",
                   .architecture = "llama",
                   .config_json = "{\"layers\":2}",
                   .vocabulary = 99};
  REQUIRE(store_task_set_find(s, "few", &set, &err) == OK);
  REQUIRE(store_model_put(s, &m, &err) == OK);
  store_run_new r = {.identity_json = "{\"model\":1}",
                     .task_set = set.id,
                     .mode = "vote",
                     .protocol = "countdown-sos",
                     .parameters_json = "{\"n\":2}",
                     .token_unit = "tok-1",
                     .determinism_class = "cpu-1 bf16",
                     .model = &m.hash};
  REQUIRE(store_run(s, &r, &run, &made, &err) == OK);
  store_condition c = {.job = "voters",
                       .name = "pool n=2",
                       .family = "pool",
                       .checker = "countdown",
                       .axes_json = "{\"n\":2}",
                       .repeats = 1,
                       .run = run,
                       .tasks = 3};
  REQUIRE(store_job_put(s, "voters", "{}", &err) == OK);
  REQUIRE(store_conditions_put(s, "voters", &c, 1, &err) == OK);
  return run;
}

/* A voter whose finisher had the last word. */
static store_thread voter(const char *path, const char *key) {
  static const uint32_t ids[] = {1, 2, 3, 4, 5, 6};
  static const float logprobs[] = {-1, -0.5F, -2};
  static const char said[] = "ask think ANSWER 1";
  return (store_thread){.path = path,
                        .role = "voter",
                        .finish = "finisher",
                        .answer = key,
                        .vote_key = key,
                        .parent = -1,
                        .worker = -1,
                        .round = -1,
                        .spawn_token = STORE_NONE,
                        .join_token = STORE_NONE,
                        .tokens_prompt = 2,
                        .tokens_fed = 1,
                        .tokens_generated = 3,
                        .logical_end = 3,
                        .text = said,
                        .text_bytes = sizeof said - 1,
                        .layout_json = "[[\"prompt\",0,2,0,4,0],[\"generated\",2,2,4,6,1],"
                                       "[\"fed\",4,1,10,7,2],[\"generated\",5,1,17,1,3]]",
                        .ids = ids,
                        .id_count = 6,
                        .logprobs = logprobs,
                        .logprob_count = 3,
                        .logprob = -3.5};
}

/* Two samples of a model, the second derived, and what its engine did. By hand, since a model
   itself would be read and run for each input. */
static void add_voters(store *s) {
  detail err;
  int64_t run = add_model_run(s);
  const store_thread threads[] = {voter("0", "1"), voter("1", NULL)};
  for (int64_t task = 1; task <= 2; task++) {
    store_sample sample = {.run = run,
                           .task = task,
                           .attempt = 1,
                           .status = task == 1 ? "done" : "capped",
                           .limit_met = task == 1 ? NULL : "tokens_thread",
                           .answer = "1",
                           .vote_key = "1",
                           .costs = {.tokens_generated = 6, .tokens_ref = 20, .flops = 1e6},
                           .started_ns = 5,
                           .first_token_ns = 6,
                           .ended_ns = 1000000007,
                           .batch_samples = 1.5,
                           .derived = task == 2,
                           .threads = threads,
                           .thread_count = 2};
    store_verdict v = {-1, "countdown", "wrong value", 1, 0, 0};
    REQUIRE(store_put(s, &sample, &v, 1, &err) == OK);
  }
  store_load load = {.at_ns = 1000000007,
                     .interval_ns = 1000000000,
                     .steps = 3,
                     .rows = 9,
                     .sampled = 6,
                     .threads_running = 1.5,
                     .pages = 8,
                     .pages_used = 2};
  REQUIRE(store_load_put(s, &load, &err) == OK);
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
  add_voters(s);
  REQUIRE(store_close(s, &err) == OK);
  pack(path);
  made = read_file(path);
  return made;
}
