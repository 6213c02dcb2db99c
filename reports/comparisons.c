#include "base/clock.h"
#include "base/json.h"
#include "reports/comparisons_internal.h"
#include "reports/consensus_internal.h"
#include "reports/sql_internal.h"
#include "store/query.h"

#include <string.h>

/* Changes when the statistics do, so that rows of an older program are computed again. */
static const char statistics_version[] = "comparison 2";

/* ---- what a job declares --------------------------------------------------------------------- */

static const char *text_member(const scores *all, const json_t *object, const char *key) {
  const char *value = json_string_value(json_object_get(object, key));
  if (!value) value = "";
  return arena_text(all->memory, value, strlen(value));
}

static status read_contrast(report_contrast *out, const scores *all, const json_t *entry,
                            detail *err) {
  const json_t *at = json_object_get(entry, "at"), *value;
  *out = (report_contrast){.job = all->job, .at_count = json_array_size(at)};
  out->a = text_member(all, entry, "a");
  out->b = text_member(all, entry, "b");
  out->axis = text_member(all, entry, "axis");
  out->margin = json_number_value(json_object_get(entry, "margin"));
  double *budgets = arena_take(all->memory, out->at_count + 1, sizeof *budgets);
  if (!out->a || !out->b || !out->axis || !budgets) return arena_full(all->memory, err);
  size_t i;
  json_array_foreach(at, i, value) budgets[i] = json_number_value(value);
  out->at = budgets;
  return OK;
}

status declared_read(declared *out, const scores *all, detail *err) {
  *out = (declared){0};
  json_t *document = NULL;
  status failed =
      json_read(&document, all->document, strlen(all->document), "the stored job", 1, err);
  if (failed) return failed;
  const json_t *list = json_object_get(document, "compare"), *entry;
  out->contrasts = arena_take(all->memory, json_array_size(list) + 1, sizeof *out->contrasts);
  if (!out->contrasts) failed = arena_full(all->memory, err);
  size_t i;
  json_array_foreach(list, i, entry) {
    if (failed) break;
    failed = read_contrast(&out->contrasts[i], all, entry, err);
    out->rows += out->contrasts[i].at_count ? out->contrasts[i].at_count : 1;
    out->count++;
  }
  json_decref(document);
  return failed;
}

/* ---- what they read -------------------------------------------------------------------------- */

static void digest_number(hash_parts *parts, double value) {
  double plain = stats_known(value) ? value : -1; /* one pattern of bits for all that is unknown */
  hash_part(parts, &plain, sizeof plain);
}

static void digest_contrast(hash_parts *parts, const report_contrast *c) {
  hash_part(parts, c->a, strlen(c->a));
  hash_part(parts, c->b, strlen(c->b));
  hash_part(parts, c->axis, strlen(c->axis));
  digest_number(parts, c->margin);
  for (size_t i = 0; i < c->at_count; i++)
    digest_number(parts, c->at[i]);
}

/* One part a task keeps the lengths that hash_part writes few. */
static void digest_condition(hash_parts *parts, const scores *all, const scores_condition *c) {
  hash_part(parts, c->name, strlen(c->name));
  hash_part(parts, c->family, strlen(c->family));
  hash_part(parts, c->identity.bytes, HASH_BYTES);
  hash_part(parts, c->checker, strlen(c->checker));
  for (size_t task = 0; task < all->tasks; task++) {
    for (size_t r = 0; r < c->repeats; r++) {
      const scores_cell *cell = &c->cells[task * c->repeats + r];
      if (cell->state == CELL_NONE) continue;
      double row[4 + SCORES_AXES] = {(double)task, (double)r, (double)cell->state,
                                     stats_known(cell->score) ? cell->score : -1};
      for (int i = 0; i < SCORES_AXES; i++)
        row[4 + i] = stats_known(cell->cost[i]) ? cell->cost[i] : -1;
      hash_part(parts, row, sizeof row);
    }
  }
}

