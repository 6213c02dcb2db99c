#include "base/memory.h"
#include "solvers/vote.h"
#include "tests/solvers/script.h"
#include "tests/support/support.h"

#include <math.h>
#include <string.h>

static detail err;
static const char TARGET[] = "{\"nums\":[1,2],\"target\":3}";
#define ROOT    "Current State: 3:[1, 2], Operations: []"
#define STEP    "Exploring Operation: 1+2=3, Resulting Numbers: [3]\n"
#define GOAL    "3,3 equal: Goal Reached\n"
#define SOSP    "\"protocol\":\"countdown-sosp\""
#define GENERIC "\"protocol\":\"generic\",\"prompt\":\"Q: {question}\\n\""

/* ---- scripts --------------------------------------------------------------------------------- */

static script *begin(const char *name, const char *parameters, const char *question) {
  return script_begin(name, parameters, question, TARGET);
}

/* A thread that holds this text, prompt_bytes of it its prompt, ended. */
static void ended_at(script *s, mode_thread thread, mode_end how, const char *held,
                     size_t prompt_bytes, size_t stop_at) {
  mode_event e = {.kind = MODE_ENDED,
                  .thread = thread,
                  .end = how,
                  .which = how == MODE_END_STOP ? 0 : -1,
                  .text = held,
                  .text_bytes = strlen(held),
                  .prompt_bytes = prompt_bytes,
                  .fed_at = prompt_bytes,
                  .stop_at = stop_at};
  script_tell(s, &e);
}

static void ended(script *s, mode_thread thread, mode_end how, const char *prompt,
                  const char *written) {
  text held;
  text_open(&held, 1 << 16);
  text_format(&held, "%s%s", prompt, written);
  ended_at(s, thread, how, text_string(&held), strlen(prompt), 0);
  text_close(&held);
}

/* ---- serial ---------------------------------------------------------------------------------- */

