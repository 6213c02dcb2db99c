/* Mode spawn_join by scripts of events: each branch of what a thread may do, in every order in
   which its children may end, and the published search as a script of 600 problems. */
#include "base/memory.h"
#include "tests/solvers/spawn_words.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;
/* ---- one round ------------------------------------------------------------------------------- */

START_TEST(two_children_are_joined) {
  script *s = script_begin("spawn_join", APR(",\"label\":{\"children\":2}"), "", TARGET);
  script_says(s, "spawn 0 root [Sub Call Budget: 2 " ROOT "]\n");
  script_end(s);
  s = script_begin("spawn_join", APR(), "", TARGET);
  script_says(s, "spawn 0 root [" ROOT "]\n");
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS BOTH);
  script_says(s, "spawn 1 child of 0 [" NODE0 "]\nspawn 2 child of 0 [" NODE1 "]\n");
  script_writes(s, 1, MODE_END_TOKEN, SOLVES0);
  script_says(s, "answer 1 [" FOUND0 "] [none]\n");
  script_writes(s, 2, MODE_END_TOKEN, FAILS);
  says_behind(s, "answer 2 [none] [none]\nfeed 0 ", KEPT,
              "[" JOIN(SOME("0", "0,0") FOUND0 "\n" NONE("1", "0,1")) "]\n");
  script_writes(s, 0, MODE_END_TOKEN, GOAL "\n" RESTATED "\n");
  script_says(s, ANSWER0);
  script_end(s);
}
END_TEST

START_TEST(who_calls_nobody_answers) {
  script *s = begin(APR());
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS GOAL "\n" RESTATED "\n");
  script_says(s, ANSWER0);
  script_end(s);
  s = begin(APR());
  script_writes(s, 0, MODE_END_TOKEN, "\nNo solution found.\n");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
  /* A call in the middle, or only its end, is none. */
  s = begin(APR());
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS BOTH "\nNo solution found.");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
  s = begin(APR());
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS "<End Calling Sub Searches>");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

/* How a child ends, and what it returns. */
START_TEST(children_return_what_they_restated) {
  static const struct {
    mode_end how;
    const char *written, *returned;
  } cases[] = {{MODE_END_TOKEN, SOLVES0, FOUND0},
               {MODE_END_TOKEN, FAILS, NULL},
               {MODE_END_TOKEN, "", NULL},
               {MODE_END_LIMIT, "", NULL},
               {MODE_END_LIMIT, "\n" STEP0 GOAL "\n", NULL},
               {MODE_END_LIMIT, "\n" STEP0 GOAL "\n" NODE0 "\n" STEP0, NULL},
               {MODE_END_LIMIT, SOLVES0 "Moving to", FOUND0 "\nMoving to"},
               {MODE_END_TOKEN, "\n" STEPS BOTH, NULL},
               {MODE_END_TOKEN, SOLVES0 BOTH, FOUND0 "\n" BOTH}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    text wanted;
    const char *returned = cases[i].returned;
    script *s = called(APR(FINISHER), "\n" STEPS CALL(LINE("0", "0,0")));
    script_writes(s, 1, cases[i].how, cases[i].written);
    text_open(&wanted, 1 << 16);
    text_format(&wanted, "answer 1 [%s] [none]\nfeed 0 behind %zu [<Sub Searches>\n",
                returned ? returned : "none", (size_t)KEPT);
    text_put(&wanted, returned ? SOME("0", "0,0") : NONE("0", "0,0"));
    text_format(&wanted, "%s%s<End Sub Searches>\n]\n", returned ? returned : "",
                returned ? "\n" : "");
    script_says(s, text_string(&wanted));
    text_close(&wanted);
    script_end(s);
  }
}
END_TEST

