/* A model's part of the night: one thread admits samples, steps the engine, records what has ended,
   and cuts the smaller members of a family from the largest. */
#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/derive.h"
#include "pipeline/feeder.h"
#include "pipeline/model_engine.h"
#include "pipeline/record.h"
#include "pipeline/run_internal.h"

enum { RECORD_BYTES_MAX = 512 << 20, WAITING_A_SLOT = 2 };
static const int64_t LOAD_EVERY_NS = 10000000000;

/* Of the engine since the last record of its load. */
typedef struct load_window {
  engine_counters before;
  int64_t from_ns, step_ns, record_ns;
  double running, waiting, samples; /* sums over steps */
} load_window;

typedef struct model_run {
  const night *night;
  const job_model *model;
  engine *engine;
  runner *runner;
  feeder *feeder;
  derivation *families;
  arena *memory;      /* of the sample that is recorded */
  int wanted;         /* threads to have in the engine */
  int gangs;          /* samples with workers to have in it */
  planned_run *waits; /* whose next sample has workers for whom there is no place; NULL: none */
  store_item waiting; /* that sample */
  int is_fed;         /* nothing is left to admit */
  load_window load;
  run_totals *spent;
} model_run;

/* ---- admitting ------------------------------------------------------------------------------- */

static status make_place(const model_run *m, const planned_run *r, const runner_task *task,
                         int64_t id, int32_t attempt, record_place **out, detail *err) {
  record_place *place = memory_zeroed(1, sizeof *place);
  if (!place) return fault(err, E_MEMORY, "no memory for a sample");
  *place = (record_place){.run = r,
                          .task = id,
                          .repeat = (int32_t)task->repeat,
                          .attempt = attempt,
                          .keeps_logprobs = m->night->plan->job->logprobs,
                          .queued_ns = store_now_ns(m->night->store)};
  *out = place;
  return OK;
}

static status add(model_run *m, const planned_run *r, const runner_task *task, int64_t id,
                  int32_t attempt, detail *err) {
  record_place *place;
  runner_task own = *task;
  int64_t expected = 0;
  status failed = make_place(m, r, task, id, attempt, &place, err);
  if (failed) return failed;
  own.rules = &r->rules;
  own.tag = place;
  failed = store_expected_tokens(m->night->store, &m->model->hash, r->first->mode->name, id,
                                 &expected, err);
  own.expected_tokens = expected < INT32_MAX ? (int)expected : INT32_MAX;
  if (!failed) failed = runner_add(m->runner, &own, err);
  if (failed) memory_free(place);
  return failed;
}

/* The next sample, which may have waited for its place; *run NULL: there is none, or no place yet.
 */
static status next_sample(model_run *m, planned_run **run, store_item *item, detail *err) {
  status failed = OK;
  *run = m->waits;
  *item = m->waiting;
  if (!*run) {
    failed = feeder_next(m->feeder, run, item, err);
    m->is_fed = !failed && !*run;
  }
  m->waits = NULL;
  if (failed || !*run || !(*run)->rules.workers || runner_gangs(m->runner) < m->gangs)
    return failed;
  m->waits = *run;
  m->waiting = *item;
  *run = NULL;
  return OK;
}

static status admit(model_run *m, detail *err) {
  status failed = OK;
  while (!failed && !m->is_fed && runner_sampling(m->runner) < m->wanted) {
    planned_run *r;
    store_item item;
    failed = next_sample(m, &r, &item, err);
    if (failed || !r) break;
    if (derivation_awaits(m->families, r, item.task.id, item.repeat)) continue;
    runner_task task = {.question = item.task.question,
                        .target = item.task.target,
                        .content = item.task.content,
                        .seed = (uint64_t)m->night->plan->job->seed,
                        .repeat = (uint32_t)item.repeat};
    failed = add(m, r, &task, item.task.id, item.attempt, err);
  }
  return failed;
}

/* ---- recording ------------------------------------------------------------------------------- */

static status record(model_run *m, const record_place *at, const runner_sample *s, detail *err) {
  sample_end end;
  int64_t tokens = 0;
  status failed = record_sample(m->night->store, at, s, m->memory, &end, &tokens, err);
  if (at->derived) tokens = 0; /* it was no work */
  if (!failed) progress_add(m->night->progress, at->run, end, tokens);
  return failed;
}

/* Where a finisher's words alone are missing it is asked; where more is, all of it is computed. */
static status compute_other(model_run *m, const planned_run *r, const record_place *at,
                            const runner_sample *s, int32_t attempt, detail *err) {
  record_place *place;
  int forked = 0;
  status failed = make_place(m, r, runner_sample_task(s), at->task, attempt, &place, err);
  if (failed) return failed;
  place->derived = 1;
  failed = runner_fork(m->runner, s, &r->rules, place, &forked, err);
  if (!forked) memory_free(place);
  return failed || forked ? failed : add(m, r, runner_sample_task(s), at->task, attempt, err);
}

/* The other members of its family: cut from it where all their tokens are there, or computed. */
static status derive_others(model_run *m, const record_place *at, const runner_sample *s,
                            detail *err) {
  const planned_run *r;
  int32_t attempt;
  status failed = OK;
  while (!failed && (r = derivation_next(m->families, at->run, at->task, at->repeat, &attempt))) {
    runner_sample *derived = NULL;
    failed = runner_derive(&derived, s, &r->rules, err);
    if (!failed && derived) {
      record_place place = *at;
      place.run = r;
      place.attempt = attempt;
      place.derived = 1;
      failed = record(m, &place, derived, err);
      runner_sample_free(derived);
    } else if (!failed) {
      failed = compute_other(m, r, at, s, attempt, err);
    }
  }
  return failed;
}

