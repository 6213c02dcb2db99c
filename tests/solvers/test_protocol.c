#include "solvers/countdown_check.h"
#include "solvers/option.h"
#include "solvers/protocol.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

static detail err;
static const char TARGET[] = "{\"nums\":[53,22,31,26],\"target\":27}";
#define ROOT "Current State: 27:[53, 22, 31, 26], Operations: []"
#define RECAP                                                                                      \
  "Exploring Operation: 53-22=31, Resulting Numbers: [31, 26, 31]\n"                               \
  "Exploring Operation: 31/31=1, Resulting Numbers: [26, 1]\n"                                     \
  "Exploring Operation: 26+1=27, Resulting Numbers: [27]\n"
#define GOAL "27,27 equal: Goal Reached\n"

static json_t *parameters_of(const char *json) {
  json_t *parameters = NULL;
  ck_ok(json_read(&parameters, json, strlen(json), "parameters", 1, &err));
  return parameters;
}

static protocol *open_protocol(const char *json) {
  json_t *parameters = parameters_of(json);
  protocol *p = NULL;
  ck_ok(protocol_open(&p, parameters, &err));
  json_decref(parameters);
  return p;
}

static void refused(const char *json, const char *why) {
  json_t *parameters = parameters_of(json);
  protocol *p = NULL;
  ck_fails(protocol_open(&p, parameters, &err), E_INPUT, why);
  ck_assert_ptr_null(p);
  ck_fails(protocol_resolve(parameters, &err), E_INPUT, why);
  json_decref(parameters);
}

static void prompt_is(const char *json, const char *question, const char *target,
                      const char *wanted) {
  protocol *p = open_protocol(json);
  text out;
  text_open(&out, 1 << 16);
  ck_ok(protocol_prompt(p, question, target, &out, &err));
  ck_assert_str_eq(text_string(&out), wanted);
  text_close(&out);
  protocol_close(p);
}

START_TEST(countdown_prompts_are_the_published_ones) {
  prompt_is("{\"protocol\":\"countdown-sos\"}", "a question", TARGET, ROOT);
  prompt_is("{\"protocol\":\"countdown-sosp\"}", "", TARGET, ROOT);
  prompt_is("{\"protocol\":\"countdown-sosp\",\"label\":{\"tokens\":1024}}", "", TARGET,
            "Token Budget: 1024 " ROOT);
  prompt_is("{\"protocol\":\"countdown-sos\"}", "", "{\"nums\":[1,2],\"target\":3}",
            "Current State: 3:[1, 2], Operations: []");
  prompt_is("{\"protocol\":\"countdown-apr\"}", "", TARGET, "Moving to Node #0\n" ROOT);
  prompt_is("{\"protocol\":\"countdown-apr\",\"label\":{\"children\":10}}", "", TARGET,
            "Sub Call Budget: 10 Moving to Node #0\n" ROOT);
  prompt_is("{\"protocol\":\"countdown-apr\",\"label\":{\"children\":0}}", "", TARGET,
            "Sub Call Budget: 0 Moving to Node #0\n" ROOT);
  prompt_is("{\"protocol\":\"countdown-apr-serial\"}", "", TARGET, "Moving to Node #0\n" ROOT);
  protocol *p = open_protocol("{\"protocol\":\"countdown-sosp\"}");
  text out;
  text_open(&out, 1000);
  ck_fails(protocol_prompt(p, "", "{\"answer\":\"4\"}", &out, &err), E_INPUT, "target");
  int count;
  (void)protocol_stops(p, &count);
  ck_assert_int_eq(count, 0);
  ck_assert_str_eq(protocol_name(p), "countdown-sosp");
  ck_assert_str_eq(protocol_rules(p), "countdown-sosp-1");
  ck_assert_str_eq(protocol_kind(p), "countdown");
  /* 4 + 2 digits + 1 + 8 digits + 3 times 2 + 5 + 0 */
  ck_assert_int_eq(protocol_ref_tokens(p, ROOT, strlen(ROOT)), 26);
  protocol_close(p);
  text_close(&out);
}
END_TEST

