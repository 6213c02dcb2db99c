#include "pipeline/records_internal.h"

#include <string.h>

/* The next line without its end, however empty; *more is 0 behind the last. */
static status read_line(records *r, int *more, detail *err) {
  int64_t line = r->line;
  for (int any = 0, rest = 1;; any = 1) {
    status failed = records_fill(r, &rest, err);
    if (failed) return failed;
    *more = rest || any;
    r->unended = !rest && any;
    if (!rest) return OK;
    const char *start = r->piece + r->at, *end = memchr(start, '\n', r->count - r->at);
    failed = records_take(r, end ? (size_t)(end - start) : r->count - r->at, line, err);
    if (failed) return failed;
    if (!end) continue;
    r->at++;
    r->line++;
    return OK;
  }
}

static int is_blank(const text *line) {
  return strspn(text_string(line), " \t\r") == line->bytes;
}

/* Whether a line ends within a string, an object or a list. */
static int is_open(const text *line) {
  int depth = 0, in_string = 0;
  for (size_t i = 0; i < line->bytes; i++) {
    char c = line->data[i];
    if (in_string) {
      if (c == '\\') i++;
      if (c == '"') in_string = 0;
    } else {
      in_string = c == '"';
      depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
  }
  return in_string || depth > 0;
}

/* What is behind a line that is no JSON since it is not closed: a last line without an end was cut
   off, and a first line is the beginning of one document over many lines. */
static status explain(const records *r, int64_t line, detail *err) {
  if (!is_open(&r->current) || !text_is_utf8(text_string(&r->current), r->current.bytes, NULL)) {
    return E_INPUT;
  }
  if (r->unended) {
    return records_fault(r, err, line,
                         "the file ends within record %lld: it was cut off; fetch or write it "
                         "again",
                         (long long)r->number);
  }
  if (r->number > 1) return E_INPUT;
  return records_fault(r, err, line,
                       "one object a line is expected, and this is one document over several "
                       "lines; a list in it becomes lines by: jq -c '.KEY[]' FILE > NEW.jsonl, a "
                       "single object by: jq -c . FILE > NEW.jsonl");
}

status records_next_line(records *r, records_item *out, int *found, detail *err) {
  int more;
  int64_t line;
  r->number++; /* of the record that is looked for, for messages */
  do {
    text_clear(&r->current);
    line = r->line;
    status failed = read_line(r, &more, err);
    if (failed) return failed;
  } while (more && is_blank(&r->current));
  *found = more;
  if (!more) {
    r->number--;
    r->over = 1;
    return OK;
  }
  status failed = records_parse(r, line, out, err);
  return failed == E_INPUT && !r->value ? explain(r, line, err) : failed;
}
