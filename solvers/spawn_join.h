/* Mode `spawn_join`: a thread calls for children, rests until all have ended, and goes on with what
   they return in the place of its call, as APR does (Pan et al. 2025, arXiv 2504.15466). The root
   answers for the sample. It takes a protocol whose threads call. Any thread. */
#ifndef SOLVERS_SPAWN_JOIN_H
#define SOLVERS_SPAWN_JOIN_H

#include "solvers/option.h"

extern const mode spawn_join_mode;

enum { SPAWN_JOIN_DEPTH_MAX = 4 };

#endif
