/* nightjar rescore: judges a job's stored answers again, without generating. */
#include "pipeline/command.h"
#include "pipeline/jobs.h"
#include "pipeline/judge.h"
#include "pipeline/plan.h"
#include "reports/report.h"

#include <string.h>

static status rescore_run(const invocation *in, store *s, const planned_run *r, text *out,
                          detail *err) {
  if (r->fresh) {
    log_warn(in->messages, "%s: no samples are stored; nightjar run makes them", r->first->name);
    return OK;
  }
  for (int i = 0; i < r->checker_count; i++) {
    int64_t judged = 0, changed = 0;
    status st = judge_run(s, r, r->checkers[i], 1, &judged, &changed, err);
    if (st) return st;
    if (in->json) {
      text_put(out, "{\"run\":");
      json_quote(out, r->first->name, strlen(r->first->name));
      text_format(out, ",\"checker\":\"%s\",\"version\":%d,\"judged\":%lld,\"changed\":%lld}\n",
                  r->checkers[i]->name, r->checkers[i]->version, (long long)judged,
                  (long long)changed);
    } else {
      text_format(out, "%-44s %-20s %9lld judged %9lld changed\n", r->first->name,
                  r->checkers[i]->name, (long long)judged, (long long)changed);
    }
  }
  return OK;
}

static status rescore_job(const invocation *in, store *s, job *j, detail *err) {
  plan *p = NULL;
  char hashes[PATH_MAX];
  plan_part all = {.task_limit = -1, .of = {0, 1}, .messages = in->messages};
  text out;
  text_open(&out, 16 << 20);
  if (job_has_models(j)) all.hash_cache = command_model_cache(in, hashes);
  status st = command_class(in, &all.class_suffix, err);
  if (!st) st = plan_open(&p, s, j, &all, err);
  for (size_t i = 0; !st && i < p->run_count; i++)
    st = rescore_run(in, s, &p->runs[i], &out, err);
  detail refused = {0};
  status compared = st ? OK : report_comparisons(s, j->name, &refused);
  if (compared) log_warn(in->messages, "%s", refused.text);
  if (!st) st = command_print(in, &out, err);
  plan_close(p);
  text_close(&out);
  return st;
}

static status run(const invocation *in, detail *err) {
  job *j = NULL;
  store *s = NULL;
  status st = jobs_load(&j, in->arguments[0], err);
  if (!st) st = command_store(in, STORE_WRITE, &s, err);
  if (!st) st = rescore_job(in, s, j, err);
  status closed = store_close(s, st ? NULL : err);
  job_close(j);
  return st ? st : closed;
}

static const command_option options[] = {
    {"new-class", "NAME", "the runs that nightjar run made under this name"}, {NULL, NULL, NULL}};

const command command_rescore = {.name = "rescore",
                                 .arguments = "JOB.yaml",
                                 .summary = "Judges the stored answers of a job again.",
                                 .more = NULL,
                                 .options = options,
                                 .arguments_min = 1,
                                 .arguments_max = 1,
                                 .prints_data = 1,
                                 .run = run};
