/* Threads with views, and gangs: two workers in the combined layout (what they share, the other's
   segment, their own) against a plain computation, forward by forward, that knows no engine. */
#include "base/memory.h"
#include "tests/engine/engines.h"

#include <string.h>

static detail err;

enum {
  WORKERS = 2,
  SHARED = 40,
  KEYS = 16,
  PAGES = 8, /* of each segment of the plain computation */
  ROWS = 64,
  GAP = 12
};

/* ---- the plain computation ------------------------------------------------------------------- */

/* Segments stand on pages of their own: what is shared, then each worker's. */
typedef struct plain {
  forward *f;
  const job_gang *g;
  int length[1 + WORKERS];
  int pages[(1 + WORKERS) * PAGES];
  trace *out; /* [WORKERS] */
  uint32_t pending[WORKERS][16];
  int pending_count[WORKERS], most[WORKERS], counter[WORKERS];
  step_plan plan;
  uint32_t token[ROWS];
  int32_t slot[ROWS], position[ROWS], row_span[ROWS + 1], output[ROWS];
  int32_t span_page[3 * ROWS], span_keys[3 * ROWS], span_position[3 * ROWS];
} plain;

static int32_t slot_of(int segment, int index) {
  return (segment * PAGES + index / KEYS) * KEYS + index % KEYS;
}

static void plain_row(plain *p, int segment, uint32_t token) {
  int row = p->plan.rows++, index = p->length[segment]++;
  p->token[row] = token;
  p->slot[row] = slot_of(segment, index);
  p->position[row] = index;
}

static void plain_span(plain *p, int segment, int keys, int position) {
  int at = p->plan.spans++;
  p->span_page[at] = segment * PAGES;
  p->span_keys[at] = keys;
  p->span_position[at] = position;
}

/* Spans of all rows, once all lengths are known: a worker's row sees what is shared, all of the
   other's (or nothing of it), and its own up to itself. */
static void plain_spans(plain *p, const int *worker) {
  for (int row = 0; row < p->plan.rows; row++) {
    int w = worker[row], index = p->position[row], at = SHARED + GAP + index;
    p->row_span[row] = p->plan.spans;
    if (w < 0) {
      plain_span(p, 0, index + 1, index);
      continue;
    }
    plain_span(p, 0, p->length[0], at);
    plain_span(p, 2 - w, p->g->seen < 0 ? p->length[2 - w] : p->g->seen, at - SHARED);
    plain_span(p, 1 + w, index + 1, index);
  }
  p->row_span[p->plan.rows] = p->plan.spans;
}

static void plain_run(plain *p, const int *worker) {
  plain_spans(p, worker);
  p->plan.token = p->token;
  p->plan.write_slot = p->slot;
  p->plan.write_position = p->position;
  p->plan.row_span = p->row_span;
  p->plan.span_page = p->span_page;
  p->plan.span_keys = p->span_keys;
  p->plan.span_position = p->span_position;
  p->plan.pages = p->pages;
  p->plan.output_row = p->output;
  ck_ok(forward_run(p->f, &p->plan, &err));
}

static void plain_sample(plain *p, int w, int output) {
  sample_result result;
  sample_row row = {.temperature = 0.5f * (float)w,
                    .top_p = 1,
                    .key = {{77, (uint32_t)w}},
                    .counter = (uint64_t)p->counter[w]++};
  sample_args a = {.rows = 1,
                   .vocabulary = ENGINES_VOCABULARY,
                   .logits = forward_logits(p->f) + (size_t)output * ENGINES_VOCABULARY,
                   .row = &row,
                   .out = &result};
  ck_ok(forward_kernels(p->f)->sample(forward_device(p->f), &a, &err));
  engine_event ev = {.token = result.token,
                     .logprob = result.logprob,
                     .filtered_logprob = result.filtered_logprob};
  if (--p->most[w] == 0) ev.end = ENGINE_MOST_TOKENS;
  ck_ok(trace_add(&p->out[w], &ev, &err));
  p->pending[w][0] = result.token;
  p->pending_count[w] = ev.end == ENGINE_GOES_ON;
}

