#include "store/stored.h"

#include "base/memory.h"
#include "store/store_internal.h"

#include <math.h>
#include <string.h>

/* A row that is read column by column. The first failure stays, and what is read then is nothing.
 */
typedef struct reader {
  call k;
  int column;
  arena *memory;
  unsigned char *scratch; /* grown as needed */
  size_t capacity;
  int64_t sample; /* for messages */
  status failed;
  detail *err;
} reader;

static void refuse(reader *r, const char *what) {
  if (r->failed) return;
  r->failed = fault(r->err, E_STORE, "sample %lld of %s is damaged: %s; restore a copy",
                    (long long)r->sample, r->k.on->path, what);
}

static int is_null(const reader *r) {
  return sqlite3_column_type(r->k.statement, r->column) == SQLITE_NULL;
}

static int64_t next_int(reader *r) {
  int64_t value = is_null(r) ? STORE_NONE : sqlite3_column_int64(r->k.statement, r->column);
  r->column++;
  return value;
}

static int32_t next_index(reader *r) {
  int64_t value = next_int(r);
  if (value == STORE_NONE) return -1;
  if (value < 0 || value > INT32_MAX) refuse(r, "a number is too large");
  return (int32_t)value;
}

static double next_real(reader *r, double none) {
  double value = is_null(r) ? none : sqlite3_column_double(r->k.statement, r->column);
  r->column++;
  return value;
}

static const void *keep(reader *r, const void *bytes, size_t count) {
  const char *kept = r->failed ? NULL : arena_text(r->memory, bytes, count);
  if (!r->failed && !kept) r->failed = arena_full(r->memory, r->err);
  return kept;
}

/* NULL for NULL. */
static const char *next_text(reader *r) {
  const char *value = (const char *)sqlite3_column_text(r->k.statement, r->column);
  size_t count = (size_t)sqlite3_column_bytes(r->k.statement, r->column++);
  if (!value) return NULL;
  if (strlen(value) != count) refuse(r, "a text holds a zero byte");
  return keep(r, value, count);
}

static void next_hash(reader *r, hash *out) {
  const void *bytes = sqlite3_column_blob(r->k.statement, r->column);
  int whole = bytes && sqlite3_column_bytes(r->k.statement, r->column++) == HASH_BYTES;
  if (!whole) {
    refuse(r, "its task has no hash");
  } else {
    memcpy(out->bytes, bytes, HASH_BYTES);
  }
}

/* A blob in sqlar's form and its size; NULL for NULL. */
static const void *next_packed(reader *r, size_t *count) {
  const void *bytes = sqlite3_column_blob(r->k.statement, r->column);
  size_t held = (size_t)sqlite3_column_bytes(r->k.statement, r->column);
  int there = !is_null(r);
  r->column++;
  int64_t size = next_int(r);
  const char *data = "";
  *count = 0;
  if (!there || r->failed) return NULL;
  detail why;
  status failed = sqlar_decode(bytes, held, size, &r->scratch, &r->capacity, &data, &why);
  if (failed == E_STORE) {
    refuse(r, why.text);
  } else if (failed) {
    r->failed = fault(r->err, failed, "%s", why.text);
  }
  if (r->failed) return NULL;
  *count = size > 0 ? (size_t)size : held;
  return keep(r, data, *count);
}

/* Bytes of so many words of four; the arena aligns them. */
static size_t words(reader *r, size_t bytes) {
  if (bytes % 4) refuse(r, "ids or log-probabilities are cut short");
  return bytes / 4;
}

/* ---- a sample ---------------------------------------------------------------------------------
 */

static void read_costs(reader *r, store_costs *c) {
  c->tokens_generated = next_int(r);
  c->tokens_injected = next_int(r);
  c->tokens_prompt = next_int(r);
  c->tokens_finisher = next_int(r);
  c->tokens_total = next_int(r);
  c->tokens_ref = next_int(r);
  c->seq_critical_path = next_int(r);
  c->seq_critical_path_injected = next_int(r);
  c->seq_longest_sequence = next_int(r);
  c->seq_forwards = next_int(r);
  c->context_peak = next_int(r);
  c->wait_steps = next_int(r);
  c->flops = next_real(r, -1);
  c->kv_token_steps = next_int(r);
  c->nodes_explored = next_int(r);
  c->nodes_duplicate = next_int(r);
  c->children = next_int(r);
  c->children_refused = next_int(r);
  c->rounds = next_int(r);
}

