/* Models of random weights, for tests and benchmarks: the shape of a named one, whole Hugging Face
   folders that transformers reads too.

   A weight belongs to its place: element i of a tensor comes from the seed, the tensor's name and
   i, so that neither the number of shards nor the order of writing matters, and nothing of a model
   needs to be kept to have it again. Weights are uniform; a product's have the variance that keeps
   its outputs as large as its inputs, so that activations neither vanish nor explode. */
#ifndef ENGINE_SYNTH_H
#define ENGINE_SYNTH_H

#include "engine/config.h"
#include "kernels/kernels.h"

typedef struct synth_shape {
  const char *name, *summary;
  model_config config;
  int parameters; /* config.json in the spelling of transformers 5 ("rope_parameters", "dtype") */
} synth_shape;

const synth_shape *synth_shapes(size_t *count);  /* a constant table */
const synth_shape *synth_find(const char *name); /* NULL: none of that name */

/* Another file of the folder: a tokenizer, say. */
typedef struct synth_file {
  const char *name;
  const void *bytes;
  size_t count;
} synth_file;

typedef struct synth_options {
  const synth_shape *shape;
  const char *folder; /* to be made; must be free */
  uint64_t seed;
  element_type element;
  int shards; /* 1: model.safetensors; more: numbered files and an index */
  const synth_file *files;
  int file_count;
} synth_options;

enum { SYNTH_SHARDS_MAX = 100 };

/* Writes the folder, whole or not at all. E_INPUT where something of its name is there already or
   there are more shards than tensors; E_IO; E_MEMORY. */
MUST_CHECK status synth_write(const synth_options *o, detail *err);

/* Appends config.json of a shape. */
void synth_config(const synth_shape *s, element_type element, text *out);

#endif
