#include "reports/page_internal.h"

#include <string.h>

static const char *paint_of(const page *p, const contrast_row *row) {
  if (!row->declared) return NULL;
  if (!strcmp(row->verdict, "better")) return page_paint(p, "\x1b[32m");
  if (!strcmp(row->verdict, "worse")) return page_paint(p, "\x1b[31m");
  return NULL;
}

static void put_difference(table *t, const contrast_row *row) {
  if (!stats_known(row->difference)) {
    for (int i = 0; i < 4; i++)
      table_cell(t, "-");
    return;
  }
  table_cell(t, "%.1f", 100 * row->accuracy_a);
  table_cell(t, "%.1f", 100 * row->accuracy_b);
  table_cell(t, "%+.1f", 100 * row->difference);
  if (stats_known(row->lo95)) {
    table_cell(t, "[%+.1f, %+.1f]", 100 * row->lo95, 100 * row->hi95);
  } else {
    table_cell(t, "-");
  }
}

static void put_p(table *t, double p) {
  if (!stats_known(p)) {
    table_cell(t, "-");
  } else if (p < 0.0001) {
    table_cell(t, "<0.0001");
  } else {
    table_cell(t, "%.4f", p);
  }
}

static void put_verdict(table *t, const contrast_row *row) {
  table_cell(t, "%s", row->declared ? row->verdict : "exploratory");
  if (row->tasks_needed >= 0) table_cell(t, "%lld", (long long)row->tasks_needed);
}

/* Columns that no row fills have no title, and so no room. */
static void put_titles(table *t, const page *p, const contrast_row *rows, size_t count) {
  int budget = 0, needed = 0;
  for (size_t i = 0; i < count; i++) {
    budget |= rows[i].axis[0] != 0;
    needed |= rows[i].tasks_needed >= 0;
  }
  const char *titles[] = {"a",
                          "b",
                          budget ? "axis" : "",
                          budget ? "budget" : "",
                          "a %",
                          "b %",
                          "a - b",
                          "95 % interval",
                          "p",
                          "verdict",
                          needed ? "needs" : ""};
  table_next(t, page_paint(p, "\x1b[2m"));
  for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
    table_cell(t, "%s", titles[i]);
}

status page_contrasts(const page *p, const contrast_row *rows, size_t count, detail *err) {
  table t;
  table_open(&t, p->memory, "LLLrrrrrrlr");
  put_titles(&t, p, rows, count);
  for (size_t i = 0; i < count; i++) {
    const contrast_row *row = &rows[i];
    table_next(&t, paint_of(p, row));
    table_cell(&t, "%s", row->a);
    table_cell(&t, "%s", row->b);
    table_cell(&t, "%s", row->axis);
    if (row->axis[0]) {
      table_cell(&t, "%.10g", row->budget);
    } else {
      table_cell(&t, "%s", "");
    }
    put_difference(&t, row);
    put_p(&t, row->p_holm);
    put_verdict(&t, row);
  }
  return table_write(&t, p->width, p->out, err);
}

void page_contrast_notes(const page *p, const contrast_row *rows, size_t count) {
  int64_t dropped = 0;
  int needed = 0;
  for (size_t i = 0; i < count; i++) {
    const contrast_row *row = &rows[i];
    if (row->dropped > dropped) dropped = row->dropped;
    needed |= row->tasks_needed >= 0;
    if (stats_known(row->difference)) continue;
    if (row->axis[0]) {
      page_note(p, "%s, %s at %s %.10g: %s", row->a, row->b, row->axis, row->budget, row->method);
    } else {
      page_note(p, "%s, %s: %s", row->a, row->b, row->method);
    }
  }
  if (needed) {
    page_note(p, "needs: tasks that it would take to see the difference found, at 80 %% power.");
  }
  if (dropped) {
    page_note(
        p,
        "Up to %lld pairs were dropped, since a sample failed, is missing, is not judged or has no "
        "number on the axis on one side.",
        (long long)dropped);
  }
}
