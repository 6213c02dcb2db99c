/* What must be equal where both stores have a sample, and the message where it is not. */
#include "base/json.h"
#include "store/merge_internal.h"

#include <string.h>

const char merge_sample_promised[] =
    "status, limit_met, answer, vote_key, tokens_generated, tokens_injected, tokens_prompt, "
    "tokens_finisher, tokens_total, tokens_ref, seq_critical_path, seq_critical_path_injected, "
    "seq_longest_sequence, seq_forwards, context_peak, wait_steps, flops, kv_token_steps, "
    "nodes_explored, nodes_duplicate, threads, children, children_refused, rounds";
const char merge_sample_measured[] =
    "error, attempt, queued_ns, started_ns, first_token_ns, ended_ns, batch_samples, derived";
const char merge_thread_promised[] =
    "parent, path, role, worker, round, spawn_token, join_token, tokens_prompt, tokens_fed, "
    "tokens_generated, tokens_seen, answer, finish, logical_start, logical_end, wait_steps, "
    "bits_hash, vote_key, logprob";
const char merge_thread_measured[] = "tokens_cached, drafted, accepted, rows_spent, queued_ns, "
                                     "started_ns, first_token_ns, ended_ns";
/* Text and ids as they read, since another zlib may pack them otherwise; log-probabilities where
   both sides kept them. */
const char merge_trace_promised[] = "text, text_bytes, ids, ids_bytes, logprobs, layout";
const char merge_trace_measured[] = "";

enum { COLUMN_BYTES = 64, VALUE_BYTES = 60, SHARED_BYTES = 12, NAME_BYTES = 700 };

/* A table of which both sides have rows: m is temp.merge_sample, a ours, b the input's. */
typedef struct compared {
  const char *table, *columns;
  const char *key;   /* a row's place within its sample */
  const char *ours;  /* what finds the row of ours to one of theirs */
  const char *of;    /* the column that is a sample's rowid */
  const char *which; /* of the rows of one key are compared */
} compared;

static const compared TABLES[] = {
    {"sample", merge_sample_promised, "repeat", "a.id = m.out", "id", "1"},
    {"thread", merge_thread_promised, "ordinal", "a.sample = m.out AND a.ordinal = b.ordinal",
     "sample", "1"},
    {"trace", merge_trace_promised, "thread", "a.sample = m.out AND a.thread = b.thread", "sample",
     "1"},
    {"verdict", "correct, reason, score", "thread",
     "a.sample = m.out AND a.thread = b.thread AND a.checker = b.checker", "sample",
     "a.version = b.version"}};

/* A row that was found to differ. */
typedef struct found {
  const compared *in;
  int64_t source, key;
  int rest; /* it is only in: 1 the input, -1 ours */
} found;

/* ---- columns ----------------------------------------------------------------------------------
 */

/* Copies the first name of a list and returns what is behind it; NULL at the list's end. */
static const char *next_column(const char *list, char out[COLUMN_BYTES]) {
  size_t bytes = strcspn(list, ",");
  if (!bytes) return NULL;
  (void)snprintf(out, COLUMN_BYTES, "%.*s", (int)bytes, list);
  list += bytes;
  return list + strspn(list, ", ");
}

static int is_packed(const compared *c, const char *column) {
  return !strcmp(c->table, "trace") && (!strcmp(column, "text") || !strcmp(column, "ids"));
}

/* What a column holds, of the side a or b. */
static void put_column(const compared *c, char side, const char *column, text *out) {
  if (is_packed(c, column)) {
    text_format(out, "sqlar_uncompress(%c.%s, %c.%s_bytes)", side, column, side, column);
  } else {
    text_format(out, "%c.%s", side, column);
  }
}

static void put_difference(const compared *c, const char *column, text *out) {
  text_format(out, "(a.%s IS NOT b.%s", column, column);
  if (!strcmp(column, "logprobs")) {
    text_put(out, " AND a.logprobs IS NOT NULL AND b.logprobs IS NOT NULL");
  }
  if (is_packed(c, column)) {
    text_put(out, " AND ");
    put_column(c, 'a', column, out);
    text_put(out, " IS NOT ");
    put_column(c, 'b', column, out);
  }
  text_char(out, ')');
}

static void put_joined(const compared *c, text *out) {
  text_format(out,
              " FROM source.%s b CROSS JOIN temp.merge_sample m ON m.source = b.%s "
              "CROSS JOIN main.%s a ON %s WHERE b.%s " MERGE_CHUNK(
                  "") " AND m.action = 'compare' AND %s AND ",
              c->table, c->of, c->table, c->ours, c->of, c->which);
}

