/* Reading and judging Countdown answers. The text is a model's as often as a solver's: anything may
   stand in it, nothing in it is trusted, and every refusal has a reason. Pure functions; any
   thread. */
#ifndef SOLVERS_COUNTDOWN_CHECK_H
#define SOLVERS_COUNTDOWN_CHECK_H

#include "solvers/countdown.h"

typedef enum countdown_protocol {
  PROTOCOL_SOS,  /* ends at its first goal line */
  PROTOCOL_RECAP /* SoS+, APR, apr-serial: the solution is restated after the first goal line */
} countdown_protocol;

/* Appends the answer that a finished root text (or a child's) holds and returns 1, or 0 for none.
   PROTOCOL_RECAP: what follows the second-to-last "Goal Reached" up to the last goal line, as APR
   reads it. PROTOCOL_SOS: the operations of the last state before the first goal line and the one
   explored there, an operation a line, then the goal line. */
int countdown_answer(countdown_protocol protocol, const char *bytes, size_t count, text *out);

/* Appends what a child of APR returns and returns 1, or 0 for no solution: all that follows the
   second-to-last "Goal Reached", trimmed. */
int countdown_returned(const char *bytes, size_t count, text *out);

typedef struct countdown_judgement {
  int correct;
  const char *reason; /* a constant: "correct", "no answer", "number not available", ... */
} countdown_judgement;

enum { COUNTDOWN_CHECK_VERSION = 1, COUNTDOWN_LENIENT_VERSION = 1 };

/* The strict rules (APR's verifier): each step takes two numbers that are there, is exact and
   leaves the list that it states; the first goal line must find just the target left. answer may be
   NULL. */
countdown_judgement countdown_check(const countdown_problem *p, const char *answer, size_t count);

/* The published rating of SoS and SoS+, for their tables, on the root's whole text. Its known
   defect is part of it: used numbers stay available, so reuse passes. */
countdown_judgement countdown_check_lenient(const countdown_problem *p, countdown_protocol protocol,
                                            const char *trace, size_t count);

/* What votes are counted by: the answer's canonical expression tree, operands of + and * (and
   two of one value) sorted, for example "((22+5)*1)". Appends and returns 1 only where
   countdown_check accepts the answer's steps whatever they lead to; never the value, since every
   right answer has the same one. */
int countdown_vote_key(const countdown_problem *p, const char *answer, size_t count, text *out);

#endif
