/* Countdown by workers that read each other, by scripts: its words in every layout, what a step is,
   who ends whom and whose solution counts. */
#include "base/memory.h"
#include "tests/solvers/script.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

static detail err;

#define TARGET "{\"nums\":[53,22,31,26],\"target\":27}"
#define ROOT   "Current State: 27:[53, 22, 31, 26], Operations: []"
#define PAST   "\n### Past steps\n\n"
#define OTHERS "### Work in progress (others)\n\n"
#define OWN    "<...>\n\n### Work in progress (own)\n\n"
#define GOAL   "27,27 equal: Goal Reached\n"
#define EXPANDED                                                                                   \
  "Moving to Node #0\n" ROOT "\n"                                                                  \
  "Exploring Operation: 53-22=31, Resulting Numbers: [31, 26, 31]\n"                               \
  "Generated Node #0,0: 27:[31, 26, 31] Operation: 53-22=31\n\n"
#define FOUND                                                                                      \
  "Moving to Node #0,0,0\n"                                                                        \
  "Current State: 27:[26, 1], Operations: ['53-22=31', '31/31=1']\n"                               \
  "Exploring Operation: 26+1=27, Resulting Numbers: [27]\n" GOAL
#define RESTATED                                                                                   \
  "Moving to Node #0\n" ROOT "\n"                                                                  \
  "Exploring Operation: 53-22=31, Resulting Numbers: [31, 26, 31]\n"                               \
  "Generated Node #0,0: 27:[31, 26, 31] Operation: 53-22=31\n"                                     \
  "Moving to Node #0,0\n"                                                                          \
  "Current State: 27:[31, 26, 31], Operations: ['53-22=31']\n"                                     \
  "Exploring Operation: 31/31=1, Resulting Numbers: [26, 1]\n"                                     \
  "Generated Node #0,0,0: 27:[26, 1] Operation: 31/31=1\n"                                         \
  "Moving to Node #0,0,0\n"                                                                        \
  "Current State: 27:[26, 1], Operations: ['53-22=31', '31/31=1']\n"                               \
  "Exploring Operation: 26+1=27, Resulting Numbers: [27]\n"
#define RECAP RESTATED GOAL
/* As it is told: with the key that counts in a vote. */
#define ANSWER(worker)                                                                             \
  "answer " worker " [" RESTATED "27,27 equal: Goal Reached] [(((53-22)/31)+26)]\n"

static script *begin(const char *more) {
  char words[1024];
  (void)snprintf(words, sizeof words, "{\"protocol\":\"countdown-hogwild\"%s}", more);
  return script_begin("hogwild", words, "a question", TARGET);
}

static script *begin_behind(const char *more) {
  script *s = begin(more);
  text_clear(&s->log);
  return s;
}

static void step(script *s, mode_thread thread, const char *written) {
  script_writes(s, thread, MODE_END_STOP, written);
}

static void ends(script *s, mode_thread thread, const char *written) {
  script_writes(s, thread, MODE_END_TOKEN, written);
}

/* ---- words ----------------------------------------------------------------------------------- */

START_TEST(combined) {
  script *s = begin(",\"workers\":3");
  script_says(s, "block 0 prompt [" ROOT PAST "]\n"
                 "block 1 [" OTHERS "]\n"
                 "block 2 [" OWN "]\n"
                 "block 3 own\nblock 4 own\nblock 5 own\n"
                 "spawn 0 worker sees 0,1,4,5,2,3 [W1/3\n]\n"
                 "spawn 1 worker sees 0,1,3,5,2,4 [W2/3\n]\n"
                 "spawn 2 worker sees 0,1,3,4,2,5 [W3/3\n]\n");
  script_end(s);
}
END_TEST

START_TEST(interleaved) {
  script *s = begin(",\"workers\":2,\"layout\":\"interleaved\"");
  script_says(s, "block 0 prompt [" ROOT PAST "]\n"
                 "block 1 own\nblock 2 own\n"
                 "spawn 0 worker sees 0,1 [W1/2\n]\n"
                 "spawn 1 worker sees 0,2 [W2/2\n]\n");
  script_end(s);
}
END_TEST

