/* Identities: what makes a new run and what does not, and the reason that is given for one. */
#include "pipeline/identity.h"
#include "tests/pipeline/fake_modes.h"

#include <stdio.h>
#include <string.h>

static void put_identity(const job *j, size_t condition, text *out) {
  detail err = {0};
  const job_condition *c = &j->conditions[condition];
  hash tasks = hash_of(j->tasks, strlen(j->tasks)); /* stands for the set's content */
  identity i = {.determinism_class = c->mode->rules,
                .mode = c->mode->name,
                .token_unit = c->mode->token_unit,
                .parameters = c->parameters,
                .seed = j->seed,
                .task_set = &tasks};
  text_open(out, 1 << 20);
  ck_ok(identity_json(&i, out, &err));
}

START_TEST(test_form) {
  job *j = fake_job("name: j\ntasks: t\nseed: 42\nconditions: [{name: a, mode: fake, beam: [3],"
                    " limit: {context: 2048}}]\n");
  text t;
  put_identity(j, 0, &t);
  ck_assert_str_eq(
      text_string(&t),
      "{\"class\":\"fake-1\",\"mode\":\"fake\",\"parameters\":{\"beam\":3,\"limit\":{\"context\":"
      "2048},\"search\":\"sosp\"},\"seed\":42,\"task_set\":"
      "\"e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8\","
      "\"token_unit\":\"llama2\"}");
  text_close(&t);
  job_close(j);
}
END_TEST

/* ---- which changes make a new run ----------------------------------------------------------- */

static const char base_job[] =
    "name: j\ntasks: t\nseed: 1\nrepeats: 2\nretries: 3\nallowed_failures: 4\nchecker: countdown\n"
    "conditions:\n"
    "- {name: a, mode: fake, search: apr, beam: 3, child_beam: 4, limit: {context: 500},\n"
    "   targets: 10-20, temperature: 1}\n"
    "- {name: b, mode: fake}\n- {name: b2, mode: fake}\n"
    "compare:\n- {a: b, b: b2, axis: tokens_ref, at: [5], margin: 0.1}\n";

static const struct {
  const char *from, *to;
  int is_new; /* whether condition a becomes a new run */
} changes[] = {
    {"tasks: t", "tasks: u", 1},
    {"seed: 1", "seed: 2", 1},
    {"mode: fake, search: apr, beam: 3, child_beam: 4, limit: {context: 500},\n"
     "   targets: 10-20, temperature: 1",
     "mode: plain", 1},
    {"search: apr, beam: 3, child_beam: 4", "search: bfs, beam: 3", 1},
    {"beam: 3", "beam: 2", 1},
    {"child_beam: 4", "child_beam: 5", 1},
    {", child_beam: 4", "", 1}, /* by default 3 */
    {"context: 500", "context: 501", 1},
    {"context: 500", "children: 500", 1},
    {"context: 500", "context: 500, children: 0", 1},
    {"targets: 10-20", "targets: 10-21", 1},
    {"targets: 10-20", "targets: 10", 1},
    {"temperature: 1", "temperature: 1.5", 1},
    {"name: j", "name: k", 0},
    {"repeats: 2", "repeats: 3", 0},
    {"retries: 3", "retries: 0", 0},
    {"allowed_failures: 4", "allowed_failures: 0", 0},
    {"checker: countdown", "checker: countdown-lenient", 0},
    {"mode: fake, search", "checker: countdown-lenient, mode: fake, search", 0},
    {"mode: fake, search", "family: f, mode: fake, search", 0},
    {"name: b, mode: fake", "name: b, mode: plain", 0},
    {"- {name: b", "- {name: c, mode: fake}\n- {name: b", 0},
    {"axis: tokens_ref, at: [5], margin: 0.1", "margin: 0.2", 0},
    {"search: apr, beam: 3", "beam: 3, search: apr", 0},
    {"temperature: 1", "temperature: 1.0", 0},
    {"temperature: 1", "temperature: 1.0000000000000001", 0}, /* past the 15th digit */
    {"context: 500", "context: 0x1f4", 0},
};

