#include "pipeline/shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Digits only: strtoll would take signs and spaces too. */
static int read_number(const char *word, const char **end, int64_t *out) {
  if (*word < '0' || *word > '9') return 0;
  char *rest;
  errno = 0;
  *out = strtoll(word, &rest, 10);
  *end = rest;
  return errno == 0;
}

status shard_read(const char *word, shard *out, detail *err) {
  int64_t index, count;
  const char *rest;
  int good = read_number(word, &rest, &index) && *rest == '/' &&
             read_number(rest + 1, &rest, &count) && !*rest;
  if (!good || index < 1 || index > count || count > SHARDS_MAX) {
    return fault(err, E_USAGE,
                 "--shard must be i/n with i from 1 to n, n at most %d, such as 3/8, not '%s'",
                 (int)SHARDS_MAX, word);
  }
  *out = (shard){.index = (int32_t)(index - 1), .count = (int32_t)count};
  return OK;
}

static status read_variable(const char *name, const char *value, int64_t *out, detail *err) {
  const char *rest;
  if (!value) {
    return fault(err, E_USAGE,
                 "%s is not set, though other variables of a job array are; say --shard i/n, or "
                 "--shard 1/1 to run everything",
                 name);
  }
  if (read_number(value, &rest, out) && !*rest) return OK;
  return fault(err, E_USAGE,
               "%s is '%s', not a number; say --shard i/n, or --shard 1/1 to run everything", name,
               value);
}

status shard_of_array(const shard_array *a, shard *out, int *found, detail *err) {
  int64_t id, count, min, step, max = 0;
  *found = a->id || a->count || a->min || a->step || a->max;
  if (!*found) return OK;
  status st = read_variable("SLURM_ARRAY_TASK_ID", a->id, &id, err);
  if (!st) st = read_variable("SLURM_ARRAY_TASK_COUNT", a->count, &count, err);
  if (!st) st = read_variable("SLURM_ARRAY_TASK_MIN", a->min, &min, err);
  if (!st) st = read_variable("SLURM_ARRAY_TASK_STEP", a->step, &step, err);
  if (!st && a->max) st = read_variable("SLURM_ARRAY_TASK_MAX", a->max, &max, err);
  if (st) return st;
  int even = step > 0 && id >= min && (id - min) % step == 0;
  if (even && a->max) even = max >= id && (max - min) / step == count - 1;
  if (!even || count < 1 || count > SHARDS_MAX || (id - min) / step >= count) {
    return fault(err, E_USAGE,
                 "task %lld of a job array of %lld from %lld in steps of %lld has no place among "
                 "them: use an array without gaps, such as --array=1-8, or say --shard i/n",
                 (long long)id, (long long)count, (long long)min, (long long)step);
  }
  *out = (shard){.index = (int32_t)((id - min) / step), .count = (int32_t)count};
  return OK;
}

const char *shard_name(shard s, char out[SHARD_NAME_BYTES]) {
  (void)snprintf(out, SHARD_NAME_BYTES, "%d/%d", s.index + 1, s.count);
  return out;
}
