/* nightjar export: what is written is what the store holds, to the bit, whatever the texts are. The
   CSV is also read by the stock sqlite3 shell. */
#include "store/query.h"
#include "tests/support/program.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a store with odd texts -------------------------------------------------------------------
 */

static const char *const odd[] = {"plain",         "a,b",       "say \"no\"", "two\nlines",
                                  "\r\n",          " blanks ",  "=1+1",       "\xff\xfe bad",
                                  "ünïcødé 日本",  "tab\there", "it's '' \\", "",
                                  "\x01\x1b[31mc", "\"",        ",",          "NULL",
                                  "0x1F",          "trailing\n"};
enum { ODD = sizeof odd / sizeof odd[0] };

static void add_tasks(store *s, const char *name, const char *kind) {
  detail err = {0};
  store_task_set set;
  int added;
  ck_ok(store_task_set_begin(s, name, kind, "{}", &err));
  for (int i = 0; i < ODD; i++) {
    char task_name[64], target[64];
    (void)snprintf(task_name, sizeof task_name, "%d %s", i, odd[i]);
    (void)snprintf(target, sizeof target, "{\"answer\":%d.5}", i);
    store_task task = {.name = task_name,
                       .question = odd[i],
                       .target = i % 5 == 4 ? "{\"answer\":\"a \\\"b\\\"\"}" : target,
                       .cluster = i % 3 ? odd[i] : NULL,
                       .split = i % 2 ? "test" : NULL,
                       .data = i % 4 ? NULL : "{\"level\":[1,2.5,null]}"};
    ck_ok(store_task_add(s, &task, &err));
  }
  ck_ok(store_task_set_end(s, &set, &added, &err));
}

static void add_run(store *s, const char *identity, int64_t set) {
  detail err = {0};
  int64_t run;
  int made;
  store_run_new r = {.identity_json = identity,
                     .task_set = set,
                     .mode = "symbolic",
                     .parameters_json = "{\"beam\":3}",
                     .token_unit = "llama2",
                     .determinism_class = "symbolic-1",
                     .seed = 1};
  ck_ok(store_run(s, &r, &run, &made, &err));
}

static void put_sample(store *s, int64_t run, int i) {
  detail err = {0};
  char trace[9000] = "";
  for (size_t at = 0; at + 64 < sizeof trace && i % 6 == 5; at = strlen(trace))
    (void)snprintf(trace + at, 64, "%s\xf0\x9f\x8c\x99%zu\"", odd[i], at);
  store_thread thread = {.path = "0",
                         .role = "root",
                         .finish = "end",
                         .answer = i % 2 ? odd[i] : NULL,
                         .parent = -1,
                         .worker = -1,
                         .round = -1,
                         .spawn_token = STORE_NONE,
                         .join_token = STORE_NONE,
                         .text = *trace ? trace : odd[i],
                         .text_bytes = strlen(*trace ? trace : odd[i]),
                         .layout_json = "[]"};
  store_sample sample = {.run = run,
                         .task = i + 1,
                         .attempt = 1,
                         .status = i == 3 ? "failed" : "done",
                         .answer = i % 3 ? odd[i] : NULL,
                         .error = i == 3 ? "line 1\nline \"2\", and more" : NULL,
                         .costs = {.flops = i % 2 ? 1e17 / 3 : -1, .tokens_ref = i},
                         .ended_ns = 1234567891 * (int64_t)(i + 1),
                         .batch_samples = 1.0 / (i + 3),
                         .threads = &thread,
                         .thread_count = 1};
  store_verdict v = {.thread = -1, .checker = "countdown", .reason = odd[i], .score = i / 17.0};
  ck_ok(store_put(s, &sample, &v, i != 3, &err));
}

static const char *make_store(void) {
  detail err = {0};
  store *s = NULL;
  const char *path = support_path("odd.db");
  ck_ok(store_open(&s, path, STORE_WRITE, NULL, &err));
  add_tasks(s, "odd", "question");
  add_run(s, "{\"run\":1}", 1);
  add_run(s, "{\"run\":2}", 1);
  const store_condition one[] = {{"one", "con\"di,tion", "f", "countdown", "{}", 0, 1, 1, ODD}};
  const store_condition two[] = {{"two", "second", "s", "countdown", "{}", 0, 1, 2, ODD}};
  ck_ok(store_job_put(s, "one", "{}", &err));
  ck_ok(store_job_put(s, "two", "{}", &err));
  ck_ok(store_conditions_put(s, "one", one, 1, &err));
  ck_ok(store_conditions_put(s, "two", two, 1, &err));
  store_process p = {.version = "0", .device = "none", .settings_json = "{}"};
  ck_ok(store_process_start(s, &p, &err));
  for (int i = 0; i < ODD; i++) {
    put_sample(s, 1, i);
    if (i < 4) put_sample(s, 2, i);
  }
  ck_ok(store_close(s, &err));
  return path;
}

