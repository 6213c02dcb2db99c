#include "engine/segment.h"

#include "engine/cache_internal.h"

#include <string.h>

static int least(int a, int b) {
  return a < b ? a : b;
}

/* ---- what a segment is ----------------------------------------------------------------------- */

segment *cache_segment(const cache *c, segment_id s) {
  segment *found = &c->segments[s % (uint64_t)c->options.segments];
  REQUIRE(s && found->id == s);
  return found;
}

static segment *segment_in(const cache *c, segment_id s) {
  segment *found = cache_segment(c, s);
  REQUIRE(!found->is_out);
  return found;
}

/* One that is in and has nothing that is still to be computed. */
static segment *segment_settled(const cache *c, segment_id s) {
  segment *found = segment_in(c, s);
  REQUIRE(!found->is_pending);
  return found;
}

int32_t *cache_list(const cache *c, const segment *s) {
  return c->lists + (size_t)(s - c->segments) * (size_t)c->list_pages;
}

static uint32_t *tokens_at(const cache *c, int32_t page) {
  return c->tokens + (size_t)page * (size_t)c->options.page_keys;
}

const uint32_t *cache_page_tokens(const cache *c, int32_t page) {
  return tokens_at(c, page);
}

static int pages_of(const cache *c, int tokens) {
  return (tokens + c->options.page_keys - 1) / c->options.page_keys;
}

int segment_is_in(const cache *c, segment_id s) {
  return !cache_segment(c, s)->is_out;
}

int segment_tokens(const cache *c, segment_id s) {
  return cache_segment(c, s)->tokens;
}

int segment_is_causal(const cache *c, segment_id s) {
  const segment *it = cache_segment(c, s);
  return it->causal == it->tokens;
}

uint32_t segment_token(const cache *c, segment_id s, int index) {
  const segment *it = cache_segment(c, s);
  REQUIRE(index >= 0 && index < it->tokens);
  size_t keys = (size_t)c->options.page_keys, in_page = (size_t)index % keys;
  size_t place = (size_t)cache_list(c, it)[(size_t)index / keys];
  return (it->is_out ? c->swap_tokens : c->tokens)[place * keys + in_page];
}

const int32_t *segment_pages(const cache *c, segment_id s, int *count) {
  const segment *it = segment_in(c, s);
  *count = it->pages;
  return cache_list(c, it);
}

int32_t segment_slot(const cache *c, segment_id s, int index) {
  const segment *it = segment_in(c, s);
  int keys = c->options.page_keys;
  REQUIRE(index >= 0 && index < it->tokens);
  return cache_list(c, it)[index / keys] * keys + index % keys;
}

int segment_pages_for(const cache *c, segment_id s, int tokens) {
  const segment *it = cache_segment(c, s);
  return pages_of(c, it->tokens + tokens) - (it->is_out ? 0 : it->pages);
}

/* ---- making and ending ----------------------------------------------------------------------- */

status segment_new(cache *c, segment_id *out, detail *err) {
  int32_t place = c->free_segments;
  if (place != NONE) {
    c->free_segments = c->segments[place].next;
  } else if (c->touched_segments < c->options.segments) {
    place = c->touched_segments++;
  } else {
    return fault(err, E_LIMIT,
                 "the cache has its %d segments: free one, or open it with more segments",
                 c->options.segments);
  }
  segment *s = &c->segments[place];
  uint64_t uses = s->uses + 1;
  *s = (segment){.id = uses * (uint64_t)c->options.segments + (uint64_t)place, .uses = uses};
  c->segment_count++;
  *out = s->id;
  return OK;
}

static void forget_pending(cache *c, segment *s) {
  int32_t place = (int32_t)(s - c->segments), kept = 0;
  if (!s->is_pending) return;
  for (int i = 0; i < c->pending_count; i++) {
    if (c->pending[i] != place) c->pending[kept++] = c->pending[i];
  }
  c->pending_count = kept;
  s->is_pending = 0;
}

void cache_release_list(cache *c, segment *s, int from) {
  const int32_t *list = cache_list(c, s);
  for (; s->pages > from; s->pages--)
    cache_page_release(c, list[s->pages - 1]);
}

void segment_free(cache *c, segment_id id) {
  segment *s = cache_segment(c, id);
  forget_pending(c, s);
  if (s->is_out) {
    cache_give_blocks(c, s);
  } else {
    cache_release_list(c, s, 0);
  }
  s->id = 0;
  s->next = c->free_segments;
  c->free_segments = (int32_t)(s - c->segments);
  c->segment_count--;
}

/* ---- knowing --------------------------------------------------------------------------------- */

