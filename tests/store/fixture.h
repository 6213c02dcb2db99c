/* What the store's suites share: a store with tasks and a run, plain samples, and one number by
   SQL. Each fails the test when it cannot do its work. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store/place_internal.h"
#include "store/query.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

static inline store *open_store(const char *name, store_access access) {
  detail err;
  store *s = NULL;
  ck_ok(store_open(&s, support_path(name), access, NULL, &err));
  return s;
}

static inline void close_store(store *s) {
  detail err;
  ck_ok(store_close(s, &err));
}

static inline int64_t number(store *s, const char *sql) {
  detail err;
  query *q;
  int row;
  ck_ok(query_open(&q, s, sql, &err));
  ck_ok(query_next(q, &row, &err));
  int64_t value = row ? query_int(q, 0) : 0;
  query_close(q);
  return value;
}

/* A set of count tasks "question 0", ... with targets {"n":0}, ...; returns the set. */
static inline store_task_set add_tasks(store *s, const char *name, int count) {
  detail err;
  ck_ok(store_task_set_begin(s, name, "countdown", "{}", &err));
  for (int i = 0; i < count; i++) {
    char question[64], target[64];
    (void)snprintf(question, sizeof question, "%s question %d", name, i);
    (void)snprintf(target, sizeof target, "{\"n\":%d}", i);
    store_task task = {.question = question, .target = target};
    ck_ok(store_task_add(s, &task, &err));
  }
  store_task_set set;
  int added;
  ck_ok(store_task_set_end(s, &set, &added, &err));
  ck_assert_int_eq(added, 1);
  return set;
}

static inline int64_t add_run(store *s, int64_t task_set, const char *identity) {
  detail err;
  store_run_new r = {.identity_json = identity,
                     .task_set = task_set,
                     .mode = "symbolic",
                     .parameters_json = "{}",
                     .token_unit = "llama2",
                     .determinism_class = "symbolic-1",
                     .seed = 42};
  int64_t run;
  int made;
  ck_ok(store_run(s, &r, &run, &made, &err));
  return run;
}

static inline void start_process(store *s) {
  detail err;
  store_process p = {.version = "1", .device = "cpu", .settings_json = "{}"};
  ck_ok(store_process_start(s, &p, &err));
}

/* A store with a process, a set of count tasks (ids from 1) and run 1 over it. */
static inline store *open_ready(const char *name, int count) {
  store *s = open_store(name, STORE_WRITE);
  store_task_set set = add_tasks(s, "tasks", count);
  ck_assert_int_eq(add_run(s, set.id, "{\"run\":1}"), 1);
  start_process(s);
  return s;
}

static inline store_sample plain_sample(int64_t task, int32_t repeat, const char *state) {
  return (store_sample){.run = 1,
                        .task = task,
                        .repeat = repeat,
                        .attempt = 1,
                        .status = state,
                        .batch_samples = -1,
                        .first_token_ns = STORE_NONE,
                        .costs = {.flops = -1}};
}

static inline store_thread plain_thread(const char *path, int32_t parent, const char *trace) {
  return (store_thread){.path = path,
                        .role = parent < 0 ? "parent" : "child",
                        .finish = "end",
                        .parent = parent,
                        .worker = -1,
                        .round = parent < 0 ? -1 : 0,
                        .spawn_token = STORE_NONE,
                        .join_token = STORE_NONE,
                        .first_token_ns = STORE_NONE,
                        .text = trace,
                        .text_bytes = strlen(trace),
                        .layout_json = "[[\"prompt\",0,4]]"};
}

/* What a model wrote: a prompt of two tokens, of the first, and count - 2 that it sampled. */
enum { MODEL_TOKENS = 40, MODEL_PROMPT = 2 };
static inline store_thread model_thread(const char *path, int32_t parent,
                                        uint32_t ids[MODEL_TOKENS], float logprobs[MODEL_TOKENS],
                                        uint32_t first) {
  store_thread t = plain_thread(path, parent, "a prompt, and what was sampled");
  t.role = parent < 0 ? "root" : "voter";
  t.logprob = 0;
  for (uint32_t i = 0; i < MODEL_TOKENS; i++) {
    ids[i] = first + i % 7 + (i == 5) * 70000;
    logprobs[i] = -0.25f * (float)(i % 5);
    t.logprob += i < MODEL_TOKENS - MODEL_PROMPT ? (double)logprobs[i] : 0;
  }
  t.ids = ids;
  t.id_count = MODEL_TOKENS;
  t.logprobs = logprobs;
  t.logprob_count = MODEL_TOKENS - MODEL_PROMPT;
  t.tokens_prompt = MODEL_PROMPT;
  t.tokens_generated = MODEL_TOKENS - MODEL_PROMPT;
  t.bits_hash = first;
  t.layout_json = "[[\"prompt\",0,2,0,8,0],[\"generated\",2,38,8,22,1]]";
  return t;
}

static inline void put_plain(store *s, int64_t task, int32_t repeat, const char *state) {
  detail err;
  store_sample sample = plain_sample(task, repeat, state);
  ck_ok(store_put(s, &sample, NULL, 0, &err));
}

static inline void check_clean(store *s) {
  detail err;
  query *q;
  int row;
  ck_ok(query_open(&q, s, "PRAGMA integrity_check", &err));
  ck_ok(query_next(q, &row, &err));
  ck_assert_str_eq(query_text(q, 0), "ok");
  query_close(q);
  ck_ok(query_open(&q, s, "PRAGMA foreign_key_check", &err));
  ck_ok(query_next(q, &row, &err));
  ck_assert_int_eq(row, 0);
  query_close(q);
}

#endif
