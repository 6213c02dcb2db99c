#include "pipeline/record.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/judge.h"

#include <math.h>
#include <string.h>

enum { LAYOUT_BYTES_MAX = 64 << 20 };

static const char *finish_of(const runner_thread *t) {
  if (t->why) return t->why;
  if (t->is_stopped) return "stopped";
  if (!t->prompt) return "limit"; /* it left no room for its prompt */
  if (t->finisher) return "finisher";
  switch (t->end) {
  case MODE_END_TOKEN: return "end";
  case MODE_END_STOP: return "stop";
  case MODE_END_LIMIT: return "limit";
  case MODE_END_STOPPED: return "stopped";
  case MODE_END_FINISHED: break;
  }
  return "finisher";
}

/* A worker's commits stand between its spans, where the next step begins. */
static void put_commits(const runner_thread *t, const runner_span *before, int *next, text *json) {
  size_t end = before->start + before->count, text_end = before->text_start + before->text_bytes;
  for (; *next < t->commit_count && t->commits[*next].token < end; ++*next) {
    text_format(json, ",[\"commit\",%zu,0,%zu,0,%lld]", end, text_end,
                (long long)t->commits[*next].step);
  }
}

/* Where in a worker's view what workers write stands: between the texts that it sees. */
static void put_seats(const runner_thread *t, size_t token, size_t text_at, int *next, text *json) {
  for (; *next < t->seat_count && t->seats[*next].token <= token; ++*next) {
    text_format(json, "%s[\"worker\",%zu,0,%zu,0,%d]", json->bytes > 1 ? "," : "", token, text_at,
                t->seats[*next].worker);
  }
}

/* Of what a worker was fed and sampled itself: bytes of text of each token. */
static void put_pieces(const runner_thread *t, const runner_span *s, text *json) {
  if (!t->is_worker || s->kind == THREAD_PROMPT) return;
  if (t->seat_count && s->start < t->seats[t->seat_count - 1].token) return;
  for (size_t i = 0; i < s->count; i++) {
    text_put(json, i ? "," : ",[");
    text_int(json, (int64_t)t->pieces[s->start + i]);
  }
  text_char(json, ']');
}

/* Each span with its place in the tokens and in the text, and its logical step. */
static status layout_of(const runner_thread *t, arena *memory, const char **out, detail *err) {
  static const char *const kinds[] = {[THREAD_PROMPT] = "prompt",
                                      [THREAD_GENERATED] = "generated",
                                      [THREAD_CUT] = "cut",
                                      [THREAD_FED] = "fed",
                                      [THREAD_FED_CUT] = "cut"};
  int commit = 0, seat = 0;
  size_t end = 0, text_end = 0;
  text json;
  text_open(&json, LAYOUT_BYTES_MAX);
  text_char(&json, '[');
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *s = &t->spans[i];
    put_seats(t, s->start, s->text_start, &seat, &json);
    text_format(&json, "%s[\"%s\",%zu,%zu,%zu,%zu,%lld", json.bytes > 1 ? "," : "", kinds[s->kind],
                s->start, s->count, s->text_start, s->text_bytes, (long long)s->step);
    put_pieces(t, s, &json);
    text_char(&json, ']');
    put_commits(t, s, &commit, &json);
    end = s->start + s->count;
    text_end = s->text_start + s->text_bytes;
  }
  put_seats(t, end, text_end, &seat, &json);
  text_char(&json, ']');
  status failed = text_state(&json, err);
  *out = failed ? NULL : arena_text(memory, text_string(&json), json.bytes);
  if (!failed && !*out) failed = arena_full(memory, err);
  text_close(&json);
  return failed;
}

/* Of all that it sampled, in order; other tokens have none. */
static double logprob_of(const runner_thread *t) {
  double sum = 0;
  for (size_t i = 0; i < t->count; i++)
    sum += (double)t->logprobs[i];
  return sum;
}

/* Those of what it sampled, in order. */
static status copy_logprobs(const runner_thread *t, arena *memory, store_thread *out, detail *err) {
  if (!t->count) return OK;
  float *kept = arena_take(memory, (size_t)t->generated + 1, sizeof *kept);
  if (!kept) return arena_full(memory, err);
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *s = &t->spans[i];
    if (s->kind != THREAD_GENERATED && s->kind != THREAD_CUT) continue;
    memcpy(kept + out->logprob_count, t->logprobs + s->start, s->count * sizeof *kept);
    out->logprob_count += s->count;
  }
  out->logprobs = kept;
  return OK;
}

