#include "base/memory.h"
#include "store/store_internal.h"

#include <string.h>

/* The form is SQLite's sqlar (sqlite.org/sqlar.html): zlib where that is smaller, else the bytes
   themselves; a blob of its own size is not compressed.

   Level 5 by measurement on search traces of 4 kB and 25 kB: 84 and 128 MB/s on one core and a
   ratio of 5.5 and 7.8, where level 1 has 123 and 262 MB/s with 5.0 and 6.5, and level 6 is within
   1 % of level 5 in size and up to 25 % slower. A thousand samples a second of 25 kB cost a fifth
   of a core. Starting a stream costs 60 us, twice a small trace's compression, so streams are
   kept. Tokens of traces (3.5 kB) have 83 MB/s and 6.2 at level 5, 120 MB/s and 5.8 at level 3. */
enum { LEVEL = 5, LEVEL_OF_IDS = 3 };
/* SQLite holds a billion bytes in a value, and no more than a usual scratch is kept for the next.
 */
enum { TRACE_BYTES_MAX = 512 << 20, SCRATCH_KEPT_BYTES = 4 << 20 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "ids and log-probabilities are stored as they lie in memory");

voidpf zlib_take(voidpf context, uInt count, uInt bytes) {
  (void)context;
  return memory_zeroed(count, bytes);
}

void zlib_free(voidpf context, voidpf block) {
  (void)context;
  memory_free(block);
}

status record_encoder_open(record_encoder **out, detail *err) {
  record_encoder *e = memory_zeroed(1, sizeof *e);
  if (!e) return fault(err, E_MEMORY, "no memory to compress traces");
  e->stream.zalloc = zlib_take;
  e->stream.zfree = zlib_free;
  if (deflateInit(&e->stream, LEVEL) != Z_OK) {
    memory_free(e);
    return fault(err, E_MEMORY, "no memory to compress traces");
  }
  *out = e;
  return OK;
}

void record_encoder_close(record_encoder *e) {
  if (!e) return;
  (void)deflateEnd(&e->stream);
  memory_free(e->scratch);
  memory_free(e);
}

static status reserve(record_encoder *e, size_t bytes, detail *err) {
  if (e->capacity > SCRATCH_KEPT_BYTES && bytes <= SCRATCH_KEPT_BYTES) {
    memory_free(e->scratch);
    e->scratch = NULL;
    e->capacity = 0;
  }
  if (bytes <= e->capacity) return OK;
  unsigned char *scratch = memory_grow(e->scratch, bytes);
  if (!scratch) return fault(err, E_MEMORY, "no memory to compress %zu bytes of traces", bytes);
  e->scratch = scratch;
  e->capacity = bytes;
  return OK;
}

/* Writes at most count bytes and returns how many. */
static size_t pack(record_encoder *e, int level, const char *bytes, size_t count,
                   unsigned char *out) {
  if (count > 1) {
    z_stream *z = &e->stream;
    REQUIRE(deflateReset(z) == Z_OK && deflateParams(z, level, Z_DEFAULT_STRATEGY) == Z_OK);
    z->next_in = (z_const Bytef *)bytes;
    z->avail_in = (uInt)count;
    z->next_out = out;
    z->avail_out = (uInt)count - 1; /* what does not fit did not shrink */
    if (deflate(z, Z_FINISH) == Z_STREAM_END) return count - 1 - z->avail_out;
  }
  if (count) memcpy(out, bytes, count);
  return count;
}

/* ---- records ----------------------------------------------------------------------------------
 */

static size_t string_room(const char *string) {
  return string ? strlen(string) + 1 : 0;
}

static size_t strings_room(const store_sample *s, const store_verdict *verdicts, size_t count) {
  size_t bytes = string_room(s->status) + string_room(s->limit_met) + string_room(s->answer) +
                 string_room(s->vote_key) + string_room(s->error);
  for (int32_t i = 0; i < s->thread_count; i++) {
    const store_thread *t = &s->threads[i];
    bytes += string_room(t->path) + string_room(t->role) + string_room(t->finish) +
             string_room(t->answer) + string_room(t->vote_key) + string_room(t->layout_json);
  }
  for (size_t i = 0; i < count; i++)
    bytes += string_room(verdicts[i].checker) + string_room(verdicts[i].reason);
  return bytes;
}

static void move_string(const char **string, char **at) {
  if (!*string) return;
  size_t bytes = strlen(*string) + 1;
  *string = memcpy(*at, *string, bytes);
  *at += bytes;
}

static void move_strings(store_sample *s, store_thread *threads, store_verdict *verdicts,
                         size_t verdict_count, char *at) {
  move_string(&s->status, &at);
  move_string(&s->limit_met, &at);
  move_string(&s->answer, &at);
  move_string(&s->vote_key, &at);
  move_string(&s->error, &at);
  for (int32_t i = 0; i < s->thread_count; i++) {
    move_string(&threads[i].path, &at);
    move_string(&threads[i].role, &at);
    move_string(&threads[i].finish, &at);
    move_string(&threads[i].answer, &at);
    move_string(&threads[i].vote_key, &at);
    move_string(&threads[i].layout_json, &at);
  }
  for (size_t i = 0; i < verdict_count; i++) {
    move_string(&verdicts[i].checker, &at);
    move_string(&verdicts[i].reason, &at);
  }
}

