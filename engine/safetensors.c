#include "engine/safetensors.h"

#include "base/guess.h"
#include "base/memory.h"
#include "engine/safetensors_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LENGTH_BYTES = 8, NAMES_BYTES_MAX = 256 << 20 };

static const struct {
  const char *name;
  int bits;
} types[] = {
#define X(name, bits) {#name, bits},
    TENSOR_TYPE_LIST(X)
#undef X
};
enum { TYPES = sizeof types / sizeof types[0] };

const char *tensor_type_name(tensor_type type) {
  return types[type].name;
}

status safetensors_new(safetensors **out, detail *err) {
  safetensors *s = memory_zeroed(1, sizeof *s);
  if (!s) return fault(err, E_MEMORY, "no memory for a model's tensors");
  status failed = arena_open(&s->memory, NAMES_BYTES_MAX, err);
  if (failed) {
    memory_free(s);
    return failed;
  }
  *out = s;
  return OK;
}

void safetensors_close(safetensors *s) {
  if (!s) return;
  for (int i = 0; i < s->file_count; i++)
    file_unmap(&s->files[i]);
  memory_free(s->files);
  memory_free(s->tensors);
  arena_close(s->memory);
  memory_free(s);
}

/* ---- one tensor of a header ------------------------------------------------------------------ */

/* Where a header is read: what its messages and checks need. */
typedef struct header {
  safetensors *all;
  const char *file;
  const uint8_t *data; /* where offsets count from */
  uint64_t data_bytes;
  size_t first; /* of this file's tensors in all */
} header;

static status wrong(const header *h, const char *name, const char *what, detail *err) {
  char shown[FILE_SHOWN_BYTES];
  return fault_at(err, E_INPUT, h->file, 0, "tensor \"%s\": %s", file_shown(name, shown), what);
}

static status read_type(const header *h, const json_t *entry, tensor *t, detail *err) {
  const json_t *value = json_object_get(entry, "dtype");
  if (!json_is_string(value)) return wrong(h, t->name, "\"dtype\" must be a string", err);
  const char *name = json_string_value(value);
  for (int i = 0; i < TYPES; i++) {
    if (strcmp(types[i].name, name)) continue;
    t->type = (tensor_type)i;
    return OK;
  }
  char shown[FILE_SHOWN_BYTES], what[FILE_SHOWN_BYTES + 64];
  (void)snprintf(what, sizeof what, "\"dtype\" is \"%s\", which the format does not have",
                 file_shown(name, shown));
  return wrong(h, t->name, what, err);
}

/* The shape, and the bits that it takes. */
static status read_shape(const header *h, const json_t *entry, tensor *t, uint64_t *bits,
                         detail *err) {
  const json_t *shape = json_object_get(entry, "shape");
  if (!json_is_array(shape)) return wrong(h, t->name, "\"shape\" must be a list of numbers", err);
  size_t dimensions = json_array_size(shape);
  if (dimensions > TENSOR_DIMENSIONS_MAX) {
    return wrong(h, t->name, "\"shape\" has more than 8 numbers", err);
  }
  uint64_t elements = 1;
  for (size_t i = 0; i < dimensions; i++) {
    const json_t *extent = json_array_get(shape, i);
    if (!json_is_integer(extent) || json_integer_value(extent) < 0) {
      return wrong(h, t->name, "\"shape\" must be a list of whole numbers, none negative", err);
    }
    t->extent[i] = json_integer_value(extent);
    if (__builtin_mul_overflow(elements, (uint64_t)t->extent[i], &elements)) {
      return wrong(h, t->name, "\"shape\" has more elements than can be counted", err);
    }
  }
  t->dimensions = (int)dimensions;
  if (__builtin_mul_overflow(elements, (uint64_t)types[t->type].bits, bits)) {
    return wrong(h, t->name, "\"shape\" has more elements than can be counted", err);
  }
  if (*bits % 8) return wrong(h, t->name, "\"shape\" ends within a byte", err);
  return OK;
}

static int read_offsets(const json_t *entry, uint64_t out[2]) {
  const json_t *offsets = json_object_get(entry, "data_offsets");
  if (!json_is_array(offsets) || json_array_size(offsets) != 2) return 0;
  for (size_t i = 0; i < 2; i++) {
    const json_t *offset = json_array_get(offsets, i);
    if (!json_is_integer(offset) || json_integer_value(offset) < 0) return 0;
    out[i] = (uint64_t)json_integer_value(offset);
  }
  return 1;
}

