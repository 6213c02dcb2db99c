#include "store/merge_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- statements and failures ------------------------------------------------------------------
 */

void merge_refused(const merging *m, detail *err, const char *format, ...) {
  char what[512];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  detail_set(err, E_STORE, "", 0,
             "%s cannot be merged: %s; another program changed it or it is damaged: restore a copy",
             m->in, what);
}

/* Which of the two files SQLite found damaged. */
static int input_is_damaged(const merging *m) {
  sqlite3_stmt *check = NULL;
  int code = sqlite3_prepare_v2(m->out->on.db, "PRAGMA source.quick_check(1)", -1, &check, NULL);
  if (!code) code = sqlite3_step(check);
  const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(check, 0) : NULL;
  int whole = said && !strcmp(said, "ok");
  (void)sqlite3_finalize(check);
  return !whole;
}

status merge_failed(const merging *m, int code, detail *err) {
  connection blamed = {.db = m->out->on.db, .path = m->in};
  const char *said = sqlite3_errmsg(m->out->on.db);
  switch (code & 0xff) {
  case SQLITE_CONSTRAINT:
  case SQLITE_MISMATCH:
  case SQLITE_ERROR: return merge_refuse(m, err, "%s", said);
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return connection_failed(input_is_damaged(m) ? &blamed : &m->out->on, code, err);
  default: return connection_failed(&m->out->on, code, err);
  }
}

status merge_run(merging *m, const char *sql, detail *err) {
  int code = sqlite3_exec(m->out->on.db, sql, NULL, NULL, NULL);
  return code ? merge_failed(m, code, err) : OK;
}

call merge_call(merging *m, const char *sql) {
  call k = {.on = &m->out->on, .next = 1};
  k.code = sqlite3_prepare_v2(k.on->db, sql, -1, &k.statement, NULL);
  return k;
}

status merge_row(merging *m, call *k, int *row, detail *err) {
  *row = 0;
  if (!k->code) {
    int code = step_whole(k->statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) return OK;
    k->code = code;
  }
  return merge_failed(m, k->code, err);
}

void merge_end(call *k) {
  (void)sqlite3_finalize(k->statement); /* repeats the failure of the step, which was returned */
  k->statement = NULL;
}

status merge_step(merging *m, call *k, detail *err) {
  int row;
  status failed = merge_row(m, k, &row, err);
  merge_end(k);
  return failed;
}

const char *merge_text(const call *k, int column) {
  const char *value = (const char *)sqlite3_column_text(k->statement, column);
  return value ? value : "";
}

status merge_number(merging *m, const char *sql, int64_t *out, detail *err) {
  int row;
  call k = merge_call(m, sql);
  status failed = merge_row(m, &k, &row, err);
  *out = row ? sqlite3_column_int64(k.statement, 0) : 0;
  merge_end(&k);
  return failed;
}

/* ---- the input --------------------------------------------------------------------------------
 */

