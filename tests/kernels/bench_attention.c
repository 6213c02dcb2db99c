/* Speed of attention and of appending on each path of the processor, for a person: decode rows with
   views of their own, rows that share a prefix, workers that read each other, the prefill of a
   prompt. Beside each the operations
   and the bytes that it must at least read, and what a plain loop reads of memory in the same run.

     bench_attention [threads] [path]   a name such as avx512; all that the machine has otherwise */
#include "base/clock.h"
#include "kernels/rope.h"
#include "tests/kernels/cases.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE_KEYS = 16, POSITIONS = 8192 };

typedef struct load {
  const char *name;
  int rows, heads, kv_heads, head_size;
  int shared, own; /* keys of a prefix that all rows see, and of each row's own segment */
  int is_prompt;   /* the rows are the last of one segment of `own` keys, and see up to their own */
  int workers;     /* of a gang; 0: none. Each sees `shared` keys of its gang's history, `own` of
                      each other, a header and `own` that it writes */
} load;

enum { HEADER_KEYS = 16 };

static const load loads[] = {
    {"decode, 1 x 512", 1, 16, 16, 64, 0, 512, 0, 0},
    {"decode, 32 x 512", 32, 16, 16, 64, 0, 512, 0, 0},
    {"decode, 256 x 256", 256, 16, 16, 64, 0, 256, 0, 0},
    {"decode, 32 x 512, grouped", 32, 32, 8, 128, 0, 512, 0, 0},
    {"decode, 1 x 4096, grouped", 1, 8, 2, 64, 0, 4096, 0, 0},
    {"decode, 32 x (2048 shared + 128)", 32, 16, 16, 64, 2048, 128, 0, 0},
    {"gangs, 8 x 4 x (464 + 4 x 8)", 32, 16, 16, 64, 464, 8, 0, 4},
    {"gangs, 8 x 4 x (368 + 4 x 32)", 32, 16, 16, 64, 368, 32, 0, 4},
    {"gangs, 8 x 4 x (240 + 4 x 64)", 32, 16, 16, 64, 240, 64, 0, 4},
    {"gangs, 8 x 4 x (48 + 4 x 112)", 32, 16, 16, 64, 48, 112, 0, 4},
    {"gangs, 8 x 4 x (368 + 4 x 32), grouped", 32, 32, 8, 128, 368, 32, 0, 4},
    {"gangs, 16 x 2 x (240 + 2 x 128)", 32, 16, 16, 64, 240, 128, 0, 2},
    {"prefill, 2048", 2048, 16, 16, 64, 0, 2048, 1, 0},
    {"prefill, 2048, grouped", 2048, 32, 8, 128, 0, 2048, 1, 0},
};

static detail err;

static void need(status s) {
  if (!s) return;
  fprintf(stderr, "%s\n", err.text);
  exit(1);
}

static void *room(size_t count, size_t bytes) {
  void *data = calloc(count, bytes);
  if (!data) exit(1);
  return data;
}

static float *numbers(size_t count) {
  random_stream s = case_stream("bench");
  float *x = room(count, sizeof *x);
  for (size_t i = 0; i < count; i++)
    x[i] = (float)random_next(&s) * 0x1p-31f - 1;
  return x;
}

/* ---- what memory gives ----------------------------------------------------------------------- */

enum { READ_BYTES = 1 << 28, THREADS_MAX = 64 };

typedef struct reader {
  const uint64_t *from;
  size_t words;
  uint64_t sum;
} reader;

static void *read_all(void *argument) {
  reader *r = argument;
  uint64_t sum[4] = {0};
  for (size_t i = 0; i < r->words; i += 4) {
    for (int j = 0; j < 4; j++)
      sum[j] += r->from[i + j];
  }
  r->sum = sum[0] + sum[1] + sum[2] + sum[3];
  return NULL;
}

/* Bytes a second of the fastest of some plain reads, each thread its own part. */
static double reads_per_second(const uint64_t *data, int threads) {
  reader part[THREADS_MAX];
  pthread_t id[THREADS_MAX];
  int64_t best = INT64_MAX;
  for (int run = 0; run < 5; run++) {
    int64_t from = clock_monotonic_ns();
    for (int t = 0; t < threads; t++) {
      size_t words = READ_BYTES / sizeof *data / (size_t)threads / 4 * 4;
      part[t] = (reader){data + t * words, words, 0};
      if (pthread_create(&id[t], NULL, read_all, &part[t])) exit(1);
    }
    for (int t = 0; t < threads; t++)
      pthread_join(id[t], NULL);
    int64_t took = clock_monotonic_ns() - from;
    if (took < best && part[0].sum) best = took;
  }
  return (double)READ_BYTES / ((double)best * 1e-9);
}

