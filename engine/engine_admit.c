/* Who runs: admission in order, and preemption of the youngest. */
#include "engine/engine_internal.h"

#include <string.h>

/* ---- pages ----------------------------------------------------------------------------------- */

int engine_pages_for(const engine *e, int tokens) {
  return (tokens + e->options.page_keys - 1) / e->options.page_keys;
}

int engine_fed_at_most(const engine *e, int prompt, int most) {
  int64_t all = (int64_t)prompt + most;
  return (int)(all < e->positions ? all : e->positions) - 1;
}

/* Whether an earlier entry of an earlier or the same member is this segment. */
static int was_seen(const unit *u, int member, int entry) {
  segment_id s = u->members[member]->view[entry].segment;
  for (int i = 0; i <= member; i++) {
    const thread *t = u->members[i];
    for (int k = 0; k < (i == member ? entry : t->entries); k++) {
      if (t->view[k].segment == s) return 1;
    }
  }
  return 0;
}

/* Pages of all segments of a unit's views that are in, or out, as the mask says. */
enum { THAT_ARE_IN = 1, THAT_ARE_OUT = 2 };
static int count_pages(const engine *e, const unit *u, int which) {
  int pages = 0;
  for (int i = 0; i < u->count; i++) {
    const thread *t = u->members[i];
    for (int k = 0; k < t->entries; k++) {
      segment_id s = t->view[k].segment;
      int is = segment_is_in(e->cache, s) ? THAT_ARE_IN : THAT_ARE_OUT;
      if ((is & which) && !was_seen(u, i, k))
        pages += engine_pages_for(e, segment_tokens(e->cache, s));
    }
  }
  return pages;
}

int unit_pages(const engine *e, const unit *u) {
  return count_pages(e, u, THAT_ARE_IN | THAT_ARE_OUT);
}

static int pages_in(const engine *e, const unit *u) {
  return count_pages(e, u, THAT_ARE_IN);
}

static int sees(const unit *u, segment_id s) {
  for (int i = 0; i < u->count; i++) {
    for (int k = 0; k < u->members[i]->entries; k++) {
      if (u->members[i]->view[k].segment == s) return 1;
    }
  }
  return 0;
}

int engine_room(const engine *e, const unit *u) {
  int kept = 0;
  for (const unit *other = e->running.oldest; other; other = other->younger) {
    if (other != u) kept += other->kept;
  }
  return cache_room(e->cache) - kept;
}

static void keep(engine *e, unit *u) {
  int left = u->is_plain ? 0 : u->reserve - unit_pages(e, u);
  u->kept = left > 0 ? left : 0;
}

/* Pages that running plain threads have been promised: for all that they may ever need, or for what
   of their tokens is still to be fed. */
static int promised(const engine *e, const unit *u) {
  const thread *t = u->members[0];
  if (!u->is_plain) return 0;
  int tokens = t->count;
  if (e->options.policy == ENGINE_NEVER_EVICT) tokens = engine_fed_at_most(e, t->prompt, t->most);
  int stands_on = t->segment && segment_is_in(e->cache, t->segment)
                      ? engine_pages_for(e, segment_tokens(e->cache, t->segment))
                      : 0;
  return engine_pages_for(e, tokens) - stands_on;
}

static int promised_to_all(const engine *e) {
  int pages = 0;
  for (const unit *u = e->running.oldest; u; u = u->younger)
    pages += promised(e, u);
  return pages;
}

/* ---- out ------------------------------------------------------------------------------------- */

/* Whether some running unit other than u has the segment in view. */
static int is_seen_by_others(const engine *e, const unit *u, segment_id s) {
  for (const unit *other = e->running.oldest; other; other = other->younger) {
    if (other != u && sees(other, s)) return 1;
  }
  return 0;
}

/* Those that belong to no thread hold host memory that was kept for others. */
static int host_pages_left(const engine *e) {
  return e->swap_pages - cache_count(e->cache).swapped;
}

/* Swaps out all segments of a unit's views that no running unit reads, nor the one (or NULL) that
   room is made for. */
