#include "pipeline/judge.h"

#include "base/memory.h"
#include "solvers/vote.h"

#include <string.h>

enum { JUDGE_BYTES_MAX = 64 << 20 }; /* enough of an arena for one sample */

static status judge_answer(const checker *c, const checker_input *in, int32_t thread,
                           store_verdict *out, detail *err) {
  checker_verdict v;
  int64_t failures = memory_failures();
  status s = c->judge(in, &v, err);
  /* A verdict of what memory cut short is no verdict; checkers themselves are pure. */
  if (!s && memory_failures() != failures) s = fault(err, E_MEMORY, "no memory to judge a sample");
  if (s) return s;
  *out = (store_verdict){.thread = thread,
                         .checker = c->name,
                         .reason = v.reason,
                         .version = c->version,
                         .correct = v.correct,
                         .score = v.score};
  return OK;
}

static status judge_voters(const planned_run *r, const checker *c, const store_answer *a,
                           arena *memory, store_verdict *verdicts, detail *err) {
  size_t count = (size_t)a->thread_count;
  const char **keys = arena_take(memory, count, sizeof *keys);
  double *scores = arena_take(memory, count, sizeof *scores);
  if (!keys || !scores) return arena_full(memory, err);
  for (size_t i = 0; i < count; i++) {
    const store_answer_thread *t = &a->threads[i];
    checker_input in = {
        .target = a->target, .answer = t->answer, .trace = "", .parameters = r->parameters};
    status failed = judge_answer(c, &in, t->ordinal, &verdicts[1 + i], err);
    if (failed) return failed;
    keys[i] = t->vote_key;
    scores[i] = verdicts[1 + i].score;
  }
  vote_count counted = vote_tally(keys, scores, count);
  verdicts[0] = (store_verdict){.thread = -1,
                                .checker = c->name,
                                .version = c->version,
                                .reason = "no votes",
                                .score = counted.score};
  if (!counted.votes) return OK;
  int tied = counted.tied > 1;
  verdicts[0].correct = counted.score == 1;
  verdicts[0].reason = tied ? "tied vote" : verdicts[1 + counted.winner].reason;
  return OK;
}

status judge_sample(const planned_run *r, const checker *c, const store_answer *a, arena *memory,
                    store_verdict *verdicts, int *made, detail *err) {
  if (a->thread_count && !strcmp(a->threads[0].role, "voter")) {
    *made = 1 + a->thread_count;
    return judge_voters(r, c, a, memory, verdicts, err);
  }
  checker_input in = {.target = a->target,
                      .answer = a->answer,
                      .trace = a->trace,
                      .trace_bytes = a->trace_bytes,
                      .parameters = r->parameters};
  *made = 1;
  return judge_answer(c, &in, -1, verdicts, err);
}

/* ---- what is stored -------------------------------------------------------------------------- */

typedef struct judge_context {
  const planned_run *run;
  const checker *checker;
  arena *memory; /* of one sample */
} judge_context;

static status judge_stored(void *context, const store_answer *a, store_verdict *verdicts,
                           int *count, detail *err) {
  const judge_context *c = context;
  arena_reset(c->memory);
  return judge_sample(c->run, c->checker, a, c->memory, verdicts, count, err);
}

status judge_run(store *s, const planned_run *r, const checker *c, int all, int64_t *judged,
                 int64_t *changed, detail *err) {
  judge_context context = {.run = r, .checker = c};
  status failed = arena_open(&context.memory, JUDGE_BYTES_MAX, err);
  if (!failed) {
    failed = store_rescore(s, r->run, c->name, c->version, all, judge_stored, &context, judged,
                           changed, err);
  }
  arena_close(context.memory);
  return failed;
}
