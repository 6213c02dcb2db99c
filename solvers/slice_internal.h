/* Pieces of somebody's text, for whoever reads what a model wrote: anything may stand in them, zero
   bytes among it. Pure functions; each is linear in the bytes that it passes. */
#ifndef SOLVERS_SLICE_INTERNAL_H
#define SOLVERS_SLICE_INTERNAL_H

#include <stddef.h>

typedef struct slice {
  const char *at, *end;
} slice;

size_t slice_bytes(slice s);
/* Where wanted stands first or last; NULL where it does not. */
const char *slice_find(slice s, const char *wanted);
const char *slice_find_last(slice s, const char *wanted);
/* Goes past wanted where the slice begins with it; 0 where it does not. */
int slice_skip(slice *s, const char *wanted);
/* Goes past the next line, which is *line without its end; 0 where there is none. */
int slice_next_line(slice *s, slice *line);

#endif
