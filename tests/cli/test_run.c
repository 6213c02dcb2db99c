/* nightjar run, rescore, report and compare as a user meets them: what continues, what is a new
   run, what fails and how. */
#include "tests/support/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *db, *job;

static void write_job(const char *head, const char *conditions) {
  static char yaml[4096];
  (void)snprintf(yaml, sizeof yaml, "name: j\ntasks: t\n%s\nconditions:\n%s", head, conditions);
  support_write(job, yaml);
}

static const char TWO[] = "  - {name: sosp, mode: symbolic, search: sosp, beam: 3}\n"
                          "  - {name: apr, mode: symbolic, search: apr, beam: [2, 4]}\n";

static void make_tasks(const char *count) {
  db = support_path("run.db");
  job = support_path("job.yaml");
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "t", "--count", count, "--seed", "1",
                    "--db", db),
           0);
}

static void is(const char *sql, const char *wanted) {
  const char *found = program_sqlite(db, sql);
  ck_assert_msg(!strcmp(found, wanted), "%s: %s, not %s", sql, found, wanted);
}

START_TEST(growing_repeats_adds_and_touches_nothing) {
  make_tasks("30");
  write_job("seed: 5", TWO);
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT count(*), count(DISTINCT run) FROM sample", "90|3");
  const char *before =
      program_sqlite(db, "SELECT group_concat(id || ':' || ended_ns) FROM sample WHERE repeat = 0");
  write_job("seed: 5\nrepeats: 3", TWO);
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT count(*), count(DISTINCT run) FROM sample", "270|3");
  is("SELECT group_concat(id || ':' || ended_ns) FROM sample WHERE repeat = 0", before);
  is("SELECT count(*) FROM process WHERE ended_ns IS NULL", "0");
}
END_TEST

/* What is analysis is no new run; what a token depends on is one. */
START_TEST(what_makes_a_run_new) {
  make_tasks("20");
  write_job("seed: 5", TWO);
  ck_ended(nightjar("run", job, "--db", db), 0);
  static const struct {
    const char *head, *conditions;
    const char *runs; /* afterwards */
  } edits[] = {
      {"seed: 5\nretries: 1\nallowed_failures: 3", TWO, "3"},
      {"seed: 5\nchecker: countdown-lenient", TWO, "3"},
      {"seed: 5", "  - {name: renamed, mode: symbolic, search: sosp, beam: 3}\n", "3"},
      {"seed: 5", "  - {name: a, mode: symbolic, search: sosp, beam: 3-3, promising: 0.5}\n", "3"},
      {"seed: 5", "  - {name: a, mode: symbolic, search: sosp, beam: 4}\n", "4"},
      {"seed: 5", "  - {name: a, mode: symbolic, search: sosp, beam: 3, heuristic: sum}\n", "5"},
      {"seed: 5", "  - {name: a, mode: symbolic, search: sosp, beam: 3, order: heuristic}\n", "6"},
      {"seed: 5", "  - {name: a, mode: symbolic, search: sosp, beam: 3, limit: {context: 999}}\n",
       "7"},
      {"seed: 5", "  - {name: a, mode: symbolic, search: sosp, beam: 3, promising: 0.4}\n", "8"},
      {"seed: 6", "  - {name: a, mode: symbolic, search: sosp, beam: 3}\n", "9"}};
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
    write_job(edits[i].head, edits[i].conditions);
    ck_ended(nightjar("run", job, "--db", db), 0);
    const char *runs = program_sqlite(db, "SELECT count(*) FROM run");
    ck_assert_msg(!strcmp(runs, edits[i].runs), "edit %zu: %s runs, not %s", i, runs,
                  edits[i].runs);
  }
  is("SELECT checker, count(*) FROM verdict GROUP BY checker ORDER BY checker",
     "countdown|180\ncountdown-lenient|60");
}
END_TEST

