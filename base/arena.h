/* Memory that is taken in small pieces and given back at once: one arena a step, a sample, a run or
   a process. An arena belongs to one thread at a time. It never holds more than its limit. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/status.h"

typedef struct arena arena;

/* limit_bytes bounds what arena_take may hand out in sum, alignment included. E_MEMORY. */
MUST_CHECK status arena_open(arena **out, size_t limit_bytes, detail *err);
void arena_close(arena *a); /* NULL is a no-op */

/* Zeroed and aligned for any object; valid until arena_reset or arena_close. NULL when the limit
   or the memory is reached, which arena_full turns into a status. */
MUST_CHECK void *arena_take(arena *a, size_t count, size_t bytes);
MUST_CHECK char *arena_text(arena *a, const char *text, size_t bytes); /* a terminated copy */
MUST_CHECK status arena_full(const arena *a, detail *err); /* E_LIMIT or E_MEMORY, by what failed */

void arena_reset(arena *a);         /* forgets all pieces; keeps the memory for reuse */
size_t arena_bytes(const arena *a); /* handed out since the last reset */

#endif