START_TEST(templates_take_the_question) {
  prompt_is("{\"protocol\":\"generic\",\"prompt\":\"{question}\"}", "2+2?", "{}", "2+2?");
  prompt_is(
      "{\"protocol\":\"generic\",\"prompt\":\"Q: {question}\\nAs {{\\\"a\\\": 1}}, {question}\"}",
      "who {question} {{ }", "{}", "Q: who {question} {{ }\nAs {\"a\": 1}, who {question} {{ }");
  prompt_is("{\"protocol\":\"generic\",\"prompt\":\"{{{question}}}\"}", "x", "{}", "{x}");
  refused("{\"protocol\":\"generic\"}", "needs 'prompt'");
  refused("{\"protocol\":\"generic\",\"prompt\":\"say it\"}", "{question} is missing");
  refused("{\"protocol\":\"generic\",\"prompt\":\"{question} {\"}", "'{' at byte 12");
  refused("{\"protocol\":\"generic\",\"prompt\":\"{question}}\"}", "'}' at byte 11");
  refused("{\"protocol\":\"generic\",\"prompt\":\"{Question}\"}", "'{' at byte 1");
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
  refused("{}", "needs 'protocol'");
  refused("{\"protocol\":\"countdown-tree\"}", "needs 'protocol'");
  refused("{\"protocol\":\"countdown-sos\",\"answer\":\"x\"}", "'answer' is not used");
  refused("{\"protocol\":\"countdown-sosp\",\"prompt\":\"{question}\"}", "'prompt' is not used");
  refused("{\"protocol\":\"countdown-sosp\",\"stop\":[\"x\"]}", "'stop' is not used");
  refused("{\"protocol\":\"countdown-sos\",\"label\":{\"tokens\":512}}", "trained without");
  refused("{\"protocol\":\"countdown-sos\",\"finisher\":{\"tokens\":5}}", "first goal line");
  refused("{\"protocol\":\"countdown-sosp\",\"finisher\":{\"text\":\"x\",\"tokens\":5}}",
          "'finisher.text' is not used");
  refused("{\"protocol\":\"countdown-sosp\",\"label\":{\"children\":2}}", "calls for nobody");
  refused("{\"protocol\":\"countdown-sos\",\"label\":{\"children\":2}}", "trained without");
  refused("{\"protocol\":\"countdown-apr\",\"label\":{\"tokens\":512}}", "'label.children'");
  refused("{\"protocol\":\"countdown-apr\",\"stop\":[\"x\"]}", "'stop' is not used");
  refused("{\"protocol\":\"countdown-apr\",\"finisher\":{\"text\":\"x\",\"tokens\":5}}",
          "'finisher.text' is not used");
  refused("{\"protocol\":\"countdown-apr-serial\",\"label\":{\"children\":2}}", "trained without");
  refused("{\"protocol\":\"countdown-apr-serial\",\"answer\":\"x\"}", "'answer' is not used");
#define GENERIC "{\"protocol\":\"generic\",\"prompt\":\"{question}\","
  refused(GENERIC "\"preset\":\"published\"}", "'preset' is not used");
  refused(GENERIC "\"label\":{\"tokens\":512}}", "'label' is not used");
  refused(GENERIC "\"label\":{\"children\":0}}", "'label' is not used");
  refused(GENERIC "\"answer\":\"x\",\"finisher\":{\"tokens\":5}}", "give both or neither");
  refused(GENERIC "\"answer\":\"x\",\"finisher\":{\"text\":\"so\"}}", "give both or neither");
  refused(GENERIC "\"finisher\":{\"text\":\"so\",\"tokens\":5}}", "needs 'answer'");
  refused(GENERIC "\"answer\":\"(a\"}", "answer: not a pattern: ");
  ck_assert_str_eq(protocol_kind_of("generic"), "question");
  ck_assert_str_eq(protocol_kind_of("countdown-sos"), "countdown");
  ck_assert_ptr_null(protocol_kind_of("sosp"));
  ck_assert_str_eq(protocol_kind_of("countdown-apr-serial"), "countdown");
  ck_assert_int_eq(protocol_calls_of("countdown-apr"), 1);
  ck_assert_int_eq(protocol_calls_of("countdown-apr-serial"), 0);
  ck_assert_int_eq(protocol_calls_of("apr"), 0);
  ck_assert_str_eq(protocol_kind_of("countdown-hogwild"), "countdown");
  ck_assert_int_eq(protocol_works_of("countdown-hogwild"), 1);
  ck_assert_int_eq(protocol_works_of("generic-hogwild"), 1);
  ck_assert_int_eq(protocol_works_of("countdown-apr"), 0);
}
END_TEST

