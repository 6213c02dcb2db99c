/* The text of a trace and of an answer, a model's or a stranger's: judged by every checker without
   harm, and the ways to judge agree; the trace's call is read, and its children know their own
   nodes. The input is three parts: a target, an answer, a trace. */
#include "solvers/checker.h"
#include "solvers/countdown_check.h"
#include "solvers/protocol.h"
#include "solvers/symbolic.h"
#include "solvers/trace_text.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* A target that is read is written as one that is read as the same. */
static void check_target(const countdown_problem *p) {
  detail err;
  countdown_problem again;
  text written, question;
  text_open(&written, 4096);
  text_open(&question, 4096);
  countdown_target(p, &written);
  countdown_question(p, &question);
  REQUIRE(countdown_read(&again, text_string(&written), &err) == OK);
  REQUIRE(again.target == p->target && again.count == p->count);
  REQUIRE(!memcmp(again.number, p->number, (size_t)p->count * sizeof p->number[0]));
  text_close(&written);
  text_close(&question);
}

/* Only what a vote can be counted for may be right, and a vote's key is a function of the text. */
static void check_answer(const countdown_problem *p, const char *answer, size_t count) {
  text key, again;
  text_open(&key, 1 << 16);
  text_open(&again, 1 << 16);
  countdown_judgement judged = countdown_check(p, answer, count);
  int voted = countdown_vote_key(p, answer, count, &key);
  REQUIRE(judged.reason && (judged.correct == !strcmp(judged.reason, "correct")));
  REQUIRE(voted || !judged.correct);
  REQUIRE(!voted || key.bytes > 0);
  REQUIRE(countdown_vote_key(p, answer, count, &again) == voted);
  REQUIRE(!strcmp(text_string(&key), text_string(&again)));
  text_close(&key);
  text_close(&again);
}

static void check_trace(const countdown_problem *p, countdown_protocol kind, fuzz_part trace) {
  text answer;
  text_open(&answer, 4 * trace.count + 64); /* its parts may overlap in the trace */
  if (countdown_answer(kind, trace.bytes, trace.count, &answer)) {
    REQUIRE(!answer.failed);
    check_answer(p, text_string(&answer), answer.bytes);
  }
  text_close(&answer);
  countdown_judgement judged = countdown_check_lenient(p, kind, trace.bytes, trace.count);
  REQUIRE(judged.reason && (judged.correct == !strcmp(judged.reason, "correct")));
  int64_t tokens = trace_llama2_tokens(trace.bytes, trace.count);
  REQUIRE(tokens >= 0 && tokens <= (int64_t)trace.count);
}

/* A child that called for its own node would begin where it began. */
static void check_child(const protocol *p, const protocol_child *child, arena *memory) {
  detail err;
  protocol_call again;
  int found;
  text own;
  REQUIRE(strlen(child->prompt) == child->prompt_bytes);
  text_open(&own, 1 << 16);
  text_format(&own, "%s\n<Calling Sub Searches>\n<Start Sub Search> Moving to Node #%s\n",
              child->prompt, child->node);
  text_put(&own, "<End Calling Sub Searches>");
  REQUIRE(protocol_read_call(p, text_string(&own), own.bytes, memory, &again, &found, &err) == OK);
  REQUIRE(found && again.count == 1 && again.children[0].prompt);
  REQUIRE(!strcmp(again.children[0].prompt, child->prompt));
  text_close(&own);
}

static void check_call(fuzz_part trace) {
  detail err;
  protocol *p;
  protocol_call call;
  arena *memory;
  int found;
  text returned;
  json_t *parameters = json_pack("{s:s}", "protocol", "countdown-apr");
  REQUIRE(parameters && protocol_open(&p, parameters, &err) == OK);
  REQUIRE(arena_open(&memory, (size_t)1 << 30, &err) == OK);
  REQUIRE(protocol_read_call(p, trace.bytes, trace.count, memory, &call, &found, &err) == OK);
  REQUIRE(!found || call.at < trace.count);
  for (int i = 0; i < call.count; i++) {
    if (call.children[i].prompt) check_child(p, &call.children[i], memory);
  }
  text_open(&returned, trace.count + 1);
  REQUIRE(protocol_returned(p, trace.bytes, trace.count, &returned, &found, &err) == OK);
  REQUIRE(found || !returned.bytes);
  text_close(&returned);
  arena_close(memory);
  protocol_close(p);
  json_decref(parameters);
}

/* As a run and a rescoring judge: every checker, by the parameters of every search. */
static void judge_all(const char *target, const char *answer, fuzz_part trace) {
  static const char *const searches[] = {"dfs", "bfs", "sosp", "apr", "apr-serial"};
  size_t count;
  const char *const *names = checker_names(&count);
  for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
    detail err = {0};
    json_t *parameters = json_pack("{s:s}", "search", searches[i]);
    REQUIRE(parameters && symbolic_mode.resolve(parameters, &err) == OK);
    for (size_t k = 0; k < count; k++) {
      checker_input in = {.target = target,
                          .answer = answer,
                          .trace = trace.bytes,
                          .trace_bytes = trace.count,
                          .parameters = parameters};
      checker_verdict verdict = {0};
      status failed = checker_find(names[k])->judge(&in, &verdict, &err);
      if (failed) {
        fuzz_explained(failed, &err);
      } else {
        REQUIRE(verdict.reason && verdict.score >= 0 && verdict.score <= 1);
      }
    }
    json_decref(parameters);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *at = (const char *)data, *end = at + size;
  char *target = fuzz_copy(fuzz_next_part(&at, end)), *answer = fuzz_copy(fuzz_next_part(&at, end));
  fuzz_part trace = {at, (size_t)(end - at)};
  /* An empty answer stands for none. */
  judge_all(target, *answer ? answer : NULL, trace);
  check_call(trace);
  countdown_problem problem;
  if (countdown_read(&problem, target, NULL) == OK) {
    check_target(&problem);
    check_answer(&problem, answer, strlen(answer));
    check_trace(&problem, PROTOCOL_SOS, trace);
    check_trace(&problem, PROTOCOL_RECAP, trace);
  }
  free(target);
  free(answer);
  return 0;
}