/* ---- finding ----------------------------------------------------------------------------------
 */

static status find(merging *m, const text *sql, found *f, int *row, detail *err) {
  *row = 0;
  status failed = text_state(sql, err);
  if (failed) return failed;
  call k = merge_call(m, text_string(sql));
  failed = merge_row(m, &k, row, err);
  if (*row) {
    f->source = sqlite3_column_int64(k.statement, 0);
    f->key = sqlite3_column_int64(k.statement, 1);
    f->rest = sqlite3_column_int(k.statement, 2);
  }
  merge_end(&k);
  return failed;
}

static status find_other_bits(merging *m, const compared *c, found *f, int *row, detail *err) {
  char column[COLUMN_BYTES];
  text sql;
  text_open(&sql, 1 << 16);
  text_format(&sql, "SELECT m.source, b.%s, 0", c->key);
  put_joined(c, &sql);
  text_put(&sql, "(0");
  for (const char *rest = c->columns; (rest = next_column(rest, column));) {
    text_put(&sql, " OR ");
    put_difference(c, column, &sql);
  }
  text_put(&sql, ") ORDER BY 1, 2 LIMIT 1");
  status failed = find(m, &sql, f, row, err);
  text_close(&sql);
  return failed;
}

/* A thread or a trace that only one side has. Verdicts are united. */
static status find_single(merging *m, const compared *c, found *f, int *row, detail *err) {
  text sql;
  text_open(&sql, 1 << 16);
  text_format(&sql,
              "SELECT m.source, b.%s, 1 FROM source.%s b CROSS JOIN temp.merge_sample m "
              "ON m.source = b.sample WHERE b.sample " MERGE_CHUNK(
                  "") " AND m.action = 'compare' AND NOT EXISTS (SELECT 1 FROM main.%s a "
                      "WHERE a.sample = m.out AND a.%s = b.%s) UNION ALL ",
              c->key, c->table, c->table, c->key, c->key);
  text_format(
      &sql,
      "SELECT m.source, a.%s, -1 FROM temp.merge_sample m CROSS JOIN main.%s a "
      "ON a.sample = m.out WHERE m.action = 'compare' AND (m.source, a.%s) NOT IN "
      "(SELECT sample, %s FROM source.%s WHERE sample " MERGE_CHUNK("") ") ORDER BY 1, 2 LIMIT 1",
      c->key, c->table, c->key, c->key, c->table);
  status failed = find(m, &sql, f, row, err);
  text_close(&sql);
  return failed;
}

/* ---- saying -----------------------------------------------------------------------------------
 */

/* "job/condition, task 't7', repeat 0", of the sample with this rowid in the input. */
static status name_sample(merging *m, int64_t source, text *out, detail *err) {
  call k = merge_call(
      m, "SELECT coalesce((SELECT c.job || '/' || c.name FROM main.condition c WHERE c.run = m.run "
         "ORDER BY c.job, c.ordinal LIMIT 1), 'run ' || m.run), t.name, m.repeat "
         "FROM temp.merge_sample m JOIN main.task t ON t.id = m.task WHERE m.source = ?");
  int row;
  call_int(&k, source);
  status failed = merge_row(m, &k, &row, err);
  if (row) {
    text_format(out, "%.270s, task '%.100s', repeat %lld", merge_text(&k, 0), merge_text(&k, 1),
                (long long)sqlite3_column_int64(k.statement, 2));
  }
  merge_end(&k);
  return failed;
}

static void put_row(const found *f, text *out) {
  if (!strcmp(f->in->table, "verdict")) {
    text_put(out, f->key < 0 ? "the verdict's" : "the verdict's on a thread");
  } else if (strcmp(f->in->table, "sample") != 0) {
    text_format(out, "%s %lld's", f->in->table, (long long)f->key);
  } else {
    text_put(out, "its");
  }
}

/* Of ids and log-probabilities the first that differs, with its place. */
static void put_word(text *out, sqlite3_value *value, sqlite3_value *other, int is_real) {
  const char *bytes = sqlite3_value_blob(value), *near = sqlite3_value_blob(other);
  size_t count = (size_t)sqlite3_value_bytes(value), most = (size_t)sqlite3_value_bytes(other);
  size_t from = 0;
  while (from < count && from < most && bytes[from] == near[from])
    from++;
  from /= 4;
  if (count < 4 * from + 4) {
    text_format(out, "at its end with %zu", from);
  } else if (is_real) {
    float real;
    memcpy(&real, bytes + 4 * from, sizeof real);
    text_format(out, "%.9g at %zu", (double)real, from);
  } else {
    uint32_t id;
    memcpy(&id, bytes + 4 * from, sizeof id);
    text_format(out, "%u at %zu", id, from);
  }
}

