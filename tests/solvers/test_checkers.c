#include "solvers/answer.h"
#include "solvers/checker.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;

/* ---- numbers ----------------------------------------------------------------------------------
 */

/* form NULL: it is no number. */
static const struct {
  const char *said, *form;
} numbers[] = {
    /* whole numbers, zeros and signs */
    {"0", "0"},
    {"7", "7"},
    {"007", "7"},
    {"-0", "0"},
    {"+0.00", "0"},
    {"000", "0"},
    {"+42", "42"},
    {"-42", "-42"},
    {"\u221242", "-42"},
    {"100", "100"},
    {"123456789012345678901234567890", "123456789012345678901234567890"},
    {"- 5", NULL},
    {"--5", NULL},
    {"+-5", NULL},
    /* decimals */
    {"1.50", "1.5"},
    {"1.0", "1"},
    {".5", "0.5"},
    {"-.5", "-0.5"},
    {"5.", "5"},
    {"0.0010", "0.001"},
    {"00.10", "0.1"},
    {"0.1000000000000000055", "0.1000000000000000055"},
    {"1.2.3", NULL},
    {".", NULL},
    {"-.", NULL},
    {"1 .5", NULL},
    /* thousands */
    {"1,234", "1234"},
    {"1,234,567.80", "1234567.8"},
    {"-12,345", "-12345"},
    {"12,34", NULL},
    {"1,2345", NULL},
    {"1234,567", NULL},
    {"1,234,56", NULL},
    {"0,123", NULL},
    {",123", NULL},
    {"1,", NULL},
    {"1,5", NULL},
    {"1 234", NULL},
    /* exponents */
    {"1e3", "1000"},
    {"1.5E+3", "1500"},
    {"25e-1", "2.5"},
    {"2E-7", "0.0000002"},
    {"-1.20e1", "-12"},
    {"0e999", "0"},
    {"120e-1", "12"},
    {"1e", NULL},
    {"1e+", NULL},
    {"e5", NULL},
    {"1e1001", NULL},
    {"1e99999999999999999999", NULL},
    {"1e2.5", NULL},
    /* fractions */
    {"1/2", "0.5"},
    {"2/4", "0.5"},
    {"-3/4", "-0.75"},
    {"1/3", "1/3"},
    {"-4/6", "-2/3"},
    {"6/3", "2"},
    {"0/5", "0"},
    {"-0/3", "0"},
    {"7/1", "7"},
    {"007/014", "0.5"},
    {"1/8", "0.125"},
    {"123/100", "1.23"},
    {"999999999999999999/1", "999999999999999999"},
    {"1/576460752303423488", "0.00000000000000000173472347597680709441192448139190673828125"},
    {"1/0", NULL},
    {"1/", NULL},
    {"/2", NULL},
    {"1/-2", NULL},
    {"1/2/3", NULL},
    {"1.5/2", NULL},
    {"1/2.5", NULL},
    {"1 / 2", NULL},
    {"1000000000000000000/3", NULL},
    /* units: left out, nothing is converted */
    {"$12", "12"},
    {"$1,234.50", "1234.5"},
    {"-$5", "-5"},
    {"$-5", "-5"},
    {"-$-5", NULL},
    {"US$ 5", NULL},
    {"US$5", "5"},
    {"\u20ac3.20", "3.2"},
    {"3,200 \u00a3", "3200"},
    {"12%", "12"},
    {"12 percent", "12"},
    {"12euros", "12"},
    {"1.5Euro", "1.5"},
    {"12e+euros", NULL},
    {"0.5%", "0.5"},
    {"18 dollars", "18"},
    {"1 Dollar.", "1"},
    {"50 cents", "50"},
    {"90\u00b0", "90"},
    {"90 Degrees", "90"},
    {"3/4%", "0.75"},
    {"5 apples", NULL},
    {"5%%", NULL},
    {"5 percents", NULL},
    {"$", NULL},
    {"%", NULL},
    /* around it */
    {"  42\n", "42"},
    {"42.", "42"},
    {"$42.00.", "42"},
    {"1.5.", "1.5"},
    {"42..", "42"},
    {"", NULL},
    {" ", NULL},
    {"forty", NULL},
    {"**42**", NULL},
    {"x = 42", NULL},
    {"42 43", NULL},
    {"inf", NULL},
    {"nan", NULL},
    {"0x10", NULL},
    {"\uff14\uff12", NULL},
};

