/* What the two backends on the host share: the device's head, its memory, the floating-point mode,
   and the checks of arguments that stand before every operation. */
#ifndef KERNELS_BACKEND_INTERNAL_H
#define KERNELS_BACKEND_INTERNAL_H

#include "kernels/kernels.h"
#include "kernels/number.h"

/* The head of every host device; a backend's own struct starts with it. */
struct device {
  device_options options;
  void *cache; /* [pages, page_bytes] */
  size_t page_bytes;
};

/* The head of every host weight. */
struct packed_weight {
  int n, k;
  void *data;
};

extern const kernels kernels_reference, kernels_cpu;

/* Memory from base/memory.h, aligned to 64 bytes and zeroed; host_free(NULL) is a no-op. */
MUST_CHECK void *host_take(size_t bytes);
void host_free(void *memory);

MUST_CHECK status host_memory_take(device *d, void **out, size_t bytes, detail *err);
void host_memory_give(device *d, void *memory);
MUST_CHECK status host_memory_put(device *d, void *to, const void *from_host, size_t bytes,
                                  detail *err);
MUST_CHECK status host_memory_get(device *d, void *to_host, const void *from, size_t bytes,
                                  detail *err);

/* The cache as pages. */
size_t host_page_bytes(const device *d);
MUST_CHECK status host_page_copy(device *d, int32_t to, int32_t from, detail *err);
MUST_CHECK status host_page_get(device *d, void *to_host, int32_t from, detail *err);
MUST_CHECK status host_page_put(device *d, int32_t to, const void *from_host, detail *err);

/* E_INPUT for options that nothing can be opened with; E_DEVICE where the processor cannot treat
   denormals as the definition says. */
MUST_CHECK status backend_check_options(const device_options *options, detail *err);

/* count * each bytes, E_LIMIT where that has no size. what: "the cache", for the message. */
MUST_CHECK status backend_size(size_t *out, size_t count, size_t each, const char *what,
                               detail *err);

/* The rows of all parts together, checked: E_LIMIT, E_INPUT. */
MUST_CHECK status backend_source_rows(const weight_source *source, int *n, detail *err);

/* The mode of kernels.h for the calling thread; leave gives back what enter returned. Functions of
   another file, so that no arithmetic moves across them. */
unsigned float_mode_enter(void);
void float_mode_leave(unsigned mode);

/* One element of a part as fp32, exact. */
float backend_element(const weight_part *part, size_t index);

/* REQUIRE what kernels.h says of arguments. */
void check_embed(const device *d, const embed_args *a);
void check_norm_add(const device *d, const norm_add_args *a);
void check_product(const device *d, const product_args *a);
void check_rope_append(const device *d, const rope_append_args *a);
void check_attention(const device *d, const attention_args *a);
void check_swiglu(const device *d, const swiglu_args *a);
void check_gather(const device *d, const gather_args *a);
void check_splice(const device *d, const splice_args *a);
void check_sample(const device *d, const sample_args *a);

/* Activations as the compute stores them. */
static inline float activation_get(compute_type c, const void *from, size_t index) {
  if (c == COMPUTE_FP32) return ((const float *)from)[index];
  return number_from_bf16(((const uint16_t *)from)[index]);
}

static inline void activation_put(compute_type c, void *to, size_t index, float value) {
  if (c == COMPUTE_FP32) {
    ((float *)to)[index] = value;
  } else {
    ((uint16_t *)to)[index] = number_to_bf16(value);
  }
}

static inline float activation_rounded(compute_type c, float value) {
  return c == COMPUTE_FP32 ? value : number_from_bf16(number_to_bf16(value));
}

#endif
