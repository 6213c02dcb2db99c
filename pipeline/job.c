#include "pipeline/job.h"

#include "base/memory.h"
#include "base/text.h"
#include "pipeline/job_internal.h"

#include <math.h>
#include <string.h>

enum { JOB_NAME, JOB_TASKS, JOB_SEED, JOB_REPEATS, JOB_RETRIES, JOB_ALLOWED, JOB_CHECKER };
enum { JOB_MODELS = JOB_CHECKER + 1, JOB_SAMPLING, JOB_ENGINE, JOB_RECORD };
enum { JOB_CONDITIONS = JOB_RECORD + 1, JOB_COMPARE, JOB_FIELDS };
static const field job_fields[JOB_FIELDS] = {
    {"name", FIELD_TEXT, 1, 1, JOB_NAME_BYTES_MAX, "the job's name"},
    {"tasks", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a task set, name or name@version"},
    {"seed", FIELD_INTEGER, 0, 0, INT64_MAX, ""},
    {"repeats", FIELD_INTEGER, 0, 1, 10000, ""},
    {"retries", FIELD_INTEGER, 0, 0, 1000, ""},
    {"allowed_failures", FIELD_INTEGER, 0, 0, INT64_MAX, ""},
    {"checker", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "a checker's name"},
    {"models", FIELD_PATHS, 0, 0, 0, "a model's folder, or a list of such"},
    {"sampling", FIELD_MAP, 0, 0, 0, "temperature, top_k, top_p and min_p"},
    {"engine", FIELD_MAP, 0, 0, 0, "backend, compute, kv_memory, slots and rows"},
    {"record", FIELD_MAP, 0, 0, 0, "logprobs"},
    {"conditions", FIELD_LIST, 1, 0, 0, "entries, each with name and mode"},
    {"compare", FIELD_LIST, 0, 0, 0, "contrasts, each with a and b"},
};

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

static status conditions_read(job_reader *r, const yaml_node *list) {
  if (!list->count) {
    return fault_at(
        r->err, E_INPUT, r->source->name, list->line,
        "conditions: expected at least one entry with name and mode, not an empty list");
  }
  status s = OK;
  for (const yaml_node *node = list->first; node && !s; node = node->next)
    s = entry_read(r, node);
  return s ? s : check_families(r);
}

/* What is said of models and meant for none would be passed over silently. */
static status check_used(const job_reader *r, const yaml_node *const *found) {
  static const int keys[] = {JOB_MODELS, JOB_SAMPLING, JOB_ENGINE, JOB_RECORD};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const yaml_node *node = found[keys[i]];
    int used = keys[i] == JOB_MODELS ? r->models_used : r->has_models;
    if (!node || used) continue;
    return fault_at(r->err, E_INPUT, r->source->name, node->key_line,
                    "%s: no condition %s; remove the key, or add an entry whose mode reasons with "
                    "a model%s",
                    node->key, keys[i] == JOB_MODELS ? "takes its model from here" : "has a model",
                    r->has_models ? " and names none" : "");
  }
  return OK;
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
  if (c->model) set(entry, "model", json_string(c->model), failed);
  if (c->checker) set(entry, "checker", json_string(c->checker), failed);
  set(entry, "axes", json_copy(c->axes), failed);
  return entry;
}

static json_t *number_document(double value) {
  int whole = value - floor(value) == 0.0 && value <= JOB_BUDGET_MAX;
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

int job_has_models(const job *j) {
  for (size_t i = 0; i < j->condition_count; i++) {
    if (j->conditions[i].model) return 1;
  }
  return 0;
}

static json_t *job_document(const job *j, int *failed) {
  json_t *document = json_object(), *conditions = json_array(), *compare = json_array();
  set(document, "name", json_string(j->name), failed);
  set(document, "tasks", json_string(j->tasks), failed);
  set(document, "seed", json_integer(j->seed), failed);
  set(document, "repeats", json_integer(j->repeats), failed);
  set(document, "retries", json_integer(j->retries), failed);
  set(document, "allowed_failures", json_integer(j->allowed_failures), failed);
  if (job_has_models(j)) {
    set(document, "engine", engine_document(&j->engine), failed);
    set(document, "record", json_pack("{s:b}", "logprobs", j->logprobs), failed);
  }
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

static status job_fill(job_reader *r, const yaml_node *const *found) {
  job *j = r->job;
  j->tasks_line = found[JOB_TASKS]->line;
  j->seed = integer_or(found[JOB_SEED], 0);
  j->repeats = (int32_t)integer_or(found[JOB_REPEATS], 1);
  j->retries = (int32_t)integer_or(found[JOB_RETRIES], RETRIES);
  j->allowed_failures = integer_or(found[JOB_ALLOWED], 0);
  status s = check_name(r, found[JOB_NAME], "");
  if (!s) s = copy_text(r, found[JOB_NAME]->text, &j->name);
  if (!s) s = copy_text(r, found[JOB_TASKS]->text, &j->tasks);
  if (!s) s = copy_text(r, r->source->name, &j->file);
  if (!s) s = engine_read(r, found[JOB_ENGINE], &j->engine);
  if (!s) s = record_read(r, found[JOB_RECORD], &j->logprobs);
  return s;
}

static status defaults_read(job_reader *r, const yaml_node *const *found) {
  entry_defaults *d = &r->defaults;
  d->sampling = found[JOB_SAMPLING];
  status s = OK;
  if (found[JOB_CHECKER]) s = checker_read(r, found[JOB_CHECKER], &d->checker);
  if (!s && found[JOB_MODELS]) s = models_read(r, found[JOB_MODELS], &d->models);
  return s;
}

static status root_read(job_reader *r, const yaml_node *root) {
  const yaml_node *found[JOB_FIELDS];
  if (root->kind != YAML_MAP) return unexpected(r, root, "job", "a mapping with name and tasks");
  status s = fields_read(r, root, job_fields, JOB_FIELDS, 0, found);
  if (!s) s = job_fill(r, found);
  if (!s) s = defaults_read(r, found);
  if (!s) s = conditions_read(r, found[JOB_CONDITIONS]);
  if (!s) s = check_used(r, found);
  if (!s) s = compare_read(r, found[JOB_COMPARE]);
  return s ? s : write_document(r->job, r->source->name, found[JOB_CONDITIONS]->line, r->err);
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
  if (!s) s = root_read(r, root);
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
