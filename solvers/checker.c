#include "solvers/checker.h"

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

static status judge_lenient(const checker_input *in, checker_verdict *out, detail *err) {
  countdown_problem p;
  symbolic_options options;
  status s = countdown_read(&p, in->target, err);
  if (!s) s = symbolic_read(&options, in->parameters, err);
  if (s) return s;
  countdown_protocol protocol = symbolic_protocol(options.search.kind);
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
};
enum { CHECKERS = sizeof checkers / sizeof checkers[0] };
static const char *const names[CHECKERS] = {"countdown", "countdown-lenient"};

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
