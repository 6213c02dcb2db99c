/* A job against a store: which run each condition is, what is done and what is left. Conditions of
   the same identity share a run. Models are opened, each folder once, and what a run needs of its
   own is resolved; no weight is packed. Owner's thread of the store. */
#ifndef PIPELINE_PLAN_H
#define PIPELINE_PLAN_H

#include "pipeline/runner.h"
#include "pipeline/shard.h"
#include "solvers/checker.h"
#include "solvers/symbolic.h"
#include "store/store.h"

enum { PLAN_CHECKERS_MAX = 4 };

typedef struct planned_run {
  int64_t run;                /* 0 while it is only planned */
  int fresh;                  /* no store held it before */
  const job_condition *first; /* of the conditions that share it */
  json_t *parameters;         /* owned: the condition's, settled where there is a model */
  job_model *model;           /* borrowed from the plan; NULL: the run needs none */
  runner_rules rules;         /* of a run with a model */
  symbolic_options options;   /* of one without */
  const checker *checkers[PLAN_CHECKERS_MAX]; /* of all its conditions */
  int checker_count;
  char *identity;                /* canonical JSON */
  const char *determinism_class; /* borrowed */
  store_work_filter filter;
  store_counts counts;
} planned_run;

enum { PLAN_CLASS_BYTES = 128 };

typedef struct plan {
  const job *job;
  job_model **models; /* [model_count] in order of first use */
  size_t model_count;
  char model_class[PLAN_CLASS_BYTES]; /* of runs with a model; empty without any */
  store_task_set tasks;
  int64_t task_count; /* of the set, or the limit */
  shard part;         /* which of its samples are planned; counts are of these */
  planned_run *runs;  /* [run_count] in order of first use */
  size_t run_count;
  size_t *run_of; /* [job->condition_count] index into runs */
} plan;

/* What of a job is to be done. */
typedef struct plan_part {
  int64_t task_limit;       /* the first tasks of the set; negative: all */
  shard of;                 /* {0, 1}: everything */
  const char *class_suffix; /* makes the class of runs with a model another; NULL: none */
  const char *hash_cache;   /* of models, as in model_hash; NULL: none */
  logger *messages;         /* about models; NULL: none */
} plan_part;

/* Reads only; part NULL is the whole job. A part changes which samples are planned and counted,
   never what the job's conditions are, but for the tasks that a limit leaves. The job is borrowed
   until plan_close; conditions without a checker get the task set's. E_INPUT: no such task set, a
   mode, protocol or checker that does not fit its kind, a model that cannot be run or does not have
   what a condition asks for. */
MUST_CHECK status plan_open(plan **out, store *s, job *j, const plan_part *part, detail *err);
/* Writes job, models, runs and conditions into the store, and judges what a new checker has not
 * seen. */
MUST_CHECK status plan_commit(plan *p, store *s, logger *messages, detail *err);
void plan_close(plan *p);

/* The runs of this model (NULL: those that need none) that have something left, in the plan's
   order. runs: [run_count]; returns how many. */
size_t plan_left(const plan *p, const job_model *of, planned_run **runs);

/* Says for each condition whether its run is there and, where not, which field makes it new. */
MUST_CHECK status plan_explain(const plan *p, store *s, text *out, detail *err);

#endif
