/* A way of reasoning with a model: a pure state machine. It is told what happened to the threads of
   one sample and answers with commands; pipeline/runner carries them out on the engine. It knows
   texts and never tokens, touches no file, clock or tensor, and the same events give the same
   commands, so that a mode is tested by a script of events.

   Threads are numbered by the mode from 0 in the order in which it spawns them. Time is logical: a
   thread that is spawned at the start begins at step 0, a child at the step at which its parent
   ended, and its n-th token stands n steps later; a parent that is fed goes on at the last step of
   the children that it spawned since it was fed before, else where it ended. What happens to
   several threads at one step is told in the order of their numbers; across steps a mode may hear
   of threads in any order, and must end with the same answer, unless it asks for order.

   Workers are threads that read each other while they write. What they see is made of *blocks*:
   lists of tokens that the mode makes of texts, or that a worker writes. A worker's *view* is an
   ordered list of blocks, the last of which is its own to write: it sees all of each, where it
   would stand if they were one text, and what the others put in by the same forward. Workers are
   spawned at the start, all before any begins, and are in step: a forward of all that have not
   ended is one logical step. By it each puts in the token that it sampled last, and behind that
   what it was fed, and samples one; more than PROTOCOL_FEED_TOKENS take several forwards, and it
   samples by the last. A worker that is fed as soon as it has ended misses none; one that a limit
   ended is fed no more. A commit leaves the token that was sampled last where it is, to be put in
   next: it is the first of what the worker writes then.

   A machine belongs to one sample and one thread of the program at a time. */
#ifndef SOLVERS_MODE_H
#define SOLVERS_MODE_H

#include "base/arena.h"
#include "solvers/layout.h"
#include "solvers/option.h"
#include "solvers/protocol.h"

typedef uint32_t mode_thread;
typedef uint32_t mode_block; /* from 0, in the order in which the mode makes them */

typedef enum mode_event_kind {
  MODE_START, /* once, first */
  MODE_ENDED  /* a thread stopped sampling; it goes on if it is fed */
} mode_event_kind;

typedef enum mode_end {
  MODE_END_TOKEN,    /* it wrote an end of sequence, which has no text */
  MODE_END_STOP,     /* one of the protocol's stop strings */
  MODE_END_LIMIT,    /* of the condition, or the model's context */
  MODE_END_FINISHED, /* the tokens that a finisher may take are spent */
  MODE_END_STOPPED   /* by MODE_STOP, where the mode wanted to hear of it */
} mode_end;

typedef struct mode_event {
  mode_event_kind kind;
  mode_thread thread; /* these of MODE_ENDED; all borrowed for the call */
  mode_end end;
  int is_unfed;  /* 1: for what it was told to go on behind there was no room, and the thread is as
                    it was when it ended before */
  int32_t which; /* MODE_END_STOP: index of the stop string */
  const char *text;    /* all that the thread holds: prompt, what it wrote and what it was fed,
                          without what was cut */
  size_t text_bytes;   /* whole characters; need not be all that its tokens will say */
  size_t prompt_bytes; /* of them, its prompt */
  size_t fed_at;       /* where what it wrote since it was last fed begins */
  size_t stop_at;      /* MODE_END_STOP: the string's first byte */
  size_t step_at;      /* of a worker: where what it wrote and was fed since its last commit begins,
                          without the token that ended the step before */
  int64_t put_in;      /* tokens that all workers have put in so far */
} mode_event;

