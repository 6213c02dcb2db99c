/* SoS depth-first search (Gandhi et al. 2024, section 3): successors within the threshold, best
   first; after every child but the last the node is printed again. */
#include "solvers/search_internal.h"

const node *search_depth_first(writer *w, node *n) {
  line_state(w, n);
  node *kept[COUNTDOWN_SUCCESSORS_MAX];
  int count = search_expand_within(w->search, n, (double)w->search->problem->target, kept);
  for (int i = 0; i < count && !writer_ended(w); i++) {
    node *child = kept[i];
    child->index = i; /* leaves count here */
    line_explore(w, child);
    if (child->state.count > 1) {
      line_generated(w, child);
      line_move(w, child);
      const node *goal = search_depth_first(w, child);
      if (goal) return goal;
    } else if (child->state.number[0] == w->search->problem->target) {
      line_goal(w, child);
      return writer_ended(w) ? NULL : child;
    } else {
      line_no_goal(w, child);
    }
    if (i + 1 < count) {
      line_move(w, n);
      line_state(w, n);
    }
  }
  return NULL;
}
