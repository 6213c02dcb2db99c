/* Segments and the cache under them: every operation with its counts written out by hand. */
#include "base/memory.h"
#include "base/random.h"
#include "tests/engine/cache_world.h"

#include <string.h>

static const char *const backends[] = {"reference", "cpu"};
enum { BACKENDS = 2 };

static const cache_options ample = {.pages = 64, .segments = 16, .swap_pages = 16, .share = 1};

/* Tokens of a text: texts of the same seed have the same head. */
static const uint32_t *tokens_of(uint32_t seed) {
  static uint32_t out[WORLD_TOKENS];
  for (uint32_t i = 0; i < WORLD_TOKENS; i++)
    out[i] = seed * 1000 + i;
  return out;
}

/* Appends what comes next of a text and commits it. */
static void grow(cache_world *w, plain_segment *s, uint32_t seed, int count) {
  ck_assert_int_eq(world_append(w, s, tokens_of(seed) + s->count, count, 1), OK);
  cache_commit(w->cache);
}

static plain_segment grown(cache_world *w, uint32_t seed, int count) {
  plain_segment s;
  ck_assert_int_eq(world_new(w, &s), OK);
  grow(w, &s, seed, count);
  return s;
}

/* ---- opening --------------------------------------------------------------------------------- */

START_TEST(options_that_cannot_be) {
  detail err;
  static const struct {
    cache_options o;
    const char *piece;
  } bad[] = {
      {{.pages = 1, .page_keys = 24, .segments = 1, .tokens = 1}, "page_keys of a cache is 24"},
      {{.pages = 0, .page_keys = 16, .segments = 1, .tokens = 1}, "a cache of 0 pages"},
      {{.pages = 1 << 28, .page_keys = 16, .segments = 1, .tokens = 1}, "1 to 134217727"},
      {{.pages = 1, .page_keys = 16, .segments = 0, .tokens = 1}, "0 segments"},
      {{.pages = 1, .page_keys = 16, .segments = 1, .tokens = 0}, "segments of 0 tokens"},
      {{.pages = 1, .page_keys = 16, .segments = 1, .tokens = 1, .swap_pages = -1}, "-1 swapped"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    cache *c = NULL;
    ck_fails(cache_open(&c, &bad[i].o, &err), E_INPUT, bad[i].piece);
    ck_assert_ptr_null(c);
  }
}
END_TEST

START_TEST(memory_that_fails) {
  detail err;
  cache_world w;
  world_open(&w, "reference", ample, 0);
  cache_options o = ample;
  o.kernels = w.kernels;
  o.device = w.device;
  o.page_keys = WORLD_KEYS;
  o.tokens = WORLD_TOKENS;
  int64_t n = 0;
  for (status failed = E_MEMORY; failed; n++) {
    cache *c = NULL;
    memory_fail_once(n);
    failed = cache_open(&c, &o, &err);
    memory_fail_once(-1);
    ck_assert(failed ? failed == E_MEMORY && !c : c != NULL);
    if (failed) ck_assert_ptr_nonnull(strstr(err.text, "16 swapped pages of 2048 bytes"));
    cache_close(c);
  }
  ck_assert_int_gt(n, 5);
  world_close(&w);
}
END_TEST

START_TEST(bytes_by_arithmetic) {
  cache_options o = {.pages = 1, .page_keys = 16, .segments = 1, .tokens = 32, .swap_pages = 1};
  int64_t base = cache_bytes(&o, 1000);
  o.swap_pages = 3; /* a page of bytes, its tokens, a link */
  ck_assert_int_eq(cache_bytes(&o, 1000) - base, 2 * (1000 + 16 * 4 + 4));
  o.swap_pages = 1;
  o.pages = 3; /* a node and its tokens */
  ck_assert_int_eq(cache_bytes(&o, 1000) - base, 2 * (32 + 16 * 4));
}
END_TEST

/* ---- appending ------------------------------------------------------------------------------- */

START_TEST(appending_takes_pages_at_their_borders) {
  cache_world w;
  plain_segment s;
  int count;
  world_open(&w, backends[_i], ample, 0);
  ck_assert_int_eq(world_new(&w, &s), OK);
  ck_assert_int_eq(segment_pages_for(w.cache, s.id, 0), 0);
  ck_assert_int_eq(segment_pages_for(w.cache, s.id, 16), 1);
  ck_assert_int_eq(segment_pages_for(w.cache, s.id, 17), 2);
  world_counts(&w, 0, 0, 64, 0);
  grow(&w, &s, 1, 0);
  world_counts(&w, 0, 0, 64, 0);
  grow(&w, &s, 1, 1);
  world_counts(&w, 1, 0, 63, 15);
  grow(&w, &s, 1, 15);
  world_counts(&w, 1, 0, 63, 0);
  ck_assert_int_eq(segment_pages_for(w.cache, s.id, 1), 1);
  grow(&w, &s, 1, 18);
  world_counts(&w, 3, 0, 61, 14);
  world_same(&w, &s);
  const int32_t *pages = segment_pages(w.cache, s.id, &count);
  ck_assert_int_eq(count, 3);
  ck_assert_int_eq(segment_slot(w.cache, s.id, 33), pages[2] * 16 + 1);
  world_free(&w, &s);
  world_counts(&w, 0, 3, 61, 0);
  world_close(&w);
}
END_TEST

START_TEST(appending_in_pieces_before_a_commit) {
  cache_world w;
  plain_segment s;
  world_open(&w, "reference", ample, 0);
  ck_assert_int_eq(world_new(&w, &s), OK);
  ck_assert_int_eq(world_append(&w, &s, tokens_of(1), 10, 1), OK);
  ck_assert_int_eq(world_append(&w, &s, tokens_of(1) + 10, 10, 1), OK);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 20), 0);
  ck_assert_int_eq(world_truncate(&w, &s, 18), OK);
  cache_commit(w.cache);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 20), 18);
  ck_assert_int_eq(world_append(&w, &s, tokens_of(1) + 18, 5, 1), OK);
  world_free(&w, &s); /* what was not computed is not known */
  cache_commit(w.cache);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 30), 18);
  world_close(&w);
}
END_TEST

