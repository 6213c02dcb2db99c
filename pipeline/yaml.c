#include "pipeline/yaml.h"

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct reader {
  yaml_parser_t parser;
  arena *memory;
  const char *bytes, *name;
  size_t count, nodes;
  detail *err;
} reader;

static int line_of(yaml_mark_t mark) {
  return (int)mark.line + 1;
}

static int line_at(const reader *r, size_t offset) {
  int line = 1;
  for (size_t i = 0; i < offset && i < r->count; i++)
    line += r->bytes[i] == '\n';
  return line;
}

/* ---- scalars -------------------------------------------------------------------------------- */

static size_t digits(const char *s) {
  return strspn(s, "0123456789");
}

static int is_one_of(const char *word, const char *const *words) {
  while (*words && strcmp(word, *words) != 0)
    words++;
  return *words != NULL;
}

/* [-+]? [0-9]+, 0o [0-7]+ or 0x [0-9a-fA-F]+; the base, or 0 for none of them. */
static int integer_base(const char *s) {
  if (s[0] == '0' && s[1] == 'o' && s[2]) return s[2 + strspn(s + 2, "01234567")] ? 0 : 8;
  if (s[0] == '0' && s[1] == 'x' && s[2]) {
    return s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] ? 0 : 16;
  }
  if (*s == '-' || *s == '+') s++;
  return *s && !s[digits(s)] ? 10 : 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static int is_real(const char *s) {
  if (*s == '-' || *s == '+') s++;
  size_t whole = digits(s), part = 0;
  s += whole;
  if (*s == '.') {
    part = digits(s + 1);
    s += 1 + part;
  }
  if (whole + part == 0) return 0;
  if (*s != 'e' && *s != 'E') return !*s;
  s++;
  if (*s == '-' || *s == '+') s++;
  return *s && !s[digits(s)];
}

static int is_not_finite(const char *s) {
  static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
  static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
  return is_one_of(s, nans) || is_one_of(*s == '-' || *s == '+' ? s + 1 : s, infinities);
}

static status refuse_number(const reader *r, const yaml_node *node, const char *why) {
  char shown[YAML_SHOWN_BYTES];
  return fault_at(r->err, E_INPUT, r->name, node->line, "%s is a number that %s; quote it for text",
                  yaml_shown(node->text, shown), why);
}

/* The nearest real of 15 digits, so that the canonical form of JSON gives it back exactly; one zero
   without a sign. */
static double read_real(const char *s) {
  char digits_15[32];
  (void)snprintf(digits_15, sizeof digits_15, "%.15g", strtod(s, NULL));
  return strtod(digits_15, NULL) + 0.0;
}

static status read_plain(const reader *r, yaml_node *node) {
  static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
  static const char *const yes[] = {"true", "True", "TRUE", NULL};
  static const char *const no[] = {"false", "False", "FALSE", NULL};
  const char *s = node->text;
  int base = integer_base(s);
  if (base) {
    errno = 0;
    node->kind = YAML_INTEGER;
    node->integer = strtoll(base == 10 ? s : s + 2, NULL, base);
    node->real = (double)node->integer;
    if (errno == ERANGE) return refuse_number(r, node, "does not fit into 64 bits");
  } else if (is_real(s)) {
    node->kind = YAML_REAL;
    node->real = read_real(s);
    if (!isfinite(node->real)) return refuse_number(r, node, "is too large");
  } else if (is_not_finite(s)) {
    return refuse_number(r, node, "is not finite");
  } else if (is_one_of(s, nulls)) {
    node->kind = YAML_NULL;
  } else if (is_one_of(s, yes) || is_one_of(s, no)) {
    node->kind = YAML_BOOLEAN;
    node->integer = is_one_of(s, yes);
  }
  return OK;
}

