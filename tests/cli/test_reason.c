/* Jobs on a model of random weights, as a person runs them: who meets which limit, what grows, what
   is cut from what, and that nothing about the engine shows in a result. */
#include "tests/engine/prompt.h"
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>

enum { SCRIPT_BYTES = 4096 };

static const char *db, *job, *folder;

static void prepare(int tasks) {
  db = support_path("reason.db");
  job = support_path("job.yaml");
  program_make_tasks(db, tasks);
  folder = program_make_model("tiny");
}

static void write_job(const char *head, const char *conditions) {
  char yaml[SCRIPT_BYTES];
  int bytes = snprintf(yaml, sizeof yaml,
                       "name: j\ntasks: kill\nmodels: [%s]\nsampling: {temperature: 1}\nseed: 5\n"
                       "%s\nconditions:\n%s",
                       folder, head, conditions);
  ck_assert_int_lt(bytes, (int)sizeof yaml);
  support_write(job, yaml);
}

static void is(const char *sql, const char *wanted) {
  const char *found = program_sqlite(db, sql);
  ck_assert_msg(!strcmp(found, wanted), "%s:\n%s\nand not\n%s", sql, found, wanted);
}

static void is_equal(const char *a, const char *b, const char *what) {
  hash one = program_promised(a), other = program_promised(b);
  ck_assert_msg(hash_equal(&one, &other), "%s", what);
}

/* A store that holds the tasks alone. */
static const char *new_store(const char *name, int tasks) {
  const char *path = support_path(name);
  program_make_tasks(path, tasks);
  return path;
}

/* ---- limits -----------------------------------------------------------------------------------
 */

/* No thread can end by itself, so each family runs into the limit that it is named after. */
#define ENDLESS ", suppress: ['<|end|>']"
#define LIMITED(extra)                                                                             \
  "  - {name: serial tokens_total, mode: serial, protocol: countdown-sosp, limit: {tokens_total: " \
  "[60, 90]}" ENDLESS extra "}\n"                                                                  \
  "  - {name: serial tokens_thread, mode: serial, protocol: countdown-sosp, limit: "               \
  "{tokens_thread: "                                                                               \
  "[1, 40]}" ENDLESS extra "}\n"                                                                   \
  "  - {name: serial context, mode: serial, protocol: countdown-sosp, limit: {context: [64, "      \
  "100]}" ENDLESS extra "}\n"                                                                      \
  "  - {name: vote tokens_total, mode: vote, n: [2, 5], protocol: countdown-sosp, limit: "         \
  "{tokens_total: [200, 303]}" ENDLESS extra "}\n"                                                 \
  "  - {name: vote tokens_thread, mode: vote, n: [2, 5], protocol: countdown-sosp, limit: "        \
  "{tokens_thread: [1, 40]}" ENDLESS extra "}\n"                                                   \
  "  - {name: vote context, mode: vote, n: [2, 5], protocol: countdown-sosp, limit: {context: "    \
  "[64, "                                                                                          \
  "100]}" ENDLESS extra "}\n"

enum { LIMIT_CONDITIONS = 18, LIMIT_TASKS = 6 };

static const char LIMITS_MET[] = "serial context|capped|context|12\n"
                                 "serial tokens_thread|capped|tokens_thread|12\n"
                                 "serial tokens_total|capped|tokens_total|12\n"
                                 "vote context|capped|context|24\n"
                                 "vote tokens_thread|capped|tokens_thread|24\n"
                                 "vote tokens_total|capped|tokens_total|24";
static const char WHO_MET[] = "SELECT family, status, limit_met, count(*) FROM samples "
                              "GROUP BY 1, 2, 3 ORDER BY 1";

/* Of each thread the tokens before its finisher, which is all that it was fed and what follows. */
#define OWN_TOKENS                                                                                 \
  "WITH own AS (SELECT s.condition, s.id, s.limit_tokens_total AS total, s.limit_tokens_thread "   \
  "AS "                                                                                            \
  "thread, s.limit_context AS context, s.n, s.tokens_prompt / s.threads AS prompt, "               \
  "(SELECT coalesce(min(j.value ->> 1), h.tokens_prompt + h.tokens_fed + h.tokens_generated) "     \
  "FROM json_each(x.layout) j WHERE j.value ->> 0 = 'fed') AS held "                               \
  "FROM samples s JOIN thread h ON h.sample = s.id "                                               \
  "JOIN trace x ON x.sample = s.id AND x.thread = h.ordinal) "

