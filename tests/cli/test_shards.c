/* A job run as one, and as shards that are killed (-9), continued, and merged in any order: the
   stores are equal. What the schedulers of clusters say, and what shards say of themselves. */
#include "base/clock.h"
#include "base/random.h"
#include "tests/support/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TASKS = 120, CONDITIONS = PROGRAM_CONDITIONS, SHARDS_MOST = 7 };

static const char ALL_ROWS[] =
    "SELECT (SELECT count(*) FROM task_set), (SELECT count(*) FROM task), (SELECT count(*) FROM "
    "process), (SELECT count(*) FROM run), (SELECT count(*) FROM job), (SELECT count(*) FROM "
    "condition), (SELECT count(*) FROM sample), (SELECT count(*) FROM thread), (SELECT count(*) "
    "FROM trace), (SELECT count(*) FROM verdict), (SELECT count(*) FROM comparison)";

static const char *job, *tasks_db;
static random_stream draws;

/* The task set is made once and copied: a shard's store starts as that. */
static void prepare(void) {
  job = support_path("job.yaml");
  tasks_db = support_path("tasks.db");
  program_write_job(job, 2);
  program_make_tasks(tasks_db, TASKS);
  hash place = hash_of("shards", 6);
  draws = random_start(random_key_of(1, &place, 0, "0"));
}

static const char *copy_of(const char *from, const char *name) {
  size_t bytes;
  char *data = support_read(from, &bytes);
  const char *path = support_path(name);
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
  ck_assert_int_eq(fclose(file), 0);
  free(data);
  return path;
}

static const char *shard_store(int index, int count) {
  char name[32];
  (void)snprintf(name, sizeof name, "shard-%d-%d.db", index, count);
  return copy_of(tasks_db, name);
}

static int64_t samples_in(const char *db) {
  return atoll(program_sqlite(db, "SELECT count(*) FROM sample"));
}

static void sleep_ns(int64_t ns) {
  (void)nanosleep(&(struct timespec){.tv_nsec = ns % 1000000000, .tv_sec = ns / 1000000000}, NULL);
}

/* Killed once or twice within the time that its share should take, then run to its end. */
static int run_killed(const char *db, const char *part, int64_t whole_ns, int count) {
  const char *run[] = {"run", job, "--db", db, "--shard", part, "--threads", "1", NULL};
  int midway = 0, kills = 1 + (int)random_below(&draws, 2);
  for (int i = 0; i < kills; i++) {
    int64_t most = whole_ns / count + 20000000;
    pid_t pid = program_start(run);
    sleep_ns((int64_t)random_below(&draws, (uint32_t)(most / 1000)) * 1000);
    (void)kill(pid, SIGKILL);
    midway += program_wait(pid) == -SIGKILL;
  }
  ck_ended(program_run(run), 0);
  return midway;
}

static void shuffle(int *order, int count) {
  for (int i = count - 1; i > 0; i--) {
    int other = (int)random_below(&draws, (uint32_t)i + 1), kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }
}

/* ---- equal to one run -------------------------------------------------------------------------
 */

