#include "pipeline/runner.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

status runner_open(runner **out, const generator *g, detail *err) {
  runner *r = memory_zeroed(1, sizeof *r);
  if (!r) return fault(err, E_MEMORY, "no memory for a runner");
  r->generator = *g;
  *out = r;
  return OK;
}

void runner_close(runner *r) {
  if (!r) return;
  for (runner_sample *s; (s = runner_drop(r));)
    runner_sample_free(s);
  memory_free(r->links);
  memory_free(r->live);
  memory_free(r);
}

/* ---- the generator's threads ----------------------------------------------------------------- */

static void forget_gone(runner *r) {
  size_t kept = 0;
  for (size_t i = 0; i < r->link_count; i++) {
    if (r->links[i].sample) r->links[kept++] = r->links[i];
  }
  r->link_count = kept;
  r->links_gone = 0;
}

static status make_room(runner *r, detail *err) {
  if (r->links_gone > r->link_count / 2) forget_gone(r);
  if (r->link_count < r->link_capacity) return OK;
  size_t capacity = r->link_capacity ? 2 * r->link_capacity : 64;
  runner_link *grown = memory_grow(r->links, capacity * sizeof *grown);
  if (!grown) return fault(err, E_MEMORY, "no memory for %zu threads in flight", capacity);
  r->links = grown;
  r->link_capacity = capacity;
  return OK;
}

