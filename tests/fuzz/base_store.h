/* A small whole store, made by the program's own parts: three tasks, a few conditions with threads,
   traces and verdicts, and a comparison. Its bytes live as long as the process. */
#ifndef TESTS_FUZZ_BASE_STORE_H
#define TESTS_FUZZ_BASE_STORE_H

#include "tests/fuzz/fuzz.h"

fuzz_part base_store(void);

#endif
