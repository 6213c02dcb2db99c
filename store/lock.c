#include "base/clock.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static status open_failed(const char *path, const char *lock_path, detail *err) {
  int cause = errno;
  if (is_no_room(cause)) return no_room(path, err);
  status code = cause == EACCES || cause == EROFS || cause == EPERM ? E_STORE : E_IO;
  return fault(err, code, "%s cannot be written, since %s cannot be made (%s): %s", path, lock_path,
               strerror(cause),
               code == E_STORE ? "make the folder writable, or choose another file"
                               : "see to it and run again");
}

/* Who holds it wrote "123 on host" inside. The holder may be between taking it and writing. */
static status held_elsewhere(int file, const char *path, detail *err) {
  char who[320] = "";
  ssize_t count = pread(file, who, sizeof who - 1, 0);
  if (count > 0) who[count] = 0;
  who[strcspn(who, "\n")] = 0;
  if (!who[0]) {
    return fault(err, E_BUSY, "%s is being written by another process; wait for it or stop it",
                 path);
  }
  return fault(err, E_BUSY, "%s is being written by process %s; wait for it or stop it", path, who);
}

/* The last holder removes the file while it holds it, so a lock may be on a file without a name. */
static int still_named(int file, const char *lock_path) {
  struct stat opened, named;
  return fstat(file, &opened) == 0 && stat(lock_path, &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* A file that says nothing is not left behind. */
static status sign(int file, const char *path, const char *lock_path, detail *err) {
  char host[256] = "", who[320];
  (void)gethostname(host, sizeof host - 1);
  int count = snprintf(who, sizeof who, "%ld on %s\n", (long)getpid(), host);
  if (ftruncate(file, 0) == 0 && pwrite(file, who, (size_t)count, 0) == count) return OK;
  int cause = errno;
  (void)unlink(lock_path);
  if (is_no_room(cause)) return no_room(path, err);
  return fault(err, E_IO, "%s cannot be written: %s", lock_path, strerror(cause));
}

/* A report holds the lock for a moment to keep what it computed: a run that starts just then waits
   rather than be turned away. */
static const int64_t PATIENCE_NS = 3000000000, STEP_NS = 20000000;

static status take(lock *l, const char *path, detail *err) {
  int64_t start = clock_monotonic_ns();
  for (;;) {
    int file = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return open_failed(path, l->path, err);
    status failed = OK;
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK && clock_monotonic_ns() - start < PATIENCE_NS) {
        (void)close(file);
        (void)nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
        continue;
      }
      failed = errno == EWOULDBLOCK
                   ? held_elsewhere(file, path, err)
                   : fault(err, E_IO, "%s cannot be locked: %s", l->path, strerror(errno));
    } else if (still_named(file, l->path)) {
      failed = sign(file, path, l->path, err);
      if (!failed) {
        l->file = file;
        return OK;
      }
    }
    (void)close(file);
    if (failed) return failed;
  }
}

status lock_take(lock *l, const char *file, const char *path, detail *err) {
  size_t bytes = strlen(file) + sizeof ".lock";
  *l = (lock){.file = -1, .path = memory_take(bytes)};
  if (!l->path) return fault(err, E_MEMORY, "no memory to lock %s", path);
  (void)snprintf(l->path, bytes, "%s.lock", file);
  status failed = take(l, path, err);
  if (failed) lock_release(l);
  return failed;
}

void lock_release(lock *l) {
  if (l->file >= 0) {
    (void)unlink(l->path);
    (void)close(l->file);
  }
  memory_free(l->path);
  *l = (lock){.file = -1};
}