START_TEST(limits_of_a_cache) {
  detail err;
  cache_world w;
  plain_segment a, b, c;
  world_open(&w, "reference", (cache_options){.pages = 12, .segments = 2, .share = 1}, 0);
  a = grown(&w, 1, 150);
  ck_fails(segment_append(w.cache, a.id, tokens_of(1), 11, 1, &err), E_LIMIT,
           "a segment of 150 tokens cannot take 11 more: the cache was opened for 160");
  ck_assert_int_eq(world_new(&w, &b), OK);
  ck_fails(segment_new(w.cache, &c.id, &err), E_LIMIT, "the cache has its 2 segments");
  ck_fails(segment_find(w.cache, tokens_of(1), 5, &c.id, &c.count, &err), E_LIMIT, "2 segments");
  ck_fails(segment_append(w.cache, b.id, tokens_of(2), 33, 1, &err), E_LIMIT,
           "3 more pages are needed and 2 can be had: segments stand on 10 of the cache's 12");
  world_counts(&w, 10, 0, 2, 10);
  grow(&w, &b, 2, 32);
  world_counts(&w, 12, 0, 0, 10);
  ck_assert_int_eq(world_append(&w, &b, tokens_of(2), 1, 1), E_LIMIT);
  grow(&w, &a, 1, 10);
  world_same(&w, &a);
  world_same(&w, &b);
  world_close(&w);
}
END_TEST

