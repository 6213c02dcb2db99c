/* A cache as a whole: taking its memory, giving it back, counting. */
#include "base/memory.h"
#include "engine/cache_internal.h"

#include <limits.h>

/* ---- sizes ----------------------------------------------------------------------------------- */

static int list_pages(const cache_options *o) {
  return (o->tokens - 1) / o->page_keys + 1;
}

int64_t cache_bytes(const cache_options *o, size_t page_bytes) {
  int64_t tokens = (int64_t)o->page_keys * (int64_t)sizeof(uint32_t), list = list_pages(o);
  int64_t page = (int64_t)sizeof(cache_page) + tokens;
  int64_t each = (int64_t)sizeof(segment) + (list + 1) * (int64_t)sizeof(int32_t);
  int64_t block = (int64_t)page_bytes + tokens + (int64_t)sizeof(int32_t);
  return (int64_t)sizeof(cache) + o->pages * page + o->segments * each + o->swap_pages * block +
         2 * list * o->page_keys * (int64_t)sizeof(int32_t);
}

static status check_options(const cache_options *o, detail *err) {
  if (o->page_keys != 16 && o->page_keys != 32 && o->page_keys != 64 && o->page_keys != 128) {
    return fault(err, E_INPUT, "page_keys of a cache is %d: 16, 32, 64 or 128 is possible",
                 o->page_keys);
  }
  if (o->pages < 1 || o->pages > INT_MAX / o->page_keys) {
    return fault(err, E_INPUT, "a cache of %d pages: 1 to %d are possible with %d keys each",
                 o->pages, INT_MAX / o->page_keys, o->page_keys);
  }
  if (o->segments < 1 || o->swap_pages < 0) {
    return fault(err, E_INPUT,
                 "a cache of %d segments and %d swapped pages: at least 1 and 0 are needed",
                 o->segments, o->swap_pages);
  }
  if (o->tokens < 1 || o->tokens > INT_MAX / 2) {
    return fault(err, E_INPUT, "a cache for segments of %d tokens: 1 to %d are possible", o->tokens,
                 INT_MAX / 2);
  }
  return OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* All that the cache ever takes. Zeroed memory that nobody has touched costs nothing yet. */
static int take_tables(cache *c) {
  const cache_options *o = &c->options;
  size_t pages = (size_t)o->pages, segments = (size_t)o->segments, blocks = (size_t)o->swap_pages;
  size_t list = (size_t)c->list_pages * sizeof(int32_t), keys = (size_t)o->page_keys;
  c->pages = memory_zeroed(pages, sizeof *c->pages);
  c->tokens = memory_zeroed(pages, keys * sizeof *c->tokens);
  c->segments = memory_zeroed(segments, sizeof *c->segments);
  c->lists = memory_zeroed(segments, list);
  c->pending = memory_zeroed(segments, sizeof *c->pending);
  c->swap = memory_zeroed(blocks, c->page_bytes);
  c->swap_tokens = memory_zeroed(blocks, keys * sizeof *c->swap_tokens);
  c->swap_next = memory_zeroed(blocks, sizeof *c->swap_next);
  c->scratch = memory_zeroed(2 * keys, list);
  return c->pages && c->tokens && c->segments && c->lists && c->pending && c->swap &&
         c->swap_tokens && c->swap_next && c->scratch;
}

status cache_open(cache **out, const cache_options *options, detail *err) {
  status failed = check_options(options, err);
  if (failed) return failed;
  size_t page_bytes = options->kernels->page_bytes(options->device);
  cache *c = memory_zeroed(1, sizeof *c);
  if (c) {
    *c = (cache){.options = *options,
                 .page_bytes = page_bytes,
                 .roots = NONE,
                 .free = NONE,
                 .oldest = NONE,
                 .youngest = NONE,
                 .free_segments = NONE,
                 .free_blocks = NONE,
                 .list_pages = list_pages(options)};
  }
  if (!c || !take_tables(c)) {
    cache_close(c);
    return fault(err, E_MEMORY,
                 "no memory for %lld bytes of a cache's tables, %d swapped pages of %zu bytes "
                 "included",
                 (long long)cache_bytes(options, page_bytes), options->swap_pages, page_bytes);
  }
  *out = c;
  return OK;
}

void cache_close(cache *c) {
  if (!c) return;
  void *const tables[] = {c->pages, c->tokens,      c->segments,  c->lists,  c->pending,
                          c->swap,  c->swap_tokens, c->swap_next, c->scratch};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    memory_free(tables[i]);
  memory_free(c);
}

/* ---- counting -------------------------------------------------------------------------------- */

int cache_page_keys(const cache *c) {
  return c->options.page_keys;
}

cache_counters cache_count(const cache *c) {
  int keys = c->options.page_keys;
  cache_counters n = c->counters;
  n.pages = c->options.pages;
  n.pages_used = c->used;
  n.pages_known = c->idle;
  n.pages_free = n.pages - n.pages_used - n.pages_known;
  n.swapped = c->swapped;
  n.segments = c->segment_count;
  n.slots_waste = 0;
  for (int i = 0; i < c->touched_segments; i++) {
    const segment *s = &c->segments[i];
    if (s->id && !s->is_out) n.slots_waste += (int64_t)s->pages * keys - s->tokens;
  }
  return n;
}
