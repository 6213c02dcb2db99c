#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "pipeline/bench.h"
#include "pipeline/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Samples of two shapes: the conditions of even number are plain (one thread), those of odd number
   parallel (a root that spawns one to CHILDREN_MAX). Traces are lines of a search. */
enum {
  CHILDREN_MAX = 4,
  THREADS_MAX = 1 + CHILDREN_MAX,
  TRACE_BYTES_MIN = 1000,
  TRACE_BYTES_MAX = 3000,
  LINE_BYTES_MAX = 160,
  FED_IN_TURN = 32,    /* samples of a condition before the next one's turn, as run feeds them */
  SAMPLE_BYTES = 2000, /* in the store, traces included; measured, rounded up */
  JOURNAL_BYTES = 128 << 20,
  BENCH_SEED = 1,
};

int64_t bench_samples(const bench_shape *shape) {
  return shape->tasks * shape->conditions * shape->repeats;
}

int64_t bench_room(const bench_shape *shape) {
  return bench_samples(shape) * SAMPLE_BYTES + JOURNAL_BYTES;
}

/* ---- the disk -------------------------------------------------------------------------------- */

static status write_whole(int file, const char *path, int64_t bytes, detail *err) {
  enum { PIECE_BYTES = 1 << 20 };
  char *piece = memory_take(PIECE_BYTES);
  if (!piece) return fault(err, E_MEMORY, "no memory to measure the disk");
  memset(piece, 'n', PIECE_BYTES);
  status failed = OK;
  while (!failed && bytes > 0) {
    ssize_t wrote = write(file, piece, bytes < PIECE_BYTES ? (size_t)bytes : PIECE_BYTES);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) failed = fault(err, E_IO, "%s cannot be written: %s", path, strerror(errno));
    bytes -= wrote;
  }
  if (!failed && fsync(file)) {
    failed = fault(err, E_IO, "%s cannot be synced: %s", path, strerror(errno));
  }
  memory_free(piece);
  return failed;
}

status bench_disk(bench_figures *f, const char *path, int64_t bytes, detail *err) {
  bench_figure *disk;
  status failed = bench_add(f, &disk, "disk", "MB/s", err);
  if (failed) return failed;
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return fault(err, E_IO, "%s cannot be made: %s", path, strerror(errno));
  int64_t start = clock_monotonic_ns();
  failed = write_whole(file, path, bytes, err);
  double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
  (void)close(file);
  (void)unlink(path);
  disk->median = (double)bytes / 1e6 / (seconds > 0 ? seconds : 1e-9);
  disk->bytes = bytes;
  return failed;
}

/* ---- one sample ------------------------------------------------------------------------------ */

typedef struct filling {
  store *s;
  bench_shape shape;
  const int64_t *runs;  /* [conditions] */
  int64_t first_task;   /* ids are consecutive in a new store */
  _Atomic int64_t next; /* turn: the place of a sample in the order of a run */
  _Atomic int stopped;
  pthread_mutex_t lock; /* guards what is below */
  status failed;
  detail why;
} filling;

/* A worker's own: texts that grow once and stay. */
typedef struct maker {
  filling *of;
  text traces[THREADS_MAX];
} maker;

static const char *const paths[THREADS_MAX] = {"0", "0.0", "0.1", "0.2", "0.3"};

static void write_trace(text *out, random_stream *random, size_t bytes) {
  text_clear(out);
  text_put(out, "Current State: 24:[3, 5, 7, 11], Operations: []\n");
  while (out->bytes + LINE_BYTES_MAX < bytes) {
    uint32_t a = 1 + random_below(random, 99), b = 1 + random_below(random, 99);
    text_format(out,
                "Exploring Operation: %u+%u=%u, Resulting Numbers: [%u, %u]\nGenerated Node #%u,"
                "%u: 24:[%u, %u] Operation: %u+%u=%u\n",
                a, b, a + b, a + b, 1 + a % 11, b % 7, a % 5, a + b, 1 + a % 11, a, b, a + b);
  }
}

static store_thread thread_of(maker *m, int i, random_stream *random) {
  size_t bytes = (size_t)random_between(random, TRACE_BYTES_MIN, TRACE_BYTES_MAX);
  write_trace(&m->traces[i], random, bytes);
  int64_t tokens = (int64_t)m->traces[i].bytes / 2;
  return (store_thread){.path = paths[i],
                        .role = i ? "child" : "root",
                        .finish = "end",
                        .answer = i ? "3*5+7+2=24" : NULL,
                        .parent = i ? 0 : -1,
                        .worker = -1,
                        .round = i ? 0 : -1,
                        .spawn_token = i ? 40 : STORE_NONE,
                        .join_token = i ? 40 : STORE_NONE,
                        .tokens_prompt = 30,
                        .tokens_fed = i ? 0 : 20,
                        .tokens_generated = tokens,
                        .logical_start = i ? 40 : 0,
                        .logical_end = tokens + (i ? 40 : 0),
                        .bits_hash = (uint64_t)random_next(random) << 32 | random_next(random),
                        .first_token_ns = STORE_NONE,
                        .text = text_string(&m->traces[i]),
                        .text_bytes = m->traces[i].bytes,
                        .layout_json = "[[\"prompt\",0,48],[\"generated\",48,900]]"};
}

