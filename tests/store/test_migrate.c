/* Stores of earlier versions: each becomes one of this version with nothing lost, after a copy. */
#include "store/merge.h"
#include "tests/store/fixture.h"
#include "tests/support/program.h"

#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* A store as that version wrote it: 4 tasks, 3 conditions, 24 samples, a comparison; from version 3
   on 8 of the samples are a model's. */
static const char *unpack(int version) {
  static char path[256];
  char packed[64], bytes[65536];
  (void)snprintf(packed, sizeof packed, "tests/store/version-%d.db.gz", version);
  (void)snprintf(path, sizeof path, "%s", support_path("old.db"));
  gzFile from = gzopen(packed, "rb");
  FILE *to = fopen(path, "wb");
  ck_assert(from && to);
  for (int count; (count = gzread(from, bytes, sizeof bytes)) != 0;) {
    ck_assert_int_gt(count, 0);
    ck_assert_uint_eq(fwrite(bytes, 1, (size_t)count, to), (size_t)count);
  }
  (void)gzclose(from);
  ck_assert_int_eq(fclose(to), 0);
  return path;
}

static const char *beside(const char *suffix) {
  char name[64];
  (void)snprintf(name, sizeof name, "old.db%s", suffix);
  return support_path(name);
}

/* What a schema is made of, whatever text it was made by: tables with their columns, keys and
   defaults, indexes with their columns and what they leave out, foreign keys, and the text of
   views. What a table's text says beyond that are its CHECKs, which a test of their own tries. */
static const char schema_sql[] =
    "SELECT name, type, ncol, wr, strict FROM pragma_table_list WHERE schema = 'main' "
    "AND name NOT LIKE 'sqlite_%' ORDER BY name;"
    "SELECT l.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden "
    "FROM pragma_table_list l, pragma_table_xinfo(l.name) c WHERE l.schema = 'main' "
    "AND l.name NOT LIKE 'sqlite_%' ORDER BY l.name, c.cid;"
    "SELECT l.name, i.name, i.\"unique\", i.origin, i.partial, c.seqno, c.cid, c.name, c.desc, "
    "c.coll, c.key FROM pragma_table_list l, pragma_index_list(l.name) i, "
    "pragma_index_xinfo(i.name) c WHERE l.schema = 'main' ORDER BY l.name, i.name, c.seqno;"
    "SELECT l.name, f.* FROM pragma_table_list l, pragma_foreign_key_list(l.name) f "
    "WHERE l.schema = 'main' ORDER BY l.name, f.id, f.seq;"
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type <> 'table' "
    "ORDER BY type, name";

/* Every row of every table of ours that a version before has, as its columns were that are still
   there. SQLite's statistics of an index that is made again are gathered again. */
