/* Jobs and their conditions. A job's name is a person's; what it is are its document and the runs
   of its conditions. Names of job files hold no '~', so NAME~2 never meets one of theirs. */
#include "base/json.h"
#include "store/merge_internal.h"

#include <string.h>

enum { NAME_BYTES = 512, NAMES_MAX = 10000, VALUE_BYTES = 60 };

/* One job of the input, and the name that it is tried under. */
typedef struct joining {
  const char *source, *document;
  char name[NAME_BYTES];
  int there, same;   /* whether out has a job of that name, and it is this one */
  char differs[256]; /* from the first job that is not: what, and both values */
} joining;

/* ---- what differs -----------------------------------------------------------------------------
 */

static void put_value(text *out, const json_t *value) {
  text json;
  text_open(&json, 1 << 20);
  detail ignored;
  if (!value || json_canonical(value, &json, &ignored)) {
    text_put(out, value ? "too long" : "absent");
  } else {
    size_t bytes = json.bytes < VALUE_BYTES ? json.bytes : VALUE_BYTES;
    while (bytes && bytes < json.bytes && ((unsigned char)json.data[bytes] & 0xc0) == 0x80)
      bytes--;
    text_add(out, text_string(&json), bytes);
    if (bytes < json.bytes) text_put(out, "...");
  }
  text_close(&json);
}

/* The first key, in the order of the alphabet, that two objects do not share. */
static void name_difference(joining *j, json_t *here, json_t *there) {
  const char *first = NULL, *key;
  json_t *value;
  json_object_foreach(here, key, value) {
    const json_t *other = json_object_get(there, key);
    if ((!other || !json_equal(value, other)) && (!first || strcmp(key, first) < 0)) first = key;
  }
  json_object_foreach(there, key, value) {
    if (!json_object_get(here, key) && (!first || strcmp(key, first) < 0)) first = key;
  }
  if (!first) return;
  text out;
  text_open(&out, sizeof j->differs - 1);
  text_format(&out, "%s: ", first);
  put_value(&out, json_object_get(here, first));
  text_put(&out, " here, ");
  put_value(&out, json_object_get(there, first));
  text_put(&out, " there");
  (void)snprintf(j->differs, sizeof j->differs, "%s", text_string(&out));
  text_close(&out);
}

static void compare_json(joining *j, const char *here, const char *there) {
  json_t *a = NULL, *b = NULL;
  if (j->differs[0]) return;
  if (!json_read(&a, here, strlen(here), "here", 1, NULL) &&
      !json_read(&b, there, strlen(there), "there", 1, NULL)) {
    name_difference(j, a, b);
  }
  json_decref(a);
  json_decref(b);
  if (!j->differs[0]) (void)snprintf(j->differs, sizeof j->differs, "what it asks for");
}

/* A condition of this name and another run. */
static status compare_runs(merging *m, joining *j, detail *err) {
  call k =
      merge_call(m, "SELECT a.identity_json, b.identity_json FROM source.condition c "
                    "JOIN main.condition o ON o.job = ?1 AND o.name = c.name "
                    "JOIN temp.merge_run k ON k.source = c.run JOIN main.run a ON a.id = o.run "
                    "JOIN main.run b ON b.id = k.out WHERE c.job = ?2 AND a.id <> b.id "
                    "ORDER BY c.ordinal LIMIT 1");
  int row;
  call_text(&k, j->name);
  call_text(&k, j->source);
  status failed = merge_row(m, &k, &row, err);
  j->same = !row;
  if (row) compare_json(j, merge_text(&k, 0), merge_text(&k, 1));
  merge_end(&k);
  return failed;
}

/* Another seed or class makes other runs, which say more than the documents; so they come first. */
static status look_up(merging *m, joining *j, detail *err) {
  int row;
  call k = merge_call(m, "SELECT document FROM main.job WHERE name = ?");
  call_text(&k, j->name);
  status failed = merge_row(m, &k, &row, err);
  j->there = row;
  j->same = 0;
  if (!failed && row) failed = compare_runs(m, j, err);
  if (!failed && row && j->same && strcmp(merge_text(&k, 0), j->document) != 0) {
    j->same = 0;
    compare_json(j, merge_text(&k, 0), j->document);
  }
  merge_end(&k);
  return failed;
}