/* Bytes that no editor shows, or that YAML would fold: they could come through escapes. */
static int is_printable(const char *s, size_t count) {
  if (!text_is_utf8(s, count, NULL)) return 0;
  const unsigned char *u = (const unsigned char *)s;
  for (size_t i = 0; i < count; i++) {
    if ((u[i] < 0x20 && u[i] != '\n' && u[i] != '\t') || u[i] == 0x7f) return 0;
    if (u[i] == 0xc2 && u[i + 1] < 0xa0) return 0; /* U+0080..U+009F */
    if (u[i] == 0xe2 && u[i + 1] == 0x80 && (u[i + 2] & 0xfe) == 0xa8) return 0; /* U+2028, 2029 */
    if (u[i] == 0xef && u[i + 1] == 0xbb && u[i + 2] == 0xbf) return 0;          /* U+FEFF */
    if (u[i] == 0xef && u[i + 1] == 0xbf && u[i + 2] >= 0xbe) return 0;          /* U+FFFE, FFFF */
  }
  return 1;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* libyaml speaks of tokens and contexts; these two are what people meet. */
static const char *plainer(const reader *r, int line) {
  const char *at = r->bytes, *end = r->bytes + r->count;
  for (int passed = 1; passed < line && at < end; at++)
    passed += *at == '\n';
  while (at < end && *at == ' ')
    at++;
  if (at < end && *at == '\t') return "a tab; indent with spaces";
  if (strstr(r->parser.problem, "mapping values are not allowed")) {
    return "a second ': ' in one line; quote a text that holds one";
  }
  return r->parser.problem;
}

static status parser_problem(const reader *r) {
  const yaml_parser_t *p = &r->parser;
  if (p->error == YAML_MEMORY_ERROR)
    return fault(r->err, E_MEMORY, "no memory to read %s", r->name);
  int line =
      p->error == YAML_READER_ERROR ? line_at(r, p->problem_offset) : line_of(p->problem_mark);
  if (line == line_of(p->context_mark) || !p->context) {
    return fault_at(r->err, E_INPUT, r->name, line, "not YAML: %s", plainer(r, line));
  }
  return fault_at(r->err, E_INPUT, r->name, line, "not YAML: %s (%s from line %d)", p->problem,
                  p->context, line_of(p->context_mark));
}

static status next_event(reader *r, yaml_event_t *event) {
  return yaml_parser_parse(&r->parser, event) ? OK : parser_problem(r);
}

static status refuse_extras(const reader *r, int line, const yaml_char_t *anchor,
                            const yaml_char_t *tag) {
  char shown[YAML_SHOWN_BYTES];
  if (anchor) {
    return fault_at(r->err, E_INPUT, r->name, line,
                    "anchor &%s: anchors are not read; write the value where it is meant",
                    yaml_shown((const char *)anchor, shown));
  }
  if (tag) {
    static const char whole[] = "tag:yaml.org,2002:"; /* what "!!" stands for */
    const char *name = (const char *)tag;
    int is_short = !strncmp(name, whole, sizeof whole - 1);
    return fault_at(r->err, E_INPUT, r->name, line,
                    "tag %s%s: tags are not read; quotes make a value text", is_short ? "!!" : "",
                    yaml_shown(is_short ? name + sizeof whole - 1 : name, shown));
  }
  return OK;
}

static status make_node(reader *r, yaml_kind kind, int line, yaml_node **out) {
  if (++r->nodes > YAML_NODES_MAX) {
    return fault_at(r->err, E_INPUT, r->name, line, "more than %d values", (int)YAML_NODES_MAX);
  }
  yaml_node *node = arena_take(r->memory, 1, sizeof *node);
  if (!node) return arena_full(r->memory, r->err);
  node->kind = kind;
  node->line = node->key_line = line;
  *out = node;
  return OK;
}

static status read_scalar(reader *r, const yaml_event_t *event, yaml_node **out) {
  const char *value = (const char *)event->data.scalar.value;
  size_t count = event->data.scalar.length;
  int line = line_of(event->start_mark);
  status s = refuse_extras(r, line, event->data.scalar.anchor, event->data.scalar.tag);
  if (s) return s;
  if (!is_printable(value, count)) {
    return fault_at(r->err, E_INPUT, r->name, line, "a value with an unprintable character");
  }
  yaml_node *node = NULL;
  s = make_node(r, YAML_TEXT, line, &node);
  if (!node) return s;
  node->text = arena_text(r->memory, value, count);
  if (!node->text) return arena_full(r->memory, r->err);
  if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) s = read_plain(r, node);
  if (!s) *out = node;
  return s;
}

