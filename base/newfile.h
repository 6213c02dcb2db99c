/* A file that is written beside its place under another name, and moved there, synced, when it is
   whole: whoever looks sees all of it or nothing. A device or a pipe is written as it stands.

   One thread at a time. Errors: E_INPUT (there is a file of that name already), E_IO, E_MEMORY. */
#ifndef BASE_NEWFILE_H
#define BASE_NEWFILE_H

#include "base/status.h"

typedef struct newfile {
  int file;          /* to be written to; -1: closed */
  char *path, *part; /* part NULL: no other name is used */
  int replace;
} newfile;

/* Copies path. replace: whether a file of that name is replaced, at newfile_finish. */
MUST_CHECK status newfile_open(newfile *f, const char *path, int replace, detail *err);
/* Writes all of bytes. */
MUST_CHECK status newfile_write(const newfile *f, const void *bytes, size_t count, detail *err);
MUST_CHECK status newfile_finish(newfile *f, detail *err); /* closes f whatever it returns */
void newfile_abandon(newfile *f); /* leaves nothing; a closed or zeroed one is a no-op */

/* Makes the name of what was moved durable: syncs the folder that path lies in. */
void newfile_sync_folder(const char *path);

/* Moves a file or a folder to a name that must be free. Sets errno and returns 0 when it fails. */
int newfile_move(const char *from, const char *to);

#endif
