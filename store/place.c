#include "store/place.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The magic numbers of statfs(2) and of the file systems' own headers. */
static const struct file_system {
  uint32_t magic;
  const char *name;
  place_kind kind;
} file_systems[] = {{0xef53, "ext4", PLACE_LOCAL},         {0x58465342, "XFS", PLACE_LOCAL},
                    {0x9123683e, "Btrfs", PLACE_LOCAL},    {0x2fc12fc1, "ZFS", PLACE_LOCAL},
                    {0xf2f52010, "F2FS", PLACE_LOCAL},     {0x794c7630, "overlay", PLACE_LOCAL},
                    {0x01021994, "tmpfs", PLACE_VOLATILE}, {0x858458f6, "ramfs", PLACE_VOLATILE},
                    {0x6969, "NFS", PLACE_NETWORK},        {0x517b, "SMB", PLACE_NETWORK},
                    {0xff534d42, "CIFS", PLACE_NETWORK},   {0xfe534d42, "SMB2", PLACE_NETWORK},
                    {0x0bd00bd0, "Lustre", PLACE_NETWORK}, {0x47504653, "GPFS", PLACE_NETWORK},
                    {0x65735546, "FUSE", PLACE_NETWORK}, /* sshfs and many a cluster's */
                    {0x00c36400, "Ceph", PLACE_NETWORK},   {0x19830326, "BeeGFS", PLACE_NETWORK},
                    {0x5346414f, "AFS", PLACE_NETWORK},    {0x6b414653, "AFS", PLACE_NETWORK},
                    {0xaad7aaea, "PanFS", PLACE_NETWORK},  {0x01021997, "9p", PLACE_NETWORK}};

place_kind place_of(uint32_t file_system, const char **name) {
  for (size_t i = 0; i < sizeof file_systems / sizeof file_systems[0]; i++) {
    if (file_systems[i].magic != file_system) continue;
    if (name) *name = file_systems[i].name;
    return file_systems[i].kind;
  }
  if (name) *name = "unlisted";
  return PLACE_UNLISTED;
}

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

holder_state place_holder(const char *store_path, char *who, size_t who_bytes) {
  *who = 0;
  if (!read_lock(store_path, who, who_bytes)) return HOLDER_NONE;
  char host[256] = "", *rest;
  (void)gethostname(host, sizeof host - 1);
  long process = strtol(who, &rest, 10);
  if (process <= 0 || strncmp(rest, " on ", 4) != 0) return HOLDER_DEAD;
  if (strcmp(rest + 4, host) != 0) return HOLDER_AWAY;
  return kill((pid_t)process, 0) == 0 || errno == EPERM ? HOLDER_ALIVE : HOLDER_DEAD;
}
