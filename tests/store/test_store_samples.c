/* Samples: what is put is what is read, failures of the writer, rescoring, and queries. */
#include "tests/store/fixture.h"

#include <stdlib.h>

static const char long_trace[] = "Current State: 36:[90, 81, 88, 18], Operations: []\n"
                                 "Exploring Operation: 90-88=2, Resulting Numbers: [81, 18, 2]\n"
                                 "Exploring Operation: 90-81=9, Resulting Numbers: [88, 18, 9]\n"
                                 "Exploring Operation: 90-18=72, Resulting Numbers: [81, 88, 72]\n";

static store_verdict verdict(const char *checker, int correct) {
  return (store_verdict){.thread = -1,
                         .checker = checker,
                         .reason = correct ? "solved" : "wrong value",
                         .version = 1,
                         .correct = correct,
                         .score = correct};
}

/* A sample with a root and two children, whose traces are long, short and empty. */
static void put_tree(store *s, int64_t task) {
  detail err;
  store_thread threads[] = {plain_thread("0", -1, long_trace), plain_thread("0.0", 0, "x"),
                            plain_thread("0.1", 0, "")};
  threads[0].bits_hash = UINT64_C(0xfedcba9876543210);
  threads[1].bits_hash = UINT64_C(1) << 63; /* the bits of STORE_NONE, and yet a value */
  threads[1].answer = "recap";
  threads[1].spawn_token = 17;
  threads[2].worker = 3;
  store_sample sample = plain_sample(task, 0, "done");
  sample.answer = "['90-88=2']";
  sample.threads = threads;
  sample.thread_count = 3;
  sample.costs.tokens_total = 123;
  sample.costs.nodes_duplicate = STORE_NONE;
  sample.costs.flops = 0.5;
  sample.first_token_ns = 77;
  sample.batch_samples = 2.5;
  store_verdict verdicts[] = {verdict("countdown", 1), verdict("countdown-lenient", 0)};
  ck_ok(store_put(s, &sample, verdicts, 2, &err));
  ck_ok(store_flush(s, &err));
}

/* A store may come from anybody. */
START_TEST(a_stranger_s_trigger_is_not_run) {
  detail err;
  store *s = open_ready("trigger.db", 2);
  ck_ok(query_run(s, "CREATE TRIGGER gone AFTER INSERT ON sample BEGIN DELETE FROM sample; END",
                  &err));
  put_plain(s, 1, 0, "done");
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"), 1);
  close_store(s);
}
END_TEST

START_TEST(what_is_put_is_read) {
  store *s = open_ready("put.db", 2);
  put_tree(s, 1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample WHERE task = 1 AND repeat = 0 AND "
                             "status = 'done' AND answer = '[''90-88=2'']' AND vote_key IS NULL "
                             "AND tokens_total = 123 AND nodes_duplicate IS NULL AND flops = 0.5 "
                             "AND threads = 3 AND first_token_ns = 77 AND batch_samples = 2.5 "
                             "AND process = 1 AND attempt = 1"),
                   1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM thread WHERE ordinal = 0 AND parent IS NULL "
                             "AND round IS NULL AND spawn_token IS NULL AND answer IS NULL"),
                   1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM thread WHERE ordinal = 1 AND parent = 0 AND "
                             "path = '0.0' AND spawn_token = 17 AND answer = 'recap'"),
                   1);
  ck_assert_int_eq(number(s, "SELECT worker FROM thread WHERE ordinal = 2"), 3);
  ck_assert(number(s, "SELECT bits_hash FROM thread WHERE ordinal = 0") ==
            (int64_t)UINT64_C(0xfedcba9876543210));
  ck_assert(number(s, "SELECT bits_hash FROM thread WHERE ordinal = 1") == INT64_MIN);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM verdict WHERE (checker, correct, reason) IN "
                             "(('countdown', 1, 'solved'), ('countdown-lenient', 0, "
                             "'wrong value'))"),
                   2);
  check_clean(s);
  close_store(s);
}
END_TEST

