#include "engine/model.h"

#include "base/memory.h"
#include "engine/model_internal.h"

#include <stdio.h>
#include <string.h>

const char model_embedding_name[] = "model.embed_tokens.weight";
const char model_vocabulary_name[] = "lm_head.weight";
const char model_norm_name[] = "model.norm.weight";

/* ---- names and shapes ------------------------------------------------------------------------ */

/* Extents by what they count. */
typedef enum extent_of { NOTHING, HIDDEN, QUERIES, KEYS, HEAD, FORWARD } extent_of;

typedef enum wanted_by { ALWAYS, QKV_BIAS, OUTPUT_BIAS, MLP_BIAS, HEAD_NORM } wanted_by;

static const struct {
  const char *name;
  extent_of rows, columns;
  wanted_by wanted;
} kinds[LAYER_TENSORS] = {
    [LAYER_NORM] = {"input_layernorm.weight", HIDDEN, NOTHING, ALWAYS},
    [LAYER_Q] = {"self_attn.q_proj.weight", QUERIES, HIDDEN, ALWAYS},
    [LAYER_K] = {"self_attn.k_proj.weight", KEYS, HIDDEN, ALWAYS},
    [LAYER_V] = {"self_attn.v_proj.weight", KEYS, HIDDEN, ALWAYS},
    [LAYER_O] = {"self_attn.o_proj.weight", HIDDEN, QUERIES, ALWAYS},
    [LAYER_Q_BIAS] = {"self_attn.q_proj.bias", QUERIES, NOTHING, QKV_BIAS},
    [LAYER_K_BIAS] = {"self_attn.k_proj.bias", KEYS, NOTHING, QKV_BIAS},
    [LAYER_V_BIAS] = {"self_attn.v_proj.bias", KEYS, NOTHING, QKV_BIAS},
    [LAYER_O_BIAS] = {"self_attn.o_proj.bias", HIDDEN, NOTHING, OUTPUT_BIAS},
    [LAYER_Q_NORM] = {"self_attn.q_norm.weight", HEAD, NOTHING, HEAD_NORM},
    [LAYER_K_NORM] = {"self_attn.k_norm.weight", HEAD, NOTHING, HEAD_NORM},
    [LAYER_MLP_NORM] = {"post_attention_layernorm.weight", HIDDEN, NOTHING, ALWAYS},
    [LAYER_GATE] = {"mlp.gate_proj.weight", FORWARD, HIDDEN, ALWAYS},
    [LAYER_UP] = {"mlp.up_proj.weight", FORWARD, HIDDEN, ALWAYS},
    [LAYER_DOWN] = {"mlp.down_proj.weight", HIDDEN, FORWARD, ALWAYS},
    [LAYER_GATE_BIAS] = {"mlp.gate_proj.bias", FORWARD, NOTHING, MLP_BIAS},
    [LAYER_UP_BIAS] = {"mlp.up_proj.bias", FORWARD, NOTHING, MLP_BIAS},
    [LAYER_DOWN_BIAS] = {"mlp.down_proj.bias", HIDDEN, NOTHING, MLP_BIAS},
};

static int64_t extent(const model_config *c, extent_of of) {
  switch (of) {
  case NOTHING: return 0;
  case HIDDEN: return c->hidden;
  case QUERIES: return (int64_t)c->heads * c->head_size;
  case KEYS: return (int64_t)c->kv_heads * c->head_size;
  case HEAD: return c->head_size;
  case FORWARD: return c->feed_forward;
  }
  return 0;
}

static int is_wanted(const model_config *c, wanted_by by) {
  switch (by) {
  case ALWAYS: return 1;
  case QKV_BIAS: return c->qkv_bias;
  case OUTPUT_BIAS: return c->output_bias;
  case MLP_BIAS: return c->mlp_bias;
  case HEAD_NORM: return c->head_norm;
  }
  return 0;
}

layer_tensor_shape model_layer_shape(const model_config *c, int layer, layer_tensor which) {
  layer_tensor_shape shape = {
      .dimensions = kinds[which].columns == NOTHING ? 1 : 2,
      .extent = {extent(c, kinds[which].rows), extent(c, kinds[which].columns)},
      .wanted = is_wanted(c, kinds[which].wanted)};
  (void)snprintf(shape.name, sizeof shape.name, "model.layers.%d.%s", layer, kinds[which].name);
  return shape;
}

/* ---- tensors against the configuration ------------------------------------------------------- */

static void put_shape(char *out, size_t bytes, int dimensions, const int64_t *extents) {
  size_t used = (size_t)snprintf(out, bytes, "[");
  for (int i = 0; i < dimensions && used < bytes; i++) {
    used +=
        (size_t)snprintf(out + used, bytes - used, "%s%lld", i ? ", " : "", (long long)extents[i]);
  }
  if (used < bytes) (void)snprintf(out + used, bytes - used, "]");
}

static status missing(const model *m, const char *name, detail *err) {
  const char *remedy = "the checkpoint is not whole, or its config.json is another's";
  if (!strcmp(name, model_vocabulary_name)) {
    remedy = "a checkpoint without it says \"tie_word_embeddings\": true in config.json";
  }
  return fault_at(err, E_INPUT, m->folder, 0, "tensor \"%s\" is in no file: %s", name, remedy);
}

static status wrong_shape(const tensor *t, int dimensions, const int64_t *extents, detail *err) {
  char found[TENSOR_DIMENSIONS_MAX * 24], expected[64];
  put_shape(found, sizeof found, t->dimensions, t->extent);
  put_shape(expected, sizeof expected, dimensions, extents);
  return fault_at(err, E_INPUT, t->file, 0,
                  "tensor \"%s\" has the shape %s; config.json makes it %s", t->name, found,
                  expected);
}

