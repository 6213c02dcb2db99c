/* The rows of a query as CSV or as JSONL, to a file or to standard output, in constant memory.

   CSV is RFC 4180's with a line feed at the end of each row: a head with the columns' names, fields
   in quotes where they hold a comma, a quote or a line break, quotes within doubled. NULL is an
   empty field without quotes, an empty text is "". JSONL has an object a row with null, numbers and
   texts. Reals have the fewest digits that give the same number back. Bytes that are no UTF-8
   become U+FFFD; a blob is its hexadecimal digits.

   For the main thread. Errors: E_INPUT (the file exists), E_IO, E_MEMORY, and those of the query.
 */
#ifndef PIPELINE_ROWS_H
#define PIPELINE_ROWS_H

#include "base/newfile.h"
#include "pipeline/command.h"
#include "store/query.h"

typedef enum rows_format { ROWS_CSV, ROWS_JSONL } rows_format;

typedef struct rows_options {
  rows_format format;
  const char *path; /* NULL or "-": standard output; else written beside and moved when whole */
  int replace;      /* a file of that name */
  /* Names of columns whose text is JSON, which a row of JSONL takes as it is, ending with NULL;
     NULL: none. A row leaves them out where they are NULL. */
  const char *const *json;
} rows_options;

/* Writes all rows; *count says how many. A closed pipe ends it quietly. */
MUST_CHECK status rows_write(const invocation *in, query *q, const rows_options *o, int64_t *count,
                             detail *err);

#endif
