/* Workers that read each other on tiny models of random weights: their tokens are those of the
   plain definition, which tests/oracle/hogwild.py wrote down, and no schedule changes one. What a
   line of tests/oracle/hogwild says stands in that script.

   The greedy tokens there are at least 5e-4 above the second. Our logits of compute fp32 are within
   1e-4 of what double gives (tests/engine/test_oracle.c), so that none of them may differ. */
#include "base/memory.h"
#include "pipeline/synth_text.h"
#include "tests/pipeline/scripted.h"
#include "tests/pipeline/tiny.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 7, WORKERS_MAX = 4, TOKENS_MAX = 2048, CONTEXT = 1000, ENDS = 257, CASES = 16 };
static const char *const models[] = {"tiny-llama", "tiny-qwen3"};
enum { MODELS = sizeof models / sizeof models[0] };

static detail err;

/* ---- a model and what is asked of it --------------------------------------------------------- */

static const char *make_model(const char *name) {
  text learnt, words;
  text_open(&learnt, 64 << 20);
  text_open(&words, 64 << 20);
  ck_ok(synth_text(&learnt, &err));
  ck_ok(tokenizer_synth(&words, text_string(&learnt), learnt.bytes,
                        synth_find(name)->config.vocabulary, &err));
  const char *folder = tiny_model_of(name, name, SEED, ELEMENT_FP32, text_string(&words));
  text_close(&words);
  text_close(&learnt);
  return folder;
}

static job_model *open_model(const char *name) {
  job_model *m = NULL;
  ck_ok(job_model_open(&m, make_model(name), NULL, NULL, &err));
  return m;
}

/* The same whose texts end with another token. */
static job_model *open_with_end(const char *folder, unsigned end) {
  char words[256];
  job_model *m = NULL;
  (void)snprintf(words, sizeof words,
                 "{\"do_sample\":true,\"temperature\":1.0,\"bos_token_id\":256,"
                 "\"eos_token_id\":%u}",
                 end);
  tiny_write(folder, "generation_config.json", words);
  ck_ok(job_model_open(&m, folder, NULL, NULL, &err));
  return m;
}

/* The words are those of the script. */
static void put_parameters(const char *layout, int workers, int forwards, const char *separator,
                           const char *prompt, int ends, const char *more, text *out) {
  text_format(out,
              "{\"protocol\":\"generic-hogwild\",\"layout\":\"%s\",\"workers\":%d,"
              "\"prompt\":\"%s{question}\",\"answer\":\"#(never)#\",\"until\":\"all\","
              "\"begin\":1,\"sampling\":{\"temperature\":0},"
              "\"names\":[\"A\",\"B\",\"C\",\"D\"],"
              "\"header\":{\"past\":\"past:\",\"others\":\"others:\",\"own\":\"..own:\","
              "\"split\":\"..\",\"workspace\":\"#{worker}#\"},"
              "\"step\":{\"separator\":\"%s\",\"rule\":\"separator\","
              "\"prefix\":\"{worker}{step}:\",\"opening\":\"go\",\"greeting\":\"yo\"},"
              "\"redundancy\":{\"text\":\"same? \",\"tokens\":90},"
              "\"limit\":{\"context\":%d,\"forwards\":%d%s}",
              layout, workers, prompt, separator, (int)CONTEXT, forwards, more);
  text_put(out, ends ? "}" : ",\"suppress\":[\"{end}\"]}");
  ck_ok(text_state(out, &err));
}

typedef struct condition {
  json_t *parameters;
  runner_rules rules;
} condition;

static void open_condition(condition *c, const job_model *m, const char *words) {
  json_t *given = NULL;
  const mode *hogwild = mode_find("hogwild");
  ck_ok(json_read(&given, words, strlen(words), "parameters", 1, &err));
  ck_ok(hogwild->resolve(given, &err));
  ck_ok(job_model_settle(m, given, &c->parameters, &err));
  json_decref(given);
  ck_ok(runner_rules_open(&c->rules, hogwild, c->parameters, m, &err));
}

static void close_condition(condition *c) {
  runner_rules_close(&c->rules);
  json_decref(c->parameters);
}

/* ---- running --------------------------------------------------------------------------------- */

