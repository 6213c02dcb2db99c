/* Workers that read each other, by scripts: what each sees, where steps end, what is put to whom,
   and who has the answer. */
#include "base/memory.h"
#include "tests/solvers/script.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;

#define COMMON                                                                                     \
  "\"protocol\":\"generic-hogwild\",\"prompt\":\"Q: {question}\\n\","                              \
  "\"answer\":\"boxed\\\\{(\\\\d+)\""
#define FIRST ",\"preset\":\"published-first\""
#define ALICE "Hi, I'm Alice. Here's how we can"
#define OWN   "<...>\n\n### Work in progress (own)\n\n"

static script *begin(const char *more) {
  char words[1024];
  (void)snprintf(words, sizeof words, "{" COMMON "%s}", more);
  return script_begin("hogwild", words, "6*7?", "\"42\"");
}

/* One that a worker ended with a separator. */
static void step(script *s, mode_thread thread, const char *written) {
  script_writes(s, thread, MODE_END_STOP, written);
}

static void forget(script *s) {
  text_clear(&s->log);
}

/* ---- layouts --------------------------------------------------------------------------------- */

START_TEST(combined) {
  script *s = begin(",\"workers\":3");
  script_says(s, "block 0 prompt [Q: 6*7?\n\n### Past steps\n\n]\n"
                 "block 1 [### Work in progress (others)\n\n]\n"
                 "block 2 [" OWN "]\n"
                 "block 3 own\nblock 4 own\nblock 5 own\n"
                 "spawn 0 worker sees 0,1,4,5,2,3 [**Alice [1]:** " ALICE "]\n"
                 "spawn 1 worker sees 0,1,3,5,2,4 [**Bob [1]:** Hi, I'm Bob.]\n"
                 "spawn 2 worker sees 0,1,3,4,2,5 [**Charlie [1]:** Hi, I'm Charlie.]\n");
  script_end(s);
  s = begin(",\"workers\":1" FIRST);
  script_says(s, "block 0 prompt [Q: 6*7?\n]\n"
                 "block 1 [\n\n### Work in progress (others)\n\n]\n"
                 "block 2 [" OWN "]\nblock 3 own\n"
                 "spawn 0 worker sees 0,1,2,3 [**Alice [1]:** " ALICE "]\n");
  script_end(s);
}
END_TEST

START_TEST(interleaved) {
  script *s = begin(",\"workers\":2,\"layout\":\"interleaved\"");
  script_says(s, "block 0 prompt [Q: 6*7?\n\n### Past steps\n\n]\n"
                 "block 1 own\nblock 2 own\n"
                 "spawn 0 worker sees 0,1 [**Alice [1]:** " ALICE "]\n"
                 "spawn 1 worker sees 0,2 [**Bob [1]:** Hi, I'm Bob.]\n");
  script_end(s);
}
END_TEST

START_TEST(contiguous) {
  script *s = begin(",\"workers\":2,\"layout\":\"contiguous\",\"names\":[\"Ada\"]");
  script_says(s, "block 0 prompt [Q: 6*7?\n]\n"
                 "block 1 [ <the assistant will continue here>\n\n]\n"
                 "block 2 own\nblock 3 own\n"
                 "spawn 0 worker sees 0,3,1,2 [\n\n# Ada workspace\n\n]\n"
                 "spawn 1 worker sees 0,2,1,3 [\n\n# Worker 2 workspace\n\n]\n");
  script_end(s);
}
END_TEST

START_TEST(independent) {
  script *s = begin(",\"workers\":2,\"layout\":\"independent\",\"until\":\"all\"");
  script_says(s, "spawn 0 worker [Q: 6*7?\n]\nspawn 1 worker [Q: 6*7?\n]\n");
  script_writes(s, 1, MODE_END_TOKEN, "boxed{41}");
  script_says(s, "");
  script_writes(s, 0, MODE_END_LIMIT, "boxed{42} or");
  script_says(s, "answer 0 [42] [42]\nanswer 1 [41] [41]\ndone 1\n");
  script_end(s);
}
END_TEST

/* ---- steps ----------------------------------------------------------------------------------- */

