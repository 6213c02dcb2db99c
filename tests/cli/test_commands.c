/* The commands tasks, demonstrate and doctor, and what holds for every command. */
#include "base/arena.h"
#include "solvers/demonstrate.h"
#include "tests/support/program.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t integer(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  ck_assert_msg(json_is_integer(value), "no integer '%s'", key);
  return json_integer_value(value);
}

static const char *string(const json_t *object, const char *key) {
  const char *value = json_string_value(json_object_get(object, key));
  ck_assert_msg(value != NULL, "no string '%s'", key);
  return value;
}

/* ---- every command --------------------------------------------------------------------------- */

START_TEST(test_help_of_each) {
  static const char *const commands[][3] = {
      {"tasks", "make", "usage: nightjar tasks make countdown [options]"},
      {"tasks", "import", "usage: nightjar tasks import FILE... [options]"},
      {"tasks", "list", "usage: nightjar tasks list [options]"},
      {"tasks", "show", "usage: nightjar tasks show NAME[@VERSION] [options]"},
      {"demonstrate", NULL, "usage: nightjar demonstrate countdown [options]"},
      {"status", NULL, "usage: nightjar status [options]"},
      {"trace", NULL, "usage: nightjar trace CONDITION/TASK/REPEAT [options]"},
      {"doctor", NULL, "usage: nightjar doctor [options]"}};
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    const char *second = commands[i][1];
    outcome o = nightjar(commands[i][0], second ? second : "--help", second ? "--help" : NULL);
    ck_ended(o, 0);
    ck_assert_ptr_eq(strstr(o.out, commands[i][2]), o.out);
    if (strcmp(commands[i][0], "demonstrate") != 0) { /* which reads no store */
      ck_holds(o.out, "--db FILE");
    } else {
      ck_lacks(o.out, "--db FILE");
    }
    ck_assert_str_eq(o.err, "");
    outcome asked = nightjar("help", commands[i][0], second);
    ck_ended(asked, 0);
    ck_assert_str_eq(asked.out, o.out);
  }
  outcome group = nightjar("help", "tasks"), version = nightjar("version");
  ck_ended(group, 0);
  ck_holds(group.out, "usage: nightjar tasks COMMAND");
  ck_ended(nightjar("help"), 0);
  ck_ended(nightjar("help", "frobnicate"), 2);
  ck_ended(version, 0);
  ck_assert_str_eq(version.out, nightjar("--version").out);
}
END_TEST

START_TEST(test_stores_that_are_none) {
  const char *absent = support_path("absent.db"), *letter = support_path("letter.db");
  support_write(letter, "this is no database but a letter, and long enough to be read as one\n");
  static const char *const readers[][3] = {{"tasks", "list", NULL},
                                           {"tasks", "show", "x"},
                                           {"status", NULL, NULL},
                                           {"trace", "1", NULL}};
  for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
    const char *const *r = readers[i];
    const char *given[8] = {r[0]};
    int count = 1;
    for (int k = 1; k < 3 && r[k]; k++)
      given[count++] = r[k];
    given[count++] = "--db";
    given[count] = absent;
    outcome o = program_run(given);
    ck_ended(o, 3);
    ck_holds(o.err, "there is no store");
    given[count] = letter;
    o = program_run(given);
    ck_ended(o, 5);
    ck_holds(o.err, "letter.db is not an SQLite file");
    ck_assert_str_eq(o.out, "");
  }
  outcome o = nightjar("tasks", "make", "countdown", "--name", "t", "--count", "1", "--seed", "1",
                       "--db", letter);
  ck_ended(o, 5);
}
END_TEST

/* ---- tasks ----------------------------------------------------------------------------------- */

static outcome make(const char *db, const char *name, const char *count, const char *flag,
                    const char *value) {
  return nightjar("tasks", "make", "countdown", "--db", db, "--name", name, "--seed", "7",
                  "--count", count, flag, value);
}

static json_t *tasks_of(const char *db, const char *name) {
  outcome o = nightjar("tasks", "show", name, "--db", db, "--json", "--limit", "100000");
  ck_ended(o, 0);
  return program_json(o.out);
}

