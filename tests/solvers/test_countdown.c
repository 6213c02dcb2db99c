#include "solvers/countdown.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;

START_TEST(successors_in_the_published_order) {
  countdown_state from = {.count = 3, .number = {6, 3, 3}}, states[COUNTDOWN_SUCCESSORS_MAX];
  countdown_operation o[COUNTDOWN_SUCCESSORS_MAX];
  int count = countdown_successors(&from, o, states);
  static const countdown_operation wanted[] = {{6, 3, 9, '+'}, {6, 3, 18, '*'}, {6, 3, 3, '-'},
                                               {6, 3, 2, '/'}, {6, 3, 9, '+'},  {6, 3, 18, '*'},
                                               {6, 3, 3, '-'}, {6, 3, 2, '/'},  {3, 3, 6, '+'},
                                               {3, 3, 9, '*'}, {3, 3, 0, '-'},  {3, 3, 1, '/'}};
  ck_assert_int_eq(count, 12);
  for (int i = 0; i < count; i++) {
    ck_assert_int_eq(o[i].left, wanted[i].left);
    ck_assert_int_eq(o[i].right, wanted[i].right);
    ck_assert_int_eq(o[i].result, wanted[i].result);
    ck_assert_int_eq(o[i].sign, wanted[i].sign);
    ck_assert_int_eq(states[i].count, 2);
    ck_assert_int_eq(states[i].number[1], wanted[i].result);
  }
  ck_assert_int_eq(states[0].number[0], 3);
  ck_assert_int_eq(states[8].number[0], 6);
  countdown_state zero = {.count = 2, .number = {0, 5}};
  ck_assert_int_eq(countdown_successors(&zero, o, states), 3); /* nothing is divided by zero */
  countdown_state one = {.count = 1, .number = {5}};
  ck_assert_int_eq(countdown_successors(&one, o, states), 0);
}
END_TEST

/* By hashlib: SHA-256 of "countdown|" and the sorted numbers. */
START_TEST(partition_of_known_numbers) {
  static const struct {
    int64_t number[4];
    countdown_partition partition;
  } known[] = {{{18, 73, 98, 9}, COUNTDOWN_TRAIN},  {{33, 16, 64, 98}, COUNTDOWN_TRAIN},
               {{58, 61, 84, 49}, COUNTDOWN_TRAIN}, {{29, 68, 84, 4}, COUNTDOWN_DEV},
               {{27, 74, 50, 27}, COUNTDOWN_DEV},   {{39, 66, 96, 41}, COUNTDOWN_DEV},
               {{21, 58, 91, 65}, COUNTDOWN_TEST},  {{89, 61, 85, 46}, COUNTDOWN_TEST},
               {{64, 61, 20, 13}, COUNTDOWN_TEST}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    countdown_problem p = {.target = 24, .count = 4};
    memcpy(p.number, known[i].number, sizeof known[i].number);
    ck_assert_int_eq(countdown_partition_of(&p), known[i].partition);
    countdown_problem turned = p;
    for (int k = 0; k < 4; k++)
      turned.number[k] = p.number[3 - k];
    turned.target = 99;
    ck_assert_int_eq(countdown_partition_of(&turned), known[i].partition);
  }
}
END_TEST

