/* Mode `vote`: n threads answer the same prompt without knowing of each other, and the answer that
   most of them give is the sample's (cons@n). The count of votes is a pure function, shared by the
   mode and by whoever judges stored samples. Any thread. */
#ifndef SOLVERS_VOTE_H
#define SOLVERS_VOTE_H

#include "solvers/option.h"

extern const mode vote_mode;

enum { VOTE_THREADS_MAX = 1024 };

/* What a vote came to. Of several keys with most votes the winner is the one whose first holder is
   lowest; a score that depended on that choice would be luck, so a tie scores its mean. */
typedef struct vote_count {
  int64_t voters; /* that had a key */
  int64_t votes;  /* for the winning key; 0: there was no vote */
  int64_t tied;   /* keys with as many */
  int64_t winner; /* the lowest thread that holds the winning key; -1: there was no vote */
  double score;   /* mean over the tied keys of the score of each key's lowest holder; 0: no vote */
} vote_count;

/* keys: [threads] in the order of their numbers, NULL where a thread does not vote. scores:
   [threads], or NULL where the score is not asked for. */
vote_count vote_tally(const char *const *keys, const double *scores, size_t threads);

#endif
