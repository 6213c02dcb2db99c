/* Which runs contain which: of runs that differ only in how many threads they have and in their
   limits, the largest is computed and the others' samples are cut from its own, bit for bit
   (runner_derive). What cannot be cut from it is computed like any other.

   Belongs to the owner's thread of the store; borrows runs and store. */
#ifndef PIPELINE_DERIVE_H
#define PIPELINE_DERIVE_H

#include "pipeline/plan.h"

typedef struct derivation derivation;

/* Reads what is left of the runs that are part of a family; the others cost nothing. The runs lie
   in the plan's order. s NULL reads nothing: only derivation_is_cut may be asked. */
MUST_CHECK status derivation_open(derivation **out, store *s, planned_run *const *runs,
                                  size_t count, detail *err);
void derivation_close(derivation *d); /* NULL is a no-op */

/* Whether another of the runs contains this one: where both have a sample left, it is cut. */
int derivation_is_cut(const derivation *d, const planned_run *r);

/* Whether a sample of this run will be cut from one that is still to be computed, or was given by
   derivation_next already, so that it is not to be computed for itself. */
int derivation_awaits(const derivation *d, const planned_run *r, int64_t task, int32_t repeat);

/* The next run that waits for this sample of a base, and the attempt that its own will be; NULL:
   none is left. It awaits that sample no longer. */
const planned_run *derivation_next(derivation *d, const planned_run *base, int64_t task,
                                   int32_t repeat, int32_t *attempt);

#endif
