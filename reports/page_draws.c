#include "reports/consensus_internal.h"
#include "reports/page_internal.h"

#include <stdio.h>

enum { SIZES_SHOWN_MAX = 11 }; /* powers of two up to CONSENSUS_SIZE_MAX */

/* The k that have a column: powers of two that some condition reaches. */
static size_t shown_sizes(const consensus *votes, size_t sizes[SIZES_SHOWN_MAX]) {
  size_t most = 0, count = 0;
  for (size_t i = 0; i < votes->count; i++)
    if (votes->rows[i].k > most) most = votes->rows[i].k;
  for (size_t k = 1; k <= most && count < SIZES_SHOWN_MAX; k *= 2)
    sizes[count++] = k;
  return count;
}

/* The rows of one condition. */
typedef struct its_rows {
  const consensus_row *rows; /* [count] */
  size_t count;
} its_rows;

static double vote_of(const its_rows *r, int kind, size_t k) {
  for (size_t i = 0; i < r->count; i++)
    if ((int)r->rows[i].kind == kind && r->rows[i].k == k) return r->rows[i].accuracy;
  return STATS_NONE;
}

static void put_share(table *t, double share) {
  if (stats_known(share)) {
    table_cell(t, "%.1f", 100 * share);
  } else {
    table_cell(t, "-");
  }
}

/* A line a measure; one that the condition has not (no meaning to vote by) is left out. */
static void put_condition(table *t, const char *name, const draws *d, const its_rows *r,
                          const size_t *sizes, size_t count) {
  static const char *const names[CONSENSUS_KINDS] = {"cons", "cons, literal"};
  table_next(t, NULL);
  table_cell(t, "%s", name);
  if (d->least == d->most) {
    table_cell(t, "%zu", d->least);
  } else {
    table_cell(t, "%zu-%zu", d->least, d->most);
  }
  table_cell(t, "pass");
  for (size_t i = 0; i < count; i++)
    put_share(t, sizes[i] <= d->least ? consensus_pass_of(d, sizes[i]) : STATS_NONE);
  for (int kind = 0; kind < CONSENSUS_KINDS; kind++) {
    if (!stats_known(vote_of(r, kind, 1))) continue;
    table_next(t, NULL);
    table_cell(t, "%s", "");
    table_cell(t, "%s", "");
    table_cell(t, "%s", names[kind]);
    for (size_t i = 0; i < count; i++)
      put_share(t, vote_of(r, kind, sizes[i]));
  }
}

static status put_table(const page *p, const consensus *votes, detail *err) {
  static const char alignment[] = "Lrlrrrrrrrrrrr";
  size_t sizes[SIZES_SHOWN_MAX], count = shown_sizes(votes, sizes);
  char columns[sizeof alignment];
  table t;
  (void)snprintf(columns, sizeof columns, "%.*s", (int)count + 3, alignment);
  table_open(&t, p->memory, columns);
  table_next(&t, page_paint(p, "\x1b[2m"));
  table_cell(&t, "condition");
  table_cell(&t, "draws");
  table_cell(&t, "k");
  for (size_t i = 0; i < count; i++)
    table_cell(&t, "%zu", sizes[i]);
  for (size_t from = 0, to; from < votes->count; from = to) {
    size_t condition = votes->rows[from].condition;
    for (to = from; to < votes->count && votes->rows[to].condition == condition;)
      to++;
    its_rows r = {&votes->rows[from], to - from};
    put_condition(&t, p->all->conditions[condition].name, &votes->draws[condition], &r, sizes,
                  count);
  }
  return table_write(&t, p->width, p->out, err);
}

status page_draws(const page *p, detail *err) {
  consensus votes;
  status failed = consensus_of(&votes, p->s, p->all, err);
  if (failed) return failed;
  if (votes.unkept && p->unkept) *p->unkept = 1;
  if (!votes.count) return OK;
  int drawn = 0;
  for (size_t i = 0; i < votes.count; i++)
    drawn |= votes.rows[i].drawn;
  page_title(p, "Several draws of each task (in %%, over all choices of k)");
  failed = put_table(p, &votes, err);
  if (failed) return failed;
  page_note(p,
            "pass: one of k is right, which is what a perfect check would find. cons: the answer "
            "that most of k vote for is right; of tied answers the mean counts, and a draw "
            "without an answer does not vote. Votes count what answers mean; literal: their text.");
  if (drawn) {
    page_note(p, "Where a task has more than %d choices of k, as many are drawn, with a seed.",
              (int)CONSENSUS_SUBSETS);
  }
  return OK;
}
