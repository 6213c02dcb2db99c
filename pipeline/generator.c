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

generator generator_of_engine(engine *e) {
  return (generator){.self = e, .submit = submit, .release = release, .step = step};
}
