/* nightjar report and nightjar compare: what a person reads of a store. */
#include "pipeline/command.h"
#include "reports/report.h"
#include "store/place.h"
#include "store/query.h"

#include <stdlib.h>

enum { REPORT_BYTES_MAX = 64 << 20, BUDGETS_MAX = 64 };

/* Whether a job (or the one that --job names) has comparisons that are no more true. One that
   cannot be computed is not stale: the report says why. */
static status any_stale(const invocation *in, store *s, int *stale, detail *err) {
  query *q = NULL;
  const char *only = command_value(in, "job");
  status st = query_open(&q, s, "SELECT name FROM job WHERE name = ?1 OR ?1 IS NULL", err);
  if (!st) query_bind_text(q, 1, only);
  *stale = 0;
  for (int row = 1; !st && row && !*stale;) {
    st = query_next(q, &row, err);
    detail ignored = {0};
    if (!st && row && report_stale(s, query_text(q, 0), stale, &ignored)) *stale = 0;
  }
  query_close(q);
  return st;
}

/* For reading, unless there is something to keep (a comparison that is stale or exploratory) and
   nobody writes: then for writing, if the file may be. */
static status open_for(const invocation *in, int keeps, store **out, detail *err) {
  char who[320];
  detail ignored = {0};
  status st = command_store(in, STORE_READ, out, err);
  if (!st && !keeps) st = any_stale(in, *out, &keeps, err);
  if (st || !keeps || place_holder(in->db, who, sizeof who) == HOLDER_ALIVE) return st;
  st = store_close(*out, err);
  *out = NULL;
  if (st || store_open(out, in->db, STORE_WRITE, NULL, &ignored) == OK) return st;
  return command_store(in, STORE_READ, out, err);
}

static status with_store(const invocation *in, int keeps,
                         status (*fill)(const invocation *in, store *s, text *out, detail *err),
                         detail *err) {
  store *s = NULL;
  text out;
  text_open(&out, REPORT_BYTES_MAX);
  status st = open_for(in, keeps, &s, err);
  if (!st) st = fill(in, s, &out, err);
  if (!st) st = command_print(in, &out, err);
  text_close(&out);
  status closed = store_close(s, st ? NULL : err);
  return st ? st : closed;
}

/* A terminal is obeyed from what the tables need; elsewhere no name is cut. */
static report_options options_of(const invocation *in, const char *job) {
  int width = in->width == 0 ? 1000 : in->width < 100 ? 100 : in->width;
  return (report_options){.job = job, .color = in->color, .width = width, .json = in->json};
}

static status fill_report(const invocation *in, store *s, text *out, detail *err) {
  report_options o = options_of(in, command_value(in, "job"));
  return report_text(s, &o, out, err);
}

/* Writes the comparisons of the jobs that were shown into the store, if it may be written and
   nobody else does: otherwise the next report computes them again. */
static void keep_comparisons(const invocation *in) {
  char who[320];
  const char *only = command_value(in, "job");
  store *s = NULL;
  text name;
  detail ignored = {0};
  if (place_holder(in->db, who, sizeof who) == HOLDER_ALIVE) return;
  text_open(&name, 1 << 16);
  status failed = store_open(&s, in->db, STORE_WRITE, NULL, &ignored);
  int found = 0;
  if (!failed) failed = command_job_at(s, only, 0, &name, &found, &ignored);
  for (int64_t number = 1; !failed && found; number++) {
    failed = report_comparisons(s, text_string(&name), &ignored);
    if (failed == E_INPUT) failed = OK; /* the page has said why its contrasts are refused */
    if (!failed) failed = command_job_at(s, only, number, &name, &found, &ignored);
  }
  text_close(&name);
  (void)store_close(s, NULL);
}

/* The page is read first, so that a million samples are read once where nothing is new. */
static status run_text(const invocation *in, detail *err) {
  store *s = NULL;
  text out;
  int unkept = 0;
  report_options o = options_of(in, command_value(in, "job"));
  o.unkept = &unkept;
  text_open(&out, REPORT_BYTES_MAX);
  status failed = command_store(in, STORE_READ, &s, err);
  if (!failed) failed = report_text(s, &o, &out, err);
  if (!failed) failed = command_print(in, &out, err);
  text_close(&out);
  status closed = store_close(s, failed ? NULL : err);
  if (!failed && !closed && unkept) keep_comparisons(in);
  return failed ? failed : closed;
}