/* A wider beam costs more and finds more: so that budgets have curves to interpolate. */
static void cost(store_sample *sample, const store_thread *threads, int level,
                 random_stream *random) {
  int64_t sum = 0, longest = 0;
  for (int i = 0; i < sample->thread_count; i++) {
    int64_t tokens = threads[i].tokens_generated * (level + 1);
    sum += tokens;
    if (tokens > longest) longest = tokens;
  }
  int64_t nodes = 5 * (level + 1) + random_below(random, 40);
  sample->costs = (store_costs){.tokens_generated = sum,
                                .tokens_injected = 20 * (sample->thread_count - 1),
                                .tokens_prompt = 30 * sample->thread_count,
                                .tokens_total = sum + 50 * sample->thread_count,
                                .tokens_ref = sum + 50 * sample->thread_count,
                                .seq_critical_path = longest,
                                .seq_critical_path_injected = longest + 50,
                                .seq_longest_sequence = longest + 30,
                                .seq_forwards = longest,
                                .context_peak = longest + 50,
                                .wait_steps = random_below(random, 300),
                                .flops = -1,
                                .kv_token_steps = STORE_NONE,
                                .nodes_explored = nodes,
                                .nodes_duplicate = nodes / 9,
                                .children = sample->thread_count - 1,
                                .rounds = sample->thread_count > 1};
}

static void end_sample(store_sample *sample, store_verdict *verdict, int level,
                       random_stream *random) {
  int correct = random_chance(random, 0.3 + 0.05 * level);
  uint32_t ended = random_below(random, 1000);
  *verdict = (store_verdict){.thread = -1,
                             .checker = "countdown",
                             .reason = correct ? "right" : "wrong value",
                             .version = 1,
                             .correct = correct,
                             .score = correct};
  sample->status = ended == 0 ? "failed" : ended < 30 ? "capped" : "done";
  if (ended == 0) {
    sample->error = "no memory for a search of this size";
    return;
  }
  sample->limit_met = ended < 30 ? "context" : NULL;
  sample->answer = "3*5=15\n15+7=22\n22+2=24";
  sample->vote_key = "(+ (* 3 5) 2 7)";
}

static status put_sample(maker *m, int condition, int64_t task, int32_t repeat, detail *err) {
  filling *f = m->of;
  random_key key = {{(uint32_t)(task * f->shape.repeats + repeat), (uint32_t)condition}};
  random_stream random = random_start(key);
  int level = condition / 2;
  store_thread threads[THREADS_MAX];
  int64_t now = store_now_ns(f->s);
  store_sample sample = {.run = f->runs[condition],
                         .task = f->first_task + task,
                         .repeat = repeat,
                         .attempt = 1,
                         .queued_ns = now - 2000000,
                         .started_ns = now - 1000000 - random_below(&random, 900000),
                         .first_token_ns = STORE_NONE,
                         .ended_ns = now,
                         .batch_samples = 2,
                         .threads = threads};
  sample.thread_count = condition % 2 ? 2 + (int32_t)random_below(&random, CHILDREN_MAX) : 1;
  for (int i = 0; i < sample.thread_count; i++)
    threads[i] = thread_of(m, i, &random);
  store_verdict verdict;
  cost(&sample, threads, level, &random);
  end_sample(&sample, &verdict, level, &random);
  if (sample.error) sample.thread_count = 0;
  for (int i = 0; i < sample.thread_count; i++) {
    status failed = text_state(&m->traces[i], err);
    if (failed) return failed;
  }
  return store_put(f->s, &sample, &verdict, !sample.error, err);
}

/* ---- all samples ----------------------------------------------------------------------------- */

/* Puts the samples of one turn: FED_IN_TURN of a condition, which go on where its last turn ended.
   Tasks come first and repeats after them, as in a run. *more is 0 behind the last turn. */
