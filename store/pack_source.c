#include "base/memory.h"
#include "store/pack_internal.h"
#include "store/store_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 128 << 10, TAR_BLOCK_BYTES = 512 };

typedef enum form { FORM_PLAIN, FORM_GZIP, FORM_BZIP2, FORM_XZ, FORM_ZSTD, FORM_ZIP } form;

/* Bytes of which those from `from` to `to` were not given out yet. */
typedef struct block {
  unsigned char *bytes; /* [BLOCK_BYTES] */
  size_t from, to;
} block;

struct source {
  char *path;
  int file;
  int64_t size;         /* of a regular file; -1: a stream */
  int64_t taken, given; /* read from the file; given out by source_next */
  pack_limits limits;
  form form;
  int is_tar;
  block raw, decoded;
  z_stream gzip;
  int gzip_open, within; /* within a gzip member */
  struct archive *decoder;
  status failed; /* inside a callback of libarchive */
  detail why;
};

const char *source_path(const source *s) {
  return s->path;
}

int source_is_compressed(const source *s) {
  return s->form != FORM_PLAIN && s->form != FORM_ZIP;
}

int source_is_zip(const source *s) {
  return s->form == FORM_ZIP;
}

/* Nothing but the end of a list that has no members, with a comment perhaps (APPNOTE.TXT 4.3.16).
 */
int source_is_empty_zip(const source *s) {
  enum { ENTRIES_AT = 8, COMMENT_AT = 20, END_BYTES = 22 };
  const unsigned char *end = s->raw.bytes;
  return s->form == FORM_ZIP && s->raw.to >= END_BYTES && !memcmp(end, "PK\5\6", 4) &&
         !memcmp(end + ENTRIES_AT, "\0\0\0\0", 4) &&
         s->size == END_BYTES + end[COMMENT_AT] + 256 * end[COMMENT_AT + 1];
}

int source_is_tar(const source *s) {
  return s->is_tar;
}

int64_t source_size(const source *s) {
  return s->form == FORM_PLAIN ? s->size : -1;
}

status source_allows(const source *s, int64_t bytes_out, detail *err) {
  const pack_limits *l = &s->limits;
  if (bytes_out > l->bytes_max) {
    return fault_at(err, E_INPUT, s->path, 0,
                    "unpacks to more than %lld bytes, the most that is read; split it",
                    (long long)l->bytes_max);
  }
  /* A zip's bytes are read more than once: its list, then its members. */
  int64_t in = s->size >= 0 && s->taken > s->size ? s->size : s->taken;
  if (bytes_out > l->ratio_from_bytes && bytes_out / l->ratio_max > in) {
    return fault_at(err, E_INPUT, s->path, 0,
                    "unpacks to more than %lld times its size, as a decompression bomb does; if "
                    "you trust it, unpack it yourself and name what came out",
                    (long long)l->ratio_max);
  }
  return OK;
}

status source_failed(const source *s, struct archive *a, detail *err) {
  if (s->failed) {
    if (err) *err = s->why;
    return s->failed;
  }
  if (archive_errno(a) == ENOMEM) {
    return fault_at(err, E_MEMORY, s->path, 0, "no memory to unpack it");
  }
  const char *why = archive_error_string(a);
  return fault_at(err, E_INPUT, s->path, 0, "damaged or cut off (%s); fetch or make it again",
                  why ? why : "no reason is known");
}

/* ---- the file ---------------------------------------------------------------------------------
 */

/* As much as a block holds, unless the file ends before. */
static status fill_raw(source *s, detail *err) {
  block *b = &s->raw;
  b->from = b->to = 0;
  while (b->to < BLOCK_BYTES) {
    ssize_t count = read(s->file, b->bytes + b->to, BLOCK_BYTES - b->to);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return fault_at(err, E_IO, s->path, 0, "cannot be read: %s", strerror(errno));
    }
    if (count == 0) break;
    b->to += (size_t)count;
    s->taken += count;
  }
  return OK;
}

static status next_raw(source *s, const void **bytes, size_t *count, detail *err) {
  block *b = &s->raw;
  if (b->from == b->to) {
    status failed = fill_raw(s, err);
    if (failed) return failed;
  }
  *bytes = b->bytes + b->from;
  *count = b->to - b->from;
  b->from = b->to;
  return OK;
}

/* ---- what libarchive calls --------------------------------------------------------------------
 */

static la_ssize_t given_to(struct archive *a, const source *s, size_t count) {
  if (!s->failed) return (la_ssize_t)count;
  archive_set_error(a, EIO, "%s", s->why.text);
  return ARCHIVE_FATAL;
}

static la_ssize_t read_raw(struct archive *a, void *context, const void **bytes) {
  source *s = context;
  size_t count = 0;
  s->failed = next_raw(s, bytes, &count, &s->why);
  return given_to(a, s, count);
}