static runner_link *find_link(const runner *r, thread_id id) {
  size_t low = 0, high = r->link_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (r->links[middle].id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < r->link_count && r->links[low].id == id ? &r->links[low] : NULL;
}

static void forget(runner *r, thread_id id) {
  runner_link *link = find_link(r, id);
  REQUIRE(link && link->sample);
  link->sample = NULL;
  r->links_gone++;
  r->sampling--;
}

/* The tokens that a thread holds; borrowed until the next call. */
static status live_tokens(runner *r, const runner_thread *t, const uint32_t **out, detail *err) {
  *out = t->tokens;
  if (t->held == t->count) return OK;
  if (t->held > r->live_capacity) {
    uint32_t *grown = memory_grow(r->live, t->held * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for %zu tokens of a thread", t->held);
    r->live = grown;
    r->live_capacity = t->held;
  }
  thread_live(t, r->live);
  *out = r->live;
  return OK;
}

status runner_link_thread(runner_sample *s, int thread, thread_id id, detail *err) {
  runner *r = s->runner;
  status failed = make_room(r, err);
  if (failed) return failed;
  REQUIRE(!r->link_count || r->links[r->link_count - 1].id < id);
  r->links[r->link_count++] = (runner_link){.id = id, .sample = s, .thread = thread};
  r->sampling++;
  return OK;
}

void runner_release(runner_sample *s, thread_id id) {
  generator *g = &s->runner->generator;
  if (!s->runner->is_down) g->release(g->self, id);
  if (find_link(s->runner, id)) forget(s->runner, id);
}

thread_request runner_request(const runner_sample *s, int thread) {
  const runner_rules *rules = s->task.rules;
  int stops;
  const char *const *strings = protocol_stops(rules->protocol, &stops);
  return (thread_request){.expected_tokens = s->task.expected_tokens,
                          .temperature = rules->temperature,
                          .top_k = rules->top_k,
                          .top_p = rules->top_p,
                          .min_p = rules->min_p,
                          .suppressed = rules->suppressed,
                          .suppressed_count = rules->suppressed_count,
                          .key = s->streams[thread].key,
                          .sampled_before = (uint64_t)s->threads[thread].generated,
                          .end_ids = rules->ends,
                          .end_count = rules->end_count,
                          .stops = strings,
                          .stop_count = s->streams[thread].ignores_stops ? 0 : stops};
}

status runner_submit(runner_sample *s, int thread, int64_t most, detail *err) {
  runner *r = s->runner;
  const runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  thread_request request = runner_request(s, thread);
  request.count = (int)t->held;
  request.most_tokens = most < INT32_MAX ? (int)most : INT32_MAX;
  status failed = make_room(r, err);
  if (!failed) failed = live_tokens(r, t, &request.tokens, err);
  if (!failed) failed = r->generator.submit(r->generator.self, &request, &own->id, err);
  if (failed) {
    own->state = STREAM_HELD; /* it is not in the generator */
    own->id = 0;
    return failed;
  }
  return runner_link_thread(s, thread, own->id, err);
}

void runner_withdraw(runner_sample *s, int thread) {
  stream *own = &s->streams[thread];
  if (own->state != STREAM_SAMPLES || gang_has(s, thread)) return;
  runner_release(s, own->id);
  own->id = 0;
  own->state = STREAM_HELD;
}

void runner_hand_over(runner_sample *s, int from, int to) {
  stream *own = &s->streams[from];
  runner_link *link = find_link(s->runner, own->id);
  REQUIRE(link && link->sample == s);
  link->thread = to;
  s->streams[to].id = own->id;
  own->id = 0;
}

/* ---- samples --------------------------------------------------------------------------------- */

static void take_off(runner *r, runner_sample *s) {
  s->previous = NULL;
  s->next = r->flying;
  if (r->flying) r->flying->previous = s;
  r->flying = s;
  s->steps_before = r->steps;
  s->in_flight_before = r->in_flight_sum;
  r->in_flight++;
  s->is_gang = s->gang && s->gang->state != GANG_IS_OVER;
  r->gangs += s->is_gang;
}

/* Out of those in flight. */
static void unlink_flying(runner *r, runner_sample *s) {
  if (s->previous) s->previous->next = s->next;
  if (s->next) s->next->previous = s->previous;
  if (r->flying == s) r->flying = s->next;
  s->next = s->previous = NULL;
  r->in_flight--;
  r->gangs -= s->is_gang;
  r->under_way -= s->taken;
}

static void land(runner *r, runner_sample *s) {
  for (int i = 0; i < s->count; i++)
    runner_withdraw(s, i);
  gang_close(s);
  sample_number(s);
  int64_t steps = r->steps - s->steps_before;
  s->in_flight = steps ? (r->in_flight_sum - s->in_flight_before) / (double)steps : r->in_flight;
  s->ended_ns = clock_monotonic_ns();
  unlink_flying(r, s);
  if (r->ended_last) r->ended_last->next = s;
  if (!r->ended) r->ended = s;
  r->ended_last = s;
}

void runner_lift(runner *r, runner_sample *s) {
  for (int i = 0; i < s->count; i++) {
    if (s->streams[i].state != STREAM_SAMPLES) continue;
    runner_withdraw(s, i);
    s->streams[i].state = STREAM_READY;
  }
  unlink_flying(r, s);
}

status runner_adopt(runner *r, runner_sample *s, detail *err) {
  s->runner = r;
  s->taken = 0;
  take_off(r, s);
  status failed = sample_run_on(s, err);
  if (!failed && s->is_over) land(r, s);
  return failed;
}

status runner_add(runner *r, const runner_task *task, detail *err) {
  runner_sample *s = NULL;
  status failed = sample_new(&s, r, task, err);
  if (failed) return failed;
  failed = sample_start(s, err);
  if (failed) {
    for (int i = 0; i < s->count; i++)
      runner_withdraw(s, i);
    gang_close(s);
    runner_sample_free(s);
    return failed;
  }
  take_off(r, s);
  if (s->is_over) land(r, s);
  return OK;
}

/* Those of a gang are told of together, when all of them have come. */
static status take_event(runner *r, const engine_event *ev, detail *err) {
  const runner_link *link = find_link(r, ev->thread);
  runner_sample *s = link ? link->sample : NULL;
  if (!s) return OK; /* withdrawn by an earlier event of this step */
  int thread = link->thread, stays = thread < 0 || gang_has(s, thread);
  if (ev->end != ENGINE_GOES_ON && !stays) forget(r, ev->thread);
  if (thread < 0) {
    gang_fed(s, -1 - thread, ev);
    return OK;
  }
  s->taken++;
  r->under_way++;
  status failed = sample_take(s, thread, ev, err);
  if (!failed && s->is_over) land(r, s);
  return failed;
}

static status take_forwards(runner *r, detail *err) {
  status failed = OK;
  for (runner_sample *s = r->flying, *next; !failed && s; s = next) {
    next = s->next;
    if (!gang_has_run(s)) continue;
    failed = sample_run_on(s, err);
    if (!failed && s->is_over) land(r, s);
  }
  return failed;
}

status runner_step(runner *r, detail *err) {
  const engine_event *events = NULL;
  int count = 0;
  status failed = r->generator.step(r->generator.self, &events, &count, err);
  r->is_down |= failed != OK;
  r->steps++;
  r->in_flight_sum += r->in_flight;
  for (int i = 0; !failed && i < count; i++)
    failed = take_event(r, &events[i], err);
  return failed ? failed : take_forwards(r, err);
}

runner_sample *runner_take(runner *r) {
  runner_sample *s = r->ended;
  if (!s) return NULL;
  r->ended = s->next;
  if (!r->ended) r->ended_last = NULL;
  s->next = NULL;
  return s;
}

runner_sample *runner_drop(runner *r) {
  if (r->flying) land(r, r->flying);
  return runner_take(r);
}

int64_t runner_dropped(const runner *r) {
  return r->dropped;
}

int runner_in_flight(const runner *r) {
  return r->in_flight;
}

int runner_gangs(const runner *r) {
  return r->gangs;
}

int runner_sampling(const runner *r) {
  return r->sampling;
}

int64_t runner_under_way(const runner *r) {
  return r->under_way;
}

void runner_sample_free(runner_sample *s) {
  if (!s) return;
  if (s->state) s->task.rules->mode->machine->close(s->state);
  for (int i = 0; i < s->count; i++) {
    thread_release(&s->threads[i]);
    memory_free(s->streams[i].turns);
  }
  memory_free(s->threads);
  memory_free(s->streams);
  for (int i = 0; s->gang && i < s->gang->block_count; i++)
    token_list_close(&s->gang->blocks[i].ids);
  arena_close(s->memory);
  memory_free(s);
}

const runner_task *runner_sample_task(const runner_sample *s) {
  return &s->task;
}

const runner_thread *runner_sample_threads(const runner_sample *s, int *count) {
  *count = s->count;
  return s->threads;
}

int runner_sample_winner(const runner_sample *s) {
  return s->winner;
}

/* Threads that are the first of their parent's round to have begun. */
int runner_sample_rounds(const runner_sample *s) {
  int rounds = 0;
  for (int i = 0; i < s->count; i++) {
    const runner_thread *t = &s->threads[i];
    int is_first = t->parent >= 0 && t->prompt;
    for (int k = t->parent + 1; is_first && k < i; k++) {
      const runner_thread *other = &s->threads[k];
      is_first = other->parent != t->parent || other->round != t->round || !other->prompt;
    }
    rounds += is_first;
  }
  return rounds;
}

status runner_sample_state(const runner_sample *s, detail *why) {
  if (s->failed && why) *why = s->why;
  return s->failed;
}

int64_t runner_sample_started_ns(const runner_sample *s) {
  return s->started_ns;
}

int64_t runner_sample_first_token_ns(const runner_sample *s) {
  int64_t first = -1;
  for (int i = 0; i < s->count; i++) {
    int64_t own = s->threads[i].first_token_ns;
    if (own >= 0 && (first < 0 || own < first)) first = own;
  }
  return first;
}

int64_t runner_sample_ended_ns(const runner_sample *s) {
  return s->ended_ns;
}

double runner_sample_in_flight(const runner_sample *s) {
  return s->in_flight;
}
