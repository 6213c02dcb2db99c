#include "base/memory.h"
#include "tests/solvers/grammar_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int refuse(grammar *g, const char *format, ...) {
  grammar_facts *f = g->facts;
  if (f->why[0]) return 0;
  int used = snprintf(f->why, sizeof f->why, "line %" PRId64 ": ", f->lines + 1);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(f->why + used, sizeof f->why - (size_t)used, format, arguments);
  va_end(arguments);
  return 0;
}

/* ---- lines ---------------------------------------------------------------------------------- */

line_form peek(grammar *g) {
  if (!g->parsed) line_parse(g->text + g->at, g->bytes - g->at, &g->next);
  g->parsed = 1;
  return g->next.form;
}

void skip(grammar *g) {
  g->at += g->next.bytes;
  g->parsed = 0;
  g->facts->lines++;
}

/* The line stays valid until the next peek. */
const line *expect(grammar *g, line_form form) {
  if (peek(g) != form) {
    refuse(g, "expected %s, found %s", line_name(form), line_name(g->next.form));
    return NULL;
  }
  return &g->next;
}

int expect_plain(grammar *g, line_form form) {
  if (!expect(g, form)) return 0;
  skip(g);
  return 1;
}

int expect_level(grammar *g, line_form form, int level) {
  const line *l = expect(g, form);
  if (!l) return 0;
  if (l->level != level) return refuse(g, "level %d, not %d", l->level, level);
  skip(g);
  return 1;
}

int expect_end(grammar *g) {
  return peek(g) == LINE_TEXT_END ||
         refuse(g, "expected the end of the text, found %s", line_name(g->next.form));
}

/* ---- states --------------------------------------------------------------------------------- */

static int64_t nearest_divisor(int64_t target, int64_t number) {
  int64_t least = INT64_MAX;
  for (int64_t d = 2; d <= target; d++) {
    if (target % d == 0 && llabs(number - d) < least) least = llabs(number - d);
  }
  return least;
}

static int64_t score_of(const grammar_start *start, const number_list *list) {
  int64_t sum = 0;
  if (start->heuristic == GRAMMAR_UNKNOWN) return 0;
  for (int i = 0; i < list->count; i++) {
    sum += start->heuristic == GRAMMAR_SUM ? llabs(list->value[i] - start->target)
                                           : nearest_divisor(start->target, list->value[i]);
  }
  return start->heuristic == GRAMMAR_SUM ? sum * (SCORE_UNIT / list->count) : sum * SCORE_UNIT;
}

static void add_successor(const grammar *g, expansion *e, const number_list *from, int i, int j,
                          operation op) {
  successor *s = &e->all[e->count++];
  *s = (successor){.op = op};
  for (int k = 0; k < from->count; k++) {
    if (k != i && k != j) s->list.value[s->list.count++] = from->value[k];
  }
  s->list.value[s->list.count++] = op.result;
  s->score = score_of(g->start, &s->list);
}

void list_successors(const grammar *g, const number_list *from, expansion *e) {
  *e = (expansion){.limit = -1, .bound = INT64_MAX, .last = INT64_MIN, .worst = INT64_MIN};
  for (int i = 0; i < from->count; i++) {
    for (int j = i + 1; j < from->count; j++) {
      int64_t a = from->value[i], b = from->value[j];
      int64_t large = a > b ? a : b, small = a > b ? b : a;
      add_successor(g, e, from, i, j, (operation){a, b, a + b, '+'});
      add_successor(g, e, from, i, j, (operation){a, b, a * b, '*'});
      add_successor(g, e, from, i, j, (operation){large, small, large - small, '-'});
      if (small && large % small == 0) {
        add_successor(g, e, from, i, j, (operation){large, small, large / small, '/'});
      }
    }
  }
}

