/* Where a store lies and who writes it, for those who only look. Nothing here touches the store or
   its lock: trying the lock could turn away a run that starts just then. Any thread. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "base/status.h"

typedef enum place_kind {
  PLACE_UNLISTED, /* taken for local */
  PLACE_LOCAL,
  PLACE_VOLATILE, /* in memory */
  PLACE_NETWORK   /* WAL's shared memory cannot be trusted: a rollback journal is used */
} place_kind;

/* By statfs's f_type; *name (unless NULL) is a constant, "unlisted" where it is not known. */
place_kind place_of(uint32_t file_system, const char **name);

typedef enum holder_state {
  HOLDER_NONE,  /* nobody writes */
  HOLDER_ALIVE, /* a process of this machine writes */
  HOLDER_AWAY,  /* a process of another machine does, if it still lives */
  HOLDER_DEAD   /* one was killed and left its lock's file, which hinders nobody */
} holder_state;

/* Reads FILE.lock beside the store. who: "123 on host", empty for HOLDER_NONE. */
holder_state place_holder(const char *store_path, char *who, size_t who_bytes);

#endif
