/* One entry of a job's conditions: its keys, the axes among its parameters, and the conditions that
   they multiply to. */
#include "base/memory.h"
#include "base/text.h"
#include "pipeline/job_internal.h"

#include <stdio.h>
#include <string.h>

enum { ENTRY_NAME, ENTRY_FAMILY, ENTRY_MODE, ENTRY_CHECKER, ENTRY_AXES, ENTRY_FIELDS };
static const field entry_fields[ENTRY_FIELDS] = {
    {"name", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "the condition's name"},
    {"family", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "the name of a family"},
    {"mode", FIELD_TEXT, 1, 1, JOB_CONDITION_BYTES_MAX, "a way of reasoning"},
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
  parameter *parameters; /* [parameter_count] in file order */
  size_t parameter_count, points;
} entry;

/* ---- dotted paths --------------------------------------------------------------------------- */

const json_t *path_get(const json_t *object, const char *path) {
  for (;;) {
    size_t bytes = strcspn(path, ".");
    object = json_object_getn(object, path, bytes);
    if (!object || !path[bytes]) return object;
    path += bytes + 1;
  }
}

int path_put(json_t *object, const char *path, json_t *value) {
  for (;;) {
    size_t bytes = strcspn(path, ".");
    if (!path[bytes]) return json_object_setn(object, path, bytes, value) == 0;
    json_t *inner = json_object_getn(object, path, bytes);
    if (!inner) {
      inner = json_object();
      if (!inner || json_object_setn_new(object, path, bytes, inner)) return 0;
    }
    object = inner;
    path += bytes + 1;
  }
}

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

static status read_values(const job_reader *r, parameter *p, const yaml_node *node) {
  const yaml_node *value = node->kind == YAML_LIST ? node->first : node;
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
      return fault_at(r->err, E_INPUT, r->source->name, value->line,
                      "%s: value %s a second time; a sweep names each once", p->option->key,
                      value->text);
    }
    if (json_array_append_new(p->values, read)) return no_memory(r);
    if (json_array_size(p->values) > JOB_CONDITIONS_MAX) break; /* refused when it is multiplied */
  }
  return OK;
}

static status add_parameter(const job_reader *r, entry *e, const option *o, const yaml_node *node) {
  parameter *p = &e->parameters[e->parameter_count];
  *p = (parameter){.option = o, .values = json_array(), .swept = node->kind == YAML_LIST};
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

/* As a person would write it; 15 digits are all that yaml_read keeps of a real. */
static void put_value(text *out, const json_t *value) {
  if (json_is_string(value)) {
    text_put(out, json_string_value(value));
  } else if (json_is_integer(value)) {
    text_int(out, json_integer_value(value));
  } else {
    text_format(out, "%.15g", json_real_value(value));
  }
}

/* Sets parameters, axes and the rest of the name for one point; the last axis is the fastest. */
static int place_point(const entry *e, size_t point, job_condition *c, text *name) {
  size_t stride = e->points;
  for (size_t i = 0; i < e->parameter_count; i++) {
    const parameter *p = &e->parameters[i];
    size_t count = json_array_size(p->values);
    stride /= count;
    json_t *value = json_copy(json_array_get(p->values, point / stride % count));
    int good = value && path_put(c->parameters, p->option->key, value);
    if (good && p->swept) {
      good = json_object_set(c->axes, p->option->key, value) == 0;
      text_format(name, " %s=", p->option->key);
      put_value(name, value);
    }
    json_decref(value);
    if (!good) return 0;
  }
  return 1;
}

/* A resolved entry's axes: each a parameter that the entry holds with the same value. */
static status read_axes(const job_reader *r, const entry *e, job_condition *c) {
  const yaml_node *axes = e->found[ENTRY_AXES];
  for (const yaml_node *child = axes ? axes->first : NULL; child; child = child->next) {
    char shown[YAML_SHOWN_BYTES];
    const option *o = option_find(e->mode, child->key);
    const json_t *held = o ? path_get(c->parameters, o->key) : NULL;
    if (!held) {
      return fault_at(r->err, E_INPUT, r->source->name, child->key_line,
                      "axes: \"%s\" is no parameter of this entry", yaml_shown(child->key, shown));
    }
    json_t *value = NULL;
    status s = option_read(r, o, child, &value);
    if (s) return s;
    int same = json_equal(value, held);
    if (json_object_set_new(c->axes, o->key, value)) return no_memory(r);
    if (!same) {
      return fault_at(r->err, E_INPUT, r->source->name, child->line,
                      "axes: %s is not the value that the entry holds", o->key);
    }
  }
  return OK;
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

static status read_names(const job_reader *r, entry *e, const char *checker) {
  const yaml_node *name = e->found[ENTRY_NAME], *family = e->found[ENTRY_FAMILY];
  status s = check_name(r, name, " =");
  if (!s && family) s = check_name(r, family, " =");
  if (!s) s = copy_text(r, name->text, &e->name);
  if (!s) s = copy_text(r, family ? family->text : name->text, &e->family);
  e->checker = checker;
  const yaml_node *own = e->found[ENTRY_CHECKER];
  if (!s && own) s = checker_read(r, own, &e->checker);
  return s;
}

/* A swept entry makes its axes itself; a list of them beside it could only disagree. */
static status check_axes(const job_reader *r, const entry *e) {
  const yaml_node *axes = e->found[ENTRY_AXES];
  for (size_t i = 0; axes && axes->count && i < e->parameter_count; i++) {
    if (!e->parameters[i].swept) continue;
    return fault_at(r->err, E_INPUT, r->source->name, axes->key_line,
                    "axes belong to a resolved entry; this one has a list for %s",
                    e->parameters[i].option->key);
  }
  return OK;
}

status entry_read(job_reader *r, const yaml_node *node, const char *checker) {
  if (node->kind != YAML_MAP) return unexpected(r, node, "conditions", "a mapping per condition");
  entry e = {.node = node, .points = 1};
  status s = fields_read(r, node, entry_fields, ENTRY_FIELDS, 1, e.found);
  if (!s) s = find_mode(r, e.found[ENTRY_MODE], &e.mode);
  if (!s) s = read_names(r, &e, checker);
  if (s) return s;
  e.parameters = arena_take(r->scratch, e.mode->option_count, sizeof *e.parameters);
  if (!e.parameters) return arena_full(r->scratch, r->err);
  s = read_parameters(r, &e, node, "");
  if (!s) s = check_axes(r, &e);
  if (!s) s = add_points(r, &e);
  for (size_t i = 0; i < e.parameter_count; i++)
    json_decref(e.parameters[i].values);
  return s;
}
