/* Merging, rule by rule: two stores made by hand, one changed through the stock shell, and what
   must stay, come, or be refused. */
#include "store/merge_internal.h"
#include "tests/store/merging.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { TASKS = 6 };
static const char IDENTITY[] = "{\"class\":\"symbolic-1\",\"mode\":\"symbolic\",\"seed\":42}";
static const char DOCUMENT[] = "{\"name\":\"night\",\"seed\":42}";

/* ---- two stores -------------------------------------------------------------------------------
 */

static void put_tree(store *s, int64_t task, int32_t repeat) {
  detail err;
  char said[300];
  (void)snprintf(said, sizeof said, "task %lld: %0200d, repeat %d", (long long)task, 0, repeat);
  store_thread threads[2] = {plain_thread("0", -1, said), plain_thread("0.0", 0, "a child")};
  threads[0].bits_hash = (uint64_t)(100 * task + repeat);
  store_sample sample = plain_sample(task, repeat, task % 2 ? "done" : "capped");
  sample.limit_met = task % 2 ? NULL : "context";
  sample.answer = "1+1=2";
  sample.threads = threads;
  sample.thread_count = 2;
  store_verdict verdict = {.thread = -1, .checker = "countdown", .reason = "solved", .version = 1};
  verdict.correct = 1;
  verdict.score = 1;
  ck_ok(store_put(s, &sample, &verdict, 1, &err));
}

static void put_failed(store *s, int64_t task, int32_t attempt, const char *why) {
  detail err;
  store_sample sample = plain_sample(task, 0, "failed");
  sample.attempt = attempt;
  sample.error = why;
  ck_ok(store_put(s, &sample, NULL, 0, &err));
}

static void put_job(store *s) {
  detail err;
  ck_ok(store_job_put(s, "night", DOCUMENT, &err));
  store_condition c = {.job = "night",
                       .name = "one",
                       .family = "one",
                       .checker = "countdown",
                       .repeats = 1,
                       .run = 1,
                       .tasks = TASKS};
  ck_ok(store_conditions_put(s, "night", &c, 1, &err));
}

/* The set "tasks", run 1, a process, and the job "night". */
static void fill_night(store *s) {
  store_task_set set = add_tasks(s, "tasks", TASKS);
  ck_assert_int_eq(add_run(s, set.id, IDENTITY), 1);
  put_job(s);
  start_process(s);
}

static store *open_night(const char *name) {
  store *s = open_store(name, STORE_WRITE);
  fill_night(s);
  return s;
}

static const char *make(const char *name, int64_t first, int64_t last) {
  store *s = open_night(name);
  for (int64_t task = first; task <= last; task++)
    put_tree(s, task, 0);
  close_store(s);
  return support_path(name);
}

/* ---- what comes and what stays ----------------------------------------------------------------
 */

START_TEST(parts_make_the_whole) {
  const char *whole = make("whole.db", 1, 6), *a = make("a.db", 1, 2), *b = make("b.db", 2, 6);
  const char *out = support_path("out.db");
  store_merged first = merge(out, b), second = merge(out, a);
  ck_assert_int_eq(first.task_sets, 1);
  ck_assert_int_eq(first.tasks, TASKS);
  ck_assert_int_eq(first.runs + first.jobs + first.conditions + first.processes, 4);
  ck_assert_int_eq(first.samples, 5);
  ck_assert_int_eq(first.verdicts, 5);
  ck_assert_int_eq(second.samples, 1);
  ck_assert_int_eq(second.samples_equal, 1);
  ck_assert_int_eq(second.task_sets + second.runs + second.jobs + second.conditions, 0);
  ck_assert_int_eq(second.processes, 1);
  hash wanted = program_promised(whole), found = program_promised(out);
  ck_assert(hash_equal(&wanted, &found));
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*), count(DISTINCT process) FROM sample"),
                   "6|2");

  const char *rows = program_sqlite(out, ALL_ROWS);
  store_merged again = merge(out, a);
  ck_assert_int_eq(again.samples_equal, 2);
  ck_assert_int_eq(again.samples + again.processes + again.verdicts + again.tasks, 0);
  again = merge(out, whole);
  ck_assert_int_eq(again.samples, 0);
  ck_assert_int_eq(again.samples_equal, 6);
  ck_assert_int_eq(again.processes, 1); /* the one that made whole.db */
  (void)merge(out, b);
  (void)merge(out, whole);
  found = program_promised(out);
  ck_assert(hash_equal(&wanted, &found));
  ck_assert_str_ne(program_sqlite(out, ALL_ROWS), rows);
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*) FROM process"), "3");
}
END_TEST