static int compare_scores(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Keeps the best `limit` successors. */
void limit_successors(expansion *e, int limit) {
  int64_t scores[SUCCESSORS_MAX];
  for (int i = 0; i < e->count; i++)
    scores[i] = e->all[i].score;
  qsort(scores, (size_t)e->count, sizeof *scores, compare_scores);
  e->limit = limit < e->count ? limit : e->count;
  e->bound = e->limit ? scores[e->limit - 1] : INT64_MIN;
}

/* Reads a line Exploring Operation that is one of the successors and was not shown. */
successor *read_successor(grammar *g, expansion *e) {
  const line *l = expect(g, LINE_EXPLORE);
  if (!l) return NULL;
  successor *found = NULL;
  int seen = 0, legal = 0;
  for (int i = 0; i < e->count && !found; i++) {
    successor *s = &e->all[i];
    if (!same_operation(&s->op, &l->op)) continue;
    legal = 1;
    if (!same_list(&s->list, &l->list)) continue;
    seen = 1;
    if (!s->shown) found = s;
  }
  if (!found) {
    refuse(g, "%s",
           seen    ? "this operation was explored here before"
           : legal ? "these are not the numbers that the operation leaves"
                   : "not an operation that this state allows");
    return NULL;
  }
  if (e->shown == e->limit || found->score > e->bound) {
    refuse(g, "a successor that the beam or the threshold drops");
    return NULL;
  }
  if (e->ordered && found->score < e->last) {
    refuse(g, "a better successor comes later");
    return NULL;
  }
  found->shown = 1;
  e->shown++;
  e->last = found->score;
  if (found->score > e->worst) e->worst = found->score;
  skip(g);
  return found;
}

/* After the last: as many as are kept, and none left out that ranks before one shown. */
int check_all_shown(grammar *g, const expansion *e) {
  if (e->limit >= 0 && e->shown != e->limit) {
    return refuse(g, "%d successors explored where %d are kept", e->shown, e->limit);
  }
  if (!e->shown && e->count && e->limit < 0) return refuse(g, "no successor explored");
  for (int i = 0; i < e->count; i++) {
    if (!e->all[i].shown && e->all[i].score < e->worst) {
      return refuse(g, "a better successor than those explored is left out");
    }
  }
  return 1;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

int32_t add_node(grammar *g, const node *n) {
  if (g->node_count == g->node_capacity) {
    g->node_capacity = g->node_capacity ? 2 * g->node_capacity : 64;
    g->nodes = memory_grow(g->nodes, (size_t)g->node_capacity * sizeof *g->nodes);
    REQUIRE(g->nodes);
  }
  g->nodes[g->node_count] = *n;
  return g->node_count++;
}

/* The node that a successor of parent leads to, as its child of this index. */
int32_t add_child(grammar *g, int32_t parent, const successor *s, int index) {
  const node *p = &g->nodes[parent];
  node n = {.id = p->id, .list = s->list, .path = p->path, .score = s->score, .parent = parent};
  REQUIRE(n.id.count < GRAMMAR_NUMBERS_MAX && n.path.count < GRAMMAR_NUMBERS_MAX - 1);
  n.id.part[n.id.count++] = index;
  n.path.item[n.path.count++] = s->op;
  return add_node(g, &n);
}

int is_leaf(const node *n) {
  return n->list.count == 1;
}

int state_is(const grammar *g, const line *l, const node *n) {
  return l->target == g->start->target && same_list(&l->list, &n->list) &&
         same_path(&l->path, &n->path);
}

int read_state(grammar *g, int32_t at) {
  const line *l = expect(g, LINE_STATE);
  if (!l) return 0;
  if (!state_is(g, l, &g->nodes[at])) return refuse(g, "not the state of the node moved to");
  skip(g);
  return 1;
}

int read_move(grammar *g, int32_t to) {
  const line *l = expect(g, LINE_MOVE);
  if (!l) return 0;
  if (!same_id(&l->id, &g->nodes[to].id)) return refuse(g, "a move to another node");
  skip(g);
  g->facts->moves++;
  return 1;
}

int read_generated(grammar *g, const node_id *id, const successor *s) {
  const line *l = expect(g, LINE_GENERATED);
  if (!l) return 0;
  if (!same_id(&l->id, id)) return refuse(g, "another id than the next child's");
  if (l->target != g->start->target) return refuse(g, "another target");
  if (!same_operation(&l->op, &s->op) || !same_list(&l->list, &s->list)) {
    return refuse(g, "another operation or other numbers than explored");
  }
  skip(g);
  return 1;
}

/* The line after a leaf: a goal where the number is the target. */
int read_leaf(grammar *g, const successor *s) {
  int64_t number = s->list.value[0], target = g->start->target;
  const line *l = expect(g, number == target ? LINE_GOAL : LINE_FAIL);
  if (!l) return 0;
  if (l->number != number || l->target != target) return refuse(g, "another number or target");
  skip(g);
  if (number == target) g->facts->goals++;
  return 1;
}

/* ---- recaps --------------------------------------------------------------------------------- */

/* One step of a known path: what was explored and generated when it was found. */
static int read_known_step(grammar *g, int32_t to) {
  const node *n = &g->nodes[to];
  const line *l = expect(g, LINE_EXPLORE);
  if (!l) return 0;
  successor s = {.op = n->path.item[n->path.count - 1], .list = n->list};
  if (!same_operation(&l->op, &s.op) || !same_list(&l->list, &s.list)) {
    return refuse(g, "the recap leaves the path to the goal");
  }
  skip(g);
  g->facts->recapped++;
  if (is_leaf(n)) return read_leaf(g, &s);
  return read_generated(g, &n->id, &s) && read_move(g, to) && read_state(g, to);
}

/* The path from a node to the goal, told again. */
int read_recap(grammar *g, int32_t from) {
  int32_t path[GRAMMAR_NUMBERS_MAX];
  int steps = 0;
  for (int32_t at = g->goal; at != from; at = g->nodes[at].parent)
    path[steps++] = at;
  if (!read_move(g, from) || !read_state(g, from)) return 0;
  while (steps > 0) {
    if (!read_known_step(g, path[--steps])) return 0;
  }
  g->facts->solved = 1;
  return 1;
}

/* One step of a path that a child found, whose search is not in this text. NOWHERE on refusal. */
static int32_t read_new_step(grammar *g, int32_t from) {
  expansion e;
  list_successors(g, &g->nodes[from].list, &e);
  if (g->start->child_beam) limit_successors(&e, g->start->child_beam);
  const successor *s = read_successor(g, &e);
  if (!s) return NOWHERE;
  g->facts->recapped++;
  if (s->list.count == 1) {
    if (s->list.value[0] != g->start->target) {
      (void)refuse(g, "a recap that does not reach the target");
      return NOWHERE;
    }
    return read_leaf(g, s) ? add_child(g, from, s, 0) : NOWHERE;
  }
  int index = peek(g) == LINE_GENERATED ? g->next.id.part[g->next.id.count - 1] : 0;
  if (e.limit >= 0 && index >= e.limit) {
    (void)refuse(g, "a child's index beyond its beam");
    return NOWHERE;
  }
  int32_t to = add_child(g, from, s, index);
  int good = read_generated(g, &g->nodes[to].id, s) && read_move(g, to) && read_state(g, to);
  return good ? to : NOWHERE;
}

/* The recap of a child that reached a goal. NOWHERE on refusal, or the goal. */
int32_t read_child_recap(grammar *g, int32_t from) {
  if (!read_move(g, from) || !read_state(g, from)) return NOWHERE;
  int32_t at = from;
  while (at != NOWHERE && !is_leaf(&g->nodes[at]))
    at = read_new_step(g, at);
  return at;
}
