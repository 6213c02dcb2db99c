#include "solvers/countdown_check.h"

#include "solvers/answer.h"
#include "solvers/slice_internal.h"

#include <string.h>

static const char GOAL[] = "Goal Reached", STATE[] = "Current State",
                  STEP[] = "Exploring Operation";

/* A decimal number of at most 15 digits. */
static int read_number(slice *s, int64_t *out) {
  const char *start = s->at;
  int64_t value = 0;
  while (s->at < s->end && *s->at >= '0' && *s->at <= '9' && s->at - start < 16) {
    value = 10 * value + (*s->at++ - '0');
  }
  *out = value;
  return s->at > start && s->at - start < 16;
}

/* "53-22=31" */
static int read_operation(slice *s, countdown_operation *out) {
  if (!read_number(s, &out->left) || s->at >= s->end) return 0;
  out->sign = *s->at++;
  if (!strchr("+-*/", out->sign) || !out->sign) return 0;
  return read_number(s, &out->right) && slice_skip(s, "=") && read_number(s, &out->result);
}

static int holds(const countdown_operation *o) {
  int64_t product;
  switch (o->sign) {
  case '+': return o->left + o->right == o->result;
  case '-': return o->left - o->right == o->result;
  case '*': return !__builtin_mul_overflow(o->left, o->right, &product) && product == o->result;
  default: return o->right != 0 && o->left % o->right == 0 && o->left / o->right == o->result;
  }
}

/* ---- the answer in a text -------------------------------------------------------------------- */

static const char *line_start(const char *all, const char *at) {
  while (at > all && at[-1] != '\n')
    at--;
  return at;
}

static const char *line_end(const char *at, const char *end) {
  const char *newline = memchr(at, '\n', (size_t)(end - at));
  return newline ? newline : end;
}

/* Where what was restated begins, and the last goal; 0 where there are fewer than two. */
static int find_recap(slice all, const char **start, const char **last) {
  *last = slice_find_last(all, GOAL);
  const char *before = *last ? slice_find_last((slice){all.at, *last}, GOAL) : NULL;
  if (before) *start = before + strlen(GOAL);
  return before != NULL;
}

static int recap_answer(slice all, text *out) {
  const char *start, *last;
  if (!find_recap(all, &start, &last)) return 0;
  slice recap = {start, line_end(last, all.end)};
  while (recap.at < recap.end && strchr(" \n\r\t", *recap.at))
    recap.at++;
  text_add(out, recap.at, (size_t)(recap.end - recap.at));
  return 1;
}

/* The quoted operations of a state line, an operation a line. */
static void put_operations(slice line, text *out) {
  const char *list = slice_find(line, "Operations: [");
  if (!list) return;
  for (slice rest = {list, line.end}; (rest.at = slice_find(rest, "'")) != NULL;) {
    slice quoted = {++rest.at, rest.end};
    const char *close = slice_find(quoted, "'");
    if (!close) return;
    text_add(out, quoted.at, (size_t)(close - quoted.at));
    text_char(out, '\n');
    rest.at = close + 1;
  }
}

static int sos_answer(slice all, text *out) {
  const char *goal = slice_find(all, GOAL);
  if (!goal) return 0;
  slice before = {all.at, goal};
  const char *state = slice_find_last(before, STATE), *step = slice_find_last(before, STEP);
  if (!state || !step) return 0;
  put_operations((slice){state, line_end(state, goal)}, out);
  slice operation = {step + strlen(STEP), line_end(step, goal)};
  (void)slice_skip(&operation, ": ");
  const char *comma = slice_find(operation, ",");
  if (comma) operation.end = comma;
  text_add(out, operation.at, (size_t)(operation.end - operation.at));
  text_char(out, '\n');
  const char *goal_line = line_start(all.at, goal);
  text_add(out, goal_line, (size_t)(line_end(goal, all.end) - goal_line));
  return 1;
}

int countdown_answer(countdown_protocol protocol, const char *bytes, size_t count, text *out) {
  slice all = {bytes, bytes + count};
  return protocol == PROTOCOL_SOS ? sos_answer(all, out) : recap_answer(all, out);
}

int countdown_returned(const char *bytes, size_t count, text *out) {
  const char *start, *last;
  if (!find_recap((slice){bytes, bytes + count}, &start, &last)) return 0;
  answer_part returned = answer_trimmed(start, (size_t)(bytes + count - start));
  text_add(out, returned.at, returned.bytes);
  return 1;
}

