/* Configurations, generation settings, a model's tensors against its configuration, its hash, and
   the two commands. */
#include "base/memory.h"
#include "engine/model.h"
#include "engine/synth.h"
#include "engine/tokenizer.h"
#include "tests/support/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

/* ---- configurations -------------------------------------------------------------------------- */

/* config.json of a shape with one field set to this JSON; NULL removes it. */
static json_t *changed(const char *shape, const char *field, const char *value) {
  detail err;
  json_t *root = NULL;
  text config;
  text_open(&config, 1 << 16);
  synth_config(synth_find(shape), ELEMENT_BF16, &config);
  ck_ok(json_read(&root, text_string(&config), config.bytes, "config.json", 1, &err));
  text_close(&config);
  if (field && value) {
    json_t *set = json_loads(value, JSON_DECODE_ANY, NULL);
    ck_assert_msg(set != NULL, "%s", value);
    ck_assert_int_eq(json_object_set_new(root, field, set), 0);
  } else if (field) {
    ck_assert_int_eq(json_object_del(root, field), 0);
  }
  return root;
}

static status read_changed(model_config *out, const char *shape, const char *field,
                           const char *value, detail *err) {
  json_t *root = changed(shape, field, value);
  status failed = config_read(out, root, "config.json", err);
  json_decref(root);
  return failed;
}

/* Every shape's file gives the shape. */
START_TEST(test_shapes) {
  size_t count;
  const synth_shape *shapes = synth_shapes(&count);
  for (size_t i = 0; i < count; i++) {
    detail err;
    model_config c;
    text wanted, got;
    text_open(&wanted, 4096);
    text_open(&got, 4096);
    ck_ok(read_changed(&c, shapes[i].name, NULL, NULL, &err));
    config_meaning(&shapes[i].config, &wanted);
    config_meaning(&c, &got);
    ck_assert_str_eq(text_string(&wanted), text_string(&got));
    ck_assert_str_eq(shapes[i].config.architecture, c.architecture);
    ck_assert_str_eq(c.dtype, "bfloat16");
    text_close(&wanted);
    text_close(&got);
  }
}
END_TEST

