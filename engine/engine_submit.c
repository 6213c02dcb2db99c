/* Requests: whether they can be, whether they can ever fit, and what is kept of them. */
#include "base/hash.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

#include <math.h>
#include <string.h>

/* ---- what can be ----------------------------------------------------------------------------- */

static status check_ids(const engine *e, const uint32_t *ids, int count, const char *what,
                        detail *err) {
  if (count < 0) return fault(err, E_INPUT, "%d %s", count, what);
  for (int i = 0; i < count; i++) {
    if (ids[i] < (uint32_t)e->vocabulary) continue;
    return fault(err, E_INPUT, "%s: id %u at %d; the model's vocabulary has %d ids", what,
                 (unsigned)ids[i], i, e->vocabulary);
  }
  return OK;
}

static status check_sampling(const thread_request *r, detail *err) {
  if (!isfinite(r->temperature) || r->temperature < 0) {
    return fault(err, E_INPUT, "temperature %g: 0 (greedy) or more is possible",
                 (double)r->temperature);
  }
  if (r->top_k < 0) {
    return fault(err, E_INPUT, "top_k %d: 0 (all) or more is possible", r->top_k);
  }
  if (!(r->top_p > 0 && r->top_p <= 1)) {
    return fault(err, E_INPUT, "top_p %g: above 0 to 1 (all) is possible", (double)r->top_p);
  }
  if (!(r->min_p >= 0 && r->min_p <= 1)) {
    return fault(err, E_INPUT, "min_p %g: 0 (all) to 1 is possible", (double)r->min_p);
  }
  return OK;
}

static status check_request(const engine *e, const thread_request *r, detail *err) {
  if (r->count < 1 || r->most_tokens < 1 || r->expected_tokens < 0) {
    return fault(err, E_INPUT,
                 "%d tokens to feed, at most %d to sample, %d expected: at least 1, 1 and 0",
                 r->count, r->most_tokens, r->expected_tokens);
  }
  if (r->end_count < 0 || r->stop_count < 0) {
    return fault(err, E_INPUT, "%d end ids and %d stop strings", r->end_count, r->stop_count);
  }
  if ((r->stop_count || r->wants_text) && !e->tokenizer) {
    return fault(err, E_INPUT,
                 "stop strings and text need a tokenizer: open the engine with the model's");
  }
  status failed = check_ids(e, r->tokens, r->count, "tokens to feed", err);
  if (!failed) failed = check_ids(e, r->suppressed, r->suppressed_count, "suppressed tokens", err);
  return failed ? failed : check_sampling(r, err);
}

/* The last position is for the last token that is sampled: it need not be fed. */
static status check_positions(const engine *e, int first, int count, detail *err) {
  if ((int64_t)first + count < e->positions) return OK;
  return fault(
      err, E_LIMIT,
      "%d tokens from position %d on leave none of %d positions for a token to be sampled: "
      "shorten the prompt%s",
      count, first, e->positions,
      e->positions < e->context ? " or open the engine with more positions" : "");
}

static status check_plain(const engine *e, const thread_request *r, detail *err) {
  status failed = check_positions(e, 0, r->count, err);
  int tokens = failed ? 0 : engine_fed_at_most(e, r->count, r->most_tokens);
  if (failed || engine_pages_for(e, tokens) <= e->options.pages) return failed;
  return fault(err, E_LIMIT,
               "%d tokens to feed and up to %d to sample stand on %d pages of %d keys; the cache "
               "has %d: lower most_tokens or give more memory",
               r->count, tokens + 1 - r->count, engine_pages_for(e, tokens), e->options.page_keys,
               e->options.pages);
}

static status check_view(const engine *e, const view_entry *view, int entries, int count,
                         detail *err) {
  const view_entry *last = &view[entries - 1];
  int length = segment_tokens(e->cache, last->segment);
  if (last->position < 0 || last->position >= e->positions) {
    return fault(err, E_INPUT, "the last entry of a view stands at %d: 0 to %d are possible",
                 (int)last->position, e->positions - 1);
  }
  int position = last->position + length;
  if (last->visible != -1) {
    return fault(err, E_INPUT, "the last entry of a view is written to: its visible is -1, not %d",
                 (int)last->visible);
  }
  for (int i = 0; i < entries; i++) {
    const view_entry *v = &view[i];
    int tokens = segment_tokens(e->cache, v->segment);
    if (v->position < 0 || v->position > position) {
      return fault(err, E_INPUT,
                   "entry %d of a view stands at %d: 0 to %d are possible, where the next token "
                   "will stand",
                   i, (int)v->position, position);
    }
    if (v->visible < -1 || v->visible > tokens) {
      return fault(err, E_INPUT, "entry %d of a view shows %d tokens of a segment of %d", i,
                   (int)v->visible, tokens);
    }
    if (i < entries - 1 && v->segment == last->segment) {
      return fault(err, E_INPUT, "entry %d of a view is the segment that the thread writes to", i);
    }
  }
  return check_positions(e, position, count, err);
}