/* Makes a page known as far as it is filled; a full one whose like is known is given back. */
static void know_page(cache *c, segment *s, int index, int tokens) {
  int32_t *list = cache_list(c, s), page = list[index];
  int32_t parent = index ? list[index - 1] : NONE;
  int common = 0;
  if (c->pages[page].known >= tokens) return;
  if (c->pages[page].known) cache_tree_remove(c, page);
  if (tokens == c->options.page_keys) {
    int32_t like = cache_tree_match(c, parent, tokens_at(c, page), tokens, &common);
    if (common == tokens) {
      cache_page_hold(c, like);
      cache_page_release(c, page);
      list[index] = like;
      c->counters.merged++;
      return;
    }
  }
  cache_tree_put(c, page, parent, tokens);
}

void cache_know(cache *c, segment *s) {
  int keys = c->options.page_keys;
  if (!c->options.share) return;
  for (int i = s->known / keys; i * keys < s->causal; i++)
    know_page(c, s, i, least(keys, s->causal - i * keys));
  s->known = s->causal;
}

void cache_commit(cache *c) {
  for (int i = 0; i < c->pending_count; i++) {
    segment *s = &c->segments[c->pending[i]];
    s->is_pending = 0;
    cache_know(c, s);
  }
  c->pending_count = 0;
}

/* ---- finding and forking --------------------------------------------------------------------- */

/* A page of its own with the first tokens of another, at the end of a list. There is room. */
static status add_copy(cache *c, segment *s, int32_t from, int tokens, detail *err) {
  cache_page_hold(c, from); /* so that it is not the page that is evicted */
  int32_t page = cache_page_take(c);
  cache_list(c, s)[s->pages++] = page;
  status failed = c->options.kernels->page_copy(c->options.device, page, from, err);
  memcpy(tokens_at(c, page), tokens_at(c, from), (size_t)tokens * sizeof *c->tokens);
  cache_page_release(c, from);
  c->counters.copied++;
  return failed;
}

void cache_hold_head(cache *c, segment *s, const known_head *head) {
  int32_t *list = cache_list(c, s), page = head->last;
  for (int i = head->pages - 1; i >= 0; i--) {
    list[i] = page;
    cache_page_hold(c, page);
    page = c->pages[page].parent;
  }
  s->pages = head->pages;
}

int cache_further_is_whole(const cache *c, const known_head *head) {
  if (head->further == NONE) return 0;
  const cache_page *p = &c->pages[head->further];
  return !p->segments && p->known == head->further_tokens;
}

/* Whether the head of the further page can be had: as it stands, or there is a page for a copy
   besides itself and those before it. */
static int has_further(const cache *c, const known_head *head) {
  if (head->further == NONE) return 0;
  int is_idle = !c->pages[head->further].segments;
  return cache_further_is_whole(c, head) || cache_room(c) - head->idle - is_idle > 0;
}

static known_head find_head(const cache *c, const uint32_t *tokens, int count) {
  REQUIRE(count >= 0);
  token_run run = {.tokens = tokens, .count = least(count, c->options.tokens)};
  known_head head = cache_tree_head(c, &run);
  if (!has_further(c, &head)) {
    head.further = NONE;
    head.further_tokens = 0;
  }
  return head;
}

int cache_finds(const cache *c, const uint32_t *tokens, int count) {
  known_head head = find_head(c, tokens, count);
  return head.pages * c->options.page_keys + head.further_tokens;
}

static status add_further(cache *c, segment *s, const known_head *head, detail *err) {
  if (head->further == NONE) return OK;
  if (!cache_further_is_whole(c, head)) {
    return add_copy(c, s, head->further, head->further_tokens, err);
  }
  cache_list(c, s)[s->pages++] = head->further;
  cache_page_hold(c, head->further);
  return OK;
}

status segment_find(cache *c, const uint32_t *tokens, int count, segment_id *out, int *found,
                    detail *err) {
  known_head head = find_head(c, tokens, count);
  status failed = segment_new(c, out, err);
  if (failed) return failed;
  segment *s = cache_segment(c, *out);
  cache_hold_head(c, s, &head);
  failed = add_further(c, s, &head, err);
  if (failed) {
    segment_free(c, *out);
    return failed;
  }
  s->known = head.pages * c->options.page_keys;
  s->tokens = s->causal = s->known + head.further_tokens;
  cache_know(c, s);
  c->counters.found_tokens += s->tokens;
  *found = s->tokens;
  return OK;
}

status segment_fork(cache *c, segment_id id, int tokens, segment_id *out, detail *err) {
  const segment *from = segment_settled(c, id);
  int keys = c->options.page_keys, whole = tokens / keys, further = tokens % keys;
  REQUIRE(tokens >= 0 && tokens <= from->tokens);
  if (further && !cache_room(c)) return cache_no_room(c, 1, err);
  status failed = segment_new(c, out, err);
  if (failed) return failed;
  segment *s = cache_segment(c, *out);
  const int32_t *list = cache_list(c, from);
  for (; s->pages < whole; s->pages++) {
    cache_list(c, s)[s->pages] = list[s->pages];
    cache_page_hold(c, list[s->pages]);
  }
  if (further) failed = add_copy(c, s, list[whole], further, err);
  if (failed) {
    segment_free(c, *out);
    return failed;
  }
  s->tokens = tokens;
  s->causal = least(from->causal, tokens);
  s->known = least(from->known, whole * keys);
  cache_know(c, s);
  return OK;
}

