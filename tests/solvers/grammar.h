/* The oracle for Countdown traces: says whether a text is a search that the published solvers could
   have written, line by line and number by number, and why not where it is not. It is written from
   the published formats alone and shares nothing with the generators that it judges.

   The languages are those of Stream of Search (arXiv 2404.03683) and APR (arXiv 2504.15466).
   TRACE_APR_SERIAL is ours: the APR search depth-first in one context, each child inline as a sub
   search at level 1 of SoS+.

   What is checked: the form of every line; every number, operation and list against the state it
   follows from; node ids; which nodes may be visited, in which order, and that each is visited
   once; the nesting of sub searches; calling and joined blocks; the recap after a goal; the end.
   The more a start says (beam, heuristic), the less is left free. Free are only: the order in
   which kept successors are shown, the choice between equal scores, whether a node's children are
   searched at once or queued, and the published defect of APR's move line after a failed join.

   Every function may be called from any thread, takes no ownership and keeps nothing. */
#ifndef TESTS_GRAMMAR_H
#define TESTS_GRAMMAR_H

#include "base/random.h"
#include "base/text.h"

enum {
  GRAMMAR_NUMBERS_MAX = 6, /* of a task */
  GRAMMAR_TARGET_MAX = 9999,
  GRAMMAR_BEAM_MAX = 64,
  GRAMMAR_CHILDREN_MAX = 64
};

typedef enum trace_kind {
  TRACE_SOS_BFS,
  TRACE_SOS_DFS,
  TRACE_SOSP,
  TRACE_APR_PARENT,
  TRACE_APR_CHILD,
  TRACE_APR_SERIAL,
} trace_kind;

/* The product of a task's numbers, each plus one, stays below this. */
#define GRAMMAR_REACH_MAX INT64_C(1000000000000000)

/* How a solver ranks states, the lowest first: the mean distance to the target, or the sum of the
   distances to the nearest divisor of the target. */
typedef enum grammar_heuristic { GRAMMAR_UNKNOWN, GRAMMAR_SUM, GRAMMAR_MULT } grammar_heuristic;

/* A node of a search as a child is given it. */
typedef struct grammar_node {
  char id[32];                                  /* "0,2,1" */
  int64_t numbers[GRAMMAR_NUMBERS_MAX];         /* [number_count], in the order of the state */
  char operations[GRAMMAR_NUMBERS_MAX - 1][64]; /* [operation_count], from the root: "53-22=31" */
  int number_count, operation_count;
} grammar_node;

typedef struct grammar_start {
  int64_t target;
  grammar_node node; /* the root, or where an APR child starts */
  int beam;          /* of this text's own search; 0 where it is not known */
  int child_beam;    /* APR's children; 0 where it is not known */
  grammar_heuristic heuristic;
} grammar_start;

typedef struct grammar_child {
  grammar_node node;
  int solved; /* in a joined block */
} grammar_child;

/* What was seen, up to the line that was refused. */
typedef struct grammar_facts {
  int solved;    /* a goal was reached and, where the language has one, recapped */
  int suspended; /* an APR parent that ends by calling its children */
  int64_t lines, goals, moves;
  int64_t explored, recapped; /* lines Exploring Operation in the search, and in recaps */
  int64_t generated;          /* lines Generated Node in the search */
  int64_t calls, joins;       /* calling and joined blocks */
  int64_t searches;           /* sub searches inline; their deepest level */
  int64_t level;
  int64_t stray_moves; /* move lines that name another node than the next */
  int64_t unnamed;     /* nodes visited without a move line that names them */
  int child_count;     /* of the last calling or joined block */
  grammar_child children[GRAMMAR_CHILDREN_MAX];
  char why[256]; /* "line 7: ..." ; empty when accepted */
} grammar_facts;

/* A start at the root of a task; beams and heuristic unknown. */
grammar_start grammar_root(int64_t target, const int64_t *numbers, int count);
/* Where a child of start's search begins, with the child's beam as its own. */
grammar_start grammar_child_start(const grammar_start *start, const grammar_child *child);

/* 1 when the text is a whole trace of this kind from this start. *facts is always filled. */
int grammar_accepts(trace_kind kind, const char *trace, size_t bytes, const grammar_start *start,
                    grammar_facts *facts);

/* Tokens of the Llama-2 tokenizer without begin and end, or -1 for a text that holds anything but
   pieces of these languages. */
int64_t grammar_llama2_tokens(const char *trace, size_t bytes);

/* ---- mutants -------------------------------------------------------------------------------- */

/* name, what it does to one place of a text */
#define MUTATION_LIST(X)                                                                           \
  X(MUTATE_DIGIT, "another digit")                                                                 \
  X(MUTATE_SWAP, "two lines change places")                                                        \
  X(MUTATE_DROP, "a line less")                                                                    \
  X(MUTATE_DUPLICATE, "a line twice")                                                              \
  X(MUTATE_ID, "another node id")                                                                  \
  X(MUTATE_OPERATOR, "another operator")                                                           \
  X(MUTATE_LEVEL, "another level or ordinal of a sub search")                                      \
  X(MUTATE_CUT, "an end in the middle of a line")                                                  \
  X(MUTATE_LIST, "a list with a number more, less or elsewhere")

typedef enum mutation {
#define X(name, meaning) name,
  MUTATION_LIST(X)
#undef X
      MUTATION_COUNT
} mutation;

const char *mutation_meaning(mutation m);

/* Replaces *out by a mutant of a text, which a zero ends. 0 when the text has no place for this
   mutation. A mutant never equals the text given. */
int grammar_mutate(mutation m, random_stream *random, const char *trace, size_t bytes, text *out);

/* Whether two texts tell the same search, though they differ. An edit above can only do that where
   it swaps two leaves with one result, or two popped leaves of one name; gives a leaf the other
   operation of the same result (13*1 and 13/1), of which either may be kept; names a node's twin,
   which has the same operations; or touches the move line after an APR join, which the published
   defect drops or misnames. Two texts that differ otherwise are not the same. */
int grammar_same_search(trace_kind kind, const char *a, size_t a_bytes, const char *b,
                        size_t b_bytes);

typedef struct grammar_mutants {
  int64_t made, refused, same; /* same: accepted, and the same search */
  int64_t made_by[MUTATION_COUNT];
  text escaped; /* what happened to the first mutant that was wrongly accepted; empty for none */
} grammar_mutants;

/* Makes count mutants of an accepted text, each kind in turn, and judges each; adds to *m, which
   the caller opened with text_open on m->escaped. 1 when none was wrongly accepted. */
int grammar_refuses_mutants(trace_kind kind, const char *trace, size_t bytes,
                            const grammar_start *start, uint64_t seed, int64_t count,
                            grammar_mutants *m);

#endif