START_TEST(task_sets_keep_apart) {
  const char *a = make("a.db", 1, 6), *out = support_path("out.db");
  store *s = open_store("out.db", STORE_WRITE);
  (void)add_tasks(s, "tasks", TASKS + 1); /* the same name, other tasks */
  close_store(s);
  store_merged m = merge(out, a);
  ck_assert_int_eq(m.task_sets, 1);
  ck_assert_int_eq(m.samples, 6);
  const char *versions = "SELECT name, version, tasks FROM task_set ORDER BY version";
  ck_assert_str_eq(program_sqlite(out, versions), "tasks|1|7\ntasks|2|6");
  m = merge(out, a);
  ck_assert_int_eq(m.task_sets + m.samples, 0);
  ck_assert_str_eq(program_sqlite(out, versions), "tasks|1|7\ntasks|2|6");
  ck_assert_str_eq(program_sqlite(out, "SELECT DISTINCT task_set FROM samples"), "tasks@2");

  const char *renamed = changed(
      a, "renamed.db", "UPDATE task SET cluster = 'c', name = 'n' || ordinal WHERE ordinal < 2");
  m = merge(out, renamed);
  ck_assert_int_eq(m.tasks_differing, 2);
  ck_assert_str_eq(program_sqlite(out, "SELECT count(cluster), count(*) FROM task"), "0|13");
}
END_TEST

START_TEST(processes_are_one_by_what_they_were) {
  const char *a = make("a.db", 1, 3), *out = support_path("out.db");
  const char *killed = changed(a, "killed.db", "UPDATE process SET ended_ns = NULL");
  ck_assert_int_eq(merge(out, killed).processes, 1);
  ck_assert_int_eq(merge(out, a).processes, 0);
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*), count(ended_ns) FROM process"), "1|1");
  ck_assert_int_eq(merge(out, killed).processes, 0);
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*), count(ended_ns) FROM process"), "1|1");
  const char *other = changed(a, "other.db", "UPDATE process SET settings = '{\"threads\":9}'");
  ck_assert_int_eq(merge(out, other).processes, 1);
}
END_TEST

START_TEST(conditions_are_united) {
  const char *a = make("a.db", 1, 3), *out = support_path("out.db");
  const char *wide = changed(a, "wide.db", "UPDATE condition SET repeats = 3, tasks = 2");
  (void)merge(out, wide);
  store_merged m = merge(out, a);
  ck_assert_int_eq(m.conditions + m.jobs, 0);
  ck_assert_str_eq(program_sqlite(out, "SELECT job, repeats, tasks FROM condition"), "night|3|6");
  const char *more = changed(a, "more.db", "UPDATE condition SET name = 'two', ordinal = 1");
  ck_assert_int_eq(merge(out, more).conditions, 1);
  ck_assert_str_eq(program_sqlite(out, "SELECT job, name, run FROM condition ORDER BY ordinal"),
                   "night|one|1\nnight|two|1");
}
END_TEST

/* Another class, as a store of another machine has it. */
static const char *other_class(const char *from, const char *name, const char *class) {
  char json[200], sql[600], hex[HASH_HEX_BYTES];
  (void)snprintf(json, sizeof json, "{\"class\":\"%s\",\"mode\":\"symbolic\",\"seed\":42}", class);
  hash identity = hash_of(json, strlen(json));
  (void)snprintf(sql, sizeof sql,
                 "UPDATE run SET identity = x'%s', identity_json = '%s', determinism_class = '%s'; "
                 "UPDATE thread SET bits_hash = bits_hash + 1",
                 hash_hex(&identity, hex), json, class);
  return changed(from, name, sql);
}

