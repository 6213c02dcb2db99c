/* Samples from samples: the runner over a generator that gives out what another sample's threads
   sampled already. A thread is known by its random numbers, and a token is given out only behind
   the very tokens that stood before it; so what comes of it is what an engine would have made.
   Workers that read each other give out theirs together, as many forwards as all of them had. */
#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

typedef struct replayed {
  const runner_thread *from; /* NULL: this slot is free */
  const stream *turns;       /* of it */
  size_t at;                 /* the next token to give out */
  int64_t sampled;           /* tokens that it sampled before that one */
  int64_t left;
  thread_id id;
  segment_id segment; /* of a worker, or of a thread that feeds what workers see; 0: it has none */
  int64_t waiting;    /* tokens that it is still to put in there */
  int is_feeder, rests;
} replayed;

typedef struct replay {
  const runner_sample *of;
  replayed *threads;    /* [capacity] by submission */
  engine_event *events; /* [capacity] */
  int count, capacity;
  thread_id last;
  int64_t tokens[MODE_BLOCKS_MAX]; /* in segments, by id less one */
  int segments;
  int is_dry; /* a token was asked for that was not sampled */
} replay;

/* -1: the other sample has no such thread. */
static int find_thread(const replay *r, random_key key) {
  for (int i = 0; i < r->of->count; i++) {
    random_key own = r->of->streams[i].key;
    if (own.word[0] == key.word[0] && own.word[1] == key.word[1]) return i;
  }
  return -1;
}

