/* The path of AVX2 with FMA: 16 registers of half the lanes hold two outputs' chains. */
#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx2_internal.h"

#define LANES_BF16        DOT_WIDENED
#define LANES_MOST_ROWS   2
#define LANES_MOST_PANELS 1
#define LANES_BLOCKS(X)   X(1, 1) X(2, 1)
#include "kernels/cpu_attention_internal.h"

const cpu_ops cpu_ops_avx2 = {
    "avx2",        sizeof(float), path_norm_add,  path_swiglu,         path_rope_append,
    path_operands, path_product,  path_attention, path_attention_part, path_attention_fold,
    path_splice,   path_exps,     path_masses};
#endif
