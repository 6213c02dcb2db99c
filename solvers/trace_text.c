#include "solvers/trace_text.h"

#include <string.h>

static const struct piece {
  const char *text;
  uint8_t bytes, tokens;
} pieces[PIECE_COUNT] = {
#define X(name, text, tokens) {text, sizeof(text) - 1, tokens},
    TRACE_PIECES(X)
#undef X
};

void trace_put(trace_writer *w, trace_piece piece) {
  text_add(w->out, pieces[piece].text, pieces[piece].bytes);
  w->tokens += pieces[piece].tokens;
}

void trace_mark(trace_writer *w, char mark, int tokens) {
  text_char(w->out, mark);
  w->tokens += tokens;
}

void trace_number(trace_writer *w, int64_t value) {
  REQUIRE(value >= 0);
  size_t before = w->out->bytes;
  text_int(w->out, value);
  w->tokens += (int64_t)(w->out->bytes - before);
}

/* Which bytes a piece may begin with: a text that is no trace is mostly made of others. */
static void find_beginnings(uint8_t begins[256]) {
  memset(begins, 0, 256);
  for (int i = 0; i < PIECE_COUNT; i++)
    begins[(uint8_t)pieces[i].text[0]] = 1;
}

/* The longest piece at the start of bytes, or NULL. */
static const struct piece *match(const char *bytes, size_t count) {
  const struct piece *longest = NULL;
  for (int i = 0; i < PIECE_COUNT; i++) {
    const struct piece *p = &pieces[i];
    if (p->text[0] != bytes[0] || p->bytes > count || (longest && p->bytes <= longest->bytes)) {
      continue;
    }
    if (!memcmp(p->text, bytes, p->bytes)) longest = p;
  }
  return longest;
}

int64_t trace_llama2_first(const char *bytes, size_t count, int64_t most, size_t *within) {
  int64_t tokens = 0;
  int in_operations = 0; /* which kind of list the next ']' closes */
  uint8_t begins[256];
  find_beginnings(begins);
  *within = 0;
  for (size_t i = 0; i < count;) {
    char c = bytes[i];
    const struct piece *p = begins[(uint8_t)c] ? match(bytes + i, count - i) : NULL;
    if (p) {
      if (p == &pieces[PIECE_OPERATIONS]) in_operations = 1;
      if (p == &pieces[PIECE_RESULTING]) in_operations = 0;
      tokens += p->tokens;
    } else if (c == ']') {
      tokens += in_operations ? TOKENS_CLOSE_OPERATIONS : TOKENS_CLOSE_NUMBERS;
    } else if (c == '\'') {
      tokens += i && bytes[i - 1] == '[' ? TOKENS_QUOTE_FIRST : TOKENS_QUOTE_LAST;
    } else {
      tokens += 1; /* a digit, the end of a line, or a byte outside the language */
    }
    i += p ? p->bytes : 1;
    if (tokens <= most) *within = i;
  }
  return tokens;
}

int64_t trace_llama2_tokens(const char *bytes, size_t count) {
  size_t within;
  return trace_llama2_first(bytes, count, 0, &within);
}
