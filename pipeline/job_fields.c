#include "base/text.h"
#include "pipeline/job_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

status no_memory(const job_reader *r) {
  return fault(r->err, E_MEMORY, "no memory to read %s", r->source->name);
}

status copy_text(const job_reader *r, const char *source, const char **out) {
  *out = arena_text(r->job->memory, source, strlen(source));
  return *out ? OK : arena_full(r->job->memory, r->err);
}

/* ---- messages ------------------------------------------------------------------------------- */

status unknown_word(const job_reader *r, int line, const char *what, const char *word,
                    const char *const *known, size_t known_count) {
  enum { LIST_BYTES = 500 };
  char shown[YAML_SHOWN_BYTES];
  const char *nearest = text_nearest(word, known, known_count);
  text list;
  text_open(&list, LIST_BYTES);
  size_t listed = 0;
  for (; listed < known_count && list.bytes + strlen(known[listed]) + 16 < LIST_BYTES; listed++)
    text_format(&list, "%s%s", listed ? ", " : "", known[listed]);
  if (listed < known_count) text_put(&list, ", ...");
  status s = fault_at(r->err, E_INPUT, r->source->name, line, "unknown %s \"%s\"%s%s%s known: %s",
                      what, yaml_shown(word, shown), nearest ? "; did you mean \"" : "",
                      nearest ? nearest : "", nearest ? "\"?" : ";", text_string(&list));
  text_close(&list);
  return s;
}

/* A scalar as it was written, text in quotes; otherwise what it is. */
static const char *node_shown(const yaml_node *node, char out[YAML_SHOWN_BYTES + 2]) {
  char shown[YAML_SHOWN_BYTES];
  if (node->kind == YAML_NULL || node->kind >= YAML_LIST) return yaml_kind_name(node->kind);
  const char *quote = node->kind == YAML_TEXT ? "\"" : "";
  (void)snprintf(out, YAML_SHOWN_BYTES + 2, "%s%s%s", quote, yaml_shown(node->text, shown), quote);
  return out;
}

status unexpected(const job_reader *r, const yaml_node *node, const char *key, const char *format,
                  ...) {
  char wanted[256], shown[YAML_SHOWN_BYTES + 2];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(wanted, sizeof wanted, format, arguments);
  va_end(arguments);
  return fault_at(r->err, E_INPUT, r->source->name, node->line, "%s: expected %s, not %s", key,
                  wanted, node_shown(node, shown));
}

/* ---- fields --------------------------------------------------------------------------------- */

static int in_bounds(const field *f, double value) {
  return value >= (double)f->low && value <= (double)f->high;
}

static status check_text(const job_reader *r, const field *f, const yaml_node *node) {
  if (node->kind == YAML_LIST) {
    return unexpected(r, node, f->key, "one text (only a mode's parameters can be swept)");
  }
  if (node->kind == YAML_INTEGER || node->kind == YAML_REAL || node->kind == YAML_BOOLEAN) {
    return unexpected(r, node, f->key, "text, in quotes (%s)", f->meaning);
  }
  if (node->kind != YAML_TEXT || !in_bounds(f, (double)strlen(node->text))) {
    return unexpected(r, node, f->key, "%s, of %" PRId64 " to %" PRId64 " bytes", f->meaning,
                      f->low, f->high);
  }
  return OK;
}

status fields_check(const job_reader *r, const field *f, const yaml_node *node) {
  switch (f->type) {
  case FIELD_TEXT: return check_text(r, f, node);
  case FIELD_INTEGER:
    if (node->kind == YAML_INTEGER && in_bounds(f, node->real)) return OK;
    return unexpected(r, node, f->key, "an integer from %" PRId64 " to %" PRId64, f->low, f->high);
  case FIELD_REAL:
    if ((node->kind == YAML_INTEGER || node->kind == YAML_REAL) && in_bounds(f, node->real)) {
      return OK;
    }
    return unexpected(r, node, f->key, "a number from %" PRId64 " to %" PRId64, f->low, f->high);
  case FIELD_FLAG:
    if (node->kind == YAML_BOOLEAN) return OK;
    return unexpected(r, node, f->key, "true or false");
  case FIELD_PATHS: return OK;
  case FIELD_LIST:
    if (node->kind == YAML_LIST) return OK;
    return unexpected(r, node, f->key, "a list of %s", f->meaning);
  case FIELD_MAP:
    if (node->kind == YAML_MAP) return OK;
    return unexpected(r, node, f->key, "a mapping of %s", f->meaning);
  }
  return OK;
}

static size_t field_find(const field *fields, size_t count, const char *key) {
  size_t i = 0;
  while (i < count && strcmp(fields[i].key, key) != 0)
    i++;
  return i;
}

static status unknown_field(const job_reader *r, const yaml_node *node, const field *fields,
                            size_t count) {
  const char **keys = arena_take(r->scratch, count, sizeof *keys);
  if (!keys) return arena_full(r->scratch, r->err);
  for (size_t i = 0; i < count; i++)
    keys[i] = fields[i].key;
  return unknown_word(r, node->key_line, "key", node->key, keys, count);
}

