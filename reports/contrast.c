#include "base/memory.h"
#include "reports/contrast_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static status unknown_name(const scores *all, const char *name, detail *err) {
  const char **known = arena_take(all->memory, 2 * all->count + 1, sizeof *known);
  if (!known) return arena_full(all->memory, err);
  for (size_t i = 0; i < all->count; i++) {
    known[2 * i] = all->conditions[i].name;
    known[2 * i + 1] = all->conditions[i].family;
  }
  const char *nearest = text_nearest(name, known, 2 * all->count);
  return fault(err, E_INPUT, "job '%s' has neither a condition nor a family '%s'%s%s%s", all->job,
               name, nearest ? "; did you mean '" : "; nightjar status lists its conditions",
               nearest ? nearest : "", nearest ? "'?" : "");
}

status contrast_side_find(contrast_side *out, const scores *all, const char *name, detail *err) {
  *out = (contrast_side){.name = name};
  out->member = arena_take(all->memory, all->count + 1, sizeof *out->member);
  if (!out->member) return arena_full(all->memory, err);
  for (size_t i = 0; i < all->count; i++) {
    if (!strcmp(all->conditions[i].name, name)) {
      out->member[0] = i;
      out->count = 1;
      return OK;
    }
    if (!strcmp(all->conditions[i].family, name)) out->member[out->count++] = i;
  }
  return out->count ? OK : unknown_name(all, name, err);
}

static double clamp(double difference) {
  return difference < -1 ? -1 : difference > 1 ? 1 : difference;
}

int contrast_intervals(contrast_row *row, int64_t units, int vanishes) {
  double half95 = 3.0 / (double)units, half90 = half95;
  if (units < 2) return 0;
  if (!vanishes) {
    half95 = stats_t_quantile(0.975, (double)(units - 1)) * row->se;
    half90 = stats_t_quantile(0.95, (double)(units - 1)) * row->se;
  }
  row->lo95 = clamp(row->difference - half95);
  row->hi95 = clamp(row->difference + half95);
  row->lo90 = clamp(row->difference - half90);
  row->hi90 = clamp(row->difference + half90);
  return vanishes;
}

static status set_method(contrast_row *row, const scores *all, const char *method, detail *err) {
  row->method = arena_text(all->memory, method, strlen(method));
  return row->method ? OK : arena_full(all->memory, err);
}

/* ---- plain contrasts ------------------------------------------------------------------------- */

/* Differences by task over the repeats that both sides have scored. */
typedef struct pairs {
  double *difference; /* [tasks] */
  int32_t *unit;      /* [tasks] */
  size_t tasks;
  int64_t dropped, wins, losses;
  double sum_a, sum_b;
  int single; /* one pair a task, each score 0 or 1 */
} pairs;

static const scores_cell *cell_of(const scores_condition *c, size_t task, size_t repeat) {
  static const scores_cell none = {.state = CELL_NONE};
  return repeat < c->repeats ? &c->cells[task * c->repeats + repeat] : &none;
}

static void pair_task(pairs *out, const scores *all, const scores_condition *a,
                      const scores_condition *b, size_t task) {
  size_t repeats = a->repeats > b->repeats ? a->repeats : b->repeats;
  double sum_a = 0, sum_b = 0, count = 0;
  for (size_t r = 0; r < repeats; r++) {
    const scores_cell *x = cell_of(a, task, r), *y = cell_of(b, task, r);
    if (x->state != CELL_SCORED || y->state != CELL_SCORED) {
      out->dropped += x->state != CELL_NONE || y->state != CELL_NONE;
      continue;
    }
    sum_a += x->score;
    sum_b += y->score;
    count += 1;
    out->single &= (x->score == 0 || x->score == 1) && (y->score == 0 || y->score == 1);
  }
  if (count == 0) return;
  out->single &= count == 1;
  out->sum_a += sum_a / count;
  out->sum_b += sum_b / count;
  double difference = sum_a / count - sum_b / count;
  out->wins += difference > 0;
  out->losses += difference < 0;
  out->unit[out->tasks] = all->unit[task];
  out->difference[out->tasks++] = difference;
}

static status flip_test(const pairs *p, const scores *all, const contrast_row *row, double *out,
                        detail *err) {
  double *sum = arena_take(all->memory, all->units + 1, sizeof *sum);
  if (!sum) return arena_full(all->memory, err);
  for (size_t i = 0; i < p->tasks; i++)
    sum[p->unit[i]] += p->difference[i];
  hash_parts parts;
  hash_start(&parts);
  hash_part(&parts, all->job, strlen(all->job));
  hash_part(&parts, row->a, strlen(row->a));
  hash_part(&parts, row->b, strlen(row->b));
  hash seed = hash_end(&parts);
  *out = stats_sign_flip(sum, all->units, random_key_of(0, &seed, 0, "flip"));
  return OK;
}

