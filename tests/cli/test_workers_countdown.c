/* The model that ships as workers that search together. Nobody taught it to, so that what it writes
   is whatever it is; which bits that are, what is counted of it and what its workers were told is
   the same on every engine, after kills, and when it is computed again. */
#include "tests/cli/kills.h"
#include "tests/support/program.h"

#include <stdio.h>
#include <string.h>

enum { TASKS = 4, CONDITIONS = 18, KILLS = 3 };

/* Hot enough that some write blank lines, and end steps. */
static const char JOB[] =
    "name: w\n"
    "tasks: kill\n"
    "models: [models/countdown]\n"
    "seed: 3\n"
    "%s"
    "conditions:\n"
    "  - {name: read, mode: hogwild, protocol: countdown-hogwild, workers: [1, 2, 3],\n"
    "     layout: [combined, interleaved, contiguous, independent], sampling: {temperature: 1},\n"
    "     limit: {context: 512, forwards: 80}}\n"
    "  - {name: hot, mode: hogwild, protocol: countdown-hogwild, workers: 3,\n"
    "     layout: [combined, interleaved], sampling: {temperature: 3},\n"
    "     limit: {context: 300, forwards: [60, 120]}}\n"
    "  - {name: full, mode: hogwild, protocol: countdown-hogwild, workers: 2,\n"
    "     layout: [combined, contiguous], sampling: {temperature: 1}, limit: {context: 160}}\n";

static const char *job;

static void write_job(const char *head) {
  char filled[sizeof JOB + 256];
  job = support_path("job.yaml");
  ck_assert_int_lt(snprintf(filled, sizeof filled, JOB, head), (int)sizeof filled);
  support_write(job, filled);
}

static const char *new_store(const char *name) {
  const char *path = support_path(name);
  program_make_tasks(path, TASKS);
  return path;
}

static const char *run_whole(const char *name, const char *head) {
  const char *db = new_store(name);
  write_job(head);
  ck_ended(nightjar("run", job, "--db", db), 0);
  ck_assert_int_eq(kills_samples(db), TASKS * CONDITIONS);
  return db;
}

static void is(const char *db, const char *sql, const char *wanted) {
  const char *found = program_sqlite(db, sql);
  ck_assert_msg(!strcmp(found, wanted), "%s:\n%s\nand not\n%s", sql, found, wanted);
}

/* ---- what is stored -------------------------------------------------------------------------- */

#define TRACES                                                                                     \
  "(SELECT s.id AS sample, h.ordinal, s.condition, CAST(sqlar_uncompress(x.text, x.text_bytes) "   \
  "AS TEXT) AS "                                                                                   \
  "said, x.layout FROM samples s JOIN thread h ON h.sample = s.id JOIN trace x ON x.sample = "     \
  "s.id AND x.thread = h.ordinal)"
#define NAMED "'W' || (ordinal + 1) || '/' || (SELECT threads FROM sample WHERE id = sample)"

/* Who a worker is stands before what it writes, and before each of its steps. */
static void check_words(const char *db) {
  is(db,
     "SELECT count(*) FROM " TRACES " WHERE said NOT LIKE 'Current State: %' OR "
     "instr(said, char(10) || " NAMED " || char(10)) = 0",
     "0");
  is(db,
     "SELECT count(*) FROM " TRACES " WHERE condition LIKE '%independent%' AND "
     "instr(said, 'Operations: []' || char(10) || " NAMED " || char(10)) = 0",
     "0");
  ck_assert_int_gt(program_count(db, "SELECT count(*) FROM " TRACES
                                     ", json_each(layout) WHERE json_extract(value, '$[0]') = "
                                     "'commit' AND condition LIKE 'hot%'"),
                   0);
  is(db,
     "SELECT count(*) FROM " TRACES ", json_each(layout) WHERE json_extract(value, '$[0]') = "
     "'commit' AND (condition LIKE '%contiguous%' OR condition LIKE '%independent%')",
     "0");
}

/* Forwards are logical steps; the nodes of a sample are those of all its workers, as long as
   nobody came to a goal. */
static void check_counts(const char *db) {
  is(db, "SELECT count(*), sum(status = 'failed'), sum(derived) FROM sample", "72|0|8");
  is(db,
     "SELECT count(*) FROM samples s WHERE seq_forwards <> (SELECT max(logical_end) FROM "
     "thread h WHERE h.sample = s.id) OR threads <> json_extract(parameters, '$.workers')",
     "0");
  is(db,
     "SELECT DISTINCT limit_met FROM samples WHERE condition LIKE 'full%' AND status = "
     "'capped'",
     "context");
  is(db, "SELECT max(context_peak) <= 160 FROM samples WHERE condition LIKE 'full%'", "1");
  is(db,
     "SELECT count(*) > 40, sum(s.nodes_explored = t.shown) = count(*) FROM sample s JOIN (SELECT "
     "sample, sum((length(said) - length(replace(said, char(10) || 'Exploring Operation: ', ''))) "
     "/ 22) AS shown, max(said LIKE '%Goal Reached%') AS is_goal FROM " TRACES
     " GROUP BY sample) t ON t.sample = s.id WHERE NOT t.is_goal",
     "1|1");
  ck_assert_int_gt(program_count(db, "SELECT sum(nodes_duplicate) FROM sample"), 0);
  is(db,
     "SELECT count(*) FROM thread h JOIN samples s ON s.id = h.sample WHERE h.tokens_seen > 0 "
     "AND (s.condition LIKE '%independent%' OR s.condition LIKE '%workers=1 %')",
     "0");
}

START_TEST(workers_search_together) {
  const char *db = run_whole("whole.db", "");
  check_words(db);
  check_counts(db);
  outcome o = nightjar("verify", "--samples", "1000", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "72 samples computed again: all are equal in every promised column and bit");
  o = nightjar("export", "traces", "--format", "jsonl", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out,
           "\\n### Past steps\\n\\n### Work in progress (others)\\n\\n<...>\\n\\n### Work in "
           "progress (own)\\n\\nW3/3\\n");
  o = nightjar("report", "--text", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "Workers (means a sample)");
  ck_holds(o.out, "read workers=3 layout=interleaved ");
}
END_TEST

/* ---- schedules ------------------------------------------------------------------------------- */

START_TEST(no_schedule_changes_them) {
  static const char *const engines[] = {"engine: {slots: 3, rows: 192, kv_memory: 8MiB}\n",
                                        "engine: {slots: 11, rows: 300}\n"};
  hash wanted = program_promised(run_whole("whole.db", ""));
  for (int i = 0; i < 2; i++) {
    hash found = program_promised(run_whole(i ? "wide.db" : "tight.db", engines[i]));
    ck_assert_msg(hash_equal(&wanted, &found), "%s", engines[i]);
  }
}
END_TEST

START_TEST(killed_nights_end_equal) {
  const char *db = new_store("killed.db");
  hash place = hash_of("kill workers", 12);
  random_stream draws = random_start(random_key_of(1, &place, 0, "0"));
  write_job("engine: {slots: 3, rows: 192}\n");
  ck_assert_int_lt(kills_run(job, db, KILLS, &draws), TASKS * CONDITIONS);
  hash wanted = program_promised(run_whole("whole.db", ""));
  ck_ended(nightjar("run", job, "--db", db), 0);
  hash found = program_promised(db);
  ck_assert(hash_equal(&found, &wanted));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("workers_countdown");
  TCase *all = tcase_create("workers_countdown");
  tcase_add_test(all, workers_search_together);
  tcase_add_test(all, no_schedule_changes_them);
  tcase_add_test(all, killed_nights_end_equal);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
