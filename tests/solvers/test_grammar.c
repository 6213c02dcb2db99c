/* The oracle itself: it accepts what the published solvers wrote, with the facts and the lengths,
   and refuses what differs from it. */
#include "base/memory.h"
#include "tests/solvers/originals.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1 << 20, KEPT_MAX = 64 };

/* Texts that live as long as the test. */
static text kept[KEPT_MAX];
static int kept_count;

static text *keep_text(void) {
  ck_assert_int_lt(kept_count, KEPT_MAX);
  text_open(&kept[kept_count], TEXT_BYTES_MAX);
  return &kept[kept_count++];
}

static void forget_texts(void) {
  while (kept_count)
    text_close(&kept[--kept_count]);
}

static void set_trace(original *t, const text *written) {
  ck_assert_int_eq(written->failed, OK);
  t->trace = text_string(written);
  t->bytes = written->bytes;
}

static int64_t count_of(const char *trace, const char *piece) {
  int64_t count = 0;
  for (const char *at = trace; (at = strstr(at, piece)); at += strlen(piece))
    count++;
  return count;
}

static void accept(const original *t, grammar_facts *facts) {
  int accepted = grammar_accepts(t->kind, t->trace, t->bytes, &t->start, facts);
  ck_assert_msg(accepted && !facts->why[0], "record %d: %s\n%s", t->record, facts->why, t->trace);
}

static void refuse_with(const original *t, const char *piece) {
  grammar_facts facts;
  int accepted = grammar_accepts(t->kind, t->trace, t->bytes, &t->start, &facts);
  ck_assert_msg(!accepted && strstr(facts.why, piece), "accepted %d, \"%s\" lacks \"%s\":\n%s",
                accepted, facts.why, piece, t->trace);
}

/* ---- originals ------------------------------------------------------------------------------ */

START_TEST(originals_are_accepted) {
  const originals *o = originals_read();
  for (int i = 0; i < o->count; i++) {
    const original *t = &o->texts[i];
    grammar_facts f;
    for (int known = 0; known < 4; known++) {
      original blind = *t;
      if (!(known & 1)) blind.start.beam = blind.start.child_beam = 0;
      if (!(known & 2)) blind.start.heuristic = GRAMMAR_UNKNOWN;
      accept(&blind, &f);
    }
    const char *end = strchr(t->trace, 0);
    ck_assert_int_eq(f.lines, count_of(t->trace, "\n") + (t->bytes && end[-1] != '\n'));
    ck_assert_int_eq(f.explored + f.recapped, count_of(t->trace, "Exploring Operation: "));
    ck_assert_int_eq(f.goals, count_of(t->trace, " equal: Goal Reached\n"));
    ck_assert_int_eq(f.calls, count_of(t->trace, "<Calling Sub Searches>\n"));
    ck_assert_int_eq(f.joins, count_of(t->trace, "\n<Sub Searches>\n"));
    ck_assert_int_eq(f.searches, count_of(t->trace, "Start Sub Search at level "));
    ck_assert_int_eq(f.solved, f.goals > 0);
    ck_assert_int_eq(f.suspended, f.calls);
  }
}
END_TEST

/* What these originals were chosen for, counted by grep. */
START_TEST(facts_are_those_of_the_originals) {
  static const struct {
    int record;
    int64_t lines, explored, generated, recapped, joins, searches, level, unnamed;
    int solved;
  } wanted[] = {
      {0, 1, 0, 0, 0, 0, 0, 0, 0, 0},    /* DFS: the threshold drops every successor */
      {1, 55, 14, 6, 0, 0, 0, 0, 0, 0},  /* DFS: fails */
      {3, 14, 3, 2, 0, 0, 0, 0, 0, 0},   /* BFS: one leaf is popped at the end */
      {4, 58, 14, 6, 0, 0, 0, 0, 0, 0},  /* BFS: eight leaves are popped, some of one name */
      {6, 18, 3, 2, 0, 0, 2, 2, 0, 0},   /* SoS+: two levels fail */
      {7, 25, 3, 2, 3, 0, 2, 2, 0, 1},   /* SoS+: solved at level 2 */
      {8, 47, 13, 12, 3, 0, 0, 0, 0, 1}, /* SoS+: solved without a sub search */
      {9, 13, 3, 2, 0, 0, 0, 0, 0, 0},   /* APR without a call */
      {13, 26, 6, 6, 0, 2, 0, 0, 1, 0},  /* APR: two calls, and a hidden move line between */
      {14, 45, 4, 4, 7, 1, 0, 0, 0, 1},  /* APR: two children reach the goal */
  };
  const originals *o = originals_read();
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    grammar_facts f;
    const original *last = NULL; /* the parent's last segment holds all joins */
    for (int j = 0; j < o->count; j++) {
      const original *t = &o->texts[j];
      if (t->record == wanted[i].record && t->kind != TRACE_APR_CHILD) last = t;
    }
    accept(last, &f);
    ck_assert_int_eq(f.lines, wanted[i].lines);
    ck_assert_int_eq(f.explored, wanted[i].explored);
    ck_assert_int_eq(f.generated, wanted[i].generated);
    ck_assert_int_eq(f.recapped, wanted[i].recapped);
    ck_assert_int_eq(f.joins, wanted[i].joins);
    ck_assert_int_eq(f.searches, wanted[i].searches);
    ck_assert_int_eq(f.level, wanted[i].level);
    ck_assert_int_eq(f.unnamed, wanted[i].unnamed);
    ck_assert_int_eq(f.solved, wanted[i].solved);
  }
}
END_TEST

