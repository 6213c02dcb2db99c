/* The workers of one stored sample in time: what each wrote by which forward, where its steps were
   done, and what it saw at any forward. All of it is told from the layouts (docs/schema.md), and is
   what the engine's views held.

   Forwards are counted from 1, as logical steps are: by forward f each worker that has not ended
   puts in the token that it sampled by the one before, with what it was fed behind it, and samples
   one, which others see from forward f + 1 on. A step that is done at forward f stands among those
   that are done from f + 1 on.

   A store may come from anybody: a layout whose tokens, steps and forwards do not fit each other is
   refused, and nothing of it is followed. Everything is borrowed from the sample and the arena.
   Owner's thread of both. */
#ifndef PIPELINE_TRACE_WORKERS_H
#define PIPELINE_TRACE_WORKERS_H

#include "pipeline/trace.h"

/* What a worker was fed or sampled. */
typedef struct trace_token {
  int64_t forward;     /* by which it was sampled; of what was fed, put in */
  int64_t put_in;      /* from which on it is in views; INT64_MAX: it never was */
  size_t start, bytes; /* of the thread's text: what it brings */
  const trace_span *span;
} trace_token;

typedef struct trace_step {
  size_t end;      /* of the worker's tokens: the first that is no part of it */
  int64_t forward; /* at which it was done */
} trace_step;

typedef struct trace_worker {
  const trace_thread *thread;
  const trace_span *own;     /* its first span behind what it sees from the start on */
  const trace_token *tokens; /* [count] */
  size_t count;
  size_t first;            /* of the thread's tokens, before these */
  const trace_step *steps; /* [step_count] that are done */
  int step_count;
  int64_t last; /* forward that it was part of; 0: it was in none */
} trace_worker;

typedef struct trace_gang {
  const trace_sample *sample;
  const trace_worker *workers; /* [count] by thread */
  int count;
  int has_steps;    /* some were done */
  int64_t forwards; /* of all workers */
} trace_gang;

/* A sample without workers has a count of 0. E_INPUT: it was stored before layouts said enough;
   E_STORE: they are damaged; E_LIMIT, E_MEMORY. */
MUST_CHECK status trace_gang_read(const trace_sample *s, arena *memory, trace_gang *out,
                                  detail *err);

/* ---- what a worker saw ----------------------------------------------------------------------- */

typedef enum trace_block_kind {
  TRACE_PROMPT,
  TRACE_DONE,   /* a step that is done */
  TRACE_HEADER, /* what the mode has all read */
  TRACE_OTHER,  /* what another worker wrote since its last step was done */
  TRACE_OWN
} trace_block_kind;

/* The pieces of a view, as they stand one behind another. Those of workers may be empty. */
typedef struct trace_block {
  trace_block_kind kind;
  int worker;           /* whose thread holds it */
  int step;             /* TRACE_DONE: its number among that worker's, from 1, and */
  int64_t forward;      /* at which it was done */
  size_t first, tokens; /* of that thread */
  size_t start, bytes;  /* of its text */
} trace_block;

typedef struct trace_view {
  int worker;
  int64_t forward;
  const trace_block *blocks; /* [count] */
  int count;
  int64_t tokens;             /* of all blocks */
  const trace_token *sampled; /* by this forward; NULL: it was still being fed */
} trace_view;

/* What a worker had in its view when it sampled by a forward, what was put in by that among it.
   E_INPUT: there is no such worker, or it was in no such forward; E_LIMIT, E_MEMORY. */
MUST_CHECK status trace_view_at(const trace_gang *g, int worker, int64_t forward, arena *memory,
                                trace_view *out, detail *err);

/* {"forward": .., "views": [..]}, each view with its blocks and their texts. NULL: no memory. */
json_t *trace_views_json(const trace_gang *g, const trace_view *views, int count);

#endif