/* ---- a load ---------------------------------------------------------------------------------- */

typedef struct bench {
  const kernels *k;
  const load *l;
  device *d;
  step_plan plan;
  int layers, keys; /* keys: of all segments */
  double row_keys;  /* summed over rows: keys that the row sees */
  attention_args attention;
  rope_append_args append;
} bench;

static int pages_of(int keys) {
  return (keys + PAGE_KEYS - 1) / PAGE_KEYS;
}

/* Enough layers that one run after another never finds its keys in the processor's own memory. */
static void open_bench(bench *b, int threads, unsigned path) {
  const load *l = b->l;
  int segments = l->is_prompt ? 1 : l->rows, pages = pages_of(l->shared);
  if (l->workers) pages = l->rows / l->workers * (pages + pages_of(HEADER_KEYS));
  pages += segments * pages_of(l->own + 1);
  double layer_bytes = 4.0 * pages * PAGE_KEYS * l->kv_heads * l->head_size;
  b->keys = (l->workers ? l->rows / l->workers : 1) * l->shared + segments * l->own;
  b->layers = 1 + (int)(256e6 / layer_bytes);
  device_options o = {COMPUTE_BF16, threads,      path,  b->layers,
                      l->kv_heads,  l->head_size, pages, PAGE_KEYS};
  need(b->k->open(&b->d, &o, &err));
  size_t bytes = b->k->page_bytes(b->d);
  uint16_t *page = room(bytes, 1);
  random_stream s = case_stream("bench");
  for (size_t i = 0; i < bytes / sizeof *page; i++)
    page[i] = (uint16_t)(0x3f80u | (random_next(&s) & 0x807fu));
  for (int i = 0; i < pages; i++)
    need(b->k->page_put(b->d, i, page, &err));
  free(page);
}

static void plan_bench(bench *b) {
  const load *l = b->l;
  int shared = pages_of(l->shared), own = pages_of(l->own + 1), spans = 2 * l->rows;
  int32_t *page = room((size_t)(shared + l->rows * own), sizeof *page);
  int32_t *list[7]; /* write_slot, write_position, row_span, span_page, keys, position */
  for (int i = 0; i < 6; i++)
    list[i] = room((size_t)spans + 1, sizeof *page);
  for (int i = 0; i < shared + (l->is_prompt ? 1 : l->rows) * own; i++)
    page[i] = i;
  for (int r = 0; r < l->rows; r++) {
    int start = l->is_prompt ? 0 : shared + r * own;
    int keys = l->is_prompt ? l->own - l->rows + r + 1 : l->own;
    list[0][r] = start * PAGE_KEYS + keys - 1;
    list[1][r] = keys - 1;
    list[2][r + 1] = 2 * (r + 1);
    list[3][2 * r + 1] = start;
    list[4][2 * r] = l->shared, list[4][2 * r + 1] = keys;
    list[5][2 * r] = l->shared + keys - 1, list[5][2 * r + 1] = keys - 1;
    b->row_keys += l->shared + keys;
  }
  b->plan = (step_plan){.rows = l->rows, .spans = spans, .write_slot = list[0]};
  b->plan.write_position = list[1], b->plan.row_span = list[2], b->plan.span_page = list[3];
  b->plan.span_keys = list[4], b->plan.span_position = list[5], b->plan.pages = page;
}

/* Of each gang pages of its history, of a header, then of each worker's. */
static void plan_gangs(bench *b) {
  const load *l = b->l;
  int shared = pages_of(l->shared), own = pages_of(l->own + 1), header = pages_of(HEADER_KEYS);
  int each = shared + header + l->workers * own, gangs = l->rows / l->workers, span = 0;
  int32_t *page = room((size_t)(gangs * each), sizeof *page), *list[6];
  for (int i = 0; i < 6; i++)
    list[i] = room((size_t)(l->rows * (l->workers + 2)) + 1, sizeof *page);
  for (int i = 0; i < gangs * each; i++)
    page[i] = i;
  for (int r = 0; r < l->rows; r++) {
    int start = r / l->workers * each, worker = r % l->workers, seen = 0;
    int of_worker = start + shared + header;
    for (int i = 0; i < l->workers + 2; i++, span++) {
      int other = i - 1 + (i - 1 >= worker), is_own = i == l->workers + 1;
      int keys = i == 0 ? l->shared : i == l->workers ? HEADER_KEYS : l->own;
      list[3][span] = i == 0            ? start
                      : i == l->workers ? start + shared
                                        : of_worker + (is_own ? worker : other) * own;
      list[4][span] = keys;
      list[5][span] = l->shared + HEADER_KEYS + l->workers * l->own - 1 - seen;
      seen += keys;
    }
    list[0][r] = (of_worker + worker * own) * PAGE_KEYS + l->own - 1;
    list[1][r] = l->own - 1;
    list[2][r + 1] = span;
    b->row_keys += seen;
  }
  b->plan = (step_plan){.rows = l->rows, .spans = span, .write_slot = list[0]};
  b->plan.write_position = list[1], b->plan.row_span = list[2], b->plan.span_page = list[3];
  b->plan.span_keys = list[4], b->plan.span_position = list[5], b->plan.pages = page;
}