static void read_task(reader *r, store_task *t) {
  t->id = next_int(r);
  t->name = next_text(r);
  next_hash(r, &t->content);
  t->question = next_text(r);
  t->target = next_text(r);
  t->cluster = next_text(r);
  t->split = next_text(r);
  t->data = next_text(r);
  if (r->failed) return;
  hash content = store_task_hash(t->question ? t->question : "", t->target ? t->target : "");
  if (!hash_equal(&content, &t->content)) refuse(r, "its task is not the one that was hashed");
}

static void read_sample(reader *r, stored_sample *out) {
  store_sample *s = &out->sample;
  read_task(r, &out->task);
  s->task = out->task.id;
  s->run = next_int(r);
  s->repeat = next_index(r);
  s->attempt = next_index(r);
  s->status = next_text(r);
  s->limit_met = next_text(r);
  s->answer = next_text(r);
  s->vote_key = next_text(r);
  s->error = next_text(r);
  read_costs(r, &s->costs);
  s->thread_count = next_index(r);
  s->queued_ns = next_int(r);
  s->started_ns = next_int(r);
  s->first_token_ns = next_int(r);
  s->ended_ns = next_int(r);
  s->batch_samples = next_real(r, -1);
  s->derived = next_int(r) == 1;
  if (next_int(r) != s->thread_count) refuse(r, "it has not as many threads as it says");
}

static status find_sample(reader *r, store *s, stored_sample *out, detail *err) {
  int row;
  r->k = call_start(&s->on, STORED_SAMPLE);
  r->column = 0;
  call_int(&r->k, out->id);
  status failed = call_row(&r->k, &row, err);
  if (!failed && !row)
    failed = fault(err, E_INPUT, "no sample %lld in %s", (long long)out->id, s->path);
  if (!failed) {
    read_sample(r, out);
    failed = r->failed;
  }
  call_end(&r->k);
  return failed;
}

/* ---- its threads ------------------------------------------------------------------------------
 */

static void read_trace(reader *r, store_thread *t) {
  size_t bytes;
  t->text = next_packed(r, &t->text_bytes);
  t->ids = next_packed(r, &bytes);
  t->id_count = words(r, bytes);
  int there = !is_null(r);
  const void *logprobs = sqlite3_column_blob(r->k.statement, r->column);
  bytes = (size_t)sqlite3_column_bytes(r->k.statement, r->column++);
  t->logprobs = there ? keep(r, logprobs ? logprobs : "", bytes) : NULL;
  t->logprob_count = words(r, bytes);
  t->layout_json = next_text(r);
}

static void read_thread(reader *r, store_thread *t) {
  t->path = next_text(r);
  t->parent = next_index(r);
  t->role = next_text(r);
  t->worker = next_index(r);
  t->round = next_index(r);
  t->spawn_token = next_int(r);
  t->join_token = next_int(r);
  t->tokens_prompt = next_int(r);
  t->tokens_fed = next_int(r);
  t->tokens_generated = next_int(r);
  t->tokens_seen = next_int(r);
  t->answer = next_text(r);
  t->finish = next_text(r);
  t->logical_start = next_int(r);
  t->logical_end = next_int(r);
  t->wait_steps = next_int(r);
  t->bits_hash = (uint64_t)sqlite3_column_int64(r->k.statement, r->column++);
  t->tokens_cached = next_int(r);
  t->drafted = next_int(r);
  t->accepted = next_int(r);
  t->rows_spent = next_int(r);
  t->queued_ns = next_int(r);
  t->started_ns = next_int(r);
  t->first_token_ns = next_int(r);
  t->ended_ns = next_int(r);
  t->vote_key = next_text(r);
  t->logprob = next_real(r, (double)NAN);
  read_trace(r, t);
}

