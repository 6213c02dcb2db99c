/* The job file: a task set, several ways to reason about it, and what to compare. YAML or the
   resolved document of a job (canonical JSON), which is read as a job again and gives the same one.

     name: quickstart            # required; letters, digits and ._+-, at most 64
     tasks: countdown-test       # required: a task set's name or name@version
     models: [models/countdown]  # folders, for conditions whose mode reasons with a model
     sampling: {temperature: 1}  # for the same, where an entry says nothing of its own
     seed: 42                    # 0
     repeats: 1                  # 1
     retries: 2                  # 2: a failed sample gets 1 + retries attempts over all runs
     allowed_failures: 0         # 0
     checker: countdown          # by the kind of the task set; a condition may name its own
     engine: {backend: auto, compute: bf16, kv_memory: 4GiB, slots: 64, rows: 512}
     record: {logprobs: true}    # false: whether traces keep log-probabilities
     conditions:                 # required: name and mode, model, checker, the mode's parameters
       - {name: sos+, mode: symbolic, search: sosp, beam: [1, 2, 3]}
       - {name: apr, mode: symbolic, search: apr, limit: {context: [2048, 4096]}}
     compare:                    # a and b; axis with at; margin
       - {a: apr, b: sos+, axis: tokens_ref, at: [2048, 4096], margin: 0.02}

   A list where a parameter's value is expected is an axis of the sweep; where the value is a list
   itself, a list of lists is. Axes multiply, the first in file order slowest: the models come
   first, then the job's sampling, then what the entry says. An entry with axes is one condition per
   point, named by the entry and ` dotted.path=value` per axis (`model=` and the folder's last name;
   `#n` for the n-th value of its axis where that is no short word), and the entry is their family;
   an entry without axes is one condition, and its own family. One model makes no axis. A resolved
   entry holds its `family` and `axes` beside its values, its model and its sampling among them.

   What is unknown, missing, given twice, of the wrong type or out of range is E_INPUT with the line
   and what was expected; nothing is read past it. Reading is pure: no file, no store. A job belongs
   to one thread and owns all that it points to, except modes. */
#ifndef PIPELINE_JOB_H
#define PIPELINE_JOB_H

#include "base/arena.h"
#include "solvers/option.h"

enum {
  JOB_BYTES_MAX = 8 << 20, /* of a file, and of the resolved document */
  JOB_CONDITIONS_MAX = 10000,
  JOB_CONTRASTS_MAX = 10000,     /* over all of compare, each budget of an axis by itself */
  JOB_NAME_BYTES_MAX = 64,       /* of a job */
  JOB_CONDITION_BYTES_MAX = 200, /* of a condition's or a family's name, and of a task set's */
  JOB_PATH_BYTES_MAX = 4095,     /* of a model's folder */
  JOB_MODELS_MAX = 64
};

/* How models are run. But for compute none of it changes a token. */
typedef struct job_engine {
  const char *backend;     /* "auto", "cpu" or "reference"; a constant */
  int fp32;                /* compute: fp32 instead of bf16 */
  int64_t kv_memory_bytes; /* of the cache; 0: chosen */
  int slots, rows;         /* threads and rows of a step; 0: chosen */
} job_engine;

typedef struct job_condition {
  const char *name, *family;
  const char *model;   /* its folder as the job names it; NULL: the mode needs none */
  const char *checker; /* NULL: by the kind of the task set */
  const mode *mode;    /* borrowed until job_close */
  json_t *parameters;  /* as the mode resolved them */
  json_t *axes;        /* dotted path, or "model", to value; {} for a condition without axes */
  int line;            /* of its entry */
} job_condition;

typedef struct job_contrast {
  const char *a, *b; /* each a family or a condition */
  const char *axis;  /* NULL: a plain contrast */
  const double *at;  /* [at_count] budgets on the axis, rising */
  size_t at_count;
  double margin; /* of equivalence, as a difference of accuracies */
  int line;
} job_contrast;

typedef struct job {
  const char *file; /* for messages */
  const char *name, *tasks;
  int tasks_line;
  int64_t seed, allowed_failures;
  int32_t repeats, retries;
  job_engine engine;
  int logprobs;              /* whether traces keep them */
  job_condition *conditions; /* [condition_count] in the order of the sweep */
  size_t condition_count;
  job_contrast *compare; /* [compare_count] */
  size_t compare_count;
  json_t *document; /* the resolved job: json_canonical of it is what the store keeps */
  arena *memory;    /* holds the texts and arrays above */
} job;

/* Everything is borrowed until job_read returns, the modes for as long as the job lives. */
typedef struct job_source {
  const char *name; /* the file, for messages */
  const char *bytes;
  size_t count;
  const mode *const *modes; /* [mode_count] */
  size_t mode_count;
  const char *const *checkers; /* [checker_count] names */
  size_t checker_count;
} job_source;

int job_has_models(const job *j); /* whether a condition has one */

/* The last name of a model's folder, by which conditions of several models are told apart: *bytes
   of it within path. */
const char *job_model_name(const char *path, size_t *bytes);

/* E_INPUT; E_MEMORY. */
MUST_CHECK status job_read(job **out, const job_source *source, detail *err);
void job_close(job *j); /* NULL is a no-op */

/* Gives this checker to the conditions that name none, once the kind of the task set is known, and
   writes the document again. Copies. E_INPUT, E_MEMORY. */
MUST_CHECK status job_default_checker(job *j, const char *checker, detail *err);

#endif
