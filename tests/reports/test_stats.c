/* The statistics against known values. Those of distributions and exact tests were computed with
   SciPy 1.x (norm.sf, norm.ppf, t.sf, t.ppf, betainc, binomtest); the rest by hand. */
#include "reports/stats.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#define ck_close(actual, expected, share)                                                          \
  ck_assert_double_eq_tol((actual), (expected),                                                    \
                          (share) * ((expected) < 0 ? -(expected) : (expected)))

START_TEST(distributions_match_known_values) {
  ck_close(stats_normal_tail(1.96), 0.04999579029644087, 1e-13);
  ck_close(stats_normal_tail(-5), 5.733031437583866e-07, 1e-12);
  ck_close(stats_normal_quantile(0.975), 1.959963984540054, 1e-13);
  ck_close(stats_normal_quantile(0.8), 0.8416212335729143, 1e-13);
  ck_close(stats_normal_quantile(1e-6), -4.753424308822899, 1e-12);
  ck_close(stats_t_tail(2.228138852, 10), 0.04999999999883647, 1e-12);
  ck_close(stats_t_tail(1, 1), 0.5, 1e-12);
  ck_close(stats_t_tail(-12.7, 3), 0.0010530526821985991, 1e-12);
  ck_close(stats_t_tail(0.5, 199), 0.6176275123353321, 1e-12);
  ck_close(stats_t_tail(3, 2.5), 0.07257609554903183, 1e-12);
  ck_assert_double_eq(stats_t_tail(0, 7), 1);
  ck_close(stats_t_quantile(0.975, 1), 12.706204736174694, 1e-11);
  ck_close(stats_t_quantile(0.975, 10), 2.228138851986274, 1e-12);
  ck_close(stats_t_quantile(0.95, 11), 1.7958848187040433, 1e-12);
  ck_close(stats_t_quantile(0.975, 199), 1.9719565442517533, 1e-12);
  ck_close(stats_t_quantile(0.1, 5), -1.4758840488244813, 1e-12);
}
END_TEST

START_TEST(incomplete_beta_matches_known_values) {
  ck_close(stats_incomplete_beta(2, 3, 0.4), 0.5248, 1e-13);
  ck_close(stats_incomplete_beta(0.5, 0.5, 0.1), 0.20483276469913345, 1e-13);
  ck_close(stats_incomplete_beta(50, 0.5, 0.99), 0.3173043978741973, 1e-11);
  ck_close(stats_incomplete_beta(200, 300, 0.4), 0.5024286163199315, 1e-11);
  ck_assert_double_eq(stats_incomplete_beta(2, 3, 0), 0);
  ck_assert_double_eq(stats_incomplete_beta(2, 3, 1), 1);
}
END_TEST

START_TEST(mcnemar_is_the_exact_binomial) {
  ck_close(stats_mcnemar(10, 2), 0.03857421875, 1e-12);
  ck_close(stats_mcnemar(2, 10), 0.03857421875, 1e-12);
  ck_close(stats_mcnemar(0, 6), 0.03125, 1e-12);
  ck_close(stats_mcnemar(120, 80), 0.005685155996750306, 1e-10);
  ck_assert_double_eq(stats_mcnemar(5, 5), 1);
  ck_assert_double_eq(stats_mcnemar(1, 0), 1);
  ck_assert_double_eq(stats_mcnemar(0, 0), 1);
}
END_TEST

START_TEST(sign_flips_visit_every_pattern) {
  random_key key = {{1, 2}};
  /* Of 8 patterns only +++ and --- are as far out as 3. */
  ck_assert_double_eq(stats_sign_flip((double[]){1, 1, 1}, 3, key), 0.25);
  /* Sums are 4 2 2 0 0 -2 -2 -4 in size: six are at least 2; zeros flip nothing. */
  ck_assert_double_eq(stats_sign_flip((double[]){1, 0, -1, 2, 0}, 5, key), 0.75);
  ck_assert_double_eq(stats_sign_flip((double[]){0, 0}, 2, key), 1);
  /* In thirds the sum is 3; of the sums 5 3 3 3 1 1 1 -1 and their opposites eight are as far out,
     though they do not add up to the same bits in every order. */
  double thirds[] = {1 / 3.0, 2 / 3.0, -1 / 3.0, 1 / 3.0};
  ck_assert_double_eq(stats_sign_flip(thirds, 4, key), 0.5);
}
END_TEST

START_TEST(many_sign_flips_are_drawn) {
  /* 9,044 of the 65,536 patterns, counted with Python, are at least as far out: 0.1380. The error
     of 20,000 draws is 0.0024. */
  double sums[] = {.5, -.25, 1, .75, -.5, .25, 1, -.75, .5, .5, -.25, .25, 1, -1, .75, .5};
  double p = stats_sign_flip(sums, 16, (random_key){{3, 4}});
  ck_assert_double_eq_tol(p, 0.13800048828125, 0.01);
  ck_assert_double_eq(p, stats_sign_flip(sums, 16, (random_key){{3, 4}}));
  ck_assert_double_ne(p, stats_sign_flip(sums, 16, (random_key){{3, 5}}));
  double ones[40];
  for (int i = 0; i < 40; i++)
    ones[i] = 1;
  ck_assert_double_eq(stats_sign_flip(ones, 40, (random_key){{3, 4}}), 1 / 20001.0);
}
END_TEST

