#include "tests/support/program.h"

#include "tests/support/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 30 };

static void redirect(int descriptor, const char *path) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || dup2(file, descriptor) < 0) _exit(126);
  (void)close(file);
}

pid_t program_start(const char *const *argv, const char *out_path, const char *err_path) {
  const char *program = getenv("NIGHTJAR");
  ck_assert_msg(program != NULL, "NIGHTJAR must hold the program's path");
  char *all[ARGUMENTS_MAX + 2] = {(char *)(uintptr_t)program};
  int count = 1;
  for (; argv[count - 1]; count++) {
    ck_assert_int_lt(count, ARGUMENTS_MAX);
    all[count] = (char *)(uintptr_t)argv[count - 1];
  }
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    redirect(STDOUT_FILENO, out_path);
    redirect(STDERR_FILENO, err_path);
    (void)execv(program, all);
    _exit(127);
  }
  return pid;
}

int program_wait(pid_t pid) {
  int how;
  ck_assert_int_eq(waitpid(pid, &how, 0), pid);
  return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

int program_run(const char *const *argv, const char *out_path, const char *err_path) {
  return program_wait(program_start(argv, out_path, err_path));
}

/* The output of `sqlite3 db sql` into a file. */
static void shell(const char *db, const char *sql, const char *out_path) {
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    redirect(STDOUT_FILENO, out_path);
    (void)execlp("sqlite3", "sqlite3", "-readonly", "-batch", db, sql, (char *)NULL);
    _exit(127);
  }
  ck_assert_msg(program_wait(pid) == 0, "sqlite3 failed on: %s", sql);
}

const char *program_sqlite(const char *db, const char *sql) {
  static char *answer;
  static const char *path;
  if (!path) path = support_path("sqlite.out");
  shell(db, sql, path);
  size_t bytes;
  free(answer);
  answer = support_read(path, &bytes);
  if (bytes && answer[bytes - 1] == '\n') answer[bytes - 1] = 0;
  return answer;
}

static const char PROMISED[] =
    "SELECT hex(r.identity), hex(t.hash), s.repeat, s.status, s.limit_met, s.answer, s.vote_key,"
    " s.tokens_generated, s.tokens_injected, s.tokens_prompt, s.tokens_finisher, s.tokens_total,"
    " s.tokens_ref, s.seq_critical_path, s.seq_critical_path_injected, s.seq_longest_sequence,"
    " s.seq_forwards, s.context_peak, s.wait_steps, s.flops, s.kv_token_steps, s.nodes_explored,"
    " s.nodes_duplicate, s.threads, s.children, s.children_refused, s.rounds"
    " FROM sample s JOIN run r ON r.id = s.run JOIN task t ON t.id = s.task"
    " ORDER BY r.identity, t.hash, s.repeat;"
    "SELECT hex(r.identity), hex(t.hash), s.repeat, h.ordinal, h.parent, h.path, h.role, h.worker,"
    " h.round, h.spawn_token, h.join_token, h.tokens_prompt, h.tokens_fed, h.tokens_generated,"
    " h.tokens_seen, h.answer, h.finish, h.logical_start, h.logical_end, h.wait_steps, h.bits_hash"
    " FROM thread h JOIN sample s ON s.id = h.sample JOIN run r ON r.id = s.run"
    " JOIN task t ON t.id = s.task ORDER BY r.identity, t.hash, s.repeat, h.ordinal;"
    "SELECT hex(r.identity), hex(t.hash), s.repeat, x.thread, hex(x.text), x.text_bytes, x.layout"
    " FROM trace x JOIN sample s ON s.id = x.sample JOIN run r ON r.id = s.run"
    " JOIN task t ON t.id = s.task ORDER BY r.identity, t.hash, s.repeat, x.thread;"
    "SELECT hex(r.identity), hex(t.hash), s.repeat, v.thread, v.checker, v.version, v.correct,"
    " v.reason, v.score FROM verdict v JOIN sample s ON s.id = v.sample JOIN run r ON r.id = s.run"
    " JOIN task t ON t.id = s.task ORDER BY r.identity, t.hash, s.repeat, v.thread, v.checker;"
    "SELECT job, ordinal, name, family, checker, repeats, tasks, axes FROM condition"
    " ORDER BY job, name;";

hash program_promised(const char *db) {
  static const char *path;
  if (!path) path = support_path("promised.out");
  shell(db, PROMISED, path);
  size_t bytes;
  char *all = support_read(path, &bytes);
  ck_assert_uint_gt(bytes, 0);
  hash h = hash_of(all, bytes);
  free(all);
  return h;
}