static engine_options ample(void) {
  return (engine_options){.backend = "cpu",
                          .compute = COMPUTE_FP32,
                          .threads = 1,
                          .positions = CONTEXT,
                          .page_keys = 16,
                          .slots = 16,
                          .rows = 320,
                          .pages = 1200,
                          .segments = 32,
                          .swap_bytes = 256 << 20};
}

static runner_sample *run_alone(const job_model *m, const engine_options *o,
                                const runner_rules *rules) {
  engine *e = NULL;
  runner *r = NULL;
  ck_ok(engine_open(&e, m->model, m->tokenizer, o, &err));
  generator g = generator_of_engine(e);
  runner_task task = {.rules = rules, .question = "", .target = "\"\"", .seed = 3};
  ck_ok(runner_open(&r, &g, &err));
  ck_ok(runner_add(r, &task, &err));
  while (runner_in_flight(r))
    ck_ok(runner_step(r, &err));
  runner_sample *s = runner_take(r);
  detail why = {0};
  ck_assert_msg(runner_sample_state(s, &why) == OK, "%s", why.text);
  ck_assert_int_eq(cache_count(engine_cache(e)).pages_used, 0); /* nothing is left of it */
  ck_assert_int_eq(cache_count(engine_cache(e)).segments, 0);
  ck_assert_int_eq(engine_count(e).ended, 0);
  runner_close(r);
  engine_close(e);
  return s;
}

/* ---- the plain definition -------------------------------------------------------------------- */

typedef struct golden {
  char layout[16], separator[16], prompt[16];
  int workers, forwards, commits;
  unsigned end; /* an id; 0: nobody ends */
  double gap;
  int count[WORKERS_MAX];
  uint32_t tokens[WORKERS_MAX][TOKENS_MAX];
} golden;

static int read_case(FILE *file, golden *g) {
  if (fscanf(file, " case %15s %d %d %15s %15s %u %d %lf", g->layout, &g->workers, &g->forwards,
             g->separator, g->prompt, &g->end, &g->commits, &g->gap) != 8)
    return 0;
  if (!strcmp(g->separator, "space")) (void)snprintf(g->separator, sizeof g->separator, " ");
  ck_assert_int_le(g->workers, WORKERS_MAX);
  for (int w = 0; w < g->workers; w++) {
    ck_assert_int_eq(fscanf(file, " worker %d", &g->count[w]), 1);
    ck_assert_int_le(g->count[w], TOKENS_MAX);
    for (int i = 0; i < g->count[w]; i++)
      ck_assert_int_eq(fscanf(file, " %u", &g->tokens[w][i]), 1);
  }
  return 1;
}

/* A worker's tokens behind what all see. */
static size_t own_from(const runner_thread *t) {
  int i = 0;
  while (t->spans[i].kind == THREAD_PROMPT || t->spans[i + 1].kind == THREAD_FED)
    i++;
  return t->spans[i].start;
}

static void check_worker(const golden *g, const runner_thread *t, int w) {
  size_t from = own_from(t), count = t->count - from;
  size_t both = count < (size_t)g->count[w] ? count : (size_t)g->count[w];
  ck_assert_int_eq(t->worker, w);
  for (size_t i = 0; i < both; i++) {
    ck_assert_msg(t->tokens[from + i] == g->tokens[w][i],
                  "%s, %d workers: token %zu of worker %d is %u, not %u", g->layout, g->workers, i,
                  w, t->tokens[from + i], g->tokens[w][i]);
  }
  int has_ended = g->end && t->tokens[t->count - 1] == g->end;
  ck_assert_int_eq(t->generated, t->finish);
  ck_assert_int_eq(t->end, has_ended ? MODE_END_TOKEN : MODE_END_LIMIT);
  if (!has_ended) ck_assert_int_eq(t->generated, g->forwards);
  /* what the script fed behind the last forward was never put in */
  ck_assert_uint_le(count, (size_t)g->count[w]);
  ck_assert_uint_ge(count + 16, (size_t)g->count[w]);
}

