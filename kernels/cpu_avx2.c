/* The path of AVX2 with FMA: 16 registers of half the lanes hold two outputs' chains. */
#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx2_internal.h"

#define LANES_BLOCKS(X)      X(2, 1) X(1, 2) X(1, 1)
#define LANES_ROW_STEP(left) ((left) >= 2 ? 2 : 1)
#include "kernels/cpu_attention_internal.h"

const cpu_ops cpu_ops_avx2 = {
    "avx2",       path_norm_add,  path_swiglu,         path_rope_append,
    path_product, path_attention, path_attention_part, path_attention_fold,
    path_splice,  path_exps,      path_masses};
#endif
