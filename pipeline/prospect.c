#include "pipeline/prospect.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/derive.h"
#include "pipeline/output.h"
#include "pipeline/sample.h"
#include "reports/stats.h"
#include "store/query.h"

#include <math.h>
#include <string.h>

enum { TRIAL_TASKS = 8, TRIAL_BYTES_MAX = 512 << 20 };
static const int64_t TRIAL_NS = 250000000;
/* Standard deviation over tasks of the difference of two methods at one repeat, as seen where two
   published methods of 60 to 80 % are compared: 1,000 tasks see 5.3 points. */
static const double PAIRED_SPREAD = 0.60;

/* Of one sample; negative where nothing is known. */
typedef struct outlook {
  double tokens, seconds;
} outlook;

static const outlook UNKNOWN = {-1, -1};

/* ---- symbolic runs ----------------------------------------------------------------------------
 */

typedef struct trial_task {
  int64_t id;
  char *target;
  hash content;
} trial_task;

typedef struct trial {
  trial_task tasks[TRIAL_TASKS];
  int count;
  arena *memory;
} trial;

/* A few tasks spread over the set. */
static status read_trial_tasks(trial *into, const plan *p, store *s, detail *err) {
  query *q = NULL;
  status st = query_open(&q, s,
                         "SELECT id, target, hash FROM task WHERE task_set = ?1 AND ordinal IN "
                         "(SELECT value * ?2 / ?3 FROM json_each('[0,1,2,3,4,5,6,7]')) "
                         "ORDER BY ordinal LIMIT 8",
                         err);
  if (st) return st;
  query_bind_int(q, 1, p->tasks.id);
  query_bind_int(q, 2, p->task_count);
  query_bind_int(q, 3, TRIAL_TASKS);
  for (int row = 1; !st && into->count < TRIAL_TASKS;) {
    st = query_next(q, &row, err);
    if (st || !row) break;
    size_t bytes;
    const void *content = query_blob(q, 2, &bytes);
    trial_task *t = &into->tasks[into->count++];
    t->id = query_int(q, 0);
    t->target = memory_copy_text(query_text(q, 1));
    if (!t->target) st = fault(err, E_MEMORY, "no memory for tasks");
    if (!st && bytes != HASH_BYTES) st = fault(err, E_STORE, "a task has no hash of 32 bytes");
    if (!st) memcpy(t->content.bytes, content, HASH_BYTES);
  }
  query_close(q);
  return st;
}

/* A sample on one core, by trial samples that are not stored. */
static status try_symbolic(const plan *p, const planned_run *r, const trial *t, outlook *out,
                           detail *err) {
  int64_t before = clock_monotonic_ns(), tokens_ref = 0;
  int done = 0;
  while (done < t->count && clock_monotonic_ns() - before < TRIAL_NS) {
    const trial_task *task = &t->tasks[done];
    sample_work w = {.run = r,
                     .task = task->id,
                     .target = task->target,
                     .content = task->content,
                     .seed = (uint64_t)p->job->seed,
                     .attempt = 1};
    sample_outcome outcome;
    status s = sample_run(&w, NULL, t->memory, &outcome, err);
    if (s) return s;
    tokens_ref += outcome.tokens;
    done++;
  }
  if (!done) return OK;
  out->seconds = (double)(clock_monotonic_ns() - before) / 1e9 / done;
  out->tokens = (double)tokens_ref / done;
  return OK;
}

/* ---- models -----------------------------------------------------------------------------------
 */

/* Tokens that samples of this run generated; *mean stays as it is where none is stored. */
static status mean_of_run(store *s, int64_t run, double *mean, detail *err) {
  query *q = NULL;
  int row = 0;
  status st = query_open(
      &q, s, "SELECT avg(tokens_generated) FROM sample WHERE run = ? AND status != 'failed'", err);
  if (!st) query_bind_int(q, 1, run);
  if (!st) st = query_next(q, &row, err);
  if (!st && row && !query_is_null(q, 0)) *mean = query_real(q, 0);
  query_close(q);
  return st;
}

/* As long as the threads of other runs of this model and mode, unless a limit says less. */
static status mean_of_threads(store *s, const planned_run *r, double *mean, detail *err) {
  int64_t tokens = 0, most = r->rules.tokens_thread;
  status st = store_expected_tokens(s, &r->model->hash, r->first->mode->name, 0, &tokens, err);
  if (most && tokens > most) tokens = most;
  if (!st && tokens) *mean = (double)tokens * r->rules.threads;
  return st;
}

/* How many threads a sample will have that calls for children only samples can tell: those of the
   runs of this model and mode whose label is this one, or the nearest, or else of any. */
