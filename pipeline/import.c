#include "pipeline/import.h"

#include "base/memory.h"
#include "pipeline/import_internal.h"

#include <string.h>
#include <strings.h>

/* Of one text of a task: a record's bytes, with room for what escapes add. */
enum { TEXT_BYTES_MAX = 6 * RECORDS_BYTES_MAX };

static const char *const field_names[FIELD_COUNT] = {"question", "answer", "name", "cluster",
                                                     "split"};

/* What the field is called in the files that people have, the first that is there counting:
   GSM8K, MATH, AIME, Inspect, OpenAI. */
enum { CANDIDATES = 4 };
static const char *const candidates[FIELD_COUNT][CANDIDATES] = {
    {"question", "input", "prompt", "problem"},
    {"target", "answer"},
    {"id", "name"},
    {"cluster"},
    {"split"}};

/* ---- the map --------------------------------------------------------------------------------- */

static int find_field(const char *name, size_t bytes) {
  for (int f = 0; f < FIELD_COUNT; f++) {
    if (strlen(field_names[f]) == bytes && !memcmp(field_names[f], name, bytes)) return f;
  }
  return -1;
}

static status unknown_field(const char *name, size_t bytes, detail *err) {
  char word[64];
  (void)snprintf(word, sizeof word, "%.*s", (int)(bytes < 60 ? bytes : 60), name);
  const char *near = text_nearest(word, field_names, FIELD_COUNT);
  return fault(err, E_USAGE,
               "--map has no '%s'%s%s%s; it takes question, answer, name, cluster and split, such "
               "as --map question=prompt,answer=meta.target",
               word, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static status map_field(import *i, const char *pair, size_t bytes, detail *err) {
  const char *equals = memchr(pair, '=', bytes);
  size_t left = equals ? (size_t)(equals - pair) : bytes;
  int f = find_field(pair, left);
  if (f < 0) return unknown_field(pair, left, err);
  if (!equals) {
    return fault(err, E_USAGE, "--map %s= needs the field of the file behind it, such as %s=prompt",
                 field_names[f], field_names[f]);
  }
  if (i->mapped[f]) return fault(err, E_USAGE, "--map names %s twice", field_names[f]);
  size_t right = bytes - left - 1;
  i->path[f] = memory_zeroed(right + 1, 1);
  if (!i->path[f]) return fault(err, E_MEMORY, "no memory for --map");
  memcpy(i->path[f], equals + 1, right);
  i->mapped[f] = 1;
  return OK;
}

static status read_map(import *i, const char *map, detail *err) {
  for (const char *at = map; at;) {
    const char *comma = strchr(at, ',');
    status failed = map_field(i, at, comma ? (size_t)(comma - at) : strlen(at), err);
    if (failed) return failed;
    at = comma ? comma + 1 : NULL;
  }
  return OK;
}

/* train, dev or test, by the names that are in use; NULL: none of them. */
static const char *split_of(const char *word) {
  static const char *const known[][2] = {{"train", "train"}, {"dev", "dev"},
                                         {"test", "test"},   {"val", "dev"},
                                         {"valid", "dev"},   {"validation", "dev"}};
  for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
    if (!strcmp(word, known[k][0])) return known[k][1];
  }
  return NULL;
}

status import_open(import **out, const char *map, const char *split, detail *err) {
  if (split && !split_of(split)) {
    return fault(err, E_USAGE, "--split must be train, dev or test, not '%s'", split);
  }
  import *i = memory_zeroed(1, sizeof *i);
  if (!i) return fault(err, E_MEMORY, "no memory for an import");
  i->split = split ? split_of(split) : NULL;
  text *const texts[] = {&i->question, &i->target, &i->name, &i->cluster, &i->data};
  for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
    text_open(texts[t], TEXT_BYTES_MAX);
  status failed = read_map(i, map, err);
  if (failed) {
    import_close(i);
    return failed;
  }
  *out = i;
  return OK;
}

void import_close(import *i) {
  if (!i) return;
  for (int f = 0; f < FIELD_COUNT; f++)
    memory_free(i->path[f]);
  text *const texts[] = {&i->question, &i->target, &i->name, &i->cluster, &i->data};
  for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
    text_close(texts[t]);
  memory_free(i);
}

/* ---- fields ---------------------------------------------------------------------------------- */

const json_t *import_find(const json_t *record, const char *path) {
  const json_t *value = json_object_get(record, path);
  for (const char *at = path; !value && record;) {
    const char *dot = strchr(at, '.');
    if (!dot) return at == path ? NULL : json_object_get(record, at);
    record = json_object_getn(record, at, (size_t)(dot - at));
    at = dot + 1;
  }
  return value;
}

/* "'a', 'b' and 3 more" */
static void put_fields(const json_t *record, text *out) {
  enum { SHOWN = 12 };
  const char *key;
  json_t *value;
  int count = 0;
  json_object_foreach((json_t *)(uintptr_t)record, key, value) {
    (void)value;
    if (count++ < SHOWN) text_format(out, "%s'%.30s'", count > 1 ? ", " : "", key);
  }
  if (count > SHOWN) text_format(out, " and %d more", count - SHOWN);
  if (count == 0) text_put(out, "no fields");
}

status import_lacks(const json_t *record, const char *path, const char *wanted, detail *err) {
  text there;
  text_open(&there, 600);
  put_fields(record, &there);
  status failed = fault(err, E_INPUT, "no field '%.60s', which holds %s; this record has %s", path,
                        wanted, text_string(&there));
  text_close(&there);
  return failed;
}

/* Of a field that the map, or the first record, told. */
static status lacks_field(const import *i, import_field f, const json_t *record, detail *err) {
  char wanted[80];
  (void)snprintf(wanted, sizeof wanted, "the task's %s by %s", field_names[f],
                 i->mapped[f] ? "--map" : "the first record (--map tells another)");
  return import_lacks(record, i->path[f], wanted, err);
}

/* A field with a usual name but for its case, as in a sheet's header. */
static const char *usual_but_for_case(const json_t *record, import_field f) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)record, key, value) {
    (void)value;
    for (int c = 0; c < CANDIDATES && candidates[f][c]; c++) {
      if (!strcasecmp(key, candidates[f][c])) return key;
    }
  }
  return NULL;
}

