/* What the suites of merging share: a store merged into another, or refused and nothing changed,
   and a copy of one that is changed through the stock shell. */
#ifndef TESTS_STORE_MERGING_H
#define TESTS_STORE_MERGING_H

#include "store/merge.h"
#include "tests/store/fixture.h"
#include "tests/support/program.h"

#include <stdlib.h>

static const char ALL_ROWS[] =
    "SELECT (SELECT count(*) FROM task_set), (SELECT count(*) FROM task), (SELECT count(*) FROM "
    "process), (SELECT count(*) FROM run), (SELECT count(*) FROM job), (SELECT count(*) FROM "
    "condition), (SELECT count(*) FROM sample), (SELECT count(*) FROM thread), (SELECT count(*) "
    "FROM trace), (SELECT count(*) FROM verdict), (SELECT count(*) FROM model), (SELECT count(*) "
    "FROM alone), (SELECT count(*) FROM engine_load)";

/* The same file under another name, changed through the stock shell. */
static inline const char *changed(const char *from, const char *name, const char *sql) {
  size_t bytes;
  char *data = support_read(from, &bytes);
  const char *path = support_path(name);
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
  ck_assert_int_eq(fclose(file), 0);
  free(data);
  (void)program_sqlite(path, sql);
  return path;
}

static inline store_merged merge(const char *out, const char *in) {
  detail err;
  store *s = NULL;
  store_merged counts;
  ck_ok(store_open(&s, out, STORE_WRITE, NULL, &err));
  ck_ok(store_merge(s, in, &counts, &err));
  check_clean(s);
  close_store(s);
  return counts;
}

/* It fails so, and out is as it was. */
static inline void refuses(const char *out, const char *in, status wanted, const char *piece) {
  detail err;
  store *s = NULL;
  store_merged counts;
  const char *rows = program_sqlite(out, ALL_ROWS);
  hash before = program_promised(out);
  ck_ok(store_open(&s, out, STORE_WRITE, NULL, &err));
  ck_fails(store_merge(s, in, &counts, &err), wanted, piece);
  ck_assert_ptr_nonnull(strstr(err.text, in));
  ck_assert_int_eq(counts.samples + counts.task_sets + counts.runs, 0);
  check_clean(s);
  close_store(s);
  hash after = program_promised(out);
  ck_assert_str_eq(program_sqlite(out, ALL_ROWS), rows);
  ck_assert(hash_equal(&before, &after));
}

#endif