static status put_turn(maker *m, int64_t turn, int *more, detail *err) {
  const bench_shape *shape = &m->of->shape;
  int condition = (int)(turn % shape->conditions);
  int64_t all = shape->tasks * shape->repeats, from = turn / shape->conditions * FED_IN_TURN;
  status failed = OK;
  *more = from < all;
  for (int64_t i = from; !failed && i < all && i < from + FED_IN_TURN; i++)
    failed = put_sample(m, condition, i % shape->tasks, (int32_t)(i / shape->tasks), err);
  return failed;
}

static void *work(void *context) {
  filling *f = context;
  maker m = {.of = f};
  detail err = {0};
  status failed = OK;
  for (int i = 0; i < THREADS_MAX; i++)
    text_open(&m.traces[i], TRACE_BYTES_MAX);
  for (int more = 1; !failed && more;) {
    if (stop_signal()) atomic_store(&f->stopped, 1);
    if (atomic_load(&f->stopped)) break;
    failed = put_turn(&m, atomic_fetch_add(&f->next, 1), &more, &err);
  }
  if (failed) {
    atomic_store(&f->stopped, 1);
    (void)pthread_mutex_lock(&f->lock);
    if (!f->failed) f->why = err;
    if (!f->failed) f->failed = failed;
    (void)pthread_mutex_unlock(&f->lock);
  }
  for (int i = 0; i < THREADS_MAX; i++)
    text_close(&m.traces[i]);
  return NULL;
}

static status put_all(filling *f, int threads, detail *err) {
  pthread_t *workers = memory_zeroed((size_t)threads, sizeof *workers);
  if (!workers) return fault(err, E_MEMORY, "no memory for %d threads", threads);
  REQUIRE(pthread_mutex_init(&f->lock, NULL) == 0);
  status failed = OK;
  int started = 0;
  while (!failed && started < threads) {
    int problem = pthread_create(&workers[started], NULL, work, f);
    if (problem) {
      failed = fault(err, E_DEVICE, "cannot start thread %d: %s", started, strerror(problem));
      atomic_store(&f->stopped, 1);
    } else {
      started++;
    }
  }
  for (int i = 0; i < started; i++)
    (void)pthread_join(workers[i], NULL);
  memory_free(workers);
  (void)pthread_mutex_destroy(&f->lock);
  if (!failed && f->failed && err) *err = f->why;
  if (!failed) failed = f->failed;
  if (!failed && f->stopped) failed = fault(err, E_STOPPED, "stopped before the store was full");
  return failed ? failed : store_flush(f->s, err);
}

/* ---- what they belong to --------------------------------------------------------------------- */

static status add_tasks(store *s, int64_t count, store_task_set *set, detail *err) {
  int added;
  status failed = store_task_set_begin(s, "bench", "countdown", "{\"made\":\"bench\"}", err);
  for (int64_t i = 0; !failed && i < count; i++) {
    char question[96], target[96];
    (void)snprintf(question, sizeof question, "Reach %lld with 3, 5, 7 and 11.", (long long)i);
    (void)snprintf(target, sizeof target, "{\"nums\":[3,5,7,11],\"target\":%lld}", (long long)i);
    store_task task = {.question = question, .target = target, .split = "test"};
    failed = store_task_add(s, &task, err);
  }
  if (!failed) failed = store_task_set_end(s, set, &added, err);
  if (failed) store_task_set_abandon(s);
  return failed;
}

static status add_condition(store *s, const store_task_set *set, const bench_shape *shape, int i,
                            int64_t *run, store_condition *out, char name[64], detail *err) {
  const char *family = i % 2 ? "parallel" : "plain";
  char parameters[128], identity[192];
  (void)snprintf(name, 64, "%s beam=%d", family, i / 2 + 1);
  (void)snprintf(parameters, sizeof parameters,
                 "{\"beam\":%d,\"limit\":{\"context\":4096},\"search\":\"%s\"}", i / 2 + 1,
                 i % 2 ? "apr" : "sosp");
  (void)snprintf(identity, sizeof identity, "{\"parameters\":%s}", parameters);
  store_run_new r = {.identity_json = identity,
                     .task_set = set->id,
                     .mode = "symbolic",
                     .parameters_json = parameters,
                     .token_unit = "llama2",
                     .determinism_class = "bench-1",
                     .seed = BENCH_SEED};
  int made;
  *out = (store_condition){.job = BENCH_JOB,
                           .name = name,
                           .family = family,
                           .checker = "countdown",
                           .axes_json = "{\"beam\":1}",
                           .ordinal = i,
                           .repeats = shape->repeats,
                           .tasks = shape->tasks};
  status failed = store_run(s, &r, run, &made, err);
  out->run = *run;
  return failed;
}

