#include "pipeline/sample.h"

#include "base/memory.h"
#include "pipeline/judge.h"
#include "pipeline/same.h"

#include <string.h>

enum { ANSWER_BYTES_MAX = 1 << 20 };

/* What a sample is made of until it is stored; texts are closed by release. */
typedef struct workpiece {
  countdown_problem problem;
  search_options drawn;
  search_result result;
  search_costs costs;
  search_times *times; /* [thread_count] */
  text answer, vote_key;
  int has_answer, has_vote_key;
  store_verdict verdicts[PLAN_CHECKERS_MAX];
} workpiece;

static void release(workpiece *piece) {
  search_close(&piece->result);
  text_close(&piece->answer);
  text_close(&piece->vote_key);
}

static status solve(workpiece *piece, const sample_work *w, arena *memory, detail *err) {
  REQUIRE(!w->run->model);
  text_open(&piece->answer, ANSWER_BYTES_MAX);
  text_open(&piece->vote_key, ANSWER_BYTES_MAX);
  status s = countdown_read(&piece->problem, w->target, err);
  if (s) return s;
  s = symbolic_solve(&piece->result, &piece->drawn, &w->run->options, &piece->problem, w->seed,
                     &w->content, (uint32_t)w->repeat, memory, err);
  if (s) return s;
  piece->times = arena_take(memory, (size_t)piece->result.thread_count, sizeof *piece->times);
  if (!piece->times) return arena_full(memory, err);
  piece->costs = search_account(&piece->result, piece->times);
  return OK;
}

static status judge(workpiece *piece, const sample_work *w, detail *err) {
  const search_result *r = &piece->result;
  const text *root = &r->threads[0]->written, *said_in = NULL;
  countdown_protocol form = symbolic_protocol(piece->drawn.kind);
  int64_t failures = memory_failures();
  if (r->answer >= 0) said_in = &r->threads[r->answer]->written;
  piece->has_answer =
      said_in && countdown_answer(form, text_string(said_in), said_in->bytes, &piece->answer);
  const char *answer = piece->has_answer ? text_string(&piece->answer) : NULL;
  piece->has_vote_key =
      countdown_vote_key(&piece->problem, answer, piece->answer.bytes, &piece->vote_key);
  status s = text_state(&piece->answer, err);
  if (!s) s = text_state(&piece->vote_key, err);
  /* A key that is built of expressions which memory cut short would be another one, or none. */
  if (!s && memory_failures() != failures) s = fault(err, E_MEMORY, "no memory to judge a sample");
  store_answer said = {.target = w->target,
                       .answer = answer,
                       .trace = text_string(root),
                       .trace_bytes = root->bytes};
  for (int i = 0; !s && i < w->run->checker_count; i++) {
    int made;
    s = judge_sample(w->run, w->run->checkers[i], &said, NULL, &piece->verdicts[i], &made, err);
  }
  return s;
}

/* JSON [[kind, start, count], ...] in bytes of text. */
static status layout(const char **out, const search_thread *t, arena *memory, detail *err) {
  text json;
  text_open(&json, ANSWER_BYTES_MAX);
  text_char(&json, '[');
  for (int i = 0; i < t->span_count; i++) {
    const search_span *span = &t->spans[i];
    if (span->bytes == 0) continue;
    text_format(&json, "%s[\"%s\",%zu,%zu]", json.bytes > 1 ? "," : "", span_name(span->kind),
                span->start, span->bytes);
  }
  text_char(&json, ']');
  status s = text_state(&json, err);
  *out = s ? NULL : arena_text(memory, text_string(&json), json.bytes);
  if (!s && !*out) s = arena_full(memory, err);
  text_close(&json);
  return s;
}

/* *out is NULL where the child or worker found none; no memory for one that it found is another
 * thing. */
