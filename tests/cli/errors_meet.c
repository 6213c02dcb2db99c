/* One situation: set up by the shell as a person would, met by the built program, and looked at
   from outside. */
#include "tests/cli/errors.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SETUP_FAILED = 126, SCRIPT_BYTES_MAX = 16384, LINES_MAX = 65536 };

/* `nightjar` in a script is the program under test. */
static const char PRELUDE[] = "nightjar() { \"$NIGHTJAR\" \"$@\"; }\n";

/* Every file with its bytes, every store with its tables and its soundness: what a refused command
   leaves as it was. A store's own pages may move, and its statistics, so it is compared by what it
   holds. */
static const char LISTING[] =
    "find . | LC_ALL=C sort | while read -r f; do\n"
    "  echo \"$f\"\n"
    "  if [ ! -f \"$f\" ] || [ ! -r \"$f\" ]; then continue; fi\n"
    "  if head -c 15 \"$f\" | grep -aq '^SQLite format 3'; then\n"
    "    sqlite3 -readonly \"$f\" 'PRAGMA user_version' 'PRAGMA integrity_check' .dump 2>&1 |\n"
    "      grep -av -e sqlite_stat -e '^ANALYZE' | sha256sum\n"
    "  else\n"
    "    sha256sum <\"$f\"\n"
    "  fi\n"
    "done\n";

/* What may never stay: a lock, a part of a file, a journal, a store that is not sound. */
static const char LEFTOVERS[] =
    "find . -name '*.lock' -o -name '*.part' -o -name '*-journal' -o -name '*.tmp*'\n"
    "for f in *.db; do\n"
    "  [ -s \"$f\" ] && [ \"$(sqlite3 \"$f\" 'PRAGMA integrity_check')\" != ok ] && echo \"$f\"\n"
    "done\n"
    "true\n";

/* A root passes over modes, which an ordinary user does not; without these two it is one of them.
   They go at the next exec. */
static void be_ordinary(void) {
  if (geteuid() != 0) return;
  if (prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) || prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH)) {
    _exit(SETUP_FAILED);
  }
}

static void send_to(const char *path, int stream) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || dup2(file, stream) < 0 || close(file)) _exit(SETUP_FAILED);
}

/* Runs a script in the folder; what it says goes to OUTPUTS.out and OUTPUTS.err. */
static pid_t start_in(const char *folder, const char *outputs, const char *script,
                      int (*here)(FILE *)) {
  char out[PATH_MAX], err[PATH_MAX];
  (void)snprintf(out, sizeof out, "%s.out", outputs);
  (void)snprintf(err, sizeof err, "%s.err", outputs);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child) return child;
  send_to(out, STDOUT_FILENO);
  send_to(err, STDERR_FILENO);
  if (chdir(folder)) _exit(SETUP_FAILED);
  if (here) {
    int code = here(stderr);
    (void)fflush(stderr);
    _exit(code);
  }
  be_ordinary();
  (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
  _exit(SETUP_FAILED);
}

static int run_in(const char *folder, const char *script, int (*here)(FILE *)) {
  return program_wait(start_in(folder, folder, script, here));
}

static char *said(const char *folder, const char *suffix) {
  char path[PATH_MAX];
  (void)snprintf(path, sizeof path, "%s.%s", folder, suffix);
  return program_read(path);
}

static const char *script_of(const char *before, const char *line) {
  static char script[SCRIPT_BYTES_MAX];
  int bytes = snprintf(script, sizeof script, "%s%s%s", before, PRELUDE, line);
  ck_assert_int_lt(bytes, (int)sizeof script);
  return script;
}

/* ---- the message ------------------------------------------------------------------------------
 */

/* Between these two marks, what is made of such characters differs from run to run. */
static void make_equal(char *message, const char *from, const char *varies, const char *to,
                       const char *instead) {
  for (char *at = message; (at = strstr(at, from)) != NULL;) {
    at += strlen(from);
    char *end = at + strspn(at, varies);
    if (strncmp(end, to, strlen(to)) != 0) continue;
    size_t rest = strlen(end) + 1, bytes = strlen(instead);
    ck_assert_uint_lt((size_t)(at - message) + bytes + rest, MET_BYTES_MAX);
    memmove(at + bytes, end, rest);
    memcpy(at, instead, bytes);
  }
}

static void drop_all(char *message, const char *piece) {
  for (char *at; (at = strstr(message, piece)) != NULL;)
    memmove(at, at + strlen(piece), strlen(at + strlen(piece)) + 1);
}

#define NAMES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

