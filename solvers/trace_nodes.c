#include "solvers/trace_nodes.h"

#include "base/memory.h"
#include "solvers/countdown.h"

#include <stdlib.h>
#include <string.h>

static const char EXPLORING[] = "Exploring Operation: ", NUMBERS[] = ", Resulting Numbers: [",
                  GOAL[] = "Goal Reached";

/* Sorted, unused places zero behind count. */
typedef struct node {
  int64_t count, number[COUNTDOWN_NUMBERS_MAX];
} node;

typedef struct node_list {
  node *nodes; /* [count] */
  size_t count, capacity;
} node_list;

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

static int by_node(const void *a, const void *b) {
  return memcmp(a, b, sizeof(node));
}

/* "1, 2, 3]" */
static int read_numbers(const char *at, const char *end, node *out) {
  *out = (node){0};
  for (;;) {
    int64_t value = 0;
    const char *start = at;
    while (at < end && *at >= '0' && *at <= '9' && at - start < 16)
      value = 10 * value + (*at++ - '0');
    if (at == start || at - start == 16 || out->count == COUNTDOWN_NUMBERS_MAX) return 0;
    out->number[out->count++] = value;
    if (at < end && *at == ']') break;
    if (end - at < 2 || at[0] != ',' || at[1] != ' ') return 0;
    at += 2;
  }
  qsort(out->number, (size_t)out->count, sizeof out->number[0], by_value);
  return 1;
}

static status add_node(node_list *list, const node *n, detail *err) {
  if (list->count == list->capacity) {
    size_t capacity = list->capacity ? 2 * list->capacity : 256;
    node *grown = memory_grow(list->nodes, capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for %zu nodes of a trace", capacity);
    list->nodes = grown;
    list->capacity = capacity;
  }
  list->nodes[list->count++] = *n;
  return OK;
}

static status read_line(const char *at, const char *end, node_list *list, trace_nodes *out,
                        detail *err) {
  size_t prefix = sizeof EXPLORING - 1;
  if ((size_t)(end - at) < prefix || memcmp(at, EXPLORING, prefix)) return OK;
  out->explored++;
  const char *numbers = memmem(at, (size_t)(end - at), NUMBERS, sizeof NUMBERS - 1);
  node n;
  if (!numbers || !read_numbers(numbers + sizeof NUMBERS - 1, end, &n)) return OK;
  return add_node(list, &n, err);
}

static status read_text(const trace_slice *t, node_list *list, trace_nodes *out, detail *err) {
  const char *at = t->bytes, *end = t->bytes + t->count;
  status failed = OK;
  while (!failed && at < end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
    failed = read_line(at, stop, list, out, err);
    if (memmem(at, (size_t)(stop - at), GOAL, sizeof GOAL - 1)) return failed;
    at = newline ? newline + 1 : end;
  }
  return failed;
}

status trace_nodes_count(const trace_slice *texts, int count, trace_nodes *out, detail *err) {
  node_list list = {0};
  status failed = OK;
  *out = (trace_nodes){0};
  for (int i = 0; !failed && i < count; i++)
    failed = read_text(&texts[i], &list, out, err);
  if (list.count > 1) qsort(list.nodes, list.count, sizeof *list.nodes, by_node);
  for (size_t i = 1; !failed && i < list.count; i++)
    out->duplicate += !by_node(&list.nodes[i - 1], &list.nodes[i]);
  memory_free(list.nodes);
  return failed;
}
