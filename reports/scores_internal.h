/* Private to the room: the scores and costs of a job's samples in memory, [task, repeat] for each
   condition, as the view samples gives them (read from its tables: a view of all jobs is slow to
   ask for each of a thousand conditions). Everything lives in the caller's arena. */
#ifndef REPORTS_SCORES_INTERNAL_H
#define REPORTS_SCORES_INTERNAL_H

#include "base/arena.h"
#include "reports/report.h"
#include "store/query.h"

enum { SCORES_AXES = 7 };
#define SCORES_BYTES_MAX ((size_t)16 << 30) /* of one job: two hundred million samples */

/* What is known of a (task, repeat): nothing yet, a scored sample, or a failed or unjudged one. */
enum { CELL_NONE, CELL_SCORED, CELL_UNUSABLE };

typedef struct scores_cell {
  double score;             /* NaN unless scored */
  double cost[SCORES_AXES]; /* by the order of report_axes; NaN: none */
  int state;
} scores_cell;

typedef struct scores_condition {
  const char *name, *family, *checker, *token_unit;
  hash identity; /* of its run */
  int64_t task_set;
  int axes;          /* that its family is swept along */
  int is_vote;       /* its mode, whose threads are draws */
  int votes_by_text; /* what its vote key is */
  int has_finisher;
  double limit[SCORES_AXES]; /* enforced on each axis; STATS_NONE: none */
  size_t tasks, repeats;
  size_t scored;              /* cells of that state */
  size_t priced[SCORES_AXES]; /* of them, whose cost on the axis is known */
  scores_cell *cells;         /* [scores.tasks, repeats]; tasks from `tasks` on stay empty */
} scores_condition;

typedef struct scores {
  arena *memory; /* borrowed */
  const char *job, *document;
  scores_condition *conditions; /* [count] in the job file's order */
  size_t count, tasks;
  int32_t *unit; /* [tasks] the task's cluster, numbered from 0; a task without one is its own */
  hash *content; /* [tasks] of question and target */
  size_t units;
  int clustered; /* whether any task names a cluster */
} scores;

/* E_INPUT: no such job, or conditions over different task sets. */
MUST_CHECK status scores_load(scores *out, store *s, const char *job, arena *memory, detail *err);

/* E_INPUT: there is no such job. */
status scores_no_job(const store *s, const char *job, detail *err);

/* E_STORE: a store may come from anybody, and what does not fit its own counts is not followed. */
status scores_damaged(const char *what, int64_t value, detail *err);

/* A column's number; NaN for NULL. */
double scores_number(const query *q, int column);

/* The place in report_axes, or -1. */
int scores_axis(const char *name);

#endif
