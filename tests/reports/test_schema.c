/* docs/schema.md against a real store: every query in it runs in the stock sqlite3 shell and finds
   something, and every column of every table and view is explained. */
#include "tests/reports/fixture.h"
#include "tests/support/program.h"

#include <stdlib.h>

static const char trace_text[] =
    "Moving to Node #0\nCurrent State: 24:[1, 2, 3, 4], Operations: []\n"
    "Current State: 24:[1, 2, 3, 4], Operations: []\n";

static void put_sample(store *s, int64_t run, int64_t task, int kind, int solved, int64_t cost) {
  detail err;
  store_thread threads[2] = {{0}};
  for (int i = 0; i < 2; i++) {
    threads[i] = (store_thread){.path = i ? "0.0" : "0",
                                .role = i ? "child" : "parent",
                                .finish = "end",
                                .parent = i - 1,
                                .worker = -1,
                                .round = i - 1,
                                .spawn_token = i ? 10 : STORE_NONE,
                                .join_token = i ? 10 : STORE_NONE,
                                .tokens_generated = cost / 2,
                                .logical_end = cost / 2,
                                .started_ns = 1000,
                                .ended_ns = 1000 * cost,
                                .text = trace_text,
                                .text_bytes = sizeof trace_text - 1,
                                .layout_json = "[]"};
  }
  store_costs costs = {.tokens_generated = cost,
                       .tokens_total = cost,
                       .tokens_ref = cost,
                       .seq_critical_path = cost / 2,
                       .seq_critical_path_injected = cost / 2,
                       .seq_longest_sequence = cost / 2,
                       .context_peak = cost / 2,
                       .flops = -1,
                       .kv_token_steps = STORE_NONE,
                       .nodes_explored = cost / 10,
                       .nodes_duplicate = cost / 100,
                       .children = 1,
                       .rounds = 1};
  store_sample sample = {.run = run,
                         .task = task,
                         .attempt = 1,
                         .status = kind == 1   ? "capped"
                                   : kind == 2 ? "failed"
                                               : "done",
                         .limit_met = kind == 1 ? "context" : NULL,
                         .error = kind == 2 ? "no memory" : NULL,
                         .costs = costs,
                         .started_ns = 1000,
                         .ended_ns = 1000 * cost,
                         .first_token_ns = 2000,
                         .batch_samples = 2,
                         .threads = threads,
                         .thread_count = 2};
  store_verdict verdicts[2];
  for (int i = 0; i < 2; i++) {
    verdicts[i] = (store_verdict){.thread = i - 1,
                                  .checker = "countdown",
                                  .reason = solved ? "right" : "wrong value",
                                  .version = 1,
                                  .correct = solved,
                                  .score = solved};
  }
  ck_ok(store_put(s, &sample, verdicts, kind != 2 ? 2 : 0, &err));
}

static void put_condition(store *s, store_condition *c, int64_t set, int index) {
  detail err;
  static char names[4][32], identities[4][64];
  int made;
  (void)snprintf(names[index], sizeof names[index], "%s beam=%d", c->family, index);
  (void)snprintf(identities[index], sizeof identities[index], "{\"beam\":%d,\"search\":\"%s\"}",
                 index, c->family);
  store_run_new run = {.identity_json = identities[index],
                       .task_set = set,
                       .mode = "symbolic",
                       .parameters_json = identities[index],
                       .token_unit = "llama2",
                       .determinism_class = "symbolic-1"};
  ck_ok(store_run(s, &run, &c->run, &made, &err));
  c->name = names[index];
}

/* Costs lie on both sides of the budget that the document asks about. */
static const char *real_store(void) {
  detail err;
  store *s = NULL;
  store_task_set set;
  int added;
  ck_ok(store_open(&s, support_path("real.db"), STORE_WRITE, NULL, &err));
  ck_ok(store_task_set_begin(s, "tiny", "countdown", "{}", &err));
  for (int i = 0; i < 8; i++) {
    char question[32];
    (void)snprintf(question, sizeof question, "q%d", i);
    store_task task = {.question = question, .target = "{}", .split = "test"};
    task.content = store_task_hash(task.question, task.target);
    ck_ok(store_task_add(s, &task, &err));
  }
  ck_ok(store_task_set_end(s, &set, &added, &err));
  ck_ok(store_job_put(s, "j",
                      "{\"compare\":[{\"a\":\"apr\",\"b\":\"sosp\",\"axis\":\"tokens_ref\","
                      "\"at\":[4000]}]}",
                      &err));
  store_condition conditions[4];
  for (int i = 0; i < 4; i++) {
    conditions[i] = (store_condition){.job = "j",
                                      .family = i < 2 ? "apr" : "sosp",
                                      .checker = "countdown",
                                      .axes_json = "{}",
                                      .ordinal = i,
                                      .repeats = 1,
                                      .tasks = 8};
    put_condition(s, &conditions[i], set.id, i);
  }
  ck_ok(store_conditions_put(s, "j", conditions, 4, &err));
  store_process process = {"0", "cpu", "{}"};
  ck_ok(store_process_start(s, &process, &err));
  for (int i = 0; i < 32; i++) {
    int64_t task = (int64_t)number_of(s, "SELECT min(id) FROM task") + i % 8;
    put_sample(s, conditions[i / 8].run, task,
               i % 8 == 6 ? 1
               : i == 5   ? 2
                          : 0,
               i % 8 < 2 + i / 8, i / 8 % 2 ? 6000 + i : 2000 + i);
  }
  store_load load = {.at_ns = 2000, .interval_ns = 1000, .rows = 5, .pages = 10, .pages_used = 4};
  ck_ok(store_load_put(s, &load, &err));
  ck_ok(store_flush(s, &err));
  ck_ok(report_comparisons(s, "j", &err));
  ck_ok(store_close(s, &err));
  return support_path("real.db");
}

