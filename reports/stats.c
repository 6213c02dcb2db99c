#include "reports/stats.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

double stats_normal_tail(double z) {
  return erfc(fabs(z) * M_SQRT1_2);
}

/* Bisection to the last bit: it is called a few times a report, and needs no table. */
static double invert(double (*upper)(double x, double parameter), double parameter, double p) {
  double low = 0, high = 1;
  while (upper(high, parameter) > p && high < 1e300)
    high *= 2;
  for (int i = 0; i < 200 && low < high; i++) {
    double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    if (upper(middle, parameter) > p) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low + (high - low) / 2;
}

static double normal_upper(double x, double unused) {
  (void)unused;
  return stats_normal_tail(x) / 2;
}

static double t_upper(double x, double degrees) {
  return stats_t_tail(x, degrees) / 2;
}

double stats_normal_quantile(double p) {
  REQUIRE(p > 0 && p < 1);
  return p < 0.5 ? -invert(normal_upper, 0, p) : invert(normal_upper, 0, 1 - p);
}

double stats_t_quantile(double p, double degrees) {
  REQUIRE(p > 0 && p < 1 && degrees > 0);
  return p < 0.5 ? -invert(t_upper, degrees, p) : invert(t_upper, degrees, 1 - p);
}

/* The continued fraction by Lentz's method, which converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x) {
  const double tiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (fabs(d) < tiny ? tiny : d);
  double value = d;
  for (int m = 1; m <= 10000; m++) {
    for (int odd = 0; odd < 2; odd++) {
      double term = odd ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                        : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 + term * d;
      d = 1 / (fabs(d) < tiny ? tiny : d);
      c = 1 + term / c;
      if (fabs(c) < tiny) c = tiny;
      value *= c * d;
    }
    if (fabs(c * d - 1) < 1e-16) break;
  }
  return value;
}

static double log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign); /* lgamma would write a global */
}

double stats_incomplete_beta(double a, double b, double x) {
  REQUIRE(a > 0 && b > 0);
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - stats_incomplete_beta(b, a, 1 - x);
  double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
  return front * beta_fraction(a, b, x) / a;
}

double stats_t_tail(double t, double degrees) {
  if (isinf(t)) return 0;
  return stats_incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
}

static status unit_sums(const double *value, const int32_t *unit, size_t tasks, double **sum,
                        double **count, size_t *units, detail *err) {
  size_t many = 0;
  for (size_t i = 0; i < tasks; i++) {
    if ((size_t)unit[i] + 1 > many) many = (size_t)unit[i] + 1;
  }
  *sum = memory_zeroed(many, sizeof **sum);
  *count = memory_zeroed(many, sizeof **count);
  if (!*sum || !*count) return fault(err, E_MEMORY, "no memory for %zu clusters", many);
  for (size_t i = 0; i < tasks; i++) {
    (*sum)[unit[i]] += value[i];
    (*count)[unit[i]] += 1;
  }
  *units = many;
  return OK;
}

status stats_mean_of(const double *value, const int32_t *unit, size_t tasks, stats_mean *out,
                     detail *err) {
  *out = (stats_mean){.tasks = (int64_t)tasks, .mean = STATS_NONE, .se = STATS_NONE, .vanishes = 1};
  if (tasks == 0) return OK;
  double *sum = NULL, *count = NULL, total = 0, squares = 0, scale = 0;
  size_t units = tasks;
  status s = unit ? unit_sums(value, unit, tasks, &sum, &count, &units, err) : OK;
  if (s) goto done;
  for (size_t i = 0; i < tasks; i++)
    total += value[i];
  out->mean = total / (double)tasks;
  for (size_t i = 0; i < units; i++) {
    double n = unit ? count[i] : 1, spread = (unit ? sum[i] : value[i]) - n * out->mean;
    if (n == 0) continue;
    out->units++;
    squares += spread * spread;
    scale += n * n;
  }
  if (out->units > 1) {
    double many = (double)out->units;
    out->se = sqrt(squares * many / (many - 1)) / (double)tasks;
    out->vanishes = squares <= 1e-12 * scale;
  }
done:
  memory_free(sum);
  memory_free(count);
  return s;
}

double stats_deviation(const double *value, size_t count) {
  double mean = 0, squares = 0;
  for (size_t i = 0; i < count; i++) {
    double step = value[i] - mean; /* Welford, "Note on a method", 1962 */
    mean += step / (double)(i + 1);
    squares += step * (value[i] - mean);
  }
  return sqrt(squares / (double)(count - 1));
}

