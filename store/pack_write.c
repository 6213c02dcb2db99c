#include "base/memory.h"
#include "base/newfile.h"
#include "store/pack_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pack_writer {
  newfile to;
  struct archive *members;
  locale_t names; /* UTF-8 for libarchive, which asks the thread's locale */
  int64_t unix_s;
  status failed; /* of writing, inside libarchive */
  detail why;
};

static status write_failed(const pack_writer *w, detail *err) {
  if (w->failed) {
    if (err) *err = w->why;
    return w->failed;
  }
  if (archive_errno(w->members) == ENOMEM) {
    return fault(err, E_MEMORY, "no memory to write %s", w->to.path);
  }
  const char *why = archive_error_string(w->members);
  return fault(err, E_IO, "cannot write %s: %s", w->to.path, why ? why : "no reason is known");
}

/* ---- the format -------------------------------------------------------------------------------
 */

static int set_zip(struct archive *a) {
  return archive_write_set_format_zip(a);
}

static int set_tar(struct archive *a) {
  return archive_write_set_format_pax_restricted(a);
}

static int set_tar_gz(struct archive *a) {
  int code = archive_write_add_filter_gzip(a);
  /* Without the time of writing, so that equal members make equal packs. */
  if (code == ARCHIVE_OK) code = archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
  return code == ARCHIVE_OK ? set_tar(a) : code;
}

static int set_tar_xz(struct archive *a) {
  int code = archive_write_add_filter_xz(a);
  return code == ARCHIVE_OK ? set_tar(a) : code;
}

static int set_tar_zst(struct archive *a) {
  int code = archive_write_add_filter_zstd(a);
  return code == ARCHIVE_OK ? set_tar(a) : code;
}

static const struct {
  const char *suffix;
  int (*set)(struct archive *a);
} formats[] = {{".zip", set_zip},
               {".tar", set_tar},
               {".tar.gz", set_tar_gz},
               {".tar.xz", set_tar_xz},
               {".tar.zst", set_tar_zst}};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static int format_of(const char *path) {
  size_t bytes = strlen(path);
  for (int i = 0; i < FORMATS; i++) {
    size_t suffix = strlen(formats[i].suffix);
    if (bytes > suffix && !strcmp(path + bytes - suffix, formats[i].suffix)) return i;
  }
  return -1;
}

size_t pack_stem(const char *path) {
  int format = format_of(path);
  return strlen(path) - (format < 0 ? 0 : strlen(formats[format].suffix));
}

/* ---- opening and ending -----------------------------------------------------------------------
 */

/* A failure is kept here and not told to libarchive: its zip writer would leave the compressor of
   an unfinished member behind. Nothing more is written, and every call is followed by a look. */
static la_ssize_t write_out(struct archive *a, void *context, const void *bytes, size_t count) {
  (void)a;
  pack_writer *w = context;
  if (!w->failed) w->failed = newfile_write(&w->to, bytes, count, &w->why);
  return (la_ssize_t)count;
}

static status start(pack_writer *w, int format, detail *err) {
  w->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (!w->names) return fault(err, E_IO, "this system has no locale C.UTF-8: %s", strerror(errno));
  w->members = archive_write_new();
  if (!w->members) return fault(err, E_MEMORY, "no memory to write %s", w->to.path);
  if (formats[format].set(w->members) != ARCHIVE_OK ||
      archive_write_set_bytes_in_last_block(w->members, 1) !=
          ARCHIVE_OK || /* no tape: no padding */
      archive_write_open(w->members, w, NULL, write_out, NULL) != ARCHIVE_OK) {
    return write_failed(w, err);
  }
  return OK;
}

status pack_create(pack_writer **out, const char *path, int replace, int64_t unix_s, detail *err) {
  int format = format_of(path);
  if (format < 0) {
    return fault(err, E_USAGE,
                 "'%s' must end in .zip, .tar, .tar.gz, .tar.xz or .tar.zst, which says how it is "
                 "packed",
                 path);
  }
  pack_writer *w = memory_zeroed(1, sizeof *w);
  if (!w) return fault(err, E_MEMORY, "no memory to write %s", path);
  w->unix_s = unix_s;
  status failed = newfile_open(&w->to, path, replace, err);
  if (!failed) failed = start(w, format, err);
  if (failed) {
    pack_abandon(w);
    return failed;
  }
  *out = w;
  return OK;
}

static void release(pack_writer *w) {
  if (w->members) (void)archive_write_free(w->members); /* may still write to the file */
  if (w->names) freelocale(w->names);
  newfile_abandon(&w->to);
  memory_free(w);
}

status pack_finish(pack_writer *w, detail *err) {
  int code = archive_write_close(w->members);
  status failed = code == ARCHIVE_OK && !w->failed ? OK : write_failed(w, err);
  if (!failed) failed = newfile_finish(&w->to, err);
  release(w);
  return failed;
}

void pack_abandon(pack_writer *w) {
  if (w) release(w);
}

/* ---- members ----------------------------------------------------------------------------------
 */

static status add_header(pack_writer *w, const char *name, int64_t bytes, detail *err) {
  const char *why = pack_name_fault(name);
  if (why) return fault(err, E_INPUT, "'%s' cannot be packed: %s", name, why);
  struct archive_entry *entry = archive_entry_new();
  if (!entry) return fault(err, E_MEMORY, "no memory to write %s", w->to.path);
  locale_t before = uselocale(w->names);
  archive_entry_set_pathname(entry, name);
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0644);
  archive_entry_set_mtime(entry, (time_t)w->unix_s, 0);
  archive_entry_set_size(entry, bytes);
  status failed = archive_write_header(w->members, entry) == ARCHIVE_OK ? OK : write_failed(w, err);
  (void)uselocale(before);
  archive_entry_free(entry);
  return failed;
}

static status add_data(pack_writer *w, const void *bytes, size_t count, detail *err) {
  la_ssize_t taken = archive_write_data(w->members, bytes, count);
  return taken == (la_ssize_t)count && !w->failed ? OK : write_failed(w, err);
}

status pack_add_bytes(pack_writer *w, const char *name, const void *bytes, size_t count,
                      detail *err) {
  status failed = add_header(w, name, (int64_t)count, err);
  return failed || !count ? failed : add_data(w, bytes, count, err);
}

/* All of the file and no more than it had at the start, which the header says. */
static status add_contents(pack_writer *w, int file, int64_t bytes, const char *path, detail *err) {
  char block[65536];
  status failed = OK;
  while (!failed && bytes) {
    ssize_t count = read(file, block, bytes < (int64_t)sizeof block ? (size_t)bytes : sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fault(err, E_IO, "cannot read %s: %s", path, strerror(errno));
    if (count == 0) return fault(err, E_IO, "%s became shorter while it was packed", path);
    failed = add_data(w, block, (size_t)count, err);
    bytes -= count;
  }
  return failed;
}

status pack_add_file(pack_writer *w, const char *name, const char *path, detail *err) {
  struct stat info;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return fault(err, E_IO, "cannot read %s: %s", path, strerror(errno));
  status failed = OK;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    failed = fault(err, E_IO, "%s is not a file that can be packed", path);
  }
  if (!failed) failed = add_header(w, name, info.st_size, err);
  if (!failed) failed = add_contents(w, file, info.st_size, path, err);
  (void)close(file);
  return failed;
}