START_TEST(lengths_are_those_of_the_originals) {
  const originals *o = originals_read();
  for (int i = 0; i < o->count; i++) {
    const original *t = &o->texts[i];
    ck_assert_int_eq(grammar_llama2_tokens(t->trace, t->bytes), t->llama2_tokens);
  }
  ck_assert_int_eq(grammar_llama2_tokens("", 0), 0);
  ck_assert_int_eq(grammar_llama2_tokens("Hello", 5), -1);
}
END_TEST

/* The joined block says of each child what the child's own text says. */
START_TEST(children_and_their_joins_agree) {
  const originals *o = originals_read();
  int compared = 0;
  for (int i = 0; i < o->count; i++) {
    grammar_facts parent;
    if (o->texts[i].kind != TRACE_APR_PARENT) continue;
    accept(&o->texts[i], &parent);
    if (parent.suspended || !parent.joins) continue;
    /* The last call's children are the record's last texts. */
    int first = i;
    while (first < o->count && o->texts[first].record == o->texts[i].record)
      first++;
    first -= parent.child_count;
    for (int j = 0; j < parent.child_count; j++, compared++) {
      grammar_facts child;
      accept(&o->texts[first + j], &child);
      ck_assert_str_eq(o->texts[first + j].start.node.id, parent.children[j].node.id);
      ck_assert_int_eq(child.solved, parent.children[j].solved);
    }
  }
  ck_assert_int_ge(compared, 8);
}
END_TEST

/* Each thing that a start says is used. */
START_TEST(another_start_is_refused) {
  const originals *o = originals_read();
  int beams = 0, heuristics = 0;
  for (int i = 0; i < o->count; i++) {
    original other = o->texts[i];
    grammar_facts f;
    other.start.target++;
    refuse_with(&other, i && other.kind >= TRACE_APR_PARENT ? "line 2: " : "line 1: ");
    other = o->texts[i];
    other.start.node.numbers[0]++;
    refuse_with(&other, "not the state");
    other = o->texts[i];
    other.start.beam++;
    beams += other.start.beam > 1 &&
             !grammar_accepts(other.kind, other.trace, other.bytes, &other.start, &f);
    other = o->texts[i];
    other.start.heuristic = other.start.heuristic == GRAMMAR_SUM ? GRAMMAR_MULT : GRAMMAR_SUM;
    heuristics += !grammar_accepts(other.kind, other.trace, other.bytes, &other.start, &f);
  }
  ck_assert_int_ge(beams, 20);
  ck_assert_int_ge(heuristics, 15);
}
END_TEST

/* ---- the serial form of APR -------------------------------------------------------------------
 */

static void put_child(text *out, const char *child, int solved) {
  text_put(out, "Start Sub Search at level 1: ");
  const char *goal = strstr(child, " equal: Goal Reached\n");
  text_add(out, child, solved ? (size_t)(strchr(goal, '\n') + 1 - child) : strlen(child));
  if (!solved) text_put(out, "Exit Sub Search at level 1\nNo solution found in sub search\n");
}

