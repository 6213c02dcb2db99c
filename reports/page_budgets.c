#include "reports/page_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- enforced --------------------------------------------------------------------------------
 */

static const scores_condition *scores_of(const page *p, const char *name) {
  for (size_t i = 0; i < p->all->count; i++)
    if (!strcmp(p->all->conditions[i].name, name)) return &p->all->conditions[i];
  return NULL;
}

static int has_limit(const scores_condition *c) {
  int any = 0;
  for (int i = 0; c && i < SCORES_AXES; i++)
    any |= stats_known(c->limit[i]);
  return any;
}

static void put_enforced(table *t, const page_condition *c, const scores_condition *of) {
  int64_t finished = c->samples + c->unjudged;
  for (int i = 0; i < SCORES_AXES; i++) {
    if (!stats_known(of->limit[i])) continue;
    table_next(t, NULL);
    table_cell(t, "%s", c->name);
    table_cell(t, "%s", report_axes[i]);
    table_cell(t, "%.0f", of->limit[i]);
    table_cell(t, "%.1f", 100 * c->accuracy);
    if (stats_known(c->lo95)) {
      table_cell(t, "[%.1f, %.1f]", 100 * c->lo95, 100 * c->hi95);
    } else {
      table_cell(t, "-");
    }
    table_cell(t, "%.1f", finished ? 100 * (double)c->capped / (double)finished : 0);
    table_cell(t, "%s", c->derived == 0 ? "" : c->derived < finished ? "partly" : "yes");
  }
}

status page_enforced(const page *p, const page_condition *conditions, size_t count, detail *err) {
  static const char *const titles[] = {"condition",     "axis",     "limit",  "%",
                                       "95 % interval", "capped %", "derived"};
  int any = 0;
  int64_t derived = 0;
  table t;
  table_open(&t, p->memory, "LLrrrrl");
  table_next(&t, page_paint(p, "\x1b[2m"));
  for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
    table_cell(&t, "%s", titles[i]);
  for (size_t i = 0; i < count; i++) {
    const scores_condition *of = scores_of(p, conditions[i].name);
    if (!has_limit(of) || !stats_known(conditions[i].accuracy)) continue;
    put_enforced(&t, &conditions[i], of);
    derived += conditions[i].derived;
    any = 1;
  }
  if (!any) return OK;
  page_title(p, "At enforced budgets (a limit that cuts; accuracy in %%)");
  status failed = table_write(&t, p->width, p->out, err);
  if (!failed && derived) {
    page_note(p, "derived: made from the tokens of a larger sample, bit for bit what running it "
                 "gives.");
  }
  return failed;
}

/* ---- at mean cost ----------------------------------------------------------------------------
 */

/* Accuracies at budgets, as the view accuracy_by_budget interpolates them (a test compares). */
typedef struct grid {
  const char **family; /* [families] in the job file's order */
  size_t families;
  double *budget;   /* [budgets] */
  double *accuracy; /* [budgets, families]; STATS_NONE where a family costs more */
  char *below;      /* [budgets, families] whether all of the family costs less */
  size_t budgets;
} grid;

/* What a condition cost and reached. */
typedef struct named_point {
  double cost, accuracy;
  const char *name;
} named_point;

enum { BUDGETS_MAX = 64, FAMILIES_A_TABLE = 6, PAGE_AXES = 2 };

static const struct {
  const char *name, *meaning;
} page_axes[PAGE_AXES] = {
    {"tokens_ref", "all tokens, as Llama-2 counts them"},
    {"seq_critical_path", "tokens one after another"},
};

static status make_grid(grid *g, const page *p, size_t *group, detail *err) {
  const scores *all = p->all;
  *g = (grid){0};
  g->family = arena_take(p->memory, all->count + 1, sizeof *g->family);
  g->budget = arena_take(p->memory, BUDGETS_MAX, sizeof *g->budget);
  if (!g->family || !g->budget) return arena_full(p->memory, err);
  for (size_t i = 0; i < all->count; i++) {
    size_t at = 0;
    while (at < g->families && strcmp(g->family[at], all->conditions[i].family))
      at++;
    if (at == g->families) g->family[g->families++] = all->conditions[i].family;
    group[i] = at;
  }
  size_t cells = BUDGETS_MAX * g->families + 1;
  g->accuracy = arena_take(p->memory, cells, sizeof *g->accuracy);
  g->below = arena_take(p->memory, cells, sizeof *g->below);
  if (!g->accuracy || !g->below) return arena_full(p->memory, err);
  for (size_t i = 0; i < cells; i++)
    g->accuracy[i] = STATS_NONE;
  return OK;
}

