/* The promise: the schedule never changes a token. A job and two schedules are drawn, both are run,
   and ids, log-probabilities, ends and texts are compared byte for byte.

     test_schedule [DRAWS]      200 draws without an argument
     test_schedule draw N       that draw alone, as it was among all
     test_schedule soak SECONDS a mixed load without end; rate and memory every minute

   What was drawn of each axis is printed, and 200 draws or more fail where a value that the machine
   has was drawn ten times or less. */
#include "base/clock.h"
#include "base/memory.h"
#include "tests/engine/prompt.h"
#include "tests/property/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEED = 20240607, DRAWS = 200, LEAST = 10 };

/* ---- axes ------------------------------------------------------------------------------------ */

typedef struct axis {
  const char *name;
  int drawn;
} axis;

enum { AXES_MAX = 64 };
static axis axes[AXES_MAX];
static int axis_count;

/* Counts a value of an axis; by 0 it only makes it known. */
static void saw(const char *name, int by) {
  int i = 0;
  while (i < axis_count && strcmp(axes[i].name, name) != 0)
    i++;
  REQUIRE(i < AXES_MAX);
  if (i == axis_count) axes[axis_count++].name = name;
  axes[i].drawn += by;
}

static const char *path_name(const engine_options *o) {
  return o->paths ? kernels_cpu_path_name((cpu_path)o->paths) : "reference";
}

