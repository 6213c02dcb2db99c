/* Sampling on both backends: greedy, filters by hand, the distribution, and the cpu's short cuts
   against the reference's sort. */
#include "tests/kernels/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static detail err;
static const char *const backends[] = {"reference", "cpu"};

static device *opened(const char *backend) {
  device_options o = {COMPUTE_BF16, 1, 0, 1, 1, 32, 0, 16};
  device *d;
  ck_ok(kernels_find(backend)->open(&d, &o, &err));
  return d;
}

static sample_result sample_once(const char *backend, device *d, const float *logits, int count,
                                 const sample_row *row, const uint32_t *suppressed) {
  sample_result out;
  memset(&out, 0xff, sizeof out);
  sample_args a = {1, count, logits, row, suppressed, &out, NULL};
  ck_ok(kernels_find(backend)->sample(d, &a, &err));
  return out;
}

static int near(float x, double wanted) {
  return fabs((double)x - wanted) < 1e-6;
}

/* Probabilities .4 .3 .2 .1, shifted, in mixed order. */
static const float four[4] = {-2.302585093f + 7, -0.916290732f + 7, -1.609437912f + 7,
                              -1.203972804f + 7};
enum { TENTH, FOUR_TENTHS, FIFTH, THREE_TENTHS };

START_TEST(greedy_takes_the_greatest) {
  const char *backend = backends[_i];
  device *d = opened(backend);
  sample_row row = {.top_p = 0.1f, .top_k = 3, .min_p = 0.9f};
  sample_result r = sample_once(backend, d, four, 4, &row, NULL);
  ck_assert(r.token == FOUR_TENTHS && !r.broken && r.filtered_logprob == 0);
  ck_assert(near(r.logprob, log(0.4)));
  uint32_t suppressed[3] = {FIFTH, FOUR_TENTHS, FOUR_TENTHS};
  row.suppressed_first = 1, row.suppressed_count = 2;
  r = sample_once(backend, d, four, 4, &row, suppressed);
  ck_assert(r.token == THREE_TENTHS && near(r.logprob, log(0.3)));
  static const float ties[5] = {1, 3, -2, 3, 3};
  row.suppressed_count = 0;
  ck_assert_uint_eq(sample_once(backend, d, ties, 5, &row, NULL).token, 1);
  uint32_t first[1] = {1};
  row.suppressed_first = 0, row.suppressed_count = 1;
  ck_assert_uint_eq(sample_once(backend, d, ties, 5, &row, first).token, 3);
  kernels_find(backend)->close(d);
}
END_TEST

static const struct {
  float temperature;
  int top_k;
  float top_p, min_p;
  double mass[4]; /* what each id weighs where it is kept */
} filters[] = {
    {1, 0, 1, 0, {.1, .4, .2, .3}},
    {1, 2, 1, 0, {0, .4, 0, .3}},
    {1, 9, 1, 0, {.1, .4, .2, .3}},
    {1, 1, 1, 0, {0, .4, 0, 0}},
    {1, 0, .6f, 0, {0, .4, 0, .3}},
    {1, 0, .75f, 0, {0, .4, .2, .3}},
    {1, 0, .01f, 0, {0, .4, 0, 0}},
    {1, 0, .44f, 0, {0, .4, 0, .3}},
    {1, 3, .44f, 0, {0, .4, 0, 0}}, /* top_p is of what top_k kept */
    {1, 0, 1, .6f, {0, .4, 0, .3}},
    {1, 0, 1, 1, {0, .4, 0, 0}},
    {1, 0, .75f, .6f, {0, .4, 0, .3}},
    {1, 0, .38f, 0, {0, .4, 0, 0}},
    {2, 0, .38f, 0, {0, .632455532, 0, .547722558}}, /* temperature comes first */
    {2, 0, 1, 0, {.316227766, .632455532, .447213595, .547722558}},
    {.5f, 0, 1, 0, {.01, .16, .04, .09}},
};

START_TEST(filters_keep_what_they_say) {
  const char *backend = backends[_i];
  device *d = opened(backend);
  for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
    sample_row row = {.temperature = filters[f].temperature,
                      .top_k = filters[f].top_k,
                      .top_p = filters[f].top_p,
                      .min_p = filters[f].min_p};
    double total = 0;
    int drawn[4] = {0};
    for (int i = 0; i < 4; i++)
      total += filters[f].mass[i];
    for (int n = 0; n < 1000; n++) {
      row.counter = (uint64_t)n;
      sample_result r = sample_once(backend, d, four, 4, &row, NULL);
      must(!r.broken && r.token < 4);
      drawn[r.token]++;
      must_msg(near(r.filtered_logprob, log(filters[f].mass[r.token] / total)),
               "filter %zu: id %u has %g", f, r.token, (double)r.filtered_logprob);
    }
    for (int i = 0; i < 4; i++) { /* within five standard deviations */
      double p = filters[f].mass[i] / total;
      must_msg(fabs(drawn[i] - 1000 * p) <= 5 * sqrt(1000 * p * (1 - p)),
               "filter %zu: id %d drawn %d times", f, i, drawn[i]);
    }
  }
  kernels_find(backend)->close(d);
}
END_TEST

