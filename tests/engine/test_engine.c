/* What the engine counts, exactly, and that counting does not lie: prefixes, slots, rows, pages,
   preemption, allocations, repeats. */
#include "base/memory.h"
#include "tests/engine/engines.h"

#include <string.h>

static detail err;

enum { THREADS_MAX = 300, TOKENS_MAX = 320 };
static uint32_t prompts[THREADS_MAX][TOKENS_MAX];
static int lengths[THREADS_MAX];

/* The size of the tree of all prompts: what each adds to those before it. */
static int64_t tree_size(int count) {
  int64_t size = 0;
  for (int i = 0; i < count; i++) {
    int most = 0;
    for (int k = 0; k < i; k++) {
      int same = 0;
      while (same < lengths[i] && same < lengths[k] && prompts[i][same] == prompts[k][same])
        same++;
      if (same > most) most = same;
    }
    size += lengths[i] - most;
  }
  return size;
}

/* Prompts that begin a longer one: where that came first, their last token is fed for its logits.
 */
static int heads(int count) {
  int found = 0;
  for (int i = 0; i < count; i++) {
    int is_head = 0;
    for (int k = 0; k < count; k++) {
      size_t bytes = (size_t)lengths[i] * sizeof prompts[0][0];
      is_head |= lengths[i] < lengths[k] && !memcmp(prompts[i], prompts[k], bytes);
    }
    found += is_head;
  }
  return found;
}

static int64_t all_tokens(int count) {
  int64_t sum = 0;
  for (int i = 0; i < count; i++)
    sum += lengths[i];
  return sum;
}

/* Heads of heads, repeats, one that is the head of another, some of their own. */
static void draw_prompts(int count, uint32_t seed) {
  random_stream r = random_start((random_key){{seed, 1}});
  for (int i = 0; i < count; i++) {
    int like = i ? (int)random_below(&r, (uint32_t)i) : 0, head = 0;
    lengths[i] = (int)random_between(&r, 1, 90);
    if (i && random_chance(&r, 0.7)) head = (int)random_between(&r, 0, lengths[like]);
    if (i && random_chance(&r, 0.2)) head = lengths[i] = lengths[like];
    for (int k = 0; k < lengths[i]; k++)
      prompts[i][k] =
          k < head && k < lengths[like] ? prompts[like][k] : random_below(&r, ENGINES_VOCABULARY);
  }
}

static void submit_prompts(engine *e, int count, int most) {
  for (int i = 0; i < count; i++) {
    thread_request r = engines_request(prompts[i], lengths[i], most);
    r.key = (random_key){{5, (uint32_t)i}};
    r.temperature = 1;
    engines_submit(e, &r);
  }
}

/* ---- prefixes -------------------------------------------------------------------------------- */

/* Prefilled tokens are the tree of all prompts, however many slots and rows there are. */
START_TEST(test_tree) {
  static const struct {
    int count, slots, rows, page_keys, arrival_order;
  } cases[] = {{40, 64, 256, 16, 0}, {40, 3, 17, 16, 0},     {60, 60, 60, 128, 1},
               {60, 7, 300, 32, 0},  {100, 100, 128, 64, 0}, {25, 1, 1, 16, 0}};
  model *m = engines_model();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    engine_options o = engines_options();
    o.slots = cases[i].slots;
    o.rows = cases[i].rows;
    o.page_keys = cases[i].page_keys;
    o.arrival_order = cases[i].arrival_order;
    draw_prompts(cases[i].count, (uint32_t)i);
    engine *e = engines_open(m, NULL, &o);
    trace *t = engines_traces(cases[i].count);
    submit_prompts(e, cases[i].count, 3);
    engines_drive(e, t, 1, cases[i].count, NULL, NULL);
    engine_counters n = engine_count(e);
    ck_assert_int_eq(n.prompt_tokens, all_tokens(cases[i].count));
    ck_assert_int_eq(n.prefilled, tree_size(cases[i].count));
    ck_assert_int_eq(n.prefilled + n.found + n.recomputed, n.prompt_tokens);
    ck_assert_int_le(n.recomputed, heads(cases[i].count));
    ck_assert_int_eq(n.sampled, 3 * cases[i].count);
    ck_assert_int_eq(n.rows, n.prefilled + n.recomputed + 2 * cases[i].count);
    ck_assert_int_eq(cache_count(engine_cache(e)).evicted, 0);
    engine_close(e);
  }
  model_close(m);
}
END_TEST

