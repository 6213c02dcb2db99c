#include "solvers/symbolic.h"

#include <string.h>

static const char *const search_names[] = {"dfs",        "bfs",     "sosp", "apr",
                                           "apr-serial", "hogwild", NULL};
static const char *const heuristic_names[] = {"sum", "mult", NULL};
static const char *const order_names[] = {"shuffled", "heuristic", "enumeration", NULL};

static const option options[] = {
    {"search", OPTION_CHOICE, search_names, 0, 0, "which search"},
    {"heuristic", OPTION_CHOICE, heuristic_names, 0, 0, "how a state's promise is judged"},
    {"order", OPTION_CHOICE, order_names, 0, 0, "how kept successors are shown"},
    {"beam", OPTION_RANGE, NULL, 1, COUNTDOWN_SUCCESSORS_MAX, "successors kept a node"},
    {"child_beam", OPTION_RANGE, NULL, 1, COUNTDOWN_SUCCESSORS_MAX, "the same in children"},
    {"workers", OPTION_INTEGER, NULL, 1, LAYOUT_WORKERS_MAX, "that search one problem at once"},
    {"layout", OPTION_CHOICE, layout_names, 0, 0, "what a worker sees of the others"},
    {"promising", OPTION_REAL, NULL, 0, 1, "chance that a node's successors are dived into"},
    {"limit.context", OPTION_INTEGER, NULL, 128, 1000000, "Llama-2 tokens a sequence may hold"},
};

static int index_of(const char *const *names, const char *name) {
  for (int i = 0; names[i]; i++) {
    if (!strcmp(names[i], name)) return i;
  }
  return -1;
}

/* Sets a default, or refuses a key that this search does not use. */
static status settle(json_t *parameters, const char *search, const char *key, int used,
                     json_t *fallback, detail *err) {
  status s = OK;
  if (!used && json_object_get(parameters, key)) {
    s = fault(err, E_INPUT, "'%s' is not used by search '%s'; remove it", key, search);
  } else if (used && !json_object_get(parameters, key)) {
    if (json_object_set(parameters, key, fallback)) s = fault(err, E_MEMORY, "no memory for a job");
  }
  json_decref(fallback);
  return s;
}

static status resolve(json_t *parameters, detail *err) {
  const char *search = json_string_value(json_object_get(parameters, "search"));
  if (!search) {
    return fault(err, E_INPUT,
                 "mode symbolic needs 'search': dfs, bfs, sosp, apr, apr-serial or hogwild");
  }
  int kind = index_of(search_names, search);
  int apr = kind == SEARCH_APR || kind == SEARCH_APR_SERIAL, dives = apr || kind == SEARCH_SOSP;
  int beams = kind != SEARCH_DFS, works = kind == SEARCH_HOGWILD, wide = apr || works;
  if (works && !json_object_get(parameters, "workers")) {
    return fault(err, E_INPUT, "search hogwild needs 'workers', how many there are, 1 to %d",
                 (int)LAYOUT_WORKERS_MAX);
  }
  status s = settle(parameters, search, "heuristic", 1, json_string("mult"), err);
  if (!s) s = settle(parameters, search, "order", beams, json_string("shuffled"), err);
  if (!s) s = settle(parameters, search, "beam", beams, json_string(wide ? "1-10" : "1-5"), err);
  if (!s) s = settle(parameters, search, "child_beam", wide, json_string("1-15"), err);
  if (!s) s = settle(parameters, search, "promising", dives, json_real(apr ? 0.9 : 0.5), err);
  if (!s) s = settle(parameters, search, "layout", works, json_string("combined"), err);
  if (!s && !works) s = settle(parameters, search, "workers", 0, NULL, err);
  return s;
}

const mode symbolic_mode = {.name = "symbolic",
                            .rules = "symbolic-1",
                            .token_unit = "llama2",
                            .options = options,
                            .option_count = sizeof options / sizeof options[0],
                            .resolve = resolve};

