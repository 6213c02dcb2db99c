#include "solvers/layout.h"

#include <stddef.h>

const char *const layout_names[] = {"contiguous", "interleaved", "combined", "independent", NULL};

int layout_has_steps(worker_layout l) {
  return l == LAYOUT_INTERLEAVED || l == LAYOUT_COMBINED;
}
