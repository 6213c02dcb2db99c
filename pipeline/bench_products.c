/* Products beside the yardstick's: both have all threads, the same numbers, and weights packed as
   each likes, which are used again and again. */
#include "base/clock.h"
#include "base/memory.h"
#include "kernels/yardstick.h"
#include "pipeline/bench_meter_internal.h"

#include <math.h>
#include <stdio.h>

/* Who is timed. fp32 only where the path has no instruction for bf16. */
enum { OURS, THEIRS, THEIRS_FP32, RIVALS };

/* One of them, with what it needs. */
typedef struct rival {
  meter *m;
  product_args ours;
  yardstick_product *theirs; /* NULL: ours is meant, or there is none */
} rival;

static status run_once(const rival *r, detail *err) {
  if (r->theirs) return yardstick_product_run(r->theirs, err);
  return r->m->rig->kernels->product(r->m->rig->device, &r->ours, err);
}

/* Runs it until the threads of the other have gone to sleep (OpenMP's spin for milliseconds), then
   as often as fills two milliseconds: seconds of a call. */
static status time_rival(const rival *r, double *seconds, detail *err) {
  enum { SETTLING_NS = 15000000, TIMED_NS = 2000000 };
  int64_t start = clock_monotonic_ns(), now = start;
  int calls = 0;
  status failed = OK;
  do {
    failed = run_once(r, err);
    calls++;
    now = clock_monotonic_ns();
  } while (!failed && now - start < SETTLING_NS);
  calls = (int)((double)calls * TIMED_NS / (double)(now - start)) + 1;
  start = clock_monotonic_ns();
  for (int i = 0; !failed && i < calls; i++)
    failed = run_once(r, err);
  *seconds = (double)(clock_monotonic_ns() - start) * 1e-9 / calls;
  return failed;
}

/* In turns, and the best of each: what disturbs is not the same for all, since OpenMP's threads
   wait for each other by spinning. */
static status time_all(meter *m, const rival rivals[RIVALS], double best[RIVALS], detail *err) {
  int64_t start = clock_monotonic_ns();
  status failed = OK;
  for (int n = 0; !failed && !meter_has_enough(m, n, start, m->product_ns); n++) {
    for (int i = 0; !failed && i < RIVALS; i++) {
      double seconds;
      if (i != OURS && !rivals[i].theirs) continue;
      failed = time_rival(&rivals[i], &seconds, err);
      if (!n || seconds < best[i]) best[i] = seconds;
    }
    if (!failed) failed = meter_stopped(err);
  }
  return failed;
}

/* A library that has no such product here is as good as none, and said so. */
static status open_theirs(bench_results *r, rival *theirs, yardstick *y,
                          const yardstick_shape *shape, detail *err) {
  detail missing;
  status failed = yardstick_product_open(&theirs->theirs, y, shape, &missing);
  if (!failed) return OK;
  if (failed != E_DEVICE) return fault(err, failed, "%s", missing.text);
  (void)snprintf(r->yardstick, sizeof r->yardstick, "%.190s", missing.text);
  return OK;
}

static status compare(meter *m, yardstick *y, bench_product *p, const yardstick_shape *bf16,
                      const yardstick_shape *fp32, detail *err) {
  rig *r = m->rig;
  rival rivals[RIVALS] = {{.m = m}, {.m = m}, {.m = m}};
  double best[RIVALS] = {0};
  void *x = NULL, *out = NULL;
  size_t x_bytes = (size_t)p->rows * (size_t)p->k * 2;
  status failed = r->kernels->take(r->device, &x, x_bytes, err);
  if (!failed) failed = r->kernels->take(r->device, &out, (size_t)p->rows * (size_t)p->n * 4, err);
  if (!failed) failed = r->kernels->put(r->device, x, bf16->x, x_bytes, err);
  rivals[OURS].ours =
      (product_args){.rows = p->rows, .x = x, .w = r->weights[rig_shape_of(p->shape)][0], .y = out};
  if (!failed && y) failed = open_theirs(m->results, &rivals[THEIRS], y, bf16, err);
  if (!failed && y && fp32->w) failed = open_theirs(m->results, &rivals[THEIRS_FP32], y, fp32, err);
  if (!failed) failed = time_all(m, rivals, best, err);
  yardstick_product_close(rivals[THEIRS].theirs);
  yardstick_product_close(rivals[THEIRS_FP32].theirs);
  r->kernels->give(r->device, x);
  r->kernels->give(r->device, out);
  p->seconds = best[OURS];
  p->yardstick_s = best[THEIRS];
  p->fp32_s = best[THEIRS_FP32];
  return failed;
}

