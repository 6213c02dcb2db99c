/* tasks import as a user meets it: formats, packs, fields, what is refused and what is left then.
   With the argument "large": 100 MB of each format in bounded memory. */
#include "store/pack.h"
#include "tests/support/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Writes a file of the test's folder and imports it under its name; more ends with a NULL. */
static outcome import_text(const char *file, const char *bytes, const char *const *more) {
  const char *path = support_path(file),
             *arguments[24] = {"tasks", "import", path, "--db", support_path("t.db")};
  int count = 5;
  support_write(path, bytes);
  while (*more)
    arguments[count++] = *more++;
  return program_run(arguments);
}
#define import_as(file, bytes, ...)                                                                \
  import_text((file), (bytes), (const char *const[]){__VA_ARGS__, NULL})

static const char *ask(const char *sql) {
  return program_sqlite(support_path("t.db"), sql);
}

static const char *hash_of_set(const char *db, const char *name) {
  outcome o = nightjar("tasks", "show", name, "--json", "--db", db);
  ck_ended(o, 0);
  json_t *set = program_json(o.out);
  static char hex[4][HASH_HEX_BYTES];
  static int turn;
  char *out = hex[turn++ % 4];
  (void)snprintf(out, HASH_HEX_BYTES, "%s", json_string_value(json_object_get(set, "hash")));
  json_decref(set);
  return out;
}

/* ---- formats and packs ----------------------------------------------------------------------- */

static const char lines[] = "{\"question\":\"2 + 2?\",\"answer\":\"4\",\"id\":\"a\"}\n"
                            "{\"question\":\"2, \\\"3\\\"?\",\"answer\":\"5\",\"id\":\"b\"}\n";
static const char list[] = "[{\"id\":\"a\",\"question\":\"2 + 2?\",\"answer\":\"4\"},\n"
                           " {\"id\":\"b\",\"question\":\"2, \\\"3\\\"?\",\"answer\":\"5\"}]";
static const char table[] = "id,question,answer\r\na,2 + 2?,4\r\nb,\"2, \"\"3\"\"?\",5\r\n";
static const char tabs[] = "id\tquestion\tanswer\na\t2 + 2?\t4\nb\t\"2, \"\"3\"\"?\"\t5\n";

START_TEST(each_format_gives_the_same_set) {
  static const struct {
    const char *file, *bytes, *format;
  } cases[] = {{"f.jsonl", lines, "jsonl"}, {"f.json", list, "json"}, {"f.csv", table, "csv"},
               {"f.tsv", tabs, "tsv"},      {"f", lines, "jsonl"},    {"g.json", lines, "jsonl"},
               {"f.txt", table, "csv"}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    outcome o = import_as(cases[c].file, cases[c].bytes, "--name", "f", "--json", "--format",
                          cases[c].format);
    ck_ended(o, 0);
    ck_holds(o.err, "questions, question from 'question', answer from 'answer', name from 'id'");
    json_t *set = program_json(o.out);
    ck_assert_int_eq(json_is_true(json_object_get(set, "added")), c == 0);
    ck_assert_int_eq(json_integer_value(json_object_get(set, "tasks")), 2);
    json_decref(set);
    if (c > 3) continue;
    ck_ended(import_as(cases[c].file, cases[c].bytes, "--name", "f"), 0); /* by its suffix */
  }
  ck_assert_str_eq(ask("SELECT name, kind, version FROM task_set"), "f|question|1");
  ck_assert_str_eq(ask("SELECT name, question, target, data FROM task ORDER BY ordinal"),
                   "a|2 + 2?|{\"answer\":\"4\"}|{}\nb|2, \"3\"?|{\"answer\":\"5\"}|{}");
  ck_assert_str_eq(ask("SELECT json_extract(origin, '$.made_by', '$.count', '$.files[0].file', "
                       "'$.files[0].format', '$.files[0].bytes') FROM task_set"),
                   "[\"tasks import\",2,\"f.jsonl\",\"jsonl\",91]");
  hash content = hash_of(lines, strlen(lines));
  char hex[HASH_HEX_BYTES];
  ck_assert_str_eq(ask("SELECT json_extract(origin, '$.files[0].sha256') FROM task_set"),
                   hash_hex(&content, hex));
}
END_TEST

