#include "base/arena.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <string.h>

/* A page is judged while it is read and written afterwards, so that a reading transaction lasts no
   longer than a thousand judgements and a writing one no longer than a thousand samples. */
enum {
  PAGE_SAMPLES = 1000,   /* the statement's LIMIT */
  PAGE_BYTES = 16 << 20, /* a page of many threads ends early */
  PAGE_BYTES_MAX = 256 << 20,
  TEXTS_BYTES_MAX = 1 << 30
};

typedef struct judged {
  int64_t sample;
  const store_verdict *verdicts; /* [count] the sample's first; these and reasons in the arena */
  int count;
} judged;

typedef struct rescoring {
  store *owner;
  int64_t run, task, repeat; /* the key that was read last */
  const char *checker;
  int version, all;
  store_judge *judge;
  void *context;
  judged page[PAGE_SAMPLES];
  size_t count;
  int more;             /* samples may be left behind the page */
  arena *kept;          /* the page's verdicts */
  arena *texts;         /* of the sample that is judged */
  unsigned char *trace; /* grown as needed */
  size_t trace_capacity;
  store_answer_thread *threads; /* [thread_capacity] these too */
  store_verdict *verdicts;      /* [1 + thread_capacity] */
  size_t thread_capacity;
  int64_t judged_count, changed_count;
} rescoring;

static const char *column_text(const call *k, int column) {
  return (const char *)sqlite3_column_text(k->statement, column);
}

/* ---- what is judged ---------------------------------------------------------------------------
 */

static status read_trace(rescoring *r, const call *k, store_answer *a, detail *err) {
  a->trace = "";
  if (sqlite3_column_type(k->statement, 7) == SQLITE_NULL) return OK;
  const void *bytes = sqlite3_column_blob(k->statement, 7);
  size_t count = (size_t)sqlite3_column_bytes(k->statement, 7);
  int64_t size = sqlite3_column_int64(k->statement, 8);
  a->trace_bytes = size > 0 ? (size_t)size : count;
  return sqlar_decode(bytes, count, size, &r->trace, &r->trace_capacity, &a->trace, err);
}

static status grow(rescoring *r, detail *err) {
  size_t capacity = r->thread_capacity ? 2 * r->thread_capacity : 64;
  store_answer_thread *threads = memory_grow(r->threads, capacity * sizeof *threads);
  if (threads) r->threads = threads;
  store_verdict *verdicts = memory_grow(r->verdicts, (1 + capacity) * sizeof *verdicts);
  if (verdicts) r->verdicts = verdicts;
  if (!threads || !verdicts)
    return fault(err, E_MEMORY, "no memory to judge %zu threads", capacity);
  r->thread_capacity = capacity;
  return OK;
}

/* A copy that lasts while the sample is judged; NULL for NULL. */
static status keep_text(rescoring *r, const call *k, int column, const char **out, detail *err) {
  const char *value = column_text(k, column);
  *out = value ? arena_text(r->texts, value, strlen(value)) : NULL;
  return value && !*out ? arena_full(r->texts, err) : OK;
}

/* Threads are numbered from 0 without a gap, and a verdict on one names it by its number. */
static status read_thread(rescoring *r, const call *k, int64_t sample, int32_t place,
                          store_answer_thread *out, detail *err) {
  if (sqlite3_column_int64(k->statement, 0) != place) {
    return fault(err, E_STORE,
                 "sample %lld of %s is damaged: its threads are not in order; restore a copy",
                 (long long)sample, r->owner->path);
  }
  out->ordinal = place;
  status failed = keep_text(r, k, 1, &out->role, err);
  if (!failed) failed = keep_text(r, k, 2, &out->finish, err);
  if (!failed) failed = keep_text(r, k, 3, &out->answer, err);
  return failed ? failed : keep_text(r, k, 4, &out->vote_key, err);
}

static status read_threads(rescoring *r, store_answer *a, detail *err) {
  size_t count = 0;
  int row;
  status failed;
  arena_reset(r->texts);
  call k = call_start(&r->owner->on, RESCORE_THREADS);
  call_int(&k, a->sample);
  while (!(failed = call_row(&k, &row, err)) && row) {
    if (count == r->thread_capacity) failed = grow(r, err);
    if (!failed) {
      failed = read_thread(r, &k, a->sample, (int32_t)count, &r->threads[count], err);
    }
    if (failed) break;
    count++;
  }
  call_end(&k);
  a->threads = r->threads;
  a->thread_count = (int)count;
  return failed;
}

/* ---- what it is judged to be ------------------------------------------------------------------
 */

