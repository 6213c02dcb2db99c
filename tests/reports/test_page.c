/* The text page and its JSON: what is said, that it agrees with the views, and that it fits. */
#include "base/json.h"
#include "base/memory.h"
#include "tests/reports/fixture.h"

#include <stdlib.h>

static text page;

static const char *page_of(store *s, report_options o) {
  detail err;
  text_open(&page, 1 << 20);
  ck_ok(report_text(s, &o, &page, &err));
  return text_string(&page);
}

static void expect(const char *shown, const char *piece) {
  ck_assert_msg(strstr(shown, piece) != NULL, "no \"%s\" in:\n%s", piece, shown);
}

static void refuse(const char *shown, const char *piece) {
  ck_assert_msg(strstr(shown, piece) == NULL, "\"%s\" in:\n%s", piece, shown);
}

/* Two families of two conditions over 40 tasks, f ahead of g by 8 tasks at either cost. */
static store *two_families(const char *compare) {
  store *s = tiny_store(40, NULL, compare);
  const char *names[] = {"f 1", "f 2", "g 1", "g 2"};
  const int solved[] = {16, 32, 8, 24}, cost[] = {900, 2300, 1000, 2200};
  for (int i = 0; i < 4; i++) {
    char scores[41] = {0};
    for (int task = 0; task < 40; task++)
      scores[task] = task < solved[i] ? '1' : '0';
    tiny_condition(s, i + 1, names[i], i < 2 ? "f" : "g", 1);
    tiny_samples(s, i + 1, scores, cost[i]);
  }
  return s;
}

static void expect_to_fit(const char *shown, int width) {
  for (const char *line = shown; *line;) {
    const char *end = strchr(line, '\n');
    ck_assert_ptr_nonnull(end);
    int wide = 0;
    for (const char *c = line; c < end; c++)
      wide += (*c & 0xc0) != 0x80;
    ck_assert_msg(wide <= width, "%d columns: %.*s", wide, (int)(end - line), line);
    ck_assert_msg(end == line || end[-1] != ' ', "ends in a space: %.*s", (int)(end - line), line);
    line = end + 1;
  }
}

