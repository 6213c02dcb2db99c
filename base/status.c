#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *status_name(status code) {
  switch (code) {
#define X(name, value, meaning)                                                                    \
  case name: return #name;
    STATUS_LIST(X)
#undef X
  }
  return "E_UNKNOWN";
}

const char *status_meaning(status code) {
  switch (code) {
#define X(name, value, meaning)                                                                    \
  case name: return meaning;
    STATUS_LIST(X)
#undef X
  }
  return "unknown status";
}

void detail_set(detail *err, status code, const char *file, int line, const char *format, ...) {
  if (!err) return;
  err->code = code;
  err->line = line;
  (void)snprintf(err->file, sizeof err->file, "%s", file);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(err->text, sizeof err->text, format, arguments);
  va_end(arguments);
}

const char *detail_line(const detail *err, char *out, size_t out_bytes) {
  const char *text = err->text[0] ? err->text : status_meaning(err->code);
  if (err->file[0] && err->line > 0) {
    (void)snprintf(out, out_bytes, "%s:%d: %s", err->file, err->line, text);
  } else if (err->file[0]) {
    (void)snprintf(out, out_bytes, "%s: %s", err->file, text);
  } else {
    (void)snprintf(out, out_bytes, "%s", text);
  }
  return out;
}

void require_failed(const char *condition, const char *file, int line) {
  (void)fprintf(stderr, "nightjar: %s:%d: broken promise: %s\n", file, line, condition);
  abort();
}