/* The i-th task's problem, after checking what the store says about it. */
static countdown_problem problem_of(const json_t *set, size_t i, countdown_partition partition) {
  detail err = {0};
  countdown_problem p;
  const json_t *task = json_array_get(json_object_get(set, "tasks"), i);
  ck_ok(countdown_read(&p, string(task, "target"), &err));
  ck_assert(countdown_partition_of(&p) == partition);
  ck_assert_str_eq(string(task, "split"), countdown_partition_name(partition));
  ck_assert(countdown_solvable(&p));
  return p;
}

START_TEST(test_make_and_look) {
  const char *db = support_path("make.db");
  outcome o = make(db, "first", "20", NULL, NULL);
  ck_ended(o, 0);
  ck_assert_ptr_eq(strstr(o.out, "first@1  20 tasks  "), o.out);
  ck_assert_uint_eq(o.out_bytes, strlen("first@1  20 tasks  0123456789abcdef\n"));

  outcome again = make(db, "first", "20", NULL, NULL);
  ck_ended(again, 0);
  ck_assert_str_eq(again.out, o.out);
  ck_holds(again.err, "first@1 is there already");

  outcome more = make(db, "first", "21", NULL, NULL);
  ck_ended(more, 0);
  ck_assert_ptr_eq(strstr(more.out, "first@2  21 tasks  "), more.out);
  outcome renamed = make(db, "second", "20", NULL, NULL);
  ck_ended(renamed, 3);
  ck_holds(renamed.err, "as first@1");

  outcome list = nightjar("tasks", "list", "--db", db);
  ck_ended(list, 0);
  ck_holds(list.out, "first        1  countdown     20  test ");
  ck_holds(list.out, "first        2  countdown     21  test ");
  ck_holds(list.out, "seed=7");
  json_t *sets = program_json(nightjar("tasks", "list", "--db", db, "--json").out);
  ck_assert_uint_eq(json_array_size(sets), 2);
  const json_t *origin = json_object_get(json_array_get(sets, 0), "origin");
  ck_assert_int_eq(integer(origin, "seed"), 7);
  ck_assert_int_eq(integer(origin, "count"), 20);
  ck_assert_int_eq(integer(origin, "number_max"), 99);
  ck_assert_str_eq(string(origin, "partition"), "test");
  json_decref(sets);
}
END_TEST

START_TEST(test_show) {
  const char *db = support_path("show.db");
  ck_ended(make(db, "first", "20", NULL, NULL), 0);
  outcome three = nightjar("tasks", "show", "first@1", "--db", db, "--limit", "3");
  ck_ended(three, 0);
  int lines = 0;
  for (const char *at = three.out; (at = strchr(at, '\n')) != NULL; at++)
    lines++;
  ck_assert_int_eq(lines, 3 + 3); /* the set, an empty line, the heads */
  outcome ten = nightjar("tasks", "show", "first", "--db", db, "--json");
  json_t *set = program_json(ten.out);
  ck_assert_int_eq(integer(set, "count"), 20);
  ck_assert_uint_eq(json_array_size(json_object_get(set, "tasks")), 10);
  json_decref(set);
  outcome near = nightjar("tasks", "show", "frist", "--db", db);
  ck_ended(near, 3);
  ck_holds(near.err, "did you mean 'first'?");
  ck_ended(nightjar("tasks", "show", "first@9", "--db", db), 3);
  ck_ended(nightjar("tasks", "show", "first", "--limit", "-1", "--db", db), 2);
  ck_ended(nightjar("tasks", "show", "--db", db), 2);
}
END_TEST