/* A paragraph ends a step behind a sentence that leaves nothing open. */
START_TEST(where_steps_end) {
  static const struct {
    const char *written;
    int first, later;
  } rows[] = {{" start.\n\n", 1, 1},   {" start:\n\n", 0, 0},       {" so\n\n", 0, 0},
              {" why? \n\n", 1, 1},    {" 好。\n\n", 1, 1},         {" 好！\n\n", 0, 1},
              {" ```x.\n\n", 1, 0},    {" ```x``` $$y.\n\n", 1, 0}, {" ~~~x.~~~ a.\n\n", 1, 1},
              {" a,\n\nb.\n\n", 1, 1}, {" a.\n\nb\n\n", 0, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    for (int later = 0; later < 2; later++) {
      script *s = begin(later ? ",\"workers\":1" : ",\"workers\":1" FIRST);
      forget(s);
      step(s, 0, rows[i].written);
      script_says(s, (later ? rows[i].later : rows[i].first)
                         ? "commit 0 to 0\nfeed 0 [**Alice [2]:** ]\n"
                         : "feed 0 []\n");
      script_end(s);
    }
  }
}
END_TEST

/* What stands before a separator that ended nothing is part of the step. */
START_TEST(a_step_goes_on) {
  script *s = begin(",\"workers\":1");
  forget(s);
  step(s, 0, " first:\n\n");
  script_says(s, "feed 0 []\n");
  step(s, 0, "```\n\n");
  script_says(s, "feed 0 []\n");
  step(s, 0, "x.\n\n");
  script_says(s, "feed 0 []\n"); /* the fence is open */
  step(s, 0, "```.\n\n");
  script_says(s, "commit 0 to 0\nfeed 0 [**Alice [2]:** ]\n");
  step(s, 0, "Next.\n\n");
  script_says(s, "commit 0 to 0\nfeed 0 [**Alice [3]:** ]\n");
  script_end(s);
}
END_TEST

START_TEST(every_separator) {
  script *s = begin(",\"workers\":2,\"step\":{\"separator\":\";\",\"rule\":\"separator\","
                    "\"prefix\":\"{step}/{worker}>\",\"greeting\":\"-\",\"opening\":\"+\"}");
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), "[1/Alice>+]\n"));
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), "[1/Bob>-]\n"));
  forget(s);
  step(s, 1, "a;");
  script_says(s, "commit 1 to 0\nfeed 1 [2/Bob>]\n");
  script_end(s);
}
END_TEST

/* Words may say how many there are. */
START_TEST(numbers) {
  script *s = begin(",\"workers\":12,\"layout\":\"interleaved\",\"step\":{\"prefix\":"
                    "\"{number} of {workers}, {worker}, {step}:\",\"greeting\":\"I'm {number}.\"}");
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), "[2 of 12, Bob, 1:I'm 2.]\n"));
  ck_assert_ptr_nonnull(strstr(text_string(&s->log), "[12 of 12, Worker 12, 1:I'm 12.]\n"));
  forget(s);
  step(s, 4, " so.\n\n");
  script_says(s, "commit 4 to 0\nfeed 4 [5 of 12, Worker 5, 2:]\n");
  script_end(s);
}
END_TEST

/* At one forward: each in its turn, and whoever begins a step first is asked. */
START_TEST(steps_at_once) {
  script *s = begin(",\"workers\":2,\"redundancy\":{\"text\":\"Again? \",\"tokens\":100}");
  forget(s);
  s->put_in = 100;
  step(s, 0, " go.\n\n");
  step(s, 1, " go too.\n\n");
  script_says(s,
              "commit 0 to 0\nfeed 0 [**Alice [2]:** ]\ncommit 1 to 0\nfeed 1 [**Bob [2]:** ]\n");
  s->put_in = 101;
  step(s, 1, "x:\n\n");
  script_says(s, "feed 1 []\n"); /* due in the middle of a step: it waits for one that begins */
  step(s, 0, "x.\n\n");
  step(s, 1, "y.\n\n");
  script_says(s, "commit 0 to 0\nfeed 0 [**Alice [3]:** Again? ]\n"
                 "commit 1 to 0\nfeed 1 [**Bob [3]:** ]\n");
  s->put_in = 201;
  step(s, 0, "x.\n\n");
  script_says(s, "commit 0 to 0\nfeed 0 [**Alice [4]:** ]\n");
  s->put_in = 202;
  step(s, 1, "x.\n\n");
  script_says(s, "commit 1 to 0\nfeed 1 [**Bob [4]:** Again? ]\n");
  script_end(s);
}
END_TEST

/* ---- ends ------------------------------------------------------------------------------------ */

