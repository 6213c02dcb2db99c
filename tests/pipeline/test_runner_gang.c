/* Workers that read each other on the runner, over texts that the test wrote: every count by hand,
   limits against what a sample without them is, and the same sample whatever the schedule. */
#include "base/memory.h"
#include "tests/pipeline/gang_story.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A token is a byte. The prompt is a begin token, "q" and "P:". */
#define WORDS                                                                                      \
  "\"protocol\":\"generic-hogwild\",\"prompt\":\"{question}\",\"answer\":\"=(.)\","                \
  "\"header\":{\"past\":\"P:\",\"others\":\"[o]\",\"own\":\"[w]\",\"split\":\"[s]\","              \
  "\"workspace\":\"#{worker}:\"},\"step\":{\"separator\":\".\",\"rule\":\"separator\","            \
  "\"prefix\":\"{worker}{step}:\",\"opening\":\"+\",\"greeting\":\"-\",\"cut\":\"<>\"}"
#define ABC           ",\"names\":[\"A\",\"B\",\"C\"]"
#define CHECK(tokens) ",\"redundancy\":{\"text\":\"?\",\"tokens\":" tokens "}"
#define NEVER         CHECK("100000")
enum { SCHEDULES = 11 };

static gang_story open_named(const char *names, const char *more, const script_line *lines,
                             int count) {
  char words[2048];
  ck_assert_int_lt(snprintf(words, sizeof words, "{" WORDS "%s%s}", names, more),
                   (int)sizeof words);
  return gang_story_open(words, "q", "\"\"", lines, count);
}

static gang_story open_story(const char *more, const script_line *lines, int count) {
  return open_named(ABC, more, lines, count);
}

