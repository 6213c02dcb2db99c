#include "pipeline/output.h"
#include "pipeline/overview.h"

#include <math.h>
#include <string.h>

/* ---- printing -------------------------------------------------------------------------------- */

static void put_conditions(const overview *o, text *out) {
  static const listing_column columns[] = {
      {"job", 0},    {"condition", 0}, {"run", 1},    {"done", 1},       {"capped", 1},
      {"failed", 1}, {"left", 1},      {"wanted", 1}, {"tokens_ref", 1}, {"generated", 1}};
  int has_models = overview_has_models(o);
  listing rows;
  listing_open(&rows, columns, has_models ? 10 : 9);
  for (size_t i = 0; i < o->count; i++) {
    const overview_condition *c = &o->conditions[i];
    const int64_t numbers[] = {c->run,           c->counts.done, c->counts.capped,
                               c->counts.failed, c->counts.left, c->counts.wanted};
    listing_text(&rows, c->job);
    listing_text(&rows, c->name);
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
      listing_int(&rows, numbers[k]);
    listing_real(&rows, c->tokens_ref, 0);
    if (has_models) listing_real(&rows, c->tokens_generated, 0);
  }
  if (o->count) {
    listing_print(&rows, out);
  } else {
    text_put(out, "no job has run here; nightjar run JOB.yaml starts one\n");
  }
  listing_close(&rows);
}

static void put_state(const overview *o, text *out) {
  const overview_process *p = &o->process;
  if (overview_seems_running(o)) {
    text_put(out, "running: process ");
    output_printable(out, o->holder_name, strlen(o->holder_name));
  } else if (p->ended) {
    text_put(out, "not running; the last process ended");
  } else {
    text_put(out, "not running; the last process was killed");
  }
  text_put(out, ", started ");
  output_time(out, p->started_unix_ns);
  text_put(out, overview_has_models(o) ? "\non " : " on ");
  output_printable(out, p->device, strlen(p->device));
  if (overview_has_models(o) && p->threads > 0) {
    text_format(out, ", %lld thread%s", (long long)p->threads, p->threads == 1 ? "" : "s");
  }
  text_char(out, '\n');
}

static double per_second(const overview_process *p, int64_t amount) {
  return p->seconds > 0 ? (double)amount / p->seconds : -1;
}

/* A line for each model, as each has its own speed. */
static void put_speeds(const overview *o, text *out) {
  for (size_t i = 0; i < o->part_count; i++) {
    const char *model = o->parts[i].model;
    double speed = overview_speed(o, i);
    if (speed < 0 || (!o->parts[i].until_ns && !o->load.intervals)) continue;
    text_put(out, "  ");
    output_printable(out, model ? model : "no model", strlen(model ? model : "no model"));
    text_format(out, ": %.0f %s a second\n", speed, model ? "tokens" : "tokens_ref");
  }
}

static double share(int64_t part, int64_t of) {
  return of > 0 ? (double)part / (double)of : 0;
}

/* What the engine does now: its last interval. */
static void put_load(const overview_load *l, text *out) {
  double seconds = (double)l->last_interval_ns / 1e9;
  if (!l->intervals || seconds <= 0) return;
  text_format(out, "in its last %.0f s: %.0f tokens a second, of %.1f samples at once\n", seconds,
              (double)l->last_sampled / seconds, l->samples);
  text_format(out, "  threads: %.1f ran and %.1f waited; pages used: %.1f %% of %lld\n",
              l->threads_running, l->threads_waiting, 100 * share(l->pages_used, l->pages),
              (long long)l->pages);
  text_format(out, "  recording took %.1f %% of the time\n",
              100 * share(l->last_record_ns, l->last_interval_ns));
}

static void put_process(const overview *o, text *out) {
  const overview_process *p = &o->process;
  int has_models = overview_has_models(o), running = overview_seems_running(o);
  double left = overview_seconds_left(o);
  if (!p->id) return;
  text_char(out, '\n');
  put_state(o, out);
  text_format(out, "it stored %lld samples", (long long)p->samples);
  if (p->seconds > 0) {
    text_put(out, " in ");
    output_duration(out, p->seconds);
    text_format(out, ": %.1f samples", per_second(p, p->samples));
    if (!has_models) text_format(out, " and %.0f tokens_ref", per_second(p, p->tokens_ref));
    text_put(out, " a second");
  }
  text_char(out, '\n');
  if (has_models) put_speeds(o, out);
  if (running) put_load(&o->load, out);
  if (left > 0) {
    text_put(out, running ? "about " : "at this speed what is left takes ");
    output_duration(out, left);
    text_put(out, running ? " left\n" : "\n");
  }
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *real_or_null(double value) {
  return value >= 0 && isfinite(value) ? json_real(value) : json_null();
}

static json_t *text_or_null(const char *value) {
  return value ? output_json_text(value, strlen(value)) : json_null();
}

/* Adds to a list that may be NULL already, and gives NULL from the first failure on. */
static json_t *append(json_t *list, json_t *value) {
  if (!list) {
    json_decref(value);
    return NULL;
  }
  if (!json_array_append_new(list, value)) return list;
  json_decref(list);
  return NULL;
}

static json_t *condition_json(const overview *o, const overview_condition *c) {
  return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "job",
                   text_or_null(c->job), "condition", text_or_null(c->name), "model",
                   text_or_null(o->parts[c->part].model), "run", (json_int_t)c->run, "wanted",
                   (json_int_t)c->counts.wanted, "done", (json_int_t)c->counts.done, "capped",
                   (json_int_t)c->counts.capped, "failed", (json_int_t)c->counts.failed, "left",
                   (json_int_t)c->counts.left, "tokens_ref_mean", real_or_null(c->tokens_ref),
                   "tokens_generated_mean", real_or_null(c->tokens_generated));
}

