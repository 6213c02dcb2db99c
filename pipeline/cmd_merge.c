/* nightjar merge: the stores of shards, or of other nights, into one. */
#include "base/memory.h"
#include "pipeline/output.h"
#include "reports/report.h"
#include "store/merge.h"
#include "store/query.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* ---- before anything is written ---------------------------------------------------------------
 */

/* A name that is wrong is found before the first input is merged. */
static status check_inputs(const invocation *in, detail *err) {
  struct stat out, one;
  int there = stat(in->arguments[0], &out) == 0;
  for (int i = 1; i < in->argument_count; i++) {
    if (stat(in->arguments[i], &one) != 0) {
      return fault(err, E_INPUT, "cannot merge %s (%s): check its name; nothing was merged",
                   in->arguments[i], strerror(errno));
    }
    if (there && one.st_dev == out.st_dev && one.st_ino == out.st_ino) {
      return fault(err, E_INPUT,
                   "%s is both the store that is merged into and one of the others; name it once, "
                   "first",
                   in->arguments[i]);
    }
  }
  return OK;
}

/* ---- merging ----------------------------------------------------------------------------------
 */

/* Says which inputs are in, since those before the one that failed stay. Takes no memory: there may
   be none. */
static void name_merged(const invocation *in, int merged, detail *err) {
  size_t used = strlen(err->text), size = sizeof err->text;
  for (int i = 1; i <= merged && used < size; i++) {
    const char *before = i == 1 ? "; merged before it: " : ", ";
    int count = snprintf(err->text + used, size - used, "%s%s", before, in->arguments[i]);
    used += count > 0 ? (size_t)count : 0;
  }
}

static status merge_inputs(const invocation *in, store *s, store_merged *counts, int *merged,
                           detail *err) {
  for (int i = 1; i < in->argument_count; i++) {
    status st = store_merge(s, in->arguments[i], &counts[i], err);
    if (st) {
      if (err) name_merged(in, *merged, err);
      return st;
    }
    *merged = i;
  }
  return OK;
}

/* Comparisons are derived: every job's are computed again where its samples changed. */
static status compare_again(const invocation *in, store *s, detail *err) {
  text name;
  text_open(&name, 1 << 16);
  int found;
  status st = command_job_at(s, NULL, 0, &name, &found, err);
  for (int64_t number = 1; !st && found; number++) {
    detail refused = {0};
    status compared = report_comparisons(s, text_string(&name), &refused);
    if (compared == E_INPUT) log_warn(in->messages, "%s", refused.text);
    if (compared && compared != E_INPUT) {
      st = compared;
      if (err) *err = refused;
    }
    if (!st) st = command_job_at(s, NULL, number, &name, &found, err);
  }
  text_close(&name);
  return st;
}

/* ---- printing ---------------------------------------------------------------------------------
 */

/* What the store holds now, and what its jobs still want of it. Of a run that conditions share, one
   may want more tasks and another more repeats: what they want together is counted in steps, each
   number of repeats with the most tasks that are wanted so often. */
typedef struct totals {
  int64_t samples, left;
} totals;

static status read_totals(store *s, totals *t, detail *err) {
  query *q = NULL;
  int row = 0;
  status st = query_open(
      &q, s,
      "WITH step AS MATERIALIZED (SELECT run, repeats, max(max(tasks)) OVER (PARTITION BY run "
      "ORDER BY repeats DESC) AS tasks, repeats - lead(repeats, 1, 0) OVER (PARTITION BY run "
      "ORDER BY repeats DESC) AS high FROM condition GROUP BY run, repeats) "
      "SELECT (SELECT count(*) FROM sample), coalesce((SELECT sum(tasks * high) FROM step), 0) - "
      "(SELECT count(*) FROM sample s JOIN task t ON t.id = s.task WHERE s.status <> 'failed' AND "
      "EXISTS (SELECT 1 FROM step w WHERE w.run = s.run AND s.repeat < w.repeats AND "
      "t.ordinal < w.tasks))",
      err);
  if (!st) st = query_next(q, &row, err);
  if (row) *t = (totals){.samples = query_int(q, 0), .left = query_int(q, 1)};
  query_close(q);
  return st;
}