START_TEST(another_class_stays_another_run) {
  const char *a = make("a.db", 1, 6), *out = support_path("out.db");
  const char *b = other_class(a, "b.db", "cuda-90"), *c = other_class(a, "c.db", "cuda-80");
  (void)merge(out, a);
  store_merged m = merge(out, b);
  ck_assert_int_eq(m.runs, 1);
  ck_assert_int_eq(m.jobs, 1);
  ck_assert_int_eq(m.samples, 6);
  ck_assert_int_eq(m.samples_equal, 0);
  m = merge(out, c);
  ck_assert_int_eq(m.jobs, 1);
  const char *jobs =
      "SELECT c.job, r.determinism_class FROM condition c JOIN run r ON r.id = c.run "
      "ORDER BY 1";
  const char *wanted = "night|symbolic-1\nnight~2|cuda-90\nnight~3|cuda-80";
  ck_assert_str_eq(program_sqlite(out, jobs), wanted);
  const char *rows = program_sqlite(out, ALL_ROWS);
  hash before = program_promised(out);
  (void)merge(out, c);
  (void)merge(out, a);
  (void)merge(out, b);
  hash after = program_promised(out);
  ck_assert(hash_equal(&before, &after));
  ck_assert_str_eq(program_sqlite(out, ALL_ROWS), rows);

  /* What was merged merges on, and a job finds its own under whatever number it has. */
  const char *far = support_path("far.db");
  (void)merge(far, c);
  m = merge(far, out);
  ck_assert_int_eq(m.jobs, 2);
  ck_assert_int_eq(m.samples, 12);
  ck_assert_str_eq(program_sqlite(far, jobs), "night|cuda-80\nnight~2|symbolic-1\nnight~3|cuda-90");
  m = merge(far, out);
  ck_assert_int_eq(m.jobs + m.conditions + m.samples, 0);
}
END_TEST

START_TEST(another_document_stays_another_job) {
  const char *a = make("a.db", 1, 2), *out = support_path("out.db"), *said = support_path("log");
  const char *b =
      changed(a, "b.db", "UPDATE job SET document = '{\"name\":\"night\",\"seed\":43}'");
  (void)merge(out, a);
  FILE *stream = fopen(said, "w");
  logger *messages;
  detail err;
  store *s;
  store_merged m;
  ck_ok(log_open(&messages, stream, 0, 0, &err));
  ck_ok(store_open(&s, out, STORE_WRITE, messages, &err));
  ck_ok(store_merge(s, b, &m, &err));
  ck_assert_int_eq(m.jobs, 1);
  ck_assert_int_eq(m.samples_equal, 2);
  close_store(s);
  log_close(messages);
  (void)fclose(stream);
  ck_holds(program_read(said), "(seed: 42 here, 43 there)");
  ck_holds(program_read(said), "as 'night~2'");
  ck_assert_str_eq(program_sqlite(out, "SELECT name FROM job ORDER BY name"), "night\nnight~2");
  ck_assert_int_eq(merge(out, b).jobs, 0);
}
END_TEST

START_TEST(finished_samples_replace_failed_ones) {
  store *s = open_night("a.db");
  put_failed(s, 1, 1, "a once");
  put_failed(s, 2, 2, "a twice");
  put_failed(s, 3, 2, "a twice");
  put_tree(s, 4, 0);
  put_failed(s, 5, 1, "a once");
  close_store(s);
  s = open_night("b.db");
  put_tree(s, 1, 0);
  put_failed(s, 2, 3, "b thrice");
  put_failed(s, 3, 2, "b twice");
  put_failed(s, 4, 3, "b thrice");
  put_failed(s, 5, 2, "b twice");
  close_store(s);
  const char *out = support_path("out.db");
  (void)merge(out, support_path("a.db"));
  store_merged m = merge(out, support_path("b.db"));
  ck_assert_int_eq(m.samples_replaced, 3);
  ck_assert_int_eq(m.samples_kept, 2);
  ck_assert_int_eq(m.samples, 0);
  const char *all = "SELECT task, status, attempt, error FROM sample ORDER BY task";
  const char *wanted = "1|done|1|\n2|failed|3|b thrice\n3|failed|2|a twice\n4|capped|1|\n"
                       "5|failed|2|b twice";
  ck_assert_str_eq(program_sqlite(out, all), wanted);
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*) FROM thread"), "4");
  m = merge(out, support_path("b.db"));
  ck_assert_int_eq(m.samples_replaced + m.samples, 0);
  (void)merge(out, support_path("a.db"));
  ck_assert_str_eq(program_sqlite(out, all), wanted);
}
END_TEST

