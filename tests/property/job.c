#include "tests/property/job.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* ---- drawing --------------------------------------------------------------------------------- */

typedef struct job_size {
  int threads_low, threads_high, prompt_high, most_high;
} job_size;

static const job_size sizes[] = {
    [JOB_SHORT] = {1, 5, 24, 5},
    [JOB_SMALL] = {1, 6, 300, 24},
    [JOB_MEDIUM] = {8, 40, 60, 10},
    [JOB_LARGE] = {100, 257, 12, 4},
};

static void *taken(size_t count, size_t bytes, int *failed) {
  void *memory = memory_zeroed(count, bytes);
  if (!memory) *failed = 1;
  return memory;
}

/* A prompt that begins as an earlier one does, or is one again. */
static void draw_prompt(thread_request *t, const job *j, int index, random_stream *r, int most,
                        int vocabulary, int *failed) {
  const thread_request *like = index ? &j->threads[random_below(r, (uint32_t)index)] : NULL;
  int count = (int)random_between(r, 1, most), head = 0;
  if (like && random_chance(r, 0.15)) {
    count = head = like->count;
  } else if (like && random_chance(r, 0.6)) {
    head = (int)random_between(r, 0, count < like->count ? count : like->count);
  }
  uint32_t *tokens = taken((size_t)count, sizeof *tokens, failed);
  if (!tokens) return;
  for (int i = 0; i < count; i++)
    tokens[i] = i < head ? like->tokens[i] : random_below(r, (uint32_t)vocabulary);
  t->tokens = tokens;
  t->count = count;
}

static void draw_sampling(thread_request *t, random_stream *r) {
  t->top_p = 1;
  if (random_chance(r, 0.35)) return;
  t->temperature = 0.25f * (float)random_between(r, 1, 8);
  if (random_chance(r, 0.3)) t->top_k = (int)random_between(r, 1, 60);
  if (random_chance(r, 0.3)) t->top_p = 0.05f * (float)random_between(r, 1, 19);
  if (random_chance(r, 0.3)) t->min_p = 0.01f * (float)random_between(r, 1, 20);
}

static const uint32_t *draw_ids(random_stream *r, int count, int vocabulary, int *failed) {
  uint32_t *ids = taken((size_t)count, sizeof *ids, failed);
  for (int i = 0; ids && i < count; i++)
    ids[i] = random_below(r, (uint32_t)vocabulary);
  return ids;
}

static void draw_ends(thread_request *t, random_stream *r, int vocabulary, int *failed) {
  static const char *const strings[][JOB_STOPS_MAX] = {
      {"e", "th", " t"}, {"a", "1", "s"}, {"\n", "in", "or"}, {"0", "2", "x"}};
  if (random_chance(r, 0.3)) t->end_count = (int)random_between(r, 1, 20);
  if (random_chance(r, 0.2)) t->suppressed_count = (int)random_between(r, 1, 30);
  t->end_ids = draw_ids(r, t->end_count, vocabulary, failed);
  t->suppressed = draw_ids(r, t->suppressed_count, vocabulary, failed);
  t->wants_text = random_chance(r, 0.3);
  if (random_chance(r, 0.4)) t->stop_count = (int)random_between(r, 1, JOB_STOPS_MAX);
  t->stops = strings[random_below(r, 4)];
}

static void draw_gang(job *j, random_stream *r, int most, int vocabulary, int *failed) {
  job_gang *g = &j->gang;
  g->shared_count = (int)random_between(r, 1, most);
  g->shared = taken((size_t)g->shared_count, sizeof *g->shared, failed);
  for (int i = 0; g->shared && i < g->shared_count; i++)
    g->shared[i] = random_below(r, (uint32_t)vocabulary);
  g->feed_tokens = (int)random_between(r, 1, 3);
  g->seen = random_chance(r, 0.3) ? 0 : -1;
  for (int w = 0; w < JOB_WORKERS; w++) {
    g->fed_count[w] = (int)random_between(r, 1, 8);
    g->most[w] = (int)random_between(r, 1, 9);
    for (int i = 0; i < g->fed_count[w]; i++)
      g->fed[w][i] = random_below(r, (uint32_t)vocabulary);
  }
}