START_TEST(killed_shards_merge_into_one_run) {
  prepare();
  const char *whole = copy_of(tasks_db, "whole.db"), *out = support_path("out.db");
  int64_t started = clock_monotonic_ns();
  ck_ended(nightjar("run", job, "--db", whole, "--shard", "1/1"), 0);
  int64_t whole_ns = clock_monotonic_ns() - started;
  int count = _i, order[SHARDS_MOST], midway = 0;
  int64_t sum = 0;
  const char *stores[SHARDS_MOST];
  for (int i = 0; i < count; i++) {
    char part[32];
    (void)snprintf(part, sizeof part, "%d/%d", i + 1, count);
    order[i] = i;
    stores[i] = shard_store(i + 1, count);
    midway += run_killed(stores[i], part, whole_ns, count);
    int64_t share = samples_in(stores[i]);
    ck_assert_int_ge(share, (int64_t)TASKS * 2 / count * CONDITIONS - 2 * CONDITIONS);
    sum += share;
  }
  ck_assert_int_gt(midway, 0);
  ck_assert_int_eq(sum, TASKS * 2 * CONDITIONS);

  shuffle(order, count);
  for (int i = 0; i < count; i++)
    ck_ended(nightjar("merge", out, stores[order[i]]), 0);
  hash wanted = program_promised(whole), found = program_promised(out);
  ck_assert(hash_equal(&wanted, &found));
  ck_assert_str_eq(program_sqlite(out, "PRAGMA integrity_check"), "ok");
  ck_assert_str_eq(program_sqlite(out, "PRAGMA foreign_key_check"), "");
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*) FROM comparison"), "1");
  ck_assert_str_eq(
      program_sqlite(out, "SELECT hex(digest), difference, p, verdict FROM comparison"),
      program_sqlite(whole, "SELECT hex(digest), difference, p, verdict FROM comparison"));

  /* Again, all at once, in another order. */
  const char *rows = program_sqlite(out, ALL_ROWS);
  const char *again[SHARDS_MOST + 3] = {"merge", out};
  shuffle(order, count);
  for (int i = 0; i < count; i++)
    again[2 + i] = stores[order[i]];
  ck_ended(program_run(again), 0);
  found = program_promised(out);
  ck_assert(hash_equal(&wanted, &found));
  ck_assert_str_eq(program_sqlite(out, ALL_ROWS), rows);

  outcome o = nightjar("run", job, "--db", out);
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
  ck_assert_str_eq(program_sqlite(out, ALL_ROWS), rows);
}
END_TEST

/* A limit leaves fewer tasks of each share; a shard is merged before it has ended; what is still
   left is run in the merged store. */
START_TEST(parts_of_shards_merge_and_go_on) {
  prepare();
  const char *whole = copy_of(tasks_db, "whole.db"), *out = support_path("out.db");
  const char *one = shard_store(1, 2), *two = shard_store(2, 2);
  ck_ended(nightjar("run", job, "--db", one, "--shard", "1/2", "--limit", "11"), 0);
  ck_ended(nightjar("run", job, "--db", two, "--shard", "2/2", "--limit", "11"), 0);
  ck_assert_int_eq(samples_in(one) + samples_in(two), 11 * 2 * CONDITIONS);
  outcome o = nightjar("merge", out, one, two);
  ck_ended(o, 0);
  ck_holds(o.out, "all that its jobs want: nightjar report --text --db ");
  ck_ended(nightjar("run", job, "--db", whole, "--limit", "11"), 0);
  hash wanted = program_promised(whole), found = program_promised(out);
  ck_assert(hash_equal(&wanted, &found));

  ck_ended(nightjar("run", job, "--db", one, "--shard", "1/2"), 0);
  o = nightjar("merge", out, one, "--json");
  ck_ended(o, 0);
  json_t *said = program_json(o.out);
  const json_t *input = json_array_get(json_object_get(said, "inputs"), 0);
  ck_assert_int_eq(json_integer_value(json_object_get(input, "samples")),
                   (TASKS - 11) * CONDITIONS);
  ck_assert_int_eq(json_integer_value(json_object_get(input, "samples_equal")), 11 * CONDITIONS);
  ck_assert_int_eq(json_integer_value(json_object_get(said, "samples_left")),
                   (TASKS - 11) * CONDITIONS);
  json_decref(said);
  ck_ended(nightjar("run", job, "--db", out), 0);
  ck_ended(nightjar("run", job, "--db", whole), 0);
  wanted = program_promised(whole);
  found = program_promised(out);
  ck_assert(hash_equal(&wanted, &found));
}
END_TEST

/* ---- what a shard says ------------------------------------------------------------------------
 */

