/* The symbolic workers, against an oracle that derives every decision anew from what they wrote
   (tests/solvers/gang_told.h). The number of problems may be given as an argument. */
#include "base/json.h"
#include "solvers/demonstrate.h"
#include "solvers/symbolic.h"
#include "solvers/trace_nodes.h"
#include "tests/solvers/gang_told.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;
static int problems = 240;

/* ---- how long lines are ---------------------------------------------------------------------- */

/* Bytes that the published language does not have count one each. */
static int64_t length_llama2(const char *bytes, size_t count) {
  int64_t tokens = grammar_llama2_tokens(bytes, count);
  return tokens < 0 ? (int64_t)count : tokens;
}

/* Other tokenizers: so many bytes a token. */
static int64_t length_3(const char *bytes, size_t count) {
  (void)bytes;
  return ((int64_t)count + 2) / 3;
}
static int64_t length_19(const char *bytes, size_t count) {
  (void)bytes;
  return ((int64_t)count + 18) / 19;
}

static status measure_by(size_t each, size_t count, int64_t most, int64_t *tokens, size_t *within) {
  *tokens = (int64_t)((count + each - 1) / each);
  *within = (size_t)most * each < count ? (size_t)most * each : count;
  return OK;
}
static status measure_3(void *context, const char *bytes, size_t count, int64_t most,
                        int64_t *tokens, size_t *within, detail *why) {
  (void)context, (void)bytes, (void)why;
  return measure_by(3, count, most, tokens, within);
}
static status measure_19(void *context, const char *bytes, size_t count, int64_t most,
                         int64_t *tokens, size_t *within, detail *why) {
  (void)context, (void)bytes, (void)why;
  return measure_by(19, count, most, tokens, within);
}

static const search_tokens of_3 = {.measure = measure_3}, of_19 = {.measure = measure_19};
static const struct lengths {
  const search_tokens *tokens;
  told_lengths length;
} lengths[] = {{NULL, {length_llama2, 5}}, {&of_3, {length_3, 5}}, {&of_19, {length_19, 0}}};

/* ---- samples --------------------------------------------------------------------------------- */

typedef struct sample {
  countdown_problem problem;
  hash task;
  search_options drawn;
  search_result result;
} sample;

static symbolic_options options_of(int workers, worker_layout l) {
  json_t *parameters = json_pack("{s:s,s:i,s:s}", "search", "hogwild", "workers", workers, "layout",
                                 layout_names[l]);
  ck_assert_ptr_nonnull(parameters);
  symbolic_options o;
  ck_ok(symbolic_mode.resolve(parameters, &err));
  ck_ok(symbolic_read(&o, parameters, &err));
  json_decref(parameters);
  return o;
}

static void solve(sample *s, const symbolic_options *o, uint64_t n, arena *memory) {
  countdown_source source = countdown_published(2024, COUNTDOWN_TRAIN);
  ck_ok(countdown_generate(&source, n, &s->problem, &err));
  s->task = countdown_key(&s->problem);
  ck_ok(symbolic_solve(&s->result, &s->drawn, o, &s->problem, 1, &s->task, 0, memory, &err));
}

