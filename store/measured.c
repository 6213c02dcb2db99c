/* What is measured beside the samples, and what earlier samples say of those to come. */
#include "store/store_internal.h"

#include <stdio.h>
#include <string.h>

status load_write(connection *c, const store_load *load, int64_t process, detail *err) {
  call k = call_start(c, LOAD_ADD);
  call_int(&k, process);
  call_int(&k, load->at_ns);
  call_int(&k, load->interval_ns);
  call_int(&k, load->steps);
  call_int(&k, load->rows);
  call_int(&k, load->sampled);
  call_int(&k, load->prefilled);
  call_int(&k, load->found);
  call_int(&k, load->recomputed);
  call_int(&k, load->preempted);
  call_real(&k, load->threads_running);
  call_real(&k, load->threads_waiting);
  call_real(&k, load->samples);
  call_int(&k, load->pages);
  call_int(&k, load->pages_used);
  call_int(&k, load->step_ns);
  call_int(&k, load->record_ns);
  return call_run(&k, err);
}

status store_alone_put(store *s, const store_alone *a, detail *err) {
  REQUIRE(s->process); /* store_process_start comes first */
  status failed = owner_begin(s, err);
  if (failed) return failed;
  call k = call_start(&s->on, ALONE_PUT);
  call_int(&k, a->sample);
  call_int(&k, s->process);
  call_int(&k, a->pass);
  call_int(&k, a->total_ns);
  call_int(&k, a->first_token_ns);
  failed = call_run(&k, err);
  if (k.code == SQLITE_CONSTRAINT_FOREIGNKEY) {
    failed = fault(err, E_STORE, "no sample %lld in %s", (long long)a->sample, s->path);
  }
  return owner_end(s, failed, err);
}

/* ---- expected lengths ------------------------------------------------------------------------ */

/* The statement gives tokens and threads. */
static status mean_of(call *k, int64_t *tokens, detail *err) {
  int row;
  *tokens = 0;
  status failed = call_row(k, &row, err);
  if (row) {
    int64_t threads = sqlite3_column_int64(k->statement, 1);
    if (threads > 0) *tokens = sqlite3_column_int64(k->statement, 0) / threads;
    if (*tokens < 0) *tokens = 0; /* of a store that somebody changed */
  }
  call_end(k);
  return failed;
}

/* Read once for a model and mode, as soon as there is something to read. */
static status mean_of_all(store *s, const hash *model, const char *mode, int64_t *tokens,
                          detail *err) {
  expectation *e = &s->expected;
  if (e->tokens && hash_equal(&e->model, model) && !strcmp(e->mode, mode)) {
    *tokens = e->tokens;
    return OK;
  }
  call k = call_start(&s->on, TOKENS_OF_ALL);
  call_blob(&k, model->bytes, HASH_BYTES);
  call_text(&k, mode);
  status failed = mean_of(&k, tokens, err);
  if (failed || strlen(mode) >= sizeof e->mode) return failed;
  e->model = *model;
  e->tokens = *tokens;
  (void)snprintf(e->mode, sizeof e->mode, "%s", mode);
  return OK;
}

status store_expected_tokens(store *s, const hash *model, const char *mode, int64_t task,
                             int64_t *tokens, detail *err) {
  call k = call_start(&s->on, TOKENS_OF_TASK);
  call_blob(&k, model->bytes, HASH_BYTES);
  call_text(&k, mode);
  call_int(&k, task);
  status failed = mean_of(&k, tokens, err);
  return failed || *tokens ? failed : mean_of_all(s, model, mode, tokens, err);
}
