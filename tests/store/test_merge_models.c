/* Merging what models leave: ids and log-probabilities, votes, fingerprints, and what is measured
   beside the samples. */
#include "store/stored.h"
#include "tests/store/merging.h"

enum { TASKS = 4, VOTERS = 3 };

static hash hash_named(const char *name) {
  return hash_of(name, strlen(name));
}

static void put_vote(store *s, int64_t task, int keeps) {
  detail err;
  uint32_t ids[VOTERS][MODEL_TOKENS];
  float logprobs[VOTERS][MODEL_TOKENS];
  store_thread threads[VOTERS];
  store_verdict verdicts[VOTERS + 1];
  for (int i = 0; i < VOTERS; i++) {
    static const char *const paths[] = {"0", "1", "2"};
    threads[i] = model_thread(paths[i], -1, ids[i], logprobs[i], (uint32_t)(100 * task + i));
    threads[i].vote_key = i ? "(+ 1 2)" : NULL;
    if (!keeps) threads[i].logprobs = NULL;
    if (!keeps) threads[i].logprob_count = 0;
  }
  for (int i = 0; i <= VOTERS; i++) {
    verdicts[i] = (store_verdict){.thread = i - 1,
                                  .checker = "countdown",
                                  .reason = "solved",
                                  .version = 1,
                                  .correct = i > 1};
  }
  store_sample sample = plain_sample(task, 0, "done");
  sample.vote_key = "(+ 1 2)";
  sample.derived = task == 2;
  sample.threads = threads;
  sample.thread_count = VOTERS;
  ck_ok(store_put(s, &sample, verdicts, VOTERS + 1, &err));
}

typedef struct night {
  const char *fingerprint, *model;
  int64_t first, last; /* tasks */
  int forgets;         /* 1: log-probabilities are not kept */
} night;

static void add_model(store *s, const char *name) {
  detail err;
  store_model m = {.hash = hash_named("weights"),
                   .tokenizer = hash_named("tokenizer"),
                   .name = name,
                   .architecture = "llama",
                   .config_json = "{}",
                   .parameters = 10,
                   .context = 64,
                   .vocabulary = 512};
  ck_ok(store_model_put(s, &m, &err));
}

static void add_vote_run(store *s, int64_t set, const char *fingerprint) {
  detail err;
  hash model = hash_named("weights"), bits = hash_named(fingerprint);
  store_run_new r = {.identity_json = "{\"mode\":\"vote\",\"seed\":42}",
                     .task_set = set,
                     .mode = "vote",
                     .parameters_json = "{\"n\":3}",
                     .token_unit = "tok-1",
                     .determinism_class = "cpu-1 bf16",
                     .model = &model,
                     .seed = 42};
  int64_t run;
  int made;
  ck_ok(store_run(s, &r, &run, &made, &err));
  ck_ok(store_run_mark(s, run, &bits, &err));
  ck_ok(store_job_put(s, "night", "{\"name\":\"night\"}", &err));
  store_condition c = {.job = "night",
                       .name = "pool",
                       .family = "pool",
                       .checker = "countdown",
                       .repeats = 1,
                       .run = run,
                       .tasks = TASKS};
  ck_ok(store_conditions_put(s, "night", &c, 1, &err));
}

static const char *make(const char *name, night n) {
  detail err;
  store *s = open_store(name, STORE_WRITE);
  store_task_set set = add_tasks(s, "tasks", TASKS);
  add_model(s, n.model ? n.model : "countdown");
  add_vote_run(s, set.id, n.fingerprint ? n.fingerprint : "bits");
  start_process(s);
  for (int64_t task = n.first; task <= n.last; task++) {
    put_vote(s, task, !n.forgets);
    store_load load = {.at_ns = 1000 * task, .interval_ns = 1000, .sampled = 100 + task};
    ck_ok(store_load_put(s, &load, &err));
  }
  ck_ok(store_flush(s, &err));
  store_alone alone = {.sample = 1, .total_ns = 50 + n.first, .first_token_ns = STORE_NONE};
  ck_ok(store_alone_put(s, &alone, &err));
  close_store(s);
  return support_path(name);
}

/* Of samples by their natural key, what came with them. */
static const char beside_sql[] =
    "SELECT t.ordinal, s.derived, (SELECT group_concat(a.total_ns) FROM (SELECT total_ns FROM "
    "alone "
    "WHERE sample = s.id ORDER BY 1) a), (SELECT sum(sampled) FROM engine_load l WHERE l.process = "
    "s.process) FROM sample s JOIN task t ON t.id = s.task ORDER BY 1";