START_TEST(contiguous) {
  script *s = begin(",\"workers\":2,\"layout\":\"contiguous\"");
  script_says(s, "block 0 prompt [" ROOT "]\n"
                 "block 1 [" OWN "]\n"
                 "block 2 own\nblock 3 own\n"
                 "spawn 0 worker sees 0,3,1,2 [\nW1/2\n]\n"
                 "spawn 1 worker sees 0,2,1,3 [\nW2/2\n]\n");
  script_end(s);
}
END_TEST

START_TEST(independent) {
  script *s = begin(",\"workers\":2,\"layout\":\"independent\"");
  script_says(s, "spawn 0 worker [" ROOT "\nW1/2\n]\n"
                 "spawn 1 worker [" ROOT "\nW2/2\n]\n");
  script_end(s);
}
END_TEST

/* It has the same words as one of many. */
START_TEST(one_worker) {
  script *s = begin(",\"workers\":1");
  script_says(s, "block 0 prompt [" ROOT PAST "]\n"
                 "block 1 [" OTHERS "]\nblock 2 [" OWN "]\nblock 3 own\n"
                 "spawn 0 worker sees 0,1,2,3 [W1/1\n]\n");
  step(s, 0, EXPANDED);
  script_says(s, "commit 0 to 0\nfeed 0 [W1/1\n]\n");
  ends(s, 0, FOUND RECAP);
  script_says(s, ANSWER("0") "done 0\n");
  script_end(s);
}
END_TEST

START_TEST(many_workers) {
  script *s = begin(",\"workers\":16,\"layout\":\"interleaved\"");
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), "spawn 0 worker sees 0,1 [W1/16\n]\n"));
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), "spawn 15 worker sees 0,16 [W16/16\n]\n"));
  script_end(s);
}
END_TEST

/* ---- steps ----------------------------------------------------------------------------------- */

/* Every blank line ends one, whatever stands before it; each step begins with who it is. */
START_TEST(steps) {
  script *s = begin_behind(",\"workers\":2");
  step(s, 0, EXPANDED);
  step(s, 1, "no sentence, and ``` open\n\n");
  script_says(s, "commit 0 to 0\nfeed 0 [W1/2\n]\ncommit 1 to 0\nfeed 1 [W2/2\n]\n");
  s->put_in = 1000000; /* nobody is asked anything */
  step(s, 1, "\n\n");
  script_says(s, "commit 1 to 0\nfeed 1 [W2/2\n]\n");
  script_end(s);
}
END_TEST

/* ---- ends ------------------------------------------------------------------------------------ */

START_TEST(a_solution_ends_all) {
  static const char *const layouts[] = {"combined", "interleaved", "contiguous", "independent"};
  for (int i = 0; i < 4; i++) {
    char more[64];
    (void)snprintf(more, sizeof more, ",\"workers\":3,\"layout\":\"%s\"", layouts[i]);
    script *s = begin_behind(more);
    ends(s, 1, FOUND RECAP);
    script_says(s, "stop and tell 0\nstop and tell 2\n");
    script_writes(s, 0, MODE_END_STOPPED, "Moving to");
    script_writes(s, 2, MODE_END_STOPPED, FOUND "Moving");
    script_says(s, ANSWER("1") "done 1\n");
    script_end(s);
  }
}
END_TEST

/* Of two by the same forward the lower worker's counts; of others the first, whoever else has one.
 */
START_TEST(two_solutions) {
  script *s = begin_behind(",\"workers\":2");
  ends(s, 0, FOUND RECAP);
  script_says(s, "stop and tell 1\n");
  script_writes(s, 1, MODE_END_STOPPED, FOUND RECAP);
  script_says(s, ANSWER("0") ANSWER("1") "done 0\n");
  script_end(s);
  s = begin_behind(",\"workers\":2");
  ends(s, 1, FOUND RECAP);
  script_writes(s, 0, MODE_END_STOPPED, FOUND RECAP);
  script_says(s, "stop and tell 0\n" ANSWER("0") ANSWER("1") "done 1\n");
  script_end(s);
}
END_TEST

