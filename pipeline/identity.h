/* What a run is: canonical JSON of everything that a token depends on, and nothing else. Its
   SHA-256 names the run. A condition without a model depends on its mode with all parameters and
   the mode's determinism class, the tasks, the seed and the token unit. One with a model depends
   on the rules of its mode and protocol, the engine's determinism class, the model, its tokenizer,
   and the ids that begin and end a text as well. Neither depends on names, axes, repeats, retries,
   checkers, any other condition, or on how many threads share a step. Pure. */
#ifndef PIPELINE_IDENTITY_H
#define PIPELINE_IDENTITY_H

#include "base/hash.h"
#include "base/json.h"

/* What a model adds. All borrowed for the call. */
typedef struct identity_model {
  const char *rules; /* of mode and protocol: "serial-1 countdown-sosp-1" */
  const hash *model, *tokenizer;
  const uint32_t *begin, *ends; /* [begin_count], [end_count] */
  int begin_count, end_count;
} identity_model;

/* All borrowed for the call. */
typedef struct identity {
  const char *determinism_class, *mode, *token_unit;
  const json_t *parameters; /* resolved; with a model, settled */
  int64_t seed;
  const hash *task_set;
  const identity_model *model; /* NULL: none */
} identity;

/* Appends {"class", "mode", "parameters", "seed", "task_set", "token_unit"}; with a model also
   "begin", "ends", "model", "rules", "tokenizer". E_MEMORY, E_LIMIT. */
MUST_CHECK status identity_json(const identity *i, text *out, detail *err);

/* Says why a condition has no run: appends the nearest of the known identities (an array of
   objects; the fewest differing fields, the earliest among equals) as the number of fields that
   differ and a line for each, "  parameters.beam: 3 -> 4" (known, then wanted; "absent" where one
   has none). Changes neither. E_MEMORY, E_LIMIT. */
MUST_CHECK status identity_explain(json_t *wanted, json_t *known, text *out, detail *err);

#endif
