/* Records to tasks. What a file is, is decided on its first record and holds for all:
     Countdown       "nums" and "target" (Stream of Search, APR and others publish such lists)
     a batch         OpenAI's batch input: "custom_id" and "body"
     questions       a question and an answer, in fields of the usual names or as the map says
   A task's name, cluster and split are kept where a record has them; what else it says is the
   task's data. An import belongs to one thread. */
#ifndef PIPELINE_IMPORT_H
#define PIPELINE_IMPORT_H

#include "pipeline/records.h"
#include "store/store.h"

typedef struct import import;

typedef struct import_counts {
  int64_t tasks;
  int64_t unsolvable;     /* Countdown problems of at most five numbers without a solution */
  int64_t train;          /* Countdown problems of the partition that models are trained on */
  int64_t demonstrations; /* records whose search_path or trace_dict was left out */
} import_counts;

/* map: "question=prompt,answer=meta.target,name=,..." with dotted paths into objects, and nothing
   behind = for a field that is not to be taken; NULL: none. split: of records without one; NULL:
   none. Both are borrowed until import_close. E_USAGE names what is wrong with them. */
MUST_CHECK status import_open(import **out, const char *map, const char *split, detail *err);
/* The record as a task, borrowed until the next call. E_INPUT says which field is wrong and what is
   there; its place is the caller's to add. */
MUST_CHECK status import_task(import *i, const json_t *record, store_task *out, detail *err);
void import_close(import *i); /* NULL is a no-op */

/* Of the first record on: "countdown" or "question". */
const char *import_kind(const import *i);
/* Appends "question from 'prompt', answer from 'target'" in the same way. */
void import_describe(const import *i, text *out);
const import_counts *import_counted(const import *i);

#endif
