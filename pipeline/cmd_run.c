/* nightjar run: a job against the store, from its first sample or from where it stopped. */
#include "engine/machine.h"
#include "pipeline/command.h"
#include "pipeline/jobs.h"
#include "pipeline/model_engine.h"
#include "pipeline/output.h"
#include "pipeline/prospect.h"
#include "pipeline/run.h"
#include "pipeline/stop.h"
#include "reports/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- the shard --------------------------------------------------------------------------------
 */

/* Which share of the job this process runs: --shard, or what the scheduler's array says. */
static status read_shard(const invocation *in, shard *out, detail *err) {
  const char *word = command_value(in, "shard");
  int found = 0;
  *out = (shard){.count = 1};
  if (word) return shard_read(word, out, err);
  shard_array array = {.id = getenv("SLURM_ARRAY_TASK_ID"),
                       .count = getenv("SLURM_ARRAY_TASK_COUNT"),
                       .min = getenv("SLURM_ARRAY_TASK_MIN"),
                       .step = getenv("SLURM_ARRAY_TASK_STEP"),
                       .max = getenv("SLURM_ARRAY_TASK_MAX")};
  status st = shard_of_array(&array, out, &found, err);
  char name[SHARD_NAME_BYTES];
  if (!st && found) {
    log_info(in->messages, "shard %s (from SLURM_ARRAY_TASK_ID); --shard 1/1 runs everything",
             shard_name(*out, name));
  }
  return st;
}

/* Two shards that were given one store: the second finds it locked. What does not fit is cut. */
static status explain_lock(status st, shard part, detail *err) {
  if (st != E_BUSY || part.count == 1 || !err) return st;
  size_t used = strlen(err->text);
  (void)snprintf(err->text + used, sizeof err->text - used,
                 "; each shard needs its own --db, merged at the end with nightjar merge");
  return st;
}

static void put_variable(text *out, const char *key, const char *name) {
  const char *value = getenv(name);
  if (!value) return;
  text_format(out, ",\"%s\":", key);
  json_quote(out, value, strnlen(value, 256));
}

/* ---- the run -----------------------------------------------------------------------------------
 */

static int runs_models(const plan *p) {
  for (size_t i = 0; i < p->run_count; i++)
    if (p->runs[i].model && p->runs[i].counts.left) return 1;
  return 0;
}

/* The settings are measured: they tell processes apart, and no token depends on them. */
static status put_settings(const plan *p, const run_options *o, text *out, detail *err) {
  char name[SHARD_NAME_BYTES];
  text_format(out, "{\"max_wall_ns\":%lld,\"threads\":%d", (long long)o->max_wall_ns, o->threads);
  if (p->part.count > 1) text_format(out, ",\"shard\":\"%s\"", shard_name(p->part, name));
  put_variable(out, "slurm_job_id", "SLURM_JOB_ID");
  put_variable(out, "slurm_restart_count", "SLURM_RESTART_COUNT");
  status st = OK;
  if (runs_models(p)) {
    text_put(out, ",\"engines\":");
    st = model_engine_settings(p, o->threads, out, err);
  }
  text_char(out, '}');
  return st ? st : text_state(out, err);
}

/* A search is plain integer code; with a model it is said by which path of a backend it runs. */
static status put_device(const plan *p, text *out, detail *err) {
  const char *backend = job_engine_options(&p->job->engine).backend;
  if (runs_models(p)) return machine_device(backend, out, err);
  text_put(out, "cpu");
  return text_state(out, err);
}

static status start_process(store *s, const plan *p, const run_options *o, detail *err) {
  text settings, runs_on;
  text_open(&settings, 1 << 16);
  text_open(&runs_on, 256);
  status st = put_settings(p, o, &settings, err);
  if (!st) st = put_device(p, &runs_on, err);
  store_process process = {.version = NIGHTJAR_VERSION,
                           .device = text_string(&runs_on),
                           .settings_json = text_string(&settings)};
  if (!st) st = store_process_start(s, &process, err);
  text_close(&runs_on);
  text_close(&settings);
  return st;
}

static double percent(int64_t part_ns, int64_t of_ns) {
  return of_ns > 0 ? 100 * (double)part_ns / (double)of_ns : 0;
}

