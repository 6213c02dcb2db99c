#include "base/memory.h"
#include "pipeline/identity.h"
#include "pipeline/judge.h"
#include "pipeline/plan_internal.h"
#include "store/query.h"

#include <string.h>

enum { MODEL_SHAPE_BYTES_MAX = 1 << 16 };

static const char *default_checker(const char *kind) {
  size_t count;
  const char *const *names = checker_names(&count);
  for (size_t i = 0; i < count; i++) {
    if (!strcmp(checker_find(names[i])->kind, kind)) return names[i];
  }
  return NULL;
}

/* The place of the run with this identity in the plan, or of a new one. */
static size_t find_run(const plan *p, const char *wanted) {
  size_t i = 0;
  while (i < p->run_count && strcmp(p->runs[i].identity, wanted) != 0)
    i++;
  return i;
}

static status add_checker(planned_run *r, const plan *p, const job_condition *c, detail *err) {
  const checker *wanted = checker_find(c->checker);
  if (!wanted || strcmp(wanted->kind, p->tasks.kind) != 0) {
    return fault_at(err, E_INPUT, p->job->file, c->line,
                    "condition '%s': checker '%s' does not judge tasks of kind '%s'; name another, "
                    "or leave it out",
                    c->name, c->checker, p->tasks.kind);
  }
  if (wanted->needs_trace && c->mode->has_voters) {
    return fault_at(err, E_INPUT, p->job->file, c->line,
                    "condition '%s': checker '%s' reads a whole text, and a vote is counted from "
                    "answers; name another, or use mode serial",
                    c->name, c->checker);
  }
  if (wanted->needs_trace && json_object_get(c->parameters, "workers")) {
    return fault_at(err, E_INPUT, p->job->file, c->line,
                    "condition '%s': checker '%s' reads the text of a sample's first thread, and "
                    "any worker may have the answer; name another, or leave it out",
                    c->name, c->checker);
  }
  for (int i = 0; i < r->checker_count; i++) {
    if (r->checkers[i] == wanted) return OK;
  }
  if (r->checker_count == PLAN_CHECKERS_MAX) {
    return fault(err, E_INPUT, "condition '%s': more than %d checkers for one run", c->name,
                 (int)PLAN_CHECKERS_MAX);
  }
  r->checkers[r->checker_count++] = wanted;
  return OK;
}

/* Looks up what of a new run is there. */
static status count_run(const plan *p, store *s, planned_run *r, detail *err) {
  status st = store_run_find(s, r->identity, &r->run, err);
  r->fresh = r->run == 0;
  r->filter = (store_work_filter){.run = r->run,
                                  .task_limit = p->task_count,
                                  .repeats = p->job->repeats,
                                  .attempts_max = 1 + p->job->retries,
                                  .shard = p->part.index,
                                  .shards = p->part.count};
  r->counts.wanted = r->counts.left = store_work_wanted(&r->filter, p->task_count);
  if (!st && r->run) st = store_work_count(s, &r->filter, &r->counts, err);
  return st;
}

static status plan_condition(plan *p, store *s, const plan_part *part, size_t at, detail *err) {
  const job_condition *c = &p->job->conditions[at];
  planned_run settled;
  text json;
  status st = plan_settle(p, part, c, &settled, err);
  if (st) return st;
  text_open(&json, JOB_BYTES_MAX);
  st = plan_identity(p, &settled, c, &json, err);
  if (st) {
    text_close(&json);
    plan_let_go(&settled);
    return st;
  }
  settled.identity = json.data;
  p->run_of[at] = find_run(p, settled.identity);
  planned_run *r = &p->runs[p->run_of[at]];
  if (p->run_of[at] < p->run_count) {
    plan_let_go(&settled);
  } else {
    *r = settled;
    p->run_count++;
    st = count_run(p, s, r, err);
  }
  return st ? st : add_checker(r, p, c, err);
}

static status find_tasks(plan *p, store *s, detail *err) {
  detail why = {0};
  status st = store_task_set_find(s, p->job->tasks, &p->tasks, &why);
  return st ? fault_at(err, st, p->job->file, p->job->tasks_line, "%s", why.text) : OK;
}

/* Conditions that name no checker get the one of the tasks' kind. */
static status set_checkers(const plan *p, job *j, detail *err) {
  const char *by_kind = default_checker(p->tasks.kind);
  if (by_kind) return job_default_checker(j, by_kind, err);
  return fault_at(err, E_INPUT, j->file, j->tasks_line,
                  "no checker of this build judges tasks of kind '%s', as those of '%s' are; "
                  "name a set of another kind",
                  p->tasks.kind, j->tasks);
}

