#include "engine/engine.h"

#include "base/memory.h"
#include "engine/engine_internal.h"

/* ---- opening --------------------------------------------------------------------------------- */

static status open_cache(engine *e, detail *err) {
  cache_options o = engine_cache_options(&e->options, e->positions, e->swap_pages);
  o.kernels = forward_kernels(e->forward);
  o.device = forward_device(e->forward);
  o.rope = forward_rope(e->forward, &o.rope_positions);
  return cache_open(&e->cache, &o, err);
}

/* What a backend takes at first use it takes now. */
static status use_sampler(engine *e, detail *err) {
  sample_row row = {.top_p = 1};
  sample_result result;
  sample_args a = {.rows = 1,
                   .vocabulary = e->vocabulary,
                   .logits = forward_logits(e->forward),
                   .row = &row,
                   .out = &result};
  return forward_kernels(e->forward)->sample(forward_device(e->forward), &a, err);
}

static status open_parts(engine *e, const model *m, detail *err) {
  enum { TEXT_MAX = 1 << 30 };
  forward_options f = engine_forward_options(&e->options);
  text_open(&e->text, TEXT_MAX);
  status failed = forward_open(&e->forward, m, &f, err);
  if (!failed) failed = open_cache(e, err);
  if (!failed) failed = plan_take(e, err);
  return failed ? failed : use_sampler(e, err);
}

status engine_open(engine **out, const model *m, const tokenizer *t, const engine_options *options,
                   detail *err) {
  const model_config *c = model_config_of(m);
  engine_options settled;
  engine_bytes bytes;
  status failed = engine_settle(c, options, &settled, &bytes, err);
  if (failed) return failed;
  engine *e = memory_zeroed(1, sizeof *e);
  if (!e) return fault(err, E_MEMORY, "no memory for an engine");
  *e = (engine){.options = settled,
                .bytes = bytes,
                .positions = settled.positions,
                .context = c->context,
                .vocabulary = c->vocabulary,
                .swap_pages = (int)(settled.swap_bytes / bytes.page),
                .tokenizer = t};
  failed = open_parts(e, m, err);
  if (failed) {
    engine_close(e);
    return failed;
  }
  *out = e;
  return OK;
}

/* Units of any list go by their threads, each with its last, which is the last in the list. */
void engine_close(engine *e) {
  if (!e) return;
  while (e->thread_count)
    engine_end_unit(e, e->threads[e->thread_count - 1]->unit);
  cache_close(e->cache);
  forward_close(e->forward);
  plan_free(e);
  text_close(&e->text);
  memory_free(e->threads);
  memory_free(e->waiting);
  memory_free(e->scratch);
  memory_free(e);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static int waiting_threads(const engine *e) {
  int count = 0;
  for (int i = e->waiting_first; i < e->waiting_count; i++) {
    const unit *u = e->waiting[i].what;
    if (u) count += u->count;
  }
  return count;
}

static int list_threads(const unit_list *list) {
  int count = 0;
  for (const unit *u = list->oldest; u; u = u->younger)
    count += u->running;
  return count;
}

int engine_is_idle(const engine *e) {
  return e->waiting_count == e->waiting_gone && !e->running.oldest && !e->preempted.oldest;
}

static status nothing_runs(const engine *e, detail *err) {
  cache_counters n = cache_count(e->cache);
  return fault(err, E_LIMIT,
               "no thread can run: segments stand on %d of %d pages, %d pages of host memory for "
               "swapping are kept or used of %d; %d threads that ended are not released: release "
               "some, or free segments",
               n.pages_used, n.pages, e->swap_kept + e->swap_plain, e->swap_pages, e->ended);
}

status engine_step(engine *e, const engine_event **events, int *count, detail *err) {
  int is_waited_for = e->waiting_count > e->waiting_gone || e->preempted.oldest;
  *count = 0;
  *events = e->step.events;
  memory_free(e->step.told);
  e->step.told = NULL;
  if (engine_is_idle(e)) return OK;
  status failed = engine_admit(e, err);
  if (failed) return failed;
  if (!e->running.oldest) return nothing_runs(e, err);
  int held = e->slots_held;
  failed = engine_fill_rows(e, err);
  if (failed) return failed;
  e->counters.steps++;
  e->counters.slot_steps += is_waited_for ? e->options.slots : 0;
  e->counters.busy_slot_steps += is_waited_for ? held : 0;
  plan_build(e);
  failed = forward_run(e->forward, &e->step.plan, err);
  if (!failed) failed = engine_hand_on(e, err);
  *count = e->step.event_count;
  return failed;
}

/* ---- looking --------------------------------------------------------------------------------- */

cache *engine_cache(engine *e) {
  return e->cache;
}

const forward *engine_forward(const engine *e) {
  return e->forward;
}

engine_counters engine_count(const engine *e) {
  engine_counters n = e->counters;
  n.waiting = waiting_threads(e);
  n.running = list_threads(&e->running);
  n.preempted = list_threads(&e->preempted);
  n.ended = e->ended;
  return n;
}
