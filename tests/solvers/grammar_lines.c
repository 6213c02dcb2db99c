#include "tests/solvers/grammar_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const patterns[] = {
#define X(name, shown, pattern) pattern,
    LINE_LIST(X)
#undef X
};

const char *line_name(line_form form) {
  switch (form) {
#define X(name, shown, pattern)                                                                    \
  case name: return shown;
    LINE_LIST(X)
#undef X
  case LINE_UNKNOWN: return "a line of no known form";
  case LINE_TEXT_END: return "the end of the text";
  }
  return "";
}

typedef struct cursor {
  const char *at, *end;
} cursor;

static int eat(cursor *c, char wanted) {
  if (c->at == c->end || *c->at != wanted) return 0;
  c->at++;
  return 1;
}

static int eat_text(cursor *c, const char *wanted) {
  for (; *wanted; wanted++) {
    if (!eat(c, *wanted)) return 0;
  }
  return 1;
}

/* A decimal as Python prints it: no sign and no leading zero. Eighteen digits hold any number that
   a task can lead to. */
static int eat_number(cursor *c, int64_t *out) {
  const char *first = c->at;
  int64_t value = 0;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - first < 18)
    value = value * 10 + (*c->at++ - '0');
  *out = value;
  return c->at > first && (*first != '0' || c->at == first + 1);
}

static int eat_small(cursor *c, int *out) {
  int64_t value = 0;
  if (!eat_number(c, &value) || value > 9999) return 0;
  *out = (int)value;
  return 1;
}

static int eat_list(cursor *c, number_list *out) {
  if (!eat(c, '[')) return 0;
  do {
    if (out->count == GRAMMAR_NUMBERS_MAX || !eat_number(c, &out->value[out->count])) return 0;
    out->count++;
  } while (eat_text(c, ", "));
  return eat(c, ']');
}

static int eat_operation(cursor *c, operation *out) {
  if (!eat_number(c, &out->left) || c->at == c->end || !strchr("+-*/", *c->at) || !*c->at) return 0;
  out->sign = *c->at++;
  return eat_number(c, &out->right) && eat(c, '=') && eat_number(c, &out->result);
}

static int eat_operations(cursor *c, operation_list *out) {
  if (!eat(c, '[')) return 0;
  if (eat(c, ']')) return 1;
  do {
    if (out->count == GRAMMAR_NUMBERS_MAX - 1) return 0;
    if (!eat(c, '\'') || !eat_operation(c, &out->item[out->count]) || !eat(c, '\'')) return 0;
    out->count++;
  } while (eat_text(c, ", "));
  return eat(c, ']');
}

static int eat_id(cursor *c, node_id *out) {
  do {
    if (out->count == GRAMMAR_NUMBERS_MAX || !eat_small(c, &out->part[out->count])) return 0;
    out->count++;
  } while (eat(c, ','));
  return out->part[0] == 0;
}

static int eat_part(cursor *c, char code, line *out) {
  switch (code) {
  case 'T': return eat_number(c, &out->target);
  case 'N': return eat_number(c, &out->number);
  case 'L': return eat_list(c, &out->list);
  case 'O': return eat_operations(c, &out->path);
  case 'o': return eat_operation(c, &out->op);
  case 'I': return eat_id(c, &out->id);
  case 'V': return eat_small(c, &out->level);
  case 'K': return eat_small(c, &out->ordinal);
  default: return 0;
  }
}

static int matches(const char *pattern, cursor c, line *out) {
  const char *first = c.at;
  for (; *pattern; pattern++) {
    if (*pattern == '%' ? !eat_part(&c, *++pattern, out) : !eat(&c, *pattern)) return 0;
  }
  out->bytes = (size_t)(c.at - first);
  return 1;
}

void line_parse(const char *trace, size_t bytes, line *out) {
  cursor c = {trace, trace + bytes};
  *out = (line){.form = bytes ? LINE_UNKNOWN : LINE_TEXT_END};
  for (int form = 0; form < LINE_FORMS && out->form == LINE_UNKNOWN; form++) {
    /* A form that starts otherwise cannot have written into the line. */
    if (bytes && patterns[form][0] != '%' && patterns[form][0] != *trace) continue;
    if (matches(patterns[form], c, out)) {
      out->form = (line_form)form;
    } else {
      *out = (line){.form = LINE_UNKNOWN};
    }
  }
}

