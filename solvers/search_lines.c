/* The lines of a trace, spans, and the context limit. */
#include "base/memory.h"
#include "solvers/search_internal.h"

#include <string.h>

int writer_ended(const writer *w) {
  return w->thread->capped || w->search->failed;
}

int64_t writer_measure(writer *w, const char *bytes, size_t count, int64_t most, size_t *within) {
  const search_tokens *by = w->tokens;
  int64_t tokens = 0;
  size_t first = 0;
  search *s = w->search;
  if (!s->failed)
    s->failed = by->measure(by->context, bytes, count, most, &tokens, &first, &s->why);
  if (within) *within = s->failed ? 0 : first;
  return s->failed ? 0 : tokens;
}

static void line_begin(writer *w) {
  w->line_start = w->trace.out->bytes;
  w->line_tokens = w->trace.tokens;
}

static int64_t line_length(writer *w) {
  const text *t = &w->thread->written;
  if (!w->tokens) return w->trace.tokens - w->line_tokens;
  return writer_measure(w, text_string(t) + w->line_start, t->bytes - w->line_start, 0, NULL);
}

/* Takes a line back that went over the limit, and everything after it with it. */
static void line_end(writer *w) {
  search_thread *t = w->thread;
  if (t->written.failed) w->search->failed = t->written.failed;
  w->search->bytes += t->written.bytes - w->line_start;
  if (w->search->bytes > SEARCH_ALL_BYTES_MAX) w->search->failed = E_LIMIT;
  int64_t limit = w->context_limit;
  int64_t added = line_length(w);
  if (writer_ended(w) || (limit > 0 && w->context_tokens + added > limit)) {
    text_cut(&t->written, w->line_start);
    w->trace.tokens = w->line_tokens;
    t->capped = 1;
    return;
  }
  search_span *span = &t->spans[t->span_count - 1];
  span->bytes = t->written.bytes - span->start;
  span->tokens += added;
  w->context_tokens += added;
}

static search_span *add_span(writer *w, span_kind kind) {
  search_thread *t = w->thread;
  search_span *grown =
      search_room(w->search, t->spans, t->span_count, &t->span_capacity, sizeof *grown);
  if (!grown) return NULL;
  t->spans = grown;
  search_span *span = &t->spans[t->span_count++];
  *span = (search_span){.kind = kind, .start = t->written.bytes};
  return span;
}

void search_span_begin(writer *w, span_kind kind) {
  if (!writer_ended(w)) (void)add_span(w, kind);
}

void search_turn_cut(writer *w) {
  if (writer_ended(w)) return;
  const search_span *cut = &w->thread->spans[w->thread->span_count - 1];
  REQUIRE(cut->kind == SPAN_CUT);
  w->context_tokens -= cut->tokens;
  w->thread->turns++;
  (void)add_span(w, SPAN_FED);
}

/* A prompt is the text up to the end of the first state; the newline after it is generated. */
static void end_prompt(writer *w) {
  search_thread *t = w->thread;
  if (writer_ended(w) || t->span_count != 1) return;
  t->spans[0].bytes--;
  t->spans[0].tokens -= TOKENS_NEWLINE;
  search_span *generated = add_span(w, SPAN_GENERATED);
  if (!generated) return;
  generated->start--;
  generated->bytes = 1;
  generated->tokens = TOKENS_NEWLINE;
}

writer *search_thread_new(search *s, const char *path, int parent, int round) {
  search_result *r = s->result;
  search_thread **threads =
      search_room(s, r->threads, r->thread_count, &r->thread_capacity, sizeof *threads);
  if (!threads) return NULL;
  r->threads = threads;
  search_thread *t = arena_take(s->memory, 1, sizeof *t);
  writer *w = arena_take(s->memory, 1, sizeof *w);
  char *own_path = arena_text(s->memory, path, strlen(path));
  if (!t || !w || !own_path) goto no_memory;
  t->path = own_path;
  t->worker = -1;
  t->parent = parent;
  t->round = round;
  text_open(&t->written, SEARCH_TEXT_BYTES_MAX);
  r->threads[r->thread_count++] = t;
  random_key key = random_key_of(s->seed, s->task, s->repeat, path);
  *w = (writer){.search = s,
                .thread = t,
                .trace = {.out = &t->written},
                .draws = random_start(key),
                .context_limit = s->options->context,
                .context_tokens = 1}; /* the begin of sequence */
  search_span_begin(w, SPAN_PROMPT);
  return w;

no_memory:
  s->failed = E_MEMORY;
  return NULL;
}

static void put_id(writer *w, const node *n) {
  if (!n->parent) {
    trace_number(&w->trace, 0);
    return;
  }
  put_id(w, n->parent);
  trace_put(&w->trace, PIECE_ID_COMMA);
  trace_number(&w->trace, n->index);
}

static void put_numbers(writer *w, const countdown_state *state) {
  for (int i = 0; i < state->count; i++) {
    if (i) trace_put(&w->trace, PIECE_BETWEEN);
    trace_number(&w->trace, state->number[i]);
  }
}

static void put_operation(writer *w, const countdown_operation *o) {
  trace_number(&w->trace, o->left);
  trace_put(&w->trace, o->sign == '+'   ? PIECE_PLUS
                       : o->sign == '-' ? PIECE_MINUS
                       : o->sign == '*' ? PIECE_TIMES
                                        : PIECE_OVER);
  trace_number(&w->trace, o->right);
  trace_put(&w->trace, PIECE_EQUALS);
  trace_number(&w->trace, o->result);
}

static void put_path(writer *w, const node *n) {
  if (n->parent->parent) {
    put_path(w, n->parent);
    trace_put(&w->trace, PIECE_QUOTE_BETWEEN);
  }
  put_operation(w, &n->operation);
}

