/* What every function that can fail returns, and the caller-owned detail that says where and why.

   A status is 0 for success and one of the codes below otherwise; there is no other meaning of
   success anywhere in the tree. A detail belongs to the caller, is filled by the function that
   failed first, and is worth printing as it stands: it names the user's file and line where the
   cause is the user's input, and the remedy where there is one. Any `detail *err` may be NULL.
   Everything here may be called from any thread. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* name, value, meaning. The values are stable: they appear in logs. */
#define STATUS_LIST(X)                                                                             \
  X(OK, 0, "done")                                                                                 \
  X(E_USAGE, 1, "the command line is wrong")                                                       \
  X(E_INPUT, 2, "a job, a task, a file or its contents is wrong")                                  \
  X(E_LIMIT, 3, "a declared limit was met")                                                        \
  X(E_MEMORY, 4, "memory could not be had")                                                        \
  X(E_IO, 5, "a file could not be read or written")                                                \
  X(E_STORE, 6, "the store is not ours, newer, damaged, read-only or full")                        \
  X(E_BUSY, 7, "another process holds it")                                                         \
  X(E_DEVICE, 8, "a device failed")                                                                \
  X(E_STOPPED, 9, "stopped early; what was committed stays")

typedef enum status {
#define X(name, value, meaning) name = (value),
  STATUS_LIST(X)
#undef X
} status;

typedef struct detail {
  status code;
  int line;       /* of the user's input, from 1; 0 where there is none */
  char file[256]; /* the user's input; empty where there is none */
  char text[768]; /* what happened and what to do about it */
} detail;

/* "E_INPUT" and "a job, a task, ..." ; both are constants. */
const char *status_name(status code);
const char *status_meaning(status code);

/* Fill err (unless NULL) and give the code back, so that a failing function ends in one line.
   Macros so that a compiler sees that the result is the code given (which is evaluated twice). */
#define fault(err, code, ...) (detail_set((err), (code), "", 0, __VA_ARGS__), (code))
#define fault_at(err, code, file, line, ...)                                                       \
  (detail_set((err), (code), (file), (line), __VA_ARGS__), (code))
void detail_set(detail *err, status code, const char *file, int line, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* Writes "file:line: text" (as much as fits, always terminated) and returns out. */
const char *detail_line(const detail *err, char *out, size_t out_bytes);

/* A broken promise of our own code, never the user's mistake. Survives release builds. */
#define REQUIRE(condition) ((condition) ? (void)0 : require_failed(#condition, __FILE__, __LINE__))
_Noreturn void require_failed(const char *condition, const char *file, int line);

#endif
