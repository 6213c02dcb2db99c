/* The judges behind the registry of checkers that have files of their own. */
#ifndef SOLVERS_CHECKER_INTERNAL_H
#define SOLVERS_CHECKER_INTERNAL_H

#include "solvers/checker.h"

/* Of tasks of kind "question". Their target is {"answer": ...}: a text, a number, a truth value, a
   list of such of which any is right, or null where none is known. As checker's judge. */
MUST_CHECK status judge_exact(const checker_input *in, checker_verdict *out, detail *err);
MUST_CHECK status judge_number(const checker_input *in, checker_verdict *out, detail *err);
MUST_CHECK status judge_regex(const checker_input *in, checker_verdict *out, detail *err);

#endif
