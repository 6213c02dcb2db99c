#include "pipeline/job.h"

#include "base/memory.h"
#include "base/text.h"
#include "pipeline/job_internal.h"

#include <math.h>
#include <string.h>

enum { JOB_NAME, JOB_TASKS, JOB_SEED, JOB_REPEATS, JOB_RETRIES, JOB_ALLOWED, JOB_CHECKER };
enum { JOB_CONDITIONS = JOB_CHECKER + 1, JOB_COMPARE, JOB_FIELDS };
static const field job_fields[JOB_FIELDS] = {
    {"name", FIELD_TEXT, 1, 1, JOB_NAME_BYTES_MAX, "the job's name"},
    {"tasks", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a task set, name or name@version"},
    {"seed", FIELD_INTEGER, 0, 0, INT64_MAX, ""},
    {"repeats", FIELD_INTEGER, 0, 1, 10000, ""},
    {"retries", FIELD_INTEGER, 0, 0, 1000, ""},
    {"allowed_failures", FIELD_INTEGER, 0, 0, INT64_MAX, ""},
    {"checker", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "a checker's name"},
    {"conditions", FIELD_LIST, 1, 0, 0, "entries, each with name and mode"},
    {"compare", FIELD_LIST, 0, 0, 0, "contrasts, each with a and b"},
};

enum { CONTRAST_A, CONTRAST_B, CONTRAST_AXIS, CONTRAST_AT, CONTRAST_MARGIN, CONTRAST_FIELDS };
static const field contrast_fields[CONTRAST_FIELDS] = {
    {"a", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a family or a condition"},
    {"b", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a family or a condition"},
    {"axis", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "a cost"},
    {"at", FIELD_LIST, 0, 0, 0, "budgets on the axis"},
    {"margin", FIELD_REAL, 0, 0, 1, ""},
};

static const char *const axis_names[] = {"tokens_ref",           "tokens_total",
                                         "seq_critical_path",    "seq_critical_path_injected",
                                         "seq_longest_sequence", "nodes_explored"};
enum { AXIS_NAMES = sizeof axis_names / sizeof *axis_names };

static const double MARGIN = 0.02;       /* two points, as reports take it by default */
static const double BUDGET_MAX = 0x1p53; /* whole numbers are exact up to here */
enum { JOB_ARENA_BYTES = 64 << 20, RETRIES = 2 };

/* ---- checkers ------------------------------------------------------------------------------- */

status checker_read(const job_reader *r, const yaml_node *node, const char **out) {
  const job_source *source = r->source;
  for (size_t i = 0; i < source->checker_count; i++) {
    if (strcmp(source->checkers[i], node->text) == 0) return copy_text(r, node->text, out);
  }
  return unknown_word(r, node->line, "checker", node->text, source->checkers,
                      source->checker_count);
}

/* ---- contrasts ------------------------------------------------------------------------------ */

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
    if (!number || child->real <= 0 || child->real > BUDGET_MAX) {
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
  size_t count, axes;
  const char *checker; /* of the first */
  int mixed;           /* another has another */
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
  }
  return m;
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
  if (sides[0].mixed || sides[1].mixed || !same_checker(sides[0].checker, sides[1].checker)) {
    return fault_at(r->err, E_INPUT, r->source->name, c->line,
                    "'%s' and '%s' are judged by different checkers; give both the same", c->a,
                    c->b);
  }
  return OK;
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

static status compare_read(job_reader *r, const yaml_node *list) {
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

/* ---- conditions ----------------------------------------------------------------------------- */

/* A word of `compare` means one thing: a condition and a family share a name only where the
   family is that condition. */
static status check_families(const job_reader *r) {
  for (size_t i = 0; i < r->job->condition_count; i++) {
    const job_condition *c = &r->job->conditions[i];
    json_int_t members = json_integer_value(json_object_get(r->families, c->name));
    if (!members || (members == 1 && strcmp(c->name, c->family) == 0)) continue;
    return fault_at(r->err, E_INPUT, r->source->name, c->line,
                    "condition \"%s\" has the name of a family of other conditions; name it apart",
                    c->name);
  }
  return OK;
}

static status conditions_read(job_reader *r, const yaml_node *list, const char *checker) {
  if (!list->count) {
    return fault_at(
        r->err, E_INPUT, r->source->name, list->line,
        "conditions: expected at least one entry with name and mode, not an empty list");
  }
  status s = OK;
  for (const yaml_node *node = list->first; node && !s; node = node->next)
    s = entry_read(r, node, checker);
  return s ? s : check_families(r);
}

/* ---- the resolved document ------------------------------------------------------------------ */

/* A set that takes its reference in every case and remembers failure, as text does. */
static void set(json_t *object, const char *key, json_t *value, int *failed) {
  if (json_object_set_new(object, key, value)) *failed = 1;
}

static json_t *entry_document(const job_condition *c, int *failed) {
  json_t *entry = json_deep_copy(c->parameters);
  set(entry, "name", json_string(c->name), failed);
  set(entry, "family", json_string(c->family), failed);
  set(entry, "mode", json_string(c->mode->name), failed);
  if (c->checker) set(entry, "checker", json_string(c->checker), failed);
  set(entry, "axes", json_copy(c->axes), failed);
  return entry;
}

static json_t *number_document(double value) {
  int whole = value - floor(value) == 0.0 && value <= BUDGET_MAX;
  return whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *contrast_document(const job_contrast *c, int *failed) {
  json_t *contrast = json_object();
  set(contrast, "a", json_string(c->a), failed);
  set(contrast, "b", json_string(c->b), failed);
  set(contrast, "margin", json_real(c->margin), failed);
  if (!c->axis) return contrast;
  set(contrast, "axis", json_string(c->axis), failed);
  json_t *at = json_array();
  for (size_t i = 0; i < c->at_count; i++) {
    if (json_array_append_new(at, number_document(c->at[i]))) *failed = 1;
  }
  set(contrast, "at", at, failed);
  return contrast;
}

static json_t *job_document(const job *j, int *failed) {
  json_t *document = json_object(), *conditions = json_array(), *compare = json_array();
  set(document, "name", json_string(j->name), failed);
  set(document, "tasks", json_string(j->tasks), failed);
  set(document, "seed", json_integer(j->seed), failed);
  set(document, "repeats", json_integer(j->repeats), failed);
  set(document, "retries", json_integer(j->retries), failed);
  set(document, "allowed_failures", json_integer(j->allowed_failures), failed);
  for (size_t i = 0; i < j->condition_count; i++) {
    if (json_array_append_new(conditions, entry_document(&j->conditions[i], failed))) *failed = 1;
  }
  for (size_t i = 0; i < j->compare_count; i++) {
    if (json_array_append_new(compare, contrast_document(&j->compare[i], failed))) *failed = 1;
  }
  set(document, "conditions", conditions, failed);
  set(document, "compare", compare, failed);
  return document;
}

/* Replaces the document. It is held to the bound of a file, so that it is read as a job again. */
static status write_document(job *j, const char *file, int line, detail *err) {
  int failed = 0;
  json_t *document = job_document(j, &failed);
  if (failed) {
    json_decref(document);
    return fault(err, E_MEMORY, "no memory for a resolved job");
  }
  text canonical;
  text_open(&canonical, JOB_BYTES_MAX);
  status s = json_canonical(document, &canonical, err);
  text_close(&canonical);
  if (s == E_LIMIT) {
    s = fault_at(err, E_INPUT, file, line, "the resolved job is larger than %d bytes; split it",
                 (int)JOB_BYTES_MAX);
  }
  json_t *unused = s ? document : j->document;
  if (!s) j->document = document;
  json_decref(unused);
  return s;
}

status job_default_checker(job *j, const char *checker, detail *err) {
  const char *copy = arena_text(j->memory, checker, strlen(checker));
  if (!copy) return arena_full(j->memory, err);
  for (size_t i = 0; i < j->condition_count; i++) {
    if (!j->conditions[i].checker) j->conditions[i].checker = copy;
  }
  return write_document(j, j->name, 0, err);
}

/* ---- the job -------------------------------------------------------------------------------- */

static int64_t integer_or(const yaml_node *node, int64_t absent) {
  return node ? node->integer : absent;
}

static status job_fill(job_reader *r, const yaml_node *root) {
  job *j = r->job;
  const yaml_node *found[JOB_FIELDS];
  if (root->kind != YAML_MAP) return unexpected(r, root, "job", "a mapping with name and tasks");
  status s = fields_read(r, root, job_fields, JOB_FIELDS, 0, found);
  if (!s) s = check_name(r, found[JOB_NAME], "");
  if (!s) s = copy_text(r, found[JOB_NAME]->text, &j->name);
  if (!s) s = copy_text(r, found[JOB_TASKS]->text, &j->tasks);
  if (!s) s = copy_text(r, r->source->name, &j->file);
  if (s) return s;
  j->tasks_line = found[JOB_TASKS]->line;
  j->seed = integer_or(found[JOB_SEED], 0);
  j->repeats = (int32_t)integer_or(found[JOB_REPEATS], 1);
  j->retries = (int32_t)integer_or(found[JOB_RETRIES], RETRIES);
  j->allowed_failures = integer_or(found[JOB_ALLOWED], 0);
  const char *checker = NULL;
  if (found[JOB_CHECKER]) s = checker_read(r, found[JOB_CHECKER], &checker);
  if (!s) s = conditions_read(r, found[JOB_CONDITIONS], checker);
  if (!s) s = compare_read(r, found[JOB_COMPARE]);
  return s ? s : write_document(j, r->source->name, found[JOB_CONDITIONS]->line, r->err);
}

static status job_parse(job_reader *r) {
  const job_source *source = r->source;
  r->names = json_object();
  r->families = json_object();
  r->contrasts_seen = json_object();
  const yaml_node *root = NULL;
  status s = r->names && r->families && r->contrasts_seen ? OK : no_memory(r);
  if (!s) s = arena_open(&r->job->memory, JOB_ARENA_BYTES, r->err);
  if (!s) s = arena_open(&r->scratch, YAML_ARENA_BYTES, r->err);
  if (!s) s = yaml_read(&root, r->scratch, source->bytes, source->count, source->name, r->err);
  if (!s) s = job_fill(r, root);
  arena_close(r->scratch);
  json_decref(r->names);
  json_decref(r->families);
  json_decref(r->contrasts_seen);
  return s;
}

status job_read(job **out, const job_source *source, detail *err) {
  job *j = memory_zeroed(1, sizeof *j);
  if (!j) return fault(err, E_MEMORY, "no memory for a job");
  job_reader r = {.source = source, .job = j, .err = err};
  status s = job_parse(&r);
  if (s) {
    job_close(j);
    return s;
  }
  *out = j;
  return OK;
}

void job_close(job *j) {
  if (!j) return;
  for (size_t i = 0; i < j->condition_count; i++) {
    json_decref(j->conditions[i].parameters);
    json_decref(j->conditions[i].axes);
  }
  memory_free(j->conditions);
  json_decref(j->document);
  arena_close(j->memory);
  memory_free(j);
}
