/* What the fuzz targets share. A target is one function that libFuzzer calls with bytes of its own
   making; the same function over the files of a corpus is a test (replay.c). A target aborts where
   a promise is broken and returns 0 otherwise, keeps nothing between two inputs, and bounds what a
   person would end by hand. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Set by replay.c: each input is seen once, and a target that takes turns does everything. */
extern int fuzz_replays;

/* A path in a folder of this process, in memory where the machine has /dev/shm; the folder goes
   when the process ends by itself. The text lives until the next call. */
const char *fuzz_path(const char *name);
void fuzz_write(const char *path, const void *bytes, size_t count);

/* A failure must say something that can be printed: what happened, in well-formed UTF-8. */
void fuzz_explained(status failed, const detail *err);

/* Inputs of several parts are text: a line of three dashes stands between them. Gives the part up
   to that line or the end, and moves at behind it; parts that are not there are empty. */
typedef struct fuzz_part {
  const char *bytes;
  size_t count;
} fuzz_part;
fuzz_part fuzz_next_part(const char **at, const char *end);
/* A terminated copy, up to a zero among the bytes; the caller frees it. */
char *fuzz_copy(fuzz_part part);

#endif
