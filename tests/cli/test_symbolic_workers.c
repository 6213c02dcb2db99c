/* Symbolic workers as a user meets them: as demonstrations timed by a model's tokenizer, and as a
   condition of a job, stored, judged, verified and shown. */
#include "engine/tokenizer.h"
#include "tests/support/program.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static detail err;

static const char *const layouts[] = {"contiguous", "interleaved", "combined", "independent"};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };
static const char MODEL[] = "models/countdown";

/* ---- demonstrations -------------------------------------------------------------------------- */

static char *demonstrated(const char *layout, const char *workers, const char *threads,
                          const char *timed_by) {
  outcome o = nightjar("demonstrate", "countdown", "--search", "hogwild", "--layout", layout,
                       "--workers", workers, "--threads", threads, "--count", "60", "--seed", "5",
                       "-o", "-", timed_by ? "--tokenizer" : NULL, timed_by);
  ck_ended(o, 0);
  ck_holds(o.err, "60 problems, 60 records, ");
  return o.out;
}

static int64_t encoded(encoder *e, const char *bytes, size_t count) {
  token_list ids = {0};
  ck_ok(encoder_encode(e, bytes, count, ENCODE_PLAIN, &ids, &err));
  int64_t tokens = (int64_t)ids.count;
  token_list_close(&ids);
  return tokens;
}

/* Lines by themselves; returns whether one was cut off. Four digits are as many tokens, but the
   first of them, where a line was cut there, may be one. */
static int check_step(const json_t *step, encoder *e) {
  const char *at = json_string_value(json_object_get(step, "text"));
  int64_t left = json_integer_value(json_object_get(step, "tokens"));
  for (const char *newline; (newline = strchr(at, '\n')); at = newline + 1)
    left -= encoded(e, at, (size_t)(newline - at) + 1);
  if (!*at) {
    ck_assert_int_eq(left, 0);
    return 0;
  }
  int64_t cut = encoded(e, at, strlen(at));
  if (isdigit((unsigned char)at[strlen(at) - 1])) {
    ck_assert(cut <= left && left - cut < 3);
  } else {
    ck_assert_int_eq(cut, left);
  }
  return 1;
}

static int check_record(const json_t *record, encoder *e) {
  const json_t *work = json_object_get(record, "work"), *ended = json_object_get(record, "ended");
  int cut = 0;
  for (size_t i = 0; i < json_array_size(work); i++) {
    const json_t *steps = json_array_get(work, i);
    for (size_t k = 0; k < json_array_size(steps); k++) {
      const json_t *step = json_array_get(steps, k);
      int was_cut = check_step(step, e);
      ck_assert(!was_cut ||
                (k + 1 == json_array_size(steps) && json_is_false(json_array_get(ended, i)) &&
                 json_is_false(json_object_get(step, "done"))));
      cut += was_cut;
    }
  }
  return cut;
}

START_TEST(lines_are_timed_by_the_tokenizer) {
  tokenizer *t;
  encoder *e;
  int cut = 0, records = 0;
  ck_ok(tokenizer_open_folder(&t, MODEL, &err));
  ck_ok(encoder_open(&e, t, &err));
  char *out = demonstrated(layouts[_i], "3", "2", MODEL);
  for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"), records++) {
    json_t *record = program_json(line);
    cut += check_record(record, e);
    json_decref(record);
  }
  ck_assert_int_eq(records, 60);
  ck_assert_int_gt(cut, 0);
  encoder_close(e);
  tokenizer_close(t);
}
END_TEST

START_TEST(a_tokenizer_is_a_folder_or_its_file) {
  char *folder = demonstrated("combined", "2", "1", MODEL);
  ck_assert_str_eq(demonstrated("combined", "2", "3", "models/countdown/tokenizer.json"), folder);
  ck_assert_str_ne(demonstrated("combined", "2", "1", NULL), folder);
}
END_TEST

/* ---- a job ----------------------------------------------------------------------------------- */

static const char *db, *job;

static void is(const char *sql, const char *wanted) {
  const char *found = program_sqlite(db, sql);
  ck_assert_msg(!strcmp(found, wanted), "%s: %s, not %s", sql, found, wanted);
}

static void run_job(const char *name, const char *threads) {
  db = support_path(name);
  job = support_path("job.yaml");
  support_write(job, "name: j\ntasks: t\nseed: 3\nrepeats: 2\nconditions:\n"
                     "- {name: all, mode: symbolic, search: hogwild, workers: [1, 3],\n"
                     "   layout: [contiguous, interleaved, combined, independent]}\n"
                     "- {name: short, mode: symbolic, search: hogwild, workers: 4,\n"
                     "   limit: {context: 1500}}\n");
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "t", "--count", "30", "--seed", "1",
                    "--db", db),
           0);
  ck_ended(nightjar("run", job, "--db", db, "--threads", threads), 0);
}

