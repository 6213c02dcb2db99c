/* The one table of cases that every backend and path is tested with: an operation on drawn inputs
   of some shape. A case gives the same bytes wherever it runs, for all rows at once or for some. */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

#include "kernels/kernels.h"
#include "tests/support/support.h"

/* An assertion for inner loops: Check's own tell the parent of each that holds. */
#define must(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) ck_abort_msg("%s", #condition);                                              \
  } while (0)
#define must_msg(condition, ...)                                                                   \
  do {                                                                                             \
    if (!(condition)) ck_abort_msg(__VA_ARGS__);                                                   \
  } while (0)

typedef enum case_operation {
  CASE_EMBED,
  CASE_NORM_ADD,
  CASE_PRODUCT,
  CASE_ATTENTION, /* rope_append of all tokens, then attention of the last ones over the pages */
  CASE_SWIGLU,
  CASE_GATHER,
  CASE_SAMPLE,
  CASE_SPLICE /* as CASE_ATTENTION of the same draws, but the tokens are appended elsewhere and
                 spliced to their slots, and every page is copied, swapped out and swapped in */
} case_operation;

/* What the rows of an attention case see. */
typedef enum case_view {
  VIEW_PLAIN,   /* one segment, causal, positions from 0 */
  VIEW_EMPTY,   /* spans without keys before, between and after, and a row that sees nothing */
  VIEW_SHIFTED, /* three segments in another order for each row, at positions with gaps */
  VIEW_MANY,    /* up to twelve spans of 0 to 40 keys */
  VIEW_LONG     /* one span of up to 700 keys and a short one */
} case_view;

typedef struct kernel_case {
  case_operation operation;
  int rows, n, k; /* n, k: of products; n alone is a width or a vocabulary */
  int heads, kv_heads, head_size, page_keys;
  case_view view;
  int further; /* whether the optional argument is there: delta, bias, gains */
  int turn;    /* of a splice */
} kernel_case;

extern const kernel_case kernel_cases[];
extern const size_t kernel_cases_count;

/* Zeroed memory that lasts until case_forget; all that a case hands out is such. */
void *case_take(size_t count, size_t bytes);
void case_forget(void);

/* Draws that mix ordinary numbers with zeros, denormals, and large ones that cancel. */
float case_number(random_stream *s);
random_stream case_stream(const char *name);

/* Outputs of a run: rows of equal size. */
typedef struct case_bytes {
  unsigned char *data; /* until case_forget */
  size_t bytes, row_bytes;
} case_bytes;

/* Runs rows first to first + count - 1 of a case on a backend opened with this compute, threads and
   paths. Outputs are poisoned before and have sentinels around them, which are checked. */
case_bytes case_run(const kernels *k, const kernel_case *c, const device_options *how, int first,
                    int count);

/* "product rows 17 n 33 k 100", for messages; lives until the next call. */
const char *case_name(const kernel_case *c);

/* The drawn world of an attention case, for oracles. Rows are the last tokens. */
enum { CASE_ENTRIES_MAX = 12 };
typedef struct case_entry {
  int segment, keys, position;
} case_entry;

typedef struct case_view_of_row {
  int entries, next_position; /* the row's own position is next_position - 1 */
  case_entry entry[CASE_ENTRIES_MAX];
} case_view_of_row;

typedef struct case_world {
  const kernel_case *c;
  int segments, tokens;    /* tokens of all segments together */
  int length[16];          /* [segments] */
  int start[16];           /* [segments] the first token of each, and its first page likewise: */
  int first_page[16];      /* where its pages start in plan.pages */
  int pages;               /* of the device; the last one is spare */
  int32_t *home;           /* [tokens] the slot that the read plan's pages have for each */
  float *qkv;              /* [tokens, heads + 2 kv_heads, head_size] */
  case_view_of_row *views; /* [rows] */
  int positions;           /* the rotary table's */
  float *rope, *q_gain, *k_gain; /* gains are NULL without `further` */
  step_plan write, read;         /* all tokens; all rows */
} case_world;

case_world case_world_of(const kernel_case *c);

#endif