static void put_point(grid *g, double budget, const char *family, double accuracy, int below) {
  if (!g->budgets || g->budget[g->budgets - 1] != budget) {
    if (g->budgets == BUDGETS_MAX) return;
    g->budget[g->budgets++] = budget;
  }
  for (size_t i = 0; i < g->families; i++) {
    if (!strcmp(g->family[i], family)) {
      g->accuracy[(g->budgets - 1) * g->families + i] = accuracy;
      g->below[(g->budgets - 1) * g->families + i] = (char)below;
    }
  }
}

static double cost_of(const page_condition *c, int axis) {
  return axis == 0 ? c->tokens_ref : c->seq_critical_path;
}

static int by_cost(const void *left, const void *right) {
  const named_point *a = left, *b = right;
  if (a->cost != b->cost) return a->cost < b->cost ? -1 : 1;
  return strcmp(a->name, b->name);
}

/* A family that is swept along several axes has no curve over cost. */
static int has_curve(const page *p, const char *family) {
  for (size_t i = 0; i < p->all->count; i++) {
    const scores_condition *c = &p->all->conditions[i];
    if (c->axes > 1 && !strcmp(c->family, family)) return 0;
  }
  return 1;
}

/* The family's points on the axis by cost, then name; *most: what any condition costs at most. */
static size_t take_points(named_point *points, const page_condition *conditions, size_t count,
                          int axis, const char *family, double *most) {
  size_t taken = 0;
  *most = 0;
  for (size_t i = 0; i < count; i++) {
    double cost = cost_of(&conditions[i], axis);
    if (!stats_known(conditions[i].accuracy) || !stats_known(cost)) continue;
    if (cost > *most) *most = cost;
    if (strcmp(conditions[i].family, family) != 0) continue;
    points[taken++] = (named_point){cost, conditions[i].accuracy, conditions[i].name};
  }
  qsort(points, taken, sizeof *points, by_cost);
  return taken;
}

/* Between neighbours what mixing them would reach; above the last the last, as far as most. */
static void put_curve_at(grid *g, const char *family, const named_point *points, size_t count,
                         double budget, double most) {
  for (size_t i = 0; i + 1 < count; i++) {
    const named_point *low = &points[i], *high = &points[i + 1];
    if (budget < low->cost || budget >= high->cost) continue;
    double rise = high->accuracy - low->accuracy, run = high->cost - low->cost;
    put_point(g, budget, family, low->accuracy + rise * (budget - low->cost) / run, 0);
  }
  if (count && budget > points[count - 1].cost && budget <= most) {
    put_point(g, budget, family, points[count - 1].accuracy, 1);
  }
}

/* From the rows of the view accuracy, which accuracy_by_budget would compute again. */
static status fill_grid(grid *g, const page *p, const page_condition *conditions, size_t count,
                        int axis, detail *err) {
  named_point *points = arena_take(p->memory, count + 1, sizeof *points);
  if (!points) return arena_full(p->memory, err);
  for (double budget = 1; budget < 2e12; budget *= 2) {
    for (size_t i = 0; i < g->families; i++) {
      double most;
      if (!has_curve(p, g->family[i])) continue;
      size_t taken = take_points(points, conditions, count, axis, g->family[i], &most);
      put_curve_at(g, g->family[i], points, taken, budget, most);
    }
  }
  return OK;
}

static void find_two(const grid *g, size_t budget, size_t *first, size_t *second) {
  const double *accuracy = &g->accuracy[budget * g->families];
  *first = *second = g->families;
  for (size_t i = 0; i < g->families; i++) {
    if (!stats_known(accuracy[i])) continue;
    if (*first == g->families || accuracy[i] > accuracy[*first]) {
      *second = *first;
      *first = i;
    } else if (*second == g->families || accuracy[i] > accuracy[*second]) {
      *second = i;
    }
  }
}

/* "*" where the difference of the first two excludes 0, "=" where it does not. A family that costs
   less than the budget stands with its costliest condition, as curves_at gives it. */
