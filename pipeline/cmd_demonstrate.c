#include "base/clock.h"
#include "base/memory.h"
#include "base/newfile.h"
#include "pipeline/countdown_options.h"
#include "pipeline/line_tokens.h"
#include "pipeline/output.h"
#include "pipeline/run.h"
#include "pipeline/stop.h"
#include "solvers/demonstrate.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What is searched: problem i is a function of this and i alone. */
typedef struct recipe {
  countdown_source source;
  symbolic_options options;
  int mixed; /* the heuristic is drawn for each problem */
  int64_t count;
  tokenizer *tokenizer; /* by which workers' lines are timed; NULL: Llama-2's */
} recipe;

/* ---- one problem ----------------------------------------------------------------------------- */

enum {
  SLOTS_A_THREAD = 8,
  THREADS_MAX = 1024,
  KEPT_BYTES = 1 << 20, /* of a slot's text, between problems */
  RECORDS_BYTES_MAX = 1 << 30,
  SEARCH_BYTES_MAX = 1 << 30
};

/* A problem's records on their way from the thread that made them to the one that writes. */
typedef struct slot {
  text records;
  int ready;
  int64_t record_count, tokens;
  int solved;
  status failed;
  detail why;
} slot;

static status name_task(const countdown_problem *p, hash *task, detail *err) {
  text question, target;
  text_open(&question, 4096);
  text_open(&target, 4096);
  countdown_question(p, &question);
  countdown_target(p, &target);
  status s = text_state(&question, err);
  if (!s) s = text_state(&target, err);
  if (!s) *task = store_task_hash(text_string(&question), text_string(&target));
  text_close(&question);
  text_close(&target);
  return s;
}

static status write_records(const search_result *r, int64_t ordinal, const countdown_problem *p,
                            const search_options *drawn, arena *memory, slot *out, detail *err) {
  search_times *times = arena_take(memory, (size_t)r->thread_count, sizeof *times);
  if (!times) return arena_full(memory, err);
  out->tokens = search_account(r, times).tokens_total;
  out->solved = search_solved(r);
  for (int i = 0; i < r->thread_count; i++)
    out->record_count += search_turns(r->threads[i]);
  if (drawn->kind == SEARCH_HOGWILD) out->record_count = 1;
  return demonstrate_records(&out->records, ordinal, p, drawn, r, memory, err);
}

static status demonstrate_one(const recipe *what, int64_t ordinal, const search_tokens *tokens,
                              arena *memory, slot *out, detail *err) {
  countdown_problem p;
  hash task;
  search_result result;
  search_options drawn;
  symbolic_options options = what->options;
  options.search.tokens = tokens;
  status s = countdown_generate(&what->source, (uint64_t)ordinal, &p, err);
  if (!s) s = name_task(&p, &task, err);
  if (s) return s;
  if (what->mixed) {
    random_stream draws = random_start(random_key_of(what->source.seed, &task, 0, "heuristic"));
    options.search.heuristic = random_below(&draws, 2) ? HEURISTIC_MULT : HEURISTIC_SUM;
  }
  s = symbolic_solve(&result, &drawn, &options, &p, what->source.seed, &task, 0, memory, err);
  if (s) return s;
  s = write_records(&result, ordinal, &p, &drawn, memory, out, err);
  search_close(&result);
  return s;
}

static void fill_slot(const recipe *what, int64_t ordinal, const search_tokens *tokens,
                      arena *memory, slot *out) {
  if (out->records.capacity > KEPT_BYTES) text_close(&out->records);
  text_clear(&out->records);
  out->record_count = out->tokens = out->solved = 0;
  detail why = {0};
  out->failed = demonstrate_one(what, ordinal, tokens, memory, out, &why);
  if (out->failed) {
    (void)fault(&out->why, out->failed, "problem %lld: %s%s", (long long)ordinal, why.text,
                out->failed == E_LIMIT || out->failed == E_MEMORY
                    ? "; bound the search with --context"
                    : "");
  }
  arena_reset(memory);
}

