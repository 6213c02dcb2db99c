/* The engine: threads of generated tokens, run in steps over one model on one device.

   What it is. A caller submits threads (tokens to feed, how to sample, when to stop) and calls
   engine_step until all have ended. A step chooses which threads run, cuts prompts to fill its
   budget of rows, runs the forward pass once over all rows, samples, and hands on what was sampled.
   The promise: which token a thread samples, and its log-probabilities, are a function of its own
   request alone. Batch, order, cuts, sharing, preemption and cores move when it is sampled.

   Kinds of threads. A *plain* thread has a causal segment of its own: its prompt is found by
   content as far as it is stored, and its pages stay findable when it has ended. To go on from
   where a thread stopped, submit its tokens so far with what is to be fed: the stored head is not
   fed again. A thread *with a view* writes to the last of several segments that the caller made
   (engine_cache); threads that read what others are writing form a *gang* and are submitted
   together. One forward of a gang is atomic: rows of all its running members in one step, all their
   keys appended before any attends. After a member has ended it stays, with its segments, until
   engine_continue or engine_release; between steps, while events are being handled, the caller may
   work on the segments of members that the last step ran (append excepted), as long as every
   running member still stands within the positions and behind what it sees.

   A thread with a view that has ended rests: it holds no slot, and its segments may be swapped out
   when pages run out. Whoever works on them later asks segment_is_in, or calls segment_swap_in.

   Who calls. One thread at a time. Errors end nothing but the call: all is as it was, but after an
   engine_step that failed with E_DEVICE or E_MEMORY only engine_close may follow. Memory is taken
   by engine_open and by submission; a step takes none, but for decoded text. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/forward.h"
#include "engine/segment.h"
#include "engine/tokenizer.h"

typedef struct engine engine;
typedef uint64_t thread_id; /* from 1, never used again */

/* When a waiting thread is admitted (the two policies of TensorRT-LLM). Never-evict: when there is
   room for all that it may ever need. Fill-memory: when its prompt fits; the youngest running
   thread is preempted when pages run out. The tokens are the same. */
typedef enum engine_policy { ENGINE_FILL_MEMORY, ENGINE_NEVER_EVICT } engine_policy;

/* What becomes of a preempted plain thread's keys: swapped to host memory (recomputed where there
   is no room), or computed again. Threads with views are always swapped, and room for that is kept.
 */
typedef enum engine_preemption { ENGINE_RECOMPUTE, ENGINE_SWAP } engine_preemption;

typedef struct engine_options {
  const char *backend; /* these as in forward_options */
  compute_type compute;
  int threads;
  unsigned paths;
  int positions; /* of the longest view; 0 for the model's context */
  int allow_broken;

  int page_keys; /* 16, 32, 64 or 128; 0 for 16 */
  int slots;     /* threads that run at once */
  int rows;      /* of the largest step, at least slots */
  int pages;     /* 0: as many as memory_bytes leaves room for */
  int64_t
      memory_bytes; /* of weights, cache, workspace, logits and swap together; 0 where pages says */
  int64_t swap_bytes; /* host memory for what is swapped out; part of memory_bytes */
  int segments;       /* of the caller's views, at a time; 0 where there are none */
  engine_policy policy;
  engine_preemption preemption;
  int no_sharing;    /* 1: no prefix is found by content */
  int arrival_order; /* 1: first come, first admitted, instead of depth first, longest first */
} engine_options;

/* What an engine takes, in bytes, and what it gets for them. */
typedef struct engine_bytes {
  forward_bytes forward; /* weights, cache, workspace, logits */
  int64_t swap, tables;  /* of host memory: swapped pages; lists of pages, rows and tokens */
  int64_t page;          /* one page of the cache */
  int pages;
} engine_bytes;

/* The arithmetic of engine_open, without taking anything. E_INPUT for options that cannot be;
   E_LIMIT where memory_bytes does not hold one thread of full length: the message is the sum, term
   by term, with what to change. */
MUST_CHECK status engine_size(const model_config *c, const engine_options *options,
                              engine_bytes *out, detail *err);

/* tokenizer may be NULL where no request asks for text or stop strings; it is borrowed until
   engine_close, the model for the call. Errors of engine_size and forward_open. */
MUST_CHECK status engine_open(engine **out, const model *m, const tokenizer *t,
                              const engine_options *options, detail *err);
void engine_close(engine *e); /* NULL is a no-op */

typedef struct thread_request {
  const uint32_t *tokens; /* [count] to be fed first; at least one. All arrays are copied */
  int count;
  int most_tokens;     /* that may be sampled, at least 1; the context ends a thread too */
  int expected_tokens; /* that will be sampled, for the order of admission; 0: not known */

  float temperature; /* these as in sample_row */
  int top_k;
  float top_p, min_p;
  const uint32_t *suppressed; /* [suppressed_count] ids that are never sampled */
  int suppressed_count;

  random_key key;          /* the thread's place */
  uint64_t sampled_before; /* tokens sampled under this key before, where it goes on */

  const uint32_t *end_ids; /* [end_count] ids that end it; such an id is its last token */
  int end_count;
  const char *const *stops; /* [stop_count] strings that end it, in its decoded text since it was
                               fed, also across tokens; special tokens have no text */
  int stop_count;
  int wants_text; /* 1: events carry decoded text even without stops */

  const view_entry
      *view; /* [entries] NULL: a plain thread. Tokens go to the last entry's segment */
  int entries;
} thread_request;

