#include "engine/synth.h"

#include "base/memory.h"
#include "base/newfile.h"
#include "engine/model_internal.h"
#include "kernels/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  BLOCK_ELEMENTS = 1 << 16,
  TEXT_BYTES_MAX = 16 << 20,
  BEGIN_ID = 256, /* behind the bytes of a tokenizer of ours */
  END_ID = 257
};

/* ---- config.json ----------------------------------------------------------------------------- */

static void put_scaling(const rope_options *r, const char *indent, text *out) {
  if (r->kind == ROPE_PLAIN) return;
  text_format(out, "%s\"factor\": %.1f,\n", indent, r->factor);
  if (r->kind == ROPE_LINEAR) return;
  text_format(out, "%s\"low_freq_factor\": %.1f,\n%s\"high_freq_factor\": %.1f,\n", indent,
              r->low_frequency_factor, indent, r->high_frequency_factor);
  text_format(out, "%s\"original_max_position_embeddings\": %.0f,\n", indent,
              r->original_positions);
}

static void put_rope(const synth_shape *s, text *out) {
  static const char *const kinds[] = {"default", "linear", "llama3"};
  const rope_options *r = &s->config.rope;
  if (!s->parameters) text_format(out, "  \"rope_theta\": %.1f,\n", r->theta);
  if (!s->parameters && r->kind == ROPE_PLAIN) return;
  text_format(out, "  \"%s\": {\n", s->parameters ? "rope_parameters" : "rope_scaling");
  if (s->parameters) text_format(out, "    \"rope_theta\": %.1f,\n", r->theta);
  put_scaling(r, "    ", out);
  text_format(out, "    \"rope_type\": \"%s\"\n  },\n", kinds[r->kind]);
}

static const char *model_type(const model_config *c) {
  if (!strcmp(c->architecture, "MistralForCausalLM")) return "mistral";
  if (!strcmp(c->architecture, "Qwen2ForCausalLM")) return "qwen2";
  return strcmp(c->architecture, "Qwen3ForCausalLM") ? "llama" : "qwen3";
}

void synth_config(const synth_shape *s, element_type element, text *out) {
  static const char *const types[] = {"bfloat16", "float16", "float32"};
  static const char *const flags[] = {"false", "true"};
  const model_config *c = &s->config;
  text_format(out, "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"%s\",\n",
              c->architecture, model_type(c));
  text_format(out, "  \"num_hidden_layers\": %d,\n  \"hidden_size\": %d,\n", c->layers, c->hidden);
  text_format(out, "  \"num_attention_heads\": %d,\n  \"num_key_value_heads\": %d,\n", c->heads,
              c->kv_heads);
  text_format(out, "  \"head_dim\": %d,\n  \"intermediate_size\": %d,\n", c->head_size,
              c->feed_forward);
  text_format(out, "  \"vocab_size\": %d,\n  \"max_position_embeddings\": %d,\n", c->vocabulary,
              c->context);
  text_format(out, "  \"rms_norm_eps\": %g,\n  \"hidden_act\": \"silu\",\n", c->epsilon);
  text_format(out, "  \"attention_bias\": %s,\n  \"mlp_bias\": %s,\n",
              flags[c->qkv_bias && c->output_bias], flags[c->mlp_bias]);
  text_put(out, "  \"sliding_window\": null,\n");
  text_format(out, "  \"bos_token_id\": %d,\n  \"eos_token_id\": %d,\n", BEGIN_ID, END_ID);
  put_rope(s, out);
  text_format(out, "  \"tie_word_embeddings\": %s,\n  \"%s\": \"%s\"\n}\n", flags[c->tied],
              s->parameters ? "dtype" : "torch_dtype", types[element]);
}

static void put_generation(text *out) {
  text_format(out, "{\n  \"do_sample\": true,\n  \"temperature\": 1.0,\n");
  text_format(out, "  \"bos_token_id\": %d,\n  \"eos_token_id\": %d\n}\n", BEGIN_ID, END_ID);
}

/* ---- tensors and their weights --------------------------------------------------------------- */

/* Elements are centre + spread * uniform in [-1, 1). */
typedef struct synth_tensor {
  layer_tensor_shape shape;
  float centre, spread;
} synth_tensor;

/* Of variance 1 / inputs: a product's outputs are as large as what goes in. */
static float product_spread(int64_t inputs) {
  return (float)sqrt(3.0 / (double)inputs);
}

