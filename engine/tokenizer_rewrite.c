#include "base/memory.h"
#include "engine/tokenizer_internal.h"

#include <string.h>
#include <utf8proc.h>

static void put_point(encoder *e, int32_t point) {
  char bytes[4];
  text_add(&e->next, bytes, point_write(point, bytes));
}

/* The length of the run of ASCII at the start. */
static size_t ascii_run(const char *bytes, size_t count) {
  size_t run = 0;
  while (run < count && (unsigned char)bytes[run] < 0x80)
    run++;
  return run;
}

/* Points that a stretch of text may become; more is no text. */
enum { POINTS_MAX = 1 << 25, DECOMPOSED_MAX = 32, SHORT_RUN = 16 };

/* Room for count points and as many of scratch. */
static status room_for_points(encoder *e, size_t count, detail *err) {
  if (count * 2 <= e->point_capacity) return OK;
  if (count > POINTS_MAX) {
    return fault(err, E_LIMIT, "more than %d characters to normalise in one stretch",
                 (int)POINTS_MAX);
  }
  size_t capacity = count * 4;
  int32_t *grown = memory_grow(e->points, capacity * sizeof *grown);
  if (!grown) return fault(err, E_MEMORY, "no memory for the normal form of a text");
  e->points = grown;
  e->point_capacity = capacity;
  return OK;
}

static uint8_t class_of(int32_t point) {
  if (point < 0x300) return 0;
  uint8_t class = (uint8_t)utf8proc_get_property(point)->combining_class;
  return class && !unicode_is_late_mark(point) ? class : 0;
}

/* Sorts marks by their classes, equal ones in their order. utf8proc's own sort takes quadratic time
   on texts that are made for it. */
static void order_marks(int32_t *points, size_t count, int32_t *scratch) {
  if (count <= SHORT_RUN) {
    for (size_t i = 1; i < count; i++) {
      int32_t point = points[i];
      size_t k = i;
      for (; k && class_of(points[k - 1]) > class_of(point); k--)
        points[k] = points[k - 1];
      points[k] = point;
    }
    return;
  }
  size_t place[256] = {0};
  for (size_t i = 0; i < count; i++)
    place[class_of(points[i])]++;
  for (size_t k = 0, at = 0; k < 256; k++) {
    size_t here = place[k];
    place[k] = at;
    at += here;
  }
  for (size_t i = 0; i < count; i++)
    scratch[place[class_of(points[i])]++] = points[i];
  memcpy(points, scratch, count * sizeof *points);
}

static status decompose(encoder *e, const char *bytes, size_t count, int is_compat, size_t *made,
                        detail *err) {
  utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (is_compat) options |= UTF8PROC_COMPAT;
  size_t total = 0;
  for (size_t i = 0; i < count;) {
    status s = room_for_points(e, total + DECOMPOSED_MAX, err);
    if (s) return s;
    int32_t point;
    int boundary = 0;
    i += point_read(bytes + i, count - i, &point);
    if (unicode_is_late_decomposition(point)) {
      e->points[total++] = point;
      continue;
    }
    utf8proc_ssize_t length =
        utf8proc_decompose_char(point, e->points + total, DECOMPOSED_MAX, options, &boundary);
    REQUIRE(length >= 0 && length <= DECOMPOSED_MAX);
    total += (size_t)length;
  }
  *made = total;
  return OK;
}

