/* How many tokens of a model's tokenizer a solver's lines have, each by itself: what search_tokens
   asks for. Belongs to one thread at a time; several may share a tokenizer. */
#ifndef PIPELINE_LINE_TOKENS_H
#define PIPELINE_LINE_TOKENS_H

#include "engine/tokenizer.h"
#include "solvers/search.h"

typedef struct line_tokens {
  const tokenizer *tokenizer;
  encoder *encoder;
  token_list ids;
  text first;
  search_tokens face; /* what a search is given; borrowed until line_tokens_close */
} line_tokens;

/* A model's folder, or its tokenizer.json. Errors of tokenizer_open. */
MUST_CHECK status line_tokenizer_open(tokenizer **out, const char *path, detail *err);

/* Borrows t until it is closed. Does not move. E_MEMORY. A search then fails with E_INPUT where the
   tokenizer does not give back what it read. */
MUST_CHECK status line_tokens_open(line_tokens *out, const tokenizer *t, detail *err);
void line_tokens_close(line_tokens *l); /* zeroed: a no-op */

#endif
