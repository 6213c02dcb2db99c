/* The path of any processor: fused multiply-adds by the compiler or the C library. */
#include "kernels/cpu_internal.h"
#include "kernels/lanes_portable_internal.h"

#define LANES_BF16        DOT_WIDENED
#define LANES_MOST_ROWS   1
#define LANES_MOST_PANELS 1
#define LANES_BLOCKS(X)   X(1, 1)
#include "kernels/cpu_attention_internal.h"

const cpu_ops cpu_ops_portable = {
    "portable",    sizeof(float), path_norm_add,  path_swiglu,         path_rope_append,
    path_operands, path_product,  path_attention, path_attention_part, path_attention_fold,
    path_splice,   path_exps,     path_masses};
