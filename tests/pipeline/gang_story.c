#include "tests/pipeline/gang_story.h"

#include "tests/support/support.h"

gang_story gang_story_open(const char *parameters, const char *question, const char *target,
                           const script_line *lines, int count) {
  gang_story s = {.question = question, .target = target, .lines = lines, .count = count};
  scripted_rules(&s.rules, "hogwild", parameters, GANG_STORY_CONTEXT);
  return s;
}

runner_sample *gang_story_run(const gang_story *s, int schedules) {
  runner_sample *out = scripted_run(&s->rules, s->question, s->target, s->lines, s->count, 0);
  detail why = {0};
  ck_assert_msg(runner_sample_state(out, &why) == OK, "%s", why.text);
  for (int i = 1; i <= schedules; i++) {
    runner_sample *other =
        scripted_run(&s->rules, s->question, s->target, s->lines, s->count, (uint64_t)i);
    scripted_same(out, other);
    runner_sample_free(other);
  }
  return out;
}

void gang_story_close(gang_story *s, runner_sample *of) {
  runner_sample_free(of);
  scripted_rules_close(&s->rules);
}

const runner_thread *gang_story_thread(const runner_sample *s, int at) {
  int count;
  const runner_thread *threads = runner_sample_threads(s, &count);
  ck_assert_int_lt(at, count);
  return &threads[at];
}

void gang_story_says(const runner_sample *s, int thread, const char *wanted) {
  ck_assert_str_eq(text_string(&gang_story_thread(s, thread)->text), wanted);
}
