#include "pipeline/command.h"

#include "store/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int option_count(const command *c) {
  int count = 0;
  while (c->options && c->options[count].name)
    count++;
  return count;
}

static int find_option(const command *c, const char *name, size_t bytes) {
  for (int i = 0; i < option_count(c); i++) {
    if (strlen(c->options[i].name) == bytes && !memcmp(c->options[i].name, name, bytes)) return i;
  }
  return -1;
}

static status unknown_option(const command *c, const char *argument, detail *err) {
  size_t dashes = strspn(argument, "-");
  const char *known[COMMAND_OPTIONS_MAX + 3] = {"db", "json", "help"};
  size_t count = 3;
  for (int i = 0; i < option_count(c); i++)
    known[count++] = c->options[i].name;
  const char *near = text_nearest(argument + dashes, known, count);
  if (near) {
    return fault(err, E_USAGE, "unknown option '%s'; did you mean --%s?", argument, near);
  }
  return fault(err, E_USAGE, "unknown option '%s'; see nightjar %s --help", argument, c->name);
}

/* The last of two values would win in silence. */
static status keep_value(const char **place, const char *option, size_t option_bytes,
                         const char *value, detail *err) {
  if (*place) {
    return fault(err, E_USAGE, "%.*s is given twice, as %s and %s; give it once", (int)option_bytes,
                 option, *place, value);
  }
  *place = value;
  return OK;
}

/* "--name=value" or "--name value"; *at moves over what was used. */
static status parse_option(invocation *in, const command *c, int argc, char **argv, int *at,
                           detail *err) {
  const char *argument = argv[*at], *equals = strchr(argument, '=');
  size_t bytes = equals ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
  const char *name = argument + 2;
  if (bytes == 4 && !memcmp(name, "json", 4) && !equals) {
    if (!c->prints_data) {
      return fault(err, E_USAGE, "nightjar %s has no --json, for it prints no data; remove it",
                   c->name);
    }
    in->json = 1;
    return OK;
  }
  int is_db = bytes == 2 && !memcmp(name, "db", 2);
  if (is_db && c->names_stores) {
    return fault(err, E_USAGE, "nightjar %s has no --db: it names its stores, as in %s %s", c->name,
                 c->name, c->arguments);
  }
  if (is_db && c->without_store) {
    return fault(err, E_USAGE, "nightjar %s has no --db, for it reads no store; remove it",
                 c->name);
  }
  int i = find_option(c, name, bytes);
  if (i < 0 && !is_db) return unknown_option(c, argument, err);
  if (!is_db && !c->options[i].value) {
    if (equals) {
      return fault(err, E_USAGE, "'%s': this option takes no value; say --%.*s", argument,
                   (int)bytes, name);
    }
    in->values[i] = "";
    return OK;
  }
  const char *value = equals ? equals + 1 : NULL;
  if (!value && *at + 1 < argc) value = argv[++*at];
  if (!value || !*value) {
    return fault(err, E_USAGE, "--%.*s needs a value, as in --%.*s %s", (int)bytes, name,
                 (int)bytes, name, is_db ? "FILE" : c->options[i].value);
  }
  return keep_value(is_db ? &in->db : &in->values[i], argument, bytes + 2, value, err);
}

