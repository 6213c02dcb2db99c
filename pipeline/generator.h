/* What the runner needs of an engine, as a table of functions: threads are submitted, steps are
   run, events tell what was sampled. The engine is one; a script, for tests without weights, and
   the record of a sample that is there already are others. All of engine/engine.h's rules for these
   calls hold. */
#ifndef PIPELINE_GENERATOR_H
#define PIPELINE_GENERATOR_H

#include "engine/engine.h"

typedef struct generator {
  void *self;
  MUST_CHECK status (*submit)(void *self, const thread_request *request, thread_id *out,
                              detail *err);
  void (*release)(void *self, thread_id thread);
  MUST_CHECK status (*step)(void *self, const engine_event **events, int *count, detail *err);
} generator;

generator generator_of_engine(engine *e); /* borrows it */

#endif
