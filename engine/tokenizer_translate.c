#include "engine/tokenizer_internal.h"

#include <string.h>

/* Patterns are written for Oniguruma 6.9.10 with Unicode 16. PCRE2 10.42 knows Unicode 14: these
   are the characters that came between, by category. A newer PCRE2 has them twice, which does no
   harm. tests/oracle/unicode.py makes the table. */
static const struct newer {
  int32_t first, last;
  const char *category;
} newer[] = {
    /* clang-format off */
    {0x897, 0x897, "Mn"}, {0xcf3, 0xcf3, "Mc"}, {0xece, 0xece, "Mn"}, {0x1b4e, 0x1b4f, "Po"},
    {0x1b7f, 0x1b7f, "Po"}, {0x1c89, 0x1c89, "Lu"}, {0x1c8a, 0x1c8a, "Ll"}, {0x2427, 0x2429, "So"},
    {0x2ffc, 0x2fff, "So"}, {0x31e4, 0x31e5, "So"}, {0x31ef, 0x31ef, "So"}, {0xa7cb, 0xa7cc, "Lu"},
    {0xa7cd, 0xa7cd, "Ll"}, {0xa7da, 0xa7da, "Lu"}, {0xa7db, 0xa7db, "Ll"}, {0xa7dc, 0xa7dc, "Lu"},
    {0x105c0, 0x105f3, "Lo"}, {0x10d40, 0x10d49, "Nd"}, {0x10d4a, 0x10d4d, "Lo"},
    {0x10d4e, 0x10d4e, "Lm"}, {0x10d4f, 0x10d4f, "Lo"}, {0x10d50, 0x10d65, "Lu"},
    {0x10d69, 0x10d6d, "Mn"}, {0x10d6e, 0x10d6e, "Pd"}, {0x10d6f, 0x10d6f, "Lm"},
    {0x10d70, 0x10d85, "Ll"}, {0x10d8e, 0x10d8f, "Sm"}, {0x10ec2, 0x10ec4, "Lo"},
    {0x10efc, 0x10eff, "Mn"}, {0x1123f, 0x11240, "Lo"}, {0x11241, 0x11241, "Mn"},
    {0x11380, 0x11389, "Lo"}, {0x1138b, 0x1138b, "Lo"}, {0x1138e, 0x1138e, "Lo"},
    {0x11390, 0x113b5, "Lo"}, {0x113b7, 0x113b7, "Lo"}, {0x113b8, 0x113ba, "Mc"},
    {0x113bb, 0x113c0, "Mn"}, {0x113c2, 0x113c2, "Mc"}, {0x113c5, 0x113c5, "Mc"},
    {0x113c7, 0x113ca, "Mc"}, {0x113cc, 0x113cd, "Mc"}, {0x113ce, 0x113ce, "Mn"},
    {0x113cf, 0x113cf, "Mc"}, {0x113d0, 0x113d0, "Mn"}, {0x113d1, 0x113d1, "Lo"},
    {0x113d2, 0x113d2, "Mn"}, {0x113d3, 0x113d3, "Lo"}, {0x113d4, 0x113d5, "Po"},
    {0x113d7, 0x113d8, "Po"}, {0x113e1, 0x113e2, "Mn"}, {0x116d0, 0x116e3, "Nd"},
    {0x1171e, 0x1171e, "Mc"}, {0x11b00, 0x11b09, "Po"}, {0x11bc0, 0x11be0, "Lo"},
    {0x11be1, 0x11be1, "Po"}, {0x11bf0, 0x11bf9, "Nd"}, {0x11f00, 0x11f01, "Mn"},
    {0x11f02, 0x11f02, "Lo"}, {0x11f03, 0x11f03, "Mc"}, {0x11f04, 0x11f10, "Lo"},
    {0x11f12, 0x11f33, "Lo"}, {0x11f34, 0x11f35, "Mc"}, {0x11f36, 0x11f3a, "Mn"},
    {0x11f3e, 0x11f3f, "Mc"}, {0x11f40, 0x11f40, "Mn"}, {0x11f41, 0x11f41, "Mc"},
    {0x11f42, 0x11f42, "Mn"}, {0x11f43, 0x11f4f, "Po"}, {0x11f50, 0x11f59, "Nd"},
    {0x11f5a, 0x11f5a, "Mn"}, {0x1342f, 0x1342f, "Lo"}, {0x13440, 0x13440, "Mn"},
    {0x13441, 0x13446, "Lo"}, {0x13447, 0x13455, "Mn"}, {0x13460, 0x143fa, "Lo"},
    {0x16100, 0x1611d, "Lo"}, {0x1611e, 0x16129, "Mn"}, {0x1612a, 0x1612c, "Mc"},
    {0x1612d, 0x1612f, "Mn"}, {0x16130, 0x16139, "Nd"}, {0x16d40, 0x16d42, "Lm"},
    {0x16d43, 0x16d6a, "Lo"}, {0x16d6b, 0x16d6c, "Lm"}, {0x16d6d, 0x16d6f, "Po"},
    {0x16d70, 0x16d79, "Nd"}, {0x18cff, 0x18cff, "Lo"}, {0x1b132, 0x1b132, "Lo"},
    {0x1b155, 0x1b155, "Lo"}, {0x1cc00, 0x1ccef, "So"}, {0x1ccf0, 0x1ccf9, "Nd"},
    {0x1cd00, 0x1ceb3, "So"}, {0x1d2c0, 0x1d2d3, "No"}, {0x1df25, 0x1df2a, "Ll"},
    {0x1e030, 0x1e06d, "Lm"}, {0x1e08f, 0x1e08f, "Mn"}, {0x1e4d0, 0x1e4ea, "Lo"},
    {0x1e4eb, 0x1e4eb, "Lm"}, {0x1e4ec, 0x1e4ef, "Mn"}, {0x1e4f0, 0x1e4f9, "Nd"},
    {0x1e5d0, 0x1e5ed, "Lo"}, {0x1e5ee, 0x1e5ef, "Mn"}, {0x1e5f0, 0x1e5f0, "Lo"},
    {0x1e5f1, 0x1e5fa, "Nd"}, {0x1e5ff, 0x1e5ff, "Po"}, {0x1f6dc, 0x1f6dc, "So"},
    {0x1f774, 0x1f776, "So"}, {0x1f77b, 0x1f77f, "So"}, {0x1f7d9, 0x1f7d9, "So"},
    {0x1f8b2, 0x1f8bb, "So"}, {0x1f8c0, 0x1f8c1, "So"}, {0x1fa75, 0x1fa77, "So"},
    {0x1fa87, 0x1fa89, "So"}, {0x1fa8f, 0x1fa8f, "So"}, {0x1faad, 0x1faaf, "So"},
    {0x1fabb, 0x1fabf, "So"}, {0x1fac6, 0x1fac6, "So"}, {0x1face, 0x1facf, "So"},
    {0x1fada, 0x1fadc, "So"}, {0x1fadf, 0x1fadf, "So"}, {0x1fae8, 0x1fae9, "So"},
    {0x1faf7, 0x1faf8, "So"}, {0x1fbcb, 0x1fbef, "So"}, {0x2b739, 0x2b739, "Lo"},
    {0x2ebf0, 0x2ee5d, "Lo"}, {0x31350, 0x323af, "Lo"},
    /* clang-format on */
};
enum { NEWER_COUNT = sizeof newer / sizeof newer[0] };

static const char spaces[] = "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
                             "\\x{202f}\\x{205f}\\x{3000}";
static const char no_spaces[] =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-"
    "\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";

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

static void put_newer(translation *t, const char *category) {
  for (size_t i = 0; i < NEWER_COUNT; i++) {
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
                     "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}");
    put_newer(t, "L");
    put_newer(t, "M");
  }
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
  if (is_negated && t->in_class && length <= 2) return refuse(t, "\\P{...} within []");
  open_set(t, is_negated);
  text_format(t->out, "\\%c{%s}", is_negated && t->in_class ? 'P' : 'p', name);
  if (length <= 2) put_newer(t, name);
  close_set(t);
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
