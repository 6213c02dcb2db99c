/* Segments: append-only lists of tokens whose keys and values stand on pages of a device's cache.

   What it is. A segment is a list of tokens; its tokens stand on pages of page_keys slots, in
   order, and its keys are rotated at their index in the segment. A *view* is an ordered list of
   segments of which a thread sees the first tokens, each placed somewhere in the view's positions;
   the thread writes to the last one. Plain text is a view of one segment at position 0; forks,
   joins and workers that read each other are views of several.

   Sharing. A segment is *causal* as long as its tokens were fed or generated in order with nothing
   else in view: what its pages hold is then a function of its tokens alone. Full pages and heads of
   pages of causal segments are found by content: a tree whose nodes are pages, each under the page
   that comes before it, holds every causal page whose tokens have been computed, also after its
   segments are freed, until the page is needed (least recently used leaves first). A node says what
   a hash of provenance would say, without collisions: the tokens are compared. What is not causal
   (views of several segments, splices, gangs) is shared by fork alone. Sharing never changes which
   index a token has, so it never changes a chunk of attention.

   Life of a token. segment_append reserves slots; the step that computes them runs; cache_commit
   makes all that was appended since the last commit known to others. Between the two, segments that
   were appended to are not forked, spliced or swapped; they may be appended to again, truncated and
   freed.

   Memory is taken by cache_open and never again. One thread at a time uses a cache: the engine's.
   Operations that need a page and find none free or evictable return E_LIMIT and change nothing. A
   wrong id, index or order of calls is the caller's bug (REQUIRE). */
#ifndef ENGINE_SEGMENT_H
#define ENGINE_SEGMENT_H

#include "kernels/kernels.h"

typedef struct cache cache;
typedef uint64_t segment_id; /* never used again; 0 names none */

/* The first `visible` tokens of a segment, standing at `position` in the view; visible -1: all that
   it has when the step runs. Keys stay rotated at their index, so the query is turned by its own
   position minus this one, which is never negative. */
typedef struct view_entry {
  segment_id segment;
  int32_t visible, position;
} view_entry;

typedef struct cache_options {
  const kernels *kernels; /* borrowed, like all here, until cache_close */
  device *device;
  int pages, page_keys; /* as the device was opened with */
  int segments;         /* most at a time */
  int tokens;           /* of the longest segment */
  int swap_pages;       /* host memory for what is swapped out, in pages; may be 0 */
  int share;            /* 0: nothing is found by content (forks still share) */
  const float *rope;    /* device memory, as in rope_append; NULL where nothing is spliced */
  int rope_positions;
} cache_options;

/* E_INPUT for options that cannot be; E_MEMORY. */
MUST_CHECK status cache_open(cache **out, const cache_options *options, detail *err);
void cache_close(cache *c); /* NULL is a no-op */
/* Bytes of host memory that cache_open takes, swap included, given the bytes of a page. */
int64_t cache_bytes(const cache_options *options, size_t page_bytes);

/* An empty segment. E_LIMIT: there are as many as there may be. */
MUST_CHECK status segment_new(cache *c, segment_id *out, detail *err);

/* A causal segment of the longest head of tokens that is stored: whole pages are shared, and of one
   further page the head is copied where a page can be had for it (or the page itself is taken, if
   nobody stands on it and it holds no more). *found: its tokens, 0 to count. E_LIMIT: as above. */
MUST_CHECK status segment_find(cache *c, const uint32_t *tokens, int count, segment_id *out,
                               int *found, detail *err);
/* How many tokens segment_find would find; takes nothing and makes nothing younger. */
int cache_finds(const cache *c, const uint32_t *tokens, int count);

/* Reserves slots for tokens at the end. causal: nothing but this segment is in view. A segment that
   was appended to otherwise is not causal until it is truncated to what was. E_LIMIT: no page, or
   longer than options.tokens. */
MUST_CHECK status segment_append(cache *c, segment_id s, const uint32_t *tokens, int count,
                                 int causal, detail *err);

/* All appended tokens have been computed. Causal pages become known; a page that has filled up and
   whose like is already known is given back, and the known one taken. */
void cache_commit(cache *c);

/* A segment whose first n tokens are those of s: whole pages shared, the head of a further one
   copied. E_LIMIT. */
MUST_CHECK status segment_fork(cache *c, segment_id s, int tokens, segment_id *out, detail *err);

/* Moves from's tokens to the end of to, where they are not causal; from is empty then. Keys are
   turned by to's length before, once (splice_args). Takes pages before it gives any back. E_LIMIT.
 */
MUST_CHECK status segment_splice(cache *c, segment_id to, segment_id from, detail *err);

/* Keeps the first n tokens. E_LIMIT where others stand on the page that n falls into and none can
   be had. */
MUST_CHECK status segment_truncate(cache *c, segment_id s, int tokens, detail *err);

/* Causal pages stay known until they are needed. */
void segment_free(cache *c, segment_id s);

/* Bytes to host memory, and the pages given back (causal pages stay known until they are needed);
   swap_in restores them bit for bit, taking known pages where they still are. A segment that is out
   can be freed, asked for its tokens and swapped in; nothing else. E_LIMIT: no host memory, no
   page. A segment that is out already, or in already, is left. */
MUST_CHECK status segment_swap_out(cache *c, segment_id s, detail *err);
MUST_CHECK status segment_swap_in(cache *c, segment_id s, detail *err);
int segment_is_in(const cache *c, segment_id s);

int segment_tokens(const cache *c, segment_id s); /* appended ones included */
int segment_is_causal(const cache *c, segment_id s);
uint32_t segment_token(const cache *c, segment_id s, int index);
/* Its pages, in order; valid until the next operation on s or cache_commit, [*count]. */
const int32_t *segment_pages(const cache *c, segment_id s, int *count);
/* page * page_keys + index in the page. */
int32_t segment_slot(const cache *c, segment_id s, int index);
/* Pages that appending would take; of a segment that is out, what that and swapping it in would
   take at most. */
int segment_pages_for(const cache *c, segment_id s, int tokens);

/* Gives up every page that no segment stands on: what is computed next finds nothing stored. */
void cache_forget(cache *c);

typedef struct cache_counters {
  int pages;       /* of the device */
  int pages_used;  /* that segments stand on */
  int pages_known; /* that no segment stands on, kept for their content: can be had */
  int pages_free;  /* the rest; used + known + free = pages */
  int swapped;     /* pages of host memory in use */
  int segments;
  int64_t slots_waste;                         /* slots of used pages that hold no token */
  int64_t copied, evicted, merged;             /* pages so far: for heads, for room, as known */
  int64_t swapped_out, swapped_in, swap_known; /* pages so far; swap_known were found, not moved */
  int64_t found_tokens, spliced_tokens;
} cache_counters;

cache_counters cache_count(const cache *c);
int cache_page_keys(const cache *c); /* slots of a page */
int cache_room(const cache *c);      /* pages that can be had: known and free ones */

/* Whether every page is accounted for exactly once and every index holds: E_INPUT names what does
   not. For tests; walks everything. */
MUST_CHECK status cache_check(const cache *c, detail *err);

#endif