START_TEST(traces_are_in_sqlar_s_form) {
  detail err;
  query *q;
  int row;
  store *s = open_ready("traces.db", 2);
  put_tree(s, 1);
  ck_assert(number(s, "SELECT length(text) < text_bytes FROM trace WHERE thread = 0"));
  ck_assert_int_eq(number(s, "SELECT length(text) FROM trace WHERE thread = 1"), 1);
  ck_assert_int_eq(number(s, "SELECT text = x'' AND text_bytes = 0 FROM trace WHERE thread = 2"),
                   1);
  ck_ok(query_open(&q, s,
                   "SELECT cast(sqlar_uncompress(text, text_bytes) AS TEXT), layout FROM trace "
                   "ORDER BY thread",
                   &err));
  const char *wanted[] = {long_trace, "x", ""};
  for (int i = 0; i < 3; i++) {
    ck_ok(query_next(q, &row, &err));
    ck_assert_str_eq(query_text(q, 0), wanted[i]);
    ck_assert_str_eq(query_text(q, 1), "[[\"prompt\",0,4]]");
  }
  query_close(q);
  ck_ok(query_open(&q, s, "SELECT sqlar_uncompress(x'0102', 50)", &err));
  ck_fails(query_next(q, &row, &err), E_STORE, "damaged");
  query_close(q);
  close_store(s);
}
END_TEST

/* Noise does not shrink and is kept as it is. */
START_TEST(noise_is_stored_raw) {
  detail err;
  enum { BYTES = 100000 };
  char *noise = malloc(BYTES);
  uint32_t state = 1;
  for (int i = 0; i < BYTES; i++)
    noise[i] = (char)((state = state * 1664525u + 1013904223u) >> 24);
  store *s = open_ready("noise.db", 2);
  store_thread thread = plain_thread("0", -1, "");
  thread.text = noise;
  thread.text_bytes = BYTES;
  store_sample sample = plain_sample(1, 0, "done");
  sample.threads = &thread;
  sample.thread_count = 1;
  ck_ok(store_put(s, &sample, NULL, 0, &err));
  ck_ok(store_flush(s, &err));
  query *q;
  int row;
  size_t bytes;
  ck_ok(query_open(&q, s, "SELECT sqlar_uncompress(text, text_bytes) FROM trace", &err));
  ck_ok(query_next(q, &row, &err));
  const void *read = query_blob(q, 0, &bytes);
  ck_assert_uint_eq(bytes, BYTES);
  ck_assert_mem_eq(read, noise, BYTES);
  query_close(q);
  ck_assert_int_eq(number(s, "SELECT length(text) FROM trace"), BYTES);
  free(noise);
  close_store(s);
}
END_TEST

START_TEST(the_stock_shell_reads_traces) {
  if (system("sqlite3 -version >/dev/null 2>&1") != 0) {
    (void)fprintf(stderr, "no sqlite3 shell here: its reading of traces was not tested\n");
    return;
  }
  store *s = open_ready("shell.db", 2);
  put_tree(s, 1);
  char command[600], out[1000] = "";
  (void)snprintf(command, sizeof command,
                 "sqlite3 -batch %s \"SELECT cast(sqlar_uncompress(text, text_bytes) AS TEXT) "
                 "FROM trace WHERE thread = 0\"",
                 store_path(s));
  FILE *shell = popen(command, "r"); /* while we write, too */
  ck_assert_ptr_nonnull(shell);
  size_t bytes = fread(out, 1, sizeof out - 1, shell);
  ck_assert_int_eq(pclose(shell), 0);
  ck_assert_uint_eq(bytes, sizeof long_trace); /* and the shell's newline */
  ck_assert_mem_eq(out, long_trace, sizeof long_trace - 1);
  close_store(s);
}
END_TEST

START_TEST(a_failed_sample_is_replaced_with_all_that_was_its) {
  detail err;
  store *s = open_ready("replace.db", 2);
  store_thread thread = plain_thread("0", -1, long_trace);
  store_sample sample = plain_sample(1, 0, "failed");
  sample.error = "out of memory";
  sample.threads = &thread;
  sample.thread_count = 1;
  store_verdict old = verdict("old", 0);
  ck_ok(store_put(s, &sample, &old, 1, &err));
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample WHERE error = 'out of memory'"), 1);
  sample.attempt = 2;
  sample.status = "done";
  sample.error = NULL;
  sample.thread_count = 0;
  store_verdict new = verdict("new", 1);
  ck_ok(store_put(s, &sample, &new, 1, &err));
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample WHERE status = 'done' AND attempt = 2 "
                             "AND error IS NULL"),
                   1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"), 1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM thread"), 0);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM trace"), 0);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM verdict"), 1);
  ck_assert_int_eq(number(s, "SELECT checker = 'new' FROM verdict"), 1);
  check_clean(s);
  close_store(s);
}
END_TEST

