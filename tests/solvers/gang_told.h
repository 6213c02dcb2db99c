/* An oracle for symbolic workers: from what they wrote, and how long their lines are, it derives
   anew when each token was sampled, what each worker saw, and whether it did what the rules say.
   It shares nothing with the search that it judges but the rules of Countdown. */
#ifndef TESTS_GANG_TOLD_H
#define TESTS_GANG_TOLD_H

#include "solvers/search.h"
#include "tests/solvers/grammar_internal.h"

enum { TOLD_STEPS_MAX = 2000 };

/* How many tokens a text has by itself: never 0 but of an empty one. */
typedef struct told_lengths {
  int64_t (*of)(const char *bytes, size_t count);
  int64_t before_id; /* of a move, those that end before its id */
} told_lengths;

typedef struct told_line {
  line parsed; /* of a whole line; a blank one, and one that was cut off, are LINE_UNKNOWN */
  const char *bytes;
  size_t count;
  int64_t first, last; /* the forwards of its tokens */
  int step, is_whole, is_blank;
} told_line;

typedef struct told_worker {
  told_line *lines; /* [line_count] */
  int line_count, line_capacity, step_count;
  int64_t step_first[TOLD_STEPS_MAX]; /* the forward of a step's first token */
  int64_t step_last[TOLD_STEPS_MAX];  /* of its blank line; INT64_MAX: it did not come to it */
  int64_t fed[TOLD_STEPS_MAX];        /* tokens of its prefix */
  int64_t generated;
  int ends, capped;
} told_worker;

typedef struct told {
  const countdown_problem *problem;
  const search_options *options;
  const search_result *result;
  told_lengths length;
  told_worker workers[LAYOUT_WORKERS_MAX]; /* [count] */
  int count;
  struct told_node *nodes; /* [node_count] all that were generated, the root first */
  struct told_node **open; /* [node_capacity] room for those that are open to somebody */
  int node_count, node_capacity;
  int64_t goal_seen[LAYOUT_WORKERS_MAX]; /* from which forward on each sees another's goal */
} told;

/* Fails the test where a worker did anything else than it had to. options are those drawn. */
void told_check(const countdown_problem *p, const search_options *options, const search_result *r,
                told_lengths length, arena *memory);

#endif
