/* The path of AMX: tiles for products and attention in bf16, AVX-512 for the rest. */
#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx512_internal.h"

#define LANES_BF16        DOT_WIDENED
#define LANES_MOST_ROWS   4
#define LANES_MOST_PANELS 2
#define LANES_BLOCKS(X)   X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2)

/* Palette 1, and for each of eight tiles its bytes a row and its rows (SDM, LDTILECFG). */
typedef struct tile_config {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;

/* The compiler's own intrinsics do not say which memory an instruction reads, so that stores before
   one could come after it; these say. */
static inline void configure_tiles(void) {
  tile_config c = {.palette = 1};
  for (int t = 0; t < 8; t++)
    c.row_bytes[t] = 64, c.rows[t] = 16;
  __asm__ volatile("ldtilecfg %0" : : "m"(c));
}

#define TILES_BEGIN  configure_tiles()
#define TILES_END    _tile_release()
#define TILES_STATE  (void)0
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, from, stride)                                                                 \
  do {                                                                                             \
    const void *tile_from_ = (from);                                                               \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t                                               \
                     :                                                                             \
                     : "r"(tile_from_), "r"((size_t)(stride))                                      \
                     : "memory");                                                                  \
  } while (0)
#define TILE_STORE(t, to, stride) _tile_stored(t, to, stride)
#define TILE_DOT(c, a, b)         _tile_dpbf16ps(c, a, b)
#include "kernels/cpu_tiles_internal.h"

const cpu_ops cpu_ops_amx = {
    "amx",         sizeof(uint16_t), path_norm_add,  path_swiglu,         path_rope_append,
    tile_operands, tile_product,     tile_attention, tile_attention_part, path_attention_fold,
    path_splice,   path_exps,        path_masses};
#endif
