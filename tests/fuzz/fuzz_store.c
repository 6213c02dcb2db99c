/* A store from anybody: every command that reads one, and every one that goes on with one, ends
   with a status; what is printed is text. An input that starts as an SQLite file is the store;
   any other is SQL that is first done to a small whole store, so that damage reaches deeper than
   SQLite's own checks.

   Statements of ours over a stranger's schema can take for ever, which a person ends by hand; here
   SQLite is bounded in steps, in the size of a value and in memory. */
#include "base/memory.h"
#include "pipeline/command.h"
#include "pipeline/jobs.h"
#include "pipeline/run.h"
#include "store/query.h"
#include "tests/fuzz/base_store.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_BETWEEN = 1000, PAUSES_MAX = 2000, VALUE_BYTES_MAX = 1 << 20 };
enum { SQLITE_HEAP_BYTES = 256 << 20, ROWS = 100, SAMPLES_MAX = 12 };

/* ---- bounds ---------------------------------------------------------------------------------- */

/* SQLite's hooks take no context of a connection that is only being opened. */
static int pauses;

static int pause_now(void *unused) {
  (void)unused;
  return ++pauses > PAUSES_MAX;
}

static int bound(sqlite3 *db, char **message, const struct sqlite3_api_routines *api) {
  (void)message, (void)api;
  sqlite3_progress_handler(db, STEPS_BETWEEN, pause_now, NULL);
  (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
  (void)sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 200);
  (void)sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 100000);
  (void)sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100);
  return SQLITE_OK;
}

