/* Private to the cache: what is known of a page, the tree of known pages, and who stands on what.

   A page is *used* while a segment stands on it, *known* while it is a node of the tree, *idle*
   while it is known and not used, *free* while it is neither. A segment's tail page that is not
   full is its own: nobody else stands on it, and the tree knows no more of it than the segment
   holds. So appending never copies, and what is known is never written to. */
#ifndef ENGINE_CACHE_INTERNAL_H
#define ENGINE_CACHE_INTERNAL_H

#include "engine/segment.h"

enum { NONE = -1 };

/* A node: the page's parent is the page before it in every segment that stands on it, and siblings
   are a treap (Seidel and Aragon 1996) ordered by what is known of them. */
typedef struct cache_page {
  int32_t segments;       /* that stand on it */
  int32_t known;          /* its first tokens that the tree knows; 0: it is no node */
  int32_t parent;         /* NONE: it begins a segment */
  int32_t children;       /* root of their treap; only a page known to its end has any */
  int32_t low, high;      /* below it in the treap of its siblings */
  int32_t older, younger; /* while it is idle; younger also links the free ones */
} cache_page;

typedef struct segment {
  segment_id id; /* 0: there is none here */
  uint64_t uses; /* of this place */
  int32_t next;  /* of the places that are free */
  int32_t pages; /* of its list: pages, or blocks of host memory where it is out */
  int tokens;
  int causal; /* its first tokens that are causal */
  int known;  /* its first tokens that the tree knows */
  int is_out, is_pending;
} segment;

struct cache {
  cache_options options;
  size_t page_bytes;
  cache_counters counters; /* those that only grow */

  cache_page *pages;     /* [options.pages], of which the first `touched` were ever taken */
  uint32_t *tokens;      /* [options.pages, page_keys] */
  int32_t roots;         /* the treap of pages that begin segments */
  int32_t touched, free; /* free: those that were touched and given back */
  int32_t oldest, youngest, idle; /* every child is older than its parent; idle: how many */
  int used;

  segment *segments; /* [options.segments] */
  int32_t *lists;    /* [options.segments, list_pages] */
  int list_pages;    /* of the longest segment */
  int32_t touched_segments, free_segments;
  int segment_count;
  int32_t *pending; /* [options.segments] places appended to since the last commit, in order */
  int pending_count;

  unsigned char *swap;   /* [options.swap_pages, page_bytes] */
  uint32_t *swap_tokens; /* [options.swap_pages, page_keys] */
  int32_t *swap_next;    /* [options.swap_pages] links of the free blocks */
  int32_t touched_blocks, free_blocks;
  int swapped;

  int32_t *scratch; /* [2, list_pages * page_keys] slots of a splice, blocks of a swap */
};

/* ---- cache_pages.c: who uses which page ------------------------------------------------------ */

MUST_CHECK status cache_no_room(const cache *c, int needed, detail *err); /* E_LIMIT */

/* An empty page that is used by one segment; there is room. Evicts the oldest idle page where none
   is free. */
int32_t cache_page_take(cache *c);
/* One segment more stands on a page that is used or known. */
void cache_page_hold(cache *c, int32_t page);
/* One less. A known page is kept as the youngest idle one, unless a sibling knows all that it does.
   A segment releases its last page first. */
void cache_page_release(cache *c, int32_t page);

/* ---- cache_tree.c: which tokens are known ---------------------------------------------------- */

/* Tokens page by page: one array, or page i at tokens + blocks[i] * page_keys. */
typedef struct token_run {
  const uint32_t *tokens;
  const int32_t *blocks; /* NULL: one array */
  int count;
} token_run;

/* The longest known head of a run: whole pages, then the head of a further one. */
typedef struct known_head {
  int pages;
  int32_t last; /* of them */
  int idle;     /* of them */
  int32_t further;
  int further_tokens;
} known_head;

known_head cache_tree_head(const cache *c, const token_run *run);
/* The child of a page (NONE: the pages that begin segments) with the longest common head. */
int32_t cache_tree_match(const cache *c, int32_t parent, const uint32_t *tokens, int count,
                         int *common);
/* Makes the first tokens of a page known, below its parent, or takes that back: then it has no
   children. */
void cache_tree_put(cache *c, int32_t page, int32_t parent, int tokens);
void cache_tree_remove(cache *c, int32_t page);
/* Whether a comes before b among siblings: by tokens, a head first, then by number. */
int cache_tree_before(const cache *c, int32_t a, int32_t b);
uint32_t cache_tree_priority(int32_t page); /* falls, or stays, from a treap's root down */

/* ---- segment.c ------------------------------------------------------------------------------- */

segment *cache_segment(const cache *c, segment_id s);
int32_t *cache_list(const cache *c, const segment *s); /* [pages] */
const uint32_t *cache_page_tokens(const cache *c, int32_t page);
/* Stands on the whole pages of a known head: the beginning of an empty list. */
void cache_hold_head(cache *c, segment *s, const known_head *head);
/* Whether the further page can be stood on as it is: it is idle and known no further. */
int cache_further_is_whole(const cache *c, const known_head *head);
/* Makes the tree know what is causal of a segment that has been computed. */
void cache_know(cache *c, segment *s);
void cache_release_list(cache *c, segment *s, int from); /* pages from this index on */

/* ---- cache_swap.c ---------------------------------------------------------------------------- */

void cache_give_blocks(cache *c, segment *s); /* those of a segment that is out */

#endif
