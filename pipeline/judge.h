/* Verdicts on samples, just made or stored: by an answer, or by a vote over its threads' answers.
 */
#ifndef PIPELINE_JUDGE_H
#define PIPELINE_JUDGE_H

#include "base/arena.h"
#include "pipeline/plan.h"

/* Judges what a sample answered by one of its run's checkers. verdicts: [1 + a->thread_count], of
   which *made are filled: the sample's, and where its threads vote one for each of them behind it.
   What a vote is worth is the mean over the keys that are tied for most votes. memory is for voters
   alone, and not reset. E_MEMORY; errors of the checker. Any thread. */
MUST_CHECK status judge_sample(const planned_run *r, const checker *c, const store_answer *a,
                               arena *memory, store_verdict *verdicts, int *made, detail *err);

/* Judges a run's stored samples by one checker; see store_rescore. */
MUST_CHECK status judge_run(store *s, const planned_run *r, const checker *c, int all,
                            int64_t *judged, int64_t *changed, detail *err);

#endif
