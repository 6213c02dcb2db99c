/* The nodes of a problem that several workers search: what each of them sees of a node, and which
   one it takes next. */
#ifndef SOLVERS_SEARCH_PLACES_INTERNAL_H
#define SOLVERS_SEARCH_PLACES_INTERNAL_H

#include "solvers/search_internal.h"

/* A node that may be moved to. All workers that expand it write the same. Bits are workers'. */
typedef struct place {
  node *node;
  int id[COUNTDOWN_NUMBERS_MAX]; /* [depth] below the root's */
  int depth;
  node **kept; /* [kept_count] its successors as they are shown; NULL: nobody expanded it yet */
  int kept_count;
  uint32_t open, claimed; /* who sees that it was generated, and that it was moved to */
} place;

typedef struct places {
  search *search;
  place **list; /* [count] the root first */
  int count, capacity;
} places;

/* NULL when memory is out (search->failed). The parent's is there before its children's. */
place *places_add(places *all, node *n);
/* Finds the node's kept successors, once; w's draws are the node's then. */
void place_expand(places *all, writer *w, place *p);
/* The first node, depth first from the one that the worker stands at, that it sees open and not
   claimed; successors come in the order in which they are shown. NULL: there is none. */
place *places_next(const places *all, int worker, const place *from);
/* The one that it takes: while it sees no claim but of the root, that of its own rank. */
place *places_pick(const places *all, int worker, const place *from);

#endif
