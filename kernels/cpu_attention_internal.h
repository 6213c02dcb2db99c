/* A template: attention of a block of neighbouring rows with one key head. A row's query heads of
   that key head are its *slots*; what the block computes at a time are all slots of the rows whose
   next chunk stands on the same pages (a prompt's rows, forks, readers of a shared prefix), so that
   a page is read once for all of them. Each row folds its own chunks in the order of its own view:
   who else is in the block changes when a partial is computed, never what it is.

   How scores and sums of values are computed is the including file's: by vectors (below) or by
   tiles. */
#ifndef KERNELS_CPU_ATTENTION_INTERNAL_H
#define KERNELS_CPU_ATTENTION_INTERNAL_H

#include "kernels/cpu_product_internal.h"

/* The chunk that comes next, whose lines are asked for while this one is computed. A chunk is a few
   pages in as many places, which no processor guesses, and it keeps few questions open at a time:
   so they are spread over all that is computed. */
typedef struct chunk_ahead {
  const int32_t *pages;
  int keys, kv_head;         /* keys: none where nothing is known to come */
  int blocks, block;         /* of keys, then of values; the next one to ask for */
  const unsigned char *from; /* what is left of the one before */
  int left;                  /* lines of it */
  int block_lines, step_lines;
} chunk_ahead;

/* One chunk for the rows that stand at it. */
typedef struct chunk {
  const cpu_device *d;
  const int32_t *pages; /* of the chunk's keys */
  chunk_ahead ahead;
  int layer, kv_head;
  int seen;       /* keys, by the row that sees most of them */
  int rows;       /* s->member[] lists them, in order */
  int leader;     /* the last of them */
  int grouped;    /* query heads of each */
  int slots;      /* rows * grouped */
  const float *q; /* [slots, head_padded] operands of run_dots */
} chunk;

/* Blocks of the chunk's page that holds this key. */
static inline unsigned char *block_of(const chunk *k, int which, int key) {
  int32_t page = k->pages[key / k->d->head.options.page_keys];
  return cache_block(k->d, page, k->layer, which, k->kv_head);
}

/* Goes to the next block of what comes; 0: there is none. */
static int next_block(chunk *k) {
  chunk_ahead *a = &k->ahead;
  int pages = a->blocks / 2, which = a->block >= pages;
  if (a->block == a->blocks) return 0;
  a->from = cache_block(k->d, a->pages[a->block++ - which * pages], k->layer, which, a->kv_head);
  a->left = a->block_lines;
  return 1;
}

/* Asks for a step's part of what comes. */
static void fetch_some(chunk *k) {
  chunk_ahead *a = &k->ahead;
  for (int left = a->step_lines, some; left > 0 && (a->left || next_block(k)); left -= some) {
    some = left < a->left ? left : a->left;
    for (int i = 0; i < some; i++)
      __builtin_prefetch(a->from + i * CPU_LINE, 0, 2);
    a->from += some * CPU_LINE;
    a->left -= some;
  }
}

/* Panels of values between two steps: of a wide head there are as many more lines to ask for. */
static inline int panels_of_step(const cpu_device *d) {
  return d->head_padded > 4 * CPU_LANES ? 2 : 4;
}

/* Steps of computing a chunk: each page of scores, each slot, some panels of each group of values.
 */
static int steps_of(const chunk *k) {
  int page_keys = k->d->head.options.page_keys, most = panels_of_step(k->d);
  int groups = padded(k->seen, KERNELS_GROUP) / KERNELS_GROUP;
  int panels = padded(k->d->head.options.head_size, CPU_LANES) / CPU_LANES;
  return padded(k->seen, page_keys) / page_keys + k->slots + groups * ((panels + most - 1) / most);
}

/* s->p = dot(k->q, keys), unscaled, at least for the keys seen. */
static void vector_scores(chunk *k, cpu_scratch *s) {
  const device_options *o = &k->d->head.options;
  size_t unit = kernels_activation_bytes(o->compute);
  dots block = {.x = k->q, .x_stride = (size_t)k->d->head_padded, .y_stride = KERNELS_CHUNK};
  block.groups = k->d->head_padded / KERNELS_GROUP;
  block.panel_bytes = (size_t)k->d->head_padded * CPU_LANES * unit;
  for (int key = 0; key < k->seen; key += o->page_keys) {
    int keys = k->seen - key < o->page_keys ? k->seen - key : o->page_keys;
    fetch_some(k);
    block.low = block_of(k, 0, key);
    block.high = block.low + HALF_GROUP * CPU_LANES * unit;
    block.y = s->p[0] + key;
    run_dots(o->compute, &block, k->slots, padded(keys, CPU_LANES) / CPU_LANES);
  }
}