static const struct {
  const char *shape, *field, *value, *says;
} refused[] = {
    {"tiny-llama", "architectures", "[\"LlamaForCausaLM\"]", "the nearest is LlamaForCausalLM"},
    {"tiny-llama", "architectures", "[\"GPT2LMHeadModel\"]",
     "\"GPT2LMHeadModel\", which is not run"},
    {"tiny-llama", "architectures", "[\"Qwen3MoeForCausalLM\"]", "nearest is Qwen3ForCausalLM"},
    {"tiny-llama", "architectures", "[]", "\"architectures\" is no list of one name"},
    {"tiny-llama", "architectures", "[1]", "\"architectures\" is no list of one name"},
    {"tiny-llama", "quantization_config", "{\"quant_method\":\"gptq\"}",
     "\"quantization_config\" is gptq"},
    {"tiny-llama", "quantization_config", "{}", "before it was quantized"},
    {"tiny-llama", "num_local_experts", "8", "mixtures of experts are not run"},
    {"tiny-llama", "hidden_act", "\"gelu\"", "\"hidden_act\" is gelu; \"silu\" is possible"},
    {"tiny-llama", "hidden_act", "7", "\"hidden_act\" is 7; a word is needed"},
    {"tiny-llama", "num_hidden_layers", NULL, "\"num_hidden_layers\" is missing"},
    {"tiny-llama", "num_hidden_layers", "0", "1 to 1000 is possible"},
    {"tiny-llama", "num_hidden_layers", "-1", "\"num_hidden_layers\" is -1"},
    {"tiny-llama", "num_hidden_layers", "2.0", "\"num_hidden_layers\" is 2; a whole number"},
    {"tiny-llama", "num_hidden_layers", "\"2\"", "\"num_hidden_layers\" is \"2\""},
    {"tiny-llama", "num_hidden_layers", "{}", "\"num_hidden_layers\" is an object"},
    {"tiny-llama", "hidden_size", "1e99", "\"hidden_size\" is 1e+99"},
    {"tiny-llama", "intermediate_size", "99999999999", "\"intermediate_size\" is 99999999999"},
    {"tiny-llama", "vocab_size", "8388608", "1 to 8388607 is possible"},
    {"tiny-llama", "max_position_embeddings", "0", "\"max_position_embeddings\" is 0"},
    {"tiny-llama", "num_key_value_heads", "3", "the first must be 1 to 64 times the second"},
    {"tiny-llama", "num_key_value_heads", "0", "\"num_key_value_heads\" is 0"},
    {"tiny-llama", "head_dim", "48", "\"head_dim\" is 48; heads of 32, 64, 80, 96 and 128 are run"},
    {"tiny-llama", "head_dim", NULL, "\"head_dim\" is 18"},
    {"tiny-llama", "rms_norm_eps", "-1e-5", "\"rms_norm_eps\" is -1e-05"},
    {"tiny-llama", "rms_norm_eps", "0", "\"rms_norm_eps\" is 0"},
    {"tiny-llama", "attention_bias", "1", "true or false is possible"},
    {"tiny-llama", "tie_word_embeddings", "\"yes\"", "true or false is possible"},
    {"tiny-llama", "torch_dtype", "16", "\"torch_dtype\" is 16"},
    {"tiny-llama", "torch_dtype", "\"a type of a very long name\"", "\"bfloat16\" is an example"},
    {"tiny-llama", "rope_theta", "0.5", "\"rope_theta\" is 0.5"},
    {"tiny-llama", "rope_theta", "1", "\"rope_scaling\": rotary base 1"},
    {"tiny-llama", "rope_scaling", "7", "\"rope_scaling\" is no object"},
    {"tiny-llama", "rope_scaling", "{\"type\":\"yarn\",\"factor\":4}", "\"rope_scaling\" is yarn"},
    {"tiny-llama", "rope_scaling", "{\"type\":\"dynamic\",\"factor\":4}", "is dynamic; rotary"},
    {"tiny-llama", "rope_scaling", "{\"rope_type\":\"longrope\"}", "is longrope; rotary"},
    {"tiny-llama", "rope_scaling", "{\"rope_type\":\"linear\"}", "\"factor\" is missing"},
    {"tiny-llama", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":0.5}", "scaling by 0.5"},
    {"tiny-llama", "rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":8}",
     "\"low_freq_factor\" is missing"},
    {"tiny-llama", "rope_scaling",
     "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4}",
     "0 < low_freq_factor < high_freq_factor"},
    {"tiny-qwen3", "rope_parameters", "{\"rope_type\":\"proportional\"}", "is proportional"},
    {"tiny-qwen3", "rope_parameters", "{\"full_attention\":{\"rope_type\":\"default\"}}",
     "one set of rotary parameters for all layers"},
    {"tiny-qwen3", "rope_parameters", "{\"rope_type\":\"default\",\"partial_rotary_factor\":0.25}",
     "whole heads are rotated"},
    {"tiny-llama", "partial_rotary_factor", "0.5", "whole heads are rotated"},
    {"tiny-mistral", "sliding_window", "1023", "\"sliding_window\" is 1023; attention within"},
    {"tiny-mistral", "sliding_window", "0", "\"sliding_window\" is 0"},
    {"tiny-qwen2", "layer_types", "[\"full_attention\",\"sliding_attention\"]",
     "\"layer_types\" is sliding_attention"},
    {"tiny-qwen2", "layer_types", "{}", "\"layer_types\" is no list"},
};
enum { REFUSED = sizeof refused / sizeof refused[0] };

START_TEST(test_refused) {
  detail err = {0};
  model_config c;
  ck_fails(read_changed(&c, refused[_i].shape, refused[_i].field, refused[_i].value, &err), E_INPUT,
           refused[_i].says);
  ck_assert_str_eq(err.file, "config.json");
}
END_TEST

