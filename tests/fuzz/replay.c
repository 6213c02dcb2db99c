/* Runs a target once over every file of the folders and files that are named: what a fuzzer found
   before stays found, in every build and without libFuzzer. Fails when there was no file. */
#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static int files;

static int replay(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)walk;
  if (type != FTW_F) return 0;
  size_t size = (size_t)info->st_size;
  /* Of just this size, so that reading past the end is seen. */
  uint8_t *data = malloc(size ? size : 1);
  FILE *file = fopen(path, "rb");
  REQUIRE(data && file && fread(data, 1, size, file) == size);
  (void)fclose(file);
  (void)fprintf(stderr, "%s\n", path);
  (void)LLVMFuzzerTestOneInput(data, size);
  free(data);
  files++;
  return 0;
}

int main(int count, char **arguments) {
  fuzz_replays = 1;
  for (int i = 1; i < count; i++) {
    if (nftw(arguments[i], replay, 16, FTW_PHYS)) {
      (void)fprintf(stderr, "cannot read %s\n", arguments[i]);
      return EXIT_FAILURE;
    }
  }
  (void)printf("%d inputs, each ended as it should\n", files);
  return files ? EXIT_SUCCESS : EXIT_FAILURE;
}
