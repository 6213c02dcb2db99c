#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/output.h"
#include "pipeline/shard.h"
#include "store/place.h"
#include "store/query.h"

#include <string.h>

/* One condition and what its run holds for it. */
typedef struct progress {
  char *job, *name;
  int64_t run;
  store_counts counts;
  double tokens_mean; /* tokens_ref of a finished sample; negative: none is there */
} progress;

/* The process that wrote last, and its speed up to its last sample. */
typedef struct last_process {
  int64_t id, started_unix_ns, samples, tokens_ref;
  int ended;
  double seconds;
  char host[256], device[256];
} last_process;

typedef struct overview {
  progress *conditions; /* [count] */
  size_t count, capacity;
  last_process process; /* id 0: none ever ran */
  int64_t unasked;      /* samples that no condition asks for */
  shard part;           /* that every process of the store ran; {0, 1}: not a shard's store */
  holder_state holder;
  char holder_name[320];
} overview;

static void overview_close(overview *o) {
  for (size_t i = 0; i < o->count; i++) {
    memory_free(o->conditions[i].job);
    memory_free(o->conditions[i].name);
  }
  memory_free(o->conditions);
}

/* ---- reading --------------------------------------------------------------------------------- */

static progress *add_condition(overview *o, detail *err) {
  if (o->count == o->capacity) {
    size_t capacity = o->capacity ? 2 * o->capacity : 64;
    progress *conditions = memory_grow(o->conditions, capacity * sizeof *conditions);
    if (!conditions) {
      (void)fault(err, E_MEMORY, "no memory to list the conditions");
      return NULL;
    }
    o->conditions = conditions;
    o->capacity = capacity;
  }
  progress *p = &o->conditions[o->count++];
  *p = (progress){.tokens_mean = -1};
  return p;
}

/* What a job wants of a run is what `run` would do: the same tasks, repeats and attempts. */
static status read_condition(store *s, const query *q, overview *o, detail *err) {
  progress *p = add_condition(o, err);
  if (!p) return E_MEMORY;
  p->job = memory_copy_text(query_text(q, 0));
  p->name = memory_copy_text(query_text(q, 1));
  if (!p->job || !p->name) return fault(err, E_MEMORY, "no memory to list the conditions");
  p->run = query_int(q, 2);
  store_work_filter filter = {.run = p->run,
                              .task_limit = query_int(q, 3),
                              .repeats = (int32_t)query_int(q, 4),
                              .attempts_max = (int32_t)query_int(q, 5) + 1,
                              .shard = o->part.index,
                              .shards = o->part.count};
  return store_work_count(s, &filter, &p->counts, err);
}

static status read_conditions(store *s, overview *o, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT c.job, c.name, c.run, c.tasks, c.repeats, "
                             "coalesce(json_extract(j.document, '$.retries'), 2) "
                             "FROM condition c JOIN job j ON j.name = c.job "
                             "ORDER BY c.job, c.ordinal",
                             err);
  for (int row = 1; !failed && row;) {
    failed = query_next(q, &row, err);
    if (!failed && row) failed = read_condition(s, q, o, err);
  }
  query_close(q);
  return failed;
}

static status read_means(store *s, overview *o, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s, "SELECT avg(tokens_ref) FROM sample WHERE run = ?1", err);
  for (size_t i = 0; !failed && i < o->count; i++) {
    int row;
    query_rewind(q);
    query_bind_int(q, 1, o->conditions[i].run);
    failed = query_next(q, &row, err);
    if (!failed && row && !query_is_null(q, 0)) o->conditions[i].tokens_mean = query_real(q, 0);
  }
  query_close(q);
  return failed;
}

static status read_process(store *s, last_process *p, detail *err) {
  query *q = NULL;
  status failed =
      query_open(&q, s,
                 "SELECT p.id, p.started_unix_ns, p.ended_ns, p.host, p.device, count(s.id), "
                 "coalesce(sum(s.tokens_ref), 0), coalesce(max(s.ended_ns), 0) FROM process p "
                 "LEFT JOIN sample s ON s.process = p.id "
                 "WHERE p.id = (SELECT max(id) FROM process) GROUP BY p.id",
                 err);
  int row = 0;
  if (!failed) failed = query_next(q, &row, err);
  if (!failed && row) {
    p->id = query_int(q, 0);
    p->started_unix_ns = query_int(q, 1);
    p->ended = !query_is_null(q, 2);
    (void)snprintf(p->host, sizeof p->host, "%s", query_text(q, 3));
    (void)snprintf(p->device, sizeof p->device, "%s", query_text(q, 4));
    p->samples = query_int(q, 5);
    p->tokens_ref = query_int(q, 6);
    p->seconds = (double)query_int(q, 7) / 1e9;
  }
  query_close(q);
  return failed;
}