/* Text starts a little before its first difference, where that is far from its start. */
static void put_value(text *out, sqlite3_value *value, sqlite3_value *other) {
  int kind = sqlite3_value_type(value);
  const char *bytes = (const char *)sqlite3_value_blob(value);
  if (kind == SQLITE_NULL) {
    text_put(out, "nothing");
  } else if (kind == SQLITE_INTEGER || kind == SQLITE_FLOAT) {
    text_put(out, (const char *)sqlite3_value_text(value));
  } else {
    const char *near = (const char *)sqlite3_value_blob(other);
    size_t count = (size_t)sqlite3_value_bytes(value), from = 0;
    size_t most = (size_t)sqlite3_value_bytes(other);
    while (near && from < count && from < most && bytes[from] == near[from])
      from++;
    from = from > SHARED_BYTES ? from - SHARED_BYTES : 0;
    size_t shown = count - from < VALUE_BYTES ? count - from : VALUE_BYTES;
    if (from) text_put(out, "...");
    json_quote(out, bytes ? bytes + from : "", shown);
    if (from + shown < count) text_put(out, "...");
  }
}

static void put_either(text *out, const char *column, sqlite3_value *value, sqlite3_value *other) {
  int is_real = !strcmp(column, "logprobs"), is_null = sqlite3_value_type(value) == SQLITE_NULL;
  if (!is_null && (is_real || !strcmp(column, "ids"))) {
    put_word(out, value, other, is_real);
  } else {
    put_value(out, value, other);
  }
}

/* The first column, in the order of the list, that differs in the row, with both values. */
static status name_column(merging *m, const found *f, const char *column, text *out, int *row,
                          detail *err) {
  text sql;
  text_open(&sql, 1 << 16);
  text_put(&sql, "SELECT ");
  put_column(f->in, 'a', column, &sql);
  text_put(&sql, ", ");
  put_column(f->in, 'b', column, &sql);
  put_joined(f->in, &sql);
  put_difference(f->in, column, &sql);
  text_format(&sql, " AND m.source = ?1 AND b.%s = ?2", f->in->key);
  *row = 0;
  status failed = text_state(&sql, err);
  call k = {0};
  if (!failed) {
    k = merge_call(m, text_string(&sql));
    call_int(&k, f->source);
    call_int(&k, f->key);
    failed = merge_row(m, &k, row, err);
  }
  if (*row) {
    put_row(f, out);
    text_format(out, " %s is ", column);
    sqlite3_value *ours = sqlite3_column_value(k.statement, 0);
    sqlite3_value *theirs = sqlite3_column_value(k.statement, 1);
    put_either(out, column, ours, theirs);
    text_format(out, " in %s and ", m->out->path);
    put_either(out, column, theirs, ours);
    text_format(out, " in %s", m->in);
  }
  merge_end(&k);
  text_close(&sql);
  return failed;
}

static status name_difference(merging *m, const found *f, text *out, detail *err) {
  char column[COLUMN_BYTES];
  int row = 0;
  status failed = OK;
  if (f->rest) {
    text_format(out, "%s %lld is only in %s", f->in->table, (long long)f->key,
                f->rest > 0 ? m->in : m->out->path);
    return OK;
  }
  for (const char *rest = f->in->columns; !failed && !row && (rest = next_column(rest, column));)
    failed = name_column(m, f, column, out, &row, err);
  return failed;
}

static status explain(merging *m, const found *f, detail *err) {
  text what;
  text_open(&what, 4 * NAME_BYTES);
  status failed = name_sample(m, f->source, &what, err);
  text_put(&what, ": ");
  if (!failed) failed = name_difference(m, f, &what, err);
  if (!failed) {
    failed = fault(err, E_STORE,
                   "%.*s. Both are of one run, which gives the same bits everywhere: one of the "
                   "two was changed or computed wrongly, and nothing of %s was merged",
                   (int)NAME_BYTES, text_string(&what), m->in);
  }
  text_close(&what);
  return failed;
}

status merge_compare(merging *m, detail *err) {
  int row = 0;
  status failed = OK;
  for (size_t i = 0; !failed && i < sizeof TABLES / sizeof TABLES[0]; i++) {
    const compared *c = &TABLES[i];
    found f = {.in = c};
    int united = !strcmp(c->table, "sample") || !strcmp(c->table, "verdict");
    failed = find_other_bits(m, c, &f, &row, err);
    if (!failed && !row && !united) failed = find_single(m, c, &f, &row, err);
    if (!failed && row) return explain(m, &f, err);
  }
  return failed;
}
