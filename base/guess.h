/* What a file is that was taken for another, by its first bytes: downloads leave pointers, pages
   and refusals in the place of files, and formats are mixed up. Pure; any thread. */
#ifndef BASE_GUESS_H
#define BASE_GUESS_H

#include <stddef.h>

enum { GUESS_BYTES = 64 }; /* what is enough of a file's start; fewer are looked at too */

/* What the file is and what to do about it, a constant to be put behind a colon in a message; NULL
   for all else, good files among it. */
const char *guess_file(const char *bytes, size_t count);

#endif