/* s->o = dot(s->p, values). Groups without a key that a row sees add zeros to a sum that is never a
   negative zero, and a half without one is read from the other half's page: its p are zero. */
static void vector_sums(chunk *k, cpu_scratch *s) {
  const device_options *o = &k->d->head.options;
  size_t unit = kernels_activation_bytes(o->compute);
  int panels = padded(o->head_size, CPU_LANES) / CPU_LANES, most = panels_of_step(k->d);
  dots block = {.x_stride = KERNELS_CHUNK, .y_stride = (size_t)k->d->head_padded};
  block.panel_bytes = (size_t)o->page_keys * CPU_LANES * unit;
  block.groups = 1;
  make_operands(o->compute, s->p[0], KERNELS_CHUNK, k->slots, KERNELS_CHUNK);
  for (int key = 0; key < k->seen; key += KERNELS_GROUP) {
    int other = key + HALF_GROUP < k->seen ? key + HALF_GROUP : key;
    block.x = s->p[0] + operand_at(o->compute, key);
    block.low = block_of(k, 1, key) + (size_t)(key % o->page_keys) * CPU_LANES * unit;
    block.high = block_of(k, 1, other) + (size_t)(other % o->page_keys) * CPU_LANES * unit;
    block.y = s->o;
    block.carry = key > 0;
    for (int left = panels, some; left > 0; left -= some) {
      some = left < most ? left : most;
      fetch_some(k);
      run_dots(o->compute, &block, k->slots, some);
      block.low += some * block.panel_bytes;
      block.high += some * block.panel_bytes;
      block.y += some * CPU_LANES;
    }
  }
}

/* ---- one slot's p ---------------------------------------------------------------------------- */

/* An even and an odd element, added side by side. */
typedef float pair __attribute__((vector_size(2 * sizeof(float))));

/* dot(p, ones): the chains of the four groups side by side. */
static float sum_of_p(const float *p) {
  enum { GROUPS = KERNELS_CHUNK / KERNELS_GROUP };
  pair sum[GROUPS] = {{0}}, next;
  float acc = 0;
  for (int i = 0; i < KERNELS_GROUP; i += 2) {
#pragma GCC unroll 4
    for (int g = 0; g < GROUPS; g++) {
      memcpy(&next, p + g * KERNELS_GROUP + i, sizeof next);
      sum[g] = sum[g] + next;
    }
  }
  for (int g = 0; g < GROUPS; g++)
    acc = acc + (sum[g][0] + sum[g][1]);
  return acc;
}

static float greatest_lane(lanes x) {
  float most[CPU_LANES];
  lanes_store(most, x);
  for (int half = CPU_LANES / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; j++)
      most[j] = most[j + half] > most[j] ? most[j + half] : most[j];
  }
  return most[0];
}

/* Scores to p in place, with their maximum and sum. Scores past those seen may be anything. */
static void weigh(compute_type c, float *p, int seen, float scale, float *m, float *l) {
  int whole = padded(seen, CPU_LANES);
  lanes top = lanes_all(-INFINITY);
  for (int i = seen; i < whole; i++)
    p[i] = -INFINITY;
  for (int i = 0; i < whole; i += CPU_LANES) {
    lanes score = lanes_multiply(lanes_load(p + i), lanes_all(scale));
    top = lanes_greater(score, top);
    lanes_store(p + i, score);
  }
  *m = greatest_lane(top);
  for (int i = 0; i < whole; i += CPU_LANES) {
    lanes e = exp_lanes_below(lanes_subtract(lanes_load(p + i), lanes_all(*m)));
    lanes_store(p + i, c == COMPUTE_FP32 ? e : lanes_round_bf16(e));
  }
  for (int i = seen; i < whole; i++)
    p[i] = 0;
  for (int i = whole; i < KERNELS_CHUNK; i += CPU_LANES)
    lanes_store(p + i, lanes_zero());
  *l = sum_of_p(p);
}

/* ---- a row's sum ----------------------------------------------------------------------------- */

/* Folds (m, l, o) of so many slots into (sum_m, sum_l, sum). A sum that is empty has m = -INFINITY
   and zeros: then a is 0 and b is 1, and the partial is taken as it is. */