START_TEST(names_are_not_used_again) {
  cache_world w;
  segment_id seen[40];
  plain_segment s;
  world_open(&w, "reference", (cache_options){.pages = 1, .segments = 3}, 0);
  for (int i = 0; i < 40; i++) {
    ck_assert_int_eq(world_new(&w, &s), OK);
    seen[i] = s.id;
    ck_assert_uint_ne(s.id, 0);
    for (int j = 0; j < i; j++)
      ck_assert_uint_ne(seen[j], s.id);
    if (i % 20) world_free(&w, &s); /* in other places in between */
  }
  world_close(&w);
}
END_TEST

/* ---- finding --------------------------------------------------------------------------------- */

START_TEST(what_was_computed_is_found) {
  cache_world w;
  plain_segment a, b, c, d;
  uint32_t other[40];
  world_open(&w, backends[_i], ample, 0);
  a = grown(&w, 1, 40);
  world_counts(&w, 3, 0, 61, 8);
  ck_assert_int_eq(world_find(&w, tokens_of(1), 40, &b), OK); /* two shared, eight copied */
  ck_assert_int_eq(b.count, 40);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(cache_count(w.cache).copied, 1);
  memcpy(other, tokens_of(1), sizeof other);
  other[21] = 7;
  ck_assert_int_eq(world_find(&w, other, 40, &c), OK); /* one shared, five copied */
  ck_assert_int_eq(c.count, 21);
  world_counts(&w, 5, 0, 59, 27);
  ck_assert_int_eq(world_find(&w, other + 1, 39, &d), OK); /* nothing begins so */
  ck_assert_int_eq(d.count, 0);
  world_counts(&w, 5, 0, 59, 27);
  ck_assert_int_eq(cache_count(w.cache).found_tokens, 61);
  grow(&w, &b, 1, 30);
  ck_assert_int_eq(world_append(&w, &c, other + 21, 19, 1), OK);
  cache_commit(w.cache);
  world_same(&w, &a);
  world_same(&w, &b);
  world_same(&w, &c);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 100), 70);
  ck_assert_int_eq(cache_finds(w.cache, other, 40), 40);
  world_close(&w);
}
END_TEST

START_TEST(what_nobody_stands_on_is_taken_as_it_is) {
  cache_world w;
  plain_segment a;
  world_open(&w, "reference", ample, 0);
  a = grown(&w, 1, 40);
  world_free(&w, &a);
  world_counts(&w, 0, 3, 61, 0);
  ck_assert_int_eq(world_find(&w, tokens_of(1), 50, &a), OK);
  ck_assert_int_eq(a.count, 40);
  world_counts(&w, 3, 0, 61, 8);
  ck_assert_int_eq(cache_count(w.cache).copied, 0);
  grow(&w, &a, 1, 10);
  world_same(&w, &a);
  world_free(&w, &a);
  ck_assert_int_eq(world_find(&w, tokens_of(1), 45, &a), OK); /* a head: the page is left whole */
  world_counts(&w, 3, 2, 59, 3);
  ck_assert_int_eq(cache_count(w.cache).copied, 1);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 60), 50);
  world_free(&w, &a); /* the copy is of no use beside the whole page */
  world_counts(&w, 0, 4, 60, 0);
  world_close(&w);
}
END_TEST

START_TEST(a_page_that_two_computed_is_kept_once) {
  cache_world w;
  plain_segment a, b;
  int count;
  world_open(&w, "reference", ample, 0);
  ck_assert_int_eq(world_new(&w, &a), OK);
  ck_assert_int_eq(world_new(&w, &b), OK);
  ck_assert_int_eq(world_append(&w, &a, tokens_of(1), 40, 1), OK);
  ck_assert_int_eq(world_append(&w, &b, tokens_of(1), 40, 1), OK);
  world_counts(&w, 6, 0, 58, 16);
  cache_commit(w.cache);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(cache_count(w.cache).merged, 2);
  ck_assert_int_eq(segment_pages(w.cache, a.id, &count)[1],
                   segment_pages(w.cache, b.id, &count)[1]);
  grow(&w, &a, 1, 8);
  grow(&w, &b, 1, 9);
  world_counts(&w, 4, 0, 60, 15);
  ck_assert_int_eq(cache_count(w.cache).merged, 3);
  world_same(&w, &a);
  world_same(&w, &b);
  world_free(&w, &a);
  world_counts(&w, 4, 0, 60, 15);
  world_close(&w);
}
END_TEST

