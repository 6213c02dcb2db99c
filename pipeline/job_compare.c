/* The contrasts of a job: what is compared with what, at which budgets, each once. */
#include "pipeline/job_internal.h"

#include <stdio.h>
#include <string.h>

enum { CONTRAST_A, CONTRAST_B, CONTRAST_AXIS, CONTRAST_AT, CONTRAST_MARGIN, CONTRAST_FIELDS };
static const field contrast_fields[CONTRAST_FIELDS] = {
    {"a", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a family or a condition"},
    {"b", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a family or a condition"},
    {"axis", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "a cost"},
    {"at", FIELD_LIST, 0, 0, 0, "budgets on the axis"},
    {"margin", FIELD_REAL, 0, 0, 1, ""},
};

static const char *const axis_names[] = {
    "tokens_ref",           "tokens_total", "seq_critical_path", "seq_critical_path_injected",
    "seq_longest_sequence", "flops",        "nodes_explored"};
enum { AXIS_NAMES = sizeof axis_names / sizeof *axis_names };

static const double MARGIN = 0.02; /* two points, as reports take it by default */
static status unknown_side(const job_reader *r, const yaml_node *node) {
  size_t count = 0, most = json_object_size(r->families) + json_object_size(r->names);
  const char **known = arena_take(r->scratch, most, sizeof *known);
  if (!known) return arena_full(r->scratch, r->err);
  const char *key;
  json_t *value;
  json_object_foreach(r->families, key, value) known[count++] = key;
  json_object_foreach(r->names, key, value) {
    if (!json_object_get(r->families, key)) known[count++] = key;
  }
  return unknown_word(r, node->line, "family or condition", node->text, known, count);
}

static status side_read(const job_reader *r, const yaml_node *node, const char **out) {
  if (!json_object_get(r->families, node->text) && !json_object_get(r->names, node->text)) {
    return unknown_side(r, node);
  }
  return copy_text(r, node->text, out);
}

static status axis_read(const job_reader *r, const yaml_node *node, const char **out) {
  for (size_t i = 0; i < AXIS_NAMES; i++) {
    if (strcmp(axis_names[i], node->text) != 0) continue;
    *out = axis_names[i];
    return OK;
  }
  return unknown_word(r, node->line, "axis", node->text, axis_names, AXIS_NAMES);
}

static status budgets_read(const job_reader *r, const yaml_node *node, job_contrast *c) {
  if (node->count == 0 || node->count > JOB_CONTRASTS_MAX) {
    return fault_at(r->err, E_INPUT, r->source->name, node->line,
                    "at: expected a list of 1 to %d budgets", (int)JOB_CONTRASTS_MAX);
  }
  double *at = arena_take(r->job->memory, node->count, sizeof *at);
  if (!at) return arena_full(r->job->memory, r->err);
  for (const yaml_node *child = node->first; child; child = child->next) {
    int number = child->kind == YAML_INTEGER || child->kind == YAML_REAL;
    if (!number || child->real <= 0 || child->real > JOB_BUDGET_MAX) {
      return unexpected(r, child, "at", "a number above 0");
    }
    if (c->at_count && child->real <= at[c->at_count - 1]) {
      return unexpected(r, child, "at", "a budget above the one before it");
    }
    at[c->at_count++] = child->real;
  }
  c->at = at;
  return OK;
}

static status claim_contrast(job_reader *r, const job_contrast *c, double at) {
  char key[3 * JOB_CONDITION_BYTES_MAX + 64];
  int turned = strcmp(c->a, c->b) > 0; /* a against b is b against a */
  (void)snprintf(key, sizeof key, "%s\n%s\n%s\n%.17g", turned ? c->b : c->a, turned ? c->a : c->b,
                 c->axis ? c->axis : "", at);
  const json_t *earlier = json_object_get(r->contrasts_seen, key);
  if (earlier) {
    return fault_at(r->err, E_INPUT, r->source->name, c->line,
                    "this contrast is already in line %d; each counts once in the correction",
                    (int)json_integer_value(earlier));
  }
  if (++r->contrasts > JOB_CONTRASTS_MAX) {
    return fault_at(r->err, E_INPUT, r->source->name, c->line, "more than %d contrasts",
                    (int)JOB_CONTRASTS_MAX);
  }
  return json_object_set_new(r->contrasts_seen, key, json_integer(c->line)) ? no_memory(r) : OK;
}

static status check_pairing(const job_reader *r, const yaml_node *node,
                            const yaml_node *const *found) {
  if (found[CONTRAST_AXIS] && !found[CONTRAST_AT]) {
    return fault_at(r->err, E_INPUT, r->source->name, found[CONTRAST_AXIS]->key_line,
                    "axis without at: expected the budgets to compare at, as at: [2048, 4096]");
  }
  if (found[CONTRAST_AT] && !found[CONTRAST_AXIS]) {
    return fault_at(r->err, E_INPUT, r->source->name, found[CONTRAST_AT]->key_line,
                    "at without axis: expected what the budgets count, as axis: tokens_ref");
  }
  if (strcmp(found[CONTRAST_A]->text, found[CONTRAST_B]->text) == 0) {
    return fault_at(r->err, E_INPUT, r->source->name, node->line, "a and b are the same; name two");
  }
  return OK;
}

/* What a side of a contrast stands for. */
typedef struct side_members {
  size_t count, axes, finished; /* finished: those that have a finisher */
  const char *checker;          /* of the first */
  int mixed;                    /* another has another */
} side_members;

static int same_checker(const char *a, const char *b) {
  return a == b || (a && b && !strcmp(a, b));
}

static side_members members_of(const job *j, const char *name) {
  side_members m = {0};
  for (size_t i = 0; i < j->condition_count; i++) {
    const job_condition *c = &j->conditions[i];
    if (strcmp(c->name, name) != 0 && strcmp(c->family, name) != 0) continue;
    size_t axes = json_object_size(c->axes);
    if (!m.count++) m.checker = c->checker;
    if (axes > m.axes) m.axes = axes;
    m.mixed |= !same_checker(m.checker, c->checker);
    m.finished += json_object_get(c->parameters, "finisher") != NULL;
  }
  return m;
}

/* Another checker, or a request for the answer that the other side does not get, would be compared
   in place of the ways of reasoning. */
static status check_judged_alike(const job_reader *r, const job_contrast *c,
                                 const side_members sides[2]) {
  if (sides[0].mixed || sides[1].mixed || !same_checker(sides[0].checker, sides[1].checker)) {
    return fault_at(r->err, E_INPUT, r->source->name, c->line,
                    "'%s' and '%s' are judged by different checkers; give both the same", c->a,
                    c->b);
  }
  size_t finished = sides[0].finished + sides[1].finished;
  if (finished && finished < sides[0].count + sides[1].count) {
    return fault_at(r->err, E_INPUT, r->source->name, c->line,
                    "some conditions of '%s' and '%s' have a finisher and some have none; give it "
                    "to all of a comparison, or to none",
                    c->a, c->b);
  }
  return OK;
}

/* What a report would refuse after the night is refused before it. */
static status check_sides(const job_reader *r, const job_contrast *c) {
  const char *names[2] = {c->a, c->b};
  side_members sides[2];
  for (int i = 0; i < 2; i++) {
    const side_members *m = &sides[i];
    sides[i] = members_of(r->job, names[i]);
    if (!c->axis && m->count > 1) {
      return fault_at(r->err, E_INPUT, r->source->name, c->line,
                      "'%s' is a family of %zu conditions, and a contrast without axis takes one: "
                      "name a condition, or give axis and at",
                      names[i], m->count);
    }
    if (c->axis && m->count > 1 && m->axes > 1) {
      return fault_at(r->err, E_INPUT, r->source->name, c->line,
                      "'%s' is swept along %zu axes, and a curve over cost takes one: give each "
                      "its own entry, or name a condition",
                      names[i], m->axes);
    }
  }
  return check_judged_alike(r, c, sides);
}

static status contrast_read(job_reader *r, const yaml_node *node, job_contrast *c) {
  const yaml_node *found[CONTRAST_FIELDS];
  if (node->kind != YAML_MAP) return unexpected(r, node, "compare", "a mapping per contrast");
  status s = fields_read(r, node, contrast_fields, CONTRAST_FIELDS, 0, found);
  if (!s) s = check_pairing(r, node, found);
  if (!s) s = side_read(r, found[CONTRAST_A], &c->a);
  if (!s) s = side_read(r, found[CONTRAST_B], &c->b);
  if (!s && found[CONTRAST_AXIS]) s = axis_read(r, found[CONTRAST_AXIS], &c->axis);
  if (!s && found[CONTRAST_AT]) s = budgets_read(r, found[CONTRAST_AT], c);
  c->margin = found[CONTRAST_MARGIN] ? found[CONTRAST_MARGIN]->real : MARGIN;
  c->line = node->line;
  if (!s && !(c->margin > 0)) {
    s = fault_at(
        r->err, E_INPUT, r->source->name, c->line,
        "margin: expected more than 0; it is a difference of accuracies, 0.02 is 2 points");
  }
  if (!s) s = check_sides(r, c);
  if (!s && !c->axis) s = claim_contrast(r, c, 0);
  for (size_t i = 0; i < c->at_count && !s; i++)
    s = claim_contrast(r, c, c->at[i]);
  return s;
}

status compare_read(job_reader *r, const yaml_node *list) {
  job *j = r->job;
  if (!list || !list->count) return OK;
  if (list->count > JOB_CONTRASTS_MAX) {
    return fault_at(r->err, E_INPUT, r->source->name, list->line, "more than %d contrasts",
                    (int)JOB_CONTRASTS_MAX);
  }
  j->compare = arena_take(j->memory, list->count, sizeof *j->compare);
  if (!j->compare) return arena_full(j->memory, r->err);
  status s = OK;
  for (const yaml_node *node = list->first; node && !s; node = node->next)
    s = contrast_read(r, node, &j->compare[j->compare_count++]);
  return s;
}
