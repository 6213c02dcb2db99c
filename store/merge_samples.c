/* Samples with all that belongs to them, a chunk at a time, so that memory and what SQLite keeps
   for a statement are those of a chunk, however large the input is. */
#include "store/merge_internal.h"

#include <string.h>

enum { CHUNK_SAMPLES = 10000 };

/* Maps the next samples by rowid, and says what becomes of each. What a sample names that is not
   there, or a task of another set than its run's, leaves a NULL. */
static status fill_chunk(merging *m, int64_t from, detail *err) {
  status failed = merge_run(m, "DELETE FROM temp.merge_sample", err);
  if (failed) return failed;
  call k = merge_call(
      m,
      "INSERT INTO temp.merge_sample SELECT s.id, r.out, t.out, s.repeat, p.out, o.id, "
      "CASE WHEN o.id IS NULL THEN 'add' "
      "WHEN s.status = 'failed' AND o.status = 'failed' AND s.attempt > o.attempt THEN 'replace' "
      "WHEN s.status = 'failed' THEN 'keep' WHEN o.status = 'failed' THEN 'replace' "
      "ELSE 'compare' END FROM source.sample s "
      "LEFT JOIN temp.merge_run r ON r.source = s.run "
      "LEFT JOIN temp.merge_process p ON p.source = s.process "
      "LEFT JOIN temp.merge_task t ON t.source = s.task AND t.task_set = r.task_set "
      "LEFT JOIN main.sample o ON o.run = r.out AND o.task = t.out AND o.repeat = s.repeat "
      "WHERE s.id >= ? ORDER BY s.id LIMIT ?");
  call_int(&k, from);
  call_int(&k, CHUNK_SAMPLES);
  return merge_step(m, &k, err);
}

static status check_chunk(merging *m, detail *err) {
  int row;
  call k = merge_call(m, "SELECT source FROM temp.merge_sample WHERE run IS NULL OR task IS NULL "
                         "OR process IS NULL LIMIT 1");
  status failed = merge_row(m, &k, &row, err);
  if (!failed && row) {
    failed = merge_refuse(m, err, "its sample %lld is of a run, task or process that is not there",
                          (long long)sqlite3_column_int64(k.statement, 0));
  }
  merge_end(&k);
  return failed;
}

/* What the view token_use and status add up: sums of such numbers end both for every job. */
static status check_counts(merging *m, detail *err) {
  int row;
  call k = merge_call(
      m, "WITH count (sample, total, reference, generated, path, nodes, again) AS (SELECT id, "
         "coalesce(tokens_total, 0), coalesce(tokens_ref, 0), coalesce(tokens_generated, 0), "
         "coalesce(seq_critical_path_injected, 0), coalesce(nodes_explored, 0), "
         "coalesce(nodes_duplicate, 0) FROM source.sample) SELECT sample FROM count "
         "WHERE (min(total, reference, generated, path, nodes, again) < 0 "
         "OR max(total, reference, generated, path, nodes, again) > 1 << 40) "
         "AND " MERGE_CHUNK("sample") " LIMIT 1");
  status failed = merge_row(m, &k, &row, err);
  if (!failed && row) {
    failed = merge_refuse(m, err, "its sample %lld counts more than any sample has",
                          (long long)sqlite3_column_int64(k.statement, 0));
  }
  merge_end(&k);
  return failed;
}

/* ---- copying ----------------------------------------------------------------------------------
 */

#define FRESH "m.action IN ('add', 'replace')"

static status copy(merging *m, const char *format, const char *promised, const char *measured,
                   detail *err) {
  text sql;
  text_open(&sql, 1 << 14);
  for (const char *c = format; *c; c++) {
    if (*c == '#') {
      text_format(&sql, "%s%s%s", promised, *measured ? ", " : "", measured);
    } else {
      text_char(&sql, *c);
    }
  }
  status failed = text_state(&sql, err);
  if (!failed) failed = merge_run(m, text_string(&sql), err);
  text_close(&sql);
  return failed;
}

/* A '#' stands for the columns that come along as they are. */
static status copy_samples(merging *m, detail *err) {
  status failed = merge_run(m,
                            "DELETE FROM main.sample WHERE id IN (SELECT out FROM "
                            "temp.merge_sample WHERE action = 'replace')",
                            err);
  if (!failed) {
    failed = copy(m,
                  "INSERT INTO main.sample (run, task, repeat, process, #) "
                  "SELECT m.run, m.task, m.repeat, m.process, # FROM source.sample s "
                  "CROSS JOIN temp.merge_sample m ON m.source = s.id "
                  "WHERE " MERGE_CHUNK("s.id") " AND " FRESH " ORDER BY s.id",
                  merge_sample_promised, merge_sample_measured, err);
  }
  if (failed) return failed;
  return merge_run(m,
                   "UPDATE temp.merge_sample AS m SET out = (SELECT o.id FROM main.sample o WHERE "
                   "o.run = m.run AND o.task = m.task AND o.repeat = m.repeat) WHERE " FRESH,
                   err);
}

