#include "tests/solvers/gang_told.h"

#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Check writes a note of each assertion that holds, and here are millions. */
#define MUST(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) ck_abort_msg("not so: %s", #condition);                                      \
  } while (0)
#define MUST_BE(value, wanted)                                                                     \
  do {                                                                                             \
    long long value_ = (long long)(value), wanted_ = (long long)(wanted);                          \
    if (value_ != wanted_)                                                                         \
      ck_abort_msg("%s is %lld, not %s, %lld", #value, value_, #wanted, wanted_);                  \
  } while (0)

/* A node as its line told it, and its score: a mean is a fraction of its count. */
typedef struct told_node {
  node_id id;
  number_list list;
  operation_list path;
  int64_t score, of;
  /* From which forward on each worker sees that it was generated, and moved to. */
  int64_t open[LAYOUT_WORKERS_MAX], claimed[LAYOUT_WORKERS_MAX];
} told_node;

/* ---- reading --------------------------------------------------------------------------------- */

static void tell_line(told *t, told_worker *w, const char *bytes, size_t count, int step,
                      int64_t *left, int64_t *at) {
  const char *newline = memchr(bytes, '\n', count);
  size_t line_bytes = newline ? (size_t)(newline - bytes) + 1 : count;
  MUST(w->line_count < w->line_capacity);
  told_line *l = &w->lines[w->line_count++];
  int64_t tokens = newline ? t->length.of(bytes, line_bytes) : *left;
  *l = (told_line){.bytes = bytes,
                   .count = line_bytes,
                   .first = *at,
                   .last = *at + tokens - 1,
                   .step = step,
                   .is_whole = newline != NULL,
                   .is_blank = line_bytes == 1 && newline,
                   .parsed = {.form = LINE_UNKNOWN}};
  if (newline && !l->is_blank) {
    line_parse(bytes, line_bytes, &l->parsed);
    if (!(l->parsed.form != LINE_UNKNOWN && l->parsed.bytes == line_bytes))
      ck_abort_msg("no line: %.*s", (int)line_bytes, bytes);
  }
  *left -= tokens;
  *at += tokens;
}

/* A cut line may have sampled tokens of which no byte is there. */
static void read_step(told *t, told_worker *w, const search_thread *from, int k, int64_t *at) {
  const search_step *step = &from->steps[k];
  const char *bytes = text_string(&from->written) + step->start;
  int64_t left = step->tokens;
  MUST(k < TOLD_STEPS_MAX);
  w->step_first[k] = *at;
  w->fed[k] =
      t->options->layout == LAYOUT_INDEPENDENT || !step->prefix_bytes
          ? 0
          : t->length.of(text_string(&from->written) + step->prefix_start, step->prefix_bytes);
  for (size_t read = 0; read < step->bytes;) {
    tell_line(t, w, bytes + read, step->bytes - read, k, &left, at);
    read += w->lines[w->line_count - 1].count;
  }
  MUST(left >= 0);
  const told_line *last = w->line_count ? &w->lines[w->line_count - 1] : NULL;
  MUST_BE(step->is_done, last && last->step == k && last->is_blank);
  MUST(left == 0 || !step->is_done);
  w->step_last[k] = step->is_done ? last->last : INT64_MAX;
  *at += left;
}

static void check_prefix(const told *t, int i, int k) {
  const search_thread *from = t->result->threads[i];
  char wanted[64] = "";
  worker_layout l = t->options->layout;
  int has_steps = l == LAYOUT_COMBINED || l == LAYOUT_INTERLEAVED;
  if (has_steps || k == 0)
    (void)snprintf(wanted, sizeof wanted, "%sW%d/%d\n", has_steps ? "" : "\n", i + 1, t->count);
  MUST_BE(from->steps[k].prefix_bytes, strlen(wanted));
  MUST(!memcmp(text_string(&from->written) + from->steps[k].prefix_start, wanted, strlen(wanted)));
}

static void read_worker(told *t, int i, arena *memory) {
  const search_thread *from = t->result->threads[i];
  told_worker *w = &t->workers[i];
  int64_t at = 0;
  w->line_capacity = 1;
  for (size_t k = 0; k < from->written.bytes; k++)
    w->line_capacity += text_string(&from->written)[k] == '\n';
  w->lines = arena_take(memory, (size_t)w->line_capacity, sizeof *w->lines);
  MUST(w->lines);
  w->step_count = from->step_count;
  w->ends = from->ends;
  w->capped = from->capped;
  MUST_BE(from->worker, i);
  for (int k = 0; k < from->step_count; k++) {
    MUST(k + 1 == from->step_count || from->steps[k].is_done);
    check_prefix(t, i, k);
    read_step(t, w, from, k, &at);
  }
  w->generated = at + w->ends;
  MUST_BE(from->tokens_generated, w->generated);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void score(const told *t, told_node *n) {
  int64_t target = t->problem->target;
  n->score = 0;
  n->of = t->options->heuristic == HEURISTIC_SUM ? n->list.count : 1;
  for (int i = 0; i < n->list.count; i++) {
    int64_t x = n->list.value[i], nearest = llabs(x - target);
    for (int64_t f = 2; t->options->heuristic == HEURISTIC_MULT && f <= target; f++) {
      if (target % f == 0 && llabs(x - f) < nearest) nearest = llabs(x - f);
    }
    n->score += nearest;
  }
}

static int by_id(const void *a, const void *b) {
  const node_id *x = &(*(told_node *const *)a)->id, *y = &(*(told_node *const *)b)->id;
  for (int i = 0; i < x->count && i < y->count; i++) {
    if (x->part[i] != y->part[i]) return x->part[i] < y->part[i] ? -1 : 1;
  }
  return x->count - y->count;
}

static int order_of_scores(const told_node *a, const told_node *b) {
  int64_t left = a->score * b->of, right = b->score * a->of;
  return left < right ? -1 : left > right;
}

static int is_above(const node_id *above, const node_id *id) {
  for (int i = 0; i < above->count; i++) {
    if (i == id->count || above->part[i] != id->part[i]) return 0;
  }
  return 1;
}

static told_node *find_node(const told *t, const node_id *id) {
  for (int i = 0; i < t->node_count; i++) {
    if (same_id(&t->nodes[i].id, id)) return &t->nodes[i];
  }
  return NULL;
}

static node_id parent_of(const node_id *id) {
  node_id parent = *id;
  parent.count--;
  parent.part[parent.count] = 0;
  return parent;
}

/* Whoever generates a node says the same of it. Recaps do too. */
static told_node *name_node(told *t, const line *generated) {
  told_node *known = find_node(t, &generated->id);
  if (known) {
    MUST(same_list(&known->list, &generated->list));
    MUST(same_operation(&known->path.item[known->path.count - 1], &generated->op));
    return known;
  }
  MUST(t->node_count < t->node_capacity);
  node_id above = parent_of(&generated->id);
  const told_node *parent = find_node(t, &above);
  MUST(parent);
  told_node *n = &t->nodes[t->node_count++];
  *n = (told_node){.id = generated->id, .list = generated->list, .path = parent->path};
  n->path.item[n->path.count++] = generated->op;
  for (int i = 0; i < t->count; i++)
    n->open[i] = n->claimed[i] = INT64_MAX;
  MUST_BE(generated->target, t->problem->target);
  score(t, n);
  return n;
}

static void add_root(told *t) {
  told_node *root = &t->nodes[t->node_count++];
  root->id.count = 1;
  root->list.count = t->problem->count;
  memcpy(root->list.value, t->problem->number, sizeof root->list.value);
  for (int i = 0; i < t->count; i++)
    root->claimed[i] = INT64_MAX;
  score(t, root);
}

/* From which forward on a reader sees a line. */
static int64_t seen_from(const told *t, int reader, int writer, const told_line *l) {
  int64_t done = t->workers[writer].step_last[l->step];
  if (reader == writer) return l->last + 1;
  switch (t->options->layout) {
  case LAYOUT_INDEPENDENT: return INT64_MAX;
  case LAYOUT_INTERLEAVED: return done == INT64_MAX ? done : done + 1;
  case LAYOUT_CONTIGUOUS:
  case LAYOUT_COMBINED: break;
  }
  return l->last + 1;
}

static void lower(int64_t *value, int64_t to) {
  if (to < *value) *value = to;
}

static void take_line(told *t, int writer, const told_line *l) {
  line_form form = l->parsed.form;
  told_node *n = form == LINE_GENERATED ? name_node(t, &l->parsed)
                 : form == LINE_MOVE    ? find_node(t, &l->parsed.id)
                                        : NULL;
  MUST(form != LINE_MOVE || n);
  for (int i = 0; i < t->count; i++) {
    int64_t from = seen_from(t, i, writer, l);
    if (form == LINE_GENERATED) lower(&n->open[i], from);
    if (form == LINE_MOVE) lower(&n->claimed[i], from);
    if (form == LINE_GOAL && i != writer) lower(&t->goal_seen[i], from);
  }
}

/* In the order of time, so that parents are there before their children. */
static void take_lines(told *t) {
  int next[LAYOUT_WORKERS_MAX] = {0};
  for (;;) {
    int first = -1;
    for (int i = 0; i < t->count; i++) {
      const told_worker *w = &t->workers[i], *other = &t->workers[first < 0 ? i : first];
      if (next[i] == w->line_count) continue;
      if (first < 0 || w->lines[next[i]].last < other->lines[next[first]].last) first = i;
    }
    if (first < 0) return;
    take_line(t, first, &t->workers[first].lines[next[first]++]);
  }
}

static void read_nodes(told *t, arena *memory) {
  t->node_capacity = 1;
  for (int i = 0; i < t->count; i++) {
    t->goal_seen[i] = INT64_MAX;
    t->node_capacity += t->workers[i].line_count;
  }
  t->nodes = arena_take(memory, (size_t)t->node_capacity, sizeof *t->nodes);
  t->open = arena_take(memory, (size_t)t->node_capacity, sizeof *t->open);
  MUST(t->nodes && t->open);
  add_root(t);
  take_lines(t);
}

/* ---- what is decided ------------------------------------------------------------------------- */

/* The node to be moved to, or NULL: of those that are open and not claimed the least id below the
   last node that was moved to, else below the node above that, and so on; by_rank: the worker's
   own among all, while it sees no claim but of the root. */
static const told_node *next_node(const told *t, int reader, const node_id *last, int64_t at,
                                  int by_rank) {
  int count = 0, claims = 0;
  for (int i = 0; i < t->node_count; i++) {
    told_node *n = &t->nodes[i];
    claims += i && n->claimed[reader] <= at;
    if (n->open[reader] <= at && n->claimed[reader] > at) t->open[count++] = n;
  }
  qsort(t->open, (size_t)count, sizeof(told_node *), by_id);
  if (!count) return NULL;
  if (!claims && by_rank) return t->open[reader % count];
  for (node_id above = *last;; above = parent_of(&above)) {
    for (int i = 0; i < count; i++) {
      if (is_above(&above, &t->open[i]->id)) return t->open[i];
    }
  }
}

/* ---- one step -------------------------------------------------------------------------------- */

typedef struct reader {
  const told *told;
  int worker, next;
  int has_goal;
  node_id last; /* that it moved to */
} reader;

/* The next line, begun when it had to be; NULL: the worker wrote no more, as it had to or may. */
static const told_line *line_at(reader *r, int64_t at) {
  const told_worker *w = &r->told->workers[r->worker];
  int must_stop = !r->has_goal && r->told->goal_seen[r->worker] <= at;
  if (r->next < w->line_count) {
    const told_line *l = &w->lines[r->next++];
    MUST_BE(l->first, at);
    if (!(!must_stop))
      ck_abort_msg("a line behind a goal that is seen: %.*s", (int)l->count, l->bytes);
    return l->is_whole ? l : NULL;
  }
  MUST(w->generated >= at);
  if (must_stop && !w->capped && w->generated > at) {
    MUST(w->ends);
    MUST_BE(w->generated, at + 1);
  } else {
    MUST(!w->ends); /* stopped: by whom, told_check says */
  }
  return NULL;
}

/* What a node's successors are, and which are kept: told_check's own list. */
typedef struct kept_list {
  told_node all[COUNTDOWN_SUCCESSORS_MAX];
  int count, limit, shown[COUNTDOWN_SUCCESSORS_MAX];
} kept_list;

static void list_kept(const told *t, const told_node *n, kept_list *out) {
  countdown_operation operations[COUNTDOWN_SUCCESSORS_MAX];
  countdown_state from = {.count = n->list.count}, states[COUNTDOWN_SUCCESSORS_MAX];
  memcpy(from.number, n->list.value, sizeof from.number);
  *out = (kept_list){.limit = n->id.count == 1 ? t->options->beam : t->options->child_beam};
  out->count = countdown_successors(&from, operations, states);
  if (out->limit > out->count) out->limit = out->count;
  for (int i = 0; i < out->count; i++) {
    told_node *s = &out->all[i];
    const countdown_operation *o = &operations[i];
    s->list.count = states[i].count;
    memcpy(s->list.value, states[i].number, sizeof s->list.value);
    s->path.item[0] = (operation){o->left, o->right, o->result, o->sign};
    score(t, s);
  }
}

/* One that is kept: fewer are better, or as good and generated before. */
static int is_kept(const kept_list *k, int which) {
  int before = 0;
  for (int i = 0; i < k->count; i++) {
    int order = order_of_scores(&k->all[i], &k->all[which]);
    before += order < 0 || (order == 0 && i < which);
  }
  return before < k->limit;
}

static void check_order(const told *t, const kept_list *k, int last, int which) {
  if (last < 0) return;
  int order = order_of_scores(&k->all[last], &k->all[which]);
  if (t->options->order == ORDER_ENUMERATION) MUST(last < which);
  if (t->options->order == ORDER_HEURISTIC) MUST(order < 0 || (order == 0 && last < which));
}

static int find_shown(const told *t, kept_list *k, const line *l, int last) {
  for (int i = 0; i < k->count; i++) {
    if (!same_operation(&k->all[i].path.item[0], &l->op) || k->shown[i]) continue;
    MUST(same_list(&k->all[i].list, &l->list));
    MUST(is_kept(k, i));
    check_order(t, k, last, i);
    k->shown[i] = 1;
    return i;
  }
  ck_abort_msg("a successor that is none, or twice");
  return -1;
}

static void check_state(const told *t, const told_node *n, const line *l) {
  MUST_BE(l->form, LINE_STATE);
  MUST_BE(l->target, t->problem->target);
  MUST(same_list(&l->list, &n->list));
  MUST(same_path(&l->path, &n->path));
}

static node_id root_id(void) {
  return (node_id){.count = 1};
}

static node_id on_path(const node_id *id, int count) {
  node_id prefix = *id;
  prefix.count = count;
  for (int i = count; i < GRAMMAR_NUMBERS_MAX; i++)
    prefix.part[i] = 0;
  return prefix;
}

#define NEXT_LINE(wanted)                                                                          \
  l = line_at(r, at);                                                                              \
  if (!l) return 0;                                                                                \
  MUST_BE(l->parsed.form, wanted);                                                                 \
  at = l->last + 1

/* The way from the root down to the goal below a node; 1 when it is whole. */
static int follow_recap(reader *r, const told_node *last, const operation *op, int64_t at) {
  const told *t = r->told;
  const told_line *l;
  node_id id = root_id();
  NEXT_LINE(LINE_MOVE);
  MUST(same_id(&l->parsed.id, &id));
  for (int depth = 1; depth <= last->id.count; depth++) {
    node_id here = on_path(&last->id, depth), below = on_path(&last->id, depth + 1);
    int is_last = depth == last->id.count;
    NEXT_LINE(LINE_STATE);
    check_state(t, find_node(t, &here), &l->parsed);
    NEXT_LINE(LINE_EXPLORE);
    MUST(same_operation(&l->parsed.op, is_last ? op : &last->path.item[depth - 1]));
    if (is_last) break;
    MUST(same_list(&l->parsed.list, &find_node(t, &below)->list));
    NEXT_LINE(LINE_GENERATED);
    MUST(same_id(&l->parsed.id, &below));
    NEXT_LINE(LINE_MOVE);
    MUST(same_id(&l->parsed.id, &below));
  }
  MUST(l->parsed.list.count == 1 && l->parsed.list.value[0] == t->problem->target);
  NEXT_LINE(LINE_GOAL);
  return 1;
}

/* The successors of a node that was moved to; 1 when they are whole, -1 behind a recap. */
static int read_successors(reader *r, const told_node *n, int64_t at) {
  const told *t = r->told;
  const told_line *l;
  kept_list kept;
  node_id child = n->id;
  int last = -1;
  list_kept(t, n, &kept);
  for (int i = 0; i < kept.limit; i++) {
    NEXT_LINE(LINE_EXPLORE);
    operation op = l->parsed.op;
    last = find_shown(t, &kept, &l->parsed, last);
    const number_list *list = &kept.all[last].list;
    if (list->count > 1) {
      child.part[n->id.count] = i ? child.part[n->id.count] : 0;
      child.count = n->id.count + 1;
      NEXT_LINE(LINE_GENERATED);
      MUST(same_id(&l->parsed.id, &child));
      MUST(same_operation(&l->parsed.op, &op));
      MUST(same_list(&l->parsed.list, list));
      child.part[n->id.count]++;
    } else if (list->value[0] == t->problem->target) {
      NEXT_LINE(LINE_GOAL);
      r->has_goal = 1;
      return follow_recap(r, n, &op, at) ? -1 : 0;
    } else {
      NEXT_LINE(LINE_FAIL);
      MUST_BE(l->parsed.number, list->value[0]);
    }
  }
  return 1;
}

/* 1: the step is done; 0: it is cut off, or the worker has ended; -1: behind a recap; -2: nothing
   was left to do. */
static int read_step_at(reader *r, int64_t at) {
  const told *t = r->told;
  const told_node *first = next_node(t, r->worker, &r->last, at, 0);
  const told_line *l;
  if (!first) {
    NEXT_LINE(LINE_NONE);
    return -2;
  }
  int64_t chosen_at = at + t->length.before_id;
  NEXT_LINE(LINE_MOVE);
  const told_node *n = next_node(t, r->worker, &r->last, chosen_at, 1);
  if (!n) n = first;
  if (!(same_id(&l->parsed.id, &n->id)))
    ck_abort_msg("worker %d at forward %lld took another node", r->worker, (long long)l->first);
  r->last = n->id;
  NEXT_LINE(LINE_STATE);
  check_state(t, n, &l->parsed);
  int read = read_successors(r, n, at);
  if (read < 1) return read;
  l = line_at(r, t->workers[r->worker].lines[r->next - 1].last + 1);
  if (!l) return 0;
  MUST(l->is_blank);
  return 1;
}
#undef NEXT_LINE

/* How a worker came to its end, or that it was stopped; the forward of its end behind a recap. */
static int64_t check_worker(const told *t, int i) {
  const told_worker *w = &t->workers[i];
  reader r = {.told = t, .worker = i, .last = root_id()};
  int read = 1;
  for (int k = 0; read == 1 && k < w->step_count; k++)
    read = read_step_at(&r, w->step_first[k]);
  MUST_BE(r.next, w->line_count);
  int64_t last = w->line_count ? w->lines[w->line_count - 1].last : -1;
  if (read < 0 && !w->capped) {
    MUST(!w->ends || w->generated == last + 2);
    MUST(w->ends || w->generated == last + 1);
  }
  int is_whole = read == -1 && w->ends;
  MUST_BE(t->result->threads[i]->solved, is_whole);
  return is_whole ? w->generated - 1 : INT64_MAX;
}

/* ---- what it cost ---------------------------------------------------------------------------- */

static int64_t shown_tokens(const told *t) {
  static const char others[] = "### Work in progress (others)\n\n",
                    own[] = "<...>\n\n### Work in progress (own)\n\n";
  int64_t tokens = 0;
  worker_layout l = t->options->layout;
  if (l == LAYOUT_COMBINED) tokens += t->length.of(others, strlen(others));
  if (l == LAYOUT_COMBINED || l == LAYOUT_CONTIGUOUS) tokens += t->length.of(own, strlen(own));
  return tokens;
}

/* What a worker has put in by a forward; and of that, what is in steps that are done. */
static int64_t put_in(const told *t, int i, int64_t at, int only_done) {
  const told_worker *w = &t->workers[i];
  if (!w->generated) return 0;
  int64_t last = at < w->generated ? at : w->generated - 1, tokens = 0, fed = 0;
  for (int k = 0; k < w->step_count; k++) {
    if (w->step_first[k] <= last) fed += w->fed[k];
    if (w->step_last[k] < at) tokens = w->step_last[k] + fed; /* its last one is put in behind it */
  }
  return only_done ? tokens : last + fed;
}

static int64_t others_at(const told *t, int i, int64_t at) {
  int64_t tokens = 0;
  for (int j = 0; j < t->count; j++) {
    if (j == i || t->options->layout == LAYOUT_INDEPENDENT) continue;
    tokens += put_in(t, j, at, t->options->layout == LAYOUT_INTERLEAVED);
  }
  return tokens;
}

static void check_views(const told *t, int i) {
  const told_worker *w = &t->workers[i];
  const search_thread *from = t->result->threads[i];
  int64_t most = 0, seen = 0, base = from->tokens_prompt + shown_tokens(t), fed = shown_tokens(t);
  for (int k = 0; k < w->step_count; k++)
    fed += w->fed[k];
  for (int64_t at = 0; at < w->generated; at++) {
    seen = others_at(t, i, at);
    int64_t view = base + put_in(t, i, at, 0) + seen + 1;
    if (view > most) most = view;
  }
  MUST_BE(from->view_most, most);
  MUST_BE(from->tokens_seen, seen);
  MUST_BE(from->tokens_fed, fed);
  if (t->options->context) MUST(most <= t->options->context);
  MUST(!w->capped || t->options->context);
}

/* Whoever expands a node writes the same. */
static void check_twins(const told *t, int i, int k) {
  const search_thread *own = t->result->threads[i];
  const char *step = text_string(&own->written) + own->steps[k].start;
  size_t move = (size_t)(strchr(step, '\n') - step) + 1;
  for (int j = 0; j < i; j++) {
    const search_thread *other = t->result->threads[j];
    for (int m = 0; m < other->step_count; m++) {
      const char *twin = text_string(&other->written) + other->steps[m].start;
      if (!other->steps[m].is_done || strncmp(step, twin, move) != 0) continue;
      MUST_BE(own->steps[k].bytes, other->steps[m].bytes);
      MUST(!memcmp(step, twin, own->steps[k].bytes));
    }
  }
}

/* ---- all of it ------------------------------------------------------------------------------- */

void told_check(const countdown_problem *p, const search_options *options, const search_result *r,
                told_lengths length, arena *memory) {
  told t = {.problem = p, .options = options, .result = r, .length = length};
  int64_t end = INT64_MAX, last = 0;
  int answer = -1;
  t.count = r->thread_count;
  MUST_BE(t.count, options->workers);
  for (int i = 0; i < t.count; i++)
    read_worker(&t, i, memory);
  read_nodes(&t, memory);
  for (int i = 0; i < t.count; i++) {
    int64_t whole = check_worker(&t, i);
    if (whole < end) {
      end = whole;
      answer = i;
    }
    if (t.workers[i].generated > last) last = t.workers[i].generated;
    check_views(&t, i);
    for (int k = 0; k < t.workers[i].step_count; k++) {
      if (r->threads[i]->steps[k].is_done) check_twins(&t, i, k);
    }
  }
  MUST_BE(r->answer, answer);
  for (int i = 0; i < t.count; i++) {
    const told_worker *w = &t.workers[i];
    if (answer >= 0) MUST(w->generated <= end + 1);
    if (!w->ends && !w->capped) MUST_BE(w->generated, end + 1);
  }
  MUST(answer < 0 || last == end + 1);
}