static void plain_feed(plain *p, int w) {
  p->pending_count[w] = p->g->fed_count[w];
  p->most[w] = p->g->most[w];
  memcpy(p->pending[w], p->g->fed[w], sizeof p->g->fed[w]);
}

/* Moves a worker's tokens to the end of what is shared. */
static void plain_splice(plain *p, int w) {
  int32_t from[PAGES * KEYS], to[PAGES * KEYS];
  splice_args a = {.slots = p->length[1 + w], .from = from, .to = to, .turn = p->length[0]};
  a.rope = forward_rope(p->f, &a.rope_positions);
  for (int i = 0; i < a.slots; i++) {
    from[i] = slot_of(1 + w, i);
    to[i] = slot_of(0, p->length[0] + i);
  }
  ck_ok(forward_kernels(p->f)->splice(forward_device(p->f), &a, &err));
  p->length[0] += a.slots;
  p->length[1 + w] = 0;
}

/* One forward of both workers. */
static void plain_forward(plain *p) {
  int worker[ROWS], samples[WORKERS] = {0};
  p->plan = (step_plan){0};
  for (int w = 0; w < WORKERS; w++) {
    int count = p->pending_count[w] < p->g->feed_tokens ? p->pending_count[w] : p->g->feed_tokens;
    for (int i = 0; i < count; i++) {
      worker[p->plan.rows] = w;
      plain_row(p, 1 + w, p->pending[w][i]);
    }
    p->pending_count[w] -= count;
    memmove(p->pending[w], p->pending[w] + count, sizeof p->pending[w][0] * (16 - (size_t)count));
    samples[w] = count > 0 && p->pending_count[w] == 0;
    if (samples[w]) p->output[p->plan.outputs++] = p->plan.rows - 1;
  }
  plain_run(p, worker);
  for (int w = 0, output = 0; w < WORKERS; w++) {
    if (samples[w]) plain_sample(p, w, output++);
  }
  for (int w = 0; w < WORKERS; w++) {
    if (!samples[w] || p->pending_count[w] || p->out[w].ends != 1) continue;
    plain_splice(p, w);
    plain_feed(p, w);
  }
}

static void plain_gang(const model *m, const job_gang *g, trace *out) {
  plain *p = memory_zeroed(1, sizeof *p);
  ck_assert_ptr_nonnull(p);
  *p = (plain){.g = g, .out = out};
  forward_options o = {.backend = "cpu",
                       .compute = COMPUTE_FP32,
                       .threads = 1,
                       .rows = ROWS,
                       .outputs = ROWS,
                       .pages = (1 + WORKERS) * PAGES,
                       .page_keys = KEYS};
  ck_ok(forward_open(&p->f, m, &o, &err));
  int nobody[ROWS];
  for (int i = 0; i < (1 + WORKERS) * PAGES; i++)
    p->pages[i] = i;
  for (int i = 0; i < g->shared_count; i++) {
    nobody[i] = -1;
    plain_row(p, 0, g->shared[i]);
  }
  plain_run(p, nobody);
  for (int w = 0; w < WORKERS; w++)
    plain_feed(p, w);
  while (out[0].ends < 2 || out[1].ends < 2)
    plain_forward(p);
  forward_close(p->f);
  memory_free(p);
}

/* ---- the same in an engine ------------------------------------------------------------------- */

static uint32_t shared_tokens[SHARED];

static job_gang drawn_gang(int seed) {
  job_gang g = {.shared = shared_tokens, .shared_count = SHARED, .seen = seed % 3 == 2 ? 0 : -1};
  random_stream r = random_start((random_key){{(uint32_t)seed, 8}});
  engines_fill(shared_tokens, SHARED, (uint32_t)seed);
  g.feed_tokens = 1 + seed % 3;
  for (int w = 0; w < WORKERS; w++) {
    g.fed_count[w] = (int)random_between(&r, 1, 7);
    g.most[w] = (int)random_between(&r, 1, 12);
    engines_fill(g.fed[w], 8, (uint32_t)(seed * 10 + w));
  }
  return g;
}

