#include "base/clock.h"
#include "pipeline/bench.h"
#include "pipeline/stop.h"
#include "reports/report.h"
#include "store/query.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 64 << 20 };

/* ---- figures --------------------------------------------------------------------------------- */

status bench_add(bench_figures *f, bench_figure **out, const char *name, const char *unit,
                 detail *err) {
  REQUIRE(f->count < BENCH_FIGURES_MAX);
  char *copy = arena_text(f->memory, name, strlen(name));
  if (!copy) return arena_full(f->memory, err);
  *out = &f->list[f->count++];
  **out = (bench_figure){.name = copy,
                         .unit = unit,
                         .median = -1,
                         .processor_s = -1,
                         .ceiling = -1,
                         .share = -1,
                         .rows = -1,
                         .bytes = -1,
                         .memory_bytes = -1};
  return OK;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* A line of /proc/self/status in bytes; negative where the system has none. */
static int64_t own_memory(const char *word) {
  FILE *file = fopen("/proc/self/status", "re");
  char line[256];
  int64_t bytes = -1;
  if (!file) return -1;
  while (bytes < 0 && fgets(line, sizeof line, file)) {
    if (!strncmp(line, word, strlen(word))) bytes = 1024 * strtoll(line + strlen(word), NULL, 10);
  }
  (void)fclose(file);
  return bytes;
}

/* "5" makes the peak what is held now (proc(5), clear_refs); where that is refused the peak is that
   of the process so far, and growth below it is not seen. */
bench_memory bench_memory_start(void) {
  int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (file >= 0) {
    ssize_t ignored = write(file, "5", 1);
    (void)ignored;
    (void)close(file);
  }
  return (bench_memory){own_memory("VmHWM:")};
}

int64_t bench_memory_grown(const bench_memory *m) {
  int64_t now = own_memory("VmHWM:");
  return now < 0 || m->before_bytes < 0 ? -1 : now - m->before_bytes;
}

/* ---- a query --------------------------------------------------------------------------------- */

/* The bytes of a value, taken as what it is, as a program that reads it would. */
static int64_t bytes_of(const query *q, int column) {
  size_t bytes = 0;
  switch (query_type(q, column)) {
  case QUERY_NULL: return 0;
  case QUERY_INT: return query_int(q, column) ? 8 : 1;
  case QUERY_REAL: return query_real(q, column) != 0 ? 8 : 1;
  case QUERY_TEXT:
  case QUERY_BLOB: (void)query_blob(q, column, &bytes); break;
  }
  return (int64_t)bytes;
}

/* Steps through all rows and takes every column. */
static status drain(query *q, int64_t *rows, detail *err) {
  int row = 1;
  int64_t bytes = 0;
  status failed = OK;
  *rows = 0;
  while (!(failed = query_next(q, &row, err)) && row) {
    for (int i = 0; i < query_columns(q); i++)
      bytes += bytes_of(q, i);
    if (++*rows % 1024 == 0 && stop_signal()) return fault(err, E_STOPPED, "stopped while reading");
  }
  REQUIRE(bytes >= 0);
  return failed;
}

static int by_size(const void *left, const void *right) {
  const double *a = left, *b = right;
  return *a < *b ? -1 : *a > *b;
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, by_size);
  return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* Of this process, in user and system mode. */
static double processor_seconds(void) {
  struct timespec now;
  REQUIRE(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Anything that is timed: it is given the figure to fill in rows. */
typedef struct task {
  status (*run)(const struct task *t, bench_figure *out, detail *err);
  store *s;
  const char *sql;
} task;

static status time_of(const task *t, int times, bench_figure *out, detail *err) {
  double seconds[BENCH_TIMES_MAX], processor[BENCH_TIMES_MAX];
  bench_memory grown = bench_memory_start();
  REQUIRE(times > 0 && times <= BENCH_TIMES_MAX);
  for (int i = 0; i < times; i++) {
    if (stop_signal()) return fault(err, E_STOPPED, "stopped while reading");
    int64_t start = clock_monotonic_ns();
    double worked = processor_seconds();
    status failed = t->run(t, out, err);
    if (failed) return failed;
    seconds[i] = (double)(clock_monotonic_ns() - start) / 1e9;
    processor[i] = processor_seconds() - worked;
  }
  out->median = median(seconds, times);
  out->processor_s = median(processor, times);
  out->memory_bytes = bench_memory_grown(&grown);
  return OK;
}

static status run_query(const task *t, bench_figure *out, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, t->s, t->sql, err);
  if (!failed) failed = drain(q, &out->rows, err);
  query_close(q);
  return failed;
}

/* ---- the tables that views stand on ---------------------------------------------------------- */

/* One pass over each in the order in which it lies, with one column read: what no plan can avoid.
   The last column is read since a row is decoded up to it. */
typedef enum scan { SCAN_INDEX, SCAN_SAMPLE, SCAN_VERDICT, SCAN_THREAD, SCAN_TASK, SCANS } scan;

static const struct {
  const char *name, *tree, *sql;
} scans[SCANS] = {
    [SCAN_INDEX] =
        {"scan sample_scan", "sample_scan",
         "SELECT total(nodes_explored) FROM sample INDEXED BY sample_scan WHERE run > 0"},
    [SCAN_SAMPLE] = {"scan sample", "sample",
                     "SELECT total(batch_samples) FROM sample NOT INDEXED"},
    [SCAN_VERDICT] = {"scan verdict", "verdict", "SELECT total(score) FROM verdict"},
    [SCAN_THREAD] = {"scan thread", "thread", "SELECT total(ended_ns) FROM thread"},
    [SCAN_TASK] = {"scan task", "task", "SELECT total(length(data)) FROM task NOT INDEXED"},
};

/* The pages of a tree by SQLite's dbstat, where it was built with it. */
static int64_t tree_bytes(store *s, const char *tree) {
  detail ignored;
  query *q = NULL;
  int row = 0;
  int64_t bytes = -1;
  if (query_open(&q, s, "SELECT pgsize FROM dbstat WHERE name = ? AND aggregate = TRUE",
                 &ignored)) {
    return -1;
  }
  query_bind_text(q, 1, tree);
  if (!query_next(q, &row, &ignored) && row) bytes = query_int(q, 0);
  query_close(q);
  return bytes;
}

static status read_tables(bench_figures *f, store *s, int times, const bench_figure *tables[SCANS],
                          detail *err) {
  for (int i = 0; i < SCANS; i++) {
    bench_figure *out = NULL;
    task t = {run_query, s, scans[i].sql};
    status failed = bench_add(f, &out, scans[i].name, "s", err);
    if (!failed) failed = time_of(&t, times, out, err);
    if (failed) return failed;
    out->rows = -1;
    out->bytes = tree_bytes(s, scans[i].tree);
    tables[i] = out;
  }
  return OK;
}

/* The time and the bytes of the passes that a reading cannot do without. */
static void put_ceiling(bench_figure *out, const bench_figure *const tables[SCANS], unsigned of) {
  out->ceiling = 0;
  out->bytes = 0;
  for (int i = 0; i < SCANS; i++) {
    if (!(of >> i & 1)) continue;
    out->ceiling += tables[i]->median;
    if (out->bytes >= 0) out->bytes = tables[i]->bytes < 0 ? -1 : out->bytes + tables[i]->bytes;
  }
  out->share = out->median > 0 ? out->ceiling / out->median : -1;
}

/* ---- views ----------------------------------------------------------------------------------- */

enum {
  SCORES = 1 << SCAN_INDEX | 1 << SCAN_VERDICT | 1 << SCAN_TASK,
  SAMPLES = 1 << SCAN_SAMPLE | 1 << SCAN_VERDICT | 1 << SCAN_TASK
};

/* What each view has to read at least; a view that is not named here has no ceiling. */
static const struct {
  const char *view;
  unsigned of;
} needs[] = {
    {"samples", SAMPLES},        {"threads", 1 << SCAN_THREAD},  {"task_scores", SCORES},
    {"accuracy", SCORES},        {"accuracy_by_budget", SCORES}, {"pass_at_k", SCORES},
    {"paired", SCORES},          {"latency", 1 << SCAN_SAMPLE},  {"token_use", 1 << SCAN_SAMPLE},
    {"capped", 1 << SCAN_INDEX}, {"failures", 1 << SCAN_INDEX},
};

static unsigned needs_of(const char *view) {
  for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
    if (!strcmp(needs[i].view, view)) return needs[i].of;
  }
  return 0;
}

static status read_view(bench_figures *f, store *s, int times, const char *view,
                        const bench_figure *const tables[SCANS], logger *messages, detail *err) {
  char name[160], sql[320];
  bench_figure *out = NULL;
  (void)snprintf(name, sizeof name, "view %s", view);
  /* sqlite's quotes, for a store may come from anybody */
  if (strpbrk(view, "\"") || strlen(view) > 100) {
    return fault(err, E_STORE, "%s holds a view that nightjar never makes", store_path(s));
  }
  (void)snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", view);
  log_progress(messages, "%s", name);
  task t = {run_query, s, sql};
  status failed = bench_add(f, &out, name, "s", err);
  if (!failed) failed = time_of(&t, times, out, err);
  if (!failed && needs_of(view)) put_ceiling(out, tables, needs_of(view));
  return failed;
}

static status read_views(bench_figures *f, store *s, int times,
                         const bench_figure *const tables[SCANS], logger *messages, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY rowid "
                             "LIMIT 32",
                             err);
  for (int row = 1; !failed && !(failed = query_next(q, &row, err)) && row;)
    failed = read_view(f, s, times, query_text(q, 0), tables, messages, err);
  query_close(q);
  return failed;
}

