/* What stands under the samples: task sets with their tasks, processes, runs. */
#include "store/merge_internal.h"

#include <string.h>

/* ---- task sets --------------------------------------------------------------------------------
 */

/* A set that is being read through. */
typedef struct checked_set {
  int64_t id, tasks, tasks_said;
  hash said;
  hash_parts parts;
  char name[160];
} checked_set;

static int read_hash(const call *k, int column, hash *out) {
  const void *bytes = sqlite3_column_blob(k->statement, column);
  if (!bytes || sqlite3_column_bytes(k->statement, column) != HASH_BYTES) return 0;
  memcpy(out->bytes, bytes, HASH_BYTES);
  return 1;
}

static status end_set(const merging *m, checked_set *set, detail *err) {
  hash found = hash_end(&set->parts);
  if (hash_equal(&found, &set->said) && set->tasks == set->tasks_said) return OK;
  return merge_refuse(m, err, "the tasks of its set %s are not those that were hashed", set->name);
}

static status begin_set(const merging *m, const call *k, checked_set *set, detail *err) {
  *set = (checked_set){.id = sqlite3_column_int64(k->statement, 0),
                       .tasks_said = sqlite3_column_int64(k->statement, 8)};
  (void)snprintf(set->name, sizeof set->name, "%s@%s", merge_text(k, 1), merge_text(k, 2));
  hash_start(&set->parts);
  if (read_hash(k, 3, &set->said)) return OK;
  return merge_refuse(m, err, "its task set %s has no hash", set->name);
}

static status add_to_set(const merging *m, const call *k, checked_set *set, detail *err) {
  const char *question = merge_text(k, 5), *target = merge_text(k, 6);
  int whole = strlen(question) == (size_t)sqlite3_column_bytes(k->statement, 5) &&
              strlen(target) == (size_t)sqlite3_column_bytes(k->statement, 6) &&
              sqlite3_column_int64(k->statement, 4) == set->tasks;
  hash said, found = store_task_hash(question, target);
  if (!whole || !read_hash(k, 7, &said) || !hash_equal(&said, &found)) {
    return merge_refuse(m, err, "task %lld of its set %s is not the one that was hashed",
                        (long long)set->tasks, set->name);
  }
  hash_part(&set->parts, found.bytes, HASH_BYTES);
  set->tasks++;
  return OK;
}

/* Sets are found by their hash, so it has to be that of the tasks. */
static status check_tasks(merging *m, detail *err) {
  call k = merge_call(
      m, "SELECT w.id, w.name, w.version, w.hash, t.ordinal, t.question, t.target, t.hash, "
         "w.tasks "
         "FROM source.task_set w LEFT JOIN source.task t ON "
         "t.task_set = w.id "
         "ORDER BY w.id, t.ordinal");
  checked_set set = {0};
  int row, open = 0;
  status failed;
  while (!(failed = merge_row(m, &k, &row, err)) && row) {
    int next = !open || sqlite3_column_int64(k.statement, 0) != set.id;
    if (open && next) failed = end_set(m, &set, err);
    if (!failed && next) failed = begin_set(m, &k, &set, err);
    open = 1;
    int empty = sqlite3_column_type(k.statement, 4) == SQLITE_NULL;
    if (!failed && !empty) failed = add_to_set(m, &k, &set, err);
    if (failed) break;
  }
  merge_end(&k);
  return failed || !open ? failed : end_set(m, &set, err);
}

/* Under its own name and version, or the name's next version where another set has them. */
static status add_set(merging *m, int64_t source, const char *name, int version, detail *err) {
  call k = merge_call(
      m, "INSERT INTO main.task_set (name, version, kind, hash, tasks, origin) SELECT name, "
         "CASE WHEN EXISTS (SELECT 1 FROM main.task_set o WHERE o.name = w.name AND "
         "o.version = w.version) THEN (SELECT max(version) + 1 FROM main.task_set o WHERE "
         "o.name = w.name) ELSE version END, kind, hash, tasks, origin FROM source.task_set w "
         "WHERE w.id = ? RETURNING version");
  int row, given = 0;
  call_int(&k, source);
  status failed = merge_row(m, &k, &row, err);
  if (row) given = sqlite3_column_int(k.statement, 0);
  if (!failed && row) failed = merge_row(m, &k, &row, err);
  merge_end(&k);
  if (failed) return failed;
  m->counts->task_sets++;
  if (given != version) {
    log_warn(m->out->messages,
             "%s has other tasks under the name %s@%d than %s: they are merged as %s@%d", m->in,
             name, version, m->out->path, name, given);
  }
  k = merge_call(m, "INSERT INTO temp.merge_task_set VALUES (?, ?, 1)");
  call_int(&k, source);
  call_int(&k, sqlite3_last_insert_rowid(m->out->on.db));
  return merge_step(m, &k, err);
}

