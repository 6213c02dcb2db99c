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

/* What an engine is to be for a job's conditions: backend and compute. What the job leaves open,
   and all that follows from the machine, is 0. */
engine_options job_engine_options(const job_engine *e);

/* Opens what is at path, which is borrowed. hashes is the cache of model_hash. What of the model's
   own settings has no effect here is a warning; messages may be NULL. E_INPUT with file, field and
   remedy; E_IO; E_MEMORY. */
MUST_CHECK status job_model_open(job_model **out, const char *path, const char *hashes,
                                 logger *messages, detail *err);
void job_model_close(job_model *m); /* NULL is a no-op */

/* The determinism class of an engine with these options: what besides the model must be equal for
   bits to be equal, as "cpu-1 bf16". Both backends of the cpu are one class. */
MUST_CHECK status job_model_class(const engine_options *options, text *out, detail *err);

/* A condition's parameters with what it leaves to the model filled in: sampling.temperature, top_k,
   top_p and min_p from the model's own settings, limit.context from what it was made for. A begin
   that is left to the tokenizer stays out: it is the tokens above, which need not be so many of
   one. New reference. E_MEMORY. */
MUST_CHECK status job_model_settle(const job_model *m, const json_t *parameters, json_t **out,
                                   detail *err);

/* A model's shape and what else its arithmetic depends on; NULL when memory is out. */
json_t *job_model_shape(const model_config *c);
const char *job_model_rope(rope_kind kind); /* "llama3"; a constant */

#endif
