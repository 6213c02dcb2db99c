/* The published symbolic searches over Countdown, writing their traces byte for byte: SoS
   (depth-first and best-first; Gandhi et al. 2024, arXiv 2404.03683), SoS+ and APR (Pan et al.
   2025, arXiv 2504.15466), and apr-serial: the APR search written depth-first in one context in the
   language of SoS+, the control for what parallel children bring. Beside them hogwild: workers that
   search one problem at once and read each other as they write, token by token in logical time.

   A search is a function of problem, options and random key. It runs in the caller's thread and in
   the caller's arena; results are borrowed from that arena. */
#ifndef SOLVERS_SEARCH_H
#define SOLVERS_SEARCH_H

#include "base/arena.h"
#include "solvers/countdown.h"
#include "solvers/layout.h"

/* Of one thread, and of all threads of a search. */
enum { SEARCH_TEXT_BYTES_MAX = 16 << 20, SEARCH_ALL_BYTES_MAX = 64 << 20 };

typedef enum search_kind {
  SEARCH_DFS,  /* SoS depth-first: successors whose heuristic exceeds the target are dropped */
  SEARCH_BFS,  /* SoS best-first with a beam a node */
  SEARCH_SOSP, /* SoS+: best-first mixed with recursive dives, recap of the solution */
  SEARCH_APR,  /* a parent that calls parallel children at level 0 */
  SEARCH_APR_SERIAL, /* the same, children written inline */
  SEARCH_HOGWILD     /* workers that read each other, each taking the next node that nobody took */
} search_kind;

typedef enum search_heuristic {
  HEURISTIC_SUM, /* mean distance of the numbers to the target */
  HEURISTIC_MULT /* sum over numbers of the distance to the nearest factor of the target */
} search_heuristic;

/* How a node's kept successors are shown. */
typedef enum search_order {
  ORDER_SHUFFLED,   /* published */
  ORDER_HEURISTIC,  /* best first */
  ORDER_ENUMERATION /* as they are generated */
} search_order;

/* How many tokens a text has, where they are not Llama-2's: what a worker sees hangs on the time
   that its own and the others' lines take. */
typedef struct search_tokens {
  /* *tokens: of the text by itself; *bytes: of its first tokens, at most so many. A failure ends
     the search with its detail. */
  MUST_CHECK status (*measure)(void *context, const char *text, size_t text_bytes, int64_t most,
                               int64_t *tokens, size_t *bytes, detail *err);
  void *context;
} search_tokens;

typedef struct search_options {
  search_kind kind;
  search_heuristic heuristic;
  search_order order;
  int beam;       /* all but dfs: successors kept a node, and nodes a batch; hogwild: of the root */
  int child_beam; /* apr and apr-serial: the children's; hogwild: of all nodes but the root */
  double promising; /* sosp, apr, apr-serial: chance that a node's successors are dived into */
  int64_t context;  /* tokens a sequence or a worker's view may hold, its begin included; 0: all */
  int workers;      /* hogwild: 1 .. LAYOUT_WORKERS_MAX */
  worker_layout layout;        /* hogwild */
  const search_tokens *tokens; /* hogwild; NULL: Llama-2's. Outlives the search */
} search_options;

typedef enum span_kind {
  SPAN_PROMPT,
  SPAN_GENERATED,
  SPAN_CUT, /* generated, then cut from the context: the calling block that ends a turn */
  SPAN_FED  /* put there by the join */
} span_kind;
const char *span_name(span_kind kind); /* "prompt", "generated", "cut", "fed" */

typedef struct search_span {
  span_kind kind;
  size_t start, bytes; /* of the thread's text */
  int64_t tokens;      /* in Llama-2 tokens, without begin and end of sequence */
} search_span;

/* What a worker writes for one node, or until it ends. Tokens are those that it sampled, an end of
   sequence left out. */
typedef struct search_step {
  size_t prefix_start, prefix_bytes; /* of the thread's text: what it was fed first; may be empty */
  size_t start, bytes;               /* what it generated, its blank line included */
  int64_t tokens;
  int is_done; /* it came to its blank line */
} search_step;

/* One sequence under its own context. Its text is everything written in it in logical order; what
   the model's context held at a turn is that text without the cut spans before. */
typedef struct search_thread {
  const char *path;  /* "0", "0.3" */
  int parent, round; /* an index into threads, and which spawn of the parent; -1 for the root */
  text written;
  search_span *spans;
  int span_count, span_capacity;
  int turns;  /* ended with an end of sequence */
  int capped; /* met the context limit; the text ends with the last whole line within */
  int solved; /* holds a complete solution (with its recap, where the search writes one) */
  /* Of hogwild, whose threads are workers: */
  int worker;         /* from 0; -1: it is none */
  search_step *steps; /* [step_count] */
  int step_count, step_capacity;
  int ends;              /* with an end of sequence; otherwise it was capped, or stopped */
  int64_t tokens_prompt; /* with its begin */
  int64_t tokens_fed, tokens_generated;
  int64_t tokens_seen; /* of what the others put in, those in its last view */
  int64_t view_most;   /* its largest view, the token that was sampled last included */
} search_thread;

typedef struct search_result {
  search_thread **threads; /* [thread_count]; the root first, then children in spawn order */
  int thread_count, thread_capacity;
  int rounds;
  int answer; /* the thread that has the sample's answer, if any has; -1: no worker has one */
  int64_t nodes_explored;  /* successors shown, recaps left out */
  int64_t nodes_duplicate; /* those whose numbers were shown before in this sample, by any thread */
} search_result;

/* seed, task and repeat place the random draws; thread paths are appended (base/random.h). Texts
   are owned by the result: search_close gives them back, the rest goes with the arena.
   E_MEMORY, E_LIMIT (the arena's, or a text too long), and what options->tokens fails with. Then
   out is closed already.

   Workers each sample one token a forward, and what another wrote is seen by whole lines
   (docs/modes.md, "The symbolic workers"): in contiguous and combined layouts those whose last
   token an earlier forward sampled, in the interleaved one those of steps whose blank line it did,
   in the independent one none. */
MUST_CHECK status search_run(search_result *out, const countdown_problem *problem,
                             const search_options *options, uint64_t seed, const hash *task,
                             uint32_t repeat, arena *memory, detail *err);
void search_close(search_result *r);
int search_solved(const search_result *r); /* with its answer restated, where the search does */

/* The costs of a result by the definitions of docs/schema.md, in Llama-2 tokens (hogwild: in those
   of its options). */
typedef struct search_costs {
  int64_t tokens_generated, tokens_injected, tokens_prompt, tokens_total;
  int64_t critical_path, critical_path_injected, longest_sequence, context_peak, wait_steps;
} search_costs;

/* Where a thread lies in logical time: its n-th token is at start + n. */
typedef struct search_times {
  int64_t tokens_prompt, tokens_fed, tokens_generated, tokens_seen;
  int64_t start, end, wait;
  int64_t spawn_token, join_token; /* in the parent's generated tokens; -1 for the root */
} search_times;

/* times: [thread_count]. */
search_costs search_account(const search_result *r, search_times *times);

/* What the model's context held at a turn, its end included: everything but the cut spans of
   earlier turns. Spans of generated text that earlier turns wrote are marked kept. */
typedef struct turn_span {
  const char *kind;    /* "prompt", "kept", "fed", "generated" */
  size_t start, bytes; /* of the turn's text */
} turn_span;
int search_turns(const search_thread *t); /* sequences of a thread, at least one */
/* Appends the turn's text to out; spans: [span_count]. Returns how many spans. */
int search_turn(const search_thread *t, int turn, text *out, turn_span *spans);

#endif
