#include "tests/pipeline/watched.h"

#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 64, THREADS_MAX = 64, VIEW_MAX = 32, VIEWS_MAX = 1 << 12 };

typedef struct list {
  uint32_t *tokens; /* [count] */
  size_t count, capacity;
} list;

typedef struct segment {
  segment_id id;
  list held;
} segment;

typedef struct thread {
  thread_id id;
  random_key key;
  segment_id view[VIEW_MAX]; /* [entries] */
  int entries, is_worker, put_in;
  list waiting; /* of one without a view: all that it holds */
  int64_t forwards;
} thread;

struct watched {
  generator of;
  segment segments[SEGMENTS_MAX];
  int segment_count;
  thread threads[THREADS_MAX];
  int thread_count;
  int64_t forwards;
  watched_view views[VIEWS_MAX];
  int count;
};

static void add(list *l, const uint32_t *tokens, size_t count) {
  if (l->count + count > l->capacity) {
    l->capacity = 2 * (l->count + count);
    l->tokens = realloc(l->tokens, l->capacity * sizeof *tokens);
    ck_assert_ptr_nonnull(l->tokens);
  }
  if (count) memcpy(l->tokens + l->count, tokens, count * sizeof *tokens);
  l->count += count;
}

static void move(list *to, list *from, size_t count) {
  ck_assert_uint_le(count, from->count);
  add(to, from->tokens, count);
  from->count -= count;
  memmove(from->tokens, from->tokens + count, from->count * sizeof *from->tokens);
}

static list *held_by(watched *w, segment_id id) {
  for (int i = 0; i < w->segment_count; i++) {
    if (w->segments[i].id == id) return &w->segments[i].held;
  }
  ck_abort_msg("no segment");
  return NULL;
}

static thread *find(watched *w, thread_id id) {
  for (int i = 0; i < w->thread_count; i++) {
    if (w->threads[i].id == id) return &w->threads[i];
  }
  ck_abort_msg("no thread");
  return NULL;
}

static void look_at(thread *t, const view_entry *view, int entries) {
  ck_assert_int_le(entries, VIEW_MAX);
  t->entries = entries;
  for (int i = 0; i < entries; i++)
    t->view[i] = view[i].segment;
}

static void begin(watched *w, const thread_request *request, thread_id id, int is_worker) {
  ck_assert_int_lt(w->thread_count, THREADS_MAX);
  thread *t = &w->threads[w->thread_count++];
  *t = (thread){.id = id, .key = request->key, .is_worker = is_worker};
  if (request->view) look_at(t, request->view, request->entries);
  add(&t->waiting, request->tokens, (size_t)request->count);
}

static status submit(void *self, const thread_request *request, thread_id *out, detail *err) {
  watched *w = self;
  status failed = w->of.submit(w->of.self, request, out, err);
  if (!failed) begin(w, request, *out, 0);
  return failed;
}

static void release(void *self, thread_id id) {
  watched *w = self;
  w->of.release(w->of.self, id);
  for (int i = 0; i < w->thread_count; i++) {
    if (w->threads[i].id != id) continue;
    free(w->threads[i].waiting.tokens);
    w->threads[i] = w->threads[--w->thread_count];
    return;
  }
}

static status submit_gang(void *self, const gang_request *request, thread_id *ids, detail *err) {
  watched *w = self;
  status failed = w->of.submit_gang(w->of.self, request, ids, err);
  for (int i = 0; !failed && i < request->count; i++)
    begin(w, &request->members[i], ids[i], 1);
  return failed;
}

/* What was sampled last is the first of what is put in next. */
static status go_on(void *self, thread_id id, const thread_more *more, detail *err) {
  watched *w = self;
  thread *t = find(w, id);
  ck_assert_uint_eq(t->waiting.count, 1);
  ck_assert_uint_eq(t->waiting.tokens[0], more->tokens[0]);
  t->waiting.count = 0;
  add(&t->waiting, more->tokens, (size_t)more->count);
  look_at(t, more->view, more->entries);
  return w->of.go_on(w->of.self, id, more, err);
}

static status look(void *self, thread_id id, const view_entry *view, int entries, detail *err) {
  watched *w = self;
  look_at(find(w, id), view, entries);
  return w->of.look(w->of.self, id, view, entries, err);
}

static status make_segment(void *self, segment_id *out, detail *err) {
  watched *w = self;
  status failed = w->of.make_segment(w->of.self, out, err);
  ck_assert_int_lt(w->segment_count, SEGMENTS_MAX);
  if (!failed) w->segments[w->segment_count++] = (segment){.id = *out};
  return failed;
}

