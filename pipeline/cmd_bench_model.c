/* nightjar bench --model: how near a model comes to what this machine can do. */
#include "base/memory.h"
#include "kernels/kernels.h"
#include "pipeline/bench_model.h"
#include "pipeline/output.h"
#include "pipeline/run.h"
#include "pipeline/stop.h"

#include <stdlib.h>
#include <string.h>

enum {
  TOKENS_MAX = 1 << 20,
  ROWS_MAX = 1 << 16,
  THREADS_MAX = 4096,
  WORKERS_MAX = 16,
  TOKENS_OF_WORKER = 8 /* a step of one, and headers */
};

#define DECODE_USUAL                                                                               \
  "1x128,1x512,1x2048,1x4096,4x512,16x512,32x128,32x512,32x2048,32x4096,64x128,64x512,64x2048,"    \
  "128x128,128x512,256x128,256x256,256x512,256x2048,256x4096"
#define DECODE_QUICK  "1x512,32x512"
#define PREFILL_USUAL "128,512,2048,4096"
#define PREFILL_QUICK "512"
#define ROWS_USUAL    "1,4,16,17,32,64,128,256,512,1024,2048"
#define ROWS_QUICK    "1,16,64,256"

/* ---- what is asked for ----------------------------------------------------------------------- */

/* A whole number from 1 to most at *rest, which moves behind it; 0: there is none. */
static int read_number(const char **rest, int most) {
  char *end;
  if (**rest < '0' || **rest > '9') return 0;
  long long value = strtoll(*rest, &end, 10);
  *rest = end;
  return value >= 1 && value <= most ? (int)value : 0;
}

/* Moves over a comma that something follows. 0: neither that nor the end. */
static int next_of_list(const char **rest) {
  if (!**rest) return 1;
  if (**rest != ',' || !(*rest)[1]) return 0;
  ++*rest;
  return 1;
}

/* Numbers with an x between each two. 0: they are not there. */
static int read_point(bench_kind kind, const char **rest, bench_point *out) {
  int gangs = 1, is_prompt = kind == BENCH_PREFILL;
  *out = (bench_point){.kind = kind, .threads = 1};
  if (kind == BENCH_GANGS) {
    gangs = read_number(rest, THREADS_MAX);
    if (!gangs || *(*rest)++ != 'x') return 0;
  }
  if (!is_prompt) {
    int each = read_number(rest, kind == BENCH_GANGS ? WORKERS_MAX : THREADS_MAX);
    if (!each || *(*rest)++ != 'x' || gangs > THREADS_MAX / each) return 0;
    out->threads = gangs * each;
    if (kind == BENCH_GANGS) out->workers = each;
  }
  out->tokens = read_number(rest, TOKENS_MAX);
  return out->tokens > 0 && (kind != BENCH_GANGS || out->tokens >= TOKENS_OF_WORKER * out->workers);
}

static status bad_points(bench_kind kind, const char *list, detail *err) {
  int most = BENCH_POINTS_MAX;
  switch (kind) {
  case BENCH_DECODE:
    return fault(err, E_USAGE,
                 "--decode must be threads x tokens such as 1x512,32x512 (at most %d steps), not "
                 "'%s'",
                 most, list);
  case BENCH_GANGS:
    return fault(err, E_USAGE,
                 "--gangs must be gangs x workers x tokens such as 8x4x512 (at most %d steps, %d "
                 "workers, and %d tokens at least for each of them), not '%s'",
                 most, (int)WORKERS_MAX, (int)TOKENS_OF_WORKER, list);
  case BENCH_PREFILL: break;
  }
  return fault(err, E_USAGE,
               "--prefill must be tokens of a prompt such as 512,2048 (at most %d steps), not '%s'",
               most, list);
}

static status read_points(bench_plan *p, bench_kind kind, const char *list, detail *err) {
  for (const char *rest = list; *rest;) {
    if (p->point_count == BENCH_POINTS_MAX ||
        !read_point(kind, &rest, &p->points[p->point_count]) || !next_of_list(&rest)) {
      return bad_points(kind, list, err);
    }
    p->point_count++;
  }
  return OK;
}

static status read_rows(bench_plan *p, const char *list, detail *err) {
  for (const char *rest = list; *rest;) {
    int rows = read_number(&rest, ROWS_MAX);
    if (!rows || !next_of_list(&rest) || p->row_count == BENCH_ROWS_MAX) {
      return fault(err, E_USAGE,
                   "--products must be numbers of rows such as 1,16,64 (at most %d), not '%s'",
                   (int)BENCH_ROWS_MAX, list);
    }
    p->rows[p->row_count++] = rows;
  }
  return OK;
}

