/* Small edits of accepted texts, and the test whether such an edit changed anything. */
#include "base/memory.h"
#include "tests/solvers/grammar_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MUTANT_BYTES_MAX = 16 << 20, TRIES = 32 };

const char *mutation_meaning(mutation m) {
  static const char *const meanings[] = {
#define X(name, meaning) meaning,
      MUTATION_LIST(X)
#undef X
  };
  return meanings[m];
}

/* One edit: the bytes [from, to) of the source are replaced. */
typedef struct source {
  const char *at;
  size_t bytes;
} source;

static void replace(text *out, const source *s, size_t from, size_t to, const char *with,
                    size_t bytes) {
  text_add(out, s->at, from);
  text_add(out, with, bytes);
  text_add(out, s->at + to, s->bytes - to);
}

static int digit_at(const source *s, size_t i) {
  return i < s->bytes && s->at[i] >= '0' && s->at[i] <= '9';
}

static int follows(const source *s, size_t i, const char *before) {
  size_t bytes = strlen(before);
  return i >= bytes && !memcmp(s->at + i - bytes, before, bytes);
}

/* ---- places --------------------------------------------------------------------------------- */

static int is_operator(const source *s, size_t i) {
  return i && s->at[i] && strchr("+-*/", s->at[i]) && digit_at(s, i - 1) && digit_at(s, i + 1);
}

static int is_level(const source *s, size_t i) {
  return digit_at(s, i) && (follows(s, i, " level ") || follows(s, i, " Sub Search "));
}

static int is_id(const source *s, size_t i) {
  return follows(s, i, "#") && digit_at(s, i);
}

static int is_list(const source *s, size_t i) {
  return follows(s, i, "[") && s->at[i] != ']';
}

static int is_inside_line(const source *s, size_t i) {
  return i > 0 && s->at[i - 1] != '\n';
}

/* A place that the test holds for, each as likely as the next; s->bytes when there is none. */
static size_t pick(const source *s, random_stream *random,
                   int (*is_place)(const source *s, size_t i)) {
  uint32_t places = 0;
  for (size_t i = 0; i < s->bytes; i++)
    places += is_place(s, i) != 0;
  if (!places) return s->bytes;
  uint32_t left = random_below(random, places);
  for (size_t i = 0;; i++) {
    if (is_place(s, i) && left-- == 0) return i;
  }
}

/* ---- edits ---------------------------------------------------------------------------------- */

static void change_digit(const source *s, random_stream *random, size_t at, text *out) {
  char other = (char)('0' + (s->at[at] - '0' + 1 + (int)random_below(random, 9)) % 10);
  replace(out, s, at, at + 1, &other, 1);
}

static void change_operator(const source *s, random_stream *random, size_t at, text *out) {
  static const char signs[] = "+-*/";
  size_t old = (size_t)(strchr(signs, s->at[at]) - signs);
  replace(out, s, at, at + 1, &signs[(old + 1 + random_below(random, 3)) % 4], 1);
}

/* A child, the parent, or the node with another last index. */
static void change_id(const source *s, random_stream *random, size_t at, text *out) {
  size_t end = at, last = at;
  for (; digit_at(s, end) || (s->at[end] == ',' && digit_at(s, end + 1)); end++) {
    if (s->at[end] == ',') last = end + 1;
  }
  uint32_t choice = random_below(random, 3);
  if (choice == 0) {
    replace(out, s, end, end, ",0", 2);
  } else if (choice == 1 && last > at) {
    replace(out, s, last - 1, end, "", 0);
  } else {
    text_add(out, s->at, last);
    text_int(out, (atoi(s->at + last) + 1 + (int)random_below(random, 4)) % 6);
    text_add(out, s->at + end, s->bytes - end);
  }
}

/* An item of the list that starts here and ends at *end, and where the next one starts. */
static size_t item_end(const source *s, size_t at) {
  while (at < s->bytes && s->at[at] != ']' && s->at[at] != '\n' &&
         !(s->at[at] == ',' && s->at[at + 1] == ' '))
    at++;
  return at;
}