static void check_case(const char *folder, const golden *g) {
  condition c;
  job_model *m = open_with_end(folder, g->end ? g->end : ENDS);
  text words;
  int count, commits = 0;
  text_open(&words, 1 << 16);
  put_parameters(g->layout, g->workers, g->forwards, g->separator, g->prompt, g->end != 0, "",
                 &words);
  open_condition(&c, m, text_string(&words));
  engine_options o = ample();
  runner_sample *s = run_alone(m, &o, &c.rules);
  const runner_thread *threads = runner_sample_threads(s, &count);
  ck_assert_int_eq(count, g->workers);
  for (int w = 0; w < count; w++) {
    check_worker(g, &threads[w], w);
    commits += threads[w].commit_count;
  }
  ck_assert_int_eq(commits, g->commits);
  runner_sample_free(s);
  close_condition(&c);
  job_model_close(m);
  text_close(&words);
}

START_TEST(plain_definition) {
  char path[128], first[256];
  golden *g = calloc(1, sizeof *g);
  ck_assert_ptr_nonnull(g);
  (void)snprintf(path, sizeof path, "tests/oracle/hogwild/%s.txt", models[_i]);
  FILE *file = fopen(path, "r");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  ck_assert_ptr_nonnull(fgets(first, sizeof first, file));
  const char *folder = make_model(models[_i]);
  int cases = 0;
  while (read_case(file, g)) {
    check_case(folder, g);
    cases++;
  }
  ck_assert(feof(file) && cases == CASES);
  (void)fclose(file);
  free(g);
}
END_TEST

/* ---- what it comes to where nobody is read --------------------------------------------------- */

static runner_sample *run_words(const job_model *m, condition *c, const char *words) {
  engine_options o = ample();
  open_condition(c, m, words);
  return run_alone(m, &o, &c->rules);
}

/* A plain thread that is given what stood before a token samples that. */
static void check_ordinary(const job_model *m, const runner_thread *t) {
  engine *e = NULL;
  engine_options o = ample();
  ck_ok(engine_open(&e, m->model, m->tokenizer, &o, &err));
  const model_generation *generation = model_generation_of(m->model);
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    const engine_event *events;
    thread_id id;
    int count;
    if (span->kind != THREAD_GENERATED) continue;
    thread_request r = {.tokens = t->tokens,
                        .count = (int)span->start,
                        .most_tokens = (int)span->count,
                        .top_p = 1,
                        .suppressed = generation->end_ids,
                        .suppressed_count = generation->end_count};
    ck_ok(engine_submit(e, &r, &id, &err));
    for (size_t k = 0; !engine_is_idle(e); k += (size_t)count) {
      ck_ok(engine_step(e, &events, &count, &err));
      ck_assert(!count || events->token == t->tokens[span->start + k]);
    }
  }
  engine_close(e);
}

/* With nothing between what is done and what it writes, its view is its text. */
START_TEST(one_worker) {
  job_model *m = open_model(models[_i]);
  condition c;
  text words;
  text_open(&words, 1 << 16);
  put_parameters("interleaved", 1, 120, "e", "q1", 0, "", &words);
  runner_sample *s = run_words(m, &c, text_string(&words));
  int count;
  const runner_thread *t = runner_sample_threads(s, &count);
  ck_assert_int_eq(t->generated, 120);
  ck_assert_int_gt(t->commit_count, 2);
  check_ordinary(m, t);
  runner_sample_free(s);
  close_condition(&c);
  text_close(&words);
  job_model_close(m);
}
END_TEST

/* ---- full views ------------------------------------------------------------------------------ */

static uint32_t sampled(const runner_thread *t, int64_t which) {
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (span->kind != THREAD_GENERATED) continue;
    if (which < (int64_t)span->count) return t->tokens[span->start + (size_t)which];
    which -= (int64_t)span->count;
  }
  ck_abort_msg("it sampled less");
  return 0;
}

/* Until the first of them is full. Returns whether several had done a step by that forward. */
static int is_beginning(const runner_sample *small, const runner_sample *large, int workers) {
  int count, done = 0;
  const runner_thread *t = runner_sample_threads(small, &count),
                      *u = runner_sample_threads(large, &count);
  int64_t full = INT64_MAX;
  for (int i = 0; i < workers; i++)
    full = t[i].finish < full ? t[i].finish : full;
  for (int i = 0; i < workers; i++) {
    ck_assert_str_eq(t[i].limit, "context");
    for (int64_t k = 0; k < full; k++)
      if (sampled(&t[i], k) != sampled(&u[i], k)) ck_abort_msg("worker %d, token %d", i, (int)k);
    done += t[i].commit_count && t[i].commits[t[i].commit_count - 1].step == full;
  }
  return done > 1;
}