/* ---- growing --------------------------------------------------------------------------------- */

/* Pages for tokens at the end. E_LIMIT changes nothing. */
static status reserve(cache *c, segment *s, int count, detail *err) {
  int limit = c->options.tokens;
  if (count > limit - s->tokens) {
    return fault(err, E_LIMIT,
                 "a segment of %d tokens cannot take %d more: the cache was opened for %d",
                 s->tokens, count, limit);
  }
  int needed = pages_of(c, s->tokens + count) - s->pages;
  if (needed > cache_room(c)) return cache_no_room(c, needed, err);
  for (int i = 0; i < needed; i++)
    cache_list(c, s)[s->pages++] = cache_page_take(c);
  return OK;
}

static void write_token(cache *c, segment *s, uint32_t token) {
  int keys = c->options.page_keys;
  tokens_at(c, cache_list(c, s)[s->tokens / keys])[s->tokens % keys] = token;
  s->tokens++;
}

status segment_append(cache *c, segment_id id, const uint32_t *tokens, int count, int causal,
                      detail *err) {
  segment *s = segment_in(c, id);
  REQUIRE(count >= 0);
  status failed = reserve(c, s, count, err);
  if (failed || !count) return failed;
  if (causal && s->causal == s->tokens) s->causal += count;
  for (int i = 0; i < count; i++)
    write_token(c, s, tokens[i]);
  if (!s->is_pending) c->pending[c->pending_count++] = (int32_t)(s - c->segments);
  s->is_pending = 1;
  return OK;
}

status segment_splice(cache *c, segment_id to_id, segment_id from_id, detail *err) {
  segment *to = segment_settled(c, to_id), *from = segment_settled(c, from_id);
  int count = from->tokens, turn = to->tokens, most = c->list_pages * c->options.page_keys;
  REQUIRE(to != from && c->options.rope);
  status failed = reserve(c, to, count, err);
  if (failed || !count) return failed;
  for (int i = 0; i < count; i++) {
    write_token(c, to, segment_token(c, from_id, i));
    c->scratch[i] = segment_slot(c, from_id, i);
    c->scratch[most + i] = segment_slot(c, to_id, turn + i);
  }
  splice_args a = {.slots = count,
                   .from = c->scratch,
                   .to = c->scratch + most,
                   .turn = turn,
                   .rope = c->options.rope,
                   .rope_positions = c->options.rope_positions};
  failed = c->options.kernels->splice(c->options.device, &a, err);
  if (failed) return failed;
  cache_release_list(c, from, 0);
  from->tokens = from->causal = from->known = 0;
  c->counters.spliced_tokens += count;
  return OK;
}

/* ---- shortening ------------------------------------------------------------------------------ */

/* The page that a segment now ends in becomes its own: one that others stand on, or of which more
   is known than is kept, is left to them. Where no page can be had the tree forgets the rest. */
static status own_tail(cache *c, segment *s, int kept, detail *err) {
  int index = s->pages - 1;
  int32_t page = cache_list(c, s)[index];
  const cache_page *p = &c->pages[page];
  if (p->segments == 1 && p->known <= kept) return OK;
  if (!cache_room(c)) {
    int32_t parent = p->parent;
    cache_tree_remove(c, page);
    cache_tree_put(c, page, parent, kept);
    return OK;
  }
  s->pages--;
  status failed = add_copy(c, s, page, kept, err);
  s->known = least(s->known, index * c->options.page_keys);
  cache_page_release(c, page);
  return failed;
}

status segment_truncate(cache *c, segment_id id, int tokens, detail *err) {
  segment *s = segment_in(c, id);
  int keys = c->options.page_keys, pages = pages_of(c, tokens), kept = tokens % keys, own = 0;
  const int32_t *list = cache_list(c, s);
  REQUIRE(tokens >= 0 && tokens <= s->tokens);
  for (int i = pages; i < s->pages; i++)
    own += c->pages[list[i]].segments == 1;
  if (kept && c->pages[list[pages - 1]].segments > 1 && cache_room(c) + own < 1) {
    return cache_no_room(c, 1, err);
  }
  cache_release_list(c, s, pages);
  s->tokens = tokens;
  s->causal = least(s->causal, tokens);
  s->known = least(s->known, tokens);
  int had = s->known;
  status failed = kept ? own_tail(c, s, kept, err) : OK;
  if (!failed && s->known < had) cache_know(c, s);
  return failed;
}
