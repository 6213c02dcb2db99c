/* Whole searches: best-first with its queue, depth-first, sub searches, calls and joins. */
#include "tests/solvers/grammar.h"

#include "base/memory.h"
#include "tests/solvers/grammar_internal.h"

#include <stdio.h>
#include <string.h>

/* What a search by queue may do. */
typedef struct plan {
  int beam, level;    /* level: 0 for the outermost */
  int fewest_inline;  /* sub searches inline from this many children on; 0: none */
  int32_t recap_from; /* the node a goal is recapped from; NOWHERE: no recap */
} plan;

/* One search by queue. A batch is the best `beam` of the queue, taken at once; nodes generated
   meanwhile wait for the next. Where the beam is unknown a batch is one node. */
typedef struct queue {
  const plan *plan;
  int32_t self, batch;
  int first;                       /* the next node is the start, whose move line is behind us */
  int position, size;              /* within the batch */
  int last_size;                   /* of the batch before */
  int32_t order[GRAMMAR_BEAM_MAX]; /* [size]: what the newest batch has visited so far */
  int joined;                      /* children of a join that failed just now, or 0 */
  int promised_at;                 /* a stray move named what comes at this position; -1: none */
  node_id promised;
} queue;

static outcome search(grammar *g, int32_t start, const plan *p);

static void enqueue(grammar *g, const queue *q, int32_t at) {
  node *n = &g->nodes[at];
  n->state = NODE_PENDING;
  n->search = q->self;
  n->batch = 0;
}

/* Takes the next batch and returns how many nodes are in the queue. */
static int open_batch(grammar *g, queue *q) {
  int pending = 0;
  q->batch++;
  for (int32_t i = 0; i < g->node_count; i++) {
    node *n = &g->nodes[i];
    if (n->search != q->self || n->state != NODE_PENDING) continue;
    n->batch = q->batch;
    pending++;
  }
  q->last_size = q->size;
  q->size = !q->plan->beam ? 1 : q->plan->beam < pending ? q->plan->beam : pending;
  q->promised_at = -1;
  return pending;
}

static int in_batch(const queue *q, const node *n) {
  return n->search == q->self && n->state == NODE_PENDING && n->batch == q->batch;
}

/* ---- the published defect -------------------------------------------------------------------- */

static int is_waiting(const grammar *g, const queue *q, const node_id *id) {
  for (int32_t i = 0; i < g->node_count; i++) {
    if (in_batch(q, &g->nodes[i]) && same_id(id, &g->nodes[i].id)) return 1;
  }
  return 0;
}

/* After a failed join the published loop has overwritten its position with the index of the last
   child: it names the node at position `joined` of the batch, visited or not, or none where the
   batch is shorter. The next node is the right one all the same. */
static int check_stray(grammar *g, queue *q, const node_id *id) {
  g->facts->stray_moves++;
  if (!q->plan->beam) return 1;
  int inside = q->position > 0;
  int size = inside ? q->size : q->last_size, seen = inside ? q->position : q->last_size;
  if (q->joined >= size) return refuse(g, "a move to a node that is not next");
  if (q->joined >= seen) {
    q->promised_at = q->joined;
    q->promised = *id;
    return is_waiting(g, q, id) || refuse(g, "a move to a node that is not in the batch");
  }
  if (same_id(id, &g->nodes[q->order[q->joined]].id)) return 1;
  return refuse(g, "a move to a node that is neither next nor the one a failed join leaves");
}

static int may_lack_move(const queue *q) {
  return q->joined && (!q->plan->beam || (q->position > 0 && q->joined >= q->size));
}

/* A node that was visited without being named may have been its twin: another node with the same
   operations. Makes the twin the visited one. */
static int swap_twin(grammar *g, const queue *q, int32_t taken, const node_id *wanted) {
  for (int32_t i = 0; i < g->node_count; i++) {
    node *twin = &g->nodes[i], *n = &g->nodes[taken];
    if (!in_batch(q, twin) || !same_path(&twin->path, &n->path)) continue;
    if (wanted && !same_id(&twin->id, wanted)) continue;
    twin->state = NODE_VISITED;
    twin->assumed = 1;
    n->state = NODE_PENDING;
    n->batch = twin->batch;
    n->assumed = 0;
    return i;
  }
  return NOWHERE;
}