/* The runner's clock in the store's time. */
static int64_t at_store(int64_t ns, int64_t offset) {
  return ns < 0 ? STORE_NONE : ns + offset;
}

static int64_t or_none(int64_t value) {
  return value < 0 ? STORE_NONE : value;
}

/* waited: steps, by runner_sample_waited. */
static status fill_thread(store_thread *out, const runner_thread *t, const store_sample *s,
                          int64_t waited, int64_t offset, arena *memory, detail *err) {
  *out = (store_thread){.path = t->path,
                        .role = t->role,
                        .finish = finish_of(t),
                        .answer = t->answer,
                        .vote_key = t->vote_key,
                        .parent = t->parent,
                        .worker = t->worker,
                        .round = t->round,
                        .spawn_token = or_none(t->spawned_at),
                        .join_token = or_none(t->joined_at),
                        .tokens_prompt = t->prompt,
                        .tokens_fed = t->fed,
                        .tokens_generated = t->generated,
                        .tokens_seen = t->seen,
                        .logical_start = t->start,
                        .logical_end = t->finish,
                        .wait_steps = waited,
                        .bits_hash = runner_bits(t),
                        .tokens_cached = t->cached,
                        .queued_ns = s->queued_ns,
                        .started_ns = s->started_ns,
                        .first_token_ns = at_store(t->first_token_ns, offset),
                        .ended_ns = at_store(t->ended_ns, offset),
                        .logprob = logprob_of(t)};
  if (!t->count) return OK; /* it never began, and has no trace */
  out->text = text_string(&t->text);
  out->text_bytes = t->text.bytes;
  out->ids = t->tokens;
  out->id_count = t->count;
  return layout_of(t, memory, &out->layout_json, err);
}

/* Those that ran, and those that never had a prompt. */
static void count_children(const runner_sample *s, store_costs *out) {
  int count;
  const runner_thread *threads = runner_sample_threads(s, &count);
  for (int i = 0; i < count; i++) {
    if (threads[i].parent < 0) continue;
    out->children += threads[i].prompt > 0;
    out->children_refused += threads[i].prompt == 0;
  }
}

static status costs_of(const runner_sample *s, const planned_run *r, store_costs *out,
                       detail *err) {
  runner_costs c;
  status failed = runner_account(s, model_config_of(r->model->model), &c, err);
  if (failed) return failed;
  *out = (store_costs){.tokens_generated = c.tokens_generated,
                       .tokens_injected = c.tokens_injected,
                       .tokens_prompt = c.tokens_prompt,
                       .tokens_finisher = c.tokens_finisher,
                       .tokens_total = c.tokens_total,
                       .tokens_ref = or_none(c.tokens_ref),
                       .seq_critical_path = c.critical_path,
                       .seq_critical_path_injected = c.critical_path_injected,
                       .seq_longest_sequence = c.longest_sequence,
                       .seq_forwards = c.forwards,
                       .context_peak = c.context_peak,
                       .wait_steps = c.wait_steps,
                       .flops = c.flops,
                       .kv_token_steps = c.kv_token_steps,
                       .nodes_explored = or_none(c.nodes_explored),
                       .nodes_duplicate = or_none(c.nodes_duplicate),
                       .rounds = runner_sample_rounds(s)};
  count_children(s, out);
  return OK;
}

/* A limit on all threads is named before one of a thread alone. */
static const char *limit_met(const runner_thread *threads, int count) {
  const char *met = NULL;
  for (int i = 0; i < count; i++) {
    const char *limit = threads[i].limit;
    if (limit && (!met || !strcmp(limit, "tokens_total"))) met = limit;
  }
  return met;
}

