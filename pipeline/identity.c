#include "pipeline/identity.h"

#include <string.h>

enum { PATH_BYTES_MAX = 4096 };

/* New reference; NULL when memory is out. */
static json_t *ids_json(const uint32_t *ids, int count) {
  json_t *out = json_array();
  for (int i = 0; out && i < count; i++) {
    if (!json_array_append_new(out, json_integer(ids[i]))) continue;
    json_decref(out);
    out = NULL;
  }
  return out;
}

static int add_model(json_t *object, const identity_model *m) {
  char hex[HASH_HEX_BYTES];
  int failed = json_object_set_new(object, "begin", ids_json(m->begin, m->begin_count)) ||
               json_object_set_new(object, "ends", ids_json(m->ends, m->end_count)) ||
               json_object_set_new(object, "model", json_string(hash_hex(m->model, hex))) ||
               json_object_set_new(object, "rules", json_string(m->rules)) ||
               json_object_set_new(object, "tokenizer", json_string(hash_hex(m->tokenizer, hex)));
  return !failed;
}

status identity_json(const identity *i, text *out, detail *err) {
  char hex[HASH_HEX_BYTES];
  json_t *object =
      json_pack("{s:s, s:s, s:O, s:I, s:s, s:s}", "class", i->determinism_class, "mode", i->mode,
                "parameters", i->parameters, "seed", (json_int_t)i->seed, "task_set",
                hash_hex(i->task_set, hex), "token_unit", i->token_unit);
  if (!object || (i->model && !add_model(object, i->model))) {
    json_decref(object);
    return fault(err, E_MEMORY, "no memory for an identity");
  }
  status s = json_canonical(object, out, err);
  json_decref(object);
  return s;
}

/* ---- differences ---------------------------------------------------------------------------- */

/* Where two identities differ. Objects are walked; anything else is one field. */
typedef struct difference {
  size_t count, most; /* fields that differ so far; more than most need not be counted */
  text path;          /* dotted, of the value at hand */
  text *out;          /* gets a line for each field; NULL to count only */
  status failed;
  detail *err;
} difference;

static void compare(difference *d, json_t *known, json_t *wanted);

static void compare_member(difference *d, const char *key, json_t *known, json_t *wanted) {
  size_t outer = d->path.bytes;
  text_format(&d->path, "%s%s", outer ? "." : "", key);
  compare(d, known, wanted);
  text_cut(&d->path, outer);
}

/* The known object's fields in its order, then those that only the wanted one has. */
static void compare_objects(difference *d, json_t *known, json_t *wanted) {
  const char *key;
  json_t *value;
  json_object_foreach(known, key, value) {
    if (d->failed || d->count > d->most) return;
    compare_member(d, key, value, json_object_get(wanted, key));
  }
  json_object_foreach(wanted, key, value) {
    if (d->failed || d->count > d->most) return;
    if (!json_object_get(known, key)) compare_member(d, key, NULL, value);
  }
}

static void put_side(difference *d, const json_t *side) {
  if (!side) text_put(d->out, "absent");
  if (side && !d->failed) d->failed = json_canonical(side, d->out, d->err);
}

static void compare(difference *d, json_t *known, json_t *wanted) {
  int objects = (!known || json_is_object(known)) && (!wanted || json_is_object(wanted));
  if (objects && json_object_size(known) + json_object_size(wanted) > 0) {
    compare_objects(d, known, wanted);
  } else if (!known || !wanted || !json_equal(known, wanted)) {
    d->count++;
    if (!d->out) return;
    text_format(d->out, "  %s: ", text_string(&d->path));
    put_side(d, known);
    text_put(d->out, " -> ");
    put_side(d, wanted);
    text_char(d->out, '\n');
  }
}

static status differ(json_t *known, json_t *wanted, size_t most, text *out, size_t *count,
                     detail *err) {
  difference d = {.most = most, .out = out, .err = err};
  text_open(&d.path, PATH_BYTES_MAX);
  compare(&d, known, wanted);
  if (!d.failed) d.failed = text_state(&d.path, err);
  text_close(&d.path);
  *count = d.count;
  return d.failed;
}

static status find_nearest(json_t *wanted, json_t *known, size_t *nearest, size_t *least,
                           detail *err) {
  *least = SIZE_MAX;
  for (size_t i = 0; i < json_array_size(known) && *least; i++) {
    size_t count = 0;
    status s = differ(json_array_get(known, i), wanted, *least, NULL, &count, err);
    if (s) return s;
    if (count >= *least) continue;
    *least = count;
    *nearest = i;
  }
  return OK;
}

status identity_explain(json_t *wanted, json_t *known, text *out, detail *err) {
  size_t nearest = 0, least = 0;
  status s = find_nearest(wanted, known, &nearest, &least, err);
  if (s) return s;
  if (least == SIZE_MAX) {
    text_put(out, "no run is known to compare with\n");
  } else if (least == 0) {
    text_put(out, "a run with this identity is known\n");
  } else {
    text_format(out, "the nearest run differs in %zu field%s:\n", least, least == 1 ? "" : "s");
    s = differ(json_array_get(known, nearest), wanted, least, out, &least, err);
  }
  return s ? s : text_state(out, err);
}