status job_draw(job *out, random_stream *r, int size, int vocabulary, detail *err) {
  const job_size *z = &sizes[size];
  int failed = 0;
  *out = (job){.compute = random_chance(r, 0.3) ? COMPUTE_FP32 : COMPUTE_BF16,
               .positions = z->prompt_high + (int)random_between(r, 40, 80)};
  out->count = (int)random_between(r, z->threads_low, z->threads_high);
  if (size == JOB_LARGE && random_chance(r, 0.7)) out->count = z->threads_high;
  out->threads = taken((size_t)out->count, sizeof *out->threads, &failed);
  for (int i = 0; !failed && i < out->count; i++) {
    thread_request *t = &out->threads[i];
    draw_prompt(t, out, i, r, z->prompt_high, vocabulary, &failed);
    draw_sampling(t, r);
    draw_ends(t, r, vocabulary, &failed);
    t->most_tokens = (int)random_between(r, 1, z->most_high);
    if (random_chance(r, 0.1)) t->most_tokens = out->positions; /* the context ends it */
    if (random_chance(r, 0.5)) t->expected_tokens = t->most_tokens;
    t->key = (random_key){{random_next(r), random_next(r)}};
    t->sampled_before = random_chance(r, 0.2) ? random_below(r, 1000) : 0;
  }
  out->has_gang = size != JOB_LARGE && random_chance(r, 0.25);
  if (!failed && out->has_gang) draw_gang(out, r, z->prompt_high / 4, vocabulary, &failed);
  if (!failed) return OK;
  job_close(out);
  return fault(err, E_MEMORY, "no memory for a job");
}

/* The arrays are const for the engine's sake. */
static void give(const void *memory) {
  memory_free((void *)(uintptr_t)memory);
}

void job_close(job *j) {
  for (int i = 0; j->threads && i < j->count; i++) {
    give(j->threads[i].tokens);
    give(j->threads[i].end_ids);
    give(j->threads[i].suppressed);
  }
  memory_free(j->threads);
  memory_free(j->gang.shared);
  *j = (job){0};
}

static int pages_of(int tokens, int page_keys) {
  return (tokens + page_keys - 1) / page_keys;
}

/* What the workers share grows by what they wrote; while it is moved it stands on both. */
int job_reserve(const job *j, int page_keys) {
  const job_gang *g = &j->gang;
  int own = 0, all = g->shared_count;
  if (!j->has_gang) return 0;
  for (int w = 0; w < JOB_WORKERS; w++) {
    own += pages_of(g->fed_count[w] + g->most[w], page_keys);
    all += g->fed_count[w] + g->most[w];
  }
  return pages_of(all, page_keys) + 2 * own;
}

int job_pages(const job *j, int page_keys) {
  int most = job_reserve(j, page_keys);
  for (int i = 0; i < j->count; i++) {
    const thread_request *t = &j->threads[i];
    int tokens =
        t->count + t->most_tokens < j->positions ? t->count + t->most_tokens : j->positions;
    if (pages_of(tokens - 1, page_keys) > most) most = pages_of(tokens - 1, page_keys);
  }
  return most;
}

status job_tokenizer(tokenizer **out, int vocabulary, detail *err) {
  static const char learnt[] = "the thing in there is on the other side of it, and then some 10 "
                               "or 20 more of these, in the end nothing is there\n";
  text file;
  text_open(&file, JOB_TEXT_MAX);
  status failed = tokenizer_synth(&file, learnt, sizeof learnt - 1, vocabulary, err);
  if (!failed) failed = tokenizer_read(out, text_string(&file), file.bytes, "a tokenizer", err);
  text_close(&file);
  return failed;
}

/* ---- traces ---------------------------------------------------------------------------------- */

status traces_open(traces *out, const job *j, detail *err) {
  out->count = j->count + (j->has_gang ? 1 + JOB_WORKERS : 0);
  out->of = memory_zeroed((size_t)out->count, sizeof *out->of);
  if (!out->of) return fault(err, E_MEMORY, "no memory for %d traces", out->count);
  for (int i = 0; i < out->count; i++)
    text_open(&out->of[i].text, JOB_TEXT_MAX);
  return OK;
}

void trace_clear(trace *t) {
  t->count = t->ends = t->which = 0;
  t->end = ENGINE_GOES_ON;
  t->stop_at = 0;
  text_clear(&t->text);
}

void traces_close(traces *t) {
  for (int i = 0; i < t->count; i++) {
    memory_free(t->of[i].tokens);
    memory_free(t->of[i].logprobs);
    memory_free(t->of[i].filtered);
    text_close(&t->of[i].text);
  }
  memory_free(t->of);
  *t = (traces){0};
}

