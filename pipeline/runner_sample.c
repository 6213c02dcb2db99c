#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

/* What a sample may fail of; anything else ends the run. */
static int is_the_samples(status s) {
  return s == E_INPUT || s == E_LIMIT;
}

/* The sample is of no use: its threads go, and why says what was wrong. */
static void sample_fail(runner_sample *s, status code, const char *why) {
  for (int i = 0; i < s->count; i++)
    runner_withdraw(s, i);
  gang_close(s);
  s->is_over = 1;
  s->failed = fault(&s->why, code, "%s", why);
}

/* ---- opening --------------------------------------------------------------------------------- */

static status copy_task(runner_sample *s, const runner_task *task, detail *err) {
  s->task = *task;
  s->task.question = arena_text(s->memory, task->question, strlen(task->question));
  s->task.target = arena_text(s->memory, task->target, strlen(task->target));
  return s->task.question && s->task.target ? OK : arena_full(s->memory, err);
}

static int asks_for_order(const runner_rules *r) {
  const mode_machine *machine = r->mode->machine;
  return machine->asks_for_order && machine->asks_for_order(r->parameters);
}

status sample_new(runner_sample **out, runner *r, const runner_task *task, detail *err) {
  runner_sample *s = memory_zeroed(1, sizeof *s);
  if (!s) return fault(err, E_MEMORY, "no memory for a sample");
  s->runner = r;
  s->winner = -1;
  s->started_ns = clock_monotonic_ns();
  s->may_stop = asks_for_order(task->rules);
  s->keeps_order = s->may_stop || task->rules->tokens_total;
  status failed = arena_open(&s->memory, SAMPLE_ARENA_BYTES, err);
  if (!failed) failed = copy_task(s, task, err);
  if (failed) {
    runner_sample_free(s);
    return failed;
  }
  *out = s;
  return OK;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* The generator's text and this one end alike, but may begin with or without a space. */
static size_t place_stop(const text *whole, const turn_end *last) {
  return last->tail < whole->bytes ? whole->bytes - last->tail : 0;
}

static status tell(runner_sample *s, const mode_event *e, detail *err) {
  mode_output out = {.emit = sample_carry_out, .context = s};
  return s->task.rules->mode->machine->on(s->state, e, &out, err);
}

/* What can be told of a turn is known of it for good. */
static status close_turn(runner_sample *s, int thread, detail *err) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  own->state = STREAM_RESTS;
  own->last.generated = t->generated;
  t->end = own->last.end;
  t->which = own->last.which;
  if (own->last.limit) t->limit = own->last.limit;
  if (own->turn_count == own->turn_capacity) {
    int capacity = own->turn_capacity ? 2 * own->turn_capacity : 2;
    turn_end *grown = memory_grow(own->turns, (size_t)capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for a thread's turns");
    own->turns = grown;
    own->turn_capacity = capacity;
  }
  own->turns[own->turn_count++] = own->last;
  return t->worker < 0 ? thread_decode(s->task.rules, t, err) : thread_say(s->task.rules, t, err);
}

/* Where its prompt ends in what the mode knows as its text, and where what it wrote since it was
   fed begins. */
static status place_turn(const runner_sample *s, int thread, mode_event *e, detail *err) {
  const runner_rules *r = s->task.rules;
  const runner_thread *t = &s->threads[thread];
  const stream *own = &s->streams[thread];
  size_t behind = 0;
  for (int i = own->fed_span; i < t->span_count; i++)
    behind += t->spans[i].count;
  status failed = thread_place(r, t, (size_t)t->prompt, &e->prompt_bytes, err);
  if (!failed) failed = thread_place(r, t, t->held - behind, &e->fed_at, err);
  if (!failed && e->fed_at < e->prompt_bytes) e->fed_at = e->prompt_bytes;
  e->step_at = e->prompt_bytes;
  if (failed || t->worker < 0) return failed;
  e->put_in = s->gang->put_in;
  return thread_place(r, t, s->gang->members[t->worker].step_token, &e->step_at, err);
}

static status tell_ended(runner_sample *s, int thread, detail *err) {
  runner_thread *t = &s->threads[thread];
  mode_event e = {.kind = MODE_ENDED, .thread = (mode_thread)thread};
  const text *whole = NULL;
  status failed = close_turn(s, thread, err);
  if (!failed) failed = place_turn(s, thread, &e, err);
  if (failed) return failed;
  whole = thread_text(t);
  if (t->end == MODE_END_STOP) t->stop_at = place_stop(whole, &s->streams[thread].last);
  e.end = t->end;
  e.is_unfed = s->streams[thread].is_unfed;
  e.which = t->which;
  e.text = text_string(whole);
  e.text_bytes = whole->bytes;
  e.stop_at = t->stop_at;
  s->now = t->finish;
  return tell(s, &e, err);
}

/* ---- how much may be sampled ----------------------------------------------------------------- */

/* How many tokens a thread may sample, and which limit says so; of equal ones the first. */
static int64_t most_tokens(const runner_sample *s, int thread, const char **limit) {
  const runner_rules *r = s->task.rules;
  const runner_thread *t = &s->threads[thread];
  int64_t own = t->fed + t->generated + (t->parent < 0 ? 0 : t->prompt);
  const struct {
    const char *name;
    int64_t most;
  } limits[] = {
      {"tokens_thread", r->tokens_thread ? r->tokens_thread - t->generated : INT64_MAX},
      {"tokens_total", r->tokens_total ? r->tokens_total - s->root_tokens - own : INT64_MAX},
      {"context", r->context - (int64_t)t->held},
      {"forwards", r->forwards ? r->forwards - t->finish : INT64_MAX},
  };
  int least = 0;
  for (int i = 1; i < 4; i++) {
    if (limits[i].most < limits[least].most && limits[least].most > 0) least = i;
  }
  *limit = limits[least].name;
  return limits[least].most;
}

/* A prompt that was too long for the context stands on the finisher's place, which is no larger for
   that: what an engine could hold beyond it hangs on what else it runs. */
static int64_t most_asked(const runner_sample *s, int thread) {
  const runner_rules *r = s->task.rules;
  int64_t place = r->positions - (int64_t)s->threads[thread].held;
  return place < r->finisher_tokens ? place : r->finisher_tokens;
}

static void fail_broken(runner_sample *s) {
  sample_fail(s, E_DEVICE,
              "a number of the forward pass was not finite, or no token was left to sample: "
              "look at the model with nightjar model show");
}

/* ---- going on -------------------------------------------------------------------------------- */

static status submit_ready(runner_sample *s, detail *err) {
  for (int i = 0; i < s->count && !s->is_over; i++) {
    if (s->streams[i].state != STREAM_READY) continue;
    int is_finishing = s->streams[i].is_finishing;
    int64_t most = is_finishing ? most_asked(s, i) : most_tokens(s, i, &s->streams[i].most_is);
    if (most <= 0) {
      sample_hold(s, i, is_finishing ? MODE_END_FINISHED : MODE_END_LIMIT,
                  is_finishing ? NULL : s->streams[i].most_is);
      continue;
    }
    s->streams[i].state = STREAM_SAMPLES;
    status failed = runner_submit(s, i, most, err);
    if (failed) return failed;
  }
  return OK;
}

static int first_in(const runner_sample *s, stream_state state) {
  for (int i = 0; i < s->count; i++) {
    if (s->streams[i].state == state) return i;
  }
  return -1;
}

/* Tells what may be told and submits what is ready, until neither is left. */
static status go_on(runner_sample *s, detail *err) {
  for (;;) {
    status failed = OK;
    int thread = sample_next(s);
    if (thread >= 0 && s->streams[thread].is_broken) {
      fail_broken(s);
    } else if (thread >= 0) {
      failed = tell_ended(s, thread, err);
    } else if (s->gang && s->gang->state != GANG_IS_OVER) {
      int ended = 0;
      failed = gang_go_on(s, &ended, err);
      if (!failed && !ended) return OK;
    } else if (first_in(s, STREAM_READY) >= 0) {
      failed = submit_ready(s, err);
    } else {
      REQUIRE(first_in(s, STREAM_SAMPLES) >= 0); /* or the mode waits for nothing */
      return OK;
    }
    if (failed || s->is_over) return failed;
  }
}

/* What is the sample's own fault fails it; the rest is the run's. */
static status contain(runner_sample *s, status failed, const detail *why, detail *err) {
  if (failed && !is_the_samples(failed)) {
    if (err) *err = *why;
    return failed;
  }
  if (failed) sample_fail(s, failed, why->text);
  return OK;
}

status sample_start(runner_sample *s, detail *err) {
  const mode_machine *machine = s->task.rules->mode->machine;
  mode_setup setup = {.protocol = s->task.rules->protocol,
                      .parameters = s->task.rules->parameters,
                      .question = s->task.question,
                      .target = s->task.target};
  mode_event start = {.kind = MODE_START};
  detail why = {0};
  status failed = machine->open(&s->state, &setup, s->memory, &why);
  if (!failed) failed = tell(s, &start, &why);
  if (!failed && !s->is_over) failed = go_on(s, &why);
  return contain(s, failed, &why, err);
}

static void end_stream(runner_sample *s, int thread, const engine_event *ev) {
  stream *own = &s->streams[thread];
  runner_thread *t = &s->threads[thread];
  if (t->fed == 0 && t->twin < 0) t->cached = ev->cached;
  if (!gang_has(s, thread)) own->id = 0;
  if (ev->end == ENGINE_END_ID) {
    sample_hold(s, thread, MODE_END_TOKEN, NULL);
  } else if (ev->end == ENGINE_STOP_STRING) {
    sample_hold(s, thread, MODE_END_STOP, NULL);
    own->last.tail = own->written - ev->stop_at;
  } else if (own->is_finishing) {
    sample_hold(s, thread, MODE_END_FINISHED, NULL);
  } else {
    sample_hold(s, thread, MODE_END_LIMIT, ev->end == ENGINE_CONTEXT ? "context" : own->most_is);
  }
  own->last.which = ev->which;
}

/* One event as a thread's own; is_mirrored: it is another's that was computed in its place. */
static status take_one(runner_sample *s, int thread, const engine_event *ev, int is_mirrored,
                       detail *err) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  runner_span like = {.kind = THREAD_GENERATED,
                      .is_finisher = own->is_finishing,
                      .step = t->finish + 1,
                      .round = -1};
  if (ev->end == ENGINE_BROKEN) {
    if (!gang_has(s, thread)) own->id = 0;
    own->is_broken = 1;
    own->state = STREAM_HELD;
    s->tokens += !own->is_finishing;
    return OK;
  }
  status failed = thread_add(t, &like, own->fed_span < t->span_count, &ev->token, &ev->logprob,
                             &ev->filtered_logprob, 1, err);
  if (failed) return failed;
  t->finish++;
  t->cached += is_mirrored;
  if (!own->is_finishing) s->tokens++;
  own->written += ev->text_bytes;
  if (t->first_token_ns < 0) t->first_token_ns = clock_monotonic_ns();
  if (ev->end != ENGINE_GOES_ON) end_stream(s, thread, ev);
  return OK;
}

status sample_take(runner_sample *s, int thread, const engine_event *ev, detail *err) {
  detail why = {0};
  status failed = OK;
  int has_ended = ev->end != ENGINE_GOES_ON;
  if (has_ended) s->streams[thread].state = STREAM_HELD; /* the generator has it no more */
  for (int i = thread + 1; s->has_twins && !failed && i < s->count; i++) {
    if (s->streams[i].state == STREAM_MIRRORS && s->streams[i].mirrors == thread)
      failed = take_one(s, i, ev, 1, err);
  }
  if (!failed) failed = take_one(s, thread, ev, 0, err);
  if (failed || gang_has(s, thread) || (!has_ended && !s->keeps_order)) return failed;
  return contain(s, go_on(s, &why), &why, err);
}

status sample_run_on(runner_sample *s, detail *err) {
  detail why = {0};
  return contain(s, go_on(s, &why), &why, err);
}
