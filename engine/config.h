/* What a model is, read from config.json and generation_config.json of a Hugging Face folder.

   The families that are run differ in a few defaults and in where they have biases and norms, so a
   family is a row of a table and no code of its own. What the arithmetic here is not able to do is
   refused with the file, the field, what was found and what is possible; a field that changes
   nothing of the arithmetic is not looked at. Pure data: nothing to close, any thread. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "base/json.h"
#include "kernels/rope.h"

enum { CONFIG_END_IDS_MAX = 16, CONFIG_VOCABULARY_MAX = (1 << 23) - 1 };

typedef struct model_config {
  const char *architecture; /* "LlamaForCausalLM"; a constant */
  int layers, hidden, heads, kv_heads, head_size, feed_forward;
  int vocabulary;
  int context;                         /* positions that the model was made for */
  double epsilon;                      /* of the root-mean-square norms */
  int qkv_bias, output_bias, mlp_bias; /* whether the products have one */
  int head_norm;                       /* queries and keys are normed head by head (Qwen3) */
  int tied;                            /* the vocabulary product uses the embedding's weights */
  rope_options rope;
  char dtype[16]; /* what the file says of its weights; empty where it says nothing */
} model_config;

/* Sampling as the model's makers set it; greedy (temperature 0) unless they say "do_sample". What
   they do not say is off: top_k 0, top_p 1, min_p 0, temperature 1. */
typedef struct model_generation {
  uint32_t end_ids[CONFIG_END_IDS_MAX]; /* [end_count] any of them ends a thread */
  int end_count;
  int64_t begin_id; /* -1: none */
  double temperature, top_p, min_p;
  int top_k;
  char not_applied[256]; /* names of settings that mean something and that no sampler of ours has */
} model_generation;

/* root is config.json's object, file its name for messages. E_INPUT. */
MUST_CHECK status config_read(model_config *out, const json_t *root, const char *file, detail *err);

/* Reads the settings from generation_config.json's object; root may be NULL (there is none) and
   then config.json's object gives the ids, as it does for each that root lacks. */
MUST_CHECK status config_read_generation(model_generation *out, const model_config *config,
                                         const json_t *root, const char *file,
                                         const json_t *config_root, const char *config_file,
                                         detail *err);

/* Writes what the arithmetic depends on as one text: equal texts, equal mathematics. */
void config_meaning(const model_config *c, text *out);

/* Parameters in matrix products, the vocabulary's among them; and all of them. */
int64_t config_product_parameters(const model_config *c);
int64_t config_parameters(const model_config *c);

#endif