static status swap_out_views(engine *e, unit *u, const unit *for_unit, detail *err) {
  int pages = unit_pages(e, u), left = host_pages_left(e);
  if (pages > u->swap_kept) {
    return fault(err, E_LIMIT,
                 "a thread with a view is to be swapped out and stands on %d pages; %d were "
                 "reserved: raise reserve_pages",
                 pages, u->swap_kept);
  }
  if (pages_in(e, u) > left) {
    return fault(err, E_LIMIT,
                 "a thread with a view is to be swapped out, and %d of %d pages of host memory are "
                 "left: free segments that you swapped out or whose threads are released",
                 left, e->swap_pages);
  }
  status failed = OK;
  for (int i = 0; i < u->count; i++) {
    const thread *t = u->members[i];
    for (int k = 0; !failed && k < t->entries; k++) {
      segment_id s = t->view[k].segment;
      int is_seen = is_seen_by_others(e, u, s) || (for_unit && sees(for_unit, s));
      if (!is_seen) failed = segment_swap_out(e->cache, s, err);
    }
  }
  return failed;
}

/* What a plain thread has computed goes, and is computed again. */
static void drop_plain(engine *e, thread *t) {
  segment_free(e->cache, t->segment);
  t->segment = 0;
  t->fed = 0;
}

static status swap_out_plain(engine *e, thread *t, engine_preemption how, detail *err) {
  int pages = engine_pages_for(e, segment_tokens(e->cache, t->segment));
  if (how == ENGINE_SWAP && pages && pages <= e->swap_pages - e->swap_kept - e->swap_plain) {
    status failed = segment_swap_out(e->cache, t->segment, err);
    e->swap_plain += failed ? 0 : pages;
    e->counters.swapped_total += !failed;
    if (failed != E_LIMIT) return failed;
  }
  drop_plain(e, t);
  return OK;
}

status engine_preempt_unit(engine *e, unit *u, engine_preemption how, detail *err) {
  status failed =
      u->is_plain ? swap_out_plain(e, u->members[0], how, err) : swap_out_views(e, u, NULL, err);
  if (failed) return failed;
  if (!u->is_plain) e->counters.swapped_total += u->running;
  e->counters.preempted_total += u->running;
  for (int i = 0; i < u->count; i++)
    u->members[i]->rows = 0;
  units_remove(&e->running, u);
  units_add(&e->preempted, u);
  u->state = UNIT_IS_PREEMPTED;
  u->is_to_go = u->was_passed_over = u->kept = 0;
  u->waits_for = 0;
  e->slots_held -= u->count;
  return OK;
}

/* Its segments stay where they are until pages run out, and need no more room than that. */
void engine_rest(engine *e, unit *u) {
  if (u->state == UNIT_RUNS) {
    units_remove(&e->running, u);
    e->slots_held -= u->count;
  } else {
    units_remove(&e->preempted, u);
  }
  int pages = unit_pages(e, u);
  e->swap_kept += pages - u->swap_kept;
  u->swap_kept = pages;
  u->kept = u->is_to_go = u->was_passed_over = 0;
  units_add(&e->idle, u);
  u->state = UNIT_IS_IDLE;
}

/* What the caller made longer than is kept of host memory is left where it is. */
static status give_way(engine *e, unit *other, const unit *u, detail *err) {
  if (other == u || other->is_plain || unit_pages(e, other) > other->swap_kept) return OK;
  if (pages_in(e, other) > host_pages_left(e)) return OK;
  return swap_out_views(e, other, u, err);
}

/* Units that do not run give way until u has room for so many pages: those that rest, the oldest
   first; then those that went on and have no room yet, or whose segments were left in for another's
   sake, the youngest first. */
static status make_way(engine *e, const unit *u, int needed, detail *err) {
  status failed = OK;
  for (unit *i = e->idle.oldest; !failed && i && engine_room(e, u) < needed; i = i->younger)
    failed = give_way(e, i, u, err);
  for (unit *i = e->preempted.youngest; !failed && i && engine_room(e, u) < needed; i = i->older)
    failed = give_way(e, i, u, err);
  return failed;
}

status engine_find_room(engine *e, const unit *u, int needed, int *room, detail *err) {
  status failed = make_way(e, u, needed, err);
  *room = engine_room(e, u);
  while (!failed && *room < needed && e->running.youngest != u) {
    failed = engine_preempt_unit(e, e->running.youngest, e->options.preemption, err);
    *room = engine_room(e, u);
  }
  return failed;
}

