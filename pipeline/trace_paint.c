#include "pipeline/trace_paint.h"

#include "pipeline/output.h"

#include <string.h>

/* ---- marks ----------------------------------------------------------------------------------- */

struct trace_mark {
  const char *kind;
  int is_finisher;
  const char *meaning;
  char margin;       /* without colour */
  const char *color; /* a terminal's escape */
};

static const trace_mark marks[] = {{"prompt", 0, "prompt", 'p', "\033[2m"},
                                   {"generated", 0, "generated", ' ', ""},
                                   {"fed", 0, "fed by the mode", 'f', "\033[36m"},
                                   {"cut", 0, "left the context", 'x', "\033[33m"},
                                   {"fed", 1, "fed by the finisher", 'F', "\033[35m"},
                                   {"generated", 1, "generated behind it", 'g', "\033[1m"},
                                   {"", 0, "unmarked", '?', ""}};
enum { MARKS = sizeof marks / sizeof marks[0] };

const trace_mark *trace_mark_of(const trace_span *span) {
  int i = span ? 0 : MARKS - 1;
  while (i < MARKS - 1 &&
         (strcmp(marks[i].kind, span->kind) != 0 || marks[i].is_finisher != span->is_finisher))
    i++;
  return &marks[i];
}

/* ---- rows ------------------------------------------------------------------------------------ */

trace_painter trace_painter_of(text *out, int color, int width) {
  return (trace_painter){
      .out = out, .color = color, .width = width, .mark = trace_mark_of(NULL), .used = -1};
}

static void begin_row(trace_painter *p) {
  if (p->used >= 0) return;
  char bar = p->in_line ? '+' : '|';
  if (p->color && p->has_bar) text_format(p->out, " %c", bar);
  if (p->color) {
    text_put(p->out, p->mark->color);
  } else {
    text_format(p->out, "%c%c", p->mark->margin, bar);
  }
  p->used = 0;
}

void trace_paint_end(trace_painter *p) {
  if (p->used < 0) return;
  if (p->color) text_put(p->out, "\033[0m");
  text_char(p->out, '\n');
  p->used = -1;
}

/* What is shown of a character, which takes one row. */
static void paint_shown(trace_painter *p, const trace_mark *mark, const char *bytes, size_t count) {
  int columns = (int)text_columns(bytes, count);
  int is_full = p->width && p->used > 0 && p->used + columns > p->width;
  if ((p->mark != mark && !p->color) || is_full) trace_paint_end(p);
  if (p->mark != mark && p->used >= 0) text_format(p->out, "\033[0m%s", mark->color);
  p->mark = mark;
  begin_row(p);
  text_add(p->out, bytes, count);
  p->used += columns;
  p->in_line = 1;
}

static void paint_character(trace_painter *p, const trace_mark *mark, const char *bytes,
                            size_t count) {
  text shown;
  if (text_printable_length(bytes, count) == count) {
    paint_shown(p, mark, bytes, count);
    return;
  }
  text_open(&shown, 64);
  output_printable(&shown, bytes, count);
  paint_shown(p, mark, text_string(&shown), shown.bytes);
  if (shown.failed) p->out->failed = shown.failed;
  text_close(&shown);
}

/* The newline that ends a line stays in the row of the line, whatever its own mark is. */
void trace_paint(trace_painter *p, const trace_mark *mark, const char *bytes, size_t count) {
  for (size_t i = 0, length; i < count; i += length) {
    length = text_utf8_length(bytes + i, count - i);
    if (length == 0) length = 1;
    if (bytes[i] != '\n') {
      paint_character(p, mark, bytes + i, length);
      continue;
    }
    if (p->used < 0) p->mark = mark;
    if (p->used >= 0 || !p->in_line) begin_row(p);
    trace_paint_end(p);
    p->in_line = 0;
  }
}

void trace_paint_text(trace_painter *p, const trace_thread *t, size_t start, size_t bytes) {
  size_t at = start, end = start + bytes;
  for (int i = 0; i < t->span_count && at < end; i++) {
    const trace_span *span = &t->spans[i];
    size_t from = span->start > at ? span->start : at, to = span->start + span->bytes;
    if (from > end) from = end;
    if (to > end) to = end;
    if (to <= at) continue;
    trace_paint(p, trace_mark_of(NULL), t->text + at, from - at);
    trace_paint(p, trace_mark_of(span), t->text + from, to - from);
    at = to;
  }
  trace_paint(p, trace_mark_of(NULL), t->text + at, end - at);
}

/* ---- what marks mean ------------------------------------------------------------------------- */

/* Which marks a sample's texts have, a bit for each. */
static unsigned find_marks(const trace_sample *s) {
  unsigned found = 0;
  for (int i = 0; i < s->thread_count; i++) {
    const trace_thread *t = &s->threads[i];
    size_t marked = 0;
    for (int k = 0; k < t->span_count; k++) {
      const trace_span *span = &t->spans[k];
      if (span->bytes) found |= 1u << (trace_mark_of(span) - marks);
      marked += span->bytes;
    }
    if (marked < t->text_bytes) found |= 1u << (MARKS - 1);
  }
  return found;
}

void trace_put_legend(const trace_sample *s, int color, text *out) {
  enum { ROW_CHARACTERS = 78 };
  unsigned found = find_marks(s);
  size_t used = 0;
  for (int i = 0; i < MARKS; i++) {
    if (!(found >> i & 1)) continue;
    size_t wide = strlen(marks[i].meaning) + 3;
    if (used) text_put(out, used + wide > ROW_CHARACTERS ? "\n" : color ? ", " : "   ");
    if (used + wide > ROW_CHARACTERS) used = 0;
    used += wide + 2;
    if (color) {
      text_format(out, "%s%s\033[0m", marks[i].color, marks[i].meaning);
    } else {
      text_format(out, "%c| %s", marks[i].margin, marks[i].meaning);
    }
  }
  if (!color) text_put(out, used > 56 ? "\n + continues a line" : "   + continues a line");
  text_char(out, '\n');
}
