/* Private to the engine: the parts of safetensors.h, in the files they are read from. */
#ifndef ENGINE_SAFETENSORS_INTERNAL_H
#define ENGINE_SAFETENSORS_INTERNAL_H

#include "base/arena.h"
#include "engine/file_internal.h"
#include "engine/safetensors.h"

struct safetensors {
  arena *memory;   /* tensors' names */
  tensor *tensors; /* [count], ordered by name once all files are read */
  size_t count, capacity;
  mapped_file *files; /* [file_count] */
  int file_count;
};

MUST_CHECK status safetensors_new(safetensors **out, detail *err);
/* Adds the tensors of one file in memory. name must outlive s. */
MUST_CHECK status safetensors_add(safetensors *s, const char *name, const uint8_t *bytes,
                                  size_t count, detail *err);
/* Orders the tensors by name; E_INPUT for a name that two of them have. */
MUST_CHECK status safetensors_order(safetensors *s, detail *err);
/* Maps a file of the folder and adds its tensors. */
MUST_CHECK status safetensors_add_file(safetensors *s, const char *folder, const char *name,
                                       detail *err);

#endif
