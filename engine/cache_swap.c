/* Segments in host memory: page by page in blocks of one piece that was taken at the start. */
#include "engine/cache_internal.h"

#include <string.h>

static int32_t take_block(cache *c) {
  int32_t block = c->free_blocks;
  c->swapped++;
  if (block == NONE) return c->touched_blocks++;
  c->free_blocks = c->swap_next[block];
  return block;
}

static void give_block(cache *c, int32_t block) {
  c->swapped--;
  c->swap_next[block] = c->free_blocks;
  c->free_blocks = block;
}

static unsigned char *bytes_of(const cache *c, int32_t block) {
  return c->swap + (size_t)block * c->page_bytes;
}

static uint32_t *tokens_of(const cache *c, int32_t block) {
  return c->swap_tokens + (size_t)block * (size_t)c->options.page_keys;
}

void cache_give_blocks(cache *c, segment *s) {
  const int32_t *list = cache_list(c, s);
  for (; s->pages; s->pages--)
    give_block(c, list[s->pages - 1]);
}

/* ---- out ------------------------------------------------------------------------------------- */

status segment_swap_out(cache *c, segment_id id, detail *err) {
  segment *s = cache_segment(c, id);
  int32_t *list = cache_list(c, s), pages = s->pages;
  int room = c->options.swap_pages - c->swapped;
  size_t tokens = (size_t)c->options.page_keys * sizeof *c->tokens;
  if (s->is_out) return OK;
  REQUIRE(!s->is_pending);
  if (pages > room) {
    return fault(err, E_LIMIT,
                 "%d pages cannot be swapped out: %d of the %d pages of host memory are free; "
                 "open the cache with more",
                 pages, room, c->options.swap_pages);
  }
  status failed = OK;
  for (int i = 0; i < pages; i++) {
    int32_t block = c->scratch[i] = take_block(c);
    if (!failed)
      failed = c->options.kernels->page_get(c->options.device, bytes_of(c, block), list[i], err);
    memcpy(tokens_of(c, block), cache_page_tokens(c, list[i]), tokens);
  }
  if (failed) {
    for (int i = 0; i < pages; i++)
      give_block(c, c->scratch[i]);
    return failed;
  }
  cache_release_list(c, s, 0);
  memcpy(list, c->scratch, (size_t)pages * sizeof *list);
  s->pages = pages;
  s->is_out = 1;
  s->known = 0;
  c->counters.swapped_out += pages;
  return OK;
}

/* ---- in -------------------------------------------------------------------------------------- */

/* What of a segment is still known: whole pages, and its tail where a page is exactly that. */
static known_head still_known(const cache *c, const segment *s) {
  token_run run = {.tokens = c->swap_tokens, .blocks = cache_list(c, s), .count = s->causal};
  known_head head = cache_tree_head(c, &run);
  int is_all = head.pages * c->options.page_keys + head.further_tokens == s->tokens;
  if (!is_all || !cache_further_is_whole(c, &head)) head.further = NONE;
  return head;
}

static status put_page(cache *c, segment *s, int32_t block, detail *err) {
  int32_t page = cache_page_take(c);
  size_t keys = (size_t)c->options.page_keys;
  cache_list(c, s)[s->pages++] = page;
  memcpy(c->tokens + (size_t)page * keys, tokens_of(c, block), keys * sizeof *c->tokens);
  c->counters.swapped_in++;
  return c->options.kernels->page_put(c->options.device, page, bytes_of(c, block), err);
}

status segment_swap_in(cache *c, segment_id id, detail *err) {
  segment *s = cache_segment(c, id);
  int32_t *list = cache_list(c, s), pages = s->pages;
  if (!s->is_out) return OK;
  known_head head = still_known(c, s);
  int has_tail = head.further != NONE, known = head.pages + has_tail, needed = pages - known;
  if (needed > cache_room(c) - head.idle - has_tail) return cache_no_room(c, needed, err);
  memcpy(c->scratch, list, (size_t)pages * sizeof *list);
  cache_hold_head(c, s, &head);
  if (has_tail) {
    list[s->pages++] = head.further;
    cache_page_hold(c, head.further);
  }
  status failed = OK;
  while (s->pages < pages) {
    status put = put_page(c, s, c->scratch[s->pages], err);
    if (!failed) failed = put;
  }
  for (int i = 0; i < pages; i++)
    give_block(c, c->scratch[i]);
  s->is_out = 0;
  s->known = head.pages * c->options.page_keys;
  cache_know(c, s);
  c->counters.swap_known += known;
  return failed;
}