/* A table whose header is one name with this character in it: a sheet of a country that writes
   decimals with a comma, or tabs under a name that ends in .csv. 0: it is no such table. */
static char other_separator(const json_t *record) {
  const char *key = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)record));
  if (json_object_size(record) != 1) return 0;
  return strchr(key, ';') ? ';' : strchr(key, '\t') ? '\t' : 0;
}

/* The same where nobody said which field it is. */
static status unknown_place(const json_t *record, import_field f, detail *err) {
  const char *like = usual_but_for_case(record, f);
  char separator = other_separator(record);
  text there;
  text_open(&there, 600);
  put_fields(record, &there);
  if (separator) text_put(&there, "; its columns seem to be separated by ");
  if (separator == ';') text_put(&there, "semicolons: save it with commas, or with tabs as .tsv");
  if (separator == '\t') text_put(&there, "tabs: read it with --format tsv");
  status failed = fault(err, E_INPUT,
                        "no field that is known to hold the task's %s; say which does with --map "
                        "%s=%.60s; this record has %s",
                        field_names[f], field_names[f], like ? like : "FIELD", text_string(&there));
  text_close(&there);
  return failed;
}

/* A text or a whole number as text. *given is 0 for a field that is not taken, null, or missing
   where the user did not ask for it. */
static status read_word(const import *i, import_field f, const json_t *record, text *out,
                        int *given, detail *err) {
  const char *path = i->path[f];
  *given = 0;
  if (!path || !*path) return OK;
  const json_t *value = import_find(record, path);
  if (!value && (i->mapped[f] || f == FIELD_NAME)) return lacks_field(i, f, record, err);
  if (!value || json_is_null(value)) {
    if (f != FIELD_NAME) return OK;
    return fault(err, E_INPUT, "'%s' is null, but the task's name is taken from it", path);
  }
  *given = 1;
  if (json_is_string(value)) {
    text_put(out, json_string_value(value));
  } else if (json_is_integer(value)) {
    text_int(out, json_integer_value(value));
  } else {
    return fault(err, E_INPUT,
                 "'%s' must be a text or a whole number, as the task's %s is taken "
                 "from it",
                 path, field_names[f]);
  }
  return text_state(out, err);
}

/* ---- the form of a file ---------------------------------------------------------------------- */

static status take_path(import *i, import_field f, const char *path, detail *err) {
  i->path[f] = memory_copy_text(path);
  return i->path[f] ? OK : fault(err, E_MEMORY, "no memory for an import");
}

/* Names and clusters are words: an object called "name" is something else. */
static int may_be(import_field f, const json_t *value) {
  return f <= FIELD_ANSWER || json_is_string(value) || json_is_integer(value);
}

