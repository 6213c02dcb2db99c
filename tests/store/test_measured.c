/* What a run of a model leaves beside its samples: the model, fingerprints, times alone, the
   engine's load, and the lengths to expect. */
#include "tests/store/fixture.h"

static hash hash_named(const char *name) {
  return hash_of(name, strlen(name));
}

static int64_t add_model_run(store *s, int64_t set, const char *identity, const char *model,
                             const char *mode, const hash *fingerprint) {
  detail err;
  int64_t run;
  int made;
  hash of = hash_named(model);
  store_run_new r = {.identity_json = identity,
                     .task_set = set,
                     .mode = mode,
                     .parameters_json = "{}",
                     .token_unit = "tok-1",
                     .determinism_class = "cpu-1 bf16",
                     .model = &of};
  ck_ok(store_run(s, &r, &run, &made, &err));
  if (fingerprint) ck_ok(store_run_mark(s, run, fingerprint, &err));
  return run;
}

START_TEST(a_model_is_kept_as_it_first_came) {
  detail err;
  store *s = open_store("model.db", STORE_WRITE);
  store_model m = {.hash = hash_named("weights"),
                   .tokenizer = hash_named("tokenizer"),
                   .name = "countdown",
                   .architecture = "llama",
                   .config_json = "{\"layers\":2}",
                   .parameters = INT64_C(7000000000),
                   .context = 4096,
                   .vocabulary = 32000};
  ck_ok(store_model_put(s, &m, &err));
  m.name = "another folder";
  ck_ok(store_model_put(s, &m, &err));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM model WHERE name = 'countdown' AND architecture "
                             "= 'llama' AND config = '{\"layers\":2}' AND parameters = 7000000000 "
                             "AND context = 4096 AND vocabulary = 32000 AND hash <> tokenizer"),
                   1);
  m.hash = hash_named("other weights");
  ck_ok(store_model_put(s, &m, &err));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM model"), 2);
  close_store(s);
  s = open_store("model.db", STORE_READ);
  ck_fails(store_model_put(s, &m, &err), E_STORE, "reading");
  close_store(s);
}
END_TEST

START_TEST(a_run_keeps_its_fingerprint) {
  detail err;
  hash first = hash_named("bits"), other = hash_named("other bits"), read;
  int found;
  store *s = open_store("run.db", STORE_WRITE);
  store_task_set set = add_tasks(s, "tasks", 1);
  int64_t run = add_model_run(s, set.id, "{\"a\":1}", "m", "serial", &first);
  ck_ok(store_run_fingerprint(s, run, &read, &found, &err));
  ck_assert(found && hash_equal(&read, &first));
  ck_assert_int_eq(add_model_run(s, set.id, "{\"a\":1}", "m", "serial", &other), run);
  ck_ok(store_run_fingerprint(s, run, &read, &found, &err));
  ck_assert(found && hash_equal(&read, &first));
  int64_t without = add_run(s, set.id, "{\"a\":2}");
  ck_ok(store_run_fingerprint(s, without, &read, &found, &err));
  ck_assert(!found);
  ck_assert_int_eq(add_model_run(s, set.id, "{\"a\":2}", "m", "serial", NULL), without);
  ck_ok(store_run_fingerprint(s, without, &read, &found, &err));
  ck_assert(!found);
  ck_ok(store_run_mark(s, without, &other, &err));
  ck_ok(store_run_mark(s, without, &first, &err));
  ck_ok(store_run_fingerprint(s, without, &read, &found, &err));
  ck_assert(found && hash_equal(&read, &other));
  ck_fails(store_run_fingerprint(s, 99, &read, &found, &err), E_INPUT, "no run 99");
  ck_ok(query_run(s, "UPDATE run SET fingerprint = x'0102' WHERE id = 1", &err));
  ck_fails(store_run_fingerprint(s, run, &read, &found, &err), E_STORE, "has not 32 bytes");
  close_store(s);
}
END_TEST

START_TEST(passes_alone_belong_to_a_sample) {
  detail err;
  store *s = open_ready("alone.db", 2);
  put_plain(s, 1, 0, "done");
  put_plain(s, 2, 0, "failed");
  ck_ok(store_flush(s, &err));
  for (int32_t pass = 0; pass < 3; pass++) {
    store_alone a = {.sample = 1, .pass = pass, .total_ns = 100 + pass, .first_token_ns = 7};
    if (pass == 2) a.first_token_ns = STORE_NONE;
    ck_ok(store_alone_put(s, &a, &err));
  }
  store_alone again = {.sample = 1, .pass = 1, .total_ns = 50, .first_token_ns = 7};
  ck_ok(store_alone_put(s, &again, &err));
  again.sample = 2;
  ck_ok(store_alone_put(s, &again, &err));
  again.sample = 77;
  ck_fails(store_alone_put(s, &again, &err), E_STORE, "no sample 77");
  ck_assert_int_eq(number(s, "SELECT sum(total_ns) FROM alone WHERE sample = 1 AND process = 1"),
                   100 + 50 + 102);
  ck_assert_int_eq(number(s, "SELECT count(first_token_ns) FROM alone WHERE sample = 1"), 2);
  put_plain(s, 2, 0, "done"); /* a failed sample that is replaced takes its passes along */
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM alone"), 3);
  check_clean(s);
  close_store(s);
}
END_TEST

