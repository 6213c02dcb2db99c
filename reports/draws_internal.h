/* Private to the room: the draws of a condition, from which pass@k and cons@k are made. A task's
   draws are its samples, or of a vote the voters of all its samples, as the view pass_at_k has it.
   A draw without a verdict by the condition's checker, or of a sample that failed, is none. */
#ifndef REPORTS_DRAWS_INTERNAL_H
#define REPORTS_DRAWS_INTERNAL_H

#include "reports/scores_internal.h"

typedef struct draw {
  size_t task;
  int64_t repeat, thread;        /* thread -1: the sample */
  const char *vote_key, *answer; /* NULL: none */
  double score;
  int correct;
} draw;

typedef struct draws {
  draw *list; /* [count] by task, repeat and thread */
  size_t count;
  size_t tasks;       /* that have a draw */
  size_t least, most; /* draws of one of those */
} draws;

/* Empty where the condition asks for one sample a task, and that is no vote. */
MUST_CHECK status draws_load(draws *out, store *s, const scores *all, const scores_condition *c,
                             detail *err);

/* The end of the draws of the task whose draws begin here. */
size_t draws_end(const draws *d, size_t begin);

#endif
