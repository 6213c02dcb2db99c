#include "pipeline/output.h"
#include "pipeline/trace.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { TRACE_ARENA_BYTES = 1 << 30 };

/* ---- a thread's text ------------------------------------------------------------------------- */

static const struct mark {
  const char *kind;
  int is_finisher;
  const char *meaning;
  char margin;       /* without colour */
  const char *color; /* a terminal's escape */
} marks[] = {{"prompt", 0, "prompt", 'p', "\033[2m"},
             {"generated", 0, "generated", ' ', ""},
             {"fed", 0, "fed by the mode", 'f', "\033[36m"},
             {"cut", 0, "left the context", 'x', "\033[33m"},
             {"fed", 1, "fed by the finisher", 'F', "\033[35m"},
             {"generated", 1, "generated behind it", 'g', "\033[1m"},
             {"", 0, "unmarked", '?', ""}};
enum { MARKS = sizeof marks / sizeof marks[0] };

static const struct mark *find_mark(const char *kind, int is_finisher) {
  int i = 0;
  while (i < MARKS - 1 && (strcmp(marks[i].kind, kind) != 0 || marks[i].is_finisher != is_finisher))
    i++;
  return &marks[i];
}

static const struct mark *unmarked(void) {
  return &marks[MARKS - 1];
}

/* Writes a text in rows. A row belongs to one mark; with colours a change of mark needs no new row.
   The margin of a row that continues the line above it ends in '+' and not in '|'. */
typedef struct painter {
  text *out;
  int color, width; /* characters a row behind the margin; 0: any number */
  const struct mark *mark;
  int used;    /* characters in the open row; -1: no row is open */
  int in_line; /* whether the next character continues a line of the text */
} painter;

static void begin_row(painter *p) {
  if (p->used >= 0) return;
  if (p->color) {
    text_put(p->out, p->mark->color);
  } else {
    text_format(p->out, "%c%c", p->mark->margin, p->in_line ? '+' : '|');
  }
  p->used = 0;
}

static void end_row(painter *p) {
  if (p->used < 0) return;
  if (p->color) text_put(p->out, "\033[0m");
  text_char(p->out, '\n');
  p->used = -1;
}

/* The newline that ends a line stays in the row of the line, whatever its own mark is. */
static void paint(painter *p, const struct mark *mark, const char *bytes, size_t count) {
  for (size_t i = 0, length; i < count; i += length) {
    length = text_utf8_length(bytes + i, count - i);
    if (length == 0) length = 1;
    if (bytes[i] == '\n') {
      if (p->used < 0) p->mark = mark;
      begin_row(p);
      end_row(p);
      p->in_line = 0;
      continue;
    }
    if ((p->mark != mark && !p->color) || (p->width && p->used == p->width)) end_row(p);
    if (p->mark != mark && p->used >= 0) text_format(p->out, "\033[0m%s", mark->color);
    p->mark = mark;
    begin_row(p);
    output_printable(p->out, bytes + i, length);
    p->used++;
    p->in_line = 1;
  }
}

static void put_text(const trace_thread *t, int color, int width, text *out) {
  painter p = {.out = out, .color = color, .width = width, .mark = unmarked(), .used = -1};
  size_t at = 0;
  for (int i = 0; i < t->span_count; i++) {
    const trace_span *span = &t->spans[i];
    paint(&p, unmarked(), t->text + at, span->start - at);
    paint(&p, find_mark(span->kind, span->is_finisher), t->text + span->start, span->bytes);
    at = span->start + span->bytes;
  }
  paint(&p, unmarked(), t->text + at, t->text_bytes - at);
  end_row(&p);
}

/* Which marks a sample's texts have, a bit for each. */
static unsigned find_marks(const trace_sample *s) {
  unsigned found = 0;
  for (int i = 0; i < s->thread_count; i++) {
    const trace_thread *t = &s->threads[i];
    size_t marked = 0;
    for (int k = 0; k < t->span_count; k++) {
      const trace_span *span = &t->spans[k];
      if (span->bytes) found |= 1u << (find_mark(span->kind, span->is_finisher) - marks);
      marked += span->bytes;
    }
    if (marked < t->text_bytes) found |= 1u << (MARKS - 1);
  }
  return found;
}