static la_ssize_t read_decoded(struct archive *a, void *context, const void **bytes) {
  source *s = context;
  size_t count = 0;
  s->failed = source_next(s, bytes, &count, &s->why);
  return given_to(a, s, count);
}

static la_int64_t seek_raw(struct archive *a, void *context, la_int64_t to, int whence) {
  (void)a;
  source *s = context;
  s->raw.from = s->raw.to = 0;
  off_t place = lseek(s->file, (off_t)to, whence);
  return place < 0 ? ARCHIVE_FATAL : place;
}

status source_attach(source *s, struct archive *a, detail *err) {
  int zip = s->form == FORM_ZIP;
  if (zip && archive_read_set_seek_callback(a, seek_raw) != ARCHIVE_OK) {
    return source_failed(s, a, err);
  }
  int code = archive_read_open(a, s, NULL, zip ? read_raw : read_decoded, NULL);
  return code == ARCHIVE_OK ? OK : source_failed(s, a, err);
}

/* ---- gzip (RFC 1952) --------------------------------------------------------------------------

   By zlib and not by libarchive, which does not compare the checksum at the end. */

static status gzip_start(source *s, detail *err) {
  s->gzip.zalloc = zlib_take;
  s->gzip.zfree = zlib_free;
  if (inflateInit2(&s->gzip, MAX_WBITS + 16) != Z_OK) { /* 16: gzip's frame, not zlib's */
    return fault_at(err, E_MEMORY, s->path, 0, "no memory to unpack it");
  }
  s->gzip_open = 1;
  return OK;
}

/* Between two members: nothing more, another member, or zeros that a tape's blocks end with. */
static status gzip_between(source *s, detail *err) {
  z_stream *z = &s->gzip;
  while (z->avail_in && *z->next_in == 0) {
    z->next_in++;
    z->avail_in--;
  }
  if (!z->avail_in) return OK;
  if (*z->next_in != 0x1f) {
    return fault_at(err, E_INPUT, s->path, 0,
                    "damaged: something else stands behind the compressed data");
  }
  s->within = 1;
  return inflateReset(z) == Z_OK ? OK
                                 : fault_at(err, E_INPUT, s->path, 0, "damaged: no gzip header");
}

static status gzip_refill(source *s, int *ended, detail *err) {
  const void *bytes;
  size_t count;
  status failed = next_raw(s, &bytes, &count, err);
  if (failed) return failed;
  *ended = count == 0;
  if (*ended && s->within) {
    return fault_at(err, E_INPUT, s->path, 0,
                    "cut off: the compressed data has no end; fetch or make it again");
  }
  s->gzip.next_in = bytes;
  s->gzip.avail_in = (uInt)count;
  return OK;
}

static status gzip_inflate(source *s, detail *err) {
  int code = inflate(&s->gzip, Z_NO_FLUSH);
  if (code == Z_STREAM_END) s->within = 0;
  if (code == Z_OK || code == Z_STREAM_END) return OK;
  if (code == Z_MEM_ERROR) return fault_at(err, E_MEMORY, s->path, 0, "no memory to unpack it");
  return fault_at(err, E_INPUT, s->path, 0, "damaged (%s); fetch or make it again",
                  s->gzip.msg ? s->gzip.msg : "no deflate stream");
}

static status gzip_fill(source *s, detail *err) {
  z_stream *z = &s->gzip;
  status failed = OK;
  int ended = 0;
  z->next_out = s->decoded.bytes;
  z->avail_out = BLOCK_BYTES;
  while (!failed && z->avail_out) {
    if (!z->avail_in) failed = gzip_refill(s, &ended, err);
    if (failed || ended) break;
    if (!s->within) failed = gzip_between(s, err);
    if (!failed && s->within) failed = gzip_inflate(s, err);
  }
  s->decoded.to = BLOCK_BYTES - z->avail_out;
  return failed;
}

/* ---- bzip2, xz and zstd, by libarchive --------------------------------------------------------
 */

static int add_filter(struct archive *a, form f) {
  switch (f) {
  case FORM_BZIP2: return archive_read_support_filter_bzip2(a);
  case FORM_XZ: return archive_read_support_filter_xz(a);
  default: return archive_read_support_filter_zstd(a);
  }
}

