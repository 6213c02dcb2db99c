#include "engine/tokenizer_internal.h"

#include <stdio.h>
#include <string.h>

/* The model, and the tokens that were added to it. */

static status refuse_id(const reader *r, const char *where, const char *bytes, size_t count) {
  char shown[SHOWN_BYTES];
  return reader_refuse(r, where, "the id of '%s' must be a whole number from 0 to %d",
                       reader_shown(bytes, count, shown), TOKENIZER_IDS_MAX - 1);
}

static int is_id(const json_t *value) {
  return json_is_integer(value) && json_integer_value(value) >= 0 &&
         json_integer_value(value) < TOKENIZER_IDS_MAX;
}

/* The highest id of all, so that the tokens have their room. */
static status measure(const reader *r, json_t *vocabulary, const json_t *added, int32_t *size) {
  const char *key;
  json_t *value;
  int64_t highest = -1;
  json_object_foreach(vocabulary, key, value) {
    if (!is_id(value)) return refuse_id(r, "model.vocab", key, strlen(key));
    if (json_integer_value(value) > highest) highest = json_integer_value(value);
  }
  for (size_t i = 0; i < json_array_size(added); i++) {
    char where[40];
    (void)snprintf(where, sizeof where, "added_tokens[%zu]", i);
    int64_t id;
    status s = reader_integer(r, where, json_array_get(added, i), "id", TOKENIZER_IDS_MAX, &id);
    if (s) return s;
    if (id > highest) highest = id;
  }
  *size = (int32_t)highest + 1;
  return OK;
}

static status add_name(const reader *r, const char *key, int32_t id) {
  token *k = &r->t->tokens[id];
  size_t length = strlen(key);
  if (k->bytes) {
    char shown[SHOWN_BYTES], other[SHOWN_BYTES];
    return reader_refuse(r, "model.vocab", "'%s' and '%s' have the same id, %d",
                         reader_shown(k->bytes, k->count, other), reader_shown(key, length, shown),
                         (int)id);
  }
  *k = (token){.bytes = arena_text(r->t->memory, key, length),
               .count = (uint32_t)length,
               .decoded_count = (uint32_t)length,
               .in_model = 1};
  k->decoded = k->bytes;
  int32_t other;
  return k->bytes ? names_add(&r->t->model_names, r, id, &other) : reader_full(r);
}

static status read_vocabulary(const reader *r, json_t *vocabulary, const json_t *added) {
  tokenizer *t = r->t;
  if (!json_is_object(vocabulary)) {
    return reader_refuse(r, "model.vocab", "this must be an object of tokens and their ids");
  }
  if (added && !json_is_array(added))
    return reader_refuse(r, "added_tokens", "this must be a list");
  status s = measure(r, vocabulary, added, &t->size);
  if (!s) s = names_take(&t->model_names, r, json_object_size(vocabulary));
  if (s) return s;
  t->tokens = arena_take(t->memory, (size_t)t->size + 1, sizeof *t->tokens);
  if (!t->tokens) return reader_full(r);
  const char *key;
  json_t *value;
  json_object_foreach(vocabulary, key, value) {
    s = add_name(r, key, (int32_t)json_integer_value(value));
    if (s) return s;
  }
  return OK;
}

/* A merge is ["a", "b"] or "a b". */
static int merge_parts(const json_t *value, const char *part[2], size_t bytes[2]) {
  if (json_is_array(value) && json_array_size(value) == 2) {
    for (int i = 0; i < 2; i++) {
      const json_t *one = json_array_get(value, (size_t)i);
      if (!json_is_string(one)) return 0;
      part[i] = json_string_value(one);
      bytes[i] = json_string_length(one);
    }
    return 1;
  }
  if (!json_is_string(value)) return 0;
  part[0] = json_string_value(value);
  const char *space = strchr(part[0], ' ');
  if (!space || strchr(space + 1, ' ')) return 0;
  bytes[0] = (size_t)(space - part[0]);
  part[1] = space + 1;
  bytes[1] = strlen(part[1]);
  return 1;
}

static status find_part(const reader *r, const char *where, const char *bytes, size_t count,
                        int32_t *id) {
  *id = names_find(&r->t->model_names, r->t, bytes, count);
  if (*id >= 0) return OK;
  char shown[SHOWN_BYTES];
  return reader_refuse(r, where, "'%s' is not in the vocabulary",
                       reader_shown(bytes, count, shown));
}