static void fold(const cpu_device *d, const float *m, const float *l, const float *o, int slots,
                 float *sum_m, float *sum_l, float *sum) {
  float a[KERNELS_GROUPED_MAX], b[KERNELS_GROUPED_MAX];
  for (int i = 0; i < slots; i += CPU_LANES) {
    int left = slots - i;
    lanes old = load_some(sum_m + i, left), new = load_some(m + i, left);
    lanes top = lanes_greater(old, new);
    lanes x = exp_lanes_below(lanes_subtract(old, top));
    lanes y = exp_lanes_below(lanes_subtract(new, top));
    lanes_store(a + i, x);
    lanes_store(b + i, y);
    lanes next = lanes_multiply(load_some(l + i, left), y);
    store_some(sum_l + i, lanes_fma(load_some(sum_l + i, left), x, next), left);
    store_some(sum_m + i, top, left);
  }
  for (int i = 0; i < slots; i++, o += d->head_padded, sum += d->head_padded) {
    lanes x = lanes_all(a[i]), y = lanes_all(b[i]);
    for (int e = 0; e < d->head.options.head_size; e += CPU_LANES) { /* past it there is room */
      lanes next = lanes_multiply(lanes_add(lanes_load(o + e), lanes_zero()), y);
      lanes_store(sum + e, lanes_fma(lanes_load(sum + e), x, next));
    }
  }
}

static void empty_sums(const cpu_device *d, int slots, float *sum_m, float *sum_l, float *sum) {
  for (int i = 0; i < slots; i++)
    sum_m[i] = -INFINITY, sum_l[i] = 0;
  memset(sum, 0, (size_t)slots * d->head_padded * sizeof *sum);
}

/* A row's results as activations. Where there was a key, l is at least 1. */
static void put_slots(const cpu_device *d, const attention_args *a, size_t at, int slots,
                      const float *sum_l, const float *sum) {
  int size = d->head.options.head_size;
  for (int i = 0; i < slots; i++, sum += d->head_padded, at += size) {
    lanes l = lanes_all(sum_l[i] == 0 ? 1 : sum_l[i]);
    for (int e = 0; e < size; e += CPU_LANES) {
      store_activations(d->head.options.compute, a->out, at + e,
                        lanes_divide(lanes_load(sum + e), l), size - e);
    }
  }
}

/* ---- a block --------------------------------------------------------------------------------- */

/* Rotates and rounds the queries of a row for a span. */
static void turn_queries(const cpu_device *d, const attention_args *a, size_t at, int grouped,
                         int32_t position, float *q) {
  compute_type c = d->head.options.compute;
  int size = d->head.options.head_size;
  for (int h = 0; h < grouped; h++, q += d->head_padded) {
    rotate_head(a->q + at + (size_t)h * size, q, size, a->rope + (size_t)position * size);
    memset(q + size, 0, (size_t)(d->head_padded - size) * sizeof *q);
    for (int e = 0; e < size; e += CPU_LANES)
      lanes_store(q + e, round_lanes(c, lanes_load(q + e)));
    make_operands(c, q, (size_t)d->head_padded, 1, d->head_padded);
  }
}

/* Where the results, and the queries, of a row's slots start. */
static inline size_t slots_at(const cpu_block *b, int row) {
  int grouped = b->a->heads / b->d->head.options.kv_heads;
  return ((size_t)row * b->a->heads + (size_t)b->kv_head * grouped) * b->d->head.options.head_size;
}

/* Moves a row that has no key left in its span to its next span with keys, if there is one. */
static void next_span(const cpu_block *b, int r, int grouped, cpu_scratch *s) {
  const step_plan *p = b->a->plan;
  cpu_cursor *c = &s->cursor[r];
  while (!c->left && c->span < p->row_span[b->row + r + 1]) {
    int32_t span = c->span++;
    c->left = p->span_keys[span];
    c->pages = p->pages + p->span_page[span];
    if (!c->left) continue;
    turn_queries(b->d, b->a, slots_at(b, b->row + r), grouped, p->span_position[span],
                 s->q + (size_t)r * grouped * b->d->head_padded);
  }
}

static void advance(const cpu_block *b, int r, int grouped, cpu_scratch *s) {
  cpu_cursor *c = &s->cursor[r];
  c->left = c->left > KERNELS_CHUNK ? c->left - KERNELS_CHUNK : 0;
  c->pages += KERNELS_CHUNK / b->d->head.options.page_keys;
  if (!c->left) next_span(b, r, grouped, s);
}

static inline int are_equal(const int32_t *a, const int32_t *b, int count) {
  if (a == b) return 1;
  for (int i = 0; i < count; i++) {
    if (a[i] != b[i]) return 0;
  }
  return 1;
}

