/* nightjar bench store: what the store costs to fill and to read, at sizes that a person chooses.
 */
#include "base/memory.h"
#include "pipeline/bench.h"
#include "pipeline/output.h"
#include "pipeline/run.h"
#include "pipeline/stop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SIZES_MAX = 8, SAMPLES_MAX = 100000000, DISK_BYTES_MAX = 1 << 30 };

typedef struct plan_of_bench {
  bench_shape shapes[SIZES_MAX];
  int count, threads, times;
} plan_of_bench;

/* ---- what is asked for ----------------------------------------------------------------------- */

static status read_sizes(const invocation *in, int64_t sizes[SIZES_MAX], int *count, detail *err) {
  const char *list = command_value(in, "samples");
  if (!list) list = "100000,1000000";
  *count = 0;
  for (const char *rest = list; *rest;) {
    char *end;
    long long value = strtoll(rest, &end, 10);
    if (end == rest || (*end && *end != ',') || value < 1 || value > SAMPLES_MAX ||
        *count == SIZES_MAX) {
      return fault(err, E_USAGE,
                   "--samples must be at most %d numbers from 1 to %d such as 100000,1000000, not "
                   "'%s'",
                   (int)SIZES_MAX, (int)SAMPLES_MAX, list);
    }
    sizes[(*count)++] = value;
    rest = *end ? end + 1 : end;
  }
  return OK;
}

/* Samples are tasks x conditions x repeats: of the three, one follows. */
static status shape_of(const invocation *in, int64_t samples, bench_shape *out, detail *err) {
  int64_t tasks, conditions, repeats;
  status failed = command_integer(in, "tasks", 1, SAMPLES_MAX, 0, &tasks, err);
  if (!failed) failed = command_integer(in, "conditions", 1, 1000, 10, &conditions, err);
  if (!failed) failed = command_integer(in, "repeats", 1, STORE_REPEATS_MAX, 10, &repeats, err);
  if (failed) return failed;
  if (tasks && command_value(in, "repeats")) {
    return fault(err, E_USAGE, "say --tasks or --repeats: the other follows from --samples");
  }
  int64_t known = conditions * (tasks ? tasks : repeats);
  if (samples % known) {
    return fault(err, E_USAGE,
                 "%lld samples are no whole number of %s: --samples must be a multiple of %lld "
                 "(--conditions x %s)",
                 (long long)samples, tasks ? "repeats" : "tasks", (long long)known,
                 tasks ? "--tasks" : "--repeats");
  }
  *out = (bench_shape){.tasks = tasks ? tasks : samples / known,
                       .conditions = (int)conditions,
                       .repeats = (int)(tasks ? samples / known : repeats)};
  return OK;
}

