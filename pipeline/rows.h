/* The rows of a query as CSV or as JSONL, to a file or to standard output, in constant memory.

   CSV is RFC 4180's with a line feed at the end of each row: a head with the columns' names, fields
   in quotes where they hold a comma, a quote or a line break, quotes within doubled. NULL is an
   empty field without quotes, an empty text is "". JSONL has an object a row with null, numbers and
   texts. Reals have the fewest digits that give the same number back. Bytes that are no UTF-8
   become U+FFFD; a blob is its hexadecimal digits, or the list of numbers that it holds.

   For the main thread. Errors: E_INPUT (the file exists), E_IO, E_MEMORY, and those of the query.
 */
#ifndef PIPELINE_ROWS_H
#define PIPELINE_ROWS_H

#include "base/newfile.h"
#include "pipeline/command.h"
#include "store/query.h"

typedef enum rows_format { ROWS_CSV, ROWS_JSONL } rows_format;

/* Columns that are more than their type says. A row of JSONL takes JSON as it is, and leaves it out
   where it is NULL. A list's numbers are little-endian in its blob, four bytes each; a real has the
   fewest digits that give the same 32 bits, and is null where it is none. */
typedef enum rows_meaning { ROWS_PLAIN, ROWS_JSON, ROWS_UINT32, ROWS_FLOAT32 } rows_meaning;

typedef struct rows_column {
  const char *name;
  rows_meaning meaning;
} rows_column;

typedef struct rows_options {
  rows_format format;
  const char *path; /* NULL or "-": standard output; else written beside and moved when whole */
  int replace;      /* a file of that name */
  const rows_column *columns; /* ends with the name NULL; NULL: all are plain */
} rows_options;

/* Writes all rows; *count says how many. A closed pipe ends it quietly. */
MUST_CHECK status rows_write(const invocation *in, query *q, const rows_options *o, int64_t *count,
                             detail *err);

#endif
