/* Private to the room: cons@k of a job's conditions, the rows of the table consensus, read where
   they are still true, computed and kept where they are not; and pass@k of the same draws. */
#ifndef REPORTS_CONSENSUS_INTERNAL_H
#define REPORTS_CONSENSUS_INTERNAL_H

#include "reports/consensus.h"
#include "reports/draws_internal.h"

/* By what draws vote. */
typedef enum consensus_kind {
  CONSENSUS_CANONICAL, /* the answer's meaning, as the protocol's vote key has it */
  CONSENSUS_LITERAL,   /* its text */
  CONSENSUS_KINDS
} consensus_kind;

extern const char *const consensus_kind_names[CONSENSUS_KINDS];

/* A row of the table consensus. */
typedef struct consensus_row {
  size_t condition; /* a place in scores.conditions */
  consensus_kind kind;
  size_t k;
  double accuracy, se; /* over tasks; se STATS_NONE where the tasks do not differ */
  int drawn;           /* of some task not all subsets were counted */
} consensus_row;

typedef struct consensus {
  draws *draws;        /* [scores.count] of each condition */
  consensus_row *rows; /* [count] by condition, kind, k */
  size_t count;
  int unkept;  /* computed anew, and the store is open for reading */
  hash digest; /* over all that was read */
} consensus;

/* Loads the draws, and what the rows are to be: their digest and their number. */
MUST_CHECK status consensus_load(consensus *out, store *s, const scores *all, detail *err);

/* Whether the store holds exactly these rows by this digest. */
MUST_CHECK status consensus_stored(int *stored, store *s, const scores *all, const consensus *c,
                                   detail *err);

/* All rows of the job: from the store when they are still true, else computed, and kept where the
   store is writable. */
MUST_CHECK status consensus_of(consensus *out, store *s, const scores *all, detail *err);

/* The mean over tasks of pass@k of a condition's draws. */
double consensus_pass_of(const draws *d, size_t k);

#endif
