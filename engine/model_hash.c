/* A model's hash, and the file that remembers hashes: a line per state of a checkpoint's files,
     key (64 hexadecimal digits), space, hash (64 digits)
   where the key is the SHA-256 of the configuration's meaning and of each file's path, device,
   inode, size and times. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/newfile.h"
#include "engine/model_internal.h"
#include "engine/safetensors_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  LINE_BYTES = 2 * (HASH_HEX_BYTES - 1) + 2,
  LINES_MAX = 500,
  /* A file that was written a moment ago can be written again within the same tick of its clock. */
  SETTLED_NS = 2000000000
};

static status put_meaning(const model *m, hash_parts *h, detail *err) {
  text meaning;
  text_open(&meaning, 4096);
  config_meaning(&m->config, &meaning);
  status failed = text_state(&meaning, err);
  if (!failed) hash_part(h, text_string(&meaning), meaning.bytes);
  text_close(&meaning);
  return failed;
}

static status content_hash(const model *m, hash *out, detail *err) {
  hash_parts h;
  hash_start(&h);
  status failed = put_meaning(m, &h, err);
  if (failed) return failed;
  for (size_t i = 0; i < safetensors_count(m->tensors); i++) {
    const tensor *t = safetensors_at(m->tensors, i);
    if (!m->used[i]) continue;
    const char *type = tensor_type_name(t->type);
    hash_part(&h, t->name, strlen(t->name));
    hash_part(&h, type, strlen(type));
    hash_part(&h, t->extent, (size_t)t->dimensions * sizeof t->extent[0]);
    hash_part(&h, t->data, t->bytes);
  }
  *out = hash_end(&h);
  return OK;
}

/* ---- the cache ------------------------------------------------------------------------------- */

/* The key, and whether the files have stood still long enough for it to name their contents. */
static status state_key(const model *m, hash *out, int *settled, detail *err) {
  hash_parts h;
  int64_t newest = 0;
  hash_start(&h);
  status failed = put_meaning(m, &h, err);
  for (int i = 0; !failed && i < m->tensors->file_count; i++) {
    const mapped_file *f = &m->tensors->files[i];
    char real[PATH_MAX];
    const char *path = realpath(f->path, real) ? real : f->path;
    hash_part(&h, path, strlen(path));
    hash_part(&h, &f->mark, sizeof f->mark);
    if (f->mark.modified_ns > newest) newest = f->mark.modified_ns;
    if (f->mark.changed_ns > newest) newest = f->mark.changed_ns;
  }
  *settled = clock_unix_ns() - newest > SETTLED_NS;
  *out = hash_end(&h);
  return failed;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hex(const char *digits, hash *out) {
  for (int i = 0; i < HASH_BYTES; i++) {
    int high = hex_value(digits[2 * i]), low = hex_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return 0;
    out->bytes[i] = (uint8_t)(high << 4 | low);
  }
  return 1;
}

/* Reads what there is of a cache's last lines. A cache that is not there is empty. */
static int read_cache(const char *path, text *out) {
  char block[4096];
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return errno == ENOENT;
  ssize_t got;
  while ((got = read(file, block, sizeof block)) > 0)
    text_add(out, block, (size_t)got);
  (void)close(file);
  return got == 0 && !out->failed;
}

static int find_line(const text *lines, const hash *key, hash *out) {
  char wanted[HASH_HEX_BYTES];
  (void)hash_hex(key, wanted);
  for (size_t at = 0; at + LINE_BYTES <= lines->bytes; at += LINE_BYTES) {
    const char *line = lines->data + at;
    if (!memcmp(line, wanted, HASH_HEX_BYTES - 1) && read_hex(line + HASH_HEX_BYTES, out)) return 1;
  }
  return 0;
}

static status write_cache(const char *path, text *lines, const hash *key, const hash *value,
                          detail *err) {
  char left[HASH_HEX_BYTES], right[HASH_HEX_BYTES];
  newfile f;
  size_t keep = (size_t)(LINES_MAX - 1) * LINE_BYTES;
  size_t skip = lines->bytes > keep ? lines->bytes - keep : 0;
  if (lines->bytes % LINE_BYTES) text_clear(lines), skip = 0; /* it is no cache of ours */
  text_format(lines, "%s %s\n", hash_hex(key, left), hash_hex(value, right));
  status failed = text_state(lines, err);
  if (!failed) failed = newfile_open(&f, path, 1, err);
  if (failed) return failed;
  failed = newfile_write(&f, lines->data + skip, lines->bytes - skip, err);
  if (!failed) return newfile_finish(&f, err);
  newfile_abandon(&f);
  return failed;
}

static status cached_hash(const model *m, const char *cache, logger *messages, hash *out,
                          detail *err) {
  text lines;
  hash key;
  int settled = 0;
  detail cause = {0};
  status failed = state_key(m, &key, &settled, err);
  if (failed) return failed;
  text_open(&lines, 2 * LINES_MAX * LINE_BYTES);
  int readable = read_cache(cache, &lines);
  if (!readable) {
    log_warn(messages, "%s cannot be read: models are hashed anew each time", cache);
  } else if (find_line(&lines, &key, out)) {
    text_close(&lines);
    return OK;
  }
  failed = content_hash(m, out, err);
  if (!failed && readable && settled && write_cache(cache, &lines, &key, out, &cause)) {
    log_warn(messages, "%s; models are hashed anew each time", cause.text);
  }
  text_close(&lines);
  return failed;
}

status model_hash(const model *m, const char *cache, logger *messages, hash *out, detail *err) {
  return cache ? cached_hash(m, cache, messages, out, err) : content_hash(m, out, err);
}
