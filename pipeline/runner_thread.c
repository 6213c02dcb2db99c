/* A thread's tokens in the spans that say where they came from, and which of them it still holds.
 */
#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

const text *thread_text(const runner_thread *t) {
  return t->held == t->count ? &t->text : &t->context;
}

int span_is_sampled(const runner_span *span) {
  return span->kind == THREAD_GENERATED || span->kind == THREAD_CUT;
}

int span_is_fed(const runner_span *span) {
  return span->kind == THREAD_FED || span->kind == THREAD_FED_CUT;
}

int span_is_cut(const runner_span *span) {
  return span->kind == THREAD_CUT || span->kind == THREAD_FED_CUT;
}

/* Counts again what it holds. What was cut left when something was fed behind it, and was sampled
   then itself, or fed before. */
static void measure(runner_thread *t) {
  size_t cut = 0;
  t->held = t->held_most = 0;
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (span->kind != THREAD_CUT) {
      t->held -= cut;
      cut = 0;
    }
    t->held += span->count;
    if (span_is_cut(span)) cut += span->count;
    if (t->held > t->held_most) t->held_most = t->held;
  }
  t->held -= cut;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static status grow_tokens(runner_thread *t, size_t count, detail *err) {
  if (count <= t->capacity) return OK;
  size_t capacity = t->capacity ? t->capacity : 256;
  while (capacity < count)
    capacity *= 2;
  uint32_t *tokens = memory_grow(t->tokens, capacity * sizeof *tokens);
  if (tokens) t->tokens = tokens;
  float *logprobs = tokens ? memory_grow(t->logprobs, capacity * sizeof *logprobs) : NULL;
  if (logprobs) t->logprobs = logprobs;
  float *filtered = logprobs ? memory_grow(t->filtered, capacity * sizeof *filtered) : NULL;
  if (filtered) t->filtered = filtered;
  if (!filtered) return fault(err, E_MEMORY, "no memory for %zu tokens of a thread", capacity);
  t->capacity = capacity;
  return OK;
}

static status grow_spans(runner_thread *t, detail *err) {
  if (t->span_count < t->span_capacity) return OK;
  int capacity = t->span_capacity ? 2 * t->span_capacity : 4;
  runner_span *grown = memory_grow(t->spans, (size_t)capacity * sizeof *grown);
  if (!grown) return fault(err, E_MEMORY, "no memory for a thread's spans");
  t->spans = grown;
  t->span_capacity = capacity;
  return OK;
}

static status find_span(runner_thread *t, const runner_span *like, int goes_on, runner_span **out,
                        detail *err) {
  if (!goes_on) {
    status failed = grow_spans(t, err);
    if (failed) return failed;
    t->spans[t->span_count++] = (runner_span){.kind = like->kind,
                                              .is_finisher = like->is_finisher,
                                              .start = t->count,
                                              .step = like->step,
                                              .round = like->round};
  }
  *out = &t->spans[t->span_count - 1];
  return OK;
}

status thread_add(runner_thread *t, const runner_span *like, int goes_on, const uint32_t *tokens,
                  const float *logprobs, const float *filtered, size_t count, detail *err) {
  runner_span *span = NULL;
  int64_t added = (int64_t)count;
  if (!count) return OK;
  status failed = grow_tokens(t, t->count + count, err);
  if (!failed) failed = find_span(t, like, goes_on, &span, err);
  if (failed) return failed;
  memcpy(t->tokens + t->count, tokens, count * sizeof *tokens);
  for (size_t i = 0; i < count; i++) {
    t->logprobs[t->count + i] = logprobs ? logprobs[i] : 0;
    t->filtered[t->count + i] = filtered ? filtered[i] : 0;
  }
  t->count += count;
  t->held += count;
  if (t->held > t->held_most) t->held_most = t->held;
  span->count += count;
  if (like->kind == THREAD_PROMPT) t->prompt += added;
  if (like->kind == THREAD_GENERATED) t->generated += added;
  if (like->kind == THREAD_FED) t->fed += added;
  if (like->is_finisher) t->finisher += added;
  return OK;
}