START_TEST(apr_says_what_it_is) {
  protocol *apr = open_protocol("{\"protocol\":\"countdown-apr\"}");
  protocol *serial = open_protocol("{\"protocol\":\"countdown-apr-serial\"}");
  int count;
  const char *const *stops = protocol_stops(apr, &count);
  ck_assert_int_eq(count, 1);
  ck_assert_str_eq(stops[0], "<Sub Searches>");
  ck_assert_str_eq(protocol_rewrite(apr, 0), "<Calling Sub Searches>\n");
  ck_assert_int_eq(protocol_calls(apr), 1);
  ck_assert_str_eq(protocol_rules(apr), "countdown-apr-1");
  (void)protocol_stops(serial, &count);
  ck_assert_int_eq(count, 0);
  ck_assert_ptr_null(protocol_rewrite(serial, 0));
  ck_assert_int_eq(protocol_calls(serial), 0);
  ck_assert_str_eq(protocol_rules(serial), "countdown-apr-serial-1");
  protocol_close(apr);
  protocol_close(serial);
}
END_TEST

static void resolves_to(const char *json, const char *wanted) {
  json_t *parameters = parameters_of(json);
  text out;
  text_open(&out, 1 << 16);
  for (int again = 0; again < 2; again++) {
    ck_ok(protocol_resolve(parameters, &err));
    text_clear(&out);
    ck_ok(json_canonical(parameters, &out, &err));
    ck_assert_str_eq(text_string(&out), wanted);
  }
  text_close(&out);
  json_decref(parameters);
}

/* The second time nothing is left to fill in. */
START_TEST(presets_fill_what_is_not_said) {
  resolves_to("{\"protocol\":\"countdown-sos\"}",
              "{\"protocol\":\"countdown-sos\",\"vote_key\":\"canonical\"}");
  resolves_to("{\"protocol\":\"countdown-sos\",\"preset\":\"published\"}",
              "{\"begin\":1,\"limit\":{\"context\":4096},\"preset\":\"published\","
              "\"protocol\":\"countdown-sos\",\"sampling\":{\"min_p\":0.0,\"temperature\":0.0,"
              "\"top_k\":0,\"top_p\":1.0},"
              "\"vote_key\":\"canonical\"}");
  resolves_to("{\"protocol\":\"countdown-sosp\",\"preset\":\"published\"}",
              "{\"begin\":2,\"limit\":{\"context\":4096},\"preset\":\"published\","
              "\"protocol\":\"countdown-sosp\",\"sampling\":{\"min_p\":0.0,\"temperature\":0.0,"
              "\"top_k\":50,\"top_p\":1.0},"
              "\"vote_key\":\"canonical\"}");
  resolves_to(
      "{\"protocol\":\"countdown-apr\",\"preset\":\"published\",\"label\":{\"children\":4}}",
      "{\"begin\":2,\"label\":{\"children\":4},\"limit\":{\"context\":4096},"
      "\"preset\":\"published\",\"protocol\":\"countdown-apr\",\"sampling\":{\"min_p\":0.0,"
      "\"temperature\":0.0,\"top_k\":0,\"top_p\":1.0},\"vote_key\":\"canonical\"}");
  resolves_to("{\"protocol\":\"countdown-apr-serial\",\"preset\":\"published\"}",
              "{\"begin\":2,\"limit\":{\"context\":4096},\"preset\":\"published\","
              "\"protocol\":\"countdown-apr-serial\",\"sampling\":{\"min_p\":0.0,"
              "\"temperature\":0.0,\"top_k\":0,\"top_p\":1.0},\"vote_key\":\"canonical\"}");
  resolves_to("{\"protocol\":\"countdown-sosp\",\"preset\":\"published\",\"begin\":0,"
              "\"sampling\":{\"temperature\":1.5},\"limit\":{\"context\":64,\"tokens_thread\":9},"
              "\"vote_key\":\"literal\"}",
              "{\"begin\":0,\"limit\":{\"context\":64,\"tokens_thread\":9},"
              "\"preset\":\"published\",\"protocol\":\"countdown-sosp\","
              "\"sampling\":{\"min_p\":0.0,\"temperature\":1.5,\"top_k\":50,\"top_p\":1.0},\"vote_"
              "key\":\"literal\"}");
}
END_TEST

