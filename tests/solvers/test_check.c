#include "solvers/checker.h"
#include "solvers/countdown_check.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;
static const countdown_problem problem = {.target = 27, .count = 4, .number = {53, 22, 31, 26}};

#define STEP(operation, list) "Exploring Operation: " operation ", Resulting Numbers: [" list "]\n"
#define RIGHT                                                                                      \
  "Moving to Node #0\nCurrent State: 27:[53, 22, 31, 26], Operations: []\n" STEP(                  \
      "53-22=31", "31, 26, 31") "Generated Node #0,0: 27:[31, 26, 31] Operation: 53-22=31\n"       \
                                "Moving to Node #0,0\nCurrent State: 27:[31, 26, 31], "            \
                                "Operations: ['53-22=31']\n" STEP("31/31=1", "26, 1")              \
                                    STEP("26+1=27", "27") "27,27 equal: Goal Reached"

static void judged(const char *answer, int correct, const char *reason) {
  countdown_judgement j = countdown_check(&problem, answer, answer ? strlen(answer) : 0);
  ck_assert_msg(j.correct == correct && !strcmp(j.reason, reason), "%s -> %s, not %s",
                answer ? answer : "(none)", j.reason, reason);
}

START_TEST(strict_verdicts_and_reasons) {
  judged(RIGHT, 1, "correct");
  judged("53-22=31\n31/31=1\n26+1=27\n27,27 equal: Goal Reached", 1, "correct");
  judged(NULL, 0, "no answer");
  judged("", 0, "goal not stated");
  judged("53-22=31\n31/31=1\n26+1=27\n", 0, "goal not stated");
  judged("53-22=30\n27,27 equal: Goal Reached", 0, "bad arithmetic");
  judged("53-23=30\n27,27 equal: Goal Reached", 0, "number not available");
  judged("26+26=52\n27,27 equal: Goal Reached", 0, "number not available");
  judged("53-22=31\n27,27 equal: Goal Reached", 0, "numbers left over");
  judged("53-22=31\n31*31=961\n961+26=987\n27,27 equal: Goal Reached", 0, "wrong value");
  judged("53/22=2\n27,27 equal: Goal Reached", 0, "bad arithmetic");
  judged("53-22\n27,27 equal: Goal Reached", 0, "malformed operation");
  judged("53-22=31 and more\n27,27 equal: Goal Reached", 0, "malformed operation");
  judged(STEP("53-22=31", "31, 26") "27,27 equal: Goal Reached", 0, "list does not follow");
  judged(STEP("53-22=31", "31, 31, 31") "x equal: Goal Reached", 0, "list does not follow");
  judged(STEP("53-22=31", "26, 31, 31") STEP("31/31=1", "1, 26")
             STEP("26+1=27", "27") "Goal Reached",
         1, "correct");
  judged("9999999999999999+1=1\nGoal Reached", 0, "malformed operation");
  judged("Exploring Operation: \nGoal Reached", 0, "malformed operation");
}
END_TEST

/* Reuse passes the published rating and not the strict rules: the published defect, as published.
 */
START_TEST(lenient_accepts_reuse) {
  static const countdown_problem p = {.target = 30, .count = 4, .number = {10, 20, 7, 9}};
  const char *trace = "Current State: 30:[10, 20, 7, 9], Operations: []\n" STEP(
      "10+20=30", "30") "30,30 equal: Goal Reached\nMoving to Node #0\n"
                        "Current State: 30:[10, 20, 7, 9], Operations: []\n" STEP(
                            "10+10=20",
                            "20, 7, 9") "Current State: 30:[20, 7, 9], Operations: "
                                        "['10+10=20']\n" STEP("10+20=30",
                                                              "30") "30,30 equal: Goal Reached\n";
  countdown_judgement j = countdown_check_lenient(&p, PROTOCOL_RECAP, trace, strlen(trace));
  ck_assert_str_eq(j.reason, "correct");
  text answer;
  text_open(&answer, 10000);
  ck_assert(countdown_answer(PROTOCOL_RECAP, trace, strlen(trace), &answer));
  ck_assert(!countdown_check(&p, text_string(&answer), answer.bytes).correct);
  text_close(&answer);
}
END_TEST