static void put_table(const invocation *in, const store_merged *counts, text *out) {
  static const listing_column columns[] = {{"input", 0},    {"task sets", 1},  {"runs", 1},
                                           {"jobs", 1},     {"conditions", 1}, {"new", 1},
                                           {"replaced", 1}, {"equal", 1},      {"kept", 1},
                                           {"verdicts", 1}, {"processes", 1}};
  listing rows;
  listing_open(&rows, columns, sizeof columns / sizeof columns[0]);
  for (int i = 1; i < in->argument_count; i++) {
    const store_merged *c = &counts[i];
    listing_text(&rows, in->arguments[i]);
    listing_int(&rows, c->task_sets);
    listing_int(&rows, c->runs);
    listing_int(&rows, c->jobs);
    listing_int(&rows, c->conditions);
    listing_int(&rows, c->samples);
    listing_int(&rows, c->samples_replaced);
    listing_int(&rows, c->samples_equal);
    listing_int(&rows, c->samples_kept);
    listing_int(&rows, c->verdicts);
    listing_int(&rows, c->processes);
  }
  listing_print(&rows, out);
  listing_close(&rows);
}

static json_t *input_json(const char *name, const store_merged *c) {
  return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "input",
                   output_json_text(name, strlen(name)), "task_sets", (json_int_t)c->task_sets,
                   "tasks", (json_int_t)c->tasks, "tasks_differing", (json_int_t)c->tasks_differing,
                   "processes", (json_int_t)c->processes, "runs", (json_int_t)c->runs, "jobs",
                   (json_int_t)c->jobs, "conditions", (json_int_t)c->conditions, "samples",
                   (json_int_t)c->samples, "samples_replaced", (json_int_t)c->samples_replaced,
                   "samples_equal", (json_int_t)c->samples_equal, "samples_kept",
                   (json_int_t)c->samples_kept, "verdicts", (json_int_t)c->verdicts);
}

static status print_json(const invocation *in, const store_merged *counts, const totals *t,
                         detail *err) {
  json_t *list = json_array();
  for (int i = 1; list && i < in->argument_count; i++) {
    if (!json_array_append_new(list, input_json(in->arguments[i], &counts[i]))) continue;
    json_decref(list);
    list = NULL;
  }
  const char *out = in->arguments[0];
  return output_json(in,
                     json_pack("{s:o, s:o, s:I, s:I}", "out", output_json_text(out, strlen(out)),
                               "inputs", list, "samples", (json_int_t)t->samples, "samples_left",
                               (json_int_t)t->left),
                     err);
}

static status print_merged(const invocation *in, store *s, const store_merged *counts,
                           detail *err) {
  totals t = {0};
  status st = read_totals(s, &t, err);
  if (st || in->json) return st ? st : print_json(in, counts, &t, err);
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  put_table(in, counts, &out);
  text_format(&out, "\n%s holds %lld samples", in->arguments[0], (long long)t.samples);
  if (t.left > 0) {
    text_format(&out,
                "; %lld that its jobs want are missing or failed:\nmerge the other shards, or "
                "nightjar run JOB.yaml --db ",
                (long long)t.left);
    output_shell_word(&out, in->arguments[0]);
    text_put(&out, " makes them here\n");
  } else {
    text_put(&out, ", all that its jobs want: nightjar report --text --db ");
    output_shell_word(&out, in->arguments[0]);
    text_char(&out, '\n');
  }
  st = command_print(in, &out, err);
  text_close(&out);
  return st;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static status merge_into(const invocation *in, store *s, detail *err) {
  int merged = 0;
  store_merged *counts = memory_zeroed((size_t)in->argument_count, sizeof *counts);
  if (!counts) return fault(err, E_MEMORY, "no memory to merge");
  status st = merge_inputs(in, s, counts, &merged, err);
  /* What is in is compared again even when a later input failed. */
  detail why = {0};
  status compared = merged ? compare_again(in, s, &why) : OK;
  if (!st && compared) {
    st = compared;
    if (err) *err = why;
  }
  if (!st) st = print_merged(in, s, counts, err);
  memory_free(counts);
  return st;
}

static status run(const invocation *in, detail *err) {
  store *s = NULL;
  status st = check_inputs(in, err);
  if (!st) st = store_open(&s, in->arguments[0], STORE_WRITE, in->messages, err);
  if (!st) st = merge_into(in, s, err);
  if (!st) return store_close(s, err);
  store_discard(s); /* a store that was made for inputs of which none came in goes again */
  return st;
}

const command command_merge = {
    .name = "merge",
    .arguments = "OUT IN...",
    .summary = "Merges the stores of shards, or of other nights, into one.",
    .more =
        "OUT is made where it is not there; what it holds stays. Merging a store again adds "
        "nothing.\nA run of another class or seed stays another run. The same sample with other "
        "bits is an error,\nand nothing of that input is merged. The inputs are only read; one of "
        "an older "
        "version is first\nbrought up to date, and its old file stays beside it.\n"
        "Shards by hand and in a cluster: docs/shards.md.\n",
    .options = NULL,
    .arguments_min = 2,
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .prints_data = 1,
    .names_stores = 1,
    .run = run};
