#include "pipeline/model_engine.h"

#include "base/json.h"
#include "base/memory.h"
#include "pipeline/fingerprint.h"

#include <string.h>
#include <unistd.h>

/* Slots fill the rows of a product; more prompts wait than run, so that the order of admission has
   a choice. */
enum { PAGE_KEYS = 16, SLOTS = 128, ROWS_FOR_PROMPTS = 128 };

static int64_t half_of_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? (int64_t)pages * bytes / 2 : (int64_t)1 << 30;
}

/* Of the cache, by the forward pass's own arithmetic. */
static int64_t page_bytes(const model_config *c, const engine_options *o) {
  return forward_size(c, &(forward_options){.backend = o->backend,
                                            .compute = o->compute,
                                            .rows = 1,
                                            .outputs = 1,
                                            .pages = 1,
                                            .page_keys = PAGE_KEYS,
                                            .positions = o->positions})
      .cache;
}

static int larger(int a, int b) {
  return a > b ? a : b;
}

/* Of a thread of full length. */
static int pages_of_one(const engine_options *o) {
  return (o->positions + PAGE_KEYS - 1) / PAGE_KEYS + 1;
}

/* What the largest sample of workers needs; all 0 where there are none. */
typedef struct gang_needs {
  int workers, pages;
} gang_needs;

static gang_needs gangs_of(planned_run *const *runs, size_t count) {
  gang_needs most = {0};
  for (size_t i = 0; i < count; i++) {
    const runner_rules *r = &runs[i]->rules;
    most.workers = larger(most.workers, r->workers);
    most.pages = larger(most.pages, runner_reserve_pages(r, PAGE_KEYS));
  }
  return most;
}

/* A thread of full length at least, or a sample of workers, unless the job gives less, and no more
   than all slots can use. */
static int choose_pages(const plan *p, const model_config *c, const engine_options *o,
                        const gang_needs *gangs) {
  int64_t a_thread = larger(pages_of_one(o), gangs->pages),
          all = (int64_t)pages_of_one(o) * o->slots;
  if (gangs->workers && all < (int64_t)gangs->pages * (o->slots / gangs->workers))
    all = (int64_t)gangs->pages * (o->slots / gangs->workers);
  int64_t given = p->job->engine.kv_memory_bytes;
  int64_t pages = (given ? given : half_of_memory()) / page_bytes(c, o);
  if (pages > all) pages = all;
  if (pages < a_thread && !given) pages = a_thread;
  return pages < INT32_MAX ? (int)pages : INT32_MAX;
}

/* As many samples of workers wait as have room to run, so that whoever ends makes place for one
   that has been fed. Both stand on host memory when others need the pages. There are segments for
   twice as many: what could not be cut from a sample of its family is added beyond them. */
static void make_room(const model_config *c, const gang_needs *gangs, engine_options *o) {
  if (!gangs->workers) return;
  int slots = o->slots / gangs->workers, pages = o->pages / gangs->pages;
  int at_once = slots < pages ? slots : pages;
  if (at_once < 1) at_once = 1;
  o->segments = 4 * at_once * MODE_BLOCKS_MAX;
  o->swap_bytes = (int64_t)2 * at_once * gangs->pages * page_bytes(c, o);
}

int model_engine_gangs(const engine_options *options) {
  return options->segments / (2 * MODE_BLOCKS_MAX);
}

/* Of one sample those that may sample at once: as many children as there are slots. */
static int threads_of(const runner_rules *r, int slots) {
  return protocol_calls(r->protocol) ? slots : r->threads;
}

engine_options model_engine_options(const plan *p, const job_model *m, planned_run *const *runs,
                                    size_t count, int threads, int alone) {
  const job_engine *given = &p->job->engine;
  const model_config *c = model_config_of(m->model);
  int threads_of_one = 1, slots = given->slots ? given->slots : SLOTS;
  gang_needs gangs = gangs_of(runs, count);
  engine_options o = job_engine_options(given);
  o.threads = threads < KERNELS_THREADS_MAX ? threads : KERNELS_THREADS_MAX;
  o.positions = FINGERPRINT_POSITIONS;
  o.page_keys = PAGE_KEYS;
  for (size_t i = 0; i < count; i++) {
    o.positions = larger(o.positions, runs[i]->rules.positions);
    threads_of_one = larger(threads_of_one, threads_of(&runs[i]->rules, slots));
  }
  if (o.positions > c->context) o.positions = c->context;
  o.slots = alone ? threads_of_one : slots;
  o.rows = !alone && given->rows
               ? given->rows
               : larger(o.slots + ROWS_FOR_PROMPTS, gangs.workers * PROTOCOL_FEED_TOKENS);
  if (o.rows < o.slots) o.rows = o.slots;
  o.pages = choose_pages(p, c, &o, &gangs);
  make_room(c, &gangs, &o);
  return o;
}

