/* Merging: everything that another store holds comes into this one, by natural keys, since rowids
   are local to a file.

     task set    its hash                      run        its identity
     task        its set and ordinal           sample     run, task and repeat
     process     when, where and how it ran    verdict    sample, thread and checker
     job         its name without ~n, its document, and the runs of its conditions
     model       its hash                      alone      sample, process and pass
     engine_load process and time

   What is there already stays as it is, so merging twice changes nothing:

   - A task set whose name and version another set has here gets the name's next version. Tasks that
     are told apart only by name, cluster, split or data keep what stands here; tasks_differing
     counts them.
   - A job of a name that is taken by other runs (another class, another seed) or another document
     comes in beside it as NAME~2, or the first number that is free; it is found there again.
     Conditions of the same job are united; the larger of tasks and repeats stays.
   - Of a sample on both sides every promised column, thread and trace must be equal. Differing bits
     within one run are E_STORE, which names the sample, the column and both values. A finished
     sample replaces a failed one; of two failed ones the one with more attempts stays. Log-
     probabilities that only one side kept are no difference: they are here then.
   - Two runs of one identity with other fingerprints are E_STORE, which names the run.
   - Of two verdicts by one checker the higher version stays; equal versions must say the same.
   - Comparisons and consensus are derived: they are not copied, and have to be computed again.

   An input is one transaction: one that cannot be merged whole leaves nothing of itself. It is only
   read, a journal that a killed process left beside it included; but one of an older store version
   is brought up first, as by any opening. It comes from other people: what lacks the tables of our
   schema, points to rows that are not there, holds what would break a view, or is not what its
   hashes and identities say is refused. */
#ifndef STORE_MERGE_H
#define STORE_MERGE_H

#include "store/store.h"

/* What an input brought. Of the samples on both sides, samples_equal were the same; samples_kept
   had failed there, and what stands here is as good or better. */
typedef struct store_merged {
  int64_t task_sets, tasks, tasks_differing, processes, runs, jobs, conditions;
  int64_t samples, samples_replaced, samples_equal, samples_kept, verdicts;
} store_merged;

/* out is open for writing. Says what got another name and how far it is through out's log. counts
   is zero after a failure. E_BUSY: a process of this machine writes the input; E_INPUT: it is not
   there, or is out itself; E_STORE: not ours, newer, damaged, or other bits of a run that out has;
   E_IO; E_MEMORY. Owner's thread. */
MUST_CHECK status store_merge(store *out, const char *in_path, store_merged *counts, detail *err);

#endif
