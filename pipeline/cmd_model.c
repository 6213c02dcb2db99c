/* nightjar model show, model synth: what a model is, and models of random weights. */
#include "engine/forward.h"
#include "engine/synth.h"
#include "engine/tokenizer.h"
#include "pipeline/models.h"
#include "pipeline/output.h"
#include "pipeline/synth_text.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN_BYTES_MAX = 1 << 20, LEARNT_BYTES_MAX = 64 << 20, TOKENIZER_BYTES_MAX = 256 << 20 };

/* ---- model show ------------------------------------------------------------------------------ */

/* What is printed of a model, in either form. */
typedef struct shown_model {
  const model *model;
  const model_config *config;
  const model_generation *generation;
  char hash[HASH_HEX_BYTES]; /* empty: not asked for */
  int64_t cache_bytes;       /* of a token, in bf16 */
  int tokenizer_ids;         /* 0: there is no tokenizer */
} shown_model;

static json_t *generation_json(const model_generation *g) {
  json_t *ends = json_array();
  for (int i = 0; ends && i < g->end_count; i++) {
    if (json_array_append_new(ends, json_integer(g->end_ids[i]))) {
      json_decref(ends);
      ends = NULL;
    }
  }
  json_t *begin = g->begin_id < 0 ? json_null() : json_integer(g->begin_id);
  return json_pack("{s:f, s:i, s:f, s:f, s:o, s:o, s:s}", "temperature", g->temperature, "top_k",
                   g->top_k, "top_p", g->top_p, "min_p", g->min_p, "end_ids", ends, "begin_id",
                   begin, "not_applied", g->not_applied);
}

static status show_json(const invocation *in, const shown_model *s, detail *err) {
  const model_config *c = s->config;
  json_t *folder = output_json_text(model_folder(s->model), strlen(model_folder(s->model)));
  json_t *out = json_pack("{s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:i, s:I, s:s?}",
                          "folder", folder, "architecture", c->architecture, "shape",
                          job_model_shape(c), "parameters", (json_int_t)config_parameters(c),
                          "product_parameters", (json_int_t)config_product_parameters(c),
                          "weight_bytes", (json_int_t)(2 * config_product_parameters(c)),
                          "cache_bytes_token", (json_int_t)s->cache_bytes, "dtype",
                          tensor_type_name(model_embedding(s->model)->type), "dtype_said", c->dtype,
                          "generation", generation_json(s->generation), "tokenizer_ids",
                          s->tokenizer_ids, "file_bytes", (json_int_t)model_file_bytes(s->model),
                          "hash", s->hash[0] ? s->hash : NULL);
  return output_json(in, out, err);
}

static void put_rope(const rope_options *r, text *out) {
  text_format(out, "%-14s%s, theta %g", "rope", job_model_rope(r->kind), r->theta);
  if (r->kind != ROPE_PLAIN) text_format(out, ", by %g", r->factor);
  if (r->kind == ROPE_LLAMA3) {
    text_format(out, " (from %g to %g turns in %g positions)", r->low_frequency_factor,
                r->high_frequency_factor, r->original_positions);
  }
  text_char(out, '\n');
}

static void put_generation(const model_generation *g, text *out) {
  text_format(out, "%-14s", "generation");
  if (g->temperature > 0) {
    text_format(out, "temperature %g, top_k %d, top_p %g, min_p %g", g->temperature, g->top_k,
                g->top_p, g->min_p);
  } else {
    text_put(out, "greedy");
  }
  text_put(out, "; ends at");
  if (g->end_count == 0) text_put(out, " no id");
  for (int i = 0; i < g->end_count; i++)
    text_format(out, "%s %u", i ? "," : "", g->end_ids[i]);
  if (g->begin_id >= 0) text_format(out, "; begins with %lld", (long long)g->begin_id);
  text_char(out, '\n');
  if (g->not_applied[0]) text_format(out, "%-14s%s\n", "not applied", g->not_applied);
}

static void put_shape(const model_config *c, text *out) {
  text_format(out, "%-14s%d layers of %d, %d heads of %d (%d of keys), feed-forward %d\n", "shape",
              c->layers, c->hidden, c->heads, c->head_size, c->kv_heads, c->feed_forward);
  text_format(out, "%-14s%d ids, %s\n", "vocabulary", c->vocabulary,
              c->tied ? "weights shared with the embedding" : "weights of its own");
  text_format(out, "%-14s%d positions\n", "context", c->context);
  put_rope(&c->rope, out);
  text_format(out, "%-14s%s%s%s%s%s\n", "also", c->qkv_bias ? "biases of q, k and v; " : "",
              c->output_bias ? "of the attention's output; " : "",
              c->mlp_bias ? "of the feed-forward; " : "", c->head_norm ? "norms of heads; " : "",
              "root-mean-square norms");
}

