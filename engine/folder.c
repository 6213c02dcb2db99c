/* Where a model's folder was expected and is not: what stands there, and what to name instead. */
#include "base/guess.h"
#include "engine/file_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int ends_with(const char *name, const char *ending) {
  size_t bytes = strlen(name), tail = strlen(ending);
  return bytes > tail && !strcmp(name + bytes - tail, ending);
}

int folder_find(const char *folder, const char *ending, char out[NAME_MAX + 1]) {
  DIR *names = opendir(folder);
  out[0] = 0;
  for (struct dirent *entry; names && (entry = readdir(names));) {
    const char *name = entry->d_name;
    if (name[0] == '.' || strlen(name) > NAME_MAX || !ends_with(name, ending)) continue;
    if (!out[0] || strcmp(name, out) < 0) (void)snprintf(out, NAME_MAX + 1, "%s", name);
  }
  if (names) (void)closedir(names);
  return out[0] != 0;
}

static status refuse_file(const char *path, detail *err) {
  char start[GUESS_BYTES];
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  ssize_t count = file < 0 ? 0 : read(file, start, sizeof start);
  const char *stranger = count > 0 ? guess_file(start, (size_t)count) : NULL;
  if (file >= 0) (void)close(file);
  if (stranger) return fault_at(err, E_INPUT, path, 0, "%s", stranger);
  return fault_at(err, E_INPUT, path, 0, "this is no folder; name the folder that it is in");
}

static status refuse_folder(const char *folder, detail *err) {
  static const struct {
    const char *name, *says;
  } others[] = {
      {"adapter_config.json",
       "this is an adapter (LoRA) and no model: name the folder of the model "
       "that it was trained on"},
      {"params.json", "this checkpoint is in its makers' own form (params.json): use the one in "
                      "Hugging Face form, which has a config.json"},
      {"snapshots", "this is a place in the hub's cache: name a folder in its snapshots"},
  };
  char name[NAME_MAX + 1], shown[FILE_SHOWN_BYTES];
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (file_exists(folder, others[i].name)) {
      return fault_at(err, E_INPUT, folder, 0, "%s", others[i].says);
    }
  }
  if (folder_find(folder, ".gguf", name)) {
    return fault_at(
        err, E_INPUT, folder, 0,
        "has no config.json, but %s, which is not read: use the safetensors that it was "
        "made from",
        file_shown(name, shown));
  }
  return fault_at(
      err, E_INPUT, folder, 0,
      "has no config.json, which a model's folder has beside its weights: it is another "
      "folder, or the download is not whole");
}

status folder_check(const char *folder, detail *err) {
  struct stat info;
  if (stat(folder, &info) && (errno == ENOENT || errno == ENOTDIR)) {
    return fault_at(err, E_INPUT, folder, 0,
                    "there is no such folder; a model is a folder in Hugging Face form, and a name "
                    "of the hub becomes one by: hf download NAME --local-dir DIR");
  }
  if (stat(folder, &info)) {
    return fault_at(err, E_IO, folder, 0, "cannot be read: %s", strerror(errno));
  }
  if (!S_ISDIR(info.st_mode)) return refuse_file(folder, err);
  return file_exists(folder, "config.json") ? OK : refuse_folder(folder, err);
}
