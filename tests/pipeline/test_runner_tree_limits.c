/* The runner over threads that call for children: limits on all threads at every value, the same
   sample whatever the schedule, samples cut from others, and memory that fails. */
#include "base/memory.h"
#include "tests/pipeline/tree_story.h"
#include "tests/support/support.h"

static detail err;

/* ---- the limit on all threads ---------------------------------------------------------------- */

/* By a step the root's prompt is there, a child's prompt and what is fed from the step behind the
   one at which they came. */
static int64_t tokens_by(const runner_sample *s, int64_t step) {
  int count;
  const runner_thread *t = runner_sample_threads(s, &count);
  int64_t tokens = 0;
  for (int i = 0; i < count; i++) {
    for (int k = 0; k < t[i].span_count; k++) {
      const runner_span *span = &t[i].spans[k];
      for (size_t n = 0; n < span->count; n++) {
        int is_sampled = span->kind == THREAD_GENERATED || span->kind == THREAD_CUT;
        int64_t at = is_sampled ? span->step + (int64_t)n : span->step + (i > 0 || k > 0);
        tokens += at <= step;
      }
    }
  }
  return tokens;
}

/* What a limit leaves of a sample that had none. */
static int64_t tokens_within(const runner_sample *s, int64_t limit) {
  int64_t step = 0, last = scripted_costs(s).critical_path;
  while (step <= last && tokens_by(s, step + 1) <= limit)
    step++;
  return tokens_by(s, step);
}

/* Of the story of two: the root's prompt is 3, its call 8 more by step 8. Step 9 has the children's
   prompts and a token of each, 18, and step 12 24; the first is at its end there. Step 13 has 25;
   14 the join and one more, 32. */
