/* Forks, cuts, splices and swaps of segments: counts written out by hand, bits of every slot. */
#include "base/memory.h"
#include "engine/cache_internal.h"
#include "tests/engine/cache_world.h"

#include <string.h>

static const char *const backends[] = {"reference", "cpu"};
enum { BACKENDS = 2 };

static const cache_options ample = {.pages = 64, .segments = 16, .swap_pages = 16, .share = 1};

/* ---- forks, cuts and splices ----------------------------------------------------------------- */

START_TEST(forks_share_whole_pages) {
  cache_world w;
  plain_segment a, b, c, d;
  world_open(&w, backends[_i], ample, 0);
  a = world_grown(&w, 1, 40);
  ck_assert_int_eq(world_fork(&w, &a, 40, &b), OK);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(world_fork(&w, &a, 32, &c), OK);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(world_fork(&w, &a, 0, &d), OK);
  world_counts(&w, 4, 0, 60, 16);
  ck_assert_int_eq(world_append(&w, &b, world_text(2), 12, 1), OK);
  ck_assert_int_eq(world_append(&w, &c, world_text(3), 12, 1), OK);
  ck_assert_int_eq(world_append(&w, &d, world_text(1), 20, 1), OK);
  cache_commit(w.cache);
  world_grow(&w, &a, 1, 20);
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
  a = world_grown(&w, 1, 60);
  ck_assert_int_eq(world_fork(&w, &a, 48, &b), OK);
  ck_assert_int_eq(world_truncate(&w, &a, 57), OK); /* more is known than is kept: a copy */
  world_counts(&w, 4, 1, 59, 7);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 60), 60);
  ck_assert_int_eq(world_truncate(&w, &a, 48), OK); /* at a border: the copy is of no use */
  world_counts(&w, 3, 1, 60, 0);
  ck_assert_int_eq(world_truncate(&w, &a, 40), OK); /* into a page that b reads */
  world_counts(&w, 4, 1, 59, 8);
  ck_assert_int_eq(world_append(&w, &a, world_text(5), 30, 1), OK);
  cache_commit(w.cache);
  world_same(&w, &a);
  world_same(&w, &b);
  ck_assert_int_eq(world_truncate(&w, &a, 0), OK);
  ck_assert_int_eq(a.count, 0);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 60), 60);
  world_close(&w);
}
END_TEST

/* Without a page to be had, a cut into one's own page makes the tree forget the rest of it; one
   into a page that others read is refused. */
START_TEST(cuts_in_a_full_cache) {
  cache_world w;
  plain_segment a, b;
  world_open(&w, "reference", (cache_options){.pages = 2, .segments = 2, .share = 1}, 0);
  a = world_grown(&w, 1, 30);
  ck_assert_int_eq(world_truncate(&w, &a, 25), OK);
  world_counts(&w, 2, 0, 0, 7);
  world_free(&w, &a);
  ck_assert_int_eq(world_find(&w, world_text(1), 30, &a), OK);
  ck_assert_int_eq(a.count, 25);
  ck_assert_int_eq(world_append(&w, &a, world_text(9), 7, 1), OK);
  cache_commit(w.cache);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 30), 16); /* no page for a copy */
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
  a = world_grown(&w, 1, 20);
  ck_assert_int_eq(segment_is_causal(w.cache, a.id), 1);
  ck_assert_int_eq(world_append(&w, &a, world_text(1) + 20, 30, 0), OK);
  cache_commit(w.cache);
  world_grow(&w, &a, 1, 5); /* it does not become causal again */
  ck_assert_int_eq(segment_is_causal(w.cache, a.id), 0);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 55), 20);
  ck_assert_int_eq(world_fork(&w, &a, 40, &b), OK);
  world_counts(&w, 5, 0, 59, 9 + 8);
  world_same(&w, &b);
  ck_assert_int_eq(world_truncate(&w, &b, 20), OK);
  ck_assert_int_eq(segment_is_causal(w.cache, b.id), 1);
  world_grow(&w, &b, 1, 20);
  ck_assert_int_eq(cache_finds(w.cache, world_text(1), 55), 40);
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
  a = world_grown(&w, 1, 32);
  b = world_grown(&w, 2, 9);
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
  ck_assert(!memcmp(moved, wanted, BYTES));                    /* both pages were zero before */
  ck_assert_int_eq(cache_finds(w.cache, world_text(2), 9), 9); /* b's page is still known */
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
  a = world_grown(&w, 1, 20);
  b = world_grown(&w, 2, 13);
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
  a = world_grown(&w, 1, 20);
  ck_assert_int_eq(world_append(&w, &a, world_text(7), 30, 0), OK);
  cache_commit(w.cache);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK); /* out already */
  world_counts(&w, 0, 2, 2, 0);
  ck_assert_int_eq(cache_count(w.cache).swapped, 4);
  ck_assert_int_eq(segment_pages_for(w.cache, a.id, 14), 4);
  ck_assert_int_eq(segment_pages_for(w.cache, a.id, 15), 5);
  world_same(&w, &a);
  b = world_grown(&w, 2, 64); /* writes over all pages */
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
  a = world_grown(&w, 1, 40);
  ck_assert_int_eq(world_fork(&w, &a, 16, &b), OK);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK);
  world_counts(&w, 1, 2, 61, 0);
  ck_assert_int_eq(world_swap(&w, &a, 0), OK); /* all three, the tail as it stands */
  world_counts(&w, 3, 0, 61, 8);
  ck_assert_int_eq(cache_count(w.cache).swap_known, 3);
  ck_assert_int_eq(cache_count(w.cache).swapped_in, 0);
  ck_assert_int_eq(world_swap(&w, &a, 1), OK);
  ck_assert_int_eq(world_find(&w, world_text(1), 40, &b), OK);
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
  a = world_grown(&w, 1, 33);
  b = world_grown(&w, 2, 1);
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

