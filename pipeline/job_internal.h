/* Shared by the files that read a job: mappings through a table of fields, settings of models, the
   sweep, and contrasts. */
#ifndef PIPELINE_JOB_INTERNAL_H
#define PIPELINE_JOB_INTERNAL_H

#include "pipeline/job.h"
#include "pipeline/yaml.h"

#define JOB_BUDGET_MAX 0x1p53 /* of a contrast: whole numbers are exact up to here */

typedef enum field_type {
  FIELD_TEXT,
  FIELD_INTEGER,
  FIELD_REAL,
  FIELD_FLAG,
  FIELD_LIST,
  FIELD_MAP,
  FIELD_PATHS /* a text or a list: models_read checks it */
} field_type;

/* One key that a mapping may have. low and high bound numbers, and the bytes of a text. */
typedef struct field {
  const char *key;
  field_type type;
  int required;
  int64_t low, high;
  const char *meaning; /* what was expected, for the message that says it is missing */
} field;

/* Folders of models, each once. */
typedef struct model_list {
  const char **paths, **names; /* [count]; names are set where they tell several apart */
  size_t count;
} model_list;

/* What an entry has where it says nothing of its own. */
typedef struct entry_defaults {
  const char *checker;       /* NULL: none */
  model_list models;         /* for modes that need one */
  const yaml_node *sampling; /* for the same; NULL: none */
} entry_defaults;

typedef struct job_reader {
  const job_source *source;
  job *job;
  size_t capacity;  /* of job->conditions */
  arena *scratch;   /* until the job is read: the tree, lists of names */
  json_t *names;    /* condition name to its line */
  json_t *families; /* family name to the number of its conditions */
  size_t contrasts; /* so far, each budget by itself */
  json_t *contrasts_seen;
  entry_defaults defaults;
  int models_used; /* whether an entry took the defaults' */
  int has_models;  /* whether a condition has a model */
  detail *err;
} job_reader;

/* Finds each field of a mapping in found[field_count] (NULL where it is absent) and checks its type
   and bounds. open: other keys are the caller's to check. */
MUST_CHECK status fields_read(const job_reader *r, const yaml_node *map, const field *fields,
                              size_t field_count, int open, const yaml_node **found);
MUST_CHECK status fields_check(const job_reader *r, const field *f, const yaml_node *node);

/* E_INPUT: an unknown key, mode, ...; names the nearest known word, and up to a screenful of all.
 */
status unknown_word(const job_reader *r, int line, const char *what, const char *word,
                    const char *const *known, size_t known_count);
/* E_INPUT: "key: expected ..., not ...". */
status unexpected(const job_reader *r, const yaml_node *node, const char *key, const char *format,
                  ...) PRINTF_LIKE(4, 5);
/* E_INPUT unless the text is letters, digits, "._+-" and the extra characters, neither first nor
   last an extra one. */
MUST_CHECK status check_name(const job_reader *r, const yaml_node *node, const char *extra);
int is_name(const char *bytes, size_t count, const char *extra); /* by the same rule */
MUST_CHECK status copy_text(const job_reader *r, const char *source, const char **out);
MUST_CHECK status no_memory(const job_reader *r);

/* One value of a parameter, checked and normalised by its row of the mode's table. */
MUST_CHECK status option_read(const job_reader *r, const option *o, const yaml_node *node,
                              json_t **out);
/* A checker's name among the known ones, copied. */
MUST_CHECK status checker_read(const job_reader *r, const yaml_node *node, const char **out);
/* Appends the conditions of one entry to the job. */
MUST_CHECK status entry_read(job_reader *r, const yaml_node *entry);
/* A path or a list of paths. */
MUST_CHECK status models_read(const job_reader *r, const yaml_node *node, model_list *out);
/* Mappings `engine` and `record`; NULL: absent. */
MUST_CHECK status engine_read(const job_reader *r, const yaml_node *map, job_engine *out);
MUST_CHECK status record_read(const job_reader *r, const yaml_node *map, int *logprobs);
/* How the resolved document writes them; NULL when memory is out. */
json_t *engine_document(const job_engine *e);

/* The job's contrasts; its conditions are there. NULL: none. */
MUST_CHECK status compare_read(job_reader *r, const yaml_node *list);

#endif
