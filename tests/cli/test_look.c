/* The commands that look at samples: status and trace, and what doctor says of a store in use. The
   samples are put by hand, so that every status, an odd text and a damaged layout are among them.
 */
#include "store/query.h"
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a store with samples -------------------------------------------------------------------- */

static void add_tasks(store *s, int count) {
  detail err = {0};
  store_task_set set;
  int added;
  ck_ok(store_task_set_begin(s, "tasks", "countdown", "{}", &err));
  for (int i = 0; i < count; i++) {
    char question[64], name[16];
    (void)snprintf(question, sizeof question, "question %d\033[31m", i);
    (void)snprintf(name, sizeof name, "t%d", i);
    store_task task = {.name = name, .question = question, .target = "{}", .split = "test"};
    ck_ok(store_task_add(s, &task, &err));
  }
  ck_ok(store_task_set_end(s, &set, &added, &err));
}

static void add_run(store *s, const char *identity) {
  detail err = {0};
  int64_t run;
  int made;
  store_run_new r = {.identity_json = identity,
                     .task_set = 1,
                     .mode = "symbolic",
                     .parameters_json = "{}",
                     .token_unit = "llama2",
                     .determinism_class = "symbolic-1",
                     .seed = 1};
  ck_ok(store_run(s, &r, &run, &made, &err));
}

/* Runs 1 and 2. Job alpha wants both, job beta the second under a name that alpha uses for the
   first, and one with slashes. */
static void add_jobs(store *s) {
  detail err = {0};
  add_run(s, "{\"run\":1}");
  add_run(s, "{\"run\":2}");
  const store_condition alpha[] = {
      {"alpha", "apr beam=3", "apr", "countdown", "{}", 0, 2, 1, 4},
      {"alpha", "wide", "wide", "countdown", "{}", 1, 1, 2, 4},
  };
  const store_condition beta[] = {
      {"beta", "apr beam=3", "apr", "countdown", "{}", 0, 1, 2, 3},
      {"beta", "a/b: c", "a", "countdown", "{}", 1, 1, 2, 4},
  };
  ck_ok(store_job_put(s, "alpha", "{\"retries\":0}", &err));
  ck_ok(store_job_put(s, "beta", "{\"retries\":5}", &err));
  ck_ok(store_conditions_put(s, "alpha", alpha, 2, &err));
  ck_ok(store_conditions_put(s, "beta", beta, 2, &err));
}

static store_thread thread_of(const char *path, int32_t parent, const char *written,
                              const char *layout) {
  return (store_thread){.path = path,
                        .role = parent < 0 ? "root" : "child",
                        .finish = "end",
                        .parent = parent,
                        .worker = -1,
                        .round = parent < 0 ? -1 : 0,
                        .spawn_token = parent < 0 ? STORE_NONE : 7,
                        .join_token = parent < 0 ? STORE_NONE : 7,
                        .tokens_prompt = 11,
                        .tokens_generated = 22,
                        .logical_end = 33,
                        .first_token_ns = STORE_NONE,
                        .text = written,
                        .text_bytes = strlen(written),
                        .layout_json = layout};
}

static void put(store *s, int64_t run, int64_t task, int32_t repeat, const char *ended,
                const store_thread *threads, int32_t thread_count) {
  detail err = {0};
  int failed = !strcmp(ended, "failed");
  store_sample sample = {.run = run,
                         .task = task,
                         .repeat = repeat,
                         .attempt = 1,
                         .status = ended,
                         .limit_met = !strcmp(ended, "capped") ? "context" : NULL,
                         .answer = failed ? NULL : "1+1=2\n2,2 equal: Goal Reached",
                         .error = failed ? "out of luck" : NULL,
                         .costs = {.tokens_ref = failed ? STORE_NONE : 100 * task, .flops = -1},
                         .first_token_ns = STORE_NONE,
                         .ended_ns = 2000000000,
                         .batch_samples = -1,
                         .threads = threads,
                         .thread_count = thread_count};
  store_verdict verdict = {-1, "countdown", "wrong value", 1, 0, 0};
  ck_ok(store_put(s, &sample, &verdict, failed ? 0 : 1, &err));
}

/* A text whose marks change within lines, with an empty line and what a terminal must not get. */
static const char odd_text[] = "ask\nme now\n\nta\tb\033[2J\xff\n\xc3\xa4\xc3\xb6 end";
static const char odd_layout[] =
    "[[\"prompt\",0,6],[\"generated\",6,5],[\"cut\",11,5],[\"fed\",16,5],[\"generated\",21,9]]";

