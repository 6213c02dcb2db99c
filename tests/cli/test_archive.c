/* nightjar archive: what is packed comes back whole and can be gone on with; what was changed, cut
   or made to do harm leaves nothing behind. */
#include "store/pack.h"
#include "tests/support/program.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const formats[] = {"a.tar.zst", "a.zip"};
enum { FORMATS = 2 };

static const char job[] = "name: little\n"
                          "tasks: c\n"
                          "conditions:\n"
                          "  - {name: dfs, mode: symbolic, search: dfs, heuristic: [sum, mult]}\n";

/* A store with a finished job. */
static const char *make_store(void) {
  const char *db = support_path("n.db"), *file = support_path("little.yaml");
  support_write(file, job);
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "c", "--count", "20", "--seed", "1",
                    "--db", db),
           0);
  ck_ended(nightjar("run", file, "--db", db), 0);
  return db;
}

static int there(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

static int entries;
static int count_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)path, (void)info, (void)type, (void)walk;
  entries++;
  return 0;
}

/* Everything in the test's folder, so that nothing can be left behind. */
static int count_entries(void) {
  char folder[512];
  (void)snprintf(folder, sizeof folder, "%s", support_path("x"));
  *strrchr(folder, '/') = 0;
  entries = 0;
  ck_assert_int_eq(nftw(folder, count_one, 16, FTW_PHYS), 0);
  return entries;
}

static const char *within(const char *name) {
  static char paths[8][600];
  static int next;
  char *path = paths[next++ % 8];
  (void)snprintf(path, sizeof paths[0], "%s/%s", support_path("out"), name);
  return path;
}

/* ---- there and back ---------------------------------------------------------------------------
 */

static void check_manifest(void) {
  json_t *manifest = program_json(program_read(within("manifest.json")));
  json_t *members = json_object_get(manifest, "members"), *value;
  const char *name;
  ck_assert_uint_eq(json_object_size(members), 3);
  json_object_foreach(members, name, value) {
    size_t bytes;
    char hex[HASH_HEX_BYTES], *data = support_read(within(name), &bytes);
    hash content = hash_of(data, bytes);
    ck_assert_int_eq(json_integer_value(json_object_get(value, "bytes")), bytes);
    ck_assert_str_eq(json_string_value(json_object_get(value, "sha256")), hash_hex(&content, hex));
    free(data);
  }
  ck_assert_ptr_nonnull(json_string_value(json_object_get(manifest, "nightjar")));
  ck_assert_ptr_nonnull(json_string_value(json_object_get(manifest, "made")));
  ck_assert_int_gt(json_integer_value(json_object_get(manifest, "store_version")), 0);
  json_decref(manifest);
}

START_TEST(what_is_packed_comes_back) {
  const char *db = make_store(), *file = support_path(formats[_i]), *out = support_path("out");
  int before = count_entries();
  ck_ended(nightjar("archive", "pack", file, "--db", db), 0);
  ck_assert_int_eq(count_entries(), before + 1);
  outcome o = nightjar("archive", "unpack", file, "-o", out);
  ck_ended(o, 0);
  ck_holds(o.err, "nightjar run ");
  ck_assert_int_eq(count_entries(), before + 1 + 6); /* the folder, four files and jobs/ */
  hash packed = program_promised(db), unpacked = program_promised(within("store.db"));
  ck_assert(hash_equal(&packed, &unpacked));
  ck_assert_str_eq(program_sqlite(within("store.db"), "PRAGMA integrity_check"), "ok");
  ck_assert_str_eq(program_read(within("report.txt")),
                   nightjar("report", "--text", "--db", db).out);
  check_manifest();
  o = nightjar("run", within("jobs/little.json"), "--db", within("store.db"));
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
}
END_TEST

/* What it says to go on with is for pasting into a shell. */
START_TEST(what_is_said_can_be_run) {
  const char *db = make_store(), *file = support_path(formats[_i]);
  const char *out = support_path("a night's work");
  ck_ended(nightjar("archive", "pack", file, "--db", db), 0);
  outcome o = nightjar("archive", "unpack", file, "-o", out);
  ck_ended(o, 0);
  ck_holds(o.err, "a night'\\''s work/jobs/little.json' --db '");
  ck_holds(o.err, "a night'\\''s work/store.db'\n");
}
END_TEST

