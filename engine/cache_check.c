/* Whether a cache is what it says: every page, block and place accounted for exactly once. Counts
   everything anew, so that it shares nothing with the code that keeps the counts. */
#include "base/memory.h"
#include "engine/cache_internal.h"

#define WRONG(...) fault(err, E_INPUT, __VA_ARGS__)

typedef struct audit {
  const cache *c;
  int32_t *stands; /* [pages] segments whose lists have the page; -1: free */
  int32_t *blocks; /* [swap_pages] */
  int32_t *nodes;  /* [pages] how often the tree has the page */
  int32_t *ranks;  /* [pages] place among the idle ones, oldest first, from 1 */
  int known;
} audit;

/* ---- segments -------------------------------------------------------------------------------- */

/* What the tree knows of a segment's pages: all that is causal, in its own order. */
static status check_known(const audit *a, const segment *s, detail *err) {
  const cache *c = a->c;
  const int32_t *list = cache_list(c, s);
  int keys = c->options.page_keys;
  for (int i = 0; i * keys < s->known; i++) {
    const cache_page *p = &c->pages[list[i]];
    int rest = s->known - i * keys;
    if (p->known < (rest < keys ? rest : keys)) {
      return WRONG("page %d of a segment is known to %d tokens, not %d", i, p->known, rest);
    }
    if (p->parent != (i ? list[i - 1] : NONE)) return WRONG("page %d has another parent", i);
  }
  return OK;
}

/* Only pages that are filled to their end are shared, and no tail is known further than it goes. */
static status check_tail(const audit *a, const segment *s, detail *err) {
  int kept = s->tokens % a->c->options.page_keys;
  if (!kept) return OK;
  const cache_page *tail = &a->c->pages[cache_list(a->c, s)[s->pages - 1]];
  if (tail->segments != 1) return WRONG("%d segments stand on a tail", tail->segments);
  if (tail->known > kept) return WRONG("a tail of %d tokens is known to %d", kept, tail->known);
  return OK;
}

static status check_segment(audit *a, int place, detail *err) {
  const cache *c = a->c;
  const segment *s = &c->segments[place];
  int keys = c->options.page_keys, places = s->is_out ? c->touched_blocks : c->touched;
  if (s->id % (uint64_t)c->options.segments != (uint64_t)place) return WRONG("an id elsewhere");
  if (s->pages != (s->tokens + keys - 1) / keys) {
    return WRONG("a segment of %d tokens has %d pages", s->tokens, s->pages);
  }
  if (s->known > s->causal || s->causal > s->tokens || s->tokens > c->options.tokens) {
    return WRONG("of %d tokens %d are causal and %d known", s->tokens, s->causal, s->known);
  }
  if (c->options.share && !s->is_out && !s->is_pending && s->known != s->causal) {
    return WRONG("of %d computed causal tokens %d are known", s->causal, s->known);
  }
  for (int i = 0; i < s->pages; i++) {
    int32_t at = cache_list(c, s)[i];
    if (at < 0 || at >= places) return WRONG("page %d of a segment is %d", i, at);
    (s->is_out ? a->blocks : a->stands)[at]++;
  }
  if (s->is_out) return OK;
  status failed = check_tail(a, s, err);
  return failed ? failed : check_known(a, s, err);
}

static status check_segments(audit *a, detail *err) {
  const cache *c = a->c;
  int count = 0, pending = 0;
  for (int i = 0; i < c->touched_segments; i++) {
    if (!c->segments[i].id) continue;
    count++;
    pending += c->segments[i].is_pending;
    status failed = check_segment(a, i, err);
    if (failed) return failed;
  }
  for (int32_t at = c->free_segments; at != NONE; at = c->segments[at].next) {
    if (c->segments[at].id || ++count > c->touched_segments) return WRONG("free segments");
  }
  if (count != c->touched_segments)
    return WRONG("%d segments are lost", c->touched_segments - count);
  for (int i = 0; i < c->pending_count; i++)
    pending -= c->segments[c->pending[i]].id && c->segments[c->pending[i]].is_pending;
  return pending ? WRONG("%d segments await a commit that they will not see", pending) : OK;
}

/* ---- the tree -------------------------------------------------------------------------------- */

static status check_node(audit *a, int32_t page, int32_t parent, detail *err) {
  const cache *c = a->c;
  const cache_page *p = &c->pages[page];
  if (page < 0 || page >= c->touched) return WRONG("a node is page %d", page);
  if (a->nodes[page]++) return WRONG("page %d is twice in the tree", page);
  if (p->parent != parent) return WRONG("page %d is under %d, not %d", page, parent, p->parent);
  if (p->known < 1 || p->known > c->options.page_keys) {
    return WRONG("page %d is known to %d tokens", page, p->known);
  }
  if (p->children != NONE && p->known < c->options.page_keys) {
    return WRONG("page %d has children and is known to %d tokens only", page, p->known);
  }
  if (p->segments && parent != NONE && !c->pages[parent].segments) {
    return WRONG("page %d is used and the page before it is not", page);
  }
  a->known++;
  return OK;
}

