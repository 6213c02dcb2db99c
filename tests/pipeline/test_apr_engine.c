/* The model that ships in mode spawn_join, on engines of many settings: no schedule changes a tree
   of threads, a lower limit leaves what it would have computed, and what a parent kept is not
   computed again when it goes on. */
#include "base/arena.h"
#include "solvers/countdown.h"
#include "tests/pipeline/scripted.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

/* Problems of that partition for which its children find solutions, and not all of them. */
enum { FIRST_TASK = 8, TASKS = 3, CONTEXT = 2048, PAGE_KEYS = 16, SAMPLES_MAX = 64 };

static const char MODEL[] = "models/countdown";
static detail err;

/* ---- what is run ----------------------------------------------------------------------------- */

#define APR(more) "{\"protocol\":\"countdown-apr\",\"label\":{\"children\":3},\"begin\":1" more "}"
#define GREEDY    ",\"sampling\":{\"temperature\":0}"
#define DRAWN     ",\"sampling\":{\"temperature\":1}"
#define LIMIT(more)                                                                                \
  ",\"limit\":{\"context\":1536,\"children\":2,\"rounds\":2,\"tokens_thread\":800" more "}"

static const char *const conditions[] = {
    APR(GREEDY LIMIT("")), APR(DRAWN LIMIT("")), APR(DRAWN LIMIT(",\"tokens_total\":900")),
    APR(DRAWN LIMIT("") ",\"early_stop\":\"first\",\"depth\":2,\"finisher\":{\"tokens\":24}")};
enum { CONDITIONS = sizeof conditions / sizeof conditions[0] };

typedef struct conditioned {
  json_t *parameters;
  runner_rules rules;
} conditioned;

typedef struct world {
  job_model *model;
  arena *memory;
  const char *question[TASKS], *target[TASKS];
} world;

static const char *keep(const world *w, text *t) {
  ck_ok(text_state(t, &err));
  const char *own = arena_text(w->memory, text_string(t), t->bytes);
  ck_assert_ptr_nonnull(own);
  text_close(t);
  return own;
}

static world *open_world(void) {
  world *w = calloc(1, sizeof *w);
  countdown_source source = countdown_published(8, COUNTDOWN_DEV);
  ck_assert_ptr_nonnull(w);
  ck_ok(arena_open(&w->memory, 1 << 20, &err));
  ck_ok(job_model_open(&w->model, MODEL, NULL, NULL, &err));
  for (int i = 0; i < TASKS; i++) {
    countdown_problem problem;
    text question, target;
    text_open(&question, 1 << 12);
    text_open(&target, 1 << 12);
    ck_ok(countdown_generate(&source, (uint64_t)(FIRST_TASK + i), &problem, &err));
    countdown_question(&problem, &question);
    countdown_target(&problem, &target);
    w->question[i] = keep(w, &question);
    w->target[i] = keep(w, &target);
  }
  return w;
}

static void close_world(world *w) {
  job_model_close(w->model);
  arena_close(w->memory);
  free(w);
}

static conditioned *open_condition(const world *w, const char *words) {
  conditioned *c = calloc(1, sizeof *c);
  json_t *given = NULL;
  const mode *m = mode_find("spawn_join");
  ck_assert_ptr_nonnull(c);
  ck_ok(json_read(&given, words, strlen(words), "parameters", 1, &err));
  ck_ok(m->resolve(given, &err));
  ck_ok(job_model_settle(w->model, given, &c->parameters, &err));
  json_decref(given);
  ck_ok(runner_rules_open(&c->rules, m, c->parameters, w->model, &err));
  return c;
}

static void close_condition(conditioned *c) {
  runner_rules_close(&c->rules);
  json_decref(c->parameters);
  free(c);
}

/* ---- how it is run --------------------------------------------------------------------------- */

typedef struct schedule {
  const char *name;
  engine_options options; /* but for positions and page_keys, which are the same for all */
  int at_once;            /* samples in flight; 0: all of them */
  int is_reversed;
  int preempts; /* every so many steps somebody is preempted; 0: never */
} schedule;

