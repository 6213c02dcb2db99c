#include "tests/pipeline/fake_modes.h"

#include "solvers/mode.h"

#include <string.h>

static const char *const searches[] = {"dfs", "bfs", "sosp", "apr", NULL};
static const option fake_options[] = {
    {"search", OPTION_CHOICE, searches, 0, 0, "how nodes are chosen"},
    {"beam", OPTION_INTEGER, NULL, 1, 100, "successors kept"},
    {"child_beam", OPTION_INTEGER, NULL, 1, 100, "the same in children"},
    {"limit.context", OPTION_INTEGER, NULL, 128, 1000000, "tokens of a context"},
    {"limit.children", OPTION_INTEGER, NULL, 0, 1000, "children of a sample"},
    {"targets", OPTION_RANGE, NULL, 1, 1000, "a target per sample"},
    {"temperature", OPTION_REAL, NULL, 0, 2, "of sampling"},
    {"prompt", OPTION_TEXT, NULL, 1, 100, "what is asked"},
    {"stop", OPTION_TEXTS, NULL, 1, 20, "what ends a thread"},
};
static const option reason_options[] = {
    {"stop", OPTION_TEXTS, NULL, 1, 20, "what ends a thread"},
    {"suppress", OPTION_TEXTS, NULL, 1, 20, "tokens that are never sampled"},
    {"begin", OPTION_INTEGER, NULL, 0, 4, "tokens before the prompt"},
    {"label.tokens", OPTION_INTEGER, NULL, 1, 100000, "told to the model"},
    {"limit.context", OPTION_INTEGER, NULL, 1, 100000, "tokens of a thread"},
    {"finisher.tokens", OPTION_INTEGER, NULL, 1, 100, "that an answer may take"},
    {"sampling.temperature", OPTION_REAL, NULL, 0, 100, "0: greedy"},
    {"sampling.top_k", OPTION_INTEGER, NULL, 0, 1000000, "likeliest tokens; 0: all"},
    {"sampling.top_p", OPTION_REAL, NULL, 0, 1, "their mass"},
    {"sampling.min_p", OPTION_REAL, NULL, 0, 1, "of the likeliest one's"},
};

static int set_default(json_t *parameters, const char *key, json_t *value) {
  if (!json_object_get(parameters, key)) return json_object_set_new(parameters, key, value) == 0;
  json_decref(value);
  return 1;
}

static status fake_resolve(json_t *parameters, detail *err) {
  int good = set_default(parameters, "search", json_string("sosp")) &&
             set_default(parameters, "beam", json_integer(5));
  const char *search = json_string_value(json_object_get(parameters, "search"));
  int is_apr = strcmp(search, "apr") == 0;
  if (json_object_get(parameters, "child_beam") && !is_apr) {
    return fault(err, E_INPUT, "child_beam is for search: apr");
  }
  json_t *beam = json_object_get(parameters, "beam");
  if (is_apr) good = good && set_default(parameters, "child_beam", json_copy(beam));
  return good ? OK : fault(err, E_MEMORY, "no memory for parameters");
}

static status plain_resolve(json_t *parameters, detail *err) {
  (void)err;
  REQUIRE(json_object_size(parameters) == 0);
  return OK;
}

/* Fills nothing and refuses nothing. */
static status reason_resolve(json_t *parameters, detail *err) {
  (void)err;
  REQUIRE(json_is_object(parameters));
  return OK;
}

static const mode fake_mode = {.name = "fake",
                               .rules = "fake-1",
                               .token_unit = "llama2",
                               .options = fake_options,
                               .option_count = sizeof fake_options / sizeof *fake_options,
                               .resolve = fake_resolve};
static const mode plain_mode = {
    .name = "plain", .rules = "plain-1", .token_unit = "llama2", .resolve = plain_resolve};

/* Never opened: a job only asks whether a mode has one. */
static const mode_machine no_machine = {0};
static const mode reason_mode = {.name = "reason",
                                 .rules = "reason-1",
                                 .options = reason_options,
                                 .option_count = sizeof reason_options / sizeof *reason_options,
                                 .resolve = reason_resolve,
                                 .machine = &no_machine};

status fake_read(job **out, const char *bytes, size_t count, detail *err) {
  static const mode *const modes[] = {&fake_mode, &plain_mode, &reason_mode};
  static const char *const checkers[] = {"countdown", "countdown-lenient"};
  job_source source = {"job.yaml", bytes, count, modes, 3, checkers, 2};
  return job_read(out, &source, err);
}

job *fake_job(const char *file) {
  detail err = {0};
  job *j = NULL;
  status s = fake_read(&j, file, strlen(file), &err);
  ck_assert_msg(s == OK, "%s:%d: %s\n%s", err.file, err.line, err.text, file);
  return j;
}

void fake_canonical(const json_t *value, text *out) {
  detail err = {0};
  text_open(out, JSON_BYTES_MAX);
  ck_ok(json_canonical(value, out, &err));
}
