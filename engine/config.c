#include "engine/config.h"

#include "engine/config_internal.h"
#include "engine/file_internal.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

/* ---- families -------------------------------------------------------------------------------- */

enum { BIAS_NONE, BIAS_ALWAYS, BIAS_BY_CONFIG };

/* How the classes of transformers differ in what config.json leaves unsaid. */
typedef struct family {
  const char *architecture, *type;
  int kv_heads;    /* where unsaid; 0: as many as heads */
  int head_size;   /* where unsaid; 0: hidden / heads */
  int qkv_bias;    /* BIAS_... */
  int output_bias; /* whether "attention_bias" speaks of the output product too */
  int mlp_bias;    /* BIAS_... */
  int head_norm;
  int64_t window;     /* of attention, where unsaid; 0: none */
  int window_by_flag; /* only where "use_sliding_window" says so */
} family;

static const family families[] = {
    {"LlamaForCausalLM", "llama", 0, 0, BIAS_BY_CONFIG, 1, BIAS_BY_CONFIG, 0, 0, 0},
    {"MistralForCausalLM", "mistral", 8, 0, BIAS_NONE, 0, BIAS_NONE, 0, 4096, 0},
    {"Qwen2ForCausalLM", "qwen2", 32, 0, BIAS_ALWAYS, 0, BIAS_NONE, 0, 4096, 1},
    {"Qwen3ForCausalLM", "qwen3", 32, 128, BIAS_BY_CONFIG, 1, BIAS_NONE, 1, 4096, 1},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

static status unknown_architecture(const config_file *f, const char *field, const char *word,
                                   detail *err) {
  const char *names[FAMILIES];
  char shown[FILE_SHOWN_BYTES];
  for (int i = 0; i < FAMILIES; i++)
    names[i] = strcmp(field, "model_type") ? families[i].architecture : families[i].type;
  const char *near = text_nearest(word, names, FAMILIES);
  return fault_at(err, E_INPUT, f->name, 0,
                  "\"%s\" is \"%s\", which is not run%s%s: LlamaForCausalLM, MistralForCausalLM, "
                  "Qwen2ForCausalLM and Qwen3ForCausalLM are",
                  field, file_shown(word, shown), near ? "; the nearest is " : "",
                  near ? near : "");
}

static status find_family(const config_file *f, const family **out, detail *err) {
  const json_t *list = config_field(f, "architectures");
  const char *field = "architectures", *word = NULL;
  if (list) {
    word = json_string_value(json_array_get(list, 0));
    if (!word || json_array_size(list) != 1) {
      return config_refuse(f, field, "no list of one name",
                           "[\"LlamaForCausalLM\"] is an example of one", err);
    }
  } else {
    field = "model_type";
    status failed = config_word(f, field, &word, err);
    if (failed) return failed;
    if (!word)
      return config_refuse(f, "architectures", "missing", "a model must name its own", err);
  }
  for (int i = 0; i < FAMILIES; i++) {
    if (strcmp(word, list ? families[i].architecture : families[i].type)) continue;
    *out = &families[i];
    return OK;
  }
  return unknown_architecture(f, field, word, err);
}

/* ---- what is refused by name ----------------------------------------------------------------- */

static status refuse_quantized(const config_file *f, detail *err) {
  const json_t *quantized = config_field(f, "quantization_config");
  if (!quantized) return OK;
  const char *method = json_string_value(json_object_get(quantized, "quant_method"));
  return config_refuse(f, "quantization_config", method ? method : "there",
                       "weights in bf16, fp16 or fp32 are needed: use the model before it was "
                       "quantized",
                       err);
}

static status refuse_experts(const config_file *f, detail *err) {
  static const char *const fields[] = {"num_experts", "num_local_experts", "n_routed_experts"};
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    int64_t count = 0;
    status failed = config_integer(f, fields[i], 0, 1 << 20, &count, err);
    if (failed) return failed;
    if (count > 1) {
      return config_refuse(f, fields[i], "more than 1",
                           "mixtures of experts are not run, dense models are", err);
    }
  }
  return OK;
}

static status refuse_activation(const config_file *f, detail *err) {
  const char *word = "silu";
  status failed = config_word(f, "hidden_act", &word, err);
  if (failed || !strcmp(word, "silu") || !strcmp(word, "swish")) return failed;
  return config_refuse(f, "hidden_act", word, "\"silu\" is possible", err);
}

