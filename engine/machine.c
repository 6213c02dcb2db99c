#include "engine/machine.h"

#include "kernels/kernels.h"

#include <string.h>

status machine_device(const char *backend, text *out, detail *err) {
  const device_options smallest = {.compute = COMPUTE_BF16,
                                   .threads = 1,
                                   .layers = 1,
                                   .kv_heads = 1,
                                   .head_size = 2,
                                   .page_keys = 16};
  const kernels *k = kernels_find(backend);
  device *d = NULL;
  if (!k) return fault(err, E_INPUT, "there is no backend '%s'; use cpu or reference", backend);
  status failed = k->open(&d, &smallest, err);
  if (failed) return failed;
  const char *path = k->path(d);
  text_put(out, k->name);
  if (strcmp(path, k->name) != 0) text_format(out, " %s", path);
  k->close(d);
  return text_state(out, err);
}
