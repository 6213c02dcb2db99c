/* Private to the runner: a sample while it is made. runner.c keeps the samples and runs the steps,
   runner_sample.c tells a mode what happened, runner_commands.c carries out what it answers,
   runner_order.c knows logical time and where a limit on all threads cuts, runner_gang.c runs the
   workers of a sample that read each other, runner_text.c turns texts into tokens and back,
   runner_thread.c keeps a thread's tokens, runner_derive.c makes samples from others. */
#ifndef PIPELINE_RUNNER_INTERNAL_H
#define PIPELINE_RUNNER_INTERNAL_H

#include "pipeline/runner.h"

#define SAMPLE_ARENA_BYTES ((size_t)512 << 20)

typedef enum stream_state {
  STREAM_READY,   /* to be submitted when the mode has said all that it has to say */
  STREAM_SAMPLES, /* in the generator */
  STREAM_MIRRORS, /* a twin: takes what another thread samples */
  STREAM_HELD,    /* ended, or cut; the mode has not been told */
  STREAM_RESTS    /* the mode has been told, or nothing will be told */
} stream_state;

/* How a thread's sampling ended since it was fed. */
typedef struct turn_end {
  int64_t generated; /* its tokens by then */
  mode_end end;
  int32_t which;     /* MODE_END_STOP: of the stop strings */
  size_t tail;       /* MODE_END_STOP: bytes from the string's first to the last that was written */
  const char *limit; /* NULL: none was met */
} turn_end;

/* What is only known of a thread while its sample is made. */
typedef struct stream {
  stream_state state;
  thread_id id; /* STREAM_SAMPLES */
  random_key key;
  int ordinal;         /* among its parent's children, or among those without a parent */
  int mirrors;         /* STREAM_MIRRORS: whom */
  const char *most_is; /* the limit that ends it when it has sampled what was asked for */
  size_t written;      /* bytes that the generator has decoded since it was fed */
  int fed_span;        /* the first span behind what it was fed last */
  size_t fed_token;    /* where that begins in its tokens (what is behind the prompt at first), */
  size_t cut_token;    /* and what was cut for it: up to there; the same: nothing was */
  int64_t fed_step;    /* the step after which it was fed; -1: it was not, or by a finisher */
  int span_before;     /* fed_span before that, and */
  size_t token_before; /* fed_token, for a limit that undoes it */
  int is_unfed;        /* what it should have been fed is not there, for lack of room */
  int children;        /* of all its rounds, refused ones among them */
  int round;           /* of the children that it spawns, or spawned last */
  int has_round;       /* it has called for children since it was fed */
  int is_finishing;
  int ignores_stops;
  int is_broken; /* the generator could not sample behind what the thread holds */
  int is_short;  /* the limit on all threads left no room for a token that it would sample */
  turn_end last;
  turn_end *turns; /* [turn_count] that the mode was told of */
  int turn_count, turn_capacity;
} stream;

/* What workers see. Those of a text are fed by a thread each, before any worker begins. */
typedef struct gang_block {
  segment_id segment; /* 0: there is none yet, or no more */
  thread_id feeder;   /* 0: it has none */
  token_list ids;     /* of a text */
  int is_text, is_prompt, is_fed;
  int writer;     /* the worker that writes it; -1: nobody */
  int64_t tokens; /* that stand in it */
} gang_block;

typedef enum gang_state {
  GANG_BEGINS, /* the mode has said what there is */
  GANG_FEEDS,  /* blocks are fed */
  GANG_RUNS,
  GANG_IS_OVER /* nothing of it is in the generator */
} gang_state;

/* Of a worker. Its tokens from put_in on are still to be put in. */
typedef struct gang_member {
  mode_block view[MODE_BLOCKS_MAX]; /* [view_count] the last is its own */
  int view_count;
  size_t put_in;     /* of its tokens, those of texts that all see among them */
  size_t step_token; /* where its step begins */
} gang_member;

typedef struct gang {
  gang_state state;
  gang_block blocks[MODE_BLOCKS_MAX];      /* [block_count] */
  gang_member members[LAYOUT_WORKERS_MAX]; /* [count] by thread */
  int block_count, count;
  int64_t forwards, put_in;
} gang;

