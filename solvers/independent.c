#include "solvers/independent_internal.h"
#include "solvers/spawn_join.h"
#include "solvers/vote.h"

#include <string.h>

static const char *const presets[] = {"published", NULL};
const char *const independent_vote_keys[] = {"canonical", "literal", NULL};
static const char *const early_stops[] = {"none", "first", NULL};

const option independent_options[1 + INDEPENDENT_OPTIONS + SPAWN_JOIN_OPTIONS] = {
    {"n", OPTION_INTEGER, NULL, 1, VOTE_THREADS_MAX, "threads that vote"},
    INDEPENDENT_ROWS(presets),
    {"label.children", OPTION_INTEGER, NULL, 0, 1000, "the number of children in the prompt"},
    {"limit.children", OPTION_INTEGER, NULL, 0, 1000000, "children of a sample that may run"},
    {"limit.rounds", OPTION_INTEGER, NULL, 0, 1000000, "rounds in which a thread's children run"},
    {"depth", OPTION_INTEGER, NULL, 1, SPAWN_JOIN_DEPTH_MAX, "levels of children"},
    {"early_stop", OPTION_CHOICE, early_stops, 0, 0, "whether the first solution ends a round"},
};

status independent_settle(json_t *parameters, detail *err) {
  const json_t *top_p = json_object_get(json_object_get(parameters, "sampling"), "top_p");
  if (top_p && json_number_value(top_p) <= 0) {
    return fault(err, E_INPUT,
                 "'sampling.top_p' 0 leaves no token to choose; use 1 for all, or "
                 "'sampling.temperature' 0 for the likeliest");
  }
  return protocol_resolve(parameters, err);
}

status independent_resolve(json_t *parameters, detail *err) {
  status failed = independent_settle(parameters, err);
  const char *name = json_string_value(json_object_get(parameters, "protocol"));
  if (!failed && protocol_works_of(name)) {
    int asks = !strcmp(protocol_kind_of(name), "question");
    return fault(err, E_INPUT,
                 "threads of protocol %s are workers that read each other, and only mode hogwild "
                 "has any: use that, or protocol %s",
                 name,
                 asks ? "generic, which puts the same questions"
                      : "countdown-apr-serial, which searches in one context");
  }
  if (failed || !protocol_calls_of(name)) return failed;
  return fault(err, E_INPUT,
               "threads of protocol %s call for children, and only mode spawn_join has any: use "
               "that, or protocol countdown-apr-serial, which searches in one context",
               name);
}

/* ---- a sample -------------------------------------------------------------------------------- */