START_TEST(without_sharing_nothing_is_found) {
  cache_world w;
  plain_segment a, b;
  cache_options o = ample;
  o.share = 0;
  world_open(&w, "reference", o, 0);
  a = grown(&w, 1, 40);
  ck_assert_int_eq(world_find(&w, tokens_of(1), 40, &b), OK);
  ck_assert_int_eq(b.count, 0);
  grow(&w, &b, 1, 40);
  world_counts(&w, 6, 0, 58, 16);
  ck_assert_int_eq(cache_count(w.cache).merged, 0);
  world_free(&w, &a);
  world_counts(&w, 3, 0, 61, 8);
  ck_assert_int_eq(world_fork(&w, &b, 32, &a), OK); /* forks still share */
  world_counts(&w, 3, 0, 61, 8);
  world_same(&w, &a);
  world_close(&w);
}
END_TEST

/* Leaves go first, the longest unused before others; what a segment stands on stays. */
START_TEST(the_oldest_leaves_are_evicted) {
  cache_world w;
  plain_segment a, b, c;
  world_open(&w, "reference", (cache_options){.pages = 6, .segments = 4, .share = 1}, 0);
  a = grown(&w, 1, 48);
  b = grown(&w, 2, 32);
  world_free(&w, &a);
  world_free(&w, &b);
  world_counts(&w, 0, 5, 1, 0);
  c = grown(&w, 3, 32); /* the free one, then the last page of 1 */
  world_counts(&w, 2, 4, 0, 0);
  ck_assert_int_eq(cache_count(w.cache).evicted, 1);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 48), 32);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(2), 32), 32);
  ck_assert_int_eq(world_find(&w, tokens_of(1), 48, &a), OK); /* now 2 is the older one */
  world_free(&w, &a);
  grow(&w, &c, 3, 32);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(2), 32), 0);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 48), 32);
  grow(&w, &c, 3, 32);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 48), 0);
  world_counts(&w, 6, 0, 0, 0);
  ck_assert_int_eq(world_append(&w, &c, tokens_of(1), 1, 1), E_LIMIT);
  world_same(&w, &c);
  world_close(&w);
}
END_TEST

/* Of one page that is idle and a request for its head: no page can be had for a copy. */
START_TEST(a_head_is_not_copied_over_itself) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", (cache_options){.pages = 2, .segments = 4, .share = 1}, 0);
  a = grown(&w, 1, 16);
  b = grown(&w, 2, 10);
  world_free(&w, &b);
  world_counts(&w, 1, 1, 0, 0);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(2), 10), 10);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(2), 9), 0);
  ck_assert_int_eq(world_find(&w, tokens_of(2), 9, &b), OK);
  ck_assert_int_eq(b.count, 0);
  world_free(&w, &b);
  ck_assert_int_eq(world_find(&w, tokens_of(2), 12, &b), OK);
  ck_assert_int_eq(b.count, 10);
  world_same(&w, &a);
  world_same(&w, &b);
  world_close(&w);
}
END_TEST

/* ---- forks, cuts and splices ----------------------------------------------------------------- */