static int compare_numbers(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* The sorted numbers as one number in base 1000. */
static uint64_t pack(const countdown_problem *p) {
  int64_t sorted[COUNTDOWN_NUMBERS_MAX];
  memcpy(sorted, p->number, sizeof sorted);
  qsort(sorted, (size_t)p->count, sizeof sorted[0], compare_numbers);
  uint64_t packed = 0;
  for (int i = 0; i < p->count; i++)
    packed = 1000 * packed + (uint64_t)sorted[i];
  return packed;
}

static int compare_packed(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

START_TEST(train_and_evaluation_never_share_numbers) {
  enum { TRAIN = 20000, HELD = 2000 };
  uint64_t *train = calloc(TRAIN, sizeof *train);
  countdown_problem p;
  countdown_source source = countdown_published(11, COUNTDOWN_TRAIN);
  for (int i = 0; i < TRAIN; i++) {
    ck_ok(countdown_generate(&source, (uint64_t)i, &p, &err));
    train[i] = pack(&p);
  }
  qsort(train, TRAIN, sizeof *train, compare_packed);
  for (int partition = COUNTDOWN_DEV; partition <= COUNTDOWN_TEST; partition++) {
    source = countdown_published(12, (countdown_partition)partition);
    for (int i = 0; i < HELD; i++) {
      ck_ok(countdown_generate(&source, (uint64_t)i, &p, &err));
      uint64_t packed = pack(&p);
      ck_assert_ptr_null(bsearch(&packed, train, TRAIN, sizeof packed, compare_packed));
      ck_assert_int_eq(countdown_partition_of(&p), partition);
    }
  }
  free(train);
}
END_TEST

/* Whether some way of combining all numbers reaches the target: over sets of values of splits, not
   over sequences of steps as the generator's own search. */
static int value_sets(const int64_t *numbers, int count, int64_t *out) {
  static int64_t sides[64][2][4096]; /* by mask of the top call only: small counts */
  if (count == 1) {
    out[0] = numbers[0];
    return 1;
  }
  int found = 0;
  for (int mask = 1; mask < (1 << count) - 1; mask += 2) { /* the first number is on the left */
    int64_t left[6], right[6];
    int lefts = 0, rights = 0;
    for (int i = 0; i < count; i++) {
      if (mask >> i & 1) {
        left[lefts++] = numbers[i];
      } else {
        right[rights++] = numbers[i];
      }
    }
    int64_t *a = sides[count * 8 + lefts][0], *b = sides[count * 8 + lefts][1];
    int as = value_sets(left, lefts, a), bs = value_sets(right, rights, b);
    for (int i = 0; i < as; i++) {
      for (int k = 0; k < bs; k++) {
        int64_t x = a[i], y = b[k];
        out[found++] = x + y;
        out[found++] = x * y;
        out[found++] = x > y ? x - y : y - x;
        int64_t larger = x > y ? x : y, smaller = x > y ? y : x;
        if (smaller && larger % smaller == 0) out[found++] = larger / smaller;
      }
    }
  }
  return found;
}

START_TEST(generated_problems_are_as_published) {
  countdown_source source = countdown_published(5, COUNTDOWN_TRAIN);
  static int64_t values[1 << 16];
  int64_t target_sum = 0;
  for (uint64_t i = 0; i < 2000; i++) {
    countdown_problem p;
    ck_ok(countdown_generate(&source, i, &p, &err));
    ck_assert_int_eq(p.count, 4);
    ck_assert(p.target >= 10 && p.target <= 100);
    for (int k = 0; k < 4; k++)
      ck_assert(p.number[k] >= 1 && p.number[k] <= 99);
    int count = value_sets(p.number, 4, values), reached = 0;
    for (int k = 0; k < count; k++)
      reached |= values[k] == p.target;
    ck_assert(reached);
    target_sum += p.target;
  }
  ck_assert_int_gt(target_sum / 2000, 45); /* small targets are solvable a little more often */
  ck_assert_int_lt(target_sum / 2000, 58);
}
END_TEST

/* The same on any machine and build: a change of these problems changes every task set. */
START_TEST(generated_problems_are_pinned) {
  countdown_source source = countdown_published(42, COUNTDOWN_TEST);
  hash_parts parts;
  hash_start(&parts);
  for (uint64_t i = 0; i < 300; i++) {
    countdown_problem p;
    text t;
    text_open(&t, 1000);
    ck_ok(countdown_generate(&source, i, &p, &err));
    countdown_target(&p, &t);
    hash_part(&parts, t.data, t.bytes);
    text_close(&t);
  }
  hash h = hash_end(&parts);
  char hex[HASH_HEX_BYTES];
  ck_assert_str_eq(hash_hex(&h, hex),
                   "96ad2103c9aa45a39dd0af5020e153fcf7cdccec6ddb31cd357f542a95d7be0d");
}
END_TEST

START_TEST(held_out_targets) {
  countdown_source source = countdown_published(1, COUNTDOWN_TEST);
  source.target_min = 20;
  source.target_max = 24;
  source.hold_out[0] = 21;
  source.hold_out[1] = 23;
  source.hold_out_count = 2;
  for (uint64_t i = 0; i < 50; i++) {
    countdown_problem p;
    ck_ok(countdown_generate(&source, i, &p, &err));
    ck_assert(p.target == 20 || p.target == 22 || p.target == 24);
    source.hold_out_only = 1;
    ck_ok(countdown_generate(&source, i, &p, &err));
    ck_assert(p.target == 21 || p.target == 23);
    source.hold_out_only = 0;
  }
  source.number_max = 1;
  ck_fails(countdown_generate(&source, 0, &(countdown_problem){0}, &err), E_INPUT, "million");
}
END_TEST

START_TEST(targets_are_read_back_and_bad_ones_refused) {
  countdown_problem p = {.target = 27, .count = 4, .number = {53, 22, 31, 26}}, again;
  text t;
  text_open(&t, 1000);
  countdown_target(&p, &t);
  ck_assert_str_eq(text_string(&t), "{\"nums\":[53,22,31,26],\"target\":27}");
  ck_ok(countdown_read(&again, text_string(&t), &err));
  ck_assert_mem_eq(&again, &p, sizeof p);
  text_clear(&t);
  countdown_question(&p, &t);
  ck_assert_str_eq(text_string(&t), "Use 53, 22, 31, 26 once each with + - * / to make 27");
  text_close(&t);
  ck_fails(countdown_read(&p, "{\"nums\":[1,2]}", &err), E_INPUT, "target");
  ck_fails(countdown_read(&p, "{\"nums\":[1],\"target\":5}", &err), E_INPUT, "nums");
  ck_fails(countdown_read(&p, "{\"nums\":[1,-2],\"target\":5}", &err), E_INPUT, "nums");
  ck_fails(countdown_read(&p, "{\"nums\":[1,2.5],\"target\":5}", &err), E_INPUT, "nums");
  ck_fails(countdown_read(&p, "{\"nums\":[1,2],\"target\":1}", &err), E_INPUT, "target");
  ck_fails(countdown_read(&p, "[]", &err), E_INPUT, "target");
  ck_fails(countdown_read(&p, "{", &err), E_INPUT, "JSON");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("countdown");
  TCase *all = tcase_create("countdown");
  tcase_add_test(all, successors_in_the_published_order);
  tcase_add_test(all, partition_of_known_numbers);
  tcase_add_test(all, train_and_evaluation_never_share_numbers);
  tcase_add_test(all, generated_problems_are_as_published);
  tcase_add_test(all, generated_problems_are_pinned);
  tcase_add_test(all, held_out_targets);
  tcase_add_test(all, targets_are_read_back_and_bad_ones_refused);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