static store *open_written(const char *db) {
  detail err = {0};
  store *s;
  store_process process = {.version = "1", .device = "cpu", .settings_json = "{}"};
  ck_ok(store_open(&s, db, STORE_WRITE, NULL, &err));
  add_tasks(s, 4);
  add_jobs(s);
  ck_ok(store_process_start(s, &process, &err));
  const store_thread tree[] = {thread_of("0", -1, odd_text, odd_layout),
                               thread_of("0.0", 0, "first child", "[[\"prompt\",0,99]]"),
                               thread_of("0.1", 0, "", "[]"),
                               thread_of("0.0.0", 1, "grandchild", "[[\"generated\",0,10]]")};
  put(s, 1, 1, 0, "done", tree, 4);
  put(s, 1, 2, 0, "capped", tree, 1);
  put(s, 1, 1, 1, "failed", NULL, 0);
  put(s, 2, 1, 0, "done", tree, 1);
  put(s, 2, 2, 0, "failed", NULL, 0);
  ck_ok(store_flush(s, &err));
  return s;
}

static const char *closed_store(const char *name) {
  detail err = {0};
  const char *db = support_path(name);
  ck_ok(store_close(open_written(db), &err));
  return db;
}

/* ---- a model's samples ----------------------------------------------------------------------- */

static void add_model_run(store *s) {
  static const char m[] = "weights";
  detail err = {0};
  int64_t run;
  int made;
  store_model model = {.hash = hash_of(m, sizeof m),
                       .name = "small\033[1m",
                       .architecture = "llama",
                       .config_json = "{}"};
  store_run_new r = {.identity_json = "{\"run\":3}",
                     .task_set = 1,
                     .mode = "vote",
                     .protocol = "generic",
                     .parameters_json = "{}",
                     .token_unit = "tok-1",
                     .determinism_class = "cpu-1 bf16",
                     .model = &model.hash,
                     .seed = 1};
  const store_condition pool[] = {{"gamma", "pool", "pool", "countdown", "{}", 0, 1, 3, 4}};
  ck_ok(store_model_put(s, &model, &err));
  ck_ok(store_run(s, &r, &run, &made, &err));
  ck_assert_int_eq(run, 3);
  ck_ok(store_job_put(s, "gamma", "{}", &err));
  ck_ok(store_conditions_put(s, "gamma", pool, 1, &err));
}

