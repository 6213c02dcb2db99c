#include "engine/tokenizer_internal.h"

#include <stdio.h>
#include <string.h>

/* Decoders, and what the post-processor puts around a text. */

static status push(const reader *r, const char *where, decode_stage s) {
  if (r->t->decoder_count == STAGES_MAX) {
    return reader_refuse(r, where, "more than %d stages", (int)STAGES_MAX);
  }
  r->t->decoders[r->t->decoder_count++] = s;
  return OK;
}

static status read_strip(const reader *r, const char *where, const json_t *value) {
  decode_stage s = {.kind = DECODE_STRIP};
  int64_t start = 0, stop = 0;
  status failed = reader_character(r, where, value, "content", &s.content, &s.content_bytes);
  if (!failed) failed = reader_integer(r, where, value, "start", INT32_MAX, &start);
  if (!failed) failed = reader_integer(r, where, value, "stop", INT32_MAX, &stop);
  s.start = (int)start;
  s.stop = (int)stop;
  return failed ? failed : push(r, where, s);
}

static status read_replace(const reader *r, const char *where, const json_t *value) {
  decode_stage s = {.kind = DECODE_REPLACE};
  status failed = reader_pattern(r, where, value, &s.pattern);
  if (!failed) failed = reader_string(r, where, value, "content", &s.content, &s.content_bytes);
  return failed ? failed : push(r, where, s);
}

static status read_metaspace(const reader *r, const char *where, const json_t *value) {
  decode_stage s = {.kind = DECODE_METASPACE};
  int adds_space = 1;
  status failed = reader_character(r, where, value, "replacement", &s.content, &s.content_bytes);
  if (!failed) failed = reader_flag(r, where, value, "add_prefix_space", &adds_space);
  const json_t *scheme = json_object_get(value, "prepend_scheme");
  int is_never = json_is_string(scheme) && !strcmp(json_string_value(scheme), "never");
  s.is_first_bare = adds_space && !is_never;
  return failed ? failed : push(r, where, s);
}

static status read_decoder(const reader *r, const char *where, const json_t *value);

static status read_decoders(const reader *r, const char *where, const json_t *value) {
  status s = reader_keys(r, where, value, "type decoders");
  const json_t *members = json_object_get(value, "decoders");
  if (!s && !json_is_array(members)) s = reader_refuse(r, where, "decoders must be a list");
  for (size_t i = 0; !s && i < json_array_size(members); i++) {
    char inner[96];
    (void)snprintf(inner, sizeof inner, "%.70s[%zu]", where, i);
    s = read_decoder(r, inner, json_array_get(members, i));
  }
  return s;
}

static status read_decoder(const reader *r, const char *where, const json_t *value) {
  static const struct {
    const char *name, *keys;
    status (*read)(const reader *r, const char *where, const json_t *value);
    decode_kind kind;
  } types[] = {
      {"ByteLevel", "type add_prefix_space trim_offsets use_regex", NULL, DECODE_BYTE_LEVEL},
      {"ByteFallback", "type", NULL, DECODE_BYTE_FALLBACK},
      {"Fuse", "type", NULL, DECODE_FUSE},
      {"Strip", "type content start stop", read_strip, DECODE_STRIP},
      {"Replace", "type pattern content", read_replace, DECODE_REPLACE},
      {"Metaspace", "type replacement str_rep add_prefix_space prepend_scheme split",
       read_metaspace, DECODE_METASPACE},
  };
  const char *name = reader_type(value);
  if (!strcmp(name, "Sequence")) return read_decoders(r, where, value);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(name, types[i].name) != 0) continue;
    status s = reader_keys(r, where, value, types[i].keys);
    if (s) return s;
    if (types[i].read) return types[i].read(r, where, value);
    return push(r, where, (decode_stage){.kind = types[i].kind});
  }
  return reader_refuse_type(r, where, value);
}

status reader_decoders(const reader *r, const json_t *value) {
  if (!value || json_is_null(value)) {
    return push(r, "decoder", (decode_stage){.kind = DECODE_JOIN});
  }
  return read_decoder(r, "decoder", value);
}

/* Ids of a template, in front of the text and behind it. */
typedef struct ends {
  token_list before, after;
} ends;