START_TEST(ties_at_an_edge_keep_the_lower_id) {
  const char *backend = backends[_i];
  device *d = opened(backend);
  static const float ties[6] = {0, 2, 1, 1, 1, 1};
  sample_row row = {.temperature = 1, .top_k = 3, .top_p = 1};
  int drawn[6] = {0};
  for (int n = 0; n < 300; n++) {
    row.counter = (uint64_t)n;
    drawn[sample_once(backend, d, ties, 6, &row, NULL).token]++;
  }
  ck_assert(drawn[1] && drawn[2] && drawn[3] && !drawn[0] && !drawn[4] && !drawn[5]);
  kernels_find(backend)->close(d);
}
END_TEST

/* 50 ids, 20,000 draws: over counters of one key, then over keys. The statistic has 49 degrees of
   freedom; 94 is exceeded once in 10,000. */
START_TEST(draws_follow_the_distribution) {
  const char *backend = backends[_i];
  enum { IDS = 50, DRAWS = 20000 };
  device *d = opened(backend);
  random_stream s = case_stream("distribution");
  float logits[IDS];
  double p[IDS], total = 0;
  for (int i = 0; i < IDS; i++) {
    logits[i] = (float)random_below(&s, 3000) * 0.001f;
    total += p[i] = exp((double)logits[i] / 0.8);
  }
  for (int by_key = 0; by_key < 2; by_key++) {
    int drawn[IDS] = {0};
    double statistic = 0;
    for (uint32_t n = 0; n < DRAWS; n++) {
      sample_row row = {.temperature = 0.8f, .top_p = 1};
      row.key = (random_key){{by_key ? n : 77, 5}};
      row.counter = by_key ? 3 : n;
      drawn[sample_once(backend, d, logits, IDS, &row, NULL).token]++;
    }
    for (int i = 0; i < IDS; i++) {
      double wanted = DRAWS * p[i] / total;
      statistic += (drawn[i] - wanted) * (drawn[i] - wanted) / wanted;
    }
    ck_assert_msg(statistic < 94, "chi-square %g", statistic);
    ck_assert_msg(statistic > 20, "chi-square %g: too even to be noise", statistic);
  }
  kernels_find(backend)->close(d);
}
END_TEST

/* The noise belongs to the place: a filter that keeps the winner does not change it. */
START_TEST(filters_share_their_noise) {
  const char *backend = backends[_i];
  device *d = opened(backend);
  random_stream s = case_stream("shared");
  float logits[200];
  int equal = 0;
  for (int n = 0; n < 300; n++) {
    for (int i = 0; i < 200; i++)
      logits[i] = (float)random_below(&s, 5000) * 0.001f;
    sample_row row = {.temperature = 1, .top_p = 1, .counter = (uint64_t)n};
    uint32_t token = sample_once(backend, d, logits, 200, &row, NULL).token;
    int rank = 0;
    for (int i = 0; i < 200; i++)
      rank += logits[i] > logits[token] || (logits[i] == logits[token] && i <= (int)token);
    row.top_k = rank;
    must(sample_once(backend, d, logits, 200, &row, NULL).token == token);
    row.counter++;
    equal += sample_once(backend, d, logits, 200, &row, NULL).token == token;
  }
  ck_assert_int_lt(equal, 100);
  kernels_find(backend)->close(d);
}
END_TEST

START_TEST(rows_without_an_answer_say_so) {
  const char *backend = backends[_i];
  device *d = opened(backend);
  static const float wrong[3] = {NAN, INFINITY, -INFINITY};
  uint32_t all[4] = {0, 1, 2, 3};
  for (int i = 0; i < 3; i++) {
    float logits[4] = {0, 1, 2, 3};
    logits[i] = wrong[i];
    for (int hot = 0; hot < 2; hot++) {
      sample_row row = {.temperature = (float)hot, .top_p = 1};
      sample_result r = sample_once(backend, d, logits, 4, &row, NULL);
      ck_assert(r.broken == 1 && r.token == 0 && r.logprob == 0 && r.filtered_logprob == 0);
    }
  }
  sample_row row = {.temperature = 1, .top_p = 1, .suppressed_count = 4};
  ck_assert_uint_eq(sample_once(backend, d, four, 4, &row, all).broken, 1);
  row.suppressed_count = 3;
  ck_assert_uint_eq(sample_once(backend, d, four, 4, &row, all).token, 3);
  kernels_find(backend)->close(d);
}
END_TEST