static void bound_all(void) {
  static int done;
  if (done++) return;
  (void)sqlite3_hard_heap_limit64(SQLITE_HEAP_BYTES);
  REQUIRE(sqlite3_auto_extension((void (*)(void))bound) == SQLITE_OK);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* SQL of the input may not leave its file. */
static int authorize(void *unused, int action, const char *a, const char *b, const char *c,
                     const char *d) {
  (void)unused, (void)a, (void)b, (void)c, (void)d;
  return action == SQLITE_ATTACH || action == SQLITE_DETACH ? SQLITE_DENY : SQLITE_OK;
}

/* Each statement by itself: one that is refused stops none behind it. */
static void run_sql(const char *path, const char *sql, const char *end) {
  sqlite3 *db = NULL;
  REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
  (void)sqlite3_set_authorizer(db, authorize, NULL);
  while (sql < end) {
    sqlite3_stmt *statement = NULL;
    const char *rest = NULL;
    int code = sqlite3_prepare_v2(db, sql, (int)(end - sql), &statement, &rest);
    if (!code && statement) (void)sqlite3_step(statement);
    (void)sqlite3_finalize(statement);
    const char *semicolon = memchr(sql, ';', (size_t)(end - sql));
    sql = !code && rest > sql ? rest : semicolon ? semicolon + 1 : end;
  }
  (void)sqlite3_close(db);
}

static void make_file(const char *path, const char *bytes, size_t count) {
  static const char magic[] = "SQLite format 3";
  if (count >= sizeof magic && !memcmp(bytes, magic, sizeof magic)) {
    fuzz_write(path, bytes, count);
    return;
  }
  fuzz_part base = base_store();
  fuzz_write(path, base.bytes, base.count);
  run_sql(path, bytes, bytes + count);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type;
  return walk->level ? remove(path) : 0;
}

/* With journals, locks, backups, and what commands made beside it. */
static void remove_files(void) {
  char folder[512];
  (void)snprintf(folder, sizeof folder, "%s", fuzz_path(""));
  REQUIRE(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* Lines of text, and nothing that a terminal obeys. */
static void check_text(const char *bytes, size_t count) {
  for (size_t i = 0, length; i < count; i += length) {
    length = bytes[i] == '\n' ? 1 : text_printable_length(bytes + i, count - i);
    REQUIRE(length > 0);
  }
}

/* One document or several, a line each. A trace may hold zeros, which JSON can say. */
static void check_json(const char *bytes, size_t count) {
  json_error_t why;
  for (size_t at = 0; at < count; at += (size_t)why.position + 1) {
    json_t *value =
        json_loadb(bytes + at, count - at, JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK, &why);
    REQUIRE(value != NULL);
    json_decref(value);
  }
}

/* What an output must be; what is exported are the bytes of the store. */
typedef enum form { AS_TEXT, AS_JSON, AS_DATA } form;

/* Runs a command as main does; arguments end with a NULL. */
static status run_command(const command *c, const char *path, const char *const *arguments,
                          form as) {
  char *argv[COMMAND_ARGUMENTS_MAX], *out = NULL;
  size_t out_bytes = 0;
  int count = 0, help = 0, failed_samples = 0;
  detail err = {0};
  for (; arguments[count]; count++)
    argv[count] = (char *)(uintptr_t)arguments[count];
  invocation in = {.db = path, .failed_samples = &failed_samples};
  status failed = command_parse(&in, c, count, argv, 0, &help, &err);
  REQUIRE(!failed && !help);
  in.out = open_memstream(&out, &out_bytes);
  REQUIRE(in.out != NULL);
  in.json = as == AS_JSON;
  pauses = 0;
  failed = c->run(&in, &err);
  if (failed) fuzz_explained(failed, &err);
  (void)fclose(in.out);
  if (as == AS_TEXT) check_text(out, out_bytes);
  if (as == AS_JSON && !failed) check_json(out, out_bytes);
  free(out);
  return failed;
}
#define COMMAND(c, as, ...)                                                                        \
  run_command(&command_##c, path, (const char *const[]){__VA_ARGS__, NULL}, (as))

/* The text that a query gives first, "" where there is none; at most bytes of it. */
static void first_text(store *s, const char *sql, char *out, size_t bytes) {
  query *q = NULL;
  int row;
  detail err;
  out[0] = 0;
  if (query_open(&q, s, sql, &err)) return;
  if (query_next(q, &row, &err) == OK && row) {
    (void)snprintf(out, bytes, "%s", query_text(q, 0));
  }
  query_close(q);
}

/* What a person would type after a first look. */
typedef struct names {
  char address[512], voters[512], job[256], a[256], b[256], set[256], document[65536];
} names;

static void read_names(store *s, names *n) {
  first_text(s,
             "SELECT c.job || ':' || c.name || '/' || t.name || '/' || s.repeat FROM sample s JOIN "
             "condition c ON c.run = s.run JOIN task t ON t.id = s.task ORDER BY s.threads DESC",
             n->address, sizeof n->address);
  first_text(s,
             "SELECT sample FROM trace WHERE ids IS NOT NULL UNION ALL SELECT id FROM sample WHERE "
             "run IN (SELECT id FROM run WHERE model_hash IS NOT NULL)",
             n->voters, sizeof n->voters);
  first_text(s, "SELECT name FROM job", n->job, sizeof n->job);
  first_text(s, "SELECT family FROM condition WHERE job = (SELECT name FROM job) ORDER BY id", n->a,
             sizeof n->a);
  first_text(s, "SELECT name FROM condition WHERE job = (SELECT name FROM job) ORDER BY id DESC",
             n->b, sizeof n->b);
  first_text(s, "SELECT name FROM task_set ORDER BY id DESC", n->set, sizeof n->set);
  first_text(s, "SELECT document FROM job", n->document, sizeof n->document);
}

static void read_views(const char *path) {
  static const char *const views[] = {
      "samples",    "threads",   "task_scores", "accuracy", "accuracy_by_budget",
      "paired",     "latency",   "token_use",   "capped",   "failures",
      "comparison", "pass_at_k", "cons_at_k"};
  store *s = NULL;
  detail err = {0};
  status opened = store_open(&s, path, STORE_READ, NULL, &err);
  if (opened) fuzz_explained(opened, &err);
  for (size_t i = 0; !opened && i < sizeof views / sizeof views[0]; i++) {
    char sql[128];
    query *q = NULL;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM %s LIMIT %d", views[i], (int)ROWS);
    status failed = query_open(&q, s, sql, &err);
    for (int row = 1; !failed && row;) {
      failed = query_next(q, &row, &err);
      for (int c = 0; !failed && row && c < query_columns(q); c++) {
        size_t bytes;
        REQUIRE(query_text(q, c) && query_name(q, c));
        (void)query_blob(q, c, &bytes);
      }
    }
    if (failed) fuzz_explained(failed, &err);
    query_close(q);
  }
  REQUIRE(store_close(s, &err) == OK);
}

static void look(const char *path, const names *n, form as) {
  (void)COMMAND(tasks_list, as, "--");
  (void)COMMAND(tasks_show, as, "--", n->set);
  (void)COMMAND(status, as, "--");
}

static void look_closer(const char *path, const names *n, form as) {
  (void)COMMAND(trace, as, "--", n->address);
  (void)COMMAND(trace, as, "1");
  (void)COMMAND(trace, as, "--", n->voters);
}

static void compare(const char *path, const names *n, form as) {
  if (!*n->job) return;
  (void)COMMAND(compare, as, "--job", n->job, "--", n->a, n->b);
  (void)COMMAND(compare, as, "--job", n->job, "--axis", "tokens_ref", "--at", "100,300", "--", n->a,
                n->b);
}

static void export(const char *path, const names *n) {
  (void)COMMAND(export, AS_DATA, "samples");
  (void)COMMAND(export, AS_DATA, "traces", "--format", "jsonl");
  (void)COMMAND(export, AS_DATA, "tasks", "--format", "jsonl", "--set", *n->set ? n->set : "few");
}

/* Into a whole store that holds the same runs; again it adds nothing that could be refused. */
static void merge(const char *path, form as) {
  char out[512];
  fuzz_part base = base_store();
  (void)snprintf(out, sizeof out, "%s", fuzz_path("out.db"));
  fuzz_write(out, base.bytes, base.count);
  status failed = COMMAND(merge, as, out, path);
  if (!failed) REQUIRE(COMMAND(merge, as, out, path) == OK);
  fuzz_write(out, base.bytes, base.count);
  (void)COMMAND(merge, as, path, out); /* the last: it writes into the stranger's */
}

/* What is packed can be unpacked. */
static void archive(const char *path) {
  char file[512], folder[512];
  (void)snprintf(file, sizeof file, "%s", fuzz_path("all.zip"));
  (void)snprintf(folder, sizeof folder, "%s", fuzz_path("all"));
  if (COMMAND(archive_pack, AS_TEXT, file)) return;
  REQUIRE(COMMAND(archive_unpack, AS_TEXT, file, "--output", folder) == OK);
}

/* ---- going on with it ------------------------------------------------------------------------ */

static status run_left(plan *p, store *s, detail *err) {
  int64_t left = 0;
  for (size_t i = 0; i < p->run_count; i++)
    left += p->runs[i].counts.left;
  if (left > SAMPLES_MAX) return OK;
  run_totals totals;
  store_process process = {.version = "0", .device = "cpu", .settings_json = "{}"};
  status failed = plan_commit(p, s, NULL, err);
  if (!failed) failed = store_process_start(s, &process, err);
  return failed ? failed : run_plan(p, s, &(run_options){.threads = 1}, NULL, &totals, err);
}

/* As `run` would with the job that the store holds. */
static void go_on(const char *path, const char *job_path) {
  store *s = NULL;
  job *j = NULL;
  plan *p = NULL;
  detail err = {0};
  pauses = 0;
  status failed = store_open(&s, path, STORE_WRITE, NULL, &err);
  if (!failed) failed = jobs_load(&j, job_path, &err);
  if (!failed) failed = plan_open(&p, s, j, &(plan_part){.task_limit = 2, .of = {0, 1}}, &err);
  if (!failed) failed = run_left(p, s, &err);
  if (failed) fuzz_explained(failed, &err);
  plan_close(p);
  job_close(j);
  err = (detail){0};
  failed = store_close(s, &err);
  if (failed) fuzz_explained(failed, &err);
}

/* ---- the target ------------------------------------------------------------------------------ */

/* One of the ways to use a store. The first four look, and print as text or as JSON. */
enum { WAYS_TO_LOOK = 4, WAYS = 9 };
static void use(const char *path, const names *n, int way, form as) {
  switch (way) {
  case 0: look(path, n, as); return;
  case 1: look_closer(path, n, as); return;
  case 2: (void)COMMAND(report, as, "--text"); return;
  case 3: compare(path, n, as); return;
  case 4: read_views(path); return;
  case 5: export(path, n); return;
  case 6: archive(path); return;
  case 7: merge(path, as); return;
  default: {
    char job_path[512];
    (void)snprintf(job_path, sizeof job_path, "%s", fuzz_path("fuzz.yaml"));
    fuzz_write(job_path, n->document, strlen(n->document));
    (void)COMMAND(rescore, as, job_path);
    go_on(path, job_path);
  }
  }
}

/* Opened for reading, and what is found used in turn: all ways are slow, so that a fuzzer tries one
   an input, told by its bytes. The writers come last. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[512];
  static names n;
  store *s = NULL;
  detail err = {0};
  hash h = hash_of(data, size);
  (void)base_store();
  bound_all();
  (void)snprintf(path, sizeof path, "%s", fuzz_path("fuzz.db"));
  pauses = 0;
  make_file(path, (const char *)data, size);
  pauses = 0;
  status failed = store_open(&s, path, STORE_READ, NULL, &err);
  if (failed) {
    fuzz_explained(failed, &err);
  } else {
    read_names(s, &n);
    REQUIRE(store_close(s, &err) == OK);
    for (int i = 0; i < WAYS + WAYS_TO_LOOK; i++) {
      if (!fuzz_replays && i != h.bytes[0] % (WAYS + WAYS_TO_LOOK)) continue;
      use(path, &n, i < WAYS_TO_LOOK ? i : i - WAYS_TO_LOOK, i < WAYS_TO_LOOK ? AS_JSON : AS_TEXT);
    }
  }
  remove_files();
  return 0;
}
