/* Countdown: combine all numbers pairwise with + - * / until one is left, which must be the target.
   Rules, order of successors and generator as published with Stream of Search (Gandhi et al. 2024,
   arXiv 2404.03683) and APR (Pan et al. 2025, arXiv 2504.15466). Pure functions; any thread. */
#ifndef SOLVERS_COUNTDOWN_H
#define SOLVERS_COUNTDOWN_H

#include "base/random.h"
#include "base/text.h"

enum { COUNTDOWN_NUMBERS_MAX = 6, COUNTDOWN_TARGET_MAX = 9999, COUNTDOWN_NUMBER_MAX = 999 };
/* Successors of a state of six numbers: 15 pairs, four operations each. */
enum { COUNTDOWN_SUCCESSORS_MAX = 60 };

typedef struct countdown_problem {
  int64_t target;
  int count; /* 2 .. COUNTDOWN_NUMBERS_MAX */
  int64_t number[COUNTDOWN_NUMBERS_MAX];
} countdown_problem;

typedef struct countdown_operation {
  int64_t left, right, result; /* left sign right = result, as printed */
  char sign;                   /* + - * / */
} countdown_operation;

typedef struct countdown_state {
  int count;
  int64_t number[COUNTDOWN_NUMBERS_MAX]; /* the rest in order, then the result */
} countdown_state;

/* All legal steps from a state: pairs i < j in lexicographic order, for each + * - /; the
   difference and the exact quotient larger first. Returns how many; a state of one number has none.
 */
int countdown_successors(const countdown_state *from,
                         countdown_operation operations[COUNTDOWN_SUCCESSORS_MAX],
                         countdown_state states[COUNTDOWN_SUCCESSORS_MAX]);

/* Whether exhaustive depth-first search finds a solution that uses every number. */
int countdown_solvable(const countdown_problem *p);

/* A problem's text for a person and its canonical target JSON {"nums":[...],"target":n}. */
void countdown_question(const countdown_problem *p, text *out);
void countdown_target(const countdown_problem *p, text *out);
/* Reads that JSON, for untrusted input. E_INPUT says which field is wrong. */
MUST_CHECK status countdown_read(countdown_problem *out, const char *target_json, detail *err);

/* The partition keeps what a model of ours saw apart from what it is tested on. It depends on the
   sorted numbers alone: SHA-256 of "countdown|" and the numbers joined by commas; first byte >= 8:
   train; otherwise second byte < 128: dev, else test. */
typedef enum countdown_partition {
  COUNTDOWN_TRAIN,
  COUNTDOWN_DEV,
  COUNTDOWN_TEST
} countdown_partition;
countdown_partition countdown_partition_of(const countdown_problem *p);
const char *countdown_partition_name(countdown_partition partition); /* "train", "dev", "test" */

enum { COUNTDOWN_HOLD_OUT_MAX = 128 };

typedef struct countdown_source {
  uint64_t seed;
  countdown_partition partition;
  int numbers;                              /* 2 .. COUNTDOWN_NUMBERS_MAX; published: 4 */
  int64_t number_max;                       /* published: 99 */
  int64_t target_min, target_max;           /* published: 10, 100 */
  int64_t hold_out[COUNTDOWN_HOLD_OUT_MAX]; /* targets */
  int hold_out_count;
  int hold_out_only; /* draw these targets only (evaluation) rather than leave them out */
} countdown_source;

countdown_source countdown_published(uint64_t seed, countdown_partition partition);

/* The n-th problem of a source: a function of the source and n alone. Problems of different n may
   coincide; countdown_key tells. E_INPUT when none can be found in a million draws. */
MUST_CHECK status countdown_generate(const countdown_source *source, uint64_t n,
                                     countdown_problem *out, detail *err);
/* Equal for problems with the same numbers in any order and the same target. */
hash countdown_key(const countdown_problem *p);

#endif
