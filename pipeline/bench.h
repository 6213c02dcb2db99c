/* Measuring the store: files filled through the writer with samples that look like a search's, and
   the time that each view, and the report, takes over them.

   A measurement says what it had to move and stands beside a ceiling that was measured on the same
   machine and the same file in the same run: the disk's rate for what is written, one plain pass
   over the tables for what is read. Main thread; bench_fill starts workers and ends them. */
#ifndef PIPELINE_BENCH_H
#define PIPELINE_BENCH_H

#include "base/arena.h"
#include "store/store.h"

#define BENCH_JOB "bench"

typedef struct bench_shape {
  int64_t tasks;
  int conditions, repeats;
} bench_shape;

/* One measurement. A negative number is not known; text lives in the arena of its list. */
typedef struct bench_figure {
  const char *name; /* "fill", "view accuracy" */
  const char *unit; /* of median and ceiling: "s", "samples/s", "MB/s", "B", "share" */
  double median;
  double processor_s;   /* of a time: how much of it was this process at work */
  double ceiling;       /* the same work at the measured best of this machine */
  double share;         /* of the ceiling that was reached, at most about 1 */
  int64_t rows, bytes;  /* that were given out; that had to be read or written */
  int64_t memory_bytes; /* by which the process grew at its peak */
} bench_figure;

enum { BENCH_FIGURES_MAX = 64, BENCH_TIMES_MAX = 100 };

typedef struct bench_figures {
  arena *memory; /* borrowed */
  bench_figure list[BENCH_FIGURES_MAX];
  int count;
} bench_figures;

/* Appends a figure of this name with nothing known; the caller fills it in. E_MEMORY. */
MUST_CHECK status bench_add(bench_figures *f, bench_figure **out, const char *name,
                            const char *unit, detail *err);

int64_t bench_samples(const bench_shape *shape);
/* What a store of this shape takes while it is filled, journal included, in bytes. */
int64_t bench_room(const bench_shape *shape);

/* Writes this many bytes to a new file in one pass, syncs and removes it: "disk". E_IO. */
MUST_CHECK status bench_disk(bench_figures *f, const char *path, int64_t bytes, detail *err);

/* Makes a store at path, which must not exist, with a job BENCH_JOB of this shape, from so many
   threads: "fill", "close", and what the writer says of itself. Equal shapes give equal samples.
   Needs the figure "disk". E_STOPPED after a signal. */
MUST_CHECK status bench_fill(bench_figures *f, const char *path, const bench_shape *shape,
                             int threads, logger *messages, detail *err);

/* Computes the declared comparisons of BENCH_JOB, as a run does at its end: "comparisons". */
MUST_CHECK status bench_compare(bench_figures *f, store *s, detail *err);

/* Reads each view of the store whole, every row and column, and makes its report, `times` times
   each (1 to BENCH_TIMES_MAX): one figure each, and one for each table that they stand on. */
MUST_CHECK status bench_read(bench_figures *f, store *s, int times, logger *messages, detail *err);

/* The memory by which this process grew, at its peak, since the start. */
typedef struct bench_memory {
  int64_t before_bytes;
} bench_memory;
bench_memory bench_memory_start(void);
int64_t bench_memory_grown(const bench_memory *m); /* negative: the system does not say */

#endif
