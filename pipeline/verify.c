#include "pipeline/verify.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/model_engine.h"
#include "pipeline/record.h"
#include "pipeline/same.h"
#include "pipeline/stop.h"
#include "store/stored.h"

#include <string.h>

enum { VERIFY_BYTES_MAX = 1 << 30 };

/* One sample to be computed again. */
typedef struct entry {
  int64_t id;
  const planned_run *run;
  int differs;
} entry;

typedef struct verification {
  const plan *plan;
  store *store;
  const verify_options *options;
  logger *messages;
  text *out;
  verify_totals *totals;
  entry *entries; /* [count] */
  size_t count;
  arena *memory;  /* of one sample */
  engine *engine; /* of the model at hand; NULL: symbolic runs */
  random_stream draws;
  int64_t done;
} verification;

static int keeps_times(const verification *v) {
  return v->options->passes >= VERIFY_TIMED_PASSES;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static const planned_run *find_run(const plan *p, int64_t run) {
  for (size_t i = 0; i < p->run_count; i++) {
    if (p->runs[i].run == run) return &p->runs[i];
  }
  return NULL;
}

/* Which run each drawn sample is of. */
static status place_entries(verification *v, const int64_t *ids, detail *err) {
  status failed = OK;
  for (size_t i = 0; !failed && i < v->count; i++) {
    stored_sample stored;
    arena_reset(v->memory);
    failed = stored_sample_read(&stored, v->store, ids[i], v->memory, err);
    v->entries[i] = (entry){.id = ids[i]};
    if (!failed) v->entries[i].run = find_run(v->plan, stored.sample.run);
    if (!failed) REQUIRE(v->entries[i].run);
  }
  return failed;
}

static status choose(verification *v, detail *err) {
  const plan *p = v->plan;
  size_t run_count = 0, most = 0;
  int64_t *runs = memory_take((p->run_count ? p->run_count : 1) * sizeof *runs), *ids = NULL;
  for (size_t i = 0; runs && i < p->run_count; i++) {
    const planned_run *r = &p->runs[i];
    if (!r->run) continue;
    runs[run_count++] = r->run;
    most += (size_t)(r->counts.done + r->counts.capped);
  }
  v->totals->stored += (int64_t)most;
  if (most > (size_t)v->options->samples) most = (size_t)v->options->samples;
  if (runs) ids = memory_take((most ? most : 1) * sizeof *ids);
  v->entries = memory_zeroed(most ? most : 1, sizeof *v->entries);
  status failed = ids && v->entries ? OK : fault(err, E_MEMORY, "no memory for %zu samples", most);
  stored_choice choice = {
      .runs = runs, .run_count = run_count, .count = most, .seed = v->options->seed};
  if (!failed && most) failed = stored_sample_pick(v->store, &choice, ids, &v->count, err);
  if (!failed) failed = place_entries(v, ids, err);
  memory_free(runs);
  memory_free(ids);
  return failed;
}

/* ---- one sample ------------------------------------------------------------------------------ */

static void report(verification *v, entry *e, const stored_sample *stored, const text *lines) {
  text_format(v->out, "%s/%s/%d (sample %lld) differs\n%s", e->run->first->name,
              stored->task.name ? stored->task.name : "?", stored->sample.repeat, (long long)e->id,
              text_string(lines));
  v->totals->differ += !e->differs;
  e->differs = 1;
}

static status compute(const verification *v, const entry *e, const stored_sample *stored,
                      runner_sample **out, detail *err) {
  generator g = generator_of_engine(v->engine);
  runner *r = NULL;
  runner_task task = {.rules = &e->run->rules,
                      .question = stored->task.question,
                      .target = stored->task.target,
                      .content = stored->task.content,
                      .seed = (uint64_t)v->plan->job->seed,
                      .repeat = (uint32_t)stored->sample.repeat};
  cache_forget(engine_cache(v->engine));
  status failed = runner_open(&r, &g, err);
  if (!failed) failed = runner_add(r, &task, err);
  while (!failed && runner_in_flight(r) && !stop_signal())
    failed = runner_step(r, err);
  if (!failed) *out = runner_drop(r);
  if (!failed && stop_signal()) failed = fault(err, E_STOPPED, "stopped by a signal");
  runner_close(r);
  return failed;
}

static status compare_model(verification *v, const entry *e, const stored_sample *stored,
                            const runner_sample *made, text *lines, int *count, detail *err) {
  record_place at = {.run = e->run,
                     .task = stored->sample.task,
                     .repeat = stored->sample.repeat,
                     .attempt = stored->sample.attempt,
                     .keeps_logprobs = 1};
  store_sample row;
  detail why = {0};
  if (runner_sample_state(made, &why)) {
    text_format(lines, "  it fails now: %s\n", why.text);
    *count = 1;
    return OK;
  }
  status failed = record_row(&at, made, 0, v->memory, &row, err);
  if (!failed) *count = same_differences(&row, &stored->sample, lines);
  return failed;
}

/* pass -1: a warming up that nobody looks at. */
static status check_model(verification *v, entry *e, const stored_sample *stored, int pass,
                          text *lines, int *count, detail *err) {
  runner_sample *made = NULL;
  status failed = compute(v, e, stored, &made, err);
  if (!failed && pass >= 0) failed = compare_model(v, e, stored, made, lines, count, err);
  if (!failed && pass >= 0 && keeps_times(v)) {
    int64_t began = runner_sample_started_ns(made), first = runner_sample_first_token_ns(made);
    store_alone alone = {.sample = e->id,
                         .pass = pass,
                         .total_ns = runner_sample_ended_ns(made) - began,
                         .first_token_ns = first < 0 ? STORE_NONE : first - began};
    failed = store_alone_put(v->store, &alone, err);
  }
  runner_sample_free(made);
  return failed;
}

static status check_symbolic(verification *v, entry *e, const stored_sample *stored, text *lines,
                             int *count, detail *err) {
  sample_work w = {.run = e->run,
                   .target = stored->task.target,
                   .content = stored->task.content,
                   .seed = (uint64_t)v->plan->job->seed,
                   .repeat = stored->sample.repeat,
                   .attempt = 1};
  return sample_compare(&w, &stored->sample, v->memory, lines, count, err);
}

static status check(verification *v, entry *e, int pass, detail *err) {
  stored_sample stored;
  int count = 0;
  text lines;
  text_open(&lines, 1 << 16);
  arena_reset(v->memory);
  status failed = stop_signal() ? fault(err, E_STOPPED, "stopped by a signal") : OK;
  if (!failed) failed = stored_sample_read(&stored, v->store, e->id, v->memory, err);
  if (!failed && v->engine) {
    failed = check_model(v, e, &stored, pass, &lines, &count, err);
  } else if (!failed) {
    failed = check_symbolic(v, e, &stored, &lines, &count, err);
  }
  if (!failed && count) report(v, e, &stored, &lines);
  text_close(&lines);
  return failed;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Fisher and Yates's; the order is another in each pass. */
static void shuffle(verification *v, entry **order, size_t count) {
  for (size_t i = count; i > 1; i--) {
    size_t k = (size_t)random_below(&v->draws, (uint32_t)i);
    entry *moved = order[i - 1];
    order[i - 1] = order[k];
    order[k] = moved;
  }
}

static status check_all(verification *v, entry **order, size_t count, detail *err) {
  status failed = OK;
  if (v->engine && keeps_times(v) && count) failed = check(v, order[0], -1, err);
  for (int pass = 0; !failed && pass < v->options->passes; pass++) {
    shuffle(v, order, count);
    for (size_t i = 0; !failed && i < count; i++) {
      failed = check(v, order[i], pass, err);
      log_progress(v->messages, "%lld/%lld samples computed again, %lld differ",
                   (long long)++v->done, (long long)v->count * v->options->passes,
                   (long long)v->totals->differ);
    }
  }
  return failed;
}

/* The samples of this model (NULL: of symbolic runs). */
static status check_of_model(verification *v, const job_model *m, entry **order, planned_run **runs,
                             detail *err) {
  size_t count = 0, run_count = 0;
  for (size_t i = 0; i < v->count; i++) {
    if (v->entries[i].run->model == m) order[count++] = &v->entries[i];
  }
  for (size_t i = 0; i < v->plan->run_count; i++) {
    if (v->plan->runs[i].model == m && v->plan->runs[i].run) runs[run_count++] = &v->plan->runs[i];
  }
  if (!count) return OK;
  status failed = OK;
  if (m) {
    engine_options o = model_engine_options(v->plan, m, runs, run_count, v->options->threads, 1);
    failed = model_engine_open(&v->engine, v->store, m, runs, run_count, &o, err);
  }
  if (!failed) failed = check_all(v, order, count, err);
  engine_close(v->engine);
  v->engine = NULL;
  return failed;
}

static status check_everything(verification *v, detail *err) {
  size_t most = v->count + v->plan->run_count + 1;
  entry **order = memory_take(most * sizeof *order);
  planned_run **runs = memory_take(most * sizeof *runs);
  status failed = order && runs ? OK : fault(err, E_MEMORY, "no memory for %zu samples", most);
  if (!failed) failed = check_of_model(v, NULL, order, runs, err);
  for (size_t i = 0; !failed && i < v->plan->model_count; i++)
    failed = check_of_model(v, v->plan->models[i], order, runs, err);
  memory_free(order);
  memory_free(runs);
  return failed;
}

status verify_plan(const plan *p, store *s, const verify_options *o, logger *messages, text *out,
                   verify_totals *totals, detail *err) {
  verification v = {.plan = p,
                    .store = s,
                    .options = o,
                    .messages = messages,
                    .out = out,
                    .totals = totals,
                    .draws = random_start((random_key){{(uint32_t)o->seed, 0x76657269}})};
  status failed = arena_open(&v.memory, VERIFY_BYTES_MAX, err);
  if (!failed) failed = choose(&v, err);
  if (!failed) failed = check_everything(&v, err);
  log_progress_end(messages);
  totals->samples += (int64_t)v.count;
  memory_free(v.entries);
  arena_close(v.memory);
  return failed;
}
