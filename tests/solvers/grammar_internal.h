/* The parts of the oracle: lines, parsed one at a time, and the steps that a search is made of. */
#ifndef TESTS_GRAMMAR_INTERNAL_H
#define TESTS_GRAMMAR_INTERNAL_H

#include "tests/solvers/grammar.h"

/* name, what messages call it, the whole line. %T the target, %N a number, %L a list of numbers, %O
   a list of operations, %o an operation, %I a node id, %V a level, %K an ordinal. Numbers are bare
   decimals. LINE_NONE stands before LINE_NONE_END, its form at the end of an SoS text. */
#define LINE_LIST(X)                                                                               \
  X(LINE_STATE, "Current State", "Current State: %T:%L, Operations: %O\n")                         \
  X(LINE_EXPLORE, "Exploring Operation", "Exploring Operation: %o, Resulting Numbers: %L\n")       \
  X(LINE_GENERATED, "Generated Node", "Generated Node #%I: %T:%L Operation: %o\n")                 \
  X(LINE_MOVE, "Moving to Node", "Moving to Node #%I\n")                                           \
  X(LINE_FAIL, "unequal: No Solution", "%N,%T unequal: No Solution\n")                             \
  X(LINE_GOAL, "equal: Goal Reached", "%N,%T equal: Goal Reached\n")                               \
  X(LINE_NONE, "No solution found.", "No solution found.\n")                                       \
  X(LINE_NONE_END, "No solution found. without a newline", "No solution found.")                   \
  X(LINE_SUB_START, "Start Sub Search", "Start Sub Search at level %V: Moving to Node #%I\n")      \
  X(LINE_SUB_EXIT, "Exit Sub Search", "Exit Sub Search at level %V\n")                             \
  X(LINE_SUB_NONE, "No solution found in sub search", "No solution found in sub search\n")         \
  X(LINE_CALLING, "<Calling Sub Searches>", "<Calling Sub Searches>\n")                            \
  X(LINE_CALL, "<Start Sub Search>", "<Start Sub Search %K at level 1> Moving to Node #%I\n")      \
  X(LINE_CALLING_END, "<End Calling Sub Searches>", "<End Calling Sub Searches>\n")                \
  X(LINE_JOIN, "<Sub Searches>", "<Sub Searches>\n")                                               \
  X(LINE_JOINED_GOAL, "<Goal Reached in Sub Search>",                                              \
    "<Goal Reached in Sub Search %K at level 1 at Node #%I>\n")                                    \
  X(LINE_JOINED_NONE, "<No Solution in Sub Search>",                                               \
    "<No Solution in Sub Search %K at level 1 at Node #%I>\n")                                     \
  X(LINE_JOIN_END, "<End Sub Searches>", "<End Sub Searches>\n")

typedef enum line_form {
#define X(name, shown, pattern) name,
  LINE_LIST(X)
#undef X
      LINE_FORMS,
  LINE_UNKNOWN = LINE_FORMS,
  LINE_TEXT_END
} line_form;

typedef struct operation {
  int64_t left, right, result;
  char sign;
} operation;

typedef struct number_list {
  int64_t value[GRAMMAR_NUMBERS_MAX];
  int count;
} number_list;

typedef struct node_id {
  int part[GRAMMAR_NUMBERS_MAX];
  int count;
} node_id;

typedef struct operation_list {
  operation item[GRAMMAR_NUMBERS_MAX - 1];
  int count;
} operation_list;

/* The parts that the form has; the others are zero. */
typedef struct line {
  line_form form;
  size_t bytes; /* with its newline */
  int64_t target, number;
  int level, ordinal;
  node_id id;
  number_list list;
  operation op;
  operation_list path;
} line;

/* The line at the start of the text: LINE_UNKNOWN when it has no form above (bytes is 0), and
   LINE_TEXT_END when there is none. */
void line_parse(const char *trace, size_t bytes, line *out);
const char *line_name(line_form form); /* a constant, for messages */