/* ---- reading back -----------------------------------------------------------------------------
 */

/* The text as it should come: with U+FFFD for each byte that is no UTF-8. */
static char *clean(const char *bytes, size_t count) {
  text out;
  text_open(&out, 1 << 20);
  for (size_t taken; count; bytes += taken, count -= taken) {
    taken = text_utf8_length(bytes, count);
    if (taken) text_add(&out, bytes, taken);
    if (!taken) text_put(&out, "\xef\xbf\xbd");
    if (!taken) taken = 1;
  }
  char *copy = strdup(text_string(&out));
  text_close(&out);
  return copy;
}

/* The next field of RFC 4180's form; *quoted says whether it stood in quotes. */
static char *csv_field(const char **at, int *quoted) {
  text out;
  text_open(&out, 1 << 20);
  const char *p = *at;
  *quoted = *p == '"';
  if (*quoted) {
    for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
      if (*p == '"') p++;
      text_char(&out, *p);
    }
    ck_assert_int_eq(*p++, '"');
  } else {
    size_t bytes = strcspn(p, ",\n");
    text_add(&out, p, bytes);
    p += bytes;
  }
  ck_assert_ptr_nonnull(strchr(",\n", *p));
  *at = p + 1;
  char *copy = strdup(text_string(&out));
  text_close(&out);
  return copy;
}

static void check_csv_value(const query *q, int c, const char *field, int quoted) {
  size_t count;
  switch (query_type(q, c)) {
  case QUERY_NULL: ck_assert(!quoted && !*field); return;
  case QUERY_INT: ck_assert_int_eq(strtoll(field, NULL, 10), query_int(q, c)); return;
  case QUERY_REAL:
    ck_assert_msg(strtod(field, NULL) == query_real(q, c), "%s", field);
    ck_assert_ptr_nonnull(strpbrk(field, ".e"));
    return;
  default: break;
  }
  const char *bytes = query_blob(q, c, &count);
  char *wanted = clean(bytes, count);
  ck_assert_str_eq(field, wanted);
  ck_assert(quoted || *field);
  free(wanted);
}

static void check_json_value(const query *q, int c, const json_t *value) {
  size_t count;
  switch (query_type(q, c)) {
  case QUERY_NULL: ck_assert(json_is_null(value)); return;
  case QUERY_INT: ck_assert_int_eq(json_integer_value(value), query_int(q, c)); return;
  case QUERY_REAL:
    ck_assert(json_is_real(value) && json_real_value(value) == query_real(q, c));
    return;
  default: break;
  }
  const char *bytes = query_blob(q, c, &count);
  char *wanted = clean(bytes, count);
  char *found = json_is_array(value) ? json_dumps(value, JSON_COMPACT) : NULL;
  ck_assert(found || json_is_string(value));
  ck_assert_str_eq(found ? found : json_string_value(value), wanted);
  free(found);
  free(wanted);
}

static query *ask(store **s, const char *db, const char *sql) {
  detail err = {0};
  query *q = NULL;
  ck_ok(store_open(s, db, STORE_READ, NULL, &err));
  ck_ok(query_open(&q, *s, sql, &err));
  return q;
}

static int64_t check_csv(const char *db, const char *sql, const char *csv) {
  detail err = {0};
  store *s = NULL;
  query *q = ask(&s, db, sql);
  int64_t rows = 0;
  int quoted, row = 1;
  for (int c = 0; c < query_columns(q); c++) {
    char *name = csv_field(&csv, &quoted);
    ck_assert_str_eq(name, query_name(q, c));
    free(name);
  }
  for (; row; rows += row) {
    ck_ok(query_next(q, &row, &err));
    for (int c = 0; row && c < query_columns(q); c++) {
      char *field = csv_field(&csv, &quoted);
      check_csv_value(q, c, field, quoted);
      free(field);
    }
  }
  ck_assert_str_eq(csv, "");
  query_close(q);
  ck_ok(store_close(s, &err));
  return rows;
}

