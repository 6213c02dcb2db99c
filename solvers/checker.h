/* The registry of checkers: rules that judge a stored sample, each with a version and a reason for
   every verdict. A checker reads what the store holds and nothing else, so that it can be applied
   again without generating. Any thread. */
#ifndef SOLVERS_CHECKER_H
#define SOLVERS_CHECKER_H

#include "base/json.h"

typedef struct checker_input {
  const char *target; /* the task's canonical JSON */
  const char *answer; /* NULL: none */
  const char *trace;  /* the root thread's text, trace_bytes of it */
  size_t trace_bytes;
  const json_t *parameters; /* of the run's mode: says how the text is read */
} checker_input;

typedef struct checker_verdict {
  int correct;
  double score;
  const char *reason; /* a constant */
} checker_verdict;

typedef struct checker {
  const char *name;
  const char *kind; /* of the task sets that it judges */
  int version;      /* raised with every change of a verdict */
  int needs_trace;
  const char *rule; /* one line for documents */
  MUST_CHECK status (*judge)(const checker_input *in, checker_verdict *out, detail *err);
} checker;

const checker *checker_find(const char *name); /* NULL where there is none */
const char *const *checker_names(size_t *count);

#endif
