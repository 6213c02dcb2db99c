#include "base/memory.h"
#include "engine/machine.h"
#include "pipeline/output.h"
#include "pipeline/run.h"
#include "store/place.h"
#include "store/query.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <yaml.h>

/* What was found about this machine and this store, a line each. */
typedef enum finding_kind { FINDING_OK, FINDING_NOTE, FINDING_PROBLEM } finding_kind;

typedef struct finding {
  finding_kind kind;
  const char *subject; /* a constant */
  char says[480];
} finding;

enum { FINDINGS_MAX = 24 };

typedef struct checkup {
  const invocation *in;
  finding findings[FINDINGS_MAX];
  int count, problems;
} checkup;

static void say(checkup *c, finding_kind kind, const char *subject, const char *format, ...)
    PRINTF_LIKE(4, 5);

static void say(checkup *c, finding_kind kind, const char *subject, const char *format, ...) {
  REQUIRE(c->count < FINDINGS_MAX);
  finding *f = &c->findings[c->count++];
  f->kind = kind;
  f->subject = subject;
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(f->says, sizeof f->says, format, arguments);
  va_end(arguments);
  c->problems += kind == FINDING_PROBLEM;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void check_processor(checkup *c) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const char *best = __builtin_cpu_supports("avx512f") ? "AVX-512"
                     : __builtin_cpu_supports("avx2")  ? "AVX2"
                                                       : "SSE2";
  unsigned a, b, c7, d = 0; /* leaf 7: edx bit 22 is AMX-BF16, bit 24 AMX-TILE */
  int tiles = __get_cpuid_count(7, 0, &a, &b, &c7, &d) && (d >> 22 & 1) && (d >> 24 & 1);
  say(c, FINDING_OK, "processor",
      "x86-64 with %s%s; the symbolic solvers are integer code and use "
      "none of it",
      best, tiles ? " and AMX" : "");
#else
  say(c, FINDING_OK, "processor", "not x86-64; the symbolic solvers are portable integer code");
#endif
}

static void check_cores(checkup *c) {
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  int usable = run_cores();
  if (online > usable) {
    say(c, FINDING_NOTE, "cores", "%d of %ld may be used (affinity); run starts a worker on each",
        usable, online);
  } else {
    say(c, FINDING_OK, "cores", "%d; run and demonstrate start a worker on each", usable);
  }
}

/* A number behind a word in a small file of the kernel's; negative when it is not there. */
static double read_kernel_number(const char *path, const char *word) {
  FILE *file = fopen(path, "re");
  if (!file) return -1;
  char line[256];
  double value = -1;
  while (value < 0 && fgets(line, sizeof line, file)) {
    size_t bytes = strlen(word);
    if (strncmp(line, word, bytes) != 0) continue;
    char *end;
    double number = strtod(line + bytes, &end);
    if (end != line + bytes) value = number;
  }
  (void)fclose(file);
  return value;
}

static const double GIB = 1024.0 * 1024 * 1024;

static void check_memory(checkup *c) {
  double kilobytes = read_kernel_number("/proc/meminfo", "MemAvailable:");
  double bound = read_kernel_number("/sys/fs/cgroup/memory.max", "");
  if (kilobytes < 0) {
    say(c, FINDING_NOTE, "memory", "this system does not say how much is free");
    return;
  }
  double gib = kilobytes * 1024 / GIB;
  int bounded = bound >= 0 && bound / GIB < gib;
  if (bounded) gib = bound / GIB;
  say(c, gib < 1 ? FINDING_NOTE : FINDING_OK, "memory", "%.1f GiB %s; %s", gib,
      bounded ? "allowed to this group of processes" : "free",
      gib < 1 ? "little: use fewer --threads" : "a worker uses some megabytes");
}

/* The class of a model's bits is the same on every path; its speed is not. */
static void check_models(checkup *c) {
  detail why = {0};
  text runs_on;
  text_open(&runs_on, 256);
  if (machine_device("cpu", &runs_on, &why)) {
    say(c, FINDING_NOTE, "models", "cannot run here: %s", why.text);
  } else {
    say(c, FINDING_OK, "models", "run on %s; nightjar bench says how fast", text_string(&runs_on));
  }
  text_close(&runs_on);
}

static void check_gpu(checkup *c) {
  say(c, FINDING_OK, "gpu", "this build has no CUDA; nothing needs it yet");
}

