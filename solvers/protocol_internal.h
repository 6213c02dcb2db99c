/* Behind solvers/protocol.h: a protocol is a table of functions in a file of its own, with what it
   took from the parameters. */
#ifndef SOLVERS_PROTOCOL_INTERNAL_H
#define SOLVERS_PROTOCOL_INTERNAL_H

#include "base/arena.h"
#include "base/pattern.h"
#include "solvers/option.h"
#include "solvers/protocol.h"

/* What preset `published` stands for where the parameter is absent. */
typedef struct protocol_setting {
  const char *key;
  option_type type; /* OPTION_INTEGER or OPTION_REAL */
  double value;
} protocol_setting;

/* A parameter that the protocol has no use for. */
typedef struct protocol_unused {
  const char *key, *why;
} protocol_unused;

typedef struct protocol_table {
  const char *name, *rules, *kind;
  const protocol_setting *preset; /* ends with a key of NULL */
  const protocol_unused *unused;  /* ends with a key of NULL */
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
} protocol_table;

struct protocol {
  const protocol_table *table;
  arena *memory; /* of the texts below */
  int votes_literally;
  int finisher_tokens;  /* 0: no finisher */
  int64_t label_tokens; /* 0: no label */
  const char *template, *finisher_text;
  const char **stops;
  int stop_count;
  pattern *answer; /* NULL: all that was written */
};

extern const protocol_table protocol_countdown_sos, protocol_countdown_sosp, protocol_generic;

/* A parameter's text, copied; NULL: there is none. */
MUST_CHECK status protocol_keep(protocol *p, const json_t *value, const char **out, detail *err);

#endif