status comparisons_digest(hash *out, const scores *all, const report_contrast *contrasts,
                          size_t count, detail *err) {
  char *named = arena_take(all->memory, all->count + 1, 1);
  if (!named) return arena_full(all->memory, err);
  hash_parts parts;
  hash_start(&parts);
  hash_part(&parts, statistics_version, sizeof statistics_version);
  for (size_t i = 0; i < count; i++) {
    const char *sides[2] = {contrasts[i].a, contrasts[i].b};
    digest_contrast(&parts, &contrasts[i]);
    for (int side = 0; side < 2; side++) {
      contrast_side found;
      status failed = contrast_side_find(&found, all, sides[side], err);
      if (failed) return failed;
      for (size_t k = 0; k < found.count; k++)
        named[found.member[k]] = 1;
    }
  }
  hash_part(&parts, all->unit, all->tasks * sizeof *all->unit);
  for (size_t i = 0; i < all->count; i++) {
    if (named[i]) digest_condition(&parts, all, &all->conditions[i]);
  }
  *out = hash_end(&parts);
  return OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

status comparisons_stored(int *stored, store *s, const scores *all, const declared *d,
                          const hash *digest, detail *err) {
  query *q = NULL;
  int row = 0;
  *stored = 0;
  status failed = query_open(&q, s,
                             "SELECT count(*), coalesce(sum(digest = ?2), 0) FROM comparison "
                             "WHERE job = ?1 AND declared",
                             err);
  if (failed) return failed;
  query_bind_text(q, 1, all->job);
  query_bind_blob(q, 2, digest->bytes, HASH_BYTES);
  failed = query_next(q, &row, err);
  if (!failed && row) {
    int64_t rows = query_int(q, 0);
    *stored = rows == query_int(q, 1) && rows == (int64_t)d->rows;
  }
  query_close(q);
  return failed;
}

static status read_row(contrast_row *row, const scores *all, const query *q, detail *err) {
  *row = (contrast_row){.ordinal = (int)query_int(q, 0),
                        .a = query_keep(q, 1, all->memory),
                        .b = query_keep(q, 2, all->memory),
                        .checker = query_keep(q, 3, all->memory),
                        .axis = query_keep(q, 4, all->memory),
                        .budget = query_real(q, 5),
                        .declared = 1,
                        .tasks = query_int(q, 6),
                        .dropped = query_int(q, 7),
                        .accuracy_a = scores_number(q, 8),
                        .accuracy_b = scores_number(q, 9),
                        .difference = scores_number(q, 10),
                        .se = scores_number(q, 11),
                        .lo95 = scores_number(q, 12),
                        .hi95 = scores_number(q, 13),
                        .lo90 = STATS_NONE,
                        .hi90 = STATS_NONE,
                        .p = scores_number(q, 14),
                        .p_holm = scores_number(q, 15),
                        .margin = query_real(q, 16),
                        .verdict = query_keep(q, 17, all->memory),
                        .tasks_needed = query_is_null(q, 18) ? -1 : query_int(q, 18),
                        .method = query_keep(q, 19, all->memory)};
  int whole = row->a && row->b && row->checker && row->axis && row->verdict && row->method;
  return whole ? OK : arena_full(all->memory, err);
}

static status read_rows(comparisons *out, store *s, const scores *all, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT ordinal, a, b, checker, axis, budget, tasks, pairs_dropped, "
                             "accuracy_a, accuracy_b, difference, se, lo95, hi95, p, p_holm, "
                             "margin, verdict, tasks_needed, method FROM comparison "
                             "WHERE job = ? AND declared ORDER BY id",
                             err);
  if (failed) return failed;
  query_bind_text(q, 1, all->job);
  size_t room = out->count;
  out->count = 0;
  for (int row = 0; !(failed = query_next(q, &row, err)) && row && out->count < room;) {
    failed = read_row(&out->rows[out->count++], all, q, err);
    if (failed) break;
  }
  query_close(q);
  return failed;
}

/* Makes room for a new answer to an exploratory question. */
static void sql_forget(text *sql, const scores *all, const contrast_row *row) {
  const char *const columns[] = {"job", "a", "b", "checker", "axis"};
  const char *const words[] = {all->job, row->a, row->b, row->checker, row->axis};
  text_put(sql, "DELETE FROM comparison WHERE NOT declared");
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    text_format(sql, " AND %s = ", columns[i]);
    sql_text(sql, words[i]);
  }
  text_format(sql, " AND budget = %.17g;\n", row->budget);
}