status independent_open(independent **out, uint32_t count, const mode_setup *setup, arena *memory,
                        detail *err) {
  independent *s = arena_take(memory, 1, sizeof *s);
  if (!s) return arena_full(memory, err);
  *s = (independent){.setup = *setup, .memory = memory, .count = count};
  s->threads = arena_take(memory, count, sizeof *s->threads);
  if (!s->threads) return arena_full(memory, err);
  text prompt;
  text_open(&prompt, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_prompt(setup->protocol, setup->question, setup->target, &prompt, err);
  if (!failed) {
    s->prompt_bytes = prompt.bytes;
    s->prompt = arena_text(memory, text_string(&prompt), prompt.bytes);
    if (!s->prompt) failed = arena_full(memory, err);
  }
  text_close(&prompt);
  if (!failed) *out = s;
  return failed;
}

status independent_spawn(const independent *s, const char *role, const mode_output *out,
                         detail *err) {
  status failed = OK;
  for (uint32_t i = 0; !failed && i < s->count; i++) {
    mode_command c = {.kind = MODE_SPAWN,
                      .thread = i,
                      .parent = MODE_NOBODY,
                      .twin = MODE_NOBODY,
                      .role = role,
                      .text = s->prompt,
                      .text_bytes = s->prompt_bytes};
    failed = out->emit(out->context, &c, err);
  }
  return failed;
}

/* Feeds the finisher, unless it has nothing to ask for. */
static status ask(independent *s, const mode_event *e, const mode_output *out, detail *err) {
  independent_thread *t = &s->threads[e->thread];
  text words;
  text_open(&words, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_finisher(s->setup.protocol, s->setup.target, e->text + t->own_from,
                                    e->text_bytes - t->own_from, &words, err);
  if (!failed && words.bytes) {
    t->asked = 1;
    t->asked_from = e->text_bytes;
    mode_command c = {.kind = MODE_FEED,
                      .thread = e->thread,
                      .text = text_string(&words),
                      .text_bytes = words.bytes,
                      .is_finisher = 1};
    failed = out->emit(out->context, &c, err);
  }
  text_close(&words);
  return failed;
}

/* A thread that a limit cut off and nobody asked does not vote: what it would have said is not
   known. */
static status read_key(const independent *s, const mode_event *e, const char *answer, text *key,
                       int *found, detail *err) {
  *found = 0;
  int cut_off = e->end == MODE_END_LIMIT && !protocol_has_finisher(s->setup.protocol);
  if (cut_off) return OK;
  return protocol_vote_key(s->setup.protocol, s->setup.target, answer, key, found, err);
}

static status tell(independent *s, const mode_event *e, const text *answer, const text *key,
                   const mode_output *out, detail *err) {
  independent_thread *t = &s->threads[e->thread];
  t->answered = 1;
  t->has_answer = answer != NULL;
  s->answered++;
  if (key) {
    t->key = arena_text(s->memory, text_string(key), key->bytes);
    if (!t->key) return arena_full(s->memory, err);
  }
  mode_command c = {.kind = MODE_ANSWER,
                    .thread = e->thread,
                    .text = answer ? text_string(answer) : NULL,
                    .text_bytes = answer ? answer->bytes : 0,
                    .vote_key = t->key};
  return out->emit(out->context, &c, err);
}

/* (A stop string may begin with a space that its text has lost.) */
size_t independent_said(const mode_event *e, size_t from) {
  if (e->end != MODE_END_STOP) return e->text_bytes;
  return e->stop_at > from ? e->stop_at : from;
}

static status answer(independent *s, const mode_event *e, const mode_output *out, detail *err) {
  const independent_thread *t = &s->threads[e->thread];
  size_t own_from = t->own_from > e->prompt_bytes ? t->own_from : e->prompt_bytes;
  size_t from = t->asked ? t->asked_from : own_from;
  if (from > e->text_bytes)
    from = e->text_bytes; /* a tokenizer that rewrites what it has decoded */
  size_t bytes = independent_said(e, from);
  text said, key;
  int has_answer, has_key = 0;
  text_open(&said, PROTOCOL_TEXT_BYTES_MAX);
  text_open(&key, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_answer(s->setup.protocol, e->text, bytes, from, &said, &has_answer, err);
  if (!failed && has_answer) failed = read_key(s, e, text_string(&said), &key, &has_key, err);
  if (!failed) failed = tell(s, e, has_answer ? &said : NULL, has_key ? &key : NULL, out, err);
  text_close(&key);
  text_close(&said);
  return failed;
}

status independent_ended(independent *s, const mode_event *e, const mode_output *out, detail *err) {
  REQUIRE(e->thread < s->count && !s->threads[e->thread].answered);
  REQUIRE(s->threads[e->thread].own_from <= e->text_bytes);
  independent_thread *t = &s->threads[e->thread];
  if (e->end == MODE_END_LIMIT && !t->asked && protocol_has_finisher(s->setup.protocol)) {
    status failed = ask(s, e, out, err);
    if (failed || t->asked) return failed;
  }
  return answer(s, e, out, err);
}

status independent_done(mode_thread winner, const mode_output *out, detail *err) {
  mode_command c = {.kind = MODE_DONE, .thread = winner};
  return out->emit(out->context, &c, err);
}
