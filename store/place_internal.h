/* Private to the room and its tests: the lock, and what kind of file system a store lies on. */
#ifndef STORE_PLACE_INTERNAL_H
#define STORE_PLACE_INTERNAL_H

#include "store/place.h"
#include "store/store.h"

typedef struct lock {
  int file; /* -1: not held */
  char *path;
} lock;

/* Takes FILE.lock for this process or fails with E_BUSY naming who has it. path is for messages. */
MUST_CHECK status lock_take(lock *l, const char *file, const char *path, detail *err);
void lock_release(lock *l); /* removes it; one that is not held is a no-op */

/* store_open with the kind of file system given: 1 network, 0 local, -1 to be asked. */
MUST_CHECK status store_open_on(store **out, const char *path, store_access access, int network,
                                logger *messages, detail *err);

#endif
