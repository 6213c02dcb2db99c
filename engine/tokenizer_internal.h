/* Private to the tokenizer: what a file becomes, and the parts that turn text into ids.

   A text passes as a sheet: its bytes and the pieces that it is cut into. A stage rewrites bytes or
   cuts pieces, each piece by itself; a piece that has become a token is left alone. At the end the
   model turns every piece into ids. */
#ifndef ENGINE_TOKENIZER_INTERNAL_H
#define ENGINE_TOKENIZER_INTERNAL_H

#include "base/arena.h"
#include "base/json.h"
#include "engine/tokenizer.h"

typedef struct token {
  const char *bytes;   /* as the file has it; NULL: no token has this id */
  const char *decoded; /* what a decoder gets: an added token's is normalised as texts are */
  uint32_t count, decoded_count;
  uint8_t in_model, is_added, is_special; /* special: a decoder may skip it */
  uint8_t is_declared_special;            /* by the file, of an added token */
  uint8_t single_word, strips_left, strips_right, is_normalized; /* of an added token */
} token;

/* Names of tokens, by open addressing. Both tables refuse contents that make a search long. */
typedef struct name_slot {
  uint32_t tag;
  int32_t next_to; /* the id plus 1; 0: free */
} name_slot;
typedef struct name_table {
  name_slot *slots;
  size_t mask;
} name_table;

typedef struct merge_slot {
  uint64_t pair; /* left id, right id */
  int32_t rank;
  int32_t next_to; /* the result's id plus 1; 0: free */
} merge_slot;
typedef struct merge_table {
  merge_slot *slots;
  size_t mask;
} merge_table;

typedef struct tokenizer_pattern tokenizer_pattern;

typedef enum stage_kind {
  STAGE_PREPEND, /* content, where the text is not empty */
  STAGE_PREFIX,  /* content, where the text does not start with it; only_first: and is the first */
  STAGE_REPLACE, /* matches of the pattern by content */
  STAGE_FORM,    /* a normal form of Unicode */
  STAGE_LOWERCASE,
  STAGE_STRIP, /* whitespace at the ends */
  STAGE_STRIP_ACCENTS,
  STAGE_BYTES, /* bytes by their letters */
  STAGE_SPLIT, /* cuts by matches of the pattern */
} stage_kind;

typedef enum split_behavior {
  SPLIT_ISOLATED,
  SPLIT_REMOVED,
  SPLIT_WITH_PREVIOUS,
  SPLIT_WITH_NEXT,
  SPLIT_CONTIGUOUS,
} split_behavior;

typedef struct stage {
  stage_kind kind;
  const char *content;
  size_t content_bytes;
  tokenizer_pattern *pattern;
  split_behavior behavior;
  int inverted;            /* STAGE_SPLIT: what matches is what lies between matches */
  int only_first;          /* STAGE_PREFIX */
  int composes, is_compat; /* STAGE_FORM */
  int left, right;         /* STAGE_STRIP */
} stage;

typedef enum decode_kind {
  DECODE_REPLACE,
  DECODE_BYTE_LEVEL,
  DECODE_BYTE_FALLBACK,
  DECODE_FUSE,
  DECODE_STRIP,
  DECODE_METASPACE,
  DECODE_JOIN, /* a space between tokens: what stands for no decoder */
} decode_kind;

typedef struct decode_stage {
  decode_kind kind;
  tokenizer_pattern *pattern; /* DECODE_REPLACE */
  const char *content;        /* its replacement; the character of DECODE_STRIP, DECODE_METASPACE */
  size_t content_bytes;
  int start, stop; /* DECODE_STRIP: characters at most */
  int is_first_bare;
} decode_stage;

enum { STAGES_MAX = 32, NEAR_BITS = 1 << 20, LOW_POINTS = 0x250 };

/* Added tokens by their bytes: nodes of a trie, from (node, byte) to node. */
typedef struct trie_slot {
  uint64_t edge; /* node << 8 | byte, plus 1; 0: free */
  int32_t node;
} trie_slot;
typedef struct trie {
  trie_slot *slots;
  size_t mask;
  int32_t *ends; /* [nodes]: the id plus 1 of the token that ends there */
  int32_t nodes;
  uint8_t starts[256]; /* whether a token starts with this byte */
} trie;

typedef enum model_kind { MODEL_BPE, MODEL_WORD_LEVEL } model_kind;
enum { UNKNOWN_NONE = -1, UNKNOWN_ABSENT = -2 }; /* none named; one that is not in the vocabulary */

struct tokenizer {
  arena *memory; /* all that is below */
  token *tokens; /* [size] */
  int32_t size;
  name_table model_names, added_names;
  trie plain, normalized; /* added tokens that are met before and after the normaliser */

