#include "pipeline/output.h"
#include "pipeline/trace.h"

#include <string.h>

enum { TRACE_ARENA_BYTES = 1 << 30 };

/* ---- a thread's text ------------------------------------------------------------------------- */

static const struct mark {
  const char *kind, *meaning;
  char margin;       /* without colour */
  const char *color; /* a terminal's escape */
} marks[] = {{"prompt", "prompt", 'p', "\033[2m"},
             {"generated", "generated", ' ', ""},
             {"fed", "fed by the join", 'f', "\033[36m"},
             {"cut", "generated, then cut from the context", 'x', "\033[33m"},
             {"", "unmarked", '?', ""}};
enum { MARKS = sizeof marks / sizeof marks[0] };

static const struct mark *find_mark(const char *kind) {
  int i = 0;
  while (i < MARKS - 1 && strcmp(marks[i].kind, kind) != 0)
    i++;
  return &marks[i];
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
  painter p = {.out = out, .color = color, .width = width, .mark = find_mark(""), .used = -1};
  size_t at = 0;
  for (int i = 0; i < t->span_count; i++) {
    const trace_span *span = &t->spans[i];
    paint(&p, find_mark(""), t->text + at, span->start - at);
    paint(&p, find_mark(span->kind), t->text + span->start, span->bytes);
    at = span->start + span->bytes;
  }
  paint(&p, find_mark(""), t->text + at, t->text_bytes - at);
  end_row(&p);
}

static void put_legend(int color, text *out) {
  for (int i = 0; i < MARKS - 1; i++) {
    if (i) text_put(out, color ? ", " : "   ");
    if (color) {
      text_format(out, "%s%s\033[0m", marks[i].color, marks[i].meaning);
    } else {
      text_format(out, "%c| %s", marks[i].margin, marks[i].meaning);
    }
  }
  text_put(out, color ? "\n" : "   + continues a line\n");
}

