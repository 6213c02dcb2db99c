/* nightjar verify: stored samples computed again, alone, and compared. */
#include "engine/machine.h"
#include "pipeline/command.h"
#include "pipeline/jobs.h"
#include "pipeline/run.h"
#include "pipeline/stop.h"
#include "pipeline/verify.h"
#include "store/query.h"

#include <limits.h>
#include <string.h>

enum { SAMPLES = 20, DIFFERENCES_BYTES_MAX = 64 << 20 };

/* The resolved job that the store keeps. */
static status read_job(store *s, const char *name, job **out, detail *err) {
  query *q = NULL;
  int row = 0;
  status failed = query_open(&q, s, "SELECT document FROM job WHERE name = ?1", err);
  if (!failed) {
    query_bind_text(q, 1, name);
    failed = query_next(q, &row, err);
  }
  if (!failed && !row) failed = fault(err, E_INPUT, "no job '%s' in this store", name);
  const char *document = failed ? NULL : query_text(q, 0);
  if (!failed) failed = jobs_read(out, name, document, strlen(document), err);
  query_close(q);
  return failed;
}

static status verify_job(const invocation *in, store *s, const char *name, const verify_options *o,
                         text *out, verify_totals *totals, detail *err) {
  job *j = NULL;
  plan *p = NULL;
  char hashes[PATH_MAX];
  plan_part all = {.task_limit = -1, .of = {0, 1}, .messages = in->messages};
  status failed = command_class(in, &all.class_suffix, err);
  if (!failed) failed = read_job(s, name, &j, err);
  if (!failed && job_has_models(j)) all.hash_cache = command_model_cache(in, hashes);
  if (!failed) failed = plan_open(&p, s, j, &all, err);
  if (!failed) failed = verify_plan(p, s, o, in->messages, out, totals, err);
  plan_close(p);
  job_close(j);
  return failed;
}

static status verify_jobs(const invocation *in, store *s, const verify_options *o, text *out,
                          verify_totals *totals, detail *err) {
  const char *only = command_value(in, "job");
  text name;
  text_open(&name, 1 << 12);
  status failed = OK;
  int64_t place = 0;
  for (int found = 1; !failed; place++) {
    failed = command_job_at(s, only, place, &name, &found, err);
    if (failed || !found) break;
    failed = verify_job(in, s, text_string(&name), o, out, totals, err);
  }
  text_close(&name);
  if (!failed && !place) {
    failed = fault(err, E_INPUT, "%s%s%s has no samples: run a job first", only ? "job " : "",
                   only ? only : "", only ? "" : "the store");
  }
  return failed;
}

/* Times say little without the path of the processor that they were taken on; a processor that runs
   no model still verifies searches. */
static status start_process(store *s, const verify_options *o, detail *err) {
  char settings[96];
  text runs_on;
  text_open(&runs_on, 256);
  (void)snprintf(settings, sizeof settings, "{\"passes\":%d,\"threads\":%d,\"verify\":true}",
                 o->passes, o->threads);
  status failed = machine_device("cpu", &runs_on, err);
  store_process process = {.version = NIGHTJAR_VERSION,
                           .device = failed ? "cpu" : text_string(&runs_on),
                           .settings_json = settings};
  if (!failed || failed == E_DEVICE) failed = store_process_start(s, &process, err);
  text_close(&runs_on);
  return failed;
}

static status print_totals(const invocation *in, const verify_totals *t, const verify_options *o,
                           text *out, detail *err) {
  if (in->json) {
    text_clear(out);
    text_format(out, "{\"samples\":%lld,\"passes\":%d,\"differ\":%lld}\n", (long long)t->samples,
                o->passes, (long long)t->differ);
  } else if (t->differ) {
    text_format(out, "%lld of %lld samples differ\n", (long long)t->differ, (long long)t->samples);
  } else {
    text_format(out,
                "%lld samples computed again%s: all are equal in every promised column and bit\n",
                (long long)t->samples, o->passes > 1 ? " in each pass" : "");
  }
  return command_print(in, out, err);
}

static status run(const invocation *in, detail *err) {
  int64_t passes, threads, seed;
  verify_options o = {0};
  verify_totals totals = {0};
  status failed = command_integer(in, "samples", 1, 1000000000, SAMPLES, &o.samples, err);
  if (!failed) failed = command_integer(in, "passes", 1, 1000, 1, &passes, err);
  if (!failed) failed = command_integer(in, "threads", 1, 1024, run_cores(), &threads, err);
  if (!failed) failed = command_integer(in, "seed", 0, INT64_MAX, 0, &seed, err);
  if (failed) return failed;
  o.passes = (int)passes;
  o.threads = (int)threads;
  o.seed = (uint64_t)seed;
  int keeps_times = o.passes >= VERIFY_TIMED_PASSES;
  store *s = NULL;
  text out;
  text_open(&out, DIFFERENCES_BYTES_MAX);
  stop_install();
  failed = command_store(in, keeps_times ? STORE_WRITE : STORE_READ, &s, err);
  if (!failed && keeps_times) failed = start_process(s, &o, err);
  if (!failed) failed = verify_jobs(in, s, &o, &out, &totals, err);
  if (!failed && !totals.samples) {
    failed = fault(err, E_INPUT,
                   "no finished sample of this machine's class is stored: nightjar run makes them");
  }
  if (!failed) failed = print_totals(in, &totals, &o, &out, err);
  if (!failed && totals.differ) *in->failed_samples = 1;
  text_close(&out);
  status closed = store_close(s, failed ? NULL : err);
  return failed ? failed : closed;
}

static const command_option options[] = {
    {"job", "NAME", "of this job only"},
    {"samples", "K", "of each job, drawn by --seed (default 20)"},
    {"passes", "P", "times that each is computed (default 1)"},
    {"threads", "N", "of the engine (default: one a core)"},
    {"seed", "S", "default 0"},
    {"new-class", "NAME", "the runs that nightjar run made under this name"},
    {NULL, NULL, NULL}};

const command command_verify = {
    .name = "verify",
    .arguments = "",
    .summary = "Computes stored samples again, alone, and compares every bit.",
    .more =
        "From three passes on, in random order, the times are kept as `alone` latencies: those\n"
        "by which methods are compared. Exit code 1 where a sample differs.\n",
    .options = options,
    .prints_data = 1,
    .run = run};