static status choose(import *i, import_field f, const json_t *record, detail *err) {
  for (int c = 0; c < CANDIDATES && !i->path[f]; c++) {
    const char *name = candidates[f][c];
    const json_t *value = name ? json_object_get(record, name) : NULL;
    if (!value || !may_be(f, value)) continue;
    status failed = take_path(i, f, name, err);
    if (failed) return failed;
  }
  return OK;
}

static int is_batch(const json_t *record) {
  return json_is_string(json_object_get(record, "custom_id")) &&
         json_is_object(json_object_get(record, "body"));
}

static status choose_batch(import *i, const json_t *record, detail *err) {
  static const char *const questions[] = {"body.messages", "body.input", "body.prompt"};
  status failed = OK;
  for (size_t q = 0; !failed && q < 3 && !i->path[FIELD_QUESTION]; q++) {
    if (import_find(record, questions[q])) {
      failed = take_path(i, FIELD_QUESTION, questions[q], err);
    }
  }
  if (!failed && !i->path[FIELD_QUESTION]) {
    failed = import_lacks(json_object_get(record, "body"), "messages", "what is asked", err);
  }
  if (!failed && !i->path[FIELD_NAME]) failed = take_path(i, FIELD_NAME, "custom_id", err);
  return failed;
}

static status choose_questions(import *i, const json_t *record, detail *err) {
  for (int f = FIELD_QUESTION; f <= FIELD_ANSWER; f++) {
    status failed = choose(i, (import_field)f, record, err);
    if (failed) return failed;
    int left_out = f == FIELD_ANSWER && i->mapped[f] && !*i->path[f];
    if (!left_out && (!i->path[f] || !*i->path[f])) {
      return unknown_place(record, (import_field)f, err);
    }
  }
  return OK;
}

static status choose_form(import *i, const json_t *record, detail *err) {
  import_form form = IMPORT_QUESTIONS;
  if (!i->mapped[FIELD_QUESTION] && !i->mapped[FIELD_ANSWER] && import_is_countdown(record)) {
    form = IMPORT_COUNTDOWN;
  } else if (!i->mapped[FIELD_QUESTION] && is_batch(record)) {
    form = IMPORT_BATCH;
  }
  status failed = form == IMPORT_QUESTIONS ? choose_questions(i, record, err)
                  : form == IMPORT_BATCH   ? choose_batch(i, record, err)
                                           : OK;
  for (int f = FIELD_NAME; !failed && f < FIELD_COUNT; f++)
    failed = choose(i, (import_field)f, record, err);
  if (!failed) i->form = form;
  return failed;
}

const char *import_kind(const import *i) {
  return i->form == IMPORT_COUNTDOWN ? "countdown" : "question";
}

void import_describe(const import *i, text *out) {
  text_put(out, i->form == IMPORT_COUNTDOWN ? "Countdown problems from 'nums' and 'target'"
                : i->form == IMPORT_BATCH   ? "a batch of requests"
                                            : "questions");
  for (int f = 0; f < FIELD_COUNT; f++) {
    if (i->path[f] && *i->path[f]) text_format(out, ", %s from '%s'", field_names[f], i->path[f]);
  }
}

