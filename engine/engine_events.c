/* What became of a step: rows that broke, tokens that were sampled, threads that ended. */
#include "engine/engine_internal.h"

#include <string.h>

/* ---- what was computed ----------------------------------------------------------------------- */

/* The first row of a thread whose key or value was not finite; its rows if there is none. */
static int first_broken(const engine *e, const thread *t) {
  int row = 0;
  while (row < t->rows && !e->step.broken[t->first_row + row])
    row++;
  return row;
}

static void count_rows(engine *e, const thread *t) {
  for (int i = t->fed; i < t->fed + t->rows; i++) {
    if (i < t->known) {
      e->counters.recomputed++;
    } else if (i < t->prompt) {
      e->counters.prefilled++;
    }
  }
}

/* A row that broke must not become known: who found it would go on where this thread ends. What
   stands before it stays, wherever the step was cut. */
static status drop_broken(engine *e, thread *t, int row, detail *err) {
  t->is_broken = 1;
  if (t->view) {
    int tokens = segment_tokens(e->cache, t->segment) - t->rows + row;
    return segment_truncate(e->cache, t->segment, tokens, err);
  }
  segment_free(e->cache, t->segment);
  t->segment = 0;
  return OK;
}

static status settle_rows(engine *e, detail *err) {
  status failed = forward_get_broken(e->forward, e->step.broken, err);
  for (unit *u = e->running.oldest; !failed && u; u = u->younger) {
    for (int i = 0; !failed && i < u->count; i++) {
      thread *t = u->members[i];
      int row = t->rows ? first_broken(e, t) : 0;
      count_rows(e, t);
      if (row < t->rows) failed = drop_broken(e, t, row, err);
      t->fed += t->rows;
      if (t->fed > t->known) t->known = t->fed;
    }
  }
  if (!failed) cache_commit(e->cache);
  return failed;
}

/* ---- who samples ----------------------------------------------------------------------------- */

static void add_sampling(engine *e, thread *t, int output) {
  t->output = output;
  REQUIRE(e->step.event_count < e->step.capacity);
  e->step.sampling[e->step.event_count++] = t;
}

/* Whether a thread that does not run could sample its first token from another's logits; one does
   so once, however many threads with its prompt come to their last token together. */
static int is_same_prompt(const thread *t, const thread *like) {
  return t->output < 0 && t->hash == like->hash && t->prompt == like->prompt && t->sampled == 0 &&
         !t->view && !memcmp(t->tokens, like->tokens, (size_t)t->prompt * sizeof *t->tokens);
}

/* The logits of a prompt's last token are those of every thread with that prompt: the ones that
   wait sample from them too, and need not compute them again. */
static void add_likes(engine *e, const thread *t) {
  for (unit *u = e->preempted.oldest; u; u = u->younger) {
    if (u->is_plain && is_same_prompt(u->members[0], t)) add_sampling(e, u->members[0], t->output);
  }
  for (int i = e->waiting_first; i < e->waiting_count; i++) {
    const order_item *w = &e->waiting[i];
    const unit *u = w->what;
    if (u && w->hash == t->hash && u->is_plain && is_same_prompt(u->members[0], t))
      add_sampling(e, u->members[0], t->output);
  }
}

static int is_older(const void *a, const void *b) {
  return ((const thread *)a)->id < ((const thread *)b)->id;
}

static void list_sampling(engine *e) {
  e->step.event_count = 0;
  for (unit *u = e->running.oldest; u; u = u->younger) {
    for (int i = 0; i < u->count; i++) {
      thread *t = u->members[i];
      if (!t->rows || (t->output < 0 && !t->is_broken)) continue;
      add_sampling(e, t, t->output);
      if (u->is_plain && !t->sampled && !t->is_broken && !e->options.no_sharing) add_likes(e, t);
    }
  }
  sort_pointers(e->step.sampling, e->step.event_count, is_older);
}

/* Rows of a job mostly suppress the same ids: a list like the last one is not copied again. */
static int suppressed_at(engine *e, const thread *t, const thread *last, int *count) {
  size_t bytes = (size_t)t->row.suppressed_count * sizeof *t->suppressed;
  int is_same = last && last->row.suppressed_count == t->row.suppressed_count;
  int at = *count;
  if (is_same && !memcmp(last->suppressed, t->suppressed, bytes))
    return at - t->row.suppressed_count;
  REQUIRE(at + t->row.suppressed_count <= e->step.suppressed_capacity);
  if (bytes) memcpy(e->step.suppressed + at, t->suppressed, bytes);
  *count += t->row.suppressed_count;
  return at;
}