static status read_path(bench_plan *p, const char *name, detail *err) {
  char names[64] = "";
  size_t used = 0;
  if (!name) return OK;
  for (unsigned path = CPU_PORTABLE; path <= CPU_TILES; path *= 2) {
    const char *known = kernels_cpu_path_name((cpu_path)path);
    if (!strcmp(name, known)) p->paths = path;
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", known);
    REQUIRE(used < sizeof names);
  }
  if (!p->paths) return fault(err, E_USAGE, "--path must be one of %s, not '%s'", names, name);
  if (kernels_cpu_paths() & p->paths) return OK;
  return fault(err, E_DEVICE, "this processor has no %s: leave --path out for the best that it has",
               name);
}

/* What is named alone is measured alone; of what is not, the usual. */
static status read_plan(const invocation *in, bench_plan *p, detail *err) {
  const char *decode = command_value(in, "decode"), *prefill = command_value(in, "prefill");
  const char *rows = command_value(in, "products"), *gangs = command_value(in, "gangs");
  int64_t threads, repeats;
  p->quick = command_flag(in, "quick");
  p->cores = run_cores();
  if (!decode && !gangs && !prefill && !rows) {
    decode = p->quick ? DECODE_QUICK : DECODE_USUAL;
    prefill = p->quick ? PREFILL_QUICK : PREFILL_USUAL;
    rows = p->quick ? ROWS_QUICK : ROWS_USUAL;
  }
  int most = p->cores < KERNELS_THREADS_MAX ? p->cores : KERNELS_THREADS_MAX;
  status failed = command_integer(in, "threads", 1, KERNELS_THREADS_MAX, most, &threads, err);
  if (!failed) failed = command_integer(in, "repeats", 2, BENCH_REPEATS_MAX, 0, &repeats, err);
  if (!failed) failed = read_path(p, command_value(in, "path"), err);
  if (!failed && decode) failed = read_points(p, BENCH_DECODE, decode, err);
  if (!failed && gangs) failed = read_points(p, BENCH_GANGS, gangs, err);
  if (!failed && prefill) failed = read_points(p, BENCH_PREFILL, prefill, err);
  if (!failed && rows) failed = read_rows(p, rows, err);
  if (failed) return failed;
  p->threads = (int)threads;
  p->repeats = (int)repeats;
  return OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static status print_results(const invocation *in, const bench_results *r, detail *err) {
  if (in->json) return output_json(in, bench_model_json(r), err);
  text out;
  text_open(&out, 1 << 20);
  bench_model_text(r, &out);
  status failed = command_print(in, &out, err);
  text_close(&out);
  return failed;
}

static status measure(const invocation *in, const bench_plan *p, detail *err) {
  bench_results *r = memory_zeroed(1, sizeof *r);
  if (!r) return fault(err, E_MEMORY, "no memory for the results");
  status failed = bench_model_run(r, p, in->messages, err);
  if (!failed) failed = print_results(in, r, err);
  memory_free(r);
  return failed;
}

static status run(const invocation *in, detail *err) {
  bench_plan p = {0};
  model *m = NULL;
  const char *folder = command_value(in, "model");
  if (!folder) {
    return fault(err, E_USAGE,
                 "bench needs --model DIR (nightjar model synth makes one); a store is measured "
                 "by nightjar bench store");
  }
  status failed = read_plan(in, &p, err);
  if (!failed) failed = model_open(&m, folder, err);
  if (failed) return failed;
  stop_install();
  p.model = m;
  failed = measure(in, &p, err);
  model_close(m);
  return failed;
}

static const command_option bench_table[] = {
    {"model", "DIR", "a Hugging Face folder, or one of nightjar model synth"},
    {"quick", NULL, "a few steps and shorter repeats: about a minute"},
    {"decode", "BxT,...", "these steps of B threads with T tokens each, and no others"},
    {"gangs", "GxWxT,...", "these gangs of W workers that see T tokens each, and no others"},
    {"prefill", "T,...", "these prompts, each in one step, and no others"},
    {"products", "N,...", "products of these numbers of rows, and no others"},
    {"repeats", "N", "of each measure at least; more for a machine that is shared"},
    {"threads", "N", "of the device; default all cores"},
    {"path", "NAME", "portable, avx2, avx512, avx512_bf16, amx or tiles; default the best"},
    {NULL, NULL, NULL}};

const command command_bench = {
    .name = "bench",
    .arguments = "",
    .summary = "Times a model's steps against what the machine can do.",
    .more = "Decode and prefill steps, each of their operations alone, and products beside those "
            "of\noneDNN where it is installed; peaks of arithmetic and of reading are measured "
            "between the\nruns. A few minutes; weights are in memory twice. docs/bench.md "
            "explains the figures.\n\n"
            "  nightjar model synth --config apr-228m -o bench\n"
            "  nightjar bench --model bench\n"
            "  nightjar bench --model bench --decode 1x512,32x512 --threads 1\n"
            "  nightjar bench --model bench --gangs 8x4x512 --threads 1 --repeats 30\n"
            "  nightjar bench store --help       a store in place of a model\n",
    .options = bench_table,
    .arguments_min = 0,
    .arguments_max = 0,
    .prints_data = 1,
    .without_store = 1,
    .run = run};
