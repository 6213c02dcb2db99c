/* Records of threads and units: their memory, and the lists that they are in. */
#include "base/memory.h"
#include "engine/engine_internal.h"

#include <string.h>

/* ---- lists that grow at submission ----------------------------------------------------------- */

/* The array with room for `capacity` elements; as it was, and *failed, where there is no memory. */
static void *grown(void *array, int capacity, size_t bytes, int *failed) {
  void *larger = memory_grow(array, (size_t)capacity * bytes);
  if (!larger) *failed = 1;
  return larger ? larger : array;
}

#define GROW(array) (array) = grown((array), capacity, sizeof *(array), &failed)

/* The caller may be reading the last step's events while it submits: they stay where they are until
   the next step. A list that no step has filled since is not told. */
static void grow_events(step_arrays *s, int capacity, int *failed) {
  engine_event *longer = memory_zeroed((size_t)capacity, sizeof *longer);
  if (!longer) {
    *failed = 1;
    return;
  }
  if (s->told) {
    memory_free(s->events);
  } else {
    s->told = s->events;
  }
  s->events = longer;
}

static int grow_arrays(engine *e, int capacity) {
  step_arrays *s = &e->step;
  int failed = 0;
  GROW(e->threads);
  GROW(e->waiting);
  GROW(s->sampling);
  GROW(s->rows);
  GROW(s->logits_row);
  GROW(s->results);
  GROW(s->text_at);
  e->scratch = grown(e->scratch, 1, order_scratch_bytes(capacity), &failed);
  grow_events(s, capacity, &failed);
  return !failed;
}

status engine_make_room(engine *e, int threads, int64_t suppressed, detail *err) {
  enum { LEAST = 64, MOST = 1 << 26 };
  int64_t needed = (int64_t)e->thread_count + threads, ids = e->suppressed_total + suppressed;
  step_arrays *s = &e->step;
  if (needed > MOST || ids > INT32_MAX / 2) {
    return fault(err, E_LIMIT, "%lld threads with %lld suppressed ids: %d and %d are possible",
                 (long long)needed, (long long)ids, (int)MOST, INT32_MAX / 2);
  }
  if (needed > s->capacity) {
    int capacity = needed < LEAST ? LEAST : (int)(needed + needed / 2);
    if (!grow_arrays(e, capacity)) {
      return fault(err, E_MEMORY, "no memory for a list of %d threads", capacity);
    }
    s->capacity = e->thread_capacity = e->waiting_capacity = capacity;
  }
  if (ids > s->suppressed_capacity) {
    int capacity = (int)(ids + ids / 2), failed = 0;
    GROW(s->suppressed);
    if (failed) {
      return fault(err, E_MEMORY, "no memory for %d suppressed ids", capacity);
    }
    s->suppressed_capacity = capacity;
  }
  return OK;
}

/* ---- records --------------------------------------------------------------------------------- */

void thread_free(thread *t) {
  if (!t) return;
  memory_free(t->tokens);
  memory_free(t->view);
  memory_free(t->suppressed);
  memory_free(t->end_ids);
  stops_close(t->stops);
  decoder_close(t->decoder);
  memory_free(t);
}

status unit_open(unit **out, int count, detail *err) {
  unit *u = memory_zeroed(1, sizeof *u);
  if (u) u->members = memory_zeroed((size_t)count, sizeof(thread *));
  if (!u || !u->members) {
    unit_free(u);
    return fault(err, E_MEMORY, "no memory for %d threads", count);
  }
  *out = u;
  return OK;
}

void unit_free(unit *u) {
  if (!u) return;
  for (int i = 0; i < u->count; i++)
    thread_free(u->members[i]);
  memory_free(u->members);
  memory_free(u);
}

/* ---- by id ----------------------------------------------------------------------------------- */

/* The place of the first thread whose id is not below this one. */
static int place_of(const engine *e, thread_id id) {
  int low = 0, high = e->thread_count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (e->threads[middle]->id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

thread *engine_find(const engine *e, thread_id id) {
  int place = place_of(e, id);
  return place < e->thread_count && e->threads[place]->id == id ? e->threads[place] : NULL;
}

void engine_list_thread(engine *e, thread *t) {
  REQUIRE(e->thread_count < e->thread_capacity);
  e->threads[e->thread_count++] = t;
  e->suppressed_total += t->row.suppressed_count;
}

void engine_unlist_thread(engine *e, const thread *t) {
  int place = place_of(e, t->id);
  REQUIRE(place < e->thread_count && e->threads[place] == t);
  e->suppressed_total -= t->row.suppressed_count;
  e->thread_count--;
  memmove(e->threads + place, e->threads + place + 1,
          (size_t)(e->thread_count - place) * sizeof(thread *));
}

/* ---- by the time of admission ---------------------------------------------------------------- */

void units_add(unit_list *list, unit *u) {
  unit *older = list->youngest;
  while (older && older->admitted > u->admitted)
    older = older->older;
  u->older = older;
  u->younger = older ? older->younger : list->oldest;
  *(u->younger ? &u->younger->older : &list->youngest) = u;
  *(older ? &older->younger : &list->oldest) = u;
}

void units_remove(unit_list *list, unit *u) {
  *(u->younger ? &u->younger->older : &list->youngest) = u->older;
  *(u->older ? &u->older->younger : &list->oldest) = u->younger;
  u->older = u->younger = NULL;
}

void sort_pointers(void **items, int count, int (*is_before)(const void *a, const void *b)) {
  for (int gap = count / 2; gap > 0; gap /= 2) {
    for (int i = gap; i < count; i++) {
      void *moved = items[i];
      int to = i;
      for (; to >= gap && is_before(moved, items[to - gap]); to -= gap)
        items[to] = items[to - gap];
      items[to] = moved;
    }
  }
}
