#include "reports/scores_internal.h"
#include "reports/stats.h"
#include "store/query.h"

#include <string.h>

/* In the order of the columns that load_cells reads. */
const char *const report_axes[] = {
    "tokens_ref",           "tokens_total", "seq_critical_path", "seq_critical_path_injected",
    "seq_longest_sequence", "flops",        "nodes_explored",    NULL};

double scores_number(const query *q, int column) {
  return query_is_null(q, column) ? STATS_NONE : query_real(q, column);
}

int scores_axis(const char *name) {
  for (int i = 0; report_axes[i]; i++) {
    if (!strcmp(report_axes[i], name)) return i;
  }
  return -1;
}

status scores_no_job(const store *s, const char *job, detail *err) {
  return fault(err, E_INPUT, "no job '%s' in %s; nightjar status lists the jobs it has", job,
               store_path(s));
}

static status load_job(scores *all, store *s, const char *job, detail *err) {
  query *q = NULL;
  int row = 0;
  status failed =
      query_open(&q, s,
                 "SELECT document, (SELECT count(*) FROM condition c WHERE c.job = j.name) "
                 "FROM job j WHERE j.name = ?",
                 err);
  if (!failed) {
    query_bind_text(q, 1, job);
    failed = query_next(q, &row, err);
  }
  if (!failed && !row) failed = scores_no_job(s, job, err);
  if (!failed) {
    all->job = arena_text(all->memory, job, strlen(job));
    all->document = query_keep(q, 0, all->memory);
    all->count = (size_t)query_int(q, 1);
    all->conditions = arena_take(all->memory, all->count + 1, sizeof *all->conditions);
    if (!all->job || !all->document || !all->conditions) failed = arena_full(all->memory, err);
  }
  query_close(q);
  return failed;
}

status scores_damaged(const char *what, int64_t value, detail *err) {
  return fault(
      err, E_STORE,
      "the store is damaged (it holds a %s of %lld, which nightjar never writes): restore a copy",
      what, (long long)value);
}

static status load_condition(scores *all, scores_condition *c, const query *q, detail *err) {
  c->name = query_keep(q, 0, all->memory);
  c->family = query_keep(q, 1, all->memory);
  c->checker = query_keep(q, 2, all->memory);
  c->token_unit = query_keep(q, 3, all->memory);
  if (!c->name || !c->family || !c->checker || !c->token_unit) return arena_full(all->memory, err);
  if (query_int(q, 4) < 1) return scores_damaged("number of repeats", query_int(q, 4), err);
  if (query_int(q, 5) < 0) return scores_damaged("number of tasks", query_int(q, 5), err);
  c->repeats = (size_t)query_int(q, 4);
  c->tasks = (size_t)query_int(q, 5);
  c->task_set = query_int(q, 6);
  for (int i = 0; i < SCORES_AXES; i++)
    c->limit[i] = STATS_NONE;
  c->limit[scores_axis("tokens_total")] = scores_number(q, 11);
  c->limit[scores_axis("seq_critical_path")] = scores_number(q, 12);
  size_t bytes = 0;
  const void *identity = query_blob(q, 7, &bytes);
  c->axes = (int)query_int(q, 8);
  c->votes_by_text = (int)query_int(q, 9);
  c->has_finisher = (int)query_int(q, 10);
  c->is_vote = (int)query_int(q, 13);
  if (bytes == HASH_BYTES) memcpy(c->identity.bytes, identity, HASH_BYTES);
  if (c->task_set != all->conditions[0].task_set) {
    return fault(
        err, E_INPUT,
        "job '%s': conditions '%s' and '%s' are over different task sets and share no task",
        all->job, all->conditions[0].name, c->name);
  }
  if (c->tasks > all->tasks) all->tasks = c->tasks;
  return OK;
}

static status load_conditions(scores *all, store *s, detail *err) {
  query *q = NULL;
  status failed =
      query_open(&q, s,
                 "SELECT c.name, c.family, c.checker, r.token_unit, c.repeats, "
                 "min(c.tasks, (SELECT count(*) FROM task t WHERE "
                 "t.task_set = r.task_set)), r.task_set, r.identity, "
                 "(SELECT count(*) FROM json_each(c.axes)), "
                 "coalesce(json_extract(r.parameters, '$.vote_key') = 'literal', 0), "
                 "coalesce(json_extract(r.parameters, '$.finisher.tokens') > 0, 0), "
                 "json_extract(r.parameters, '$.limit.tokens_total'), "
                 "CASE WHEN r.mode IN ('serial', 'vote') THEN "
                 "json_extract(r.parameters, '$.limit.tokens_thread') WHEN r.mode = 'hogwild' THEN "
                 "json_extract(r.parameters, '$.limit.forwards') END, r.mode = 'vote' "
                 "FROM condition c "
                 "JOIN run r ON r.id = c.run JOIN task_set w ON w.id = r.task_set "
                 "WHERE c.job = ? ORDER BY c.ordinal, c.id",
                 err);
  if (failed) return failed;
  query_bind_text(q, 1, all->job);
  size_t at = 0;
  for (int row = 0; !(failed = query_next(q, &row, err)) && row && at < all->count; at++) {
    failed = load_condition(all, &all->conditions[at], q, err);
    if (failed) break;
  }
  all->count = at;
  query_close(q);
  return failed;
}