/* A shard's store holds its share only, and that is what it is expected to hold. */
static status read_shard(store *s, shard *out, detail *err) {
  query *q = NULL;
  int row = 0;
  *out = (shard){.count = 1};
  status failed = query_open(&q, s,
                             "SELECT min(shard) FROM (SELECT CASE WHEN json_valid(settings) THEN "
                             "json_extract(settings, '$.shard') END AS shard FROM process) "
                             "HAVING count(DISTINCT shard) = 1 AND count(shard) = count(*)",
                             err);
  if (!failed) failed = query_next(q, &row, err);
  if (!failed && row && shard_read(query_text(q, 0), out, NULL)) *out = (shard){.count = 1};
  query_close(q);
  return failed;
}

/* Samples of runs that no job's conditions name: of jobs whose files changed. */
static status read_unasked(store *s, int64_t *samples, detail *err) {
  query *q = NULL;
  int row = 0;
  status failed =
      query_open(&q, s,
                 "SELECT count(*) FROM sample WHERE run IN (SELECT id FROM run WHERE id "
                 "NOT IN (SELECT run FROM condition))",
                 err);
  if (!failed) failed = query_next(q, &row, err);
  if (!failed && row) *samples = query_int(q, 0);
  query_close(q);
  return failed;
}

static status read_overview(const invocation *in, store *s, overview *o, detail *err) {
  o->holder = place_holder(in->db, o->holder_name, sizeof o->holder_name);
  status failed = read_shard(s, &o->part, err);
  if (!failed) failed = read_conditions(s, o, err);
  if (!failed) failed = read_means(s, o, err);
  if (!failed) failed = read_unasked(s, &o->unasked, err);
  return failed ? failed : read_process(s, &o->process, err);
}

/* ---- what follows from it -------------------------------------------------------------------- */

/* A killed process leaves its record open, and `tasks make` holds the lock without one. */
static int seems_running(const overview *o) {
  return o->process.id && !o->process.ended &&
         (o->holder == HOLDER_ALIVE || o->holder == HOLDER_AWAY);
}

static double per_second(const last_process *p, int64_t amount) {
  return p->seconds > 0 ? (double)amount / p->seconds : -1;
}

/* Of all conditions, for those without a sample of their own; negative: none at all. */
static double overall_mean(const overview *o) {
  double sum = 0, samples = 0;
  for (size_t i = 0; i < o->count; i++) {
    const store_counts *c = &o->conditions[i].counts;
    if (o->conditions[i].tokens_mean < 0) continue;
    sum += o->conditions[i].tokens_mean * (double)(c->done + c->capped);
    samples += (double)(c->done + c->capped);
  }
  return samples > 0 ? sum / samples : -1;
}

/* Work that two conditions share is done once: it counts where most of it is wanted. */
static int is_counted_elsewhere(const overview *o, size_t i) {
  for (size_t k = 0; k < o->count; k++) {
    if (k == i || o->conditions[k].run != o->conditions[i].run) continue;
    int64_t more = o->conditions[k].counts.left - o->conditions[i].counts.left;
    if (more > 0 || (more == 0 && k < i)) return 1;
  }
  return 0;
}

