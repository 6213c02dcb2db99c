/* What a run is: canonical JSON of everything that a token depends on, and nothing else. Its
   SHA-256 names the run. A condition without a model depends on its mode with all parameters and
   the mode's determinism class, the tasks, the seed and the token unit; not on names, axes,
   repeats, retries, checkers or any other condition. Pure. */
#ifndef PIPELINE_IDENTITY_H
#define PIPELINE_IDENTITY_H

#include "base/hash.h"
#include "base/json.h"

/* All borrowed for the call. */
typedef struct identity {
  const char *determinism_class, *mode, *token_unit;
  const json_t *parameters; /* resolved */
  int64_t seed;
  const hash *task_set;
} identity;

/* Appends {"class", "mode", "parameters", "seed", "task_set", "token_unit"}. E_MEMORY, E_LIMIT. */
MUST_CHECK status identity_json(const identity *i, text *out, detail *err);

/* Says why a condition has no run: appends the nearest of the known identities (an array of
   objects; the fewest differing fields, the earliest among equals) as the number of fields that
   differ and a line for each, "  parameters.beam: 3 -> 4" (known, then wanted; "absent" where one
   has none). Changes neither. E_MEMORY, E_LIMIT. */
MUST_CHECK status identity_explain(json_t *wanted, json_t *known, text *out, detail *err);

#endif
