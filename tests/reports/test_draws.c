/* Draws from a store: who votes, the table consensus by hand, when it is true, and its page. */
#include "base/json.h"
#include "base/memory.h"
#include "tests/reports/fixture.h"

#include <math.h>
#include <stdlib.h>

/* Four voters a task in one sample: what each means, how it is written, whether it is right. */
static const struct {
  const char *vote_key, *answer;
  int correct;
} voters[3][4] = {
    {{"a", "1+2", 1}, {"a", "2+1", 1}, {"b", "3", 0}, {"", "", 0}},
    {{"x", "4", 1}, {"y", "5", 0}, {"", "", 0}, {"y", "5", 0}},
    {{"p", "6", 0}, {"q", "7", 0}, {"p", "6", 0}, {"q", "7", 0}},
};

/* The condition "pool" of these voters, and "one" of one draw a task. */
static store *pool_store(const char *compare) {
  store *s = tiny_store(3, NULL, compare);
  tiny_condition(s, 1, "pool", "pool", 1);
  tiny_condition(s, 2, "one", "one", 1);
  tiny_model(s, 1, "vote", "{\"n\":4}");
  for (int task = 0; task < 3; task++) {
    tiny_sample(s, 1, task, 0, 'd', task == 0, 100);
    for (int i = 0; i < 4; i++)
      tiny_voter(s, i, voters[task][i].vote_key, voters[task][i].answer, voters[task][i].correct);
    tiny_sample(s, 2, task, 0, 'd', 1, 100);
  }
  return s;
}

#define OF(column, kind, k)                                                                        \
  "SELECT " column " FROM consensus WHERE condition = 'pool' AND kind = '" kind "' AND k = " k

START_TEST(voters_are_draws) {
  detail err;
  store *s = pool_store("[]");
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, "SELECT count(*) FROM consensus"), 8); /* two kinds of four; none of one */
  /* By task: a, b and nothing of four; aa 1, ab 1/2 twice, a- 1 twice, b- 0; xy 1/2 twice, x- 1. */
  ck_near(number_of(s, OF("accuracy", "canonical", "1")), (2.0 / 4 + 1.0 / 4) / 3);
  ck_near(number_of(s, OF("accuracy", "canonical", "2")), (4.0 / 6 + 2.0 / 6) / 3);
  /* aab 1, aa- 1, ab- 1/2 twice; xyy 0, xy- 1/2 twice, yy- 0. */
  ck_near(number_of(s, OF("accuracy", "canonical", "3")), (3.0 / 4 + 1.0 / 4) / 3);
  ck_near(number_of(s, OF("accuracy", "canonical", "4")), 1.0 / 3);
  /* 1, 0, 0: squares 2 / 3 over 3 x 2. */
  ck_near(number_of(s, OF("se", "canonical", "4")), 1.0 / 3);
  /* As text 1+2 and 2+1 are two: of all four draws three tie, two of them right. */
  ck_near(number_of(s, OF("accuracy", "literal", "1")), (2.0 / 4 + 1.0 / 4) / 3);
  ck_near(number_of(s, OF("accuracy", "literal", "3")), ((2.0 / 3 + 1 + 0.5 + 0.5) / 4 + 0.25) / 3);
  ck_near(number_of(s, OF("accuracy", "literal", "4")), 2.0 / 9);
  ck_near(number_of(s, OF("draws", "literal", "4")), 12);
  ck_near(number_of(s, OF("tasks", "literal", "4")), 3);
  ck_assert_str_eq(value_of(s, OF("subsets", "canonical", "2")), "all");
  ck_assert_str_eq(value_of(s, OF("checker", "canonical", "2")), "countdown");
  /* Where the vote key is the text, there is no other kind. */
  run_sql(s, "UPDATE run SET parameters = '{\"n\":4,\"vote_key\":\"literal\"}' WHERE id = 1;"
             "UPDATE verdict SET score = 1, correct = 1 WHERE sample = 1");
  ck_ok(report_comparisons(s, "j", &err));
  ck_assert_str_eq(value_of(s, "SELECT group_concat(DISTINCT kind) FROM consensus"), "literal");
  ck_ok(store_close(s, &err));
}
END_TEST

