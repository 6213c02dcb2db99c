#include "tests/pipeline/scripted.h"

#include "base/memory.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_KEYS = 16 };
enum { KEYS_MAX = 256, THREADS_MAX = 1024, PATHS_MAX = 64, SEGMENTS_MAX = 512, VIEW_MAX = 32 };

typedef struct place {
  random_key key;
  const char *text;
} place;

typedef struct active {
  thread_id id;
  const char *text; /* of the whole thread */
  size_t at;
  int64_t left, written;
  char *stops[8]; /* NULL-terminated copies */
  int gang;       /* 0: of none */
  int reserve;    /* pages of its gang */
  view_entry view[VIEW_MAX];
  int entries;            /* 0: it has no view */
  int64_t waiting, feeds; /* of one with a view: tokens to be put in, most of them by a forward */
  int has_ended;
  char seen[1 << 14];
  size_t seen_bytes;
} active;

struct scripted {
  const script_line *lines;
  int count;
  place *places;
  int place_count;
  active *threads[THREADS_MAX]; /* by submission; NULL: gone */
  int thread_count;
  engine_event events[THREADS_MAX];
  char bytes[THREADS_MAX][2];
  thread_id last;
  int64_t sampled;
  int gangs;
  int64_t segments[SEGMENTS_MAX]; /* by id less one: tokens; -1: it is gone */
  int segment_count;
  int is_shuffled;
  random_stream draws;
};

/* Made once, so that a test may let allocations fail afterwards. */
static uint32_t tokens[128];
static int tokens_are_known;

static void learn_tokens(void) {
  detail err;
  encoder *e = NULL;
  ck_ok(encoder_open(&e, scripted_tokenizer(), &err));
  for (int c = 1; c < 128; c++) {
    token_list ids = {0};
    char byte = (char)c;
    ck_ok(encoder_encode(e, &byte, 1, ENCODE_PLAIN, &ids, &err));
    ck_assert_uint_eq(ids.count, 1);
    tokens[c] = (uint32_t)ids.ids[0];
    ck_assert_uint_lt(tokens[c], 256);
    token_list_close(&ids);
  }
  encoder_close(e);
  tokens_are_known = 1;
}

scripted *scripted_open(const script_line *lines, int count, uint64_t seed) {
  scripted *s = calloc(1, sizeof *s);
  if (!tokens_are_known) learn_tokens();
  ck_assert_ptr_nonnull(s);
  s->places = calloc(KEYS_MAX * PATHS_MAX, sizeof *s->places);
  s->lines = lines;
  s->count = count;
  s->is_shuffled = seed != 0;
  s->draws = random_start((random_key){{(uint32_t)seed, 1}});
  return s;
}

void scripted_close(scripted *s) {
  for (int i = 0; i < s->thread_count; i++)
    ck_assert_ptr_null(s->threads[i]); /* nothing is left in the generator */
  for (int i = 0; i < s->segment_count; i++)
    ck_assert_int_eq(s->segments[i], -1);
  free(s->places);
  free(s);
}

int64_t scripted_sampled(const scripted *s) {
  return s->sampled;
}

const char *scripted_keep(arena *memory, text *t) {
  detail err;
  ck_ok(text_state(t, &err));
  const char *own = arena_text(memory, text_string(t), t->bytes);
  ck_assert_ptr_nonnull(own);
  text_close(t);
  return own;
}

void scripted_task(scripted *s, const runner_task *task) {
  scripted_task_lines(s, task, s->lines, s->count);
}

void scripted_task_lines(scripted *s, const runner_task *task, const script_line *lines,
                         int count) {
  for (int i = 0; i < count; i++) {
    ck_assert_int_lt(s->place_count, KEYS_MAX * PATHS_MAX);
    s->places[s->place_count++] = (place){
        random_key_of(task->seed, &task->content, task->repeat, lines[i].path), lines[i].text};
  }
}

static void drop(scripted *s, int i) {
  for (int k = 0; s->threads[i]->stops[k]; k++)
    free(s->threads[i]->stops[k]);
  free(s->threads[i]);
  s->threads[i] = NULL;
}

