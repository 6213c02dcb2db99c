#include "base/text.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void text_open(text *t, size_t limit_bytes) {
  *t = (text){.limit = limit_bytes};
}

void text_close(text *t) {
  memory_free(t->data);
  *t = (text){.limit = t->limit};
}

void text_cut(text *t, size_t bytes) {
  REQUIRE(bytes <= t->bytes);
  t->bytes = bytes;
  if (t->data) t->data[bytes] = 0;
}

void text_clear(text *t) {
  text_cut(t, 0);
  t->failed = OK;
}

static int grow(text *t, size_t more) {
  if (more > t->limit - t->bytes) {
    t->failed = E_LIMIT;
    return 0;
  }
  size_t needed = t->bytes + more + 1;
  if (needed <= t->capacity) return 1;
  size_t capacity = t->capacity * 2 > needed ? t->capacity * 2 : needed;
  if (capacity < 64) capacity = 64;
  char *data = memory_grow(t->data, capacity);
  if (!data) {
    t->failed = E_MEMORY;
    return 0;
  }
  t->data = data;
  t->capacity = capacity;
  return 1;
}

void text_add(text *t, const char *bytes, size_t count) {
  if (t->failed || !grow(t, count)) return;
  if (count) memcpy(t->data + t->bytes, bytes, count);
  t->bytes += count;
  t->data[t->bytes] = 0;
}

void text_put(text *t, const char *string) {
  text_add(t, string, strlen(string));
}

void text_char(text *t, char c) {
  text_add(t, &c, 1);
}

void text_int(text *t, int64_t value) {
  char digits[24];
  size_t at = sizeof digits;
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  do {
    digits[--at] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (value < 0) digits[--at] = '-';
  text_add(t, digits + at, sizeof digits - at);
}

void text_format(text *t, const char *format, ...) {
  if (t->failed) return;
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int count = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  REQUIRE(count >= 0);
  if (grow(t, (size_t)count)) {
    (void)vsnprintf(t->data + t->bytes, (size_t)count + 1, format, again);
    t->bytes += (size_t)count;
  }
  va_end(again);
}

const char *text_string(const text *t) {
  return t->data ? t->data : "";
}

status text_state(const text *t, detail *err) {
  if (t->failed == E_LIMIT) return fault(err, E_LIMIT, "text of more than %zu bytes", t->limit);
  if (t->failed) return fault(err, t->failed, "no memory for a text");
  return OK;
}

size_t text_utf8_length(const char *bytes, size_t count) {
  utf8proc_int32_t point = -1;
  utf8proc_ssize_t length =
      utf8proc_iterate((const utf8proc_uint8_t *)bytes, (utf8proc_ssize_t)count, &point);
  return length > 0 ? (size_t)length : 0;
}

int text_is_utf8(const char *bytes, size_t count, size_t *at) {
  for (size_t i = 0, length; i < count; i += length) {
    if ((unsigned char)bytes[i] - 1U < 0x7f) { /* ASCII, as most of what is read */
      length = 1;
      continue;
    }
    length = text_utf8_length(bytes + i, count - i);
    if (length == 0 || bytes[i] == 0) {
      if (at) *at = i;
      return 0;
    }
  }
  return 1;
}

size_t text_printable_length(const char *bytes, size_t count) {
  const unsigned char *at = (const unsigned char *)bytes;
  if (at[0] < 0x20 || at[0] == 0x7f) return 0;
  if (at[0] < 0x80) return 1;
  if (count >= 2 && at[0] == 0xc2 && at[1] < 0xa0) return 0;
  return text_utf8_length(bytes, count);
}

size_t text_columns(const char *bytes, size_t count) {
  size_t columns = 0;
  for (size_t i = 0; i < count;) {
    utf8proc_int32_t point = -1;
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)bytes + i,
                                               (utf8proc_ssize_t)(count - i), &point);
    columns += length > 0 ? (size_t)utf8proc_charwidth(point) : 1;
    i += length > 0 ? (size_t)length : 1;
  }
  return columns;
}

void text_printable(text *t, const char *bytes, size_t count) {
  for (size_t i = 0; i < count;) {
    size_t taken = text_printable_length(bytes + i, count - i);
    if (taken) {
      text_add(t, bytes + i, taken);
    } else if (bytes[i] == '\n' || bytes[i] == '\t') {
      text_put(t, bytes[i] == '\n' ? "\\n" : "\\t");
    } else {
      text_format(t, "\\x%02x", (unsigned)(unsigned char)bytes[i]);
    }
    i += taken ? taken : 1;
  }
}

int text_range(const char *word, int64_t *low, int64_t *high) {
  static const char digits[] = "0123456789";
  size_t first = strspn(word, digits), second = 0;
  const char *rest = word + first;
  if (*rest == '-') second = strspn(rest + 1, digits);
  if (first == 0 || (*rest == '-' ? second == 0 || rest[1 + second] : *rest)) return 0;
  errno = 0;
  int64_t from = strtoll(word, NULL, 10), to = *rest ? strtoll(rest + 1, NULL, 10) : from;
  if (errno || from > to) return 0;
  *low = from;
  *high = to;
  return 1;
}

/* Levenshtein's distance by two rows; words over 63 bytes are never near. */
static size_t distance(const char *a, const char *b) {
  size_t row[64], m = strlen(a), n = strlen(b);
  if (m > 63 || n > 63) return SIZE_MAX;
  for (size_t j = 0; j <= n; j++)
    row[j] = j;
  for (size_t i = 1; i <= m; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[n];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count) {
  const char *nearest = NULL;
  size_t least = strlen(word) / 3 + 2; /* a third of the word wrong is still a typing error */
  for (size_t i = 0; i < count; i++) {
    size_t d = distance(word, candidates[i]);
    if (d < least) {
      least = d;
      nearest = candidates[i];
    }
  }
  return nearest;
}
