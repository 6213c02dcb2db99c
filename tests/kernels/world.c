/* Drawn segments, pages and views of attention cases. */
#include "base/memory.h"
#include "kernels/rope.h"
#include "tests/kernels/cases.h"

#include <string.h>

static void choose_lengths(case_world *w, random_stream *s) {
  const kernel_case *c = w->c;
  switch (c->view) {
  case VIEW_PLAIN:
    w->segments = 1;
    w->length[0] = c->rows + (int)random_between(s, 0, 150);
    break;
  case VIEW_EMPTY:
    w->segments = 3;
    w->length[1] = 45;
    w->length[2] = 130 + c->rows;
    break;
  case VIEW_SHIFTED:
    w->segments = 3;
    for (int i = 0; i < 3; i++)
      w->length[i] = (int)random_between(s, 1, 260);
    w->length[2] += c->rows;
    break;
  case VIEW_MANY:
    w->segments = CASE_ENTRIES_MAX;
    for (int i = 0; i < w->segments; i++)
      w->length[i] = (int)random_below(s, 41);
    w->length[w->segments - 1] += c->rows;
    break;
  case VIEW_LONG:
    w->segments = 2;
    w->length[0] = 700;
    w->length[1] = 3 + c->rows;
    break;
  }
}

/* The other segments in some order, then the last one up to the row's own token. */
static void choose_view(case_world *w, random_stream *s, int row) {
  const kernel_case *c = w->c;
  case_view_of_row *v = &w->views[row];
  if (c->view == VIEW_EMPTY && row == 3) return; /* sees nothing at all */
  int position = 0, others = w->segments - 1;
  int turn = others && c->view != VIEW_LONG ? (int)random_below(s, (uint32_t)others) : 0;
  for (int i = 0; i < w->segments; i++) {
    int segment = i < others ? (i + turn) % others : others;
    int keys = w->length[segment];
    if (segment == others) keys -= c->rows - 1 - row;
    if (c->view == VIEW_SHIFTED && segment != others) keys = (int)random_between(s, 0, keys);
    v->entry[v->entries++] = (case_entry){segment, keys, position};
    position += keys;
    if (c->view == VIEW_SHIFTED) position += (int)random_below(s, 20);
  }
  v->next_position = v->entry[v->entries - 1].position + v->entry[v->entries - 1].keys;
  if (c->view == VIEW_EMPTY) v->entry[v->entries++] = (case_entry){1, 0, 5};
}

/* Where the tokens of a splice are written first: pages of their own, from the last slot down. */
static const int32_t *first_slots(case_world *w) {
  int keys = w->c->page_keys, pages = (w->tokens + keys - 1) / keys + 1;
  int32_t *slot = case_take((size_t)w->tokens, sizeof *slot);
  for (int t = 0; t < w->tokens; t++)
    slot[t] = (w->pages + pages) * keys - 3 - t;
  w->pages += pages;
  return slot;
}

static void make_write(case_world *w, random_stream *s) {
  int keys = w->c->page_keys, listed = 0;
  for (int i = 0; i < w->segments; i++) {
    w->start[i] = w->tokens;
    w->first_page[i] = listed;
    w->tokens += w->length[i];
    listed += (w->length[i] + keys - 1) / keys;
  }
  w->pages = listed + 2;
  int32_t *pages = case_take((size_t)w->pages, sizeof *pages);
  for (int i = 0; i < w->pages; i++) { /* a random order, by insertion */
    int at = (int)random_below(s, (uint32_t)i + 1);
    pages[i] = pages[at];
    pages[at] = i;
  }
  int32_t *slot = case_take((size_t)w->tokens, sizeof *slot);
  int32_t *position = case_take((size_t)w->tokens, sizeof *position);
  for (int i = 0; i < w->segments; i++) {
    for (int t = 0; t < w->length[i]; t++) {
      slot[w->start[i] + t] = pages[w->first_page[i] + t / keys] * keys + t % keys;
      position[w->start[i] + t] = t;
    }
  }
  w->home = slot;
  w->write = (step_plan){.rows = w->tokens, .write_slot = slot, .write_position = position};
  if (w->c->operation == CASE_SPLICE) w->write.write_slot = first_slots(w);
  w->pages++;
  w->read.pages = pages;
}

static void make_read(case_world *w) {
  int rows = w->c->rows;
  int32_t *row_span = case_take((size_t)rows + 1, sizeof *row_span);
  int32_t *span[3]; /* page, keys, position */
  for (int i = 0; i < 3; i++)
    span[i] = case_take((size_t)rows * CASE_ENTRIES_MAX, sizeof **span);
  int spans = 0;
  for (int r = 0; r < rows; r++) {
    const case_view_of_row *v = &w->views[r];
    for (int i = 0; i < v->entries; i++, spans++) {
      span[0][spans] = w->first_page[v->entry[i].segment];
      span[1][spans] = v->entry[i].keys;
      int turned = v->next_position - 1 - v->entry[i].position;
      span[2][spans] = (turned > 0 ? turned : 0) + w->c->turn;
    }
    row_span[r + 1] = spans;
  }
  w->read.rows = rows;
  w->read.spans = spans;
  w->read.row_span = row_span;
  w->read.span_page = span[0];
  w->read.span_keys = span[1];
  w->read.span_position = span[2];
}

static void make_numbers(case_world *w, random_stream *s) {
  const kernel_case *c = w->c;
  size_t per_token = (size_t)(c->heads + 2 * c->kv_heads) * c->head_size;
  w->qkv = case_take((size_t)w->tokens * per_token, sizeof *w->qkv);
  for (size_t i = 0; i < (size_t)w->tokens * per_token; i++) {
    float x = case_number(s);
    w->qkv[i] =
        x > 16 || x < -16 ? x / 256 : x * 2; /* so that no key takes all the packed_weight */
  }
  w->positions = 2048;
  w->rope = case_take((size_t)w->positions * c->head_size, sizeof *w->rope);
  rope_options o = {.kind = ROPE_PLAIN, .head_size = c->head_size, .theta = 10000};
  detail err;
  ck_ok(rope_fill(&o, w->positions, w->rope, &err));
  if (!c->further) return;
  w->q_gain = case_take((size_t)c->head_size, sizeof *w->q_gain);
  w->k_gain = case_take((size_t)c->head_size, sizeof *w->k_gain);
  for (int i = 0; i < c->head_size; i++) {
    w->q_gain[i] = 1 + 0.1f * (float)random_below(s, 10);
    w->k_gain[i] = 1 - 0.1f * (float)random_below(s, 10);
  }
}

case_world case_world_of(const kernel_case *c) {
  kernel_case plain = *c;
  plain.operation = CASE_ATTENTION, plain.turn = 0;
  random_stream s = case_stream(case_name(&plain));
  case_world w = {.c = c};
  choose_lengths(&w, &s);
  w.views = case_take((size_t)c->rows, sizeof *w.views);
  for (int r = 0; r < c->rows; r++)
    choose_view(&w, &s, r);
  make_write(&w, &s);
  make_read(&w);
  make_numbers(&w, &s);
  return w;
}
