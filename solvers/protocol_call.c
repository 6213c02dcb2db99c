/* Reads the call at the end of an APR thread's text, and in the text before it what it says of the
   nodes that the call names. A model wrote it: anything may stand there. Time is n log n in the
   text's bytes, memory linear. */
#include "base/memory.h"
#include "solvers/protocol_internal.h"
#include "solvers/slice_internal.h"

#include <stdlib.h>
#include <string.h>

static const char CALLING[] = "<Calling Sub Searches>",
                  END_CALLING[] = "<End Calling Sub Searches>", CALL[] = "<Start Sub Search",
                  MOVE[] = "Moving to Node #",
                  STATE[] = "Current State: ", GENERATED[] = "Generated Node #";

/* Of a child's prompt, and how many operations lie between a node and one whose state was written:
   more than any problem takes. What is larger is no state that a child could be given. */
enum { PROMPT_BYTES_MAX = 1024, NODE_DEPTH_MAX = 64 };

/* What a text says of a node: its state, or the operation that leads there from its parent. */
typedef struct mention {
  slice id;
  slice numbers;    /* "27:[26, 31, 31" */
  slice operations; /* of a state: "'53-22=31', '31/31=1'"; else "53-22=31" */
  int is_generated;
  int is_readable;
} mention;

typedef struct mention_list {
  mention *mentions; /* [count] */
  size_t count, capacity;
} mention_list;

/* ---- the words of a line --------------------------------------------------------------------- */

static int take_digits(slice *s) {
  const char *start = s->at;
  while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
    s->at++;
  return s->at > start;
}

/* "0,1,0"; empty where there is none. */
static slice take_id(slice *s) {
  const char *start = s->at;
  while (s->at < s->end && ((*s->at >= '0' && *s->at <= '9') || *s->at == ','))
    s->at++;
  return (slice){start, s->at};
}

/* "27:[26, 31, 31" */
static int take_numbers(slice *s) {
  if (!take_digits(s) || !slice_skip(s, ":[")) return 0;
  do {
    if (!take_digits(s)) return 0;
  } while (slice_skip(s, ", "));
  return 1;
}

/* "53-22=31" */
static int take_operation(slice *s) {
  if (!take_digits(s) || s->at == s->end || !memchr("+-*/", *s->at, 4)) return 0;
  s->at++;
  return take_digits(s) && slice_skip(s, "=") && take_digits(s);
}

/* "'53-22=31', '31/31=1'", or nothing. */
static int take_operations(slice *s) {
  if (!slice_skip(s, "'")) return 1;
  do {
    if (!take_operation(s)) return 0;
  } while (slice_skip(s, "', '"));
  return slice_skip(s, "'");
}

/* ---- what a text says of nodes --------------------------------------------------------------- */

/* rest: what follows "Current State: ". */
static mention read_state(slice id, slice rest) {
  mention m = {.id = id};
  const char *start = rest.at;
  if (!take_numbers(&rest)) return m;
  m.numbers = (slice){start, rest.at};
  if (!slice_skip(&rest, "], Operations: [")) return m;
  start = rest.at;
  if (!take_operations(&rest)) return m;
  m.operations = (slice){start, rest.at};
  m.is_readable = slice_skip(&rest, "]") && rest.at == rest.end;
  return m;
}

/* rest: what follows the id. */
static mention read_generated(slice id, slice rest) {
  mention m = {.id = id, .is_generated = 1};
  if (!slice_skip(&rest, ": ")) return m;
  const char *start = rest.at;
  if (!take_numbers(&rest)) return m;
  m.numbers = (slice){start, rest.at};
  if (!slice_skip(&rest, "] Operation: ")) return m;
  start = rest.at;
  if (!take_operation(&rest)) return m;
  m.operations = (slice){start, rest.at};
  m.is_readable = rest.at == rest.end;
  return m;
}