START_TEST(test_fewer_are_a_prefix) {
  const char *db = support_path("prefix.db");
  /* Few targets, so that problems are drawn more than once. */
  const char *counts[] = {"20", "60"};
  json_t *sets[2];
  for (int i = 0; i < 2; i++) {
    outcome o = nightjar("tasks", "make", "countdown", "--db", db, "--name", counts[i], "--seed",
                         "3", "--count", counts[i], "--numbers", "2", "--number-max", "30",
                         "--targets", "2-60", "--partition", "train");
    ck_ended(o, 0);
    ck_holds(o.err, "models are trained on the train partition");
    sets[i] = tasks_of(db, counts[i]);
  }
  hash keys[60];
  for (size_t i = 0; i < 60; i++) {
    countdown_problem p = problem_of(sets[1], i, COUNTDOWN_TRAIN);
    ck_assert_int_eq(p.count, 2);
    ck_assert(p.target >= 2 && p.target <= 60 && p.number[0] <= 30 && p.number[1] <= 30);
    keys[i] = countdown_key(&p);
    for (size_t k = 0; k < i; k++)
      ck_assert(!hash_equal(&keys[k], &keys[i]));
    if (i >= 20) continue;
    countdown_problem same = problem_of(sets[0], i, COUNTDOWN_TRAIN);
    ck_assert_int_eq(memcmp(&p, &same, sizeof p), 0);
  }
  json_decref(sets[0]);
  json_decref(sets[1]);
}
END_TEST

START_TEST(test_hold_out) {
  const char *db = support_path("hold.db");
  const char *list = "10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30";
  ck_ended(make(db, "without", "40", "--hold-out-targets", list), 0);
  outcome o =
      nightjar("tasks", "make", "countdown", "--db", db, "--name", "only", "--seed", "7", "--count",
               "40", "--hold-out-targets", list, "--only-hold-out", "--partition", "dev");
  ck_ended(o, 0);
  ck_lacks(o.err, "warning");
  json_t *without = tasks_of(db, "without"), *only = tasks_of(db, "only");
  for (size_t i = 0; i < 40; i++) {
    ck_assert_int_gt(problem_of(without, i, COUNTDOWN_TEST).target, 30);
    ck_assert_int_le(problem_of(only, i, COUNTDOWN_DEV).target, 30);
  }
  json_decref(without);
  json_decref(only);
}
END_TEST

START_TEST(test_too_few_problems) {
  const char *db = support_path("few.db");
  outcome o = nightjar("tasks", "make", "countdown", "--db", db, "--name", "few", "--seed", "1",
                       "--count", "1000", "--numbers", "2", "--number-max", "3", "--targets", "2-9",
                       "--partition", "train");
  ck_ended(o, 3);
  ck_holds(o.err, "different problems were found");
  ck_holds(o.err, "--count");
  ck_assert_int_ne(access(db, F_OK), 0); /* all or nothing */
  support_write(db, "");
  ck_ended(nightjar("tasks", "make", "countdown", "--db", db, "--name", "few", "--seed", "1",
                    "--count", "1000", "--numbers", "2", "--number-max", "3", "--targets", "2-9"),
           3);
  outcome list = nightjar("tasks", "list", "--db", db, "--json");
  ck_assert_str_eq(list.out, "[]\n"); /* a file that was there stays */
  list = nightjar("tasks", "list", "--db", db);
  ck_ended(list, 0);
  ck_assert_str_eq(list.out, "");
  ck_holds(list.err, "has no task sets");
}
END_TEST

