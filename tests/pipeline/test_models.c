/* Models of a job: how they are opened and told apart, and what a condition leaves to them. */
#include "pipeline/models.h"
#include "tests/pipeline/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tokenizer of words, whose post-processor puts what stands in `around` about a text ($A). */
#define WORDS(begin, around)                                                                       \
  "{\"added_tokens\": [{\"id\": " begin ", \"content\": \"<s>\", \"special\": true, \"lstrip\": "  \
  "false, \"rstrip\": false, \"normalized\": false, \"single_word\": false}], \"normalizer\": "    \
  "null, \"pre_tokenizer\": {\"type\": \"Whitespace\"}, \"post_processor\": {\"type\": "           \
  "\"TemplateProcessing\", \"single\": [" around "], \"pair\": [], \"special_tokens\": {\"<s>\": " \
  "{\"id\": \"<s>\", \"ids\": [" begin "], \"tokens\": [\"<s>\"]}}}, \"decoder\": null, "          \
  "\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0, \"b\": 1, \"?\": 2, \"<s>\": " begin \
  "}, \"unk_token\": \"?\"}}"
#define BEGIN "{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, "
#define TEXT  "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
#define END   ", {\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}"

static job_model *opened(const char *folder) {
  detail err = {0};
  job_model *m = NULL;
  ck_ok(job_model_open(&m, folder, NULL, NULL, &err));
  return m;
}

START_TEST(test_open) {
  detail err = {0};
  char path[512], hex[HASH_HEX_BYTES], unit[MODEL_UNIT_BYTES];
  const char *folder = tiny_model("small", 1, ELEMENT_BF16, NULL), *hashes = support_path("cache");
  hash value;
  job_model *m = opened(folder), *again = NULL;
  ck_assert_str_eq(m->name, "small");
  ck_assert_ptr_eq(m->path, folder);
  ck_assert_int_eq(m->begin_count, 1);
  ck_assert_int_eq((int)m->begin[0], tokenizer_find(m->tokenizer, TOKENIZER_SYNTH_BEGIN, 9));
  ck_ok(model_hash(m->model, NULL, NULL, &value, &err));
  ck_assert(hash_equal(&m->hash, &value));
  (void)snprintf(path, sizeof path, "%s/tokenizer.json", folder);
  size_t bytes;
  char *file = support_read(path, &bytes);
  value = hash_of(file, bytes);
  free(file);
  ck_assert(hash_equal(&m->tokenizer_hash, &value));
  (void)snprintf(unit, sizeof unit, "tok-%.12s", hash_hex(&value, hex));
  ck_assert_str_eq(m->token_unit, unit);
  for (int i = 0; i < 2; i++) {
    ck_ok(job_model_open(&again, folder, hashes, NULL, &err));
    ck_assert(hash_equal(&m->hash, &again->hash));
    job_model_close(again);
  }
  job_model_close(m);
}
END_TEST

/* What stands before a text is told from what stands behind it, and from none. */
START_TEST(test_begin) {
  static const struct {
    const char *tokenizer;
    int count;
  } cases[] = {{WORDS("7", TEXT), 0},
               {WORDS("7", TEXT END), 0},
               {WORDS("7", BEGIN TEXT END), 1},
               {WORDS("7", BEGIN BEGIN TEXT), 2}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "words%zu", i);
    job_model *m = opened(tiny_model(name, 1, ELEMENT_BF16, cases[i].tokenizer));
    ck_assert_int_eq(m->begin_count, cases[i].count);
    for (int k = 0; k < m->begin_count; k++)
      ck_assert_uint_eq(m->begin[k], 7);
    job_model_close(m);
  }
}
END_TEST

START_TEST(test_refused) {
  detail err = {0};
  job_model *m = NULL;
  ck_fails(job_model_open(&m, "/nowhere/at/all", NULL, NULL, &err), E_INPUT, "no such folder");
  const char *folder = tiny_model("far", 1, ELEMENT_BF16, WORDS("515", BEGIN TEXT));
  ck_fails(job_model_open(&m, folder, NULL, NULL, &err), E_INPUT,
           "puts token 515 before a text, and the model's vocabulary has 515 ids");
  folder = tiny_model("many", 1, ELEMENT_BF16,
                      WORDS("7", BEGIN BEGIN BEGIN BEGIN BEGIN BEGIN BEGIN BEGIN BEGIN TEXT));
  ck_fails(job_model_open(&m, folder, NULL, NULL, &err), E_INPUT, "puts 9 tokens before a text");
  tiny_write(folder, "tokenizer.json", "{}");
  ck_fails(job_model_open(&m, folder, NULL, NULL, &err), E_INPUT, "");
  ck_assert_ptr_nonnull(strstr(err.file, "many/tokenizer.json"));
  ck_assert_int_eq(remove(strcat(strcpy((char[512]){0}, folder), "/tokenizer.json")), 0);
  ck_fails(job_model_open(&m, folder, NULL, NULL, &err), E_INPUT, "there is no such file");
}
END_TEST

