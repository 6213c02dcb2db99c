/* The views against stores so small that every number below can be worked out on paper. */
#include "tests/reports/fixture.h"

START_TEST(accuracy_is_a_mean_over_tasks_of_means_over_repeats) {
  detail err;
  store *s = tiny_store(4, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 2);
  /* Task means: (1 + 1) / 2, (1 + 0) / 2, 1 of the one that did not fail, 0. */
  tiny_sample(s, 1, 0, 0, 'd', 1, 100);
  tiny_sample(s, 1, 0, 1, 'd', 1, 300);
  tiny_sample(s, 1, 1, 0, 'd', 1, 100);
  tiny_sample(s, 1, 1, 1, 'c', 0, 100);
  tiny_sample(s, 1, 2, 0, 'f', -1, 9999);
  tiny_sample(s, 1, 2, 1, 'd', 1, 500);
  tiny_sample(s, 1, 3, 0, 'd', 0, 100);
  tiny_sample(s, 1, 3, 1, 'd', -1, 7777); /* no verdict yet */
  ck_near(number_of(s, "SELECT accuracy FROM accuracy"), 0.625);
  ck_near(number_of(s, "SELECT tasks FROM accuracy"), 4);
  ck_near(number_of(s, "SELECT samples FROM accuracy"), 6);
  ck_near(number_of(s, "SELECT errors FROM accuracy"), 1);
  ck_near(number_of(s, "SELECT capped FROM accuracy"), 1);
  ck_near(number_of(s, "SELECT unjudged FROM accuracy"), 1);
  ck_near(number_of(s, "SELECT repeats FROM accuracy"), 2);
  /* Deviations .375 -.125 .375 -.625: squares .6875, over 4 x 3. */
  ck_near(number_of(s, "SELECT se * se FROM accuracy"), 0.6875 / 12);
  /* Under 30 tasks: Wilson's interval of 0.625 with n = 4 and z = 1.959964. */
  ck_assert_str_eq(value_of(s, "SELECT interval_method FROM accuracy"), "wilson");
  ck_assert_double_eq_tol(number_of(s, "SELECT lo95 FROM accuracy"), 0.2194265201, 1e-7);
  ck_assert_double_eq_tol(number_of(s, "SELECT hi95 FROM accuracy"), 0.9081007708, 1e-7);
  /* Without the capped one task 1 is 1: (1 + 1 + 1 + 0) / 4. */
  ck_near(number_of(s, "SELECT accuracy_finished FROM accuracy"), 0.75);
  /* Mean costs by task: 200, 100, 500, 100; the failed and the unjudged one count nowhere. */
  ck_near(number_of(s, "SELECT tokens_ref FROM accuracy"), 225);
  ck_assert_str_eq(value_of(s, "SELECT split FROM accuracy"), "test");
  ck_assert_str_eq(value_of(s, "SELECT task || error FROM failures"), "NULL");
  ck_assert_str_eq(value_of(s, "SELECT task FROM failures"), "t2");
  ck_near(number_of(s, "SELECT share FROM capped WHERE limit_met = 'context'"), 1 / 7.0);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(intervals_follow_the_data) {
  detail err;
  char half[41] = "0101010101010101010101010101010101010101";
  char ones[41] = "1111111111111111111111111111111111111111";
  char zeros[41] = "0000000000000000000000000000000000000000";
  store *s = tiny_store(40, NULL, "[]");
  tiny_condition(s, 1, "half", "f", 1);
  tiny_condition(s, 2, "ones", "f", 1);
  tiny_condition(s, 3, "zeros", "f", 1);
  tiny_condition(s, 4, "even", "f", 2);
  tiny_samples(s, 1, half, 10);
  tiny_samples(s, 2, ones, 10);
  tiny_samples(s, 3, zeros, 10);
  tiny_samples(s, 4, ones, 10);
  for (int task = 0; task < 40; task++)
    tiny_sample(s, 4, task, 1, 'd', 0, 10);
  /* 40 tasks, half right: se = sqrt(0.25 / 39), 0.5 - 1.959964 se = 0.3430773. */
  ck_near(number_of(s, "SELECT se * se FROM accuracy WHERE condition = 'half'"), 0.25 / 39);
  ck_assert_double_eq_tol(number_of(s, "SELECT lo95 FROM accuracy WHERE condition = 'half'"),
                          0.3430772928, 1e-7);
  ck_assert_str_eq(value_of(s, "SELECT interval_method FROM accuracy WHERE condition = 'half'"),
                   "normal");
  /* All right, or none: 3 / 40. */
  ck_near(number_of(s, "SELECT lo95 FROM accuracy WHERE condition = 'ones'"), 1 - 0.075);
  ck_near(number_of(s, "SELECT hi95 FROM accuracy WHERE condition = 'ones'"), 1);
  ck_near(number_of(s, "SELECT lo95 FROM accuracy WHERE condition = 'zeros'"), 0);
  ck_near(number_of(s, "SELECT hi95 FROM accuracy WHERE condition = 'zeros'"), 0.075);
  ck_assert_str_eq(value_of(s, "SELECT se FROM accuracy WHERE condition = 'zeros'"), "NULL");
  ck_assert_str_eq(value_of(s, "SELECT interval_method FROM accuracy WHERE condition = 'zeros'"),
                   "rule of three");
  /* Every task at one half: the spread vanishes, the accuracy is neither 0 nor 1. */
  ck_assert_str_eq(value_of(s, "SELECT interval_method FROM accuracy WHERE condition = 'even'"),
                   "wilson");
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(clusters_widen_the_error) {
  detail err;
  const char *cluster[] = {"A", "A", "A", "", "C", "C", "D", "D"};
  store *s = tiny_store(8, cluster, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_condition(s, 2, "b", "b", 1);
  tiny_samples(s, 1, "11101010", 10);
  tiny_samples(s, 2, "00000000", 10);
  /* Sums less n x 0.625 are 1.125 -0.625 -0.25 -0.25: squares 1.78125, x 4/3, over 64. */
  ck_near(number_of(s, "SELECT clusters FROM accuracy WHERE condition = 'a'"), 4);
  ck_near(number_of(s, "SELECT se * se FROM accuracy WHERE condition = 'a'"), 0.037109375);
  ck_assert_str_eq(value_of(s, "SELECT interval_method FROM accuracy WHERE condition = 'a'"),
                   "clustered t, 3 degrees");
  /* 0.625 - 3.182446 x 0.192638 = 0.0119401; the other end is beyond 1. */
  ck_assert_double_eq_tol(number_of(s, "SELECT lo95 FROM accuracy WHERE condition = 'a'"),
                          0.0119401073, 1e-6);
  ck_near(number_of(s, "SELECT hi95 FROM accuracy WHERE condition = 'a'"), 1);
  ck_near(number_of(s, "SELECT hi95 FROM accuracy WHERE condition = 'b'"), 0.75); /* 3 / 4 */
  ck_assert_str_eq(value_of(s, "SELECT interval_method FROM accuracy WHERE condition = 'b'"),
                   "rule of three on clusters");
  /* a - b has the scores of a, so the paired error is the same. */
  ck_near(number_of(s, "SELECT se * se FROM paired WHERE a = 'a' AND b = 'b'"), 0.037109375);
  ck_near(number_of(s, "SELECT clusters FROM paired WHERE a = 'b'"), 4);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(pairs_are_of_tasks_that_both_have) {
  detail err;
  store *s = tiny_store(6, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_condition(s, 2, "b", "b", 1);
  tiny_samples(s, 1, "1101f1", 10);
  tiny_samples(s, 2, "10011", 10);
  /* Both have tasks 0 to 3: differences 0 1 0 0. */
  ck_near(number_of(s, "SELECT tasks FROM paired WHERE a = 'a' AND b = 'b'"), 4);
  ck_near(number_of(s, "SELECT wins FROM paired WHERE a = 'a' AND b = 'b'"), 1);
  ck_near(number_of(s, "SELECT losses FROM paired WHERE a = 'a' AND b = 'b'"), 0);
  ck_near(number_of(s, "SELECT ties FROM paired WHERE a = 'a' AND b = 'b'"), 3);
  ck_near(number_of(s, "SELECT difference FROM paired WHERE a = 'a' AND b = 'b'"), 0.25);
  ck_near(number_of(s, "SELECT se * se FROM paired WHERE a = 'a' AND b = 'b'"), 0.75 / 12);
  ck_near(number_of(s, "SELECT difference FROM paired WHERE a = 'b' AND b = 'a'"), -0.25);
  ck_near(number_of(s, "SELECT losses FROM paired WHERE a = 'b' AND b = 'a'"), 1);
  ck_near(number_of(s, "SELECT count(*) FROM paired"), 2);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(budgets_are_interpolated_at_powers_of_two) {
  detail err;
  store *s = tiny_store(2, NULL, "[]");
  tiny_condition(s, 1, "f 1", "f", 1);
  tiny_condition(s, 2, "f 2", "f", 1);
  tiny_condition(s, 3, "f 3", "f", 1);
  tiny_samples(s, 1, "00", 100);
  tiny_samples(s, 2, "01", 200);
  tiny_samples(s, 3, "11", 400);
#define AT " FROM accuracy_by_budget WHERE axis = 'tokens_ref' AND budget = "
  ck_near(number_of(s, "SELECT accuracy" AT "200"), 0.5);
  ck_assert_str_eq(value_of(s, "SELECT kind" AT "200"), "mean cost");
  ck_near(number_of(s, "SELECT accuracy" AT "128"), 0.14); /* 0.5 x 28 / 100 */
  ck_near(number_of(s, "SELECT accuracy" AT "256"), 0.64); /* 0.5 + 0.5 x 56 / 200 */
  ck_assert_str_eq(value_of(s, "SELECT kind" AT "256"), "interpolated");
  ck_assert_str_eq(value_of(s, "SELECT condition" AT "256"), "NULL");
  ck_assert_str_eq(value_of(s, "SELECT accuracy" AT "64"), "(none)");
  ck_assert_str_eq(value_of(s, "SELECT accuracy" AT "512"), "(none)");
  ck_near(number_of(s, "SELECT count(*) FROM accuracy_by_budget"), 6 * (3 + 2));
  /* Beside a family that costs more, all of f costs less than 512: its costliest stands there. */
  tiny_condition(s, 4, "g", "g", 1);
  tiny_samples(s, 4, "10", 1000);
  ck_assert_str_eq(value_of(s, "SELECT kind" AT "512"), "below");
  ck_near(number_of(s, "SELECT accuracy" AT "512"), 1);
  ck_assert_str_eq(value_of(s, "SELECT family" AT "512"), "f");
  ck_assert_str_eq(value_of(s, "SELECT accuracy" AT "1024"), "(none)");
  ck_near(number_of(s, "SELECT count(*) FROM accuracy_by_budget"), 6 * (3 + 2 + 1 + 1));
#undef AT
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(percentiles_are_nearest_ranks) {
  detail err;
  store *s = tiny_store(10, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  for (int task = 0; task < 10; task++)
    tiny_sample(s, 1, task, 0, 'd', 1, 10 - task); /* milliseconds 10, 9, ... 1 */
  ck_near(number_of(s, "SELECT p50_ms FROM latency"), 5);
  ck_near(number_of(s, "SELECT p90_ms FROM latency"), 9);
  ck_near(number_of(s, "SELECT p99_ms FROM latency"), 10);
  ck_near(number_of(s, "SELECT mean_ms FROM latency"), 5.5);
  ck_near(number_of(s, "SELECT mean_queued_ms FROM latency"), 1);
  ck_near(number_of(s, "SELECT sum_tokens_total FROM token_use"), 55);
  ck_near(number_of(s, "SELECT parallelism FROM token_use"), 1);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(a_condition_shows_what_its_job_asks_for) {
  detail err;
  store *s = tiny_store(3, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 2);
  tiny_samples(s, 1, "101", 10);
  tiny_sample(s, 1, 0, 1, 'd', 0, 10);
  run_sql(s, "INSERT INTO job VALUES ('small', '{}');"
             "INSERT INTO condition VALUES (9, 'small', 0, 'x', 'x', 1, 'countdown', 1, 2, '{}')");
  ck_near(number_of(s, "SELECT count(*) FROM samples WHERE job = 'j'"), 4);
  ck_near(number_of(s, "SELECT count(*) FROM samples WHERE job = 'small'"), 2);
  ck_near(number_of(s, "SELECT accuracy FROM accuracy WHERE job = 'j'"),
          0.5); /* (.5 + 0 + 1) / 3 */
  ck_near(number_of(s, "SELECT accuracy FROM accuracy WHERE job = 'small'"), 0.5); /* (1 + 0) / 2 */
  ck_assert_str_eq(value_of(s, "SELECT search || beam || limit_context FROM samples"), "apr12048");
  ck_assert_str_eq(value_of(s, "SELECT task_set || ' ' || task FROM samples WHERE job = 'small' "
                               "AND verdict = 0"),
                   "tiny@1 t1");
  ck_ok(store_close(s, &err));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("views");
  TCase *views = tcase_create("by hand");
  suite_add_tcase(suite, views);
  tcase_add_test(views, accuracy_is_a_mean_over_tasks_of_means_over_repeats);
  tcase_add_test(views, intervals_follow_the_data);
  tcase_add_test(views, clusters_widen_the_error);
  tcase_add_test(views, pairs_are_of_tasks_that_both_have);
  tcase_add_test(views, budgets_are_interpolated_at_powers_of_two);
  tcase_add_test(views, percentiles_are_nearest_ranks);
  tcase_add_test(views, a_condition_shows_what_its_job_asks_for);
  return support_run(suite);
}