static status read_place(const header *h, const json_t *entry, tensor *t, uint64_t bits,
                         detail *err) {
  uint64_t at[2];
  char shown[FILE_SHOWN_BYTES];
  if (!read_offsets(entry, at)) {
    return wrong(h, t->name, "\"data_offsets\" must be two whole numbers, none negative", err);
  }
  if (at[0] > at[1] || at[1] > h->data_bytes) {
    return fault_at(err, E_INPUT, h->file, 0,
                    "tensor \"%s\": \"data_offsets\" are [%llu, %llu], but the file has %llu bytes "
                    "of data; it may be cut off",
                    file_shown(t->name, shown), (unsigned long long)at[0],
                    (unsigned long long)at[1], (unsigned long long)h->data_bytes);
  }
  if (at[1] - at[0] != bits / 8) {
    return fault_at(err, E_INPUT, h->file, 0,
                    "tensor \"%s\": \"data_offsets\" hold %llu bytes, but \"dtype\" and \"shape\" "
                    "need %llu",
                    file_shown(t->name, shown), (unsigned long long)(at[1] - at[0]),
                    (unsigned long long)(bits / 8));
  }
  t->data = h->data + at[0];
  t->bytes = bits / 8;
  return OK;
}

static status read_tensor(const header *h, const json_t *entry, tensor *t, detail *err) {
  uint64_t bits = 0;
  if (!json_is_object(entry)) return wrong(h, t->name, "an object is needed", err);
  status failed = read_type(h, entry, t, err);
  if (!failed) failed = read_shape(h, entry, t, &bits, err);
  if (!failed) failed = read_place(h, entry, t, bits, err);
  return failed;
}

/* ---- a header -------------------------------------------------------------------------------- */

static status reserve(safetensors *s, size_t more, const char *file, detail *err) {
  if (more > SAFETENSORS_TENSORS_MAX - s->count) {
    return fault_at(err, E_INPUT, file, 0, "more than %d tensors", (int)SAFETENSORS_TENSORS_MAX);
  }
  if (s->count + more <= s->capacity) return OK;
  size_t capacity = s->count + more;
  tensor *tensors = memory_grow(s->tensors, capacity * sizeof *tensors);
  if (!tensors) return fault(err, E_MEMORY, "no memory for the tensors of %s", file);
  s->tensors = tensors;
  s->capacity = capacity;
  return OK;
}

static status read_tensors(const header *h, json_t *root, detail *err) {
  safetensors *s = h->all;
  status failed = reserve(s, json_object_size(root), h->file, err);
  for (void *at = json_object_iter(root); !failed && at; at = json_object_iter_next(root, at)) {
    const char *name = json_object_iter_key(at);
    if (!strcmp(name, "__metadata__")) continue;
    tensor *t = &s->tensors[s->count];
    *t = (tensor){.name = arena_text(s->memory, name, strlen(name)), .file = h->file};
    if (!t->name) return arena_full(s->memory, err);
    failed = read_tensor(h, json_object_iter_value(at), t, err);
    if (!failed) s->count++;
  }
  return failed;
}

