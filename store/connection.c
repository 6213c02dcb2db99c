#include "store/store_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *const statement_sql[] = {
#define X(name, sql) sql,
    STATEMENT_LIST(X)
#undef X
};

status connection_open(connection *c, const char *file, const char *path, int flags, detail *err) {
  *c = (connection){.path = path};
  int code = sqlite3_open_v2(file, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
  if (!code) code = sqlite3_extended_result_codes(c->db, 1);
  if (!code) code = sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
  if (!code) code = sqlar_register(c->db);
  if (code) {
    status failed = connection_failed(c, code, err);
    connection_close(c);
    return failed;
  }
  /* A store comes from other people: its views may call only what cannot do harm, triggers that
     somebody put into it are not run, and its pages are checked as they are read. */
  code = sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
  status failed = code ? connection_failed(c, code, err) : OK;
  if (!failed) {
    failed = connection_run(
        c, "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON",
        err);
  }
  if (failed) connection_close(c);
  return failed;
}

void connection_close(connection *c) {
  for (int i = 0; i < STATEMENT_COUNT; i++)
    (void)sqlite3_finalize(c->statements[i]);
  (void)sqlite3_close_v2(c->db); /* waits for a query that is still open */
  *c = (connection){0};
}

status connection_run(connection *c, const char *sql, detail *err) {
  int code = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
  return code ? connection_failed(c, code, err) : OK;
}

void connection_rollback(connection *c) {
  if (!sqlite3_get_autocommit(c->db)) (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}

status connection_number(connection *c, const char *sql, int64_t *out, detail *err) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL);
  if (!code) code = sqlite3_step(statement);
  *out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  status failed = OK;
  if (code != SQLITE_ROW && code != SQLITE_DONE) failed = connection_failed(c, code, err);
  (void)sqlite3_finalize(statement);
  return failed;
}

int is_no_room(int cause) {
  return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
}

status no_room(const char *path, detail *err) {
  struct statvfs disk;
  long long free_megabytes = 0;
  /* The file itself may be gone, or not yet there; then its folder says. */
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  int bytes = slash ? (int)(slash - path) + 1 : 1;
  (void)snprintf(folder, sizeof folder, "%.*s", bytes, slash ? path : ".");
  if (statvfs(path, &disk) == 0 || statvfs(folder, &disk) == 0) {
    free_megabytes = (long long)(disk.f_bavail * (disk.f_frsize >> 10) >> 10);
  }
  return fault(err, E_STORE,
               "no room for %s (%lld MB free; a quota or a limit on file sizes counts too): make "
               "room and run again; what was committed stays",
               path, free_megabytes);
}

/* SQLite says FULL for a full disk only; a quota and a file size limit end a night just as well,
   and it says something else where not a write but a journal's making, WAL's index or a late sync
   finds no room. The reason is read from errno: SQLite keeps it on some paths only, and the call
   that failed was the last one that set it. A read needs no room, whatever errno says. */
static int is_full(int code, int cause) {
  if ((code & 0xff) == SQLITE_FULL) return 1;
  if (!is_no_room(cause)) return 0;
  if ((code & 0xff) == SQLITE_CANTOPEN) return 1;
  return (code & 0xff) == SQLITE_IOERR && code != SQLITE_IOERR_READ &&
         code != SQLITE_IOERR_SHORT_READ && code != SQLITE_IOERR_NOMEM;
}

/* A reader that may not write cannot take up the log of a run that was killed. */
static status left_behind(const connection *c, detail *err) {
  return fault(err, E_STORE,
               "%s was left in the middle of a write and cannot be repaired without writing: open "
               "it once where it can be written, or copy it with the files beside it",
               c->path);
}

/* SQLite says only that it could not open something: the file, or the index of its log. */
static status not_opened(const connection *c, const char *said, detail *err) {
  char wal[PATH_MAX];
  int cause = c->db ? sqlite3_system_errno(c->db) : 0;
  (void)snprintf(wal, sizeof wal, "%s-wal", c->path);
  if (cause == ENOENT && access(wal, F_OK) == 0) return left_behind(c, err);
  return fault(err, E_IO, "%s cannot be opened (%s): make it and its folder readable", c->path,
               cause ? strerror(cause) : said);
}