static void know_axes(void) {
  static const char *const names[] = {"alone",
                                      "2 to 16 at once",
                                      "17 to 256 at once",
                                      "257 at once",
                                      "1 slot",
                                      "2 to 16 slots",
                                      "17 to 257 slots",
                                      "rows as slots",
                                      "rows to spare",
                                      "pages of 16",
                                      "pages of 32",
                                      "pages of 64",
                                      "pages of 128",
                                      "scarce pages",
                                      "ample pages",
                                      "never evict",
                                      "fill memory",
                                      "preempted by swap",
                                      "preempted by recompute",
                                      "preempted at random",
                                      "ran out of pages",
                                      "one core",
                                      "two cores",
                                      "cold prefix",
                                      "warm prefix",
                                      "sharing",
                                      "no sharing",
                                      "as they came",
                                      "depth first",
                                      "bf16",
                                      "fp32",
                                      "greedy",
                                      "sampled",
                                      "stop strings",
                                      "a gang",
                                      "reference"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    saw(names[i], 0);
  for (unsigned path = 1; path <= kernels_cpu_paths(); path *= 2) {
    if (kernels_cpu_paths() & path) saw(kernels_cpu_path_name((cpu_path)path), 0);
  }
}

static void see_schedule(const schedule *s, int threads, int scarce) {
  const engine_options *o = &s->options;
  int at_once = s->at_once < threads ? s->at_once : threads;
  static const char *const pages[] = {"pages of 16", "pages of 32", "pages of 64", "pages of 128"};
  saw(at_once == 1     ? "alone"
      : at_once <= 16  ? "2 to 16 at once"
      : at_once <= 256 ? "17 to 256 at once"
                       : "257 at once",
      1);
  saw(o->slots == 1 ? "1 slot" : o->slots <= 16 ? "2 to 16 slots" : "17 to 257 slots", 1);
  saw(o->rows == o->slots ? "rows as slots" : "rows to spare", 1);
  for (int i = 0; i < 4; i++)
    saw(pages[i], o->page_keys == 16 << i);
  saw(scarce ? "scarce pages" : "ample pages", 1);
  saw(o->policy == ENGINE_NEVER_EVICT ? "never evict" : "fill memory", 1);
  saw(o->preemption == ENGINE_SWAP ? "preempted by swap" : "preempted by recompute", 1);
  saw("preempted at random", s->preempts_in_100 > 0);
  saw(o->threads == 1 ? "one core" : "two cores", 1);
  saw(s->runs == 1 ? "cold prefix" : "warm prefix", 1);
  saw(o->no_sharing ? "no sharing" : "sharing", 1);
  saw(o->arrival_order ? "as they came" : "depth first", 1);
  saw(path_name(o), 1);
}

static void see_job(const job *j) {
  int sampled = 0, greedy = 0, stops = 0;
  for (int i = 0; i < j->count; i++) {
    sampled |= j->threads[i].temperature > 0;
    greedy |= !(j->threads[i].temperature > 0);
    stops |= j->threads[i].stop_count > 0;
  }
  saw(j->compute == COMPUTE_BF16 ? "bf16" : "fp32", 1);
  saw("sampled", sampled);
  saw("greedy", greedy);
  saw("stop strings", stops);
  saw("a gang", j->has_gang);
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* The reference, the portable path and the emulated tiles are slow: they get short jobs. */
static int is_slow(unsigned path) {
  return path == 0 || path == CPU_PORTABLE || path == CPU_TILES;
}

/* A path of the machine, 0 for the reference: slow ones in a quarter of draws. */
static unsigned draw_path(random_stream *r) {
  unsigned fast[8], slow[8] = {0};
  int fasts = 0, slows = 1;
  for (unsigned path = 1; path <= kernels_cpu_paths(); path *= 2) {
    if (!(kernels_cpu_paths() & path)) continue;
    if (is_slow(path)) {
      slow[slows++] = path;
    } else {
      fast[fasts++] = path;
    }
  }
  if (!fasts || random_chance(r, 0.25)) return slow[random_below(r, (uint32_t)slows)];
  return fast[random_below(r, (uint32_t)fasts)];
}

static int draw_size(random_stream *r, int slow) {
  if (slow) return JOB_SHORT;
  uint32_t x = random_below(r, 10);
  return x < 5 ? JOB_SMALL : x < 8 ? JOB_MEDIUM : JOB_LARGE;
}

static int draw_at_once(random_stream *r, int threads) {
  uint32_t x = random_below(r, 10);
  if (x < 3) return 1;
  return x < 5 && threads > 1 ? (int)random_between(r, 2, threads) : 257;
}

static schedule draw_schedule(random_stream *r, const job *j, unsigned path, int *scarce) {
  schedule s = {.at_once = draw_at_once(r, j->count), .runs = random_chance(r, 0.3) ? 2 : 1};
  engine_options *o = &s.options;
  *scarce = random_chance(r, 0.55);
  o->backend = path ? "cpu" : "reference";
  o->paths = path;
  o->threads = (int)random_between(r, 1, 2);
  o->page_keys = 16 << random_below(r, 4);
  o->slots = random_chance(r, 0.2)   ? 1
             : random_chance(r, 0.6) ? (int)random_between(r, 2, 16)
                                     : (int)random_between(r, 17, 257);
  if (j->has_gang && o->slots < JOB_WORKERS) o->slots = JOB_WORKERS;
  o->rows = o->slots + (random_chance(r, 0.3) ? 0 : (int)random_between(r, 1, 256));
  if (j->has_gang && o->rows < JOB_WORKERS * j->gang.feed_tokens)
    o->rows = JOB_WORKERS * j->gang.feed_tokens;
  int pages = job_pages(j, o->page_keys);
  o->pages =
      *scarce ? pages + (int)random_below(r, 4) : pages * (j->count < 60 ? j->count : 60) + 64;
  if (j->has_gang) o->pages += job_reserve(j, o->page_keys);
  o->policy = random_chance(r, 0.35) ? ENGINE_NEVER_EVICT : ENGINE_FILL_MEMORY;
  o->preemption = random_chance(r, 0.5) ? ENGINE_SWAP : ENGINE_RECOMPUTE;
  o->swap_bytes = random_chance(r, 0.7) ? 1 << 22 : 0;
  o->no_sharing = random_chance(r, 0.3);
  o->arrival_order = random_chance(r, 0.3);
  s.shuffles = random_chance(r, 0.5);
  if (random_chance(r, 0.5)) s.preempts_in_100 = (int)random_between(r, 5, 60);
  s.seed = random_next(r);
  return s;
}

/* ---- one draw -------------------------------------------------------------------------------- */

typedef struct world {
  model *model;
  tokenizer *tokenizer;
  int is_loud;
  int64_t sampled, rows;
} world;

static void print_draw(int draw, const job *j, const schedule *a, const schedule *b) {
  char line[512];
  job_line(j, line, sizeof line);
  (void)printf("draw %d: %s\n", draw, line);
  schedule_line(a, line, sizeof line);
  (void)printf("  a: %s\n", line);
  schedule_line(b, line, sizeof line);
  (void)printf("  b: %s\n", line);
}

/* Runs both and compares; 0 where they agree. */
static int run_both(world *w, int draw, const job *j, const schedule s[2]) {
  traces t[2] = {{0}, {0}};
  detail err = {0};
  difference d;
  status failed = OK;
  for (int i = 0; !failed && i < 2; i++) {
    run_report report;
    failed = traces_open(&t[i], j, &err);
    if (!failed) failed = job_run(j, &s[i], w->model, w->tokenizer, &t[i], &report, &err);
    if (!failed && !s[i].preempts_in_100)
      saw("ran out of pages", report.counters.preempted_total > 0);
    if (!failed) w->sampled += report.counters.sampled;
    if (!failed) w->rows += report.counters.rows;
  }
  int differ = !failed && traces_differ(&t[0], &t[1], &d);
  if (failed || differ || w->is_loud) print_draw(draw, j, &s[0], &s[1]);
  if (failed) (void)printf("draw %d: %s: %s\n", draw, status_name(failed), err.text);
  if (differ) {
    (void)printf("draw %d, thread %d, token %d: the schedules differ in %s\n", draw, d.thread,
                 d.token, d.text);
  }
  traces_close(&t[0]);
  traces_close(&t[1]);
  return failed || differ;
}

static int run_draw(world *w, int draw) {
  random_stream r = random_start((random_key){{SEED, (uint32_t)draw}});
  unsigned path[2] = {draw_path(&r), draw_path(&r)};
  job j;
  detail err;
  schedule s[2];
  int size = draw_size(&r, is_slow(path[0]) || is_slow(path[1]));
  if (job_draw(&j, &r, size, model_config_of(w->model)->vocabulary, &err)) {
    (void)printf("draw %d: %s\n", draw, err.text);
    return 1;
  }
  see_job(&j);
  for (int i = 0; i < 2; i++) {
    int scarce;
    s[i] = draw_schedule(&r, &j, path[i], &scarce);
    see_schedule(&s[i], j.count, scarce);
  }
  int failed = run_both(w, draw, &j, s);
  job_close(&j);
  return failed;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int print_axes(int draws) {
  int missing = 0;
  for (int i = 0; i < axis_count; i++) {
    int lacks = draws >= DRAWS && axes[i].drawn <= LEAST;
    (void)printf("  %-24s %5d%s\n", axes[i].name, axes[i].drawn, lacks ? "  too few" : "");
    missing += lacks;
  }
  return missing;
}

static int run_draws(world *w, int draws) {
  int64_t start = clock_monotonic_ns();
  int failed = 0;
  for (int i = 0; i < draws && !failed; i++)
    failed = run_draw(w, i);
  (void)printf("seed %d, %d draws: %lld rows, %lld tokens sampled, %.1f s\n", (int)SEED, draws,
               (long long)w->rows, (long long)w->sampled,
               (double)(clock_monotonic_ns() - start) / 1e9);
  if (failed) return 1;
  return print_axes(draws) > 0;
}

static long resident_kb(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
  (void)fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Job after job through one way of running each, so that what leaks or slows down is seen. */
static int soak(world *w, double seconds) {
  int64_t start = clock_monotonic_ns(), minute = start, sampled = 0;
  int failed = 0;
  for (int draw = 0; !failed && (double)(clock_monotonic_ns() - start) < seconds * 1e9; draw++) {
    failed = run_draw(w, draw % 1000);
    int64_t now = clock_monotonic_ns();
    if (now - minute < 60 * (int64_t)1000000000) continue;
    (void)printf("%5.0f s: %.0f tokens/s, %ld kB resident, draw %d\n", (double)(now - start) / 1e9,
                 (double)(w->sampled - sampled) / ((double)(now - minute) / 1e9), resident_kb(),
                 draw);
    (void)fflush(stdout);
    minute = now;
    sampled = w->sampled;
  }
  return failed;
}

static status open_world(world *w, const char *folder, detail *err) {
  status failed = prompt_model(&w->model, "tiny-llama", folder, err);
  int vocabulary = failed ? 0 : model_config_of(w->model)->vocabulary;
  return failed ? failed : job_tokenizer(&w->tokenizer, vocabulary, err);
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/nightjar-schedule-XXXXXX", path[64], file[96];
  world w = {0};
  detail err = {0};
  json_install();
  if (!mkdtemp(folder)) return EXIT_FAILURE;
  (void)snprintf(path, sizeof path, "%s/model", folder);
  status bad = open_world(&w, path, &err);
  if (bad) (void)printf("%s\n", err.text);
  know_axes();
  int failed = bad != OK;
  if (!failed && argc == 3 && !strcmp(argv[1], "draw")) {
    w.is_loud = 1;
    failed = run_draw(&w, atoi(argv[2]));
  } else if (!failed && argc == 3 && !strcmp(argv[1], "soak")) {
    failed = soak(&w, atof(argv[2]));
  } else if (!failed) {
    failed = run_draws(&w, argc > 1 ? atoi(argv[1]) : DRAWS);
  }
  model_close(w.model);
  tokenizer_close(w.tokenizer);
  static const char *const files[] = {"config.json", "model.safetensors", ""};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    (void)snprintf(file, sizeof file, "%s/%s", path, files[i]);
    (void)remove(file);
  }
  (void)rmdir(folder);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