START_TEST(parts_of_a_model_s_night_make_the_whole) {
  const char *whole = make("whole.db", (night){.first = 1, .last = 4});
  const char *a = make("a.db", (night){.first = 1, .last = 2, .model = "elsewhere"});
  const char *b = make("b.db", (night){.first = 3, .last = 4});
  const char *out = support_path("out.db");
  (void)merge(out, b);
  ck_assert_int_eq(merge(out, a).samples, 2);
  hash wanted = program_promised(whole), got = program_promised(out);
  ck_assert(hash_equal(&wanted, &got));
  ck_assert_str_eq(program_sqlite(out, beside_sql), "0|0|51|203\n1|1||203\n2|0|53|207\n3|0||207");
  ck_assert_str_eq(program_sqlite(out, "SELECT name, context FROM model"), "countdown|64");
  ck_assert_str_eq(program_sqlite(out, "SELECT DISTINCT model FROM samples"), "countdown");
  ck_assert_str_eq(program_sqlite(out, "SELECT hex(fingerprint) FROM run"),
                   program_sqlite(whole, "SELECT hex(fingerprint) FROM run"));
  ck_assert_str_eq(program_sqlite(out, "SELECT k, draws, round(accuracy, 9) FROM pass_at_k WHERE "
                                       "k = 1"),
                   "1|12|0.666666667");
  /* Once more changes nothing. */
  const char *rows = program_sqlite(out, ALL_ROWS);
  ck_assert_int_eq(merge(out, a).samples_equal, 2);
  ck_assert_str_eq(program_sqlite(out, ALL_ROWS), rows);
}
END_TEST

START_TEST(passes_of_one_sample_are_united) {
  const char *a = make("a.db", (night){.first = 1, .last = 2}), *out = support_path("out.db");
  (void)merge(out, a);
  (void)merge(out,
              changed(a, "b.db", "INSERT INTO alone VALUES (1, 1, 1, 60, NULL), (2, 1, 0, 70, 7)"));
  ck_assert_str_eq(program_sqlite(out, beside_sql), "0|0|51,60|203\n1|1|70|203");
}
END_TEST

/* Which run has another, in both directions, and nothing is merged. */
START_TEST(other_fingerprints_name_the_run) {
  const char *a = make("a.db", (night){.first = 1, .last = 2});
  const char *other = make("b.db", (night){.first = 3, .last = 4, .fingerprint = "other bits"});
  const char *none = changed(a, "none.db", "UPDATE run SET fingerprint = NULL");
  const char *out = support_path("out.db");
  (void)merge(out, a);
  refuses(out, other, E_STORE, "its run 1 (night/pool) has the fingerprint ");
  refuses(out, none, E_STORE, "has the fingerprint none there");
  refuses(none, other, E_STORE, "and none as run 1 in ");
}
END_TEST

/* A store whose share ended before its first sample has planned the run and nothing more. */
START_TEST(a_run_without_samples_takes_the_fingerprint) {
  static const char print[] = "SELECT count(*), hex(fingerprint) FROM run";
  const char *a = make("a.db", (night){.first = 1, .last = 2});
  const char *planned = changed(a, "planned.db",
                                "PRAGMA foreign_keys = ON; DELETE FROM sample; "
                                "UPDATE run SET fingerprint = NULL");
  const char *out = support_path("out.db"), *back = support_path("back.db");
  (void)merge(out, planned);
  ck_assert_str_eq(program_sqlite(out, print), "1|");
  ck_assert_int_eq(merge(out, a).samples, 2);
  ck_assert_str_eq(program_sqlite(out, print), program_sqlite(a, print));
  (void)merge(back, a);
  ck_assert_int_eq(merge(back, planned).samples, 0);
  ck_assert_str_eq(program_sqlite(back, print), program_sqlite(a, print));
}
END_TEST

static const struct {
  const char *sql, *says;
} BITS[] = {
    {"UPDATE trace SET ids = x'01000000', ids_bytes = 4 WHERE sample = 2 AND thread = 1",
     "night/pool, task '1', repeat 0: trace 1's ids is 201 at 0 in "},
    {"UPDATE trace SET ids = sqlar_uncompress(ids, ids_bytes) WHERE sample = 2 AND thread = 1; "
     "UPDATE trace SET ids = CAST(substr(ids, 1, 156) AS BLOB), ids_bytes = 156 WHERE sample = 2 "
     "AND thread = 1",
     "trace 1's ids is 205 at 39 in "},
    {"UPDATE trace SET logprobs = zeroblob(length(logprobs)) WHERE sample = 2 AND thread = 0",
     "task '1', repeat 0: trace 0's logprobs is -0 at 0 in "},
    {"UPDATE thread SET logprob = logprob - 1 WHERE sample = 1 AND ordinal = 2",
     "task '0', repeat 0: thread 2's logprob is "},
    {"UPDATE thread SET vote_key = NULL WHERE sample = 1 AND ordinal = 1",
     "thread 1's vote_key is "},
    {"UPDATE thread SET bits_hash = 1 WHERE sample = 1 AND ordinal = 0",
     "thread 0's bits_hash is "},
    {"UPDATE verdict SET correct = 0 WHERE sample = 1 AND thread = 2",
     "the verdict's on a thread correct is "}};

START_TEST(differing_bits_of_a_model_name_the_sample) {
  const char *a = make("a.db", (night){.first = 1, .last = 2}), *out = support_path("out.db");
  (void)merge(out, a);
  refuses(out, changed(a, "other.db", BITS[_i].sql), E_STORE, BITS[_i].says);
}
END_TEST