static status read_merge(const reader *r, const json_t *value, int32_t rank, text *joined) {
  char where[40];
  (void)snprintf(where, sizeof where, "model.merges[%d]", (int)rank);
  const char *part[2];
  size_t bytes[2];
  if (!merge_parts(value, part, bytes)) {
    return reader_refuse(r, where, "a merge is a pair of tokens, or two with a space between them");
  }
  int32_t left, right, result;
  status s = find_part(r, where, part[0], bytes[0], &left);
  if (!s) s = find_part(r, where, part[1], bytes[1], &right);
  if (s) return s;
  text_clear(joined);
  text_add(joined, part[0], bytes[0]);
  text_add(joined, part[1], bytes[1]);
  s = text_state(joined, r->err);
  if (!s) s = find_part(r, where, text_string(joined), joined->bytes, &result);
  return s ? s : merges_add(&r->t->merges, r, left, right, rank, result);
}

static status read_merges(const reader *r, const json_t *merges) {
  if (!json_is_array(merges)) return reader_refuse(r, "model.merges", "this must be a list");
  size_t count = json_array_size(merges);
  if (count > INT32_MAX) return reader_refuse(r, "model.merges", "more than %d merges", INT32_MAX);
  status s = merges_take(&r->t->merges, r, count);
  text joined;
  text_open(&joined, JSON_BYTES_MAX);
  for (size_t i = 0; !s && i < count; i++)
    s = read_merge(r, json_array_get(merges, i), (int32_t)i, &joined);
  text_close(&joined);
  return s;
}

/* Names a token for what has none; UNKNOWN_ABSENT where the vocabulary lacks it. */
static status read_unknown(const reader *r, const json_t *model) {
  const json_t *value = json_object_get(model, "unk_token");
  r->t->unknown = UNKNOWN_NONE;
  if (!value || json_is_null(value)) return OK;
  if (!json_is_string(value))
    return reader_refuse(r, "model", "unk_token must be a string or null");
  int32_t id =
      names_find(&r->t->model_names, r->t, json_string_value(value), json_string_length(value));
  r->t->unknown = id >= 0 ? id : UNKNOWN_ABSENT;
  return OK;
}

/* What would change the ids and is not done. */
static status refuse_undone(const reader *r, const json_t *model) {
  static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
  for (int i = 0; i < 2; i++) {
    const json_t *value = json_object_get(model, affixes[i]);
    if (!value || json_is_null(value)) continue;
    if (json_is_string(value) && !json_string_length(value)) continue;
    return reader_refuse(r, "model", "%s is not supported unless it is empty", affixes[i]);
  }
  const json_t *dropout = json_object_get(model, "dropout");
  if (dropout && !json_is_null(dropout) &&
      !(json_is_number(dropout) && json_number_value(dropout) == 0)) {
    return reader_refuse(r, "model", "dropout is not supported, since ids would be random");
  }
  return OK;
}

static status read_bpe(const reader *r, const json_t *model, const json_t *added) {
  tokenizer *t = r->t;
  status s = reader_keys(r, "model", model,
                         "type dropout unk_token continuing_subword_prefix end_of_word_suffix "
                         "fuse_unk byte_fallback ignore_merges vocab merges");
  if (!s) s = refuse_undone(r, model);
  if (!s) s = reader_flag(r, "model", model, "fuse_unk", &t->fuses_unknown);
  if (!s) s = reader_flag(r, "model", model, "byte_fallback", &t->falls_back);
  if (!s) s = reader_flag(r, "model", model, "ignore_merges", &t->ignores_merges);
  if (!s) s = read_vocabulary(r, json_object_get(model, "vocab"), added);
  if (!s) s = read_merges(r, json_object_get(model, "merges"));
  return s ? s : read_unknown(r, model);
}

static status read_word_level(const reader *r, const json_t *model, const json_t *added) {
  status s = reader_keys(r, "model", model, "type vocab unk_token");
  if (!s) s = read_vocabulary(r, json_object_get(model, "vocab"), added);
  if (!s) s = read_unknown(r, model);
  return s;
}

status reader_model(const reader *r, const json_t *model, const json_t *added) {
  if (!json_is_object(model)) return reader_refuse(r, "model", "this must be an object");
  const json_t *type = json_object_get(model, "type");
  const char *name = json_is_string(type) ? json_string_value(type) : "";
  /* Files of before version 0.8 of the library have no type; those with merges are BPE. */
  if (!strcmp(name, "BPE") || (!type && json_object_get(model, "merges"))) {
    r->t->model = MODEL_BPE;
    return read_bpe(r, model, added);
  }
  if (!strcmp(name, "WordLevel")) {
    r->t->model = MODEL_WORD_LEVEL;
    return read_word_level(r, model, added);
  }
  char shown[SHOWN_BYTES];
  return reader_refuse(r, "model", "type '%s' is not supported; BPE and WordLevel are",
                       reader_shown(name, strlen(name), shown));
}