/* What the marks in these texts mean, in lines that fit a terminal. */
static void put_legend(const trace_sample *s, int color, text *out) {
  enum { ROW_CHARACTERS = 78 };
  unsigned found = find_marks(s);
  size_t used = 0;
  for (int i = 0; i < MARKS; i++) {
    if (!(found >> i & 1)) continue;
    size_t wide = strlen(marks[i].meaning) + 3;
    if (used) text_put(out, used + wide > ROW_CHARACTERS ? "\n" : color ? ", " : "   ");
    if (used + wide > ROW_CHARACTERS) used = 0;
    used += wide + 2;
    if (color) {
      text_format(out, "%s%s\033[0m", marks[i].color, marks[i].meaning);
    } else {
      text_format(out, "%c| %s", marks[i].margin, marks[i].meaning);
    }
  }
  if (!color) text_put(out, used > 56 ? "\n + continues a line" : "   + continues a line");
  text_char(out, '\n');
}

/* Only a thread that never ran has no prompt. */
static void put_absence(const trace_thread *t, text *out) {
  static const char *const reasons[][2] = {
      {"refused", ": a limit on children or rounds refused it"},
      {"unknown", ": its caller had not shown that node's state"},
      {"limit", ": a limit left no room for its prompt"}};
  if (t->tokens_prompt) {
    text_put(out, "no text is stored\n");
    return;
  }
  text_put(out, "it never ran");
  if (t->node) text_format(out, " at node #%s", t->node);
  for (size_t i = 0; t->finish && i < sizeof reasons / sizeof reasons[0]; i++) {
    if (!strcmp(t->finish, reasons[i][0])) text_put(out, reasons[i][1]);
  }
  text_char(out, '\n');
}

static void put_thread(const trace_thread *t, int color, int width, text *out) {
  text_put(out, "\n-- thread ");
  output_printable(out, t->path, strlen(t->path));
  text_put(out, " --\n");
  if (t->text) {
    put_text(t, color, width, out);
  } else {
    put_absence(t, out);
  }
}

/* ---- the sample ------------------------------------------------------------------------------ */

static void put_field(const char *name, const char *value, text *out) {
  if (!value) return;
  text_format(out, "%-10s", name);
  for (const char *at = value;;) {
    const char *line = strchr(at, '\n');
    output_printable(out, at, line ? (size_t)(line - at) : strlen(at));
    text_char(out, '\n');
    if (!line) return;
    at = line + 1;
    text_format(out, "%10s", "");
  }
}

static void put_name(const trace_sample *s, text *out) {
  if (s->condition) {
    output_printable(out, s->job, strlen(s->job));
    text_char(out, ':');
    output_printable(out, s->condition, strlen(s->condition));
  } else {
    text_format(out, "run %lld, which no job asks for any more", (long long)s->run);
  }
  text_put(out, ", task ");
  output_printable(out, s->task, strlen(s->task));
  text_put(out, " of ");
  output_printable(out, s->task_set, strlen(s->task_set));
  text_format(out, ", repeat %lld (sample %lld, attempt %lld)\n", (long long)s->repeat,
              (long long)s->id, (long long)s->attempt);
}

static void put_counts(const trace_sample *s, text *out) {
  enum { ROW_CHARACTERS = 78, INDENT = 10 };
  size_t used = INDENT;
  text_format(out, "%-*s", (int)INDENT, "counts");
  for (int i = 0; i < TRACE_COUNTS; i++) {
    const trace_count *c = &s->counts[i];
    char cell[64];
    if (c->value == STORE_NONE) continue;
    size_t wide = (size_t)snprintf(cell, sizeof cell, "%s %lld", c->name, (long long)c->value);
    if (used > INDENT && used + wide + 2 > ROW_CHARACTERS) {
      text_format(out, ",\n%*s", (int)INDENT, "");
      used = INDENT;
    }
    text_format(out, "%s%s", used > INDENT ? ", " : "", cell);
    used += wide + 2;
  }
  text_char(out, '\n');
}