/* A begin without text, two tokens of a prompt, five that are sampled, then a finisher's. */
static const uint32_t voter_ids[] = {1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
static const float voter_logprobs[] = {-1, -2, -0.5F, -1.5F, -1, -4, -2};
static const char voter_text[] = "ask a search ANSWER 1+1";
static const char voter_layout[] = "[[\"prompt\",0,3,0,4,0],[\"generated\",3,5,4,9,1],"
                                   "[\"fed\",8,1,13,7,5],[\"generated\",9,2,20,3,6]]";

static store_thread voter_of(const char *path, const char *key) {
  store_thread t = thread_of(path, -1, voter_text, voter_layout);
  t.role = "voter";
  t.finish = "finisher";
  t.answer = t.vote_key = key;
  t.tokens_generated = 7;
  t.tokens_fed = 1;
  t.ids = voter_ids;
  t.id_count = sizeof voter_ids / sizeof voter_ids[0];
  t.logprobs = voter_logprobs;
  t.logprob_count = sizeof voter_logprobs / sizeof voter_logprobs[0];
  t.logprob = -12;
  return t;
}

/* Four voters: two keys, and one without. */
static void put_voters(store *s, int64_t task, int derived, int64_t ended_ns) {
  detail err = {0};
  const store_thread voters[] = {voter_of("0", "(1+1)"), voter_of("1", NULL),
                                 voter_of("2", "2\033"), voter_of("3", "2\033")};
  store_sample sample = {.run = 3,
                         .task = task,
                         .attempt = 1,
                         .status = "capped",
                         .limit_met = "tokens_total",
                         .answer = "2",
                         .vote_key = "2\033",
                         .costs = {.tokens_ref = STORE_NONE,
                                   .tokens_generated = 28,
                                   .tokens_finisher = 12,
                                   .flops = 5,
                                   .kv_token_steps = 77},
                         .first_token_ns = STORE_NONE,
                         .started_ns = 1000000000,
                         .ended_ns = ended_ns,
                         .batch_samples = 2,
                         .derived = derived,
                         .threads = voters,
                         .thread_count = 4};
  store_verdict verdict = {-1, "countdown", "wrong value", 1, 0, 0};
  ck_ok(store_put(s, &sample, &verdict, 1, &err));
}

/* ---- status ---------------------------------------------------------------------------------- */

static int64_t integer(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  ck_assert_msg(json_is_integer(value), "no integer '%s'", key);
  return json_integer_value(value);
}

static void check_condition(const json_t *report, size_t at, const char *name,
                            const int counts[5]) {
  static const char *const keys[] = {"wanted", "done", "capped", "failed", "left"};
  const json_t *one = json_array_get(json_object_get(report, "conditions"), at);
  ck_assert_str_eq(json_string_value(json_object_get(one, "condition")), name);
  for (int i = 0; i < 5; i++)
    ck_assert_msg(integer(one, keys[i]) == counts[i], "%s: %s is %d, not %d", name, keys[i],
                  (int)integer(one, keys[i]), counts[i]);
}

START_TEST(test_status) {
  const char *db = closed_store("status.db");
  json_t *report = program_json(nightjar("status", "--db", db, "--json").out);
  ck_assert_uint_eq(json_array_size(json_object_get(report, "conditions")), 4);
  check_condition(report, 0, "apr beam=3", (const int[]){8, 1, 1, 1, 5}); /* retries 0 */
  check_condition(report, 1, "wide", (const int[]){4, 1, 0, 1, 2});
  check_condition(report, 2, "apr beam=3", (const int[]){3, 1, 0, 1, 2}); /* retries 5 */
  check_condition(report, 3, "a/b: c", (const int[]){4, 1, 0, 1, 3});
  const json_t *process = json_object_get(report, "process");
  ck_assert_int_eq(integer(process, "samples"), 5);
  ck_assert_int_eq(integer(process, "tokens_ref"), 100 + 200 + 100);
  ck_assert(json_is_true(json_object_get(process, "ended")));
  ck_assert(json_is_false(json_object_get(process, "seems_running")));
  /* 400 tokens in 2 s; left are 5 of 150 tokens, and 3 of 100, of which beta's and wide's are part.
   */
  ck_assert_double_eq_tol(json_number_value(json_object_get(process, "seconds_left")), 5.25, 1e-9);
  json_decref(report);

  outcome o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "alpha  apr beam=3    1     1       1       1     5       8         150\n");
  ck_holds(o.out, "not running; the last process ended");
  ck_holds(o.out, "it stored 5 samples in 2s: 2.5 samples and 200 tokens_ref a second");
  ck_holds(o.out, "at this speed what is left takes 5s");
  ck_ended(nightjar("status", "surplus", "--db", db), 2);
}
END_TEST

START_TEST(test_status_of_no_job) {
  const char *db = support_path("fresh.db");
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "t", "--count", "1", "--seed", "1",
                    "--db", db),
           0);
  outcome o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_assert_str_eq(o.out, "no job has run here; nightjar run JOB.yaml starts one\n");
  o = nightjar("status", "--db", db, "--json");
  ck_assert_str_eq(o.out,
                   "{\"conditions\":[],\"process\":null,\"samples_unasked\":0,\"shard\":null}\n");
}
END_TEST

/* While this test's own process writes. */
START_TEST(test_running) {
  detail err = {0};
  const char *db = support_path("running.db");
  store *s = open_written(db);
  char here[64];
  (void)snprintf(here, sizeof here, "process %ld on ", (long)getpid());
  outcome o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "\nrunning: ");
  ck_holds(o.out, here);
  ck_holds(o.out, "about 5s left\n");
  o = nightjar("doctor", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "note     lock         held by ");
  ck_holds(o.out, here);
  ck_holds(o.out, "belongs to the process that writes");
  ck_holds(nightjar("trace", "wide/t0/0", "--db", db).out, "alpha:wide, task t0");
  o = nightjar("tasks", "make", "countdown", "--name", "t", "--count", "1", "--seed", "1", "--db",
               db);
  ck_ended(o, 5);
  ck_holds(o.err, here);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(test_killed) {
  const char *db = support_path("killed.db");
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    (void)open_written(db);
    _exit(0); /* as if killed: nothing is closed */
  }
  int state;
  ck_assert_int_eq(waitpid(child, &state, 0), child);
  ck_assert(WIFEXITED(state) && WEXITSTATUS(state) == 0);
  outcome o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "not running; the last process was killed");
  ck_holds(o.out, "it stored 5 samples");
  o = nightjar("doctor", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "note     lock         left behind by a process that is gone");
  ck_holds(o.out, "was left by a killed process; nothing is lost");
  ck_holds(o.out, "note     samples      2 failed");
}
END_TEST