START_TEST(the_folder_has_the_archives_name) {
  const char *db = make_store(), *file = support_path(formats[_i]);
  char folder[512], start[512];
  ck_ended(nightjar("archive", "pack", file, "--db", db), 0);
  (void)snprintf(folder, sizeof folder, "%s", file);
  *strrchr(folder, '/') = 0;
  ck_assert_ptr_nonnull(getcwd(start, sizeof start));
  ck_assert_int_eq(chdir(folder), 0);
  ck_ended(nightjar("archive", "unpack", formats[_i]), 0);
  ck_assert(there("a/store.db"));
  outcome o = nightjar("archive", "unpack", formats[_i]);
  ck_ended(o, 3);
  ck_holds(o.err, "a exists; name another folder with -o");
  ck_assert_int_eq(chdir(start), 0);
}
END_TEST

static const char long_job[] = "name: long\n"
                               "tasks: c\n"
                               "repeats: 400\n"
                               "conditions:\n"
                               "  - {name: dfs, mode: symbolic, search: dfs, heuristic: sum}\n";

/* The copy is of one moment: what it holds is whole, and going on from it ends equal. */
START_TEST(a_run_may_write_meanwhile) {
  const char *db = make_store(), *file = support_path("long.yaml"), *out = support_path("out");
  support_write(file, long_job);
  const char *const arguments[] = {"run", file, "--db", db, NULL};
  pid_t run = program_start(arguments);
  const char *archive = support_path("b.tar.zst");
  for (int i = 0; i < 5; i++)
    ck_assert_int_eq(program_wait(program_start((const char *const[]){
                         "archive", "pack", archive, "--replace", "--db", db, NULL})),
                     0);
  ck_assert_int_eq(program_wait(run), 0);
  ck_ended(nightjar("archive", "unpack", archive, "-o", out), 0);
  ck_assert_str_eq(program_sqlite(within("store.db"), "PRAGMA integrity_check"), "ok");
  ck_ended(nightjar("run", file, "--db", within("store.db")), 0);
  hash whole = program_promised(db), again = program_promised(within("store.db"));
  ck_assert(hash_equal(&whole, &again));
}
END_TEST

START_TEST(one_job_may_be_packed) {
  const char *db = make_store(), *file = support_path("other.yaml"), *a = support_path("a.zip");
  text other;
  text_open(&other, 4096);
  text_format(&other, "name: other%s", job + strlen("name: little"));
  support_write(file, text_string(&other));
  text_close(&other);
  ck_ended(nightjar("run", file, "--db", db), 0);
  ck_ended(nightjar("archive", "pack", a, "--job", "other", "--db", db), 0);
  ck_ended(nightjar("archive", "unpack", a, "-o", support_path("out")), 0);
  ck_assert(there(within("jobs/other.json")) && !there(within("jobs/little.json")));
  ck_lacks(program_read(within("report.txt")), "little");
  outcome o = nightjar("archive", "pack", a, "--replace", "--job", "nobody", "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "no job 'nobody'");
  ck_assert(there(a));
}
END_TEST

/* Merging keeps a job of a taken name as NAME~2. */
START_TEST(a_job_that_merging_named_is_packed) {
  const char *db = make_store(), *file = support_path("seed.yaml"), *out = support_path("m.db");
  char document[400];
  (void)snprintf(document, sizeof document, "seed: 8\n%s", job);
  support_write(file, document);
  const char *other = support_path("o.db"), *a = support_path("a.zip");
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "c", "--count", "20", "--seed", "1",
                    "--db", other),
           0);
  ck_ended(nightjar("run", file, "--db", other), 0);
  ck_ended(nightjar("merge", out, db, other), 0);
  ck_ended(nightjar("archive", "pack", a, "--db", out), 0);
  ck_ended(nightjar("archive", "unpack", a, "-o", support_path("out")), 0);
  ck_assert(there(within("jobs/little.json")) && there(within("jobs/little~2.json")));
}
END_TEST

/* ---- hostile archives -------------------------------------------------------------------------
 */

typedef struct member {
  const char *name, *bytes;
} member;

static void put_listed(text *out, const char *name, const char *bytes, size_t count) {
  char hex[HASH_HEX_BYTES];
  hash content = hash_of(bytes, count);
  text_format(out, "\"%s\":{\"bytes\":%zu,\"sha256\":\"%s\"}", name, count,
              hash_hex(&content, hex));
}

/* A manifest that lists these members as they are, store.db's as those of db. It lives until the
   process ends. */
static const char *manifest_of(const member *members, const char *db) {
  enum { KEPT = 16 };
  static text kept[KEPT];
  static int count;
  ck_assert_int_lt(count, KEPT);
  text *t = &kept[count++];
  text_open(t, 1 << 20);
  text_put(t, "{\"archive\":1,\"nightjar\":\"0\",\"members\":{");
  for (int i = 0; members[i].name; i++) {
    size_t bytes = members[i].bytes ? strlen(members[i].bytes) : 0;
    char *data = members[i].bytes ? NULL : support_read(db, &bytes);
    if (i) text_char(t, ',');
    put_listed(t, members[i].name, data ? data : members[i].bytes, bytes);
    free(data);
  }
  text_put(t, "}}");
  return text_string(t);
}

