/* nightjar report and nightjar compare: what a person reads of a store. */
#include "pipeline/command.h"
#include "reports/report.h"
#include "store/query.h"

#include <stdlib.h>

enum { REPORT_BYTES_MAX = 64 << 20, BUDGETS_MAX = 64 };

/* For writing where that is possible, since comparisons that are computed here are kept; for
   reading where another process writes or the file may not be written. */
static status open_for_report(const invocation *in, store **out, detail *err) {
  store *s = NULL;
  status st = command_store(in, STORE_READ, &s, err);
  if (st) return st;
  detail ignored = {0};
  st = store_close(s, err);
  if (st || store_open(out, in->db, STORE_WRITE, NULL, &ignored) == OK) return st;
  return command_store(in, STORE_READ, out, err);
}

static status with_store(const invocation *in,
                         status (*fill)(const invocation *in, store *s, text *out, detail *err),
                         detail *err) {
  store *s = NULL;
  text out;
  text_open(&out, REPORT_BYTES_MAX);
  status st = open_for_report(in, &s, err);
  if (!st) st = fill(in, s, &out, err);
  if (!st) st = command_print(in, &out, err);
  text_close(&out);
  status closed = store_close(s, st ? NULL : err);
  return st ? st : closed;
}

/* A wide terminal shows long names whole; a narrow one is not obeyed below what the tables need. */
static report_options options_of(const invocation *in, const char *job) {
  int width = in->width < 100 ? 100 : in->width < 160 ? in->width : 160;
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
  return with_store(in, fill_report, err);
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
  return with_store(in, fill_compare, err);
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
    .run = run_compare};
