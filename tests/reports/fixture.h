/* What the suites of reports share: small stores, filled by SQL so that every number in them can be
   added up by hand, and one value by SQL. Each fails the test when it cannot do its work. */
#ifndef TESTS_REPORTS_FIXTURE_H
#define TESTS_REPORTS_FIXTURE_H

#include "reports/report.h"
#include "store/query.h"
#include "tests/support/support.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ck_near(actual, expected) ck_assert_double_eq_tol((actual), (expected), 1e-9)

static inline void run_sql(store *s, const char *format, ...) PRINTF_LIKE(2, 3);

static inline void run_sql(store *s, const char *format, ...) {
  char sql[4096];
  detail err;
  va_list arguments;
  va_start(arguments, format);
  int used = vsnprintf(sql, sizeof sql, format, arguments);
  va_end(arguments);
  ck_assert_int_lt(used, (int)sizeof sql);
  ck_ok(query_run(s, sql, &err));
}

/* A value as text: "NULL" for NULL, "(none)" without a row. Lives until the next call. */
static inline const char *value_of(store *s, const char *sql) {
  static char value[1024];
  detail err;
  query *q = NULL;
  int row;
  ck_ok(query_open(&q, s, sql, &err));
  ck_ok(query_next(q, &row, &err));
  const char *found = !row ? "(none)" : query_is_null(q, 0) ? "NULL" : query_text(q, 0);
  (void)snprintf(value, sizeof value, "%s", found);
  query_close(q);
  return value;
}

/* A number that is there: a missing row or NULL fails the test. */
static inline double number_of(store *s, const char *sql) {
  detail err;
  query *q = NULL;
  int row;
  ck_ok(query_open(&q, s, sql, &err));
  ck_ok(query_next(q, &row, &err));
  ck_assert_msg(row && !query_is_null(q, 0), "no number: %s", sql);
  double value = query_real(q, 0);
  query_close(q);
  return value;
}

/* A store with a set "tiny" of this many tasks and a job "j" that declares `compare` (a JSON list).
   cluster: a cluster's name a task, or NULL for none. */
static inline store *tiny_store(int tasks, const char *const *cluster, const char *compare) {
  detail err;
  store *s = NULL;
  ck_ok(store_open(&s, support_path("tiny.db"), STORE_WRITE, NULL, &err));
  run_sql(s, "INSERT INTO task_set VALUES (1, 'tiny', 1, 'countdown', zeroblob(32), %d, '{}')",
          tasks);
  for (int i = 0; i < tasks; i++) {
    run_sql(s,
            "INSERT INTO task (id, task_set, ordinal, name, hash, question, target, cluster, split)"
            " VALUES (%d, 1, %d, 't%d', zeroblob(32), 'q', '{}', nullif('%s', ''), 'test')",
            i + 1, i, i, cluster ? cluster[i] : "");
  }
  run_sql(s,
          "INSERT INTO process VALUES (1, 0, NULL, 'here', '0', 'cpu', '{}');"
          "INSERT INTO job VALUES ('j', '{\"compare\":%s}')",
          compare);
  return s;
}

/* The condition with this number (from 1) in job j, over all tasks, and its run of that number. */
static inline void tiny_condition(store *s, int number, const char *name, const char *family,
                                  int repeats) {
  run_sql(
      s,
      "INSERT INTO run VALUES (%d, x'%064x', '{}', 1, 'symbolic', NULL, '{\"beam\":%d,"
      "\"limit\":{\"context\":2048},\"search\":\"apr\"}', NULL, 'llama2', 'symbolic-1', NULL, 1);"
      "INSERT INTO condition VALUES (%d, 'j', %d, '%s', '%s', %d, 'countdown', %d, "
      "(SELECT count(*) FROM task), '{}')",
      number, (unsigned)number, number, number, number - 1, name, family, number, repeats);
}

/* One sample that ended as 'd'one, 'c'apped or 'f'ailed; a negative score leaves it without a
   verdict; cost is its number on every axis, and its milliseconds. */
static inline void tiny_sample(store *s, int run, int task, int repeat, char ended, double score,
                               int cost) {
  const char *name = ended == 'd' ? "done" : ended == 'c' ? "capped" : "failed";
  run_sql(s,
          "INSERT INTO sample (run, task, repeat, status, limit_met, tokens_total, tokens_ref, "
          "seq_critical_path, seq_critical_path_injected, seq_longest_sequence, context_peak, "
          "flops, nodes_explored, threads, children, children_refused, rounds, process, attempt, "
          "queued_ns, started_ns, ended_ns) VALUES (%d, %d, %d, '%s', %s, %d, %d, %d, %d, %d, %d, "
          "%d, %d, 1, 0, 0, 0, 1, 1, 0, 1000000, %" PRId64 ")",
          run, task + 1, repeat, name, ended == 'c' ? "'context'" : "NULL", cost, cost, cost, cost,
          cost, cost, cost, cost, INT64_C(1000000) * (cost + 1));
  if (score >= 0) {
    run_sql(s, "INSERT INTO verdict VALUES (last_insert_rowid(), -1, 'countdown', 1, %d, 'r', %g)",
            score == 1, score);
  }
}

/* Makes the condition one of a model: this mode, with these parameters (JSON). */
static inline void tiny_model(store *s, int number, const char *mode, const char *parameters) {
  run_sql(s,
          "INSERT OR IGNORE INTO model VALUES (x'%064x', 'small', 'llama', 1500000, 4096, 1000, "
          "x'%064x', '{}');"
          "UPDATE run SET mode = '%s', parameters = '%s', model_hash = x'%064x', "
          "token_unit = 'tok-1', determinism_class = 'cpu-1 bf16' WHERE id = %d",
          1, 2, mode, parameters, 1, number);
}

/* Gives the newest sample a voter of this ordinal and its verdict; "" for no vote key or answer. */
static inline void tiny_voter(store *s, int ordinal, const char *vote_key, const char *answer,
                              int correct) {
  run_sql(s,
          "INSERT INTO thread (sample, ordinal, path, role, answer, finish, bits_hash, queued_ns, "
          "started_ns, ended_ns, vote_key) SELECT max(id), %d, '%d', 'voter', nullif('%s', ''), "
          "'end', 0, 0, 0, 0, nullif('%s', '') FROM sample;"
          "INSERT INTO verdict SELECT max(id), %d, 'countdown', 1, %d, 'r', %d FROM sample",
          ordinal, ordinal, answer, vote_key, ordinal, correct, correct);
}

/* A sample a task, one repeat, of cost `cost`; scores is one of "01" or 'f' a task. */
static inline void tiny_samples(store *s, int run, const char *scores, int cost) {
  for (int task = 0; scores[task]; task++) {
    if (scores[task] == 'f') {
      tiny_sample(s, run, task, 0, 'f', -1, cost);
    } else {
      tiny_sample(s, run, task, 0, 'd', scores[task] - '0', cost);
    }
  }
}

#endif
