/* nightjar verify: what was stored is computed again, and any bit that was touched is found. */
#include "tests/support/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char JOB[] =
    "name: night\n"
    "tasks: cd\n"
    "models: [%s]\n"
    "seed: 3\n"
    "repeats: 2\n"
    "record: {logprobs: true}\n"
    "conditions:\n"
    "  - {name: sos+, mode: serial, protocol: countdown-sosp, limit: {tokens_thread: [24, 48]}}\n"
    "  - {name: asked, mode: serial, protocol: countdown-sosp, limit: {context: 90},\n"
    "     finisher: {tokens: 16}}\n"
    "  - {name: pool, mode: vote, protocol: countdown-sosp, n: [1, 3], limit: {tokens_total: "
    "300}}\n"
    "  - {name: search, mode: symbolic, search: apr, beam: 2}\n";

/* A store with 6 tasks x 2 repeats of 6 conditions: 72 samples. */
static const char *make_store(void) {
  const char *db = support_path("night.db"), *folder = support_path("tiny"),
             *file = support_path("night.yaml");
  char job[2048];
  ck_ended(nightjar("model", "synth", "--config", "tiny-llama", "-o", folder), 0);
  (void)snprintf(job, sizeof job, JOB, folder);
  support_write(file, job);
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "cd", "--count", "6", "--seed", "5",
                    "--db", db),
           0);
  ck_ended(nightjar("run", file, "--db", db), 0);
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM sample WHERE status <> 'failed'"),
                   "72");
  return db;
}

START_TEST(what_is_stored_is_what_is_computed) {
  const char *db = make_store();
  outcome o = nightjar("verify", "--samples", "50", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "50 samples computed again: all are equal in every promised column and bit");
  o = nightjar("verify", "--samples", "1000", "--db", db, "--json");
  ck_ended(o, 0);
  json_t *totals = program_json(o.out);
  ck_assert_int_eq(json_integer_value(json_object_get(totals, "samples")), 72);
  ck_assert_int_eq(json_integer_value(json_object_get(totals, "differ")), 0);
  json_decref(totals);
  /* Nothing was written. */
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM alone"), "0");
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM process"), "1");
}
END_TEST

START_TEST(times_alone_are_kept) {
  const char *db = make_store();
  ck_ended(nightjar("verify", "--samples", "72", "--passes", "3", "--db", db), 0);
  /* Of each of the 60 samples that a model made; symbolic ones have no such time. */
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*), count(DISTINCT sample), min(pass), "
                                      "max(pass), min(total_ns) > 0 FROM alone"),
                   "180|60|0|2|1");
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*) FROM alone WHERE first_token_ns > total_ns"),
                   "0");
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*), sum(samples) FROM latency "
                                      "WHERE kind = 'alone'"),
                   "5|60");
}
END_TEST

/* Each change is of one value, and verify over all samples names what differs. */
START_TEST(any_change_is_found) {
  static const struct {
    const char *sql, *says;
  } changes[] = {
      /* One id: the blob uncompressed, with another byte in it. */
      {"UPDATE trace SET ids = CAST(substr(plain, 1, 16) || x'07' || substr(plain, 18) AS BLOB) "
       "FROM (SELECT sample AS s, thread AS t, sqlar_uncompress(ids, ids_bytes) AS plain FROM "
       "trace "
       "WHERE ids IS NOT NULL ORDER BY sample LIMIT 1) WHERE sample = s AND thread = t",
       "thread 0: token 4 is"},
      {"UPDATE thread SET bits_hash = bits_hash + 1 WHERE (sample, ordinal) "
       "= (SELECT sample, ordinal FROM thread WHERE role = 'voter' ORDER BY sample DESC LIMIT 1)",
       "bits_hash is"},
      {"UPDATE sample SET tokens_total = tokens_total + 1 WHERE id = (SELECT max(id) FROM sample "
       "WHERE flops IS NOT NULL)",
       "tokens_total is"},
      {"UPDATE sample SET flops = flops * 2 WHERE id = (SELECT min(id) FROM sample WHERE flops > "
       "0)",
       "flops is"},
      {"UPDATE thread SET logprob = logprob / 2 WHERE (sample, ordinal) = (SELECT sample, ordinal "
       "FROM thread WHERE logprob < 0 LIMIT 1)",
       "logprob is"},
      {"UPDATE sample SET status = 'done', limit_met = NULL WHERE id = (SELECT min(id) FROM sample "
       "WHERE status = 'capped')",
       "status is \"capped\", stored \"done\""},
      {"UPDATE sample SET nodes_explored = nodes_explored + 1 WHERE id = (SELECT min(id) FROM "
       "sample "
       "WHERE flops IS NULL)",
       "nodes_explored is"},
      {"UPDATE trace SET logprobs = substr(logprobs, 1, 8) WHERE (sample, thread) = (SELECT "
       "sample, "
       "thread FROM trace WHERE length(logprobs) > 8 LIMIT 1)",
       "its number of log-probabilities is"},
      {"UPDATE trace SET ids = NULL, ids_bytes = NULL, logprobs = NULL WHERE sample = (SELECT "
       "min(sample) FROM trace WHERE ids NOT NULL)",
       "its number of tokens is"},
  };
  const char *db = make_store(), *copy = support_path("copy.db");
  size_t bytes;
  char *stored = support_read(db, &bytes);
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    FILE *file = fopen(copy, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(stored, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
    (void)program_sqlite(copy, changes[i].sql);
    outcome o = nightjar("verify", "--samples", "72", "--db", copy);
    ck_assert_msg(o.code == 1, "exit %d after %s: %s%s", o.code, changes[i].sql, o.out, o.err);
    ck_holds(o.out, changes[i].says);
    ck_holds(o.out, "1 of 72 samples differ");
  }
  free(stored);
}
END_TEST

START_TEST(what_cannot_be_verified_is_said) {
  const char *db = make_store();
  ck_ended(nightjar("verify", "--job", "no-such", "--db", db), 3);
  ck_ended(nightjar("verify", "--samples", "0", "--db", db), 2);
  /* Another machine's bits: nothing is compared. */
  (void)program_sqlite(db, "UPDATE run SET fingerprint = zeroblob(32) WHERE fingerprint NOT NULL");
  outcome o = nightjar("verify", "--samples", "72", "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "fingerprint");
  (void)program_sqlite(db, "DELETE FROM sample");
  o = nightjar("verify", "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "nightjar run makes them");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("verify");
  TCase *cases = tcase_create("verify");
  tcase_add_test(cases, what_is_stored_is_what_is_computed);
  tcase_add_test(cases, times_alone_are_kept);
  tcase_add_test(cases, any_change_is_found);
  tcase_add_test(cases, what_cannot_be_verified_is_said);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
