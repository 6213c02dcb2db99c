/* The reference's operations, one file each. They run in the kernels' floating-point mode, on
   arguments that have been checked; weights are [n, k] and the cache is [pages, layers, 2,
   kv_heads, page_keys, head_size], both of activations in plain order. */
#ifndef KERNELS_REFERENCE_INTERNAL_H
#define KERNELS_REFERENCE_INTERNAL_H

#include "kernels/backend_internal.h"

void reference_embed(device *d, const embed_args *a);
void reference_norm_add(device *d, const norm_add_args *a);
void reference_product(device *d, const product_args *a);
void reference_rope_append(device *d, const rope_append_args *a);
void reference_attention(device *d, const attention_args *a);
void reference_swiglu(device *d, const swiglu_args *a);
void reference_gather(device *d, const gather_args *a);
void reference_splice(device *d, const splice_args *a);
/* scratch is [vocabulary]. */
void reference_sample(const sample_args *a, uint32_t *scratch);

/* dot() of kernels.h over fp32 values. */
float reference_dot(const float *x, const float *w, int k);

/* 1 / sqrt(mean_square(x, n) + epsilon). */
float reference_norm_scale(const float *x, int n, float epsilon);

/* rotate() of kernels.h, in place; turn is one position's entry of the table. */
void reference_rotate(float *x, int head_size, const float *turn);

/* The element where slot's key (which = 0) or value (which = 1) of a key head starts. */
size_t reference_slot(const device *d, int layer, int which, int kv_head, int64_t slot);

#endif