/* ---- answers --------------------------------------------------------------------------------- */

/* answer NULL: there is none. */
static void answer_is(const protocol *p, const char *bytes, size_t count, size_t from,
                      const char *wanted) {
  text out;
  int found = -1;
  text_open(&out, 1 << 20);
  text_put(&out, "kept ");
  ck_ok(protocol_answer(p, bytes, count, from, &out, &found, &err));
  ck_assert_int_eq(found, wanted != NULL);
  ck_assert_str_eq(text_string(&out) + 5, wanted ? wanted : "");
  ck_assert_uint_eq(out.bytes, 5 + strlen(wanted ? wanted : ""));
  text_close(&out);
}

static void reads(const protocol *p, const char *prompt, const char *written, const char *wanted) {
  text whole;
  text_open(&whole, 1 << 20);
  text_put(&whole, prompt);
  text_put(&whole, written);
  answer_is(p, text_string(&whole), whole.bytes, strlen(prompt), wanted);
  text_close(&whole);
}

START_TEST(countdown_answers) {
  protocol *sos = open_protocol("{\"protocol\":\"countdown-sos\"}");
  protocol *sosp = open_protocol("{\"protocol\":\"countdown-sosp\"}");
  /* The state before the goal is the prompt's. */
  reads(sos, "Current State: 3:[1, 2], Operations: []",
        "\nExploring Operation: 1+2=3, Resulting Numbers: [3]\n3,3 equal: Goal Reached\n",
        "1+2=3\n3,3 equal: Goal Reached");
  reads(sos, ROOT, "\nNo solution found.", NULL);
  reads(sosp, ROOT, "\n" RECAP GOAL, NULL);
  reads(sosp, ROOT, "\n" RECAP GOAL "Moving to Node #0\n" ROOT "\n" RECAP GOAL,
        "Moving to Node #0\n" ROOT "\n" RECAP "27,27 equal: Goal Reached");
  /* A zero byte ends a string, whoever reads it. */
  static const char zero[] = GOAL "a\0b" GOAL;
  answer_is(sosp, zero, sizeof zero - 1, 0, "a");
  protocol_close(sos);
  protocol_close(sosp);
}
END_TEST

