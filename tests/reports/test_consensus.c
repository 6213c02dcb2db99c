/* Votes over draws: by hand, against closed forms, over all subsets and over drawn ones. */
#include "reports/consensus.h"
#include "tests/support/support.h"

#include <math.h>

static hash task_of(int number) {
  return hash_of(&number, sizeof number);
}

/* cons@k of keys [draws] with these scores [keys]. */
static double votes(const int32_t *key, size_t draws, const double *score, size_t keys, size_t k) {
  detail err;
  double value;
  hash task = task_of(1);
  consensus_ballot b = {key, score, draws, keys, &task};
  ck_ok(consensus_votes(&b, &k, 1, &value, &err));
  return value;
}

static double choose(int n, int k) {
  return k < 0 || k > n ? 0 : round(exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)));
}

START_TEST(four_draws_by_hand) {
  /* a a b -, where a is right. */
  const int32_t key[] = {0, 0, 1, -1};
  const double score[] = {1, 0};
  /* One draw: a, a, b, nothing: 2 / 4. */
  ck_assert_double_eq(votes(key, 4, score, 2, 1), 0.5);
  /* aa 1, ab 1/2 twice, a- 1 twice, b- 0: 4 / 6. */
  ck_assert_double_eq_tol(votes(key, 4, score, 2, 2), 4.0 / 6, 1e-15);
  /* aab 1, aa- 1, ab- 1/2 twice: 3 / 4. */
  ck_assert_double_eq(votes(key, 4, score, 2, 3), 0.75);
  ck_assert_double_eq(votes(key, 4, score, 2, 4), 1);
}
END_TEST

START_TEST(ties_score_their_mean) {
  /* Three keys of one vote each, worth 1, 0.5 and 0: any subset of them scores its mean. */
  const int32_t three[] = {0, 1, 2};
  const double score[] = {1, 0.5, 0};
  for (size_t k = 1; k <= 3; k++)
    ck_assert_double_eq_tol(votes(three, 3, score, 3, k), 0.5, 1e-15);
  /* a a b b c: of five, a and b tie at (1 + 0.5) / 2, and c has no say. */
  const int32_t five[] = {0, 1, 2, 1, 0};
  ck_assert_double_eq(votes(five, 5, score, 3, 5), 0.75);
  /* Of four: without c 0.75; without an a 0.5, twice; without a b 1, twice. */
  ck_assert_double_eq_tol(votes(five, 5, score, 3, 4), (0.75 + 2 * 0.5 + 2 * 1) / 5, 1e-15);
}
END_TEST

START_TEST(where_nobody_votes_nothing_is_scored) {
  const int32_t none[] = {-1, -1, -1}, one[] = {-1, 0, -1};
  const double score[] = {1};
  for (size_t k = 1; k <= 3; k++) {
    ck_assert_double_eq(votes(none, 3, score, 0, k), 0);
    ck_assert_double_eq_tol(votes(one, 3, score, 1, k), (double)k / 3, 1e-15);
  }
}
END_TEST

/* Two keys, n draws, r of them right: a hypergeometric number of right votes; half of the ties. */
static double two_keys(int n, int r, int k) {
  double expected = 0;
  for (int right = 0; right <= k; right++) {
    double chance = choose(r, right) * choose(n - r, k - right) / choose(n, k);
    expected += chance * (2 * right > k ? 1 : 2 * right == k ? 0.5 : 0);
  }
  return expected;
}

START_TEST(all_subsets_of_two_keys_are_hypergeometric) {
  int32_t key[13];
  const double score[] = {0, 1};
  for (int n = 1; n <= 13; n++) {
    for (int right = 0; right <= n; right++) {
      for (int i = 0; i < n; i++)
        key[i] = i * right / n != (i + 1) * right / n; /* spread evenly */
      for (int k = 1; k <= n; k++) {
        ck_assert(!consensus_is_drawn((size_t)n, (size_t)k));
        ck_assert_double_eq_tol(votes(key, (size_t)n, score, 2, (size_t)k), two_keys(n, right, k),
                                1e-12);
      }
    }
  }
}
END_TEST

