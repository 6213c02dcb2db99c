#include "tests/pipeline/fake_tree.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 64 };

int fake_tree_unfed;

typedef struct node {
  int parent;
  const char *prompt, *returned; /* returned NULL: nothing */
  size_t keep;                   /* of its text before its last call, or stop string */
  int is_rewritten;              /* it was fed at a stop string last */
  int first, count, pending;     /* children of that */
  int is_asked, is_over;
  size_t bytes, fed_at; /* of its text when it ended last */
} node;

typedef struct tree {
  mode_setup setup;
  arena *memory;
  int is_first; /* the first solution ends its siblings */
  int left;     /* children that may run */
  node nodes[NODES_MAX];
  int count;
} tree;

static status tree_open(void **state, const mode_setup *setup, arena *memory, detail *err) {
  tree *t = arena_take(memory, 1, sizeof *t);
  if (!t) return arena_full(memory, err);
  *t = (tree){.setup = *setup, .memory = memory, .left = NODES_MAX};
  *state = t;
  return OK;
}

static status first_open(void **state, const mode_setup *setup, arena *memory, detail *err) {
  status failed = tree_open(state, setup, memory, err);
  if (!failed) ((tree *)*state)->is_first = 1;
  return failed;
}

static void tree_close(void *state) {
  (void)state;
}

static status emit(const mode_output *out, mode_command c, detail *err) {
  return out->emit(out->context, &c, err);
}

/* ---- calling --------------------------------------------------------------------------------- */

static status add_root(tree *t, const mode_output *out, detail *err) {
  const char *prompt = strchr(t->setup.question, ':');
  if (prompt) t->left = atoi(t->setup.question);
  prompt = prompt ? prompt + 1 : t->setup.question;
  t->nodes[t->count++] = (node){.parent = -1, .prompt = prompt};
  return emit(out,
              (mode_command){.kind = MODE_SPAWN,
                             .parent = MODE_NOBODY,
                             .twin = MODE_NOBODY,
                             .role = "root",
                             .text = prompt,
                             .text_bytes = strlen(prompt)},
              err);
}

/* "a*9" is nine times a. */
static const char *unfold(tree *t, const char *name) {
  const char *star = strchr(name, '*');
  if (!star) return name;
  size_t count = strtoul(star + 1, NULL, 10);
  char *prompt = arena_take(t->memory, count + 1, 1);
  if (prompt) memset(prompt, name[0], count);
  return prompt;
}

static mode_thread twin_of(const tree *t, const node *parent, const char *prompt) {
  for (int i = parent->first; i < t->count; i++) {
    if (t->nodes[i].prompt && !strcmp(t->nodes[i].prompt, prompt)) return (mode_thread)i;
  }
  return MODE_NOBODY;
}

static status add_child(tree *t, int parent, const char *name, const mode_output *out,
                        detail *err) {
  const char *prompt = unfold(t, name);
  if (!prompt) return arena_full(t->memory, err);
  REQUIRE(t->count < NODES_MAX);
  int is_unknown = !strcmp(prompt, "?"), is_refused = !is_unknown && !t->left;
  mode_command c = {.kind = MODE_SPAWN,
                    .thread = (mode_thread)t->count,
                    .parent = (mode_thread)parent,
                    .twin = twin_of(t, &t->nodes[parent], prompt),
                    .role = "child",
                    .text = prompt,
                    .text_bytes = strlen(prompt)};
  node *child = &t->nodes[t->count++];
  *child = (node){.parent = parent, .prompt = prompt};
  t->nodes[parent].count++;
  if (is_unknown || is_refused) {
    c.kind = MODE_REFUSE;
    c.why = is_unknown ? "unknown" : "refused";
    c.limit = is_unknown ? NULL : "children";
    child->prompt = NULL;
    child->is_over = 1;
  } else {
    t->left--;
    t->nodes[parent].pending++;
  }
  return emit(out, c, err);
}

static status join(tree *t, int parent, const mode_output *out, detail *err) {
  const node *n = &t->nodes[parent];
  text words;
  text_open(&words, 1 << 16);
  text_char(&words, '[');
  for (int i = n->first; i < n->first + n->count; i++) {
    if (i > n->first) text_char(&words, ';');
    text_put(&words, t->nodes[i].returned ? t->nodes[i].returned : "-");
  }
  text_char(&words, ']');
  status failed = text_state(&words, err);
  mode_command c = {.kind = MODE_FEED,
                    .thread = (mode_thread)parent,
                    .text = words.data,
                    .text_bytes = words.bytes,
                    .cuts = 1,
                    .keep = n->keep};
  if (!failed) failed = emit(out, c, err);
  text_close(&words);
  return failed;
}

/* Where the call at the end of what a thread wrote last begins; NULL: there is none. */
static const char *find_call(const node *n, const mode_event *e) {
  const char *at = e->text + e->text_bytes;
  const char *from = e->text + (n->is_rewritten ? n->keep : e->fed_at);
  if (e->end != MODE_END_TOKEN || at == from || at[-1] != '>') return NULL;
  while (at > from && *at != '<')
    at--;
  return *at == '<' ? at : NULL;
}