/* Two fields at once: a window is in force only where everything says so. */
START_TEST(test_window) {
  detail err;
  model_config c;
  json_t *root = changed("tiny-qwen2", "sliding_window", "100");
  ck_ok(config_read(&c, root, "config.json", &err));
  ck_assert_int_eq(json_object_set_new(root, "use_sliding_window", json_true()), 0);
  ck_ok(config_read(&c, root, "config.json", &err)); /* from layer 28 on, which it has not */
  ck_assert_int_eq(json_object_set_new(root, "max_window_layers", json_integer(1)), 0);
  ck_fails(config_read(&c, root, "config.json", &err), E_INPUT, "\"sliding_window\" is 100");
  ck_assert_int_eq(json_object_set_new(root, "sliding_window", json_null()), 0);
  ck_ok(config_read(&c, root, "config.json", &err));
  json_decref(root);
  ck_ok(read_changed(&c, "tiny-mistral", "sliding_window", "1024", &err));
  ck_ok(read_changed(&c, "tiny-mistral", "sliding_window", NULL, &err)); /* 4096, unsaid */
  root = changed("tiny-mistral", "sliding_window", NULL);
  ck_assert_int_eq(json_object_set_new(root, "max_position_embeddings", json_integer(8192)), 0);
  ck_fails(config_read(&c, root, "config.json", &err), E_INPUT,
           "\"sliding_window\" is 4096; attention within a window is not run");
  ck_assert_ptr_nonnull(
      strstr(err.text, "\"max_position_embeddings\": 4096 runs the model so far"));
  json_decref(root);
}
END_TEST

/* What files leave unsaid is as the classes of transformers have it. */
START_TEST(test_defaults) {
  detail err;
  model_config c;
  ck_ok(read_changed(&c, "tiny-llama", "num_key_value_heads", NULL, &err));
  ck_assert_int_eq(c.kv_heads, 4);
  ck_ok(read_changed(&c, "tiny-qwen3", "num_key_value_heads", "null", &err));
  ck_assert_int_eq(c.kv_heads, 2);
  ck_ok(read_changed(&c, "tiny-qwen3", "head_dim", NULL, &err));
  ck_assert_int_eq(c.head_size, 128);
  ck_ok(read_changed(&c, "tiny-qwen2", "head_dim", NULL, &err));
  ck_assert_int_eq(c.head_size, 32);
  ck_ok(read_changed(&c, "tiny-llama", "rope_theta", NULL, &err));
  ck_assert_double_eq(c.rope.theta, 10000);
  ck_ok(read_changed(&c, "tiny-llama", "rms_norm_eps", NULL, &err));
  ck_assert_double_eq(c.epsilon, 1e-6);
  ck_ok(read_changed(&c, "tiny-llama", "hidden_act", NULL, &err));
  ck_ok(read_changed(&c, "tiny-llama", "rope_scaling", "{}", &err));
  ck_ok(read_changed(&c, "tiny-llama", "rope_scaling", "{\"type\":\"linear\",\"factor\":2}", &err));
  ck_assert_int_eq(c.rope.kind, ROPE_LINEAR);
  ck_ok(read_changed(&c, "tiny-llama", "architectures", NULL, &err)); /* model_type serves */
  ck_assert_str_eq(c.architecture, "LlamaForCausalLM");
  ck_ok(read_changed(&c, "tiny-llama3", "rope_scaling",
                     "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
                     "\"high_freq_factor\":4}",
                     &err));
  ck_assert_double_eq(c.rope.original_positions, 1024);
}
END_TEST

/* ---- generation settings --------------------------------------------------------------------- */

static status read_generation(model_generation *g, const char *generation, const char *eos,
                              detail *err) {
  model_config c;
  json_t *config = changed("tiny-llama", "eos_token_id", eos), *root = NULL;
  if (generation) root = json_loads(generation, 0, NULL);
  ck_assert(!generation || root);
  status failed = config_read(&c, config, "config.json", err);
  if (!failed) {
    failed =
        config_read_generation(g, &c, root, "generation_config.json", config, "config.json", err);
  }
  json_decref(config);
  json_decref(root);
  return failed;
}