static const char *pack_of(const char *name, const char *const members[][2], int count) {
  detail err;
  pack_writer *w = NULL;
  const char *path = support_path(name);
  ck_ok(pack_create(&w, path, 1, 0, &err));
  for (int i = 0; i < count; i++)
    ck_ok(pack_add_bytes(w, members[i][0], members[i][1], strlen(members[i][1]), &err));
  ck_ok(pack_finish(w, &err));
  return path;
}

START_TEST(members_of_packs_are_one_set) {
  static const char *const members[][2] = {
      {"README.md", "read me"},
      {"data/one.json", "[{\"question\":\"q1\",\"answer\":1}]"},
      {"data/._one.json", "what some archivers add"},
      {"data/two.jsonl", "{\"question\":\"q2\",\"answer\":2}\n{\"question\":\"q3\",\"answer\":3}"}};
  static const char *const names[] = {"p.zip", "p.tar", "p.tar.gz", "p.tar.xz", "p.tar.zst"};
  const char *db = support_path("t.db");
  for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
    const char *pack = pack_of(names[n], members, 4);
    char piece[64];
    (void)snprintf(piece, sizeof piece, "%s:README.md is passed over", names[n]);
    outcome o = nightjar("tasks", "import", pack, "--name", "p", "--db", db);
    ck_ended(o, 0);
    ck_holds(o.err, piece);
    ck_holds(o.err, "data/._one.json is passed over: a hidden file");
    if (n) ck_holds(o.err, "nothing was added");
  }
  ck_assert_str_eq(ask("SELECT group_concat(question), group_concat(name) FROM task"),
                   "q1,q2,q3|0,1,2");
  outcome o = nightjar("tasks", "import", support_path("p.zip"), "--member", "data/two.jsonl",
                       "--name", "two", "--db", db);
  ck_ended(o, 0);
  ck_assert_str_eq(ask("SELECT tasks FROM task_set WHERE name = 'two'"), "2");
  o = nightjar("tasks", "import", support_path("p.zip"), "--member", "two.jsonl", "--name", "x",
               "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "no member is called 'two.jsonl'; there are 'README.md', 'data/one.json'");
  o = nightjar("tasks", "import", pack_of("none.zip", members, 1), "--name", "x", "--db", db);
  ck_ended(o, 3);
  ck_holds(o.err, "none.zip: no member of it is a task file");
  ck_assert_str_eq(ask("SELECT count(*) FROM task_set"), "2");
}
END_TEST

START_TEST(files_follow_each_other) {
  support_write(support_path("a.jsonl"), "{\"question\":\"q1\",\"answer\":1,\"id\":\"x\"}\n");
  support_write(support_path("b.csv"), "question,answer,id\nq2,2,y\n");
  outcome o = nightjar("tasks", "import", support_path("a.jsonl"), support_path("b.csv"), "--name",
                       "ab", "--db", support_path("t.db"));
  ck_ended(o, 0);
  o = nightjar("tasks", "list", "--db", support_path("t.db"));
  ck_holds(o.out, "tasks import a.jsonl, b.csv\n");
  ck_assert_str_eq(ask("SELECT group_concat(question), group_concat(target) FROM task"),
                   "q1,q2|{\"answer\":1},{\"answer\":\"2\"}");
  support_write(support_path("b.csv"), "question,answer,id\nq2,2,y\nq3,3,x\n");
  o = nightjar("tasks", "import", support_path("a.jsonl"), support_path("b.csv"), "--name", "ab",
               "--db", support_path("t.db"));
  ck_ended(o, 3);
  char said[1200];
  (void)snprintf(said, sizeof said, "%s:3: record 2: the task name 'x' is that of record 1 of ",
                 support_path("b.csv")); /* as it was given: many files have one name */
  ck_holds(o.err, said);
  ck_holds(o.err, "/a.jsonl too");
  ck_assert_str_eq(ask("SELECT count(*) FROM task_set"), "1");
}
END_TEST

/* ---- forms ----------------------------------------------------------------------------------- */

/* The targets of a stored set as a JSON list of problems. */
static char *problems_of(const char *db, const char *name) {
  outcome o = nightjar("tasks", "show", name, "--json", "--limit", "1000", "--db", db);
  ck_ended(o, 0);
  json_t *set = program_json(o.out), *task, *problems = json_array();
  size_t i;
  json_array_foreach(json_object_get(set, "tasks"), i, task) {
    json_t *target = program_json(json_string_value(json_object_get(task, "target")));
    ck_assert_int_eq(json_array_append_new(problems, target), 0);
  }
  char *written = json_dumps(problems, JSON_INDENT(1));
  json_decref(problems);
  json_decref(set);
  return written;
}

