#include "base/memory.h"
#include "kernels/backend_internal.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { ALIGNMENT = 64 };

const kernels *kernels_find(const char *name) {
  static const kernels *const all[] = {&kernels_reference, &kernels_cpu};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!strcmp(all[i]->name, name)) return all[i];
  }
  return NULL;
}

size_t kernels_activation_bytes(compute_type c) {
  return c == COMPUTE_FP32 ? sizeof(float) : sizeof(uint16_t);
}

/* ---- the floating-point mode ----------------------------------------------------------------- */

#if defined(__x86_64__)
/* Round to nearest, all exceptions masked, denormals as zeros (bit 6) and flushed (bit 15). */
enum { MODE = 0x9fc0 };

unsigned float_mode_enter(void) {
  unsigned before = _mm_getcsr();
  _mm_setcsr(MODE);
  return before;
}

void float_mode_leave(unsigned mode) {
  _mm_setcsr(mode);
}

static int has_mode(void) {
  return 1;
}
#else
unsigned float_mode_enter(void) {
  return 0;
}

void float_mode_leave(unsigned mode) {
  (void)mode;
}

static int has_mode(void) {
  return 0;
}
#endif

/* ---- memory ---------------------------------------------------------------------------------- */

/* Large pieces stand on huge pages where the system has them: a block of the cache is a few
   kilobytes, and the processor would else walk a table for each. */
static void want_huge_pages(unsigned char *from, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  enum { SMALL_PAGE = 4096, HUGE_PAGE = 1 << 21 };
  size_t skipped = SMALL_PAGE - (uintptr_t)from % SMALL_PAGE;
  if (bytes >= 2 * HUGE_PAGE) (void)madvise(from + skipped, bytes - SMALL_PAGE, MADV_HUGEPAGE);
#else
  (void)from, (void)bytes;
#endif
}

void *host_take(size_t bytes) {
  if (bytes > SIZE_MAX - 2 * ALIGNMENT) return NULL;
  unsigned char *block = memory_zeroed(1, bytes + 2 * ALIGNMENT);
  if (!block) return NULL;
  want_huge_pages(block, bytes);
  unsigned char *aligned = block + 2 * ALIGNMENT - (uintptr_t)block % ALIGNMENT;
  memcpy(aligned - sizeof block, &block, sizeof block); /* where host_free finds it */
  return aligned;
}

void host_free(void *memory) {
  if (!memory) return;
  unsigned char *block;
  memcpy(&block, (unsigned char *)memory - sizeof block, sizeof block);
  memory_free(block);
}

status host_memory_take(device *d, void **out, size_t bytes, detail *err) {
  (void)d;
  *out = host_take(bytes);
  return *out ? OK : fault(err, E_MEMORY, "no memory for %zu bytes of a device", bytes);
}

void host_memory_give(device *d, void *memory) {
  (void)d;
  host_free(memory);
}

status host_memory_put(device *d, void *to, const void *from_host, size_t bytes, detail *err) {
  (void)d, (void)err;
  if (bytes) memcpy(to, from_host, bytes);
  return OK;
}

status host_memory_get(device *d, void *to_host, const void *from, size_t bytes, detail *err) {
  (void)d, (void)err;
  if (bytes) memcpy(to_host, from, bytes);
  return OK;
}

static unsigned char *page_at(const device *d, int32_t page) {
  REQUIRE(page >= 0 && page < d->options.pages);
  return (unsigned char *)d->cache + (size_t)page * d->page_bytes;
}

size_t host_page_bytes(const device *d) {
  return d->page_bytes;
}

status host_page_copy(device *d, int32_t to, int32_t from, detail *err) {
  (void)err;
  REQUIRE(to != from);
  memcpy(page_at(d, to), page_at(d, from), d->page_bytes);
  return OK;
}

status host_page_get(device *d, void *to_host, int32_t from, detail *err) {
  (void)err;
  memcpy(to_host, page_at(d, from), d->page_bytes);
  return OK;
}

status host_page_put(device *d, int32_t to, const void *from_host, detail *err) {
  (void)err;
  memcpy(page_at(d, to), from_host, d->page_bytes);
  return OK;
}

status backend_size(size_t *out, size_t count, size_t each, const char *what, detail *err) {
  const size_t most = (size_t)1 << 46; /* what an address of x86-64 can tell apart */
  if (each && count > most / each) {
    return fault(err, E_LIMIT, "%s: %zu times %zu bytes are more than memory can be", what, count,
                 each);
  }
  *out = count * each;
  return OK;
}

/* ---- options and sources --------------------------------------------------------------------- */

static status in_range(const char *what, int value, int low, int high, detail *err) {
  if (value >= low && value <= high) return OK;
  return fault(err, E_INPUT, "%s of a device is %d: %d to %d is possible", what, value, low, high);
}

status backend_check_options(const device_options *o, detail *err) {
  if (!has_mode()) {
    return fault(err, E_DEVICE,
                 "this processor is not x86-64, for which alone the treatment of "
                 "denormal numbers is known to be the definition's");
  }
  status failed = in_range("threads", o->threads, 1, KERNELS_THREADS_MAX, err);
  if (!failed) failed = in_range("layers", o->layers, 1, 1000, err);
  if (!failed) failed = in_range("kv_heads", o->kv_heads, 1, 1024, err);
  if (!failed) failed = in_range("head_size", o->head_size, 2, KERNELS_HEAD_MAX, err);
  if (!failed) failed = in_range("pages", o->pages, 0, INT_MAX / KERNELS_CHUNK, err);
  if (failed) return failed;
  if (o->head_size % 2) {
    return fault(err, E_INPUT, "head_size of a device is %d: it must be even", o->head_size);
  }
  if (o->page_keys != 16 && o->page_keys != 32 && o->page_keys != 64 && o->page_keys != 128) {
    return fault(err, E_INPUT, "page_keys of a device is %d: 16, 32, 64 or 128 is possible",
                 o->page_keys);
  }
  return OK;
}

status backend_source_rows(const weight_source *source, int *n, detail *err) {
  int64_t rows = 0;
  for (int i = 0; i < source->count; i++) {
    if (source->parts[i].n < 1) {
      return fault(err, E_INPUT, "part %d of a weight has %d rows", i, source->parts[i].n);
    }
    rows += source->parts[i].n;
  }
  if (rows < 1 || source->k < 1) {
    return fault(err, E_INPUT, "a weight of %lld by %d has nothing in it", (long long)rows,
                 source->k);
  }
  if (rows > INT_MAX / 2 || source->k > INT_MAX / 2) {
    return fault(err, E_LIMIT, "a weight of %lld by %d is more than a product takes",
                 (long long)rows, source->k);
  }
  *n = (int)rows;
  return OK;
}

float backend_element(const weight_part *part, size_t index) {
  switch (part->element) {
  case ELEMENT_BF16: return number_from_bf16(((const uint16_t *)part->data)[index]);
  case ELEMENT_FP16: return number_from_fp16(((const uint16_t *)part->data)[index]);
  case ELEMENT_FP32: break;
  }
  REQUIRE(part->element == ELEMENT_FP32);
  return ((const float *)part->data)[index];
}