static status read_added_flags(const reader *r, const char *where, const json_t *value, token *k) {
  static const char *const keys[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};
  uint8_t *flags[] = {&k->single_word, &k->strips_left, &k->strips_right, &k->is_normalized,
                      &k->is_declared_special};
  status s =
      reader_keys(r, where, value, "id content single_word lstrip rstrip normalized special");
  for (int i = 0; !s && i < 5; i++) {
    int flag = -1;
    s = reader_flag(r, where, value, keys[i], &flag);
    if (!s && flag < 0) s = reader_refuse(r, where, "%s must be true or false", keys[i]);
    *flags[i] = (uint8_t)(flag > 0);
  }
  return s;
}

static status check_place(const reader *r, const char *where, const token *k, int32_t id) {
  char shown[SHOWN_BYTES];
  const token *there = &r->t->tokens[id];
  int32_t named = names_find(&r->t->model_names, r->t, k->bytes, k->count);
  reader_shown(k->bytes, k->count, shown);
  if (named >= 0 && named != id) {
    return reader_refuse(r, where, "'%s' has id %d here and %d in model.vocab", shown, (int)id,
                         (int)named);
  }
  if (there->bytes && named != id) {
    return reader_refuse(r, where, "id %d of '%s' is another token's already", (int)id, shown);
  }
  if (there->is_added) return reader_refuse(r, where, "'%s' is there twice", shown);
  return OK;
}

static status read_added(const reader *r, const char *where, const json_t *value) {
  int64_t id;
  size_t bytes;
  token k = {0};
  status s = read_added_flags(r, where, value, &k);
  if (!s) s = reader_integer(r, where, value, "id", TOKENIZER_IDS_MAX, &id);
  if (!s) s = reader_string(r, where, value, "content", &k.bytes, &bytes);
  if (s) return s;
  if (!bytes) return reader_refuse(r, where, "an empty content");
  k.count = k.decoded_count = (uint32_t)bytes;
  k.decoded = k.bytes;
  s = check_place(r, where, &k, (int32_t)id);
  if (s) return s;
  k.in_model = r->t->tokens[id].in_model;
  k.is_added = 1;
  r->t->tokens[id] = k;
  int32_t other;
  s = names_add(&r->t->added_names, r, (int32_t)id, &other);
  if (!s && other >= 0) s = reader_refuse(r, where, "this content is there twice");
  return s;
}

/* What the normaliser makes of an added token that is met behind it. */
static status normalize_added(const reader *r, encoder *e, token *k) {
  text_clear(&e->now);
  text_add(&e->now, k->bytes, k->count);
  e->pieces.count = 0;
  piece_add(&e->pieces, 0, k->count, -1, 1);
  status s = text_state(&e->now, r->err);
  if (!s && e->pieces.failed) s = fault(r->err, E_MEMORY, "no memory for an added token");
  if (!s) s = encoder_normalize(e, r->err);
  if (s) return s;
  k->decoded = arena_text(r->t->memory, text_string(&e->now), e->now.bytes);
  k->decoded_count = (uint32_t)e->now.bytes;
  return k->decoded ? OK : reader_full(r);
}

static status normalize_all(const reader *r, size_t *bytes) {
  encoder *e;
  status s = encoder_open(&e, r->t, r->err);
  if (s) return s;
  for (int32_t id = 0; !s && id < r->t->size; id++) {
    token *k = &r->t->tokens[id];
    if (k->is_added && k->is_normalized && r->t->normalizer_count) s = normalize_added(r, e, k);
    if (k->is_added) *bytes += k->decoded_count;
  }
  encoder_close(e);
  return s;
}

static status add_to_trie(const reader *r, int32_t id) {
  const token *k = &r->t->tokens[id];
  char shown[SHOWN_BYTES];
  reader_shown(k->bytes, k->count, shown);
  if (!k->decoded_count) {
    return reader_refuse(r, "added_tokens", "nothing is left of '%s' behind the normaliser", shown);
  }
  int32_t other;
  trie *out = k->is_normalized ? &r->t->normalized : &r->t->plain;
  status s = trie_add(out, r, k->decoded, k->decoded_count, id, &other);
  if (s || other < 0) return s;
  return reader_refuse(r, "added_tokens", "'%s' and id %d are the same text behind the normaliser",
                       shown, (int)other);
}

status reader_added(const reader *r, const json_t *added) {
  size_t count = json_array_size(added), bytes = 0;
  status s = names_take(&r->t->added_names, r, count);
  for (size_t i = 0; !s && i < count; i++) {
    char where[40];
    (void)snprintf(where, sizeof where, "added_tokens[%zu]", i);
    s = read_added(r, where, json_array_get(added, i));
  }
  if (s || !count) return s;
  s = normalize_all(r, &bytes);
  if (!s) s = trie_take(&r->t->plain, r, bytes);
  if (!s) s = trie_take(&r->t->normalized, r, bytes);
  for (int32_t id = 0; !s && id < r->t->size; id++) {
    if (r->t->tokens[id].is_added) s = add_to_trie(r, id);
  }
  return s;
}
