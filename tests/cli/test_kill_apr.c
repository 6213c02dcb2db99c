/* The model that ships calls for children: a night of it that is killed often ends as one that
   nobody ends, verify finds it as it was computed, and finds whatever was touched. */
#include "tests/cli/kills.h"
#include "tests/support/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 8, FEW_TASKS = 2, CONDITIONS = 6, KILLS = 6 };

static const char JOB[] =
    "name: children\n"
    "tasks: kill\n"
    "models: [models/countdown]\n"
    "seed: 9\n"
    "record: {logprobs: true}\n"
    "%s"
    "conditions:\n"
    "  - {name: drawn, mode: spawn_join, protocol: countdown-apr, label: {children: 3}, begin: 1,\n"
    "     sampling: {temperature: 1},\n"
    "     limit: {context: 2048, children: 3, tokens_thread: 200, tokens_total: [150, 400, 900]}}\n"
    "  - {name: greedy, mode: spawn_join, protocol: countdown-apr, begin: 1,\n"
    "     sampling: {temperature: 0}, limit: {context: 2048, children: 4, tokens_thread: 120}}\n"
    "  - {name: first, mode: spawn_join, protocol: countdown-apr, label: {children: 3}, begin: 1,\n"
    "     sampling: {temperature: 1}, early_stop: first, finisher: {tokens: 24},\n"
    "     limit: {context: 1536, children: 3, rounds: 2, tokens_thread: 800}}\n"
    "  - {name: one context, mode: serial, protocol: countdown-apr-serial, begin: 1,\n"
    "     sampling: {temperature: 1}, limit: {tokens_thread: 200}}\n";

static const char *job;

static void write_job(const char *head) {
  char filled[sizeof JOB + 256];
  job = support_path("job.yaml");
  ck_assert_int_lt(snprintf(filled, sizeof filled, JOB, head), (int)sizeof filled);
  support_write(job, filled);
}

static const char *new_store(const char *name, int tasks) {
  const char *path = support_path(name);
  program_make_tasks(path, tasks);
  return path;
}

static const char *run_whole(int tasks) {
  const char *whole = new_store("whole.db", tasks);
  write_job("");
  ck_ended(nightjar("run", job, "--db", whole), 0);
  ck_assert_int_eq(kills_samples(whole), tasks * CONDITIONS);
  return whole;
}

static void is(const char *db, const char *sql, const char *wanted) {
  const char *found = program_sqlite(db, sql);
  ck_assert_msg(!strcmp(found, wanted), "%s: %s, not %s", sql, found, wanted);
}

static void copy_file(const char *from, const char *to) {
  size_t bytes;
  char *whole = support_read(from, &bytes);
  FILE *file = fopen(to, "we");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(whole, 1, bytes, file), bytes);
  ck_assert_int_eq(fclose(file), 0);
  free(whole);
}

/* ---- killed ---------------------------------------------------------------------------------- */

/* Few threads at once: a night long enough to be killed often. */
START_TEST(killed_nights_end_equal) {
  const char *db = new_store("killed.db", TASKS);
  hash place = hash_of("kill apr", 8);
  random_stream draws = random_start(random_key_of(1, &place, 0, "0"));
  write_job("engine: {slots: 2, rows: 64}\n");
  ck_assert_int_lt(kills_run(job, db, KILLS, &draws), TASKS * CONDITIONS);
  const char *whole = run_whole(TASKS);
  ck_ended(nightjar("run", job, "--db", db), 0);
  is(db, "PRAGMA foreign_key_check", "");
  hash found = program_promised(db), wanted = program_promised(whole);
  ck_assert(hash_equal(&found, &wanted));
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
}
END_TEST

/* ---- computed again -------------------------------------------------------------------------- */

/* Samples that were cut from others among them. */
START_TEST(what_is_stored_is_what_is_computed) {
  const char *whole = run_whole(TASKS);
  is(whole, "SELECT sum(derived) FROM sample", "16");
  ck_assert_int_gt(program_count(whole, "SELECT sum(children) FROM sample WHERE NOT derived"),
                   2 * TASKS);
  ck_assert_int_gt(program_count(whole, "SELECT count(*) FROM thread WHERE finish = 'stopped'"), 0);
  outcome o = nightjar("verify", "--samples", "1000", "--db", whole);
  ck_ended(o, 0);
  ck_holds(o.out, "48 samples computed again: all are equal in every promised column and bit");
}
END_TEST

/* The last child that wrote something. */
#define A_CHILD                                                                                    \
  "(SELECT h.sample, h.ordinal FROM thread h WHERE h.parent = 0 AND h.tokens_generated > 8 "       \
  "ORDER BY h.sample DESC, h.ordinal DESC LIMIT 1)"

START_TEST(a_bit_that_was_touched_is_found) {
  static const struct {
    const char *sql, *says;
  } changes[] = {
      {"UPDATE trace SET logprobs = CAST(iif(substr(logprobs, 1, 1) = x'00', x'01', x'00') || "
       "substr(logprobs, 2) AS BLOB) WHERE (sample, thread) = " A_CHILD,
       "log-probability 0 is"},
      {"UPDATE thread SET bits_hash = bits_hash + 1 WHERE (sample, ordinal) = " A_CHILD,
       "bits_hash is"},
      {"UPDATE thread SET join_token = join_token + 1 WHERE (sample, ordinal) = " A_CHILD,
       "join_token is"},
      {"UPDATE thread SET answer = 'another' WHERE (sample, ordinal) = " A_CHILD, "answer is"},
      {"UPDATE sample SET rounds = rounds + 1 WHERE id = (SELECT max(id) FROM sample WHERE "
       "children > 0)",
       "rounds is"}};
  const char *whole = run_whole(FEW_TASKS), *copy = support_path("copy.db");
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    copy_file(whole, copy);
    (void)program_sqlite(copy, changes[i].sql);
    outcome o = nightjar("verify", "--samples", "1000", "--db", copy);
    ck_assert_msg(o.code == 1, "exit %d after %s: %s%s", o.code, changes[i].sql, o.out, o.err);
    ck_holds(o.out, changes[i].says);
    ck_holds(o.out, "1 of 12 samples differ");
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kill_apr");
  TCase *all = tcase_create("kill_apr");
  tcase_add_test(all, killed_nights_end_equal);
  tcase_add_test(all, what_is_stored_is_what_is_computed);
  tcase_add_test(all, a_bit_that_was_touched_is_found);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