/* Members without bytes are db. */
static const char *archive_of(const char *manifest, const member *members, const char *db) {
  detail err;
  pack_writer *w = NULL;
  const char *path = support_path("hostile.zip");
  ck_ok(pack_create(&w, path, 1, 0, &err));
  if (manifest) ck_ok(pack_add_bytes(w, "manifest.json", manifest, strlen(manifest), &err));
  for (; members->name; members++) {
    if (!members->bytes) {
      ck_ok(pack_add_file(w, members->name, db, &err));
    } else {
      ck_ok(pack_add_bytes(w, members->name, members->bytes, strlen(members->bytes), &err));
    }
  }
  ck_ok(pack_finish(w, &err));
  return path;
}

static void check_refused(const char *archive, int code, const char *why) {
  int before = count_entries();
  outcome o = nightjar("archive", "unpack", archive, "-o", support_path("out"));
  ck_ended(o, code);
  ck_holds(o.err, why);
  ck_assert(!there(support_path("out")));
  ck_assert_int_eq(count_entries(), before);
}

START_TEST(what_is_not_as_listed_is_refused) {
  const char *db = make_store();
  const member good[] = {{"store.db", NULL}, {"jobs/j.json", "{}"}, {"report.txt", "r"}, {0}};
  const member other[] = {{"store.db", NULL}, {"jobs/j.json", "[]"}, {"report.txt", "r"}, {0}};
  const member longer[] = {{"store.db", NULL}, {"jobs/j.json", "{ }"}, {"report.txt", "r"}, {0}};
  const member shorter[] = {{"store.db", NULL}, {"jobs/j.json", "{"}, {"report.txt", "r"}, {0}};
  const member more[] = {
      {"store.db", NULL}, {"jobs/j.json", "{}"}, {"report.txt", "r"}, {"jobs/k.json", "{}"}, {0}};
  const member twice[] = {
      {"store.db", NULL}, {"jobs/j.json", "{}"}, {"report.txt", "r"}, {"report.txt", "r"}, {0}};
  const member fewer[] = {{"store.db", NULL}, {"report.txt", "r"}, {0}};
  const member none[] = {{"report.txt", "r"}, {0}};
  const char *listed = manifest_of(good, db);
  check_refused(archive_of(listed, other, db), 3, "jobs/j.json does not have the SHA-256");
  check_refused(archive_of(listed, longer, db), 3, "jobs/j.json is too long");
  check_refused(archive_of(listed, shorter, db), 3, "jobs/j.json is too short");
  check_refused(archive_of(listed, more, db), 3, "jobs/k.json is not listed");
  check_refused(archive_of(listed, twice, db), 3, "report.txt is there twice");
  check_refused(archive_of(listed, fewer, db), 3, "jobs/j.json is missing");
  check_refused(archive_of(NULL, good, db), 3, "does not start with manifest.json");
  check_refused(archive_of(manifest_of(none, db), none, db), 3, "lists no store.db");
  ck_ended(nightjar("archive", "unpack", archive_of(listed, good, db), "-o", support_path("out")),
           0);
}
END_TEST

START_TEST(names_that_are_not_ours_are_refused) {
  const char *db = make_store();
  static const char *const names[] = {"../store.db", "/tmp/x",          "jobs/../../x.json",
                                      "jobs/.json",  "jobs/a b.json",   "jobs/a/b.json",
                                      "x",           "jobs/x.json.lnk", "store.db-wal"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const member members[] = {{"store.db", NULL}, {names[i], "{}"}, {0}};
    const member safe[] = {{"store.db", NULL}, {0}};
    check_refused(archive_of(manifest_of(members, db), safe, db), 3, "no archive holds a member");
  }
}
END_TEST