/* The test that suits the data, and its name for the method column. */
static status plain_test(contrast_row *row, const scores *all, const pairs *p, const stats_mean *m,
                         detail *err) {
  char method[160];
  const char *units = all->clustered ? "clusters" : "tasks", *test;
  char t_name[64];
  status failed = OK;
  if (m->units < 2) {
    row->p = STATS_NONE;
    test = "too few to test";
  } else if (p->single && !all->clustered) {
    row->p = stats_mcnemar(p->wins, p->losses);
    test = "exact McNemar";
  } else if (m->units < STATS_FLIP_UNITS || m->vanishes) {
    failed = flip_test(p, all, row, &row->p, err);
    test = "sign flips";
  } else {
    row->p = stats_t_tail(row->difference / row->se, (double)(m->units - 1));
    (void)snprintf(t_name, sizeof t_name, "t, %lld degrees", (long long)m->units - 1);
    test = t_name;
  }
  int three = contrast_intervals(row, m->units, m->vanishes);
  (void)snprintf(method, sizeof method, "paired by task over %lld %s; %s; interval by %s",
                 (long long)m->units, units, test, three ? "the rule of three" : "t");
  return failed ? failed : set_method(row, all, method, err);
}

static status plain(contrast_row *row, const scores *all, const contrast_side *a,
                    const contrast_side *b, detail *err) {
  pairs p = {.single = 1};
  p.difference = arena_take(all->memory, all->tasks + 1, sizeof *p.difference);
  p.unit = arena_take(all->memory, all->tasks + 1, sizeof *p.unit);
  if (!p.difference || !p.unit) return arena_full(all->memory, err);
  for (size_t task = 0; task < all->tasks; task++)
    pair_task(&p, all, &all->conditions[a->member[0]], &all->conditions[b->member[0]], task);
  row->tasks = (int64_t)p.tasks;
  row->dropped = p.dropped;
  if (!p.tasks) return set_method(row, all, "no task has a scored sample on both sides", err);
  stats_mean m;
  status failed = stats_mean_of(p.difference, p.unit, p.tasks, &m, err);
  if (failed) return failed;
  row->accuracy_a = p.sum_a / (double)p.tasks;
  row->accuracy_b = p.sum_b / (double)p.tasks;
  row->difference = m.mean;
  row->se = m.se;
  return plain_test(row, all, &p, &m, err);
}

/* ---- at equal budget ------------------------------------------------------------------------- */

static status below_range(contrast_row *row, const scores *all, const curves *c, const int *enough,
                          detail *err) {
  char method[240];
  double low[2], high;
  curves_span(c, 0, &low[0], &high);
  curves_span(c, 1, &low[1], &high);
  int side = enough[0] ? 1 : 0;
  int used = snprintf(method, sizeof method, "budget too small: %c costs %.0f at least", "ab"[side],
                      low[side]);
  if (!enough[0] && !enough[1]) {
    (void)snprintf(method + used, sizeof method - (size_t)used, ", b %.0f", low[1]);
  }
  return set_method(row, all, method, err);
}

/* ", a costs 3693 at most" where a side's costliest condition stands for it. */
static void put_ends(char *out, size_t bytes, const curves *c, double budget) {
  *out = 0;
  for (size_t side = 0; side < 2; side++) {
    double low, high;
    size_t used = strlen(out);
    curves_span(c, side, &low, &high);
    if (!(budget > high)) continue;
    (void)snprintf(out + used, bytes - used, "; all of %c costs less, its costliest (%.0f) stands",
                   "ab"[side], high);
  }
}

/* Where every unit differs by the same: sign flips of n equal differences, 2 of 2^n as far. */
static double all_alike(double difference, int64_t units) {
  if (!(difference > 1e-12 || difference < -1e-12)) return 1;
  return ldexp(2, -(int)(units < 1000 ? units : 1000));
}

