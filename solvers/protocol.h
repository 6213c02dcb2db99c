/* How a task is put to a model and how its answer is read: the prompt, the strings that end a
   thread, the answer in a text, what votes are counted by, and the finisher. Modes and protocols
   vary independently.

     countdown-sos   Stream of Search: one search, which ends at its first goal line
     countdown-sosp  SoS+: after the first goal line the solution is restated from the root
     countdown-apr   APR: a search that calls for children and goes on with what they return
     countdown-apr-serial  the same search written in one context: APR's control
     countdown-hogwild  workers that read each other's search as they write it
     generic         a prompt template and an answer pattern, for other questions
     generic-hogwild the same for workers that read each other: Hogwild! Inference (arXiv
                     2504.06261), with the headers, steps and questions of its released programs

   A protocol is opened for a run with its resolved parameters and is only read then: any threads
   may share it. Parameters by which protocols differ, beside those of the mode:

     preset           "published": the settings of the published evaluation, where nothing else is
                      said. generic has none. generic-hogwild has "published-first" beside it, the
                      words of the program's first release, and takes "published" where none is said
     label.tokens     countdown-sosp: "Token Budget: n " before the prompt, as SoS+ was trained
     label.children   countdown-apr: "Sub Call Budget: n " before the parent's prompt
     prompt           generic, as in what follows also generic-hogwild: the template; "{question}"
                      stands for the task's question, "{{" and "}}" for braces
     answer           generic: a pattern (base/pattern.h). Its last match is the answer, its first
                      group where it has one; without it all that was written is
     stop             generic alone: strings that end a thread
     names, header.*, step.*, redundancy.*, until
                      generic-hogwild: what its workers are called, read and are asked, where a step
                      ends, and what ends all of them (docs/modes.md)
     finisher.text    generic: what is fed to ask for the answer; those of Countdown have their own
                      words, and countdown-sos nothing to ask for
     finisher.tokens  how many tokens may be sampled behind it; without it there is no finisher
     vote_key         "canonical": the meaning of an answer (Countdown: the expression tree;
                      generic: a number's value); "literal": its text */
#ifndef SOLVERS_PROTOCOL_H
#define SOLVERS_PROTOCOL_H

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"

typedef struct protocol protocol;

/* Of any text that a protocol writes. */
enum { PROTOCOL_TEXT_BYTES_MAX = 64 << 20 };

/* Their names, NULL-terminated, in the order above. */
extern const char *const protocol_names[];

/* For a mode's resolve: fills what the preset and the protocol's defaults give, and refuses what
   does not fit the protocol. What this made is accepted unchanged. E_INPUT, E_MEMORY. */
MUST_CHECK status protocol_resolve(json_t *parameters, detail *err);

/* E_INPUT names the parameter; E_MEMORY. Copies what it needs. */
MUST_CHECK status protocol_open(protocol **out, const json_t *parameters, detail *err);
void protocol_close(protocol *p); /* NULL is a no-op */

const char *protocol_name(const protocol *p);
const char *protocol_rules(const protocol *p); /* "countdown-sosp-1": another where texts change */
const char *protocol_kind(const protocol *p);  /* of the task sets that it can put */
/* The kind of a protocol by its name, before one is open; NULL: no such protocol. */
const char *protocol_kind_of(const char *name);
/* The same of whether its threads may call for children. */
int protocol_calls_of(const char *name);

/* Appends the prompt. E_INPUT: a target that is not of the protocol's kind; out's errors. */
MUST_CHECK status protocol_prompt(const protocol *p, const char *question, const char *target,
                                  text *out, detail *err);
const char *const *protocol_stops(const protocol *p, int *count);

/* Reads the answer in a thread's text: appends it, and *found is 1, or appends nothing and *found
   is 0. What stands before from gives no answer: it is the prompt; or, where the thread was fed
   what its children returned, or was asked by a finisher, all that it held before. */
MUST_CHECK status protocol_answer(const protocol *p, const char *bytes, size_t count, size_t from,
                                  text *out, int *found, detail *err);
/* Appends what an answer's vote counts for; *found 0: it counts for nothing. answer may be NULL. */
MUST_CHECK status protocol_vote_key(const protocol *p, const char *target, const char *answer,
                                    text *out, int *found, detail *err);

/* Whether a thread that ran into its limit is asked for its answer; how many tokens that may take.
 */
