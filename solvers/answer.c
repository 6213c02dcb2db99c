#include "solvers/answer.h"

#include <string.h>
#include <strings.h>

static int is_space(char c) {
  return c && strchr(" \t\n\v\f\r", c);
}

answer_part answer_trimmed(const char *bytes, size_t count) {
  while (count && is_space(bytes[0]))
    bytes++, count--;
  while (count && is_space(bytes[count - 1]))
    count--;
  return (answer_part){bytes, count};
}

void answer_put_words(const char *bytes, size_t count, text *out) {
  answer_part t = answer_trimmed(bytes, count);
  for (size_t i = 0; i < t.bytes; i++) {
    int space = is_space(t.at[i]);
    if (!space || !is_space(t.at[i - 1])) text_char(out, space ? ' ' : t.at[i]);
  }
}

/* ---- reading a number ------------------------------------------------------------------------ */

typedef struct number {
  int is_negative;
  char digits[NUMBER_DIGITS_MAX]; /* [count] "0" to "9", neither first nor last a zero */
  int64_t count;
  int64_t point; /* digits before it: may lie outside of them */
} number;

static const char *const currencies[] = {"US$", "$", "\u20ac", "\u00a3", "\u00a5", NULL};
/* The longer before what they begin with. */
static const char *const units[] = {"%",      "$",       "\u20ac",  "\u00a3", "\u00a5",
                                    "\u00b0", "percent", "dollars", "dollar", "cents",
                                    "cent",   "euros",   "euro",    "pounds", "pound",
                                    "yen",    "degrees", "degree",  NULL};

static int skip(answer_part *t, const char *word) {
  size_t bytes = strlen(word);
  if (t->bytes < bytes || strncasecmp(t->at, word, bytes) != 0) return 0;
  t->at += bytes;
  t->bytes -= bytes;
  return 1;
}

static int skip_one(answer_part *t, const char *const *words) {
  for (; *words; words++) {
    if (skip(t, *words)) return 1;
  }
  return 0;
}

/* 1: there was a sign, and *is_negative says which. */
static int skip_sign(answer_part *t, int *is_negative) {
  *is_negative = skip(t, "-") || skip(t, "\u2212");
  return *is_negative || skip(t, "+");
}

static size_t digits_at(answer_part t) {
  size_t count = 0;
  while (count < t.bytes && t.at[count] >= '0' && t.at[count] <= '9')
    count++;
  return count;
}

static int take_digits(answer_part *t, size_t count, number *n) {
  if (n->count + (int64_t)count > NUMBER_DIGITS_MAX) return 0;
  memcpy(n->digits + n->count, t->at, count);
  n->count += (int64_t)count;
  t->at += count;
  t->bytes -= count;
  return 1;
}

/* "1234" or "1,234,567"; none at all before a point. */
static int take_whole(answer_part *t, number *n) {
  size_t count = digits_at(*t);
  int grouped = count >= 1 && count <= 3 && count < t->bytes && t->at[count] == ',';
  if (grouped && t->at[0] == '0') return 0;
  if (!take_digits(t, count, n)) return 0;
  while (grouped && skip(t, ",")) {
    if (digits_at(*t) != 3 || !take_digits(t, 3, n)) return 0;
  }
  n->point = n->count;
  return 1;
}

/* What no digits follow is none: "5euros". */
static int take_exponent(answer_part *t, number *n) {
  answer_part before = *t;
  if (!skip(t, "e")) return 1;
  int is_negative;
  (void)skip_sign(t, &is_negative);
  size_t count = digits_at(*t);
  int64_t value = 0;
  if (!count) {
    *t = before;
    return 1;
  }
  for (size_t i = 0; i < count && value <= NUMBER_EXPONENT_MAX; i++)
    value = 10 * value + (t->at[i] - '0');
  if (value > NUMBER_EXPONENT_MAX) return 0;
  n->point += is_negative ? -value : value;
  t->at += count;
  t->bytes -= count;
  return 1;
}

static int take_decimal(answer_part *t, number *n) {
  if (!take_whole(t, n)) return 0;
  if (skip(t, ".") && !take_digits(t, digits_at(*t), n)) return 0;
  return n->count > 0 && take_exponent(t, n);
}