/* ---- status of models ------------------------------------------------------------------------ */

/* Half of what the model is to do is done: one of two samples was computed. */
static store *open_with_model(const char *db) {
  store *s = open_written(db);
  add_model_run(s);
  put_voters(s, 1, 0, 3000000000);
  put_voters(s, 2, 1, 3000000000);
  return s;
}

static void put_load(store *s, int64_t sampled) {
  detail err = {0};
  store_load load = {.at_ns = store_now_ns(s),
                     .interval_ns = 4000000000,
                     .steps = 3,
                     .sampled = sampled,
                     .threads_running = 2.25,
                     .threads_waiting = 1.5,
                     .samples = 1,
                     .pages = 80,
                     .pages_used = 20,
                     .record_ns = 100000000};
  ck_ok(store_load_put(s, &load, &err));
}

static double real(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  ck_assert_msg(json_is_number(value), "no number '%s'", key);
  return json_number_value(value);
}

START_TEST(test_status_of_a_model) {
  detail err = {0};
  const char *db = support_path("model.db");
  ck_ok(store_close(open_with_model(db), &err));
  json_t *report = program_json(nightjar("status", "--db", db, "--json").out);
  check_condition(report, 4, "pool", (const int[]){4, 0, 2, 0, 2});
  const json_t *pool = json_array_get(json_object_get(report, "conditions"), 4);
  ck_assert_str_eq(json_string_value(json_object_get(pool, "model")), "small\033[1m");
  ck_assert(json_is_null(json_object_get(pool, "tokens_ref_mean")));
  ck_assert_double_eq(real(pool, "tokens_generated_mean"), 28);
  const json_t *process = json_object_get(report, "process");
  const json_t *speeds = json_object_get(process, "speeds");
  ck_assert_uint_eq(json_array_size(speeds), 2);
  ck_assert(json_is_null(json_object_get(json_array_get(speeds, 0), "model")));
  ck_assert_double_eq(real(json_array_get(speeds, 0), "tokens_per_second"), 200);
  /* 28 tokens between the first and the third second; a derived sample's are no work. */
  ck_assert_int_eq(integer(json_array_get(speeds, 1), "tokens"), 28);
  ck_assert_double_eq(real(json_array_get(speeds, 1), "tokens_per_second"), 14);
  /* As without the model 5.25 s; and two samples of which every second is derived. */
  ck_assert_double_eq_tol(real(process, "seconds_left"), 5.25 + 2 * 28 / 2.0 / 14, 1e-9);
  ck_assert(json_is_null(json_object_get(process, "load")));
  json_decref(report);
  outcome o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out,
           "gamma  pool          3     0       2       0     2       4           -         28\n");
  ck_holds(o.out, "it stored 7 samples in 3s: 2.3 samples a second\n"
                  "  no model: 200 tokens_ref a second\n"
                  "  small\\x1b[1m: 14 tokens a second\n"
                  "at this speed what is left takes 7s\n");
}
END_TEST

/* The engine's count knows of tokens whose samples have not ended. */
START_TEST(test_status_of_a_running_model) {
  detail err = {0};
  const char *db = support_path("engine.db");
  store *s = open_with_model(db);
  put_load(s, 20);
  put_load(s, 16);
  ck_ok(store_flush(s, &err));
  outcome o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "\nrunning: ");
  ck_holds(o.out, "  small\\x1b[1m: 4 tokens a second\n"); /* 36 in 8 s */
  ck_holds(o.out, "in its last 4 s: 4 tokens a second, of 1.0 samples at once\n"
                  "  threads: 2.2 ran and 1.5 waited; pages used: 25.0 % of 80\n"
                  "  recording took 2.5 % of the time\n");
  json_t *report = program_json(nightjar("status", "--db", db, "--json").out);
  const json_t *process = json_object_get(report, "process");
  ck_assert_int_eq(integer(json_object_get(process, "load"), "sampled"), 16);
  ck_assert_int_eq(integer(json_object_get(process, "load"), "pages_used"), 20);
  /* Of the 28 tokens that are left, 36 - 28 are there already. */
  ck_assert_double_eq_tol(real(process, "seconds_left"), 5.25 + (28 - 8) / 4.5, 1e-9);
  json_decref(report);
  ck_ok(store_close(s, &err));
  o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_lacks(o.out, "in its last");
}
END_TEST

