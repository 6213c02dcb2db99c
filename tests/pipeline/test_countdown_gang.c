/* Countdown by workers on the runner, over searches that the test wrote: steps whose blank line is
   two tokens, who ends whom at which forward, limits that cut a solution, and what is counted of
   all texts together; the same whatever the schedule. */
#include "tests/pipeline/gang_story.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

/* A token is a byte. */
#define TARGET "{\"nums\":[1,2],\"target\":3}"
#define ROOT   "Current State: 3:[1, 2], Operations: []"
#define PAST   "\n### Past steps\n\n"
#define OTHERS "### Work in progress (others)\n\n"
#define OWN    "<...>\n\n### Work in progress (own)\n\n"
#define BEGUN  "Moving to Node #0\n" ROOT "\n"
#define LEAF   "Exploring Operation: 2-1=1, Resulting Numbers: [1]\n1,3 unequal: No Solution\n"
#define SOLVED "Exploring Operation: 1+2=3, Resulting Numbers: [3]\n3,3 equal: Goal Reached\n"
#define NONE   "No solution found.\n"
/* All that a worker writes who solves it at once, without the end of sequence. */
#define WHOLE BEGUN SOLVED BEGUN SOLVED
enum { WHOLE_TOKENS = sizeof WHOLE - 1, SCHEDULES = 2 };

static gang_story open_story(const char *more, const script_line *lines, int count) {
  char words[512];
  (void)snprintf(words, sizeof words, "{\"protocol\":\"countdown-hogwild\"%s}", more);
  return gang_story_open(words, "", TARGET, lines, count);
}

/* The answer is what follows the first goal line, without the end of the second. */
static void has_answer(const runner_sample *s, int worker) {
  static const char restated[] = BEGUN SOLVED;
  const runner_thread *t = gang_story_thread(s, worker);
  ck_assert_ptr_nonnull(t->answer);
  ck_assert_uint_eq(strlen(t->answer), sizeof restated - 2);
  ck_assert(!strncmp(t->answer, restated, sizeof restated - 2));
  ck_assert_str_eq(t->vote_key, "(1+2)");
}

/* ---- layouts --------------------------------------------------------------------------------- */

static const char *const layouts[] = {"combined", "interleaved", "contiguous", "independent"};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };
/* What a worker reads of its prompt and headers before its name. */
static const char *const heads[] = {ROOT PAST OTHERS OWN, ROOT PAST, ROOT OWN "\n", ROOT "\n"};

static void begins(const runner_sample *s, int layout, int worker, int workers,
                   const char *behind) {
  char wanted[2048];
  (void)snprintf(wanted, sizeof wanted, "%sW%d/%d\n%s", heads[layout], worker + 1, workers, behind);
  gang_story_says(s, worker, wanted);
}

/* The second is done when the first begins its recap. */
START_TEST(every_layout) {
  static const script_line lines[] = {{"0", WHOLE "|"}, {"1", NONE "|"}};
  for (int i = 0; i < LAYOUTS; i++) {
    char more[64];
    (void)snprintf(more, sizeof more, ",\"workers\":2,\"layout\":\"%s\"", layouts[i]);
    gang_story s = open_story(more, lines, 2);
    runner_sample *of = gang_story_run(&s, SCHEDULES);
    begins(of, i, 0, 2, WHOLE);
    begins(of, i, 1, 2, NONE);
    ck_assert_int_eq(runner_sample_winner(of), 0);
    has_answer(of, 0);
    ck_assert_int_eq(gang_story_thread(of, 0)->finish, WHOLE_TOKENS + 1);
    ck_assert_int_eq(gang_story_thread(of, 1)->finish, (int)sizeof NONE);
    ck_assert_int_eq(scripted_costs(of).nodes_explored, 1);
    gang_story_close(&s, of);
  }
}
END_TEST