static int64_t check_jsonl(const char *db, const char *sql, char *lines) {
  detail err = {0};
  store *s = NULL;
  query *q = ask(&s, db, sql);
  int64_t rows = 0;
  char *rest = NULL, *line = strtok_r(lines, "\n", &rest);
  for (int row = 1; row; line = strtok_r(NULL, "\n", &rest)) {
    ck_ok(query_next(q, &row, &err));
    ck_assert_int_eq(row, line != NULL);
    if (!row) break;
    json_t *object = program_json(line);
    ck_assert_int_eq(json_object_size(object), query_columns(q));
    for (int c = 0; c < query_columns(q); c++)
      check_json_value(q, c, json_object_get(object, query_name(q, c)));
    json_decref(object);
    rows++;
  }
  query_close(q);
  ck_ok(store_close(s, &err));
  return rows;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static const struct {
  const char *what;
  int64_t rows; /* -1: at least one */
} views[] = {{"samples", ODD + 4}, {"threads", ODD + 4},       {"accuracy", 2},
             {"task_scores", -1},  {"accuracy_by_budget", -1}, {"paired", 0},
             {"latency", 2},       {"token_use", 2},           {"capped", 0},
             {"failures", 2},      {"pass_at_k", -1},          {"cons_at_k", 0},
             {"spawning", 0}};
enum { VIEWS = sizeof views / sizeof views[0] };

START_TEST(every_view_comes_back_equal) {
  const char *db = make_store(), *csv = support_path("v.csv"), *jsonl = support_path("v.jsonl");
  for (int i = 0; i < VIEWS; i++) {
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", views[i].what);
    ck_ended(nightjar("export", views[i].what, "-o", csv, "--replace", "--db", db), 0);
    int64_t rows = check_csv(db, sql, program_read(csv));
    if (views[i].rows >= 0) ck_assert_int_eq(rows, views[i].rows);
    if (views[i].rows < 0) ck_assert_int_gt(rows, 0);
    ck_ended(nightjar("export", views[i].what, "-o", jsonl, "--replace", "--db", db), 0);
    ck_assert_int_eq(check_jsonl(db, sql, program_read(jsonl)), rows);
  }
  /* Every view there is was tried. */
  ck_assert_int_eq(atoi(program_sqlite(db, "SELECT count(*) FROM sqlite_schema WHERE type = "
                                           "'view'")),
                   VIEWS);
}
END_TEST

static const char all_traces[] =
    "SELECT v.id AS sample, v.job, v.condition, v.task_set, v.task, v.repeat, h.path AS thread, "
    "h.role, CAST(sqlar_uncompress(x.text, x.text_bytes) AS TEXT) AS text, x.layout, NULL AS ids, "
    "NULL AS logprobs FROM samples v JOIN thread h ON h.sample = v.id JOIN trace x ON x.sample = "
    "h.sample AND x.thread = h.ordinal "
    "WHERE v.job = 'one'";

START_TEST(traces_come_back_equal) {
  const char *db = make_store();
  outcome csv = nightjar("export", "traces", "--job", "one", "--db", db);
  ck_ended(csv, 0);
  ck_assert_int_eq(check_csv(db, all_traces, csv.out), ODD);
  outcome jsonl = nightjar("export", "traces", "--job", "one", "--format", "jsonl", "--db", db);
  ck_ended(jsonl, 0);
  ck_assert_int_eq(check_jsonl(db, all_traces, jsonl.out), ODD);
}
END_TEST

/* Bits that only nine digits tell from their neighbours, what is no number, and no tokens at all.
 */
static const uint32_t logprob_bits[] = {0xbf800000, 0xc47a0001, 0x80000001, 0x80000000,
                                        0x7fc00000, 0xff800000, 0xc2f6e979};

static const char *add_tokens(void) {
  static const uint32_t ids[] = {0, 4294967295, 7};
  static float logprobs[sizeof logprob_bits / sizeof logprob_bits[0]];
  detail err = {0};
  store *s = NULL;
  const char *path = make_store();
  store_process p = {.version = "0", .device = "none", .settings_json = "{}"};
  memcpy(logprobs, logprob_bits, sizeof logprobs);
  store_thread threads[2] = {{.path = "0",
                              .role = "voter",
                              .finish = "end",
                              .parent = -1,
                              .worker = -1,
                              .round = -1,
                              .text = "ab",
                              .text_bytes = 2,
                              .layout_json = "[[\"prompt\",0,2,0,1,0],[\"generated\",2,1,1,1,1]]",
                              .ids = ids,
                              .id_count = 3,
                              .logprobs = logprobs,
                              .logprob_count = sizeof logprobs / sizeof logprobs[0],
                              .logprob = -3}};
  threads[1] = threads[0];
  threads[1].path = "1";
  threads[1].id_count = threads[1].logprob_count = 0;
  threads[1].logprobs = NULL;
  store_sample sample = {.run = 2,
                         .task = 8,
                         .attempt = 1,
                         .status = "done",
                         .costs = {.flops = -1},
                         .batch_samples = -1,
                         .threads = threads,
                         .thread_count = 2};
  ck_ok(store_open(&s, path, STORE_WRITE, NULL, &err));
  ck_ok(store_process_start(s, &p, &err));
  ck_ok(store_put(s, &sample, NULL, 0, &err));
  ck_ok(store_close(s, &err));
  return path;
}

START_TEST(tokens_come_back_to_the_bit) {
  const char *db = add_tokens();
  outcome o = nightjar("export", "traces", "--job", "two", "--format", "jsonl", "--db", db);
  ck_ended(o, 0);
  const char *row = strstr(o.out, "\"thread\":\"0\",\"role\":\"voter\"");
  ck_assert_ptr_nonnull(row);
  ck_holds(row, "\"text\":\"ab\",\"layout\":[[\"prompt\",0,2,0,1,0],[\"generated\",2,1,1,1,1]],"
                "\"ids\":[0,4294967295,7],\"logprobs\":[-1.0,-1000.00006,-1.4013e-45,-0.0,null,"
                "-9e999,-123.456]}\n");
  ck_holds(row, "\"thread\":\"1\",\"role\":\"voter\",");
  ck_holds(row, "\"ids\":[],\"logprobs\":null}\n");
  o = nightjar("export", "traces", "--job", "two", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, ",\"[0,4294967295,7]\",\"[-1.0,-1000.00006,-1.4013e-45,-0.0,null,-9e999,"
                  "-123.456]\"\n");
  static const char *const written[] = {"-1.0", "-1000.00006", "-1.4013e-45", "-0.0"};
  for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
    float value = strtof(written[i], NULL);
    ck_assert_mem_eq(&value, &logprob_bits[i], sizeof value);
  }
}
END_TEST

