#include "pipeline/overview.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* Processes that computed samples again only, which are no part of a night. */
#define RUNS_SAMPLES                                                                               \
  "(NOT json_valid(settings) OR coalesce(json_extract(settings, '$.verify'), 0) = 0)"

void overview_close(overview *o) {
  for (size_t i = 0; i < o->count; i++) {
    memory_free(o->conditions[i].job);
    memory_free(o->conditions[i].name);
  }
  for (size_t i = 0; i < o->part_count; i++)
    memory_free(o->parts[i].model);
  memory_free(o->conditions);
  memory_free(o->parts);
}

/* ---- conditions ------------------------------------------------------------------------------ */

static status no_room(detail *err) {
  return fault(err, E_MEMORY, "no memory to list the conditions");
}

/* A list with room for one more, zeroed, behind its count; NULL: no memory. */
static void *with_room(void *list, size_t count, size_t *capacity, size_t bytes) {
  if (count == *capacity) {
    size_t more = *capacity ? 2 * *capacity : 64;
    list = memory_grow(list, more * bytes);
    if (!list) return NULL;
    *capacity = more;
  }
  memset((char *)list + count * bytes, 0, bytes);
  return list;
}

/* The part of a model's hash and name in these columns. */
static status find_part(overview *o, const query *q, int column, size_t *out, detail *err) {
  size_t bytes;
  hash of = {{0}};
  int has_model = !query_is_null(q, column);
  const void *stored = query_blob(q, column, &bytes);
  if (has_model && bytes == HASH_BYTES) memcpy(of.bytes, stored, HASH_BYTES);
  for (*out = 0; *out < o->part_count; ++*out) {
    const overview_part *p = &o->parts[*out];
    if (!p->model == !has_model && hash_equal(&p->hash, &of)) return OK;
  }
  overview_part *parts = with_room(o->parts, o->part_count, &o->part_capacity, sizeof *parts);
  if (!parts) return no_room(err);
  overview_part *made = &parts[o->part_count++];
  o->parts = parts;
  char hex[HASH_HEX_BYTES];
  made->hash = of;
  if (!has_model) return OK;
  made->model = memory_copy_text(query_is_null(q, column + 1) ? hash_hex(&of, hex)
                                                              : query_text(q, column + 1));
  return made->model ? OK : no_room(err);
}

/* What a job wants of a run is what `run` would do: the same tasks, repeats and attempts. */
static status read_condition(store *s, const query *q, overview *o, detail *err) {
  overview_condition *list = with_room(o->conditions, o->count, &o->capacity, sizeof *list);
  if (!list) return no_room(err);
  overview_condition *c = &list[o->count++];
  o->conditions = list;
  *c = (overview_condition){.tokens_ref = -1, .tokens_generated = -1, .work = -1};
  c->job = memory_copy_text(query_text(q, 0));
  c->name = memory_copy_text(query_text(q, 1));
  if (!c->job || !c->name) return no_room(err);
  c->run = query_int(q, 2);
  status failed = find_part(o, q, 6, &c->part, err);
  if (failed) return failed;
  store_work_filter filter = {.run = c->run,
                              .task_limit = query_int(q, 3),
                              .repeats = (int32_t)query_int(q, 4),
                              .attempts_max = (int32_t)query_int(q, 5) + 1,
                              .shard = o->part.index,
                              .shards = o->part.count};
  return store_work_count(s, &filter, &c->counts, err);
}

static status read_conditions(store *s, overview *o, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT c.job, c.name, c.run, c.tasks, c.repeats, "
                             "coalesce(json_extract(j.document, '$.retries'), 2), "
                             "r.model_hash, m.name "
                             "FROM condition c JOIN job j ON j.name = c.job "
                             "JOIN run r ON r.id = c.run "
                             "LEFT JOIN model m ON m.hash = r.model_hash "
                             "ORDER BY c.job, c.ordinal",
                             err);
  for (int row = 1; !failed && row;) {
    failed = query_next(q, &row, err);
    if (!failed && row) failed = read_condition(s, q, o, err);
  }
  query_close(q);
  return failed;
}

static double real_or(const query *q, int column, double otherwise) {
  return query_is_null(q, column) ? otherwise : query_real(q, column);
}

