#include "base/memory.h"
#include "engine/tokenizer_internal.h"

#include <string.h>

void piece_add(piece_list *list, size_t at, size_t bytes, int32_t id, int is_first) {
  if (list->failed || !bytes) return;
  if (list->count == list->capacity) {
    size_t capacity = list->capacity ? list->capacity * 2 : 256;
    piece *grown = memory_grow(list->pieces, capacity * sizeof *grown);
    if (!grown) {
      list->failed = E_MEMORY;
      return;
    }
    list->pieces = grown;
    list->capacity = capacity;
  }
  list->pieces[list->count++] =
      (piece){.at = (uint32_t)at, .bytes = (uint32_t)bytes, .id = id, .is_first = is_first};
}

/* Cuts of one piece as they come, from left to right. */
typedef struct cutter {
  encoder *e;
  const piece *whole;
  split_behavior behavior;
  size_t start, end; /* the cut that may still grow */
  int has_open, last_matched;
} cutter;

static void give(cutter *c) {
  if (!c->has_open) return;
  int is_first = c->whole->is_first && c->start == 0;
  piece_add(&c->e->made, c->whole->at + c->start, c->end - c->start, -1, is_first);
  c->has_open = 0;
}

/* Whether an event joins the open cut instead of starting one. */
static int joins(const cutter *c, int is_match) {
  switch (c->behavior) {
  case SPLIT_WITH_PREVIOUS: return is_match && !c->last_matched;
  case SPLIT_WITH_NEXT: return !is_match && c->last_matched;
  case SPLIT_CONTIGUOUS: return is_match == c->last_matched;
  case SPLIT_ISOLATED:
  case SPLIT_REMOVED: break;
  }
  return 0;
}

/* The next stretch of the piece, a match or what lies between two. */
static void cut(cutter *c, size_t start, size_t end, int is_match) {
  if (!c->has_open || !joins(c, is_match)) {
    give(c);
    c->start = start;
    c->has_open = c->behavior != SPLIT_REMOVED || !is_match;
  }
  c->end = end;
  c->last_matched = is_match;
}

status encoder_split(encoder *e, const stage *s, const piece *p, detail *err) {
  cutter c = {.e = e, .whole = p, .behavior = s->behavior};
  match_walk walk;
  match_start(&walk, s->pattern, text_string(&e->now) + p->at, p->bytes);
  size_t last = 0, start, end;
  for (int found = 1; found;) {
    status failed = match_next(e->m, &walk, &found, &start, &end, err);
    if (failed) return failed;
    if (!found) break;
    if (start > last) cut(&c, last, start, s->inverted);
    cut(&c, start, end, !s->inverted);
    last = end;
  }
  if (last < p->bytes) cut(&c, last, p->bytes, s->inverted);
  give(&c);
  return OK;
}

static int is_word_before(const char *bytes, size_t at) {
  size_t start = at;
  int32_t point;
  do
    start--;
  while (start && ((unsigned char)bytes[start] & 0xc0) == 0x80);
  (void)point_read(bytes + start, at - start, &point);
  return point_is_word(point);
}

static int is_word_at(const char *bytes, size_t count) {
  int32_t point;
  (void)point_read(bytes, count, &point);
  return point_is_word(point);
}

/* Where the whitespace that ends at a place starts, but not before low. */
static size_t spaces_before(const char *bytes, size_t low, size_t at) {
  for (size_t start = at; start > low;) {
    int32_t point;
    do
      start--;
    while (start > low && ((unsigned char)bytes[start] & 0xc0) == 0x80);
    (void)point_read(bytes + start, at - start, &point);
    if (!point_is_space(point)) break;
    at = start;
  }
  return at;
}

static size_t spaces_after(const char *bytes, size_t at, size_t count) {
  while (at < count) {
    int32_t point;
    size_t length = point_read(bytes + at, count - at, &point);
    if (!point_is_space(point)) break;
    at += length;
  }
  return at;
}

