/* Records samples that a model made: accounts for them, judges them, and puts them into the store
   with their threads and traces. */
#ifndef PIPELINE_RECORD_H
#define PIPELINE_RECORD_H

#include "pipeline/plan.h"
#include "pipeline/runner.h"
#include "pipeline/sample.h"

/* Which sample of the store a runner's sample is. */
typedef struct record_place {
  const planned_run *run;
  int64_t task;
  int32_t repeat, attempt;
  int64_t queued_ns; /* by store_now_ns */
  int derived, keeps_logprobs;
} record_place;

/* The row that a sample becomes, with its threads and traces, in memory; s is one that did not
   fail. offset_ns: from the runner's clock to the store's. E_MEMORY. */
MUST_CHECK status record_row(const record_place *at, const runner_sample *s, int64_t offset_ns,
                             arena *memory, store_sample *out, detail *err);

/* A sample that failed is stored with its reason. *tokens: that it generated; memory is reset.
   Errors are those that end a run: the store's, or no memory. */
MUST_CHECK status record_sample(store *into, const record_place *at, const runner_sample *s,
                                arena *memory, sample_end *end, int64_t *tokens, detail *err);

#endif