/* Every layer must see all keys. */
static status refuse_layer_types(const config_file *f, detail *err) {
  const json_t *list = config_field(f, "layer_types");
  if (list && !json_is_array(list)) {
    return config_refuse(f, "layer_types", "no list", "a list of words is needed", err);
  }
  for (size_t i = 0; list && i < json_array_size(list); i++) {
    const char *word = json_string_value(json_array_get(list, i));
    if (word && !strcmp(word, "full_attention")) continue;
    return config_refuse(f, "layer_types", word ? word : "what is no word",
                         "\"full_attention\" is possible, for every layer", err);
  }
  return OK;
}

static status refuse_window(const config_file *f, const family *kind, const model_config *c,
                            detail *err) {
  int used = !kind->window_by_flag;
  int64_t window = kind->window, first = kind->window_by_flag ? 28 : 0;
  if (!kind->window) return OK; /* a Llama has none, whatever its file says */
  status failed = config_integer(f, "sliding_window", 1, INT32_MAX, &window, err);
  if (!failed && kind->window_by_flag) failed = config_flag(f, "use_sliding_window", &used, err);
  if (!failed && kind->window_by_flag) {
    failed = config_integer(f, "max_window_layers", 0, INT32_MAX, &first, err);
  }
  if (!failed && kind->window_by_flag) failed = refuse_layer_types(f, err);
  if (failed) return failed;
  int none = json_is_null(json_object_get(f->root, "sliding_window"));
  if (!used || none || window >= c->context || first >= c->layers) return OK;
  return fault_at(err, E_INPUT, f->name, 0,
                  "\"sliding_window\" is %lld; attention within a window is not run: null, or at "
                  "least \"max_position_embeddings\", is possible. Up to %lld positions a window "
                  "changes nothing: \"max_position_embeddings\": %lld runs the model so far",
                  (long long)window, (long long)window, (long long)window);
}

/* ---- shape ----------------------------------------------------------------------------------- */

static status required(const config_file *f, const char *field, int64_t high, int *out,
                       detail *err) {
  int64_t value = 0;
  status failed = config_integer(f, field, 1, high, &value, err);
  if (failed) return failed;
  if (!value) return config_refuse(f, field, "missing", "a whole number is needed", err);
  *out = (int)value;
  return OK;
}

static status check_head_size(const config_file *f, const model_config *c, detail *err) {
  static const int possible[] = {32, 64, 80, 96, 128};
  char size[32];
  for (size_t i = 0; i < sizeof possible / sizeof possible[0]; i++) {
    if (c->head_size == possible[i]) return OK;
  }
  (void)snprintf(size, sizeof size, "%d", c->head_size);
  return config_refuse(f, "head_dim", size, "heads of 32, 64, 80, 96 and 128 are run", err);
}

static status read_heads(model_config *c, const config_file *f, const family *kind, detail *err) {
  int64_t kv = kind->kv_heads ? kind->kv_heads : c->heads, size = kind->head_size;
  if (json_is_null(json_object_get(f->root, "num_key_value_heads"))) kv = c->heads;
  status failed = config_integer(f, "num_key_value_heads", 1, 1024, &kv, err);
  if (!failed) failed = config_integer(f, "head_dim", 1, 1 << 16, &size, err);
  if (failed) return failed;
  if (c->heads % kv || c->heads / kv > KERNELS_GROUPED_MAX) {
    return fault_at(
        err, E_INPUT, f->name, 0,
        "\"num_attention_heads\" is %d and \"num_key_value_heads\" %lld; the first must "
        "be 1 to %d times the second",
        c->heads, (long long)kv, (int)KERNELS_GROUPED_MAX);
  }
  if (!size && c->hidden % c->heads) {
    return fault_at(err, E_INPUT, f->name, 0,
                    "\"hidden_size\" %d is no multiple of \"num_attention_heads\" %d, and "
                    "\"head_dim\" is missing",
                    c->hidden, c->heads);
  }
  c->kv_heads = (int)kv;
  c->head_size = size ? (int)size : c->hidden / c->heads;
  return check_head_size(f, c, err);
}

static status read_shape(model_config *c, const config_file *f, const family *kind, detail *err) {
  status failed = required(f, "num_hidden_layers", 1000, &c->layers, err);
  if (!failed) failed = required(f, "hidden_size", 1 << 17, &c->hidden, err);
  if (!failed) failed = required(f, "intermediate_size", 1 << 19, &c->feed_forward, err);
  if (!failed) failed = required(f, "num_attention_heads", 1024, &c->heads, err);
  if (!failed) failed = required(f, "vocab_size", CONFIG_VOCABULARY_MAX, &c->vocabulary, err);
  if (!failed) failed = required(f, "max_position_embeddings", 1 << 30, &c->context, err);
  if (!failed) failed = read_heads(c, f, kind, err);
  c->epsilon = 1e-6;
  if (!failed) failed = config_real(f, "rms_norm_eps", 1e-30, 1, &c->epsilon, err);
  return failed;
}

