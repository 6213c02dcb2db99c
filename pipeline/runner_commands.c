/* Carries out what a mode commands: threads come, are fed, stopped and answer. */
#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

/* ---- new threads ----------------------------------------------------------------------------- */

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

static status name_thread(const runner_sample *s, runner_thread *t, int ordinal, detail *err) {
  int bytes = t->parent < 0
                  ? snprintf(t->path, sizeof t->path, "%d", ordinal)
                  : snprintf(t->path, sizeof t->path, "%s.%d", s->threads[t->parent].path, ordinal);
  if (bytes > 0 && (size_t)bytes < sizeof t->path) return OK;
  return fault(err, E_LIMIT, "children are nested too deep for a path of %zu bytes: allow less",
               sizeof t->path - 1);
}

/* A thread that holds nothing yet; a child begins where its parent rests. */
static status add_thread(runner_sample *s, const mode_command *c, detail *err) {
  REQUIRE(c->thread == (mode_thread)s->count);
  status failed = grow_threads(s, err);
  if (failed) return failed;
  runner_thread *t = &s->threads[s->count];
  stream *own = &s->streams[s->count];
  *t = (runner_thread){.role = c->role,
                       .parent = -1,
                       .round = -1,
                       .twin = -1,
                       .worker = -1,
                       .spawned_at = -1,
                       .joined_at = -1,
                       .first_token_ns = -1,
                       .ended_ns = -1};
  *own = (stream){.state = STREAM_RESTS, .ordinal = s->count, .fed_step = -1};
  text_open(&t->text, TOKENIZER_TEXT_MAX);
  text_open(&t->context, TOKENIZER_TEXT_MAX);
  s->count++;
  if (c->parent != MODE_NOBODY) {
    REQUIRE(c->parent < c->thread);
    const runner_thread *parent = &s->threads[c->parent];
    stream *caller = &s->streams[c->parent];
    REQUIRE(caller->state == STREAM_RESTS && !parent->why && !parent->is_stopped);
    t->parent = (int)c->parent;
    t->start = t->finish = parent->finish;
    t->spawned_at = parent->generated;
    t->round = caller->round;
    own->ordinal = caller->children++;
    caller->has_round = 1;
  }
  return name_thread(s, t, own->ordinal, err);
}

static status refuse(runner_sample *s, const mode_command *c, detail *err) {
  status failed = add_thread(s, c, err);
  if (failed) return failed;
  runner_thread *t = &s->threads[s->count - 1];
  REQUIRE(c->why && t->parent >= 0);
  t->why = c->why;
  t->ended_ns = clock_monotonic_ns(); /* it has been, though it never ran */
  if (c->limit && !s->threads[t->parent].limit) s->threads[t->parent].limit = c->limit;
  return OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Whether there is room for these tokens of a child's prompt, or fed, and for one behind them, in
   a thread that holds others; the limit that leaves none. */
static const char *lacks_room(const runner_rules *r, const runner_thread *t, size_t held,
                              size_t count) {
  if (r->tokens_thread && t->generated >= r->tokens_thread) return "tokens_thread";
  return (int64_t)(held + count) >= r->context ? "context" : NULL;
}

/* A twin writes what its elder writes, whom it has met before that wrote anything. */
static void mirror(runner_sample *s, int thread, mode_thread twin) {
  stream *own = &s->streams[thread];
  runner_thread *t = &s->threads[thread];
  REQUIRE(twin < (mode_thread)thread);
  int elder = s->streams[twin].state == STREAM_MIRRORS ? s->streams[twin].mirrors : (int)twin;
  const runner_thread *other = &s->threads[elder];
  if (s->task.rules->temperature != 0 || s->streams[elder].state != STREAM_READY) return;
  REQUIRE(other->parent == t->parent && other->round == t->round);
  REQUIRE(other->count == t->count &&
          !memcmp(other->tokens, t->tokens, t->count * sizeof *t->tokens));
  s->has_twins = 1;
  own->state = STREAM_MIRRORS;
  own->mirrors = t->twin = elder;
  t->cached = t->prompt;
}

static status begin(runner_sample *s, int thread, const token_list *prompt, detail *err) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  runner_span like = {.kind = THREAD_PROMPT, .step = t->start, .round = -1};
  const char *lacks = t->parent < 0 ? NULL : lacks_room(s->task.rules, t, 0, prompt->count);
  if (!prompt->count) {
    return fault(err, E_INPUT,
                 "the prompt has no token, and a model goes on from one at least: write words into "
                 "'prompt', or begin: 1");
  }
  if (lacks) {
    sample_hold(s, thread, MODE_END_LIMIT, lacks);
    return OK;
  }
  own->state = STREAM_READY;
  own->fed_span = 1;
  own->fed_token = prompt->count;
  s->tokens += (int64_t)prompt->count;
  if (t->parent < 0) s->root_tokens += (int64_t)prompt->count;
  return thread_add(t, &like, 0, (const uint32_t *)prompt->ids, NULL, NULL, prompt->count, err);
}