static status call(tree *t, const mode_event *e, const char *at, const mode_output *out,
                   detail *err) {
  int parent = (int)e->thread;
  node *n = &t->nodes[parent];
  char *names = arena_text(t->memory, at + 1, (size_t)(e->text + e->text_bytes - at) - 2), *rest;
  if (!names) return arena_full(t->memory, err);
  n->keep = (size_t)(at - e->text);
  n->is_rewritten = 0;
  n->first = t->count;
  n->count = n->pending = 0;
  status failed = OK;
  for (char *name = strtok_r(names, ",", &rest); !failed && name; name = strtok_r(NULL, ",", &rest))
    failed = add_child(t, parent, name, out, err);
  return failed || n->pending ? failed : join(t, parent, out, err);
}

/* ---- ending ---------------------------------------------------------------------------------- */

static status stop_below(tree *t, int thread, const mode_output *out, detail *err) {
  status failed = OK;
  for (int i = thread + 1; !failed && i < t->count; i++) {
    if (t->nodes[i].parent != thread || t->nodes[i].is_over) continue;
    t->nodes[i].is_over = 1;
    failed = stop_below(t, i, out, err);
    mode_command c = {.kind = MODE_STOP, .thread = (mode_thread)i};
    if (!failed) failed = emit(out, c, err);
  }
  return failed;
}

static status end_root(const node *n, const mode_output *out, detail *err) {
  mode_command said = {.kind = MODE_ANSWER, .text = n->returned};
  said.text_bytes = n->returned ? strlen(n->returned) : 0;
  status failed = emit(out, said, err);
  mode_command done = {.kind = MODE_DONE, .thread = n->returned ? 0 : MODE_NOBODY};
  return failed ? failed : emit(out, done, err);
}

static status end(tree *t, const mode_event *e, const mode_output *out, detail *err) {
  node *n = &t->nodes[e->thread];
  size_t at = e->text_bytes;
  while (at > e->prompt_bytes && e->text[at - 1] != '=')
    at--;
  n->is_over = 1;
  if (at > e->prompt_bytes && e->end != MODE_END_LIMIT) {
    n->returned = arena_text(t->memory, e->text + at, e->text_bytes - at);
    if (!n->returned) return arena_full(t->memory, err);
  }
  if (n->parent < 0) return end_root(n, out, err);
  node *parent = &t->nodes[n->parent];
  status failed = OK;
  parent->pending--;
  if (t->is_first && n->returned && strchr(n->returned, '!')) {
    failed = stop_below(t, n->parent, out, err);
    parent->pending = 0;
  }
  return failed || parent->pending ? failed : join(t, n->parent, out, err);
}

static status ask(tree *t, const mode_event *e, const mode_output *out, detail *err) {
  text words;
  t->nodes[e->thread].is_asked = 1;
  text_open(&words, 1 << 16);
  status failed =
      protocol_finisher(t->setup.protocol, t->setup.target, e->text, e->text_bytes, &words, err);
  mode_command c = {.kind = MODE_FEED,
                    .thread = e->thread,
                    .text = words.data,
                    .text_bytes = words.bytes,
                    .is_finisher = 1};
  if (!failed) failed = emit(out, c, err);
  text_close(&words);
  return failed;
}

/* A thread that was not fed after all is as it was when it ended before. */
static void remember(node *n, const mode_event *e) {
  if (e->is_unfed && e->prompt_bytes) {
    REQUIRE(e->end == MODE_END_LIMIT && e->text_bytes == n->bytes && e->fed_at == n->fed_at);
    fake_tree_unfed++;
  }
  n->bytes = e->text_bytes;
  n->fed_at = e->fed_at;
}

static status tree_on(void *state, const mode_event *e, const mode_output *out, detail *err) {
  tree *t = state;
  if (e->kind == MODE_START) return add_root(t, out, err);
  node *n = &t->nodes[e->thread];
  REQUIRE(e->thread < (mode_thread)t->count && !n->is_over && !n->pending);
  remember(n, e);
  const char *at = find_call(n, e);
  mode_command rewrite = {.kind = MODE_FEED,
                          .thread = e->thread,
                          .text = "<",
                          .text_bytes = 1,
                          .cuts = 1,
                          .keep = e->stop_at};
  if (e->end == MODE_END_STOP) {
    n->keep = e->stop_at;
    n->is_rewritten = 1;
    return emit(out, rewrite, err);
  }
  if (at) return call(t, e, at, out, err);
  int may_ask = e->end == MODE_END_LIMIT && e->prompt_bytes && !n->is_asked;
  if (may_ask && protocol_has_finisher(t->setup.protocol)) return ask(t, e, out, err);
  return end(t, e, out, err);
}

static int always(const json_t *parameters) {
  (void)parameters;
  return 1;
}

static const mode_machine tree_machine = {.open = tree_open, .close = tree_close, .on = tree_on};
static const mode_machine first_machine = {
    .open = first_open, .close = tree_close, .on = tree_on, .asks_for_order = always};

const mode fake_tree_mode = {.name = "tree", .rules = "tree-1", .machine = &tree_machine};
const mode fake_tree_first_mode = {.name = "first", .rules = "first-1", .machine = &first_machine};
