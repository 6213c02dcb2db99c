/* What a store says of its jobs: how far each condition is, how fast the last process went, and how
   long the rest takes at that speed. Read from the store alone, also while a process writes it, so
   that it can be shown from another terminal. Owner's thread of the store. */
#ifndef PIPELINE_OVERVIEW_H
#define PIPELINE_OVERVIEW_H

#include "pipeline/shard.h"
#include "store/place.h"
#include "store/query.h"

/* What runs at one speed: the runs of one model, or all that need none. Work is counted in tokens
   that were generated; without a model in tokens_ref. Derived samples cost none. */
typedef struct overview_part {
  char *model;               /* its folder's name; NULL: none */
  hash hash;                 /* of the model */
  int64_t tokens;            /* of the last process's samples */
  int64_t from_ns, until_ns; /* when they ran; until_ns 0: none did */
} overview_part;

/* One condition and what its run holds for it. Means are negative where no sample is there. */
typedef struct overview_condition {
  char *job, *name;
  int64_t run;
  size_t part;
  store_counts counts;
  double tokens_ref, tokens_generated; /* means of a sample */
  double work;                         /* in the part's tokens, derived samples at none */
} overview_condition;

/* The process that ran samples last. */
typedef struct overview_process {
  int64_t id, started_unix_ns, threads; /* id 0: none ever ran; threads 0: not known */
  int64_t samples, tokens_ref;
  int ended, is_last; /* is_last: none has begun since, not even one that ran no samples */
  double seconds;     /* up to its last sample */
  char host[256], device[256];
} overview_process;

/* What its engine did, by engine_load. */
typedef struct overview_load {
  int64_t intervals, sampled, interval_ns; /* all of them; intervals 0: nothing was kept */
  int64_t last_at_ns, last_interval_ns, last_sampled, last_record_ns, pages, pages_used;
  double threads_running, threads_waiting, samples; /* of the last, as those above */
} overview_load;

typedef struct overview {
  overview_condition *conditions; /* [count] */
  size_t count, capacity;
  overview_part *parts; /* [part_count] in the order in which conditions name them */
  size_t part_count, part_capacity;
  overview_process process;
  overview_load load;
  int64_t unasked; /* samples that no condition asks for */
  shard part;      /* that every process of the store ran; {0, 1}: not a shard's store */
  holder_state holder;
  char holder_name[320];
} overview;

/* *out is to be zero. In every case overview_close follows. */
MUST_CHECK status overview_read(overview *out, store *s, detail *err);
void overview_close(overview *o);

/* Whether the last process still works, as far as its record and the lock's file tell. */
int overview_seems_running(const overview *o);
/* Whether some condition needs a model. */
int overview_has_models(const overview *o);
/* The work of a part that a second did; negative: not known. */
double overview_speed(const overview *o, size_t part);
/* Seconds that what is left takes; negative: cannot be told, since the speed or the work of some of
   it is not known. */
double overview_seconds_left(const overview *o);

#endif
