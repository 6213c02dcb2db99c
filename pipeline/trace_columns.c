#include "pipeline/trace_columns.h"

#include "pipeline/output.h"
#include "pipeline/trace_paint.h"
#include "solvers/mode.h"

#include <stdio.h>
#include <string.h>

enum { GROUP_FORWARDS = 40, COLUMN_LEAST = 18, COLUMN_GAP = 1 };

/* One worker's column: how far it is told. */
typedef struct column {
  const trace_worker *worker;
  int number;
  text cell;    /* its rows of the group that is told, each ended by a newline */
  size_t shown; /* of the cell */
  trace_painter painter;
  size_t next; /* token */
  int next_step, has_ended;
} column;

typedef struct page {
  const trace_gang *gang;
  column columns[LAYOUT_WORKERS_MAX]; /* [count] */
  int count;
  int width; /* of a column with its margin */
  int label; /* of what stands at the left */
} page;

/* ---- what a worker came to ------------------------------------------------------------------- */

/* The longest of three forms that the column has room for. The forward is in each of them. */
static void put_rule(column *c, int width, const char *words, const char *few, int64_t forward) {
  static const char *const forms[] = {"--", "-", "-"};
  const char *const said[] = {words, few, ""};
  char rule[96];
  int wide = width + 1;
  for (int i = 0; i < 3 && wide > width; i++) {
    wide = snprintf(rule, sizeof rule, "%s %s%sat %lld ", forms[i], said[i], *said[i] ? " " : "",
                    (long long)forward);
  }
  trace_paint_end(&c->painter);
  c->painter.in_line = 0;
  text_put(&c->cell, rule);
  for (; wide < width; wide++)
    text_char(&c->cell, '-');
  text_char(&c->cell, '\n');
}

static void put_step_rule(column *c, int width) {
  char words[48], few[32];
  (void)snprintf(words, sizeof words, "step %d done", c->next_step + 1);
  (void)snprintf(few, sizeof few, "step %d", c->next_step + 1);
  put_rule(c, width, words, few, c->worker->steps[c->next_step].forward);
}

static void put_end_rule(column *c, int width) {
  static const char *const ends[][3] = {{"end", "end of sequence", "end"},
                                        {"stop", "answered", "answer"},
                                        {"limit", "limit met", "limit"},
                                        {"stopped", "stopped", "stop"}};
  const char *finish = c->worker->thread->finish, *words = "ended", *few = "ended";
  for (size_t i = 0; finish && i < sizeof ends / sizeof ends[0]; i++) {
    if (strcmp(ends[i][0], finish) != 0) continue;
    words = ends[i][1];
    few = ends[i][2];
  }
  put_rule(c, width, words, few, c->worker->last);
}

/* Steps that were done before a forward, and are not told yet. */
static void put_steps(column *c, int width, int64_t end) {
  const trace_worker *w = c->worker;
  for (; c->next_step < w->step_count && w->steps[c->next_step].forward < end; c->next_step++)
    put_step_rule(c, width);
}

/* What a worker wrote before a forward and behind what is told already. out: learns of a failure.
 */
static void fill_cell(column *c, int width, int64_t end, text *out) {
  const trace_worker *w = c->worker;
  text_clear(&c->cell);
  c->shown = 0;
  for (; c->next < w->count && w->tokens[c->next].forward < end; c->next++) {
    const trace_token *t = &w->tokens[c->next];
    put_steps(c, width, t->forward);
    trace_paint(&c->painter, trace_mark_of(t->span), w->thread->text + t->start, t->bytes);
  }
  put_steps(c, width, end);
  if (w->last < end && !c->has_ended++) put_end_rule(c, width);
  trace_paint_end(&c->painter);
  if (c->cell.failed) out->failed = c->cell.failed;
}

/* ---- where rows begin ------------------------------------------------------------------------ */

static int begins_line(const trace_worker *w, const trace_token *t) {
  const char *all = w->thread->text;
  return t->bytes && all[t->start] != '\n' && (!t->start || all[t->start - 1] == '\n');
}

/* The first forward behind one at which the worker begins a line or a step; end: none before. */
static int64_t next_beginning(const column *c, int64_t from, int64_t end) {
  const trace_worker *w = c->worker;
  for (int i = c->next_step; i < w->step_count && w->steps[i].forward < end - 1; i++) {
    if (w->steps[i].forward >= from) end = w->steps[i].forward + 1;
  }
  for (size_t i = c->next; i < w->count && w->tokens[i].forward < end; i++) {
    if (w->tokens[i].forward > from && begins_line(w, &w->tokens[i])) return w->tokens[i].forward;
  }
  return end;
}