/* Alone or among plain threads, with pages to spare or not, preempted or left alone. */
START_TEST(test_combined) {
  enum { BESIDE = 6, SEEDS = 6 };
  model *m = engines_model();
  static uint32_t prompts[BESIDE][80];
  thread_request beside[BESIDE];
  for (int i = 0; i < BESIDE; i++) {
    engines_fill(prompts[i], 80, (uint32_t)(50 + i));
    beside[i] = engines_request(prompts[i], 30 + 10 * i, 20);
  }
  for (int seed = 0; seed < SEEDS; seed++) {
    job_gang g = drawn_gang(seed);
    trace *wanted = engines_traces(WORKERS);
    plain_gang(m, &g, wanted);
    for (int way = 0; way < 4; way++) {
      job j = {.compute = COMPUTE_FP32,
               .positions = 200,
               .threads = beside,
               .count = way ? BESIDE : 0,
               .has_gang = 1,
               .gang = g};
      schedule s = {.options = engines_options(), .at_once = 100, .runs = 1, .seed = 4};
      traces got;
      run_report report;
      s.options.preemption = ENGINE_SWAP;
      s.options.policy = way == 3 ? ENGINE_NEVER_EVICT : ENGINE_FILL_MEMORY;
      if (way == 2) s.options.pages = job_pages(&j, KEYS) + 4;
      s.preempts_in_100 = way == 1 || way == 3 ? 60 : 0;
      ck_ok(traces_open(&got, &j, &err));
      ck_ok(job_run(&j, &s, m, NULL, &got, &report, &err));
      for (int w = 0; w < WORKERS; w++)
        engines_same(&wanted[w], &got.of[j.count + 1 + w], 10 * way + w);
      if (s.preempts_in_100) ck_assert_int_gt(report.counters.swapped_total, 0);
      traces_close(&got);
    }
  }
  model_close(m);
}
END_TEST

/* ---- a view of one segment ------------------------------------------------------------------- */

static engine_options with_swap(void) {
  engine_options o = engines_options();
  o.segments = 8;
  o.swap_bytes = 1 << 20;
  return o;
}

/* It is plain text: the same tokens, and its pages are found by a plain thread. Where it stops it
   goes on. */
START_TEST(test_one_segment) {
  model *m = engines_model();
  engine_options o = with_swap();
  engine *e = engines_open(m, NULL, &o);
  trace *whole = engines_traces(1), *part = engines_traces(1);
  uint32_t prompt[90], again[2];
  engines_fill(prompt, 90, 6);
  thread_request r = engines_request(prompt, 90, 40);
  r.temperature = 1;
  segment_id s;
  ck_ok(segment_new(engine_cache(e), &s, &err));
  view_entry view = {s, -1, 0};
  r.view = &view;
  r.entries = 1;
  r.most_tokens = 15;
  thread_id id = engines_submit(e, &r);
  engines_drive(e, part, id, 1, NULL, NULL);
  ck_assert_int_eq(engine_count(e).ended, 1);
  ck_assert_int_eq(segment_tokens(engine_cache(e), s), 90 + 14);
  again[0] = part->tokens[14];
  again[1] = 5; /* another token is put in */
  thread_more more = {.tokens = again, .count = 2, .most_tokens = 10};
  ck_ok(engine_continue(e, id, &more, &err));
  engines_drive(e, part, id, 1, NULL, NULL);
  ck_assert_int_eq(part->count, 25);
  ck_assert_int_eq(part->ends, 2);
  engine_release(e, id);
  segment_free(engine_cache(e), s);
  r = engines_request(prompt, 90, 15);
  r.temperature = 1;
  int64_t prefilled = engine_count(e).prefilled;
  engines_alone(e, &r, whole);
  ck_assert_int_eq(engine_count(e).prefilled, prefilled);
  ck_assert(!memcmp(whole->tokens, part->tokens, 15 * sizeof *whole->tokens));
  ck_assert(!memcmp(whole->logprobs, part->logprobs, 15 * sizeof *whole->logprobs));
  uint32_t longer[107];
  memcpy(longer, prompt, sizeof prompt);
  memcpy(longer + 90, part->tokens, 15 * sizeof *longer);
  longer[105] = 5;
  r = engines_request(longer, 106, 10);
  r.temperature = 1;
  r.sampled_before = 15;
  engines_alone(e, &r, whole);
  ck_assert(!memcmp(whole->tokens, part->tokens + 15, 10 * sizeof *whole->tokens));
  ck_assert(!memcmp(whole->logprobs, part->logprobs + 15, 10 * sizeof *whole->logprobs));
  engine_close(e);
  model_close(m);
}
END_TEST