static job *changed_job(const char *from, const char *to) {
  const char *at = strstr(base_job, from);
  ck_assert_msg(at != NULL, "\"%s\" is not in the job", from);
  text t;
  text_open(&t, 1 << 16);
  text_add(&t, base_job, (size_t)(at - base_job));
  text_put(&t, to);
  text_put(&t, at + strlen(from));
  job *j = fake_job(text_string(&t));
  text_close(&t);
  return j;
}

START_TEST(test_changes) {
  job *j = fake_job(base_job);
  text before, after;
  put_identity(j, 0, &before);
  job_close(j);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    j = changed_job(changes[i].from, changes[i].to);
    put_identity(j, 0, &after);
    int is_new = strcmp(text_string(&before), text_string(&after)) != 0;
    ck_assert_msg(is_new == changes[i].is_new, "\"%s\" to \"%s\": %s", changes[i].from,
                  changes[i].to, is_new ? "a new run" : "the same run");
    text_close(&after);
    job_close(j);
  }
  text_close(&before);
}
END_TEST

/* What no job file can say: the class and the token unit of a mode. And names do not matter: a
   point of a sweep is the run of the same condition written alone. */
START_TEST(test_apart) {
  detail err = {0};
  hash tasks = hash_of("t", 1);
  json_t *parameters = json_object();
  identity one = {.determinism_class = "c-1",
                  .mode = "m",
                  .token_unit = "llama2",
                  .parameters = parameters,
                  .task_set = &tasks};
  identity kinds[3] = {one, one, one};
  kinds[1].determinism_class = "c-2";
  kinds[2].token_unit = "bytes";
  text a[3];
  for (int i = 0; i < 3; i++) {
    text_open(&a[i], 4096);
    ck_ok(identity_json(&kinds[i], &a[i], &err));
    for (int k = 0; k < i; k++)
      ck_assert_str_ne(text_string(&a[i]), text_string(&a[k]));
  }
  for (int i = 0; i < 3; i++)
    text_close(&a[i]);
  json_decref(parameters);
  job *j = fake_job("name: j\ntasks: t\nconditions: [{name: a, mode: fake, beam: [3, 4]},"
                    " {name: b, mode: fake, beam: 4, search: sosp}]\n");
  put_identity(j, 1, &a[0]);
  put_identity(j, 2, &a[1]);
  ck_assert_str_eq(text_string(&a[0]), text_string(&a[1]));
  text_close(&a[0]);
  text_close(&a[1]);
  job_close(j);
}
END_TEST

/* ---- what a model adds ---------------------------------------------------------------------- */

static const uint32_t begin_ids[] = {1, 1, 2}, end_ids[] = {5, 6, 7};

/* Appends the identity of a condition whose model is what with says. */
static void put_with(const identity_model *with, text *out) {
  detail err = {0};
  hash tasks = hash_of("t", 1);
  json_t *parameters = json_pack("{s:s}", "protocol", "p");
  identity i = {.determinism_class = "cpu-1 bf16",
                .mode = "serial",
                .token_unit = "tok-0",
                .parameters = parameters,
                .seed = 3,
                .task_set = &tasks,
                .model = with};
  text_clear(out);
  ck_ok(identity_json(&i, out, &err));
  json_decref(parameters);
}

START_TEST(test_form_with_model) {
  hash model = hash_of("m", 1), tokenizer = hash_of("k", 1);
  text t;
  text_open(&t, 1 << 16);
  put_with(&(identity_model){.rules = "serial-1 p-1",
                             .model = &model,
                             .tokenizer = &tokenizer,
                             .begin = begin_ids,
                             .begin_count = 2,
                             .ends = end_ids,
                             .end_count = 1},
           &t);
  ck_assert_str_eq(
      text_string(&t),
      "{\"begin\":[1,1],\"class\":\"cpu-1 bf16\",\"ends\":[5],\"mode\":\"serial\","
      "\"model\":\"62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a\","
      "\"parameters\":{\"protocol\":\"p\"},\"rules\":\"serial-1 p-1\",\"seed\":3,"
      "\"task_set\":\"e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8\","
      "\"token_unit\":\"tok-0\","
      "\"tokenizer\":\"8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a\"}");
  text_close(&t);
}
END_TEST