static status run_report(const invocation *in, detail *err) {
  if (!command_flag(in, "text") && !in->json) {
    return fault(err, E_USAGE, "say nightjar report --text, or --json for a program");
  }
  return in->json ? with_store(in, 0, fill_report, err) : run_text(in, err);
}

static status read_budgets(const char *list, double at[BUDGETS_MAX], size_t *count, detail *err) {
  *count = 0;
  for (const char *rest = list; rest && *rest;) {
    char *end;
    double value = strtod(rest, &end);
    if (end == rest || (*end && *end != ',') || !(value > 0) || *count == BUDGETS_MAX) {
      return fault(err, E_USAGE,
                   "--at must be at most %d positive numbers such as 1024,2048, not '%s'",
                   (int)BUDGETS_MAX, list);
    }
    at[(*count)++] = value;
    rest = *end ? end + 1 : end;
  }
  return OK;
}

/* The job that --job names, or the only one of the store. */
static status find_job(const invocation *in, store *s, text *out, detail *err) {
  const char *named = command_value(in, "job");
  if (named) {
    text_put(out, named);
    return text_state(out, err);
  }
  query *q = NULL;
  status st = query_open(&q, s, "SELECT name, count(*) OVER () FROM job ORDER BY name", err);
  int row = 0;
  if (!st) st = query_next(q, &row, err);
  if (!st && (!row || query_int(q, 1) > 1)) {
    st = fault(err, E_INPUT,
               row ? "several jobs in %s; say which with --job"
                   : "no job in %s yet; nightjar run stores one",
               in->db);
  }
  if (!st) text_put(out, query_text(q, 0));
  query_close(q);
  return st ? st : text_state(out, err);
}

static status fill_compare(const invocation *in, store *s, text *out, detail *err) {
  double at[BUDGETS_MAX];
  report_contrast c = {
      .a = in->arguments[0], .b = in->arguments[1], .axis = command_value(in, "axis"), .at = at};
  status st = read_budgets(command_value(in, "at"), at, &c.at_count, err);
  if (!st && !c.axis != !c.at_count) {
    st = fault(err, E_USAGE, "--axis and --at belong together, as in --axis tokens_ref --at 2048");
  }
  text job;
  text_open(&job, 1 << 16);
  if (!st) st = find_job(in, s, &job, err);
  c.job = text_string(&job);
  report_options o = options_of(in, NULL);
  if (!st) st = report_compare(s, &c, &o, out, err);
  text_close(&job);
  return st;
}

static status run_compare(const invocation *in, detail *err) {
  return with_store(in, 1, fill_compare, err);
}

static const command_option report_table[] = {{"text", NULL, "tables for a terminal"},
                                              {"job", "NAME", "one job (default: all)"},
                                              {NULL, NULL, NULL}};

static const command_option compare_table[] = {
    {"job", "NAME", "the job that A and B belong to (default: the only one)"},
    {"axis", "AXIS", "at equal budget on this axis, for families"},
    {"at", "LIST", "budgets, as in 1024,2048"},
    {NULL, NULL, NULL}};

const command command_report = {.name = "report",
                                .arguments = "",
                                .summary =
                                    "Prints accuracy, budgets and verdicts as tables (--text).",
                                .more = NULL,
                                .options = report_table,
                                .arguments_min = 0,
                                .arguments_max = 0,
                                .prints_data = 1,
                                .run = run_report};

const command command_compare = {
    .name = "compare",
    .arguments = "A B",
    .summary = "Prints one paired comparison of two conditions or families.",
    .more =
        "What the job declares gets its p and verdict; anything else is exploratory and gets an "
        "interval.\n",
    .options = compare_table,
    .arguments_min = 2,
    .arguments_max = 2,
    .prints_data = 1,
    .run = run_compare};
