/* A job with models against a store: which changes make a run new, what is written of one, and what
   is refused before anything runs. */
#include "base/memory.h"
#include "pipeline/jobs.h"
#include "pipeline/model_engine.h"
#include "pipeline/plan.h"
#include "store/query.h"
#include "tests/pipeline/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A store with three Countdown tasks and three questions; the working folder is the test's, with
   models of one weight (one, same) and of another (other), so that jobs have short paths. */
static store *store_here(void) {
  detail err = {0};
  store *s = NULL;
  (void)tiny_model("one", 1, ELEMENT_BF16, NULL);
  (void)tiny_model("same", 1, ELEMENT_BF16, NULL);
  const char *folder = tiny_model("other", 2, ELEMENT_BF16, NULL);
  char here[512];
  (void)snprintf(here, sizeof here, "%s", folder);
  *strrchr(here, '/') = 0;
  ck_assert_int_eq(chdir(here), 0);
  ck_ok(store_open(&s, "plan.db", STORE_WRITE, NULL, &err));
  for (int questions = 0; questions < 2; questions++) {
    store_task_set set;
    int added;
    ck_ok(store_task_set_begin(s, questions ? "quiz" : "few", questions ? "question" : "countdown",
                               "{}", &err));
    for (int i = 0; i < 3; i++) {
      char question[32], target[64];
      (void)snprintf(question, sizeof question, "question %d", i);
      (void)snprintf(target, sizeof target,
                     questions ? "{\"answer\":\"%d\"}" : "{\"numbers\":[3,4,%d],\"target\":12}",
                     i + 1);
      store_task task = {.question = question, .target = target};
      ck_ok(store_task_add(s, &task, &err));
    }
    ck_ok(store_task_set_end(s, &set, &added, &err));
  }
  return s;
}

static status try_plan(plan **out, job **j, store *s, const char *file, const plan_part *part,
                       detail *err) {
  *out = NULL;
  *j = NULL;
  status failed = jobs_read(j, "job.yaml", file, strlen(file), err);
  return failed ? failed : plan_open(out, s, *j, part, err);
}

static plan *planned(job **j, store *s, const char *file, const plan_part *part) {
  detail err = {0};
  plan *p;
  status failed = try_plan(&p, j, s, file, part, &err);
  ck_assert_msg(!failed, "%s:%d: %s\n%s", err.file, err.line, err.text, file);
  return p;
}

/* ---- which changes make a new run ----------------------------------------------------------- */

static const char base_job[] =
    "name: j\ntasks: few\nmodels: one\nseed: 1\nrepeats: 2\nretries: 3\nchecker: countdown\n"
    "sampling: {top_p: 0.9}\nengine: {backend: cpu, compute: bf16, kv_memory: 4MiB, slots: 3}\n"
    "record: {logprobs: false}\nconditions:\n"
    "- {name: a, mode: serial, protocol: countdown-sosp, begin: 1, suppress: ['0'],\n"
    "   label: {tokens: 500}, limit: {context: 300, tokens_thread: 90, tokens_total: 95},\n"
    "   finisher: {tokens: 9}, sampling: {temperature: 0.5, top_k: 7, min_p: 0.1}}\n"
    "- {name: b, mode: symbolic, search: dfs}\n";

typedef struct change {
  const char *from, *to;
  int is_new; /* whether condition a becomes a new run */
} change;

