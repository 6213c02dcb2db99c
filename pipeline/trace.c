#include "pipeline/trace.h"

#include "base/json.h"
#include "solvers/trace_text.h"

#include <math.h>
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
    "t.question, t.target, s.status, s.limit_met, s.error, s.answer, s.vote_key, r.mode, "
    "r.protocol, r.determinism_class, r.token_unit, coalesce(m.name, "
    "nullif(lower(hex(r.model_hash)), '')), "
    "s.derived, s.tokens_ref, s.tokens_total, s.tokens_prompt, s.tokens_generated, "
    "s.tokens_injected, s.tokens_finisher, s.seq_critical_path, s.seq_critical_path_injected, "
    "s.seq_longest_sequence, s.context_peak, s.wait_steps, s.kv_token_steps, s.nodes_explored, "
    "s.nodes_duplicate, s.threads, s.children, s.children_refused, s.rounds, "
    "CASE WHEN json_valid(r.parameters) THEN json_extract(r.parameters, '$.layout') END "
    "FROM sample s "
    "JOIN task t ON t.id = s.task JOIN task_set w ON w.id = t.task_set "
    "JOIN run r ON r.id = s.run LEFT JOIN model m ON m.hash = r.model_hash "
    "LEFT JOIN condition c ON c.id = ?2 WHERE s.id = ?1";

static const char *const count_names[TRACE_COUNTS] = {
    "tokens_ref",           "tokens_total",    "tokens_prompt",     "tokens_generated",
    "tokens_injected",      "tokens_finisher", "seq_critical_path", "seq_critical_path_injected",
    "seq_longest_sequence", "context_peak",    "wait_steps",        "kv_token_steps",
    "nodes_explored",       "nodes_duplicate", "threads",           "children",
    "children_refused",     "rounds"};

