/* nightjar report and nightjar compare: what a person reads of a store. */
#include "pipeline/command.h"
#include "reports/report.h"
#include "store/place.h"
#include "store/query.h"

#include <stdlib.h>
#include <string.h>

enum { REPORT_BYTES_MAX = 64 << 20, BUDGETS_MAX = 64 };

/* Opens for writing where that is possible, since an exploratory comparison is kept; for reading
   where another process writes or the file may not be written. */
static status open_for_compare(const invocation *in, store **out, detail *err) {
  detail ignored = {0};
  char who[320];
  status st = command_store(in, STORE_READ, out, err);
  if (st || place_holder(in->db, who, sizeof who) == HOLDER_ALIVE) return st;
  st = store_close(*out, err);
  *out = NULL;
  if (st || store_open(out, in->db, STORE_WRITE, NULL, &ignored) == OK) return st;
  return command_store(in, STORE_READ, out, err);
}

/* Declared comparisons that are no more true are computed again and kept, where that is possible;
   otherwise a report computes them for itself. */
static status refresh_job(const invocation *in, const char *job, detail *err) {
  store *s = NULL;
  int stale = 0;
  char who[320];
  detail ignored = {0};
  status st = command_store(in, STORE_READ, &s, err);
  if (!st && report_stale(s, job, &stale, &ignored)) stale = 0; /* the report will say why */
  status closed = store_close(s, st ? NULL : err);
  if (st || closed || !stale || place_holder(in->db, who, sizeof who) == HOLDER_ALIVE) {
    return st ? st : closed;
  }
  if (store_open(&s, in->db, STORE_WRITE, NULL, &ignored)) return OK;
  status kept = report_comparisons(s, job, &ignored);
  closed = store_close(s, err);
  return kept == E_INPUT ? OK : closed;
}

static status refresh(const invocation *in, detail *err) {
  store *s = NULL;
  query *q = NULL;
  text names; /* each with its zero */
  text_open(&names, 64 << 20);
  status st = command_store(in, STORE_READ, &s, err);
  if (!st) st = query_open(&q, s, "SELECT name FROM job ORDER BY name", err);
  for (int row = 1; !st && row;) {
    st = query_next(q, &row, err);
    if (!st && row) text_add(&names, query_text(q, 0), strlen(query_text(q, 0)) + 1);
  }
  query_close(q);
  status closed = store_close(s, st ? NULL : err);
  if (!st) st = closed ? closed : text_state(&names, err);
  const char *only = command_value(in, "job");
  for (size_t at = 0; !st && at < names.bytes; at += strlen(names.data + at) + 1) {
    if (!only || !strcmp(only, names.data + at)) st = refresh_job(in, names.data + at, err);
  }
  text_close(&names);
  return st;
}

static status with_store(const invocation *in, int keeps,
                         status (*fill)(const invocation *in, store *s, text *out, detail *err),
                         detail *err) {
  store *s = NULL;
  text out;
  text_open(&out, REPORT_BYTES_MAX);
  status st = keeps ? open_for_compare(in, &s, err) : command_store(in, STORE_READ, &s, err);
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

static status run_report(const invocation *in, detail *err) {
  if (!command_flag(in, "text") && !in->json) {
    return fault(err, E_USAGE, "say nightjar report --text, or --json for a program");
  }
  status st = refresh(in, err);
  return st ? st : with_store(in, 0, fill_report, err);
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
    st = fault(err, E_INPUT, row ? "several jobs in %s; say which with --job" : "no job in %s yet",
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
                                .summary = "accuracy, budgets and verdicts as tables",
                                .more = NULL,
                                .options = report_table,
                                .arguments_min = 0,
                                .arguments_max = 0,
                                .prints_data = 1,
                                .run = run_report};

const command command_compare = {
    .name = "compare",
    .arguments = "A B",
    .summary = "one paired comparison of two conditions or families",
    .more =
        "What the job declares gets its p and verdict; anything else is exploratory and gets an "
        "interval.\n",
    .options = compare_table,
    .arguments_min = 2,
    .arguments_max = 2,
    .prints_data = 1,
    .run = run_compare};
