/* Answers to questions, as text and as numbers: what checkers compare and votes are counted by.
   White space is ASCII's. Pure functions; any thread. */
#ifndef SOLVERS_ANSWER_H
#define SOLVERS_ANSWER_H

#include "base/text.h"

typedef struct answer_part {
  const char *at;
  size_t bytes;
} answer_part;

/* Without the white space at both ends. */
answer_part answer_trimmed(const char *bytes, size_t count);
/* Appends the trimmed text with each run of white space as one space. */
void answer_put_words(const char *bytes, size_t count, text *out);

/* Of a number: digits, and how far an exponent may move the point; of each part of a fraction. */
enum { NUMBER_DIGITS_MAX = 1000, NUMBER_EXPONENT_MAX = 1000, FRACTION_DIGITS_MAX = 18 };
enum { NUMBER_FORM_BYTES_MAX = 4096 }; /* more than any number's form has */

/* Appends the number that the text is, in the one form that equal numbers share, and returns 1; or
   appends nothing and returns 0. No rounding: digits are compared, not machine numbers.

     text     white space around it and one full stop at its end are left out
     sign     +, - or U+2212, before or behind a currency
     digits   1234, 1,234 (commas in threes; the first group does not begin with 0), .5, 5., 007
     exponent 1.5e3, 2E-7
     fraction 3/4: whole numbers, the lower one not 0
     units    $ US$ and the signs of euro, pound and yen before it; behind it these signs, %, the
              sign of degrees, and the words percent, dollar(s), cent(s), euro(s), pound(s), yen,
              degree(s) in any case of letters. They are left out, and nothing is converted: 12%
              is 12

   The form: "-1234.5" without zeros that say nothing, never "-0"; a fraction that no decimal equals
   in lowest terms, "1/3". */
int answer_put_number(const char *bytes, size_t count, text *out);

#endif
