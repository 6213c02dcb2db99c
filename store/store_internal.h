/* Private to the room: a connection with its statements, the lock, the writer thread, and records.

   A store that writes has two connections: the owner's, for everything that the opening thread
   does, and the writer thread's, opened by store_process_start. Only one of them is in a write
   transaction at a time: the owner pauses the writer between two of its transactions rather than
   let SQLite wait by sleeping. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include "store/place_internal.h"
#include "store/statements_internal.h"
#include "store/store.h"

#define ZLIB_CONST /* zlib only reads its input */
#include <sqlite3.h>
#include <zlib.h>

/* The .sql files, embedded. */
extern const char store_schema_sql[], store_views_sql[], store_version_3_sql[],
    store_version_4_sql[];

/* ---- connection.c ---------------------------------------------------------------------------- */

enum { BUSY_TIMEOUT_MS = 30000, CLOSE_TIMEOUT_MS = 1000 };

typedef struct connection {
  sqlite3 *db;
  const char *path;                          /* for messages; borrowed */
  sqlite3_stmt *statements[STATEMENT_COUNT]; /* NULL until first used */
} connection;

/* Opens file with SQLite's flags; one thread at a time may use it. path is for messages. */
MUST_CHECK status connection_open(connection *c, const char *file, const char *path, int flags,
                                  detail *err);
void connection_close(connection *c); /* a closed or zeroed one is a no-op */
MUST_CHECK status connection_run(connection *c, const char *sql, detail *err);
/* Ends a transaction that is still open, as some failures end it by themselves. */
void connection_rollback(connection *c);
/* The first column of the first row, 0 without one. */
MUST_CHECK status connection_number(connection *c, const char *sql, int64_t *out, detail *err);
/* What SQLite's result code means to a person. */
status connection_failed(const connection *c, int code, detail *err);

/* sqlite3_step, and then every text of the row once: SQLite gives NULL for one that it has no
   memory to end with a zero, which the reader would take for an SQL NULL. Afterwards it has that
   zero. */
int step_whole(sqlite3_stmt *statement);

/* Whether errno's value says that a disk, a quota or a limit is full, and the failure that it is.
 */
int is_no_room(int cause);
status no_room(const char *path, detail *err);

typedef struct blob {
  const void *data;
  size_t bytes;
} blob;

/* One use of a prepared statement: parameters are bound in order, and the first failure stays until
   call_row or call_run returns it. Text and blobs are borrowed until call_end. */
typedef struct call {
  connection *on;
  sqlite3_stmt *statement;
  int next, code;
} call;

call call_start(connection *c, statement_id id);
void call_int(call *k, int64_t value);         /* STORE_NONE binds NULL */
void call_index(call *k, int32_t value);       /* negative binds NULL */
void call_bits(call *k, uint64_t value);       /* the same 64 bits; never NULL */
void call_real(call *k, double value);         /* NaN binds NULL */
void call_real_or_null(call *k, double value); /* negative binds NULL */
void call_text(call *k, const char *value);    /* NULL binds NULL */
void call_blob(call *k, const void *bytes, size_t count);
void call_blob_or_null(call *k, const blob *b); /* without data binds NULL */
MUST_CHECK status call_row(call *k, int *row, detail *err);
void call_end(call *k);
/* For statements without rows: to the end, and call_end. */
MUST_CHECK status call_run(call *k, detail *err);

/* ---- encode.c -------------------------------------------------------------------------------- */

/* A thread's trace as the table holds it; what it does not have is without data. */
typedef struct packed_trace {
  blob text, ids, logprobs;
} packed_trace;

/* A sample ready to be bound: one allocation that holds every string and blob it points to. Or,
   where is_load, an interval of the engine's load. */
typedef struct record {
  struct record *next;
  size_t bytes; /* of this allocation */
  int is_load;
  store_load load;
  store_sample sample; /* its threads' text, ids and logprobs are told apart from NULL, not read */
  const store_verdict *verdicts;
  size_t verdict_count;
  const packed_trace *traces; /* [sample.thread_count] */
} record;

/* zlib's allocator, through base/memory.h. */
voidpf zlib_take(voidpf context, uInt count, uInt bytes);
void zlib_free(voidpf context, voidpf block);

/* A compressor that is kept between samples, since starting one costs more than a small trace. */
typedef struct record_encoder {
  struct record_encoder *next;
  z_stream stream;
  unsigned char *scratch;
  size_t capacity;
} record_encoder;