START_TEST(explain_and_dry_run_write_nothing) {
  make_tasks("20");
  write_job("seed: 5", TWO);
  ck_ended(nightjar("run", job, "--db", db), 0);
  hash before = program_promised(db);
  write_job("seed: 5", "  - {name: sosp, mode: symbolic, search: sosp, beam: [3, 4]}\n");
  outcome o = nightjar("run", job, "--db", db, "--explain");
  ck_ended(o, 0);
  ck_holds(o.out, "sosp beam=3: run 1 is there, 0 of 20 samples left");
  ck_holds(o.out, "parameters.beam: 3 -> 4");
  o = nightjar("run", job, "--db", db, "--dry-run");
  ck_ended(o, 0);
  ck_holds(o.out, "sosp beam=4");
  ck_holds(o.out, "seconds on");
  ck_holds(o.out, "smallest difference");
  hash after = program_promised(db);
  ck_assert(hash_equal(&before, &after));
}
END_TEST

START_TEST(workers_never_change_a_result) {
  make_tasks("60");
  write_job("seed: 5\nrepeats: 2", TWO);
  ck_ended(nightjar("run", job, "--db", db, "--threads", "1"), 0);
  hash one = program_promised(db);
  static const char *const threads[] = {"2", "5", "16"};
  for (int i = 0; i < 3; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "run%d.db", i);
    const char *again = support_path(name);
    ck_ended(nightjar("tasks", "make", "countdown", "--name", "t", "--count", "60", "--seed", "1",
                      "--db", again),
             0);
    ck_ended(nightjar("run", job, "--db", again, "--limit", "17", "--threads", threads[i]), 0);
    ck_ended(nightjar("run", job, "--db", again, "--threads", threads[i]), 0);
    hash other = program_promised(again);
    ck_assert_msg(hash_equal(&one, &other), "%s workers", threads[i]);
  }
}
END_TEST

START_TEST(a_wall_limit_stops_resumably) {
  make_tasks("4000");
  write_job("seed: 5\nrepeats: 10", "  - {name: apr, mode: symbolic, search: apr, beam: 10}\n");
  outcome o = nightjar("run", job, "--db", db, "--max-wall", "1s");
  ck_ended(o, 75);
  ck_holds(o.err, "run the same command to go on");
  ck_assert_int_gt(atoi(program_sqlite(db, "SELECT count(*) FROM sample")), 0);
  is("PRAGMA journal_mode", "delete");
  ck_ended(nightjar("run", job, "--db", db, "--max-wall", "soon"), 2);
}
END_TEST

