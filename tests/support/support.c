#include "tests/support/support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int support_run(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner);
  srunner_free(runner);
  return failed || run == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

enum { PATHS_MAX = 64 };
static char folder[256];
static pid_t folder_owner;

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type, (void)walk;
  return remove(path);
}

static void remove_folder(void) {
  if (folder[0] && folder_owner == getpid()) {
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  }
}

const char *support_path(const char *name) {
  if (!folder[0] || folder_owner != getpid()) {
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/nightjar-test-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    folder_owner = getpid();
    (void)atexit(remove_folder);
  }
  static char paths[PATHS_MAX][512];
  char wanted[512];
  ck_assert_int_lt(snprintf(wanted, sizeof wanted, "%s/%s", folder, name), (int)sizeof wanted);
  for (int i = 0; i < PATHS_MAX; i++) {
    if (!paths[i][0]) memcpy(paths[i], wanted, sizeof wanted);
    if (!strcmp(paths[i], wanted)) return paths[i];
  }
  ck_abort_msg("more than %d paths in one process", (int)PATHS_MAX);
  return NULL;
}

char *support_read(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
  long size = ftell(file);
  ck_assert_int_ge(size, 0);
  rewind(file);
  char *data = malloc((size_t)size + 1);
  ck_assert_ptr_nonnull(data);
  ck_assert_uint_eq(fread(data, 1, (size_t)size, file), (size_t)size);
  data[size] = 0;
  (void)fclose(file);
  if (bytes) *bytes = (size_t)size;
  return data;
}

void support_write(const char *path, const char *text) {
  FILE *file = fopen(path, "wb");
  ck_assert_msg(file != NULL, "cannot write %s", path);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}
