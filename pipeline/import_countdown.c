#include "pipeline/import_internal.h"
#include "solvers/countdown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Beyond this the exhaustive search would take longer than the import. */
enum { NUMBERS_TRIED_MAX = 5 };

int import_is_countdown(const json_t *record) {
  return json_object_get(record, "nums") && json_object_get(record, "target");
}

/* A field as it stands, or what its text says where a format has only texts: countdown_read says
   what is wrong with it. *out is a new reference. */
static status numbers_of(const json_t *value, json_t **out, detail *err) {
  const char *written = json_string_value(value);
  status failed = written ? json_read(out, written, strlen(written), "nums", 1, err) : E_INPUT;
  if (failed != E_INPUT) return failed;
  *out = json_deep_copy(value);
  return *out ? OK : fault(err, E_MEMORY, "no memory for a task");
}

static status target_of(const json_t *value, json_t **out, detail *err) {
  const char *written = json_string_value(value);
  char *end = NULL;
  errno = 0;
  long long number = written ? strtoll(written, &end, 10) : 0;
  int is_number = written && end != written && !*end && !errno;
  *out = is_number ? json_integer(number) : json_deep_copy(value);
  return *out ? OK : fault(err, E_MEMORY, "no memory for a task");
}

static status read_problem(countdown_problem *out, const json_t *record, text *scratch,
                           detail *err) {
  json_t *nums = NULL, *target = NULL, *problem = NULL;
  status failed = numbers_of(json_object_get(record, "nums"), &nums, err);
  if (!failed) failed = target_of(json_object_get(record, "target"), &target, err);
  if (!failed) {
    problem = json_pack("{s:O, s:O}", "nums", nums, "target", target);
    failed = problem ? json_canonical(problem, scratch, err)
                     : fault(err, E_MEMORY, "no memory for a task");
  }
  json_decref(nums);
  json_decref(target);
  json_decref(problem);
  return failed ? failed : countdown_read(out, text_string(scratch), err);
}

status import_countdown(import *i, const json_t *record, detail *err) {
  countdown_problem p;
  status failed = read_problem(&p, record, &i->target, err);
  if (failed) {
    /* A place in the canonical text says nothing about the file. */
    if (err) err->file[0] = 0;
    return failed;
  }
  text_clear(&i->target);
  countdown_question(&p, &i->question);
  countdown_target(&p, &i->target);
  failed = text_state(&i->question, err);
  if (!failed) failed = text_state(&i->target, err);
  if (failed) return failed;
  i->counts.train += countdown_partition_of(&p) == COUNTDOWN_TRAIN;
  i->counts.unsolvable += p.count <= NUMBERS_TRIED_MAX && !countdown_solvable(&p);
  i->counts.demonstrations +=
      json_object_get(record, "search_path") || json_object_get(record, "trace_dict");
  return OK;
}
