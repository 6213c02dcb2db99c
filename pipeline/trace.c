#include "pipeline/trace.h"

#include "base/json.h"

#include <string.h>

static int64_t number(const query *q, int column) {
  return query_is_null(q, column) ? STORE_NONE : query_int(q, column);
}

/* A copy of a column that may be NULL. *failed collects the first failure of several. */
static const char *copied(const query *q, int column, arena *memory, status *failed, detail *err) {
  if (query_is_null(q, column)) return NULL;
  const char *copy = query_keep(q, column, memory);
  if (!copy && !*failed) *failed = arena_full(memory, err);
  return copy;
}

/* ---- the sample ------------------------------------------------------------------------------ */

static const char sample_sql[] =
    "SELECT s.run, s.repeat, s.attempt, c.job, c.name, w.name || '@' || w.version, t.name, "
    "t.question, t.target, s.status, s.limit_met, s.error, s.answer, "
    "s.tokens_ref, s.tokens_total, s.tokens_prompt, s.tokens_generated, s.tokens_injected, "
    "s.seq_critical_path, s.seq_critical_path_injected, s.seq_longest_sequence, s.context_peak, "
    "s.wait_steps, s.nodes_explored, s.nodes_duplicate, s.threads, s.children, s.children_refused, "
    "s.rounds FROM sample s JOIN task t ON t.id = s.task JOIN task_set w ON w.id = t.task_set "
    "LEFT JOIN condition c ON c.id = ?2 WHERE s.id = ?1";

static const char *const count_names[TRACE_COUNTS] = {"tokens_ref",
                                                      "tokens_total",
                                                      "tokens_prompt",
                                                      "tokens_generated",
                                                      "tokens_injected",
                                                      "seq_critical_path",
                                                      "seq_critical_path_injected",
                                                      "seq_longest_sequence",
                                                      "context_peak",
                                                      "wait_steps",
                                                      "nodes_explored",
                                                      "nodes_duplicate",
                                                      "threads",
                                                      "children",
                                                      "children_refused",
                                                      "rounds"};

static status read_sample_row(const query *q, arena *memory, trace_sample *out, detail *err) {
  status failed = OK;
  out->run = query_int(q, 0);
  out->repeat = query_int(q, 1);
  out->attempt = query_int(q, 2);
  const char **texts[] = {&out->job,      &out->condition, &out->task_set, &out->task,
                          &out->question, &out->target,    &out->status,   &out->limit_met,
                          &out->error,    &out->answer};
  for (int i = 0; i < 10; i++)
    *texts[i] = copied(q, 3 + i, memory, &failed, err);
  for (int i = 0; i < TRACE_COUNTS; i++)
    out->counts[i] = (trace_count){count_names[i], number(q, 13 + i)};
  return failed;
}

static status read_sample(store *s, const trace_place *place, arena *memory, trace_sample *out,
                          detail *err) {
  query *q = NULL;
  int row;
  *out = (trace_sample){.id = place->sample};
  status failed = query_open(&q, s, sample_sql, err);
  if (failed) return failed;
  query_bind_int(q, 1, place->sample);
  query_bind_int(q, 2, place->condition);
  failed = query_next(q, &row, err);
  if (!failed && !row) failed = fault(err, E_INPUT, "sample %lld is gone", (long long)out->id);
  if (!failed) failed = read_sample_row(q, memory, out, err);
  query_close(q);
  return failed;
}

/* How many rows a statement about this sample will give. */
static status count_rows(store *s, const char *sql, int64_t sample, int *out, detail *err) {
  query *q = NULL;
  int row;
  status failed = query_open(&q, s, sql, err);
  if (failed) return failed;
  query_bind_int(q, 1, sample);
  failed = query_next(q, &row, err);
  if (!failed) *out = (int)query_int(q, 0);
  query_close(q);
  return failed;
}

static status read_verdicts(store *s, arena *memory, trace_sample *out, detail *err) {
  query *q = NULL;
  int capacity = 0;
  status failed = count_rows(s, "SELECT count(*) FROM verdict WHERE sample = ?1 AND thread = -1",
                             out->id, &capacity, err);
  if (failed) return failed;
  trace_verdict *verdicts = arena_take(memory, (size_t)capacity, sizeof *verdicts);
  if (!verdicts) return arena_full(memory, err);
  failed = query_open(&q, s,
                      "SELECT checker, reason, correct, score FROM verdict WHERE sample = ?1 AND "
                      "thread = -1 ORDER BY checker",
                      err);
  if (failed) return failed;
  query_bind_int(q, 1, out->id);
  for (int row = 1; !failed && row && out->verdict_count < capacity;) {
    failed = query_next(q, &row, err);
    if (failed || !row) continue;
    trace_verdict *v = &verdicts[out->verdict_count++];
    v->checker = copied(q, 0, memory, &failed, err);
    v->reason = copied(q, 1, memory, &failed, err);
    v->correct = (int)query_int(q, 2);
    v->score = query_real(q, 3);
  }
  query_close(q);
  out->verdicts = verdicts;
  return failed;
}

/* ---- its threads ----------------------------------------------------------------------------- */

