/* Stop strings, looked for in a text that comes in pieces: a match is found in the piece that
   brings its last byte, wherever its first one was. One automaton a string (Knuth, Morris and Pratt
   1977), so that a byte costs the same however long the text is and nothing of it is kept.

   A stops belongs to one thread at a time. Memory is taken by stops_open alone. */
#ifndef ENGINE_STOPS_H
#define ENGINE_STOPS_H

#include "base/status.h"

typedef struct stops stops;

typedef struct stop_match {
  int which;  /* index of the string */
  size_t at;  /* its first byte in the text since stops_start */
  size_t end; /* the byte after its last */
} stop_match;

/* Copies the strings. E_INPUT for a string that is empty or no UTF-8, which no decoded text holds;
   E_MEMORY. */
MUST_CHECK status stops_open(stops **out, const char *const *strings, int count, detail *err);
void stops_close(stops *s); /* NULL is a no-op */

/* Another text begins. */
void stops_start(stops *s);
/* The next bytes of the text. 1: *out is the match that ends first, of those that end together the
   one that starts first, of equal strings the lower index; the rest of bytes has not been looked
   at, and stops_start must follow. */
int stops_put(stops *s, const char *bytes, size_t count, stop_match *out);

#endif