/* ---- all problems, in order ------------------------------------------------------------------ */

/* Threads take problems in order and fill a ring of slots; the main thread writes the slots in
   order. A thread waits while the ring is full, so memory is bounded, and nothing of the output
   depends on who was faster. */
typedef struct production {
  const recipe *recipe;
  slot *slots; /* [slot_count] */
  int64_t slot_count;
  pthread_mutex_t lock;
  pthread_cond_t room, filled;
  int64_t next, written; /* problems taken, and written out */
  int stop;
} production;

static int64_t take_problem(production *p) {
  (void)pthread_mutex_lock(&p->lock);
  while (!p->stop && p->next < p->recipe->count && p->next >= p->written + p->slot_count)
    (void)pthread_cond_wait(&p->room, &p->lock);
  int64_t ordinal = p->stop || p->next >= p->recipe->count ? -1 : p->next++;
  (void)pthread_mutex_unlock(&p->lock);
  return ordinal;
}

static void give_slot(production *p, slot *filled) {
  (void)pthread_mutex_lock(&p->lock);
  filled->ready = 1;
  (void)pthread_cond_signal(&p->filled);
  (void)pthread_mutex_unlock(&p->lock);
}

static void *work(void *context) {
  production *p = context;
  const tokenizer *by = p->recipe->tokenizer;
  arena *memory = NULL;
  line_tokens lines = {0};
  detail why = {0};
  status opened = arena_open(&memory, SEARCH_BYTES_MAX, &why);
  if (!opened && by) opened = line_tokens_open(&lines, by, &why);
  for (int64_t i; (i = take_problem(p)) >= 0;) {
    slot *out = &p->slots[i % p->slot_count];
    if (opened) {
      out->failed = opened;
      out->why = why;
    } else {
      fill_slot(p->recipe, i, by ? &lines.face : NULL, memory, out);
    }
    give_slot(p, out);
  }
  line_tokens_close(&lines);
  arena_close(memory);
  return NULL;
}

static slot *wait_slot(production *p, int64_t ordinal) {
  slot *next = &p->slots[ordinal % p->slot_count];
  (void)pthread_mutex_lock(&p->lock);
  while (!next->ready)
    (void)pthread_cond_wait(&p->filled, &p->lock);
  (void)pthread_mutex_unlock(&p->lock);
  return next;
}

static void release_slot(production *p, slot *written, int stop) {
  (void)pthread_mutex_lock(&p->lock);
  written->ready = 0;
  p->written++;
  p->stop = stop;
  (void)pthread_cond_broadcast(&p->room);
  (void)pthread_mutex_unlock(&p->lock);
}

typedef struct totals {
  int64_t records, solved, tokens;
  double seconds;
} totals;

/* A file, which is whole or not there, or standard output, which is written as it stands. */
typedef struct target {
  newfile file;
  FILE *out; /* NULL: the file */
} target;

static status write_target(const target *t, const text *records, detail *err) {
  if (!t->out) return newfile_write(&t->file, text_string(records), records->bytes, err);
  if (fwrite(text_string(records), 1, records->bytes, t->out) == records->bytes) return OK;
  return command_output_failed(errno, err);
}

static status write_slot(const slot *s, const target *t, totals *sum, detail *err) {
  if (s->failed) {
    if (err) *err = s->why;
    return s->failed;
  }
  status failed = write_target(t, &s->records, err);
  if (failed) return failed;
  sum->records += s->record_count;
  sum->solved += s->solved;
  sum->tokens += s->tokens;
  return OK;
}

static status write_all(production *p, const target *t, logger *messages, totals *sum,
                        detail *err) {
  status failed = OK;
  int64_t start = clock_monotonic_ns(), count = p->recipe->count;
  for (int64_t i = 0; !failed && i < count; i++) {
    slot *next = wait_slot(p, i);
    failed = stop_signal() ? fault(err, E_STOPPED, "stopped; nothing is kept of what was written")
                           : write_slot(next, t, sum, err);
    release_slot(p, next, failed != OK);
    sum->seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    log_progress(messages, "%lld of %lld problems, %.0f a second", (long long)(i + 1),
                 (long long)count, (double)(i + 1) / sum->seconds);
  }
  return failed;
}

