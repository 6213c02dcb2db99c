#include "pipeline/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const command *const commands[] = {
#define X(name) &command_##name,
    COMMAND_LIST(X)
#undef X
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out) {
  (void)fputs("nightjar " NIGHTJAR_VERSION
              ": reasoning evaluations overnight, every sample in one SQLite file\n\n"
              "usage: nightjar COMMAND [options]\n\n",
              out);
  for (int i = 0; i < COMMANDS; i++) {
    char left[64];
    (void)snprintf(left, sizeof left, "%s %s", commands[i]->name, commands[i]->arguments);
    (void)fprintf(out, "  %-28s %s\n", left, commands[i]->summary);
  }
  (void)fputs("\nnightjar COMMAND --help says more. --db FILE names the store (default "
              "nightjar.db).\n",
              out);
}

static int is_in_group(const command *c, const char *group) {
  size_t bytes = strlen(group);
  return !strncmp(c->name, group, bytes) && c->name[bytes] == ' ';
}

/* "tasks --help"; 0 where there is no such group. */
static int print_group(const char *group) {
  int found = 0;
  for (int i = 0; i < COMMANDS; i++) {
    if (!is_in_group(commands[i], group)) continue;
    if (!found++) (void)printf("usage: nightjar %s COMMAND [options]\n\n", group);
    (void)printf("  %-28s %s\n", commands[i]->name, commands[i]->summary);
  }
  return found;
}

/* The command that argv names; *first is the first argument behind its name. */
static const command *find_command(int argc, char **argv, int *first) {
  for (int i = 0; i < COMMANDS; i++) {
    const char *space = strchr(commands[i]->name, ' ');
    size_t word = space ? (size_t)(space - commands[i]->name) : strlen(commands[i]->name);
    if (strlen(argv[1]) != word || memcmp(argv[1], commands[i]->name, word)) continue;
    if (space && (argc < 3 || strcmp(argv[2], space + 1))) continue;
    *first = space ? 3 : 2;
    return commands[i];
  }
  return NULL;
}

static status unknown_command(const char *first, const char *second, detail *err) {
  char given[128];
  const char *names[COMMANDS];
  int grouped = 0;
  for (int i = 0; i < COMMANDS; i++) {
    names[i] = commands[i]->name;
    grouped |= is_in_group(commands[i], first);
  }
  (void)snprintf(given, sizeof given, "%s%s%s", first, second ? " " : "", second ? second : "");
  const char *near = text_nearest(given, names, COMMANDS);
  if (!near) near = text_nearest(first, names, COMMANDS);
  if (near) {
    return fault(err, E_USAGE, "unknown command '%s'; did you mean '%s'?", grouped ? given : first,
                 near);
  }
  if (!grouped) return fault(err, E_USAGE, "unknown command '%s'; see nightjar --help", first);
  return fault(err, E_USAGE, "%s '%s'; see nightjar %s --help",
               second ? "unknown command" : "a command is missing behind", given, first);
}

/* A file that is opened where an output was closed would be printed into: the place is taken by
   what cannot be written. */
static void keep_streams(void) {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
    if (fcntl(stream, F_GETFD) < 0) (void)open("/dev/null", O_RDONLY);
  }
}

/* The exit code after a page of help: what was asked for and could not be written is no success,
   unless its reader has had enough. */
static int printed(void) {
  int whole = fflush(stdout) == 0 && !ferror(stdout);
  return whole || errno == EPIPE ? 0 : command_exit_code(E_IO, 0);
}

static int terminal_width(void) {
  struct winsize size;
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* What a message quotes from a file or a store may be no text for a terminal. */
static void print_failure(logger *messages, status s, const detail *err) {
  char line[1200];
  text shown;
  text_open(&shown, 4 * sizeof line);
  (void)detail_line(err, line, sizeof line);
  output_printable(&shown, line, strlen(line));
  log_progress_end(messages);
  if (s == E_STOPPED) {
    log_warn(messages, "%s", text_state(&shown, NULL) ? line : text_string(&shown));
  } else {
    log_error(messages, "%s", text_state(&shown, NULL) ? line : text_string(&shown));
  }
  text_close(&shown);
}

/* "help run" asks what "run --help" does. */
static void turn_help(int argc, char **argv) {
  static char help[] = "--help";
  if (argc < 3 || strcmp(argv[1], "help") != 0) return;
  memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof *argv);
  argv[argc - 1] = help;
}

int main(int argc, char **argv) {
  keep_streams();
  turn_help(argc, argv);
  if (argc < 2) {
    print_usage(stderr);
    return 2;
  }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
    print_usage(stdout);
    return printed();
  }
  if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
    (void)puts("nightjar " NIGHTJAR_VERSION);
    return printed();
  }
  json_install();
  /* A reader that has had enough ends no night: writes fail with EPIPE and are dealt with. */
  (void)signal(SIGPIPE, SIG_IGN);
  int first = 0, help = 0, failed_samples = 0;
  const command *c = find_command(argc, argv, &first);
  const char *second = argc > 2 ? argv[2] : NULL;
  if (!c && second && (!strcmp(second, "--help") || !strcmp(second, "-h")) &&
      print_group(argv[1])) {
    return printed();
  }

  detail err = {0};
  int terminal = isatty(STDERR_FILENO), plain = getenv("NO_COLOR") != NULL;
  invocation in = {.out = stdout,
                   .color = !plain && isatty(STDOUT_FILENO),
                   .width = terminal_width(),
                   .failed_samples = &failed_samples};
  status s = log_open(&in.messages, stderr, terminal, terminal && !plain, &err);
  if (!s && !c) s = unknown_command(argv[1], second, &err);
  if (!s) s = command_parse(&in, c, argc, argv, first, &help, &err);
  if (!s && help) {
    command_help(c, stdout);
  } else if (!s) {
    s = c->run(&in, &err);
  }
  if (s) print_failure(in.messages, s, &err);
  log_close(in.messages);
  return !s && help ? printed() : command_exit_code(s, failed_samples);
}