/* Of a model whose speed nobody knows nothing is foretold. */
START_TEST(test_status_without_a_speed) {
  detail err = {0};
  const char *db = support_path("unknown.db");
  store *s = open_written(db);
  add_model_run(s);
  ck_ok(store_close(s, &err));
  json_t *report = program_json(nightjar("status", "--db", db, "--json").out);
  ck_assert(json_is_null(json_object_get(json_object_get(report, "process"), "seconds_left")));
  json_decref(report);
  outcome o = nightjar("status", "--db", db);
  ck_lacks(o.out, "what is left takes");
  ck_lacks(o.out, "tokens a second");
}
END_TEST

/* Computing samples again is no night, and hides none. */
START_TEST(test_status_after_verify) {
  detail err = {0};
  const char *db = support_path("verified.db");
  ck_ok(store_close(open_with_model(db), &err));
  (void)program_sqlite(db,
                       "UPDATE process SET settings = '{\"shard\":\"1/2\",\"threads\":3}'; "
                       "INSERT INTO process SELECT 2, started_unix_ns, ended_ns, host, version, "
                       "'elsewhere', '{\"verify\":true}' FROM process");
  outcome o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "it stored 7 samples");
  ck_holds(o.out, "\non cpu, 3 threads\n");
  ck_holds(o.out, "shard 1/2: ");
}
END_TEST

/* ---- trace ----------------------------------------------------------------------------------- */

START_TEST(test_trace) {
  const char *db = closed_store("trace.db");
  outcome o = nightjar("trace", "alpha:apr beam=3/t0/0", "--db", db);
  ck_ended(o, 0);
  ck_assert_ptr_eq(strstr(o.out, "alpha:apr beam=3, task t0 of tasks@1, repeat 0 (sample 1"),
                   o.out);
  ck_holds(o.out, "\nquestion  question 0\\x1b[31m\n");
  ck_holds(o.out, "\nstatus    done\nverdict   wrong (countdown: wrong value; score 0)\n");
  ck_holds(o.out,
           "\nanswer    1+1=2\n          2,2 equal: Goal Reached\ncounts    tokens_ref 100,");
  ck_holds(o.out, "\n0          root       -      -     -      0   33     0  -         end\n"
                  "  0.0      child      0      7     7      0   33     0  no        end\n"
                  "    0.0.0  child      0");
  ck_holds(o.out, "\n-- thread 0 --\n"
                  "p|ask\n"
                  "p|me\n"
                  " + now\n"
                  "x|\n"
                  "x|ta\\tb\n"
                  "f+\\x1b[2J\\xff\n"
                  " |\xc3\xa4\xc3\xb6 end\n");
  ck_holds(o.out, "\n-- thread 0.0 --\n?|first child\n"); /* its layout does not fit its text */
  const char *grandchild = strstr(o.out, "\n-- thread 0.0.0 --\n |grandchild\n");
  const char *second = strstr(o.out, "\n-- thread 0.1 --\n");
  ck_assert(grandchild && second && grandchild < second);
}
END_TEST

