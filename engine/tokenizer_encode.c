#include "base/memory.h"
#include "engine/tokenizer_internal.h"

/* The file's rules may make a text longer, but not without an end. */
enum { SHEET_BYTES_MAX = 256 << 20 };

status encoder_open(encoder **out, const tokenizer *t, detail *err) {
  encoder *e = memory_zeroed(1, sizeof *e);
  if (!e) return fault(err, E_MEMORY, "no memory for an encoder");
  e->t = t;
  text_open(&e->now, SHEET_BYTES_MAX);
  text_open(&e->next, SHEET_BYTES_MAX);
  e->words = memory_zeroed(WORD_SLOTS, sizeof *e->words);
  status s = e->words ? matcher_open(&e->m, err) : fault(err, E_MEMORY, "no memory for an encoder");
  if (s) {
    encoder_close(e);
    return s;
  }
  *out = e;
  return OK;
}

void encoder_close(encoder *e) {
  if (!e) return;
  matcher_close(e->m);
  text_close(&e->now);
  text_close(&e->next);
  memory_free(e->pieces.pieces);
  memory_free(e->made.pieces);
  memory_free(e->symbols);
  memory_free(e->heap);
  memory_free(e->words);
  memory_free(e->points);
  memory_free(e);
}

static status check_text(const char *bytes, size_t count, detail *err) {
  if (count > TOKENIZER_TEXT_MAX) {
    return fault(err, E_LIMIT, "a text of %zu bytes; at most %d are encoded at once", count,
                 (int)TOKENIZER_TEXT_MAX);
  }
  for (size_t i = 0, length; i < count; i += length) {
    length = (unsigned char)bytes[i] < 0x80 ? 1 : text_utf8_length(bytes + i, count - i);
    if (!length) return fault(err, E_INPUT, "byte %zu of the text is not UTF-8", i + 1);
  }
  return OK;
}

status encoder_normalize(encoder *e, detail *err) {
  status s = OK;
  for (int i = 0; !s && i < e->t->normalizer_count; i++)
    s = encoder_stage(e, &e->t->normalizers[i], err);
  return s;
}

status encoder_cut(encoder *e, const char *bytes, size_t count, detail *err) {
  const tokenizer *t = e->t;
  text_clear(&e->now);
  text_add(&e->now, bytes, count);
  e->pieces.count = 0;
  e->pieces.failed = e->made.failed = OK;
  piece_add(&e->pieces, 0, count, -1, 1);
  status s = text_state(&e->now, err);
  if (!s && e->pieces.failed) s = fault(err, E_MEMORY, "no memory for the pieces of a text");
  if (!s) s = encoder_added(e, &t->plain, err);
  if (!s) s = encoder_normalize(e, err);
  if (!s) s = encoder_added(e, &t->normalized, err);
  for (int i = 0; !s && i < t->splitter_count; i++)
    s = encoder_stage(e, &t->splitters[i], err);
  return s;
}

static status encode(encoder *e, const char *bytes, size_t count, encoder_ends ends,
                     token_list *list, detail *err) {
  const tokenizer *t = e->t;
  status s = encoder_cut(e, bytes, count, err);
  if (!s && ends) s = token_list_add(list, t->before, (size_t)t->before_count, err);
  for (size_t i = 0; !s && i < e->pieces.count; i++) {
    const piece *p = &e->pieces.pieces[i];
    s = p->id >= 0 ? token_list_add(list, &p->id, 1, err)
                   : encoder_word(e, text_string(&e->now) + p->at, p->bytes, list, err);
  }
  if (!s && ends) s = token_list_add(list, t->after, (size_t)t->after_count, err);
  return s;
}

status encoder_encode(encoder *e, const char *bytes, size_t count, encoder_ends ends,
                      token_list *list, detail *err) {
  size_t ids = list->count;
  int64_t dropped = list->dropped;
  status s = check_text(bytes, count, err);
  if (!s) s = encode(e, bytes, count, ends, list, err);
  if (s) {
    list->count = ids;
    list->dropped = dropped;
  }
  return s;
}