/* A stretch that does not interact with what stands around it. */
static status form_stretch(encoder *e, const stage *s, const char *bytes, size_t count,
                           detail *err) {
  size_t total = 0;
  status failed = decompose(e, bytes, count, s->is_compat, &total, err);
  if (failed) return failed;
  for (size_t i = 0; i < total;) {
    size_t end = i;
    while (end < total && class_of(e->points[end]))
      end++;
    if (end > i + 1) order_marks(e->points + i, end - i, e->points + total);
    i = end > i ? end : i + 1;
  }
  if (s->composes) {
    utf8proc_ssize_t left = utf8proc_normalize_utf32(e->points, (utf8proc_ssize_t)total,
                                                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    REQUIRE(left >= 0);
    total = (size_t)left;
  }
  for (size_t i = 0; i < total; i++)
    put_point(e, e->points[i]);
  return OK;
}

/* ASCII is its own normal form, but its last character may take a mark that follows. */
static status form(encoder *e, const stage *s, const char *bytes, size_t count, detail *err) {
  status failed = OK;
  for (size_t i = 0; !failed && i < count;) {
    size_t run = ascii_run(bytes + i, count - i);
    if (i + run == count) {
      text_add(&e->next, bytes + i, run);
      break;
    }
    size_t start = i + (run ? run - 1 : 0), end = i + run;
    text_add(&e->next, bytes + i, start - i);
    while (end < count && (unsigned char)bytes[end] >= 0x80)
      end++;
    failed = form_stretch(e, s, bytes + start, end - start, err);
    i = end;
  }
  return failed;
}

static void lowercase(encoder *e, const char *bytes, size_t count) {
  for (size_t i = 0; i < count;) {
    int32_t point;
    i += point_read(bytes + i, count - i, &point);
    if (point == 0x130) { /* the one capital whose small letter is two characters */
      text_put(&e->next, "i\xcc\x87");
    } else {
      put_point(e, unicode_newer_small(utf8proc_tolower(point)));
    }
  }
}

static void strip(encoder *e, const stage *s, const char *bytes, size_t count) {
  size_t start = 0, end = 0;
  int has_started = !s->left;
  for (size_t i = 0, length; i < count; i += length) {
    int32_t point;
    length = point_read(bytes + i, count - i, &point);
    int is_space = point_is_space(point);
    if (!has_started && is_space) start = i + length;
    if (!is_space) {
      has_started = 1;
      end = i + length;
    }
  }
  if (!s->right) end = count;
  if (end > start) text_add(&e->next, bytes + start, end - start);
}

static void strip_accents(encoder *e, const char *bytes, size_t count) {
  for (size_t i = 0, length; i < count; i += length) {
    int32_t point;
    length = point_read(bytes + i, count - i, &point);
    if (!point_is_mark(point)) text_add(&e->next, bytes + i, length);
  }
}

/* Bytes that print are their own letters: most of a text goes in runs. */
static void put_letters(encoder *e, const char *bytes, size_t count) {
  for (size_t i = 0; i < count;) {
    size_t run = 0;
    while (i + run < count && bytes[i + run] > 0x20 && bytes[i + run] < 0x7f)
      run++;
    if (run) text_add(&e->next, bytes + i, run);
    if (i + run < count) put_point(e, byte_letter((uint8_t)bytes[i + run]));
    i += run + 1;
  }
}

static status replace(encoder *e, const stage *s, const char *bytes, size_t count, detail *err) {
  match_walk walk;
  match_start(&walk, s->pattern, bytes, count);
  size_t last = 0, start, end;
  for (int found = 1; found;) {
    status failed = match_next(e->m, &walk, &found, &start, &end, err);
    if (failed) return failed;
    if (!found || e->next.failed) break;
    text_add(&e->next, bytes + last, start - last);
    text_add(&e->next, s->content, s->content_bytes);
    last = end;
  }
  text_add(&e->next, bytes + last, count - last);
  return OK;
}

status encoder_rewrite(encoder *e, const stage *s, const piece *p, detail *err) {
  const char *bytes = text_string(&e->now) + p->at;
  size_t count = p->bytes;
  switch (s->kind) {
  case STAGE_REPLACE: return replace(e, s, bytes, count, err);
  case STAGE_FORM: return form(e, s, bytes, count, err);
  case STAGE_LOWERCASE: lowercase(e, bytes, count); break;
  case STAGE_STRIP: strip(e, s, bytes, count); break;
  case STAGE_STRIP_ACCENTS: strip_accents(e, bytes, count); break;
  case STAGE_BYTES: put_letters(e, bytes, count); break;
  case STAGE_PREFIX:
    if ((p->is_first || !s->only_first) &&
        (count < s->content_bytes || memcmp(bytes, s->content, s->content_bytes) != 0)) {
      text_add(&e->next, s->content, s->content_bytes);
    }
    text_add(&e->next, bytes, count);
    break;
  case STAGE_PREPEND:
    text_add(&e->next, s->content, s->content_bytes);
    text_add(&e->next, bytes, count);
    break;
  case STAGE_SPLIT: REQUIRE(!"a split rewrites nothing");
  }
  return OK;
}
