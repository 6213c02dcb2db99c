/* Backends with a fault, for a build of the property of schedules that must fail: in a product of
   more than 16 rows each output is moved by about its last bit, as adding in another order would.
   The linker sends every kernels_find here (--wrap). */
#include "kernels/backend_internal.h"

#include <string.h>

const kernels *__real_kernels_find(const char *name);
const kernels *__wrap_kernels_find(const char *name);

enum { ROWS = 16 };

static void move_outputs(const product_args *a) {
  size_t outputs = (size_t)a->rows * (size_t)a->w->n;
  for (size_t i = 0; a->rows > ROWS && i < outputs; i++)
    a->y[i] += a->y[i] * 0x1p-23f;
}

static status reference_product(device *d, const product_args *a, detail *err) {
  status failed = __real_kernels_find("reference")->product(d, a, err);
  if (!failed) move_outputs(a);
  return failed;
}

static status cpu_product(device *d, const product_args *a, detail *err) {
  status failed = __real_kernels_find("cpu")->product(d, a, err);
  if (!failed) move_outputs(a);
  return failed;
}

const kernels *__wrap_kernels_find(const char *name) {
  static kernels faulty[2];
  const kernels *k = __real_kernels_find(name);
  if (!k) return NULL;
  int is_cpu = !strcmp(name, "cpu");
  faulty[is_cpu] = *k;
  faulty[is_cpu].product = is_cpu ? cpu_product : reference_product;
  return &faulty[is_cpu];
}
