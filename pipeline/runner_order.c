/* Logical time: what is known at which step, in which order a mode hears of it, and where a limit
   on the tokens of all threads cuts.

   What stands at a step is known once every thread that samples has come to it. Only what comes
   behind can change by what the mode answers, so that it is told of the earliest end that is known,
   one after another, as long as that is within the limit. */
#include "base/clock.h"
#include "pipeline/runner_internal.h"

#include <string.h>

/* ---- steps ----------------------------------------------------------------------------------- */

/* Where a thread broke, or the limit on all threads ended it, there is one token more, though
   nobody can say which. */
static int has_more(const runner_sample *s, int thread) {
  return s->streams[thread].is_broken || s->streams[thread].is_short;
}

/* How far a thread came. */
static int64_t steps_of(const runner_sample *s, int thread) {
  return s->threads[thread].finish + has_more(s, thread);
}

/* Whether it has one more that is no finisher's. */
static int counts_more(const runner_sample *s, int thread) {
  return has_more(s, thread) && !s->streams[thread].is_finishing;
}

/* Of a thread's tokens those that a limit on all threads counts by a step: a finisher's are none.
 */
static int64_t tokens_by(const runner_sample *s, int thread, int64_t step) {
  const runner_thread *t = &s->threads[thread];
  int64_t tokens = counts_more(s, thread) && steps_of(s, thread) <= step;
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    int64_t count = (int64_t)span->count;
    if (span->is_finisher) continue;
    if (span_is_sampled(span)) {
      int64_t since = step - span->step + 1;
      tokens += since < 0 ? 0 : since < count ? since : count;
    } else if (span->step < step || (span->kind == THREAD_PROMPT && t->parent < 0)) {
      tokens += count;
    }
  }
  return tokens;
}

static int64_t all_by(const runner_sample *s, int64_t step) {
  int64_t tokens = 0;
  for (int i = 0; i < s->count; i++)
    tokens += tokens_by(s, i, step);
  return tokens;
}

/* The last step at which what is known of all threads is within the limit; -1: their prompts are
   more already. INT64_MAX: all of it is within, or what is beyond is cut. */
static int64_t last_step(const runner_sample *s) {
  int64_t limit = s->task.rules->tokens_total, low = 0, high = 0;
  if (!limit || s->is_settled || s->tokens <= limit) return INT64_MAX;
  for (int i = 0; i < s->count; i++) {
    if (steps_of(s, i) > high) high = steps_of(s, i);
  }
  if (all_by(s, 0) > limit) return -1;
  while (low < high) {
    int64_t middle = low + (high - low + 1) / 2;
    if (all_by(s, middle) <= limit) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/* Up to where everything that is sampled is known. */
static int64_t frontier(const runner_sample *s) {
  int64_t step = INT64_MAX;
  for (int i = 0; i < s->count; i++) {
    stream_state state = s->streams[i].state;
    if (state != STREAM_READY && state != STREAM_SAMPLES) continue;
    if (s->threads[i].finish < step) step = s->threads[i].finish;
  }
  return step;
}

static int first_held(const runner_sample *s) {
  int first = -1;
  for (int i = 0; i < s->count; i++) {
    if (s->streams[i].state != STREAM_HELD) continue;
    if (first < 0 || (s->keeps_order && steps_of(s, i) < steps_of(s, first))) first = i;
  }
  return first;
}

/* ---- ending threads -------------------------------------------------------------------------- */

static void lack(runner_sample *s, int thread, const char *limit) {
  stream *own = &s->streams[thread];
  if (s->is_settled || own->is_short || !limit || strcmp(limit, "tokens_total") != 0) return;
  own->is_short = 1;
  s->tokens++;
}

void sample_hold(runner_sample *s, int thread, mode_end end, const char *limit) {
  stream *own = &s->streams[thread];
  own->state = STREAM_HELD;
  own->last = (turn_end){.end = end, .limit = limit};
  s->threads[thread].ended_ns = clock_monotonic_ns();
  lack(s, thread, limit);
  for (int i = thread + 1; s->has_twins && i < s->count; i++) {
    if (s->streams[i].state == STREAM_MIRRORS && s->streams[i].mirrors == thread)
      sample_hold(s, i, end, limit);
  }
}

/* The first thread that mirrors this one takes its place, and the others mirror that. */
static void pass_on(runner_sample *s, int thread) {
  stream *own = &s->streams[thread];
  int heir = -1;
  for (int i = thread + 1; s->has_twins && i < s->count; i++) {
    stream *other = &s->streams[i];
    if (other->state != STREAM_MIRRORS || other->mirrors != thread) continue;
    other->mirrors = heir;
    if (heir >= 0) continue;
    heir = i;
    other->state = own->state;
    other->most_is = own->most_is;
    if (own->state == STREAM_SAMPLES) runner_hand_over(s, thread, heir);
    own->state = STREAM_HELD;
  }
}

static void recount(runner_sample *s) {
  s->tokens = 0;
  for (int i = 0; i < s->count; i++) {
    const runner_thread *t = &s->threads[i];
    s->tokens += t->prompt + t->generated + t->fed - t->finisher + counts_more(s, i);
  }
}

/* Its tokens behind a step at which it was running. */
static void drop_behind(runner_sample *s, int thread, int64_t step) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  if (t->finish > step) {
    thread_drop(t, t->count - (size_t)(t->finish - step));
    t->finish = step;
  }
  own->is_broken = own->is_short = 0;
}

void sample_stop(runner_sample *s, int thread) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  REQUIRE(s->keeps_order && !t->is_stopped);
  pass_on(s, thread);
  runner_withdraw(s, thread);
  drop_behind(s, thread, s->now);
  recount(s);
  if (own->state != STREAM_RESTS) t->ended_ns = clock_monotonic_ns();
  own->state = STREAM_RESTS;
  t->is_stopped = 1;
}

