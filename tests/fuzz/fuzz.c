#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fuzz_replays;

static char folder[256];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type, (void)walk;
  return remove(path);
}

static void remove_folder(void) {
  (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_folder(void) {
  const char *base = getenv("TMPDIR");
  if (!base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  (void)snprintf(folder, sizeof folder, "%s/nightjar-fuzz-XXXXXX", base);
  REQUIRE(mkdtemp(folder) != NULL);
  (void)atexit(remove_folder);
}

const char *fuzz_path(const char *name) {
  static char path[512];
  if (!folder[0]) make_folder();
  REQUIRE(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
  return path;
}

void fuzz_write(const char *path, const void *bytes, size_t count) {
  FILE *file = fopen(path, "wb");
  REQUIRE(file != NULL);
  REQUIRE(fwrite(bytes, 1, count, file) == count);
  REQUIRE(fclose(file) == 0);
}

void fuzz_explained(status failed, const detail *err) {
  REQUIRE(failed == err->code);
  REQUIRE(err->text[0] != 0);
}

fuzz_part fuzz_next_part(const char **at, const char *end) {
  static const char line[] = "---\n";
  fuzz_part part = {*at, (size_t)(end - *at)};
  int fresh = 1; /* whether a line starts here */
  for (const char *c = *at; c < end; c++) {
    if (fresh && (size_t)(end - c) >= strlen(line) && !memcmp(c, line, strlen(line))) {
      part.count = (size_t)(c - *at);
      *at = c + strlen(line);
      return part;
    }
    fresh = *c == '\n';
  }
  *at = end;
  return part;
}

/* strndup may look behind the bytes, as far as strict checks of strings go. */
char *fuzz_copy(fuzz_part part) {
  char *copy = malloc(part.count + 1);
  REQUIRE(copy != NULL);
  if (part.count) memcpy(copy, part.bytes, part.count);
  copy[part.count] = 0;
  return copy;
}
