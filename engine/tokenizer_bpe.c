#include "base/memory.h"
#include "engine/tokenizer_internal.h"

#include <string.h>

/* Byte pair encoding (arXiv 1508.07909) as the library does it: of all pairs of neighbours that
   have a merge the one of the lowest rank, the leftmost among equals, until there is none. A heap
   of candidates gives n log n steps; what became of short words is kept. */

/* One stretch that cannot be cut has at most so many characters. */
enum { SYMBOLS_MAX = 1 << 22 };

status token_list_add(token_list *list, const int32_t *ids, size_t count, detail *err) {
  if (count > list->capacity - list->count) {
    size_t capacity =
        list->capacity * 2 > list->count + count ? list->capacity * 2 : list->count + count + 64;
    int32_t *grown = memory_grow(list->ids, capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for the ids of a text");
    list->ids = grown;
    list->capacity = capacity;
  }
  if (count) memcpy(list->ids + list->count, ids, count * sizeof *ids);
  list->count += count;
  return OK;
}

void token_list_close(token_list *list) {
  memory_free(list->ids);
  *list = (token_list){0};
}

static int32_t find_point(const tokenizer *t, int32_t point, const char *bytes, size_t length) {
  return point < LOW_POINTS ? t->low[point] : names_find(&t->model_names, t, bytes, length);
}

static uint32_t near_bit(int32_t left, int32_t right) {
  return (((uint32_t)left * 0x9e3779b1u) ^ ((uint32_t)right * 0x85ebca6bu)) % NEAR_BITS;
}

/* Which characters stand side by side in what a merge makes. Between two that never do, no merge
   can join, and a text may be cut there without changing an id. */
static void index_near(const tokenizer *t, const token *k) {
  int32_t last = -1, point;
  for (size_t i = 0; i < k->count;) {
    i += point_read(k->bytes + i, k->count - i, &point);
    if (last >= 0) {
      uint32_t bit = near_bit(last, point);
      t->near[bit / 8] |= (uint8_t)(1 << bit % 8);
    }
    last = point;
  }
}

status tokenizer_index(const reader *r) {
  tokenizer *t = r->t;
  t->near = arena_take(t->memory, NEAR_BITS / 8, 1);
  if (!t->near) return reader_full(r);
  for (size_t i = 0; t->merges.slots && i <= t->merges.mask; i++) {
    const merge_slot *slot = &t->merges.slots[i];
    if (slot->next_to) index_near(t, &t->tokens[slot->next_to - 1]);
  }
  for (int32_t point = 0; point < LOW_POINTS; point++) {
    char bytes[4];
    size_t length = point_write(point, bytes);
    t->low[point] = names_find(&t->model_names, t, bytes, length);
  }
  for (int byte = 0; byte < 256; byte++) {
    static const char digits[] = "0123456789ABCDEF";
    char name[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
    t->byte_ids[byte] = names_find(&t->model_names, t, name, sizeof name);
  }
  return OK;
}

/* Where the first stretch of a text ends that no merge joins with what follows. Both characters at
   the cut have tokens of their own, so that neither is a part of a longer unknown stretch. */
static size_t stretch(const tokenizer *t, const char *bytes, size_t count) {
  int32_t last = -1, point, last_id = -1;
  for (size_t i = 0, length; i < count; i += length) {
    length = point_read(bytes + i, count - i, &point);
    int32_t id = find_point(t, point, bytes + i, length);
    uint32_t bit = near_bit(last, point);
    if (last_id >= 0 && id >= 0 && !(t->near[bit / 8] & 1 << bit % 8)) return i;
    last = point;
    last_id = id;
  }
  return count;
}

static status room(encoder *e, size_t symbols, detail *err) {
  if (symbols > SYMBOLS_MAX) {
    return fault(err, E_LIMIT,
                 "more than %d characters without a place where the tokenizer can cut them",
                 (int)SYMBOLS_MAX);
  }
  if (symbols <= e->symbol_capacity) return OK;
  size_t capacity = symbols * 2;
  symbol *grown = memory_grow(e->symbols, capacity * sizeof *grown);
  if (grown) e->symbols = grown;
  /* Every merge takes a candidate and a symbol and gives two candidates at most. */
  candidate *heap = grown ? memory_grow(e->heap, capacity * 2 * sizeof *heap) : NULL;
  if (heap) e->heap = heap;
  if (!grown || !heap) return fault(err, E_MEMORY, "no memory to encode a text");
  e->symbol_capacity = capacity;
  return OK;
}

static void heap_push(encoder *e, candidate c) {
  candidate *heap = e->heap;
  size_t at = e->heap_count++;
  for (; at && heap[(at - 1) / 2].order > c.order; at = (at - 1) / 2)
    heap[at] = heap[(at - 1) / 2];
  heap[at] = c;
}

static candidate heap_pop(encoder *e) {
  candidate *heap = e->heap, top = heap[0], last = heap[--e->heap_count];
  size_t at = 0;
  for (size_t child; (child = 2 * at + 1) < e->heap_count; at = child) {
    if (child + 1 < e->heap_count && heap[child + 1].order < heap[child].order) child++;
    if (heap[child].order >= last.order) break;
    heap[at] = heap[child];
  }
  heap[at] = last;
  return top;
}

/* The pair that starts at a symbol, if it has a merge. */
static void offer(encoder *e, int32_t at) {
  if (at < 0 || e->symbols[at].after < 0) return;
  int32_t right = e->symbols[e->symbols[at].after].id;
  const merge_slot *merge = merges_find(&e->t->merges, e->symbols[at].id, right);
  if (!merge) return;
  heap_push(e, (candidate){.order = (uint64_t)(uint32_t)merge->rank << 32 | (uint32_t)at,
                           .result = merge->next_to - 1});
}

static void merge_all(encoder *e, size_t count) {
  symbol *symbols = e->symbols;
  e->heap_count = 0;
  for (size_t i = 0; i < count; i++) {
    symbols[i].before = (int32_t)i - 1;
    symbols[i].after = i + 1 < count ? (int32_t)i + 1 : -1;
  }
  for (size_t i = 0; i < count; i++)
    offer(e, (int32_t)i);
  while (e->heap_count) {
    candidate top = heap_pop(e);
    symbol *left = &symbols[top.order & UINT32_MAX];
    if (left->id < 0 || left->after < 0) continue;
    symbol *right = &symbols[left->after];
    const merge_slot *merge = merges_find(&e->t->merges, left->id, right->id);
    if (!merge || merge->next_to - 1 != top.result) continue; /* another pair stands here now */
    left->id = top.result;
    right->id = -1;
    left->after = right->after;
    if (left->after >= 0) symbols[left->after].before = (int32_t)(left - symbols);
    offer(e, left->before);
    offer(e, (int32_t)(left - symbols));
  }
}

/* Characters that have no token: bytes where all of theirs have one, else the unknown token. */
typedef struct spelling {
  encoder *e;
  size_t count;
  int has_unknown; /* one is due */
  int64_t dropped;
} spelling;

static void spell_unknown(spelling *w) {
  if (w->has_unknown) w->e->symbols[w->count++].id = w->e->t->unknown;
  w->has_unknown = 0;
}

static status spell_missing(spelling *w, const char *bytes, size_t length, detail *err) {
  const tokenizer *t = w->e->t;
  int has_bytes = t->falls_back;
  for (size_t i = 0; i < length; i++)
    has_bytes = has_bytes && t->byte_ids[(uint8_t)bytes[i]] >= 0;
  if (has_bytes) {
    /* An unknown token that is due comes after them: that is what the library does. */
    for (size_t i = 0; i < length; i++)
      w->e->symbols[w->count++].id = t->byte_ids[(uint8_t)bytes[i]];
    return OK;
  }
  if (t->unknown == UNKNOWN_ABSENT) {
    return fault(
        err, E_INPUT,
        "a character has no token, and the tokenizer's unk_token is not in its vocabulary");
  }
  if (t->unknown == UNKNOWN_NONE) {
    w->dropped++;
    return OK;
  }
  if (!t->fuses_unknown) spell_unknown(w);
  w->has_unknown = 1;
  return OK;
}

static status spell(spelling *w, const char *bytes, size_t count, detail *err) {
  const tokenizer *t = w->e->t;
  for (size_t i = 0, length; i < count; i += length) {
    status s = room(w->e, w->count + 8, err);
    if (s) return s;
    int32_t point;
    length = point_read(bytes + i, count - i, &point);
    int32_t id = find_point(t, point, bytes + i, length);
    if (id >= 0) {
      spell_unknown(w);
      w->e->symbols[w->count++].id = id;
    } else {
      s = spell_missing(w, bytes + i, length, err);
      if (s) return s;
    }
  }
  spell_unknown(w);
  return OK;
}

/* A stretch without what is known of it: the ids stand at the front of e->symbols. */
static status merge_stretch(encoder *e, const char *bytes, size_t count, size_t *ids,
                            int64_t *dropped, detail *err) {
  spelling w = {.e = e};
  status s = spell(&w, bytes, count, err);
  if (s) return s;
  merge_all(e, w.count);
  size_t kept = 0;
  for (size_t i = 0; i < w.count; i++) {
    if (e->symbols[i].id >= 0) e->symbols[kept++].id = e->symbols[i].id;
  }
  *ids = kept;
  *dropped = w.dropped;
  return OK;
}

static status add_symbols(encoder *e, size_t count, token_list *list, detail *err) {
  status s = OK;
  for (size_t i = 0; !s && i < count; i++)
    s = token_list_add(list, &e->symbols[i].id, 1, err);
  return s;
}

static status encode_stretch(encoder *e, const char *bytes, size_t count, token_list *list,
                             detail *err) {
  word_slot *slot = NULL;
  uint32_t tag = 0;
  if (count <= WORD_KEY_MAX) {
    uint64_t h = tokenizer_hash(bytes, count);
    tag = (uint32_t)(h >> 32);
    slot = &e->words[h % WORD_SLOTS];
    if (slot->bytes == count && slot->tag == tag && !memcmp(slot->key, bytes, count)) {
      return token_list_add(list, slot->id, slot->ids, err);
    }
  }
  size_t ids;
  int64_t dropped;
  status s = merge_stretch(e, bytes, count, &ids, &dropped, err);
  if (s) return s;
  list->dropped += dropped;
  if (slot && ids <= WORD_IDS_MAX && !dropped) {
    slot->tag = tag;
    slot->bytes = (uint8_t)count;
    slot->ids = (uint8_t)ids;
    memcpy(slot->key, bytes, count);
    for (size_t i = 0; i < ids; i++)
      slot->id[i] = e->symbols[i].id;
  }
  return add_symbols(e, ids, list, err);
}

status encoder_word(encoder *e, const char *bytes, size_t count, token_list *list, detail *err) {
  const tokenizer *t = e->t;
  int32_t whole = t->ignores_merges || t->model == MODEL_WORD_LEVEL
                      ? names_find(&t->model_names, t, bytes, count)
                      : -1;
  if (t->model == MODEL_WORD_LEVEL && whole < 0) {
    if (t->unknown < 0) {
      return fault(err, E_INPUT,
                   "a word has no token, and the tokenizer's unk_token is not in its vocabulary");
    }
    whole = t->unknown;
  }
  if (whole >= 0) return token_list_add(list, &whole, 1, err);
  status s = OK;
  while (!s && count) {
    size_t length = count > WORD_KEY_MAX ? stretch(t, bytes, count) : count;
    s = encode_stretch(e, bytes, length, list, err);
    bytes += length;
    count -= length;
  }
  return s;
}
