#include "solvers/hogwild.h"

#include "solvers/independent_internal.h"
#include "solvers/layout.h"

#include <string.h>

/* ---- parameters ------------------------------------------------------------------------------ */

static const char *const untils[] = {"answer", "end", "all", NULL};
static const char *const rules[] = {"separator", "sentence", "closed", NULL};
static const char *const presets[] = {"published", "published-first", NULL};

static const option options[] = {
    INDEPENDENT_ROWS(presets),
    {"workers", OPTION_INTEGER, NULL, 1, LAYOUT_WORKERS_MAX, "threads that read each other"},
    {"layout", OPTION_CHOICE, layout_names, 0, 0, "what a worker sees, and in which order"},
    {"until", OPTION_CHOICE, untils, 0, 0, "what ends all workers"},
    {"limit.forwards", OPTION_INTEGER, NULL, 1, 1e7, "forward passes one after another"},
    {"names", OPTION_TEXTS, NULL, 1, 64, "of the workers"},
    {"header.past", OPTION_TEXT, NULL, 1, 1024, "behind the prompt, before what is done"},
    {"header.others", OPTION_TEXT, NULL, 1, 1024, "before the others' unfinished steps"},
    {"header.own", OPTION_TEXT, NULL, 1, 1024, "before a worker's own step"},
    {"header.split", OPTION_TEXT, NULL, 1, 1024, "contiguous: before what a worker wrote"},
    {"header.workspace", OPTION_TEXT, NULL, 1, 1024, "contiguous: with what it begins"},
    {"step.separator", OPTION_TEXT, NULL, 1, 64, "what may end a step"},
    {"step.rule", OPTION_CHOICE, rules, 0, 0, "behind what a separator ends a step"},
    {"step.prefix", OPTION_TEXT, NULL, 1, 1024, "with what a step begins"},
    {"step.opening", OPTION_TEXT, NULL, 1, 1024, "behind it in the first worker's first step"},
    {"step.greeting", OPTION_TEXT, NULL, 1, 1024, "behind it in the others' first steps"},
    {"step.cut", OPTION_TEXT, NULL, 1, 1024, "behind a step that is not done at the end"},
    {"redundancy.text", OPTION_TEXT, NULL, 1, 1024, "asks whether a worker's work is redundant"},
    {"redundancy.tokens", OPTION_INTEGER, NULL, 1, 1e9, "of all workers until it is asked again"},
};

/* Takes the reference; NULL: memory was out already. */
static status put_default(json_t *parameters, const char *key, json_t *value, detail *err) {
  int good = value && (json_object_get(parameters, key) || json_path_put(parameters, key, value));
  json_decref(value);
  return good ? OK : fault(err, E_MEMORY, "no memory for a condition's parameters");
}

static status resolve(json_t *parameters, detail *err) {
  status failed = independent_settle(parameters, err);
  const char *name = json_string_value(json_object_get(parameters, "protocol"));
  if (!failed && !protocol_works_of(name)) {
    return fault(err, E_INPUT,
                 "mode hogwild needs a protocol whose threads may be workers, countdown-hogwild or "
                 "generic-hogwild; those of %s may not: use mode serial or vote",
                 name);
  }
  if (!failed && !json_object_get(parameters, "workers")) {
    return fault(err, E_INPUT, "mode hogwild needs 'workers', how many there are, 1 to %d",
                 (int)LAYOUT_WORKERS_MAX);
  }
  return failed ? failed : put_default(parameters, "layout", json_string("combined"), err);
}

/* Which of the choices a parameter is; the first where it is absent. */
static int choice_of(const json_t *parameters, const char *key, const char *const *choices) {
  const char *value = json_string_value(json_object_get(parameters, key));
  int i = 0;
  while (value && choices[i] && strcmp(choices[i], value) != 0)
    i++;
  return value && choices[i] ? i : 0;
}

/* Workers are in step anyway; others come to a step when they do. */
static int asks_for_order(const json_t *parameters) {
  (void)parameters;
  return 1;
}

