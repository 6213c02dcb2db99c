/* A template: products and attention by tiles of 16 rows of 64 bytes, as AMX has them (Intel SDM,
   volume 1, chapter 18). The including file says how a tile is loaded and multiplied:

     TILES_BEGIN, TILES_END      around an operation's use of tiles
     TILES_STATE                 at the head of each function that names tiles
     TILE_ZERO(t)                t = 0
     TILE_LOAD(t, from, stride)  16 rows of 64 bytes
     TILE_STORE(t, to, stride)
     TILE_DOT(c, a, b)           TDPBF16PS: c += a b, in the order of dot()

   Tiles are always whole: rows that no one asked for are computed and left, since one row costs
   what sixteen cost. Compute fp32 has no tiles and goes by vectors. */
#ifndef KERNELS_CPU_TILES_INTERNAL_H
#define KERNELS_CPU_TILES_INTERNAL_H

#include "kernels/cpu_attention_internal.h"

enum { TILE_ROWS = 16, TILE_ROW_BYTES = 64, TILE_BYTES = TILE_ROWS * TILE_ROW_BYTES };

/* The block's rows, padded with zeros to whole groups. */
static void tile_operands(const cpu_device *d, const product_block *b, cpu_scratch *s) {
  if (d->head.options.compute == COMPUTE_FP32) {
    path_operands(d, b, s);
    return;
  }
  int k = b->args->w->k, zeros = padded(k, KERNELS_GROUP) - k;
  size_t row_bytes = cpu_operand_bytes(d, k);
  for (int r = 0; r < b->rows; r++) {
    uint16_t *to = (uint16_t *)(void *)((unsigned char *)s->x + r * row_bytes);
    memcpy(to, (const uint16_t *)b->args->x + (size_t)(b->row + r) * k, (size_t)k * sizeof *to);
    memset(to + k, 0, (size_t)zeros * sizeof *to);
  }
}

/* Sixteen or 32 rows of x with one or two panels. */
typedef struct tile_block {
  const unsigned char *x, *w; /* the first of each */
  size_t x_bytes, w_bytes;    /* from row to row, from panel to panel */
  int groups, two_rows, two_panels;
  const unsigned char *ahead; /* of the panels that come next: each group fetches some lines */
  int ahead_lines;
  float *y; /* [32, 32] */
} tile_block;

/* Tiles 0 to 3 hold the sums, 4 and 5 the rows, 6 and 7 the panels: four tiles are loaded for four
   multiplications, each of which takes as long as two loads from the first cache. */
static void tile_dots(const tile_block *b) {
  enum { Y_STRIDE = 2 * CPU_LANES, Y_BYTES = Y_STRIDE * sizeof(float) };
  const unsigned char *x = b->x, *w = b->w, *ahead = b->ahead;
  TILES_STATE;
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  for (int g = 0; g < b->groups; g++, x += TILE_ROW_BYTES, w += TILE_BYTES) {
    TILE_LOAD(4, x, b->x_bytes);
    TILE_LOAD(6, w, TILE_ROW_BYTES);
    TILE_DOT(0, 4, 6);
    if (b->two_panels) {
      TILE_LOAD(7, w + b->w_bytes, TILE_ROW_BYTES);
      TILE_DOT(1, 4, 7);
    }
    if (b->two_rows) {
      TILE_LOAD(5, x + TILE_ROWS * b->x_bytes, b->x_bytes);
      TILE_DOT(2, 5, 6);
      if (b->two_panels) TILE_DOT(3, 5, 7);
    }
    for (int line = 0; line < b->ahead_lines; line++, ahead += CPU_LINE)
      __builtin_prefetch(ahead, 0, 2);
  }
  TILE_STORE(0, b->y, Y_BYTES);
  if (b->two_panels) TILE_STORE(1, b->y + CPU_LANES, Y_BYTES);
  if (b->two_rows) TILE_STORE(2, b->y + TILE_ROWS * Y_STRIDE, Y_BYTES);
  if (b->two_rows && b->two_panels) TILE_STORE(3, b->y + TILE_ROWS * Y_STRIDE + CPU_LANES, Y_BYTES);
}

/* All rows of a block with one or two panels. */
static void tile_panels(const product_block *b, tile_block *t, int panel) {
  for (int row = 0; row < b->rows; row += 2 * TILE_ROWS) {
    product_block part = *b;
    part.row = b->row + row;
    part.rows = b->rows - row < 2 * TILE_ROWS ? b->rows - row : 2 * TILE_ROWS;
    t->two_rows = part.rows > TILE_ROWS;
    tile_dots(t);
    put_outputs(&part, t->y, 2 * CPU_LANES, panel, t->two_panels ? 2 : 1);
    t->x += 2 * TILE_ROWS * t->x_bytes;
    t->ahead += t->groups * t->ahead_lines * CPU_LINE;
  }
}

