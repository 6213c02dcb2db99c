#include "pipeline/records_internal.h"

#include <string.h>

/* The next line without its end, however empty; *more is 0 behind the last. */
static status read_line(records *r, int *more, detail *err) {
  int64_t line = r->line;
  for (int any = 0, rest = 1;; any = 1) {
    status failed = records_fill(r, &rest, err);
    if (failed) return failed;
    *more = rest || any;
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

/* A first line that is the beginning of something is the usual mistake: one document over many
   lines. */
static status explain(const records *r, int64_t line, detail *err) {
  const char *bytes = text_string(&r->current);
  size_t first = strspn(bytes, " \t"), second = first + strspn(bytes + first, "{[ \t\r");
  if (r->number > 1 || second < r->current.bytes) return E_INPUT;
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
  if (failed != E_INPUT || r->value) return failed;
  return explain(r, line, err);
}
