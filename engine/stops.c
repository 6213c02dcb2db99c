#include "engine/stops.h"

#include "base/memory.h"
#include "base/text.h"

#include <string.h>

typedef struct pattern {
  const char *bytes; /* [length] */
  int length;
  int *border; /* [length] of the first i + 1 bytes, the longest end that is also a start */
  int met;     /* bytes of it that the text ends with */
} pattern;

struct stops {
  pattern *patterns; /* [count] */
  int count;
  size_t passed; /* bytes of the text so far */
};

static void fill_borders(pattern *p) {
  p->border[0] = 0;
  for (int i = 1, met = 0; i < p->length; i++) {
    while (met && p->bytes[i] != p->bytes[met])
      met = p->border[met - 1];
    met += p->bytes[i] == p->bytes[met];
    p->border[i] = met;
  }
}

static status check_strings(const char *const *strings, int count, detail *err) {
  enum { BYTES_MAX = 1 << 20 };
  for (int i = 0; i < count; i++) {
    size_t bytes = strlen(strings[i]);
    if (bytes == 0)
      return fault(err, E_INPUT, "stop string %d is empty: it would end every text", i);
    if (bytes > BYTES_MAX) {
      return fault(err, E_INPUT, "stop string %d has %zu bytes; %d are possible", i, bytes,
                   (int)BYTES_MAX);
    }
    if (!text_is_utf8(strings[i], bytes, NULL)) {
      return fault(err, E_INPUT, "stop string %d is no UTF-8: no decoded text could hold it", i);
    }
  }
  return OK;
}

/* All in one block: the patterns, their borders, their bytes. */
status stops_open(stops **out, const char *const *strings, int count, detail *err) {
  size_t bytes = 0;
  status failed = check_strings(strings, count, err);
  if (failed) return failed;
  for (int i = 0; i < count; i++)
    bytes += strlen(strings[i]);
  stops *s = memory_zeroed(1, sizeof *s + (size_t)count * sizeof(pattern) +
                                  bytes * (sizeof(int) + sizeof(char)));
  if (!s) return fault(err, E_MEMORY, "no memory for %d stop strings", count);
  *s = (stops){.patterns = (pattern *)(s + 1), .count = count};
  int *border = (int *)(s->patterns + count);
  char *copy = (char *)(border + bytes);
  for (int i = 0; i < count; i++) {
    size_t length = strlen(strings[i]);
    memcpy(copy, strings[i], length);
    s->patterns[i] = (pattern){.bytes = copy, .length = (int)length, .border = border};
    fill_borders(&s->patterns[i]);
    border += length;
    copy += length;
  }
  *out = s;
  return OK;
}

void stops_close(stops *s) {
  memory_free(s);
}

void stops_start(stops *s) {
  s->passed = 0;
  for (int i = 0; i < s->count; i++)
    s->patterns[i].met = 0;
}

/* Whether the pattern ends with this byte of the text. */
static int put_byte(pattern *p, char byte) {
  if (p->met == p->length) p->met = p->border[p->length - 1];
  while (p->met && p->bytes[p->met] != byte)
    p->met = p->border[p->met - 1];
  p->met += p->bytes[p->met] == byte;
  return p->met == p->length;
}

int stops_put(stops *s, const char *bytes, size_t count, stop_match *out) {
  for (size_t i = 0; i < count; i++) {
    const pattern *longest = NULL;
    s->passed++;
    for (int k = 0; k < s->count; k++) {
      pattern *p = &s->patterns[k];
      if (put_byte(p, bytes[i]) && (!longest || p->length > longest->length)) longest = p;
    }
    if (!longest) continue;
    *out = (stop_match){.which = (int)(longest - s->patterns),
                        .at = s->passed - (size_t)longest->length,
                        .end = s->passed};
    return 1;
  }
  return 0;
}