START_TEST(the_higher_verdict_stays) {
  const char *a = make("a.db", 1, 3), *out = support_path("out.db");
  const char *later = changed(a, "later.db",
                              "UPDATE verdict SET version = 2, correct = 0, score = 0, reason = "
                              "'stricter' WHERE sample = 2; INSERT INTO verdict SELECT sample, "
                              "-1, 'lenient', 1, 1, 'close', 0.5 FROM verdict WHERE sample = 1");
  (void)merge(out, a);
  ck_assert_int_eq(merge(out, later).verdicts, 2);
  const char *all = "SELECT sample, checker, version, reason FROM verdict ORDER BY 1, 2";
  const char *wanted = "1|countdown|1|solved\n1|lenient|1|close\n2|countdown|2|stricter\n"
                       "3|countdown|1|solved";
  ck_assert_str_eq(program_sqlite(out, all), wanted);
  ck_assert_int_eq(merge(out, a).verdicts, 0);
  ck_assert_str_eq(program_sqlite(out, all), wanted);
  refuses(out, changed(a, "other.db", "UPDATE verdict SET reason = 'luck' WHERE sample = 3"),
          E_STORE, "task '2', repeat 0: the verdict's reason is \"solved\"");
}
END_TEST

/* ---- differing bits ---------------------------------------------------------------------------
 */

static const struct {
  const char *sql, *says;
} BITS[] = {
    {"UPDATE thread SET bits_hash = 7 WHERE sample = 2 AND ordinal = 0",
     "night/one, task '1', repeat 0: thread 0's bits_hash is 200 in"},
    {"UPDATE sample SET answer = '1+1=3' WHERE id = 3",
     "night/one, task '2', repeat 0: its answer is \"1+1=2\" in"},
    {"UPDATE sample SET tokens_ref = tokens_ref + 1, rounds = 5 WHERE id = 3",
     "its tokens_ref is 0 in"},
    {"UPDATE sample SET vote_key = 'x' WHERE id = 3", "its vote_key is nothing in"},
    {"UPDATE sample SET status = 'done', limit_met = NULL WHERE id = 2",
     "its status is \"capped\" in"},
    {"UPDATE trace SET text = cast(replace(cast(text AS TEXT), 'child', 'chilD') AS BLOB) "
     "WHERE sample = 2 AND thread = 1",
     "trace 1's text is \"a child\" in"},
    {"UPDATE trace SET layout = '[]' WHERE sample = 4 AND thread = 0", "trace 0's layout is "},
    {"DELETE FROM thread WHERE sample = 4 AND ordinal = 1", "thread 1 is only in "},
    {"DELETE FROM trace WHERE sample = 4 AND thread = 1", "trace 1 is only in "},
    {"INSERT INTO thread (sample, ordinal, path, role, finish, bits_hash, queued_ns, started_ns, "
     "ended_ns) VALUES (1, 2, '0.1', 'child', 'end', 0, 0, 0, 0)",
     "thread 2 is only in "}};

START_TEST(differing_bits_name_the_sample) {
  const char *a = make("a.db", 1, 6), *out = support_path("out.db");
  (void)merge(out, make("more.db", 1, 3));
  (void)merge(out, a);
  char sql[600];
  (void)snprintf(sql, sizeof sql, "PRAGMA foreign_keys = ON; %s", BITS[_i].sql);
  refuses(out, changed(a, "other.db", sql), E_STORE, BITS[_i].says);
  /* The other way round too: neither file is the right one. */
  refuses(support_path("other.db"), out, E_STORE, "nothing of");
}
END_TEST

/* What is packed by another zlib is the same text. */
START_TEST(texts_are_compared_and_not_their_packing) {
  const char *a = make("a.db", 1, 6), *out = support_path("out.db");
  (void)merge(out, a);
  const char *unpacked = changed(
      a, "unpacked.db", "UPDATE trace SET text = cast(sqlar_uncompress(text, text_bytes) AS BLOB)");
  ck_assert_str_ne(program_sqlite(a, "SELECT sum(length(text)) FROM trace"),
                   program_sqlite(unpacked, "SELECT sum(length(text)) FROM trace"));
  ck_assert_int_eq(merge(out, unpacked).samples_equal, 6);
  refuses(out,
          changed(unpacked, "other.db",
                  "UPDATE trace SET text = cast(replace(cast(text AS TEXT), '000, r', '00X, r') "
                  "AS BLOB) WHERE sample = 5 AND thread = 0"),
          E_STORE, "trace 0's text is ...\"0000000000000, repeat 0\" in");
}
END_TEST

