/* A generator that has no model: it writes what a script says, in steps of any order. So the runner
   and the modes are tested on texts that a person wrote, and under schedules that no engine would
   choose.

   Tokens are bytes: the tokenizer has 256 of them, a begin (SCRIPTED_BEGIN) and an end. The
   log-probability of a thread's n-th sampled token is -n / 1024, the filtered one -n / 2048.
   Workers that read each other see what no script says, so it checks what they look at: that their
   views stand as one text when a forward runs. Everything fails the calling test where it cannot do
   its work. */
#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H

#include "pipeline/runner.h"

enum { SCRIPTED_BEGIN = 256, SCRIPTED_END = 257 };

/* What a thread writes: its sampled tokens from the first on, over all turns, `|` standing for an
   end of sequence. A thread that is asked for more than it has fails the test. */
typedef struct script_line {
  const char *path;
  const char *text;
} script_line;

typedef struct scripted scripted;

/* lines: [count], borrowed. seed 0: every thread gets a token in every step; otherwise a random
   part of them does, and some steps have no event. */
scripted *scripted_open(const script_line *lines, int count, uint64_t seed);
void scripted_close(scripted *s);
generator scripted_generator(scripted *s);
/* Threads with these keys write what the lines of their paths say. */
void scripted_task(scripted *s, const runner_task *task);
/* The same of lines of the task's own, also borrowed. */
void scripted_task_lines(scripted *s, const runner_task *task, const script_line *lines, int count);
int64_t scripted_sampled(const scripted *s); /* tokens given out in all */
/* What lines are made of: a text as it stands, which is closed. */
const char *scripted_keep(arena *memory, text *t);

tokenizer *scripted_tokenizer(void); /* one a process, never closed */

/* Rules of a mode of the registry with these parameters (JSON; resolved here, with sampling filled
   in): begin and end of sequence as above, contexts up to `context`. */
void scripted_rules(runner_rules *out, const char *mode_name, const char *parameters, int context);
void scripted_rules_close(runner_rules *r);

/* Adds a task and steps until it has ended. */
runner_sample *scripted_run(const runner_rules *rules, const char *question, const char *target,
                            const script_line *lines, int count, uint64_t seed);
/* The same with seed 0; *sampled: tokens given out. */
runner_sample *scripted_run_counted(const runner_rules *rules, const char *question,
                                    const char *target, const script_line *lines, int count,
                                    int64_t *sampled);
/* The same with seed 0 while an allocation fails, and what less leaves of the sample. What was made
   is the caller's even then. */
MUST_CHECK status scripted_try(const runner_rules *rules, const runner_rules *less,
                               const char *question, const char *target, const script_line *lines,
                               int count, int64_t allocation, runner_sample **out,
                               runner_sample **derived);

/* Thread `at` of a sample that has `of`. */
const runner_thread *scripted_thread(const runner_sample *s, int at, int of);

/* What it cost a model of 2 layers, whose products have (8*8 + 2 * 4*8 + 8*8 + 3 * 8*16) = 576
   parameters each, and 300 * 8 of the vocabulary. */
runner_costs scripted_costs(const runner_sample *s);
/* Everything that a schedule must not change. */
void scripted_same(const runner_sample *a, const runner_sample *b);

#endif
