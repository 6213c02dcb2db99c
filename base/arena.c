#include "base/arena.h"

#include "base/memory.h"

#include <stdalign.h>
#include <string.h>

/* Under the address sanitizer what is not handed out may not be touched, and a gap stands behind
   every piece: what is written past its end is seen there. */
#ifndef __has_feature /* clang's word; gcc defines a macro */
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = 16 };
#define forbid(bytes, count) __asan_poison_memory_region((bytes), (count))
#define allow(bytes, count)  __asan_unpoison_memory_region((bytes), (count))
#else
enum { GAP_BYTES = 0 };
#define forbid(bytes, count) ((void)(bytes), (void)(count))
#define allow(bytes, count)  ((void)(bytes), (void)(count))
#endif

enum { BLOCK_BYTES = 64 * 1024, ALIGNMENT = alignof(max_align_t) };

typedef struct block {
  struct block *next;
  size_t capacity;
  alignas(max_align_t) unsigned char data[];
} block;

struct arena {
  block *first, *current; /* blocks before current are full, those after it are free */
  size_t used;            /* within current */
  size_t handed_out, limit;
  status failed;
};

status arena_open(arena **out, size_t limit_bytes, detail *err) {
  arena *a = memory_zeroed(1, sizeof *a);
  if (!a) return fault(err, E_MEMORY, "no memory for an arena");
  a->limit = limit_bytes;
  *out = a;
  return OK;
}

void arena_close(arena *a) {
  if (!a) return;
  for (block *b = a->first, *next; b; b = next) {
    next = b->next;
    memory_free(b);
  }
  memory_free(a);
}

/* Makes current a block with room for bytes, reusing a free one where it is large enough. Those
   that are too small go, so that what is held stays within a block of what was handed out. */
static int find_room(arena *a, size_t bytes) {
  block **link = a->current ? &a->current->next : &a->first;
  while (*link && (*link)->capacity < bytes) {
    block *small = *link;
    *link = small->next;
    memory_free(small);
  }
  if (!*link) {
    size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    block *b = memory_take(sizeof *b + capacity);
    if (!b) return 0;
    *b = (block){.capacity = capacity};
    forbid(b->data, capacity);
    *link = b;
  }
  a->current = *link;
  a->used = 0;
  return 1;
}

void *arena_take(arena *a, size_t count, size_t bytes) {
  if (bytes && count > (SIZE_MAX - ALIGNMENT - GAP_BYTES) / bytes) {
    a->failed = E_LIMIT;
    return NULL;
  }
  size_t wanted = (count * bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (wanted > a->limit - a->handed_out) {
    a->failed = E_LIMIT;
    return NULL;
  }
  size_t taken = wanted + GAP_BYTES;
  if ((!a->current || a->current->capacity - a->used < taken) && !find_room(a, taken)) {
    a->failed = E_MEMORY;
    return NULL;
  }
  void *piece = a->current->data + a->used;
  a->used += taken;
  a->handed_out += wanted;
  allow(piece, count * bytes);
  return memset(piece, 0, count * bytes);
}

char *arena_text(arena *a, const char *text, size_t bytes) {
  char *copy = arena_take(a, bytes + 1, 1);
  if (copy && bytes) memcpy(copy, text, bytes);
  return copy;
}

status arena_full(const arena *a, detail *err) {
  if (a->failed == E_LIMIT) {
    return fault(err, E_LIMIT, "more than the %zu bytes that this work may use", a->limit);
  }
  return fault(err, E_MEMORY, "no memory left");
}

void arena_reset(arena *a) {
  for (block *b = a->first; b; b = b->next)
    forbid(b->data, b->capacity);
  a->current = a->first;
  a->used = a->handed_out = 0;
  a->failed = OK;
}

size_t arena_bytes(const arena *a) {
  return a->handed_out;
}