START_TEST(one_worker) {
  static const script_line lines[] = {{"0", BEGUN LEAF "\n" WHOLE "|"}};
  for (int i = 0; i < LAYOUTS; i++) {
    char more[64];
    (void)snprintf(more, sizeof more, ",\"workers\":1,\"layout\":\"%s\"", layouts[i]);
    gang_story s = open_story(more, lines, 1);
    runner_sample *of = gang_story_run(&s, SCHEDULES);
    begins(of, i, 0, 1, i < 2 ? BEGUN LEAF "\nW1/1\n" WHOLE : BEGUN LEAF "\n" WHOLE);
    ck_assert_int_eq(gang_story_thread(of, 0)->commit_count, i < 2);
    ck_assert_int_eq(runner_sample_winner(of), 0);
    has_answer(of, 0);
    ck_assert_int_eq(scripted_costs(of).nodes_explored, 2);
    gang_story_close(&s, of);
  }
}
END_TEST

/* What is searched begins with the first line that a worker writes, whatever stands before it. */
START_TEST(nodes_of_the_first_line) {
  static const script_line lines[] = {{"0", LEAF NONE "|"}, {"1", LEAF SOLVED NONE "|"}};
  for (int i = 0; i < LAYOUTS; i++) {
    char more[64];
    (void)snprintf(more, sizeof more, ",\"workers\":2,\"layout\":\"%s\"", layouts[i]);
    gang_story s = open_story(more, lines, 2);
    runner_sample *of = gang_story_run(&s, SCHEDULES);
    ck_assert_int_eq(scripted_costs(of).nodes_explored, 3);
    ck_assert_int_eq(scripted_costs(of).nodes_duplicate, 1);
    gang_story_close(&s, of);
  }
}
END_TEST

/* ---- steps ----------------------------------------------------------------------------------- */

/* The line's end of a prefix and one that is written behind it are no blank line. */
START_TEST(blank_lines) {
  static const script_line lines[] = {{"0", "\n" BEGUN "\n" NONE "|"}};
  gang_story s = open_story(",\"workers\":1,\"layout\":\"interleaved\"", lines, 1);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  const runner_thread *t = gang_story_thread(of, 0);
  int64_t step = 1 + (int64_t)sizeof BEGUN; /* tokens of it */
  gang_story_says(of, 0, ROOT PAST "W1/1\n\n" BEGUN "\nW1/1\n" NONE);
  ck_assert_int_eq(t->commit_count, 1);
  ck_assert_int_eq(t->commits[0].step, step);
  /* A begin, the prompt and the prefix stand before; the last one is not put in yet. */
  ck_assert_int_eq((int64_t)t->commits[0].token, 1 + (int64_t)sizeof ROOT PAST - 1 + 5 + step - 1);
  ck_assert_int_eq(t->finish, step + (int64_t)sizeof NONE);
  gang_story_close(&s, of);
}
END_TEST

/* ---- ends ------------------------------------------------------------------------------------ */

/* A step of the first is 135 tokens, and the second's solution with its end 267, so that the first
   has done one step and written 132 tokens of the next, which shows the same leaf twice more. It is
   stopped at that forward. */