START_TEST(unknown_nodes_are_their_childs_fault) {
  script *s = begin(APR());
  script_writes(s, 0, MODE_END_TOKEN,
                "\n" STEPS CALL(LINE("0", "0,7") LINE("1", "0,0") LINE("2", "")));
  script_says(s, "refuse 1 child of 0 unknown\nspawn 2 child of 0 [" NODE0 "]\n"
                 "refuse 3 child of 0 unknown\n");
  script_writes(s, 2, MODE_END_TOKEN, SOLVES0);
  says_behind(s, "answer 2 [" FOUND0 "] [none]\nfeed 0 ", KEPT,
              "[" JOIN(NONE("0", "0,7") SOME("1", "0,0") FOUND0 "\n" NONE("2", "")) "]\n");
  script_end(s);
  s = begin(APR());
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS CALL(LINE("0", "9")));
  says_behind(s, "refuse 1 child of 0 unknown\nfeed 0 ", KEPT, "[" JOIN(NONE("0", "9")) "]\n");
  script_end(s);
}
END_TEST

START_TEST(an_empty_call_is_joined_at_once) {
  script *s = begin(APR());
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS CALL("") "\n");
  says_behind(s, "feed 0 ", KEPT, "[" JOIN("") "]\n");
  script_writes(s, 0, MODE_END_TOKEN, "No solution found.");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

#define SAME CALL(LINE("0", "0,0") LINE("1", "0,1") LINE("2", "0,0") LINE("3", "0,0"))

/* At temperature 0 the same prompt makes the same text; drawn, each is a draw of its own. */
START_TEST(greedy_duplicates_are_twins) {
  static const char *const drawn[] = {APR(), APR(",\"sampling\":{\"temperature\":0.5}")};
  script *s = begin(APR(GREEDY));
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS SAME);
  script_says(s, "spawn 1 child of 0 [" NODE0 "]\nspawn 2 child of 0 [" NODE1 "]\n"
                 "spawn 3 child of 0 as 1 [" NODE0 "]\nspawn 4 child of 0 as 1 [" NODE0 "]\n");
  for (mode_thread child = 1; child < 5; child++)
    script_writes(s, child, MODE_END_TOKEN, child == 2 ? FAILS : SOLVES0);
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), SOME("3", "0,0") FOUND0));
  text_clear(&s->log);
  /* Twins are of one round. */
  script_writes(s, 0, MODE_END_TOKEN, CALL(LINE("0", "0,1") LINE("1", "0,1") LINE("2", "8")));
  script_says(s, "spawn 5 child of 0 [" NODE1 "]\nspawn 6 child of 0 as 5 [" NODE1 "]\n"
                 "refuse 7 child of 0 unknown\n");
  script_end(s);
  for (int i = 0; i < 2; i++) {
    s = begin(drawn[i]);
    script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS SAME);
    script_says(s, "spawn 1 child of 0 [" NODE0 "]\nspawn 2 child of 0 [" NODE1 "]\n"
                   "spawn 3 child of 0 [" NODE0 "]\nspawn 4 child of 0 [" NODE0 "]\n");
    script_end(s);
  }
}
END_TEST

/* ---- rounds and limits ----------------------------------------------------------------------- */

