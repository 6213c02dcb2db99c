/* Workers that search one problem at once and read each other, in logical time: by one forward each
   that has not ended samples one token. Lines are written whole when their first token is sampled,
   and come to be seen when their last one was. */
#include "solvers/search_places_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- what there is --------------------------------------------------------------------------- */

typedef enum sight_kind { SIGHT_NODE, SIGHT_MOVE, SIGHT_GOAL } sight_kind;

/* A line that others decide by. */
typedef struct sight {
  sight_kind kind;
  place *place;
  int64_t forward; /* which sampled its last token */
  int step;        /* of its writer, from 0 */
} sight;

/* What a worker begins next, when its line is written. */
typedef enum phase {
  AT_STEP,   /* a step */
  AT_CHOICE, /* the id of the node that it moves to: in the middle of a line */
  AT_STATE,
  AT_KEPT, /* the next successor */
  AT_RESULT,
  AT_BLANK,
  AT_END,  /* an end of sequence */
  AT_LIMIT /* a line for which there is no room */
} phase;

typedef struct worker {
  writer *writer;
  search_thread *thread;
  phase phase;
  int64_t next; /* the forward at which it decides again */
  int64_t end;  /* tokens sampled when it ended; INT64_MAX: it has not */
  size_t line_start;
  int64_t line_at, line_tokens; /* of the line at hand: its first forward, and all its tokens */
  const node *exploring;        /* whose line that is, which is not counted yet */
  place *at, *before;           /* the node that it expands, and the one before that */
  int kept;                     /* how many of its successors are done */
  int has_goal, sees_goal, is_full;
  int64_t step_at;  /* the forward of its step's first token */
  int64_t step_fed; /* what it had been fed before the step; and its spans and text */
  int step_spans, steps_done;
  size_t step_text;
  /* In tokens: what its view holds beside what workers write; the prefixes that it was fed; what it
     has put in, by the forward before, and until its last step was done; and its view. */
  int64_t base, fed, put_in, put_in_before, committed, view;
  sight *sights; /* [sight_count] in the order of their forwards */
  int sight_count, sight_capacity, seen_by_it, seen_by_others;
} worker;

typedef struct gang {
  search *search;
  const search_options *options;
  worker workers[LAYOUT_WORKERS_MAX]; /* [count] */
  int count;
  int64_t now;         /* the forward at hand */
  int64_t move_tokens; /* before the id of a move */
  places places;
} gang;

static int is_live(const gang *g, int i) {
  return g->workers[i].end > g->now;
}

static search_step *step_of(worker *w) {
  return &w->thread->steps[w->thread->step_count - 1];
}

/* ---- what is seen ---------------------------------------------------------------------------- */

static void add_sight(gang *g, worker *w, sight_kind kind, place *p, int64_t forward) {
  sight *grown =
      search_room(g->search, w->sights, w->sight_count, &w->sight_capacity, sizeof(sight));
  if (!grown) return;
  w->sights = grown;
  w->sights[w->sight_count++] =
      (sight){.kind = kind, .place = p, .forward = forward, .step = w->thread->step_count - 1};
}

static void show(gang *g, const sight *seen, uint32_t to) {
  if (seen->kind == SIGHT_NODE) seen->place->open |= to;
  if (seen->kind == SIGHT_MOVE) seen->place->claimed |= to;
  for (int i = 0; seen->kind == SIGHT_GOAL && i < g->count; i++)
    g->workers[i].sees_goal |= to >> i & 1;
}

/* A line that a limit cut off never ends. */
static int others_see(const gang *g, const worker *w, const sight *seen) {
  worker_layout l = g->options->layout;
  if (l == LAYOUT_INDEPENDENT || seen->forward >= w->end) return 0;
  return l == LAYOUT_INTERLEAVED ? seen->step < w->steps_done : seen->forward < g->now;
}

/* Lines that earlier forwards ended, where the layout shows them. */
static void show_lines(gang *g) {
  for (int i = 0; i < g->count; i++) {
    worker *w = &g->workers[i];
    uint32_t all = (1u << g->count) - 1, own = 1u << i;
    for (; w->seen_by_it < w->sight_count; w->seen_by_it++) {
      if (w->sights[w->seen_by_it].forward >= g->now) break;
      if (w->sights[w->seen_by_it].kind != SIGHT_GOAL) show(g, &w->sights[w->seen_by_it], own);
    }
    for (; w->seen_by_others < w->sight_count; w->seen_by_others++) {
      if (!others_see(g, w, &w->sights[w->seen_by_others])) break;
      show(g, &w->sights[w->seen_by_others], all & ~own);
    }
  }
}