/* ---- the report ------------------------------------------------------------------------------ */

static status run_report(const task *t, bench_figure *out, detail *err) {
  text page;
  report_options o = {.job = NULL};
  text_open(&page, REPORT_BYTES_MAX);
  status failed = report_text(t->s, &o, &page, err);
  out->rows = 0;
  for (const char *at = text_string(&page); (at = strchr(at, '\n')); at++)
    out->rows++;
  text_close(&page);
  return failed;
}

/* What a sample takes in all tables but that of traces, by SQLite's dbstat. */
static status add_size(bench_figures *f, store *s, detail *err) {
  bench_figure *out = NULL;
  query *q = NULL;
  int row = 0;
  detail ignored;
  status failed = bench_add(f, &out, "sample without traces", "B", err);
  if (failed ||
      query_open(&q, s,
                 "SELECT sum(d.pgsize) * 1.0 / (SELECT count(*) FROM sample) FROM sqlite_schema m "
                 "CROSS JOIN dbstat d ON d.name = m.name AND d.aggregate = TRUE "
                 "WHERE m.rootpage > 0 AND m.tbl_name <> 'trace'",
                 &ignored)) {
    return failed;
  }
  failed = query_next(q, &row, err);
  if (!failed && row && !query_is_null(q, 0)) out->median = query_real(q, 0);
  query_close(q);
  return failed;
}

status bench_compare(bench_figures *f, store *s, detail *err) {
  bench_figure *out = NULL;
  bench_memory grown = bench_memory_start();
  int64_t start = clock_monotonic_ns();
  status failed = report_comparisons(s, BENCH_JOB, err);
  double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
  if (!failed) failed = bench_add(f, &out, "comparisons", "s", err);
  if (failed) return failed;
  out->median = seconds;
  out->memory_bytes = bench_memory_grown(&grown);
  return OK;
}

status bench_read(bench_figures *f, store *s, int times, logger *messages, detail *err) {
  const bench_figure *tables[SCANS];
  bench_figure *report = NULL;
  log_info(messages, "reading %s, each part %d times", store_path(s), times);
  status failed = add_size(f, s, err);
  if (!failed) failed = read_tables(f, s, times, tables, err);
  if (!failed) failed = read_views(f, s, times, tables, messages, err);
  if (!failed) failed = bench_add(f, &report, "report", "s", err);
  if (failed) return failed;
  log_progress(messages, "report");
  task t = {run_report, s, NULL};
  failed = time_of(&t, times, report, err);
  put_ceiling(report, tables, SCORES);
  log_progress_end(messages);
  return failed;
}
