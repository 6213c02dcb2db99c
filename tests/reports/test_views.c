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
  ck_near(number_of(s, "SELECT count(*) FROM accuracy_by_budget"), 7 * (3 + 2));
  /* Beside a family that costs more, all of f costs less than 512: its costliest stands there. */
  tiny_condition(s, 4, "g", "g", 1);
  tiny_samples(s, 4, "10", 1000);
  ck_assert_str_eq(value_of(s, "SELECT kind" AT "512"), "below");
  ck_near(number_of(s, "SELECT accuracy" AT "512"), 1);
  ck_assert_str_eq(value_of(s, "SELECT family" AT "512"), "f");
  ck_assert_str_eq(value_of(s, "SELECT accuracy" AT "1024"), "(none)");
  ck_near(number_of(s, "SELECT count(*) FROM accuracy_by_budget"), 7 * (3 + 2 + 1 + 1));
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

/* ---- draws ------------------------------------------------------------------------------------
 */

/* A vote's sample with one voter for each '1' (right), '0' (wrong) or '-' (not judged). */
static void tiny_vote(store *s, int run, int task, int repeat, const char *voters) {
  tiny_sample(s, run, task, repeat, 'd', voters[0] == '1', 10);
  for (int i = 0; voters[i]; i++) {
    run_sql(
        s,
        "INSERT INTO thread (sample, ordinal, path, role, finish, bits_hash, queued_ns, "
        "started_ns, ended_ns) SELECT max(id), %d, '%d', 'voter', 'end', 0, 0, 0, 0 FROM sample",
        i, i);
    if (voters[i] == '-') continue;
    run_sql(s, "INSERT INTO verdict SELECT max(id), %d, 'countdown', 1, %c, 'r', %c FROM sample", i,
            voters[i], voters[i]);
  }
}

static void tiny_mode(store *s, int run, const char *mode, const char *parameters) {
  run_sql(s, "UPDATE run SET mode = '%s', parameters = '%s' WHERE id = %d", mode, parameters, run);
}

START_TEST(pass_at_k_is_unbiased) {
  detail err;
  store *s = tiny_store(3, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 4);
  /* Of four draws 1, 4 and 0 are right. */
  for (int repeat = 0; repeat < 4; repeat++) {
    tiny_sample(s, 1, 0, repeat, 'd', repeat == 2, 10);
    tiny_sample(s, 1, 1, repeat, repeat ? 'd' : 'c', 1, 10);
    tiny_sample(s, 1, 2, repeat, 'd', 0, 10);
  }
#define PASS(column, k) "SELECT " column " FROM pass_at_k WHERE condition = 'a' AND k = " k
  ck_assert_str_eq(value_of(s, "SELECT group_concat(k, ' ') FROM pass_at_k"), "1 2 3 4");
  ck_near(number_of(s, PASS("accuracy", "1")), (0.25 + 1 + 0) / 3);
  ck_near(number_of(s, PASS("accuracy", "2")), (0.5 + 1 + 0) / 3); /* 1 - 3/4 x 2/3 */
  ck_near(number_of(s, PASS("accuracy", "3")), (0.75 + 1 + 0) / 3);
  ck_near(number_of(s, PASS("accuracy", "4")), 2 / 3.0);
  ck_near(number_of(s, PASS("tasks", "4")), 3);
  ck_near(number_of(s, PASS("draws", "4")), 12);
  /* k = 2: deviations 0, 1/2, -1/2. */
  ck_near(number_of(s, PASS("se * se", "2")), 0.5 / (2 * 3));
  /* A task with fewer draws bounds k for all; one without any is no task of it. */
  run_sql(s, "UPDATE sample SET status = 'failed' WHERE task = 1 AND repeat = 3;"
             "DELETE FROM verdict WHERE sample IN (SELECT id FROM sample WHERE task = 3)");
  ck_assert_str_eq(value_of(s, "SELECT group_concat(k, ' ') FROM pass_at_k"), "1 2 3");
  ck_near(number_of(s, PASS("accuracy", "3")), 1);
  ck_near(number_of(s, PASS("accuracy", "2")), (2 / 3.0 + 1) / 2); /* 1 - 2/3 x 1/2 */
  ck_near(number_of(s, PASS("tasks", "2")), 2);
  ck_near(number_of(s, PASS("draws", "2")), 7);
  ck_assert_str_eq(value_of(s, PASS("se", "3")), "NULL"); /* no spread */
  ck_ok(store_close(s, &err));
}
END_TEST

