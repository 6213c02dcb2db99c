/* Drives modes on a generator: turns their commands into threads, feeds them what was sampled,
   keeps account of every token in logical time, and cuts where a limit is met. What it makes of a
   sample is a function of the sample alone, whatever else is in flight and in whatever order the
   generator's events come.

   Logical time: solvers/mode.h. A limit on the tokens of all threads cuts at the last step at which
   they are within it: a prompt of a child and what a thread is fed count from the step behind the
   one at which they came, a root's prompt from the start. What a thread wrote is not told to the
   mode before it is known that it stands within, and what comes behind the cut (children, joined
   text) never was: a child has no token then. Where a limit is set or the mode asks for it, ends
   are told in the order of their steps.

   Workers that read each other (solvers/mode.h) are a gang of the generator, over blocks that stand
   on segments of the runner's. A forward of the gang is a step, and is known to fit before it runs:
   where it would pass a limit it does not, and the worker that would (of limits on the sample:
   every worker) ends. What it was fed last has then no part of the sample, unless some of it was
   put in already. A worker that a limit ended goes on no more.

   What does not fit into a thread's context with a token behind it is not fed (a root's prompt and
   a finisher's words apart): the thread has waited for its children, and ends there with limit
   "context". A thread that may sample no more ends so with limit "tokens_thread".

   One thread of the program uses a runner. It borrows the generator, the rules and what they
   borrow. */
#ifndef PIPELINE_RUNNER_H
#define PIPELINE_RUNNER_H

#include "pipeline/generator.h"
#include "pipeline/models.h"
#include "solvers/mode.h"

enum { RUNNER_SUPPRESSED_MAX = OPTION_TEXTS_MAX };

/* What the samples of one run have in common, resolved to tokens. */
typedef struct runner_rules {
  const mode *mode;
  const json_t *parameters; /* as job_model_settle made them; borrowed */
  protocol *protocol;       /* owned */
  const tokenizer *tokenizer;
  uint32_t begin[MODEL_BEGIN_MAX], ends[CONFIG_END_IDS_MAX], suppressed[RUNNER_SUPPRESSED_MAX];
  int begin_count, end_count, suppressed_count;
  float temperature, top_p, min_p;
  int top_k;
  int threads;                         /* that a sample of the mode begins with */
  int workers, see_all, commit;        /* of them that read each other; 0: none */
  int64_t tokens_total, tokens_thread; /* limits; 0: none */
  int64_t forwards;                    /* the same, of a thread's steps without its finisher's */
  int64_t context; /* tokens of the longest thread, a finisher's apart: declared, or what the model
                      leaves beside a finisher */
  int finisher_tokens; /* to be sampled; 0: there is no finisher */
  int positions;       /* that an engine needs: of a context and a finisher */
  encoder *encoder;    /* owned; the runner's thread uses it */
} runner_rules;

enum { RUNNER_FINISHER_FED_MAX = 256 }; /* tokens that a finisher may feed */

/* E_INPUT: a token to suppress that the tokenizer has not, or a context that the model has not. */
MUST_CHECK status runner_rules_open(runner_rules *out, const mode *m, const json_t *parameters,
                                    const job_model *of, detail *err);
void runner_rules_close(runner_rules *r); /* a zeroed one is a no-op */
/* Pages that are kept for a sample's workers, the most that its blocks list at a time
   (docs/cache.md counts them); 0: it has none. Twice as much host memory lets any number of such
   samples wait. */
int runner_reserve_pages(const runner_rules *r, int page_keys);

/* ---- a sample as it was made ----------------------------------------------------------------- */

typedef enum runner_span_kind {
  THREAD_PROMPT,
  THREAD_GENERATED,
  THREAD_CUT, /* generated, and cut from the context when the thread was fed */
  THREAD_FED,
  THREAD_FED_CUT /* fed, and cut when it was fed again */
} runner_span_kind;