/* ---- the strict rules ------------------------------------------------------------------------ */

/* Numbers at hand, each with the expression that made it when a vote key is wanted. */
typedef struct hand {
  int count;
  int64_t number[COUNTDOWN_NUMBERS_MAX];
  text *expression; /* [COUNTDOWN_NUMBERS_MAX], or NULL */
} hand;

static int find_number(const hand *h, int64_t value, int other_than) {
  for (int i = 0; i < h->count; i++) {
    if (i != other_than && h->number[i] == value) return i;
  }
  return -1;
}

/* Operands that may change places are sorted: those of + and *, and two of the same value. */
static void combine_expressions(hand *h, int i, int j, char sign) {
  const char *a = text_string(&h->expression[i]), *b = text_string(&h->expression[j]);
  int may_swap = sign == '+' || sign == '*' || h->number[i] == h->number[j];
  int swap = may_swap && strcmp(a, b) > 0;
  text joined;
  text_open(&joined, 512);
  text_format(&joined, "(%s%c%s)", swap ? b : a, sign, swap ? a : b);
  text_close(&h->expression[i]);
  text_close(&h->expression[j]);
  h->expression[i] = joined;
}

/* Takes the operands out of the hand and puts the result at its end. */
static const char *take_step(hand *h, const countdown_operation *o) {
  int i = find_number(h, o->left, -1);
  int j = find_number(h, o->right, i);
  if (i < 0 || j < 0) return "number not available";
  if (!holds(o)) return "bad arithmetic";
  text expression = {0};
  if (h->expression) {
    combine_expressions(h, i, j, o->sign);
    expression = h->expression[i];
  }
  int kept = 0;
  for (int k = 0; k < h->count; k++) {
    if (k == i || k == j) continue;
    h->number[kept] = h->number[k];
    if (h->expression) h->expression[kept] = h->expression[k];
    kept++;
  }
  h->number[kept] = o->result;
  if (h->expression) {
    h->expression[kept] = expression;
    h->expression[kept + 1] = (text){0};
  }
  h->count = kept + 1;
  return NULL;
}

/* Whether the stated list holds the same numbers. */
static int list_follows(const hand *h, slice list) {
  int used[COUNTDOWN_NUMBERS_MAX] = {0}, count = 0;
  for (int64_t value; read_number(&list, &value); count++) {
    int found = -1;
    for (int i = 0; i < h->count && found < 0; i++) {
      if (!used[i] && h->number[i] == value) found = i;
    }
    if (found < 0) return 0;
    used[found] = 1;
    if (!slice_skip(&list, ", ")) {
      count++;
      break;
    }
  }
  return count == h->count && list.at < list.end && *list.at == ']';
}

/* One line of an answer: NULL where it is no step or a right one. */
static const char *check_line(hand *h, slice line) {
  int stated = slice_skip(&line, "Exploring Operation: ");
  if (!stated && (line.at >= line.end || *line.at < '0' || *line.at > '9')) return NULL;
  countdown_operation o;
  if (!read_operation(&line, &o)) return "malformed operation";
  const char *wrong = take_step(h, &o);
  if (wrong) return wrong;
  if (!stated) return line.at == line.end ? NULL : "malformed operation";
  if (!slice_skip(&line, ", Resulting Numbers: [")) return "malformed operation";
  return list_follows(h, line) ? NULL : "list does not follow";
}

static const char *play(hand *h, slice answer, int *goal) {
  *goal = 0;
  for (slice line; slice_next_line(&answer, &line);) {
    if (slice_find(line, GOAL)) {
      *goal = 1;
      return NULL;
    }
    const char *wrong = check_line(h, line);
    if (wrong) return wrong;
  }
  return NULL;
}

static hand deal(const countdown_problem *p, text *expression) {
  hand h = {.count = p->count, .expression = expression};
  memcpy(h.number, p->number, sizeof h.number);
  for (int i = 0; expression && i < p->count; i++) {
    text_open(&expression[i], 512);
    text_int(&expression[i], p->number[i]);
  }
  return h;
}

countdown_judgement countdown_check(const countdown_problem *p, const char *answer, size_t count) {
  if (!answer) return (countdown_judgement){0, "no answer"};
  hand h = deal(p, NULL);
  int goal;
  const char *wrong = play(&h, (slice){answer, answer + count}, &goal);
  if (wrong) return (countdown_judgement){0, wrong};
  if (!goal) return (countdown_judgement){0, "goal not stated"};
  if (h.count != 1) return (countdown_judgement){0, "numbers left over"};
  if (h.number[0] != p->target) return (countdown_judgement){0, "wrong value"};
  return (countdown_judgement){1, "correct"};
}