  model_kind model;
  merge_table merges;
  int32_t unknown; /* an id, or UNKNOWN_NONE or UNKNOWN_ABSENT */
  int fuses_unknown, falls_back, ignores_merges;
  int32_t byte_ids[256];   /* of <0x00> to <0xFF>, or -1 */
  int32_t low[LOW_POINTS]; /* of single characters below, or -1 */
  uint8_t *near;           /* [NEAR_BITS / 8]: pairs of characters that a merge may join */

  stage normalizers[STAGES_MAX], splitters[STAGES_MAX];
  int normalizer_count, splitter_count;
  decode_stage decoders[STAGES_MAX];
  int decoder_count;
  int32_t *before, *after; /* [before_count], [after_count]: around a text */
  int before_count, after_count;
  tokenizer_pattern *patterns; /* all, to be given back */
};

/* Reading. */
typedef struct reader {
  tokenizer *t;
  const char *name; /* of the file */
  detail *err;
} reader;

/* E_INPUT: what is wrong with a field of the file. */
MUST_CHECK status reader_refuse(const reader *r, const char *where, const char *format, ...)
    PRINTF_LIKE(3, 4);
MUST_CHECK status reader_full(const reader *r); /* the arena had no more */
/* Every key of an object must be among known's words. */
MUST_CHECK status reader_keys(const reader *r, const char *where, const json_t *object,
                              const char *known);
MUST_CHECK status reader_flag(const reader *r, const char *where, const json_t *object,
                              const char *key, int *flag); /* unchanged where it is not there */
/* A string; its bytes are copied into the arena. E_INPUT where it is missing. */
MUST_CHECK status reader_string(const reader *r, const char *where, const json_t *object,
                                const char *key, const char **out, size_t *bytes);
/* The same for a string of one character. */
MUST_CHECK status reader_character(const reader *r, const char *where, const json_t *object,
                                   const char *key, const char **out, size_t *bytes);
/* "type", or "" where there is none; and what is said of one that is not known. */
const char *reader_type(const json_t *value);
MUST_CHECK status reader_refuse_type(const reader *r, const char *where, const json_t *value);
/* An integer of 0 to below limit. */
MUST_CHECK status reader_integer(const reader *r, const char *where, const json_t *object,
                                 const char *key, int64_t limit, int64_t *out);
/* {"String": ...} or {"Regex": ...}. */
MUST_CHECK status reader_pattern(const reader *r, const char *where, const json_t *object,
                                 tokenizer_pattern **out);
MUST_CHECK status reader_normalizers(const reader *r, const json_t *value);
MUST_CHECK status reader_splitters(const reader *r, const json_t *value);
MUST_CHECK status reader_decoders(const reader *r, const json_t *value);
MUST_CHECK status reader_ends(const reader *r, const json_t *value); /* the post-processor */
MUST_CHECK status reader_model(const reader *r, const json_t *value, const json_t *added);
MUST_CHECK status reader_added(const reader *r, const json_t *value);

/* A piece of somebody's text for a message. Returns out. */
enum { SHOWN_BYTES = 64 };
const char *reader_shown(const char *bytes, size_t count, char out[SHOWN_BYTES]);

/* Tables. */
MUST_CHECK status names_take(name_table *table, const reader *r, size_t count);
/* Adds an id by its token's bytes; *other gets the id that has them already, or -1. */
MUST_CHECK status names_add(name_table *table, const reader *r, int32_t id, int32_t *other);
int32_t names_find(const name_table *table, const tokenizer *t, const char *bytes, size_t count);
MUST_CHECK status merges_take(merge_table *table, const reader *r, size_t count);
/* A pair that is there already gets the new rank. */
MUST_CHECK status merges_add(merge_table *table, const reader *r, int32_t left, int32_t right,
                             int32_t rank, int32_t result);
const merge_slot *merges_find(const merge_table *table, int32_t left, int32_t right);
uint64_t tokenizer_hash(const char *bytes, size_t count);

MUST_CHECK status trie_take(trie *out, const reader *r, size_t bytes);
MUST_CHECK status trie_add(trie *out, const reader *r, const char *bytes, size_t count, int32_t id,
                           int32_t *other);
/* The longest token at the start of bytes: its id and length; -1: there is none. */
int32_t trie_find(const trie *t, const char *bytes, size_t count, size_t *length);

/* Characters. Sets as Rust's standard library and the regex crate have them. */
size_t point_read(const char *bytes, size_t count, int32_t *point); /* of well-formed UTF-8 */
size_t point_write(int32_t point, char out[4]);
int point_is_space(int32_t point);
int point_is_numeric(int32_t point);
int point_is_punctuation(int32_t point);
int point_is_word(int32_t point);
int point_is_mark(int32_t point);

