#include "pipeline/records_internal.h"

#include <string.h>

/* RFC 4180, with LF beside CRLF and tabs where the format says so. A quote within a field that does
   not start with one stands for itself, as most writers mean it. */
typedef enum field_state {
  FIELD_START,
  FIELD_PLAIN,
  FIELD_QUOTED,
  FIELD_CLOSING, /* behind a quote in a quoted field: its end, or the first of two */
  FIELD_RETURN   /* behind CR behind a quoted field */
} field_state;

typedef struct row {
  field_state state;
  int over, quoted; /* quoted: some field was */
  int64_t first_line, quote_line;
} row;

static status end_field(records *r, const row *at, detail *err) {
  if (r->fields == RECORDS_COLUMNS_MAX) {
    return records_fault(r, err, at->first_line, "more than %d columns", (int)RECORDS_COLUMNS_MAX);
  }
  r->ends[r->fields++] = r->current.bytes;
  return OK;
}

/* A CR before the end of the line belongs to that end. */
static void cut_return(records *r) {
  size_t start = r->fields ? r->ends[r->fields - 1] : 0, bytes = r->current.bytes;
  if (bytes > start && r->current.data[bytes - 1] == '\r') text_cut(&r->current, bytes - 1);
}

static status end_row(records *r, row *at, detail *err) {
  if (at->state == FIELD_PLAIN) cut_return(r);
  at->over = 1;
  return end_field(r, at, err);
}

/* Takes the character that ends a field, if it is one: *ends says. */
static status try_end(records *r, row *at, int *ends, detail *err) {
  char c = r->piece[r->at];
  *ends = c == '\n' || (c == r->delimiter && at->state != FIELD_RETURN);
  if (!*ends) return OK;
  r->at++;
  if (c == '\n') {
    r->line++;
    return end_row(r, at, err);
  }
  at->state = FIELD_START;
  return end_field(r, at, err);
}

static status read_plain(records *r, row *at, detail *err) {
  size_t end = r->at;
  int ends;
  while (end < r->count && r->piece[end] != '\n' && r->piece[end] != r->delimiter)
    end++;
  status failed = records_take(r, end - r->at, at->first_line, err);
  if (failed || r->at == r->count) return failed;
  return try_end(r, at, &ends, err);
}

static status read_quoted(records *r, row *at, detail *err) {
  const char *start = r->piece + r->at, *quote = memchr(start, '"', r->count - r->at);
  size_t count = quote ? (size_t)(quote - start) : r->count - r->at;
  for (size_t i = 0; i < count; i++)
    r->line += start[i] == '\n';
  status failed = records_take(r, count, at->first_line, err);
  if (failed || !quote) return failed;
  r->at++;
  at->state = FIELD_CLOSING;
  return OK;
}

static status read_closing(records *r, row *at, detail *err) {
  int ends;
  char c = r->piece[r->at];
  if (at->state == FIELD_CLOSING && c == '"') {
    at->state = FIELD_QUOTED;
    return records_take(r, 1, at->first_line, err);
  }
  status failed = try_end(r, at, &ends, err);
  if (failed || ends) return failed;
  if (at->state == FIELD_CLOSING && c == '\r') {
    at->state = FIELD_RETURN;
    r->at++;
    return OK;
  }
  r->over = 1; /* where the field was meant to end cannot be known */
  return records_fault(r, err, r->line,
                       "text behind the quote that closes a field (which starts in line %d); a "
                       "quote within a quoted field is written twice",
                       records_line(at->quote_line));
}

static status read_state(records *r, row *at, detail *err) {
  switch (at->state) {
  case FIELD_START:
    at->state = FIELD_PLAIN;
    if (r->piece[r->at] != '"') return OK;
    r->at++;
    at->state = FIELD_QUOTED;
    at->quoted = 1;
    at->quote_line = r->line;
    return OK;
  case FIELD_PLAIN: return read_plain(r, at, err);
  case FIELD_QUOTED: return read_quoted(r, at, err);
  case FIELD_CLOSING:
  case FIELD_RETURN: return read_closing(r, at, err);
  }
  return OK;
}