/* A thread that is there to be asked begins where the last of the others ended. What leaves no room
   for a token behind it is not asked. */
static status spawn_finisher(runner_sample *s, int thread, const mode_command *c, detail *err) {
  const runner_rules *r = s->task.rules;
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  token_list prompt = {0}, words = {0};
  REQUIRE(c->keep <= c->text_bytes && t->parent < 0);
  for (int i = 0; i < thread; i++) {
    REQUIRE(s->streams[i].state == STREAM_RESTS);
    if (s->threads[i].finish > t->start) t->start = s->threads[i].finish;
  }
  t->finish = t->start;
  own->is_finishing = 1;
  status failed = text_to_tokens(r, c->text, c->keep, 1, &prompt, err);
  if (!failed)
    failed = text_to_tokens(r, c->text + c->keep, c->text_bytes - c->keep, 0, &words, err);
  int fits = !failed && (int64_t)(prompt.count + words.count) < r->positions;
  runner_span like = {.kind = THREAD_PROMPT, .step = t->start, .round = -1};
  if (fits)
    failed = thread_add(t, &like, 0, (const uint32_t *)prompt.ids, NULL, NULL, prompt.count, err);
  like.kind = THREAD_FED;
  like.is_finisher = 1;
  if (fits && !failed)
    failed = thread_add(t, &like, 0, (const uint32_t *)words.ids, NULL, NULL, words.count, err);
  own->fed_span = t->span_count;
  own->fed_token = t->count;
  own->state = STREAM_READY;
  if (!fits && !failed) sample_hold(s, thread, MODE_END_FINISHED, "context");
  s->runner->dropped += prompt.dropped + words.dropped;
  token_list_close(&prompt);
  token_list_close(&words);
  return failed;
}

static status spawn(runner_sample *s, const mode_command *c, detail *err) {
  status failed = add_thread(s, c, err);
  if (failed) return failed;
  int thread = s->count - 1;
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  token_list ids = {0};
  own->key = random_key_of(s->task.seed, &s->task.content, s->task.repeat, t->path);
  own->ignores_stops = c->ignores_stops;
  t->is_worker = c->is_worker;
  if (c->view) return gang_add_worker(s, thread, c, err);
  if (c->is_finisher) return spawn_finisher(s, thread, c, err);
  if (s->is_settled) {
    sample_hold(s, thread, MODE_END_LIMIT, "tokens_total");
    return OK;
  }
  REQUIRE(!s->keeps_order || t->start >= s->now);
  failed = text_to_tokens(s->task.rules, c->text, c->text_bytes, 1, &ids, err);
  if (!failed) failed = begin(s, thread, &ids, err);
  if (!failed && t->parent >= 0 && c->twin != MODE_NOBODY && own->state == STREAM_READY)
    mirror(s, thread, c->twin);
  s->runner->dropped += ids.dropped;
  token_list_close(&ids);
  return failed;
}

