/* Stories of workers that read each other, told by tests/pipeline/scripted.h under several
   schedules. */
#ifndef TESTS_GANG_STORY_H
#define TESTS_GANG_STORY_H

#include "tests/pipeline/scripted.h"

enum { GANG_STORY_CONTEXT = 2000 };

typedef struct gang_story {
  runner_rules rules;
  const char *question, *target;
  const script_line *lines; /* [count] borrowed */
  int count;
} gang_story;

/* What is run, with these parameters of mode hogwild (JSON). */
gang_story gang_story_open(const char *parameters, const char *question, const char *target,
                           const script_line *lines, int count);
/* What comes of it, which is the same under so many drawn schedules; a failed sample fails the
   test. */
runner_sample *gang_story_run(const gang_story *s, int schedules);
void gang_story_close(gang_story *s, runner_sample *of);

const runner_thread *gang_story_thread(const runner_sample *s, int at);
void gang_story_says(const runner_sample *s, int thread, const char *wanted);

#endif