/* Keeps the lines for which a person looks at the screen; of a command that was done, all. */
static void keep_message(const char *all, int code, const char *folder, char *out) {
  size_t used = 0;
  for (const char *line = all, *end; *line; line = end) {
    end = strchr(line, '\n');
    end = end ? end + 1 : line + strlen(line);
    if (code && strncmp(line, "error: ", 7) != 0 && strncmp(line, "warning: ", 9) != 0) continue;
    size_t bytes = (size_t)(end - line);
    ck_assert_uint_lt(used + bytes, MET_BYTES_MAX);
    memcpy(out + used, line, bytes);
    used += bytes;
  }
  out[used] = 0;
  char real[PATH_MAX], inside[PATH_MAX + 1];
  ck_assert_ptr_nonnull(realpath(folder, real));
  (void)snprintf(inside, sizeof inside, "%s/", real);
  drop_all(out, inside);
  static const char DIGITS[] = "0123456789";
  make_equal(out, "by process ", DIGITS, " on ", "4711");
  make_equal(out, "by process 4711 on ", NAMES, ";", "node7");
  make_equal(out, "(", DIGITS, " MB free", "0");
  make_equal(out, "night.tar.", DIGITS, ".db", "4711");
  make_equal(out, "write m.", DIGITS, ".part", "4711");
}

/* ---- what is asked of it ----------------------------------------------------------------------
 */

static int count_lines(const char *message, const char *start) {
  int count = 0;
  for (const char *line = message, *end; *line; line = end) {
    end = strchr(line, '\n');
    end = end ? end + 1 : line + strlen(line);
    count += strncmp(line, start, strlen(start)) == 0;
  }
  return count;
}

#define ck_row(row, condition, ...)                                                                \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      char why_[SCRIPT_BYTES_MAX];                                                                 \
      (void)snprintf(why_, sizeof why_, __VA_ARGS__);                                              \
      ck_abort_msg("\"%s\": %s", (row)->what, why_);                                               \
    }                                                                                              \
  } while (0)

static void check_message(const situation *row, const met *m) {
  ck_row(row, m->code == row->code, "exit %d, not %d: %s", m->code, row->code, m->message);
  for (int i = 0; i < SITUATION_SAYS_MAX && row->says[i]; i++) {
    ck_row(row, strstr(m->message, row->says[i]), "\"%s\" lacks \"%s\"", m->message, row->says[i]);
  }
  ck_row(row, row->says[0] && row->remedy, "a row names what is wrong and what to do");
  ck_row(row, strstr(m->message, row->remedy), "\"%s\" lacks the remedy \"%s\"", m->message,
         row->remedy);
  const char *kind = row->code == 0 ? "" : row->code == 75 ? "warning: " : "error: ";
  ck_row(row, count_lines(m->message, "") == 1 && count_lines(m->message, kind) == 1,
         "not one message: \"%s\"", m->message);
}

static char *listing(const situation *row, const char *folder) {
  ck_row(row, run_in(folder, LISTING, NULL) == 0, "no listing: %s", said(folder, "err"));
  return said(folder, "out");
}

static void check_folder(const situation *row, const char *folder, const char *was) {
  if (!row->changes && !row->holder) {
    const char *is = listing(row, folder);
    ck_row(row, !strcmp(was, is), "the folder was\n%s\nand is\n%s", was, is);
  }
  ck_row(row, run_in(folder, LEFTOVERS, NULL) == 0, "%s", said(folder, "err"));
  const char *left = said(folder, "out");
  if (row->changes) ck_row(row, !*left, "left behind: %s", left);
}

/* ---- meeting ----------------------------------------------------------------------------------
 */

static void wait_until_held(const situation *row, const char *folder, pid_t holder) {
  enum { TRIES = 1000 };
  char path[PATH_MAX];
  struct stat info;
  (void)snprintf(path, sizeof path, "%s/nightjar.db.lock", folder);
  for (int i = 0; i < TRIES; i++) {
    ck_row(row, waitpid(holder, NULL, WNOHANG) == 0, "the holder ended: %s", said(folder, "err"));
    if (stat(path, &info) == 0 && info.st_size > 0) return;
    (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
  ck_row(row, 0, "the holder took no lock");
}

static pid_t hold(const situation *row, const char *folder) {
  char script[SCRIPT_BYTES_MAX], outputs[PATH_MAX];
  (void)snprintf(script, sizeof script, "exec \"$NIGHTJAR\" %s", row->holder);
  (void)snprintf(outputs, sizeof outputs, "%s.holder", folder);
  pid_t holder = start_in(folder, outputs, script, NULL);
  wait_until_held(row, folder, holder);
  return holder;
}

void situation_meet(const situation *row, const char *folder, met *out) {
  ck_assert_int_eq(mkdir(folder, 0755), 0);
  if (row->before) {
    ck_row(row, run_in(folder, script_of("set -e\n", row->before), NULL) == 0, "setting up: %s",
           said(folder, "err"));
  }
  pid_t holder = row->holder ? hold(row, folder) : 0;
  const char *was = holder ? "" : listing(row, folder);
  out->code = run_in(folder, row->here ? "" : script_of("", row->command), row->here);
  char *data = said(folder, "out"), *messages = said(folder, "err");
  keep_message(messages, out->code, folder, out->message);
  if (holder) {
    ck_assert_int_eq(kill(holder, SIGINT), 0);
    ck_row(row, program_wait(holder) == 75, "the holder did not stop by itself");
  }
  ck_row(row, out->code >= 0, "signal %d ended the program: %s", -out->code, messages);
  ck_row(row, *out->message, "no message, exit %d: %s", out->code, messages);
  check_message(row, out);
  ck_row(row, !*data, "data was printed: %s", data);
  check_folder(row, folder, was);
}