/* Repeats that come later feed the prompt's last token again, for its logits alone. */
START_TEST(test_later_repeats) {
  model *m = engines_model();
  engine_options o = engines_options();
  engine *e = engines_open(m, NULL, &o);
  trace *t = engines_traces(9);
  lengths[0] = 50;
  engines_fill(prompts[0], 50, 1);
  submit_prompts(e, 1, 4);
  engines_drive(e, t, 1, 1, NULL, NULL);
  for (int i = 1; i < 5; i++) {
    lengths[i] = 50;
    memcpy(prompts[i], prompts[0], sizeof prompts[0]);
  }
  submit_prompts(e, 5, 4);
  engines_drive(e, t, 1, 6, NULL, NULL);
  engine_counters n = engine_count(e);
  ck_assert_int_eq(n.prefilled, 50);
  ck_assert_int_eq(n.found, 5 * 49);
  ck_assert_int_eq(n.recomputed, 5);
  engine_close(e);
  model_close(m);
}
END_TEST

/* Events say at the end how much of the prompt was there: of copies that come together all but the
   first's, of a later one all but its last token. */
START_TEST(test_ends_say_what_was_cached) {
  model *m = engines_model();
  engine_options o = engines_options();
  engine *e = engines_open(m, NULL, &o);
  uint32_t tokens[40];
  engines_fill(tokens, 40, 3);
  thread_request r = engines_request(tokens, 40, 3);
  int cached[5] = {0};
  for (int i = 0; i < 4; i++)
    (void)engines_submit(e, &r);
  for (int round = 0; round < 2; round++) {
    while (!engine_is_idle(e)) {
      const engine_event *events;
      int count;
      ck_ok(engine_step(e, &events, &count, &err));
      for (int i = 0; i < count; i++) {
        if (events[i].end == ENGINE_GOES_ON) ck_assert_int_eq(events[i].cached, 0);
        if (events[i].end != ENGINE_GOES_ON) cached[events[i].thread - 1] = events[i].cached;
      }
    }
    if (!round) (void)engines_submit(e, &r);
  }
  static const int wanted[] = {0, 40, 40, 40, 39};
  for (int i = 0; i < 5; i++)
    ck_assert_int_eq(cached[i], wanted[i]);
  ck_assert_int_eq(engine_count(e).found, 3 * 40 + 39);
  engine_close(e);
  model_close(m);
}
END_TEST

/* Without sharing nothing is found, and the tokens are the same. */
START_TEST(test_no_sharing) {
  enum { COUNT = 30 };
  model *m = engines_model();
  trace *t = engines_traces(2 * COUNT);
  draw_prompts(COUNT, 77);
  for (int i = 0; i < 2; i++) {
    engine_options o = engines_options();
    o.no_sharing = i;
    engine *e = engines_open(m, NULL, &o);
    submit_prompts(e, COUNT, 5);
    engines_drive(e, t + i * COUNT, 1, COUNT, NULL, NULL);
    ck_assert_int_eq(engine_count(e).prefilled, i ? all_tokens(COUNT) : tree_size(COUNT));
    engine_close(e);
  }
  for (int i = 0; i < COUNT; i++)
    engines_same(&t[i], &t[COUNT + i], i);
  model_close(m);
}
END_TEST

/* ---- slots, rows, pages ---------------------------------------------------------------------- */

