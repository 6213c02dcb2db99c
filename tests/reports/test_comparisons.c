/* Declared and exploratory comparisons: the numbers by hand, verdicts, Holm, staleness, refusals.
 */
#include "tests/reports/fixture.h"

#include <math.h>

#define OF(column, b) "SELECT " column " FROM comparison WHERE b = '" b "'"

START_TEST(plain_contrasts_and_holm) {
  detail err;
  store *s = tiny_store(20, NULL,
                        "[{\"a\":\"a\",\"b\":\"b\"},{\"a\":\"a\",\"b\":\"c\"},"
                        "{\"a\":\"a\",\"b\":\"d\",\"margin\":0.2}]");
  const char *names[] = {"a", "b", "c", "d", "e"};
  for (int i = 0; i < 5; i++)
    tiny_condition(s, i + 1, names[i], names[i], 1);
  tiny_samples(s, 1, "11111111110000000000", 10);
  tiny_samples(s, 2, "00000000110000000000", 10); /* a wins 8, loses 0 */
  tiny_samples(s, 3, "00000000011000000000", 10); /* a wins 9, loses 1 */
  tiny_samples(s, 4, "11111111110000000000", 10); /* the same */
  tiny_samples(s, 5, "00000000000000000000", 10); /* not declared */
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, "SELECT count(*) FROM comparison WHERE declared"), 3);
  /* Exact McNemar: 2 / 2^8; 22 / 2^10; 1. Holm: x 3, x 2, x 1. */
  ck_near(number_of(s, OF("p", "b")), 0.0078125);
  ck_near(number_of(s, OF("p_holm", "b")), 0.0234375);
  ck_near(number_of(s, OF("p", "c")), 0.021484375);
  ck_near(number_of(s, OF("p_holm", "c")), 0.04296875);
  ck_near(number_of(s, OF("p_holm", "d")), 1);
  ck_assert_str_eq(value_of(s, OF("verdict", "b")), "better");
  ck_assert_str_eq(value_of(s, OF("verdict", "c")), "better");
  /* No pair differs: within 3 / 20 of 0, and the margin is 0.2. */
  ck_assert_str_eq(value_of(s, OF("verdict", "d")), "equivalent");
  ck_near(number_of(s, OF("lo95", "d")), -0.15);
  ck_near(number_of(s, OF("hi95", "d")), 0.15);
  ck_near(number_of(s, OF("difference", "b")), 0.4);
  ck_near(number_of(s, OF("accuracy_a", "b")), 0.5);
  ck_near(number_of(s, OF("accuracy_b", "b")), 0.1);
  /* Eight differences of 1 and twelve of 0: squares 8 x 0.36 + 12 x 0.16 = 4.8, over 20 x 19. */
  ck_near(number_of(s, OF("se * se", "b")), 4.8 / 380);
  /* t with 19 degrees: 2.0930240544. */
  ck_assert_double_eq_tol(number_of(s, OF("lo95", "b")), 0.4 - 2.0930240544 * sqrt(4.8 / 380),
                          1e-8);
  ck_assert_ptr_nonnull(strstr(value_of(s, OF("method", "b")), "exact McNemar"));
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(what_cannot_be_told_says_what_it_takes) {
  detail err;
  store *s = tiny_store(20, NULL, "[{\"a\":\"a\",\"b\":\"b\"},{\"a\":\"b\",\"b\":\"c\"}]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_condition(s, 2, "b", "b", 1);
  tiny_condition(s, 3, "c", "c", 1);
  tiny_samples(s, 1, "11100000000000000000", 10);
  tiny_samples(s, 2, "00010000000000000000", 10);
  tiny_samples(s, 3, "00010000000000000000", 10);
  ck_ok(report_comparisons(s, "j", &err));
  /* Three wins and a loss: p = 10 / 16. The difference 0.1 has squares 3 x 0.81 + 1.21 + 16 x 0.01
     = 3.8, so se^2 = 0.01; at level 0.05 / 2, z = 2.2414027 + 0.8416212, and
     20 x (3.0830239 x 0.1 / 0.1)^2 = 190.1. */
  ck_near(number_of(s, OF("p", "b")), 0.625);
  ck_near(number_of(s, OF("p_holm", "b")), 1);
  ck_near(number_of(s, OF("se", "b")), 0.1);
  ck_assert_str_eq(value_of(s, OF("verdict", "b")), "cannot tell");
  ck_near(number_of(s, OF("tasks_needed", "b")), 191);
  /* No difference, and 20 tasks cannot show that there is none within 0.02. */
  ck_assert_str_eq(value_of(s, OF("verdict", "c")), "cannot tell");
  ck_assert_str_eq(value_of(s, OF("tasks_needed", "c")), "NULL");
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(a_failed_sample_drops_its_pair) {
  detail err;
  store *s = tiny_store(4, NULL, "[{\"a\":\"a\",\"b\":\"b\"}]");
  tiny_condition(s, 1, "a", "a", 2);
  tiny_condition(s, 2, "b", "b", 2);
  /* Repeat 0: task 1 fails in a, task 2 in b; repeat 1: task 3 is only in a. */
  tiny_samples(s, 1, "1f11", 10);
  tiny_samples(s, 2, "00f0", 10);
  for (int task = 0; task < 4; task++)
    tiny_sample(s, 1, task, 1, 'd', 1, 10);
  for (int task = 0; task < 3; task++)
    tiny_sample(s, 2, task, 1, 'd', task == 0, 10);
  ck_ok(report_comparisons(s, "j", &err));
  /* Left: task 0 (1, 1) - (0, 1) = 0.5; task 1 1 - 0; task 2 1 - 0; task 3 1 - 0. */
  ck_near(number_of(s, OF("pairs_dropped", "b")), 3);
  ck_near(number_of(s, OF("tasks", "b")), 4);
  ck_near(number_of(s, OF("difference", "b")), 0.875);
  ck_near(number_of(s, OF("accuracy_b", "b")), 0.125);
  /* Two repeats and four tasks: all signs alike, so 2 of 16 patterns. */
  ck_near(number_of(s, OF("p", "b")), 0.125);
  ck_assert_ptr_nonnull(strstr(value_of(s, OF("method", "b")), "sign flips"));
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(clusters_are_the_units) {
  detail err;
  const char *cluster[] = {"A", "A", "A", "", "C", "C", "D", "D"};
  store *s = tiny_store(8, cluster, "[{\"a\":\"a\",\"b\":\"b\"}]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_condition(s, 2, "b", "b", 1);
  tiny_samples(s, 1, "11101010", 10);
  tiny_samples(s, 2, "00000000", 10);
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, OF("se * se", "b")), 0.037109375); /* as the views' suite has it */
  /* Sums 3 0 1 1: 5 is the largest of the 8 patterns' sizes, reached twice. */
  ck_near(number_of(s, OF("p", "b")), 0.25);
  ck_assert_ptr_nonnull(strstr(value_of(s, OF("method", "b")), "4 clusters"));
  ck_ok(store_close(s, &err));
}
END_TEST

/* A family f of three conditions, and g of two, over `tasks` tasks; costs are the same for every
   task, so that weights are constant: at 150 f is half of each neighbour. */
static store *budget_store(int tasks, const char *compare) {
  store *s = tiny_store(tasks, NULL, compare);
  char scores[5][65] = {{0}};
  const int cost[] = {100, 200, 400, 100, 300};
  for (int task = 0; task < tasks; task++) {
    scores[0][task] = task % 4 == 0 ? '1' : '0';
    scores[1][task] = task % 2 == 0 ? '1' : '0';
    scores[2][task] = '1';
    scores[3][task] = task % 8 == 1 ? '1' : '0';
    scores[4][task] = task % 8 <= 1 ? '1' : '0';
  }
  const char *names[] = {"f 1", "f 2", "f 3", "g 1", "g 2"};
  for (int i = 0; i < 5; i++) {
    tiny_condition(s, i + 1, names[i], i < 3 ? "f" : "g", 1);
    tiny_samples(s, i + 1, scores[i], cost[i]);
  }
  return s;
}

#define AT(column, budget) "SELECT " column " FROM comparison WHERE budget = " budget

START_TEST(equal_budgets_are_interpolated_by_task) {
  detail err;
  store *s = budget_store(64, "[{\"a\":\"f\",\"b\":\"g\",\"axis\":\"tokens_ref\","
                              "\"at\":[150,250,350,50]}]");
  ck_ok(report_comparisons(s, "j", &err));
  /* f: 0.25, 0.5, 1 at 100, 200, 400; g: 0.125, 0.25 at 100, 300. */
  ck_near(number_of(s, AT("accuracy_a", "150")), 0.375);
  ck_near(number_of(s, AT("accuracy_b", "150")), 0.15625);
  ck_near(number_of(s, AT("difference", "150")), 0.21875);
  ck_near(number_of(s, AT("accuracy_a", "250")), 0.625);
  ck_near(number_of(s, AT("accuracy_b", "250")), 0.21875);
  /* f: 0.875 at 350; all of g costs less, and its costliest stands. */
  ck_near(number_of(s, AT("accuracy_a", "350")), 0.875);
  ck_near(number_of(s, AT("accuracy_b", "350")), 0.25);
  ck_assert_ptr_nonnull(strstr(value_of(s, AT("method", "350")), "all of b costs less"));
  ck_assert_str_eq(value_of(s, AT("difference", "50")), "NULL");
  ck_assert_str_eq(value_of(s, AT("p", "50")), "NULL");
  ck_assert_str_eq(value_of(s, AT("verdict", "50")), "cannot tell");
  ck_assert_str_eq(value_of(s, AT("method", "50")),
                   "budget too small: a costs 100 at least, b 100");
  /* With constant weights a draw is the mean of the drawn tasks' own differences, 0.5 f1 + 0.5 f2
     - 0.75 g1 - 0.25 g2, here by task modulo 8 (mean 0.21875). 2,000 draws give its standard error
     within 5 %. */
  double d[] = {0.75, -1, 0.5, 0, 1, 0, 0.5, 0}, squares = 0;
  for (int i = 0; i < 8; i++)
    squares += (d[i] - 0.21875) * (d[i] - 0.21875) / 8;
  double expected = sqrt(squares / 64);
  ck_assert_double_eq_tol(number_of(s, AT("se", "150")), expected, 0.05 * expected);
  /* The Holm family has the two budgets in range. */
  double p1 = number_of(s, AT("p", "150")), p2 = number_of(s, AT("p", "250"));
  ck_near(number_of(s, AT("p_holm", "250")), 2 * p2);
  ck_near(number_of(s, AT("p_holm", "150")), fmax(p1, 2 * p2));
  ck_assert_double_lt(p2, p1);
  ck_ok(store_close(s, &err));
}
END_TEST

/* A generic task's texts have no tokens_ref; a model may write some that have none. */
START_TEST(costs_that_are_not_known) {
  detail err;
  store *s = budget_store(64, "[{\"a\":\"f\",\"b\":\"g\",\"axis\":\"tokens_ref\",\"at\":[150]}]");
  run_sql(s, "UPDATE sample SET tokens_ref = NULL WHERE run = 1 AND task <= 16");
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, AT("pairs_dropped", "150")), 16);
  ck_near(number_of(s, AT("tasks", "150")), 48);
  ck_near(number_of(s, AT("accuracy_a", "150")), 0.375);
  run_sql(s, "UPDATE sample SET tokens_ref = NULL WHERE run = 1"); /* f has two points left */
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, AT("tasks", "150")), 64);
  ck_assert_str_eq(value_of(s, AT("method", "150")), "budget too small: a costs 200 at least");
  run_sql(s, "UPDATE sample SET tokens_ref = NULL WHERE run > 3");
  ck_ok(report_comparisons(s, "j", &err));
  ck_assert_str_eq(value_of(s, AT("method", "150")), "no sample of 'g' has a known tokens_ref");
  ck_assert_str_eq(value_of(s, AT("difference", "150")), "NULL");
  ck_assert_str_eq(value_of(s, AT("verdict", "150")), "cannot tell");
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(the_same_store_gives_the_same_rows) {
  detail err;
  int stale;
  char first[1024];
  store *s = budget_store(16, "[{\"a\":\"f\",\"b\":\"g\",\"axis\":\"tokens_ref\",\"at\":[150]}]");
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_int_eq(stale, 1); /* nothing computed yet */
  ck_ok(report_comparisons(s, "j", &err));
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_int_eq(stale, 0);
  (void)snprintf(first, sizeof first, "%s", value_of(s, AT("printf('%.17g', se)", "150")));
  run_sql(s, "UPDATE comparison SET made_unix_ns = 1");
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, AT("made_unix_ns", "150")), 1); /* true still, so not computed again */
  run_sql(s, "DELETE FROM comparison");
  ck_ok(report_comparisons(s, "j", &err));
  ck_assert_str_eq(value_of(s, AT("printf('%.17g', se)", "150")), first);
  ck_ok(store_close(s, &err));
}
END_TEST

