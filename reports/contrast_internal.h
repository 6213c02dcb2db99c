/* Private to the room: contrasts of conditions or families, computed from scores. Everything is
   taken from scores.memory. */
#ifndef REPORTS_CONTRAST_INTERNAL_H
#define REPORTS_CONTRAST_INTERNAL_H

#include "reports/scores_internal.h"
#include "reports/stats.h"

#define CONTRAST_MARGIN 0.02
#define CONTRAST_LEVEL  0.05 /* of a job's Holm family */

/* A row of the table comparison. NaN and -1 stand for NULL. */
typedef struct contrast_row {
  const char *a, *b, *checker, *axis;
  double budget;
  int ordinal, declared;
  int64_t tasks, dropped;
  double accuracy_a, accuracy_b, difference, se, lo95, hi95, lo90, hi90, p, p_holm, margin;
  const char *verdict;
  int64_t tasks_needed;
  const char *method;
} contrast_row;

/* ---- names ------------------------------------------------------------------------------------
 */

/* The conditions that a name stands for: the one so named, or all of the family. */
typedef struct contrast_side {
  const char *name;
  size_t *member; /* [count] places in scores.conditions */
  size_t count;
} contrast_side;

/* E_INPUT names the nearest known name. */
MUST_CHECK status contrast_side_find(contrast_side *out, const scores *all, const char *name,
                                     detail *err);

/* ---- curves: what each condition costs and reaches, and its bootstrap --------------------------
 */

typedef struct curves {
  size_t count;  /* conditions that have a scored sample whose cost is known */
  size_t *group; /* [count] the side or family that a condition belongs to */
  double *score; /* [1 + STATS_BOOTSTRAP_DRAWS, count]; row 0 is what was measured */
  double *cost;  /* [1 + STATS_BOOTSTRAP_DRAWS, count] */
  int64_t tasks, units, dropped;
  stats_point *points; /* [count] working space */
} curves;

/* Takes the (task, repeat) that every condition with samples has scored, so that all curves are
   over the same ones; dropped counts those that some but not all have, or that failed. Each draw
   takes units with replacement and gives mean score and mean cost of each condition anew. */
typedef struct curves_of {
  const size_t *member, *group; /* [count] */
  size_t count;
  int axis;
  const char *place; /* what the draws are seeded by, beside the job */
} curves_of;
MUST_CHECK status curves_make(curves *out, const scores *all, const curves_of *which, detail *err);

/* The accuracy of a group at a cost in a row of the curves; NaN for a group without conditions.
 *enough is 0 where all of the group costs more. */
double curves_at(curves *c, size_t row, size_t group, double cost, int *enough);
/* The least and the greatest measured mean cost of a group; NaN without conditions. */
void curves_span(const curves *c, size_t group, double *low, double *high);
/* The standard error over the draws of the difference of two groups at a cost. */
double curves_difference_se(curves *c, size_t a, size_t b, double cost);

/* ---- contrasts --------------------------------------------------------------------------------
 */

/* Appends one row, or one for each budget, to rows (room for max(1, at_count)). E_INPUT where a
   and b cannot be compared so. */
MUST_CHECK status contrast_compute(const scores *all, const report_contrast *c, int ordinal,
                                   int declared, contrast_row *rows, size_t *count, detail *err);

/* p_holm over the declared rows, verdicts, tasks_needed. */
MUST_CHECK status contrast_settle(contrast_row *rows, size_t count, detail *err);

/* Shared by plain and budget contrasts: the intervals from difference, se and units. Returns
   whether the rule of three had to stand in. */
int contrast_intervals(contrast_row *row, int64_t units, int vanishes);

#endif
