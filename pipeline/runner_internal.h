/* Private to the runner: a sample while it is made. runner.c keeps the samples and runs the steps,
   runner_sample.c carries out a mode's commands and tells it what happened, runner_text.c turns
   texts into tokens and back, runner_derive.c makes samples from others. */
#ifndef PIPELINE_RUNNER_INTERNAL_H
#define PIPELINE_RUNNER_INTERNAL_H

#include "pipeline/runner.h"

#define SAMPLE_ARENA_BYTES ((size_t)512 << 20)

typedef enum stream_state {
  STREAM_READY,   /* to be submitted when the mode has said all that it has to say */
  STREAM_SAMPLES, /* in the generator */
  STREAM_HELD,    /* ended, or cut; the mode has not been told */
  STREAM_RESTS    /* the mode has been told */
} stream_state;

/* What is only known of a thread while its sample is made. */
typedef struct stream {
  stream_state state;
  thread_id id; /* STREAM_SAMPLES */
  random_key key;
  const char *most_is; /* the limit that ends it when it has sampled what was asked for */
  size_t written;      /* bytes that the generator has decoded since it was fed */
  size_t stop_at;      /* MODE_END_STOP: in these */
  int fed_span;        /* the first span behind what it was fed last */
  int is_finishing;
  int is_broken; /* the generator could not sample behind what the thread holds */
} stream;

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
  int is_over; /* the mode has said MODE_DONE, or it failed */
  int winner;
  int64_t prompts, sampled; /* tokens of all threads, a finisher's left out */
  int64_t taken;            /* events of its threads */
  int is_settled;           /* which of them the limit on all leaves is known */
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
  int thread;
} runner_link;

struct runner {
  generator generator;
  runner_sample *flying, *ended, *ended_last; /* ended: in order */
  int in_flight, sampling;
  int64_t under_way;
  int is_down;        /* a step of the generator failed: no call of it may follow */
  runner_link *links; /* [link_count] */
  size_t link_count, link_capacity, links_gone;
  int64_t dropped; /* characters */
  int64_t steps;
  double in_flight_sum; /* over all steps */
};

/* ---- runner.c -------------------------------------------------------------------------------- */

/* Submits a thread of a sample. A task that the generator refuses is OK and fails the sample. */
MUST_CHECK status runner_submit(runner_sample *s, int thread, int64_t most, detail *err);
/* Takes a thread out of the generator. */
void runner_withdraw(runner_sample *s, int thread);

/* ---- runner_sample.c ------------------------------------------------------------------------- */

MUST_CHECK status sample_new(runner_sample **out, runner *r, const runner_task *task, detail *err);
/* Tells the mode that the sample begins. */
MUST_CHECK status sample_start(runner_sample *s, detail *err);
/* What the generator said of one thread. */
MUST_CHECK status sample_take(runner_sample *s, int thread, const engine_event *ev, detail *err);

/* ---- runner_text.c --------------------------------------------------------------------------- */

/* Appends a text's tokens: of a prompt with the run's begin tokens before it, or of what is fed
   behind other text. Errors of encoder_encode. */
MUST_CHECK status text_to_tokens(const runner_rules *r, const char *bytes, size_t count,
                                 int is_prompt, token_list *out, detail *err);
/* Decodes a thread's tokens into its text and its spans' places in it. */
MUST_CHECK status thread_decode(const runner_rules *r, runner_thread *t, detail *err);
/* Adds tokens of one origin; logprobs and filtered are [count], or NULL for zeros. */
MUST_CHECK status thread_add(runner_thread *t, runner_span_kind kind, int is_finisher, int64_t step,
                             const uint32_t *tokens, const float *logprobs, const float *filtered,
                             size_t count, detail *err);
void thread_release(runner_thread *t);

#endif