/* The second round calls for a node that a child of the first showed in what it returned. */
START_TEST(rounds_follow_each_other) {
  static const char shows[] = GOAL "\nGenerated Node #0,0,0: 7:[12] Operation: 4*3=12\n" GOAL;
  script *s = called(APR(), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_TOKEN, shows);
  text_clear(&s->log);
  size_t kept = s->threads[0].held.bytes + strlen(STEPS);
  script_writes(s, 0, MODE_END_TOKEN, STEPS CALL(LINE("0", "0,1") LINE("1", "0,0,0")));
  script_says(s, "spawn 2 child of 0 [" NODE1 "]\nspawn 3 child of 0 [" NODE00 "]\n");
  script_writes(s, 3, MODE_END_TOKEN, FAILS);
  script_writes(s, 2, MODE_END_TOKEN, FAILS);
  says_behind(s, "answer 3 [none] [none]\nanswer 2 [none] [none]\nfeed 0 ", kept,
              "[" JOIN(NONE("0", "0,1") NONE("1", "0,0,0")) "]\n");
  /* What a child returned is no answer of the root's. */
  script_writes(s, 0, MODE_END_TOKEN, GOAL);
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

START_TEST(children_beyond_the_limit_are_refused) {
  script *s = begin(APR(GREEDY ",\"limit\":{\"children\":3}"));
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS CALL(LINE("0", "5") LINE("1", "0,0")));
  script_says(s, "refuse 1 child of 0 unknown\nspawn 2 child of 0 [" NODE0 "]\n");
  script_writes(s, 2, MODE_END_TOKEN, FAILS);
  text_clear(&s->log);
  script_writes(s, 0, MODE_END_TOKEN, SAME);
  script_says(s, "spawn 3 child of 0 [" NODE0 "]\nspawn 4 child of 0 [" NODE1 "]\n"
                 "refuse 5 child of 0 refused by children\nrefuse 6 child of 0 refused by "
                 "children\n");
  script_writes(s, 4, MODE_END_TOKEN, FAILS);
  script_writes(s, 3, MODE_END_TOKEN, FAILS);
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), JOIN(NONE("0", "0,0") NONE("1", "0,1")
                                                              NONE("2", "0,0") NONE("3", "0,0"))));
  text_clear(&s->log);
  size_t kept = s->threads[0].held.bytes;
  script_writes(s, 0, MODE_END_TOKEN, CALL(LINE("0", "0,1")));
  says_behind(s, "refuse 7 child of 0 refused by children\nfeed 0 ", kept,
              "[" JOIN(NONE("0", "0,1")) "]\n");
  script_end(s);
  s = begin(APR(",\"limit\":{\"children\":0}"));
  script_writes(s, 0, MODE_END_TOKEN, "\n" STEPS CALL(LINE("0", "0,1")));
  says_behind(s, "refuse 1 child of 0 refused by children\nfeed 0 ", KEPT,
              "[" JOIN(NONE("0", "0,1")) "]\n");
  script_end(s);
}
END_TEST

START_TEST(rounds_beyond_the_limit_are_refused) {
  script *s =
      called(APR(",\"limit\":{\"rounds\":1,\"children\":1}"), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_TOKEN, FAILS);
  text_clear(&s->log);
  size_t kept = s->threads[0].held.bytes;
  script_writes(s, 0, MODE_END_TOKEN, CALL(LINE("0", "0,1") LINE("1", "4")));
  says_behind(s,
              "refuse 2 child of 0 refused by rounds\nrefuse 3 child of 0 unknown\n"
              "feed 0 ",
              kept, "[" JOIN(NONE("0", "0,1") NONE("1", "4")) "]\n");
  script_end(s);
}
END_TEST

/* What a thread holds, behind which there was no room for what it should have been fed. */
static void is_unfed(script *s, mode_thread thread, const char *prompt, const char *written) {
  text held;
  text_open(&held, 1 << 16);
  text_format(&held, "%s%s", prompt, written);
  mode_event e = {.kind = MODE_ENDED,
                  .thread = thread,
                  .end = MODE_END_LIMIT,
                  .is_unfed = 1,
                  .which = -1,
                  .text = text_string(&held),
                  .text_bytes = held.bytes,
                  .prompt_bytes = strlen(prompt),
                  .fed_at = strlen(prompt)};
  script_tell(s, &e);
  text_close(&held);
}

