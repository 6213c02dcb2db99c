/* Threads of one prompt that know nothing of each other: what serial and vote have in common. Each
   is asked by the finisher when it runs into its limit, where there is one, and answers once. */
#ifndef SOLVERS_INDEPENDENT_INTERNAL_H
#define SOLVERS_INDEPENDENT_INTERNAL_H

#include "solvers/mode.h"

/* Rows of options: n, which vote alone has, and behind it those of every mode that asks a model. */
enum { INDEPENDENT_OPTIONS = 18 };
extern const option independent_options[1 + INDEPENDENT_OPTIONS];

/* What their resolve functions do beside their own parameters. E_INPUT, E_MEMORY. */
MUST_CHECK status independent_resolve(json_t *parameters, detail *err);

typedef struct independent_thread {
  const char *key; /* what its vote counts for; NULL: it does not vote */
  int answered;
  int has_answer;
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
MUST_CHECK status independent_done(mode_thread winner, const mode_output *out, detail *err);

#endif