static synth_tensor named(const char *name, int64_t rows, int64_t columns, float spread) {
  synth_tensor t = {.shape = {.dimensions = columns ? 2 : 1, .extent = {rows, columns}},
                    .centre = columns ? 0.0f : 1.0f,
                    .spread = spread};
  (void)snprintf(t.shape.name, sizeof t.shape.name, "%s", name);
  return t;
}

/* A layer's: matrices as products, biases around zero, gains around one. */
static synth_tensor layered(const model_config *c, int layer, layer_tensor which) {
  synth_tensor t = {.shape = model_layer_shape(c, layer, which)};
  size_t bytes = strlen(t.shape.name);
  int is_bias = !strcmp(t.shape.name + bytes - 4, "bias");
  if (t.shape.dimensions == 2) {
    t.spread = product_spread(t.shape.extent[1]);
  } else {
    t.centre = is_bias ? 0.0f : 1.0f;
    t.spread = is_bias ? 0.5f : 0.25f;
  }
  return t;
}

/* Every tensor of the shape in the order of the file; NULL without memory. Logits of an untied
   vocabulary are made four times as large as its inputs, so that a greedy choice is seldom close.
 */
static synth_tensor *list_tensors(const model_config *c, size_t *count) {
  size_t n = 0;
  synth_tensor *list = memory_zeroed((size_t)c->layers * LAYER_TENSORS + 3, sizeof *list);
  if (!list) return NULL;
  list[n++] = named(model_embedding_name, c->vocabulary, c->hidden, c->tied ? 0.4f : 1.0f);
  for (int i = 0; i < c->layers; i++) {
    for (int j = 0; j < LAYER_TENSORS; j++) {
      synth_tensor t = layered(c, i, (layer_tensor)j);
      if (t.shape.wanted) list[n++] = t;
    }
  }
  list[n++] = named(model_norm_name, c->hidden, 0, 0.25f);
  if (!c->tied) {
    list[n++] =
        named(model_vocabulary_name, c->vocabulary, c->hidden, 4 * product_spread(c->hidden));
  }
  *count = n;
  return list;
}

static int64_t elements(const synth_tensor *t) {
  return t->shape.dimensions == 2 ? t->shape.extent[0] * t->shape.extent[1] : t->shape.extent[0];
}

static random_key tensor_key(uint64_t seed, const char *name) {
  hash h = hash_of(name, strlen(name));
  return random_key_of(seed, &h, 0, "synth");
}