START_TEST(test_generation) {
  detail err;
  model_generation g;
  ck_ok(read_generation(&g, NULL, "5", &err));
  ck_assert_int_eq(g.end_count, 1);
  ck_assert_uint_eq(g.end_ids[0], 5);
  ck_assert_double_eq(g.temperature, 0);
  /* Nothing is padded here, and some files name an id for it that is not in the vocabulary. */
  ck_ok(read_generation(&g, "{\"eos_token_id\":[7,9],\"bos_token_id\":1,\"pad_token_id\":999}", "5",
                        &err));
  ck_assert_int_eq(g.end_count, 2);
  ck_assert_uint_eq(g.end_ids[1], 9);
  ck_assert_int_eq(g.begin_id, 1);
  ck_assert_double_eq(g.temperature, 0); /* nobody said "do_sample" */
  ck_ok(read_generation(&g,
                        "{\"do_sample\":true,\"temperature\":0.6,\"top_k\":20,\"top_p\":0.95,"
                        "\"min_p\":0.05,\"repetition_penalty\":1.05,\"typical_p\":1.0}",
                        "null", &err));
  ck_assert_int_eq(g.end_count, 0);
  ck_assert_double_eq(g.temperature, 0.6);
  ck_assert_int_eq(g.top_k, 20);
  ck_assert_double_eq(g.top_p, 0.95);
  ck_assert_double_eq(g.min_p, 0.05);
  ck_assert_str_eq(g.not_applied, "repetition_penalty");
  ck_ok(read_generation(&g, "{\"top_p\":0,\"bos_token_id\":-1,\"suppress_tokens\":[]}", "5", &err));
  ck_assert(g.top_p > 0 && g.top_p < 1e-5);
  ck_assert_int_eq(g.begin_id, -1);
  ck_assert_str_eq(g.not_applied, "");
  ck_ok(read_generation(&g, "{\"do_sample\":true}", "5", &err));
  ck_assert_double_eq(g.temperature, 1);
  ck_assert_double_eq(g.top_p, 1);
  ck_assert_int_eq(g.top_k, 0);
}
END_TEST

static const struct {
  const char *generation, *says;
} bad_generations[] = {
    {"{\"eos_token_id\":515}", "\"eos_token_id\" must be a token's id, 0 to 514"},
    {"{\"eos_token_id\":-1}", "\"eos_token_id\" must be a token's id"},
    {"{\"eos_token_id\":\"</s>\"}", "\"eos_token_id\" must be a token's id"},
    {"{\"eos_token_id\":[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8]}", "a list of at most 16"},
    {"{\"bos_token_id\":515}", "\"bos_token_id\" is 515"},
    {"{\"temperature\":-1}", "\"temperature\" is -1"},
    {"{\"top_p\":-0.5}", "\"top_p\" is -0.5"},
    {"{\"top_p\":1.5}", "\"top_p\" is 1.5"},
    {"{\"top_k\":1.5}", "\"top_k\" is 1.5"},
    {"{\"min_p\":2}", "\"min_p\" is 2"},
    {"{\"do_sample\":1}", "\"do_sample\" is 1; true or false is possible"},
};
enum { BAD_GENERATIONS = sizeof bad_generations / sizeof bad_generations[0] };

START_TEST(test_bad_generation) {
  detail err;
  model_generation g;
  ck_fails(read_generation(&g, bad_generations[_i].generation, "5", &err), E_INPUT,
           bad_generations[_i].says);
  ck_assert_str_eq(err.file, "generation_config.json");
}
END_TEST

/* ---- whole models ---------------------------------------------------------------------------- */

static const char *in_folder(const char *folder, const char *name) {
  static char path[512];
  (void)snprintf(path, sizeof path, "%s/%s", support_path(folder), name);
  return path;
}

static void write_model(const char *folder, const char *shape, uint64_t seed, int shards) {
  detail err;
  synth_options o = {.shape = synth_find(shape),
                     .folder = support_path(folder),
                     .seed = seed,
                     .element = ELEMENT_BF16,
                     .shards = shards};
  ck_ok(synth_write(&o, &err));
}

/* Replaces config.json by that of the shape with one field changed. */
static void write_config(const char *folder, const char *shape, const char *field,
                         const char *value) {
  json_t *root = changed(shape, field, value);
  char *dumped = json_dumps(root, 0);
  ck_assert_ptr_nonnull(dumped);
  support_write(in_folder(folder, "config.json"), dumped);
  memory_free(dumped);
  json_decref(root);
}

