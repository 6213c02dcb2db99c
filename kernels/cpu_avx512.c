/* The path of AVX-512: 32 registers hold eight outputs' chains and sums. */
#include "kernels/cpu_internal.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx512_internal.h"

#define LANES_BF16      DOT_WIDENED
#define LANES_MOST_ROWS 12
#define LANES_ROWS(X)   X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#include "kernels/cpu_attention_internal.h"

const cpu_ops cpu_ops_avx512 = {
    "avx512",      sizeof(float), path_norm_add,  path_swiglu,         path_rope_append,
    path_operands, path_product,  path_attention, path_attention_part, path_attention_fold,
    path_splice,   path_exps,     path_masses};
#endif
