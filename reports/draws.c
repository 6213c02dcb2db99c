#include "reports/draws_internal.h"

#include <stdlib.h>
#include <string.h>

#define OF_CONDITION                                                                               \
  "FROM condition c "                                                                              \
  "CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats AND s.status <> 'failed' "        \
  "CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks "                                    \
  "CROSS JOIN verdict v ON v.sample = s.id AND v.checker = c.checker "

static const char samples_query[] =
    "SELECT t.ordinal, s.repeat, -1, v.correct, v.score, s.vote_key, s.answer " OF_CONDITION
    "AND v.thread = -1 WHERE c.job = ? AND c.name = ?";

static const char voters_query[] =
    "SELECT t.ordinal, s.repeat, v.thread, v.correct, v.score, h.vote_key, h.answer " OF_CONDITION
    "AND v.thread >= 0 CROSS JOIN thread h ON h.sample = s.id AND h.ordinal = v.thread "
    "WHERE c.job = ? AND c.name = ?";

static status keep(const char **out, const query *q, int column, arena *memory, detail *err) {
  *out = query_is_null(q, column) ? NULL : query_keep(q, column, memory);
  return *out || query_is_null(q, column) ? OK : arena_full(memory, err);
}

/* What is outgrown stays in the arena, which costs no more than what is kept. */
static status grow(draws *d, size_t *room, arena *memory, detail *err) {
  if (d->count < *room) return OK;
  *room = *room ? 2 * *room : 256;
  draw *list = arena_take(memory, *room, sizeof *list);
  if (!list) return arena_full(memory, err);
  if (d->count) memcpy(list, d->list, d->count * sizeof *list);
  d->list = list;
  return OK;
}

static status read_draw(draw *out, const scores *all, const query *q, detail *err) {
  if (query_int(q, 0) < 0 || (uint64_t)query_int(q, 0) >= all->tasks) {
    return scores_damaged("task ordinal", query_int(q, 0), err);
  }
  *out = (draw){.task = (size_t)query_int(q, 0),
                .repeat = query_int(q, 1),
                .thread = query_int(q, 2),
                .correct = query_int(q, 3) != 0,
                .score = query_real(q, 4)};
  status failed = keep(&out->vote_key, q, 5, all->memory, err);
  return failed ? failed : keep(&out->answer, q, 6, all->memory, err);
}

static int by_place(const void *left, const void *right) {
  const draw *a = left, *b = right;
  if (a->task != b->task) return a->task < b->task ? -1 : 1;
  if (a->repeat != b->repeat) return a->repeat < b->repeat ? -1 : 1;
  return a->thread < b->thread ? -1 : a->thread > b->thread;
}

size_t draws_end(const draws *d, size_t begin) {
  size_t end = begin;
  while (end < d->count && d->list[end].task == d->list[begin].task)
    end++;
  return end;
}

static void count_tasks(draws *d) {
  if (d->count) qsort(d->list, d->count, sizeof *d->list, by_place);
  for (size_t begin = 0, end; begin < d->count; begin = end) {
    end = draws_end(d, begin);
    if (!d->tasks || end - begin < d->least) d->least = end - begin;
    if (end - begin > d->most) d->most = end - begin;
    d->tasks++;
  }
}

status draws_load(draws *out, store *s, const scores *all, const scores_condition *c, detail *err) {
  *out = (draws){0};
  query *q = NULL;
  size_t room = 0;
  if (!c->is_vote && c->repeats < 2) return OK;
  status failed = query_open(&q, s, c->is_vote ? voters_query : samples_query, err);
  if (failed) return failed;
  query_bind_text(q, 1, all->job);
  query_bind_text(q, 2, c->name);
  for (int row = 0; !(failed = query_next(q, &row, err)) && row;) {
    failed = grow(out, &room, all->memory, err);
    if (!failed) failed = read_draw(&out->list[out->count++], all, q, err);
    if (failed) break;
  }
  query_close(q);
  if (!failed) count_tasks(out);
  return failed;
}
