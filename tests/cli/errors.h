/* The table of errors: every situation in which the program says no, what it says then, and its
   exit code. The same rows are run as tests and written as docs/errors.md, so the document cannot
   say what the program does not. A row is set up and met in an empty folder of its own, by an
   ordinary user's rights (a root's right to pass over modes is given up). */
#ifndef TESTS_CLI_ERRORS_H
#define TESTS_CLI_ERRORS_H

#include "tests/support/program.h"

enum { SITUATION_SAYS_MAX = 3, MET_BYTES_MAX = 4096 };

typedef struct situation {
  const char *what;    /* as a person would say it; one line */
  const char *before;  /* shell lines that bring it about; NULL: nothing is needed */
  const char *command; /* the shell line that meets it */
  int code;
  const char *says[SITUATION_SAYS_MAX]; /* what is wrong and where: file, line or record, field */
  const char *remedy;                   /* the piece of the message that says what to do */
  const char *holder;                   /* a nightjar that writes nightjar.db meanwhile, or NULL */
  int changes; /* what was finished stays: the folder need not be as it was, but every store sound
                */
  int (*here)(FILE *messages); /* instead of the command, in a process of its own; an exit code */
} situation;

typedef struct situation_group {
  const char *name;
  const situation *rows; /* [count] */
  size_t count;
} situation_group;

#define SITUATION_GROUP(group, title, rows)                                                        \
  const situation_group group = {(title), (rows), sizeof(rows) / sizeof(rows)[0]}

extern const situation_group errors_of_command_lines, errors_of_jobs, errors_of_sweeps,
    errors_of_stores, errors_of_tasks, errors_of_looks, errors_of_imports, errors_of_shares,
    errors_of_archives, errors_of_models, errors_of_reasoning;

/* What a situation came to: the error and warning lines of the program, with the parts that differ
   from run to run (the test's folder, process ids, free space) made equal. */
typedef struct met {
  int code;
  char message[MET_BYTES_MAX];
} met;

/* Sets the situation up in this empty folder, meets it and fills out; then fails the test unless
   the exit code, the message and the folder are what the row says. */
void situation_meet(const situation *row, const char *folder, met *out);

/* docs/errors.md: m holds what each row came to, in the order of the groups. The caller frees. */
char *errors_document(const situation_group *const *groups, size_t group_count, const met *m);

/* ---- what many rows begin with ----------------------------------------------------------------
 */

#define TASKS      "nightjar tasks make countdown --name t --count 5 --seed 1\n"
#define JOB(lines) "cat >job.yaml <<'END'\n" lines "END\n"
#define HEAD       "name: night\ntasks: t\n"
#define CONDITIONS "conditions:\n"
#define ONE        "  - {name: one, mode: symbolic, search: sosp, beam: 3}\n"
#define TWO        "  - {name: two, mode: symbolic, search: apr, beam: [2, 4]}\n"
#define GOOD_JOB   JOB(HEAD CONDITIONS ONE TWO)
#define RUN        "nightjar run job.yaml"

#endif
