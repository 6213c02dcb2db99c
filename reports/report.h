/* Reports: what a person reads of a store, made from the store alone.

   Every number that is printed is in a view or in the tables comparison and consensus of the same
   store; this room adds the statistics that SQL does not have (p, t, bootstraps, votes over
   subsets) and the layout. All functions run on the store's thread, write into the caller's text
   and keep nothing.

   A comparison that the job declares belongs to one Holm family at 0.05 and gets a verdict. Any
   other is exploratory: it shows a difference and an interval, no p and no verdict. On a store that
   is open for reading, what is stored and still true is shown, the rest is computed and not kept.

   Errors: E_INPUT names the job, condition or contrast that cannot be used and what would do;
   E_STORE, E_BUSY, E_IO and E_MEMORY as the store gives them. */
#ifndef REPORTS_REPORT_H
#define REPORTS_REPORT_H

#include "store/store.h"

typedef struct report_options {
  const char *job; /* NULL: every job of the store */
  int color;       /* whether to mark titles and verdicts for a terminal */
  int width;       /* columns of text; 0: 100; tables need about 90 */
  int json;        /* one JSON document instead of text */
  int *unkept;     /* out, may be NULL: set to 1 when text shows declared comparisons or votes that
                      the tables do not hold and s, a reader, could not keep */
} report_options;

typedef struct report_contrast {
  const char *job, *a, *b; /* names of conditions or families */
  const char *axis;        /* NULL or "": a plain contrast of two conditions */
  const double *at;        /* [at_count] budgets on the axis; none for a plain contrast */
  size_t at_count;
  double margin; /* within which two accuracies count as equivalent; 0: 0.02 */
} report_contrast;

/* The names of the axes that a contrast may take, ending with NULL. */
extern const char *const report_axes[];

/* Computes cons@k of a job's conditions and its declared contrasts, unless the stored ones were
   made from the very samples and verdicts that are there now; replaces each in one transaction
   where the store is writable. Contrasts that are refused (E_INPUT) do not keep cons@k from being
   stored. */
MUST_CHECK status report_comparisons(store *s, const char *job, detail *err);

/* *stale: 1 when the rows in comparison or consensus are not those that report_comparisons would
   give: samples, verdicts or contrasts have changed since, or nothing was computed yet. Writes
   nothing. */
MUST_CHECK status report_stale(store *s, const char *job, int *stale, detail *err);

/* The first screen of each job: validity, verdicts, accuracy, budgets, several draws, latency,
   throughput, power; what there is nothing to show of is left out. */
MUST_CHECK status report_text(store *s, const report_options *o, text *out, detail *err);

/* One comparison. A contrast that the job declares is shown as declared, with its p. An exploratory
   one is kept in comparison with declared 0 where the store is writable. o->job is not read. */
MUST_CHECK status report_compare(store *s, const report_contrast *c, const report_options *o,
                                 text *out, detail *err);

#endif