START_TEST(a_shard_counts_its_share) {
  prepare();
  const char *db = shard_store(3, 7);
  ck_ended(nightjar("run", job, "--db", db, "--shard", "3/7", "--limit", "10"), 0);
  /* Of tasks 0 to 9: 2 and 9 in repeat 0, 1 and 8 in repeat 1. */
  ck_assert_str_eq(program_sqlite(db, "SELECT DISTINCT repeat, task_ordinal FROM samples "
                                      "ORDER BY repeat, task_ordinal"),
                   "0|2\n0|9\n1|1\n1|8");
  ck_assert_str_eq(program_sqlite(db, "SELECT DISTINCT repeats, tasks FROM condition"), "2|10");
  ck_assert_str_eq(program_sqlite(db, "SELECT settings ->> 'shard' FROM process"), "3/7");
  outcome o = nightjar("run", job, "--db", db, "--shard", "3/7", "--limit", "10", "--explain");
  ck_holds(o.out, "sosp beam=2: run 5 is there, 0 of 4 samples left");
  o = nightjar("run", job, "--db", db, "--shard", "3/7", "--dry-run");
  ck_ended(o, 0);
  ck_holds(o.out, " 340        40       300\n");
  o = nightjar("status", "--db", db);
  ck_holds(o.out, "shard 3/7: its share of the samples is what is counted");
  json_t *said = program_json(nightjar("status", "--db", db, "--json").out);
  const json_t *first = json_array_get(json_object_get(said, "conditions"), 0);
  ck_assert_int_eq(json_integer_value(json_object_get(first, "wanted")), 4);
  ck_assert_int_eq(json_integer_value(json_object_get(first, "left")), 0);
  ck_assert_str_eq(json_string_value(json_object_get(said, "shard")), "3/7");
  json_decref(said);

  const char *few = shard_store(7, 7);
  o = nightjar("run", job, "--db", few, "--shard", "7/7", "--limit", "1");
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do of the 0 samples of shard 7/7");
  ck_assert_int_eq(samples_in(few), 0);
}
END_TEST

static void in_array(const char *id, const char *count, const char *min, const char *step,
                     const char *max) {
  const char *values[] = {id, count, min, step, max};
  static const char *const names[] = {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT",
                                      "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP",
                                      "SLURM_ARRAY_TASK_MAX"};
  for (int i = 0; i < 5; i++)
    ck_assert_int_eq(values[i] ? setenv(names[i], values[i], 1) : unsetenv(names[i]), 0);
}

START_TEST(a_cluster_names_the_shard) {
  prepare();
  const char *db = copy_of(tasks_db, "array.db"), *by_hand = shard_store(3, 4);
  ck_ended(nightjar("run", job, "--db", by_hand, "--shard", "3/4", "--limit", "20"), 0);
  in_array("14", "4", "10", "2", "16");
  ck_assert_int_eq(setenv("SLURM_JOB_ID", "4711", 1), 0);
  ck_assert_int_eq(setenv("SLURM_RESTART_COUNT", "2\"", 1), 0);
  outcome o = nightjar("run", job, "--db", db, "--limit", "20");
  ck_ended(o, 0);
  ck_holds(o.err, "shard 3/4 (from SLURM_ARRAY_TASK_ID); --shard 1/1 runs everything");
  hash a = program_promised(db), b = program_promised(by_hand);
  ck_assert(hash_equal(&a, &b));
  ck_assert_str_eq(program_sqlite(db, "SELECT settings ->> 'shard', settings ->> 'slurm_job_id', "
                                      "settings ->> 'slurm_restart_count' FROM process"),
                   "3/4|4711|2\"");
  ck_ended(nightjar("run", job, "--db", db, "--limit", "20", "--shard", "1/1"), 0);
  ck_assert_int_eq(samples_in(db), 20 * 2 * CONDITIONS);
}
END_TEST