static status read_node(reader *r, const yaml_event_t *event, int depth, yaml_node **out);

static void append(yaml_node *parent, yaml_node **last, yaml_node *child) {
  if (*last) {
    (*last)->next = child;
  } else {
    parent->first = child;
  }
  *last = child;
  parent->count++;
}

static status read_list(reader *r, int depth, yaml_node *list) {
  yaml_node *last = NULL;
  for (;;) {
    yaml_event_t event;
    status s = next_event(r, &event);
    if (s) return s;
    int end = event.type == YAML_SEQUENCE_END_EVENT;
    yaml_node *child = NULL;
    if (!end) s = read_node(r, &event, depth, &child);
    yaml_event_delete(&event);
    if (s || end) return s;
    append(list, &last, child);
  }
}

static status read_key(reader *r, const yaml_event_t *event, const yaml_node *map,
                       const yaml_node **out) {
  int line = line_of(event->start_mark);
  if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT) {
    return fault_at(r->err, E_INPUT, r->name, line, "a key must be text, not a list or a mapping");
  }
  yaml_node *key = NULL;
  status s = read_node(r, event, YAML_DEPTH_MAX, &key);
  if (!key) return s;
  const yaml_node *same = yaml_find(map, key->text);
  if (same) {
    char shown[YAML_SHOWN_BYTES];
    return fault_at(r->err, E_INPUT, r->name, line,
                    "key \"%s\" a second time; the first is in line %d",
                    yaml_shown(key->text, shown), same->key_line);
  }
  if (map->count == YAML_KEYS_MAX) {
    return fault_at(r->err, E_INPUT, r->name, line, "a mapping of more than %d keys",
                    (int)YAML_KEYS_MAX);
  }
  *out = key;
  return OK;
}

static status read_map(reader *r, int depth, yaml_node *map) {
  yaml_node *last = NULL;
  for (;;) {
    yaml_event_t event;
    status s = next_event(r, &event);
    if (s) return s;
    int end = event.type == YAML_MAPPING_END_EVENT;
    const yaml_node *key = NULL;
    if (!end) s = read_key(r, &event, map, &key);
    yaml_event_delete(&event);
    if (s || end) return s;
    if ((s = next_event(r, &event))) return s;
    yaml_node *child = NULL;
    s = read_node(r, &event, depth, &child);
    yaml_event_delete(&event);
    if (s) return s;
    child->key = key->text;
    child->key_line = key->line;
    append(map, &last, child);
  }
}

static status read_container(reader *r, const yaml_event_t *event, int depth, yaml_node **out) {
  int is_map = event->type == YAML_MAPPING_START_EVENT, line = line_of(event->start_mark);
  status s = is_map ? refuse_extras(r, line, event->data.mapping_start.anchor,
                                    event->data.mapping_start.tag)
                    : refuse_extras(r, line, event->data.sequence_start.anchor,
                                    event->data.sequence_start.tag);
  if (s) return s;
  if (depth >= YAML_DEPTH_MAX) {
    return fault_at(r->err, E_INPUT, r->name, line, "nested deeper than %d levels",
                    (int)YAML_DEPTH_MAX);
  }
  if ((s = make_node(r, is_map ? YAML_MAP : YAML_LIST, line, out))) return s;
  return is_map ? read_map(r, depth + 1, *out) : read_list(r, depth + 1, *out);
}