START_TEST(test_slots_are_busy) {
  enum { COUNT = 300 };
  model *m = engines_model();
  engine_options o = engines_options();
  o.slots = 16;
  o.pages = 100;
  engine *e = engines_open(m, NULL, &o);
  for (int i = 0; i < COUNT; i++) {
    lengths[i] = 5 + i % 9;
    engines_fill(prompts[i], lengths[i], (uint32_t)(1000 + i));
    thread_request r = engines_request(prompts[i], lengths[i], 1 + i * 7 % 23);
    engines_submit(e, &r);
  }
  engines_drive(e, engines_traces(COUNT), 1, COUNT, NULL, NULL);
  engine_counters n = engine_count(e);
  ck_assert_int_gt(n.slot_steps, 1000);
  ck_assert_msg(n.busy_slot_steps * 100 >= n.slot_steps * 97, "%lld of %lld slots were busy",
                (long long)n.busy_slot_steps, (long long)n.slot_steps);
  engine_close(e);
  model_close(m);
}
END_TEST

/* Steps in which a prompt waits for rows lack less than a page of the budget. */
START_TEST(test_rows_are_full) {
  enum { COUNT = 40 };
  static const int page_keys[] = {16, 32};
  model *m = engines_model();
  engine_options o = engines_options();
  o.page_keys = page_keys[_i];
  o.rows = 70;
  engine *e = engines_open(m, NULL, &o);
  for (int i = 0; i < COUNT; i++) {
    lengths[i] = 100 + i * 5;
    engines_fill(prompts[i], lengths[i], (uint32_t)(2000 + i));
  }
  submit_prompts(e, COUNT, 6);
  engines_drive(e, engines_traces(COUNT), 1, COUNT, NULL, NULL);
  engine_counters n = engine_count(e);
  ck_assert_int_gt(n.full_steps, 80);
  ck_assert_int_gt(n.full_rows, n.full_steps * (o.rows - o.page_keys));
  ck_assert_int_le(n.full_rows, n.full_steps * o.rows);
  engine_close(e);
  model_close(m);
}
END_TEST

static void check_waste(engine *e, void *context) {
  const engine_options *o = context;
  cache_counters n = cache_count(engine_cache(e));
  ck_assert_int_le(n.slots_waste, (int64_t)n.segments * (o->page_keys - 1));
}

/* Less than a page a thread holds nothing, and threads of one prompt hold it once. */
START_TEST(test_pages_are_full) {
  enum { COUNT = 12, LENGTH = 250 };
  model *m = engines_model();
  engine_options o = engines_options();
  o.slots = COUNT;
  o.rows = 300;
  o.pages = 16 + COUNT * 2;
  engine *e = engines_open(m, NULL, &o);
  for (int i = 0; i < COUNT; i++) {
    lengths[i] = LENGTH;
    engines_fill(prompts[i], LENGTH, 3);
  }
  submit_prompts(e, COUNT, 20);
  engines_drive(e, engines_traces(COUNT), 1, COUNT, check_waste, &o);
  engine_counters n = engine_count(e);
  cache_counters c = cache_count(engine_cache(e));
  ck_assert_int_eq(n.prefilled, LENGTH);
  ck_assert_int_eq(n.preempted_total, 0);
  ck_assert_int_eq(c.pages_used, 0);
  ck_assert_int_eq(c.pages_known + c.pages_free, o.pages);
  engine_close(e);
  model_close(m);
}
END_TEST

/* ---- preemption ------------------------------------------------------------------------------ */