/* A real vocabulary: log-probabilities against double, and both backends by bytes. */
/* Rows that name their logits sample what they would sample from a copy. */
START_TEST(rows_draw_from_logits_by_name) {
  enum { IDS = 40, ROWS = 7 };
  static const int32_t from[ROWS] = {1, 0, 0, 1, 1, 0, 1};
  const char *backend = backends[_i];
  device *d = opened(backend);
  random_stream s = case_stream("names");
  float logits[2][IDS];
  sample_row rows[ROWS];
  sample_result together[ROWS];
  for (int i = 0; i < 2 * IDS; i++)
    logits[i / IDS][i % IDS] = (float)random_below(&s, 5000) * 0.001f;
  for (int r = 0; r < ROWS; r++)
    rows[r] = (sample_row){.temperature = 1, .top_p = 1, .counter = (uint64_t)r};
  sample_args a = {ROWS, IDS, logits[0], rows, NULL, together, from};
  ck_ok(kernels_find(backend)->sample(d, &a, &err));
  for (int r = 0; r < ROWS; r++) {
    sample_result alone = sample_once(backend, d, logits[from[r]], IDS, &rows[r], NULL);
    must(memcmp(&alone, &together[r], sizeof alone) == 0);
  }
  kernels_find(backend)->close(d);
}
END_TEST

START_TEST(a_large_vocabulary) {
  enum { IDS = 32003, ROWS = 60 };
  random_stream s = case_stream("vocabulary");
  float *logits = malloc(sizeof *logits * IDS * ROWS);
  sample_row rows[ROWS];
  sample_result out[2][ROWS];
  for (int i = 0; i < IDS * ROWS; i++) { /* about normal, of deviation 3 */
    float sum = 0;
    for (int j = 0; j < 6; j++)
      sum += (float)random_next(&s) * 0x1p-32f - 0.5f;
    logits[i] = sum * 4.2f;
  }
  for (int r = 0; r < ROWS; r++) {
    rows[r] = (sample_row){.temperature = r % 5 ? 0.4f * (float)(r % 4 + 1) : 0, .top_p = 1};
    if (r % 3 == 1) rows[r].top_p = 0.95f;
    if (r % 4 == 1) rows[r].top_k = 50;
    if (r % 7 == 1) rows[r].min_p = 0.05f;
    rows[r].key = (random_key){{random_next(&s), random_next(&s)}};
    rows[r].counter = random_next(&s);
  }
  for (int b = 0; b < 2; b++) {
    device *d = opened(backends[b]);
    sample_args a = {ROWS, IDS, logits, rows, NULL, out[b], NULL};
    ck_ok(kernels_find(backends[b])->sample(d, &a, &err));
    kernels_find(backends[b])->close(d);
  }
  ck_assert(memcmp(out[0], out[1], sizeof out[0]) == 0);
  for (int r = 0; r < ROWS; r++) {
    const float *z = logits + (size_t)r * IDS;
    double total = 0;
    for (int i = 0; i < IDS; i++)
      total += exp((double)z[i]);
    /* exp errs by 2^-23, and each mass by 2^-41 against a total of at least 1 */
    double bound = 0x1p-22 + IDS * 0x1p-41 + 0x1p-23 * 20;
    must(fabs((double)out[0][r].logprob - ((double)z[out[0][r].token] - log(total))) <= bound);
  }
  free(logits);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sampling");
  TCase *all = tcase_create("sampling");
  tcase_add_loop_test(all, greedy_takes_the_greatest, 0, 2);
  tcase_add_loop_test(all, filters_keep_what_they_say, 0, 2);
  tcase_add_loop_test(all, ties_at_an_edge_keep_the_lower_id, 0, 2);
  tcase_add_loop_test(all, draws_follow_the_distribution, 0, 2);
  tcase_add_loop_test(all, filters_share_their_noise, 0, 2);
  tcase_add_loop_test(all, rows_without_an_answer_say_so, 0, 2);
  tcase_add_loop_test(all, rows_draw_from_logits_by_name, 0, 2);
  tcase_add_test(all, a_large_vocabulary);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
