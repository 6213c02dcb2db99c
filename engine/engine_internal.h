/* Private to the engine: threads, the units that they run in, and the memory of a step.

   A *unit* is what is admitted, preempted and stepped as one: a plain thread, a thread with a view,
   or a gang. It is in one of the lists that its state names. A step is made in this order, a file
   each: engine_admit.c chooses the units that run, engine_rows.c their rows and pages,
   engine_plan.c lays out the plan, engine_events.c samples and tells what became of it. */
#ifndef ENGINE_ENGINE_INTERNAL_H
#define ENGINE_ENGINE_INTERNAL_H

#include "engine/engine.h"
#include "engine/order.h"
#include "engine/stops.h"

typedef struct unit unit;

typedef struct thread {
  thread_id id;
  unit *unit;
  int has_ended;

  /* Of a plain thread all tokens, token i standing at index i of its segment; of one with a view
     those that it was fed last, or the one that it sampled last. */
  uint32_t *tokens; /* [count] */
  int count, capacity;
  int prompt; /* of them, those that were submitted */
  int fed;    /* of them, those in the segment */
  int known;  /* of them, those that count as recomputed where they are fed: fed before, stored */
  uint64_t hash; /* of a plain thread's prompt */
  int was_found; /* the prompt's stored head has been counted */
  int cached;    /* tokens of it */
  int sampled;   /* since it was fed */
  int most;      /* to be sampled since it was fed */
  int expected;

  segment_id segment; /* it writes to; of a plain thread 0 while it has none */
  view_entry *view;   /* [entries] NULL: plain */
  int entries;

  sample_row row;
  uint32_t *suppressed; /* [row.suppressed_count] */
  uint32_t *end_ids;    /* [end_count] */
  int end_count;
  stops *stops;     /* NULL: none */
  decoder *decoder; /* NULL: nobody asks for text */

  int rows, first_row; /* of the step that is made; rows 0: it has none */
  int appended;        /* of them, those that the segment has slots for */
  int output;          /* row of logits; -1: none */
  int is_broken;
} thread;

typedef enum unit_state { UNIT_WAITS, UNIT_RUNS, UNIT_IS_PREEMPTED, UNIT_IS_IDLE } unit_state;

struct unit {
  unit_state state;
  unit *older, *younger; /* in the list of its state; those that wait are in engine.waiting */
  int place;             /* in engine.waiting, while it waits */
  uint64_t admitted;     /* its place among all that were admitted: lists are in this order */

  thread **members; /* [count] in order, those that ended included */
  int count, running;
  int is_plain;
  int feed_tokens;     /* most of one member and forward; 0: cut anywhere */
  int reserve, kept;   /* pages of a unit with views; kept: those that it does not stand on yet */
  int swap_kept;       /* pages of host memory that are kept for it */
  int was_passed_over; /* the last step had no rows for it: it goes first */
  int is_to_go;        /* preempt it before the next step */
  engine_preemption how;

  const int32_t *pages; /* [page_count] that it reads first in the step that is made */
  int page_count;

  thread_id waits_for; /* computes a head of this one's prompt; 0: none */
  int waits_fed;       /* until it has fed so many */
};

typedef struct unit_list {
  unit *oldest, *youngest;
} unit_list;

/* Arrays of a step. What depends on the engine's options is taken when it is opened, what depends
   on the number of threads when one is submitted. */
typedef struct step_arrays {
  uint32_t *token;                                /* [rows] */
  int32_t *slot, *position, *row_span;            /* [rows], row_span [rows + 1] */
  int32_t *span_page, *span_keys, *span_position; /* [span_capacity] */
  int32_t *pages;                                 /* [page_capacity] */
  int32_t *output_row;                            /* [slots] */
  uint8_t *broken;                                /* [rows] */
  void **units;       /* [slots] each a unit, in the order of their rows */
  segment_id *listed; /* [slots + segments] */
  int32_t *listed_at; /* [slots + segments] where in pages */
  int span_capacity, page_capacity, listed_count, page_count;
  step_plan plan;

  int capacity;           /* threads that the arrays below have room for */
  void **sampling;        /* [capacity] each a thread, by id */
  sample_row *rows;       /* [capacity] */
  int32_t *logits_row;    /* [capacity] */
  sample_result *results; /* [capacity] */
  engine_event *events;   /* [capacity] */
  engine_event *told;   /* the last step's, where a submission took a longer list since; or NULL */
  size_t *text_at;      /* [capacity] where an event's text begins */
  uint32_t *suppressed; /* [suppressed_capacity] */
  int suppressed_capacity;
  int event_count;
} step_arrays;

struct engine {
  engine_options options; /* what was left open filled in */
  engine_bytes bytes;
  int positions, context, vocabulary, swap_pages;
  forward *forward;
  cache *cache;
  const tokenizer *tokenizer; /* or NULL */

