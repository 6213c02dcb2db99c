/* Rotary positions of a configuration. transformers 4 writes "rope_theta" and "rope_scaling" (with
   "rope_type", formerly "type"), transformers 5 one object "rope_parameters" that holds both. */
#include "engine/config_internal.h"
#include "kernels/kernels.h"

#include <string.h>

static status scaling_object(const config_file *f, config_file *out, const char **field,
                             detail *err) {
  static const char *const fields[] = {"rope_scaling", "rope_parameters"};
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    const json_t *value = config_field(f, fields[i]);
    if (!value) continue;
    if (!json_is_object(value)) {
      return config_refuse(f, fields[i], "no object", "an object or null is needed", err);
    }
    if (json_object_size(value) == 0) continue;
    *out = (config_file){value, f->name};
    *field = fields[i];
    return OK;
  }
  return OK;
}

static status read_kind(model_config *c, const config_file *scaling, const char *field,
                        detail *err) {
  static const char *const names[] = {"default", "linear", "llama3"};
  static const rope_kind kinds[] = {ROPE_PLAIN, ROPE_LINEAR, ROPE_LLAMA3};
  const char *word = "default";
  status failed = config_word(scaling, "type", &word, err);
  if (!failed) failed = config_word(scaling, "rope_type", &word, err);
  if (failed) return failed;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(word, names[i])) continue;
    c->rope.kind = kinds[i];
    return OK;
  }
  return config_refuse(scaling, field, word,
                       "rotary scalings \"default\", \"linear\" and \"llama3\" are run", err);
}

/* Objects in it would be one set of parameters for each type of layer. */
static status refuse_nested(const config_file *scaling, const char *field, detail *err) {
  const char *key;
  json_t *value;
  void *at = json_object_iter((json_t *)(uintptr_t)scaling->root);
  for (; at; at = json_object_iter_next((json_t *)(uintptr_t)scaling->root, at)) {
    key = json_object_iter_key(at);
    value = json_object_iter_value(at);
    if (!json_is_object(value)) continue;
    return config_refuse(scaling, field, key,
                         "one set of rotary parameters for all layers is possible", err);
  }
  return OK;
}

static status needed(const config_file *f, const char *field, double high, double *out,
                     detail *err) {
  *out = 0;
  status failed = config_real(f, field, 1e-6, high, out, err);
  if (!failed && *out == 0) {
    failed = config_refuse(f, field, "missing", "the rotary scaling needs it", err);
  }
  return failed;
}

/* Where the original length stands is a matter of the file's age. */
static status read_original(rope_options *r, const model_config *c, const config_file *f,
                            const config_file *scaling, detail *err) {
  static const char name[] = "original_max_position_embeddings";
  r->original_positions = c->context;
  status failed = config_real(scaling, name, 1, 1e9, &r->original_positions, err);
  if (!failed) failed = config_real(f, name, 1, 1e9, &r->original_positions, err);
  return failed;
}

static status read_scaling(model_config *c, const config_file *f, const config_file *scaling,
                           detail *err) {
  rope_options *r = &c->rope;
  status failed = OK;
  if (r->kind != ROPE_PLAIN) failed = needed(scaling, "factor", 1e6, &r->factor, err);
  if (failed || r->kind != ROPE_LLAMA3) return failed;
  failed = needed(scaling, "low_freq_factor", 1e6, &r->low_frequency_factor, err);
  if (!failed) failed = needed(scaling, "high_freq_factor", 1e6, &r->high_frequency_factor, err);
  if (!failed) failed = read_original(r, c, f, scaling, err);
  return failed;
}

static status refuse_partial(const config_file *f, detail *err) {
  double part = 1;
  status failed = config_real(f, "partial_rotary_factor", 0, 1, &part, err);
  if (failed || part == 1) return failed;
  return config_refuse(f, "partial_rotary_factor", "less than 1",
                       "whole heads are rotated: 1 is possible", err);
}

status config_read_rope(model_config *c, const config_file *f, detail *err) {
  const char *field = "rope_scaling";
  config_file scaling = {NULL, f->name};
  double frequencies[KERNELS_HEAD_MAX / 2];
  detail cause = {0};
  c->rope = (rope_options){.head_size = c->head_size, .theta = 10000};
  status failed = scaling_object(f, &scaling, &field, err);
  if (!failed && scaling.root) failed = refuse_nested(&scaling, field, err);
  if (!failed) failed = refuse_partial(f, err);
  if (!failed) failed = refuse_partial(&scaling, err);
  if (!failed) failed = config_real(f, "rope_theta", 1, 1e12, &c->rope.theta, err);
  if (!failed) failed = config_real(&scaling, "rope_theta", 1, 1e12, &c->rope.theta, err);
  if (!failed) failed = read_kind(c, &scaling, field, err);
  if (!failed) failed = read_scaling(c, f, &scaling, err);
  if (failed) return failed;
  failed = rope_frequencies(&c->rope, frequencies, &cause);
  if (failed) return fault_at(err, failed, f->name, 0, "\"%s\": %s", field, cause.text);
  return OK;
}
