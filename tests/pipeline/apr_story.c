#include "tests/pipeline/apr_story.h"

#include "base/json.h"
#include "base/text.h"
#include "tests/support/support.h"

#include <string.h>

enum { TEXT_MAX = 1 << 22 };

static const char CALLING[] = "<Calling Sub Searches>\n", CALL[] = "<Start Sub Search ",
                  MOVE[] = "Moving to Node #", JOINED[] = "<End Sub Searches>\n",
                  GOAL[] = "Goal Reached";

/* What the records say, a sequence each. */
typedef struct recorded {
  const char *turns[STORY_TURNS_MAX]; /* [turn_count] the root's, each its whole context */
  const char *children[STORY_CHILDREN_MAX];
  int turn_count, child_count;
  const char *prompt; /* of the root */
} recorded;

/* ---- texts ----------------------------------------------------------------------------------- */

static const char *keep_bytes(arena *memory, const char *bytes, size_t count) {
  const char *own = arena_text(memory, bytes, count);
  ck_assert_ptr_nonnull(own);
  return own;
}

/* What was put together; t is closed. */
static const char *keep_text(arena *memory, text *t) {
  ck_assert_int_eq(t->failed, OK);
  const char *own = keep_bytes(memory, text_string(t), t->bytes);
  text_close(t);
  return own;
}

static const char *joined_texts(arena *memory, const char *a, const char *b) {
  text t;
  text_open(&t, TEXT_MAX);
  text_put(&t, a);
  text_put(&t, b);
  return keep_text(memory, &t);
}

static int begins(const char *whole, const char *start) {
  return !strncmp(whole, start, strlen(start));
}

static const char *find_last(const char *whole, const char *piece) {
  const char *last = NULL;
  for (const char *at = strstr(whole, piece); at; at = strstr(at + 1, piece))
    last = at;
  return last;
}

static const char *next_line(const char *line) {
  const char *end = strchr(line, '\n');
  return end ? end + 1 : line + strlen(line);
}

static const char *trimmed(arena *memory, const char *from) {
  size_t bytes;
  from += strspn(from, " \n\r\t");
  bytes = strlen(from);
  while (bytes && strchr(" \n\r\t", from[bytes - 1]))
    bytes--;
  return keep_bytes(memory, from, bytes);
}

/* Behind the second-to-last goal of a text; NULL: it has fewer than two. */
static const char *solution_of(arena *memory, const char *whole) {
  const char *before = NULL, *last = NULL;
  for (const char *at = strstr(whole, GOAL); at; at = strstr(at + 1, GOAL)) {
    before = last;
    last = at;
  }
  return before ? trimmed(memory, before + strlen(GOAL)) : NULL;
}

/* ---- records --------------------------------------------------------------------------------- */

static const char *prompt_of(arena *memory, const json_t *record) {
  const json_t *numbers = json_object_get(record, "nums");
  text t;
  text_open(&t, TEXT_MAX);
  text_format(&t, "Moving to Node #0\nCurrent State: %d:[",
              (int)json_integer_value(json_object_get(record, "target")));
  for (size_t i = 0; i < json_array_size(numbers); i++) {
    text_format(&t, "%s%d", i ? ", " : "", (int)json_integer_value(json_array_get(numbers, i)));
  }
  text_put(&t, "], Operations: []");
  return keep_text(memory, &t);
}

static void take_record(recorded *r, const json_t *record, arena *memory) {
  const json_t *own = json_object_get(record, "text");
  const char *path = json_string_value(json_object_get(record, "path"));
  const char *sequence = keep_bytes(memory, json_string_value(own), json_string_length(own));
  if (!strcmp(path, "0")) {
    ck_assert_int_lt(r->turn_count, STORY_TURNS_MAX);
    ck_assert_int_eq(json_integer_value(json_object_get(record, "turn")), r->turn_count);
    if (!r->turn_count) r->prompt = prompt_of(memory, record);
    r->turns[r->turn_count++] = sequence;
  } else {
    char wanted[32];
    ck_assert_int_lt(r->child_count, STORY_CHILDREN_MAX);
    (void)snprintf(wanted, sizeof wanted, "0.%d", r->child_count);
    ck_assert_str_eq(path, wanted);
    ck_assert_int_eq(json_integer_value(json_object_get(record, "turns")), 1);
    r->children[r->child_count++] = sequence;
  }
}