/* The same search in one context: each joined block gives way to its children's texts. */
static void serialise(const originals *o, int parent, text *out) {
  static const char opening[] = "<Sub Searches>\n", closing[] = "<End Sub Searches>\n";
  const char *at = o->texts[parent].trace;
  int child = parent + 1;
  for (const char *block; (block = strstr(at, opening));) {
    const char *end = strstr(block, closing) + strlen(closing);
    text_add(out, at, (size_t)(block - at));
    int64_t children = count_of(block, " in Sub Search ") - count_of(end, " in Sub Search ");
    for (int64_t i = 0; i < children; i++) {
      const char *written = o->texts[child + i].trace;
      int solved = strstr(written, "Goal Reached") != NULL;
      put_child(out, written, solved);
      if (!solved) continue;
      text_put(out, strchr(end, '\n') + 1); /* the parent's recap, without its goal line */
      text_put(out, "Exit Sub Search at level 1\n");
      return;
    }
    child += (int)children;
    at = end;
  }
  text_put(out, at);
}

static int serial_originals(const originals *o, original *out) {
  int count = 0;
  for (int i = 0; i < o->count; i++) {
    const original *t = &o->texts[i];
    int last = i + 1 == o->count || o->texts[i + 1].kind != TRACE_APR_PARENT ||
               o->texts[i + 1].record != t->record;
    if (t->kind != TRACE_APR_PARENT || !last) continue;
    text *written = keep_text();
    serialise(o, i, written);
    out[count] = *t;
    out[count].kind = TRACE_APR_SERIAL;
    set_trace(&out[count++], written);
  }
  return count;
}

START_TEST(serial_form_is_accepted) {
  original serial[ORIGINALS_MAX];
  int count = serial_originals(originals_read(), serial);
  int64_t searches = 0, solved_inline = 0;
  ck_assert_int_eq(count, 6);
  for (int i = 0; i < count; i++) {
    grammar_facts f;
    accept(&serial[i], &f);
    searches += f.searches;
    solved_inline += f.solved && f.searches;
    ck_assert_int_eq(f.joins, 0);
    ck_assert_int_eq(f.searches, count_of(serial[i].trace, "Start Sub Search at level 1"));
    ck_assert_int_eq(f.solved, f.goals > 0);
    serial[i].kind = TRACE_SOSP;
    refuse_with(&serial[i], "line 1: ");
  }
  ck_assert_int_ge(searches, 8);
  ck_assert_int_eq(solved_inline, 2);
}
END_TEST

/* ---- mutants -------------------------------------------------------------------------------- */

static void check_mutants(const original *texts, int count, int64_t each) {
  grammar_mutants m = {.made = 0};
  text_open(&m.escaped, TEXT_BYTES_MAX);
  for (int i = 0; i < count; i++) {
    const original *t = &texts[i];
    int good = grammar_refuses_mutants(t->kind, t->trace, t->bytes, &t->start, 20, each, &m);
    ck_assert_msg(good, "record %d: %s\nThe original:\n%s", t->record, text_string(&m.escaped),
                  t->trace);
  }
  text_close(&m.escaped);
  ck_assert_int_eq(m.refused + m.same, m.made);
  ck_assert_int_ge(m.made, 8 * each * count / MUTATION_COUNT);
  ck_assert_int_le(m.same, m.made / 100);
  for (int i = 0; i < MUTATION_COUNT; i++)
    ck_assert_msg(m.made_by[i] >= each / MUTATION_COUNT, "too few: %s",
                  mutation_meaning((mutation)i));
}

START_TEST(mutants_are_refused) {
  const originals *o = originals_read();
  original serial[ORIGINALS_MAX];
  check_mutants(o->texts, o->count, 20 * MUTATION_COUNT);
  int count = serial_originals(o, serial);
  check_mutants(serial, count, 20 * MUTATION_COUNT);
}
END_TEST

/* Any byte may change: what is then accepted is the same search, and nothing reads past an end. */
START_TEST(any_bytes_are_judged) {
  const originals *o = originals_read();
  hash name = hash_of("any bytes", 9);
  random_stream random = random_start(random_key_of(1, &name, 0, "0"));
  int refused = 0, same = 0;
  for (int i = 0; i < 20000; i++) {
    const original *t = &o->texts[random_below(&random, (uint32_t)o->count)];
    size_t bytes = t->bytes - random_below(&random, 2) * random_below(&random, (uint32_t)t->bytes);
    char *copy = memory_take(bytes); /* exactly as long, so that the sanitizer sees its end */
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, t->trace, bytes);
    for (uint32_t n = 1 + random_below(&random, 3); n && bytes; n--)
      copy[random_below(&random, (uint32_t)bytes)] ^= (char)(1 + random_below(&random, 255));
    grammar_facts f;
    (void)grammar_llama2_tokens(copy, bytes);
    if (grammar_accepts(t->kind, copy, bytes, &t->start, &f)) {
      ck_assert_int_eq(grammar_same_search(t->kind, t->trace, t->bytes, copy, bytes), 1);
      same++;
    } else {
      ck_assert_uint_gt(strlen(f.why), 0);
      refused++;
    }
    memory_free(copy);
  }
  ck_assert_int_ge(refused, 19900);
  ck_assert_int_eq(refused + same, 20000);
}
END_TEST

