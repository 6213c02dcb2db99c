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

/* Rows of bf16 activations, padded with zeros to whole groups. */
static void pad_rows(const uint16_t *x, int rows, int k, uint16_t *to) {
  int k_padded = padded(k, KERNELS_GROUP);
  for (int r = 0; r < rows; r++) {
    memcpy(to + (size_t)r * k_padded, x + (size_t)r * k, (size_t)k * sizeof *to);
    memset(to + (size_t)r * k_padded + k, 0, (size_t)(k_padded - k) * sizeof *to);
  }
}

/* y = rows of x with one or two panels, for one or two tiles of rows: tiles 0 to 3 hold the sums, 4
   and 5 the rows, 6 and 7 the panels. */
static void tile_dots(const uint16_t *x, int k_padded, int two_rows, const unsigned char *w,
                      size_t panel_bytes, int two_panels, float *y, size_t y_stride) {
  size_t x_bytes = (size_t)k_padded * sizeof *x, y_bytes = y_stride * sizeof *y;
  TILES_STATE;
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  for (int k = 0; k < k_padded; k += KERNELS_GROUP, w += TILE_BYTES) {
    TILE_LOAD(4, x + k, x_bytes);
    TILE_LOAD(6, w, TILE_ROW_BYTES);
    TILE_DOT(0, 4, 6);
    if (two_panels) {
      TILE_LOAD(7, w + panel_bytes, TILE_ROW_BYTES);
      TILE_DOT(1, 4, 7);
    }
    if (two_rows) {
      TILE_LOAD(5, x + (size_t)TILE_ROWS * k_padded + k, x_bytes);
      TILE_DOT(2, 5, 6);
      if (two_panels) TILE_DOT(3, 5, 7);
    }
  }
  TILE_STORE(0, y, y_bytes);
  if (two_panels) TILE_STORE(1, y + CPU_LANES, y_bytes);
  if (two_rows) TILE_STORE(2, y + TILE_ROWS * y_stride, y_bytes);
  if (two_rows && two_panels) TILE_STORE(3, y + TILE_ROWS * y_stride + CPU_LANES, y_bytes);
}

static void tile_product(const cpu_device *d, const product_args *a, int first, int last,
                         cpu_scratch *s) {
  if (d->head.options.compute == COMPUTE_FP32) {
    path_product(d, a, first, last, s);
    return;
  }
  int k_padded = padded(a->w->k, KERNELS_GROUP);
  size_t panel_bytes = panel_size(a->w) * sizeof(uint16_t);
  size_t y_stride = sizeof s->y[0] / sizeof s->y[0][0];
  uint16_t *x = (uint16_t *)(void *)s->x;
  TILES_BEGIN;
  for (int row = 0; row < a->rows; row += CPU_BLOCK_ROWS) {
    int rows = a->rows - row < CPU_BLOCK_ROWS ? a->rows - row : CPU_BLOCK_ROWS;
    pad_rows((const uint16_t *)a->x + (size_t)row * a->w->k, rows, a->w->k, x);
    for (int panel = first; panel < last; panel += 2) {
      int panels = last - panel < 2 ? 1 : 2;
      const unsigned char *w = (const unsigned char *)a->w->data + panel * panel_bytes;
      tile_dots(x, k_padded, rows > TILE_ROWS, w, panel_bytes, panels == 2, s->y[0], y_stride);
      put_outputs(a, s->y[0], y_stride, row, rows, panel, panels);
    }
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

static void tile_scores(const chunk *k, cpu_scratch *s) {
  narrow_rows(k->q, k->slots, k->d->head_padded, s);
  TILES_STATE;
  for (int key = 0; key < k->seen; key += TILE_ROWS) {
    int in_page = key % k->d->head.options.page_keys;
    const unsigned char *keys = block_of(k, 0, key);
    keys += (size_t)in_page * k->d->head_padded * sizeof(uint16_t);
    if (in_page == 0) prefetch_ahead(k, 0, key);
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

static void tile_sums(const chunk *k, cpu_scratch *s) {
  unsigned char room[TILE_BYTES];
  int page_keys = k->d->head.options.page_keys;
  size_t o_bytes = (size_t)k->d->head_padded * sizeof *s->o;
  narrow_rows(s->p[0], k->slots, KERNELS_CHUNK, s);
  for (int key = 0; key < k->seen; key += page_keys)
    prefetch_ahead(k, 1, key);
  TILES_STATE;
  for (int panel = 0; panel * CPU_LANES < k->d->head.options.head_size; panel++) {
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
