/* The command line: one file a command, each described by a table that parses it and prints its
   --help. Data goes to standard output, messages and progress to standard error.

   A command's function runs on the main thread, returns a status and fills err; main prints the
   detail and turns the status into the exit code:
     0 done; 1 finished, with more failed samples than allowed; 2 usage; 3 bad input (job, tasks,
     file); 4 no sample could start (no memory, no device); 5 store; 75 stopped early, resumable. */
#ifndef PIPELINE_COMMAND_H
#define PIPELINE_COMMAND_H

#include "base/json.h"
#include "base/log.h"
#include "store/store.h"

#include <limits.h>
#include <stdio.h>

typedef struct command_option {
  const char *name;  /* without dashes */
  const char *value; /* placeholder for --help; NULL for a flag */
  const char *help;
} command_option;

typedef struct invocation invocation;

typedef struct command {
  const char *name;              /* "run", "tasks make" */
  const char *arguments;         /* "JOB.yaml"; "" for none */
  const char *summary;           /* one line */
  const char *more;              /* examples and what else --help says; may be NULL */
  const command_option *options; /* ends with a NULL name; --db, --json, --help are common to all */
  int arguments_min, arguments_max;
  int prints_data;   /* whether it has --json */
  int names_stores;  /* as arguments, so that it has no --db */
  int without_store; /* works on other files, so that it has no --db either */
  MUST_CHECK status (*run)(const invocation *in, detail *err);
} command;

enum { COMMAND_ARGUMENTS_MAX = 1024, COMMAND_OPTIONS_MAX = 32 };

struct invocation {
  const command *command;
  const char *values[COMMAND_OPTIONS_MAX]; /* by the option's place; NULL: not given; "" a flag */
  const char *arguments[COMMAND_ARGUMENTS_MAX];
  int argument_count;
  const char *db; /* --db, default nightjar.db */
  int json, color;
  int width; /* of the terminal that data goes to; 0: none */
  FILE *out;
  logger *messages;
  int *failed_samples; /* a run that finished with more failures than allowed sets it to 1 */
};

/* In the order of --help: each is the command_NAME of its file. */
#define COMMAND_LIST(X)                                                                            \
  X(tasks_make)                                                                                    \
  X(tasks_import)                                                                                  \
  X(tasks_list)                                                                                    \
  X(tasks_show)                                                                                    \
  X(demonstrate)                                                                                   \
  X(model_show)                                                                                    \
  X(model_synth)                                                                                   \
  X(run)                                                                                           \
  X(status)                                                                                        \
  X(verify)                                                                                        \
  X(trace)                                                                                         \
  X(rescore)                                                                                       \
  X(report)                                                                                        \
  X(compare)                                                                                       \
  X(export)                                                                                        \
  X(merge)                                                                                         \
  X(archive_pack)                                                                                  \
  X(archive_unpack)                                                                                \
  X(bench_store)                                                                                   \
  X(bench)                                                                                         \
  X(doctor)

#define X(name) extern const command command_##name;
COMMAND_LIST(X)
#undef X

/* Parses argv[first..] for a command. E_USAGE says what is wrong and what was meant. */
MUST_CHECK status command_parse(invocation *in, const command *c, int argc, char **argv, int first,
                                int *help, detail *err);
void command_help(const command *c, FILE *out);

/* What a command's status and failed_samples become for the shell: the codes above. */
int command_exit_code(status s, int failed_samples);

/* Values of options by name (of this command's table). NULL, or the fallback, when not given. */
const char *command_value(const invocation *in, const char *name);
int command_flag(const invocation *in, const char *name);
MUST_CHECK status command_integer(const invocation *in, const char *name, int64_t low, int64_t high,
                                  int64_t fallback, int64_t *out, detail *err);
/* "a-b" or "n" */
MUST_CHECK status command_range(const invocation *in, const char *name, int64_t low, int64_t high,
                                int64_t *from, int64_t *to, detail *err);
/* "90s", "45m", "8h", "1h30m" in seconds; 0 when not given */
MUST_CHECK status command_duration(const invocation *in, const char *name, int64_t *seconds,
                                   detail *err);

/* Writes a text to the output; E_IO when the output is closed or full. */
MUST_CHECK status command_print(const invocation *in, const text *t, detail *err);
/* What a write to the output that failed with this errno means. */
MUST_CHECK status command_output_failed(int cause, detail *err);

/* --new-class: the name of a determinism class of its own, a part of its runs' identity, so that
   the same name goes on with them. NULL: not given. E_USAGE. */
MUST_CHECK status command_class(const invocation *in, const char **out, detail *err);

/* Where hashes of models are kept: nightjar/models below XDG_CACHE_HOME (the XDG base directory
   specification), or below .cache at home; its folders are made. Returns out, or NULL with a
   warning where there is no place for it. */
const char *command_model_cache(const invocation *in, char out[PATH_MAX]);

/* Opens the --db store, which must exist: E_INPUT says which command makes one. */
MUST_CHECK status command_store(const invocation *in, store_access access, store **out,
                                detail *err);

/* The name of the job at this place, from 0, of those that are called only (NULL: of all); *found
   is 0 behind the last. No query stays open, so that the store may be written to between two
   places; and by place, since a name of a stranger's store may be cut short by a zero in it and
   would come again for ever behind itself. */
MUST_CHECK status command_job_at(store *s, const char *only, int64_t place, text *name, int *found,
                                 detail *err);

#endif