START_TEST(what_only_one_side_kept_is_no_difference) {
  const char *keeps = make("keeps.db", (night){.first = 1, .last = 2});
  const char *forgets = make("forgets.db", (night){.first = 1, .last = 3, .forgets = 1});
  const char *count = "SELECT count(logprobs), count(*) FROM trace";
  const char *one = support_path("one.db"), *two = support_path("two.db");
  (void)merge(one, keeps);
  ck_assert_int_eq(merge(one, forgets).samples_equal, 2);
  ck_assert_str_eq(program_sqlite(one, count), "6|9");
  (void)merge(two, forgets);
  ck_assert_str_eq(program_sqlite(two, count), "0|9");
  ck_assert_int_eq(merge(two, keeps).samples_equal, 2);
  hash first = program_promised(one), second = program_promised(two);
  ck_assert(hash_equal(&first, &second));
  /* Packed ids are compared as they read. */
  ck_assert_int_eq(merge(one, changed(keeps, "raw.db",
                                      "UPDATE trace SET ids = sqlar_uncompress(ids, ids_bytes)"))
                       .samples_equal,
                   2);
}
END_TEST

START_TEST(a_model_s_sample_reads_back_from_a_merged_store) {
  detail err;
  arena *memory = NULL;
  stored_sample read;
  const char *a = make("a.db", (night){.first = 2, .last = 2});
  (void)merge(support_path("out.db"), a);
  store *s = open_store("out.db", STORE_READ);
  ck_ok(arena_open(&memory, 1 << 20, &err));
  ck_ok(stored_sample_read(&read, s, 1, memory, &err));
  ck_assert_int_eq(read.sample.thread_count, VOTERS);
  ck_assert_int_eq(read.sample.derived, 1);
  ck_assert_uint_eq(read.sample.threads[2].id_count, MODEL_TOKENS);
  ck_assert_uint_eq(read.sample.threads[2].ids[5], 202 + 5 + 70000);
  ck_assert_str_eq(read.sample.threads[2].vote_key, "(+ 1 2)");
  arena_close(memory);
  close_store(s);
}
END_TEST

static const struct {
  const char *sql, *says;
} HOSTILE[] = {
    {"UPDATE alone SET sample = 77", "table alone"},
    {"UPDATE alone SET process = 77", "table alone"},
    {"UPDATE alone SET total_ns = -1", "column total_ns of its table alone"},
    {"UPDATE alone SET first_token_ns = 1 << 60", "column total_ns of its table alone"},
    {"UPDATE engine_load SET process = 77", "table engine_load"},
    {"UPDATE engine_load SET rows = 1 << 60", "column steps of its table engine_load"},
    {"UPDATE engine_load SET found = -1", "column steps of its table engine_load"},
    {"DELETE FROM trace; UPDATE thread SET ordinal = -1 WHERE ordinal = 1",
     "column ordinal of its table thread"},
    {"DELETE FROM trace; UPDATE thread SET ordinal = 4294967296 WHERE ordinal = 2",
     "column ordinal of its table thread"},
    {"UPDATE run SET mode = 'serial'", "column identity_json of its table run"},
    {"UPDATE run SET seed = 43", "column identity_json of its table run"},
    {"UPDATE model SET config = '{'", "column config of its table model"},
    {"ALTER TABLE model ADD COLUMN extra TEXT", "column extra of its table model"},
    {"DROP TABLE engine_load", "table engine_load"},
    {"ALTER TABLE alone RENAME TO a; CREATE TABLE alone (sample INTEGER, process INTEGER, pass "
     "INTEGER, total_ns INTEGER, first_token_ns INTEGER)",
     "table alone"}};

START_TEST(hostile_inputs_are_refused) {
  const char *a = make("a.db", (night){.first = 1, .last = 2});
  const char *out = make("out.db", (night){.first = 2, .last = 3});
  char sql[400];
  (void)snprintf(sql, sizeof sql, "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; %s",
                 HOSTILE[_i].sql);
  refuses(out, changed(a, "hostile.db", sql), E_STORE, HOSTILE[_i].says);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("merge_models");
  TCase *all = tcase_create("merge_models");
  tcase_add_test(all, parts_of_a_model_s_night_make_the_whole);
  tcase_add_test(all, passes_of_one_sample_are_united);
  tcase_add_test(all, other_fingerprints_name_the_run);
  tcase_add_test(all, a_run_without_samples_takes_the_fingerprint);
  tcase_add_loop_test(all, differing_bits_of_a_model_name_the_sample, 0,
                      sizeof BITS / sizeof BITS[0]);
  tcase_add_test(all, what_only_one_side_kept_is_no_difference);
  tcase_add_test(all, a_model_s_sample_reads_back_from_a_merged_store);
  tcase_add_loop_test(all, hostile_inputs_are_refused, 0, sizeof HOSTILE / sizeof HOSTILE[0]);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