/* Tokens of one origin, in the order in which the thread holds them. */
typedef struct runner_span {
  runner_span_kind kind;
  int is_finisher;
  size_t start, count;           /* in tokens of the thread */
  size_t text_start, text_bytes; /* in bytes of its text */
  int64_t step; /* generated or cut: logical step of the first token, the next ones following; else:
                   the step after which it was fed */
  int round;    /* fed: which round of the thread's children it joins; -1: none */
} runner_span;

/* A worker's step that is done: its tokens since the commit before went where all see them. */
typedef struct runner_commit {
  size_t token; /* its first that did not */
  int64_t step;
} runner_commit;

/* What a worker sees of its own and of others: where in its view these tokens stand. */
typedef struct runner_seat {
  size_t token; /* behind so many of the thread's, which all are texts that it sees before them */
  int worker;   /* whose */
} runner_seat;

typedef struct runner_thread {
  char path[32];      /* keys its random numbers: "0.2" is the third child of thread 0 */
  const char *role;   /* a constant */
  int parent;         /* -1: none */
  int round;          /* which spawn of its parent, from 0; -1: it has no parent */
  int twin;           /* the thread that was computed in its place; -1: none */
  const char *why;    /* MODE_REFUSE's; NULL: it ran, or a limit left no room for its prompt */
  int is_stopped;     /* by MODE_STOP, or with the sample; end and which are those before that */
  int64_t spawned_at; /* its parent's generated tokens then, and when it was joined; -1: not so */
  int64_t joined_at;
  int64_t start, finish; /* logical steps: when it began, and its last token */
  int64_t waited;        /* steps from its finish to the join; 0: it was not joined */
  uint32_t *tokens;      /* [count], what was cut among them */
  size_t count, capacity;
  size_t held; /* of them in its context; the most that ever were */
  size_t held_most;
  float *logprobs, *filtered; /* [count] of generated tokens; 0 elsewhere */
  text text;                  /* what the tokens say, special ones left out */
  text context;               /* the same without what was cut; empty where nothing was */
  runner_span *spans;         /* [span_count] without empty ones */
  int span_count, span_capacity;
  int worker;             /* its place in the gang; -1: it is in none */
  runner_commit *commits; /* [commit_count] */
  int commit_count, commit_capacity;
  runner_seat *seats; /* [seat_count] of its view, in order; its own is the last. None: it has no
                         view */
  int seat_count;
  int is_worker;                  /* MODE_SPAWN's */
  uint32_t *pieces;               /* [count] of a worker: bytes of text of each token */
  int64_t rows, keys;             /* of a worker: tokens put in, and what all of them attended to */
  int64_t seen;                   /* of others' tokens, those in its view when it last put one in */
  int64_t view_most;              /* tokens of its largest view */
  int64_t prompt, generated, fed; /* tokens; a finisher's included */
  int64_t finisher;               /* of generated and fed, a finisher's */
  int64_t cached;                 /* of its prompt, tokens that were stored already; measured. Of a
                                     twin, all that were computed in its place */
  mode_end end;                   /* the last */
  int32_t which;                  /* MODE_END_STOP: of the stop strings */
  size_t stop_at;                 /* MODE_END_STOP: its first byte in text (context where cut) */
  const char *limit; /* "tokens_total", "tokens_thread", "context", "forwards", "children",
                        "rounds";
                        NULL: it met none */
  const char *answer, *vote_key;    /* NULL: none */
  int64_t first_token_ns, ended_ns; /* by the runner's clock; first_token_ns -1: none was sampled */
} runner_thread;

typedef struct runner_sample runner_sample;

/* What is asked for; texts are copied. */
typedef struct runner_task {
  const runner_rules *rules;
  const char *question, *target;
  hash content; /* of the task */
  uint64_t seed;
  uint32_t repeat;
  int expected_tokens; /* that a thread will sample; 0: not known */
  void *tag;           /* the caller's */
} runner_task;