/* What a model's files say and what is not done is a warning. */
START_TEST(test_warnings) {
  detail err = {0};
  logger *messages = NULL;
  job_model *m = NULL;
  const char *folder = tiny_model("warns", 1, ELEMENT_BF16, WORDS("600", TEXT));
  const char *path = support_path("messages");
  tiny_write(folder, "generation_config.json",
             "{\"repetition_penalty\": 1.5, \"eos_token_id\": 3}");
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_ok(log_open(&messages, file, 0, 0, &err));
  ck_ok(job_model_open(&m, folder, NULL, messages, &err));
  job_model_close(m);
  log_close(messages);
  (void)fclose(file);
  char *said = support_read(path, NULL);
  ck_assert_ptr_nonnull(strstr(said, "sets repetition_penalty, which is not applied"));
  ck_assert_ptr_nonnull(strstr(said, "the tokenizer has 601 ids and the model 515"));
  free(said);
}
END_TEST

/* ---- what is left to a model ----------------------------------------------------------------- */

static void check_settled(const job_model *m, const char *given, const char *expected) {
  detail err = {0};
  json_t *parameters = NULL, *settled = NULL;
  text t;
  text_open(&t, 4096);
  ck_ok(json_read(&parameters, given, strlen(given), "test", 1, &err));
  ck_ok(job_model_settle(m, parameters, &settled, &err));
  ck_ok(json_canonical(settled, &t, &err));
  ck_assert_str_eq(text_string(&t), expected);
  text_clear(&t);
  ck_ok(json_canonical(parameters, &t, &err));
  ck_assert_str_eq(text_string(&t), given); /* the condition stays as it was */
  text_close(&t);
  json_decref(parameters);
  json_decref(settled);
}

START_TEST(test_settle) {
  const char *folder = tiny_model("small", 1, ELEMENT_BF16, NULL);
  job_model *m = opened(folder);
  check_settled(m, "{}",
                "{\"limit\":{\"context\":1024},\"sampling\":{\"min_p\":0.0,\"temperature\":1.0,"
                "\"top_k\":0,\"top_p\":1.0}}");
  check_settled(m, "{\"limit\":{\"tokens_thread\":5},\"n\":3,\"sampling\":{\"temperature\":0.5}}",
                "{\"limit\":{\"context\":1024,\"tokens_thread\":5},\"n\":3,\"sampling\":{\"min_p\":"
                "0.0,\"temperature\":0.5,\"top_k\":0,\"top_p\":1.0}}");
  job_model_close(m);
  tiny_write(folder, "generation_config.json",
             "{\"do_sample\": true, \"temperature\": 0.6, \"top_k\": 20, \"top_p\": 0.95}");
  m = opened(folder);
  check_settled(m, "{\"begin\":2,\"limit\":{\"context\":100},\"sampling\":{\"top_k\":0}}",
                "{\"begin\":2,\"limit\":{\"context\":100},\"sampling\":{\"min_p\":0.0,"
                "\"temperature\":0.6,\"top_k\":0,\"top_p\":0.95}}");
  job_model_close(m);
}
END_TEST

static void check_class(const char *backend, int fp32, const char *expected) {
  detail err = {0};
  job_engine e = {.backend = backend, .fp32 = fp32, .slots = 3, .rows = 9};
  engine_options options = job_engine_options(&e);
  text t;
  text_open(&t, 64);
  ck_ok(job_model_class(&options, &t, &err));
  ck_assert_str_eq(text_string(&t), expected);
  ck_assert_int_eq(options.slots, 3);
  ck_assert_int_eq(options.rows, 9);
  text_close(&t);
}

START_TEST(test_class) {
  detail err = {0};
  check_class("auto", 0, "cpu-1 bf16");
  check_class("cpu", 0, "cpu-1 bf16");
  check_class("reference", 0, "cpu-1 bf16");
  check_class("reference", 1, "cpu-1 fp32");
  text t;
  text_open(&t, 64);
  ck_fails(job_model_class(&(engine_options){.backend = "abacus"}, &t, &err), E_INPUT,
           "'abacus' has no determinism class");
  text_close(&t);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("models");
  TCase *cases = tcase_create("models");
  tcase_add_test(cases, test_open);
  tcase_add_test(cases, test_begin);
  tcase_add_test(cases, test_refused);
  tcase_add_test(cases, test_warnings);
  tcase_add_test(cases, test_settle);
  tcase_add_test(cases, test_class);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