static const struct {
  const char *id, *count, *min, *step, *max, *says;
} ARRAYS[] = {{"3", NULL, NULL, NULL, NULL, "SLURM_ARRAY_TASK_COUNT is not set"},
              {NULL, "4", "1", "1", NULL, "SLURM_ARRAY_TASK_ID is not set"},
              {"3", "4", NULL, "1", NULL, "SLURM_ARRAY_TASK_MIN is not set"},
              {"3", "4", "1", NULL, NULL, "SLURM_ARRAY_TASK_STEP is not set"},
              {"", "4", "1", "1", NULL, "SLURM_ARRAY_TASK_ID is '', not a number"},
              {"3x", "4", "1", "1", NULL, "SLURM_ARRAY_TASK_ID is '3x', not a number"},
              {"-3", "4", "1", "1", NULL, "not a number"},
              {"9", "3", "1", "1", NULL, "task 9 of a job array of 3 from 1 in steps of 1"},
              {"4", "4", "1", "2", NULL, "use an array without gaps"},
              {"3", "4", "1", "0", NULL, "has no place"},
              {"1", "0", "1", "1", NULL, "has no place"},
              {"1", "99999999999999999999", "1", "1", NULL, "not a number"},
              {"3", "2", "3", "1", "5", "use an array without gaps"}, /* 3,5 */
              {"1", "3", "1", "1", "5", "use an array without gaps"}, /* 1,4,5 */
              {"1", "4", "1", "1", "x", "SLURM_ARRAY_TASK_MAX is 'x', not a number"}};

START_TEST(arrays_that_make_no_shards_are_refused) {
  prepare();
  const char *db = copy_of(tasks_db, "array.db");
  in_array(ARRAYS[_i].id, ARRAYS[_i].count, ARRAYS[_i].min, ARRAYS[_i].step, ARRAYS[_i].max);
  outcome o = nightjar("run", job, "--db", db, "--limit", "1");
  ck_ended(o, 2);
  ck_holds(o.err, ARRAYS[_i].says);
  ck_holds(o.err, "--shard i/n");
  ck_assert_int_eq(samples_in(db), 0);
}
END_TEST

START_TEST(odd_shards_are_refused) {
  prepare();
  static const char *const words[] = {
      "0/3",  "4/3",  "1",        "1/0",  "/3",   "1/",    "a/b",   "1/3x",
      "-1/3", "+1/3", "1/100001", " 1/3", "1//3", "1/3/4", "1.5/3", "18446744073709551617/3"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    outcome o = nightjar("run", job, "--db", tasks_db, "--shard", words[i]);
    ck_assert_msg(o.code == 2, "%s: %d", words[i], o.code);
    ck_holds(o.err, "--shard must be i/n");
  }
}
END_TEST

/* ---- what merge refuses -----------------------------------------------------------------------
 */

START_TEST(one_store_is_one_shards) {
  prepare();
  const char *db = copy_of(tasks_db, "shared.db"), *out = support_path("out.db");
  const char *long_job = support_path("long.yaml");
  support_write(long_job, "name: long\ntasks: kill\nrepeats: 2000\nconditions:\n"
                          "  - {name: apr, mode: symbolic, search: apr, beam: 10}\n");
  const char *run[] = {"run", long_job, "--db", db, "--shard", "1/2", "--threads", "1", NULL};
  pid_t pid = program_start(run);
  for (int i = 0; i < 200 && access(support_path("shared.db.lock"), F_OK); i++)
    sleep_ns(20000000);
  outcome o = nightjar("run", long_job, "--db", db, "--shard", "2/2");
  outcome merged = nightjar("merge", out, db);
  (void)kill(pid, SIGKILL);
  ck_assert_int_eq(program_wait(pid), -SIGKILL);
  ck_ended(o, 5);
  ck_holds(o.err, "each shard needs its own --db");
  ck_ended(merged, 5);
  ck_holds(merged.err, "is being written by process");
  ck_assert_int_ne(access(out, F_OK), 0);
  ck_ended(nightjar("merge", out, db), 0);
  ck_assert_int_eq(samples_in(out), samples_in(db));
}
END_TEST