/* Fewer threads than asked for still make the same bytes; none is an error. */
static status produce_with(production *p, int threads, const target *t, logger *messages,
                           totals *sum, detail *err) {
  pthread_t *ids = memory_take((size_t)threads * sizeof *ids);
  if (!ids) return fault(err, E_MEMORY, "no memory for %d threads", threads);
  int started = 0;
  while (started < threads && pthread_create(&ids[started], NULL, work, p) == 0)
    started++;
  status failed = started ? write_all(p, t, messages, sum, err)
                          : fault(err, E_MEMORY, "no thread could be started");
  for (int i = 0; i < started; i++)
    REQUIRE(pthread_join(ids[i], NULL) == 0);
  memory_free(ids);
  return failed;
}

static status produce(const recipe *what, int threads, const target *t, logger *messages,
                      totals *sum, detail *err) {
  production p = {.recipe = what, .slot_count = (int64_t)SLOTS_A_THREAD * threads};
  p.slots = memory_zeroed((size_t)p.slot_count, sizeof *p.slots);
  if (!p.slots) return fault(err, E_MEMORY, "no memory for %d threads", threads);
  for (int64_t i = 0; i < p.slot_count; i++)
    text_open(&p.slots[i].records, RECORDS_BYTES_MAX);
  REQUIRE(pthread_mutex_init(&p.lock, NULL) == 0);
  REQUIRE(pthread_cond_init(&p.room, NULL) == 0 && pthread_cond_init(&p.filled, NULL) == 0);
  status failed = produce_with(&p, threads, t, messages, sum, err);
  (void)pthread_cond_destroy(&p.filled);
  (void)pthread_cond_destroy(&p.room);
  (void)pthread_mutex_destroy(&p.lock);
  for (int64_t i = 0; i < p.slot_count; i++)
    text_close(&p.slots[i].records);
  memory_free(p.slots);
  return failed;
}

/* ---- where it goes --------------------------------------------------------------------------- */

static status open_target(const invocation *in, target *t, detail *err) {
  const char *path = command_value(in, "output");
  if (!path) return fault(err, E_USAGE, "-o FILE is missing; -o - writes to standard output");
  size_t bytes = strlen(path);
  if (bytes > 3 && !strcmp(path + bytes - 3, ".gz")) {
    return fault(err, E_USAGE, "'%s' would not be compressed; write it plain, then gzip it", path);
  }
  if (strcmp(path, "-") != 0) return newfile_open(&t->file, path, command_flag(in, "replace"), err);
  t->out = in->out;
  return OK;
}

static status close_target(target *t, status failed, detail *err) {
  if (t->out) {
    if (fflush(t->out) == 0 || failed) return failed;
    return command_output_failed(errno, err);
  }
  if (!failed) return newfile_finish(&t->file, err);
  newfile_abandon(&t->file);
  return failed;
}

/* ---- options --------------------------------------------------------------------------------- */

static const struct parameter {
  const char *option, *key; /* of the command line, and of mode symbolic */
} parameters[] = {
    {"search", "search"},   {"heuristic", "heuristic"},   {"order", "order"},
    {"beam", "beam"},       {"child-beam", "child_beam"}, {"promising", "promising"},
    {"workers", "workers"}, {"layout", "layout"},         {"context", "limit.context"}};
enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };

static const option *find_parameter(const char *key) {
  for (size_t i = 0; i < symbolic_mode.option_count; i++) {
    if (!strcmp(symbolic_mode.options[i].key, key)) return &symbolic_mode.options[i];
  }
  REQUIRE(!"every parameter of this command is one of mode symbolic");
  return NULL;
}