/* The whole text is one id, or one operation. */
int line_parse_id(const char *written, node_id *out);
int line_parse_operation(const char *written, operation *out);
void line_format_id(const node_id *id, char *out, size_t out_bytes);
void line_format_operation(const operation *op, char *out, size_t out_bytes);

int same_operation(const operation *a, const operation *b);
int same_list(const number_list *a, const number_list *b);
int same_id(const node_id *a, const node_id *b);
int same_path(const operation_list *a, const operation_list *b);

/* ---- steps: one text being judged -------------------------------------------------------------
 */

enum { SUCCESSORS_MAX = GRAMMAR_NUMBERS_MAX * (GRAMMAR_NUMBERS_MAX - 1) / 2 * 4, NOWHERE = -1 };

/* Scores are multiplied by this, so that means over up to six numbers stay whole. */
enum { SCORE_UNIT = 60 };

typedef enum node_state { NODE_SHOWN, NODE_PENDING, NODE_VISITED } node_state;

typedef struct node {
  node_id id;
  number_list list;
  operation_list path;
  int64_t score;
  int32_t parent, search; /* search: the one whose queue it is in */
  int32_t batch;          /* the newest batch of that search that may hold it */
  int next_child;
  node_state state;
  int assumed; /* visited without a line that names it, so perhaps its twin was */
} node;

typedef struct grammar {
  const char *text;
  size_t bytes, at;
  line next;
  int parsed; /* whether next is the line at `at` */
  trace_kind kind;
  const grammar_start *start;
  grammar_facts *facts;
  node *nodes; /* [node_count] */
  int32_t node_count, node_capacity, searches;
  int32_t goal; /* the leaf that ended the search */
} grammar;

/* How a search went on. REFUSED is 0, so that it reads as a failed check. */
typedef enum outcome { REFUSED, FAILED, SOLVED, SUSPENDED } outcome;

typedef struct successor {
  operation op;
  number_list list;
  int64_t score;
  int shown;
} successor;

/* The successors of one state, and which of them were shown so far. */
typedef struct expansion {
  successor all[SUCCESSORS_MAX];
  int count, shown;
  int limit;           /* how many are kept; -1 where that is not known */
  int ordered;         /* the best is shown first */
  int64_t bound;       /* the highest score that is kept */
  int64_t last, worst; /* scores: of the newest shown, and the highest shown */
} expansion;

/* Keeps the first reason, with its line, and returns 0. */
int refuse(grammar *g, const char *format, ...) PRINTF_LIKE(2, 3);

/* The line at hand. expect refuses any other form; what it returns is valid until the next peek. */
line_form peek(grammar *g);
void skip(grammar *g);
const line *expect(grammar *g, line_form form);
int expect_plain(grammar *g, line_form form); /* and skips it */
int expect_level(grammar *g, line_form form, int level);
int expect_end(grammar *g);

void list_successors(const grammar *g, const number_list *from, expansion *e);
void limit_successors(expansion *e, int limit); /* keeps the best */
/* Reads a line Exploring Operation: a successor that is kept and was not shown. NULL on refusal. */
successor *read_successor(grammar *g, expansion *e);
/* After the last: as many as are kept, and none left out that ranks before one shown. */
int check_all_shown(grammar *g, const expansion *e);

int32_t add_node(grammar *g, const node *n);
/* The node that a successor of parent leads to, as its child of this index. */
int32_t add_child(grammar *g, int32_t parent, const successor *s, int index);
int is_leaf(const node *n);
int state_is(const grammar *g, const line *l, const node *n);

/* Lines whose contents are known. */
int read_state(grammar *g, int32_t at);
int read_move(grammar *g, int32_t to);
int read_generated(grammar *g, const node_id *id, const successor *s);
int read_leaf(grammar *g, const successor *s); /* a goal exactly where the number is the target */

/* The path from a node to g->goal, told again. */
int read_recap(grammar *g, int32_t from);
/* The recap of an APR child that reached a goal. NOWHERE on refusal, or that goal. */
int32_t read_child_recap(grammar *g, int32_t from);

#endif