START_TEST(a_finished_sample_is_never_replaced_and_the_first_failure_stays) {
  detail err;
  store *s = open_ready("twice.db", 3);
  put_plain(s, 2, 4, "capped");
  ck_ok(store_flush(s, &err));
  store_sample sample = plain_sample(2, 4, "done");
  (void)!store_put(s, &sample, NULL, 0, &err); /* queued, or refused already */
  ck_fails(store_flush(s, &err), E_STORE, "task 1, repeat 4 of run 1 was committed twice");
  sample = plain_sample(3, 0, "done");
  ck_fails(store_put(s, &sample, NULL, 0, &err), E_STORE, "committed twice");
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample WHERE status = 'capped'"), 1);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"), 1);
  ck_fails(store_close(s, &err), E_STORE, "committed twice");
  s = open_store("twice.db", STORE_READ); /* closed well all the same */
  ck_assert_int_eq(number(s, "SELECT count(*) FROM process WHERE ended_ns IS NULL"), 0);
  close_store(s);
}
END_TEST

START_TEST(a_sample_of_nothing_is_refused) {
  detail err;
  store *s = open_ready("nothing.db", 2), *reader = open_store("nothing.db", STORE_READ);
  store_sample sample = plain_sample(99, 0, "done");
  ck_fails(store_put(reader, &sample, NULL, 0, &err), E_STORE, "opened for reading");
  close_store(reader);
  ck_ok(store_put(s, &sample, NULL, 0, &err));
  ck_fails(store_flush(s, &err), E_STORE, "task 99");
  ck_fails(store_close(s, &err), E_STORE, "task 99");
}
END_TEST

START_TEST(what_was_written_is_counted) {
  detail err;
  store *s = open_store("stats.db", STORE_WRITE);
  ck_assert_int_eq(store_written(s).samples, 0); /* before there is a writer */
  ck_ok(store_flush(s, &err));
  close_store(s);
  s = open_ready("stats.db2", 3);
  for (int64_t task = 1; task <= 3; task++)
    put_plain(s, task, 0, "done");
  ck_ok(store_flush(s, &err));
  store_stats stats = store_written(s);
  ck_assert_int_eq(stats.samples, 3);
  ck_assert_int_gt(stats.bytes, 0);
  ck_assert(stats.commits >= 1 && stats.commits <= 3);
  ck_assert_int_gt(stats.write_ns, 0);
  close_store(s);
}
END_TEST

/* ---- rescoring --------------------------------------------------------------------------------
 */

typedef struct judging {
  int64_t calls, traces, fail_at;
  int correct_below; /* the target's n */
} judging;

static status judge(void *context, const store_answer *a, store_verdict *out, int *count,
                    detail *err) {
  judging *j = context;
  int n = -1;
  if (++j->calls == j->fail_at) return fault(err, E_INPUT, "cannot judge");
  if (sscanf(a->target, "{\"n\":%d}", &n) != 1 || !strcmp(a->status, "failed")) return E_INPUT;
  j->traces += a->trace_bytes == strlen(long_trace) && !strcmp(a->trace, long_trace);
  ck_assert_int_eq(*count, 1);
  *out = verdict("ignored", n < j->correct_below);
  return OK;
}

static void put_traced(store *s, int64_t task, int32_t repeat, const char *state) {
  detail err;
  store_thread thread = plain_thread("0", -1, long_trace);
  store_sample sample = plain_sample(task, repeat, state);
  sample.threads = &thread;
  sample.thread_count = 1;
  ck_ok(store_put(s, &sample, NULL, 0, &err));
}

