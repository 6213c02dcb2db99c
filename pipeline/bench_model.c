#include "pipeline/bench_model.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/bench_meter_internal.h"
#include "pipeline/stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MILLISECOND = 1000000 };

/* ---- the machine ----------------------------------------------------------------------------- */

/* The value behind a word of a file of /proc, up to the line's end; empty: there is none. */
static void read_line(const char *path, const char *word, char *out, size_t bytes) {
  char line[512];
  FILE *file = fopen(path, "re");
  *out = 0;
  while (file && !*out && fgets(line, sizeof line, file)) {
    const char *value = strchr(line, ':');
    if (strncmp(line, word, strlen(word)) || !value) continue;
    value += 1 + strspn(value + 1, " \t");
    (void)snprintf(out, bytes, "%.*s", (int)strcspn(value, "\n"), value);
  }
  if (file) (void)fclose(file);
}

static int64_t available_memory(void) {
  char value[64];
  read_line("/proc/meminfo", "MemAvailable", value, sizeof value);
  if (*value) return 1024 * strtoll(value, NULL, 10);
  return (int64_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

static double load_average(void) {
  double load;
  return getloadavg(&load, 1) == 1 ? load : -1;
}

static void look_at_machine(bench_results *r) {
  read_line("/proc/cpuinfo", "model name", r->processor, sizeof r->processor);
  if (!*r->processor) (void)snprintf(r->processor, sizeof r->processor, "unknown");
  r->memory_bytes = available_memory();
  r->load_before = load_average();
  r->page_keys = RIG_PAGE_KEYS;
}

/* ---- peaks ----------------------------------------------------------------------------------- */

static double best_of(meter *m, ceiling_unit u, int threads) {
  double best = 0;
  for (int i = 0; i < m->peak_repeats; i++) {
    double rate = ceiling_arithmetic(m->ceiling, u, threads, 2 * m->burst_ns);
    if (rate > best) best = rate;
  }
  return best;
}

static double best_read(meter *m, size_t bytes, int threads) {
  double best = 0;
  for (int i = 0; i < m->peak_repeats; i++) {
    double rate = ceiling_read(m->ceiling, bytes, threads, 2 * m->burst_ns);
    if (rate > best) best = rate;
  }
  return best;
}

/* Half of each cache, so that all of it stays there; those of a core count once a thread. */
static void add_level(meter *m, const char *name, size_t bytes) {
  if (!bytes) return;
  int threads = m->results->plan->threads;
  m->results->levels[m->results->level_count++] =
      (bench_level){.name = name,
                    .bytes = bytes,
                    .one = best_read(m, bytes / (size_t)threads, 1),
                    .all = best_read(m, bytes, threads)};
}

static int read_word(int index, const char *name, char *out, size_t bytes) {
  char path[96];
  (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
  FILE *file = fopen(path, "re");
  *out = 0;
  if (!file) return 0;
  if (fgets(out, (int)bytes, file)) out[strcspn(out, "\n")] = 0;
  (void)fclose(file);
  return 1;
}

/* Of the first core's cache of this level, in bytes, as the system tells (it says what a guest may
   use, where the processor itself names the host's); 0: it does not. */
static size_t cache_size(int level) {
  char word[32];
  for (int i = 0; read_word(i, "level", word, sizeof word); i++) {
    if (atoi(word) != level) continue;
    if (!read_word(i, "type", word, sizeof word) || !strcmp(word, "Instruction")) continue;
    char *unit;
    if (!read_word(i, "size", word, sizeof word)) continue;
    size_t size = strtoul(word, &unit, 10);
    return *unit == 'M' ? size << 20 : *unit == 'K' ? size << 10 : size;
  }
  return 0;
}

static void measure_peaks(meter *m) {
  bench_results *r = m->results;
  size_t threads = (size_t)r->plan->threads;
  log_progress(m->messages, "the machine's peaks");
  for (int u = 0; u < CEILING_UNITS; u++) {
    if (!ceiling_has((ceiling_unit)u)) continue;
    r->peak_one[u] = best_of(m, (ceiling_unit)u, 1);
    r->peak_all[u] = best_of(m, (ceiling_unit)u, (int)threads);
  }
  add_level(m, "L1", cache_size(1) / 2 * threads);
  add_level(m, "L2", cache_size(2) / 2 * threads);
  add_level(m, "L3", cache_size(3) / 2);
  add_level(m, "memory", m->buffer_bytes);
}

/* ---- interleaving ---------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double meter_quantile(double *list, int count, double q) {
  if (!count) return 0;
  qsort(list, (size_t)count, sizeof *list, compare_doubles);
  return list[(int)(q * (count - 1) + 0.5)];
}

double meter_peak(meter *m, ceiling_unit u) {
  double rate = ceiling_arithmetic(m->ceiling, u, m->results->plan->threads, m->burst_ns);
  if (u == m->results->product_unit && m->peak_count < BENCH_PEAKS_MAX)
    m->peaks[m->peak_count++] = rate;
  return rate;
}

static double read_rate(meter *m, double footprint) {
  if (footprint <= 0) return 0;
  return ceiling_read(m->ceiling, (size_t)footprint, m->results->plan->threads, m->burst_ns);
}

status meter_stopped(detail *err) {
  if (!stop_signal()) return OK;
  return fault(err, E_STOPPED, "stopped by a signal; nothing was measured whole");
}

/* Whether a measure has enough: some repeats at least, and its time or all that fit. Long runs get
   fewer unless a number was asked for, since what moves in a short one is even in them. */
int meter_has_enough(const meter *m, int repeats, int64_t start, int64_t budget_ns) {
  int64_t took = clock_monotonic_ns() - start;
  int asked = m->results->plan->repeats;
  int least = asked ? asked : took > 4 * budget_ns ? 2 : m->least_repeats;
  return repeats >= BENCH_REPEATS_MAX || (repeats >= least && took >= budget_ns);
}

static double time_at(double stream_bytes, double stream_rate, double local_bytes,
                      double local_rate) {
  double seconds = stream_bytes > 0 ? stream_bytes / stream_rate : 0;
  return seconds + (local_bytes > 0 ? local_bytes / local_rate : 0);
}

static double greater(double a, double b) {
  return a > b ? a : b;
}

/* Seconds of a call, over as many calls as fill a millisecond. */
static status time_calls(meter *m, bench_operation o, int calls, int *turn, double *seconds,
                         detail *err) {
  int64_t start = clock_monotonic_ns();
  status failed = OK;
  for (int i = 0; !failed && i < calls; i++)
    failed = rig_run(m->rig, o, (*turn)++, err);
  *seconds = (double)(clock_monotonic_ns() - start) * 1e-9 / calls;
  return failed;
}

/* Runs it, untimed, until the threads of the ceilings sleep, which keep cores busy after a burst.
 */
static status settle(meter *m, bench_operation o, int *turn, detail *err) {
  int64_t start = clock_monotonic_ns();
  status failed = OK;
  do {
    failed = rig_run(m->rig, o, (*turn)++, err);
  } while (!failed && clock_monotonic_ns() - start < CEILING_SETTLING_NS);
  return failed;
}

static int calls_for(double seconds) {
  double calls = 1e-3 / greater(seconds, 1e-7);
  return calls < 1 ? 1 : calls > 1000 ? 1000 : (int)calls;
}

static status measure_operation(meter *m, bench_operation o, bench_timing *t, detail *err) {
  double seconds[BENCH_REPEATS_MAX], stream[BENCH_REPEATS_MAX], local[BENCH_REPEATS_MAX];
  double peak[BENCH_REPEATS_MAX], first;
  int turn = 0, n = 0;
  ceiling_unit unit =
      bench_operation_is_product(o) ? m->results->product_unit : m->results->other_unit;
  bench_cost_of(m->rig->config, &m->rig->point, o, &t->cost);
  double footprint = rig_stream_footprint(m->rig, o, &t->cost);
  int64_t start = clock_monotonic_ns();
  status failed = time_calls(m, o, 1, &turn, &first, err);
  if (!failed && first < 0.01) failed = time_calls(m, o, 1, &turn, &first, err);
  for (; !failed && !meter_has_enough(m, n, start, m->operation_ns); n++) {
    if (first < 0.01) failed = settle(m, o, &turn, err);
    if (!failed) failed = time_calls(m, o, calls_for(first), &turn, &seconds[n], err);
    stream[n] = read_rate(m, footprint * (t->cost.stream_bytes > 0));
    local[n] = read_rate(m, t->cost.local_bytes);
    peak[n] = meter_peak(m, unit);
  }
  t->repeats = n;
  t->seconds = meter_quantile(seconds, n, 0.5);
  t->least_s = meter_quantile(seconds, n, 0);
  t->stream_rate = meter_quantile(stream, n, 0.5);
  t->local_rate = meter_quantile(local, n, 0.5);
  t->peak = meter_quantile(peak, n, 0.5);
  t->ceiling_s =
      greater(time_at(t->cost.stream_bytes, t->stream_rate, t->cost.local_bytes, t->local_rate),
              t->cost.flops / t->peak);
  return failed;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* The sum over operations of a point, at the rates that were measured between the steps;
   activations are as near as they were to each operation alone. */
static double sum_ceilings(const meter *m, const bench_step *s, const bench_point *p) {
  double seconds = 0;
  for (int o = 0; o < BENCH_OPERATION_COUNT; o++) {
    const bench_timing *t = &s->operations[o];
    bench_cost cost;
    bench_cost_of(m->rig->config, p, (bench_operation)o, &cost);
    double peak = bench_operation_is_product((bench_operation)o) ? s->peak : t->peak;
    double moved = time_at(cost.stream_bytes, s->stream_rate, cost.local_bytes, t->local_rate);
    seconds += cost.calls * greater(moved, cost.flops / peak);
  }
  return seconds;
}

static double step_footprint(const bench_step *s) {
  double bytes = 0;
  for (int o = 0; o < BENCH_OPERATION_COUNT; o++)
    bytes += s->operations[o].cost.calls * s->operations[o].cost.stream_bytes;
  return bytes;
}

static double step_flops(const bench_step *s) {
  double flops = 0;
  for (int o = 0; o < BENCH_OPERATION_COUNT; o++)
    flops += s->operations[o].cost.calls * s->operations[o].cost.flops;
  return flops;
}

static status time_step(meter *m, double *seconds, detail *err) {
  int turn = 0;
  status failed = settle(m, BENCH_NORM_ADD, &turn, err);
  int64_t from = clock_monotonic_ns();
  if (!failed) failed = rig_step(m->rig, err);
  *seconds = (double)(clock_monotonic_ns() - from) * 1e-9;
  return failed;
}

/* The rows of gangs apart, between two steps of the gangs. */
static status time_apart(meter *m, const bench_step *s, double *seconds, detail *err) {
  bench_point apart = bench_apart(&s->point);
  rig_set(m->rig, &apart);
  status failed = time_step(m, seconds, err);
  rig_set(m->rig, &s->point);
  return failed;
}

static void compare_apart(const meter *m, bench_step *s, double *seconds, int count) {
  bench_point apart = bench_apart(&s->point);
  s->apart_s = meter_quantile(seconds, count, 0.5);
  s->apart_least_s = meter_quantile(seconds, count, 0);
  s->apart_ceiling_s = sum_ceilings(m, s, &apart);
}

static status measure_step(meter *m, bench_step *s, detail *err) {
  double seconds[BENCH_REPEATS_MAX], stream[BENCH_REPEATS_MAX], peak[BENCH_REPEATS_MAX];
  double apart[BENCH_REPEATS_MAX];
  int n = 0, gangs = s->point.kind == BENCH_GANGS;
  int64_t start = clock_monotonic_ns();
  status failed = rig_step(m->rig, err);
  if (!failed && gangs) failed = time_apart(m, s, &apart[0], err);
  for (; !failed && !meter_has_enough(m, n, start, m->step_ns); n++) {
    failed = time_step(m, &seconds[n], err);
    if (!failed && gangs) failed = time_apart(m, s, &apart[n], err);
    stream[n] = read_rate(m, step_footprint(s));
    peak[n] = meter_peak(m, m->results->product_unit);
    if (!failed) failed = meter_stopped(err);
  }
  s->repeats = n;
  s->seconds = meter_quantile(seconds, n, 0.5);
  s->least_s = meter_quantile(seconds, n, 0);
  s->stream_rate = meter_quantile(stream, n, 0.5);
  s->peak = meter_quantile(peak, n, 0.5);
  s->ceiling_s = sum_ceilings(m, s, &s->point);
  s->flops = step_flops(s);
  if (gangs) compare_apart(m, s, apart, n);
  return failed;
}

static status measure_point(meter *m, bench_step *s, detail *err) {
  const bench_point *p = &s->point;
  status failed = OK;
  rig_set(m->rig, p);
  for (int o = 0; !failed && o < BENCH_OPERATION_COUNT; o++) {
    log_progress(m->messages, "%s %d x %d: %s", bench_kind_name(p->kind), p->threads, p->tokens,
                 bench_operation_name((bench_operation)o));
    failed = meter_stopped(err);
    if (!failed) failed = measure_operation(m, (bench_operation)o, &s->operations[o], err);
  }
  return failed ? failed : measure_step(m, s, err);
}

/* What does not fit is said and left out. */
static void choose_points(bench_results *r, char *skip) {
  const bench_plan *plan = r->plan;
  for (int i = 0; i < plan->point_count; i++) {
    const bench_point *p = &plan->points[i];
    bench_step *s = &r->steps[i];
    bench_point apart = bench_apart(p);
    double cache = (double)bench_cache_bytes(r->config, p, RIG_PAGE_KEYS);
    if (p->kind == BENCH_GANGS)
      cache = greater(cache, (double)bench_cache_bytes(r->config, &apart, RIG_PAGE_KEYS));
    s->point = *p;
    if (p->tokens > r->config->context) {
      (void)snprintf(s->skipped, sizeof s->skipped, "longer than the model's %d positions",
                     r->config->context);
    } else if (cache > 0.6 * (double)r->memory_bytes) {
      (void)snprintf(s->skipped, sizeof s->skipped,
                     "its cache of %.1f GB is over 60 %% of the %.1f GB of memory available",
                     cache / 1e9, (double)r->memory_bytes / 1e9);
    }
    skip[i] = s->skipped[0] != 0;
  }
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* Other work shows in the average of the minute before, in one that is more than ours at the end,
   and as a peak that moves. */
static void judge_load(meter *m) {
  const double most_spread = 0.15, most_idle = 0.25;
  bench_results *r = m->results;
  double middle = meter_quantile(m->peaks, m->peak_count, 0.5);
  double low = meter_quantile(m->peaks, m->peak_count, 0.1);
  double high = meter_quantile(m->peaks, m->peak_count, 0.9);
  r->peak_spread = middle > 0 ? (high - low) / middle : 0;
  r->load_after = load_average();
  double idle = most_idle * r->plan->cores;
  r->loaded = r->load_before > idle || r->load_after > r->plan->threads + idle ||
              r->peak_spread > most_spread;
}

static void set_effort(meter *m, const bench_plan *plan) {
  m->burst_ns = plan->quick ? MILLISECOND / 4 : MILLISECOND / 2;
  m->operation_ns = (plan->quick ? 8 : 40) * (int64_t)MILLISECOND;
  m->step_ns = (plan->quick ? 100 : 1000) * (int64_t)MILLISECOND;
  m->product_ns = (plan->quick ? 150 : 300) * (int64_t)MILLISECOND;
  m->least_repeats = plan->quick ? 3 : 5;
  m->peak_repeats = plan->quick ? 5 : 15;
}

/* Four times the last cache, so that none of it is found there again. */
static size_t buffer_size(const bench_results *r) {
  size_t wanted = 4 * cache_size(3), least = 64 << 20, usual = 256 << 20;
  size_t most = (size_t)(r->memory_bytes > 0 ? r->memory_bytes / 8 : 0);
  if (wanted < usual) wanted = usual;
  if (wanted > most) wanted = most;
  return wanted > least ? wanted : least;
}

static status measure_all(meter *m, const char *skip, detail *err) {
  bench_results *r = m->results;
  (void)snprintf(r->path, sizeof r->path, "%s", m->rig->kernels->path(m->rig->device));
  ceiling_of_path(r->path, &r->product_unit, &r->other_unit);
  measure_peaks(m);
  status failed = OK;
  for (int i = 0; !failed && i < r->plan->point_count; i++) {
    if (!skip[i]) failed = measure_point(m, &r->steps[i], err);
  }
  if (!failed) failed = bench_products(m, err);
  judge_load(m);
  log_progress_end(m->messages);
  return failed;
}

status bench_model_run(bench_results *out, const bench_plan *plan, logger *messages, detail *err) {
  char skip[BENCH_POINTS_MAX];
  rig r = {0};
  *out = (bench_results){.plan = plan, .config = model_config_of(plan->model)};
  look_at_machine(out);
  choose_points(out, skip);
  meter *m = memory_zeroed(1, sizeof *m);
  if (!m) return fault(err, E_MEMORY, "no memory to measure with");
  *m = (meter){.results = out, .rig = &r, .messages = messages};
  m->buffer_bytes = buffer_size(out);
  set_effort(m, plan);
  log_progress(messages, "weights are packed");
  status failed = rig_open(&r, plan, skip, err);
  if (!failed) failed = ceiling_open(&m->ceiling, plan->threads, m->buffer_bytes, err);
  if (!failed) failed = measure_all(m, skip, err);
  ceiling_close(m->ceiling);
  rig_close(&r);
  memory_free(m);
  return failed;
}
