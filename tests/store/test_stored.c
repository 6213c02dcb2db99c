/* Samples read back: as they were put, refused where they are damaged, and drawn by content. */
#include "base/memory.h"
#include "store/stored.h"
#include "tests/store/fixture.h"

#include <math.h>
#include <stdlib.h>

static arena *open_arena(size_t bytes) {
  detail err;
  arena *a = NULL;
  ck_ok(arena_open(&a, bytes, &err));
  return a;
}

static void check_text(const char *read, const char *put) {
  ck_assert_int_eq(read != NULL, put != NULL);
  if (put) ck_assert_str_eq(read, put);
}

static void check_thread(const store_thread *read, const store_thread *put) {
  check_text(read->path, put->path);
  check_text(read->role, put->role);
  check_text(read->finish, put->finish);
  check_text(read->answer, put->answer);
  check_text(read->vote_key, put->vote_key);
  check_text(read->layout_json, put->layout_json);
  ck_assert_int_eq(read->parent, put->parent);
  ck_assert_int_eq(read->worker, put->worker);
  ck_assert_int_eq(read->round, put->round);
  /* The numbers between these two have one type and no gaps. */
  ck_assert_mem_eq(&read->spawn_token, &put->spawn_token,
                   (size_t)((const char *)&put->text - (const char *)&put->spawn_token));
  ck_assert_uint_eq(read->text_bytes, put->text_bytes);
  ck_assert_mem_eq(read->text, put->text, put->text_bytes);
  ck_assert_int_eq(read->ids != NULL, put->ids != NULL);
  ck_assert_int_eq(read->logprobs != NULL, put->logprobs != NULL);
  ck_assert_uint_eq(read->id_count, put->id_count);
  ck_assert_uint_eq(read->logprob_count, put->logprob_count);
  if (put->ids) ck_assert_mem_eq(read->ids, put->ids, put->id_count * sizeof *put->ids);
  if (put->logprobs) {
    ck_assert_mem_eq(read->logprobs, put->logprobs, put->logprob_count * sizeof *put->logprobs);
  }
  ck_assert_int_eq(isnan(read->logprob) != 0, !put->ids || isnan(put->logprob));
  if (!isnan(read->logprob)) ck_assert_double_eq(read->logprob, put->logprob);
}

static void check_sample(const store_sample *read, const store_sample *put) {
  ck_assert_int_eq(read->run, put->run);
  ck_assert_int_eq(read->task, put->task);
  ck_assert_int_eq(read->repeat, put->repeat);
  ck_assert_int_eq(read->attempt, put->attempt);
  check_text(read->status, put->status);
  check_text(read->limit_met, put->limit_met);
  check_text(read->answer, put->answer);
  check_text(read->vote_key, put->vote_key);
  check_text(read->error, put->error);
  ck_assert_mem_eq(&read->costs, &put->costs, sizeof put->costs);
  ck_assert_int_eq(read->queued_ns, put->queued_ns);
  ck_assert_int_eq(read->started_ns, put->started_ns);
  ck_assert_int_eq(read->first_token_ns, put->first_token_ns);
  ck_assert_int_eq(read->ended_ns, put->ended_ns);
  ck_assert_double_eq(read->batch_samples, put->batch_samples);
  ck_assert_int_eq(read->derived, put->derived);
  ck_assert_int_eq(read->thread_count, put->thread_count);
  for (int i = 0; i < put->thread_count; i++)
    check_thread(&read->threads[i], &put->threads[i]);
}