START_TEST(serial_answers_once) {
  script *s = begin("serial", "{" SOSP ",\"label\":{\"tokens\":512}}", "unused");
  script_says(s, "spawn 0 root [Token Budget: 512 " ROOT "]\n");
  ended(s, 0, MODE_END_TOKEN, ROOT, "\n" STEP GOAL STEP GOAL);
  script_says(s, "answer 0 [" STEP "3,3 equal: Goal Reached] [(1+2)]\ndone 0\n");
  script_end(s);
  s = begin("serial", "{" SOSP "}", "");
  text_clear(&s->log);
  ended(s, 0, MODE_END_TOKEN, ROOT, "\nNo solution found.");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

/* The control of APR: the same search in one context. */
START_TEST(serial_writes_what_apr_spreads) {
  script *s = begin("serial", "{\"protocol\":\"countdown-apr-serial\"}", "");
  script_says(s, "spawn 0 root [Moving to Node #0\n" ROOT "]\n");
  script_writes(s, 0, MODE_END_TOKEN,
                "\nStart Sub Search at level 1: <Sub Searches>" GOAL STEP GOAL);
  script_says(s, "answer 0 [" STEP "3,3 equal: Goal Reached] [(1+2)]\ndone 0\n");
  script_end(s);
}
END_TEST

/* A limit without a finisher: what was said is kept, and counts for no vote. */
START_TEST(serial_at_its_limit) {
  script *s = begin("serial", "{" SOSP "}", "");
  text_clear(&s->log);
  ended(s, 0, MODE_END_LIMIT, ROOT, "\n" STEP GOAL STEP GOAL "Exit Sub");
  script_says(s, "answer 0 [" STEP "3,3 equal: Goal Reached] [none]\ndone 0\n");
  script_end(s);
  s = begin("serial", "{" SOSP "}", "");
  text_clear(&s->log);
  ended(s, 0, MODE_END_LIMIT, ROOT, "\n" STEP GOAL STEP);
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

#define ASKED    GOAL "Moving to Node #0\n" ROOT "\n"
#define FINISHER ",\"finisher\":{\"tokens\":40}"

START_TEST(the_finisher_asks_once) {
  static const mode_end ends[] = {MODE_END_TOKEN, MODE_END_FINISHED, MODE_END_LIMIT};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    script *s = begin("serial", "{" SOSP FINISHER "}", "");
    text_clear(&s->log);
    ended(s, 0, MODE_END_LIMIT, ROOT, "\nExploring");
    script_says(s, "feed finisher 0 [\n" ASKED "]\n");
    ended(s, 0, ends[i], ROOT, "\nExploring\n" ASKED STEP GOAL);
    script_says(s, "answer 0 [Moving to Node #0\n" ROOT "\n" STEP
                   "3,3 equal: Goal Reached] [(1+2)]\ndone 0\n");
    script_end(s);
  }
  /* The tokens were too few. The goal that the model had said itself is no part of the answer. */
  script *s = begin("serial", "{" SOSP FINISHER "}", "");
  text_clear(&s->log);
  ended(s, 0, MODE_END_LIMIT, ROOT, "\n" STEP GOAL);
  script_says(s, "feed finisher 0 [" ASKED "]\n");
  ended(s, 0, MODE_END_FINISHED, ROOT, "\n" STEP GOAL ASKED "Explor");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

START_TEST(nobody_asks_for_what_is_there) {
  script *s = begin("serial", "{" SOSP FINISHER "}", "");
  text_clear(&s->log);
  ended(s, 0, MODE_END_LIMIT, ROOT, "\n" STEP GOAL STEP GOAL "Exit Sub Search");
  script_says(s, "answer 0 [" STEP "3,3 equal: Goal Reached] [(1+2)]\ndone 0\n");
  script_end(s);
  s = begin("serial", "{" SOSP FINISHER "}", "");
  text_clear(&s->log);
  ended(s, 0, MODE_END_TOKEN, ROOT, "\nNo solution found.");
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

/* The answer ends where a stop string begins, wherever the text does. */
START_TEST(stop_strings_are_not_said) {
  const char *parameters = "{" GENERIC ",\"stop\":[\"END\"]}";
  script *s = begin("serial", parameters, "6*7?");
  script_says(s, "spawn 0 root [Q: 6*7?\n]\n");
  ended_at(s, 0, MODE_END_STOP, "Q: 6*7?\n 42.0 ENDED", 8, 14);
  script_says(s, "answer 0 [42.0] [42]\ndone 0\n");
  script_end(s);
  s = begin("serial", parameters, "6*7?");
  text_clear(&s->log);
  ended_at(s, 0, MODE_END_STOP, "Q: 6*7?\nEND", 8, 8);
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
  s = begin("serial", parameters, "6*7?"); /* with a space that the text has lost */
  text_clear(&s->log);
  ended_at(s, 0, MODE_END_STOP, "Q: 6*7?\nEND", 8, 7);
  script_says(s, "answer 0 [none] [none]\ndone -1\n");
  script_end(s);
}
END_TEST

START_TEST(generic_is_asked_in_its_words) {
  script *s = begin("serial",
                    "{" GENERIC ",\"answer\":\"is (.+)\",\"stop\":[\"\\n\"],"
                    "\"finisher\":{\"text\":\" The answer is\",\"tokens\":8}}",
                    "?");
  text_clear(&s->log);
  ended(s, 0, MODE_END_LIMIT, "Q: ?\n", "it is 1, this is");
  script_says(s, "feed finisher 0 [ The answer is]\n");
  ended_at(s, 0, MODE_END_STOP, "Q: ?\nit is 1, this is The answer is 7\nand", 5, 37);
  script_says(s, "answer 0 [7] [7]\ndone 0\n");
  script_end(s);
}
END_TEST

/* ---- vote ------------------------------------------------------------------------------------ */

typedef struct ending {
  mode_end how;
  const char *written;
} ending;

/* Every order in which four threads may end: the same answers, the same winner. */
static void all_orders(const ending endings[4], const char *const answers[4], const char *done) {
  for (int order = 0; order < 24; order++) {
    script *s = begin("vote", "{\"n\":4," GENERIC "}", "?");
    script_says(s, "spawn 0 voter [Q: ?\n]\nspawn 1 voter [Q: ?\n]\n"
                   "spawn 2 voter [Q: ?\n]\nspawn 3 voter [Q: ?\n]\n");
    mode_thread left[4] = {0, 1, 2, 3};
    for (int count = 4, place = order; count; place /= count--) {
      mode_thread thread = left[place % count];
      memmove(&left[place % count], &left[place % count + 1],
              (size_t)(count - 1 - place % count) * sizeof left[0]);
      ended(s, thread, endings[thread].how, "Q: ?\n", endings[thread].written);
      text wanted;
      text_open(&wanted, 1000);
      text_format(&wanted, "answer %u %s\n%s", thread, answers[thread], count == 1 ? done : "");
      script_says(s, text_string(&wanted));
      text_close(&wanted);
    }
    script_end(s);
  }
}

START_TEST(most_votes_win_in_every_order) {
  const ending endings[4] = {
      {MODE_END_TOKEN, "7"}, {MODE_END_TOKEN, "8.0"}, {MODE_END_TOKEN, ""}, {MODE_END_TOKEN, "08"}};
  const char *const answers[4] = {"[7] [7]", "[8.0] [8]", "[none] [none]", "[08] [8]"};
  all_orders(endings, answers, "done 1\n");
}
END_TEST

START_TEST(ties_go_to_the_lowest_holder_in_every_order) {
  const ending endings[4] = {
      {MODE_END_TOKEN, "9"}, {MODE_END_TOKEN, "8"}, {MODE_END_TOKEN, "8"}, {MODE_END_TOKEN, "9"}};
  const char *const answers[4] = {"[9] [9]", "[8] [8]", "[8] [8]", "[9] [9]"};
  all_orders(endings, answers, "done 0\n");
}
END_TEST

START_TEST(who_was_cut_off_does_not_vote) {
  const ending endings[4] = {
      {MODE_END_LIMIT, "9"}, {MODE_END_LIMIT, "9"}, {MODE_END_TOKEN, ""}, {MODE_END_TOKEN, "8"}};
  const char *const answers[4] = {"[9] [none]", "[9] [none]", "[none] [none]", "[8] [8]"};
  all_orders(endings, answers, "done 3\n");
  const ending nobody[4] = {
      {MODE_END_LIMIT, "9"}, {MODE_END_LIMIT, "9"}, {MODE_END_TOKEN, " "}, {MODE_END_LIMIT, ""}};
  const char *const none[4] = {"[9] [none]", "[9] [none]", "[none] [none]", "[none] [none]"};
  all_orders(nobody, none, "done -1\n");
}
END_TEST

START_TEST(who_was_asked_votes) {
  script *s = begin("vote", "{\"n\":3," SOSP FINISHER "}", "");
  text_clear(&s->log);
  ended(s, 2, MODE_END_LIMIT, ROOT, "\n");
  script_says(s, "feed finisher 2 [" ASKED "]\n");
  ended(s, 0, MODE_END_TOKEN, ROOT, "\n" GOAL STEP "2+1=3\n" GOAL);
  script_says(s, "answer 0 [" STEP "2+1=3\n3,3 equal: Goal Reached] [none]\n");
  ended(s, 1, MODE_END_LIMIT, ROOT, "\nMoving");
  script_says(s, "feed finisher 1 [\n" ASKED "]\n");
  ended(s, 2, MODE_END_FINISHED, ROOT, "\n" ASKED STEP GOAL STEP);
  script_says(s,
              "answer 2 [Moving to Node #0\n" ROOT "\n" STEP "3,3 equal: Goal Reached] [(1+2)]\n");
  ended(s, 1, MODE_END_FINISHED, ROOT, "\nMoving\n" ASKED STEP);
  script_says(s, "answer 1 [none] [none]\ndone 2\n");
  script_end(s);
}
END_TEST

static void tally_is(const char *const *keys, const double *scores, size_t threads,
                     vote_count wanted) {
  vote_count c = vote_tally(keys, scores, threads);
  ck_assert_int_eq(c.voters, wanted.voters);
  ck_assert_int_eq(c.votes, wanted.votes);
  ck_assert_int_eq(c.tied, wanted.tied);
  ck_assert_int_eq(c.winner, wanted.winner);
  ck_assert(fabs(c.score - wanted.score) < 1e-12);
}

START_TEST(a_tie_scores_its_mean) {
  tally_is(NULL, NULL, 0, (vote_count){0, 0, 0, -1, 0});
  tally_is((const char *[]){NULL, NULL}, (double[]){1, 1}, 2, (vote_count){0, 0, 0, -1, 0});
  tally_is((const char *[]){NULL, "a", NULL}, (double[]){0, 1, 0}, 3, (vote_count){1, 1, 1, 1, 1});
  tally_is((const char *[]){"a", "b", "b", NULL}, (double[]){1, 0.5, 1, 1}, 4,
           (vote_count){3, 2, 1, 1, 0.5});
  tally_is((const char *[]){"a", "b", "c", "b", "a"}, (double[]){1, 0, 1, 1, 0}, 5,
           (vote_count){5, 2, 2, 0, 0.5});
  tally_is((const char *[]){"a", "b", "c"}, (double[]){0, 0, 1}, 3,
           (vote_count){3, 1, 3, 0, 1.0 / 3});
  tally_is((const char *[]){"b", "a", "a"}, NULL, 3, (vote_count){3, 2, 1, 1, 0});
  tally_is((const char *[]){"", "a", ""}, NULL, 3, (vote_count){3, 2, 1, 0, 0});
}
END_TEST

/* ---- parameters and errors ------------------------------------------------------------------- */

static void refused(const char *name, const char *json, const char *why) {
  json_t *parameters;
  ck_ok(json_read(&parameters, json, strlen(json), "parameters", 1, &err));
  ck_fails(mode_find(name)->resolve(parameters, &err), E_INPUT, why);
  json_decref(parameters);
}

START_TEST(modes_say_what_they_need) {
  refused("serial", "{}", "needs 'protocol'");
  refused("vote", "{" SOSP "}", "needs 'n'");
  refused("vote", "{\"n\":4}", "needs 'protocol'");
  refused("serial", "{" SOSP ",\"sampling\":{\"top_p\":0}}", "'sampling.top_p' 0");
  refused("serial", "{\"protocol\":\"countdown-sos\"" FINISHER "}", "'finisher' is not used");
  refused("serial", "{\"protocol\":\"countdown-apr\"}", "only mode spawn_join has any");
  refused("vote", "{\"n\":2,\"protocol\":\"countdown-apr\"}", "or protocol countdown-apr-serial");
  refused("spawn_join", "{" SOSP "}", "those of countdown-sosp do not: use mode serial or vote");
  refused("spawn_join", "{\"protocol\":\"countdown-apr-serial\"}",
          "whose threads call for children, countdown-apr");
  refused("spawn_join", "{}", "needs 'protocol'");
  size_t count;
  const mode *const *modes = mode_list(&count);
  ck_assert_uint_eq(count, 5);
  ck_assert_str_eq(modes[0]->name, "symbolic");
  ck_assert_str_eq(modes[1]->name, "serial");
  ck_assert_str_eq(modes[2]->name, "vote");
  ck_assert_str_eq(modes[3]->name, "spawn_join");
  ck_assert_str_eq(modes[4]->name, "hogwild");
  ck_assert_str_eq(modes[1]->options[0].key, "protocol");
  ck_assert_str_eq(modes[2]->options[0].key, "n");
  ck_assert_uint_eq(modes[2]->option_count, modes[1]->option_count + 1);
  ck_assert_str_eq(modes[1]->options[modes[1]->option_count - 1].key, "vote_key");
  ck_assert_str_eq(modes[2]->options[modes[2]->option_count - 1].key, "vote_key");
  ck_assert_uint_eq(modes[3]->option_count, modes[1]->option_count + 5);
  ck_assert_str_eq(modes[3]->options[0].key, "protocol");
  ck_assert_str_eq(modes[3]->options[modes[3]->option_count - 1].key, "early_stop");
}
END_TEST

START_TEST(errors_reach_the_caller) {
  script *s = begin("serial", "{" SOSP "}", "");
  mode_setup setup = {s->protocol, s->parameters, "", "{\"answer\":1}"};
  void *state = NULL;
  ck_fails(s->mode->machine->open(&state, &setup, s->memory, &err), E_INPUT, "target");
  ck_assert_ptr_null(state);
  arena *small;
  ck_ok(arena_open(&small, 16, &err));
  setup.target = TARGET;
  ck_fails(s->mode->machine->open(&state, &setup, small, &err), E_LIMIT, "");
  arena_close(small);
  s->emits = E_STOPPED;
  ck_assert_int_eq(script_try(s, 0, MODE_END_TOKEN, "x", &err), E_STOPPED);
  script_end(s);
}
END_TEST

/* A vote of one that is asked, from its parameters on. */
static status whole_sample(script *s, const char *written) {
  status failed = script_start(s, "?", TARGET, &err);
  if (!failed) failed = script_try(s, 0, MODE_END_LIMIT, "", &err);
  return failed ? failed : script_try(s, 0, MODE_END_TOKEN, written, &err);
}

/* The same with one allocation that fails: an error, or all that there is without it. 1: it told.
 */
static int tells_of(int64_t allocation, const char *parameters) {
  script *s = script_open("vote", parameters);
  memory_fail_once(allocation);
  status failed = whole_sample(s, "\n" STEP GOAL "is 7");
  memory_fail_once(-1);
  ck_assert_msg(failed == OK || failed == E_MEMORY, "%s", status_name(failed));
  if (!failed) {
    const char *last = strstr(text_string(&s->log), "done ");
    ck_assert(last && !strcmp(last, "done 0\n"));
  }
  script_end(s);
  return failed != OK;
}

START_TEST(memory_may_be_out) {
  static const char *const cases[] = {"{\"n\":1," SOSP FINISHER ",\"preset\":\"published\"}",
                                      "{\"n\":1," GENERIC
                                      ",\"answer\":\"is (.+)\",\"stop\":[\"a\",\"b\"],"
                                      "\"finisher\":{\"text\":\"so\",\"tokens\":5}}"};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int told = 0;
    for (int64_t allocation = 0; allocation < 200; allocation++)
      told += tells_of(allocation, cases[i]);
    ck_assert_int_ge(told, 20);
    ck_assert_int_lt(told, 200);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("modes");
  TCase *c = tcase_create("modes");
  tcase_add_test(c, serial_answers_once);
  tcase_add_test(c, serial_writes_what_apr_spreads);
  tcase_add_test(c, serial_at_its_limit);
  tcase_add_test(c, the_finisher_asks_once);
  tcase_add_test(c, nobody_asks_for_what_is_there);
  tcase_add_test(c, stop_strings_are_not_said);
  tcase_add_test(c, generic_is_asked_in_its_words);
  tcase_add_test(c, most_votes_win_in_every_order);
  tcase_add_test(c, ties_go_to_the_lowest_holder_in_every_order);
  tcase_add_test(c, who_was_cut_off_does_not_vote);
  tcase_add_test(c, who_was_asked_votes);
  tcase_add_test(c, a_tie_scores_its_mean);
  tcase_add_test(c, modes_say_what_they_need);
  tcase_add_test(c, errors_reach_the_caller);
  tcase_add_test(c, memory_may_be_out);
  suite_add_tcase(suite, c);
  return suite;
}

int main(void) {
  json_install();
  return support_run(make_suite());
}