static arena *open_memory(void) {
  arena *memory;
  ck_ok(arena_open(&memory, 512 << 20, &err));
  return memory;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Every fourth problem under a limit. */
START_TEST(every_decision_follows_from_what_was_seen) {
  worker_layout l = (worker_layout)(_i / 4);
  int workers = 1 + _i % 4, solved = 0, capped = 0, stopped = 0;
  arena *memory = open_memory();
  symbolic_options o = options_of(workers, l);
  for (int n = 0; n < problems; n++) {
    sample s;
    o.search.heuristic = n % 5 ? HEURISTIC_MULT : HEURISTIC_SUM;
    o.search.order = (search_order)(n % 3);
    o.search.tokens = lengths[n % 7 % 3].tokens;
    o.search.context = n % 4 ? 0 : 300 + 53 * (n % 40);
    solve(&s, &o, (uint64_t)n, memory);
    told_check(&s.problem, &s.drawn, &s.result, lengths[n % 7 % 3].length, memory);
    solved += s.result.answer >= 0;
    for (int i = 0; i < workers; i++) {
      capped += s.result.threads[i]->capped;
      stopped += !s.result.threads[i]->capped && !s.result.threads[i]->ends;
    }
    search_close(&s.result);
    arena_reset(memory);
  }
  ck_assert_int_gt(solved, problems / 3);
  ck_assert_int_lt(solved, problems);
  ck_assert_int_gt(capped, problems / 40);
  /* Who sees a goal while it is restated mostly ends by himself. */
  int sees_lines = l == LAYOUT_CONTIGUOUS || l == LAYOUT_COMBINED;
  if (workers > 1) ck_assert_int_gt(stopped, problems / (sees_lines ? 80 : 10));
  arena_close(memory);
}
END_TEST

static void put_steps(const search_thread *t, text *out) {
  for (int k = 0; k < t->step_count; k++)
    text_add(out, text_string(&t->written) + t->steps[k].start, t->steps[k].bytes);
}

/* One worker has nobody to read: only what it is fed differs, and so a view's length. An
   independent one among several is the same search up to where another's answer stops it. */
START_TEST(one_worker_is_the_same_in_all_layouts) {
  arena *memory = open_memory();
  text alone, other;
  text_open(&alone, 1 << 24);
  text_open(&other, 1 << 24);
  int cut = 0;
  for (int n = 0; n < problems; n++) {
    for (int l = 0; l < 5; l++) {
      symbolic_options o = options_of(l < 4 ? 1 : 3, l < 4 ? (worker_layout)l : LAYOUT_INDEPENDENT);
      sample s;
      solve(&s, &o, (uint64_t)n, memory);
      text *into = l ? &other : &alone;
      text_clear(into);
      put_steps(s.result.threads[0], into);
      ck_assert_uint_le(into->bytes, alone.bytes);
      ck_assert_mem_eq(text_string(into), text_string(&alone), into->bytes);
      cut += into->bytes < alone.bytes;
      ck_assert(l == 4 || into->bytes == alone.bytes);
      search_close(&s.result);
    }
    arena_reset(memory);
  }
  ck_assert_int_gt(cut, problems / 10);
  text_close(&alone);
  text_close(&other);
  arena_close(memory);
}
END_TEST

/* A view holds all that was put in and the token that was sampled last. What a capped worker would
   have put in next: a name, if a step was to begin, and a line, or an end of sequence. */
static void check_left_out(const search_thread *cut, const search_thread *all, int64_t limit) {
  int done = !cut->step_count || cut->steps[cut->step_count - 1].is_done;
  size_t at = cut->written.bytes, from = done ? all->steps[cut->step_count].start : at;
  const char *said = text_string(&all->written), *newline = strchr(said + from, '\n');
  int64_t next = newline ? length_llama2(said + from, (size_t)(newline + 1 - said) - from) : 1;
  int64_t held = cut->tokens_prompt + cut->tokens_fed + cut->tokens_generated;
  ck_assert_int_le(held, limit);
  ck_assert_int_gt(held + length_llama2(said + at, from - at) + next, limit);
}

/* What a single worker did not write under a limit would have gone over it. */
START_TEST(a_line_is_left_out_where_it_would_not_fit) {
  arena *memory = open_memory();
  int capped = 0;
  for (int n = 0; n < problems; n++) {
    symbolic_options o = options_of(1, (worker_layout)(n % 4));
    sample whole, cut;
    solve(&whole, &o, (uint64_t)n, memory);
    o.search.context = 200 + 61 * (n % 40);
    solve(&cut, &o, (uint64_t)n, memory);
    const search_thread *all = whole.result.threads[0], *t = cut.result.threads[0];
    ck_assert_mem_eq(text_string(&t->written), text_string(&all->written), t->written.bytes);
    ck_assert_int_eq(t->capped, t->written.bytes < all->written.bytes || !t->ends);
    if (t->capped) check_left_out(t, all, o.search.context);
    capped += t->capped;
    search_close(&whole.result);
    search_close(&cut.result);
    arena_reset(memory);
  }
  ck_assert_int_gt(capped, problems / 10);
  arena_close(memory);
}
END_TEST

START_TEST(nodes_are_counted_as_a_reader_of_traces_counts_them) {
  arena *memory = open_memory();
  int64_t duplicates = 0;
  for (int n = 0; n < problems; n++) {
    symbolic_options o = options_of(1 + n % 5, (worker_layout)(n / 5 % 4));
    sample s;
    o.search.tokens = lengths[n % 3].tokens;
    o.search.context = n % 7 ? 0 : 500;
    solve(&s, &o, (uint64_t)n, memory);
    trace_slice slices[LAYOUT_WORKERS_MAX];
    for (int i = 0; i < s.result.thread_count; i++) {
      const text *t = &s.result.threads[i]->written;
      slices[i] = (trace_slice){text_string(t), t->bytes};
    }
    trace_nodes nodes;
    ck_ok(trace_nodes_count(slices, s.result.thread_count, &nodes, &err));
    ck_assert_int_eq(s.result.nodes_explored, nodes.explored);
    ck_assert_int_eq(s.result.nodes_duplicate, nodes.duplicate);
    duplicates += nodes.duplicate;
    search_close(&s.result);
    arena_reset(memory);
  }
  ck_assert_int_gt(duplicates, 0);
  arena_close(memory);
}
END_TEST

/* docs/modes.md, "Where workers read each other". */
START_TEST(costs_are_those_of_workers) {
  arena *memory = open_memory();
  for (int n = 0; n < problems; n++) {
    worker_layout l = (worker_layout)(n % 4);
    symbolic_options o = options_of(1 + n % 6, l);
    sample s;
    solve(&s, &o, (uint64_t)n, memory);
    search_times times[LAYOUT_WORKERS_MAX];
    search_costs c = search_account(&s.result, times), sum = {0};
    const char *prompt = text_string(&s.result.threads[0]->written);
    size_t prompt_bytes = (size_t)(strstr(prompt, "[]") - prompt) + 2;
    char own[128];
    memcpy(own, prompt, prompt_bytes);
    own[prompt_bytes] = '\n';
    int64_t prompt_tokens = grammar_llama2_tokens(own, prompt_bytes + 1) - 1;
    if (layout_has_steps(l)) prompt_tokens += (int64_t)strlen("\n### Past steps\n\n");
    if (l == LAYOUT_INDEPENDENT) prompt_tokens += (int64_t)strlen("\nW1/1\n");
    for (int i = 0; i < s.result.thread_count; i++) {
      const search_thread *t = s.result.threads[i];
      ck_assert_int_eq(t->tokens_prompt, 1 + prompt_tokens);
      ck_assert_int_eq(times[i].end - times[i].start, t->tokens_generated);
      sum.tokens_prompt += t->tokens_prompt;
      sum.tokens_injected += t->tokens_fed;
      sum.tokens_generated += t->tokens_generated;
      if (t->tokens_generated > sum.critical_path) sum.critical_path = t->tokens_generated;
      if (t->view_most > sum.context_peak) sum.context_peak = t->view_most;
    }
    for (int i = 0; i < s.result.thread_count; i++) {
      ck_assert_int_eq(times[i].wait, sum.critical_path - times[i].tokens_generated);
      sum.wait_steps += times[i].wait;
    }
    ck_assert_int_eq(c.tokens_prompt, sum.tokens_prompt);
    ck_assert_int_eq(c.tokens_injected, sum.tokens_injected);
    ck_assert_int_eq(c.tokens_generated, sum.tokens_generated);
    ck_assert_int_eq(c.tokens_total,
                     sum.tokens_prompt + sum.tokens_injected + sum.tokens_generated);
    ck_assert_int_eq(c.critical_path, sum.critical_path);
    ck_assert_int_eq(c.context_peak, sum.context_peak);
    ck_assert_int_eq(c.longest_sequence, sum.context_peak);
    ck_assert_int_eq(c.wait_steps, sum.wait_steps);
    search_close(&s.result);
    arena_reset(memory);
  }
  arena_close(memory);
}
END_TEST

/* Who restates a solution restates one that the rules accept. */
START_TEST(answers_are_accepted_by_the_rules) {
  arena *memory = open_memory();
  text answer;
  text_open(&answer, 1 << 20);
  for (int n = 0; n < problems; n++) {
    symbolic_options o = options_of(1 + n % 4, (worker_layout)(n / 4 % 4));
    sample s;
    solve(&s, &o, (uint64_t)n, memory);
    for (int i = 0; i < s.result.thread_count; i++) {
      const search_thread *t = s.result.threads[i];
      text_clear(&answer);
      int found =
          countdown_answer(PROTOCOL_RECAP, text_string(&t->written), t->written.bytes, &answer);
      ck_assert(found || !t->solved);
      if (found) ck_assert(countdown_check(&s.problem, text_string(&answer), answer.bytes).correct);
    }
    search_close(&s.result);
    arena_reset(memory);
  }
  text_close(&answer);
  arena_close(memory);
}
END_TEST

START_TEST(a_sample_is_a_function_of_its_place) {
  arena *memory = open_memory();
  text first, again;
  text_open(&first, 1 << 24);
  text_open(&again, 1 << 24);
  int differ = 0;
  for (int n = 0; n < 40; n++) {
    symbolic_options o = options_of(2, LAYOUT_COMBINED);
    sample s;
    solve(&s, &o, (uint64_t)n, memory);
    text_clear(&first);
    ck_ok(demonstrate_records(&first, n, &s.problem, &s.drawn, &s.result, memory, &err));
    for (uint32_t repeat = 0; repeat < 2; repeat++) {
      search_result r;
      search_options drawn;
      ck_ok(symbolic_solve(&r, &drawn, &o, &s.problem, 1, &s.task, repeat, memory, &err));
      text_clear(&again);
      ck_ok(demonstrate_records(&again, n, &s.problem, &drawn, &r, memory, &err));
      int same = !strcmp(text_string(&first), text_string(&again));
      ck_assert(repeat || same);
      differ += !same;
      search_close(&r);
    }
    search_close(&s.result);
    arena_reset(memory);
  }
  ck_assert_int_gt(differ, 30);
  text_close(&first);
  text_close(&again);
  arena_close(memory);
}
END_TEST

/* ---- records --------------------------------------------------------------------------------- */

static void check_record(const json_t *record, const sample *s) {
  const search_result *r = &s->result;
  int64_t forwards = 0;
  const json_t *work = json_object_get(record, "work"), *ended = json_object_get(record, "ended");
  ck_assert_str_eq(json_string_value(json_object_get(record, "search")), "hogwild");
  ck_assert_str_eq(json_string_value(json_object_get(record, "layout")),
                   layout_names[s->drawn.layout]);
  ck_assert_int_eq(json_integer_value(json_object_get(record, "workers")), r->thread_count);
  ck_assert_int_eq(json_integer_value(json_object_get(record, "beam")), s->drawn.beam);
  ck_assert_int_eq(json_integer_value(json_object_get(record, "child_beam")), s->drawn.child_beam);
  ck_assert_int_eq(json_is_true(json_object_get(record, "solved")), r->answer >= 0);
  const json_t *answer = json_object_get(record, "answer_worker");
  ck_assert(r->answer < 0 ? json_is_null(answer) : json_integer_value(answer) == r->answer + 1);
  const char *prompt = json_string_value(json_object_get(record, "prompt"));
  ck_assert_ptr_nonnull(strstr(prompt, "], Operations: []"));
  ck_assert_mem_eq(prompt, text_string(&r->threads[0]->written), strlen(prompt));
  ck_assert_uint_eq(json_array_size(work), (size_t)r->thread_count);
  ck_assert_uint_eq(json_array_size(ended), (size_t)r->thread_count);
  for (int i = 0; i < r->thread_count; i++) {
    const search_thread *t = r->threads[i];
    const json_t *steps = json_array_get(work, (size_t)i);
    int64_t tokens = t->ends;
    ck_assert_int_eq(json_is_true(json_array_get(ended, (size_t)i)), t->ends);
    ck_assert_uint_eq(json_array_size(steps), (size_t)t->step_count);
    for (int k = 0; k < t->step_count; k++) {
      const json_t *step = json_array_get(steps, (size_t)k);
      const char *written = json_string_value(json_object_get(step, "text"));
      int done = json_is_true(json_object_get(step, "done"));
      ck_assert_mem_eq(written, text_string(&t->written) + t->steps[k].start, strlen(written));
      ck_assert_int_eq(done, strlen(written) > 2 && strstr(written, "\n\n") != NULL);
      ck_assert(json_is_string(json_object_get(step, "prefix")));
      tokens += json_integer_value(json_object_get(step, "tokens"));
    }
    ck_assert_int_eq(tokens, t->tokens_generated);
    if (tokens > forwards) forwards = tokens;
  }
  ck_assert_int_eq(json_integer_value(json_object_get(record, "forwards")), forwards);
}

START_TEST(records_are_the_sample) {
  arena *memory = open_memory();
  text record;
  text_open(&record, 1 << 24);
  for (int n = 0; n < problems; n++) {
    symbolic_options o = options_of(1 + n % 3, (worker_layout)(n / 3 % 4));
    sample s;
    o.search.tokens = lengths[n % 2].tokens;
    solve(&s, &o, (uint64_t)n, memory);
    text_clear(&record);
    ck_ok(demonstrate_records(&record, n, &s.problem, &s.drawn, &s.result, memory, &err));
    ck_assert_ptr_eq(strchr(text_string(&record), '\n'), text_string(&record) + record.bytes - 1);
    json_t *read = json_loads(text_string(&record), 0, NULL);
    ck_assert_ptr_nonnull(read);
    check_record(read, &s);
    json_decref(read);
    search_close(&s.result);
    arena_reset(memory);
  }
  text_close(&record);
  arena_close(memory);
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

static status measure_for_a_while(void *context, const char *bytes, size_t count, int64_t most,
                                  int64_t *tokens, size_t *within, detail *why) {
  (void)bytes;
  int *left = context;
  if ((*left)-- > 0) return measure_by(3, count, most, tokens, within);
  return fault(why, E_INPUT, "no such token");
}

/* Wherever it happens. */
START_TEST(a_failure_to_count_tokens_is_the_searchs) {
  arena *memory = open_memory();
  int failed = 0;
  for (int after = 0; after < 4000; after += 1 + after / 40) {
    int left = after;
    search_tokens failing = {.measure = measure_for_a_while, .context = &left};
    symbolic_options o = options_of(3, LAYOUT_COMBINED);
    o.search.tokens = &failing;
    o.search.context = after % 2 ? 1500 : 0;
    sample s;
    countdown_source source = countdown_published(2024, COUNTDOWN_TRAIN);
    ck_ok(countdown_generate(&source, 1, &s.problem, &err));
    s.task = countdown_key(&s.problem);
    err.text[0] = '\0';
    status got = symbolic_solve(&s.result, &s.drawn, &o, &s.problem, 1, &s.task, 0, memory, &err);
    ck_assert(got == (left < 0 ? E_INPUT : OK));
    ck_assert_str_eq(err.text, got ? "no such token" : "");
    ck_assert(!got || s.result.thread_count == 0);
    failed += got != OK;
    if (!got) search_close(&s.result);
    arena_reset(memory);
  }
  ck_assert_int_gt(failed, 50);
  arena_close(memory);
}
END_TEST

/* However little there is. */
START_TEST(a_full_arena_is_an_error) {
  symbolic_options o = options_of(3, LAYOUT_COMBINED);
  countdown_source source = countdown_published(2024, COUNTDOWN_TRAIN);
  countdown_problem p;
  ck_ok(countdown_generate(&source, 1, &p, &err));
  hash task = countdown_key(&p);
  int failed = 0;
  for (size_t bytes = 200; bytes < 200000; bytes += 1 + bytes / 60) {
    arena *memory;
    search_result r;
    search_options drawn;
    ck_ok(arena_open(&memory, bytes, &err));
    status got = symbolic_solve(&r, &drawn, &o, &p, 1, &task, 0, memory, &err);
    ck_assert(got == OK || got == E_LIMIT);
    ck_assert(got == OK || r.thread_count == 0);
    failed += got != OK;
    if (!got) search_close(&r);
    arena_close(memory);
  }
  ck_assert_int_gt(failed, 100);
}
END_TEST

START_TEST(parameters_that_do_not_fit) {
  static const struct {
    const char *json, *piece;
  } bad[] = {
      {"{\"search\":\"hogwild\"}", "needs 'workers'"},
      {"{\"search\":\"hogwild\",\"workers\":2,\"promising\":0.5}", "'promising' is not used"},
      {"{\"search\":\"apr\",\"workers\":2}", "'workers' is not used by search 'apr'"},
      {"{\"search\":\"sosp\",\"layout\":\"combined\"}", "'layout' is not used by search 'sosp'"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    json_t *parameters = json_loads(bad[i].json, 0, NULL);
    ck_fails(symbolic_mode.resolve(parameters, &err), E_INPUT, bad[i].piece);
    json_decref(parameters);
  }
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1) problems = atoi(argv[1]);
  Suite *suite = suite_create("search_gang");
  TCase *all = tcase_create("search_gang");
  tcase_add_loop_test(all, every_decision_follows_from_what_was_seen, 0, 16);
  tcase_add_test(all, one_worker_is_the_same_in_all_layouts);
  tcase_add_test(all, a_line_is_left_out_where_it_would_not_fit);
  tcase_add_test(all, nodes_are_counted_as_a_reader_of_traces_counts_them);
  tcase_add_test(all, costs_are_those_of_workers);
  tcase_add_test(all, answers_are_accepted_by_the_rules);
  tcase_add_test(all, a_sample_is_a_function_of_its_place);
  tcase_add_test(all, records_are_the_sample);
  tcase_add_test(all, a_failure_to_count_tokens_is_the_searchs);
  tcase_add_test(all, a_full_arena_is_an_error);
  tcase_add_test(all, parameters_that_do_not_fit);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