static void look_at(active *t, const view_entry *view, int entries) {
  ck_assert_int_le(entries, VIEW_MAX);
  t->entries = entries;
  for (int i = 0; i < entries; i++)
    t->view[i] = view[i];
}

/* Those that feed what workers see have no place of their own. */
static const char *words_of(const scripted *s, const thread_request *request) {
  const char *words = request->view && request->entries == 1 ? "?" : NULL;
  for (int i = 0; i < s->place_count; i++) {
    if (!memcmp(&s->places[i].key, &request->key, sizeof request->key)) words = s->places[i].text;
  }
  ck_assert_msg(words != NULL, "a thread that no line is for");
  return words;
}

static status submit(void *self, const thread_request *request, thread_id *out, detail *err) {
  scripted *s = self;
  const char *words = words_of(s, request);
  (void)err;
  ck_assert_int_gt(request->count, 0);
  ck_assert_int_gt(request->most_tokens, 0);
  ck_assert_uint_le(request->sampled_before, strlen(words));
  ck_assert_int_lt(s->thread_count, THREADS_MAX);
  active *t = calloc(1, sizeof *t);
  t->id = *out = ++s->last;
  t->text = words;
  t->at = request->sampled_before;
  t->left = request->most_tokens;
  ck_assert_int_lt(request->stop_count, 8);
  for (int i = 0; i < request->stop_count; i++)
    t->stops[i] = strdup(request->stops[i]);
  t->waiting = t->feeds = request->count;
  if (request->view) look_at(t, request->view, request->entries);
  s->threads[s->thread_count++] = t;
  return OK;
}

static void release(void *self, thread_id id) {
  scripted *s = self;
  for (int i = 0; i < s->thread_count; i++) {
    if (s->threads[i] && s->threads[i]->id == id) drop(s, i);
  }
}

/* The stop string that the thread's text ends with, or -1. */
static int stop_of(const active *t) {
  for (int i = 0; t->stops[i]; i++) {
    size_t bytes = strlen(t->stops[i]);
    if (t->seen_bytes >= bytes && !memcmp(t->seen + t->seen_bytes - bytes, t->stops[i], bytes))
      return i;
  }
  return -1;
}

/* Once a token: where nothing is wrong Check is not told, which would take longer than the rest. */
static void write_one(scripted *s, active *t, engine_event *ev, char byte[2]) {
  char c = t->text[t->at++];
  if (!c) ck_abort_msg("a thread is asked for more than its %zu tokens", t->at - 1);
  float n = (float)t->at;
  *ev = (engine_event){.thread = t->id, .logprob = -n / 1024, .filtered_logprob = -n / 2048};
  s->sampled++;
  t->left--;
  if (c == '|') {
    ev->token = SCRIPTED_END;
    ev->end = ENGINE_END_ID;
    return;
  }
  ev->token = tokens[(int)c];
  byte[0] = c;
  ev->text = byte;
  ev->text_bytes = t->stops[0] != NULL;
  if (t->seen_bytes == sizeof t->seen) ck_abort_msg("a thread writes too much");
  t->seen[t->seen_bytes++] = c;
  int which = stop_of(t);
  if (t->left == 0) ev->end = ENGINE_MOST_TOKENS;
  if (which < 0) return;
  ev->end = ENGINE_STOP_STRING;
  ev->which = which;
  ev->stop_at = t->seen_bytes - strlen(t->stops[which]);
}

/* ---- workers that read each other ------------------------------------------------------------ */

static status submit_gang(void *self, const gang_request *request, thread_id *ids, detail *err) {
  scripted *s = self;
  s->gangs++;
  ck_assert_int_gt(request->reserve_pages, 0);
  for (int i = 0; i < request->count; i++) {
    ck_assert_int_eq(submit(s, &request->members[i], &ids[i], err), OK);
    s->threads[s->thread_count - 1]->gang = s->gangs;
    s->threads[s->thread_count - 1]->feeds = request->feed_tokens;
    s->threads[s->thread_count - 1]->reserve = request->reserve_pages;
  }
  return OK;
}

