#include "tests/support/faults.h"
#include "tests/support/faults_internal.h"
#include "tests/support/support.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMES_MAX = 64, NAME_BYTES_MAX = 600 };

/* A file of SQLite's: ours in front, the real one behind it in the same block. */
typedef struct disk_file {
  sqlite3_file base;
  sqlite3_file *real;
  const char *name; /* NULL: a temporary one */
} disk_file;

static struct disk {
  pthread_mutex_t lock; /* guards all below */
  sqlite3_vfs *real, faulty;
  fault_files wanted;
  int active;
  int64_t asked;
  int64_t bytes; /* negative: no bound */
  char names[NAMES_MAX][NAME_BYTES_MAX];
  int name_count;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .bytes = -1};

static const char *const operation_names[FAULT_OPERATIONS] = {
    "open", "read", "write", "torn write", "truncate", "sync", "delete", "share", "lock"};

const char *fault_operation_name(fault_operation operation) {
  return operation_names[operation];
}

void faults_files(const fault_files *f) {
  (void)pthread_mutex_lock(&disk.lock);
  disk.active = f != NULL;
  if (f) disk.wanted = *f;
  if (f) disk.asked = 0;
  (void)pthread_mutex_unlock(&disk.lock);
}

int64_t faults_asked(void) {
  (void)pthread_mutex_lock(&disk.lock);
  int64_t asked = disk.asked;
  (void)pthread_mutex_unlock(&disk.lock);
  return asked;
}

void faults_disk(int64_t bytes) {
  (void)pthread_mutex_lock(&disk.lock);
  disk.bytes = bytes;
  (void)pthread_mutex_unlock(&disk.lock);
}

/* Whether this operation fails; errno is then set as the real one would set it. */
static int strikes(fault_operation operation) {
  (void)pthread_mutex_lock(&disk.lock);
  int struck = 0;
  if (disk.active && disk.wanted.operation == operation) {
    int64_t number = disk.asked++;
    struck = number == disk.wanted.number || (disk.wanted.later_too && number > disk.wanted.number);
    if (struck) errno = disk.wanted.cause;
  }
  (void)pthread_mutex_unlock(&disk.lock);
  return struck;
}

/* ---- room -------------------------------------------------------------------------------------
 */

/* Locked by the caller. */
static const char *remember(const char *name, const char *suffix) {
  char whole[NAME_BYTES_MAX];
  ck_assert_int_lt(snprintf(whole, sizeof whole, "%s%s", name, suffix), (int)sizeof whole);
  for (int i = 0; i < disk.name_count; i++) {
    if (!strcmp(disk.names[i], whole)) return disk.names[i];
  }
  ck_assert_int_lt(disk.name_count, NAMES_MAX);
  return memcpy(disk.names[disk.name_count++], whole, sizeof whole);
}

static int64_t used(void) {
  int64_t sum = 0;
  struct stat info;
  for (int i = 0; i < disk.name_count; i++)
    sum += stat(disk.names[i], &info) == 0 ? (int64_t)info.st_size : 0;
  return sum;
}

int64_t faults_disk_used(void) {
  (void)pthread_mutex_lock(&disk.lock);
  int64_t bytes = used();
  (void)pthread_mutex_unlock(&disk.lock);
  return bytes;
}

/* How many of the bytes that a file is to grow by there is room for. */
static int64_t room_for(int64_t growth) {
  (void)pthread_mutex_lock(&disk.lock);
  int64_t room = growth;
  if (disk.bytes >= 0 && growth > 0) {
    int64_t left = disk.bytes - used();
    if (left < growth) room = left > 0 ? left : 0;
  }
  (void)pthread_mutex_unlock(&disk.lock);
  return room;
}

/* ---- a file -----------------------------------------------------------------------------------
 */

static sqlite3_file *real_of(sqlite3_file *file) {
  return ((disk_file *)(void *)file)->real;
}

static int close_file(sqlite3_file *file) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xClose(real);
}

static int read_file(sqlite3_file *file, void *out, int bytes, sqlite3_int64 at) {
  if (strikes(FAULT_READ)) return SQLITE_IOERR_READ;
  sqlite3_file *real = real_of(file);
  return real->pMethods->xRead(real, out, bytes, at);
}

/* Writes the beginning and fails as the real one does when the rest found no room. */
static int write_part(sqlite3_file *real, const void *data, int bytes, sqlite3_int64 at,
                      int cause) {
  int code = bytes > 0 ? real->pMethods->xWrite(real, data, bytes, at) : SQLITE_OK;
  errno = cause;
  return code ? code : cause == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int write_file(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 at) {
  sqlite3_file *real = real_of(file);
  if (strikes(FAULT_WRITE)) return write_part(real, data, 0, at, errno);
  if (strikes(FAULT_WRITE_TORN)) return write_part(real, data, bytes / 2, at, errno);
  sqlite3_int64 size;
  int code = real->pMethods->xFileSize(real, &size);
  if (code) return code;
  int64_t growth = at + bytes > size ? at + bytes - size : 0, room = room_for(growth);
  if (room < growth) return write_part(real, data, (int)(bytes - growth + room), at, ENOSPC);
  return real->pMethods->xWrite(real, data, bytes, at);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 bytes) {
  if (strikes(FAULT_TRUNCATE)) return SQLITE_IOERR_TRUNCATE;
  sqlite3_file *real = real_of(file);
  return real->pMethods->xTruncate(real, bytes);
}

static int sync_file(sqlite3_file *file, int flags) {
  (void)file, (void)flags;
  return strikes(FAULT_SYNC) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *bytes) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xFileSize(real, bytes);
}