START_TEST(lenient_reasons) {
  static const struct {
    countdown_protocol protocol;
    const char *trace, *reason;
  } cases[] = {
      {PROTOCOL_SOS, "nothing", "no state"},
      {PROTOCOL_SOS, "Current State: 27:[53, 22, 31, 26], Operations: []\n", "no answer"},
      {PROTOCOL_SOS, "Current State: 27:[1], Operations: []\nGoal Reached\n", "no operation"},
      {PROTOCOL_RECAP,
       "Current State: 27:[1], Operations: []\n" STEP("26+1=27", "27") "Goal "
                                                                       "Reached\n",
       "no recap"},
      {PROTOCOL_SOS,
       "Current State: 27:[26, 1], Operations: ['53-22=31', '31/31=1']\n" STEP(
           "26+1=27", "27") "27,27 equal: Goal Reached\n",
       "correct"},
      {PROTOCOL_SOS,
       "Current State: 27:[26, 1], Operations: ['53-22=32', '31/31=1']\n" STEP(
           "26+1=27", "27") "27,27 equal: Goal Reached\n",
       "bad arithmetic"},
      {PROTOCOL_SOS,
       "Current State: 27:[26, 1], Operations: ['53-21=32']\n" STEP(
           "26+1=27", "27") "27,27 equal: Goal Reached\n",
       "number not available"},
      {PROTOCOL_SOS,
       "Current State: 27:[26, 1], Operations: ['53-22=31']\n" STEP(
           "26+2=28", "28") "28,27 equal: Goal Reached\n",
       "wrong value"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    countdown_judgement j = countdown_check_lenient(&problem, cases[i].protocol, cases[i].trace,
                                                    strlen(cases[i].trace));
    ck_assert_msg(!strcmp(j.reason, cases[i].reason), "case %zu: %s, not %s", i, j.reason,
                  cases[i].reason);
  }
}
END_TEST

START_TEST(answers_are_read_as_published) {
  text answer;
  text_open(&answer, 10000);
  const char *two = "27,27 equal: Goal Reached\n  " RIGHT "\nExit Sub Search at level 1\n";
  ck_assert(countdown_answer(PROTOCOL_RECAP, two, strlen(two), &answer));
  ck_assert_str_eq(text_string(&answer), RIGHT);
  text_clear(&answer);
  ck_assert(!countdown_answer(PROTOCOL_RECAP, RIGHT, strlen(RIGHT), &answer));
  ck_assert(!countdown_answer(PROTOCOL_SOS, "No solution found.", 18, &answer));
  ck_assert_uint_eq(answer.bytes, 0);
  const char *sos = "Current State: 27:[26, 1], Operations: ['53-22=31', '31/31=1']\n" STEP(
      "26*1=26", "26") "26,27 unequal: No Solution\n" STEP("26+1=27",
                                                           "27") "27,27 equal: Goal Reached\n";
  ck_assert(countdown_answer(PROTOCOL_SOS, sos, strlen(sos), &answer));
  ck_assert_str_eq(text_string(&answer), "53-22=31\n31/31=1\n26+1=27\n27,27 equal: Goal Reached");
  text_close(&answer);
}
END_TEST

static void key_is(const char *answer, const char *wanted) {
  text key;
  text_open(&key, 1000);
  int valid = countdown_vote_key(&problem, answer, strlen(answer), &key);
  ck_assert_int_eq(valid, wanted != NULL);
  if (wanted) ck_assert_str_eq(text_string(&key), wanted);
  text_close(&key);
}

START_TEST(vote_keys_are_canonical_trees) {
  key_is(RIGHT, "(((53-22)/31)+26)");
  key_is("53-22=31\n31/31=1\n1+26=27\nGoal Reached", "(((53-22)/31)+26)");
  key_is("53+22=75\n31+26=57\n75-57=18\nGoal Reached", "((22+53)-(26+31))"); /* wrong, a vote */
  key_is("26+31=57\n22+53=75\n75-57=18\nGoal Reached", "((22+53)-(26+31))");
  key_is("53-22=31\nGoal Reached", NULL);
  key_is("53-22=30\nGoal Reached", NULL);
}
END_TEST

/* Anything may stand in an answer. */
START_TEST(hostile_answers_do_no_harm) {
  hash task = hash_of("hostile", 7);
  random_stream s = random_start(random_key_of(1, &task, 0, "0"));
  char bytes[sizeof RIGHT];
  text out;
  text_open(&out, 1 << 20);
  for (int round = 0; round < 20000; round++) {
    size_t count = sizeof RIGHT - 1 - random_below(&s, 40);
    memcpy(bytes, RIGHT, sizeof bytes);
    for (uint32_t i = random_below(&s, 6); i > 0; i--) {
      bytes[random_below(&s, (uint32_t)count)] = (char)random_below(&s, 256);
    }
    (void)countdown_check(&problem, bytes, count);
    (void)countdown_check_lenient(&problem, PROTOCOL_SOS, bytes, count);
    (void)countdown_check_lenient(&problem, PROTOCOL_RECAP, bytes, count);
    (void)countdown_vote_key(&problem, bytes, count, &out);
    (void)countdown_answer(PROTOCOL_SOS, bytes, count, &out);
    (void)countdown_answer(PROTOCOL_RECAP, bytes, count, &out);
    text_clear(&out);
  }
  text_close(&out);
}
END_TEST

START_TEST(registry_judges_by_name) {
  json_t *parameters = json_pack("{s:s}", "search", "sosp");
  checker_input in = {.target = "{\"nums\":[53,22,31,26],\"target\":27}",
                      .answer = RIGHT,
                      .trace = "nothing",
                      .trace_bytes = 7,
                      .parameters = parameters};
  checker_verdict v;
  ck_ok(checker_find("countdown")->judge(&in, &v, &err));
  ck_assert(v.correct && v.score == 1);
  ck_ok(checker_find("countdown-lenient")->judge(&in, &v, &err));
  ck_assert(!v.correct && v.score == 0);
  ck_assert_str_eq(v.reason, "no state");
  in.target = "{}";
  ck_fails(checker_find("countdown")->judge(&in, &v, &err), E_INPUT, "target");
  ck_assert_ptr_null(checker_find("nothing"));
  json_decref(parameters);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("check");
  TCase *all = tcase_create("check");
  tcase_add_test(all, strict_verdicts_and_reasons);
  tcase_add_test(all, lenient_accepts_reuse);
  tcase_add_test(all, lenient_reasons);
  tcase_add_test(all, answers_are_read_as_published);
  tcase_add_test(all, vote_keys_are_canonical_trees);
  tcase_add_test(all, hostile_answers_do_no_harm);
  tcase_add_test(all, registry_judges_by_name);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
