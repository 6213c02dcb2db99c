/* A model's night in shards: merged, they are the night that one machine makes. Which engine made a
   run is told by its fingerprint, and another is refused: by merge, and by the next run. */
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>

enum { TASKS = 8, REPEATS = 2 };

static const char *job, *folder;

static void prepare(void) {
  job = support_path("job.yaml");
  folder = program_make_model("tiny");
  program_write_reasoning(job, folder, REPEATS, "record: {logprobs: true}\n");
}

static const char *new_store(const char *name) {
  const char *path = support_path(name);
  program_make_tasks(path, TASKS);
  return path;
}

static const char *run_whole(void) {
  const char *whole = new_store("whole.db");
  ck_ended(nightjar("run", job, "--db", whole), 0);
  return whole;
}

static const char *run_shard(const char *part, const char *name) {
  const char *db = new_store(name);
  ck_ended(nightjar("run", job, "--db", db, "--shard", part), 0);
  return db;
}

static void is_whole(const char *db, const char *whole) {
  hash found = program_promised(db), wanted = program_promised(whole);
  ck_assert(hash_equal(&found, &wanted));
  ck_assert_str_eq(program_sqlite(db, "SELECT count(DISTINCT fingerprint) FROM run"), "1");
  ck_assert_str_eq(program_sqlite(db, "PRAGMA foreign_key_check"), "");
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
}

/* ---- shards -----------------------------------------------------------------------------------
 */

START_TEST(shards_of_a_model_are_the_whole) {
  static const char cut[] = "SELECT count(*), sum(derived) FROM sample";
  prepare();
  const char *whole = run_whole(), *one = run_shard("1/2", "one.db");
  const char *two = run_shard("2/2", "two.db");
  const char *out = support_path("out.db"), *back = support_path("back.db");
  /* Families lie within a shard: each has its largest there, and cuts the others from it. */
  ck_assert_str_eq(program_sqlite(whole, cut), "256|144");
  ck_assert_str_eq(program_sqlite(one, cut), "128|72");
  ck_assert_str_eq(program_sqlite(two, cut), "128|72");
  ck_ended(nightjar("merge", out, one, two), 0);
  ck_ended(nightjar("merge", back, two), 0);
  ck_ended(nightjar("merge", back, one), 0);
  is_whole(out, whole);
  is_whole(back, whole);
}
END_TEST

/* What a merged store still lacks is run in it, families included. */
START_TEST(a_merged_store_goes_on) {
  prepare();
  const char *whole = run_whole(), *two = run_shard("2/2", "two.db");
  const char *out = support_path("out.db"), *none = new_store("none.db");
  outcome o = nightjar("run", job, "--db", none, "--shard", "3/5", "--limit", "1");
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do of the 0 samples");
  ck_ended(nightjar("merge", out, none, two), 0); /* a share without a sample has no fingerprint */
  ck_ended(nightjar("run", job, "--db", out), 0);
  is_whole(out, whole);
}
END_TEST

/* ---- fingerprints -----------------------------------------------------------------------------
 */

#define OTHER_BITS                                                                                 \
  "UPDATE run SET fingerprint = zeroblob(32) WHERE parameters LIKE '%\"n\":4%' AND "               \
  "parameters LIKE '%\"tokens_thread\":50%'"

START_TEST(shards_of_other_bits_are_not_merged) {
  prepare();
  const char *one = run_shard("1/2", "one.db"), *two = run_shard("2/2", "two.db");
  const char *out = support_path("out.db");
  ck_ended(nightjar("merge", out, one), 0);
  const char *rows = program_sqlite(out, "SELECT count(*) FROM sample");
  ck_assert_str_eq(program_sqlite(two, OTHER_BITS "; SELECT changes()"), "1");
  outcome o = nightjar("merge", out, two);
  ck_ended(o, 5);
  ck_holds(o.err, two);
  ck_holds(o.err, "(reasoned/vote n=4 limit.tokens_thread=50)");
  ck_holds(o.err, "has the fingerprint 0000000000000000");
  ck_holds(o.err, program_sqlite(one, "SELECT DISTINCT lower(hex(fingerprint)) FROM run WHERE "
                                      "fingerprint IS NOT NULL"));
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*) FROM sample"), rows);
}
END_TEST

START_TEST(a_run_goes_on_with_its_own_bits_only) {
  static const char counts[] = "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM sample)";
  prepare();
  const char *db = run_whole();
  ck_assert_str_eq(program_sqlite(db, counts), "16|256");
  const char *here = program_sqlite(db, "SELECT DISTINCT lower(substr(hex(fingerprint), 1, 12)) "
                                        "FROM run WHERE fingerprint IS NOT NULL");
  ck_assert_str_eq(program_sqlite(db, OTHER_BITS "; SELECT changes()"), "1");
  ck_ended(nightjar("run", job, "--db", db), 0); /* nothing is left to compute */
  program_write_reasoning(job, folder, REPEATS + 1, "");
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "'vote n=4 limit.tokens_thread=50'");
  ck_holds(o.err, "fingerprint 000000000000 there");
  ck_holds(o.err, here);
  ck_holds(o.err, "--new-class");
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM sample s JOIN run r ON r.id = s.run "
                                      "WHERE r.model_hash IS NOT NULL"),
                   "224");

  /* Runs of a class of their own, which the same name continues. */
  ck_ended(nightjar("run", job, "--db", db, "--new-class", "mended"), 0);
  ck_assert_str_eq(program_sqlite(db, "SELECT determinism_class, count(*), count(DISTINCT "
                                      "fingerprint) FROM run WHERE model_hash IS NOT NULL "
                                      "GROUP BY 1 ORDER BY 1"),
                   "cpu-1 bf16|14|2\ncpu-1 bf16 mended|14|1");
  o = nightjar("run", job, "--db", db, "--new-class", "mended");
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
  ck_assert_str_eq(program_sqlite(db, counts), "30|608");
  ck_ended(nightjar("run", job, "--db", db), 3);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("shards_model");
  TCase *all = tcase_create("shards_model");
  tcase_add_test(all, shards_of_a_model_are_the_whole);
  tcase_add_test(all, a_merged_store_goes_on);
  tcase_add_test(all, shards_of_other_bits_are_not_merged);
  tcase_add_test(all, a_run_goes_on_with_its_own_bits_only);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
