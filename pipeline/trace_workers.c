#include "pipeline/trace_workers.h"

#include "solvers/mode.h"

#include <string.h>

#define FORWARDS_MAX (INT64_C(1) << 40)

static int is_kind(const trace_span *span, const char *kind) {
  return !strcmp(span->kind, kind);
}

/* Those of a search without a model have no tokens that could be placed. */
static int is_worker(const trace_thread *t) {
  if (t->span_count && t->spans[0].tokens == STORE_NONE) return 0;
  return t->worker >= 0 || (t->role && !strcmp(t->role, "worker"));
}

/* ---- whose the spans are --------------------------------------------------------------------- */

static int seats_of(const trace_thread *t) {
  int seats = 0;
  for (int i = 0; i < t->span_count; i++)
    seats += is_kind(&t->spans[i], "worker");
  return seats;
}

/* The first span of what a worker writes: behind the seat that is its own, or, where nobody reads
   anybody, behind the prompt; NULL: that cannot be said. */
static const trace_span *find_own(const trace_thread *t) {
  const trace_span *end = t->spans + t->span_count, *own = NULL;
  if (t->worker < 0) {
    for (own = t->spans; own && own < end && is_kind(own, "prompt");)
      own++;
    return own;
  }
  for (const trace_span *span = t->spans; span && span < end; span++) {
    if (is_kind(span, "worker")) own = span->step == t->worker ? span + 1 : NULL;
  }
  return own;
}

/* Seats are workers', of whom it sees each once. */
static int seats_fit(const trace_thread *t, int workers) {
  for (int i = 0; i < t->span_count; i++) {
    const trace_span *span = &t->spans[i];
    if (!is_kind(span, "worker")) continue;
    if (span->step < 0 || span->step >= workers) return 0;
    for (int k = 0; k < i; k++) {
      if (is_kind(&t->spans[k], "worker") && t->spans[k].step == span->step) return 0;
    }
  }
  return 1;
}

/* ---- tokens in time -------------------------------------------------------------------------- */

/* A worker's tokens, one behind another. */
typedef struct timeline {
  const trace_thread *thread;
  trace_token *tokens;
  size_t count, group; /* group: the first of those that were put in together with what is fed */
  trace_step *steps;
  int step_count;
  size_t first;
} timeline;

/* What was sampled last is put in with what the worker is fed behind it, so many by a forward. */
static int put_fed(timeline *l, const trace_span *span, size_t i, trace_token *out) {
  const trace_token *before = l->count ? out - 1 : NULL;
  if (i == 0) {
    if (span->step != (before ? before->forward : 0)) return 0;
    l->group = before ? l->count - 1 : l->count;
  }
  out->forward = out->put_in =
      span->step + 1 + (int64_t)((l->count - l->group) / PROTOCOL_FEED_TOKENS);
  return 1;
}

/* It is sampled by the forward that puts in the token before it. */
static int put_sampled(const timeline *l, const trace_span *span, size_t i, trace_token *out) {
  out->forward = span->step + (int64_t)i;
  out->put_in = out->forward + 1;
  return out->forward == (l->count ? out[-1].put_in : 1);
}

static int put_span(timeline *l, const trace_span *span) {
  size_t at = span->start;
  int is_fed = is_kind(span, "fed");
  if (!is_fed && !is_kind(span, "generated")) return 0;
  if ((size_t)span->first != l->first + l->count || span->step < 0 || span->step > FORWARDS_MAX)
    return 0;
  for (size_t i = 0; i < (size_t)span->tokens; i++) {
    trace_token *t = &l->tokens[l->count];
    *t = (trace_token){.start = at, .bytes = span->pieces[i], .span = span};
    if (!(is_fed ? put_fed(l, span, i, t) : put_sampled(l, span, i, t))) return 0;
    at += span->pieces[i];
    l->count++;
  }
  return 1;
}

/* The token that ended the step is no part of it, and the step has one at least. */
static int put_step(timeline *l, const trace_span *commit) {
  size_t end = l->count - 1, from = l->step_count ? l->steps[l->step_count - 1].end : 0;
  if (!l->count || (size_t)commit->first != l->first + l->count || end <= from) return 0;
  if (!is_kind(l->tokens[end].span, "generated") || l->tokens[end].forward != commit->step)
    return 0;
  l->steps[l->step_count++] = (trace_step){end, commit->step};
  return 1;
}

