/* Questions put by a template and read by a pattern: asked, judged, and judged again by other
   checkers, without a token being sampled. Each verdict is held against what SQL makes of it. */
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>

enum { QUESTIONS = 60 };

static const char *db, *job, *folder;

/* Answers of three forms, so that no two checkers agree: a digit, the digit as a decimal number,
   and a pattern of digits. The job reads digits. */
static void write_questions(const char *path) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < QUESTIONS; i++) {
    static const char *const before[] = {"", "", "["}, *const behind[] = {"", ".0", "-9]"};
    char answer[16];
    (void)snprintf(answer, sizeof answer, "%s%d%s", before[i % 3], i / 3 % 10, behind[i % 3]);
    (void)fprintf(file,
                  "{\"id\": \"q%d\", \"question\": \"Which digit is number %d?\", "
                  "\"answer\": \"%s\"}\n",
                  i, i, answer);
  }
  ck_assert_int_eq(fclose(file), 0);
}

static void prepare(void) {
  db = support_path("questions.db");
  job = support_path("job.yaml");
  const char *lines = support_path("questions.jsonl");
  write_questions(lines);
  ck_ended(nightjar("tasks", "import", lines, "--name", "q", "--db", db), 0);
  folder = program_make_model("tiny");
}

static void write_job(const char *head, const char *conditions) {
  char yaml[4096];
  int bytes = snprintf(yaml, sizeof yaml,
                       "name: j\ntasks: q\nmodels: %s\nsampling: {temperature: 1}\nseed: 3\n%s\n"
                       "conditions:\n%s",
                       folder, head, conditions);
  ck_assert_int_lt(bytes, (int)sizeof yaml);
  support_write(job, yaml);
}

static void is(const char *sql, const char *wanted) {
  const char *found = program_sqlite(db, sql);
  ck_assert_msg(!strcmp(found, wanted), "%s:\n%s\nand not\n%s", sql, found, wanted);
}

static void is_none(const char *sql) {
  is(sql, "0");
}

/* One thread that goes on to its limit or a stop; votes of threads that are asked at theirs. */
static const char ASKED[] =
    "  - {name: one, mode: serial, protocol: generic, prompt: \"Q: {question}\\nA:\",\n"
    "     answer: '([0-9])', stop: [\"4\", \"lo\"], limit: {tokens_thread: 40}}\n"
    "  - {name: vote, mode: vote, n: [1, 4], protocol: generic, prompt: \"Q: {question}\\nA:\",\n"
    "     answer: '([0-9])', stop: [\"lo\"], limit: {tokens_thread: 15},\n"
    "     finisher: {text: \"\\nSo the digit is \", tokens: 12}}\n";
enum { CONDITIONS = 3 };

/* ---- verdicts ---------------------------------------------------------------------------------
 */

/* Every thread that has a verdict of its own, and the serial samples, beside what they answered. */
static const char JUDGED[] =
    "WITH judged AS (SELECT v.checker, v.correct, v.reason, t.ordinal % 3 AS form, "
    "t.target ->> '$.answer' AS expected, iif(v.thread < 0, s.answer, h.answer) AS answer "
    "FROM verdict v JOIN sample s ON s.id = v.sample JOIN task t ON t.id = s.task "
    "JOIN run r ON r.id = s.run LEFT JOIN thread h ON h.sample = s.id AND h.ordinal = v.thread "
    "WHERE v.thread >= 0 OR r.mode = 'serial'), "
    "wanted AS (SELECT *, CASE checker WHEN 'exact' THEN answer = expected "
    "WHEN 'number' THEN form < 2 AND CAST(answer AS REAL) = CAST(expected AS REAL) "
    "WHEN 'regex' THEN iif(form = 2, answer BETWEEN substr(expected, 2, 1) AND '9', "
    "form = 0 AND answer = expected) END AS right FROM judged) ";