/* Of one run the first tasks often and all tasks once: together no more than that is missing. */
START_TEST(what_jobs_want_together_is_counted_once) {
  prepare();
  const char *db = copy_of(tasks_db, "both.db"), *out = support_path("out.db");
  const char *often = support_path("often.yaml"), *all = support_path("all.yaml");
  static const char rest[] = "tasks: kill\nconditions:\n"
                             "  - {name: dfs, mode: symbolic, search: dfs}\n";
  char document[300];
  (void)snprintf(document, sizeof document, "name: often\nrepeats: 3\n%s", rest);
  support_write(often, document);
  (void)snprintf(document, sizeof document, "name: all\n%s", rest);
  support_write(all, document);
  ck_ended(nightjar("run", often, "--db", db, "--limit", "5"), 0);
  ck_ended(nightjar("run", all, "--db", db), 0);
  outcome o = nightjar("merge", out, db);
  ck_ended(o, 0);
  ck_holds(o.out, "holds 130 samples, all that its jobs want");
  (void)program_sqlite(out, "PRAGMA foreign_keys = ON; DELETE FROM sample WHERE repeat = 2 "
                            "OR task IN (SELECT id FROM task WHERE ordinal IN (1, 100))");
  o = nightjar("merge", "--json", out, shard_store(1, 1));
  ck_ended(o, 0);
  json_t *said = program_json(o.out);
  ck_assert_int_eq(json_integer_value(json_object_get(said, "samples_left")), 5 + 2 + 1);
  json_decref(said);
}
END_TEST

START_TEST(merge_says_what_is_wrong) {
  prepare();
  const char *a = shard_store(1, 2), *b = shard_store(2, 2), *out = support_path("out.db");
  ck_ended(nightjar("run", job, "--db", a, "--limit", "4"), 0);
  ck_ended(nightjar("run", job, "--db", b, "--limit", "4"), 0);
  const char *bad = copy_of(b, "bad.db");
  (void)program_sqlite(bad, "UPDATE thread SET bits_hash = bits_hash + 1 WHERE sample = 7");
  outcome o = nightjar("merge", out, a, bad, b);
  ck_ended(o, 5);
  ck_holds(o.err, "killed/");
  ck_holds(o.err, "'s bits_hash is ");
  ck_holds(o.err, "; merged before it: ");
  ck_holds(o.err, a);
  ck_assert_int_eq(samples_in(out), 4 * 2 * CONDITIONS); /* a's, which had ended */
  ck_assert_str_eq(program_sqlite(out, "SELECT count(*) FROM comparison"), "1");

  const char *fresh = support_path("fresh.db");
  ck_ended(nightjar("merge", fresh, job), 5);
  ck_assert_int_ne(access(fresh, F_OK), 0);
  o = nightjar("merge", fresh, a, support_path("none.db"));
  ck_ended(o, 3);
  ck_holds(o.err, "none.db (No such file");
  ck_assert_int_ne(access(fresh, F_OK), 0);
  o = nightjar("merge", a, b, a);
  ck_ended(o, 3);
  ck_holds(o.err, "is both the store that is merged into and one of the others");
  o = nightjar("merge", "--db", out, a);
  ck_ended(o, 2);
  ck_holds(o.err, "nightjar merge has no --db");
  ck_ended(nightjar("merge", out), 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("shards");
  TCase *all = tcase_create("shards");
  tcase_add_loop_test(all, killed_shards_merge_into_one_run, 2, 3);
  tcase_add_loop_test(all, killed_shards_merge_into_one_run, SHARDS_MOST, SHARDS_MOST + 1);
  tcase_add_test(all, parts_of_shards_merge_and_go_on);
  tcase_add_test(all, a_shard_counts_its_share);
  tcase_add_test(all, a_cluster_names_the_shard);
  tcase_add_loop_test(all, arrays_that_make_no_shards_are_refused, 0,
                      sizeof ARRAYS / sizeof ARRAYS[0]);
  tcase_add_test(all, odd_shards_are_refused);
  tcase_add_test(all, one_store_is_one_shards);
  tcase_add_test(all, what_jobs_want_together_is_counted_once);
  tcase_add_test(all, merge_says_what_is_wrong);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
