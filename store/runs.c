#include "base/clock.h"
#include "store/store_internal.h"

#include <string.h>
#include <unistd.h>

status store_run_find(store *s, const char *identity_json, int64_t *run, detail *err) {
  hash identity = hash_of(identity_json, strlen(identity_json));
  int found;
  call k = call_start(&s->on, RUN_FIND);
  call_blob(&k, identity.bytes, HASH_BYTES);
  status failed = call_row(&k, &found, err);
  *run = !failed && found ? sqlite3_column_int64(k.statement, 0) : 0;
  call_end(&k);
  return failed;
}

/* NULL binds NULL. */
status store_run_fingerprint(store *s, int64_t run, hash *out, int *found, detail *err) {
  int there;
  *found = 0;
  call k = call_start(&s->on, RUN_FINGERPRINT);
  call_int(&k, run);
  status failed = call_row(&k, &there, err);
  if (!failed && !there) {
    failed = fault(err, E_INPUT, "no run %lld in %s", (long long)run, s->path);
  }
  if (!failed && sqlite3_column_type(k.statement, 0) != SQLITE_NULL) {
    const void *bytes = sqlite3_column_blob(k.statement, 0);
    *found = bytes && sqlite3_column_bytes(k.statement, 0) == HASH_BYTES;
    if (*found) {
      memcpy(out->bytes, bytes, HASH_BYTES);
    } else {
      failed = fault(err, E_STORE,
                     "the fingerprint of run %lld in %s has not %d bytes: restore a "
                     "copy of the store",
                     (long long)run, s->path, HASH_BYTES);
    }
  }
  call_end(&k);
  return failed;
}

status store_run_mark(store *s, int64_t run, const hash *fingerprint, detail *err) {
  status failed = owner_begin(s, err);
  if (failed) return failed;
  call k = call_start(&s->on, RUN_MARK);
  call_blob(&k, fingerprint->bytes, HASH_BYTES);
  call_int(&k, run);
  failed = call_run(&k, err);
  return owner_end(s, failed, err);
}

status store_model_put(store *s, const store_model *m, detail *err) {
  status failed = owner_begin(s, err);
  if (failed) return failed;
  call k = call_start(&s->on, MODEL_ADD);
  call_blob(&k, m->hash.bytes, HASH_BYTES);
  call_text(&k, m->name);
  call_text(&k, m->architecture);
  call_int(&k, m->parameters);
  call_int(&k, m->context);
  call_int(&k, m->vocabulary);
  call_blob(&k, m->tokenizer.bytes, HASH_BYTES);
  call_text(&k, m->config_json);
  return owner_end(s, call_run(&k, err), err);
}

static status add_run(store *s, const store_run_new *r, detail *err) {
  hash identity = hash_of(r->identity_json, strlen(r->identity_json));
  call k = call_start(&s->on, RUN_ADD);
  call_blob(&k, identity.bytes, HASH_BYTES);
  call_text(&k, r->identity_json);
  call_int(&k, r->task_set);
  call_text(&k, r->mode);
  call_text(&k, r->protocol);
  call_text(&k, r->parameters_json);
  blob model = {.data = r->model ? r->model->bytes : NULL, .bytes = HASH_BYTES};
  call_blob_or_null(&k, &model);
  call_text(&k, r->token_unit);
  call_text(&k, r->determinism_class);
  call_int(&k, r->seed);
  return call_run(&k, err);
}

status store_run(store *s, const store_run_new *r, int64_t *run, int *made, detail *err) {
  *made = 0;
  status failed = store_run_find(s, r->identity_json, run, err);
  if (failed || *run) return failed;
  failed = owner_begin(s, err);
  if (failed) return failed;
  failed = add_run(s, r, err);
  *run = failed ? 0 : sqlite3_last_insert_rowid(s->on.db);
  *made = !failed;
  return owner_end(s, failed, err);
}

status store_job_put(store *s, const char *name, const char *document_json, detail *err) {
  status failed = owner_begin(s, err);
  if (failed) return failed;
  call k = call_start(&s->on, JOB_PUT);
  call_text(&k, name);
  call_text(&k, document_json);
  return owner_end(s, call_run(&k, err), err);
}

static status add_condition(store *s, const store_condition *c, detail *err) {
  call k = call_start(&s->on, CONDITION_ADD);
  call_text(&k, c->job);
  call_int(&k, c->ordinal);
  call_text(&k, c->name);
  call_text(&k, c->family);
  call_int(&k, c->run);
  call_text(&k, c->checker);
  call_int(&k, c->repeats);
  call_int(&k, c->tasks);
  call_text(&k, c->axes_json ? c->axes_json : "{}");
  status failed = call_run(&k, err);
  if (k.code == SQLITE_CONSTRAINT_UNIQUE) {
    return fault(err, E_INPUT, "job '%s' has two conditions named '%s'; give each its own name",
                 c->job, c->name);
  }
  if (k.code == SQLITE_CONSTRAINT_FOREIGNKEY) {
    return fault(err, E_INPUT, "condition '%s' belongs to a job ('%s') or a run (%lld) not in %s",
                 c->name, c->job, (long long)c->run, s->path);
  }
  return failed;
}

status store_conditions_put(store *s, const char *job, const store_condition *conditions,
                            size_t count, detail *err) {
  status failed = owner_begin(s, err);
  if (failed) return failed;
  call k = call_start(&s->on, CONDITIONS_CLEAR);
  call_text(&k, job);
  failed = call_run(&k, err);
  for (size_t i = 0; !failed && i < count; i++) {
    REQUIRE(!strcmp(conditions[i].job, job));
    failed = add_condition(s, &conditions[i], err);
  }
  return owner_end(s, failed, err);
}

status store_process_start(store *s, const store_process *p, detail *err) {
  REQUIRE(!s->process);
  char host[256] = "";
  (void)gethostname(host, sizeof host - 1);
  status failed = owner_begin(s, err);
  if (failed) return failed;
  s->start_ns = clock_monotonic_ns();
  call k = call_start(&s->on, PROCESS_START);
  call_int(&k, clock_unix_ns());
  call_text(&k, host);
  call_text(&k, p->version);
  call_text(&k, p->device);
  call_text(&k, p->settings_json);
  failed = call_run(&k, err);
  int64_t process = sqlite3_last_insert_rowid(s->on.db);
  failed = owner_end(s, failed, err);
  if (failed) return failed;
  s->process = process;
  return writer_open(&s->writer, s, err);
}

int64_t store_now_ns(const store *s) {
  return clock_monotonic_ns() - s->start_ns;
}