static status add_job(store *s, const store_task_set *set, const bench_shape *shape, int64_t *runs,
                      arena *memory, detail *err) {
  static const char both[] = "{\"compare\":[{\"a\":\"plain\",\"b\":\"parallel\",\"axis\":"
                             "\"tokens_ref\",\"at\":[2048,4096,8192]},{\"a\":\"plain beam=1\","
                             "\"b\":\"parallel beam=1\"}]}";
  size_t count = (size_t)shape->conditions;
  store_condition *conditions = arena_take(memory, count, sizeof *conditions);
  char(*names)[64] = arena_take(memory, count, sizeof *names);
  if (!conditions || !names) return arena_full(memory, err);
  status failed = store_job_put(s, BENCH_JOB, count > 1 ? both : "{}", err);
  for (size_t i = 0; !failed && i < count; i++)
    failed = add_condition(s, set, shape, (int)i, &runs[i], &conditions[i], names[i], err);
  return failed ? failed : store_conditions_put(s, BENCH_JOB, conditions, count, err);
}

static status prepare(filling *f, arena *memory, detail *err) {
  store_task_set set;
  store_process process = {NIGHTJAR_VERSION, "bench", "{}"};
  int64_t *runs = arena_take(memory, (size_t)f->shape.conditions, sizeof *runs);
  if (!runs) return arena_full(memory, err);
  f->runs = runs;
  f->first_task = 1;
  status failed = add_tasks(f->s, f->shape.tasks, &set, err);
  if (!failed) failed = add_job(f->s, &set, &f->shape, runs, memory, err);
  return failed ? failed : store_process_start(f->s, &process, err);
}

/* ---- what it took ---------------------------------------------------------------------------- */

static double disk_rate(const bench_figures *f) {
  for (int i = 0; i < f->count; i++) {
    if (!strcmp(f->list[i].name, "disk")) return f->list[i].median * 1e6;
  }
  return -1;
}

typedef struct fill_times {
  double seconds, close_seconds;
  int64_t memory_bytes, file_bytes;
  store_stats written;
  int threads;
} fill_times;

/* Each page is written twice, to the journal and to its place: the disk's ceiling is that of twice
   the file. */
static status add_figures(bench_figures *f, const bench_shape *shape, const fill_times *t,
                          detail *err) {
  bench_figure *fill, *closed, *busy, *blocked, *size;
  status failed = bench_add(f, &fill, "fill", "samples/s", err);
  if (!failed) failed = bench_add(f, &closed, "close", "s", err);
  if (!failed) failed = bench_add(f, &busy, "writer at work", "share", err);
  if (!failed) failed = bench_add(f, &blocked, "threads blocked", "share", err);
  if (!failed) failed = bench_add(f, &size, "sample with traces", "B", err);
  if (failed) return failed;
  double samples = (double)bench_samples(shape), wall_ns = t->seconds * 1e9;
  fill->median = samples / t->seconds;
  fill->rows = bench_samples(shape);
  fill->bytes = 2 * t->file_bytes;
  fill->ceiling = samples * disk_rate(f) / (double)fill->bytes;
  fill->share = fill->median / fill->ceiling;
  fill->memory_bytes = t->memory_bytes;
  closed->median = t->close_seconds;
  busy->median = (double)t->written.write_ns / wall_ns;
  blocked->median = (double)t->written.blocked_ns / wall_ns / t->threads;
  size->median = (double)t->file_bytes / samples;
  return OK;
}

static double seconds_since(int64_t start_ns) {
  return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

status bench_fill(bench_figures *f, const char *path, const bench_shape *shape, int threads,
                  logger *messages, detail *err) {
  filling fill = {.shape = *shape};
  fill_times t = {.threads = threads};
  bench_memory grown = bench_memory_start();
  log_info(messages, "filling %lld samples: %lld tasks, %d conditions, %d repeats, %d threads",
           (long long)bench_samples(shape), (long long)shape->tasks, shape->conditions,
           shape->repeats, threads);
  status failed = store_open(&fill.s, path, STORE_WRITE, messages, err);
  if (!failed) failed = prepare(&fill, f->memory, err);
  int64_t start = clock_monotonic_ns();
  if (!failed) failed = put_all(&fill, threads, err);
  t.seconds = seconds_since(start);
  if (!failed) t.written = store_written(fill.s);
  start = clock_monotonic_ns();
  status closed = store_close(fill.s, failed ? NULL : err);
  if (!failed) failed = closed;
  t.close_seconds = seconds_since(start);
  t.memory_bytes = bench_memory_grown(&grown);
  struct stat info;
  if (!failed && stat(path, &info))
    failed = fault(err, E_IO, "%s is gone: %s", path, strerror(errno));
  if (failed) return failed;
  t.file_bytes = info.st_size;
  return add_figures(f, shape, &t, err);
}