/* One that has ended gives its pages to those that run, and has them back when it goes on. */
START_TEST(test_rests) {
  model *m = engines_model();
  trace *wanted = engines_traces(1), *got = engines_traces(1), *others = engines_traces(3);
  uint32_t prompt[120], other[3][120];
  engines_fill(prompt, 120, 7);
  for (int i = 0; i < 3; i++)
    engines_fill(other[i], 120, (uint32_t)(70 + i));
  for (int scarce = 0; scarce < 2; scarce++) {
    engine_options o = with_swap();
    if (scarce) o.pages = 19;
    engine *e = engines_open(m, NULL, &o);
    trace *into = scarce ? got : wanted;
    segment_id s;
    ck_ok(segment_new(engine_cache(e), &s, &err));
    view_entry view = {s, -1, 0};
    thread_request r = engines_request(prompt, 120, 4);
    r.view = &view;
    r.entries = 1;
    thread_id id = engines_submit(e, &r);
    engines_drive(e, into, id, 1, NULL, NULL);
    for (int i = 0; i < 3; i++) {
      r = engines_request(other[i], 120, 120);
      engines_submit(e, &r);
      trace_clear(&others[i]);
    }
    engines_drive(e, others, id + 1, 3, NULL, NULL);
    ck_assert_int_eq(segment_is_in(engine_cache(e), s), !scarce);
    thread_more more = {.tokens = &into->tokens[3], .count = 1, .most_tokens = 9};
    ck_ok(engine_continue(e, id, &more, &err));
    engines_drive(e, into, id, 1, NULL, NULL);
    ck_assert_int_eq(into->count, 13);
    engine_release(e, id);
    segment_free(engine_cache(e), s);
    ck_assert_int_eq(cache_count(engine_cache(e)).swapped, 0);
    engine_close(e);
  }
  engines_same(wanted, got, 0);
  model_close(m);
}
END_TEST

/* ---- changing views, leaving ----------------------------------------------------------------- */

/* A worker that looks away from the other is one that was alone from there on. */
START_TEST(test_look) {
  model *m = engines_model();
  engine_options o = with_swap();
  engine *e = engines_open(m, NULL, &o);
  segment_id s[2];
  uint32_t fed[2] = {3, 4};
  view_entry views[2][2];
  thread_request members[2];
  thread_id ids[2];
  trace *t = engines_traces(2);
  for (int w = 0; w < 2; w++)
    ck_ok(segment_new(engine_cache(e), &s[w], &err));
  for (int w = 0; w < 2; w++) {
    views[w][0] = (view_entry){s[1 - w], -1, 0};
    views[w][1] = (view_entry){s[w], -1, 50};
    members[w] = engines_request(&fed[w], 1, 20);
    members[w].view = views[w];
    members[w].entries = 2;
  }
  gang_request gang = {.members = members, .count = 2, .reserve_pages = 8, .feed_tokens = 1};
  ck_ok(engine_submit_gang(e, &gang, ids, &err));
  const engine_event *events;
  int count, seen = 0;
  for (int step = 0; !engine_is_idle(e); step++) {
    ck_ok(engine_step(e, &events, &count, &err));
    for (int i = 0; i < count; i++)
      ck_ok(trace_add(&t[events[i].thread - ids[0]], &events[i], &err));
    ck_assert(step > 19 || count == (step < 10 ? 2 : 1)); /* both in each step, or one is gone */
    if (step == 4) {
      view_entry own = {s[0], -1, 50};
      ck_ok(engine_look(e, ids[0], &own, 1, &err));
      own.segment = s[1];
      ck_fails(engine_look(e, ids[0], &own, 1, &err), E_INPUT, "the last entry of a view stays");
    }
    if (step == 9) engine_release(e, ids[1]);
    if (step == 9) seen = t[1].count;
  }
  ck_assert_int_eq(seen, 10);
  ck_assert_int_eq(t[0].count, 20);
  ck_assert(!segment_is_causal(engine_cache(e), s[0]));
  engine_release(e, ids[0]);
  segment_free(engine_cache(e), s[0]);
  segment_free(engine_cache(e), s[1]);
  ck_assert_int_eq(cache_count(engine_cache(e)).pages_used, 0);
  engine_close(e);
  model_close(m);
}
END_TEST