/* ---- the limit ------------------------------------------------------------------------------- */

/* More of the others can only make the last step earlier, so who is behind it already is cut. Where
   threads may be stopped there can be less of them. */
static void withdraw_beyond(runner_sample *s, int64_t step) {
  if (step == INT64_MAX || s->may_stop) return;
  for (int i = 0; i < s->count; i++) {
    const stream *own = &s->streams[i];
    if (own->state != STREAM_SAMPLES || own->is_finishing || s->threads[i].finish <= step) continue;
    runner_withdraw(s, i);
    sample_hold(s, i, MODE_END_LIMIT, NULL);
  }
}

/* A child that began at the last step or was fed there has no part of that: its prompt and what was
   fed count from the next one. */
static void cut_back(runner_sample *s, int thread, int64_t step) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  int began_behind = t->parent >= 0 && t->start >= step, fed_behind = own->fed_step >= step;
  int rests = own->state == STREAM_RESTS;
  if (own->is_finishing || (rests && !began_behind && !fed_behind)) return;
  runner_withdraw(s, thread);
  if (began_behind) {
    thread_drop(t, 0);
  } else if (fed_behind) {
    thread_unfeed(t, own->cut_token, own->fed_token);
    own->fed_span = own->span_before;
    own->fed_token = own->token_before;
    own->fed_step = -1;
    own->is_unfed = 1;
  }
  if (began_behind || fed_behind) t->finish = step;
  drop_behind(s, thread, step);
  if (!rests) sample_hold(s, thread, MODE_END_LIMIT, "tokens_total");
}

/* Everybody has come as far as the limit lets anybody come. */
static void settle(runner_sample *s, int64_t step) {
  s->is_settled = 1;
  for (int i = 0; i < s->count; i++)
    cut_back(s, i, step < 0 ? 0 : step);
}

int sample_next(runner_sample *s) {
  for (;;) {
    int thread = first_held(s);
    if (!s->keeps_order) return thread;
    int64_t known = frontier(s), last = last_step(s);
    if (thread >= 0 && steps_of(s, thread) <= known && steps_of(s, thread) <= last) return thread;
    if (last == INT64_MAX || last > known) {
      withdraw_beyond(s, last);
      return -1;
    }
    settle(s, last);
  }
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int comes_before(const runner_sample *s, int a, int b) {
  const runner_thread *x = &s->threads[a], *y = &s->threads[b];
  if (x->start != y->start) return x->start < y->start;
  if (x->parent != y->parent) return x->parent < y->parent;
  return s->streams[a].ordinal < s->streams[b].ordinal;
}

static int renamed(int thread, int a, int b) {
  return thread == a ? b : thread == b ? a : thread;
}

static void swap(runner_sample *s, int a, int b) {
  runner_thread t = s->threads[a];
  stream own = s->streams[a];
  s->threads[a] = s->threads[b];
  s->streams[a] = s->streams[b];
  s->threads[b] = t;
  s->streams[b] = own;
  for (int i = 0; i < s->count; i++) {
    s->threads[i].parent = renamed(s->threads[i].parent, a, b);
    s->threads[i].twin = renamed(s->threads[i].twin, a, b);
  }
  s->winner = renamed(s->winner, a, b);
}

static int is_numbered(const runner_sample *s) {
  for (int i = 1; i < s->count; i++) {
    if (!comes_before(s, i - 1, i)) return 0;
  }
  return 1;
}

/* Children of several parents may have been spawned in any order. Those of a parent that has its
   place can have theirs. */
void sample_number(runner_sample *s) {
  for (int at = 0; at < s->count && !is_numbered(s); at++) {
    int least = at;
    for (int i = at + 1; i < s->count; i++) {
      int has_place = s->threads[i].parent < at, least_has = s->threads[least].parent < at;
      if (has_place && (!least_has || comes_before(s, i, least))) least = i;
    }
    if (least != at) swap(s, at, least);
  }
}
