/* One problem as the published program plays it to a model that writes what the symbolic APR search
   wrote: who is prompted with what, what is joined, and what it costs. It is read from the search's
   demonstration records (docs/demonstrations.md), of them only the problem and the texts of whole
   sequences, by an implementation of its own after the paper and its released code (Pan et al.
   2025, arXiv 2504.15466) that shares nothing with solvers/.

   Lengths are in bytes, as tests/pipeline/scripted.h has it. All texts live in the arena; whatever
   cannot be fails the calling test. */
#ifndef TESTS_APR_STORY_H
#define TESTS_APR_STORY_H

#include "base/arena.h"

enum { STORY_TURNS_MAX = 32, STORY_CHILDREN_MAX = 256 };

/* The root, until it calls or ends. */
typedef struct story_turn {
  const char *held;    /* what it goes on behind */
  const char *written; /* until its end of sequence */
  const char *joined;  /* what is fed in the place of its call; NULL: it calls nobody */
  size_t call;         /* where that begins in written; its length: it calls nobody */
} story_turn;

typedef struct story_child {
  const char *prompt, *written;
  const char *solution; /* that it returns; NULL: none */
  int round;
  int like; /* the child just before it, which has its prompt and wrote the same; -1: there is none
             */
} story_child;

typedef struct story {
  story_turn turns[STORY_TURNS_MAX]; /* [turn_count] the last one calls nobody */
  int turn_count;
  story_child children[STORY_CHILDREN_MAX]; /* [child_count] in the order of the calls */
  int child_count;
  const char *solution; /* that the root states; NULL: none */
} story;

/* label: of the root's prompt, "" for none. names_twice: the last child of each call is called
   twice, and writes the same again; what the root writes behind that stays as it was. */
void story_read(story *out, const char *records, const char *label, int names_twice, arena *memory);

/* Begin and end of sequence count one each. */
typedef struct story_counts {
  int64_t prompts, generated, injected;
  int64_t published_total; /* by the released code's count of trees of traces */
  int64_t longest;         /* sequence */
  int64_t path;            /* the root's own, and the longest child of each round */
  int64_t path_injected;   /* the same with what is joined and children's prompts */
  int64_t waits;           /* of children for the longest of their round */
} story_counts;

story_counts story_count(const story *s);

#endif