/* ---- joining and feeding --------------------------------------------------------------------- */

/* The thread has waited for the children that it called since it was fed: it goes on where the last
   of them ended. */
static void join(runner_sample *s, int thread) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  int64_t step = t->finish;
  if (!own->has_round) return;
  for (int i = thread + 1; i < s->count; i++) {
    const runner_thread *child = &s->threads[i];
    if (child->parent != thread || child->round != own->round || child->why) continue;
    REQUIRE(s->streams[i].state == STREAM_RESTS);
    if (child->finish > step) step = child->finish;
  }
  for (int i = thread + 1; i < s->count; i++) {
    runner_thread *child = &s->threads[i];
    if (child->parent != thread || child->round != own->round || child->why) continue;
    child->joined_at = t->generated;
    child->waited = child->prompt ? step - child->finish : 0;
  }
  t->finish = step;
  own->round++;
  own->has_round = 0;
}

/* What a thread is about to be fed. */
typedef struct meal {
  token_list ids;
  size_t held; /* of the thread's tokens that stay, */
  size_t from; /* and the first of all that does not */
  int round;
} meal;

/* Where the cut falls into a token, the token goes and what is kept of its text is fed again. */
static status prepare(runner_sample *s, const mode_command *c, meal *out, detail *err) {
  const runner_rules *r = s->task.rules;
  const runner_thread *t = &s->threads[c->thread];
  const stream *own = &s->streams[c->thread];
  size_t floor = t->held - (t->count - own->fed_token), bytes = 0;
  text words;
  text_open(&words, PROTOCOL_TEXT_BYTES_MAX);
  status failed = OK;
  out->held = t->held;
  if (c->cuts) {
    failed = thread_keep(r, t, floor, c->keep, &out->held, &bytes, err);
    if (!failed) text_add(&words, text_string(thread_text(t)) + bytes, c->keep - bytes);
  }
  out->from = own->fed_token + (out->held - floor);
  text_add(&words, c->text, c->text_bytes);
  if (!failed) failed = text_state(&words, err);
  if (!failed) failed = text_to_tokens(r, text_string(&words), words.bytes, 0, &out->ids, err);
  if (!failed && c->is_finisher && out->ids.count > RUNNER_FINISHER_FED_MAX) {
    failed = fault(err, E_LIMIT, "the finisher's text is of %zu tokens; at most %d are fed",
                   out->ids.count, (int)RUNNER_FINISHER_FED_MAX);
  }
  s->runner->dropped += out->ids.dropped;
  text_close(&words);
  return failed;
}

static status swallow(runner_sample *s, const mode_command *c, const meal *m, detail *err) {
  runner_thread *t = &s->threads[c->thread];
  stream *own = &s->streams[c->thread];
  runner_span like = {
      .kind = THREAD_FED, .is_finisher = c->is_finisher, .step = t->finish, .round = m->round};
  own->state = STREAM_READY;
  own->is_finishing = c->is_finisher;
  own->written = 0;
  own->is_unfed = 0;
  own->span_before = own->fed_span;
  own->token_before = own->fed_token;
  own->fed_token = t->count;
  own->cut_token = m->from;
  own->fed_step = c->is_finisher ? -1 : t->finish;
  if (!c->is_finisher) s->tokens += (int64_t)m->ids.count;
  status failed = m->from < t->count ? thread_cut(t, m->from, err) : OK;
  if (!failed)
    failed = thread_add(t, &like, 0, (const uint32_t *)m->ids.ids, NULL, NULL, m->ids.count, err);
  own->fed_span = t->span_count;
  return failed;
}

