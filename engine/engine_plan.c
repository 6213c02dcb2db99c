/* A step's plan: the rows of all units as the kernels read them. */
#include "base/memory.h"
#include "engine/engine_internal.h"

#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------- */

static int longest_list(const engine *e) {
  return engine_pages_for(e, e->positions);
}

status plan_take(engine *e, detail *err) {
  step_arrays *s = &e->step;
  size_t rows = (size_t)e->options.rows, slots = (size_t)e->options.slots;
  size_t segments = slots + (size_t)e->options.segments, word = sizeof(int32_t);
  s->token = memory_zeroed(rows, word);
  s->slot = memory_zeroed(rows, word);
  s->position = memory_zeroed(rows, word);
  s->row_span = memory_zeroed(rows + 1, word);
  s->output_row = memory_zeroed(slots, word);
  s->broken = memory_zeroed(rows, 1);
  s->units = memory_zeroed(slots, sizeof(void *));
  s->listed = memory_zeroed(segments, sizeof *s->listed);
  s->listed_at = memory_zeroed(segments, word);
  s->pages = memory_zeroed(segments, (size_t)longest_list(e) * word);
  if (!s->token || !s->slot || !s->position || !s->row_span || !s->output_row || !s->broken ||
      !s->units || !s->listed || !s->listed_at || !s->pages) {
    return fault(err, E_MEMORY, "no memory for the plan of a step of %d rows", e->options.rows);
  }
  return plan_make_room(e, 1, err);
}

status plan_make_room(engine *e, int entries, detail *err) {
  step_arrays *s = &e->step;
  int64_t needed = (int64_t)e->options.rows * entries;
  if (needed <= s->span_capacity) return OK;
  if (needed > INT32_MAX / 4) {
    return fault(err, E_LIMIT, "a view of %d entries in steps of %d rows", entries,
                 e->options.rows);
  }
  int32_t *spans = memory_grow(s->span_page, (size_t)needed * 3 * sizeof *spans);
  if (!spans) return fault(err, E_MEMORY, "no memory for views of %d entries", entries);
  s->span_page = spans;
  s->span_keys = spans + needed;
  s->span_position = spans + 2 * needed;
  s->span_capacity = (int)needed;
  return OK;
}

void plan_free(engine *e) {
  step_arrays *s = &e->step;
  void *const arrays[] = {s->token,     s->slot,     s->position, s->row_span,   s->output_row,
                          s->broken,    s->units,    s->listed,   s->listed_at,  s->pages,
                          s->span_page, s->sampling, s->rows,     s->logits_row, s->results,
                          s->events,    s->told,     s->text_at,  s->suppressed};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    memory_free(arrays[i]);
}

/* ---- the order of rows ----------------------------------------------------------------------- */

/* What a unit reads first. */
static segment_id first_segment(const thread *t) {
  return t->view ? t->view[0].segment : t->segment;
}

/* Units side by side that share pages: by their lists of pages. */
static int is_before(const void *a, const void *b) {
  const unit *x = a, *y = b;
  for (int i = 0; i < x->page_count && i < y->page_count; i++) {
    if (x->pages[i] != y->pages[i]) return x->pages[i] < y->pages[i];
  }
  return x->page_count < y->page_count;
}

/* The kernels read a page once for rows that stand side by side. */
static int order_units(engine *e) {
  step_arrays *s = &e->step;
  int count = 0;
  for (unit *u = e->running.oldest; u; u = u->younger) {
    if (!unit_has_rows(u)) continue;
    u->pages = segment_pages(e->cache, first_segment(u->members[0]), &u->page_count);
    s->units[count++] = u;
  }
  sort_pointers(s->units, count, is_before);
  return count;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Where a segment's pages stand in the plan; those of views are listed once. */
static int32_t list_pages(engine *e, segment_id segment, int is_own) {
  step_arrays *s = &e->step;
  for (int i = 0; !is_own && i < s->listed_count; i++) {
    if (s->listed[i] == segment) return s->listed_at[i];
  }
  int count, at = s->page_count;
  const int32_t *pages = segment_pages(e->cache, segment, &count);
  memcpy(s->pages + at, pages, (size_t)count * sizeof *pages);
  s->page_count += count;
  if (is_own) return at;
  REQUIRE(s->listed_count < e->options.slots + e->options.segments);
  s->listed[s->listed_count] = segment;
  s->listed_at[s->listed_count++] = at;
  return at;
}

static void add_span(engine *e, int32_t page, int keys, int position) {
  step_arrays *s = &e->step;
  int at = s->plan.spans++;
  REQUIRE(at < s->span_capacity && position >= 0 && position < e->positions);
  s->span_page[at] = page;
  s->span_keys[at] = keys;
  s->span_position[at] = position;
}

/* Of what others write a row sees all that this step appends; of its own segment what stands before
   it, and itself. */
static void add_view(engine *e, const thread *t, int index) {
  const view_entry *last = &t->view[t->entries - 1];
  for (int i = 0; i < t->entries; i++) {
    const view_entry *v = &t->view[i];
    int keys = segment_tokens(e->cache, v->segment);
    if (v->visible >= 0 && v->visible < keys) keys = v->visible;
    if (v == last) keys = index + 1;
    add_span(e, list_pages(e, v->segment, 0), keys, last->position + index - v->position);
  }
}

static void add_rows(engine *e, thread *t) {
  step_arrays *s = &e->step;
  int first = segment_tokens(e->cache, t->segment) - t->rows;
  int32_t own = t->view ? 0 : list_pages(e, t->segment, 1);
  t->first_row = s->plan.rows;
  for (int i = 0; i < t->rows; i++) {
    int row = s->plan.rows++;
    s->token[row] = t->tokens[t->fed + i];
    s->slot[row] = segment_slot(e->cache, t->segment, first + i);
    s->position[row] = first + i;
    s->row_span[row] = s->plan.spans;
    if (t->view) {
      add_view(e, t, first + i);
    } else {
      add_span(e, own, first + i + 1, first + i);
    }
  }
  t->output = -1;
  if (t->fed + t->rows < t->count) return;
  t->output = s->plan.outputs++;
  s->output_row[t->output] = s->plan.rows - 1;
}

void plan_build(engine *e) {
  step_arrays *s = &e->step;
  s->listed_count = s->page_count = 0;
  s->plan = (step_plan){.token = s->token,
                        .write_slot = s->slot,
                        .write_position = s->position,
                        .row_span = s->row_span,
                        .span_page = s->span_page,
                        .span_keys = s->span_keys,
                        .span_position = s->span_position,
                        .pages = s->pages,
                        .output_row = s->output_row};
  int count = order_units(e);
  for (int i = 0; i < count; i++) {
    const unit *u = s->units[i];
    for (int k = 0; k < u->count; k++) {
      if (u->members[k]->rows) add_rows(e, u->members[k]);
    }
  }
  s->row_span[s->plan.rows] = s->plan.spans;
}
