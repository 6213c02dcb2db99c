/* Mode `symbolic`: a search without a model. It solves tasks like any mode, is the baseline of
   every report, and writes the demonstrations that models are trained on. Any thread. */
#ifndef SOLVERS_SYMBOLIC_H
#define SOLVERS_SYMBOLIC_H

#include "solvers/countdown_check.h"
#include "solvers/option.h"
#include "solvers/search.h"

/* The mode's row of the registry: options, defaults, determinism class. */
extern const mode symbolic_mode;

typedef struct symbolic_range {
  int64_t low, high; /* equal: fixed */
} symbolic_range;

typedef struct symbolic_options {
  search_options search; /* beams left at 0: drawn for each sample */
  symbolic_range beam, child_beam;
} symbolic_options;

/* Reads resolved parameters (symbolic_mode.resolve has seen them). E_INPUT. */
MUST_CHECK status symbolic_read(symbolic_options *out, const json_t *parameters, detail *err);
/* The class of what these write: the mode's, or that of a search whose rules have changed since. */
const char *symbolic_rules(const symbolic_options *o);

/* One sample. Ranges are drawn from the sample's own place; the published rule raises the lower end
   of the children's beam to the parent's. drawn is what was searched with. As search_run. */
MUST_CHECK status symbolic_solve(search_result *out, search_options *drawn,
                                 const symbolic_options *o, const countdown_problem *problem,
                                 uint64_t seed, const hash *task, uint32_t repeat, arena *memory,
                                 detail *err);

const char *symbolic_search_name(search_kind kind); /* "sosp" */
countdown_protocol symbolic_protocol(search_kind kind);

#endif
