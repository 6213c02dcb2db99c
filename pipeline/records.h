/* A stream of records (JSON objects) out of bytes that come in pieces of any size: one object a
   line (JSONL), the elements of one JSON list, or the rows of a table under a header (CSV by RFC
   4180, and the same with tabs), whose fields are text. Memory does not grow with the file: a
   record has at most RECORDS_BYTES_MAX bytes, and no more is kept than one record and one piece.

   The bytes are hostile. Only UTF-8 is read (a byte order mark at the start is passed over), keys
   that occur twice and what is nested too deeply are refused, and a list or a quoted field that is
   cut off is an error. A reader belongs to one thread. */
#ifndef PIPELINE_RECORDS_H
#define PIPELINE_RECORDS_H

#include "base/hash.h"
#include "base/json.h"

enum {
  RECORDS_BYTES_MAX = 16 << 20,  /* of one record */
  RECORDS_VALUES_MAX = 1 << 20,  /* in one record: each costs far more memory than its bytes */
  RECORDS_COLUMNS_MAX = 1 << 12, /* of a table */
};

typedef enum records_format {
  RECORDS_ANY, /* a list when the first character is [, lines when it is { */
  RECORDS_LINES,
  RECORDS_LIST,
  RECORDS_CSV,
  RECORDS_TSV
} records_format;

/* "jsonl", "json", "csv", "tsv" */
const char *records_format_name(records_format format);
/* The format that a file's name tells by its suffix; RECORDS_ANY for .json, where either is met.
   0 when the suffix is none of a record file's. */
int records_format_of(const char *file_name, records_format *out);

typedef struct records_source {
  const char *name; /* the file, for messages */
  /* Up to capacity bytes; *count is 0 at the end only. */
  status (*read)(void *from, void *bytes, size_t capacity, size_t *count, detail *err);
  void *from;
} records_source;

typedef struct records_item {
  const json_t *value; /* an object, borrowed until the next call */
  int64_t number;      /* of this source's records, from 1; one that is refused counts too */
  int line;            /* where it starts, from 1 */
} records_item;

typedef struct records records;

/* Borrows the source until records_close. Reads the first bytes, and the header of a table. E_INPUT
   with the source's name and line, also when nothing tells the format; what read returns; E_MEMORY.
   */
MUST_CHECK status records_open(records **out, const records_source *source, records_format format,
                               detail *err);
/* *found is 0 behind the last. E_INPUT is one record's (file, line, record and remedy in err), and
   the next call goes on behind it where its end is known; where it is not, there is none. */
MUST_CHECK status records_next(records *r, records_item *out, int *found, detail *err);
void records_close(records *r); /* NULL is a no-op */

records_format records_found_format(const records *r);
int64_t records_bytes(const records *r); /* read so far */
/* Behind the last record: SHA-256 of all bytes, and whether the last row of a table lacks its end
   of line, which a file that was cut off looks like (a cut line of JSON is an error). */
hash records_hash(const records *r);
int records_unended(const records *r);

#endif