static status own_answer(const char **out, const search_thread *t, arena *memory, detail *err) {
  text answer;
  text_open(&answer, ANSWER_BYTES_MAX);
  *out = NULL;
  int found = countdown_answer(PROTOCOL_RECAP, text_string(&t->written), t->written.bytes, &answer);
  status s = text_state(&answer, err);
  if (!s && found) {
    *out = arena_text(memory, text_string(&answer), answer.bytes);
    if (!*out) s = arena_full(memory, err);
  }
  text_close(&answer);
  return s;
}

static int64_t or_none(int64_t value) {
  return value < 0 ? STORE_NONE : value;
}

static const char *role_of(const search_thread *t) {
  return t->worker >= 0 ? "worker" : t->parent >= 0 ? "child" : "root";
}

/* Workers are stopped behind another's answer. */
static const char *finish_of(const search_thread *t) {
  if (t->capped) return "limit";
  return t->worker >= 0 && !t->ends ? "stopped" : "end";
}

static status fill_threads(store_thread *threads, const workpiece *piece, const store_sample *s,
                           arena *memory, detail *err) {
  for (int i = 0; i < piece->result.thread_count; i++) {
    const search_thread *t = piece->result.threads[i];
    const search_times *at = &piece->times[i];
    hash text_hash = hash_of(text_string(&t->written), t->written.bytes);
    const char *spans, *answer = NULL;
    status st = layout(&spans, t, memory, err);
    if (!st && (t->parent >= 0 || t->worker >= 0)) st = own_answer(&answer, t, memory, err);
    if (st) return st;
    threads[i] = (store_thread){.path = t->path,
                                .role = role_of(t),
                                .finish = finish_of(t),
                                .answer = answer,
                                .parent = t->parent,
                                .worker = t->worker,
                                .round = t->round,
                                .spawn_token = or_none(at->spawn_token),
                                .join_token = or_none(at->join_token),
                                .tokens_prompt = at->tokens_prompt,
                                .tokens_fed = at->tokens_fed,
                                .tokens_generated = at->tokens_generated,
                                .tokens_seen = at->tokens_seen,
                                .logical_start = at->start,
                                .logical_end = at->end,
                                .wait_steps = at->wait,
                                .bits_hash = hash_head(&text_hash),
                                .queued_ns = s->queued_ns,
                                .started_ns = s->started_ns,
                                .first_token_ns = STORE_NONE,
                                .ended_ns = s->ended_ns,
                                .text = text_string(&t->written),
                                .text_bytes = t->written.bytes,
                                .layout_json = spans};
  }
  return OK;
}

static store_costs costs_of(const workpiece *piece) {
  const search_costs *c = &piece->costs;
  const search_result *r = &piece->result;
  return (store_costs){.tokens_generated = c->tokens_generated,
                       .tokens_injected = c->tokens_injected,
                       .tokens_prompt = c->tokens_prompt,
                       .tokens_finisher = 0,
                       .tokens_total = c->tokens_total,
                       .tokens_ref = c->tokens_total,
                       .seq_critical_path = c->critical_path,
                       .seq_critical_path_injected = c->critical_path_injected,
                       .seq_longest_sequence = c->longest_sequence,
                       .seq_forwards = c->critical_path,
                       .context_peak = c->context_peak,
                       .wait_steps = c->wait_steps,
                       .flops = -1,
                       .kv_token_steps = STORE_NONE,
                       .nodes_explored = r->nodes_explored,
                       .nodes_duplicate = r->nodes_duplicate,
                       .children = r->threads[0]->worker < 0 ? r->thread_count - 1 : 0,
                       .rounds = r->rounds};
}

/* A root that was cut off, or any of the workers. */
static int is_capped(const search_result *r) {
  int capped = r->threads[0]->capped;
  for (int i = 1; i < r->thread_count; i++)
    capped |= r->threads[i]->worker >= 0 && r->threads[i]->capped;
  return capped;
}