START_TEST(numbers_have_one_form) {
  ck_assert_uint_gt(sizeof numbers / sizeof numbers[0], 100);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    text form;
    text_open(&form, NUMBER_FORM_BYTES_MAX);
    int found = answer_put_number(numbers[i].said, strlen(numbers[i].said), &form);
    const char *wanted = numbers[i].form;
    ck_assert_msg(found == (wanted != NULL) && !strcmp(text_string(&form), wanted ? wanted : ""),
                  "\"%s\" -> %s%s, not %s", numbers[i].said, found ? "" : "no number ",
                  text_string(&form), wanted ? wanted : "none");
    /* The form of a form is itself. */
    text again;
    text_open(&again, NUMBER_FORM_BYTES_MAX);
    if (found) {
      ck_assert(answer_put_number(form.data, form.bytes, &again));
      ck_assert_str_eq(text_string(&again), text_string(&form));
    }
    text_close(&again);
    text_close(&form);
  }
}
END_TEST

START_TEST(the_longest_numbers) {
  text said, form;
  text_open(&said, 1 << 16);
  text_open(&form, NUMBER_FORM_BYTES_MAX);
  text_put(&said, "-.");
  for (int i = 1; i < NUMBER_DIGITS_MAX; i++)
    text_char(&said, '0');
  text_put(&said, "1e-1000");
  ck_assert(answer_put_number(said.data, said.bytes, &form));
  ck_assert_uint_eq(form.bytes, 3 + 2 * 1000); /* "-0." and as many digits */
  text_clear(&form);
  text_clear(&said);
  for (int i = 0; i <= NUMBER_DIGITS_MAX; i++)
    text_char(&said, '9');
  ck_assert(!answer_put_number(said.data, said.bytes, &form));
  ck_assert(answer_put_number(said.data, said.bytes - 1, &form));
  ck_assert_uint_eq(form.bytes, NUMBER_DIGITS_MAX);
  text_close(&said);
  text_close(&form);
}
END_TEST

START_TEST(words_have_one_space) {
  text out;
  text_open(&out, 100);
  answer_put_words(" \t the  red\n\n house\r\n", 21, &out);
  ck_assert_str_eq(text_string(&out), "the red house");
  text_clear(&out);
  answer_put_words("  ", 2, &out);
  ck_assert_uint_eq(out.bytes, 0);
  text_close(&out);
}
END_TEST

/* Anything may be an answer: no byte of it is read behind its end. */
START_TEST(cut_answers_do_no_harm) {
  static const char said[] = "-$1,234,567.8900e-12 percent.";
  text form;
  text_open(&form, NUMBER_FORM_BYTES_MAX);
  for (size_t count = 0; count < sizeof said; count++) {
    char *exact = malloc(count ? count : 1); /* so that a sanitizer sees its end */
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, said, count);
    for (size_t at = 0; at <= count; at++) {
      text_clear(&form);
      int found = answer_put_number(exact + at, count - at, &form);
      ck_assert_int_eq(found, form.bytes > 0);
    }
    free(exact);
  }
  text_close(&form);
}
END_TEST

/* ---- verdicts ---------------------------------------------------------------------------------
 */

typedef struct verdict_case {
  const char *checker, *target, *answer, *reason;
} verdict_case;

