#include "base/arena.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <string.h>

/* A page is a range of keys, not of results, so that resuming a run that is nearly done reads in
   small pieces too, and no read transaction is held between them. */
enum { PAGE_KEYS = 1000, TASK_BYTES_MAX = 1 << 30 };

typedef struct key {
  int64_t task;
  int32_t attempt;
} key;

struct store_work {
  store *owner;
  store_work_filter filter;
  int64_t task_set, tasks; /* tasks: wanted of the set */
  int32_t repeat;          /* the next page starts here */
  int64_t ordinal;
  key page[PAGE_KEYS];
  int count, at;
  int32_t page_repeat; /* a page lies within one repeat */
  arena *texts;        /* of the item that was given last */
};

/* A filter's numbers may come from a store that anybody made. */
static status check_filter(const store *s, const store_work_filter *f, detail *err) {
  REQUIRE(f->shards >= 0 && f->shard >= 0 && f->shard < (f->shards > 1 ? f->shards : 1));
  if (f->repeats >= 0 && f->repeats <= STORE_REPEATS_MAX) return OK;
  return fault(err, E_STORE, "%s asks for %d repeats of run %lld; 0 to %d are possible", s->path,
               f->repeats, (long long)f->run, (int)STORE_REPEATS_MAX);
}

static int32_t shards_of(const store_work_filter *f) {
  return f->shards > 1 ? f->shards : 1;
}

static status find_tasks(store *s, const store_work_filter *f, int64_t *task_set, int64_t *tasks,
                         detail *err) {
  int found;
  call k = call_start(&s->on, RUN_TASKS);
  call_int(&k, f->run);
  status failed = call_row(&k, &found, err);
  if (!failed && !found) {
    failed = fault(err, E_INPUT, "no run %lld in %s", (long long)f->run, s->path);
  }
  if (!failed) {
    *task_set = sqlite3_column_int64(k.statement, 0);
    *tasks = sqlite3_column_int64(k.statement, 1);
    if (f->task_limit >= 0 && f->task_limit < *tasks) *tasks = f->task_limit;
  }
  call_end(&k);
  return failed;
}

status store_work_open(store_work **out, store *s, const store_work_filter *f, detail *err) {
  status failed = check_filter(s, f, err);
  if (failed) return failed;
  store_work *w = memory_zeroed(1, sizeof *w);
  if (!w) return fault(err, E_MEMORY, "no memory to list the work of %s", s->path);
  w->owner = s;
  w->filter = *f;
  failed = arena_open(&w->texts, TASK_BYTES_MAX, err);
  if (!failed) failed = find_tasks(s, f, &w->task_set, &w->tasks, err);
  if (failed) {
    store_work_close(w);
    return failed;
  }
  *out = w;
  return OK;
}

void store_work_close(store_work *w) {
  if (!w) return;
  arena_close(w->texts);
  memory_free(w);
}

static status read_page(store_work *w, detail *err) {
  const store_work_filter *f = &w->filter;
  call k = call_start(&w->owner->on, WORK_PAGE);
  int64_t end = w->ordinal + PAGE_KEYS < w->tasks ? w->ordinal + PAGE_KEYS : w->tasks;
  call_int(&k, f->run);
  call_int(&k, w->repeat);
  call_int(&k, w->task_set);
  call_int(&k, w->ordinal);
  call_int(&k, end);
  call_int(&k, shards_of(f));
  call_int(&k, f->shard);
  call_int(&k, f->attempts_max);
  w->count = w->at = 0;
  status failed;
  int row;
  while (!(failed = call_row(&k, &row, err)) && row && w->count < PAGE_KEYS) {
    w->page[w->count++] = (key){.task = sqlite3_column_int64(k.statement, 0),
                                .attempt = sqlite3_column_int(k.statement, 1) + 1};
  }
  call_end(&k);
  w->page_repeat = w->repeat;
  w->ordinal = end;
  if (w->ordinal >= w->tasks) {
    w->ordinal = 0;
    w->repeat++;
  }
  return failed;
}

/* A copy of a column that lasts until the next item. */
static const char *keep(store_work *w, const call *k, int column) {
  const char *value = (const char *)sqlite3_column_text(k->statement, column);
  if (!value) return NULL;
  return arena_text(w->texts, value, (size_t)sqlite3_column_bytes(k->statement, column));
}