static status plan_all(plan *p, store *s, job *j, const plan_part *part, detail *err) {
  int64_t limit = part ? part->task_limit : -1;
  p->part = part ? part->of : (shard){.count = 1};
  p->runs = memory_zeroed(j->condition_count, sizeof *p->runs);
  p->run_of = memory_zeroed(j->condition_count, sizeof *p->run_of);
  p->models = memory_zeroed(j->condition_count, sizeof(job_model *));
  status st = p->runs && p->run_of && p->models ? OK : fault(err, E_MEMORY, "no memory for a plan");
  if (!st) st = find_tasks(p, s, err);
  for (size_t i = 0; !st && i < j->condition_count; i++)
    st = plan_check_kind(p, &j->conditions[i], err);
  if (!st) st = set_checkers(p, j, err);
  if (st) return st;
  p->task_count = limit >= 0 && limit < p->tasks.tasks ? limit : p->tasks.tasks;
  if (p->task_count == 0) {
    return fault(err, E_INPUT, "no tasks to run: '%s' with this limit has none", j->tasks);
  }
  for (size_t i = 0; !st && i < j->condition_count; i++)
    st = plan_condition(p, s, part, i, err);
  return st;
}

status plan_open(plan **out, store *s, job *j, const plan_part *part, detail *err) {
  plan *p = memory_zeroed(1, sizeof *p);
  if (!p) return fault(err, E_MEMORY, "no memory for a plan");
  p->job = j;
  status st = plan_all(p, s, j, part, err);
  if (st) {
    plan_close(p);
    return st;
  }
  *out = p;
  return OK;
}

size_t plan_left(const plan *p, const job_model *of, planned_run **runs) {
  size_t count = 0;
  for (size_t i = 0; i < p->run_count; i++) {
    planned_run *r = &p->runs[i];
    if (r->model == of && r->counts.left) runs[count++] = r;
  }
  return count;
}

void plan_close(plan *p) {
  if (!p) return;
  for (size_t i = 0; i < p->run_count; i++)
    plan_let_go(&p->runs[i]);
  for (size_t i = 0; i < p->model_count; i++)
    job_model_close(p->models[i]);
  memory_free(p->models);
  memory_free(p->runs);
  memory_free(p->run_of);
  memory_free(p);
}

static status commit_run(const plan *p, store *s, planned_run *r, detail *err) {
  text parameters;
  text_open(&parameters, JOB_BYTES_MAX);
  status st = json_canonical(r->parameters, &parameters, err);
  if (!st) {
    store_run_new fresh = {.identity_json = r->identity,
                           .task_set = p->tasks.id,
                           .mode = r->first->mode->name,
                           .parameters_json = text_string(&parameters),
                           .token_unit = r->first->mode->token_unit,
                           .determinism_class = r->determinism_class,
                           .seed = p->job->seed};
    if (r->model) {
      fresh.protocol = protocol_name(r->rules.protocol);
      fresh.token_unit = r->model->token_unit;
      fresh.model = &r->model->hash;
    }
    int made;
    st = store_run(s, &fresh, &r->run, &made, err);
    r->filter.run = r->run;
  }
  text_close(&parameters);
  return st;
}

/* The job's condition of this name and run, or the number of conditions. */
static size_t find_condition(const plan *p, const char *name, int64_t run) {
  size_t i = 0;
  while (i < p->job->condition_count &&
         (strcmp(p->job->conditions[i].name, name) != 0 || p->runs[p->run_of[i]].run != run))
    i++;
  return i;
}

/* Reads what the store's conditions of this job cover. tasks [condition_count] grows where they
   cover more: fewer by --limit must not hide samples that are there. What this file takes out of
   the reports is said. */
static status keep_covered(const plan *p, store *s, int64_t *tasks, logger *messages, detail *err) {
  query *q = NULL;
  int64_t lost = 0, fewer = 0;
  status st = query_open(&q, s,
                         "SELECT name, run, tasks, repeats, EXISTS (SELECT 1 FROM sample s WHERE "
                         "s.run = c.run) FROM condition c WHERE job = ?",
                         err);
  if (!st) query_bind_text(q, 1, p->job->name);
  for (int row = 1; !st && row;) {
    st = query_next(q, &row, err);
    if (st || !row) break;
    size_t i = find_condition(p, query_text(q, 0), query_int(q, 1));
    int found = i < p->job->condition_count, sampled = query_int(q, 4) != 0;
    if (found && query_int(q, 2) > tasks[i]) tasks[i] = query_int(q, 2);
    lost += !found && sampled;
    fewer += found && sampled && query_int(q, 3) > p->job->repeats;
  }
  query_close(q);
  if (!st && lost) {
    log_warn(messages,
             "job '%s' had %lld conditions with samples that this file does not name or changes; "
             "their runs stay in the store, but no report shows them. A job of another name would "
             "keep both",
             p->job->name, (long long)lost);
  }
  if (!st && fewer) {
    log_warn(messages, "repeats is less than before: reports use the first %d; all samples stay",
             p->job->repeats);
  }
  return st;
}

static status fill_row(const plan *p, size_t i, int64_t tasks, text *axes, store_condition *row,
                       detail *err) {
  const job_condition *c = &p->job->conditions[i];
  text_open(axes, JOB_BYTES_MAX);
  status st = json_canonical(c->axes, axes, err);
  *row = (store_condition){.job = p->job->name,
                           .name = c->name,
                           .family = c->family,
                           .checker = c->checker,
                           .axes_json = text_string(axes),
                           .ordinal = (int)i,
                           .repeats = p->job->repeats,
                           .run = p->runs[p->run_of[i]].run,
                           .tasks = tasks};
  return st;
}