static const verdict_case verdicts[] = {
    {"exact", "{\"answer\":\"Paris\"}", "Paris", "correct"},
    {"exact", "{\"answer\":\" Paris \"}", "\nParis ", "correct"},
    {"exact", "{\"answer\":\"Paris\"}", "paris", "wrong answer"},
    {"exact", "{\"answer\":\"Paris\"}", "Paris, Texas", "wrong answer"},
    {"exact", "{\"answer\":\"Paris\"}", NULL, "no answer"},
    {"exact", "{\"answer\":\"\"}", NULL, "no answer"},
    {"exact", "{\"answer\":\"\"}", "  ", "correct"},
    {"exact", "{\"answer\":12}", "12", "correct"},
    {"exact", "{\"answer\":12}", "12.0", "wrong answer"},
    {"exact", "{\"answer\":0.5}", "0.5", "correct"},
    {"exact", "{\"answer\":true}", "true", "correct"},
    {"exact", "{\"answer\":false}", "true", "wrong answer"},
    {"exact", "{\"answer\":[\"A\",null,\"B\",3]}", "B", "correct"},
    {"exact", "{\"answer\":[\"A\",\"B\",3]}", "3", "correct"},
    {"exact", "{\"answer\":[\"A\",\"B\"]}", "C", "wrong answer"},
    {"exact", "{\"answer\":null}", "C", "no expected answer"},
    {"exact", "{\"answer\":null}", NULL, "no expected answer"},
    {"exact", "{\"answer\":[]}", "C", "no expected answer"},
    {"exact", "{\"answer\":[null]}", "C", "no expected answer"},
    {"number", "{\"answer\":\"1,234\"}", "$1234.00", "correct"},
    {"number", "{\"answer\":1234}", "1,234", "correct"},
    {"number", "{\"answer\":0.1}", "1/10", "correct"},
    {"number", "{\"answer\":1e20}", "100,000,000,000,000,000,000", "correct"},
    {"number", "{\"answer\":\"0.1\"}", "0.10000000000000000001", "wrong answer"},
    {"number", "{\"answer\":\"0.3333\"}", "1/3", "wrong answer"},
    {"number", "{\"answer\":\"12%\"}", "0.12", "wrong answer"},
    {"number", "{\"answer\":[\"1\",\"2\"]}", "2.0", "correct"},
    {"number", "{\"answer\":[\"1\",\"two\"]}", "3", "wrong answer"},
    {"number", "{\"answer\":[\"two\",\"1\"]}", "3", "wrong answer"},
    {"number", "{\"answer\":\"12\"}", "twelve", "not a number"},
    {"number", "{\"answer\":\"twelve\"}", "12", "expected answer is not a number"},
    {"number", "{\"answer\":true}", "1", "expected answer is not a number"},
    {"number", "{\"answer\":\"12\"}", NULL, "no answer"},
    {"number", "{\"answer\":\"6*7=<<6*7=42>>42\\n#### 42\"}", "42.0", "correct"},
    {"number", "{\"answer\":\"#### 1 #### 1,000\"}", "1", "wrong answer"},
    {"number", "{\"answer\":\"#### 1 #### 1,000\"}", "1000", "correct"},
    {"number", "{\"answer\":\"42 ####\"}", "42", "expected answer is not a number"},
    {"number", "{\"answer\":\"42\"}", "#### 42", "not a number"},
    {"number", "{\"answer\":null}", "12", "no expected answer"},
    {"regex", "{\"answer\":\"[A-D]\"}", "C", "correct"},
    {"regex", "{\"answer\":\"[A-D]\"}", " C\n", "correct"},
    {"regex", "{\"answer\":\"[A-D]\"}", "CD", "wrong answer"},
    {"regex", "{\"answer\":\"a|ab\"}", "ab", "correct"},
    {"regex", "{\"answer\":\"(?i)colou?r\"}", "COLOR", "correct"},
    {"regex", "{\"answer\":[\"a\",\"b+\"]}", "bbb", "correct"},
    {"regex", "{\"answer\":42}", "42", "correct"},
    {"regex", "{\"answer\":\".*\"}", NULL, "no answer"},
    {"regex", "{\"answer\":\".*\"}", "a\nb", "wrong answer"},
    {"regex", "{\"answer\":\"(a+)+[bc]\"}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "matching met its limit"},
    {"countdown", "{\"nums\":[1,2],\"target\":3}", "1+2=3\n3,3 equal: Goal Reached", "correct"},
};

START_TEST(verdicts_and_reasons) {
  for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
    const verdict_case *c = &verdicts[i];
    const checker *judge = checker_find(c->checker);
    ck_assert_ptr_nonnull(judge);
    checker_input in = {.target = c->target, .answer = c->answer};
    checker_verdict v;
    ck_ok(judge->judge(&in, &v, &err));
    int correct = !strcmp(c->reason, "correct");
    ck_assert_msg(!strcmp(v.reason, c->reason) && v.correct == correct && v.score == correct,
                  "%s of %s for %s: %s", c->checker, c->answer ? c->answer : "(none)", c->target,
                  v.reason);
  }
}
END_TEST