/* The shell imports all as text and NULL as ''. */
START_TEST(the_stock_shell_reads_it) {
  const char *db = make_store(), *csv = support_path("s.csv"), *other = support_path("other.db");
  char import[600], equal[900];
  ck_ended(nightjar("export", "samples", "-o", csv, "--db", db), 0);
  (void)snprintf(import, sizeof import, ".import --csv %s samples", csv);
  (void)program_sqlite(other, import);
  (void)snprintf(equal, sizeof equal,
                 "ATTACH '%s' AS s; SELECT count(*) FROM main.samples a JOIN s.samples b ON a.id = "
                 "b.id AND a.job = b.job AND a.condition = b.condition AND a.answer = "
                 "replace(coalesce(b.answer, ''), x'fffe', char(0xfffd, 0xfffd)) AND "
                 "a.error = coalesce(b.error, '') AND CAST(a.batch_samples AS REAL) = "
                 "b.batch_samples AND CAST(a.total_ms AS REAL) = b.total_ms",
                 db);
  ck_assert_int_eq(atoi(program_sqlite(other, equal)), ODD + 4);
  ck_assert_int_eq(atoi(program_sqlite(other, "SELECT count(*) FROM samples")), ODD + 4);
}
END_TEST

START_TEST(one_job_may_be_asked_for) {
  const char *db = make_store();
  outcome o = nightjar("export", "threads", "--job", "two", "--db", db);
  ck_ended(o, 0);
  ck_assert_int_eq(check_csv(db,
                             "SELECT * FROM threads WHERE sample IN (SELECT id FROM samples WHERE "
                             "job = 'two')",
                             o.out),
                   4);
  o = nightjar("export", "accuracy", "--job", "two", "--db", db);
  ck_assert_int_eq(check_csv(db, "SELECT * FROM accuracy WHERE job = 'two'", o.out), 1);
  o = nightjar("export", "samples", "--job", "tow", "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "no job 'tow'; there is 'two'");
  /* However many there are before it. */
  (void)program_sqlite(db, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                           "i < 300) INSERT INTO job SELECT 'a' || i, document FROM n, job WHERE "
                           "name = 'two'");
  ck_ended(nightjar("export", "accuracy", "--job", "two", "--db", db), 0);
}
END_TEST

START_TEST(tasks_are_in_the_form_of_an_import) {
  const char *db = make_store();
  outcome o = nightjar("export", "tasks", "--set", "odd", "--format", "jsonl", "--db", db);
  ck_ended(o, 0);
  char *rest = NULL;
  int count = 0;
  for (char *line = strtok_r(o.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    json_t *task = program_json(line);
    char *question = clean(odd[count], strlen(odd[count]));
    ck_assert_str_eq(json_string_value(json_object_get(task, "question")), question);
    const json_t *target = json_object_get(task, "target");
    if (count % 5 == 4) ck_assert_str_eq(json_string_value(target), "a \"b\"");
    if (count % 5 != 4) ck_assert(json_real_value(target) == count + 0.5);
    const json_t *level = json_object_get(json_object_get(task, "data"), "level");
    ck_assert_int_eq(json_array_size(level), count % 4 ? 0 : 3);
    ck_assert_ptr_null(json_object_get(task, "nums"));
    free(question);
    json_decref(task);
    count++;
  }
  ck_assert_int_eq(count, ODD);
  const char *made = support_path("made.db");
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "c", "--count", "2", "--seed", "1",
                    "--db", made),
           0);
  o = nightjar("export", "tasks", "--set", "c@1", "--db", made);
  ck_ended(o, 0);
  ck_assert_int_eq(strncmp(o.out, "name,question,nums,target,split\n0,", 34), 0);
}
END_TEST