/* A sample that came to this many rounds and children; two more were asked for in vain, one of an
   unknown node. */
static void tiny_spawn(store *s, int task, int repeat, int right, int rounds, int children) {
  tiny_sample(s, 1, task, repeat, 'd', right, 10);
  run_sql(s,
          "UPDATE sample SET rounds = %d, children = %d, children_refused = 2, wait_steps = 30 "
          "WHERE id = (SELECT max(id) FROM sample);"
          "INSERT INTO thread (sample, ordinal, path, role, finish, bits_hash, queued_ns, "
          "started_ns, ended_ns) SELECT max(id), 8, '0.8', 'child', 'unknown', 0, 0, 0, 0 FROM "
          "sample; INSERT INTO thread (sample, ordinal, path, role, finish, bits_hash, queued_ns, "
          "started_ns, ended_ns) SELECT max(id), 9, '0.9', 'child', 'refused', 0, 0, 0, 0 FROM "
          "sample",
          rounds, children);
}

START_TEST(spawning_is_told_apart_by_rounds_and_children) {
  detail err;
  store *s = tiny_store(3, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 2);
  tiny_condition(s, 2, "b", "b", 1);
  tiny_mode(s, 1, "spawn_join",
            "{\"label\":{\"children\":4},\"limit\":{\"children\":5,\"rounds\":6}}");
  tiny_spawn(s, 0, 0, 1, 1, 3);
  tiny_spawn(s, 0, 1, 0, 1, 3);
  tiny_spawn(s, 1, 0, 1, 2, 5);
  tiny_spawn(s, 1, 1, 1, 0, 0);
  tiny_sample(s, 2, 0, 0, 'd', 1, 10); /* a mode that never spawns has no row */
  run_sql(s, "UPDATE run SET parameters = '{}' WHERE id = 2");
  ck_assert_str_eq(value_of(s, "SELECT group_concat(condition || rounds || children || ':' || "
                               "samples, ' ') FROM spawning"),
                   "a00:1 a13:2 a25:1");
#define SPAWNING(column) "SELECT " column " FROM spawning WHERE rounds = 1"
  ck_near(number_of(s, SPAWNING("accuracy")), 0.5);
  ck_near(number_of(s, SPAWNING("label_children")), 4);
  ck_near(number_of(s, SPAWNING("children_refused")), 4);
  ck_near(number_of(s, SPAWNING("children_unknown")), 2);
  ck_near(number_of(s, SPAWNING("wait_steps")), 30);
  ck_near(number_of(s, SPAWNING("tokens_ref")), 10);
  ck_near(number_of(s, "SELECT limit_children + 10 * limit_rounds FROM samples LIMIT 1"), 65);

  text page;
  text_open(&page, 1 << 20);
  report_options o = {0};
  ck_ok(report_text(s, &o, &page, &err));
  const char *row = strstr(text_string(&page), "Children (means a sample");
  ck_assert_ptr_nonnull(row);
  ck_assert_ptr_nonnull(strstr(row, "  a              4       2.8    1.00        4        4     30"
                                    "  100.0  50.0  100.0\n"));
  text_clear(&page);
  run_sql(s, "UPDATE run SET mode = 'serial'");
  ck_ok(report_text(s, &o, &page, &err));
  ck_assert_ptr_null(strstr(text_string(&page), "Children (means"));
  text_close(&page);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(a_vote_s_draws_are_its_voters) {
  detail err;
  store *s = tiny_store(2, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 2);
  tiny_mode(s, 1, "vote", "{\"n\":10}");
  tiny_vote(s, 1, 0, 0, "1000000000");
  tiny_vote(s, 1, 0, 1, "1000000-");
  tiny_vote(s, 1, 1, 0, "111111111");
  tiny_vote(s, 1, 1, 1, "00000000");
  /* 17 draws a task: every k to 8, then powers of two. */
  ck_assert_str_eq(value_of(s, "SELECT group_concat(k, ' ') FROM pass_at_k"), "1 2 3 4 5 6 7 8 16");
  ck_near(number_of(s, PASS("draws", "1")), 34);
  ck_near(number_of(s, PASS("accuracy", "1")), (2 / 17.0 + 9 / 17.0) / 2);
  ck_near(number_of(s, PASS("accuracy", "2")), (1 - 15 * 14 / 272.0 + 1 - 8 * 7 / 272.0) / 2);
  ck_near(number_of(s, PASS("accuracy", "16")), 1);
  /* The vote itself is a sample's verdict, which counts in accuracy and not here. */
  ck_near(number_of(s, "SELECT accuracy FROM accuracy"), 0.75);
  ck_near(number_of(s, "SELECT samples FROM accuracy"), 4);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(clusters_widen_the_error_of_draws) {
  detail err;
  const char *cluster[] = {"A", "A", "A", "", "C", "C", "D", "D"};
  store *s = tiny_store(8, cluster, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_samples(s, 1, "11101010", 10);
  ck_near(number_of(s, PASS("accuracy", "1")), 0.625);
  ck_near(number_of(s, PASS("se * se", "1")), 0.037109375); /* as in the view accuracy */
  ck_ok(store_close(s, &err));
}
END_TEST
#undef PASS

START_TEST(consensus_says_when_it_is_stale) {
  detail err;
  store *s = tiny_store(2, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_condition(s, 2, "b", "b", 2);
  tiny_mode(s, 1, "vote", "{\"n\":3}");
  tiny_vote(s, 1, 0, 0, "110");
  tiny_vote(s, 1, 1, 0, "10");
  tiny_samples(s, 2, "11", 10);
  ck_near(number_of(s, "SELECT count(*) FROM cons_at_k"), 0);
  run_sql(s, "INSERT INTO consensus VALUES ('j', 'a', 'countdown', 'canonical', 2, 0.5, 0.25, 2, 5,"
             " 'all', zeroblob(32), 0);"
             "INSERT INTO consensus VALUES ('j', 'b', 'countdown', 'literal', 1, 1, NULL, 2, 2,"
             " '10000 drawn', zeroblob(32), 0)");
#define STALE                                                                                      \
  "SELECT group_concat(stale, ' ') FROM (SELECT stale FROM cons_at_k ORDER BY condition)"
  ck_assert_str_eq(value_of(s, STALE), "0 0");
  ck_assert_str_eq(value_of(s, "SELECT kind || k || accuracy || se || tasks || draws || subsets "
                               "FROM cons_at_k WHERE condition = 'a'"),
                   "canonical20.50.2525all");
  tiny_sample(s, 2, 1, 1, 'd', 0, 10);
  ck_assert_str_eq(value_of(s, STALE), "0 1");
  run_sql(s, "DELETE FROM verdict WHERE thread = 2");
  ck_assert_str_eq(value_of(s, STALE), "1 1");
  run_sql(s, "UPDATE consensus SET draws = 4 WHERE condition = 'a'");
  ck_assert_str_eq(value_of(s, STALE), "0 1");
  run_sql(s, "UPDATE condition SET checker = 'lenient'");
  ck_assert_str_eq(value_of(s, STALE), "1 1");
  run_sql(s, "DELETE FROM condition WHERE name = 'b'");
  ck_assert_str_eq(value_of(s, STALE), "1 1");
#undef STALE
  ck_ok(store_close(s, &err));
}
END_TEST

/* ---- models -----------------------------------------------------------------------------------
 */

START_TEST(budgets_that_were_enforced_are_marked) {
  detail err;
  store *s = tiny_store(2, NULL, "[]");
  tiny_condition(s, 1, "total", "f", 1);
  tiny_condition(s, 2, "thread", "f", 1);
  tiny_condition(s, 3, "gang", "g", 1);
  tiny_mode(s, 1, "serial", "{\"limit\":{\"tokens_total\":512,\"context\":4096}}");
  tiny_mode(s, 2, "vote", "{\"limit\":{\"tokens_thread\":256,\"tokens_total\":9000}}");
  tiny_mode(s, 3, "hogwild", "{\"limit\":{\"tokens_thread\":128}}");
  tiny_samples(s, 1, "01", 100);
  tiny_samples(s, 2, "11", 200);
  tiny_samples(s, 3, "11", 300);
  run_sql(s, "UPDATE sample SET derived = 1 WHERE run = 1 AND task = 1");
#define ENFORCED(value)                                                                            \
  "SELECT group_concat(" value ", ';') FROM (SELECT * FROM accuracy_by_budget "                    \
  "WHERE kind = 'enforced' ORDER BY condition, axis)"
  ck_assert_str_eq(value_of(s, ENFORCED("condition || ' ' || axis || ' ' || budget")),
                   "thread seq_critical_path 256.0;thread tokens_total 9000.0;"
                   "total tokens_total 512.0");
  ck_assert_str_eq(value_of(s, ENFORCED("family || accuracy || ' ' || derived")),
                   "f1.0 0.0;f1.0 0.0;f0.5 0.5");
#undef ENFORCED
  ck_assert_str_eq(value_of(s, "SELECT derived FROM accuracy_by_budget WHERE kind = 'mean cost' "
                               "AND condition = 'total' AND axis = 'tokens_ref'"),
                   "0.5");
  ck_assert_str_eq(value_of(s, "SELECT count(derived) FROM accuracy_by_budget WHERE kind NOT IN "
                               "('mean cost', 'enforced')"),
                   "0");
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(latency_has_its_kinds) {
  detail err;
  store *s = tiny_store(3, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  for (int task = 0; task < 3; task++)
    tiny_sample(s, 1, task, 0, 'd', 1, 100 * (task + 1));
  /* The third was cut from another's tokens: its 300 ms measure nothing. */
  run_sql(s, "UPDATE sample SET derived = 1 WHERE task = 3");
  ck_assert_str_eq(value_of(s, "SELECT kind || samples || mean_ms || max_ms FROM latency"),
                   "batch2150.0200.0");
  /* Medians of passes: 20 of 30 20 10, 40 of 40 alone, 50 of 50 60. */
  run_sql(s, "INSERT INTO alone VALUES (1, 1, 0, 30000000, 5), (1, 1, 1, 20000000, 5), "
             "(1, 1, 2, 10000000, 5), (2, 1, 0, 40000000, 5), (3, 1, 0, 50000000, 5), "
             "(3, 1, 1, 60000000, 5)");
#define ALONE(column) "SELECT " column " FROM latency WHERE kind = 'alone'"
  ck_near(number_of(s, "SELECT count(*) FROM latency"), 2);
  ck_near(number_of(s, ALONE("samples")), 3);
  ck_near(number_of(s, ALONE("mean_ms")), 110 / 3.0);
  ck_near(number_of(s, ALONE("p50_ms")), 40);
  ck_near(number_of(s, ALONE("p99_ms")), 50);
  ck_near(number_of(s, ALONE("max_ms")), 50);
  ck_near(number_of(s, ALONE("batch_samples")), 1);
  ck_assert_str_eq(value_of(s, ALONE("mean_queued_ms")), "NULL");
  /* Of a condition that asks for fewer tasks, those alone. */
  run_sql(s, "UPDATE condition SET tasks = 2");
  ck_near(number_of(s, ALONE("mean_ms")), 30);
#undef ALONE
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(a_model_s_parameters_are_columns) {
  detail err;
  store *s = tiny_store(1, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_mode(s, 1, "vote",
            "{\"finisher\":{\"tokens\":40},\"label\":{\"tokens\":2048},\"limit\":{\"context\":4096,"
            "\"tokens_thread\":512,\"tokens_total\":8000},\"n\":16,\"sampling\":"
            "{\"temperature\":0.7}}");
  tiny_samples(s, 1, "1", 10);
#define COLUMNS                                                                                    \
  "SELECT n || ' ' || temperature || ' ' || label_tokens || ' ' || limit_context || "              \
  "' ' || limit_tokens_thread || ' ' || limit_tokens_total || ' ' || "                             \
  "finisher_tokens || ' ' || derived FROM samples"
  ck_assert_str_eq(value_of(s, COLUMNS), "16 0.7 2048 4096 512 8000 40 0");
#undef COLUMNS
  ck_assert_str_eq(value_of(s, "SELECT model FROM samples"), "NULL");
  run_sql(s, "INSERT INTO model VALUES (zeroblob(32), 'countdown', 'llama', 1, 1, 1, zeroblob(32), "
             "'{}'); UPDATE run SET model_hash = zeroblob(32), mode = 'serial', parameters = '{}'");
  ck_assert_str_eq(value_of(s, "SELECT model || mode FROM samples"), "countdownserial");
  ck_assert_str_eq(value_of(s, "SELECT coalesce(n, temperature, label_tokens, limit_context, "
                               "limit_tokens_thread, limit_tokens_total, finisher_tokens, search, "
                               "beam) FROM samples"),
                   "NULL");
  ck_ok(store_close(s, &err));
}
END_TEST

/* A question's text has no length in Llama-2 tokens and no search nodes. */
START_TEST(what_is_not_known_is_null) {
  detail err;
  store *s = tiny_store(2, NULL, "[]");
  tiny_condition(s, 1, "a", "a", 1);
  tiny_mode(s, 1, "serial", "{}");
  tiny_sample(s, 1, 0, 0, 'd', 1, 100);
  tiny_sample(s, 1, 1, 0, 'c', 0, 300);
  run_sql(s, "UPDATE sample SET tokens_ref = NULL, nodes_explored = NULL, nodes_duplicate = NULL");
  ck_assert_str_eq(value_of(s, "SELECT coalesce(tokens_ref, nodes_explored) FROM accuracy"),
                   "NULL");
  ck_near(number_of(s, "SELECT accuracy FROM accuracy"), 0.5);
  ck_near(number_of(s, "SELECT tokens_total FROM accuracy"), 200);
  ck_near(number_of(s, "SELECT flops FROM accuracy"), 200);
  ck_assert_str_eq(value_of(s, "SELECT coalesce(tokens_ref, nodes_explored, nodes_duplicate, "
                               "duplicate_share) FROM token_use"),
                   "NULL");
  ck_near(number_of(s, "SELECT tokens_total FROM token_use"), 200);
  ck_near(number_of(s, "SELECT share FROM capped"), 0.5);
  ck_near(number_of(s, "SELECT tokens_total FROM capped"), 300);
  ck_assert_str_eq(value_of(s, "SELECT group_concat(axis, ' ') FROM (SELECT DISTINCT axis FROM "
                               "accuracy_by_budget ORDER BY 1)"),
                   "flops seq_critical_path seq_critical_path_injected seq_longest_sequence "
                   "tokens_total");
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
  tcase_add_test(views, pass_at_k_is_unbiased);
  tcase_add_test(views, spawning_is_told_apart_by_rounds_and_children);
  tcase_add_test(views, a_vote_s_draws_are_its_voters);
  tcase_add_test(views, clusters_widen_the_error_of_draws);
  tcase_add_test(views, consensus_says_when_it_is_stale);
  tcase_add_test(views, budgets_that_were_enforced_are_marked);
  tcase_add_test(views, latency_has_its_kinds);
  tcase_add_test(views, a_model_s_parameters_are_columns);
  tcase_add_test(views, what_is_not_known_is_null);
  return support_run(suite);
}