/* Where each voter's text came from, what the finisher had it say, and what it votes for. */
START_TEST(test_trace_of_a_model) {
  detail err = {0};
  const char *db = support_path("model.db");
  store *s = open_written(db);
  add_model_run(s);
  put_voters(s, 1, 0, 3000000000);
  put_voters(s, 2, 1, 3000000000);
  ck_ok(store_close(s, &err));
  outcome o = nightjar("trace", "pool/t0/0", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "\nstatus    capped by the limit tokens_total\n"
                  "model     small\\x1b[1m, vote, generic, cpu-1 bf16\nverdict   ");
  ck_holds(o.out, "\nvotes     #1: 2 of 4 for 2\\x1b\n"
                  "          #2: 1 of 4 for (1+1)\n"
                  "          1 of 4 for nothing\n");
  ck_holds(o.out, "tokens_finisher 12,");
  ck_holds(o.out, "kv_token_steps 77");
  ck_holds(o.out,
           "\nthread  role   prompt  fed  generated  start  end  wait  logprob  vote  finish\n"
           "0       voter      11    1          7      0   33     0   -1.714    #2  finisher\n"
           "1       voter      11    1          7      0   33     0   -1.714     -  finisher\n"
           "2       voter      11    1          7      0   33     0   -1.714    #1  finisher\n");
  ck_holds(o.out, "\np| prompt    | generated   F| fed by the finisher   g| generated behind it\n");
  ck_holds(o.out, "\n-- thread 3 --\np|ask \n +a search \nF+ANSWER \ng+1+1\n");
  ck_lacks(o.out, "derived");
  ck_holds(nightjar("trace", "pool/t1/0", "--db", db).out, "\nderived   cut from the tokens of");
}
END_TEST

/* In tokens and in bytes, as stored. */
START_TEST(test_trace_of_a_model_as_json) {
  detail err = {0};
  const char *db = support_path("json.db");
  store *s = open_written(db);
  add_model_run(s);
  put_voters(s, 1, 1, 3000000000);
  ck_ok(store_close(s, &err));
  json_t *sample = program_json(nightjar("trace", "pool/t0/0", "--db", db, "--json").out);
  const json_t *voter = json_array_get(json_object_get(sample, "threads"), 3);
  text spans;
  text_open(&spans, 4096);
  ck_ok(json_canonical(json_object_get(voter, "spans"), &spans, &err));
  ck_assert_str_eq(text_string(&spans), voter_layout);
  ck_assert_double_eq(json_number_value(json_object_get(voter, "logprob")), -12);
  ck_assert_str_eq(json_string_value(json_object_get(voter, "vote_key")), "2\033");
  ck_assert(json_is_true(json_object_get(sample, "derived")));
  const json_t *votes = json_object_get(sample, "votes"), *by = json_object_get(sample, "made_by");
  ck_assert_uint_eq(json_array_size(votes), 3);
  ck_assert_int_eq(integer(json_array_get(votes, 0), "votes"), 2);
  ck_assert(json_is_null(json_object_get(json_array_get(votes, 2), "vote_key")));
  ck_assert_str_eq(json_string_value(json_object_get(by, "model")), "small\033[1m");
  ck_assert_str_eq(json_string_value(json_object_get(by, "protocol")), "generic");
  text_close(&spans);
  json_decref(sample);
}
END_TEST

/* Tokens, bytes and steps that are not where they are said to be leave the text unmarked. */
START_TEST(test_trace_of_a_damaged_model) {
  static const char *const wrong[] = {
      "[[\"prompt\",0,3,0,4]]",                       /* no step */
      "[[\"prompt\",0,12,0,4,0]]",                    /* more tokens than there are */
      "[[\"prompt\",0,3,0,24,0]]",                    /* more text */
      "[[\"prompt\",0,3,-1,4,0]]",                    /* before its start */
      "[[\"prompt\",0,3,4,4,0],[\"fed\",3,1,0,4,1]]", /* texts in another order */
      "[[\"prompt\",4,3,0,4,0],[\"fed\",0,1,4,4,1]]", /* tokens in another order */
      "[[\"prompt\",0,9223372036854775807,0,4,0]]",   /* a sum that overflows */
      "[[\"prompt\",0,3,9223372036854775807,1,0]]",   /* and another */
      "[[\"prompt\",0,3]]",                           /* of a symbolic search */
      "[[\"prompt\",0,3,0,4,\"x\"]]",                 /* a step that is none */
      "{\"prompt\":[0,3,0,4,0]}",
  };
  detail err = {0};
  const char *db = support_path("wrong.db");
  store *s = open_written(db);
  add_model_run(s);
  put_voters(s, 1, 0, 3000000000);
  ck_ok(store_close(s, &err));
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "UPDATE trace SET layout = '%s' WHERE thread = 3 AND ids IS NOT NULL", wrong[i]);
    (void)program_sqlite(db, sql);
    outcome o = nightjar("trace", "pool/t0/0", "--db", db);
    ck_ended(o, 0);
    ck_holds(o.out, "\n-- thread 3 --\n?|ask a search ANSWER 1+1\n");
    ck_holds(o.out, "?| unmarked");
  }
}
END_TEST