START_TEST(forks_share_whole_pages) {
  cache_world w;
  plain_segment a, b, c, d;
  world_open(&w, backends[_i], ample, 0);
  a = grown(&w, 1, 40);
  ck_assert_int_eq(world_fork(&w, &a, 40, &b), OK);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(world_fork(&w, &a, 32, &c), OK);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(world_fork(&w, &a, 0, &d), OK);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(world_append(&w, &b, tokens_of(2), 12, 1), OK);
  ck_assert_int_eq(world_append(&w, &c, tokens_of(3), 12, 1), OK);
  ck_assert_int_eq(world_append(&w, &d, tokens_of(1), 20, 1), OK);
  cache_commit(w.cache);
  grow(&w, &a, 1, 20);
  world_counts(&w, 4 + 3 + 1, 0, 64 - 8, 4 + 12 + 4 + 12); /* d's first page is a's */
  world_same(&w, &a);
  world_same(&w, &b);
  world_same(&w, &c);
  world_same(&w, &d);
  world_close(&w);
}
END_TEST

START_TEST(cuts_leave_others_what_they_read) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", ample, 0);
  a = grown(&w, 1, 60);
  ck_assert_int_eq(world_fork(&w, &a, 48, &b), OK);
  ck_assert_int_eq(world_truncate(&w, &a, 57), OK); /* more is known than is kept: a copy */
  world_counts(&w, 4, 1, 59, 7);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 60), 60);
  ck_assert_int_eq(world_truncate(&w, &a, 48), OK); /* at a border: the copy is of no use */
  world_counts(&w, 3, 1, 60, 0);
  ck_assert_int_eq(world_truncate(&w, &a, 40), OK); /* into a page that b reads */
  world_counts(&w, 4, 1, 59, 8);
  ck_assert_int_eq(world_append(&w, &a, tokens_of(5), 30, 1), OK);
  cache_commit(w.cache);
  world_same(&w, &a);
  world_same(&w, &b);
  ck_assert_int_eq(world_truncate(&w, &a, 0), OK);
  ck_assert_int_eq(a.count, 0);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 60), 60);
  world_close(&w);
}
END_TEST

/* Without a page to be had, a cut into one's own page makes the tree forget the rest of it; one
   into a page that others read is refused. */
START_TEST(cuts_in_a_full_cache) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", (cache_options){.pages = 2, .segments = 2, .share = 1}, 0);
  a = grown(&w, 1, 30);
  ck_assert_int_eq(world_truncate(&w, &a, 25), OK);
  world_counts(&w, 2, 0, 0, 7);
  world_free(&w, &a);
  ck_assert_int_eq(world_find(&w, tokens_of(1), 30, &a), OK);
  ck_assert_int_eq(a.count, 25);
  ck_assert_int_eq(world_append(&w, &a, tokens_of(9), 7, 1), OK);
  cache_commit(w.cache);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 30), 16); /* no page for a copy */
  ck_assert_int_eq(world_fork(&w, &a, 16, &b), OK);
  ck_assert_int_eq(world_truncate(&w, &b, 10), E_LIMIT);
  world_same(&w, &b);
  ck_assert_int_eq(world_truncate(&w, &a, 10), OK); /* its second page makes room for the copy */
  world_counts(&w, 2, 0, 0, 6);
  world_same(&w, &a);
  world_same(&w, &b);
  world_close(&w);
}
END_TEST

START_TEST(what_is_not_causal_is_shared_by_forks_alone) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", ample, 0);
  a = grown(&w, 1, 20);
  ck_assert_int_eq(segment_is_causal(w.cache, a.id), 1);
  ck_assert_int_eq(world_append(&w, &a, tokens_of(1) + 20, 30, 0), OK);
  cache_commit(w.cache);
  grow(&w, &a, 1, 5); /* it does not become causal again */
  ck_assert_int_eq(segment_is_causal(w.cache, a.id), 0);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 55), 20);
  ck_assert_int_eq(world_fork(&w, &a, 40, &b), OK);
  world_counts(&w, 5, 0, 59, 9 + 8);
  world_same(&w, &b);
  ck_assert_int_eq(world_truncate(&w, &b, 20), OK);
  ck_assert_int_eq(segment_is_causal(w.cache, b.id), 1);
  grow(&w, &b, 1, 20);
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(1), 55), 40);
  world_same(&w, &a);
  world_same(&w, &b);
  world_close(&w);
}
END_TEST