static void put_newline(writer *w) {
  trace_mark(&w->trace, '\n', TOKENS_NEWLINE);
}

static void put_target_and_numbers(writer *w, const node *n) {
  trace_number(&w->trace, w->search->problem->target);
  trace_put(&w->trace, PIECE_OPEN);
  put_numbers(w, &n->state);
}

static void put_state(writer *w, const node *n) {
  trace_put(&w->trace, PIECE_STATE);
  put_target_and_numbers(w, n);
  trace_put(&w->trace, PIECE_OPERATIONS);
  if (n->parent) {
    trace_mark(&w->trace, '\'', TOKENS_QUOTE_FIRST);
    put_path(w, n);
    trace_mark(&w->trace, '\'', TOKENS_QUOTE_LAST);
  }
  trace_mark(&w->trace, ']', TOKENS_CLOSE_OPERATIONS);
}

void line_state(writer *w, const node *n) {
  if (writer_ended(w)) return;
  line_begin(w);
  put_state(w, n);
  put_newline(w);
  line_end(w);
  end_prompt(w);
}

void line_prompt(writer *w, const node *n) {
  if (writer_ended(w)) return;
  line_begin(w);
  put_state(w, n);
  line_end(w);
}

void line_words(writer *w, const char *words) {
  if (writer_ended(w)) return;
  line_begin(w);
  text_put(w->trace.out, words);
  line_end(w);
}

void line_blank(writer *w) {
  if (writer_ended(w)) return;
  line_begin(w);
  put_newline(w);
  line_end(w);
}

void line_explored(writer *w, const node *n) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, PIECE_EXPLORE);
  put_operation(w, &n->operation);
  trace_put(&w->trace, PIECE_RESULTING);
  put_numbers(w, &n->state);
  trace_mark(&w->trace, ']', TOKENS_CLOSE_NUMBERS);
  put_newline(w);
  line_end(w);
}

void line_explore(writer *w, const node *n) {
  line_explored(w, n);
  if (!writer_ended(w)) search_explored(w->search, n);
}

void line_generated(writer *w, const node *n) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, PIECE_GENERATED);
  put_id(w, n);
  trace_put(&w->trace, PIECE_AFTER_ID);
  put_target_and_numbers(w, n);
  trace_put(&w->trace, PIECE_OPERATION);
  put_operation(w, &n->operation);
  put_newline(w);
  line_end(w);
}

void line_move(writer *w, const node *n) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, PIECE_MOVE);
  put_id(w, n);
  put_newline(w);
  line_end(w);
}

static void end_line(writer *w, const node *n, trace_piece ending) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_number(&w->trace, n->state.number[0]);
  trace_put(&w->trace, PIECE_ID_COMMA);
  trace_number(&w->trace, w->search->problem->target);
  trace_put(&w->trace, ending);
  line_end(w);
}

void line_goal(writer *w, const node *n) {
  end_line(w, n, PIECE_EQUAL);
}

void line_no_goal(writer *w, const node *n) {
  end_line(w, n, PIECE_UNEQUAL);
}

void line_none(writer *w, int newline) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, PIECE_NONE);
  if (newline) put_newline(w);
  line_end(w);
}

void line_start_sub(writer *w, int level, const node *n) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, PIECE_START_SUB);
  trace_number(&w->trace, level);
  trace_put(&w->trace, PIECE_SUB_MOVE);
  put_id(w, n);
  put_newline(w);
  line_end(w);
}

void line_exit_sub(writer *w, int level) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, PIECE_EXIT_SUB);
  trace_number(&w->trace, level);
  put_newline(w);
  line_end(w);
}

/* Lines of one piece. */
static void whole_line(writer *w, trace_piece piece, int newline) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, piece);
  if (newline) put_newline(w);
  line_end(w);
}

void line_none_in_sub(writer *w) {
  whole_line(w, PIECE_NONE_IN_SUB, 0);
}

void line_calling(writer *w) {
  whole_line(w, PIECE_CALLING, 0);
}

void line_end_calling(writer *w) {
  whole_line(w, PIECE_END_CALLING, 1);
}

void line_joined(writer *w) {
  whole_line(w, PIECE_JOINED, 0);
}

void line_end_joined(writer *w) {
  whole_line(w, PIECE_END_JOINED, 0);
}

/* Which of the children, all of which are the root's. */
static void put_ordinal(writer *w, int index) {
  trace_number(&w->trace, index);
  trace_put(&w->trace, PIECE_AT_LEVEL);
  trace_number(&w->trace, 1);
}

void line_call(writer *w, int index, const node *n) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, PIECE_CALL);
  put_ordinal(w, index);
  trace_put(&w->trace, PIECE_CALL_MOVE);
  put_id(w, n);
  put_newline(w);
  line_end(w);
}

void line_join(writer *w, int index, const node *n, int goal) {
  if (writer_ended(w)) return;
  line_begin(w);
  trace_put(&w->trace, goal ? PIECE_JOIN_GOAL : PIECE_JOIN_NONE);
  put_ordinal(w, index);
  trace_put(&w->trace, PIECE_JOIN_AT);
  put_id(w, n);
  trace_put(&w->trace, PIECE_JOIN_CLOSE);
  line_end(w);
}

/* From the node above n, whose state stands already: the step to n and what follows. */
static void recap_step(writer *w, const node *from, const node *n, const node *goal) {
  if (n->parent != from) recap_step(w, from, n->parent, goal);
  line_state(w, n->parent);
  line_explored(w, n);
  if (n == goal) {
    line_goal(w, n);
  } else {
    line_generated(w, n);
    line_move(w, n);
  }
}

void line_recap(writer *w, const node *from, const node *goal) {
  line_move(w, from);
  recap_step(w, from, goal, goal);
}