/* The last row that is not finished leads, and all whose chunk stands on the same pages follow:
   those that see fewer of its keys stand on the first of them. Of rows that see each other's
   segments in one order, their own last, the later ones stand behind the earlier ones: so a segment
   is read for all who look at it together, and once more for its writer. */
static void gather_rows(const cpu_block *b, chunk *k, cpu_scratch *s) {
  int keys = b->d->head.options.page_keys;
  k->rows = k->seen = 0;
  k->leader = b->rows - 1;
  while (k->leader > 0 && !s->cursor[k->leader].left)
    k->leader--;
  const cpu_cursor *lead = &s->cursor[k->leader];
  k->seen = lead->left < KERNELS_CHUNK ? lead->left : KERNELS_CHUNK;
  k->pages = lead->pages;
  for (int r = 0; r <= k->leader; r++) {
    const cpu_cursor *c = &s->cursor[r];
    int seen = c->left < KERNELS_CHUNK ? c->left : KERNELS_CHUNK;
    int both = padded(seen < k->seen ? seen : k->seen, keys) / keys;
    if (!seen || !are_equal(c->pages, k->pages, both)) continue;
    if (seen > k->seen) k->seen = seen, k->pages = c->pages;
    s->member[k->rows++] = r;
  }
  k->slots = k->rows * k->grouped;
}

/* The first span with keys of a row, from one of its own on. */
static void ahead_in_spans(const cpu_block *b, chunk *k, int row, int32_t span) {
  const step_plan *p = b->a->plan;
  for (; k->ahead.keys <= 0 && span < p->row_span[b->row + row + 1]; span++) {
    k->ahead.pages = p->pages + p->span_page[span];
    k->ahead.keys = p->span_keys[span];
  }
}

/* What is computed after this chunk: what the leader goes on to, or who leads then, or the block's
   beginning with the key head that this thread is likely to take next. */
static void find_ahead(const cpu_block *b, chunk *k, const cpu_scratch *s) {
  k->ahead = (chunk_ahead){.kv_head = k->kv_head};
  for (int r = k->leader, i = k->rows - 1; k->ahead.keys <= 0 && r >= 0; r--) {
    const cpu_cursor *c = &s->cursor[r];
    int is_member = i >= 0 && s->member[i] == r;
    k->ahead.pages = c->pages + (is_member ? KERNELS_CHUNK / b->d->head.options.page_keys : 0);
    k->ahead.keys = c->left - (is_member ? KERNELS_CHUNK : 0);
    if (is_member) ahead_in_spans(b, k, r, c->span);
    i -= is_member;
  }
  if (k->ahead.keys > 0 || b->next_head < 0) return;
  k->ahead.kv_head = b->next_head;
  ahead_in_spans(b, k, b->rows - 1, b->a->plan->row_span[b->row + b->rows - 1]);
}

static void look_ahead(const cpu_block *b, chunk *k, const cpu_scratch *s) {
  const device_options *o = &k->d->head.options;
  chunk_ahead *a = &k->ahead;
  find_ahead(b, k, s);
  if (a->keys <= 0) return;
  int keys = a->keys < KERNELS_CHUNK ? a->keys : KERNELS_CHUNK, steps = steps_of(k);
  size_t bytes = k->d->head_padded * o->page_keys * kernels_activation_bytes(o->compute);
  a->blocks = 2 * (padded(keys, o->page_keys) / o->page_keys);
  a->block_lines = (int)(bytes / CPU_LINE);
  a->step_lines = (a->blocks * a->block_lines + steps - 1) / steps;
}

/* The members' queries one after another: where they stand, if they do so there. */
static const float *queries_of(const chunk *k, cpu_scratch *s) {
  size_t row = (size_t)k->grouped * k->d->head_padded;
  if (s->member[k->rows - 1] - s->member[0] == k->rows - 1) return s->q + s->member[0] * row;
  for (int i = 0; i < k->rows; i++)
    memcpy(s->gathered + i * row, s->q + s->member[i] * row, row * sizeof *s->q);
  return s->gathered;
}

typedef void chunk_work(chunk *k, cpu_scratch *s);

/* The partials of all members, to s->m, s->l and s->o. */
ALWAYS_INLINE void find_partials(chunk *k, cpu_scratch *s, chunk_work *scores, chunk_work *sums) {
  const device_options *o = &k->d->head.options;
  float scale = 1.0f / sqrtf((float)o->head_size);
  k->q = queries_of(k, s);
  scores(k, s);
  for (int i = 0; i < k->slots; i++) {
    int left = s->cursor[s->member[i / k->grouped]].left;
    fetch_some(k);
    weigh(o->compute, s->p[i], left < KERNELS_CHUNK ? left : KERNELS_CHUNK, scale, &s->m[i],
          &s->l[i]);
  }
  sums(k, s);
  while (k->ahead.left || k->ahead.block < k->ahead.blocks)
    fetch_some(k);
}