static status fill_row(const workpiece *piece, store_sample *s, arena *memory, detail *err) {
  const search_result *r = &piece->result;
  store_thread *threads = arena_take(memory, (size_t)r->thread_count, sizeof *threads);
  if (!threads) return arena_full(memory, err);
  int capped = is_capped(r);
  s->status = capped ? "capped" : "done";
  s->limit_met = capped ? "context" : NULL;
  s->answer = piece->has_answer ? text_string(&piece->answer) : NULL;
  s->vote_key = piece->has_vote_key ? text_string(&piece->vote_key) : NULL;
  s->costs = costs_of(piece);
  s->threads = threads;
  s->thread_count = r->thread_count;
  return fill_threads(threads, piece, s, memory, err);
}

static status put(const workpiece *piece, const sample_work *w, store *into, store_sample *s,
                  arena *memory, detail *err) {
  status st = fill_row(piece, s, memory, err);
  return st ? st : store_put(into, s, piece->verdicts, (size_t)w->run->checker_count, err);
}

status sample_put_failed(store *into, store_sample *s, const detail *why, detail *err) {
  s->status = "failed";
  s->error = why->text;
  s->costs = (store_costs){.tokens_generated = STORE_NONE,
                           .tokens_injected = STORE_NONE,
                           .tokens_prompt = STORE_NONE,
                           .tokens_finisher = STORE_NONE,
                           .tokens_total = STORE_NONE,
                           .tokens_ref = STORE_NONE,
                           .seq_critical_path = STORE_NONE,
                           .seq_critical_path_injected = STORE_NONE,
                           .seq_longest_sequence = STORE_NONE,
                           .seq_forwards = STORE_NONE,
                           .context_peak = STORE_NONE,
                           .wait_steps = STORE_NONE,
                           .flops = -1,
                           .kv_token_steps = STORE_NONE,
                           .nodes_explored = STORE_NONE,
                           .nodes_duplicate = STORE_NONE};
  return store_put(into, s, NULL, 0, err);
}

int sample_ends_run(status s) {
  return s == E_MEMORY || s == E_STORE || s == E_BUSY || s == E_IO;
}

status sample_run(const sample_work *w, store *into, arena *memory, sample_outcome *out,
                  detail *err) {
  store_sample s = {.run = w->run->run,
                    .task = w->task,
                    .repeat = w->repeat,
                    .attempt = w->attempt,
                    .queued_ns = w->queued_ns,
                    .started_ns = into ? store_now_ns(into) : 0,
                    .first_token_ns = STORE_NONE,
                    .batch_samples = w->in_flight};
  workpiece piece = {0};
  detail why = {0};
  arena_reset(memory);
  status st = solve(&piece, w, memory, &why);
  if (!st) st = judge(&piece, w, &why);
  s.ended_ns = into ? store_now_ns(into) : 0;
  store_sample unsolved = s;
  *out = (sample_outcome){.end = SAMPLE_FAILED};
  if (!st && into) st = put(&piece, w, into, &s, memory, &why);
  if (!st) {
    *out = (sample_outcome){.end = is_capped(&piece.result) ? SAMPLE_CAPPED : SAMPLE_DONE,
                            .correct = w->run->checker_count ? piece.verdicts[0].correct : 0,
                            .tokens = piece.costs.tokens_total};
  } else if (sample_ends_run(st)) {
    if (err) *err = why;
  } else {
    st = into ? sample_put_failed(into, &unsolved, &why, err) : OK;
  }
  release(&piece);
  return st;
}

status sample_compare(const sample_work *w, const store_sample *stored, arena *memory, text *out,
                      int *count, detail *err) {
  workpiece piece = {0};
  store_sample made = {0};
  status st = solve(&piece, w, memory, err);
  if (!st) st = judge(&piece, w, err);
  if (!st) st = fill_row(&piece, &made, memory, err);
  if (!st) *count = same_differences(&made, stored, out);
  release(&piece);
  return st;
}
