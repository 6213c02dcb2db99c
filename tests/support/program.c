#include "tests/support/program.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 40, EXEC_FAILED = 127, KEPT_MAX = 1000 };

/* What outcomes point to stays reachable until the process ends, for checkers of leaks. */
static char *kept[KEPT_MAX];
static int kept_count;

static char *keep(char *block) {
  ck_assert_ptr_nonnull(block);
  ck_assert_int_lt(kept_count, KEPT_MAX);
  return kept[kept_count++] = block;
}

char *program_read(const char *path) {
  return keep(support_read(path, NULL));
}

static _Noreturn void become_program(const char *const *arguments) {
  const char *path = getenv("NIGHTJAR");
  char *list[ARGUMENTS_MAX + 2] = {(char *)(uintptr_t) "nightjar"};
  for (int i = 0; arguments[i] && i < ARGUMENTS_MAX; i++)
    list[i + 1] = (char *)(uintptr_t)arguments[i];
  if (path) (void)execv(path, list);
  _exit(EXEC_FAILED);
}

static void send_to(const char *path, int stream) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || dup2(file, stream) < 0) _exit(EXEC_FAILED);
}

pid_t program_start(const char *const *arguments) {
  const char *out = support_path("stdout"), *err = support_path("stderr");
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    send_to(out, STDOUT_FILENO);
    send_to(err, STDERR_FILENO);
    become_program(arguments);
  }
  return child;
}

int program_wait(pid_t child) {
  int state;
  ck_assert_int_eq(waitpid(child, &state, 0), child);
  return WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
}

static int wait_for(pid_t child) {
  int code = program_wait(child);
  ck_assert_msg(code >= 0, "a signal ended the program: %d", -code);
  ck_assert_msg(code != EXEC_FAILED, "NIGHTJAR does not name the program");
  return code;
}

outcome program_run_bounded(const char *const *arguments, size_t file_bytes) {
  const char *out = support_path("stdout"), *err = support_path("stderr");
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    send_to(out, STDOUT_FILENO);
    send_to(err, STDERR_FILENO);
    if (file_bytes) {
      struct rlimit limit = {file_bytes, file_bytes};
      (void)signal(SIGXFSZ, SIG_IGN);
      if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(EXEC_FAILED);
    }
    become_program(arguments);
  }
  outcome o = {.code = wait_for(child)};
  o.out = keep(support_read(out, &o.out_bytes));
  o.err = program_read(err);
  return o;
}

outcome program_run(const char *const *arguments) {
  return program_run_bounded(arguments, 0);
}

outcome program_run_into(const char *const *arguments, const char *path) {
  const char *err = support_path("stderr");
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    send_to(path, STDOUT_FILENO);
    send_to(err, STDERR_FILENO);
    become_program(arguments);
  }
  outcome o = {.code = wait_for(child), .out = keep(calloc(1, 1))};
  o.err = program_read(err);
  return o;
}

outcome program_run_on_terminal(const char *const *arguments) {
  enum { BYTES_MAX = 1 << 20 };
  int terminal;
  pid_t child = forkpty(&terminal, NULL, NULL, NULL);
  ck_assert_int_ge(child, 0);
  if (child == 0) become_program(arguments);
  outcome o = {.out = keep(calloc(BYTES_MAX, 1)), .err = keep(calloc(1, 1))};
  for (ssize_t count; o.out_bytes + 1 < BYTES_MAX; o.out_bytes += (size_t)count) {
    count = read(terminal, o.out + o.out_bytes, BYTES_MAX - 1 - o.out_bytes);
    if (count < 0 && errno == EINTR)
      count = 0;
    else if (count <= 0)
      break; /* EIO: the program has closed its end */
  }
  o.code = wait_for(child);
  (void)close(terminal);
  return o;
}

json_t *program_json(const char *bytes) {
  detail err = {0};
  json_t *value = NULL;
  status s = json_read(&value, bytes, strlen(bytes), "output", 1, &err);
  ck_assert_msg(s == OK, "%s in: %s", err.text, bytes);
  return value;
}

/* The output of `sqlite3 db sql` in a file; the shell may write, since a killed run's log has to be
   taken up before it can be read; it waits for a run that is at its start or its end. */
static const char *ask_shell(const char *db, const char *sql) {
  const char *out = support_path("sqlite3");
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    send_to(out, STDOUT_FILENO);
    (void)execlp("sqlite3", "sqlite3", "-batch", "-cmd", ".timeout 10000", db, sql, (char *)NULL);
    _exit(EXEC_FAILED);
  }
  ck_assert_msg(program_wait(child) == 0, "sqlite3 failed on: %s", sql);
  return out;
}

const char *program_sqlite(const char *db, const char *sql) {
  char *answer = program_read(ask_shell(db, sql));
  size_t bytes = strlen(answer);
  if (bytes && answer[bytes - 1] == '\n') answer[bytes - 1] = 0;
  return answer;
}

int64_t program_count(const char *db, const char *sql) {
  char *answer = support_read(ask_shell(db, sql), NULL);
  int64_t count = atoll(answer);
  free(answer);
  return count;
}