/* ---- what is kept of a request --------------------------------------------------------------- */

static void *copy_of(const void *from, size_t count, size_t bytes, int *failed) {
  void *copy = memory_zeroed(count, bytes);
  if (!copy) *failed = 1;
  if (copy && count) memcpy(copy, from, count * bytes);
  return copy;
}

static status copy_arrays(thread *t, const thread_request *r, detail *err) {
  int failed = 0;
  t->tokens = memory_take((size_t)t->capacity * sizeof *t->tokens);
  t->suppressed =
      copy_of(r->suppressed, (size_t)r->suppressed_count, sizeof *r->suppressed, &failed);
  t->end_ids = copy_of(r->end_ids, (size_t)r->end_count, sizeof *r->end_ids, &failed);
  if (r->view) t->view = copy_of(r->view, (size_t)r->entries, sizeof *r->view, &failed);
  if (failed || !t->tokens) {
    return fault(err, E_MEMORY, "no memory for a thread of %d tokens", t->capacity);
  }
  memcpy(t->tokens, r->tokens, (size_t)r->count * sizeof *t->tokens);
  return OK;
}

static status open_text(const engine *e, thread *t, const thread_request *r, detail *err) {
  status failed = OK;
  if (r->stop_count) failed = stops_open(&t->stops, r->stops, r->stop_count, err);
  if (!failed && (r->stop_count || r->wants_text)) {
    failed = decoder_open(&t->decoder, e->tokenizer, DECODE_SKIP_SPECIAL, err);
  }
  if (!failed && t->stops) stops_start(t->stops);
  return failed;
}

static status thread_open(const engine *e, thread **out, const thread_request *r, detail *err) {
  thread *t = memory_zeroed(1, sizeof *t);
  if (!t) return fault(err, E_MEMORY, "no memory for a thread");
  *t =
      (thread){.count = r->count,
               .capacity = r->view ? r->count : engine_fed_at_most(e, r->count, r->most_tokens) + 1,
               .prompt = r->count,
               .most = r->most_tokens,
               .expected = r->expected_tokens,
               .entries = r->view ? r->entries : 0,
               .end_count = r->end_count,
               .output = -1,
               .row = {.temperature = r->temperature,
                       .top_k = r->top_k,
                       .top_p = r->top_p,
                       .min_p = r->min_p,
                       .suppressed_count = r->suppressed_count,
                       .key = r->key,
                       .counter = r->sampled_before}};
  if (r->view) t->segment = r->view[r->entries - 1].segment;
  hash prompt = hash_of(r->tokens, (size_t)r->count * sizeof *r->tokens);
  t->hash = hash_head(&prompt);
  status failed = copy_arrays(t, r, err);
  if (!failed) failed = open_text(e, t, r, err);
  if (failed) {
    thread_free(t);
    return failed;
  }
  *out = t;
  return OK;
}

/* Puts a unit whose members are all there to what waits. Cannot fail. */
static void enter(engine *e, unit *u, thread_id *ids) {
  int expected = 0;
  const thread *first = u->members[0];
  for (int i = 0; i < u->count; i++) {
    thread *t = u->members[i];
    t->id = ids[i] = ++e->last_id;
    t->unit = u;
    engine_list_thread(e, t);
    if (t->expected > expected) expected = t->expected;
    e->counters.prompt_tokens += t->count;
  }
  u->running = u->count;
  u->state = UNIT_WAITS;
  if (e->waiting_count == e->waiting_capacity) engine_compact_waiting(e);
  REQUIRE(e->waiting_count < e->waiting_capacity);
  u->place = e->waiting_count;
  e->waiting[e->waiting_count++] = (order_item){.tokens = first->tokens,
                                                .count = u->is_plain ? first->count : 0,
                                                .expected = expected,
                                                .number = first->id,
                                                .what = u,
                                                .hash = first->hash};
  e->is_sorted = 0;
}

/* ---- submission ------------------------------------------------------------------------------ */

/* What a thread with a view may come to stand on, the copy of a shared tail included. */
static int pages_of_one(const engine *e, const unit *u, int count, int most) {
  return unit_pages(e, u) + 1 + engine_pages_for(e, engine_fed_at_most(e, count, most));
}

