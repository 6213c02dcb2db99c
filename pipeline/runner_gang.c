/* The workers of a sample that read each other, as a gang of the generator.

   What the runner adds to the generator's gang is time and place. A view's blocks stand one behind
   another as long as they will be when the next forward has put in what it puts in, so every worker
   looks anew before each forward. How much that is, is known before, and so is whether it passes a
   limit. What came of a forward is told when all its events are there: then workers commit, are fed
   and end, before the next one. */
#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

/* ---- what the mode says ---------------------------------------------------------------------- */

static status gang_begin(runner_sample *s, detail *err) {
  if (s->gang) return OK;
  s->gang = arena_take(s->memory, 1, sizeof *s->gang);
  if (!s->gang) return arena_full(s->memory, err);
  s->keeps_order = 0; /* its workers are in step as they are */
  return OK;
}

status gang_add_block(runner_sample *s, const mode_command *c, detail *err) {
  status failed = gang_begin(s, err);
  if (failed) return failed;
  gang *g = s->gang;
  REQUIRE(g->state == GANG_BEGINS && c->block == (mode_block)g->block_count);
  REQUIRE(g->block_count < MODE_BLOCKS_MAX);
  gang_block *b = &g->blocks[g->block_count++];
  *b = (gang_block){.writer = -1, .is_text = c->text != NULL, .is_prompt = c->is_prompt};
  if (!c->text) return OK;
  failed = text_to_tokens(s->task.rules, c->text, c->text_bytes, c->is_prompt, &b->ids, err);
  b->tokens = (int64_t)b->ids.count;
  b->is_fed = !b->ids.count;
  s->runner->dropped += b->ids.dropped;
  if (failed || b->ids.count || !b->is_prompt) return failed;
  return fault(err, E_INPUT,
               "the prompt has no token, and workers read one at least: write words "
               "into 'prompt', or begin: 1");
}

/* What all see is in each worker's tokens, as a prompt is in each thread's. */
static status add_seen(runner_sample *s, int thread, const gang_block *b, detail *err) {
  runner_thread *t = &s->threads[thread];
  runner_span like = {.kind = b->is_prompt ? THREAD_PROMPT : THREAD_FED, .round = -1};
  int64_t count = (int64_t)b->ids.count;
  t->rows += count;
  t->keys += count * (count + 1) / 2;
  s->tokens += count;
  return thread_add(t, &like, 0, (const uint32_t *)b->ids.ids, NULL, NULL, b->ids.count, err);
}

static status add_first(runner_sample *s, int thread, const mode_command *c, detail *err) {
  runner_thread *t = &s->threads[thread];
  stream *own = &s->streams[thread];
  runner_span like = {.kind = THREAD_FED, .round = -1};
  token_list ids = {0};
  gang_member *m = &s->gang->members[t->worker];
  m->put_in = m->step_token = own->fed_token = own->cut_token = t->count;
  status failed = text_to_tokens(s->task.rules, c->text, c->text_bytes, 0, &ids, err);
  if (!failed && !ids.count) {
    failed = fault(err, E_INPUT,
                   "what a worker is fed first has no token, and it goes on from one "
                   "at least: write words into 'step.prefix'");
  }
  if (!failed)
    failed = thread_add(t, &like, 0, (const uint32_t *)ids.ids, NULL, NULL, ids.count, err);
  s->tokens += (int64_t)ids.count;
  s->runner->dropped += ids.dropped;
  own->fed_span = t->span_count;
  token_list_close(&ids);
  return failed;
}