static int was_sampled(const runner_thread *t, size_t at) {
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (at >= span->start && at < span->start + span->count) return span_is_sampled(span);
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

/* The span that the thread sampled next when it had sampled so many tokens. */
static int next_span(const runner_thread *t, uint64_t sampled_before) {
  uint64_t sampled = 0;
  for (int i = 0; i < t->span_count; i++) {
    if (!span_is_sampled(&t->spans[i])) continue;
    if (sampled >= sampled_before) return sampled == sampled_before ? i : t->span_count;
    sampled += t->spans[i].count;
  }
  return t->span_count;
}

/* Whether the thread held a span when it came to another one: what was fed last was cut later. */
static int was_held(const runner_thread *t, int at, int next) {
  if (!span_is_cut(&t->spans[at])) return 1;
  for (int i = at; i < next; i++) {
    if (!span_is_fed(&t->spans[i])) return 0;
  }
  return 1;
}

/* Whether the thread held just these tokens when it had sampled as many: one that wrote what
   another is fed has drawn more random numbers. *at: which of its tokens it sampled then. */
static int is_known(const runner_thread *t, const thread_request *request, size_t *at) {
  int next = next_span(t, request->sampled_before);
  size_t held = 0, count = (size_t)request->count;
  if (next == t->span_count) return 0;
  for (int i = 0; i < next; i++) {
    const runner_span *span = &t->spans[i];
    if (!was_held(t, i, next)) continue;
    if (span->count > count - held ||
        memcmp(t->tokens + span->start, request->tokens + held, span->count * sizeof *t->tokens))
      return 0;
    held += span->count;
  }
  *at = t->spans[next].start;
  return held == count;
}

/* The same of a worker that begins: these were its first, behind what all see. */
static int has_begun_with(const runner_thread *t, const thread_request *request, size_t *at) {
  int next = next_span(t, 0);
  size_t count = (size_t)request->count;
  if (next == t->span_count || t->worker < 0) return 0;
  *at = t->spans[next].start;
  return count <= *at &&
         !memcmp(t->tokens + *at - count, request->tokens, count * sizeof *t->tokens);
}

static int is_of(const runner_thread *t, const thread_request *request, size_t *at) {
  return request->view ? has_begun_with(t, request, at) : is_known(t, request, at);
}

static status submit(void *self, const thread_request *request, thread_id *out, detail *err) {
  replay *r = self;
  status failed = grow(r, err);
  if (failed) return failed;
  int thread = find_thread(r, request->key);
  replayed own = {.sampled = (int64_t)request->sampled_before, .left = request->most_tokens};
  if (request->view) {
    own.segment = request->view[request->entries - 1].segment;
    own.waiting = request->count;
    own.is_feeder = request->entries == 1;
  }
  if (thread >= 0 && is_of(&r->of->threads[thread], request, &own.at)) {
    own.from = &r->of->threads[thread];
    own.turns = &r->of->streams[thread];
  }
  r->is_dry |= !own.from && !own.is_feeder;
  own.id = *out = ++r->last;
  r->threads[r->count++] = own;
  return OK;
}

static void release(void *self, thread_id id) {
  replay *r = self;
  for (int i = 0; i < r->count; i++) {
    if (r->threads[i].id != id) continue;
    r->threads[i].from = NULL;
    r->threads[i].rests = 1;
  }
}

/* The end that the thread came to with this token, where it was no limit. */
static void natural_end(const replayed *own, engine_event *ev) {
  for (int i = 0; i < own->turns->turn_count; i++) {
    const turn_end *turn = &own->turns->turns[i];
    if (turn->generated != own->sampled) continue;
    if (turn->end == MODE_END_TOKEN) ev->end = ENGINE_END_ID;
    if (turn->end == MODE_END_STOP) ev->end = ENGINE_STOP_STRING;
    if (turn->end == MODE_END_STOP)
      ev->text_bytes = turn->tail; /* so it lies as far from the end */
    ev->which = turn->which;
    return;
  }
}

/* Whether what waits of a thread is all put in, so that it samples. */
static int puts_in(replay *r, replayed *own) {
  if (!own->segment) return 1;
  int64_t now =
      own->is_feeder || own->waiting < PROTOCOL_FEED_TOKENS ? own->waiting : PROTOCOL_FEED_TOKENS;
  r->tokens[own->segment - 1] += now;
  own->waiting -= now;
  return own->waiting == 0;
}

static void give_out(replayed *own, engine_event *ev) {
  const runner_thread *t = own->from;
  *ev = (engine_event){.thread = own->id,
                       .token = t->tokens[own->at],
                       .logprob = t->logprobs[own->at],
                       .filtered_logprob = t->filtered[own->at]};
  own->at++;
  own->sampled++;
  own->waiting = 1;
  if (--own->left == 0) ev->end = ENGINE_MOST_TOKENS;
  natural_end(own, ev);
  own->rests = ev->end != ENGINE_GOES_ON;
  if (own->rests && !own->segment) own->from = NULL;
}

static status step(void *self, const engine_event **events, int *count, detail *err) {
  replay *r = self;
  (void)err;
  *events = r->events;
  *count = 0;
  for (int i = 0; i < r->count; i++) {
    replayed *own = &r->threads[i];
    const runner_thread *t = own->from;
    if (own->rests || (!t && !own->is_feeder)) continue;
    if (!puts_in(r, own)) continue;
    engine_event *ev = &r->events[(*count)++];
    if (own->is_feeder) {
      *ev = (engine_event){.thread = own->id, .end = ENGINE_MOST_TOKENS};
      own->rests = 1;
      continue;
    }
    if (own->at == t->count || !was_sampled(t, own->at)) {
      r->is_dry = 1;
      *count = 0;
      return OK;
    }
    give_out(own, ev);
  }
  return OK;
}

/* ---- workers that read each other ------------------------------------------------------------ */

static status submit_gang(void *self, const gang_request *request, thread_id *ids, detail *err) {
  status failed = OK;
  for (int i = 0; !failed && i < request->count; i++)
    failed = submit(self, &request->members[i], &ids[i], err);
  return failed;
}

/* It was fed the same behind the same token. */
static status go_on(void *self, thread_id id, const thread_more *more, detail *err) {
  replay *r = self;
  (void)err;
  for (int i = 0; i < r->count; i++) {
    replayed *own = &r->threads[i];
    const runner_thread *t = own->from;
    size_t from = own->at - 1, count = (size_t)more->count;
    if (own->id != id) continue;
    REQUIRE(t && own->rests);
    int is_same = from + count < t->count &&
                  !memcmp(t->tokens + from, more->tokens, count * sizeof *t->tokens);
    r->is_dry |= !is_same;
    own->at = from + count;
    own->waiting = more->count;
    own->left = more->most_tokens;
    own->rests = !is_same;
  }
  return OK;
}

/* Where things stand changes nothing of what was sampled. */
static status look(void *self, thread_id id, const view_entry *view, int entries, detail *err) {
  (void)self, (void)id, (void)view, (void)entries, (void)err;
  return OK;
}

static status make_segment(void *self, segment_id *out, detail *err) {
  replay *r = self;
  (void)err;
  REQUIRE(r->segments < MODE_BLOCKS_MAX);
  r->tokens[r->segments++] = 0;
  *out = (segment_id)r->segments;
  return OK;
}

static status splice(void *self, segment_id to, segment_id from, detail *err) {
  replay *r = self;
  (void)err;
  r->tokens[to - 1] += r->tokens[from - 1];
  r->tokens[from - 1] = 0;
  return OK;
}

static int tokens_in(void *self, segment_id s) {
  const replay *r = self;
  return (int)r->tokens[s - 1];
}

static void free_segment(void *self, segment_id s) {
  (void)self, (void)s; /* one sample has no more of them than there may be */
}

static int page_keys(void *self) {
  (void)self;
  return 16; /* of no segment here */
}

/* ---- deriving -------------------------------------------------------------------------------- */

/* All that its workers wrote is there, and somebody is to be asked. */
static int lacks_finisher(const runner_sample *s) {
  if (!s || !s->gang || s->gang->state != GANG_IS_OVER || s->is_over) return 0;
  const stream *last = &s->streams[s->count - 1];
  return last->is_finishing && last->state == STREAM_SAMPLES;
}

/* *out: a sample that has ended; or, where another runner is to go on, one that lacks its finisher.
 */
static status drive(replay *r, const runner_task *task, int may_lack, runner_sample **out,
                    detail *err) {
  generator g = {.self = r,
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
  runner *own = NULL;
  status failed = runner_open(&own, &g, err);
  if (!failed) failed = runner_add(own, task, err);
  while (!failed && !r->is_dry && runner_in_flight(own))
    failed = runner_step(own, err);
  if (!failed && !r->is_dry && !may_lack) *out = runner_take(own);
  if (!failed && r->is_dry && may_lack && lacks_finisher(own->flying)) {
    *out = own->flying;
    runner_lift(own, *out);
  }
  runner_close(own);
  return failed;
}

static status replay_sample(const runner_sample *from, const runner_rules *rules, void *tag,
                            int may_lack, runner_sample **out, detail *err) {
  replay r = {.of = from};
  runner_task task = from->task;
  task.rules = rules;
  task.tag = tag;
  *out = NULL;
  status failed = from->failed ? OK : drive(&r, &task, may_lack, out, err);
  memory_free(r.threads);
  memory_free(r.events);
  if (*out) (*out)->runner = NULL;
  return failed;
}

status runner_derive(runner_sample **out, const runner_sample *from, const runner_rules *rules,
                     detail *err) {
  return replay_sample(from, rules, from->task.tag, 0, out, err);
}

status runner_fork(runner *r, const runner_sample *from, const runner_rules *rules, void *tag,
                   int *forked, detail *err) {
  runner_sample *s = NULL;
  status failed = rules->workers ? replay_sample(from, rules, tag, 1, &s, err) : OK;
  *forked = s != NULL;
  return failed || !s ? failed : runner_adopt(r, s, err);
}