/* 2: workers go depth first, no longer to the node of the least heuristic. */
const char *symbolic_rules(const symbolic_options *o) {
  return o->search.kind == SEARCH_HOGWILD ? "symbolic-2" : symbolic_mode.rules;
}

/* n, or "low-high"; absent leaves what was there. */
static int read_range(const json_t *value, symbolic_range *out) {
  if (!value) return 1;
  if (json_is_integer(value)) {
    out->low = out->high = json_integer_value(value);
  } else if (!json_is_string(value) ||
             !text_range(json_string_value(value), &out->low, &out->high)) {
    return 0;
  }
  return out->low >= 1 && out->low <= out->high && out->high <= COUNTDOWN_SUCCESSORS_MAX;
}

/* The place of a choice among names; absent is 0. */
static int read_choice(const json_t *parameters, const char *key, const char *const *names) {
  const json_t *value = json_object_get(parameters, key);
  if (!value) return 0;
  return json_is_string(value) ? index_of(names, json_string_value(value)) : -1;
}

status symbolic_read(symbolic_options *out, const json_t *parameters, detail *err) {
  *out = (symbolic_options){.beam = {1, 1}, .child_beam = {1, 1}};
  int kind = read_choice(parameters, "search", search_names);
  int heuristic = read_choice(parameters, "heuristic", heuristic_names);
  int order = read_choice(parameters, "order", order_names);
  int layout_at = read_choice(parameters, "layout", layout_names);
  int64_t workers = json_integer_value(json_object_get(parameters, "workers"));
  if (!json_object_get(parameters, "search") || kind < 0 || heuristic < 0 || order < 0 ||
      layout_at < 0) {
    return fault(err, E_INPUT,
                 "symbolic parameters name an unknown search, heuristic, order or layout");
  }
  if (kind == SEARCH_HOGWILD && (workers < 1 || workers > LAYOUT_WORKERS_MAX)) {
    return fault(err, E_INPUT, "'workers' must be 1 to %d", (int)LAYOUT_WORKERS_MAX);
  }
  if (!read_range(json_object_get(parameters, "beam"), &out->beam) ||
      !read_range(json_object_get(parameters, "child_beam"), &out->child_beam)) {
    return fault(err, E_INPUT, "'beam' and 'child_beam' must be n or \"a-b\" within 1 to %d",
                 (int)COUNTDOWN_SUCCESSORS_MAX);
  }
  const json_t *context = json_object_get(json_object_get(parameters, "limit"), "context");
  out->search =
      (search_options){.kind = (search_kind)kind,
                       .heuristic = (search_heuristic)heuristic,
                       .order = (search_order)order,
                       .promising = json_number_value(json_object_get(parameters, "promising")),
                       .context = json_integer_value(context),
                       .workers = (int)workers,
                       .layout = (worker_layout)layout_at};
  return OK;
}

/* The published rule for the children's beam, where it is a range. */
static int64_t draw_child_beam(symbolic_range range, int64_t beam, random_stream *draws) {
  if (range.low == range.high) return range.low;
  int64_t low = beam > range.low ? beam : range.low;
  return low < range.high ? random_between(draws, low, range.high) : range.high;
}

status symbolic_solve(search_result *out, search_options *drawn, const symbolic_options *o,
                      const countdown_problem *problem, uint64_t seed, const hash *task,
                      uint32_t repeat, arena *memory, detail *err) {
  random_stream draws = random_start(random_key_of(seed, task, repeat, "beams"));
  *drawn = o->search;
  drawn->beam = (int)random_between(&draws, o->beam.low, o->beam.high);
  drawn->child_beam = (int)draw_child_beam(o->child_beam, drawn->beam, &draws);
  return search_run(out, problem, drawn, seed, task, repeat, memory, err);
}

const char *symbolic_search_name(search_kind kind) {
  return search_names[kind];
}

countdown_protocol symbolic_protocol(search_kind kind) {
  return kind == SEARCH_DFS || kind == SEARCH_BFS ? PROTOCOL_SOS : PROTOCOL_RECAP;
}