int line_parse_id(const char *written, node_id *out) {
  cursor c = {written, written + strlen(written)};
  *out = (node_id){0};
  return eat_id(&c, out) && c.at == c.end;
}

int line_parse_operation(const char *written, operation *out) {
  cursor c = {written, written + strlen(written)};
  *out = (operation){0};
  return eat_operation(&c, out) && c.at == c.end;
}

void line_format_id(const node_id *id, char *out, size_t out_bytes) {
  size_t used = 0;
  for (int i = 0; i < id->count; i++) {
    int count = snprintf(out + used, out_bytes - used, i ? ",%d" : "%d", id->part[i]);
    REQUIRE(count > 0 && (size_t)count < out_bytes - used);
    used += (size_t)count;
  }
}

void line_format_operation(const operation *op, char *out, size_t out_bytes) {
  int count = snprintf(out, out_bytes, "%" PRId64 "%c%" PRId64 "=%" PRId64, op->left, op->sign,
                       op->right, op->result);
  REQUIRE(count > 0 && (size_t)count < out_bytes);
}

int same_operation(const operation *a, const operation *b) {
  return a->left == b->left && a->right == b->right && a->result == b->result && a->sign == b->sign;
}

int same_list(const number_list *a, const number_list *b) {
  return a->count == b->count && !memcmp(a->value, b->value, (size_t)a->count * sizeof *a->value);
}

int same_id(const node_id *a, const node_id *b) {
  return a->count == b->count && !memcmp(a->part, b->part, (size_t)a->count * sizeof *a->part);
}

int same_path(const operation_list *a, const operation_list *b) {
  if (a->count != b->count) return 0;
  for (int i = 0; i < a->count; i++) {
    if (!same_operation(&a->item[i], &b->item[i])) return 0;
  }
  return 1;
}

/* ---- lengths -------------------------------------------------------------------------------- */

/* Where one piece starts another, the longer one counts: so `]` and a newline are two tokens after
   numbers and one after operations, and a quote is counted once for its list. */
static const struct {
  const char *text;
  int tokens;
} pieces[] = {
    {"Current State: ", 4},
    {":[", 1},
    {", ", 2},
    {"], Operations: []\n", 5 + 1},
    {"], Operations: ['", 5 + 1},
    {"', '", 2},
    {"']\n", 1},
    {"+", 1},
    {"-", 1},
    {"*", 1},
    {"/", 1},
    {"=", 1},
    {"Exploring Operation: ", 6},
    {", Resulting Numbers: [", 7},
    {"]\n", 2},
    {"Generated Node #", 3},
    {": ", 2},
    {"] Operation: ", 4},
    {"Moving to Node #", 5},
    {",", 1},
    {"\n", 1},
    {" unequal: No Solution\n", 6},
    {" equal: Goal Reached\n", 7},
    {"No solution found.", 4},
    {"No solution found in sub search\n", 7},
    {"Start Sub Search at level ", 6},
    {": Moving to Node #", 6},
    {"Exit Sub Search at level ", 6},
    {"<Calling Sub Searches>\n", 8},
    {"<Start Sub Search ", 5},
    {" at level 1> Moving to Node #", 10},
    {"<End Calling Sub Searches>", 8},
    {"<Sub Searches>\n", 6},
    {"<Goal Reached in Sub Search ", 9},
    {"<No Solution in Sub Search ", 7},
    {" at level 1 at Node #", 7},
    {">\n", 2},
    {"<End Sub Searches>\n", 7},
};

int64_t grammar_llama2_tokens(const char *trace, size_t bytes) {
  int64_t tokens = 0;
  for (size_t at = 0, step; at < bytes; at += step) {
    int cost = 1;
    step = trace[at] >= '0' && trace[at] <= '9';
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
      size_t length = strlen(pieces[i].text);
      if (length > step && length <= bytes - at && !memcmp(trace + at, pieces[i].text, length)) {
        step = length;
        cost = pieces[i].tokens;
      }
    }
    if (!step) return -1;
    tokens += cost;
  }
  return tokens;
}