static void put_tokenizer(const shown_model *s, text *out) {
  text_format(out, "%-14s", "tokenizer");
  if (!s->tokenizer_ids) text_put(out, "none");
  if (s->tokenizer_ids) text_format(out, "%d ids", s->tokenizer_ids);
  if (s->tokenizer_ids > s->config->vocabulary) {
    text_put(out, ", more than the vocabulary: a text with one of the others cannot be run");
  }
  text_char(out, '\n');
}

static status show_text(const invocation *in, const shown_model *s, detail *err) {
  const model_config *c = s->config;
  text out;
  text_open(&out, SHOWN_BYTES_MAX);
  text_format(&out, "%-14s", "folder");
  output_printable(&out, model_folder(s->model), strlen(model_folder(s->model)));
  text_format(&out, "\n%-14s%s\n", "architecture", c->architecture);
  put_shape(c, &out);
  text_format(&out, "%-14s%.1f M, %.1f M in matrix products (P)\n", "parameters",
              (double)config_parameters(c) / 1e6, (double)config_product_parameters(c) / 1e6);
  text_format(&out, "%-14s%s in %.1f MB of files; %.1f MB read a step in bf16 (W)\n", "weights",
              tensor_type_name(model_embedding(s->model)->type),
              (double)model_file_bytes(s->model) / 1e6,
              (double)config_product_parameters(c) * 2 / 1e6);
  text_format(&out, "%-14s%lld bytes a token in bf16 (k)\n", "cache", (long long)s->cache_bytes);
  put_generation(s->generation, &out);
  put_tokenizer(s, &out);
  if (s->hash[0]) text_format(&out, "%-14s%s\n", "hash", s->hash);
  status failed = command_print(in, &out, err);
  text_close(&out);
  return failed;
}

static status show_hash(const invocation *in, const model *m, shown_model *s, detail *err) {
  char hashes[PATH_MAX];
  hash value;
  status failed = model_hash(m, command_model_cache(in, hashes), in->messages, &value, err);
  if (!failed) (void)hash_hex(&value, s->hash);
  return failed;
}

/* Weights without a tokenizer can be measured, though not asked: that is a warning. One that cannot
   be read is refused. */
static status show_tokenizer(const invocation *in, shown_model *s, detail *err) {
  char path[PATH_MAX + 16];
  tokenizer *t = NULL;
  detail cause = {0};
  (void)snprintf(path, sizeof path, "%s/tokenizer.json", model_folder(s->model));
  int is_there = access(path, F_OK) == 0;
  status failed = tokenizer_open_folder(&t, model_folder(s->model), is_there ? err : &cause);
  if (failed && is_there) return failed;
  if (failed) log_warn(in->messages, "%s: %s", cause.file, cause.text);
  if (t) s->tokenizer_ids = tokenizer_size(t);
  tokenizer_close(t);
  return OK;
}

static status show(const invocation *in, detail *err) {
  model *m = NULL;
  status failed = model_open(&m, in->arguments[0], err);
  if (failed) return failed;
  shown_model s = {.model = m, .config = model_config_of(m), .generation = model_generation_of(m)};
  forward_options one = {.compute = COMPUTE_BF16, .pages = 1, .page_keys = 1};
  s.cache_bytes = forward_size(s.config, &one).cache;
  failed = show_tokenizer(in, &s, err);
  if (!failed && !command_flag(in, "no-hash")) failed = show_hash(in, m, &s, err);
  if (!failed) failed = in->json ? show_json(in, &s, err) : show_text(in, &s, err);
  model_close(m);
  return failed;
}

static const command_option show_table[] = {
    {"no-hash", NULL, "do not hash the weights, which reads them all where it was not done before"},
    {NULL, NULL, NULL}};