/* Those that broke have no logits worth a look; they sample from the first, which nobody reads. */
static status sample(engine *e, detail *err) {
  step_arrays *s = &e->step;
  int suppressed = 0;
  const thread *last = NULL;
  if (!s->plan.outputs) return OK;
  for (int i = 0; i < s->event_count; i++) {
    const thread *t = s->sampling[i];
    s->rows[i] = t->row;
    s->rows[i].suppressed_first = suppressed_at(e, t, last, &suppressed);
    s->logits_row[i] = t->output < 0 ? 0 : t->output;
    last = t;
  }
  sample_args a = {.rows = s->event_count,
                   .vocabulary = e->vocabulary,
                   .logits = forward_logits(e->forward),
                   .row = s->rows,
                   .suppressed = s->suppressed,
                   .out = s->results,
                   .logits_row = s->logits_row};
  return forward_kernels(e->forward)->sample(forward_device(e->forward), &a, err);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static int is_end_id(const thread *t, uint32_t token, int *which) {
  for (int i = 0; i < t->end_count; i++) {
    if (t->end_ids[i] != token) continue;
    *which = i;
    return 1;
  }
  return 0;
}

/* The position that the sampled token would stand at is the last one. */
static int is_at_context(const engine *e, const thread *t) {
  int index = t->view ? segment_tokens(e->cache, t->segment) : t->count - 1;
  int position = t->view ? t->view[t->entries - 1].position + index : index;
  return position >= e->positions - 1;
}

/* Puts text to the thread's stop strings; 1 where it holds the first match. */
static int meets_stop(thread *t, const text *all, size_t from, engine_event *ev) {
  stop_match m;
  if (!t->stops || all->bytes == from) return 0;
  if (!stops_put(t->stops, all->data + from, all->bytes - from, &m)) return 0;
  ev->end = ENGINE_STOP_STRING;
  ev->which = m.which;
  ev->stop_at = m.at;
  return 1;
}

static engine_end end_of(const engine *e, const thread *t, uint32_t token, int *which) {
  if (is_end_id(t, token, which)) return ENGINE_END_ID;
  if (t->sampled >= t->most) return ENGINE_MOST_TOKENS;
  return is_at_context(e, t) ? ENGINE_CONTEXT : ENGINE_GOES_ON;
}

/* An end id is told before a stop string that its own text completes. */
static status decide_end(engine *e, thread *t, engine_event *ev, detail *err) {
  size_t from = e->text.bytes;
  status failed = OK;
  if (t->decoder && ev->end != ENGINE_BROKEN) {
    ev->end = end_of(e, t, ev->token, &ev->which);
    failed = decoder_put(t->decoder, (int32_t)ev->token, &e->text, err);
    if (!failed && ev->end != ENGINE_END_ID) meets_stop(t, &e->text, from, ev);
  } else if (ev->end != ENGINE_BROKEN) {
    ev->end = end_of(e, t, ev->token, &ev->which);
  }
  if (failed || !t->decoder || ev->end == ENGINE_GOES_ON) return failed;
  size_t held = e->text.bytes;
  failed = decoder_end(t->decoder, &e->text, err);
  if (!failed && (ev->end == ENGINE_MOST_TOKENS || ev->end == ENGINE_CONTEXT))
    meets_stop(t, &e->text, held, ev);
  return failed;
}

static void keep_token(engine *e, thread *t, const sample_result *r, engine_event *ev) {
  ev->token = r->token;
  ev->logprob = r->logprob;
  ev->filtered_logprob = r->filtered_logprob;
  if (t->view) t->count = t->fed = t->prompt = t->known = 0;
  REQUIRE(t->count < t->capacity);
  t->tokens[t->count++] = r->token;
  t->sampled++;
  t->row.counter++;
  e->counters.sampled++;
}

/* One that was never admitted by itself was given its first token with another of its prompt. */
static int cached_of(const thread *t) {
  return t->was_found ? t->cached : t->prompt;
}

static void end_thread(engine *e, thread *t) {
  unit *u = t->unit;
  if (u->is_plain) {
    if (!t->was_found) e->counters.found += t->prompt; /* its prompt was another's */
    engine_end_unit(e, u);
    return;
  }
  t->has_ended = 1;
  e->ended++;
  if (!--u->running) engine_rest(e, u);
}

static status make_events(engine *e, detail *err) {
  step_arrays *s = &e->step;
  status failed = OK;
  for (int i = 0; !failed && i < s->event_count; i++) {
    thread *t = s->sampling[i];
    engine_event *ev = &s->events[i];
    *ev = (engine_event){.thread = t->id};
    s->text_at[i] = t->decoder ? e->text.bytes : SIZE_MAX;
    if (t->is_broken || s->results[i].broken) {
      ev->end = ENGINE_BROKEN;
    } else {
      keep_token(e, t, &s->results[i], ev);
    }
    failed = decide_end(e, t, ev, err);
    if (t->decoder) {
      ev->text_bytes = e->text.bytes - s->text_at[i];
      text_char(&e->text, 0);
    }
    if (!failed) failed = text_state(&e->text, err);
    t->is_broken = 0;
    t->output = -1;
    if (ev->end != ENGINE_GOES_ON) {
      if (t->unit->is_plain) ev->cached = cached_of(t);
      end_thread(e, t);
    }
  }
  for (int i = 0; i < s->event_count; i++) {
    if (s->text_at[i] != SIZE_MAX) s->events[i].text = text_string(&e->text) + s->text_at[i];
  }
  return failed;
}

status engine_hand_on(engine *e, detail *err) {
  text_clear(&e->text);
  status failed = settle_rows(e, err);
  if (failed) return failed;
  list_sampling(e);
  failed = sample(e, err);
  return failed ? failed : make_events(e, err);
}