/* What the tables would refuse in the writer's thread is our own mistake, and is found here. */
static void check_sample(const store_sample *s, const store_verdict *verdicts, size_t count) {
  REQUIRE(s->status && (!strcmp(s->status, "done") || !strcmp(s->status, "capped") ||
                        !strcmp(s->status, "failed")));
  REQUIRE(s->attempt > 0 && s->repeat >= 0 && s->thread_count >= 0);
  REQUIRE(s->costs.children >= 0 && s->costs.children_refused >= 0 && s->costs.rounds >= 0);
  REQUIRE(s->queued_ns != STORE_NONE && s->started_ns != STORE_NONE && s->ended_ns != STORE_NONE);
  for (int32_t i = 0; i < s->thread_count; i++) {
    const store_thread *t = &s->threads[i];
    REQUIRE(t->path && t->role && t->finish && t->parent < i);
    REQUIRE(t->text || t->text_bytes == 0);
    REQUIRE(t->ids ? t->text != NULL : t->id_count == 0);
    REQUIRE(t->logprobs ? t->ids != NULL : t->logprob_count == 0);
  }
  for (size_t i = 0; i < count; i++) {
    REQUIRE(verdicts[i].checker && verdicts[i].reason);
    REQUIRE(verdicts[i].score >= 0 && verdicts[i].score <= 1);
  }
}

/* Of a thread, what its text and its ids take when compressed, in this order. */
typedef struct packed_bytes {
  size_t text, ids;
} packed_bytes;

static status trace_room(const store_sample *s, size_t *bytes, detail *err) {
  *bytes = 0;
  for (int32_t i = 0; i < s->thread_count; i++) {
    const store_thread *t = &s->threads[i];
    size_t most = TRACE_BYTES_MAX / sizeof *t->ids;
    if (t->text_bytes > TRACE_BYTES_MAX || t->id_count > most || t->logprob_count > most) {
      return fault(err, E_LIMIT,
                   "a trace of %zu bytes and %zu tokens; at most %d and %zu are stored",
                   t->text_bytes, t->id_count, (int)TRACE_BYTES_MAX, most);
    }
    *bytes += t->text_bytes + t->id_count * sizeof *t->ids;
  }
  return OK;
}

/* Compresses the traces behind each other into the scratch, with their sizes before them, so that
   the record that is made next has its exact size. Returns the bytes of all. */
static size_t pack_traces(record_encoder *e, const store_sample *s) {
  packed_bytes *sizes = (packed_bytes *)(void *)e->scratch;
  size_t packed = 0;
  unsigned char *start = e->scratch + (size_t)s->thread_count * sizeof *sizes;
  for (int32_t i = 0; i < s->thread_count; i++) {
    const store_thread *t = &s->threads[i];
    sizes[i].text = pack(e, LEVEL, t->text, t->text_bytes, start + packed);
    packed += sizes[i].text;
    const char *ids = (const char *)(const void *)t->ids;
    sizes[i].ids = pack(e, LEVEL_OF_IDS, ids, t->id_count * sizeof *t->ids, start + packed);
    packed += sizes[i].ids;
  }
  return packed;
}

static size_t logprobs_room(const store_sample *s) {
  size_t bytes = 0;
  for (int32_t i = 0; i < s->thread_count; i++)
    bytes += s->threads[i].logprob_count * sizeof(float);
  return bytes;
}

/* The next bytes of a record; without data where the thread has none of the kind. */
static blob next_part(char **at, const void *there, size_t bytes) {
  blob part = {.data = there ? *at : NULL, .bytes = bytes};
  *at += bytes;
  return part;
}

/* Packed texts and ids come as they lie in the scratch, log-probabilities behind all of them. */
static void fill_traces(packed_trace *traces, const record_encoder *e, const store_thread *threads,
                        size_t count, size_t packed, char *data) {
  const packed_bytes *sizes = (const packed_bytes *)(const void *)e->scratch;
  char *logprobs = data + packed;
  if (packed) memcpy(data, e->scratch + count * sizeof *sizes, packed);
  for (size_t i = 0; i < count; i++) {
    const store_thread *t = &threads[i];
    size_t bytes = t->logprob_count * sizeof *t->logprobs;
    if (bytes) memcpy(logprobs, t->logprobs, bytes);
    traces[i].text = next_part(&data, t->text, sizes[i].text);
    traces[i].ids = next_part(&data, t->ids, sizes[i].ids);
    traces[i].logprobs = next_part(&logprobs, t->logprobs, bytes);
  }
}