START_TEST(countdown_problems_are_those_that_make_makes) {
  const char *made = support_path("made.db"), *db = support_path("t.db");
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "c", "--count", "50", "--seed", "7",
                    "--db", made),
           0);
  char *problems = problems_of(made, "c");
  outcome o = import_as("c.json", problems, "--name", "other", "--split", "test");
  ck_ended(o, 0);
  ck_holds(o.err, "Countdown problems from 'nums' and 'target'");
  ck_lacks(o.err, "no solution");
  ck_lacks(o.err, "train partition");
  ck_assert_str_eq(hash_of_set(made, "c"), hash_of_set(db, "other"));
  ck_assert_str_eq(ask("SELECT kind, tasks FROM task_set"), "countdown|50");
  ck_assert_str_eq(ask("SELECT count(*) FROM task WHERE split = 'test'"), "50");
  /* In the store that made it, it is the same set; the file names no split, and theirs stay. */
  o = nightjar("tasks", "import", support_path("c.json"), "--name", "c", "--db", made);
  ck_ended(o, 0);
  ck_holds(o.err, "c@1 is there already with the same tasks; nothing was added");
  ck_lacks(o.err, "of its tasks got");
  ck_assert_str_eq(program_sqlite(made, "SELECT count(*) FROM task WHERE split = 'test'"), "50");
  o = nightjar("tasks", "import", support_path("c.json"), "--name", "d", "--db", made);
  ck_ended(o, 3);
  ck_holds(o.err, "as c@1; use that name");
  free(problems);
}
END_TEST

/* The fields of the published lists of Stream of Search and APR. */
START_TEST(published_lists_are_read) {
  outcome o = import_as(
      "val1_b4_t100_n500.json",
      "[{\"nums\": [30, 21, 20, 67], \"target\": 56, \"solution\": [\"30-21=9\", \"67-20=47\"], "
      "\"search_path\": \"Current State: 56:[30, 21, 20, 67]\\n\", \"rating\": 0.0, "
      "\"search_type\": \"dfs\", \"optimal_path\": \"x\", \"heuristic\": \"sum_heuristic\"},\n"
      " {\"nums\": [1, 1, 1, 1], \"target\": 100, \"solution\": [], \"optimal_path\": \"\", "
      "\"start_size\": 4, \"search_path\": \"\", \"search_type\": \"apr_10\", "
      "\"trace_dict\": {\"main_calls\": [\"a\"], \"sub_calls\": []}, \"beam_size\": 10, "
      "\"sub_call_count\": 1.5}]",
      "--name", "val");
  ck_ended(o, 0);
  ck_holds(o.err, "search_path and trace_dict of 2 records are left out");
  ck_holds(o.err, "1 of 2 problems have no solution");
  ck_holds(o.err, "1 of 2 problems are of the train partition");
  ck_assert_str_eq(ask("SELECT question, target FROM task WHERE name = '0'"),
                   "Use 30, 21, 20, 67 once each with + - * / to make 56|"
                   "{\"nums\":[30,21,20,67],\"target\":56}");
  ck_assert_str_eq(ask("SELECT data FROM task WHERE name = '1'"),
                   "{\"beam_size\":10,\"optimal_path\":\"\",\"search_type\":\"apr_10\","
                   "\"solution\":[],\"start_size\":4,\"sub_call_count\":1.5}");
  /* The same from a table, whose fields are texts. */
  o = import_as("val.csv", "nums,target\n\"[30, 21, 20, 67]\",56\n\"[1, 1, 1, 1]\",100\n", "--name",
                "val");
  ck_ended(o, 0);
  ck_holds(o.err, "val@1 is there already");
}
END_TEST