/* ---- rules one by one -------------------------------------------------------------------------
 */

/* The first occurrence of a piece replaced. */
static original edited(const original *t, const char *piece, const char *with) {
  const char *at = strstr(t->trace, piece);
  ck_assert_msg(at != NULL, "\"%s\" is not in\n%s", piece, t->trace);
  text *out = keep_text();
  text_add(out, t->trace, (size_t)(at - t->trace));
  text_put(out, with);
  text_put(out, at + strlen(piece));
  original e = *t;
  set_trace(&e, out);
  return e;
}

static original small_search(trace_kind kind, const char *trace) {
  int64_t numbers[] = {2, 3, 4};
  original t = {.kind = kind, .trace = trace, .bytes = strlen(trace)};
  t.start = grammar_root(24, numbers, 3);
  return t;
}

static const char small_dfs[] = "Current State: 24:[2, 3, 4], Operations: []\n"
                                "Exploring Operation: 2*3=6, Resulting Numbers: [4, 6]\n"
                                "Generated Node #0,0: 24:[4, 6] Operation: 2*3=6\n"
                                "Moving to Node #0,0\n"
                                "Current State: 24:[4, 6], Operations: ['2*3=6']\n"
                                "Exploring Operation: 6-4=2, Resulting Numbers: [2]\n"
                                "2,24 unequal: No Solution\n"
                                "Moving to Node #0,0\n"
                                "Current State: 24:[4, 6], Operations: ['2*3=6']\n"
                                "Exploring Operation: 4*6=24, Resulting Numbers: [24]\n"
                                "24,24 equal: Goal Reached\n";

START_TEST(each_rule_has_its_reason) {
  static const struct {
    const char *piece, *with, *why;
  } edits[] = {
      {"2*3=6, R", "3*2=6, R", "not an operation that this state allows"},
      {"6-4=2", "4-6=2", "not an operation that this state allows"},
      {"2*3=6, R", "2*3=7, R", "not an operation that this state allows"},
      {"[4, 6]\nG", "[6, 4]\nG", "not the numbers that the operation leaves"},
      {"4*6=24, Resulting Numbers: [24]", "6-4=2, Resulting Numbers: [2]", "explored here before"},
      {"#0,0:", "#0,1:", "another id than the next child's"},
      {"#0,0: 24:[4, 6] Operation: 2*3", "#0,0: 24:[4, 6] Operation: 2+3", "than explored"},
      {"#0,0: 24", "#0,0: 25", "another target"},
      {"Moving to Node #0,0\n", "Moving to Node #0\n", "a move to another node"},
      {"['2*3=6']", "['2+3=5']", "not the state"},
      {"2,24 unequal: No Solution", "24,24 equal: Goal Reached", "expected unequal"},
      {"24,24 equal: Goal Reached", "24,24 unequal: No Solution", "expected equal"},
      {"24,24 equal: Goal Reached\n", "24,24 equal: Goal Reached\n\n", "expected the end"},
      {"24,24 equal: Goal Reached\n", "24,24 equal: Goal Reached", "no known form"},
      {"Current State: 24:[2, 3, 4]", "Current State: 24:[02, 3, 4]", "no known form"},
      {"Current State: 24:[2, 3, 4]", "Current State: 24:[2,3, 4]", "no known form"},
  };
  original whole = small_search(TRACE_SOS_DFS, small_dfs);
  grammar_facts f;
  accept(&whole, &f);
  ck_assert_int_eq(f.explored, 3);
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    original e = edited(&whole, edits[i].piece, edits[i].with);
    refuse_with(&e, edits[i].why);
  }
  whole.start.heuristic = GRAMMAR_SUM; /* then 24 ranks before 2 */
  refuse_with(&whole, "line 10: a better successor comes later");
}
END_TEST

