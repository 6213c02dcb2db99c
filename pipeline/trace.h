/* One stored sample with its threads and their texts, read for a person: what `trace` shows.

   Everything is borrowed from the arena that trace_read was given. A store may come from anybody,
   so what does not fit together (a parent behind its child, spans outside the text) is refused or
   shown unmarked, never followed. Owner's thread of the store. */
#ifndef PIPELINE_TRACE_H
#define PIPELINE_TRACE_H

#include "base/arena.h"
#include "base/json.h"
#include "store/query.h"

/* NULL columns are STORE_NONE. In order and without overlap, both in text and in tokens. */
typedef struct trace_span {
  const char *kind;            /* "prompt", "generated", "cut", "fed"; of workers also "commit" and
                                  "worker", which hold nothing (docs/schema.md) */
  int is_finisher;             /* fed by the finisher, or generated behind what it fed */
  size_t start, bytes;         /* of the text */
  int64_t first, tokens, step; /* a model's: of its tokens; the logical step. Else STORE_NONE. Of
                                  "worker" step is which */
  const uint32_t *pieces;      /* [tokens] bytes of text of each; NULL: not stored */
} trace_span;

typedef struct trace_thread {
  const char *path, *role, *finish;
  const char *answer, *vote_key; /* what a child returned, a voter answered, or NULL */
  const char *node;  /* of a child that never ran: "0,1", as its caller was told; NULL: not known */
  int parent, depth; /* an index, or -1; 0 for the root */
  int worker;        /* its index, where it is one of workers that read each other; else -1 */
  int next;          /* the index that follows in tree order, or -1 */
  int64_t round, spawn_token, join_token;
  int64_t tokens_prompt, tokens_fed, tokens_generated;
  int64_t logical_start, logical_end, wait_steps;
  double logprob;   /* sum over its generated tokens; NaN: not known */
  const char *text; /* NULL: no trace was kept, or it never ran */
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
enum { TRACE_COUNTS = 18 };

/* What the roots of a vote stand for. */
typedef struct trace_vote {
  const char *key; /* NULL: no valid answer */
  int votes;
} trace_vote;

typedef struct trace_sample {
  int64_t id, run, repeat, attempt;
  const char *job, *condition; /* NULL: no job asks for this run any more */
  const char *task_set, *task, *question, *target;
  const char *status, *limit_met, *error, *answer, *vote_key;
  const char *mode, *protocol, *determinism_class, *token_unit;
  const char *model;  /* its folder's name, or its hash in hexadecimal; NULL: none */
  const char *layout; /* of workers; NULL: it has none */
  int derived;        /* cut from the tokens of a larger sample */
  trace_count counts[TRACE_COUNTS];
  const trace_verdict *verdicts; /* [verdict_count] */
  int verdict_count;
  trace_thread *threads; /* [thread_count]; the root first, or all roots */
  int thread_count;
  trace_vote *votes; /* [vote_count] the most first, those without a key last; 0 without voters */
  int vote_count;
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

/* The whole of it; of the threads only this one, or all with -1. NULL: no memory. */
json_t *trace_json(const trace_sample *s, int only);

#endif
