/* What this machine computes models with, in words: for a person and for the record of a process.
 */
#ifndef ENGINE_MACHINE_H
#define ENGINE_MACHINE_H

#include "base/text.h"

/* Appends a backend and the path that it takes here, "cpu avx512_bf16". The backend itself is
   asked, so that it is what an engine gets. Errors of a device that cannot be opened. */
MUST_CHECK status machine_device(const char *backend, text *out, detail *err);

#endif
