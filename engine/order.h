/* The order in which waiting work is admitted: depth first over the tree of its prompts, so that
   what shares a head runs together while the head is in the cache (Zheng et al. 2024, SGLang). Of
   the branches at a node the one that holds the longest expected work comes first, so that long
   work does not end the night alone; then the one that holds what was submitted first. */
#ifndef ENGINE_ORDER_H
#define ENGINE_ORDER_H

#include <stddef.h>
#include <stdint.h>

typedef struct order_item {
  const uint32_t *tokens; /* [count] borrowed; count 0: of no prompt, a branch of its own */
  int count;
  int expected;    /* tokens that it is expected to sample */
  uint64_t number; /* of its submission; each is different */
  void *what;      /* the caller's, like the next */
  uint64_t hash;

  int best_expected; /* of the branch it is in, while order_sort runs */
  uint64_t best_number;
} order_item;

/* Bytes of scratch, aligned for any object, that sorting so many items takes. */
size_t order_scratch_bytes(int count);

/* Sorts by the tree; each token of a prompt is looked at once or twice. Takes no memory. */
void order_sort(order_item *items, int count, void *scratch);

#endif
