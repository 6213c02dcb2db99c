/* The options of every command that draws Countdown problems, and what they mean. */
#ifndef PIPELINE_COUNTDOWN_OPTIONS_H
#define PIPELINE_COUNTDOWN_OPTIONS_H

#include "pipeline/command.h"
#include "solvers/countdown.h"

enum { COUNTDOWN_COUNT_MAX = 1000000 };

/* Rows of a command's table. */
/* clang-format off */
#define COUNTDOWN_OPTIONS                                                                          \
  {"count", "C", "how many problems; required"},                                                   \
  {"seed", "S", "what the draws depend on; required"},                                             \
  {"numbers", "N", "numbers a problem, 2 to 6 (default 4)"},                                       \
  {"number-max", "N", "the largest of them (default 99)"},                                         \
  {"targets", "A-B", "range of the targets (default 10-100)"},                                     \
  {"hold-out-targets", "LIST", "targets to leave out, separated by commas"}
/* clang-format on */

/* Reads them, and that the command's argument is "countdown". The published values where nothing
   is given. E_USAGE. */
MUST_CHECK status countdown_options(const invocation *in, countdown_partition partition,
                                    countdown_source *out, int64_t *count, detail *err);

#endif
