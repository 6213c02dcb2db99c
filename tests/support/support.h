/* What every suite shares: running it, a folder of its own, and assertions on a status that print
   the detail. Each test file is one program with one suite. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include "base/status.h"

#include <check.h>

/* Runs the suite (each test in its own process unless CK_FORK=no) and returns main's exit code. */
int support_run(Suite *suite);

/* An empty folder that lasts as long as the calling test process and is removed at its end.
   path(name) gives a path in it, at most 64 in a process. */
const char *support_path(const char *name);

/* Reads a whole file; the caller frees. Fails the test when it cannot be read. */
char *support_read(const char *path, size_t *bytes);
void support_write(const char *path, const char *text);

#define ck_ok(expression)                                                                          \
  do {                                                                                             \
    status ck_status_ = (expression);                                                              \
    ck_assert_msg(ck_status_ == OK, "%s: %s: %s", #expression, status_name(ck_status_), err.text); \
  } while (0)

/* The expression fails with this code, and its detail holds this piece of text. */
#define ck_fails(expression, wanted, piece)                                                        \
  do {                                                                                             \
    err.text[0] = 0;                                                                               \
    status ck_status_ = (expression);                                                              \
    ck_assert_msg(ck_status_ == (wanted), "%s: %s, not %s: %s", #expression,                       \
                  status_name(ck_status_), #wanted, err.text);                                     \
    ck_assert_msg(strstr(err.text, (piece)) != NULL, "%s: \"%s\" lacks \"%s\"", #expression,       \
                  err.text, (piece));                                                              \
  } while (0)

#endif
