#include "engine/config_internal.h"
#include "engine/file_internal.h"

#include <stdio.h>
#include <string.h>

status config_refuse(const config_file *f, const char *field, const char *found,
                     const char *possible, detail *err) {
  char shown[FILE_SHOWN_BYTES];
  return fault_at(err, E_INPUT, f->name, 0, "\"%s\" is %s; %s", field, file_shown(found, shown),
                  possible);
}

/* What stands there, for a message. */
static const char *found(const json_t *value, char out[FILE_SHOWN_BYTES]) {
  const char *kind = "null";
  if (json_is_object(value)) kind = "an object";
  if (json_is_array(value)) kind = "a list";
  if (json_is_true(value)) kind = "true";
  if (json_is_false(value)) kind = "false";
  (void)snprintf(out, FILE_SHOWN_BYTES, "%s", kind);
  if (json_is_integer(value)) {
    (void)snprintf(out, FILE_SHOWN_BYTES, "%lld", (long long)json_integer_value(value));
  } else if (json_is_real(value)) {
    (void)snprintf(out, FILE_SHOWN_BYTES, "%g", json_real_value(value));
  } else if (json_is_string(value)) {
    char shown[FILE_SHOWN_BYTES];
    int bytes =
        snprintf(out, FILE_SHOWN_BYTES, "\"%s\"", file_shown(json_string_value(value), shown));
    if (bytes >= FILE_SHOWN_BYTES) (void)file_shown(json_string_value(value), out);
  }
  return out;
}

const json_t *config_field(const config_file *f, const char *field) {
  const json_t *value = json_object_get(f->root, field);
  return json_is_null(value) ? NULL : value;
}

status config_integer(const config_file *f, const char *field, int64_t low, int64_t high,
                      int64_t *out, detail *err) {
  char shown[FILE_SHOWN_BYTES], possible[96];
  const json_t *value = config_field(f, field);
  if (!value) return OK;
  int64_t number = json_integer_value(value);
  if (json_is_integer(value) && number >= low && number <= high) {
    *out = number;
    return OK;
  }
  (void)snprintf(possible, sizeof possible, "a whole number from %lld to %lld is possible",
                 (long long)low, (long long)high);
  return config_refuse(f, field, found(value, shown), possible, err);
}

status config_real(const config_file *f, const char *field, double low, double high, double *out,
                   detail *err) {
  char shown[FILE_SHOWN_BYTES], possible[96];
  const json_t *value = config_field(f, field);
  if (!value) return OK;
  double number = json_number_value(value);
  if (json_is_number(value) && number >= low && number <= high) {
    *out = number;
    return OK;
  }
  (void)snprintf(possible, sizeof possible, "a number from %g to %g is possible", low, high);
  return config_refuse(f, field, found(value, shown), possible, err);
}

status config_flag(const config_file *f, const char *field, int *out, detail *err) {
  char shown[FILE_SHOWN_BYTES];
  const json_t *value = config_field(f, field);
  if (!value) return OK;
  if (!json_is_boolean(value)) {
    return config_refuse(f, field, found(value, shown), "true or false is possible", err);
  }
  *out = json_is_true(value);
  return OK;
}

status config_word(const config_file *f, const char *field, const char **out, detail *err) {
  char shown[FILE_SHOWN_BYTES];
  const json_t *value = config_field(f, field);
  if (!value) return OK;
  if (!json_is_string(value)) {
    return config_refuse(f, field, found(value, shown), "a word is needed", err);
  }
  *out = json_string_value(value);
  return OK;
}