static status check_reserve(const engine *e, const unit *u, int reserve, detail *err) {
  int stands_on = unit_pages(e, u);
  if (reserve > e->options.pages || reserve > e->swap_pages) {
    return fault(err, E_LIMIT,
                 "a reserve of %d pages: the cache has %d and host memory for swapping %d; give "
                 "more memory or swap_bytes",
                 reserve, e->options.pages, e->swap_pages);
  }
  if (stands_on > reserve) {
    return fault(err, E_LIMIT, "a reserve of %d pages, and the segments stand on %d already",
                 reserve, stands_on);
  }
  return OK;
}

/* No other thread writes where this one does. */
static status check_writer(const engine *e, const thread_request *members, int index, detail *err) {
  segment_id s = members[index].view[members[index].entries - 1].segment;
  int is_taken = 0;
  for (int i = 0; i < index; i++)
    is_taken |= members[i].view[members[i].entries - 1].segment == s;
  for (int i = 0; i < e->thread_count; i++)
    is_taken |= e->threads[i]->view && e->threads[i]->segment == s;
  if (!is_taken) return OK;
  return fault(err, E_INPUT, "member %d writes to a segment that another thread writes to", index);
}

/* What others write to is longer or shorter as the schedule has it: all of it is seen by its gang
   alone, a head of it by anyone. u: the unit that sees, if it is there already. */
static status check_seen(const engine *e, const unit *u, const view_entry *view, int entries,
                         detail *err) {
  for (int k = 0; k < entries - 1; k++) {
    for (int i = 0; view[k].visible < 0 && i < e->thread_count; i++) {
      const thread *t = e->threads[i];
      if (!t->view || t->unit == u || t->has_ended || t->segment != view[k].segment) continue;
      return fault(err, E_INPUT,
                   "entry %d of a view shows all of what thread %llu writes: submit both as a "
                   "gang, or say how many tokens are seen",
                   k, (unsigned long long)t->id);
    }
  }
  return OK;
}

static int shows_all(const thread *t, segment_id s) {
  for (int k = 0; k < t->entries - 1; k++) {
    if (t->view[k].segment == s && t->view[k].visible < 0) return 1;
  }
  return 0;
}

/* The same from the other side: who comes to write. */
static status check_shown(const engine *e, const unit *u, segment_id s, detail *err) {
  for (int i = 0; i < e->thread_count; i++) {
    const thread *t = e->threads[i];
    if (t->unit == u || t->has_ended || !shows_all(t, s)) continue;
    return fault(err, E_INPUT,
                 "thread %llu, which is of no gang with this one, sees all of the segment that is "
                 "to be written: submit both as a gang, or say how many tokens it sees",
                 (unsigned long long)t->id);
  }
  return OK;
}

static status submit_unit(engine *e, unit *u, const thread_request *members, int count,
                          thread_id *ids, detail *err) {
  int64_t suppressed = 0;
  status failed = OK;
  for (int i = 0; !failed && i < count; i++) {
    failed = thread_open(e, &u->members[u->count], &members[i], err);
    if (failed) break;
    u->count++;
    suppressed += members[i].suppressed_count;
    if (members[i].view) failed = plan_make_room(e, members[i].entries, err);
  }
  if (!failed) failed = engine_make_room(e, count, suppressed, err);
  if (!failed && !u->is_plain) {
    if (!u->feed_tokens) u->reserve = pages_of_one(e, u, members->count, members->most_tokens);
    failed = check_reserve(e, u, u->reserve, err);
  }
  if (!failed) enter(e, u, ids);
  return failed;
}

static status submit(engine *e, const thread_request *members, int count, int reserve, int feed,
                     thread_id *ids, detail *err) {
  unit *u = NULL;
  status failed = unit_open(&u, count, err);
  if (failed) return failed;
  u->is_plain = !members->view;
  u->reserve = reserve;
  u->feed_tokens = feed;
  failed = submit_unit(e, u, members, count, ids, err);
  if (failed) unit_free(u);
  return failed;
}

static status check_member(const engine *e, const thread_request *members, int index, detail *err) {
  const thread_request *r = &members[index];
  status failed = check_request(e, r, err);
  if (!failed && (!r->view || r->entries < 1)) {
    return fault(err, E_INPUT, "member %d of a gang has no view", index);
  }
  if (!failed) failed = check_view(e, r->view, r->entries, r->count, err);
  if (!failed) failed = check_writer(e, members, index, err);
  if (!failed) failed = check_seen(e, NULL, r->view, r->entries, err);
  return failed ? failed : check_shown(e, NULL, r->view[r->entries - 1].segment, err);
}