START_TEST(workers_are_stored_and_judged) {
  run_job("one.db", "1");
  is("SELECT count(*), count(DISTINCT run) FROM sample", "540|9");
  is("SELECT DISTINCT role FROM thread", "worker");
  is("SELECT count(*) FROM thread WHERE worker <> ordinal OR path <> ordinal OR parent IS NOT NULL",
     "0");
  is("SELECT DISTINCT finish FROM thread ORDER BY 1", "end\nlimit\nstopped");
  is("SELECT count(*) FROM sample s WHERE (status = 'capped') <> EXISTS (SELECT 1 FROM thread t "
     "WHERE t.sample = s.id AND finish = 'limit')",
     "0");
  is("SELECT DISTINCT coalesce(limit_met, status) FROM sample ORDER BY 1", "context\ndone");
  is("SELECT count(*) FROM sample s JOIN verdict v ON v.sample = s.id WHERE v.thread = -1 AND "
     "v.correct <> (s.answer IS NOT NULL)",
     "0");
  ck_assert_int_gt(program_count(db, "SELECT sum(correct) FROM verdict"), 100);
  /* The answer is that of a worker which ended at the last forward. */
  is("SELECT count(*) FROM sample s WHERE answer IS NOT NULL AND NOT EXISTS (SELECT 1 FROM thread "
     "t "
     "WHERE t.sample = s.id AND t.finish = 'end' AND t.answer = s.answer AND logical_end = "
     "seq_forwards)",
     "0");
}
END_TEST

START_TEST(costs_are_the_workers) {
  run_job("one.db", "2");
  is("SELECT count(*) FROM sample s WHERE seq_forwards <> (SELECT max(logical_end) FROM thread t "
     "WHERE t.sample = s.id) OR seq_critical_path <> seq_forwards OR tokens_ref <> tokens_total",
     "0");
  is("SELECT count(*) FROM sample s JOIN (SELECT sample, sum(tokens_prompt) p, sum(tokens_fed) f, "
     "sum(tokens_generated) g, sum(wait_steps) w FROM thread GROUP BY sample) t ON t.sample = s.id "
     "WHERE tokens_prompt <> p OR tokens_injected <> f OR tokens_generated <> g OR "
     "tokens_total <> p + f + g OR s.wait_steps <> w",
     "0");
  is("SELECT count(*) FROM thread WHERE logical_end <> tokens_generated OR logical_start <> 0",
     "0");
  /* Nobody is seen by one worker alone, nor by an independent one. */
  is("SELECT r.parameters ->> 'layout', r.parameters ->> 'workers' FROM run r JOIN sample s ON "
     "s.run = r.id JOIN thread t ON t.sample = s.id GROUP BY r.id HAVING max(t.tokens_seen) > 0 "
     "ORDER BY 1, 2",
     "combined|3\ncombined|4\ncontiguous|3\ninterleaved|3");
  is("SELECT max(context_peak) <= 1500 FROM sample s JOIN run r ON r.id = s.run WHERE "
     "r.parameters ->> 'workers' = 4",
     "1");
  is("SELECT max(children + children_refused + rounds) FROM sample", "0");
}
END_TEST

START_TEST(a_job_of_workers_is_the_same_again) {
  run_job("one.db", "1");
  hash one = program_promised(db);
  ck_ended(nightjar("verify", "--db", db), 0);
  outcome o = nightjar("rescore", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "0 changed");
  run_job("five.db", "5");
  hash five = program_promised(db);
  ck_assert(hash_equal(&one, &five));
}
END_TEST

START_TEST(a_sample_of_workers_is_shown) {
  run_job("one.db", "2");
  outcome o = nightjar("trace", "all workers=3 layout=combined/1/0", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "worker");
  ck_holds(o.out, "f|### Work in progress (others)");
  ck_holds(o.out, "f|W3/3\n |Moving to Node #0\n");
  o = nightjar("report", "--text", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "all workers=1 layout=independent");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("symbolic_workers");
  TCase *demonstrations = tcase_create("demonstrations"), *jobs = tcase_create("jobs");
  tcase_add_loop_test(demonstrations, lines_are_timed_by_the_tokenizer, 0, LAYOUTS);
  tcase_add_test(demonstrations, a_tokenizer_is_a_folder_or_its_file);
  tcase_add_test(jobs, workers_are_stored_and_judged);
  tcase_add_test(jobs, costs_are_the_workers);
  tcase_add_test(jobs, a_job_of_workers_is_the_same_again);
  tcase_add_test(jobs, a_sample_of_workers_is_shown);
  suite_add_tcase(suite, demonstrations);
  suite_add_tcase(suite, jobs);
  return support_run(suite);
}