static const change changes[] = {
    {"seed: 1", "seed: 2", 1},
    {"models: one", "models: other", 1},
    {"compute: bf16", "compute: fp32", 1},
    {"mode: serial", "n: 2, mode: vote", 1},
    {"protocol: countdown-sosp", "protocol: countdown-sosp, vote_key: literal", 1},
    {"begin: 1", "begin: 2", 1},
    {"suppress: ['0']", "suppress: ['1']", 1},
    {", suppress: ['0']", "", 1},
    {"label: {tokens: 500}", "label: {tokens: 501}", 1},
    {"label: {tokens: 500}, ", "", 1},
    {"context: 300", "context: 299", 1},
    {"tokens_thread: 90", "tokens_thread: 91", 1},
    {"tokens_total: 95", "tokens_total: 96", 1},
    {"finisher: {tokens: 9}", "finisher: {tokens: 8}", 1},
    {"finisher: {tokens: 9}, ", "", 1},
    {"temperature: 0.5", "temperature: 0.6", 1},
    {"top_k: 7", "top_k: 8", 1},
    {"top_p: 0.9", "top_p: 0.8", 1},
    {"min_p: 0.1", "min_p: 0.2", 1},
    {", min_p: 0.1", "", 1},
    {"name: j", "name: k", 0},
    {"models: one", "models: same", 0}, /* the same weights elsewhere */
    {"models: one", "models: [one]", 0},
    {"models: one", "models: ./one/", 0},
    {"models: one", "models: [one, other]", 0}, /* a is the first of two */
    {"name: a, mode", "name: z, mode", 0},
    {"name: a, mode", "name: a, family: f, mode", 0},
    {"repeats: 2", "repeats: 3", 0},
    {"retries: 3", "retries: 0", 0},
    {"checker: countdown", "checker: countdown-lenient", 0},
    {"backend: cpu", "backend: reference", 0},
    {"backend: cpu, ", "", 0},
    {"kv_memory: 4MiB", "kv_memory: 8MiB", 0},
    {"slots: 3", "slots: 4, rows: 64", 0},
    {"logprobs: false", "logprobs: true", 0},
    {", search: dfs", ", search: bfs", 0},
    {"sampling: {top_p: 0.9}\n", "sampling: {top_p: 0.9, top_k: 50}\n", 0}, /* a has its own */
    {"context: 300", "context: 0x12c", 0},
};

static void change_job(const char *from, const char *to, text *out) {
  const char *at = strstr(base_job, from);
  ck_assert_msg(at != NULL, "\"%s\" is not in the job", from);
  text_clear(out);
  text_add(out, base_job, (size_t)(at - base_job));
  text_put(out, to);
  text_put(out, at + strlen(from));
}

static void check_change(store *s, const char *before, const change *c) {
  job *j;
  text file;
  text_open(&file, 1 << 16);
  change_job(c->from, c->to, &file);
  plan *p = planned(&j, s, text_string(&file), NULL);
  int is_new = strcmp(before, p->runs[0].identity) != 0;
  ck_assert_msg(is_new == c->is_new, "\"%s\" to \"%s\": %s\n%s", c->from, c->to,
                is_new ? "a new run" : "the same run", p->runs[0].identity);
  plan_close(p);
  job_close(j);
  text_close(&file);
}

START_TEST(test_changes) {
  detail err = {0};
  store *s = store_here();
  job *j;
  plan *p = planned(&j, s, base_job, NULL);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
    check_change(s, p->runs[0].identity, &changes[i]);
  plan_close(p);
  job_close(j);
  ck_ok(store_close(s, &err));
}
END_TEST

#define SAMPLED "{\"do_sample\": true, "

/* What a model's files say where a condition says nothing. */
static const struct {
  const char *file, *bytes;
  int is_new;
} folders[] = {
    {"generation_config.json", SAMPLED "\"eos_token_id\": 300}", 1},
    {"generation_config.json", SAMPLED "\"eos_token_id\": [257, 300]}", 1},
    {"generation_config.json", SAMPLED "\"eos_token_id\": 257, \"top_k\": 50}", 1},
    {"generation_config.json", "{\"eos_token_id\": 257}", 1}, /* greedy */
    {"generation_config.json", SAMPLED "\"eos_token_id\": 257, \"bos_token_id\": 9}", 0},
    {"generation_config.json", SAMPLED "\"eos_token_id\": 257, \"temperature\": 1}", 0},
    {"README.md", "what it is\n", 0},
};

static const char left_open[] = "name: j\ntasks: few\nmodels: one\n"
                                "conditions: [{name: a, mode: serial, protocol: countdown-sos}]\n";

START_TEST(test_folders) {
  detail err = {0};
  store *s = store_here();
  job *j;
  plan *p = planned(&j, s, left_open, NULL);
  char *before = strdup(p->runs[0].identity);
  plan_close(p);
  job_close(j);
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    tiny_write("one", folders[i].file, folders[i].bytes);
    p = planned(&j, s, left_open, NULL);
    int is_new = strcmp(before, p->runs[0].identity) != 0;
    ck_assert_msg(is_new == folders[i].is_new, "%s: %s", folders[i].file, folders[i].bytes);
    plan_close(p);
    job_close(j);
  }
  p = planned(&j, s, left_open, &(plan_part){.task_limit = -1, .of = {0, 1}, .class_suffix = "b"});
  ck_assert_str_eq(p->model_class, "cpu-1 bf16 b");
  ck_assert_str_ne(before, p->runs[0].identity);
  plan_close(p);
  job_close(j);
  free(before);
  ck_ok(store_close(s, &err));
}
END_TEST