static const struct {
  const char *shape, *field, *value, *says;
} mismatches[] = {
    {"tiny-llama", "vocab_size", "516",
     "\"model.embed_tokens.weight\" has the shape [515, 72]; config.json makes it [516, 72]"},
    {"tiny-llama", "num_hidden_layers", "3",
     "\"model.layers.2.input_layernorm.weight\" is in no file"},
    {"tiny-llama", "num_hidden_layers", "1",
     "\"model.layers.1.input_layernorm.weight\" has no part in a LlamaForCausalLM"},
    {"tiny-llama", "num_key_value_heads", "4",
     "k_proj.weight\" has the shape [64, 72]; config.json makes it [128, 72]"},
    {"tiny-llama", "attention_bias", "true", "\"model.layers.0.self_attn.q_proj.bias\" is in no"},
    {"tiny-llama3", "tie_word_embeddings", "false",
     "\"lm_head.weight\" is in no file: a checkpoint without it says \"tie_word_embeddings\""},
    {"tiny-llama-bias", "mlp_bias", "false", "mlp.down_proj.bias\" has no part in"},
    {"tiny-llama-bias", "attention_bias", "false", "self_attn.k_proj.bias\" has no part in"},
    {"tiny-qwen3", "architectures", "[\"LlamaForCausalLM\"]", "k_norm.weight\" has no part in"},
};
enum { MISMATCHES = sizeof mismatches / sizeof mismatches[0] };

START_TEST(test_mismatch) {
  detail err;
  model *m = NULL;
  write_model("m", mismatches[_i].shape, 1, 1);
  write_config("m", mismatches[_i].shape, mismatches[_i].field, mismatches[_i].value);
  ck_fails(model_open(&m, support_path("m"), &err), E_INPUT, mismatches[_i].says);
  ck_assert_ptr_null(m);
}
END_TEST

/* A vocabulary of its own in a tied checkpoint is passed over, and counted. */
START_TEST(test_tied) {
  detail err;
  model *m = NULL;
  write_model("m", "tiny-llama", 1, 1);
  write_config("m", "tiny-llama", "tie_word_embeddings", "true");
  ck_ok(model_open(&m, in_folder("m", "/"), &err));
  ck_assert_uint_eq(model_unused(m), 1);
  ck_assert_ptr_eq(model_vocabulary(m), model_embedding(m));
  ck_assert_ptr_null(model_layer(m, 0, LAYER_Q_BIAS));
  model_close(m);
}
END_TEST

/* The type of a used tensor: same bytes, another name for them. */
START_TEST(test_type) {
  detail err;
  model *m = NULL;
  size_t bytes;
  write_model("m", "tiny-llama", 1, 1);
  char *file = support_read(in_folder("m", "model.safetensors"), &bytes);
  char *at = memmem(file, bytes, "\"BF16\"", 6);
  ck_assert_ptr_nonnull(at);
  memcpy(at, "\"I16\" ", 6);
  FILE *out = fopen(in_folder("m", "model.safetensors"), "wb");
  ck_assert_ptr_nonnull(out);
  ck_assert_uint_eq(fwrite(file, 1, bytes, out), bytes);
  ck_assert_int_eq(fclose(out), 0);
  free(file);
  ck_fails(model_open(&m, support_path("m"), &err), E_INPUT,
           "tensor \"model.embed_tokens.weight\" is I16; BF16, F16 and F32 are run");
}
END_TEST

START_TEST(test_folder) {
  detail err;
  model *m = NULL;
  ck_fails(model_open(&m, support_path("nowhere"), &err), E_INPUT, "there is no such folder");
  ck_fails(model_open(&m, "", &err), E_INPUT, "a model's folder needs a name");
  write_model("m", "tiny-llama", 1, 1);
  support_write(in_folder("m", "config.json"), "{");
  ck_fails(model_open(&m, support_path("m"), &err), E_INPUT, "not JSON");
  ck_assert_int_eq(unlink(in_folder("m", "config.json")), 0);
  ck_assert_int_eq(mkfifo(in_folder("m", "config.json"), 0666), 0);
  ck_fails(model_open(&m, support_path("m"), &err), E_INPUT, "this is a pipe");
  ck_assert_int_eq(unlink(in_folder("m", "config.json")), 0);
  ck_assert_int_eq(symlink("../blobs/1234", in_folder("m", "config.json")), 0);
  ck_fails(model_open(&m, support_path("m"), &err), E_INPUT, "a link to what is not there");
}
END_TEST