/* ---- refused --------------------------------------------------------------------------------- */

START_TEST(test_refused) {
  model *m = engines_model();
  engine_options o = with_swap();
  o.rows = 8;
  engine *e = engines_open(m, NULL, &o);
  segment_id s[2];
  thread_id ids[9];
  uint32_t fed[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (int w = 0; w < 2; w++)
    ck_ok(segment_new(engine_cache(e), &s[w], &err));
  view_entry view[2] = {{s[1], -1, 0}, {s[0], -1, 0}}, other[2] = {{s[0], -1, 0}, {s[1], -1, 0}};
  thread_request members[9];
  for (int i = 0; i < 9; i++) {
    members[i] = engines_request(fed, 1, 5);
    members[i].view = i % 2 ? other : view;
    members[i].entries = 2;
  }
  gang_request g = {.members = members, .count = 2, .reserve_pages = 4, .feed_tokens = 1};
#define REFUSES(code, piece) ck_fails(engine_submit_gang(e, &g, ids, &err), code, piece)
  g.feed_tokens = 5;
  REFUSES(E_LIMIT, "2 threads that feed 5 tokens each takes 10 rows; a step has 8");
  g.feed_tokens = 1;
  g.count = 9;
  REFUSES(E_LIMIT, "a gang of 9 threads runs together or not at all; there are 8 slots");
  g.count = 3;
  REFUSES(E_INPUT, "member 2 writes to a segment that another thread writes to");
  g.count = 2;
  g.reserve_pages = 601;
  REFUSES(E_LIMIT, "a reserve of 601 pages: the cache has 600");
  g.reserve_pages = 4;
  members[1].view = NULL;
  REFUSES(E_INPUT, "member 1 of a gang has no view");
  members[1].view = other;
  other[0].position = 1;
  REFUSES(E_INPUT, "entry 0 of a view stands at 1: 0 to 0 are possible");
  other[0].position = 0;
  other[0].visible = 1;
  REFUSES(E_INPUT, "entry 0 of a view shows 1 tokens of a segment of 0");
  other[0].visible = -1;
  other[1].visible = 0;
  REFUSES(E_INPUT, "its visible is -1, not 0");
  other[1].visible = -1;
  other[1].position = ENGINES_CONTEXT - 1;
  REFUSES(E_LIMIT, "1 tokens from position 399 on leave none of 400 positions");
  other[1].position = 0;
  ck_assert(engine_is_idle(e));
  ck_ok(engine_submit_gang(e, &g, ids, &err));
  ck_fails(engine_submit(e, &members[0], ids, &err), E_INPUT, "that another thread writes to");
#undef REFUSES
  engine_close(e);
  o.swap_bytes = 0;
  e = engines_open(m, NULL, &o);
  ck_ok(segment_new(engine_cache(e), &s[0], &err));
  view[1].segment = s[0];
  members[0].view = &view[1];
  members[0].entries = 1;
  ck_fails(engine_submit(e, &members[0], ids, &err), E_LIMIT, "host memory for swapping 0");
  engine_close(e);
  model_close(m);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("gang");
  TCase *all = tcase_create("gang");
  tcase_add_test(all, test_combined);
  tcase_add_test(all, test_one_segment);
  tcase_add_test(all, test_rests);
  tcase_add_test(all, test_look);
  tcase_add_test(all, test_refused);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
