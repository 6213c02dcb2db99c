#include "base/memory.h"
#include "engine/file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

status file_folder(char out[PATH_MAX], const char *folder, detail *err) {
  size_t bytes = strlen(folder);
  while (bytes > 1 && folder[bytes - 1] == '/')
    bytes--;
  if (bytes == 0 || bytes >= PATH_MAX) {
    return fault(err, E_INPUT, "a model's folder needs a name that a path can have");
  }
  memcpy(out, folder, bytes);
  out[bytes] = 0;
  return OK;
}

status file_path(char out[PATH_MAX], const char *folder, const char *name, detail *err) {
  int bytes = snprintf(out, PATH_MAX, "%s/%s", folder, name);
  if (bytes >= 0 && bytes < PATH_MAX) return OK;
  return fault_at(err, E_INPUT, folder, 0, "the path of a file in this folder is too long");
}

int file_exists(const char *folder, const char *name) {
  char path[PATH_MAX];
  struct stat info;
  return file_path(path, folder, name, NULL) == OK && lstat(path, &info) == 0;
}

const char *file_shown(const char *bytes, char out[FILE_SHOWN_BYTES]) {
  size_t count = strlen(bytes), used = 0;
  for (size_t i = 0; i < count;) {
    size_t length = text_printable_length(bytes + i, count - i);
    size_t needed = length ? length : 1;
    if (used + needed > FILE_SHOWN_BYTES - 4) {
      memcpy(out + used, "...", 3);
      used += 3;
      break;
    }
    memcpy(out + used, length ? bytes + i : "?", needed);
    used += needed;
    i += needed;
  }
  out[used] = 0;
  return out;
}

static const char *kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

/* A pipe would wait for its other end without O_NONBLOCK, which plain files do not heed. */
static status open_plain(int *out, struct stat *info, const char *path, detail *err) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0 && errno == ENOENT) {
    return fault_at(err, E_INPUT, path, 0,
                    lstat(path, info) ? "there is no such file; a model's folder needs it"
                                      : "this is a link to what is not there; download it again");
  }
  if (file < 0) return fault_at(err, E_IO, path, 0, "cannot be read: %s", strerror(errno));
  if (fstat(file, info)) {
    int cause = errno;
    (void)close(file);
    return fault_at(err, E_IO, path, 0, "cannot be read: %s", strerror(cause));
  }
  if (!S_ISREG(info->st_mode)) {
    (void)close(file);
    return fault_at(err, E_INPUT, path, 0, "this is %s; a plain file is needed",
                    kind_of(info->st_mode));
  }
  *out = file;
  return OK;
}

static int64_t nanoseconds(struct timespec t) {
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static file_mark mark_of(const struct stat *info) {
  return (file_mark){.device = (uint64_t)info->st_dev,
                     .inode = (uint64_t)info->st_ino,
                     .bytes = (uint64_t)info->st_size,
                     .modified_ns = nanoseconds(info->st_mtim),
                     .changed_ns = nanoseconds(info->st_ctim)};
}

status file_map(mapped_file *out, const char *path, detail *err) {
  struct stat info;
  int file = -1;
  *out = (mapped_file){0};
  status failed = open_plain(&file, &info, path, err);
  if (failed) return failed;
  mapped_file mapped = {
      .path = memory_copy_text(path), .count = (size_t)info.st_size, .mark = mark_of(&info)};
  if (!mapped.path) failed = fault(err, E_MEMORY, "no memory to map %s", path);
  if (!failed && mapped.count) {
    void *bytes = mmap(NULL, mapped.count, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) {
      failed = fault_at(err, E_IO, path, 0, "cannot be mapped: %s", strerror(errno));
    } else {
      mapped.bytes = bytes;
    }
  }
  (void)close(file);
  if (failed) {
    memory_free(mapped.path);
  } else {
    *out = mapped;
  }
  return failed;
}

void file_unmap(mapped_file *f) {
  if (f->bytes) (void)munmap(f->bytes, f->count);
  memory_free(f->path);
  *f = (mapped_file){0};
}

/* Read and not mapped, so that a file that shrinks meanwhile is a message and no signal. */
static status read_all(int file, char *bytes, size_t count, const char *path, detail *err) {
  size_t have = 0;
  while (have < count) {
    ssize_t got = read(file, bytes + have, count - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fault_at(err, E_IO, path, 0, "cannot be read: %s", strerror(errno));
    if (got == 0) return fault_at(err, E_IO, path, 0, "became shorter while it was read");
    have += (size_t)got;
  }
  return OK;
}

static status read_object(json_t **out, int file, size_t count, const char *path, detail *err) {
  char *bytes = memory_take(count);
  if (!bytes) return fault(err, E_MEMORY, "no memory to read %s", path);
  json_t *value = NULL;
  status failed = read_all(file, bytes, count, path, err);
  if (!failed) failed = json_read(&value, bytes, count, path, 1, err);
  memory_free(bytes);
  if (!failed && !json_is_object(value)) {
    failed = fault_at(err, E_INPUT, path, 1, "a JSON object is needed");
  }
  if (failed) {
    json_decref(value);
    return failed;
  }
  *out = value;
  return OK;
}

status file_json(json_t **out, const char *path, detail *err) {
  struct stat info;
  int file = -1;
  status failed = open_plain(&file, &info, path, err);
  if (failed) return failed;
  if (info.st_size > JSON_BYTES_MAX) {
    failed = fault_at(err, E_INPUT, path, 0, "%lld bytes; at most %d are read",
                      (long long)info.st_size, (int)JSON_BYTES_MAX);
  } else {
    failed = read_object(out, file, (size_t)info.st_size, path, err);
  }
  (void)close(file);
  return failed;
}
