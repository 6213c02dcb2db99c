/* The path of AMX's loops on an emulated instruction, for machines that have none. */
#include "kernels/cpu_internal.h"
#include "kernels/lanes_portable_internal.h"

#define LANES_BF16        DOT_WIDENED
#define LANES_MOST_ROWS   1
#define LANES_MOST_PANELS 1
#define LANES_BLOCKS(X)   X(1, 1)

typedef struct tile {
  unsigned char row[16][64];
} tile;

static void load_tile(tile *t, const void *from, size_t stride) {
  for (int r = 0; r < 16; r++)
    memcpy(t->row[r], (const unsigned char *)from + r * stride, sizeof t->row[r]);
}

static void store_tile(const tile *t, void *to, size_t stride) {
  for (int r = 0; r < 16; r++)
    memcpy((unsigned char *)to + r * stride, t->row[r], sizeof t->row[r]);
}

static float half_of(const tile *t, int row, int at) {
  uint16_t x;
  memcpy(&x, &t->row[row][at * 2], sizeof x);
  return number_from_bf16(x);
}

/* TDPBF16PS as the manual's pseudocode has it, in a mode that flushes denormals. */
static void multiply_tiles(tile *c, const tile *a, const tile *b) {
  for (int m = 0; m < 16; m++) {
    float temporary[32] = {0};
    for (int k = 0; k < 16; k++) {
      for (int n = 0; n < 16; n++) {
        float *even = &temporary[2 * n], *odd = &temporary[2 * n + 1];
        *even = fmaf(half_of(a, m, 2 * k), half_of(b, k, 2 * n), *even);
        *odd = fmaf(half_of(a, m, 2 * k + 1), half_of(b, k, 2 * n + 1), *odd);
      }
    }
    for (int n = 0; n < 16; n++) {
      float sum;
      memcpy(&sum, &c->row[m][4 * n], sizeof sum);
      sum = sum + (temporary[2 * n] + temporary[2 * n + 1]);
      memcpy(&c->row[m][4 * n], &sum, sizeof sum);
    }
  }
}

#define TILES_BEGIN                (void)0
#define TILES_END                  (void)0
#define TILES_STATE                tile tiles[8]
#define TILE_ZERO(t)               memset(&tiles[t], 0, sizeof tiles[t])
#define TILE_LOAD(t, from, stride) load_tile(&tiles[t], from, stride)
#define TILE_STORE(t, to, stride)  store_tile(&tiles[t], to, stride)
#define TILE_DOT(c, a, b)          multiply_tiles(&tiles[c], &tiles[a], &tiles[b])
#include "kernels/cpu_tiles_internal.h"

const cpu_ops cpu_ops_tiles = {
    "tiles",       sizeof(uint16_t), path_norm_add,  path_swiglu,         path_rope_append,
    tile_operands, tile_product,     tile_attention, tile_attention_part, path_attention_fold,
    path_splice,   path_exps,        path_masses};