/* ---- what is planned and written ------------------------------------------------------------ */

static const char whole_job[] =
    "name: j\ntasks: few\nmodels: [one, other]\nconditions:\n"
    "- {name: a, mode: serial, protocol: countdown-sosp, preset: published, limit: {context: "
    "999}}\n"
    "- {name: b, mode: vote, n: 3, protocol: countdown-sos, model: same}\n"
    "- {name: c, mode: symbolic, search: dfs}\n"
    "- {name: d, mode: serial, protocol: countdown-sosp, preset: published, model: one,\n"
    "   limit: {context: 999}}\n";

START_TEST(test_planned) {
  detail err = {0};
  store *s = store_here();
  job *j;
  plan *p = planned(&j, s, whole_job, NULL);
  ck_assert_uint_eq(j->condition_count, 5);
  ck_assert_uint_eq(p->model_count, 3);
  ck_assert_uint_eq(p->run_count, 4); /* the last condition is the first one's run */
  ck_assert_uint_eq(p->run_of[4], 0);
  ck_assert_str_eq(j->conditions[1].name, "a model=other");
  const planned_run *r = p->runs;
  ck_assert_ptr_eq(r[0].model, p->models[0]);
  ck_assert_str_eq(r[1].model->name, "other");
  ck_assert_str_eq(r[0].determinism_class, "cpu-1 bf16");
  ck_assert_str_eq(r[0].checkers[0]->name, "countdown");
  ck_assert_str_eq(protocol_name(r[0].rules.protocol), "countdown-sosp");
  ck_assert_int_eq(r[0].rules.top_k, 50);
  ck_assert_int_eq(r[0].rules.begin_count, 2);
  ck_assert_int_eq(r[0].rules.context, 999);
  ck_assert_int_eq(r[2].rules.begin_count, 1);
  ck_assert_int_eq(r[2].rules.context, TINY_CONTEXT);
  ck_assert_ptr_null(r[3].model);
  ck_assert_ptr_eq(r[3].parameters, j->conditions[3].parameters);
  ck_assert_str_eq(r[3].determinism_class, "symbolic-1");
  plan_close(p);
  job_close(j);
  p = planned(&j, s,
              "name: j\ntasks: few\nconditions:\n- {name: a, mode: symbolic, search: hogwild, "
              "workers: 2}\n",
              NULL);
  ck_assert_str_eq(p->runs[0].determinism_class, "symbolic-2");
  plan_close(p);
  job_close(j);
  ck_ok(store_close(s, &err));
}
END_TEST

/* Alone a sample has a slot for each thread that it may have at once, as in a night. */
START_TEST(test_alone) {
  static const char head[] = "name: j\ntasks: few\nmodels: one\n", more[] = "engine: {slots: 9}\n";
  static const char conditions[] = "conditions:\n"
                                   "- {name: one, mode: serial, protocol: countdown-sosp}\n"
                                   "- {name: n, mode: vote, n: 3, protocol: countdown-sosp}\n"
                                   "- {name: all, mode: spawn_join, protocol: countdown-apr}\n";
  detail err = {0};
  store *s = store_here();
  for (int given = 0; given < 2; given++) {
    char file[512];
    job *j;
    (void)snprintf(file, sizeof file, "%s%s%s", head, given ? more : "", conditions);
    plan *p = planned(&j, s, file, NULL);
    int slots[3], threads[3], night = 0;
    for (int i = 0; i < 3; i++) {
      planned_run *run = &p->runs[i];
      slots[i] = model_engine_options(p, p->models[0], &run, 1, 2, 1).slots;
      night = model_engine_options(p, p->models[0], &run, 1, 2, 0).slots;
      threads[i] = run->rules.threads;
    }
    ck_assert_int_eq(slots[0], 1);
    ck_assert_int_eq(slots[1], 3);
    ck_assert_int_eq(slots[2], night);
    ck_assert_int_eq(threads[2], 1);
    if (given) ck_assert_int_eq(night, 9);
    plan_close(p);
    job_close(j);
  }
  ck_ok(store_close(s, &err));
}
END_TEST

