/* Records and tasks out of a file from anybody. The input's first line says how it is read: its
   first byte the format and the size of pieces, what follows the map. The pieces in which bytes
   come change nothing: neither records nor errors; and a task that is made can be stored. */
#include "pipeline/import.h"
#include "solvers/countdown.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 64 << 20 };

typedef struct pieces {
  const char *at, *end;
  size_t most; /* of one piece */
} pieces;

static status read_piece(void *from, void *bytes, size_t capacity, size_t *count, detail *err) {
  (void)err;
  pieces *p = from;
  size_t left = (size_t)(p->end - p->at);
  *count = left < p->most ? left : p->most;
  if (*count > capacity) *count = capacity;
  if (*count) memcpy(bytes, p->at, *count);
  p->at += *count;
  return OK;
}

/* What a task says must be what the store and the checkers take. */
static void check_task(const char *kind, const store_task *t) {
  detail err;
  json_t *value = NULL;
  countdown_problem problem;
  REQUIRE(t->question && t->target);
  REQUIRE(json_read(&value, t->target, strlen(t->target), "target", 1, &err) == OK);
  json_decref(value);
  if (!strcmp(kind, "countdown")) REQUIRE(countdown_read(&problem, t->target, &err) == OK);
  const char *texts[] = {t->question, t->name, t->cluster, t->split, t->data};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    REQUIRE(!texts[i] || text_is_utf8(texts[i], strlen(texts[i]), NULL));
  if (!t->data) return;
  REQUIRE(json_read(&value, t->data, strlen(t->data), "data", 1, &err) == OK);
  json_decref(value);
}

static void put_failure(text *out, status failed, const detail *err) {
  fuzz_explained(failed, err);
  text_format(out, "%d %s:%d: %s\n", (int)failed, err->file, err->line, err->text);
}

static void put_task(text *out, import *into, const json_t *record) {
  detail err = {0};
  store_task task = {0};
  status failed = import_task(into, record, &task, &err);
  if (failed) {
    put_failure(out, failed, &err);
    return;
  }
  check_task(import_kind(into), &task);
  text_format(out, "%s|%s|%s\n", task.name ? task.name : "", task.question, task.target);
}

/* Everything that a reading gave, errors included, as one text. */
static void read_all(text *out, fuzz_part bytes, records_format format, size_t most, import *into) {
  pieces p = {bytes.bytes, bytes.bytes + bytes.count, most};
  records_source source = {.name = "fuzz", .read = read_piece, .from = &p};
  records *from = NULL;
  detail err = {0};
  int64_t last = 0, failures = 0;
  text_open(out, TEXT_BYTES_MAX);
  status failed = records_open(&from, &source, format, &err);
  if (failed) {
    put_failure(out, failed, &err);
    return;
  }
  for (int found = 1; found;) {
    records_item item = {0};
    err = (detail){0};
    failed = records_next(from, &item, &found, &err);
    if (failed) {
      put_failure(out, failed, &err);
      REQUIRE(++failures <= (int64_t)bytes.count + 1); /* errors come to an end */
      found = 1;
      continue;
    }
    if (!found) break;
    REQUIRE(item.number > last && json_is_object(item.value));
    last = item.number;
    text_format(out, "%d ", item.line);
    REQUIRE(json_canonical(item.value, out, &err) == OK);
    text_char(out, '\n');
    put_task(out, into, item.value);
  }
  text_format(out, "%s\n", records_format_name(records_found_format(from)));
  if (!failures) {
    hash whole = hash_of(bytes.bytes, bytes.count), got = records_hash(from);
    text_format(out, "%d\n", records_unended(from));
    REQUIRE(records_bytes(from) == (int64_t)bytes.count && hash_equal(&whole, &got));
  }
  records_close(from);
}

static void read_and_import(text *out, fuzz_part bytes, records_format format, size_t most,
                            const char *map) {
  import *into = NULL;
  detail err = {0};
  status failed = import_open(&into, *map ? map : NULL, NULL, &err);
  if (failed) {
    text_open(out, TEXT_BYTES_MAX);
    put_failure(out, failed, &err);
    return;
  }
  read_all(out, bytes, format, most, into);
  import_describe(into, out);
  import_close(into);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { FORMATS = RECORDS_TSV + 1 };
  static const size_t sizes[] = {1, 2, 3, 7, 16, 61, 256};
  const char *all = (const char *)data, *line = size ? memchr(all, '\n', size) : NULL;
  if (!line || line == all) return 0;
  records_format format = (records_format)(data[0] % FORMATS);
  size_t most = sizes[data[0] / FORMATS % (sizeof sizes / sizeof sizes[0])];
  char *map = fuzz_copy((fuzz_part){all + 1, (size_t)(line - all - 1)});
  fuzz_part bytes = {line + 1, size - (size_t)(line + 1 - all)};
  text whole, pieced;
  read_and_import(&whole, bytes, format, SIZE_MAX, map);
  read_and_import(&pieced, bytes, format, most, map);
  REQUIRE(whole.failed == pieced.failed && whole.bytes == pieced.bytes);
  REQUIRE(!strcmp(text_string(&whole), text_string(&pieced)));
  text_close(&whole);
  text_close(&pieced);
  free(map);
  return 0;
}