/* Of what the others put in, how much is in a worker's view. */
static int64_t others_tokens(const gang *g, int i) {
  int64_t tokens = 0;
  if (g->options->layout == LAYOUT_INDEPENDENT) return 0;
  for (int k = 0; k < g->count; k++) {
    const worker *other = &g->workers[k];
    if (k == i) continue;
    tokens += g->options->layout == LAYOUT_INTERLEAVED ? other->committed : other->put_in;
  }
  return tokens;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* What follows is written from here on, where it fits into the view as it stands. */
static void begin_line(const gang *g, worker *w) {
  w->writer->context_limit = g->options->context;
  w->writer->context_tokens = w->view;
  w->line_start = w->thread->written.bytes;
  w->line_at = g->now;
}

/* Several lines are one here, when nothing is decided between them. */
static void end_line(const gang *g, worker *w, phase next) {
  w->is_full = w->thread->capped;
  w->thread->capped = 0; /* until it comes there */
  w->line_tokens = w->writer->context_tokens - w->view;
  w->next = g->now + w->line_tokens;
  w->phase = w->is_full ? AT_LIMIT : next;
}

/* Leaves of the line at hand what was sampled by its first tokens. */
static void cut_line(worker *w, int64_t tokens) {
  search_thread *t = w->thread;
  size_t at = w->line_start, end = t->written.bytes;
  int64_t left = tokens;
  if (tokens >= w->line_tokens) return;
  while (left > 0 && at < end && !w->writer->search->failed) {
    const char *line = text_string(&t->written) + at, *newline = memchr(line, '\n', end - at);
    size_t within, bytes = newline ? (size_t)(newline - line) + 1 : end - at;
    left -= writer_measure(w->writer, line, bytes, left, &within);
    at += within;
  }
  search_span *last = &t->spans[t->span_count - 1];
  last->bytes = at - last->start;
  last->tokens -= w->line_tokens - tokens;
  text_cut(&t->written, at);
}

/* Counts the node of the line at hand, of which so much is written, as a reader of traces does. */
static void count_explored(gang *g, worker *w) {
  const char *line = text_string(&w->thread->written) + w->line_start;
  size_t bytes = w->thread->written.bytes - w->line_start, words = strlen("Exploring Operation: ");
  if (w->exploring && bytes >= words) {
    if (memchr(line, ']', bytes)) {
      search_explored(g->search, w->exploring);
    } else {
      g->search->result->nodes_explored++;
    }
  }
  w->exploring = NULL;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* What names a worker before a step: independent ones in the prompt, others by what they are fed.
 */
static void name_worker(const gang *g, int i, char out[32]) {
  worker_layout l = g->options->layout;
  int is_first = g->workers[i].thread->step_count == 0;
  out[0] = '\0';
  if (layout_has_steps(l)) {
    (void)snprintf(out, 32, TRACE_WORKER, i + 1, g->count);
  } else if (is_first) {
    (void)snprintf(out, 32, "\n" TRACE_WORKER, i + 1, g->count);
  }
}

static void feed(gang *g, int i, search_step *step) {
  worker *w = &g->workers[i];
  char words[32];
  name_worker(g, i, words);
  if (words[0] && g->options->layout != LAYOUT_INDEPENDENT) {
    search_span_begin(w->writer, SPAN_FED);
    w->writer->context_limit = w->writer->context_tokens = 0;
    line_words(w->writer, words);
    w->fed += w->writer->context_tokens;
  }
  if (words[0]) search_span_begin(w->writer, SPAN_GENERATED);
  *step = (search_step){.prefix_start = w->thread->written.bytes - strlen(words),
                        .prefix_bytes = strlen(words),
                        .start = w->thread->written.bytes};
}

/* Commits the step that is done, and begins the next one. */
static void begin_step(gang *g, int i) {
  worker *w = &g->workers[i];
  search_thread *t = w->thread;
  if (t->step_count) {
    search_step *done = step_of(w);
    done->bytes = t->written.bytes - done->start;
    done->tokens = g->now - w->step_at;
    done->is_done = 1;
    w->steps_done++;
    w->committed = w->put_in;
  }
  search_step *grown =
      search_room(g->search, t->steps, t->step_count, &t->step_capacity, sizeof(search_step));
  if (!grown) return;
  t->steps = grown;
  w->step_at = g->now;
  w->step_fed = w->fed;
  w->step_spans = t->span_count;
  w->step_text = t->written.bytes;
  feed(g, i, &t->steps[t->step_count]);
  t->step_count++;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* A worker has sampled so many tokens and samples no more. */
static void end_worker(gang *g, worker *w, int64_t end) {
  search_thread *t = w->thread;
  w->end = end;
  cut_line(w, end - w->line_at);
  count_explored(g, w);
  search_step *step = step_of(w);
  step->bytes = t->written.bytes - step->start;
  step->tokens = end - w->step_at - t->ends;
  step->is_done = w->phase == AT_STEP && w->next == end && !t->ends;
}

static void end_of_sequence(gang *g, worker *w) {
  w->thread->ends = w->thread->turns = 1;
  w->thread->solved = w->has_goal;
  end_worker(g, w, g->now + 1);
}

/* There is no room in its view. What it was fed for a step of which nothing came is no part of it,
   and what it would have put in nobody sees. */
static void end_full(gang *g, worker *w) {
  search_thread *t = w->thread;
  t->capped = 1;
  w->put_in = w->put_in_before;
  if (w->step_at < g->now) {
    end_worker(g, w, g->now);
    return;
  }
  w->end = g->now;
  w->fed = w->step_fed;
  t->span_count = w->step_spans;
  t->step_count--;
  text_cut(&t->written, w->step_text);
}

/* ---- decisions ------------------------------------------------------------------------------- */

/* How many tokens of the move at hand come before the first one that holds a byte of its id. */
static int64_t tokens_before_id(const gang *g, worker *w) {
  const text *t = &w->thread->written;
  const char *line = text_string(t) + w->line_start;
  size_t within, before_id = (size_t)(strchr(line, '#') - line) + 1;
  int64_t tokens = g->move_tokens;
  while (tokens > 0) {
    (void)writer_measure(w->writer, line, t->bytes - w->line_start, tokens, &within);
    if (within <= before_id) break;
    tokens--;
  }
  return tokens;
}

static void choose_node(gang *g, worker *w, int i) {
  place *next = places_pick(&g->places, i, w->before);
  search_thread *t = w->thread;
  if (next && next != w->at) {
    int64_t sampled = g->now - w->line_at;
    w->at = next;
    text_cut(&t->written, w->line_start);
    t->spans[t->span_count - 1].tokens -= w->line_tokens;
    w->writer->context_limit = w->writer->context_tokens = 0; /* it has begun: it goes on */
    line_move(w->writer, next->node);
    w->line_tokens = w->writer->context_tokens;
    if (w->line_tokens <= sampled) w->line_tokens = sampled + 1; /* the id is a token at least */
  }
  w->next = w->line_at + w->line_tokens;
  w->phase = AT_STATE;
  w->kept = 0;
  add_sight(g, w, SIGHT_MOVE, w->at, w->next - 1);
  place_expand(&g->places, w->writer, w->at);
}

/* Until the id of the node is to be sampled the line names the one that is next now. */
static void start_move(gang *g, worker *w, int i) {
  place *next = places_next(&g->places, i, w->at);
  if (!next) {
    line_none(w->writer, 1);
    end_line(g, w, AT_END);
    return;
  }
  w->before = w->at;
  w->at = next;
  line_move(w->writer, next->node);
  end_line(g, w, AT_CHOICE);
  if (w->is_full) return;
  w->next = g->now + tokens_before_id(g, w);
  if (w->next == g->now) choose_node(g, w, i);
}

static phase next_successor(const worker *w) {
  return w->kept < w->at->kept_count ? AT_KEPT : AT_BLANK;
}

/* What the successor is, whose numbers were just written. */
static void write_result(gang *g, worker *w) {
  node *n = w->at->kept[w->kept++];
  if (n->state.count > 1) {
    line_generated(w->writer, n);
    end_line(g, w, next_successor(w));
    if (!w->is_full) add_sight(g, w, SIGHT_NODE, n->place, w->next - 1);
  } else if (n->state.number[0] != g->search->problem->target) {
    line_no_goal(w->writer, n);
    end_line(g, w, next_successor(w));
  } else {
    line_goal(w->writer, n);
    int64_t goal_tokens = w->writer->context_tokens - w->view;
    if (!writer_ended(w->writer)) {
      w->has_goal = 1;
      add_sight(g, w, SIGHT_GOAL, NULL, g->now + goal_tokens - 1);
    }
    line_recap(w->writer, g->places.list[0]->node, n);
    end_line(g, w, AT_END);
  }
}

static void write_line(gang *g, worker *w, int i) {
  node *n;
  begin_line(g, w);
  switch (w->phase) {
  case AT_STEP: start_move(g, w, i); break;
  case AT_STATE:
    line_state(w->writer, w->at->node);
    end_line(g, w, next_successor(w));
    break;
  case AT_KEPT:
    n = w->at->kept[w->kept];
    line_explored(w->writer, n);
    end_line(g, w, AT_RESULT);
    w->exploring = n;
    break;
  case AT_RESULT: write_result(g, w); break;
  case AT_BLANK:
    line_blank(w->writer);
    end_line(g, w, AT_STEP);
    break;
  case AT_CHOICE:
  case AT_END:
  case AT_LIMIT: REQUIRE(!"these begin no line");
  }
}

static void decide(gang *g, int i) {
  worker *w = &g->workers[i];
  if (w->phase == AT_CHOICE) {
    choose_node(g, w, i); /* in the middle of a line */
    return;
  }
  count_explored(g, w);
  if (w->phase == AT_LIMIT) {
    end_full(g, w);
  } else if (w->phase == AT_END || w->sees_goal) { /* whose own goal is one line with its recap */
    end_of_sequence(g, w);
  } else {
    write_line(g, w, i);
    if (w->next == g->now) end_full(g, w);
  }
}

/* ---- forwards -------------------------------------------------------------------------------- */

/* What views will hold when this forward has put in what it puts in; whoever has no room left for
   the token that it would sample ends before it. */
static void look(gang *g) {
  int64_t limit = g->options->context;
  for (int i = 0; i < g->count; i++) {
    worker *w = &g->workers[i];
    if (!is_live(g, i)) continue;
    w->put_in_before = w->put_in;
    w->put_in = w->fed + g->now;
  }
  for (int i = 0; i < g->count; i++) {
    worker *w = &g->workers[i];
    w->view = w->base + w->put_in + others_tokens(g, i);
  }
  for (int i = 0; i < g->count; i++) {
    worker *w = &g->workers[i];
    if (is_live(g, i) && limit && w->view + 1 > limit) end_full(g, w);
  }
}

static void note_view(gang *g, int i) {
  search_thread *t = g->workers[i].thread;
  const worker *w = &g->workers[i];
  t->tokens_seen = others_tokens(g, i);
  int64_t view = w->base + w->put_in + t->tokens_seen + 1;
  if (view > t->view_most) t->view_most = view;
}

/* The first whole recap ends all. */
static void stop_behind_answer(gang *g) {
  int *answer = &g->search->result->answer;
  for (int i = g->count; i-- > 0;) {
    if (g->workers[i].thread->solved) *answer = i;
  }
  for (int i = 0; *answer >= 0 && i < g->count; i++) {
    if (g->workers[i].end > g->now + 1) end_worker(g, &g->workers[i], g->now + 1);
  }
}

/* One forward; 0 when nobody is left. */
static int forward(gang *g) {
  int ran = 0;
  for (int i = 0; i < g->count; i++) {
    const worker *w = &g->workers[i];
    if (is_live(g, i) && w->phase == AT_STEP && w->next == g->now) begin_step(g, i);
  }
  if (g->search->failed) return 0;
  show_lines(g);
  look(g);
  for (int i = 0; i < g->count && !g->search->failed; i++) {
    if (is_live(g, i) && g->workers[i].next == g->now) decide(g, i);
  }
  if (g->search->failed) return 0;
  for (int i = 0; i < g->count; i++) {
    if (!is_live(g, i)) continue;
    note_view(g, i);
    ran = 1;
  }
  stop_behind_answer(g);
  g->now++;
  return ran && !g->search->failed;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static status measure_llama2(void *context, const char *bytes, size_t count, int64_t most,
                             int64_t *tokens, size_t *within, detail *err) {
  (void)context;
  (void)err;
  *tokens = trace_llama2_first(bytes, count, most, within);
  return OK;
}

static const search_tokens llama2 = {.measure = measure_llama2};

static void put_header(worker *w, const char *words) {
  search_span_begin(w->writer, SPAN_FED);
  line_words(w->writer, words);
}

/* What a worker reads beside what workers write: its prompt, and headers. */
static void put_prompt(gang *g, worker *w, int i) {
  char name[32];
  worker_layout l = g->options->layout;
  name_worker(g, i, name);
  w->writer->context_limit = 0;
  line_prompt(w->writer, g->places.list[0]->node);
  if (layout_has_steps(l)) line_words(w->writer, TRACE_PAST);
  if (l == LAYOUT_INDEPENDENT) line_words(w->writer, name);
  const text *written = &w->thread->written;
  w->thread->tokens_prompt =
      1 + writer_measure(w->writer, text_string(written), written->bytes, 0, NULL);
  int64_t before = w->writer->context_tokens;
  if (l == LAYOUT_COMBINED) put_header(w, TRACE_OTHERS);
  if (l == LAYOUT_COMBINED || l == LAYOUT_CONTIGUOUS) put_header(w, TRACE_OWN);
  w->base = w->thread->tokens_prompt + w->writer->context_tokens - before;
}

static int open_worker(gang *g, int i) {
  char path[16];
  worker *w = &g->workers[i];
  (void)snprintf(path, sizeof path, "%d", i);
  *w = (worker){.end = INT64_MAX, .at = g->places.list[0]};
  w->writer = search_thread_new(g->search, path, -1, -1);
  if (!w->writer) return 0;
  w->thread = w->writer->thread;
  w->thread->worker = i;
  w->writer->tokens = g->options->tokens ? g->options->tokens : &llama2;
  put_prompt(g, w, i);
  return 1;
}

static void close_worker(worker *w) {
  search_thread *t = w->thread;
  t->tokens_generated = w->end;
  t->tokens_fed = w->base - t->tokens_prompt + w->fed;
}

void search_gang(search *s, node *root) {
  static const char move[] = "Moving to Node #";
  gang g = {
      .search = s, .options = s->options, .count = s->options->workers, .places = {.search = s}};
  s->result->answer = -1;
  place *first = places_add(&g.places, root);
  for (int i = 0; i < g.count && !s->failed; i++)
    if (!open_worker(&g, i)) return;
  if (s->failed) return;
  first->open = (1u << g.count) - 1;
  g.move_tokens = writer_measure(g.workers[0].writer, move, strlen(move), 0, NULL);
  while (forward(&g))
    ;
  for (int i = 0; i < g.count && !s->failed; i++)
    close_worker(&g.workers[i]);
}

search_costs search_gang_account(const search_result *r, search_times *times) {
  search_costs costs = {0};
  for (int i = 0; i < r->thread_count; i++) {
    const search_thread *t = r->threads[i];
    int64_t written = t->tokens_generated + t->tokens_fed;
    costs.tokens_prompt += t->tokens_prompt;
    costs.tokens_injected += t->tokens_fed;
    costs.tokens_generated += t->tokens_generated;
    if (t->tokens_generated > costs.critical_path) costs.critical_path = t->tokens_generated;
    if (written > costs.critical_path_injected) costs.critical_path_injected = written;
    if (t->view_most > costs.context_peak) costs.context_peak = t->view_most;
  }
  costs.tokens_total = costs.tokens_prompt + costs.tokens_injected + costs.tokens_generated;
  costs.longest_sequence = costs.context_peak;
  for (int i = 0; i < r->thread_count; i++) {
    const search_thread *t = r->threads[i];
    times[i] = (search_times){.tokens_prompt = t->tokens_prompt,
                              .tokens_fed = t->tokens_fed,
                              .tokens_generated = t->tokens_generated,
                              .tokens_seen = t->tokens_seen,
                              .end = t->tokens_generated,
                              .wait = costs.critical_path - t->tokens_generated,
                              .spawn_token = -1,
                              .join_token = -1};
    costs.wait_steps += times[i].wait;
  }
  return costs;
}
