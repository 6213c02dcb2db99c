#include "reports/table_internal.h"

#include <stdio.h>
#include <string.h>

enum { INDENT = 2, GAP = 2, CUT_MIN = 6 };

void table_open(table *t, arena *memory, const char *alignment) {
  *t = (table){.memory = memory, .alignment = alignment, .columns = (int)strlen(alignment)};
  REQUIRE(t->columns <= TABLE_COLUMNS_MAX);
}

void table_next(table *t, const char *paint) {
  table_row *row = t->failed ? NULL : arena_take(t->memory, 1, sizeof *row);
  if (!row) {
    t->failed = 1;
    return;
  }
  row->paint = paint;
  if (t->last) {
    t->last->next = row;
  } else {
    t->first = row;
  }
  t->last = row;
  t->used = 0;
}

void table_cell(table *t, const char *format, ...) {
  char cell[512];
  if (t->failed) return;
  REQUIRE(t->last && t->used < t->columns);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(cell, sizeof cell, format, arguments);
  va_end(arguments);
  text shown; /* no more than four times as long */
  text_open(&shown, 4 * sizeof cell);
  text_printable(&shown, cell, strlen(cell));
  const char *kept = shown.failed ? NULL : arena_text(t->memory, text_string(&shown), shown.bytes);
  text_close(&shown);
  t->last->cells[t->used++] = kept;
  t->failed = !kept;
}

/* Code points, which is columns for all that we write. */
static int width_of(const char *cell) {
  int width = 0;
  for (; cell && *cell; cell++)
    width += (*cell & 0xc0) != 0x80;
  return width;
}

/* The widest column that may be cut further, or -1. */
static int widest_to_cut(const table *t, const int *widths) {
  int widest = -1;
  for (int i = 0; i < t->columns; i++) {
    int cuts = t->alignment[i] == 'L' || t->alignment[i] == 'R';
    if (!cuts || widths[i] <= CUT_MIN) continue;
    if (widest < 0 || widths[i] > widths[widest]) widest = i;
  }
  return widest;
}

static void measure(const table *t, int width, int *widths) {
  int total = INDENT - GAP;
  for (int i = 0; i < t->columns; i++) {
    widths[i] = 0;
    for (const table_row *row = t->first; row; row = row->next) {
      int wide = width_of(row->cells[i]);
      if (wide > widths[i]) widths[i] = wide;
    }
    total += widths[i] ? widths[i] + GAP : 0;
  }
  for (int cut; total > width && (cut = widest_to_cut(t, widths)) >= 0; total--)
    widths[cut]--;
}

/* The bytes of the first points of a cell. */
static size_t bytes_of(const char *cell, int points) {
  size_t at = 0;
  while (cell[at] && (points > 0 || (cell[at] & 0xc0) == 0x80))
    points -= (cell[++at] & 0xc0) != 0x80;
  return at;
}

/* The cell, or its start and end around the mark of a cut: names of one sweep differ at the end. */
static void put_cut(text *out, const char *cell, int width) {
  int wide = width_of(cell), head = (width - 1) / 2, tail = width - 1 - head;
  if (wide <= width) {
    text_put(out, cell);
    return;
  }
  text_add(out, cell, bytes_of(cell, head));
  text_char(out, '~');
  text_put(out, cell + bytes_of(cell, wide - tail));
}

static void spaces(text *out, int count) {
  for (; count > 0; count--)
    text_char(out, ' ');
}

static void put_row(const table *t, const table_row *row, const int *widths, text *out) {
  int owed = INDENT; /* spaces that only a later cell brings, so that no line ends in one */
  if (row->paint) text_put(out, row->paint);
  for (int i = 0; i < t->columns; i++) {
    const char *cell = row->cells[i] ? row->cells[i] : "";
    int wide = width_of(cell), space = wide < widths[i] ? widths[i] - wide : 0;
    if (!widths[i]) continue;
    int right = t->alignment[i] == 'r' || t->alignment[i] == 'R';
    if (wide) {
      spaces(out, owed + (right ? space : 0));
      put_cut(out, cell, widths[i]);
      owed = GAP + (right ? 0 : space);
    } else {
      owed += GAP + space;
    }
  }
  if (row->paint) text_put(out, "\x1b[0m");
  text_char(out, '\n');
}

status table_write(const table *t, int width, text *out, detail *err) {
  int widths[TABLE_COLUMNS_MAX];
  if (t->failed) return arena_full(t->memory, err);
  measure(t, width, widths);
  for (const table_row *row = t->first; row; row = row->next)
    put_row(t, row, widths, out);
  return OK;
}
