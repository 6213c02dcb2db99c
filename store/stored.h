/* Reading samples back as they were put, for whoever computes them again.

   A store may come from anybody: hashes, sizes, counts and the order of threads are checked here,
   and what does not hold is E_STORE, which names the sample. What ids, layouts and texts say is for
   the reader to judge. Owner's thread. */
#ifndef STORE_STORED_H
#define STORE_STORED_H

#include "base/arena.h"
#include "store/store.h"

typedef struct stored_sample {
  int64_t id;
  store_task task;
  store_sample sample; /* as for store_put; a thread's logprob is NaN where there is none */
} stored_sample;

/* Everything lies in memory. E_INPUT: no sample of this id; E_LIMIT: the arena is too small;
   E_STORE; E_MEMORY. */
MUST_CHECK status stored_sample_read(stored_sample *out, store *s, int64_t id, arena *memory,
                                     detail *err);

typedef struct stored_choice {
  const int64_t *runs; /* [run_count] each once */
  size_t run_count;
  size_t count; /* wanted */
  uint64_t seed;
} stored_choice;

/* Draws among the finished samples of some runs. ids: [c->count], of which *found are filled: all
   there are, or count of them. Natural keys and the seed alone say which and in what order, so that
   equal stores give the same samples. E_STORE; E_MEMORY. */
MUST_CHECK status stored_sample_pick(store *s, const stored_choice *c, int64_t *ids, size_t *found,
                                     detail *err);

#endif