status engine_submit(engine *e, const thread_request *request, thread_id *out, detail *err) {
  status failed = request->view ? check_member(e, request, 0, err) : check_request(e, request, err);
  if (!failed && !request->view) failed = check_plain(e, request, err);
  return failed ? failed : submit(e, request, 1, 0, 0, out, err);
}

status engine_submit_gang(engine *e, const gang_request *g, thread_id *ids, detail *err) {
  if (g->count < 1 || g->feed_tokens < 1 || g->reserve_pages < 1) {
    return fault(err, E_INPUT, "a gang of %d, %d tokens a forward, %d pages: at least 1 each",
                 g->count, g->feed_tokens, g->reserve_pages);
  }
  if (g->count > e->options.slots) {
    return fault(err, E_LIMIT,
                 "a gang of %d threads runs together or not at all; there are %d "
                 "slots",
                 g->count, e->options.slots);
  }
  if ((int64_t)g->count * g->feed_tokens > e->options.rows) {
    return fault(err, E_LIMIT,
                 "one forward of %d threads that feed %d tokens each takes %lld rows; a step has "
                 "%d: lower feed_tokens or open the engine with more rows",
                 g->count, g->feed_tokens, (long long)g->count * g->feed_tokens, e->options.rows);
  }
  status failed = OK;
  for (int i = 0; !failed && i < g->count; i++)
    failed = check_member(e, g->members, i, err);
  if (failed) return failed;
  return submit(e, g->members, g->count, g->reserve_pages, g->feed_tokens, ids, err);
}

/* ---- going on, looking elsewhere, ending ----------------------------------------------------- */

/* What a thread comes to stand on with the view that it has now, and of one that runs its host
   memory and its segments. */
static status take_reserve(engine *e, const thread *t, int count, int most, detail *err) {
  unit *u = t->unit;
  int reserve = u->feed_tokens ? u->reserve : pages_of_one(e, u, count, most);
  int more = u->state == UNIT_RUNS && reserve > u->swap_kept ? reserve - u->swap_kept : 0;
  status failed = check_reserve(e, u, reserve, err);
  if (!failed && !engine_has_host_memory(e, more)) {
    return fault(err, E_LIMIT,
                 "%d more pages of host memory for a thread with a view: %d of %d are kept for "
                 "such threads; release some, or give more swap_bytes",
                 more, e->swap_kept, e->swap_pages);
  }
  for (int i = 0; !failed && u->state == UNIT_RUNS && i < t->entries; i++)
    failed = segment_swap_in(e->cache, t->view[i].segment, err);
  if (failed) return failed;
  u->reserve = reserve;
  u->swap_kept += more;
  e->swap_kept += more;
  return OK;
}

/* For what is to come. A failure leaves the thread with the view that it had. */
static status change_view(engine *e, thread *t, const thread_more *more, detail *err) {
  int failed = 0, had = t->entries;
  view_entry *old = t->view;
  view_entry *copy = copy_of(more->view, (size_t)more->entries, sizeof *copy, &failed);
  if (failed) return fault(err, E_MEMORY, "no memory for a view of %d entries", more->entries);
  t->view = copy;
  t->entries = more->entries;
  status full = plan_make_room(e, more->entries, err);
  if (!full) full = take_reserve(e, t, more->count, more->most_tokens, err);
  if (full) {
    t->view = old;
    t->entries = had;
  }
  memory_free(full ? copy : old);
  return full;
}

/* A thread with a view that the caller names, which it knows to be there. */
static thread *viewer(const engine *e, thread_id id) {
  thread *t = engine_find(e, id);
  REQUIRE(t && t->view);
  return t;
}

static status check_look(const engine *e, const thread *t, const view_entry *view, int entries,
                         int count, detail *err) {
  if (entries < 1 || view[entries - 1].segment != t->segment) {
    return fault(err, E_INPUT, "the last entry of a view stays: it is the segment that is written");
  }
  return check_view(e, view, entries, count, err);
}

status engine_look(engine *e, thread_id id, const view_entry *view, int entries, detail *err) {
  thread *t = viewer(e, id);
  thread_more left = {.view = view, .entries = entries};
  if (!t->has_ended) {
    left.count = t->count - t->fed;
    left.most_tokens = t->most - t->sampled;
  }
  status failed = check_look(e, t, view, entries, left.count, err);
  if (!failed && !t->has_ended) failed = check_seen(e, t->unit, view, entries, err);
  return failed ? failed : change_view(e, t, &left, err);
}