/* Seconds that what is left takes at the last process's speed; negative: cannot be told. */
static double seconds_left(const overview *o) {
  double rate = per_second(&o->process, o->process.tokens_ref), overall = overall_mean(o);
  double tokens = 0;
  if (rate <= 0) return -1;
  for (size_t i = 0; i < o->count; i++) {
    const progress *p = &o->conditions[i];
    double mean = p->tokens_mean < 0 ? overall : p->tokens_mean;
    if (p->counts.left == 0 || is_counted_elsewhere(o, i)) continue;
    if (mean < 0) return -1;
    tokens += mean * (double)p->counts.left;
  }
  return tokens / rate;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void put_conditions(const overview *o, text *out) {
  static const listing_column columns[] = {{"job", 0},  {"condition", 0}, {"run", 1},
                                           {"done", 1}, {"capped", 1},    {"failed", 1},
                                           {"left", 1}, {"wanted", 1},    {"tokens_ref", 1}};
  listing rows;
  listing_open(&rows, columns, 9);
  for (size_t i = 0; i < o->count; i++) {
    const progress *p = &o->conditions[i];
    listing_text(&rows, p->job);
    listing_text(&rows, p->name);
    listing_int(&rows, p->run);
    listing_int(&rows, p->counts.done);
    listing_int(&rows, p->counts.capped);
    listing_int(&rows, p->counts.failed);
    listing_int(&rows, p->counts.left);
    listing_int(&rows, p->counts.wanted);
    listing_real(&rows, p->tokens_mean, 0);
  }
  if (o->count) {
    listing_print(&rows, out);
  } else {
    text_put(out, "no job has run here; nightjar run JOB.yaml starts one\n");
  }
  listing_close(&rows);
}

static void put_state(const overview *o, text *out) {
  const last_process *p = &o->process;
  if (seems_running(o)) {
    text_put(out, "running: process ");
    output_printable(out, o->holder_name, strlen(o->holder_name));
  } else if (p->ended) {
    text_put(out, "not running; the last process ended");
  } else {
    text_put(out, "not running; the last process was killed");
  }
  text_put(out, ", started ");
  output_time(out, p->started_unix_ns);
  text_put(out, " on ");
  output_printable(out, p->device, strlen(p->device));
  text_char(out, '\n');
}

static void put_process(const overview *o, text *out) {
  const last_process *p = &o->process;
  double left = seconds_left(o);
  if (!p->id) return;
  text_char(out, '\n');
  put_state(o, out);
  text_format(out, "it stored %lld samples", (long long)p->samples);
  if (p->seconds > 0) {
    text_put(out, " in ");
    output_duration(out, p->seconds);
    text_format(out, ": %.1f samples and %.0f tokens_ref a second", per_second(p, p->samples),
                per_second(p, p->tokens_ref));
  }
  text_char(out, '\n');
  if (left > 0) {
    text_put(out, seems_running(o) ? "about " : "at this speed what is left takes ");
    output_duration(out, left);
    text_put(out, seems_running(o) ? " left\n" : "\n");
  }
}

static json_t *real_or_null(double value) {
  return value < 0 ? json_null() : json_real(value);
}

static json_t *condition_json(const progress *p) {
  return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "job",
                   output_json_text(p->job, strlen(p->job)), "condition",
                   output_json_text(p->name, strlen(p->name)), "run", (json_int_t)p->run, "wanted",
                   (json_int_t)p->counts.wanted, "done", (json_int_t)p->counts.done, "capped",
                   (json_int_t)p->counts.capped, "failed", (json_int_t)p->counts.failed, "left",
                   (json_int_t)p->counts.left, "tokens_ref_mean", real_or_null(p->tokens_mean));
}

static json_t *process_json(const overview *o) {
  const last_process *p = &o->process;
  if (!p->id) return json_null();
  return json_pack(
      "{s:I, s:I, s:b, s:b, s:o, s:o, s:I, s:I, s:f, s:o, s:o, s:o}", "id", (json_int_t)p->id,
      "started_unix_ns", (json_int_t)p->started_unix_ns, "ended", p->ended, "seems_running",
      seems_running(o), "host", output_json_text(p->host, strlen(p->host)), "device",
      output_json_text(p->device, strlen(p->device)), "samples", (json_int_t)p->samples,
      "tokens_ref", (json_int_t)p->tokens_ref, "seconds", p->seconds, "samples_per_second",
      real_or_null(per_second(p, p->samples)), "tokens_ref_per_second",
      real_or_null(per_second(p, p->tokens_ref)), "seconds_left", real_or_null(seconds_left(o)));
}

static json_t *shard_json(shard part) {
  char name[SHARD_NAME_BYTES];
  return part.count > 1 ? json_string(shard_name(part, name)) : json_null();
}

static status print_json(const invocation *in, const overview *o, detail *err) {
  json_t *list = json_array();
  for (size_t i = 0; list && i < o->count; i++) {
    if (!json_array_append_new(list, condition_json(&o->conditions[i]))) continue;
    json_decref(list);
    list = NULL;
  }
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
  if (!failed) failed = read_overview(in, s, &o, err);
  if (!failed) failed = print_overview(in, &o, err);
  overview_close(&o);
  (void)store_close(s, NULL);
  return failed;
}

const command command_status = {
    .name = "status",
    .arguments = "",
    .summary = "Shows what each job has done, what is left, and how fast it goes.",
    .more = "tokens_ref is the mean of a sample. The speed is the last process's, up to its last\n"
            "stored sample; the time left is what is left in tokens at that speed. Whether a\n"
            "process runs is judged by its record and the lock's file beside the store.\n",
    .prints_data = 1,
    .run = run_status};
