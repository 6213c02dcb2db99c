/* The path of AVX-512: 32 registers hold eight outputs' chains and sums. */
#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx512_internal.h"

#define LANES_BLOCKS(X)      X(8, 1) X(4, 2) X(4, 1) X(2, 4) X(2, 2) X(2, 1) X(1, 4) X(1, 2) X(1, 1)
#define LANES_ROW_STEP(left) ((left) >= 8 ? 8 : (left) >= 4 ? 4 : (left) >= 2 ? 2 : 1)
#include "kernels/cpu_attention_internal.h"

const cpu_ops cpu_ops_avx512 = {
    "avx512",     path_norm_add,  path_swiglu,         path_rope_append,
    path_product, path_attention, path_attention_part, path_attention_fold,
    path_splice,  path_exps,      path_masses};
#endif
