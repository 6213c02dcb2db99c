/* A cache on a tiny device whose slots hold recognisable keys and values, and plain segments to
   hold it against: arrays of tokens and of what stands in each slot. */
#ifndef TESTS_ENGINE_CACHE_WORLD_H
#define TESTS_ENGINE_CACHE_WORLD_H

#include "engine/segment.h"
#include "tests/support/support.h"

enum { WORLD_KEYS = 16, WORLD_TOKENS = 160 };

typedef struct cache_world {
  const kernels *kernels;
  device *device; /* two pages more than the cache's, to compare on */
  cache *cache;
  int spare; /* the first of them */
  float *rope;
  uint64_t drawn; /* contents that are a function of no tokens */
} cache_world;

/* What a segment should be. content[i] says what slot i holds: of a causal token it is a function
   of the tokens up to it, else it is like no other. */
typedef struct plain_segment {
  segment_id id;
  int count, causal;
  uint32_t token[WORLD_TOKENS];
  uint64_t content[WORLD_TOKENS];
} plain_segment;

/* turns: a rotary table of 10000^(-2i/32); else one that turns nothing, so that a splice moves bits
   as they are. The options' pages, segments, swap_pages and share count; the rest is filled in. */
void world_open(cache_world *w, const char *backend, cache_options o, int turns);
void world_close(cache_world *w); /* after cache_check */

/* The cache's operation and the plain one. E_LIMIT leaves both as they were, which is checked;
   anything else but OK fails the test. */
status world_new(cache_world *w, plain_segment *s);
status world_find(cache_world *w, const uint32_t *tokens, int count, plain_segment *s);
status world_append(cache_world *w, plain_segment *s, const uint32_t *tokens, int count,
                    int causal); /* keys and values written, not committed */
status world_fork(cache_world *w, const plain_segment *from, int tokens, plain_segment *s);
status world_splice(cache_world *w, plain_segment *to, plain_segment *from);
status world_truncate(cache_world *w, plain_segment *s, int tokens);
status world_swap(cache_world *w, plain_segment *s, int out);
void world_free(cache_world *w, plain_segment *s);

/* Tokens of a text, [WORLD_TOKENS], until the next call: texts of other seeds have none in common.
 */
const uint32_t *world_text(uint32_t seed);
/* Appends what comes next of a text, causally, and commits it; the same with a new segment. */
void world_grow(cache_world *w, plain_segment *s, uint32_t seed, int count);
plain_segment world_grown(cache_world *w, uint32_t seed, int count);

/* Tokens, causality and, where it is in, every slot's bytes. */
void world_same(cache_world *w, const plain_segment *s);
void world_check(const cache_world *w); /* cache_check holds */

/* used, known and free pages, and slots wasted. */
void world_counts(const cache_world *w, int used, int known, int free_pages, int waste);

#endif