START_TEST(a_solution_ends_all) {
  enum { STEP = sizeof BEGUN LEAF };
  static const script_line lines[] = {{"0", BEGUN LEAF "\n" LEAF LEAF LEAF LEAF}, {"1", WHOLE "|"}};
  gang_story s = open_story(",\"workers\":2", lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  const runner_thread *first = gang_story_thread(of, 0);
  char wanted[1024];
  (void)snprintf(wanted, sizeof wanted, "%s%.*s",
                 ROOT PAST OTHERS OWN "W1/2\n" BEGUN LEAF "\nW1/2\n", WHOLE_TOKENS + 1 - STEP,
                 LEAF LEAF LEAF LEAF);
  gang_story_says(of, 0, wanted);
  ck_assert_int_eq(first->commit_count, 1);
  ck_assert_int_eq(first->commits[0].step, STEP);
  ck_assert_int_eq(first->generated, WHOLE_TOKENS + 1);
  ck_assert_int_eq(first->is_stopped, 1);
  ck_assert_ptr_null(first->answer);
  ck_assert_int_eq(runner_sample_winner(of), 1);
  has_answer(of, 1);
  runner_costs c = scripted_costs(of);
  ck_assert_int_eq(c.forwards, WHOLE_TOKENS + 1);
  ck_assert_int_eq(c.nodes_explored, 4);
  ck_assert_int_eq(c.nodes_duplicate, 2);
  ck_assert_int_eq(c.wait_steps, 0);
  gang_story_close(&s, of);
}
END_TEST

/* By the same forward the lower worker's; and not his whose end of sequence comes behind it. */
START_TEST(two_solutions) {
  static const script_line even[] = {{"0", WHOLE "|"}, {"1", WHOLE "|"}};
  static const script_line late[] = {{"0", "\n" WHOLE "|"}, {"1", WHOLE "|"}};
  for (int i = 0; i < LAYOUTS; i++) {
    char more[64];
    (void)snprintf(more, sizeof more, ",\"workers\":2,\"layout\":\"%s\"", layouts[i]);
    for (int k = 0; k < 2; k++) {
      gang_story s = open_story(more, k ? late : even, 2);
      runner_sample *of = gang_story_run(&s, SCHEDULES);
      ck_assert_int_eq(runner_sample_winner(of), k);
      has_answer(of, 0);
      has_answer(of, 1);
      ck_assert_int_eq(gang_story_thread(of, !k)->is_stopped, 1);
      ck_assert_int_eq(gang_story_thread(of, !k)->generated, WHOLE_TOKENS + 1);
      ck_assert_int_eq(scripted_costs(of).nodes_explored, 2);
      ck_assert_int_eq(scripted_costs(of).nodes_duplicate, 1);
      gang_story_close(&s, of);
    }
  }
}
END_TEST

/* Who has nothing to do leaves, and the other solves it. */
START_TEST(one_leaves) {
  static const script_line lines[] = {{"0", NONE "|"}, {"1", BEGUN LEAF "\n" WHOLE "|"}};
  gang_story s = open_story(",\"workers\":2", lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  const runner_thread *first = gang_story_thread(of, 0), *second = gang_story_thread(of, 1);
  ck_assert_int_eq(first->finish, (int)sizeof NONE);
  ck_assert_int_eq(first->is_stopped, 0);
  ck_assert_int_eq(second->commit_count, 1);
  /* All that the first put in, though it has ended: its name and what it wrote. */
  ck_assert_int_eq(second->seen, 5 + (int)sizeof NONE - 1);
  ck_assert_int_eq(runner_sample_winner(of), 1);
  has_answer(of, 1);
  ck_assert_int_eq(scripted_costs(of).wait_steps, second->finish - first->finish);
  gang_story_close(&s, of);
}
END_TEST

START_TEST(all_leave) {
  static const script_line lines[] = {{"0", NONE "|"}, {"1", BEGUN LEAF "\n" NONE "|"}};
  for (int i = 0; i < LAYOUTS; i++) {
    char more[64];
    (void)snprintf(more, sizeof more, ",\"workers\":2,\"layout\":\"%s\"", layouts[i]);
    gang_story s = open_story(more, lines, 2);
    runner_sample *of = gang_story_run(&s, SCHEDULES);
    ck_assert_int_eq(runner_sample_winner(of), -1);
    for (int k = 0; k < 2; k++) {
      ck_assert_ptr_null(gang_story_thread(of, k)->answer);
      ck_assert_ptr_null(gang_story_thread(of, k)->limit);
    }
    gang_story_close(&s, of);
  }
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

/* With fewer forwards it is the head of what it is with more, and cut from that; a solution is one
   from the forward on that samples the last letter of its second goal line. */
static void limits_cut(const char *layout) {
  static const script_line lines[] = {{"0", BEGUN LEAF "\n" LEAF LEAF LEAF LEAF LEAF},
                                      {"1", WHOLE "|"}};
  static const int steps[] = {
      1, 50, 134, 135, 136, WHOLE_TOKENS - 2, WHOLE_TOKENS - 1, WHOLE_TOKENS, WHOLE_TOKENS + 1};
  char more[128];
  (void)snprintf(more, sizeof more, ",\"workers\":2,\"layout\":\"%s\"", layout);
  gang_story large = open_story(more, lines, 2);
  runner_sample *whole = gang_story_run(&large, SCHEDULES);
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    int step = steps[i];
    detail err;
    runner_sample *cut = NULL;
    (void)snprintf(more, sizeof more,
                   ",\"workers\":2,\"layout\":\"%s\",\"limit\":{\"forwards\":%d}", layout, step);
    gang_story s = open_story(more, lines, 2);
    runner_sample *of = gang_story_run(&s, SCHEDULES);
    int is_solved = step >= WHOLE_TOKENS - 1;
    ck_assert_int_eq(runner_sample_winner(of), is_solved ? 1 : -1);
    ck_assert_str_eq(step <= WHOLE_TOKENS ? gang_story_thread(of, 1)->limit : "none",
                     step <= WHOLE_TOKENS ? "forwards" : "none");
    ck_assert_int_eq(scripted_costs(of).forwards, step);
    ck_ok(runner_derive(&cut, whole, &s.rules, &err));
    ck_assert_ptr_nonnull(cut);
    scripted_same(of, cut);
    runner_sample_free(cut);
    gang_story_close(&s, of);
  }
  gang_story_close(&large, whole);
}

START_TEST(fewer_forwards) {
  for (int i = 0; i < LAYOUTS; i++)
    limits_cut(layouts[i]);
}
END_TEST

/* A recap that does not fit is none. */
START_TEST(cut_by_the_context) {
  static const script_line lines[] = {{"0", WHOLE "|"}, {"1", NONE "|"}};
  gang_story s =
      open_story(",\"workers\":2,\"layout\":\"interleaved\",\"limit\":{\"context\":250}", lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  ck_assert_str_eq(gang_story_thread(of, 0)->limit, "context");
  ck_assert_int_eq(scripted_costs(of).context_peak, 250);
  ck_assert_int_eq(runner_sample_winner(of), -1);
  ck_assert_ptr_null(gang_story_thread(of, 0)->answer);
  gang_story_close(&s, of);
}
END_TEST

/* The first never ends its step, and is full while the second, whose step is done, is not. */
START_TEST(one_is_full) {
  static const script_line lines[] = {{"0", BEGUN LEAF LEAF LEAF LEAF LEAF LEAF},
                                      {"1", BEGUN LEAF "\n" WHOLE "|"}};
  gang_story s =
      open_story(",\"workers\":2,\"layout\":\"interleaved\",\"limit\":{\"context\":480}", lines, 2);
  runner_sample *of = gang_story_run(&s, SCHEDULES);
  ck_assert_str_eq(gang_story_thread(of, 0)->limit, "context");
  ck_assert_int_lt(gang_story_thread(of, 0)->finish, gang_story_thread(of, 1)->finish);
  ck_assert_ptr_null(gang_story_thread(of, 1)->limit);
  ck_assert_int_eq(runner_sample_winner(of), 1);
  has_answer(of, 1);
  gang_story_close(&s, of);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("countdown_gang");
  TCase *all = tcase_create("countdown_gang");
  tcase_add_test(all, every_layout);
  tcase_add_test(all, one_worker);
  tcase_add_test(all, nodes_of_the_first_line);
  tcase_add_test(all, blank_lines);
  tcase_add_test(all, a_solution_ends_all);
  tcase_add_test(all, two_solutions);
  tcase_add_test(all, one_leaves);
  tcase_add_test(all, all_leave);
  tcase_add_test(all, fewer_forwards);
  tcase_add_test(all, cut_by_the_context);
  tcase_add_test(all, one_is_full);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
