#include "base/arena.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <string.h>

/* A page is judged while it is read and written afterwards, so that a reading transaction lasts no
   longer than a thousand judgements and a writing one no longer than a thousand rows. */
enum { PAGE_SAMPLES = 1000 /* the statement's LIMIT */, REASON_BYTES_MAX = 64 << 20 };

typedef struct judged {
  int64_t sample;
  store_verdict verdict; /* its reason lies in the arena */
} judged;

typedef struct rescoring {
  store *owner;
  int64_t run, task, repeat; /* the key that was read last */
  const char *checker;
  int version, all;
  status (*judge)(void *context, const store_answer *a, store_verdict *verdict, detail *err);
  void *context;
  judged page[PAGE_SAMPLES];
  size_t count;
  arena *reasons;
  unsigned char *trace; /* grown as needed */
  size_t trace_capacity;
  int64_t judged_count, changed_count;
} rescoring;

static const char *column_text(const call *k, int column) {
  return (const char *)sqlite3_column_text(k->statement, column);
}

static status read_trace(rescoring *r, const call *k, store_answer *a, detail *err) {
  a->trace = "";
  if (sqlite3_column_type(k->statement, 6) == SQLITE_NULL) return OK;
  const void *bytes = sqlite3_column_blob(k->statement, 6);
  size_t count = (size_t)sqlite3_column_bytes(k->statement, 6);
  int64_t size = sqlite3_column_int64(k->statement, 7);
  a->trace_bytes = size > 0 ? (size_t)size : count;
  return sqlar_decode(bytes, count, size, &r->trace, &r->trace_capacity, &a->trace, err);
}

static status judge_row(rescoring *r, const call *k, detail *err) {
  store_answer a = {.sample = sqlite3_column_int64(k->statement, 0)};
  a.status = column_text(k, 3);
  a.answer = column_text(k, 4);
  a.target = column_text(k, 5);
  status failed = read_trace(r, k, &a, err);
  if (failed) return failed;
  store_verdict verdict = {0};
  failed = r->judge(r->context, &a, &verdict, err);
  if (failed) return failed;
  REQUIRE(verdict.reason && verdict.score >= 0 && verdict.score <= 1);
  verdict.correct = verdict.correct != 0;
  const char *before = column_text(k, 9);
  r->changed_count += !before || sqlite3_column_int(k->statement, 8) != verdict.correct ||
                      strcmp(before, verdict.reason) != 0;
  verdict.reason = arena_text(r->reasons, verdict.reason, strlen(verdict.reason));
  if (!verdict.reason) return arena_full(r->reasons, err);
  verdict.thread = -1;
  verdict.checker = r->checker;
  verdict.version = r->version;
  r->page[r->count++] = (judged){.sample = a.sample, .verdict = verdict};
  return OK;
}

static status judge_page(rescoring *r, detail *err) {
  r->count = 0;
  arena_reset(r->reasons);
  call k = call_start(&r->owner->on, RESCORE_PAGE);
  call_int(&k, r->run);
  call_int(&k, r->task);
  call_int(&k, r->repeat);
  call_text(&k, r->checker);
  call_int(&k, r->version);
  call_int(&k, r->all);
  status failed;
  int row;
  while (!(failed = call_row(&k, &row, err)) && row && r->count < PAGE_SAMPLES) {
    r->task = sqlite3_column_int64(k.statement, 1);
    r->repeat = sqlite3_column_int64(k.statement, 2);
    failed = judge_row(r, &k, err);
    if (failed) break;
  }
  call_end(&k);
  return failed;
}

static status write_page(rescoring *r, detail *err) {
  status failed = owner_begin(r->owner, err);
  if (failed) return failed;
  for (size_t i = 0; !failed && i < r->count; i++)
    failed = verdict_write(&r->owner->on, r->page[i].sample, &r->page[i].verdict, err);
  failed = owner_end(r->owner, failed, err);
  if (!failed) r->judged_count += (int64_t)r->count;
  return failed;
}

static status rescore_all(rescoring *r, detail *err) {
  do {
    status failed = judge_page(r, err);
    if (!failed && r->count) failed = write_page(r, err);
    if (failed) return failed;
  } while (r->count == PAGE_SAMPLES);
  return OK;
}

status store_rescore(store *s, int64_t run, const char *checker, int version, int all,
                     status (*judge)(void *context, const store_answer *a, store_verdict *verdict,
                                     detail *err),
                     void *context, int64_t *judged_count, int64_t *changed_count, detail *err) {
  *judged_count = *changed_count = 0;
  if (!s->writes) return fault(err, E_STORE, "%s was opened for reading", s->path);
  rescoring *r = memory_zeroed(1, sizeof *r);
  if (!r) return fault(err, E_MEMORY, "no memory to judge the samples of %s", s->path);
  r->owner = s;
  r->run = run;
  r->task = r->repeat = -1;
  r->checker = checker;
  r->version = version;
  r->all = all != 0;
  r->judge = judge;
  r->context = context;
  status failed = arena_open(&r->reasons, REASON_BYTES_MAX, err);
  if (!failed) failed = rescore_all(r, err);
  *judged_count = r->judged_count;
  *changed_count = r->changed_count;
  arena_close(r->reasons);
  memory_free(r->trace);
  memory_free(r);
  return failed;
}