status fields_read(const job_reader *r, const yaml_node *map, const field *fields,
                   size_t field_count, int open, const yaml_node **found) {
  for (size_t i = 0; i < field_count; i++)
    found[i] = NULL;
  for (const yaml_node *child = map->first; child; child = child->next) {
    size_t i = field_find(fields, field_count, child->key);
    if (i == field_count && !open) return unknown_field(r, child, fields, field_count);
    if (i == field_count) continue;
    status s = fields_check(r, &fields[i], child);
    if (s) return s;
    found[i] = child;
  }
  for (size_t i = 0; i < field_count; i++) {
    if (!fields[i].required || found[i]) continue;
    return fault_at(r->err, E_INPUT, r->source->name, map->line, "missing key \"%s\": %s",
                    fields[i].key, fields[i].meaning);
  }
  return OK;
}

static int is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c && strchr("._+-", c));
}

int is_name(const char *bytes, size_t count, const char *extra) {
  int good = count > 0 && is_name_character(bytes[0]) && is_name_character(bytes[count - 1]);
  for (size_t i = 0; good && i < count; i++)
    good = is_name_character(bytes[i]) || (bytes[i] && strchr(extra, bytes[i]));
  return good;
}

status check_name(const job_reader *r, const yaml_node *node, const char *extra) {
  if (is_name(node->text, strlen(node->text), extra)) return OK;
  return unexpected(r, node, node->key, "letters, digits and ._+- only");
}

/* ---- values of parameters ------------------------------------------------------------------- */

/* A word that YAML reads as something else, as true: whoever wrote it needs to see the words. */
static status no_choice(const job_reader *r, const option *o, const yaml_node *node) {
  enum { LIST_BYTES = 200 };
  text words;
  text_open(&words, LIST_BYTES);
  for (size_t i = 0; o->choices[i]; i++)
    text_format(&words, "%s%s", i == 0 ? "" : o->choices[i + 1] ? ", " : " or ", o->choices[i]);
  status s = unexpected(r, node, o->key, "%s (%s)", text_string(&words), o->meaning);
  text_close(&words);
  return s;
}

static status read_choice(const job_reader *r, const option *o, const yaml_node *node,
                          json_t **out) {
  size_t count = 0;
  for (; o->choices[count]; count++) {
    if (node->kind != YAML_TEXT || strcmp(node->text, o->choices[count]) != 0) continue;
    *out = json_string(node->text);
    return *out ? OK : no_memory(r);
  }
  if (node->kind != YAML_TEXT) return no_choice(r, o, node);
  char what[128];
  (void)snprintf(what, sizeof what, "value of %s", o->key);
  return unknown_word(r, node->line, what, node->text, o->choices, count);
}

static status read_range(const job_reader *r, const option *o, const yaml_node *node,
                         json_t **out) {
  int64_t low = node->integer, high = node->integer;
  int good = node->kind == YAML_INTEGER;
  if (node->kind == YAML_TEXT) good = text_range(node->text, &low, &high);
  if (!good || (double)low < o->low || (double)high > o->high) {
    return unexpected(r, node, o->key, "an integer or a range a-b from %.0f to %.0f (%s)", o->low,
                      o->high, o->meaning);
  }
  *out =
      low == high ? json_integer(low) : json_sprintf("%lld-%lld", (long long)low, (long long)high);
  return *out ? OK : no_memory(r);
}

static status read_number(const job_reader *r, const option *o, const yaml_node *node,
                          json_t **out) {
  int whole = o->type == OPTION_INTEGER;
  int good = node->kind == YAML_INTEGER || (node->kind == YAML_REAL && !whole);
  if (!good || node->real < o->low || node->real > o->high) {
    return unexpected(r, node, o->key, "%s from %.15g to %.15g (%s)",
                      whole ? "an integer" : "a number", o->low, o->high, o->meaning);
  }
  *out = whole ? json_integer(node->integer) : json_real(node->real);
  return *out ? OK : no_memory(r);
}

static status read_text(const job_reader *r, const option *o, const yaml_node *node, json_t **out) {
  size_t bytes = node->kind == YAML_TEXT ? strlen(node->text) : 0;
  if (!bytes || (double)bytes > o->high) {
    return unexpected(r, node, o->key, "text, in quotes, of at most %.0f bytes (%s)", o->high,
                      o->meaning);
  }
  *out = json_string(node->text);
  return *out ? OK : no_memory(r);
}

static status read_texts(const job_reader *r, const option *o, const yaml_node *node,
                         json_t **out) {
  if (node->kind != YAML_LIST || node->count > OPTION_TEXTS_MAX) {
    return unexpected(r, node, o->key, "a list of at most %d texts (%s)", (int)OPTION_TEXTS_MAX,
                      o->meaning);
  }
  *out = json_array();
  status s = *out ? OK : no_memory(r);
  for (const yaml_node *child = node->first; !s && child; child = child->next) {
    json_t *one = NULL;
    s = read_text(r, o, child, &one);
    if (!s && json_array_append_new(*out, one)) s = no_memory(r);
  }
  if (s) {
    json_decref(*out);
    *out = NULL;
  }
  return s;
}

status option_read(const job_reader *r, const option *o, const yaml_node *node, json_t **out) {
  switch (o->type) {
  case OPTION_TEXT: return read_text(r, o, node, out);
  case OPTION_TEXTS: return read_texts(r, o, node, out);
  case OPTION_CHOICE: return read_choice(r, o, node, out);
  case OPTION_RANGE: return read_range(r, o, node, out);
  case OPTION_INTEGER:
  case OPTION_REAL: return read_number(r, o, node, out);
  }
  return OK;
}
