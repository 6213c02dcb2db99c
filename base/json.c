#include "base/json.h"

#include "base/guess.h"
#include "base/memory.h"

#include <string.h>

/* Walks over brackets outside strings, since the parser's own bound is far above ours. */
static status check_depth(const char *bytes, size_t count, const char *name, int first_line,
                          detail *err) {
  int depth = 0, line = first_line, in_string = 0;
  for (size_t i = 0; i < count; i++) {
    char c = bytes[i];
    if (c == '\n') line++;
    if (in_string) {
      if (c == '\\') i++;
      if (c == '"') in_string = 0;
    } else if (c == '"') {
      in_string = 1;
    } else if (c == '{' || c == '[') {
      if (++depth > JSON_DEPTH_MAX) {
        return fault_at(err, E_INPUT, name, line, "JSON nested deeper than %d levels",
                        (int)JSON_DEPTH_MAX);
      }
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return OK;
}

void json_install(void) {
  json_set_alloc_funcs(memory_take, memory_free);
}

static status not_json(const json_error_t *problem, size_t count, const char *name, int first_line,
                       detail *err) {
  int line = problem->line > 0 ? first_line + problem->line - 1 : first_line;
  int is_short = json_error_code(problem) == json_error_premature_end_of_input;
  if (!count) return fault_at(err, E_INPUT, name, line, "not JSON: it is empty");
  return fault_at(err, E_INPUT, name, line, "not JSON: %s%s", problem->text,
                  is_short ? "; it may be cut off" : "");
}

status json_read(json_t **out, const char *bytes, size_t count, const char *name, int first_line,
                 detail *err) {
  if (count > JSON_BYTES_MAX) {
    return fault_at(err, E_INPUT, name, first_line, "JSON of %zu bytes; at most %d are read", count,
                    (int)JSON_BYTES_MAX);
  }
  const char *stranger = guess_file(bytes, count);
  if (stranger) return fault_at(err, E_INPUT, name, first_line, "not JSON: %s", stranger);
  status s = check_depth(bytes, count, name, first_line, err);
  if (s) return s;
  json_error_t problem;
  int64_t failures = memory_failures();
  json_t *value = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &problem);
  int no_memory = !value && json_error_code(&problem) == json_error_out_of_memory;
  if (no_memory || memory_failures() != failures) {
    json_decref(value);
    return fault(err, E_MEMORY, "no memory to read %s", name);
  }
  if (!value) return not_json(&problem, count, name, first_line, err);
  *out = value;
  return OK;
}

static int collect(const char *bytes, size_t count, void *data) {
  text_add(data, bytes, count);
  return ((text *)data)->failed ? -1 : 0;
}

status json_canonical(const json_t *value, text *out, detail *err) {
  size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
  if (json_dump_callback(value, collect, out, flags) == 0) return OK;
  status s = text_state(out, err);
  return s ? s : fault(err, E_MEMORY, "no memory to write JSON");
}

/* Bytes that stand for themselves in a string literal. */
static size_t plain_run(const char *bytes, size_t count) {
  size_t run = 0;
  while (run < count && (unsigned char)bytes[run] >= 0x20 && (unsigned char)bytes[run] < 0x80 &&
         bytes[run] != '"' && bytes[run] != '\\') {
    run++;
  }
  return run;
}

void json_quote(text *out, const char *bytes, size_t count) {
  text_char(out, '"');
  while (count) {
    size_t taken = plain_run(bytes, count);
    if (taken) {
      text_add(out, bytes, taken);
    } else if ((unsigned char)*bytes >= 0x80) {
      taken = text_utf8_length(bytes, count);
      if (taken) text_add(out, bytes, taken);
      if (!taken) text_put(out, "\\ufffd");
    } else if (*bytes == '\n') {
      text_put(out, "\\n");
    } else if (*bytes == '"' || *bytes == '\\') {
      text_char(out, '\\');
      text_char(out, *bytes);
    } else {
      text_format(out, "\\u%04x", (unsigned)*bytes);
    }
    if (!taken) taken = 1;
    bytes += taken;
    count -= taken;
  }
  text_char(out, '"');
}

const json_t *json_path_get(const json_t *object, const char *path) {
  for (;;) {
    size_t bytes = strcspn(path, ".");
    object = json_object_getn(object, path, bytes);
    if (!object || !path[bytes]) return object;
    path += bytes + 1;
  }
}

int json_path_put(json_t *object, const char *path, json_t *value) {
  for (;;) {
    size_t bytes = strcspn(path, ".");
    if (!path[bytes]) return json_object_setn(object, path, bytes, value) == 0;
    json_t *inner = json_object_getn(object, path, bytes);
    if (!inner) {
      inner = json_object();
      if (!inner || json_object_setn_new(object, path, bytes, inner)) return 0;
    }
    object = inner;
    path += bytes + 1;
  }
}
