/* The modes of this build: a new mode is a new file and a line here. */
#include "solvers/hogwild.h"
#include "solvers/option.h"
#include "solvers/serial.h"
#include "solvers/spawn_join.h"
#include "solvers/symbolic.h"
#include "solvers/vote.h"

#include <string.h>

static const mode *const modes[] = {&symbolic_mode, &serial_mode, &vote_mode, &spawn_join_mode,
                                    &hogwild_mode};

const mode *const *mode_list(size_t *count) {
  *count = sizeof modes / sizeof modes[0];
  return modes;
}

const mode *mode_find(const char *name) {
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    if (!strcmp(modes[i]->name, name)) return modes[i];
  }
  return NULL;
}
