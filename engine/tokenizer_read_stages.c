#include "engine/tokenizer_internal.h"

#include <stdio.h>
#include <string.h>

/* Normalisers, pre-tokenisers, decoders and post-processors: a table of each kind's types, with the
   fields that a type may have and the function that reads them. */

typedef struct stage_list {
  stage *stages;
  int *count;
} stage_list;

typedef status read_type(const reader *r, const char *where, const json_t *value, stage_list list);

typedef struct stage_type {
  const char *name, *keys;
  read_type *read;
} stage_type;

enum { WHERE_BYTES = 96 };

static status push(const reader *r, const char *where, stage_list list, stage s) {
  if (*list.count == STAGES_MAX) {
    return reader_refuse(r, where, "more than %d stages", (int)STAGES_MAX);
  }
  list.stages[(*list.count)++] = s;
  return OK;
}

static status read_stages(const reader *r, const char *where, const json_t *value,
                          const char *members, const stage_type *types, size_t type_count,
                          stage_list list);

/* The members of a Sequence, one after another. */
static status read_members(const reader *r, const char *where, const json_t *value,
                           const char *members, const stage_type *types, size_t type_count,
                           stage_list list) {
  char keys[32], inner[WHERE_BYTES];
  (void)snprintf(keys, sizeof keys, "type %s", members);
  status s = reader_keys(r, where, value, keys);
  const json_t *array = json_object_get(value, members);
  if (!s && !json_is_array(array)) s = reader_refuse(r, where, "%s must be a list", members);
  for (size_t i = 0; !s && i < json_array_size(array); i++) {
    (void)snprintf(inner, sizeof inner, "%.70s[%zu]", where, i);
    s = read_stages(r, inner, json_array_get(array, i), members, types, type_count, list);
  }
  return s;
}

static status read_stages(const reader *r, const char *where, const json_t *value,
                          const char *members, const stage_type *types, size_t type_count,
                          stage_list list) {
  const char *name = reader_type(value);
  if (!strcmp(name, "Sequence")) {
    return read_members(r, where, value, members, types, type_count, list);
  }
  for (size_t i = 0; i < type_count; i++) {
    if (strcmp(name, types[i].name) != 0) continue;
    status s = reader_keys(r, where, value, types[i].keys);
    return s ? s : types[i].read(r, where, value, list);
  }
  return reader_refuse_type(r, where, value);
}

status reader_pattern(const reader *r, const char *where, const json_t *object,
                      tokenizer_pattern **out) {
  const json_t *pattern = json_object_get(object, "pattern");
  const json_t *string = json_object_get(pattern, "String");
  const json_t *regex = json_object_get(pattern, "Regex");
  if (json_object_size(pattern) != 1 || (!json_is_string(string) && !json_is_string(regex))) {
    return reader_refuse(r, where, "pattern must be {\"String\": ...} or {\"Regex\": ...}");
  }
  if (string) {
    return pattern_string(out, r, where, json_string_value(string), json_string_length(string));
  }
  return pattern_regex(out, r, where, json_string_value(regex), json_string_length(regex));
}

static status read_prepend(const reader *r, const char *where, const json_t *value,
                           stage_list list) {
  stage s = {.kind = STAGE_PREPEND};
  status failed = reader_string(r, where, value, "prepend", &s.content, &s.content_bytes);
  return failed ? failed : push(r, where, list, s);
}

static status read_replace(const reader *r, const char *where, const json_t *value,
                           stage_list list) {
  stage s = {.kind = STAGE_REPLACE};
  status failed = reader_pattern(r, where, value, &s.pattern);
  if (!failed) failed = reader_string(r, where, value, "content", &s.content, &s.content_bytes);
  return failed ? failed : push(r, where, list, s);
}

static status read_form(const reader *r, const char *where, const json_t *value, stage_list list) {
  const char *name = reader_type(value); /* NFC, NFD, NFKC or NFKD */
  stage s = {
      .kind = STAGE_FORM, .composes = name[strlen(name) - 1] == 'C', .is_compat = name[2] == 'K'};
  return push(r, where, list, s);
}

static status read_lowercase(const reader *r, const char *where, const json_t *value,
                             stage_list list) {
  (void)value;
  return push(r, where, list, (stage){.kind = STAGE_LOWERCASE});
}

