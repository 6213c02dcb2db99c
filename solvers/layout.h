/* What workers that read each other see of each other (docs/modes.md, "Workers that read each
   other"): of models and of symbolic searches alike. */
#ifndef SOLVERS_LAYOUT_H
#define SOLVERS_LAYOUT_H

enum { LAYOUT_WORKERS_MAX = 16 }; /* of a sample */

typedef enum worker_layout {
  LAYOUT_CONTIGUOUS,  /* all that the others wrote, before what it wrote */
  LAYOUT_INTERLEAVED, /* steps that are done, in the order in which they were */
  LAYOUT_COMBINED,    /* these, and the others' unfinished steps */
  LAYOUT_INDEPENDENT  /* nothing of the others: the control */
} worker_layout;

extern const char *const layout_names[]; /* NULL-terminated, in this order */

/* Whether a step that is done is moved behind those that are. */
int layout_has_steps(worker_layout l);

#endif
