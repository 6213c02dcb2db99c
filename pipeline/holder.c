#include "pipeline/holder.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first line of the lock's file; 0 where there is none. */
static int read_lock(const char *store_path, char *who, size_t who_bytes) {
  char real[PATH_MAX], path[PATH_MAX + 8];
  if (!realpath(store_path, real)) return 0;
  (void)snprintf(path, sizeof path, "%s.lock", real);
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  int found = fgets(who, (int)who_bytes, file) != NULL;
  (void)fclose(file);
  if (found) who[strcspn(who, "\n")] = 0;
  return found;
}

holder_state holder_of(const char *store_path, char *who, size_t who_bytes) {
  *who = 0;
  if (!read_lock(store_path, who, who_bytes)) return HOLDER_NONE;
  char host[256] = "", *rest;
  (void)gethostname(host, sizeof host - 1);
  long process = strtol(who, &rest, 10);
  if (process <= 0 || strncmp(rest, " on ", 4) != 0) return HOLDER_DEAD;
  if (strcmp(rest + 4, host) != 0) return HOLDER_AWAY;
  return kill((pid_t)process, 0) == 0 || errno == EPERM ? HOLDER_ALIVE : HOLDER_DEAD;
}
