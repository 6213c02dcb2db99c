/* Faults that a test asks for, in the process that it runs in: allocations that fail, operations on
   the store's files that fail, and a disk that holds so many bytes and no more.

   Allocations are those of base/memory.h, and here also SQLite's, jansson's and libyaml's, which
   pass through it once faults_install was called; zlib's always do. They fail by memory_fail_after
   and memory_fail_once. The files are those that SQLite opens: a file system of its own (a VFS, in
   SQLite's words) stands before the real one. It does not sync, since no test takes the power away.

   Everything may be called from any thread, but faults_install: once, before SQLite is used. What a
   process asked for holds in the children that it forks. */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include "base/status.h"

void faults_install(void);

typedef enum fault_operation {
  FAULT_OPEN,
  FAULT_READ,
  FAULT_WRITE,
  FAULT_WRITE_TORN, /* a write of which half is done */
  FAULT_TRUNCATE,
  FAULT_SYNC,
  FAULT_DELETE,
  FAULT_SHARE, /* of the memory that WAL's index lies in */
  FAULT_LOCK,
  FAULT_OPERATIONS
} fault_operation;

const char *fault_operation_name(fault_operation operation);

/* Which operations of a kind fail, counted from 0 from the call on. */
typedef struct fault_files {
  fault_operation operation;
  int64_t number; /* INT64_MAX: none, they are only counted */
  int later_too;  /* every later one as well */
  int cause;      /* EIO: the device; ENOSPC: it is full */
} fault_files;

void faults_files(const fault_files *f); /* NULL ends it */
int64_t faults_asked(void);              /* operations of that kind that were counted */

/* All files together hold so many bytes from now on, what they hold already included; a write that
   does not fit is done as far as it fits. Negative: as many as the real disk. */
void faults_disk(int64_t bytes);
int64_t faults_disk_used(void);

#endif
