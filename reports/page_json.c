#include "reports/page_internal.h"
#include "store/query.h"

#include <stdio.h>
#include <string.h>

/* The views' own names are the keys: what is printed is what a query would give. */
#define ROW_OF_ACCURACY                                                                            \
  "json_object('condition', condition, 'family', family, 'split', split, 'tasks', tasks, "         \
  "'clusters', clusters, 'samples', samples, 'repeats', repeats, 'errors', errors, 'capped', "     \
  "capped, 'unjudged', unjudged, 'accuracy', accuracy, 'se', se, 'lo95', lo95, 'hi95', hi95, "     \
  "'interval_method', interval_method, 'accuracy_finished', accuracy_finished, 'tokens_ref', "     \
  "tokens_ref, 'tokens_total', tokens_total, 'seq_critical_path', seq_critical_path, "             \
  "'seq_critical_path_injected', seq_critical_path_injected, 'seq_longest_sequence', "             \
  "seq_longest_sequence, 'context_peak', context_peak, 'flops', flops, 'nodes_explored', "         \
  "nodes_explored)"

#define ROW_OF_COMPARISON                                                                          \
  "json_object('a', a, 'b', b, 'checker', checker, 'axis', axis, 'budget', budget, 'declared', "   \
  "declared, 'tasks', tasks, 'pairs_dropped', pairs_dropped, 'accuracy_a', accuracy_a, "           \
  "'accuracy_b', accuracy_b, 'difference', difference, 'se', se, 'lo95', lo95, 'hi95', hi95, "     \
  "'p', p, 'p_holm', p_holm, 'margin', margin, 'verdict', verdict, 'tasks_needed', tasks_needed, " \
  "'method', method)"

#define ROW_OF_BUDGET                                                                              \
  "json_object('family', family, 'condition', condition, 'axis', axis, 'budget', budget, "         \
  "'accuracy', accuracy, 'se', se, 'kind', kind, 'derived', derived)"

#define ROW_OF_LATENCY                                                                             \
  "json_object('condition', condition, 'kind', kind, 'samples', samples, 'batch_samples', "        \
  "batch_samples, 'mean_ms', mean_ms, 'p50_ms', p50_ms, 'p90_ms', p90_ms, 'p99_ms', p99_ms)"

#define ROW_OF_PASS                                                                                \
  "json_object('condition', condition, 'k', k, 'tasks', tasks, 'draws', draws, 'accuracy', "       \
  "accuracy, 'se', se)"

#define ROW_OF_CONS                                                                                \
  "json_object('condition', condition, 'checker', checker, 'kind', kind, 'k', k, 'tasks', tasks, " \
  "'draws', draws, 'accuracy', accuracy, 'se', se, 'subsets', subsets, 'stale', stale)"

#define ROW_OF_SPAWNING                                                                            \
  "json_object('condition', condition, 'label_children', label_children, 'rounds', rounds, "       \
  "'children', children, 'samples', samples, 'accuracy', accuracy, 'children_refused', "           \
  "children_refused, 'children_unknown', children_unknown, 'tokens_ref', tokens_ref, "             \
  "'tokens_total', tokens_total, 'seq_critical_path', seq_critical_path, "                         \
  "'seq_longest_sequence', seq_longest_sequence, 'wait_steps', wait_steps)"

#define ROW_OF_WORKERS                                                                             \
  "json_object('condition', condition, 'workers', workers, 'layout', layout, 'samples', samples, " \
  "'seq_forwards', seq_forwards, 'tokens_seen', tokens_seen, 'nodes_explored', nodes_explored, "   \
  "'nodes_duplicate', nodes_duplicate, 'duplicate_share', duplicate_share, 'wait_steps', "         \
  "wait_steps)"

#define ROW_OF_CONDITION                                                                           \
  "json_object('condition', c.name, 'mode', r.mode, 'protocol', r.protocol, 'model', m.name, "     \
  "'architecture', m.architecture, 'parameters', m.parameters, 'determinism_class', "              \
  "r.determinism_class, 'token_unit', r.token_unit, 'checker', c.checker, 'finisher', "            \
  "coalesce(json_extract(r.parameters, '$.finisher.tokens') > 0, 0))"

#define ROW_OF_PROCESS                                                                             \
  "json_object('started', started, 'host', host, 'seconds', seconds, 'sampled_per_s', "            \
  "sampled_per_s, 'prefilled_per_s', prefilled_per_s, 'samples', samples, 'threads_running', "     \
  "threads_running, 'threads_waiting', threads_waiting, 'preempted', preempted, 'step_share', "    \
  "step_share, 'record_share', record_share)"