START_TEST(batches_are_read) {
  outcome o = import_as(
      "batch.jsonl",
      "{\"custom_id\":\"r1\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{"
      "\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":"
      "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"2 + \"},{\"type\":\"text\",\"text\":"
      "\"2?\"}]}]}}\n"
      "{\"custom_id\":\"r2\",\"body\":{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{"
      "\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"}]}}\n",
      "--name", "batch");
  ck_ended(o, 0);
  ck_assert_str_eq(ask("SELECT name, question, target FROM task ORDER BY ordinal"),
                   "r1|2 + 2?|{\"answer\":null}\n"
                   "r2|user: a\n\nassistant: b\n\nuser: c|{\"answer\":null}");
  ck_assert_str_eq(
      ask("SELECT json_extract(data, '$.url', '$.body.model', '$.custom_id') FROM task "
          "WHERE name = 'r1'"),
      "[\"/v1/chat/completions\",\"m\",null]");
  o = import_as("picture.jsonl",
                "{\"custom_id\":\"r1\",\"body\":{\"messages\":[{\"role\":\"user\",\"content\":[{"
                "\"type\":\"image_url\",\"image_url\":{}}]}]}}\n",
                "--name", "picture");
  ck_ended(o, 3);
  ck_holds(o.err, "picture.jsonl:1: record 1: a message in 'body.messages' has a part of type "
                  "'image_url'");
  o = import_as("empty.jsonl", "{\"custom_id\":\"r1\",\"body\":{\"model\":\"m\"}}\n", "--name",
                "e");
  ck_ended(o, 3);
  ck_holds(o.err, "no field 'messages', which holds what is asked; this record has 'model'");
}
END_TEST

START_TEST(the_usual_names_are_known) {
  static const struct {
    const char *record, *piece, *target;
  } cases[] = {{"{\"question\":\"q\",\"answer\":\"2 #### 2\"}",
                "question from 'question', answer from "
                "'answer'",
                "{\"answer\":\"2 #### 2\"}"},
               {"{\"input\":\"q\",\"target\":[\"a\",\"b\"],\"id\":3}",
                "question from 'input', answer from 'target', name from 'id'",
                "{\"answer\":[\"a\",\"b\"]}"},
               {"{\"problem\":\"q\",\"answer\":17,\"solution\":\"s\"}",
                "question from 'problem', answer from 'answer'", "{\"answer\":17}"},
               {"{\"prompt\":\"q\",\"answer\":true,\"target\":0.1}",
                "question from 'prompt', answer from 'target'", "{\"answer\":0.1}"}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    char name[8] = {'n', (char)('0' + c), 0};
    outcome o = import_as("n.jsonl", cases[c].record, "--name", name);
    ck_ended(o, 0);
    ck_holds(o.err, cases[c].piece);
    ck_assert_str_eq(ask("SELECT target FROM task ORDER BY id DESC LIMIT 1"), cases[c].target);
  }
  ck_ended(import_as("chat.jsonl",
                     "{\"input\":[{\"role\":\"user\",\"content\":\"hello\"}],\"target\":\"x\"}",
                     "--name", "chat"),
           0);
  ck_assert_str_eq(ask("SELECT question FROM task ORDER BY id DESC LIMIT 1"), "hello");
}
END_TEST

START_TEST(a_map_names_the_fields) {
  outcome o = import_as(
      "m.jsonl",
      "{\"ask\":{\"text\":\"q1\"},\"gold\":{\"v\":1},\"uid\":5,\"id\":\"no\",\"meta\":{\"t\":\"A\"}"
      ","
      "\"part\":\"validation\",\"level\":2}\n"
      "{\"ask\":{\"text\":\"q2\"},\"gold\":{\"v\":2},\"uid\":6,\"id\":\"no\",\"meta\":{\"t\":7},"
      "\"part\":\"train\"}\n"
      "{\"ask\":{\"text\":\"q3\"},\"gold\":{\"v\":3},\"uid\":7,\"id\":\"no\",\"meta\":{\"t\":null},"
      "\"part\":null}\n",
      "--name", "m", "--split", "test", "--map",
      "question=ask.text,answer=gold.v,name=uid,cluster=meta.t,split=part");
  ck_ended(o, 0);
  ck_assert_str_eq(
      ask("SELECT name, question, target, cluster, split FROM task ORDER BY ordinal"),
      "5|q1|{\"answer\":1}|A|dev\n6|q2|{\"answer\":2}|7|train\n7|q3|{\"answer\":3}||test");
  ck_assert_str_eq(ask("SELECT data FROM task WHERE name = '5'"),
                   "{\"ask\":{\"text\":\"q1\"},\"gold\":{\"v\":1},\"id\":\"no\",\"level\":2,"
                   "\"meta\":{\"t\":\"A\"}}");
  o = import_as("m.jsonl",
                "{\"question\":\"q\",\"answer\":1,\"id\":\"a\"}\n"
                "{\"question\":\"r\",\"answer\":1,\"id\":\"a\"}\n",
                "--name", "ordinals", "--map", "name=");
  ck_ended(o, 0);
  ck_assert_str_eq(ask("SELECT group_concat(t.name) FROM task t JOIN task_set s ON s.id = "
                       "t.task_set WHERE s.name = 'ordinals'"),
                   "0,1");
}
END_TEST