static int64_t count_judged(const char *what, const char *checker, const char *which) {
  char sql[2048];
  int bytes = snprintf(sql, sizeof sql, "%sSELECT %s FROM wanted WHERE checker = '%s' AND %s",
                       JUDGED, what, checker, which);
  ck_assert_int_lt(bytes, (int)sizeof sql);
  return program_count(db, sql);
}

static void verdicts_are_right(const char *checker, int least) {
  ck_assert_int_eq(
      count_judged("count(*)", checker, "correct IS NOT (answer IS NOT NULL AND right)"), 0);
  ck_assert_int_eq(count_judged("count(*)", checker, "(answer IS NULL) != (reason = 'no answer')"),
                   0);
  ck_assert_int_ge(count_judged("sum(correct)", checker, "1"), least);
}

/* A vote's verdict is the mean over the answers that most threads gave, which is counted again. */
static void votes_are_right(const char *checker) {
  char sql[2048];
  (void)snprintf(
      sql, sizeof sql,
      "WITH votes AS (SELECT h.sample, h.vote_key, count(*) AS votes, max(v.score) AS score "
      "FROM thread h JOIN verdict v ON v.sample = h.sample AND v.thread = h.ordinal "
      "AND v.checker = '%s' WHERE h.vote_key IS NOT NULL GROUP BY 1, 2), "
      "most AS (SELECT sample, avg(score) AS score FROM votes o WHERE votes = (SELECT max(votes) "
      "FROM votes i WHERE i.sample = o.sample) GROUP BY 1) "
      "SELECT count(*) FROM verdict v JOIN sample s ON s.id = v.sample JOIN run r ON r.id = s.run "
      "LEFT JOIN most m ON m.sample = s.id WHERE v.thread < 0 AND v.checker = '%s' AND "
      "r.mode = 'vote' AND abs(v.score - coalesce(m.score, 0)) > 1e-12",
      checker, checker);
  is_none(sql);
}

static const char RAN[] =
    "SELECT * FROM process; SELECT * FROM sample ORDER BY id; SELECT * FROM thread; "
    "SELECT sample, thread, hex(text), hex(ids), layout FROM trace";
static const char VERDICTS[] = "SELECT * FROM verdict ORDER BY sample, thread, checker";

START_TEST(questions_are_asked_and_judged) {
  prepare();
  write_job("checker: exact", ASKED);
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT count(*), count(DISTINCT run), sum(status = 'failed') FROM sample", "180|3|0");
  is("SELECT checker, count(*) FROM verdict GROUP BY 1", "exact|480"); /* 60, 2 * 60, 5 * 60 */
  verdicts_are_right("exact", 5);
  votes_are_right("exact");
  is("SELECT sum(tokens_ref IS NOT NULL), sum(nodes_explored IS NOT NULL) FROM sample", "0|0");
  /* A stop string ends a thread, and what was said goes up to it. */
  is_none("SELECT count(*) FROM samples WHERE condition = 'one' AND answer = '4'");
  ck_assert_int_ge(program_count(db, "SELECT count(*) FROM thread WHERE finish = 'stop'"), 5);
  is_none("SELECT count(*) FROM thread h JOIN trace x ON x.sample = h.sample AND x.thread = "
          "h.ordinal WHERE finish = 'stop' AND CAST(sqlar_uncompress(text, text_bytes) AS TEXT) "
          "NOT LIKE '%lo%' AND CAST(sqlar_uncompress(text, text_bytes) AS TEXT) NOT LIKE '%4%'");
}
END_TEST