MUST_CHECK status record_encoder_open(record_encoder **out, detail *err);
void record_encoder_close(record_encoder *e);
MUST_CHECK status record_make(record **out, record_encoder *e, const store_sample *sample,
                              const store_verdict *verdicts, size_t verdict_count, detail *err);
MUST_CHECK status record_of_load(record **out, const store_load *load, detail *err);

/* The bytes of a blob in sqlar's form, in *out (of *capacity, grown as needed) or borrowed from
   the blob itself; *data says which. Terminated by a zero only in *out. */
MUST_CHECK status sqlar_decode(const void *bytes, size_t count, int64_t size, unsigned char **out,
                               size_t *capacity, const char **data, detail *err);
int sqlar_register(sqlite3 *db); /* the SQL function; SQLite's result code */

/* ---- writer.c -------------------------------------------------------------------------------- */

typedef struct writer writer;

MUST_CHECK status writer_open(writer **out, store *s, detail *err);
/* Writes what is queued, ends the thread and returns the first failure. */
MUST_CHECK status writer_close(writer *w, detail *err);
/* No transaction of the writer is open between the two. NULL is a no-op. */
void writer_pause(writer *w);
void writer_resume(writer *w);

/* ---- sample.c -------------------------------------------------------------------------------- */

/* Within a transaction: writes a sample with all that belongs to it, replacing a failed one. */
MUST_CHECK status sample_write(connection *c, const record *r, int64_t process, detail *err);
MUST_CHECK status verdict_write(connection *c, int64_t sample, const store_verdict *v, detail *err);

/* ---- measured.c ------------------------------------------------------------------------------ */

/* Within a transaction. */
MUST_CHECK status load_write(connection *c, const store_load *load, int64_t process, detail *err);

/* ---- open.c ---------------------------------------------------------------------------------- */

/* A task set between begin and end. */
typedef struct building {
  int open;
  status failed; /* of a task: the set cannot be ended */
  int64_t id, tasks;
  hash_parts hash;
  char name[128];
} building;

/* What store_expected_tokens found last for tasks that nothing is known of. */
typedef struct expectation {
  hash model;
  char mode[32];
  int64_t tokens; /* 0: nothing */
} expectation;

struct store {
  connection on; /* the owner's */
  char *path;    /* as the caller named it */
  char *file;    /* absolute, links resolved: two names of one file meet at one lock */
  logger *messages;
  int writes, network, in_transaction;
  int made, kept; /* this store_open made the file; the owner has committed something to it */
  lock held;
  writer *writer; /* from store_process_start on */
  int64_t process, start_ns;
  building set;
  expectation expected;
};

/* Sets the journal and the durability of a connection that writes. */
MUST_CHECK status store_prepare_writing(connection *c, int network, detail *err);

/* The owner's write transaction; E_STORE on a reader or while a task set is being added. */
MUST_CHECK status owner_begin(store *s, detail *err);
/* Commits, or rolls back when failed is not OK; returns failed, or why the commit failed. */
MUST_CHECK status owner_end(store *s, status failed, detail *err);
void owner_abandon(store *s); /* rolls back */

/* ---- version.c ------------------------------------------------------------------------------- */

/* Whether the file is a store of a version before this one. */
MUST_CHECK status version_is_older(store *s, int *older, detail *err);
/* Refuses what is no store of this version. For a writer, an empty file becomes a store and an
   older one is backed up beside itself and brought up to this version. */
MUST_CHECK status version_check(store *s, detail *err);

/* ---- backup.c -------------------------------------------------------------------------------- */

/* A consistent copy of a connection's file under a name that is not taken yet; whole or not there.
   E_INPUT: the name is taken. */
MUST_CHECK status backup_to(connection *from, const char *path, detail *err);

/* ---- labels.c --------------------------------------------------------------------------------
 */

/* What tasks are called and how they are grouped, which no sample depends on: the labels of the
   tasks of one set that differ from another set's, kept in a file of their own between the two
   transactions of a relabelling. */
typedef struct labels {
  connection kept;
  int64_t count;
} labels;

/* Compares the tasks of set with those of the equal set at their places. */
MUST_CHECK status labels_collect(labels *l, connection *c, int64_t set, int64_t equal, detail *err);
/* Within a transaction: gives them to the tasks of the equal set. */
MUST_CHECK status labels_apply(labels *l, connection *c, detail *err);
void labels_close(labels *l); /* a closed or zeroed one is a no-op */

/* ---- quantiles.c ----------------------------------------------------------------------------- */

MUST_CHECK status quantiles_write(connection *c, detail *err);

#endif