static const char *rows_of(const char *db, const char *shape) {
  static char rows[1 << 20];
  char names[1024];
  size_t used = 0;
  (void)snprintf(names, sizeof names, "%s",
                 program_sqlite(shape, "SELECT group_concat(name, ' ') FROM (SELECT name FROM "
                                       "sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                                       "'sqlite_%' ORDER BY name)"));
  for (char *rest = names, *table; (table = strsep(&rest, " "));) {
    char sql[2048];
    (void)snprintf(
        sql, sizeof sql,
        "SELECT group_concat('quote(' || name || ')', ' || '','' || ') FROM pragma_table_info('%s')"
        " WHERE name NOT LIKE 'forwards%%'",
        table);
    const char *columns = program_sqlite(shape, sql);
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s ORDER BY 1", columns, table);
    int bytes =
        snprintf(rows + used, sizeof rows - used, "%s\n%s\n", table, program_sqlite(db, sql));
    ck_assert(bytes > 0 && (size_t)bytes < sizeof rows - used);
    used += (size_t)bytes;
  }
  return rows;
}

START_TEST(each_version_is_brought_up) {
  const char *old = unpack(_i);
  char *before = strdup(rows_of(old, old)), suffix[32], number[16];
  close_store(open_store("old.db", STORE_WRITE));
  (void)snprintf(suffix, sizeof suffix, ".version-%d", _i);
  ck_assert_str_eq(rows_of(old, beside(suffix)), before);
  ck_assert_str_eq(rows_of(beside(suffix), beside(suffix)), before);
  free(before);
  ck_assert_str_eq(program_sqlite(old, "PRAGMA integrity_check"), "ok");
  ck_assert_str_eq(program_sqlite(old, "PRAGMA foreign_key_check"), "");

  /* Nothing tells it from a store that was made now. */
  close_store(open_store("new.db", STORE_WRITE));
  ck_assert_str_eq(program_sqlite(old, schema_sql),
                   program_sqlite(support_path("new.db"), schema_sql));
  ck_assert_str_eq(program_sqlite(old, "PRAGMA user_version"),
                   program_sqlite(support_path("new.db"), "PRAGMA user_version"));

  (void)snprintf(number, sizeof number, "%d", _i);
  ck_assert_str_eq(program_sqlite(beside(suffix), "PRAGMA user_version"), number);

  /* A second opening has nothing to do, and an earlier copy is never written over. */
  close_store(open_store("old.db", STORE_WRITE));
  (void)strcat(suffix, ".2");
  ck_assert_int_ne(access(beside(suffix), F_OK), 0);
  (void)unpack(_i);
  close_store(open_store("old.db", STORE_READ));
  ck_assert_str_eq(program_sqlite(beside(suffix), "PRAGMA user_version"), number);
}
END_TEST

START_TEST(a_reader_brings_it_up_too) {
  (void)unpack(1);
  store *s = open_store("old.db", STORE_READ);
  ck_assert(!store_writable(s));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM samples"), 24);
  ck_assert_int_eq(number(s, "PRAGMA user_version"), STORE_VERSION);
  close_store(s);
  ck_assert_int_ne(access(beside(".lock"), F_OK), 0);
}
END_TEST

START_TEST(so_does_a_merge_of_it) {
  const char *old = unpack(1);
  detail err;
  store_merged counts;
  store *s = open_store("out.db", STORE_WRITE);
  ck_ok(store_merge(s, old, &counts, &err));
  close_store(s);
  ck_assert_int_eq(counts.samples, 24);
  hash before = program_promised(old), after = program_promised(support_path("out.db"));
  ck_assert(hash_equal(&before, &after));
  ck_assert_int_eq(access(beside(".version-1"), F_OK), 0);
}
END_TEST

START_TEST(what_was_added_is_checked) {
  detail err;
  (void)unpack(2);
  store *s = open_store("old.db", STORE_WRITE);
  ck_fails(query_run(s, "UPDATE sample SET derived = 2 WHERE id = 1", &err), E_STORE, "CHECK");
  ck_ok(query_run(s, "UPDATE sample SET derived = 1 WHERE id = 1", &err));
  ck_fails(query_run(s,
                     "INSERT INTO model VALUES (x'00', 'm', 'llama', 1, 1, 1, zeroblob(32), '{}')",
                     &err),
           E_STORE, "CHECK");
  ck_fails(query_run(s,
                     "INSERT INTO consensus VALUES ('second', 'apr', 'countdown', 'odd', 1, 0.5, "
                     "NULL, 1, 1, 'all', zeroblob(32), 0)",
                     &err),
           E_STORE, "CHECK");
  ck_fails(query_run(s, "INSERT INTO alone VALUES (99999, 1, 0, 1, NULL)", &err), E_STORE,
           "FOREIGN KEY");
  close_store(s);
}
END_TEST

START_TEST(samples_of_a_model_go_on) {
  const char *old = unpack(3);
  close_store(open_store("old.db", STORE_WRITE));
  ck_assert_str_eq(program_sqlite(old, "SELECT count(*), sum(threads), min(label_children IS NULL) "
                                       "FROM samples WHERE mode = 'vote' AND model = 'm'"),
                   "8|24|1");
  ck_assert_str_eq(program_sqlite(old, "SELECT sum(samples * rounds), sum(samples) FROM spawning"),
                   "9|8");
}
END_TEST

START_TEST(views_that_a_user_added_stay) {
  const char *old = unpack(1);
  (void)program_sqlite(old, "CREATE VIEW mine AS SELECT count(*) AS n FROM samples");
  close_store(open_store("old.db", STORE_WRITE));
  ck_assert_str_eq(program_sqlite(old, "SELECT n FROM mine"), "24");
}
END_TEST

/* Of a column that went, of a table that is no more, and one with an odd name and a comment. */
START_TEST(views_that_are_broken_stay_so) {
  const char *old = unpack(2);
  (void)program_sqlite(old, "CREATE VIEW mine AS SELECT sample, forwards FROM trace; "
                            "CREATE VIEW lost AS SELECT a FROM gone; "
                            "CREATE VIEW \"an \"\"odd\"\" name\" AS SELECT n FROM (SELECT count(*) "
                            "AS n FROM sample) -- all of them\n");
  const char *views =
      "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema WHERE "
      "type = 'view' AND name IN ('mine', 'lost', 'an \"odd\" name') ORDER BY name)";
  char before[512];
  (void)snprintf(before, sizeof before, "%s", program_sqlite(old, views));
  ck_assert_ptr_nonnull(strstr(before, "FROM gone"));
  close_store(open_store("old.db", STORE_WRITE));
  ck_assert_str_eq(program_sqlite(old, views), before);
  ck_assert_str_eq(program_sqlite(old, "SELECT n FROM \"an \"\"odd\"\" name\""), "24");
}
END_TEST

START_TEST(one_that_fails_stays_as_it_was) {
  detail err;
  store *s = NULL;
  const char *old = unpack(1);
  /* A table in the place of a view of ours cannot be dropped as one. */
  (void)program_sqlite(old, "DROP VIEW accuracy; CREATE TABLE accuracy (mine INTEGER)");
  size_t bytes, bytes_after;
  char *before = support_read(old, &bytes);
  ck_fails(store_open(&s, old, STORE_WRITE, NULL, &err), E_STORE, "could not be brought up");
  ck_fails(store_open(&s, old, STORE_READ, NULL, &err), E_STORE, "added to it by hand");
  char *after = support_read(old, &bytes_after);
  ck_assert_uint_eq(bytes, bytes_after);
  ck_assert_mem_eq(before, after, bytes);
  ck_assert_int_ne(access(beside(".version-1"), F_OK), 0);
  glob_t left;
  ck_assert_int_eq(glob(beside(".version-1.*"), 0, NULL, &left), GLOB_NOMATCH);
  ck_assert_int_ne(access(beside(".lock"), F_OK), 0);
  free(before);
  free(after);
}
END_TEST

START_TEST(a_snapshot_is_one_whole_file) {
  detail err;
  store *s = open_ready("busy.db", 3), *copy;
  for (int i = 1; i <= 3; i++)
    put_plain(s, i, 0, "done");
  ck_ok(store_flush(s, &err));
  ck_ok(store_snapshot(s, support_path("copy.db"), &err));
  put_plain(s, 1, 1, "done");
  close_store(s);
  ck_assert_int_ne(access(support_path("copy.db-wal"), F_OK), 0);
  copy = open_store("copy.db", STORE_READ);
  ck_assert_int_eq(number(copy, "SELECT count(*) FROM sample"), 3);
  check_clean(copy);
  ck_fails(store_snapshot(copy, support_path("busy.db"), &err), E_INPUT, "is there already");
  ck_fails(store_snapshot(copy, "/nowhere/copy.db", &err), E_IO, "cannot be made");
  close_store(copy);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("migrate");
  TCase *all = tcase_create("migrate");
  tcase_add_loop_test(all, each_version_is_brought_up, 1, STORE_VERSION);
  tcase_add_test(all, a_reader_brings_it_up_too);
  tcase_add_test(all, so_does_a_merge_of_it);
  tcase_add_test(all, what_was_added_is_checked);
  tcase_add_test(all, samples_of_a_model_go_on);
  tcase_add_test(all, views_that_a_user_added_stay);
  tcase_add_test(all, views_that_are_broken_stay_so);
  tcase_add_test(all, one_that_fails_stays_as_it_was);
  tcase_add_test(all, a_snapshot_is_one_whole_file);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