/* What is done stands in all views; steps that are done by one forward may be too long for them
   together, and then nobody has room. */
START_TEST(views_that_are_full) {
  enum { FORWARDS = 150, STEP = 40 };
  job_model *m = open_model(models[0]);
  condition c;
  text words;
  int several = 0;
  text_open(&words, 1 << 16);
  put_parameters("interleaved", 2 + _i, FORWARDS, "e", "", 0, "", &words);
  runner_sample *large = run_words(m, &c, text_string(&words));
  for (int context = STEP; context < STEP + 120; context += 3) {
    engine_options o = ample();
    c.rules.context = context;
    c.rules.positions = o.positions = context + 1;
    runner_sample *small = run_alone(m, &o, &c.rules);
    several += is_beginning(small, large, 2 + _i);
    o.positions = CONTEXT; /* as where another run needs them: nothing hangs on that */
    runner_sample *again = run_alone(m, &o, &c.rules);
    scripted_same(small, again);
    runner_sample_free(again);
    runner_sample_free(small);
  }
  ck_assert_int_gt(several, 0);
  runner_sample_free(large);
  close_condition(&c);
  text_close(&words);
  job_model_close(m);
}
END_TEST

/* A finisher reads all of them in one text; where each sees all that is a view. Without one a view
   has a place beyond it, in which nothing is put. */
START_TEST(rules_count_places) {
  static const char asks[] = "},\"finisher\":{\"text\":\"So \",\"tokens\":5";
  enum { KEPT = 5 + RUNNER_FINISHER_FED_MAX };
  static const struct {
    const char *layout;
    int workers, positions;
    const char *more;
  } rows[] = {{"combined", 3, 200 + KEPT, asks},
              {"contiguous", 3, 200 + KEPT, asks},
              {"interleaved", 3, 600 + KEPT, asks},
              {"independent", 3, 600 + KEPT, asks},
              {"interleaved", 1, 200 + KEPT, asks},
              {"independent", 1, 200 + KEPT, asks},
              {"combined", 3, 201, ""},
              {"interleaved", 3, 201, ""},
              {"independent", 3, 200, ""}};
  job_model *m = open_model(models[0]);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    condition c;
    text words;
    text_open(&words, 1 << 16);
    put_parameters(rows[i].layout, rows[i].workers, 40, "e", "", 0, rows[i].more, &words);
    json_t *limited = json_loads(text_string(&words), 0, NULL);
    json_t *limit = json_object_get(limited, "limit");
    ck_assert_int_eq(json_object_set_new(limit, "context", json_integer(200)), 0);
    char *given = json_dumps(limited, 0);
    open_condition(&c, m, given);
    json_decref(limited);
    free(given);
    ck_assert_int_eq(c.rules.positions, rows[i].positions);
    close_condition(&c);
    text_close(&words);
  }
  job_model_close(m);
}
END_TEST

/* ---- schedules ------------------------------------------------------------------------------- */

enum { CONDITIONS = 6, TASKS = 3, SAMPLES = CONDITIONS * TASKS, IDS = 90 };

typedef struct schedule {
  const char *name;
  engine_options options; /* what differs from ample() */
  int at_once;
  int preempts_in_100; /* of the steps */
} schedule;

static const schedule schedules[] = {
    {"all at once", {.slots = 60, .rows = 400}, SAMPLES, 0},
    {"preempted", {.preemption = ENGINE_SWAP}, 6, 70},
    {"preempted, two cores", {.threads = 2, .policy = ENGINE_NEVER_EVICT}, SAMPLES, 40},
    {"large pages", {.page_keys = 128, .pages = 200}, 4, 20},
    {"small steps", {.slots = 4, .rows = 256}, SAMPLES, 0},
    {"few pages", {.pages = 150}, SAMPLES, 10},
    {"nothing shared", {.no_sharing = 1, .arrival_order = 1}, 5, 0},
};

static engine_options options_of(const schedule *s) {
  engine_options o = ample();
  const engine_options *other = &s->options;
  if (other->slots) o.slots = other->slots;
  if (other->rows) o.rows = other->rows;
  if (other->threads) o.threads = other->threads;
  if (other->pages) o.pages = other->pages;
  if (other->page_keys) o.page_keys = other->page_keys;
  o.preemption = other->preemption;
  o.policy = other->policy;
  o.no_sharing = other->no_sharing;
  o.arrival_order = other->arrival_order;
  o.segments = SAMPLES * MODE_BLOCKS_MAX;
  return o;
}