/* The token that was sampled last waits for a forward that never came. */
static void end_timeline(timeline *l, trace_worker *out) {
  trace_token *last = l->count ? &l->tokens[l->count - 1] : NULL;
  if (last && is_kind(last->span, "generated")) last->put_in = INT64_MAX;
  out->tokens = l->tokens;
  out->count = l->count;
  out->first = l->first;
  out->steps = l->steps;
  out->step_count = l->step_count;
  out->last = last ? last->forward : 0;
}

static status take_room(timeline *l, const trace_span *own, const trace_span *end, arena *memory,
                        detail *err) {
  size_t tokens = 0, steps = 0;
  for (const trace_span *span = own; span < end; span++) {
    tokens += (size_t)span->tokens;
    steps += is_kind(span, "commit");
  }
  l->tokens = arena_take(memory, tokens, sizeof *l->tokens);
  l->steps = l->tokens ? arena_take(memory, steps, sizeof *l->steps) : NULL;
  return l->steps ? OK : arena_full(memory, err);
}

/* Whether every token of what it wrote has its place in the text. */
static int has_pieces(const trace_span *own, const trace_span *end) {
  for (; own < end; own++) {
    if (own->tokens > 0 && !own->pieces) return 0;
  }
  return 1;
}

static status read_worker(const trace_thread *t, int workers, arena *memory, trace_worker *out,
                          detail *err) {
  const trace_span *own = find_own(t), *end = t->spans + t->span_count;
  *out = (trace_worker){.thread = t, .own = own};
  int is_old = t->worker >= 0 && !seats_of(t);
  if (t->span_count && (is_old || (own && !has_pieces(own, end)))) {
    return fault(err, E_INPUT,
                 "what worker %s wrote when is not stored: the sample was made before that was "
                 "kept; run its job into another store to have it",
                 t->path);
  }
  int fits = own && seats_fit(t, workers);
  timeline l = {.thread = t};
  status failed = fits ? take_room(&l, own, end, memory, err) : OK;
  if (failed) return failed;
  l.first = fits && own > t->spans ? (size_t)(own[-1].first + own[-1].tokens) : 0;
  for (const trace_span *span = own; fits && span < end; span++)
    fits = is_kind(span, "commit") ? put_step(&l, span) : put_span(&l, span);
  if (!fits) {
    return fault(err, E_STORE,
                 "the layout of worker %s is damaged: nobody knows what it wrote when; --thread %s "
                 "shows its text",
                 t->path, t->path);
  }
  end_timeline(&l, out);
  return OK;
}

status trace_gang_read(const trace_sample *s, arena *memory, trace_gang *out, detail *err) {
  status failed = OK;
  *out = (trace_gang){.sample = s};
  while (out->count < s->thread_count && is_worker(&s->threads[out->count]))
    out->count++;
  if (out->count > LAYOUT_WORKERS_MAX) {
    int count = out->count;
    out->count = 0;
    return fault(err, E_STORE, "a sample has %d workers at most, and this one %d",
                 (int)LAYOUT_WORKERS_MAX, count);
  }
  trace_worker *workers = arena_take(memory, (size_t)out->count, sizeof *workers);
  if (!workers) return arena_full(memory, err);
  out->workers = workers;
  for (int i = 0; !failed && i < out->count; i++) {
    trace_worker *w = &workers[i];
    failed = read_worker(&s->threads[i], out->count, memory, w, err);
    out->has_steps |= w->step_count > 0;
    if (w->last > out->forwards) out->forwards = w->last;
  }
  return failed;
}

/* ---- what a worker saw ----------------------------------------------------------------------- */

/* How many of a worker's steps stand among those that are done when a forward runs. */
static int steps_before(const trace_worker *w, int64_t forward) {
  int count = 0;
  while (count < w->step_count && w->steps[count].forward < forward)
    count++;
  return count;
}

static trace_block block_of(const trace_gang *g, int worker, trace_block_kind kind, size_t from,
                            size_t to) {
  const trace_worker *w = &g->workers[worker];
  trace_block b = {.kind = kind, .worker = worker, .first = w->first + from, .tokens = to - from};
  if (to == from) return b;
  b.start = w->tokens[from].start;
  b.bytes = w->tokens[to - 1].start + w->tokens[to - 1].bytes - b.start;
  return b;
}

