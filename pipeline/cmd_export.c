/* nightjar export: what is in a store as CSV or JSONL, for other programs. */
#include "pipeline/rows.h"

#include <string.h>

enum {
  NAMES_MAX = 200,
  NAMES_BYTES_MAX = 1 << 20,
  SQL_BYTES_MAX = 64 << 10,
  THERE_BYTES_MAX = 1024
};

/* ---- names ------------------------------------------------------------------------------------
 */

typedef struct names {
  arena *memory;
  const char *wanted;
  int found; /* also where it is not among those that are kept */
  const char *name[NAMES_MAX];
  size_t count;
} names;

static status add_name(names *n, const char *name, detail *err) {
  n->found |= !strcmp(name, n->wanted);
  if (n->count == NAMES_MAX) return OK; /* enough to suggest one */
  n->name[n->count] = arena_text(n->memory, name, strlen(name));
  if (!n->name[n->count]) return arena_full(n->memory, err);
  n->count++;
  return OK;
}

/* What a query gives in its only column. */
static status read_names(store *s, const char *sql, names *out, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s, sql, err);
  for (int row = 1; !failed && row;) {
    failed = query_next(q, &row, err);
    if (!failed && row) failed = add_name(out, query_text(q, 0), err);
  }
  query_close(q);
  return failed;
}

/* The one that was meant; where none is near, what there is to choose from. */
static void put_names(const names *n, const char *near, text *out) {
  if (near || n->count == 1) {
    text_format(out, "; there is '%s'", near ? near : n->name[0]);
    return;
  }
  for (size_t i = 0; i < n->count; i++) {
    if (out->bytes > THERE_BYTES_MAX / 2) {
      text_put(out, " and more");
      return;
    }
    text_format(out, "%s'%.100s'",
                i == 0              ? "; there are "
                : i + 1 == n->count ? " and "
                                    : ", ",
                n->name[i]);
  }
}

static status check_name(store *s, const char *sql, const char *name, const char *what, status code,
                         detail *err) {
  names known = {.wanted = name};
  status failed = arena_open(&known.memory, NAMES_BYTES_MAX, err);
  if (failed) return failed;
  failed = read_names(s, sql, &known, err);
  if (!failed && !known.found) {
    text there;
    text_open(&there, THERE_BYTES_MAX);
    put_names(&known, text_nearest(name, known.name, known.count), &there);
    failed =
        fault(err, code, "%s has no %s '%s'%s", store_path(s), what, name, text_string(&there));
    text_close(&there);
  }
  arena_close(known.memory);
  return failed;
}

static status check_what(store *s, const char *what, detail *err) {
  static const char sql[] = "SELECT name FROM sqlite_schema WHERE type = 'view' "
                            "UNION ALL SELECT 'traces' UNION ALL SELECT 'tasks'";
  return check_name(s, sql, what, "view", E_USAGE, err);
}

static status check_job(const invocation *in, store *s, detail *err) {
  const char *job = command_value(in, "job");
  return job ? check_name(s, "SELECT name FROM job", job, "job", E_INPUT, err) : OK;
}

/* ---- what is asked of the store ---------------------------------------------------------------
 */

/* The samples of a job are those that its conditions ask for, as in the view. */
#define OF_JOB                                                                                     \
  "FROM condition c CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats "                \
  "JOIN task t ON t.id = s.task AND t.ordinal < c.tasks "

static const char traces_sql[] =
    "SELECT s.id AS sample, c.job, c.name AS condition, w.name || '@' || w.version AS task_set, "
    "t.name AS task, s.repeat, h.path AS thread, h.role, "
    "CAST(sqlar_uncompress(x.text, x.text_bytes) AS TEXT) AS text, "
    "CASE WHEN json_valid(x.layout) THEN x.layout -> '$' END AS layout, "
    "sqlar_uncompress(x.ids, x.ids_bytes) AS ids, x.logprobs " OF_JOB
    "JOIN task_set w ON w.id = t.task_set CROSS JOIN thread h ON h.sample = s.id "
    "JOIN trace x ON x.sample = h.sample AND x.thread = h.ordinal WHERE ?1 IS NULL OR c.job = ?1";

static void quote_name(text *out, const char *name) {
  text_char(out, '"');
  for (; *name; name++) {
    if (*name == '"') text_char(out, '"');
    text_char(out, *name);
  }
  text_char(out, '"');
}

static status find_columns(store *s, const char *view, int *job, int *sample, detail *err) {
  query *q = NULL;
  text sql;
  text_open(&sql, SQL_BYTES_MAX);
  text_put(&sql, "SELECT * FROM ");
  quote_name(&sql, view);
  *job = *sample = 0;
  status failed = text_state(&sql, err);
  if (!failed) failed = query_open(&q, s, text_string(&sql), err);
  for (int c = 0; !failed && c < query_columns(q); c++) {
    *job |= !strcmp(query_name(q, c), "job");
    *sample |= !strcmp(query_name(q, c), "sample");
  }
  query_close(q);
  text_close(&sql);
  return failed;
}

