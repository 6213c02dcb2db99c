#include "solvers/slice_internal.h"

#include <string.h>

size_t slice_bytes(slice s) {
  return (size_t)(s.end - s.at);
}

const char *slice_find(slice s, const char *wanted) {
  size_t bytes = strlen(wanted);
  return slice_bytes(s) < bytes ? NULL : memmem(s.at, slice_bytes(s), wanted, bytes);
}

const char *slice_find_last(slice s, const char *wanted) {
  size_t bytes = strlen(wanted);
  if (slice_bytes(s) < bytes) return NULL;
  for (const char *at = s.end - bytes;; at--) {
    if (*at == *wanted && !memcmp(at, wanted, bytes)) return at;
    if (at == s.at) return NULL;
  }
}

int slice_skip(slice *s, const char *wanted) {
  size_t bytes = strlen(wanted);
  if (slice_bytes(*s) < bytes || memcmp(s->at, wanted, bytes)) return 0;
  s->at += bytes;
  return 1;
}

int slice_next_line(slice *s, slice *line) {
  if (s->at >= s->end) return 0;
  const char *newline = memchr(s->at, '\n', slice_bytes(*s));
  *line = (slice){s->at, newline ? newline : s->end};
  s->at = newline ? newline + 1 : s->end;
  return 1;
}
