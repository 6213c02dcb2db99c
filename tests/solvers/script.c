#include "tests/solvers/script.h"

#include "base/memory.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;

/* ---- commands -------------------------------------------------------------------------------- */

static void note_family(text *log, const mode_command *c) {
  text_format(log, " %u %s", c->thread, c->role);
  if (c->parent != MODE_NOBODY) text_format(log, " of %u", c->parent);
  if (c->twin != MODE_NOBODY) text_format(log, " as %u", c->twin);
  for (int i = 0; i < c->view_count; i++)
    text_format(log, "%s%u", i ? "," : " sees ", c->view[i]);
  if (c->is_finisher) text_format(log, " asked behind %zu", c->keep);
}

static void note_refusal(text *log, const mode_command *c) {
  text_put(log, "refuse");
  note_family(log, c);
  text_format(log, " %s", c->why);
  if (c->limit) text_format(log, " by %s", c->limit);
}

static void note_feed(text *log, const mode_command *c) {
  text_format(log, "feed%s %u", c->is_finisher ? " finisher" : "", c->thread);
  if (c->cuts) text_format(log, " behind %zu", c->keep);
}

static void note_block(text *log, const mode_command *c) {
  text_format(log, "block %u%s", c->block, c->is_prompt ? " prompt" : "");
  if (!c->text) text_put(log, " own");
}

static void note(text *log, const mode_command *c) {
  switch (c->kind) {
  case MODE_SPAWN:
    text_put(log, "spawn");
    note_family(log, c);
    break;
  case MODE_REFUSE: note_refusal(log, c); break;
  case MODE_FEED: note_feed(log, c); break;
  case MODE_STOP: text_format(log, "stop%s %u", c->tells ? " and tell" : "", c->thread); break;
  case MODE_BLOCK: note_block(log, c); break;
  case MODE_COMMIT: text_format(log, "commit %u to %u", c->thread, c->block); break;
  case MODE_ANSWER: text_format(log, "answer %u", c->thread); break;
  case MODE_DONE: text_format(log, "done %d", c->thread == MODE_NOBODY ? -1 : (int)c->thread);
  }
  int has_text = c->kind == MODE_SPAWN || c->kind == MODE_FEED || c->kind == MODE_ANSWER ||
                 (c->kind == MODE_BLOCK && c->text);
  if (has_text) {
    text_put(log, " [");
    text_add(log, c->text ? c->text : "none", c->text ? c->text_bytes : 4);
    text_char(log, ']');
  }
  if (c->kind == MODE_ANSWER) text_format(log, " [%s]", c->vote_key ? c->vote_key : "none");
  text_char(log, '\n');
}

static void begin_thread(script *s, const mode_command *c) {
  ck_assert_uint_lt(s->count, SCRIPT_THREADS_MAX);
  ck_assert_uint_eq(c->thread, s->count);
  script_thread *t = &s->threads[s->count++];
  t->parent = c->parent;
  t->twin = c->twin;
  t->runs = c->kind == MODE_SPAWN;
  if (c->parent != MODE_NOBODY) {
    ck_assert_uint_lt(c->parent, c->thread);
    ck_assert(!s->threads[c->parent].runs);
  }
  if (c->twin != MODE_NOBODY) {
    ck_assert_uint_lt(c->twin, c->thread);
    ck_assert_uint_eq(s->threads[c->twin].parent, c->parent);
    ck_assert_uint_eq(s->threads[c->twin].twin, MODE_NOBODY);
    ck_assert_str_eq(text_string(&s->threads[c->twin].held), c->text);
  }
  if (c->kind == MODE_SPAWN) text_add(&t->held, c->text, c->text_bytes);
  t->fed_at = t->held.bytes;
  t->prompt_bytes = c->is_finisher ? c->keep : c->view ? 0 : t->held.bytes;
  t->step_at = t->prompt_bytes;
}

static void feed_thread(script *s, const mode_command *c) {
  script_thread *t = &s->threads[c->thread];
  ck_assert_uint_lt(c->thread, s->count);
  ck_assert(!t->runs && !t->is_stopped);
  if (c->cuts) {
    ck_assert_uint_le(c->keep, t->held.bytes);
    ck_assert_uint_ge(c->keep, t->prompt_bytes);
    text_cut(&t->held, c->keep);
  }
  text_add(&t->held, c->text, c->text_bytes);
  t->fed_at = t->held.bytes;
  t->runs = 1;
}