static status read_columns(store_work *w, const call *k, store_task *task, detail *err) {
  task->name = keep(w, k, 0);
  const void *content = sqlite3_column_blob(k->statement, 1);
  if (!content || sqlite3_column_bytes(k->statement, 1) != HASH_BYTES) {
    return fault(err, E_STORE, "task %lld of %s has no hash of %d bytes", (long long)task->id,
                 w->owner->path, HASH_BYTES);
  }
  memcpy(task->content.bytes, content, HASH_BYTES);
  task->question = keep(w, k, 2);
  task->target = keep(w, k, 3);
  task->cluster = keep(w, k, 4);
  task->split = keep(w, k, 5);
  task->data = keep(w, k, 6);
  int whole = task->name && task->question && task->target && task->data &&
              (task->cluster || sqlite3_column_type(k->statement, 4) == SQLITE_NULL) &&
              (task->split || sqlite3_column_type(k->statement, 5) == SQLITE_NULL);
  return whole ? OK : arena_full(w->texts, err);
}

static status read_task(store_work *w, int64_t id, store_task *task, detail *err) {
  int found;
  arena_reset(w->texts);
  *task = (store_task){.id = id};
  call k = call_start(&w->owner->on, TASK_READ);
  call_int(&k, id);
  status failed = call_row(&k, &found, err);
  if (!failed && !found) {
    failed = fault(err, E_STORE, "task %lld vanished from %s; nothing but nightjar may change it",
                   (long long)id, w->owner->path);
  }
  if (!failed) failed = read_columns(w, &k, task, err);
  call_end(&k);
  return failed;
}

status store_work_next(store_work *w, store_item *item, int *found, detail *err) {
  *found = 0;
  while (w->at == w->count) {
    if (w->repeat >= w->filter.repeats || w->tasks == 0) return OK;
    status failed = read_page(w, err);
    if (failed) return failed;
  }
  const key *next = &w->page[w->at++];
  item->run = w->filter.run;
  item->repeat = w->page_repeat;
  item->attempt = next->attempt > 0 ? next->attempt : 1;
  status failed = read_task(w, next->task, &item->task, err);
  *found = !failed;
  return failed;
}

/* Of the ordinals below tasks, those that this repeat gives to the shard. */
static int64_t wanted_of(const store_work_filter *f, int64_t tasks, int32_t repeat) {
  int64_t shards = shards_of(f), first = (f->shard - repeat % shards + shards) % shards;
  return tasks > first ? (tasks - first - 1) / shards + 1 : 0;
}

int64_t store_work_wanted(const store_work_filter *f, int64_t tasks) {
  int64_t wanted = 0;
  for (int32_t repeat = 0; repeat < f->repeats; repeat++)
    wanted += wanted_of(f, tasks, repeat);
  return wanted;
}

static void add_count(const call *k, store_counts *out) {
  const char *state = (const char *)sqlite3_column_text(k->statement, 0);
  int again = sqlite3_column_int(k->statement, 1);
  int64_t count = sqlite3_column_int64(k->statement, 2);
  if (state && !strcmp(state, "done")) out->done += count;
  if (state && !strcmp(state, "capped")) out->capped += count;
  if (state && !strcmp(state, "failed")) out->failed += count;
  if (!again) out->left -= count;
}

status store_work_count(store *s, const store_work_filter *f, store_counts *out, detail *err) {
  *out = (store_counts){0};
  int64_t task_set, tasks;
  status failed = check_filter(s, f, err);
  if (!failed) failed = find_tasks(s, f, &task_set, &tasks, err);
  if (failed) return failed;
  out->wanted = out->left = store_work_wanted(f, tasks);
  call k = call_start(&s->on, WORK_COUNT);
  call_int(&k, f->run);
  call_int(&k, f->repeats);
  call_int(&k, tasks);
  call_int(&k, shards_of(f));
  call_int(&k, f->shard);
  call_int(&k, f->attempts_max);
  int row;
  while (!(failed = call_row(&k, &row, err)) && row)
    add_count(&k, out);
  call_end(&k);
  return failed;
}