/* As long as it may be and no longer: a vote's threads are cut at one step. */
static void limits_hold(void) {
  is(OWN_TOKENS "SELECT count(*), min(held - prompt - thread), max(held - prompt - thread) "
                "FROM own WHERE condition LIKE '%tokens_thread%'",
     "96|0|0");
  is(OWN_TOKENS "SELECT count(*), min(held - context), max(held - context) "
                "FROM own WHERE condition LIKE '% context%'",
     "96|0|0");
  is(OWN_TOKENS "SELECT count(*), sum(spent > total), sum(spent <= total - coalesce(n, 1)) FROM "
                "(SELECT sum(held) AS spent, total, n FROM own WHERE condition LIKE "
                "'%tokens_total%' GROUP BY id)",
     "36|0|0");
}

START_TEST(limits_end_samples_and_are_named) {
  prepare(LIMIT_TASKS);
  write_job("", LIMITED(""));
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT count(*) FROM condition", "18");
  is(WHO_MET, LIMITS_MET);
  limits_hold();
  is("SELECT count(*), sum(tokens_injected), sum(tokens_finisher), sum(tokens_total - "
     "tokens_generated - tokens_prompt) FROM sample",
     "108|0|0|0");
  is("SELECT count(*) FROM sample WHERE answer IS NOT NULL OR vote_key IS NOT NULL", "0");
  const char *before = program_sqlite(db, "SELECT count(*), sum(ended_ns), max(id) FROM sample");
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
  is("SELECT count(*), sum(ended_ns), max(id) FROM sample", before);
}
END_TEST

/* What the limit holds for is not the finisher's, and what is the finisher's is what it fed and
   what was sampled behind that. */
START_TEST(a_finisher_stands_beside_the_limit) {
  prepare(LIMIT_TASKS);
  write_job("", LIMITED(", finisher: {tokens: 20}"));
  ck_ended(nightjar("run", job, "--db", db), 0);
  is(WHO_MET, LIMITS_MET);
  limits_hold();
  is("SELECT count(*) FROM sample s WHERE tokens_finisher IS NOT (SELECT sum(j.value ->> 2) FROM "
     "trace x, json_each(x.layout) j WHERE x.sample = s.id AND j.id >= (SELECT min(k.id) FROM "
     "json_each(x.layout) k WHERE k.value ->> 0 = 'fed'))",
     "0");
  is("SELECT DISTINCT (SELECT group_concat(j.value ->> 0, ' ') FROM json_each(layout) j) "
     "FROM trace ORDER BY 1",
     "prompt generated fed generated");
  is("SELECT min(asked), max(asked) FROM (SELECT (SELECT max(j.value ->> 2) FROM json_each(layout) "
     "j WHERE j.key = 3) AS asked FROM trace)",
     "20|20");
  is("SELECT count(*) FROM thread WHERE finish != 'finisher'", "0");
}
END_TEST

/* Nothing can be sampled behind a prompt that fills what it may stand in: capped, and not failed.
   A finisher has its place beside the context and no more. */
START_TEST(prompts_may_be_longer_than_their_limit) {
  prepare(4);
  write_job("", "  - {name: context, mode: serial, protocol: countdown-sosp, limit: {context: 9}}\n"
                "  - {name: total, mode: vote, n: 3, protocol: countdown-sosp,\n"
                "     limit: {tokens_total: 70}}\n"
                "  - {name: asked, mode: vote, n: 2, protocol: countdown-sosp" ENDLESS ",\n"
                "     limit: {context: 9}, finisher: {tokens: 5}}\n");
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT condition, status, limit_met, sum(tokens_generated), sum(tokens_finisher = "
     "tokens_injected + tokens_generated), count(*) FROM samples GROUP BY 1, 2, 3 ORDER BY 1",
     "asked|capped|context|40|4|4\n"
     "context|capped|context|0|4|4\n"
     "total|capped|tokens_total|0|4|4");
}
END_TEST

/* ---- what is there stays ----------------------------------------------------------------------
 */

