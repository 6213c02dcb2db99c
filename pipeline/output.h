/* What commands share to print: aligned tables, JSON, and text that comes from elsewhere. A store
   may hold a model's output or another person's names, so nothing of it reaches a terminal before
   output_printable has seen it. Everything here is for the main thread. */
#ifndef PIPELINE_OUTPUT_H
#define PIPELINE_OUTPUT_H

#include "pipeline/command.h"

enum { OUTPUT_BYTES_MAX = 256 << 20 }; /* of what one command prints */

typedef struct listing_column {
  const char *name;
  int right; /* numbers: aligned at their end */
} listing_column;

/* Rows under column heads, filled cell by cell from left to right. Failure is sticky, as a text's:
   listing_print hands it to its output. */
typedef struct listing {
  const listing_column *columns; /* [column_count], borrowed until listing_close */
  int column_count;
  text cells; /* each ends with a zero byte */
} listing;

void listing_open(listing *t, const listing_column *columns,
                  int column_count); /* takes no memory */
void listing_close(listing *t);
void listing_text(listing *t, const char *value); /* made printable; NULL is "-" */
void listing_int(listing *t, int64_t value);
void listing_real(listing *t, double value, int digits); /* negative is "-" */
void listing_print(const listing *t, text *out);

/* Appends bytes with what is no text for a terminal (control characters, malformed UTF-8) written
   as \n, \t or \xNN. */
void output_printable(text *out, const char *bytes, size_t count);
/* Appends a name as a POSIX shell reads it in a command: in quotes where it needs them. */
void output_shell_word(text *out, const char *word);
/* A count that may be large, with three digits: "912", "26.1 k", "5.37 M" */
void output_count(text *out, double count);
/* "2h05m", "3m20s", "12s" */
void output_duration(text *out, double seconds);
/* "2031-05-01T12:00:00Z", of nanoseconds since 1970 */
void output_time(text *out, int64_t unix_ns);

/* The JSON string of bytes that need not be UTF-8 (bad ones become U+FFFD). NULL: no memory. */
MUST_CHECK json_t *output_json_text(const char *bytes, size_t count);
/* Prints a value on a line of its own and gives it back; NULL, from a constructor, is E_MEMORY. */
MUST_CHECK status output_json(const invocation *in, json_t *value, detail *err);

/* Prints a set that store_task_set_end gave, and says when it was there already. */
MUST_CHECK status output_task_set(const invocation *in, const store_task_set *set, int added,
                                  detail *err);

#endif