/* Keys turn by the length before, once; values move as they are. */
START_TEST(a_splice_turns_keys_once) {
  detail err;
  cache_world w;
  plain_segment a, b, c;
  enum { BYTES = 2048 };
  unsigned char moved[BYTES], wanted[BYTES];
  int32_t from[16], to[16];
  world_open(&w, backends[_i], ample, 1);
  a = grown(&w, 1, 32);
  b = grown(&w, 2, 9);
  for (int i = 0; i < 9; i++) {
    from[i] = segment_slot(w.cache, b.id, i);
    to[i] = w.spare * 16 + i;
  }
  splice_args turned = {.slots = 9,
                        .from = from,
                        .to = to,
                        .turn = 32,
                        .rope = w.rope,
                        .rope_positions = WORLD_TOKENS};
  ck_ok(w.kernels->splice(w.device, &turned, &err));
  ck_assert_int_eq(world_splice(&w, &a, &b), OK);
  world_counts(&w, 3, 1, 60, 7);
  ck_assert_int_eq(cache_count(w.cache).spliced_tokens, 9);
  ck_assert_int_eq(segment_tokens(w.cache, b.id), 0);
  ck_assert_int_eq(segment_is_causal(w.cache, a.id), 0);
  ck_assert_uint_eq(segment_token(w.cache, a.id, 40), 2008);
  ck_ok(w.kernels->page_get(w.device, moved, segment_slot(w.cache, a.id, 32) / 16, &err));
  ck_ok(w.kernels->page_get(w.device, wanted, w.spare, &err));
  ck_assert(!memcmp(moved, wanted, BYTES));                   /* both pages were zero before */
  ck_assert_int_eq(cache_finds(w.cache, tokens_of(2), 9), 9); /* b's page is still known */
  ck_assert_int_eq(world_new(&w, &c), OK);
  ck_assert_int_eq(world_splice(&w, &a, &c), OK); /* of nothing */
  ck_assert_int_eq(segment_tokens(w.cache, a.id), 41);
  world_close(&w);
}
END_TEST

START_TEST(limits_of_a_splice) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", (cache_options){.pages = 3, .segments = 2, .share = 1}, 0);
  a = grown(&w, 1, 20);
  b = grown(&w, 2, 13);
  ck_assert_int_eq(world_splice(&w, &a, &b), E_LIMIT); /* pages are taken before any are given */
  ck_assert_int_eq(world_truncate(&w, &b, 12), OK);
  ck_assert_int_eq(world_splice(&w, &a, &b), OK);
  world_same(&w, &a);
  world_counts(&w, 2, 1, 0, 0);
  world_close(&w);
}
END_TEST

/* ---- swapping -------------------------------------------------------------------------------- */

START_TEST(swapping_restores_every_bit) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, backends[_i],
             (cache_options){.pages = 4, .segments = 4, .swap_pages = 4, .share = 1}, 0);
  a = grown(&w, 1, 20);
  ck_assert_int_eq(world_append(&w, &a, tokens_of(7), 30, 0), OK);
  cache_commit(w.cache);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK); /* out already */
  world_counts(&w, 0, 2, 2, 0);
  ck_assert_int_eq(cache_count(w.cache).swapped, 4);
  ck_assert_int_eq(segment_pages_for(w.cache, a.id, 14), 4);
  ck_assert_int_eq(segment_pages_for(w.cache, a.id, 15), 5);
  world_same(&w, &a);
  b = grown(&w, 2, 64); /* writes over all pages */
  ck_assert_int_eq(world_swap(&w, &a, 0), E_LIMIT);
  world_free(&w, &b);
  ck_assert_int_eq(world_swap(&w, &a, 0), OK);
  ck_assert_int_eq(world_swap(&w, &a, 0), OK);
  world_same(&w, &a);
  cache_counters n = cache_count(w.cache);
  ck_assert_int_eq(n.swapped, 0);
  ck_assert_int_eq(n.swapped_out, 4);
  ck_assert_int_eq(n.swapped_in, 4);
  ck_assert_int_eq(n.swap_known, 0);
  world_close(&w);
}
END_TEST