/* Finds a tensor and marks it used. */
static status take_tensor(model *m, const char *name, int dimensions, const int64_t *extents,
                          const tensor **out, detail *err) {
  const tensor *t = safetensors_find(m->tensors, name);
  if (!t) return missing(m, name, err);
  int same = t->dimensions == dimensions;
  for (int i = 0; same && i < dimensions; i++)
    same = t->extent[i] == extents[i];
  if (!same) return wrong_shape(t, dimensions, extents, err);
  if (t->type != TENSOR_BF16 && t->type != TENSOR_F16 && t->type != TENSOR_F32) {
    return fault_at(err, E_INPUT, t->file, 0, "tensor \"%s\" is %s; BF16, F16 and F32 are run",
                    name, tensor_type_name(t->type));
  }
  m->used[t - safetensors_at(m->tensors, 0)] = 1;
  m->bytes += (int64_t)t->bytes;
  *out = t;
  return OK;
}

static status take_layer(model *m, int layer, detail *err) {
  for (int i = 0; i < LAYER_TENSORS; i++) {
    layer_tensor_shape s = model_layer_shape(&m->config, layer, (layer_tensor)i);
    if (!s.wanted) continue;
    status failed = take_tensor(m, s.name, s.dimensions, s.extent, &m->layers[layer].of[i], err);
    if (failed) return failed;
  }
  return OK;
}

static int ends_with(const char *text_of, const char *ending) {
  size_t bytes = strlen(text_of), tail = strlen(ending);
  return bytes >= tail && !strcmp(text_of + bytes - tail, ending);
}

static status check_others(model *m, detail *err) {
  char shown[FILE_SHOWN_BYTES];
  for (size_t i = 0; i < safetensors_count(m->tensors); i++) {
    const tensor *t = safetensors_at(m->tensors, i);
    if (m->used[i]) continue;
    int known = ends_with(t->name, ".rotary_emb.inv_freq") ||
                (m->config.tied && !strcmp(t->name, model_vocabulary_name));
    if (!known) {
      return fault_at(err, E_INPUT, t->file, 0,
                      "tensor \"%s\" has no part in a %s of this config.json: the model would be "
                      "run without it",
                      file_shown(t->name, shown), m->config.architecture);
    }
    m->unused++;
  }
  return OK;
}

static status take_tensors(model *m, detail *err) {
  const model_config *c = &m->config;
  int64_t table[2] = {c->vocabulary, c->hidden}, row = c->hidden;
  size_t count = safetensors_count(m->tensors);
  m->used = memory_zeroed(count, 1);
  m->layers = memory_zeroed((size_t)c->layers, sizeof *m->layers);
  if (!m->used || !m->layers) return fault(err, E_MEMORY, "no memory for a model's tensors");
  status failed = take_tensor(m, model_embedding_name, 2, table, &m->embedding, err);
  m->vocabulary = m->embedding;
  if (!failed && !c->tied) {
    failed = take_tensor(m, model_vocabulary_name, 2, table, &m->vocabulary, err);
  }
  if (!failed) failed = take_tensor(m, model_norm_name, 1, &row, &m->norm, err);
  for (int i = 0; !failed && i < c->layers; i++)
    failed = take_layer(m, i, err);
  return failed ? failed : check_others(m, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static status read_configs(model *m, detail *err) {
  char path[PATH_MAX], more[PATH_MAX];
  json_t *root = NULL, *generation = NULL;
  status failed = folder_check(m->folder, err);
  if (!failed) failed = file_path(path, m->folder, "config.json", err);
  if (!failed) failed = file_path(more, m->folder, "generation_config.json", err);
  if (!failed) failed = file_json(&root, path, err);
  if (!failed) failed = config_read(&m->config, root, path, err);
  if (!failed && file_exists(m->folder, "generation_config.json")) {
    failed = file_json(&generation, more, err);
  }
  if (!failed) {
    failed = config_read_generation(&m->generation, &m->config, generation, more, root, path, err);
  }
  json_decref(generation);
  json_decref(root);
  return failed;
}

status model_open(model **out, const char *folder, detail *err) {
  model *m = memory_zeroed(1, sizeof *m);
  if (!m) return fault(err, E_MEMORY, "no memory for a model");
  status failed = file_folder(m->folder, folder, err);
  if (!failed) failed = read_configs(m, err);
  if (!failed) failed = safetensors_open(&m->tensors, m->folder, err);
  if (!failed) failed = take_tensors(m, err);
  if (failed) {
    model_close(m);
    return failed;
  }
  *out = m;
  return OK;
}

void model_close(model *m) {
  if (!m) return;
  safetensors_close(m->tensors);
  memory_free(m->used);
  memory_free(m->layers);
  memory_free(m);
}

const char *model_folder(const model *m) {
  return m->folder;
}

const model_config *model_config_of(const model *m) {
  return &m->config;
}

const model_generation *model_generation_of(const model *m) {
  return &m->generation;
}

const tensor *model_embedding(const model *m) {
  return m->embedding;
}

const tensor *model_vocabulary(const model *m) {
  return m->vocabulary;
}

const tensor *model_norm(const model *m) {
  return m->norm;
}

const tensor *model_layer(const model *m, int layer, layer_tensor which) {
  REQUIRE(layer >= 0 && layer < m->config.layers);
  return m->layers[layer].of[which];
}

size_t model_unused(const model *m) {
  return m->unused;
}

int64_t model_file_bytes(const model *m) {
  return m->bytes;
}

void model_drop(const model *m) {
  safetensors_drop(m->tensors);
}