/* In the record: itself, threads, blobs, verdicts (all aligned alike), traces, strings. */
static void fill(record *r, const record_encoder *e, const store_verdict *verdicts, size_t packed) {
  size_t threads = (size_t)r->sample.thread_count;
  store_thread *thread = (store_thread *)(r + 1);
  packed_trace *traces = (packed_trace *)(thread + threads);
  store_verdict *verdict = (store_verdict *)(traces + threads);
  char *data = (char *)(verdict + r->verdict_count);
  if (threads) memcpy(thread, r->sample.threads, threads * sizeof *thread);
  if (r->verdict_count) memcpy(verdict, verdicts, r->verdict_count * sizeof *verdict);
  fill_traces(traces, e, thread, threads, packed, data);
  char *strings = data + packed + logprobs_room(&r->sample);
  r->sample.threads = thread;
  r->traces = traces;
  r->verdicts = verdict;
  move_strings(&r->sample, thread, verdict, r->verdict_count, strings);
}

status record_make(record **out, record_encoder *e, const store_sample *sample,
                   const store_verdict *verdicts, size_t verdict_count, detail *err) {
  check_sample(sample, verdicts, verdict_count);
  size_t threads = (size_t)sample->thread_count, room;
  status failed = trace_room(sample, &room, err);
  if (!failed) failed = reserve(e, threads * sizeof(packed_bytes) + room, err);
  if (failed) return failed;
  size_t packed = pack_traces(e, sample);
  size_t bytes = sizeof(record) + threads * (sizeof(store_thread) + sizeof(packed_trace)) +
                 verdict_count * sizeof(store_verdict) + packed + logprobs_room(sample) +
                 strings_room(sample, verdicts, verdict_count);
  record *r = memory_take(bytes);
  if (!r) return fault(err, E_MEMORY, "no memory to queue a sample of %zu bytes", bytes);
  *r = (record){.bytes = bytes, .sample = *sample, .verdict_count = verdict_count};
  fill(r, e, verdicts, packed);
  *out = r;
  return OK;
}

status record_of_load(record **out, const store_load *load, detail *err) {
  record *r = memory_take(sizeof *r);
  if (!r) return fault(err, E_MEMORY, "no memory to queue the engine's load");
  *r = (record){.bytes = sizeof *r, .is_load = 1, .load = *load};
  *out = r;
  return OK;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static status inflate_all(const void *bytes, size_t count, unsigned char *out, size_t size,
                          detail *err) {
  z_stream z = {.zalloc = zlib_take, .zfree = zlib_free};
  if (inflateInit(&z) != Z_OK) return fault(err, E_MEMORY, "no memory to read a trace");
  z.next_in = (z_const Bytef *)bytes;
  z.avail_in = (uInt)count;
  z.next_out = out;
  z.avail_out = (uInt)size;
  int code = inflate(&z, Z_FINISH);
  int whole = code == Z_STREAM_END && z.total_out == size;
  (void)inflateEnd(&z);
  if (code == Z_MEM_ERROR) return fault(err, E_MEMORY, "no memory to read a trace");
  return whole ? OK : fault(err, E_STORE, "a trace is damaged: %zu bytes are not zlib's", count);
}

status sqlar_decode(const void *bytes, size_t count, int64_t size, unsigned char **out,
                    size_t *capacity, const char **data, detail *err) {
  if (size <= 0 || (size_t)size == count) {
    *data = count ? bytes : "";
    return OK;
  }
  if (size > TRACE_BYTES_MAX || count > TRACE_BYTES_MAX) {
    return fault(err, E_STORE, "a trace is damaged: it claims %lld bytes", (long long)size);
  }
  if ((size_t)size >= *capacity) {
    unsigned char *grown = memory_grow(*out, (size_t)size + 1);
    if (!grown)
      return fault(err, E_MEMORY, "no memory to read a trace of %lld bytes", (long long)size);
    *out = grown;
    *capacity = (size_t)size + 1;
  }
  status failed = inflate_all(bytes, count, *out, (size_t)size, err);
  if (failed) return failed;
  (*out)[size] = 0;
  *data = (const char *)*out;
  return OK;
}

/* As in the stock shell: sqlar_uncompress(blob, bytes). */
static void uncompress_in_sql(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  int64_t size = sqlite3_value_int64(values[1]);
  const void *bytes = sqlite3_value_blob(values[0]);
  size_t held = (size_t)sqlite3_value_bytes(values[0]), capacity = 0;
  if (!bytes || size <= 0 || (size_t)size == held) {
    sqlite3_result_value(context, values[0]);
    return;
  }
  unsigned char *out = NULL;
  const char *data;
  detail why;
  status failed = sqlar_decode(bytes, held, size, &out, &capacity, &data, &why);
  if (failed == E_MEMORY) {
    sqlite3_result_error_nomem(context);
  } else if (failed) {
    sqlite3_result_error(context, why.text, -1);
  } else {
    sqlite3_result_blob64(context, data, (sqlite3_uint64)size, SQLITE_TRANSIENT);
  }
  memory_free(out);
}

int sqlar_register(sqlite3 *db) {
  return sqlite3_create_function_v2(db, "sqlar_uncompress", 2,
                                    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                    uncompress_in_sql, NULL, NULL, NULL);
}
