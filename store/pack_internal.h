/* Private to the room: the bytes that a pack is read from, one compression taken off.

   What a file is, its first bytes say. libarchive's own guess is not asked, since it would take an
   empty file or a page of text for an archive of some kind, and would start other programs for
   what it cannot do. */
#ifndef STORE_PACK_INTERNAL_H
#define STORE_PACK_INTERNAL_H

#include "store/pack.h"

/* Why a member's name is refused; NULL when it is not. */
const char *pack_name_fault(const char *name);

typedef struct source source;

struct archive; /* libarchive's */

/* path "-" is standard input. Copies path and limits. */
MUST_CHECK status source_open(source **out, const char *path, const pack_limits *limits,
                              detail *err);
void source_close(source *s); /* NULL is a no-op */

const char *source_path(const source *s); /* for messages */
int source_is_compressed(const source *s);
int source_is_zip(const source *s);
int source_is_empty_zip(const source *s);
int source_is_tar(const source *s);
/* Of a regular file that is not compressed, otherwise -1. */
int64_t source_size(const source *s);

/* The next bytes, decompressed and counted against the limits; *count is 0 at the end. They stay
   valid until the next call. */
MUST_CHECK status source_next(source *s, const void **bytes, size_t *count, detail *err);
/* Goes on to the end of a tar whose end mark is at this place: a checksum stands behind it, and
   bytes other than zeros would be members that nobody reads. */
MUST_CHECK status source_drain(source *s, int64_t end_mark, detail *err);

/* Whether so many bytes may come out of what was read so far. */
MUST_CHECK status source_allows(const source *s, int64_t bytes_out, detail *err);

/* Opens a reader of libarchive on it, decompressed; a zip's from anywhere, its list being at its
   end. The source must outlive it. */
MUST_CHECK status source_attach(source *s, struct archive *a, detail *err);
/* Why that reader failed: what went wrong beneath it, or its own words. */
status source_failed(const source *s, struct archive *a, detail *err);

#endif
