/* Private to the configuration: fields of a JSON object, with messages that name them. */
#ifndef ENGINE_CONFIG_INTERNAL_H
#define ENGINE_CONFIG_INTERNAL_H

#include "engine/config.h"

typedef struct config_file {
  const json_t *root;
  const char *name;
} config_file;

MUST_CHECK status config_refuse(const config_file *f, const char *field, const char *found,
                                const char *possible, detail *err);

/* NULL where it is missing or null. */
const json_t *config_field(const config_file *f, const char *field);

/* Each leaves *out as it was where the field is missing or null; *out then must hold its default.
 */
MUST_CHECK status config_integer(const config_file *f, const char *field, int64_t low, int64_t high,
                                 int64_t *out, detail *err);
MUST_CHECK status config_real(const config_file *f, const char *field, double low, double high,
                              double *out, detail *err);
MUST_CHECK status config_flag(const config_file *f, const char *field, int *out, detail *err);
MUST_CHECK status config_word(const config_file *f, const char *field, const char **out,
                              detail *err);

/* rope_theta, rope_scaling and rope_parameters, in the spellings that there are. */
MUST_CHECK status config_read_rope(model_config *out, const config_file *f, detail *err);

#endif
