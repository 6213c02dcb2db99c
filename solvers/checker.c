#include "solvers/checker_internal.h"
#include "solvers/countdown_check.h"
#include "solvers/symbolic.h"

#include <string.h>

static checker_verdict verdict_of(countdown_judgement j) {
  return (checker_verdict){j.correct, j.correct, j.reason};
}

static status judge_strict(const checker_input *in, checker_verdict *out, detail *err) {
  countdown_problem p;
  status s = countdown_read(&p, in->target, err);
  if (s) return s;
  *out = verdict_of(countdown_check(&p, in->answer, in->answer ? strlen(in->answer) : 0));
  return OK;
}

/* A model's run names its protocol, a solver's its search. */
static status read_protocol(const json_t *parameters, countdown_protocol *out, detail *err) {
  const char *name = json_string_value(json_object_get(parameters, "protocol"));
  if (name) {
    *out = strcmp(name, "countdown-sos") ? PROTOCOL_RECAP : PROTOCOL_SOS;
    return OK;
  }
  symbolic_options options;
  status s = symbolic_read(&options, parameters, err);
  if (!s) *out = symbolic_protocol(options.search.kind);
  return s;
}

static status judge_lenient(const checker_input *in, checker_verdict *out, detail *err) {
  countdown_problem p;
  countdown_protocol protocol;
  status s = countdown_read(&p, in->target, err);
  if (!s) s = read_protocol(in->parameters, &protocol, err);
  if (s) return s;
  *out = verdict_of(countdown_check_lenient(&p, protocol, in->trace, in->trace_bytes));
  return OK;
}

static const checker checkers[] = {
    {"countdown", "countdown", COUNTDOWN_CHECK_VERSION, 0,
     "each step exact and from the numbers at hand, every number used once, the target left",
     judge_strict},
    {"countdown-lenient", "countdown", COUNTDOWN_LENIENT_VERSION, 1,
     "the published rating of SoS and SoS+, which does not notice numbers used twice",
     judge_lenient},
    {"exact", "question", 1, 0, "the expected text, white space around it apart", judge_exact},
    {"number", "question", 1, 0,
     "the expected number, however it is written: separators, zeros, units and fractions",
     judge_number},
    {"regex", "question", 1, 0, "the expected answer is a pattern, which matches all of it",
     judge_regex},
};
enum { CHECKERS = sizeof checkers / sizeof checkers[0] };
static const char *const names[CHECKERS] = {"countdown", "countdown-lenient", "exact", "number",
                                            "regex"};

const checker *checker_find(const char *name) {
  for (size_t i = 0; i < CHECKERS; i++) {
    if (!strcmp(checkers[i].name, name)) return &checkers[i];
  }
  return NULL;
}

const char *const *checker_names(size_t *count) {
  *count = CHECKERS;
  return names;
}
