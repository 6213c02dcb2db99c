#include "reports/page_internal.h"
#include "store/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_BYTES = 1024, NAMES_BYTES_MAX = 64 << 20 };

const char *page_paint(const page *p, const char *escape) {
  return p->color ? escape : NULL;
}

/* The words behind the label, in as many lines as they need, each as far in as the first. The last
   is left open. */
static void put_wrapped(const page *p, const char *label, const char *words) {
  int indent = (int)strlen(label), used = indent;
  int width = p->width < PAGE_WIDTH ? p->width : PAGE_WIDTH;
  text_put(p->out, label);
  for (words += strspn(words, " "); *words; words += strspn(words, " ")) {
    int wide = (int)strcspn(words, " ");
    if (used > indent && used + 1 + wide > width) {
      text_format(p->out, "\n%*s", indent, "");
      used = indent;
    } else if (used > indent) {
      text_char(p->out, ' ');
      used++;
    }
    text_printable(p->out, words, (size_t)wide);
    used += wide;
    words += wide;
  }
}

void page_strong(const page *p, const char *line) {
  if (p->color) text_put(p->out, "\x1b[1m");
  put_wrapped(p, "", line);
  text_put(p->out, p->color ? "\x1b[0m\n" : "\n");
}

static void put_line(const page *p, const char *label, const char *words) {
  put_wrapped(p, label, words);
  text_char(p->out, '\n');
}

