/* Task sets, runs, jobs, and what is still to do. */
#include "tests/store/fixture.h"

static store_task named(const char *name) {
  return (store_task){.name = name, .question = "q", .target = "{}"};
}

START_TEST(a_set_is_streamed_and_found) {
  detail err;
  store *s = open_store("tasks.db", STORE_WRITE), *reader = open_store("tasks.db", STORE_READ);
  store_task_set set, found;
  int added;
  ck_ok(store_task_set_begin(s, "easy", "countdown", "{\"seed\":1}", &err));
  store_task first = {.name = "first",
                      .question = "q0",
                      .target = "{\"t\":0}",
                      .cluster = "c",
                      .split = "test",
                      .data = "{\"level\":3}"};
  ck_ok(store_task_add(s, &first, &err));
  store_task second = {.question = "q1", .target = "{\"t\":1}"};
  ck_ok(store_task_add(s, &second, &err));
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM task"), 0); /* nothing before its end */
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM task_set"), 0);
  ck_ok(store_task_set_end(s, &set, &added, &err));
  ck_assert_int_eq(added, 1);
  ck_assert_int_eq(set.tasks, 2);
  ck_assert_int_eq(set.version, 1);
  ck_assert_str_eq(set.name, "easy");
  ck_assert_str_eq(set.kind, "countdown");
  ck_ok(store_task_set_find(reader, "easy", &found, &err));
  ck_assert_int_eq(found.id, set.id);
  ck_assert(hash_equal(&found.content, &set.content));
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM task WHERE name = '1' AND ordinal = 1 AND "
                                  "cluster IS NULL AND split IS NULL AND data = '{}'"),
                   1);
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM task WHERE name = 'first' AND "
                                  "cluster = 'c' AND split = 'test' AND data = '{\"level\":3}'"),
                   1);
  close_store(reader);
  close_store(s);
}
END_TEST

START_TEST(the_hash_is_over_the_tasks_in_order) {
  hash a = store_task_hash("q", "t"), b = store_task_hash("qt", ""), c = store_task_hash("", "qt");
  ck_assert(!hash_equal(&a, &b));
  ck_assert(!hash_equal(&b, &c));
  store *one = open_store("one.db", STORE_WRITE), *two = open_store("two.db", STORE_WRITE);
  store_task_set first = add_tasks(one, "x", 3), second = add_tasks(two, "x", 3);
  store_task_set longer = add_tasks(two, "x", 4);
  ck_assert(hash_equal(&first.content, &second.content));
  ck_assert(!hash_equal(&first.content, &longer.content));
  close_store(one);
  close_store(two);
}
END_TEST

static status add_again(store *s, const char *name, int count, store_task_set *set, int *added,
                        detail *err) {
  status failed = store_task_set_begin(s, name, "countdown", "{}", err);
  for (int i = 0; !failed && i < count; i++) {
    char question[64], target[64];
    (void)snprintf(question, sizeof question, "x question %d", i);
    (void)snprintf(target, sizeof target, "{\"n\":%d}", i);
    store_task task = {.question = question, .target = target};
    failed = store_task_add(s, &task, err);
  }
  return failed ? failed : store_task_set_end(s, set, added, err);
}

START_TEST(the_same_tasks_are_the_same_set_and_others_the_next_version) {
  detail err;
  store *s = open_store("versions.db", STORE_WRITE);
  store_task_set first = add_tasks(s, "x", 3), again, found;
  int added = -1;
  ck_ok(add_again(s, "x", 3, &again, &added, &err));
  ck_assert_int_eq(added, 0);
  ck_assert_int_eq(again.id, first.id);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM task"), 3);
  ck_ok(add_again(s, "x", 4, &again, &added, &err));
  ck_assert_int_eq(added, 1);
  ck_assert_int_eq(again.version, 2);
  ck_fails(add_again(s, "y", 4, &again, &added, &err), E_INPUT, "as x@2");
  ck_assert_int_eq(number(s, "SELECT count(*) FROM task_set"), 2);
  ck_ok(store_task_set_find(s, "x", &found, &err));
  ck_assert_int_eq(found.version, 2);
  ck_ok(store_task_set_find(s, "x@1", &found, &err));
  ck_assert_int_eq(found.id, first.id);
  ck_assert_int_eq(found.tasks, 3);
  ck_fails(store_task_set_find(s, "x@7", &found, &err), E_INPUT, "its newest is 2");
  close_store(s);
}
END_TEST

