/* Driving the built program as a user does. Its path is in the environment variable NIGHTJAR. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include "base/hash.h"

#include <sys/types.h>

/* Starts the program (argv without its name, ending with NULL) with both outputs into files of the
   test's folder. */
pid_t program_start(const char *const *argv, const char *out_path, const char *err_path);
/* Waits; the exit code, or minus the signal's number. */
int program_wait(pid_t pid);
/* Starts and waits. */
int program_run(const char *const *argv, const char *out_path, const char *err_path);

/* The stock shell's answer to a query, trimmed of its last newline; lives until the next call. */
const char *program_sqlite(const char *db, const char *sql);

/* A hash over every promised column of every sample, thread, trace and verdict of a store in the
   order of natural keys: equal stores have equal hashes. */
hash program_promised(const char *db);

#endif