static status add_ids(const reader *r, const char *where, const json_t *special, const char *name,
                      token_list *list) {
  const json_t *ids = json_object_get(json_object_get(special, name), "ids");
  char shown[SHOWN_BYTES];
  reader_shown(name, strlen(name), shown);
  if (!json_is_array(ids)) {
    return reader_refuse(r, where, "special_tokens has no ids for '%s'", shown);
  }
  for (size_t i = 0; i < json_array_size(ids); i++) {
    const json_t *id = json_array_get(ids, i);
    size_t bytes;
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) >= TOKENIZER_IDS_MAX ||
        !tokenizer_token(r->t, (int32_t)json_integer_value(id), &bytes)) {
      return reader_refuse(r, where, "an id of '%s' is no token's", shown);
    }
    int32_t one = (int32_t)json_integer_value(id);
    status s = token_list_add(list, &one, 1, r->err);
    if (s) return s;
  }
  return OK;
}

static status read_template(const reader *r, const char *where, const json_t *value, ends *found) {
  status s = reader_keys(r, where, value, "type single pair special_tokens");
  const json_t *single = json_object_get(value, "single");
  const json_t *special = json_object_get(value, "special_tokens");
  int texts = 0;
  for (size_t i = 0; !s && i < json_array_size(single); i++) {
    const json_t *item = json_array_get(single, i);
    const json_t *name = json_object_get(json_object_get(item, "SpecialToken"), "id");
    const json_t *text_name = json_object_get(json_object_get(item, "Sequence"), "id");
    if (json_is_string(name)) {
      s = add_ids(r, where, special, json_string_value(name),
                  texts ? &found->after : &found->before);
    } else if (json_is_string(text_name) && !strcmp(json_string_value(text_name), "A")) {
      texts++;
    } else {
      s = reader_refuse(r, where, "single[%zu] is neither a SpecialToken nor the Sequence A", i);
    }
  }
  if (!s && texts != 1) s = reader_refuse(r, where, "single must hold the Sequence A once");
  return s;
}

/* Keeps the ends in the arena; a second template goes around the first. */
static status wrap(const reader *r, const ends *found) {
  tokenizer *t = r->t;
  size_t before = found->before.count + (size_t)t->before_count;
  size_t after = found->after.count + (size_t)t->after_count;
  int32_t *front = arena_take(t->memory, before + 1, sizeof *front);
  int32_t *back = arena_take(t->memory, after + 1, sizeof *back);
  if (!front || !back) return reader_full(r);
  for (size_t i = 0; i < before; i++) {
    front[i] = i < found->before.count ? found->before.ids[i] : t->before[i - found->before.count];
  }
  for (size_t i = 0; i < after; i++) {
    back[i] = i < (size_t)t->after_count ? t->after[i] : found->after.ids[i - t->after_count];
  }
  t->before = front;
  t->after = back;
  t->before_count = (int)before;
  t->after_count = (int)after;
  return OK;
}

static status read_processor(const reader *r, const char *where, const json_t *value) {
  const char *name = reader_type(value);
  if (!strcmp(name, "ByteLevel")) { /* moves offsets, which nobody asks for here */
    return reader_keys(r, where, value, "type add_prefix_space trim_offsets use_regex");
  }
  if (!strcmp(name, "TemplateProcessing")) {
    ends found = {0};
    status s = read_template(r, where, value, &found);
    if (!s) s = wrap(r, &found);
    token_list_close(&found.before);
    token_list_close(&found.after);
    return s;
  }
  if (strcmp(name, "Sequence") != 0) return reader_refuse_type(r, where, value);
  status s = reader_keys(r, where, value, "type processors");
  const json_t *members = json_object_get(value, "processors");
  if (!s && !json_is_array(members)) s = reader_refuse(r, where, "processors must be a list");
  for (size_t i = 0; !s && i < json_array_size(members); i++) {
    char inner[96];
    (void)snprintf(inner, sizeof inner, "%.70s[%zu]", where, i);
    s = read_processor(r, inner, json_array_get(members, i));
  }
  return s;
}

status reader_ends(const reader *r, const json_t *value) {
  if (!value || json_is_null(value)) return OK;
  return read_processor(r, "post_processor", value);
}