START_TEST(test_make_usage) {
  const char *db = support_path("usage.db");
  static const char *const wrong[][3] = {{"--partition", "tset", "did you mean test?"},
                                         {"--numbers", "7", "from 2 to 6"},
                                         {"--targets", "30-20", "--targets must be"},
                                         {"--targets", "1-20", "within 2 to 9999"},
                                         {"--hold-out-targets", "15,,27", "separated by commas"},
                                         {"--hold-out-targets", "15,27,", "separated by commas"},
                                         {"--hold-out-targets", "fifteen", "not 'fifteen'"},
                                         {"--only-hold-out", NULL, "name them"},
                                         {"--number-mox", "9", "did you mean --number-max?"},
                                         {"surplus", NULL, "unexpected 'surplus'"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    outcome o = make(db, "t", "5", wrong[i][0], wrong[i][1]);
    ck_ended(o, 2);
    ck_holds(o.err, wrong[i][2]);
  }
  outcome o = make(db, "t", "0", NULL, NULL);
  ck_ended(o, 2);
  o = nightjar("tasks", "make", "countdown", "--count", "5", "--seed", "1", "--db", db);
  ck_ended(o, 2);
  ck_holds(o.err, "--name is missing");
  o = nightjar("tasks", "make", "countdown", "--name", "t", "--seed", "1", "--db", db);
  ck_ended(o, 2);
  ck_holds(o.err, "--count is missing");
  o = nightjar("tasks", "make", "chess", "--name", "t", "--seed", "1", "--count", "5", "--db", db);
  ck_ended(o, 2);
  ck_holds(o.err, "chess");
  ck_assert_int_ne(access(db, F_OK), 0); /* refused before anything was written */
  o = make(db, "a@b", "5", NULL, NULL);
  ck_ended(o, 3);
}
END_TEST

/* ---- demonstrate ----------------------------------------------------------------------------- */

/* What demonstrate writes for these options; it must work. */
static outcome records(const char *search, const char *count, const char *threads, const char *flag,
                       const char *value) {
  outcome o = nightjar("demonstrate", "countdown", "--search", search, "--count", count, "--seed",
                       "5", "--threads", threads, "-o", "-", flag, value);
  ck_ended(o, 0);
  return o;
}

START_TEST(test_threads_do_not_matter) {
  static const char *const searches[] = {"dfs", "bfs", "sosp", "apr", "apr-serial", "hogwild"};
  for (int i = 0; i < 6; i++) {
    const char *flag = i == 5 ? "--workers" : NULL, *value = i == 5 ? "3" : NULL;
    outcome one = records(searches[i], "60", "1", flag, value);
    ck_holds(one.err, "60 problems, ");
    ck_holds(one.err, "tokens_ref a problem");
    ck_assert_str_eq(records(searches[i], "60", "2", flag, value).out, one.out);
    ck_assert_str_eq(records(searches[i], "60", "5", flag, value).out, one.out);
    outcome fewer = records(searches[i], "25", "2", flag, value);
    ck_assert_int_lt((int)fewer.out_bytes, (int)one.out_bytes);
    ck_assert_int_eq(memcmp(fewer.out, one.out, fewer.out_bytes), 0);
  }
}
END_TEST

static void check_spans(const json_t *record) {
  const json_t *spans = json_object_get(record, "spans");
  const char *written = string(record, "text");
  json_int_t at = 0;
  ck_assert_uint_ge(json_array_size(spans), 1);
  for (size_t i = 0; i < json_array_size(spans); i++) {
    const json_t *span = json_array_get(spans, i);
    const char *kind = json_string_value(json_array_get(span, 0));
    ck_assert(kind && (!strcmp(kind, "prompt") || !strcmp(kind, "kept") || !strcmp(kind, "fed") ||
                       !strcmp(kind, "generated")));
    ck_assert_int_eq(json_integer_value(json_array_get(span, 1)), at);
    at += json_integer_value(json_array_get(span, 2));
  }
  ck_assert_int_eq(at, (json_int_t)strlen(written));
}

/* The problem must be the one that this ordinal draws, from the train partition. */
static void check_problem(const json_t *record, const countdown_source *source) {
  detail err = {0};
  countdown_problem p;
  ck_ok(countdown_generate(source, (uint64_t)integer(record, "problem"), &p, &err));
  ck_assert(countdown_partition_of(&p) == COUNTDOWN_TRAIN);
  ck_assert_int_eq(integer(record, "target"), p.target);
  const json_t *numbers = json_object_get(record, "nums");
  ck_assert_uint_eq(json_array_size(numbers), (size_t)p.count);
  for (int i = 0; i < p.count; i++)
    ck_assert_int_eq(json_integer_value(json_array_get(numbers, (size_t)i)), p.number[i]);
}

START_TEST(test_records) {
  countdown_source source = countdown_published(5, COUNTDOWN_TRAIN);
  for (int64_t target = 10; target <= 60; target++)
    source.hold_out[source.hold_out_count++] = target;
  char list[512] = "10";
  for (int64_t target = 11; target <= 60; target++)
    (void)snprintf(list + strlen(list), 8, ",%d", (int)target);
  outcome o = records("apr", "40", "2", "--hold-out-targets", list);
  int64_t problem = 0, count = 0;
  for (char *line = o.out, *end; *line; line = end + 1, count++) {
    end = strchr(line, '\n');
    ck_assert_ptr_nonnull(end);
    *end = 0;
    json_t *record = program_json(line);
    check_spans(record);
    check_problem(record, &source);
    ck_assert_int_gt(integer(record, "target"), 60);
    ck_assert_str_eq(string(record, "search"), "apr");
    ck_assert_int_ge(integer(record, "problem"), problem);
    ck_assert_int_le(integer(record, "problem"), problem + 1);
    problem = integer(record, "problem");
    ck_assert(integer(record, "beam") >= 1 && integer(record, "beam") <= 10);
    json_decref(record);
  }
  ck_assert_int_eq(problem, 39);
  char said[64];
  (void)snprintf(said, sizeof said, "40 problems, %d records", (int)count);
  ck_holds(o.err, said);
}
END_TEST

/* A problem is searched with the same random draws as by `run`: those of its task's hash. */
START_TEST(test_records_are_those_of_the_search) {
  detail err = {0};
  countdown_source source = countdown_published(5, COUNTDOWN_TRAIN);
  symbolic_options options;
  json_t *parameters = json_pack("{s:s}", "search", "sosp");
  ck_ok(symbolic_mode.resolve(parameters, &err));
  ck_ok(symbolic_read(&options, parameters, &err));
  arena *memory;
  ck_ok(arena_open(&memory, 64 << 20, &err));
  text expected, question, target;
  text_open(&expected, 16 << 20);
  text_open(&question, 4096);
  text_open(&target, 4096);
  for (int i = 0; i < 10; i++) {
    countdown_problem p;
    ck_ok(countdown_generate(&source, (uint64_t)i, &p, &err));
    text_clear(&question);
    text_clear(&target);
    countdown_question(&p, &question);
    countdown_target(&p, &target);
    hash_parts parts;
    hash_start(&parts); /* a task's hash, as docs/schema.md has it */
    hash_part(&parts, "task", 4);
    hash_part(&parts, question.data, question.bytes);
    hash_part(&parts, target.data, target.bytes);
    hash task = hash_end(&parts);
    search_result result;
    search_options drawn;
    ck_ok(symbolic_solve(&result, &drawn, &options, &p, 5, &task, 0, memory, &err));
    ck_ok(demonstrate_records(&expected, i, &p, &drawn, &result, memory, &err));
    search_close(&result);
    arena_reset(memory);
  }
  ck_assert_str_eq(records("sosp", "10", "2", NULL, NULL).out, text_string(&expected));
  text_close(&expected);
  text_close(&question);
  text_close(&target);
  arena_close(memory);
  json_decref(parameters);
}
END_TEST

/* The published mixture takes each problem's records from one heuristic or the other. */
START_TEST(test_mixture) {
  char *mixed = records("dfs", "40", "2", "--heuristic", "mixed").out;
  char *sum = records("dfs", "40", "2", "--heuristic", "sum").out;
  char *mult = records("dfs", "40", "2", NULL, NULL).out; /* the default */
  int from_sum = 0, from_mult = 0;
  for (int i = 0; i < 40; i++) {
    size_t bytes = strcspn(mixed, "\n") + 1;
    int is_sum = !strncmp(mixed, sum, bytes), is_mult = !strncmp(mixed, mult, bytes);
    ck_assert(is_sum || is_mult);
    from_sum += !is_mult;
    from_mult += !is_sum;
    mixed += bytes;
    sum += strcspn(sum, "\n") + 1;
    mult += strcspn(mult, "\n") + 1;
  }
  ck_assert_int_gt(from_sum, 5);
  ck_assert_int_gt(from_mult, 5);
}
END_TEST

START_TEST(test_options_reach_the_search) {
  json_t *record = program_json(strtok(records("apr", "1", "1", "--child-beam", "4").out, "\n"));
  ck_assert_int_eq(integer(record, "child_beam"), 4);
  json_decref(record);
  record = program_json(strtok(records("bfs", "1", "1", "--order", "enumeration").out, "\n"));
  ck_assert_str_eq(string(record, "order"), "enumeration");
  json_decref(record);
  outcome o = records("sosp", "20", "2", "--context", "300");
  for (char *line = strtok(o.out, "\n"); line; line = strtok(NULL, "\n")) {
    record = program_json(line);
    ck_assert_int_le(integer(record, "tokens_ref"), 301); /* its end of sequence is beyond */
    json_decref(record);
  }
}
END_TEST

START_TEST(test_output_file) {
  const char *file = support_path("r.jsonl");
  glob_t parts;
  const char *const write[] = {"demonstrate", "countdown", "--search", "apr", "--count", "30",
                               "--seed",      "5",         "-o",       file,  NULL};
  ck_ended(program_run(write), 0);
  char *first = program_read(file);
  ck_assert_str_eq(first, records("apr", "30", "1", NULL, NULL).out);
  outcome o = program_run(write);
  ck_ended(o, 3);
  ck_holds(o.err, "--replace");
  ck_assert_str_eq(program_read(file), first);
  o = nightjar("demonstrate", "countdown", "--search", "dfs", "--count", "3", "--seed", "5",
               "--output", file, "--replace");
  ck_ended(o, 0);
  ck_assert_str_eq(program_read(file), records("dfs", "3", "1", NULL, NULL).out);
  ck_assert_int_eq(glob(support_path("*.part"), 0, NULL, &parts), GLOB_NOMATCH);
  ck_assert_int_eq(unlink(file), 0);

  o = program_run_bounded(write, 10000); /* a quota */
  ck_ended(o, 5);
  ck_holds(o.err, "cannot write");
  ck_assert_int_eq(glob(support_path("*.part"), 0, NULL, &parts), GLOB_NOMATCH);
  ck_assert_int_ne(access(file, F_OK), 0);
  ck_ended(nightjar("demonstrate", "countdown", "--search", "apr", "--count", "30", "--seed", "5",
                    "-o", "/dev/full"),
           5);
  ck_ended(nightjar("demonstrate", "countdown", "--search", "apr", "--count", "3", "--seed", "5",
                    "-o", "/dev/null"),
           0);
}
END_TEST

START_TEST(test_demonstrate_usage) {
  const char *file = support_path("u.jsonl");
  static const char *const wrong[][4] = {
      {"ap", NULL, NULL, "did you mean apr?"},
      {"tree", NULL, NULL, "--search must be one of dfs, bfs, sosp, apr, apr-serial, hogwild"},
      {"hogwild", NULL, NULL, "search hogwild needs 'workers'"},
      {"hogwild", "--workers", "17", "--workers must be"},
      {"apr", "--workers", "2", "'workers' is not used by search 'apr'"},
      {"dfs", "--child-beam", "3", "is not used by search 'dfs'"},
      {"apr", "--heuristic", "mixed", "--search dfs or bfs"},
      {"apr", "--heuristic", "manhattan", "--heuristic must be one of sum, mult"},
      {"apr", "--beam", "5-2", "--beam must be n or a-b"},
      {"apr", "--beam", "61", "within 1 to 60"},
      {"apr", "--promising", "1.5", "from 0 to 1"},
      {"apr", "--promising", "nan", "from 0 to 1"},
      {"apr", "--context", "5", "from 128"},
      {"apr", "--threads", "0", "--threads must be"},
      {"apr", "--partition", "test", "unknown option '--partition'"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    outcome o = nightjar("demonstrate", "countdown", "--search", wrong[i][0], "--count", "2",
                         "--seed", "5", "-o", file, wrong[i][1], wrong[i][2]);
    ck_ended(o, 2);
    ck_holds(o.err, wrong[i][3]);
    ck_assert_int_ne(access(file, F_OK), 0);
  }
  outcome o =
      nightjar("demonstrate", "countdown", "--search", "apr", "--count", "2", "--seed", "5");
  ck_ended(o, 2);
  ck_holds(o.err, "-o FILE is missing");
  o = nightjar("demonstrate", "countdown", "--search", "apr", "--count", "2", "--seed", "5", "-o",
               "r.jsonl.gz");
  ck_ended(o, 2);
  ck_holds(o.err, "gzip");
  o = nightjar("demonstrate", "countdown", "--search", "apr", "--count", "2", "-o", file);
  ck_ended(o, 2);
  ck_holds(o.err, "--seed is missing");
}
END_TEST

/* ---- doctor ---------------------------------------------------------------------------------- */

/* What doctor says about a subject, as "kind: text"; NULL for nothing. */
static const char *finding(const json_t *report, const char *subject) {
  static char line[600];
  size_t i;
  const json_t *one;
  json_array_foreach(json_object_get(report, "findings"), i, one) {
    if (strcmp(string(one, "subject"), subject) != 0) continue;
    (void)snprintf(line, sizeof line, "%s: %s", string(one, "kind"), string(one, "says"));
    return line;
  }
  return NULL;
}

START_TEST(test_doctor) {
  const char *db = support_path("doctor.db");
  outcome o = nightjar("doctor", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out, "\nok       gpu          this build has no CUDA; nothing needs it yet\n");
  ck_holds(o.out, "note     store        ");
  ck_ended(make(db, "t", "5", NULL, NULL), 0);
  json_t *report = program_json(nightjar("doctor", "--db", db, "--json").out);
  ck_assert_int_eq(integer(report, "problems"), 0);
  ck_holds(finding(report, "store"), "ok: ");
  ck_holds(finding(report, "store"), "task sets: 1, jobs: 0, samples: 0");
  ck_holds(finding(report, "libraries"), "jansson 2.");
  ck_assert_str_eq(finding(report, "lock"), "ok: free; a run may start");
  ck_assert_ptr_null(finding(report, "journal"));
  ck_holds(finding(report, "models"), "run on cpu ");
  static const char *const subjects[] = {"processor", "cores", "memory", "disk", "file system"};
  for (int i = 0; i < 5; i++)
    ck_assert_msg(finding(report, subjects[i]) != NULL, "nothing about %s", subjects[i]);
  json_decref(report);
}
END_TEST

START_TEST(test_doctor_finds_problems) {
  const char *db = support_path("letter.db");
  support_write(db, "this is no database but a letter, and long enough to be read as one\n");
  outcome o = nightjar("doctor", "--db", db);
  ck_ended(o, 5);
  ck_holds(o.out, "problem  store        ");
  ck_holds(o.out, "is not an SQLite file");
  ck_holds(o.err, "1 problem with the store");
  o = nightjar("doctor", "--db", support_path("nowhere/x.db"));
  ck_ended(o, 5);
  ck_holds(o.out, "problem  disk ");
  ck_ended(nightjar("doctor", "surplus"), 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("commands");
  TCase *all = tcase_create("all"), *tasks = tcase_create("tasks");
  TCase *demonstrate = tcase_create("demonstrate"), *doctor = tcase_create("doctor");
  tcase_add_test(all, test_help_of_each);
  tcase_add_test(all, test_stores_that_are_none);
  tcase_add_test(tasks, test_make_and_look);
  tcase_add_test(tasks, test_show);
  tcase_add_test(tasks, test_fewer_are_a_prefix);
  tcase_add_test(tasks, test_hold_out);
  tcase_add_test(tasks, test_too_few_problems);
  tcase_add_test(tasks, test_make_usage);
  tcase_add_test(demonstrate, test_threads_do_not_matter);
  tcase_add_test(demonstrate, test_records);
  tcase_add_test(demonstrate, test_records_are_those_of_the_search);
  tcase_add_test(demonstrate, test_mixture);
  tcase_add_test(demonstrate, test_options_reach_the_search);
  tcase_add_test(demonstrate, test_output_file);
  tcase_add_test(demonstrate, test_demonstrate_usage);
  tcase_add_test(doctor, test_doctor);
  tcase_add_test(doctor, test_doctor_finds_problems);
  suite_add_tcase(suite, all);
  suite_add_tcase(suite, tasks);
  suite_add_tcase(suite, demonstrate);
  suite_add_tcase(suite, doctor);
  return support_run(suite);
}
