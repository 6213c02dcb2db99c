/* The tree of known pages: under each page, those that followed it, ordered by their tokens. */
#include "engine/cache_internal.h"

uint32_t cache_tree_priority(int32_t page) {
  uint32_t x = (uint32_t)page * 0x9e3779b1u;
  x = (x ^ x >> 15) * 0x85ebca6bu;
  return x ^ x >> 13;
}

static int common_head(const uint32_t *a, const uint32_t *b, int count) {
  int n = 0;
  while (n < count && a[n] == b[n])
    n++;
  return n;
}

int cache_tree_before(const cache *c, int32_t a, int32_t b) {
  const uint32_t *left = cache_page_tokens(c, a), *right = cache_page_tokens(c, b);
  int most_left = c->pages[a].known, most_right = c->pages[b].known;
  int shorter = most_left < most_right ? most_left : most_right;
  int common = common_head(left, right, shorter);
  if (common < shorter) return left[common] < right[common];
  return most_left != most_right ? most_left < most_right : a < b;
}

static int32_t *root_of(cache *c, int32_t parent) {
  return parent == NONE ? &c->roots : &c->pages[parent].children;
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Cuts a treap into what comes before a page and what comes after it. */
static void split(cache *c, int32_t at, int32_t page, int32_t *before, int32_t *after) {
  while (at != NONE) {
    if (cache_tree_before(c, at, page)) {
      *before = at;
      before = &c->pages[at].high;
      at = *before;
    } else {
      *after = at;
      after = &c->pages[at].low;
      at = *after;
    }
  }
  *before = *after = NONE;
}

static void join(cache *c, int32_t *to, int32_t before, int32_t after) {
  while (before != NONE && after != NONE) {
    if (cache_tree_priority(before) >= cache_tree_priority(after)) {
      *to = before;
      to = &c->pages[before].high;
      before = *to;
    } else {
      *to = after;
      to = &c->pages[after].low;
      after = *to;
    }
  }
  *to = before != NONE ? before : after;
}

void cache_tree_put(cache *c, int32_t page, int32_t parent, int tokens) {
  cache_page *p = &c->pages[page];
  uint32_t priority = cache_tree_priority(page);
  REQUIRE(!p->known && tokens > 0);
  REQUIRE(parent == NONE || c->pages[parent].known == c->options.page_keys);
  p->known = tokens;
  p->parent = parent;
  int32_t *at = root_of(c, parent);
  while (*at != NONE && cache_tree_priority(*at) >= priority)
    at = cache_tree_before(c, page, *at) ? &c->pages[*at].low : &c->pages[*at].high;
  split(c, *at, page, &p->low, &p->high);
  *at = page;
}

void cache_tree_remove(cache *c, int32_t page) {
  cache_page *p = &c->pages[page];
  REQUIRE(p->known && p->children == NONE);
  int32_t *at = root_of(c, p->parent);
  while (*at != page) {
    REQUIRE(*at != NONE);
    at = cache_tree_before(c, page, *at) ? &c->pages[*at].low : &c->pages[*at].high;
  }
  join(c, at, p->low, p->high);
  p->known = 0;
}

/* ---- looking --------------------------------------------------------------------------------- */

static int is_idle_at(const cache *c, int32_t page, int tokens) {
  return !c->pages[page].segments && c->pages[page].known == tokens;
}

/* Of ordered lists the neighbours of one have the longest common head with it, and both lie on the
   way to its place. Among equals a page that can be stood on as it is is preferred. */
int32_t cache_tree_match(const cache *c, int32_t parent, const uint32_t *tokens, int count,
                         int *common) {
  int32_t best = NONE, at = parent == NONE ? c->roots : c->pages[parent].children;
  *common = 0;
  while (at != NONE) {
    const cache_page *p = &c->pages[at];
    const uint32_t *known = cache_page_tokens(c, at);
    int shorter = count < p->known ? count : p->known;
    int same = common_head(tokens, known, shorter);
    if (same > *common || (best != NONE && same == *common && is_idle_at(c, at, same))) {
      best = at;
      *common = same;
    }
    int is_before = same < shorter ? tokens[same] < known[same] : count <= p->known;
    at = is_before ? p->low : p->high;
  }
  return best;
}

known_head cache_tree_head(const cache *c, const token_run *run) {
  int keys = c->options.page_keys;
  known_head head = {.last = NONE, .further = NONE};
  for (int rest = run->count; rest > 0; rest -= keys) {
    int common, place = run->blocks ? run->blocks[head.pages] : head.pages;
    const uint32_t *tokens = run->tokens + (size_t)place * (size_t)keys;
    int32_t page = cache_tree_match(c, head.last, tokens, rest < keys ? rest : keys, &common);
    if (common < keys) {
      head.further = page;
      head.further_tokens = common;
      break;
    }
    head.last = page;
    head.pages++;
    head.idle += !c->pages[page].segments;
  }
  return head;
}