/* ---- in -------------------------------------------------------------------------------------- */

typedef enum verdict { ADMITTED, LATER, NO_ROOM } verdict;

static int shared_head(const thread *a, int a_count, const thread *b, int b_count) {
  int most = a_count < b_count ? a_count : b_count, same = 0;
  while (same < most && a->tokens[same] == b->tokens[same])
    same++;
  return same;
}

/* Whether a running thread is computing a head of this one's tokens that is not stored: then it is
   worth the wait. What was found out is kept, so that asking again costs nothing. */
static int waits_for_head(const engine *e, unit *u) {
  const thread *t = u->members[0];
  if (e->options.no_sharing) return 0;
  if (u->waits_for) {
    const thread *other = engine_find(e, u->waits_for);
    if (other && other->unit->state == UNIT_RUNS && other->fed < u->waits_fed) return 1;
  }
  u->waits_for = 0;
  u->waits_fed = 0;
  for (const unit *other = e->running.oldest; other; other = other->younger) {
    const thread *o = other->members[0];
    if (!other->is_plain || o->fed >= o->prompt) continue;
    int same = shared_head(t, t->count, o, o->prompt);
    if (same <= o->fed || same <= u->waits_fed) continue;
    u->waits_for = o->id;
    u->waits_fed = same;
  }
  if (u->waits_for && cache_finds(e->cache, t->tokens, t->count) >= u->waits_fed) u->waits_for = 0;
  return u->waits_for != 0;
}

static void run(engine *e, unit *u) {
  if (!u->admitted) u->admitted = ++e->last_admitted;
  u->state = UNIT_RUNS;
  u->waits_for = 0;
  u->waits_fed = 0;
  e->slots_held += u->count;
  units_add(&e->running, u);
  keep(e, u);
}

/* Pages beyond what a unit needs: one that was preempted comes back when its neighbours have room
   for a page each, else it would be preempted again at once. */
static int margin(const engine *e, const unit *u) {
  return u->state == UNIT_IS_PREEMPTED && e->options.policy == ENGINE_FILL_MEMORY ? e->slots_held
                                                                                  : 0;
}

static status admit_swapped(engine *e, unit *u, verdict *out, detail *err) {
  thread *t = u->members[0];
  int room, needed = promised(e, u) + margin(e, u);
  int pages = engine_pages_for(e, segment_tokens(e->cache, t->segment));
  int taken = promised_to_all(e);
  status failed = make_way(e, u, needed + taken, err);
  room = engine_room(e, u) - taken;
  *out = NO_ROOM;
  if (failed || room < needed) return failed;
  failed = segment_swap_in(e->cache, t->segment, err);
  if (failed) return failed;
  e->swap_plain -= pages;
  *out = ADMITTED;
  return OK;
}

/* The last token is always fed, since its logits are needed: it is not looked for. */
static status admit_found(engine *e, unit *u, verdict *out, detail *err) {
  thread *t = u->members[0];
  int stored = cache_finds(e->cache, t->tokens, t->count), taken = promised_to_all(e), found;
  int needed = promised(e, u) + margin(e, u);
  *out = NO_ROOM;
  status failed = make_way(e, u, needed + taken, err);
  if (failed) return failed;
  if (needed - stored / e->options.page_keys > engine_room(e, u) - taken) return OK;
  failed = segment_find(e->cache, t->tokens, t->count - 1, &t->segment, &found, err);
  if (failed) return failed == E_LIMIT ? OK : failed;
  if (promised(e, u) + margin(e, u) > engine_room(e, u) - taken) {
    segment_free(e->cache, t->segment);
    t->segment = 0;
    return OK;
  }
  t->fed = found;
  if (stored > t->prompt) stored = t->prompt; /* what it sampled is its own */
  if (stored > t->known) t->known = stored;
  if (!t->was_found) {
    t->cached = found < t->prompt ? found : t->prompt;
    e->counters.found += t->cached;
  }
  t->was_found = 1;
  *out = ADMITTED;
  return OK;
}