/* Where the library's Unicode is not that of PCRE2 and utf8proc. */
typedef struct unicode_range {
  int32_t first, last;
  const char *category; /* "Lu"; "" in tables of one kind */
} unicode_range;
const unicode_range *unicode_newer(size_t *count);
const char *unicode_newer_category(int32_t point); /* "" where PCRE2 knows it */
int unicode_is_late_punctuation(int32_t point);
int unicode_is_late_mark(int32_t point);
int unicode_is_late_decomposition(int32_t point);
int32_t unicode_newer_small(int32_t point); /* of a capital; else the point itself */

int32_t point_byte(int32_t letter); /* the byte that a letter of byte-level tokens stands for; -1 */
int32_t byte_letter(uint8_t byte);

/* Patterns: PCRE2's, a string, or a set of characters. Read-only once made; a matcher is a
   thread's own. */
typedef int point_set(int32_t point);
MUST_CHECK status pattern_regex(tokenizer_pattern **out, const reader *r, const char *where,
                                const char *source, size_t bytes);
MUST_CHECK status pattern_string(tokenizer_pattern **out, const reader *r, const char *where,
                                 const char *bytes, size_t count);
MUST_CHECK status pattern_points(tokenizer_pattern **out, const reader *r, point_set *set);
void pattern_close_all(tokenizer_pattern *first);
/* Writes a regular expression of Oniguruma's as PCRE2 reads it. What the two read differently and
   has no translation is refused by name. */
MUST_CHECK status pattern_translate(text *out, const reader *r, const char *where,
                                    const char *source, size_t bytes);

typedef struct matcher matcher;
MUST_CHECK status matcher_open(matcher **out, detail *err);
void matcher_close(matcher *m); /* NULL is a no-op */

/* A walk over matches as Oniguruma's find_iter goes: an empty match directly behind another is not
   one. */
typedef struct match_walk {
  const tokenizer_pattern *pattern;
  const char *bytes;
  size_t count, at, last_end;
  int has_last;
} match_walk;
void match_start(match_walk *w, const tokenizer_pattern *p, const char *bytes, size_t count);
/* *found is 0 at the end. E_LIMIT when the pattern does not come to an end. */
MUST_CHECK status match_next(matcher *m, match_walk *w, int *found, size_t *start, size_t *end,
                             detail *err);

/* Pieces. */
typedef struct piece {
  uint32_t at, bytes;
  int32_t id;       /* of a token that stands here, or -1: text */
  int32_t is_first; /* whether it starts where the whole text starts */
} piece;
typedef struct piece_list {
  piece *pieces; /* [count] */
  size_t count, capacity;
  status failed;
} piece_list;

typedef struct symbol {
  int32_t id;            /* -1: merged into the one before */
  int32_t before, after; /* -1: none */
} symbol;
typedef struct candidate {
  uint64_t order; /* rank, then place */
  int32_t result;
} candidate;

enum { WORD_KEY_MAX = 44, WORD_IDS_MAX = 18, WORD_SLOTS = 1 << 14 };
typedef struct word_slot {
  uint32_t tag;
  uint8_t bytes, ids; /* bytes 0: free */
  char key[WORD_KEY_MAX];
  int32_t id[WORD_IDS_MAX];
} word_slot;

struct encoder {
  const tokenizer *t;
  matcher *m;
  text now, next; /* bytes of the sheet, and of the one that a stage writes */
  piece_list pieces, made;
  symbol *symbols;
  candidate *heap;
  size_t symbol_capacity, heap_count, heap_capacity;
  word_slot *words; /* [WORD_SLOTS]: what words became */
  int32_t *points;  /* scratch of normal forms */
  size_t point_capacity;
};

void piece_add(piece_list *list, size_t at, size_t bytes, int32_t id, int is_first);
/* One stage over the sheet. */
MUST_CHECK status encoder_stage(encoder *e, const stage *s, detail *err);
MUST_CHECK status encoder_split(encoder *e, const stage *s, const piece *p, detail *err);
/* Appends what becomes of one piece to e->next. */
MUST_CHECK status encoder_rewrite(encoder *e, const stage *s, const piece *p, detail *err);
MUST_CHECK status encoder_added(encoder *e, const trie *added, detail *err);
MUST_CHECK status encoder_word(encoder *e, const char *bytes, size_t count, token_list *list,
                               detail *err);
MUST_CHECK status token_list_add(token_list *list, const int32_t *ids, size_t count, detail *err);
/* The normaliser over every piece of the sheet. */
MUST_CHECK status encoder_normalize(encoder *e, detail *err);
/* From the input up to the model: the pieces stand in e->pieces. */
MUST_CHECK status encoder_cut(encoder *e, const char *bytes, size_t count, detail *err);
/* Prepares the model's tables for encoding, once a vocabulary is read. */
MUST_CHECK status tokenizer_index(const reader *r);

#endif