START_TEST(manifests_that_are_none_are_refused) {
  const char *db = make_store();
  const member none[] = {{0}};
  static const struct {
    const char *manifest, *why;
  } bad[] = {{"", "not JSON"},
             {"{\"archive\":1", "not JSON"},
             {"[]", "no archive of Nightjar"},
             {"{\"archive\":2,\"nightjar\":\"9.9\"}", "made by a newer Nightjar (9.9)"},
             {"{\"archive\":1}", "lists no members"},
             {"{\"archive\":1,\"members\":{\"store.db\":{}}}", "needs its bytes and its sha256"},
             {"{\"archive\":1,\"members\":{\"store.db\":{\"bytes\":-1,\"sha256\":\"00\"}}}",
              "needs its bytes and its sha256"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    check_refused(archive_of(bad[i].manifest, none, db), 3, bad[i].why);
}
END_TEST

START_TEST(a_store_that_is_not_ours_is_refused) {
  const char *db = make_store(), *other = support_path("other.db");
  (void)program_sqlite(other, "CREATE TABLE a (b); INSERT INTO a VALUES (1)");
  const member members[] = {{"store.db", NULL}, {0}};
  check_refused(archive_of(manifest_of(members, other), members, other), 5,
                "SQLite file of another program");
  const member words[] = {{"store.db", "no store at all"}, {0}};
  check_refused(archive_of(manifest_of(words, db), words, db), 5, "its store.db");
}
END_TEST

START_TEST(a_cut_archive_leaves_nothing) {
  const char *db = make_store(), *file = support_path(formats[_i]);
  size_t bytes;
  ck_ended(nightjar("archive", "pack", file, "--db", db), 0);
  char *data = support_read(file, &bytes);
  for (size_t i = 0; i < 16; i++) {
    ck_assert_int_eq(truncate(file, (off_t)(bytes - 1 - i * (bytes / 16))), 0);
    check_refused(file, 3, file);
    FILE *again = fopen(file, "wb");
    ck_assert_uint_eq(fwrite(data, 1, bytes, again), bytes);
    ck_assert_int_eq(fclose(again), 0);
  }
  free(data);
  ck_ended(nightjar("archive", "unpack", file, "-o", support_path("out")), 0);
}
END_TEST

START_TEST(a_full_disk_leaves_nothing) {
  const char *db = make_store(), *file = support_path(formats[_i]), *out = support_path("out");
  const char *const pack[] = {"archive", "pack", file, "--db", db, NULL};
  int before = count_entries();
  for (size_t room = 4096; room < 200000; room *= 4) {
    outcome o = program_run_bounded(pack, room);
    ck_ended(o, 5);
    ck_assert_int_eq(count_entries(), before);
  }
  ck_ended(program_run(pack), 0);
  const char *const unpack[] = {"archive", "unpack", file, "-o", out, NULL};
  outcome o = program_run_bounded(unpack, 100000);
  ck_ended(o, 5);
  ck_holds(o.err, "free some space");
  ck_assert_int_eq(count_entries(), before + 1);
}
END_TEST

START_TEST(what_is_there_is_not_touched) {
  const char *db = make_store(), *file = support_path("a.zip"), *out = support_path("out");
  support_write(file, "mine");
  outcome o = nightjar("archive", "pack", file, "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "--replace");
  ck_assert_str_eq(program_read(file), "mine");
  ck_ended(nightjar("archive", "pack", file, "--replace", "--db", db), 0);
  support_write(out, "a file");
  ck_ended(nightjar("archive", "unpack", file, "-o", out), 3);
  ck_assert_str_eq(program_read(out), "a file");
  ck_assert_int_eq(unlink(out), 0);
  ck_assert_int_eq(mkdir(out, 0755), 0);
  ck_ended(nightjar("archive", "unpack", file, "-o", out), 3);
  o = nightjar("archive", "pack", support_path("a.rar"), "--db", db);
  ck_ended(o, 2);
  ck_holds(o.err, ".tar.zst");
  o = nightjar("archive", "unpack", support_path("a.rar"));
  ck_ended(o, 2);
  ck_holds(o.err, "-o");
  ck_ended(nightjar("archive", "pack", support_path("b.zip"), "--db", support_path("none.db")), 3);
  ck_assert(!there(support_path("b.zip")));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("archive");
  TCase *tests = tcase_create("archive");
  tcase_add_loop_test(tests, what_is_packed_comes_back, 0, FORMATS);
  tcase_add_loop_test(tests, the_folder_has_the_archives_name, 0, FORMATS);
  tcase_add_loop_test(tests, what_is_said_can_be_run, 0, FORMATS);
  tcase_add_test(tests, a_run_may_write_meanwhile);
  tcase_add_test(tests, one_job_may_be_packed);
  tcase_add_test(tests, a_job_that_merging_named_is_packed);
  tcase_add_test(tests, what_is_not_as_listed_is_refused);
  tcase_add_test(tests, names_that_are_not_ours_are_refused);
  tcase_add_test(tests, manifests_that_are_none_are_refused);
  tcase_add_test(tests, a_store_that_is_not_ours_is_refused);
  tcase_add_loop_test(tests, a_cut_archive_leaves_nothing, 0, FORMATS);
  tcase_add_loop_test(tests, a_full_disk_leaves_nothing, 0, FORMATS);
  tcase_add_test(tests, what_is_there_is_not_touched);
  suite_add_tcase(suite, tests);
  return support_run(suite);
}