START_TEST(a_limit_cuts_where_all_threads_are_within_it) {
  static const struct {
    int64_t limit, total, root, first, second;
    const char *root_text;
  } cases[] = {{2, 3, 0, 0, 0, "ab"},          {3, 3, 0, 0, 0, "ab"},
               {10, 10, 7, 0, 0, "abx<c,dd>"}, {11, 11, 8, 0, 0, "abx<c,dd>"},
               {17, 11, 8, 0, 0, "abx<c,dd>"}, {18, 18, 8, 1, 1, "abx<c,dd>"},
               {23, 22, 8, 3, 3, "abx<c,dd>"}, {24, 24, 8, 4, 4, "abx<c,dd>"},
               {25, 25, 8, 4, 5, "abx<c,dd>"}, {31, 25, 8, 4, 5, "abx<c,dd>"},
               {32, 32, 9, 4, 5, "abx[1;22]y"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char limit[64];
    (void)snprintf(limit, sizeof limit, ",\"limit\":{\"tokens_total\":%d}", (int)cases[i].limit);
    for (uint64_t seed = 0; seed < 20; seed++) {
      runner_sample *s = tree_run_within(&tree_two, limit, 1000, seed);
      int count;
      const runner_thread *t = runner_sample_threads(s, &count);
      ck_assert_int_eq(count, cases[i].limit < 11 ? 1 : 3);
      ck_assert_int_eq(scripted_costs(s).tokens_total, cases[i].total);
      ck_assert_int_eq(t[0].generated, cases[i].root);
      ck_assert_str_eq(t[0].limit, "tokens_total");
      ck_assert_int_eq(t[0].end, MODE_END_LIMIT);
      if (cases[i].root >= 8) ck_assert_str_eq(tree_context(t), cases[i].root_text);
      for (int k = 1; k < count; k++) {
        ck_assert_int_eq(t[k].generated, k == 1 ? cases[i].first : cases[i].second);
        ck_assert_int_eq(t[k].prompt, t[k].generated ? k + 1 : 0);
        ck_assert(t[k].joined_at == 8);
      }
      tree_free(s);
    }
  }
}
END_TEST

static const tree_story *const stories[] = {&tree_two, &tree_deep, &tree_twins, &tree_first,
                                            &tree_rewritten};
enum { STORIES = sizeof stories / sizeof stories[0] };

static void within(char *out, size_t bytes, const char *more, int64_t limit) {
  (void)snprintf(out, bytes, "%s,\"limit\":{\"tokens_total\":%lld}", more, (long long)limit);
}

/* Every limit gives what the limit leaves of the whole, on every schedule, computed or cut from
   it. */
START_TEST(every_limit_leaves_a_beginning) {
  const tree_story *of = stories[_i];
  runner_sample *whole = tree_run_within(of, "", 1000, 0);
  int64_t total = scripted_costs(whole).tokens_total;
  for (int64_t limit = 1; limit <= total + 1; limit++) {
    char more[128];
    within(more, sizeof more, "", limit);
    runner_rules r = tree_rules(of, more, 1000);
    runner_sample *s = tree_run(of, &r, 0), *derived = NULL;
    ck_ok(runner_sample_state(s, &err));
    ck_assert_int_eq(scripted_costs(s).tokens_total, tokens_within(whole, limit));
    if (limit >= total) scripted_same(whole, s);
    for (uint64_t seed = 1; seed <= 4; seed++) {
      runner_sample *other = tree_run(of, &r, seed);
      scripted_same(s, other);
      runner_sample_free(other);
    }
    ck_ok(runner_derive(&derived, whole, &r, &err));
    ck_assert_ptr_nonnull(derived);
    scripted_same(s, derived);
    runner_sample_free(derived);
    runner_sample_free(s);
    scripted_rules_close(&r);
  }
  ck_assert_int_gt(fake_tree_unfed, 0);
  tree_free(whole);
}
END_TEST

/* ---- schedules ------------------------------------------------------------------------------- */

static const char *const settings[] = {
    "",
    TREE_ASKS,
    ",\"limit\":{\"tokens_thread\":7}",
    ",\"limit\":{\"tokens_thread\":5}" TREE_ASKS,
    ",\"limit\":{\"context\":12}",
    ",\"limit\":{\"context\":12}" TREE_ASKS,
    ",\"limit\":{\"tokens_total\":40}" TREE_ASKS,
    ",\"limit\":{\"tokens_total\":70,\"tokens_thread\":6}" TREE_ASKS,
    ",\"limit\":{\"tokens_total\":60,\"context\":13}" TREE_ASKS};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

START_TEST(no_schedule_changes_a_tree) {
  const tree_story *of = stories[_i % STORIES];
  runner_rules r = tree_rules(of, settings[_i / STORIES], 1000);
  runner_sample *s = tree_run(of, &r, 0);
  ck_ok(runner_sample_state(s, &err));
  for (uint64_t seed = 1; seed <= 25; seed++) {
    runner_sample *other = tree_run(of, &r, seed);
    scripted_same(s, other);
    runner_sample_free(other);
  }
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* A finisher's tokens are beyond every limit, and nobody else's are. */
START_TEST(who_is_asked_is_beyond_the_limit) {
  const tree_story *of = stories[_i];
  int asked = 0;
  for (int64_t limit = 1; limit <= 120; limit += 3) {
    char more[128];
    within(more, sizeof more, TREE_ASKS, limit);
    runner_sample *s = tree_run_within(of, more, 1000, 0);
    runner_costs c = scripted_costs(s);
    int count;
    const runner_thread *t = runner_sample_threads(s, &count);
    ck_assert_int_le(c.tokens_total - c.tokens_finisher, limit > t->prompt ? limit : t->prompt);
    for (int i = 0; i < count; i++) {
      ck_assert(!t[i].finisher || (t[i].limit && t[i].prompt));
      asked += t[i].finisher > 0;
    }
    for (uint64_t seed = 1; seed <= 3; seed++) {
      runner_sample *other = tree_run_within(of, more, 1000, seed);
      scripted_same(s, other);
      tree_free(other);
    }
    tree_free(s);
  }
  ck_assert_int_gt(asked, 7);
}
END_TEST

/* ---- samples from samples ---------------------------------------------------------------------
 */

START_TEST(a_smaller_tree_is_cut_from_a_larger_one) {
  const tree_story *of = stories[_i];
  runner_sample *whole = tree_run_within(of, "", 1000, 3);
  int made = 0;
  for (int limit = 1; limit <= 24; limit++) {
    char more[128];
    (void)snprintf(more, sizeof more, ",\"limit\":{\"%s\":%d}",
                   limit % 2 ? "tokens_thread" : "context", 2 + limit / 2);
    runner_rules r = tree_rules(of, more, 1000);
    runner_sample *s = tree_run(of, &r, 0), *derived = NULL;
    ck_ok(runner_derive(&derived, whole, &r, &err));
    if (derived) scripted_same(s, derived);
    made += derived != NULL;
    runner_sample_free(derived);
    runner_sample_free(s);
    scripted_rules_close(&r);
  }
  ck_assert_int_gt(made, 12);
  tree_free(whole);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

START_TEST(without_memory_there_is_no_other_tree) {
  const tree_story *of = stories[_i];
  runner_rules r = tree_rules(of, "", 1000);
  runner_rules less = tree_rules(of, ",\"limit\":{\"tokens_total\":45}", 1000);
  runner_sample *whole = NULL, *part = NULL;
  ck_ok(scripted_try(&r, &less, of->question, TREE_TARGET, of->lines, of->count, INT64_MAX, &whole,
                     &part));
  int refused = 0, last = 0;
  for (int64_t i = 0; i - last < 40; i++) {
    runner_sample *a = NULL, *b = NULL;
    status failed =
        scripted_try(&r, &less, of->question, TREE_TARGET, of->lines, of->count, i, &a, &b);
    ck_assert(failed == OK || failed == E_MEMORY);
    refused += failed == E_MEMORY;
    if (failed) last = (int)i;
    if (!failed) {
      scripted_same(whole, a);
      ck_assert_ptr_nonnull(b);
      scripted_same(part, b);
    }
    runner_sample_free(a);
    runner_sample_free(b);
  }
  ck_assert_int_gt(refused, 100);
  runner_sample_free(whole);
  runner_sample_free(part);
  scripted_rules_close(&r);
  scripted_rules_close(&less);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runner_tree_limits");
  TCase *schedules = tcase_create("schedules");
  tcase_add_test(schedules, a_limit_cuts_where_all_threads_are_within_it);
  tcase_add_loop_test(schedules, every_limit_leaves_a_beginning, 0, STORIES);
  tcase_add_loop_test(schedules, no_schedule_changes_a_tree, 0, STORIES * SETTINGS);
  tcase_add_loop_test(schedules, who_is_asked_is_beyond_the_limit, 0, STORIES);
  tcase_add_loop_test(schedules, a_smaller_tree_is_cut_from_a_larger_one, 0, STORIES);
  tcase_add_loop_test(schedules, without_memory_there_is_no_other_tree, 0, STORIES);
  suite_add_tcase(suite, schedules);
  return support_run(suite);
}
