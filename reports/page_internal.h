/* Private to the room: the parts of a job's text page, in the order in which they are printed. */
#ifndef REPORTS_PAGE_INTERNAL_H
#define REPORTS_PAGE_INTERNAL_H

#include "reports/comparisons_internal.h"
#include "reports/table_internal.h"

/* What the parts need. All is borrowed for the time of one page. */
typedef struct page {
  store *s;
  const scores *all;
  arena *memory;
  text *out;
  int color, width;
  int *unkept; /* as in report_options; may be NULL */
} page;

/* A row of the view accuracy, with its condition's latency (STATS_NONE: none). */
typedef struct page_condition {
  const char *name, *family, *split, *method;
  int64_t tasks, clusters, samples, errors, capped, unjudged;
  double accuracy, lo95, hi95, tokens_ref, seq_critical_path, context_peak, p50_ms;
} page_condition;

enum { PAGE_WIDTH = 100 };

const char *page_paint(const page *p, const char *escape); /* NULL without color */
/* A store may come from anybody, so what these print is made printable first. */
void page_strong(const page *p, const char *line); /* a line of its own */
void page_title(const page *p, const char *format, ...) PRINTF_LIKE(2, 3);
/* A paragraph, broken into lines of the page's width (PAGE_WIDTH at most), indented by two. */
void page_note(const page *p, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds rows of comparison to a new table and writes it. Exploratory rows have no p and verdict. */
MUST_CHECK status page_contrasts(const page *p, const contrast_row *rows, size_t count,
                                 detail *err);
/* Notes that belong below them: why a row has no difference, and how many pairs were dropped. */
void page_contrast_notes(const page *p, const contrast_row *rows, size_t count);

/* The families' accuracies at powers of two, on two axes, with the leader of each. */
MUST_CHECK status page_budgets(const page *p, const page_condition *conditions, size_t count,
                               detail *err);

/* Fills in p50_ms, as the view latency has it. */
MUST_CHECK status page_latencies(const page *p, page_condition *conditions, size_t count,
                                 detail *err);

/* The median of the standard errors that the view paired has for the job's pairs that differ, and
   how many they are; 0 without any. */
MUST_CHECK status page_pair_errors(const page *p, double *median, int64_t *pairs, detail *err);

/* The names of all jobs, in the arena. */
MUST_CHECK status page_jobs(store *s, arena *memory, const char ***names, size_t *count,
                            detail *err);

/* The same content as one JSON document: jobs, each with the rows of its views. E_INPUT: no such
   job. */
MUST_CHECK status page_json(store *s, arena *memory, const char *job, text *out, detail *err);

#endif
