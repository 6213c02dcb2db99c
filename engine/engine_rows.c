/* How many rows each running unit gets in a step, and the pages that they need. */
#include "engine/engine_internal.h"

/* ---- rows ------------------------------------------------------------------------------------ */

static int least(int a, int b) {
  return a < b ? a : b;
}

/* What a thread would feed if rows were free. */
static int wants(const unit *u, const thread *t) {
  if (t->has_ended) return 0;
  int left = t->count - t->fed;
  return u->feed_tokens ? least(left, u->feed_tokens) : left;
}

static int unit_wants(const unit *u) {
  int rows = 0;
  for (int i = 0; i < u->count; i++)
    rows += wants(u, u->members[i]);
  return rows;
}

/* Rows for a whole forward of a unit, or none. */
static int take_all(unit *u, int *left) {
  int rows = unit_wants(u);
  if (rows > *left) return 0;
  for (int i = 0; i < u->count; i++)
    u->members[i]->rows = wants(u, u->members[i]);
  *left -= rows;
  return 1;
}

int unit_has_rows(const unit *u) {
  for (int i = 0; i < u->count; i++) {
    if (u->members[i]->rows) return 1;
  }
  return 0;
}

/* A prompt's next rows, cut so that the next ones begin a page, unless that leaves nothing. 1: all
   that it wants. */
static int take_some(const engine *e, thread *t, int wanted, int *left) {
  int rows = least(wanted, *left), past = 0;
  if (rows < wanted) past = (t->fed + rows) % e->options.page_keys;
  if (past < rows) rows -= past;
  t->rows = rows;
  *left -= rows;
  return rows == wanted;
}

/* Gangs that were passed over; then whatever is sampled from in this step, since a row that samples
   is what all of this is for; then prompts, the oldest first. 0: there were rows for all. */
static int share_rows(engine *e) {
  int left = e->options.rows, is_short = 0;
  for (unit *u = e->running.oldest; u; u = u->younger) {
    for (int i = 0; i < u->count; i++)
      u->members[i]->rows = u->members[i]->appended = 0;
  }
  for (unit *u = e->running.oldest; u; u = u->younger) {
    if (u->was_passed_over) u->was_passed_over = !take_all(u, &left);
  }
  for (unit *u = e->running.oldest; u; u = u->younger) {
    if (!unit_has_rows(u) && unit_wants(u) <= u->running && !take_all(u, &left)) is_short = 1;
  }
  for (unit *u = e->running.oldest; u; u = u->younger) {
    if (unit_has_rows(u)) continue;
    int is_whole =
        u->feed_tokens ? take_all(u, &left) : take_some(e, u->members[0], unit_wants(u), &left);
    if (!is_whole) is_short = 1;
    if (!is_whole && u->feed_tokens) u->was_passed_over = 1;
  }
  return is_short;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static int pages_wanted(const engine *e, const unit *u) {
  int pages = 0;
  for (int i = 0; i < u->count; i++) {
    const thread *t = u->members[i];
    if (t->rows) pages += segment_pages_for(e->cache, t->segment, t->rows);
  }
  return pages;
}

static status append(engine *e, unit *u, detail *err) {
  status failed = OK;
  for (int i = 0; !failed && i < u->count; i++) {
    thread *t = u->members[i];
    if (!t->rows) continue;
    failed =
        segment_append(e->cache, t->segment, t->tokens + t->fed, t->rows, t->entries <= 1, err);
    if (!failed) t->appended = t->rows;
  }
  return failed;
}

/* After a failure: what was appended goes again, which takes no page. */
static void take_back(engine *e) {
  detail unused;
  for (unit *u = e->running.oldest; u; u = u->younger) {
    for (int i = 0; i < u->count; i++) {
      thread *t = u->members[i];
      int tokens = t->appended ? segment_tokens(e->cache, t->segment) - t->appended : 0;
      if (t->appended) REQUIRE(!segment_truncate(e->cache, t->segment, tokens, &unused));
      t->appended = t->rows = 0;
    }
  }
}

/* Rows that the pages at hand are enough for: only a single thread is ever cut. */
static int rows_within(const engine *e, const thread *t, int room) {
  int rows = t->rows;
  while (rows && segment_pages_for(e->cache, t->segment, rows) > room)
    rows--;
  return rows;
}

static int is_alone(const engine *e, const unit *u) {
  return e->running.oldest == u && e->running.youngest == u;
}

static status no_page(const engine *e, const unit *u, int wanted, int room, detail *err) {
  return fault(err, E_LIMIT,
               "thread %llu runs alone, needs %d more pages and can have %d of %d: segments that "
               "belong to no running thread stand on the others; free or swap some",
               (unsigned long long)u->members[0]->id, wanted, room > 0 ? room : 0,
               e->options.pages);
}

/* Finds the pages of a unit's rows. Where the younger ones' are not enough it does with less rows,
   or goes itself. */
static status take_pages(engine *e, unit *u, detail *err) {
  int wanted = pages_wanted(e, u), room;
  if (!wanted) return append(e, u, err);
  status failed = engine_find_room(e, u, wanted, &room, err);
  if (failed) return failed;
  if (room < wanted && !u->feed_tokens) {
    u->members[0]->rows = rows_within(e, u->members[0], room);
    if (u->members[0]->rows) wanted = room;
  }
  if (room >= wanted) {
    u->kept = u->kept > wanted ? u->kept - wanted : 0;
    return append(e, u, err);
  }
  if (is_alone(e, u)) return no_page(e, u, wanted, room, err);
  return engine_preempt_unit(e, u, e->options.preemption, err);
}

static int rows_of(const unit *u) {
  int rows = 0;
  for (int i = 0; i < u->count; i++)
    rows += u->members[i]->rows;
  return rows;
}

status engine_fill_rows(engine *e, detail *err) {
  status failed = OK;
  int is_short = share_rows(e), rows = 0;
  for (unit *u = e->running.oldest, *next; !failed && u; u = next) {
    if (unit_has_rows(u)) failed = take_pages(e, u, err);
    next = u->state == UNIT_RUNS ? u->younger : NULL;
    rows += rows_of(u);
  }
  if (failed) {
    take_back(e);
    return failed;
  }
  e->counters.rows += rows;
  if (is_short) {
    e->counters.full_steps++;
    e->counters.full_rows += rows;
  }
  return OK;
}