/* Fill-memory preempts where never-evict waits; swapped or recomputed, the tokens are the same. */
START_TEST(test_policies) {
  enum { COUNT = 14, RUNS = 4 };
  model *m = engines_model();
  trace *t = engines_traces(RUNS * COUNT);
  for (int i = 0; i < COUNT; i++) {
    lengths[i] = 20 + i;
    engines_fill(prompts[i], lengths[i], (uint32_t)(3000 + i));
  }
  for (int i = 0; i < RUNS; i++) {
    engine_options o = engines_options();
    o.pages = i == 0 ? 600 : 18;
    o.policy = i == 1 ? ENGINE_NEVER_EVICT : ENGINE_FILL_MEMORY;
    o.preemption = i == 2 ? ENGINE_SWAP : ENGINE_RECOMPUTE;
    o.swap_bytes = 1 << 20;
    engine *e = engines_open(m, NULL, &o);
    submit_prompts(e, COUNT, 100);
    engines_drive(e, t + i * COUNT, 1, COUNT, NULL, NULL);
    engine_counters n = engine_count(e);
    if (i < 2) ck_assert_int_eq(n.preempted_total, 0);
    if (i >= 2) ck_assert_int_gt(n.preempted_total, 5);
    if (i == 2) ck_assert_int_eq(n.swapped_total, n.preempted_total);
    if (i == 2) ck_assert_int_eq(n.recomputed, 0);
    if (i == 3) ck_assert_int_eq(n.swapped_total, 0);
    if (i == 3) ck_assert_int_gt(n.recomputed, 0);
    ck_assert_int_eq(cache_count(engine_cache(e)).pages_used, 0);
    engine_close(e);
  }
  for (int i = COUNT; i < RUNS * COUNT; i++)
    engines_same(&t[i % COUNT], &t[i], i % COUNT);
  model_close(m);
}
END_TEST

/* Before each step the first thread that runs goes; it comes back and ends all the same. */
START_TEST(test_preempt) {
  model *m = engines_model();
  engine_options o = engines_options();
  o.swap_bytes = 1 << 20;
  engine *e = engines_open(m, NULL, &o);
  trace *t = engines_traces(2), *alone = engines_traces(1);
  engines_fill(prompts[0], 100, 8);
  lengths[0] = 100;
  thread_request r = engines_request(prompts[0], 100, 30);
  engines_alone(e, &r, alone);
  thread_id id = engines_submit(e, &r);
  for (int i = 0; !engine_is_idle(e); i++) {
    const engine_event *events;
    int count;
    engine_preempt(e, id, i % 2 ? ENGINE_SWAP : ENGINE_RECOMPUTE);
    ck_ok(engine_step(e, &events, &count, &err));
    for (int k = 0; k < count; k++)
      ck_ok(trace_add(&t[0], &events[k], &err));
  }
  engines_same(alone, t, 0);
  ck_assert_int_ge(engine_count(e).preempted_total, 28);
  ck_assert_int_ge(engine_count(e).swapped_total, 14);
  engine_close(e);
  model_close(m);
}
END_TEST

/* ---- who samples what ------------------------------------------------------------------------ */

/* Repeats of a task differ from each other, and each is what it is alone, in any engine. */
START_TEST(test_repeats) {
  enum { COUNT = 12 };
  model *m = engines_model();
  engine_options o = engines_options();
  engine *e = engines_open(m, NULL, &o);
  trace *t = engines_traces(COUNT), *alone = engines_traces(1);
  for (int i = 0; i < COUNT; i++) {
    lengths[i] = 33;
    engines_fill(prompts[i], 33, 4);
  }
  submit_prompts(e, COUNT, 25);
  engines_drive(e, t, 1, COUNT, NULL, NULL);
  engine_close(e);
  for (int i = 0; i < COUNT; i++) {
    for (int k = 0; k < i; k++)
      ck_assert(memcmp(t[i].tokens, t[k].tokens, 25 * sizeof *t->tokens) != 0);
    e = engines_open(m, NULL, &o);
    thread_request r = engines_request(prompts[i], 33, 25);
    r.key = (random_key){{5, (uint32_t)i}};
    r.temperature = 1;
    engines_alone(e, &r, alone);
    engines_same(&t[i], alone, i);
    engine_close(e);
  }
  model_close(m);
}
END_TEST