int engine_has_host_memory(engine *e, int more) {
  if (e->swap_kept + more > e->swap_pages) return 0;
  for (unit *u = e->preempted.youngest; u; u = u->older) {
    thread *t = u->members[0];
    if (e->swap_kept + e->swap_plain + more <= e->swap_pages) break;
    if (!u->is_plain || !t->segment) continue;
    e->swap_plain -= segment_pages_for(e->cache, t->segment, 0);
    drop_plain(e, t);
  }
  return 1;
}

/* Segments of a view that are out come in; what is kept of host memory is raised to the reserve. */
static status admit_views(engine *e, unit *u, verdict *out, detail *err) {
  int more = u->reserve - u->swap_kept, out_pages = count_pages(e, u, THAT_ARE_OUT);
  *out = NO_ROOM;
  if (!engine_has_host_memory(e, more)) return OK;
  int needed = u->reserve - unit_pages(e, u) + out_pages;
  int taken = e->options.policy == ENGINE_NEVER_EVICT ? promised_to_all(e) : 0;
  if (needed < out_pages) needed = out_pages;
  status failed = make_way(e, u, needed + taken, err);
  if (failed || engine_room(e, u) - taken < needed) return failed;
  for (int i = 0; i < u->count; i++) {
    for (int k = 0; !failed && k < u->members[i]->entries; k++)
      failed = segment_swap_in(e->cache, u->members[i]->view[k].segment, err);
  }
  if (failed) return failed == E_LIMIT ? OK : failed;
  e->swap_kept += more;
  u->swap_kept += more;
  *out = ADMITTED;
  return OK;
}

static status try_unit(engine *e, unit *u, verdict *out, detail *err) {
  *out = NO_ROOM;
  if (e->slots_held + u->count > e->options.slots) return OK;
  if (!u->is_plain) return admit_views(e, u, out, err);
  if (u->members[0]->segment) return admit_swapped(e, u, out, err);
  *out = LATER;
  if (waits_for_head(e, u)) return OK;
  return admit_found(e, u, out, err);
}

/* ---- in order -------------------------------------------------------------------------------- */

static status admit_preempted(engine *e, int *is_full, detail *err) {
  for (unit *u = e->preempted.oldest, *next; u && !*is_full; u = next) {
    verdict v;
    next = u->younger;
    status failed = try_unit(e, u, &v, err);
    if (failed) return failed;
    *is_full = v == NO_ROOM;
    if (v != ADMITTED) continue;
    units_remove(&e->preempted, u);
    run(e, u);
  }
  return OK;
}

static void sort_waiting(engine *e) {
  if (!e->is_sorted && !e->options.arrival_order) {
    if (e->waiting_gone) engine_compact_waiting(e);
    order_sort(e->waiting, e->waiting_count, e->scratch);
    for (int i = 0; i < e->waiting_count; i++)
      ((unit *)e->waiting[i].what)->place = i;
  }
  e->is_sorted = 1;
}

/* The list is long and its head goes first: it is compacted when half of it is gone. */
static void pass_over_gone(engine *e) {
  while (e->waiting_first < e->waiting_count && !e->waiting[e->waiting_first].what)
    e->waiting_first++;
  if (e->waiting_gone > e->waiting_count / 2) engine_compact_waiting(e);
}

static status admit_waiting(engine *e, int is_full, detail *err) {
  sort_waiting(e);
  for (int i = e->waiting_first; i < e->waiting_count && !is_full; i++) {
    verdict v;
    unit *u = e->waiting[i].what;
    if (!u) continue;
    status failed = try_unit(e, u, &v, err);
    if (failed) return failed;
    is_full = v == NO_ROOM;
    if (v != ADMITTED) continue;
    engine_forget_waiting(e, u);
    run(e, u);
  }
  pass_over_gone(e);
  return OK;
}

status engine_admit(engine *e, detail *err) {
  int is_full = 0;
  status failed = OK;
  for (unit *u = e->running.youngest, *older; !failed && u; u = older) {
    older = u->older;
    int is_to_go = u->is_to_go;
    u->is_to_go = 0;
    if (is_to_go) failed = engine_preempt_unit(e, u, u->how, err);
  }
  for (unit *u = e->running.oldest; u; u = u->younger)
    keep(e, u);
  if (!failed) failed = admit_preempted(e, &is_full, err);
  return failed ? failed : admit_waiting(e, is_full, err);
}
