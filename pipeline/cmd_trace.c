#include "pipeline/output.h"
#include "pipeline/trace_columns.h"
#include "pipeline/trace_paint.h"
#include "solvers/mode.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { TRACE_ARENA_BYTES = 1 << 30 };

/* ---- a thread -------------------------------------------------------------------------------- */

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
    trace_painter p = trace_painter_of(out, color, width);
    trace_paint_text(&p, t, 0, t->text_bytes);
    trace_paint_end(&p);
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

/* ---- workers --------------------------------------------------------------------------------- */

enum { WIDTH_OF_NO_TERMINAL = 80 };

/* What is asked for. */
typedef struct request {
  int only;          /* the thread that --thread names; -1: all */
  int width;         /* --width; 0: not given */
  int64_t at;        /* --at; 0: not given */
  int64_t worker;    /* --worker; -1: not given */
  trace_gang gang;   /* of the sample; count 0: it has none, or none that can be shown */
  detail unreadable; /* why it cannot */
} request;

static int width_of_columns(const invocation *in, const request *r) {
  return r->width ? r->width : in->width ? in->width : (int)WIDTH_OF_NO_TERMINAL;
}

static void put_workers(const invocation *in, const trace_sample *s, const request *r, text *out) {
  const trace_gang *g = &r->gang;
  trace_columns o = {.color = in->color, .width = width_of_columns(in, r), .only = (int)r->worker};
  text_format(out, "\n%d %s", g->count, g->count == 1 ? "worker" : "workers");
  if (s->layout) text_put(out, ", layout ");
  if (s->layout) output_printable(out, s->layout, strlen(s->layout));
  text_format(out, ", %lld forwards\n", (long long)g->forwards);
  text_put(out, "at: the forward at which rows begin; --at N shows what each saw at one\n\n");
  trace_put_columns(g, &o, out);
}

static void put_views(const invocation *in, const trace_sample *s, const request *r,
                      const trace_view *views, int count, text *out) {
  put_name(s, out);
  text_char(out, '\n');
  trace_put_legend(s, in->color, out);
  for (int i = 0; i < count; i++) {
    text_char(out, '\n');
    trace_put_view(&r->gang, &views[i], in->color, r->width, out);
  }
}

/* Of the worker that is asked for, or of all that were part of the forward. */
static status find_views(const request *r, arena *memory, trace_view *views, int *count,
                         detail *err) {
  status failed = OK;
  *count = 0;
  if (r->worker >= 0) {
    *count = 1;
    return trace_view_at(&r->gang, (int)r->worker, r->at, memory, &views[0], err);
  }
  for (int i = 0; !failed && i < r->gang.count; i++) {
    if (r->at > r->gang.workers[i].last) continue;
    failed = trace_view_at(&r->gang, i, r->at, memory, &views[*count], err);
    ++*count;
  }
  if (failed || *count) return failed;
  return fault(err, E_INPUT,
               "this sample has no forward %lld: its workers took %lld, counted from 1",
               (long long)r->at, (long long)r->gang.forwards);
}

