/* What several draws of one task are worth together: by a vote over k of them (cons@k), and where
   any of them may be right (pass@k). Pure functions over numbers; nothing here knows a store. Any
   thread.

   A draw is one attempt: a sample, or a voter among a sample's threads. It votes for what its
   answer means, or it does not vote (no answer, cut at a limit) and is a draw all the same. k of n
   draws are taken without replacement and the key with most votes wins: its score counts; of tied
   keys the mean score; where nobody votes, 0.

   The expectation is over all subsets of k draws where those are at most CONSENSUS_SUBSETS, else
   over that many drawn ones. They are seeded by the task's content, so that no order of tasks or
   conditions matters. */
#ifndef REPORTS_CONSENSUS_H
#define REPORTS_CONSENSUS_H

#include "base/random.h"

enum {
  CONSENSUS_SUBSETS = 10000,
  CONSENSUS_SIZE_MAX = 1024, /* the largest k */
  CONSENSUS_SIZES_MAX = 15   /* how many k there are at most */
};

/* The k that are reported for tasks of at least `draws` draws, ascending: all up to 8, then powers
   of two. Returns how many. */
size_t consensus_sizes(size_t draws, size_t sizes[CONSENSUS_SIZES_MAX]);

/* Whether there are more than CONSENSUS_SUBSETS subsets of k of these draws. */
int consensus_is_drawn(size_t draws, size_t k);

typedef struct consensus_ballot {
  const int32_t *key;  /* [draws] what each votes for, numbered from 0; -1: it does not vote */
  const double *score; /* [keys] what a key is worth */
  size_t draws, keys;
  const hash *task; /* its content */
} consensus_ballot;

/* value [count]: the expected score of a vote over sizes[i] draws, each from 1 to b->draws and
   ascending. E_MEMORY. */
MUST_CHECK status consensus_votes(const consensus_ballot *b, const size_t *sizes, size_t count,
                                  double *value, detail *err);

/* The chance that one of k draws is among the correct: 1 - C(draws - correct, k) / C(draws, k),
   the unbiased form of Chen et al., arXiv 2107.03374. 1 <= k <= draws. */
double consensus_pass(size_t draws, size_t correct, size_t k);

#endif