static const char *mark_of(const grid *g, curves *c, size_t budget, size_t first, size_t second) {
  double at = g->budget[budget];
  int inside;
  contrast_row row = {.difference = curves_at(c, 0, first, at, &inside) -
                                    curves_at(c, 0, second, at, &inside),
                      .lo95 = STATS_NONE};
  row.se = curves_difference_se(c, first, second, at);
  (void)contrast_intervals(&row, c->units, !(row.se > 1e-12));
  return row.lo95 > 0 ? "*" : "=";
}

static void put_budget(table *t, const grid *g, curves *c, size_t budget, size_t from, size_t to) {
  size_t first, second;
  find_two(g, budget, &first, &second);
  const char *mark = second < g->families ? mark_of(g, c, budget, first, second) : "";
  table_cell(t, "%.0f", g->budget[budget]);
  for (size_t i = from; i < to; i++) {
    double accuracy = g->accuracy[budget * g->families + i];
    if (!stats_known(accuracy)) {
      table_cell(t, "-");
    } else {
      table_cell(t, "%s%s%.1f", i == first ? mark : "",
                 g->below[budget * g->families + i] ? "<" : "", 100 * accuracy);
    }
  }
}

static status write_grid(const page *p, const grid *g, curves *c, detail *err) {
  static const char alignment[] = "rRRRRRR";
  char columns[sizeof alignment];
  status failed = OK;
  for (size_t from = 0; from < g->families && !failed; from += FAMILIES_A_TABLE) {
    size_t to = from + FAMILIES_A_TABLE < g->families ? from + FAMILIES_A_TABLE : g->families;
    table t;
    (void)snprintf(columns, sizeof columns, "%.*s", (int)(to - from) + 1, alignment);
    table_open(&t, p->memory, columns);
    table_next(&t, page_paint(p, "\x1b[2m"));
    table_cell(&t, "budget");
    for (size_t i = from; i < to; i++)
      table_cell(&t, "%s", g->family[i]);
    for (size_t budget = 0; budget < g->budgets; budget++) {
      table_next(&t, NULL);
      put_budget(&t, g, c, budget, from, to);
    }
    failed = table_write(&t, p->width, p->out, err);
  }
  return failed;
}

/* Texts that an axis cannot count have no place on it. */
static void put_unpriced(const page *p, const char *axis) {
  size_t samples = 0, conditions = 0;
  for (size_t i = 0; i < p->all->count; i++) {
    const scores_condition *c = &p->all->conditions[i];
    size_t unknown = c->scored - c->priced[scores_axis(axis)];
    samples += unknown;
    conditions += unknown > 0;
  }
  if (!samples) return;
  page_note(p,
            "The %s of %zu samples (of %zu condition%s) is not known: a condition's mean is over "
            "the others, and one without any has no place here.",
            axis, samples, conditions, conditions == 1 ? "" : "s");
}

static status put_axis(const page *p, int axis, const grid *g, const curves_of *which,
                       detail *err) {
  page_title(p, "Best at each budget of %s (%s; accuracy in %%)", page_axes[axis].name,
             page_axes[axis].meaning);
  curves c;
  status failed = OK;
  if (g->budgets) {
    failed = curves_make(&c, p->all, which, err);
    if (!failed) failed = write_grid(p, g, &c, err);
  } else {
    page_note(p, "No family has two conditions with a power of two between their mean costs.");
  }
  if (!failed) put_unpriced(p, page_axes[axis].name);
  return failed;
}

status page_budgets(const page *p, const page_condition *conditions, size_t count, detail *err) {
  const scores *all = p->all;
  grid grids[PAGE_AXES];
  size_t *group = arena_take(p->memory, all->count + 1, sizeof *group);
  size_t *member = arena_take(p->memory, all->count + 1, sizeof *member);
  if (!group || !member) return arena_full(p->memory, err);
  for (size_t i = 0; i < all->count; i++)
    member[i] = i;
  status failed = OK;
  for (int i = 0; i < PAGE_AXES && !failed; i++)
    failed = make_grid(&grids[i], p, group, err);
  for (int i = 0; i < PAGE_AXES && !failed; i++)
    failed = fill_grid(&grids[i], p, conditions, count, i, err);
  for (int i = 0; i < PAGE_AXES && !failed; i++) {
    const char *name = page_axes[i].name;
    curves_of which = {member, group, all->count, scores_axis(name), name};
    failed = put_axis(p, i, &grids[i], &which, err);
  }
  return failed;
}
