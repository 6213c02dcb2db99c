#include "engine/tokenizer_internal.h"

#include <string.h>

static const char spaces[] = "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
                             "\\x{202f}\\x{205f}\\x{3000}";
static const char no_spaces[] =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-"
    "\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";

#define LATIN_1_WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

typedef struct translation {
  text *out;
  const reader *r;
  const char *where, *source;
  size_t bytes, at;
  int in_class;
} translation;

static status refuse(const translation *t, const char *what) {
  return reader_refuse(t->r, t->where, "byte %zu of the pattern: %s is not supported", t->at + 1,
                       what);
}

static int ahead(const translation *t, const char *wanted) {
  size_t count = strlen(wanted);
  return count <= t->bytes - t->at && !memcmp(t->source + t->at, wanted, count);
}

/* A set of characters: a class of its own, or within the one that is open. */
static void open_set(translation *t, int is_negated) {
  if (!t->in_class) text_put(t->out, is_negated ? "[^" : "[");
}

static void close_set(translation *t) {
  if (!t->in_class) text_char(t->out, ']');
}

static void put_set(translation *t, int is_negated, const char *set) {
  open_set(t, is_negated);
  text_put(t->out, set);
  close_set(t);
}

/* Characters of a category that PCRE2 does not know yet. */
static void put_newer(translation *t, const char *category) {
  size_t count;
  const unicode_range *newer = unicode_newer(&count);
  for (size_t i = 0; i < count; i++) {
    if (strncmp(newer[i].category, category, strlen(category)) != 0) continue;
    text_format(t->out, "\\x{%x}-\\x{%x}", (unsigned)newer[i].first, (unsigned)newer[i].last);
  }
}

/* \d and \w, and what they are not. \w is what Oniguruma calls a word: alphabetic characters,
   marks, digits and connectors. */
static void put_kind(translation *t, char kind) {
  int is_word = kind == 'w' || kind == 'W';
  open_set(t, kind == 'W' || kind == 'D');
  text_put(t->out, "\\p{Nd}");
  put_newer(t, "Nd");
  if (is_word) {
    text_put(t->out, "\\p{L}\\p{M}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}"
                     "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}" LATIN_1_WORD);
    put_newer(t, "L");
    put_newer(t, "M");
  }
  close_set(t);
}

/* A category, or a script by itself: PCRE2's own reading of a script's name takes in what the
   script shares with others. */
static void put_name(translation *t, const char *name, int is_negated) {
  int is_script = strlen(name) > 2;
  open_set(t, is_negated);
  text_format(t->out, "\\p{%s%s}", is_script ? "sc:" : "", name);
  if (!is_script) put_newer(t, name);
  if (!strcmp(name, "Han"))
    text_put(t->out, "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}");
  close_set(t);
}

/* \p{Name} and \P{Name}, with the characters that PCRE2 does not know yet. */
static status put_property(translation *t, int is_negated) {
  char name[32] = "";
  size_t length = 0;
  t->at++; /* the letter */
  if (t->at >= t->bytes || t->source[t->at] != '{') return refuse(t, "\\p without a name in {}");
  t->at++;
  if (ahead(t, "^")) {
    is_negated = !is_negated;
    t->at++;
  }
  for (; t->at < t->bytes && t->source[t->at] != '}'; t->at++) {
    char c = t->source[t->at];
    int is_name = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    if (!is_name || length + 1 >= sizeof name) return refuse(t, "the name of this property");
    name[length++] = c;
  }
  if (t->at >= t->bytes || !length) return refuse(t, "a property without an end or a name");
  t->at++;
  if (is_negated && t->in_class) return refuse(t, "\\P{...} within []");
  put_name(t, name, is_negated);
  return OK;
}

static int is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* \xHH, \x{H...} and \uHHHH. */
static status put_code(translation *t) {
  int is_short = t->source[t->at] == 'x';
  char digits[16] = "";
  size_t length = 0, most = is_short ? 2 : 4;
  t->at++;
  int is_braced = is_short && ahead(t, "{");
  if (is_braced) {
    t->at++;
    most = 8;
  }
  while (t->at < t->bytes && length < most && is_hex(t->source[t->at]))
    digits[length++] = t->source[t->at++];
  int is_whole = is_braced ? ahead(t, "}") : length == most;
  if (!length || !is_whole) return refuse(t, "this number of a character");
  if (is_braced) t->at++;
  text_format(t->out, "\\x{%s}", digits);
  return OK;
}