/* The first node generated below says which of twins was visited. */
static int32_t settle_twin(grammar *g, const queue *q, int32_t at) {
  if (peek(g) != LINE_EXPLORE) return at;
  line after;
  size_t ahead = g->at + g->next.bytes;
  line_parse(g->text + ahead, g->bytes - ahead, &after);
  if (after.form != LINE_GENERATED || after.id.count < 2) return at;
  after.id.count--;
  if (same_id(&after.id, &g->nodes[at].id)) return at;
  int32_t twin = swap_twin(g, q, at, &after.id);
  return twin == NOWHERE ? at : twin;
}

/* ---- moving --------------------------------------------------------------------------------- */

/* The node of the batch with this state; with an id, only one of that name. */
static int32_t find_arrival(grammar *g, const queue *q, const line *state, const node_id *id) {
  for (int32_t i = 0; i < g->node_count; i++) {
    const node *n = &g->nodes[i];
    if (in_batch(q, n) && (!id || same_id(id, &n->id)) && state_is(g, state, n)) return i;
  }
  for (int32_t i = 0; id && i < g->node_count; i++) {
    const node *n = &g->nodes[i];
    if (n->search != q->self || !n->assumed || !same_id(id, &n->id)) continue;
    if (state_is(g, state, n) && swap_twin(g, q, i, NULL) != NOWHERE) return i;
  }
  return NOWHERE;
}

/* The lines between two nodes: a move, which a failed join may hide, misname or double. *named is 0
   where no line names the next node. */
static int read_moves(grammar *g, queue *q, node_id *id, int *named) {
  *named = peek(g) == LINE_MOVE;
  if (!*named) return may_lack_move(q) || expect(g, LINE_MOVE) != NULL;
  *id = g->next.id;
  skip(g);
  g->facts->moves++;
  int may_double = q->joined && (!q->plan->beam || q->position == 0);
  if (!may_double || peek(g) != LINE_MOVE) return 1;
  if (!check_stray(g, q, id)) return 0;
  *id = g->next.id;
  skip(g);
  g->facts->moves++;
  return 1;
}

static int check_rank(grammar *g, const queue *q, int32_t at) {
  if (!q->plan->beam) return 1;
  for (int32_t i = 0; i < g->node_count; i++) {
    if (in_batch(q, &g->nodes[i]) && g->nodes[i].score < g->nodes[at].score) {
      return refuse(g, "a move past a better node");
    }
  }
  if (q->position == q->promised_at && !same_id(&q->promised, &g->nodes[at].id)) {
    return refuse(g, "a move to this node's place named another before");
  }
  return 1;
}

/* Reads up to and with the state line of the next node. NOWHERE on refusal. */
static int32_t arrive(grammar *g, queue *q) {
  node_id id = {0};
  int named = 0;
  if (!q->first && !read_moves(g, q, &id, &named)) return NOWHERE;
  const line *state = expect(g, LINE_STATE);
  if (!state) return NOWHERE;
  int32_t at = find_arrival(g, q, state, named ? &id : NULL);
  if (at == NOWHERE && named && q->joined && (q->position > 0 || !q->plan->beam)) {
    at = find_arrival(g, q, state, NULL);
    if (at != NOWHERE && !check_stray(g, q, &id)) return NOWHERE;
    named = 0;
  }
  if (at == NOWHERE) {
    (void)refuse(g, "not the state of a node that may come next");
    return NOWHERE;
  }
  if (!check_rank(g, q, at)) return NOWHERE;
  if (!named && !q->first) g->nodes[at].assumed = 1;
  g->facts->unnamed += g->nodes[at].assumed;
  skip(g);
  return at;
}

/* ---- calls and joins --------------------------------------------------------------------------
 */

/* Children in the order they are searched in: the best first, each once. */
typedef struct brood {
  int32_t child[SUCCESSORS_MAX]; /* [count]; NOWHERE once it was named */
  int count;
} brood;

static int32_t pick_child(grammar *g, brood *b, const node_id *id) {
  int found = -1;
  for (int i = 0; i < b->count; i++) {
    if (b->child[i] != NOWHERE && same_id(id, &g->nodes[b->child[i]].id)) found = i;
  }
  if (found < 0) {
    (void)refuse(g, "not a child that is still to be searched");
    return NOWHERE;
  }
  int32_t at = b->child[found];
  b->child[found] = NOWHERE;
  for (int i = 0; i < b->count; i++) {
    if (b->child[i] != NOWHERE && g->nodes[b->child[i]].score < g->nodes[at].score) {
      (void)refuse(g, "a better child comes later");
      return NOWHERE;
    }
  }
  return at;
}

