/* The path of AVX-512: 32 registers hold eight outputs' chains and sums. */
#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx512_internal.h"

#define LANES_BF16        DOT_WIDENED
#define LANES_MOST_ROWS   8
#define LANES_MOST_PANELS 1
#define LANES_BLOCKS(X)   X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1)
#include "kernels/cpu_attention_internal.h"

const cpu_ops cpu_ops_avx512 = {
    "avx512",      sizeof(float), path_norm_add,  path_swiglu,         path_rope_append,
    path_operands, path_product,  path_attention, path_attention_part, path_attention_fold,
    path_splice,   path_exps,     path_masses};
#endif
