#include "store/query.h"

#include "base/memory.h"
#include "store/store_internal.h"

#include <string.h>

struct query {
  store *owner;
  sqlite3_stmt *statement;
  int code; /* the first failure to bind */
  int done; /* SQLite would start again by itself */
};

static status prepare(query *q, const char *sql, detail *err) {
  connection *on = &q->owner->on;
  const char *rest;
  int code = sqlite3_prepare_v2(on->db, sql, -1, &q->statement, &rest);
  if (code == SQLITE_ERROR) {
    return fault(err, E_INPUT, "not a query: %s", sqlite3_errmsg(on->db));
  }
  if (code) return connection_failed(on, code, err);
  while (*rest == ' ' || *rest == '\n' || *rest == '\t' || *rest == '\r' || *rest == ';')
    rest++;
  if (!q->statement || *rest) return fault(err, E_INPUT, "not one query: %s", sql);
  if (!sqlite3_stmt_readonly(q->statement) && sqlite3_column_count(q->statement) > 0) {
    return fault(err, E_INPUT, "a statement that changes the store gives no rows here: %s", sql);
  }
  return OK;
}

status query_open(query **out, store *s, const char *sql, detail *err) {
  query *q = memory_zeroed(1, sizeof *q);
  if (!q) return fault(err, E_MEMORY, "no memory for a query");
  q->owner = s;
  status failed = prepare(q, sql, err);
  if (failed) {
    query_close(q);
    return failed;
  }
  *out = q;
  return OK;
}

void query_close(query *q) {
  if (!q) return;
  (void)sqlite3_finalize(q->statement);
  memory_free(q);
}

static void remember(query *q, int code) {
  if (!q->code) q->code = code;
}

void query_bind_text(query *q, int parameter, const char *value) {
  remember(q, sqlite3_bind_text(q->statement, parameter, value, -1, SQLITE_TRANSIENT));
}

void query_bind_int(query *q, int parameter, int64_t value) {
  remember(q, sqlite3_bind_int64(q->statement, parameter, value));
}

void query_bind_real(query *q, int parameter, double value) {
  remember(q, sqlite3_bind_double(q->statement, parameter, value));
}

void query_bind_blob(query *q, int parameter, const void *bytes, size_t count) {
  const void *data = count ? bytes : "";
  remember(q, sqlite3_bind_blob64(q->statement, parameter, data, count, SQLITE_TRANSIENT));
}

static status change(query *q, detail *err) {
  status failed = owner_begin(q->owner, err);
  if (failed) return failed;
  int code = sqlite3_step(q->statement);
  if (code != SQLITE_DONE) failed = connection_failed(&q->owner->on, code, err);
  (void)sqlite3_reset(q->statement);
  return owner_end(q->owner, failed, err);
}

status query_next(query *q, int *row, detail *err) {
  *row = 0;
  if (q->code) return connection_failed(&q->owner->on, q->code, err);
  if (q->done) return OK;
  if (!sqlite3_stmt_readonly(q->statement)) {
    q->done = 1;
    return change(q, err);
  }
  int code = step_whole(q->statement);
  *row = code == SQLITE_ROW;
  q->done = !*row;
  if (code == SQLITE_ROW || code == SQLITE_DONE) return OK;
  return connection_failed(&q->owner->on, code, err);
}

void query_rewind(query *q) {
  (void)sqlite3_reset(q->statement);
  q->done = 0;
}

int query_columns(const query *q) {
  return sqlite3_column_count(q->statement);
}

const char *query_name(const query *q, int column) {
  const char *name = sqlite3_column_name(q->statement, column);
  return name ? name : "";
}

int query_is_null(const query *q, int column) {
  return sqlite3_column_type(q->statement, column) == SQLITE_NULL;
}

query_kind query_type(const query *q, int column) {
  switch (sqlite3_column_type(q->statement, column)) {
  case SQLITE_INTEGER: return QUERY_INT;
  case SQLITE_FLOAT: return QUERY_REAL;
  case SQLITE_TEXT: return QUERY_TEXT;
  case SQLITE_BLOB: return QUERY_BLOB;
  default: return QUERY_NULL;
  }
}

int64_t query_int(const query *q, int column) {
  return sqlite3_column_int64(q->statement, column);
}

double query_real(const query *q, int column) {
  return sqlite3_column_double(q->statement, column);
}

const char *query_text(const query *q, int column) {
  const char *value = (const char *)sqlite3_column_text(q->statement, column);
  return value ? value : "";
}

const char *query_keep(const query *q, int column, arena *memory) {
  const char *value = query_text(q, column);
  return arena_text(memory, value, strlen(value));
}

const void *query_blob(const query *q, int column, size_t *count) {
  const void *bytes = sqlite3_column_blob(q->statement, column);
  *count = (size_t)sqlite3_column_bytes(q->statement, column);
  return bytes;
}

status query_run(store *s, const char *sql, detail *err) {
  status failed = owner_begin(s, err);
  if (failed) return failed;
  return owner_end(s, connection_run(&s->on, sql, err), err);
}
