/* manifest.json, the first member of an archive: who made it and when, and of every other member
   its bytes and its SHA-256. The names in it are those that archive pack writes and no others:
     store.db            the store
     jobs/NAME.json      a job's resolved document, which is accepted as a job file
     report.txt          what report --text printed
   A manifest belongs to one thread. */
#ifndef PIPELINE_MANIFEST_H
#define PIPELINE_MANIFEST_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"

#define MANIFEST_NAME   "manifest.json"
#define MANIFEST_STORE  "store.db"
#define MANIFEST_REPORT "report.txt"

enum {
  MANIFEST_MEMBERS_MAX = 10000,
  MANIFEST_BYTES_MAX = 4 << 20,
  MANIFEST_WORD_BYTES = 64,
  MANIFEST_JOB_BYTES_MAX = 64 /* of a job's name */
};

typedef struct manifest_member {
  const char *name;
  int64_t bytes;
  hash content;
  int seen; /* for the reader of an archive */
} manifest_member;

typedef struct manifest {
  char version[MANIFEST_WORD_BYTES]; /* of the Nightjar that made it */
  char made[MANIFEST_WORD_BYTES];    /* "2031-05-01T12:00:00Z" */
  arena *memory;
  manifest_member *members; /* [MANIFEST_MEMBERS_MAX], of which count are there */
  size_t count;
} manifest;

MUST_CHECK status manifest_open(manifest *m, detail *err);
void manifest_close(manifest *m); /* a zeroed or closed one is a no-op */

/* Copies name. E_INPUT: no name of the list above, or there already. */
MUST_CHECK status manifest_add(manifest *m, const char *name, int64_t bytes, const hash *content,
                               detail *err);
manifest_member *manifest_find(const manifest *m, const char *name); /* NULL: not there */

MUST_CHECK status manifest_write(const manifest *m, text *out, detail *err);
/* Into a manifest that is open and empty. file is for messages. E_INPUT names the field. */
MUST_CHECK status manifest_read(manifest *m, const char *bytes, size_t count, const char *file,
                                detail *err);

#endif
