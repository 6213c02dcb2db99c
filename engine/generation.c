#include "engine/config_internal.h"
#include "engine/file_internal.h"

#include <stdio.h>
#include <string.h>

/* Zero is read as what it comes to, the likeliest id alone: samplers need more than zero. */
#define TOP_P_MIN 1e-6

static int is_id(const json_t *value, const model_config *c) {
  return json_is_integer(value) && json_integer_value(value) >= 0 &&
         json_integer_value(value) < c->vocabulary;
}

static status bad_id(const config_file *f, const char *field, const model_config *c, detail *err) {
  return fault_at(err, E_INPUT, f->name, 0,
                  "\"%s\" must be a token's id, 0 to %d, or a list of at most %d", field,
                  c->vocabulary - 1, (int)CONFIG_END_IDS_MAX);
}

static status read_end_ids(model_generation *g, const model_config *c, const config_file *f,
                           detail *err) {
  static const char field[] = "eos_token_id";
  const json_t *value = config_field(f, field);
  size_t count = json_is_array(value) ? json_array_size(value) : 1;
  if (!value) return OK;
  if (count > CONFIG_END_IDS_MAX) return bad_id(f, field, c, err);
  for (size_t i = 0; i < count; i++) {
    const json_t *id = json_is_array(value) ? json_array_get(value, i) : value;
    if (!is_id(id, c)) return bad_id(f, field, c, err);
    g->end_ids[i] = (uint32_t)json_integer_value(id);
  }
  g->end_count = (int)count;
  return OK;
}

/* Some files say -1 where they mean that there is none. */
static status read_id(const config_file *f, const char *field, const model_config *c, int64_t *out,
                      detail *err) {
  const json_t *value = config_field(f, field);
  if (!value) return OK;
  if (!is_id(value, c) && json_integer_value(value) != -1) {
    return config_integer(f, field, -1, c->vocabulary - 1, out, err);
  }
  *out = json_integer_value(value);
  return OK;
}

static status read_ids(model_generation *g, const model_config *c, const config_file *f,
                       detail *err) {
  status failed = read_end_ids(g, c, f, err);
  return failed ? failed : read_id(f, "bos_token_id", c, &g->begin_id, err);
}

static status read_sampling(model_generation *g, const config_file *f, detail *err) {
  int sampled = 0;
  int64_t top_k = 0;
  status failed = config_flag(f, "do_sample", &sampled, err);
  if (!failed) failed = config_real(f, "temperature", 0, 1e6, &g->temperature, err);
  if (!failed) failed = config_integer(f, "top_k", -1, INT32_MAX, &top_k, err);
  if (!failed) failed = config_real(f, "top_p", 0, 1, &g->top_p, err);
  if (!failed) failed = config_real(f, "min_p", 0, 1, &g->min_p, err);
  if (g->top_p < TOP_P_MIN) g->top_p = TOP_P_MIN;
  g->top_k = top_k > 0 ? (int)top_k : 0;
  if (!sampled) g->temperature = 0;
  return failed;
}

static int changes_nothing(const json_t *value, double neutral) {
  if (json_is_number(value)) return json_number_value(value) == neutral;
  return json_is_array(value) && json_array_size(value) == 0;
}

/* Settings that change what is sampled, each with the value that changes nothing. */
static void list_not_applied(model_generation *g, const config_file *f) {
  static const struct {
    const char *name;
    double neutral;
  } settings[] = {
      {"repetition_penalty", 1},
      {"encoder_repetition_penalty", 1},
      {"typical_p", 1},
      {"epsilon_cutoff", 0},
      {"eta_cutoff", 0},
      {"top_h", 0},
      {"no_repeat_ngram_size", 0},
      {"num_beams", 1},
      {"num_beam_groups", 1},
      {"penalty_alpha", 0},
      {"guidance_scale", 1},
      {"min_new_tokens", 0},
      {"min_length", 0},
      {"diversity_penalty", 0},
      {"dola_layers", 0},
      {"suppress_tokens", 0},
      {"begin_suppress_tokens", 0},
      {"bad_words_ids", 0},
      {"forced_bos_token_id", 0},
      {"forced_eos_token_id", 0},
      {"sequence_bias", 0},
  };
  size_t used = 0;
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    const json_t *value = config_field(f, settings[i].name);
    if (!value || changes_nothing(value, settings[i].neutral)) continue;
    int bytes = snprintf(g->not_applied + used, sizeof g->not_applied - used, "%s%s",
                         used ? ", " : "", settings[i].name);
    if (bytes < 0 || (size_t)bytes >= sizeof g->not_applied - used) {
      (void)snprintf(g->not_applied, sizeof g->not_applied, "more than can be listed");
      return;
    }
    used += (size_t)bytes;
  }
}

status config_read_generation(model_generation *out, const model_config *c, const json_t *root,
                              const char *file, const json_t *config_root, const char *config_file_,
                              detail *err) {
  config_file config = {config_root, config_file_}, f = {root, file};
  model_generation g = {.begin_id = -1, .temperature = 1, .top_p = 1};
  status failed = read_ids(&g, c, &config, err);
  if (!failed && root) failed = read_ids(&g, c, &f, err);
  if (!failed && root) failed = read_sampling(&g, &f, err);
  if (!root) g.temperature = 0;
  if (root) list_not_applied(&g, &f);
  if (!failed) *out = g;
  return failed;
}