/* In two parts: a literal may have 4,095 bytes. */
static const char page_query_head[] =
    "SELECT json_object('job', j.name, 'conditions', "
    "(SELECT json_group_array(" ROW_OF_CONDITION ") FROM condition c JOIN run r ON r.id = c.run "
    "LEFT JOIN model m ON m.hash = r.model_hash WHERE c.job = j.name), 'accuracy', "
    "(SELECT json_group_array(" ROW_OF_ACCURACY
    ") FROM accuracy WHERE job = j.name), 'comparison', "
    "(SELECT json_group_array(" ROW_OF_COMPARISON ") FROM comparison WHERE job = j.name), "
    "'accuracy_by_budget', "
    "(SELECT json_group_array(" ROW_OF_BUDGET ") FROM accuracy_by_budget WHERE job = j.name), ";
static const char page_query_tail[] =
    "'pass_at_k', "
    "(SELECT json_group_array(" ROW_OF_PASS ") FROM pass_at_k WHERE job = j.name), "
    "'cons_at_k', "
    "(SELECT json_group_array(" ROW_OF_CONS ") FROM cons_at_k WHERE job = j.name), "
    "'spawning', "
    "(SELECT json_group_array(" ROW_OF_SPAWNING ") FROM spawning WHERE job = j.name), "
    "'workers', "
    "(SELECT json_group_array(" ROW_OF_WORKERS ") FROM (" PAGE_WORKERS(
        "j.name") ")), "
                  "'latency', "
                  "(SELECT json_group_array(" ROW_OF_LATENCY ") FROM latency WHERE job = j.name), "
                  "'throughput', "
                  "(SELECT json_group_array(" ROW_OF_PROCESS ") FROM (" PAGE_THROUGHPUT(
                      "j.name") "))) "
                                "FROM job j WHERE ?1 IS NULL OR j.name = ?1 ORDER BY j.name";

/* A job whose contrasts are refused still has its numbers. */
static status refresh(store *s, const char *job, detail *err) {
  detail why = {0};
  status failed = report_comparisons(s, job, &why);
  if (!failed || failed == E_INPUT) return OK;
  if (err) *err = why;
  return failed;
}

/* How SQLite writes what is infinite: Inf, and from version 3.42 on a number that none is so large
   as. JSON has neither. Returns its bytes; 0: at is none. */
static size_t infinite_at(const char *at) {
  static const char *const words[] = {"Inf", "-Inf", "9.0e+999", "-9.0e+999"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (!strncmp(at, words[i], strlen(words[i]))) return strlen(words[i]);
  }
  return 0;
}

/* SQLite's JSON. It hands on bytes that are no UTF-8: U+FFFD for each; and null for what is
   infinite. */
static void put_json(text *out, const char *bytes) {
  int quoted = 0;
  for (size_t left = strlen(bytes), taken; left; bytes += taken, left -= taken) {
    taken = quoted ? 0 : infinite_at(bytes);
    if (taken) {
      text_put(out, "null");
      continue;
    }
    if (*bytes == '"') quoted = !quoted;
    taken = quoted && *bytes == '\\' && left > 1 ? 2 : text_utf8_length(bytes, left);
    text_add(out, taken ? bytes : "\xef\xbf\xbd", taken ? taken : 3);
    if (!taken) taken = 1;
  }
}

static status put_jobs(store *s, const char *job, text *out, detail *err) {
  query *q = NULL;
  int row = 0;
  size_t count = 0;
  char sql[sizeof page_query_head + sizeof page_query_tail];
  (void)snprintf(sql, sizeof sql, "%s%s", page_query_head, page_query_tail);
  status failed = query_open(&q, s, sql, err);
  if (failed) return failed;
  query_bind_text(q, 1, job);
  text_put(out, "{\"jobs\":[");
  for (; !(failed = query_next(q, &row, err)) && row; count++) {
    if (count) text_char(out, ',');
    put_json(out, query_text(q, 0));
  }
  text_put(out, "]}\n");
  query_close(q);
  return failed;
}

status page_json(store *s, arena *memory, const char *job, text *out, detail *err) {
  const char **names = NULL;
  size_t count = 0;
  int known = !job;
  status failed = page_jobs(s, memory, &names, &count, err);
  for (size_t i = 0; i < count && !failed; i++) {
    if (job && strcmp(job, names[i])) continue;
    known = 1;
    failed = refresh(s, names[i], err);
  }
  if (!failed && !known) failed = scores_no_job(s, job, err);
  return failed ? failed : put_jobs(s, job, out, err);
}