int protocol_has_finisher(const protocol *p);
int protocol_finisher_tokens(const protocol *p);
/* Appends what is fed to a thread whose own text is bytes; nothing where there is nothing to ask
   for: the text of a countdown-sosp thread may hold its whole answer when it meets its limit. */
MUST_CHECK status protocol_finisher(const protocol *p, const char *target, const char *bytes,
                                    size_t count, text *out, detail *err);

/* ---- threads that call for children ---------------------------------------------------------- */

typedef struct protocol_child {
  const char *node;   /* as the call names it: "0,1" */
  const char *prompt; /* [prompt_bytes]; NULL: the thread has not shown such a node */
  size_t prompt_bytes;
} protocol_child;

typedef struct protocol_call {
  size_t at;                /* the thread's text before this byte is kept; the call itself is cut */
  int count;                /* may be 0: a call that names nobody */
  protocol_child *children; /* [count] in the order of the call */
} protocol_call;

int protocol_calls(const protocol *p); /* whether its threads may call for children */
/* What is fed in place of a stop string and what follows it, where the thread does not end there:
   the model wrote what only a join writes, and is made to call. NULL: the string ends it. */
const char *protocol_rewrite(const protocol *p, int which);
/* Reads the call at the end of a thread's text, from memory; *found 0: it ends without one. */
MUST_CHECK status protocol_read_call(const protocol *p, const char *bytes, size_t count,
                                     arena *memory, protocol_call *out, int *found, detail *err);
/* Appends what a child that wrote this text returns; *found 0: no solution. What its own children
   returned to it is not to be in the text. */
MUST_CHECK status protocol_returned(const protocol *p, const char *bytes, size_t count, text *out,
                                    int *found, detail *err);
/* Appends what the caller is fed: returned is [call->count], NULL where there is no solution.
   level: the children's, from 1. */
MUST_CHECK status protocol_join(const protocol *p, const protocol_call *call,
                                const char *const *returned, int level, text *out, detail *err);

/* ---- workers that read each other ------------------------------------------------------------ */

/* How the words of a protocol are written that its workers read beside what they write. */
typedef enum protocol_word {
  PROTOCOL_PAST,      /* behind the prompt, before the steps that are done; may be empty */
  PROTOCOL_OTHERS,    /* before the unfinished steps of the others */
  PROTOCOL_OWN,       /* behind these, before the worker's own */
  PROTOCOL_SPLIT,     /* the same where steps are never done */
  PROTOCOL_WORKSPACE, /* with what a worker begins where steps are never done */
  PROTOCOL_IDENTITY,  /* behind the prompt of a worker that sees nobody; may be empty */
  PROTOCOL_STEP,  /* with what it begins a step where they are: its name and the step's number */
  PROTOCOL_CHECK, /* behind that, at times: whether its work is redundant */
  PROTOCOL_CUT,   /* behind a step that nobody will finish */
  PROTOCOL_WORDS
} protocol_word;

/* What ends all workers, beside a limit, and whose answer is the sample's. */
typedef enum protocol_until {
  PROTOCOL_UNTIL_ANSWER, /* a step that is done and has an answer, or an end of sequence; the last
                            answer */
  PROTOCOL_UNTIL_END,    /* an end of sequence; the last answer */
  PROTOCOL_UNTIL_ALL,    /* each ends for itself; the last answer */
  PROTOCOL_UNTIL_SOLVED  /* the first that ends and has an answer, which is the sample's; who ends
                            without one only leaves */
} protocol_until;

/* Whether a protocol's threads may be workers, by its name, before one is open. */
int protocol_works_of(const char *name);
/* Appends the words; worker counts from 0, step from 1: those of PROTOCOL_STEP end with a greeting
   in the first one. */
MUST_CHECK status protocol_words(const protocol *p, protocol_word which, uint32_t worker,
                                 int64_t step, text *out, detail *err);
/* Whether a step that was cut off by the protocol's stop string is done; bytes are all of it. */
int protocol_step_ends(const protocol *p, const char *bytes, size_t count);
/* The check is due when more tokens than this were put in since the last one; INT64_MAX: never. */
int64_t protocol_check_tokens(const protocol *p);

protocol_until protocol_workers_until(const protocol *p);

/* Most tokens that a worker is fed by one forward: a constant of all protocols. */
enum { PROTOCOL_FEED_TOKENS = 64 };

/* The length of a thread's text in Llama-2 tokens without begin and end of sequence; -1 where that
   cannot be said without that tokenizer's file (text outside the language of Countdown traces). */
int64_t protocol_ref_tokens(const protocol *p, const char *bytes, size_t count);

#endif
