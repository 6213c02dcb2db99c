#include "tests/support/faults.h"

#include "base/json.h"
#include "base/memory.h"
#include "tests/support/faults_internal.h"
#include "tests/support/support.h"

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

/* ---- SQLite's allocator -----------------------------------------------------------------------
   It asks for the size of what it holds, so that stands in front of each block. */

typedef union header {
  int bytes;
  max_align_t align;
} header;

static void *take(int bytes) {
  header *h = memory_take(sizeof *h + (size_t)bytes);
  if (!h) return NULL;
  h->bytes = bytes;
  return h + 1;
}

static void *grow(void *old, int bytes) {
  header *h = memory_grow((header *)old - 1, sizeof *h + (size_t)bytes);
  if (!h) return NULL;
  h->bytes = bytes;
  return h + 1;
}

static void give(void *block) {
  if (block) memory_free((header *)block - 1);
}

static int size_of(void *block) {
  return block ? ((header *)block - 1)->bytes : 0;
}

static int round_up(int bytes) {
  return (bytes + 7) & ~7;
}

static int start(void *context) {
  (void)context;
  return SQLITE_OK;
}

static void stop(void *context) {
  (void)context;
}

/* ---- libyaml's --------------------------------------------------------------------------------
   It has no hook, but calls its own allocator by name, and a program's name goes before that of a
   shared library. It tells a failed allocation from bad input by its error, as it does in life. */

void *yaml_malloc(size_t bytes);
void *yaml_realloc(void *old, size_t bytes);
void yaml_free(void *block);
char *yaml_strdup(const char *from);

void *yaml_malloc(size_t bytes) {
  return memory_take(bytes);
}

void *yaml_realloc(void *old, size_t bytes) {
  return memory_grow(old, bytes);
}

void yaml_free(void *block) {
  memory_free(block);
}

char *yaml_strdup(const char *from) {
  return memory_copy_text(from);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

void faults_install(void) {
  sqlite3_mem_methods methods = {.xMalloc = take,
                                 .xFree = give,
                                 .xRealloc = grow,
                                 .xSize = size_of,
                                 .xRoundup = round_up,
                                 .xInit = start,
                                 .xShutdown = stop};
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
  /* Neither small blocks nor pages come out of a stock taken beforehand: each one can fail. */
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0), SQLITE_OK);
  json_install();
  ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
  faults_install_files();
}