static status read_plan(const invocation *in, plan_of_bench *out, detail *err) {
  int64_t sizes[SIZES_MAX], threads, times;
  status failed = read_sizes(in, sizes, &out->count, err);
  for (int i = 0; !failed && i < out->count; i++)
    failed = shape_of(in, sizes[i], &out->shapes[i], err);
  if (!failed) failed = command_integer(in, "threads", 1, 256, run_cores(), &threads, err);
  if (!failed) failed = command_integer(in, "times", 1, BENCH_TIMES_MAX, 3, &times, err);
  if (failed) return failed;
  out->threads = (int)threads;
  out->times = (int)times;
  if (command_value(in, "keep") && (out->count > 1 || command_value(in, "output"))) {
    return fault(err, E_USAGE, "--keep takes one number of --samples, and no -o");
  }
  return OK;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void shape_name(const bench_shape *shape, char *out, size_t bytes) {
  if (!shape) {
    (void)snprintf(out, bytes, "%s", "");
    return;
  }
  (void)snprintf(out, bytes, "%lld x %d x %d", (long long)shape->tasks, shape->conditions,
                 shape->repeats);
}

static void put_number(text *out, const char *key, double value) {
  text_format(out, ",\"%s\":", key);
  if (value < 0) {
    text_put(out, "null");
  } else {
    text_format(out, "%.6g", value);
  }
}

static void put_count(text *out, const char *key, int64_t value) {
  text_format(out, ",\"%s\":", key);
  if (value < 0) {
    text_put(out, "null");
  } else {
    text_int(out, value);
  }
}

static void put_json(text *out, const bench_figure *f, const char *shape) {
  text_put(out, "{\"name\":");
  json_quote(out, f->name, strlen(f->name));
  text_put(out, ",\"shape\":");
  json_quote(out, shape, strlen(shape));
  put_number(out, "median", f->median);
  text_format(out, ",\"unit\":\"%s\"", f->unit);
  put_number(out, "processor_s", f->processor_s);
  put_number(out, "ceiling", f->ceiling);
  put_number(out, "share", f->share);
  put_count(out, "rows", f->rows);
  put_count(out, "bytes", f->bytes);
  put_count(out, "memory_bytes", f->memory_bytes);
  text_put(out, "}\n");
}

static int digits_of(double value) {
  return value < 10 ? 3 : value < 1000 ? 1 : 0;
}

static void put_row(listing *t, const bench_figure *f) {
  listing_text(t, f->name);
  listing_real(t, f->median, digits_of(f->median));
  listing_text(t, f->unit);
  listing_real(t, f->processor_s, digits_of(f->processor_s));
  listing_real(t, f->ceiling, digits_of(f->ceiling));
  listing_real(t, f->share, 2);
  listing_real(t, (double)f->rows, 0);
  listing_real(t, f->bytes < 0 ? -1 : (double)f->bytes / 1e6, 1);
  listing_real(t, f->memory_bytes < 0 ? -1 : (double)f->memory_bytes / 1e6, 1);
}

static void put_table(text *out, const bench_figures *f, const char *shape) {
  static const listing_column columns[] = {{"measured", 0},    {"median", 1},  {"unit", 0},
                                           {"processor s", 1}, {"ceiling", 1}, {"share", 1},
                                           {"rows", 1},        {"MB", 1},      {"memory MB", 1}};
  listing table;
  listing_open(&table, columns, sizeof columns / sizeof columns[0]);
  for (int i = 0; i < f->count; i++)
    put_row(&table, &f->list[i]);
  if (*shape) text_format(out, "%s (tasks x conditions x repeats)\n", shape);
  listing_print(&table, out);
  listing_close(&table);
}

static status print_figures(const invocation *in, const bench_figures *f, const bench_shape *shape,
                            detail *err) {
  char name[96];
  text out;
  text_open(&out, 1 << 20);
  shape_name(shape, name, sizeof name);
  if (in->json) {
    for (int i = 0; i < f->count; i++)
      put_json(&out, &f->list[i], name);
  } else {
    put_table(&out, f, name);
  }
  status failed = command_print(in, &out, err);
  text_close(&out);
  return failed;
}

/* ---- where the stores lie -------------------------------------------------------------------- */

/* A folder of our own in that of -o, or beside the store that is kept, with the store that is not
   kept and the disk's test file in it. */
typedef struct workshop {
  char folder[PATH_MAX], store[PATH_MAX + 16], probe[PATH_MAX + 16];
} workshop;

static status check_room(const char *folder, const bench_shape *shape, detail *err) {
  struct statvfs disk;
  if (statvfs(folder, &disk)) {
    return fault(err, E_IO, "%s cannot be asked for its room: %s", folder, strerror(errno));
  }
  double room = (double)disk.f_bavail * (double)disk.f_frsize, needed = (double)bench_room(shape);
  if (room >= needed) return OK;
  return fault(err, E_IO,
               "%lld samples need about %.1f GB while they are stored, and %s has %.1f: choose "
               "another folder with -o, or fewer --samples",
               (long long)bench_samples(shape), needed / 1e9, folder, room / 1e9);
}

static status workshop_open(workshop *w, const invocation *in, detail *err) {
  const char *where = command_value(in, "output"), *keep = command_value(in, "keep");
  const char *slash = keep ? strrchr(keep, '/') : NULL;
  if (!where) where = slash ? keep : ".";
  int wide = where == keep ? (int)(slash - keep) : (int)strlen(where);
  int bytes = snprintf(w->folder, sizeof w->folder, "%.*s/nightjar-bench-XXXXXX", wide, where);
  if (bytes < 0 || bytes >= (int)sizeof w->folder) {
    return fault(err, E_USAGE, "the path of the folder is too long");
  }
  if (!mkdtemp(w->folder)) {
    return fault(err, E_IO, "no folder can be made in %.*s (%s): choose another with -o", wide,
                 where, strerror(errno));
  }
  (void)snprintf(w->store, sizeof w->store, "%s/bench.db", w->folder);
  (void)snprintf(w->probe, sizeof w->probe, "%s/disk", w->folder);
  return OK;
}

static void remove_store(const char *path) {
  static const char *const endings[] = {"", "-wal", "-shm", "-journal", ".lock"};
  char name[PATH_MAX + 32];
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
    (void)unlink(name);
  }
}