START_TEST(generic_answers) {
  protocol *all = open_protocol(GENERIC "\"stop\":[\"\\n\\n\",\"END\"]}");
  reads(all, "Q?", "  forty two \n", "forty two");
  reads(all, "Q?", " \n\t", NULL);
  reads(all, "Q?", "", NULL);
  int count;
  const char *const *stops = protocol_stops(all, &count);
  ck_assert_int_eq(count, 2);
  ck_assert_str_eq(stops[0], "\n\n");
  ck_assert_str_eq(stops[1], "END");
  ck_assert_int_eq(protocol_has_finisher(all), 0);
  ck_assert_int_eq(protocol_ref_tokens(all, "text", 4), -1);
  protocol_close(all);
  protocol *group = open_protocol(GENERIC "\"answer\":\"(?i)answer is:? *(-?[0-9]+)\"}");
  reads(group, "The answer is 1.", "The answer is 2, no: the Answer is: -30!", "-30");
  reads(group, "The answer is 1.", "I do not know", NULL);
  reads(group, "", "The answer is \xff\xfe 3. answer is 4 \xc3", "4");
  protocol_close(group);
  protocol *whole = open_protocol(GENERIC "\"answer\":\"[0-9]*\"}");
  reads(whole, "", "1 22 333 x", "333");
  reads(whole, "", "none", NULL);
  protocol_close(whole);
  protocol *blank = open_protocol(GENERIC "\"answer\":\"answer:(.*)\"}");
  reads(blank, "", "answer: 5\nanswer:  \n", NULL);
  protocol_close(blank);
}
END_TEST

/* key NULL: it counts for nothing. */
static void key_is(const protocol *p, const char *answer, const char *wanted) {
  text out;
  int found = -1;
  text_open(&out, 1 << 16);
  ck_ok(protocol_vote_key(p, TARGET, answer, &out, &found, &err));
  ck_assert_int_eq(found, wanted != NULL);
  ck_assert_str_eq(text_string(&out), wanted ? wanted : "");
  text_close(&out);
}

START_TEST(vote_keys) {
  protocol *sosp = open_protocol("{\"protocol\":\"countdown-sosp\"}");
  key_is(sosp, RECAP GOAL, "(((53-22)/31)+26)");
  key_is(sosp, "53-22=31\n31/31=1\n1+26=27\n" GOAL, "(((53-22)/31)+26)");
  key_is(sosp, "53-22=30\n" GOAL, NULL);
  key_is(sosp, NULL, NULL);
  protocol_close(sosp);
  protocol *literal = open_protocol("{\"protocol\":\"countdown-sosp\",\"vote_key\":\"literal\"}");
  key_is(literal, "53-22=30\n" GOAL, "53-22=30\n" GOAL);
  key_is(literal, NULL, NULL);
  protocol_close(literal);
  protocol *generic = open_protocol(GENERIC "\"vote_key\":\"canonical\"}");
  key_is(generic, "$1,234.50", "1234.5");
  key_is(generic, " 0012. ", "12");
  key_is(generic, "2/6", "1/3");
  key_is(generic, " the  red\n\thouse ", "the red house");
  protocol_close(generic);
  protocol *text_of = open_protocol(GENERIC "\"vote_key\":\"literal\"}");
  key_is(text_of, "1,234.50", "1,234.50");
  protocol_close(text_of);
}
END_TEST

/* ---- the finisher ---------------------------------------------------------------------------- */

#define SOSP_FINISHER "{\"protocol\":\"countdown-sosp\",\"finisher\":{\"tokens\":400}}"
#define ASKED         GOAL "Moving to Node #0\n" ROOT "\n"

static void fed_is(const protocol *p, const char *held, const char *wanted) {
  text out;
  text_open(&out, 1 << 16);
  ck_ok(protocol_finisher(p, TARGET, held, strlen(held), &out, &err));
  ck_assert_str_eq(text_string(&out), wanted);
  text_close(&out);
}

