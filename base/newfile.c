#include "base/newfile.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static status exists_already(const char *path, detail *err) {
  return fault(err, E_INPUT, "%s exists; choose another name, or --replace replaces it", path);
}

static status cannot_write(const char *path, int cause, detail *err) {
  const char *remedy = "see to it and run again";
  if (cause == ENOENT) remedy = "make the folder first";
  if (cause == EACCES || cause == EROFS) remedy = "choose a folder that can be written";
  if (cause == ENOSPC || cause == EDQUOT || cause == EFBIG)
    remedy = "free some space or write elsewhere";
  return fault(err, E_IO, "cannot write %s: %s; %s", path, strerror(cause), remedy);
}

/* replaced: the file whose place it takes, or NULL. */
static status open_part(newfile *f, const struct stat *replaced, detail *err) {
  size_t bytes = strlen(f->path) + 32;
  f->part = memory_take(bytes);
  if (!f->part) return fault(err, E_MEMORY, "no memory to write %s", f->path);
  (void)snprintf(f->part, bytes, "%s.%ld.part", f->path, (long)getpid());
  (void)unlink(f->part); /* of a process that was killed and had the same number */
  f->file = open(f->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (f->file >= 0) {
    if (replaced) (void)fchmod(f->file, replaced->st_mode & 07777);
    return OK;
  }
  int cause = errno;
  memory_free(f->part);
  f->part = NULL; /* it is not ours */
  return cannot_write(f->path, cause, err);
}

status newfile_open(newfile *f, const char *path, int replace, detail *err) {
  struct stat info;
  char real[PATH_MAX]; /* a link stays one: what it names is replaced */
  int exists = stat(path, &info) == 0, device = exists && !S_ISREG(info.st_mode);
  const char *place = exists && !device && realpath(path, real) ? real : path;
  *f = (newfile){.file = -1, .path = memory_copy_text(place), .replace = replace};
  status failed = OK;
  if (!f->path) {
    failed = fault(err, E_MEMORY, "no memory to write %s", path);
  } else if (exists && S_ISDIR(info.st_mode)) {
    failed = fault(err, E_INPUT, "%s is a folder; name a file", path);
  } else if (exists && !device && !replace) {
    failed = exists_already(path, err);
  } else if (device) {
    f->file = open(path, O_WRONLY | O_CLOEXEC);
    if (f->file < 0) failed = cannot_write(path, errno, err);
  } else {
    failed = open_part(f, exists ? &info : NULL, err);
  }
  if (failed) newfile_abandon(f);
  return failed;
}

status newfile_write(const newfile *f, const void *bytes, size_t count, detail *err) {
  const char *at = bytes;
  while (count) {
    ssize_t written = write(f->file, at, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot_write(f->path, errno, err);
    at += written;
    count -= (size_t)written;
  }
  return OK;
}

int newfile_move(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 1;
  if (errno != EINVAL && errno != ENOSYS) return 0;
  /* A file system that cannot do it in one step. */
  if (faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return 0;
  }
  return rename(from, to) == 0;
}

void newfile_sync_folder(const char *path) {
  char *copy = memory_copy_text(path);
  int folder = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (folder >= 0) {
    (void)fsync(folder); /* what it cannot promise, some file systems refuse */
    (void)close(folder);
  }
  memory_free(copy);
}

static status place(newfile *f, detail *err) {
  if (!f->part) return OK;
  int moved = f->replace ? rename(f->part, f->path) == 0 : newfile_move(f->part, f->path);
  if (!moved && errno == EEXIST) return exists_already(f->path, err);
  if (!moved) return cannot_write(f->path, errno, err);
  memory_free(f->part);
  f->part = NULL;
  newfile_sync_folder(f->path);
  return OK;
}

status newfile_finish(newfile *f, detail *err) {
  status failed = OK;
  if (f->part && fsync(f->file) != 0) failed = cannot_write(f->path, errno, err);
  if (close(f->file) != 0 && !failed) failed = cannot_write(f->path, errno, err);
  f->file = -1;
  if (!failed) failed = place(f, err);
  newfile_abandon(f);
  return failed;
}

void newfile_abandon(newfile *f) {
  if (!f->path) return;
  if (f->file >= 0) (void)close(f->file);
  if (f->part) (void)unlink(f->part);
  memory_free(f->part);
  memory_free(f->path);
  *f = (newfile){.file = -1};
}
