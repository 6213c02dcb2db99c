#include "base/memory.h"
#include "solvers/protocol_internal.h"

#include <string.h>

/* Of the texts that a protocol keeps: a prompt, a finisher, 64 stop strings. */
enum { KEPT_BYTES_MAX = 1 << 20 };

static const protocol_table *const tables[] = {
    &protocol_countdown_sos,        &protocol_countdown_sosp,    &protocol_countdown_apr,
    &protocol_countdown_apr_serial, &protocol_countdown_hogwild, &protocol_generic,
    &protocol_generic_hogwild};
enum { TABLES = sizeof tables / sizeof tables[0] };
const char *const protocol_names[TABLES + 1] = {
    "countdown-sos",     "countdown-sosp", "countdown-apr",   "countdown-apr-serial",
    "countdown-hogwild", "generic",        "generic-hogwild", NULL};

static const protocol_table *find_table(const char *name) {
  for (size_t i = 0; name && i < TABLES; i++) {
    if (!strcmp(tables[i]->name, name)) return tables[i];
  }
  return NULL;
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* Puts value, whose reference it takes; NULL: memory was out already. */
static status put_setting(json_t *parameters, const char *path, json_t *value, detail *err) {
  int good = value && json_path_put(parameters, path, value);
  json_decref(value);
  return good ? OK : fault(err, E_MEMORY, "no memory for a condition's parameters");
}

static status find_named(const json_t *parameters, const protocol_table **out, detail *err) {
  *out = find_table(json_string_value(json_object_get(parameters, "protocol")));
  if (*out) return OK;
  return fault(err, E_INPUT,
               "a mode that asks a model needs 'protocol': countdown-sos, countdown-sosp, "
               "countdown-apr, countdown-apr-serial, countdown-hogwild, generic or "
               "generic-hogwild");
}

static status refuse_unused(const protocol_table *t, const json_t *parameters, detail *err) {
  for (const protocol_unused *u = t->unused; u->key; u++) {
    if (!json_path_get(parameters, u->key)) continue;
    return fault(err, E_INPUT, "'%s' is not used by protocol %s: %s; remove it", u->key, t->name,
                 u->why);
  }
  return OK;
}

static status apply_preset(const protocol_table *t, json_t *parameters, detail *err) {
  status s = OK;
  for (const protocol_setting *v = t->preset; !s && v->key; v++) {
    if (json_path_get(parameters, v->key)) continue;
    json_t *value =
        v->type == OPTION_REAL ? json_real(v->value) : json_integer((json_int_t)v->value);
    s = put_setting(parameters, v->key, value, err);
  }
  return s;
}

status protocol_resolve(json_t *parameters, detail *err) {
  const protocol_table *t;
  protocol *p;
  status s = find_named(parameters, &t, err);
  if (!s && t->settle) s = t->settle(parameters, err);
  if (!s) s = protocol_open(&p, parameters, err);
  if (s) return s;
  protocol_close(p);
  if (json_object_get(parameters, "preset")) s = apply_preset(t, parameters, err);
  if (!s && !json_object_get(parameters, "vote_key")) {
    s = put_setting(parameters, "vote_key", json_string("canonical"), err);
  }
  return s;
}

/* ---- a protocol ------------------------------------------------------------------------------ */

status protocol_keep(protocol *p, const json_t *value, const char **out, detail *err) {
  *out = NULL;
  const char *string = json_string_value(value);
  if (!string) return OK;
  *out = arena_text(p->memory, string, json_string_length(value));
  return *out ? OK : arena_full(p->memory, err);
}

status protocol_open(protocol **out, const json_t *parameters, detail *err) {
  const protocol_table *t;
  status s = find_named(parameters, &t, err);
  if (!s) s = refuse_unused(t, parameters, err);
  if (s) return s;
  protocol *p = memory_zeroed(1, sizeof *p);
  if (!p) return fault(err, E_MEMORY, "no memory for a protocol");
  p->table = t;
  const char *key = json_string_value(json_object_get(parameters, "vote_key"));
  p->votes_literally = key && !strcmp(key, "literal");
  p->finisher_tokens = (int)json_integer_value(json_path_get(parameters, "finisher.tokens"));
  p->label_tokens = json_integer_value(json_path_get(parameters, "label.tokens"));
  const json_t *children = json_path_get(parameters, "label.children");
  p->label_children = children ? json_integer_value(children) : -1;
  s = arena_open(&p->memory, KEPT_BYTES_MAX, err);
  if (!s && t->take) s = t->take(p, parameters, err);
  if (s) {
    protocol_close(p);
  } else {
    *out = p;
  }
  return s;
}

void protocol_close(protocol *p) {
  if (!p) return;
  pattern_close(p->answer);
  arena_close(p->memory);
  memory_free(p);
}

const char *protocol_name(const protocol *p) {
  return p->table->name;
}

const char *protocol_rules(const protocol *p) {
  return p->table->rules;
}

const char *protocol_kind(const protocol *p) {
  return p->table->kind;
}

const char *protocol_kind_of(const char *name) {
  const protocol_table *t = find_table(name);
  return t ? t->kind : NULL;
}

int protocol_works_of(const char *name) {
  const protocol_table *t = find_table(name);
  return t && t->works;
}

int protocol_calls_of(const char *name) {
  const protocol_table *t = find_table(name);
  return t && t->calling;
}

status protocol_prompt(const protocol *p, const char *question, const char *target, text *out,
                       detail *err) {
  status s = p->table->prompt(p, question, target, out, err);
  return s ? s : text_state(out, err);
}

const char *const *protocol_stops(const protocol *p, int *count) {
  *count = p->stop_count;
  return p->stops;
}

/* Answers go on as strings, so one that holds a zero byte ends there for everybody. */
static status end_at_zero(text *out, size_t start, detail *err) {
  status s = text_state(out, err);
  if (!s) text_cut(out, start + strlen(text_string(out) + start));
  return s;
}

status protocol_answer(const protocol *p, const char *bytes, size_t count, size_t from, text *out,
                       int *found, detail *err) {
  REQUIRE(from <= count);
  *found = 0;
  size_t start = out->bytes;
  status s = p->table->answer(p, bytes, count, from, out, found, err);
  return s ? s : end_at_zero(out, start, err);
}

status protocol_vote_key(const protocol *p, const char *target, const char *answer, text *out,
                         int *found, detail *err) {
  *found = 0;
  if (!answer) return OK;
  if (p->votes_literally) {
    text_put(out, answer);
    *found = 1;
    return text_state(out, err);
  }
  status s = p->table->vote_key(target, answer, out, found, err);
  return s ? s : text_state(out, err);
}

int protocol_has_finisher(const protocol *p) {
  return p->finisher_tokens > 0;
}

int protocol_finisher_tokens(const protocol *p) {
  return p->finisher_tokens;
}

status protocol_finisher(const protocol *p, const char *target, const char *bytes, size_t count,
                         text *out, detail *err) {
  REQUIRE(protocol_has_finisher(p));
  status s = p->table->finisher(p, target, bytes, count, out, err);
  return s ? s : text_state(out, err);
}

/* ---- threads that call for children ---------------------------------------------------------- */

int protocol_calls(const protocol *p) {
  return p->table->calling != NULL;
}

const char *protocol_rewrite(const protocol *p, int which) {
  return p->table->calling ? p->table->calling->rewrite(which) : NULL;
}

status protocol_read_call(const protocol *p, const char *bytes, size_t count, arena *memory,
                          protocol_call *out, int *found, detail *err) {
  *out = (protocol_call){0};
  *found = 0;
  if (!p->table->calling) return OK;
  return p->table->calling->read_call(bytes, count, memory, out, found, err);
}

status protocol_returned(const protocol *p, const char *bytes, size_t count, text *out, int *found,
                         detail *err) {
  REQUIRE(p->table->calling);
  size_t start = out->bytes;
  *found = p->table->calling->returned(bytes, count, out);
  return end_at_zero(out, start, err);
}

status protocol_join(const protocol *p, const protocol_call *call, const char *const *returned,
                     int level, text *out, detail *err) {
  REQUIRE(p->table->calling);
  p->table->calling->join(call, returned, level, out);
  return text_state(out, err);
}

int64_t protocol_ref_tokens(const protocol *p, const char *bytes, size_t count) {
  return p->table->ref_tokens ? p->table->ref_tokens(bytes, count) : -1;
}