/* Rows of adjacent members are folded together: their sums are adjacent as well. */
static void fold_members(const cpu_block *b, const chunk *k, cpu_scratch *s) {
  for (int i = 0, count; i < k->rows; i += count) {
    count = 1;
    while (i + count < k->rows && s->member[i + count] == s->member[i] + count)
      count++;
    int from = i * k->grouped, to = s->member[i] * k->grouped;
    fold(b->d, s->m + from, s->l + from, s->o + (size_t)from * b->d->head_padded,
         count * k->grouped, s->sum_m + to, s->sum_l + to, s->sum + (size_t)to * b->d->head_padded);
  }
}

static chunk start_rows(const cpu_block *b, cpu_scratch *s) {
  chunk k = {.d = b->d, .layer = b->a->layer, .kv_head = b->kv_head};
  k.grouped = b->a->heads / b->d->head.options.kv_heads;
  for (int r = 0; r < b->rows; r++) {
    s->cursor[r] = (cpu_cursor){.span = b->a->plan->row_span[b->row + r]};
    next_span(b, r, k.grouped, s);
  }
  return k;
}

ALWAYS_INLINE void attend(const cpu_block *b, cpu_scratch *s, chunk_work *scores,
                          chunk_work *sums) {
  chunk k = start_rows(b, s);
  empty_sums(b->d, b->rows * k.grouped, s->sum_m, s->sum_l, s->sum);
  for (gather_rows(b, &k, s); k.rows; gather_rows(b, &k, s)) {
    look_ahead(b, &k, s);
    find_partials(&k, s, scores, sums);
    fold_members(b, &k, s);
    for (int i = 0; i < k.rows; i++)
      advance(b, s->member[i], k.grouped, s);
  }
  for (int r = 0; r < b->rows; r++) {
    int slot = r * k.grouped;
    put_slots(b->d, b->a, slots_at(b, b->row + r), k.grouped, s->sum_l + slot,
              s->sum + (size_t)slot * b->d->head_padded);
  }
}

static void path_attention(const cpu_block *b, cpu_scratch *s) {
  attend(b, s, vector_scores, vector_sums);
}

/* ---- a part of a row's view ------------------------------------------------------------------ */

/* A record of partials: m, l and o of a row's slots. */
typedef struct record {
  float *m, *l, *o;
} record;

static inline record record_at(const cpu_block *b, int at) {
  int slots = b->a->heads / b->d->head.options.kv_heads;
  float *m = b->records + (size_t)at * cpu_record_floats(b->d, slots);
  return (record){m, m + slots, m + 2 * slots};
}

/* Partials of the block's chunks to its records, not folded. */
ALWAYS_INLINE void attend_part(const cpu_block *b, cpu_scratch *s, chunk_work *scores,
                               chunk_work *sums) {
  chunk k = start_rows(b, s);
  for (int i = 0; i < b->chunk && s->cursor[0].left; i++)
    advance(b, 0, k.grouped, s);
  for (int i = 0; i < b->chunks; i++) {
    gather_rows(b, &k, s);
    if (!k.rows) return;
    look_ahead(b, &k, s);
    find_partials(&k, s, scores, sums);
    record to = record_at(b, i);
    memcpy(to.m, s->m, (size_t)k.slots * sizeof *to.m);
    memcpy(to.l, s->l, (size_t)k.slots * sizeof *to.l);
    memcpy(to.o, s->o, (size_t)k.slots * b->d->head_padded * sizeof *to.o);
    advance(b, 0, k.grouped, s);
  }
}

/* Folds the block's records in order into the one before them, which is empty before the row's
   first chunk and gives its results after the last. */
static void path_attention_fold(const cpu_block *b) {
  int slots = b->a->heads / b->d->head.options.kv_heads;
  record sum = record_at(b, 0);
  if (b->chunk == 0) empty_sums(b->d, slots, sum.m, sum.l, sum.o);
  for (int i = 1; i <= b->chunks; i++) {
    record next = record_at(b, i);
    fold(b->d, next.m, next.l, next.o, slots, sum.m, sum.l, sum.o);
  }
  if (b->is_last) put_slots(b->d, b->a, slots_at(b, b->row), slots, sum.l, sum.o);
}

static void path_attention_part(const cpu_block *b, cpu_scratch *s) {
  attend_part(b, s, vector_scores, vector_sums);
}

#endif