/* All of the first two repeats, measured columns and ids of rows included. */
static const char FIRST_TWO[] =
    "SELECT * FROM sample WHERE repeat < 2 ORDER BY id;"
    "SELECT h.* FROM thread h JOIN sample s ON s.id = h.sample WHERE repeat < 2 ORDER BY 1, 2;"
    "SELECT x.sample, thread, hex(text), text_bytes, hex(ids), ids_bytes, hex(logprobs), layout "
    "FROM trace x JOIN sample s ON s.id = x.sample WHERE repeat < 2 ORDER BY 1, 2;"
    "SELECT v.* FROM verdict v JOIN sample s ON s.id = v.sample WHERE repeat < 2 ORDER BY 1, 2, 3";

START_TEST(growing_repeats_adds_and_touches_nothing) {
  enum { TASKS = 4 };
  prepare(TASKS);
  program_write_reasoning(job, folder, 2, "");
  ck_ended(nightjar("run", job, "--db", db), 0);
  ck_assert_int_eq(atoi(program_sqlite(db, "SELECT count(*) FROM sample")),
                   2 * TASKS * PROGRAM_REASONED);
  const char *before = program_sqlite(db, FIRST_TWO);
  program_write_reasoning(job, folder, 5, "");
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT repeat, count(*) FROM sample GROUP BY 1", "0|64\n1|64\n2|64\n3|64\n4|64");
  ck_assert_str_eq(program_sqlite(db, FIRST_TWO), before);
  is("SELECT count(DISTINCT run), max(attempt) FROM sample", "16|1");
  const char *whole = new_store("whole.db", TASKS);
  ck_ended(nightjar("run", job, "--db", whole), 0);
  is_equal(db, whole, "grown from 2 to 5, and 5 at once");
}
END_TEST

/* ---- derived is computed ----------------------------------------------------------------------
 */

static const char FAMILIES[] =
    "  - {name: vote, mode: vote, protocol: countdown-sosp, n: [1, 2, 4, 8],\n"
    "     limit: {tokens_thread: [20, 40, 80], context: [60, 110]}}\n"
    "  - {name: one, mode: serial, protocol: countdown-sos, limit: {tokens_thread: [20, 300]}}\n"
    "  - {name: total, mode: vote, protocol: countdown-sosp, n: 3,\n"
    "     limit: {tokens_total: [150, 300]}}\n"
    "  - {name: asked, mode: vote, protocol: countdown-sosp, n: [1, 2, 4],\n"
    "     limit: {tokens_thread: [12, 25]}, finisher: {tokens: 8}}\n"
    "  - {name: root, mode: serial, protocol: countdown-sosp,\n"
    "     limit: {tokens_thread: 50, context: 100}}\n"
    "  - {name: words, mode: vote, protocol: countdown-sosp, n: 7, vote_key: literal,\n"
    "     limit: {tokens_thread: 50, context: 100}}\n";
enum { FAMILY_CONDITIONS = 24 + 2 + 2 + 6 + 2, FAMILY_TASKS = 5 };

/* One of the job's conditions by itself, from the document that the store keeps. */
static void run_alone(const char *from, const char *into, int condition) {
  char sql[256];
  const char *own = support_path("own.json");
  (void)snprintf(sql, sizeof sql,
                 "SELECT json_set(document, '$.conditions', json_array(json(c.value))) FROM job, "
                 "json_each(document, '$.conditions') c WHERE c.key = %d",
                 condition);
  support_write(own, program_sqlite(from, sql));
  ck_ended(nightjar("run", own, "--db", into), 0);
}

START_TEST(a_derived_sample_is_a_computed_one) {
  prepare(FAMILY_TASKS);
  write_job("record: {logprobs: true}", FAMILIES);
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT count(*) FROM condition", "36");
  /* The largest of each family is computed, and of what is asked every other limit too: what a
     finisher is fed behind fewer tokens was not sampled before. A vote's threads serve other
     entries and modes as well. */
  is("SELECT family, sum(derived), sum(NOT derived) FROM samples GROUP BY 1 ORDER BY 1",
     "asked|10|20\none|5|5\nroot|5|0\ntotal|5|5\nvote|115|5\nwords|5|0");
  is("SELECT count(*) FROM samples WHERE derived AND total_ms < 0", "0");

  const char *computed = new_store("computed.db", FAMILY_TASKS);
  for (int i = 0; i < FAMILY_CONDITIONS; i++)
    run_alone(db, computed, i);
  ck_assert_str_eq(program_sqlite(computed, "SELECT count(*), sum(derived) FROM sample"), "180|0");
  outcome o = nightjar("run", job, "--db", computed); /* the same conditions again */
  ck_ended(o, 0);
  ck_holds(o.err, "nothing left to do");
  is_equal(db, computed, "derived and computed");
}
END_TEST