static int workers_of(const json_t *parameters, int *see_all, int *commit) {
  worker_layout own = (worker_layout)choice_of(parameters, "layout", layout_names);
  *see_all = own != LAYOUT_INTERLEAVED;
  *commit = layout_has_steps(own);
  if (own == LAYOUT_INDEPENDENT) return 0;
  return (int)json_integer_value(json_object_get(parameters, "workers"));
}

/* ---- a sample -------------------------------------------------------------------------------- */

typedef struct worker {
  int has_ended;
  int64_t steps;          /* that it has begun */
  const char *unfinished; /* [unfinished_bytes] when it ended */
  size_t unfinished_bytes;
  const char *answer; /* its last; NULL: it has none */
  int is_unfinished;  /* that is of the step in which it ended */
} worker;

typedef struct hogwild {
  const protocol *protocol;
  const char *question, *target;
  arena *memory;
  worker_layout layout;
  protocol_until until;
  worker workers[LAYOUT_WORKERS_MAX]; /* [count] */
  uint32_t count, running;
  int is_stopping;
  int64_t checked_at; /* tokens that were put in when one was asked last what it does */
  text history;       /* steps that are done, in order */
  mode_thread winner; /* whose answer counts so far */
} hogwild;

static status hogwild_open(void **state, const mode_setup *setup, arena *memory, detail *err) {
  const json_t *parameters = setup->parameters;
  hogwild *s = arena_take(memory, 1, sizeof *s);
  if (!s) return arena_full(memory, err);
  *s = (hogwild){.protocol = setup->protocol,
                 .question = setup->question,
                 .target = setup->target,
                 .memory = memory,
                 .layout = (worker_layout)choice_of(parameters, "layout", layout_names),
                 .until = protocol_workers_until(setup->protocol),
                 .winner = MODE_NOBODY};
  s->count = (uint32_t)json_integer_value(json_object_get(parameters, "workers"));
  REQUIRE(s->count >= 1 && s->count <= LAYOUT_WORKERS_MAX);
  text_open(&s->history, PROTOCOL_TEXT_BYTES_MAX);
  *state = s;
  return OK;
}

static void hogwild_close(void *state) {
  hogwild *s = state;
  if (s) text_close(&s->history);
}

/* ---- the start ------------------------------------------------------------------------------- */

static status put_prompt(const hogwild *s, text *out, detail *err) {
  status failed = protocol_prompt(s->protocol, s->question, s->target, out, err);
  if (failed || !layout_has_steps(s->layout)) return failed;
  return protocol_words(s->protocol, PROTOCOL_PAST, 0, 0, out, err);
}

/* Blocks in the order in which they are made: the prompt; of these layouts the headers; then what
   each worker writes. */
enum { BLOCK_PROMPT, BLOCK_SPLIT, BLOCK_OTHERS = 1, BLOCK_OWN };

static mode_block block_of(const hogwild *s, uint32_t of) {
  uint32_t headers = s->layout == LAYOUT_COMBINED ? 2 : s->layout == LAYOUT_CONTIGUOUS ? 1 : 0;
  return 1 + headers + of;
}

static status make_block(mode_block block, const text *words, int is_prompt, const mode_output *out,
                         detail *err) {
  mode_command c = {.kind = MODE_BLOCK,
                    .block = block,
                    .is_prompt = is_prompt,
                    .text = words ? text_string(words) : NULL,
                    .text_bytes = words ? words->bytes : 0};
  return out->emit(out->context, &c, err);
}

