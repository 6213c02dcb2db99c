#include "pipeline/rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Long texts pass in pieces, so that memory is that of one value, which SQLite holds, and no more.
 */
enum { BUFFER_BYTES = 256 << 10, FLUSH_BYTES = 64 << 10, PIECE_BYTES = 16 << 10 };

typedef struct sink {
  const invocation *in;
  const rows_options *options;
  newfile file; /* path NULL: standard output */
  text buffer;
  int closed; /* the reader has had enough */
} sink;

static status flush(sink *s, detail *err) {
  status failed = text_state(&s->buffer, err);
  if (failed || s->closed || !s->buffer.bytes) return failed;
  if (s->file.path) {
    failed = newfile_write(&s->file, s->buffer.data, s->buffer.bytes, err);
  } else if (fwrite(s->buffer.data, 1, s->buffer.bytes, s->in->out) != s->buffer.bytes ||
             fflush(s->in->out) != 0) {
    s->closed = errno == EPIPE;
    if (!s->closed) failed = command_output_failed(errno, err);
  }
  text_clear(&s->buffer);
  return failed;
}

/* Room for a piece, whatever its escapes. */
static status settle(sink *s, detail *err) {
  return s->buffer.bytes < FLUSH_BYTES ? OK : flush(s, err);
}

/* ---- texts ------------------------------------------------------------------------------------
 */

/* A piece that ends between two characters, if there are some. */
static size_t piece_of(const char *bytes, size_t count) {
  if (count <= PIECE_BYTES) return count;
  size_t end = PIECE_BYTES;
  while (end > PIECE_BYTES - 4 && ((unsigned char)bytes[end] & 0xc0) == 0x80)
    end--;
  return end;
}

static void put_json(text *out, const char *bytes, size_t count) {
  size_t start = out->bytes;
  json_quote(out, bytes, count);
  if (out->failed) return;
  memmove(out->data + start, out->data + start + 1,
          out->bytes - start - 2); /* without its quotes */
  text_cut(out, out->bytes - 2);
}

/* How many bytes at the start are ASCII and need no care, within quotes or without. */
static size_t easy_run(const char *bytes, size_t count) {
  size_t run = 0;
  while (run < count && bytes[run] > 0 && bytes[run] != '"')
    run++;
  return run;
}

/* As it is, but well-formed; quotes are doubled where the field stands in some. */
static void put_plain(text *out, const char *bytes, size_t count, int quoted) {
  while (count) {
    size_t taken = easy_run(bytes, count);
    if (!taken && *bytes) taken = text_utf8_length(bytes, count);
    if (taken) {
      text_add(out, bytes, taken);
      if (quoted && *bytes == '"') text_char(out, '"');
    } else {
      text_put(out, "\xef\xbf\xbd");
      taken = 1;
    }
    bytes += taken;
    count -= taken;
  }
}

static int needs_quotes(const char *bytes, size_t count) {
  if (!count) return 1;
  for (size_t i = 0; i < count; i++) {
    if (strchr(",\"\r\n", bytes[i]) && bytes[i]) return 1;
  }
  return 0;
}

typedef enum manner { AS_FIELD, AS_STRING, AS_JSON } manner;

static status put_text(sink *s, const char *bytes, size_t count, manner how, detail *err) {
  int quoted = how == AS_STRING || (how == AS_FIELD && needs_quotes(bytes, count));
  status failed = OK;
  if (quoted) text_char(&s->buffer, '"');
  while (!failed && count && !s->closed) {
    size_t piece = piece_of(bytes, count);
    if (how == AS_STRING) {
      put_json(&s->buffer, bytes, piece);
    } else {
      put_plain(&s->buffer, bytes, piece, quoted);
    }
    bytes += piece;
    count -= piece;
    failed = settle(s, err);
  }
  if (quoted) text_char(&s->buffer, '"');
  return failed;
}

/* ---- values -----------------------------------------------------------------------------------
 */

/* The fewest digits that are this number again, of one of 32 bits as such, and a sign that it is no
   integer. JSON has no infinity; 9e999 is read as one. */
