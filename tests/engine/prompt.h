/* What the tests of whole models share: tiny models written to a test's folder, prompts that the
   oracle makes too, and running them in steps of any cut. Without Check, so that a program that is
   no test may use it. */
#ifndef TESTS_ENGINE_PROMPT_H
#define TESTS_ENGINE_PROMPT_H

#include "engine/forward.h"
#include "engine/synth.h"

enum { PROMPTS = 5, PROMPT_TOKENS_MAX = 700, CONTINUED_TOKENS = 64, PROMPT_SEED = 7 };
extern const int prompt_lengths[PROMPTS];

/* Writes the named shape with PROMPT_SEED in bf16 to a folder that must be free, and opens it. */
MUST_CHECK status prompt_model(model **out, const char *shape, const char *folder, detail *err);

/* Overwrites one bf16 element of a tensor in a folder's file. */
MUST_CHECK status prompt_poison(const char *folder, const char *tensor_name, size_t index,
                                uint16_t value, detail *err);

/* Token i of prompt p: the same arithmetic as tests/oracle/logits.py. */
uint32_t prompt_token(int prompt, int i, int vocabulary);

/* Options of a forward for one sequence of up to PROMPT_TOKENS_MAX + CONTINUED_TOKENS tokens,
   `rows` of them a step. */
forward_options prompt_options(const char *backend, compute_type compute, int rows);

/* Feeds tokens from position `from` on, at most `step` rows at once, each row an output: logits is
   [count, vocabulary]. step is at most the forward's rows. */
MUST_CHECK status prompt_feed(forward *f, int vocabulary, const uint32_t *tokens, int from,
                              int count, int step, float *logits, detail *err);

uint32_t prompt_greatest(const float *logits, int vocabulary); /* ties to the lower id */

#endif