static status feed(runner_sample *s, const mode_command *c, detail *err) {
  REQUIRE(c->thread < (mode_thread)s->count);
  int thread = (int)c->thread;
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  REQUIRE(own->state == STREAM_RESTS && !t->why && !t->is_stopped);
  REQUIRE(t->worker < 0 || (gang_has(s, thread) && !c->cuts && !c->is_finisher));
  meal m = {.round = own->has_round ? own->round : -1};
  own->is_unfed = 1;
  join(s, thread);
  if (!c->is_finisher && s->is_settled) {
    sample_hold(s, thread, MODE_END_LIMIT, "tokens_total");
    return OK;
  }
  if (!t->prompt) { /* it never began, so there is nothing to go on from */
    sample_hold(s, thread, c->is_finisher ? MODE_END_FINISHED : MODE_END_LIMIT, NULL);
    return OK;
  }
  REQUIRE(c->is_finisher || !s->keeps_order || t->finish >= s->now);
  status failed = prepare(s, c, &m, err);
  const char *lacks = failed || c->is_finisher || t->worker >= 0
                          ? NULL
                          : lacks_room(s->task.rules, t, m.held, m.ids.count);
  if (lacks) {
    sample_hold(s, thread, MODE_END_LIMIT, lacks);
  } else if (!failed) {
    failed = swallow(s, c, &m, err);
  }
  token_list_close(&m.ids);
  return failed;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static status answer(runner_sample *s, const mode_command *c, detail *err) {
  REQUIRE(c->thread < (mode_thread)s->count);
  runner_thread *t = &s->threads[c->thread];
  REQUIRE(!t->answer && !t->vote_key);
  if (c->text) t->answer = arena_text(s->memory, c->text, c->text_bytes);
  if (c->vote_key) t->vote_key = arena_text(s->memory, c->vote_key, strlen(c->vote_key));
  int whole = !c->text == !t->answer && !c->vote_key == !t->vote_key;
  return whole ? OK : arena_full(s->memory, err);
}

static void stop(runner_sample *s, const mode_command *c) {
  REQUIRE(c->thread < (mode_thread)s->count && s->may_stop);
  REQUIRE(!s->threads[c->thread].why && !s->threads[c->thread].is_stopped);
  if (s->threads[c->thread].worker >= 0) {
    gang_stop(s, (int)c->thread);
  } else {
    sample_stop(s, (int)c->thread);
  }
  if (c->tells) sample_hold(s, (int)c->thread, MODE_END_STOPPED, NULL);
}

/* Nobody waits for those that are not at rest; where they would be hangs on the schedule, unless
   they are stopped where the others are. */
static status done(runner_sample *s, const mode_command *c, detail *err) {
  REQUIRE(c->thread == MODE_NOBODY || c->thread < (mode_thread)s->count);
  s->winner = c->thread == MODE_NOBODY ? -1 : (int)c->thread;
  s->is_over = 1;
  status failed = OK;
  for (int i = 0; !failed && i < s->count; i++) {
    REQUIRE(s->keeps_order || s->streams[i].state == STREAM_RESTS);
    runner_thread *t = &s->threads[i];
    if (s->streams[i].state != STREAM_RESTS) sample_stop(s, i);
    if (t->is_stopped || t->worker >= 0) failed = thread_decode(s->task.rules, t, err);
    if (!failed) failed = thread_place_spans(s->task.rules, t, err);
    if (!failed && t->is_worker) failed = thread_place_pieces(s->task.rules, t, err);
    if (!failed && t->worker >= 0) failed = gang_seat(s, i, err);
  }
  return failed;
}

status sample_carry_out(void *context, const mode_command *c, detail *err) {
  runner_sample *s = context;
  REQUIRE(!s->is_over);
  switch (c->kind) {
  case MODE_SPAWN: return spawn(s, c, err);
  case MODE_REFUSE: return refuse(s, c, err);
  case MODE_FEED: return feed(s, c, err);
  case MODE_STOP: stop(s, c); return OK;
  case MODE_BLOCK: return gang_add_block(s, c, err);
  case MODE_COMMIT: return gang_commit(s, c, err);
  case MODE_ANSWER: return answer(s, c, err);
  case MODE_DONE: return done(s, c, err);
  }
  return OK;
}
