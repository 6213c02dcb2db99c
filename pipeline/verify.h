/* Computes stored samples again, each alone in an otherwise empty engine, and compares them in
   every promised column and bit. From three passes on their times are kept as `alone` latencies:
   warm, in another random order each pass, nothing of an earlier sample in the cache. */
#ifndef PIPELINE_VERIFY_H
#define PIPELINE_VERIFY_H

#include "pipeline/plan.h"

enum { VERIFY_TIMED_PASSES = 3 };

typedef struct verify_options {
  int64_t samples; /* at most, of all runs of the plan together */
  int passes;      /* at least 1 */
  int threads;     /* of the device */
  uint64_t seed;   /* which samples are drawn, and their orders */
} verify_options;

typedef struct verify_totals {
  int64_t samples; /* compared */
  int64_t differ;  /* of them, in any pass */
  int64_t stored;  /* finished samples there were to choose from: 0 says that nothing is there */
} verify_totals;

/* Appends to out a paragraph for each sample that differs. The store is open for writing where
   times are kept, with a process started. Errors of model_engine_open, the engine and the store;
   E_STOPPED: a signal came. Owner's thread of the store. */
MUST_CHECK status verify_plan(const plan *p, store *s, const verify_options *o, logger *messages,
                              text *out, verify_totals *totals, detail *err);

#endif
