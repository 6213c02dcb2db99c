/* Pages and who uses them: free ones, the order in which idle ones are given up. */
#include "engine/cache_internal.h"

int cache_room(const cache *c) {
  return c->options.pages - c->used;
}

status cache_no_room(const cache *c, int needed, detail *err) {
  return fault(err, E_LIMIT,
               "%d more pages are needed and %d can be had: segments stand on %d of the cache's "
               "%d; free or swap some, or open it with more pages",
               needed, cache_room(c), c->used, c->options.pages);
}

/* ---- idle pages ------------------------------------------------------------------------------ */

/* A page becomes idle after its children did and is used again before they are, so that it stands
   behind them in this list and the oldest page never has any. */
static void add_youngest(cache *c, int32_t page) {
  cache_page *p = &c->pages[page];
  p->older = c->youngest;
  p->younger = NONE;
  if (c->youngest != NONE) c->pages[c->youngest].younger = page;
  if (c->oldest == NONE) c->oldest = page;
  c->youngest = page;
  c->idle++;
}

static void take_out(cache *c, int32_t page) {
  cache_page *p = &c->pages[page];
  if (p->older != NONE) c->pages[p->older].younger = p->younger;
  if (p->younger != NONE) c->pages[p->younger].older = p->older;
  if (c->oldest == page) c->oldest = p->younger;
  if (c->youngest == page) c->youngest = p->older;
  c->idle--;
}

/* ---- taking and giving back ------------------------------------------------------------------ */

static int32_t free_page(cache *c) {
  if (c->free != NONE) {
    int32_t page = c->free;
    c->free = c->pages[page].younger;
    return page;
  }
  if (c->touched < c->options.pages) return c->touched++;
  REQUIRE(c->oldest != NONE);
  int32_t page = c->oldest;
  take_out(c, page);
  cache_tree_remove(c, page);
  c->counters.evicted++;
  return page;
}

int32_t cache_page_take(cache *c) {
  int32_t page = free_page(c);
  c->pages[page] =
      (cache_page){.segments = 1, .parent = NONE, .children = NONE, .low = NONE, .high = NONE};
  c->used++;
  return page;
}

void cache_page_hold(cache *c, int32_t page) {
  cache_page *p = &c->pages[page];
  if (!p->segments++) {
    REQUIRE(p->known);
    take_out(c, page);
    c->used++;
  }
}

/* Heads of pages are held by several: copies, and tails that grew alike. One that a sibling
   contains is of no use once nobody stands on it; its age passes to the sibling. */
static int is_contained(cache *c, int32_t page) {
  int common, known = c->pages[page].known;
  int32_t parent = c->pages[page].parent;
  if (known == c->options.page_keys) return 0;
  cache_tree_remove(c, page);
  int32_t like = cache_tree_match(c, parent, cache_page_tokens(c, page), known, &common);
  if (common < known) {
    cache_tree_put(c, page, parent, known);
    return 0;
  }
  if (!c->pages[like].segments) {
    take_out(c, like);
    add_youngest(c, like);
  }
  return 1;
}

void cache_page_release(cache *c, int32_t page) {
  cache_page *p = &c->pages[page];
  REQUIRE(p->segments > 0);
  if (--p->segments) return;
  c->used--;
  if (p->known && !is_contained(c, page)) {
    add_youngest(c, page);
  } else {
    p->younger = c->free;
    c->free = page;
  }
}

/* The oldest is a leaf of the tree, as where a page is taken. */
void cache_forget(cache *c) {
  while (c->oldest != NONE) {
    int32_t page = c->oldest;
    take_out(c, page);
    cache_tree_remove(c, page);
    c->pages[page].younger = c->free;
    c->free = page;
    c->counters.evicted++;
  }
}