static const schedule plain = {
    "plain", {.slots = 64, .rows = 192, .pages = 4096, .threads = 2}, 0, 0, 0};

static engine *open_engine(const world *w, const schedule *s) {
  engine *e = NULL;
  engine_options o = s->options;
  if (!o.backend) o.backend = "cpu";
  o.positions = CONTEXT;
  o.page_keys = PAGE_KEYS;
  ck_ok(engine_open(&e, w->model->model, w->model->tokenizer, &o, &err));
  return e;
}

/* An engine some of whose threads are preempted at random. */
typedef struct unsteady {
  generator inner;
  engine *engine;
  const schedule *schedule;
  thread_id live[SAMPLES_MAX * 16]; /* [count] that were submitted and have not ended */
  int count;
  int64_t steps;
  random_stream draws;
} unsteady;

static void leave(unsteady *u, thread_id id) {
  for (int i = 0; i < u->count; i++) {
    if (u->live[i] == id) u->live[i] = u->live[--u->count];
  }
}

static status submit(void *self, const thread_request *request, thread_id *out, detail *why) {
  unsteady *u = self;
  status failed = u->inner.submit(u->inner.self, request, out, why);
  ck_assert_int_lt(u->count, SAMPLES_MAX * 16);
  if (!failed) u->live[u->count++] = *out;
  return failed;
}

static void release(void *self, thread_id id) {
  unsteady *u = self;
  leave(u, id);
  u->inner.release(u->inner.self, id);
}

static status step(void *self, const engine_event **events, int *count, detail *why) {
  unsteady *u = self;
  if (u->schedule->preempts && ++u->steps % u->schedule->preempts == 0 && u->count) {
    uint32_t which = random_below(&u->draws, (uint32_t)u->count);
    engine_preempt(u->engine, u->live[which], which % 2 ? ENGINE_SWAP : ENGINE_RECOMPUTE);
  }
  status failed = u->inner.step(u->inner.self, events, count, why);
  for (int i = 0; !failed && i < *count; i++) {
    if ((*events)[i].end != ENGINE_GOES_ON) leave(u, (*events)[i].thread);
  }
  return failed;
}

/* All tasks under all rules. samples: [count * TASKS] by rules, then by task. */
static engine_counters run(const world *w, const schedule *s, conditioned *const *rules, int count,
                           runner_sample **samples) {
  engine *e = open_engine(w, s);
  unsteady *u = calloc(1, sizeof *u);
  runner *r = NULL;
  ck_assert_ptr_nonnull(u);
  *u = (unsteady){.inner = generator_of_engine(e), .engine = e, .schedule = s};
  u->draws = random_start((random_key){{5, 6}});
  generator g = {.self = u, .submit = submit, .release = release, .step = step};
  ck_ok(runner_open(&r, &g, &err));
  int all = count * TASKS, most = s->at_once ? s->at_once : all;
  ck_assert_int_le(all, SAMPLES_MAX);
  for (int added = 0; added < all || runner_in_flight(r);) {
    for (; added < all && runner_in_flight(r) < most; added++) {
      int at = s->is_reversed ? all - 1 - added : added, i = at % TASKS;
      runner_task task = {.rules = &rules[at / TASKS]->rules,
                          .question = w->question[i],
                          .target = w->target[i],
                          .content = hash_of(w->target[i], strlen(w->target[i])),
                          .seed = 4,
                          .tag = &samples[at]};
      ck_ok(runner_add(r, &task, &err));
    }
    if (runner_in_flight(r)) ck_ok(runner_step(r, &err));
  }
  for (runner_sample *one = runner_take(r); one; one = runner_take(r)) {
    ck_ok(runner_sample_state(one, &err));
    *(runner_sample **)runner_sample_task(one)->tag = one;
  }
  engine_counters counters = engine_count(e);
  runner_close(r);
  engine_close(e);
  free(u);
  return counters;
}

static void free_samples(runner_sample **samples, int count) {
  for (int i = 0; i < count; i++)
    runner_sample_free(samples[i]);
}