/* ---- no schedule shows ------------------------------------------------------------------------
 */

static const struct {
  const char *head, *threads;
} SCHEDULES[] = {
    {"engine: {slots: 1, rows: 1}\n", "1"},
    {"engine: {slots: 3, rows: 5}\n", "2"},
    {"engine: {slots: 40, rows: 41, kv_memory: 540KiB}\n", "1"},
    {"engine: {slots: 7, rows: 300}\n", "5"},
    {"engine: {backend: reference, slots: 16}\n", "1"},
};

START_TEST(no_setting_of_the_engine_shows) {
  enum { TASKS = 4 };
  static const char prints[] = "SELECT count(fingerprint), count(DISTINCT fingerprint) FROM run";
  prepare(TASKS);
  program_write_reasoning(job, folder, 2, "");
  ck_ended(nightjar("run", job, "--db", db), 0);
  is(prints, "14|1");
  const char *print = program_sqlite(db, "SELECT DISTINCT hex(fingerprint) FROM run");
  for (size_t i = 0; i < sizeof SCHEDULES / sizeof SCHEDULES[0]; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "schedule%zu.db", i);
    const char *other = new_store(name, TASKS);
    program_write_reasoning(job, folder, 2, SCHEDULES[i].head);
    ck_ended(nightjar("run", job, "--db", other, "--threads", SCHEDULES[i].threads), 0);
    is_equal(db, other, SCHEDULES[i].head);
    ck_assert_str_eq(program_sqlite(other, "SELECT DISTINCT hex(fingerprint) FROM run"), print);
    if (strstr(SCHEDULES[i].head, "kv_memory")) {
      const char *often = program_sqlite(other, "SELECT sum(preempted) FROM engine_load");
      ck_assert_msg(atoi(often) > 0, "nobody was preempted");
    }
  }
}
END_TEST

/* ---- log-probabilities ------------------------------------------------------------------------
 */

static double sum_of_hex(const char *hex, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    unsigned byte[4];
    uint32_t bits = 0;
    float value;
    ck_assert_int_eq(sscanf(hex + 8 * i, "%2x%2x%2x%2x", &byte[0], &byte[1], &byte[2], &byte[3]),
                     4);
    for (int k = 3; k >= 0; k--)
      bits = bits << 8 | byte[k];
    memcpy(&value, &bits, sizeof value);
    ck_assert(value <= 0);
    sum += (double)value;
  }
  return sum;
}

START_TEST(log_probabilities_are_kept_where_asked) {
  enum { TASKS = 3 };
  static const char sums[] =
      "SELECT hex(r.identity), s.task, h.ordinal, quote(h.logprob), h.bits_hash FROM thread h "
      "JOIN sample s ON s.id = h.sample JOIN run r ON r.id = s.run ORDER BY 1, 2, 3";
  prepare(TASKS);
  program_write_reasoning(job, folder, 1, "record: {logprobs: true}\n");
  ck_ended(nightjar("run", job, "--db", db), 0);
  is("SELECT count(*), count(h.logprob), sum(length(x.logprobs) = 4 * h.tokens_generated) FROM "
     "thread h JOIN trace x ON x.sample = h.sample AND x.thread = h.ordinal WHERE ids IS NOT NULL",
     "84|84|84");
  char *rows = strdup(program_sqlite(db, "SELECT quote(h.logprob), hex(x.logprobs) FROM thread h "
                                         "JOIN trace x ON x.sample = h.sample AND x.thread = "
                                         "h.ordinal WHERE ids IS NOT NULL"));
  char *left = NULL;
  int compared = 0;
  for (char *row = strtok_r(rows, "\n", &left); row; row = strtok_r(NULL, "\n", &left)) {
    char *hex = NULL;
    double sum = strtod(row, &hex);
    ck_assert(*hex == '|' && sum < 0);
    ck_assert_msg(sum == sum_of_hex(hex + 1, strlen(hex + 1) / 8), "thread %d", compared);
    compared++;
  }
  free(rows);
  ck_assert_int_eq(compared, 84);

  /* Without them threads hold the same bits, and the same sums. */
  const char *without = new_store("without.db", TASKS);
  program_write_reasoning(job, folder, 1, "");
  ck_ended(nightjar("run", job, "--db", without), 0);
  ck_assert_str_eq(program_sqlite(without, "SELECT count(logprobs), count(ids) FROM trace"),
                   "0|84");
  ck_assert_str_eq(program_sqlite(without, sums), program_sqlite(db, sums));
}
END_TEST

