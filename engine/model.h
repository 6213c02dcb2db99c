/* A model of a Hugging Face folder: its configuration and its tensors, checked against each other.

   Tensors are mapped and not copied; a forward pass packs its own (engine/forward.h). Each tensor
   that the configuration calls for is there with its shape and a type that is run, and there is no
   other besides what transformers itself passes over (rotary tables of old files, and the
   vocabulary's weights where the embedding's are used): nothing of a checkpoint is skipped
   silently.

   A model owns all it gives until model_close. It is only read, from any thread, but for
   model_hash: one thread at a time. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "base/hash.h"
#include "base/log.h"
#include "engine/config.h"
#include "engine/safetensors.h"

/* of a layer: name, its rows and columns (model.c) */
typedef enum layer_tensor {
  LAYER_NORM,
  LAYER_Q,
  LAYER_K,
  LAYER_V,
  LAYER_O,
  LAYER_Q_BIAS,
  LAYER_K_BIAS,
  LAYER_V_BIAS,
  LAYER_O_BIAS,
  LAYER_Q_NORM,
  LAYER_K_NORM,
  LAYER_MLP_NORM,
  LAYER_GATE,
  LAYER_UP,
  LAYER_DOWN,
  LAYER_GATE_BIAS,
  LAYER_UP_BIAS,
  LAYER_DOWN_BIAS,
  LAYER_TENSORS
} layer_tensor;

typedef struct model model;

/* E_INPUT with file, tensor or field, what was found and what is possible; E_IO; E_MEMORY. */
MUST_CHECK status model_open(model **out, const char *folder, detail *err);
void model_close(model *m); /* NULL is a no-op */

const char *model_folder(const model *m);
const model_config *model_config_of(const model *m);
const model_generation *model_generation_of(const model *m);

const tensor *model_embedding(const model *m);  /* [vocabulary, hidden] */
const tensor *model_vocabulary(const model *m); /* [vocabulary, hidden]; the embedding where tied */
const tensor *model_norm(const model *m);       /* [hidden] */
/* NULL where the configuration has none. */
const tensor *model_layer(const model *m, int layer, layer_tensor which);

size_t model_unused(const model *m);      /* tensors that were passed over */
int64_t model_file_bytes(const model *m); /* of the tensors that are used */

/* Gives the pages of the files back to the system once they have been packed or hashed. */
void model_drop(const model *m);

/* SHA-256 of what the arithmetic depends on: the configuration's meaning, and each used tensor's
   name, type, shape and bytes, by name. How a checkpoint is cut into shards does not matter.

   cache is a file of earlier hashes, or NULL for none: an entry is found by the files' paths,
   sizes, times and inodes, and a new one is added. A cache that cannot be read or written costs
   time and is a warning, no error; messages may be NULL. E_MEMORY. */
MUST_CHECK status model_hash(const model *m, const char *cache, logger *messages, hash *out,
                             detail *err);

#endif
