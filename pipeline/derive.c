#include "pipeline/derive.h"

#include "base/memory.h"

#include <string.h>

typedef struct left_item {
  int64_t task;
  int32_t repeat, attempt;
  int is_taken;
} left_item;

static const char *const limits[] = {"tokens_total", "tokens_thread", "context", "forwards"};
enum { LIMITS = sizeof limits / sizeof limits[0] };

/* How much a run's samples hold, and of what. */
typedef struct extent {
  hash stem; /* of what the samples of a family have in common */
  int64_t threads, limit[LIMITS];
} extent;

typedef struct member {
  planned_run *run;
  extent extent;
  struct member *base;         /* NULL: it is one, or alone */
  struct member *first, *next; /* of a base: those that are cut from it */
  left_item *left;             /* [count] in order of repeat and task; only in families */
  size_t count, capacity;
} member;

struct derivation {
  member *members; /* [count] by run */
  size_t count;
};

/* ---- which contains which -------------------------------------------------------------------- */

/* A limit that ends one worker and lets others go on changes what these see. */
static int is_of_one(const planned_run *r, const char *limit) {
  if (r->rules.workers < 2) return 0;
  return !strcmp(limit, "tokens_thread") || (!strcmp(limit, "context") && !r->rules.see_all);
}

/* Everything but the number of threads, how they are counted afterwards, and the limits. */
static status read_stem(const planned_run *r, hash *out, detail *err) {
  json_t *stem = json_deep_copy(r->parameters);
  text canonical;
  text_open(&canonical, JOB_BYTES_MAX);
  status failed = stem ? OK : fault(err, E_MEMORY, "no memory to compare runs");
  json_t *limit = json_object_get(stem, "limit");
  for (size_t i = 0; i < LIMITS; i++) {
    if (!is_of_one(r, limits[i])) (void)json_object_del(limit, limits[i]);
  }
  if (limit && !json_object_size(limit)) (void)json_object_del(stem, "limit");
  (void)json_object_del(stem, "n");
  (void)json_object_del(stem, "vote_key");
  if (!failed) failed = json_canonical(stem, &canonical, err);
  if (!failed) *out = hash_of(text_string(&canonical), canonical.bytes);
  text_close(&canonical);
  json_decref(stem);
  return failed;
}

static status read_extent(const planned_run *r, extent *out, detail *err) {
  const json_t *given = json_object_get(r->parameters, "limit");
  out->threads = r->rules.threads;
  for (size_t i = 0; i < LIMITS; i++) {
    const json_t *limit = json_object_get(given, limits[i]);
    out->limit[i] = limit ? json_integer_value(limit) : INT64_MAX;
  }
  return read_stem(r, &out->stem, err);
}

static int contains(const extent *larger, const extent *smaller) {
  int whole = larger->threads >= smaller->threads;
  for (size_t i = 0; i < LIMITS; i++)
    whole &= larger->limit[i] >= smaller->limit[i];
  return whole && hash_equal(&larger->stem, &smaller->stem);
}

/* A run that no other contains is a base; of equal ones it is the first. */
static member *find_base(const derivation *d, size_t of) {
  const extent *own = &d->members[of].extent;
  for (size_t i = 0; i < d->count; i++) {
    const extent *other = &d->members[i].extent;
    if (i == of || !contains(other, own)) continue;
    if (of < i && contains(own, other)) continue;
    return &d->members[i];
  }
  return NULL;
}

/* What contains a run's base contains the run, so that following bases ends at one that has none.
 */
static void find_bases(derivation *d) {
  for (size_t i = 0; i < d->count; i++)
    d->members[i].base = find_base(d, i);
  for (size_t i = 0; i < d->count; i++) {
    member *m = &d->members[i];
    while (m->base && m->base->base)
      m->base = m->base->base;
  }
  for (size_t i = d->count; i-- > 0;) {
    member *m = &d->members[i];
    if (!m->base) continue;
    m->next = m->base->first;
    m->base->first = m;
  }
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
  status failed = OK;
  for (size_t i = 0; !failed && i < count; i++) {
    d->members[i].run = runs[i];
    failed = read_extent(runs[i], &d->members[i].extent, err);
  }
  if (!failed) find_bases(d);
  for (size_t i = 0; !failed && i < count; i++) {
    member *m = &d->members[i];
    if (s && (m->base || m->first)) failed = read_left(m, s, err);
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
  size_t low = 0, high = d->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (d->members[middle].run < r) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < d->count && d->members[low].run == r ? &d->members[low] : NULL;
}

int derivation_is_cut(const derivation *d, const planned_run *r) {
  const member *m = find_member(d, r);
  return m && m->base;
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
  for (member *m = from->first; m; m = m->next) {
    left_item *item = find_item(m, task, repeat);
    if (!item || item->is_taken) continue;
    item->is_taken = 1;
    *attempt = item->attempt;
    return m->run;
  }
  computed->is_taken = 1;
  return NULL;
}