/* Drops the first item, repeats it, or puts the second before it. */
static void change_list(const source *s, random_stream *random, size_t at, text *out) {
  size_t end = item_end(s, at), next = end + 2;
  int has_next = end + 2 < s->bytes && s->at[end] == ',';
  uint32_t choice = random_below(random, 3);
  if (choice == 0) {
    replace(out, s, at, has_next ? next : end, "", 0);
  } else if (choice == 1 || !has_next) {
    text_add(out, s->at, end);
    text_put(out, ", ");
    text_add(out, s->at + at, s->bytes - at);
  } else {
    size_t next_end = item_end(s, next);
    text_add(out, s->at, at);
    text_add(out, s->at + next, next_end - next);
    text_put(out, ", ");
    text_add(out, s->at + at, end - at);
    text_add(out, s->at + next_end, s->bytes - next_end);
  }
}

/* ---- lines ---------------------------------------------------------------------------------- */

static size_t line_end(const source *s, size_t at) {
  const char *newline = memchr(s->at + at, '\n', s->bytes - at);
  return newline ? (size_t)(newline - s->at) + 1 : s->bytes;
}

static uint32_t count_lines(const source *s) {
  uint32_t lines = 0;
  for (size_t at = 0; at < s->bytes; at = line_end(s, at))
    lines++;
  return lines;
}

static source line_number(const source *s, uint32_t number) {
  size_t at = 0;
  for (; number; number--)
    at = line_end(s, at);
  return (source){s->at + at, line_end(s, at) - at};
}

static void swap_lines(const source *s, random_stream *random, uint32_t lines, text *out) {
  uint32_t i = random_below(random, lines), j = random_below(random, lines);
  source a = line_number(s, i < j ? i : j), b = line_number(s, i < j ? j : i);
  size_t a_end = (size_t)(a.at - s->at) + a.bytes, b_at = (size_t)(b.at - s->at);
  if (i == j) return;
  text_add(out, s->at, a_end - a.bytes);
  text_add(out, b.at, b.bytes);
  text_add(out, s->at + a_end, b_at - a_end);
  text_add(out, a.at, a.bytes);
  text_add(out, b.at + b.bytes, s->bytes - b_at - b.bytes);
}

static void change_lines(mutation m, const source *s, random_stream *random, text *out) {
  uint32_t lines = count_lines(s);
  if (m == MUTATE_SWAP) {
    swap_lines(s, random, lines, out);
    return;
  }
  source l = line_number(s, random_below(random, lines));
  size_t at = (size_t)(l.at - s->at);
  if (m == MUTATE_DROP) {
    replace(out, s, at, at + l.bytes, "", 0);
    return;
  }
  source before = line_number(s, random_below(random, lines));
  size_t place = (size_t)(before.at - s->at);
  replace(out, s, place, place, l.at, l.bytes);
}

static void mutate_once(mutation m, const source *s, random_stream *random, text *out) {
  static int (*const places[])(const source *, size_t) = {
      [MUTATE_DIGIT] = digit_at, [MUTATE_ID] = is_id,           [MUTATE_OPERATOR] = is_operator,
      [MUTATE_LEVEL] = is_level, [MUTATE_CUT] = is_inside_line, [MUTATE_LIST] = is_list,
      [MUTATION_COUNT] = NULL};
  size_t at = places[m] ? pick(s, random, places[m]) : 0;
  if (at == s->bytes) return;
  switch (m) {
  case MUTATE_DIGIT:
  case MUTATE_LEVEL: change_digit(s, random, at, out); break;
  case MUTATE_ID: change_id(s, random, at, out); break;
  case MUTATE_OPERATOR: change_operator(s, random, at, out); break;
  case MUTATE_LIST: change_list(s, random, at, out); break;
  case MUTATE_CUT: text_add(out, s->at, at); break;
  default: change_lines(m, s, random, out);
  }
}

int grammar_mutate(mutation m, random_stream *random, const char *trace, size_t bytes, text *out) {
  source s = {trace, bytes};
  for (int i = 0; bytes && i < TRIES; i++) {
    text_clear(out);
    mutate_once(m, &s, random, out);
    REQUIRE(!out->failed);
    int made = out->bytes && (out->bytes != bytes || memcmp(out->data, trace, bytes) != 0);
    if (made) return 1;
  }
  return 0;
}