/* What a worker put in by a forward, since its last step that was done before that. */
static trace_block unfinished(const trace_gang *g, int worker, int64_t forward,
                              trace_block_kind kind) {
  const trace_worker *w = &g->workers[worker];
  int steps = steps_before(w, forward);
  size_t from = steps ? w->steps[steps - 1].end : 0, low = from, high = w->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (w->tokens[middle].put_in <= forward) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return block_of(g, worker, kind, from, low);
}

/* The step that was done next behind so many of each worker's; -1: none before this forward. */
static int next_done(const trace_gang *g, const int *taken, int64_t forward) {
  int first = -1;
  for (int i = 0; i < g->count; i++) {
    const trace_worker *w = &g->workers[i];
    if (taken[i] == w->step_count || w->steps[taken[i]].forward >= forward) continue;
    int64_t at = w->steps[taken[i]].forward;
    if (first < 0 || at < g->workers[first].steps[taken[first]].forward) first = i;
  }
  return first;
}

/* In the order in which they were done, of one forward the lower worker first. */
static status put_done(const trace_gang *g, int64_t forward, arena *memory, trace_view *out,
                       trace_block *blocks, detail *err) {
  int *taken = arena_take(memory, (size_t)g->count, sizeof *taken);
  if (!taken) return arena_full(memory, err);
  for (int i = next_done(g, taken, forward); i >= 0; i = next_done(g, taken, forward)) {
    const trace_step *steps = g->workers[i].steps;
    int step = taken[i]++;
    trace_block b = block_of(g, i, TRACE_DONE, step ? steps[step - 1].end : 0, steps[step].end);
    b.step = step + 1;
    b.forward = steps[step].forward;
    blocks[out->count++] = b;
  }
  return OK;
}

static trace_block block_of_span(const trace_span *span, int worker) {
  return (trace_block){.kind = is_kind(span, "prompt") ? TRACE_PROMPT : TRACE_HEADER,
                       .worker = worker,
                       .first = (size_t)span->first,
                       .tokens = (size_t)span->tokens,
                       .start = span->start,
                       .bytes = span->bytes};
}

/* What is done stands behind the prompt. */
static status put_blocks(const trace_gang *g, arena *memory, trace_view *out, trace_block *blocks,
                         detail *err) {
  const trace_worker *w = &g->workers[out->worker];
  status failed = OK;
  int has_done = 0;
  for (const trace_span *span = w->thread->spans; !failed && span < w->own; span++) {
    if (is_kind(span, "worker")) {
      int whose = (int)span->step;
      if (whose != out->worker)
        blocks[out->count++] = unfinished(g, whose, out->forward, TRACE_OTHER);
      continue;
    }
    blocks[out->count++] = block_of_span(span, out->worker);
    if (!is_kind(span, "prompt") || has_done++) continue;
    failed = put_done(g, out->forward, memory, out, blocks, err);
  }
  blocks[out->count++] = unfinished(g, out->worker, out->forward, TRACE_OWN);
  return failed;
}

static const trace_token *find_sampled(const trace_worker *w, int64_t forward) {
  for (size_t i = 0; i < w->count; i++) {
    if (w->tokens[i].forward == forward && is_kind(w->tokens[i].span, "generated"))
      return &w->tokens[i];
  }
  return NULL;
}

static size_t most_blocks(const trace_gang *g, const trace_worker *w) {
  size_t most = (size_t)w->thread->span_count + 1;
  for (int i = 0; i < g->count; i++)
    most += (size_t)g->workers[i].step_count;
  return most;
}

status trace_view_at(const trace_gang *g, int worker, int64_t forward, arena *memory,
                     trace_view *out, detail *err) {
  *out = (trace_view){.worker = worker, .forward = forward};
  if (worker < 0 || worker >= g->count) {
    return fault(err, E_INPUT, "this sample has no worker %d; its %d are counted from 0", worker,
                 g->count);
  }
  const trace_worker *w = &g->workers[worker];
  if (forward < 1 || forward > w->last) {
    return fault(err, E_INPUT, "worker %d was part of %lld forwards, counted from 1; %lld is none",
                 worker, (long long)w->last, (long long)forward);
  }
  trace_block *blocks = arena_take(memory, most_blocks(g, w), sizeof *blocks);
  if (!blocks) return arena_full(memory, err);
  status failed = put_blocks(g, memory, out, blocks, err);
  out->blocks = blocks;
  for (int i = 0; i < out->count; i++)
    out->tokens += (int64_t)blocks[i].tokens;
  out->sampled = find_sampled(w, forward);
  return failed;
}
