/* Random numbers that belong to a place and not to a moment: Philox4x32-10 (Salmon, Moraes, Dror
   and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), by Random123.

   A key names the place; the n-th number of a key is the same on every machine, in every order. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/hash.h"

typedef struct random_key {
  uint32_t word[2];
} random_key;

/* The place of a thread of a sample: the job's seed, the task's content hash, the repeat, and the
   thread's path ("0" for the root, "0.2" for its third child). Not the run: conditions share their
   noise. */
random_key random_key_of(uint64_t seed, const hash *task, uint32_t repeat, const char *path);

/* Four independent uniform words at this counter. */
void random_words(random_key key, uint64_t high, uint64_t low, uint32_t out[4]);

/* The words of one key in order. */
typedef struct random_stream {
  random_key key;
  uint64_t counter;
  uint32_t ready[4];
  int left;
} random_stream;

random_stream random_start(random_key key);
uint32_t random_next(random_stream *s);
uint32_t random_below(random_stream *s, uint32_t bound); /* uniform in [0, bound), bound >= 1 */
int64_t random_between(random_stream *s, int64_t low, int64_t high); /* both ends included */
/* True with this probability: a 32-bit word below round(probability * 2^32). */
int random_chance(random_stream *s, double probability);

#endif