/* The first row of a statement, its columns joined by '|'. */
static void check_row(store *s, const char *sql, const char *expected) {
  detail err = {0};
  query *q = NULL;
  int row;
  text t;
  text_open(&t, 1 << 16);
  ck_ok(query_open(&q, s, sql, &err));
  ck_ok(query_next(q, &row, &err));
  for (int i = 0; row && i < query_columns(q); i++)
    text_format(&t, "%s%s", i ? "|" : "", query_text(q, i));
  ck_assert_str_eq(text_string(&t), expected);
  query_close(q);
  text_close(&t);
}

START_TEST(test_committed) {
  detail err = {0};
  char expected[512], weights[HASH_HEX_BYTES], words[HASH_HEX_BYTES];
  store *s = store_here();
  job *j;
  plan *p = planned(&j, s, whole_job, NULL);
  ck_assert_int_eq(p->runs[0].fresh, 1);
  ck_ok(plan_commit(p, s, NULL, &err));
  check_row(s, "SELECT count(*) FROM run", "4");
  /* Two of the three folders are one model. */
  check_row(s, "SELECT count(*), sum(context), min(vocabulary) FROM model", "2|2048|515");
  (void)hash_hex(&p->models[0]->hash, weights);
  (void)hash_hex(&p->models[0]->tokenizer_hash, words);
  (void)snprintf(expected, sizeof expected, "%s|%s|LlamaForCausalLM|72", weights, words);
  check_row(s,
            "SELECT lower(hex(hash)), lower(hex(tokenizer)), architecture, config ->> 'hidden' "
            "FROM model WHERE name = 'one'",
            expected);
  (void)snprintf(expected, sizeof expected,
                 "serial|countdown-sosp|cpu-1 bf16|%s|%s|0.0|999|serial-1 countdown-sosp-1",
                 p->models[0]->token_unit, weights);
  check_row(s,
            "SELECT mode, protocol, determinism_class, token_unit, lower(hex(model_hash)), "
            "parameters ->> 'sampling.temperature', parameters ->> '$.limit.context', "
            "identity_json ->> 'rules' FROM run ORDER BY id LIMIT 1",
            expected);
  check_row(s, "SELECT name, axes FROM condition WHERE ordinal = 1",
            "a model=other|{\"model\":\"other\"}");
  plan_close(p);
  job_close(j);
  /* The document that the store keeps is the job. */
  query *q = NULL;
  int row;
  ck_ok(query_open(&q, s, "SELECT document FROM job", &err));
  ck_ok(query_next(q, &row, &err));
  p = planned(&j, s, query_text(q, 0), NULL);
  query_close(q);
  text explained;
  text_open(&explained, 1 << 16);
  ck_ok(plan_explain(p, s, &explained, &err));
  ck_assert_str_eq(text_string(&explained), "a model=one: run 1 is there, 3 of 3 samples left\n"
                                            "a model=other: run 2 is there, 3 of 3 samples left\n"
                                            "b: run 3 is there, 3 of 3 samples left\n"
                                            "c: run 4 is there, 3 of 3 samples left\n"
                                            "d: run 1 is there, 3 of 3 samples left\n");
  text_close(&explained);
  plan_close(p);
  job_close(j);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(test_explained) {
  detail err = {0};
  store *s = store_here();
  job *j;
  plan *p = planned(&j, s, left_open, NULL);
  ck_ok(plan_commit(p, s, NULL, &err));
  plan_close(p);
  job_close(j);
  p = planned(&j, s,
              "name: j\ntasks: few\nmodels: one\nengine: {compute: fp32}\nconditions:\n"
              "- {name: a, mode: serial, protocol: countdown-sos, sampling: {top_k: 9}}\n",
              NULL);
  text t;
  text_open(&t, 1 << 16);
  ck_ok(plan_explain(p, s, &t, &err));
  ck_assert_str_eq(text_string(&t), "a: a new run\nthe nearest run differs in 2 fields:\n"
                                    "  class: \"cpu-1 bf16\" -> \"cpu-1 fp32\"\n"
                                    "  parameters.sampling.top_k: 0 -> 9\n");
  text_close(&t);
  plan_close(p);
  job_close(j);
  ck_ok(store_close(s, &err));
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------ */

#define HEAD "name: j\ntasks: few\nmodels: one\nconditions:\n"

static const struct {
  const char *file;
  int line;
  const char *says;
} refused[] = {
    {HEAD "- {name: a, mode: serial, protocol: generic, prompt: '{question}'}\n", 5,
     "condition 'a': protocol generic is for tasks of kind question, and those of 'few' are of "
     "kind countdown"},
    {"name: j\ntasks: quiz\nmodels: one\nconditions:\n"
     "- {name: a, mode: serial, protocol: countdown-sos}\n",
     5, "protocol countdown-sos is for tasks of kind countdown"},
    {"name: j\ntasks: quiz\nconditions:\n- {name: a, mode: symbolic, search: dfs}\n", 4,
     "mode symbolic is for tasks of kind countdown, and those of 'quiz' are of kind question"},
    {HEAD "- {name: a, mode: symbolic, search: dfs}\n"
          "- {name: b, mode: serial, protocol: countdown-sos, suppress: ['no such token']}\n",
     6, "condition 'b': suppress: the tokenizer of one has no token \"no such token\""},
    {HEAD "- {name: a, mode: serial, protocol: countdown-sos, limit: {context: 5000}}\n", 5,
     "limit.context is 5000, and model one was made for 1024"},
    {"name: j\ntasks: few\nmodels: two\n"
     "conditions: [{name: a, mode: serial, protocol: countdown-sos}]\n",
     0, "there is no such folder"},
};

START_TEST(test_refused) {
  detail err = {0};
  store *s = store_here();
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    plan *p;
    job *j;
    err = (detail){0};
    ck_fails(try_plan(&p, &j, s, refused[i].file, NULL, &err), E_INPUT, refused[i].says);
    ck_assert_int_eq(err.line, refused[i].line);
    job_close(j);
  }
  ck_ok(store_close(s, &err));
}
END_TEST

/* Weights that are rounded are said to be, unless nothing is. */
START_TEST(test_rounding) {
  detail err = {0};
  store *s = store_here();
  (void)tiny_model("wide", 1, ELEMENT_FP32, NULL);
  for (int fp32 = 0; fp32 < 2; fp32++) {
    const char *path = support_path("messages");
    logger *messages = NULL;
    job *j;
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_ok(log_open(&messages, file, 0, 0, &err));
    plan_part part = {.task_limit = -1, .of = {0, 1}, .messages = messages};
    plan *p = planned(&j, s,
                      fp32 ? "name: j\ntasks: few\nmodels: wide\nengine: {compute: fp32}\n"
                             "conditions: [{name: a, mode: serial, protocol: countdown-sos}]\n"
                           : "name: j\ntasks: few\nmodels: wide\n"
                             "conditions: [{name: a, mode: serial, protocol: countdown-sos}]\n",
                      &part);
    plan_close(p);
    job_close(j);
    log_close(messages);
    (void)fclose(file);
    char *said = support_read(path, NULL);
    ck_assert_int_eq(strstr(said, "weights in F32 are rounded to bf16") != NULL, !fp32);
    free(said);
  }
  ck_ok(store_close(s, &err));
}
END_TEST

/* One allocation fails while a job is read and planned: E_MEMORY or, where it can be done without,
   the same plan. Those of a tokenizer are many and alike: behind the first ones only some fail. */
static int plan_without(int64_t at, store *s, const char *expected) {
  detail err = {0};
  plan *p = NULL;
  job *j = NULL;
  memory_fail_once(at);
  status failed = try_plan(&p, &j, s, whole_job, NULL, &err);
  int met = memory_asked() > at;
  memory_fail_once(-1);
  ck_assert_msg(!failed || failed == E_MEMORY, "%lld: %s: %s", (long long)at, status_name(failed),
                err.text);
  if (!failed) ck_assert_str_eq(p->runs[1].identity, expected);
  plan_close(p);
  job_close(j);
  return met;
}

START_TEST(test_memory) {
  detail err = {0};
  store *s = store_here();
  job *j;
  plan *p = planned(&j, s, whole_job, NULL);
  int64_t at = 0;
  while (plan_without(at, s, p->runs[1].identity))
    at += at < 300 ? 1 : 37;
  ck_assert_int_gt(at, 1000);
  plan_close(p);
  job_close(j);
  ck_ok(store_close(s, &err));
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("plan");
  TCase *cases = tcase_create("plan");
  tcase_add_test(cases, test_changes);
  tcase_add_test(cases, test_folders);
  tcase_add_test(cases, test_planned);
  tcase_add_test(cases, test_alone);
  tcase_add_test(cases, test_committed);
  tcase_add_test(cases, test_explained);
  tcase_add_test(cases, test_refused);
  tcase_add_test(cases, test_rounding);
  tcase_add_test(cases, test_memory);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