static status read_sample_row(const query *q, arena *memory, trace_sample *out, detail *err) {
  status failed = OK;
  out->run = query_int(q, 0);
  out->repeat = query_int(q, 1);
  out->attempt = query_int(q, 2);
  const char **texts[] = {&out->job,      &out->condition,         &out->task_set,
                          &out->task,     &out->question,          &out->target,
                          &out->status,   &out->limit_met,         &out->error,
                          &out->answer,   &out->vote_key,          &out->mode,
                          &out->protocol, &out->determinism_class, &out->token_unit,
                          &out->model};
  enum { FIRST = 3, TEXTS = sizeof texts / sizeof texts[0] };
  for (int i = 0; i < TEXTS; i++)
    *texts[i] = copied(q, FIRST + i, memory, &failed, err);
  out->derived = query_int(q, FIRST + TEXTS) != 0;
  for (int i = 0; i < TRACE_COUNTS; i++)
    out->counts[i] = (trace_count){count_names[i], number(q, FIRST + TEXTS + 1 + i)};
  out->layout = copied(q, FIRST + TEXTS + 1 + TRACE_COUNTS, memory, &failed, err);
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

/* A range of what is there, from where the one before it ended or later. */
static int read_range(const json_t *value, size_t at, size_t end_before, size_t there,
                      size_t *start, size_t *count) {
  const json_t *from = json_array_get(value, at), *how_many = json_array_get(value, at + 1);
  if (!json_is_integer(from) || !json_is_integer(how_many)) return 0;
  json_int_t first = json_integer_value(from), n = json_integer_value(how_many);
  if (first < 0 || n < 0 || (size_t)first < end_before || (size_t)first > there ||
      (size_t)n > there - (size_t)first) {
    return 0;
  }
  *start = (size_t)first;
  *count = (size_t)n;
  return 1;
}

/* What a layout's spans must fit: the text, and of a model the tokens. */
typedef struct layout_room {
  size_t text_bytes, tokens;
  int has_tokens;
} layout_room;

/* What each token of a span brings of its text, which they make up together; 0 where they do not.
 */
static int read_pieces(const json_t *list, arena *memory, trace_span *span) {
  if (!list) return 1;
  size_t count = json_array_size(list), left = span->bytes;
  if (!json_is_array(list) || (int64_t)count != span->tokens) return 0;
  uint32_t *pieces = arena_take(memory, count, sizeof *pieces);
  for (size_t i = 0; pieces && i < count; i++) {
    const json_t *bytes = json_array_get(list, i);
    json_int_t n = json_integer_value(bytes);
    if (!json_is_integer(bytes) || n < 0 || (size_t)n > left || n > UINT32_MAX) return 0;
    pieces[i] = (uint32_t)n;
    left -= (size_t)n;
  }
  span->pieces = pieces;
  return pieces && left == 0;
}

/* One of the layout's [kind, start, count] in bytes, or of a model's [kind, start, count, text
   start, text bytes, step] in tokens, with the pieces behind it of a worker's; 0 where it is none,
   or not behind the last one. */
static int read_span(const json_t *value, const trace_span *before, const layout_room *room,
                     arena *memory, trace_span *out) {
  const char *kind = json_string_value(json_array_get(value, 0));
  const json_t *step = json_array_get(value, 5);
  size_t first = 0, tokens = 0, text_end = before ? before->start + before->bytes : 0;
  size_t token_end = before && room->has_tokens ? (size_t)(before->first + before->tokens) : 0;
  *out = (trace_span){.first = STORE_NONE, .tokens = STORE_NONE, .step = STORE_NONE};
  if (!kind || !read_range(value, room->has_tokens ? 3 : 1, text_end, room->text_bytes, &out->start,
                           &out->bytes)) {
    return 0;
  }
  if (room->has_tokens) {
    if (!read_range(value, 1, token_end, room->tokens, &first, &tokens)) return 0;
    if (!json_is_integer(step)) return 0;
    out->first = (int64_t)first;
    out->tokens = (int64_t)tokens;
    out->step = json_integer_value(step);
    if (!read_pieces(json_array_get(value, 6), memory, out)) return 0;
  }
  out->kind = arena_text(memory, kind, strlen(kind));
  return out->kind != NULL;
}

/* A thread that the finisher ended holds last what that fed, and what was generated behind it. */
static void mark_finisher(const trace_thread *t, trace_span *spans, int count) {
  int fed = count - 1;
  if (!t->finish || strcmp(t->finish, "finisher") != 0) return;
  while (fed >= 0 && strcmp(spans[fed].kind, "fed") != 0)
    fed--;
  for (int i = fed; fed >= 0 && i < count; i++)
    spans[i].is_finisher = 1;
}

/* A layout that does not fit leaves the text unmarked. */
static void read_layout(const char *layout_json, const layout_room *room, arena *memory,
                        trace_thread *t) {
  json_t *layout = NULL;
  if (json_read(&layout, layout_json, strlen(layout_json), "layout", 1, NULL)) return;
  size_t count = json_array_size(layout), read = 0;
  trace_span *spans = arena_take(memory, count, sizeof *spans);
  while (spans && read < count &&
         read_span(json_array_get(layout, read), read ? &spans[read - 1] : NULL, room, memory,
                   &spans[read]))
    read++;
  if (read == count) {
    mark_finisher(t, spans, (int)count);
    t->spans = spans;
    t->span_count = (int)count;
  }
  json_decref(layout);
}

static status read_text(const query *q, arena *memory, trace_thread *t, detail *err) {
  layout_room room = {.has_tokens = !query_is_null(q, 19)};
  const void *bytes = query_blob(q, 17, &t->text_bytes);
  t->text = arena_text(memory, bytes, t->text_bytes);
  if (!t->text) return arena_full(memory, err);
  int64_t ids_bytes = query_int(q, 19);
  room.text_bytes = t->text_bytes;
  room.tokens = ids_bytes > 0 ? (size_t)ids_bytes / sizeof(uint32_t) : 0;
  read_layout(query_text(q, 18), &room, memory, t);
  return OK;
}

static status read_thread(const query *q, int index, arena *memory, trace_thread *t, detail *err) {
  status failed = OK;
  int64_t parent = query_is_null(q, 1) ? -1 : query_int(q, 1);
  int64_t worker = query_is_null(q, 20) ? -1 : query_int(q, 20);
  if (query_int(q, 0) != index || parent < -1 || parent >= index) {
    return fault(err, E_STORE,
                 "the threads of this sample are damaged: no tree can be made of them");
  }
  *t = (trace_thread){.parent = (int)parent,
                      .worker = worker == index ? index : -1,
                      .round = number(q, 7),
                      .spawn_token = number(q, 8),
                      .join_token = number(q, 9),
                      .tokens_prompt = number(q, 10),
                      .tokens_fed = number(q, 11),
                      .tokens_generated = number(q, 12),
                      .logical_start = number(q, 13),
                      .logical_end = number(q, 14),
                      .wait_steps = number(q, 15),
                      .logprob = query_is_null(q, 16) ? (double)NAN : query_real(q, 16)};
  const char **texts[] = {&t->path, &t->role, &t->finish, &t->answer, &t->vote_key};
  for (int i = 0; i < 5; i++)
    *texts[i] = copied(q, 2 + i, memory, &failed, err);
  return failed || query_is_null(q, 17) ? failed : read_text(q, memory, t, err);
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
                      "SELECT h.ordinal, h.parent, h.path, h.role, h.finish, h.answer, h.vote_key, "
                      "h.round, h.spawn_token, h.join_token, h.tokens_prompt, h.tokens_fed, "
                      "h.tokens_generated, h.logical_start, h.logical_end, h.wait_steps, "
                      "h.logprob, sqlar_uncompress(x.text, x.text_bytes), x.layout, x.ids_bytes, "
                      "h.worker FROM thread h "
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

/* ---- children that never ran ----------------------------------------------------------------- */

/* What tells a caller of a child, up to its node. */
static status put_told(int child, int level, text *out, detail *err) {
  trace_writer w = {out, 0};
  text_clear(out);
  trace_mark(&w, ' ', 0);
  trace_number(&w, child);
  trace_put(&w, PIECE_AT_LEVEL);
  trace_number(&w, level);
  trace_put(&w, PIECE_JOIN_AT);
  return text_state(out, err);
}

/* Behind these words in a span; NULL: they are not there. */
static const char *find_told(const trace_thread *caller, const trace_span *span,
                             const text *words) {
  const char *at = memmem(caller->text + span->start, span->bytes, words->data, words->bytes);
  return at ? at + words->bytes : NULL;
}

/* A round's child in what the caller was fed at the end of that round, by the words of its first
   child and of this one; NULL: not there. */
static const char *find_node(const trace_thread *caller, int64_t round, const text *first,
                             const text *own) {
  int64_t rounds = 0;
  for (int i = 0; i < caller->span_count; i++) {
    const trace_span *span = &caller->spans[i];
    if (strcmp(span->kind, "fed") != 0 || !find_told(caller, span, first)) continue;
    if (rounds++ == round) return find_told(caller, span, own);
  }
  return NULL;
}

/* Who never ran has no text: what names its node is its caller's. */
static status read_node(const trace_sample *s, trace_thread *t, int child, arena *memory,
                        detail *err) {
  text first, own;
  text_open(&first, 100);
  text_open(&own, 100);
  status failed = put_told(0, t->depth, &first, err);
  if (!failed) failed = put_told(child, t->depth, &own, err);
  const char *node = failed ? NULL : find_node(&s->threads[t->parent], t->round, &first, &own);
  if (node) t->node = arena_text(memory, node, strspn(node, "0123456789,"));
  if (node && !t->node) failed = arena_full(memory, err);
  text_close(&own);
  text_close(&first);
  return failed;
}

/* A round's children stand one behind the other. */
static status read_nodes(const trace_sample *s, arena *memory, detail *err) {
  status failed = OK;
  for (int i = 1, child = 0; !failed && i < s->thread_count; i++) {
    trace_thread *t = &s->threads[i];
    child = t->parent == t[-1].parent && t->round == t[-1].round ? child + 1 : 0;
    if (t->parent >= 0 && !t->tokens_prompt) failed = read_node(s, t, child, memory, err);
  }
  return failed;
}

/* ---- votes ----------------------------------------------------------------------------------- */

static int same_key(const char *a, const char *b) {
  return a && b ? !strcmp(a, b) : a == b;
}

/* The most first; those that count for nothing last. A stable order: first come, first told. */
static int is_before(const trace_vote *a, const trace_vote *b) {
  return a->key && b->key ? a->votes > b->votes : a->key && !b->key;
}

static void sort_votes(trace_vote *votes, int count) {
  for (int i = 1; i < count; i++) {
    for (int k = i; k > 0 && is_before(&votes[k], &votes[k - 1]); k--) {
      trace_vote moved = votes[k];
      votes[k] = votes[k - 1];
      votes[k - 1] = moved;
    }
  }
}

static status count_votes(arena *memory, trace_sample *s, detail *err) {
  s->votes = arena_take(memory, (size_t)s->thread_count, sizeof *s->votes);
  if (!s->votes) return arena_full(memory, err);
  for (int i = 0; i < s->thread_count; i++) {
    const trace_thread *t = &s->threads[i];
    int of = 0;
    if (!t->role || strcmp(t->role, "voter") != 0) continue;
    while (of < s->vote_count && !same_key(s->votes[of].key, t->vote_key))
      of++;
    if (of == s->vote_count) s->votes[s->vote_count++] = (trace_vote){.key = t->vote_key};
    s->votes[of].votes++;
  }
  sort_votes(s->votes, s->vote_count);
  return OK;
}

status trace_read(store *s, const trace_place *place, arena *memory, trace_sample *out,
                  detail *err) {
  status failed = read_sample(s, place, memory, out, err);
  if (!failed) failed = read_verdicts(s, memory, out, err);
  if (!failed) failed = read_threads(s, memory, out, err);
  if (!failed) link_tree(out->threads, out->thread_count);
  if (!failed) failed = read_nodes(out, memory, err);
  return failed ? failed : count_votes(memory, out, err);
}