/* What does not fit is not fed: the thread ends with its call, and what it said is its own. */
START_TEST(a_join_that_does_not_fit_ends_the_thread) {
  static const char called_only[] = "\n" STEPS CALL(""),
                    solved[] = "\n" STEPS GOAL "\n" RESTATED "\n" CALL("");
  script *s = called(APR(), called_only);
  is_unfed(s, 0, ROOT, called_only);
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
  s = called(APR(FINISHER), called_only);
  is_unfed(s, 0, ROOT, called_only);
  script_says(s, "feed finisher 0 [\n" GOAL "\n" ROOT "\n]\n");
  script_end(s);
  s = called(APR(), solved);
  is_unfed(s, 0, ROOT, solved);
  script_says(s, "answer 0 [" RESTATED "] [none]\ndone 0\n"); /* who is cut off has no key */
  script_end(s);
  s = called(APR(",\"depth\":2"), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_TOKEN, SOLVES0 CALL(""));
  text_clear(&s->log);
  is_unfed(s, 1, NODE0, SOLVES0 CALL(""));
  says_behind(s, "answer 1 [" FOUND0 "\n" CALL("") "] [none]\nfeed 0 ", KEPT,
              "[" JOIN(SOME("0", "0,0") FOUND0 "\n" CALL("") "\n") "]\n");
  script_end(s);
  /* What was said before a join that was fed is no answer: the thread went on. */
  s = called(APR(), solved);
  script_writes(s, 0, MODE_END_LIMIT, "");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

/* ---- what only a join writes ----------------------------------------------------------------- */

START_TEST(a_written_join_becomes_a_call) {
  script *s = begin(APR());
  script_writes(s, 0, MODE_END_STOP, "\n" STEPS "<Sub Searches>\n<Goal");
  says_behind(s, "feed 0 ", KEPT, "[" CALLING "]\n");
  ck_assert_str_eq(text_string(&s->threads[0].held), ROOT "\n" STEPS CALLING);
  /* Again, and in the middle of a line: as the published loop does. */
  script_writes(s, 0, MODE_END_STOP, "Explor<Sub Searches>");
  says_behind(s, "feed 0 ", KEPT + strlen(CALLING "Explor"), "[" CALLING "]\n");
  script_writes(s, 0, MODE_END_TOKEN, LINE("0", "0,1") "<End Calling Sub Searches>");
  script_says(s, "spawn 1 child of 0 [" NODE1 "]\n");
  script_writes(s, 1, MODE_END_TOKEN, FAILS);
  says_behind(s, "answer 1 [none] [none]\nfeed 0 ", KEPT + strlen(CALLING "Explor"),
              "[" JOIN(NONE("0", "0,1")) "]\n");
  script_writes(s, 0, MODE_END_STOP, "<Sub Searches>");
  text_clear(&s->log);
  script_writes(s, 0, MODE_END_TOKEN, GOAL "\n" RESTATED);
  script_says(s, ANSWER0);
  script_end(s);
  /* What was said before the stop counts when the thread calls for nobody after all. */
  s = begin(APR());
  script_writes(s, 0, MODE_END_STOP, "\n" STEPS GOAL "\n<Sub Searches>");
  text_clear(&s->log);
  script_writes(s, 0, MODE_END_LIMIT, RESTATED);
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), RESTATED "] [none]\ndone 0\n"));
  script_end(s);
}
END_TEST

/* A child is made to call as well, though nobody answers it at its depth. */
START_TEST(a_child_that_writes_a_join) {
  script *s = called(APR(), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_STOP, "\n" STEP0 "<Sub Searches>");
  says_behind(s, "feed 1 ", strlen(NODE0 "\n" STEP0), "[" CALLING "]\n");
  script_writes(s, 1, MODE_END_TOKEN, LINE("0", "0,0") "<End Calling Sub Searches>\n");
  says_behind(s, "answer 1 [none] [none]\nfeed 0 ", KEPT, "[" JOIN(NONE("0", "0,0")) "]\n");
  script_end(s);
}
END_TEST

