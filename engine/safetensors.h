/* Tensors of a folder in the safetensors format, mapped read-only: model.safetensors alone, or the
   shards that model.safetensors.index.json names.

     offset   bytes  what
     0        8      n, little-endian: the header's length
     8        n      JSON: {name: {"dtype", "shape", "data_offsets": [begin, end]}, ...} and
                     "__metadata__", an object of strings that nothing here reads
     8 + n    rest   data; offsets count from here, and the tensors fill it without hole or overlap

   (https://huggingface.co/docs/safetensors.) The files are hostile until checked, and are checked
   whole by safetensors_open: every length, offset, type and shape against the file, each name once.
   A file that is made shorter afterwards, while it is mapped, ends the process with SIGBUS when its
   lost part is read: nothing that stays mapped can prevent that, so whoever replaces a model writes
   a new file and renames it, as every common tool does.

   A safetensors owns its tensors and mappings until safetensors_close. After safetensors_open it is
   only read, from any thread. */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include "base/status.h"

enum {
  TENSOR_DIMENSIONS_MAX = 8,
  SAFETENSORS_HEADER_MAX = 64 << 20, /* bytes; the format allows 100 MB, which none is near */
  SAFETENSORS_TENSORS_MAX = 200000,  /* of all files */
  SAFETENSORS_FILES_MAX = 1000
};

/* name in files, bits of an element */
#define TENSOR_TYPE_LIST(X)                                                                        \
  X(BOOL, 8)                                                                                       \
  X(F4, 4)                                                                                         \
  X(F6_E2M3, 6)                                                                                    \
  X(F6_E3M2, 6)                                                                                    \
  X(U8, 8)                                                                                         \
  X(I8, 8)                                                                                         \
  X(F8_E5M2, 8)                                                                                    \
  X(F8_E4M3, 8)                                                                                    \
  X(F8_E8M0, 8)                                                                                    \
  X(F8_E4M3FNUZ, 8)                                                                                \
  X(F8_E5M2FNUZ, 8)                                                                                \
  X(I16, 16)                                                                                       \
  X(U16, 16)                                                                                       \
  X(F16, 16)                                                                                       \
  X(BF16, 16)                                                                                      \
  X(I32, 32)                                                                                       \
  X(U32, 32)                                                                                       \
  X(F32, 32)                                                                                       \
  X(C64, 64)                                                                                       \
  X(F64, 64)                                                                                       \
  X(I64, 64)                                                                                       \
  X(U64, 64)

typedef enum tensor_type {
#define X(name, bits) TENSOR_##name,
  TENSOR_TYPE_LIST(X)
#undef X
} tensor_type;

const char *tensor_type_name(tensor_type type); /* "BF16"; a constant */

typedef struct tensor {
  const char *name, *file; /* file: where it lies, for messages */
  tensor_type type;
  int dimensions;
  int64_t extent[TENSOR_DIMENSIONS_MAX]; /* [dimensions] slowest first */
  const uint8_t *data;                   /* mapped; aligned to nothing */
  uint64_t bytes;
} tensor;

typedef struct safetensors safetensors;

/* Opens a folder's tensors. E_INPUT with file, tensor, field and what was found; E_IO; E_MEMORY. */
MUST_CHECK status safetensors_open(safetensors **out, const char *folder, detail *err);
/* Reads one file from memory, which is borrowed until the close. name is for messages. */
MUST_CHECK status safetensors_memory(safetensors **out, const char *name, const void *bytes,
                                     size_t count, detail *err);
void safetensors_close(safetensors *s); /* NULL is a no-op */

size_t safetensors_count(const safetensors *s);
const tensor *safetensors_at(const safetensors *s, size_t index);       /* ordered by name */
const tensor *safetensors_find(const safetensors *s, const char *name); /* NULL: not there */

/* Gives the pages of all data back to the system; read again, they come from the files. */
void safetensors_drop(const safetensors *s);

#endif