START_TEST(known_pages_are_not_moved_back) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", ample, 0);
  a = grown(&w, 1, 40);
  ck_assert_int_eq(world_fork(&w, &a, 16, &b), OK);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK);
  world_counts(&w, 1, 2, 61, 0);
  ck_assert_int_eq(world_swap(&w, &a, 0), OK); /* all three, the tail as it stands */
  world_counts(&w, 3, 0, 61, 8);
  ck_assert_int_eq(cache_count(w.cache).swap_known, 3);
  ck_assert_int_eq(cache_count(w.cache).swapped_in, 0);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK);
  ck_assert_int_eq(world_find(&w, tokens_of(1), 40, &b), OK);
  ck_assert_int_eq(world_swap(&w, &a, 0), OK); /* the tail is another's now */
  ck_assert_int_eq(cache_count(w.cache).swap_known, 5);
  ck_assert_int_eq(cache_count(w.cache).swapped_in, 1);
  world_counts(&w, 4, 0, 60, 16);
  world_same(&w, &a);
  world_same(&w, &b);
  world_close(&w);
}
END_TEST

START_TEST(limits_of_swapping) {
  detail err;
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", (cache_options){.pages = 8, .segments = 2, .swap_pages = 3}, 0);
  a = grown(&w, 1, 33);
  b = grown(&w, 2, 1);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK);
  ck_fails(segment_swap_out(w.cache, b.id, &err), E_LIMIT,
           "1 pages cannot be swapped out: 0 of the 3 pages of host memory are free");
  world_same(&w, &b);
  world_free(&w, &a); /* while it is out */
  ck_assert_int_eq(cache_count(w.cache).swapped, 0);
  ck_assert_int_eq(world_swap(&w, &b, 1), OK);
  ck_assert_int_eq(world_swap(&w, &b, 0), OK);
  world_same(&w, &b);
  world_close(&w);
}
END_TEST

/* ---- all of it ------------------------------------------------------------------------------- */

/* A cache that is large enough computes each token of the trie of all prompts once. */
START_TEST(computed_tokens_are_the_trie_of_all_prompts) {
  enum { PROMPTS = 120, MOST = WORLD_TOKENS };
  cache_world w;
  static uint32_t prompt[PROMPTS][MOST];
  static int length[PROMPTS];
  static plain_segment s;
  int trie = 0, computed = 0;
  random_stream draw = random_start((random_key){{5, (uint32_t)_i}});
  world_open(&w, "reference", (cache_options){.pages = 1500, .segments = PROMPTS, .share = 1}, 0);
  for (int p = 0; p < PROMPTS; p++) {
    int from = (int)random_below(&draw, (uint32_t)p + 1), shared = 0, longest = 0;
    length[p] = (int)random_between(&draw, 1, MOST);
    int head = p ? (int)random_below(&draw, (uint32_t)length[from] + 1) : 0;
    for (int i = 0; i < length[p]; i++)
      prompt[p][i] = i < head ? prompt[from][i] : random_below(&draw, 3);
    for (int q = 0; q < p; q++) {
      for (shared = 0; shared < length[p] && shared < length[q]; shared++)
        if (prompt[p][shared] != prompt[q][shared]) break;
      if (shared > longest) longest = shared;
    }
    trie += length[p] - longest;
    ck_assert_int_eq(world_find(&w, prompt[p], length[p], &s), OK);
    ck_assert_int_eq(s.count, longest);
    computed += length[p] - s.count;
    while (s.count < length[p]) { /* in pieces */
      int rest = length[p] - s.count, piece = (int)random_between(&draw, 1, rest);
      ck_assert_int_eq(world_append(&w, &s, prompt[p] + s.count, piece, 1), OK);
      cache_commit(w.cache);
    }
    world_same(&w, &s);
    if (random_below(&draw, 2)) world_free(&w, &s);
  }
  ck_assert_int_eq(computed, trie);
  world_close(&w);
}
END_TEST