START_TEST(the_first_screen) {
  detail err;
  store *s = two_families("[{\"a\":\"f\",\"b\":\"g\",\"axis\":\"tokens_ref\",\"at\":[512,1024]},"
                          "{\"a\":\"f 1\",\"b\":\"g 1\"},{\"a\":\"g 1\",\"b\":\"f 1\"}]");
  const char *shown = page_of(s, (report_options){.job = "j"});
  expect(shown, "Job j\n  tasks    tiny@1, 40 tasks, partition test\n"
                "  samples  160 of 160: 4 conditions, 1 repeat a task\n"
                "  solver   symbolic, class symbolic-1, tokens as llama2 counts them; checker "
                "countdown\n");
  expect(shown, "0 failed, left out of every accuracy; 0 capped (0.0 %)");
  /* f at 1024: 0.4 + 0.4 x 124 / 1400 = 43.5 %; g: 0.2 + 0.4 x 24 / 1200 = 20.8 %. */
  expect(shown, "f    g    tokens_ref    1024  43.5  20.8");
  expect(shown, "budget too small: a costs 900 at least, b 1000");
  /* Eight wins and no loss: p = 2 / 2^8; of three tests in the family it is the middle one. */
  expect(shown, "40.0  20.0  +20.0");
  expect(shown, "better");
  expect(shown, "worse");
  /* 16 of 40: 1.959964 x sqrt(0.24 / 39) = 15.4 points. */
  expect(shown, "f 1        40.0   [24.6, 55.4]       0       0     900       900   900     900\n");
  /* At 2048 f has 0.4 + 0.4 x 1148 / 1400 = 72.8 %, g 0.2 + 0.4 x 1048 / 1200 = 54.9 %. */
  expect(shown, "    2048  *72.8  54.9\n");
  expect(shown, "Intervals say how accuracies might differ on other tasks");
  refuse(shown, "winner");
  refuse(shown, "\x1b");
  expect_to_fit(shown, 100);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(families_that_are_alike_are_not_ranked) {
  detail err;
  store *s = tiny_store(6, NULL, "[]");
  const char *names[] = {"f 1", "f 2", "g 1", "g 2"},
             *scores[] = {"101000", "101110", "010001", "110010"};
  for (int i = 0; i < 4; i++) {
    tiny_condition(s, i + 1, names[i], i < 2 ? "f" : "g", 1);
    tiny_samples(s, i + 1, scores[i], i % 2 ? 1500 : 500);
  }
  const char *shown = page_of(s, (report_options){0});
  expect(shown, "     512  =33.7  33.5\n"); /* 1/3 + 1/3 x 12 / 1000; 1/3 + 1/6 x 12 / 1000 */
  refuse(shown, "*3");
  expect(shown, "The job declares none");
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(validity_names_what_is_amiss) {
  detail err;
  store *s = two_families("[{\"a\":\"f\",\"b\":\"g\"}]");
  run_sql(s, "UPDATE sample SET status = 'failed', error = 'x' WHERE id = 1;"
             "UPDATE sample SET status = 'capped' WHERE id = 2;"
             "DELETE FROM verdict WHERE sample = 3; DELETE FROM sample WHERE id = 4;"
             "UPDATE task SET split = 'dev' WHERE id = 1;"
             "UPDATE run SET determinism_class = 'symbolic-2' WHERE id = 2");
  const char *shown = page_of(s, (report_options){.job = "j"});
  expect(shown, "1 failed, left out of every accuracy; 1 capped (0.6 %)");
  expect(shown, "1 finished samples have no verdict");
  expect(shown, "Partitions are mixed");
  expect(shown, "Determinism classes are mixed");
  expect(shown, "The job is not complete");
  expect(shown, "Refused: job 'j': family 'f' has 2 conditions");
  expect(shown, "f 2        80.0"); /* the rest of the page is there */
  expect_to_fit(shown, 100);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(a_reader_prints_without_writing) {
  detail err;
  char both[2][8192];
  store *s = two_families("[{\"a\":\"f 1\",\"b\":\"g 1\"}]");
  ck_ok(store_close(s, &err));
  for (int computed = 0; computed < 2; computed++) {
    ck_ok(store_open(&s, support_path("tiny.db"), STORE_READ, NULL, &err));
    const char *shown = page_of(s, (report_options){.job = "j"});
    ck_assert_uint_lt(strlen(shown), sizeof both[0]);
    strcpy(both[computed], shown);
    ck_assert_str_eq(value_of(s, "SELECT count(*) FROM comparison"), computed ? "1" : "0");
    ck_ok(store_close(s, &err));
    text_close(&page);
    ck_ok(store_open(&s, support_path("tiny.db"), STORE_WRITE, NULL, &err));
    ck_ok(report_comparisons(s, "j", &err));
    ck_ok(store_close(s, &err));
  }
  ck_assert_str_eq(both[0], both[1]); /* computed for the page, and read from the store */
}
END_TEST

START_TEST(nothing_there_is_said_kindly) {
  detail err;
  store *s = NULL;
  ck_ok(store_open(&s, support_path("empty.db"), STORE_WRITE, NULL, &err));
  expect(page_of(s, (report_options){0}), "holds no job yet. `nightjar run JOB.yaml`");
  text_close(&page);
  report_options o = {.job = "jobb"};
  text_open(&page, 1 << 20);
  ck_fails(report_text(s, &o, &page, &err), E_INPUT, "no job 'jobb'");
  o.json = 1;
  ck_fails(report_text(s, &o, &page, &err), E_INPUT, "no job 'jobb'");
  text_close(&page);
  ck_ok(store_close(s, &err));
  s = tiny_store(3, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  expect(page_of(s, (report_options){0}), "samples  0 of 3");
  expect(text_string(&page), "No sample has been stored for this job yet");
  text_close(&page);
  tiny_samples(s, 1, "fff", 10); /* all failed: no accuracy, and no interval */
  expect(page_of(s, (report_options){0}), "3 failed");
  expect_to_fit(text_string(&page), 100);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(long_names_and_many_families_fit) {
  detail err;
  store *s = tiny_store(
      4, NULL,
      "[{\"a\":\"a-family-of-a-rather-long-name-0\",\"b\":\"a-family-of-a-rather-long-name-1\","
      "\"axis\":\"seq_critical_path_injected\",\"at\":[1024,16384]}]");
  char name[256], family[64];
  for (int i = 0; i < 16; i++) {
    (void)snprintf(family, sizeof family, "a-family-of-a-rather-long-name-%d", i / 2);
    (void)snprintf(name, sizeof name, "%s beam=%d limit.context=2048 heuristic=mult order=shuffled",
                   family, i % 2);
    tiny_condition(s, i + 1, name, family, 1);
    tiny_samples(s, i + 1, i % 3 ? "1010" : "1100", i % 2 ? 3000 : 300);
  }
  expect_to_fit(page_of(s, (report_options){0}), 100);
  expect(text_string(&page), "~");
  text_close(&page);
  expect_to_fit(page_of(s, (report_options){.width = 90}), 90);
  text_close(&page);
  expect(page_of(s, (report_options){.color = 1}), "\x1b[1mValidity\x1b[0m");
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(json_holds_what_the_views_hold) {
  detail err;
  json_t *document = NULL;
  store *s = two_families("[{\"a\":\"f 1\",\"b\":\"g 1\"}]");
  const char *shown = page_of(s, (report_options){.json = 1});
  ck_ok(json_read(&document, shown, strlen(shown), "page", 1, &err));
  const json_t *job = json_array_get(json_object_get(document, "jobs"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(job, "job")), "j");
  ck_assert_uint_eq(json_array_size(json_object_get(job, "accuracy")), 4);
  const json_t *row = json_array_get(json_object_get(job, "comparison"), 0);
  ck_near(json_number_value(json_object_get(row, "difference")), 0.2);
  ck_near(json_number_value(json_object_get(row, "p_holm")), 0.0078125);
  ck_assert_uint_eq(json_array_size(json_object_get(job, "latency")), 4);
  ck_assert_uint_eq(json_array_size(json_object_get(job, "cons_at_k")), 0);
  ck_assert_uint_eq(json_array_size(json_object_get(job, "throughput")), 0);
  json_decref(document);
  text_close(&page);
  report_options o = {.json = 1};
  report_contrast c = {.job = "j", .a = "f 2", .b = "g 1"};
  text_open(&page, 1 << 20);
  ck_ok(report_compare(s, &c, &o, &page, &err));
  ck_ok(json_read(&document, text_string(&page), page.bytes, "page", 1, &err));
  row = json_array_get(json_object_get(document, "comparison"), 0);
  ck_near(json_number_value(json_object_get(row, "difference")), 0.6);
  ck_assert(json_is_null(json_object_get(row, "p")));
  json_decref(document);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

/* Of a store that somebody changed; a name may look like such a number. */
START_TEST(json_has_no_infinite_numbers) {
  detail err;
  json_t *document = NULL;
  store *s = tiny_store(3, NULL, "[]");
  tiny_condition(s, 1, "-Inf", "9.0e+999", 1);
  tiny_samples(s, 1, "110", 10);
  ck_ok(query_run(s, "UPDATE sample SET batch_samples = -9e999 WHERE id = 2", &err));
  const char *shown = page_of(s, (report_options){.json = 1});
  ck_ok(json_read(&document, shown, strlen(shown), "page", 1, &err));
  const json_t *job = json_array_get(json_object_get(document, "jobs"), 0);
  const json_t *row = json_array_get(json_object_get(job, "latency"), 0);
  ck_assert(json_is_null(json_object_get(row, "batch_samples")));
  ck_assert(json_is_number(json_object_get(row, "mean_ms")));
  ck_assert_str_eq(json_string_value(json_object_get(row, "condition")), "-Inf");
  json_decref(document);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

/* The page computes these itself; each must be the view's, to the digit that is shown. */
START_TEST(budgets_and_latencies_are_the_views) {
  detail err;
  store *s = tiny_store(24, NULL, "[]");
  query *q = NULL;
  int row, rows = 0;
  for (int i = 0; i < 6; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "%c %d", i % 2 ? 'g' : 'f', i);
    tiny_condition(s, i + 1, name, i % 2 ? "g" : "f", 1 + i % 3);
    for (int sample = 0; sample < 24 * (1 + i % 3); sample++) {
      int place = 7 * sample + 5 * i;
      tiny_sample(s, i + 1, sample % 24, sample / 24, place % 11 ? 'd' : 'f',
                  place % 11 ? place % 3 / 2.0 : -1, 60 * (i + 1) * (i + 1) + place % 50);
    }
  }
  const char *shown = page_of(s, (report_options){.job = "j"});
  ck_ok(query_open(&q, s,
                   "SELECT printf('%7.0f', budget), printf('%s%.1f', CASE kind WHEN 'below' THEN "
                   "'<' ELSE '' END, 100 * accuracy) FROM accuracy_by_budget "
                   "WHERE axis = 'tokens_ref' AND kind <> 'mean cost'",
                   &err));
  const char *table = strstr(shown, "Best at each budget of tokens_ref");
  ck_assert_ptr_nonnull(table);
  for (; query_next(q, &row, &err) == OK && row; rows++) {
    char line[64];
    (void)snprintf(line, sizeof line, "\n  %s  ", query_text(q, 0) + 1);
    const char *found = strstr(table, line);
    ck_assert_msg(found != NULL, "no line \"%s\" in:\n%s", line, table);
    char *copy = strndup(found + 1, strcspn(found + 1, "\n"));
    expect(copy, query_text(q, 1));
    free(copy);
  }
  ck_assert_int_ge(rows, 8);
  query_close(q);
  ck_ok(query_open(&q, s, "SELECT condition, printf('%.*f', 1, p50_ms) FROM latency", &err));
  for (rows = 0; query_next(q, &row, &err) == OK && row; rows++) {
    const char *line = strstr(strstr(shown, "Accuracy by condition"), query_text(q, 0));
    char *copy = strndup(line, strcspn(line, "\n"));
    size_t whole = (size_t)(strchr(query_text(q, 1), '.') - query_text(q, 1));
    char *wanted = strndup(query_text(q, 1), whole);
    expect(copy, whole > 2 ? wanted : query_text(q, 1));
    free(wanted);
    free(copy);
  }
  ck_assert_int_eq(rows, 6);
  query_close(q);
  double se = number_of(s, "SELECT se FROM (SELECT se, row_number() OVER (ORDER BY se) AS place, "
                           "count(*) OVER () AS many FROM paired WHERE a < b AND se > 1e-9) "
                           "WHERE place = (many + 1) / 2");
  char seen[32];
  (void)snprintf(seen, sizeof seen, " %.1f points", 100 * 2.801585 * se); /* z(.975) + z(.8) */
  expect(strstr(shown, "What this job can see"), seen);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

/* Two conditions of a model, cut at 600 tokens in all and at 500 a thread, and a symbolic one. */
static store *model_store(void) {
  store *s = two_families("[]");
  tiny_model(s, 1, "serial", "{\"limit\":{\"tokens_thread\":500},\"finisher\":{\"tokens\":64}}");
  tiny_model(s, 2, "vote", "{\"limit\":{\"tokens_total\":600,\"tokens_thread\":300}}");
  run_sql(s, "UPDATE sample SET derived = 1, tokens_ref = NULL WHERE run = 2;"
             "UPDATE sample SET batch_samples = 16, derived = task <= 10 WHERE run = 1;"
             "UPDATE sample SET status = 'capped', limit_met = 'tokens_thread' WHERE id <= 4");
  return s;
}

START_TEST(many_models_fit) {
  detail err;
  store *s = model_store();
  ck_ok(
      query_run(s,
                "INSERT INTO model SELECT randomblob(32), 'a-model-of-a-rather-long-name', "
                "architecture, parameters, context, vocabulary, tokenizer, config FROM model; "
                "UPDATE run SET determinism_class = 'a-class-of-a-rather-long-name', model_hash = "
                "(SELECT hash FROM model WHERE name <> 'small') WHERE id = 2",
                &err));
  expect(page_of(s, (report_options){.width = 80}),
         "\n  model    small (llama, 1.5 M parameters), a-model-of-a-rather-long-name\n"
         "           (llama, 1.5 M parameters)\n");
  expect_to_fit(text_string(&page), 80);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(a_model_and_its_limits) {
  detail err;
  store *s = model_store();
  const char *shown = page_of(s, (report_options){.job = "j"});
  expect(shown, "\n  model    small (llama, 1.5 M parameters)\n"
                "  modes    serial,vote,symbolic; checker countdown\n"
                "  class    cpu-1 bf16,symbolic-1; tokens as tok-1,llama2 counts them\n");
  expect(shown, "The finisher is on in 1 of 4 conditions");
  expect(shown, "50 samples are derived");
  expect(shown, "the checkpoint, the seed and the checker");
  /* No cost on tokens_ref, and yet an accuracy. */
  expect(shown, "f 2        80.0   [67.4, 92.6]       0       0       -      2300  2300       -\n");
  expect(shown, "The tokens_ref of 40 samples (of 1 condition) is not known");
  /* Four of the 40 are capped. Of vote's two limits both count. */
  expect(shown, "  condition  axis               limit     %  95 % interval  capped %  derived\n"
                "  f 1        seq_critical_path    500  40.0   [24.6, 55.4]      10.0  partly\n"
                "  f 2        tokens_total         600  80.0   [67.4, 92.6]       0.0  yes\n"
                "  f 2        seq_critical_path    300  80.0   [67.4, 92.6]       0.0  yes\n"
                "  derived: ");
  ck_near(number_of(s, "SELECT count(*) FROM accuracy_by_budget WHERE kind = 'enforced'"), 3);
  ck_near(number_of(s, "SELECT derived FROM accuracy_by_budget WHERE kind = 'enforced' "
                       "AND condition = 'f 1' AND axis = 'seq_critical_path' AND budget = 500"),
          0.25);
  /* What was not run has no latency. */
  expect(shown, "  condition  kind   samples  load   p50   p90   p99\n"
                "  f 1        batch       30  16.0   900   900   900\n"
                "  g 1        batch");
  refuse(shown, "alone   ");
  expect_to_fit(shown, 100);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(alone_times_and_load) {
  detail err;
  store *s = model_store();
  /* By sample, the median of its passes: 20 of 10 20 90, 40 of 40 50, 7 of 7. */
  run_sql(s, "INSERT INTO alone (sample, process, pass, total_ns) VALUES (1, 1, 0, 90000000), "
             "(1, 1, 1, 10000000), (1, 1, 2, 20000000), (2, 1, 0, 50000000), (2, 1, 1, 40000000), "
             "(3, 1, 0, 7000000);"
             "UPDATE process SET started_unix_ns = 1700000000000000000;"
             "INSERT INTO process VALUES (2, 1, NULL, 'elsewhere', '0', 'cpu', '{}');"
             "INSERT INTO engine_load VALUES (1, 60000000000, 60000000000, 100, 200, 6000, 3000, "
             "0, 0, 2, 10, 4, 3, 8, 4, 30000000000, 600000000), "
             "(1, 90000000000, 30000000000, 300, 200, 3000, 0, 0, 0, 1, 2, 0, 1, 8, 4, "
             "15000000000, 300000000), (2, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)");
  const char *shown = page_of(s, (report_options){.job = "j"});
  expect(shown, "  f 1        alone        3   1.0  20.0  40.0  40.0\n");
  ck_near(number_of(s, "SELECT p50_ms FROM latency WHERE kind = 'alone'"), 20);
  ck_near(number_of(s, "SELECT p90_ms FROM latency WHERE kind = 'alone'"), 40);
  ck_near(number_of(s, "SELECT samples FROM latency WHERE kind = 'batch' AND condition = 'f 1'"),
          30);
  /* 9,000 and 3,000 tokens in 90 seconds; by steps (3 + 3 x 1) / 4, (10 + 3 x 2) / 4, (4 + 0) / 4.
     The other process ran none of the job's samples. */
  expect(shown,
         "  started, UTC      host  minutes  sampled/s  prefilled/s  samples  running  waiting  "
         "preempted");
  expect(shown,
         "  2023-11-14 22:13  here      1.5      100.0         33.3      1.5      4.0      1.0 "
         "         3     50.0       1.0\n");
  refuse(shown, "elsewhere");
  text_close(&page);
  json_t *document = NULL;
  shown = page_of(s, (report_options){.json = 1});
  ck_ok(json_read(&document, shown, strlen(shown), "page", 1, &err));
  const json_t *job = json_array_get(json_object_get(document, "jobs"), 0);
  ck_assert_uint_eq(json_array_size(json_object_get(job, "throughput")), 1);
  const json_t *process = json_array_get(json_object_get(job, "throughput"), 0);
  ck_near(json_number_value(json_object_get(process, "sampled_per_s")), 100);
  const json_t *condition = json_array_get(json_object_get(job, "conditions"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(condition, "model")), "small");
  ck_near(json_number_value(json_object_get(condition, "finisher")), 1);
  json_decref(document);
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

/* A worker of the newest sample that saw so many tokens of the others. */
static void add_worker(store *s, int ordinal, int seen) {
  run_sql(
      s,
      "INSERT INTO thread (sample, ordinal, path, role, worker, tokens_seen, finish, bits_hash, "
      "queued_ns, started_ns, ended_ns) SELECT max(id), %d, '%d', 'worker', %d, %d, 'end', 0, "
      "0, 0, 0 FROM sample",
      ordinal, ordinal, ordinal, seen);
}

/* Of the second condition one sample failed, and the third has no workers. */
START_TEST(workers_have_a_table) {
  detail err;
  store *s = tiny_store(3, NULL, "[]");
  tiny_condition(s, 1, "combined W2", "combined W2", 1);
  tiny_condition(s, 2, "asked", "asked", 1);
  tiny_condition(s, 3, "alone", "alone", 1);
  tiny_model(s, 1, "hogwild", "{\"workers\":2,\"layout\":\"combined\"}");
  tiny_model(s, 2, "hogwild", "{\"workers\":1,\"layout\":\"interleaved\"}");
  tiny_sample(s, 1, 0, 0, 'd', 1, 10);
  add_worker(s, 0, 30);
  add_worker(s, 1, 50);
  tiny_sample(s, 1, 1, 0, 'd', 0, 10);
  add_worker(s, 0, 20);
  add_worker(s, 1, 20);
  run_sql(s, "UPDATE sample SET seq_forwards = 100 * id, nodes_explored = 10 * id, "
             "nodes_duplicate = 3, wait_steps = 8 * id");
  tiny_sample(s, 2, 0, 0, 'd', 1, 10);
  add_worker(s, 0, 0);
  run_sql(s, "UPDATE sample SET seq_forwards = 70, nodes_explored = NULL, wait_steps = 0 "
             "WHERE run = 2");
  tiny_sample(s, 2, 1, 0, 'f', -1, 999);
  tiny_sample(s, 3, 0, 0, 'd', 1, 10);
  const char *shown = page_of(s, (report_options){.job = "j"});
  expect(shown, "Workers (means a sample)\n"
                "  condition    workers  layout       forwards  seen  nodes  again     %  waits\n"
                "  combined W2        2  combined          150    30     15      3  20.0     12\n"
                "  asked              1  interleaved        70     0      -      -     -      0\n"
                "  forwards: ");
  expect_to_fit(shown, 100);
  text_close(&page);
  json_t *document = NULL;
  shown = page_of(s, (report_options){.json = 1});
  ck_ok(json_read(&document, shown, strlen(shown), "page", 1, &err));
  const json_t *job = json_array_get(json_object_get(document, "jobs"), 0);
  const json_t *rows = json_object_get(job, "workers"), *first = json_array_get(rows, 0);
  ck_assert_uint_eq(json_array_size(rows), 2);
  ck_near(json_number_value(json_object_get(first, "tokens_seen")), 30);
  ck_near(json_number_value(json_object_get(first, "duplicate_share")), 0.2);
  json_decref(document);
  text_close(&page);
  run_sql(s, "UPDATE run SET parameters = '{}'");
  refuse(page_of(s, (report_options){.job = "j"}), "Workers (");
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

/* Every allocation in turn, and all after it: a status, never a crash, and success in the end. */
START_TEST(without_memory_it_fails_in_order) {
  detail err;
  store *s = two_families("[{\"a\":\"f\",\"b\":\"g\",\"axis\":\"tokens_ref\",\"at\":[1024]}]");
  report_options o = {.job = "j"};
  status failed = E_MEMORY;
  int64_t allocations = 0;
  for (; failed; allocations++) {
    text_open(&page, 1 << 20);
    memory_fail_after(allocations);
    failed = report_text(s, &o, &page, &err);
    memory_fail_after(-1);
    ck_assert_msg(!failed || failed == E_MEMORY, "%s: %s", status_name(failed), err.text);
    text_close(&page);
  }
  ck_assert_int_gt(allocations, 10);
  ck_ok(store_close(s, &err));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("page");
  TCase *all = tcase_create("page");
  suite_add_tcase(suite, all);
  tcase_add_test(all, the_first_screen);
  tcase_add_test(all, families_that_are_alike_are_not_ranked);
  tcase_add_test(all, validity_names_what_is_amiss);
  tcase_add_test(all, a_reader_prints_without_writing);
  tcase_add_test(all, nothing_there_is_said_kindly);
  tcase_add_test(all, long_names_and_many_families_fit);
  tcase_add_test(all, json_holds_what_the_views_hold);
  tcase_add_test(all, json_has_no_infinite_numbers);
  tcase_add_test(all, budgets_and_latencies_are_the_views);
  tcase_add_test(all, a_model_and_its_limits);
  tcase_add_test(all, many_models_fit);
  tcase_add_test(all, alone_times_and_load);
  tcase_add_test(all, workers_have_a_table);
  tcase_add_test(all, without_memory_it_fails_in_order);
  return support_run(suite);
}
