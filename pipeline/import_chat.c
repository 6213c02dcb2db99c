#include "pipeline/import_internal.h"

#include <string.h>

static const char *text_of(const json_t *value, const char *key) {
  return json_string_value(json_object_get(value, key));
}

/* A text, or a list of parts that are texts. */
static status put_content(const json_t *content, const char *path, text *out, detail *err) {
  if (json_is_string(content)) {
    text_put(out, json_string_value(content));
    return OK;
  }
  if (!json_is_array(content) || json_array_size(content) == 0) {
    return fault(err, E_INPUT, "the content of a message in '%s' must be a text", path);
  }
  size_t i;
  const json_t *part;
  json_array_foreach(content, i, part) {
    const char *type = text_of(part, "type"), *piece = text_of(part, "text");
    if (!piece || !type || (strcmp(type, "text") != 0 && strcmp(type, "input_text") != 0)) {
      return fault(err, E_INPUT,
                   "a message in '%s' has a part of type '%.40s'; only text can be asked here",
                   path, type ? type : "?");
    }
    text_put(out, piece);
  }
  return OK;
}

static status check_message(const json_t *message, const char *path, detail *err) {
  if (text_of(message, "role") && json_object_get(message, "content")) return OK;
  return fault(err, E_INPUT,
               "each message in '%s' must be an object such as {\"role\": \"user\", \"content\": "
               "\"2 + 2?\"}",
               path);
}

/* The only message that is not the system's, when it is the user's. */
static const json_t *only_question(const json_t *messages) {
  size_t i;
  const json_t *message, *only = NULL;
  json_array_foreach(messages, i, message) {
    const char *role = text_of(message, "role");
    if (role && (!strcmp(role, "system") || !strcmp(role, "developer"))) continue;
    if (only || !role || strcmp(role, "user") != 0) return NULL;
    only = message;
  }
  return only;
}

static status put_messages(const json_t *messages, const char *path, text *out, detail *err) {
  const json_t *only = only_question(messages), *message;
  size_t i;
  json_array_foreach(messages, i, message) {
    status failed = check_message(message, path, err);
    if (failed) return failed;
    if (only && message != only) continue;
    if (!only) {
      if (i) text_put(out, "\n\n");
      text_put(out, text_of(message, "role"));
      text_put(out, ": ");
    }
    failed = put_content(json_object_get(message, "content"), path, out, err);
    if (failed) return failed;
  }
  return OK;
}

status import_question(const json_t *value, const char *path, text *out, detail *err) {
  status failed = OK;
  if (json_is_string(value)) {
    text_put(out, json_string_value(value));
  } else if (json_is_array(value) && json_array_size(value)) {
    failed = put_messages(value, path, out, err);
  } else {
    failed = fault(err, E_INPUT, "'%s' must be a text or a list of messages, as it is asked", path);
  }
  if (!failed) failed = text_state(out, err);
  if (failed || out->bytes) return failed;
  return fault(err, E_INPUT, "'%s' is empty, so there is nothing to ask", path);
}
