/* What the tests of the engine share: a tiny model with a tokenizer, engines with room to spare,
   and driving one until nothing is left to do. Fails the calling test on any error. */
#ifndef TESTS_ENGINE_ENGINES_H
#define TESTS_ENGINE_ENGINES_H

#include "tests/engine/prompt.h"
#include "tests/property/job.h"
#include "tests/support/support.h"

enum { ENGINES_VOCABULARY = 515, ENGINES_CONTEXT = 400 };

model *engines_model(void); /* tiny-llama, in the test's folder */
tokenizer *engines_tokenizer(void);

/* cpu, bf16, one device thread, ENGINES_CONTEXT positions, 8 slots, 64 rows, 600 pages of 16. */
engine_options engines_options(void);
engine *engines_open(const model *m, const tokenizer *t, const engine_options *o);

/* Greedy, everything else off. */
thread_request engines_request(const uint32_t *tokens, int count, int most);
void engines_fill(uint32_t *tokens, int count, uint32_t seed); /* random ids */
thread_id engines_submit(engine *e, const thread_request *r);

/* Steps until all have ended; `into` is by id, the first of thread `first`. after (or NULL) is
   called behind each step. No step allocates, unless a thread has text. */
typedef void after_step(engine *e, void *context);
void engines_drive(engine *e, trace *into, thread_id first, int count, after_step *after,
                   void *context);
/* One thread in an engine of its own kind and time: submitted, driven, told. */
void engines_alone(engine *e, const thread_request *r, trace *out);
trace *engines_traces(int count); /* zeroed ones; they live until the process ends */

/* Whether two are the same bits. */
void engines_same(const trace *a, const trace *b, int index);

#endif
