/* Speed of products on each path of the processor, for a person, with the weights of a model whose
   hidden size is 1024.

     bench_products [threads [path ...]]

   Weights differ from call to call, so that they come from memory as in a step. Of each shape and
   number of rows the fastest run counts, since others may use the machine meanwhile; a long product
   of one thread is timed by what the processor gave the thread, for the same reason. */
#include "base/clock.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_MOST = 2048, K_MOST = 2752, N_MOST = 32000, COPIES_MOST = 64 };
enum { FOOTPRINT_BYTES = 96 << 20, SHAPE_NS = 50000000 };

typedef struct shape {
  const char *name;
  int n, k;
} shape;

static const shape shapes[] = {{"qkv", 3072, 1024},
                               {"output", 1024, 1024},
                               {"gate_up", 5504, 1024},
                               {"down", 1024, K_MOST},
                               {"vocabulary", N_MOST, 1024}};
static const int row_counts[] = {1, 4, 16, 17, 32, 64, 128, 256, 512, 1024, ROWS_MOST};

enum { ROW_COUNTS = sizeof row_counts / sizeof *row_counts, ROWS_BY_MEMORY = 17 };

typedef struct bench {
  const kernels *k;
  device *d;
  int threads;
  uint16_t *w, *x; /* bf16 around 1 and -1 */
  float *y;
} bench;

static detail err;

static void need(status s) {
  if (!s) return;
  fprintf(stderr, "%s\n", err.text);
  exit(1);
}

static double now(const bench *b) {
  struct timespec t;
  if (b->threads > 1) return (double)clock_monotonic_ns() * 1e-9;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint16_t *halves(size_t count) {
  uint16_t *x = malloc(count * sizeof *x);
  uint32_t state = 1;
  if (!x) exit(1);
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (uint16_t)(0x3f80u | (state >> 16 & 0x807fu));
  }
  return x;
}

/* Seconds of the fastest of some products, each with the next of the weights. */
static double fastest(bench *b, packed_weight *const *weights, int count, int rows) {
  double best = 1e9;
  int64_t start = clock_monotonic_ns();
  for (int i = 0; i < 2 || clock_monotonic_ns() - start < SHAPE_NS; i++) {
    product_args a = {.rows = rows, .x = b->x, .w = weights[i % count], .y = b->y};
    double from = now(b);
    need(b->k->product(b->d, &a, &err));
    double took = now(b) - from;
    if (took < best) best = took;
  }
  return best;
}

static void bench_shape(bench *b, const shape *s) {
  packed_weight *weights[COPIES_MOST];
  size_t bytes = (size_t)s->n * s->k * sizeof(uint16_t);
  int count = (int)(FOOTPRINT_BYTES / bytes) + 1;
  weight_part part = {b->w, ELEMENT_BF16, s->n};
  weight_source source = {&part, 1, s->k};
  for (int i = 0; i < count; i++)
    need(b->k->weight_pack(b->d, &weights[i], &source, &err));
  printf("  %-10s [%5d, %4d]", s->name, s->n, s->k);
  for (int i = 0; i < ROW_COUNTS; i++) {
    int rows = row_counts[i];
    double seconds = fastest(b, weights, count, rows), gflops = 2e-9 * rows * s->n * s->k / seconds;
    if (rows <= ROWS_BY_MEMORY) {
      printf(" %4.0f:%-4.1f", gflops, (double)bytes / seconds * 1e-9);
    } else {
      printf(" %5.0f", gflops);
    }
    fflush(stdout);
  }
  printf("\n");
  for (int i = 0; i < count; i++)
    b->k->weight_free(b->d, weights[i]);
}

static void bench_path(bench *b, cpu_path path) {
  device_options o = {COMPUTE_BF16, b->threads, path, 1, 1, 64, 0, 32};
  need(b->k->open(&b->d, &o, &err));
  printf("%s, %d threads: GFLOP/s, and of few rows GB/s of weights\n  %-23s", b->k->path(b->d),
         b->threads, "rows");
  for (int i = 0; i < ROW_COUNTS; i++)
    printf(row_counts[i] <= ROWS_BY_MEMORY ? " %-9d" : " %5d", row_counts[i]);
  printf("\n");
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    bench_shape(b, &shapes[i]);
  b->k->close(b->d);
}

static int is_asked(int argc, char **argv, const char *name) {
  for (int i = 2; i < argc; i++) {
    if (!strcmp(argv[i], name)) return 1;
  }
  return argc <= 2;
}

int main(int argc, char **argv) {
  bench b = {.k = kernels_find("cpu"), .threads = argc > 1 ? atoi(argv[1]) : 1};
  b.w = halves((size_t)N_MOST * 1024);
  b.x = halves((size_t)ROWS_MOST * K_MOST);
  b.y = calloc((size_t)ROWS_MOST * N_MOST, sizeof *b.y);
  if (!b.y) return 1;
  for (unsigned path = CPU_PORTABLE; path < CPU_TILES; path *= 2) {
    const char *name = kernels_cpu_path_name((cpu_path)path);
    if (!is_asked(argc, argv, name)) continue;
    if (kernels_cpu_paths() & path) {
      bench_path(&b, (cpu_path)path);
    } else {
      printf("%s: absent\n", name);
    }
  }
  free(b.w);
  free(b.x);
  free(b.y);
}