static status make_header(const hogwild *s, mode_block block, protocol_word which,
                          const mode_output *out, detail *err) {
  text words;
  text_open(&words, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_words(s->protocol, which, 0, 0, &words, err);
  if (!failed) failed = make_block(block, &words, 0, out, err);
  text_close(&words);
  return failed;
}

static status make_blocks(const hogwild *s, const text *prompt, const mode_output *out,
                          detail *err) {
  status failed = make_block(BLOCK_PROMPT, prompt, 1, out, err);
  if (!failed && s->layout == LAYOUT_CONTIGUOUS)
    failed = make_header(s, BLOCK_SPLIT, PROTOCOL_SPLIT, out, err);
  if (!failed && s->layout == LAYOUT_COMBINED)
    failed = make_header(s, BLOCK_OTHERS, PROTOCOL_OTHERS, out, err);
  if (!failed && s->layout == LAYOUT_COMBINED)
    failed = make_header(s, BLOCK_OWN, PROTOCOL_OWN, out, err);
  for (uint32_t i = 0; !failed && i < s->count; i++)
    failed = make_block(block_of(s, i), NULL, 0, out, err);
  return failed;
}

/* What a worker sees; how many blocks that are. */
static int put_view(const hogwild *s, uint32_t own, mode_block *out) {
  int count = 0;
  out[count++] = BLOCK_PROMPT;
  if (s->layout == LAYOUT_COMBINED) out[count++] = BLOCK_OTHERS;
  for (uint32_t i = 0; s->layout != LAYOUT_INTERLEAVED && i < s->count; i++) {
    if (i != own) out[count++] = block_of(s, i);
  }
  if (s->layout == LAYOUT_COMBINED) out[count++] = BLOCK_OWN;
  if (s->layout == LAYOUT_CONTIGUOUS) out[count++] = BLOCK_SPLIT;
  out[count++] = block_of(s, own);
  return count;
}

/* With what a worker begins: words of its own, behind the prompt where it sees nobody else. */
static status put_first(const hogwild *s, uint32_t own, const text *prompt, text *out,
                        detail *err) {
  protocol_word which = layout_has_steps(s->layout) ? PROTOCOL_STEP : PROTOCOL_WORKSPACE;
  if (s->layout == LAYOUT_INDEPENDENT) {
    which = PROTOCOL_IDENTITY;
    text_add(out, text_string(prompt), prompt->bytes);
  }
  return protocol_words(s->protocol, which, own, 1, out, err);
}

static status spawn(hogwild *s, uint32_t own, const text *prompt, const mode_output *out,
                    detail *err) {
  mode_block view[MODE_BLOCKS_MAX];
  text words;
  text_open(&words, PROTOCOL_TEXT_BYTES_MAX);
  mode_command c = {.kind = MODE_SPAWN,
                    .thread = own,
                    .parent = MODE_NOBODY,
                    .twin = MODE_NOBODY,
                    .is_worker = 1,
                    .role = "worker",
                    .ignores_stops = !layout_has_steps(s->layout)};
  status failed = put_first(s, own, prompt, &words, err);
  c.text = text_string(&words);
  c.text_bytes = words.bytes;
  if (s->layout != LAYOUT_INDEPENDENT) {
    c.view = view;
    c.view_count = put_view(s, own, view);
  }
  s->workers[own].steps = 1;
  s->running++;
  if (!failed) failed = out->emit(out->context, &c, err);
  text_close(&words);
  return failed;
}

static status start(hogwild *s, const mode_output *out, detail *err) {
  text prompt;
  text_open(&prompt, PROTOCOL_TEXT_BYTES_MAX);
  status failed = put_prompt(s, &prompt, err);
  if (!failed && s->layout != LAYOUT_INDEPENDENT) failed = make_blocks(s, &prompt, out, err);
  for (uint32_t i = 0; !failed && i < s->count; i++)
    failed = spawn(s, i, &prompt, out, err);
  text_close(&prompt);
  return failed;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Reads the answer in a piece of a thread's text, from a place on; *found is NULL where there is
   none. */
static status read_answer(const hogwild *s, const char *bytes, size_t count, size_t from,
                          const char **found, detail *err) {
  text said;
  int has_answer;
  *found = NULL;
  text_open(&said, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_answer(s->protocol, bytes, count, from, &said, &has_answer, err);
  if (!failed && has_answer) {
    *found = arena_text(s->memory, text_string(&said), said.bytes);
    if (!*found) failed = arena_full(s->memory, err);
  }
  text_close(&said);
  return failed;
}

static status tell_answer(const hogwild *s, mode_thread thread, const char *answer,
                          const mode_output *out, detail *err) {
  text key;
  int has_key = 0;
  text_open(&key, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_vote_key(s->protocol, s->target, answer, &key, &has_key, err);
  mode_command c = {.kind = MODE_ANSWER,
                    .thread = thread,
                    .text = answer,
                    .text_bytes = strlen(answer),
                    .vote_key = has_key ? text_string(&key) : NULL};
  if (!failed) failed = out->emit(out->context, &c, err);
  text_close(&key);
  return failed;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* All that was written, as the last worker would see it. */
static status put_whole(const hogwild *s, text *out, detail *err) {
  status failed = put_prompt(s, out, err);
  text_add(out, text_string(&s->history), s->history.bytes);
  if (!failed && s->layout == LAYOUT_COMBINED)
    failed = protocol_words(s->protocol, PROTOCOL_OTHERS, 0, 0, out, err);
  for (uint32_t i = 0; !failed && i < s->count; i++) {
    text_add(out, s->workers[i].unfinished, s->workers[i].unfinished_bytes);
    failed = protocol_words(s->protocol, PROTOCOL_CUT, i, s->workers[i].steps, out, err);
  }
  return failed ? failed : text_state(out, err);
}

/* A thread that reads all of it once more is asked. */
static status ask(const hogwild *s, const mode_output *out, detail *err) {
  text whole;
  text_open(&whole, PROTOCOL_TEXT_BYTES_MAX);
  status failed = put_whole(s, &whole, err);
  size_t asked_from = whole.bytes;
  if (!failed) {
    failed =
        protocol_finisher(s->protocol, s->target, text_string(&whole), whole.bytes, &whole, err);
  }
  mode_command c = {.kind = MODE_SPAWN,
                    .thread = s->count,
                    .parent = MODE_NOBODY,
                    .twin = MODE_NOBODY,
                    .role = "finisher",
                    .text = text_string(&whole),
                    .text_bytes = whole.bytes,
                    .keep = asked_from,
                    .is_finisher = 1,
                    .ignores_stops = 1};
  if (!failed) failed = out->emit(out->context, &c, err);
  text_close(&whole);
  return failed;
}

/* Whether the last answer is the sample's, and not the first. */
static int takes_last(const hogwild *s) {
  return s->until != PROTOCOL_UNTIL_SOLVED;
}

/* Steps that nobody finished stand behind those that are done. */
static status conclude(hogwild *s, const mode_output *out, detail *err) {
  status failed = OK;
  for (uint32_t i = 0; !failed && i < s->count; i++) {
    const worker *w = &s->workers[i];
    if (w->is_unfinished && takes_last(s)) s->winner = i;
    if (w->answer) failed = tell_answer(s, i, w->answer, out, err);
  }
  if (failed) return failed;
  int asks = s->winner == MODE_NOBODY && protocol_has_finisher(s->protocol);
  return asks ? ask(s, out, err) : independent_done(s->winner, out, err);
}

static status finisher_ended(hogwild *s, const mode_event *e, const mode_output *out, detail *err) {
  size_t from = e->prompt_bytes < e->text_bytes ? e->prompt_bytes : e->text_bytes;
  const char *found;
  status failed = read_answer(s, e->text, e->text_bytes, from, &found, err);
  if (!failed && found) failed = tell_answer(s, e->thread, found, out, err);
  return failed ? failed : independent_done(found ? e->thread : MODE_NOBODY, out, err);
}

static status stop_others(hogwild *s, const mode_output *out, detail *err) {
  status failed = OK;
  s->is_stopping = 1;
  for (uint32_t i = 0; !failed && i < s->count; i++) {
    mode_command c = {.kind = MODE_STOP, .thread = i, .tells = 1};
    if (!s->workers[i].has_ended) failed = out->emit(out->context, &c, err);
  }
  return failed;
}

/* A worker writes no more; behind all others the sample ends. */
static status leave(hogwild *s, mode_thread thread, int ends_all, const mode_output *out,
                    detail *err) {
  status failed = OK;
  s->workers[thread].has_ended = 1;
  s->running--;
  if (ends_all && !s->is_stopping) failed = stop_others(s, out, err);
  return failed || s->running ? failed : conclude(s, out, err);
}

/* Whether the end that a worker came to is that of all. */
static int is_last(const hogwild *s, const worker *w, mode_end end) {
  if (!takes_last(s)) return w->answer != NULL;
  return end == MODE_END_TOKEN && s->until != PROTOCOL_UNTIL_ALL;
}

static status worker_left(hogwild *s, const mode_event *e, const mode_output *out, detail *err) {
  worker *w = &s->workers[e->thread];
  const char *found;
  w->unfinished_bytes = e->text_bytes - e->step_at;
  w->unfinished = arena_text(s->memory, e->text + e->step_at, w->unfinished_bytes);
  if (!w->unfinished) return arena_full(s->memory, err);
  status failed = read_answer(s, w->unfinished, w->unfinished_bytes, 0, &found, err);
  if (failed) return failed;
  if (found) {
    w->answer = found;
    w->is_unfinished = 1;
  }
  if (w->answer && !takes_last(s) && s->winner == MODE_NOBODY) s->winner = e->thread;
  return leave(s, e->thread, is_last(s, w, e->end), out, err);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static status feed(mode_thread thread, const text *words, const mode_output *out, detail *err) {
  mode_command c = {.kind = MODE_FEED,
                    .thread = thread,
                    .text = words ? text_string(words) : "",
                    .text_bytes = words ? words->bytes : 0};
  return out->emit(out->context, &c, err);
}

/* The check is put to whoever begins a step first when it is due. */
static status begin_step(hogwild *s, const mode_event *e, const mode_output *out, detail *err) {
  worker *w = &s->workers[e->thread];
  text words;
  text_open(&words, PROTOCOL_TEXT_BYTES_MAX);
  status failed = protocol_words(s->protocol, PROTOCOL_STEP, e->thread, ++w->steps, &words, err);
  if (!failed && e->put_in - s->checked_at > protocol_check_tokens(s->protocol)) {
    s->checked_at = e->put_in;
    failed = protocol_words(s->protocol, PROTOCOL_CHECK, e->thread, w->steps, &words, err);
  }
  if (!failed) failed = feed(e->thread, &words, out, err);
  text_close(&words);
  return failed;
}

static status end_step(hogwild *s, const mode_event *e, const mode_output *out, detail *err) {
  const char *step = e->text + e->step_at, *found;
  size_t bytes = e->text_bytes - e->step_at;
  mode_command c = {.kind = MODE_COMMIT, .thread = e->thread, .block = BLOCK_PROMPT};
  text_add(&s->history, step, bytes);
  status failed = text_state(&s->history, err);
  if (!failed) failed = read_answer(s, step, bytes, 0, &found, err);
  if (!failed) failed = out->emit(out->context, &c, err);
  if (failed) return failed;
  if (found) s->workers[e->thread].answer = found;
  if (found && takes_last(s)) s->winner = e->thread;
  if (!found || s->until != PROTOCOL_UNTIL_ANSWER) return begin_step(s, e, out, err);
  s->workers[e->thread].unfinished = "";
  return leave(s, e->thread, 1, out, err);
}

static status ended(hogwild *s, const mode_event *e, const mode_output *out, detail *err) {
  if (e->thread == s->count) return finisher_ended(s, e, out, err);
  REQUIRE(e->thread < s->count && !s->workers[e->thread].has_ended);
  REQUIRE(e->step_at <= e->text_bytes);
  if (e->end != MODE_END_STOP) return worker_left(s, e, out, err);
  int is_done = protocol_step_ends(s->protocol, e->text + e->step_at, e->text_bytes - e->step_at);
  return is_done ? end_step(s, e, out, err) : feed(e->thread, NULL, out, err);
}

static status hogwild_on(void *state, const mode_event *e, const mode_output *out, detail *err) {
  hogwild *s = state;
  return e->kind == MODE_START ? start(s, out, err) : ended(s, e, out, err);
}

static const mode_machine machine = {.open = hogwild_open,
                                     .close = hogwild_close,
                                     .on = hogwild_on,
                                     .asks_for_order = asks_for_order,
                                     .workers = workers_of};

const mode hogwild_mode = {.name = "hogwild",
                           .rules = "hogwild-1",
                           .options = options,
                           .option_count = sizeof options / sizeof options[0],
                           .resolve = resolve,
                           .machine = &machine};
