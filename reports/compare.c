#include "base/json.h"
#include "reports/page_internal.h"

#include <stdio.h>
#include <string.h>

static const char *axis_of(const report_contrast *c) {
  return c->axis ? c->axis : "";
}

/* The declared row of this question at this budget, or NULL. Asked the other way round it is the
   same question. */
static const contrast_row *find_declared(const comparisons *family, const report_contrast *c,
                                         double budget) {
  for (size_t i = 0; i < family->count; i++) {
    const contrast_row *row = &family->rows[i];
    int same = !strcmp(row->a, c->a) && !strcmp(row->b, c->b);
    int turned = !strcmp(row->a, c->b) && !strcmp(row->b, c->a);
    if ((same || turned) && !strcmp(row->axis, axis_of(c)) && row->budget == budget) return row;
  }
  return NULL;
}

/* What nobody declared is computed by itself, and kept. */
static status explore(store *s, const scores *all, const report_contrast *c, comparisons *out,
                      detail *err) {
  comparisons fresh = {.rows = &out->rows[out->count]};
  status failed = contrast_compute(all, c, -1, 0, fresh.rows, &fresh.count, err);
  if (!failed) failed = contrast_settle(fresh.rows, fresh.count, err);
  if (!failed) failed = comparisons_digest(&fresh.digest, all, c, 1, err);
  if (!failed && store_writable(s)) failed = comparisons_keep(s, all, &fresh, 0, err);
  out->count += fresh.count;
  return failed;
}

/* Declared rows keep their place in the Holm family. */
static status make_rows(store *s, const scores *all, const report_contrast *c, comparisons *out,
                        detail *err) {
  comparisons family = {0};
  detail why = {0};
  status failed = comparisons_of(&family, s, all, &why);
  if (failed && failed != E_INPUT) { /* another contrast may be refused and this one good */
    if (err) *err = why;
    return failed;
  }
  if (failed) family.count = 0;
  size_t wanted = c->at_count ? c->at_count : 1, left = 0;
  double *budgets = arena_take(all->memory, wanted, sizeof *budgets);
  if (!budgets) return arena_full(all->memory, err);
  for (size_t i = 0; i < wanted; i++) {
    double budget = c->at_count ? c->at[i] : 0;
    const contrast_row *row = find_declared(&family, c, budget);
    if (row) {
      out->rows[out->count++] = *row;
    } else {
      budgets[left++] = budget;
    }
  }
  if (!left) return OK;
  report_contrast rest = *c;
  rest.at = budgets;
  rest.at_count = c->at_count ? left : 0;
  return explore(s, all, &rest, out, err);
}

static status put_compare(const page *p, const comparisons *made, detail *err) {
  const contrast_row *first = &made->rows[0];
  char title[1024];
  (void)snprintf(title, sizeof title, "Job %s: %s against %s", p->all->job, first->a, first->b);
  page_strong(p, title);
  status failed = page_contrasts(p, made->rows, made->count, err);
  if (failed) return failed;
  page_contrast_notes(p, made->rows, made->count);
  if (stats_known(first->difference)) {
    page_note(p, "%lld tasks; %s.", (long long)first->tasks, first->method);
  }
  if (first->declared) {
    page_note(p,
              "Declared: p is adjusted by Holm over all that the job declares; equivalent means "
              "within %.3g points.",
              100 * first->margin);
  } else {
    page_note(p, "Exploratory: the job does not declare this contrast, so it has no p and no "
                 "verdict. Declare it under `compare:` before the next run to test it.");
  }
  return OK;
}

static void put_json(text *out, const contrast_row *row) {
  const struct {
    const char *key;
    double value;
  } numbers[] = {{"budget", row->budget},
                 {"tasks", (double)row->tasks},
                 {"accuracy_a", row->accuracy_a},
                 {"accuracy_b", row->accuracy_b},
                 {"difference", row->difference},
                 {"se", row->se},
                 {"lo95", row->lo95},
                 {"hi95", row->hi95},
                 {"p", row->p},
                 {"p_holm", row->p_holm},
                 {"margin", row->margin},
                 {"pairs_dropped", (double)row->dropped}};
  const char *words[][2] = {{"a", row->a},
                            {"b", row->b},
                            {"axis", row->axis},
                            {"checker", row->checker},
                            {"verdict", row->verdict},
                            {"method", row->method}};
  text_format(out, "{\"declared\":%d", row->declared);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    text_format(out, ",\"%s\":", words[i][0]);
    if (words[i][1][0] || strcmp(words[i][0], "verdict") != 0) {
      json_quote(out, words[i][1], strlen(words[i][1]));
    } else {
      text_put(out, "null");
    }
  }
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    text_format(out, ",\"%s\":", numbers[i].key);
    if (stats_known(numbers[i].value)) {
      text_format(out, "%.17g", numbers[i].value);
    } else {
      text_put(out, "null");
    }
  }
  if (row->tasks_needed >= 0) {
    text_format(out, ",\"tasks_needed\":%lld}", (long long)row->tasks_needed);
  } else {
    text_put(out, ",\"tasks_needed\":null}");
  }
}

static void put_json_list(text *out, const comparisons *made) {
  text_put(out, "{\"comparison\":[");
  for (size_t i = 0; i < made->count; i++) {
    if (i) text_char(out, ',');
    put_json(out, &made->rows[i]);
  }
  text_put(out, "]}\n");
}

status report_compare(store *s, const report_contrast *c, const report_options *o, text *out,
                      detail *err) {
  arena *memory = NULL;
  scores all;
  comparisons made = {0};
  report_contrast whole = *c;
  whole.axis = axis_of(c);
  status failed = arena_open(&memory, SCORES_BYTES_MAX, err);
  if (!failed) failed = scores_load(&all, s, c->job, memory, err);
  if (!failed && !strcmp(c->a, c->b)) {
    failed = fault(err, E_INPUT, "'%s' against itself differs by nothing; name two", c->a);
  }
  if (!failed) {
    made.rows = arena_take(memory, c->at_count + 1, sizeof *made.rows);
    failed = made.rows ? make_rows(s, &all, &whole, &made, err) : arena_full(memory, err);
  }
  if (!failed && o->json) {
    put_json_list(out, &made);
  } else if (!failed) {
    int width = o->width > 0 ? o->width : PAGE_WIDTH;
    page p = {s, &all, memory, out, o->color, width, NULL};
    failed = put_compare(&p, &made, err);
  }
  arena_close(memory);
  return failed ? failed : text_state(out, err);
}
