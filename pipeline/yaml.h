/* YAML (libyaml) as a tree of nodes that know their lines, for files that people write: one
   document, no anchors, aliases, tags or complex keys, each key once, bounded size and depth.

   Plain scalars are read by the core schema of YAML 1.2 (section 10.3.2), so `no` is text and 010
   is ten; quoted ones are text. JSON is read as it stands, since it is a subset. Infinities, NaN
   and integers beyond 64 bits are refused, and reals are rounded to 15 digits: what is read can be
   written as canonical JSON and read again without a change. Pure. */
#ifndef PIPELINE_YAML_H
#define PIPELINE_YAML_H

#include "base/arena.h"

enum {
  YAML_BYTES_MAX = 8 << 20,
  YAML_DEPTH_MAX = 32,
  YAML_KEYS_MAX = 256,         /* in one mapping */
  YAML_NODES_MAX = 1000000,    /* in the document */
  YAML_ARENA_BYTES = 256 << 20 /* enough for every document within these bounds */
};

typedef enum yaml_kind {
  YAML_NULL,
  YAML_BOOLEAN,
  YAML_INTEGER,
  YAML_REAL,
  YAML_TEXT,
  YAML_LIST,
  YAML_MAP
} yaml_kind;

typedef struct yaml_node yaml_node;
struct yaml_node {
  yaml_kind kind;
  int line;         /* where its value starts, from 1 */
  int key_line;     /* where its key starts; line itself outside a mapping */
  const char *key;  /* its name in a mapping; NULL elsewhere */
  const char *text; /* a scalar as it was written, without quotes; NULL for lists and mappings */
  int64_t integer;  /* of an integer; of a boolean 0 or 1 */
  double real;      /* of an integer or a real */
  size_t count;     /* of children */
  const yaml_node *first, *next; /* the first child; the next sibling */
};

/* Reads one document; the tree lives in memory until that is reset or closed. name is for messages.
   E_INPUT with file, line and what was expected; E_MEMORY. */
MUST_CHECK status yaml_read(const yaml_node **out, arena *memory, const char *bytes, size_t count,
                            const char *name, detail *err);

const yaml_node *yaml_find(const yaml_node *map, const char *key); /* NULL where it is not there */
const char *yaml_kind_name(yaml_kind kind);                        /* "a list" */

/* A word of a file as a message can hold it: its beginning, at most 48 bytes. Returns out. */
enum { YAML_SHOWN_BYTES = 56 };
const char *yaml_shown(const char *word, char out[YAML_SHOWN_BYTES]);

#endif
