/* Nodes, expansions, the priority queue, and the set of states seen. */
#include "solvers/search_internal.h"

#include <string.h>

void *search_room(search *s, void *list, int count, int *capacity, size_t bytes) {
  if (count < *capacity) return list;
  int larger = *capacity ? 2 * *capacity : 16;
  void *grown = arena_take(s->memory, (size_t)larger, bytes);
  if (!grown) {
    s->failed = E_MEMORY;
    return NULL;
  }
  if (count) memcpy(grown, list, (size_t)count * bytes);
  *capacity = larger;
  return grown;
}

static double heuristic_sum(const search *s, const countdown_state *state) {
  int64_t sum = 0;
  for (int i = 0; i < state->count; i++) {
    int64_t distance = state->number[i] - s->problem->target;
    sum += distance < 0 ? -distance : distance;
  }
  return (double)sum / state->count;
}

static double heuristic_mult(const search *s, const countdown_state *state) {
  int64_t sum = 0;
  for (int i = 0; i < state->count; i++) {
    int64_t nearest = INT64_MAX;
    for (int f = 0; f < s->factor_count; f++) {
      int64_t distance = state->number[i] - s->factors[f];
      if (distance < 0) distance = -distance;
      if (distance < nearest) nearest = distance;
    }
    sum += nearest;
  }
  return (double)sum;
}

static double heuristic(const search *s, const countdown_state *state) {
  return s->options->heuristic == HEURISTIC_SUM ? heuristic_sum(s, state)
                                                : heuristic_mult(s, state);
}

node *search_root(search *s) {
  node *root = arena_take(s->memory, 1, sizeof *root);
  if (!root) {
    s->failed = E_MEMORY;
    return NULL;
  }
  root->state.count = s->problem->count;
  memcpy(root->state.number, s->problem->number, sizeof root->state.number);
  root->heuristic = heuristic(s, &root->state);
  return root;
}

/* Insertion sort: stable, and the lists are short. */
void search_sort(node **nodes, int count) {
  for (int i = 1; i < count; i++) {
    node *moved = nodes[i];
    int at = i;
    for (; at > 0 && nodes[at - 1]->heuristic > moved->heuristic; at--)
      nodes[at] = nodes[at - 1];
    nodes[at] = moved;
  }
}

/* All successors as nodes on the stack of the caller, sorted by heuristic. */
static int successors(const search *s, node *n, node all[COUNTDOWN_SUCCESSORS_MAX],
                      node *by_heuristic[COUNTDOWN_SUCCESSORS_MAX]) {
  countdown_operation operations[COUNTDOWN_SUCCESSORS_MAX];
  countdown_state states[COUNTDOWN_SUCCESSORS_MAX];
  int count = countdown_successors(&n->state, operations, states);
  for (int i = 0; i < count; i++) {
    all[i] = (node){.parent = n,
                    .state = states[i],
                    .operation = operations[i],
                    .generated = i,
                    .heuristic = heuristic(s, &states[i])};
    by_heuristic[i] = &all[i];
  }
  search_sort(by_heuristic, count);
  return count;
}

/* Moves the first nodes into the arena. */
static int keep(search *s, node *const *from, int count, node *kept[COUNTDOWN_SUCCESSORS_MAX]) {
  for (int i = 0; i < count; i++) {
    kept[i] = arena_take(s->memory, 1, sizeof(node));
    if (!kept[i]) {
      s->failed = E_MEMORY;
      return 0;
    }
    *kept[i] = *from[i];
  }
  return count;
}

static void shuffle(random_stream *draws, node **nodes, int count) {
  for (int i = count - 1; i > 0; i--) {
    int other = (int)random_below(draws, (uint32_t)i + 1);
    node *moved = nodes[i];
    nodes[i] = nodes[other];
    nodes[other] = moved;
  }
}

static void sort_by_generation(node **nodes, int count) {
  for (int i = 1; i < count; i++) {
    node *moved = nodes[i];
    int at = i;
    for (; at > 0 && nodes[at - 1]->generated > moved->generated; at--)
      nodes[at] = nodes[at - 1];
    nodes[at] = moved;
  }
}