/* ---- inputs that are no stores ----------------------------------------------------------------
 */

/* Tables without our constraints, or with more, as another program may write them. */
static const struct {
  const char *sql, *says;
} HOSTILE[] = {
    {"PRAGMA application_id = 5", "another program"},
    {"PRAGMA user_version = 99", "newer"},
    {"ALTER TABLE sample ADD COLUMN extra TEXT", "column extra of its table sample"},
    {"ALTER TABLE run RENAME COLUMN mode TO mood", "of its table run"},
    {"ALTER TABLE verdict RENAME TO v; CREATE VIEW verdict AS SELECT * FROM v", "table verdict"},
    {"ALTER TABLE trace RENAME TO t; CREATE TABLE trace (sample INTEGER, thread INTEGER, text, "
     "text_bytes INTEGER, ids, ids_bytes, logprobs, layout)",
     "table trace"},
    {"DROP TABLE process", "table process"},
    {"UPDATE task SET question = 'another' WHERE ordinal = 3", "task 3 of its set tasks@1"},
    {"UPDATE task SET ordinal = 9 WHERE ordinal = 3", "task 3 of its set tasks@1"},
    {"DELETE FROM task WHERE ordinal = 5", "the tasks of its set tasks@1"},
    {"UPDATE task_set SET hash = zeroblob(32)", "the tasks of its set tasks@1"},
    {"UPDATE run SET identity_json = '{}'", "the identity of its run 1"},
    {"UPDATE run SET task_set = 77", "its run 1 is of a task set that is not there"},
    {"UPDATE sample SET run = 77 WHERE id = 2", "its sample 2 is of a run"},
    {"UPDATE sample SET task = 77 WHERE id = 2", "its sample 2 is of a run"},
    {"UPDATE sample SET process = 77 WHERE id = 2", "its sample 2 is of a run"},
    {"UPDATE sample SET id = -9223372036854775807 - 1 WHERE id = 2; DELETE FROM thread WHERE "
     "sample = 2; DELETE FROM trace WHERE sample = 2; DELETE FROM verdict WHERE sample = 2",
     "its samples cannot be counted"},
    {"UPDATE sample SET tokens_total = 9000000000000000000 WHERE id > 2", "its sample 3 counts"},
    {"UPDATE sample SET nodes_explored = -1 WHERE id = 2", "its sample 2 counts"},
    {"UPDATE sample SET tokens_ref = 9000000000000000000 WHERE id > 2", "its sample 3 counts"},
    {"UPDATE sample SET tokens_generated = -1 WHERE id = 2", "its sample 2 counts"},
    {"UPDATE thread SET sample = 77 WHERE sample = 2", "table "},
    {"UPDATE verdict SET sample = 77 WHERE sample = 2", "table verdict"},
    {"DELETE FROM thread WHERE sample = 2", "table trace"},
    {"UPDATE task_set SET tasks = 7", "the tasks of its set tasks@1"},
    {"UPDATE task_set SET origin = '['", "column origin of its table task_set"},
    {"UPDATE process SET settings = 'none'", "column settings of its table process"},
    {"UPDATE run SET parameters = '{'", "column parameters of its table run"},
    {"UPDATE condition SET axes = ''", "column axes of its table condition"},
    {"UPDATE condition SET repeats = 1000001", "column repeats of its table condition"},
    {"UPDATE condition SET tasks = 7", "column tasks of its table condition"},
    {"UPDATE job SET document = '{\"a\":'", "column document of its table job"},
    {"DELETE FROM job", "table condition"},
    {"INSERT INTO job VALUES ('a' || char(0) || 'b', '{}')", "a zero byte is in its job 'a'"},
    {"INSERT INTO job VALUES ('a', '{}' || char(0))", "a zero byte is in its job 'a'"},
    {"UPDATE condition SET run = 77", "table condition"},
    {"PRAGMA ignore_check_constraints = ON; UPDATE sample SET status = 'odd' WHERE id = 2",
     "CHECK constraint failed"},
    {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = "
     "'thread'",
     "damaged"}};

START_TEST(hostile_inputs_are_refused) {
  const char *a = make("a.db", 1, 6), *out = make("out.db", 6, 6);
  char sql[700];
  (void)snprintf(sql, sizeof sql, "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; %s",
                 HOSTILE[_i].sql);
  refuses(out, changed(a, "hostile.db", sql), E_STORE, HOSTILE[_i].says);
}
END_TEST

