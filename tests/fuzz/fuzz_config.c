/* A model's config.json and, behind a line of three dashes, its generation_config.json from
   anybody: refused with a reason, or a shape that the arithmetic takes, with settings that a
   sampler takes. */
#include "engine/config.h"
#include "kernels/kernels.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

static void check_config(const model_config *c) {
  double frequencies[KERNELS_HEAD_MAX / 2];
  detail err;
  text meaning;
  REQUIRE(c->layers > 0 && c->hidden > 0 && c->feed_forward > 0 && c->context > 0);
  REQUIRE(c->vocabulary > 0 && c->vocabulary <= CONFIG_VOCABULARY_MAX);
  REQUIRE(c->kv_heads > 0 && c->heads % c->kv_heads == 0);
  REQUIRE(c->heads / c->kv_heads <= KERNELS_GROUPED_MAX && c->head_size <= KERNELS_HEAD_MAX);
  REQUIRE(c->epsilon > 0 && config_product_parameters(c) > 0);
  REQUIRE(config_parameters(c) > config_product_parameters(c));
  REQUIRE(rope_frequencies(&c->rope, frequencies, &err) == OK);
  for (int i = 0; i < c->head_size / 2; i++)
    REQUIRE(isfinite(frequencies[i]) && frequencies[i] >= 0 && frequencies[i] <= 1);
  text_open(&meaning, 4096);
  config_meaning(c, &meaning);
  REQUIRE(text_state(&meaning, &err) == OK);
  text_close(&meaning);
}

static void check_generation(const model_generation *g, const model_config *c) {
  REQUIRE(g->end_count >= 0 && g->end_count <= CONFIG_END_IDS_MAX);
  for (int i = 0; i < g->end_count; i++)
    REQUIRE(g->end_ids[i] < (uint32_t)c->vocabulary);
  REQUIRE(g->begin_id >= -1 && g->begin_id < c->vocabulary);
  REQUIRE(g->temperature >= 0 && isfinite(g->temperature) && g->top_k >= 0);
  REQUIRE(g->top_p > 0 && g->top_p <= 1 && g->min_p >= 0 && g->min_p <= 1);
}

static json_t *parsed(fuzz_part part, detail *err) {
  json_t *root = NULL;
  status failed = json_read(&root, part.bytes, part.count, "fuzz.json", 1, err);
  if (failed) fuzz_explained(failed, err);
  if (!failed && !json_is_object(root)) {
    json_decref(root);
    root = NULL;
  }
  return root;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  detail err = {0};
  const char *at = (const char *)data, *end = at + size;
  model_config c;
  model_generation g;
  json_t *root = parsed(fuzz_next_part(&at, end), &err);
  json_t *generation = parsed(fuzz_next_part(&at, end), &err);
  status failed = OK;
  if (root) {
    failed = config_read(&c, root, "config.json", &err);
    if (!failed) check_config(&c);
  }
  if (root && !failed) {
    failed = config_read_generation(&g, &c, generation, "generation_config.json", root,
                                    "config.json", &err);
    if (!failed) check_generation(&g, &c);
  }
  if (failed) fuzz_explained(failed, &err);
  json_decref(generation);
  json_decref(root);
  return 0;
}