/* What is named in a model's place, and what is to be named instead. */
START_TEST(test_other_folder) {
  static const struct {
    const char *name, *says; /* a file of the folder */
  } others[] = {{"readme.md", "has no config.json, which a model's folder has"},
                {"a.gguf", "has no config.json, but a.gguf, which is not read"},
                {"snapshots", "name a folder in its snapshots"},
                {"params.json", "in its makers' own form (params.json)"},
                {"adapter_config.json", "an adapter (LoRA) and no model"}};
  detail err;
  model *m = NULL;
  ck_assert_int_eq(mkdir(support_path("m"), 0777), 0);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    support_write(in_folder("m", others[i].name), "");
    ck_fails(model_open(&m, support_path("m"), &err), E_INPUT, others[i].says);
    ck_assert_str_eq(err.file, support_path("m"));
  }
  support_write(support_path("own.bin"), "weights");
  ck_fails(model_open(&m, support_path("own.bin"), &err), E_INPUT, "name the folder that it is in");
  support_write(support_path("own.gguf"), "GGUF\003");
  ck_fails(model_open(&m, support_path("own.gguf"), &err), E_INPUT, "this is a GGUF file");
  ck_fails(model_open(&m, in_folder("own.gguf", "m"), &err), E_INPUT, "there is no such folder");
  ck_assert_ptr_null(m);
}
END_TEST

START_TEST(test_no_memory) {
  int64_t n = 0;
  write_model("m", "tiny-qwen2", 1, 3);
  for (;; n++) {
    detail err = {0};
    model *m = NULL;
    memory_fail_once(n);
    status failed = model_open(&m, support_path("m"), &err);
    memory_fail_once(-1);
    model_close(m);
    if (!failed) break;
    ck_assert_int_eq(failed, E_MEMORY);
  }
  ck_assert_int_gt(n, 50);
}
END_TEST

/* ---- hashes ---------------------------------------------------------------------------------- */

static hash hash_in(const char *folder, const char *cache) {
  detail err;
  hash h;
  model *m = NULL;
  ck_ok(model_open(&m, support_path(folder), &err));
  ck_ok(model_hash(m, cache, NULL, &h, &err));
  model_close(m);
  return h;
}

START_TEST(test_hash) {
  write_model("one", "tiny-qwen2", 1, 1);
  write_model("cut", "tiny-qwen2", 1, 5);
  write_model("other", "tiny-qwen2", 2, 1);
  hash one = hash_in("one", NULL), cut = hash_in("cut", NULL), other = hash_in("other", NULL);
  ck_assert(hash_equal(&one, &cut));
  ck_assert(!hash_equal(&one, &other));
  write_config("cut", "tiny-qwen2", "dtype", "\"float32\""); /* says nothing of the arithmetic */
  cut = hash_in("cut", NULL);
  ck_assert(hash_equal(&one, &cut));
  write_config("cut", "tiny-qwen2", "rms_norm_eps", "2e-6");
  cut = hash_in("cut", NULL);
  ck_assert(!hash_equal(&one, &cut));
}
END_TEST

/* Makes the files of a folder look as old as a model usually is; the change of time is now. */
static int settled(const char *folder) {
  struct stat info;
  struct utimbuf old = {1000000000, 1000000000};
  ck_assert_int_eq(utime(in_folder(folder, "model.safetensors"), &old), 0);
  ck_assert_int_eq(stat(in_folder(folder, "model.safetensors"), &info), 0);
  return info.st_mtime == 1000000000;
}

static size_t cache_lines(const char *path) {
  size_t bytes = 0;
  if (access(path, F_OK)) return 0;
  free(support_read(path, &bytes));
  return bytes / (2 * 64 + 2);
}