static status decoder_start(source *s, detail *err) {
  struct archive_entry *entry;
  struct archive *a = s->decoder = archive_read_new();
  if (!a) return fault_at(err, E_MEMORY, s->path, 0, "no memory to unpack it");
  /* A warning here says that another program would be started for it. */
  if (add_filter(a, s->form) != ARCHIVE_OK) {
    return fault_at(err, E_INPUT, s->path, 0,
                    "this system's libarchive cannot unpack it; unpack it yourself");
  }
  if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
      archive_read_support_format_empty(a) != ARCHIVE_OK ||
      archive_read_open(a, s, NULL, read_raw, NULL) != ARCHIVE_OK) {
    return source_failed(s, a, err);
  }
  int code = archive_read_next_header(a, &entry);
  if (code == ARCHIVE_EOF) {
    s->within = 0; /* nothing was compressed */
    return OK;
  }
  if (code != ARCHIVE_OK) return source_failed(s, a, err);
  if (archive_filter_count(a) != 2) { /* the one above and the file itself */
    return fault_at(err, E_INPUT, s->path, 0,
                    "compressed twice, or in a way that is not read; unpack it yourself");
  }
  s->within = 1;
  return OK;
}

static status decoder_fill(source *s, detail *err) {
  while (s->within && s->decoded.to < BLOCK_BYTES) {
    la_ssize_t count = archive_read_data(s->decoder, s->decoded.bytes + s->decoded.to,
                                         BLOCK_BYTES - s->decoded.to);
    if (count < 0) return source_failed(s, s->decoder, err);
    s->decoded.to += (size_t)count;
    if (count == 0) s->within = 0;
  }
  return OK;
}

/* ---- what is given out ------------------------------------------------------------------------
 */

static status fill_decoded(source *s, detail *err) {
  s->decoded.from = s->decoded.to = 0;
  return s->form == FORM_GZIP ? gzip_fill(s, err) : decoder_fill(s, err);
}

/* The bytes that source_next will give, without taking them. */
static status look(source *s, block **out, detail *err) {
  block *b = *out = source_is_compressed(s) ? &s->decoded : &s->raw;
  if (b->from < b->to) return OK;
  return source_is_compressed(s) ? fill_decoded(s, err) : fill_raw(s, err);
}

status source_next(source *s, const void **bytes, size_t *count, detail *err) {
  block *b;
  status failed = look(s, &b, err);
  if (failed) return failed;
  *bytes = b->bytes + b->from;
  *count = b->to - b->from;
  b->from = b->to;
  s->given += (int64_t)*count;
  return source_allows(s, s->given, err);
}

status source_drain(source *s, int64_t end_mark, detail *err) {
  block *last = source_is_compressed(s) ? &s->decoded : &s->raw;
  int64_t start = s->given - (int64_t)last->to;
  const void *bytes = last->bytes;
  size_t count = last->to, from = end_mark > start ? (size_t)(end_mark - start) : 0;
  status failed = OK;
  while (!failed && count) {
    for (size_t i = from; i < count; i++) {
      if (((const unsigned char *)bytes)[i] == 0) continue;
      return fault_at(err, E_INPUT, s->path, 0,
                      "something stands behind the end of the tar; if it was joined from several, "
                      "unpack them one by one");
    }
    failed = source_next(s, &bytes, &count, err);
    from = 0;
  }
  return failed;
}

/* ---- what it is -------------------------------------------------------------------------------
 */

static int starts_with(const block *b, const char *magic, size_t bytes) {
  return b->to >= bytes && !memcmp(b->bytes, magic, bytes);
}

/* Magic numbers of RFC 1952, the xz format, RFC 8878 (frames and skippable frames), APPNOTE.TXT.
   bzip2's is text, so that its first block (or the end of an empty file) is asked for too. */
static form form_of(const block *b) {
  if (starts_with(b, "\x1f\x8b\x08", 3)) return FORM_GZIP;
  if (starts_with(b, "\xfd\x37zXZ\0", 6)) return FORM_XZ;
  if (starts_with(b, "\x28\xb5\x2f\xfd", 4)) return FORM_ZSTD;
  if (b->to >= 4 && (b->bytes[0] & 0xf0) == 0x50 && !memcmp(b->bytes + 1, "\x2a\x4d\x18", 3)) {
    return FORM_ZSTD;
  }
  if (starts_with(b, "BZh", 3) && b->to >= 10 &&
      (!memcmp(b->bytes + 4, "\x31\x41\x59\x26\x53\x59", 6) ||
       !memcmp(b->bytes + 4, "\x17\x72\x45\x38\x50\x90", 6))) {
    return FORM_BZIP2;
  }
  if (starts_with(b, "PK\3\4", 4) || starts_with(b, "PK\5\6", 4) || starts_with(b, "PK\7\x08", 4)) {
    return FORM_ZIP;
  }
  return FORM_PLAIN;
}

/* POSIX.1-2008, pax, "ustar Interchange Format": eight bytes of octal at 148, the sum of the header
   with blanks in their place. Two blocks of zeros are a tar without members. */