status command_parse(invocation *in, const command *c, int argc, char **argv, int first, int *help,
                     detail *err) {
  REQUIRE(option_count(c) <= COMMAND_OPTIONS_MAX);
  in->command = c;
  *help = 0;
  int only_arguments = 0;
  for (int i = first; i < argc; i++) {
    if (!only_arguments && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
      *help = 1;
      return OK;
    }
    if (!only_arguments && !strcmp(argv[i], "--")) {
      only_arguments = 1;
    } else if (!only_arguments && !strncmp(argv[i], "--", 2)) {
      status s = parse_option(in, c, argc, argv, &i, err);
      if (s) return s;
    } else if (!only_arguments && !strcmp(argv[i], "-o") && find_option(c, "output", 6) >= 0) {
      if (i + 1 == argc) return fault(err, E_USAGE, "-o needs a value, as in -o FILE");
      const char **place = &in->values[find_option(c, "output", 6)];
      status s = keep_value(place, argv[i], 2, argv[i + 1], err);
      if (s) return s;
      i++;
    } else if (!only_arguments && argv[i][0] == '-' && argv[i][1]) {
      return unknown_option(c, argv[i], err);
    } else if (in->argument_count == c->arguments_max) {
      return fault(err, E_USAGE, "unexpected '%s'; usage: nightjar %s %s", argv[i], c->name,
                   c->arguments);
    } else {
      in->arguments[in->argument_count++] = argv[i];
    }
  }
  if (in->argument_count < c->arguments_min) {
    return fault(err, E_USAGE, "an argument is missing; usage: nightjar %s %s", c->name,
                 c->arguments);
  }
  if (!in->db) in->db = "nightjar.db";
  return OK;
}

void command_help(const command *c, FILE *out) {
  (void)fprintf(out, "usage: nightjar %s%s%s [options]\n\n%s\n\noptions\n", c->name,
                *c->arguments ? " " : "", c->arguments, c->summary);
  for (int i = 0; i < option_count(c); i++) {
    char left[64];
    (void)snprintf(left, sizeof left, "--%s %s", c->options[i].name,
                   c->options[i].value ? c->options[i].value : "");
    (void)fprintf(out, "  %-28s %s\n", left, c->options[i].help);
  }
  if (!c->names_stores && !c->without_store) {
    (void)fprintf(out, "  %-28s %s\n", "--db FILE", "the store (default nightjar.db)");
  }
  if (c->prints_data) (void)fprintf(out, "  %-28s %s\n", "--json", "the data as JSON");
  if (c->more) (void)fprintf(out, "\n%s", c->more);
}

const char *command_value(const invocation *in, const char *name) {
  int i = find_option(in->command, name, strlen(name));
  REQUIRE(i >= 0);
  return in->values[i];
}

int command_flag(const invocation *in, const char *name) {
  return command_value(in, name) != NULL;
}

static int read_integer(const char *from, char **end, int64_t *out) {
  errno = 0;
  long long value = strtoll(from, end, 10);
  *out = value;
  return *end != from && errno == 0;
}

status command_integer(const invocation *in, const char *name, int64_t low, int64_t high,
                       int64_t fallback, int64_t *out, detail *err) {
  const char *value = command_value(in, name);
  *out = fallback;
  if (!value) return OK;
  char *end;
  if (!read_integer(value, &end, out) || *end || *out < low || *out > high) {
    char most[32] = " on";
    if (high < INT64_MAX) (void)snprintf(most, sizeof most, " to %lld", (long long)high);
    return fault(err, E_USAGE, "--%s must be an integer from %lld%s, not '%s'", name,
                 (long long)low, most, value);
  }
  return OK;
}

status command_range(const invocation *in, const char *name, int64_t low, int64_t high,
                     int64_t *from, int64_t *to, detail *err) {
  const char *value = command_value(in, name);
  if (!value) return OK;
  if (!text_range(value, from, to) || *from < low || *to > high) {
    return fault(err, E_USAGE, "--%s must be n or a-b within %lld to %lld, not '%s'", name,
                 (long long)low, (long long)high, value);
  }
  return OK;
}

status command_duration(const invocation *in, const char *name, int64_t *seconds, detail *err) {
  const char *value = command_value(in, name);
  *seconds = 0;
  if (!value) return OK;
  for (char *at = (char *)(uintptr_t)value; *at;) {
    int64_t count;
    int64_t unit;
    int good = read_integer(at, &at, &count) && count >= 0 && count <= 1000000;
    unit = *at == 'h' ? 3600 : *at == 'm' ? 60 : *at == 's' ? 1 : 0;
    if (!good || !unit) {
      return fault(err, E_USAGE, "--%s must be a duration such as 90s, 45m or 1h30m, not '%s'",
                   name, value);
    }
    *seconds += count * unit;
    at++;
  }
  if (*seconds == 0) return fault(err, E_USAGE, "--%s must be longer than nothing", name);
  return OK;
}