/* Where a join left the text: what may come between it and the next node. */
START_TEST(joins_have_their_rules) {
  static const char hidden[] = "<End Sub Searches>\nCurrent State: 93:[71, 31, 31]";
  const originals *o = originals_read();
  const original *last = NULL, *first = NULL;
  for (int i = 0; i < o->count; i++) {
    if (o->texts[i].kind != TRACE_APR_PARENT || o->texts[i].record != 13) continue;
    if (!first) first = &o->texts[i];
    last = &o->texts[i];
  }
  grammar_facts f;
  original e = edited(last, hidden,
                      "<End Sub Searches>\nMoving to Node #0,1\nCurrent State: 93:[71, 31, 31]");
  accept(&e, &f); /* the right line in the place of the hidden one */
  ck_assert_int_eq(f.unnamed, 0);
  e = edited(last, hidden,
             "<End Sub Searches>\nMoving to Node #0,0\nCurrent State: 93:[71, 31, 31]");
  refuse_with(&e, "not next");
  e.start.beam = 0; /* any batch may have been meant */
  accept(&e, &f);
  ck_assert_int_eq(f.stray_moves, 1);
  e = edited(last, "in Sub Search 1 at", "in Sub Search 2 at");
  refuse_with(&e, "sub search 2, not 1");
  e = edited(last, "<No Solution in Sub Search 0", "<Goal Reached in Sub Search 0");
  refuse_with(&e, "expected Moving to Node");
  e = edited(first, "<Start Sub Search 1", "<Start Sub Search 0");
  refuse_with(&e, "sub search 0, not 1");
  e = edited(first, "<End Calling Sub Searches>\n", "<End Calling Sub Searches>\n\n");
  refuse_with(&e, "expected the end of the text");
}
END_TEST

typedef struct state {
  char id[16], path[64];
  int64_t numbers[GRAMMAR_NUMBERS_MAX];
  int count;
} state;

static void put_list(text *out, const state *s) {
  for (int i = 0; i < s->count; i++)
    text_format(out, "%s%d", i ? ", " : "[", (int)s->numbers[i]);
  text_put(out, "]");
}

/* The sum, product or difference of two numbers, with its two lines. */
static state put_successor(text *out, const state *from, int kind, int i, int j, int index) {
  int a = (int)from->numbers[i], b = (int)from->numbers[j];
  int left = kind == 2 && b > a ? b : a, right = a + b - left;
  int result = kind == 0 ? left + right : kind == 1 ? left * right : left - right;
  char op[32];
  (void)snprintf(op, sizeof op, "%d%c%d=%d", left, "+*-"[kind], right, result);
  state s = {.count = 0};
  for (int k = 0; k < from->count; k++) {
    if (k != i && k != j) s.numbers[s.count++] = from->numbers[k];
  }
  s.numbers[s.count++] = result;
  (void)snprintf(s.id, sizeof s.id, "%.8s,%d", from->id, index);
  (void)snprintf(s.path, sizeof s.path, "%.24s%s'%s'", from->path, *from->path ? ", " : "", op);
  text_format(out, "Exploring Operation: %s, Resulting Numbers: ", op);
  put_list(out, &s);
  text_format(out, "\nGenerated Node #%s: 97:", s.id);
  put_list(out, &s);
  text_format(out, " Operation: %s\n", op);
  return s;
}

/* An expansion that shows the first `keep` of all sums, products and differences. */
static int put_expansion(text *out, const state *from, int keep, state *children) {
  int count = 0;
  text_put(out, "Current State: 97:");
  put_list(out, from);
  text_format(out, ", Operations: [%s]\n", from->path);
  for (int kind = 0; kind < 3; kind++) {
    for (int i = 0; i < from->count; i++) {
      for (int j = i + 1; j < from->count && count < keep; j++, count++)
        children[count] = put_successor(out, from, kind, i, j, count);
    }
  }
  return count;
}

/* The published defect where a line stands: the root's ten children are one batch; the first one
   visited calls nine, so that the line after the join names the tenth of the batch. `named` is
   that line's node, "" for none. */