static int lock_file(sqlite3_file *file, int level) {
  if (strikes(FAULT_LOCK)) return SQLITE_IOERR_LOCK;
  sqlite3_file *real = real_of(file);
  return real->pMethods->xLock(real, level);
}

static int unlock_file(sqlite3_file *file, int level) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xUnlock(real, level);
}

static int check_lock(sqlite3_file *file, int *held) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xCheckReservedLock(real, held);
}

static int control_file(sqlite3_file *file, int operation, void *argument) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xFileControl(real, operation, argument);
}

static int sector_size(sqlite3_file *file) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xSectorSize(real);
}

static int characteristics(sqlite3_file *file) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xDeviceCharacteristics(real);
}

static int share_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out) {
  disk_file *f = (disk_file *)(void *)file;
  if (strikes(FAULT_SHARE)) return errno == ENOSPC ? SQLITE_IOERR_SHMSIZE : SQLITE_IOERR_SHMMAP;
  struct stat info;
  (void)pthread_mutex_lock(&disk.lock);
  const char *name = remember(f->name, "-shm");
  (void)pthread_mutex_unlock(&disk.lock);
  int64_t size = stat(name, &info) == 0 ? (int64_t)info.st_size : 0;
  int64_t growth = ((int64_t)region + 1) * bytes - size;
  if (extend && growth > 0 && room_for(growth) < growth) {
    errno = ENOSPC;
    return SQLITE_IOERR_SHMSIZE;
  }
  return f->real->pMethods->xShmMap(f->real, region, bytes, extend, out);
}

static int share_lock(sqlite3_file *file, int at, int count, int flags) {
  int taking = flags & SQLITE_SHM_LOCK;
  if (taking && strikes(FAULT_LOCK)) return SQLITE_IOERR_SHMLOCK;
  sqlite3_file *real = real_of(file);
  return real->pMethods->xShmLock(real, at, count, flags);
}

static void share_barrier(sqlite3_file *file) {
  sqlite3_file *real = real_of(file);
  real->pMethods->xShmBarrier(real);
}

static int share_unmap(sqlite3_file *file, int remove) {
  sqlite3_file *real = real_of(file);
  return real->pMethods->xShmUnmap(real, remove);
}

/* Version 2: without mapped reads, so that every read passes here. */
static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = close_file,
                                           .xRead = read_file,
                                           .xWrite = write_file,
                                           .xTruncate = truncate_file,
                                           .xSync = sync_file,
                                           .xFileSize = file_size,
                                           .xLock = lock_file,
                                           .xUnlock = unlock_file,
                                           .xCheckReservedLock = check_lock,
                                           .xFileControl = control_file,
                                           .xSectorSize = sector_size,
                                           .xDeviceCharacteristics = characteristics,
                                           .xShmMap = share_map,
                                           .xShmLock = share_lock,
                                           .xShmBarrier = share_barrier,
                                           .xShmUnmap = share_unmap};

/* ---- the file system --------------------------------------------------------------------------
 */

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *flags_out) {
  (void)vfs;
  disk_file *f = (disk_file *)(void *)file;
  *f = (disk_file){.real = (sqlite3_file *)(f + 1)};
  if (strikes(FAULT_OPEN)) return SQLITE_CANTOPEN;
  int code = disk.real->xOpen(disk.real, name, f->real, flags, flags_out);
  if (code) return code;
  (void)pthread_mutex_lock(&disk.lock);
  if (name) f->name = remember(name, "");
  (void)pthread_mutex_unlock(&disk.lock);
  f->base.pMethods = &methods;
  return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder) {
  (void)vfs, (void)sync_folder;
  if (strikes(FAULT_DELETE)) return SQLITE_IOERR_DELETE;
  return disk.real->xDelete(disk.real, name, 0);
}

void faults_install_files(void) {
  disk.real = sqlite3_vfs_find(NULL);
  ck_assert_ptr_nonnull(disk.real);
  disk.faulty = *disk.real; /* what is not replaced works on it as on the real one */
  disk.faulty.zName = "faulty";
  disk.faulty.szOsFile = (int)sizeof(disk_file) + disk.real->szOsFile;
  disk.faulty.xOpen = open_file;
  disk.faulty.xDelete = delete_file;
  ck_assert_int_eq(sqlite3_vfs_register(&disk.faulty, 1), SQLITE_OK);
}