/* Repeats are draws where no thread votes: five of 16 right in one task, by 16 texts. */
START_TEST(repeats_are_draws) {
  detail err;
  store *s = tiny_store(2, NULL, "[]");
  tiny_condition(s, 1, "pool", "pool", 16);
  for (int repeat = 0; repeat < 16; repeat++) {
    int right = repeat % 3 == 0 && repeat < 15;
    tiny_sample(s, 1, 0, repeat, 'd', right, 100);
    run_sql(s, "UPDATE sample SET answer = '%d', vote_key = '%s' WHERE id = last_insert_rowid()",
            repeat, right ? "r" : "w");
    tiny_sample(s, 1, 1, repeat, repeat == 15 ? 'f' : 'd', repeat == 15 ? -1 : 0, 100);
  }
  ck_ok(report_comparisons(s, "j", &err));
  /* The second task has 15 draws, so that sizes end at 8; nobody votes in it. */
  ck_near(number_of(s, "SELECT max(k) FROM consensus"), 8);
  ck_near(number_of(s, OF("draws", "canonical", "1")), 31);
  ck_near(number_of(s, OF("accuracy", "canonical", "1")), 5.0 / 16 / 2);
  ck_near(number_of(s, OF("accuracy", "literal", "6")), 5.0 / 16 / 2); /* every vote is a tie */
  ck_assert_str_eq(value_of(s, OF("subsets", "canonical", "6")), "all");
  ck_assert_str_eq(value_of(s, OF("subsets", "canonical", "7")), "10000 drawn");
  /* At least 4 right of 7: C(5,4) C(11,3) + C(5,5) C(11,2) of C(16,7). */
  double p = (5.0 * 165 + 55) / 11440, se = sqrt(p * (1 - p) / 10000);
  ck_assert_double_eq_tol(2 * number_of(s, OF("accuracy", "canonical", "7")), p, 4 * se);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(a_draw_without_a_vote_is_drawn) {
  detail err;
  store *s = pool_store("[]");
  ck_ok(report_comparisons(s, "j", &err));
  /* A vote of one is the mean score over draws, where those that do not vote have none. */
  run_sql(s, "UPDATE verdict SET score = 0.5 WHERE sample = 3 AND thread = 1;"
             "UPDATE verdict SET score = 1 WHERE sample = 3 AND thread = 2"); /* it has no vote */
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, OF("accuracy", "canonical", "1")),
          number_of(s, "SELECT avg(score) FROM (SELECT avg(CASE WHEN h.vote_key IS NULL THEN 0 "
                       "ELSE v.score END) AS score FROM verdict v JOIN thread h "
                       "ON h.sample = v.sample AND h.ordinal = v.thread GROUP BY v.sample)") +
              /* all y score what the first of them does */
              0.5 / 4 / 3);
  ck_ok(store_close(s, &err));
}
END_TEST

static void expect_counted_again(store *s, const char *change) {
  detail err;
  int stale;
  run_sql(s, "%s; UPDATE consensus SET made_unix_ns = 1", change);
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_msg(stale == 1, "not noticed: %s", change);
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, "SELECT count(*) FROM consensus WHERE made_unix_ns = 1"), 0);
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_msg(stale == 0, "still stale: %s", change);
}