static status read_means(store *s, overview *o, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT avg(tokens_ref), avg(tokens_generated), "
                             "avg(CASE WHEN derived THEN 0 ELSE tokens_generated END) "
                             "FROM sample WHERE run = ?1 AND status <> 'failed'",
                             err);
  for (size_t i = 0; !failed && i < o->count; i++) {
    overview_condition *c = &o->conditions[i];
    int row;
    query_rewind(q);
    query_bind_int(q, 1, c->run);
    failed = query_next(q, &row, err);
    if (failed || !row) continue;
    c->tokens_ref = real_or(q, 0, -1);
    c->tokens_generated = real_or(q, 1, -1);
    c->work = o->parts[c->part].model ? real_or(q, 2, -1) : c->tokens_ref;
  }
  query_close(q);
  return failed;
}

/* ---- the last process ------------------------------------------------------------------------ */

static status read_process(store *s, overview_process *p, detail *err) {
  query *q = NULL;
  status failed =
      query_open(&q, s,
                 "SELECT p.id, p.started_unix_ns, p.ended_ns, p.host, p.device, count(s.id), "
                 "coalesce(sum(s.tokens_ref), 0), coalesce(max(s.ended_ns), 0), "
                 "p.id = (SELECT max(id) FROM process), "
                 "CASE WHEN json_valid(settings) THEN json_extract(settings, '$.threads') END "
                 "FROM process p LEFT JOIN sample s ON s.process = p.id "
                 "WHERE p.id = (SELECT max(id) FROM process WHERE " RUNS_SAMPLES ") GROUP BY p.id",
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
    p->is_last = (int)query_int(q, 8);
    p->threads = query_int(q, 9);
  }
  query_close(q);
  return failed;
}

/* Without a model from the process's start on, as all of it waits for nothing; with one from when
   its first sample began, which is when the model is there. */
static status read_parts(store *s, overview *o, detail *err) {
  query *q = NULL;
  status failed = query_open(
      &q, s,
      "SELECT r.model_hash, m.name, "
      "coalesce(sum(CASE WHEN r.model_hash IS NULL THEN s.tokens_ref "
      "WHEN NOT s.derived THEN s.tokens_generated END), 0), "
      "CASE WHEN r.model_hash IS NULL THEN 0 ELSE min(s.started_ns) END, max(s.ended_ns) "
      "FROM sample s JOIN run r ON r.id = s.run LEFT JOIN model m ON m.hash = r.model_hash "
      "WHERE s.process = ?1 GROUP BY r.model_hash",
      err);
  if (failed) return failed;
  query_bind_int(q, 1, o->process.id);
  for (int row = 1; !failed && row;) {
    size_t at;
    failed = query_next(q, &row, err);
    if (!failed && row) failed = find_part(o, q, 0, &at, err);
    if (failed || !row) break;
    o->parts[at].tokens = query_int(q, 2);
    o->parts[at].from_ns = query_int(q, 3);
    o->parts[at].until_ns = query_int(q, 4);
  }
  query_close(q);
  return failed;
}

static status read_load(store *s, int64_t process, overview_load *l, detail *err) {
  query *q = NULL;
  int row = 0;
  status failed = query_open(
      &q, s,
      "SELECT count(*) OVER (), sum(sampled) OVER (), sum(interval_ns) OVER (), at_ns, "
      "interval_ns, sampled, record_ns, pages, pages_used, threads_running, threads_waiting, "
      "samples FROM engine_load WHERE process = ?1 ORDER BY at_ns DESC LIMIT 1",
      err);
  if (failed) return failed;
  query_bind_int(q, 1, process);
  failed = query_next(q, &row, err);
  if (!failed && row) {
    int64_t *const numbers[] = {
        &l->intervals,    &l->sampled,        &l->interval_ns, &l->last_at_ns, &l->last_interval_ns,
        &l->last_sampled, &l->last_record_ns, &l->pages,       &l->pages_used};
    for (int i = 0; i < 9; i++)
      *numbers[i] = query_int(q, i);
    l->threads_running = query_real(q, 9);
    l->threads_waiting = query_real(q, 10);
    l->samples = query_real(q, 11);
  }
  query_close(q);
  return failed;
}

/* ---- the store ------------------------------------------------------------------------------- */