/* Cuts the added tokens out of one piece, the longest at the leftmost place first. As in the
   library, one that is not taken since it is no single word hides others that start within it. */
static void cut_added(encoder *e, const trie *added, const piece *p) {
  const char *bytes = text_string(&e->now) + p->at;
  size_t taken = 0;
  for (size_t at = 0; at < p->bytes;) {
    size_t length = 0;
    int32_t id = -1;
    if (added->starts[(uint8_t)bytes[at]]) {
      id = trie_find(added, bytes + at, p->bytes - at, &length);
    }
    if (id < 0) {
      at++;
      continue;
    }
    const token *k = &e->t->tokens[id];
    size_t start = at, end = at + length;
    at = end;
    if (k->single_word && ((start && is_word_before(bytes, start)) ||
                           (end < p->bytes && is_word_at(bytes + end, p->bytes - end)))) {
      continue;
    }
    if (k->strips_left && start > taken) start = spaces_before(bytes, taken, start);
    if (k->strips_right) end = spaces_after(bytes, end, p->bytes);
    if (start > taken) piece_add(&e->made, p->at + taken, start - taken, -1, p->is_first && !taken);
    piece_add(&e->made, p->at + start, end - start, id, 0);
    taken = end;
  }
  if (taken < p->bytes) {
    piece_add(&e->made, p->at + taken, p->bytes - taken, -1, p->is_first && !taken);
  }
}

static void turn_pieces(encoder *e) {
  piece_list swapped = e->pieces;
  e->pieces = e->made;
  e->made = swapped;
}

static status made_state(const encoder *e, detail *err) {
  return e->made.failed ? fault(err, E_MEMORY, "no memory for the pieces of a text") : OK;
}

status encoder_added(encoder *e, const trie *added, detail *err) {
  if (added->nodes < 2) return OK; /* the root alone */
  e->made.count = 0;
  for (size_t i = 0; i < e->pieces.count; i++) {
    const piece *p = &e->pieces.pieces[i];
    if (p->id >= 0) {
      piece_add(&e->made, p->at, p->bytes, p->id, 0);
    } else {
      cut_added(e, added, p);
    }
  }
  status s = made_state(e, err);
  if (!s) turn_pieces(e);
  return s;
}

static status split_all(encoder *e, const stage *s, detail *err) {
  e->made.count = 0;
  status failed = OK;
  for (size_t i = 0; !failed && i < e->pieces.count; i++) {
    const piece *p = &e->pieces.pieces[i];
    if (p->id >= 0) {
      piece_add(&e->made, p->at, p->bytes, p->id, 0);
    } else {
      failed = encoder_split(e, s, p, err);
    }
  }
  if (!failed) failed = made_state(e, err);
  if (!failed) turn_pieces(e);
  return failed;
}

static status rewrite_all(encoder *e, const stage *s, detail *err) {
  e->made.count = 0;
  text_clear(&e->next);
  status failed = OK;
  for (size_t i = 0; !failed && i < e->pieces.count; i++) {
    const piece *p = &e->pieces.pieces[i];
    size_t from = e->next.bytes;
    if (p->id >= 0) {
      piece_add(&e->made, from, p->bytes, p->id, 0);
      text_add(&e->next, text_string(&e->now) + p->at, p->bytes);
      continue;
    }
    failed = encoder_rewrite(e, s, p, err);
    piece_add(&e->made, from, e->next.bytes - from, -1, p->is_first);
  }
  if (!failed && e->next.failed == E_LIMIT) {
    failed = fault(err, E_LIMIT, "the tokenizer's rules make this text longer than %zu bytes",
                   e->next.limit);
  }
  if (!failed) failed = text_state(&e->next, err);
  if (!failed) failed = made_state(e, err);
  if (failed) return failed;
  text swapped = e->now;
  e->now = e->next;
  e->next = swapped;
  turn_pieces(e);
  return OK;
}

status encoder_stage(encoder *e, const stage *s, detail *err) {
  return s->kind == STAGE_SPLIT ? split_all(e, s, err) : rewrite_all(e, s, err);
}
