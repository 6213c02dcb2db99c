/* What is left of several runs, one sample after another: a few of each run in turn, so that a
   night cut short leaves comparable runs. Reads the store in pages; owner's thread of the store. */
#ifndef PIPELINE_FEEDER_H
#define PIPELINE_FEEDER_H

#include "pipeline/plan.h"

typedef struct feeder feeder;

/* Borrows the runs (not the list of them) and the store until feeder_close. */
MUST_CHECK status feeder_open(feeder **out, store *s, planned_run *const *runs, size_t count,
                              detail *err);
/* *run is NULL when nothing is left. The item is borrowed until the next call. */
MUST_CHECK status feeder_next(feeder *f, planned_run **run, store_item *item, detail *err);
void feeder_close(feeder *f); /* NULL is a no-op */

#endif
