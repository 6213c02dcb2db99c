#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic int64_t allocations_left = -1; /* negative: never fail */

void memory_fail_after(int64_t allocations) {
  atomic_store(&allocations_left, allocations);
}

static int may_allocate(void) {
  if (atomic_load_explicit(&allocations_left, memory_order_relaxed) < 0) return 1;
  int64_t left = atomic_load(&allocations_left);
  while (left > 0 && !atomic_compare_exchange_weak(&allocations_left, &left, left - 1)) {
  }
  return left != 0;
}

void *memory_take(size_t bytes) {
  return may_allocate() ? malloc(bytes ? bytes : 1) : NULL;
}

void *memory_zeroed(size_t count, size_t bytes) {
  return may_allocate() ? calloc(count ? count : 1, bytes ? bytes : 1) : NULL;
}

void *memory_grow(void *old, size_t bytes) {
  return may_allocate() ? realloc(old, bytes ? bytes : 1) : NULL;
}

char *memory_copy_text(const char *text) {
  if (!text) return NULL;
  size_t bytes = strlen(text) + 1;
  char *copy = memory_take(bytes);
  if (copy) memcpy(copy, text, bytes);
  return copy;
}

void memory_free(void *block) {
  free(block);
}