START_TEST(rescoring_judges_what_lacks_a_verdict) {
  enum { TASKS = 1100, FINISHED = TASKS * 2 - 1 };
  detail err;
  store *s = open_ready("rescore.db", TASKS);
  for (int32_t repeat = 0; repeat < 2; repeat++) {
    for (int64_t task = 1; task <= TASKS; task++)
      put_traced(s, task, repeat, task == 7 && repeat ? "failed" : task % 2 ? "done" : "capped");
  }
  ck_ok(store_flush(s, &err));
  judging j = {.correct_below = 50};
  int64_t judged, changed;
  ck_ok(store_rescore(s, 1, "rule", 1, 0, judge, &j, &judged, &changed, &err));
  ck_assert_int_eq(judged, FINISHED);
  ck_assert_int_eq(changed, FINISHED);
  ck_assert_int_eq(j.calls, FINISHED);
  ck_assert_int_eq(j.traces, FINISHED);
  ck_assert_int_eq(number(s, "SELECT sum(correct) FROM verdict WHERE checker = 'rule'"), 99);
  ck_ok(store_rescore(s, 1, "rule", 1, 0, judge, &j, &judged, &changed, &err));
  ck_assert_int_eq(judged, 0);
  j.correct_below = 60; /* a new version of the rule changes ten tasks of two repeats */
  ck_ok(store_rescore(s, 1, "rule", 2, 0, judge, &j, &judged, &changed, &err));
  ck_assert_int_eq(judged, FINISHED);
  ck_assert_int_eq(changed, 20);
  ck_ok(store_rescore(s, 1, "rule", 2, 1, judge, &j, &judged, &changed, &err));
  ck_assert_int_eq(judged, FINISHED);
  ck_assert_int_eq(changed, 0);
  ck_ok(store_rescore(s, 2, "rule", 2, 1, judge, &j, &judged, &changed, &err));
  ck_assert_int_eq(judged, 0); /* another run */
  ck_assert_int_eq(number(s, "SELECT count(*) FROM verdict WHERE version <> 2"), 0);
  close_store(s);
}
END_TEST

START_TEST(a_judge_that_fails_ends_it) {
  detail err;
  store *s = open_ready("judge.db", 1500);
  for (int64_t task = 1; task <= 1500; task++)
    put_plain(s, task, 0, "done");
  ck_ok(store_flush(s, &err));
  judging j = {.correct_below = 50, .fail_at = 1200};
  int64_t judged, changed;
  ck_fails(store_rescore(s, 1, "rule", 1, 0, judge, &j, &judged, &changed, &err), E_INPUT,
           "cannot judge");
  ck_assert_int_eq(judged, 1000); /* the page before stays, and the next call goes on */
  j.fail_at = 0;
  ck_ok(store_rescore(s, 1, "rule", 1, 0, judge, &j, &judged, &changed, &err));
  ck_assert_int_eq(judged, 500);
  close_store(s);
}
END_TEST

/* Voters are right where they say so; those that are `hidden` get no verdict. */
typedef struct election {
  const char *hidden;
  int voters, keys;
} election;

static status judge_vote(void *context, const store_answer *a, store_verdict *out, int *count,
                         detail *err) {
  election *e = context;
  (void)err;
  ck_assert_str_eq(a->vote_key, "right");
  out[0] = verdict("ignored", 1);
  for (int i = 0; i < a->thread_count; i++) {
    const store_answer_thread *t = &a->threads[i];
    ck_assert_int_eq(t->ordinal, i);
    ck_assert_str_eq(t->role, "voter");
    ck_assert_str_eq(t->finish, i % 2 ? "limit" : "end");
    e->voters++;
    e->keys += t->vote_key != NULL;
    if (!t->answer || !strcmp(t->answer, e->hidden)) continue;
    out[*count] = verdict("ignored", !strcmp(t->answer, "right"));
    out[(*count)++].thread = t->ordinal;
  }
  return OK;
}

static void put_voters(store *s, int64_t task, int count) {
  static const char *const answers[] = {"right", "wrong", NULL};
  detail err;
  store_thread *threads = calloc((size_t)count, sizeof *threads);
  store_sample sample = plain_sample(task, 0, "done");
  for (int i = 0; i < count; i++) {
    threads[i] = plain_thread("0", -1, "x");
    threads[i].role = "voter";
    threads[i].finish = i % 2 ? "limit" : "end";
    threads[i].answer = threads[i].vote_key = answers[i % 3];
  }
  sample.vote_key = "right";
  sample.threads = threads;
  sample.thread_count = count;
  ck_ok(store_put(s, &sample, NULL, 0, &err));
  free(threads);
}

