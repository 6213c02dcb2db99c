/* The job file: what is refused and where, what a sweep makes of it, and what its numbers mean. */
#include "base/memory.h"
#include "tests/pipeline/fake_modes.h"

#include <stdio.h>
#include <string.h>

#define HEAD "name: j\ntasks: t\n"
#define ONE  HEAD "conditions: [{name: c, mode: fake}]\n"

/* ---- what is refused ------------------------------------------------------------------------ */

typedef struct refused {
  const char *file;
  int line;
  const char *pieces[3]; /* of the message */
} refused;

static const refused not_yaml[] = {
    {"", 1, {"empty"}},
    {"# only a comment\n", 1, {"empty"}},
    {"name: j\ntasks: [t\n", 3, {"not YAML", "from line 2"}},
    {"name: j\n\ttasks: t\n", 2, {"not YAML"}},
    {"name: j\ntasks: t\nname: k\n", 3, {"\"name\" a second time", "line 1"}},
    {HEAD "seed: 1\n\"seed\": 1\n", 4, {"\"seed\" a second time", "line 3"}},
    {HEAD "seed: &s 1\n", 3, {"anchor &s", "not read"}},
    {HEAD "conditions: &all\n - {name: c}\n", 3, {"anchor &all"}},
    {HEAD "seed: *s\n", 3, {"alias *s", "not read"}},
    {HEAD "seed: !!int 1\n", 3, {"tag !!int", "not read"}},
    {HEAD "conditions: !x []\n", 3, {"tag !x"}},
    {ONE "---\nname: k\n", 4, {"second document"}},
    {HEAD "? [a]\n: 1\n", 3, {"a key must be text"}},
    {HEAD "seed: .inf\n", 3, {".inf", "not finite"}},
    {HEAD "seed: -.INF\n", 3, {"not finite"}},
    {HEAD "seed: .nan\n", 3, {"not finite"}},
    {HEAD "seed: 9223372036854775808\n", 3, {"64 bits"}},
    {HEAD "seed: 1e999\n", 3, {"too large"}},
    {"name: j\ntasks: \xff\n", 2, {"UTF-8"}},
    {"name: j\ntasks: \"\\x01\"\n", 2, {"unprintable"}},
    {"name: j\ntasks: \"\\u2028\"\n", 2, {"unprintable"}},
    {"name: j\ntasks: a\x01"
     "b\n",
     2,
     {"not YAML"}},
    {"name: j\n\na: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
     3,
     {"deeper than 32"}},
};

static const refused not_a_job[] = {
    {"- 1\n", 1, {"job: expected a mapping", "not a list"}},
    {"hello\n", 1, {"not \"hello\""}},
    {HEAD "sead: 1\n", 3, {"unknown key \"sead\"", "did you mean \"seed\"?", "retries"}},
    {HEAD "zzzzzzzzzz: 1\n", 3, {"unknown key \"zzzzzzzzzz\"; known: name, tasks, seed"}},
    {"\ntasks: t\nconditions: []\n", 2, {"missing key \"name\""}},
    {"name: j\nconditions: []\n", 1, {"missing key \"tasks\""}},
    {HEAD, 1, {"missing key \"conditions\""}},
    {HEAD "conditions: []\n", 3, {"conditions: expected at least one entry"}},
    {HEAD "conditions: {}\n", 3, {"conditions: expected a list", "not a mapping"}},
    {HEAD "conditions:\n", 3, {"conditions: expected a list", "not nothing"}},
    {HEAD "conditions: [1]\n", 3, {"expected a mapping per condition, not 1"}},
    {"name: 7\ntasks: t\n", 1, {"name: expected text, in quotes (the job's name), not 7"}},
    {"name: true\ntasks: t\n", 1, {"text, in quotes (the job's name), not true"}},
    {"name: [j]\ntasks: t\n", 1, {"only a mode's parameters can be swept"}},
    {"name: \"\"\ntasks: t\nconditions: []\n", 1, {"name: expected", "1 to 64 bytes"}},
    {"name: a b\ntasks: t\nconditions: []\n", 1, {"letters, digits"}},
    {"name: é\ntasks: t\nconditions: []\n", 1, {"letters, digits"}},
    {"name: j\ntasks:\nconditions: []\n", 2, {"tasks: expected a task set", "not nothing"}},
    {HEAD "seed: -1\n", 3, {"seed: expected an integer from 0 to 9223372036854775807, not -1"}},
    {HEAD "seed: 1.0\n", 3, {"seed: expected an integer", "not 1.0"}},
    {HEAD "seed: \"1\"\n", 3, {"seed: expected an integer", "not \"1\""}},
    {HEAD "repeats: 0\n", 3, {"repeats: expected an integer from 1 to 10000, not 0"}},
    {HEAD "repeats: 10001\n", 3, {"not 10001"}},
    {HEAD "retries: yes\n", 3, {"retries: expected an integer", "not \"yes\""}},
    {HEAD "allowed_failures: -1\n", 3, {"allowed_failures"}},
    {HEAD "checker: countdwn\nconditions: []\n",
     3,
     {"unknown checker \"countdwn\"", "did you mean \"countdown\"?"}},
};