  thread **threads; /* [thread_count] by id */
  int thread_count, thread_capacity;
  int64_t suppressed_total; /* of all threads */
  thread_id last_id;
  uint64_t last_admitted;

  order_item *waiting; /* [waiting_count] what is NULL where one is gone; in order if is_sorted;
                          hash is a plain thread's */
  int waiting_count, waiting_capacity, waiting_gone, is_sorted;
  int waiting_first; /* what stands before is gone */
  void *scratch;     /* of order_sort */
  unit_list running, preempted, idle;
  int slots_held;
  int swap_kept;  /* pages of host memory that are kept for units with views */
  int swap_plain; /* pages of host memory that plain threads are swapped out to */
  int ended;      /* threads with views */

  step_arrays step;
  text text; /* of the last step's events */
  engine_counters counters;
};

/* ---- engine_size.c --------------------------------------------------------------------------- */

forward_options engine_forward_options(const engine_options *o);
cache_options engine_cache_options(const engine_options *o, int positions, int swap_pages);
/* What is left open filled in. Errors of engine_size. */
MUST_CHECK status engine_settle(const model_config *c, const engine_options *given,
                                engine_options *out, engine_bytes *bytes, detail *err);

/* ---- engine_threads.c: records, and finding them --------------------------------------------- */

/* Room in every list for so many threads more, so that a step need take none. */
MUST_CHECK status engine_make_room(engine *e, int threads, int64_t suppressed, detail *err);
MUST_CHECK status unit_open(unit **out, int count, detail *err); /* with no member yet */
void unit_free(unit *u);                                         /* and its members */
void thread_free(thread *t);
thread *engine_find(const engine *e, thread_id id); /* NULL: there is none */
void engine_list_thread(engine *e, thread *t);      /* the youngest */
void engine_unlist_thread(engine *e, const thread *t);
/* Puts a unit where `admitted` says. */
void units_add(unit_list *list, unit *u);
void units_remove(unit_list *list, unit *u);

/* ---- engine_submit.c ------------------------------------------------------------------------- */

void engine_forget_waiting(engine *e, const unit *u);
/* Takes what is gone out of the list of what waits, and tells each unit its place. */
void engine_compact_waiting(engine *e);
/* Ends a unit whose members are all gone or are to go; segments of plain threads are freed. */
void engine_end_unit(engine *e, unit *u);

/* ---- engine_admit.c: who runs ---------------------------------------------------------------- */

/* Preempts those that engine_preempt named, and admits what has room. */
MUST_CHECK status engine_admit(engine *e, detail *err);
/* Pages that can be had for a unit: neither used nor kept for another with views. */
int engine_room(const engine *e, const unit *u);
/* Finds room for so many pages by swapping out units that rest, then by preempting the youngest of
   those that are younger than u. Where that is not enough *room is less than needed. */
MUST_CHECK status engine_find_room(engine *e, const unit *u, int needed, int *room, detail *err);
/* E_LIMIT, and nothing is changed, where a unit with views stands on more than it said. */
MUST_CHECK status engine_preempt_unit(engine *e, unit *u, engine_preemption how, detail *err);
/* The last running member of a unit has ended. */
void engine_rest(engine *e, unit *u);
/* Whether so many more pages of host memory can be kept for units with views. What plain threads
   were swapped out to is given up for it, the youngest's first: they are computed again. */
int engine_has_host_memory(engine *e, int more);
/* What the segments of a unit's views list; each segment counts once. */
int unit_pages(const engine *e, const unit *u);
int engine_pages_for(const engine *e, int tokens);
/* The most tokens that a prompt and what is sampled after it bring into a segment: the last one
   sampled is never fed, and none is sampled behind the last position. */
int engine_fed_at_most(const engine *e, int prompt, int most);

/* ---- engine_rows.c: rows and pages ----------------------------------------------------------- */

MUST_CHECK status engine_fill_rows(engine *e, detail *err);
int unit_has_rows(const unit *u); /* in the step that is made */

/* ---- engine_plan.c --------------------------------------------------------------------------- */

MUST_CHECK status plan_take(engine *e, detail *err);
/* Room for views of so many entries. */
MUST_CHECK status plan_make_room(engine *e, int entries, detail *err);
void plan_free(engine *e);
void plan_build(engine *e);

/* ---- engine_events.c ------------------------------------------------------------------------- */

/* After the forward pass: what broke, what is known now, what was sampled. */
MUST_CHECK status engine_hand_on(engine *e, detail *err);

/* Sorts pointers in place, without memory (Shell 1959). */
void sort_pointers(void **items, int count, int (*is_before)(const void *a, const void *b));

#endif
