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

/* A row of the view latency; STATS_NONE where there is no sample. */
typedef struct page_latency {
  int64_t samples;
  double p50_ms, p90_ms, p99_ms, batch_samples;
} page_latency;

/* A row of the view accuracy, with its condition's latency. */
typedef struct page_condition {
  const char *name, *family, *split, *method;
  int64_t tasks, clusters, samples, errors, capped, unjudged, derived;
  double accuracy, lo95, hi95, tokens_ref, seq_critical_path, context_peak;
  page_latency batch, alone;
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

/* What conditions reach under limits that cut; nothing without any. */
MUST_CHECK status page_enforced(const page *p, const page_condition *conditions, size_t count,
                                detail *err);

/* The families' accuracies at powers of two, on two axes, with the leader of each. */
MUST_CHECK status page_budgets(const page *p, const page_condition *conditions, size_t count,
                               detail *err);

/* pass@k and cons@k of the conditions that have several draws a task; nothing without any. */
MUST_CHECK status page_draws(const page *p, detail *err);

/* A table of what a query has for the job, ?1 in it. */
typedef struct page_listing {
  const char *title, *note, *sql;
  const char *columns; /* as table_open has them */
  void (*put_header)(const page *p, table *t);
  void (*put_row)(table *t, const query *q);
} page_listing;
/* Nothing where it has no row. */
MUST_CHECK status page_list(const page *p, const page_listing *l, detail *err);

/* Children and rounds of the conditions that may spawn; nothing without any. */
MUST_CHECK status page_spawning(const page *p, detail *err);

/* How conditions with workers went on, and how much of it twice; nothing without any. */
MUST_CHECK status page_workers(const page *p, detail *err);
/* By condition of the job (an SQL expression). */
#define PAGE_WORKERS(job)                                                                          \
  "SELECT c.name AS condition, json_extract(r.parameters, '$.workers') AS workers, "               \
  "json_extract(r.parameters, '$.layout') AS layout, count(*) AS samples, "                        \
  "avg(s.seq_forwards) AS seq_forwards, "                                                          \
  "avg((SELECT avg(h.tokens_seen) FROM thread h WHERE h.sample = s.id AND h.role = 'worker')) "    \
  "AS tokens_seen, avg(s.nodes_explored) AS nodes_explored, "                                      \
  "avg(s.nodes_duplicate) AS nodes_duplicate, "                                                    \
  "1.0 * sum(s.nodes_duplicate) / nullif(sum(s.nodes_explored), 0) AS duplicate_share, "           \
  "avg(s.wait_steps) AS wait_steps "                                                               \
  "FROM condition c JOIN run r ON r.id = c.run "                                                   \
  "CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats AND s.status <> 'failed' "        \
  "CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks "                                    \
  "WHERE c.job = " job " AND json_extract(r.parameters, '$.workers') IS NOT NULL "                 \
  "GROUP BY c.id ORDER BY c.ordinal, c.id"

/* Fills in batch and alone, as the view latency has them, and how many samples are derived. */
MUST_CHECK status page_latencies(const page *p, page_condition *conditions, size_t count,
                                 detail *err);
/* The latencies by kind, where a model ran or a sample was measured alone; else nothing. */
MUST_CHECK status page_latency_table(const page *p, const page_condition *conditions, size_t count,
                                     int has_model, detail *err);
/* What the last processes of the job got through; nothing where no load was recorded. */
MUST_CHECK status page_throughput(const page *p, detail *err);
/* By process of the job (an SQL expression), newest first. */
#define PAGE_THROUGHPUT(job)                                                                       \
  "SELECT strftime('%Y-%m-%d %H:%M', p.started_unix_ns / 1000000000, 'unixepoch') AS started, "    \
  "p.host AS host, sum(l.interval_ns) / 1e9 AS seconds, "                                          \
  "1e9 * sum(l.sampled) / sum(l.interval_ns) AS sampled_per_s, "                                   \
  "1e9 * sum(l.prefilled) / sum(l.interval_ns) AS prefilled_per_s, "                               \
  "sum(l.samples * l.steps) / sum(l.steps) AS samples, "                                           \
  "sum(l.threads_running * l.steps) / sum(l.steps) AS threads_running, "                           \
  "sum(l.threads_waiting * l.steps) / sum(l.steps) AS threads_waiting, "                           \
  "sum(l.preempted) AS preempted, 1.0 * sum(l.step_ns) / sum(l.interval_ns) AS step_share, "       \
  "1.0 * sum(l.record_ns) / sum(l.interval_ns) AS record_share "                                   \
  "FROM engine_load l JOIN process p ON p.id = l.process WHERE l.process IN "                      \
  "(SELECT s.process FROM condition c CROSS JOIN sample s ON s.run = c.run WHERE c.job = " job     \
  ") GROUP BY l.process ORDER BY p.started_unix_ns DESC, p.id DESC LIMIT 3"

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
