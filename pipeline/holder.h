/* Who writes a store at this moment, for commands that only look. The lock itself is never
   touched: trying it could turn away a run that starts just then. */
#ifndef PIPELINE_HOLDER_H
#define PIPELINE_HOLDER_H

#include "base/status.h"

typedef enum holder_state {
  HOLDER_NONE,  /* nobody writes */
  HOLDER_ALIVE, /* a process of this machine writes */
  HOLDER_AWAY,  /* a process of another machine does, if it still lives */
  HOLDER_DEAD   /* one was killed and left its lock's file, which hinders nobody */
} holder_state;

/* Reads FILE.lock beside the store. who: "123 on host", empty for HOLDER_NONE. */
holder_state holder_of(const char *store_path, char *who, size_t who_bytes);

#endif