/* The first release: a step with an answer ends all. */
START_TEST(until_answer) {
  script *s = begin(",\"workers\":3" FIRST);
  forget(s);
  step(s, 1, " boxed{7}, not a sentence\n\n");
  script_says(s, "feed 1 []\n");
  step(s, 1, "boxed{42}.\n\n");
  script_says(s, "commit 1 to 0\nstop and tell 0\nstop and tell 2\n");
  script_writes(s, 0, MODE_END_STOPPED, " and");
  script_writes(s, 2, MODE_END_STOPPED, " as I said");
  script_says(s, "answer 1 [42] [42]\ndone 1\n");
  script_end(s);
}
END_TEST

/* The later ones: an end of sequence does. What is not done is read behind what is. */
START_TEST(until_end) {
  script *s = begin(",\"workers\":2");
  forget(s);
  step(s, 0, " boxed{42}.\n\n");
  script_says(s, "commit 0 to 0\nfeed 0 [**Alice [2]:** ]\n");
  script_writes(s, 0, MODE_END_TOKEN, "Done");
  script_says(s, "stop and tell 1\n");
  script_writes(s, 1, MODE_END_STOPPED, " no, boxed{43}");
  script_says(s, "answer 0 [42] [42]\nanswer 1 [43] [43]\ndone 1\n");
  script_end(s);
}
END_TEST

START_TEST(until_all) {
  script *s = begin(",\"workers\":2,\"until\":\"all\"");
  forget(s);
  script_writes(s, 0, MODE_END_TOKEN, " boxed{1}");
  script_says(s, "");
  step(s, 1, " boxed{2}.\n\n");
  script_says(s, "commit 1 to 0\nfeed 1 [**Bob [2]:** ]\n");
  script_writes(s, 1, MODE_END_LIMIT, "and");
  script_says(s, "answer 0 [1] [1]\nanswer 1 [2] [2]\ndone 0\n");
  script_end(s);
}
END_TEST

/* Nobody said it: all of it is read once more by a thread of its own. */
START_TEST(finisher) {
  script *s = begin(",\"workers\":2,\"finisher\":{\"text\":\"So boxed{\",\"tokens\":4}");
  forget(s);
  step(s, 1, " go.\n\n");
  forget(s);
  script_writes(s, 0, MODE_END_LIMIT, " think");
  script_writes(s, 1, MODE_END_LIMIT, "Hm");
  script_says(s, "spawn 2 finisher asked behind 169 [Q: 6*7?\n\n### Past steps\n\n"
                 "**Bob [1]:** Hi, I'm Bob. go.\n\n### Work in progress (others)\n\n"
                 "**Alice [1]:** " ALICE " think<...>\n\n"
                 "**Bob [2]:** Hm<...>\n\nSo boxed{]\n");
  script_writes(s, 2, MODE_END_FINISHED, "42}");
  script_says(s, "answer 2 [42] [42]\ndone 2\n");
  script_end(s);
  s = begin(",\"workers\":1,\"finisher\":{\"text\":\"So boxed{\",\"tokens\":4}");
  script_writes(s, 0, MODE_END_LIMIT, " boxed{5}");
  forget(s);
  script_end(s);
}
END_TEST

/* Where it has no words of its own it asks in the published ones. */
START_TEST(finisher_of_mathematics) {
  script *s = begin(",\"workers\":1,\"finisher\":{\"tokens\":16}");
  script_writes(s, 0, MODE_END_LIMIT, " so");
  static const char ends[] =
      " so<...>\n\n\n\nWait, given the limited time, I have to give an answer right now. "
      "Considering "
      "all my previous attempts, I have to conclude that the final answer is \\boxed{]\n";
  const char *log = text_string(&s->log), *end = strstr(log, " so<...>");
  ck_assert_ptr_nonnull(end);
  ck_assert_str_eq(end, ends);
  forget(s);
  script_writes(s, 1, MODE_END_FINISHED, "42}.");
  script_says(s, "answer 1 [42] [42]\ndone 1\n");
  script_end(s);
}
END_TEST

/* ---- refused --------------------------------------------------------------------------------- */

static void refuses(const char *mode_name, const char *words, const char *piece) {
  script *s = script_open(mode_name, words);
  ck_fails(s->mode->resolve(s->parameters, &err), E_INPUT, piece);
  script_end(s);
}