START_TEST(bad_input_says_where_and_what) {
  make_tasks("5");
  write_job("seed: 5\nrepeets: 2", TWO);
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "job.yaml:4: ");
  ck_holds(o.err, "repeats");
  support_write(job,
                "name: j\ntasks: tt\nconditions:\n  - {name: a, mode: symbolic, search: dfs}\n");
  o = nightjar("run", job, "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "'t'");
  write_job("seed: 5", "  - {name: a, mode: symbolic, search: dfs, beam: 3}\n");
  o = nightjar("run", job, "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "job.yaml:5: ");
  ck_holds(o.err, "not used by search 'dfs'");
  o = nightjar("run", "missing.yaml", "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "missing.yaml");
  ck_ended(nightjar("run", "--db", db), 2);
  ck_ended(nightjar("run", job, "--db", db, "--limits", "3"), 2);
  ck_ended(nightjar("run", job, "--db", support_path("none.db"), "--dry-run"), 3);
  support_write(support_path("not.db"), "this is no store, but long enough to look like a file");
  ck_ended(nightjar("run", job, "--db", support_path("not.db")), 3);
  write_job("seed: 5", TWO);
  ck_ended(nightjar("run", job, "--db", support_path("not.db")), 5);
  ck_ended(nightjar("runn", job), 2);
}
END_TEST

START_TEST(a_second_writer_is_turned_away) {
  make_tasks("4000");
  write_job("seed: 5\nrepeats: 10", "  - {name: apr, mode: symbolic, search: apr, beam: 10}\n");
  const char *argv[] = {"run", job, "--db", db, NULL};
  pid_t first = program_start(argv);
  (void)nanosleep(&(struct timespec){.tv_nsec = 400000000}, NULL);
  support_write(support_path("second.yaml"), "name: k\ntasks: t\nconditions:\n"
                                             "  - {name: a, mode: symbolic, search: dfs}\n");
  outcome o = nightjar("run", support_path("second.yaml"), "--db", db);
  ck_ended(o, 5);
  ck_holds(o.err, "process");
  ck_ended(nightjar("report", "--text", "--db", db), 0); /* readers are welcome */
  (void)kill(first, SIGINT);
  ck_assert_int_eq(program_wait(first), 75);
}
END_TEST

/* Who holds the lock for a moment only, as a report does, turns no run away. */
START_TEST(a_short_lock_is_waited_for) {
  make_tasks("10");
  write_job("seed: 5", TWO);
  char command[1024];
  (void)snprintf(command, sizeof command, "flock %s.lock sleep 1 >%s 2>&1 & sleep 0.3", db,
                 support_path("flock"));
  ck_assert_int_eq(system(command), 0);
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT count(*) FROM sample", "30");
}
END_TEST

/* A task that cannot be read fails its own samples, is tried again, and is counted. */
START_TEST(failed_samples_are_tried_again) {
  make_tasks("10");
  (void)program_sqlite(db, "UPDATE task SET target = '{}' WHERE ordinal = 3");
  write_job("seed: 5\nretries: 1", "  - {name: a, mode: symbolic, search: sosp, beam: 3}\n");
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 1);
  ck_holds(o.err, "1 sample failed, 0 are allowed");
  is("SELECT status, count(*), max(attempt) FROM sample GROUP BY status", "done|9|1\nfailed|1|1");
  ck_assert_str_ne(program_sqlite(db, "SELECT error FROM sample WHERE status = 'failed'"), "");
  ck_ended(nightjar("run", job, "--db", db), 1);
  is("SELECT status, count(*), max(attempt) FROM sample GROUP BY status", "done|9|1\nfailed|1|2");
  o = nightjar("run", job, "--db", db); /* no attempt is left, and the failure stands */
  ck_ended(o, 1);
  ck_holds(o.err, "nothing left to do");
  ck_holds(o.err, "0 of them again");
  is("SELECT samples, errors FROM accuracy", "9|1");
  write_job("seed: 5\nretries: 3\nallowed_failures: 1",
            "  - {name: a, mode: symbolic, search: sosp, beam: 3}\n");
  ck_ended(nightjar("run", job, "--db", db), 0);
}
END_TEST

START_TEST(rescore_judges_what_is_stored) {
  make_tasks("40");
  write_job("seed: 5", TWO);
  ck_ended(nightjar("run", job, "--db", db), 0);
  const char *before = program_sqlite(db, "SELECT sum(correct) FROM verdict");
  outcome o = nightjar("rescore", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "0 changed");
  is("SELECT sum(correct) FROM verdict", before);
  (void)program_sqlite(db, "UPDATE sample SET answer = replace(answer, '+', '-') WHERE id IN "
                           "(SELECT sample FROM verdict WHERE correct = 1)");
  ck_ended(nightjar("rescore", job, "--db", db), 0);
  ck_assert_int_lt(atoi(program_sqlite(db, "SELECT sum(correct) FROM verdict")), atoi(before));
  ck_assert_str_ne(program_sqlite(db, "SELECT group_concat(DISTINCT reason) FROM verdict"), "");
}
END_TEST

START_TEST(reports_show_what_the_store_holds) {
  make_tasks("60");
  write_job("seed: 5\ncompare:\n  - {a: apr beam=4, b: sosp}", TWO);
  ck_ended(nightjar("run", job, "--db", db), 0);
  outcome o = nightjar("report", "--text", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "apr beam=4");
  ck_holds(o.out, program_sqlite(db, "SELECT verdict FROM comparison"));
  ck_holds(o.out, program_sqlite(db, "SELECT printf('%.1f', 100 * accuracy) FROM accuracy WHERE "
                                     "condition = 'sosp'"));
  /* What is no more there is shown all the same, and kept for the next time. */
  char *kept = strdup(program_sqlite(db, "SELECT count(*), min(p_holm) FROM comparison"));
  (void)program_sqlite(db, "DELETE FROM comparison");
  outcome again = nightjar("report", "--text", "--db", db);
  ck_ended(again, 0);
  ck_assert_str_eq(again.out, o.out);
  ck_assert_str_eq(program_sqlite(db, "SELECT count(*), min(p_holm) FROM comparison"), kept);
  free(kept);
  o = nightjar("compare", "apr beam=2", "sosp", "--db", db);
  ck_ended(o, 0);
  ck_ended(nightjar("compare", "apr beam=3", "sosp", "--db", db), 3);
  ck_ended(nightjar("compare", "apr", "sosp", "--axis", "tokens_ref", "--db", db), 2);
  o = nightjar("report", "--json", "--db", db);
  ck_ended(o, 0);
  json_decref(program_json(o.out));
  ck_ended(nightjar("report", "--text", "--job", "unknown", "--db", db), 3);
}
END_TEST

/* A store may come from anybody: numbers that nightjar never writes are an error, not an address.
 */
START_TEST(damaged_stores_are_refused) {
  static const struct {
    const char *edit, *command;
    int code;
  } cases[] = {{"UPDATE sample SET repeat = -100000 WHERE id = 1", "report", 5},
               {"UPDATE sample SET repeat = 7 WHERE id = 1", "report", 0},
               {"UPDATE task SET ordinal = -1000000 WHERE ordinal = 3", "report", 5},
               {"UPDATE condition SET tasks = 1000000000; UPDATE task SET ordinal = 900000000 "
                "WHERE ordinal = 3",
                "report", 5},
               {"UPDATE condition SET repeats = -1", "report", 5},
               {"UPDATE condition SET repeats = -1", "status", 5},
               {"UPDATE condition SET repeats = 2147483647", "status", 5},
               {"UPDATE task SET hash = x'01' WHERE ordinal = 3; DELETE FROM sample", "run", 5},
               {"UPDATE sample SET status = 'failed', attempt = -3", "run", 0},
               {"UPDATE task_set SET tasks = 4611686018427387904", "run", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char name[24], sql[512];
    (void)snprintf(name, sizeof name, "bad%zu.db", i);
    db = support_path(name);
    job = support_path("job.yaml");
    ck_ended(nightjar("tasks", "make", "countdown", "--name", "t", "--count", "10", "--seed", "1",
                      "--db", db),
             0);
    write_job("seed: 5", TWO);
    ck_ended(nightjar("run", job, "--db", db), 0);
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; %s",
                   cases[i].edit);
    (void)program_sqlite(db, sql);
    outcome o = !strcmp(cases[i].command, "run")      ? nightjar("run", job, "--db", db)
                : !strcmp(cases[i].command, "status") ? nightjar("status", "--db", db)
                                                      : nightjar("report", "--text", "--db", db);
    ck_assert_msg(o.code == cases[i].code, "case %zu: exit %d, not %d: %s", i, o.code,
                  cases[i].code, o.err);
  }
}
END_TEST

/* What a model ran on stands in the record of its process: the path of the processor that doctor
   names, and the engine's sizes. */
START_TEST(a_model_says_what_it_ran_on) {
  const char *folder = support_path("tiny");
  char head[400];
  make_tasks("4");
  ck_ended(nightjar("model", "synth", "--config", "tiny-llama", "-o", folder), 0);
  (void)snprintf(head, sizeof head,
                 "seed: 5\nmodels: [%s]\nsampling: {temperature: 1}\nengine: {slots: 3, rows: 40}",
                 folder);
  write_job(head, "  - {name: pool, mode: vote, protocol: countdown-sosp, n: [2, 4],\n"
                  "     limit: {tokens_thread: 24}}\n");
  outcome o = nightjar("run", job, "--db", db, "--dry-run");
  ck_ended(o, 0);
  ck_holds(o.out, "expected of tiny: not known before samples of it are stored");
  ck_lacks(o.out, "expected: ");
  o = nightjar("run", job, "--db", db, "--threads", "2");
  ck_ended(o, 0);
  ck_holds(o.err, "\n8 samples (");
  ck_holds(o.err, "\nmodels: ");
  ck_holds(o.err, "tokens/s; recording took ");
  ck_holds(o.err, "\n8/8 samples, ");
  is("SELECT json_extract(settings, '$.threads'), json_array_length(settings, '$.engines') FROM "
     "process",
     "2|1");
  is("SELECT json_extract(e.value, '$.model'), json_extract(e.value, '$.slots'), "
     "json_extract(e.value, '$.rows'), json_extract(e.value, '$.compute'), "
     "json_extract(e.value, '$.kv_bytes') = 2 * 2 * 2 * 32 * 2 * json_extract(e.value, '$.pages') "
     "* "
     "json_extract(e.value, '$.page_keys') FROM process p, json_each(p.settings, '$.engines') e",
     "tiny|3|40|bf16|1");
  const char *device = program_sqlite(db, "SELECT 'run on ' || device || ';' FROM process");
  ck_holds(device, "run on cpu ");
  ck_holds(nightjar("doctor", "--db", db).out, device);
  /* The smaller vote is cut from the larger one, and what was generated is counted once. */
  is("SELECT sum(derived), count(*) FROM sample", "4|8");
  const char *tokens = program_sqlite(
      db, "SELECT sum(tokens_generated) || ' tokens in ' FROM sample WHERE NOT derived");
  ck_holds(o.err, tokens);
  ck_assert_int_lt(atoi(tokens), 1000);
  o = nightjar("run", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
  is("SELECT count(*) FROM process", "1");
}
END_TEST

/* What a job covers is not made less by trying it on a few tasks, and what is lost is said. */
START_TEST(a_smaller_limit_hides_nothing) {
  make_tasks("30");
  write_job("seed: 5", TWO);
  ck_ended(nightjar("run", job, "--db", db), 0);
  ck_ended(nightjar("run", job, "--db", db, "--limit", "5"), 0);
  is("SELECT group_concat(DISTINCT tasks) FROM accuracy", "30");
  write_job("seed: 6", TWO);
  outcome o = nightjar("run", job, "--db", db, "--limit", "5");
  ck_ended(o, 0);
  ck_holds(o.err, "3 conditions with samples that this file does not name or changes");
  is("SELECT group_concat(DISTINCT tasks) FROM accuracy", "5");
  o = nightjar("status", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "90 samples belong to no condition any more");
  ck_ended(nightjar("rescore", job, "--db", db), 0);
  is("SELECT group_concat(DISTINCT tasks) FROM accuracy", "5");
}
END_TEST

/* A closed pipe or a lost terminal ends no night. */
START_TEST(a_reader_that_leaves_ends_nothing) {
  make_tasks("200");
  write_job("seed: 5", TWO);
  char command[1024];
  (void)snprintf(command, sizeof command,
                 "{ \"$NIGHTJAR\" run %s --db %s; echo $? >%s; } 2>&1 | true", job, db,
                 support_path("code"));
  ck_assert_int_eq(system(command), 0);
  ck_assert_str_eq(program_read(support_path("code")), "0\n");
  is("SELECT count(*) FROM sample", "600");
  (void)snprintf(command, sizeof command, "\"$NIGHTJAR\" report --text --db %s | head -1", db);
  ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("run");
  TCase *all = tcase_create("run");
  tcase_add_test(all, growing_repeats_adds_and_touches_nothing);
  tcase_add_test(all, what_makes_a_run_new);
  tcase_add_test(all, explain_and_dry_run_write_nothing);
  tcase_add_test(all, workers_never_change_a_result);
  tcase_add_test(all, a_wall_limit_stops_resumably);
  tcase_add_test(all, bad_input_says_where_and_what);
  tcase_add_test(all, a_second_writer_is_turned_away);
  tcase_add_test(all, a_short_lock_is_waited_for);
  tcase_add_test(all, failed_samples_are_tried_again);
  tcase_add_test(all, rescore_judges_what_is_stored);
  tcase_add_test(all, reports_show_what_the_store_holds);
  tcase_add_test(all, damaged_stores_are_refused);
  tcase_add_test(all, a_model_says_what_it_ran_on);
  tcase_add_test(all, a_smaller_limit_hides_nothing);
  tcase_add_test(all, a_reader_that_leaves_ends_nothing);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
