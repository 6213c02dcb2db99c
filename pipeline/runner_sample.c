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

status sample_new(runner_sample **out, runner *r, const runner_task *task, detail *err) {
  runner_sample *s = memory_zeroed(1, sizeof *s);
  if (!s) return fault(err, E_MEMORY, "no memory for a sample");
  s->runner = r;
  s->winner = -1;
  s->started_ns = clock_monotonic_ns();
  status failed = arena_open(&s->memory, SAMPLE_ARENA_BYTES, err);
  if (!failed) failed = copy_task(s, task, err);
  if (failed) {
    runner_sample_free(s);
    return failed;
  }
  *out = s;
  return OK;
}

/* ---- commands -------------------------------------------------------------------------------- */

static status grow_threads(runner_sample *s, detail *err) {
  if (s->count < s->capacity) return OK;
  int capacity = s->capacity ? 2 * s->capacity : 4;
  runner_thread *threads = memory_grow(s->threads, (size_t)capacity * sizeof *threads);
  if (threads) s->threads = threads;
  stream *streams = threads ? memory_grow(s->streams, (size_t)capacity * sizeof *streams) : NULL;
  if (!streams) return fault(err, E_MEMORY, "no memory for %d threads of a sample", capacity);
  s->streams = streams;
  s->capacity = capacity;
  return OK;
}

static status add_text(runner_sample *s, int thread, runner_span_kind kind, const mode_command *c,
                       detail *err) {
  runner_thread *t = &s->threads[thread];
  token_list ids = {0};
  status failed =
      text_to_tokens(s->task.rules, c->text, c->text_bytes, kind == THREAD_PROMPT, &ids, err);
  if (!failed && c->is_finisher && ids.count > RUNNER_FINISHER_FED_MAX) {
    failed = fault(err, E_LIMIT, "the finisher's text is of %zu tokens; at most %d are fed",
                   ids.count, (int)RUNNER_FINISHER_FED_MAX);
  }
  if (!failed) {
    failed = thread_add(t, kind, c->is_finisher, kind == THREAD_PROMPT ? 0 : t->generated,
                        (const uint32_t *)ids.ids, NULL, NULL, ids.count, err);
  }
  s->runner->dropped += ids.dropped;
  token_list_close(&ids);
  return failed;
}

static status spawn(runner_sample *s, const mode_command *c, detail *err) {
  REQUIRE(c->thread == (mode_thread)s->count);
  status failed = grow_threads(s, err);
  if (failed) return failed;
  runner_thread *t = &s->threads[s->count];
  stream *own = &s->streams[s->count++];
  *t = (runner_thread){.role = c->role, .first_token_ns = -1, .ended_ns = -1};
  text_open(&t->text, TOKENIZER_TEXT_MAX);
  (void)snprintf(t->path, sizeof t->path, "%u", c->thread);
  *own = (stream){.state = STREAM_READY, .fed_span = 1};
  own->key = random_key_of(s->task.seed, &s->task.content, s->task.repeat, t->path);
  failed = add_text(s, s->count - 1, THREAD_PROMPT, c, err);
  s->prompts += t->prompt;
  if (failed || t->prompt) return failed;
  return fault(err, E_INPUT,
               "the prompt has no token, and a model goes on from one at least: write words into "
               "'prompt', or begin: 1");
}

static status feed(runner_sample *s, const mode_command *c, detail *err) {
  REQUIRE(c->thread < (mode_thread)s->count);
  stream *own = &s->streams[c->thread];
  REQUIRE(own->state == STREAM_RESTS);
  own->state = STREAM_READY;
  own->is_finishing = c->is_finisher;
  own->written = 0;
  status failed = add_text(s, (int)c->thread, THREAD_FED, c, err);
  own->fed_span = s->threads[c->thread].span_count;
  return failed;
}

static status answer(runner_sample *s, const mode_command *c, detail *err) {
  REQUIRE(c->thread < (mode_thread)s->count);
  runner_thread *t = &s->threads[c->thread];
  REQUIRE(!t->answer && !t->vote_key);
  if (c->text) t->answer = arena_text(s->memory, c->text, c->text_bytes);
  if (c->vote_key) t->vote_key = arena_text(s->memory, c->vote_key, strlen(c->vote_key));
  int whole = !c->text == !t->answer && !c->vote_key == !t->vote_key;
  return whole ? OK : arena_full(s->memory, err);
}