/* IEEE 754 binary16 of a number whose size is below 65504, to nearest even. */
static uint16_t to_fp16(float x) {
  uint32_t bits = number_bits(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  if (size < 0x38800000u) { /* a denormal there: a multiple of 2^-24 */
    float steps = number_of_bits(size) * 16777216.0f;
    uint32_t whole = (uint32_t)steps;
    float rest = steps - (float)whole;
    return (uint16_t)(sign | (whole + (rest > 0.5f || (rest == 0.5f && whole % 2))));
  }
  size += 0xfffu + (size >> 13 & 1u);
  return (uint16_t)(sign | (size - 0x38000000u) >> 13);
}

static size_t element_size(element_type element) {
  return element == ELEMENT_FP32 ? 4 : 2;
}

static void put_element(element_type element, float value, uint8_t *to) {
  uint16_t half = element == ELEMENT_BF16 ? number_to_bf16(value) : to_fp16(value);
  if (element == ELEMENT_FP32) {
    memcpy(to, &value, sizeof value);
  } else {
    memcpy(to, &half, sizeof half);
  }
}

/* from is a multiple of 4: a counter gives four words. */
static void fill(const synth_tensor *t, random_key key, element_type element, int64_t from,
                 int64_t count, uint8_t *to) {
  uint32_t words[4];
  for (int64_t i = 0; i < count; i++) {
    if (i % 4 == 0) random_words(key, 0, (uint64_t)(from + i) / 4, words);
    float uniform = (float)(int32_t)words[i % 4] * 4.656612873077392578125e-10f; /* 2^-31 */
    put_element(element, t->centre + t->spread * uniform, to + (size_t)i * element_size(element));
  }
}

/* ---- a file of tensors ----------------------------------------------------------------------- */

static void put_header(const synth_tensor *list, size_t count, element_type element, text *out) {
  static const char *const types[] = {"BF16", "F16", "F32"};
  uint64_t at = 0;
  text_put(out, "{\"__metadata__\":{\"format\":\"pt\"}");
  for (size_t i = 0; i < count; i++) {
    const layer_tensor_shape *s = &list[i].shape;
    uint64_t end = at + (uint64_t)elements(&list[i]) * element_size(element);
    text_format(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld", s->name, types[element],
                (long long)s->extent[0]);
    if (s->dimensions == 2) text_format(out, ",%lld", (long long)s->extent[1]);
    text_format(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                (unsigned long long)end);
    at = end;
  }
  text_char(out, '}');
  while (out->bytes % 8)
    text_char(out, ' ');
}

static status write_header(const newfile *f, const synth_tensor *list, size_t count,
                           element_type element, detail *err) {
  text header;
  uint8_t length[8];
  text_open(&header, TEXT_BYTES_MAX);
  put_header(list, count, element, &header);
  status failed = text_state(&header, err);
  for (int i = 0; i < 8; i++)
    length[i] = (uint8_t)((uint64_t)header.bytes >> 8 * i);
  if (!failed) failed = newfile_write(f, length, sizeof length, err);
  if (!failed) failed = newfile_write(f, text_string(&header), header.bytes, err);
  text_close(&header);
  return failed;
}

static status write_tensor(const newfile *f, const synth_tensor *t, const synth_options *o,
                           uint8_t *block, detail *err) {
  random_key key = tensor_key(o->seed, t->shape.name);
  int64_t count = elements(t);
  status failed = OK;
  for (int64_t from = 0; !failed && from < count; from += BLOCK_ELEMENTS) {
    int64_t some = count - from < BLOCK_ELEMENTS ? count - from : BLOCK_ELEMENTS;
    fill(t, key, o->element, from, some, block);
    failed = newfile_write(f, block, (size_t)some * element_size(o->element), err);
  }
  return failed;
}

static status write_tensors(const char *path, const synth_tensor *list, size_t count,
                            const synth_options *o, detail *err) {
  newfile f;
  uint8_t *block = memory_take(BLOCK_ELEMENTS * sizeof(float));
  if (!block) return fault(err, E_MEMORY, "no memory to write %s", path);
  status failed = newfile_open(&f, path, 0, err);
  if (!failed) {
    failed = write_header(&f, list, count, o->element, err);
    for (size_t i = 0; !failed && i < count; i++)
      failed = write_tensor(&f, &list[i], o, block, err);
    if (!failed) {
      failed = newfile_finish(&f, err);
    } else {
      newfile_abandon(&f);
    }
  }
  memory_free(block);
  return failed;
}

/* ---- a folder -------------------------------------------------------------------------------- */

static status write_file(const char *folder, const char *name, const void *bytes, size_t count,
                         detail *err) {
  char path[PATH_MAX];
  newfile f;
  status failed = file_path(path, folder, name, err);
  if (!failed) failed = newfile_open(&f, path, 0, err);
  if (failed) return failed;
  failed = newfile_write(&f, bytes, count, err);
  if (!failed) return newfile_finish(&f, err);
  newfile_abandon(&f);
  return failed;
}

static status write_text(const char *folder, const char *name, const text *t, detail *err) {
  status failed = text_state(t, err);
  return failed ? failed : write_file(folder, name, text_string(t), t->bytes, err);
}

static void shard_name(const synth_options *o, int shard, char out[64]) {
  if (o->shards == 1) {
    (void)snprintf(out, 64, "model.safetensors");
  } else {
    (void)snprintf(out, 64, "model-%05d-of-%05d.safetensors", shard + 1, o->shards);
  }
}

/* Tensors first to last of a shard: as many in each, the rest in the first ones. */
static size_t shard_start(const synth_options *o, size_t count, int shard) {
  size_t each = count / (size_t)o->shards, more = count % (size_t)o->shards, at = (size_t)shard;
  return at * each + (at < more ? at : more);
}

static status write_index(const char *folder, const synth_tensor *list, size_t count,
                          const synth_options *o, detail *err) {
  char name[64];
  text index;
  int64_t total = 0;
  text_open(&index, TEXT_BYTES_MAX);
  for (size_t i = 0; i < count; i++)
    total += elements(&list[i]) * (int64_t)element_size(o->element);
  text_format(&index, "{\n  \"metadata\": {\"total_size\": %lld},\n  \"weight_map\": {",
              (long long)total);
  for (int shard = 0; shard < o->shards; shard++) {
    shard_name(o, shard, name);
    for (size_t i = shard_start(o, count, shard); i < shard_start(o, count, shard + 1); i++)
      text_format(&index, "%s\n    \"%s\": \"%s\"", i ? "," : "", list[i].shape.name, name);
  }
  text_put(&index, "\n  }\n}\n");
  status failed = write_text(folder, "model.safetensors.index.json", &index, err);
  text_close(&index);
  return failed;
}

static status write_weights(const char *folder, const synth_options *o, detail *err) {
  size_t count = 0;
  synth_tensor *list = list_tensors(&o->shape->config, &count);
  status failed = OK;
  if (!list) return fault(err, E_MEMORY, "no memory for a list of tensors");
  if ((size_t)o->shards > count) {
    failed =
        fault(err, E_INPUT, "%d shards for %zu tensors: each needs one at least", o->shards, count);
  }
  for (int i = 0; !failed && i < o->shards; i++) {
    char name[64], path[PATH_MAX];
    size_t first = shard_start(o, count, i);
    shard_name(o, i, name);
    failed = file_path(path, folder, name, err);
    if (!failed) {
      failed = write_tensors(path, list + first, shard_start(o, count, i + 1) - first, o, err);
    }
  }
  if (!failed && o->shards > 1) failed = write_index(folder, list, count, o, err);
  memory_free(list);
  return failed;
}

static status write_texts(const char *folder, const synth_options *o, detail *err) {
  text config, generation;
  text_open(&config, TEXT_BYTES_MAX);
  text_open(&generation, TEXT_BYTES_MAX);
  synth_config(o->shape, o->element, &config);
  put_generation(&generation);
  status failed = write_text(folder, "config.json", &config, err);
  if (!failed) failed = write_text(folder, "generation_config.json", &generation, err);
  text_close(&config);
  text_close(&generation);
  for (int i = 0; !failed && i < o->file_count; i++)
    failed = write_file(folder, o->files[i].name, o->files[i].bytes, o->files[i].count, err);
  return failed;
}

static void remove_named(const char *folder, const char *name) {
  char path[PATH_MAX];
  if (!file_path(path, folder, name, NULL)) (void)unlink(path);
}

/* What synth_write may have written, and the folder. */
static void remove_folder(const char *folder, const synth_options *o) {
  char name[64];
  remove_named(folder, "config.json");
  remove_named(folder, "generation_config.json");
  remove_named(folder, "model.safetensors.index.json");
  for (int i = 0; i < o->shards; i++) {
    shard_name(o, i, name);
    remove_named(folder, name);
  }
  for (int i = 0; i < o->file_count; i++)
    remove_named(folder, o->files[i].name);
  (void)rmdir(folder);
}

static status cannot_make(const char *folder, int cause, detail *err) {
  if (cause == EEXIST) {
    return fault(err, E_INPUT, "%s exists; name a folder that does not", folder);
  }
  if (cause == ENOENT) {
    return fault(err, E_INPUT, "%s cannot be made: the folder that it is to stand in is not there",
                 folder);
  }
  return fault(err, E_IO, "%s cannot be made: %s", folder, strerror(cause));
}

status synth_write(const synth_options *o, detail *err) {
  char folder[PATH_MAX], part[PATH_MAX];
  struct stat info;
  REQUIRE(o->shards >= 1 && o->shards <= SYNTH_SHARDS_MAX);
  status failed = file_folder(folder, o->folder, err);
  if (failed) return failed;
  int bytes = snprintf(part, sizeof part, "%s.%ld.part", folder, (long)getpid());
  if (bytes < 0 || bytes >= PATH_MAX) return fault(err, E_INPUT, "the folder's path is too long");
  if (lstat(folder, &info) == 0) return cannot_make(folder, EEXIST, err);
  if (mkdir(part, 0777)) return cannot_make(folder, errno, err);
  failed = write_texts(part, o, err);
  if (!failed) failed = write_weights(part, o, err);
  if (!failed && !newfile_move(part, folder)) failed = cannot_make(folder, errno, err);
  if (failed) {
    remove_folder(part, o);
  } else {
    newfile_sync_folder(folder);
  }
  return failed;
}