/* ---- before it runs ----------------------------------------------------------------------------
 */

static void row_is(const outcome *o, const char *name, const char *wanted) {
  char row[512];
  const char *at = strstr(o->out, name);
  ck_assert_ptr_nonnull(at);
  (void)snprintf(row, sizeof row, "%.*s", (int)strcspn(at, "\n"), at);
  const char *behind = row + strlen(name) + strspn(row + strlen(name), " ");
  ck_assert_msg(!strncmp(behind, wanted, strlen(wanted)), "%s: not %s", row, wanted);
}

/* What is known of a model is what the store holds of it; its engine is not opened, as one sees by
   weights that no engine takes and that make it another model. */
START_TEST(a_dry_run_knows_what_the_store_knows) {
  enum { NOT_A_NUMBER = 0x7fc0 };
  detail err = {0};
  prepare(6);
  static const char conditions[] =
      "  - {name: s, mode: serial, protocol: countdown-sosp, limit: {tokens_thread: [20, "
      "40]}" ENDLESS "}\n"
      "  - {name: v, mode: vote, n: 3, protocol: countdown-sosp, limit: {tokens_thread: 9}" ENDLESS
      "}\n";
  write_job("", conditions);
  outcome o = nightjar("run", job, "--db", db, "--dry-run");
  ck_ended(o, 0);
  row_is(&o, "s limit.tokens_thread=20 ", "6         0         6          -          -  cut");
  row_is(&o, "s limit.tokens_thread=40 ", "6         0         6          -          -");
  row_is(&o, "all ", "18         0        18");
  ck_holds(o.out, "expected of tiny: not known before samples of it are stored");
  is("SELECT count(*) FROM job", "0");

  ck_ended(nightjar("run", job, "--db", db, "--limit", "2"), 0);
  hash before = program_promised(db);
  o = nightjar("run", job, "--db", db, "--dry-run");
  ck_ended(o, 0);
  row_is(&o, "s limit.tokens_thread=20 ", "6         2         4         20 ");
  row_is(&o, "s limit.tokens_thread=40 ", "6         2         4         40 ");
  row_is(&o, "v ", "6         2         4         27 ");
  ck_holds(o.out, "expected of tiny: 268 tokens in "); /* 4 * 40 + 4 * 27: four are cut */
  ck_lacks(o.out, "not known before");

  /* Of another run of a mode that is known: its threads, or as many tokens as they may have. */
  write_job("", "  - {name: w, mode: vote, n: 2, protocol: countdown-sosp, vote_key: literal,\n"
                "     limit: {tokens_thread: [5, 30]}" ENDLESS "}\n");
  o = nightjar("run", job, "--db", db, "--dry-run");
  ck_ended(o, 0);
  row_is(&o, "w limit.tokens_thread=5 ", "6         0         6         10 ");
  row_is(&o, "w limit.tokens_thread=30 ", "6         0         6         18 ");

  ck_ok(prompt_poison(folder, "model.layers.1.mlp.up_proj.weight", 100, NOT_A_NUMBER, &err));
  o = nightjar("run", job, "--db", db, "--dry-run");
  ck_ended(o, 0);
  row_is(&o, "w limit.tokens_thread=5 ", "6         0         6          -          -");
  hash after = program_promised(db);
  ck_assert(hash_equal(&before, &after));
}
END_TEST

