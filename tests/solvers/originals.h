/* The committed originals: traces of the published solvers, one JSON object a line, with what is
   known about each. The process owns what is read; one thread. */
#ifndef TESTS_ORIGINALS_H
#define TESTS_ORIGINALS_H

#include "tests/solvers/grammar.h"

enum { ORIGINALS_MAX = 256 };

/* One text. */
typedef struct original {
  trace_kind kind;
  int record; /* its line in the file, from 0 */
  const char *trace;
  size_t bytes;
  int64_t llama2_tokens;
  grammar_start start; /* beams and heuristic known */
} original;

typedef struct originals {
  original texts[ORIGINALS_MAX]; /* [count]; a record of APR gives the parent's segments, then the
                                    children of each call in order */
  int count, records;
} originals;

/* Fails the test when the file cannot be read. Children start where the calling block of their
   parent's segment says, so segments are judged here already. */
const originals *originals_read(void);

#endif