static active *find_active(const scripted *s, thread_id id) {
  for (int i = 0; i < s->thread_count; i++) {
    if (s->threads[i] && s->threads[i]->id == id) return s->threads[i];
  }
  ck_abort_msg("no thread %d", (int)id);
  return NULL;
}

static status go_on(void *self, thread_id id, const thread_more *more, detail *err) {
  active *t = find_active(self, id);
  (void)err;
  ck_assert(t->has_ended && more->count > 0 && more->most_tokens > 0);
  t->has_ended = 0;
  t->waiting = more->count;
  t->left = more->most_tokens;
  t->seen_bytes = 0;
  look_at(t, more->view, more->entries);
  return OK;
}

static status look(void *self, thread_id id, const view_entry *view, int entries, detail *err) {
  active *t = find_active(self, id);
  (void)err;
  ck_assert(!t->has_ended);
  look_at(t, view, entries);
  return OK;
}

static status make_segment(void *self, segment_id *out, detail *err) {
  scripted *s = self;
  (void)err;
  ck_assert_int_lt(s->segment_count, SEGMENTS_MAX);
  s->segments[s->segment_count++] = 0;
  *out = (segment_id)s->segment_count;
  return OK;
}

static int64_t *tokens_of(scripted *s, segment_id segment) {
  if (!segment || segment > (segment_id)s->segment_count || s->segments[segment - 1] < 0)
    ck_abort_msg("no segment %lld", (long long)segment);
  return &s->segments[segment - 1];
}

static int pages_for(int64_t count) {
  return (int)((count + PAGE_KEYS - 1) / PAGE_KEYS);
}

static int sees(const active *t, segment_id segment) {
  for (int i = 0; i < t->entries; i++) {
    if (t->view[i].segment == segment) return 1;
  }
  return 0;
}

/* What a gang that sees a segment, if there is one, lists with all its segments, and pages that are
   taken beyond them, is within its reserve. */
static void check_reserve(const scripted *s, segment_id seen, int more) {
  int gang = 0, reserve = 0, pages = more;
  for (int i = 0; i < s->thread_count && !gang; i++) {
    const active *t = s->threads[i];
    if (t && t->gang && sees(t, seen)) gang = t->gang, reserve = t->reserve;
  }
  for (int k = 0; k < s->segment_count && gang; k++) {
    int is_listed = 0;
    for (int i = 0; i < s->thread_count; i++) {
      const active *t = s->threads[i];
      is_listed |= t && t->gang == gang && sees(t, (segment_id)k + 1);
    }
    if (is_listed) pages += pages_for(s->segments[k]);
  }
  if (gang && pages > reserve) ck_abort_msg("%d pages of %d in reserve", pages, reserve);
}

/* Takes pages before it gives any back. */
static status splice(void *self, segment_id to, segment_id from, detail *err) {
  (void)err;
  int64_t *tail = tokens_of(self, to), *moved = tokens_of(self, from);
  check_reserve(self, to, pages_for(*tail + *moved) - pages_for(*tail));
  *tail += *moved;
  *moved = 0;
  return OK;
}

static int tokens_in(void *self, segment_id segment) {
  return (int)*tokens_of(self, segment);
}

static void free_segment(void *self, segment_id segment) {
  *tokens_of(self, segment) = -1;
}

static int page_keys(void *self) {
  (void)self;
  return PAGE_KEYS;
}

/* A view's segments stand one behind another, as long as they are with what is put in now. */
static void check_view(scripted *s, const active *t) {
  int64_t position = 0;
  for (int i = 0; i < t->entries; i++) {
    if (t->view[i].visible != -1 || t->view[i].position != position) /* an assert writes a file */
      ck_abort_msg("a view whose entry %d does not stand behind the others", i);
    position += *tokens_of(s, t->view[i].segment);
  }
}

