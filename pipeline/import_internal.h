/* Private to the readers of tasks: the state that the forms of records share. */
#ifndef PIPELINE_IMPORT_INTERNAL_H
#define PIPELINE_IMPORT_INTERNAL_H

#include "base/text.h"
#include "pipeline/import.h"

typedef enum import_form {
  IMPORT_UNKNOWN,
  IMPORT_COUNTDOWN,
  IMPORT_BATCH,
  IMPORT_QUESTIONS
} import_form;

typedef enum import_field {
  FIELD_QUESTION,
  FIELD_ANSWER,
  FIELD_NAME,
  FIELD_CLUSTER,
  FIELD_SPLIT,
  FIELD_COUNT
} import_field;

struct import {
  import_form form;
  char *path[FIELD_COUNT]; /* owned; NULL or "": not taken */
  int mapped[FIELD_COUNT]; /* by the user: must be there */
  const char *split;
  import_counts counts;
  /* of the current task */
  text question, target, name, cluster, data;
};

/* The value at a dotted path (or of a key that is spelled so); NULL: none. */
const json_t *import_find(const json_t *record, const char *path);
/* E_INPUT: "no field 'x', which holds WANTED; this record has 'a', 'b'". */
MUST_CHECK status import_lacks(const json_t *record, const char *path, const char *wanted,
                               detail *err);

/* import_chat.c: appends a text, or the messages of a chat: the only one of the user as it stands,
   others as "role: content". path is for messages. */
MUST_CHECK status import_question(const json_t *value, const char *path, text *out, detail *err);

/* import_countdown.c */
int import_is_countdown(const json_t *record);
MUST_CHECK status import_countdown(import *i, const json_t *record, detail *err);

#endif