START_TEST(every_change_is_counted_again) {
  detail err;
  store *s = pool_store("[]");
  int stale;
  ck_ok(report_stale(s, "j", &stale, &err));
  ck_assert_int_eq(stale, 1);
  ck_ok(report_comparisons(s, "j", &err));
  run_sql(s, "UPDATE consensus SET made_unix_ns = 1");
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, "SELECT count(*) FROM consensus WHERE made_unix_ns = 1"), 8);
  expect_counted_again(s, "UPDATE verdict SET correct = 1, score = 1 WHERE sample = 5 "
                          "AND thread = 2");
  expect_counted_again(s, "UPDATE thread SET vote_key = 'q' WHERE sample = 5 AND ordinal = 0");
  expect_counted_again(s, "UPDATE thread SET answer = NULL WHERE sample = 5 AND ordinal = 0");
  expect_counted_again(s, "DELETE FROM verdict WHERE sample = 5 AND thread = 3");
  ck_near(number_of(s, "SELECT max(k) FROM consensus"), 3);
  expect_counted_again(s, "UPDATE sample SET status = 'failed' WHERE id = 5");
  ck_near(number_of(s, "SELECT max(tasks) FROM consensus"), 2);
  expect_counted_again(s, "UPDATE task SET cluster = 'A'");
  expect_counted_again(s, "DELETE FROM consensus WHERE k = 2");
  ck_near(number_of(s, "SELECT count(*) FROM consensus"), 8);
  run_sql(s, "DELETE FROM verdict WHERE thread >= 0"); /* one draw a task is left */
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, "SELECT count(*) FROM consensus"), 0);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(refused_contrasts_do_not_keep_votes_away) {
  detail err;
  store *s = pool_store("[{\"a\":\"pool\",\"b\":\"two\"}]");
  ck_fails(report_comparisons(s, "j", &err), E_INPUT, "two");
  ck_near(number_of(s, "SELECT count(*) FROM consensus"), 8);
  ck_ok(store_close(s, &err));
}
END_TEST

static void page_has(store *s, const char *piece) {
  detail err;
  text page;
  text_open(&page, 1 << 20);
  report_options o = {.job = "j"};
  ck_ok(report_text(s, &o, &page, &err));
  ck_assert_msg(strstr(text_string(&page), piece) != NULL, "no \"%s\" in:\n%s", piece,
                text_string(&page));
  text_close(&page);
}

START_TEST(a_reader_shows_what_it_cannot_keep) {
  detail err;
  /* pass: 2 and 1 and 0 of 4: 1 - (2 x 1) / (4 x 3), 1 - 1 / 2, 0. */
  const char *table = "\nSeveral draws of each task (in %, over all choices of k)\n"
                      "  condition  draws  k                 1     2     4\n"
                      "  pool           4  pass           25.0  44.4  66.7\n"
                      "                    cons           25.0  33.3  33.3\n"
                      "                    cons, literal  25.0  33.3  22.2\n"
                      "  pass: one of k is right";
  store *s = pool_store("[]");
  ck_ok(store_close(s, &err));
  for (int computed = 0; computed < 2; computed++) {
    ck_ok(store_open(&s, support_path("tiny.db"), STORE_READ, NULL, &err));
    page_has(s, table);
    ck_near(number_of(s, "SELECT count(*) FROM consensus"), computed ? 8 : 0);
    ck_ok(store_close(s, &err));
    ck_ok(store_open(&s, support_path("tiny.db"), STORE_WRITE, NULL, &err));
    ck_ok(report_comparisons(s, "j", &err));
    ck_ok(store_close(s, &err));
  }
}
END_TEST

/* What the page computes itself must be the views' own. */
START_TEST(the_views_agree) {
  detail err;
  json_t *document = NULL;
  store *s = pool_store("[]");
  text page;
  text_open(&page, 1 << 20);
  report_options o = {.json = 1};
  ck_ok(report_text(s, &o, &page, &err));
  ck_ok(json_read(&document, text_string(&page), page.bytes, "page", 1, &err));
  const json_t *job = json_array_get(json_object_get(document, "jobs"), 0);
  const json_t *cons = json_object_get(job, "cons_at_k"), *row;
  ck_assert_uint_eq(json_array_size(cons), 8);
  size_t i;
  json_array_foreach(cons, i, row) {
    ck_near(json_number_value(json_object_get(row, "stale")), 0);
    ck_near(json_number_value(json_object_get(row, "draws")), 12);
  }
  ck_assert_uint_eq(json_array_size(json_object_get(job, "pass_at_k")), 4 + 1);
  json_decref(document);
  text_close(&page);
  /* As the page has them: two of four right, one, none. */
  const char *const pass = "SELECT sum(accuracy) FROM pass_at_k WHERE condition = 'pool' AND k = ";
  const double expected[] = {0.25, 4.0 / 9, 7.0 / 12, 2.0 / 3};
  for (int k = 1; k <= 4; k++) {
    char sql[128];
    (void)snprintf(sql, sizeof sql, "%s%d", pass, k);
    ck_near(number_of(s, sql), expected[k - 1]);
  }
  run_sql(s, "DELETE FROM verdict WHERE sample = 3 AND thread = 3");
  ck_near(number_of(s, "SELECT min(stale) FROM cons_at_k"), 1);
  ck_ok(store_close(s, &err));
}
END_TEST