START_TEST(test_cache) {
  const char *cache = support_path("cache");
  write_model("m", "tiny-qwen2", 1, 1);
  hash plain = hash_in("m", NULL), h = hash_in("m", cache);
  ck_assert(hash_equal(&plain, &h));
  ck_assert_uint_eq(cache_lines(cache), 0); /* written a moment ago */
  ck_assert(settled("m"));
  sleep(3);
  h = hash_in("m", cache);
  ck_assert_uint_eq(cache_lines(cache), 1);
  h = hash_in("m", cache);
  ck_assert_uint_eq(cache_lines(cache), 1);
  ck_assert(hash_equal(&plain, &h));
  /* The line is what is believed: with another hash in it, that is the answer. */
  char *line = support_read(cache, NULL);
  line[65] = line[65] == 'a' ? 'b' : 'a';
  support_write(cache, line);
  h = hash_in("m", cache);
  ck_assert(!hash_equal(&plain, &h));
  ck_assert_int_eq(chmod(in_folder("m", "model.safetensors"), 0600), 0); /* another state */
  h = hash_in("m", cache);
  ck_assert(hash_equal(&plain, &h));
  support_write(cache, "this is no cache");
  sleep(3);
  h = hash_in("m", cache);
  ck_assert(hash_equal(&plain, &h));
  ck_assert_uint_eq(cache_lines(cache), 1);
  h = hash_in("m", support_path("")); /* a folder in the cache's place costs time alone */
  ck_assert(hash_equal(&plain, &h));
  free(line);
}
END_TEST

/* ---- commands -------------------------------------------------------------------------------- */

START_TEST(test_synth_command) {
  const char *folder = support_path("m");
  ck_ended(nightjar("model", "synth", "--config", "tiny-llama", "-o", folder, "--shards", "3",
                    "--dtype", "fp16"),
           0);
  ck_assert_int_eq(access(in_folder("m", "model-00003-of-00003.safetensors"), F_OK), 0);
  ck_assert_int_eq(access(in_folder("m", "tokenizer.json"), F_OK), 0);
  outcome again = nightjar("model", "synth", "--config", "tiny-llama", "-o", folder);
  ck_assert_int_eq(again.code, 3);
  ck_holds(again.err, "exists; name a folder that does not");
  outcome shape = nightjar("model", "synth", "--config", "tiny-lama", "-o", support_path("x"));
  ck_assert_int_eq(shape.code, 2);
  ck_holds(shape.err, "did you mean 'tiny-llama'?");
  outcome type = nightjar("model", "synth", "--config", "tiny-llama", "-o", support_path("x"),
                          "--dtype", "int8");
  ck_assert_int_eq(type.code, 2);
  ck_holds(type.err, "--dtype must be bf16, fp16 or fp32");
  outcome many = nightjar("model", "synth", "--config", "tiny-llama", "-o", support_path("x"),
                          "--shards", "99");
  ck_assert_int_eq(many.code, 3);
  ck_holds(many.err, "99 shards for");
  ck_assert_int_ne(access(support_path("x"), F_OK), 0);
  ck_assert_int_eq(nightjar("model", "synth", "--config", "tiny-llama").code, 2);
  outcome deep = nightjar("model", "synth", "--config", "tiny-llama", "-o", in_folder("x", "y"));
  ck_assert_int_eq(deep.code, 3);
  ck_holds(deep.err, "the folder that it is to stand in is not there");
  ck_ended(nightjar("model", "synth", "--config", "tiny-llama", "-o", in_folder("slash", "")), 0);
  ck_assert_int_eq(access(in_folder("slash", "config.json"), F_OK), 0);
}
END_TEST

/* The folder's tokenizer begins and ends as its config.json says, and has an id for each weight. */
START_TEST(test_synth_tokenizer) {
  detail err;
  tokenizer *t = NULL;
  model *m = NULL;
  ck_ended(nightjar("model", "synth", "--config", "tiny-llama", "-o", support_path("m")), 0);
  ck_ok(model_open(&m, support_path("m"), &err));
  size_t bytes;
  char *file = support_read(in_folder("m", "tokenizer.json"), &bytes);
  ck_ok(tokenizer_read(&t, file, bytes, "tokenizer.json", &err));
  const model_generation *g = model_generation_of(m);
  ck_assert_int_eq(g->begin_id, tokenizer_find(t, TOKENIZER_SYNTH_BEGIN, 9));
  ck_assert_int_eq((int64_t)g->end_ids[0], tokenizer_find(t, TOKENIZER_SYNTH_END, 7));
  ck_assert_int_eq(tokenizer_size(t), model_config_of(m)->vocabulary);
  tokenizer_close(t);
  free(file);
  model_close(m);
}
END_TEST