static runner_task task_of(const runner_rules *rules, int number, runner_task *tag) {
  static const char *const questions[TASKS] = {"", "1+1", "why?"};
  return (runner_task){.rules = rules,
                       .question = questions[number],
                       .target = "\"\"",
                       .content = hash_of(questions[number], strlen(questions[number])),
                       .seed = 11,
                       .tag = tag};
}

/* Sets out to the samples by place. */
static void run_all(const job_model *m, const condition *conditions, const schedule *how,
                    runner_sample **out) {
  runner_task places[SAMPLES];
  engine *e = NULL;
  runner *r = NULL;
  engine_options o = options_of(how);
  random_stream draws = random_start((random_key){{5, 6}});
  ck_ok(engine_open(&e, m->model, m->tokenizer, &o, &err));
  generator g = generator_of_engine(e);
  ck_ok(runner_open(&r, &g, &err));
  for (int next = 0; next < SAMPLES || runner_in_flight(r);) {
    while (next < SAMPLES && runner_in_flight(r) < how->at_once) {
      runner_task task = task_of(&conditions[next / TASKS].rules, next % TASKS, &places[next]);
      next++;
      ck_ok(runner_add(r, &task, &err));
    }
    ck_ok(runner_step(r, &err));
    if ((int)random_below(&draws, 100) < how->preempts_in_100)
      engine_preempt(e, 1 + random_below(&draws, IDS), ENGINE_SWAP);
    for (runner_sample *s; (s = runner_take(r));)
      out[(runner_task *)runner_sample_task(s)->tag - places] = s;
  }
  if (how->preempts_in_100 > 30) ck_assert_int_gt(engine_count(e).swapped_total, 3);
  ck_ok(cache_check(engine_cache(e), &err));
  ck_assert_int_eq(cache_count(engine_cache(e)).segments, 0);
  runner_close(r);
  engine_close(e);
}

static void open_conditions(const job_model *m, condition *out) {
  static const struct {
    const char *layout;
    int workers;
    const char *more;
  } rows[CONDITIONS] = {{"combined", 2, ""},    {"combined", 3, ",\"tokens_total\":300"},
                        {"interleaved", 3, ""}, {"contiguous", 2, ",\"tokens_thread\":25"},
                        {"independent", 2, ""}, {"combined", 1, ""}};
  for (int i = 0; i < CONDITIONS; i++) {
    text words;
    text_open(&words, 1 << 16);
    put_parameters(rows[i].layout, rows[i].workers, 40, "e", "", 0, rows[i].more, &words);
    open_condition(&out[i], m, text_string(&words));
    out[i].rules.temperature = i % 2 ? 1 : 0.7f; /* drawn */
    out[i].rules.context = 300;
    text_close(&words);
  }
}

START_TEST(no_schedule_changes_a_token) {
  static const schedule alone = {"alone", {.slots = 8}, 1, 0};
  static runner_sample *wanted[SAMPLES], *got[SAMPLES];
  condition conditions[CONDITIONS];
  job_model *m = open_model(models[0]);
  int commits = 0;
  open_conditions(m, conditions);
  run_all(m, conditions, &alone, wanted);
  for (size_t i = 0; i < sizeof schedules / sizeof schedules[0]; i++) {
    run_all(m, conditions, &schedules[i], got);
    for (int k = 0; k < SAMPLES; k++) {
      scripted_same(wanted[k], got[k]);
      runner_sample_free(got[k]);
    }
  }
  for (int k = 0; k < SAMPLES; k++) {
    int count;
    const runner_thread *threads = runner_sample_threads(wanted[k], &count);
    for (int i = 0; i < count; i++)
      commits += threads[i].commit_count;
    runner_sample_free(wanted[k]);
  }
  ck_assert_int_gt(commits, 50);
  for (int i = 0; i < CONDITIONS; i++)
    close_condition(&conditions[i]);
  job_model_close(m);
}
END_TEST

/* ---- drawn ----------------------------------------------------------------------------------- */

enum { DRAWS = 6 };
static uint64_t first_draw; /* the program's argument, to look further by hand */

