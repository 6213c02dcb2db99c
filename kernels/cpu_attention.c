/* Attention shared out among the threads of a device. */
#include "kernels/cpu_internal.h"

/* Pieces of work, one at a time, since rows see different numbers of keys. */
typedef struct sharing {
  cpu_device *d;
  const attention_args *a;
  void (*piece)(const struct sharing *s, int number, cpu_scratch *scratch);
  int block_rows, blocks;   /* of blocks, with the key heads */
  int chunk, chunks, parts; /* of parts: chunks of each view in this round, in so many parts */
} sharing;

static void take_pieces(void *context, int thread, int first, int last) {
  const sharing *s = context;
  for (int number = first; number < last; number++)
    s->piece(s, number, s->d->scratch[thread]);
}

static void share_out(sharing *s, int pieces,
                      void (*piece)(const sharing *s, int number, cpu_scratch *scratch)) {
  s->piece = piece;
  pool_run(s->d->pool, pieces, 1, take_pieces, s);
}

/* ---- blocks of rows with a key head each ----------------------------------------------------- */

/* As many rows as a thread can hold, but no fewer than some blocks for each thread. */
static int rows_of_block(const cpu_device *d, const attention_args *a) {
  enum { BLOCKS_OF_THREAD = 4 };
  int kv_heads = d->head.options.kv_heads, threads = d->head.options.threads;
  int most = CPU_SLOTS / (a->heads / kv_heads), blocks = threads * BLOCKS_OF_THREAD;
  int64_t fair = ((int64_t)a->plan->rows * kv_heads + blocks - 1) / blocks;
  return threads == 1 || fair > most ? most : (int)fair;
}

/* The last block goes first: of a prompt the last rows see most. */
static void take_block(const sharing *s, int number, cpu_scratch *scratch) {
  int kv_heads = s->d->head.options.kv_heads, job = s->blocks - 1 - number;
  int row = job / kv_heads * s->block_rows, left = s->a->plan->rows - row;
  cpu_block b = {.d = s->d, .a = s->a, .row = row, .kv_head = job % kv_heads};
  b.rows = left < s->block_rows ? left : s->block_rows;
  b.next_head = b.kv_head - 1;
  s->d->ops->attention(&b, scratch);
}

/* ---- parts of views -------------------------------------------------------------------------- */

/* Where rows with a key head each are fewer than threads, the chunks of a view are shared out as
   well (Dao, Haziza, Massa and Sizov, "Flash-Decoding for long-context inference", 2023). A chunk
   is always the same 128 keys, and its partial a function of them; folded in the order of the view
   they are the bits of one thread. Views that are longer than there is room for go in rounds. */
static int chunks_of(const attention_args *a, int row) {
  int chunks = 0;
  for (int32_t i = a->plan->row_span[row]; i < a->plan->row_span[row + 1]; i++)
    chunks += padded(a->plan->span_keys[i], KERNELS_CHUNK) / KERNELS_CHUNK;
  return chunks;
}

/* A row with its key head; its records of this round follow the one of its sum. */
static cpu_block pair_of(const sharing *s, int pair) {
  int kv_heads = s->d->head.options.kv_heads;
  cpu_block b = {.d = s->d, .a = s->a, .row = pair / kv_heads, .rows = 1, .next_head = -1};
  b.kv_head = pair % kv_heads;
  size_t each = cpu_record_floats(s->d, s->a->heads / kv_heads);
  b.records = s->d->records + (size_t)pair * (s->chunks + 1) * each;
  return b;
}

static void take_part(const sharing *s, int number, cpu_scratch *scratch) {
  cpu_block b = pair_of(s, number / s->parts);
  int part = number % s->parts;
  int first = (int)((int64_t)s->chunks * part / s->parts);
  b.chunk = s->chunk + first;
  b.chunks = (int)((int64_t)s->chunks * (part + 1) / s->parts) - first;
  b.records += (first + 1) * cpu_record_floats(s->d, s->a->heads / s->d->head.options.kv_heads);
  s->d->ops->attention_part(&b, scratch);
}

static void take_fold(const sharing *s, int number, cpu_scratch *scratch) {
  (void)scratch;
  cpu_block b = pair_of(s, number);
  int left = chunks_of(s->a, b.row) - s->chunk;
  b.chunk = s->chunk;
  b.chunks = left < 0 ? 0 : left < s->chunks ? left : s->chunks;
  b.is_last = left <= s->chunks;
  s->d->ops->attention_fold(&b);
}

static void share_parts(sharing *s, int pairs, int longest) {
  int threads = s->d->head.options.threads, grouped = s->a->heads / s->d->head.options.kv_heads;
  int room = threads * CPU_RECORD_SLOTS / (pairs * grouped) - 1;
  s->chunks = longest < room ? longest : room;
  s->parts = (2 * threads + pairs - 1) / pairs;
  if (s->parts > s->chunks) s->parts = s->chunks;
  for (s->chunk = 0; s->chunk < longest; s->chunk += s->chunks) {
    share_out(s, pairs * s->parts, take_part);
    share_out(s, pairs, take_fold);
  }
}

void cpu_attention(cpu_device *d, const attention_args *a) {
  sharing s = {.d = d, .a = a};
  int pairs = a->plan->rows * d->head.options.kv_heads, longest = 0;
  for (int row = 0; row < a->plan->rows && pairs < d->head.options.threads; row++) {
    int chunks = chunks_of(a, row);
    longest = chunks > longest ? chunks : longest;
  }
  if (longest > 1) {
    share_parts(&s, pairs, longest);
  } else if (pairs > 0) {
    s.block_rows = rows_of_block(d, a);
    s.blocks = (a->plan->rows + s.block_rows - 1) / s.block_rows * d->head.options.kv_heads;
    share_out(&s, s.blocks, take_block);
  }
}
