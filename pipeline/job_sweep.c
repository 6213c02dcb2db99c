/* One entry of a job's conditions: its keys, the axes among its parameters, and the conditions that
   they multiply to. */
#include "base/memory.h"
#include "base/text.h"
#include "pipeline/job_internal.h"

#include <stdio.h>
#include <string.h>

enum { ENTRY_NAME, ENTRY_FAMILY, ENTRY_MODE, ENTRY_MODEL, ENTRY_CHECKER, ENTRY_AXES, ENTRY_FIELDS };
static const field entry_fields[ENTRY_FIELDS] = {
    {"name", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "the condition's name"},
    {"family", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "the name of a family"},
    {"mode", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a way of reasoning"},
    {"model", FIELD_PATHS, 0, 0, 0, "a model's folder, or a list of such"},
    {"checker", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "a checker's name"},
    {"axes", FIELD_MAP, 0, 0, 0, "dotted paths to values"},
};

/* One parameter of an entry: the values to take, more than one only where it is swept. */
typedef struct parameter {
  const option *option;
  json_t *values; /* an array */
  int swept;
} parameter;

typedef struct entry {
  const yaml_node *node, *found[ENTRY_FIELDS];
  const mode *mode;
  const char *name, *family, *checker;
  model_list models;     /* several are an axis; none for a mode without a machine */
  parameter *parameters; /* [parameter_count] in file order */
  size_t parameter_count, points;
} entry;

static const option *option_find(const mode *m, const char *path) {
  for (size_t i = 0; i < m->option_count; i++) {
    if (strcmp(m->options[i].key, path) == 0) return &m->options[i];
  }
  return NULL;
}

/* Whether options lie under this path. */
static int is_group(const mode *m, const char *path) {
  size_t bytes = strlen(path);
  for (size_t i = 0; i < m->option_count; i++) {
    const char *key = m->options[i].key;
    if (strncmp(key, path, bytes) == 0 && key[bytes] == '.') return 1;
  }
  return 0;
}

/* ---- parameters ----------------------------------------------------------------------------- */

/* Lists what may stand beside an unknown key: the entry's own keys at the top, and the options'. */
static status unknown_parameter(const job_reader *r, const mode *m, const char *prefix,
                                const yaml_node *node) {
  size_t count = 0, most = ENTRY_FIELDS + m->option_count, bytes = strlen(prefix);
  const char **known = arena_take(r->scratch, most, sizeof *known);
  if (!known) return arena_full(r->scratch, r->err);
  for (size_t i = 0; i < ENTRY_FIELDS && !bytes; i++)
    known[count++] = entry_fields[i].key;
  for (size_t i = 0; i < m->option_count; i++) {
    const char *key = m->options[i].key;
    if (strncmp(key, prefix, bytes) != 0) continue;
    char *segment = arena_text(r->scratch, key + bytes, strcspn(key + bytes, "."));
    if (!segment) return arena_full(r->scratch, r->err);
    size_t same = 0;
    while (same < count && strcmp(known[same], segment) != 0)
      same++;
    if (same == count) known[count++] = segment;
  }
  char what[128];
  (void)snprintf(what, sizeof what, "key of mode %s", m->name);
  return unknown_word(r, node->key_line, what, node->key, known, count);
}

/* Whether a value is a list of values to take in turn. */
static int is_axis(const option *o, const yaml_node *node) {
  if (node->kind != YAML_LIST) return 0;
  return o->type != OPTION_TEXTS || (node->first && node->first->kind == YAML_LIST);
}

static status value_again(const job_reader *r, const option *o, const yaml_node *value) {
  char shown[YAML_SHOWN_BYTES];
  return fault_at(r->err, E_INPUT, r->source->name, value->line,
                  "%s: value %s a second time; a sweep names each once", o->key,
                  value->text ? yaml_shown(value->text, shown) : "in this place");
}

static status read_values(const job_reader *r, parameter *p, const yaml_node *node) {
  const yaml_node *value = p->swept ? node->first : node;
  if (!value) {
    return fault_at(r->err, E_INPUT, r->source->name, node->line,
                    "%s: expected at least one value to sweep over, not an empty list",
                    p->option->key);
  }
  for (; value; value = p->swept ? value->next : NULL) {
    json_t *read = NULL;
    status s = option_read(r, p->option, value, &read);
    if (s) return s;
    for (size_t i = 0; i < json_array_size(p->values); i++) {
      if (!json_equal(json_array_get(p->values, i), read)) continue;
      json_decref(read);
      return value_again(r, p->option, value);
    }
    if (json_array_append_new(p->values, read)) return no_memory(r);
    if (json_array_size(p->values) > JOB_CONDITIONS_MAX) break; /* refused when it is multiplied */
  }
  return OK;
}

static status add_parameter(const job_reader *r, entry *e, const option *o, const yaml_node *node) {
  parameter *p = &e->parameters[e->parameter_count];
  *p = (parameter){.option = o, .values = json_array(), .swept = is_axis(o, node)};
  if (!p->values) return no_memory(r);
  e->parameter_count++;
  status s = read_values(r, p, node);
  if (s) return s;
  e->points *= json_array_size(p->values);
  if (e->points <= JOB_CONDITIONS_MAX) return OK;
  return fault_at(r->err, E_INPUT, r->source->name, node->line,
                  "%s: the sweep of \"%s\" has more than %d conditions; use fewer values", o->key,
                  e->name, (int)JOB_CONDITIONS_MAX);
}

static int is_entry_field(const char *key) {
  for (size_t i = 0; i < ENTRY_FIELDS; i++) {
    if (strcmp(entry_fields[i].key, key) == 0) return 1;
  }
  return 0;
}

/* Whether the entry itself says what this sampling setting is. */
static int says_sampling(const entry *e, const char *key) {
  const yaml_node *own = yaml_find(e->node, "sampling");
  return own && own->kind == YAML_MAP && yaml_find(own, key);
}

/* The job's sampling settings, as if they stood in front of the entry's parameters. */
static status read_sampling(const job_reader *r, entry *e) {
  const yaml_node *map = r->defaults.sampling;
  for (const yaml_node *child = map ? map->first : NULL; child; child = child->next) {
    char path[64] = "sampling.";
    size_t prefix = strlen(path), bytes = strlen(child->key);
    const option *o = NULL;
    if (prefix + bytes < sizeof path) {
      memcpy(path + prefix, child->key, bytes + 1);
      o = option_find(e->mode, path);
    }
    status s = OK;
    if (!o) s = unknown_parameter(r, e->mode, "sampling.", child);
    if (!s && !says_sampling(e, child->key)) s = add_parameter(r, e, o, child);
    if (s) return s;
  }
  return OK;
}

/* prefix: "" for the entry itself, "limit." within its mapping limit. */
static status read_parameters(const job_reader *r, entry *e, const yaml_node *map,
                              const char *prefix) {
  for (const yaml_node *child = map->first; child; child = child->next) {
    if (!*prefix && is_entry_field(child->key)) continue;
    size_t bytes = strlen(prefix) + strlen(child->key);
    char *path = arena_take(r->scratch, bytes + 2, 1);
    if (!path) return arena_full(r->scratch, r->err);
    (void)snprintf(path, bytes + 1, "%s%s", prefix, child->key);
    int known = !strchr(child->key, '.');
    const option *o = known ? option_find(e->mode, path) : NULL;
    status s = OK;
    if (o) {
      s = add_parameter(r, e, o, child);
    } else if (!known || !is_group(e->mode, path)) {
      s = unknown_parameter(r, e->mode, prefix, child);
    } else if (child->kind != YAML_MAP) {
      s = unexpected(r, child, path, "a mapping");
    } else {
      path[bytes] = '.'; /* a zero follows */
      s = read_parameters(r, e, child, path);
    }
    if (s) return s;
  }
  return OK;
}

/* ---- points of the sweep -------------------------------------------------------------------- */

enum { WORD_BYTES_MAX = 32 };

/* As a person would write it; 15 digits are all that yaml_read keeps of a real. What is no short
   word is named by its place on the axis, from 1. */
static void put_value(text *out, const json_t *value, size_t place) {
  size_t bytes = json_string_length(value);
  if (json_is_string(value) && bytes <= WORD_BYTES_MAX &&
      is_name(json_string_value(value), bytes, "")) {
    text_put(out, json_string_value(value));
  } else if (json_is_string(value) || json_is_array(value)) {
    text_format(out, "#%zu", place + 1);
  } else if (json_is_integer(value)) {
    text_int(out, json_integer_value(value));
  } else {
    text_format(out, "%.15g", json_real_value(value));
  }
}

/* One parameter's value; what is swept is an axis and a part of the name. */
static int place_value(const parameter *p, size_t place, job_condition *c, text *name) {
  json_t *value = json_copy(json_array_get(p->values, place));
  int good = value && json_path_put(c->parameters, p->option->key, value);
  if (good && p->swept) {
    good = json_object_set(c->axes, p->option->key, value) == 0;
    text_format(name, " %s=", p->option->key);
    put_value(name, value, place);
  }
  json_decref(value);
  return good;
}

/* The model, an axis where there are several. */
static int place_model(const model_list *models, size_t place, job_condition *c, text *name) {
  if (models->count == 0) return 1;
  c->model = models->paths[place];
  if (models->count == 1) return 1;
  text_format(name, " model=%s", models->names[place]);
  return json_object_set_new(c->axes, "model", json_string(models->names[place])) == 0;
}

/* Sets model, parameters, axes and the rest of the name for one point; the last axis is the
   fastest. */
static int place_point(const entry *e, size_t point, job_condition *c, text *name) {
  size_t stride = e->points;
  if (e->models.count) stride /= e->models.count;
  if (!place_model(&e->models, point / stride, c, name)) return 0;
  for (size_t i = 0; i < e->parameter_count; i++) {
    const parameter *p = &e->parameters[i];
    size_t count = json_array_size(p->values);
    stride /= count;
    if (!place_value(p, point / stride % count, c, name)) return 0;
  }
  return 1;
}

static status other_value(const job_reader *r, const yaml_node *child) {
  return fault_at(r->err, E_INPUT, r->source->name, child->line,
                  "axes: %s is not the value that the entry holds", child->key);
}

static status read_model_axis(const job_reader *r, const yaml_node *child, job_condition *c) {
  size_t bytes;
  const char *name = job_model_name(c->model, &bytes);
  if (child->kind != YAML_TEXT || strlen(child->text) != bytes ||
      memcmp(child->text, name, bytes) != 0) {
    return other_value(r, child);
  }
  return json_object_set_new(c->axes, "model", json_string(child->text)) ? no_memory(r) : OK;
}

static status read_axis(const job_reader *r, const entry *e, const yaml_node *child,
                        job_condition *c) {
  char shown[YAML_SHOWN_BYTES];
  if (c->model && strcmp(child->key, "model") == 0) return read_model_axis(r, child, c);
  const option *o = option_find(e->mode, child->key);
  const json_t *held = o ? json_path_get(c->parameters, o->key) : NULL;
  if (!held) {
    return fault_at(r->err, E_INPUT, r->source->name, child->key_line,
                    "axes: \"%s\" is no parameter of this entry", yaml_shown(child->key, shown));
  }
  json_t *value = NULL;
  status s = option_read(r, o, child, &value);
  if (s) return s;
  int same = json_equal(value, held);
  if (json_object_set_new(c->axes, o->key, value)) return no_memory(r);
  return same ? OK : other_value(r, child);
}

/* A resolved entry's axes: each its model or a parameter, with the value that the entry holds. */
static status read_axes(const job_reader *r, const entry *e, job_condition *c) {
  const yaml_node *axes = e->found[ENTRY_AXES];
  status s = OK;
  for (const yaml_node *child = axes ? axes->first : NULL; !s && child; child = child->next)
    s = read_axis(r, e, child, c);
  return s;
}

static status resolve(const job_reader *r, const entry *e, job_condition *c) {
  detail problem = {0};
  status s = e->mode->resolve(c->parameters, &problem);
  if (!s) return OK;
  if (s == E_MEMORY) return no_memory(r);
  return fault_at(r->err, s, r->source->name, c->line, "condition \"%s\": %s", c->name,
                  problem.text);
}

/* Counts the condition's name and its family's; a name means one thing only. */
static status claim_names(const job_reader *r, const job_condition *c) {
  const json_t *earlier = json_object_get(r->names, c->name);
  if (earlier) {
    return fault_at(r->err, E_INPUT, r->source->name, c->line,
                    "condition \"%s\" a second time; the first is in line %d", c->name,
                    (int)json_integer_value(earlier));
  }
  json_int_t members = json_integer_value(json_object_get(r->families, c->family));
  if (json_object_set_new(r->names, c->name, json_integer(c->line)) ||
      json_object_set_new(r->families, c->family, json_integer(members + 1))) {
    return no_memory(r);
  }
  return OK;
}

static status grow_conditions(job_reader *r) {
  job *j = r->job;
  if (j->condition_count < r->capacity) return OK;
  size_t capacity = r->capacity ? r->capacity * 2 : 16;
  job_condition *grown = memory_grow(j->conditions, capacity * sizeof *grown);
  if (!grown) return no_memory(r);
  j->conditions = grown;
  r->capacity = capacity;
  return OK;
}

static status fill_condition(const job_reader *r, const entry *e, size_t point, job_condition *c) {
  text name;
  text_open(&name, JOB_CONDITION_BYTES_MAX);
  text_put(&name, e->name);
  status s = place_point(e, point, c, &name) ? OK : no_memory(r);
  if (!s && name.failed == E_LIMIT) {
    s = fault_at(r->err, E_INPUT, r->source->name, c->line,
                 "a condition of \"%s\" has a name of more than %d bytes; use a shorter name",
                 e->name, (int)JOB_CONDITION_BYTES_MAX);
  }
  if (!s) s = text_state(&name, r->err);
  if (!s) s = copy_text(r, text_string(&name), &c->name);
  text_close(&name);
  if (!s) s = read_axes(r, e, c);
  if (!s) s = resolve(r, e, c);
  return s ? s : claim_names(r, c);
}

static status add_points(job_reader *r, const entry *e) {
  job *j = r->job;
  if (j->condition_count + e->points > JOB_CONDITIONS_MAX) {
    return fault_at(r->err, E_INPUT, r->source->name, e->node->line,
                    "more than %d conditions in the job; split it", (int)JOB_CONDITIONS_MAX);
  }
  for (size_t point = 0; point < e->points; point++) {
    status s = grow_conditions(r);
    if (s) return s;
    job_condition *c = &j->conditions[j->condition_count++];
    *c = (job_condition){.family = e->family, .checker = e->checker, .mode = e->mode};
    c->line = e->node->line;
    c->parameters = json_object();
    c->axes = json_object();
    s = c->parameters && c->axes ? fill_condition(r, e, point, c) : no_memory(r);
    if (s) return s;
  }
  return OK;
}

/* ---- entries -------------------------------------------------------------------------------- */

static status find_mode(const job_reader *r, const yaml_node *node, const mode **out) {
  const job_source *source = r->source;
  const char **names = arena_take(r->scratch, source->mode_count, sizeof *names);
  if (!names) return arena_full(r->scratch, r->err);
  for (size_t i = 0; i < source->mode_count; i++) {
    names[i] = source->modes[i]->name;
    if (strcmp(names[i], node->text) == 0) {
      *out = source->modes[i];
      return OK;
    }
  }
  return unknown_word(r, node->line, "mode", node->text, names, source->mode_count);
}

/* A resolved name may hold the number of a value. */
static status read_names(const job_reader *r, entry *e) {
  const yaml_node *name = e->found[ENTRY_NAME], *family = e->found[ENTRY_FAMILY];
  status s = check_name(r, name, " =#");
  if (!s && family) s = check_name(r, family, " =#");
  if (!s) s = copy_text(r, name->text, &e->name);
  if (!s) s = copy_text(r, family ? family->text : name->text, &e->family);
  e->checker = r->defaults.checker;
  const yaml_node *own = e->found[ENTRY_CHECKER];
  if (!s && own) s = checker_read(r, own, &e->checker);
  return s;
}

/* The models of an entry: its own, or the job's. */
static status find_models(job_reader *r, entry *e) {
  const yaml_node *own = e->found[ENTRY_MODEL];
  if (!e->mode->machine) {
    if (!own) return OK;
    return fault_at(r->err, E_INPUT, r->source->name, own->key_line,
                    "model: mode %s reasons without a model; remove it", e->mode->name);
  }
  if (!own && !r->defaults.models.count) {
    return fault_at(r->err, E_INPUT, r->source->name, e->node->line,
                    "\"%s\": mode %s reasons with a model, and none is named; add models: [DIR] "
                    "to the job, or model: DIR here",
                    e->name, e->mode->name);
  }
  r->has_models = 1;
  r->models_used |= !own;
  e->models = r->defaults.models;
  status s = own ? models_read(r, own, &e->models) : OK;
  e->points = e->models.count;
  return s;
}

/* A swept entry makes its axes itself; a list of them beside it could only disagree. */
static status check_axes(const job_reader *r, const entry *e) {
  const yaml_node *axes = e->found[ENTRY_AXES];
  if (!axes || !axes->count) return OK;
  const char *swept = e->models.count > 1 ? "model" : NULL;
  for (size_t i = 0; !swept && i < e->parameter_count; i++) {
    if (e->parameters[i].swept) swept = e->parameters[i].option->key;
  }
  if (!swept) return OK;
  return fault_at(r->err, E_INPUT, r->source->name, axes->key_line,
                  "axes belong to a resolved entry; this one has a list for %s", swept);
}

status entry_read(job_reader *r, const yaml_node *node) {
  if (node->kind != YAML_MAP) return unexpected(r, node, "conditions", "a mapping per condition");
  entry e = {.node = node, .points = 1};
  status s = fields_read(r, node, entry_fields, ENTRY_FIELDS, 1, e.found);
  if (!s) s = find_mode(r, e.found[ENTRY_MODE], &e.mode);
  if (!s) s = read_names(r, &e);
  if (!s) s = find_models(r, &e);
  if (s) return s;
  e.parameters = arena_take(r->scratch, e.mode->option_count, sizeof *e.parameters);
  if (!e.parameters) return arena_full(r->scratch, r->err);
  if (e.mode->machine) s = read_sampling(r, &e);
  if (!s) s = read_parameters(r, &e, node, "");
  if (!s) s = check_axes(r, &e);
  if (!s) s = add_points(r, &e);
  for (size_t i = 0; i < e.parameter_count; i++)
    json_decref(e.parameters[i].values);
  return s;
}
