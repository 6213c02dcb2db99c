/* Opening a cache, appending to segments, finding what was computed: counts written out by hand. */
#include "base/memory.h"
#include "base/random.h"
#include "tests/engine/cache_world.h"

#include <string.h>

static const char *const backends[] = {"reference", "cpu"};
enum { BACKENDS = 2 };

static const cache_options ample = {.pages = 64, .segments = 16, .swap_pages = 16, .share = 1};

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
  o.segments = 3; /* a segment, its list of two pages, its place among those to commit */
  ck_assert_int_eq(cache_bytes(&o, 1000) - base, 2 * (48 + 2 * 4 + 4));
  o.segments = 1;
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
  world_grow(&w, &s, 1, 0);
  world_counts(&w, 0, 0, 64, 0);
  world_grow(&w, &s, 1, 1);
  world_counts(&w, 1, 0, 63, 15);
  world_grow(&w, &s, 1, 15);
  world_counts(&w, 1, 0, 63, 0);
  ck_assert_int_eq(segment_pages_for(w.cache, s.id, 1), 1);
  world_grow(&w, &s, 1, 18);
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
  ck_assert_int_eq(world_append(&w, &s, world_text(1), 10, 1), OK);
  ck_assert_int_eq(world_append(&w, &s, world_text(1) + 10, 10, 1), OK);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 20), 0);
  ck_assert_int_eq(world_truncate(&w, &s, 18), OK);
  cache_commit(w.cache);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 20), 18);
  ck_assert_int_eq(world_append(&w, &s, world_text(1) + 18, 5, 1), OK);
  world_free(&w, &s); /* what was not computed is not known */
  cache_commit(w.cache);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 30), 18);
  world_close(&w);
}
END_TEST

START_TEST(limits_of_a_cache) {
  detail err;
  cache_world w;
  plain_segment a, b, c;
  world_open(&w, "reference", (cache_options){.pages = 12, .segments = 2, .share = 1}, 0);
  a = world_grown(&w, 1, 150);
  ck_fails(segment_append(w.cache, a.id, world_text(1), 11, 1, &err), E_LIMIT,
           "a segment of 150 tokens cannot take 11 more: the cache was opened for 160");
  ck_assert_int_eq(world_new(&w, &b), OK);
  ck_fails(segment_new(w.cache, &c.id, &err), E_LIMIT, "the cache has its 2 segments");
  ck_fails(segment_find(w.cache, world_text(1), 5, &c.id, &c.count, &err), E_LIMIT, "2 segments");
  ck_fails(segment_append(w.cache, b.id, world_text(2), 33, 1, &err), E_LIMIT,
           "3 more pages are needed and 2 can be had: segments stand on 10 of the cache's 12");
  world_counts(&w, 10, 0, 2, 10);
  world_grow(&w, &b, 2, 32);
  world_counts(&w, 12, 0, 0, 10);
  ck_assert_int_eq(world_append(&w, &b, world_text(2), 1, 1), E_LIMIT);
  world_grow(&w, &a, 1, 10);
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
  a = world_grown(&w, 1, 40);
  world_counts(&w, 3, 0, 61, 8);
  ck_assert_int_eq(world_find(&w, world_text(1), 40, &b), OK); /* two shared, eight copied */
  ck_assert_int_eq(b.count, 40);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(cache_count(w.cache).copied, 1);
  memcpy(other, world_text(1), sizeof other);
  other[21] = 7;
  ck_assert_int_eq(world_find(&w, other, 40, &c), OK); /* one shared, five copied */
  ck_assert_int_eq(c.count, 21);
  world_counts(&w, 5, 0, 59, 27);
  ck_assert_int_eq(world_find(&w, other + 1, 39, &d), OK); /* nothing begins so */
  ck_assert_int_eq(d.count, 0);
  world_counts(&w, 5, 0, 59, 27);
  ck_assert_int_eq(cache_count(w.cache).found_tokens, 61);
  world_grow(&w, &b, 1, 30);
  ck_assert_int_eq(world_append(&w, &c, other + 21, 19, 1), OK);
  cache_commit(w.cache);
  world_same(&w, &a);
  world_same(&w, &b);
  world_same(&w, &c);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 100), 70);
  ck_assert_int_eq(cache_finds(w.cache, other, 40), 40);
  world_close(&w);
}
END_TEST