/* Puts in what waits; whether a token is sampled then. */
static int put_in(scripted *s, active *t) {
  int64_t now = t->waiting < t->feeds ? t->waiting : t->feeds;
  *tokens_of(s, t->view[t->entries - 1].segment) += now;
  t->waiting -= now;
  return t->waiting == 0;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void sample(scripted *s, int i, int *count) {
  active *t = s->threads[i];
  engine_event *ev = &s->events[*count];
  write_one(s, t, ev, s->bytes[*count]);
  (*count)++;
  t->waiting = 1;
  t->has_ended = ev->end != ENGINE_GOES_ON;
  if (t->has_ended && !t->entries) drop(s, i);
}

/* All members from the first on. */
static void step_gang(scripted *s, int first, int *count) {
  int samples[VIEW_MAX] = {0}, gang = s->threads[first]->gang;
  for (int pass = 0; pass < 3; pass++) {
    for (int i = first, k = 0; i < s->thread_count && k < VIEW_MAX; i++) {
      active *t = s->threads[i];
      if (!t || t->gang != gang) continue;
      if (!t->has_ended && pass == 0) samples[k] = put_in(s, t);
      if (!t->has_ended && pass == 1) check_view(s, t);
      if (pass == 1 && k == 0) check_reserve(s, t->view[0].segment, 0);
      if (!t->has_ended && pass == 2 && samples[k]) sample(s, i, count);
      k++;
    }
  }
}

static status step(void *self, const engine_event **events, int *count, detail *err) {
  scripted *s = self;
  (void)err;
  *events = s->events;
  *count = 0;
  for (int i = 0, gang = 0; i < s->thread_count; i++) {
    active *t = s->threads[i];
    if (!t || (t->gang && t->gang == gang)) continue;
    gang = t->gang; /* members stand side by side */
    if (s->is_shuffled && random_below(&s->draws, 3) == 0) continue;
    if (gang) step_gang(s, i, count);
    if (gang || t->has_ended || (t->entries && !put_in(s, t))) continue;
    sample(s, i, count);
  }
  return OK;
}

generator scripted_generator(scripted *s) {
  return (generator){.self = s,
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

tokenizer *scripted_tokenizer(void) {
  static tokenizer *t;
  detail err;
  text file;
  if (t) return t;
  text_open(&file, 1 << 20);
  ck_ok(tokenizer_synth(&file, "", 0, 258, &err));
  ck_ok(tokenizer_read(&t, file.data, file.bytes, "scripted", &err));
  text_close(&file);
  ck_assert_int_eq(tokenizer_size(t), 258);
  return t;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void set_default(json_t *parameters, const char *key, json_t *value) {
  json_t *sampling = json_object_get(parameters, "sampling");
  if (!sampling) {
    sampling = json_object();
    ck_assert_int_eq(json_object_set_new(parameters, "sampling", sampling), 0);
  }
  if (!json_object_get(sampling, key)) ck_assert_int_eq(json_object_set(sampling, key, value), 0);
  json_decref(value);
}

void scripted_rules(runner_rules *out, const char *mode_name, const char *parameters, int context) {
  detail err;
  json_t *p = NULL;
  const mode *m = mode_find(mode_name);
  ck_assert_ptr_nonnull(m);
  ck_ok(json_read(&p, parameters, strlen(parameters), "parameters", 1, &err));
  ck_ok(m->resolve(p, &err));
  set_default(p, "temperature", json_real(1));
  set_default(p, "top_k", json_integer(0));
  set_default(p, "top_p", json_real(1));
  set_default(p, "min_p", json_real(0));
  const json_t *limit = json_object_get(p, "limit");
  int64_t declared = json_integer_value(json_object_get(limit, "context"));
  *out =
      (runner_rules){.mode = m,
                     .parameters = p,
                     .tokenizer = scripted_tokenizer(),
                     .begin = {SCRIPTED_BEGIN},
                     .begin_count = 1,
                     .ends = {SCRIPTED_END},
                     .end_count = 1,
                     .temperature = 1,
                     .top_p = 1,
                     .tokens_total = json_integer_value(json_object_get(limit, "tokens_total")),
                     .tokens_thread = json_integer_value(json_object_get(limit, "tokens_thread")),
                     .forwards = json_integer_value(json_object_get(limit, "forwards")),
                     .context = declared ? declared : context};
  ck_ok(protocol_open(&out->protocol, p, &err));
  ck_ok(encoder_open(&out->encoder, out->tokenizer, &err));
  out->positions = (int)out->context;
  if (m->machine->workers) out->workers = m->machine->workers(p, &out->see_all, &out->commit);
  if (!protocol_has_finisher(out->protocol)) return;
  out->finisher_tokens = protocol_finisher_tokens(out->protocol);
  out->positions += out->finisher_tokens + RUNNER_FINISHER_FED_MAX;
}

void scripted_rules_close(runner_rules *r) {
  json_decref((json_t *)(uintptr_t)r->parameters);
  runner_rules_close(r);
}

static runner_task task_of(const runner_rules *rules, const char *question, const char *target) {
  return (runner_task){.rules = rules,
                       .question = question,
                       .target = target,
                       .content = hash_of(target, strlen(target)),
                       .seed = 7};
}

static runner_sample *run_on(scripted *s, const runner_task *task) {
  detail err;
  runner *r = NULL;
  generator g = scripted_generator(s);
  scripted_task(s, task);
  ck_ok(runner_open(&r, &g, &err));
  ck_ok(runner_add(r, task, &err));
  while (runner_in_flight(r))
    ck_ok(runner_step(r, &err));
  runner_sample *out = runner_take(r);
  ck_assert_ptr_nonnull(out);
  runner_close(r);
  return out;
}

runner_sample *scripted_run(const runner_rules *rules, const char *question, const char *target,
                            const script_line *lines, int count, uint64_t seed) {
  scripted *s = scripted_open(lines, count, seed);
  runner_task task = task_of(rules, question, target);
  runner_sample *out = run_on(s, &task);
  scripted_close(s);
  return out;
}

runner_sample *scripted_run_counted(const runner_rules *rules, const char *question,
                                    const char *target, const script_line *lines, int count,
                                    int64_t *sampled) {
  scripted *s = scripted_open(lines, count, 0);
  runner_task task = task_of(rules, question, target);
  runner_sample *out = run_on(s, &task);
  *sampled = scripted_sampled(s);
  scripted_close(s);
  return out;
}

status scripted_try(const runner_rules *rules, const runner_rules *less, const char *question,
                    const char *target, const script_line *lines, int count, int64_t allocation,
                    runner_sample **out, runner_sample **derived) {
  detail err;
  runner *own = NULL;
  scripted *s = scripted_open(lines, count, 0);
  generator g = scripted_generator(s);
  runner_task task = task_of(rules, question, target);
  scripted_task(s, &task);
  memory_fail_once(allocation);
  status failed = runner_open(&own, &g, &err);
  if (!failed) failed = runner_add(own, &task, &err);
  while (!failed && runner_in_flight(own))
    failed = runner_step(own, &err);
  if (!failed) *out = runner_take(own);
  if (!failed) failed = runner_derive(derived, *out, less, &err);
  memory_fail_once(-1);
  runner_close(own);
  scripted_close(s);
  return failed;
}

const runner_thread *scripted_thread(const runner_sample *s, int at, int of) {
  int count;
  const runner_thread *threads = runner_sample_threads(s, &count);
  ck_assert_int_eq(count, of);
  return &threads[at];
}

/* ---- comparing ------------------------------------------------------------------------------- */

runner_costs scripted_costs(const runner_sample *s) {
  static const model_config shape = {.layers = 2,
                                     .hidden = 8,
                                     .heads = 2,
                                     .kv_heads = 1,
                                     .head_size = 4,
                                     .feed_forward = 16,
                                     .vocabulary = 300,
                                     .context = 4096};
  detail err;
  runner_costs c;
  ck_ok(runner_account(s, &shape, &c, &err));
  return c;
}

static void same_text(const char *a, const char *b) {
  ck_assert(!a == !b && (!a || !strcmp(a, b)));
}

static void same_tree(const runner_thread *a, const runner_thread *b) {
  ck_assert_str_eq(a->path, b->path);
  ck_assert_str_eq(a->role, b->role);
  ck_assert_int_eq(a->parent, b->parent);
  ck_assert_int_eq(a->round, b->round);
  ck_assert_int_eq(a->twin, b->twin);
  same_text(a->why, b->why);
  ck_assert_int_eq(a->is_stopped, b->is_stopped);
  ck_assert_int_eq(a->worker, b->worker);
  ck_assert_int_eq(a->seen, b->seen);
  ck_assert_int_eq(a->commit_count, b->commit_count);
  for (int i = 0; i < a->commit_count; i++) {
    ck_assert_uint_eq(a->commits[i].token, b->commits[i].token);
    ck_assert_int_eq(a->commits[i].step, b->commits[i].step);
  }
  ck_assert_int_eq(a->seat_count, b->seat_count);
  for (int i = 0; i < a->seat_count; i++) {
    ck_assert_uint_eq(a->seats[i].token, b->seats[i].token);
    ck_assert_int_eq(a->seats[i].worker, b->seats[i].worker);
  }
  ck_assert_int_eq(a->spawned_at, b->spawned_at);
  ck_assert_int_eq(a->joined_at, b->joined_at);
  ck_assert_int_eq(a->start, b->start);
  ck_assert_int_eq(a->finish, b->finish);
  ck_assert_int_eq(a->waited, b->waited);
}

static void same_span(const runner_span *a, const runner_span *b) {
  ck_assert_int_eq(a->kind, b->kind);
  ck_assert_int_eq(a->is_finisher, b->is_finisher);
  ck_assert_uint_eq(a->start, b->start);
  ck_assert_uint_eq(a->count, b->count);
  ck_assert_uint_eq(a->text_start, b->text_start);
  ck_assert_uint_eq(a->text_bytes, b->text_bytes);
  ck_assert_int_eq(a->step, b->step);
  ck_assert_int_eq(a->round, b->round);
}

static void same_thread(const runner_thread *a, const runner_thread *b) {
  same_tree(a, b);
  ck_assert_uint_eq(a->count, b->count);
  ck_assert_uint_eq(a->held, b->held);
  ck_assert_uint_eq(a->held_most, b->held_most);
  ck_assert_int_eq(a->is_worker, b->is_worker);
  ck_assert(!a->is_worker || !memcmp(a->pieces, b->pieces, a->count * sizeof *a->pieces));
  ck_assert_uint_eq(runner_bits(a), runner_bits(b));
  ck_assert_int_eq(a->prompt, b->prompt);
  ck_assert_int_eq(a->generated, b->generated);
  ck_assert_int_eq(a->fed, b->fed);
  ck_assert_int_eq(a->finisher, b->finisher);
  ck_assert_int_eq(a->end, b->end);
  ck_assert_uint_eq(a->stop_at, b->stop_at);
  ck_assert_int_eq(a->span_count, b->span_count);
  for (int i = 0; i < a->span_count; i++)
    same_span(&a->spans[i], &b->spans[i]);
  same_text(a->limit, b->limit);
  same_text(a->answer, b->answer);
  same_text(a->vote_key, b->vote_key);
  ck_assert_str_eq(text_string(&a->text), text_string(&b->text));
  ck_assert_str_eq(text_string(&a->context), text_string(&b->context));
}

void scripted_same(const runner_sample *a, const runner_sample *b) {
  int count, other;
  const runner_thread *x = runner_sample_threads(a, &count), *y = runner_sample_threads(b, &other);
  ck_assert_int_eq(count, other);
  ck_assert_int_eq(runner_sample_winner(a), runner_sample_winner(b));
  ck_assert_int_eq(runner_sample_rounds(a), runner_sample_rounds(b));
  for (int i = 0; i < count; i++)
    same_thread(&x[i], &y[i]);
  runner_costs c = scripted_costs(a), d = scripted_costs(b);
  ck_assert(!memcmp(&c, &d, sizeof c));
}