typedef enum mode_command_kind {
  MODE_SPAWN,  /* thread, parent, role, text: its prompt. Its sampling begins. A worker's: view, and
                  text is what it is fed first, one token at least */
  MODE_REFUSE, /* thread, parent, role, why: a thread that is there to be counted and never runs;
                  nothing is told of it */
  MODE_FEED,   /* thread, text, is_finisher, cuts and keep: it goes on behind this text */
  MODE_STOP,   /* thread, which may rest: it ends at the step of what is being told, what it wrote
                  later is gone, and nothing more is told of it, unless tells is 1: then its end is
                  told in its turn. Of modes that ask for order */
  MODE_BLOCK,  /* block, text, is_prompt: a block that workers may see. Without text (NULL) it is
                  one worker's to write */
  MODE_COMMIT, /* thread, block: what stands in a worker's own block goes to the end of this one,
                  which is of the task (is_prompt), and its own is empty. The worker rests, and is
                  fed next */
  MODE_ANSWER, /* thread, text, vote_key (either may be NULL): what the thread answers; once each */
  MODE_DONE    /* thread: whose answer is the sample's; MODE_NOBODY: there is none. The last */
} mode_command_kind;

#define MODE_NOBODY UINT32_MAX
enum { MODE_BLOCKS_MAX = LAYOUT_WORKERS_MAX + 8 };

typedef struct mode_command {
  mode_command_kind kind;
  mode_thread thread; /* SPAWN: the number that the new thread gets, the next one */
  mode_thread parent; /* SPAWN, REFUSE: whose child it is, which rests; MODE_NOBODY: nobody's */
  mode_thread twin; /* SPAWN of a child: an earlier child of the same parent, spawned since that was
                       fed, with the same prompt; at temperature 0 it writes the same and is not
                       computed again. MODE_NOBODY: it has none */
  const char *role; /* a constant: "root", "voter", "child" */
  const char *why;  /* REFUSE: a constant, "refused" by a limit or "unknown" node; a limit is the
                       parent's that asked for too much, and named in limit */
  const char *limit; /* REFUSE: a constant, "children" or "rounds"; else NULL */
  const char *text;  /* [text_bytes] */
  size_t text_bytes;
  const char *vote_key;
  int cuts; /* FEED: 1: of the thread's text only the first keep bytes stay in its context,
               no fewer than stood there when it was fed before. What is cut was sampled all the
               same */
  size_t keep;
  int is_finisher;   /* FEED: a forced request for the answer. Limits no longer count; it may sample
                        as many tokens as the condition gives a finisher. SPAWN: the same of a thread
                        that begins where all others have ended: the first keep bytes of its text are
                        its prompt, the others ask */
  int ignores_stops; /* SPAWN: the protocol's stop strings do not end it */
  int is_worker; /* SPAWN: it is looked at beside the others, forward by forward: where the text of
                    each token stands is kept */
  int tells;     /* STOP */
  int is_prompt; /* BLOCK: it is of the task, and counted so; otherwise it is of the mode */
  mode_block block;       /* BLOCK, COMMIT */
  const mode_block *view; /* SPAWN: [view_count] of a worker; NULL: it holds its own text alone */
  int view_count;
} mode_command;

/* Carries a command out before it returns, so that texts need not outlive the call. */
typedef struct mode_output {
  MUST_CHECK status (*emit)(void *context, const mode_command *c, detail *err);
  void *context;
} mode_output;

/* What a sample is about; borrowed until close. */
typedef struct mode_setup {
  const protocol *protocol;
  const json_t *parameters;      /* resolved */
  const char *question, *target; /* of the task; target is canonical JSON */
} mode_setup;

typedef struct mode_machine {
  /* The state may live in memory, which outlives it. E_INPUT: a task that the protocol cannot
     write; E_MEMORY. */
  MUST_CHECK status (*open)(void **state, const mode_setup *setup, arena *memory, detail *err);
  void (*close)(void *state); /* NULL is a no-op */
  /* E_MEMORY, and what emit returned. */
  MUST_CHECK status (*on)(void *state, const mode_event *e, const mode_output *out, detail *err);
  /* 1: ends are told in the order of their logical steps, so that what the mode does may hang on
     which was first. NULL: never. */
  int (*asks_for_order)(const json_t *parameters);
  /* How many workers a sample has, 0 where it has none, whether each sees every block, and whether
     steps are committed. NULL: it never has any. */
  int (*workers)(const json_t *parameters, int *see_all, int *commit);
} mode_machine;

#endif
