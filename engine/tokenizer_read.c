#include "base/memory.h"
#include "engine/file_internal.h"
#include "engine/tokenizer_internal.h"

#include <stdio.h>
#include <string.h>

/* Everything that a file becomes: its contents, and tables of a few times their size. */
enum { TOKENIZER_MEMORY_MAX = 1 << 30 };

const char *reader_shown(const char *bytes, size_t count, char out[SHOWN_BYTES]) {
  text shown;
  text_open(&shown, SHOWN_BYTES * 4);
  text_printable(&shown, bytes, count < SHOWN_BYTES ? count : SHOWN_BYTES);
  size_t kept = shown.bytes < SHOWN_BYTES - 4 ? shown.bytes : SHOWN_BYTES - 4;
  while (kept && !text_is_utf8(text_string(&shown), kept, NULL))
    kept--;
  (void)snprintf(out, SHOWN_BYTES, "%.*s%s", (int)kept, text_string(&shown),
                 kept < shown.bytes || count > SHOWN_BYTES ? "..." : "");
  text_close(&shown);
  return out;
}

status reader_refuse(const reader *r, const char *where, const char *format, ...) {
  char said[512];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(said, sizeof said, format, arguments);
  va_end(arguments);
  return fault_at(r->err, E_INPUT, r->name, 0, "%s: %s", where, said);
}

status reader_full(const reader *r) {
  return arena_full(r->t->memory, r->err);
}

status reader_keys(const reader *r, const char *where, const json_t *object, const char *known) {
  if (!json_is_object(object)) return reader_refuse(r, where, "this must be an object");
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, key, value) {
    size_t length = strlen(key);
    const char *at = length ? strstr(known, key) : NULL;
    while (at && !((at == known || at[-1] == ' ') && (at[length] == ' ' || !at[length])))
      at = strstr(at + 1, key);
    if (!at) {
      char shown[SHOWN_BYTES];
      return reader_refuse(r, where, "unknown field '%s'; known are: %s",
                           reader_shown(key, length, shown), known);
    }
  }
  return OK;
}

status reader_flag(const reader *r, const char *where, const json_t *object, const char *key,
                   int *flag) {
  const json_t *value = json_object_get(object, key);
  if (!value) return OK;
  if (!json_is_boolean(value)) return reader_refuse(r, where, "%s must be true or false", key);
  *flag = json_is_true(value);
  return OK;
}

status reader_string(const reader *r, const char *where, const json_t *object, const char *key,
                     const char **out, size_t *bytes) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_string(value)) return reader_refuse(r, where, "%s must be a string", key);
  *bytes = json_string_length(value);
  *out = arena_text(r->t->memory, json_string_value(value), *bytes);
  return *out ? OK : reader_full(r);
}

status reader_character(const reader *r, const char *where, const json_t *object, const char *key,
                        const char **out, size_t *bytes) {
  int32_t point;
  status s = reader_string(r, where, object, key, out, bytes);
  if (s || (*bytes && point_read(*out, *bytes, &point) == *bytes)) return s;
  return reader_refuse(r, where, "%s must be one character", key);
}

const char *reader_type(const json_t *value) {
  const json_t *type = json_object_get(value, "type");
  return json_is_string(type) ? json_string_value(type) : "";
}

status reader_refuse_type(const reader *r, const char *where, const json_t *value) {
  char shown[SHOWN_BYTES];
  const char *name = reader_type(value);
  return reader_refuse(r, where, "type '%s' is not supported",
                       reader_shown(name, strlen(name), shown));
}

status reader_integer(const reader *r, const char *where, const json_t *object, const char *key,
                      int64_t limit, int64_t *out) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_integer(value) || json_integer_value(value) < 0 ||
      json_integer_value(value) >= limit) {
    return reader_refuse(r, where, "%s must be a whole number from 0 to %lld", key,
                         (long long)limit - 1);
  }
  *out = json_integer_value(value);
  return OK;
}

