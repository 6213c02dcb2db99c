/* Private to the engine: files of a model's folder, read or mapped only when they are plain files,
   and what of their contents may stand in a message. */
#ifndef ENGINE_FILE_INTERNAL_H
#define ENGINE_FILE_INTERNAL_H

#include "base/json.h"

#include <limits.h>

/* What tells one state of a file from another without reading it. */
typedef struct file_mark {
  uint64_t device, inode, bytes;
  int64_t modified_ns, changed_ns;
} file_mark;

typedef struct mapped_file {
  char *path;     /* owned */
  uint8_t *bytes; /* read-only; NULL for a file of no bytes */
  size_t count;
  file_mark mark;
} mapped_file;

/* Copies a folder's path without the slashes that a shell's completion leaves. E_INPUT when it is
   empty or too long. */
MUST_CHECK status file_folder(char out[PATH_MAX], const char *folder, detail *err);
/* Writes folder/name into out. E_INPUT when it is too long for a path. */
MUST_CHECK status file_path(char out[PATH_MAX], const char *folder, const char *name, detail *err);

/* Whether there is anything of this name in the folder. */
int file_exists(const char *folder, const char *name);

/* OK for a folder that has a config.json. E_INPUT says what stands there instead (a file, an
   adapter, another format) and what to name; E_IO. */
MUST_CHECK status folder_check(const char *folder, detail *err);
/* The first name in the folder, by bytes, with this ending and something in front; 0: there is
 * none. */
int folder_find(const char *folder, const char *ending, char out[NAME_MAX + 1]);

/* Maps a whole file. E_INPUT for what is no plain file or is not there; E_IO; E_MEMORY. */
MUST_CHECK status file_map(mapped_file *out, const char *path, detail *err);
void file_unmap(mapped_file *f); /* a zeroed one is a no-op */

/* Reads a JSON object. The caller gives it back with json_decref. */
MUST_CHECK status file_json(json_t **out, const char *path, detail *err);

/* A piece of somebody's text for a message: printable, and cut where it is long. Returns out. */
enum { FILE_SHOWN_BYTES = 128 };
const char *file_shown(const char *bytes, char out[FILE_SHOWN_BYTES]);

#endif