status record_row(const record_place *at, const runner_sample *s, int64_t offset_ns, arena *memory,
                  store_sample *out, detail *err) {
  int count, winner = runner_sample_winner(s);
  const runner_thread *threads = runner_sample_threads(s, &count);
  store_thread *rows = arena_take(memory, (size_t)count, sizeof *rows);
  if (!rows) return arena_full(memory, err);
  *out = (store_sample){.run = at->run->run,
                        .task = at->task,
                        .repeat = at->repeat,
                        .attempt = at->attempt,
                        .limit_met = limit_met(threads, count),
                        .answer = winner < 0 ? NULL : threads[winner].answer,
                        .vote_key = winner < 0 ? NULL : threads[winner].vote_key,
                        .queued_ns = at->queued_ns,
                        .started_ns = runner_sample_started_ns(s) + offset_ns,
                        .first_token_ns = at_store(runner_sample_first_token_ns(s), offset_ns),
                        .ended_ns = runner_sample_ended_ns(s) + offset_ns,
                        .batch_samples = runner_sample_in_flight(s),
                        .derived = at->derived,
                        .threads = rows,
                        .thread_count = count};
  out->status = out->limit_met ? "capped" : "done";
  status failed = costs_of(s, at->run, &out->costs, err);
  for (int i = 0; !failed && i < count; i++) {
    failed =
        fill_thread(&rows[i], &threads[i], out, runner_sample_waited(s, i), offset_ns, memory, err);
    if (!failed && at->keeps_logprobs) failed = copy_logprobs(&threads[i], memory, &rows[i], err);
  }
  return failed;
}

/* The row as a checker reads it, now or when it is judged again. */
static status answer_of(const store_sample *row, const char *target, arena *memory,
                        store_answer *out, detail *err) {
  store_answer_thread *threads = arena_take(memory, (size_t)row->thread_count, sizeof *threads);
  if (!threads) return arena_full(memory, err);
  for (int32_t i = 0; i < row->thread_count; i++) {
    const store_thread *t = &row->threads[i];
    threads[i] = (store_answer_thread){.ordinal = i,
                                       .role = t->role,
                                       .finish = t->finish,
                                       .answer = t->answer,
                                       .vote_key = t->vote_key};
  }
  *out = (store_answer){.target = target,
                        .answer = row->answer,
                        .vote_key = row->vote_key,
                        .status = row->status,
                        .trace = row->threads[0].text,
                        .trace_bytes = row->threads[0].text_bytes,
                        .threads = threads,
                        .thread_count = row->thread_count};
  return OK;
}

static status put(store *into, const record_place *at, const char *target, const store_sample *row,
                  arena *memory, detail *err) {
  const planned_run *r = at->run;
  int verdict_count = 0;
  store_answer said;
  store_verdict *verdicts =
      arena_take(memory, (size_t)(1 + row->thread_count) * PLAN_CHECKERS_MAX, sizeof *verdicts);
  if (!verdicts) return arena_full(memory, err);
  status failed = answer_of(row, target, memory, &said, err);
  for (int i = 0; !failed && i < r->checker_count; i++) {
    int made = 0;
    failed = judge_sample(r, r->checkers[i], &said, memory, verdicts + verdict_count, &made, err);
    verdict_count += made;
  }
  return failed ? failed : store_put(into, row, verdicts, (size_t)verdict_count, err);
}

/* What is known of a sample that failed. */
static store_sample failed_row(const record_place *at, const runner_sample *s, int64_t offset_ns) {
  return (store_sample){.run = at->run->run,
                        .task = at->task,
                        .repeat = at->repeat,
                        .attempt = at->attempt,
                        .queued_ns = at->queued_ns,
                        .started_ns = runner_sample_started_ns(s) + offset_ns,
                        .first_token_ns = STORE_NONE,
                        .ended_ns = runner_sample_ended_ns(s) + offset_ns,
                        .batch_samples = runner_sample_in_flight(s)};
}

status record_sample(store *into, const record_place *at, const runner_sample *s, arena *memory,
                     sample_end *end, int64_t *tokens, detail *err) {
  int64_t offset_ns = store_now_ns(into) - clock_monotonic_ns();
  store_sample row, unsolved = failed_row(at, s, offset_ns);
  detail why = {0};
  arena_reset(memory);
  status failed = runner_sample_state(s, &why);
  if (!failed) failed = record_row(at, s, offset_ns, memory, &row, &why);
  if (!failed) failed = put(into, at, runner_sample_task(s)->target, &row, memory, &why);
  *end = failed ? SAMPLE_FAILED : row.limit_met ? SAMPLE_CAPPED : SAMPLE_DONE;
  *tokens = failed ? 0 : row.costs.tokens_generated;
  if (!failed) return OK;
  if (sample_ends_run(failed)) {
    if (err) *err = why;
    return failed;
  }
  return sample_put_failed(into, &unsolved, &why, err);
}