/* A thousand tasks of 16 draws. Draw r of task t votes for t % 7 + r % 5, and 5 is right. */
START_TEST(a_night_of_draws) {
  detail err;
  store *s = tiny_store(1, NULL, "[]");
  run_sql(s, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) "
             "INSERT INTO task (task_set, ordinal, name, hash, question, target) "
             "SELECT 1, i, 't' || i, randomblob(32), 'q', '{}' FROM n");
  tiny_condition(s, 1, "pool", "pool", 16);
  run_sql(s, "WITH RECURSIVE n (r) AS (SELECT 0 UNION ALL SELECT r + 1 FROM n WHERE r < 15) "
             "INSERT INTO sample (run, task, repeat, status, answer, vote_key, threads, children, "
             "children_refused, rounds, process, attempt, queued_ns, started_ns, ended_ns) SELECT "
             "1, t.id, r, 'done', t.ordinal %% 7 + r %% 5, t.ordinal %% 7 + r %% 5, 1, 0, 0, 0, "
             "1, 1, 0, 0, 1 FROM task t, n;"
             "INSERT INTO verdict SELECT id, -1, 'countdown', 1, vote_key = '5', 'r', "
             "vote_key = '5' FROM sample");
  ck_ok(report_comparisons(s, "j", &err));
  ck_near(number_of(s, "SELECT count(*) FROM consensus"), 18);
  ck_near(number_of(s, "SELECT min(draws) FROM consensus"), 16000);
  /* r % 5 = 0 has four of the 16 votes, the others three: with all, the 143 tasks of t % 7 = 5 are
     right. Of one draw those have 4 in 16 right, and four other residues 3. */
  ck_near(number_of(s, OF("accuracy", "canonical", "16")), 0.143);
  ck_near(number_of(s, OF("accuracy", "canonical", "1")), 143 * (4 + 4 * 3) / 16.0 / 1000);
  ck_ok(store_close(s, &err));
}
END_TEST

START_TEST(without_memory_it_fails_in_order) {
  detail err;
  store *s = pool_store("[]");
  status failed = E_MEMORY;
  int64_t allocations = 0;
  for (; failed; allocations++) {
    memory_fail_after(allocations);
    failed = report_comparisons(s, "j", &err);
    memory_fail_after(-1);
    ck_assert_msg(!failed || failed == E_MEMORY, "%s: %s", status_name(failed), err.text);
  }
  ck_assert_int_gt(allocations, 10);
  ck_near(number_of(s, "SELECT count(*) FROM consensus"), 8);
  ck_ok(store_close(s, &err));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("draws");
  TCase *all = tcase_create("draws");
  suite_add_tcase(suite, all);
  tcase_add_test(all, voters_are_draws);
  tcase_add_test(all, repeats_are_draws);
  tcase_add_test(all, a_draw_without_a_vote_is_drawn);
  tcase_add_test(all, every_change_is_counted_again);
  tcase_add_test(all, refused_contrasts_do_not_keep_votes_away);
  tcase_add_test(all, a_reader_shows_what_it_cannot_keep);
  tcase_add_test(all, the_views_agree);
  tcase_add_test(all, a_night_of_draws);
  tcase_add_test(all, without_memory_it_fails_in_order);
  return support_run(suite);
}