static outcome read_sub_searches(grammar *g, queue *q, brood *b) {
  int level = q->plan->level + 1, serial = g->kind == TRACE_APR_SERIAL;
  plan p = *q->plan;
  p.level = level;
  if (serial) p.beam = g->start->child_beam;
  if (serial) p.fewest_inline = 0;
  for (int i = 0; i < b->count; i++) {
    const line *l = expect(g, LINE_SUB_START);
    if (!l) return REFUSED;
    int32_t at = pick_child(g, b, &l->id);
    if (at == NOWHERE || !expect_level(g, LINE_SUB_START, level)) return REFUSED;
    g->facts->searches++;
    if (level > g->facts->level) g->facts->level = level;
    outcome o = search(g, at, &p);
    if (o == REFUSED || !expect_level(g, LINE_SUB_EXIT, level)) return REFUSED;
    if (o == SOLVED) return SOLVED;
    if (!expect_plain(g, LINE_SUB_NONE)) return REFUSED;
  }
  q->joined = serial ? b->count : 0;
  return FAILED;
}

static grammar_child *note_child(grammar *g, int index, int32_t at) {
  grammar_facts *f = g->facts;
  const node *n = &g->nodes[at];
  grammar_child *c = &f->children[index];
  *c = (grammar_child){.node.number_count = n->list.count, .node.operation_count = n->path.count};
  line_format_id(&n->id, c->node.id, sizeof c->node.id);
  memcpy(c->node.numbers, n->list.value, sizeof c->node.numbers);
  for (int i = 0; i < n->path.count; i++) {
    char *out = c->node.operations[i];
    line_format_operation(&n->path.item[i], out, sizeof c->node.operations[i]);
  }
  f->child_count = index + 1;
  return c;
}

/* The child that a line of a block names. NOWHERE on refusal. */
static int32_t read_block_line(grammar *g, brood *b, int ordinal) {
  if (g->next.ordinal != ordinal) {
    (void)refuse(g, "sub search %d, not %d", g->next.ordinal, ordinal);
    return NOWHERE;
  }
  int32_t at = pick_child(g, b, &g->next.id);
  if (at == NOWHERE) return NOWHERE;
  (void)note_child(g, ordinal, at);
  skip(g);
  return at;
}

/* A calling block ends its segment. */
static outcome read_calling(grammar *g, brood *b) {
  skip(g);
  g->facts->calls++;
  for (int i = 0; i < b->count; i++) {
    if (!expect(g, LINE_CALL) || read_block_line(g, b, i) == NOWHERE) return REFUSED;
  }
  if (!expect_plain(g, LINE_CALLING_END)) return REFUSED;
  g->facts->suspended = 1;
  return SUSPENDED;
}

/* The goal that the parent recaps is that of the first child that reached one. */
static outcome read_joined(grammar *g, queue *q, brood *b) {
  skip(g);
  g->facts->joins++;
  g->goal = NOWHERE;
  for (int i = 0; i < b->count; i++) {
    int solved = peek(g) == LINE_JOINED_GOAL;
    if (!solved && !expect(g, LINE_JOINED_NONE)) return REFUSED;
    int32_t at = read_block_line(g, b, i);
    if (at == NOWHERE) return REFUSED;
    if (!solved) continue;
    g->facts->children[i].solved = 1;
    int32_t goal = read_child_recap(g, at);
    if (goal == NOWHERE) return REFUSED;
    if (g->goal == NOWHERE) g->goal = goal;
  }
  if (!expect_plain(g, LINE_JOIN_END)) return REFUSED;
  q->joined = b->count;
  if (g->goal == NOWHERE) return FAILED;
  successor reached = {.list = g->nodes[g->goal].list};
  return read_leaf(g, &reached) && read_recap(g, q->plan->recap_from) ? SOLVED : REFUSED;
}

/* ---- search by queue --------------------------------------------------------------------------
 */

