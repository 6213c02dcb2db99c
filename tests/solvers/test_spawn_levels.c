/* Mode spawn_join where children call themselves, where the first solution stops its siblings, and
   where the order of ends matters. */
#include "tests/solvers/spawn_words.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;

/* ---- deeper ---------------------------------------------------------------------------------- */

#define SHOWS                                                                                      \
  "\nExploring Operation: 4*3=12, Resulting Numbers: [12]\n"                                       \
  "Generated Node #0,0,0: 7:[12] Operation: 4*3=12\n"
#define FOUND00 NODE00 "\n" GOAL

START_TEST(children_call_at_depth_two) {
  script *s = called(APR(",\"depth\":2"), "\n" STEPS BOTH);
  script_writes(s, 1, MODE_END_TOKEN, SHOWS CALL(LINE("0", "0,0,0") LINE("1", "0,1")));
  script_says(s, "spawn 3 child of 1 [" NODE00 "]\nrefuse 4 child of 1 unknown\n");
  script_writes(s, 2, MODE_END_TOKEN, FAILS);
  script_says(s, "answer 2 [none] [none]\n");
  /* At the last depth a call is not answered. */
  script_writes(s, 3, MODE_END_TOKEN, GOAL "\n" FOUND00 "\n" CALL(""));
  says_behind(s, "answer 3 [" FOUND00 "\n" CALL("") "] [none]\nfeed 1 ", strlen(NODE0 SHOWS),
              "[<Sub Searches>\n<Goal Reached in Sub Search 0 at level 2 at Node #0,0,0>\n" FOUND00
              "\n" CALL("") "\n<No Solution in Sub Search 1 at level 2 at Node #0,1>\n<End Sub "
                            "Searches>\n]\n");
  /* It returns its own words alone: the goals of its child are no solution of it. */
  script_writes(s, 1, MODE_END_TOKEN, GOAL "\n" FOUND0);
  says_behind(s, "answer 1 [" FOUND0 "] [none]\nfeed 0 ", KEPT,
              "[" JOIN(SOME("0", "0,0") FOUND0 "\n" NONE("1", "0,1")) "]\n");
  script_end(s);
  s = called(APR(",\"depth\":2"), "\n" STEPS CALL(LINE("0", "0,0")));
  script_writes(s, 1, MODE_END_TOKEN, SHOWS CALL(LINE("0", "0,0,0")));
  script_writes(s, 2, MODE_END_TOKEN, GOAL "\n" FOUND00);
  text_clear(&s->log);
  script_writes(s, 1, MODE_END_LIMIT, GOAL);
  says_behind(s, "answer 1 [none] [none]\nfeed 0 ", KEPT, "[" JOIN(NONE("0", "0,0")) "]\n");
  script_end(s);
}
END_TEST

/* Rounds are a thread's, children the sample's. */
START_TEST(limits_at_depth_two) {
  script *s = called(APR(",\"depth\":2,\"limit\":{\"rounds\":1,\"children\":3}"), "\n" STEPS BOTH);
  script_writes(s, 1, MODE_END_TOKEN, SHOWS CALL(LINE("0", "0,0,0") LINE("1", "0,0")));
  script_says(s, "spawn 3 child of 1 [" NODE00 "]\nrefuse 4 child of 1 refused by children\n");
  script_writes(s, 3, MODE_END_TOKEN, FAILS);
  text_clear(&s->log);
  script_writes(s, 1, MODE_END_TOKEN, CALL(LINE("0", "0,0,0")));
  ck_assert_ptr_nonnull(
      strstr(text_string(&s->log), "refuse 5 child of 1 refused by rounds\nfeed 1 "));
  script_end(s);
}
END_TEST

/* ---- early stop ------------------------------------------------------------------------------ */

#define THREE CALL(LINE("0", "0,0") LINE("1", "0,1") LINE("2", "0,0"))

START_TEST(the_first_solution_stops_its_siblings) {
  script *s = called(APR(FIRST), "\n" STEPS THREE);
  script_writes(s, 3, MODE_END_TOKEN, FAILS);
  script_says(s, "answer 3 [none] [none]\n");
  script_writes(s, 1, MODE_END_TOKEN, SOLVES0);
  says_behind(s, "answer 1 [" FOUND0 "] [none]\nstop 2\nanswer 2 [none] [none]\nfeed 0 ", KEPT,
              "[" JOIN(SOME("0", "0,0") FOUND0 "\n" NONE("1", "0,1") NONE("2", "0,0")) "]\n");
  script_end(s);
  s = called(APR(FIRST), "\n" STEPS BOTH);
  script_writes(s, 2, MODE_END_TOKEN, FAILS);
  script_writes(s, 1, MODE_END_TOKEN, FAILS);
  says_behind(s, "answer 2 [none] [none]\nanswer 1 [none] [none]\nfeed 0 ", KEPT,
              "[" JOIN(NONE("0", "0,0") NONE("1", "0,1")) "]\n");
  script_end(s);
}
END_TEST

/* With a sibling those stop that it called for. */
START_TEST(a_stop_reaches_down) {
  script *s = called(APR(FIRST ",\"depth\":2"), "\n" STEPS THREE);
  script_writes(s, 1, MODE_END_TOKEN, SHOWS CALL(LINE("0", "0,0,0") LINE("1", "0,0")));
  script_writes(s, 5, MODE_END_TOKEN, FAILS);
  text_clear(&s->log);
  script_writes(s, 3, MODE_END_TOKEN, SOLVES0);
  says_behind(s,
              "answer 3 [" FOUND0 "] [none]\nstop 4\nanswer 4 [none] [none]\n"
              "stop 1\nanswer 1 [none] [none]\nstop 2\nanswer 2 [none] [none]\nfeed 0 ",
              KEPT, "[" JOIN(NONE("0", "0,0") NONE("1", "0,1") SOME("2", "0,0") FOUND0 "\n") "]\n");
  script_end(s);
}
END_TEST

START_TEST(order_is_asked_for_where_it_matters) {
  static const struct {
    const char *parameters;
    int wanted;
  } cases[] = {{APR(), 0},
               {APR(",\"depth\":1,\"early_stop\":\"none\",\"limit\":{\"children\":3}"), 0},
               {APR(FIRST), 1},
               {APR(",\"depth\":2"), 0},
               {APR(",\"depth\":2,\"limit\":{\"children\":3}"), 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    script *s = begin(cases[i].parameters);
    ck_assert_int_eq(s->mode->machine->asks_for_order(s->parameters), cases[i].wanted);
    script_end(s);
  }
  text out;
  script *s = begin(APR());
  text_open(&out, 1000);
  ck_ok(json_canonical(s->parameters, &out, &err));
  ck_assert_str_eq(text_string(&out), "{\"depth\":1,\"early_stop\":\"none\",\"protocol\":"
                                      "\"countdown-apr\",\"vote_key\":\"canonical\"}");
  text_close(&out);
  script_end(s);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("spawn_levels");
  TCase *c = tcase_create("spawn_levels");
  tcase_add_test(c, children_call_at_depth_two);
  tcase_add_test(c, limits_at_depth_two);
  tcase_add_test(c, the_first_solution_stops_its_siblings);
  tcase_add_test(c, a_stop_reaches_down);
  tcase_add_test(c, order_is_asked_for_where_it_matters);
  suite_add_tcase(suite, c);
  return suite;
}

int main(void) {
  json_install();
  return support_run(make_suite());
}