static status copy_threads(merging *m, detail *err) {
  status failed = copy(m,
                       "INSERT INTO main.thread (sample, ordinal, #) SELECT m.out, ordinal, # "
                       "FROM source.thread t CROSS JOIN temp.merge_sample m ON m.source = t.sample "
                       "WHERE " MERGE_CHUNK("t.sample") " AND " FRESH " ORDER BY m.source, ordinal",
                       merge_thread_promised, merge_thread_measured, err);
  if (failed) return failed;
  return copy(m,
              "INSERT INTO main.trace (sample, thread, #) SELECT m.out, thread, # "
              "FROM source.trace x CROSS JOIN temp.merge_sample m ON m.source = x.sample "
              "WHERE " MERGE_CHUNK("x.sample") " AND " FRESH " ORDER BY m.source, thread",
              merge_trace_promised, merge_trace_measured, err);
}

/* Also those of samples that both sides have: a store may have been judged again. */
static status copy_verdicts(merging *m, detail *err) {
  status failed = merge_run(
      m,
      "INSERT INTO main.verdict (sample, thread, checker, version, correct, reason, score) "
      "SELECT m.out, v.thread, v.checker, v.version, v.correct, v.reason, v.score "
      "FROM source.verdict v CROSS JOIN temp.merge_sample m ON m.source = v.sample "
      "WHERE " MERGE_CHUNK("v.sample") " AND m.action <> 'keep' ORDER BY m.source "
                                       "ON CONFLICT (sample, thread, checker) DO UPDATE SET "
                                       "version = excluded.version, "
                                       "correct = excluded.correct, reason = excluded.reason, "
                                       "score = excluded.score "
                                       "WHERE excluded.version > verdict.version",
      err);
  if (!failed) m->counts->verdicts += sqlite3_changes64(m->out->on.db);
  return failed;
}

static status count_chunk(merging *m, int64_t *last, int64_t *seen, detail *err) {
  int row;
  call k = merge_call(m, "SELECT coalesce(sum(action = 'add'), 0), "
                         "coalesce(sum(action = 'replace'), 0), "
                         "coalesce(sum(action = 'compare'), 0), "
                         "coalesce(sum(action = 'keep'), 0), coalesce(max(source), 0), count(*) "
                         "FROM temp.merge_sample");
  status failed = merge_row(m, &k, &row, err);
  if (!failed) {
    m->counts->samples += sqlite3_column_int64(k.statement, 0);
    m->counts->samples_replaced += sqlite3_column_int64(k.statement, 1);
    m->counts->samples_equal += sqlite3_column_int64(k.statement, 2);
    m->counts->samples_kept += sqlite3_column_int64(k.statement, 3);
    *last = sqlite3_column_int64(k.statement, 4);
    *seen = sqlite3_column_int64(k.statement, 5);
  }
  merge_end(&k);
  return failed;
}

static status merge_chunk(merging *m, int64_t from, int64_t *last, int64_t *seen, detail *err) {
  status failed = fill_chunk(m, from, err);
  if (!failed) failed = check_chunk(m, err);
  if (!failed) failed = check_counts(m, err);
  if (!failed) failed = merge_compare(m, err);
  if (!failed) failed = copy_samples(m, err);
  if (!failed) failed = copy_threads(m, err);
  if (!failed) failed = copy_verdicts(m, err);
  if (!failed) failed = merge_logprobs(m, err);
  if (!failed) failed = merge_alone(m, err);
  return failed ? failed : count_chunk(m, last, seen, err);
}

status merge_samples(merging *m, detail *err) {
  int64_t all, done = 0, last = INT64_MIN, seen;
  status failed = merge_number(m, "SELECT count(*) FROM source.sample", &all, err);
  /* STORE_NONE is the least rowid there can be, and binds NULL: no file of ours has it. */
  for (int64_t from = INT64_MIN + 1; !failed && done < all; from = last + 1) {
    failed = merge_chunk(m, from, &last, &seen, err);
    if (failed) break;
    if (!seen) return merge_refuse(m, err, "its samples cannot be counted");
    done += seen;
    if (all > CHUNK_SAMPLES) {
      log_progress(m->out->messages, "merging %s: %lld of %lld samples", m->in, (long long)done,
                   (long long)all);
    }
    if (last == INT64_MAX) break;
  }
  log_progress_end(m->out->messages);
  return failed;
}