static void comes_back(const char *set, const char *file, const char *map) {
  const char *from = support_path("t.db"), *to = support_path("copy.db");
  const char *path = support_path(file);
  ck_ended(nightjar("export", "tasks", "--set", set, "-o", path, "--replace", "--db", from), 0);
  outcome o =
      nightjar("tasks", "import", path, "--name", set, "--db", to, map ? "--map" : NULL, map);
  ck_ended(o, 0);
  ck_lacks(o.err, "of its tasks got"); /* when it comes back a second time, in another format */
  ck_assert_str_eq(hash_of_set(from, set), hash_of_set(to, set));
  static const char labels[] = "SELECT t.name, t.ordinal, t.cluster, t.split, t.data FROM task t "
                               "JOIN task_set s ON s.id = t.task_set ORDER BY s.name, t.ordinal";
  if (!strcmp(set, "b")) ck_assert_str_eq(program_sqlite(from, labels), program_sqlite(to, labels));
}

START_TEST(what_export_wrote_comes_back) {
  ck_ended(import_as("a.jsonl",
                     "{\"id\":\"p\",\"nums\":[1,2],\"target\":3,\"split\":\"dev\",\"k\":[1]}\n"
                     "{\"id\":\"q\",\"nums\":[1,3],\"target\":4,\"cluster\":\"c, \\\"d\\\"\"}\n",
                     "--name", "a"),
           0);
  ck_ended(import_as("b.jsonl",
                     "{\"id\":\"p\",\"question\":\"2 +\\n2?\",\"answer\":\"4\",\"level\":\"x\"}\n"
                     "{\"id\":\"q\",\"question\":\"a, b\",\"answer\":\"c\"}\n",
                     "--name", "b"),
           0);
  comes_back("a", "a.csv", NULL);
  comes_back("a", "a.jsonl", NULL);
  comes_back("b", "b.jsonl", NULL);
  comes_back("b", "b.csv", NULL);
  ck_ended(import_as("n.jsonl",
                     "{\"custom_id\":\"r\",\"body\":{\"messages\":[{\"role\":\"user\","
                     "\"content\":\"2 + 2?\"}]}}\n",
                     "--name", "n"),
           0);
  comes_back("n", "n.jsonl", "answer=");
  comes_back("n", "n.csv", "answer=");
  ck_ended(import_as("y.jsonl",
                     "{\"question\":\"q\",\"target\":1,\"data\":{\"k\":1},\"level\":2}\n", "--name",
                     "y"),
           0); /* beside another field it is one of them */
  ck_assert_str_eq(ask("SELECT data FROM task ORDER BY id DESC LIMIT 1"),
                   "{\"data\":{\"k\":1},\"level\":2}");
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

START_TEST(what_is_wrong_is_named_and_nothing_is_stored) {
  static const struct {
    const char *file, *bytes, *map;
    int code;
    const char *piece;
  } cases[] = {
      {"e.jsonl", "", "name=", 3, "e.jsonl: there are no records in it"},
      {"e.csv", "question,answer\n", "name=", 3, "there are no records"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":}\n", "name=", 3, "e.jsonl:1: not JSON"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":", "name=", 3, "e.jsonl:1: the file ends within"},
      {"e.json", "[{\"question\":\"q\",\"answer\":1}", "name=", 3, "it was cut off"},
      {"e.json", "{\n\"data\":[]\n}\n", "name=", 3, "jq -c"},
      {"e.txt", "hello\n", "name=", 3, "say what it is with --format"},
      {"e.jsonl", "{\"question\":\"caf\xe9\",\"answer\":1}\n", "name=", 3, "iconv -f LATIN1"},
      {"e.csv", "question,answer\nq\n", "name=", 3, "e.csv:2: record 1 has 1 field"},
      {"e.jsonl", "{\"question\":\"q\",\"reply\":1}\n", "name=", 3,
       "say which does with --map answer=FIELD; this record has 'question', 'reply'"},
      {"e.jsonl", "{\"ask\":\"q\",\"answer\":1}\n", "name=", 3, "--map question=FIELD"},
      {"e.jsonl", "{}\n", "name=", 3, "this record has no fields"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1}\n{\"question\":\"r\"}\n", "name=", 3,
       "e.jsonl:2: record 2: no field 'answer', which holds the task's answer by the first record"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1}\n", "question=a.b", 3,
       "record 1: no field 'a.b', which holds the task's question by --map"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1,\"id\":[1]}\n", "name=id", 3,
       "'id' must be a text or a whole number"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1,\"id\":null}\n", "name=id", 3, "'id' is null"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1,\"id\":\"\"}\n", "name=id", 3, "'id' is empty"},
      {"e.jsonl", "{\"question\":5,\"answer\":1}\n", "name=", 3, "'question' must be a text"},
      {"e.jsonl", "{\"question\":\"\",\"answer\":1}\n", "name=", 3, "nothing to ask"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":null}\n", "name=", 3, "'answer' is null"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":{}}\n", "name=", 3, "'answer' is an object"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1,\"split\":\"all\"}\n", "name=", 3,
       "'split' is 'all'; a split is train, dev"},
      {"e.jsonl", "{\"nums\":[1],\"target\":5}\n", "name=", 3,
       "e.jsonl:1: record 1: \"nums\" must be a list of 2 to 6"},
      {"e.jsonl", "{\"nums\":[1,2],\"target\":\"x\"}\n", "name=", 3, "\"target\" must be"},
      {"e.jsonl", "{\"nums\":[1,2],\"target\":3}\n{\"question\":\"q\",\"answer\":1}\n", "name=", 3,
       "no field 'nums', which holds a Countdown problem as in the first record"},
      {"e.jsonl", "{\"nums\":[1,2],\"target\":3}\n{\"nums\":[1,2],\"target\":3}\n", "name=", 3,
       "e.jsonl are the same task, question and answer (1 such repetition in all)"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1}\n", "qestion=a", 2,
       "did you mean 'question'?"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1}\n", "name", 2, "--map name= needs"},
      {"e.jsonl", "{\"question\":\"q\",\"answer\":1}\n", "name=,name=a", 2, "names name twice"}};
  ck_ended(import_as("first.jsonl", lines, "--name", "first"), 0);
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    outcome o =
        import_as(cases[c].file, cases[c].bytes, "--name", "e", "--map", cases[c].map, "--json");
    ck_ended(o, cases[c].code);
    ck_holds(o.err, cases[c].piece);
    ck_assert_str_eq(o.out, "");
  }
  ck_assert_str_eq(ask("SELECT count(*), min(name) FROM task_set"), "1|first");
  ck_assert_str_eq(ask("SELECT count(*) FROM task"), "2");
  ck_assert_str_eq(ask("PRAGMA integrity_check"), "ok");
}
END_TEST

