/* One symbolic sample from task to store: solve, account, judge, put. Any thread. */
#ifndef PIPELINE_SAMPLE_H
#define PIPELINE_SAMPLE_H

#include "pipeline/plan.h"

typedef struct sample_work {
  const planned_run *run;
  int64_t task;
  const char *target; /* the task's canonical JSON */
  hash content;       /* of the task */
  uint64_t seed;
  int32_t repeat, attempt;
  int64_t queued_ns;
  double in_flight; /* samples in flight when it was taken up */
} sample_work;

typedef enum sample_end { SAMPLE_DONE, SAMPLE_CAPPED, SAMPLE_FAILED } sample_end;

typedef struct sample_outcome {
  sample_end end;
  int correct;    /* by the run's first checker */
  int64_t tokens; /* Llama-2's, of all threads; 0 when it failed */
} sample_outcome;

/* A sample that cannot be solved is stored as failed with its reason; what is returned is only
   what ends the run: a store that takes no more, or no memory. into may be NULL to measure without
   storing. The arena is reset. */
MUST_CHECK status sample_run(const sample_work *w, store *into, arena *memory, sample_outcome *out,
                             detail *err);

/* Whether a failure is no fault of the sample: trying the next one would meet the same. */
int sample_ends_run(status s);
/* Stores it as failed, with the reason and without costs. Changes s. */
MUST_CHECK status sample_put_failed(store *into, store_sample *s, const detail *why, detail *err);

/* Solves it again and appends what differs from the stored one, as same_differences; memory is not
   reset, since stored may lie in it. */
MUST_CHECK status sample_compare(const sample_work *w, const store_sample *stored, arena *memory,
                                 text *out, int *count, detail *err);

#endif