static status put_settings(const job_model *m, const engine_options *o, text *out, detail *err) {
  engine_bytes bytes;
  status failed = engine_size(model_config_of(m->model), o, &bytes, err);
  if (failed) return failed;
  text_put(out, "{\"model\":");
  json_quote(out, m->name, strlen(m->name));
  text_format(out,
              ",\"backend\":\"%s\",\"compute\":\"%s\",\"slots\":%d,\"rows\":%d,\"positions\":%d,"
              "\"pages\":%d,\"page_keys\":%d,\"kv_bytes\":%lld,\"weight_bytes\":%lld}",
              o->backend, o->compute == COMPUTE_FP32 ? "fp32" : "bf16", o->slots, o->rows,
              o->positions, o->pages, o->page_keys, (long long)bytes.forward.cache,
              (long long)bytes.forward.weights);
  return text_state(out, err);
}

status model_engine_settings(const plan *p, int threads, text *out, detail *err) {
  planned_run **runs = memory_take((p->run_count ? p->run_count : 1) * sizeof *runs);
  if (!runs) return fault(err, E_MEMORY, "no memory for %zu runs", p->run_count);
  status failed = OK;
  int written = 0;
  text_char(out, '[');
  for (size_t i = 0; !failed && i < p->model_count; i++) {
    size_t count = plan_left(p, p->models[i], runs);
    if (!count) continue;
    engine_options o = model_engine_options(p, p->models[i], runs, count, threads, 0);
    if (written++) text_char(out, ',');
    failed = put_settings(p->models[i], &o, out, err);
  }
  text_char(out, ']');
  memory_free(runs);
  return failed ? failed : text_state(out, err);
}

static status check_run(store *s, const planned_run *r, const hash *here, detail *err) {
  hash stored;
  int found = 0;
  char there[HASH_HEX_BYTES], now[HASH_HEX_BYTES];
  status failed = store_run_fingerprint(s, r->run, &stored, &found, err);
  if (failed || (found && hash_equal(&stored, here))) return failed;
  if (!found) return store_writable(s) ? store_run_mark(s, r->run, here, err) : OK;
  return fault(err, E_INPUT,
               "'%s': this machine computes other bits than the one that made its samples, though "
               "both are of class %s (fingerprint %.12s there, %.12s here). Go on where it was "
               "made, or start new runs with --new-class",
               r->first->name, r->determinism_class, hash_hex(&stored, there), hash_hex(here, now));
}

static status check_rows(const gang_needs *gangs, const engine_options *o, detail *err) {
  int rows = gangs->workers * PROTOCOL_FEED_TOKENS;
  if (o->rows < rows) {
    return fault(err, E_INPUT,
                 "engine.rows is %d, and one forward of %d workers may take %d, %d of each: write "
                 "rows: %d or more, or leave it out",
                 o->rows, gangs->workers, rows, (int)PROTOCOL_FEED_TOKENS, rows);
  }
  if (o->slots >= gangs->workers) return OK;
  return fault(err, E_INPUT,
               "engine.slots is %d, and %d workers run together or not at all: write slots: %d or "
               "more, or leave it out",
               o->slots, gangs->workers, gangs->workers);
}

status model_engine_check(const job_model *m, planned_run *const *runs, size_t count,
                          const engine_options *o, detail *err) {
  gang_needs gangs = gangs_of(runs, count);
  int needed = pages_of_one(o);
  status failed = check_rows(&gangs, o, err);
  if (failed || (o->pages >= needed && o->pages >= gangs.pages)) return failed;
  if (needed < gangs.pages) {
    return fault(
        err, E_INPUT,
        "engine.kv_memory holds %d pages of %d tokens, and a sample of %d workers may need "
        "%d: give it at least %lldKiB, or a lower limit.context",
        o->pages, (int)PAGE_KEYS, gangs.workers, gangs.pages,
        (long long)((gangs.pages * page_bytes(model_config_of(m->model), o) + 1023) / 1024));
  }
  int64_t bytes = needed * page_bytes(model_config_of(m->model), o);
  return fault(
      err, E_INPUT,
      "engine.kv_memory holds %d pages of %d tokens, and one thread of %s may need %d, for "
      "%d tokens: give it at least %lldKiB, or a lower limit.context",
      o->pages, (int)PAGE_KEYS, m->name, needed, o->positions, (long long)((bytes + 1023) / 1024));
}

status model_engine_open(engine **out, store *s, const job_model *m, planned_run *const *runs,
                         size_t count, const engine_options *options, detail *err) {
  hash here;
  status failed = model_engine_check(m, runs, count, options, err);
  if (!failed) failed = engine_open(out, m->model, m->tokenizer, options, err);
  if (failed) return failed;
  failed = fingerprint_of(*out, model_config_of(m->model), &here, err);
  for (size_t i = 0; !failed && i < count; i++)
    failed = check_run(s, runs[i], &here, err);
  if (failed) {
    engine_close(*out);
    *out = NULL;
  }
  return failed;
}