/* Siblings in their order; *before is the one that came last. */
static status check_siblings(audit *a, int32_t at, int32_t parent, int32_t *before, detail *err) {
  const cache *c = a->c;
  if (at == NONE) return OK;
  status failed = check_node(a, at, parent, err);
  if (!failed) failed = check_siblings(a, c->pages[at].low, parent, before, err);
  if (failed) return failed;
  const cache_page *p = &c->pages[at];
  for (int side = 0; side < 2; side++) {
    int32_t below = side ? p->high : p->low;
    if (below != NONE && cache_tree_priority(below) > cache_tree_priority(at)) {
      return WRONG("page %d is above page %d", at, below);
    }
  }
  if (*before != NONE) {
    const uint32_t *left = cache_page_tokens(c, *before), *right = cache_page_tokens(c, at);
    int keys = c->options.page_keys, same = 0;
    if (!cache_tree_before(c, *before, at)) return WRONG("pages %d, %d: order", *before, at);
    while (same < keys && left[same] == right[same])
      same++;
    if (same == keys && c->pages[*before].known == keys) {
      return WRONG("pages %d and %d are known for the same tokens", *before, at);
    }
  }
  *before = at;
  return check_siblings(a, p->high, parent, before, err);
}

static status check_tree(audit *a, detail *err) {
  const cache *c = a->c;
  int32_t before = NONE;
  int known = 0;
  status failed = check_siblings(a, c->roots, NONE, &before, err);
  for (int32_t page = 0; !failed && page < c->touched; page++) {
    before = NONE;
    if (c->pages[page].known) known++;
    if (c->pages[page].known == c->options.page_keys) {
      failed = check_siblings(a, c->pages[page].children, page, &before, err);
    }
  }
  if (!failed && known != a->known) return WRONG("%d of %d known pages", a->known, known);
  return failed;
}

/* ---- who is where ---------------------------------------------------------------------------- */

static status check_idle(audit *a, detail *err) {
  const cache *c = a->c;
  int32_t rank = 0, older = NONE;
  for (int32_t page = c->oldest; page != NONE; page = c->pages[page].younger) {
    const cache_page *p = &c->pages[page];
    if (p->older != older || p->segments || !p->known || a->ranks[page]) {
      return WRONG("page %d is not idle", page);
    }
    a->ranks[page] = ++rank;
    older = page;
  }
  if (older != c->youngest || rank != c->idle) return WRONG("%d of %d idle pages", rank, c->idle);
  for (int32_t page = 0; page < c->touched; page++) {
    int32_t parent = c->pages[page].parent;
    if (!a->ranks[page] || parent == NONE || !a->ranks[parent]) continue;
    if (a->ranks[parent] < a->ranks[page]) return WRONG("page %d outlives its parent", page);
  }
  return OK;
}

static status check_pages(audit *a, detail *err) {
  const cache *c = a->c;
  int used = 0, room = c->options.pages - c->touched;
  for (int32_t page = c->free; page != NONE; page = c->pages[page].younger) {
    if (a->stands[page] || a->nodes[page]) return WRONG("page %d is not free", page);
    a->stands[page] = -1;
    room++;
  }
  for (int32_t page = 0; page < c->touched; page++) {
    int stands = a->stands[page] < 0 ? 0 : a->stands[page];
    if (c->pages[page].segments != stands) {
      return WRONG("%d segments stand on page %d, which says %d", stands, page,
                   c->pages[page].segments);
    }
    used += stands > 0;
    if (!a->stands[page] && !a->ranks[page]) return WRONG("page %d is lost", page);
  }
  if (used != c->used) return WRONG("%d of %d used pages", used, c->used);
  if (used + room + c->idle != c->options.pages) return WRONG("%d free pages", room);
  return OK;
}

static status check_blocks(audit *a, detail *err) {
  const cache *c = a->c;
  int used = c->touched_blocks;
  for (int32_t block = c->free_blocks; block != NONE; block = c->swap_next[block]) {
    if (a->blocks[block]++) return WRONG("block %d is not free", block);
    used--;
  }
  for (int32_t block = 0; block < c->touched_blocks; block++)
    if (a->blocks[block] != 1) return WRONG("block %d is held %d times", block, a->blocks[block]);
  return used == c->swapped ? OK : WRONG("%d of %d blocks are used", used, c->swapped);
}

static status check_all(audit *a, detail *err) {
  status failed = check_segments(a, err);
  if (!failed) failed = check_tree(a, err);
  if (!failed) failed = check_idle(a, err);
  if (!failed) failed = check_pages(a, err);
  return failed ? failed : check_blocks(a, err);
}

status cache_check(const cache *c, detail *err) {
  size_t pages = (size_t)c->options.pages, blocks = (size_t)c->options.swap_pages;
  int32_t *counts = memory_zeroed(3 * pages + blocks, sizeof *counts);
  if (!counts) return fault(err, E_MEMORY, "no memory to check a cache");
  audit a = {.c = c,
             .stands = counts,
             .nodes = counts + pages,
             .ranks = counts + 2 * pages,
             .blocks = counts + 3 * pages};
  status failed = check_all(&a, err);
  memory_free(counts);
  return failed;
}
