#include "base/clock.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

const char *store_path(const store *s) {
  return s->path;
}

int store_writable(const store *s) {
  return s->writes;
}

/* ---- where it is ------------------------------------------------------------------------------
 */

/* The folder's real path and the name, for a file that is not there yet. */
static status resolve_new(char out[PATH_MAX], const char *path, detail *err) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t bytes = slash ? (size_t)(slash - path) : 0;
  if (strlen(path) >= sizeof folder || !*name) {
    return fault(err, E_IO, "\"%s\" is not the name of a file", path);
  }
  memcpy(folder, path, bytes);
  folder[bytes] = 0;
  if (!realpath(bytes ? folder : slash ? "/" : ".", out)) {
    return fault(err, E_IO, "the folder of %s is not there; make it first", path);
  }
  size_t used = strlen(out);
  if (used > 1) out[used++] = '/';
  if (used + strlen(name) >= PATH_MAX) return fault(err, E_IO, "the path %s is too long", path);
  memcpy(out + used, name, strlen(name) + 1);
  return OK;
}

static status resolve(store *s, detail *err) {
  char file[PATH_MAX];
  struct stat info;
  if (realpath(s->path, file)) {
    if (stat(file, &info) == 0 && !S_ISREG(info.st_mode)) {
      return fault(err, E_STORE, "%s is not a file; choose another with --db", s->path);
    }
  } else if (!s->writes) {
    return fault(err, E_INPUT, "there is no store at %s; name one with --db, or make one with run",
                 s->path);
  } else {
    status failed = resolve_new(file, s->path, err);
    if (failed) return failed;
  }
  s->file = memory_copy_text(file);
  return s->file ? OK : fault(err, E_MEMORY, "no memory to open %s", s->path);
}

/* ---- what it is -------------------------------------------------------------------------------
 */

