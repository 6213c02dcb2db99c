/* Behind solvers/protocol.h: a protocol is a table of functions in a file of its own, with what it
   took from the parameters. */
#ifndef SOLVERS_PROTOCOL_INTERNAL_H
#define SOLVERS_PROTOCOL_INTERNAL_H

#include "base/pattern.h"
#include "solvers/countdown.h"
#include "solvers/option.h"
#include "solvers/protocol.h"

/* What preset `published` stands for where the parameter is absent. */
typedef struct protocol_setting {
  const char *key;
  option_type type; /* OPTION_INTEGER or OPTION_REAL */
  double value;
} protocol_setting;

/* All that sampling depends on, so that no setting of a model's own mixes into the published ones.
 */
#define PROTOCOL_PUBLISHED(top_k, begins)                                                          \
  {"sampling.temperature", OPTION_REAL, 0}, {"sampling.top_k", OPTION_INTEGER, (top_k)},           \
      {"sampling.top_p", OPTION_REAL, 1}, {"sampling.min_p", OPTION_REAL, 0},                      \
      {"begin", OPTION_INTEGER, (begins)}, {"limit.context", OPTION_INTEGER, 4096}, {              \
    NULL, 0, 0                                                                                     \
  }

/* A parameter that the protocol has no use for. */
typedef struct protocol_unused {
  const char *key, *why;
} protocol_unused;

/* Of protocols that put problems in the language of Countdown traces. */
#define PROTOCOL_OWN_LANGUAGE                                                                      \
  {"prompt", "it puts a problem in the words that its models were trained on"},                    \
      {"answer", "it reads the answer in its traces"}, {                                           \
    "stop", "its traces end with an end of sequence"                                               \
  }

/* Of protocols whose threads call for children; as their namesakes in protocol.h. */
typedef struct protocol_calling {
  const char *(*rewrite)(int which);
  MUST_CHECK status (*read_call)(const char *bytes, size_t count, arena *memory, protocol_call *out,
                                 int *found, detail *err);
  int (*returned)(const char *bytes, size_t count, text *out); /* 0: no solution */
  void (*join)(const protocol_call *call, const char *const *returned, int level, text *out);
} protocol_calling;

enum { PROTOCOL_NAMES_MAX = OPTION_TEXTS_MAX };

/* Of protocols whose threads may be workers: their words, where {worker} stands for a worker's
   name, {number} for its number from 1, {workers} for how many there are and {step} for its step's
   number; and where a step ends. */
typedef enum protocol_rule {
  RULE_SEPARATOR, /* every separator ends a step */
  RULE_SENTENCE,  /* one that stands behind the end of a sentence, */
  RULE_CLOSED     /* and in no fence of code or formulas */
} protocol_rule;

typedef struct protocol_steps {
  const char *word[PROTOCOL_WORDS];     /* NULL: none */
  const char *opening, *greeting;       /* of the first worker's first step, and of the others' */
  const char *name[PROTOCOL_NAMES_MAX]; /* [names] of the first workers */
  int names;
  int64_t workers; /* how many there are */
  const char *separator;
  protocol_rule rule;
  protocol_until until;
  int64_t check_tokens;
} protocol_steps;

typedef struct protocol_table {
  const char *name, *rules, *kind;
  const protocol_setting *preset; /* ends with a key of NULL */
  const protocol_unused *unused;  /* ends with a key of NULL */
  /* Fills its presets' texts and own defaults where nothing is said. NULL: it has none. */
  MUST_CHECK status (*settle)(json_t *parameters, detail *err);
  /* Takes what is its own. NULL: it has nothing of its own. */
  MUST_CHECK status (*take)(protocol *p, const json_t *parameters, detail *err);
  /* The others as their namesakes in protocol.h. */
  MUST_CHECK status (*prompt)(const protocol *p, const char *question, const char *target,
                              text *out, detail *err);
  MUST_CHECK status (*answer)(const protocol *p, const char *bytes, size_t count, size_t from,
                              text *out, int *found, detail *err);
  /* The canonical key of an answer. */
  MUST_CHECK status (*vote_key)(const char *target, const char *answer, text *out, int *found,
                                detail *err);
  MUST_CHECK status (*finisher)(const protocol *p, const char *target, const char *bytes,
                                size_t count, text *out, detail *err);
  int64_t (*ref_tokens)(const char *bytes, size_t count); /* NULL: not known */
  const protocol_calling *calling;                        /* NULL: its threads call for nobody */
  int works;                                              /* its threads may be workers */
} protocol_table;

struct protocol {
  const protocol_table *table;
  arena *memory; /* of the texts below */
  int votes_literally;
  int finisher_tokens;    /* 0: no finisher */
  int64_t label_tokens;   /* 0: no label */
  int64_t label_children; /* -1: no label */
  const char *template, *finisher_text;
  const char *const *stops;
  int stop_count;
  pattern *answer;       /* NULL: all that was written */
  protocol_steps *steps; /* NULL: its threads are no workers */
};

extern const protocol_table protocol_countdown_sos, protocol_countdown_sosp, protocol_countdown_apr,
    protocol_countdown_apr_serial, protocol_countdown_hogwild, protocol_generic,
    protocol_generic_hogwild;

/* ---- what the protocols of Countdown traces share -------------------------------------------- */

/* "Current State: 27:[53, 22, 31, 26], Operations: []" */
void protocol_put_root(const countdown_problem *p, text *out);
/* As those of the table: of traces that restate their solution. */
MUST_CHECK status protocol_recap_answer(const protocol *p, const char *bytes, size_t count,
                                        size_t from, text *out, int *found, detail *err);
MUST_CHECK status protocol_recap_finisher(const protocol *p, const char *target, const char *bytes,
                                          size_t count, text *out, detail *err);
MUST_CHECK status protocol_countdown_key(const char *target, const char *answer, text *out,
                                         int *found, detail *err);
/* APR's read_call. */
MUST_CHECK status protocol_apr_call(const char *bytes, size_t count, arena *memory,
                                    protocol_call *out, int *found, detail *err);

/* For take: a copy of these for p, whose threads its separator interrupts from now on. */
MUST_CHECK status protocol_begin_steps(protocol *p, const protocol_steps *like,
                                       const json_t *parameters, detail *err);
/* Refuses words that name something in braces which nobody knows. E_INPUT names the parameter. */
MUST_CHECK status protocol_check_words(const char *key, const char *words, detail *err);

/* A parameter's text, copied; NULL: there is none. */
MUST_CHECK status protocol_keep(protocol *p, const json_t *value, const char **out, detail *err);

#endif