static status splice(void *self, segment_id to, segment_id from, detail *err) {
  watched *w = self;
  move(held_by(w, to), held_by(w, from), held_by(w, from)->count);
  return w->of.splice(w->of.self, to, from, err);
}

static int tokens_in(void *self, segment_id s) {
  watched *w = self;
  int count = w->of.tokens_in(w->of.self, s);
  ck_assert_uint_eq((size_t)count, held_by(w, s)->count);
  return count;
}

static void free_segment(void *self, segment_id s) {
  watched *w = self;
  w->of.free_segment(w->of.self, s);
  for (int i = 0; i < w->segment_count; i++) {
    if (w->segments[i].id != s) continue;
    free(w->segments[i].held.tokens);
    w->segments[i] = w->segments[--w->segment_count];
    return;
  }
}

static int page_keys(void *self) {
  watched *w = self;
  return w->of.page_keys(w->of.self);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static watched_view *keep(watched *w, const thread *t, int64_t at) {
  ck_assert_int_lt(w->count, VIEWS_MAX);
  watched_view *v = &w->views[w->count++];
  *v = (watched_view){.key = t->key, .forward = at, .sampled = -1};
  return v;
}

static void keep_view(watched *w, const thread *t) {
  watched_view *v = keep(w, t, w->forwards);
  list all = {0};
  for (int i = 0; i < t->entries; i++) {
    const list *held = held_by(w, t->view[i]);
    add(&all, held->tokens, held->count);
    v->own = held->count;
  }
  v->tokens = all.tokens;
  v->count = all.count;
}

/* How much a step put in is known from the segments alone. */
static void take_put_in(watched *w) {
  int has_run = 0;
  for (int i = 0; i < w->thread_count; i++) {
    thread *t = &w->threads[i];
    if (!t->entries) continue;
    list *own = held_by(w, t->view[t->entries - 1]);
    size_t now = (size_t)w->of.tokens_in(w->of.self, t->view[t->entries - 1]);
    ck_assert_uint_ge(now, own->count);
    t->put_in = now > own->count;
    has_run |= t->is_worker && t->put_in;
    move(own, &t->waiting, now - own->count);
  }
  w->forwards += has_run;
  for (int i = 0; i < w->thread_count; i++) {
    if (w->threads[i].is_worker && w->threads[i].put_in) keep_view(w, &w->threads[i]);
  }
}

static void take_event(watched *w, const engine_event *ev) {
  thread *t = find(w, ev->thread);
  if (!t->entries) {
    watched_view *v = keep(w, t, ++t->forwards);
    list all = {0};
    add(&all, t->waiting.tokens, t->waiting.count);
    v->tokens = all.tokens;
    v->count = all.count;
    v->sampled = ev->token;
  }
  for (int i = w->count - 1; t->is_worker && i >= 0 && w->views[i].forward == w->forwards; i--) {
    if (!memcmp(&w->views[i].key, &t->key, sizeof t->key)) w->views[i].sampled = ev->token;
  }
  if (!t->entries || t->is_worker) add(&t->waiting, &ev->token, 1);
}

static status step(void *self, const engine_event **events, int *count, detail *err) {
  watched *w = self;
  status failed = w->of.step(w->of.self, events, count, err);
  if (failed) return failed;
  take_put_in(w);
  for (int i = 0; i < *count; i++)
    take_event(w, &(*events)[i]);
  return OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

watched *watched_open(generator before) {
  watched *w = calloc(1, sizeof *w);
  ck_assert_ptr_nonnull(w);
  w->of = before;
  return w;
}

void watched_close(watched *w) {
  for (int i = 0; i < w->count; i++)
    free(w->views[i].tokens);
  for (int i = 0; i < w->thread_count; i++)
    free(w->threads[i].waiting.tokens);
  ck_assert_int_eq(w->segment_count, 0);
  free(w);
}

generator watched_generator(watched *w) {
  return (generator){.self = w,
                     .submit = submit,
                     .release = release,
                     .step = step,
                     .submit_gang = submit_gang,
                     .go_on = go_on,
                     .look = look,
                     .make_segment = make_segment,
                     .splice = splice,
                     .tokens_in = tokens_in,
                     .free_segment = free_segment,
                     .page_keys = page_keys};
}

const watched_view *watched_views(const watched *w, int *count) {
  *count = w->count;
  return w->views;
}
