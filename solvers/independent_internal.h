/* Threads of one prompt that know nothing of each other: what serial and vote have in common, and
   what spawn_join does with its root. Each is asked by the finisher when it runs into its limit,
   where there is one, and answers once. */
#ifndef SOLVERS_INDEPENDENT_INTERNAL_H
#define SOLVERS_INDEPENDENT_INTERNAL_H

#include "solvers/mode.h"

/* Rows of options: n, which vote alone has, behind it those of every mode that asks a model, and
   behind them those of spawn_join. */
enum { INDEPENDENT_OPTIONS = 18, SPAWN_JOIN_OPTIONS = 5 };
extern const char *const independent_vote_keys[];
/* The rows of every mode that asks a model; presets: the choices of that option. */
#define INDEPENDENT_ROWS(presets)                                                                  \
  {"protocol", OPTION_CHOICE, protocol_names, 0, 0, "how a task is put and an answer read"},       \
      {"preset", OPTION_CHOICE, (presets), 0, 0, "settings of the published evaluation"},          \
      {"prompt", OPTION_TEXT, NULL, 1, 16384, "a template with {question} in it"},                 \
      {"answer", OPTION_TEXT, NULL, 1, 4096, "a pattern whose last match is the answer"},          \
      {"stop", OPTION_TEXTS, NULL, 1, 256, "strings that end a thread"},                           \
      {"suppress", OPTION_TEXTS, NULL, 1, 256, "tokens, by name, that are never sampled"},         \
      {"begin", OPTION_INTEGER, NULL, 0, 4, "begin tokens before the prompt"},                     \
      {"label.tokens", OPTION_INTEGER, NULL, 1, 1000000, "the token budget in the prompt"},        \
      {"limit.tokens_total", OPTION_INTEGER, NULL, 1, 1e9, "tokens of all threads of a sample"},   \
      {"limit.tokens_thread", OPTION_INTEGER, NULL, 1, 1e7, "tokens that one thread may sample"},  \
      {"limit.context", OPTION_INTEGER, NULL, 2, 1e7, "tokens that one thread may hold"},          \
      {"finisher.text", OPTION_TEXT, NULL, 1, 1024, "what asks for the answer at a limit"},        \
      {"finisher.tokens", OPTION_INTEGER, NULL, 1, 4096, "tokens that the asked answer may take"}, \
      {"sampling.temperature", OPTION_REAL, NULL, 0, 100, "0: the likeliest token"},               \
      {"sampling.top_k", OPTION_INTEGER, NULL, 0, 1000000, "tokens to choose from; 0: all"},       \
      {"sampling.top_p", OPTION_REAL, NULL, 0, 1, "probability to choose from, above 0"},          \
      {"sampling.min_p", OPTION_REAL, NULL, 0, 1, "least probability, relative to the greatest"},  \
  {                                                                                                \
    "vote_key", OPTION_CHOICE, independent_vote_keys, 0, 0, "what makes two answers one"           \
  }
extern const option independent_options[1 + INDEPENDENT_OPTIONS + SPAWN_JOIN_OPTIONS];

/* What the resolve functions of all that ask a model do beside their own parameters, and what those
   do whose threads nobody answers. E_INPUT, E_MEMORY. */
MUST_CHECK status independent_settle(json_t *parameters, detail *err);
MUST_CHECK status independent_resolve(json_t *parameters, detail *err);

typedef struct independent_thread {
  const char *key; /* what its vote counts for; NULL: it does not vote */
  int answered;
  int has_answer;
  size_t own_from;   /* in its text: what stands before was returned to it; 0: nothing was */
  int asked;         /* the finisher was fed */
  size_t asked_from; /* where that begins in its text */
} independent_thread;

typedef struct independent {
  mode_setup setup;
  arena *memory;
  const char *prompt;
  size_t prompt_bytes;
  uint32_t count, answered;
  independent_thread *threads; /* [count] */
} independent;

/* As mode_machine's open. */
MUST_CHECK status independent_open(independent **out, uint32_t count, const mode_setup *setup,
                                   arena *memory, detail *err);
MUST_CHECK status independent_spawn(const independent *s, const char *role, const mode_output *out,
                                    detail *err);
/* A thread ended: feeds it the finisher or tells its answer. */
MUST_CHECK status independent_ended(independent *s, const mode_event *e, const mode_output *out,
                                    detail *err);
/* Where what was said since from ends: neither a stop string nor what was sampled with its end
   belongs to it. */
size_t independent_said(const mode_event *e, size_t from);
MUST_CHECK status independent_done(mode_thread winner, const mode_output *out, detail *err);

#endif
