/* The one door to the heap. Every allocation of ours passes here, so that a test can make the n-th
   one fail and see a clear end. May be called from any thread. A size of 0 gives a valid pointer;
   a product that overflows fails. The caller owns what it gets and ends it with memory_free. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/status.h"

MUST_CHECK void *memory_take(size_t bytes);                 /* uninitialised; NULL on failure */
MUST_CHECK void *memory_zeroed(size_t count, size_t bytes); /* NULL on failure or overflow */
MUST_CHECK void *memory_grow(void *old, size_t bytes);      /* old stays valid on failure */
MUST_CHECK char *memory_copy_text(const char *text);        /* NULL on failure or for NULL */
void memory_free(void *block);                              /* NULL is a no-op */

/* How often an allocation of the calling thread has failed so far, for callers of a library that
   does not always tell: when it differs afterwards, what the library gave is not to be trusted. */
int64_t memory_failures(void);

/* Tests only. Allocations are counted from the call on, over all threads, the first as number 0.
   After: this one and every later one fail. Once: this one alone fails. A negative number ends it,
   and counting with it; INT64_MAX counts and fails none. */
void memory_fail_after(int64_t allocations);
void memory_fail_once(int64_t allocation);
int64_t memory_asked(void); /* how many were counted, those that failed included */

#endif
