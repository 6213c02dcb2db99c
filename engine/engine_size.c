/* What an engine takes, before it takes anything. */
#include "engine/engine_internal.h"

forward_options engine_forward_options(const engine_options *o) {
  return (forward_options){.backend = o->backend,
                           .compute = o->compute,
                           .threads = o->threads,
                           .paths = o->paths,
                           .rows = o->rows,
                           .outputs = o->slots,
                           .pages = o->pages,
                           .page_keys = o->page_keys,
                           .positions = o->positions,
                           .allow_broken = o->allow_broken};
}

/* Plain threads that are swapped out hold a segment each, and are admitted before any other: with
   those that run they are never more than there are slots. */
cache_options engine_cache_options(const engine_options *o, int positions, int swap_pages) {
  return (cache_options){.pages = o->pages,
                         .page_keys = o->page_keys,
                         .segments = o->slots + o->segments,
                         .tokens = positions,
                         .swap_pages = swap_pages,
                         .share = !o->no_sharing,
                         .rope_positions = positions};
}

enum { THREADS_MAX = 1 << 24 };

static status check_options(const model_config *c, const engine_options *o, detail *err) {
  if (o->page_keys != 16 && o->page_keys != 32 && o->page_keys != 64 && o->page_keys != 128) {
    return fault(err, E_INPUT, "pages of %d keys: 16, 32, 64 or 128 are possible", o->page_keys);
  }
  if (o->slots < 1 || o->rows < o->slots) {
    return fault(err, E_INPUT,
                 "%d slots and steps of %d rows: at least one slot, and as many rows as slots",
                 o->slots, o->rows);
  }
  if (o->pages < 0 || o->memory_bytes < 0 || o->swap_bytes < 0 || o->segments < 0) {
    return fault(err, E_INPUT, "pages, memory_bytes, swap_bytes and segments are not negative");
  }
  if (o->slots > THREADS_MAX || o->segments > THREADS_MAX) {
    return fault(err, E_INPUT, "%d slots and %d segments: %d of each are possible", o->slots,
                 o->segments, (int)THREADS_MAX);
  }
  if (!o->pages && !o->memory_bytes) {
    return fault(err, E_INPUT, "neither pages nor memory_bytes says how large the cache is");
  }
  if (o->positions < 0 || o->positions > c->context) {
    return fault(err, E_INPUT, "%d positions: the model has %d", o->positions, c->context);
  }
  return OK;
}

/* Arrays of a step, those of one thread a slot. */
static int64_t table_bytes(const engine_options *o) {
  int64_t list = (o->positions - 1) / o->page_keys + 1, word = sizeof(int32_t);
  int64_t row = 8 * word + 1, slot = 4 * word + (int64_t)(sizeof(unit *) + sizeof(engine_event));
  return o->rows * row + o->slots * slot + (o->slots + o->segments) * list * word;
}

static void count_bytes(const model_config *c, const engine_options *o, engine_bytes *out) {
  forward_options f = engine_forward_options(o);
  f.pages = 1;
  out->page = forward_size(c, &f).cache;
  f.pages = o->pages;
  out->forward = forward_size(c, &f);
  out->pages = o->pages;
  int swap_pages = (int)(o->swap_bytes / out->page);
  cache_options with = engine_cache_options(o, o->positions, swap_pages), without = with;
  without.swap_pages = 0;
  int64_t tables = cache_bytes(&without, (size_t)out->page);
  out->swap = cache_bytes(&with, (size_t)out->page) - tables;
  out->tables = tables + table_bytes(o);
}

/* Blocks of host memory are numbered in 32 bits. */
static status check_swap(const engine_options *o, int64_t page_bytes, detail *err) {
  if (o->swap_bytes / page_bytes <= INT32_MAX) return OK;
  return fault(err, E_INPUT, "swap_bytes of %lld: %lld are possible with pages of %lld bytes",
               (long long)o->swap_bytes, (long long)page_bytes * INT32_MAX, (long long)page_bytes);
}

static int64_t sum_of(const engine_bytes *b) {
  return b->forward.weights + b->forward.cache + b->forward.workspace + b->forward.logits +
         b->swap + b->tables;
}

static status too_little(const engine_options *o, const engine_bytes *b, int needed, detail *err) {
  return fault(
      err, E_LIMIT,
      "%.1f MB do not hold one thread of %d tokens: weights %.1f MB + workspace of %d rows "
      "%.1f MB + logits of %d slots %.1f MB + swap %.1f MB + tables %.1f MB + cache of %d "
      "pages of %d keys %.1f MB = %.1f MB; give more memory, or lower rows, slots, swap or "
      "positions",
      (double)o->memory_bytes / 1e6, o->positions, (double)b->forward.weights / 1e6, o->rows,
      (double)b->forward.workspace / 1e6, o->slots, (double)b->forward.logits / 1e6,
      (double)b->swap / 1e6, (double)b->tables / 1e6, needed, o->page_keys,
      (double)b->forward.cache / 1e6, (double)sum_of(b) / 1e6);
}

status engine_settle(const model_config *c, const engine_options *given, engine_options *out,
                     engine_bytes *bytes, detail *err) {
  engine_options *o = out;
  *o = *given;
  if (!o->page_keys) o->page_keys = 16;
  status failed = check_options(c, o, err);
  if (failed) return failed;
  if (!o->positions) o->positions = c->context;
  int needed = (o->positions - 1) / o->page_keys + 1, pages = o->pages;
  if (!pages) o->pages = needed;
  count_bytes(c, o, bytes);
  failed = check_swap(o, bytes->page, err);
  if (failed) return failed;
  int64_t sum = sum_of(bytes);
  if (o->memory_bytes && sum > o->memory_bytes) {
    return too_little(o, bytes, o->pages, err);
  }
  if (pages) return OK;
  cache_options one = engine_cache_options(o, o->positions, 0), two = one;
  two.pages++;
  int64_t host = cache_bytes(&two, (size_t)bytes->page) - cache_bytes(&one, (size_t)bytes->page);
  int64_t more = (o->memory_bytes - sum) / (bytes->page + host), most = INT32_MAX / o->page_keys;
  o->pages = needed + more < most ? (int)(needed + more) : (int)most;
  count_bytes(c, o, bytes);
  return OK;
}

status engine_size(const model_config *c, const engine_options *options, engine_bytes *out,
                   detail *err) {
  engine_options settled;
  return engine_settle(c, options, &settled, out, err);
}
