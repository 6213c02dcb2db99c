#include "solvers/spawn_join.h"

#include "solvers/independent_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- parameters ------------------------------------------------------------------------------ */

/* Takes the reference; NULL: memory was out already. */
static status put_default(json_t *parameters, const char *key, json_t *value, detail *err) {
  int good = value && (json_object_get(parameters, key) || json_path_put(parameters, key, value));
  json_decref(value);
  return good ? OK : fault(err, E_MEMORY, "no memory for a condition's parameters");
}

static status resolve(json_t *parameters, detail *err) {
  status failed = independent_settle(parameters, err);
  const char *name = json_string_value(json_object_get(parameters, "protocol"));
  if (!failed && !protocol_calls_of(name)) {
    return fault(err, E_INPUT,
                 "mode spawn_join needs a protocol whose threads call for children, countdown-apr; "
                 "those of %s do not: use mode serial or vote",
                 name);
  }
  if (!failed) failed = put_default(parameters, "depth", json_integer(1), err);
  return failed ? failed : put_default(parameters, "early_stop", json_string("none"), err);
}

static int stops_early(const json_t *parameters) {
  const char *stop = json_string_value(json_object_get(parameters, "early_stop"));
  return stop && !strcmp(stop, "first");
}

static int64_t depth_of(const json_t *parameters) {
  const json_t *depth = json_object_get(parameters, "depth");
  return depth ? json_integer_value(depth) : 1;
}

static int64_t limit_of(const json_t *parameters, const char *path) {
  const json_t *limit = json_path_get(parameters, path);
  return limit ? json_integer_value(limit) : INT64_MAX;
}

/* Several callers share a limit on children in the order in which they end. */
static int asks_for_order(const json_t *parameters) {
  int share = depth_of(parameters) > 1 && json_path_get(parameters, "limit.children");
  return stops_early(parameters) || share;
}

/* ---- the tree -------------------------------------------------------------------------------- */

typedef enum tree_state {
  TREE_ENDED, /* it answered, or never ran */
  TREE_RUNS,  /* it samples */
  TREE_RESTS  /* until its children have ended */
} tree_state;

typedef enum tree_feed { FED_NOTHING, FED_CALL, FED_JOIN } tree_feed;

typedef struct tree_thread {
  tree_state state;
  mode_thread parent;   /* MODE_NOBODY: it is the root */
  int level;            /* the root's is 0 */
  tree_feed fed;        /* last */
  size_t kept;          /* FED_CALL: bytes that stood before that */
  size_t own_from;      /* what stands before was returned to it; 0: nothing was */
  int64_t rounds;       /* of its calls, those in which a child began */
  protocol_call call;   /* its last */
  mode_thread first;    /* of the children of that; the others follow */
  int waits_for;        /* how many of them */
  const char *returned; /* to its parent; NULL: no solution */
} tree_thread;

typedef struct tree {
  independent *root; /* asks and answers for thread 0 */
  const protocol *protocol;
  arena *memory;
  int64_t depth, rounds_most;
  int64_t children_left; /* that may run */
  int stops_early;
  int is_greedy;        /* the same prompt makes the same text */
  tree_thread *threads; /* [count] */
  uint32_t count, capacity;
} tree;

/* Makes room for threads behind those that are there. What pointed to them does no longer. */
static status grow(tree *s, int more, detail *err) {
  uint32_t wanted = s->count + (uint32_t)more;
  if (wanted <= s->capacity) return OK;
  uint32_t capacity = 2 * s->capacity > wanted ? 2 * s->capacity : wanted;
  tree_thread *grown = arena_take(s->memory, capacity, sizeof *grown);
  if (!grown) return arena_full(s->memory, err);
  if (s->count) memcpy(grown, s->threads, s->count * sizeof *grown);
  s->threads = grown;
  s->capacity = capacity;
  return OK;
}

static status tree_open(void **state, const mode_setup *setup, arena *memory, detail *err) {
  const json_t *parameters = setup->parameters;
  const json_t *temperature = json_path_get(parameters, "sampling.temperature");
  tree *s = arena_take(memory, 1, sizeof *s);
  if (!s) return arena_full(memory, err);
  *s = (tree){.protocol = setup->protocol,
              .memory = memory,
              .depth = depth_of(parameters),
              .rounds_most = limit_of(parameters, "limit.rounds"),
              .children_left = limit_of(parameters, "limit.children"),
              .stops_early = stops_early(parameters),
              .is_greedy = temperature && json_number_value(temperature) == 0};
  status failed = independent_open(&s->root, 1, setup, memory, err);
  if (!failed) failed = grow(s, 1, err);
  if (failed) return failed;
  s->threads[s->count++] = (tree_thread){.state = TREE_RUNS, .parent = MODE_NOBODY};
  *state = s;
  return OK;
}

/* Its memory is the arena's. */
static void tree_close(void *state) {
  (void)state;
}

/* ---- joining --------------------------------------------------------------------------------- */