START_TEST(wrong_options_are_named) {
  outcome o = import_as("o.jsonl", lines, "--json");
  ck_ended(o, 2);
  ck_holds(o.err, "--name is missing");
  o = import_as("o.jsonl", lines, "--name", "o", "--split", "tset");
  ck_ended(o, 2);
  ck_holds(o.err, "--split must be train, dev or test, not 'tset'");
  o = import_as("o.jsonl", lines, "--name", "o", "--format", "cvs");
  ck_ended(o, 2);
  ck_holds(o.err, "did you mean csv?");
  o = import_as("o.jsonl", lines, "--name", "o", "--member", "a.json");
  ck_ended(o, 3);
  ck_holds(o.err, "o.jsonl: --member is for a zip or a tar");
  o = nightjar("tasks", "import", support_path("absent.jsonl"), "--name", "o", "--db",
               support_path("t.db"));
  ck_ended(o, 3);
  ck_holds(o.err, "absent.jsonl");
  ck_assert_int_ne(access(support_path("t.db"), F_OK), 0); /* no store was made for nothing */
}
END_TEST

START_TEST(twins_are_kept_when_they_are_wanted) {
  static const char twins[] =
      "{\"question\":\"q\",\"answer\":1}\n{\"question\":\"r\",\"answer\":1}\n"
      "{\"question\":\"q\",\"answer\":1}\n{\"question\":\"q\",\"answer\":1}\n";
  outcome o = import_as("t.jsonl", twins, "--name", "t");
  ck_ended(o, 3);
  ck_holds(o.err, "/t.jsonl and record 4 of ");
  ck_holds(o.err, "/t.jsonl are the same task");
  ck_holds(o.err, "2 such repetitions in all");
  ck_holds(o.err, "--allow-duplicates");
  o = import_as("t.jsonl", twins, "--name", "t", "--allow-duplicates");
  ck_ended(o, 0);
  ck_holds(o.err, "warning: 2 repeated tasks");
  ck_assert_str_eq(ask("SELECT tasks FROM task_set"), "4");
}
END_TEST