static status view_sql(const invocation *in, store *s, const char *view, text *out, detail *err) {
  int job = 0, sample = 0;
  if (command_value(in, "job")) {
    status failed = find_columns(s, view, &job, &sample, err);
    if (failed) return failed;
    if (!job && !sample) {
      return fault(err, E_USAGE, "--job does not go with %s, which knows no jobs", view);
    }
  }
  text_put(out, "SELECT * FROM ");
  quote_name(out, view);
  if (job) text_put(out, " WHERE job = ?1");
  if (!job && sample) text_put(out, " WHERE sample IN (SELECT s.id " OF_JOB "WHERE c.job = ?1)");
  return text_state(out, err);
}

/* ---- tasks ------------------------------------------------------------------------------------

   In the form that tasks import reads: a Countdown problem by nums and target, a question by
   question and target, and no column that would be empty, since an empty field says something: so
   none of answers in a set of questions without them. */

#define OF_SETS                                                                                    \
  "FROM task t JOIN task_set w ON w.id = t.task_set "                                              \
  "WHERE (?1 IS NULL OR w.id IN (SELECT r.task_set FROM condition c JOIN run r ON r.id = c.run "   \
  "WHERE c.job = ?1)) AND (?2 IS NULL OR w.id = ?2)"

static void bind_tasks(const invocation *in, query *q, int64_t set) {
  query_bind_text(q, 1, command_value(in, "job"));
  if (set) query_bind_int(q, 2, set);
}

/* JSON in a row of JSONL, and in CSV the text or the number that it stands for. */
static void put_target(text *out, int countdown, rows_format format) {
  const char *arrow = format == ROWS_CSV ? "->>" : "->";
  if (countdown) {
    text_format(out, ", CASE WHEN w.kind = 'countdown' AND json_valid(t.target) THEN "
                     "t.target -> '$.nums' END AS nums");
  }
  text_format(out,
              ", CASE WHEN NOT json_valid(t.target) THEN NULL "
              "WHEN w.kind = 'countdown' THEN t.target %s '$.target' "
              "WHEN w.kind = 'question' THEN t.target %s '$.answer' "
              "ELSE t.target %s '$' END AS target",
              arrow, arrow, arrow);
}

static status tasks_sql(const invocation *in, store *s, int64_t set, rows_format format, text *out,
                        detail *err) {
  query *q = NULL;
  int row = 0;
  status failed = query_open(&q, s,
                             "SELECT sum(w.kind = 'countdown'), count(t.cluster), count(t.split), "
                             "sum(t.data <> '{}'), "
                             "count(*) = 0 OR sum(t.target <> '{\"answer\":null}') > 0 " OF_SETS,
                             err);
  if (failed) return failed;
  bind_tasks(in, q, set);
  failed = query_next(q, &row, err);
  text_put(out, "SELECT ");
  if (!set) text_put(out, "w.name || '@' || w.version AS task_set, ");
  text_put(out, "t.name AS name, t.question");
  if (query_int(q, 4)) put_target(out, query_int(q, 0) > 0, format);
  if (query_int(q, 1)) text_put(out, ", t.cluster");
  if (query_int(q, 2)) text_put(out, ", t.split");
  if (query_int(q, 3)) {
    text_put(out, ", CASE WHEN json_valid(t.data) THEN t.data -> '$' END AS data");
  }
  text_put(out, " " OF_SETS " ORDER BY t.task_set, t.ordinal");
  query_close(q);
  return failed ? failed : text_state(out, err);
}

/* ---- the command ------------------------------------------------------------------------------
 */

static int ends_with(const char *path, const char *suffix) {
  size_t bytes = strlen(path), tail = strlen(suffix);
  return bytes > tail && !strcmp(path + bytes - tail, suffix);
}

/* A name that promises another format than the file would have. */
static status check_ending(const char *path, int told, detail *err) {
  static const char *const packed[] = {".gz", ".bz2", ".xz", ".zst", ".zip"};
  static const char *const others[] = {".json", ".xlsx", ".parquet", ".db"};
  for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++) {
    if (!ends_with(path, packed[i])) continue;
    return fault(err, E_USAGE, "'%s' would not be compressed; write it plain, then compress it",
                 path);
  }
  for (size_t i = 0; !told && i < sizeof others / sizeof others[0]; i++) {
    if (!ends_with(path, others[i])) continue;
    return fault(err, E_USAGE, "'%s' would not hold what its name says: name it .csv or .jsonl",
                 path);
  }
  return OK;
}

