#include "solvers/search_places_internal.h"

#include <stdio.h>
#include <string.h>

place *places_add(places *all, node *n) {
  search *s = all->search;
  place **grown = search_room(s, all->list, all->count, &all->capacity, sizeof(place *));
  place *p = arena_take(s->memory, 1, sizeof *p);
  if (!grown || !p) {
    s->failed = E_MEMORY;
    return NULL;
  }
  all->list = grown;
  all->list[all->count++] = p;
  p->node = n;
  if (n->parent) {
    const place *above = n->parent->place;
    *p = (place){.node = n, .depth = above->depth + 1};
    memcpy(p->id, above->id, sizeof p->id);
    p->id[above->depth] = n->index;
  }
  n->place = p;
  return p;
}

/* Draws that are the node's own: whoever expands it shows its successors in one order. */
static random_stream draws_of(const search *s, const place *p) {
  char name[16 * (COUNTDOWN_NUMBERS_MAX + 1)];
  int used = snprintf(name, sizeof name, "node 0");
  for (int i = 0; i < p->depth; i++)
    used += snprintf(name + used, sizeof name - (size_t)used, ",%d", p->id[i]);
  return random_start(random_key_of(s->seed, s->task, s->repeat, name));
}

/* As in the other searches leaves consume no index. */
void place_expand(places *all, writer *w, place *p) {
  if (p->kept) return;
  search *s = all->search;
  int limit = p->depth ? s->options->child_beam : s->options->beam;
  node *kept[COUNTDOWN_SUCCESSORS_MAX];
  int index = 0;
  w->draws = draws_of(s, p);
  int count = search_expand(w, p->node, limit, kept);
  p->kept = arena_take(s->memory, (size_t)count + 1, sizeof(node *));
  if (!p->kept) s->failed = E_MEMORY;
  if (s->failed) return;
  memcpy(p->kept, kept, (size_t)count * sizeof *kept);
  p->kept_count = count;
  for (int i = 0; i < count && !s->failed; i++) {
    kept[i]->index = index;
    if (kept[i]->state.count == 1) continue;
    index++;
    (void)places_add(all, kept[i]);
  }
}

static int is_before(const place *a, const place *b) {
  if (a->node->heuristic != b->node->heuristic) return a->node->heuristic < b->node->heuristic;
  for (int i = 0; i < a->depth && i < b->depth; i++) {
    if (a->id[i] != b->id[i]) return a->id[i] < b->id[i];
  }
  return a->depth < b->depth;
}

static int is_candidate(const place *p, uint32_t bit) {
  return (p->open & bit) && !(p->claimed & bit);
}

place *places_best(const places *all, int worker) {
  uint32_t bit = 1u << worker;
  place *best = NULL;
  for (int i = 0; i < all->count; i++) {
    place *p = all->list[i];
    if (is_candidate(p, bit) && (!best || is_before(p, best))) best = p;
  }
  return best;
}

/* The candidate before which there are just so many. */
static place *ranked(const places *all, uint32_t bit, int rank) {
  for (int i = 0; i < all->count; i++) {
    place *p = all->list[i];
    int before = 0;
    if (!is_candidate(p, bit)) continue;
    for (int k = 0; k < all->count; k++)
      before += is_candidate(all->list[k], bit) && is_before(all->list[k], p);
    if (before == rank) return p;
  }
  return NULL;
}

place *places_pick(const places *all, int worker) {
  uint32_t bit = 1u << worker;
  int candidates = 0, claims = 0;
  for (int i = 0; i < all->count; i++) {
    const place *p = all->list[i];
    claims += p->depth && (p->claimed & bit);
    candidates += is_candidate(p, bit);
  }
  if (claims || candidates < 2) return places_best(all, worker);
  return ranked(all, bit, worker % candidates);
}