static void workshop_close(const workshop *w) {
  remove_store(w->store);
  (void)unlink(w->probe);
  (void)rmdir(w->folder);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static status read_store(const invocation *in, bench_figures *f, const char *path, int times,
                         detail *err) {
  store *s = NULL;
  status failed = store_open(&s, path, STORE_READ, in->messages, err);
  if (!failed) failed = bench_read(f, s, times, in->messages, err);
  status closed = store_close(s, failed ? NULL : err);
  return failed ? failed : closed;
}

static status compare(const invocation *in, bench_figures *f, const char *path, detail *err) {
  store *s = NULL;
  status failed = store_open(&s, path, STORE_WRITE, in->messages, err);
  if (!failed) failed = bench_compare(f, s, err);
  status closed = store_close(s, failed ? NULL : err);
  return failed ? failed : closed;
}

static status bench_shape_in(const invocation *in, const plan_of_bench *p, const bench_shape *shape,
                             const workshop *w, detail *err) {
  arena *memory = NULL;
  const char *keep = command_value(in, "keep"), *path = keep ? keep : w->store;
  status failed = arena_open(&memory, 16 << 20, err);
  bench_figures f = {.memory = memory};
  int64_t probe = bench_room(shape) < DISK_BYTES_MAX ? bench_room(shape) : DISK_BYTES_MAX;
  if (!failed) failed = check_room(w->folder, shape, err);
  if (!failed) failed = bench_disk(&f, w->probe, probe, err);
  if (!failed) failed = bench_fill(&f, path, shape, p->threads, in->messages, err);
  if (!failed) failed = compare(in, &f, path, err);
  if (!failed) failed = read_store(in, &f, path, p->times, err);
  if (!failed) failed = print_figures(in, &f, shape, err);
  if (!keep || failed) remove_store(path); /* half a store is no use to anybody */
  arena_close(memory);
  return failed;
}

/* Only reads: a store that is there already, of any shape. */
static status bench_existing(const invocation *in, const char *path, int times, detail *err) {
  arena *memory = NULL;
  status failed = arena_open(&memory, 16 << 20, err);
  bench_figures f = {.memory = memory};
  if (!failed) failed = read_store(in, &f, path, times, err);
  if (!failed) failed = print_figures(in, &f, NULL, err);
  arena_close(memory);
  return failed;
}

static status run(const invocation *in, detail *err) {
  plan_of_bench p;
  workshop w;
  const char *from = command_value(in, "from"), *keep = command_value(in, "keep");
  status failed = read_plan(in, &p, err);
  if (failed) return failed;
  stop_install();
  if (from) return bench_existing(in, from, p.times, err);
  if (keep && access(keep, F_OK) == 0) {
    return fault(err, E_USAGE,
                 "%s is there already: name a new file with --keep, or read it with "
                 "--from",
                 keep);
  }
  failed = workshop_open(&w, in, err);
  if (failed) return failed;
  for (int i = 0; !failed && i < p.count; i++)
    failed = bench_shape_in(in, &p, &p.shapes[i], &w, err);
  workshop_close(&w);
  return failed;
}

static const command_option bench_table[] = {
    {"samples", "LIST", "of the stores to fill (default 100000,1000000)"},
    {"tasks", "N", "of each store (default: what --samples and --repeats need)"},
    {"conditions", "N", "default 10"},
    {"repeats", "N", "of each task (default 10)"},
    {"threads", "N", "that store samples; default all cores"},
    {"times", "N", "that each view is read; the median is printed (default 3)"},
    {"output", "DIR", "or -o DIR: where the stores lie meanwhile (default: this folder)"},
    {"keep", "FILE", "fill this store and leave it"},
    {"from", "FILE", "fill nothing: read this store"},
    {NULL, NULL, NULL}};

const command command_bench_store = {
    .name = "bench store",
    .arguments = "",
    .summary = "Times filling stores and reading each view and the report.",
    .more = "Needs about 2 kB of disk a sample. Ceilings are measured on this machine in the same "
            "run:\nthe disk's rate for filling; for a view, one pass over each table it stands "
            "on.\nMB is what had to be read or written, memory MB the growth of the process.\n\n"
            "  nightjar bench store --samples 1000000 --tasks 100000\n",
    .options = bench_table,
    .arguments_min = 0,
    .arguments_max = 0,
    .prints_data = 1,
    .run = run};