static void check_libraries(checkup *c) {
  say(c, FINDING_OK, "libraries", "jansson %s, libyaml %s", jansson_version_str(),
      yaml_get_version_string());
}

/* ---- where the store lies -------------------------------------------------------------------- */

/* The folder that the store is or will be in. */
static int find_folder(const char *db, char out[PATH_MAX]) {
  char path[PATH_MAX];
  if (realpath(db, out)) {
    char *slash = strrchr(out, '/');
    slash[slash == out] = 0;
    return 1;
  }
  if (strlen(db) >= sizeof path) return 0;
  memcpy(path, db, strlen(db) + 1);
  char *slash = strrchr(path, '/');
  if (slash) slash[slash == path] = 0;
  return realpath(slash ? path : ".", out) != NULL;
}

static void check_disk(checkup *c, const char *folder) {
  struct statvfs disk;
  if (statvfs(folder, &disk) != 0) {
    say(c, FINDING_PROBLEM, "disk", "%s cannot be asked for its room: %s", folder, strerror(errno));
    return;
  }
  double gib = (double)disk.f_bavail * (double)disk.f_frsize / GIB;
  if (euidaccess(folder, W_OK) != 0) {
    say(c, FINDING_PROBLEM, "disk", "%s cannot be written; choose another store with --db", folder);
  } else if (gib < 0.1) {
    say(c, FINDING_PROBLEM, "disk", "%.2f GiB free in %s: make room before a run", gib, folder);
  } else {
    say(c, gib < 2 ? FINDING_NOTE : FINDING_OK, "disk",
        "%.1f GiB free in %s; a sample of a search takes about 3 kB", gib, folder);
  }
}

static void check_file_system(checkup *c, const char *folder) {
  struct statfs where;
  if (statfs(folder, &where) != 0) return; /* check_disk has said why */
  const char *name;
  switch (place_of((uint32_t)where.f_type, &name)) {
  case PLACE_UNLISTED:
    say(c, FINDING_OK, "file system", "of an unlisted kind (0x%x), taken for local",
        (unsigned)where.f_type);
    break;
  case PLACE_NETWORK:
    say(c, FINDING_NOTE, "file system",
        "%s, over a network: a slower journal is used, and one process at a time may use the store",
        name);
    break;
  case PLACE_VOLATILE:
    say(c, FINDING_NOTE, "file system", "%s, in memory: what is stored here ends with the machine",
        name);
    break;
  case PLACE_LOCAL:
    say(c, FINDING_OK, "file system",
        "%s, local: samples are durable within 50 ms and others may read", name);
    break;
  }
}

/* ---- the store ------------------------------------------------------------------------------- */

static void check_holder(checkup *c) {
  char who[320];
  switch (place_holder(c->in->db, who, sizeof who)) {
  case HOLDER_NONE: say(c, FINDING_OK, "lock", "free; a run may start"); break;
  case HOLDER_ALIVE:
    say(c, FINDING_NOTE, "lock", "held by process %s: others may read, and write when it ends",
        who);
    break;
  case HOLDER_AWAY:
    say(c, FINDING_NOTE, "lock",
        "signed by process %s, another machine: if that one is gone, the next run takes it", who);
    break;
  case HOLDER_DEAD:
    say(c, FINDING_NOTE, "lock",
        "left behind by a process that is gone (%s); the next run takes it", who);
    break;
  }
}

static void check_journal(checkup *c) {
  static const char *const endings[] = {"-wal", "-journal"};
  char who[320], path[PATH_MAX];
  struct stat info;
  holder_state holder = place_holder(c->in->db, who, sizeof who);
  for (int i = 0; i < 2; i++) {
    int bytes = snprintf(path, sizeof path, "%s%s", c->in->db, endings[i]);
    if (bytes < 0 || bytes >= (int)sizeof path || stat(path, &info) != 0) continue;
    int in_use = holder == HOLDER_ALIVE || holder == HOLDER_AWAY;
    say(c, FINDING_NOTE, "journal",
        in_use ? "%s (%.1f MB) belongs to the process that writes; copy both files or none"
               : "%s (%.1f MB) was left by a killed process; nothing is lost, and the next run "
                 "folds it in",
        path, (double)info.st_size / 1e6);
  }
}