static void put_real(text *out, double value, int is_short) {
  if (isinf(value)) {
    text_put(out, value < 0 ? "-9e999" : "9e999");
    return;
  }
  char digits[40];
  for (int precision = is_short ? 6 : 15; precision <= (is_short ? 9 : 17); precision++) {
    (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
    if (is_short ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value) break;
  }
  text_put(out, digits);
  if (!strpbrk(digits, ".e")) text_put(out, ".0");
}

static status put_blob(sink *s, const unsigned char *bytes, size_t count, detail *err) {
  int quoted = s->options->format == ROWS_JSONL;
  status failed = OK;
  if (quoted) text_char(&s->buffer, '"');
  for (size_t i = 0; !failed && i < count && !s->closed; i++) {
    text_format(&s->buffer, "%02x", bytes[i]);
    failed = settle(s, err);
  }
  if (quoted) text_char(&s->buffer, '"');
  return failed;
}

static rows_meaning meaning_of(const sink *s, const char *column) {
  for (const rows_column *c = s->options->columns; c && c->name; c++) {
    if (!strcmp(c->name, column)) return c->meaning;
  }
  return ROWS_PLAIN;
}

static uint32_t read_uint32(const unsigned char *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_float(text *out, uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  if (isnan(value)) {
    text_put(out, "null");
  } else {
    put_real(out, (double)value, 1);
  }
}

static status put_list(sink *s, const unsigned char *bytes, size_t count, rows_meaning of,
                       detail *err) {
  int quoted = s->options->format == ROWS_CSV;
  status failed = OK;
  text_put(&s->buffer, quoted ? "\"[" : "[");
  for (size_t i = 0; !failed && i + 4 <= count && !s->closed; i += 4) {
    uint32_t value = read_uint32(bytes + i);
    if (i) text_char(&s->buffer, ',');
    if (of == ROWS_UINT32) text_int(&s->buffer, value);
    if (of == ROWS_FLOAT32) put_float(&s->buffer, value);
    failed = settle(s, err);
  }
  text_put(&s->buffer, quoted ? "]\"" : "]");
  return failed;
}

static status put_value(sink *s, const query *q, int column, detail *err) {
  int csv = s->options->format == ROWS_CSV;
  rows_meaning of = meaning_of(s, query_name(q, column));
  size_t count;
  const char *bytes;
  switch (query_type(q, column)) {
  case QUERY_NULL:
    if (!csv) text_put(&s->buffer, "null");
    return OK;
  case QUERY_INT: text_int(&s->buffer, query_int(q, column)); return OK;
  case QUERY_REAL: put_real(&s->buffer, query_real(q, column), 0); return OK;
  case QUERY_BLOB:
    bytes = query_blob(q, column, &count);
    return of == ROWS_UINT32 || of == ROWS_FLOAT32
               ? put_list(s, (const unsigned char *)bytes, count, of, err)
               : put_blob(s, (const unsigned char *)bytes, count, err);
  case QUERY_TEXT:
    bytes = query_blob(q, column, &count); /* with its length: it may hold a zero byte */
    return put_text(s, bytes, count, csv ? AS_FIELD : of == ROWS_JSON ? AS_JSON : AS_STRING, err);
  }
  return OK;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static status put_head(sink *s, const query *q, detail *err) {
  status failed = OK;
  for (int c = 0; !failed && c < query_columns(q); c++) {
    const char *name = query_name(q, c);
    if (c) text_char(&s->buffer, ',');
    failed = put_text(s, name, strlen(name), AS_FIELD, err);
  }
  text_char(&s->buffer, '\n');
  return failed;
}

static status put_record(sink *s, const query *q, detail *err) {
  status failed = OK;
  for (int c = 0; !failed && c < query_columns(q); c++) {
    if (c) text_char(&s->buffer, ',');
    failed = put_value(s, q, c, err);
  }
  text_char(&s->buffer, '\n');
  return failed ? failed : settle(s, err);
}

static status put_object(sink *s, const query *q, detail *err) {
  status failed = OK;
  int fields = 0;
  text_char(&s->buffer, '{');
  for (int c = 0; !failed && c < query_columns(q); c++) {
    const char *name = query_name(q, c);
    if (query_is_null(q, c) && meaning_of(s, name) == ROWS_JSON) continue;
    if (fields++) text_char(&s->buffer, ',');
    failed = put_text(s, name, strlen(name), AS_STRING, err);
    text_char(&s->buffer, ':');
    if (!failed) failed = put_value(s, q, c, err);
  }
  text_put(&s->buffer, "}\n");
  return failed ? failed : settle(s, err);
}

static status put_rows(sink *s, query *q, int64_t *count, detail *err) {
  int csv = s->options->format == ROWS_CSV;
  status failed = csv ? put_head(s, q, err) : OK;
  for (int row = 1; !failed && row && !s->closed;) {
    failed = query_next(q, &row, err);
    if (failed || !row) break;
    failed = csv ? put_record(s, q, err) : put_object(s, q, err);
    if (++*count % 65536 == 0 && s->file.path) {
      log_progress(s->in->messages, "%lld rows", (long long)*count);
    }
  }
  return failed ? failed : flush(s, err);
}

status rows_write(const invocation *in, query *q, const rows_options *o, int64_t *count,
                  detail *err) {
  sink s = {.in = in, .options = o, .file = {.file = -1}};
  status failed = OK;
  *count = 0;
  text_open(&s.buffer, BUFFER_BYTES);
  if (o->path && strcmp(o->path, "-") != 0)
    failed = newfile_open(&s.file, o->path, o->replace, err);
  if (!failed) failed = put_rows(&s, q, count, err);
  if (!failed && s.file.path) {
    failed = newfile_finish(&s.file, err);
  } else {
    newfile_abandon(&s.file);
  }
  text_close(&s.buffer);
  return failed;
}
