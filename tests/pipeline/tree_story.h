/* Stories of threads that call for children, told by tests/pipeline/scripted.h to the modes of
   tests/pipeline/fake_tree.h, and the runner that plays them. */
#ifndef TESTS_TREE_STORY_H
#define TESTS_TREE_STORY_H

#include "tests/pipeline/fake_tree.h"
#include "tests/pipeline/scripted.h"

#define TREE_TARGET "{\"answer\":1}"
#define TREE_ASKS   ",\"finisher\":{\"text\":\" so=\",\"tokens\":3}"

/* What is run, without its limits. */
typedef struct tree_story {
  const mode *mode;
  const char *question, *more; /* of the parameters */
  const script_line *lines;    /* [count] */
  int count;
} tree_story;

/* A parent of two. */
extern const tree_story tree_two;
/* The root calls twice. In its first round a child calls two, another one calls one that is
   rewritten at its stop string, and one name is nobody's. */
extern const tree_story tree_deep;
/* A thread writes what it must not, is fed the beginning of a call instead, calls, and the call
   goes with what it was fed. Steps: "ab]]" 4, "c>|" 7, the child's 3 to 10, "=d|" 13. */
extern const tree_story tree_rewritten;
/* At temperature 0 two of four children are the first one's twins. */
extern const tree_story tree_twins;
/* The second child solves it at step 9 + 7, and what the others have by then is all they have: the
   first 7 tokens of its own, the third one its call at step 13 and a child with 3. */
extern const tree_story tree_first;

/* more: members of the parameters, each behind a comma. */
runner_rules tree_rules(const tree_story *of, const char *more, int context);
/* seed: of the schedule. */
runner_sample *tree_run(const tree_story *of, const runner_rules *r, uint64_t seed);
/* The same with rules of its own; tree_free frees both. */
runner_sample *tree_run_within(const tree_story *of, const char *more, int context, uint64_t seed);
void tree_free(runner_sample *s);
/* What a thread holds, in words. */
const char *tree_context(const runner_thread *t);

#endif
