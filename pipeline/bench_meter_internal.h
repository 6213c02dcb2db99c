/* Private to the measuring of models: what times the rig and the ceilings in turns. */
#ifndef PIPELINE_BENCH_METER_INTERNAL_H
#define PIPELINE_BENCH_METER_INTERNAL_H

#include "pipeline/bench_model.h"
#include "pipeline/bench_rig_internal.h"

typedef struct meter {
  bench_results *results;
  rig *rig;
  ceiling *ceiling;
  size_t buffer_bytes; /* of the ceiling */
  logger *messages;
  int64_t burst_ns, operation_ns, step_ns, product_ns; /* of a burst, and of a measure */
  int least_repeats, peak_repeats;
  double peaks[BENCH_PEAKS_MAX]; /* [peak_count] all bursts of the path's products */
  int peak_count;
} meter;

/* Sorts the list. 0 where it is empty. */
double meter_quantile(double *list, int count, double q);
/* A burst of arithmetic on all threads. */
double meter_peak(meter *m, ceiling_unit u);
/* Whether a measure that began at start has enough repeats. */
int meter_has_enough(const meter *m, int repeats, int64_t start, int64_t budget_ns);
MUST_CHECK status meter_stopped(detail *err); /* E_STOPPED after a signal */

/* The products of the plan's rows, beside the yardstick's. */
MUST_CHECK status bench_products(meter *m, detail *err);

#endif
