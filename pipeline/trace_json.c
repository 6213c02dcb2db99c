#include "pipeline/output.h"
#include "pipeline/trace_workers.h"

#include <math.h>
#include <string.h>

static json_t *text_or_null(const char *value) {
  return value ? output_json_text(value, strlen(value)) : json_null();
}

static json_t *real_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *number_or_null(int64_t value) {
  return value == STORE_NONE ? json_null() : json_integer(value);
}

/* Adds to a list that may be NULL already, and gives NULL from the first failure on. */
static json_t *append(json_t *list, json_t *value) {
  if (!list) {
    json_decref(value);
    return NULL;
  }
  if (!json_array_append_new(list, value)) return list;
  json_decref(list);
  return NULL;
}

static json_t *verdicts_json(const trace_sample *s) {
  json_t *list = json_array();
  for (int i = 0; i < s->verdict_count; i++) {
    const trace_verdict *v = &s->verdicts[i];
    list = append(list, json_pack("{s:o, s:b, s:o, s:o}", "checker", text_or_null(v->checker),
                                  "correct", v->correct, "reason", text_or_null(v->reason), "score",
                                  real_or_null(v->score)));
  }
  return list;
}

static json_t *pieces_json(const trace_span *span) {
  json_t *list = json_array();
  for (int64_t i = 0; i < span->tokens; i++)
    list = append(list, json_integer(span->pieces[i]));
  return list;
}

/* As the layout has it: in bytes of text, or of a model in tokens and in bytes. */
static json_t *span_json(const trace_span *span) {
  json_int_t start = (json_int_t)span->start, bytes = (json_int_t)span->bytes;
  json_t *kind = text_or_null(span->kind);
  if (span->tokens == STORE_NONE) return json_pack("[o, I, I]", kind, start, bytes);
  json_t *list = json_pack("[o, I, I, I, I, I]", kind, (json_int_t)span->first,
                           (json_int_t)span->tokens, start, bytes, (json_int_t)span->step);
  return span->pieces ? append(list, pieces_json(span)) : list;
}

static json_t *spans_json(const trace_thread *t) {
  json_t *list = json_array();
  for (int i = 0; i < t->span_count; i++)
    list = append(list, span_json(&t->spans[i]));
  return list;
}

static json_t *thread_json(const trace_sample *s, const trace_thread *t) {
  json_t *written = t->text ? output_json_text(t->text, t->text_bytes) : json_null();
  return json_pack(
      "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
      "s:o}",
      "path", text_or_null(t->path), "worker",
      number_or_null(t->worker < 0 ? STORE_NONE : t->worker), "parent",
      text_or_null(t->parent < 0 ? NULL : s->threads[t->parent].path), "role",
      text_or_null(t->role), "round", number_or_null(t->round), "spawn_token",
      number_or_null(t->spawn_token), "join_token", number_or_null(t->join_token), "tokens_prompt",
      number_or_null(t->tokens_prompt), "tokens_fed", number_or_null(t->tokens_fed),
      "tokens_generated", number_or_null(t->tokens_generated), "logical_start",
      number_or_null(t->logical_start), "logical_end", number_or_null(t->logical_end), "wait_steps",
      number_or_null(t->wait_steps), "finish", text_or_null(t->finish), "answer",
      text_or_null(t->answer), "vote_key", text_or_null(t->vote_key), "logprob",
      real_or_null(t->logprob), "text", written, "spans", spans_json(t));
}

static json_t *votes_json(const trace_sample *s) {
  json_t *list = json_array();
  for (int i = 0; i < s->vote_count; i++) {
    const trace_vote *v = &s->votes[i];
    list =
        append(list, json_pack("{s:o, s:i}", "vote_key", text_or_null(v->key), "votes", v->votes));
  }
  return list;
}

static json_t *run_json(const trace_sample *s) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o}", "model", text_or_null(s->model), "mode",
                   text_or_null(s->mode), "protocol", text_or_null(s->protocol),
                   "determinism_class", text_or_null(s->determinism_class), "token_unit",
                   text_or_null(s->token_unit));
}

static json_t *counts_json(const trace_sample *s) {
  json_t *counts = json_object();
  for (int i = 0; counts && i < TRACE_COUNTS; i++) {
    if (!json_object_set_new(counts, s->counts[i].name, number_or_null(s->counts[i].value)))
      continue;
    json_decref(counts);
    return NULL;
  }
  return counts;
}

json_t *trace_json(const trace_sample *s, int only) {
  json_t *threads = json_array();
  for (int i = 0; i < s->thread_count; i++) {
    if (only < 0 || only == i) threads = append(threads, thread_json(s, &s->threads[i]));
  }
  return json_pack(
      "{s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
      "s:o, s:o, s:b, s:o, s:o, s:o}",
      "sample", (json_int_t)s->id, "run", (json_int_t)s->run, "job", text_or_null(s->job),
      "condition", text_or_null(s->condition), "task_set", text_or_null(s->task_set), "task",
      text_or_null(s->task), "repeat", (json_int_t)s->repeat, "attempt", (json_int_t)s->attempt,
      "question", text_or_null(s->question), "expected", text_or_null(s->target), "status",
      text_or_null(s->status), "limit_met", text_or_null(s->limit_met), "error",
      text_or_null(s->error), "answer", text_or_null(s->answer), "verdicts", verdicts_json(s),
      "counts", counts_json(s), "threads", threads, "made_by", run_json(s), "derived", s->derived,
      "vote_key", text_or_null(s->vote_key), "votes", votes_json(s), "layout",
      text_or_null(s->layout));
}

/* ---- what workers saw ------------------------------------------------------------------------ */

static json_t *block_json(const trace_gang *g, const trace_block *b) {
  static const char *const names[] = {[TRACE_PROMPT] = "prompt",
                                      [TRACE_DONE] = "done",
                                      [TRACE_HEADER] = "header",
                                      [TRACE_OTHER] = "other",
                                      [TRACE_OWN] = "own"};
  const trace_thread *t = g->workers[b->worker].thread;
  int is_seen = b->kind == TRACE_PROMPT || b->kind == TRACE_HEADER, is_done = b->kind == TRACE_DONE;
  return json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:o}", "block", names[b->kind], "worker",
                   number_or_null(is_seen ? STORE_NONE : b->worker), "step",
                   number_or_null(is_done ? b->step : STORE_NONE), "done_at",
                   number_or_null(is_done ? b->forward : STORE_NONE), "first", (json_int_t)b->first,
                   "tokens", (json_int_t)b->tokens, "text",
                   output_json_text(t->text + b->start, b->bytes));
}

static json_t *view_json(const trace_gang *g, const trace_view *v) {
  const trace_thread *own = g->workers[v->worker].thread;
  const trace_token *sampled = v->sampled;
  json_t *blocks = json_array();
  for (int i = 0; i < v->count; i++)
    blocks = append(blocks, block_json(g, &v->blocks[i]));
  return json_pack(
      "{s:i, s:I, s:o, s:o}", "worker", v->worker, "tokens", (json_int_t)v->tokens, "sampled",
      sampled ? output_json_text(own->text + sampled->start, sampled->bytes) : json_null(),
      "blocks", blocks);
}

json_t *trace_views_json(const trace_gang *g, const trace_view *views, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++)
    list = append(list, view_json(g, &views[i]));
  return json_pack("{s:I, s:I, s:o}", "sample", (json_int_t)g->sample->id, "forward",
                   (json_int_t)(count ? views[0].forward : 0), "views", list);
}