static status carry_out(void *context, const mode_command *c, detail *why) {
  script *s = context;
  (void)why;
  ck_assert(!s->is_done);
  note(&s->log, c);
  if (c->kind == MODE_SPAWN || c->kind == MODE_REFUSE) begin_thread(s, c);
  if (c->kind == MODE_FEED) feed_thread(s, c);
  if (c->kind == MODE_STOP) {
    ck_assert(!s->threads[c->thread].is_stopped);
    s->threads[c->thread].is_stopped = 1;
    s->threads[c->thread].runs = c->tells;
  }
  if (c->kind == MODE_COMMIT) {
    ck_assert(!s->threads[c->thread].runs);
    s->threads[c->thread].step_at = s->threads[c->thread].held.bytes;
  }
  s->is_done = c->kind == MODE_DONE;
  return s->emits;
}

/* ---- a script -------------------------------------------------------------------------------- */

/* Memory of its own, so that an allocation that a test makes fail is the machine's. */
static void make_room(text *t) {
  enum { ROOM_BYTES = 1 << 16 };
  static const char room[ROOM_BYTES];
  text_add(t, room, sizeof room);
  text_clear(t);
}

script *script_open(const char *mode_name, const char *parameters) {
  script *s = calloc(1, sizeof *s);
  ck_assert_ptr_nonnull(s);
  s->mode = mode_find(mode_name);
  ck_assert_ptr_nonnull(s->mode);
  ck_ok(json_read(&s->parameters, parameters, strlen(parameters), "parameters", 1, &err));
  text_open(&s->log, PROTOCOL_TEXT_BYTES_MAX);
  make_room(&s->log);
  for (int i = 0; i < SCRIPT_THREADS_MAX; i++) {
    text_open(&s->threads[i].held, PROTOCOL_TEXT_BYTES_MAX);
    if (i < 8) make_room(&s->threads[i].held);
  }
  return s;
}

status script_start(script *s, const char *question, const char *target, detail *why) {
  status failed = s->mode->resolve(s->parameters, why);
  if (!failed) failed = protocol_open(&s->protocol, s->parameters, why);
  if (!failed) failed = arena_open(&s->memory, 64 << 20, why);
  mode_setup setup = {s->protocol, s->parameters, question, target};
  if (!failed) failed = s->mode->machine->open(&s->state, &setup, s->memory, why);
  const mode_output out = {carry_out, s};
  mode_event start = {.kind = MODE_START};
  return failed ? failed : s->mode->machine->on(s->state, &start, &out, why);
}

script *script_begin(const char *mode_name, const char *parameters, const char *question,
                     const char *target) {
  script *s = script_open(mode_name, parameters);
  ck_ok(script_start(s, question, target, &err));
  return s;
}

void script_end(script *s) {
  if (s->state) s->mode->machine->close(s->state);
  for (int i = 0; i < SCRIPT_THREADS_MAX; i++)
    text_close(&s->threads[i].held);
  arena_close(s->memory);
  protocol_close(s->protocol);
  json_decref(s->parameters);
  text_close(&s->log);
  free(s);
}

static size_t find_stop(const script *s, const script_thread *t) {
  int count;
  const char *const *stops = protocol_stops(s->protocol, &count);
  const char *found = NULL, *held = text_string(&t->held);
  ck_assert_int_ge(count, 1);
  for (const char *at = held + t->fed_at; (at = strstr(at, stops[0])) != NULL; at++)
    found = at;
  ck_assert_ptr_nonnull(found);
  return (size_t)(found - held);
}

status script_try(script *s, mode_thread thread, mode_end how, const char *written, detail *why) {
  script_thread *t = &s->threads[thread];
  ck_assert_uint_lt(thread, s->count);
  ck_assert(t->runs);
  text_put(&t->held, written);
  t->runs = 0;
  mode_event e = {.kind = MODE_ENDED,
                  .thread = thread,
                  .end = how,
                  .which = how == MODE_END_STOP ? 0 : -1,
                  .text = text_string(&t->held),
                  .text_bytes = t->held.bytes,
                  .prompt_bytes = t->prompt_bytes,
                  .fed_at = t->fed_at,
                  .stop_at = how == MODE_END_STOP ? find_stop(s, t) : 0,
                  .step_at = t->step_at,
                  .put_in = s->put_in};
  const mode_output out = {carry_out, s};
  return s->mode->machine->on(s->state, &e, &out, why);
}

void script_writes(script *s, mode_thread thread, mode_end how, const char *written) {
  ck_ok(script_try(s, thread, how, written, &err));
}

void script_tell(script *s, const mode_event *e) {
  const mode_output out = {carry_out, s};
  if (e->kind == MODE_ENDED) s->threads[e->thread].runs = 0;
  ck_ok(s->mode->machine->on(s->state, e, &out, &err));
}

void script_says(script *s, const char *wanted) {
  ck_assert_str_eq(text_string(&s->log), wanted);
  text_clear(&s->log);
}
