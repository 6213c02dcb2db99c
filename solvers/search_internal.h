/* What the searches share: nodes, expansions, the published priority queue, lines. */
#ifndef SOLVERS_SEARCH_INTERNAL_H
#define SOLVERS_SEARCH_INTERNAL_H

#include "solvers/search.h"
#include "solvers/trace_text.h"

typedef struct node {
  struct node *parent; /* NULL for the root */
  countdown_state state;
  countdown_operation operation; /* that led here */
  int index;                     /* among its parent's children, as printed in ids */
  int generated;                 /* place in the order of generation */
  double heuristic;
  struct place *place; /* hogwild: what its workers know of it; NULL: a leaf, or not shown yet */
} node;

/* A binary heap with the tie-breaking of the published programs (Python's heapq): among equals the
   order depends on the heap's moves, so the moves are the same. */
typedef struct node_queue {
  node **items;
  int count, capacity;
} node_queue;

typedef struct search {
  const countdown_problem *problem;
  const search_options *options;
  uint64_t seed;
  const hash *task;
  uint32_t repeat;
  arena *memory;
  search_result *result;
  int64_t factors[64]; /* of the target, from 2 up */
  int factor_count;
  struct seen {
    const countdown_state **slots; /* sorted states; [capacity], a power of two */
    int count, capacity;
  } seen;
  int children;  /* spawned so far */
  size_t bytes;  /* written so far, by all threads */
  status failed; /* E_LIMIT: a text is too long; E_MEMORY: memory is out. Everything unwinds */
  detail why;    /* of a failure to count tokens; empty: of another */
} search;

/* A thread being written: its spans close by search_span_begin; lines beyond the context limit
   are taken back and end it (thread->capped). */
typedef struct writer {
  search *search;
  search_thread *thread;
  trace_writer trace;
  random_stream draws;
  int64_t context_limit;  /* 0: none */
  int64_t context_tokens; /* what the context holds now */
  size_t line_start;
  int64_t line_tokens;
  const search_tokens *tokens; /* NULL: Llama-2's as the lines are written */
} writer;

int writer_ended(const writer *w); /* nothing more can be written */
/* Measures a text by the writer's tokens; *bytes as search_tokens has it, and 0 after a failure. */
int64_t writer_measure(writer *w, const char *bytes, size_t count, int64_t most, size_t *within);

void line_prompt(writer *w, const node *n);    /* the state, without the end of its line */
void line_words(writer *w, const char *words); /* of no trace: a header, a prefix */
void line_blank(writer *w);
void line_state(writer *w, const node *n);
void line_explore(writer *w, const node *n);
void line_explored(writer *w, const node *n); /* not counted: it was before, or will be */
void line_generated(writer *w, const node *n);
void line_move(writer *w, const node *n);
void line_goal(writer *w, const node *n);
void line_no_goal(writer *w, const node *n);
void line_none(writer *w, int newline);
void line_start_sub(writer *w, int level, const node *n);
void line_exit_sub(writer *w, int level);
void line_none_in_sub(writer *w);
void line_calling(writer *w);
void line_call(writer *w, int index, const node *n);
void line_end_calling(writer *w);
void line_joined(writer *w);
void line_join(writer *w, int index, const node *n, int goal);
void line_end_joined(writer *w);
/* The solution from a node down to its goal: move, then state, explore, generated, move, ... */
void line_recap(writer *w, const node *from, const node *goal);

/* The list, or a larger copy in the arena, with room for one more; NULL when memory is out. */
void *search_room(search *s, void *list, int count, int *capacity, size_t bytes);
/* A new thread with its writer; NULL when memory is out (search->failed). */
writer *search_thread_new(search *s, const char *path, int parent, int round);
void search_span_begin(writer *w, span_kind kind);
/* Ends a turn: the cut span just written leaves the context, and what the join feeds begins. */
void search_turn_cut(writer *w);

node *search_root(search *s);
/* n's best successors by heuristic, at most limit, in the order they are shown; returns how many.
 */
int search_expand(writer *w, node *n, int limit, node *kept[COUNTDOWN_SUCCESSORS_MAX]);
/* n's successors with a heuristic within the threshold, best first; returns how many. */
int search_expand_within(search *s, node *n, double threshold,
                         node *kept[COUNTDOWN_SUCCESSORS_MAX]);
void search_sort(node **nodes, int count);      /* by heuristic, stable */
void search_explored(search *s, const node *n); /* counts the node and whether it was seen before */

void queue_push(search *s, node_queue *q, node *n);
node *queue_pop(node_queue *q);

/* The searches themselves write into w and return the goal, or NULL. */
const node *search_depth_first(writer *w, node *root);
const node *search_best_first(writer *w, node *root); /* bfs, sosp, apr, apr-serial by options */

/* Of hogwild: makes all threads. Its accounts, as search_account. */
void search_gang(search *s, node *root);
search_costs search_gang_account(const search_result *r, search_times *times);

#endif