START_TEST(rescoring_judges_threads_too) {
  detail err;
  store *s = open_ready("voters.db", 3);
  put_voters(s, 1, 6);
  put_voters(s, 2, 300);
  put_plain(s, 3, 0, "failed");
  ck_ok(store_flush(s, &err));
  election e = {.hidden = "none"};
  int64_t judged, changed;
  ck_ok(store_rescore(s, 1, "rule", 1, 0, judge_vote, &e, &judged, &changed, &err));
  ck_assert_int_eq(judged, 2);
  ck_assert_int_eq(changed, 2); /* samples, however many voters there are */
  ck_assert_int_eq(e.voters, 306);
  ck_assert_int_eq(e.keys, 204);
#define VOTERS "SELECT count(*) FROM verdict WHERE checker = 'rule' AND version = 1 AND "
  ck_assert_int_eq(number(s, VOTERS "sample = 1 AND (thread, correct) IN (VALUES (-1, 1), (0, 1), "
                                    "(1, 0), (3, 1), (4, 0))"),
                   5);
  ck_assert_int_eq(number(s, VOTERS "thread >= 0"), 204);
  /* A rule that leaves voters unjudged takes back what was said of them, and of no others. */
  ck_ok(query_run(s, "INSERT INTO verdict VALUES (1, 1, 'other', 1, 0, 'x', 0)", &err));
  e.hidden = "wrong";
  ck_ok(store_rescore(s, 1, "rule", 1, 1, judge_vote, &e, &judged, &changed, &err));
  ck_assert_int_eq(changed, 0);
  ck_assert_int_eq(number(s, VOTERS "thread >= 0"), 102);
  ck_assert_int_eq(number(s, VOTERS "thread >= 0 AND correct = 0"), 0);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM verdict WHERE checker = 'other'"), 1);
#undef VOTERS
  close_store(s);
}
END_TEST

/* A verdict on a thread goes by its number, and -1 is the sample's own. */
START_TEST(threads_that_are_not_in_order_are_refused) {
  static const char *const numbers[] = {"-1", "7", "4294967295", "4294967296"};
  detail err;
  election e = {.hidden = "none"};
  int64_t judged, changed;
  store *s = open_ready("order.db", 1);
  put_voters(s, 1, 3);
  ck_ok(store_flush(s, &err));
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    char sql[128];
    (void)snprintf(sql, sizeof sql, "UPDATE thread SET ordinal = %s WHERE ordinal NOT IN (0, 1)",
                   numbers[i]);
    ck_ok(query_run(s, "DELETE FROM trace", &err));
    ck_ok(query_run(s, sql, &err));
    ck_fails(store_rescore(s, 1, "rule", 1, 1, judge_vote, &e, &judged, &changed, &err), E_STORE,
             "its threads are not in order");
    ck_assert_int_eq(number(s, "SELECT count(*) FROM verdict"), 0);
  }
  close_store(s);
}
END_TEST

static status judge_at_length(void *context, const store_answer *a, store_verdict *out, int *count,
                              detail *err) {
  static char reason[(9 << 20) + 1];
  status failed = judge(context, a, out, count, err);
  memset(reason, 'a', sizeof reason - 1);
  out->reason = reason;
  return failed;
}

START_TEST(a_page_of_long_reasons_ends_early) {
  detail err;
  store *s = open_ready("long.db", 5);
  for (int64_t task = 1; task <= 5; task++)
    put_plain(s, task, 0, "done");
  ck_ok(store_flush(s, &err));
  judging j = {.correct_below = 50, .fail_at = 4};
  int64_t judged, changed;
  ck_fails(store_rescore(s, 1, "rule", 1, 0, judge_at_length, &j, &judged, &changed, &err), E_INPUT,
           "cannot judge");
  ck_assert_int_eq(judged, 2);
  j.fail_at = 0;
  ck_ok(store_rescore(s, 1, "rule", 1, 0, judge_at_length, &j, &judged, &changed, &err));
  ck_assert_int_eq(judged, 3);
  ck_assert_int_eq(number(s, "SELECT sum(length(reason) = 9 << 20) FROM verdict"), 5);
  close_store(s);
}
END_TEST

/* ---- queries ----------------------------------------------------------------------------------
 */

