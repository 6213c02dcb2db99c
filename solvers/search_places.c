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

/* Of how many of their components the ids of two nodes share the first. */
static int shared(const place *a, const place *b) {
  int i = 0;
  while (i < a->depth && i < b->depth && a->id[i] == b->id[i])
    i++;
  return i;
}

/* Depth first from a node on: what is below it, then what is beside it, and so up to the root. */
static int is_before(const place *a, const place *b, const place *from) {
  int near_a = shared(a, from), near_b = shared(b, from), i = shared(a, b);
  if (near_a != near_b) return near_a > near_b;
  if (i < a->depth && i < b->depth) return a->id[i] < b->id[i];
  return a->depth < b->depth;
}

static int is_candidate(const place *p, uint32_t bit) {
  return (p->open & bit) && !(p->claimed & bit);
}

place *places_next(const places *all, int worker, const place *from) {
  uint32_t bit = 1u << worker;
  place *first = NULL;
  for (int i = 0; i < all->count; i++) {
    place *p = all->list[i];
    if (is_candidate(p, bit) && (!first || is_before(p, first, from))) first = p;
  }
  return first;
}

/* The candidate before which there are just so many. */
static place *ranked(const places *all, uint32_t bit, int rank, const place *from) {
  for (int i = 0; i < all->count; i++) {
    place *p = all->list[i];
    int before = 0;
    if (!is_candidate(p, bit)) continue;
    for (int k = 0; k < all->count; k++)
      before += is_candidate(all->list[k], bit) && is_before(all->list[k], p, from);
    if (before == rank) return p;
  }
  return NULL;
}

place *places_pick(const places *all, int worker, const place *from) {
  uint32_t bit = 1u << worker;
  int candidates = 0, claims = 0;
  for (int i = 0; i < all->count; i++) {
    const place *p = all->list[i];
    claims += p->depth && (p->claimed & bit);
    candidates += is_candidate(p, bit);
  }
  if (claims || candidates < 2) return places_next(all, worker, from);
  return ranked(all, bit, worker % candidates, from);
}