static status create(store *s, detail *err) {
  char numbers[128];
  (void)sqlite3_snprintf(sizeof numbers, numbers,
                         "PRAGMA application_id = %d; PRAGMA user_version = %d",
                         (int)STORE_APPLICATION_ID, (int)STORE_VERSION);
  /* In the rollback journal's mode, so that a kill leaves an empty file or a whole store. */
  status failed = connection_run(&s->on, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE", err);
  if (failed) return failed;
  failed = connection_run(&s->on, numbers, err);
  if (!failed) failed = connection_run(&s->on, store_schema_sql, err);
  if (!failed) failed = connection_run(&s->on, store_views_sql, err);
  if (!failed) failed = quantiles_write(&s->on, err);
  if (!failed) failed = connection_run(&s->on, "COMMIT", err);
  connection_rollback(&s->on);
  return failed;
}

/* Reads through SQLite and not from the header's bytes: they may still be in a journal. */
static status identify(store *s, detail *err) {
  int64_t pages, application, version;
  status failed = connection_number(&s->on, "PRAGMA page_count", &pages, err);
  if (!failed) failed = connection_number(&s->on, "PRAGMA application_id", &application, err);
  if (!failed) failed = connection_number(&s->on, "PRAGMA user_version", &version, err);
  if (failed) return failed;
  if (pages == 0 && s->writes) return create(s, err);
  if (pages == 0) return fault(err, E_STORE, "%s is empty: no run has been stored in it", s->path);
  if (application != STORE_APPLICATION_ID) {
    return fault(err, E_STORE,
                 "%s is an SQLite file of another program (application id %lld); choose another "
                 "with --db",
                 s->path, (long long)application);
  }
  if (version > STORE_VERSION) {
    return fault(
        err, E_STORE,
        "%s was written by a newer Nightjar (store version %lld, this one reads up to %d); "
        "use the newer one",
        s->path, (long long)version, (int)STORE_VERSION);
  }
  if (version != STORE_VERSION) {
    return fault(err, E_STORE, "%s is damaged: it says store version %lld, which never was",
                 s->path, (long long)version);
  }
  return OK;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

status store_prepare_writing(connection *c, int network, detail *err) {
  /* 4,000 pages are 16 MB: enough to spread a checkpoint's syncs, little enough to read fast. */
  const char *local = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                      "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; "
                      "PRAGMA cache_size = -65536";
  const char *shared = "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; "
                       "PRAGMA cache_size = -65536";
  return connection_run(c, network ? shared : local, err);
}

static status open_writing(store *s, int network, detail *err) {
  struct statfs where;
  status failed = lock_take(&s->held, s->file, s->path, err);
  if (failed) return failed;
  s->network = network;
  if (network < 0) {
    s->network = fstatfs(s->held.file, &where) == 0 &&
                 place_of((uint32_t)where.f_type, NULL) == PLACE_NETWORK;
  }
  failed =
      connection_open(&s->on, s->file, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
  if (!failed) failed = identify(s, err);
  if (failed) return failed;
  if (sqlite3_db_readonly(s->on.db, "main") == 1) {
    return fault(err, E_STORE, "%s is read-only; make it writable or choose another with --db",
                 s->path);
  }
  if (s->network) {
    log_warn(s->messages,
             "%s is on a network file system: a slower journal is used, and only this process may "
             "use it; a local disk is better",
             s->path);
  }
  return store_prepare_writing(&s->on, s->network, err);
}

static status open_reading(store *s, detail *err) {
  status failed = connection_open(&s->on, s->file, s->path, SQLITE_OPEN_READONLY, err);
  return failed ? failed : identify(s, err);
}

static void release(store *s) {
  connection_close(&s->on);
  lock_release(&s->held);
  memory_free(s->path);
  memory_free(s->file);
  memory_free(s);
}

status store_open_on(store **out, const char *path, store_access access, int network,
                     logger *messages, detail *err) {
  store *s = memory_zeroed(1, sizeof *s);
  if (!s) return fault(err, E_MEMORY, "no memory to open %s", path);
  s->held.file = -1;
  s->messages = messages;
  s->writes = access == STORE_WRITE;
  s->start_ns = clock_monotonic_ns();
  s->path = memory_copy_text(path);
  status failed = s->path ? resolve(s, err) : fault(err, E_MEMORY, "no memory to open %s", path);
  if (!failed) failed = s->writes ? open_writing(s, network, err) : open_reading(s, err);
  if (failed) {
    release(s);
    return failed;
  }
  *out = s;
  return OK;
}

status store_open(store **out, const char *path, store_access access, logger *messages,
                  detail *err) {
  return store_open_on(out, path, access, -1, messages, err);
}

/* ---- the owner's transactions -----------------------------------------------------------------
 */

status owner_begin(store *s, detail *err) {
  if (!s->writes) return fault(err, E_STORE, "%s was opened for reading", s->path);
  if (s->in_transaction) {
    return fault(err, E_STORE, "a task set is being added to %s; end or abandon it first", s->path);
  }
  writer_pause(s->writer);
  status failed = connection_run(&s->on, "BEGIN IMMEDIATE", err);
  if (failed) {
    writer_resume(s->writer);
  } else {
    s->in_transaction = 1;
  }
  return failed;
}

void owner_abandon(store *s) {
  connection_rollback(&s->on);
  s->in_transaction = 0;
  writer_resume(s->writer);
}

status owner_end(store *s, status failed, detail *err) {
  if (!failed) failed = connection_run(&s->on, "COMMIT", err);
  owner_abandon(s); /* with nothing left to roll back after a commit */
  return failed;
}

/* ---- closing ----------------------------------------------------------------------------------
 */

static status end_process(store *s, detail *err) {
  if (!s->process) return OK;
  status failed = owner_begin(s, err);
  if (failed) return failed;
  call k = call_start(&s->on, PROCESS_END);
  call_int(&k, s->process);
  call_int(&k, store_now_ns(s));
  return owner_end(s, call_run(&k, err), err);
}

/* Folds the journal into the one file. A reader that has it open prevents that, and then the last
   one to close it, or the next run, does it. */
static void leave_one_file(store *s) {
  (void)sqlite3_busy_timeout(s->on.db, CLOSE_TIMEOUT_MS);
  const char *steps = "PRAGMA analysis_limit = 1000; PRAGMA optimize; "
                      "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE";
  detail why;
  if (connection_run(&s->on, steps, &why)) {
    log_info(s->messages, "%s stays with a journal beside it for now: %s", s->path, why.text);
  }
}

status store_close(store *s, detail *err) {
  if (!s) return OK;
  store_task_set_abandon(s);
  status failed = writer_close(s->writer, err);
  s->writer = NULL;
  if (s->writes) {
    status ended = end_process(s, failed ? NULL : err);
    if (!failed) failed = ended;
    leave_one_file(s);
  }
  release(s);
  return failed;
}
