/* Running the built program as a person would: by fork and exec, through the path in NIGHTJAR. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include "base/hash.h"
#include "base/json.h"
#include "tests/support/support.h"

#include <sys/types.h>

typedef struct outcome {
  int code;        /* of the exit; the test fails when a signal ended it */
  char *out, *err; /* live until the process ends */
  size_t out_bytes;
} outcome;

/* Arguments end with a NULL. */
outcome program_run(const char *const *arguments);
#define nightjar(...) program_run((const char *const[]){__VA_ARGS__, NULL})

/* The same with no file of more than this many bytes. */
outcome program_run_bounded(const char *const *arguments, size_t file_bytes);
/* The same with its output going to this file; out is empty. */
outcome program_run_into(const char *const *arguments, const char *path);
/* The same with a terminal for its output, which is out; err is empty. */
outcome program_run_on_terminal(const char *const *arguments);

/* Starts it and returns at once, for tests that signal it; its outputs go to stdout and stderr of
   the test's folder. program_wait gives the exit code, or minus the number of the signal. */
pid_t program_start(const char *const *arguments);
int program_wait(pid_t child);

/* Fails the test, with what the program said, unless it ended so. */
#define ck_ended(ran, wanted)                                                                      \
  do {                                                                                             \
    outcome ck_ran_ = (ran);                                                                       \
    ck_assert_msg(ck_ran_.code == (wanted), "exit %d, not %d: %s", ck_ran_.code, (wanted),         \
                  ck_ran_.err);                                                                    \
  } while (0)
#define ck_holds(string, piece)                                                                    \
  ck_assert_msg(strstr((string), (piece)) != NULL, "\"%s\" lacks \"%s\"", (string), (piece))
#define ck_lacks(string, piece)                                                                    \
  ck_assert_msg(strstr((string), (piece)) == NULL, "\"%s\" holds \"%s\"", (string), (piece))

/* Reads a file whole; the text lives until the process ends. */
char *program_read(const char *path);

/* The stock sqlite3 shell's answer to a query, without its last newline. */
const char *program_sqlite(const char *db, const char *sql);
/* The number that it begins with; nothing of it is kept, for tests that ask a thousand times. */
int64_t program_count(const char *db, const char *sql);

/* A hash over every promised column of every sample, thread, trace and verdict of a store, and its
   conditions, in the order of natural keys: equal stores have equal hashes. */
hash program_promised(const char *db);
extern const char program_promised_sql[]; /* the queries that it hashes */

/* What tests of interrupted and divided runs run: a job of ten conditions over the Countdown tasks
   of the set "kill", and the set itself. */
enum { PROGRAM_CONDITIONS = 10 };
void program_write_job(const char *path, int repeats);
void program_make_tasks(const char *db, int count);

/* The same of what reasons with a model: one of random weights, made in the test's folder, whose
   path is given; and a job "reasoned" on it over the same tasks: families of serial and vote under
   every limit, with a finisher and without, and a symbolic one. head is further lines of the job,
   "" for none. */
enum { PROGRAM_REASONED = 16 };
const char *program_make_model(const char *name);
void program_write_reasoning(const char *path, const char *model, int repeats, const char *head);

/* Reads JSON that must be right. */
json_t *program_json(const char *bytes);

#endif
