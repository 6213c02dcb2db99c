#include "pipeline/derive.h"

#include "base/memory.h"

#include <string.h>

typedef struct left_item {
  int64_t task;
  int32_t repeat, attempt;
  int is_taken;
} left_item;

typedef struct member {
  planned_run *run;
  struct member *base; /* NULL: it is one, or alone */
  int is_base;         /* of another */
  left_item *left;     /* [count] in order of repeat and task; only in families */
  size_t count, capacity;
} member;

struct derivation {
  member *members; /* [count] */
  size_t count;
};

/* ---- which contains which -------------------------------------------------------------------- */

static const char *const limits[] = {"tokens_total", "tokens_thread", "context"};
enum { LIMITS = sizeof limits / sizeof limits[0] };

/* What the samples of a family have in common: all but the number of threads, how they are counted
   afterwards, and the limits. */
static json_t *stem_of(const json_t *parameters) {
  json_t *stem = json_deep_copy(parameters);
  if (!stem) return NULL;
  json_t *limit = json_object_get(stem, "limit");
  for (size_t i = 0; i < LIMITS; i++)
    (void)json_object_del(limit, limits[i]);
  if (limit && !json_object_size(limit)) (void)json_object_del(stem, "limit");
  (void)json_object_del(stem, "n");
  (void)json_object_del(stem, "vote_key");
  return stem;
}

static int64_t threads_of(const json_t *parameters) {
  const json_t *n = json_object_get(parameters, "n");
  return n ? json_integer_value(n) : 1;
}

static int64_t limit_of(const json_t *parameters, const char *key) {
  const json_t *limit = json_object_get(json_object_get(parameters, "limit"), key);
  return limit ? json_integer_value(limit) : INT64_MAX;
}

status derivation_contains(const json_t *larger, const json_t *smaller, int *contains,
                           detail *err) {
  *contains = threads_of(larger) >= threads_of(smaller);
  for (size_t i = 0; i < LIMITS; i++)
    *contains &= limit_of(larger, limits[i]) >= limit_of(smaller, limits[i]);
  if (!*contains) return OK;
  json_t *a = stem_of(larger), *b = stem_of(smaller);
  status failed = a && b ? OK : fault(err, E_MEMORY, "no memory to compare runs");
  *contains = !failed && json_equal(a, b);
  json_decref(a);
  json_decref(b);
  return failed;
}

/* Every run is cut from the largest that contains it: one that no other contains. */
static status find_bases(derivation *d, detail *err) {
  for (size_t i = 0; i < d->count; i++) {
    member *small = &d->members[i];
    for (size_t k = 0; k < d->count; k++) {
      member *large = &d->members[k];
      int contains = 0, back = 0;
      if (i == k || small->run->model != large->run->model) continue;
      status failed =
          derivation_contains(large->run->parameters, small->run->parameters, &contains, err);
      if (!failed && contains) {
        failed = derivation_contains(small->run->parameters, large->run->parameters, &back, err);
      }
      if (failed) return failed;
      if (!contains || (back && i < k)) continue; /* of equals the first is the larger */
      if (!small->base || large->base == NULL) small->base = large;
    }
  }
  for (size_t i = 0; i < d->count; i++) {
    member *m = &d->members[i];
    while (m->base && m->base->base)
      m->base = m->base->base;
    if (m->base) m->base->is_base = 1;
  }
  return OK;
}

/* ---- what is left of them -------------------------------------------------------------------- */

static status add_item(member *m, const store_item *item, detail *err) {
  if (m->count == m->capacity) {
    size_t capacity = m->capacity ? 2 * m->capacity : 256;
    left_item *grown = memory_grow(m->left, capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for %zu samples of a family", capacity);
    m->left = grown;
    m->capacity = capacity;
  }
  m->left[m->count++] =
      (left_item){.task = item->task.id, .repeat = item->repeat, .attempt = item->attempt};
  return OK;
}

static status read_left(member *m, store *s, detail *err) {
  store_work *w = NULL;
  store_item item;
  status failed = store_work_open(&w, s, &m->run->filter, err);
  for (int found = 1; !failed && found;) {
    failed = store_work_next(w, &item, &found, err);
    if (!failed && found) failed = add_item(m, &item, err);
  }
  store_work_close(w);
  return failed;
}

static left_item *find_item(const member *m, int64_t task, int32_t repeat) {
  size_t low = 0, high = m->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const left_item *item = &m->left[middle];
    if (item->repeat < repeat || (item->repeat == repeat && item->task < task)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  left_item *found = low < m->count ? &m->left[low] : NULL;
  return found && found->task == task && found->repeat == repeat ? found : NULL;
}

/* ---- using them ------------------------------------------------------------------------------ */

status derivation_open(derivation **out, store *s, planned_run *const *runs, size_t count,
                       detail *err) {
  derivation *d = memory_zeroed(1, sizeof *d);
  if (d) d->members = memory_zeroed(count ? count : 1, sizeof *d->members);
  if (!d || !d->members) {
    memory_free(d);
    return fault(err, E_MEMORY, "no memory for families of runs");
  }
  d->count = count;
  for (size_t i = 0; i < count; i++)
    d->members[i].run = runs[i];
  status failed = find_bases(d, err);
  for (size_t i = 0; !failed && i < count; i++) {
    member *m = &d->members[i];
    if (m->base || m->is_base) failed = read_left(m, s, err);
  }
  if (failed) {
    derivation_close(d);
    return failed;
  }
  *out = d;
  return OK;
}

void derivation_close(derivation *d) {
  if (!d) return;
  for (size_t i = 0; i < d->count; i++)
    memory_free(d->members[i].left);
  memory_free(d->members);
  memory_free(d);
}

static member *find_member(const derivation *d, const planned_run *r) {
  for (size_t i = 0; i < d->count; i++) {
    if (d->members[i].run == r) return &d->members[i];
  }
  return NULL;
}

int derivation_awaits(const derivation *d, const planned_run *r, int64_t task, int32_t repeat) {
  const member *m = find_member(d, r);
  if (!m || !m->base) return 0;
  const left_item *own = find_item(m, task, repeat), *base = find_item(m->base, task, repeat);
  return own && (own->is_taken || (base && !base->is_taken));
}

const planned_run *derivation_next(derivation *d, const planned_run *base, int64_t task,
                                   int32_t repeat, int32_t *attempt) {
  const member *from = find_member(d, base);
  left_item *computed = from ? find_item(from, task, repeat) : NULL;
  if (!computed) return NULL;
  for (size_t i = 0; i < d->count; i++) {
    member *m = &d->members[i];
    left_item *item = m->base == from ? find_item(m, task, repeat) : NULL;
    if (!item || item->is_taken) continue;
    item->is_taken = 1;
    *attempt = item->attempt;
    return m->run;
  }
  computed->is_taken = 1;
  return NULL;
}
