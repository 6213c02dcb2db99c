#include "tests/engine/cache_world.h"

#include "base/memory.h"
#include "kernels/rope.h"

#include <string.h>

enum { HEAD = 32, PAGE_BYTES_MAX = 2 * WORLD_KEYS * HEAD * 4 };

/* ---- a world --------------------------------------------------------------------------------- */

static void fill_rope(cache_world *w, int turns) {
  detail err;
  static float table[WORLD_TOKENS * HEAD];
  rope_options o = {.head_size = HEAD, .theta = 10000};
  ck_ok(rope_fill(&o, WORLD_TOKENS, table, &err));
  for (int i = 0; !turns && i < WORLD_TOKENS * HEAD; i++)
    table[i] = i % HEAD < HEAD / 2 ? 1 : 0;
  void *rope;
  ck_ok(w->kernels->take(w->device, &rope, sizeof table, &err));
  ck_ok(w->kernels->put(w->device, rope, table, sizeof table, &err));
  w->rope = rope;
}

void world_open(cache_world *w, const char *backend, cache_options o, int turns) {
  detail err;
  device_options d = {.compute = COMPUTE_BF16,
                      .threads = 1,
                      .layers = 1,
                      .kv_heads = 1,
                      .head_size = HEAD,
                      .pages = o.pages + 2,
                      .page_keys = WORLD_KEYS};
  *w = (cache_world){.kernels = kernels_find(backend), .spare = o.pages};
  ck_ok(w->kernels->open(&w->device, &d, &err));
  fill_rope(w, turns);
  o.kernels = w->kernels;
  o.device = w->device;
  o.page_keys = WORLD_KEYS;
  o.tokens = WORLD_TOKENS;
  o.rope = w->rope;
  o.rope_positions = WORLD_TOKENS;
  ck_ok(cache_open(&w->cache, &o, &err));
}

void world_close(cache_world *w) {
  world_check(w);
  cache_close(w->cache);
  w->kernels->give(w->device, w->rope);
  w->kernels->close(w->device);
}

void world_check(const cache_world *w) {
  detail err;
  ck_ok(cache_check(w->cache, &err));
}

void world_counts(const cache_world *w, int used, int known, int free_pages, int waste) {
  cache_counters n = cache_count(w->cache);
  ck_assert_int_eq(n.pages_used, used);
  ck_assert_int_eq(n.pages_known, known);
  ck_assert_int_eq(n.pages_free, free_pages);
  ck_assert_int_eq(n.slots_waste, waste);
  ck_assert_int_eq(n.pages, used + known + free_pages);
  world_check(w);
}

/* ---- contents -------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

/* Keys and values of a content: numbers that bf16 holds exactly. */
static void numbers_of(uint64_t content, float out[2 * HEAD]) {
  for (int i = 0; i < 2 * HEAD; i++)
    out[i] = (float)(int)(mixed(content + (uint64_t)i * 0x9e3779b97f4a7c15u) % 255) / 64 - 2;
}

static void write_slots(cache_world *w, const int32_t *slots, int first_position,
                        const uint64_t *content, int count) {
  detail err;
  static float numbers[WORLD_TOKENS][2 * HEAD], out[WORLD_TOKENS * HEAD];
  int32_t position[WORLD_TOKENS];
  for (int i = 0; i < count; i++) {
    position[i] = first_position + i;
    numbers_of(content[i], numbers[i]);
  }
  step_plan plan = {.rows = count, .write_slot = slots, .write_position = position};
  rope_append_args a = {.plan = &plan,
                        .heads = 1,
                        .q = numbers[0],
                        .k = numbers[0],
                        .v = numbers[0] + HEAD,
                        .q_stride = 2 * HEAD,
                        .k_stride = 2 * HEAD,
                        .v_stride = 2 * HEAD,
                        .rope = w->rope,
                        .rope_positions = WORLD_TOKENS,
                        .out = out};
  ck_ok(w->kernels->rope_append(w->device, &a, &err));
}

/* One page's slots against their contents, moved to the spare pages, whose other slots are zero: a
   page's bytes mean something to the device alone. */
static void same_page(cache_world *w, const plain_segment *s, int first, int count) {
  detail err;
  static const unsigned char zeros[PAGE_BYTES_MAX];
  unsigned char found[PAGE_BYTES_MAX], wanted[PAGE_BYTES_MAX];
  int32_t from[WORLD_KEYS], copy[WORLD_KEYS], made[WORLD_KEYS];
  size_t bytes = w->kernels->page_bytes(w->device);
  ck_assert_uint_le(bytes, sizeof found);
  for (int i = 0; i < count; i++) {
    from[i] = segment_slot(w->cache, s->id, first + i);
    copy[i] = w->spare * WORLD_KEYS + i;
    made[i] = copy[i] + WORLD_KEYS;
  }
  splice_args move = {
      .slots = count, .from = from, .to = copy, .rope = w->rope, .rope_positions = WORLD_TOKENS};
  for (int i = 0; i < 2; i++)
    ck_ok(w->kernels->page_put(w->device, w->spare + i, zeros, &err));
  ck_ok(w->kernels->splice(w->device, &move, &err));
  write_slots(w, made, first, s->content + first, count);
  ck_ok(w->kernels->page_get(w->device, found, w->spare, &err));
  ck_ok(w->kernels->page_get(w->device, wanted, w->spare + 1, &err));
  ck_assert_msg(!memcmp(found, wanted, bytes), "keys or values of tokens %d to %d of %d differ",
                first, first + count - 1, s->count);
}