static status check_not_itself(const merging *m, detail *err) {
  struct stat in, out;
  if (stat(m->in, &in) != 0) {
    return fault(err, E_INPUT, "cannot merge %s: %s", m->in, strerror(errno));
  }
  if (stat(m->out->file, &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
    return fault(err, E_INPUT, "%s is the store that is merged into; name only the others", m->in);
  }
  return OK;
}

/* What a process of another machine still writes cannot be told from what it left when killed. */
static status check_holder(const merging *m, detail *err) {
  char who[320];
  switch (place_holder(m->in, who, sizeof who)) {
  case HOLDER_ALIVE:
    return fault(err, E_BUSY,
                 "%s is being written by process %s; wait for it or stop it, then merge", m->in,
                 who);
  case HOLDER_AWAY:
    log_warn(m->out->messages,
             "%s may still be written, by process %s: what it has committed is merged; merge it "
             "again once that process has ended",
             m->in, who);
    return OK;
  case HOLDER_DEAD:
  case HOLDER_NONE: return OK;
  }
  return OK;
}

/* Opening it by itself gives the usual messages for what is no store of this version. */
static status check_input(const merging *m, detail *err) {
  store *in = NULL;
  status failed = check_not_itself(m, err);
  if (!failed) failed = check_holder(m, err);
  if (!failed) failed = store_open(&in, m->in, STORE_READ, m->out->messages, err);
  (void)store_close(in, NULL);
  return failed;
}

/* SQLite's URI for a file that is only read (https://sqlite.org/uri.html): what is not plain in a
   path is written as %xx. */
static status write_uri(const char *path, text *out, detail *err) {
  text_put(out, "file:");
  for (const char *c = path; *c; c++) {
    int plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                strchr("/._-", *c);
    if (plain) {
      text_char(out, *c);
    } else {
      text_format(out, "%%%02x", (unsigned)(unsigned char)*c);
    }
  }
  text_put(out, "?mode=ro");
  return text_state(out, err);
}

static status attach(merging *m, detail *err) {
  char real[PATH_MAX];
  if (!realpath(m->in, real)) return fault(err, E_INPUT, "there is no store at %s", m->in);
  text uri;
  text_open(&uri, 4 * PATH_MAX);
  status failed = write_uri(real, &uri, err);
  if (!failed) {
    call k = merge_call(m, "ATTACH ? AS source");
    call_text(&k, text_string(&uri));
    failed = merge_step(m, &k, err);
  }
  text_close(&uri);
  return failed;
}

static void detach(const merging *m) {
  (void)sqlite3_exec(m->out->on.db, "DETACH source", NULL, NULL, NULL);
}

/* ---- what it holds ----------------------------------------------------------------------------
 */

/* Each table of ours is a strict table there too, with our columns, of our types, in our order, and
   no others. What both sides have alike makes a group of two. */
status merge_check_shape(merging *m, detail *err) {
  const char *sql =
      "WITH ours (name) AS (VALUES ('task_set'), ('task'), ('process'), ('run'), ('job'), "
      "('condition'), ('sample'), ('verdict'), ('thread'), ('trace'), ('model'), ('alone'), "
      "('engine_load')), "
      "side (name) AS (VALUES ('main'), ('source')) "
      "SELECT ours.name, c.name FROM ours CROSS JOIN side "
      "CROSS JOIN pragma_table_xinfo(ours.name, side.name) c "
      "GROUP BY 1, 2, c.cid, c.type, c.\"notnull\", c.pk, c.hidden HAVING count(*) <> 2 "
      "UNION ALL SELECT name, '*' FROM pragma_table_list WHERE schema IN ('main', 'source') "
      "AND name IN (SELECT name FROM ours) GROUP BY name, type, wr, strict HAVING count(*) <> 2 "
      "LIMIT 1";
  int row;
  call k = merge_call(m, sql);
  status failed = merge_row(m, &k, &row, err);
  if (!failed && row) {
    failed = merge_refuse(m, err, "column %s of its table %s is not as a store has it",
                          merge_text(&k, 1), merge_text(&k, 0));
  }
  merge_end(&k);
  return failed;
}

/* Rows that belong to nothing would be left behind without a word. */
status merge_check_rows(merging *m, detail *err) {
  const char *sql =
      "SELECT 'condition' FROM source.condition WHERE job NOT IN (SELECT name FROM source.job) "
      "OR run NOT IN (SELECT id FROM source.run) "
      "UNION ALL SELECT 'thread' FROM source.thread "
      "WHERE sample NOT IN (SELECT id FROM source.sample) "
      "UNION ALL SELECT 'trace' FROM source.trace "
      "WHERE (sample, thread) NOT IN (SELECT sample, ordinal FROM source.thread) "
      "UNION ALL SELECT 'verdict' FROM source.verdict "
      "WHERE sample NOT IN (SELECT id FROM source.sample) "
      "UNION ALL SELECT 'alone' FROM source.alone "
      "WHERE sample NOT IN (SELECT id FROM source.sample) "
      "OR process NOT IN (SELECT id FROM source.process) "
      "UNION ALL SELECT 'engine_load' FROM source.engine_load "
      "WHERE process NOT IN (SELECT id FROM source.process) LIMIT 1";
  int row;
  call k = merge_call(m, sql);
  status failed = merge_row(m, &k, &row, err);
  if (!failed && row) {
    failed = merge_refuse(m, err, "a row of its table %s belongs to one that is not there",
                          merge_text(&k, 0));
  }
  merge_end(&k);
  return failed;
}

/* What views and reports read for every job at once is right in each row: one text that is no JSON,
   or numbers that no sum holds, would end every query of the store that it came into; and a run is
   what its identity says, or the true one could never come. */
status merge_check_values(merging *m, detail *err) {
  const char *sql =
      "SELECT 'run', 'parameters' FROM source.run WHERE NOT json_valid(parameters) "
      "UNION ALL SELECT 'run', 'identity_json' FROM source.run WHERE CASE "
      "WHEN NOT json_valid(identity_json) THEN 1 ELSE coalesce("
      "json_extract(identity_json, '$.mode') <> mode, 0) "
      "OR coalesce(json_extract(identity_json, '$.parameters') <> parameters, 0) "
      "OR coalesce(json_extract(identity_json, '$.parameters.protocol') <> "
      "coalesce(protocol, ''), 0) "
      "OR coalesce(json_extract(identity_json, '$.model') <> lower(hex(model_hash)), 0) "
      "OR coalesce(json_extract(identity_json, '$.token_unit') <> token_unit, 0) "
      "OR coalesce(json_extract(identity_json, '$.class') <> determinism_class, 0) "
      "OR coalesce(json_extract(identity_json, '$.seed') <> seed, 0) END "
      "UNION ALL SELECT 'condition', 'axes' FROM source.condition WHERE NOT json_valid(axes) "
      "UNION ALL SELECT 'job', 'document' FROM source.job WHERE NOT json_valid(document) "
      "UNION ALL SELECT 'task_set', 'origin' FROM source.task_set WHERE NOT json_valid(origin) "
      "UNION ALL SELECT 'process', 'settings' FROM source.process WHERE NOT json_valid(settings) "
      "UNION ALL SELECT 'model', 'config' FROM source.model WHERE NOT json_valid(config) "
      "UNION ALL SELECT 'alone', 'total_ns' FROM source.alone "
      "WHERE min(total_ns, coalesce(first_token_ns, 0)) < 0 "
      "OR max(total_ns, coalesce(first_token_ns, 0)) > 1 << 53 "
      "UNION ALL SELECT 'engine_load', 'steps' FROM source.engine_load WHERE min(at_ns, "
      "interval_ns, steps, rows, sampled, prefilled, found, recomputed, preempted, pages, "
      "pages_used, step_ns, record_ns) < 0 OR max(interval_ns, steps, rows, sampled, prefilled, "
      "found, recomputed, preempted, pages, pages_used, step_ns, record_ns) > 1 << 53 "
      "UNION ALL SELECT 'thread', 'ordinal' FROM (SELECT 1 FROM source.thread GROUP BY sample "
      "HAVING min(ordinal) <> 0 OR max(ordinal) <> count(*) - 1) "
      "UNION ALL SELECT 'condition', 'repeats' FROM source.condition WHERE repeats > ? "
      "UNION ALL SELECT 'condition', 'tasks' FROM source.condition c JOIN source.run r ON "
      "r.id = c.run JOIN source.task_set w ON w.id = r.task_set WHERE c.tasks > w.tasks LIMIT 1";
  int row;
  call k = merge_call(m, sql);
  call_int(&k, STORE_REPEATS_MAX);
  status failed = merge_row(m, &k, &row, err);
  if (!failed && row) {
    failed = merge_refuse(m, err, "column %s of its table %s holds what a store never does",
                          merge_text(&k, 1), merge_text(&k, 0));
  }
  merge_end(&k);
  return failed;
}

/* ---- merging ----------------------------------------------------------------------------------
 */

static const char MAPS[] =
    "CREATE TEMP TABLE merge_task_set (source INTEGER PRIMARY KEY, out INTEGER, added INTEGER);"
    "CREATE TEMP TABLE merge_task (source INTEGER PRIMARY KEY, out INTEGER, task_set INTEGER);"
    "CREATE TEMP TABLE merge_process (source INTEGER PRIMARY KEY, out INTEGER);"
    "CREATE TEMP TABLE merge_run (source INTEGER PRIMARY KEY, out INTEGER, task_set INTEGER);"
    "CREATE TEMP TABLE merge_sample (source INTEGER PRIMARY KEY, run INTEGER, task INTEGER, "
    "repeat INTEGER, process INTEGER, out INTEGER, action TEXT)";

static const char DROP_MAPS[] =
    "DROP TABLE temp.merge_sample; DROP TABLE temp.merge_run; DROP TABLE temp.merge_process; "
    "DROP TABLE temp.merge_task; DROP TABLE temp.merge_task_set";

/* What was counted when this store was closed last may be of three samples, and a plan for three
   reads all of a table for each row. The next closing counts again. The input's counts cannot be
   put aside, so its tables are read in their own order, from the outside of each join. */
static status forget_counts(merging *m, detail *err) {
  int64_t there;
  status failed = merge_number(
      m, "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_stat1'", &there, err);
  if (failed || !there) return failed;
  return merge_run(m, "DELETE FROM main.sqlite_stat1; ANALYZE main.sqlite_schema", err);
}

static status merge_all(merging *m, detail *err) {
  static status (*const steps[])(merging *, detail *) = {
      forget_counts, merge_check_rows, merge_check_values, merge_task_sets, merge_processes,
      merge_loads,   merge_models,     merge_runs,         merge_jobs,      merge_samples};
  status failed = merge_run(m, MAPS, err);
  for (size_t i = 0; !failed && i < sizeof steps / sizeof steps[0]; i++)
    failed = steps[i](m, err);
  return failed ? failed : merge_run(m, DROP_MAPS, err);
}

static status merge_attached(merging *m, detail *err) {
  status failed = merge_check_shape(m, err);
  if (!failed) failed = owner_begin(m->out, err);
  return failed ? failed : owner_end(m->out, merge_all(m, err), err);
}

status store_merge(store *out, const char *in_path, store_merged *counts, detail *err) {
  *counts = (store_merged){0};
  store_merged brought = {0};
  merging m = {.out = out, .in = in_path, .counts = &brought};
  status failed = check_input(&m, err);
  if (failed) return failed;
  failed = attach(&m, err);
  if (failed) return failed;
  failed = merge_attached(&m, err);
  detach(&m);
  if (!failed) *counts = brought;
  return failed;
}