static void put_model(const trace_sample *s, text *out) {
  const char *const parts[] = {s->model, s->mode, s->protocol, s->determinism_class};
  text_put(out, "model     ");
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (!parts[i]) continue;
    if (i) text_put(out, ", ");
    output_printable(out, parts[i], strlen(parts[i]));
  }
  text_char(out, '\n');
}

/* Each key with a number, which the tree names it by. */
static void put_votes(const trace_sample *s, text *out) {
  int voters = 0;
  for (int i = 0; i < s->vote_count; i++)
    voters += s->votes[i].votes;
  for (int i = 0; i < s->vote_count; i++) {
    const trace_vote *v = &s->votes[i];
    text_put(out, i ? "          " : "votes     ");
    if (v->key) {
      text_format(out, "#%d: %d of %d for ", i + 1, v->votes, voters);
      output_printable(out, v->key, strlen(v->key));
    } else {
      text_format(out, "%d of %d for nothing", v->votes, voters);
    }
    text_char(out, '\n');
  }
}

static void put_header(const trace_sample *s, text *out) {
  put_name(s, out);
  put_field("question", s->question, out);
  put_field("expected", s->target, out);
  text_put(out, "status    ");
  output_printable(out, s->status, strlen(s->status));
  if (s->limit_met) {
    text_put(out, " by the limit ");
    output_printable(out, s->limit_met, strlen(s->limit_met));
  }
  text_char(out, '\n');
  if (s->model) put_model(s, out);
  if (s->derived) {
    put_field("derived", "cut from the tokens of a larger sample: it has no times of its own", out);
  }
  put_field("error", s->error, out);
  for (int i = 0; i < s->verdict_count; i++) {
    const trace_verdict *v = &s->verdicts[i];
    text_format(out, "verdict   %s (", v->correct ? "correct" : "wrong");
    output_printable(out, v->checker, strlen(v->checker));
    text_put(out, ": ");
    output_printable(out, v->reason, strlen(v->reason));
    text_format(out, "; score %g)\n", v->score);
  }
  put_field("answer", s->answer ? s->answer : "none", out);
  put_votes(s, out);
  put_counts(s, out);
}

/* ---- the tree -------------------------------------------------------------------------------- */

static void put_path(const trace_sample *s, const trace_thread *t, listing *rows) {
  (void)s;
  text name;
  text_open(&name, 4096);
  text_format(&name, "%*s%s", 2 * t->depth, "", t->path);
  listing_text(rows, text_string(&name));
  text_close(&name);
}

static void put_role(const trace_sample *s, const trace_thread *t, listing *rows) {
  (void)s;
  listing_text(rows, t->role);
}

static void put_finish(const trace_sample *s, const trace_thread *t, listing *rows) {
  (void)s;
  listing_text(rows, t->finish);
}

/* A child's answer is what it returned. */
static void put_returned(const trace_sample *s, const trace_thread *t, listing *rows) {
  (void)s;
  listing_text(rows, t->parent < 0 ? NULL : t->answer ? "yes" : "no");
}

/* Of a generated token; nothing where there is none, or none is known. */
static void put_logprob(const trace_sample *s, const trace_thread *t, listing *rows) {
  (void)s;
  char mean[32] = "-";
  if (t->tokens_generated > 0 && isfinite(t->logprob))
    (void)snprintf(mean, sizeof mean, "%.3f", t->logprob / (double)t->tokens_generated);
  listing_text(rows, mean);
}