static status add_mention(mention_list *list, mention m, detail *err) {
  if (list->count == list->capacity) {
    size_t capacity = list->capacity ? 2 * list->capacity : 64;
    mention *grown = memory_grow(list->mentions, capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for %zu nodes of a text", capacity);
    list->mentions = grown;
    list->capacity = capacity;
  }
  list->mentions[list->count++] = m;
  return OK;
}

/* The node that a line ends by moving to; empty where it does not. A label, or that a search
   starts, may stand before it. */
static slice moved_to(slice line) {
  const char *at = slice_find_last(line, MOVE);
  if (!at) return (slice){0};
  slice rest = {at + strlen(MOVE), line.end}, id = take_id(&rest);
  return rest.at == rest.end ? id : (slice){0};
}

/* A node is told of by a move and the state below it, or by the line that generates it. */
static status read_mentions(slice said, mention_list *list, detail *err) {
  slice moved = {0};
  status s = OK;
  for (slice line; !s && slice_next_line(&said, &line);) {
    slice rest = line;
    const char *generated = slice_find(line, GENERATED);
    if (slice_bytes(moved) && slice_skip(&rest, STATE)) {
      s = add_mention(list, read_state(moved, rest), err);
    } else if (generated) {
      rest.at = generated + strlen(GENERATED);
      slice id = take_id(&rest);
      s = add_mention(list, read_generated(id, rest), err);
    }
    moved = moved_to(line);
  }
  return s;
}

static int compare_ids(slice a, slice b) {
  size_t bytes = slice_bytes(a) < slice_bytes(b) ? slice_bytes(a) : slice_bytes(b);
  int order = bytes ? memcmp(a.at, b.at, bytes) : 0;
  return order ? order : (slice_bytes(a) > slice_bytes(b)) - (slice_bytes(a) < slice_bytes(b));
}

/* The last mention of a node last. */
static int by_id(const void *a, const void *b) {
  const mention *x = a, *y = b;
  int order = compare_ids(x->id, y->id);
  return order ? order : (x->id.at > y->id.at) - (x->id.at < y->id.at);
}

/* What was said of a node last; NULL: nothing. */
static const mention *find_mention(const mention_list *list, slice id) {
  size_t low = 0, high = list->count; /* the first beyond lies between them */
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare_ids(list->mentions[middle].id, id) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (!low || compare_ids(list->mentions[low - 1].id, id)) return NULL;
  return &list->mentions[low - 1];
}

static slice parent_id(slice id) {
  const char *comma = slice_find_last(id, ",");
  return (slice){id.at, comma ? comma : id.at};
}

/* ---- the children of a call ------------------------------------------------------------------ */

static void put_slice(slice s, text *out) {
  text_add(out, s.at, slice_bytes(s));
}

/* The operations that lead to a node, those of its parents first; 0 where they are not known. */
static int put_operations(const mention_list *list, const mention *m, int depth, text *out) {
  if (!m || !m->is_readable || depth == NODE_DEPTH_MAX) return 0;
  if (!m->is_generated) {
    put_slice(m->operations, out);
    return 1;
  }
  const mention *parent = find_mention(list, parent_id(m->id));
  size_t start = out->bytes;
  if (!put_operations(list, parent, depth + 1, out)) return 0;
  text_put(out, out->bytes > start ? ", '" : "'");
  put_slice(m->operations, out);
  text_char(out, '\'');
  return 1;
}

/* The prompt of a child that starts at a node; 0 where the node is not known. */
static int put_prompt(const mention_list *list, slice id, text *out) {
  const mention *m = find_mention(list, id);
  if (!m) return 0;
  text_put(out, MOVE);
  put_slice(id, out);
  text_char(out, '\n');
  text_put(out, STATE);
  put_slice(m->numbers, out);
  text_put(out, "], Operations: [");
  if (!put_operations(list, m, 0, out)) return 0;
  text_char(out, ']');
  return out->failed != E_LIMIT;
}

static status read_child(const mention_list *list, slice id, arena *memory, protocol_child *out,
                         detail *err) {
  text prompt;
  out->node = arena_text(memory, id.at, slice_bytes(id));
  if (!out->node) return arena_full(memory, err);
  text_open(&prompt, PROMPT_BYTES_MAX);
  int is_known = put_prompt(list, id, &prompt);
  status s = prompt.failed == E_MEMORY ? text_state(&prompt, err) : OK;
  if (!s && is_known) {
    out->prompt_bytes = prompt.bytes;
    out->prompt = arena_text(memory, text_string(&prompt), prompt.bytes);
    if (!out->prompt) s = arena_full(memory, err);
  }
  text_close(&prompt);
  return s;
}

/* The next line of a call that names a child; its declared number and level are not looked at. */
static int next_child(slice *block, slice *id) {
  for (slice line; slice_next_line(block, &line);) {
    const char *move = slice_find(line, CALL) ? slice_find_last(line, MOVE) : NULL;
    if (!move) continue;
    line.at = move + strlen(MOVE);
    *id = take_id(&line);
    return 1;
  }
  return 0;
}

static status read_children(const mention_list *list, slice block, arena *memory,
                            protocol_call *out, detail *err) {
  slice rest = block, id;
  size_t count = 0;
  while (next_child(&rest, &id))
    count++;
  out->children = arena_take(memory, count, sizeof *out->children);
  if (!out->children) return arena_full(memory, err);
  status s = OK;
  while (!s && next_child(&block, &id))
    s = read_child(list, id, memory, &out->children[out->count++], err);
  return s;
}

/* The last call of a text whose last line ends it. */
static int find_call(slice all, slice *block) {
  slice last = all;
  if (last.at < last.end && last.end[-1] == '\n') last.end--;
  const char *newline = slice_find_last(last, "\n");
  if (newline) last.at = newline + 1;
  const char *end = slice_find_last(last, END_CALLING);
  if (!end) return 0;
  *block = (slice){slice_find_last((slice){all.at, end}, CALLING), end};
  return block->at != NULL;
}

status protocol_apr_call(const char *bytes, size_t count, arena *memory, protocol_call *out,
                         int *found, detail *err) {
  slice all = {bytes, bytes + count}, block;
  *found = find_call(all, &block);
  if (!*found) return OK;
  mention_list list = {0};
  out->at = (size_t)(block.at - bytes);
  status s = read_mentions((slice){bytes, block.at}, &list, err);
  if (!s && list.count > 1) qsort(list.mentions, list.count, sizeof *list.mentions, by_id);
  if (!s) s = read_children(&list, block, memory, out, err);
  memory_free(list.mentions);
  return s;
}