static status at_budget(contrast_row *row, const scores *all, curves *c, detail *err) {
  char method[320], ends[160];
  int enough[2];
  row->tasks = c->tasks;
  row->dropped = c->dropped;
  double a = curves_at(c, 0, 0, row->budget, &enough[0]);
  double b = curves_at(c, 0, 1, row->budget, &enough[1]);
  if (!stats_known(a) || !stats_known(b)) {
    return set_method(row, all, "no task has a scored sample on both sides", err);
  }
  if (!enough[0] || !enough[1]) return below_range(row, all, c, enough, err);
  row->accuracy_a = a;
  row->accuracy_b = b;
  row->difference = a - b;
  row->se = curves_difference_se(c, 0, 1, row->budget);
  int vanishes = !(row->se > 1e-12), three = contrast_intervals(row, c->units, vanishes);
  if (c->units > 1 && !vanishes) {
    row->p = stats_t_tail(row->difference / row->se, (double)(c->units - 1));
  } else if (c->units > 1) {
    row->p = all_alike(row->difference, c->units);
  }
  put_ends(ends, sizeof ends, c, row->budget);
  (void)snprintf(
      method, sizeof method, "interpolated at mean cost; bootstrap of %lld %s (%d draws); %s%s",
      (long long)c->units, all->clustered ? "clusters" : "tasks", STATS_BOOTSTRAP_DRAWS,
      three ? "sign flips, interval by the rule of three" : "t by its standard error", ends);
  return set_method(row, all, method, err);
}

/* Judged, and yet of no known cost: a text that the axis cannot count, as tokens_ref in Llama-2
   tokens outside of Countdown. */
static int is_unpriced(const scores *all, const contrast_side *side, int axis) {
  size_t scored = 0, priced = 0;
  for (size_t i = 0; i < side->count; i++) {
    scored += all->conditions[side->member[i]].scored;
    priced += all->conditions[side->member[i]].priced[axis];
  }
  return scored && !priced;
}

static status refuse_unpriced(contrast_row *rows, size_t count, const scores *all,
                              const contrast_side *side, detail *err) {
  char method[320];
  (void)snprintf(method, sizeof method, "no sample of '%s' has a known %s", side->name,
                 rows[0].axis);
  status failed = OK;
  for (size_t i = 0; i < count && !failed; i++)
    failed = set_method(&rows[i], all, method, err);
  return failed;
}

static status budgets(contrast_row *rows, size_t count, const scores *all, const contrast_side *a,
                      const contrast_side *b, detail *err) {
  int axis = scores_axis(rows[0].axis);
  if (is_unpriced(all, a, axis)) return refuse_unpriced(rows, count, all, a, err);
  if (is_unpriced(all, b, axis)) return refuse_unpriced(rows, count, all, b, err);
  size_t members = a->count + b->count;
  size_t *member = arena_take(all->memory, members, sizeof *member);
  size_t *group = arena_take(all->memory, members, sizeof *group);
  if (!member || !group) return arena_full(all->memory, err);
  for (size_t i = 0; i < members; i++) {
    group[i] = i >= a->count;
    member[i] = group[i] ? b->member[i - a->count] : a->member[i];
  }
  char place[512];
  (void)snprintf(place, sizeof place, "%s|%s|%s", a->name, b->name, rows[0].axis);
  curves c;
  curves_of which = {member, group, members, axis, place};
  status failed = curves_make(&c, all, &which, err);
  for (size_t i = 0; i < count && !failed; i++)
    failed = at_budget(&rows[i], all, &c, err);
  return failed;
}

/* ---- both ------------------------------------------------------------------------------------ */

static int counts_alike(const char *axis) {
  return !strcmp(axis, "tokens_ref") || !strcmp(axis, "nodes_explored");
}

/* What two conditions must have in common for a contrast on this axis. */
static status check_alike(const scores *all, const scores_condition *a, const scores_condition *b,
                          const char *axis, detail *err) {
  if (strcmp(a->checker, b->checker)) {
    return fault(err, E_INPUT,
                 "job '%s': '%s' is judged by checker %s and '%s' by %s; give both the same",
                 all->job, a->name, a->checker, b->name, b->checker);
  }
  if (a->has_finisher != b->has_finisher) {
    return fault(err, E_INPUT,
                 "job '%s': '%s' has a finisher and '%s' has none; give it to both or to neither",
                 all->job, (a->has_finisher ? a : b)->name, (a->has_finisher ? b : a)->name);
  }
  if (axis[0] && !counts_alike(axis) && strcmp(a->token_unit, b->token_unit)) {
    return fault(err, E_INPUT,
                 "job '%s': '%s' counts %s in %s tokens and '%s' in %s; compare them on "
                 "tokens_ref or nodes_explored",
                 all->job, a->name, axis, a->token_unit, b->name, b->token_unit);
  }
  return OK;
}

static status check_side(const scores *all, const contrast_side *side, const char *axis,
                         detail *err) {
  if (!axis[0] && side->count > 1) {
    return fault(err, E_INPUT,
                 "job '%s': family '%s' has %zu conditions, and a plain contrast takes one: name "
                 "a condition, or give an axis and budgets",
                 all->job, side->name, side->count);
  }
  for (size_t i = 0; i < side->count; i++) {
    const scores_condition *c = &all->conditions[side->member[i]];
    if (!axis[0] || side->count < 2 || c->axes < 2) continue;
    return fault(err, E_INPUT,
                 "job '%s': family '%s' is swept along %d axes, and a curve over cost takes "
                 "one: give each its own entry, or name a condition",
                 all->job, side->name, c->axes);
  }
  return OK;
}