static status find_threads(reader *r, store *s, stored_sample *out, detail *err) {
  int32_t wanted = out->sample.thread_count, count = 0;
  if (!wanted) return OK;
  store_thread *threads = arena_take(r->memory, (size_t)wanted, sizeof *threads);
  if (!threads) return arena_full(r->memory, err);
  int row;
  status failed;
  r->k = call_start(&s->on, STORED_THREADS);
  call_int(&r->k, out->id);
  while (!(failed = call_row(&r->k, &row, err)) && row && count < wanted) {
    r->column = 0;
    if (next_int(r) != count) refuse(r, "its threads are not in order");
    read_thread(r, &threads[count]);
    if (threads[count].parent >= count) refuse(r, "a thread comes before its parent");
    if (r->failed) break;
    count++;
  }
  call_end(&r->k);
  out->sample.threads = threads;
  return failed ? failed : r->failed;
}

status stored_sample_read(stored_sample *out, store *s, int64_t id, arena *memory, detail *err) {
  reader r = {.memory = memory, .sample = id, .err = err};
  *out = (stored_sample){.id = id};
  status failed = find_sample(&r, s, out, err);
  if (!failed) failed = find_threads(&r, s, out, err);
  memory_free(r.scratch);
  return failed;
}

/* ---- drawing ----------------------------------------------------------------------------------
 */

/* A sample by what it is drawn by. */
typedef struct drawn {
  hash key;
  int64_t id;
} drawn;

static void put_number(hash_parts *h, uint64_t value) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++)
    bytes[i] = (uint8_t)(value >> 8 * i);
  hash_part(h, bytes, sizeof bytes);
}

/* The row: id, run's identity, task's hash, its ordinal, repeat. */
static drawn draw(const call *k, uint64_t seed) {
  hash_parts h;
  hash_start(&h);
  put_number(&h, seed);
  for (int column = 1; column <= 2; column++) {
    const void *bytes = sqlite3_column_blob(k->statement, column);
    hash_part(&h, bytes ? bytes : "", (size_t)sqlite3_column_bytes(k->statement, column));
  }
  put_number(&h, (uint64_t)sqlite3_column_int64(k->statement, 3));
  put_number(&h, (uint64_t)sqlite3_column_int64(k->statement, 4));
  return (drawn){.key = hash_end(&h), .id = sqlite3_column_int64(k->statement, 0)};
}

/* Keeps the first most of all that come, in order. */
static void place(drawn *kept, size_t *count, size_t most, const drawn *d) {
  size_t at = *count;
  while (at > 0 && memcmp(d->key.bytes, kept[at - 1].key.bytes, HASH_BYTES) < 0)
    at--;
  if (at == most) return;
  size_t moved = (*count < most ? *count : most - 1) - at;
  memmove(&kept[at + 1], &kept[at], moved * sizeof *kept);
  kept[at] = *d;
  if (*count < most) (*count)++;
}

static status draw_run(store *s, const stored_choice *c, int64_t run, drawn *kept, size_t *count,
                       detail *err) {
  status failed;
  int row;
  call k = call_start(&s->on, STORED_KEYS);
  call_int(&k, run);
  while (!(failed = call_row(&k, &row, err)) && row) {
    drawn d = draw(&k, c->seed);
    place(kept, count, c->count, &d);
  }
  call_end(&k);
  return failed;
}

status stored_sample_pick(store *s, const stored_choice *c, int64_t *ids, size_t *found,
                          detail *err) {
  *found = 0;
  if (!c->count) return OK;
  drawn *kept = memory_zeroed(c->count, sizeof *kept);
  if (!kept) return fault(err, E_MEMORY, "no memory to draw %zu samples", c->count);
  status failed = OK;
  size_t count = 0;
  for (size_t i = 0; !failed && i < c->run_count; i++)
    failed = draw_run(s, c, c->runs[i], kept, &count, err);
  for (size_t i = 0; !failed && i < count; i++)
    ids[i] = kept[i].id;
  if (!failed) *found = count;
  memory_free(kept);
  return failed;
}