/* 10,000 draws of a chance p have the standard error sqrt(p (1 - p) / 10,000); four of them. */
START_TEST(drawn_subsets_come_near) {
  int32_t key[64];
  const double score[] = {0, 1};
  const size_t sizes[] = {1, 2, 3, 8, 16, 32, 64};
  size_t count = sizeof sizes / sizeof sizes[0], drawn = 0;
  for (int i = 0; i < 64; i++)
    key[i] = i % 16 < 7;
  for (int number = 0; number < 3; number++) {
    detail err;
    double value[7];
    hash task = task_of(number);
    consensus_ballot b = {key, score, 64, 2, &task};
    ck_ok(consensus_votes(&b, sizes, count, value, &err));
    for (size_t i = 0; i < count; i++) {
      double p = two_keys(64, 28, (int)sizes[i]), se = sqrt(p * (1 - p) / 10000);
      if (consensus_is_drawn(64, sizes[i])) {
        ck_assert_double_eq_tol(value[i], p, 4 * se);
        ck_assert_double_ne(value[i], p);
        drawn++;
      } else {
        ck_assert_double_eq_tol(value[i], p, 1e-12);
      }
    }
  }
  ck_assert_uint_eq(drawn, 3 * 4); /* C(64, 3) = 41,664; of 1, 2 and 64 there are fewer */
}
END_TEST

START_TEST(subsets_belong_to_the_task) {
  detail err;
  int32_t key[20];
  const double score[] = {0, 1, 0};
  const size_t both[] = {6, 8};
  double first[2], again[2], other[2];
  hash task = task_of(1), another = task_of(2);
  for (int i = 0; i < 20; i++)
    key[i] = i % 7 % 4 - 1;
  consensus_ballot b = {key, score, 20, 3, &task};
  ck_ok(consensus_votes(&b, both, 2, first, &err));
  ck_ok(consensus_votes(&b, both, 2, again, &err));
  ck_assert_mem_eq(first, again, sizeof first);
  b.task = &another;
  ck_ok(consensus_votes(&b, both, 2, other, &err));
  ck_assert_double_ne(first[0], other[0]);
}
END_TEST

START_TEST(how_many_subsets_there_are) {
  ck_assert(!consensus_is_drawn(16, 6)); /* 8,008 */
  ck_assert(consensus_is_drawn(16, 7));  /* 11,440 */
  ck_assert(consensus_is_drawn(16, 9));
  ck_assert(!consensus_is_drawn(16, 10));
  ck_assert(!consensus_is_drawn(10000, 1));
  ck_assert(consensus_is_drawn(10001, 1));
  ck_assert(consensus_is_drawn(1000000, 500000));
  ck_assert(!consensus_is_drawn(1000000, 1000000));
  size_t sizes[CONSENSUS_SIZES_MAX];
  ck_assert_uint_eq(consensus_sizes(0, sizes), 0);
  ck_assert_uint_eq(consensus_sizes(5, sizes), 5);
  ck_assert_uint_eq(consensus_sizes(15, sizes), 8);
  ck_assert_uint_eq(consensus_sizes(16, sizes), 9);
  ck_assert_uint_eq(sizes[8], 16);
  ck_assert_uint_eq(consensus_sizes(5000, sizes), CONSENSUS_SIZES_MAX);
  ck_assert_uint_eq(sizes[14], 1024);
}
END_TEST

START_TEST(pass_is_the_unbiased_product) {
  /* Five draws, two right: without either 3 / 5 x 2 / 4 x 1 / 3. */
  ck_assert_double_eq_tol(consensus_pass(5, 2, 1), 0.4, 1e-15);
  ck_assert_double_eq_tol(consensus_pass(5, 2, 2), 0.7, 1e-15);
  ck_assert_double_eq_tol(consensus_pass(5, 2, 3), 0.9, 1e-15);
  ck_assert_double_eq(consensus_pass(5, 2, 4), 1);
  ck_assert_double_eq(consensus_pass(5, 0, 5), 0);
  ck_assert_double_eq(consensus_pass(5, 5, 1), 1);
  for (int k = 1; k <= 12; k++) {
    double expected = 1 - choose(30 - 4, k) / choose(30, k);
    ck_assert_double_eq_tol(consensus_pass(30, 4, (size_t)k), expected, 1e-12);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("consensus");
  TCase *all = tcase_create("consensus");
  suite_add_tcase(suite, all);
  tcase_add_test(all, four_draws_by_hand);
  tcase_add_test(all, ties_score_their_mean);
  tcase_add_test(all, where_nobody_votes_nothing_is_scored);
  tcase_add_test(all, all_subsets_of_two_keys_are_hypergeometric);
  tcase_add_test(all, drawn_subsets_come_near);
  tcase_add_test(all, subsets_belong_to_the_task);
  tcase_add_test(all, how_many_subsets_there_are);
  tcase_add_test(all, pass_is_the_unbiased_product);
  return support_run(suite);
}