START_TEST(nothing_is_allocated_after_opening) {
  cache_world w;
  plain_segment a, b, c;
  world_open(&w, "reference",
             (cache_options){.pages = 10, .segments = 4, .swap_pages = 8, .share = 1}, 0);
  memory_fail_once(INT64_MAX);
  for (uint32_t i = 0; i < 20; i++) {
    a = grown(&w, i, 40);
    ck_assert_int_eq(world_find(&w, tokens_of(i), 35, &b), OK);
    ck_assert_int_eq(world_fork(&w, &a, 20, &c), OK);
    ck_assert_int_eq(world_truncate(&w, &a, 5), OK);
    ck_assert_int_eq(world_splice(&w, &c, &b), OK);
    ck_assert_int_eq(world_swap(&w, &c, 1), OK);
    ck_assert_int_eq(world_swap(&w, &c, 0), OK);
    world_same(&w, &c);
    world_free(&w, &a);
    world_free(&w, &b);
    world_free(&w, &c);
  }
  ck_assert_int_gt(cache_count(w.cache).evicted, 10);
  ck_assert_int_eq(memory_asked(), 0);
  memory_fail_once(-1);
  world_close(&w);
}
END_TEST

static TCase *growing(void) {
  TCase *t = tcase_create("growing");
  tcase_add_test(t, options_that_cannot_be);
  tcase_add_test(t, memory_that_fails);
  tcase_add_test(t, bytes_by_arithmetic);
  tcase_add_loop_test(t, appending_takes_pages_at_their_borders, 0, BACKENDS);
  tcase_add_test(t, appending_in_pieces_before_a_commit);
  tcase_add_test(t, limits_of_a_cache);
  tcase_add_test(t, names_are_not_used_again);
  return t;
}

static TCase *finding(void) {
  TCase *t = tcase_create("finding");
  tcase_add_loop_test(t, what_was_computed_is_found, 0, BACKENDS);
  tcase_add_test(t, what_nobody_stands_on_is_taken_as_it_is);
  tcase_add_test(t, a_page_that_two_computed_is_kept_once);
  tcase_add_test(t, without_sharing_nothing_is_found);
  tcase_add_test(t, the_oldest_leaves_are_evicted);
  tcase_add_test(t, a_head_is_not_copied_over_itself);
  tcase_add_loop_test(t, computed_tokens_are_the_trie_of_all_prompts, 0, 4);
  return t;
}

static TCase *changing(void) {
  TCase *t = tcase_create("changing");
  tcase_add_loop_test(t, forks_share_whole_pages, 0, BACKENDS);
  tcase_add_test(t, cuts_leave_others_what_they_read);
  tcase_add_test(t, cuts_in_a_full_cache);
  tcase_add_test(t, what_is_not_causal_is_shared_by_forks_alone);
  tcase_add_loop_test(t, a_splice_turns_keys_once, 0, BACKENDS);
  tcase_add_test(t, limits_of_a_splice);
  tcase_add_loop_test(t, swapping_restores_every_bit, 0, BACKENDS);
  tcase_add_test(t, known_pages_are_not_moved_back);
  tcase_add_test(t, limits_of_swapping);
  tcase_add_test(t, nothing_is_allocated_after_opening);
  return t;
}

int main(void) {
  Suite *suite = suite_create("segment");
  suite_add_tcase(suite, growing());
  suite_add_tcase(suite, finding());
  suite_add_tcase(suite, changing());
  return support_run(suite);
}
