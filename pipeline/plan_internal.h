/* Shared by the files of the plan. */
#ifndef PIPELINE_PLAN_INTERNAL_H
#define PIPELINE_PLAN_INTERNAL_H

#include "pipeline/plan.h"

/* Whether a condition's mode and protocol take the plan's tasks. E_INPUT with its line. */
MUST_CHECK status plan_check_kind(const plan *p, const job_condition *c, detail *err);

/* Fills in a run's parameters, and its model and rules or its options, from a condition. After an
   error there is nothing to let go. */
MUST_CHECK status plan_settle(plan *p, const plan_part *part, const job_condition *c,
                              planned_run *out, detail *err);
void plan_let_go(planned_run *r); /* what plan_settle filled in, and the identity */

/* Appends the identity of a run that plan_settle filled in. */
MUST_CHECK status plan_identity(const plan *p, const planned_run *r, const job_condition *c,
                                text *out, detail *err);

#endif