/* ---- joining ----------------------------------------------------------------------------------
 */

/* NAME, NAME~2, NAME~3, ... until one is free or is this job. */
static status choose_name(merging *m, joining *j, detail *err) {
  size_t bytes = strcspn(j->source, "~");
  if (bytes > NAME_BYTES / 2) {
    return merge_refuse(m, err, "the name of its job %.60s... is too long", j->source);
  }
  for (int number = 1; number <= NAMES_MAX; number++) {
    (void)snprintf(j->name, sizeof j->name, "%.*s", (int)bytes, j->source);
    if (number > 1) (void)snprintf(j->name + bytes, sizeof j->name - bytes, "~%d", number);
    status failed = look_up(m, j, err);
    if (failed || !j->there || j->same) return failed;
  }
  return fault(err, E_LIMIT, "%s holds %d jobs named %.*s already", m->out->path, (int)NAMES_MAX,
               (int)bytes, j->source);
}

static status add_job(merging *m, const joining *j, detail *err) {
  if (j->differs[0]) {
    log_warn(m->out->messages,
             "job '%s' of %s is not the one of %s (%s): it is kept beside it, as '%s'", j->source,
             m->in, m->out->path, j->differs, j->name);
  } else if (strcmp(j->source, j->name) != 0) {
    log_info(m->out->messages, "job '%s' of %s is merged as '%s', which is free here", j->source,
             m->in, j->name);
  }
  m->counts->jobs++;
  call k = merge_call(m, "INSERT INTO main.job (name, document) VALUES (?, ?)");
  call_text(&k, j->name);
  call_text(&k, j->document);
  return merge_step(m, &k, err);
}

/* A --limit, or repeats that grew, may have reached one side only. */
static status unite_conditions(merging *m, const joining *j, detail *err) {
  call k = merge_call(m, "UPDATE main.condition AS o SET repeats = max(o.repeats, c.repeats), "
                         "tasks = max(o.tasks, c.tasks) FROM source.condition c "
                         "WHERE o.job = ?1 AND c.job = ?2 AND c.name = o.name");
  call_text(&k, j->name);
  call_text(&k, j->source);
  status failed = merge_step(m, &k, err);
  if (failed) return failed;
  k = merge_call(
      m, "INSERT INTO main.condition (job, ordinal, name, family, run, checker, repeats, tasks, "
         "axes) SELECT ?1, c.ordinal, c.name, c.family, k.out, c.checker, c.repeats, c.tasks, "
         "c.axes FROM source.condition c JOIN temp.merge_run k ON k.source = c.run "
         "WHERE c.job = ?2 AND c.name NOT IN (SELECT name FROM main.condition WHERE job = ?1) "
         "ORDER BY c.ordinal");
  call_text(&k, j->name);
  call_text(&k, j->source);
  failed = merge_step(m, &k, err);
  if (!failed) m->counts->conditions += sqlite3_changes64(m->out->on.db);
  return failed;
}

static status merge_job(merging *m, const char *name, const char *document, detail *err) {
  joining j = {.source = name, .document = document};
  status failed = choose_name(m, &j, err);
  if (!failed && !j.there) failed = add_job(m, &j, err);
  return failed ? failed : unite_conditions(m, &j, err);
}

status merge_jobs(merging *m, detail *err) {
  call k = merge_call(m, "SELECT name, document FROM source.job ORDER BY name");
  int row;
  status failed;
  while (!(failed = merge_row(m, &k, &row, err)) && row) {
    const char *name = merge_text(&k, 0), *document = merge_text(&k, 1);
    int whole = strlen(name) == (size_t)sqlite3_column_bytes(k.statement, 0) &&
                strlen(document) == (size_t)sqlite3_column_bytes(k.statement, 1);
    failed = whole ? merge_job(m, name, document, err)
                   : merge_refuse(m, err, "a zero byte is in its job '%.60s'", name);
    if (failed) break;
  }
  merge_end(&k);
  return failed;
}