/* Operands of the yardstick's, in host memory. */
static status compare_in_memory(meter *m, yardstick *y, bench_product *p, detail *err) {
  size_t weights = (size_t)p->n * (size_t)p->k, inputs = (size_t)p->rows * (size_t)p->k;
  int has_fp32 = y && m->results->product_unit == m->results->other_unit;
  uint16_t *w = memory_take(weights * sizeof *w), *x = memory_take(inputs * sizeof *x);
  float *out = memory_zeroed((size_t)p->rows * (size_t)p->n, sizeof *out);
  float *wide_w = has_fp32 ? memory_take(weights * sizeof *wide_w) : NULL;
  float *wide_x = has_fp32 ? memory_take(inputs * sizeof *wide_x) : NULL;
  yardstick_shape bf16 = {.rows = p->rows, .n = p->n, .k = p->k, .x = x, .w = w, .y = out};
  yardstick_shape fp32 = bf16;
  fp32.fp32 = 1, fp32.x = wide_x, fp32.w = wide_w;
  status failed = OK;
  if (!w || !x || !out || (has_fp32 && (!wide_w || !wide_x))) {
    failed = fault(err, E_MEMORY, "no memory for a product of %d x %d x %d", p->rows, p->n, p->k);
  } else {
    rig_random_bf16(w, weights);
    rig_random_bf16(x, inputs);
    if (has_fp32) rig_random_fp32(wide_w, weights);
    if (has_fp32) rig_random_fp32(wide_x, inputs);
    failed = compare(m, y, p, &bf16, &fp32, err);
  }
  void *const taken[] = {w, x, out, wide_w, wide_x};
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    memory_free(taken[i]);
  return failed;
}

static void add_ratio(double theirs, double ours, double *logs, double *least, int *count) {
  if (theirs <= 0) return;
  *logs += log(theirs / ours);
  if (!(*count)++ || theirs / ours < *least) *least = theirs / ours;
}

static void sum_up(bench_results *r) {
  double logs = 0, fp32_logs = 0;
  int count = 0, fp32_count = 0;
  for (int i = 0; i < r->product_count; i++) {
    const bench_product *p = &r->products[i];
    add_ratio(p->yardstick_s, p->seconds, &logs, &r->ratio_least, &count);
    add_ratio(p->fp32_s, p->seconds, &fp32_logs, &r->fp32_least, &fp32_count);
  }
  if (count) r->ratio_mean = exp(logs / count);
  if (fp32_count) r->fp32_mean = exp(fp32_logs / fp32_count);
}

static status run_rows(meter *m, yardstick *y, int rows, detail *err) {
  static const bench_operation shapes[] = {BENCH_QKV, BENCH_OUTPUT, BENCH_GATE_UP, BENCH_DOWN,
                                           BENCH_VOCABULARY};
  bench_results *r = m->results;
  status failed = OK;
  for (int i = 0; !failed && i < RIG_SHAPES; i++) {
    bench_product p = {.shape = shapes[i], .rows = rows};
    rig_product_size(r->config, p.shape, &p.n, &p.k);
    if ((int64_t)rows * p.n * 8 > r->memory_bytes / 4) {
      log_warn(m->messages, "%d rows of %s: their outputs take over a quarter of the memory", rows,
               bench_operation_name(p.shape));
      continue;
    }
    log_progress(m->messages, "product %d x %d x %d", rows, p.n, p.k);
    failed = compare_in_memory(m, y, &p, err);
    if (!failed) r->products[r->product_count++] = p;
  }
  return failed;
}

status bench_products(meter *m, detail *err) {
  bench_results *r = m->results;
  detail missing;
  yardstick *y = NULL;
  status failed = yardstick_open(&y, r->plan->threads, &missing);
  (void)snprintf(r->yardstick, sizeof r->yardstick, "%.190s",
                 failed ? missing.text : yardstick_name(y));
  if (failed && failed != E_DEVICE) return fault(err, failed, "%s", missing.text);
  failed = OK; /* without a yardstick ours are measured all the same */
  for (int i = 0; !failed && i < r->plan->row_count; i++)
    failed = run_rows(m, y, r->plan->rows[i], err);
  sum_up(r);
  yardstick_close(y);
  return failed;
}
