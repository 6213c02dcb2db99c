/* The order of admission, by hand and against a plain walk of the tree. */
#include "base/memory.h"
#include "base/random.h"
#include "engine/order.h"
#include "tests/support/support.h"

#include <string.h>

enum { ITEMS_MAX = 60, TOKENS_MAX = 8 };

static void sort(order_item *items, int count) {
  void *scratch = memory_take(order_scratch_bytes(count));
  ck_assert_ptr_nonnull(scratch);
  order_sort(items, count, scratch);
  memory_free(scratch);
}

/* Prompts are letters, so that a case can be read. */
static void check_case(const char *const *prompts, const int *expected, int count,
                       const char *wanted) {
  static uint32_t tokens[ITEMS_MAX][TOKENS_MAX];
  order_item items[ITEMS_MAX];
  char got[ITEMS_MAX + 1] = {0};
  for (int i = 0; i < count; i++) {
    int length = (int)strlen(prompts[i]);
    for (int k = 0; k < length; k++)
      tokens[i][k] = (uint32_t)prompts[i][k];
    items[i] = (order_item){tokens[i], length, expected[i], (uint64_t)i, NULL, 0, 0, 0};
  }
  sort(items, count);
  for (int i = 0; i < count; i++)
    got[i] = (char)('0' + items[i].number);
  ck_assert_str_eq(got, wanted);
}

START_TEST(test_by_hand) {
  static const int none[8] = {0};
  /* What shares a head stays together; else as submitted. */
  check_case((const char *const[]){"xa", "ya", "xb", "yb"}, none, 4, "0213");
  /* A branch is as urgent as the longest in it, and the longest in it comes first. */
  check_case((const char *const[]){"xa", "ya", "xb", "yb"}, (const int[]){1, 3, 5, 4}, 4, "2031");
  /* A prompt that is the head of others; equal prompts. */
  check_case((const char *const[]){"abc", "ab", "abd", "ab"}, none, 4, "0123");
  check_case((const char *const[]){"abc", "ab", "abd", "ab"}, (const int[]){1, 7, 2, 3}, 4, "1320");
  /* Without a prompt: each a branch of its own. */
  check_case((const char *const[]){"", "a", "", "a"}, (const int[]){1, 2, 9, 0}, 4, "2130");
  check_case((const char *const[]){"a"}, none, 1, "0");
  check_case((const char *const[]){"a"}, none, 0, "");
}
END_TEST

/* The definition: at a node, each branch's urgency is the greatest expectation in it, then its
   first number; walks branch by branch. */
static int plain_walk(const order_item *items, int count, int depth, uint64_t *out) {
  int taken[ITEMS_MAX] = {0}, written = 0;
  if (count == 1) {
    *out = items[0].number;
    return 1;
  }
  while (written < count) {
    order_item branch[ITEMS_MAX];
    int best = -1, best_expected = -1, size = 0;
    for (int i = 0; i < count; i++) {
      if (!taken[i] && items[i].expected > best_expected) best_expected = items[i].expected;
    }
    /* The branch of each item with that expectation; of those the one with the first number. */
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < count; i++) {
      if (taken[i] || items[i].expected != best_expected) continue;
      for (int k = 0; k < count; k++) {
        int together = k == i || (items[i].count > depth && items[k].count > depth &&
                                  items[i].tokens[depth] == items[k].tokens[depth]);
        if (!taken[k] && together && items[k].number < least) {
          least = items[k].number;
          best = i;
        }
      }
    }
    for (int k = 0; k < count; k++) {
      int together = k == best || (items[best].count > depth && items[k].count > depth &&
                                   items[best].tokens[depth] == items[k].tokens[depth]);
      if (taken[k] || !together) continue;
      taken[k] = 1;
      branch[size++] = items[k];
    }
    written += size == 1 ? (out[written] = branch[0].number, 1)
                         : plain_walk(branch, size, depth + 1, out + written);
  }
  return written;
}

START_TEST(test_random) {
  random_stream r = random_start((random_key){{7, 2}});
  for (int draw = 0; draw < 2000; draw++) {
    static uint32_t tokens[ITEMS_MAX][TOKENS_MAX];
    order_item items[ITEMS_MAX];
    uint64_t wanted[ITEMS_MAX];
    int count = (int)random_between(&r, 1, ITEMS_MAX);
    for (int i = 0; i < count; i++) {
      int length = (int)random_below(&r, TOKENS_MAX + 1);
      for (int k = 0; k < length; k++)
        tokens[i][k] = random_below(&r, 2);
      items[i] =
          (order_item){tokens[i], length, (int)random_below(&r, 4), (uint64_t)i, NULL, 0, 0, 0};
    }
    plain_walk(items, count, 0, wanted);
    for (int i = count - 1; i > 0; i--) { /* how they come does not matter */
      int k = (int)random_below(&r, (uint32_t)i + 1);
      order_item moved = items[i];
      items[i] = items[k];
      items[k] = moved;
    }
    sort(items, count);
    for (int i = 0; i < count; i++)
      ck_assert_msg(items[i].number == wanted[i], "draw %d: place %d holds %d, not %d", draw, i,
                    (int)items[i].number, (int)wanted[i]);
  }
}
END_TEST

/* A hundred thousand prompts with one head. */
START_TEST(test_many) {
  enum { MANY = 100000, HEAD = 64 };
  uint32_t *tokens = memory_zeroed((size_t)MANY * (HEAD + 2), sizeof *tokens);
  order_item *items = memory_zeroed(MANY, sizeof *items);
  ck_assert(tokens && items);
  for (int i = 0; i < MANY; i++) {
    uint32_t *own = tokens + (size_t)i * (HEAD + 2);
    own[HEAD] = (uint32_t)(i * 7919 % 1000);
    own[HEAD + 1] = (uint32_t)i;
    items[i] = (order_item){own, HEAD + 2, 0, (uint64_t)i, NULL, 0, 0, 0};
  }
  sort(items, MANY);
  for (int i = 1; i < MANY; i++) {
    int a = (int)items[i - 1].number, b = (int)items[i].number;
    ck_assert(a % 1000 == b % 1000 ? a < b : a % 1000 < b % 1000);
  }
  memory_free(items);
  memory_free(tokens);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("order");
  TCase *all = tcase_create("order");
  tcase_add_test(all, test_by_hand);
  tcase_add_test(all, test_random);
  tcase_add_test(all, test_many);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