/* A full disk leaves nothing. */
START_TEST(test_synth_full) {
  const char *folder = support_path("empty");
  char path[512];
  (void)snprintf(path, sizeof path, "%s/m", folder);
  const char *arguments[] = {"model", "synth", "--config", "tiny-llama", "-o", path, NULL};
  ck_assert_int_eq(mkdir(folder, 0777), 0);
  outcome full = program_run_bounded(arguments, 100000);
  ck_assert_int_ne(full.code, 0);
  ck_holds(full.err, "cannot write");
  ck_assert_int_eq(rmdir(folder), 0); /* as empty as it was */
}
END_TEST

START_TEST(test_show_command) {
  const char *folder = support_path("m");
  ck_assert_int_eq(setenv("XDG_CACHE_HOME", support_path("home"), 1), 0);
  write_model("m", "tiny-qwen3", 1, 2);
  outcome shown = nightjar("model", "show", folder);
  ck_ended(shown, 0);
  ck_holds(shown.out, "Qwen3ForCausalLM");
  ck_holds(shown.out, "2 layers of 70, 2 heads of 96 (1 of keys), feed-forward 90");
  ck_holds(shown.out, "cache         768 bytes a token in bf16 (k)");
  outcome data = nightjar("model", "show", folder, "--json");
  ck_ended(data, 0);
  json_t *root = program_json(data.out);
  ck_assert_int_eq(json_integer_value(json_object_get(root, "product_parameters")),
                   2 * (70 * (2 * 192 + 2 * 96) + 3 * 70 * 90) + 300 * 70);
  ck_assert_uint_eq(strlen(json_string_value(json_object_get(root, "hash"))), 64);
  json_decref(root);
  outcome quick = nightjar("model", "show", folder, "--no-hash", "--json");
  root = program_json(quick.out);
  ck_assert(json_is_null(json_object_get(root, "hash")));
  json_decref(root);
  ck_holds(quick.err, "tokenizer.json: there is no such file");
  ck_holds(shown.out, "tokenizer     none");
  support_write(
      in_folder("m", "tokenizer.json"),
      "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":300},\"unk_token\":\"a\"}}");
  shown = nightjar("model", "show", folder, "--no-hash");
  ck_ended(shown, 0);
  ck_assert_str_eq(shown.err, "");
  ck_holds(shown.out, "tokenizer     301 ids, more than the vocabulary");
  write_config("m", "tiny-qwen3", "quantization_config", "{\"quant_method\":\"awq\"}");
  outcome bad = nightjar("model", "show", folder);
  ck_assert_int_eq(bad.code, 3);
  ck_holds(bad.err, "config.json: \"quantization_config\" is awq");
}
END_TEST

/* The bench model's arithmetic is the paper's. */
START_TEST(test_bench_shape) {
  const model_config *c = &synth_find("apr-228m")->config;
  ck_assert_int_eq(config_product_parameters(c), 260440064);
  ck_assert_int_eq(config_parameters(c) - config_product_parameters(c),
                   32000 * 1024 + 18 * 2 * 1024 + 1024);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("model");
  TCase *config = tcase_create("config"), *whole = tcase_create("whole");
  TCase *commands = tcase_create("commands");
  tcase_add_test(config, test_shapes);
  tcase_add_loop_test(config, test_refused, 0, REFUSED);
  tcase_add_test(config, test_window);
  tcase_add_test(config, test_defaults);
  tcase_add_test(config, test_generation);
  tcase_add_loop_test(config, test_bad_generation, 0, BAD_GENERATIONS);
  tcase_add_test(config, test_bench_shape);
  tcase_add_loop_test(whole, test_mismatch, 0, MISMATCHES);
  tcase_add_test(whole, test_tied);
  tcase_add_test(whole, test_type);
  tcase_add_test(whole, test_folder);
  tcase_add_test(whole, test_other_folder);
  tcase_add_test(whole, test_no_memory);
  tcase_add_test(whole, test_hash);
  tcase_add_test(whole, test_cache);
  tcase_add_test(commands, test_synth_command);
  tcase_add_test(commands, test_synth_tokenizer);
  tcase_add_test(commands, test_synth_full);
  tcase_add_test(commands, test_show_command);
  suite_add_tcase(suite, config);
  suite_add_tcase(suite, whole);
  suite_add_tcase(suite, commands);
  return support_run(suite);
}
