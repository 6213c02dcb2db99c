#include "pipeline/judge.h"

#include "solvers/vote.h"

#include <string.h>

static int votes(const judge_thread *t) {
  return !strcmp(t->role, "voter");
}

static status judge_voters(const planned_run *r, const checker *c, const judge_input *in,
                           const judge_thread *threads, int count, arena *memory,
                           store_verdict *verdicts, detail *err) {
  const char **keys = arena_take(memory, (size_t)count, sizeof *keys);
  double *scores = arena_take(memory, (size_t)count, sizeof *scores);
  if (!keys || !scores) return arena_full(memory, err);
  for (int i = 0; i < count; i++) {
    store_verdict *own = &verdicts[1 + i];
    status failed = plan_judge(r, c, in->target, threads[i].answer, "", 0, own, err);
    if (failed) return failed;
    own->thread = threads[i].ordinal;
    keys[i] = threads[i].vote_key;
    scores[i] = own->score;
  }
  vote_count counted = vote_tally(keys, scores, (size_t)count);
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

status judge_sample(const planned_run *r, const checker *c, const judge_input *in,
                    const judge_thread *threads, int count, arena *memory, store_verdict *verdicts,
                    int *made, detail *err) {
  *made = 1;
  if (!count || !votes(&threads[0])) {
    return plan_judge(r, c, in->target, in->answer, in->trace, in->trace_bytes, verdicts, err);
  }
  *made = 1 + count;
  return judge_voters(r, c, in, threads, count, memory, verdicts, err);
}

status judge_made(const planned_run *r, const checker *c, const judge_input *in,
                  const store_thread *rows, int count, arena *memory, store_verdict *verdicts,
                  int *made, detail *err) {
  judge_thread *threads = arena_take(memory, (size_t)count + 1, sizeof *threads);
  if (!threads) return arena_full(memory, err);
  for (int i = 0; i < count; i++) {
    threads[i] = (judge_thread){
        .ordinal = i, .role = rows[i].role, .answer = rows[i].answer, .vote_key = rows[i].vote_key};
  }
  return judge_sample(r, c, in, threads, count, memory, verdicts, made, err);
}