static status collect(model_run *m, detail *err) {
  status failed = OK;
  int64_t before = clock_monotonic_ns();
  for (runner_sample *s; !failed && (s = runner_take(m->runner));) {
    record_place *at = runner_sample_task(s)->tag;
    failed = record(m, at, s, err);
    if (!failed) failed = derive_others(m, at, s, err);
    memory_free(at);
    runner_sample_free(s);
  }
  int64_t spent = clock_monotonic_ns() - before;
  m->load.record_ns += spent;
  m->spent->record_ns += spent;
  return failed;
}

/* ---- the engine's load ----------------------------------------------------------------------- */

static void start_window(model_run *m) {
  m->load =
      (load_window){.before = engine_count(m->engine), .from_ns = store_now_ns(m->night->store)};
}

static status put_window(model_run *m, detail *err) {
  const load_window *w = &m->load;
  engine_counters now = engine_count(m->engine), before = w->before;
  cache_counters cache_now = cache_count(engine_cache(m->engine));
  int64_t at = store_now_ns(m->night->store), steps = now.steps - before.steps;
  double mean = steps ? 1.0 / (double)steps : 0;
  store_load load = {.at_ns = at,
                     .interval_ns = at - w->from_ns,
                     .steps = steps,
                     .rows = now.rows - before.rows,
                     .sampled = now.sampled - before.sampled,
                     .prefilled = now.prefilled - before.prefilled,
                     .found = now.found - before.found,
                     .recomputed = now.recomputed - before.recomputed,
                     .preempted = now.preempted_total - before.preempted_total,
                     .threads_running = w->running * mean,
                     .threads_waiting = w->waiting * mean,
                     .samples = w->samples * mean,
                     .pages = cache_now.pages,
                     .pages_used = cache_now.pages_used,
                     .step_ns = w->step_ns,
                     .record_ns = w->record_ns};
  start_window(m);
  return steps ? store_load_put(m->night->store, &load, err) : OK;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static status step(model_run *m, detail *err) {
  int64_t before = clock_monotonic_ns();
  status failed = runner_step(m->runner, err);
  engine_counters now = engine_count(m->engine);
  m->load.step_ns += clock_monotonic_ns() - before;
  m->load.running += now.running;
  m->load.waiting += now.waiting + now.preempted;
  m->load.samples += runner_in_flight(m->runner);
  progress_under_way(m->night->progress, runner_under_way(m->runner));
  return failed;
}

/* A night that ends early gives up what is in flight: it is done again. */
static status drive(model_run *m, detail *err) {
  status failed = OK;
  while (!failed && !night_must_stop(m->night)) {
    failed = admit(m, err);
    if (!failed) failed = collect(m, err);
    if (failed) break;
    if (!runner_in_flight(m->runner)) {
      if (m->is_fed) break;
      continue;
    }
    failed = step(m, err);
    if (!failed) failed = collect(m, err);
    progress_show(m->night->progress, 0);
    int64_t open = store_now_ns(m->night->store) - m->load.from_ns;
    if (!failed && open >= LOAD_EVERY_NS) failed = put_window(m, err);
  }
  progress_under_way(m->night->progress, 0);
  return failed ? failed : put_window(m, err);
}

static void log_dropped(const model_run *m) {
  int64_t dropped = runner_dropped(m->runner);
  if (!dropped) return;
  log_warn(m->night->messages,
           "%s: its tokenizer has no token for %lld characters of prompts, and left them out; look "
           "at the samples' texts with nightjar trace",
           m->model->name, (long long)dropped);
}

static void close_run(model_run *m) {
  for (runner_sample *s; m->runner && (s = runner_drop(m->runner));) {
    memory_free(runner_sample_task(s)->tag);
    runner_sample_free(s);
  }
  runner_close(m->runner);
  engine_close(m->engine);
  derivation_close(m->families);
  feeder_close(m->feeder);
  arena_close(m->memory);
}

status run_model(const night *n, const job_model *of, planned_run *const *runs, size_t count,
                 run_totals *spent, detail *err) {
  model_run m = {.night = n, .model = of, .spent = spent};
  int64_t before = clock_monotonic_ns();
  engine_options options = model_engine_options(n->plan, of, runs, count, n->options->threads, 0);
  m.wanted = WAITING_A_SLOT * options.slots;
  m.gangs = model_engine_gangs(&options);
  status failed = arena_open(&m.memory, RECORD_BYTES_MAX, err);
  if (!failed) failed = feeder_open(&m.feeder, n->store, runs, count, err);
  if (!failed) failed = derivation_open(&m.families, n->store, runs, count, err);
  if (!failed) failed = model_engine_open(&m.engine, n->store, of, runs, count, &options, err);
  generator g = generator_of_engine(m.engine);
  if (!failed) failed = runner_open(&m.runner, &g, err);
  if (!failed) {
    int64_t sampled = engine_count(m.engine).sampled; /* for the fingerprint */
    start_window(&m);
    progress_turn(n->progress, of);
    failed = drive(&m, err);
    log_dropped(&m);
    spent->model_tokens += engine_count(m.engine).sampled - sampled;
  }
  close_run(&m);
  spent->model_ns += clock_monotonic_ns() - before;
  return failed;
}
