/* Samples from samples: the runner over a generator that gives out what another sample's threads
   sampled already. A thread is known by its random numbers, and a token is given out only behind
   the very tokens that stood before it; so what comes of it is what an engine would have made. */
#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

typedef struct replayed {
  const runner_thread *from; /* NULL: this slot is free */
  size_t at;                 /* the next token to give out */
  int64_t left;
  thread_id id;
} replayed;

typedef struct replay {
  const runner_sample *of;
  replayed *threads;    /* [capacity] by submission */
  engine_event *events; /* [capacity] */
  int count, capacity;
  thread_id last;
  int is_dry; /* a token was asked for that was not sampled */
} replay;

static const runner_thread *find_thread(const replay *r, random_key key) {
  for (int i = 0; i < r->of->count; i++) {
    random_key own = r->of->streams[i].key;
    if (own.word[0] == key.word[0] && own.word[1] == key.word[1]) return &r->of->threads[i];
  }
  return NULL;
}

/* How many of a thread's first tokens it sampled. */
static uint64_t sampled_of(const runner_thread *t, size_t count) {
  uint64_t sampled = 0;
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (span->kind != THREAD_GENERATED || span->start >= count) continue;
    sampled += count - span->start < span->count ? count - span->start : span->count;
  }
  return sampled;
}

static int was_generated(const runner_thread *t, size_t at) {
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (at >= span->start && at < span->start + span->count) return span->kind == THREAD_GENERATED;
  }
  return 0;
}

static status grow(replay *r, detail *err) {
  if (r->count < r->capacity) return OK;
  int capacity = r->capacity ? 2 * r->capacity : 16;
  replayed *threads = memory_grow(r->threads, (size_t)capacity * sizeof *threads);
  if (threads) r->threads = threads;
  engine_event *events = threads ? memory_grow(r->events, (size_t)capacity * sizeof *events) : NULL;
  if (!events) return fault(err, E_MEMORY, "no memory to derive a sample");
  r->events = events;
  r->capacity = capacity;
  return OK;
}

/* The same tokens, and as many of them sampled: a thread that wrote what another is fed has drawn
   more random numbers. */
static int is_known(const runner_thread *t, const thread_request *request) {
  size_t count = (size_t)request->count;
  return t && count <= t->count && sampled_of(t, count) == request->sampled_before &&
         !memcmp(t->tokens, request->tokens, count * sizeof *t->tokens);
}

static status submit(void *self, const thread_request *request, thread_id *out, detail *err) {
  replay *r = self;
  status failed = grow(r, err);
  if (failed) return failed;
  const runner_thread *from = find_thread(r, request->key);
  if (!is_known(from, request)) {
    r->is_dry = 1;
    from = NULL;
  }
  *out = ++r->last;
  r->threads[r->count++] = (replayed){
      .from = from, .at = (size_t)request->count, .left = request->most_tokens, .id = *out};
  return OK;
}

static void release(void *self, thread_id id) {
  replay *r = self;
  for (int i = 0; i < r->count; i++) {
    if (r->threads[i].id == id) r->threads[i].from = NULL;
  }
}

/* The end that the thread came to with its last token, where it was no limit. */
static void natural_end(const runner_thread *t, engine_event *ev) {
  ev->which = t->which;
  if (t->end == MODE_END_TOKEN) ev->end = ENGINE_END_ID;
  if (t->end == MODE_END_STOP) {
    ev->end = ENGINE_STOP_STRING;
    ev->text_bytes = t->text.bytes - t->stop_at; /* so the stop lies as far from the end */
  }
}

static status step(void *self, const engine_event **events, int *count, detail *err) {
  replay *r = self;
  (void)err;
  *events = r->events;
  *count = 0;
  for (int i = 0; i < r->count; i++) {
    replayed *own = &r->threads[i];
    const runner_thread *t = own->from;
    if (!t) continue;
    if (own->at == t->count || !was_generated(t, own->at)) {
      r->is_dry = 1;
      return OK;
    }
    engine_event *ev = &r->events[(*count)++];
    *ev = (engine_event){.thread = own->id,
                         .token = t->tokens[own->at],
                         .logprob = t->logprobs[own->at],
                         .filtered_logprob = t->filtered[own->at]};
    own->at++;
    if (--own->left == 0) ev->end = ENGINE_MOST_TOKENS;
    if (own->at == t->count) natural_end(t, ev);
    if (ev->end != ENGINE_GOES_ON) own->from = NULL;
  }
  return OK;
}

static status drive(replay *r, const runner_task *task, runner_sample **out, detail *err) {
  generator g = {.self = r, .submit = submit, .release = release, .step = step};
  runner *own = NULL;
  status failed = runner_open(&own, &g, err);
  if (!failed) failed = runner_add(own, task, err);
  while (!failed && !r->is_dry && runner_in_flight(own))
    failed = runner_step(own, err);
  if (!failed && !r->is_dry) *out = runner_take(own);
  runner_close(own);
  return failed;
}

status runner_derive(runner_sample **out, const runner_sample *from, const runner_rules *rules,
                     detail *err) {
  replay r = {.of = from};
  runner_task task = from->task;
  task.rules = rules;
  *out = NULL;
  status failed = from->failed ? OK : drive(&r, &task, out, err);
  memory_free(r.threads);
  memory_free(r.events);
  if (*out) (*out)->runner = NULL;
  return failed;
}
