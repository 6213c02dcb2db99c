/* The statistics that SQL does not have: distributions, exact tests, resampling, Holm. Pure
   functions over numbers, in double; nothing here knows a store. Any thread.

   A unit is what is drawn independently: a task, or a cluster of tasks. Randomness is seeded and
   comes from base/random.h, so that the same store gives the same bytes. */
#ifndef REPORTS_STATS_H
#define REPORTS_STATS_H

#include "base/random.h"

enum {
  STATS_FLIP_UNITS = 50,    /* below this many units a sign-flip permutation replaces t */
  STATS_FLIP_EXACT = 14,    /* up to this many nonzero units all 2^n patterns are visited */
  STATS_FLIP_DRAWS = 20000, /* above, this many seeded patterns */
  STATS_BOOTSTRAP_DRAWS = 2000
};

/* A number that is not known: NULL in the store. */
#define STATS_NONE __builtin_nan("")
static inline int stats_known(double value) {
  return value == value;
}

/* ---- distributions ----------------------------------------------------------------------------
 */

double stats_normal_tail(double z);            /* P(|Z| > |z|) */
double stats_normal_quantile(double p);        /* 0 < p < 1 */
double stats_t_tail(double t, double degrees); /* P(|T| > |t|), degrees > 0 */
double stats_t_quantile(double p, double degrees);
/* I_x(a, b), the regularised incomplete beta function (continued fraction of DLMF 8.17.22). */
double stats_incomplete_beta(double a, double b, double x);

/* ---- estimates --------------------------------------------------------------------------------
 */

/* A mean over tasks with its error from the spread over units. */
typedef struct stats_mean {
  int64_t tasks, units;
  double mean;
  double se;    /* NaN with fewer than two units */
  int vanishes; /* the spread is zero, or there is one unit: se says nothing */
} stats_mean;

/* value [tasks], unit [tasks] numbers each task's unit from 0; NULL: each task is its own. With S
   and n the sum and count of a unit: se^2 = U / (U - 1) * sum (S - n mean)^2 / tasks^2, as the view
   accuracy has it. E_MEMORY. */
MUST_CHECK status stats_mean_of(const double *value, const int32_t *unit, size_t tasks,
                                stats_mean *out, detail *err);

double stats_deviation(const double *value,
                       size_t count); /* sample standard deviation; count > 1 */

/* ---- tests, all two-sided ---------------------------------------------------------------------
 */

/* Exact McNemar: wins and losses are discordant pairs; 1 when there are none. */
double stats_mcnemar(int64_t wins, int64_t losses);

/* Sign flips of the units' sums: the share of patterns whose sum is at least as far from 0 as the
   one seen. Exact up to STATS_FLIP_EXACT nonzero sums, else (1 + hits) / (1 + draws). */
double stats_sign_flip(const double *sum, size_t units, random_key key);

/* Holm's step-down adjustment of p [count] into adjusted [count]; NaN stays NaN and is no member of
   the family. E_MEMORY. */
MUST_CHECK status stats_holm(const double *p, size_t count, double *adjusted, detail *err);

/* ---- power ------------------------------------------------------------------------------------
 */

/* The smallest difference that is seen with 80 % power at this two-sided level. */
double stats_smallest_difference(double se, double level);
/* Tasks it takes to see the difference, when tasks gave this error; -1 where none suffices or
   nothing can be said. */
int64_t stats_tasks_needed(int64_t tasks, double se, double difference, double level);

/* ---- curves of accuracy over cost -------------------------------------------------------------
 */

typedef struct stats_point {
  double cost, accuracy;
} stats_point;

/* Sorts the points by cost and gives the accuracy at a cost: linear between neighbours, and the
   end's own outside. *enough says whether the cost reaches the least of them: what costs less than
   a budget is within it. count >= 1. Points of equal cost count as their mean. */
double stats_interpolate(stats_point *points, size_t count, double cost, int *enough);

#endif