START_TEST(nothing_is_allocated_after_opening) {
  cache_world w;
  plain_segment a, b, c;
  world_open(&w, "reference",
             (cache_options){.pages = 10, .segments = 4, .swap_pages = 8, .share = 1}, 0);
  memory_fail_once(INT64_MAX);
  for (uint32_t i = 0; i < 20; i++) {
    a = world_grown(&w, i, 40);
    ck_assert_int_eq(world_find(&w, world_text(i), 35, &b), OK);
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

/* What cache_check is for: each of these makes one thing untrue. */
START_TEST(a_check_sees_what_is_wrong) {
  detail err;
  cache_world w;
  plain_segment a, b, out;
  world_open(&w, "reference", ample, 0);
  a = world_grown(&w, 1, 40);
  b = world_grown(&w, 2, 40);
  out = world_grown(&w, 3, 20);
  ck_assert_int_eq(world_swap(&w, &out, 1), OK); /* its pages 6 and 7 are idle now */
  cache *c = w.cache;
  segment *one = cache_segment(c, a.id), *two = cache_segment(c, b.id);
  int32_t *list = cache_list(c, one), first = list[0], tail = list[2], before = first;
  const struct {
    int32_t *where, value;
    const char *says;
  } wrong[] = {
      {&c->pages[first].segments, 2, "1 segments stand on page 0, which says 2"},
      {&list[0], cache_list(c, two)[0], "page 1 has another parent"},
      {&list[1], 99, "page 1 of a segment is 99"},
      {&c->pages[tail].known, 9, "a tail of 8 tokens is known to 9"},
      {&c->pages[tail].known, 7, "page 2 of a segment is known to 7 tokens, not 8"},
      {&c->pages[first].children, NONE, "known pages"},
      {&c->pages[tail].parent, 3, "page 2 has another parent"},
      {&c->pages[first].low, first, "is twice in the tree"},
      {&c->oldest, NONE, "of 2 idle pages"},
      {&c->pages[c->youngest].parent, c->oldest, "under"},
      {&c->used, 5, "6 of 5 used pages"},
      {&c->idle, 3, "2 of 3 idle pages"},
      {&c->touched, 9, "page 8 is lost"},
      {&c->swapped, 1, "2 of 1 blocks are used"},
      {&c->touched_blocks, 3, "block 2 is held 0 times"},
      {&c->touched_segments, 4, "segments are lost"},
      {&one->tokens, 50, "a segment of 50 tokens has 3 pages"},
      {&one->causal, 41, "of 40 tokens 41 are causal and 40 known"},
      {&one->known, 30, "of 40 computed causal tokens 30 are known"},
      {&one->is_pending, 1, "await a commit"},
  };
  world_check(&w);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    before = *wrong[i].where;
    *wrong[i].where = wrong[i].value;
    ck_fails(cache_check(c, &err), E_INPUT, wrong[i].says);
    *wrong[i].where = before;
  }
  c->tokens[(size_t)first * WORLD_KEYS] = 5000; /* among its siblings */
  ck_fails(cache_check(c, &err), E_INPUT, "order");
  c->tokens[(size_t)first * WORLD_KEYS] = 1000;
  world_close(&w);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("segment_changes");
  TCase *t = tcase_create("changes");
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
  tcase_add_test(t, a_check_sees_what_is_wrong);
  suite_add_tcase(suite, t);
  return support_run(suite);
}