/* ---- taking away ----------------------------------------------------------------------------- */

/* Makes two spans of one. */
static status split(runner_thread *t, int at, size_t kept, detail *err) {
  status failed = grow_spans(t, err);
  if (failed) return failed;
  runner_span *span = &t->spans[at];
  memmove(span + 1, span, (size_t)(t->span_count - at) * sizeof *span);
  t->span_count++;
  span->count = kept;
  span[1].start += kept;
  span[1].count -= kept;
  if (span_is_sampled(span)) span[1].step += (int64_t)kept;
  return OK;
}

status thread_cut(runner_thread *t, size_t token, detail *err) {
  int at = t->span_count;
  while (at > 0 && t->spans[at - 1].start >= token)
    at--;
  if (at > 0 && t->spans[at - 1].start + t->spans[at - 1].count > token) {
    status failed = split(t, at - 1, token - t->spans[at - 1].start, err);
    if (failed) return failed;
  }
  for (int i = at; i < t->span_count; i++) {
    runner_span *span = &t->spans[i];
    REQUIRE(span->kind == THREAD_GENERATED || span->kind == THREAD_FED);
    span->kind = span->kind == THREAD_FED ? THREAD_FED_CUT : THREAD_CUT;
  }
  measure(t);
  return OK;
}

static void uncount(runner_thread *t, const runner_span *span, size_t count) {
  int64_t gone = (int64_t)count;
  if (span->kind == THREAD_PROMPT) t->prompt -= gone;
  if (span_is_sampled(span)) t->generated -= gone;
  if (span_is_fed(span)) t->fed -= gone;
  if (span->is_finisher) t->finisher -= gone;
}

void thread_drop(runner_thread *t, size_t count) {
  while (t->count > count) {
    runner_span *last = &t->spans[t->span_count - 1];
    size_t gone = t->count - count < last->count ? t->count - count : last->count;
    uncount(t, last, gone);
    last->count -= gone;
    t->count -= gone;
    if (!last->count) t->span_count--;
  }
  if (t->cached > (int64_t)count) t->cached = (int64_t)count;
  if (!t->generated) t->first_token_ns = -1;
  measure(t);
}

/* Makes one span of two that a cut had made of it. */
static void merge(runner_thread *t, int at) {
  runner_span *span = &t->spans[at], *before = span - 1;
  int64_t step = before->step + (span_is_sampled(span) ? (int64_t)before->count : 0);
  if (before->kind != span->kind || before->is_finisher != span->is_finisher ||
      step != span->step || before->round != span->round)
    return;
  before->count += span->count;
  t->span_count--;
  memmove(span, span + 1, (size_t)(t->span_count - at) * sizeof *span);
}

void thread_unfeed(runner_thread *t, size_t cut_token, size_t fed_token) {
  thread_drop(t, fed_token);
  int first = t->span_count;
  while (first > 0 && t->spans[first - 1].start >= cut_token)
    first--;
  for (int i = first; i < t->span_count; i++)
    t->spans[i].kind = span_is_fed(&t->spans[i]) ? THREAD_FED : THREAD_GENERATED;
  if (first > 0 && first < t->span_count) merge(t, first);
  measure(t);
}

/* ---- reading --------------------------------------------------------------------------------- */

void thread_live(const runner_thread *t, uint32_t *out) {
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (span_is_cut(span)) continue;
    memcpy(out, t->tokens + span->start, span->count * sizeof *out);
    out += span->count;
  }
}

void thread_release(runner_thread *t) {
  memory_free(t->tokens);
  memory_free(t->logprobs);
  memory_free(t->filtered);
  memory_free(t->spans);
  memory_free(t->commits);
  memory_free(t->pieces);
  text_close(&t->text);
  text_close(&t->context);
}
