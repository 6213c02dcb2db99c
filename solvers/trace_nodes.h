/* How much search a Countdown trace holds: each successor shown is a node, and one whose numbers
   were shown before, by whichever thread of a sample, is work done twice. The restated solution
   behind the first goal line is no search. As symbolic searches count themselves. Pure. */
#ifndef SOLVERS_TRACE_NODES_H
#define SOLVERS_TRACE_NODES_H

#include "base/status.h"

typedef struct trace_nodes {
  int64_t explored, duplicate;
} trace_nodes;

typedef struct trace_slice {
  const char *bytes; /* [count] anything may stand in it */
  size_t count;
} trace_slice;

/* Of several threads' texts together. A line whose numbers cannot be read counts as explored only.
   E_MEMORY. */
MUST_CHECK status trace_nodes_count(const trace_slice *texts, int count, trace_nodes *out,
                                    detail *err);

#endif
