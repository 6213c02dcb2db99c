/* What callers may do between steps: submit while they read events, release what waits, go on and
   look elsewhere while pages and host memory are scarce. */
#include "base/memory.h"
#include "tests/engine/engines.h"

#include <string.h>

static detail err;

enum { PROMPT = 120, OTHERS = 4 };
static uint32_t prompt[PROMPT], other[OTHERS][PROMPT];

static void fill_prompts(void) {
  engines_fill(prompt, PROMPT, 7);
  for (int i = 0; i < OTHERS; i++)
    engines_fill(other[i], PROMPT, (uint32_t)(70 + i));
}

static engine_options with_swap(void) {
  engine_options o = engines_options();
  o.segments = 8;
  o.swap_bytes = 1 << 20;
  return o;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Events and their texts stay where they are while their reader submits what follows from them. */
START_TEST(test_submit_while_reading) {
  enum { MORE = 400, TEXT = 64 };
  engine_options o = engines_options();
  model *m = engines_model();
  tokenizer *t = engines_tokenizer();
  engine *e = engines_open(m, t, &o);
  trace *into = engines_traces(2 + MORE);
  const engine_event *events;
  engine_event copy[2];
  int count = 0;
  for (int i = 0; i < 2; i++) {
    thread_request r = engines_request(other[i], 20, 30);
    r.wants_text = 1;
    engines_submit(e, &r);
  }
  for (int step = 0; step < 10; step++) {
    ck_ok(engine_step(e, &events, &count, &err));
    for (int i = 0; i < count; i++)
      ck_ok(trace_add(&into[events[i].thread - 1], &events[i], &err));
  }
  ck_assert_int_eq(count, 2);
  memcpy(copy, events, sizeof copy);
  for (int i = 0; i < MORE; i++) {
    thread_request r = engines_request(prompt, 5 + i % 7, 2);
    engines_submit(e, &r);
    ck_assert(!memcmp(copy, events, sizeof copy));
  }
  engines_drive(e, into, 1, 2 + MORE, NULL, NULL);
  ck_assert_int_eq(into[0].count, 30);
  ck_assert_int_eq(into[1 + MORE].count, 2);
  engine_close(e);
  tokenizer_close(t);
  model_close(m);
}
END_TEST

/* What waits is submitted and released thousands of times, in any order, and no step is made. */
START_TEST(test_release_what_waits) {
  enum { ROUNDS = 3000, KEPT = 40 };
  engine_options o = engines_options();
  model *m = engines_model();
  engine *e = engines_open(m, NULL, &o);
  thread_id kept[KEPT] = {0};
  trace *wanted = engines_traces(1), *t = engines_traces(ROUNDS);
  random_stream r = random_start((random_key){{5, 5}});
  for (int i = 0; i < ROUNDS; i++) {
    int at = (int)random_below(&r, KEPT), head = (int)random_between(&r, 0, 70);
    thread_request request = engines_request(prompt + head, 10 + at, 3);
    engine_release(e, kept[at]);
    kept[at] = engines_submit(e, &request);
    if (i % 500 == 499) { /* sorts what waits, and admits some */
      const engine_event *events;
      int count;
      ck_ok(engine_step(e, &events, &count, &err));
    }
  }
  ck_assert_int_eq(engine_count(e).waiting + engine_count(e).running, KEPT);
  for (int i = 0; i < KEPT; i++)
    engine_release(e, kept[i]);
  ck_assert(engine_is_idle(e));
  ck_assert_int_eq(cache_count(engine_cache(e)).pages_used, 0);
  thread_request last = engines_request(prompt, 50, 8);
  engines_alone(e, &last, &t[0]);
  engine_close(e);
  e = engines_open(m, NULL, &o);
  engines_alone(e, &last, wanted);
  engines_same(wanted, t, 0);
  engine_close(e);
  model_close(m);
}
END_TEST

/* ---- scarce ---------------------------------------------------------------------------------- */

typedef struct rester {
  engine *e;
  segment_id segment;
  thread_id id;
  trace *t;
} rester;

/* A thread with a view of its own that has sampled 4 tokens and rests. */
static rester rested(const model *m, const engine_options *o, trace *t) {
  rester r = {.e = engines_open(m, NULL, o), .t = t};
  ck_ok(segment_new(engine_cache(r.e), &r.segment, &err));
  view_entry view = {r.segment, -1, 0};
  thread_request request = engines_request(prompt, PROMPT, 4);
  request.view = &view;
  request.entries = 1;
  r.id = engines_submit(r.e, &request);
  engines_drive(r.e, t, r.id, 1, NULL, NULL);
  return r;
}

static void go_on(const rester *r, int most) {
  thread_more more = {.tokens = &r->t->tokens[3], .count = 1, .most_tokens = most};
  ck_ok(engine_continue(r->e, r->id, &more, &err));
}

/* Steps until the plain threads have sampled so many tokens; told by id behind the rester's. */
static void steps(const rester *r, trace *others, int count) {
  for (int i = 0; i < count; i++) {
    const engine_event *events;
    int told;
    ck_ok(engine_step(r->e, &events, &told, &err));
    for (int k = 0; k < told; k++)
      ck_ok(trace_add(&others[events[k].thread - r->id - 1], &events[k], &err));
  }
}

static void close_rester(const rester *r) {
  engine_release(r->e, r->id);
  segment_free(engine_cache(r->e), r->segment);
  ck_assert_int_eq(cache_count(engine_cache(r->e)).pages_used, 0);
  ck_assert_int_eq(cache_count(engine_cache(r->e)).swapped, 0);
  engine_close(r->e);
}

/* One that goes on, and has no room yet, gives its pages to one that runs, as while it rested. */
START_TEST(test_goes_on_without_room) {
  model *m = engines_model();
  trace *t = engines_traces(2), *all = engines_traces(2);
  for (int scarce = 0; scarce < 2; scarce++) {
    engine_options o = with_swap();
    if (scarce) o.pages = 19;
    rester r = rested(m, &o, &t[scarce]);
    thread_request request = engines_request(other[0], PROMPT, 120);
    engines_submit(r.e, &request);
    steps(&r, all, 40);
    trace_clear(all);
    go_on(&r, 9);
    ck_assert_int_eq(segment_is_in(engine_cache(r.e), r.segment), 1);
    trace_clear(all);
    trace both[2] = {t[scarce], all[scarce]};
    engines_drive(r.e, both, r.id, 2, NULL, NULL);
    t[scarce] = both[0];
    all[scarce] = both[1];
    if (scarce) ck_assert_int_gt(cache_count(engine_cache(r.e)).swapped_out, 0);
    ck_assert_int_eq(t[scarce].count, 13);
    close_rester(&r);
  }
  engines_same(&t[0], &t[1], 0);
  model_close(m);
}
END_TEST

/* Host memory that plain threads were swapped out to is given up for one with a view: they are
   computed again. */
START_TEST(test_goes_on_without_host_memory) {
  model *m = engines_model();
  trace *t = engines_traces(3), *wanted = engines_traces(3);
  engine_bytes bytes;
  engine_options o = with_swap();
  ck_ok(engine_size(model_config_of(m), &o, &bytes, &err));
  for (int scarce = 0; scarce < 2; scarce++) {
    trace *into = scarce ? t : wanted;
    o.preemption = ENGINE_SWAP;
    o.swap_bytes = bytes.page * (scarce ? 26 : 200);
    rester r = rested(m, &o, into);
    for (int i = 0; i < 2; i++) {
      thread_request request = engines_request(other[i], PROMPT, 20);
      engines_submit(r.e, &request);
    }
    steps(&r, into + 1, 8);
    engine_preempt(r.e, r.id + 1, ENGINE_SWAP);
    engine_preempt(r.e, r.id + 2, ENGINE_SWAP);
    go_on(&r, 160);
    engines_drive(r.e, into, r.id, 3, NULL, NULL);
    close_rester(&r);
  }
  for (int i = 0; i < 3; i++)
    engines_same(&wanted[i], &t[i], i);
  model_close(m);
}
END_TEST

/* Host memory that the caller took for segments of its own is not there for threads: plain ones are
   computed again, those with views wait with a message, and nothing is half done. */
START_TEST(test_host_memory_of_callers) {
  model *m = engines_model();
  trace *t = engines_traces(2), *wanted = engines_traces(2);
  engine_bytes bytes;
  engine_options o = with_swap();
  ck_ok(engine_size(model_config_of(m), &o, &bytes, &err));
  o.swap_bytes = 26 * bytes.page;
  for (int is_taken = 0; is_taken < 2; is_taken++) {
    trace *into = is_taken ? t : wanted;
    const engine_event *events;
    int count;
    rester r = rested(m, &o, into);
    segment_id own;
    ck_ok(segment_new(engine_cache(r.e), &own, &err));
    ck_ok(segment_append(engine_cache(r.e), own, other[0], 20 * 16, 0, &err));
    cache_commit(engine_cache(r.e));
    if (is_taken) ck_ok(segment_swap_out(engine_cache(r.e), own, &err));
    thread_request request = engines_request(other[0], PROMPT, 20);
    engines_submit(r.e, &request);
    steps(&r, into + 1, 8);
    engine_preempt(r.e, r.id + 1, ENGINE_SWAP);
    steps(&r, into + 1, 1);
    ck_assert_int_eq(engine_count(r.e).swapped_total, !is_taken);
    ck_assert_int_eq(engine_count(r.e).preempted_total, 1);
    go_on(&r, 20);
    ck_ok(engine_step(r.e, &events, &count, &err));
    for (int k = 0; k < count; k++)
      ck_ok(trace_add(&into[events[k].thread - 1], &events[k], &err));
    engine_preempt(r.e, r.id, ENGINE_SWAP);
    if (is_taken) {
      ck_fails(engine_step(r.e, &events, &count, &err), E_LIMIT,
               "6 of 26 pages of host memory are");
      ck_assert_int_eq(segment_is_in(engine_cache(r.e), r.segment), 1);
    }
    engines_drive(r.e, into, r.id, 2, NULL, NULL);
    segment_free(engine_cache(r.e), own);
    close_rester(&r);
  }
  for (int i = 0; i < 2; i++)
    engines_same(&wanted[i], &t[i], i);
  model_close(m);
}
END_TEST

/* ---- views ----------------------------------------------------------------------------------- */

/* What is kept of a thread follows its view: with one that it goes on with or looks at, it can be
   preempted like any other. */
START_TEST(test_view_that_grows) {
  model *m = engines_model();
  trace *t = engines_traces(1), *wanted = engines_traces(1);
  for (int way = 0; way < 3; way++) {
    engine_options o = with_swap();
    rester r = rested(m, &o, way ? t : wanted);
    segment_id large;
    trace_clear(r.t);
    ck_ok(segment_fork(engine_cache(r.e), r.segment, 100, &large, &err));
    uint32_t token = 9;
    view_entry view[3] = {{large, 90, 0}, {large, -1, 60}, {r.segment, -1, 160}};
    thread_more more = {.tokens = &token, .count = 1, .most_tokens = 30};
    if (way < 2) {
      more.view = view;
      more.entries = 3;
    }
    ck_ok(engine_continue(r.e, r.id, &more, &err));
    if (way == 2) ck_ok(engine_look(r.e, r.id, view, 3, &err));
    for (int step = 0; !engine_is_idle(r.e); step++) {
      const engine_event *events;
      int count;
      ck_ok(engine_step(r.e, &events, &count, &err));
      for (int i = 0; i < count; i++)
        ck_ok(trace_add(r.t, &events[i], &err));
      if (way && step % 7 == 3) engine_preempt(r.e, r.id, ENGINE_SWAP);
    }
    ck_assert_int_eq(r.t->count, 30);
    if (way) {
      engines_same(wanted, t, way);
      ck_assert_int_gt(engine_count(r.e).swapped_total, 2);
      trace_clear(t);
    }
    segment_free(engine_cache(r.e), large);
    close_rester(&r);
  }
  model_close(m);
}
END_TEST

/* A view of more than is kept is refused, and the thread goes on with the one that it had. */
START_TEST(test_view_that_cannot_be_kept) {
  model *m = engines_model();
  trace *t = engines_traces(1);
  engine_bytes bytes;
  engine_options o = with_swap();
  ck_ok(engine_size(model_config_of(m), &o, &bytes, &err));
  o.swap_bytes = 12 * bytes.page;
  rester r = rested(m, &o, t);
  segment_id large;
  uint32_t token = 9;
  ck_ok(segment_fork(engine_cache(r.e), r.segment, 100, &large, &err));
  view_entry view[2] = {{large, -1, 0}, {r.segment, -1, 160}};
  thread_more more = {.tokens = &token, .count = 1, .most_tokens = 5, .view = view, .entries = 2};
  ck_fails(engine_continue(r.e, r.id, &more, &err), E_LIMIT, "host memory for swapping 12");
  go_on(&r, 5);
  ck_fails(engine_look(r.e, r.id, view, 2, &err), E_LIMIT, "host memory for swapping 12");
  view[1].position = INT32_MAX;
  ck_fails(engine_look(r.e, r.id, view, 2, &err), E_INPUT, "stands at 2147483647: 0 to 399");
  engines_drive(r.e, t, r.id, 1, NULL, NULL);
  ck_assert_int_eq(t->count, 9);
  segment_free(engine_cache(r.e), large);
  close_rester(&r);
  model_close(m);
}
END_TEST

/* All of a segment that grows is seen within a gang alone; a head of it, or all of one whose writer
   rests, by anyone. */
START_TEST(test_sees_what_others_write) {
  model *m = engines_model();
  trace *t = engines_traces(2);
  engine_options o = with_swap();
  rester r = rested(m, &o, t);
  thread_id id = 0;
  segment_id own;
  uint32_t token = 9;
  ck_ok(segment_new(engine_cache(r.e), &own, &err));
  view_entry view[2] = {{r.segment, -1, 0}, {own, -1, 200}};
  thread_request request = engines_request(&token, 1, 6);
  thread_more more = {.tokens = &token, .count = 1, .most_tokens = 5};
  request.view = view;
  request.entries = 2;
  go_on(&r, 20);
  ck_fails(engine_submit(r.e, &request, &id, &err), E_INPUT,
           "entry 0 of a view shows all of what thread 1 writes");
  view[0].visible = 100;
  id = engines_submit(r.e, &request);
  view[0].visible = -1;
  ck_fails(engine_look(r.e, id, view, 2, &err), E_INPUT, "all of what thread 1 writes");
  engines_drive(r.e, t, r.id, 2, NULL, NULL);
  ck_ok(engine_look(r.e, id, view, 2, &err)); /* while both rest */
  ck_ok(engine_continue(r.e, id, &more, &err));
  ck_fails(engine_continue(r.e, r.id, &more, &err), E_INPUT,
           "thread 2, which is of no gang with this one, sees all of the segment");
  engines_drive(r.e, t, r.id, 2, NULL, NULL);
  ck_ok(engine_continue(r.e, r.id, &more, &err));
  ck_fails(engine_continue(r.e, id, &more, &err), E_INPUT, "all of what thread 1 writes");
  engines_drive(r.e, t, r.id, 2, NULL, NULL);
  engine_release(r.e, id);
  segment_free(engine_cache(r.e), own);
  close_rester(&r);
  model_close(m);
}
END_TEST

int main(void) {
  json_install();
  fill_prompts();
  Suite *suite = suite_create("callers");
  TCase *lists = tcase_create("lists"), *scarce = tcase_create("scarce");
  TCase *views = tcase_create("views");
  tcase_add_test(lists, test_submit_while_reading);
  tcase_add_test(lists, test_release_what_waits);
  tcase_add_test(scarce, test_goes_on_without_room);
  tcase_add_test(scarce, test_goes_on_without_host_memory);
  tcase_add_test(scarce, test_host_memory_of_callers);
  tcase_add_test(views, test_view_that_grows);
  tcase_add_test(views, test_view_that_cannot_be_kept);
  tcase_add_test(views, test_sees_what_others_write);
  suite_add_tcase(suite, views);
  suite_add_tcase(suite, lists);
  suite_add_tcase(suite, scarce);
  return support_run(suite);
}
