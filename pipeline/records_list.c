#include "pipeline/records_internal.h"

#include <string.h>

/* The next character that is no white space, not taken; *more is 0 at the end. */
static status peek(records *r, char *c, int *more, detail *err) {
  status failed;
  while (!(failed = records_fill(r, more, err)) && *more) {
    *c = r->piece[r->at];
    if (*c != ' ' && *c != '\t' && *c != '\r' && *c != '\n') break;
    r->line += *c == '\n';
    r->at++;
  }
  return failed;
}

static status cut_off(records *r, detail *err) {
  r->over = 1;
  return records_fault(r, err, r->line,
                       "the file ends within its list, in or behind record %lld: it was cut off; "
                       "fetch or write it again",
                       (long long)r->number);
}

static status unexpected(records *r, char c, const char *wanted, detail *err) {
  r->over = 1;
  return records_fault(r, err, r->line, "%s is expected behind record %lld, not '%c' (0x%02x)",
                       wanted, (long long)r->number, c >= 0x20 && c < 0x7f ? c : '?',
                       (unsigned)(unsigned char)c);
}

/* Where in an element a scan is; elements may come in many pieces. */
typedef struct scan {
  int depth, in_string, escaped, over;
} scan;

/* How many of these bytes belong to the element; s->over is set at its end: a comma or a closing
   bracket that is not within it. Brackets need not match: the parser says so. */
static size_t scan_piece(scan *s, const char *bytes, size_t count, int64_t *lines) {
  for (size_t i = 0; i < count; i++) {
    char c = bytes[i];
    *lines += c == '\n';
    if (s->escaped) {
      s->escaped = 0;
    } else if (s->in_string) {
      s->escaped = c == '\\';
      s->in_string = c != '"';
    } else if (s->depth == 0 && (c == ',' || c == ']')) {
      s->over = 1;
      return i;
    } else {
      s->in_string = c == '"';
      s->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
      if (s->depth < 0) s->depth = 0;
    }
  }
  return count;
}

static status read_element(records *r, records_item *out, detail *err) {
  scan s = {0};
  int64_t first_line = r->line;
  r->number++;
  while (!s.over) {
    int more;
    status failed = records_fill(r, &more, err);
    if (failed) return failed;
    if (!more) return cut_off(r, err);
    size_t count = scan_piece(&s, r->piece + r->at, r->count - r->at, &r->line);
    failed = records_take(r, count, first_line, err);
    if (failed) return failed;
  }
  r->state = LIST_BETWEEN;
  return records_parse(r, first_line, out, err);
}

/* Behind the list there is nothing. */
static status finish(records *r, detail *err) {
  char c = 0;
  int more;
  status failed = peek(r, &c, &more, err);
  if (failed) return failed;
  r->over = 1;
  return more ? unexpected(r, c, "nothing more", err) : OK;
}

status records_next_element(records *r, records_item *out, int *found, detail *err) {
  for (;;) {
    char c = 0;
    int more;
    if (r->state == LIST_ENDED) return finish(r, err);
    status failed = peek(r, &c, &more, err);
    if (failed) return failed;
    if (!more && r->state != LIST_BEFORE) return cut_off(r, err);
    if (r->state == LIST_BEFORE) {
      if (!more || c != '[') {
        r->over = 1;
        return records_fault(r, err, r->line, "a JSON list is expected: [{...}, {...}]");
      }
      r->state = LIST_FIRST;
    } else if (r->state == LIST_BETWEEN && c != ',' && c != ']') {
      return unexpected(r, c, "a comma or ]", err);
    } else if (c == ']' && r->state != LIST_ELEMENT) {
      r->state = LIST_ENDED;
    } else if (c == ',' && r->state == LIST_BETWEEN) {
      r->state = LIST_ELEMENT;
    } else if (c == ',' || c == ']') {
      return unexpected(r, c, "a record", err);
    } else {
      *found = 1;
      return read_element(r, out, err);
    }
    r->at++;
  }
}