/* A vote of three: one keeps its log-probabilities, one does not, one sampled nothing. */
static void put_vote(store *s, int64_t task, int check) {
  static uint32_t ids[3][MODEL_TOKENS];
  static float logprobs[3][MODEL_TOKENS];
  detail err;
  store_thread threads[3];
  for (int i = 0; i < 3; i++) {
    static const char *const paths[] = {"0", "0.0", "0.1"};
    threads[i] = model_thread(paths[i], i - 1 > 0 ? 0 : i - 1, ids[i], logprobs[i], 100);
  }
  threads[0].answer = threads[0].vote_key = "(+ 1 2)";
  threads[1].logprobs = NULL;
  threads[1].logprob_count = 0;
  threads[1].answer = "1+1";
  threads[2].finish = "limit";
  threads[2].id_count = MODEL_PROMPT;
  threads[2].logprob_count = 0;
  threads[2].logprob = (double)NAN;
  threads[2].first_token_ns = 7;
  store_sample put = plain_sample(task, 2, "capped");
  put.limit_met = "tokens_total";
  put.answer = put.vote_key = "(+ 1 2)";
  put.derived = 1;
  put.threads = threads;
  put.thread_count = 3;
  put.costs = (store_costs){.tokens_generated = 76,
                            .tokens_ref = STORE_NONE,
                            .flops = 1.5e12,
                            .kv_token_steps = 900,
                            .nodes_explored = STORE_NONE,
                            .nodes_duplicate = STORE_NONE};
  put.batch_samples = 3.5;
  ck_ok(store_put(s, &put, NULL, 0, &err));
  ck_ok(store_flush(s, &err));
  if (!check) return;
  stored_sample read;
  arena *memory = open_arena(1 << 20);
  ck_ok(stored_sample_read(&read, s, number(s, "SELECT max(id) FROM sample"), memory, &err));
  check_sample(&read.sample, &put);
  ck_assert_int_eq(read.task.id, task);
  ck_assert_str_eq(read.task.question, "tasks question 0");
  ck_assert_str_eq(read.task.target, "{\"n\":0}");
  ck_assert_ptr_null(read.task.cluster);
  hash content = store_task_hash("tasks question 0", "{\"n\":0}");
  ck_assert(hash_equal(&read.task.content, &content));
  arena_close(memory);
}

START_TEST(a_model_s_sample_comes_back) {
  store *s = open_ready("vote.db", 2);
  put_vote(s, 1, 1);
  /* Ids are packed in sqlar's form, log-probabilities as they are. */
  ck_assert(number(s, "SELECT ids_bytes = 160 AND length(ids) < 160 AND length(logprobs) = 152 "
                      "AND hex(substr(sqlar_uncompress(ids, ids_bytes), 1, 8)) = "
                      "'6400000065000000' FROM trace WHERE thread = 0"));
  ck_assert(number(s, "SELECT logprobs IS NULL FROM trace WHERE thread = 1"));
  ck_assert(number(s, "SELECT ids_bytes = 8 AND length(ids) = 8 AND logprobs = x'' "
                      "FROM trace WHERE thread = 2"));
  ck_assert(number(s, "SELECT logprob IS NULL AND vote_key IS NULL FROM thread WHERE ordinal = 2"));
  check_clean(s);
  close_store(s);
}
END_TEST

START_TEST(so_do_others) {
  detail err;
  store *s = open_ready("others.db", 2);
  store_thread threads[] = {plain_thread("0", -1, "a text"), plain_thread("0.0", 0, "")};
  store_sample plain = plain_sample(1, 0, "done"), failed = plain_sample(2, 0, "failed");
  plain.threads = threads;
  plain.thread_count = 2;
  failed.error = "no memory";
  stored_sample read;
  arena *memory = open_arena(1 << 20);
  ck_ok(store_put(s, &plain, NULL, 0, &err));
  ck_ok(store_put(s, &failed, NULL, 0, &err));
  ck_ok(store_flush(s, &err));
  ck_ok(stored_sample_read(&read, s, 1, memory, &err));
  check_sample(&read.sample, &plain);
  ck_ok(stored_sample_read(&read, s, 2, memory, &err));
  check_sample(&read.sample, &failed);
  ck_fails(stored_sample_read(&read, s, 3, memory, &err), E_INPUT, "no sample 3");
  arena_close(memory);
  memory = open_arena(64);
  ck_fails(stored_sample_read(&read, s, 1, memory, &err), E_LIMIT, "more than the 64 bytes");
  arena_close(memory);
  close_store(s);
}
END_TEST

