/* What a job says of its models and of how they are run. */
#include "base/text.h"
#include "pipeline/job_internal.h"

#include <inttypes.h>
#include <string.h>

enum { SLOTS_MAX = 1 << 16, ROWS_MAX = 1 << 20 };

/* ---- models ---------------------------------------------------------------------------------- */

const char *job_model_name(const char *path, size_t *bytes) {
  size_t end = strlen(path), start;
  while (end > 1 && path[end - 1] == '/')
    end--;
  for (start = end; start > 0 && path[start - 1] != '/';)
    start--;
  *bytes = end - start;
  return path + start;
}

static status path_read(const job_reader *r, const yaml_node *node, const char *key,
                        model_list *out) {
  static const field path = {"", FIELD_TEXT, 0, 1, JOB_PATH_BYTES_MAX, "a model's folder"};
  field named = path;
  named.key = key;
  status s = fields_check(r, &named, node);
  if (!s) s = copy_text(r, node->text, &out->paths[out->count]);
  for (size_t i = 0; !s && i < out->count; i++) {
    if (strcmp(out->paths[i], node->text) != 0) continue;
    char shown[YAML_SHOWN_BYTES];
    s = fault_at(r->err, E_INPUT, r->source->name, node->line, "%s: \"%s\" a second time", key,
                 yaml_shown(node->text, shown));
  }
  out->count += s == OK;
  return s;
}

/* Where there are several, the name of each is a part of its conditions' names. */
static status name_last(const job_reader *r, const yaml_node *node, const char *key,
                        model_list *out) {
  char shown[YAML_SHOWN_BYTES];
  size_t last = out->count - 1, bytes;
  const char *name = job_model_name(out->paths[last], &bytes);
  if (!is_name(name, bytes, "")) {
    return fault_at(r->err, E_INPUT, r->source->name, node->line,
                    "%s: of several models each names its conditions, and the folder of %s is not "
                    "called by letters, digits and ._+- only; rename it, or name a link to it",
                    key, yaml_shown(node->text, shown));
  }
  char *copy = arena_text(r->job->memory, name, bytes);
  if (!copy) return arena_full(r->job->memory, r->err);
  for (size_t i = 0; i < last; i++) {
    if (strcmp(out->names[i], copy) != 0) continue;
    return fault_at(r->err, E_INPUT, r->source->name, node->line,
                    "%s: two folders are called \"%s\", which names their conditions; rename one, "
                    "or name a link to it",
                    key, yaml_shown(copy, shown));
  }
  out->names[last] = copy;
  return OK;
}

status models_read(const job_reader *r, const yaml_node *node, model_list *out) {
  int several = node->kind == YAML_LIST && node->count > 1;
  size_t count = node->kind == YAML_LIST ? node->count : 1;
  if (count == 0 || count > JOB_MODELS_MAX) {
    return fault_at(r->err, E_INPUT, r->source->name, node->line,
                    "%s: expected a model's folder or a list of 1 to %d, not %s", node->key,
                    (int)JOB_MODELS_MAX, count ? "more" : "an empty list");
  }
  *out = (model_list){.paths = arena_take(r->job->memory, count, sizeof *out->paths),
                      .names = arena_take(r->job->memory, count, sizeof *out->names)};
  if (!out->paths || !out->names) return arena_full(r->job->memory, r->err);
  const yaml_node *one = node->kind == YAML_LIST ? node->first : node;
  status s = OK;
  for (size_t i = 0; !s && i < count; i++, one = one->next) {
    s = path_read(r, one, node->key, out);
    if (!s && several) s = name_last(r, one, node->key, out);
  }
  return s;
}

/* ---- how they are run ------------------------------------------------------------------------ */

enum { ENGINE_BACKEND, ENGINE_COMPUTE, ENGINE_MEMORY, ENGINE_SLOTS, ENGINE_ROWS, ENGINE_FIELDS };
static const field engine_fields[ENGINE_FIELDS] = {
    {"backend", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "auto, cpu or reference"},
    {"compute", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "bf16 or fp32"},
    {"kv_memory", FIELD_TEXT, 0, 1, JOB_CONDITION_BYTES_MAX, "memory of the cache, as 4GiB"},
    {"slots", FIELD_INTEGER, 0, 1, SLOTS_MAX, ""},
    {"rows", FIELD_INTEGER, 0, 1, ROWS_MAX, ""},
};
static const char *const backends[] = {"auto", "cpu", "reference"};
static const char *const computes[] = {"bf16", "fp32"};