/* The number of what it stands for among the votes, as the header has it. */
static void put_vote(const trace_sample *s, const trace_thread *t, listing *rows) {
  char number[24] = "-";
  for (int i = 0; t->vote_key && i < s->vote_count; i++) {
    const char *key = s->votes[i].key;
    if (key && !strcmp(key, t->vote_key)) (void)snprintf(number, sizeof number, "#%d", i + 1);
  }
  listing_text(rows, number);
}

/* Where threads called there are two tables, so that each fits a terminal: who called whom and what
   came of it, and what each holds. Elsewhere one table is both. */
enum { TABLE_CALLS = 1, TABLE_TOKENS = 2 };
enum { HAS_ROUNDS = 1, HAS_CHILDREN = 2, HAS_VOTES = 4, HAS_LOGPROBS = 8 };

static const struct column {
  const char *name;
  int right;
  unsigned tables, needs;
  size_t number; /* where in a thread it stands; without a function */
  void (*put)(const trace_sample *s, const trace_thread *t, listing *rows);
} columns[] = {{"thread", 0, TABLE_CALLS | TABLE_TOKENS, 0, 0, put_path},
               {"role", 0, TABLE_CALLS, 0, 0, put_role},
               {"round", 1, TABLE_CALLS, HAS_ROUNDS, offsetof(trace_thread, round), NULL},
               {"spawn", 1, TABLE_CALLS, HAS_CHILDREN, offsetof(trace_thread, spawn_token), NULL},
               {"join", 1, TABLE_CALLS, HAS_CHILDREN, offsetof(trace_thread, join_token), NULL},
               {"prompt", 1, TABLE_TOKENS, 0, offsetof(trace_thread, tokens_prompt), NULL},
               {"fed", 1, TABLE_TOKENS, 0, offsetof(trace_thread, tokens_fed), NULL},
               {"generated", 1, TABLE_TOKENS, 0, offsetof(trace_thread, tokens_generated), NULL},
               {"start", 1, TABLE_CALLS, 0, offsetof(trace_thread, logical_start), NULL},
               {"end", 1, TABLE_CALLS, 0, offsetof(trace_thread, logical_end), NULL},
               {"wait", 1, TABLE_CALLS, 0, offsetof(trace_thread, wait_steps), NULL},
               {"logprob", 1, TABLE_TOKENS, HAS_LOGPROBS, 0, put_logprob},
               {"vote", 1, TABLE_TOKENS, HAS_VOTES, 0, put_vote},
               {"returned", 0, TABLE_CALLS, HAS_CHILDREN, 0, put_returned},
               {"finish", 0, TABLE_CALLS, 0, 0, put_finish}};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* A model's sample has columns of its own, and may have no rounds. */
static unsigned find_features(const trace_sample *s) {
  unsigned has = s->model ? HAS_LOGPROBS : HAS_ROUNDS;
  if (s->vote_count) has |= HAS_VOTES;
  for (int i = 0; i < s->thread_count; i++) {
    if (s->threads[i].round != STORE_NONE) has |= HAS_ROUNDS;
    if (s->threads[i].parent >= 0) has |= HAS_CHILDREN;
  }
  return has;
}

static void put_cell(const struct column *c, const trace_sample *s, const trace_thread *t,
                     listing *rows) {
  if (c->put) {
    c->put(s, t, rows);
    return;
  }
  int64_t value;
  memcpy(&value, (const char *)t + c->number, sizeof value);
  if (value == STORE_NONE) {
    listing_text(rows, NULL);
  } else {
    listing_int(rows, value);
  }
}

static void put_table(const trace_sample *s, unsigned tables, unsigned has, text *out) {
  const struct column *shown[COLUMNS];
  listing_column heads[COLUMNS];
  int count = 0;
  for (int i = 0; i < COLUMNS; i++) {
    if (!(columns[i].tables & tables) || (columns[i].needs & has) != columns[i].needs) continue;
    heads[count] = (listing_column){columns[i].name, columns[i].right};
    shown[count++] = &columns[i];
  }
  listing rows;
  listing_open(&rows, heads, count);
  for (int i = s->thread_count ? 0 : -1; i >= 0; i = s->threads[i].next) {
    for (int k = 0; k < count; k++)
      put_cell(shown[k], s, &s->threads[i], &rows);
  }
  text_char(out, '\n');
  listing_print(&rows, out);
  listing_close(&rows);
}