int countdown_vote_key(const countdown_problem *p, const char *answer, size_t count, text *out) {
  if (!answer) return 0;
  text expression[COUNTDOWN_NUMBERS_MAX + 1] = {0};
  hand h = deal(p, expression);
  int goal;
  const char *wrong = play(&h, (slice){answer, answer + count}, &goal);
  int valid = !wrong && goal && h.count == 1;
  if (valid) text_put(out, text_string(&expression[0]));
  for (int i = 0; i < COUNTDOWN_NUMBERS_MAX; i++)
    text_close(&expression[i]);
  return valid;
}

/* ---- the published rating -------------------------------------------------------------------- */

static const char *check_operations(const countdown_problem *p, slice operations) {
  int64_t available[COUNTDOWN_NUMBERS_MAX + 64];
  int count = p->count;
  memcpy(available, p->number, (size_t)count * sizeof available[0]);
  for (slice line; slice_next_line(&operations, &line);) {
    countdown_operation o;
    if (!read_operation(&line, &o) || line.at != line.end) return "malformed operation";
    if (!holds(&o)) return "bad arithmetic";
    int left = 0, right = 0;
    for (int i = 0; i < count; i++) {
      left |= available[i] == o.left;
      right |= available[i] == o.right;
    }
    if (!left || !right) return "number not available";
    if (count == (int)(sizeof available / sizeof available[0])) return "malformed operation";
    available[count++] = o.result;
  }
  return NULL;
}

static int64_t count_nodes(slice s) {
  int64_t nodes = 1;
  for (const char *at; (at = slice_find(s, STEP)) != NULL; s.at = at + 1)
    nodes++;
  return nodes;
}

/* The text between the first two goals, where SoS+ looks for its operations; all of it for SoS. */
static int lenient_range(countdown_protocol protocol, slice all, slice *range, const char **goal) {
  *goal = protocol == PROTOCOL_SOS ? slice_find(all, GOAL) : slice_find_last(all, GOAL);
  *range = (slice){all.at, *goal};
  if (protocol == PROTOCOL_SOS) return 1;
  const char *first = slice_find(all, "Goal Reached\n");
  if (!first || first == *goal) return 0;
  range->at = first + strlen(GOAL);
  const char *second = slice_find(*range, "Goal Reached\n");
  if (second) range->end = second;
  return 1;
}

countdown_judgement countdown_check_lenient(const countdown_problem *p, countdown_protocol protocol,
                                            const char *trace, size_t count) {
  static const int64_t max_nodes[COUNTDOWN_NUMBERS_MAX + 1] = {0, 0, 4, 48, 1152, 46080, 2764800};
  slice all = {trace, trace + count}, range;
  const char *start = slice_find(all, STATE), *goal;
  if (!start) return (countdown_judgement){0, "no state"};
  all.at = start;
  if (!slice_find(all, GOAL)) return (countdown_judgement){0, "no answer"};
  if (!lenient_range(protocol, all, &range, &goal)) return (countdown_judgement){0, "no recap"};
  const char *state = slice_find_last(range, STATE),
             *step = slice_find_last((slice){all.at, goal}, STEP);
  if (!state || !step) return (countdown_judgement){0, "no operation"};

  countdown_operation last;
  slice final = {step + strlen(STEP), line_end(step, goal)};
  (void)slice_skip(&final, ": ");
  slice final_text = final;
  if (!read_operation(&final, &last)) return (countdown_judgement){0, "malformed operation"};
  if (last.result != p->target) return (countdown_judgement){0, "wrong value"};
  text operations;
  text_open(&operations, 1 << 16);
  put_operations((slice){state, line_end(state, range.end)}, &operations);
  text_add(&operations, final_text.at, (size_t)(final.at - final_text.at));
  const char *wrong =
      operations.failed ? "malformed operation"
                        : check_operations(p, (slice){text_string(&operations),
                                                      text_string(&operations) + operations.bytes});
  text_close(&operations);
  if (wrong) return (countdown_judgement){0, wrong};
  if (count_nodes(all) >= max_nodes[p->count]) return (countdown_judgement){0, "too many nodes"};
  return (countdown_judgement){1, "correct"};
}