static status carry_out(void *context, const mode_command *c, detail *err) {
  runner_sample *s = context;
  REQUIRE(!s->is_over);
  switch (c->kind) {
  case MODE_SPAWN: return spawn(s, c, err);
  case MODE_FEED: return feed(s, c, err);
  case MODE_ANSWER: return answer(s, c, err);
  case MODE_DONE:
    REQUIRE(c->thread == MODE_NOBODY || c->thread < (mode_thread)s->count);
    s->winner = c->thread == MODE_NOBODY ? -1 : (int)c->thread;
    s->is_over = 1;
    return OK;
  }
  return OK;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Where the first token since the thread was fed begins in its text. */
static size_t fed_at(const runner_thread *t, const stream *own) {
  return own->fed_span < t->span_count ? t->spans[own->fed_span].text_start : t->text.bytes;
}

/* The generator's text and this one end alike, but may begin with or without a space. */
static size_t place_stop(const runner_thread *t, const stream *own) {
  size_t tail = own->written - own->stop_at;
  return tail < t->text.bytes ? t->text.bytes - tail : 0;
}

static status tell(runner_sample *s, const mode_event *e, detail *err) {
  mode_output out = {.emit = carry_out, .context = s};
  return s->task.rules->mode->machine->on(s->state, e, &out, err);
}

static status tell_ended(runner_sample *s, int thread, detail *err) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  own->state = STREAM_RESTS;
  status failed = thread_decode(s->task.rules, t, err);
  if (failed) return failed;
  if (t->end == MODE_END_STOP) t->stop_at = place_stop(t, own);
  mode_event e = {.kind = MODE_ENDED,
                  .thread = (mode_thread)thread,
                  .end = t->end,
                  .which = t->which,
                  .text = text_string(&t->text),
                  .text_bytes = t->text.bytes,
                  .prompt_bytes = t->spans[0].text_bytes,
                  .fed_at = fed_at(t, own),
                  .stop_at = t->stop_at};
  return tell(s, &e, err);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void hold(runner_sample *s, int thread, mode_end end, const char *limit) {
  runner_thread *t = &s->threads[thread];
  s->streams[thread].state = STREAM_HELD;
  t->end = end;
  if (limit) t->limit = limit;
  t->ended_ns = clock_monotonic_ns();
}

/* How many tokens a thread may sample, and which limit says so; of equal ones the first. */
static int64_t most_tokens(const runner_sample *s, int thread, const char **limit) {
  const runner_rules *r = s->task.rules;
  const runner_thread *t = &s->threads[thread];
  const struct {
    const char *name;
    int64_t most;
  } limits[] = {
      {"tokens_thread", r->tokens_thread ? r->tokens_thread - t->generated : INT64_MAX},
      {"tokens_total",
       r->tokens_total ? r->tokens_total - s->prompts - t->fed - t->generated : INT64_MAX},
      {"context", r->context - (int64_t)t->count},
  };
  int least = 0;
  for (int i = 1; i < 3; i++) {
    if (limits[i].most < limits[least].most && limits[least].most > 0) least = i;
  }
  *limit = limits[least].name;
  return limits[least].most;
}

/* A prompt that was too long for the context stands on the finisher's place, which is no larger for
   that: what an engine could hold beyond it hangs on what else it runs. */
static int64_t most_asked(const runner_sample *s, int thread) {
  const runner_rules *r = s->task.rules;
  int64_t place = r->positions - (int64_t)s->threads[thread].count;
  return place < r->finisher_tokens ? place : r->finisher_tokens;
}

/* Several threads that are bounded together: none is told before the last step is known. */
static int is_bounded(const runner_sample *s) {
  return s->task.rules->tokens_total && s->count > 1 && !s->is_settled;
}

/* How far a thread came; where it broke there is a token too, though nobody can say which. */
static int64_t steps_of(const runner_sample *s, int thread) {
  return s->threads[thread].generated + s->streams[thread].is_broken;
}

/* The last step at which what is known of all threads is within the limit; -1: their prompts are
   more already. */
static int64_t last_step(const runner_sample *s) {
  int64_t room = s->task.rules->tokens_total - s->prompts, low = 0, high = 0;
  for (int i = 0; i < s->count; i++) {
    if (steps_of(s, i) > high) high = steps_of(s, i);
  }
  if (room < 0) return -1;
  while (low < high) {
    int64_t middle = low + (high - low + 1) / 2, sum = 0;
    for (int i = 0; i < s->count; i++) {
      int64_t own = steps_of(s, i);
      sum += own < middle ? own : middle;
    }
    if (sum <= room) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/* More of the others can only make the last step earlier, so who is behind it already is cut. */
static void withdraw_beyond(runner_sample *s) {
  if (s->prompts + s->sampled <= s->task.rules->tokens_total) return;
  int64_t step = last_step(s);
  for (int i = 0; i < s->count; i++) {
    if (s->streams[i].state != STREAM_SAMPLES || s->threads[i].generated <= step) continue;
    runner_withdraw(s, i);
    hold(s, i, MODE_END_LIMIT, NULL);
  }
}

/* Nothing was fed yet: a thread is its prompt and what it sampled. */
static void cut_thread(runner_thread *t, int64_t generated) {
  t->generated = generated;
  t->count = (size_t)(t->prompt + generated);
  t->end = MODE_END_LIMIT;
  t->limit = "tokens_total";
  t->span_count = generated ? 2 : 1;
  if (!generated) t->first_token_ns = -1;
  if (generated) t->spans[1].count = (size_t)generated;
}

static void fail_broken(runner_sample *s) {
  sample_fail(s, E_DEVICE,
              "a number of the forward pass was not finite, or no token was left to sample: "
              "look at the model with nightjar model show");
}

/* Everybody has come as far as the limit lets anybody come. What broke behind that never was. */
static void settle(runner_sample *s) {
  int is_over = s->prompts + s->sampled > s->task.rules->tokens_total;
  int64_t step = is_over ? last_step(s) : INT64_MAX;
  s->is_settled = 1;
  for (int i = 0; i < s->count && !s->is_over; i++) {
    if (steps_of(s, i) > step) {
      cut_thread(&s->threads[i], step < 0 ? 0 : step);
    } else if (s->streams[i].is_broken) {
      fail_broken(s);
    }
  }
}

/* ---- going on -------------------------------------------------------------------------------- */

static status submit_ready(runner_sample *s, detail *err) {
  for (int i = 0; i < s->count && !s->is_over; i++) {
    if (s->streams[i].state != STREAM_READY) continue;
    int is_finishing = s->streams[i].is_finishing;
    int64_t most = is_finishing ? most_asked(s, i) : most_tokens(s, i, &s->streams[i].most_is);
    if (most <= 0) {
      hold(s, i, is_finishing ? MODE_END_FINISHED : MODE_END_LIMIT,
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

/* Submits what is ready and tells what may be told, until neither is left. */
static status go_on(runner_sample *s, detail *err) {
  for (;;) {
    status failed = submit_ready(s, err);
    if (failed) return failed;
    if (s->is_over) return OK;
    if (is_bounded(s)) {
      withdraw_beyond(s);
      if (first_in(s, STREAM_SAMPLES) >= 0) return OK;
      settle(s);
      if (s->is_over) return OK;
    }
    int thread = first_in(s, STREAM_HELD);
    if (thread < 0) {
      REQUIRE(first_in(s, STREAM_SAMPLES) >= 0); /* or the mode waits for nothing */
      return OK;
    }
    failed = tell_ended(s, thread, err);
    if (failed) return failed;
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
  t->which = ev->which;
  if (t->fed == 0) t->cached = ev->cached;
  own->stop_at = ev->stop_at;
  own->id = 0;
  if (ev->end == ENGINE_END_ID) {
    hold(s, thread, MODE_END_TOKEN, NULL);
  } else if (ev->end == ENGINE_STOP_STRING) {
    hold(s, thread, MODE_END_STOP, NULL);
  } else if (own->is_finishing) {
    hold(s, thread, MODE_END_FINISHED, NULL);
  } else {
    hold(s, thread, MODE_END_LIMIT, ev->end == ENGINE_CONTEXT ? "context" : own->most_is);
  }
}

status sample_take(runner_sample *s, int thread, const engine_event *ev, detail *err) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  detail why = {0};
  int has_ended = ev->end != ENGINE_GOES_ON;
  if (has_ended) own->state = STREAM_HELD; /* whatever fails now: the generator has it no more */
  if (ev->end == ENGINE_BROKEN) {
    own->id = 0;
    own->is_broken = 1;
    s->sampled++;
    if (is_bounded(s)) return contain(s, go_on(s, &why), &why, err);
    fail_broken(s);
    return OK;
  }
  status failed = thread_add(t, THREAD_GENERATED, own->is_finishing, t->generated + 1, &ev->token,
                             &ev->logprob, &ev->filtered_logprob, 1, err);
  if (failed) return failed;
  if (!own->is_finishing) s->sampled++;
  own->written += ev->text_bytes;
  if (t->first_token_ns < 0) t->first_token_ns = clock_monotonic_ns();
  if (has_ended) end_stream(s, thread, ev);
  if (!has_ended && !is_bounded(s)) return OK;
  return contain(s, go_on(s, &why), &why, err);
}