static status commit_conditions(const plan *p, store *s, logger *messages, detail *err) {
  size_t count = p->job->condition_count;
  store_condition *rows = memory_zeroed(count, sizeof *rows);
  text *axes = memory_zeroed(count, sizeof *axes);
  int64_t *tasks = memory_zeroed(count, sizeof *tasks);
  status st = rows && axes && tasks ? OK : fault(err, E_MEMORY, "no memory for conditions");
  for (size_t i = 0; !st && i < count; i++)
    tasks[i] = p->task_count;
  if (!st) st = keep_covered(p, s, tasks, messages, err);
  for (size_t i = 0; !st && i < count; i++)
    st = fill_row(p, i, tasks[i], &axes[i], &rows[i], err);
  if (!st) st = store_conditions_put(s, p->job->name, rows, count, err);
  for (size_t i = 0; axes && i < count; i++)
    text_close(&axes[i]);
  memory_free(tasks);
  memory_free(axes);
  memory_free(rows);
  return st;
}

static status commit_job(const plan *p, store *s, detail *err) {
  text document;
  text_open(&document, JOB_BYTES_MAX);
  status st = json_canonical(p->job->document, &document, err);
  if (!st) st = store_job_put(s, p->job->name, text_string(&document), err);
  text_close(&document);
  return st;
}

static status commit_model(const job_model *m, store *s, detail *err) {
  const model_config *c = model_config_of(m->model);
  json_t *shape = job_model_shape(c);
  text config;
  text_open(&config, MODEL_SHAPE_BYTES_MAX);
  status st = shape ? json_canonical(shape, &config, err)
                    : fault(err, E_MEMORY, "no memory for a model's shape");
  if (!st) {
    store_model row = {.hash = m->hash,
                       .tokenizer = m->tokenizer_hash,
                       .name = m->name,
                       .architecture = c->architecture,
                       .config_json = text_string(&config),
                       .parameters = config_parameters(c),
                       .context = c->context,
                       .vocabulary = c->vocabulary};
    st = store_model_put(s, &row, err);
  }
  json_decref(shape);
  text_close(&config);
  return st;
}

status plan_commit(plan *p, store *s, logger *messages, detail *err) {
  status st = commit_job(p, s, err);
  for (size_t i = 0; !st && i < p->model_count; i++)
    st = commit_model(p->models[i], s, err);
  for (size_t i = 0; !st && i < p->run_count; i++)
    st = commit_run(p, s, &p->runs[i], err);
  if (!st) st = commit_conditions(p, s, messages, err);
  for (size_t i = 0; !st && i < p->run_count; i++) {
    const planned_run *r = &p->runs[i];
    for (int k = 0; !st && !r->fresh && k < r->checker_count; k++) {
      int64_t judged = 0, changed = 0;
      st = judge_run(s, r, r->checkers[k], 0, &judged, &changed, err);
      if (judged) {
        log_info(messages, "%s: %lld stored samples judged by %s %d", r->first->name,
                 (long long)judged, r->checkers[k]->name, r->checkers[k]->version);
      }
    }
  }
  return st;
}

/* ---- explaining ------------------------------------------------------------------------------ */

/* All identities that the store knows, as an array. */
static status known_identities(store *s, json_t **out, detail *err) {
  query *q = NULL;
  *out = json_array();
  status st = *out ? query_open(&q, s, "SELECT identity_json FROM run ORDER BY id", err)
                   : fault(err, E_MEMORY, "no memory for identities");
  for (int row = 1; !st;) {
    st = query_next(q, &row, err);
    if (st || !row) break;
    json_t *one = NULL;
    const char *json = query_text(q, 0);
    st = json_read(&one, json, strlen(json), "run.identity_json", 1, err);
    if (!st && json_array_append_new(*out, one)) st = fault(err, E_MEMORY, "no memory");
  }
  query_close(q);
  return st;
}

status plan_explain(const plan *p, store *s, text *out, detail *err) {
  json_t *known = NULL;
  status st = known_identities(s, &known, err);
  for (size_t i = 0; !st && i < p->job->condition_count; i++) {
    const planned_run *r = &p->runs[p->run_of[i]];
    text_format(out, "%s: ", p->job->conditions[i].name);
    if (!r->fresh) {
      text_format(out, "run %lld is there, %lld of %lld samples left\n", (long long)r->run,
                  (long long)r->counts.left, (long long)r->counts.wanted);
      continue;
    }
    text_put(out, "a new run\n");
    json_t *wanted = NULL;
    st = json_read(&wanted, r->identity, strlen(r->identity), "identity", 1, err);
    if (!st && json_array_size(known)) st = identity_explain(wanted, known, out, err);
    json_decref(wanted);
  }
  json_decref(known);
  return st;
}