/* event is the node's first; the caller deletes it. */
static status read_node(reader *r, const yaml_event_t *event, int depth, yaml_node **out) {
  if (event->type == YAML_SCALAR_EVENT) return read_scalar(r, event, out);
  if (event->type == YAML_ALIAS_EVENT) {
    char shown[YAML_SHOWN_BYTES];
    return fault_at(r->err, E_INPUT, r->name, line_of(event->start_mark),
                    "alias *%s: aliases are not read; write the value where it is meant",
                    yaml_shown((const char *)event->data.alias.anchor, shown));
  }
  return read_container(r, event, depth, out);
}

/* ---- documents ------------------------------------------------------------------------------ */

/* The stream's and the document's start, the root node, the document's end, the stream's end. */
static status read_stream(reader *r, yaml_node **out) {
  yaml_node *root = NULL;
  for (;;) {
    yaml_event_t event;
    status s = next_event(r, &event);
    if (s) return s;
    yaml_event_type_t type = event.type;
    if (type == YAML_DOCUMENT_START_EVENT && root) {
      s = fault_at(r->err, E_INPUT, r->name, line_of(event.start_mark),
                   "a second document; a file holds one");
    } else if (type == YAML_STREAM_END_EVENT && !root) {
      s = fault_at(r->err, E_INPUT, r->name, 1,
                   "the file is empty; docs/jobs.md says what a job holds");
    } else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
               type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT) {
      s = read_node(r, &event, 0, &root);
    }
    yaml_event_delete(&event);
    *out = root;
    if (s || type == YAML_STREAM_END_EVENT) return s;
  }
}

status yaml_read(const yaml_node **out, arena *memory, const char *bytes, size_t count,
                 const char *name, detail *err) {
  static const char mark[] = "\xef\xbb\xbf"; /* some editors begin UTF-8 so */
  if (count >= 3 && !memcmp(bytes, mark, 3)) {
    bytes += 3;
    count -= 3;
  }
  reader r = {.memory = memory, .bytes = bytes, .name = name, .count = count, .err = err};
  if (count > YAML_BYTES_MAX) {
    return fault_at(err, E_INPUT, name, 1, "a file of %zu bytes; at most %d are read", count,
                    (int)YAML_BYTES_MAX);
  }
  size_t bad = 0;
  if (!text_is_utf8(bytes, count, &bad)) {
    return fault_at(err, E_INPUT, name, line_at(&r, bad), "not UTF-8; save the file as UTF-8");
  }
  if (!yaml_parser_initialize(&r.parser)) return fault(err, E_MEMORY, "no memory to read %s", name);
  yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, count);
  yaml_node *root = NULL;
  status s = read_stream(&r, &root);
  yaml_parser_delete(&r.parser);
  if (!s) *out = root;
  return s;
}

const yaml_node *yaml_find(const yaml_node *map, const char *key) {
  const yaml_node *child = map->first;
  while (child && strcmp(child->key, key) != 0)
    child = child->next;
  return child;
}

const char *yaml_kind_name(yaml_kind kind) {
  static const char *const names[] = {"nothing", "a boolean", "an integer", "a number",
                                      "text",    "a list",    "a mapping"};
  return names[kind];
}

const char *yaml_shown(const char *word, char out[YAML_SHOWN_BYTES]) {
  size_t bytes = strlen(word), most = 48;
  size_t kept = bytes <= most ? bytes : most;
  while (kept < bytes && kept && ((unsigned char)word[kept] & 0xc0) == 0x80)
    kept--; /* not within a character */
  for (size_t i = 0; i < kept; i++)
    out[i] = word[i] == '\n' || word[i] == '\t' ? ' ' : word[i];
  memcpy(out + kept, kept < bytes ? "..." : "", kept < bytes ? 4 : 1);
  return out;
}