const command command_model_show = {
    .name = "model show",
    .arguments = "DIR",
    .summary = "Reads a model's folder: its shape, its costs, its hash.",
    .more =
        "The folder is a Hugging Face one: config.json, *.safetensors, tokenizer.json,\n"
        "generation_config.json. A model that cannot be run is refused with the file, the field\n"
        "and the reason.\n\n"
        "  nightjar model show models/llama\n",
    .options = show_table,
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_data = 1,
    .without_store = 1,
    .run = show};

/* ---- model synth ----------------------------------------------------------------------------- */

static status unknown_shape(const char *name, detail *err) {
  const char *names[32];
  char list[256] = "";
  size_t count, used = 0;
  const synth_shape *shapes = synth_shapes(&count);
  REQUIRE(count <= sizeof names / sizeof names[0]);
  for (size_t i = 0; i < count; i++) {
    names[i] = shapes[i].name;
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    REQUIRE(used < sizeof list);
  }
  const char *near = text_nearest(name, names, count);
  return fault(err, E_USAGE, "--config must name a shape (%s), not '%s'%s%s%s", list, name,
               near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static status read_element(const char *word, element_type *out, detail *err) {
  static const char *const names[] = {"bf16", "fp16", "fp32"};
  static const element_type types[] = {ELEMENT_BF16, ELEMENT_FP16, ELEMENT_FP32};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(word, names[i])) continue;
    *out = types[i];
    return OK;
  }
  return fault(err, E_USAGE, "--dtype must be bf16, fp16 or fp32, not '%s'", word);
}

/* Its tokenizer is learnt over Countdown traces and filled up to the shape's vocabulary. */
static status write_with_tokenizer(synth_options *o, detail *err) {
  text learnt, file;
  text_open(&learnt, LEARNT_BYTES_MAX);
  text_open(&file, TOKENIZER_BYTES_MAX);
  status failed = synth_text(&learnt, err);
  if (!failed) {
    failed = tokenizer_synth(&file, text_string(&learnt), learnt.bytes, o->shape->config.vocabulary,
                             err);
  }
  synth_file beside = {"tokenizer.json", text_string(&file), file.bytes};
  o->files = &beside;
  o->file_count = 1;
  if (!failed) failed = synth_write(o, err);
  text_close(&file);
  text_close(&learnt);
  return failed;
}

static status synth(const invocation *in, detail *err) {
  const char *name = command_value(in, "config"), *dtype = command_value(in, "dtype");
  int64_t seed, shards;
  synth_options o = {.folder = command_value(in, "output")};
  if (!name || !o.folder) {
    return fault(err, E_USAGE,
                 "model synth needs --config NAME and -o DIR; see nightjar model "
                 "synth --help");
  }
  o.shape = synth_find(name);
  status failed = o.shape ? OK : unknown_shape(name, err);
  if (!failed) failed = read_element(dtype ? dtype : "bf16", &o.element, err);
  if (!failed) failed = command_integer(in, "seed", 0, INT64_MAX, 0, &seed, err);
  if (!failed) failed = command_integer(in, "shards", 1, SYNTH_SHARDS_MAX, 1, &shards, err);
  if (failed) return failed;
  o.seed = (uint64_t)seed;
  o.shards = (int)shards;
  failed = write_with_tokenizer(&o, err);
  if (!failed) {
    log_info(in->messages, "%s: %.1f M random parameters", o.folder,
             (double)config_parameters(&o.shape->config) / 1e6);
  }
  return failed;
}

static const command_option synth_table[] = {{"config", "NAME", "of the shape, see below"},
                                             {"output", "DIR", "or -o DIR: the folder to make"},
                                             {"seed", "S", "default 0"},
                                             {"dtype", "TYPE", "bf16, fp16 or fp32 (default bf16)"},
                                             {"shards", "N", "files of weights (default 1)"},
                                             {NULL, NULL, NULL}};

const command command_model_synth = {
    .name = "model synth",
    .arguments = "",
    .summary = "Writes a model of random weights, for benchmarks and tests.",
    .more = "Shapes: apr-228m (the bench model), llama3.2-1b, qwen2.5-0.5b, qwen3-0.6b, and for "
            "tests\ntiny-llama, tiny-llama3, tiny-llama-bias, tiny-mistral, tiny-qwen2, "
            "tiny-qwen3.\nThe same seed gives the same bytes anywhere.\n\n"
            "  nightjar model synth --config apr-228m -o models/bench\n",
    .options = synth_table,
    .arguments_min = 0,
    .arguments_max = 0,
    .without_store = 1,
    .run = synth};