START_TEST(the_finisher_asks_for_the_recap) {
  protocol *p = open_protocol(SOSP_FINISHER);
  ck_assert_int_eq(protocol_has_finisher(p), 1);
  ck_assert_int_eq(protocol_finisher_tokens(p), 400);
  fed_is(p, ROOT, "\n" ASKED);
  fed_is(p, ROOT "\nExploring Oper", "\n" ASKED);
  fed_is(p, ROOT "\n", ASKED);
  fed_is(p, ROOT "\n" RECAP GOAL "Moving to No", "\n" ASKED);
  fed_is(p, ROOT "\n" RECAP GOAL RECAP GOAL "Exit Sub Search at lev", "");
  protocol_close(p);
  static const char *const apr[] = {"countdown-apr", "countdown-apr-serial"};
  for (int i = 0; i < 2; i++) {
    char json[100];
    (void)snprintf(json, sizeof json, "{\"protocol\":\"%s\",\"finisher\":{\"tokens\":9}}", apr[i]);
    p = open_protocol(json);
    fed_is(p, ROOT "\nExploring Oper", "\n" ASKED);
    fed_is(p, RECAP GOAL, ASKED);
    fed_is(p, "", ASKED);
    fed_is(p, RECAP GOAL RECAP GOAL, "");
    reads(p, ROOT, "\n" RECAP GOAL "Moving to Node #0\n" ROOT "\n" RECAP GOAL,
          "Moving to Node #0\n" ROOT "\n" RECAP "27,27 equal: Goal Reached");
    key_is(p, RECAP GOAL, "(((53-22)/31)+26)");
    protocol_close(p);
  }
  protocol *generic = open_protocol(
      GENERIC "\"answer\":\"So:(.*)\",\"finisher\":{\"text\":\"\\nSo:\",\"tokens\":9}}");
  fed_is(generic, "thinking", "\nSo:");
  protocol_close(generic);
}
END_TEST

/* What stands in the text already, what is fed, what is sampled behind it: the answer is what is
   sampled, where it has come to a goal line. */
START_TEST(the_asked_answer_is_what_is_sampled) {
  static const char *const held[] = {ROOT,
                                     ROOT "\nExploring",
                                     ROOT "\n" RECAP GOAL,
                                     ROOT "\n" RECAP GOAL "Moving to Node #0\n",
                                     ROOT "\n" RECAP GOAL "Moving to Node #0\n" ROOT "\n" RECAP,
                                     "Goal Reached in my dreams"};
  protocol *p = open_protocol(SOSP_FINISHER);
  countdown_problem problem;
  ck_ok(countdown_read(&problem, TARGET, &err));
  for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
    text all, answer;
    int found;
    text_open(&all, 1 << 16);
    text_open(&answer, 1 << 16);
    text_put(&all, held[i]);
    ck_ok(protocol_finisher(p, TARGET, held[i], strlen(held[i]), &all, &err));
    ck_assert_uint_gt(all.bytes, strlen(held[i]));
    text_put(&all, "Exploring Operation: 53-22=31, Resulting Numbers: [31, 26, 31]\n");
    answer_is(p, text_string(&all), all.bytes, strlen(held[i]), NULL);
    text_cut(&all, all.bytes - strlen("Exploring Operation: 53-22=31, Resulting Numbers: "
                                      "[31, 26, 31]\n"));
    text_put(&all, RECAP GOAL);
    ck_ok(protocol_answer(p, text_string(&all), all.bytes, strlen(held[i]), &answer, &found, &err));
    ck_assert(found);
    ck_assert_str_eq(countdown_check(&problem, text_string(&answer), answer.bytes).reason,
                     "correct");
    text_close(&all);
    text_close(&answer);
  }
  protocol_close(p);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("protocol");
  TCase *c = tcase_create("protocol");
  tcase_add_test(c, countdown_prompts_are_the_published_ones);
  tcase_add_test(c, templates_take_the_question);
  tcase_add_test(c, what_does_not_fit_is_refused);
  tcase_add_test(c, apr_says_what_it_is);
  tcase_add_test(c, presets_fill_what_is_not_said);
  tcase_add_test(c, countdown_answers);
  tcase_add_test(c, generic_answers);
  tcase_add_test(c, vote_keys);
  tcase_add_test(c, the_finisher_asks_for_the_recap);
  tcase_add_test(c, the_asked_answer_is_what_is_sampled);
  suite_add_tcase(suite, c);
  return suite;
}

int main(void) {
  json_install();
  return support_run(make_suite());
}
