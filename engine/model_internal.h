/* Private to the engine: a model. */
#ifndef ENGINE_MODEL_INTERNAL_H
#define ENGINE_MODEL_INTERNAL_H

#include "engine/file_internal.h"
#include "engine/model.h"

typedef struct model_layer_tensors {
  const tensor *of[LAYER_TENSORS];
} model_layer_tensors;

struct model {
  char folder[PATH_MAX];
  model_config config;
  model_generation generation;
  safetensors *tensors;
  uint8_t *used; /* [tensors] by place in safetensors_at */
  const tensor *embedding, *vocabulary, *norm;
  model_layer_tensors *layers; /* [config.layers] */
  size_t unused;
  int64_t bytes;
};

/* How a layer's tensors are called and shaped, for those who read and those who write them. */
typedef struct layer_tensor_shape {
  char name[96]; /* of the whole tensor */
  int dimensions;
  int64_t extent[2];
  int wanted; /* whether a model of this configuration has it */
} layer_tensor_shape;

layer_tensor_shape model_layer_shape(const model_config *c, int layer, layer_tensor which);

extern const char model_embedding_name[], model_vocabulary_name[], model_norm_name[];

#endif
