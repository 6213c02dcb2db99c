/* A generator before another one that keeps what was in every worker's view at every forward, token
   by token: what the segments held that its entries named when the forward had put in what it put
   in. Of a thread without a view that is all that it holds. So what is told of views afterwards can
   be compared with what there was.

   Of one sample at a time. */
#ifndef TESTS_WATCHED_H
#define TESTS_WATCHED_H

#include "pipeline/generator.h"

typedef struct watched_view {
  random_key key;  /* of the worker */
  int64_t forward; /* from 1 */
  uint32_t *tokens;
  size_t count, own; /* of all blocks; of the last */
  int64_t sampled;   /* the token; -1: none */
} watched_view;

typedef struct watched watched;

watched *watched_open(generator before); /* a copy; what it borrows must stay */
void watched_close(watched *w);
generator watched_generator(watched *w);
const watched_view *watched_views(const watched *w, int *count);

#endif