static void put_tree(const trace_sample *s, text *out) {
  unsigned has = find_features(s);
  if (has & HAS_CHILDREN) {
    put_table(s, TABLE_CALLS, has, out);
    text_put(out, "spawn, join: how many tokens its caller had generated when it called and went "
                  "on\nreturned: whether it ended with a solution\n");
    put_table(s, TABLE_TOKENS, has, out);
  } else {
    put_table(s, TABLE_CALLS | TABLE_TOKENS, has, out);
  }
  if (has & HAS_LOGPROBS) text_put(out, "logprob: the mean over its generated tokens\n");
}

static status print_text(const invocation *in, const trace_sample *s, int only, int width,
                         detail *err) {
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  put_header(s, &out);
  if (s->thread_count) {
    put_tree(s, &out);
    text_char(&out, '\n');
    put_legend(s, in->color, &out);
  }
  for (int i = s->thread_count ? 0 : -1; i >= 0; i = s->threads[i].next) {
    if (only < 0 || only == i) put_thread(&s->threads[i], in->color, width, &out);
  }
  status failed = command_print(in, &out, err);
  text_close(&out);
  return failed;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* The thread that --thread names; -1: all. */
static status find_thread(const invocation *in, const trace_sample *s, arena *memory, int *out,
                          detail *err) {
  const char *path = command_value(in, "thread");
  *out = -1;
  if (!path) return OK;
  const char **paths = arena_take(memory, (size_t)s->thread_count, sizeof *paths);
  if (!paths) return arena_full(memory, err);
  for (int i = 0; i < s->thread_count; i++) {
    paths[i] = s->threads[i].path;
    if (strcmp(path, paths[i]) != 0) continue;
    *out = i;
    return OK;
  }
  const char *near = text_nearest(path, paths, (size_t)s->thread_count);
  return fault(err, E_INPUT, "this sample has no thread '%s' among its %d%s%s%s", path,
               s->thread_count, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static status show(const invocation *in, store *s, arena *memory, int width, detail *err) {
  trace_place place = {0};
  trace_sample sample;
  int only;
  status failed = trace_find(s, in->arguments[0], memory, &place, err);
  if (!failed) failed = trace_read(s, &place, memory, &sample, err);
  if (!failed) failed = find_thread(in, &sample, memory, &only, err);
  if (failed) return failed;
  return in->json ? output_json(in, trace_json(&sample, only), err)
                  : print_text(in, &sample, only, width, err);
}

static status run_trace(const invocation *in, detail *err) {
  int64_t width;
  store *s = NULL;
  arena *memory = NULL;
  status failed = command_integer(in, "width", 20, 10000, 0, &width, err);
  if (!failed) failed = command_store(in, STORE_READ, &s, err);
  if (!failed) failed = arena_open(&memory, TRACE_ARENA_BYTES, err);
  if (!failed) failed = show(in, s, memory, (int)width, err);
  arena_close(memory);
  (void)store_close(s, NULL);
  return failed;
}

static const command_option trace_options[] = {
    {"thread", "PATH", "this thread's text only, such as 0.2"},
    {"width", "N", "characters a row, 20 or more; default: as long as the line"},
    {0}};

const command command_trace = {
    .name = "trace",
    .arguments = "CONDITION/TASK/REPEAT",
    .summary = "Shows one sample: its verdict, its tree of threads, and what each wrote.",
    .more = "CONDITION may be JOB:CONDITION. A sample's id works too, but changes on merge.\n\n"
            "  nightjar trace 'apr beam=3/17/0'\n"
            "  nightjar trace quickstart:apr/17/0 --thread 0.2\n",
    .options = trace_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_data = 1,
    .run = run_trace};
