#include "engine/order.h"

#include <string.h>

/* Items whose prompts share their first `depth` tokens, still to be ordered among themselves. */
typedef struct branch {
  int first, last, depth;
} branch;

/* One piece of memory: items to merge into, then branches; there are never more than items. */
size_t order_scratch_bytes(int count) {
  return (size_t)count * (sizeof(order_item) + sizeof(branch));
}

/* The token that tells branches apart at a depth; what ends there comes before all others. */
static int64_t token_at(const order_item *i, int depth) {
  return i->count > depth ? (int64_t)i->tokens[depth] : -1;
}

static int by_token(const order_item *a, const order_item *b, int depth) {
  int64_t x = token_at(a, depth), y = token_at(b, depth);
  return x < y || (x == y && a->number < b->number);
}

static int by_branch(const order_item *a, const order_item *b, int depth) {
  (void)depth;
  if (a->best_expected != b->best_expected) return a->best_expected > b->best_expected;
  return a->best_number < b->best_number ||
         (a->best_number == b->best_number && a->number < b->number);
}

typedef int before(const order_item *a, const order_item *b, int depth);

/* Merges runs of twice the length until one is left. */
static void merge_sort(order_item *items, int count, int depth, before *is_before,
                       order_item *scratch) {
  for (int run = 1; run < count; run *= 2) {
    for (int low = 0; low < count; low += 2 * run) {
      int middle = low + run < count ? low + run : count;
      int high = middle + run < count ? middle + run : count;
      for (int a = low, b = middle, to = low; to < high; to++) {
        int takes_b = b < high && (a == middle || is_before(&items[b], &items[a], depth));
        scratch[to] = items[takes_b ? b++ : a++];
      }
    }
    memcpy(items, scratch, (size_t)count * sizeof *items);
  }
}

/* How many tokens all items share, given that they share `depth`. */
static int shared_depth(const order_item *items, int count, int depth) {
  int most = items[0].count;
  for (int i = 1; i < count; i++) {
    int same = depth;
    while (same < most && same < items[i].count && items[i].tokens[same] == items[0].tokens[same])
      same++;
    most = same;
  }
  return most;
}

/* One branch ends where another token begins; what has no token left is a branch by itself. */
static int branch_end(const order_item *items, int first, int count, int depth) {
  int64_t token = token_at(&items[first], depth);
  int end = first + 1;
  while (token >= 0 && end < count && token_at(&items[end], depth) == token)
    end++;
  return end;
}

static void mark_branch(order_item *items, int count) {
  int expected = items[0].expected;
  uint64_t number = items[0].number;
  for (int i = 1; i < count; i++) {
    if (items[i].expected > expected) expected = items[i].expected;
    if (items[i].number < number) number = items[i].number;
  }
  for (int i = 0; i < count; i++) {
    items[i].best_expected = expected;
    items[i].best_number = number;
  }
}

void order_sort(order_item *items, int count, void *scratch) {
  order_item *spare = scratch;
  branch *left = (branch *)(void *)(spare + count);
  int branches = 0;
  if (count > 1) left[branches++] = (branch){0, count, 0};
  while (branches) {
    branch b = left[--branches];
    order_item *of = items + b.first;
    int size = b.last - b.first;
    b.depth = shared_depth(of, size, b.depth);
    merge_sort(of, size, b.depth, by_token, spare);
    for (int i = 0, end; i < size; i = end) {
      end = branch_end(of, i, size, b.depth);
      mark_branch(of + i, end - i);
    }
    merge_sort(of, size, b.depth, by_branch, spare);
    for (int i = 0, end; i < size; i = end) {
      end = branch_end(of, i, size, b.depth);
      if (end - i > 1) left[branches++] = (branch){b.first + i, b.first + end, b.depth + 1};
    }
  }
}
