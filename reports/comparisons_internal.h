/* Private to the room: the rows of the table comparison, read where they are still true, computed
   and kept where they are not. */
#ifndef REPORTS_COMPARISONS_INTERNAL_H
#define REPORTS_COMPARISONS_INTERNAL_H

#include "reports/contrast_internal.h"

/* The contrasts that a job declares, in its order. */
typedef struct declared {
  report_contrast *contrasts; /* [count] */
  size_t count, rows;         /* rows: one for each budget, one for a plain contrast */
} declared;

MUST_CHECK status declared_read(declared *out, const scores *all, detail *err);

typedef struct comparisons {
  contrast_row *rows; /* [count] by contrast, then by budget */
  size_t count;
  int unkept;  /* computed anew, and the store is open for reading */
  hash digest; /* over the contrasts and all that was read to compute them */
} comparisons;

/* The digest of what these contrasts read: identities of runs, checkers, and each sample's task,
   repeat, state, score and costs. */
MUST_CHECK status comparisons_digest(hash *out, const scores *all, const report_contrast *contrasts,
                                     size_t count, detail *err);

/* Whether the store holds exactly these declared rows by this digest. */
MUST_CHECK status comparisons_stored(int *stored, store *s, const scores *all, const declared *d,
                                     const hash *digest, detail *err);

/* All declared rows of the job: from the store when they are still true, else computed, and kept
   where the store is writable. */
MUST_CHECK status comparisons_of(comparisons *out, store *s, const scores *all, detail *err);

/* Adds exploratory rows to the store, in place of earlier ones of the same names and budgets. */
MUST_CHECK status comparisons_keep(store *s, const scores *all, const comparisons *c,
                                   int replace_declared, detail *err);

#endif