static json_t *speeds_json(const overview *o) {
  json_t *list = json_array();
  for (size_t i = 0; i < o->part_count; i++) {
    const char *model = o->parts[i].model;
    list = append(list, json_pack("{s:o, s:s, s:I, s:o}", "model", text_or_null(model), "counted",
                                  model ? "tokens_generated" : "tokens_ref", "tokens",
                                  (json_int_t)o->parts[i].tokens, "tokens_per_second",
                                  real_or_null(overview_speed(o, i))));
  }
  return list;
}

static json_t *load_json(const overview_load *l) {
  if (!l->intervals) return json_null();
  return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:I}", "at_ns",
                   (json_int_t)l->last_at_ns, "interval_ns", (json_int_t)l->last_interval_ns,
                   "sampled", (json_int_t)l->last_sampled, "record_ns",
                   (json_int_t)l->last_record_ns, "threads_running",
                   real_or_null(l->threads_running), "threads_waiting",
                   real_or_null(l->threads_waiting), "samples", real_or_null(l->samples), "pages",
                   (json_int_t)l->pages, "pages_used", (json_int_t)l->pages_used);
}

static json_t *process_json(const overview *o) {
  const overview_process *p = &o->process;
  if (!p->id) return json_null();
  return json_pack("{s:I, s:I, s:b, s:b, s:o, s:o, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:o, s:o}",
                   "id", (json_int_t)p->id, "started_unix_ns", (json_int_t)p->started_unix_ns,
                   "ended", p->ended, "seems_running", overview_seems_running(o), "host",
                   text_or_null(p->host), "device", text_or_null(p->device), "threads",
                   (json_int_t)p->threads, "samples", (json_int_t)p->samples, "tokens_ref",
                   (json_int_t)p->tokens_ref, "seconds", p->seconds, "samples_per_second",
                   real_or_null(per_second(p, p->samples)), "tokens_ref_per_second",
                   real_or_null(per_second(p, p->tokens_ref)), "seconds_left",
                   real_or_null(overview_seconds_left(o)), "speeds", speeds_json(o), "load",
                   load_json(&o->load));
}

static json_t *shard_json(shard part) {
  char name[SHARD_NAME_BYTES];
  return part.count > 1 ? json_string(shard_name(part, name)) : json_null();
}

static status print_json(const invocation *in, const overview *o, detail *err) {
  json_t *list = json_array();
  for (size_t i = 0; i < o->count; i++)
    list = append(list, condition_json(o, &o->conditions[i]));
  return output_json(in,
                     json_pack("{s:o, s:o, s:I, s:o}", "conditions", list, "process",
                               process_json(o), "samples_unasked", (json_int_t)o->unasked, "shard",
                               shard_json(o->part)),
                     err);
}

static status print_overview(const invocation *in, const overview *o, detail *err) {
  if (in->json) return print_json(in, o, err);
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  put_conditions(o, &out);
  if (o->part.count > 1) {
    char name[SHARD_NAME_BYTES];
    text_format(&out, "\nshard %s: its share of the samples is what is counted\n",
                shard_name(o->part, name));
  }
  if (o->unasked) {
    text_format(&out,
                "\n%lld samples belong to no condition any more, since a job's file changed; their "
                "runs\nare in the table run, and the file as it was would show them again\n",
                (long long)o->unasked);
  }
  put_process(o, &out);
  status s = command_print(in, &out, err);
  text_close(&out);
  return s;
}

static status run_status(const invocation *in, detail *err) {
  store *s = NULL;
  overview o = {0};
  status failed = command_store(in, STORE_READ, &s, err);
  if (!failed) failed = overview_read(&o, s, err);
  if (!failed) failed = print_overview(in, &o, err);
  overview_close(&o);
  (void)store_close(s, NULL);
  return failed;
}

const command command_status = {
    .name = "status",
    .arguments = "",
    .summary = "Shows what each job has done, what is left, and how fast it goes.",
    .more = "tokens_ref and generated are means of a sample. The speed is the last process's, up\n"
            "to its last stored sample, of a model in tokens that it generated; the time left is\n"
            "what is left in tokens at that speed. Whether a process runs is judged by its record\n"
            "and the lock's file beside the store.\n",
    .prints_data = 1,
    .run = run_status};
