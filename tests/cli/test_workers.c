/* A job whose workers read each other: in every layout, alone and among plain threads, on engines
   that hold many samples of it or one, in one night or after kills. All stores are the same. */
#include "tests/support/program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { QUESTIONS = 6, WORKERS_MOST = 3 }; /* samples: 6 * (3 * 4 + 3 + 2 + 1) */

static const char *folder, *tasks;

static void prepare(void) {
  const char *lines = support_path("questions.jsonl");
  FILE *file = fopen(lines, "w");
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < QUESTIONS; i++) {
    (void)fprintf(file,
                  "{\"id\": \"q%d\", \"question\": \"Which digit is %d?\", \"answer\": \"%d\"}\n",
                  i, i, i);
  }
  ck_assert_int_eq(fclose(file), 0);
  folder = program_make_model("tiny");
  tasks = lines;
}

static const char *new_store(const char *name) {
  const char *db = support_path(name);
  ck_ended(nightjar("tasks", "import", tasks, "--name", "q", "--db", db), 0);
  return db;
}

#define WORDS                                                                                      \
  "     prompt: \"Q: {question}\\nA:\", answer: '([0-9])x', names: [A, B, C],\n"                   \
  "     step: {separator: e, rule: separator, prefix: \"{worker}{step}:\", opening: go,\n"         \
  "            greeting: yo}, redundancy: {tokens: 60, text: \"same?\"},\n"

static const char *write_job(const char *name, const char *engine) {
  static const char job[] =
      "name: w\ntasks: q\nmodels: %s\nsampling: {temperature: 1}\nseed: 3\nchecker: exact\n%s"
      "conditions:\n"
      "  - {name: read, mode: hogwild, workers: [1, 2, %d], protocol: generic-hogwild,\n"
      "     layout: [combined, interleaved, contiguous, independent],\n" WORDS
      "     limit: {forwards: 30, context: 600}, finisher: {text: \"\\nSo \", tokens: 8}}\n"
      "  - {name: cut, mode: hogwild, workers: 2, protocol: generic-hogwild,\n" WORDS
      "     limit: {forwards: [10, 18, 26], context: 600}}\n"
      "  - {name: asked, mode: hogwild, workers: 2, protocol: generic-hogwild,\n" WORDS
      "     limit: {forwards: [12, 24], context: 600}, finisher: {text: \"\\nSo \", tokens: 6}}\n"
      "  - {name: vote, mode: vote, n: %d, protocol: generic, prompt: \"Q: {question}\\nA:\",\n"
      "     answer: '([0-9])x', limit: {tokens_thread: 30}}\n";
  const char *path = support_path(name);
  char yaml[4096];
  ck_assert_int_lt(snprintf(yaml, sizeof yaml, job, folder, engine, WORKERS_MOST, WORKERS_MOST),
                   (int)sizeof yaml);
  support_write(path, yaml);
  return path;
}

static void is(const char *db, const char *sql, const char *wanted) {
  const char *found = program_sqlite(db, sql);
  ck_assert_msg(!strcmp(found, wanted), "%s:\n%s\nand not\n%s", sql, found, wanted);
}

/* ---- what a store says ----------------------------------------------------------------------- */

/* Workers are in step: nobody is ahead of the forwards, who ended last is there, and a limit of
   forwards is no more than that and the finisher. */
static void check_counts(const char *db) {
  is(db, "SELECT count(*), sum(status = 'failed') FROM sample", "108|0");
  is(db,
     "SELECT count(*) FROM thread h JOIN samples s ON s.id = h.sample WHERE s.mode = 'hogwild' AND "
     "h.role = 'worker' AND (h.tokens_generated > 30 OR h.logical_end <> h.tokens_generated)",
     "0");
  is(db,
     "SELECT count(*) FROM samples s WHERE mode = 'hogwild' AND seq_forwards <> (SELECT "
     "max(logical_end) FROM thread h WHERE h.sample = s.id)",
     "0");
  is(db, "SELECT DISTINCT limit_met FROM samples WHERE mode = 'hogwild' AND status = 'capped'",
     "forwards");
  is(db, "SELECT count(*) FROM thread WHERE worker <> ordinal", "0");
  /* Steps are done where layouts have them, and nowhere else. */
  ck_assert_int_gt(program_count(db, "SELECT count(*) FROM trace, json_each(layout) WHERE "
                                     "json_extract(value, '$[0]') = 'commit'"),
                   100);
  is(db,
     "SELECT count(*) FROM trace x JOIN samples s ON s.id = x.sample, json_each(x.layout) WHERE "
     "json_extract(value, '$[0]') = 'commit' AND (s.condition LIKE '%contiguous%' OR s.condition "
     "LIKE '%independent%' OR s.mode = 'vote')",
     "0");
}

/* Of a family the largest is computed, and the others are its first forwards, with a finisher of
   their own where one is asked. */
static void check_family(const char *db) {
  is(db, "SELECT condition, sum(derived) FROM samples WHERE derived GROUP BY 1",
     "asked limit.forwards=12|6\ncut limit.forwards=10|6\ncut limit.forwards=18|6");
  is(db,
     "SELECT count(*) FROM samples v JOIN thread h ON h.sample = v.id JOIN trace x ON x.sample = "
     "v.id AND x.thread = h.ordinal JOIN samples u ON u.condition = 'cut limit.forwards=26' AND "
     "u.task = v.task JOIN trace y ON y.sample = u.id AND y.thread = h.ordinal WHERE v.condition "
     "= 'cut limit.forwards=10' AND h.tokens_generated = 10 AND instr(sqlar_uncompress(y.text, "
     "y.text_bytes), sqlar_uncompress(x.text, x.text_bytes)) = 1",
     "12");
}

