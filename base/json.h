/* JSON by jansson, with what hostile input needs around it: bounded depth and size, duplicate keys
   refused, errors with file and line, and one canonical form for hashing. This header is the one
   door to jansson: other rooms use its json_t through here.

   Without memory jansson calls a good text bad, or drops a byte of it: json_install lets json_read
   see that.

   Documents belong to the caller (json_decref). A json_t is not shared between threads. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/text.h"

#include <jansson.h>

enum { JSON_DEPTH_MAX = 64, JSON_BYTES_MAX = 64 << 20 };

/* Once in a process, before all else here: jansson's memory comes from base/memory.h. */
void json_install(void);

/* Reads one document of at most JSON_BYTES_MAX bytes and JSON_DEPTH_MAX levels. name and
   first_line are for messages. E_INPUT with file, line and cause; E_MEMORY. */
MUST_CHECK status json_read(json_t **out, const char *bytes, size_t count, const char *name,
                            int first_line, detail *err);

/* Appends the canonical form: keys sorted, no spaces, reals with at most 15 digits (what a person
   writes comes back as it was written). */
MUST_CHECK status json_canonical(const json_t *value, text *out, detail *err);

/* The value at a dotted path of keys ("limit.context") below an object, borrowed; NULL where there
   is none. */
const json_t *json_path_get(const json_t *object, const char *path);
/* Puts a value there, with the objects on the way; takes a reference of its own. 0: memory is out.
 */
MUST_CHECK int json_path_put(json_t *object, const char *path, json_t *value);

/* Appends a JSON string literal for bytes that need not be UTF-8 (bad bytes become U+FFFD). */
void json_quote(text *out, const char *bytes, size_t count);

#endif
