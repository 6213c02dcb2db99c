/* Best-first search by beams: SoS "bfs", SoS+, APR and apr-serial are one loop that differs in what
   it does with a node's children (Gandhi et al. 2024; Pan et al. 2025, section 3). */
#include "solvers/search_internal.h"

#include <stdio.h>

typedef struct best_first best_first;

struct best_first {
  writer *w;
  int beam, level;
  const node *recap_from; /* where the recap of a solution starts; NULL: none is written (SoS) */
  int queue_leaves;       /* SoS puts nodes of one number on the queue too */
  /* Searches the children at once rather than queueing them, where it decides to; NULL: never.
   *moved_on is the place in the batch that the text counts from afterwards (see apr_dive). */
  const node *(*dive)(best_first *b, node **children, int count, int *moved_on);
  int dive_least; /* children that a dive needs */
};

static const node *search_from(best_first *b, node *start);

/* Writes the goal and its recap; the goal stands only if both fit. */
static const node *solution(best_first *b, const node *goal) {
  line_goal(b->w, goal);
  if (b->recap_from) line_recap(b->w, b->recap_from, goal);
  return writer_ended(b->w) ? NULL : goal;
}

/* Shows the kept successors; the goal among them ends the search. *children are those to go on
   with, best first. */
static const node *expand(best_first *b, node *n, node **children, int *count) {
  node *kept[COUNTDOWN_SUCCESSORS_MAX];
  int kept_count = search_expand(b->w, n, b->beam, kept);
  int index = 0;
  *count = 0;
  for (int i = 0; i < kept_count && !writer_ended(b->w); i++) {
    node *child = kept[i];
    child->index = index;
    line_explore(b->w, child);
    if (child->state.count > 1) {
      line_generated(b->w, child);
      index++; /* leaves consume no index here */
      children[(*count)++] = child;
      continue;
    }
    if (child->state.number[0] == b->w->search->problem->target) return solution(b, child);
    line_no_goal(b->w, child);
    if (b->queue_leaves) children[(*count)++] = child;
  }
  search_sort(children, *count);
  return NULL;
}

static int dives(best_first *b, int count) {
  if (!b->dive || count < b->dive_least) return 0;
  return random_chance(&b->w->draws, b->w->search->options->promising);
}

static const node *search_batch(best_first *b, node_queue *open) {
  search *s = b->w->search;
  node *batch[COUNTDOWN_SUCCESSORS_MAX];
  int size = open->count < b->beam ? open->count : b->beam;
  for (int i = 0; i < size; i++)
    batch[i] = queue_pop(open);
  for (int i = 0; i < size && !writer_ended(b->w); i++) {
    node *children[COUNTDOWN_SUCCESSORS_MAX];
    int count = 0, place = i;
    line_state(b->w, batch[i]);
    const node *goal = expand(b, batch[i], children, &count);
    if (goal) return goal;
    if (dives(b, count)) {
      goal = b->dive(b, children, count, &place);
      if (goal) return goal;
    } else {
      for (int k = 0; k < count; k++)
        queue_push(s, open, children[k]);
    }
    if (place < size - 1) line_move(b->w, batch[place + 1]);
  }
  return NULL;
}

static const node *search_from(best_first *b, node *start) {
  node_queue open = {0};
  queue_push(b->w->search, &open, start);
  while (open.count && !writer_ended(b->w)) {
    const node *goal = search_batch(b, &open);
    if (goal) return goal;
    if (open.count && !writer_ended(b->w)) line_move(b->w, open.items[0]);
  }
  line_none(b->w, !b->queue_leaves); /* SoS ends without a newline */
  return NULL;
}

/* One child's search inside its parent's text. */
static const node *search_inline(best_first *parent, best_first *child, node *start) {
  line_start_sub(parent->w, child->level, start);
  const node *goal = search_from(child, start);
  line_exit_sub(parent->w, child->level);
  if (goal) return writer_ended(parent->w) ? NULL : goal;
  line_none_in_sub(parent->w);
  return NULL;
}