static status mean_of_trees(store *s, const planned_run *r, double *mean, detail *err) {
  const json_t *label = json_path_get(r->parameters, "label.children");
  query *q = NULL;
  int row = 0;
  status st = query_open(&q, s,
                         "SELECT avg(s.tokens_generated) FROM (SELECT id, "
                         "CASE WHEN label IS ?3 THEN 0 ELSE abs(label - ?3) END AS distance FROM "
                         "(SELECT id, json_extract(parameters, '$.label.children') AS label "
                         "FROM run WHERE model_hash = ?1 AND mode = ?2)) r "
                         "JOIN sample s ON s.run = r.id AND s.status != 'failed' "
                         "GROUP BY distance ORDER BY distance IS NULL, distance LIMIT 1",
                         err);
  if (st) return st;
  query_bind_blob(q, 1, r->model->hash.bytes, HASH_BYTES);
  query_bind_text(q, 2, r->first->mode->name);
  if (label) query_bind_int(q, 3, json_integer_value(label));
  st = query_next(q, &row, err);
  if (!st && row && !query_is_null(q, 0)) *mean = query_real(q, 0);
  query_close(q);
  return st;
}

static status mean_of_mode(store *s, const planned_run *r, double *mean, detail *err) {
  double most = (double)r->rules.tokens_total;
  status st = protocol_calls(r->rules.protocol) ? mean_of_trees(s, r, mean, err)
                                                : mean_of_threads(s, r, mean, err);
  if (most > 0 && *mean > most) *mean = most;
  return st;
}

/* Tokens a second of the last process that stored a sample of this model. */
static status speed_of(store *s, const job_model *m, double *speed, detail *err) {
  query *q = NULL;
  int row = 0;
  status st = query_open(&q, s,
                         "SELECT sum(sampled) * 1e9 / sum(interval_ns) FROM engine_load WHERE "
                         "process = (SELECT s.process FROM sample s JOIN run r ON r.id = s.run "
                         "WHERE r.model_hash = ? ORDER BY s.id DESC LIMIT 1)",
                         err);
  if (!st) query_bind_blob(q, 1, m->hash.bytes, HASH_BYTES);
  if (!st) st = query_next(q, &row, err);
  if (!st && row && !query_is_null(q, 0)) *speed = query_real(q, 0);
  query_close(q);
  return st;
}

static status look_back(store *s, const planned_run *r, double speed, outlook *out, detail *err) {
  status st = r->run ? mean_of_run(s, r->run, &out->tokens, err) : OK;
  if (!st && out->tokens < 0) st = mean_of_mode(s, r, &out->tokens, err);
  if (out->tokens >= 0 && speed > 0) out->seconds = out->tokens / speed;
  return st;
}

/* ---- the table --------------------------------------------------------------------------------
 */

/* Of the runs of one model, or of all symbolic ones. */
typedef struct expected {
  double tokens, seconds;
  int64_t left, unknown; /* samples; of them those of which nothing is known */
} expected;

static void put_number(text *out, double value, int digits) {
  if (value < 0) {
    text_format(out, " %10s", "-");
  } else {
    text_format(out, " %10.*f", digits, value);
  }
}

static void put_counts(text *out, const char *name, const store_counts *c) {
  text_format(out, "%-44s %9lld %9lld %9lld", name, (long long)c->wanted,
              (long long)(c->done + c->capped), (long long)c->left);
}

static void put_run(const planned_run *r, outlook one, int is_cut, text *out, expected *sum) {
  int64_t computed = is_cut ? 0 : r->counts.left;
  put_counts(out, r->first->name, &r->counts);
  put_number(out, one.tokens, 0);
  put_number(out, 1000 * one.seconds, 3);
  text_put(out, is_cut ? "  cut from another\n" : "\n");
  sum->left += computed;
  sum->unknown += one.tokens < 0 ? computed : 0;
  if (one.tokens > 0) sum->tokens += one.tokens * (double)computed;
  if (one.seconds > 0) sum->seconds += one.seconds * (double)computed;
}

static status put_symbolic_runs(const plan *p, const trial *t, text *out, expected *sum,
                                detail *err) {
  status st = OK;
  for (size_t i = 0; !st && i < p->run_count; i++) {
    outlook one = UNKNOWN;
    if (p->runs[i].model) continue;
    st = try_symbolic(p, &p->runs[i], t, &one, err);
    put_run(&p->runs[i], one, 0, out, sum);
  }
  return st;
}