static int by_place(const void *a, const void *b) {
  const tensor *left = a, *right = b;
  if (left->data != right->data) return left->data < right->data ? -1 : 1;
  return (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

/* The data is the tensors' alone, each byte one tensor's: nothing hides between them. */
static status check_places(const header *h, detail *err) {
  size_t count = h->all->count - h->first;
  tensor *mine = count ? h->all->tensors + h->first : NULL;
  uint64_t end = 0;
  char shown[FILE_SHOWN_BYTES];
  if (count) qsort(mine, count, sizeof *mine, by_place);
  for (size_t i = 0; i < count; i++) {
    uint64_t begin = (uint64_t)(mine[i].data - h->data);
    if (begin != end) {
      return fault_at(err, E_INPUT, h->file, 0,
                      "tensor \"%s\": \"data_offsets\" start at %llu, where %llu was expected: the "
                      "tensors %s",
                      file_shown(mine[i].name, shown), (unsigned long long)begin,
                      (unsigned long long)end, begin < end ? "overlap" : "leave a hole");
    }
    end = begin + mine[i].bytes;
  }
  if (end != h->data_bytes) {
    return fault_at(err, E_INPUT, h->file, 0,
                    "%llu bytes of data, of which the tensors of the header take %llu",
                    (unsigned long long)h->data_bytes, (unsigned long long)end);
  }
  return OK;
}

static uint64_t little_endian(const uint8_t *bytes) {
  uint64_t value = 0;
  for (int i = LENGTH_BYTES - 1; i >= 0; i--)
    value = value << 8 | bytes[i];
  return value;
}

static status header_length(const char *name, const uint8_t *bytes, size_t count, size_t *out,
                            detail *err) {
  if (!count) return fault_at(err, E_INPUT, name, 0, "this file is empty: download it again");
  if (count < LENGTH_BYTES) {
    return fault_at(err, E_INPUT, name, 0,
                    "%zu bytes are no safetensors file: its first 8 are the header's length",
                    count);
  }
  uint64_t length = little_endian(bytes);
  const char *stranger = guess_file((const char *)bytes, count);
  if (stranger) return fault_at(err, E_INPUT, name, 0, "%s", stranger);
  if (length > SAFETENSORS_HEADER_MAX) {
    return fault_at(err, E_INPUT, name, 0,
                    "a header of %llu bytes (offset 0); at most %d are read: this may be no "
                    "safetensors file",
                    (unsigned long long)length, (int)SAFETENSORS_HEADER_MAX);
  }
  if (length > count - LENGTH_BYTES) {
    return fault_at(err, E_INPUT, name, 0,
                    "a header of %llu bytes (offset 0) in a file of %zu; it may be cut off",
                    (unsigned long long)length, count);
  }
  *out = (size_t)length;
  return OK;
}

status safetensors_add(safetensors *s, const char *name, const uint8_t *bytes, size_t count,
                       detail *err) {
  size_t length = 0;
  json_t *root = NULL;
  status failed = header_length(name, bytes, count, &length, err);
  if (failed) return failed;
  header h = {.all = s,
              .file = name,
              .data = bytes + LENGTH_BYTES + length,
              .data_bytes = count - LENGTH_BYTES - length,
              .first = s->count};
  failed = json_read(&root, (const char *)bytes + LENGTH_BYTES, length, name, 1, err);
  if (!failed && !json_is_object(root)) {
    failed = fault_at(err, E_INPUT, name, 0, "the header (offset 8) must be a JSON object");
  }
  if (!failed) failed = read_tensors(&h, root, err);
  if (!failed) failed = check_places(&h, err);
  json_decref(root);
  return failed;
}

/* ---- all tensors ----------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
  return strcmp(((const tensor *)a)->name, ((const tensor *)b)->name);
}

status safetensors_order(safetensors *s, detail *err) {
  if (s->count) qsort(s->tensors, s->count, sizeof *s->tensors, by_name);
  for (size_t i = 1; i < s->count; i++) {
    if (strcmp(s->tensors[i - 1].name, s->tensors[i].name)) continue;
    char shown[FILE_SHOWN_BYTES];
    return fault_at(err, E_INPUT, s->tensors[i].file, 0, "tensor \"%s\" is in %s as well",
                    file_shown(s->tensors[i].name, shown), s->tensors[i - 1].file);
  }
  return OK;
}

status safetensors_memory(safetensors **out, const char *name, const void *bytes, size_t count,
                          detail *err) {
  safetensors *s = NULL;
  status failed = safetensors_new(&s, err);
  if (!failed) failed = safetensors_add(s, name, bytes, count, err);
  if (!failed) failed = safetensors_order(s, err);
  if (failed) {
    safetensors_close(s);
    return failed;
  }
  *out = s;
  return OK;
}

size_t safetensors_count(const safetensors *s) {
  return s->count;
}

const tensor *safetensors_at(const safetensors *s, size_t index) {
  REQUIRE(index < s->count);
  return &s->tensors[index];
}

const tensor *safetensors_find(const safetensors *s, const char *name) {
  tensor wanted = {.name = name};
  return s->count ? bsearch(&wanted, s->tensors, s->count, sizeof *s->tensors, by_name) : NULL;
}

void safetensors_drop(const safetensors *s) {
  for (int i = 0; i < s->file_count; i++) {
    const mapped_file *f = &s->files[i];
    if (f->bytes) (void)madvise(f->bytes, f->count, MADV_DONTNEED);
  }
}