double stats_mcnemar(int64_t wins, int64_t losses) {
  int64_t n = wins + losses, few = wins < losses ? wins : losses;
  if (n == 0) return 1;
  /* P(X <= few) for X binomial (n, 1/2), as an incomplete beta function. */
  double tail = few == n ? 1 : stats_incomplete_beta((double)(n - few), (double)few + 1, 0.5);
  return fmin(1, 2 * tail);
}

static double flip_exactly(const double *size, size_t count, double seen) {
  int64_t hits = 0, patterns = (int64_t)1 << count;
  for (int64_t pattern = 0; pattern < patterns; pattern++) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
      sum += pattern >> i & 1 ? size[i] : -size[i];
    hits += fabs(sum) >= seen;
  }
  return (double)hits / (double)patterns;
}

double stats_sign_flip(const double *sum, size_t units, random_key key) {
  double seen = 0, scale = 0, few[STATS_FLIP_EXACT] = {0};
  size_t nonzero = 0;
  for (size_t i = 0; i < units; i++) {
    seen += sum[i];
    scale += fabs(sum[i]);
    if (sum[i] == 0) continue;
    if (nonzero < STATS_FLIP_EXACT) few[nonzero] = sum[i];
    nonzero++;
  }
  if (nonzero == 0) return 1;
  seen = fabs(seen) - 1e-12 * scale; /* equal sums in another order of addition are equal */
  if (nonzero <= STATS_FLIP_EXACT) return flip_exactly(few, nonzero, seen);
  random_stream stream = random_start(key);
  int64_t hits = 0;
  for (int draw = 0; draw < STATS_FLIP_DRAWS; draw++) {
    double total = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < units; i++, bits >>= 1) {
      if (i % 32 == 0) bits = random_next(&stream);
      total += bits & 1 ? sum[i] : -sum[i];
    }
    hits += fabs(total) >= seen;
  }
  return (1 + (double)hits) / (1 + (double)STATS_FLIP_DRAWS);
}

typedef struct ranked {
  double p;
  size_t at;
} ranked;

static int by_p(const void *left, const void *right) {
  const ranked *a = left, *b = right;
  if (a->p != b->p) return a->p < b->p ? -1 : 1;
  return a->at < b->at ? -1 : a->at > b->at;
}

status stats_holm(const double *p, size_t count, double *adjusted, detail *err) {
  ranked *order = memory_zeroed(count, sizeof *order);
  if (!order) return fault(err, E_MEMORY, "no memory for %zu tests", count);
  size_t family = 0;
  for (size_t i = 0; i < count; i++) {
    adjusted[i] = STATS_NONE;
    if (!isnan(p[i])) order[family++] = (ranked){p[i], i};
  }
  qsort(order, family, sizeof *order, by_p);
  double highest = 0;
  for (size_t rank = 0; rank < family; rank++) {
    highest = fmax(highest, fmin(1, (double)(family - rank) * order[rank].p));
    adjusted[order[rank].at] = highest;
  }
  memory_free(order);
  return OK;
}

static double detectable(double level) {
  return stats_normal_quantile(1 - level / 2) + stats_normal_quantile(0.8);
}

double stats_smallest_difference(double se, double level) {
  return detectable(level) * se;
}

int64_t stats_tasks_needed(int64_t tasks, double se, double difference, double level) {
  if (difference == 0 || !(se > 0) || isnan(difference)) return -1;
  double ratio = detectable(level) * se / difference;
  double needed = ceil((double)tasks * ratio * ratio);
  return needed < 1e15 ? (int64_t)needed : -1;
}

static int by_cost(const void *left, const void *right) {
  const stats_point *a = left, *b = right;
  if (a->cost != b->cost) return a->cost < b->cost ? -1 : 1;
  return a->accuracy < b->accuracy ? -1 : a->accuracy > b->accuracy;
}

/* The mean accuracy of the points that cost the same as points[at]. */
static double tied(const stats_point *points, size_t count, size_t at) {
  double sum = 0, many = 0;
  for (size_t i = 0; i < count; i++) {
    if (points[i].cost != points[at].cost) continue;
    sum += points[i].accuracy;
    many += 1;
  }
  return sum / many;
}

double stats_interpolate(stats_point *points, size_t count, double cost, int *enough) {
  REQUIRE(count > 0);
  qsort(points, count, sizeof *points, by_cost);
  *enough = cost >= points[0].cost;
  if (cost <= points[0].cost) return tied(points, count, 0);
  if (cost >= points[count - 1].cost) return tied(points, count, count - 1);
  size_t high = 1;
  while (points[high].cost <= cost)
    high++;
  double low_cost = points[high - 1].cost, low = tied(points, count, high - 1);
  double weight = (cost - low_cost) / (points[high].cost - low_cost);
  return low + weight * (tied(points, count, high) - low);
}
