/* Private to the room: cells in aligned columns. Failure is sticky, as in text: table_write says
   it. Cells are copied into the arena. */
#ifndef REPORTS_TABLE_INTERNAL_H
#define REPORTS_TABLE_INTERNAL_H

#include "base/arena.h"
#include "base/text.h"

enum { TABLE_COLUMNS_MAX = 16 };

typedef struct table_row {
  struct table_row *next;
  const char *cells[TABLE_COLUMNS_MAX];
  const char *paint; /* a terminal's escape before the row; NULL: none */
} table_row;

typedef struct table {
  arena *memory;         /* borrowed */
  const char *alignment; /* for each column l or r, or L or R: may be cut; borrowed */
  int columns;
  table_row *first, *last;
  int used; /* cells of the last row */
  int failed;
} table;

void table_open(table *t, arena *memory, const char *alignment);
void table_next(table *t, const char *paint); /* starts a row */
void table_cell(table *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* Writes the rows, indented by two. Where they are wider than width, the widest columns that may be
   cut are, down to a few characters, and the cut is marked by '~'. A column without a cell that
   says something takes no room. E_MEMORY. */
MUST_CHECK status table_write(const table *t, int width, text *out, detail *err);

#endif
