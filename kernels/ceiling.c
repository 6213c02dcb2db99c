#include "kernels/ceiling.h"

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/ceiling_internal.h"
#include "kernels/cpu_internal.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum {
  LINE = 64,
  HUGE_PAGE = 2 << 20,
  BYTES_LEAST = 1 << 20,
  BLOCK_BYTES = 1 << 16,    /* between two looks at the clock */
  WARMED_BYTES = 128 << 20, /* footprints up to this are read once before */
  WARMING_NS = 5000000      /* no longer, for then no cache holds them in any case */
};

struct ceiling {
  pool *pool;
  int threads;
  unsigned char *taken, *buffer; /* [bytes] what was taken, and from where it is aligned */
  size_t bytes;
  ceiling_reader *read;
  size_t at[KERNELS_THREADS_MAX]; /* where each thread goes on in its part */
};

/* One burst as its threads see it: each takes one piece of it, and none a second before all have
   one. They start together, since one that reads while the others still wake up has the memory to
   itself. */
typedef struct burst {
  ceiling *c;
  const ceiling_loop *loop; /* NULL: reads */
  size_t part_bytes;        /* of each thread */
  int threads;
  int64_t ns;
  atomic_int arrived;
  double rate[KERNELS_THREADS_MAX];
} burst;

const char *ceiling_unit_name(ceiling_unit u) {
  return ceiling_loops[u].name;
}

int ceiling_has(ceiling_unit u) {
  return ceiling_loops[u].has();
}

void ceiling_of_path(const char *path, ceiling_unit *product, ceiling_unit *other) {
  static const struct {
    cpu_path path;
    ceiling_unit product, other;
  } units[] = {{CPU_AVX2, CEILING_AVX2, CEILING_AVX2},
               {CPU_AVX512, CEILING_AVX512, CEILING_AVX512},
               {CPU_BF16, CEILING_BF16, CEILING_AVX512},
               {CPU_AMX, CEILING_TILES, CEILING_AVX512}};
  *product = *other = CEILING_PLAIN;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (strcmp(path, kernels_cpu_path_name(units[i].path)) != 0) continue;
    *product = units[i].product;
    *other = units[i].other;
  }
}

status ceiling_open(ceiling **out, int threads, size_t bytes, detail *err) {
  REQUIRE(threads >= 1 && threads <= KERNELS_THREADS_MAX && bytes >= BYTES_LEAST);
  ceiling *c = memory_zeroed(1, sizeof *c);
  if (c) c->taken = memory_take(bytes + HUGE_PAGE);
  if (!c || !c->taken) {
    memory_free(c);
    return fault(err, E_MEMORY, "no memory for a buffer of %zu bytes to read", bytes);
  }
  size_t past = (size_t)(uintptr_t)c->taken % HUGE_PAGE;
  c->buffer = c->taken + (past ? HUGE_PAGE - past : 0);
  c->bytes = bytes;
  c->threads = threads;
  c->read = ceiling_best_reader();
  (void)madvise(c->buffer, bytes, MADV_HUGEPAGE); /* where there are none, small pages do */
  memset(c->buffer, 1, bytes);
  status failed = pool_open(&c->pool, threads, err);
  if (failed) {
    ceiling_close(c);
    return failed;
  }
  *out = c;
  return OK;
}

void ceiling_close(ceiling *c) {
  if (!c) return;
  pool_close(c->pool);
  memory_free(c->taken);
  memory_free(c);
}

/* ---- bursts ---------------------------------------------------------------------------------- */

static void start_together(burst *b) {
  atomic_fetch_add(&b->arrived, 1);
  while (atomic_load(&b->arrived) < b->threads)
    sched_yield();
}

/* Reads a block or more, and says how much. */
static size_t read_some(burst *b, int thread) {
  ceiling *c = b->c;
  const unsigned char *part = c->buffer + (size_t)thread * b->part_bytes;
  size_t done = 0, *at = &c->at[thread];
  while (done < BLOCK_BYTES) {
    size_t bytes = b->part_bytes - *at < BLOCK_BYTES ? b->part_bytes - *at : BLOCK_BYTES;
    c->read(part + *at, bytes);
    *at = *at + bytes < b->part_bytes ? *at + bytes : 0;
    done += bytes;
  }
  return done;
}

/* Until the part was read once, where a cache may hold it, and others' threads sleep. */
static void warm(burst *b, int thread) {
  int64_t start = clock_monotonic_ns(), took = 0;
  int may_stay = b->part_bytes * (size_t)b->threads <= WARMED_BYTES;
  size_t done = 0, wanted = may_stay ? b->part_bytes : 0;
  while (took < CEILING_SETTLING_NS || (done < wanted && took < WARMING_NS)) {
    done += read_some(b, thread);
    took = clock_monotonic_ns() - start;
  }
}

static void read_burst(void *context, int worker, int thread, int after) {
  (void)worker, (void)after;
  burst *b = context;
  if (b->c->at[thread] >= b->part_bytes) b->c->at[thread] = 0;
  warm(b, thread);
  start_together(b);
  int64_t start = clock_monotonic_ns(), now = start;
  double bytes = 0;
  while (now - start < b->ns) {
    bytes += (double)read_some(b, thread);
    now = clock_monotonic_ns();
  }
  b->rate[thread] = bytes / (double)(now - start) * 1e9;
}

static void work_burst(void *context, int worker, int thread, int after) {
  (void)worker, (void)after;
  enum { ROUNDS = 256 }; /* about 2 us; of fmaf that is a function call, 10 */
  burst *b = context;
  int64_t start = clock_monotonic_ns(), now = start;
  while (clock_monotonic_ns() - start < CEILING_SETTLING_NS)
    b->loop->work(ROUNDS);
  start_together(b);
  start = now = clock_monotonic_ns();
  double rounds = 0;
  while (now - start < b->ns) {
    b->loop->work(ROUNDS);
    rounds += ROUNDS;
    now = clock_monotonic_ns();
  }
  b->rate[thread] = rounds * b->loop->flops / (double)(now - start) * 1e9;
}

static double sum_of(const burst *b) {
  double sum = 0;
  for (int t = 0; t < b->threads; t++)
    sum += b->rate[t];
  return sum;
}

double ceiling_arithmetic(ceiling *c, ceiling_unit u, int threads, int64_t ns) {
  REQUIRE(threads >= 1 && threads <= c->threads && ns > 0 && ceiling_has(u));
  burst b = {.c = c, .loop = &ceiling_loops[u], .threads = threads, .ns = ns};
  pool_run(c->pool, threads, 1, work_burst, &b);
  return sum_of(&b);
}

double ceiling_read(ceiling *c, size_t footprint, int threads, int64_t ns) {
  REQUIRE(threads >= 1 && threads <= c->threads && ns > 0);
  burst b = {.c = c, .threads = threads, .ns = ns};
  size_t bytes = footprint < c->bytes ? footprint : c->bytes;
  b.part_bytes = bytes / (size_t)threads / LINE * LINE;
  if (b.part_bytes < LINE) b.part_bytes = LINE;
  pool_run(c->pool, threads, 1, read_burst, &b);
  return sum_of(&b);
}
