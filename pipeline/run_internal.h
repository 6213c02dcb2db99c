/* Private to the night's loop: what its two parts share. run.c solves symbolic samples and has the
   whole; run_model.c drives an engine. */
#ifndef PIPELINE_RUN_INTERNAL_H
#define PIPELINE_RUN_INTERNAL_H

#include "pipeline/progress.h"
#include "pipeline/sample.h"

typedef struct night {
  plan *plan;
  store *store;
  const run_options *options; /* threads filled in */
  logger *messages;
  progress *progress;
  int *stopped; /* as in run_totals */
} night;

/* Whether the night ends early, and why. */
int night_must_stop(const night *n);

/* Runs what is left of these runs of one model. Adds to model_ns and record_ns. */
MUST_CHECK status run_model(const night *n, const job_model *of, planned_run *const *runs,
                            size_t count, run_totals *spent, detail *err);

#endif