/* Whatever allocation fails, the call says so, and what is read next is whole. */
START_TEST(memory_that_ends_is_said) {
  detail err;
  stored_sample read;
  int64_t run = 1, ids[2];
  size_t found;
  stored_choice c = {.runs = &run, .run_count = 1, .count = 2};
  store *s = open_ready("memory.db", 2);
  put_vote(s, 1, 0);
  int failures = 0;
  for (status failed = E_MEMORY; failed; failures++) {
    arena *memory = open_arena(1 << 20);
    memory_fail_once(failures);
    failed = stored_sample_read(&read, s, 1, memory, &err);
    if (!failed) failed = stored_sample_pick(s, &c, ids, &found, &err);
    memory_fail_once(-1);
    if (failed) ck_fails(failed, E_MEMORY, "");
    arena_close(memory);
  }
  ck_assert_int_ge(failures, 4); /* the arena's block, what is unpacked, what is drawn */
  ck_assert_uint_eq(found, 1);
  close_store(s);
}
END_TEST

static const struct {
  const char *sql, *says;
} DAMAGED[] = {
    {"UPDATE task SET hash = x'00' WHERE id = 1", "its task has no hash"},
    {"UPDATE task SET hash = zeroblob(32) WHERE id = 1", "its task is not the one"},
    {"UPDATE task SET question = 'another' WHERE id = 1", "its task is not the one"},
    {"UPDATE sample SET answer = 'a' || char(0)", "zero byte"},
    {"UPDATE sample SET threads = 4", "as many threads as it says"},
    {"DELETE FROM thread WHERE ordinal = 2", "as many threads as it says"},
    {"UPDATE thread SET ordinal = 9 WHERE ordinal = 2", "not in order"},
    {"UPDATE thread SET parent = 2 WHERE ordinal = 1", "before its parent"},
    {"UPDATE thread SET parent = 1 << 40 WHERE ordinal = 1", "too large"},
    {"UPDATE trace SET ids_bytes = 200 WHERE thread = 0", "not zlib's"},
    {"UPDATE trace SET ids_bytes = 1 << 40 WHERE thread = 0", "it claims 1099511627776 bytes"},
    {"UPDATE trace SET ids = x'010203', ids_bytes = 3 WHERE thread = 0", "cut short"},
    {"UPDATE trace SET ids = x'78da' WHERE thread = 0", "not zlib's"},
    {"UPDATE trace SET logprobs = x'0102030405' WHERE thread = 0", "cut short"},
    {"UPDATE trace SET text = x'0102' WHERE thread = 1", "not zlib's"}};

START_TEST(damage_is_refused) {
  detail err;
  stored_sample read;
  store *s = open_ready("damaged.db", 2);
  put_vote(s, 1, 0);
  ck_ok(query_run(s, "DELETE FROM trace WHERE thread = 2", &err)); /* a trace may lack */
  arena *memory = open_arena(1 << 20);
  ck_ok(stored_sample_read(&read, s, 1, memory, &err));
  ck_assert_ptr_null(read.sample.threads[2].text);
  ck_assert_ptr_null(read.sample.threads[2].layout_json);
  ck_ok(query_run(s, "PRAGMA ignore_check_constraints = ON", &err));
  ck_ok(query_run(s, DAMAGED[_i].sql, &err));
  ck_fails(stored_sample_read(&read, s, 1, memory, &err), E_STORE, DAMAGED[_i].says);
  ck_assert_ptr_nonnull(strstr(err.text, "sample 1 of "));
  arena_close(memory);
  close_store(s);
}
END_TEST

/* ---- drawing ----------------------------------------------------------------------------------
 */

enum { TASKS = 20, REPEATS = 3 };

