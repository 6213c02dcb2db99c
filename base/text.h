/* A growing byte string with a maximum, always terminated by a zero that is not counted.

   Failure is sticky: once the limit is met or memory is out, nothing more is added and text_state
   says so, so that a writer of many pieces checks once at its end. A text belongs to one thread. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/status.h"

typedef struct text {
  char *data; /* NULL until the first byte */
  size_t bytes, capacity, limit;
  status failed;
} text;

void text_open(text *t, size_t limit_bytes); /* takes no memory */
void text_close(text *t);                    /* may be opened again */
void text_clear(text *t);                    /* empty, not failed, memory kept */
void text_cut(text *t, size_t bytes);        /* keeps the first bytes */

void text_add(text *t, const char *bytes, size_t count);
void text_put(text *t, const char *string);
void text_char(text *t, char c);
void text_int(text *t, int64_t value);
void text_format(text *t, const char *format, ...) PRINTF_LIKE(2, 3);

const char *text_string(const text *t);                   /* never NULL */
MUST_CHECK status text_state(const text *t, detail *err); /* OK, E_LIMIT or E_MEMORY */

/* Whether bytes are well-formed UTF-8 without a zero byte; *at (unless NULL) is the first byte
   that is not. */
int text_is_utf8(const char *bytes, size_t count, size_t *at);

/* The length of the well-formed UTF-8 sequence at the start of bytes; 0 where there is none. */
size_t text_utf8_length(const char *bytes, size_t count);

/* The length of the character at the start where a terminal may have it as it is; 0 for a control
   character (C0, DEL and C1, which terminals obey) and for what is no UTF-8. count is not 0. */
size_t text_printable_length(const char *bytes, size_t count);
/* How many columns a terminal gives to text of such characters. */
size_t text_columns(const char *bytes, size_t count);
/* Appends bytes with all others written as \n, \t or \xNN: somebody else's text on one line. */
void text_printable(text *t, const char *bytes, size_t count);

/* Reads "a-b" with a <= b, or "n" for n to n: whole numbers without a sign. 0 where word is
   neither; then *low and *high stay as they were. */
int text_range(const char *word, int64_t *low, int64_t *high);

/* The candidate closest to word by edit distance, or NULL when none is near enough to suggest. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

#endif