static void sql_row(text *sql, const scores *all, const contrast_row *row, const hash *digest) {
  char hex[HASH_HEX_BYTES];
  /* A declared row is never replaced by an exploratory one. */
  text_put(sql, row->declared ? "INSERT OR REPLACE INTO comparison (job,"
                              : "INSERT OR IGNORE INTO comparison (job,");
  text_put(sql, " a, b, checker, axis, verdict, method, "
                "ordinal, declared, tasks, pairs_dropped, tasks_needed, budget, accuracy_a, "
                "accuracy_b, difference, se, lo95, hi95, p, p_holm, margin, made_unix_ns, digest) "
                "VALUES (");
  const char *verdict = row->declared ? row->verdict : NULL;
  const char *words[] = {all->job, row->a, row->b, row->checker, row->axis, verdict, row->method};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (words[i]) sql_text(sql, words[i]);
    text_put(sql, words[i] ? ", " : "NULL, ");
  }
  text_format(sql, "%d, %d, %lld, %lld, ", row->ordinal, row->declared, (long long)row->tasks,
              (long long)row->dropped);
  if (row->tasks_needed < 0) {
    text_put(sql, "NULL, ");
  } else {
    text_format(sql, "%lld, ", (long long)row->tasks_needed);
  }
  const double numbers[] = {row->budget, row->accuracy_a, row->accuracy_b, row->difference,
                            row->se,     row->lo95,       row->hi95,       row->p,
                            row->p_holm, row->margin};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    sql_real(sql, numbers[i]);
    text_put(sql, ", ");
  }
  text_format(sql, "%lld, x'%s');\n", (long long)clock_unix_ns(), hash_hex(digest, hex));
}

/* One text of SQL, since that is one transaction: a reader sees the old rows or the new. */
status comparisons_keep(store *s, const scores *all, const comparisons *c, int replace_declared,
                        detail *err) {
  text sql;
  text_open(&sql, SQL_BYTES_MAX);
  if (replace_declared) {
    /* Exploratory rows go too: what they read is no more what is there. */
    text_put(&sql, "DELETE FROM comparison WHERE job = ");
    sql_text(&sql, all->job);
    text_put(&sql, ";\n");
  }
  for (size_t i = 0; i < c->count; i++) {
    if (!c->rows[i].declared) sql_forget(&sql, all, &c->rows[i]);
    sql_row(&sql, all, &c->rows[i], &c->digest);
  }
  status failed = text_state(&sql, err);
  if (!failed && sql.bytes) failed = query_run(s, text_string(&sql), err);
  text_close(&sql);
  return failed;
}

status comparisons_of(comparisons *out, store *s, const scores *all, detail *err) {
  *out = (comparisons){0};
  declared d;
  int stored = 0;
  status failed = declared_read(&d, all, err);
  if (!failed) failed = comparisons_digest(&out->digest, all, d.contrasts, d.count, err);
  if (!failed) failed = comparisons_stored(&stored, s, all, &d, &out->digest, err);
  if (failed) return failed;
  out->rows = arena_take(all->memory, d.rows + 1, sizeof *out->rows);
  if (!out->rows) return arena_full(all->memory, err);
  if (stored) {
    out->count = d.rows;
    return read_rows(out, s, all, err);
  }
  for (size_t i = 0; i < d.count && !failed; i++)
    failed = contrast_compute(all, &d.contrasts[i], (int)i, 1, out->rows, &out->count, err);
  if (!failed) failed = contrast_settle(out->rows, out->count, err);
  out->unkept = !store_writable(s);
  if (!failed && store_writable(s)) failed = comparisons_keep(s, all, out, 1, err);
  return failed;
}

/* ---- public ---------------------------------------------------------------------------------- */

/* Votes first: contrasts that are refused must not keep them from being counted. */
status report_comparisons(store *s, const char *job, detail *err) {
  arena *memory = NULL;
  scores all;
  consensus votes;
  comparisons c;
  status failed = arena_open(&memory, SCORES_BYTES_MAX, err);
  if (!failed) failed = scores_load(&all, s, job, memory, err);
  if (!failed) failed = consensus_of(&votes, s, &all, err);
  if (!failed) failed = comparisons_of(&c, s, &all, err);
  arena_close(memory);
  return failed;
}

static status comparisons_true(int *stored, store *s, const scores *all, detail *err) {
  declared d;
  hash digest;
  status failed = declared_read(&d, all, err);
  if (!failed) failed = comparisons_digest(&digest, all, d.contrasts, d.count, err);
  return failed ? failed : comparisons_stored(stored, s, all, &d, &digest, err);
}

status report_stale(store *s, const char *job, int *stale, detail *err) {
  arena *memory = NULL;
  scores all;
  consensus votes;
  int stored = 0;
  status failed = arena_open(&memory, SCORES_BYTES_MAX, err);
  if (!failed) failed = scores_load(&all, s, job, memory, err);
  if (!failed) failed = consensus_load(&votes, s, &all, err);
  if (!failed) failed = consensus_stored(&stored, s, &all, &votes, err);
  if (!failed && stored) failed = comparisons_true(&stored, s, &all, err);
  *stale = !failed && !stored;
  arena_close(memory);
  return failed;
}
