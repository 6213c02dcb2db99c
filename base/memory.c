#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Allocations number first to last fail; negative: none does, and none is counted. */
static _Atomic int64_t first_failing = -1, last_failing, asked;
static _Thread_local int64_t failures;

static void fail(int64_t first, int64_t last) {
  atomic_store(&first_failing, -1);
  if (first >= 0) atomic_store(&asked, 0);
  atomic_store(&last_failing, last);
  atomic_store(&first_failing, first);
}

void memory_fail_after(int64_t allocations) {
  fail(allocations, INT64_MAX);
}

void memory_fail_once(int64_t allocation) {
  fail(allocation, allocation);
}

int64_t memory_asked(void) {
  return atomic_load(&asked);
}

static int may_allocate(void) {
  if (atomic_load_explicit(&first_failing, memory_order_relaxed) < 0) return 1;
  int64_t number = atomic_fetch_add(&asked, 1);
  return number < atomic_load(&first_failing) || number > atomic_load(&last_failing);
}

static void *counted(void *block) {
  failures += !block;
  return block;
}

int64_t memory_failures(void) {
  return failures;
}

void *memory_take(size_t bytes) {
  return counted(may_allocate() ? malloc(bytes ? bytes : 1) : NULL);
}

void *memory_zeroed(size_t count, size_t bytes) {
  return counted(may_allocate() ? calloc(count ? count : 1, bytes ? bytes : 1) : NULL);
}

void *memory_grow(void *old, size_t bytes) {
  return counted(may_allocate() ? realloc(old, bytes ? bytes : 1) : NULL);
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