/* A call that stands in what a child returned is not the parent's. */
START_TEST(a_returned_call_is_nobodys) {
  script *s = called(APR(), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_LIMIT, GOAL "\n" GOAL "\n<End Sub Searches>\n" BOTH);
  text_clear(&s->log);
  script_writes(s, 0, MODE_END_TOKEN, "<End Calling Sub Searches>");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

/* ---- limits and the finisher ----------------------------------------------------------------- */

START_TEST(the_root_is_asked_for_its_own_answer) {
  script *s = called(APR(FINISHER), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_TOKEN, SOLVES0);
  text_clear(&s->log);
  /* The child's two goals are not the root's. */
  script_writes(s, 0, MODE_END_LIMIT, GOAL "\nMov");
  script_says(s, "feed finisher 0 [\n" GOAL "\n" ROOT "\n]\n");
  /* What is written for the finisher calls for nobody. */
  script_writes(s, 0, MODE_END_STOP, STEP0 "<Sub Searches>");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
  s = called(APR(FINISHER), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_TOKEN, SOLVES0);
  text_clear(&s->log);
  script_writes(s, 0, MODE_END_LIMIT, "");
  script_says(s, "feed finisher 0 [" GOAL "\n" ROOT "\n]\n");
  script_writes(s, 0, MODE_END_TOKEN,
                "Exploring Operation: 1+2=3, Resulting Numbers: [4, 3]\n"
                "Generated Node #0,0: 7:[4, 3] Operation: 1+2=3\n" FOUND0 "\n" BOTH);
  script_says(s, ANSWER0);
  script_end(s);
  /* Who holds a whole answer is not asked. */
  s = called(APR(FINISHER), "\n" STEPS CALL(""));
  script_writes(s, 0, MODE_END_LIMIT, GOAL "\n" RESTATED "\n");
  script_says(s, ANSWER0);
  script_end(s);
}
END_TEST

/* A call that a limit cut off, or that ends with the last token that it left, is none. */
START_TEST(a_limit_ends_a_call) {
  static const char *const written[] = {"\n" STEPS BOTH, "\n" STEPS CALLING LINE("0", "0,0")};
  for (int i = 0; i < 2; i++) {
    script *s = begin(APR());
    script_writes(s, 0, MODE_END_LIMIT, written[i]);
    script_says(s, "answer 0 [none] [none]\ndone -1\n");
    script_end(s);
    s = begin(APR(FINISHER));
    script_writes(s, 0, MODE_END_LIMIT, written[i]);
    ck_assert_ptr_nonnull(strstr(text_string(&s->log), "feed finisher 0 ["));
    script_end(s);
  }
}
END_TEST

/* ---- every order ----------------------------------------------------------------------------- */

/* Four children end in each of the 24 orders: the same answers, and the same join behind the last.
 */
START_TEST(children_end_in_every_order) {
  static const char *const written[] = {SOLVES0, FAILS, GOAL, SOLVES0 "more"};
  static const char *const answers[] = {"answer 1 [" FOUND0 "] [none]\n",
                                        "answer 2 [none] [none]\n", "answer 3 [none] [none]\n",
                                        "answer 4 [" FOUND0 "\nmore] [none]\n"};
  static const char joined[] = JOIN(SOME("0", "0,0") FOUND0 "\n" NONE("1", "0,1") NONE("2", "0,0")
                                        SOME("3", "0,0") FOUND0 "\nmore\n");
  for (int order = 0; order < 24; order++) {
    script *s = called(APR(), "\n" STEPS SAME);
    mode_thread left[4] = {1, 2, 3, 4};
    for (int count = 4, place = order; count; place /= count--) {
      mode_thread child = left[place % count];
      memmove(&left[place % count], &left[place % count + 1],
              (size_t)(count - 1 - place % count) * sizeof left[0]);
      text_clear(&s->log);
      script_writes(s, child, child == 4 ? MODE_END_LIMIT : MODE_END_TOKEN, written[child - 1]);
      if (count > 1) script_says(s, answers[child - 1]);
    }
    ck_assert_ptr_nonnull(strstr(text_string(&s->log), joined));
    text_clear(&s->log);
    script_writes(s, 0, MODE_END_TOKEN, GOAL "\n" RESTATED "\n");
    script_says(s, ANSWER0);
    script_end(s);
  }
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

static status whole_sample(script *s) {
  status failed = script_start(s, "", TARGET, &err);
  if (!failed) failed = script_try(s, 0, MODE_END_STOP, "\n" STEPS "<Sub Searches>", &err);
  if (!failed) failed = script_try(s, 0, MODE_END_TOKEN, LINE("0", "0,0") SAME, &err);
  for (mode_thread child = 1; !failed && child < 5; child++)
    failed = script_try(s, child, MODE_END_TOKEN, child == 2 ? FAILS : SOLVES0, &err);
  if (!failed) failed = script_try(s, 0, MODE_END_LIMIT, GOAL, &err);
  return failed ? failed : script_try(s, 0, MODE_END_TOKEN, RESTATED, &err);
}

START_TEST(memory_may_be_out) {
  int told = 0;
  for (int64_t allocation = 0; allocation < 300; allocation++) {
    script *s = script_open("spawn_join", APR(GREEDY FINISHER ",\"preset\":\"published\""));
    memory_fail_once(allocation);
    status failed = whole_sample(s);
    memory_fail_once(-1);
    ck_assert_msg(failed == OK || failed == E_MEMORY, "%s", status_name(failed));
    ck_assert_int_eq(s->is_done, failed == OK);
    told += failed != OK;
    script_end(s);
  }
  ck_assert_int_ge(told, 40);
  ck_assert_int_lt(told, 300);
}
END_TEST

START_TEST(errors_reach_the_caller) {
  static const char *const written[] = {"", "\n" STEPS BOTH, "\n" STEPS CALL(""),
                                        "\n" STEPS CALL(LINE("0", "7"))};
  for (int i = 0; i < 4; i++) {
    script *s = begin(APR());
    s->emits = E_STOPPED;
    ck_assert_int_eq(script_try(s, 0, MODE_END_TOKEN, written[i], &err), E_STOPPED);
    script_end(s);
  }
  script *s = called(APR(FIRST), "\n" STEPS BOTH);
  s->emits = E_STOPPED;
  ck_assert_int_eq(script_try(s, 1, MODE_END_STOP, "<Sub Searches>", &err), E_STOPPED);
  script_end(s);
  s = script_open("spawn_join", APR());
  ck_fails(script_start(s, "", "{\"answer\":1}", &err), E_INPUT, "target");
  script_end(s);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("spawn_join");
  TCase *c = tcase_create("spawn_join");
  tcase_add_test(c, two_children_are_joined);
  tcase_add_test(c, who_calls_nobody_answers);
  tcase_add_test(c, children_return_what_they_restated);
  tcase_add_test(c, unknown_nodes_are_their_childs_fault);
  tcase_add_test(c, an_empty_call_is_joined_at_once);
  tcase_add_test(c, greedy_duplicates_are_twins);
  tcase_add_test(c, rounds_follow_each_other);
  tcase_add_test(c, children_beyond_the_limit_are_refused);
  tcase_add_test(c, rounds_beyond_the_limit_are_refused);
  tcase_add_test(c, a_join_that_does_not_fit_ends_the_thread);
  tcase_add_test(c, a_written_join_becomes_a_call);
  tcase_add_test(c, a_child_that_writes_a_join);
  tcase_add_test(c, a_returned_call_is_nobodys);
  tcase_add_test(c, the_root_is_asked_for_its_own_answer);
  tcase_add_test(c, a_limit_ends_a_call);
  tcase_add_test(c, children_end_in_every_order);
  tcase_add_test(c, memory_may_be_out);
  tcase_add_test(c, errors_reach_the_caller);
  suite_add_tcase(suite, c);
  return suite;
}

int main(void) {
  json_install();
  return support_run(make_suite());
}