static void drop_zeros(number *n) {
  int64_t first = 0;
  while (n->count && n->digits[n->count - 1] == '0')
    n->count--;
  while (first < n->count && n->digits[first] == '0')
    first++;
  memmove(n->digits, n->digits + first, (size_t)(n->count - first));
  n->count -= first;
  n->point -= first;
}

/* ---- writing it ------------------------------------------------------------------------------ */

static void put_zeros(int64_t count, text *out) {
  for (; count > 0; count--)
    text_char(out, '0');
}

static void put_number(number *n, text *out) {
  drop_zeros(n);
  if (!n->count) {
    text_char(out, '0');
    return;
  }
  if (n->is_negative) text_char(out, '-');
  int64_t whole = n->point < 0 ? 0 : n->point < n->count ? n->point : n->count;
  if (n->point <= 0) text_char(out, '0');
  text_add(out, n->digits, (size_t)whole);
  put_zeros(n->point - n->count, out);
  if (whole == n->count) return;
  text_char(out, '.');
  put_zeros(-n->point, out);
  text_add(out, n->digits + whole, (size_t)(n->count - whole));
}

static uint64_t divisor_of_both(uint64_t a, uint64_t b) {
  while (b) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* upper / lower as a decimal, where lower has no prime factor but 2 and 5: then it ends. */
static void put_quotient(uint64_t upper, uint64_t lower, int is_negative, text *out) {
  number n = {.is_negative = is_negative};
  uint64_t whole = upper / lower;
  char reversed[20];
  int count = 0;
  for (; whole; whole /= 10)
    reversed[count++] = (char)('0' + whole % 10);
  while (count)
    n.digits[n.count++] = reversed[--count];
  n.point = n.count;
  for (uint64_t rest = upper % lower; rest; rest = rest * 10 % lower)
    n.digits[n.count++] = (char)('0' + rest * 10 / lower);
  put_number(&n, out);
}

static void put_fraction(uint64_t upper, uint64_t lower, int is_negative, text *out) {
  uint64_t divisor = divisor_of_both(upper, lower);
  upper /= divisor;
  lower /= divisor;
  uint64_t rest = lower;
  while (rest % 2 == 0)
    rest /= 2;
  while (rest % 5 == 0)
    rest /= 5;
  if (rest == 1) {
    put_quotient(upper, lower, is_negative, out);
    return;
  }
  text_format(out, "%s%llu/%llu", is_negative ? "-" : "", (unsigned long long)upper,
              (unsigned long long)lower);
}

/* A whole number of few digits; 0 in *read where it is none. */
static uint64_t take_small(answer_part *t, int *read) {
  size_t count = digits_at(*t);
  uint64_t value = 0;
  *read = count >= 1 && count <= FRACTION_DIGITS_MAX;
  for (size_t i = 0; *read && i < count; i++)
    value = 10 * value + (uint64_t)(t->at[i] - '0');
  t->at += count;
  t->bytes -= count;
  return value;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int only_unit_left(answer_part t) {
  t = answer_trimmed(t.at, t.bytes);
  return !t.bytes || (skip_one(&t, units) && !t.bytes);
}

/* "3/4"; -1: no fraction, so that it may be a decimal. */
static int read_fraction(answer_part t, int is_negative, text *out) {
  int has_upper, has_lower;
  uint64_t upper = take_small(&t, &has_upper);
  if (!skip(&t, "/")) return -1;
  uint64_t lower = take_small(&t, &has_lower);
  if (!has_upper || !has_lower || !lower || !only_unit_left(t)) return 0;
  put_fraction(upper, lower, is_negative, out);
  return 1;
}

int answer_put_number(const char *bytes, size_t count, text *out) {
  answer_part t = answer_trimmed(bytes, count);
  if (t.bytes && t.at[t.bytes - 1] == '.') t.bytes--;
  number n = {0};
  int has_sign = skip_sign(&t, &n.is_negative);
  int has_currency = skip_one(&t, currencies);
  if (has_currency && !has_sign) (void)skip_sign(&t, &n.is_negative);
  int fraction = read_fraction(t, n.is_negative, out);
  if (fraction >= 0) return fraction;
  if (!take_decimal(&t, &n) || !only_unit_left(t)) return 0;
  put_number(&n, out);
  return 1;
}
