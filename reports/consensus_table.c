#include "base/clock.h"
#include "reports/consensus_internal.h"
#include "reports/sql_internal.h"
#include "reports/stats.h"

#include <stdlib.h>
#include <string.h>

/* Changes when the count does, so that rows of an older program are computed again. */
static const char consensus_version[] = "consensus 1";

const char *const consensus_kind_names[CONSENSUS_KINDS] = {"canonical", "literal"};

/* ---- what is counted -------------------------------------------------------------------------
 */

/* Where the run's vote key is the text itself, nothing stands for the meaning. */
static int has_kind(const scores_condition *c, consensus_kind kind) {
  return kind == CONSENSUS_LITERAL || !c->votes_by_text;
}

/* One draw a task leaves nothing to vote on. */
static size_t sizes_of(const draws *d, size_t sizes[CONSENSUS_SIZES_MAX]) {
  return d->least < 2 ? 0 : consensus_sizes(d->least, sizes);
}

static void digest_text(hash_parts *parts, const char *value) {
  hash_part(parts, value ? value : "", value ? strlen(value) + 1 : 0);
}

static void digest_condition(hash_parts *parts, const scores_condition *c, const draws *d) {
  digest_text(parts, c->name);
  digest_text(parts, c->checker);
  hash_part(parts, c->identity.bytes, HASH_BYTES);
  for (size_t i = 0; i < d->count; i++) {
    const draw *one = &d->list[i];
    double numbers[5] = {(double)one->task, (double)one->repeat, (double)one->thread, one->score,
                         one->correct};
    hash_part(parts, numbers, sizeof numbers);
    digest_text(parts, one->vote_key);
    digest_text(parts, one->answer);
  }
}

status consensus_load(consensus *out, store *s, const scores *all, detail *err) {
  *out = (consensus){.draws = arena_take(all->memory, all->count + 1, sizeof *out->draws)};
  if (!out->draws) return arena_full(all->memory, err);
  hash_parts parts;
  hash_start(&parts);
  hash_part(&parts, consensus_version, sizeof consensus_version);
  hash_part(&parts, all->unit, all->tasks * sizeof *all->unit);
  for (size_t i = 0; i < all->count; i++) {
    const scores_condition *c = &all->conditions[i];
    size_t sizes[CONSENSUS_SIZES_MAX];
    status failed = draws_load(&out->draws[i], s, all, c, err);
    if (failed) return failed;
    size_t count = sizes_of(&out->draws[i], sizes);
    if (!count) continue;
    digest_condition(&parts, c, &out->draws[i]);
    for (int kind = 0; kind < CONSENSUS_KINDS; kind++)
      out->count += has_kind(c, kind) ? count : 0;
  }
  out->digest = hash_end(&parts);
  out->rows = arena_take(all->memory, out->count + 1, sizeof *out->rows);
  return out->rows ? OK : arena_full(all->memory, err);
}

/* ---- counting --------------------------------------------------------------------------------
 */

typedef struct voter {
  const char *vote;
  size_t at;
} voter;

/* What a condition's count works with; its memory is given back after each condition. */
typedef struct tally {
  const scores *all;
  const scores_condition *condition;
  const draws *draws;
  size_t sizes[CONSENSUS_SIZES_MAX], size_count;
  voter *voters;                  /* [draws.most] */
  int32_t *key[CONSENSUS_KINDS];  /* [draws.most] */
  double *score;                  /* [draws.most] */
  double *value[CONSENSUS_KINDS]; /* [size_count, draws.tasks] */
  int32_t *unit;                  /* [draws.tasks] */
} tally;

static int by_vote(const void *left, const void *right) {
  const voter *a = left, *b = right;
  int order = strcmp(a->vote, b->vote);
  return order ? order : a->at < b->at ? -1 : a->at > b->at;
}

/* Numbers what the task's draws vote for in the order in which they first do, since the first holds
   a key's score. Returns how many keys there are. */
static size_t number_keys(tally *c, const draw *list, size_t many, consensus_kind kind) {
  size_t voters = 0, keys = 0;
  int32_t *key = c->key[kind];
  for (size_t i = 0; i < many; i++) {
    const char *vote = kind == CONSENSUS_CANONICAL ? list[i].vote_key : list[i].answer;
    key[i] = -1;
    if (vote) c->voters[voters++] = (voter){vote, i};
  }
  if (voters) qsort(c->voters, voters, sizeof *c->voters, by_vote);
  for (size_t i = 0, first = 0; i < voters; i++) { /* for now, the place of the first */
    if (strcmp(c->voters[i].vote, c->voters[first].vote) != 0) first = i;
    key[c->voters[i].at] = (int32_t)c->voters[first].at;
  }
  for (size_t i = 0; i < many; i++) {
    if (key[i] < 0) continue;
    int is_first = (size_t)key[i] == i;
    key[i] = is_first ? (int32_t)keys : key[key[i]];
    if (is_first) c->score[keys++] = list[i].score;
  }
  return keys;
}

