#include "tests/pipeline/trial.h"

#include "base/memory.h"
#include "pipeline/command.h"
#include "tests/support/program.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MAX = 60 };

const char *trouble_name(const trouble *t) {
  static char name[200];
  long long number = (long long)t->files.number;
  const char *operation = fault_operation_name(t->files.operation);
  switch (t->kind) {
  case TROUBLE_NONE: return "none";
  case TROUBLE_ALLOCATION: (void)snprintf(name, sizeof name, "allocation %lld", number); break;
  case TROUBLE_ALLOCATIONS:
    (void)snprintf(name, sizeof name, "allocation %lld and later", number);
    break;
  case TROUBLE_FILES:
    (void)snprintf(name, sizeof name, "%s %lld%s (%s)", operation, number,
                   t->files.later_too ? " and later" : "", strerror(t->files.cause));
    break;
  case TROUBLE_DISK: (void)snprintf(name, sizeof name, "a disk of %lld bytes", number); break;
  }
  return name;
}

static void begin(const trouble *t) {
  if (t->kind == TROUBLE_ALLOCATION) memory_fail_once(t->files.number);
  if (t->kind == TROUBLE_ALLOCATIONS) memory_fail_after(t->files.number);
  if (t->kind == TROUBLE_FILES) faults_files(&t->files);
  if (t->kind == TROUBLE_DISK) faults_disk(t->files.number);
}

static int64_t end(const trouble *t) {
  int64_t asked = t->kind == TROUBLE_FILES ? faults_asked() : memory_asked();
  memory_fail_once(-1);
  faults_files(NULL);
  faults_disk(-1);
  return asked;
}

trial trial_of(const trouble *t, status (*work)(void *context, trial *said, detail *err),
               void *context) {
  trial *shared =
      mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ck_assert(shared != MAP_FAILED);
  (void)fflush(NULL);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    (void)alarm(SECONDS_MAX);
    begin(t);
    shared->ended = work(context, shared, &shared->why);
    shared->asked = end(t);
    exit(EXIT_SUCCESS); /* and not _exit: checkers of leaks look now */
  }
  int code = program_wait(child);
  trial said = *shared;
  (void)munmap(shared, sizeof *shared);
  ck_assert_msg(code == 0, "%s: the process ended with %d%s", trouble_name(t), code,
                code == -SIGALRM ? ": it hung" : "");
  said.exit_code = command_exit_code(said.ended, 0);
  return said;
}

/* ---- a command --------------------------------------------------------------------------------
 */

typedef struct line {
  const char *const *arguments;
  const char *out;
} line;

static const command *const commands[] = {
#define X(name) &command_##name,
    COMMAND_LIST(X)
#undef X
};

static const command *find(const char *const *arguments, int *first) {
  char two[64];
  (void)snprintf(two, sizeof two, "%s %s", arguments[0], arguments[1] ? arguments[1] : "");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    int pair = !strcmp(commands[i]->name, two);
    *first = pair ? 2 : 1;
    if (pair || !strcmp(commands[i]->name, arguments[0])) return commands[i];
  }
  ck_abort_msg("no command %s", arguments[0]);
  return NULL;
}

static status run_line(void *context, trial *said, detail *err) {
  (void)said;
  const line *l = context;
  int argc = 0, first, help, failed_samples = 0;
  const command *c = find(l->arguments, &first);
  while (l->arguments[argc])
    argc++;
  FILE *messages = fopen("/dev/null", "we");
  invocation in = {.failed_samples = &failed_samples};
  in.out = fopen(l->out, "we");
  ck_assert(messages && in.out);
  status s = log_open(&in.messages, messages, 0, 0, err);
  char **argv = (char **)(uintptr_t)l->arguments;
  if (!s) s = command_parse(&in, c, argc, argv, first, &help, err);
  if (!s) s = c->run(&in, err);
  log_close(in.messages);
  (void)fclose(messages);
  (void)fclose(in.out);
  return s;
}

trial trial_command(const trouble *t, const char *const *arguments, const char *out) {
  line l = {arguments, out};
  return trial_of(t, run_line, &l);
}

/* ---- a store ----------------------------------------------------------------------------------
 */

typedef struct answer {
  hash_parts parts;
  char first[200]; /* the first value of the last row */
} answer;

static int take_row(void *context, int count, char **values, char **names) {
  (void)names;
  answer *a = context;
  for (int i = 0; i < count; i++) {
    if (!values[i]) hash_part(&a->parts, "null", 4);
    if (!values[i]) hash_part(&a->parts, "", 0);
    if (values[i]) hash_part(&a->parts, values[i], strlen(values[i]));
  }
  (void)snprintf(a->first, sizeof a->first, "%s", values[0] ? values[0] : "NULL");
  return 0;
}

static answer ask(sqlite3 *db, const char *sql) {
  answer a = {0};
  hash_start(&a.parts);
  int code = sqlite3_exec(db, sql, take_row, &a, NULL);
  ck_assert_msg(code == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
  return a;
}

static void open_db(sqlite3 **db, const char *path) {
  ck_assert_int_eq(sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
}

int64_t trial_check_store(const char *path) {
  sqlite3 *db;
  open_db(&db, path);
  if (!strcmp(ask(db, "PRAGMA page_count").first, "0")) { /* nothing was committed yet */
    (void)sqlite3_close(db);
    return 0;
  }
  ck_assert_str_eq(ask(db, "PRAGMA integrity_check").first, "ok");
  ck_assert_str_eq(ask(db, "PRAGMA foreign_key_check").first, "");
  ck_assert_str_eq(ask(db, "SELECT coalesce(error, status) || ' ' || threads FROM sample s WHERE "
                           "status = 'failed' OR threads <> "
                           "(SELECT count(*) FROM thread h WHERE h.sample = s.id) OR threads <> "
                           "(SELECT count(*) FROM trace x WHERE x.sample = s.id) OR 1 <> "
                           "(SELECT count(*) FROM verdict v WHERE v.sample = s.id)")
                       .first,
                   "");
  int64_t samples = atoll(ask(db, "SELECT count(*) FROM sample").first);
  (void)sqlite3_close(db);
  return samples;
}

hash trial_promised(const char *path) {
  sqlite3 *db;
  open_db(&db, path);
  answer a = ask(db, program_promised_sql);
  (void)sqlite3_close(db);
  return hash_end(&a.parts);
}

void trial_place(const char *from, const char *to) {
  static const char *const beside[] = {"", "-wal", "-shm", "-journal", ".lock"};
  for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
    char path[600];
    (void)snprintf(path, sizeof path, "%s%s", to, beside[i]);
    ck_assert(unlink(path) == 0 || errno == ENOENT);
  }
  if (!from) return;
  size_t bytes;
  char *whole = support_read(from, &bytes);
  FILE *file = fopen(to, "we");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(whole, 1, bytes, file), bytes);
  ck_assert_int_eq(fclose(file), 0);
  free(whole);
}