void page_title(const page *p, const char *format, ...) {
  char title[NOTE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(title, sizeof title, format, arguments);
  va_end(arguments);
  text_char(p->out, '\n');
  page_strong(p, title);
}

void page_note(const page *p, const char *format, ...) {
  char note[NOTE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(note, sizeof note, format, arguments);
  va_end(arguments);
  put_line(p, "  ", note);
}

status page_list(const page *p, const page_listing *l, detail *err) {
  query *q = NULL;
  int row = 0, rows = 0;
  table t;
  status failed = query_open(&q, p->s, l->sql, err);
  if (failed) return failed;
  query_bind_text(q, 1, p->all->job);
  table_open(&t, p->memory, l->columns);
  l->put_header(p, &t);
  for (; !(failed = query_next(q, &row, err)) && row; rows++)
    l->put_row(&t, q);
  query_close(q);
  if (failed || !rows) return failed;
  page_title(p, "%s", l->title);
  failed = table_write(&t, p->width, p->out, err);
  if (!failed) page_note(p, "%s", l->note);
  return failed;
}

/* ---- what the page is about ------------------------------------------------------------------ */

typedef struct job_head {
  int64_t conditions, wanted, tasks, repeats;
  const char *task_set, *modes, *classes, *units, *checkers;
  const char *models; /* "" without any */
  int64_t class_count;
} job_head;

static status read_head(job_head *head, const page *p, detail *err) {
  query *q = NULL;
  int row = 0;
  status failed =
      query_open(&q, p->s,
                 "SELECT count(*), coalesce(sum(c.repeats * min(c.tasks, w.tasks)), 0), "
                 "coalesce(max(min(c.tasks, w.tasks)), 0), coalesce(max(c.repeats), 0), "
                 "max(w.name || '@' || w.version), group_concat(DISTINCT r.mode), "
                 "group_concat(DISTINCT r.determinism_class), group_concat(DISTINCT r.token_unit), "
                 "group_concat(DISTINCT c.checker), count(DISTINCT r.determinism_class), "
                 "replace(group_concat(DISTINCT coalesce(m.name || printf(' (%s, %.1f M "
                 "parameters)', m.architecture, m.parameters / 1e6), "
                 "nullif(hex(substr(r.model_hash, 1, 6)), ''))), '),', '), ') FROM condition c "
                 "JOIN run r ON r.id = c.run JOIN task_set w ON w.id = r.task_set "
                 "LEFT JOIN model m ON m.hash = r.model_hash WHERE c.job = ?",
                 err);
  if (failed) return failed;
  query_bind_text(q, 1, p->all->job);
  failed = query_next(q, &row, err);
  if (!failed) {
    *head = (job_head){query_int(q, 0),
                       query_int(q, 1),
                       query_int(q, 2),
                       query_int(q, 3),
                       query_keep(q, 4, p->memory),
                       query_keep(q, 5, p->memory),
                       query_keep(q, 6, p->memory),
                       query_keep(q, 7, p->memory),
                       query_keep(q, 8, p->memory),
                       query_keep(q, 10, p->memory),
                       query_int(q, 9)};
    if (!head->task_set || !head->modes || !head->classes || !head->units || !head->checkers ||
        !head->models) {
      failed = arena_full(p->memory, err);
    }
  }
  query_close(q);
  return failed;
}

static status read_condition(page_condition *c, const page *p, const query *q, detail *err) {
  *c = (page_condition){.name = query_keep(q, 0, p->memory),
                        .family = query_keep(q, 1, p->memory),
                        .split = query_keep(q, 2, p->memory),
                        .method = query_keep(q, 3, p->memory),
                        .tasks = query_int(q, 4),
                        .clusters = query_int(q, 5),
                        .samples = query_int(q, 6),
                        .errors = query_int(q, 7),
                        .capped = query_int(q, 8),
                        .unjudged = query_int(q, 9),
                        .accuracy = scores_number(q, 10),
                        .lo95 = scores_number(q, 11),
                        .hi95 = scores_number(q, 12),
                        .tokens_ref = scores_number(q, 13),
                        .seq_critical_path = scores_number(q, 14),
                        .context_peak = scores_number(q, 15)};
  return c->name && c->family && c->split && c->method ? OK : arena_full(p->memory, err);
}

/* The view is read once a page: on a million samples it takes seconds. */
static status read_conditions(const page *p, page_condition **out, size_t *count, detail *err) {
  query *q = NULL;
  *count = 0;
  *out = arena_take(p->memory, p->all->count + 1, sizeof **out);
  if (!*out) return arena_full(p->memory, err);
  status failed =
      query_open(&q, p->s,
                 "SELECT condition, family, split, interval_method, tasks, clusters, samples, "
                 "errors, capped, unjudged, accuracy, lo95, hi95, tokens_ref, seq_critical_path, "
                 "context_peak FROM accuracy WHERE job = ? ORDER BY condition_ordinal",
                 err);
  if (failed) return failed;
  query_bind_text(q, 1, p->all->job);
  for (int row = 0; !(failed = query_next(q, &row, err)) && row && *count < p->all->count;) {
    failed = read_condition(&(*out)[(*count)++], p, q, err);
    if (failed) break;
  }
  query_close(q);
  return failed;
}

/* ---- head and validity ----------------------------------------------------------------------- */

typedef struct totals {
  int64_t samples, errors, capped, unjudged, derived;
  const char *split; /* "" none, "mixed" several */
} totals;

static totals add_up(const page_condition *conditions, size_t count) {
  totals sum = {.split = count ? conditions[0].split : ""};
  for (size_t i = 0; i < count; i++) {
    sum.samples += conditions[i].samples;
    sum.errors += conditions[i].errors;
    sum.capped += conditions[i].capped;
    sum.unjudged += conditions[i].unjudged;
    sum.derived += conditions[i].derived;
    if (strcmp(sum.split, conditions[i].split)) sum.split = "mixed";
  }
  return sum;
}

static void put_pair(const page *p, const char *label, const char *value) {
  text_put(p->out, label);
  text_printable(p->out, value, strlen(value));
}

static status put_head(const page *p, const job_head *head, const totals *sum, detail *err) {
  int64_t there = sum->samples + sum->errors + sum->unjudged;
  char title[NOTE_BYTES];
  (void)snprintf(title, sizeof title, "Job %s", p->all->job);
  page_strong(p, title);
  put_pair(p, "  tasks    ", head->task_set);
  text_format(p->out, ", %lld tasks", (long long)head->tasks);
  if (sum->split[0]) put_pair(p, ", partition ", sum->split);
  text_char(p->out, '\n');
  text_format(p->out, "  samples  %lld of %lld: %lld conditions, %lld repeat%s a task\n",
              (long long)there, (long long)head->wanted, (long long)head->conditions,
              (long long)head->repeats, head->repeats == 1 ? "" : "s");
  text line;
  text_open(&line, NAMES_BYTES_MAX);
  if (head->models[0]) {
    put_line(p, "  model    ", head->models);
    text_format(&line, "%s; checker %s", head->modes, head->checkers);
    put_line(p, "  modes    ", text_string(&line));
    text_clear(&line);
    text_format(&line, "%s; tokens as %s counts them", head->classes, head->units);
    put_line(p, "  class    ", text_string(&line));
  } else {
    text_format(&line, "%s, class %s, tokens as %s counts them; checker %s", head->modes,
                head->classes, head->units, head->checkers);
    put_line(p, "  solver   ", text_string(&line));
  }
  status failed = text_state(&line, err);
  text_close(&line);
  return failed;
}

static void put_finisher(const page *p, const job_head *head) {
  size_t on = 0, count = p->all->count;
  for (size_t i = 0; i < count; i++)
    on += (size_t)p->all->conditions[i].has_finisher;
  if (on == count) {
    page_note(p,
              "The finisher is on in every condition: what a limit cuts is asked for its answer.");
  } else if (on) {
    page_note(p,
              "The finisher is on in %zu of %zu conditions: those with it and those without do not "
              "compare.",
              on, count);
  } else if (head->models[0]) {
    page_note(p, "The finisher is off: what a limit cuts has the answer that it had.");
  }
}

static void put_validity(const page *p, const job_head *head, const totals *sum) {
  double finished = sum->samples ? (double)sum->samples : 1;
  page_title(p, "Validity");
  page_note(
      p, "%lld failed, left out of every accuracy; %lld capped (%.1f %%), scored as they stand%s.",
      (long long)sum->errors, (long long)sum->capped, 100 * (double)sum->capped / finished,
      sum->capped ? ": 0 unless an answer was found" : "");
  if (sum->unjudged) {
    page_note(p,
              "%lld finished samples have no verdict by their condition's checker: `nightjar "
              "rescore` gives them one.",
              (long long)sum->unjudged);
  }
  if (!strcmp(sum->split, "mixed")) {
    page_note(p, "Partitions are mixed: some tasks may have been trained or tuned on.");
  }
  if (head->class_count > 1) {
    page_note(p, "Determinism classes are mixed (%s): equal seeds need not give equal samples.",
              head->classes);
  }
  if (strchr(head->checkers, ',')) {
    page_note(p, "Several checkers judge (%s): accuracies by different ones do not compare.",
              head->checkers);
  }
  put_finisher(p, head);
  if (sum->derived) {
    page_note(p,
              "%lld samples are derived: made from a larger sample's tokens, of which they are a "
              "part, bit for bit what running them gives. They have no latency.",
              (long long)sum->derived);
  }
  if (sum->samples + sum->errors + sum->unjudged < head->wanted) {
    page_note(p, "The job is not complete: what follows may still move.");
  }
}

/* ---- accuracy -------------------------------------------------------------------------------- */

static void put_count(table *t, double value) {
  if (stats_known(value)) {
    table_cell(t, "%.0f", value);
  } else {
    table_cell(t, "-");
  }
}

static void put_condition(table *t, const page_condition *c) {
  table_cell(t, "%s", c->name);
  if (stats_known(c->accuracy)) {
    table_cell(t, "%.1f", 100 * c->accuracy);
  } else {
    table_cell(t, "-");
  }
  if (stats_known(c->lo95)) {
    table_cell(t, "[%.1f, %.1f]", 100 * c->lo95, 100 * c->hi95);
  } else {
    table_cell(t, "-");
  }
  table_cell(t, "%lld", (long long)c->capped);
  table_cell(t, "%lld", (long long)c->errors);
  put_count(t, c->tokens_ref);
  put_count(t, c->seq_critical_path);
  put_count(t, c->context_peak);
  if (stats_known(c->batch.p50_ms)) {
    table_cell(t, "%.*f", c->batch.p50_ms < 1 ? 3 : c->batch.p50_ms < 100 ? 1 : 0, c->batch.p50_ms);
  } else {
    table_cell(t, "-");
  }
}

static status put_accuracy(const page *p, const page_condition *conditions, size_t count,
                           detail *err) {
  static const char *const titles[] = {"condition", "%",        "95 % interval", "capped", "failed",
                                       "tokens",    "critical", "peak",          "p50 ms"};
  table t;
  page_title(p, "Accuracy by condition (mean tokens_ref, seq_critical_path, context_peak)");
  table_open(&t, p->memory, "Lrrrrrrrr");
  table_next(&t, page_paint(p, "\x1b[2m"));
  for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
    table_cell(&t, "%s", titles[i]);
  for (size_t i = 0; i < count; i++) {
    table_next(&t, NULL);
    put_condition(&t, &conditions[i]);
  }
  return table_write(&t, p->width, p->out, err);
}

/* ---- the other parts ------------------------------------------------------------------------- */

static status put_verdicts(const page *p, detail *err) {
  comparisons c;
  detail why = {0};
  page_title(p, "Declared comparisons (paired by task; in points; p by Holm over all of them)");
  status failed = comparisons_of(&c, p->s, p->all, &why);
  if (failed == E_INPUT) { /* the job's mistake, which must not hide the rest of the page */
    page_note(p, "Refused: %s.", why.text);
    return OK;
  }
  if (failed) {
    if (err) *err = why;
    return failed;
  }
  if (c.unkept && p->unkept) *p->unkept = 1;
  if (!c.count) {
    page_note(p, "The job declares none, so no p and no verdict is shown: what is asked after the "
                 "numbers are seen is exploratory. Name contrasts under `compare:` in the job.");
    return OK;
  }
  failed = page_contrasts(p, c.rows, c.count, err);
  if (!failed) page_contrast_notes(p, c.rows, c.count);
  return failed;
}

static status put_power(const page *p, detail *err) {
  double se = 0;
  int64_t pairs = 0;
  status failed = page_pair_errors(p, &se, &pairs, err);
  if (failed) return failed;
  page_title(p, "What this job can see");
  if (!pairs) {
    page_note(p, "No two conditions differ on any shared task, so nothing is known of its power.");
    return OK;
  }
  page_note(
      p,
      "The smallest difference between two conditions that is seen with 80 %% power, one test "
      "at 0.05: %.1f points (the median of %lld pairs).",
      100 * stats_smallest_difference(se, CONTRAST_LEVEL), (long long)pairs);
  return OK;
}

static void put_legend(const page *p) {
  page_note(p,
            "*: ahead of the next by more than its 95 %% interval, each budget looked at alone. "
            "=: cannot tell it from the next. Between a family's conditions accuracies are "
            "interpolated. <: the whole family costs less, its costliest condition stands. -: it "
            "costs more.");
}

static void put_conditional(const page *p, const job_head *head) {
  text_char(p->out, '\n');
  page_note(p,
            "Intervals say how accuracies might differ on other tasks drawn like these. They are "
            "conditional on the %s, the seed and the checker. Latencies are of the batch that ran "
            "and are no comparison of methods, where no other kind is named.",
            head->models[0] ? "checkpoint" : "solvers");
}

static status put_job(const page *p, detail *err) {
  job_head head;
  page_condition *conditions;
  size_t count;
  status failed = read_head(&head, p, err);
  if (!failed) failed = read_conditions(p, &conditions, &count, err);
  if (!failed) failed = page_latencies(p, conditions, count, err);
  if (failed) return failed;
  totals sum = add_up(conditions, count);
  failed = put_head(p, &head, &sum, err);
  if (failed) return failed;
  if (!count) {
    text_char(p->out, '\n');
    page_note(p, "No sample has been stored for this job yet: `nightjar run` with its job file "
                 "starts it, or continues it where it stopped.");
    return OK;
  }
  put_validity(p, &head, &sum);
  failed = put_verdicts(p, err);
  if (!failed) failed = put_accuracy(p, conditions, count, err);
  if (!failed) failed = page_budgets(p, conditions, count, err);
  if (!failed) put_legend(p);
  if (!failed) failed = page_enforced(p, conditions, count, err);
  if (!failed) failed = page_draws(p, err);
  if (!failed) failed = page_spawning(p, err);
  if (!failed) failed = page_workers(p, err);
  if (!failed) failed = page_latency_table(p, conditions, count, head.models[0] != 0, err);
  if (!failed) failed = page_throughput(p, err);
  if (!failed) failed = put_power(p, err);
  if (!failed) put_conditional(p, &head);
  return failed;
}

static status put_page(store *s, const char *job, const report_options *o, text *out, detail *err) {
  arena *memory = NULL;
  scores all;
  status failed = arena_open(&memory, SCORES_BYTES_MAX, err);
  if (!failed) failed = scores_load(&all, s, job, memory, err);
  if (!failed) {
    int width = o->width > 0 ? o->width : PAGE_WIDTH;
    page p = {s, &all, memory, out, o->color, width, o->unkept};
    failed = put_job(&p, err);
  }
  arena_close(memory);
  return failed;
}

/* The names are read before the first page, since a page may write to the store. */
status page_jobs(store *s, arena *memory, const char ***names, size_t *count, detail *err) {
  query *q = NULL;
  size_t room = 0;
  *count = 0;
  status failed =
      query_open(&q, s, "SELECT name, (SELECT count(*) FROM job) FROM job ORDER BY name", err);
  for (int row = 0; !failed && !(failed = query_next(q, &row, err)) && row;) {
    if (!*count) {
      room = (size_t)query_int(q, 1);
      *names = arena_take(memory, room, sizeof **names);
      if (!*names) failed = arena_full(memory, err);
    }
    const char *name = query_text(q, 0);
    char *copy = failed || *count == room ? NULL : arena_text(memory, name, strlen(name));
    if (!failed && !copy) failed = arena_full(memory, err);
    if (!failed) (*names)[(*count)++] = copy;
  }
  query_close(q);
  return failed;
}

static status put_all(store *s, arena *memory, const report_options *o, text *out, detail *err) {
  const char **names = NULL;
  size_t count = 0;
  status failed = page_jobs(s, memory, &names, &count, err);
  for (size_t i = 0; i < count && !failed; i++) {
    if (i) text_put(out, "\n\n");
    failed = put_page(s, names[i], o, out, err);
  }
  if (!failed && !count) {
    text_format(out, "%s holds no job yet. `nightjar run JOB.yaml` makes one and fills it.\n",
                store_path(s));
  }
  return failed;
}

status report_text(store *s, const report_options *o, text *out, detail *err) {
  if (o->job && !o->json) {
    status failed = put_page(s, o->job, o, out, err);
    return failed ? failed : text_state(out, err);
  }
  arena *memory = NULL; /* of the names of jobs */
  status failed = arena_open(&memory, NAMES_BYTES_MAX, err);
  if (!failed) {
    failed = o->json ? page_json(s, memory, o->job, out, err) : put_all(s, memory, o, out, err);
  }
  arena_close(memory);
  return failed ? failed : text_state(out, err);
}
