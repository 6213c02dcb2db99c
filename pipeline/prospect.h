/* What a plan's work is expected to take, and the smallest difference that it will be able to see.
   Symbolic runs are tried on a few tasks, and nothing of that is stored. A model is not run: what
   is known of it are the samples that the store holds of its earlier nights. Owner's thread of the
   store, which is only read. */
#ifndef PIPELINE_PROSPECT_H
#define PIPELINE_PROSPECT_H

#include "pipeline/plan.h"

/* Appends a table of the runs and what it comes to. cores: that symbolic runs will have. Errors of
   the store; E_MEMORY. */
MUST_CHECK status prospect_put(const plan *p, store *s, int cores, text *out, detail *err);

#endif