START_TEST(targets_that_are_wrong) {
  static const struct {
    const char *checker, *target, *says;
  } wrong[] = {
      {"exact", "{}", "target is not {\"answer\": ...}"},
      {"exact", "[1]", "target is not {\"answer\": ...}"},
      {"number", "{\"answer\":{\"a\":1}}", "target is not {\"answer\": ...}"},
      {"regex", "{\"answer\":[[\"a\"]]}", "target is not {\"answer\": ...}"},
      {"regex", "{\"answer\":\"(a\"}", "the task's pattern \"(a\": not a pattern: missing closing"},
      {"regex", "{\"answer\":[\"b\",\"*\\n\"]}", "the task's pattern \"*\""},
      {"exact", "{\"answer\":", "not JSON"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    checker_input in = {.target = wrong[i].target, .answer = "a"};
    checker_verdict v;
    ck_fails(checker_find(wrong[i].checker)->judge(&in, &v, &err), E_INPUT, wrong[i].says);
  }
}
END_TEST

/* How the published rating reads a model's trace is its protocol's to say. */
START_TEST(the_lenient_rating_reads_protocols) {
  static const char trace[] = "Current State: 3:[1, 2], Operations: []\n"
                              "Exploring Operation: 1+2=3, Resulting Numbers: [3]\n"
                              "3,3 equal: Goal Reached\n";
  static const char *const cases[][2] = {
      {"{\"protocol\":\"countdown-sos\"}", "correct"},
      {"{\"protocol\":\"countdown-sosp\",\"search\":\"dfs\"}", "no recap"},
      {"{\"protocol\":\"countdown-apr\"}", "no recap"},
      {"{\"protocol\":\"countdown-apr-serial\"}", "no recap"},
      {"{\"search\":\"dfs\"}", "correct"},
      {"{\"search\":\"sosp\"}", "no recap"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_t *parameters;
    ck_ok(json_read(&parameters, cases[i][0], strlen(cases[i][0]), "parameters", 1, &err));
    checker_input in = {.target = "{\"nums\":[1,2],\"target\":3}",
                        .trace = trace,
                        .trace_bytes = sizeof trace - 1,
                        .parameters = parameters};
    checker_verdict v;
    ck_ok(checker_find("countdown-lenient")->judge(&in, &v, &err));
    ck_assert_str_eq(v.reason, cases[i][1]);
    json_decref(parameters);
  }
}
END_TEST

START_TEST(the_registry_names_them) {
  static const char *const wanted[] = {"countdown", "countdown-lenient", "exact", "number",
                                       "regex"};
  size_t count;
  const char *const *names = checker_names(&count);
  ck_assert_uint_eq(count, 5);
  for (size_t i = 0; i < count; i++) {
    ck_assert_str_eq(names[i], wanted[i]);
    const checker *c = checker_find(names[i]);
    ck_assert_str_eq(c->kind, i < 2 ? "countdown" : "question");
    ck_assert_int_eq(c->needs_trace, i == 1);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("checkers");
  TCase *c = tcase_create("checkers");
  tcase_add_test(c, numbers_have_one_form);
  tcase_add_test(c, the_longest_numbers);
  tcase_add_test(c, words_have_one_space);
  tcase_add_test(c, cut_answers_do_no_harm);
  tcase_add_test(c, verdicts_and_reasons);
  tcase_add_test(c, targets_that_are_wrong);
  tcase_add_test(c, the_lenient_rating_reads_protocols);
  tcase_add_test(c, the_registry_names_them);
  suite_add_tcase(suite, c);
  return suite;
}

int main(void) {
  json_install();
  return support_run(make_suite());
}
