/* A night: what is left of a plan, computed, judged and stored. Symbolic samples are solved by
   workers on all cores; then each model's samples are run through an engine, as many at once as
   keep it full. Runs have their turns, so that a night cut short leaves comparable runs. The
   caller's thread feeds, drives the engine, watches for signals and the wall limit, and shows
   progress. */
#ifndef PIPELINE_RUN_H
#define PIPELINE_RUN_H

#include "pipeline/plan.h"

typedef struct run_options {
  int threads;         /* workers; 0: one a core */
  int64_t max_wall_ns; /* 0: none */
} run_options;

typedef struct run_totals {
  int64_t done, capped, failed; /* by this process */
  int64_t tokens; /* that they generated: a model's own, a symbolic search's in Llama-2's */
  int64_t wall_ns, feeder_waited_ns;
  int64_t model_ns, record_ns; /* of models' runs; of that, spent recording samples */
  int64_t model_tokens;        /* that engines sampled, of samples that did not end too */
  int stopped;                 /* a signal's number; -1: the wall limit; 0: all was done */
} run_totals;

/* Refuses, before anything is written, what could run no sample: an engine that the job leaves too
   little memory for. threads: of its device. E_INPUT, E_MEMORY. */
MUST_CHECK status run_check(const plan *p, int threads, detail *err);

/* Runs what is left of a committed plan. A finished pass is OK whatever the samples' ends; a stop
   is OK with totals.stopped. Errors are those that end a run: the store's, or no memory. In every
   case what was put is flushed. */
MUST_CHECK status run_plan(plan *p, store *s, const run_options *o, logger *messages,
                           run_totals *out, detail *err);

int run_cores(void); /* that this process may use */

#endif
