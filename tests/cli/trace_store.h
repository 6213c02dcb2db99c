/* A store whose traces are written by hand: one task, one run of a model and its condition, and no
   sample yet. */
#ifndef TESTS_TRACE_STORE_H
#define TESTS_TRACE_STORE_H

#include "store/store.h"

typedef struct trace_run {
  const char *mode, *protocol, *parameters_json;
  const char *kind, *checker; /* of the tasks */
  const char *condition;
} trace_run;

/* Adds it to an empty store, for job "j". */
void trace_store_fill(store *s, const trace_run *r);

#endif
