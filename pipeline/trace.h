/* One stored sample with its threads and their texts, read for a person: what `trace` shows.

   Everything is borrowed from the arena that trace_read was given. A store may come from anybody,
   so what does not fit together (a parent behind its child, spans outside the text) is refused or
   shown unmarked, never followed. Owner's thread of the store. */
#ifndef PIPELINE_TRACE_H
#define PIPELINE_TRACE_H

#include "base/arena.h"
#include "store/query.h"

/* NULL columns are STORE_NONE. In bytes of text, in order and without overlap. */
typedef struct trace_span {
  const char *kind; /* "prompt", "generated", "cut", "fed" */
  size_t start, bytes;
} trace_span;

typedef struct trace_thread {
  const char *path, *role, *finish, *answer; /* answer: what a child returned, or NULL */
  int parent, depth;                         /* an index, or -1; 0 for the root */
  int next;                                  /* the index that follows in tree order, or -1 */
  int64_t round, spawn_token, join_token;
  int64_t tokens_prompt, tokens_fed, tokens_generated;
  int64_t logical_start, logical_end, wait_steps;
  const char *text; /* NULL: no trace was kept */
  size_t text_bytes;
  const trace_span *spans; /* [span_count]; none: the layout does not fit the text */
  int span_count;
} trace_thread;

typedef struct trace_verdict {
  const char *checker, *reason;
  int correct;
  double score;
} trace_verdict;

typedef struct trace_count {
  const char *name; /* the column of the view `samples` */
  int64_t value;
} trace_count;
enum { TRACE_COUNTS = 16 };

typedef struct trace_sample {
  int64_t id, run, repeat, attempt;
  const char *job, *condition; /* NULL: no job asks for this run any more */
  const char *task_set, *task, *question, *target;
  const char *status, *limit_met, *error, *answer;
  trace_count counts[TRACE_COUNTS];
  const trace_verdict *verdicts; /* [verdict_count] */
  int verdict_count;
  trace_thread *threads; /* [thread_count]; the root first */
  int thread_count;
} trace_sample;

/* A sample's place: CONDITION/TASK/REPEAT, split at the last two slashes, where CONDITION may be
   JOB:CONDITION; or a sample's id. condition is its row, 0 for none. E_USAGE for anything else;
   E_INPUT names the nearest that is there. */
typedef struct trace_place {
  int64_t sample, condition;
} trace_place;
MUST_CHECK status trace_find(store *s, const char *address, arena *memory, trace_place *out,
                             detail *err);

MUST_CHECK status trace_read(store *s, const trace_place *place, arena *memory, trace_sample *out,
                             detail *err);

#endif