START_TEST(who_has_none_only_leaves) {
  script *s = begin_behind(",\"workers\":3");
  ends(s, 2, "No solution found.\n");
  ends(s, 0, FOUND); /* a goal that it does not restate */
  script_says(s, "");
  step(s, 1, EXPANDED);
  script_says(s, "commit 1 to 0\nfeed 1 [W2/3\n]\n");
  ends(s, 1, FOUND RECAP);
  script_says(s, ANSWER("1") "done 1\n");
  script_end(s);
}
END_TEST

START_TEST(nobody_finds_one) {
  script *s = begin_behind(",\"workers\":2");
  ends(s, 0, "");
  script_says(s, "");
  ends(s, 1, "No solution found.\n");
  script_says(s, "done -1\n");
  script_end(s);
}
END_TEST

/* What a limit cut off is none, unless it was all there. */
START_TEST(limits) {
  script *s = begin_behind(",\"workers\":2");
  script_writes(s, 0, MODE_END_LIMIT, FOUND RESTATED "27,27 equal: Goal");
  script_says(s, "");
  script_writes(s, 1, MODE_END_LIMIT, "Moving");
  script_says(s, "done -1\n");
  script_end(s);
  s = begin_behind(",\"workers\":2");
  script_writes(s, 0, MODE_END_LIMIT, FOUND RESTATED);
  script_writes(s, 1, MODE_END_LIMIT, FOUND RECAP);
  script_says(s, ANSWER("1") "done 1\n");
  script_end(s);
  s = begin_behind(",\"workers\":2"); /* a limit of its own: nobody else met one */
  script_writes(s, 1, MODE_END_LIMIT, FOUND RECAP);
  script_says(s, "stop and tell 0\n");
  script_end(s);
}
END_TEST

/* A goal and what restates it stand in one step. Where steps are never done all is one. */
START_TEST(where_a_solution_stands) {
  script *s = begin_behind(",\"workers\":1");
  step(s, 0, FOUND "\n");
  step(s, 0, RECAP "\n");
  text_clear(&s->log);
  ends(s, 0, "");
  script_says(s, "done -1\n");
  script_end(s);
  s = begin_behind(",\"workers\":1");
  step(s, 0, FOUND RECAP "\n");
  script_says(s, "commit 0 to 0\nfeed 0 [W1/1\n]\n");
  ends(s, 0, "No solution found.\n");
  script_says(s, ANSWER("0") "done 0\n");
  script_end(s);
  s = begin_behind(",\"workers\":1,\"layout\":\"contiguous\"");
  ends(s, 0, EXPANDED FOUND "\n" RECAP);
  script_says(s, "answer 0 [" RESTATED "27,27 equal: Goal Reached] [(((53-22)/31)+26)]\ndone 0\n");
  script_end(s);
}
END_TEST

/* ---- refused --------------------------------------------------------------------------------- */

static void refuses(const char *mode_name, const char *more, const char *piece) {
  char words[512];
  (void)snprintf(words, sizeof words, "{\"protocol\":\"countdown-hogwild\"%s}", more);
  script *s = script_open(mode_name, words);
  ck_fails(s->mode->resolve(s->parameters, &err), E_INPUT, piece);
  script_end(s);
}

START_TEST(refused) {
  static const char *const unused[][2] = {
      {"\"preset\":\"published\"", "'preset' is not used"},
      {"\"label\":{\"tokens\":512}", "'label' is not used"},
      {"\"finisher\":{\"tokens\":16}", "only who found a solution restates it"},
      {"\"names\":[\"A\"]", "by their numbers, W1/2"},
      {"\"header\":{\"past\":\"x\"}", "'header' is not used"},
      {"\"step\":{\"rule\":\"closed\"}", "'step' is not used"},
      {"\"redundancy\":{\"tokens\":9}", "'redundancy' is not used"},
      {"\"until\":\"all\"", "'until' is not used"},
      {"\"prompt\":\"{question}\"", "'prompt' is not used"},
      {"\"answer\":\"x\"", "'answer' is not used"},
      {"\"stop\":[\"x\"]", "'stop' is not used"}};
  for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++) {
    char more[256];
    (void)snprintf(more, sizeof more, ",\"workers\":2,%s", unused[i][0]);
    refuses("hogwild", more, unused[i][1]);
  }
  refuses("hogwild", "", "mode hogwild needs 'workers'");
  refuses("serial", "", "or protocol countdown-apr-serial");
  refuses("vote", ",\"n\":2", "only mode hogwild has any");
}
END_TEST