/* The values of one task. Mostly answers that mean the same are written the same, and the second
   kind of vote is the first again. */
static status count_task(tally *c, const draw *list, size_t many, size_t task, detail *err) {
  double value[CONSENSUS_SIZES_MAX];
  int counted = -1;
  c->unit[task] = c->all->unit[list->task];
  for (int kind = 0; kind < CONSENSUS_KINDS; kind++) {
    if (!has_kind(c->condition, kind)) continue;
    size_t keys = number_keys(c, list, many, kind);
    if (counted < 0 || memcmp(c->key[kind], c->key[counted], many * sizeof *c->key[kind]) != 0) {
      consensus_ballot b = {c->key[kind], c->score, many, keys, &c->all->content[list->task]};
      status failed = consensus_votes(&b, c->sizes, c->size_count, value, err);
      if (failed) return failed;
    }
    counted = kind;
    for (size_t i = 0; i < c->size_count; i++)
      c->value[kind][i * c->draws->tasks + task] = value[i];
  }
  return OK;
}

static status open_tally(tally *c, arena *scratch, detail *err) {
  const draws *d = c->draws;
  c->size_count = sizes_of(d, c->sizes);
  c->voters = arena_take(scratch, d->most, sizeof *c->voters);
  c->score = arena_take(scratch, d->most, sizeof *c->score);
  c->unit = arena_take(scratch, d->tasks, sizeof *c->unit);
  int whole = c->voters && c->score && c->unit;
  for (int kind = 0; kind < CONSENSUS_KINDS; kind++) {
    c->key[kind] = arena_take(scratch, d->most, sizeof *c->key[kind]);
    c->value[kind] = arena_take(scratch, c->size_count * d->tasks, sizeof *c->value[kind]);
    whole = whole && c->key[kind] && c->value[kind];
  }
  return whole ? OK : arena_full(scratch, err);
}

/* Any task of more draws than the least may have more subsets than are counted. */
static int any_drawn(const draws *d, size_t k) {
  for (size_t begin = 0, end; begin < d->count; begin = end) {
    end = draws_end(d, begin);
    if (consensus_is_drawn(end - begin, k)) return 1;
  }
  return 0;
}

static status put_rows(const tally *c, consensus_row *rows, size_t *made, detail *err) {
  for (int kind = 0; kind < CONSENSUS_KINDS; kind++) {
    if (!has_kind(c->condition, kind)) continue;
    for (size_t i = 0; i < c->size_count; i++) {
      stats_mean m;
      status failed = stats_mean_of(&c->value[kind][i * c->draws->tasks],
                                    c->all->clustered ? c->unit : NULL, c->draws->tasks, &m, err);
      if (failed) return failed;
      rows[(*made)++] = (consensus_row){.condition = (size_t)(c->condition - c->all->conditions),
                                        .kind = kind,
                                        .k = c->sizes[i],
                                        .accuracy = m.mean,
                                        .se = m.vanishes ? STATS_NONE : m.se,
                                        .drawn = any_drawn(c->draws, c->sizes[i])};
    }
  }
  return OK;
}

static status count_condition(consensus *out, const scores *all, size_t condition, size_t *made,
                              arena *scratch, detail *err) {
  tally c = {.all = all, .condition = &all->conditions[condition], .draws = &out->draws[condition]};
  const draws *d = c.draws;
  if (d->least < 2) return OK;
  status failed = open_tally(&c, scratch, err);
  for (size_t begin = 0, end, task = 0; begin < d->count && !failed; begin = end, task++) {
    end = draws_end(d, begin);
    failed = count_task(&c, &d->list[begin], end - begin, task, err);
  }
  if (!failed) failed = put_rows(&c, out->rows, made, err);
  arena_reset(scratch);
  return failed;
}

static status count_all(consensus *out, const scores *all, detail *err) {
  arena *scratch = NULL;
  size_t made = 0;
  status failed = arena_open(&scratch, SCORES_BYTES_MAX, err);
  for (size_t i = 0; i < all->count && !failed; i++)
    failed = count_condition(out, all, i, &made, scratch, err);
  arena_close(scratch);
  REQUIRE(failed || made == out->count);
  return failed;
}

/* ---- the table -------------------------------------------------------------------------------
 */