/* What of these runs is left is cut from another's samples where that one has them left too. */
static status put_model_runs(const plan *p, store *s, const job_model *m, double speed, text *out,
                             expected *sum, detail *err) {
  derivation *families = NULL;
  planned_run **left = memory_take((p->run_count ? p->run_count : 1) * sizeof *left);
  if (!left) return fault(err, E_MEMORY, "no memory for %zu runs", p->run_count);
  size_t count = plan_left(p, m, left);
  status st = derivation_open(&families, NULL, left, count, err);
  for (size_t i = 0; !st && i < p->run_count; i++) {
    outlook one = UNKNOWN;
    if (p->runs[i].model != m) continue;
    st = look_back(s, &p->runs[i], speed, &one, err);
    put_run(&p->runs[i], one, !st && derivation_is_cut(families, &p->runs[i]), out, sum);
  }
  derivation_close(families);
  memory_free(left);
  return st;
}

static void put_sum(const plan *p, text *out) {
  store_counts sum = {0};
  for (size_t i = 0; i < p->run_count; i++) {
    sum.wanted += p->runs[i].counts.wanted;
    sum.done += p->runs[i].counts.done + p->runs[i].counts.capped;
    sum.left += p->runs[i].counts.left;
  }
  put_counts(out, "all", &sum);
  text_char(out, '\n');
}

static void put_time(text *out, double seconds) {
  if (seconds < 100) {
    text_format(out, "%.1f seconds", seconds);
  } else if (seconds < 6000) {
    text_format(out, "%.1f minutes", seconds / 60);
  } else {
    text_format(out, "%.1f hours", seconds / 3600);
  }
}

static void put_symbolic(const expected *e, int cores, text *out) {
  text_put(out, "expected: ");
  put_time(out, e->seconds / cores);
  text_format(out, " on %d cores, by trial samples that were not stored\n", cores);
}

static void put_model(const job_model *m, const expected *e, double speed, text *out) {
  text_put(out, "expected of ");
  output_printable(out, m->name, strlen(m->name));
  if (e->left && e->unknown == e->left) {
    text_put(out, ": not known before samples of it are stored; --limit 4 makes a few\n");
    return;
  }
  text_put(out, ": ");
  output_count(out, e->tokens);
  text_put(out, " tokens");
  if (speed > 0) {
    text_put(out, " in ");
    put_time(out, e->seconds);
    text_put(out, ", at the ");
    output_count(out, speed);
    text_put(out, " a second of its last process");
  }
  if (e->unknown) {
    text_format(out, "; of %lld samples more nothing is known", (long long)e->unknown);
  }
  text_char(out, '\n');
}

static void put_power(const plan *p, text *out) {
  double spread = PAIRED_SPREAD / sqrt(p->job->repeats);
  double se = spread / sqrt((double)p->task_count);
  text_format(out,
              "smallest difference that a paired comparison sees at 80 %% power: %.1f points "
              "(95 %% half-width %.1f)\n  assuming a spread of %.2f between tasks, as published "
              "methods differ\n",
              100 * stats_smallest_difference(se, 0.05), 100 * 1.96 * se, spread);
}

/* What is expected is said behind the table. */
static status put_all(const plan *p, store *s, const trial *t, int cores, text *out, text *behind,
                      detail *err) {
  expected symbolic = {0};
  text_format(out, "%-44s %9s %9s %9s %10s %10s\n", "run", "wanted", "done", "left", "tokens",
              "ms/sample");
  status st = put_symbolic_runs(p, t, out, &symbolic, err);
  if (symbolic.left) put_symbolic(&symbolic, cores, behind);
  for (size_t i = 0; !st && i < p->model_count; i++) {
    expected own = {0};
    double speed = -1;
    st = speed_of(s, p->models[i], &speed, err);
    if (!st) st = put_model_runs(p, s, p->models[i], speed, out, &own, err);
    if (!st) put_model(p->models[i], &own, speed, behind);
  }
  put_sum(p, out);
  text_format(out, "tokens: that a sample generates%s\n\n",
              p->model_count ? "; of a search as Llama-2 counts them; -: not known yet"
                             : ", as Llama-2 counts them");
  text_put(out, text_string(behind));
  put_power(p, out);
  return st;
}

status prospect_put(const plan *p, store *s, int cores, text *out, detail *err) {
  trial t = {.count = 0};
  text behind;
  text_open(&behind, 1 << 20);
  status st = arena_open(&t.memory, TRIAL_BYTES_MAX, err);
  if (!st) st = read_trial_tasks(&t, p, s, err);
  if (!st) st = put_all(p, s, &t, cores, out, &behind, err);
  if (!st) st = text_state(&behind, err);
  text_close(&behind);
  arena_close(t.memory);
  for (int i = 0; i < t.count; i++)
    memory_free(t.tasks[i].target);
  return st ? st : text_state(out, err);
}