static original stray_search(const char *named) {
  static const int64_t numbers[] = {53, 59, 61, 67};
  state root = {.id = "0", .count = 4}, children[10], below[10];
  memcpy(root.numbers, numbers, sizeof numbers);
  text *out = keep_text();
  text_put(out, "Moving to Node #0\n");
  ck_assert_int_eq(put_expansion(out, &root, 10, children), 10);
  text_put(out, "Moving to Node #0,3\n");
  int count = put_expansion(out, &children[3], 10, below);
  ck_assert_int_eq(count, 9);
  text_put(out, "<Sub Searches>\n");
  for (int i = 0; i < count; i++) {
    text_format(out, "<No Solution in Sub Search %d at level 1 at Node #%s>\n", i, below[i].id);
  }
  text_put(out, "<End Sub Searches>\n");
  if (*named) text_format(out, "Moving to Node #%s\n", named);
  count = put_expansion(out, &children[5], 10, below);
  text_put(out, "<Calling Sub Searches>\n");
  for (int i = 0; i < count; i++) {
    text_format(out, "<Start Sub Search %d at level 1> Moving to Node #%s\n", i, below[i].id);
  }
  text_put(out, "<End Calling Sub Searches>\n");
  original t = {.kind = TRACE_APR_PARENT};
  set_trace(&t, out);
  t.start = grammar_root(97, numbers, 4);
  t.start.beam = 10;
  return t;
}

START_TEST(stray_moves_follow_the_defect) {
  grammar_facts f;
  original t = stray_search("0,5");
  accept(&t, &f); /* the right line */
  ck_assert_int_eq(f.stray_moves, 0);
  ck_assert_int_eq(f.child_count, 9);
  t = stray_search("0,8");
  accept(&t, &f); /* perhaps the tenth */
  ck_assert_int_eq(f.stray_moves, 1);
  t = stray_search("0,3");
  refuse_with(&t, "not in the batch"); /* the first cannot be the tenth */
  t = stray_search("0,3,1");
  refuse_with(&t, "not in the batch");
  t = stray_search("");
  refuse_with(&t, "expected Moving to Node"); /* a batch of ten has a tenth */
}
END_TEST

START_TEST(starts_are_checked) {
  original t = small_search(TRACE_SOS_DFS, small_dfs);
  static const char piece[] = "the start itself";
  original bad = t;
  bad.start.target = 1;
  refuse_with(&bad, piece);
  bad = t;
  bad.start.beam = GRAMMAR_BEAM_MAX + 1;
  refuse_with(&bad, piece);
  bad = t;
  bad.start.node.numbers[1] = GRAMMAR_REACH_MAX;
  refuse_with(&bad, piece);
  bad = t;
  bad.start.node.numbers[1] = -3;
  refuse_with(&bad, piece);
  bad = t;
  (void)snprintf(bad.start.node.id, sizeof bad.start.node.id, "0,1");
  refuse_with(&bad, piece);
  bad = t;
  bad.start.node.number_count = 0;
  refuse_with(&bad, piece);
}
END_TEST

/* The excuse for an accepted mutant is narrow. */
START_TEST(same_search_is_narrow) {
  static const char a[] = "Current State: 52:[13, 1], Operations: []\n"
                          "Exploring Operation: 13*1=13, Resulting Numbers: [13]\n"
                          "13,52 unequal: No Solution\n";
  original t = {.kind = TRACE_SOS_BFS, .trace = a, .bytes = strlen(a)};
  original other = edited(&t, "13*1=13", "13/1=13");
  ck_assert_int_eq(grammar_same_search(t.kind, a, t.bytes, other.trace, other.bytes), 1);
  other = edited(&t, "13*1=13", "13+1=13");
  ck_assert_int_eq(grammar_same_search(t.kind, a, t.bytes, other.trace, other.bytes), 0);
  other = edited(&t, "13,52", "12,52");
  ck_assert_int_eq(grammar_same_search(t.kind, a, t.bytes, other.trace, other.bytes), 0);
  ck_assert_int_eq(grammar_same_search(t.kind, a, t.bytes, a, t.bytes - 1), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("grammar");
  TCase *tests = tcase_create("grammar");
  tcase_add_test(tests, originals_are_accepted);
  tcase_add_test(tests, facts_are_those_of_the_originals);
  tcase_add_test(tests, lengths_are_those_of_the_originals);
  tcase_add_test(tests, children_and_their_joins_agree);
  tcase_add_test(tests, another_start_is_refused);
  tcase_add_test(tests, serial_form_is_accepted);
  tcase_add_test(tests, mutants_are_refused);
  tcase_add_test(tests, any_bytes_are_judged);
  tcase_add_test(tests, each_rule_has_its_reason);
  tcase_add_test(tests, joins_have_their_rules);
  tcase_add_test(tests, stray_moves_follow_the_defect);
  tcase_add_test(tests, starts_are_checked);
  tcase_add_test(tests, same_search_is_narrow);
  tcase_add_checked_fixture(tests, NULL, forget_texts);
  suite_add_tcase(suite, tests);
  return support_run(suite);
}