static status show_views(const invocation *in, const trace_sample *s, const request *r,
                         arena *memory, detail *err) {
  int count = 0;
  trace_view *views = arena_take(memory, (size_t)r->gang.count, sizeof *views);
  if (!views) return arena_full(memory, err);
  status failed = find_views(r, memory, views, &count, err);
  if (failed) return failed;
  if (in->json) return output_json(in, trace_views_json(&r->gang, views, count), err);
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  put_views(in, s, r, views, count, &out);
  failed = command_print(in, &out, err);
  text_close(&out);
  return failed;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Whether a thread's text is shown by itself: one that is asked for, or that is in no column. */
static int is_alone(const request *r, int thread) {
  if (r->only >= 0) return r->only == thread;
  return r->worker < 0 && thread >= r->gang.count;
}

static void put_threads(const invocation *in, const trace_sample *s, const request *r, text *out) {
  if (r->only < 0 && r->unreadable.code) {
    text_char(out, '\n');
    output_printable(out, r->unreadable.text, strlen(r->unreadable.text));
    text_char(out, '\n');
  }
  if (r->only < 0 && r->gang.count) put_workers(in, s, r, out);
  for (int i = s->thread_count ? 0 : -1; i >= 0; i = s->threads[i].next) {
    if (is_alone(r, i)) put_thread(&s->threads[i], in->color, r->width, out);
  }
}

static status print_text(const invocation *in, const trace_sample *s, const request *r,
                         detail *err) {
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  put_header(s, &out);
  if (s->thread_count) {
    put_tree(s, &out);
    text_char(&out, '\n');
    trace_put_legend(s, in->color, &out);
  }
  put_threads(in, s, r, &out);
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

/* Where nothing is asked of workers, those whose layouts tell no time are threads as others are. */
static status find_gang(const trace_sample *s, arena *memory, request *r, detail *err) {
  status failed = trace_gang_read(s, memory, &r->gang, &r->unreadable);
  int is_asked = r->at > 0 || r->worker >= 0;
  if (failed && (is_asked || (failed != E_INPUT && failed != E_STORE))) {
    if (err) *err = r->unreadable;
    return failed;
  }
  if (failed) r->gang.count = 0;
  if (is_asked && !r->gang.count) {
    return fault(err, E_INPUT, "this sample has no workers: --at and --worker are of mode hogwild");
  }
  if (r->worker < r->gang.count) return OK;
  return fault(err, E_INPUT, "this sample has no worker %lld; its %d are counted from 0",
               (long long)r->worker, r->gang.count);
}

static status show(const invocation *in, store *s, arena *memory, request *r, detail *err) {
  trace_place place = {0};
  trace_sample sample;
  status failed = trace_find(s, in->arguments[0], memory, &place, err);
  if (!failed) failed = trace_read(s, &place, memory, &sample, err);
  if (!failed) failed = find_thread(in, &sample, memory, &r->only, err);
  if (!failed) failed = find_gang(&sample, memory, r, err);
  if (failed) return failed;
  if (r->at) return show_views(in, &sample, r, memory, err);
  int only = r->worker >= 0 ? (int)r->worker : r->only;
  return in->json ? output_json(in, trace_json(&sample, only), err)
                  : print_text(in, &sample, r, err);
}

static status read_request(const invocation *in, request *out, detail *err) {
  int64_t width = 0;
  *out = (request){0};
  status failed = command_integer(in, "width", 20, 10000, 0, &width, err);
  if (!failed) failed = command_integer(in, "at", 1, INT64_MAX, 0, &out->at, err);
  if (!failed)
    failed = command_integer(in, "worker", 0, LAYOUT_WORKERS_MAX - 1, -1, &out->worker, err);
  out->width = (int)width;
  if (failed || !command_value(in, "thread") || (out->worker < 0 && !out->at)) return failed;
  return fault(err, E_USAGE, "--thread shows one text alone; with --at write --worker, from 0");
}

static status run_trace(const invocation *in, detail *err) {
  request r;
  store *s = NULL;
  arena *memory = NULL;
  status failed = read_request(in, &r, err);
  if (!failed) failed = command_store(in, STORE_READ, &s, err);
  if (!failed) failed = arena_open(&memory, TRACE_ARENA_BYTES, err);
  if (!failed) failed = show(in, s, memory, &r, err);
  arena_close(memory);
  (void)store_close(s, NULL);
  return failed;
}

static const command_option trace_options[] = {
    {"thread", "PATH", "this thread's text only, such as 0.2"},
    {"worker", "N", "of workers that read each other, this one's only, from 0"},
    {"at", "N", "what workers saw when they sampled by forward N, from 1"},
    {"width", "N", "characters a row, 20 or more; default: the line's, of workers the terminal's"},
    {0}};

const command command_trace = {
    .name = "trace",
    .arguments = "CONDITION/TASK/REPEAT",
    .summary = "Shows one sample: its verdict, its tree of threads, and what each wrote.",
    .more = "CONDITION may be JOB:CONDITION. A sample's id works too, but changes on merge.\n\n"
            "  nightjar trace 'apr beam=3/17/0'\n"
            "  nightjar trace quickstart:apr/17/0 --thread 0.2\n"
            "  nightjar trace hogwild/17/0 --at 38 --worker 1\n",
    .options = trace_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_data = 1,
    .run = run_trace};
