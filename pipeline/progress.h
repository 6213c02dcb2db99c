/* How far a night is: counted by those who finish samples, shown in one line that says what is left
   by what samples of each run have cost so far, at the speed of the last half minute; at the end,
   at that of the whole. Tokens are those that were generated: a model's own, or for a symbolic
   search Llama-2's. A derived sample costs none. Any thread may count; one shows. */
#ifndef PIPELINE_PROGRESS_H
#define PIPELINE_PROGRESS_H

#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "pipeline/sample.h"

typedef struct progress progress;

/* Borrows the plan and the log until progress_close. */
MUST_CHECK status progress_open(progress **out, const plan *of, logger *messages, detail *err);
void progress_close(progress *p); /* NULL is a no-op */

/* The runs of this model begin (NULL: those that need none), at a speed of their own. As for
   progress_show. */
void progress_turn(progress *p, const job_model *of);
void progress_add(progress *p, const planned_run *r, sample_end end, int64_t tokens);
/* What samples that have not ended have taken so far. */
void progress_under_way(progress *p, int64_t tokens);
/* Rewrites the line, at most ten times a second; last: a final time. */
void progress_show(progress *p, int last);
run_totals progress_totals(progress *p); /* stopped and feeder_waited_ns are the caller's */
int64_t progress_elapsed_ns(const progress *p);

#endif