struct runner_sample {
  runner_sample *next; /* in the list of those that have ended, or of those in flight */
  runner_sample *previous;
  runner *runner;
  runner_task task; /* texts are in memory */
  arena *memory;
  void *state;            /* the mode's */
  runner_thread *threads; /* [count] */
  stream *streams;        /* [count] */
  int count, capacity;
  gang *gang;  /* NULL: it has no workers */
  int is_gang; /* it had some in the generator when it began there */
  int is_over; /* the mode has said MODE_DONE, or it failed */
  int winner;
  int keeps_order;     /* ends are told in the order of their steps */
  int has_twins;       /* one mirrored another at least */
  int may_stop;        /* the mode asked for that, and so may end threads at a step */
  int64_t now;         /* the step of what is being told */
  int64_t root_tokens; /* prompts of the threads without a parent */
  int64_t tokens;      /* that a limit on all threads counts, with those that are known to come */
  int64_t taken;       /* events of its threads */
  int is_settled;      /* which of its tokens the limit on all threads leaves is known */
  status failed;
  detail why;
  int64_t started_ns, ended_ns;
  int64_t steps_before; /* the runner's, when it began */
  double in_flight_before, in_flight;
};

/* Which sample and thread of it a generator's thread is; in order of id. */
typedef struct runner_link {
  thread_id id;
  runner_sample *sample; /* NULL: it is gone */
  int thread;            /* below 0: the block -1 - thread of its gang is fed */
} runner_link;

struct runner {
  generator generator;
  runner_sample *flying, *ended, *ended_last; /* ended: in order */
  int in_flight, gangs, sampling;
  int64_t under_way;
  int is_down;        /* a step of the generator failed: no call of it may follow */
  runner_link *links; /* [link_count] */
  size_t link_count, link_capacity, links_gone;
  uint32_t *live; /* [live_capacity] scratch: what a thread holds */
  size_t live_capacity;
  int64_t dropped; /* characters */
  int64_t steps;
  double in_flight_sum; /* over all steps */
};

/* ---- runner.c -------------------------------------------------------------------------------- */

/* Submits a thread of a sample. A task that the generator refuses is OK and fails the sample. */
MUST_CHECK status runner_submit(runner_sample *s, int thread, int64_t most, detail *err);
/* Takes a sample that is in flight out of a runner, and out of the generator, as it is. */
void runner_lift(runner *r, runner_sample *s);
/* Goes on with such a sample in another runner. */
MUST_CHECK status runner_adopt(runner *r, runner_sample *s, detail *err);
/* Whose event a generator's thread's is, from now on. */
MUST_CHECK status runner_link_thread(runner_sample *s, int thread, thread_id id, detail *err);
/* Takes a generator's thread out of it. */
void runner_release(runner_sample *s, thread_id id);
/* The request for a thread of a sample, without its tokens and what is told of its number. */
thread_request runner_request(const runner_sample *s, int thread);
/* Takes a thread out of the generator. */
void runner_withdraw(runner_sample *s, int thread);
/* The generator's thread goes on as another one of the sample, which mirrored it. */
void runner_hand_over(runner_sample *s, int from, int to);

/* ---- runner_sample.c ------------------------------------------------------------------------- */

MUST_CHECK status sample_new(runner_sample **out, runner *r, const runner_task *task, detail *err);
/* Tells the mode that the sample begins. */
MUST_CHECK status sample_start(runner_sample *s, detail *err);
/* What the generator said of one thread. */
MUST_CHECK status sample_take(runner_sample *s, int thread, const engine_event *ev, detail *err);
/* A forward of its gang is over, all of whose events were taken. */
MUST_CHECK status sample_run_on(runner_sample *s, detail *err);

/* ---- runner_commands.c ----------------------------------------------------------------------- */

/* A mode_output's emit; context is the sample. */
MUST_CHECK status sample_carry_out(void *context, const mode_command *c, detail *err);

/* ---- runner_order.c -------------------------------------------------------------------------- */

/* A thread has ended, and those with it that mirror it; the mode is told when its turn comes. */
void sample_hold(runner_sample *s, int thread, mode_end end, const char *limit);
/* Whom the mode is told of next; -1: nobody yet. Cuts at the limit on all threads once it is known
   where. */