START_TEST(test_trace_options) {
  const char *db = closed_store("options.db");
  outcome o = nightjar("trace", "1", "--db", db, "--thread", "0.0.0");
  ck_ended(o, 0);
  ck_holds(o.out, "\n-- thread 0.0.0 --\n |grandchild\n");
  ck_lacks(o.out, "first child\n");
  o = nightjar("trace", "1", "--db", db, "--thread", "0.0.7");
  ck_ended(o, 3);
  ck_holds(o.err, "no thread '0.0.7' among its 4; did you mean 0.0.0?");
  ck_ended(nightjar("trace", "1", "--db", db, "--width", "5"), 2);
  ck_ended(nightjar("trace", "--db", db), 2);
}
END_TEST

START_TEST(test_trace_width) {
  detail err = {0};
  const char *db = support_path("width.db");
  store *s = open_written(db);
  const store_thread line = thread_of("0", -1,
                                      "0123456789012345678\xc3\xa4"
                                      "0123\nnext",
                                      "[[\"prompt\",0,22],[\"generated\",22,8]]");
  put(s, 1, 3, 0, "done", &line, 1);
  ck_ok(store_close(s, &err));
  outcome o = nightjar("trace", "alpha:apr beam=3/t2/0", "--db", db, "--width", "20");
  ck_holds(o.out, "\np|0123456789012345678\xc3\xa4\np+0\n +123\n |next\n");
}
END_TEST

START_TEST(test_trace_of_failed) {
  const char *db = closed_store("failed.db");
  outcome o = nightjar("trace", "wide/t1/0", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "\nstatus    failed\nerror     out of luck\nanswer    none\n");
  ck_lacks(o.out, "-- thread");
  ck_holds(nightjar("trace", "alpha:apr beam=3/t1/0", "--db", db).out,
           "\nstatus    capped by the limit context\n");
}
END_TEST

