/* Texts of threads as `trace` prints them: each row belongs to one mark, which says where it came
   from. Without colours the mark is a letter in the row's margin; with colours it is the text's
   own, and a change of mark needs no new row. Nothing of a text reaches a terminal as it is
   (output_printable). Any thread. */
#ifndef PIPELINE_TRACE_PAINT_H
#define PIPELINE_TRACE_PAINT_H

#include "base/text.h"
#include "pipeline/trace.h"

typedef struct trace_mark trace_mark;

/* Of a span; NULL: of what is in none. */
const trace_mark *trace_mark_of(const trace_span *span);

/* What a margin takes of a row, without colours and beside other columns. */
enum { TRACE_MARGIN_COLUMNS = 2 };

/* Rows under construction. A row that continues a line of the text has '+' in its margin and not
   '|'. */
typedef struct trace_painter {
  text *out; /* borrowed */
  int color;
  int has_bar; /* with colours: rows have a margin all the same, beside other columns */
  int width;   /* columns of a row behind its margin; 0: any number */
  const trace_mark *mark;
  int used;    /* columns in the open row; -1: no row is open */
  int in_line; /* whether the next character continues a line of the text */
} trace_painter;

trace_painter trace_painter_of(text *out, int color, int width);
/* Text of one mark, behind what was painted before. */
void trace_paint(trace_painter *p, const trace_mark *mark, const char *bytes, size_t count);
/* Bytes of a thread's text, each with its own mark. */
void trace_paint_text(trace_painter *p, const trace_thread *t, size_t start, size_t bytes);
void trace_paint_end(trace_painter *p); /* ends the row that is open */

/* What the marks in these texts mean, in lines that fit a terminal. */
void trace_put_legend(const trace_sample *s, int color, text *out);

#endif
