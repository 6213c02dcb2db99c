#include "base/memory.h"
#include "base/newfile.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In one step: pages that another process commits meanwhile are not in this read transaction. */
static status copy_pages(connection *from, connection *to, detail *err) {
  sqlite3_backup *work = sqlite3_backup_init(to->db, "main", from->db, "main");
  if (!work) return connection_failed(to, sqlite3_errcode(to->db), err);
  int code = sqlite3_backup_step(work, -1);
  int ended = sqlite3_backup_finish(work);
  if (code == SQLITE_DONE && ended == SQLITE_OK) return OK;
  return connection_failed(to, ended ? ended : code, err);
}

/* path is what a message names. */
static status fill(connection *from, const char *part, const char *path, detail *err) {
  connection to = {0};
  status failed = connection_open(&to, part, path, SQLITE_OPEN_READWRITE, err);
  if (!failed) failed = copy_pages(from, &to, err);
  /* The copy says of itself what the journal of the original was. */
  if (!failed) failed = connection_run(&to, "PRAGMA journal_mode = DELETE", err);
  connection_close(&to);
  return failed;
}

/* An empty file that is ours alone, so that nobody's is written over, and open to nobody whom the
   original is closed to. */
static status claim(const connection *from, const char *path, detail *err) {
  struct stat info;
  const char *original = sqlite3_db_filename(from->db, "main");
  mode_t mode = original && stat(original, &info) == 0 ? info.st_mode & 0777 : 0600;
  int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
  if (file < 0) return fault(err, E_IO, "%s cannot be made: %s", path, strerror(errno));
  (void)fchmod(file, mode); /* whatever the process takes away from new files */
  (void)close(file);
  return OK;
}

static status put_in_place(const char *part, const char *path, detail *err) {
  if (newfile_move(part, path)) {
    newfile_sync_folder(path);
    return OK;
  }
  if (errno == EEXIST) return fault(err, E_INPUT, "%s is there already; choose another name", path);
  return fault(err, E_IO, "%s cannot be made: %s", path, strerror(errno));
}

/* With the journal that SQLite leaves where a full disk does not let it end one. */
static void remove_part(const char *part) {
  char journal[PATH_MAX];
  (void)unlink(part);
  if (snprintf(journal, sizeof journal, "%s-journal", part) < (int)sizeof journal) {
    (void)unlink(journal);
  }
}

status backup_to(connection *from, const char *path, detail *err) {
  size_t bytes = strlen(path) + 32;
  char *part = memory_take(bytes);
  if (!part) return fault(err, E_MEMORY, "no memory to copy a store");
  (void)snprintf(part, bytes, "%s.%ld.part", path, (long)getpid());
  remove_part(part); /* of a process that was killed and had the same number */
  status failed = access(path, F_OK) == 0
                      ? fault(err, E_INPUT, "%s is there already; choose another name", path)
                      : claim(from, part, err);
  if (!failed) {
    failed = fill(from, part, path, err);
    if (!failed) failed = put_in_place(part, path, err);
    if (failed) remove_part(part);
  }
  memory_free(part);
  return failed;
}

status store_snapshot(store *s, const char *path, detail *err) {
  return backup_to(&s->on, path, err);
}