/* One of the layout's [kind, start, count]; 0 where it is none, or not behind the last one. */
static int read_span(const json_t *value, size_t end_before, size_t text_bytes, arena *memory,
                     trace_span *out) {
  const char *kind = json_string_value(json_array_get(value, 0));
  const json_t *start = json_array_get(value, 1), *count = json_array_get(value, 2);
  if (!kind || !json_is_integer(start) || !json_is_integer(count)) return 0;
  json_int_t from = json_integer_value(start), bytes = json_integer_value(count);
  if (from < 0 || bytes < 0 || (size_t)from < end_before || (size_t)from > text_bytes ||
      (size_t)bytes > text_bytes - (size_t)from) {
    return 0;
  }
  *out = (trace_span){arena_text(memory, kind, strlen(kind)), (size_t)from, (size_t)bytes};
  return out->kind != NULL;
}

/* A layout that does not fit leaves the text unmarked. */
static void read_layout(const char *layout_json, arena *memory, trace_thread *t) {
  json_t *layout = NULL;
  if (json_read(&layout, layout_json, strlen(layout_json), "layout", 1, NULL)) return;
  size_t count = json_array_size(layout), end = 0, read = 0;
  trace_span *spans = arena_take(memory, count, sizeof *spans);
  while (spans && read < count &&
         read_span(json_array_get(layout, read), end, t->text_bytes, memory, &spans[read])) {
    end = spans[read].start + spans[read].bytes;
    read++;
  }
  if (read == count) {
    t->spans = spans;
    t->span_count = (int)count;
  }
  json_decref(layout);
}

static status read_thread(const query *q, int index, arena *memory, trace_thread *t, detail *err) {
  status failed = OK;
  int64_t parent = query_is_null(q, 1) ? -1 : query_int(q, 1);
  if (query_int(q, 0) != index || parent < -1 || parent >= index) {
    return fault(err, E_STORE,
                 "the threads of this sample are damaged: no tree can be made of them");
  }
  *t = (trace_thread){.parent = (int)parent,
                      .round = number(q, 6),
                      .spawn_token = number(q, 7),
                      .join_token = number(q, 8),
                      .tokens_prompt = number(q, 9),
                      .tokens_fed = number(q, 10),
                      .tokens_generated = number(q, 11),
                      .logical_start = number(q, 12),
                      .logical_end = number(q, 13),
                      .wait_steps = number(q, 14)};
  const char **texts[] = {&t->path, &t->role, &t->finish, &t->answer};
  for (int i = 0; i < 4; i++)
    *texts[i] = copied(q, 2 + i, memory, &failed, err);
  if (failed || query_is_null(q, 15)) return failed;
  const void *bytes = query_blob(q, 15, &t->text_bytes);
  t->text = arena_text(memory, bytes, t->text_bytes);
  if (!t->text) return arena_full(memory, err);
  if (query_is_null(q, 17)) read_layout(query_text(q, 16), memory, t);
  return OK;
}

static status read_threads(store *s, arena *memory, trace_sample *out, detail *err) {
  query *q = NULL;
  int capacity = 0;
  status failed =
      count_rows(s, "SELECT count(*) FROM thread WHERE sample = ?1", out->id, &capacity, err);
  if (failed) return failed;
  out->threads = arena_take(memory, (size_t)capacity, sizeof *out->threads);
  if (!out->threads) return arena_full(memory, err);
  failed = query_open(&q, s,
                      "SELECT h.ordinal, h.parent, h.path, h.role, h.finish, h.answer, h.round, "
                      "h.spawn_token, h.join_token, h.tokens_prompt, h.tokens_fed, "
                      "h.tokens_generated, h.logical_start, h.logical_end, h.wait_steps, "
                      "sqlar_uncompress(x.text, x.text_bytes), x.layout, x.ids FROM thread h "
                      "LEFT JOIN trace x ON x.sample = h.sample AND x.thread = h.ordinal "
                      "WHERE h.sample = ?1 ORDER BY h.ordinal",
                      err);
  if (failed) return failed;
  query_bind_int(q, 1, out->id);
  for (int row = 1; !failed && row && out->thread_count < capacity;) {
    failed = query_next(q, &row, err);
    if (failed || !row) continue;
    int index = out->thread_count++;
    failed = read_thread(q, index, memory, &out->threads[index], err);
  }
  query_close(q);
  return failed;
}

/* Depths, and the order in which each thread comes right before its children: inserting each, from
   the last on, behind its parent leaves siblings in spawn order. */
static void link_tree(trace_thread *threads, int count) {
  int roots = -1;
  for (int i = 0; i < count; i++) {
    threads[i].depth = threads[i].parent < 0 ? 0 : threads[threads[i].parent].depth + 1;
    threads[i].next = -1;
  }
  for (int i = count - 1; i >= 0; i--) {
    int last = i; /* of the subtree under i, which is linked already */
    while (threads[last].next >= 0)
      last = threads[last].next;
    int *link = threads[i].parent < 0 ? &roots : &threads[threads[i].parent].next;
    threads[last].next = *link;
    *link = i;
  }
}

status trace_read(store *s, const trace_place *place, arena *memory, trace_sample *out,
                  detail *err) {
  status failed = read_sample(s, place, memory, out, err);
  if (!failed) failed = read_verdicts(s, memory, out, err);
  if (!failed) failed = read_threads(s, memory, out, err);
  if (!failed) link_tree(out->threads, out->thread_count);
  return failed;
}