status command_output_failed(int cause, detail *err) {
  return fault(err, E_IO, "cannot write the output (%s): make room, or send it elsewhere",
               cause == EBADF ? "it is closed" : strerror(cause));
}

status command_print(const invocation *in, const text *t, detail *err) {
  status s = text_state(t, err);
  if (s) return s;
  if (fwrite(text_string(t), 1, t->bytes, in->out) != t->bytes || fflush(in->out)) {
    if (errno == EPIPE) return OK; /* the reader has had enough */
    return command_output_failed(errno, err);
  }
  return OK;
}

status command_class(const invocation *in, const char **out, detail *err) {
  enum { NAME_BYTES_MAX = 32 };
  const char *name = *out = command_value(in, "new-class");
  size_t bytes = name ? strlen(name) : 1;
  int good = bytes > 0 && bytes <= NAME_BYTES_MAX;
  for (const char *c = name; good && c && *c; c++)
    good = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || strchr("._+-", *c) != NULL;
  if (good) return OK;
  return fault(
      err, E_USAGE,
      "--new-class must be a name of 1 to %d of the characters a-z, 0-9 and ._+-, not '%s'",
      (int)NAME_BYTES_MAX, name);
}

static int make_folder(const char *path) {
  return mkdir(path, 0777) == 0 || errno == EEXIST;
}

static int find_cache(char out[PATH_MAX]) {
  char folder[PATH_MAX - 32];
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int bytes = 0;
  if (cache && cache[0] == '/') {
    bytes = snprintf(folder, sizeof folder, "%s", cache);
  } else if (home && home[0] == '/') {
    bytes = snprintf(folder, sizeof folder, "%s/.cache", home);
  }
  if (bytes <= 0 || (size_t)bytes >= sizeof folder || !make_folder(folder)) return 0;
  (void)snprintf(out, PATH_MAX, "%s/nightjar", folder);
  if (!make_folder(out)) return 0;
  (void)snprintf(out, PATH_MAX, "%s/nightjar/models", folder);
  return 1;
}

const char *command_model_cache(const invocation *in, char out[PATH_MAX]) {
  if (find_cache(out)) return out;
  log_warn(in->messages, "no folder for a cache of hashes (XDG_CACHE_HOME, HOME): it is "
                         "computed anew");
  return NULL;
}

status command_store(const invocation *in, store_access access, store **out, detail *err) {
  if (euidaccess(in->db, F_OK)) {
    return fault(err, E_INPUT,
                 "there is no store '%s'; make one with nightjar tasks make or name another with "
                 "--db FILE",
                 in->db);
  }
  return store_open(out, in->db, access, in->messages, err);
}

status command_job_at(store *s, const char *only, int64_t place, text *name, int *found,
                      detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT name FROM job WHERE name = ?1 OR ?1 IS NULL ORDER BY name "
                             "LIMIT 1 OFFSET ?2",
                             err);
  *found = 0;
  text_clear(name);
  if (failed) return failed;
  query_bind_text(q, 1, only);
  query_bind_int(q, 2, place);
  failed = query_next(q, found, err);
  if (!failed && *found) text_put(name, query_text(q, 0));
  query_close(q);
  return failed ? failed : text_state(name, err);
}

int command_exit_code(status s, int failed_samples) {
  switch (s) {
  case OK: return failed_samples ? 1 : 0;
  case E_USAGE: return 2;
  case E_INPUT:
  case E_LIMIT: return 3;
  case E_MEMORY:
  case E_DEVICE: return 4;
  case E_IO:
  case E_STORE:
  case E_BUSY: return 5;
  case E_STOPPED: return 75;
  }
  return 5;
}