void world_same(cache_world *w, const plain_segment *s) {
  const cache *c = w->cache;
  int pages;
  ck_assert_int_eq(segment_tokens(c, s->id), s->count);
  ck_assert_int_eq(segment_is_causal(c, s->id), s->causal == s->count);
  for (int i = 0; i < s->count; i++)
    ck_assert_uint_eq(segment_token(c, s->id, i), s->token[i]);
  if (!segment_is_in(c, s->id)) return;
  (void)segment_pages(c, s->id, &pages);
  ck_assert_int_eq(pages, (s->count + WORLD_KEYS - 1) / WORLD_KEYS);
  for (int i = 0; i < s->count; i += WORLD_KEYS)
    same_page(w, s, i, s->count - i < WORLD_KEYS ? s->count - i : WORLD_KEYS);
}

/* ---- operations ------------------------------------------------------------------------------ */

/* A refused operation leaves every count as it was. */
#define attempt(result, operation)                                                                 \
  do {                                                                                             \
    detail err;                                                                                    \
    cache_counters before_ = cache_count(w->cache);                                                \
    (result) = (operation);                                                                        \
    cache_counters after_ = cache_count(w->cache);                                                 \
    ck_assert_msg(!(result) || (result) == E_LIMIT, "%s: %s", #operation, err.text);               \
    if (result) ck_assert(!memcmp(&before_, &after_, sizeof before_));                             \
  } while (0)

status world_new(cache_world *w, plain_segment *s) {
  status result;
  attempt(result, segment_new(w->cache, &s->id, &err));
  if (!result) s->count = s->causal = 0;
  return result;
}

static void causal_contents(plain_segment *s, int from) {
  uint64_t content = from ? s->content[from - 1] : 1;
  for (int i = from; i < s->count; i++)
    s->content[i] = content = mixed(content * 31 + s->token[i] + 1);
}

status world_find(cache_world *w, const uint32_t *tokens, int count, plain_segment *s) {
  status result;
  int found, expected = cache_finds(w->cache, tokens, count);
  attempt(result, segment_find(w->cache, tokens, count, &s->id, &found, &err));
  if (result) return result;
  ck_assert_int_eq(found, expected);
  ck_assert_int_le(found, count);
  s->count = s->causal = found;
  if (found) memcpy(s->token, tokens, (size_t)found * sizeof *tokens);
  causal_contents(s, 0);
  return OK;
}

status world_append(cache_world *w, plain_segment *s, const uint32_t *tokens, int count,
                    int causal) {
  status result;
  int32_t slots[WORLD_TOKENS];
  int from = s->count;
  attempt(result, segment_append(w->cache, s->id, tokens, count, causal, &err));
  if (result || !count) return result;
  memcpy(s->token + from, tokens, (size_t)count * sizeof *tokens);
  s->count += count;
  if (causal && s->causal == from) {
    s->causal = s->count;
    causal_contents(s, from);
  }
  for (int i = from; i < s->count; i++) {
    if (s->causal < s->count) s->content[i] = mixed(++w->drawn) | 1;
    slots[i - from] = segment_slot(w->cache, s->id, i);
  }
  write_slots(w, slots, from, s->content + from, count);
  return OK;
}

status world_fork(cache_world *w, const plain_segment *from, int tokens, plain_segment *s) {
  status result;
  segment_id id;
  attempt(result, segment_fork(w->cache, from->id, tokens, &id, &err));
  if (result) return result;
  *s = *from;
  s->id = id;
  s->count = tokens;
  if (s->causal > tokens) s->causal = tokens;
  return OK;
}

status world_splice(cache_world *w, plain_segment *to, plain_segment *from) {
  status result;
  attempt(result, segment_splice(w->cache, to->id, from->id, &err));
  if (result) return result;
  for (int i = 0; i < from->count; i++, to->count++) {
    to->token[to->count] = from->token[i];
    to->content[to->count] = from->content[i];
  }
  from->count = from->causal = 0;
  return OK;
}

status world_truncate(cache_world *w, plain_segment *s, int tokens) {
  status result;
  attempt(result, segment_truncate(w->cache, s->id, tokens, &err));
  if (result) return result;
  s->count = tokens;
  if (s->causal > tokens) s->causal = tokens;
  return OK;
}

status world_swap(cache_world *w, plain_segment *s, int out) {
  status result;
  if (out) {
    attempt(result, segment_swap_out(w->cache, s->id, &err));
  } else {
    attempt(result, segment_swap_in(w->cache, s->id, &err));
  }
  if (!result) ck_assert_int_eq(segment_is_in(w->cache, s->id), !out);
  return result;
}

void world_free(cache_world *w, plain_segment *s) {
  segment_free(w->cache, s->id);
  *s = (plain_segment){0};
}

/* ---- texts ----------------------------------------------------------------------------------- */

const uint32_t *world_text(uint32_t seed) {
  static uint32_t out[WORLD_TOKENS];
  for (uint32_t i = 0; i < WORLD_TOKENS; i++)
    out[i] = seed * 1000 + i;
  return out;
}

void world_grow(cache_world *w, plain_segment *s, uint32_t seed, int count) {
  ck_assert_int_eq(world_append(w, s, world_text(seed) + s->count, count, 1), OK);
  cache_commit(w->cache);
}

plain_segment world_grown(cache_world *w, uint32_t seed, int count) {
  plain_segment s;
  ck_assert_int_eq(world_new(w, &s), OK);
  world_grow(w, &s, seed, count);
  return s;
}