static status read_strip(const reader *r, const char *where, const json_t *value, stage_list list) {
  stage s = {.kind = STAGE_STRIP, .left = -1, .right = -1};
  status failed = reader_flag(r, where, value, "strip_left", &s.left);
  if (!failed) failed = reader_flag(r, where, value, "strip_right", &s.right);
  if (!failed && (s.left < 0 || s.right < 0)) {
    failed = reader_refuse(r, where, "strip_left and strip_right must be true or false");
  }
  return failed ? failed : push(r, where, list, s);
}

static status read_strip_accents(const reader *r, const char *where, const json_t *value,
                                 stage_list list) {
  (void)value;
  return push(r, where, list, (stage){.kind = STAGE_STRIP_ACCENTS});
}

status reader_normalizers(const reader *r, const json_t *value) {
  static const stage_type types[] = {
      {"Prepend", "type prepend", read_prepend},
      {"Replace", "type pattern content", read_replace},
      {"NFC", "type", read_form},
      {"NFD", "type", read_form},
      {"NFKC", "type", read_form},
      {"NFKD", "type", read_form},
      {"Lowercase", "type", read_lowercase},
      {"Strip", "type strip_left strip_right", read_strip},
      {"StripAccents", "type", read_strip_accents},
  };
  if (!value || json_is_null(value)) return OK;
  stage_list list = {r->t->normalizers, &r->t->normalizer_count};
  return read_stages(r, "normalizer", value, "normalizers", types, sizeof types / sizeof types[0],
                     list);
}

static status push_split(const reader *r, const char *where, stage_list list, point_set *set,
                         split_behavior behavior) {
  stage s = {.kind = STAGE_SPLIT, .behavior = behavior};
  status failed = pattern_points(&s.pattern, r, set);
  return failed ? failed : push(r, where, list, s);
}

static status push_regex(const reader *r, const char *where, stage_list list, const char *source,
                         split_behavior behavior, int is_inverted) {
  stage s = {.kind = STAGE_SPLIT, .behavior = behavior, .inverted = is_inverted};
  status failed = pattern_regex(&s.pattern, r, where, source, strlen(source));
  return failed ? failed : push(r, where, list, s);
}

/* The split of GPT-2, then bytes as letters. */
static status read_byte_level(const reader *r, const char *where, const json_t *value,
                              stage_list list) {
  static const char split[] =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  int adds_space = -1, trims = -1, splits = 1;
  status s = reader_flag(r, where, value, "add_prefix_space", &adds_space);
  if (!s) s = reader_flag(r, where, value, "trim_offsets", &trims);
  if (!s) s = reader_flag(r, where, value, "use_regex", &splits);
  if (!s && adds_space < 0) {
    s = reader_refuse(r, where, "add_prefix_space must be true or false");
  }
  if (!s && adds_space) {
    s = push(r, where, list, (stage){.kind = STAGE_PREFIX, .content = " ", .content_bytes = 1});
  }
  if (!s && splits) s = push_regex(r, where, list, split, SPLIT_ISOLATED, 0);
  return s ? s : push(r, where, list, (stage){.kind = STAGE_BYTES});
}

/* *behavior stays as it was where the field is not there. */
static status read_behavior(const reader *r, const char *where, const json_t *value,
                            split_behavior *behavior) {
  static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext",
                                      "Contiguous"};
  const json_t *field = json_object_get(value, "behavior");
  if (!field) return OK;
  for (int i = 0; json_is_string(field) && i < 5; i++) {
    if (strcmp(json_string_value(field), names[i]) != 0) continue;
    *behavior = (split_behavior)i;
    return OK;
  }
  return reader_refuse(r, where,
                       "behavior must be Isolated, Removed, MergedWithPrevious, MergedWithNext or "
                       "Contiguous");
}

static status read_split(const reader *r, const char *where, const json_t *value, stage_list list) {
  stage s = {.kind = STAGE_SPLIT, .inverted = -1};
  status failed = reader_pattern(r, where, value, &s.pattern);
  if (!failed) failed = reader_flag(r, where, value, "invert", &s.inverted);
  if (!failed) failed = read_behavior(r, where, value, &s.behavior);
  if (!failed && (s.inverted < 0 || !json_object_get(value, "behavior"))) {
    failed = reader_refuse(r, where, "a Split needs behavior and invert");
  }
  return failed ? failed : push(r, where, list, s);
}

typedef enum metaspace_scheme { META_ALWAYS, META_FIRST, META_NEVER } metaspace_scheme;