const import_counts *import_counted(const import *i) {
  return &i->counts;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* {"answer": VALUE}: a scalar or a list, null where a batch has none or the map takes none. */
static status put_answer(import *i, const json_t *record, detail *err) {
  const char *path = i->path[FIELD_ANSWER];
  const json_t *value = path && *path ? import_find(record, path) : NULL;
  if (path && *path && !value) return lacks_field(i, FIELD_ANSWER, record, err);
  if (value && (json_is_null(value) || json_is_object(value))) {
    return fault(err, E_INPUT,
                 "'%s' is %s; an answer is a text, a number, true, false or a list of such", path,
                 json_is_null(value) ? "null" : "an object");
  }
  json_t *target = value ? json_pack("{s:O}", "answer", value) : json_pack("{s:n}", "answer");
  status failed = target ? json_canonical(target, &i->target, err)
                         : fault(err, E_MEMORY, "no memory for a task");
  json_decref(target);
  return failed;
}

static status put_problem(import *i, const json_t *record, detail *err) {
  if (i->form == IMPORT_COUNTDOWN) {
    if (import_is_countdown(record)) return import_countdown(i, record, err);
    return import_lacks(record, json_object_get(record, "nums") ? "target" : "nums",
                        "a Countdown problem as in the first record", err);
  }
  const char *path = i->path[FIELD_QUESTION];
  const json_t *value = import_find(record, path);
  if (!value) return lacks_field(i, FIELD_QUESTION, record, err);
  status failed = import_question(value, path, &i->question, err);
  return failed ? failed : put_answer(i, record, err);
}

/* Fields of a Countdown record that its problem says already, or that give it away. */
static void leave_out_problem(const import *i, json_t *rest) {
  static const char *const fields[] = {"nums", "target", "search_path", "trace_dict"};
  for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
    (void)json_object_del(rest, fields[f]);
  const char *question = json_string_value(json_object_get(rest, "question"));
  if (question && !strcmp(question, text_string(&i->question))) {
    (void)json_object_del(rest, "question");
  }
}

/* A record whose only other field is "data", an object or its text, gives that object as the task's
   data: so an exported set comes back as it was. *out is a new reference; NULL: it is none. */
static status whole_data(const json_t *rest, json_t **out, detail *err) {
  json_t *data = json_object_get(rest, "data"), *read = NULL;
  const char *written = json_string_value(data);
  *out = NULL;
  if (json_object_size(rest) != 1 || !data) return OK;
  if (!written) {
    if (json_is_object(data)) *out = json_incref(data);
    return OK;
  }
  status failed = json_read(&read, written, strlen(written), "data", 1, err);
  if (failed) return failed == E_INPUT ? OK : failed;
  if (json_is_object(read)) *out = json_incref(read);
  json_decref(read);
  return OK;
}

/* What the record says besides what the task has. */
static status put_data(import *i, const json_t *record, detail *err) {
  json_t *rest = json_copy((json_t *)(uintptr_t)record); /* shallow, and the copy alone changes */
  if (!rest) return fault(err, E_MEMORY, "no memory for a task");
  for (int f = 0; f < FIELD_COUNT; f++) {
    if (i->path[f]) (void)json_object_del(rest, i->path[f]);
  }
  if (i->form == IMPORT_COUNTDOWN) leave_out_problem(i, rest);
  json_t *data = NULL;
  status failed = whole_data(rest, &data, err);
  if (!failed) failed = json_canonical(data ? data : rest, &i->data, err);
  json_decref(data);
  json_decref(rest);
  return failed;
}

static status put_split(import *i, const json_t *record, store_task *out, detail *err) {
  int given;
  text_clear(&i->name); /* which the caller fills later */
  status failed = read_word(i, FIELD_SPLIT, record, &i->name, &given, err);
  if (failed) return failed;
  const char *word = text_string(&i->name);
  out->split = given && *word ? split_of(word) : i->split;
  if (!given || !*word || out->split) return OK;
  return fault(err, E_INPUT,
               "'%s' is '%.60s'; a split is train, dev (or val, valid, validation) or test; leave "
               "the field out with --map split=",
               i->path[FIELD_SPLIT], word);
}

static status put_words(import *i, const json_t *record, store_task *out, detail *err) {
  int has_name, has_cluster;
  status failed = put_split(i, record, out, err);
  if (failed) return failed;
  text_clear(&i->name);
  failed = read_word(i, FIELD_NAME, record, &i->name, &has_name, err);
  if (!failed) failed = read_word(i, FIELD_CLUSTER, record, &i->cluster, &has_cluster, err);
  if (failed) return failed;
  if (has_name && i->name.bytes == 0) {
    return fault(err, E_INPUT, "'%s' is empty, but the task's name is taken from it",
                 i->path[FIELD_NAME]);
  }
  out->name = has_name ? text_string(&i->name) : NULL;
  out->cluster = has_cluster && i->cluster.bytes ? text_string(&i->cluster) : NULL;
  return OK;
}

status import_task(import *i, const json_t *record, store_task *out, detail *err) {
  text *const texts[] = {&i->question, &i->target, &i->name, &i->cluster, &i->data};
  for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
    text_clear(texts[t]);
  *out = (store_task){0};
  status failed = i->form ? OK : choose_form(i, record, err);
  if (!failed) failed = put_problem(i, record, err);
  if (!failed) failed = put_words(i, record, out, err);
  if (!failed) failed = put_data(i, record, err);
  if (failed) return failed;
  out->question = text_string(&i->question);
  out->target = text_string(&i->target);
  out->data = text_string(&i->data);
  i->counts.tasks++;
  return OK;
}