static int looks_like_tar(const block *b) {
  enum { SUM_AT = 148, SUM_BYTES = 8 };
  unsigned sum = 0, said = 0;
  if (b->to < TAR_BLOCK_BYTES) return 0;
  for (int i = 0; i < TAR_BLOCK_BYTES; i++)
    sum += b->bytes[i];
  if (sum == 0) {
    size_t zeros = 0;
    while (zeros < b->to && b->bytes[zeros] == 0)
      zeros++;
    return zeros >= 2 * TAR_BLOCK_BYTES;
  }
  for (int i = SUM_AT; i < SUM_AT + SUM_BYTES; i++) {
    sum += ' ' - (unsigned)b->bytes[i];
    if (b->bytes[i] >= '0' && b->bytes[i] <= '7') said = said * 8 + (b->bytes[i] - '0');
  }
  return sum == said;
}

/* What a name promises, so that an empty or cut file is not taken for the text it is not. */
static status check_name(const source *s, detail *err) {
  static const struct {
    const char *suffix, *what;
    int form; /* FORM_PLAIN: any that holds a tar */
  } promises[] = {{".zip", "zip file", FORM_ZIP},      {".gz", "gzip file", FORM_GZIP},
                  {".tgz", "gzip file", FORM_GZIP},    {".bz2", "bzip2 file", FORM_BZIP2},
                  {".tbz2", "bzip2 file", FORM_BZIP2}, {".xz", "xz file", FORM_XZ},
                  {".txz", "xz file", FORM_XZ},        {".zst", "zstd file", FORM_ZSTD},
                  {".tzst", "zstd file", FORM_ZSTD},   {".tar", "tar file", FORM_PLAIN}};
  size_t bytes = strlen(s->path);
  for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
    size_t suffix = strlen(promises[i].suffix);
    if (bytes <= suffix || strcmp(s->path + bytes - suffix, promises[i].suffix) != 0) continue;
    int kept = promises[i].form == FORM_PLAIN ? s->is_tar : (int)s->form == promises[i].form;
    if (kept) return OK;
    return fault_at(err, E_INPUT, s->path, 0,
                    "no %s, or a damaged one; fetch it again, or give it the name of what it is",
                    promises[i].what);
  }
  return OK;
}

static status identify(source *s, detail *err) {
  block *first;
  status failed = fill_raw(s, err);
  if (failed) return failed;
  s->form = form_of(&s->raw);
  if (source_is_compressed(s)) {
    s->decoded.bytes = memory_take(BLOCK_BYTES);
    if (!s->decoded.bytes) return fault_at(err, E_MEMORY, s->path, 0, "no memory to unpack it");
    failed = s->form == FORM_GZIP ? gzip_start(s, err) : decoder_start(s, err);
  }
  if (!failed && s->form != FORM_ZIP) {
    failed = look(s, &first, err);
    if (!failed) s->is_tar = looks_like_tar(first);
  }
  if (failed) return failed;
  if (s->form == FORM_ZIP && s->size < 0) {
    return fault_at(err, E_INPUT, s->path, 0,
                    "a zip's list is at its end, which a stream does not reach; save it to a file "
                    "and name that");
  }
  return check_name(s, err);
}

static status open_file(source *s, const char *path, detail *err) {
  struct stat info;
  int standard = !strcmp(path, "-");
  s->path = memory_copy_text(standard ? "standard input" : path);
  s->raw.bytes = memory_take(BLOCK_BYTES);
  if (!s->path || !s->raw.bytes) return fault_at(err, E_MEMORY, path, 0, "no memory to read it");
  s->file = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
  if (s->file < 0 || fstat(s->file, &info) != 0) {
    return fault_at(err, E_INPUT, s->path, 0, "cannot open it (%s): %s", strerror(errno),
                    errno == ENOENT ? "check its name" : "make it readable");
  }
  if (S_ISDIR(info.st_mode)) {
    return fault_at(err, E_INPUT, s->path, 0, "a folder, not a file; name the files in it");
  }
  s->size = S_ISREG(info.st_mode) && lseek(s->file, 0, SEEK_CUR) == 0 ? info.st_size : -1;
  return OK;
}

status source_open(source **out, const char *path, const pack_limits *limits, detail *err) {
  source *s = memory_zeroed(1, sizeof *s);
  if (!s) return fault_at(err, E_MEMORY, path, 0, "no memory to read it");
  s->file = -1;
  s->limits = limits ? *limits : pack_usual_limits();
  status failed = open_file(s, path, err);
  if (!failed) failed = identify(s, err);
  if (failed) {
    source_close(s);
    return failed;
  }
  *out = s;
  return OK;
}

void source_close(source *s) {
  if (!s) return;
  if (s->decoder) (void)archive_read_free(s->decoder);
  if (s->gzip_open) (void)inflateEnd(&s->gzip);
  if (s->file >= 0) (void)close(s->file);
  memory_free(s->raw.bytes);
  memory_free(s->decoded.bytes);
  memory_free(s->path);
  memory_free(s);
}
