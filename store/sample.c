#include "store/store_internal.h"

#include <math.h>

static void bind_costs(call *k, const store_costs *c) {
  call_int(k, c->tokens_generated);
  call_int(k, c->tokens_injected);
  call_int(k, c->tokens_prompt);
  call_int(k, c->tokens_finisher);
  call_int(k, c->tokens_total);
  call_int(k, c->tokens_ref);
  call_int(k, c->seq_critical_path);
  call_int(k, c->seq_critical_path_injected);
  call_int(k, c->seq_longest_sequence);
  call_int(k, c->seq_forwards);
  call_int(k, c->context_peak);
  call_int(k, c->wait_steps);
  call_real_or_null(k, c->flops);
  call_int(k, c->kv_token_steps);
  call_int(k, c->nodes_explored);
  call_int(k, c->nodes_duplicate);
}

/* *code is SQLite's, so that the caller can tell a key that is there already. */
static status add_sample(connection *c, const store_sample *s, int64_t process, int *code,
                         detail *err) {
  call k = call_start(c, SAMPLE_ADD);
  call_int(&k, s->run);
  call_int(&k, s->task);
  call_int(&k, s->repeat);
  call_text(&k, s->status);
  call_text(&k, s->limit_met);
  call_text(&k, s->answer);
  call_text(&k, s->vote_key);
  call_text(&k, s->error);
  bind_costs(&k, &s->costs);
  call_int(&k, s->thread_count);
  call_int(&k, s->costs.children);
  call_int(&k, s->costs.children_refused);
  call_int(&k, s->costs.rounds);
  call_int(&k, process);
  call_int(&k, s->attempt);
  call_int(&k, s->queued_ns);
  call_int(&k, s->started_ns);
  call_int(&k, s->first_token_ns);
  call_int(&k, s->ended_ns);
  call_real_or_null(&k, s->batch_samples);
  call_int(&k, s->derived != 0);
  status failed = call_run(&k, err);
  *code = k.code;
  return failed;
}

static status committed_twice(connection *c, const store_sample *s, detail *err) {
  call k = call_start(c, TASK_NAME);
  call_int(&k, s->task);
  int found;
  status failed = call_row(&k, &found, err);
  if (!failed) {
    const char *name = found ? (const char *)sqlite3_column_text(k.statement, 0) : NULL;
    failed = fault(err, E_STORE,
                   "task %s, repeat %d of run %lld was committed twice: a bug, or another program "
                   "writes %s",
                   name ? name : "?", s->repeat, (long long)s->run, c->path);
  }
  call_end(&k);
  return failed;
}

static status replace_failed(connection *c, const store_sample *s, int64_t process, detail *err) {
  call k = call_start(c, SAMPLE_CLEAR_FAILED);
  call_int(&k, s->run);
  call_int(&k, s->task);
  call_int(&k, s->repeat);
  status failed = call_run(&k, err);
  if (failed) return failed;
  if (sqlite3_changes(c->db) == 0) return committed_twice(c, s, err);
  int code;
  return add_sample(c, s, process, &code, err);
}

static status add_thread(connection *c, int64_t sample, int32_t ordinal, const store_thread *t,
                         detail *err) {
  call k = call_start(c, THREAD_ADD);
  call_int(&k, sample);
  call_int(&k, ordinal);
  call_index(&k, t->parent);
  call_text(&k, t->path);
  call_text(&k, t->role);
  call_index(&k, t->worker);
  call_index(&k, t->round);
  call_int(&k, t->spawn_token);
  call_int(&k, t->join_token);
  call_int(&k, t->tokens_prompt);
  call_int(&k, t->tokens_fed);
  call_int(&k, t->tokens_generated);
  call_int(&k, t->tokens_seen);
  call_text(&k, t->answer);
  call_text(&k, t->finish);
  call_int(&k, t->logical_start);
  call_int(&k, t->logical_end);
  call_int(&k, t->wait_steps);
  call_bits(&k, t->bits_hash);
  call_int(&k, t->tokens_cached);
  call_int(&k, t->drafted);
  call_int(&k, t->accepted);
  call_int(&k, t->rows_spent);
  call_int(&k, t->queued_ns);
  call_int(&k, t->started_ns);
  call_int(&k, t->first_token_ns);
  call_int(&k, t->ended_ns);
  call_text(&k, t->vote_key);
  call_real(&k, t->ids ? t->logprob : (double)NAN);
  return call_run(&k, err);
}

static status add_trace(connection *c, int64_t sample, int32_t ordinal, const store_thread *t,
                        const packed_trace *trace, detail *err) {
  if (!trace->text.data) return OK;
  call k = call_start(c, TRACE_ADD);
  call_int(&k, sample);
  call_int(&k, ordinal);
  call_blob(&k, trace->text.data, trace->text.bytes);
  call_int(&k, (int64_t)t->text_bytes);
  call_blob_or_null(&k, &trace->ids);
  call_int(&k, t->ids ? (int64_t)(t->id_count * sizeof *t->ids) : STORE_NONE);
  call_blob_or_null(&k, &trace->logprobs);
  call_text(&k, t->layout_json ? t->layout_json : "[]");
  return call_run(&k, err);
}

status verdict_write(connection *c, int64_t sample, const store_verdict *v, detail *err) {
  call k = call_start(c, VERDICT_PUT);
  call_int(&k, sample);
  call_int(&k, v->thread);
  call_text(&k, v->checker);
  call_int(&k, v->version);
  call_int(&k, v->correct != 0);
  call_text(&k, v->reason);
  call_real(&k, v->score);
  return call_run(&k, err);
}

status sample_write(connection *c, const record *r, int64_t process, detail *err) {
  int code;
  status failed = add_sample(c, &r->sample, process, &code, err);
  if (code == SQLITE_CONSTRAINT_UNIQUE) failed = replace_failed(c, &r->sample, process, err);
  if (code == SQLITE_CONSTRAINT_FOREIGNKEY) {
    return fault(err, E_STORE, "a sample of run %lld and task %lld, which %s does not have",
                 (long long)r->sample.run, (long long)r->sample.task, c->path);
  }
  int64_t sample = sqlite3_last_insert_rowid(c->db);
  for (int32_t i = 0; !failed && i < r->sample.thread_count; i++) {
    failed = add_thread(c, sample, i, &r->sample.threads[i], err);
    if (!failed) failed = add_trace(c, sample, i, &r->sample.threads[i], &r->traces[i], err);
  }
  for (size_t i = 0; !failed && i < r->verdict_count; i++)
    failed = verdict_write(c, sample, &r->verdicts[i], err);
  return failed;
}
