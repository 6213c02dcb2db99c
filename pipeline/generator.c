#include "pipeline/generator.h"

static status submit(void *self, const thread_request *request, thread_id *out, detail *err) {
  return engine_submit(self, request, out, err);
}

static void release(void *self, thread_id thread) {
  engine_release(self, thread);
}

static status step(void *self, const engine_event **events, int *count, detail *err) {
  return engine_step(self, events, count, err);
}

static status submit_gang(void *self, const gang_request *request, thread_id *ids, detail *err) {
  return engine_submit_gang(self, request, ids, err);
}

static status go_on(void *self, thread_id thread, const thread_more *more, detail *err) {
  return engine_continue(self, thread, more, err);
}

static status look(void *self, thread_id thread, const view_entry *view, int entries, detail *err) {
  return engine_look(self, thread, view, entries, err);
}

static status make_segment(void *self, segment_id *out, detail *err) {
  return segment_new(engine_cache(self), out, err);
}

static status splice(void *self, segment_id to, segment_id from, detail *err) {
  return segment_splice(engine_cache(self), to, from, err);
}

static int tokens_in(void *self, segment_id s) {
  return segment_tokens(engine_cache(self), s);
}

static void free_segment(void *self, segment_id s) {
  segment_free(engine_cache(self), s);
}

static int page_keys(void *self) {
  return cache_page_keys(engine_cache(self));
}

generator generator_of_engine(engine *e) {
  return (generator){.self = e,
                     .submit = submit,
                     .release = release,
                     .step = step,
                     .submit_gang = submit_gang,
                     .go_on = go_on,
                     .look = look,
                     .make_segment = make_segment,
                     .splice = splice,
                     .tokens_in = tokens_in,
                     .free_segment = free_segment,
                     .page_keys = page_keys};
}