/* A node's children are searched at once, which the text shows, or wait in the queue. */
static outcome descend(grammar *g, queue *q, brood *b) {
  line_form form = peek(g);
  int fewest = q->plan->fewest_inline;
  if (form == LINE_SUB_START && fewest && b->count >= fewest) return read_sub_searches(g, q, b);
  if (g->kind == TRACE_APR_PARENT && b->count >= 2) {
    if (form == LINE_CALLING) return read_calling(g, b);
    if (form == LINE_JOIN) return read_joined(g, q, b);
  }
  for (int i = 0; i < b->count; i++)
    enqueue(g, q, b->child[i]);
  return FAILED;
}

static outcome reach_goal(grammar *g, const queue *q) {
  if (q->plan->recap_from != NOWHERE) return read_recap(g, q->plan->recap_from) ? SOLVED : REFUSED;
  g->facts->solved = 1;
  return SOLVED;
}

/* One successor of a node. FAILED: the search goes on. */
static outcome explore(grammar *g, queue *q, int32_t at, expansion *e, brood *b) {
  const successor *s = read_successor(g, e);
  if (!s) return REFUSED;
  g->facts->explored++;
  int leaf = s->list.count == 1;
  int32_t child = add_child(g, at, s, g->nodes[at].next_child);
  if (leaf) {
    if (!read_leaf(g, s)) return REFUSED;
    g->goal = child;
    if (s->list.value[0] == g->start->target) return reach_goal(g, q);
    if (g->kind == TRACE_SOS_BFS) enqueue(g, q, child); /* without using up an index */
    return FAILED;
  }
  if (!read_generated(g, &g->nodes[child].id, s)) return REFUSED;
  g->facts->generated++;
  g->nodes[at].next_child++;
  b->child[b->count++] = child;
  return FAILED;
}

static outcome visit(grammar *g, queue *q, int32_t at) {
  if (g->nodes[at].assumed) at = settle_twin(g, q, at);
  g->nodes[at].state = NODE_VISITED;
  q->order[q->position] = at;
  q->joined = q->first = 0;
  expansion e;
  brood b = {.count = 0};
  list_successors(g, &g->nodes[at].list, &e);
  if (q->plan->beam) limit_successors(&e, q->plan->beam);
  while (peek(g) == LINE_EXPLORE) {
    outcome o = explore(g, q, at, &e, &b);
    if (o != FAILED) return o;
  }
  if (!check_all_shown(g, &e)) return REFUSED;
  return descend(g, q, &b);
}

/* The queue is empty. A failed join may still have left a move line. */
static outcome read_none(grammar *g, queue *q) {
  q->position = 0;
  if (q->joined && peek(g) == LINE_MOVE) {
    node_id id = g->next.id;
    if (!check_stray(g, q, &id)) return REFUSED;
    skip(g);
    g->facts->moves++;
  }
  return expect_plain(g, g->kind == TRACE_SOS_BFS ? LINE_NONE_END : LINE_NONE) ? FAILED : REFUSED;
}

/* From the state line of its start to its goal and recap, to a line No solution found, or to a
   calling block. */
static outcome search(grammar *g, int32_t start, const plan *p) {
  queue q = {.plan = p, .self = ++g->searches, .first = 1};
  enqueue(g, &q, start);
  while (open_batch(g, &q)) {
    for (q.position = 0; q.position < q.size; q.position++) {
      int32_t at = arrive(g, &q);
      outcome o = at == NOWHERE ? REFUSED : visit(g, &q, at);
      if (o != FAILED) return o;
    }
  }
  return read_none(g, &q);
}

/* ---- search by depth --------------------------------------------------------------------------
 */

/* SoS's depth-first search drops what ranks above the target. */
static void apply_threshold(const grammar *g, expansion *e) {
  if (g->start->heuristic == GRAMMAR_UNKNOWN) return;
  e->bound = g->start->target * SCORE_UNIT;
  e->limit = 0;
  for (int i = 0; i < e->count; i++)
    e->limit += e->all[i].score <= e->bound;
}

static outcome dive(grammar *g, int32_t at);

static outcome dive_into(grammar *g, int32_t at, expansion *e) {
  const successor *s = read_successor(g, e);
  if (!s) return REFUSED;
  g->facts->explored++;
  int32_t child = add_child(g, at, s, g->nodes[at].next_child++);
  if (s->list.count > 1) {
    if (!read_generated(g, &g->nodes[child].id, s)) return REFUSED;
    g->facts->generated++;
    return read_move(g, child) && read_state(g, child) ? dive(g, child) : REFUSED;
  }
  if (!read_leaf(g, s)) return REFUSED;
  g->facts->solved = s->list.value[0] == g->start->target;
  return g->facts->solved ? SOLVED : FAILED;
}