/* Reasons are seldom many, and mostly constants of the judge; a copy of each is small. */
static status keep_verdicts(rescoring *r, int64_t sample, int count, detail *err) {
  store_verdict *kept = arena_take(r->kept, (size_t)count, sizeof *kept);
  if (!kept) return arena_full(r->kept, err);
  for (int i = 0; i < count; i++) {
    store_verdict *v = &kept[i];
    *v = r->verdicts[i];
    REQUIRE(v->reason && v->score >= 0 && v->score <= 1 && (i == 0) == (v->thread < 0));
    v->correct = v->correct != 0;
    v->checker = r->checker;
    v->version = r->version;
    v->reason = arena_text(r->kept, v->reason, strlen(v->reason));
    if (!v->reason) return arena_full(r->kept, err);
  }
  r->page[r->count++] = (judged){.sample = sample, .verdicts = kept, .count = count};
  return OK;
}

static status judge_row(rescoring *r, const call *k, detail *err) {
  store_answer a = {.sample = sqlite3_column_int64(k->statement, 0)};
  a.status = column_text(k, 3);
  a.answer = column_text(k, 4);
  a.vote_key = column_text(k, 5);
  a.target = column_text(k, 6);
  status failed = read_trace(r, k, &a, err);
  if (!failed) failed = read_threads(r, &a, err);
  if (failed) return failed;
  int count = 1;
  memset(r->verdicts, 0, (1 + (size_t)a.thread_count) * sizeof *r->verdicts);
  r->verdicts[0].thread = -1;
  failed = r->judge(r->context, &a, r->verdicts, &count, err);
  if (failed) return failed;
  REQUIRE(count >= 1 && count <= 1 + a.thread_count);
  failed = keep_verdicts(r, a.sample, count, err);
  if (failed) return failed;
  const store_verdict *own = r->page[r->count - 1].verdicts;
  const char *before = column_text(k, 10);
  r->changed_count += !before || sqlite3_column_int(k->statement, 9) != own->correct ||
                      strcmp(before, own->reason) != 0;
  return OK;
}

static status judge_page(rescoring *r, detail *err) {
  r->count = 0;
  arena_reset(r->kept);
  call k = call_start(&r->owner->on, RESCORE_PAGE);
  call_int(&k, r->run);
  call_int(&k, r->task);
  call_int(&k, r->repeat);
  call_text(&k, r->checker);
  call_int(&k, r->version);
  call_int(&k, r->all);
  status failed;
  int row;
  while (!(failed = call_row(&k, &row, err)) && row && r->count < PAGE_SAMPLES &&
         arena_bytes(r->kept) < PAGE_BYTES) {
    r->task = sqlite3_column_int64(k.statement, 1);
    r->repeat = sqlite3_column_int64(k.statement, 2);
    failed = judge_row(r, &k, err);
    if (failed) break;
  }
  r->more = row || r->count == PAGE_SAMPLES;
  call_end(&k);
  return failed;
}

/* What the checker said before of threads that it does not judge now goes. */
static status write_judged(connection *c, const char *checker, const judged *j, detail *err) {
  call k = call_start(c, VERDICT_CLEAR_THREADS);
  call_int(&k, j->sample);
  call_text(&k, checker);
  status failed = call_run(&k, err);
  for (int i = 0; !failed && i < j->count; i++)
    failed = verdict_write(c, j->sample, &j->verdicts[i], err);
  return failed;
}

static status write_page(rescoring *r, detail *err) {
  status failed = owner_begin(r->owner, err);
  if (failed) return failed;
  for (size_t i = 0; !failed && i < r->count; i++)
    failed = write_judged(&r->owner->on, r->checker, &r->page[i], err);
  failed = owner_end(r->owner, failed, err);
  if (!failed) r->judged_count += (int64_t)r->count;
  return failed;
}

static status rescore_all(rescoring *r, detail *err) {
  status failed = grow(r, err);
  if (!failed) failed = arena_open(&r->kept, PAGE_BYTES_MAX, err);
  if (!failed) failed = arena_open(&r->texts, TEXTS_BYTES_MAX, err);
  for (r->more = 1; !failed && r->more;) {
    failed = judge_page(r, err);
    if (!failed && r->count) failed = write_page(r, err);
  }
  return failed;
}

status store_rescore(store *s, int64_t run, const char *checker, int version, int all,
                     store_judge *judge, void *context, int64_t *judged_count,
                     int64_t *changed_count, detail *err) {
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
  status failed = rescore_all(r, err);
  *judged_count = r->judged_count;
  *changed_count = r->changed_count;
  arena_close(r->kept);
  arena_close(r->texts);
  memory_free(r->threads);
  memory_free(r->verdicts);
  memory_free(r->trace);
  memory_free(r);
  return failed;
}