static status load_units(scores *all, store *s, detail *err) {
  all->unit = arena_take(all->memory, all->tasks + 1, sizeof *all->unit);
  all->content = arena_take(all->memory, all->tasks + 1, sizeof *all->content);
  if (!all->unit || !all->content) return arena_full(all->memory, err);
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT ordinal, dense_rank() OVER (ORDER BY coalesce(cluster, "
                             "ordinal)) - 1, cluster IS NOT NULL, hash FROM task "
                             "WHERE task_set = ? AND ordinal < ?",
                             err);
  if (failed) return failed;
  query_bind_int(q, 1, all->count ? all->conditions[0].task_set : 0);
  query_bind_int(q, 2, (int64_t)all->tasks);
  for (int row = 0; !(failed = query_next(q, &row, err)) && row;) {
    int32_t unit = (int32_t)query_int(q, 1);
    int64_t ordinal = query_int(q, 0);
    if (ordinal < 0) {
      failed = scores_damaged("task ordinal", ordinal, err);
      break;
    }
    size_t bytes = 0;
    const void *content = query_blob(q, 3, &bytes);
    if (bytes == HASH_BYTES) memcpy(all->content[ordinal].bytes, content, HASH_BYTES);
    all->unit[ordinal] = unit;
    if ((size_t)unit + 1 > all->units) all->units = (size_t)unit + 1;
    all->clustered |= query_int(q, 2) != 0;
  }
  query_close(q);
  return failed;
}

static status load_cell(const scores *all, scores_condition *c, const query *q, detail *err) {
  int64_t ordinal = query_int(q, 0), of_repeat = query_int(q, 1);
  if (ordinal < 0 || (uint64_t)ordinal >= all->tasks)
    return scores_damaged("task ordinal", ordinal, err);
  if (of_repeat < 0 || (uint64_t)of_repeat >= c->repeats) {
    return scores_damaged("sample repeat", of_repeat, err);
  }
  size_t task = (size_t)ordinal, repeat = (size_t)of_repeat;
  scores_cell *cell = &c->cells[task * c->repeats + repeat];
  cell->state = query_is_null(q, 2) ? CELL_UNUSABLE : CELL_SCORED;
  cell->score = scores_number(q, 2);
  c->scored += cell->state == CELL_SCORED;
  for (int i = 0; i < SCORES_AXES; i++) {
    cell->cost[i] = scores_number(q, 3 + i);
    c->priced[i] += cell->state == CELL_SCORED && stats_known(cell->cost[i]);
  }
  return OK;
}

static status load_cells(scores *all, scores_condition *c, query *q, detail *err) {
  size_t cells;
  if (__builtin_mul_overflow(all->tasks, c->repeats, &cells) || cells == SIZE_MAX) {
    return scores_damaged("number of repeats", (int64_t)c->repeats, err);
  }
  c->cells = arena_take(all->memory, cells + 1, sizeof *c->cells);
  if (!c->cells) return arena_full(all->memory, err);
  query_rewind(q);
  query_bind_text(q, 1, all->job);
  query_bind_text(q, 2, c->name);
  status failed = OK;
  for (int row = 0; !(failed = query_next(q, &row, err)) && row;) {
    failed = load_cell(all, c, q, err);
    if (failed) break;
  }
  return failed;
}

status scores_load(scores *out, store *s, const char *job, arena *memory, detail *err) {
  *out = (scores){.memory = memory};
  query *q = NULL;
  status failed = load_job(out, s, job, err);
  if (!failed) failed = load_conditions(out, s, err);
  if (!failed) failed = load_units(out, s, err);
  if (!failed) {
    failed = query_open(&q, s,
                        "SELECT t.ordinal, s.repeat, CASE WHEN s.status <> 'failed' THEN v.score "
                        "END, s.tokens_ref, s.tokens_total, s.seq_critical_path, "
                        "s.seq_critical_path_injected, s.seq_longest_sequence, s.flops, "
                        "s.nodes_explored "
                        "FROM condition c "
                        "CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats "
                        "CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks "
                        "LEFT JOIN verdict v ON v.sample = s.id AND v.thread = -1 "
                        "AND v.checker = c.checker WHERE c.job = ? AND c.name = ?",
                        err);
  }
  for (size_t i = 0; !failed && i < out->count; i++)
    failed = load_cells(out, &out->conditions[i], q, err);
  query_close(q);
  return failed;
}