/* The node's state line is behind us. It is told again before every child but the first. */
static outcome dive(grammar *g, int32_t at) {
  expansion e;
  list_successors(g, &g->nodes[at].list, &e);
  apply_threshold(g, &e);
  e.ordered = 1;
  if (e.limit >= 0 ? e.limit == 0 : peek(g) != LINE_EXPLORE) return FAILED;
  for (;;) {
    outcome o = dive_into(g, at, &e);
    if (o != FAILED) return o;
    int more = e.limit >= 0 ? e.shown < e.limit
                            : peek(g) == LINE_MOVE && same_id(&g->next.id, &g->nodes[at].id);
    if (!more) return FAILED;
    if (!read_move(g, at) || !read_state(g, at)) return REFUSED;
  }
}

/* ---- whole texts ------------------------------------------------------------------------------
 */

/* No number that operations can reach exceeds the product of the numbers plus one. */
static int start_is_sound(const grammar_start *s) {
  const grammar_node *n = &s->node;
  int64_t reach = 1;
  if (s->target < 2 || s->target > GRAMMAR_TARGET_MAX) return 0;
  if (s->beam < 0 || s->beam > GRAMMAR_BEAM_MAX) return 0;
  if (s->child_beam < 0 || s->child_beam > GRAMMAR_BEAM_MAX) return 0;
  if (n->number_count < 1 || n->operation_count < 0) return 0;
  if (n->number_count + n->operation_count > GRAMMAR_NUMBERS_MAX) return 0;
  for (int i = 0; i < n->number_count; i++) {
    if (n->numbers[i] < 0 || n->numbers[i] >= GRAMMAR_REACH_MAX / reach) return 0;
    reach *= n->numbers[i] + 1;
  }
  return 1;
}

/* NOWHERE on refusal. */
static int32_t add_start(grammar *g) {
  const grammar_node *from = &g->start->node;
  node n = {.list.count = from->number_count, .path.count = from->operation_count};
  int sound = start_is_sound(g->start) && line_parse_id(from->id, &n.id) &&
              n.id.count == from->operation_count + 1;
  for (int i = 0; sound && i < from->operation_count; i++)
    sound = line_parse_operation(from->operations[i], &n.path.item[i]);
  if (!sound) {
    (void)refuse(g, "the start itself is not a node of a task");
    return NOWHERE;
  }
  memcpy(n.list.value, from->numbers, sizeof n.list.value);
  return add_node(g, &n);
}

static outcome read_trace(grammar *g) {
  int32_t root = add_start(g);
  if (root == NOWHERE) return REFUSED;
  plan p = {.beam = g->start->beam, .recap_from = root};
  switch (g->kind) {
  case TRACE_SOS_DFS: return read_state(g, root) ? dive(g, root) : REFUSED;
  case TRACE_SOS_BFS: p.recap_from = NOWHERE; break;
  case TRACE_SOSP: p.fewest_inline = 1; break;
  case TRACE_APR_PARENT:
  case TRACE_APR_CHILD:
  case TRACE_APR_SERIAL:
    if (g->kind == TRACE_APR_SERIAL) p.fewest_inline = 2;
    if (!read_move(g, root)) return REFUSED;
  }
  return search(g, root, &p);
}

int grammar_accepts(trace_kind kind, const char *trace, size_t bytes, const grammar_start *start,
                    grammar_facts *facts) {
  *facts = (grammar_facts){0};
  grammar g = {.text = trace, .bytes = bytes, .kind = kind, .start = start, .facts = facts};
  int accepted = read_trace(&g) != REFUSED && expect_end(&g);
  memory_free(g.nodes);
  return accepted;
}

grammar_start grammar_root(int64_t target, const int64_t *numbers, int count) {
  REQUIRE(count >= 1 && count <= GRAMMAR_NUMBERS_MAX);
  grammar_start s = {.target = target, .node = {.id = "0", .number_count = count}};
  memcpy(s.node.numbers, numbers, (size_t)count * sizeof *numbers);
  return s;
}

grammar_start grammar_child_start(const grammar_start *start, const grammar_child *child) {
  grammar_start s = *start;
  s.node = child->node;
  s.beam = start->child_beam;
  s.child_beam = 0;
  return s;
}