/* Triggers and views of an input are never run: reading needs none of them. */
START_TEST(what_an_input_would_run_is_not_run) {
  const char *a = make("a.db", 1, 6), *out = support_path("out.db");
  const char *armed =
      changed(a, "armed.db",
              "CREATE TRIGGER t1 AFTER INSERT ON sample BEGIN DELETE FROM sample; END; "
              "CREATE TRIGGER t2 BEFORE DELETE ON process BEGIN SELECT 1 / 0; END; "
              "DROP VIEW samples; CREATE VIEW samples AS SELECT load_extension('x') AS id");
  ck_assert_int_eq(merge(out, armed).samples, 6);
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"),
                   "0");
}
END_TEST

START_TEST(ends_of_the_numbers_are_borne) {
  const char *a = make("a.db", 1, 2), *out = make("out.db", 3, 4);
  const char *far = changed(a, "far.db",
                            "PRAGMA foreign_keys = OFF; "
                            "UPDATE sample SET id = CASE id WHEN 1 THEN 9223372036854775807 ELSE "
                            "-5 END; UPDATE thread SET sample = CASE sample WHEN 1 THEN "
                            "9223372036854775807 ELSE -5 END; UPDATE trace SET sample = CASE "
                            "sample WHEN 1 THEN 9223372036854775807 ELSE -5 END; UPDATE verdict "
                            "SET sample = CASE sample WHEN 1 THEN 9223372036854775807 ELSE -5 END");
  ck_assert_int_eq(merge(out, far).samples, 2);
  ck_assert_int_eq(merge(out, a).samples_equal, 2);
}
END_TEST

/* ---- where the input lies ---------------------------------------------------------------------
 */

static _Noreturn void write_and_die(const char *path) {
  detail err;
  store *s = NULL;
  ck_ok(store_open(&s, path, STORE_WRITE, NULL, &err));
  fill_night(s);
  for (int64_t task = 1; task <= TASKS; task++)
    put_tree(s, task, 0);
  ck_ok(store_flush(s, &err));
  (void)raise(SIGKILL);
  _exit(1);
}

START_TEST(a_killed_process_leaves_its_journal) {
  const char *in = support_path("in.db"), *out = make("out.db", 1, 1);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) write_and_die(in);
  ck_assert_int_eq(program_wait(child), -SIGKILL);
  ck_assert_int_eq(access(support_path("in.db-wal"), F_OK), 0);
  store_merged m = merge(out, in);
  ck_assert_int_eq(m.samples, 5);
  ck_assert_int_eq(m.samples_equal, 1);
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*) FROM process WHERE ended_ns IS NULL"), "1");
}
END_TEST

START_TEST(an_input_in_use_is_waited_for) {
  const char *out = make("out.db", 1, 1), *a = make("a.db", 1, 6),
             *held = support_path("a.db.lock");
  store *s = open_store("a.db", STORE_WRITE);
  refuses(out, a, E_BUSY, "is being written by process");
  close_store(s);
  /* What another machine wrote there may be left from a kill. */
  support_write(held, "1 on another-machine\n");
  ck_assert_int_eq(merge(out, a).samples, 5);
  support_write(held, "no process\n");
  ck_assert_int_eq(merge(out, a).samples_equal, 6);
}
END_TEST

START_TEST(a_store_is_not_merged_into_itself) {
  const char *out = make("out.db", 1, 3), *link = support_path("link.db");
  ck_assert_int_eq(symlink(out, link), 0);
  detail err;
  store *s = open_store("out.db", STORE_WRITE);
  store_merged m;
  ck_fails(store_merge(s, out, &m, &err), E_INPUT, "is the store that is merged into");
  ck_fails(store_merge(s, link, &m, &err), E_INPUT, "is the store that is merged into");
  ck_fails(store_merge(s, support_path("none.db"), &m, &err), E_INPUT, "No such file");
  ck_fails(store_merge(s, "/", &m, &err), E_STORE, "is not a file");
  support_write(support_path("text"), "not a store, but long enough to hold a header of SQLite's, "
                                      "which has a hundred bytes at the start of each file");
  ck_fails(store_merge(s, support_path("text"), &m, &err), E_STORE, "not an SQLite file");
  close_store(s);
  s = open_store("out.db", STORE_READ);
  const char *a = make("a.db", 1, 6);
  ck_fails(store_merge(s, a, &m, &err), E_STORE, "opened for reading");
  close_store(s);
}
END_TEST