START_TEST(labels_change_and_tasks_do_not) {
  detail err;
  int added;
  int64_t ordinal;
  store_task_set first, again;
  store_twins twins;
  store_task a = named("a"), b = {.name = "b", .question = "r", .target = "{}", .cluster = "k"};
  store *s = open_store("labels.db", STORE_WRITE);
  ck_ok(store_task_set_begin(s, "x", "question", "{}", &err));
  ck_ok(store_task_add(s, &a, &err));
  ck_ok(store_task_add(s, &b, &err));
  ck_ok(store_task_named(s, "b", &ordinal, &err));
  ck_assert_int_eq(ordinal, 1);
  ck_ok(store_task_named(s, "c", &ordinal, &err));
  ck_assert_int_eq(ordinal, -1);
  ck_ok(store_task_set_twins(s, &twins, &err));
  ck_assert_int_eq(twins.count, 0);
  ck_ok(store_task_set_origin(s, "{\"late\":1}", &err));
  ck_ok(store_task_set_end(s, &first, &added, &err));
  ck_assert_int_eq(first.relabelled, 0);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM task_set WHERE origin = '{\"late\":1}'"), 1);
  int64_t run = add_run(s, first.id, "{\"r\":1}"); /* what hangs on the set stays */
  ck_ok(store_task_set_begin(s, "x", "question", "{}", &err));
  store_task a2 = {.name = "b", .question = "q", .target = "{}", .split = "dev"};
  store_task b2 = {.name = "a", .question = "r", .target = "{}", .data = "{\"n\":1}"};
  ck_ok(store_task_add(s, &a2, &err));
  ck_ok(store_task_add(s, &b2, &err));
  ck_ok(store_task_set_end(s, &again, &added, &err));
  ck_assert_int_eq(added, 0);
  ck_assert_int_eq(again.id, first.id);
  ck_assert_int_eq(again.relabelled, 2);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM task WHERE (name = 'b' AND ordinal = 0 AND "
                             "split = 'dev' AND cluster IS NULL) OR (name = 'a' AND ordinal = 1 "
                             "AND cluster IS NULL AND data = '{\"n\":1}')"),
                   2);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM task"), 2);
  ck_assert_int_eq(number(s, "SELECT id FROM run"), run);
  close_store(s);
}
END_TEST

START_TEST(twins_are_counted) {
  detail err;
  store_twins twins;
  store_task a = {.question = "q", .target = "{}"}, b = {.question = "r", .target = "{}"};
  store *s = open_store("twins.db", STORE_WRITE);
  ck_ok(store_task_set_begin(s, "x", "question", "{}", &err));
  const store_task *const order[] = {&b, &a, &b, &a, &a};
  for (size_t i = 0; i < 5; i++)
    ck_ok(store_task_add(s, order[i], &err));
  ck_ok(store_task_set_twins(s, &twins, &err));
  ck_assert_int_eq(twins.count, 3);
  ck_assert_int_eq(twins.first, 0);
  ck_assert_int_eq(twins.second, 2);
  close_store(s);
}
END_TEST

START_TEST(an_unknown_set_is_answered_with_the_nearest) {
  detail err;
  store_task_set found;
  store *s = open_store("nearest.db", STORE_WRITE);
  ck_fails(store_task_set_find(s, "countdwn-test", &found, &err), E_INPUT, "nightjar tasks list");
  ck_assert_ptr_null(strstr(err.text, "did you mean"));
  (void)add_tasks(s, "countdown-test", 2);
  (void)add_tasks(s, "gsm8k", 2);
  ck_fails(store_task_set_find(s, "countdwn-test", &found, &err), E_INPUT,
           "did you mean 'countdown-test'?");
  ck_fails(store_task_set_find(s, "gsm8k@one", &found, &err), E_INPUT, "no task set 'gsm8k@one'");
  close_store(s);
}
END_TEST