static status map_sets(merging *m, detail *err) {
  status failed =
      merge_run(m,
                "INSERT INTO temp.merge_task_set SELECT w.id, o.id, 0 FROM source.task_set w "
                "JOIN main.task_set o ON o.hash = w.hash",
                err);
  if (failed) return failed;
  call k = merge_call(m, "SELECT id, name, version FROM source.task_set WHERE id NOT IN "
                         "(SELECT source FROM temp.merge_task_set) ORDER BY name, version");
  int row;
  while (!(failed = merge_row(m, &k, &row, err)) && row) {
    failed = add_set(m, sqlite3_column_int64(k.statement, 0), merge_text(&k, 1),
                     sqlite3_column_int(k.statement, 2), err);
    if (failed) break;
  }
  merge_end(&k);
  return failed;
}

static status copy_tasks(merging *m, detail *err) {
  status failed = merge_run(
      m,
      "INSERT INTO main.task (task_set, ordinal, name, hash, question, target, cluster, split, "
      "data) SELECT w.out, t.ordinal, t.name, t.hash, t.question, t.target, t.cluster, t.split, "
      "t.data FROM source.task t CROSS JOIN temp.merge_task_set w ON w.source = t.task_set "
      "WHERE w.added ORDER BY w.source, t.ordinal",
      err);
  if (failed) return failed;
  m->counts->tasks = sqlite3_changes64(m->out->on.db);
  failed = merge_run(m,
                     "INSERT INTO temp.merge_task SELECT t.id, o.id, w.out FROM source.task t "
                     "CROSS JOIN temp.merge_task_set w ON w.source = t.task_set "
                     "CROSS JOIN main.task o ON o.task_set = w.out AND o.ordinal = t.ordinal",
                     err);
  if (failed) return failed;
  return merge_number(
      m,
      "SELECT count(*) FROM source.task t CROSS JOIN temp.merge_task k ON k.source = t.id "
      "CROSS JOIN main.task o ON o.id = k.out WHERE o.name IS NOT t.name OR "
      "o.cluster IS NOT t.cluster OR o.split IS NOT t.split OR o.data IS NOT t.data",
      &m->counts->tasks_differing, err);
}

status merge_task_sets(merging *m, detail *err) {
  status failed = check_tasks(m, err);
  if (!failed) failed = map_sets(m, err);
  if (!failed) failed = copy_tasks(m, err);
  if (!failed && m->counts->tasks_differing) {
    log_warn(m->out->messages,
             "%lld tasks of %s have another name, cluster, split or data than in %s, where they "
             "stay as they are",
             (long long)m->counts->tasks_differing, m->in, m->out->path);
  }
  return failed;
}

/* ---- processes --------------------------------------------------------------------------------
 */

/* The same process may have been merged while it still ran: its end is then what is new. */
#define SAME_PROCESS                                                                               \
  "o.started_unix_ns = p.started_unix_ns AND o.host = p.host AND o.version = p.version AND "       \
  "o.device = p.device AND o.settings = p.settings AND "                                           \
  "(o.ended_ns IS p.ended_ns OR o.ended_ns IS NULL OR p.ended_ns IS NULL)"

static status add_process(merging *m, int64_t source, detail *err) {
  call k = merge_call(
      m, "INSERT INTO main.process (started_unix_ns, ended_ns, host, version, device, settings) "
         "SELECT started_unix_ns, ended_ns, host, version, device, settings FROM source.process "
         "WHERE id = ?");
  call_int(&k, source);
  status failed = merge_step(m, &k, err);
  if (failed) return failed;
  m->counts->processes++;
  k = merge_call(m, "INSERT INTO temp.merge_process VALUES (?, ?)");
  call_int(&k, source);
  call_int(&k, sqlite3_last_insert_rowid(m->out->on.db));
  return merge_step(m, &k, err);
}

status merge_processes(merging *m, detail *err) {
  status failed =
      merge_run(m,
                "INSERT INTO temp.merge_process SELECT p.id, min(o.id) FROM source.process p "
                "JOIN main.process o ON " SAME_PROCESS " GROUP BY p.id;"
                "UPDATE main.process AS o SET ended_ns = p.ended_ns FROM temp.merge_process k "
                "JOIN source.process p ON p.id = k.source WHERE o.id = k.out AND o.ended_ns IS "
                "NULL AND p.ended_ns IS NOT NULL",
                err);
  if (failed) return failed;
  call k = merge_call(m, "SELECT id FROM source.process WHERE id NOT IN "
                         "(SELECT source FROM temp.merge_process) ORDER BY id");
  int row;
  while (!(failed = merge_row(m, &k, &row, err)) && row) {
    failed = add_process(m, sqlite3_column_int64(k.statement, 0), err);
    if (failed) break;
  }
  merge_end(&k);
  return failed;
}

/* ---- runs -------------------------------------------------------------------------------------
 */

static status add_run(merging *m, int64_t source, int64_t task_set, int64_t *out, detail *err) {
  call k = merge_call(
      m, "INSERT INTO main.run (identity, identity_json, task_set, mode, protocol, parameters, "
         "model_hash, token_unit, determinism_class, fingerprint, seed) SELECT identity, "
         "identity_json, ?, mode, protocol, parameters, model_hash, token_unit, "
         "determinism_class, fingerprint, seed FROM source.run WHERE id = ?");
  call_int(&k, task_set);
  call_int(&k, source);
  status failed = merge_step(m, &k, err);
  if (failed) return failed;
  *out = sqlite3_last_insert_rowid(m->out->on.db);
  m->counts->runs++;
  return OK;
}

