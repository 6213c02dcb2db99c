/* Verdicts on samples, made or stored: by an answer, or by a vote over its threads' answers. */
#ifndef PIPELINE_JUDGE_H
#define PIPELINE_JUDGE_H

#include "base/arena.h"
#include "pipeline/plan.h"

enum { JUDGE_BYTES_MAX = 64 << 20 }; /* enough of an arena for one sample */

/* What a checker reads of a sample; all borrowed. */
typedef struct judge_input {
  const char *target;
  const char *answer; /* NULL: none */
  const char *trace;  /* of the first thread */
  size_t trace_bytes;
} judge_input;

/* What a vote is counted from. */
typedef struct judge_thread {
  int32_t ordinal;
  const char *role;
  const char *answer, *vote_key; /* NULL: none */
} judge_thread;

/* verdicts: [1 + count]; *made is how many. The first is the sample's. Where its threads vote each
   has a verdict of its own behind it, and the sample's score is what the vote is worth: of tied
   keys the mean. Errors of the checker. */
MUST_CHECK status judge_sample(const planned_run *r, const checker *c, const judge_input *in,
                               const judge_thread *threads, int count, arena *memory,
                               store_verdict *verdicts, int *made, detail *err);
/* The same of rows for the store. */
MUST_CHECK status judge_made(const planned_run *r, const checker *c, const judge_input *in,
                             const store_thread *rows, int count, arena *memory,
                             store_verdict *verdicts, int *made, detail *err);

#endif