static void put_thread(const trace_thread *t, int color, int width, text *out) {
  text_put(out, "\n-- thread ");
  output_printable(out, t->path, strlen(t->path));
  text_put(out, " --\n");
  if (t->text) {
    put_text(t, color, width, out);
  } else {
    text_put(out, "no text is stored\n");
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
  enum { ROW_CHARACTERS = 78 };
  size_t row = out->bytes;
  text_format(out, "%-10s", "counts");
  for (int i = 0, first = 1; i < TRACE_COUNTS; i++) {
    const trace_count *c = &s->counts[i];
    if (c->value == STORE_NONE) continue;
    if (out->bytes - row > ROW_CHARACTERS) {
      text_put(out, ",\n          ");
      row = out->bytes - 10;
      first = 1;
    }
    text_format(out, "%s%s %lld", first ? "" : ", ", c->name, (long long)c->value);
    first = 0;
  }
  text_char(out, '\n');
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
  put_counts(s, out);
}

static void put_cell(listing *rows, int64_t value) {
  if (value == STORE_NONE) {
    listing_text(rows, NULL);
  } else {
    listing_int(rows, value);
  }
}

static void put_tree(const trace_sample *s, text *out) {
  static const listing_column columns[] = {
      {"thread", 0},    {"role", 0},  {"round", 1}, {"prompt", 1}, {"fed", 1},
      {"generated", 1}, {"start", 1}, {"end", 1},   {"wait", 1},   {"finish", 0}};
  enum { COLUMNS = sizeof columns / sizeof columns[0] };
  listing rows;
  listing_open(&rows, columns, COLUMNS);
  for (int i = s->thread_count ? 0 : -1; i >= 0; i = s->threads[i].next) {
    const trace_thread *t = &s->threads[i];
    text name;
    text_open(&name, 4096);
    text_format(&name, "%*s%s", 2 * t->depth, "", t->path);
    listing_text(&rows, text_string(&name));
    text_close(&name);
    listing_text(&rows, t->role);
    const int64_t numbers[] = {
        t->round,         t->tokens_prompt, t->tokens_fed, t->tokens_generated,
        t->logical_start, t->logical_end,   t->wait_steps};
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
      put_cell(&rows, numbers[k]);
    listing_text(&rows, t->finish);
  }
  text_char(out, '\n');
  listing_print(&rows, out);
  listing_close(&rows);
}

static status print_text(const invocation *in, const trace_sample *s, int only, int width,
                         detail *err) {
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  put_header(s, &out);
  if (s->thread_count) {
    put_tree(s, &out);
    text_char(&out, '\n');
    put_legend(in->color, &out);
  }
  for (int i = s->thread_count ? 0 : -1; i >= 0; i = s->threads[i].next) {
    if (only < 0 || only == i) put_thread(&s->threads[i], in->color, width, &out);
  }
  status failed = command_print(in, &out, err);
  text_close(&out);
  return failed;
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *value) {
  return value ? output_json_text(value, strlen(value)) : json_null();
}

static json_t *number_or_null(int64_t value) {
  return value == STORE_NONE ? json_null() : json_integer(value);
}

/* Adds to a list that may be NULL already, and gives NULL from the first failure on. */
static json_t *append(json_t *list, json_t *value) {
  if (!list) {
    json_decref(value);
    return NULL;
  }
  if (!json_array_append_new(list, value)) return list;
  json_decref(list);
  return NULL;
}

static json_t *verdicts_json(const trace_sample *s) {
  json_t *list = json_array();
  for (int i = 0; i < s->verdict_count; i++) {
    const trace_verdict *v = &s->verdicts[i];
    list = append(list,
                  json_pack("{s:o, s:b, s:o, s:f}", "checker", text_or_null(v->checker), "correct",
                            v->correct, "reason", text_or_null(v->reason), "score", v->score));
  }
  return list;
}

static json_t *spans_json(const trace_thread *t) {
  json_t *list = json_array();
  for (int i = 0; i < t->span_count; i++) {
    const trace_span *span = &t->spans[i];
    list = append(list, json_pack("[o, I, I]", text_or_null(span->kind), (json_int_t)span->start,
                                  (json_int_t)span->bytes));
  }
  return list;
}

static json_t *thread_json(const trace_sample *s, const trace_thread *t) {
  json_t *written = t->text ? output_json_text(t->text, t->text_bytes) : json_null();
  return json_pack(
      "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "path",
      text_or_null(t->path), "parent",
      text_or_null(t->parent < 0 ? NULL : s->threads[t->parent].path), "role",
      text_or_null(t->role), "round", number_or_null(t->round), "spawn_token",
      number_or_null(t->spawn_token), "join_token", number_or_null(t->join_token), "tokens_prompt",
      number_or_null(t->tokens_prompt), "tokens_fed", number_or_null(t->tokens_fed),
      "tokens_generated", number_or_null(t->tokens_generated), "logical_start",
      number_or_null(t->logical_start), "logical_end", number_or_null(t->logical_end), "wait_steps",
      number_or_null(t->wait_steps), "finish", text_or_null(t->finish), "answer",
      text_or_null(t->answer), "text", written, "spans", spans_json(t));
}

static json_t *counts_json(const trace_sample *s) {
  json_t *counts = json_object();
  for (int i = 0; counts && i < TRACE_COUNTS; i++) {
    if (!json_object_set_new(counts, s->counts[i].name, number_or_null(s->counts[i].value)))
      continue;
    json_decref(counts);
    return NULL;
  }
  return counts;
}

static json_t *sample_json(const trace_sample *s, int only) {
  json_t *threads = json_array();
  for (int i = 0; i < s->thread_count; i++) {
    if (only < 0 || only == i) threads = append(threads, thread_json(s, &s->threads[i]));
  }
  return json_pack(
      "{s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
      "s:o}",
      "sample", (json_int_t)s->id, "run", (json_int_t)s->run, "job", text_or_null(s->job),
      "condition", text_or_null(s->condition), "task_set", text_or_null(s->task_set), "task",
      text_or_null(s->task), "repeat", (json_int_t)s->repeat, "attempt", (json_int_t)s->attempt,
      "question", text_or_null(s->question), "expected", text_or_null(s->target), "status",
      text_or_null(s->status), "limit_met", text_or_null(s->limit_met), "error",
      text_or_null(s->error), "answer", text_or_null(s->answer), "verdicts", verdicts_json(s),
      "counts", counts_json(s), "threads", threads);
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
  return in->json ? output_json(in, sample_json(&sample, only), err)
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