static const struct {
  const char *name;
  int64_t bytes;
} units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
enum { UNITS = sizeof units / sizeof *units };
static const int64_t KV_MEMORY_MAX = (int64_t)1 << 50;

/* The index of a word among the known ones; the first where the key is absent. */
static status word_read(const job_reader *r, const yaml_node *node, const char *what,
                        const char *const *known, size_t known_count, size_t *out) {
  *out = 0;
  if (!node) return OK;
  while (*out < known_count && strcmp(known[*out], node->text) != 0)
    ++*out;
  if (*out < known_count) return OK;
  return unknown_word(r, node->line, what, node->text, known, known_count);
}

static status memory_read(const job_reader *r, const yaml_node *node, int64_t *out) {
  int64_t count = 0, unit = 0;
  const char *rest = node->text;
  for (; *rest >= '0' && *rest <= '9' && count < KV_MEMORY_MAX; rest++)
    count = 10 * count + (*rest - '0');
  for (size_t i = 0; rest > node->text && i < UNITS; i++) {
    if (strcmp(units[i].name, rest) == 0) unit = units[i].bytes;
  }
  if (!unit || !count || count > KV_MEMORY_MAX / unit) {
    return unexpected(r, node, node->key,
                      "an integer with KiB, MiB or GiB, as 4GiB, of at most %" PRId64 "GiB",
                      KV_MEMORY_MAX >> 30);
  }
  *out = count * unit;
  return OK;
}

status engine_read(const job_reader *r, const yaml_node *map, job_engine *out) {
  const yaml_node *found[ENGINE_FIELDS] = {0};
  size_t backend, compute;
  status s = map ? fields_read(r, map, engine_fields, ENGINE_FIELDS, 0, found) : OK;
  if (!s) s = word_read(r, found[ENGINE_BACKEND], "backend", backends, 3, &backend);
  if (!s) s = word_read(r, found[ENGINE_COMPUTE], "value of compute", computes, 2, &compute);
  if (s) return s;
  *out = (job_engine){.backend = backends[backend], .fp32 = compute == 1};
  if (found[ENGINE_SLOTS]) out->slots = (int)found[ENGINE_SLOTS]->integer;
  if (found[ENGINE_ROWS]) out->rows = (int)found[ENGINE_ROWS]->integer;
  if (out->rows && out->rows < out->slots) {
    return fault_at(r->err, E_INPUT, r->source->name, found[ENGINE_ROWS]->line,
                    "rows: %d rows are less than the %d slots, of which each takes a row of every "
                    "step; raise rows or lower slots",
                    out->rows, out->slots);
  }
  const yaml_node *memory = found[ENGINE_MEMORY];
  return memory ? memory_read(r, memory, &out->kv_memory_bytes) : OK;
}

static int put_memory(json_t *object, int64_t bytes) {
  size_t i = 0;
  while (bytes % units[i].bytes)
    i++;
  json_t *value = json_sprintf("%lld%s", (long long)(bytes / units[i].bytes), units[i].name);
  return json_object_set_new(object, "kv_memory", value) == 0;
}

json_t *engine_document(const job_engine *e) {
  json_t *out =
      json_pack("{s:s, s:s}", "backend", e->backend, "compute", computes[e->fp32 ? 1 : 0]);
  int good = out != NULL;
  if (good && e->kv_memory_bytes) good = put_memory(out, e->kv_memory_bytes);
  if (good && e->slots) good = json_object_set_new(out, "slots", json_integer(e->slots)) == 0;
  if (good && e->rows) good = json_object_set_new(out, "rows", json_integer(e->rows)) == 0;
  if (good) return out;
  json_decref(out);
  return NULL;
}

status record_read(const job_reader *r, const yaml_node *map, int *logprobs) {
  static const field fields[] = {{"logprobs", FIELD_FLAG, 0, 0, 0, ""}};
  const yaml_node *found[1] = {0};
  status s = map ? fields_read(r, map, fields, 1, 0, found) : OK;
  *logprobs = !s && found[0] && found[0]->integer;
  return s;
}
