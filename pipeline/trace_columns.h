/* Workers side by side as `trace` prints them: a column for each, rows in the order of forwards,
   and what one saw at a forward. Any thread. */
#ifndef PIPELINE_TRACE_COLUMNS_H
#define PIPELINE_TRACE_COLUMNS_H

#include "pipeline/trace_workers.h"

typedef struct trace_columns {
  int color;
  int width; /* of a row */
  int only;  /* this worker's column alone; -1: all */
} trace_columns;

/* What all see before they begin, then the columns. New rows begin where any worker begins a line
   or a step, and behind 40 forwards at the latest. Where a row is too narrow for all columns, it
   says so, and the workers stand one below another for 40 forwards at a time. */
void trace_put_columns(const trace_gang *g, const trace_columns *o, text *out);

/* A view, block by block under their names, and what was sampled from it. */
void trace_put_view(const trace_gang *g, const trace_view *v, int color, int width, text *out);

#endif