/* The mark of a space, and when a text gets one in front. add_prefix_space is the older spelling.
 */
static status read_mark(const reader *r, const char *where, const json_t *value, const char **mark,
                        size_t *bytes, metaspace_scheme *scheme) {
  static const char *const names[] = {"always", "first", "never"};
  int adds_space = 1;
  status s = reader_character(r, where, value, "replacement", mark, bytes);
  if (!s) s = reader_flag(r, where, value, "add_prefix_space", &adds_space);
  if (s) return s;
  const json_t *field = json_object_get(value, "prepend_scheme");
  *scheme = META_ALWAYS;
  int known = !field;
  for (int i = 0; json_is_string(field) && i < 3; i++) {
    if (strcmp(json_string_value(field), names[i]) != 0) continue;
    *scheme = (metaspace_scheme)i;
    known = 1;
  }
  if (!known) return reader_refuse(r, where, "prepend_scheme must be always, first or never");
  if (!adds_space && field && *scheme != META_NEVER) {
    return reader_refuse(r, where, "add_prefix_space is false, but prepend_scheme is not never");
  }
  if (!adds_space) *scheme = META_NEVER;
  return OK;
}

static status read_metaspace(const reader *r, const char *where, const json_t *value,
                             stage_list list) {
  stage spaces = {.kind = STAGE_REPLACE}, cut = {.kind = STAGE_SPLIT, .behavior = SPLIT_WITH_NEXT};
  metaspace_scheme scheme;
  int splits = 1;
  status s = read_mark(r, where, value, &spaces.content, &spaces.content_bytes, &scheme);
  if (!s) s = reader_flag(r, where, value, "split", &splits);
  if (!s) s = pattern_string(&spaces.pattern, r, where, " ", 1);
  if (!s) s = push(r, where, list, spaces);
  if (!s && scheme != META_NEVER) {
    s = push(r, where, list,
             (stage){.kind = STAGE_PREFIX,
                     .content = spaces.content,
                     .content_bytes = spaces.content_bytes,
                     .only_first = scheme == META_FIRST});
  }
  if (s || !splits) return s;
  s = pattern_string(&cut.pattern, r, where, spaces.content, spaces.content_bytes);
  return s ? s : push(r, where, list, cut);
}

static status read_digits(const reader *r, const char *where, const json_t *value,
                          stage_list list) {
  int each = -1;
  status s = reader_flag(r, where, value, "individual_digits", &each);
  if (!s && each < 0) s = reader_refuse(r, where, "individual_digits must be true or false");
  if (s) return s;
  return push_split(r, where, list, point_is_numeric, each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS);
}

static status read_punctuation(const reader *r, const char *where, const json_t *value,
                               stage_list list) {
  split_behavior behavior = SPLIT_ISOLATED;
  status s = read_behavior(r, where, value, &behavior);
  return s ? s : push_split(r, where, list, point_is_punctuation, behavior);
}

/* Words and what is none, by the sets of Rust: joiners belong to words, small digits do not. */
static status read_whitespace(const reader *r, const char *where, const json_t *value,
                              stage_list list) {
  static const char words[] =
      "(?:(?![\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}])[\\w\\x{200c}\\x{200d}])+|"
      "(?:[\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}]|[^\\w\\s\\x{200c}\\x{200d}])+";
  (void)value;
  return push_regex(r, where, list, words, SPLIT_REMOVED, 1);
}

static status read_whitespace_split(const reader *r, const char *where, const json_t *value,
                                    stage_list list) {
  (void)value;
  return push_split(r, where, list, point_is_space, SPLIT_REMOVED);
}

status reader_splitters(const reader *r, const json_t *value) {
  static const stage_type types[] = {
      {"ByteLevel", "type add_prefix_space trim_offsets use_regex", read_byte_level},
      {"Split", "type pattern behavior invert", read_split},
      {"Metaspace", "type replacement str_rep add_prefix_space prepend_scheme split",
       read_metaspace},
      {"Digits", "type individual_digits", read_digits},
      {"Punctuation", "type behavior", read_punctuation},
      {"Whitespace", "type", read_whitespace},
      {"WhitespaceSplit", "type", read_whitespace_split},
  };
  if (!value || json_is_null(value)) return OK;
  stage_list list = {r->t->splitters, &r->t->splitter_count};
  return read_stages(r, "pre_tokenizer", value, "pretokenizers", types,
                     sizeof types / sizeof types[0], list);
}