static status count_all(store *s, int64_t counts[4], char version[32], detail *err) {
  query *q = NULL;
  int row = 0;
  status failed = query_open(&q, s,
                             "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM sample), "
                             "(SELECT count(*) FROM task_set), (SELECT count(*) FROM sample WHERE "
                             "status = 'failed'), sqlite_version()",
                             err);
  if (!failed) failed = query_next(q, &row, err);
  for (int i = 0; !failed && row && i < 4; i++)
    counts[i] = query_int(q, i);
  if (!failed && row) (void)snprintf(version, 32, "%s", query_text(q, 4));
  query_close(q);
  return failed;
}

static void check_content(checkup *c, store *s) {
  int64_t counts[4] = {0};
  char version[32] = "";
  struct stat info = {0};
  detail why = {0};
  if (count_all(s, counts, version, &why)) {
    say(c, FINDING_PROBLEM, "store", "%s", why.text);
    return;
  }
  (void)stat(c->in->db, &info);
  say(c, FINDING_OK, "store",
      "%s, version %d, %.1f MB, read by SQLite %s; task sets: %lld, jobs: %lld, samples: %lld",
      c->in->db, (int)STORE_VERSION, (double)info.st_size / 1e6, version, (long long)counts[2],
      (long long)counts[0], (long long)counts[1]);
  if (counts[3]) {
    say(c, FINDING_NOTE, "samples",
        "%lld failed; the next run tries them again, as often as their "
        "job's retries allow",
        (long long)counts[3]);
  }
}

static void check_store(checkup *c) {
  store *s = NULL;
  detail why = {0};
  if (euidaccess(c->in->db, F_OK) != 0) {
    say(c, FINDING_NOTE, "store", "%s is not there; nightjar tasks make makes one", c->in->db);
    return;
  }
  if (store_open(&s, c->in->db, STORE_READ, NULL, &why)) {
    say(c, FINDING_PROBLEM, "store", "%s", why.text);
  } else {
    check_content(c, s);
  }
  (void)store_close(s, NULL);
  check_holder(c);
  check_journal(c);
}

/* ---- printing -------------------------------------------------------------------------------- */

static const char *kind_name(finding_kind kind) {
  static const char *const names[] = {"ok", "note", "problem"};
  return names[kind];
}

static void put_findings(const checkup *c, text *out) {
  static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
  for (int i = 0; i < c->count; i++) {
    const finding *f = &c->findings[i];
    text_format(out, "%s%-7s%s  %-11s  ", c->in->color ? colors[f->kind] : "", kind_name(f->kind),
                c->in->color ? "\033[0m" : "", f->subject);
    output_printable(out, f->says, strlen(f->says));
    text_char(out, '\n');
  }
}

static json_t *findings_json(const checkup *c) {
  json_t *list = json_array();
  for (int i = 0; list && i < c->count; i++) {
    const finding *f = &c->findings[i];
    json_t *one = json_pack("{s:s, s:s, s:o}", "kind", kind_name(f->kind), "subject", f->subject,
                            "says", output_json_text(f->says, strlen(f->says)));
    if (!json_array_append_new(list, one)) continue;
    json_decref(list);
    list = NULL;
  }
  return json_pack("{s:s, s:i, s:o}", "version", NIGHTJAR_VERSION, "problems", c->problems,
                   "findings", list);
}

static status print_findings(const checkup *c, detail *err) {
  if (c->in->json) return output_json(c->in, findings_json(c), err);
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  put_findings(c, &out);
  status s = command_print(c->in, &out, err);
  text_close(&out);
  return s;
}

static status run_doctor(const invocation *in, detail *err) {
  char folder[PATH_MAX];
  checkup *c = memory_zeroed(1, sizeof *c);
  if (!c) return fault(err, E_MEMORY, "no memory to look around");
  c->in = in;
  check_processor(c);
  check_cores(c);
  check_memory(c);
  check_models(c);
  check_gpu(c);
  check_libraries(c);
  if (find_folder(in->db, folder)) {
    check_disk(c, folder);
    check_file_system(c, folder);
    check_store(c);
  } else {
    say(c, FINDING_PROBLEM, "disk", "the folder of %s is not there; make it first", in->db);
  }
  status s = print_findings(c, err);
  if (!s && c->problems) {
    s = fault(err, E_STORE,
              "%d problem%s with the store or its place; the lines marked so say which",
              c->problems, c->problems > 1 ? "s" : "");
  }
  memory_free(c);
  return s;
}

const command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Says what this machine and this store have, and what will be used.",
    .more =
        "A line each: ok, note (works, but read it) or problem (a run would fail; exit code 5).\n",
    .prints_data = 1,
    .run = run_doctor};