int search_expand(writer *w, node *n, int limit, node *kept[COUNTDOWN_SUCCESSORS_MAX]) {
  node all[COUNTDOWN_SUCCESSORS_MAX], *by_heuristic[COUNTDOWN_SUCCESSORS_MAX];
  int count = successors(w->search, n, all, by_heuristic);
  if (count > limit) count = limit;
  count = keep(w->search, by_heuristic, count, kept);
  if (w->search->options->order == ORDER_SHUFFLED) shuffle(&w->draws, kept, count);
  if (w->search->options->order == ORDER_ENUMERATION) sort_by_generation(kept, count);
  return count;
}

int search_expand_within(search *s, node *n, double threshold,
                         node *kept[COUNTDOWN_SUCCESSORS_MAX]) {
  node all[COUNTDOWN_SUCCESSORS_MAX], *by_heuristic[COUNTDOWN_SUCCESSORS_MAX];
  int count = successors(s, n, all, by_heuristic);
  int within = 0;
  while (within < count && by_heuristic[within]->heuristic <= threshold)
    within++;
  return keep(s, by_heuristic, within, kept);
}

static void sift_toward_root(node_queue *q, int at) {
  node *moved = q->items[at];
  while (at > 0 && moved->heuristic < q->items[(at - 1) / 2]->heuristic) {
    q->items[at] = q->items[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  q->items[at] = moved;
}

void queue_push(search *s, node_queue *q, node *n) {
  node **grown = search_room(s, q->items, q->count, &q->capacity, sizeof *grown);
  if (!grown) return;
  q->items = grown;
  q->items[q->count++] = n;
  sift_toward_root(q, q->count - 1);
}

/* The hole at the root sinks to a leaf along the lesser children (the right one among equals), and
   the last item rises from there: the published tie-breaking depends on just these moves. */
node *queue_pop(node_queue *q) {
  REQUIRE(q->count > 0);
  node *last = q->items[--q->count];
  if (q->count == 0) return last;
  node *best = q->items[0];
  int at = 0;
  for (int child = 1; child < q->count; child = 2 * at + 1) {
    int right = child + 1;
    if (right < q->count && !(q->items[child]->heuristic < q->items[right]->heuristic)) {
      child = right;
    }
    q->items[at] = q->items[child];
    at = child;
  }
  q->items[at] = last;
  sift_toward_root(q, at);
  return best;
}

static uint64_t state_hash(const countdown_state *state) {
  uint64_t h = 0x9e3779b97f4a7c15u;
  for (int i = 0; i < state->count; i++) {
    h = (h ^ (uint64_t)state->number[i]) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

static int same_state(const countdown_state *a, const countdown_state *b) {
  return a->count == b->count &&
         !memcmp(a->number, b->number, (size_t)a->count * sizeof a->number[0]);
}

/* The slot of a sorted state: its own, or the free one where it belongs. */
static const countdown_state **find_slot(const struct seen *seen, const countdown_state *state) {
  uint64_t at = state_hash(state);
  for (;; at++) {
    const countdown_state **slot = &seen->slots[at & (uint64_t)(seen->capacity - 1)];
    if (!*slot || same_state(*slot, state)) return slot;
  }
}

static int grow_seen(search *s) {
  struct seen larger = {.capacity = s->seen.capacity ? 2 * s->seen.capacity : 256,
                        .count = s->seen.count};
  larger.slots = arena_take(s->memory, (size_t)larger.capacity, sizeof *larger.slots);
  if (!larger.slots) return 0;
  for (int i = 0; i < s->seen.capacity; i++) {
    if (s->seen.slots[i]) *find_slot(&larger, s->seen.slots[i]) = s->seen.slots[i];
  }
  s->seen = larger;
  return 1;
}

void search_explored(search *s, const node *n) {
  s->result->nodes_explored++;
  if (2 * s->seen.count >= s->seen.capacity && !grow_seen(s)) {
    s->failed = E_MEMORY;
    return;
  }
  countdown_state *sorted = arena_take(s->memory, 1, sizeof *sorted);
  if (!sorted) {
    s->failed = E_MEMORY;
    return;
  }
  *sorted = n->state;
  for (int i = 1; i < sorted->count; i++) {
    int64_t moved = sorted->number[i];
    int at = i;
    for (; at > 0 && sorted->number[at - 1] > moved; at--) {
      sorted->number[at] = sorted->number[at - 1];
    }
    sorted->number[at] = moved;
  }
  const countdown_state **slot = find_slot(&s->seen, sorted);
  if (*slot) {
    s->result->nodes_duplicate++;
  } else {
    *slot = sorted;
    s->seen.count++;
  }
}