int sample_next(runner_sample *s);
/* Ends a thread at the step of what is being told, for good. */
void sample_stop(runner_sample *s, int thread);
/* Numbers threads by when they were spawned in logical time, whenever the mode heard of it. */
void sample_number(runner_sample *s);

/* ---- runner_gang.c --------------------------------------------------------------------------- */

/* Commands of solvers/mode.h. */
MUST_CHECK status gang_add_block(runner_sample *s, const mode_command *c, detail *err);
MUST_CHECK status gang_add_worker(runner_sample *s, int thread, const mode_command *c, detail *err);
MUST_CHECK status gang_commit(runner_sample *s, const mode_command *c, detail *err);
void gang_stop(runner_sample *s, int thread);
/* Notes where in a worker's view the others' tokens stand, and its own. */
MUST_CHECK status gang_seat(runner_sample *s, int thread, detail *err);
/* Whether a thread is a worker that is, or may yet be, in the generator. */
int gang_has(const runner_sample *s, int thread);
/* An event of a thread that feeds a block. */
void gang_fed(runner_sample *s, int block, const engine_event *ev);
/* A step of the generator is over. Whether a forward of the gang ran in it, or its blocks are fed:
   then what came of it can be told. */
int gang_has_run(runner_sample *s);
/* All that can be told was told: has the generator go on. *ended: a limit has ended workers. */
MUST_CHECK status gang_go_on(runner_sample *s, int *ended, detail *err);
/* Takes all of it out of the generator. */
void gang_close(runner_sample *s);

/* ---- runner_text.c --------------------------------------------------------------------------- */

/* Appends a text's tokens: of a prompt with the run's begin tokens before it, or of what is fed
   behind other text. Errors of encoder_encode. */
MUST_CHECK status text_to_tokens(const runner_rules *r, const char *bytes, size_t count,
                                 int is_prompt, token_list *out, detail *err);
/* Decodes a thread's tokens into its text. */
MUST_CHECK status thread_say(const runner_rules *r, runner_thread *t, detail *err);
/* The same, and its context. */
MUST_CHECK status thread_decode(const runner_rules *r, runner_thread *t, detail *err);
/* Places its spans in that text. It decodes once for each span: for a thread that says no more. */
MUST_CHECK status thread_place_spans(const runner_rules *r, runner_thread *t, detail *err);
/* Says how many bytes of its text each token brings, within its spans, which have their place. */
MUST_CHECK status thread_place_pieces(const runner_rules *r, runner_thread *t, detail *err);
/* Where in its context's text the first held of its tokens end. */
MUST_CHECK status thread_place(const runner_rules *r, const runner_thread *t, size_t held,
                               size_t *out, detail *err);
/* How many of the tokens that it holds say no more than the first keep bytes of its context, and
   of how many bytes they are. At least floor; tokens without text behind the last are left out. */
MUST_CHECK status thread_keep(const runner_rules *r, const runner_thread *t, size_t floor,
                              size_t keep, size_t *held, size_t *bytes, detail *err);

/* ---- runner_thread.c ------------------------------------------------------------------------- */

/* What the mode knows as the thread's text. */
const text *thread_text(const runner_thread *t);
/* Whether or not it was cut: generated, or fed. And whether it was cut. */
int span_is_sampled(const runner_span *span);
int span_is_fed(const runner_span *span);
int span_is_cut(const runner_span *span);
/* Adds tokens of one origin (kind, is_finisher, step and round of like): to the last span where
   they go on with it, or as one of their own. logprobs and filtered are [count], or NULL for zeros.
 */
MUST_CHECK status thread_add(runner_thread *t, const runner_span *like, int goes_on,
                             const uint32_t *tokens, const float *logprobs, const float *filtered,
                             size_t count, detail *err);
/* What it holds from a token on leaves the context. */
MUST_CHECK status thread_cut(runner_thread *t, size_t token, detail *err);
/* Undoes that, and drops all tokens from one on: the thread is as it was before it was fed. */
void thread_unfeed(runner_thread *t, size_t cut_token, size_t fed_token);
void thread_drop(runner_thread *t, size_t count);        /* all but its first tokens */
void thread_live(const runner_thread *t, uint32_t *out); /* [held] the tokens in its context */
void thread_release(runner_thread *t);

#endif