/* ---- the same search ------------------------------------------------------------------------- */

/* The form that equal searches share. Lines keep their order, but: a node is named by its
   operations where a line only refers to it; the move lines after a join are left out; and leaves
   that are explored or popped go, with the line before or the state they belong to, into a sorted
   heap at the end. */
typedef struct normal_form {
  trace_kind kind;
  text lines;
  char **leaves; /* [leaf_count] owns */
  size_t leaf_count, leaf_capacity;
  node_id *ids; /* [node_count], with paths */
  operation_list *paths;
  size_t node_count, node_capacity;
  source state, move; /* the newest lines */
  line_form before;
} normal_form;

static const operation_list *find_path(const normal_form *n, const node_id *id) {
  for (size_t i = n->node_count; i > 0; i--) {
    if (same_id(&n->ids[i - 1], id)) return &n->paths[i - 1];
  }
  return NULL;
}

static void learn_node(normal_form *n, const node_id *id, const operation_list *parent,
                       const operation *op) {
  if (n->node_count == n->node_capacity) {
    n->node_capacity = n->node_capacity ? 2 * n->node_capacity : 64;
    n->ids = memory_grow(n->ids, n->node_capacity * sizeof *n->ids);
    n->paths = memory_grow(n->paths, n->node_capacity * sizeof *n->paths);
    REQUIRE(n->ids && n->paths);
  }
  operation_list path = parent ? *parent : (operation_list){.count = 0};
  if (op && path.count < GRAMMAR_NUMBERS_MAX - 1) path.item[path.count++] = *op;
  n->ids[n->node_count] = *id;
  n->paths[n->node_count++] = path;
}

static void keep_leaf(normal_form *n, const source *context, const source *leaf) {
  text t;
  text_open(&t, MUTANT_BYTES_MAX);
  text_add(&t, context->at, context->bytes);
  text_add(&t, leaf->at, leaf->bytes);
  if (n->leaf_count == n->leaf_capacity) {
    n->leaf_capacity = n->leaf_capacity ? 2 * n->leaf_capacity : 64;
    n->leaves = memory_grow(n->leaves, n->leaf_capacity * sizeof *n->leaves);
    REQUIRE(n->leaves);
  }
  n->leaves[n->leaf_count] = memory_copy_text(text_string(&t));
  REQUIRE(n->leaves[n->leaf_count++]);
  text_close(&t);
}

static int is_true(const operation *op) {
  switch (op->sign) {
  case '+': return op->left + op->right == op->result;
  case '-': return op->left - op->right == op->result;
  case '*':
    return op->right == 0 ? op->result == 0
                          : op->left == op->result / op->right && op->result % op->right == 0;
  default: return op->right && op->left / op->right == op->result && op->left % op->right == 0;
  }
}

/* An explored leaf by its state, operands and result: where two operations give the same, either
   may have been kept. */
static void keep_explored(normal_form *n, const source *s, const line *l) {
  char written[64];
  operation op = l->op;
  if (is_true(&op)) op.sign = '?';
  line_format_operation(&op, written, sizeof written);
  source named = {written, strlen(written)};
  keep_leaf(n, &n->state, op.sign == '?' ? &named : s);
}

/* A line that refers to a node: its operations instead of its id. */
static void keep_reference(normal_form *n, const source *s, const line *l) {
  const operation_list *path = find_path(n, &l->id);
  char written[64];
  text_format(&n->lines, "form %d level %d ordinal %d", (int)l->form, l->level, l->ordinal);
  for (int i = 0; path && i < path->count; i++) {
    line_format_operation(&path->item[i], written, sizeof written);
    text_format(&n->lines, " %s", written);
  }
  if (path) {
    text_char(&n->lines, '\n');
  } else {
    text_add(&n->lines, s->at, s->bytes);
  }
}