START_TEST(any_name_of_a_file_will_do) {
  const char *a = make("a.db", 1, 6);
  const char *odd = changed(a, "odd ?mode=rwc&x#%41'\xc3\xa4.db", "SELECT 1");
  ck_assert_int_eq(merge(support_path("out.db"), odd).samples, 6);
}
END_TEST

/* An input of several chunks is one transaction: what differs at its end leaves nothing. */
START_TEST(large_inputs_are_whole_or_not_there) {
  const char *a = make("a.db", 1, 1);
  static const char grow[] =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) "
      "INSERT INTO sample (run, task, repeat, status, threads, children, children_refused, rounds, "
      "process, attempt, queued_ns, started_ns, ended_ns) SELECT 1, 2, i, 'done', 0, 0, 0, 0, 1, "
      "1, 0, 0, 0 FROM n; UPDATE condition SET repeats = 25001";
  const char *large = changed(a, "large.db", grow), *out = support_path("out.db");
  const char *other =
      changed(large, "other.db", "UPDATE sample SET answer = '7' WHERE repeat = 25000");
  const char *last = changed(large, "last.db",
                             "PRAGMA foreign_keys = ON; DELETE FROM sample WHERE repeat < 24999");
  ck_assert_int_eq(merge(out, last).samples, 2);
  refuses(out, other, E_STORE, "repeat 25000: its answer is nothing in");
  store_merged m = merge(out, large);
  ck_assert_int_eq(m.samples, 24999);
  ck_assert_int_eq(m.samples_equal, 2);
  hash wanted = program_promised(large), found = program_promised(out);
  ck_assert(hash_equal(&wanted, &found));
}
END_TEST

/* A column that a later version adds must be promised or measured here too. */
START_TEST(every_column_is_merged) {
  const struct {
    const char *table, *keys, *promised, *measured;
  } tables[] = {
      {"sample", "id, run, task, repeat, process", merge_sample_promised, merge_sample_measured},
      {"thread", "sample, ordinal", merge_thread_promised, merge_thread_measured},
      {"trace", "sample, thread", merge_trace_promised, merge_trace_measured}};
  const char *db = make("a.db", 1, 1);
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    char sql[200], known[2000];
    (void)snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s')", tables[i].table);
    (void)snprintf(known, sizeof known, ", %s, %s, %s,", tables[i].keys, tables[i].promised,
                   tables[i].measured);
    char *columns = (char *)(uintptr_t)program_sqlite(db, sql), *rest;
    for (char *c = strtok_r(columns, "\n", &rest); c; c = strtok_r(NULL, "\n", &rest)) {
      char wanted[100];
      (void)snprintf(wanted, sizeof wanted, ", %s,", c);
      ck_assert_msg(strstr(known, wanted) != NULL, "%s.%s", tables[i].table, c);
    }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("merge");
  TCase *all = tcase_create("merge");
  tcase_add_test(all, parts_make_the_whole);
  tcase_add_test(all, task_sets_keep_apart);
  tcase_add_test(all, processes_are_one_by_what_they_were);
  tcase_add_test(all, conditions_are_united);
  tcase_add_test(all, another_class_stays_another_run);
  tcase_add_test(all, another_document_stays_another_job);
  tcase_add_test(all, finished_samples_replace_failed_ones);
  tcase_add_test(all, the_higher_verdict_stays);
  tcase_add_loop_test(all, differing_bits_name_the_sample, 0, sizeof BITS / sizeof BITS[0]);
  tcase_add_test(all, texts_are_compared_and_not_their_packing);
  tcase_add_loop_test(all, hostile_inputs_are_refused, 0, sizeof HOSTILE / sizeof HOSTILE[0]);
  tcase_add_test(all, what_an_input_would_run_is_not_run);
  tcase_add_test(all, ends_of_the_numbers_are_borne);
  tcase_add_test(all, a_killed_process_leaves_its_journal);
  tcase_add_test(all, an_input_in_use_is_waited_for);
  tcase_add_test(all, a_store_is_not_merged_into_itself);
  tcase_add_test(all, any_name_of_a_file_will_do);
  tcase_add_test(all, large_inputs_are_whole_or_not_there);
  tcase_add_test(all, every_column_is_merged);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