/* Two runs; every seventh sample failed. Ids follow the order, which differs between stores. */
static store *open_drawn(const char *name, int backwards) {
  detail err;
  store *s = open_store(name, STORE_WRITE);
  store_task_set set = add_tasks(s, "tasks", TASKS);
  (void)add_run(s, set.id, backwards ? "{\"run\":2}" : "{\"run\":1}");
  (void)add_run(s, set.id, backwards ? "{\"run\":1}" : "{\"run\":2}");
  start_process(s);
  for (int i = 0; i < TASKS * REPEATS; i++) {
    int at = backwards ? TASKS * REPEATS - 1 - i : i;
    for (int run = 1; run <= 2; run++) {
      store_sample sample = plain_sample(1 + at % TASKS, at / TASKS, at % 7 ? "done" : "failed");
      sample.run = run;
      ck_ok(store_put(s, &sample, NULL, 0, &err));
    }
  }
  ck_ok(store_flush(s, &err));
  return s;
}

/* The samples by natural key, as "identity task repeat;...". */
static const char *drawn(store *s, const char *first, const char *second, size_t count,
                         uint64_t seed, size_t *found) {
  static char lists[4][4096];
  static int next;
  detail err;
  int64_t runs[2] = {0}, ids[TASKS * REPEATS * 2];
  char *list = lists[next++ % 4];
  size_t used = 0, run_count = second ? 2 : 1;
  ck_ok(store_run_find(s, first, &runs[0], &err));
  if (second) ck_ok(store_run_find(s, second, &runs[1], &err));
  stored_choice c = {.runs = runs, .run_count = run_count, .count = count, .seed = seed};
  ck_ok(stored_sample_pick(s, &c, ids, found, &err));
  list[0] = 0;
  for (size_t i = 0; i < *found; i++) {
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "SELECT CAST(substr(r.identity_json, 8, 1) AS INTEGER) * 10000 + s.task * 100 + "
                   "s.repeat FROM sample s JOIN run r ON r.id = s.run WHERE s.status <> 'failed' "
                   "AND s.id = %lld",
                   (long long)ids[i]);
    int64_t key = number(s, sql);
    ck_assert_int_gt(key, 0);
    used += (size_t)snprintf(list + used, 4096 - used, "%lld;", (long long)key);
  }
  return list;
}

START_TEST(samples_are_drawn_by_their_content) {
  const char *one = "{\"run\":1}", *two = "{\"run\":2}";
  store *a = open_drawn("a.db", 0), *b = open_drawn("b.db", 1);
  size_t found, all;
  const char *ten = drawn(a, one, two, 10, 5, &found);
  ck_assert_uint_eq(found, 10);
  ck_assert_str_eq(drawn(b, one, two, 10, 5, &found), ten);
  ck_assert_str_eq(drawn(b, two, one, 10, 5, &found), ten);
  ck_assert_str_ne(drawn(a, one, two, 10, 6, &found), ten);
  /* Fewer are the first of more, and all there are come once. */
  const char *few = drawn(a, one, two, 4, 5, &found);
  ck_assert_int_eq(strncmp(few, ten, strlen(few)), 0);
  const char *every = drawn(a, one, NULL, TASKS * REPEATS, 5, &all);
  ck_assert_uint_eq(all, TASKS * REPEATS - (TASKS * REPEATS + 6) / 7);
  int64_t seen = 0;
  for (const char *at = every; *at; at = strchr(at, ';') + 1) {
    int key = atoi(at);
    ck_assert_int_eq(key / 10000, 1);
    int64_t bit = INT64_C(1) << (key / 100 % 100 - 1 + TASKS * (key % 100));
    ck_assert(!(seen & bit));
    seen |= bit;
  }
  (void)drawn(a, one, two, 0, 5, &found);
  ck_assert_uint_eq(found, 0);
  close_store(a);
  close_store(b);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stored");
  TCase *all = tcase_create("stored");
  tcase_add_test(all, a_model_s_sample_comes_back);
  tcase_add_test(all, so_do_others);
  tcase_add_test(all, memory_that_ends_is_said);
  tcase_add_loop_test(all, damage_is_refused, 0, sizeof DAMAGED / sizeof DAMAGED[0]);
  tcase_add_test(all, samples_are_drawn_by_their_content);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