START_TEST(check_says_all_problems_and_stores_nothing) {
  outcome o = import_as("c.jsonl",
                        "{\"question\":\"q\",\"answer\":1}\n{\"question\":\"r\"\n"
                        "{\"question\":\"s\"}\n{\"question\":\"t\",\"answer\":1}\n",
                        "--check");
  ck_ended(o, 3);
  ck_holds(o.err, "/c.jsonl:2: not JSON");
  ck_holds(o.err, "/c.jsonl:3: record 3: no field 'answer'");
  ck_holds(o.err, "2 problems in 4 records");
  o = import_as("c.jsonl", lines, "--check");
  ck_ended(o, 0);
  ck_holds(o.out, "2 tasks can be imported");
  text many;
  text_open(&many, 1 << 16);
  for (int i = 0; i < 100; i++)
    text_put(&many, "{}\n");
  o = import_as("c.jsonl", text_string(&many), "--check");
  ck_ended(o, 3);
  ck_holds(o.err, "c.jsonl:20: ");
  ck_lacks(o.err, "c.jsonl:21: ");
  ck_holds(o.err, "20 problems were found");
  text_close(&many);
  ck_assert_int_ne(access(support_path("t.db"), F_OK), 0);
}
END_TEST

START_TEST(what_a_file_says_reaches_no_terminal_unwritten) {
  outcome o = import_as("h.jsonl", "{\"\\u001b[2J\":1}\n", "--name", "h");
  ck_ended(o, 3);
  ck_lacks(o.err, "\033[2J");
  ck_holds(o.err, "\\x1b[2J");
}
END_TEST

/* ---- labels ---------------------------------------------------------------------------------- */