START_TEST(a_set_that_fails_leaves_nothing) {
  detail err;
  int added;
  store_task_set set;
  store_task a = named("a"), wrong = {.name = "b", .question = "q", .target = "{}", .split = "all"};
  store *s = open_store("fails.db", STORE_WRITE);
  ck_ok(store_task_set_begin(s, "twins", "countdown", "{}", &err));
  ck_ok(store_task_add(s, &a, &err));
  ck_fails(store_task_add(s, &a, &err), E_INPUT, "two tasks named 'a'");
  ck_fails(store_task_set_end(s, &set, &added, &err), E_INPUT, "was not");
  ck_ok(store_task_set_begin(s, "split", "countdown", "{}", &err));
  ck_fails(store_task_add(s, &wrong, &err), E_INPUT, "train, dev or test");
  store_task_set_abandon(s);
  store_task_set_abandon(s); /* a no-op by now */
  ck_ok(store_task_set_begin(s, "none", "countdown", "{}", &err));
  ck_fails(store_task_set_end(s, &set, &added, &err), E_INPUT, "has no tasks");
  ck_ok(store_task_set_begin(s, "open", "countdown", "{}", &err));
  ck_ok(store_task_add(s, &a, &err));
  ck_fails(store_job_put(s, "job", "{}", &err), E_STORE, "a task set is being added");
  close_store(s); /* with a set open: abandoned */
  s = open_store("fails.db", STORE_READ);
  ck_assert_int_eq(number(s, "SELECT (SELECT count(*) FROM task_set) + count(*) FROM task"), 0);
  close_store(s);
}
END_TEST

START_TEST(names_of_sets_are_checked) {
  detail err;
  store *s = open_store("names.db", STORE_WRITE);
  char longest[200] = "";
  memset(longest, 'a', sizeof longest - 1);
  ck_fails(store_task_set_begin(s, "a@1", "k", "{}", &err), E_INPUT, "without '@'");
  ck_fails(store_task_set_begin(s, "", "k", "{}", &err), E_INPUT, "cannot name");
  ck_fails(store_task_set_begin(s, longest, "k", "{}", &err), E_INPUT, "cannot name");
  ck_fails(store_task_set_begin(s, "a", longest, "{}", &err), E_INPUT, "too long");
  close_store(s);
}
END_TEST

START_TEST(a_run_is_made_once) {
  detail err;
  store *s = open_store("runs.db", STORE_WRITE);
  store_task_set set = add_tasks(s, "tasks", 2);
  hash model = hash_of("model", 5);
  store_run_new r = {.identity_json = "{\"a\":1}",
                     .task_set = set.id,
                     .mode = "serial",
                     .protocol = "countdown-sos",
                     .parameters_json = "{}",
                     .token_unit = "model",
                     .determinism_class = "cpu-1",
                     .model = &model,
                     .seed = -3};
  int64_t first, second, found;
  int made;
  ck_ok(store_run_find(s, "{\"a\":1}", &found, &err));
  ck_assert_int_eq(found, 0);
  ck_ok(store_run(s, &r, &first, &made, &err));
  ck_assert_int_eq(made, 1);
  ck_ok(store_run(s, &r, &second, &made, &err));
  ck_assert_int_eq(made, 0);
  ck_assert_int_eq(second, first);
  ck_ok(store_run_find(s, "{\"a\":1}", &found, &err));
  ck_assert_int_eq(found, first);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM run WHERE seed = -3 AND length(model_hash) = 32 "
                             "AND protocol = 'countdown-sos'"),
                   1);
  ck_assert_int_ne(add_run(s, set.id, "{\"a\":2}"), first);
  close_store(s);
}
END_TEST