START_TEST(other_checkers_judge_what_is_there) {
  prepare();
  write_job("checker: exact", ASKED);
  ck_ended(nightjar("run", job, "--db", db), 0);
  const char *ran = program_sqlite(db, RAN), *exact = program_sqlite(db, VERDICTS);
  static const char *const others[] = {"number", "regex"};
  for (int i = 0; i < 2; i++) {
    char head[32];
    (void)snprintf(head, sizeof head, "checker: %s", others[i]);
    write_job(head, ASKED);
    outcome o = nightjar("rescore", job, "--db", db);
    ck_ended(o, 0);
    ck_holds(o.out, others[i]);
    ck_holds(o.out, "60 judged");
    verdicts_are_right(others[i], 10);
    votes_are_right(others[i]);
    ck_assert_str_eq(program_sqlite(db, RAN), ran);
  }
  is("SELECT checker, count(*) FROM verdict GROUP BY 1", "exact|480\nnumber|480\nregex|480");
  is("SELECT (SELECT sum(correct) FROM verdict WHERE checker = 'number') > "
     "(SELECT sum(correct) FROM verdict WHERE checker = 'exact')",
     "1");

  /* What was said at run time is said again, of samples and of their threads. */
  (void)program_sqlite(db, "DELETE FROM verdict");
  write_job("checker: exact", ASKED);
  outcome o = nightjar("rescore", job, "--db", db);
  ck_ended(o, 0);
  ck_assert_str_eq(program_sqlite(db, VERDICTS), exact);
  ck_assert_str_eq(program_sqlite(db, RAN), ran);
  o = nightjar("rescore", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "0 changed");
}
END_TEST

/* ---- prompts ----------------------------------------------------------------------------------
 */

/* The first question is longer than the model's context, and the second than that of the condition
   with a finisher. */
static void write_long_questions(const char *path) {
  static char many[6000];
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  memset(many, 'z', sizeof many);
  (void)fprintf(file, "{\"question\": \"%.5000s\", \"answer\": \"1\"}\n", many);
  (void)fprintf(file, "{\"question\": \"%.900s\", \"answer\": \"1\"}\n", many);
  (void)fprintf(file, "{\"question\": \"zz\", \"answer\": \"1\"}\n");
  ck_assert_int_eq(fclose(file), 0);
}

#define BEYOND(name, more)                                                                         \
  "  - {name: " name                                                                               \
  ", mode: serial, protocol: generic, prompt: \"{question}\", answer: '[0-9]',\n"                  \
  "     suppress: ['<|end|>']" more "}\n"
#define ASKED_BEYOND                                                                               \
  BEYOND("asked", ", limit: {context: 700}, finisher: {text: \" So: \", tokens: 60}")

/* None of it is a failure, and what stands beside a condition in its job is not seen in it. */
START_TEST(a_question_beyond_the_context_is_capped) {
  static const char bits[] =
      "SELECT t.ordinal, h.bits_hash, h.tokens_generated FROM thread h JOIN sample s ON s.id = "
      "h.sample JOIN task t ON t.id = s.task JOIN run r ON r.id = s.run WHERE "
      "r.parameters LIKE '%finisher%' ORDER BY 1";
  prepare();
  const char *lines = support_path("long.jsonl"), *by_itself = support_path("by_itself.db");
  write_long_questions(lines);
  db = support_path("long.db");
  ck_ended(nightjar("tasks", "import", lines, "--name", "q", "--db", db), 0);
  write_job("", BEYOND("plain", "") ASKED_BEYOND);
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT condition, task_ordinal, status, limit_met, tokens_prompt > 700, tokens_generated, "
     "context_peak - tokens_prompt - tokens_injected FROM samples ORDER BY 1 DESC, 2",
     "plain|0|capped|context|1|0|0\n"
     "plain|1|capped|context|1|123|123\n"
     "plain|2|capped|context|0|1021|1021\n"
     "asked|0|capped|context|1|0|0\n"
     "asked|1|capped|context|1|60|60\n"
     "asked|2|capped|context|0|757|757");
  ck_ended(nightjar("tasks", "import", lines, "--name", "q", "--db", by_itself), 0);
  write_job("", ASKED_BEYOND);
  ck_ended(nightjar("run", job, "--db", by_itself), 0);
  ck_assert_str_eq(program_sqlite(by_itself, bits), program_sqlite(db, bits));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("questions");
  TCase *all = tcase_create("questions");
  tcase_add_test(all, questions_are_asked_and_judged);
  tcase_add_test(all, other_checkers_judge_what_is_there);
  tcase_add_test(all, a_question_beyond_the_context_is_capped);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