status gang_add_worker(runner_sample *s, int thread, const mode_command *c, detail *err) {
  gang *g = s->gang;
  REQUIRE(g && g->state == GANG_BEGINS && thread == g->count && g->count < LAYOUT_WORKERS_MAX);
  REQUIRE(c->view_count > 0 && c->view_count <= MODE_BLOCKS_MAX);
  gang_member *m = &g->members[g->count];
  gang_block *own = &g->blocks[c->view[c->view_count - 1]];
  REQUIRE(!own->is_text && own->writer < 0);
  own->writer = s->threads[thread].worker = g->count++;
  m->view_count = c->view_count;
  memcpy(m->view, c->view, (size_t)c->view_count * sizeof *c->view);
  status failed = OK;
  for (int i = 0; !failed && i < m->view_count; i++) {
    REQUIRE(m->view[i] < (mode_block)g->block_count);
    const gang_block *b = &g->blocks[m->view[i]];
    if (b->is_text) failed = add_seen(s, thread, b, err);
  }
  s->streams[thread].state = STREAM_READY;
  return failed ? failed : add_first(s, thread, c, err);
}

static gang_block *block_of(gang *g, int member) {
  const gang_member *m = &g->members[member];
  return &g->blocks[m->view[m->view_count - 1]];
}

static status note_commit(runner_thread *t, size_t token, int64_t step, detail *err) {
  if (t->commit_count == t->commit_capacity) {
    int capacity = t->commit_capacity ? 2 * t->commit_capacity : 8;
    runner_commit *grown = memory_grow(t->commits, (size_t)capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for a worker's steps");
    t->commits = grown;
    t->commit_capacity = capacity;
  }
  t->commits[t->commit_count++] = (runner_commit){token, step};
  return OK;
}

status gang_commit(runner_sample *s, const mode_command *c, detail *err) {
  gang *g = s->gang;
  REQUIRE(g && g->state == GANG_RUNS && c->thread < (mode_thread)g->count);
  REQUIRE(c->block < (mode_block)g->block_count && g->blocks[c->block].is_prompt);
  REQUIRE(s->streams[c->thread].state == STREAM_RESTS);
  generator *of = &s->runner->generator;
  runner_thread *t = &s->threads[c->thread];
  gang_member *m = &g->members[c->thread];
  gang_block *from = block_of(g, (int)c->thread), *to = &g->blocks[c->block];
  /* Of several by one forward the last may not have room: then no view has, and nobody goes on. */
  int has_room = to->tokens + from->tokens <= s->task.rules->context;
  status failed = has_room ? of->splice(of->self, to->segment, from->segment, err) : OK;
  if (failed) return failed;
  to->tokens += from->tokens;
  from->tokens = 0;
  m->step_token = t->count;
  return note_commit(t, m->put_in, t->finish, err);
}

/* A block that no worker came to write is nobody's, and stays empty. */
status gang_seat(runner_sample *s, int thread, detail *err) {
  const gang *g = s->gang;
  runner_thread *t = &s->threads[thread];
  const gang_member *m = &g->members[t->worker];
  t->seats = arena_take(s->memory, (size_t)m->view_count, sizeof *t->seats);
  if (!t->seats) return arena_full(s->memory, err);
  t->seat_count = 0;
  size_t token = 0;
  for (int i = 0; i < m->view_count; i++) {
    const gang_block *b = &g->blocks[m->view[i]];
    token += b->ids.count;
    if (b->writer >= 0) t->seats[t->seat_count++] = (runner_seat){token, b->writer};
  }
  return OK;
}

/* ---- who writes ------------------------------------------------------------------------------ */

int gang_has(const runner_sample *s, int thread) {
  const gang *g = s->gang;
  return g && g->state != GANG_IS_OVER && thread < g->count;
}

static int is_live(const runner_sample *s, int member) {
  stream_state state = s->streams[member].state;
  return state == STREAM_READY || state == STREAM_SAMPLES;
}

static int64_t waiting_tokens(const runner_sample *s, int member) {
  return (int64_t)(s->threads[member].count - s->gang->members[member].put_in);
}

/* What the next forward puts in of a worker's tokens. */
static int64_t next_tokens(const runner_sample *s, int member) {
  int64_t waiting = is_live(s, member) ? waiting_tokens(s, member) : 0;
  return waiting < PROTOCOL_FEED_TOKENS ? waiting : PROTOCOL_FEED_TOKENS;
}

static int64_t length_after(const runner_sample *s, mode_block block) {
  const gang_block *b = &s->gang->blocks[block];
  return b->tokens + (b->writer < 0 ? 0 : next_tokens(s, b->writer));
}

static int64_t view_after(const runner_sample *s, int member) {
  const gang_member *m = &s->gang->members[member];
  int64_t tokens = 0;
  for (int i = 0; i < m->view_count; i++)
    tokens += length_after(s, m->view[i]);
  return tokens;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void take_out(runner_sample *s, int member) {
  stream *own = &s->streams[member];
  if (own->id) runner_release(s, own->id);
  own->id = 0;
}

/* What a worker was fed and no forward has put in has no part of the sample. */
static void unfeed(runner_sample *s, int member) {
  runner_thread *t = &s->threads[member];
  const stream *own = &s->streams[member];
  size_t count = t->count, put_in = s->gang->members[member].put_in;
  if (own->state == STREAM_READY) {
    thread_unfeed(t, own->cut_token, own->fed_token);
  } else if (own->fed_span == t->span_count && put_in < count) {
    thread_drop(t, put_in); /* it samples nothing yet: some is put in */
  }
  s->tokens -= (int64_t)(count - t->count);
}

static void end_at(runner_sample *s, int member, const char *limit) {
  unfeed(s, member);
  take_out(s, member);
  sample_hold(s, member, MODE_END_LIMIT, limit);
}

void gang_stop(runner_sample *s, int thread) {
  runner_thread *t = &s->threads[thread];
  REQUIRE(gang_has(s, thread));
  if (is_live(s, thread)) unfeed(s, thread);
  take_out(s, thread);
  if (s->streams[thread].state != STREAM_RESTS) t->ended_ns = clock_monotonic_ns();
  s->streams[thread].state = STREAM_RESTS;
  t->is_stopped = 1;
}

/* The limit that a worker would pass by the next forward; all: tokens that it would sample. */
static const char *limit_of(const runner_sample *s, int member, int64_t all) {
  const runner_rules *r = s->task.rules;
  const runner_thread *t = &s->threads[member];
  if (r->tokens_thread && t->generated >= r->tokens_thread) return "tokens_thread";
  if (r->tokens_total && s->tokens + all > r->tokens_total) return "tokens_total";
  if (view_after(s, member) + 1 > r->context) return "context";
  return r->forwards && s->gang->forwards >= r->forwards ? "forwards" : NULL;
}

/* Whoever would pass a limit ends; whether anybody did. */
static int end_beyond(runner_sample *s) {
  const gang *g = s->gang;
  const char *limits[LAYOUT_WORKERS_MAX] = {0};
  int64_t all = 0;
  int ended = 0;
  for (int i = 0; i < g->count; i++)
    all += is_live(s, i) && waiting_tokens(s, i) <= PROTOCOL_FEED_TOKENS;
  for (int i = 0; i < g->count; i++)
    limits[i] = is_live(s, i) ? limit_of(s, i, all) : NULL;
  for (int i = 0; i < g->count; i++) {
    if (limits[i]) end_at(s, i, limits[i]);
    ended |= limits[i] != NULL;
  }
  return ended;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static status feed_block(runner_sample *s, int block, detail *err) {
  gang_block *b = &s->gang->blocks[block];
  generator *of = &s->runner->generator;
  view_entry view = {.visible = -1};
  status failed = of->make_segment(of->self, &b->segment, err);
  if (failed || !b->ids.count) return failed;
  view.segment = b->segment;
  thread_request request = {.tokens = (const uint32_t *)b->ids.ids,
                            .count = (int)b->ids.count,
                            .most_tokens = 1, /* which nobody takes */
                            .top_p = 1,
                            .view = &view,
                            .entries = 1};
  failed = of->submit(of->self, &request, &b->feeder, err);
  return failed ? failed : runner_link_thread(s, -1 - block, b->feeder, err);
}

static status feed_blocks(runner_sample *s, detail *err) {
  status failed = OK;
  REQUIRE(s->runner->generator.submit_gang);
  s->gang->state = GANG_FEEDS;
  for (int i = 0; !failed && i < s->gang->block_count; i++)
    failed = feed_block(s, i, err);
  return failed;
}

void gang_fed(runner_sample *s, int block, const engine_event *ev) {
  s->gang->blocks[block].is_fed = 1;
  if (ev->end != ENGINE_BROKEN) return;
  s->streams[0].is_broken = 1;
  s->streams[0].state = STREAM_HELD;
}

static int are_fed(const gang *g) {
  for (int i = 0; i < g->block_count; i++) {
    if (g->blocks[i].is_text && !g->blocks[i].is_fed) return 0;
  }
  return 1;
}

/* Their threads rest until the gang is admitted, so that the generator may swap out what they
   wrote. */
static void release_feeders(runner_sample *s) {
  gang *g = s->gang;
  for (int i = 0; i < g->block_count; i++) {
    if (g->blocks[i].feeder) runner_release(s, g->blocks[i].feeder);
    g->blocks[i].feeder = 0;
  }
}

void gang_close(runner_sample *s) {
  gang *g = s->gang;
  if (!g || g->state == GANG_IS_OVER) return;
  generator *of = &s->runner->generator;
  for (int i = 0; i < g->count; i++)
    take_out(s, i);
  release_feeders(s);
  for (int i = 0; i < g->block_count; i++) {
    if (g->blocks[i].segment && !s->runner->is_down)
      of->free_segment(of->self, g->blocks[i].segment);
    g->blocks[i].segment = 0;
  }
  g->state = GANG_IS_OVER;
}

/* ---- forwards -------------------------------------------------------------------------------- */

/* A worker's view as it will be; how many entries. Blocks without a segment are empty. */
static int put_view(const runner_sample *s, int member, view_entry *out) {
  const gang_member *m = &s->gang->members[member];
  int count = 0;
  int64_t position = 0;
  for (int i = 0; i < m->view_count; i++) {
    out[count++] = (view_entry){.segment = s->gang->blocks[m->view[i]].segment,
                                .visible = -1,
                                .position = (int32_t)position};
    position += length_after(s, m->view[i]);
  }
  return count;
}

static thread_more next_of(const runner_sample *s, int member, view_entry *view) {
  size_t put_in = s->gang->members[member].put_in;
  return (thread_more){.tokens = s->threads[member].tokens + put_in,
                       .count = (int)waiting_tokens(s, member),
                       .most_tokens = INT32_MAX,
                       .view = view,
                       .entries = put_view(s, member, view)};
}

/* Who is over a limit at the start is no part of the gang. */
static status submit_gang(runner_sample *s, detail *err) {
  thread_request requests[LAYOUT_WORKERS_MAX];
  view_entry views[LAYOUT_WORKERS_MAX][MODE_BLOCKS_MAX];
  thread_id ids[LAYOUT_WORKERS_MAX];
  int who[LAYOUT_WORKERS_MAX], count = 0;
  gang *g = s->gang;
  generator *of = &s->runner->generator;
  for (int i = 0; i < g->count; i++) {
    if (!is_live(s, i)) continue;
    thread_more next = next_of(s, i, views[i]);
    requests[count] = runner_request(s, i);
    requests[count].tokens = next.tokens;
    requests[count].count = next.count;
    requests[count].most_tokens = next.most_tokens;
    requests[count].view = next.view;
    requests[count].entries = next.entries;
    who[count++] = i;
  }
  gang_request request = {.members = requests,
                          .count = count,
                          .reserve_pages =
                              runner_reserve_pages(s->task.rules, of->page_keys(of->self)),
                          .feed_tokens = PROTOCOL_FEED_TOKENS};
  status failed = of->submit_gang(of->self, &request, ids, err);
  for (int i = 0; !failed && i < count; i++) {
    s->streams[who[i]].id = ids[i];
    s->streams[who[i]].state = STREAM_SAMPLES;
  }
  for (int i = 0; !failed && i < count; i++)
    failed = runner_link_thread(s, who[i], ids[i], err);
  g->state = GANG_RUNS;
  return failed;
}

/* Those that were fed go on, and everybody looks where everything will stand. */
static status run_on(runner_sample *s, detail *err) {
  view_entry view[MODE_BLOCKS_MAX];
  generator *of = &s->runner->generator;
  status failed = OK;
  for (int i = 0; !failed && i < s->gang->count; i++) {
    stream *own = &s->streams[i];
    if (!is_live(s, i)) continue;
    thread_more next = next_of(s, i, view);
    s->threads[i].finish = s->gang->forwards;
    if (own->state == STREAM_READY) {
      failed = of->go_on(of->self, own->id, &next, err);
    } else {
      failed = of->look(of->self, own->id, next.view, next.entries, err);
    }
  }
  for (int i = 0; !failed && i < s->gang->count; i++) {
    if (is_live(s, i)) s->streams[i].state = STREAM_SAMPLES;
  }
  return failed;
}

/* Nobody of it is left to write, or one is. */
static int has_live(const runner_sample *s) {
  int live = 0;
  for (int i = 0; i < s->gang->count; i++)
    live |= is_live(s, i);
  return live;
}

status gang_go_on(runner_sample *s, int *ended, detail *err) {
  gang *g = s->gang;
  *ended = 0;
  REQUIRE(g->count > 0);
  if (!has_live(s)) {
    gang_close(s);
    *ended = 1;
    return OK;
  }
  if (g->state == GANG_FEEDS && !are_fed(g)) return OK;
  *ended = end_beyond(s);
  if (*ended) return OK;
  if (g->state == GANG_RUNS) return run_on(s, err);
  status failed = g->state == GANG_BEGINS ? feed_blocks(s, err) : OK;
  if (failed || !are_fed(g)) return failed;
  return submit_gang(s, err);
}

/* ---- what a forward was ---------------------------------------------------------------------- */

/* Rows that stand one behind another at the end of a view, in which own tokens are the worker's, or
   of texts. */
static void count_rows(runner_thread *t, int64_t rows, int64_t view, int64_t own) {
  t->seen = view - own;
  t->rows += rows;
  t->keys += rows * (view - rows) + rows * (rows + 1) / 2;
  if (view + 1 > t->view_most) t->view_most = view + 1;
}

/* The tokens that were sampled are in the workers' already, behind what was put in. */
static void take_forward(runner_sample *s, const int64_t *put_in) {
  gang *g = s->gang;
  g->forwards++;
  for (int i = 0; i < g->count; i++) {
    block_of(g, i)->tokens += put_in[i];
    g->members[i].put_in += (size_t)put_in[i];
    g->put_in += put_in[i];
  }
  for (int i = 0; i < g->count; i++) {
    const gang_member *m = &g->members[i];
    int64_t view = 0;
    for (int k = 0; k < m->view_count; k++)
      view += g->blocks[m->view[k]].tokens;
    if (put_in[i]) count_rows(&s->threads[i], put_in[i], view, (int64_t)m->put_in);
  }
}

int gang_has_run(runner_sample *s) {
  gang *g = s->gang;
  generator *of = &s->runner->generator;
  int64_t put_in[LAYOUT_WORKERS_MAX], all = 0;
  if (!g || g->state == GANG_IS_OVER) return 0;
  if (g->state == GANG_FEEDS) return are_fed(g);
  for (int i = 0; i < g->count; i++) {
    const gang_block *b = block_of(g, i);
    put_in[i] = of->tokens_in(of->self, b->segment) - b->tokens;
    all += put_in[i];
  }
  if (!all) return 0;
  if (!g->forwards) release_feeders(s);
  take_forward(s, put_in);
  return 1;
}