/* A thread that goes on with its own tokens and its count is the longer thread. */
START_TEST(test_goes_on) {
  model *m = engines_model();
  engine_options o = engines_options();
  engine *e = engines_open(m, NULL, &o);
  trace *whole = engines_traces(1), *part = engines_traces(1);
  engines_fill(prompts[0], 40, 5);
  thread_request r = engines_request(prompts[0], 40, 30);
  r.temperature = 1;
  r.key = (random_key){{1, 2}};
  engines_alone(e, &r, whole);
  for (int cut = 1; cut < 30; cut += 7) {
    memcpy(prompts[0] + 40, whole->tokens, (size_t)cut * sizeof prompts[0][0]);
    r.count = 40 + cut;
    r.most_tokens = 30 - cut;
    r.sampled_before = (uint64_t)cut;
    int64_t prefilled = engine_count(e).prefilled;
    engines_alone(e, &r, part);
    ck_assert_int_eq(part->count, 30 - cut);
    ck_assert(!memcmp(part->logprobs, whole->logprobs + cut, sizeof(float) * (size_t)part->count));
    ck_assert(!memcmp(part->tokens, whole->tokens + cut, sizeof(uint32_t) * (size_t)part->count));
    ck_assert_int_eq(engine_count(e).prefilled, prefilled); /* nothing of it was new */
  }
  engine_close(e);
  model_close(m);
}
END_TEST

/* ---- leaving early --------------------------------------------------------------------------- */

START_TEST(test_release) {
  enum { COUNT = 20 };
  model *m = engines_model();
  engine_options o = engines_options();
  o.slots = 4;
  engine *e = engines_open(m, NULL, &o);
  const engine_event *events;
  trace *t = engines_traces(COUNT), *alone = engines_traces(1);
  int count;
  draw_prompts(COUNT, 9);
  submit_prompts(e, COUNT, 12);
  for (int i = 0; i < 3; i++) {
    ck_ok(engine_step(e, &events, &count, &err));
    for (int k = 0; k < count; k++)
      ck_ok(trace_add(&t[events[k].thread - 1], &events[k], &err));
  }
  for (thread_id id = 1; id <= COUNT; id += 2) /* some run, some wait */
    engine_release(e, id);
  engine_release(e, 12345);
  engines_drive(e, t, 1, COUNT, NULL, NULL);
  engine_counters n = engine_count(e);
  ck_assert_int_eq(n.waiting + n.running + n.preempted + n.ended, 0);
  ck_assert_int_eq(cache_count(engine_cache(e)).pages_used, 0);
  for (int i = 1; i < COUNT; i += 2) {
    thread_request r = engines_request(prompts[i], lengths[i], 12);
    r.key = (random_key){{5, (uint32_t)i}};
    r.temperature = 1;
    engines_alone(e, &r, alone);
    engines_same(&t[i], alone, i);
  }
  submit_prompts(e, COUNT, 12);
  ck_ok(engine_step(e, &events, &count, &err));
  engine_close(e); /* with threads that run and that wait */
  model_close(m);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("engine");
  TCase *counts = tcase_create("counts"), *bits = tcase_create("bits");
  tcase_add_test(counts, test_tree);
  tcase_add_test(counts, test_later_repeats);
  tcase_add_test(counts, test_ends_say_what_was_cached);
  tcase_add_test(counts, test_no_sharing);
  tcase_add_test(counts, test_slots_are_busy);
  tcase_add_loop_test(counts, test_rows_are_full, 0, 2);
  tcase_add_test(counts, test_pages_are_full);
  tcase_add_test(bits, test_policies);
  tcase_add_test(bits, test_preempt);
  tcase_add_test(bits, test_repeats);
  tcase_add_test(bits, test_goes_on);
  tcase_add_test(bits, test_release);
  suite_add_tcase(suite, counts);
  suite_add_tcase(suite, bits);
  return support_run(suite);
}