static void wake(engine *e, unit *u) {
  if (u->running++ || u->state != UNIT_IS_IDLE) return;
  units_remove(&e->idle, u);
  units_add(&e->preempted, u);
  u->state = UNIT_IS_PREEMPTED;
}

status engine_continue(engine *e, thread_id id, const thread_more *more, detail *err) {
  thread *t = viewer(e, id);
  thread_more next = *more;
  if (!next.view) {
    next.view = t->view;
    next.entries = t->entries;
  }
  REQUIRE(t->has_ended);
  if (more->count < 1 || more->most_tokens < 1) {
    return fault(err, E_INPUT, "%d tokens to feed and at most %d to sample: at least 1 each",
                 more->count, more->most_tokens);
  }
  status failed = check_ids(e, more->tokens, more->count, "tokens to feed", err);
  if (!failed) failed = check_look(e, t, next.view, next.entries, more->count, err);
  if (!failed) failed = check_seen(e, t->unit, next.view, next.entries, err);
  if (!failed) failed = check_shown(e, t->unit, t->segment, err);
  if (failed) return failed;
  if (more->count > t->capacity) {
    uint32_t *tokens = memory_grow(t->tokens, (size_t)more->count * sizeof *tokens);
    if (!tokens) return fault(err, E_MEMORY, "no memory for %d tokens", more->count);
    t->tokens = tokens;
    t->capacity = more->count;
  }
  failed = change_view(e, t, &next, err);
  if (failed) return failed;
  memcpy(t->tokens, more->tokens, (size_t)more->count * sizeof *t->tokens);
  t->count = t->prompt = more->count;
  t->fed = t->known = t->sampled = t->has_ended = 0;
  t->most = more->most_tokens;
  if (t->stops) stops_start(t->stops);
  e->counters.prompt_tokens += more->count;
  e->ended--;
  wake(e, t->unit);
  return OK;
}

void engine_forget_waiting(engine *e, const unit *u) {
  REQUIRE(e->waiting[u->place].what == u);
  e->waiting[u->place].what = NULL;
  e->waiting_gone++;
}

void engine_compact_waiting(engine *e) {
  int kept = 0;
  for (int i = 0; i < e->waiting_count; i++) {
    unit *u = e->waiting[i].what;
    if (!u) continue;
    u->place = kept;
    e->waiting[kept++] = e->waiting[i];
  }
  e->waiting_count = kept;
  e->waiting_gone = e->waiting_first = 0;
}

/* Takes a unit out of the list that its state names. */
static void leave(engine *e, unit *u) {
  if (u->state == UNIT_WAITS) engine_forget_waiting(e, u);
  if (u->state == UNIT_RUNS) units_remove(&e->running, u);
  if (u->state == UNIT_IS_PREEMPTED) units_remove(&e->preempted, u);
  if (u->state == UNIT_IS_IDLE) units_remove(&e->idle, u);
}

void engine_end_unit(engine *e, unit *u) {
  thread *first = u->members[0];
  leave(e, u);
  if (u->state == UNIT_RUNS) e->slots_held -= u->count;
  e->swap_kept -= u->swap_kept;
  if (u->is_plain && first->segment) {
    if (!segment_is_in(e->cache, first->segment)) {
      e->swap_plain -= segment_pages_for(e->cache, first->segment, 0);
    }
    segment_free(e->cache, first->segment);
  }
  for (int i = 0; i < u->count; i++)
    engine_unlist_thread(e, u->members[i]);
  unit_free(u);
}

void engine_release(engine *e, thread_id id) {
  thread *t = engine_find(e, id);
  if (!t) return;
  unit *u = t->unit;
  e->ended -= t->has_ended;
  if (u->count == 1) {
    engine_end_unit(e, u);
    return;
  }
  u->running -= !t->has_ended;
  if (u->state == UNIT_RUNS) e->slots_held--;
  int kept = 0;
  for (int i = 0; i < u->count; i++) {
    if (u->members[i] != t) u->members[kept++] = u->members[i];
  }
  u->count = kept;
  engine_unlist_thread(e, t);
  thread_free(t);
  if (!u->running && u->state != UNIT_IS_IDLE) engine_rest(e, u);
}

void engine_preempt(engine *e, thread_id id, engine_preemption how) {
  thread *t = engine_find(e, id);
  if (!t || t->unit->state != UNIT_RUNS) return;
  t->unit->is_to_go = 1;
  t->unit->how = how;
}