START_TEST(a_query_gives_rows_and_is_run_again) {
  detail err;
  query *q;
  int row;
  size_t count;
  store *s = open_store("query.db", STORE_WRITE);
  ck_ok(query_open(&q, s, "SELECT ?1 AS a, ?2 + 1 AS b, ?3 * 2 AS c, ?4, NULL;", &err));
  ck_assert_int_eq(query_columns(q), 5);
  ck_assert_str_eq(query_name(q, 1), "b");
  query_bind_text(q, 1, "text");
  query_bind_int(q, 2, 41);
  query_bind_real(q, 3, 0.25);
  query_bind_blob(q, 4, "a\0b", 3);
  for (int pass = 0; pass < 2; pass++) {
    ck_ok(query_next(q, &row, &err));
    ck_assert_int_eq(row, 1);
    ck_assert_str_eq(query_text(q, 0), pass ? "other" : "text");
    ck_assert_int_eq(query_int(q, 1), 42);
    ck_assert_double_eq(query_real(q, 2), 0.5);
    ck_assert_mem_eq(query_blob(q, 3, &count), "a\0b", 3);
    ck_assert_uint_eq(count, 3);
    ck_assert(query_is_null(q, 4) && !query_is_null(q, 0));
    ck_assert_str_eq(query_text(q, 4), "");
    for (int i = 0; i < 2; i++) { /* and stays at its end */
      ck_ok(query_next(q, &row, &err));
      ck_assert_int_eq(row, 0);
    }
    query_rewind(q);
    query_bind_text(q, 1, "other");
  }
  query_close(q);
  query_close(NULL);
  close_store(s);
}
END_TEST

START_TEST(queries_change_the_store_in_one_transaction) {
  detail err;
  query *q;
  int row;
  store *s = open_store("change.db", STORE_WRITE), *reader = open_store("change.db", STORE_READ);
  ck_ok(query_open(&q, s, "INSERT INTO job VALUES (?, '{}')", &err));
  for (int i = 0; i < 3; i++) {
    query_bind_text(q, 1, i == 0 ? "a" : i == 1 ? "b" : "c");
    ck_ok(query_next(q, &row, &err));
    ck_assert_int_eq(row, 0);
    query_rewind(q);
  }
  query_bind_text(q, 1, "a");
  ck_fails(query_next(q, &row, &err), E_STORE, "UNIQUE constraint failed");
  query_close(q);
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM job"), 3);
  ck_fails(query_run(s, "DELETE FROM job; INSERT INTO nowhere VALUES (1)", &err), E_STORE,
           "nowhere");
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM job"), 3);
  ck_ok(query_run(s, "DELETE FROM job WHERE name = 'a'; DELETE FROM job WHERE name = 'b'", &err));
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM job"), 1);
  ck_ok(query_open(&q, reader, "DELETE FROM job", &err));
  ck_fails(query_next(q, &row, &err), E_STORE, "opened for reading");
  query_close(q);
  close_store(reader);
  close_store(s);
}
END_TEST

START_TEST(what_is_not_a_query_is_said) {
  detail err;
  query *q;
  int row;
  store *s = open_store("not.db", STORE_WRITE);
  ck_fails(query_open(&q, s, "SELECT absent FROM sample", &err), E_INPUT, "no such column");
  ck_fails(query_open(&q, s, "SELECT 1; SELECT 2", &err), E_INPUT, "not one query");
  ck_fails(query_open(&q, s, "", &err), E_INPUT, "not one query");
  ck_fails(query_open(&q, s, "DELETE FROM job RETURNING name", &err), E_INPUT, "no rows");
  ck_ok(query_open(&q, s, "SELECT ?1", &err));
  query_bind_int(q, 2, 5);
  ck_fails(query_next(q, &row, &err), E_STORE, "index out of range");
  query_close(q);
  close_store(s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("store samples");
  TCase *cases = tcase_create("samples, verdicts and queries");
  tcase_add_test(cases, a_stranger_s_trigger_is_not_run);
  tcase_add_test(cases, what_is_put_is_read);
  tcase_add_test(cases, traces_are_in_sqlar_s_form);
  tcase_add_test(cases, noise_is_stored_raw);
  tcase_add_test(cases, the_stock_shell_reads_traces);
  tcase_add_test(cases, a_failed_sample_is_replaced_with_all_that_was_its);
  tcase_add_test(cases, a_finished_sample_is_never_replaced_and_the_first_failure_stays);
  tcase_add_test(cases, a_sample_of_nothing_is_refused);
  tcase_add_test(cases, what_was_written_is_counted);
  tcase_add_test(cases, rescoring_judges_what_lacks_a_verdict);
  tcase_add_test(cases, rescoring_judges_threads_too);
  tcase_add_test(cases, threads_that_are_not_in_order_are_refused);
  tcase_add_test(cases, a_page_of_long_reasons_ends_early);
  tcase_add_test(cases, a_judge_that_fails_ends_it);
  tcase_add_test(cases, a_query_gives_rows_and_is_run_again);
  tcase_add_test(cases, queries_change_the_store_in_one_transaction);
  tcase_add_test(cases, what_is_not_a_query_is_said);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
