/* A trial: a piece of work in a process of its own with a fault in it, and what came of it. A
   crash, a hang or a leak that the sanitizers see fails the test that asked for it. */
#ifndef TESTS_TRIAL_H
#define TESTS_TRIAL_H

#include "base/hash.h"
#include "tests/support/faults.h"
#include "tests/support/support.h"

#include <stdio.h>

typedef enum trouble_kind {
  TROUBLE_NONE,
  TROUBLE_ALLOCATION,  /* this one alone */
  TROUBLE_ALLOCATIONS, /* this one and every later one */
  TROUBLE_FILES,
  TROUBLE_DISK /* files.number is what the disk holds in bytes */
} trouble_kind;

typedef struct trouble {
  trouble_kind kind;
  fault_files files; /* its number is that of allocations too */
} trouble;

/* "allocation 17", "write 3 and later (No space left on device)"; live until the next call. */
const char *trouble_name(const trouble *t);

typedef struct trial {
  status ended;
  int exit_code; /* as the program would end */
  detail why;
  int64_t asked;   /* allocations or operations that were counted */
  int64_t durable; /* samples that the work said were committed */
  int64_t used;    /* bytes that the work said were on the disk */
} trial;

/* Runs work with the trouble, which lasts until work returns. */
trial trial_of(const trouble *t, status (*work)(void *context, trial *said, detail *err),
               void *context);

/* A command line as main runs it. What it prints goes to the file out. */
trial trial_command(const trouble *t, const char *const *arguments, const char *out);

/* Fails the test unless the store is sound and every sample in it whole: with its threads, a trace
   for each of them and a verdict. Returns how many samples there are. */
int64_t trial_check_store(const char *path);
/* As program_promised, by SQLite in this process. */
hash trial_promised(const char *path);

/* Makes to what from is, without what may lie beside either; NULL from: nothing. */
void trial_place(const char *from, const char *to);

#endif