static const refused not_an_entry[] = {
    {HEAD "conditions:\n- {mode: fake}\n", 4, {"missing key \"name\""}},
    {HEAD "conditions:\n- name: c\n  beam: 1\n", 4, {"missing key \"mode\""}},
    {HEAD "conditions:\n- name: c\n  mode: faked\n",
     5,
     {"unknown mode \"faked\"", "did you mean \"fake\"?", "known: fake, plain"}},
    {HEAD "conditions:\n- name: c\n  mode: [fake]\n", 5, {"only a mode's parameters"}},
    {HEAD "conditions:\n- name: c/d\n  mode: fake\n", 4, {"letters, digits"}},
    {HEAD "conditions:\n- name: 'c '\n  mode: fake\n", 4, {"letters, digits"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  checker: none\n", 6, {"unknown checker"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beams: 3\n",
     6,
     {"unknown key of mode fake \"beams\"", "did you mean \"beam\"?", "checker, axes, search"}},
    {HEAD "conditions:\n- name: c\n  mode: plain\n  beam: 3\n", 6, {"unknown key of mode plain"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  limit.context: 300\n", 6, {"unknown key"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  limit: {contex: 300}\n",
     6,
     {"\"contex\"", "did you mean \"context\"?", "known: context, children"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  limit: 3\n", 6, {"limit: expected a mapping"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  limit: [3]\n", 6, {"limit: expected a mapping"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  search: bfss\n",
     6,
     {"unknown value of search \"bfss\"", "did you mean \"bfs\"?", "dfs, bfs, sosp, apr"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  search: 3\n",
     6,
     {"search: expected dfs, bfs, sosp or apr (how nodes are chosen), not 3"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  search: true\n",
     6,
     {"search: expected dfs, bfs, sosp or apr (how nodes are chosen), not true"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: 0\n",
     6,
     {"beam: expected an integer from 1 to 100 (successors kept), not 0"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: 101\n", 6, {"not 101"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: 2.5\n", 6, {"an integer", "not 2.5"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: five\n", 6, {"not \"five\""}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam:\n", 6, {"not nothing"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: {a: 1}\n", 6, {"not a mapping"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: []\n", 6, {"beam", "empty list"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: [1,\n    0]\n", 7, {"beam", "not 0"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: [1, [2]]\n", 6, {"not a list"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  beam: [1, 2,\n    1]\n",
     7,
     {"beam: value 1 a second time"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  temperature: 2.01\n",
     6,
     {"a number from 0 to 2"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  temperature: true\n", 6, {"not true"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  targets: 20-10\n",
     6,
     {"targets: expected an integer or a range a-b from 1 to 1000", "not \"20-10\""}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  targets: 0-10\n", 6, {"targets"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  targets: 1-1001\n", 6, {"targets"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  targets: 1-\n", 6, {"targets"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  targets: 1001\n", 6, {"targets"}},
    {HEAD "conditions:\n- {name: x, mode: plain}\n- name: c\n  mode: fake\n  child_beam: 3\n",
     5,
     {"condition \"c\": child_beam is for search: apr"}},
    {HEAD "conditions:\n- {name: c, mode: fake}\n- {name: c, mode: plain}\n",
     5,
     {"condition \"c\" a second time", "line 4"}},
    {HEAD "conditions:\n- {name: c, mode: fake, beam: [1]}\n- {name: c beam=1, mode: plain}\n",
     5,
     {"condition \"c beam=1\" a second time"}},
    {HEAD "conditions:\n- {name: c, mode: fake, beam: [1]}\n- {name: c, mode: plain}\n",
     5,
     {"name of a family"}},
    {HEAD "conditions:\n- {name: a, mode: fake, family: b}\n- {name: b, mode: fake, family: c}\n",
     5,
     {"condition \"b\" has the name of a family"}},
    {HEAD "conditions:\n- {name: c, mode: fake,\n  axes: {beams: 1}}\n",
     5,
     {"\"beams\" is no param"}},
    {HEAD "conditions:\n- {name: c, mode: fake,\n  axes: {beam: 1}}\n", 5, {"no parameter"}},
    {HEAD "conditions:\n- {name: c, mode: fake, beam: 2,\n  axes: {beam: 1}}\n",
     5,
     {"not the value"}},
    {HEAD "conditions:\n- {name: c, mode: fake, beam: [2],\n  axes: {beam: 2}}\n",
     5,
     {"axes belong to a resolved entry", "list for beam"}},
    {HEAD "conditions:\n- {name: c, mode: fake, axes: 3}\n", 4, {"axes: expected a mapping"}},
};

#define REASON "conditions: [{name: c, mode: reason}]\n"

static const refused not_a_model[] = {
    {HEAD "conditions:\n- {name: x, mode: plain}\n- name: c\n  mode: reason\n",
     5,
     {"\"c\": mode reason reasons with a model", "add models: [DIR]", "or model: DIR here"}},
    {HEAD "models: m\nconditions: [{name: c, mode: fake}]\n",
     3,
     {"models: no condition takes its model from here", "remove the key"}},
    {HEAD "models: m\nconditions: [{name: c, mode: reason, model: n}]\n",
     3,
     {"models: no condition takes", "and names none"}},
    {HEAD "sampling: {temperature: 1}\nconditions: [{name: c, mode: fake}]\n",
     3,
     {"sampling: no condition has a model"}},
    {HEAD "engine: {slots: 1}\nconditions: [{name: c, mode: fake}]\n", 3, {"engine: no condition"}},
    {HEAD "record: {}\nconditions: [{name: c, mode: fake}]\n", 3, {"record: no condition"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  model: m\n",
     6,
     {"model: mode fake reasons without a model"}},
    {HEAD "models: []\n" REASON, 3, {"models: expected a model's folder", "an empty list"}},
    {HEAD "models: {a: 1}\n" REASON, 3, {"models: expected a model's folder", "not a mapping"}},
    {HEAD "models: 7\n" REASON, 3, {"models: expected text, in quotes (a model's folder), not 7"}},
    {HEAD "models: [a,\n b, a]\n" REASON, 4, {"models: \"a\" a second time"}},
    {HEAD "models: [a/m,\n b/m/]\n" REASON, 4, {"two folders are called \"m\"", "name a link"}},
    {HEAD "models: [a/m,\n 'b/n o']\n" REASON, 4, {"the folder of b/n o", "rename it"}},
    {HEAD "models: [a, b]\nconditions:\n- {name: c, mode: reason,\n   axes: {model: a}}\n",
     6,
     {"axes belong to a resolved entry", "list for model"}},
    {HEAD "conditions:\n- {name: c, mode: reason, model: x/a,\n   axes: {model: b}}\n",
     5,
     {"axes: model is not the value"}},
    {HEAD "conditions:\n- {name: c, mode: fake,\n   axes: {model: b}}\n", 5, {"no parameter"}},
    {HEAD "models: m\nsampling: {temprature: 1}\n" REASON,
     4,
     {"\"temprature\"", "did you mean \"temperature\"?", "top_k, top_p, min_p"}},
    {HEAD "models: m\nsampling: {top_p: 1.5}\n" REASON,
     4,
     {"sampling.top_p: expected a number from 0 to 1"}},
    {HEAD "models: m\nsampling: 1\n" REASON, 4, {"sampling: expected a mapping of temperature"}},
};

static const refused not_an_engine[] = {
    {HEAD "models: m\nengine: {backend: cuda}\n" REASON,
     4,
     {"unknown backend \"cuda\"", "known: auto, cpu, reference"}},
    {HEAD "models: m\nengine: {compute: fp16}\n" REASON, 4, {"unknown value of compute \"fp16\""}},
    {HEAD "models: m\nengine: {threads: 4}\n" REASON,
     4,
     {"unknown key \"threads\"", "slots, rows"}},
    {HEAD "models: m\nengine: {slots: 0}\n" REASON, 4, {"slots: expected an integer from 1"}},
    {HEAD "models: m\nengine: {slots: 9,\n rows: 8}\n" REASON, 5, {"8 rows are less than the 9"}},
    {HEAD "models: m\nengine: {kv_memory: 4}\n" REASON, 4, {"kv_memory: expected text"}},
    {HEAD "models: m\nengine: {backend: true}\n" REASON,
     4,
     {"backend: expected text, in quotes (auto, cpu or reference), not true"}},
    {HEAD "models: m\nengine: {kv_memory: 4GB}\n" REASON,
     4,
     {"an integer with KiB, MiB or GiB, as 4GiB", "not \"4GB\""}},
    {HEAD "models: m\nengine: {kv_memory: 0GiB}\n" REASON, 4, {"not \"0GiB\""}},
    {HEAD "models: m\nengine: {kv_memory: GiB}\n" REASON, 4, {"not \"GiB\""}},
    {HEAD "models: m\nengine: {kv_memory: 1048577GiB}\n" REASON, 4, {"at most 1048576GiB"}},
    {HEAD "models: m\nengine: {kv_memory: 99999999999999999999KiB}\n" REASON, 4, {"at most"}},
    {HEAD "models: m\nrecord: {logprobs: 1}\n" REASON, 4, {"logprobs: expected true or false"}},
    {HEAD "models: m\nrecord: {ids: true}\n" REASON, 4, {"unknown key \"ids\"; known: logprobs"}},
};

static const refused not_a_text[] = {
    {HEAD "conditions:\n- name: c\n  mode: fake\n  prompt: ''\n", 6, {"prompt: expected text"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  stop: end\n",
     6,
     {"stop: expected a list of at most 64 texts", "not \"end\""}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  stop: [a, [b]]\n", 6, {"not a list"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  stop: [[a],\n b]\n", 7, {"not \"b\""}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  stop: [[a], [b],\n [a]]\n",
     7,
     {"stop: value in this place a second time"}},
    {HEAD "conditions:\n- name: c\n  mode: fake\n  prompt: [a b,\n a b]\n",
     7,
     {"prompt: value a b a second time"}},
};

static const refused not_a_contrast[] = {
    {ONE "compare: {}\n", 4, {"compare: expected a list"}},
    {ONE "compare: [c]\n", 4, {"a mapping per contrast"}},
    {ONE "compare:\n- {a: c}\n", 5, {"missing key \"b\""}},
    {ONE "compare:\n- {a: c, b: d, c: e}\n", 5, {"unknown key \"c\"", "a, b, axis, at, margin"}},
    {ONE "compare:\n- {a: c, b: c}\n", 5, {"the same"}},
    {HEAD "conditions: [{name: apr, mode: fake}, {name: sos+, mode: fake, beam: [1, 2]}]\n"
          "compare:\n- a: apr\n  b: sos\n",
     6,
     {"unknown family or condition \"sos\"", "did you mean \"sos+\"?", "sos+ beam=2"}},
    {ONE "compare:\n- a: d\n  b: c\n", 5, {"unknown family or condition \"d\""}},
};

static const refused not_a_budget[] = {
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b,\n   axis: tokens}\n",
     6,
     {"axis without at"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b,\n   at: [1]}\n",
     6,
     {"at without axis"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, at: [1],\n   axis: tokens_reff}\n",
     6,
     {"unknown axis", "did you mean \"tokens_ref\"?", "nodes_explored"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, axis: tokens_ref,\n   at: []}\n",
     6,
     {"at: expected a list of 1"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, axis: tokens_ref, at: 5}\n",
     5,
     {"at: expected a list of budgets", "not 5"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, axis: tokens_ref, at: [1,\n  x]}\n",
     6,
     {"at: expected a number above 0, not \"x\""}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, axis: tokens_ref, at: [0]}\n",
     5,
     {"a number above 0"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, axis: tokens_ref, at: [2, 2]}\n",
     5,
     {"above the one before"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, margin: 1.5}\n",
     5,
     {"margin: expected a number from 0 to 1"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b}\n- {a: a, b: b}\n",
     6,
     {"already in line 5"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, axis: tokens_ref, at: [1, 2]}\n"
          "- {a: a, b: b, axis: tokens_ref, at: [2, 3]}\n",
     6,
     {"already in line 5"}},
    /* What a report would refuse after the night. */
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b}\n- {a: b, b: a}\n",
     6,
     {"already in line 5"}},
    {HEAD "conditions: [{name: a, mode: fake}, {name: b, mode: fake}]\n"
          "compare:\n- {a: a, b: b, margin: 0}\n",
     5,
     {"more than 0"}},
    {HEAD "conditions: [{name: a, mode: fake, beam: [1, 2]}, {name: b, mode: fake}]\n"
          "compare:\n- {a: b, b: a}\n",
     5,
     {"family of 2 conditions"}},
    {HEAD "conditions: [{name: a, mode: fake, beam: [1, 2], search: [bfs, sosp]}, "
          "{name: b, mode: fake}]\n"
          "compare:\n- {a: b, b: a, axis: tokens_ref, at: [5]}\n",
     5,
     {"along 2 axes"}},
    {HEAD "conditions: [{name: a, mode: fake, checker: countdown-lenient}, {name: b, mode: fake}]\n"
          "compare:\n- {a: b, b: a}\n",
     5,
     {"different checkers"}},
    {HEAD "models: m\nconditions: [{name: a, mode: reason, finisher: {tokens: 5}},\n"
          "{name: b, mode: reason}]\ncompare:\n- {a: b, b: a}\n",
     7,
     {"some conditions of 'b' and 'a' have a finisher", "to none"}},
    {HEAD "models: m\nconditions: [{name: a, mode: reason, finisher: {tokens: 5}},\n"
          "{name: b, mode: plain}]\ncompare:\n- {a: b, b: a, axis: tokens_ref, at: [5]}\n",
     7,
     {"have a finisher and some have none"}},
};

static void check_refused(const refused *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const refused *c = &cases[i];
    detail err = {0};
    job *j = NULL;
    status s = fake_read(&j, c->file, strlen(c->file), &err);
    ck_assert_msg(s == E_INPUT, "accepted, or %s: %s", status_name(s), c->file);
    ck_assert_msg(err.line == c->line, "line %d, not %d: %s\n%s", err.line, c->line, err.text,
                  c->file);
    ck_assert_str_eq(err.file, "job.yaml");
    for (size_t k = 0; k < 3 && c->pieces[k]; k++)
      ck_assert_msg(strstr(err.text, c->pieces[k]) != NULL, "\"%s\" lacks \"%s\"", err.text,
                    c->pieces[k]);
    ck_assert_int_eq(fake_read(&j, c->file, strlen(c->file), NULL), E_INPUT);
  }
}

#define REFUSES(table) check_refused(table, sizeof(table) / sizeof *(table))

START_TEST(test_refused) {
  REFUSES(not_yaml);
  REFUSES(not_a_job);
  REFUSES(not_an_entry);
  REFUSES(not_a_model);
  REFUSES(not_an_engine);
  REFUSES(not_a_text);
  REFUSES(not_a_contrast);
  REFUSES(not_a_budget);
}
END_TEST

/* Bounds: each with one file that is just too large for it. */
START_TEST(test_bounds) {
  detail err = {0};
  job *j = NULL;
  text t;
  text_open(&t, 64 << 20);
  text_put(&t, ONE);
  while (t.bytes <= JOB_BYTES_MAX)
    text_put(&t, "################################################################\n");
  ck_fails(fake_read(&j, t.data, t.bytes, &err), E_INPUT, "at most 8388608");
  ck_assert_int_eq(err.line, 1);

  text_clear(&t);
  text_put(&t, HEAD "conditions:\n");
  for (int i = 0; i <= JOB_CONDITIONS_MAX; i++)
    text_format(&t, "- {name: c%d, mode: plain}\n", i);
  ck_fails(fake_read(&j, t.data, t.bytes, &err), E_INPUT, "more than 10000 conditions");
  ck_assert_int_eq(err.line, 4 + JOB_CONDITIONS_MAX);

  text_clear(&t);
  text_put(&t, HEAD "conditions: [{name: c, mode: fake,\n beam: [1");
  for (int i = 2; i <= 100; i++)
    text_format(&t, ", %d", i);
  text_put(&t, "],\n targets: [1");
  for (int i = 2; i <= 101; i++)
    text_format(&t, ", %d", i);
  text_put(&t, "]}]\n");
  ck_fails(fake_read(&j, t.data, t.bytes, &err), E_INPUT, "the sweep of \"c\" has more than 10000");
  ck_assert_int_eq(err.line, 5);

  text_clear(&t);
  for (int i = 0; i < 300; i++)
    text_format(&t, "k%d: 1\n", i);
  ck_fails(fake_read(&j, t.data, t.bytes, &err), E_INPUT, "more than 256 keys");
  ck_assert_int_eq(err.line, 257);

  text_clear(&t);
  text_put(&t, "a: [1");
  for (int i = 0; i < 1000000; i++)
    text_put(&t, ",1");
  ck_fails(fake_read(&j, t.data, t.bytes, &err), E_INPUT, "more than 1000000 values");

  text_clear(&t);
  text_put(&t, HEAD "conditions: [{name: ");
  for (int i = 0; i < 195; i++)
    text_char(&t, 'c');
  text_put(&t, ", mode: fake, beam: [1]}]\n");
  ck_fails(fake_read(&j, t.data, t.bytes, &err), E_INPUT, "a name of more than 200 bytes");
  ck_assert_int_eq(err.line, 3);
  text_close(&t);
}
END_TEST

/* ---- what is read --------------------------------------------------------------------------- */

START_TEST(test_defaults) {
  job *j = fake_job(ONE);
  ck_assert_str_eq(j->name, "j");
  ck_assert_str_eq(j->tasks, "t");
  ck_assert_int_eq(j->seed, 0);
  ck_assert_int_eq(j->repeats, 1);
  ck_assert_int_eq(j->retries, 2);
  ck_assert_int_eq(j->allowed_failures, 0);
  ck_assert_uint_eq(j->condition_count, 1);
  ck_assert_uint_eq(j->compare_count, 0);
  const job_condition *c = &j->conditions[0];
  ck_assert_str_eq(c->name, "c");
  ck_assert_str_eq(c->family, "c");
  ck_assert_str_eq(c->mode->name, "fake");
  ck_assert_ptr_null(c->checker);
  ck_assert_int_eq(c->line, 3);
  text t;
  fake_canonical(j->document, &t);
  ck_assert_str_eq(text_string(&t),
                   "{\"allowed_failures\":0,\"compare\":[],\"conditions\":[{\"axes\":{},\"beam\":5,"
                   "\"family\":\"c\",\"mode\":\"fake\",\"name\":\"c\",\"search\":\"sosp\"}],"
                   "\"name\":\"j\",\"repeats\":1,\"retries\":2,\"seed\":0,\"tasks\":\"t\"}");
  text_close(&t);
  job_close(j);
}
END_TEST

START_TEST(test_all_fields) {
  job *j = fake_job("name: a.B_9+-\ntasks: set@3\nseed: 9223372036854775807\nrepeats: 10000\n"
                    "retries: 0\nallowed_failures: 7\nchecker: countdown\n"
                    "conditions:\n"
                    "- {name: x, mode: fake}\n"
                    "- {name: y, mode: plain, family: z}\n"
                    "- {name: w, mode: plain, checker: countdown-lenient}\n"
                    "compare:\n"
                    "- {a: x, b: z, axis: nodes_explored, at: [1, 2.5, 1e3], margin: 0.05}\n"
                    "- {a: y, b: x}\n");
  ck_assert_str_eq(j->name, "a.B_9+-");
  ck_assert_str_eq(j->tasks, "set@3");
  ck_assert_int_eq(j->seed, INT64_MAX);
  ck_assert_int_eq(j->repeats, 10000);
  ck_assert_int_eq(j->retries, 0);
  ck_assert_int_eq(j->allowed_failures, 7);
  ck_assert_str_eq(j->conditions[0].checker, "countdown");
  ck_assert_str_eq(j->conditions[2].checker, "countdown-lenient");
  ck_assert_str_eq(j->conditions[1].family, "z");
  ck_assert_int_eq(j->conditions[1].line, 10);
  ck_assert_uint_eq(j->compare_count, 2);
  const job_contrast *c = j->compare;
  ck_assert_str_eq(c[0].a, "x");
  ck_assert_str_eq(c[0].b, "z");
  ck_assert_str_eq(c[0].axis, "nodes_explored");
  ck_assert_uint_eq(c[0].at_count, 3);
  ck_assert_double_eq(c[0].at[1], 2.5);
  ck_assert_double_eq(c[0].at[2], 1000);
  ck_assert_double_eq(c[0].margin, 0.05);
  ck_assert_int_eq(c[1].line, 14);
  ck_assert_ptr_null(c[1].axis);
  ck_assert_uint_eq(c[1].at_count, 0);
  ck_assert_double_eq(c[1].margin, 0.02);
  job_close(j);
}
END_TEST

/* The mark that some editors begin a file with is no part of it, and lines count as without it. */
START_TEST(test_byte_order_mark) {
  job *j = fake_job("\xef\xbb\xbf" HEAD "conditions: [{name: a, mode: fake}]\n");
  ck_assert_str_eq(j->conditions[0].name, "a");
  ck_assert_int_eq(j->conditions[0].line, 3);
  job_close(j);
}
END_TEST

/* The first axis in file order is the slowest, a nested one has a dotted path, and the values of an
   axis are those of its condition. */
START_TEST(test_sweep) {
  static const char *const names[] = {"sos+ beam=1",
                                      "sos+ beam=2",
                                      "apr limit.context=2048 beam=2 temperature=0.1",
                                      "apr limit.context=2048 beam=2 temperature=1",
                                      "apr limit.context=2048 beam=4 temperature=0.1",
                                      "apr limit.context=2048 beam=4 temperature=1",
                                      "apr limit.context=4096 beam=2 temperature=0.1",
                                      "apr limit.context=4096 beam=2 temperature=1",
                                      "apr limit.context=4096 beam=4 temperature=0.1",
                                      "apr limit.context=4096 beam=4 temperature=1",
                                      "one targets=10-20",
                                      "one targets=7",
                                      "alone"};
  job *j = fake_job(HEAD "conditions:\n"
                         "- {name: sos+, mode: fake, beam: [1, 2]}\n"
                         "- {name: apr, mode: fake, limit: {context: [2048, 4096]}, search: apr,\n"
                         "   beam: [2, 4], child_beam: 15, temperature: [0.1, 1]}\n"
                         "- {name: one, mode: fake, targets: [10-20, 7-7]}\n"
                         "- {name: alone, mode: plain}\n");
  ck_assert_uint_eq(j->condition_count, sizeof names / sizeof *names);
  for (size_t i = 0; i < j->condition_count; i++)
    ck_assert_str_eq(j->conditions[i].name, names[i]);
  const job_condition *c = &j->conditions[5];
  ck_assert_str_eq(c->family, "apr");
  ck_assert_int_eq(c->line, 5);
  text t;
  fake_canonical(c->parameters, &t);
  ck_assert_str_eq(text_string(&t), "{\"beam\":4,\"child_beam\":15,\"limit\":{\"context\":2048},"
                                    "\"search\":\"apr\",\"temperature\":1.0}");
  text_close(&t);
  fake_canonical(c->axes, &t);
  ck_assert_str_eq(text_string(&t), "{\"beam\":4,\"limit.context\":2048,"
                                    "\"temperature\":1.0}");
  text_close(&t);
  job_close(j);
}
END_TEST

/* Checks names and canonical parameters of all conditions, "name\nparameters\n" each. */
static void check_conditions(const job *j, const char *expected) {
  text all;
  text_open(&all, 1 << 16);
  for (size_t i = 0; i < j->condition_count; i++) {
    text one;
    fake_canonical(j->conditions[i].parameters, &one);
    text_format(&all, "%s\n%s\n", j->conditions[i].name, text_string(&one));
    text_close(&one);
  }
  ck_assert_str_eq(text_string(&all), expected);
  text_close(&all);
}

static void check_document(const job *j, const char *expected) {
  text t;
  fake_canonical(j->document, &t);
  ck_assert_str_eq(text_string(&t), expected);
  text_close(&t);
}

/* One model names nothing; what the job says of sampling is what an entry does not say; and all of
   it stands in the resolved document, entry by entry. */
START_TEST(test_model) {
  job *j = fake_job(HEAD "models: [some/folder/tiny/]\nsampling: {temperature: 1, top_k: 50}\n"
                         "engine: {kv_memory: 2048MiB, slots: 4, rows: 64, compute: fp32}\n"
                         "record: {logprobs: true}\n"
                         "conditions:\n- {name: a, mode: reason, sampling: {top_k: 0}}\n"
                         "- {name: b, mode: reason, model: 'own model'}\n"
                         "- {name: c, mode: plain}\n");
  ck_assert_str_eq(j->conditions[0].model, "some/folder/tiny/");
  ck_assert_str_eq(j->conditions[1].model, "own model");
  ck_assert_ptr_null(j->conditions[2].model);
  ck_assert_str_eq(j->engine.backend, "auto");
  ck_assert_int_eq(j->engine.fp32, 1);
  ck_assert_int_eq(j->engine.kv_memory_bytes, (int64_t)2 << 30);
  ck_assert_int_eq(j->engine.slots, 4);
  ck_assert_int_eq(j->engine.rows, 64);
  ck_assert_int_eq(j->logprobs, 1);
  check_conditions(j, "a\n{\"sampling\":{\"temperature\":1.0,\"top_k\":0}}\n"
                      "b\n{\"sampling\":{\"temperature\":1.0,\"top_k\":50}}\nc\n{}\n");
  check_document(
      j, "{\"allowed_failures\":0,\"compare\":[],\"conditions\":[{\"axes\":{},\"family\":\"a\","
         "\"mode\":\"reason\",\"model\":\"some/folder/tiny/\",\"name\":\"a\",\"sampling\":{"
         "\"temperature\":1.0,\"top_k\":0}},{\"axes\":{},\"family\":\"b\",\"mode\":\"reason\","
         "\"model\":\"own model\",\"name\":\"b\",\"sampling\":{\"temperature\":1.0,\"top_k\":50}},"
         "{\"axes\":{},\"family\":\"c\",\"mode\":\"plain\",\"name\":\"c\"}],\"engine\":{"
         "\"backend\":\"auto\",\"compute\":\"fp32\",\"kv_memory\":\"2GiB\",\"rows\":64,"
         "\"slots\":4},\"name\":\"j\",\"record\":{\"logprobs\":true},\"repeats\":1,"
         "\"retries\":2,\"seed\":0,\"tasks\":\"t\"}");
  job_close(j);
  j = fake_job(HEAD "models: tiny\nconditions: [{name: a, mode: reason}]\n");
  ck_assert_str_eq(j->conditions[0].name, "a");
  ck_assert_str_eq(j->conditions[0].model, "tiny");
  ck_assert_int_eq(j->logprobs, 0);
  ck_assert_int_eq(j->engine.kv_memory_bytes, 0);
  ck_assert_int_eq(j->engine.slots + j->engine.rows + j->engine.fp32, 0);
  job_close(j);
}
END_TEST

/* Several models are the slowest axis, then what the job says of sampling, then the entry. */
START_TEST(test_models) {
  job *j = fake_job(HEAD "models: [x/a, b/]\nsampling: {temperature: [0, 1]}\n"
                         "conditions:\n- {name: one, mode: reason, label: {tokens: [5, 6]}}\n"
                         "- {name: two, mode: reason, model: c, sampling: {temperature: 2}}\n");
  check_conditions(j, "one model=a sampling.temperature=0 label.tokens=5\n"
                      "{\"label\":{\"tokens\":5},\"sampling\":{\"temperature\":0.0}}\n"
                      "one model=a sampling.temperature=0 label.tokens=6\n"
                      "{\"label\":{\"tokens\":6},\"sampling\":{\"temperature\":0.0}}\n"
                      "one model=a sampling.temperature=1 label.tokens=5\n"
                      "{\"label\":{\"tokens\":5},\"sampling\":{\"temperature\":1.0}}\n"
                      "one model=a sampling.temperature=1 label.tokens=6\n"
                      "{\"label\":{\"tokens\":6},\"sampling\":{\"temperature\":1.0}}\n"
                      "one model=b sampling.temperature=0 label.tokens=5\n"
                      "{\"label\":{\"tokens\":5},\"sampling\":{\"temperature\":0.0}}\n"
                      "one model=b sampling.temperature=0 label.tokens=6\n"
                      "{\"label\":{\"tokens\":6},\"sampling\":{\"temperature\":0.0}}\n"
                      "one model=b sampling.temperature=1 label.tokens=5\n"
                      "{\"label\":{\"tokens\":5},\"sampling\":{\"temperature\":1.0}}\n"
                      "one model=b sampling.temperature=1 label.tokens=6\n"
                      "{\"label\":{\"tokens\":6},\"sampling\":{\"temperature\":1.0}}\n"
                      "two\n{\"sampling\":{\"temperature\":2.0}}\n");
  ck_assert_str_eq(j->conditions[3].model, "x/a");
  ck_assert_str_eq(j->conditions[4].model, "b/");
  text t;
  fake_canonical(j->conditions[4].axes, &t);
  ck_assert_str_eq(text_string(&t),
                   "{\"label.tokens\":5,\"model\":\"b\",\"sampling.temperature\":0.0}");
  text_close(&t);
  job_close(j);
}
END_TEST

/* A list of texts is one value and a list of lists an axis; what is no short word has a number. */
START_TEST(test_texts) {
  job *j = fake_job(HEAD "conditions:\n"
                         "- {name: a, mode: fake, search: dfs, beam: 1, stop: [x, 'y z']}\n"
                         "- {name: b, mode: fake, search: dfs, beam: 1, stop: [[x], [], [x, y]]}\n"
                         "- {name: c, mode: fake, search: dfs, beam: 1,\n"
                         "   prompt: [short, two words, a.b_c+d-e,\n"
                         "            this-one-would-make-a-name-too-long]}\n"
                         "- {name: 'd#2', mode: fake, search: [dfs], beam: 1}\n");
  check_conditions(j,
                   "a\n{\"beam\":1,\"search\":\"dfs\",\"stop\":[\"x\",\"y z\"]}\n"
                   "b stop=#1\n{\"beam\":1,\"search\":\"dfs\",\"stop\":[\"x\"]}\n"
                   "b stop=#2\n{\"beam\":1,\"search\":\"dfs\",\"stop\":[]}\n"
                   "b stop=#3\n{\"beam\":1,\"search\":\"dfs\",\"stop\":[\"x\",\"y\"]}\n"
                   "c prompt=short\n{\"beam\":1,\"prompt\":\"short\",\"search\":\"dfs\"}\n"
                   "c prompt=#2\n{\"beam\":1,\"prompt\":\"two words\",\"search\":\"dfs\"}\n"
                   "c prompt=a.b_c+d-e\n{\"beam\":1,\"prompt\":\"a.b_c+d-e\",\"search\":\"dfs\"}\n"
                   "c prompt=#4\n{\"beam\":1,\"prompt\":\"this-one-would-make-a-name-too-long\","
                   "\"search\":\"dfs\"}\n"
                   "d#2 search=dfs\n{\"beam\":1,\"search\":\"dfs\"}\n");
  text document, axes;
  fake_canonical(j->conditions[3].axes, &axes);
  ck_assert_str_eq(text_string(&axes), "{\"stop\":[\"x\",\"y\"]}");
  fake_canonical(j->document, &document);
  job *again = fake_job(text_string(&document));
  ck_assert(json_equal(j->document, again->document));
  text_close(&axes);
  text_close(&document);
  job_close(again);
  job_close(j);
}
END_TEST

/* Numbers by the core schema of YAML 1.2, and quotes that make text. */
START_TEST(test_scalars) {
  static const struct {
    const char *written;
    int64_t seed;
  } seeds[] = {{"010", 10}, {"0o10", 8}, {"0x1F", 31}, {"+7", 7}, {"-0", 0}};
  for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
    char file[128];
    (void)snprintf(file, sizeof file, "%sseed: %s\n", ONE, seeds[i].written);
    job *j = fake_job(file);
    ck_assert_int_eq(j->seed, seeds[i].seed);
    job_close(j);
  }
  static const char *const words[] = {"no",   "yes", "on",    "1_000", "12:30:45",
                                      "0b11", "1e",  "\"7\"", "'1.5'", "0o8",
                                      "0x",   ".",   "+",     "1.2.3"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    char file[128];
    (void)snprintf(file, sizeof file, "name: j\ntasks: %s\nconditions: [{name: c, mode: fake}]\n",
                   words[i]);
    job *j = fake_job(file);
    size_t quoted = words[i][0] == '"' || words[i][0] == '\'';
    ck_assert_mem_eq(j->tasks, words[i] + quoted, strlen(words[i]) - 2 * quoted);
    job_close(j);
  }
}
END_TEST

START_TEST(test_default_checker) {
  detail err = {0};
  job *j = fake_job(HEAD "conditions: [{name: a, mode: plain}, {name: b, mode: plain, checker: "
                         "countdown-lenient}]\n");
  ck_assert_ptr_null(
      json_object_get(json_array_get(json_object_get(j->document, "conditions"), 0), "checker"));
  ck_ok(job_default_checker(j, "countdown", &err));
  ck_assert_str_eq(j->conditions[0].checker, "countdown");
  ck_assert_str_eq(j->conditions[1].checker, "countdown-lenient");
  json_t *first = json_array_get(json_object_get(j->document, "conditions"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(first, "checker")), "countdown");
  job_close(j);
}
END_TEST

/* Each allocation of ours fails in turn: E_MEMORY, no crash, and in the end a job. */
START_TEST(test_memory) {
  static const char file[] = HEAD "conditions: [{name: a, mode: fake, beam: [1, 2]},\n"
                                  "{name: b, mode: fake},\n"
                                  "{name: c, mode: reason, stop: [[x], [y]]}]\n"
                                  "models: [x/m, y/n]\nsampling: {top_k: 5}\n"
                                  "engine: {kv_memory: 1MiB}\n"
                                  "compare: [{a: a, b: b, axis: tokens_ref, at: [5]}]\n";
  int64_t failures = 0;
  for (;; failures++) {
    detail err = {0};
    job *j = NULL;
    memory_fail_after(failures);
    status s = fake_read(&j, file, strlen(file), &err);
    memory_fail_after(-1);
    job_close(j);
    if (!s) break;
    ck_assert_msg(s == E_MEMORY, "%s: %s", status_name(s), err.text);
    ck_assert(err.text[0]);
  }
  ck_assert_int_gt(failures, 5);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("job");
  TCase *refuses = tcase_create("refuses");
  tcase_add_test(refuses, test_refused);
  tcase_add_test(refuses, test_bounds);
  suite_add_tcase(suite, refuses);
  TCase *reads = tcase_create("reads");
  tcase_add_test(reads, test_defaults);
  tcase_add_test(reads, test_all_fields);
  tcase_add_test(reads, test_byte_order_mark);
  tcase_add_test(reads, test_sweep);
  tcase_add_test(reads, test_model);
  tcase_add_test(reads, test_models);
  tcase_add_test(reads, test_texts);
  tcase_add_test(reads, test_scalars);
  tcase_add_test(reads, test_default_checker);
  tcase_add_test(reads, test_memory);
  suite_add_tcase(suite, reads);
  return support_run(suite);
}