static status check_sides(const scores *all, const contrast_side *a, const contrast_side *b,
                          const char *axis, detail *err) {
  const contrast_side *sides[2] = {a, b};
  const scores_condition *first = &all->conditions[a->member[0]];
  for (int side = 0; side < 2; side++) {
    status failed = check_side(all, sides[side], axis, err);
    for (size_t i = 0; i < sides[side]->count && !failed; i++)
      failed = check_alike(all, first, &all->conditions[sides[side]->member[i]], axis, err);
    if (failed) return failed;
  }
  return OK;
}

static status check_axis(const scores *all, const char *axis, size_t budget_count, detail *err) {
  if (axis[0] && scores_axis(axis) < 0) {
    size_t count = SCORES_AXES;
    const char *nearest = text_nearest(axis, report_axes, count);
    return fault(err, E_INPUT,
                 "job '%s': no axis '%s'%s%s; there are tokens_ref, tokens_total, "
                 "seq_critical_path, seq_critical_path_injected, seq_longest_sequence, "
                 "flops and nodes_explored",
                 all->job, axis, nearest ? "; did you mean " : "", nearest ? nearest : "");
  }
  if (!axis[0] != !budget_count) {
    return fault(err, E_INPUT, "job '%s': a contrast has an axis and budgets, or neither",
                 all->job);
  }
  return OK;
}

status contrast_compute(const scores *all, const report_contrast *c, int ordinal, int declared,
                        contrast_row *rows, size_t *count, detail *err) {
  contrast_side a, b;
  const char *axis = c->axis ? c->axis : "";
  status failed = check_axis(all, axis, c->at_count, err);
  if (!failed) failed = contrast_side_find(&a, all, c->a, err);
  if (!failed) failed = contrast_side_find(&b, all, c->b, err);
  if (!failed) failed = check_sides(all, &a, &b, axis, err);
  if (failed) return failed;
  size_t many = axis[0] ? c->at_count : 1;
  contrast_row *mine = &rows[*count];
  for (size_t i = 0; i < many; i++) {
    mine[i] = (contrast_row){.a = c->a,
                             .b = c->b,
                             .checker = all->conditions[a.member[0]].checker,
                             .axis = axis,
                             .budget = axis[0] ? c->at[i] : 0,
                             .ordinal = ordinal,
                             .declared = declared,
                             .accuracy_a = STATS_NONE,
                             .accuracy_b = STATS_NONE,
                             .difference = STATS_NONE,
                             .se = STATS_NONE,
                             .lo95 = STATS_NONE,
                             .hi95 = STATS_NONE,
                             .lo90 = STATS_NONE,
                             .hi90 = STATS_NONE,
                             .p = STATS_NONE,
                             .p_holm = STATS_NONE,
                             .margin = c->margin > 0 ? c->margin : CONTRAST_MARGIN,
                             .verdict = declared ? "cannot tell" : "",
                             .tasks_needed = -1,
                             .method = ""};
  }
  *count += many;
  return axis[0] ? budgets(mine, many, all, &a, &b, err) : plain(mine, all, &a, &b, err);
}

static void decide(contrast_row *row, size_t family) {
  if (row->p_holm < CONTRAST_LEVEL) {
    row->verdict = row->difference > 0 ? "better" : "worse";
  } else if (row->lo90 >= -row->margin && row->hi90 <= row->margin) {
    row->verdict = "equivalent";
  } else {
    /* The level of Holm's first step, which the smallest p has to pass. */
    double level = CONTRAST_LEVEL / (double)(family ? family : 1);
    int64_t needed = stats_tasks_needed(row->tasks, row->se, row->difference, level);
    row->tasks_needed = needed >= 0 && needed <= row->tasks ? row->tasks + 1 : needed;
  }
}

status contrast_settle(contrast_row *rows, size_t count, detail *err) {
  double *p = memory_zeroed(2 * count + 1, sizeof *p);
  if (!p) return fault(err, E_MEMORY, "no memory for %zu contrasts", count);
  size_t family = 0;
  for (size_t i = 0; i < count; i++) {
    if (!rows[i].declared) rows[i].p = STATS_NONE;
    p[i] = rows[i].p;
    family += stats_known(p[i]);
  }
  status failed = stats_holm(p, count, p + count, err);
  for (size_t i = 0; i < count && !failed; i++) {
    rows[i].p_holm = p[count + i];
    if (rows[i].declared) decide(&rows[i], family);
  }
  memory_free(p);
  return failed;
}
