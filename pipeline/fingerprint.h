/* What an engine computes, in 32 bytes: a fixed prompt and what is sampled behind it. Equal classes
   promise equal bits; a fingerprint that changed says that a machine, a compiler or a library broke
   the promise, before a sample shows it. */
#ifndef PIPELINE_FINGERPRINT_H
#define PIPELINE_FINGERPRINT_H

#include "engine/engine.h"

enum { FINGERPRINT_POSITIONS = 48 }; /* that it takes, or the model's context where that is less */

/* Runs a few steps of an idle engine over a model of this vocabulary. Errors of engine_step. */
MUST_CHECK status fingerprint_of(engine *e, const model_config *c, hash *out, detail *err);

#endif