static void normalise_line(normal_form *n, const source *s, const line *l) {
  line_form join = n->kind == TRACE_APR_PARENT   ? LINE_JOIN_END
                   : n->kind == TRACE_APR_SERIAL ? LINE_SUB_NONE
                                                 : LINE_FORMS;
  switch (l->form) {
  case LINE_MOVE:
    n->move = *s;
    if (n->before == join) return; /* a second one is left out too */
    keep_reference(n, s, l);
    break;
  case LINE_SUB_START:
  case LINE_CALL:
  case LINE_JOINED_GOAL:
  case LINE_JOINED_NONE: keep_reference(n, s, l); break;
  case LINE_STATE:
    n->state = *s;
    if (l->list.count == 1) {
      keep_leaf(n, &n->move, s);
    } else {
      text_add(&n->lines, s->at, s->bytes);
    }
    break;
  case LINE_EXPLORE:
    if (l->list.count == 1) {
      keep_explored(n, s, l);
    } else {
      text_add(&n->lines, s->at, s->bytes);
    }
    break;
  case LINE_GENERATED: {
    node_id parent = l->id;
    parent.count--;
    learn_node(n, &l->id, find_path(n, &parent), &l->op);
    text_add(&n->lines, s->at, s->bytes);
    break;
  }
  default: text_add(&n->lines, s->at, s->bytes);
  }
  n->before = l->form;
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void normalise(trace_kind kind, const char *trace, size_t bytes, text *out) {
  normal_form n = {.kind = kind, .before = LINE_FORMS};
  text_open(&n.lines, MUTANT_BYTES_MAX);
  for (size_t at = 0; at < bytes;) {
    line l;
    line_parse(trace + at, bytes - at, &l);
    if (!l.bytes) { /* no line of ours: kept as it is */
      text_add(&n.lines, trace + at, bytes - at);
      break;
    }
    source s = {trace + at, l.bytes};
    normalise_line(&n, &s, &l);
    at += l.bytes;
  }
  text_add(out, text_string(&n.lines), n.lines.bytes);
  if (n.leaf_count) qsort(n.leaves, n.leaf_count, sizeof *n.leaves, compare_texts);
  for (size_t i = 0; i < n.leaf_count; i++) {
    text_put(out, n.leaves[i]);
    memory_free(n.leaves[i]);
  }
  memory_free(n.leaves);
  memory_free(n.ids);
  memory_free(n.paths);
  text_close(&n.lines);
}

int grammar_same_search(trace_kind kind, const char *a, size_t a_bytes, const char *b,
                        size_t b_bytes) {
  text x, y;
  text_open(&x, MUTANT_BYTES_MAX);
  text_open(&y, MUTANT_BYTES_MAX);
  normalise(kind, a, a_bytes, &x);
  normalise(kind, b, b_bytes, &y);
  int same = x.bytes == y.bytes && !strcmp(text_string(&x), text_string(&y));
  text_close(&x);
  text_close(&y);
  return same;
}

/* ---- judging -------------------------------------------------------------------------------- */

int grammar_refuses_mutants(trace_kind kind, const char *trace, size_t bytes,
                            const grammar_start *start, uint64_t seed, int64_t count,
                            grammar_mutants *m) {
  hash content = hash_of(trace, bytes);
  random_stream random = random_start(random_key_of(seed, &content, 0, "0"));
  text mutant;
  text_open(&mutant, MUTANT_BYTES_MAX);
  for (int64_t i = 0; i < count; i++) {
    mutation kind_of_edit = (mutation)(i % MUTATION_COUNT);
    grammar_facts facts;
    if (!grammar_mutate(kind_of_edit, &random, trace, bytes, &mutant)) continue;
    m->made++;
    m->made_by[kind_of_edit]++;
    if (!grammar_accepts(kind, mutant.data, mutant.bytes, start, &facts)) {
      m->refused++;
    } else if (grammar_same_search(kind, trace, bytes, mutant.data, mutant.bytes)) {
      m->same++;
    } else if (!m->escaped.bytes) {
      text_format(&m->escaped, "mutant %" PRId64 " (%s) was accepted:\n%s", i,
                  mutation_meaning(kind_of_edit), mutant.data);
    }
  }
  text_close(&mutant);
  return m->escaped.bytes == 0;
}
