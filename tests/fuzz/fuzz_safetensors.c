/* A file of tensors from anybody: refused with a reason, or read as tensors that lie within it,
   fill it, and are found by their names. */
#include "engine/safetensors.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_tensor(const safetensors *s, size_t index, const uint8_t *data, size_t size) {
  const tensor *t = safetensors_at(s, index);
  REQUIRE(t->data >= data + 8 && t->data <= data + size);
  REQUIRE(t->bytes <= (size_t)(data + size - t->data));
  REQUIRE(t->dimensions >= 0 && t->dimensions <= TENSOR_DIMENSIONS_MAX);
  REQUIRE(safetensors_find(s, t->name) == t);
  REQUIRE(index == 0 || strcmp(safetensors_at(s, index - 1)->name, t->name) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  detail err = {0};
  safetensors *s = NULL;
  uint64_t header = 0, bytes = 0;
  status failed = safetensors_memory(&s, "fuzz.safetensors", data, size, &err);
  if (failed) {
    fuzz_explained(failed, &err);
    return 0;
  }
  for (size_t i = 0; i < safetensors_count(s); i++) {
    check_tensor(s, i, data, size);
    bytes += safetensors_at(s, i)->bytes;
  }
  for (int i = 7; i >= 0; i--)
    header = header << 8 | data[i];
  REQUIRE(8 + header + bytes == size);
  safetensors_close(s);
  return 0;
}