/* What the models' part came to. */
static void log_models(const invocation *in, const run_totals *t) {
  double seconds = (double)t->model_ns / 1e9;
  text line;
  text_open(&line, 256);
  text_put(&line, "models: ");
  output_count(&line, (double)t->model_tokens);
  text_format(&line, " tokens in %.1f s: ", seconds);
  output_count(&line, seconds > 0 ? (double)t->model_tokens / seconds : 0);
  text_format(&line, " tokens/s; recording took %.1f %% of the time",
              percent(t->record_ns, t->model_ns));
  log_info(in->messages, "%s", text_string(&line));
  text_close(&line);
}

static void log_totals(const invocation *in, const run_totals *t, const store_stats *w,
                       int workers) {
  int64_t finished = t->done + t->capped + t->failed;
  double seconds = (double)t->wall_ns / 1e9;
  text tokens;
  text_open(&tokens, 64);
  output_count(&tokens, (double)t->tokens);
  log_info(
      in->messages,
      "%lld samples (%lld done, %lld capped, %lld failed), %s tokens in %.1f s: %.0f samples/s",
      (long long)finished, (long long)t->done, (long long)t->capped, (long long)t->failed,
      text_string(&tokens), seconds, seconds > 0 ? (double)finished / seconds : 0);
  text_close(&tokens);
  if (t->model_ns) log_models(in, t);
  log_info(in->messages, "store: %lld commits, writer busy %.1f %%, workers waited for it %.1f %%",
           (long long)w->commits, percent(w->write_ns, t->wall_ns),
           percent(w->blocked_ns, t->wall_ns) / workers);
}

/* Samples of the job that failed and stand so, by any process. */
static status count_failed(const plan *p, store *s, int64_t *failed, int64_t *again, detail *err) {
  *failed = *again = 0;
  for (size_t i = 0; i < p->run_count; i++) {
    store_counts now;
    status st = store_work_count(s, &p->runs[i].filter, &now, err);
    if (st) return st;
    *failed += now.failed;
    *again += now.left;
  }
  return OK;
}

/* What the job came to, for the exit code. */
static status conclude(const invocation *in, const plan *p, store *s, const run_totals *t,
                       detail *err) {
  if (t->stopped) {
    return fault(err, E_STOPPED,
                 "stopped early by %s; all that was finished is committed: run the same command to "
                 "go on",
                 t->stopped < 0 ? "--max-wall" : strsignal(t->stopped));
  }
  int64_t failed, again;
  status st = count_failed(p, s, &failed, &again, err);
  if (!st && failed > p->job->allowed_failures) {
    log_error(in->messages,
              "%lld sample%s failed, %lld are allowed; see the view failures. The next run tries "
              "%lld of them again: each gets %d attempts in all (retries)",
              (long long)failed, failed == 1 ? "" : "s", (long long)p->job->allowed_failures,
              (long long)again, 1 + p->job->retries);
    *in->failed_samples = 1;
  }
  return st;
}

static void log_nothing_left(const invocation *in, const plan *p, int64_t wanted) {
  char name[SHARD_NAME_BYTES];
  if (p->part.count == 1) {
    log_info(in->messages, "%s: %s@%d, nothing left to do", p->job->name, p->tasks.name,
             p->tasks.version);
  } else {
    log_info(in->messages, "%s: %s@%d, nothing left to do of the %lld samples of shard %s",
             p->job->name, p->tasks.name, p->tasks.version, (long long)wanted,
             shard_name(p->part, name));
  }
}

/* A shard is looked at when it is merged. */
static void log_next(const invocation *in, const plan *p) {
  text next;
  text_open(&next, 8192);
  output_shell_word(&next, in->db);
  if (p->part.count == 1 && text_state(&next, NULL) == OK) {
    log_info(in->messages, "look at it: nightjar report --text --db %s", text_string(&next));
  }
  text_close(&next);
}