static status read_choice(const char *name, const char *value, const option *o, json_t **out,
                          detail *err) {
  size_t count = 0;
  text known;
  text_open(&known, 1024);
  for (; o->choices[count]; count++) {
    if (!strcmp(value, o->choices[count])) *out = json_string(value);
    text_format(&known, "%s%s", count ? ", " : "", o->choices[count]);
  }
  status s = OK;
  if (!*out) {
    const char *near = text_nearest(value, o->choices, count);
    s = fault(err, E_USAGE, "--%s must be one of %s, not '%s'%s%s%s", name, text_string(&known),
              value, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
  }
  text_close(&known);
  return s;
}

static status read_number(const char *name, const char *value, const option *o, json_t **out,
                          detail *err) {
  char *end;
  double number = strtod(value, &end);
  if (end == value || *end || !(number >= o->low && number <= o->high)) {
    return fault(err, E_USAGE, "--%s must be a number from %g to %g, not '%s'", name, o->low,
                 o->high, value);
  }
  *out = json_real(number);
  return OK;
}

/* The option's value as a job file would hold it; NULL where it was not given. */
static status read_parameter(const invocation *in, const char *name, const option *o, json_t **out,
                             detail *err) {
  const char *value = command_value(in, name);
  int64_t low = (int64_t)o->low, high = (int64_t)o->high, from = 0, to = 0;
  *out = NULL;
  if (!value) return OK;
  switch (o->type) {
  case OPTION_CHOICE: return read_choice(name, value, o, out, err);
  case OPTION_REAL: return read_number(name, value, o, out, err);
  case OPTION_RANGE: {
    status s = command_range(in, name, low, high, &from, &to, err);
    if (s) return s;
    *out =
        from == to ? json_integer(from) : json_sprintf("%lld-%lld", (long long)from, (long long)to);
    return OK;
  }
  case OPTION_INTEGER: {
    status s = command_integer(in, name, low, high, 0, &from, err);
    if (!s) *out = json_integer(from);
    return s;
  }
  case OPTION_TEXT:
  case OPTION_TEXTS: break; /* a search has none */
  }
  return OK;
}

/* Sets "a" or "a.b"; takes the value, which is NULL when memory is out. */
static status set_parameter(json_t *object, const char *key, json_t *value, detail *err) {
  const char *dot = strchr(key, '.');
  if (dot) {
    json_t *inner = value ? json_pack("{s:o}", dot + 1, value) : NULL;
    if (inner && !json_object_setn_new(object, key, (size_t)(dot - key), inner)) return OK;
  } else if (value && !json_object_set_new(object, key, value)) {
    return OK;
  }
  return fault(err, E_MEMORY, "no memory for the options");
}

/* SoS was published with an even mixture of both heuristics. */
static status read_mixture(const invocation *in, int *mixed, detail *err) {
  const char *heuristic = command_value(in, "heuristic"), *search = command_value(in, "search");
  *mixed = heuristic && !strcmp(heuristic, "mixed");
  if (!*mixed || !strcmp(search, "dfs") || !strcmp(search, "bfs")) return OK;
  return fault(err, E_USAGE, "--heuristic mixed goes with --search dfs or bfs");
}

static status collect_parameters(const invocation *in, json_t *object, recipe *what, detail *err) {
  status s = read_mixture(in, &what->mixed, err);
  for (int i = 0; !s && i < PARAMETERS; i++) {
    const char *name = parameters[i].option, *key = parameters[i].key;
    if (!command_value(in, name) || (what->mixed && !strcmp(name, "heuristic"))) continue;
    json_t *value = NULL;
    s = read_parameter(in, name, find_parameter(key), &value, err);
    if (!s) s = set_parameter(object, key, value, err);
  }
  return s;
}

static status read_tokenizer(const invocation *in, recipe *what, detail *err) {
  const char *path = command_value(in, "tokenizer");
  if (!path) return OK;
  if (what->options.search.kind != SEARCH_HOGWILD) {
    return fault(err, E_USAGE,
                 "--tokenizer goes with --search hogwild, whose workers are timed by it");
  }
  return line_tokenizer_open(&what->tokenizer, path, err);
}

static status read_recipe(const invocation *in, recipe *what, detail *err) {
  status s = countdown_options(in, COUNTDOWN_TRAIN, &what->source, &what->count, err);
  if (s) return s;
  if (!command_value(in, "search")) {
    return fault(err, E_USAGE, "--search is missing: dfs, bfs, sosp, apr, apr-serial or hogwild");
  }
  json_t *object = json_object();
  s = object ? collect_parameters(in, object, what, err)
             : fault(err, E_MEMORY, "no memory for the options");
  if (!s) {
    s = symbolic_mode.resolve(object, err);
    if (s == E_INPUT) s = E_USAGE; /* it speaks of a job, and this is a command line */
  }
  if (!s) s = symbolic_read(&what->options, object, err);
  json_decref(object);
  return s ? s : read_tokenizer(in, what, err);
}

static status run_demonstrate(const invocation *in, detail *err) {
  recipe what = {0};
  int64_t threads;
  target out = {0};
  totals sum = {0};
  status s = read_recipe(in, &what, err);
  if (!s) s = command_integer(in, "threads", 1, THREADS_MAX, run_cores(), &threads, err);
  if (!s) s = open_target(in, &out, err);
  stop_install();
  if (!s) s = produce(&what, (int)threads, &out, in->messages, &sum, err);
  s = close_target(&out, s, err);
  tokenizer_close(what.tokenizer);
  if (s) return s;
  log_progress_end(in->messages);
  log_info(in->messages,
           "%lld problems, %lld records, %.1f %% solved, %.0f %s a problem, %.0f problems a second",
           (long long)what.count, (long long)sum.records,
           100 * (double)sum.solved / (double)what.count, (double)sum.tokens / (double)what.count,
           command_value(in, "tokenizer") ? "tokens" : "tokens_ref",
           (double)what.count / sum.seconds);
  return OK;
}

static const command_option demonstrate_options[] = {
    {"search", "S", "dfs, bfs, sosp, apr, apr-serial or hogwild; required"},
    COUNTDOWN_OPTIONS,
    {"order", "O", "shuffled (default), heuristic or enumeration"},
    {"heuristic", "H", "mult (default) or sum; dfs and bfs also mixed"},
    {"beam", "N|A-B", "successors kept a node, drawn for each problem"},
    {"child-beam", "N|A-B", "the same in the children of apr and apr-serial; below hogwild's root"},
    {"promising", "P", "chance that a node's successors are dived into"},
    {"workers", "N", "of hogwild, 1 to 16; required there"},
    {"layout", "L", "of hogwild: combined (default), contiguous, interleaved or independent"},
    {"tokenizer", "DIR", "of hogwild: the model's folder or tokenizer.json that times its workers"},
    {"context", "N", "Llama-2 tokens (--tokenizer's) a sequence or a worker's view may hold"},
    {"output", "FILE", "or -o FILE: where the records go; - is standard output"},
    {"replace", NULL, "an existing FILE"},
    {"threads", "N", "default all cores; the records do not depend on it"},
    {0}};

const command command_demonstrate = {
    .name = "demonstrate",
    .arguments = "countdown",
    .summary = "Writes a symbolic solver's searches as training records.",
    .more =
        "One JSON object a line for each sequence that a model would see, or of workers for each\n"
        "sample. Problems come from\n"
        "the train partition, never from what is tested. What is not given is as published\n"
        "for the search. The keys and spans of a record: docs/demonstrations.md.\n\n"
        "  nightjar demonstrate countdown --search apr --count 500000 --seed 1 -o apr.jsonl\n"
        "  nightjar demonstrate countdown --search hogwild --workers 2 --layout combined \\\n"
        "      --tokenizer models/countdown --count 1000 --seed 1 -o work.jsonl\n"
        "  nightjar demonstrate countdown --search dfs --heuristic mixed --count 1000 \\\n"
        "      --seed 1 --hold-out-targets 15,27,33 -o sos.jsonl\n",
    .options = demonstrate_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .without_store = 1,
    .run = run_demonstrate};
