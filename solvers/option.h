/* What a mode says about itself: its parameters as rows of a table, by which job files are read,
   checked and completed, and the registry of the modes that this build has. Everything here is
   constant and may be read from any thread. */
#ifndef SOLVERS_OPTION_H
#define SOLVERS_OPTION_H

#include "base/json.h"

/* One parameter of a mode, as a row of a table: job files are read, checked and completed by it. */
typedef enum option_type {
  OPTION_CHOICE,
  OPTION_INTEGER,
  OPTION_RANGE, /* an integer n, or text "a-b": drawn uniformly per sample */
  OPTION_REAL,
  OPTION_TEXT, /* a text that is not empty */
  OPTION_TEXTS /* a list of such; a list of lists is an axis of a sweep */
} option_type;

enum { OPTION_TEXTS_MAX = 64 };

typedef struct option {
  const char *key; /* dotted where nested: "limit.context" */
  option_type type;
  const char *const *choices; /* CHOICE: NULL-terminated */
  double low, high;           /* numbers: both ends allowed; texts: of the bytes of each */
  const char *meaning;        /* one line, for messages and documents */
} option;

struct mode_machine;

typedef struct mode {
  const char *name;       /* "symbolic" */
  const char *rules;      /* "symbolic-1": another where it would write other tokens */
  const char *token_unit; /* "llama2"; NULL: the model's tokenizer */
  const option *options;
  size_t option_count;
  /* Fills defaults that depend on other values and refuses what does not fit together; parameters
     is a JSON object whose values already have the right types, with nested objects for dotted
     keys; it is changed in place. What was given stays as it was given, and what this made is
     accepted unchanged when it comes again, since a resolved job is a job. E_INPUT, E_MEMORY. */
  MUST_CHECK status (*resolve)(json_t *parameters, detail *err);
  int has_voters; /* its threads are judged one by one, and the sample by their vote */
  const struct mode_machine *machine; /* reasons with a model (solvers/mode.h); NULL: needs none */
} mode;

/* The registry: the modes that this build has, in the order of the documents. */
MUST_CHECK const mode *const *mode_list(size_t *count);
MUST_CHECK const mode *mode_find(const char *name); /* NULL where there is none */

#endif