static status trace_grow(trace *t, detail *err) {
  int capacity = t->capacity ? 2 * t->capacity : 16;
  uint32_t *tokens = memory_grow(t->tokens, (size_t)capacity * sizeof *tokens);
  if (tokens) t->tokens = tokens;
  float *logprobs = memory_grow(t->logprobs, (size_t)capacity * sizeof *logprobs);
  if (logprobs) t->logprobs = logprobs;
  float *filtered = memory_grow(t->filtered, (size_t)capacity * sizeof *filtered);
  if (filtered) t->filtered = filtered;
  if (!tokens || !logprobs || !filtered) return fault(err, E_MEMORY, "no memory for a trace");
  t->capacity = capacity;
  return OK;
}

status trace_add(trace *t, const engine_event *ev, detail *err) {
  status failed = t->count == t->capacity ? trace_grow(t, err) : OK;
  if (failed) return failed;
  if (ev->end != ENGINE_BROKEN) {
    t->tokens[t->count] = ev->token;
    t->logprobs[t->count] = ev->logprob;
    t->filtered[t->count++] = ev->filtered_logprob;
  }
  if (ev->text) text_add(&t->text, ev->text, ev->text_bytes);
  if (ev->end == ENGINE_GOES_ON) return OK;
  t->ends++;
  t->end = ev->end;
  t->which = ev->which;
  t->stop_at = ev->stop_at;
  return OK;
}

static int float_differs(float a, float b) {
  return memcmp(&a, &b, sizeof a) != 0;
}

static int token_differs(const trace *a, const trace *b, int i, difference *out) {
  if (a->tokens[i] != b->tokens[i]) {
    (void)snprintf(out->text, sizeof out->text, "token %u and %u", (unsigned)a->tokens[i],
                   (unsigned)b->tokens[i]);
    return 1;
  }
  if (float_differs(a->logprobs[i], b->logprobs[i])) {
    (void)snprintf(out->text, sizeof out->text, "log-probability %.9g and %.9g",
                   (double)a->logprobs[i], (double)b->logprobs[i]);
    return 1;
  }
  if (float_differs(a->filtered[i], b->filtered[i])) {
    (void)snprintf(out->text, sizeof out->text, "filtered log-probability %.9g and %.9g",
                   (double)a->filtered[i], (double)b->filtered[i]);
    return 1;
  }
  return 0;
}

static int trace_differs(const trace *a, const trace *b, difference *out) {
  int both = a->count < b->count ? a->count : b->count;
  for (out->token = 0; out->token < both; out->token++) {
    if (token_differs(a, b, out->token, out)) return 1;
  }
  if (a->count != b->count || a->ends != b->ends || a->end != b->end || a->which != b->which ||
      a->stop_at != b->stop_at) {
    (void)snprintf(out->text, sizeof out->text,
                   "%d tokens, end %d of kind %d, number %d at %zu, and %d, %d of %d, %d at %zu",
                   a->count, a->ends, (int)a->end, a->which, a->stop_at, b->count, b->ends,
                   (int)b->end, b->which, b->stop_at);
    return 1;
  }
  if (a->text.bytes != b->text.bytes ||
      memcmp(text_string(&a->text), text_string(&b->text), a->text.bytes) != 0) {
    (void)snprintf(out->text, sizeof out->text, "text of %zu bytes and of %zu", a->text.bytes,
                   b->text.bytes);
    return 1;
  }
  return 0;
}