START_TEST(refused) {
  refuses("hogwild", "{" COMMON "}", "mode hogwild needs 'workers'");
  refuses("hogwild", "{\"workers\":2,\"protocol\":\"countdown-sosp\"}",
          "those of countdown-sosp may not");
  refuses("serial", "{" COMMON "}", "only mode hogwild has any");
  refuses("vote", "{\"n\":2," COMMON "}", "only mode hogwild has any");
  refuses("hogwild", "{\"workers\":2," COMMON ",\"stop\":[\"x\"]}", "'step.separator' is what");
  refuses("hogwild", "{\"workers\":2," COMMON ",\"step\":{\"prefix\":\"{name}\"}}",
          "step.prefix: '{' at byte 1 begins none of {worker}, {number}, {workers} and {step}");
  refuses("hogwild", "{\"workers\":2,\"protocol\":\"generic-hogwild\",\"prompt\":\"{question}\"}",
          "needs 'answer'");
}
END_TEST

/* What was resolved is a job, and says what its preset stands for. */
START_TEST(resolved) {
  script *s = begin(",\"workers\":2" FIRST);
  json_t *again = json_deep_copy(s->parameters);
  ck_ok(s->mode->resolve(again, &err));
  ck_assert(json_equal(again, s->parameters));
  ck_assert_int_eq(json_integer_value(json_path_get(again, "redundancy.tokens")), 256);
  ck_assert_uint_eq(json_array_size(json_object_get(again, "suppress")), 4);
  ck_assert_str_eq(json_string_value(json_object_get(again, "layout")), "combined");
  ck_assert_str_eq(json_string_value(json_object_get(again, "until")), "answer");
  ck_assert_ptr_null(json_path_get(again, "header.past"));
  json_decref(again);
  script_end(s);
}
END_TEST

/* ---- faults ---------------------------------------------------------------------------------- */

static status whole_sample(script *s) {
  status failed = script_start(s, "6*7?", "\"42\"", &err);
  if (!failed) failed = script_try(s, 0, MODE_END_STOP, " go.\n\n", &err);
  if (!failed) failed = script_try(s, 1, MODE_END_STOP, " boxed{, I think:\n\n", &err);
  if (!failed) failed = script_try(s, 0, MODE_END_TOKEN, "Done.", &err);
  if (!failed) failed = script_try(s, 1, MODE_END_STOPPED, "or", &err);
  return failed ? failed : script_try(s, 2, MODE_END_FINISHED, "boxed{42}", &err);
}

START_TEST(memory_may_be_out) {
  int told = 0;
  for (int64_t allocation = 0; allocation < 400; allocation++) {
    script *s = script_open("hogwild", "{\"workers\":2," COMMON
                                       ",\"finisher\":{\"text\":\"So \",\"tokens\":4}}");
    memory_fail_once(allocation);
    status failed = whole_sample(s);
    memory_fail_once(-1);
    ck_assert_msg(failed == OK || failed == E_MEMORY, "%s", status_name(failed));
    ck_assert_int_eq(s->is_done, failed == OK);
    told += failed != OK;
    script_end(s);
  }
  ck_assert_int_ge(told, 40);
  ck_assert_int_lt(told, 400);
}
END_TEST

START_TEST(errors_reach_the_caller) {
  static const mode_end ends[] = {MODE_END_STOP, MODE_END_STOP, MODE_END_TOKEN};
  static const char *const written[] = {" go.\n\n", " so:\n\n", " boxed{1}"};
  for (int i = 0; i < 3; i++) {
    script *s = begin(",\"workers\":1");
    s->emits = E_STOPPED;
    ck_assert_int_eq(script_try(s, 0, ends[i], written[i], &err), E_STOPPED);
    script_end(s);
  }
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("hogwild");
  TCase *all = tcase_create("hogwild");
  tcase_add_test(all, combined);
  tcase_add_test(all, interleaved);
  tcase_add_test(all, contiguous);
  tcase_add_test(all, independent);
  tcase_add_test(all, where_steps_end);
  tcase_add_test(all, a_step_goes_on);
  tcase_add_test(all, every_separator);
  tcase_add_test(all, numbers);
  tcase_add_test(all, steps_at_once);
  tcase_add_test(all, until_answer);
  tcase_add_test(all, until_end);
  tcase_add_test(all, until_all);
  tcase_add_test(all, finisher);
  tcase_add_test(all, finisher_of_mathematics);
  tcase_add_test(all, refused);
  tcase_add_test(all, resolved);
  tcase_add_test(all, memory_may_be_out);
  tcase_add_test(all, errors_reach_the_caller);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