static const char *draw_word(random_stream *r, const char *const *words, int count) {
  return words[random_below(r, (uint32_t)count)];
}

static void draw_condition(const job_model *m, random_stream *r, condition *out) {
  static const char *const layouts[] = {"contiguous", "interleaved", "combined", "combined",
                                        "independent"};
  static const char *const separators[] = {"e", " ", "3", "s"};
  static const char *const untils[] = {"all", "all", "end", "answer"};
  char more[128] = "";
  text words;
  text_open(&words, 1 << 16);
  if (random_chance(r, 0.3))
    (void)snprintf(more, sizeof more, ",\"tokens_total\":%d", (int)random_between(r, 50, 500));
  if (random_chance(r, 0.3)) {
    (void)snprintf(more + strlen(more), sizeof more - strlen(more), ",\"tokens_thread\":%d",
                   (int)random_between(r, 1, 40));
  }
  put_parameters(draw_word(r, layouts, 5), (int)random_between(r, 1, WORKERS_MAX),
                 (int)random_between(r, 1, 60), draw_word(r, separators, 4), "q",
                 random_chance(r, 0.5), more, &words);
  if (random_chance(r, 0.4)) {
    text_cut(&words, words.bytes - 1);
    text_put(&words, ",\"finisher\":{\"text\":\"So \",\"tokens\":5}}");
  }
  open_condition(out, m, text_string(&words));
  ck_assert_int_eq(
      json_object_set_new(out->parameters, "until", json_string(draw_word(r, untils, 4))), 0);
  out->rules.temperature = 0.5f * (float)random_between(r, 0, 3);
  out->rules.context = random_between(r, 60, 300);
  text_close(&words);
}

static schedule draw_schedule(random_stream *r) {
  schedule s = {.name = "drawn",
                .options = {.slots = (int)random_between(r, 4, 40),
                            .rows = (int)random_between(r, 256, 500),
                            .threads = (int)random_between(r, 1, 2),
                            .pages = (int)random_between(r, 200, 1000),
                            .page_keys = 16 << random_below(r, 3),
                            .policy = (engine_policy)random_below(r, 2),
                            .preemption = (engine_preemption)random_below(r, 2),
                            .no_sharing = random_chance(r, 0.3),
                            .arrival_order = random_chance(r, 0.3)},
                .at_once = (int)random_between(r, 1, SAMPLES)};
  if (random_chance(r, 0.5)) s.preempts_in_100 = (int)random_between(r, 1, 30);
  return s;
}

START_TEST(drawn_jobs) {
  static const schedule alone = {"alone", {.slots = 8}, 1, 0};
  static runner_sample *wanted[SAMPLES], *got[SAMPLES];
  random_stream r = random_start((random_key){{(uint32_t)first_draw + (uint32_t)_i, 21}});
  condition conditions[CONDITIONS];
  job_model *m = open_model(models[_i % MODELS]);
  for (int i = 0; i < CONDITIONS; i++)
    draw_condition(m, &r, &conditions[i]);
  schedule how = draw_schedule(&r);
  run_all(m, conditions, &alone, wanted);
  run_all(m, conditions, &how, got);
  for (int k = 0; k < SAMPLES; k++) {
    detail why = {0};
    ck_assert_msg(runner_sample_state(wanted[k], &why) == OK, "%s", why.text);
    scripted_same(wanted[k], got[k]);
    runner_sample_free(wanted[k]);
    runner_sample_free(got[k]);
  }
  for (int i = 0; i < CONDITIONS; i++)
    close_condition(&conditions[i]);
  job_model_close(m);
}
END_TEST

int main(int argc, char **argv) {
  json_install();
  if (argc == 2) first_draw = strtoull(argv[1], NULL, 10);
  Suite *suite = suite_create("hogwild_engine");
  TCase *all = tcase_create("hogwild_engine");
  tcase_add_loop_test(all, plain_definition, 0, MODELS);
  tcase_add_loop_test(all, one_worker, 0, MODELS);
  tcase_add_loop_test(all, views_that_are_full, 0, 3);
  tcase_add_test(all, rules_count_places);
  tcase_add_test(all, no_schedule_changes_a_token);
  tcase_add_loop_test(all, drawn_jobs, 0, DRAWS);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