const char program_promised_sql[] =
    "SELECT hex(r.identity), hex(t.hash), s.repeat, s.status, s.limit_met, s.answer, s.vote_key,"
    " s.tokens_generated, s.tokens_injected, s.tokens_prompt, s.tokens_finisher, s.tokens_total,"
    " s.tokens_ref, s.seq_critical_path, s.seq_critical_path_injected, s.seq_longest_sequence,"
    " s.seq_forwards, s.context_peak, s.wait_steps, quote(s.flops), s.kv_token_steps, "
    "s.nodes_explored,"
    " s.nodes_duplicate, s.threads, s.children, s.children_refused, s.rounds"
    " FROM sample s JOIN run r ON r.id = s.run JOIN task t ON t.id = s.task"
    " ORDER BY r.identity, t.hash, s.repeat;"
    "SELECT hex(r.identity), hex(t.hash), s.repeat, h.ordinal, h.parent, h.path, h.role, h.worker,"
    " h.round, h.spawn_token, h.join_token, h.tokens_prompt, h.tokens_fed, h.tokens_generated,"
    " h.tokens_seen, h.answer, h.finish, h.logical_start, h.logical_end, h.wait_steps, h.bits_hash,"
    " h.vote_key, quote(h.logprob)"
    " FROM thread h JOIN sample s ON s.id = h.sample JOIN run r ON r.id = s.run"
    " JOIN task t ON t.id = s.task ORDER BY r.identity, t.hash, s.repeat, h.ordinal;"
    "SELECT hex(r.identity), hex(t.hash), s.repeat, x.thread, hex(x.text), x.text_bytes, "
    "hex(x.ids),"
    " x.ids_bytes, hex(x.logprobs), x.layout"
    " FROM trace x JOIN sample s ON s.id = x.sample JOIN run r ON r.id = s.run"
    " JOIN task t ON t.id = s.task ORDER BY r.identity, t.hash, s.repeat, x.thread;"
    "SELECT hex(r.identity), hex(t.hash), s.repeat, v.thread, v.checker, v.version, v.correct,"
    " v.reason, v.score FROM verdict v JOIN sample s ON s.id = v.sample JOIN run r ON r.id = s.run"
    " JOIN task t ON t.id = s.task ORDER BY r.identity, t.hash, s.repeat, v.thread, v.checker;"
    "SELECT job, ordinal, name, family, checker, repeats, tasks, axes FROM condition"
    " ORDER BY job, name;";

hash program_promised(const char *db) {
  size_t bytes;
  char *all = support_read(ask_shell(db, program_promised_sql), &bytes);
  ck_assert_uint_gt(bytes, 0);
  hash h = hash_of(all, bytes);
  free(all);
  return h;
}

void program_write_job(const char *path, int repeats) {
  static const char job[] = "name: killed\n"
                            "tasks: kill\n"
                            "seed: 9\n"
                            "repeats: %d\n"
                            "conditions:\n"
                            "  - {name: dfs, mode: symbolic, search: dfs, heuristic: [sum, mult]}\n"
                            "  - {name: bfs, mode: symbolic, search: bfs, beam: [1, 3]}\n"
                            "  - {name: sosp, mode: symbolic, search: sosp, beam: [2, 4]}\n"
                            "  - {name: apr, mode: symbolic, search: apr, beam: [3, 6]}\n"
                            "  - {name: serial, mode: symbolic, search: apr-serial, beam: 3,\n"
                            "     limit: {context: [1500, 4000]}}\n"
                            "compare:\n"
                            "  - {a: sosp, b: bfs, axis: tokens_ref, at: [800]}\n";
  char filled[sizeof job + 16];
  (void)snprintf(filled, sizeof filled, job, repeats);
  support_write(path, filled);
}

void program_make_tasks(const char *db, int count) {
  char number[16];
  (void)snprintf(number, sizeof number, "%d", count);
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "kill", "--count", number, "--seed",
                    "3", "--db", db),
           0);
}

const char *program_make_model(const char *name) {
  const char *folder = support_path(name);
  ck_ended(nightjar("model", "synth", "--config", "tiny-llama", "-o", folder), 0);
  return folder;
}

void program_write_reasoning(const char *path, const char *model, int repeats, const char *head) {
  static const char job[] =
      "name: reasoned\n"
      "tasks: kill\n"
      "models: %s\n"
      "sampling: {temperature: 1}\n"
      "seed: 9\n"
      "repeats: %d\n"
      "%s"
      "conditions:\n"
      "  - {name: alone, mode: serial, protocol: countdown-sos, limit: {tokens_thread: [24, 60]}}\n"
      "  - {name: vote, mode: vote, protocol: countdown-sosp, n: [1, 2, 4],\n"
      "     limit: {tokens_thread: [30, 50]}}\n"
      "  - {name: total, mode: vote, protocol: countdown-sosp, n: 3,\n"
      "     limit: {tokens_total: [120, 200]}}\n"
      "  - {name: asked, mode: vote, protocol: countdown-sosp, n: [1, 3], finisher: {tokens: 12},\n"
      "     limit: {tokens_thread: 25}}\n"
      "  - {name: context, mode: serial, protocol: countdown-sosp, limit: {context: [70, 110]}}\n"
      "  - {name: bfs, mode: symbolic, search: bfs, beam: [2, 3]}\n"
      "compare:\n"
      "  - {a: total, b: context, axis: tokens_total, at: [100]}\n";
  char filled[2048];
  ck_assert_int_lt(snprintf(filled, sizeof filled, job, model, repeats, head), (int)sizeof filled);
  support_write(path, filled);
}