/* A shard's store holds its share only, and that is what it is expected to hold. */
static status read_shard(store *s, shard *out, detail *err) {
  query *q = NULL;
  int row = 0;
  *out = (shard){.count = 1};
  status failed = query_open(&q, s,
                             "SELECT min(shard) FROM (SELECT CASE WHEN json_valid(settings) THEN "
                             "json_extract(settings, '$.shard') END AS shard FROM process "
                             "WHERE " RUNS_SAMPLES ") "
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

status overview_read(overview *out, store *s, detail *err) {
  out->holder = place_holder(store_path(s), out->holder_name, sizeof out->holder_name);
  status failed = read_shard(s, &out->part, err);
  if (!failed) failed = read_conditions(s, out, err);
  if (!failed) failed = read_means(s, out, err);
  if (!failed) failed = read_unasked(s, &out->unasked, err);
  if (!failed) failed = read_process(s, &out->process, err);
  if (!failed) failed = read_parts(s, out, err);
  return failed ? failed : read_load(s, out->process.id, &out->load, err);
}

/* ---- what follows from it -------------------------------------------------------------------- */

/* A killed process leaves its record open, and `tasks make` holds the lock without one. */
int overview_seems_running(const overview *o) {
  return o->process.id && !o->process.ended && o->process.is_last &&
         (o->holder == HOLDER_ALIVE || o->holder == HOLDER_AWAY);
}

static size_t count_models(const overview *o) {
  size_t models = 0;
  for (size_t i = 0; i < o->part_count; i++)
    models += o->parts[i].model != NULL;
  return models;
}

int overview_has_models(const overview *o) {
  return count_models(o) > 0;
}

static double load_speed(const overview_load *l) {
  return l->interval_ns > 0 ? (double)l->sampled / ((double)l->interval_ns / 1e9) : -1;
}

/* The engine's own count knows the tokens of samples that have not ended, but not of which model
   they are. */
double overview_speed(const overview *o, size_t part) {
  const overview_part *p = &o->parts[part];
  double seconds = ((double)p->until_ns - (double)p->from_ns) / 1e9;
  if (p->model && count_models(o) == 1 && o->load.intervals) return load_speed(&o->load);
  if (seconds > 0 && p->tokens > 0) return (double)p->tokens / seconds;
  return p->model && o->load.intervals ? load_speed(&o->load) : -1;
}

/* Of all conditions of a part, for those without a sample of their own; negative: none at all. */
static double mean_work(const overview *o, size_t part) {
  double sum = 0, samples = 0;
  for (size_t i = 0; i < o->count; i++) {
    const overview_condition *c = &o->conditions[i];
    if (c->part != part || c->work < 0) continue;
    sum += c->work * (double)(c->counts.done + c->counts.capped);
    samples += (double)(c->counts.done + c->counts.capped);
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

/* Tokens that a part still needs; negative: cannot be told. */
static double work_left(const overview *o, size_t part) {
  double mean = mean_work(o, part), work = 0;
  for (size_t i = 0; i < o->count; i++) {
    const overview_condition *c = &o->conditions[i];
    double own = c->work < 0 ? mean : c->work;
    if (c->part != part || c->counts.left == 0 || is_counted_elsewhere(o, i)) continue;
    if (own < 0) return -1;
    work += own * (double)c->counts.left;
  }
  return work;
}

/* Tokens of a running process's samples that have not ended. */
static double work_under_way(const overview *o) {
  double begun = (double)o->load.sampled;
  for (size_t i = 0; i < o->part_count; i++)
    begun -= o->parts[i].model ? (double)o->parts[i].tokens : 0;
  return overview_seems_running(o) && begun > 0 ? begun : 0;
}

double overview_seconds_left(const overview *o) {
  double seconds = 0, under_way = work_under_way(o);
  if (!o->process.id) return -1;
  for (size_t i = 0; i < o->part_count; i++) {
    double work = work_left(o, i), speed = overview_speed(o, i);
    if (work == 0) continue;
    if (work < 0 || speed <= 0) return -1;
    if (o->parts[i].model) {
      double begun = under_way < work ? under_way : work;
      work -= begun;
      under_way -= begun;
    }
    seconds += work / speed;
  }
  return seconds;
}