int traces_differ(const traces *a, const traces *b, difference *out) {
  for (out->thread = 0; out->thread < a->count; out->thread++) {
    if (trace_differs(&a->of[out->thread], &b->of[out->thread], out)) return 1;
  }
  return 0;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Where a gang stands: what it shares is fed, its workers run, all is done. */
typedef enum gang_stage { GANG_NOT_YET, GANG_FEEDS, GANG_RUNS, GANG_DONE } gang_stage;

typedef struct runner {
  const job *j;
  const schedule *s;
  engine *e;
  traces *out;
  random_stream random;
  int *order;    /* [count] the job's threads as they are submitted */
  thread_id *id; /* [traces] 0: not submitted or ended */
  int next, live;
  gang_stage stage;
  segment_id shared, own[JOB_WORKERS];
  int left; /* preemptions: a thread that is always sent away before its prompt is fed never ends */
} runner;

static void shuffle(runner *r) {
  for (int i = 0; i < r->j->count; i++)
    r->order[i] = i;
  for (int i = r->j->count - 1; r->s->shuffles && i > 0; i--) {
    int k = (int)random_below(&r->random, (uint32_t)i + 1), moved = r->order[i];
    r->order[i] = r->order[k];
    r->order[k] = moved;
  }
}

/* A thread that feeds what the workers will share; the token that it samples is not fed. */
static status start_gang(runner *r, detail *err) {
  const job_gang *g = &r->j->gang;
  cache *c = engine_cache(r->e);
  status failed = segment_new(c, &r->shared, err);
  for (int w = 0; !failed && w < JOB_WORKERS; w++)
    failed = segment_new(c, &r->own[w], err);
  view_entry view = {r->shared, -1, 0};
  thread_request feed = {.tokens = g->shared,
                         .count = g->shared_count,
                         .most_tokens = 1,
                         .top_p = 1,
                         .view = &view,
                         .entries = 1};
  if (!failed) failed = engine_submit(r->e, &feed, &r->id[r->j->count], err);
  r->stage = GANG_FEEDS;
  r->live++;
  return failed;
}

static status submit_workers(runner *r, detail *err) {
  const job_gang *g = &r->j->gang;
  view_entry views[JOB_WORKERS][3];
  thread_request members[JOB_WORKERS];
  for (int w = 0; w < JOB_WORKERS; w++) {
    int other = JOB_WORKERS - 1 - w, length = g->shared_count;
    views[w][0] = (view_entry){r->shared, -1, 0};
    views[w][1] = (view_entry){r->own[other], g->seen, length};
    views[w][2] = (view_entry){r->own[w], -1, length + 12};
    members[w] = (thread_request){.tokens = g->fed[w],
                                  .count = g->fed_count[w],
                                  .most_tokens = g->most[w],
                                  .temperature = 0.5f * (float)w,
                                  .top_p = 1,
                                  .key = {{77, (uint32_t)w}},
                                  .view = views[w],
                                  .entries = 3};
  }
  gang_request gang = {.members = members,
                       .count = JOB_WORKERS,
                       .reserve_pages = job_reserve(r->j, r->s->options.page_keys),
                       .feed_tokens = g->feed_tokens};
  r->stage = GANG_RUNS;
  r->live += JOB_WORKERS;
  return engine_submit_gang(r->e, &gang, &r->id[r->j->count + 1], err);
}

static void end_gang(runner *r) {
  for (int w = 0; w < JOB_WORKERS; w++) {
    engine_release(r->e, r->id[r->j->count + 1 + w]);
    segment_free(engine_cache(r->e), r->own[w]);
    r->id[r->j->count + 1 + w] = 0;
  }
  segment_free(engine_cache(r->e), r->shared);
  r->stage = GANG_DONE;
  r->live -= JOB_WORKERS;
}

static status worker_ended(runner *r, int w, detail *err) {
  const job_gang *g = &r->j->gang;
  const trace *t = &r->out->of[r->j->count + 1];
  if (t[w].ends == 1) {
    thread_more more = {.tokens = g->fed[w], .count = g->fed_count[w], .most_tokens = g->most[w]};
    status failed = segment_splice(engine_cache(r->e), r->shared, r->own[w], err);
    return failed ? failed : engine_continue(r->e, r->id[r->j->count + 1 + w], &more, err);
  }
  if (t[0].ends == 2 && t[1].ends == 2) end_gang(r);
  return OK;
}

static status handle(runner *r, const engine_event *ev, detail *err) {
  int i = 0;
  while (i < r->out->count && r->id[i] != ev->thread)
    i++;
  REQUIRE(i < r->out->count);
  status failed = trace_add(&r->out->of[i], ev, err);
  if (failed || ev->end == ENGINE_GOES_ON) return failed;
  if (i > r->j->count) return worker_ended(r, i - r->j->count - 1, err);
  if (i == r->j->count) engine_release(r->e, ev->thread);
  r->id[i] = 0;
  r->live--;
  return i == r->j->count ? submit_workers(r, err) : OK;
}

static status submit_some(runner *r, detail *err) {
  status failed = OK;
  if (r->stage == GANG_NOT_YET && r->j->has_gang && r->live < r->s->at_once &&
      (r->s->at_once > 1 || r->next == r->j->count))
    failed = start_gang(r, err);
  while (!failed && r->next < r->j->count && r->live < r->s->at_once) {
    int i = r->order[r->next++];
    failed = engine_submit(r->e, &r->j->threads[i], &r->id[i], err);
    r->live++;
  }
  return failed;
}

/* Whichever comes first of those that are live, from a random place on. */
static void preempt_one(runner *r) {
  int first = (int)random_below(&r->random, (uint32_t)r->out->count);
  int how = (int)random_below(&r->random, 2);
  for (int i = 0; i < r->out->count; i++) {
    thread_id id = r->id[(first + i) % r->out->count];
    if (!id) continue;
    r->left--;
    engine_preempt(r->e, id, how ? ENGINE_SWAP : ENGINE_RECOMPUTE);
    return;
  }
}

static status run_once(runner *r, detail *err) {
  status failed = OK;
  r->next = r->live = 0;
  r->left = 10 + 3 * r->j->count;
  r->stage = GANG_NOT_YET;
  for (int i = 0; i < r->out->count; i++)
    trace_clear(&r->out->of[i]);
  shuffle(r);
  for (;;) {
    const engine_event *events;
    int count;
    failed = submit_some(r, err);
    if (failed || engine_is_idle(r->e)) break;
    failed = engine_step(r->e, &events, &count, err);
    for (int i = 0; !failed && i < count; i++)
      failed = handle(r, &events[i], err);
    if (!failed && r->left && random_chance(&r->random, r->s->preempts_in_100 / 100.0))
      preempt_one(r);
    if (failed) break;
  }
  if (!failed && r->live) failed = fault(err, E_LIMIT, "%d threads never ended", r->live);
  return failed;
}

/* Every page is accounted for, and none is used when all have ended. */
static status check_end(runner *r, run_report *report, detail *err) {
  cache_counters n = cache_count(engine_cache(r->e));
  engine_counters k = engine_count(r->e);
  status failed = cache_check(engine_cache(r->e), err);
  if (failed) return failed;
  if (n.pages_used || n.swapped || n.segments || k.running || k.waiting || k.preempted || k.ended) {
    return fault(err, E_LIMIT, "%d pages, %d swapped ones and %d segments are left at the end",
                 n.pages_used, n.swapped, n.segments);
  }
  if (r->s->options.policy == ENGINE_NEVER_EVICT && !r->s->preempts_in_100 && k.preempted_total) {
    return fault(err, E_LIMIT, "%lld threads were preempted where none may be",
                 (long long)k.preempted_total);
  }
  if (report) *report = (run_report){.counters = k, .cache = n};
  return OK;
}

static engine_options options_of(const job *j, const schedule *s, const model *m) {
  engine_options o = s->options;
  engine_bytes bytes = {0};
  detail err;
  o.compute = j->compute;
  o.positions = j->positions;
  if (!j->has_gang) return o;
  o.segments = 1 + JOB_WORKERS;
  if (engine_size(model_config_of(m), &o, &bytes, &err) == OK) {
    o.swap_bytes += bytes.page * (job_reserve(j, o.page_keys) + 2);
  }
  return o;
}

status job_run(const job *j, const schedule *s, const model *m, const tokenizer *t, traces *out,
               run_report *report, detail *err) {
  runner r = {.j = j, .s = s, .out = out, .random = random_start((random_key){{s->seed, 99}})};
  engine_options o = options_of(j, s, m);
  r.order = memory_zeroed((size_t)j->count, sizeof *r.order);
  r.id = memory_zeroed((size_t)out->count, sizeof *r.id);
  status failed = r.order && r.id ? OK : fault(err, E_MEMORY, "no memory to run a job");
  if (!failed) failed = engine_open(&r.e, m, t, &o, err);
  for (int i = 0; !failed && i < s->runs; i++)
    failed = run_once(&r, err);
  if (!failed) failed = check_end(&r, report, err);
  engine_close(r.e);
  memory_free(r.order);
  memory_free(r.id);
  return failed;
}

/* ---- in words -------------------------------------------------------------------------------- */

void schedule_line(const schedule *s, char *out, size_t out_bytes) {
  const engine_options *o = &s->options;
  (void)snprintf(
      out, out_bytes,
      "%s%s%s, %d device threads, %d at once, %d slots, %d rows, %d pages of %d, swap "
      "%lld bytes, %s, %s, %s, %s, %d runs, %d%% preempted, seed %u",
      o->backend, o->paths ? " " : "", o->paths ? kernels_cpu_path_name((cpu_path)o->paths) : "",
      o->threads, s->at_once, o->slots, o->rows, o->pages, o->page_keys, (long long)o->swap_bytes,
      o->policy == ENGINE_NEVER_EVICT ? "never evict" : "fill memory",
      o->preemption == ENGINE_SWAP ? "swap" : "recompute", o->no_sharing ? "no sharing" : "sharing",
      o->arrival_order ? "as they came" : "depth first", s->runs, s->preempts_in_100,
      (unsigned)s->seed);
}

void job_line(const job *j, char *out, size_t out_bytes) {
  int tokens = 0, most = 0;
  for (int i = 0; i < j->count; i++) {
    tokens += j->threads[i].count;
    most += j->threads[i].most_tokens;
  }
  (void)snprintf(out, out_bytes, "%s, %d threads of %d prompt tokens, up to %d sampled%s",
                 j->compute == COMPUTE_BF16 ? "bf16" : "fp32", j->count, tokens, most,
                 j->has_gang ? ", a gang" : "");
}