START_TEST(resolved) {
  static const char wanted[] = "{\"layout\":\"combined\",\"limit\":{\"context\":4096},"
                               "\"protocol\":\"countdown-hogwild\",\"vote_key\":\"canonical\","
                               "\"workers\":2}";
  script *s = script_open("hogwild", "{\"protocol\":\"countdown-hogwild\",\"workers\":2,"
                                     "\"limit\":{\"context\":4096}}");
  text out;
  text_open(&out, 1 << 16);
  for (int again = 0; again < 2; again++) {
    ck_ok(s->mode->resolve(s->parameters, &err));
    text_clear(&out);
    ck_ok(json_canonical(s->parameters, &out, &err));
    ck_assert_str_eq(text_string(&out), wanted);
  }
  text_close(&out);
  script_end(s);
}
END_TEST

START_TEST(a_task_of_another_kind) {
  script *s = script_open("hogwild", "{\"protocol\":\"countdown-hogwild\",\"workers\":2}");
  ck_fails(script_start(s, "6*7?", "{\"answer\":\"42\"}", &err), E_INPUT, "target");
  script_end(s);
}
END_TEST

START_TEST(lengths) {
  script *s = begin(",\"workers\":2");
  int count;
  const char *const *stops = protocol_stops(s->protocol, &count);
  ck_assert_int_eq(count, 1);
  ck_assert_str_eq(stops[0], "\n\n");
  ck_assert_str_eq(protocol_rules(s->protocol), "countdown-hogwild-1");
  ck_assert_int_eq(protocol_has_finisher(s->protocol), 0);
  /* W, 1, / and 2 with their line's end; a move with a digit; and the blank line */
  ck_assert_int_eq(protocol_ref_tokens(s->protocol, "W1/2\nMoving to Node #0\n\n", 24), 5 + 8);
  script_end(s);
}
END_TEST

/* ---- faults ---------------------------------------------------------------------------------- */

static status whole_sample(script *s) {
  status failed = script_start(s, "", TARGET, &err);
  if (!failed) failed = script_try(s, 0, MODE_END_STOP, EXPANDED, &err);
  if (!failed) failed = script_try(s, 1, MODE_END_TOKEN, FOUND RECAP, &err);
  return failed ? failed : script_try(s, 0, MODE_END_STOPPED, FOUND RECAP, &err);
}

START_TEST(memory_may_be_out) {
  enum { ALLOCATIONS = 400 };
  int told = 0;
  for (int64_t allocation = 0; allocation < ALLOCATIONS; allocation++) {
    script *s = script_open("hogwild", "{\"protocol\":\"countdown-hogwild\",\"workers\":2}");
    memory_fail_once(allocation);
    status failed = whole_sample(s);
    memory_fail_once(-1);
    ck_assert_msg(failed == OK || failed == E_MEMORY, "%s", status_name(failed));
    ck_assert_int_eq(s->is_done, failed == OK);
    told += failed != OK;
    script_end(s);
  }
  ck_assert_int_ge(told, 30);
  ck_assert_int_lt(told, ALLOCATIONS);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("countdown_hogwild");
  TCase *all = tcase_create("countdown_hogwild");
  tcase_add_test(all, combined);
  tcase_add_test(all, interleaved);
  tcase_add_test(all, contiguous);
  tcase_add_test(all, independent);
  tcase_add_test(all, one_worker);
  tcase_add_test(all, many_workers);
  tcase_add_test(all, steps);
  tcase_add_test(all, a_solution_ends_all);
  tcase_add_test(all, two_solutions);
  tcase_add_test(all, who_has_none_only_leaves);
  tcase_add_test(all, nobody_finds_one);
  tcase_add_test(all, limits);
  tcase_add_test(all, where_a_solution_stands);
  tcase_add_test(all, refused);
  tcase_add_test(all, resolved);
  tcase_add_test(all, a_task_of_another_kind);
  tcase_add_test(all, lengths);
  tcase_add_test(all, memory_may_be_out);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