/* Feeds a thread what its children return in the place of its call. */
static status join(tree *s, mode_thread caller, const mode_output *out, detail *err) {
  tree_thread *t = &s->threads[caller];
  const char **returned = arena_take(s->memory, (size_t)t->call.count, sizeof *returned);
  if (!returned) return arena_full(s->memory, err);
  for (int i = 0; i < t->call.count; i++)
    returned[i] = s->threads[t->first + (uint32_t)i].returned;
  text words;
  text_open(&words, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_join(s->protocol, &t->call, returned, t->level + 1, &words, err);
  if (!failed) {
    t->state = TREE_RUNS;
    t->fed = FED_JOIN;
    mode_command c = {.kind = MODE_FEED,
                      .thread = caller,
                      .text = text_string(&words),
                      .text_bytes = words.bytes,
                      .cuts = 1,
                      .keep = t->call.at};
    failed = out->emit(out->context, &c, err);
  }
  text_close(&words);
  return failed;
}

/* A child's answer is what it returns. */
static status tell_returned(tree *s, mode_thread child, const mode_output *out, detail *err) {
  tree_thread *t = &s->threads[child];
  t->state = TREE_ENDED;
  mode_command c = {.kind = MODE_ANSWER,
                    .thread = child,
                    .text = t->returned,
                    .text_bytes = t->returned ? strlen(t->returned) : 0};
  return out->emit(out->context, &c, err);
}

/* Stops a thread and those below it, which return nothing. */
static status stop(tree *s, mode_thread thread, const mode_output *out, detail *err) {
  const tree_thread *t = &s->threads[thread];
  status failed = OK;
  if (t->state == TREE_ENDED) return OK;
  for (int i = 0; !failed && t->state == TREE_RESTS && i < t->call.count; i++)
    failed = stop(s, t->first + (uint32_t)i, out, err);
  mode_command c = {.kind = MODE_STOP, .thread = thread};
  if (!failed) failed = out->emit(out->context, &c, err);
  return failed ? failed : tell_returned(s, thread, out, err);
}

/* A child has ended: its parent goes on once it waits for nobody. */
static status leave(tree *s, mode_thread child, const mode_output *out, detail *err) {
  mode_thread caller = s->threads[child].parent;
  tree_thread *t = &s->threads[caller];
  status failed = OK;
  t->waits_for--;
  if (s->stops_early && s->threads[child].returned) {
    for (int i = 0; !failed && i < t->call.count; i++)
      failed = stop(s, t->first + (uint32_t)i, out, err);
    t->waits_for = 0;
  }
  if (failed || t->waits_for) return failed;
  return join(s, caller, out, err);
}

/* ---- calling --------------------------------------------------------------------------------- */

static int by_prompt(const void *a, const void *b) {
  const protocol_child *x = *(const protocol_child *const *)a,
                       *y = *(const protocol_child *const *)b;
  int order = !x->prompt || !y->prompt ? (x->prompt != NULL) - (y->prompt != NULL)
                                       : strcmp(x->prompt, y->prompt);
  return order ? order : (x > y) - (x < y);
}

/* twins: [count], for each child the first of the call that has its prompt, which may be itself. */
static status find_twins(const protocol_call *call, arena *memory, int *twins, detail *err) {
  size_t count = (size_t)call->count;
  const protocol_child **sorted = arena_take(memory, count, sizeof *sorted);
  if (!sorted) return arena_full(memory, err);
  for (size_t i = 0; i < count; i++)
    sorted[i] = &call->children[i];
  if (count > 1) qsort(sorted, count, sizeof *sorted, by_prompt);
  for (size_t i = 0, first = 0; i < count; i++) {
    const char *own = sorted[i]->prompt, *other = sorted[first]->prompt;
    if (!own || !other || strcmp(own, other) != 0) first = i;
    twins[sorted[i] - call->children] = (int)(sorted[first] - call->children);
  }
  return OK;
}

/* NULL: none. */
static const char *limit_met(const tree *s, const tree_thread *caller) {
  if (caller->rounds >= s->rounds_most) return "rounds";
  return s->children_left ? NULL : "children";
}

/* Child i of a call, whose place in the tree is there already. */
static status spawn(tree *s, mode_thread caller, int i, int twin, const mode_output *out,
                    detail *err) {
  tree_thread *t = &s->threads[caller];
  const protocol_child *child = &t->call.children[i];
  const char *limit = limit_met(s, t);
  mode_command c = {.kind = MODE_REFUSE,
                    .thread = t->first + (uint32_t)i,
                    .parent = caller,
                    .twin = MODE_NOBODY,
                    .role = "child"};
  if (!child->prompt) {
    c.why = "unknown";
  } else if (limit) {
    c.why = "refused";
    c.limit = limit;
  } else {
    c.kind = MODE_SPAWN;
    c.text = child->prompt;
    c.text_bytes = child->prompt_bytes;
    if (s->is_greedy && twin != i) c.twin = t->first + (uint32_t)twin;
    s->threads[c.thread].state = TREE_RUNS;
    s->children_left--;
    t->waits_for++;
  }
  return out->emit(out->context, &c, err);
}

static status call_children(tree *s, mode_thread caller, const protocol_call *call,
                            const mode_output *out, detail *err) {
  int *twins = arena_take(s->memory, (size_t)call->count, sizeof *twins);
  status failed = twins ? find_twins(call, s->memory, twins, err) : arena_full(s->memory, err);
  if (!failed) failed = grow(s, call->count, err);
  if (failed) return failed;
  tree_thread *t = &s->threads[caller];
  t->state = TREE_RESTS;
  t->call = *call;
  t->first = s->count;
  for (int i = 0; i < call->count; i++)
    s->threads[s->count++] = (tree_thread){.parent = caller, .level = t->level + 1};
  for (int i = 0; !failed && i < call->count; i++)
    failed = spawn(s, caller, i, twins[i], out, err);
  t->rounds += t->waits_for > 0;
  return failed || t->waits_for ? failed : join(s, caller, out, err);
}

/* ---- what ended ------------------------------------------------------------------------------ */

/* Where a thread's own words begin, as far as it may call with them; and, behind a join, where what
   it says itself begins. */
static size_t own_words(tree_thread *t, const mode_event *e) {
  size_t fed_at = e->fed_at < e->text_bytes ? e->fed_at : e->text_bytes;
  if (t->fed == FED_JOIN && !e->is_unfed) t->own_from = fed_at;
  return t->fed == FED_CALL ? t->kept : fed_at;
}

/* A thread that wrote what only a join writes is made to call, as far as it came. */
static status feed_call(tree *s, const mode_event *e, size_t least, const char *words,
                        const mode_output *out, detail *err) {
  tree_thread *t = &s->threads[e->thread];
  t->kept = independent_said(e, least);
  t->fed = FED_CALL;
  mode_command c = {.kind = MODE_FEED,
                    .thread = e->thread,
                    .text = words,
                    .text_bytes = strlen(words),
                    .cuts = 1,
                    .keep = t->kept};
  return out->emit(out->context, &c, err);
}

static status root_ended(tree *s, const mode_event *e, const mode_output *out, detail *err) {
  independent_thread *t = &s->root->threads[0];
  t->own_from = s->threads[0].own_from < e->text_bytes ? s->threads[0].own_from : e->text_bytes;
  status failed = independent_ended(s->root, e, out, err);
  if (failed || !t->answered) return failed;
  return independent_done(t->has_answer ? 0 : MODE_NOBODY, out, err);
}

static status child_ended(tree *s, const mode_event *e, const mode_output *out, detail *err) {
  tree_thread *t = &s->threads[e->thread];
  size_t from = t->own_from < e->text_bytes ? t->own_from : e->text_bytes;
  text said;
  int found;
  text_open(&said, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_returned(s->protocol, e->text + from, independent_said(e, from) - from,
                                    &said, &found, err);
  if (!failed && found) {
    t->returned = arena_text(s->memory, text_string(&said), said.bytes);
    if (!t->returned) failed = arena_full(s->memory, err);
  }
  text_close(&said);
  if (!failed) failed = tell_returned(s, e->thread, out, err);
  return failed ? failed : leave(s, e->thread, out, err);
}

/* What the thread is asked at its end, or cut off by a limit, is no call. */
static int may_call(const tree *s, const mode_event *e) {
  if (e->end != MODE_END_TOKEN && e->end != MODE_END_STOP) return 0;
  return e->thread || !s->root->threads[0].asked;
}

static status ended(tree *s, const mode_event *e, const mode_output *out, detail *err) {
  REQUIRE(e->thread < s->count && s->threads[e->thread].state == TREE_RUNS);
  tree_thread *t = &s->threads[e->thread];
  size_t own = own_words(t, e);
  int is_called = 0, may = may_call(s, e);
  const char *words =
      may && e->end == MODE_END_STOP ? protocol_rewrite(s->protocol, e->which) : NULL;
  if (words) return feed_call(s, e, own, words, out, err);
  if (may && t->level < s->depth) {
    protocol_call call;
    status failed = protocol_read_call(s->protocol, e->text, independent_said(e, own), s->memory,
                                       &call, &is_called, err);
    if (failed) return failed;
    if (is_called && call.at >= own) return call_children(s, e->thread, &call, out, err);
  }
  return e->thread ? child_ended(s, e, out, err) : root_ended(s, e, out, err);
}

static status tree_on(void *state, const mode_event *e, const mode_output *out, detail *err) {
  tree *s = state;
  if (e->kind == MODE_START) return independent_spawn(s->root, "root", out, err);
  return ended(s, e, out, err);
}

static const mode_machine machine = {
    .open = tree_open, .close = tree_close, .on = tree_on, .asks_for_order = asks_for_order};

const mode spawn_join_mode = {.name = "spawn_join",
                              .rules = "spawn_join-1",
                              .options = independent_options + 1,
                              .option_count = INDEPENDENT_OPTIONS + SPAWN_JOIN_OPTIONS,
                              .resolve = resolve,
                              .machine = &machine};