START_TEST(every_documented_query_finds_something) {
  const char *db = real_store();
  char *document = support_read("docs/schema.md", NULL);
  int queries = 0;
  for (char *fence = strstr(document, "```sql\n"); fence; fence = strstr(fence, "```sql\n")) {
    char *sql = fence + strlen("```sql\n"), *end = strstr(sql, "```");
    ck_assert_ptr_nonnull(end);
    *end = 0;
    const char *answer = program_sqlite(db, sql); /* fails the test on an error */
    ck_assert_msg(answer[0] != 0, "nothing found by: %s", sql);
    if (strstr(sql, "sqlar_uncompress")) {
      ck_assert_msg(strstr(answer, trace_text) != NULL, "no trace in: %s", answer);
    }
    queries++;
    fence = end + 1;
  }
  ck_assert_int_ge(queries, 10);
  free(document);
}
END_TEST

/* The part of the document under "### name" of the chapter. */
static char *section_of(const char *document, const char *chapter, const char *name) {
  char title[128];
  const char *start = strstr(document, chapter);
  ck_assert_ptr_nonnull(start);
  (void)snprintf(title, sizeof title, "\n### %s\n", name);
  start = strstr(start, title);
  ck_assert_msg(start != NULL, "%s: no section on %s", chapter, name);
  start += strlen(title);
  const char *end = strstr(start, "\n##");
  return strndup(start, end ? (size_t)(end - start) : strlen(start));
}

static int explained(const char *section, const char *column) {
  char quoted[128];
  (void)snprintf(quoted, sizeof quoted, "`%s`", column);
  return strstr(section, quoted) != NULL;
}

static void check_columns(const char *document, const char *type, const char *name) {
  detail err;
  store *s = NULL;
  query *q = NULL;
  char *section = section_of(document, type[0] == 'v' ? "\n## Views\n" : "\n## Tables\n", name);
  /* Two tables refer to their view for the columns that they share. */
  const char *shared = !strcmp(name, "sample")   ? "samples"
                       : !strcmp(name, "thread") ? "threads"
                                                 : "";
  char *view = shared[0] ? section_of(document, "\n## Views\n", shared) : strdup("");
  ck_ok(store_open(&s, support_path("real.db"), STORE_READ, NULL, &err));
  ck_ok(query_open(&q, s, "SELECT name FROM pragma_table_info(?)", &err));
  query_bind_text(q, 1, name);
  int row = 0, columns = 0;
  for (; query_next(q, &row, &err) == OK && row; columns++) {
    const char *column = query_text(q, 0);
    ck_assert_msg(explained(section, column) || explained(view, column), "%s.%s is not explained",
                  name, column);
  }
  ck_assert_int_gt(columns, 0);
  query_close(q);
  ck_ok(store_close(s, &err));
  free(section);
  free(view);
}

START_TEST(every_column_is_explained) {
  const char *db = real_store();
  char *document = support_read("docs/schema.md", NULL), *rest = NULL;
  char *names = strdup(program_sqlite(db, "SELECT type || ' ' || name FROM sqlite_schema "
                                          "WHERE type IN ('table', 'view')"));
  int count = 0;
  for (char *line = strtok_r(names, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    char *space = strchr(line, ' ');
    *space = 0;
    if (!strncmp(space + 1, "sqlite_", 7)) continue; /* SQLite's own */
    check_columns(document, line, space + 1);
    count++;
  }
  ck_assert_int_ge(count, 28);
  free(names);
  free(document);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("schema");
  TCase *document = tcase_create("docs/schema.md");
  suite_add_tcase(suite, document);
  tcase_add_test(document, every_documented_query_finds_something);
  tcase_add_test(document, every_column_is_explained);
  return support_run(suite);
}