START_TEST(test_trace_names) {
  const char *db = closed_store("names.db");
  ck_holds(nightjar("trace", "a/b: c/t0/0", "--db", db).out, "beta:a/b: c, task t0");
  ck_holds(nightjar("trace", "beta:a/b: c/t0/0", "--db", db).out, "beta:a/b: c, task t0");
  static const char *const wrong[][2] = {
      {"apr beam=3/t0/0", "'apr beam=3' is a condition of the jobs alpha, beta; write JOB:"},
      {"wied/t0/0", "did you mean 'wide'?"},
      {"alfa:wide/t0/0", "did you mean 'alpha:wide'?"},
      {"wide/t9/0", "no task 't9'; did you mean 't0'?"},
      {"wide/t3/0", "this task has no sample yet"},
      {"alpha:apr beam=3/t0/7", "no repeat 7 of this task is stored; there is 0, 1"},
      {"wide/t0/x", "a repeat is a number from 0, not 'x'"},
      {"99", "no sample 99"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    outcome o = nightjar("trace", wrong[i][0], "--db", db);
    ck_ended(o, 3);
    ck_holds(o.err, wrong[i][1]);
    ck_assert_str_eq(o.out, "");
  }
  outcome o = nightjar("trace", "wide/t0", "--db", db);
  ck_ended(o, 2);
  ck_holds(o.err, "neither CONDITION/TASK/REPEAT nor a sample's id");
}
END_TEST

START_TEST(test_trace_json) {
  const char *db = closed_store("json.db");
  json_t *sample = program_json(nightjar("trace", "1", "--db", db, "--json").out);
  const json_t *threads = json_object_get(sample, "threads"), *root = json_array_get(threads, 0);
  ck_assert_uint_eq(json_array_size(threads), 4);
  ck_assert_int_eq(integer(json_object_get(sample, "counts"), "tokens_ref"), 100);
  ck_assert(json_is_null(json_object_get(root, "parent")));
  ck_assert_str_eq(json_string_value(json_object_get(json_array_get(threads, 3), "parent")), "0.0");
  ck_assert_str_eq(json_string_value(json_object_get(root, "text")),
                   "ask\nme now\n\nta\tb\033[2J\xef\xbf\xbd\n\xc3\xa4\xc3\xb6 end");
  text spans;
  detail err = {0};
  text_open(&spans, 4096);
  ck_ok(json_canonical(json_object_get(root, "spans"), &spans, &err));
  ck_assert_str_eq(text_string(&spans), odd_layout);
  text_close(&spans);
  json_decref(sample);
  (void)program_sqlite(db,
                       "PRAGMA ignore_check_constraints = ON; UPDATE verdict SET score = 9e999");
  sample = program_json(nightjar("trace", "1", "--db", db, "--json").out);
  const json_t *verdict = json_array_get(json_object_get(sample, "verdicts"), 0);
  ck_assert(json_is_null(json_object_get(verdict, "score")));
  json_decref(sample);
}
END_TEST

START_TEST(test_colors) {
  const char *db = closed_store("colors.db");
  const char *const show[] = {"trace", "1", "--db", db, "--thread", "0", NULL};
  ck_assert_int_eq(unsetenv("NO_COLOR"), 0);
  outcome o = program_run_on_terminal(show);
  ck_ended(o, 0);
  ck_holds(o.out, "\033[2mme\033[0m now\033[0m\r\n");
  ck_holds(o.out, "\033[33mta\\tb\033[0m\033[36m\\x1b[2J\\xff\033[0m\r\n");
  ck_lacks(o.out, "p|");
  ck_lacks(o.out, "\033[2J");
  ck_assert_int_eq(setenv("NO_COLOR", "1", 1), 0);
  o = program_run_on_terminal(show);
  ck_ended(o, 0);
  ck_holds(o.out, "p|me\r\n + now\r\n");
  ck_lacks(o.out, "\033");
}
END_TEST

/* A store of somebody else's: what stands in it is shown and never obeyed, and JSON stays JSON. */
START_TEST(test_report_of_wild_names) {
  const char *db = closed_store("wild.db");
  (void)program_sqlite(db, "UPDATE condition SET name = char(27) || '[2J' || name, family = "
                           "CAST(x'ff9b' AS TEXT) || family");
  (void)program_sqlite(db, "UPDATE task_set SET name = char(155) || name");
  (void)program_sqlite(db, "UPDATE run SET mode = char(7), determinism_class = char(27) || id");
  outcome o = nightjar("report", "--text", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "\\x1b[2Jwide");
  ck_holds(o.out, "\\xc2\\x9btasks@1");
  ck_lacks(o.out, "\033");
  ck_lacks(o.out, "\xc2\x9b");
  o = nightjar("report", "--json", "--db", db);
  ck_ended(o, 0);
  json_decref(program_json(o.out));
  o = nightjar("compare", "--job", "alpha", "nobody", "\033[2Jwide", "--db", db);
  ck_ended(o, 3);
  ck_lacks(o.err, "\033");
}
END_TEST

/* A zero in a name cuts it short for everyone who reads it: no command may wait for the next. */
START_TEST(test_names_cut_short) {
  const char *db = closed_store("cut.db"), *into = closed_store("into.db");
  (void)program_sqlite(db, "INSERT INTO job SELECT name || char(0) || 'b', '{}' FROM job");
  (void)nightjar("report", "--text", "--db", db);
  outcome o = nightjar("merge", into, db);
  ck_ended(o, 5);
  ck_holds(o.err, "a zero byte is in its job");
  ck_ended(nightjar("merge", db, into), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("look");
  TCase *states = tcase_create("status"), *trace = tcase_create("trace");
  tcase_add_test(states, test_status);
  tcase_add_test(states, test_status_of_no_job);
  tcase_add_test(states, test_running);
  tcase_add_test(states, test_killed);
  tcase_add_test(states, test_status_of_a_model);
  tcase_add_test(states, test_status_of_a_running_model);
  tcase_add_test(states, test_status_without_a_speed);
  tcase_add_test(states, test_status_after_verify);
  tcase_add_test(trace, test_trace);
  tcase_add_test(trace, test_trace_of_a_model);
  tcase_add_test(trace, test_trace_of_a_model_as_json);
  tcase_add_test(trace, test_trace_of_a_damaged_model);
  tcase_add_test(trace, test_trace_options);
  tcase_add_test(trace, test_trace_width);
  tcase_add_test(trace, test_trace_of_failed);
  tcase_add_test(trace, test_trace_names);
  tcase_add_test(trace, test_trace_json);
  tcase_add_test(trace, test_colors);
  tcase_add_test(states, test_report_of_wild_names);
  tcase_add_test(states, test_names_cut_short);
  suite_add_tcase(suite, states);
  suite_add_tcase(suite, trace);
  return support_run(suite);
}
