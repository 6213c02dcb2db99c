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

  /* Of workers that read each other; all NULL: there can be none. submit takes views, too. */
  MUST_CHECK status (*submit_gang)(void *self, const gang_request *request, thread_id *ids,
                                   detail *err);
  MUST_CHECK status (*go_on)(void *self, thread_id thread, const thread_more *more, detail *err);
  MUST_CHECK status (*look)(void *self, thread_id thread, const view_entry *view, int entries,
                            detail *err);
  MUST_CHECK status (*make_segment)(void *self, segment_id *out, detail *err);
  MUST_CHECK status (*splice)(void *self, segment_id to, segment_id from, detail *err);
  int (*tokens_in)(void *self, segment_id s);
  void (*free_segment)(void *self, segment_id s);
  int (*page_keys)(void *self); /* tokens of a page that segments stand on */
} generator;

generator generator_of_engine(engine *e); /* borrows it */

#endif