START_TEST(conditions_of_a_job_are_replaced) {
  detail err;
  store *s = open_store("jobs.db", STORE_WRITE);
  store_task_set set = add_tasks(s, "tasks", 2);
  int64_t run = add_run(s, set.id, "{}");
  ck_ok(store_job_put(s, "job", "{\"v\":1}", &err));
  ck_ok(store_job_put(s, "job", "{\"v\":2}", &err));
  ck_ok(store_job_put(s, "other", "{}", &err));
  store_condition c[3];
  const char *names[] = {"a", "b", "c"};
  for (int i = 0; i < 3; i++) {
    c[i] = (store_condition){.job = "job",
                             .name = names[i],
                             .family = "f",
                             .checker = "countdown",
                             .ordinal = i,
                             .repeats = 4,
                             .run = run,
                             .tasks = 2};
  }
  ck_ok(store_conditions_put(s, "job", c, 2, &err));
  store_condition other = c[0];
  other.job = "other";
  ck_ok(store_conditions_put(s, "other", &other, 1, &err));
  c[1].repeats = 8;
  ck_ok(store_conditions_put(s, "job", c + 1, 2, &err));
  ck_assert_int_eq(number(s, "SELECT count(*) FROM condition WHERE job = 'job'"), 2);
  ck_assert_int_eq(number(s, "SELECT repeats FROM condition WHERE job = 'job' AND name = 'b'"), 8);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM condition WHERE job = 'other'"), 1);
  c[2].name = "b";
  ck_fails(store_conditions_put(s, "job", c + 1, 2, &err), E_INPUT, "two conditions named 'b'");
  c[2].name = "c", c[2].run = 99;
  ck_fails(store_conditions_put(s, "job", c + 1, 2, &err), E_INPUT, "a run (99)");
  ck_assert_int_eq(number(s, "SELECT count(*) FROM condition WHERE job = 'job'"), 2);
  ck_assert_int_eq(number(s, "SELECT document = '{\"v\":2}' FROM job WHERE name = 'job'"), 1);
  close_store(s);
}
END_TEST

/* ---- what is still to do ----------------------------------------------------------------------
 */

/* The keys in order as "task.repeat/attempt ..."; tasks by ordinal. */
static const char *work_of(store *s, const store_work_filter *f, char *out, size_t bytes) {
  detail err;
  store_work *w;
  size_t used = 0;
  int found = 1;
  ck_ok(store_work_open(&w, s, f, &err));
  out[0] = 0;
  while (found) {
    store_item item;
    ck_ok(store_work_next(w, &item, &found, &err));
    if (!found) break;
    char target[32];
    int ordinal;
    ck_assert_int_eq(sscanf(item.task.target, "{\"n\":%d}", &ordinal), 1);
    (void)snprintf(target, sizeof target, "tasks question %d", ordinal);
    ck_assert_str_eq(item.task.question, target);
    hash content = store_task_hash(item.task.question, item.task.target);
    ck_assert(hash_equal(&content, &item.task.content));
    used += (size_t)snprintf(out + used, bytes - used, "%s%d.%d/%d", used ? " " : "", ordinal,
                             item.repeat, item.attempt);
  }
  store_work_close(w);
  return out;
}

START_TEST(work_goes_by_repeat_then_task) {
  detail err;
  char out[1000];
  store *s = open_ready("work.db", 4);
  store_work_filter f = {.run = 1, .task_limit = -1, .repeats = 2, .attempts_max = 3};
  ck_assert_str_eq(work_of(s, &f, out, sizeof out),
                   "0.0/1 1.0/1 2.0/1 3.0/1 0.1/1 1.1/1 2.1/1 3.1/1");
  f.task_limit = 2;
  ck_assert_str_eq(work_of(s, &f, out, sizeof out), "0.0/1 1.0/1 0.1/1 1.1/1");
  f.task_limit = 0;
  ck_assert_str_eq(work_of(s, &f, out, sizeof out), "");
  put_plain(s, 1, 0, "done");
  put_plain(s, 3, 1, "capped");
  put_plain(s, 2, 0, "failed");
  ck_ok(store_flush(s, &err));
  f.task_limit = -1;
  ck_assert_str_eq(work_of(s, &f, out, sizeof out), "1.0/2 2.0/1 3.0/1 0.1/1 1.1/1 3.1/1");
  f.attempts_max = 1;
  ck_assert_str_eq(work_of(s, &f, out, sizeof out), "2.0/1 3.0/1 0.1/1 1.1/1 3.1/1");
  store_work *w;
  f.run = 9;
  ck_fails(store_work_open(&w, s, &f, &err), E_INPUT, "no run 9");
  close_store(s);
}
END_TEST