static void read_records(recorded *r, const char *records, arena *memory) {
  detail err;
  for (const char *line = records; *line; line = next_line(line)) {
    json_t *record = NULL;
    ck_ok(json_read(&record, line, (size_t)(next_line(line) - line), "records", 1, &err));
    take_record(r, record, memory);
    json_decref(record);
  }
}

/* What the root added to its context at a turn. */
static const char *written_at(const recorded *r, int turn) {
  const char *whole = r->turns[turn], *fed = find_last(whole, JOINED);
  ck_assert(begins(whole, r->prompt));
  ck_assert_int_eq(fed != NULL, turn > 0);
  return fed ? fed + strlen(JOINED) : whole + strlen(r->prompt);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* The line that generates a node, behind its id; NULL: none does. */
static const char *generated_line(const char *whole, const char *id, size_t id_bytes) {
  static const char GENERATED[] = "Generated Node #";
  for (const char *line = whole; *line; line = next_line(line)) {
    const char *own = line + strlen(GENERATED);
    if (begins(line, GENERATED) && !strncmp(own, id, id_bytes) && begins(own + id_bytes, ": "))
      return own + id_bytes + 2;
  }
  return NULL;
}

static void put_operations(const char *whole, const char *id, size_t id_bytes, text *out) {
  size_t parent_bytes = id_bytes;
  const char *line = generated_line(whole, id, id_bytes);
  if (!line) { /* the root, which nobody generated */
    ck_assert(id_bytes == 1 && id[0] == '0');
    return;
  }
  while (id[--parent_bytes] != ',') {
  }
  put_operations(whole, id, parent_bytes, out);
  const char *operation = strstr(line, "] Operation: ") + strlen("] Operation: ");
  text_format(out, "%s'%.*s'", out->data[out->bytes - 1] == '[' ? "" : ", ",
              (int)strcspn(operation, "\n"), operation);
}

/* A child is told of its node, and of nothing else that the root has written. */
static const char *child_prompt(arena *memory, const char *whole, const char *id) {
  text t;
  size_t id_bytes = strcspn(id, "\n");
  const char *line = generated_line(whole, id, id_bytes);
  ck_assert_ptr_nonnull(line);
  text_open(&t, TEXT_MAX);
  text_format(&t, "Moving to Node #%.*s\nCurrent State: %.*s], Operations: [", (int)id_bytes, id,
              (int)strcspn(line, "]"), line);
  put_operations(whole, id, id_bytes, &t);
  text_char(&t, ']');
  return keep_text(memory, &t);
}

/* ---- calls and joins ------------------------------------------------------------------------- */

/* The same call with its last child named twice. */
static const char *with_one_twice(arena *memory, const char *written) {
  const char *last = find_last(written, CALL);
  text t;
  text_open(&t, TEXT_MAX);
  text_add(&t, written, (size_t)(next_line(last) - written));
  text_put(&t, last);
  return keep_text(memory, &t);
}

static void put_joined(text *t, int ordinal, const char *id, const char *solution) {
  text_format(t, "<%s in Sub Search %d at level 1 at Node #%.*s>\n",
              solution ? GOAL : "No Solution", ordinal, (int)strcspn(id, "\n"), id);
  if (solution) text_format(t, "%s\n", solution);
}

/* A child of the root, whose context was whole when it called. */
static const story_child *play_child(story *s, const char *whole, const char *id, int round,
                                     const char *sequence, int is_like, arena *memory) {
  story_child *child = &s->children[s->child_count];
  ck_assert_int_lt(s->child_count, STORY_CHILDREN_MAX);
  *child = (story_child){.prompt = child_prompt(memory, whole, id),
                         .solution = solution_of(memory, sequence),
                         .round = round,
                         .like = is_like ? s->child_count - 1 : -1};
  ck_assert_msg(begins(sequence, child->prompt), "%s\nis prompted with\n%s", sequence,
                child->prompt);
  child->written = sequence + strlen(child->prompt);
  s->child_count++;
  return child;
}

/* The children of a turn's call, in its order, and what is joined of them. *next: the record of the
   next child. */
static const char *play_children(story *s, const recorded *r, int turn, int *next, arena *memory) {
  const story_turn *caller = &s->turns[turn];
  const char *whole = joined_texts(memory, caller->held, caller->written), *before = NULL;
  text t;
  int ordinal = 0;
  text_open(&t, TEXT_MAX);
  text_put(&t, "<Sub Searches>\n");
  for (const char *line = caller->written + caller->call; *line; line = next_line(line)) {
    if (!begins(line, CALL)) continue;
    const char *id = strstr(line, MOVE) + strlen(MOVE);
    int is_like = before && !strncmp(id, before, strcspn(id, "\n") + 1);
    if (!is_like) (*next)++;
    ck_assert_int_le(*next, r->child_count);
    put_joined(&t, ordinal++, id,
               play_child(s, whole, id, turn, r->children[*next - 1], is_like, memory)->solution);
    before = id;
  }
  text_put(&t, JOINED);
  return keep_text(memory, &t);
}

/* What the next turn goes on behind: all before the call, and what is joined. */
static const char *held_behind(const story_turn *t, arena *memory) {
  const char *own = keep_bytes(memory, t->written, t->call);
  return joined_texts(memory, t->held, joined_texts(memory, own, t->joined));
}

static void play_turn(story *s, const recorded *r, int turn, const char *held, int names_twice,
                      int *next, arena *memory) {
  story_turn *t = &s->turns[turn];
  *t = (story_turn){.held = held, .written = written_at(r, turn)};
  const char *call = find_last(t->written, CALLING);
  ck_assert_int_eq(call != NULL, turn + 1 < r->turn_count);
  t->call = call ? (size_t)(call - t->written) : strlen(t->written);
  if (!call) return;
  if (names_twice) t->written = with_one_twice(memory, t->written);
  t->joined = play_children(s, r, turn, next, memory);
}

void story_read(story *out, const char *records, const char *label, int names_twice,
                arena *memory) {
  recorded r = {0};
  int next = 0;
  read_records(&r, records, memory);
  *out = (story){.turn_count = r.turn_count};
  const char *held = joined_texts(memory, label, r.prompt);
  for (int i = 0; i < r.turn_count; i++) {
    play_turn(out, &r, i, held, names_twice, &next, memory);
    const char *whole = joined_texts(memory, held, out->turns[i].written);
    if (!names_twice) ck_assert_str_eq(whole + strlen(label), r.turns[i]); /* as it was recorded */
    if (i + 1 < r.turn_count) held = held_behind(&out->turns[i], memory);
    if (i + 1 == r.turn_count) out->solution = solution_of(memory, whole);
  }
  ck_assert_int_eq(next, r.child_count);
}

/* ---- counts ---------------------------------------------------------------------------------- */

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static int64_t length(const char *bytes) {
  return (int64_t)strlen(bytes);
}

/* A round's longest child, by what it wrote or with its prompt. */
static int64_t longest_of(const story *s, int round, int with_prompt) {
  int64_t longest = 0;
  for (int i = 0; i < s->child_count; i++) {
    const story_child *c = &s->children[i];
    int64_t own = length(c->written) + 1 + (with_prompt ? 1 + length(c->prompt) : 0);
    if (c->round == round) longest = larger(longest, own);
  }
  return longest;
}

static void count_children(const story *s, story_counts *out) {
  for (int i = 0; i < s->child_count; i++) {
    const story_child *c = &s->children[i];
    int64_t prompt = 1 + length(c->prompt), own = length(c->written) + 1;
    out->prompts += prompt;
    out->generated += own;
    out->published_total += prompt + own;
    out->longest = larger(out->longest, prompt + own);
    out->waits += longest_of(s, c->round, 0) - own;
  }
}

/* Sequences of the root are counted whole, each with its begin and its end, and what one begins
   with like the one before it is taken off again, letter by letter: the "<" of a call too, which
   the join has in the same place. */
static int64_t counted_again(const story_turn *before, const story_turn *t) {
  size_t same = 0;
  ck_assert(begins(t->held, before->held));
  const char *own = t->held + strlen(before->held);
  while (own[same] && own[same] == before->written[same])
    same++;
  return length(before->held) + (int64_t)same;
}

story_counts story_count(const story *s) {
  story_counts out = {.prompts = 1 + length(s->turns[0].held)};
  count_children(s, &out);
  for (int i = 0; i < s->turn_count; i++) {
    const story_turn *t = &s->turns[i];
    int64_t sequence = 1 + length(t->held) + length(t->written) + 1, own = length(t->written) + 1;
    int64_t joined = t->joined ? length(t->joined) : 0;
    out.generated += own;
    out.injected += joined;
    out.longest = larger(out.longest, sequence);
    out.published_total += sequence - (i ? counted_again(t - 1, t) : 0);
    out.path += own + longest_of(s, i, 0);
    out.path_injected += own + joined + longest_of(s, i, 1);
  }
  return out;
}
