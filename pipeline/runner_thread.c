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

/* Counts again what it holds; what was cut left when something came behind it. */
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
    if (span->kind == THREAD_CUT) cut += span->count;
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

status thread_cut(runner_thread *t, int at, size_t token, detail *err) {
  size_t kept = token - t->spans[at].start;
  REQUIRE(t->spans[at].kind == THREAD_GENERATED && kept <= t->spans[at].count);
  if (kept == t->spans[at].count) return OK;
  if (kept) {
    status failed = grow_spans(t, err);
    if (failed) return failed;
    runner_span *span = &t->spans[at];
    memmove(span + 1, span, (size_t)(t->span_count - at) * sizeof *span);
    t->span_count++;
    span->count = kept;
    span[1].start = token;
    span[1].count -= kept;
    span[1].step += (int64_t)kept;
    at++;
  }
  t->spans[at].kind = THREAD_CUT;
  measure(t);
  return OK;
}

static void uncount(runner_thread *t, const runner_span *span, size_t count) {
  int64_t gone = (int64_t)count;
  if (span->kind == THREAD_PROMPT) t->prompt -= gone;
  if (span_is_sampled(span)) t->generated -= gone;
  if (span->kind == THREAD_FED) t->fed -= gone;
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

void thread_unfeed(runner_thread *t, size_t cut_token, size_t fed_token) {
  thread_drop(t, fed_token);
  if (cut_token == fed_token) return;
  runner_span *last = &t->spans[t->span_count - 1];
  runner_span *before = t->span_count > 1 ? last - 1 : last;
  REQUIRE(last->kind == THREAD_CUT && last->start == cut_token);
  last->kind = THREAD_GENERATED;
  int is_one = before != last && before->kind == THREAD_GENERATED &&
               before->is_finisher == last->is_finisher &&
               before->step + (int64_t)before->count == last->step;
  if (is_one) {
    before->count += last->count;
    t->span_count--;
  }
  measure(t);
}

/* ---- reading --------------------------------------------------------------------------------- */

void thread_live(const runner_thread *t, uint32_t *out) {
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (span->kind == THREAD_CUT) continue;
    memcpy(out, t->tokens + span->start, span->count * sizeof *out);
    out += span->count;
  }
}

void thread_release(runner_thread *t) {
  memory_free(t->tokens);
  memory_free(t->logprobs);
  memory_free(t->filtered);
  memory_free(t->spans);
  text_close(&t->text);
  text_close(&t->context);
}
