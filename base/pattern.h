/* Regular expressions (PCRE2, which reads Perl's) over text that anybody wrote. Patterns are UTF-8;
   what they are matched on need not be: bytes that are no UTF-8 match nothing, and what stands
   between them is matched as if it were a text of its own. Classes like \w and \d know all of
   Unicode, "." is any character but a newline, "^" and "$" are the ends of the text.

   Neither a pattern nor a text can run away: the steps of a match are counted over all places of
   the text, and its memory is bounded. A match that would need more is no match, and says so; the
   same match needs the same steps on every machine.

   A pattern is only read once it is open; any threads may share it. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include "base/status.h"

/* Of a pattern; steps of a match, which a long text raises by so many a byte. */
enum { PATTERN_BYTES_MAX = 16 << 10, PATTERN_STEPS_MAX = 1000000, PATTERN_STEPS_A_BYTE = 16 };

typedef struct pattern pattern;

/* E_INPUT says what is wrong and at which byte, for a caller that says which pattern it is;
   E_MEMORY. */
MUST_CHECK status pattern_open(pattern **out, const char *source, size_t bytes, detail *err);
void pattern_close(pattern *p); /* NULL is a no-op */

typedef enum pattern_result {
  PATTERN_NONE,
  PATTERN_FOUND,
  PATTERN_LIMIT /* it would need more steps or memory than it may have */
} pattern_result;

typedef struct pattern_match {
  pattern_result result;
  size_t start, end; /* FOUND: of the first group where it took part, otherwise of the match */
} pattern_match;

/* The last of the matches that one finds from left to right, each behind the one before. An empty
   match is none, nor is one that a \K starts behind its end. E_MEMORY. */
MUST_CHECK status pattern_last(const pattern *p, const char *bytes, size_t count,
                               pattern_match *out, detail *err);
/* Whether the pattern matches all of bytes, which may be empty. E_MEMORY. */
MUST_CHECK status pattern_full(const pattern *p, const char *bytes, size_t count,
                               pattern_match *out, detail *err);

#endif