/* SoS+: every child is searched in turn, with dives of its own. */
static const node *sosp_dive(best_first *b, node **children, int count, int *moved_on) {
  (void)moved_on;
  for (int i = 0; i < count && !writer_ended(b->w); i++) {
    best_first child = *b;
    child.level = b->level + 1;
    const node *goal = search_inline(b, &child, children[i]);
    if (goal) return goal;
  }
  return NULL;
}

/* A child's path places its draws; apr and apr-serial name children alike, so they search alike. */
static const char *child_path(int ordinal, char out[32]) {
  (void)snprintf(out, 32, "0.%d", ordinal);
  return out;
}

static const node *serial_dive(best_first *b, node **children, int count, int *moved_on) {
  (void)moved_on;
  search *s = b->w->search;
  int first = s->children;
  s->children += count;
  for (int i = 0; i < count && !writer_ended(b->w); i++) {
    char path[32];
    random_stream own = b->w->draws;
    const char *place = child_path(first + i, path);
    b->w->draws = random_start(random_key_of(s->seed, s->task, s->repeat, place));
    best_first child = {
        .w = b->w, .beam = s->options->child_beam, .level = 1, .recap_from = b->recap_from};
    const node *goal = search_inline(b, &child, children[i]);
    b->w->draws = own;
    if (goal) return goal;
  }
  return NULL;
}

static const node *run_child(best_first *b, node *start, int ordinal, int round) {
  search *s = b->w->search;
  char path[32];
  writer *w = search_thread_new(s, child_path(ordinal, path), 0, round);
  if (!w) return NULL;
  best_first child = {.w = w, .beam = s->options->child_beam, .level = 1, .recap_from = start};
  line_move(w, start);
  const node *goal = search_from(&child, start);
  w->thread->solved = goal != NULL;
  if (!w->thread->capped) w->thread->turns = 1;
  return goal;
}

/* APR: the parent's turn ends with a call; the children run each in its own context; what they
   return takes the call's place. Where no child succeeds the published program goes on counting
   its batch from the last child's number, so that its next move names another node of the batch or
   is missing. The text is the format that models were trained on: it is kept. */
static const node *apr_dive(best_first *b, node **children, int count, int *moved_on) {
  search *s = b->w->search;
  search_span_begin(b->w, SPAN_CUT);
  line_calling(b->w);
  for (int i = 0; i < count; i++)
    line_call(b->w, i, children[i]);
  line_end_calling(b->w);
  if (writer_ended(b->w)) return NULL;
  search_turn_cut(b->w);

  const node *goals[COUNTDOWN_SUCCESSORS_MAX], *first_goal = NULL;
  int round = s->result->rounds++;
  for (int i = 0; i < count && !s->failed; i++) {
    goals[i] = run_child(b, children[i], s->children++, round);
    if (!first_goal) first_goal = goals[i];
  }
  if (s->failed) return NULL;
  line_joined(b->w);
  for (int i = 0; i < count; i++) {
    line_join(b->w, i, children[i], goals[i] != NULL);
    if (goals[i]) line_recap(b->w, children[i], goals[i]);
  }
  line_end_joined(b->w);
  search_span_begin(b->w, SPAN_GENERATED);
  *moved_on = count - 1;
  return first_goal ? solution(b, first_goal) : NULL;
}

const node *search_best_first(writer *w, node *root) {
  const search_options *o = w->search->options;
  best_first b = {.w = w, .beam = o->beam};
  switch (o->kind) {
  case SEARCH_SOSP:
    b.recap_from = root;
    b.dive = sosp_dive;
    b.dive_least = 1;
    break;
  case SEARCH_APR:
    b.recap_from = root;
    b.dive = apr_dive;
    b.dive_least = 2;
    line_move(w, root);
    break;
  case SEARCH_APR_SERIAL:
    b.recap_from = root;
    b.dive = serial_dive;
    b.dive_least = 2;
    line_move(w, root);
    break;
  case SEARCH_BFS: b.queue_leaves = 1; break;
  case SEARCH_DFS:
  case SEARCH_HOGWILD: REQUIRE(!"these are other loops");
  }
  return search_from(&b, root);
}
