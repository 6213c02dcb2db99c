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

/* A field as it stands, or what its text says where the format has only texts. A new reference;
   NULL: it says nothing that could be meant. */
static json_t *numbers_of(const json_t *value) {
  json_t *list = NULL;
  const char *written = json_string_value(value);
  if (!written) return json_deep_copy(value);
  return json_read(&list, written, strlen(written), "nums", 1, NULL) ? NULL : list;
}

static json_t *target_of(const json_t *value) {
  const char *written = json_string_value(value);
  if (!written) return json_deep_copy(value);
  char *end;
  errno = 0;
  long long number = strtoll(written, &end, 10);
  return end == written || *end || errno ? NULL : json_integer(number);
}

static status read_problem(countdown_problem *out, const json_t *record, text *scratch,
                           detail *err) {
  json_t *nums = numbers_of(json_object_get(record, "nums"));
  json_t *target = target_of(json_object_get(record, "target"));
  json_t *problem = json_pack("{s:o*, s:o*}", "nums", nums, "target", target);
  status failed = problem ? json_canonical(problem, scratch, err)
                          : fault(err, E_MEMORY, "no memory for a task");
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