static int64_t group_end(const page *p, int64_t from) {
  int64_t end = from + GROUP_FORWARDS;
  for (int i = 0; i < p->count; i++)
    end = next_beginning(&p->columns[i], from, end);
  return end;
}

/* ---- side by side ---------------------------------------------------------------------------- */

/* Columns of a row, whose escapes for colours take none. */
static int columns_of(const char *row, size_t bytes) {
  size_t columns = 0;
  for (size_t i = 0; i < bytes;) {
    const char *end = row[i] == '\033' ? memchr(row + i, 'm', bytes - i) : NULL;
    const char *escape = memchr(row + i, '\033', bytes - i);
    size_t to = end ? (size_t)(end - row) + 1 : escape ? (size_t)(escape - row) : bytes;
    if (!end) columns += text_columns(row + i, to - i);
    i = to;
  }
  return (int)columns;
}

/* The next row of a cell; NULL: there is none. */
static const char *next_row(column *c, size_t *bytes) {
  const char *row = text_string(&c->cell) + c->shown, *end = strchr(row, '\n');
  if (!end) return NULL;
  *bytes = (size_t)(end - row);
  c->shown += *bytes + 1;
  return row;
}

static int has_rows(const page *p) {
  for (int i = 0; i < p->count; i++) {
    if (p->columns[i].shown < p->columns[i].cell.bytes) return 1;
  }
  return 0;
}

/* A row of all cells. Nothing is filled up behind the last that has one. */
static void put_row(page *p, text *out) {
  int at = p->label, wanted = p->label;
  for (int i = 0; i < p->count; i++) {
    size_t bytes = 0;
    const char *row = next_row(&p->columns[i], &bytes);
    wanted += COLUMN_GAP;
    if (row) {
      text_format(out, "%*s", wanted - at, "");
      text_add(out, row, bytes);
      at = wanted + columns_of(row, bytes);
    }
    wanted += p->width;
  }
  text_char(out, '\n');
}

static void put_heads(page *p, text *out) {
  text_format(out, "%*s", p->label, "at");
  for (int i = 0; i < p->count; i++) {
    column *c = &p->columns[i];
    int is_last = i + 1 == p->count;
    text_format(out, "%*sworker %-*d", COLUMN_GAP, "", is_last ? 0 : p->width - 7, c->number);
  }
  text_char(out, '\n');
}

static void put_beside(page *p, text *out) {
  put_heads(p, out);
  for (int64_t from = 1, end = 1; from <= p->gang->forwards; from = end) {
    end = group_end(p, from);
    for (int i = 0; i < p->count; i++)
      fill_cell(&p->columns[i], p->width, end, out);
    for (int is_first = 1; has_rows(p); is_first = 0) {
      if (is_first) text_format(out, "%*lld", p->label, (long long)from);
      if (!is_first) text_format(out, "%*s", p->label, "");
      put_row(p, out);
    }
  }
}

/* ---- one below another ----------------------------------------------------------------------- */

static void put_below(page *p, text *out) {
  for (int64_t from = 1; from <= p->gang->forwards; from += GROUP_FORWARDS) {
    int64_t end = from + GROUP_FORWARDS;
    if (end > p->gang->forwards + 1) end = p->gang->forwards + 1;
    text_format(out, "-- forwards %lld to %lld --\n", (long long)from, (long long)end - 1);
    for (int i = 0; i < p->count; i++) {
      column *c = &p->columns[i];
      fill_cell(c, p->width, end, out);
      if (c->cell.bytes) text_format(out, "worker %d\n", c->number);
      text_add(out, text_string(&c->cell), c->cell.bytes);
    }
  }
}

/* ---- the page -------------------------------------------------------------------------------- */

static int digits_of(int64_t number) {
  int digits = 1;
  for (; number > 9; number /= 10)
    digits++;
  return digits;
}

static void open_page(page *p, const trace_gang *g, const trace_columns *o) {
  *p = (page){.gang = g, .label = digits_of(g->forwards)};
  if (p->label < 2) p->label = 2;
  for (int i = 0; i < g->count && p->count < LAYOUT_WORKERS_MAX; i++) {
    column *c = &p->columns[p->count];
    if (o->only >= 0 && o->only != i) continue;
    *c = (column){.worker = &g->workers[i], .number = i};
    text_open(&c->cell, OUTPUT_BYTES_MAX);
    p->count++;
  }
}