static status run_committed(const invocation *in, plan *p, store *s, const run_options *o,
                            detail *err) {
  run_totals totals = {0};
  int64_t left = 0, wanted = 0;
  for (size_t i = 0; i < p->run_count; i++) {
    left += p->runs[i].counts.left;
    wanted += p->runs[i].counts.wanted;
  }
  status st = OK;
  if (left) {
    char name[SHARD_NAME_BYTES];
    int apart = p->part.count > 1;
    log_info(in->messages, "%s: %s@%d, %lld samples left in %zu runs%s%s, %d workers", p->job->name,
             p->tasks.name, p->tasks.version, (long long)left, p->run_count,
             apart ? " of shard " : "", apart ? shard_name(p->part, name) : "", o->threads);
    st = start_process(s, p, o, err);
    if (!st) st = run_plan(p, s, o, in->messages, &totals, err);
    if (!st) {
      store_stats written = store_written(s);
      log_totals(in, &totals, &written, o->threads);
    }
  } else {
    log_nothing_left(in, p, wanted);
  }
  detail refused = {0};
  status compared = st ? OK : report_comparisons(s, p->job->name, &refused);
  if (compared == E_INPUT) log_warn(in->messages, "%s", refused.text);
  if (!st && compared && compared != E_INPUT) {
    st = compared;
    if (err) *err = refused;
  }
  if (!st) st = conclude(in, p, s, &totals, err);
  if (!st) log_next(in, p);
  return st;
}

static status run_in_store(const invocation *in, job *j, store *s, const plan_part *part,
                           int planned, const run_options *o, detail *err) {
  plan *p = NULL;
  status st = plan_open(&p, s, j, part, err);
  if (!st) st = run_check(p, o->threads, err);
  if (!st && command_flag(in, "explain")) {
    text out;
    text_open(&out, 64 << 20);
    st = plan_explain(p, s, &out, err);
    if (!st) st = command_print(in, &out, err);
    text_close(&out);
  }
  if (!st && command_flag(in, "dry-run")) {
    text out;
    text_open(&out, 64 << 20);
    st = prospect_put(p, s, o->threads, &out, err);
    if (!st) st = command_print(in, &out, err);
    text_close(&out);
  }
  if (!st && !planned) st = plan_commit(p, s, in->messages, err);
  if (!st && !planned) st = run_committed(in, p, s, o, err);
  plan_close(p);
  return st;
}

static status run(const invocation *in, detail *err) {
  int64_t threads, max_wall_s;
  char hashes[PATH_MAX];
  plan_part part = {.messages = in->messages};
  status st = command_integer(in, "limit", 1, INT64_MAX, -1, &part.task_limit, err);
  if (!st) st = command_integer(in, "threads", 1, 1024, run_cores(), &threads, err);
  if (!st) st = command_duration(in, "max-wall", &max_wall_s, err);
  if (!st) st = read_shard(in, &part.of, err);
  if (!st) st = command_class(in, &part.class_suffix, err);
  if (st) return st;
  run_options o = {.threads = (int)threads, .max_wall_ns = max_wall_s * 1000000000};
  int planned = command_flag(in, "dry-run") || command_flag(in, "explain");
  job *j = NULL;
  store *s = NULL;
  stop_install();
  st = jobs_load(&j, in->arguments[0], err);
  if (!st) {
    st = command_store(in, planned ? STORE_READ : STORE_WRITE, &s, err);
    st = explain_lock(st, part.of, err);
  }
  if (!st && job_has_models(j)) part.hash_cache = command_model_cache(in, hashes);
  if (!st) st = run_in_store(in, j, s, &part, planned, &o, err);
  status closed = store_close(s, st ? NULL : err);
  job_close(j);
  return st ? st : closed;
}

static const command_option options[] = {
    {"limit", "K", "the first K tasks of the set only"},
    {"max-wall", "T", "end after this time (45m, 8h), resumable, exit 75"},
    {"threads", "N", "of searches and of a model (default: one a core); changes no result"},
    {"shard", "i/n", "this share of the samples, into a store of its own"},
    {"new-class", "NAME", "runs with a model apart from those that are there"},
    {"dry-run", NULL, "print the work, the time, the smallest difference it sees"},
    {"explain", NULL, "print which runs are there, and which field makes a run new"},
    {NULL, NULL, NULL}};

const command command_run = {
    .name = "run",
    .arguments = "JOB.yaml",
    .summary = "Runs a job, or continues it.",
    .more =
        "The same command again continues: what is done stays, what was in flight is done "
        "again.\nSIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 finish the searches in flight, give "
        "up a\nmodel's samples, which are done again, and exit 75.\nSearches come first, then one "
        "model after another.\nIn an array of SLURM, --shard is taken from SLURM_ARRAY_TASK_ID and "
        "COUNT; --shard 1/1\nruns everything.\nThe keys of a job file: docs/jobs.md; ways of "
        "reasoning: docs/modes.md; shards: docs/shards.md.\n",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run};