static void check_span(const runner_thread *t, int at, runner_span_kind kind, size_t start,
                       size_t count, int64_t step) {
  ck_assert_int_lt(at, t->span_count);
  ck_assert_int_eq(t->spans[at].kind, kind);
  ck_assert_uint_eq(t->spans[at].start, start);
  ck_assert_uint_eq(t->spans[at].count, count);
  ck_assert_int_eq(t->spans[at].step, step);
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* Both end a step at the third forward. What is put in: 4, 1, 1, then 4 (the separator and three of
   the next step), 1, 1. Views are 18, 20, 22 long; 30, 32, 34 behind the commits, when what is done
   is 4 + 6 + 6. Attended to: 10 + 6 + 6 by what all see; 14 * 4 + 10, 20, 22, 26 * 4 + 10, 32, 34.
 */
START_TEST(commits_at_once) {
  static const script_line lines[] = {{"0", "ab.cd|"}, {"1", "xy.zw|"}};
  gang_story s = open_story(",\"workers\":2,\"until\":\"all\"" NEVER, lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  gang_story_says(of, 0, "qP:[o][w]A1:+ab.A2:cd");
  gang_story_says(of, 1, "qP:[o][w]B1:-xy.B2:zw");
  for (int w = 0; w < 2; w++) {
    const runner_thread *t = gang_story_thread(of, w);
    ck_assert_int_eq(t->worker, w);
    ck_assert_int_eq(t->span_count, 7);
    check_span(t, 0, THREAD_PROMPT, 0, 4, 0);
    check_span(t, 1, THREAD_FED, 4, 3, 0);
    check_span(t, 2, THREAD_FED, 7, 3, 0);
    check_span(t, 3, THREAD_FED, 10, 4, 0);
    check_span(t, 4, THREAD_GENERATED, 14, 3, 1);
    check_span(t, 5, THREAD_FED, 17, 3, 3);
    check_span(t, 6, THREAD_GENERATED, 20, 3, 4);
    ck_assert_int_eq(t->commit_count, 1);
    ck_assert_uint_eq(t->commits[0].token, 16);
    ck_assert_int_eq(t->commits[0].step, 3);
    ck_assert_int_eq(t->finish, 6);
    ck_assert_int_eq(t->rows, 22);
    ck_assert_int_eq(t->keys, 310);
    ck_assert_int_eq(t->view_most, 35);
    ck_assert_int_eq(t->seen, 12); /* all that the other put in: 4, 1, 1, 4, 1, 1 */
  }
  runner_costs c = scripted_costs(of);
  ck_assert_int_eq(c.tokens_prompt, 8);
  ck_assert_int_eq(c.tokens_generated, 12);
  ck_assert_int_eq(c.tokens_injected, 26);
  ck_assert_int_eq(c.tokens_total, 46);
  ck_assert_int_eq(c.forwards, 6);
  ck_assert_int_eq(c.critical_path, 6);
  ck_assert_int_eq(c.context_peak, 35);
  ck_assert_int_eq(c.longest_sequence, 35);
  ck_assert_int_eq(c.wait_steps, 0);
  ck_assert_int_eq(c.kv_token_steps, 620);
  gang_story_close(&s, of);
}
END_TEST

/* It says no more, and is seen as it is: of the other's view at the end 12 are done, 6 are what the
   first left, 5 its own, 6 headers. */
START_TEST(one_ends_early) {
  static const script_line lines[] = {{"0", "ab|"}, {"1", "xyzw.v|"}};
  gang_story s = open_story(",\"workers\":2,\"until\":\"all\"" NEVER, lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  ck_assert_int_eq(gang_story_thread(of, 0)->finish, 3);
  ck_assert_int_eq(gang_story_thread(of, 1)->finish, 7);
  ck_assert_int_eq(gang_story_thread(of, 1)->view_most, 30);
  ck_assert_int_eq(gang_story_thread(of, 0)->seen, 6);
  ck_assert_int_eq(gang_story_thread(of, 1)->seen, 6);
  runner_costs c = scripted_costs(of);
  ck_assert_int_eq(c.forwards, 7);
  ck_assert_int_eq(c.wait_steps, 4);
  ck_assert_int_eq(runner_sample_winner(of), -1);
  gang_story_close(&s, of);
}
END_TEST

/* The first has begun another step at the forward at which the second ends all: that never was. */
START_TEST(all_are_stopped) {
  static const script_line lines[] = {{"0", "a.bcd"}, {"1", "x|"}, {"2", "=7yz"}};
  gang_story s = open_story(",\"workers\":3,\"until\":\"end\"" NEVER, lines, 3);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  gang_story_says(of, 0, "qP:[o][w]A1:+a.");
  gang_story_says(of, 2, "qP:[o][w]C1:-=7");
  ck_assert_int_eq(gang_story_thread(of, 0)->commit_count, 1);
  for (int w = 0; w < 3; w++) {
    ck_assert_int_eq(gang_story_thread(of, w)->generated, 2);
    ck_assert_int_eq(gang_story_thread(of, w)->is_stopped, w != 1);
    ck_assert_int_eq(gang_story_thread(of, w)->finish, 2);
  }
  ck_assert_int_eq(runner_sample_winner(of), 2);
  ck_assert_str_eq(gang_story_thread(of, 2)->answer, "7");
  gang_story_close(&s, of);
}
END_TEST

/* 8 tokens are put in by the first forward, 2 by each of the next two. The check is due behind more
   than 11, so at the third forward, where the second worker is in the middle of a step: the first
   begins one then. The second is not asked at the fourth: only so many were put in since. */
START_TEST(check_is_due) {
  static const script_line lines[] = {{"0", "ab.c|"}, {"1", "wxy.z|"}};
  gang_story s = open_story(",\"workers\":2,\"until\":\"all\"" CHECK("11"), lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  gang_story_says(of, 0, "qP:[o][w]A1:+ab.A2:?c");
  gang_story_says(of, 1, "qP:[o][w]B1:-wxy.B2:z");
  gang_story_close(&s, of);
  s = open_story(",\"workers\":2,\"until\":\"all\"" CHECK("12"), lines, 2);
  of = gang_story_run(&s, SCHEDULES);
  gang_story_says(of, 0, "qP:[o][w]A1:+ab.A2:c");
  gang_story_says(of, 1, "qP:[o][w]B1:-wxy.B2:?z");
  gang_story_close(&s, of);
}
END_TEST

/* What is longer than a forward takes puts in takes several, in which the other writes. */
START_TEST(long_feeds) {
  static const script_line lines[] = {{"0", "a|"}, {"1", "wxyz|"}};
  char names[256];
  (void)snprintf(names, sizeof names, ",\"names\":[\"%0140d\",\"B\"]", 0);
  gang_story s = open_named(names, ",\"workers\":2,\"until\":\"all\"" NEVER, lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  const runner_thread *t = gang_story_thread(of, 0);
  check_span(t, 3, THREAD_FED, 10, 143, 0);
  check_span(t, 4, THREAD_GENERATED, 153, 2, 3);
  ck_assert_int_eq(t->finish, 4);
  ck_assert_int_eq(gang_story_thread(of, 1)->finish, 5);
  ck_assert_int_eq(scripted_costs(of).forwards, 5);
  gang_story_close(&s, of);
}
END_TEST

/* Nobody has the answer: a thread of its own reads all of it once more, and stops at no separator.
 */
START_TEST(finisher_asks) {
  static const script_line lines[] = {{"0", "a.bcdefg"}, {"1", "xyzuvwst"}, {"2", "b.=4|"}};
  gang_story s = open_story(",\"workers\":2,\"finisher\":{\"text\":\"So \",\"tokens\":9},"
                            "\"limit\":{\"forwards\":4}" NEVER,
                            lines, 3);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  const runner_thread *t = gang_story_thread(of, 2);
  gang_story_says(of, 2, "qP:A1:+a.[o]A2:bc<>B1:-xyzu<>So b.=4");
  ck_assert_str_eq(t->role, "finisher");
  ck_assert_int_eq(t->start, 4);
  ck_assert_int_eq(t->finish, 9);
  ck_assert_int_eq(t->prompt, 30);
  ck_assert_int_eq(t->finisher, 8);
  ck_assert_int_eq(runner_sample_winner(of), 2);
  ck_assert_str_eq(t->answer, "4");
  ck_assert_str_eq(gang_story_thread(of, 0)->limit, "forwards");
  runner_costs c = scripted_costs(of);
  ck_assert_int_eq(c.tokens_finisher, 8);
  ck_assert_int_eq(c.forwards, 9);
  ck_assert_int_eq(c.wait_steps, 0);
  /* the first worker was fed 6 of headers, 4 and 3, and sampled 4; then 3 of the finisher, and 5 */
  ck_assert_int_eq(c.critical_path_injected, 25);
  gang_story_close(&s, of);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

static const script_line both[] = {{"0", "ab.c.defgh.ij|"}, {"1", "uvwxy.zst.uv.w.xyz|"}};

static int span_is_its(const runner_span *span) {
  return span->kind == THREAD_GENERATED;
}

/* Of a thread's tokens those that stand at a step: what it is fed counts from the next one. */
static int64_t tokens_by(const runner_thread *t, int64_t step) {
  int64_t tokens = 0;
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    int64_t since = step - span->step + 1, count = (int64_t)span->count;
    if (span_is_its(span)) tokens += since < 0 ? 0 : since < count ? since : count;
    if (!span_is_its(span) && (span->step < step || i < 3)) tokens += count;
  }
  return tokens;
}

/* A sample with a limit is the sample without it, up to a step. */
static void is_head(const runner_sample *of, const runner_sample *whole, int64_t step) {
  for (int w = 0; w < 2; w++) {
    const runner_thread *t = gang_story_thread(of, w), *all = gang_story_thread(whole, w);
    int64_t count = tokens_by(all, step);
    ck_assert_int_eq((int64_t)t->count, count);
    ck_assert(!memcmp(t->tokens, all->tokens, (size_t)count * sizeof *t->tokens));
    ck_assert_int_eq(t->finish, step < all->finish ? step : all->finish);
  }
}

/* And can be cut from it, as it is: no token of it is another's. */
static void is_derived(const runner_sample *of, const runner_sample *whole,
                       const runner_rules *rules) {
  detail err;
  runner_sample *cut = NULL;
  ck_ok(runner_derive(&cut, whole, rules, &err));
  ck_assert_ptr_nonnull(cut);
  scripted_same(of, cut);
  runner_sample_free(cut);
}

static void limits_cut(const char *layout) {
  char more[256];
  (void)snprintf(more, sizeof more, ",\"workers\":2,\"until\":\"all\",\"layout\":\"%s\"" NEVER,
                 layout);
  gang_story open = open_story(more, both, 2);
  runner_sample *whole = gang_story_run(&open, SCHEDULES);
  int64_t last = scripted_costs(whole).forwards;
  for (int64_t step = 1; step <= last; step++) {
    (void)snprintf(
        more, sizeof more,
        ",\"workers\":2,\"until\":\"all\",\"layout\":\"%s\",\"limit\":{\"forwards\":%d}" NEVER,
        layout, (int)step);
    gang_story s = open_story(more, both, 2);
    runner_sample *of = gang_story_run(&s, SCHEDULES);
    is_head(of, whole, step);
    is_derived(of, whole, &s.rules);
    gang_story_close(&s, of);
  }
  int64_t all =
      tokens_by(gang_story_thread(whole, 0), last) + tokens_by(gang_story_thread(whole, 1), last);
  for (int64_t limit = 21, step = 0; limit <= all; limit++) {
    while (step < last && tokens_by(gang_story_thread(whole, 0), step + 1) +
                                  tokens_by(gang_story_thread(whole, 1), step + 1) <=
                              limit)
      step++;
    (void)snprintf(more, sizeof more,
                   ",\"workers\":2,\"until\":\"all\",\"layout\":\"%s\","
                   "\"limit\":{\"tokens_total\":%d}" NEVER,
                   layout, (int)limit);
    gang_story s = open_story(more, both, 2);
    runner_sample *of = gang_story_run(&s, SCHEDULES);
    is_head(of, whole, step);
    is_derived(of, whole, &s.rules);
    ck_assert_str_eq(limit < all ? gang_story_thread(of, 1)->limit : "none",
                     limit < all ? "tokens_total" : "none");
    gang_story_close(&s, of);
  }
  gang_story_close(&open, whole);
}

START_TEST(limits) {
  limits_cut("combined");
  limits_cut("interleaved");
}
END_TEST

/* Of a smaller budget the workers' part is there already, and the finisher alone is asked. */
START_TEST(finisher_is_forked) {
  static const script_line lines[] = {{"0", "a.bcdefgh"}, {"1", "xyzuv.wst"}, {"2", "b.=4|"}};
#define ASKED(forwards)                                                                            \
  ",\"workers\":2,\"finisher\":{\"text\":\"So \",\"tokens\":9},\"limit\":{\"forwards\":" forwards  \
  "}" NEVER
  static const char *const less[] = {ASKED("1"), ASKED("4"), ASKED("6")};
  detail err;
  gang_story large = open_story(ASKED("7"), lines, 3);
  runner_sample *whole = gang_story_run(&large, SCHEDULES);
  for (int i = 0; i < 3; i++) {
    gang_story small = open_story(less[i], lines, 3);
    runner_sample *wanted = gang_story_run(&small, SCHEDULES), *cut = NULL;
    runner *r = NULL;
    int forked = 0;
    scripted *from = scripted_open(lines, 3, 0);
    generator g = scripted_generator(from);
    scripted_task(from, runner_sample_task(whole));
    ck_ok(runner_derive(&cut, whole, &small.rules, &err));
    ck_assert_ptr_null(cut);
    ck_ok(runner_open(&r, &g, &err));
    ck_ok(runner_fork(r, whole, &small.rules, &small, &forked, &err));
    ck_assert(forked && runner_in_flight(r) == 1 && runner_gangs(r) == 0);
    while (runner_in_flight(r))
      ck_ok(runner_step(r, &err));
    runner_sample *got = runner_take(r);
    ck_assert_ptr_eq(runner_sample_task(got)->tag, &small);
    ck_assert_int_eq(scripted_sampled(from), 5);
    ck_assert_int_eq(runner_under_way(r), 0);
    scripted_same(wanted, got);
    runner_sample_free(got);
    runner_close(r);
    scripted_close(from);
    gang_story_close(&small, wanted);
  }
#undef ASKED
  gang_story_close(&large, whole);
}
END_TEST

/* A worker that is full ends, and the others go on; a limit of one thread is of that alone. */
START_TEST(limits_of_one) {
  static const script_line lines[] = {{"0", "abcdefghijkl"}, {"1", "uv.wx|"}};
  gang_story s = open_story(
      ",\"workers\":2,\"until\":\"all\",\"limit\":{\"tokens_thread\":5}" NEVER, lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  ck_assert_int_eq(gang_story_thread(of, 0)->generated, 5);
  ck_assert_str_eq(gang_story_thread(of, 0)->limit, "tokens_thread");
  gang_story_says(of, 1, "qP:[o][w]B1:-uv.B2:wx");
  gang_story_close(&s, of);
  /* Views of 18, 20, 22, then 4 + 6 + 3 + 3 and 7 of the first and 4 of the second: 27. */
  s = open_story(",\"workers\":2,\"until\":\"all\",\"limit\":{\"context\":27}" NEVER, lines, 2);
  of = gang_story_run(&s, SCHEDULES);
  ck_assert_int_eq(gang_story_thread(of, 0)->generated, 3);
  ck_assert_str_eq(gang_story_thread(of, 0)->limit, "context");
  gang_story_says(of, 1, "qP:[o][w]B1:-uv.");
  ck_assert_int_eq(scripted_costs(of).context_peak, 23);
  gang_story_close(&s, of);
}
END_TEST

/* A prompt that leaves no room is a limit that is met, not an error. */
START_TEST(no_room) {
  static const script_line lines[] = {{"0", "a"}, {"1", "b"}};
  gang_story s = open_story(",\"workers\":2,\"limit\":{\"context\":12}" NEVER, lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  ck_assert_int_eq(gang_story_thread(of, 0)->generated, 0);
  ck_assert_str_eq(gang_story_thread(of, 0)->limit, "context");
  gang_story_says(of, 0, "qP:[o][w]");
  gang_story_close(&s, of);
  /* The first begins with 7 tokens behind 4, and there are 10 places; the second with 4. */
  static const script_line two[] = {{"0", "a"}, {"1", "bcd"}};
  s = open_named(",\"names\":[\"AAAA\",\"B\"]",
                 ",\"workers\":2,\"layout\":\"interleaved\",\"limit\":{\"context\":10}" NEVER, two,
                 2);
  of = gang_story_run(&s, SCHEDULES);
  ck_assert_int_eq(gang_story_thread(of, 0)->generated, 0);
  gang_story_says(of, 0, "qP:");
  ck_assert_int_eq(gang_story_thread(of, 1)->generated, 2);
  gang_story_says(of, 1, "qP:B1:-bc");
  gang_story_close(&s, of);
}
END_TEST

/* ---- pages that are kept --------------------------------------------------------------------- */

enum { WORKERS = 16, HEADERS = 2 };

/* Tokens of a sample's blocks: the history, two headers, then what each worker writes. */
typedef struct lengths {
  int64_t shared[1 + HEADERS], own[WORKERS];
} lengths;

static int64_t pages_for(int64_t tokens, int page_keys) {
  return (tokens + page_keys - 1) / page_keys;
}

static int64_t pages_of(const lengths *l, int workers, int page_keys) {
  int64_t pages = 0;
  for (int i = 0; i < 1 + HEADERS; i++)
    pages += pages_for(l->shared[i], page_keys);
  for (int i = 0; i < workers; i++)
    pages += pages_for(l->own[i], page_keys);
  return pages;
}

/* The most that is listed while all that are done are moved, in the order of the workers. */
static int64_t most_pages(lengths l, const runner_rules *r, int page_keys) {
  int64_t most = pages_of(&l, r->workers, page_keys);
  for (int i = 0; i < r->workers && r->commit; i++) {
    int64_t moved = pages_for(l.own[i], page_keys), pages;
    l.shared[0] += l.own[i];
    l.own[i] = 0;
    pages = pages_of(&l, r->workers, page_keys) + moved;
    if (pages > most) most = pages;
  }
  return most;
}

static int64_t draw_part(random_stream *s, int64_t left) {
  return random_chance(s, 0.2) ? left : (int64_t)random_below(s, (uint32_t)left + 1);
}

/* Views of the length of a context at most: of workers that see all what they write together, else
   what each does. */
static lengths draw_lengths(random_stream *s, const runner_rules *r) {
  lengths l = {{1}, {0}};
  int64_t left = r->context - 1;
  for (int i = 0; i < 1 + HEADERS; i++) {
    int64_t part = draw_part(s, left / 4);
    l.shared[i] += part;
    left -= part;
  }
  for (int i = 0; i < r->workers; i++) {
    l.own[i] = draw_part(s, left);
    left -= r->see_all ? l.own[i] : 0;
  }
  return l;
}

/* Whatever the blocks come to, it is enough; and with a step as long as a view no more than a page
   a block too many. */
START_TEST(reserve_is_enough) {
  random_stream s = random_start((random_key){{7, 1}});
  static const int page_keys[] = {16, 32, 64, 128};
  for (int i = 0; i < 20000; i++) {
    int keys = page_keys[i % 4], layout = i / 4 % 3;
    runner_rules r = {.workers = (int)random_between(&s, 1, WORKERS),
                      .context = random_between(&s, 8, 4096),
                      .see_all = layout != 1,
                      .commit = layout != 2};
    lengths l = draw_lengths(&s, &r);
    int64_t kept = runner_reserve_pages(&r, keys), most = most_pages(l, &r, keys);
    ck_assert_msg(most <= kept, "%d workers, layout %d, context %lld, pages of %d: %lld of %lld",
                  r.workers, layout, (long long)r.context, keys, (long long)most, (long long)kept);
    l = (lengths){{1}, {0}};
    for (int w = 0; w < (r.see_all ? 1 : r.workers); w++)
      l.own[w] = r.context - 1;
    most = most_pages(l, &r, keys);
    ck_assert_int_le(kept - most, r.workers + 1 + HEADERS);
  }
  ck_assert_int_eq(runner_reserve_pages(&(runner_rules){.context = 100}, 16), 0);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* Whatever allocation fails, nothing is left in the generator. */
START_TEST(memory_may_be_out) {
  enum { ALLOCATIONS = 900 };
  static const script_line lines[] = {{"0", "a.bc|"}, {"1", "xy.zu"}, {"2", "=4|"}};
  detail err;
  gang_story s =
      open_story(",\"workers\":2,\"finisher\":{\"text\":\"So \",\"tokens\":9}" NEVER, lines, 3);
  int refused = 0, last = 0;
  for (int64_t at = 0; at < ALLOCATIONS; at++) {
    runner *own = NULL;
    scripted *from = scripted_open(lines, 3, 0);
    generator g = scripted_generator(from);
    runner_task task = {.rules = &s.rules, .question = "q", .target = "\"\"", .seed = 7};
    scripted_task(from, &task);
    memory_fail_once(at);
    status failed = runner_open(&own, &g, &err);
    if (!failed) failed = runner_add(own, &task, &err);
    while (!failed && runner_in_flight(own))
      failed = runner_step(own, &err);
    memory_fail_once(-1);
    ck_assert(failed == OK || failed == E_MEMORY);
    refused += failed != OK;
    if (failed) last = (int)at;
    runner_close(own);
    scripted_close(from);
  }
  ck_assert_int_gt(refused, 100);
  ck_assert_int_lt(last, ALLOCATIONS - 1); /* all of them were tried */
  scripted_rules_close(&s.rules);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("runner_gang");
  TCase *all = tcase_create("runner_gang");
  tcase_add_test(all, commits_at_once);
  tcase_add_test(all, one_ends_early);
  tcase_add_test(all, all_are_stopped);
  tcase_add_test(all, check_is_due);
  tcase_add_test(all, long_feeds);
  tcase_add_test(all, finisher_asks);
  tcase_add_test(all, limits);
  tcase_add_test(all, finisher_is_forked);
  tcase_add_test(all, limits_of_one);
  tcase_add_test(all, no_room);
  tcase_add_test(all, reserve_is_enough);
  tcase_add_test(all, memory_may_be_out);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
