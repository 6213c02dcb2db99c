/* Attention shared out among the threads of a device. */
#include "kernels/cpu_internal.h"

#include <stdatomic.h>

/* Blocks of rows with a key head each are taken by whoever is free, since rows see different
   numbers of keys; of a prompt the last rows see most, so that the last block goes first. */
typedef struct sharing {
  const cpu_device *d;
  const attention_args *a;
  int block_rows, jobs;
  atomic_int taken;
} sharing;

/* As many rows as a thread can hold, but no fewer than some blocks for each thread. */
static int rows_of_block(const cpu_device *d, const attention_args *a) {
  enum { BLOCKS_OF_THREAD = 4 };
  int kv_heads = d->head.options.kv_heads, threads = d->head.options.threads;
  int most = KERNELS_GROUPED_MAX / (a->heads / kv_heads);
  int64_t pairs = (int64_t)a->plan->rows * kv_heads;
  if (threads == 1) return most;
  int64_t fair = (pairs + threads * BLOCKS_OF_THREAD - 1) / (threads * BLOCKS_OF_THREAD);
  return fair < most ? (int)fair : most;
}

static void take_blocks(void *context, int thread) {
  sharing *s = context;
  int kv_heads = s->d->head.options.kv_heads;
  for (;;) {
    int job = s->jobs - 1 - atomic_fetch_add_explicit(&s->taken, 1, memory_order_relaxed);
    if (job < 0) return;
    int row = job / kv_heads * s->block_rows, left = s->a->plan->rows - row;
    cpu_block b = {s->d, s->a, row, left < s->block_rows ? left : s->block_rows, job % kv_heads};
    s->d->ops->attention(&b, s->d->scratch[thread]);
  }
}

void cpu_attention(cpu_device *d, const attention_args *a) {
  if (a->plan->rows == 0) return;
  sharing s = {.d = d, .a = a, .block_rows = rows_of_block(d, a)};
  s.jobs = (a->plan->rows + s.block_rows - 1) / s.block_rows * d->head.options.kv_heads;
  atomic_init(&s.taken, 0);
  pool_run(d->pool, take_blocks, &s);
}