/* Who sees nobody is a voter, bit for bit. */
static void check_control(const char *db) {
  is(db,
     "SELECT count(*), sum(h.bits_hash = k.bits_hash), sum(h.tokens_prompt = k.tokens_prompt) "
     "FROM thread h JOIN samples v ON v.id = h.sample AND h.role = 'worker' AND v.condition = "
     "'read workers=3 layout=independent' JOIN samples u ON u.condition = 'vote' AND u.task = "
     "v.task JOIN thread k ON k.sample = u.id AND k.ordinal = h.ordinal",
     "18|18|18");
}

START_TEST(workers_are_stored) {
  prepare();
  const char *db = new_store("a.db"), *job = write_job("job.yaml", "");
  ck_ended(nightjar("run", job, "--db", db), 0);
  check_counts(db);
  check_control(db);
  check_family(db);
  ck_ended(nightjar("verify", "--db", db, "--samples", "30"), 0);
}
END_TEST

/* ---- full views ------------------------------------------------------------------------------ */

/* What a context ends is the beginning of what a larger one does where all views are as long, so
   that all end at once. Where they are not, some go on and see what there would not have been. */
START_TEST(a_context_cuts_where_all_end_at_once) {
  static const char job[] =
      "name: full\ntasks: q\nmodels: %s\nsampling: {temperature: 1}\nseed: 3\nchecker: exact\n"
      "conditions:\n"
      "  - {name: full, mode: hogwild, workers: 3, protocol: generic-hogwild, until: all,\n"
      "     layout: [combined, interleaved, contiguous], " WORDS
      "     limit: {forwards: 60, context: [70, 90, 110, 600]}}\n";
  char yaml[4096];
  prepare();
  const char *db = new_store("a.db"), *path = support_path("job.yaml");
  ck_assert_int_lt(snprintf(yaml, sizeof yaml, job, folder), (int)sizeof yaml);
  support_write(path, yaml);
  ck_ended(nightjar("run", path, "--db", db), 0);
  is(db,
     "SELECT substr(condition, 6, 18), sum(derived), count(*) FROM samples GROUP BY 1 ORDER BY 1",
     "layout=combined li|18|24\nlayout=contiguous |18|24\nlayout=interleaved|0|24");
  is(db,
     "SELECT count(*) FROM samples WHERE condition LIKE '%context=70' AND limit_met <> 'context'",
     "0");
  ck_ended(nightjar("verify", "--db", db, "--samples", "72"), 0);
}
END_TEST

/* ---- schedules ------------------------------------------------------------------------------- */

/* One sample of workers at a time, then several; what was in flight at a kill begins again. */
START_TEST(no_schedule_changes_them) {
  static const char *const engines[] = {"engine: {slots: 3, rows: 192, kv_memory: 8MiB}\n",
                                        "engine: {slots: 9, rows: 300}\n"};
  prepare();
  const char *db = new_store("a.db"), *job = write_job("job.yaml", "");
  ck_ended(nightjar("run", job, "--db", db), 0);
  hash wanted = program_promised(db);
  for (int i = 0; i < 2; i++) {
    const char *other = new_store(i ? "c.db" : "b.db");
    const char *tight = write_job(i ? "c.yaml" : "b.yaml", engines[i]);
    ck_ended(nightjar("run", tight, "--db", other), 0);
    hash found = program_promised(other);
    ck_assert_msg(hash_equal(&wanted, &found), "%s", engines[i]);
  }
}
END_TEST

START_TEST(kills_change_nothing) {
  enum { KILLS = 3 };
  prepare();
  const char *db = new_store("a.db"), *job = write_job("job.yaml", ""), *cut = new_store("k.db");
  ck_ended(nightjar("run", job, "--db", db), 0);
  int64_t stored = 0;
  for (int i = 0; i < KILLS; i++) {
    int64_t before = stored;
    pid_t child = program_start((const char *const[]){"run", job, "--db", cut, NULL});
    for (int tries = 0; tries < 3000 && stored < before + 8; tries++) {
      struct timespec wait = {.tv_nsec = 5000000};
      (void)nanosleep(&wait, NULL);
      stored = program_count(cut, "SELECT count(*) FROM sample");
    }
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    int code = program_wait(child);
    ck_assert_msg(code == -SIGKILL || code == 0, "it ended with %d", code);
  }
  ck_assert_int_gt(stored, 0);
  ck_ended(nightjar("run", job, "--db", cut), 0);
  hash wanted = program_promised(db), found = program_promised(cut);
  ck_assert(hash_equal(&wanted, &found));
}
END_TEST

/* ---- refused --------------------------------------------------------------------------------- */

static void refuses(const char *name, const char *engine, const char *piece) {
  const char *job = write_job(name, engine);
  const char *db = new_store("r.db");
  outcome ran = nightjar("run", job, "--db", db);
  ck_assert_int_eq(ran.code, 3);
  ck_holds(ran.err, piece);
}

START_TEST(engines_that_hold_no_sample) {
  prepare();
  refuses("rows.yaml", "engine: {rows: 190}\n",
          "engine.rows is 190, and one forward of 3 workers may take 192, 64 of each");
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("workers");
  TCase *all = tcase_create("workers");
  tcase_add_test(all, workers_are_stored);
  tcase_add_test(all, a_context_cuts_where_all_end_at_once);
  tcase_add_test(all, no_schedule_changes_them);
  tcase_add_test(all, kills_change_nothing);
  tcase_add_test(all, engines_that_hold_no_sample);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