static void tile_product(const cpu_device *d, const product_block *b, cpu_scratch *s) {
  if (d->head.options.compute == COMPUTE_FP32) {
    path_product(d, b, s);
    return;
  }
  const packed_weight *w = b->args->w;
  int panels = padded(w->n, CPU_LANES) / CPU_LANES;
  int steps = (b->rows + 2 * TILE_ROWS - 1) / (2 * TILE_ROWS), lines = 2 * TILE_BYTES / CPU_LINE;
  tile_block t = {.x_bytes = cpu_operand_bytes(d, w->k), .y = s->y[0]};
  t.w_bytes = panel_size(w) * sizeof(uint16_t);
  t.groups = padded(w->k, KERNELS_GROUP) / KERNELS_GROUP;
  TILES_BEGIN;
  for (int panel = b->first; panel < b->last; panel += 2) {
    t.x = s->x;
    t.w = (const unsigned char *)w->data + panel * t.w_bytes;
    t.two_panels = panel + 1 < b->last;
    t.ahead = t.w + 2 * t.w_bytes;
    t.ahead_lines = panel + 3 < panels ? (lines + steps - 1) / steps : 0;
    tile_panels(b, &t, panel);
  }
  TILES_END;
}

/* fp32 values that are bf16 already, as a tile's operand. */
static void narrow_rows(const float *from, int rows, int columns, cpu_scratch *s) {
  for (int r = 0; r < rows; r++, from += columns) {
    for (int i = 0; i < columns; i += CPU_LANES)
      lanes_store_bf16(&s->tile[r][i], lanes_load(from + i));
  }
}

static void tile_scores(chunk *k, cpu_scratch *s) {
  narrow_rows(k->q, k->slots, k->d->head_padded, s);
  TILES_STATE;
  for (int key = 0; key < k->seen; key += TILE_ROWS) {
    int in_page = key % k->d->head.options.page_keys;
    const unsigned char *keys = block_of(k, 0, key);
    keys += (size_t)in_page * k->d->head_padded * sizeof(uint16_t);
    if (in_page == 0) fetch_some(k);
    for (int row = 0; row < k->slots; row += TILE_ROWS) {
      TILE_ZERO(0);
      for (int e = 0; e < k->d->head_padded; e += KERNELS_GROUP) {
        TILE_LOAD(4, &s->tile[row][e], sizeof s->tile[0]);
        TILE_LOAD(6, keys + (size_t)e / KERNELS_GROUP * TILE_BYTES, TILE_ROW_BYTES);
        TILE_DOT(0, 4, 6);
      }
      TILE_STORE(0, &s->p[row][key], sizeof s->p[0]);
    }
  }
}

/* The values of 32 keys for 16 elements: in one piece where a page has it, else put together. */
static const unsigned char *values_of(const chunk *k, int key, int panel, unsigned char *room) {
  int page_keys = k->d->head.options.page_keys;
  size_t at = (size_t)panel * page_keys * CPU_LANES + (size_t)(key % page_keys) * CPU_LANES;
  const unsigned char *low = block_of(k, 1, key) + at * sizeof(uint16_t);
  if (page_keys >= KERNELS_GROUP) return low;
  int other = key + page_keys < k->seen ? key + page_keys : key; /* its p are zero then */
  memcpy(room, low, TILE_BYTES / 2);
  memcpy(room + TILE_BYTES / 2, block_of(k, 1, other) + at * sizeof(uint16_t), TILE_BYTES / 2);
  return room;
}

static void tile_sums(chunk *k, cpu_scratch *s) {
  unsigned char room[TILE_BYTES];
  size_t o_bytes = (size_t)k->d->head_padded * sizeof *s->o;
  narrow_rows(s->p[0], k->slots, KERNELS_CHUNK, s);
  TILES_STATE;
  for (int panel = 0; panel * CPU_LANES < k->d->head.options.head_size; panel++) {
    fetch_some(k);
    for (int row = 0; row < k->slots; row += TILE_ROWS) {
      TILE_ZERO(0);
      for (int key = 0; key < k->seen; key += KERNELS_GROUP) {
        TILE_LOAD(4, &s->tile[row][key], sizeof s->tile[0]);
        TILE_LOAD(6, values_of(k, key, panel, room), TILE_ROW_BYTES);
        TILE_DOT(0, 4, 6);
      }
      TILE_STORE(0, s->o + (size_t)row * k->d->head_padded + panel * CPU_LANES, o_bytes);
    }
  }
}

static void tile_attention(const cpu_block *b, cpu_scratch *s) {
  if (b->d->head.options.compute == COMPUTE_FP32) {
    path_attention(b, s);
  } else {
    TILES_BEGIN;
    attend(b, s, tile_scores, tile_sums);
    TILES_END;
  }
}

static void tile_attention_part(const cpu_block *b, cpu_scratch *s) {
  if (b->d->head.options.compute == COMPUTE_FP32) {
    path_attention_part(b, s);
  } else {
    TILES_BEGIN;
    attend_part(b, s, tile_scores, tile_sums);
    TILES_END;
  }
}

#endif