static status end_of_file(records *r, row *at, detail *err) {
  r->over = 1;
  if (at->state == FIELD_QUOTED) {
    return records_fault(r, err, at->quote_line,
                         "the quoted field that starts here is not closed before the end of the "
                         "file, which may be cut off");
  }
  at->over = 1;
  if (at->state == FIELD_START && r->fields == 0) return OK;
  r->unended = 1;
  return end_row(r, at, err);
}

/* Each field by itself: two halves of a character would be one where the fields meet. */
static status check_fields(const records *r, const row *at, detail *err) {
  status failed = OK;
  for (size_t i = 0; !failed && i < r->fields; i++)
    failed = records_check_text(r, i ? r->ends[i - 1] : 0, r->ends[i], at->first_line, err);
  return failed;
}

/* One row; *found is 0 at the end. An empty line is none. */
static status read_row(records *r, row *at, int *found, detail *err) {
  do {
    *at = (row){.first_line = r->line};
    r->fields = 0;
    text_clear(&r->current);
    while (!at->over) {
      int more;
      status failed = records_fill(r, &more, err);
      if (!failed) failed = more ? read_state(r, at, err) : end_of_file(r, at, err);
      if (failed) {
        r->over = 1;
        return failed;
      }
    }
    *found = r->fields > 0;
  } while (*found && r->fields == 1 && r->current.bytes == 0 && !at->quoted);
  return *found ? check_fields(r, at, err) : OK;
}

static json_t *field_json(const records *r, size_t field) {
  size_t start = field ? r->ends[field - 1] : 0;
  return json_stringn_nocheck(text_string(&r->current) + start, r->ends[field] - start);
}

static status add_column(records *r, size_t column, const row *at, detail *err) {
  json_t *name = field_json(r, column), *before;
  size_t i;
  int again = 0;
  json_array_foreach(r->header, i, before) again |= name && json_equal(name, before);
  if (!name || json_array_append(r->header, name)) {
    json_decref(name);
    return fault(err, E_MEMORY, "no memory to read %s", r->source->name);
  }
  status failed = OK;
  if (again) {
    failed = records_fault(r, err, at->first_line,
                           "the header names the column '%.60s' twice; give each its own name",
                           json_string_value(name));
  }
  json_decref(name);
  return failed;
}

status records_read_header(records *r, detail *err) {
  row at;
  int found;
  status failed = read_row(r, &at, &found, err);
  if (failed || !found) return failed;
  r->header = json_array();
  if (!r->header) return fault(err, E_MEMORY, "no memory to read %s", r->source->name);
  for (size_t i = 0; !failed && i < r->fields; i++)
    failed = add_column(r, i, &at, err);
  return failed;
}

static status row_json(records *r, detail *err) {
  r->value = json_object();
  int failed = !r->value;
  for (size_t i = 0; !failed && i < r->fields; i++) {
    const char *name = json_string_value(json_array_get(r->header, i));
    failed = json_object_set_new_nocheck(r->value, name, field_json(r, i));
  }
  return failed ? fault(err, E_MEMORY, "no memory to read %s", r->source->name) : OK;
}

status records_next_row(records *r, records_item *out, int *found, detail *err) {
  row at;
  r->number++; /* of the record that is looked for, for messages */
  status failed = read_row(r, &at, found, err);
  if (failed) return failed;
  if (!*found) {
    r->number--;
    return OK;
  }
  size_t columns = json_array_size(r->header);
  if (r->fields != columns) {
    return records_fault(r, err, at.first_line,
                         "record %lld has %zu field%s and the header %zu; a field with a comma, a "
                         "tab, a quote or an end of line in it stands in quotes",
                         (long long)r->number, r->fields, r->fields == 1 ? "" : "s", columns);
  }
  failed = row_json(r, err);
  if (failed) return failed;
  *out =
      (records_item){.value = r->value, .number = r->number, .line = records_line(at.first_line)};
  return OK;
}