/* A token is skipped in decoding when what decoders get of it is a special token's content. */
static void mark_special(tokenizer *t) {
  for (int32_t id = 0; id < t->size; id++) {
    const token *k = &t->tokens[id];
    if (!k->bytes) continue;
    int32_t named = names_find(&t->added_names, t, k->decoded, k->decoded_count);
    t->tokens[id].is_special = (uint8_t)(named >= 0 && t->tokens[named].is_declared_special);
  }
}

static status read_root(const reader *r, const json_t *root) {
  static const char keys[] = "version truncation padding added_tokens normalizer pre_tokenizer "
                             "post_processor decoder model";
  status s = reader_keys(r, "the file", root, keys);
  const json_t *added = json_object_get(root, "added_tokens");
  if (!s) s = reader_normalizers(r, json_object_get(root, "normalizer"));
  if (!s) s = reader_splitters(r, json_object_get(root, "pre_tokenizer"));
  if (!s) s = reader_decoders(r, json_object_get(root, "decoder"));
  if (!s) s = reader_model(r, json_object_get(root, "model"), added);
  if (!s) s = reader_added(r, added);
  if (!s) s = reader_ends(r, json_object_get(root, "post_processor"));
  if (!s) s = tokenizer_index(r);
  if (!s) mark_special(r->t);
  return s;
}

/* Takes over root. */
static status from_json(tokenizer **out, json_t *root, const char *name, detail *err) {
  reader r = {.t = memory_zeroed(1, sizeof *r.t), .name = name, .err = err};
  status s = r.t ? arena_open(&r.t->memory, TOKENIZER_MEMORY_MAX, err)
                 : fault(err, E_MEMORY, "no memory for a tokenizer");
  if (!s) s = read_root(&r, root);
  json_decref(root);
  if (s) {
    tokenizer_close(r.t);
    return s;
  }
  *out = r.t;
  return OK;
}

status tokenizer_read(tokenizer **out, const char *bytes, size_t count, const char *name,
                      detail *err) {
  json_t *root;
  status s = json_read(&root, bytes, count, name, 1, err);
  return s ? s : from_json(out, root, name, err);
}

status tokenizer_open(tokenizer **out, const char *path, detail *err) {
  json_t *root;
  status s = file_json(&root, path, err);
  return s ? s : from_json(out, root, path, err);
}

status tokenizer_open_folder(tokenizer **out, const char *folder, detail *err) {
  static const char name[] = "tokenizer.json";
  static const char *const others[] = {"tokenizer.model", "vocab.json", "tekken.json"};
  char path[PATH_MAX];
  status s = file_path(path, folder, name, err);
  if (s) return s;
  for (size_t i = 0; !file_exists(folder, name) && i < sizeof others / sizeof others[0]; i++) {
    if (!file_exists(folder, others[i])) continue;
    return fault_at(err, E_INPUT, path, 0,
                    "there is no such file, only %s, which is not read: transformers makes one, by "
                    "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)",
                    others[i]);
  }
  return tokenizer_open(out, path, err);
}

void tokenizer_close(tokenizer *t) {
  if (!t) return;
  pattern_close_all(t->patterns);
  arena_close(t->memory);
  memory_free(t);
}

int32_t tokenizer_size(const tokenizer *t) {
  return t->size;
}

int32_t tokenizer_find(const tokenizer *t, const char *name, size_t bytes) {
  int32_t id = names_find(&t->added_names, t, name, bytes);
  return id >= 0 ? id : names_find(&t->model_names, t, name, bytes);
}

const char *tokenizer_token(const tokenizer *t, int32_t id, size_t *bytes) {
  if (id < 0 || id >= t->size || !t->tokens[id].bytes) return NULL;
  *bytes = t->tokens[id].count;
  return t->tokens[id].bytes;
}

int tokenizer_is_special(const tokenizer *t, int32_t id) {
  return id >= 0 && id < t->size && t->tokens[id].is_special;
}
