/* Models that are small enough for any test: the shape tiny-llama with random weights and a
   tokenizer that is learnt over a few lines. */
#ifndef TESTS_TINY_H
#define TESTS_TINY_H

#include "engine/synth.h"
#include "tests/support/support.h"

enum { TINY_VOCABULARY = 515, TINY_CONTEXT = 1024 };

/* Writes a folder of this name among the test's own and returns its path. words is the text of
   its tokenizer.json; NULL: one is learnt. */
const char *tiny_model(const char *name, uint64_t seed, element_type element, const char *words);

/* The same of another shape, with a tokenizer of as many tokens. */
const char *tiny_model_of(const char *name, const char *shape, uint64_t seed, element_type element,
                          const char *words);

/* Replaces a file of a folder. */
void tiny_write(const char *folder, const char *file, const char *bytes);

#endif
