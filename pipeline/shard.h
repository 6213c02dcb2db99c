/* A share of a job's samples, for machines that work apart: sample (task, repeat) belongs to shard
   (task ordinal + repeat) modulo count. Every shard knows the whole job, so that stores of shards
   merge into the store that one run would have made. Pure: the environment is the caller's. */
#ifndef PIPELINE_SHARD_H
#define PIPELINE_SHARD_H

#include "base/status.h"

enum { SHARDS_MAX = 100000, SHARD_NAME_BYTES = 24 };

typedef struct shard {
  int32_t index, count; /* index from 0; a person counts from 1 */
} shard;

/* "i/n" with 1 <= i <= n. E_USAGE. */
MUST_CHECK status shard_read(const char *word, shard *out, detail *err);

/* What SLURM says of an array's task in SLURM_ARRAY_TASK_ID, _COUNT, _MIN, _STEP and _MAX; NULL
   where a variable is not set. */
typedef struct shard_array {
  const char *id, *count, *min, *step, *max;
} shard_array;

/* *found is 0 where none of them is set. E_USAGE: some are missing or no numbers, or the array has
   gaps, so that its tasks cannot be numbered from 1. Without max, which may be missing, only the
   tasks behind a gap can tell. */
MUST_CHECK status shard_of_array(const shard_array *a, shard *out, int *found, detail *err);

/* "3/8"; returns out. */
const char *shard_name(shard s, char out[SHARD_NAME_BYTES]);

#endif