/* Changes one thing, sees that it is noticed, and that computing again settles it. */
static void expect_stale(store *s, const char *change) {
  detail err;
  int stale;
  run_sql(s, "%s", change);
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_msg(stale == 1, "not noticed: %s", change);
  ck_ok(report_comparisons(s, "j", &err));
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_msg(stale == 0, "still stale: %s", change);
}

START_TEST(every_change_makes_rows_stale) {
  detail err;
  int stale;
  store *s = budget_store(16, "[{\"a\":\"f\",\"b\":\"g\",\"axis\":\"tokens_ref\",\"at\":[150]}]");
  tiny_condition(s, 6, "h", "h", 1);
  ck_ok(report_comparisons(s, "j", &err));
  expect_stale(s, "UPDATE verdict SET score = 1 - score, correct = 1 - correct WHERE sample = 1");
  expect_stale(s, "UPDATE sample SET status = 'failed' WHERE id = 2");
  expect_stale(s, "UPDATE sample SET tokens_ref = tokens_ref + 1 WHERE id = 3");
  expect_stale(s, "DELETE FROM sample WHERE id = 4");
  expect_stale(s, "UPDATE task SET cluster = 'A' WHERE id < 3");
  expect_stale(s, "UPDATE condition SET tasks = 15");
  expect_stale(s, "UPDATE run SET identity = randomblob(32) WHERE id = 1");
  expect_stale(s, "UPDATE job SET document = replace(document, '[150]', '[150,160]')");
  ck_near(number_of(s, "SELECT count(*) FROM comparison"), 2);
  expect_stale(s, "UPDATE job SET document = replace(document, ',160]', ']')");
  ck_near(number_of(s, "SELECT count(*) FROM comparison"), 1);
  tiny_sample(s, 6, 0, 0, 'd', 1, 10); /* of a condition that no contrast names */
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_int_eq(stale, 0);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(what_cannot_be_compared_is_refused) {
  detail err;
  store *s = budget_store(8, "[]");
  text out;
  text_open(&out, 1 << 20);
  report_options o = {0};
  double at[] = {150};
  report_contrast c = {
      .job = "j", .a = "f", .b = "g", .axis = "tokens_total", .at = at, .at_count = 1};
  ck_ok(report_compare(s, &c, &o, &out, &err));
  run_sql(s, "UPDATE run SET token_unit = 'other' WHERE id = 5");
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT, "tokens_ref or nodes_explored");
  c.axis = "nodes_explored";
  ck_ok(report_compare(s, &c, &o, &out, &err));
  c.axis = "tokens_reff";
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT, "tokens_ref");
  c.axis = "";
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT, "an axis and budgets, or neither");
  c.at_count = 0;
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT, "family 'f' has 3 conditions");
  c.a = "f 11";
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT, "did you mean 'f 1'");
  c.job = "k";
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT, "no job 'k'");
  ck_fails(report_comparisons(s, "k", &err), E_INPUT, "no job 'k'");
  c = (report_contrast){.job = "j", .a = "f 1", .b = "g 1"};
  run_sql(s, "UPDATE condition SET checker = 'countdown-lenient' WHERE id = 4");
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT, "countdown-lenient");
  run_sql(s, "UPDATE condition SET checker = 'countdown';"
             "UPDATE run SET parameters = '{\"finisher\":{\"tokens\":64}}' WHERE id = 4");
  ck_fails(report_compare(s, &c, &o, &out, &err), E_INPUT,
           "'g 1' has a finisher and 'f 1' has none; give it to both or to neither");
  run_sql(s, "UPDATE run SET parameters = '{\"finisher\":{\"text\":\"So\",\"tokens\":8}}' "
             "WHERE id = 1");
  ck_ok(report_compare(s, &c, &o, &out, &err));
  text_close(&out);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(what_is_not_declared_is_exploratory) {
  detail err;
  store *s = budget_store(16, "[{\"a\":\"f\",\"b\":\"g\",\"axis\":\"tokens_ref\",\"at\":[150]}]");
  text out;
  text_open(&out, 1 << 20);
  report_options o = {0};
  report_contrast c = {.job = "j", .a = "f 3", .b = "g 1"};
  ck_ok(report_compare(s, &c, &o, &out, &err));
  ck_assert_ptr_nonnull(strstr(text_string(&out), "exploratory"));
  ck_assert_ptr_nonnull(strstr(text_string(&out), "+87.5")); /* 1 - 2 / 16 */
  ck_near(number_of(s, OF("declared", "g 1")), 0);
  ck_near(number_of(s, OF("difference", "g 1")), 0.875);
  ck_assert_str_eq(value_of(s, OF("coalesce(p, p_holm)", "g 1")), "NULL");
  ck_assert_str_eq(value_of(s, OF("verdict", "g 1")), "NULL");
  ck_near(number_of(s, "SELECT count(*) FROM comparison WHERE declared"), 1);
  /* The declared one is shown as such, and computing the declared ones keeps the others. */
  double at[] = {150};
  c = (report_contrast){
      .job = "j", .a = "f", .b = "g", .axis = "tokens_ref", .at = at, .at_count = 1};
  text_clear(&out);
  ck_ok(report_compare(s, &c, &o, &out, &err));
  ck_assert_ptr_null(strstr(text_string(&out), "exploratory"));
  ck_assert_ptr_nonnull(strstr(text_string(&out), "Declared"));
  /* Asked the other way round it is the same question. */
  c.a = "g";
  c.b = "f";
  text_clear(&out);
  ck_ok(report_compare(s, &c, &o, &out, &err));
  ck_assert_ptr_nonnull(strstr(text_string(&out), "Declared"));
  /* With a budget that is declared and one that is not, the declared row stays what it is. */
  double both[] = {150, 160};
  c = (report_contrast){
      .job = "j", .a = "f", .b = "g", .axis = "tokens_ref", .at = both, .at_count = 2};
  text_clear(&out);
  ck_ok(report_compare(s, &c, &o, &out, &err));
  ck_near(number_of(s, "SELECT declared FROM comparison WHERE budget = 150"), 1);
  ck_near(number_of(s, "SELECT p_holm IS NOT NULL FROM comparison WHERE budget = 150"), 1);
  ck_near(number_of(s, "SELECT declared FROM comparison WHERE budget = 160"), 0);
  ck_near(number_of(s, "SELECT count(*) FROM comparison"), 3);
  /* When what was read changes, exploratory rows go, since nothing computes them again. */
  run_sql(s, "UPDATE verdict SET correct = 0, score = 0");
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, "SELECT count(*) FROM comparison WHERE NOT declared"), 0);
  text_close(&out);
  ck_ok(store_close(s, &err));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("comparisons");
  TCase *all = tcase_create("comparisons");
  suite_add_tcase(suite, all);
  tcase_add_test(all, plain_contrasts_and_holm);
  tcase_add_test(all, what_cannot_be_told_says_what_it_takes);
  tcase_add_test(all, a_failed_sample_drops_its_pair);
  tcase_add_test(all, clusters_are_the_units);
  tcase_add_test(all, equal_budgets_are_interpolated_by_task);
  tcase_add_test(all, costs_that_are_not_known);
  tcase_add_test(all, the_same_store_gives_the_same_rows);
  tcase_add_test(all, every_change_makes_rows_stale);
  tcase_add_test(all, what_cannot_be_compared_is_refused);
  tcase_add_test(all, what_is_not_declared_is_exploratory);
  return support_run(suite);
}