START_TEST(shards_divide_the_work_without_a_rest) {
  detail err;
  store *s = open_ready("shards.db", 7);
  int64_t wanted = 0;
  char out[1000], third[1000];
  for (int shard = 0; shard < 3; shard++) {
    store_work_filter f = {
        .run = 1, .task_limit = -1, .repeats = 2, .attempts_max = 1, .shard = shard, .shards = 3};
    store_counts counts;
    ck_ok(store_work_count(s, &f, &counts, &err));
    wanted += counts.wanted;
    int64_t given = 0;
    (void)work_of(s, &f, shard == 1 ? third : out, sizeof out);
    for (const char *at = shard == 1 ? third : out; at; at = strchr(at + 1, ' '))
      given++;
    ck_assert_int_eq(given, counts.wanted);
  }
  ck_assert_int_eq(wanted, 14);
  ck_assert_str_eq(third, "1.0/1 4.0/1 0.1/1 3.1/1 6.1/1"); /* (ordinal + repeat) % 3 == 1 */
  close_store(s);
}
END_TEST

START_TEST(counts_agree_with_the_work) {
  detail err;
  store *s = open_ready("counts.db", 5);
  put_plain(s, 1, 0, "done");
  put_plain(s, 2, 0, "capped");
  put_plain(s, 3, 0, "failed");
  put_plain(s, 4, 7, "done"); /* a repeat that is not wanted now */
  store_sample spent = plain_sample(4, 0, "failed");
  spent.attempt = 2;
  ck_ok(store_put(s, &spent, NULL, 0, &err));
  ck_ok(store_flush(s, &err));
  store_work_filter f = {.run = 1, .task_limit = -1, .repeats = 2, .attempts_max = 2};
  store_counts c;
  ck_ok(store_work_count(s, &f, &c, &err));
  ck_assert_int_eq(c.wanted, 10);
  ck_assert_int_eq(c.done, 1);
  ck_assert_int_eq(c.capped, 1);
  ck_assert_int_eq(c.failed, 2);
  ck_assert_int_eq(c.left, 7); /* 6 without a sample and one to be tried again */
  char out[1000];
  ck_assert_str_eq(work_of(s, &f, out, sizeof out), "2.0/2 4.0/1 0.1/1 1.1/1 2.1/1 3.1/1 4.1/1");
  close_store(s);
}
END_TEST

/* More tasks than a page has, and samples committed while the pass goes on. */
START_TEST(pages_meet_without_a_gap) {
  enum { TASKS = 2300, REPEATS = 2 };
  detail err;
  store *s = open_ready("pages.db", TASKS);
  store_work_filter f = {.run = 1, .task_limit = -1, .repeats = REPEATS, .attempts_max = 1};
  for (int pass = 0; pass < 2; pass++) {
    store_work *w;
    store_item item;
    int found = 1, given = 0;
    ck_ok(store_work_open(&w, s, &f, &err));
    for (;;) {
      ck_ok(store_work_next(w, &item, &found, &err));
      if (!found) break;
      if (pass == 0) {
        ck_assert_int_eq(item.repeat, given / TASKS);
        ck_assert_int_eq(item.task.id, given % TASKS + 1);
        if (item.task.id % 1000) put_plain(s, item.task.id, item.repeat, "done");
      } else {
        ck_assert_int_eq(item.task.id % 1000, 0);
      }
      given++;
    }
    store_work_close(w);
    ck_ok(store_flush(s, &err));
    ck_assert_int_eq(given, pass == 0 ? TASKS * REPEATS : 2 * REPEATS);
  }
  close_store(s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("store tasks");
  TCase *cases = tcase_create("tasks, runs and work");
  tcase_add_test(cases, a_set_is_streamed_and_found);
  tcase_add_test(cases, the_hash_is_over_the_tasks_in_order);
  tcase_add_test(cases, the_same_tasks_are_the_same_set_and_others_the_next_version);
  tcase_add_test(cases, labels_change_and_tasks_do_not);
  tcase_add_test(cases, twins_are_counted);
  tcase_add_test(cases, an_unknown_set_is_answered_with_the_nearest);
  tcase_add_test(cases, a_set_that_fails_leaves_nothing);
  tcase_add_test(cases, names_of_sets_are_checked);
  tcase_add_test(cases, a_run_is_made_once);
  tcase_add_test(cases, conditions_of_a_job_are_replaced);
  tcase_add_test(cases, work_goes_by_repeat_then_task);
  tcase_add_test(cases, shards_divide_the_work_without_a_rest);
  tcase_add_test(cases, counts_agree_with_the_work);
  tcase_add_test(cases, pages_meet_without_a_gap);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