/* Each of its parts makes another run. */
START_TEST(test_apart_with_model) {
  enum { KINDS = 8 };
  hash model = hash_of("m", 1), other = hash_of("n", 1);
  identity_model kinds[KINDS];
  text known[KINDS];
  for (int i = 0; i < KINDS; i++) {
    kinds[i] = (identity_model){.rules = i == 1 ? "serial-2 p-1" : "serial-1 p-1",
                                .model = i == 2 ? &other : &model,
                                .tokenizer = i == 3 ? &other : &model,
                                .begin = i == 4 ? begin_ids + 1 : begin_ids,
                                .begin_count = i == 5 ? 1 : 2,
                                .ends = i == 6 ? end_ids + 1 : end_ids,
                                .end_count = i == 7 ? 2 : 1};
    text_open(&known[i], 1 << 16);
    put_with(&kinds[i], &known[i]);
    for (int k = 0; k < i; k++)
      ck_assert_str_ne(text_string(&known[i]), text_string(&known[k]));
  }
  for (int i = 0; i < KINDS; i++)
    text_close(&known[i]);
}
END_TEST

/* ---- explanations --------------------------------------------------------------------------- */

static json_t *parsed(const char *json) {
  detail err = {0};
  json_t *value = NULL;
  ck_ok(json_read(&value, json, strlen(json), "test", 1, &err));
  return value;
}

static void check_explained(const char *wanted_json, const char *known_json, const char *expected) {
  detail err = {0};
  json_t *wanted = parsed(wanted_json), *known = parsed(known_json);
  text t;
  text_open(&t, 1 << 16);
  ck_ok(identity_explain(wanted, known, &t, &err));
  ck_assert_str_eq(text_string(&t), expected);
  text_close(&t);
  json_decref(wanted);
  json_decref(known);
}

START_TEST(test_explain) {
  check_explained("{\"seed\":1}", "[]", "no run is known to compare with\n");
  check_explained("{\"seed\":1}", "[{\"seed\":2},{\"seed\":1}]",
                  "a run with this identity is known\n");
  check_explained("{\"parameters\":{\"beam\":4,\"limit\":{\"context\":9}},\"seed\":1}",
                  "[{\"parameters\":{\"beam\":3,\"limit\":{\"context\":8}},\"seed\":1},"
                  "{\"parameters\":{\"beam\":3,\"limit\":{\"context\":9}},\"seed\":1},"
                  "{\"parameters\":{\"beam\":5,\"limit\":{\"context\":9}},\"seed\":1}]",
                  "the nearest run differs in 1 field:\n  parameters.beam: 3 -> 4\n");
  check_explained("{\"parameters\":{\"limit\":{\"context\":9},\"search\":\"bfs\"},\"seed\":1}",
                  "[{\"class\":\"x\",\"parameters\":{\"search\":\"dfs\"},\"seed\":1}]",
                  "the nearest run differs in 3 fields:\n  class: \"x\" -> absent\n"
                  "  parameters.search: \"dfs\" -> \"bfs\"\n"
                  "  parameters.limit.context: absent -> 9\n");
}
END_TEST

START_TEST(test_explain_jobs) {
  job *j = fake_job("name: j\ntasks: t\nconditions: [{name: a, mode: fake, beam: [3, 9]},"
                    " {name: b, mode: plain}, {name: c, mode: fake, beam: 9, search: dfs}]\n");
  text known, wanted;
  text_open(&known, 1 << 16);
  for (size_t i = 0; i < 3; i++) {
    text one;
    put_identity(j, i, &one);
    text_format(&known, "%s%s", i ? "," : "[", text_string(&one));
    text_close(&one);
  }
  text_char(&known, ']');
  put_identity(j, 3, &wanted);
  check_explained(text_string(&wanted), text_string(&known),
                  "the nearest run differs in 1 field:\n"
                  "  parameters.search: \"sosp\" -> \"dfs\"\n");
  text_close(&known);
  text_close(&wanted);
  job_close(j);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("identity");
  TCase *cases = tcase_create("identity");
  tcase_add_test(cases, test_form);
  tcase_add_test(cases, test_changes);
  tcase_add_test(cases, test_apart);
  tcase_add_test(cases, test_form_with_model);
  tcase_add_test(cases, test_apart_with_model);
  tcase_add_test(cases, test_explain);
  tcase_add_test(cases, test_explain_jobs);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