/* A model of random weights calls for nobody: what children would have sampled is put by hand. */
START_TEST(a_dry_run_counts_children) {
  prepare(6);
#define TREES "mode: spawn_join, protocol: countdown-apr"
  write_job("", "  - {name: stored, " TREES ", label: {children: [2, 6]}, limit: {tokens_thread: "
                "20}" ENDLESS "}\n");
  ck_ended(nightjar("run", job, "--db", db, "--limit", "2"), 0);
  (void)program_sqlite(db, "UPDATE sample SET tokens_generated = 500 * (SELECT "
                           "json_extract(parameters, '$.label.children') FROM run WHERE id = run)");
  write_job("",
            "  - {name: new, " TREES ", label: {children: [3, 4, 9]}}\n"
            "  - {name: bare, " TREES "}\n"
            "  - {name: first, " TREES ", label: {children: 6}, early_stop: first}\n"
            "  - {name: capped, " TREES ", label: {children: 6}, limit: {tokens_total: 700}}\n");
  outcome o = nightjar("run", job, "--db", db, "--dry-run");
  ck_ended(o, 0);
  row_is(&o, "new label.children=3 ", "6         0         6       1000 ");
  row_is(&o, "new label.children=4 ", "6         0         6       2000 "); /* as near to both */
  row_is(&o, "new label.children=9 ", "6         0         6       3000 ");
  row_is(&o, "bare ", "6         0         6       2000 ");
  row_is(&o, "first ", "6         0         6       3000 ");
  row_is(&o, "capped ", "6         0         6        700 ");
}
END_TEST

START_TEST(explain_says_what_makes_a_run_of_a_model_new) {
  static const char one[] = "  - {name: a, mode: serial, protocol: countdown-sosp, "
                            "limit: {tokens_thread: 20}}\n";
  prepare(2);
  write_job("", one);
  ck_ended(nightjar("run", job, "--db", db), 0);
  outcome o = nightjar("run", job, "--db", db, "--explain");
  ck_ended(o, 0);
  ck_holds(o.out, "a: run 1 is there, 0 of 2 samples left");
  write_job("engine: {slots: 2, backend: reference}\nrecord: {logprobs: true}\nrepeats: 3", one);
  o = nightjar("run", job, "--db", db, "--explain");
  ck_holds(o.out, "a: run 1 is there, 4 of 6 samples left");
  write_job("engine: {compute: fp32}", "  - {name: a, mode: serial, protocol: countdown-sosp, "
                                       "begin: 2, limit: {tokens_thread: 21}}\n");
  o = nightjar("run", job, "--db", db, "--explain");
  ck_ended(o, 0);
  ck_holds(o.out, "begin: [256] -> [256,256]");
  ck_holds(o.out, "class: \"cpu-1 bf16\" -> \"cpu-1 fp32\"");
  ck_holds(o.out, "parameters.limit.tokens_thread: 20 -> 21");
  is("SELECT count(*) FROM run", "1");
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------
 */

START_TEST(a_weight_that_is_no_number_is_refused) {
  enum { NOT_A_NUMBER = 0x7fc0 };
  detail err = {0};
  prepare(2);
  write_job("", "  - {name: one, mode: serial, protocol: countdown-sosp}\n");
  ck_ok(prompt_poison(folder, "model.layers.1.mlp.up_proj.weight", 100, NOT_A_NUMBER, &err));
  outcome o = nightjar("run", job, "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "model.layers.1.mlp.up_proj.weight");
  ck_holds(o.err, "not finite");
  ck_holds(o.err, folder);
  is("SELECT count(*) FROM sample", "0");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reason");
  TCase *all = tcase_create("reason");
  tcase_add_test(all, limits_end_samples_and_are_named);
  tcase_add_test(all, a_finisher_stands_beside_the_limit);
  tcase_add_test(all, prompts_may_be_longer_than_their_limit);
  tcase_add_test(all, growing_repeats_adds_and_touches_nothing);
  tcase_add_test(all, a_derived_sample_is_a_computed_one);
  tcase_add_test(all, no_setting_of_the_engine_shows);
  tcase_add_test(all, log_probabilities_are_kept_where_asked);
  tcase_add_test(all, a_dry_run_knows_what_the_store_knows);
  tcase_add_test(all, a_dry_run_counts_children);
  tcase_add_test(all, explain_says_what_makes_a_run_of_a_model_new);
  tcase_add_test(all, a_weight_that_is_no_number_is_refused);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