static status read_biases(model_config *c, const config_file *f, const family *kind, detail *err) {
  int attention = 0, mlp = 0;
  status failed = OK;
  if (kind->qkv_bias == BIAS_BY_CONFIG) failed = config_flag(f, "attention_bias", &attention, err);
  if (!failed && kind->mlp_bias == BIAS_BY_CONFIG) failed = config_flag(f, "mlp_bias", &mlp, err);
  c->qkv_bias = kind->qkv_bias == BIAS_ALWAYS || attention;
  c->output_bias = kind->output_bias && attention;
  c->mlp_bias = mlp;
  c->head_norm = kind->head_norm;
  return failed;
}

static status read_dtype(model_config *c, const config_file *f, detail *err) {
  const char *word = "";
  status failed = config_word(f, "torch_dtype", &word, err);
  if (!failed) failed = config_word(f, "dtype", &word, err);
  if (!failed && strlen(word) >= sizeof c->dtype) {
    failed = config_refuse(f, "dtype", word, "\"bfloat16\" is an example of one", err);
  }
  if (!failed) (void)snprintf(c->dtype, sizeof c->dtype, "%s", word);
  return failed;
}

status config_read(model_config *out, const json_t *root, const char *file, detail *err) {
  config_file f = {root, file};
  const family *kind = NULL;
  model_config c = {0};
  status failed = find_family(&f, &kind, err);
  if (failed) return failed;
  c.architecture = kind->architecture;
  failed = refuse_quantized(&f, err);
  if (!failed) failed = refuse_experts(&f, err);
  if (!failed) failed = refuse_activation(&f, err);
  if (!failed) failed = read_shape(&c, &f, kind, err);
  if (!failed) failed = read_biases(&c, &f, kind, err);
  if (!failed) failed = config_flag(&f, "tie_word_embeddings", &c.tied, err);
  if (!failed) failed = read_dtype(&c, &f, err);
  if (!failed) failed = config_read_rope(&c, &f, err);
  if (!failed) failed = refuse_window(&f, kind, &c, err);
  if (!failed) *out = c;
  return failed;
}

/* ---- what follows ---------------------------------------------------------------------------- */

int64_t config_product_parameters(const model_config *c) {
  int64_t queries = (int64_t)c->heads * c->head_size, keys = (int64_t)c->kv_heads * c->head_size;
  int64_t layer = c->hidden * (2 * queries + 2 * keys) + 3 * (int64_t)c->hidden * c->feed_forward;
  return c->layers * layer + (int64_t)c->vocabulary * c->hidden;
}

int64_t config_parameters(const model_config *c) {
  int64_t queries = (int64_t)c->heads * c->head_size, keys = (int64_t)c->kv_heads * c->head_size;
  int64_t layer = 2 * (int64_t)c->hidden;
  if (c->qkv_bias) layer += queries + 2 * keys;
  if (c->output_bias) layer += c->hidden;
  if (c->mlp_bias) layer += 2 * (int64_t)c->feed_forward + c->hidden;
  if (c->head_norm) layer += 2 * (int64_t)c->head_size;
  int64_t table = c->tied ? 0 : (int64_t)c->vocabulary * c->hidden;
  return config_product_parameters(c) + c->layers * layer + c->hidden + table;
}

void config_meaning(const model_config *c, text *out) {
  const rope_options *r = &c->rope;
  text_format(out, "layers %d hidden %d heads %d kv_heads %d head_size %d feed_forward %d ",
              c->layers, c->hidden, c->heads, c->kv_heads, c->head_size, c->feed_forward);
  text_format(out, "vocabulary %d context %d epsilon %.17g ", c->vocabulary, c->context,
              c->epsilon);
  text_format(out, "qkv_bias %d output_bias %d mlp_bias %d head_norm %d tied %d ", c->qkv_bias,
              c->output_bias, c->mlp_bias, c->head_norm, c->tied);
  text_format(out, "rope %d theta %.17g", (int)r->kind, r->theta);
  if (r->kind == ROPE_PLAIN) return;
  text_format(out, " factor %.17g", r->factor);
  if (r->kind == ROPE_LINEAR) return;
  text_format(out, " low %.17g high %.17g original %.17g", r->low_frequency_factor,
              r->high_frequency_factor, r->original_positions);
}
