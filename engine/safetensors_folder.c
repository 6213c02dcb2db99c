/* The files of a folder: one, or the shards of an index,
     model.safetensors.index.json: {"metadata": {...}, "weight_map": {tensor: file, ...}}
   The index and the shards must tell the same story: each tensor in the file that the index names,
   and none besides. */
#include "base/memory.h"
#include "engine/safetensors_internal.h"

#include <stdlib.h>
#include <string.h>

static const char single[] = "model.safetensors", sharded[] = "model.safetensors.index.json";

status safetensors_add_file(safetensors *s, const char *folder, const char *name, detail *err) {
  char path[PATH_MAX];
  mapped_file *f = &s->files[s->file_count];
  status failed = file_path(path, folder, name, err);
  if (!failed) failed = file_map(f, path, err);
  if (failed) return failed;
  s->file_count++;
  return safetensors_add(s, f->path, f->bytes, f->count, err);
}

static status make_room(safetensors *s, int files, detail *err) {
  s->files = memory_zeroed((size_t)files, sizeof *s->files);
  return s->files ? OK : fault(err, E_MEMORY, "no memory for a model's files");
}

/* A shard lies beside its index: its name climbs nowhere. */
static int is_shard_name(const char *name) {
  static const char ending[] = ".safetensors";
  size_t bytes = strlen(name), tail = sizeof ending - 1;
  return bytes > tail && bytes < 256 && !strchr(name, '/') && name[0] != '.' &&
         !strcmp(name + bytes - tail, ending);
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct shards of a map, ordered. names is [json_object_size(map)]. */
static status shard_names(json_t *map, const char *index, const char **names, size_t *count,
                          detail *err) {
  size_t all = 0, distinct = 0;
  char tensor_shown[FILE_SHOWN_BYTES], shown[FILE_SHOWN_BYTES];
  for (void *at = json_object_iter(map); at; at = json_object_iter_next(map, at)) {
    const char *name = json_string_value(json_object_iter_value(at));
    if (!name || !is_shard_name(name)) {
      return fault_at(err, E_INPUT, index, 0,
                      "\"weight_map\" gives tensor \"%s\" to %s%s%s: the name of a .safetensors "
                      "file in this folder is needed",
                      file_shown(json_object_iter_key(at), tensor_shown), name ? "\"" : "",
                      name ? file_shown(name, shown) : "what is no text", name ? "\"" : "");
    }
    names[all++] = name;
  }
  qsort(names, all, sizeof *names, by_text);
  for (size_t i = 0; i < all; i++) {
    if (!distinct || strcmp(names[distinct - 1], names[i])) names[distinct++] = names[i];
  }
  *count = distinct;
  if (distinct <= SAFETENSORS_FILES_MAX) return OK;
  return fault_at(err, E_INPUT, index, 0, "\"weight_map\" names %zu files; at most %d are read",
                  distinct, (int)SAFETENSORS_FILES_MAX);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static status check_map(const safetensors *s, json_t *map, const char *index, detail *err) {
  char shown[FILE_SHOWN_BYTES];
  for (void *at = json_object_iter(map); at; at = json_object_iter_next(map, at)) {
    const char *name = json_object_iter_key(at);
    const char *file = json_string_value(json_object_iter_value(at));
    const tensor *t = safetensors_find(s, name);
    if (t && !strcmp(base_name(t->file), file)) continue;
    return fault_at(err, E_INPUT, index, 0, "\"weight_map\" says that tensor \"%s\" is in %s; %s",
                    file_shown(name, shown), file, t ? "it is in another file" : "it is not there");
  }
  for (size_t i = 0; i < s->count; i++) {
    if (json_object_get(map, s->tensors[i].name)) continue;
    return fault_at(err, E_INPUT, s->tensors[i].file, 0,
                    "tensor \"%s\" is in this file, but not in \"weight_map\" of %s",
                    file_shown(s->tensors[i].name, shown), sharded);
  }
  return OK;
}

static status check_shards(const char *folder, const char *const *names, size_t count,
                           detail *err) {
  size_t missing = 0, first = count;
  char path[PATH_MAX];
  for (size_t i = 0; i < count; i++) {
    if (file_exists(folder, names[i])) continue;
    if (!missing++) first = i;
  }
  if (!missing) return OK;
  status failed = file_path(path, folder, names[first], err);
  if (failed) return failed;
  return fault_at(err, E_INPUT, path, 0,
                  "there is no such file; of the %zu shards that %s names, %zu not there: "
                  "download them",
                  count, sharded, missing);
}

static status add_shards(safetensors *s, const char *folder, json_t *map, const char *index,
                         detail *err) {
  size_t count = 0;
  if (!json_is_object(map) || json_object_size(map) == 0) {
    return fault_at(err, E_INPUT, index, 0,
                    "\"weight_map\" must be an object of tensors and their files");
  }
  const char **names = memory_zeroed(json_object_size(map), sizeof *names);
  if (!names) return fault(err, E_MEMORY, "no memory to read %s", index);
  status failed = shard_names(map, index, names, &count, err);
  if (!failed) failed = check_shards(folder, names, count, err);
  if (!failed) failed = make_room(s, (int)count, err);
  for (size_t i = 0; !failed && i < count; i++)
    failed = safetensors_add_file(s, folder, names[i], err);
  if (!failed) failed = safetensors_order(s, err);
  if (!failed) failed = check_map(s, map, index, err);
  memory_free(names);
  return failed;
}

static status add_sharded(safetensors *s, const char *folder, detail *err) {
  char index[PATH_MAX];
  json_t *root = NULL;
  status failed = file_path(index, folder, sharded, err);
  if (!failed) failed = file_json(&root, index, err);
  if (!failed) failed = add_shards(s, folder, json_object_get(root, "weight_map"), index, err);
  json_decref(root);
  return failed;
}

static status add_single(safetensors *s, const char *folder, detail *err) {
  status failed = make_room(s, 1, err);
  if (!failed) failed = safetensors_add_file(s, folder, single, err);
  if (!failed) failed = safetensors_order(s, err);
  return failed;
}

/* Weights by other names. */
static status other_safetensors(const char *folder, const char *name, detail *err) {
  char shown[FILE_SHOWN_BYTES];
  (void)file_shown(name, shown);
  if (strstr(name, "-of-")) {
    return fault_at(err, E_INPUT, folder, 0, "has shards such as %s, but no %s: download it", shown,
                    sharded);
  }
  return fault_at(err, E_INPUT, folder, 0,
                  "has no %s, only %s: a checkpoint in Hugging Face form is needed (an adapter is "
                  "none)",
                  single, shown);
}

static status nothing_there(const char *folder, detail *err) {
  static const char *const others[] = {".bin", ".pth", ".pt", ".gguf", ".h5", ".msgpack"};
  char name[NAME_MAX + 1], shown[FILE_SHOWN_BYTES];
  if (folder_find(folder, ".safetensors", name)) return other_safetensors(folder, name, err);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (!folder_find(folder, others[i], name)) continue;
    return fault_at(err, E_INPUT, folder, 0,
                    "has no %s, only %s, which is not read: use the checkpoint's safetensors, or "
                    "convert it to safetensors",
                    single, file_shown(name, shown));
  }
  return fault_at(err, E_INPUT, folder, 0,
                  "has neither %s nor %s: the weights are missing; download them", single, sharded);
}

status safetensors_open(safetensors **out, const char *folder, detail *err) {
  safetensors *s = NULL;
  status failed = safetensors_new(&s, err);
  if (!failed && file_exists(folder, single)) {
    failed = add_single(s, folder, err);
  } else if (!failed && file_exists(folder, sharded)) {
    failed = add_sharded(s, folder, err);
  } else if (!failed) {
    failed = nothing_there(folder, err);
  }
  if (failed) {
    safetensors_close(s);
    return failed;
  }
  *out = s;
  return OK;
}
