/* The forward pass of a model over the rows of a step: one for all families, in the order of the
   paper, by the operations of kernels/kernels.h alone.

     residual = embedding of each row's token
     per layer: x = norm(residual += last delta); q, k, v = x W; rotate, append to the cache;
                delta = attention(q) Wo; x = norm(residual += delta); delta = swiglu(x Wg, x Wu) Wd
     x = norm(residual += delta); logits = x W of the rows that need them

   Where families differ (biases, norms of heads, tied embeddings) an operation has an argument or
   has not. Products that share their input are packed as one matrix: q, k and v; gate and up.

   Memory is taken once, by forward_open, for the numbers of rows and outputs stated there; a step
   takes none. A row's logits do not depend on what else is in the step (kernels.h), so the caller
   may cut rows into steps as it likes.

   One thread at a time uses a forward. Nothing of the model is kept but its configuration: it may
   be closed once forward_open has returned. */
#ifndef ENGINE_FORWARD_H
#define ENGINE_FORWARD_H

#include "engine/model.h"
#include "kernels/kernels.h"

/* Raised when a change moves any bit of any model's logits: a part of the determinism class. */
enum { FORWARD_NUMERICS_VERSION = 1 };

typedef struct forward_options {
  const char *backend; /* "reference" or "cpu" */
  compute_type compute;
  int threads;
  unsigned paths;       /* of cpu, as in device_options; 0 for all */
  int rows, outputs;    /* of the largest step */
  int pages, page_keys; /* of the cache */
  int positions;        /* that rows may stand at; 0 for the model's context */
  int allow_broken;     /* 1: weights that are not finite are run as they are */
} forward_options;

/* What a forward takes, in bytes. */
typedef struct forward_bytes {
  int64_t weights;   /* packed; in lines and tiles of a backend a little more */
  int64_t cache;     /* keys and values of all pages */
  int64_t workspace; /* activations of the largest step, and rotary tables */
  int64_t logits;
} forward_bytes;

typedef struct forward forward;

/* E_INPUT for options that cannot be, or for a weight that is not finite (the message names tensor,
   row and column); E_MEMORY says what was needed; E_DEVICE. Borrows m for the call. */
MUST_CHECK status forward_open(forward **out, const model *m, const forward_options *options,
                               detail *err);
void forward_close(forward *f); /* NULL is a no-op */

/* The arithmetic of forward_open, without taking anything. */
forward_bytes forward_size(const model_config *c, const forward_options *options);

/* Runs a step. The plan is borrowed for the call; its rows and outputs are within the options'. */
MUST_CHECK status forward_run(forward *f, const step_plan *plan, detail *err);

/* Of the last step, until the next: [outputs, vocabulary] logits in device memory. */
const float *forward_logits(const forward *f);
/* Copies the logits of the last step's first outputs to host memory. */
MUST_CHECK status forward_get_logits(forward *f, int outputs, float *to_host, detail *err);
/* Copies, for each row of the last step, whether a key or value was not finite. to_host: [rows] */
MUST_CHECK status forward_get_broken(forward *f, uint8_t *to_host, detail *err);

/* For what else is done with the same device: sampling, pages, splices. */
const kernels *forward_kernels(const forward *f);
device *forward_device(const forward *f);
/* The rotary table in device memory, as in rope_append_args, and how many positions it has. */
const float *forward_rope(const forward *f, int *positions);

#endif