/* ---- what it came to ------------------------------------------------------------------------- */

typedef struct tally {
  int64_t children, twins, returned, refused, stopped, joins, capped;
  int64_t prompts, fed; /* tokens that an engine had not seen, but of twins */
  int64_t kept;         /* that parents held when they went on */
  int64_t kept_pages;   /* of them tokens of whole pages */
} tally;

/* What a thread held when it was fed. */
static void count_kept(const runner_thread *t, tally *sum) {
  int64_t held = 0;
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    if (span->kind == THREAD_FED && t->twin < 0) {
      sum->joins += span->round >= 0;
      sum->fed += (int64_t)span->count;
      sum->kept += held;
      sum->kept_pages += held - held % PAGE_KEYS;
    }
    if (span->kind != THREAD_CUT) held += (int64_t)span->count;
  }
}

static tally count_trees(runner_sample *const *samples, int count) {
  tally sum = {0};
  for (int i = 0; i < count; i++) {
    int threads;
    const runner_thread *t = runner_sample_threads(samples[i], &threads);
    for (int k = 0; k < threads; k++) {
      sum.children += t[k].parent >= 0;
      sum.twins += t[k].twin >= 0;
      sum.returned += t[k].parent >= 0 && t[k].answer;
      sum.refused += t[k].why != NULL;
      sum.stopped += t[k].is_stopped;
      sum.capped += t[k].end == MODE_END_LIMIT;
      if (t[k].twin < 0) sum.prompts += t[k].prompt;
      count_kept(&t[k], &sum);
    }
  }
  return sum;
}

/* ---- schedules ------------------------------------------------------------------------------- */

/* The fewest pages are those of one thread of full length. */
static const schedule schedules[] = {
    {"one slot", {.slots = 1, .rows = 32, .pages = 4096, .threads = 1}, 1, 0, 0},
    {"one thread of the machine, small steps",
     {.slots = 9, .rows = 11, .pages = 4096, .threads = 1},
     5,
     0,
     0},
    {"few pages",
     {.slots = 40, .rows = 64, .pages = CONTEXT / PAGE_KEYS + 2, .threads = 2},
     0,
     0,
     0},
    {"few pages, kept ones first",
     {.slots = 24,
      .rows = 64,
      .pages = CONTEXT / PAGE_KEYS + 40,
      .threads = 2,
      .policy = ENGINE_NEVER_EVICT},
     9,
     1,
     0},
    {"nothing is shared",
     {.slots = 64, .rows = 192, .pages = 4096, .threads = 2, .no_sharing = 1},
     0,
     0,
     0},
    {"the other way round",
     {.slots = 64, .rows = 100, .pages = 4096, .threads = 2, .arrival_order = 1},
     0,
     1,
     0},
    {"preempted at random",
     {.slots = 32, .rows = 96, .pages = 1024, .threads = 2, .swap_bytes = 1 << 20},
     0,
     0,
     3}};
enum { SCHEDULES = sizeof schedules / sizeof schedules[0] };

START_TEST(no_schedule_changes_a_tree) {
  world *w = open_world();
  conditioned *rules[CONDITIONS];
  runner_sample *samples[SAMPLES_MAX] = {0}, *others[SAMPLES_MAX] = {0};
  enum { ALL = CONDITIONS * TASKS };
  for (int i = 0; i < CONDITIONS; i++)
    rules[i] = open_condition(w, conditions[i]);
  (void)run(w, &plain, rules, CONDITIONS, samples);
  for (int k = 0; k < SCHEDULES; k++) {
    engine_counters c = run(w, &schedules[k], rules, CONDITIONS, others);
    for (int i = 0; i < ALL; i++)
      scripted_same(samples[i], others[i]);
    int few = schedules[k].options.pages < CONTEXT / PAGE_KEYS + 40;
    if (few || schedules[k].preempts) ck_assert_int_gt(c.preempted_total, 10);
    if (schedules[k].options.no_sharing) ck_assert_int_eq(c.found, 0);
    free_samples(others, ALL);
  }
  tally sum = count_trees(samples, ALL);
  ck_assert_int_gt(sum.children, 2 * ALL);
  ck_assert_int_gt(sum.joins, ALL / 2);
  ck_assert_int_gt(sum.returned, 0);
  ck_assert_int_gt(sum.stopped, 0);
  ck_assert_int_gt(sum.refused, 0);
  ck_assert_int_gt(sum.capped, 0);
  free_samples(samples, ALL);
  for (int i = 0; i < CONDITIONS; i++)
    close_condition(rules[i]);
  close_world(w);
}
END_TEST