/* E_INPUT: a token, a setting or a view that cannot be, or one that shows all of a segment (visible
   -1) that a thread of no gang with this one writes to; E_LIMIT: it can never fit (context, pages,
   host memory for swapping a view), with the arithmetic; E_MEMORY. Pages for a thread with a view
   are kept as for a gang; how many follows from what its view stands on and what it may yet need.
 */
MUST_CHECK status engine_submit(engine *e, const thread_request *request, thread_id *out,
                                detail *err);

/* Members in order: the order of their rows and events. */
typedef struct gang_request {
  const thread_request *members; /* [count] each with a view */
  int count;
  int reserve_pages; /* the most that all segments of all views will list together while any member
                        runs, a page that two of them share counted twice: kept for them, so that
                        the caller's operations find room, and as much host memory to swap them */
  int feed_tokens;   /* most tokens of one member fed by one forward; longer feeds take several */
} gang_request;

/* ids: [count]. Errors of engine_submit; E_LIMIT where one forward cannot hold count * feed_tokens
   rows, or memory or swap the reserve. */
MUST_CHECK status engine_submit_gang(engine *e, const gang_request *request, thread_id *ids,
                                     detail *err);

/* What an ended thread with a view does next. Sampled tokens are fed by the engine while a thread
   runs; its last one is not, so it is in tokens where it shall be in the segment. Sampling goes on
   as submitted, its counter where it stood; text and most_tokens begin anew. Errors of
   engine_submit, and then the thread is as it was; one that has not ended is the caller's bug. */
typedef struct thread_more {
  const uint32_t *tokens; /* [count] at least one */
  int count, most_tokens;
  const view_entry *view; /* [entries] NULL: as before */
  int entries;
} thread_more;
MUST_CHECK status engine_continue(engine *e, thread_id thread, const thread_more *more,
                                  detail *err);

/* Changes what a thread with a view sees from the next step on. The last entry stays. Errors of
   engine_submit: what is kept of a thread alone follows, a gang's reserve stays. */
MUST_CHECK status engine_look(engine *e, thread_id thread, const view_entry *view, int entries,
                              detail *err);

/* Ends a thread at once, waiting or running, without an event; a plain thread that has ended is
   released already. Segments of a view stay the caller's. */
void engine_release(engine *e, thread_id thread);

typedef enum engine_end {
  ENGINE_GOES_ON,
  ENGINE_END_ID,      /* which: index in end_ids */
  ENGINE_STOP_STRING, /* which: index in stops, of the match that ends first, then starts first */
  ENGINE_MOST_TOKENS,
  ENGINE_CONTEXT, /* the view has no position left */
  ENGINE_BROKEN /* a number was not finite, or no id was left; the event has no token. A segment of
                   a view keeps what stands before the token that broke */
} engine_end;

/* One sampled token. Where several ends meet, the first of the enum's order is told. */
typedef struct engine_event {
  thread_id thread;
  uint32_t token;
  float logprob, filtered_logprob; /* as in sample_result */
  engine_end end;
  int which;
  const char *text; /* what became certain with this token, and at an end what was held back; until
                       the next step; NULL without wants_text and stops */
  size_t text_bytes;
  size_t stop_at; /* of a stop string: its first byte in the text since the thread was fed */
  int cached;     /* at a plain thread's end: tokens of its prompt that were stored, or another's,
                     when it was admitted. Measured: it depends on the schedule */
} engine_event;

/* Runs a step. Events come in order of submission and are valid until the next step, their texts
   too, whatever is submitted, continued or released meanwhile. *count may be 0 while prompts are
   fed. E_LIMIT: nothing can run, since segments that belong to no thread that runs stand on the
   pages; free or swap some and go on. E_DEVICE; E_MEMORY. */
MUST_CHECK status engine_step(engine *e, const engine_event **events, int *count, detail *err);
int engine_is_idle(const engine *e); /* no thread waits or runs: a step would do nothing */

cache *engine_cache(engine *e);
const forward *engine_forward(const engine *e);

/* Preempts a running thread (its whole gang) before the next step, as if pages had run out; no
   effect on one that does not run. The tokens are the same. */
void engine_preempt(engine *e, thread_id thread, engine_preemption how);

typedef struct engine_counters {
  int waiting, running, preempted, ended; /* threads now; ended: with views, not released */
  int64_t steps;
  int64_t rows;          /* of all steps */
  int64_t prompt_tokens; /* submitted */
  int64_t prefilled;     /* rows of prompt tokens that nobody had computed */
  int64_t found;         /* prompt tokens that were stored, or another's, and not fed */
  int64_t recomputed;    /* rows fed again after a preemption, or stored ones for logits alone */
  int64_t sampled;       /* tokens */
  int64_t preempted_total, swapped_total; /* threads */
  int64_t slot_steps, busy_slot_steps;    /* of steps at whose start a thread waited: slots, and
                                             those of them that a thread held */
  int64_t full_steps; /* steps in which a prompt was cut or left for lack of rows */
  int64_t full_rows;  /* and their rows */
} engine_counters;
engine_counters engine_count(const engine *e);

#endif