START_TEST(load_is_written_behind_samples) {
  detail err;
  store *s = open_ready("load.db", 50);
  for (int i = 1; i <= 50; i++) {
    put_plain(s, i, 0, "done");
    store_load load = {.at_ns = 1000 * i,
                       .interval_ns = 1000,
                       .steps = i,
                       .rows = 2,
                       .sampled = 3,
                       .prefilled = 4,
                       .found = 5,
                       .recomputed = 6,
                       .preempted = 7,
                       .threads_running = 8.5,
                       .threads_waiting = 9.5,
                       .samples = 10.5,
                       .pages = 11,
                       .pages_used = 12,
                       .step_ns = 13,
                       .record_ns = 14};
    ck_ok(store_load_put(s, &load, &err));
  }
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(store_written(s).samples, 50);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM engine_load WHERE process = 1 AND at_ns = 1000 "
                             "* steps AND interval_ns = 1000 AND rows = 2 AND sampled = 3 AND "
                             "prefilled = 4 AND found = 5 AND recomputed = 6 AND preempted = 7 "
                             "AND threads_running = 8.5 AND threads_waiting = 9.5 AND samples = "
                             "10.5 AND pages = 11 AND pages_used = 12 AND step_ns = 13 AND "
                             "record_ns = 14"),
                   50);
  /* What ends no later than the one before is a mistake, and said like any failure to write. */
  store_load twice = {.at_ns = 50000, .interval_ns = 1};
  ck_ok(store_load_put(s, &twice, &err));
  ck_fails(store_flush(s, &err), E_STORE, "engine_load");
  store_discard(s);
  s = open_store("load.db", STORE_READ);
  ck_fails(store_load_put(s, &twice, &err), E_STORE, "reading");
  close_store(s);
}
END_TEST

static void put_tokens(store *s, int64_t run, int64_t task, const char *state, int threads,
                       int64_t tokens, int derived) {
  detail err;
  static int32_t repeat;
  store_thread each[4];
  store_sample sample = plain_sample(task, repeat++, state);
  for (int i = 0; i < threads; i++)
    each[i] = plain_thread("0", -1, "");
  sample.run = run;
  sample.costs.tokens_generated = tokens;
  sample.derived = derived;
  sample.threads = each;
  sample.thread_count = threads;
  ck_ok(store_put(s, &sample, NULL, 0, &err));
  ck_ok(store_flush(s, &err));
}

static int64_t expected(store *s, const char *model, const char *mode, int64_t task) {
  detail err;
  int64_t tokens = -1;
  hash of = hash_named(model);
  ck_ok(store_expected_tokens(s, &of, mode, task, &tokens, &err));
  return tokens;
}

START_TEST(lengths_are_expected_of_earlier_samples) {
  detail err;
  store *s = open_store("expected.db", STORE_WRITE);
  store_task_set set = add_tasks(s, "tasks", 4);
  int64_t one = add_model_run(s, set.id, "{\"a\":1}", "m", "vote", NULL);
  int64_t two = add_model_run(s, set.id, "{\"a\":2}", "m", "vote", NULL);
  int64_t serial = add_model_run(s, set.id, "{\"a\":3}", "m", "serial", NULL);
  int64_t other = add_model_run(s, set.id, "{\"a\":4}", "n", "vote", NULL);
  start_process(s);
  ck_assert_int_eq(expected(s, "m", "vote", 1), 0);
  put_tokens(s, one, 1, "done", 4, 400, 0);
  put_tokens(s, two, 1, "capped", 1, 600, 0);
  put_tokens(s, one, 2, "done", 3, 500, 0);
  put_tokens(s, one, 1, "failed", 0, 0, 0);
  put_tokens(s, one, 1, "done", 1, 9000, 1); /* derived: its tokens were counted already */
  put_tokens(s, serial, 1, "done", 1, 70, 0);
  put_tokens(s, other, 1, "done", 1, 80, 0);
  ck_assert_int_eq(expected(s, "m", "vote", 1), 200); /* 1000 over 5 threads */
  ck_assert_int_eq(expected(s, "m", "vote", 2), 166);
  ck_assert_int_eq(expected(s, "m", "vote", 3), 187); /* 1500 over 8 */
  ck_assert_int_eq(expected(s, "m", "serial", 4), 70);
  ck_assert_int_eq(expected(s, "n", "vote", 4), 80);
  ck_assert_int_eq(expected(s, "n", "serial", 1), 0);
  /* What is kept is of the last model and mode alone. */
  put_tokens(s, serial, 2, "done", 1, 130, 0);
  ck_assert_int_eq(expected(s, "n", "vote", 4), 80);
  ck_assert_int_eq(expected(s, "m", "serial", 4), 100);
  /* A length is none where somebody put what no sample has. */
  ck_ok(query_run(s, "UPDATE sample SET tokens_generated = -9223372036854775808", &err));
  ck_assert_int_eq(expected(s, "m", "vote", 1), 0);
  close_store(s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("measured");
  TCase *all = tcase_create("measured");
  tcase_add_test(all, a_model_is_kept_as_it_first_came);
  tcase_add_test(all, a_run_keeps_its_fingerprint);
  tcase_add_test(all, passes_alone_belong_to_a_sample);
  tcase_add_test(all, load_is_written_behind_samples);
  tcase_add_test(all, lengths_are_expected_of_earlier_samples);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
