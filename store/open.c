#include "base/clock.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
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

/* A link to a file that is not there yet has no real path, and a lock beside the link would be
   another one than beside the file: so the file is made first. Failing is left to who opens it. */
static void make_target(const char *path) {
  struct stat info;
  if (lstat(path, &info) != 0 || !S_ISLNK(info.st_mode)) return;
  int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file >= 0) (void)close(file);
}

static status resolve(store *s, detail *err) {
  char file[PATH_MAX];
  struct stat info;
  if (s->writes && access(s->path, F_OK) != 0) make_target(s->path);
  if (realpath(s->path, file)) {
    if (stat(file, &info) == 0 && !S_ISREG(info.st_mode)) {
      return fault(err, E_STORE, "%s is not a file; choose another file", s->path);
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
  s->made = access(s->file, F_OK) != 0; /* by us then: the lock is held */
  /* The path is absolute, so only what merging attaches is ever taken for a URI. */
  failed = connection_open(&s->on, s->file, s->path,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, err);
  if (!failed) failed = version_check(s, err);
  if (failed) return failed;
  if (s->network) {
    log_warn(s->messages,
             "%s is on a network file system: a slower journal is used, and only this process may "
             "use it; a local disk is better",
             s->path);
  }
  return store_prepare_writing(&s->on, s->network, err);
}

/* A file of an older version becomes one of this version first, which only a writer may do. */
static status bring_up(const store *s, int network, detail *err) {
  store *up = NULL;
  detail why;
  status failed = store_open_on(&up, s->path, STORE_WRITE, network, s->messages, &why);
  if (!failed) failed = store_close(up, &why);
  if (!failed) return OK;
  return fault(err, failed, "%s is of an older store version and could not be brought up to %d: %s",
               s->path, (int)STORE_VERSION, why.text);
}

static status open_reading(store *s, int network, detail *err) {
  int older = 0;
  status failed = connection_open(&s->on, s->file, s->path, SQLITE_OPEN_READONLY, err);
  if (!failed) failed = version_is_older(s, &older, err);
  if (!failed && older) {
    connection_close(&s->on);
    failed = bring_up(s, network, err);
    if (!failed) failed = connection_open(&s->on, s->file, s->path, SQLITE_OPEN_READONLY, err);
  }
  return failed ? failed : version_check(s, err);
}

/* What SQLite puts beside the file goes with it; with the lock held nobody else has them open. */
static void remove_made(const store *s) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
  char path[PATH_MAX];
  if (!s->made || s->kept) return;
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    int bytes = snprintf(path, sizeof path, "%s%s", s->file, suffixes[i]);
    if (bytes > 0 && (size_t)bytes < sizeof path) (void)unlink(path);
  }
}

static void release(store *s, int failed) {
  connection_close(&s->on);
  if (failed) remove_made(s);
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
  if (!failed) failed = s->writes ? open_writing(s, network, err) : open_reading(s, network, err);
  if (failed) {
    release(s, 1);
    return failed;
  }
  *out = s;
  return OK;
}

status store_open(store **out, const char *path, store_access access, logger *messages,
                  detail *err) {
  return store_open_on(out, path, access, -1, messages, err);
}

status store_check(const char *path, detail *err) {
  store s = {.held.file = -1, .path = memory_copy_text(path)};
  status failed = s.path ? resolve(&s, err) : fault(err, E_MEMORY, "no memory to open %s", path);
  if (!failed) failed = connection_open(&s.on, s.file, s.path, SQLITE_OPEN_READONLY, err);
  if (!failed) failed = version_check(&s, err);
  connection_close(&s.on);
  memory_free(s.path);
  memory_free(s.file);
  return failed;
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
  if (!failed) s->kept = 1;
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

static status end_store(store *s, int gone, detail *err) {
  store_task_set_abandon(s);
  status failed = writer_close(s->writer, err);
  s->writer = NULL;
  if (s->writes) {
    status ended = end_process(s, failed ? NULL : err);
    if (!failed) failed = ended;
    leave_one_file(s);
  }
  release(s, gone);
  return failed;
}

status store_close(store *s, detail *err) {
  return s ? end_store(s, 0, err) : OK;
}

void store_discard(store *s) {
  if (s) (void)end_store(s, 1, NULL);
}