const runner_task *runner_sample_task(const runner_sample *s);
const runner_thread *runner_sample_threads(const runner_sample *s, int *count);
/* The thread whose answer is the sample's; -1: nobody's. */
int runner_sample_winner(const runner_sample *s);
/* Rounds of spawning, of all threads together. */
int runner_sample_rounds(const runner_sample *s);
/* OK; or why the sample failed, which is no fault of what it is run with. */
status runner_sample_state(const runner_sample *s, detail *why);
int64_t runner_sample_started_ns(const runner_sample *s);     /* by clock_monotonic_ns */
int64_t runner_sample_first_token_ns(const runner_sample *s); /* of any thread; -1: there is none */
int64_t runner_sample_ended_ns(const runner_sample *s);
double runner_sample_in_flight(const runner_sample *s); /* samples with it, mean over its steps */
void runner_sample_free(runner_sample *s);              /* NULL is a no-op */

/* ---- the runner ------------------------------------------------------------------------------ */

typedef struct runner runner;

MUST_CHECK status runner_open(runner **out, const generator *g, detail *err);
void runner_close(runner *r); /* and all samples that were not taken; NULL is a no-op */

/* Begins a sample. E_MEMORY; a task that cannot be put is a failed sample, not an error. */
MUST_CHECK status runner_add(runner *r, const runner_task *task, detail *err);
int runner_in_flight(const runner *r);     /* samples that were added and have not ended */
int runner_gangs(const runner *r);         /* of them, those with workers */
int runner_sampling(const runner *r);      /* threads of them that are in the generator */
int64_t runner_under_way(const runner *r); /* tokens that they have sampled, kept or not */
/* Runs one step of the generator and hands on what came of it. Errors of engine_step, after which
   only runner_drop and runner_close may follow; E_MEMORY. */
MUST_CHECK status runner_step(runner *r, detail *err);
/* The next ended sample in the order in which they ended, the caller's to free; NULL: none. */
runner_sample *runner_take(runner *r);
/* Gives up a sample that is in flight or was not taken, the caller's to free; NULL: there is none.
 */
runner_sample *runner_drop(runner *r);

/* Characters of prompts and of what was fed that the tokenizer has no token for, and that it left
   out as its library does. */
int64_t runner_dropped(const runner *r);

/* Makes a sample of other rules from the tokens of one that ended: the same task and seed, with
   fewer threads or lower limits. *out is NULL where it would need a token that was not sampled. */
MUST_CHECK status runner_derive(runner_sample **out, const runner_sample *from,
                                const runner_rules *rules, detail *err);

/* The same of a sample whose workers' tokens are all there, and whose finisher is to be asked: goes
   on with it in the runner, where the finisher alone is computed. *forked is 0 where it is no such
   sample; then nothing was begun. E_MEMORY. */
MUST_CHECK status runner_fork(runner *r, const runner_sample *from, const runner_rules *rules,
                              void *tag, int *forked, detail *err);

/* ---- accounts ---------------------------------------------------------------------------------
 */

/* The counts of docs/modes.md, in tokens of the model where nothing else is said there. -1: not
   known, as tokens_ref of free text and nodes of what is no search. */
typedef struct runner_costs {
  int64_t tokens_generated, tokens_injected, tokens_prompt, tokens_finisher, tokens_total;
  int64_t tokens_ref;
  int64_t critical_path, critical_path_injected, longest_sequence, forwards;
  int64_t context_peak, wait_steps;
  double flops;
  int64_t kv_token_steps;
  int64_t nodes_explored, nodes_duplicate;
} runner_costs;

/* Steps from a thread's last token to the join, or to the last of those that began with it. */
int64_t runner_sample_waited(const runner_sample *s, int thread);
/* Of a sample that did not fail; c: of the model that made it. E_MEMORY. */
MUST_CHECK status runner_account(const runner_sample *s, const model_config *c, runner_costs *out,
                                 detail *err);
/* 64 bits over a thread's tokens and the log-probabilities of those that it sampled. */
uint64_t runner_bits(const runner_thread *t);

#endif
