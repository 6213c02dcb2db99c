/* Weights from a model's files to a device: checked, packed, and the files' pages given back. */
#include "base/memory.h"
#include "engine/forward_internal.h"
#include "kernels/number.h"

#include <string.h>

enum { STACKED_MAX = 3 };

static element_type element_of(const tensor *t) {
  if (t->type == TENSOR_BF16) return ELEMENT_BF16;
  return t->type == TENSOR_F16 ? ELEMENT_FP16 : ELEMENT_FP32;
}

static size_t element_bytes(const tensor *t) {
  return t->type == TENSOR_F32 ? 4 : 2;
}

static int64_t elements(const tensor *t) {
  int64_t count = 1;
  for (int i = 0; i < t->dimensions; i++)
    count *= t->extent[i];
  return count;
}

/* ---- weights that are not finite ------------------------------------------------------------- */

static float element(const tensor *t, const void *data, int64_t index) {
  uint16_t half;
  float single;
  const uint8_t *at = (const uint8_t *)data + (size_t)index * element_bytes(t);
  if (t->type == TENSOR_F32) {
    memcpy(&single, at, sizeof single);
    return single;
  }
  memcpy(&half, at, sizeof half);
  return t->type == TENSOR_F16 ? number_from_fp16(half) : number_from_bf16(half);
}

/* Whether all elements of a block are finite once they are rounded to the compute's type. */
static int block_is_finite(const tensor *t, const void *data, int64_t from, int64_t to,
                           compute_type compute) {
  int bad = 0;
  if (t->type == TENSOR_BF16) {
    const uint16_t *bits = data;
    for (int64_t i = from; i < to; i++)
      bad |= (bits[i] & 0x7f80u) == 0x7f80u;
  } else if (t->type == TENSOR_F16) {
    const uint16_t *bits = data;
    for (int64_t i = from; i < to; i++)
      bad |= (bits[i] & 0x7c00u) == 0x7c00u;
  } else {
    uint32_t limit =
        compute == COMPUTE_BF16 ? 0x7f7f8000u : 0x7f800000u; /* what rounds to infinite */
    const uint32_t *bits = data;
    for (int64_t i = from; i < to; i++)
      bad |= (bits[i] & 0x7fffffffu) >= limit;
  }
  return !bad;
}

static status not_finite(const tensor *t, const void *data, int64_t index, detail *err) {
  int64_t width = t->dimensions == 2 ? t->extent[1] : t->extent[0];
  return fault_at(err, E_INPUT, t->file, 0,
                  "tensor \"%s\" holds %g at row %lld, column %lld, which is not finite as a "
                  "weight: every token would be wrong",
                  t->name, (double)element(t, data, index), (long long)(index / width),
                  (long long)(index % width));
}

static status check_finite(const tensor *t, const void *data, compute_type compute, detail *err) {
  enum { BLOCK = 4096 };
  int64_t count = elements(t);
  for (int64_t from = 0; from < count; from += BLOCK) {
    int64_t to = from + BLOCK < count ? from + BLOCK : count;
    if (block_is_finite(t, data, from, to, compute)) continue;
    while (block_is_finite(t, data, from, from + 1, compute))
      from++;
    return not_finite(t, data, from, err);
  }
  return OK;
}

/* ---- data as the operations take it ---------------------------------------------------------- */

/* A tensor's elements at an address that their type may stand at: the file's where it is one, else
   a copy, which *owned is then. */
static status aligned_data(const tensor *t, const void **out, void **owned, detail *err) {
  *owned = NULL;
  *out = t->data;
  if ((uintptr_t)t->data % element_bytes(t) == 0) return OK;
  *owned = memory_take(t->bytes);
  if (!*owned) {
    return fault(err, E_MEMORY, "no memory for a copy of %llu bytes of %s",
                 (unsigned long long)t->bytes, t->name);
  }
  memcpy(*owned, t->data, t->bytes);
  *out = *owned;
  return OK;
}

static status checked_data(const forward *f, const tensor *t, const void **out, void **owned,
                           detail *err) {
  status failed = aligned_data(t, out, owned, err);
  if (!failed && !f->options.allow_broken) {
    failed = check_finite(t, *out, f->options.compute, err);
  }
  return failed;
}

/* Stacks matrices of one width. */
static status pack(forward *f, packed_weight **out, const tensor *const *tensors, int count,
                   detail *err) {
  weight_part parts[STACKED_MAX];
  void *owned[STACKED_MAX] = {0};
  status failed = OK;
  for (int i = 0; !failed && i < count; i++) {
    parts[i] = (weight_part){.element = element_of(tensors[i]), .n = (int)tensors[i]->extent[0]};
    failed = checked_data(f, tensors[i], &parts[i].data, &owned[i], err);
  }
  weight_source source = {.parts = parts, .count = count, .k = (int)tensors[0]->extent[1]};
  if (!failed) failed = f->kernels->weight_pack(f->device, out, &source, err);
  for (int i = 0; i < count; i++)
    memory_free(owned[i]);
  return failed;
}

static status widen(const forward *f, const tensor *t, float *to, detail *err) {
  const void *data;
  void *owned;
  status failed = checked_data(f, t, &data, &owned, err);
  for (int64_t i = 0; !failed && i < elements(t); i++)
    to[i] = element(t, data, i);
  memory_free(owned);
  return failed;
}