static status read_format(const invocation *in, rows_format *out, detail *err) {
  static const char *const known[] = {"csv", "jsonl"};
  const char *word = command_value(in, "format"), *path = command_value(in, "output");
  *out = ROWS_CSV;
  status failed = path ? check_ending(path, word != NULL, err) : OK;
  if (failed) return failed;
  if (!word) {
    if (path && ends_with(path, ".jsonl")) *out = ROWS_JSONL;
    return OK;
  }
  for (int i = 0; i < 2; i++) {
    if (strcmp(word, known[i]) != 0) continue;
    *out = i ? ROWS_JSONL : ROWS_CSV;
    return OK;
  }
  const char *near = text_nearest(word, known, 2);
  return fault(err, E_USAGE, "--format must be csv or jsonl, not '%s'%s%s%s", word,
               near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static status find_set(const invocation *in, store *s, int64_t *id, detail *err) {
  const char *name = command_value(in, "set");
  store_task_set set = {0};
  *id = 0;
  if (!name) return OK;
  if (strcmp(in->arguments[0], "tasks") != 0) {
    return fault(err, E_USAGE, "--set goes with nightjar export tasks only");
  }
  status failed = store_task_set_find(s, name, &set, err);
  *id = set.id;
  return failed;
}

static status make_sql(const invocation *in, store *s, int64_t set, rows_format format, text *sql,
                       detail *err) {
  const char *what = in->arguments[0];
  if (!strcmp(what, "tasks")) return tasks_sql(in, s, set, format, sql, err);
  if (strcmp(what, "traces") != 0) return view_sql(in, s, what, sql, err);
  text_put(sql, traces_sql);
  return text_state(sql, err);
}

static status export_from(const invocation *in, store *s, rows_options *o, detail *err) {
  static const rows_column of_tasks[] = {
      {"nums", ROWS_JSON}, {"target", ROWS_JSON}, {"data", ROWS_JSON}, {NULL, ROWS_PLAIN}};
  static const rows_column of_traces[] = {
      {"layout", ROWS_JSON}, {"ids", ROWS_UINT32}, {"logprobs", ROWS_FLOAT32}, {NULL, ROWS_PLAIN}};
  const char *what = in->arguments[0];
  int tasks = !strcmp(what, "tasks");
  int64_t set = 0, count = 0;
  query *q = NULL;
  text sql;
  text_open(&sql, SQL_BYTES_MAX);
  if (tasks) o->columns = of_tasks;
  if (!strcmp(what, "traces")) o->columns = of_traces;
  status failed = check_what(s, what, err);
  if (!failed) failed = check_job(in, s, err);
  if (!failed) failed = find_set(in, s, &set, err);
  if (!failed) failed = make_sql(in, s, set, o->format, &sql, err);
  if (!failed) failed = query_open(&q, s, text_string(&sql), err);
  if (!failed && tasks) bind_tasks(in, q, set);
  if (!failed && !tasks && command_value(in, "job")) {
    query_bind_text(q, 1, command_value(in, "job"));
  }
  if (!failed) failed = rows_write(in, q, o, &count, err);
  if (!failed && o->path && strcmp(o->path, "-") != 0) {
    log_info(in->messages, "%lld rows of %s in %s", (long long)count, what, o->path);
  }
  query_close(q);
  text_close(&sql);
  return failed;
}

static status run_export(const invocation *in, detail *err) {
  rows_options o = {.path = command_value(in, "output"), .replace = command_flag(in, "replace")};
  store *s = NULL;
  status failed = read_format(in, &o.format, err);
  if (!failed) failed = command_store(in, STORE_READ, &s, err);
  if (!failed) failed = export_from(in, s, &o, err);
  log_progress_end(in->messages);
  (void)store_close(s, NULL);
  return failed;
}

static const command_option export_options[] = {
    {"format", "F", "csv or jsonl (default: as the file's name ends, otherwise csv)"},
    {"job", "NAME", "one job (default: all)"},
    {"set", "NAME", "of tasks: one set, NAME or NAME@VERSION, to be imported again"},
    {"output", "FILE", "or -o FILE: where the rows go (default: standard output)"},
    {"replace", NULL, "an existing FILE"},
    {0}};

const command command_export = {
    .name = "export",
    .arguments = "WHAT",
    .summary = "Writes a view, the traces or the tasks of a store as CSV or JSONL.",
    .more =
        "WHAT is a view (samples, threads, accuracy, paired and the others of docs/schema.md),\n"
        "traces (each thread's text, and of a model its tokens) or tasks. Rows are written\n"
        "as they are read, so that a store of any size needs little memory, also while a run\n"
        "writes to it.\n\n"
        "  nightjar export samples -o samples.csv\n"
        "  nightjar export accuracy --job countdown-night --format jsonl\n"
        "  nightjar export tasks --set countdown-test -o tasks.jsonl\n",
    .options = export_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_export};