/* ---- what is kept ---------------------------------------------------------------------------- */

/* Of what a parent held, the pages that are full are found when it goes on, and nobody computes
   them again: an engine's rows of prompts are prompts, what was fed, and the rests of pages. */
START_TEST(what_a_parent_kept_is_not_computed_again) {
  world *w = open_world();
  conditioned *drawn = open_condition(w, conditions[1]);
  runner_sample *samples[SAMPLES_MAX] = {0}, *others[SAMPLES_MAX] = {0};
  schedule alone = plain;
  alone.options.no_sharing = 1;
  engine_counters c = run(w, &plain, &drawn, 1, samples);
  engine_counters d = run(w, &alone, &drawn, 1, others);
  tally sum = count_trees(samples, TASKS);
  ck_assert_int_ge(sum.joins, TASKS / 2);
  ck_assert_int_gt(sum.kept_pages, 0);
  ck_assert_int_ge(c.found, sum.kept_pages);
  ck_assert_int_le(c.prefilled, sum.prompts + sum.fed + sum.kept - sum.kept_pages);
  ck_assert_int_eq(d.prefilled, sum.prompts + sum.fed + sum.kept);
  free_samples(samples, TASKS);
  free_samples(others, TASKS);
  close_condition(drawn);
  close_world(w);
}
END_TEST

/* ---- samples from samples ---------------------------------------------------------------------
 */

static const char *const smaller[] = {
    LIMIT(",\"tokens_total\":120"), LIMIT(",\"tokens_total\":500"),
    ",\"limit\":{\"context\":1536,\"children\":2,\"rounds\":2,\"tokens_thread\":90}",
    ",\"limit\":{\"context\":120,\"children\":2,\"rounds\":2,\"tokens_thread\":800}"};
enum { SMALLER = sizeof smaller / sizeof smaller[0] };

/* Where a parent would have gone on otherwise, nothing is derived. */
START_TEST(a_lower_limit_leaves_what_it_would_have_computed) {
  world *w = open_world();
  conditioned *whole = open_condition(w, conditions[_i]);
  runner_sample *samples[SAMPLES_MAX] = {0}, *computed[SAMPLES_MAX] = {0};
  int made = 0, cut = 0;
  (void)run(w, &plain, &whole, 1, samples);
  for (int k = 0; k < SMALLER; k++) {
    char words[400];
    (void)snprintf(words, sizeof words, APR("%s%s"), _i ? DRAWN : GREEDY, smaller[k]);
    conditioned *less = open_condition(w, words);
    (void)run(w, &plain, &less, 1, computed);
    for (int i = 0; i < TASKS; i++) {
      int count;
      runner_sample *derived = NULL;
      ck_ok(runner_derive(&derived, samples[i], &less->rules, &err));
      if (!derived) continue;
      scripted_same(computed[i], derived);
      made++;
      cut += runner_sample_threads(derived, &count)[0].limit != NULL;
      runner_sample_free(derived);
    }
    free_samples(computed, TASKS);
    close_condition(less);
  }
  ck_assert_int_ge(made, SMALLER * TASKS / 2);
  ck_assert_int_gt(cut, TASKS);
  free_samples(samples, TASKS);
  close_condition(whole);
  close_world(w);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("apr_engine");
  TCase *all = tcase_create("apr_engine");
  tcase_add_test(all, no_schedule_changes_a_tree);
  tcase_add_test(all, what_a_parent_kept_is_not_computed_again);
  tcase_add_loop_test(all, a_lower_limit_leaves_what_it_would_have_computed, 0, 2);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