static void fill_bench(bench *b, const float *rope) {
  const load *l = b->l;
  size_t size = (size_t)l->head_size, stride = (size_t)(l->heads + 2 * l->kv_heads) * size;
  float *qkv = numbers(stride * l->rows), *q = numbers((size_t)l->rows * l->heads * size);
  b->append = (rope_append_args){.plan = &b->plan, .heads = l->heads, .q = qkv};
  b->append.k = qkv + (size_t)l->heads * size;
  b->append.v = b->append.k + (size_t)l->kv_heads * size;
  b->append.q_stride = b->append.k_stride = b->append.v_stride = stride;
  b->append.rope = rope, b->append.rope_positions = POSITIONS, b->append.out = q;
  void *out = room((size_t)l->rows * l->heads * size, sizeof(uint16_t));
  b->attention = (attention_args){&b->plan, 0, l->heads, q, rope, POSITIONS, out};
}

static void run_attention(bench *b) {
  b->attention.layer = (b->attention.layer + 1) % b->layers;
  need(b->k->attention(b->d, &b->attention, &err));
}

static void run_append(bench *b) {
  b->append.layer = (b->append.layer + 1) % b->layers;
  need(b->k->rope_append(b->d, &b->append, &err));
}

/* One thread is timed by what the system gave it, so that others on the machine count less. */
static int64_t now_ns(int threads) {
  struct timespec t;
  if (threads > 1 || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t)) return clock_monotonic_ns();
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Seconds of the fastest of some runs in about a third of a second. */
static double fastest(bench *b, int threads, void (*run)(bench *)) {
  int64_t start = now_ns(threads), best = INT64_MAX;
  run(b);
  do {
    int64_t from = now_ns(threads);
    run(b);
    int64_t took = now_ns(threads) - from;
    if (took < best) best = took;
  } while (now_ns(threads) - start < 330000000);
  return (double)best * 1e-9;
}

static void bench_load(const load *l, int threads, unsigned path, const uint64_t *data) {
  bench b = {.k = kernels_find("cpu"), .l = l};
  float *rope = room((size_t)POSITIONS * l->head_size, sizeof *rope);
  rope_options o = {.kind = ROPE_PLAIN, .head_size = l->head_size, .theta = 10000};
  need(rope_fill(&o, POSITIONS, rope, &err));
  open_bench(&b, threads, path);
  if (l->workers) {
    plan_gangs(&b);
  } else {
    plan_bench(&b);
  }
  fill_bench(&b, rope);
  double seconds = fastest(&b, threads, run_attention);
  double append = fastest(&b, threads, run_append);
  double operations = 4 * b.row_keys * l->heads * l->head_size;
  double bytes = 4.0 * b.keys * l->kv_heads * l->head_size;
  printf("  %-34s %7.1f MFLOP %6.1f MB: %8.1f us, %6.1f GFLOP/s, %5.1f GB/s of %.1f; append %.2f "
         "us a row\n",
         l->name, operations * 1e-6, bytes * 1e-6, seconds * 1e6, operations / seconds * 1e-9,
         bytes / seconds * 1e-9, reads_per_second(data, threads) * 1e-9, append * 1e6 / l->rows);
  b.k->close(b.d);
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  if (threads < 1 || threads > THREADS_MAX) return 1;
  uint64_t *data = room(READ_BYTES, 1);
  memset(data, 1, READ_BYTES);
  for (unsigned path = 1; path && path <= kernels_cpu_paths(); path *= 2) {
    const char *name = kernels_cpu_path_name((cpu_path)path);
    if (!(kernels_cpu_paths() & path) || path == CPU_TILES) continue;
    if (argc > 2 ? strcmp(argv[2], name) != 0 : path == CPU_PORTABLE) continue;
    printf("%s, %d threads\n", name, threads);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
      bench_load(&loads[i], threads, path, data);
  }
}