/* Vectors one after another, as fp32 on the device: gains and biases are not rounded. */
static status put_vectors(forward *f, float **out, const tensor *const *tensors, int count,
                          detail *err) {
  size_t total = 0, at = 0;
  void *on_device = NULL;
  if (!tensors[0]) return OK;
  for (int i = 0; i < count; i++)
    total += (size_t)elements(tensors[i]);
  float *values = memory_zeroed(total, sizeof *values);
  if (!values) return fault(err, E_MEMORY, "no memory for %s", tensors[0]->name);
  status failed = OK;
  for (int i = 0; !failed && i < count; i++) {
    failed = widen(f, tensors[i], values + at, err);
    at += (size_t)elements(tensors[i]);
  }
  if (!failed) failed = f->kernels->take(f->device, &on_device, total * sizeof *values, err);
  *out = on_device;
  if (!failed) {
    failed = f->kernels->put(f->device, on_device, values, total * sizeof *values, err);
  }
  memory_free(values);
  return failed;
}

/* ---- a model --------------------------------------------------------------------------------- */

static status load_products(forward *f, const model *m, int layer, detail *err) {
  forward_layer *l = &f->layers[layer];
  const tensor *qkv[] = {model_layer(m, layer, LAYER_Q), model_layer(m, layer, LAYER_K),
                         model_layer(m, layer, LAYER_V)};
  const tensor *gate_up[] = {model_layer(m, layer, LAYER_GATE), model_layer(m, layer, LAYER_UP)};
  const tensor *output = model_layer(m, layer, LAYER_O), *down = model_layer(m, layer, LAYER_DOWN);
  status failed = pack(f, &l->qkv, qkv, 3, err);
  if (!failed) failed = pack(f, &l->output, &output, 1, err);
  if (!failed) failed = pack(f, &l->gate_up, gate_up, 2, err);
  if (!failed) failed = pack(f, &l->down, &down, 1, err);
  return failed;
}

static status load_vectors(forward *f, const model *m, int layer, detail *err) {
  forward_layer *l = &f->layers[layer];
  const struct {
    float **to;
    int count;
    layer_tensor from[STACKED_MAX];
  } vectors[] = {
      {&l->norm, 1, {LAYER_NORM}},
      {&l->mlp_norm, 1, {LAYER_MLP_NORM}},
      {&l->q_norm, 1, {LAYER_Q_NORM}},
      {&l->k_norm, 1, {LAYER_K_NORM}},
      {&l->qkv_bias, 3, {LAYER_Q_BIAS, LAYER_K_BIAS, LAYER_V_BIAS}},
      {&l->output_bias, 1, {LAYER_O_BIAS}},
      {&l->gate_up_bias, 2, {LAYER_GATE_BIAS, LAYER_UP_BIAS}},
      {&l->down_bias, 1, {LAYER_DOWN_BIAS}},
  };
  status failed = OK;
  for (size_t i = 0; !failed && i < sizeof vectors / sizeof vectors[0]; i++) {
    const tensor *tensors[STACKED_MAX] = {0};
    for (int j = 0; j < vectors[i].count; j++)
      tensors[j] = model_layer(m, layer, vectors[i].from[j]);
    failed = put_vectors(f, vectors[i].to, tensors, vectors[i].count, err);
  }
  return failed;
}

static status load_ends(forward *f, const model *m, detail *err) {
  const tensor *embedding = model_embedding(m), *vocabulary = model_vocabulary(m);
  const tensor *norm = model_norm(m);
  status failed = pack(f, &f->embedding, &embedding, 1, err);
  if (!failed && vocabulary == embedding) {
    f->vocabulary = f->embedding;
  } else if (!failed) {
    failed = pack(f, &f->vocabulary, &vocabulary, 1, err);
  }
  return failed ? failed : put_vectors(f, &f->norm, &norm, 1, err);
}

status forward_load(forward *f, const model *m, detail *err) {
  f->layers = memory_zeroed((size_t)f->config.layers, sizeof *f->layers);
  if (!f->layers) return fault(err, E_MEMORY, "no memory for %d layers", f->config.layers);
  status failed = load_ends(f, m, err);
  for (int i = 0; !failed && i < f->config.layers; i++) {
    failed = load_products(f, m, i, err);
    if (!failed) failed = load_vectors(f, m, i, err);
    model_drop(m);
  }
  return failed;
}

static void unload_layer(forward *f, forward_layer *l) {
  packed_weight *const weights[] = {l->qkv, l->output, l->gate_up, l->down};
  float *const vectors[] = {l->qkv_bias, l->output_bias, l->gate_up_bias, l->down_bias,
                            l->norm,     l->mlp_norm,    l->q_norm,       l->k_norm};
  for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++)
    f->kernels->weight_free(f->device, weights[i]);
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
    f->kernels->give(f->device, vectors[i]);
}

void forward_unload(forward *f) {
  for (int i = 0; f->layers && i < f->config.layers; i++)
    unload_layer(f, &f->layers[i]);
  memory_free(f->layers);
  if (f->vocabulary != f->embedding) f->kernels->weight_free(f->device, f->vocabulary);
  f->kernels->weight_free(f->device, f->embedding);
  f->kernels->give(f->device, f->norm);
}