START_TEST(labels_of_a_known_set_are_renewed) {
  ck_ended(import_as("l.jsonl",
                     "{\"question\":\"q\",\"answer\":1,\"id\":\"a\",\"split\":\"dev\"}\n"
                     "{\"question\":\"r\",\"answer\":1,\"id\":\"b\",\"level\":1}\n"
                     "{\"question\":\"s\",\"answer\":1,\"id\":\"c\"}\n",
                     "--name", "l"),
           0);
  const char *before = hash_of_set(support_path("t.db"), "l");
  outcome o = import_as("l.jsonl", /* two names are exchanged */
                        "{\"question\":\"q\",\"answer\":1,\"id\":\"b\",\"cluster\":\"k\"}\n"
                        "{\"question\":\"r\",\"answer\":1,\"id\":\"a\",\"level\":2}\n"
                        "{\"question\":\"s\",\"answer\":1,\"id\":\"c\"}\n",
                        "--name", "l", "--json");
  ck_ended(o, 0);
  ck_holds(o.err, "2 of its tasks got");
  ck_holds(o.out, "\"relabelled\":2");
  ck_assert_str_eq(ask("SELECT id, name, question, cluster, split, data FROM task ORDER BY id"),
                   "1|b|q|k|dev|{}\n2|a|r|||{\"level\":2}\n3|c|s|||{}");
  ck_assert_str_eq(hash_of_set(support_path("t.db"), "l"), before);
  o = import_as("l.jsonl", program_read(support_path("l.jsonl")), "--name", "l");
  ck_ended(o, 0);
  ck_lacks(o.err, "of its tasks got");
  o = import_as("l.jsonl", program_read(support_path("l.jsonl")), "--name", "l", "--split", "test");
  ck_ended(o, 0);
  ck_holds(o.err, "3 of its tasks got");
  ck_assert_str_eq(ask("SELECT group_concat(split) FROM task"), "test,test,test");
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

enum { LARGE_BYTES = 100 << 20 };

/* A sanitizer's shadow and quarantine are not the program's memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_MAX_KB = 900 << 10 };
#else
enum { MEMORY_MAX_KB = 100 << 10 };
#endif

typedef enum large { LARGE_LINES, LARGE_LIST, LARGE_TABLE, LARGES } large;

static void write_task(FILE *file, large format, int task) {
  char rest[900];
  memset(rest, 'a' + task % 26, sizeof rest - 1);
  rest[sizeof rest - 1] = 0;
  if (format == LARGE_TABLE) {
    (void)fprintf(file, "t%d,what is %d?,%d,%s\n", task, task, task, rest);
    return;
  }
  if (format == LARGE_LIST && task) (void)fputc(',', file);
  (void)fprintf(file,
                "{\"id\":\"t%d\",\"question\":\"what is %d?\",\"answer\":\"%d\",\"rest\":"
                "\"%s\"}%s",
                task, task, task, rest, format == LARGE_LINES ? "\n" : "");
}

static const char *write_large(large format, int *tasks) {
  static const char *const names[] = {"large.jsonl", "large.json", "large.csv"};
  const char *path = support_path(names[format]);
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  if (format == LARGE_LIST) (void)fputc('[', file);
  if (format == LARGE_TABLE) (void)fputs("id,question,answer,rest\n", file);
  for (*tasks = 0; ftell(file) < LARGE_BYTES; ++*tasks)
    write_task(file, format, *tasks);
  if (format == LARGE_LIST) (void)fputs("]\n", file);
  ck_assert_int_eq(fclose(file), 0);
  return path;
}

START_TEST(large_files_take_bounded_memory) {
  int tasks;
  char wanted[64];
  const char *path = write_large((large)_i, &tasks);
  outcome o = nightjar("tasks", "import", path, "--name", "large", "--db", support_path("t.db"));
  ck_ended(o, 0);
  (void)snprintf(wanted, sizeof wanted, "%d|t%d", tasks, tasks - 1);
  ck_assert_str_eq(ask("SELECT count(*), (SELECT name FROM task ORDER BY id DESC LIMIT 1) FROM "
                       "task"),
                   wanted);
  struct rusage used;
  ck_assert_int_eq(getrusage(RUSAGE_CHILDREN, &used), 0);
  ck_assert_int_lt(used.ru_maxrss, MEMORY_MAX_KB);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("import");
  if (argc > 1 && !strcmp(argv[1], "large")) {
    TCase *memory = tcase_create("memory");
    tcase_add_loop_test(memory, large_files_take_bounded_memory, 0, LARGES);
    suite_add_tcase(suite, memory);
    return support_run(suite);
  }
  TCase *formats = tcase_create("formats");
  tcase_add_test(formats, each_format_gives_the_same_set);
  tcase_add_test(formats, members_of_packs_are_one_set);
  tcase_add_test(formats, files_follow_each_other);
  suite_add_tcase(suite, formats);
  TCase *forms = tcase_create("forms");
  tcase_add_test(forms, countdown_problems_are_those_that_make_makes);
  tcase_add_test(forms, published_lists_are_read);
  tcase_add_test(forms, batches_are_read);
  tcase_add_test(forms, the_usual_names_are_known);
  tcase_add_test(forms, a_map_names_the_fields);
  tcase_add_test(forms, what_export_wrote_comes_back);
  suite_add_tcase(suite, forms);
  TCase *refused = tcase_create("refused");
  tcase_add_test(refused, what_is_wrong_is_named_and_nothing_is_stored);
  tcase_add_test(refused, wrong_options_are_named);
  tcase_add_test(refused, twins_are_kept_when_they_are_wanted);
  tcase_add_test(refused, check_says_all_problems_and_stores_nothing);
  tcase_add_test(refused, what_a_file_says_reaches_no_terminal_unwritten);
  suite_add_tcase(suite, refused);
  TCase *labels = tcase_create("labels");
  tcase_add_test(labels, labels_of_a_known_set_are_renewed);
  suite_add_tcase(suite, labels);
  return support_run(suite);
}