START_TEST(what_nobody_stands_on_is_taken_as_it_is) {
  cache_world w;
  plain_segment a;
  world_open(&w, "reference", ample, 0);
  a = world_grown(&w, 1, 40);
  world_free(&w, &a);
  world_counts(&w, 0, 3, 61, 0);
  ck_assert_int_eq(world_find(&w, world_text(1), 50, &a), OK);
  ck_assert_int_eq(a.count, 40);
  world_counts(&w, 3, 0, 61, 8);
  ck_assert_int_eq(cache_count(w.cache).copied, 0);
  world_grow(&w, &a, 1, 10);
  world_same(&w, &a);
  world_free(&w, &a);
  ck_assert_int_eq(world_find(&w, world_text(1), 45, &a), OK); /* a head: the page is left whole */
  world_counts(&w, 3, 2, 59, 3);
  ck_assert_int_eq(cache_count(w.cache).copied, 1);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 60), 50);
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
  ck_assert_int_eq(world_append(&w, &a, world_text(1), 40, 1), OK);
  ck_assert_int_eq(world_append(&w, &b, world_text(1), 40, 1), OK);
  world_counts(&w, 6, 0, 58, 16);
  cache_commit(w.cache);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(cache_count(w.cache).merged, 2);
  ck_assert_int_eq(segment_pages(w.cache, a.id, &count)[1],
                   segment_pages(w.cache, b.id, &count)[1]);
  world_grow(&w, &a, 1, 8);
  world_grow(&w, &b, 1, 9);
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
  a = world_grown(&w, 1, 40);
  ck_assert_int_eq(world_find(&w, world_text(1), 40, &b), OK);
  ck_assert_int_eq(b.count, 0);
  world_grow(&w, &b, 1, 40);
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
  a = world_grown(&w, 1, 48);
  b = world_grown(&w, 2, 32);
  world_free(&w, &a);
  world_free(&w, &b);
  world_counts(&w, 0, 5, 1, 0);
  c = world_grown(&w, 3, 32); /* the free one, then the last page of 1 */
  world_counts(&w, 2, 4, 0, 0);
  ck_assert_int_eq(cache_count(w.cache).evicted, 1);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 48), 32);
  ck_assert_int_eq(cache_finds(w.cache, world_text(2), 32), 32);
  ck_assert_int_eq(world_find(&w, world_text(1), 48, &a), OK); /* now 2 is the older one */
  world_free(&w, &a);
  world_grow(&w, &c, 3, 32);
  ck_assert_int_eq(cache_finds(w.cache, world_text(2), 32), 0);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 48), 32);
  world_grow(&w, &c, 3, 32);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 48), 0);
  world_counts(&w, 6, 0, 0, 0);
  ck_assert_int_eq(world_append(&w, &c, world_text(1), 1, 1), E_LIMIT);
  world_same(&w, &c);
  world_close(&w);
}
END_TEST

/* A copy that is of no use beside a page that holds it all makes that page younger. */
START_TEST(a_head_that_was_used_keeps_its_page) {
  cache_world w;
  plain_segment a, b, c;
  world_open(&w, "reference", (cache_options){.pages = 4, .segments = 4, .share = 1}, 0);
  a = world_grown(&w, 1, 10);
  ck_assert_int_eq(world_find(&w, world_text(1), 8, &b), OK);
  c = world_grown(&w, 2, 10);
  world_free(&w, &a);
  world_free(&w, &c);
  world_counts(&w, 1, 2, 1, 8);
  world_free(&w, &b); /* 1 is younger than 2 now */
  world_counts(&w, 0, 2, 2, 0);
  a = world_grown(&w, 3, 40);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 10), 10);
  ck_assert_int_eq(cache_finds(w.cache, world_text(2), 10), 0);
  world_same(&w, &a);
  world_close(&w);
}
END_TEST

/* Of one page that is idle and a request for its head: no page can be had for a copy. */
START_TEST(a_head_is_not_copied_over_itself) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", (cache_options){.pages = 2, .segments = 4, .share = 1}, 0);
  a = world_grown(&w, 1, 16);
  b = world_grown(&w, 2, 10);
  world_free(&w, &b);
  world_counts(&w, 1, 1, 0, 0);
  ck_assert_int_eq(cache_finds(w.cache, world_text(2), 10), 10);
  ck_assert_int_eq(cache_finds(w.cache, world_text(2), 9), 0);
  ck_assert_int_eq(world_find(&w, world_text(2), 9, &b), OK);
  ck_assert_int_eq(b.count, 0);
  world_free(&w, &b);
  ck_assert_int_eq(world_find(&w, world_text(2), 12, &b), OK);
  ck_assert_int_eq(b.count, 10);
  world_same(&w, &a);
  world_same(&w, &b);
  world_close(&w);
}
END_TEST

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
  tcase_add_test(t, a_head_that_was_used_keeps_its_page);
  tcase_add_test(t, a_head_is_not_copied_over_itself);
  tcase_add_loop_test(t, computed_tokens_are_the_trie_of_all_prompts, 0, 4);
  return t;
}

int main(void) {
  Suite *suite = suite_create("segment");
  suite_add_tcase(suite, growing());
  suite_add_tcase(suite, finding());
  return support_run(suite);
}
