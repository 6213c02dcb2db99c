/* The language of Countdown traces: every literal piece with its length in Llama-2 tokens, one
   table that the writer and the counter share. The published figures count tokens of the Llama-2
   tokenizer, whose length of any such text is the sum over its pieces (one a digit beside them), so
   that no tokenizer file is needed. */
#ifndef SOLVERS_TRACE_TEXT_H
#define SOLVERS_TRACE_TEXT_H

#include "base/text.h"

/* name, text, Llama-2 tokens */
#define TRACE_PIECES(X)                                                                            \
  X(STATE, "Current State: ", 4)                                                                   \
  X(OPEN, ":[", 1)                                                                                 \
  X(ID_COMMA, ",", 1)                                                                              \
  X(BETWEEN, ", ", 2)                                                                              \
  X(OPERATIONS, "], Operations: [", 5)                                                             \
  X(QUOTE_BETWEEN, "', '", 2)                                                                      \
  X(PLUS, "+", 1)                                                                                  \
  X(MINUS, "-", 1)                                                                                 \
  X(TIMES, "*", 1)                                                                                 \
  X(OVER, "/", 1)                                                                                  \
  X(EQUALS, "=", 1)                                                                                \
  X(EXPLORE, "Exploring Operation: ", 6)                                                           \
  X(RESULTING, ", Resulting Numbers: [", 7)                                                        \
  X(GENERATED, "Generated Node #", 3)                                                              \
  X(AFTER_ID, ": ", 2)                                                                             \
  X(OPERATION, "] Operation: ", 4)                                                                 \
  X(MOVE, "Moving to Node #", 5)                                                                   \
  X(UNEQUAL, " unequal: No Solution\n", 6)                                                         \
  X(EQUAL, " equal: Goal Reached\n", 7)                                                            \
  X(NONE, "No solution found.", 4)                                                                 \
  X(NONE_IN_SUB, "No solution found in sub search\n", 7)                                           \
  X(START_SUB, "Start Sub Search at level ", 6)                                                    \
  X(SUB_MOVE, ": Moving to Node #", 6)                                                             \
  X(EXIT_SUB, "Exit Sub Search at level ", 6)                                                      \
  X(CALLING, "<Calling Sub Searches>\n", 8)                                                        \
  X(CALL, "<Start Sub Search ", 5)                                                                 \
  X(AT_LEVEL, " at level ", 3)                                                                     \
  X(CALL_MOVE, "> Moving to Node #", 6)                                                            \
  X(END_CALLING, "<End Calling Sub Searches>", 8)                                                  \
  X(JOINED, "<Sub Searches>\n", 6)                                                                 \
  X(JOINED_ALONE, "<Sub Searches>", 5)                                                             \
  X(JOIN_GOAL, "<Goal Reached in Sub Search ", 9)                                                  \
  X(JOIN_NONE, "<No Solution in Sub Search ", 7)                                                   \
  X(JOIN_AT, " at Node #", 3)                                                                      \
  X(JOIN_CLOSE, ">\n", 2)                                                                          \
  X(END_JOINED, "<End Sub Searches>\n", 7)

typedef enum trace_piece {
#define X(name, text, tokens) PIECE_##name,
  TRACE_PIECES(X)
#undef X
      PIECE_COUNT
} trace_piece;

/* Marks whose length depends on where they stand: a list's quotes count one together, the bracket
   that closes numbers one and the one that closes operations none, a line's end one. */
enum { TOKENS_QUOTE_FIRST = 0, TOKENS_QUOTE_LAST = 1 };
enum { TOKENS_CLOSE_NUMBERS = 1, TOKENS_CLOSE_OPERATIONS = 0, TOKENS_NEWLINE = 1 };

/* What stands between the steps of workers that search a problem together; a worker is named by its
   number, from 1, and how many there are. */
#define TRACE_PAST   "\n### Past steps\n\n"
#define TRACE_OTHERS "### Work in progress (others)\n\n"
#define TRACE_OWN    "<...>\n\n### Work in progress (own)\n\n"
#define TRACE_WORKER "W%d/%d\n"

/* Text under construction and its length so far. */
typedef struct trace_writer {
  text *out;
  int64_t tokens;
} trace_writer;

void trace_put(trace_writer *w, trace_piece piece);
void trace_mark(trace_writer *w, char mark, int tokens);
void trace_number(trace_writer *w, int64_t value); /* not negative; one token a digit */

/* The published length of a text without begin and end of sequence. Bytes outside the language
   count one each, as byte fallback would. */
int64_t trace_llama2_tokens(const char *bytes, size_t count);
/* The same, and in *within how many bytes its first tokens are, at most so many: whole pieces. */
int64_t trace_llama2_first(const char *bytes, size_t count, int64_t most, size_t *within);

#endif