START_TEST(holm_steps_down) {
  detail err;
  double none = STATS_NONE, p[] = {0.04, 0.01, none, 0.03, 0.005}, adjusted[5];
  ck_ok(stats_holm(p, 5, adjusted, &err));
  ck_assert_double_eq_tol(adjusted[4], 0.02, 1e-12); /* 4 x 0.005 */
  ck_assert_double_eq_tol(adjusted[1], 0.03, 1e-12); /* 3 x 0.01 */
  ck_assert_double_eq_tol(adjusted[3], 0.06, 1e-12); /* 2 x 0.03 */
  ck_assert_double_eq_tol(adjusted[0], 0.06, 1e-12); /* 1 x 0.04, never below the one before */
  ck_assert(!stats_known(adjusted[2]));
  ck_ok(stats_holm((double[]){0.7, 0.8}, 2, adjusted, &err));
  ck_assert_double_eq(adjusted[0], 1);
  ck_assert_double_eq(adjusted[1], 1);
}
END_TEST

START_TEST(means_by_task_and_by_cluster) {
  detail err;
  stats_mean m;
  double value[] = {1, 1, 1, 0, 1, 0, 1, 0};
  ck_ok(stats_mean_of(value, NULL, 4, &m, &err));
  ck_assert_double_eq(m.mean, 0.75);
  ck_assert_double_eq_tol(m.se, 0.25, 1e-12); /* sqrt(0.75 / (4 x 3)) */
  /* Clusters of 3, 1, 2, 2: sums less n x 0.625 are 1.125 -0.625 -0.25 -0.25, squares 1.78125;
     se^2 = 4/3 x 1.78125 / 64. */
  int32_t unit[] = {7, 7, 7, 0, 2, 2, 5, 5};
  ck_ok(stats_mean_of(value, unit, 8, &m, &err));
  ck_assert_int_eq(m.units, 4);
  ck_assert_double_eq_tol(m.se * m.se, 0.037109375, 1e-12);
  ck_assert(!m.vanishes);
  ck_ok(stats_mean_of((double[]){0.1, 0.1, 0.1}, NULL, 3, &m, &err));
  ck_assert(m.vanishes);
  ck_ok(stats_mean_of(value, NULL, 1, &m, &err));
  ck_assert(m.vanishes && !stats_known(m.se));
  ck_ok(stats_mean_of(value, NULL, 0, &m, &err));
  ck_assert(!stats_known(m.mean));
  ck_assert_double_eq_tol(stats_deviation((double[]){2, 4, 4, 4, 5, 5, 7, 9}, 8) *
                              stats_deviation((double[]){2, 4, 4, 4, 5, 5, 7, 9}, 8),
                          32 / 7.0, 1e-12);
}
END_TEST

START_TEST(power_by_the_usual_formula) {
  /* z(0.975) + z(0.8) = 2.801585218112969 */
  ck_close(stats_smallest_difference(0.01, 0.05), 0.02801585218112969, 1e-12);
  /* 100 tasks, se 0.02, difference 0.05: 100 x (2.8016 x 0.4)^2 = 125.58, rounded up. */
  ck_assert_int_eq(stats_tasks_needed(100, 0.02, 0.05, 0.05), 126);
  ck_assert_int_eq(stats_tasks_needed(100, 0.02, -0.05, 0.05), 126);
  ck_assert_int_eq(stats_tasks_needed(100, 0.02, 0, 0.05), -1);
  ck_assert_int_eq(stats_tasks_needed(100, 0, 0.05, 0.05), -1);
  ck_assert_int_eq(stats_tasks_needed(100, STATS_NONE, 0.05, 0.05), -1);
}
END_TEST

START_TEST(interpolation_between_three_points) {
  stats_point p[] = {{400, 1}, {100, 0.2}, {200, 0.6}};
  int enough;
  ck_assert_double_eq_tol(stats_interpolate(p, 3, 150, &enough), 0.4, 1e-12);
  ck_assert(enough);
  ck_assert_double_eq_tol(stats_interpolate(p, 3, 250, &enough), 0.7, 1e-12);
  ck_assert_double_eq(stats_interpolate(p, 3, 200, &enough), 0.6);
  ck_assert_double_eq(stats_interpolate(p, 3, 400, &enough), 1);
  ck_assert(enough);
  ck_assert_double_eq(stats_interpolate(p, 3, 401, &enough), 1);
  ck_assert(enough);
  ck_assert_double_eq(stats_interpolate(p, 3, 99, &enough), 0.2);
  ck_assert(!enough);
  stats_point equal[] = {{100, 0.2}, {100, 0.6}, {300, 0.8}};
  ck_assert_double_eq_tol(stats_interpolate(equal, 3, 100, &enough), 0.4, 1e-12);
  ck_assert_double_eq_tol(stats_interpolate(equal, 3, 200, &enough), 0.6, 1e-12);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stats");
  TCase *known = tcase_create("known values");
  suite_add_tcase(suite, known);
  tcase_add_test(known, distributions_match_known_values);
  tcase_add_test(known, incomplete_beta_matches_known_values);
  tcase_add_test(known, mcnemar_is_the_exact_binomial);
  tcase_add_test(known, sign_flips_visit_every_pattern);
  tcase_add_test(known, many_sign_flips_are_drawn);
  tcase_add_test(known, holm_steps_down);
  tcase_add_test(known, means_by_task_and_by_cluster);
  tcase_add_test(known, power_by_the_usual_formula);
  tcase_add_test(known, interpolation_between_three_points);
  return support_run(suite);
}