status consensus_stored(int *stored, store *s, const scores *all, const consensus *c, detail *err) {
  query *q = NULL;
  int row = 0;
  *stored = 0;
  status failed = query_open(&q, s,
                             "SELECT count(*), coalesce(sum(digest = ?2), 0) FROM consensus "
                             "WHERE job = ?1",
                             err);
  if (failed) return failed;
  query_bind_text(q, 1, all->job);
  query_bind_blob(q, 2, c->digest.bytes, HASH_BYTES);
  failed = query_next(q, &row, err);
  if (!failed && row) {
    int64_t rows = query_int(q, 0);
    *stored = rows == query_int(q, 1) && rows == (int64_t)c->count;
  }
  query_close(q);
  return failed;
}

/* Rows come in the order of the conditions. */
static status read_rows(consensus *out, store *s, const scores *all, detail *err) {
  query *q = NULL;
  size_t room = out->count, at = 0;
  status failed = query_open(&q, s,
                             "SELECT n.condition, n.kind = 'literal', n.k, n.accuracy, n.se, "
                             "n.subsets <> 'all' FROM consensus n JOIN condition c "
                             "ON c.job = n.job AND c.name = n.condition WHERE n.job = ? "
                             "ORDER BY c.ordinal, c.id, n.kind, n.k",
                             err);
  if (failed) return failed;
  query_bind_text(q, 1, all->job);
  out->count = 0;
  for (int row = 0; !(failed = query_next(q, &row, err)) && row && out->count < room;) {
    while (at < all->count && strcmp(all->conditions[at].name, query_text(q, 0)) != 0)
      at++;
    if (at == all->count) break;
    out->rows[out->count++] = (consensus_row){.condition = at,
                                              .kind = (consensus_kind)query_int(q, 1),
                                              .k = (size_t)query_int(q, 2),
                                              .accuracy = query_real(q, 3),
                                              .se = scores_number(q, 4),
                                              .drawn = (int)query_int(q, 5)};
  }
  query_close(q);
  return failed;
}

static void sql_row(text *sql, const scores *all, const consensus *c, const consensus_row *row) {
  char hex[HASH_HEX_BYTES];
  const scores_condition *of = &all->conditions[row->condition];
  const draws *d = &c->draws[row->condition];
  const char *words[] = {all->job, of->name, of->checker, consensus_kind_names[row->kind]};
  text_put(sql, "INSERT INTO consensus (job, condition, checker, kind, k, accuracy, se, tasks, "
                "draws, subsets, digest, made_unix_ns) VALUES (");
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    sql_text(sql, words[i]);
    text_put(sql, ", ");
  }
  text_format(sql, "%zu, ", row->k);
  sql_real(sql, row->accuracy);
  text_put(sql, ", ");
  sql_real(sql, row->se);
  text_format(sql, ", %zu, %zu, ", d->tasks, d->count);
  if (row->drawn) {
    text_format(sql, "'%d drawn'", CONSENSUS_SUBSETS);
  } else {
    text_put(sql, "'all'");
  }
  text_format(sql, ", x'%s', %lld);\n", hash_hex(&c->digest, hex), (long long)clock_unix_ns());
}

/* One text of SQL, since that is one transaction: a reader sees the old rows or the new. */
static status keep_rows(store *s, const scores *all, const consensus *c, detail *err) {
  text sql;
  text_open(&sql, SQL_BYTES_MAX);
  text_put(&sql, "DELETE FROM consensus WHERE job = ");
  sql_text(&sql, all->job);
  text_put(&sql, ";\n");
  for (size_t i = 0; i < c->count; i++)
    sql_row(&sql, all, c, &c->rows[i]);
  status failed = text_state(&sql, err);
  if (!failed) failed = query_run(s, text_string(&sql), err);
  text_close(&sql);
  return failed;
}

status consensus_of(consensus *out, store *s, const scores *all, detail *err) {
  int stored = 0;
  status failed = consensus_load(out, s, all, err);
  if (!failed) failed = consensus_stored(&stored, s, all, out, err);
  if (failed) return failed;
  if (stored) return read_rows(out, s, all, err);
  failed = count_all(out, all, err);
  out->unkept = !store_writable(s);
  if (!failed && store_writable(s)) failed = keep_rows(s, all, out, err);
  return failed;
}

/* ---- pass@k ---------------------------------------------------------------------------------- */

double consensus_pass_of(const draws *d, size_t k) {
  double sum = 0;
  for (size_t begin = 0, end; begin < d->count; begin = end) {
    size_t correct = 0;
    end = draws_end(d, begin);
    for (size_t i = begin; i < end; i++)
      correct += (size_t)d->list[i].correct;
    sum += consensus_pass(end - begin, correct, k);
  }
  return sum / (double)d->tasks;
}
