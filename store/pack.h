/* Files that hold files, by libarchive: zip, tar (plain or compressed), and one file under gzip,
   bzip2, xz or zstd. A file that is none of these is read as it stands: a pack of one member, which
   is itself, so that a caller reads every kind of input in one way.

   What comes in is hostile: member names that climb (..), are absolute, are no UTF-8 or name a
   link or a device are refused, and so is what unpacks to more than the limits. Nothing is ever
   written where a member's name says: the caller reads bytes, and decides.

   What a file is, its first bytes say; a name that promises a pack (.zip, .tar, .gz, .tgz, .bz2,
   .tbz2, .xz, .txz, .zst, .tzst) must be kept by them, so that a file cut to nothing is not taken
   for an empty text. Only one compression is taken off. Memory is a few blocks, whatever comes out,
   and what a decompressor asks for: up to 128 MiB for zstd, 1 GiB for an xz made to need it.

   A reader or a writer belongs to one thread, whose locale is another one inside some of the calls
   (C.UTF-8, which libarchive needs for names) and the same after them. Errors: E_INPUT (not there,
   damaged, truncated, encrypted, a bomb, a bad name; the message names file and member), E_IO (the
   file cannot be read or written), E_MEMORY. */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "base/status.h"

enum {
  PACK_NAME_BYTES = 1024,   /* of a member's name, its end included */
  PACK_MEMBERS_MAX = 100000 /* in one pack, folders not counted */
};

/* What may come out of one pack. A ratio counts once more than ratio_from_bytes came out, since
   small files of one letter are no attack. */
typedef struct pack_limits {
  int64_t bytes_max; /* of all members together */
  int64_t ratio_max; /* bytes out for each byte in */
  int64_t ratio_from_bytes;
} pack_limits;

pack_limits pack_usual_limits(void); /* 1 TiB; 250 to 1 from 64 MiB on */

typedef struct pack_reader pack_reader;

typedef struct pack_member {
  char name[PACK_NAME_BYTES]; /* with '/' between folders; of a plain or singly compressed file its
                                 own base name, without the compression's suffix */
  int64_t bytes;              /* as the pack says; -1 where it does not */
  int alone;                  /* the pack is no collection: this is its only member */
} pack_member;

/* Copies path; limits NULL: the usual ones. "-" is standard input, which like a pipe may be
   anything but a zip, since a zip's list is at its end. */
MUST_CHECK status pack_open(pack_reader **out, const char *path, const pack_limits *limits,
                            detail *err);
/* The next regular file; folders are passed over. What is left of the member before is skipped,
   and counts against the limits. *found is 0 behind the last. */
MUST_CHECK status pack_next(pack_reader *r, pack_member *member, int *found, detail *err);
/* Up to capacity bytes of the member; *count is 0 at its end only. */
MUST_CHECK status pack_read(pack_reader *r, void *bytes, size_t capacity, size_t *count,
                            detail *err);
void pack_close(pack_reader *r); /* NULL is a no-op */

/* ---- writing ---------------------------------------------------------------------------------

   The format follows the name: .zip, .tar, .tar.gz, .tar.xz, .tar.zst. The file is written beside
   its place under another name and moved there, synced, by pack_finish: a pack is whole or not
   there. Members get the time that is given, mode 0644 and no owner, so that equal members make
   equal packs. */
typedef struct pack_writer pack_writer;

/* E_USAGE: no such format; E_INPUT: there is a file of that name and replace is 0. */
MUST_CHECK status pack_create(pack_writer **out, const char *path, int replace, int64_t unix_s,
                              detail *err);
MUST_CHECK status pack_add_bytes(pack_writer *w, const char *name, const void *bytes, size_t count,
                                 detail *err);
MUST_CHECK status pack_add_file(pack_writer *w, const char *name, const char *path, detail *err);
MUST_CHECK status pack_finish(pack_writer *w, detail *err); /* frees w whatever it returns */
void pack_abandon(pack_writer *w);                          /* leaves nothing; NULL is a no-op */

/* How many bytes of a path stand before the ending that says the format; all, where it says none.
 */
size_t pack_stem(const char *path);

#endif
