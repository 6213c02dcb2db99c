/* The models of a job: their folders opened, hashed and told apart. No weight is packed here; an
   engine is made of one when its runs begin.

   What a condition leaves to the model (how to sample, which tokens begin and end a text) is
   settled here once, so that the run's identity holds what is sampled with and not what was
   written. */
#ifndef PIPELINE_MODELS_H
#define PIPELINE_MODELS_H

#include "base/log.h"
#include "engine/engine.h"
#include "pipeline/job.h"

enum { MODEL_BEGIN_MAX = 8, MODEL_UNIT_BYTES = 32 };

typedef struct job_model {
  const char *path; /* as the job names it; borrowed from the job */
  char name[128];   /* of its folder */
  model *model;
  tokenizer *tokenizer;
  hash hash, tokenizer_hash; /* of what the arithmetic depends on; of tokenizer.json's bytes */
  char token_unit[MODEL_UNIT_BYTES]; /* "tok-" and the head of the tokenizer's hash */
  uint32_t begin[MODEL_BEGIN_MAX];   /* [begin_count] what the tokenizer puts before a text */
  int begin_count;
} job_model;

/* Opens what is at path. E_INPUT with file, field and remedy; E_IO; E_MEMORY. messages may be
   NULL. */
MUST_CHECK status job_model_open(job_model **out, const char *path, logger *messages, detail *err);
void job_model_close(job_model *m); /* NULL is a no-op */

/* The determinism class of an engine with these options: what besides the model must be equal for
   bits to be equal, as "cpu-1 bf16". */
MUST_CHECK status job_model_class(const engine_options *options, text *out, detail *err);

/* A condition's parameters with what it leaves to the model filled in: sampling.temperature, top_k,
   top_p and min_p from the model's own settings, begin, limit.context. New reference. */
MUST_CHECK status job_model_settle(const job_model *m, const json_t *parameters, json_t **out,
                                   detail *err);

#endif
