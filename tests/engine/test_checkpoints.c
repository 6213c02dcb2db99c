/* Published checkpoints as they are spelled on the Hugging Face hub: tests/engine/checkpoints.jsonl
   has a line for each, with the parameters that its safetensors hold in sum and what its
   generation_config.json comes to. Then the same files of fewer layers and ids, with weights. */
#include "base/memory.h"
#include "engine/model.h"
#include "tests/engine/prompt.h"
#include "tests/support/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKPOINTS = 15, REDUCED_IDS = 300, TOKENS = 3 };

/* A line of the file, to be given back by json_decref. */
static json_t *checkpoint(int index) {
  detail err;
  json_t *root = NULL;
  char *all = support_read("tests/engine/checkpoints.jsonl", NULL), *line = all;
  for (int i = 0; i < index; i++) {
    line = strchr(line, '\n');
    ck_assert_ptr_nonnull(line);
    line++;
  }
  ck_assert_ptr_nonnull(strchr(line, '\n'));
  size_t bytes = (size_t)(strchr(line, '\n') - line);
  ck_ok(json_read(&root, line, bytes, "checkpoints.jsonl", index + 1, &err));
  if (index == CHECKPOINTS - 1) ck_assert_int_eq(line[bytes + 1], 0);
  free(all);
  return root;
}

static json_t *part(const json_t *of, const char *name) {
  json_t *value = json_object_get(of, name);
  return json_is_null(value) ? NULL : value;
}

static double number(const json_t *of, const char *name) {
  ck_assert_msg(json_is_number(part(of, name)), "%s", name);
  return json_number_value(part(of, name));
}

static void check_generation(const model_generation *g, const json_t *says) {
  const json_t *ends = part(says, "ends");
  ck_assert_double_eq(g->temperature, number(says, "temperature"));
  ck_assert_double_eq(g->top_p, number(says, "top_p"));
  ck_assert_double_eq(g->min_p, 0);
  ck_assert_int_eq(g->top_k, (int)number(says, "top_k"));
  ck_assert_str_eq(g->not_applied, json_string_value(part(says, "not_applied")));
  ck_assert_uint_eq((size_t)g->end_count, json_array_size(ends));
  for (int i = 0; i < g->end_count; i++)
    ck_assert_int_eq(g->end_ids[i], json_integer_value(json_array_get(ends, (size_t)i)));
}

START_TEST(test_published) {
  detail err;
  model_config c;
  model_generation g;
  json_t *root = checkpoint(_i), *config = part(root, "config");
  ck_ok(config_read(&c, config, "config.json", &err));
  ck_assert_int_eq(config_parameters(&c), json_integer_value(part(root, "parameters")));
  ck_assert_double_eq(c.epsilon, number(config, "rms_norm_eps"));
  ck_assert_int_eq(c.context, (int)number(config, "max_position_embeddings"));
  ck_assert_int_eq(c.rope.kind, part(config, "rope_scaling") ? ROPE_LLAMA3 : ROPE_PLAIN);
  ck_ok(config_read_generation(&g, &c, part(root, "generation"), "generation_config.json", config,
                               "config.json", &err));
  check_generation(&g, part(root, "says"));
  json_decref(root);
}
END_TEST

/* ---- reduced, with weights ------------------------------------------------------------------- */

static void set(json_t *object, const char *name, int64_t value) {
  ck_assert_int_eq(json_object_set_new(object, name, json_integer(value)), 0);
}

/* An id, or each of a list, brought below REDUCED_IDS. */
static void reduce_ids(json_t *object, const char *name) {
  json_t *value = part(object, name);
  for (size_t i = 0; i < json_array_size(value); i++) {
    json_int_t id = json_integer_value(json_array_get(value, i));
    ck_assert_int_eq(json_array_set_new(value, i, json_integer(id % REDUCED_IDS)), 0);
  }
  if (json_is_integer(value)) set(object, name, json_integer_value(value) % REDUCED_IDS);
}

/* Two layers of one key head: what is said or left unsaid stays so. */
static void reduce(json_t *config) {
  int heads = (int)number(config, "num_attention_heads");
  int hidden = (int)number(config, "hidden_size"), shared = heads;
  shared /= (int)number(config, "num_key_value_heads");
  set(config, "num_hidden_layers", 2);
  set(config, "hidden_size", part(config, "head_dim") ? 96 : hidden / heads * shared);
  set(config, "intermediate_size", 80);
  set(config, "num_attention_heads", shared);
  set(config, "num_key_value_heads", 1);
  set(config, "vocab_size", REDUCED_IDS);
}

static void write_json(const char *folder, const char *name, const json_t *value) {
  char path[512], *dumped = json_dumps(value, JSON_INDENT(2));
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  ck_assert_ptr_nonnull(dumped);
  support_write(path, dumped);
  memory_free(dumped);
}

/* A folder of the reduced checkpoint, in its own spelling. */
static void write_reduced(const char *folder, json_t *root) {
  detail err;
  synth_shape shape = {.name = "reduced"};
  json_t *config = part(root, "config"), *generation = part(root, "generation");
  static const char *const ids[] = {"bos_token_id", "eos_token_id", "pad_token_id"};
  reduce(config);
  for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
    reduce_ids(config, ids[i]);
    reduce_ids(generation, ids[i]);
  }
  ck_ok(config_read(&shape.config, config, "config.json", &err));
  synth_options o = {.shape = &shape, .folder = folder, .element = ELEMENT_BF16, .shards = 2};
  ck_ok(synth_write(&o, &err));
  write_json(folder, "config.json", config);
  if (generation) write_json(folder, "generation_config.json", generation);
}

/* Shown, opened, and run to its first logits. */
START_TEST(test_reduced) {
  detail err;
  model *m = NULL;
  forward *f = NULL;
  float logits[TOKENS * REDUCED_IDS];
  static const uint32_t ids[TOKENS] = {1, 2, 299};
  const char *folder = support_path("m");
  json_t *root = checkpoint(_i);
  write_reduced(folder, root);
  outcome shown = nightjar("model", "show", "--json", "--no-hash", folder);
  ck_ended(shown, 0);
  json_t *data = program_json(shown.out);
  ck_ok(model_open(&m, folder, &err));
  ck_assert_str_eq(json_string_value(part(data, "architecture")), model_config_of(m)->architecture);
  forward_options o = prompt_options("cpu", COMPUTE_BF16, TOKENS);
  o.positions = TOKENS;
  ck_ok(forward_open(&f, m, &o, &err));
  ck_ok(prompt_feed(f, REDUCED_IDS, ids, 0, TOKENS, TOKENS, logits, &err));
  for (int i = 0; i < TOKENS * REDUCED_IDS; i++)
    if (!isfinite(logits[i])) ck_abort_msg("logit %d is %g", i, (double)logits[i]);
  forward_close(f);
  model_close(m);
  json_decref(data);
  json_decref(root);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("checkpoints");
  TCase *all = tcase_create("published");
  tcase_add_loop_test(all, test_published, 0, CHECKPOINTS);
  tcase_add_loop_test(all, test_reduced, 0, CHECKPOINTS);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
