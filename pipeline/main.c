#include "pipeline/output.h"

#include <errno.h>
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

/* "tasks" alone, or with something that is none of its commands. */
static int print_group(int argc, char **argv) {
  size_t bytes = strlen(argv[1]);
  int found = 0, asked = argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"));
  FILE *out = asked ? stdout : stderr;
  for (int i = 0; i < COMMANDS; i++) {
    if (strncmp(commands[i]->name, argv[1], bytes) != 0 || commands[i]->name[bytes] != ' ')
      continue;
    if (!found++) (void)fprintf(out, "usage: nightjar %s COMMAND [options]\n\n", argv[1]);
    (void)fprintf(out, "  %-28s %s\n", commands[i]->name, commands[i]->summary);
  }
  if (!found) return -1;
  return asked ? 0 : 2;
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

static int unknown_command(int argc, char **argv) {
  char given[128];
  (void)snprintf(given, sizeof given, "%s%s%s", argv[1], argc > 2 ? " " : "",
                 argc > 2 ? argv[2] : "");
  const char *names[2 * COMMANDS];
  for (int i = 0; i < COMMANDS; i++)
    names[i] = commands[i]->name;
  const char *near = text_nearest(argv[1], names, COMMANDS);
  if (!near) near = text_nearest(given, names, COMMANDS);
  (void)fprintf(stderr, "nightjar: unknown command '%s'", argv[1]);
  (void)fprintf(stderr, near ? "; did you mean '%s'?\n" : "; see nightjar --help\n", near);
  return 2;
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

int main(int argc, char **argv) {
  if (argc < 2) {
    print_usage(stderr);
    return 2;
  }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
    print_usage(stdout);
    return printed();
  }
  if (!strcmp(argv[1], "--version")) {
    (void)puts("nightjar " NIGHTJAR_VERSION);
    return printed();
  }
  json_install();
  /* A reader that has had enough ends no night: writes fail with EPIPE and are dealt with. */
  (void)signal(SIGPIPE, SIG_IGN);
  int first = 0, help = 0, failed_samples = 0;
  const command *c = find_command(argc, argv, &first);
  if (!c) {
    int code = print_group(argc, argv);
    return code >= 0 ? code : unknown_command(argc, argv);
  }

  detail err = {0};
  int terminal = isatty(STDERR_FILENO), plain = getenv("NO_COLOR") != NULL;
  invocation in = {.db = "nightjar.db",
                   .out = stdout,
                   .color = !plain && isatty(STDOUT_FILENO),
                   .width = terminal_width(),
                   .failed_samples = &failed_samples};
  status s = log_open(&in.messages, stderr, terminal, terminal && !plain, &err);
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