START_TEST(files_are_whole_and_kept) {
  const char *db = make_store(), *path = support_path("kept.csv");
  support_write(path, "mine");
  outcome o = nightjar("export", "samples", "-o", path, "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "--replace");
  ck_assert_str_eq(program_read(path), "mine");
  const char *const arguments[] = {"export", "traces", "-o", path, "--replace", "--db", db, NULL};
  o = program_run_bounded(arguments, 3000);
  ck_ended(o, 5);
  ck_holds(o.err, "free some space");
  ck_assert_str_eq(program_read(path), "mine");
  ck_ended(program_run(arguments), 0);
  ck_holds(program_read(path), "sample,job,condition");
}
END_TEST

START_TEST(a_closed_pipe_ends_quietly) {
  const char *db = make_store(), *said = support_path("said");
  int ends[2];
  ck_assert_int_eq(pipe(ends), 0);
  (void)close(ends[0]); /* nobody reads */
  pid_t child = fork();
  if (child == 0) {
    int file = open(said, O_WRONLY | O_CREAT, 0644);
    if (dup2(ends[1], STDOUT_FILENO) >= 0 && dup2(file, STDERR_FILENO) >= 0) {
      (void)execl(getenv("NIGHTJAR"), "nightjar", "export", "traces", "--db", db, (char *)NULL);
    }
    _exit(127);
  }
  (void)close(ends[1]);
  ck_assert_int_eq(program_wait(child), 0);
  ck_assert_str_eq(program_read(said), "");
}
END_TEST

START_TEST(what_is_not_there_is_suggested) {
  const char *db = make_store();
  outcome o = nightjar("export", "sample", "--db", db);
  ck_ended(o, 2);
  ck_holds(o.err, "there is 'samples'");
  o = nightjar("export", "samples", "--format", "json", "--db", db);
  ck_ended(o, 2);
  ck_holds(o.err, "did you mean jsonl?");
  o = nightjar("export", "samples", "--set", "odd", "--db", db);
  ck_ended(o, 2);
  o = nightjar("export", "tasks", "--set", "od", "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "odd");
  /* A name that is SQL is a name. */
  o = nightjar("export", "samples\" --", "--db", db);
  ck_ended(o, 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("export");
  TCase *tests = tcase_create("export");
  tcase_add_test(tests, every_view_comes_back_equal);
  tcase_add_test(tests, traces_come_back_equal);
  tcase_add_test(tests, tokens_come_back_to_the_bit);
  tcase_add_test(tests, the_stock_shell_reads_it);
  tcase_add_test(tests, one_job_may_be_asked_for);
  tcase_add_test(tests, tasks_are_in_the_form_of_an_import);
  tcase_add_test(tests, files_are_whole_and_kept);
  tcase_add_test(tests, a_closed_pipe_ends_quietly);
  tcase_add_test(tests, what_is_not_there_is_suggested);
  suite_add_tcase(suite, tests);
  return support_run(suite);
}