static void set_width(page *p, int width, int color) {
  p->width = width;
  for (int i = 0; i < p->count; i++) {
    column *c = &p->columns[i];
    c->painter = trace_painter_of(&c->cell, color, width - TRACE_MARGIN_COLUMNS);
    c->painter.has_bar = 1;
  }
}

static void close_page(page *p) {
  for (int i = 0; i < p->count; i++)
    text_close(&p->columns[i].cell);
}

/* What stands in a worker's text before what it writes. */
static size_t start_bytes(const trace_worker *w) {
  const trace_span *last = w->own > w->thread->spans ? w->own - 1 : NULL;
  return last ? last->start + last->bytes : 0;
}

static int start_alike(const page *p) {
  const trace_worker *first = p->columns[0].worker;
  size_t bytes = start_bytes(first);
  for (int i = 1; i < p->count; i++) {
    const trace_worker *w = p->columns[i].worker;
    if (start_bytes(w) != bytes || memcmp(w->thread->text, first->thread->text, bytes) != 0)
      return 0;
  }
  return 1;
}

/* Workers that read each other see the same; of others each may have a prompt of its own. */
static void put_starts(const page *p, const trace_columns *o, text *out) {
  int are_alike = start_alike(p);
  for (int i = 0; i < (are_alike ? 1 : p->count); i++) {
    const trace_worker *w = p->columns[i].worker;
    trace_painter painter = trace_painter_of(out, o->color, o->width - TRACE_MARGIN_COLUMNS);
    if (are_alike && p->gang->count > 1) text_put(out, "-- what all see from the start --\n");
    if (!are_alike || p->gang->count == 1)
      text_format(out, "-- what worker %d sees from the start --\n", p->columns[i].number);
    trace_paint_text(&painter, w->thread, 0, start_bytes(w));
    trace_paint_end(&painter);
  }
  text_char(out, '\n');
}

void trace_put_columns(const trace_gang *g, const trace_columns *o, text *out) {
  page p;
  open_page(&p, g, o);
  put_starts(&p, o, out);
  int least = p.label + p.count * (COLUMN_LEAST + COLUMN_GAP);
  if (o->width >= least || p.count == 1) {
    set_width(&p, (o->width - p.label) / p.count - COLUMN_GAP, o->color);
    put_beside(&p, out);
  } else {
    text_format(out,
                "%d workers do not fit side by side into %d characters: they stand one below "
                "another,\n%d forwards at a time; --width %d puts them side by side\n",
                p.count, o->width, (int)GROUP_FORWARDS, least);
    set_width(&p, o->width, o->color);
    put_below(&p, out);
  }
  close_page(&p);
}

/* ---- a view ---------------------------------------------------------------------------------- */

static void put_block_name(const trace_gang *g, const trace_block *b, text *out) {
  text_put(out, "\n-- ");
  switch (b->kind) {
  case TRACE_PROMPT: text_put(out, "prompt"); break;
  case TRACE_HEADER: text_put(out, "header"); break;
  case TRACE_DONE:
    text_format(out, "step %d of worker %d, done at %lld", b->step, b->worker,
                (long long)b->forward);
    break;
  case TRACE_OTHER:
    text_format(out, g->has_steps ? "worker %d's unfinished step" : "what worker %d wrote",
                b->worker);
    break;
  case TRACE_OWN:
    text_put(out, g->has_steps ? "its own unfinished step" : "what it wrote itself");
    break;
  }
  text_format(out, " (%zu %s) --\n", b->tokens, b->tokens == 1 ? "token" : "tokens");
}

void trace_put_view(const trace_gang *g, const trace_view *v, int color, int width, text *out) {
  const trace_thread *own = g->workers[v->worker].thread;
  text_format(out, "worker %d at forward %lld saw %lld tokens", v->worker, (long long)v->forward,
              (long long)v->tokens);
  if (!v->sampled) {
    text_put(out, ", and was fed more by the next one\n");
  } else if (!v->sampled->bytes) {
    text_put(out, " and sampled one without text\n");
  } else {
    text_put(out, " and sampled \"");
    output_printable(out, own->text + v->sampled->start, v->sampled->bytes);
    text_put(out, "\"\n");
  }
  for (int i = 0; i < v->count; i++) {
    const trace_block *b = &v->blocks[i];
    trace_painter p = trace_painter_of(out, color, width);
    put_block_name(g, b, out);
    trace_paint_text(&p, g->workers[b->worker].thread, b->start, b->bytes);
    trace_paint_end(&p);
  }
}