status connection_failed(const connection *c, int code, detail *err) {
  int cause = errno;
  const char *said = c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(code);
  if (is_full(code, cause)) return no_room(c->path, err);
  if (code == SQLITE_IOERR_NOMEM) code = SQLITE_NOMEM; /* memory was wanted amid a file's work */
  if (code == SQLITE_BUSY_SNAPSHOT) {
    return fault(err, E_BUSY, "%s changed under an open query; close the query before writing",
                 c->path);
  }
  if (code == SQLITE_READONLY_RECOVERY || code == SQLITE_READONLY_ROLLBACK ||
      code == SQLITE_READONLY_CANTINIT) {
    return left_behind(c, err);
  }
  switch (code & 0xff) {
  case SQLITE_NOMEM: return fault(err, E_MEMORY, "no memory to use %s", c->path);
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return fault(err, E_BUSY, "%s is locked by another program (%s); close that program", c->path,
                 said);
  case SQLITE_READONLY:
  case SQLITE_PERM: return fault(err, E_STORE, "%s is read-only: %s", c->path, said);
  case SQLITE_NOTADB:
    return fault(err, E_STORE, "%s is not an SQLite file; choose another file", c->path);
  case SQLITE_CORRUPT:
    return fault(err, E_STORE,
                 "%s is damaged (%s): restore a copy, or save what can be read with "
                 "sqlite3's .recover",
                 c->path, said);
  case SQLITE_IOERR:
    return fault(err, E_IO,
                 "%s cannot be read or written (%s): see to the disk and run again; what was "
                 "committed stays",
                 c->path, said);
  case SQLITE_CANTOPEN: return not_opened(c, said, err);
  default: return fault(err, E_STORE, "%s: %s", c->path, said);
  }
}

call call_start(connection *c, statement_id id) {
  call k = {.on = c, .next = 1};
  if (!c->statements[id]) {
    k.code = sqlite3_prepare_v3(c->db, statement_sql[id], -1, SQLITE_PREPARE_PERSISTENT,
                                &c->statements[id], NULL);
  }
  k.statement = c->statements[id];
  return k;
}

void call_int(call *k, int64_t value) {
  if (k->code) return;
  k->code = value == STORE_NONE ? sqlite3_bind_null(k->statement, k->next)
                                : sqlite3_bind_int64(k->statement, k->next, value);
  k->next++;
}

void call_index(call *k, int32_t value) {
  call_int(k, value < 0 ? STORE_NONE : value);
}

void call_bits(call *k, uint64_t value) {
  if (!k->code) k->code = sqlite3_bind_int64(k->statement, k->next++, (int64_t)value);
}

void call_real(call *k, double value) {
  if (!k->code) k->code = sqlite3_bind_double(k->statement, k->next++, value);
}

void call_real_or_null(call *k, double value) {
  if (value < 0) {
    call_int(k, STORE_NONE);
  } else {
    call_real(k, value);
  }
}

void call_text(call *k, const char *value) {
  if (!k->code) k->code = sqlite3_bind_text(k->statement, k->next++, value, -1, SQLITE_STATIC);
}

void call_blob(call *k, const void *bytes, size_t count) {
  if (k->code) return;
  /* A null pointer would bind NULL, and an empty blob is not NULL. */
  const void *data = count ? bytes : "";
  k->code = sqlite3_bind_blob64(k->statement, k->next++, data, count, SQLITE_STATIC);
}

int step_whole(sqlite3_stmt *statement) {
  int code = sqlite3_step(statement);
  if (code != SQLITE_ROW) return code;
  for (int i = 0; i < sqlite3_data_count(statement); i++) {
    if (sqlite3_column_type(statement, i) != SQLITE_TEXT) continue;
    if (!sqlite3_column_text(statement, i)) return SQLITE_NOMEM;
  }
  return SQLITE_ROW;
}

void call_blob_or_null(call *k, const blob *b) {
  if (b->data) {
    call_blob(k, b->data, b->bytes);
  } else {
    call_text(k, NULL);
  }
}

status call_row(call *k, int *row, detail *err) {
  *row = 0;
  if (!k->code) {
    int code = step_whole(k->statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) return OK;
    k->code = code;
  }
  return connection_failed(k->on, k->code, err);
}

void call_end(call *k) {
  if (!k->statement) return;
  (void)sqlite3_reset(k->statement); /* repeats the failure of the step, which was returned */
  (void)sqlite3_clear_bindings(k->statement);
}

status call_run(call *k, detail *err) {
  int row;
  status failed = call_row(k, &row, err);
  call_end(k);
  return failed;
}
