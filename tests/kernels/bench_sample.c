/* Speed of sampling from 32,000 ids on each path of the processor, for a person: greedy, and with
   settings that `nightjar bench` does not time.

     bench_sample [threads] */
#include "base/clock.h"
#include "tests/kernels/cases.h"

#include <stdio.h>
#include <stdlib.h>

static detail err;

static void need(status s) {
  if (!s) return;
  fprintf(stderr, "%s\n", err.text);
  exit(1);
}

typedef struct bench {
  const kernels *k;
  device *d;
  sample_args sample;
} bench;

static void run_sample(bench *b) {
  need(b->k->sample(b->d, &b->sample, &err));
}

/* Seconds of the fastest of some runs in about a third of a second. */
static double fastest(bench *b, void (*run)(bench *)) {
  int64_t start = clock_monotonic_ns(), best = INT64_MAX;
  run(b);
  do {
    int64_t from = clock_monotonic_ns();
    run(b);
    int64_t took = clock_monotonic_ns() - from;
    if (took < best) best = took;
  } while (clock_monotonic_ns() - start < 330000000);
  return (double)best * 1e-9;
}

static float *numbers(size_t count) {
  random_stream s = case_stream("bench");
  float *x = calloc(count, sizeof *x);
  if (!x) exit(1);
  for (size_t i = 0; i < count; i++)
    x[i] = (float)random_next(&s) * 0x1p-31f - 1;
  return x;
}

static void bench_sample(bench *b, float temperature, float top_p) {
  enum { IDS = 32000 };
  static sample_row row;
  static sample_result out;
  float *logits = numbers(IDS);
  for (int i = 0; i < IDS; i++)
    logits[i] *= 8;
  row = (sample_row){.temperature = temperature, .top_p = top_p};
  b->sample =
      (sample_args){.rows = 1, .vocabulary = IDS, .logits = logits, .row = &row, .out = &out};
  printf("  sample of %d ids, temperature %g, top_p %g: %.0f us\n", IDS, (double)temperature,
         (double)top_p, fastest(b, run_sample) * 1e6);
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  for (unsigned path = CPU_PORTABLE; path < CPU_TILES; path *= 2) {
    if (!(kernels_cpu_paths() & path)) {
      printf("%s: absent\n", kernels_cpu_path_name((cpu_path)path));
      continue;
    }
    bench b = {.k = kernels_find("cpu")};
    device_options o = {COMPUTE_BF16, threads, path, 1, 4, 64, 16, 32};
    need(b.k->open(&b.d, &o, &err));
    printf("%s, %d threads\n", b.k->path(b.d), threads);
    bench_sample(&b, 0, 1);
    bench_sample(&b, 1, 1);
    bench_sample(&b, 1, 0.95f);
    b.k->close(b.d);
  }
}
