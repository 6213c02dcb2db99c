/* Products beside the yardstick's: both have all threads, the same numbers, and weights packed as
   each likes, which are used again and again. */
#include "base/clock.h"
#include "base/memory.h"
#include "kernels/yardstick.h"
#include "pipeline/bench_meter_internal.h"

#include <math.h>
#include <stdio.h>

/* One of the two, with what it needs. */
typedef struct rival {
  meter *m;
  product_args ours;
  yardstick_product *theirs; /* NULL: ours is meant */
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

/* In turns, and the best of each: what disturbs is not the same for both, since OpenMP's threads
   wait for each other by spinning. */
static status time_both(meter *m, const rival *ours, const rival *theirs, bench_product *out,
                        detail *err) {
  double mine[BENCH_REPEATS_MAX], other[BENCH_REPEATS_MAX];
  int64_t start = clock_monotonic_ns();
  int n = 0;
  status failed = OK;
  for (; !failed && !meter_has_enough(m, n, start, m->product_ns); n++) {
    failed = time_rival(ours, &mine[n], err);
    if (!failed && theirs->theirs) failed = time_rival(theirs, &other[n], err);
    if (!failed) failed = meter_stopped(err);
  }
  out->seconds = meter_quantile(mine, n, 0);
  if (theirs->theirs) out->yardstick_s = meter_quantile(other, n, 0);
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

static status compare(meter *m, yardstick *y, bench_product *p, const uint16_t *w, uint16_t *x,
                      float *out, detail *err) {
  rig *r = m->rig;
  rival ours = {.m = m}, theirs = {.m = m};
  void *device_x = NULL, *device_y = NULL;
  size_t x_bytes = (size_t)p->rows * (size_t)p->k * 2, y_bytes = (size_t)p->rows * (size_t)p->n * 4;
  rig_random_bf16(x, x_bytes / 2);
  status failed = r->kernels->take(r->device, &device_x, x_bytes, err);
  if (!failed) failed = r->kernels->take(r->device, &device_y, y_bytes, err);
  if (!failed) failed = r->kernels->put(r->device, device_x, x, x_bytes, err);
  ours.ours = (product_args){
      .rows = p->rows, .x = device_x, .w = r->weights[rig_shape_of(p->shape)][0], .y = device_y};
  yardstick_shape shape = {.rows = p->rows, .n = p->n, .k = p->k, .x = x, .w = w, .y = out};
  if (!failed && y) failed = open_theirs(m->results, &theirs, y, &shape, err);
  if (!failed) failed = time_both(m, &ours, &theirs, p, err);
  yardstick_product_close(theirs.theirs);
  r->kernels->give(r->device, device_x);
  r->kernels->give(r->device, device_y);
  return failed;
}

/* Operands of the yardstick's, in host memory. */
static status compare_in_memory(meter *m, yardstick *y, bench_product *p, detail *err) {
  size_t weights = (size_t)p->n * (size_t)p->k;
  uint16_t *w = memory_take(weights * sizeof *w);
  uint16_t *x = memory_take((size_t)p->rows * (size_t)p->k * sizeof *x);
  float *out = memory_zeroed((size_t)p->rows * (size_t)p->n, sizeof *out);
  status failed = OK;
  if (!w || !x || !out) {
    failed = fault(err, E_MEMORY, "no memory for a product of %d x %d x %d", p->rows, p->n, p->k);
  } else {
    rig_random_bf16(w, weights);
    failed = compare(m, y, p, w, x, out, err);
  }
  memory_free(w);
  memory_free(x);
  memory_free(out);
  return failed;
}

static void sum_up(bench_results *r) {
  double logs = 0, least = 0;
  int count = 0;
  for (int i = 0; i < r->product_count; i++) {
    const bench_product *p = &r->products[i];
    if (p->yardstick_s <= 0) continue;
    double ratio = p->yardstick_s / p->seconds;
    logs += log(ratio);
    if (!count++ || ratio < least) least = ratio;
  }
  if (count) r->ratio_mean = exp(logs / count);
  r->ratio_least = least;
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