/* A fingerprint is what an engine's arithmetic gave: samples of two such are not of one run. */
static status other_fingerprint(const merging *m, const call *row, int64_t out, detail *err) {
  return fault(err, E_STORE,
               "%s cannot be merged: its run %lld (%s) has the fingerprint %s there, and %s as run "
               "%lld in %s: its engine computes other bits, by another build or machine; merge it "
               "into a store of its own",
               m->in, (long long)sqlite3_column_int64(row->statement, 0), merge_text(row, 6),
               merge_text(row, 7), merge_text(row, 8), (long long)out, m->out->path);
}

/* What the first samples are made with marks a run: one that was only planned here takes it over.
 */
static status take_fingerprint(merging *m, int64_t source, int64_t out, detail *err) {
  call k = merge_call(m, "UPDATE main.run SET fingerprint = (SELECT fingerprint FROM source.run "
                         "WHERE id = ?) WHERE id = ?");
  call_int(&k, source);
  call_int(&k, out);
  return merge_step(m, &k, err);
}

static status merge_fingerprints(merging *m, const call *row, int64_t out, detail *err) {
  int is_there = sqlite3_column_type(row->statement, 7) != SQLITE_NULL;
  int is_here = sqlite3_column_type(row->statement, 8) != SQLITE_NULL;
  if (!is_there) return OK;
  if (!is_here) return take_fingerprint(m, sqlite3_column_int64(row->statement, 0), out, err);
  if (!strcmp(merge_text(row, 7), merge_text(row, 8))) return OK;
  return other_fingerprint(m, row, out, err);
}

/* The columns: id, identity, identity_json, task set here, run here, whether all else is equal;
   what the run is called there, and its fingerprints there and here, NULL where it has neither one
   nor samples. */
static status map_run(merging *m, const call *row, detail *err) {
  int64_t source = sqlite3_column_int64(row->statement, 0);
  int64_t task_set = sqlite3_column_int64(row->statement, 3);
  int64_t out = sqlite3_column_int64(row->statement, 4);
  const char *json = merge_text(row, 2);
  hash said, found = hash_of(json, (size_t)sqlite3_column_bytes(row->statement, 2));
  if (!read_hash(row, 1, &said) || !hash_equal(&said, &found)) {
    return merge_refuse(m, err, "the identity of its run %lld is not that of its identity_json",
                        (long long)source);
  }
  if (sqlite3_column_type(row->statement, 3) == SQLITE_NULL) {
    return merge_refuse(m, err, "its run %lld is of a task set that is not there",
                        (long long)source);
  }
  if (out && !sqlite3_column_int(row->statement, 5)) {
    return merge_refuse(m, err, "its run %lld has the identity of run %lld in %s and other columns",
                        (long long)source, (long long)out, m->out->path);
  }
  status failed =
      out ? merge_fingerprints(m, row, out, err) : add_run(m, source, task_set, &out, err);
  if (failed) return failed;
  call k = merge_call(m, "INSERT INTO temp.merge_run VALUES (?, ?, ?)");
  call_int(&k, source);
  call_int(&k, out);
  call_int(&k, task_set);
  return merge_step(m, &k, err);
}

status merge_runs(merging *m, detail *err) {
  call k = merge_call(
      m, "SELECT r.id, r.identity, r.identity_json, w.out, o.id, o.task_set IS w.out AND "
         "o.mode IS r.mode AND o.protocol IS r.protocol AND o.parameters IS r.parameters AND "
         "o.model_hash IS r.model_hash AND o.token_unit IS r.token_unit AND "
         "o.determinism_class IS r.determinism_class AND o.seed IS r.seed, "
         "coalesce((SELECT c.job || '/' || c.name FROM source.condition c WHERE c.run = r.id "
         "ORDER BY c.job, c.ordinal LIMIT 1), 'of no condition'), "
         "CASE WHEN r.fingerprint IS NOT NULL THEN lower(hex(r.fingerprint)) "
         "WHEN EXISTS (SELECT 1 FROM source.sample s WHERE s.run = r.id) THEN 'none' END, "
         "CASE WHEN o.fingerprint IS NOT NULL THEN lower(hex(o.fingerprint)) "
         "WHEN EXISTS (SELECT 1 FROM main.sample s WHERE s.run = o.id) THEN 'none' END "
         "FROM source.run r "
         "LEFT JOIN temp.merge_task_set w ON w.source = r.task_set "
         "LEFT JOIN main.run o ON o.identity = r.identity ORDER BY r.id");
  int row;
  status failed;
  while (!(failed = merge_row(m, &k, &row, err)) && row) {
    failed = map_run(m, &k, err);
    if (failed) break;
  }
  merge_end(&k);
  return failed;
}
