#include "pipeline/records.h"

#include "base/guess.h"
#include "base/memory.h"
#include "pipeline/records_internal.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

const char *records_format_name(records_format format) {
  static const char *const names[] = {"any", "jsonl", "json", "csv", "tsv"};
  return names[format];
}

int records_format_of(const char *file_name, records_format *out) {
  static const struct {
    const char *suffix;
    records_format format;
  } known[] = {{".jsonl", RECORDS_LINES},
               {".ndjson", RECORDS_LINES},
               {".json", RECORDS_ANY},
               {".csv", RECORDS_CSV},
               {".tsv", RECORDS_TSV}};
  const char *suffix = strrchr(file_name, '.');
  for (size_t i = 0; suffix && i < sizeof known / sizeof known[0]; i++) {
    if (strcasecmp(suffix, known[i].suffix) != 0) continue;
    *out = known[i].format;
    return 1;
  }
  return 0;
}

int records_line(int64_t line) {
  return line > INT_MAX ? INT_MAX : (int)line;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

status records_fill(records *r, int *more, detail *err) {
  *more = 1;
  if (r->at < r->count) return OK;
  r->at = r->count = 0;
  if (!r->ended) {
    status failed = r->late;
    if (failed && err) *err = r->why_late;
    if (!failed)
      failed = r->source->read(r->source->from, r->piece, sizeof r->piece, &r->count, err);
    if (failed) {
      r->over = 1;
      return failed;
    }
    hash_piece(&r->sum, r->piece, r->count);
    r->bytes += (int64_t)r->count;
  }
  if (r->count == 0 && !r->ended) {
    r->ended = 1;
    r->content = hash_end(&r->sum);
  }
  *more = r->count > 0;
  return OK;
}

status records_take(records *r, size_t count, int64_t first_line, detail *err) {
  text_add(&r->current, r->piece + r->at, count);
  r->at += count;
  if (r->current.failed == E_LIMIT) {
    r->over = 1; /* its end may be far away, or nowhere */
    return records_fault(r, err, first_line,
                         "record %lld has more than %d MiB, the most that one may have",
                         (long long)r->number, RECORDS_BYTES_MAX >> 20);
  }
  return text_state(&r->current, err);
}

status records_check_text(const records *r, size_t from, size_t to, int64_t first_line,
                          detail *err) {
  size_t at;
  if (text_is_utf8(text_string(&r->current) + from, to - from, &at)) return OK;
  int64_t line = first_line;
  at += from;
  for (size_t i = 0; i < at; i++)
    line += r->current.data[i] == '\n';
  return records_fault(
      r, err, line,
      "the byte 0x%02x in record %lld is no text in UTF-8, and nothing else is read; a "
      "file in Latin-1 is converted by: iconv -f LATIN1 -t UTF-8 FILE > NEW",
      (unsigned)(unsigned char)r->current.data[at], (long long)r->number);
}

/* A small record cannot hold too many values, so only large ones are counted. */
static int has_too_many_values(const text *bytes) {
  if (bytes->bytes <= RECORDS_VALUES_MAX) return 0;
  int64_t values = 1;
  for (size_t i = 0, in_string = 0; i < bytes->bytes; i++) {
    char c = bytes->data[i];
    if (in_string) {
      if (c == '\\') i++;
      if (c == '"') in_string = 0;
    } else if (c == '"') {
      in_string = 1;
    } else {
      values += c == ',' || c == '[' || c == '{';
    }
  }
  return values > RECORDS_VALUES_MAX;
}

status records_parse(records *r, int64_t first_line, records_item *out, detail *err) {
  status failed = records_check_text(r, 0, r->current.bytes, first_line, err);
  if (failed) return failed;
  if (has_too_many_values(&r->current)) {
    return records_fault(r, err, first_line, "record %lld holds more than %d values",
                         (long long)r->number, (int)RECORDS_VALUES_MAX);
  }
  const char *bytes = text_string(&r->current), first = bytes[strspn(bytes, " \t\r\n")];
  if (first != '{') {
    return records_fault(r, err, first_line,
                         "record %lld is %s; a record is an object such as "
                         "{\"question\": \"2 + 2?\", \"answer\": \"4\"}",
                         (long long)r->number,
                         first == '['   ? "a list"
                         : first == '"' ? "a text"
                                        : "no object");
  }
  failed =
      json_read(&r->value, bytes, r->current.bytes, r->source->name, records_line(first_line), err);
  if (failed) return failed;
  *out = (records_item){.value = r->value, .number = r->number, .line = records_line(first_line)};
  return OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* What the first bytes say about the encoding: a mark of UTF-16, or every other byte zero. */
static int is_wide(const unsigned char *start, size_t count) {
  if (count < 2) return 0;
  if ((start[0] == 0xff && start[1] == 0xfe) || (start[0] == 0xfe && start[1] == 0xff)) return 1;
  return start[0] == 0 || start[1] == 0;
}

/* The piece holds at least the first bytes of the file, if it has that many. A source that fails
   behind its first bytes fails when these have been used up. */
static status fill_start(records *r, size_t wanted, detail *err) {
  for (size_t count = 1; r->count < wanted && count > 0; r->count += count) {
    status failed = r->source->read(r->source->from, r->piece + r->count,
                                    sizeof r->piece - r->count, &count, &r->why_late);
    if (failed && !r->count) {
      if (err) *err = r->why_late;
      return failed;
    }
    r->late = failed;
    if (failed) break;
  }
  hash_piece(&r->sum, r->piece, r->count);
  r->bytes = (int64_t)r->count;
  return OK;
}

static status check_start(records *r, detail *err) {
  status failed = fill_start(r, GUESS_BYTES, err);
  if (failed) return failed;
  const char *stranger = guess_file(r->piece, r->count);
  if (stranger) return records_fault(r, err, 1, "%s", stranger);
  if (is_wide((const unsigned char *)r->piece, r->count)) {
    return records_fault(r, err, 1,
                         "this looks like UTF-16, and only UTF-8 is read; convert it by: iconv -f "
                         "UTF-16 -t UTF-8 FILE > NEW");
  }
  if (r->count >= 3 && !memcmp(r->piece, "\xef\xbb\xbf", 3)) r->at = 3;
  return OK;
}

/* Passes over white space; *more is 0 when there is nothing else. */
static status find_start(records *r, int *more, detail *err) {
  status failed;
  while (!(failed = records_fill(r, more, err)) && *more) {
    char c = r->piece[r->at];
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') break;
    r->line += c == '\n';
    r->at++;
  }
  return failed;
}

static status find_format(records *r, detail *err) {
  int more;
  status failed = find_start(r, &more, err);
  if (failed) return failed;
  char c = more ? r->piece[r->at] : '\n';
  r->format = c == '[' ? RECORDS_LIST : RECORDS_LINES;
  if (!more || c == '[' || c == '{') return OK;
  return records_fault(r, err, r->line,
                       "neither a JSON list nor JSON lines: the first character is neither [ nor "
                       "{; say what it is with --format jsonl, json, csv or tsv");
}

static status start(records *r, detail *err) {
  text_open(&r->current, RECORDS_BYTES_MAX);
  hash_start(&r->sum);
  status failed = check_start(r, err);
  if (!failed && r->format == RECORDS_ANY) failed = find_format(r, err);
  if (failed || (r->format != RECORDS_CSV && r->format != RECORDS_TSV)) return failed;
  r->delimiter = r->format == RECORDS_CSV ? ',' : '\t';
  r->ends = memory_zeroed(RECORDS_COLUMNS_MAX, sizeof *r->ends);
  if (!r->ends) return fault(err, E_MEMORY, "no memory to read %s", r->source->name);
  return records_read_header(r, err);
}

status records_open(records **out, const records_source *source, records_format format,
                    detail *err) {
  records *r = memory_zeroed(1, sizeof *r);
  if (!r) return fault(err, E_MEMORY, "no memory to read %s", source->name);
  r->source = source;
  r->format = format;
  r->line = 1;
  status failed = start(r, err);
  if (failed) {
    records_close(r);
    return failed;
  }
  *out = r;
  return OK;
}

status records_next(records *r, records_item *out, int *found, detail *err) {
  *found = 0;
  json_decref(r->value);
  r->value = NULL;
  text_clear(&r->current);
  if (r->over) return OK;
  status failed = r->format == RECORDS_LIST    ? records_next_element(r, out, found, err)
                  : r->format == RECORDS_LINES ? records_next_line(r, out, found, err)
                                               : records_next_row(r, out, found, err);
  if (failed) *found = 0;
  if (failed && failed != E_INPUT) r->over = 1;
  return failed;
}

void records_close(records *r) {
  if (!r) return;
  json_decref(r->value);
  json_decref(r->header);
  memory_free(r->ends);
  text_close(&r->current);
  memory_free(r);
}

records_format records_found_format(const records *r) {
  return r->format;
}

int64_t records_bytes(const records *r) {
  return r->bytes;
}

hash records_hash(const records *r) {
  return r->content;
}

int records_unended(const records *r) {
  return r->unended;
}