static int stands_for_itself(const translation *t, char c) {
  if (!c) return 0;
  if ((unsigned char)c < 0x80 && point_is_punctuation(c)) return 1;
  return strchr("tnrfae ", c) || (!t->in_class && strchr("Az", c));
}

static status put_escape(translation *t) {
  t->at++; /* the backslash */
  if (t->at >= t->bytes) return refuse(t, "a backslash at the end");
  char c = t->source[t->at];
  if (c == 'p' || c == 'P') return put_property(t, c == 'P');
  if (c == 'x' || c == 'u') return put_code(t);
  if (t->in_class && (c == 'D' || c == 'W')) return refuse(t, "\\D or \\W within []");
  t->at++;
  if (c == 's' || c == 'S') {
    put_set(t, 0, c == 's' ? spaces : no_spaces);
  } else if (c == 'd' || c == 'D' || c == 'w' || c == 'W') {
    put_kind(t, c);
  } else if (c == 'v') {
    text_put(t->out, "\\x{b}");
  } else if (stands_for_itself(t, c)) {
    text_char(t->out, '\\');
    text_char(t->out, c);
  } else {
    t->at--;
    return refuse(t, "this letter behind a backslash");
  }
  return OK;
}

static status put_group(translation *t) {
  static const char *const known[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?i)"};
  if (ahead(t, "(*")) return refuse(t, "(*");
  if (!ahead(t, "(?")) {
    text_put(t->out, "(?:"); /* nothing refers back to a group */
    t->at++;
    return OK;
  }
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (!ahead(t, known[i])) continue;
    text_put(t->out, known[i]);
    t->at += strlen(known[i]);
    return OK;
  }
  return refuse(t, "this kind of group");
}

static status put_class(translation *t) {
  if (ahead(t, "[]") || ahead(t, "[^]")) return refuse(t, "] at the start of []");
  text_char(t->out, '[');
  t->at++;
  if (ahead(t, "^")) {
    text_char(t->out, '^');
    t->at++;
  }
  t->in_class = 1;
  status s = OK;
  while (!s && t->at < t->bytes && t->source[t->at] != ']') {
    if (t->source[t->at] == '\\') {
      s = put_escape(t);
    } else if (t->source[t->at] == '[' || ahead(t, "&&")) {
      s = refuse(t, "a class or && within []");
    } else {
      text_char(t->out, t->source[t->at++]);
    }
  }
  t->in_class = 0;
  if (s) return s;
  if (t->at >= t->bytes) return refuse(t, "[ without its ]");
  text_char(t->out, ']');
  t->at++;
  return OK;
}

/* {n}, {n,} and {n,m}. What may follow them means different things in the two. */
static status put_count(translation *t) {
  size_t end = t->at + 1;
  while (end < t->bytes && strchr("0123456789,", t->source[end]) && t->source[end])
    end++;
  if (end >= t->bytes || t->source[end] != '}' || end == t->at + 1 || t->source[t->at + 1] == ',') {
    return refuse(t, "{ that is no count such as {1,3}");
  }
  end++;
  if (end < t->bytes && strchr("+?*", t->source[end]) && t->source[end]) {
    return refuse(t, "a count with +, ? or * behind it");
  }
  text_add(t->out, t->source + t->at, end - t->at);
  t->at = end;
  return OK;
}

status pattern_translate(text *out, const reader *r, const char *where, const char *source,
                         size_t bytes) {
  translation t = {.out = out, .r = r, .where = where, .source = source, .bytes = bytes};
  status s = OK;
  if (!bytes) s = refuse(&t, "an empty pattern");
  while (!s && t.at < bytes) {
    switch (source[t.at]) {
    case '\\': s = put_escape(&t); break;
    case '(': s = put_group(&t); break;
    case '[': s = put_class(&t); break;
    case '{': s = put_count(&t); break;
    default: text_char(out, source[t.at++]);
    }
  }
  return s;
}
