/* The searches against the oracle of tests/solvers/grammar.h, which shares nothing with them, and
   against the published figures. The number of problems may be given as an argument. */
#include "solvers/symbolic.h"
#include "solvers/trace_text.h"
#include "tests/solvers/grammar.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;
static int problems = 300;

typedef struct sample {
  countdown_problem problem;
  hash task;
  search_options drawn;
  search_result result;
} sample;

static symbolic_options options_of(const char *json) {
  json_t *parameters = json_loads(json, 0, NULL);
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

static grammar_start start_of(const sample *s) {
  grammar_start start = grammar_root(s->problem.target, s->problem.number, s->problem.count);
  start.beam = s->drawn.beam;
  start.child_beam = s->drawn.child_beam;
  start.heuristic = s->drawn.heuristic == HEURISTIC_SUM ? GRAMMAR_SUM : GRAMMAR_MULT;
  return start;
}

/* One sequence: accepted, and of the length that both counters give. */
static int64_t accept(trace_kind kind, const text *t, const grammar_start *start,
                      grammar_facts *facts) {
  ck_assert_msg(grammar_accepts(kind, text_string(t), t->bytes, start, facts), "%s\n%s", facts->why,
                text_string(t));
  int64_t tokens = grammar_llama2_tokens(text_string(t), t->bytes);
  ck_assert_int_eq(trace_llama2_tokens(text_string(t), t->bytes), tokens);
  return tokens;
}

static int64_t span_tokens(const search_thread *t, span_kind kind) {
  int64_t tokens = 0;
  for (int i = 0; i < t->span_count; i++) {
    if (t->spans[i].kind == kind) tokens += t->spans[i].tokens;
  }
  return tokens;
}

/* Texts of one sequence each: the spans' tokens are the oracle's. */
static void accept_single(const sample *s, trace_kind kind) {
  const search_thread *t = s->result.threads[0];
  grammar_start start = start_of(s);
  grammar_facts facts;
  ck_assert_int_eq(s->result.thread_count, 1);
  int64_t tokens = accept(kind, &t->written, &start, &facts);
  ck_assert_int_eq(tokens, span_tokens(t, SPAN_PROMPT) + span_tokens(t, SPAN_GENERATED));
  ck_assert_int_eq(facts.solved, t->solved);
  ck_assert_int_eq(facts.explored, s->result.nodes_explored);
}

static void accept_children(const sample *s, const grammar_start *start,
                            const grammar_facts *called, int *next, int64_t *explored) {
  for (int i = 0; i < called->child_count; i++) {
    const search_thread *child = s->result.threads[(*next)++];
    grammar_start from = grammar_child_start(start, &called->children[i]);
    grammar_facts facts;
    (void)accept(TRACE_APR_CHILD, &child->written, &from, &facts);
    ck_assert_int_eq(facts.solved, child->solved);
    *explored += facts.explored;
  }
}

static void accept_apr(const sample *s) {
  const search_thread *root = s->result.threads[0];
  grammar_start start = start_of(s);
  int next = 1;
  int64_t explored = 0;
  for (int turn = 0; turn < search_turns(root); turn++) {
    text t;
    text_open(&t, 1 << 24);
    (void)search_turn(root, turn, &t, NULL);
    grammar_facts facts;
    (void)accept(TRACE_APR_PARENT, &t, &start, &facts);
    ck_assert_int_eq(facts.suspended, turn + 1 < search_turns(root));
    if (facts.suspended) {
      accept_children(s, &start, &facts, &next, &explored);
    } else {
      ck_assert_int_eq(facts.solved, root->solved);
      ck_assert_int_eq(facts.joins, s->result.rounds);
      explored += facts.explored;
    }
    text_close(&t);
  }
  ck_assert_int_eq(next, s->result.thread_count);
  ck_assert_int_eq(explored, s->result.nodes_explored);
}

static const struct {
  const char *json;
  trace_kind kind;
} searches[] = {{"{\"search\":\"dfs\",\"heuristic\":\"sum\"}", TRACE_SOS_DFS},
                {"{\"search\":\"dfs\",\"heuristic\":\"mult\"}", TRACE_SOS_DFS},
                {"{\"search\":\"bfs\",\"heuristic\":\"sum\"}", TRACE_SOS_BFS},
                {"{\"search\":\"bfs\",\"heuristic\":\"mult\"}", TRACE_SOS_BFS},
                {"{\"search\":\"sosp\"}", TRACE_SOSP},
                {"{\"search\":\"sosp\",\"order\":\"heuristic\"}", TRACE_SOSP},
                {"{\"search\":\"apr\"}", TRACE_APR_PARENT},
                {"{\"search\":\"apr\",\"order\":\"enumeration\"}", TRACE_APR_PARENT},
                {"{\"search\":\"apr-serial\"}", TRACE_APR_SERIAL},
                {"{\"search\":\"apr-serial\",\"heuristic\":\"sum\"}", TRACE_APR_SERIAL}};
enum { SEARCHES = sizeof searches / sizeof searches[0] };

START_TEST(traces_are_of_the_published_language) {
  arena *memory;
  ck_ok(arena_open(&memory, 256 << 20, &err));
  symbolic_options o = options_of(searches[_i].json);
  for (int n = 0; n < problems; n++) {
    sample s;
    solve(&s, &o, (uint64_t)n, memory);
    if (searches[_i].kind == TRACE_APR_PARENT) {
      accept_apr(&s);
    } else {
      accept_single(&s, searches[_i].kind);
    }
    search_close(&s.result);
    arena_reset(memory);
  }
  arena_close(memory);
}
END_TEST

START_TEST(mutants_of_traces_are_refused) {
  arena *memory;
  ck_ok(arena_open(&memory, 256 << 20, &err));
  grammar_mutants m = {0};
  text_open(&m.escaped, 1 << 24);
  for (int i = 0; i < SEARCHES; i++) {
    symbolic_options o = options_of(searches[i].json);
    for (uint64_t n = 0; n < 3; n++) {
      sample s;
      solve(&s, &o, n, memory);
      grammar_start start = start_of(&s);
      const search_thread *root = s.result.threads[0];
      text last;
      text_open(&last, 1 << 24);
      (void)search_turn(root, search_turns(root) - 1, &last, NULL);
      ck_assert_msg(grammar_refuses_mutants(searches[i].kind, text_string(&last), last.bytes,
                                            &start, n, 18, &m),
                    "%s", text_string(&m.escaped));
      text_close(&last);
      search_close(&s.result);
      arena_reset(memory);
    }
  }
  ck_assert_int_ge(m.refused, 400);
  text_close(&m.escaped);
  arena_close(memory);
}
END_TEST

/* Pan et al. 2025, measured with the published programs: share solved, lengths with the begin of
   sequence, children. */
typedef struct figures {
  double solved, last, child, children, by_beam[16], of_beam[16];
} figures;

static figures measure(const char *json, int count) {
  arena *memory;
  ck_ok(arena_open(&memory, 256 << 20, &err));
  symbolic_options o = options_of(json);
  figures f = {0};
  double child_tokens = 0;
  for (int n = 0; n < count; n++) {
    sample s;
    solve(&s, &o, (uint64_t)n, memory);
    const search_thread *root = s.result.threads[0];
    f.solved += root->solved;
    f.by_beam[s.drawn.beam] += root->solved;
    f.of_beam[s.drawn.beam]++;
    f.children += s.result.thread_count - 1;
    text t;
    text_open(&t, 1 << 24);
    (void)search_turn(root, search_turns(root) - 1, &t, NULL);
    f.last += 1 + (double)trace_llama2_tokens(text_string(&t), t.bytes);
    text_close(&t);
    for (int i = 1; i < s.result.thread_count; i++) {
      const text *w = &s.result.threads[i]->written;
      child_tokens += 1 + (double)trace_llama2_tokens(text_string(w), w->bytes);
    }
    search_close(&s.result);
    arena_reset(memory);
  }
  f.child = f.children > 0 ? child_tokens / f.children : 0;
  f.solved /= count;
  f.last /= count;
  f.children /= count;
  for (int i = 1; i < 16; i++)
    f.by_beam[i] /= f.of_beam[i] > 0 ? f.of_beam[i] : 1;
  arena_close(memory);
  return f;
}

static void near(double value, double wanted, double within, const char *what) {
  ck_assert_msg(value >= wanted - within && value <= wanted + within, "%s: %.3f, not %.3f +- %.3f",
                what, value, wanted, within);
}

/* The reference's shares by beam come from 60 to 120 problems each: three of their standard errors
   are up to 0.17, and with 100 problems of ours to a beam up to 0.22. */
START_TEST(published_figures) {
  int count = problems < 1000 ? 1000 : 10000;
  double loose = problems < 1000 ? 2 : 1, by_beam = problems < 1000 ? 0.22 : 0.17;
  static const double sosp_by_beam[] = {0, .29, .50, .57, .60, .71};
  static const double apr_by_beam[] = {0, .29, .47, .59, .71, .87, .80, .82, .92, .84, .94};
  figures sosp = measure("{\"search\":\"sosp\"}", count);
  near(sosp.solved, 0.53, 0.05, "SoS+ solved");
  near(sosp.last, 1971, loose * 0.05 * 1971, "SoS+ length");
  for (int b = 1; b <= 5; b++)
    near(sosp.by_beam[b], sosp_by_beam[b], by_beam, "SoS+ by beam");
  figures apr = measure("{\"search\":\"apr\"}", count);
  near(apr.solved, 0.73, 0.05, "APR solved");
  near(apr.children, 6.2, 0.6, "APR children a problem");
  near(apr.last, 1146, loose * 0.05 * 1146, "APR last parent segment");
  near(apr.child, 1445, loose * 0.05 * 1445, "APR child");
  for (int b = 1; b <= 10; b++)
    near(apr.by_beam[b], apr_by_beam[b], by_beam, "APR by beam");
}
END_TEST

/* apr-serial is the same search in one context: what one solves the other solves. */
START_TEST(apr_serial_is_the_same_search) {
  arena *memory;
  ck_ok(arena_open(&memory, 256 << 20, &err));
  symbolic_options apr = options_of("{\"search\":\"apr\"}");
  symbolic_options serial = options_of("{\"search\":\"apr-serial\"}");
  for (int n = 0; n < problems; n++) {
    sample a, b;
    solve(&a, &apr, (uint64_t)n, memory);
    solve(&b, &serial, (uint64_t)n, memory);
    ck_assert_int_eq(a.drawn.beam, b.drawn.beam);
    ck_assert_int_eq(a.drawn.child_beam, b.drawn.child_beam);
    ck_assert_int_eq(a.result.threads[0]->solved, b.result.threads[0]->solved);
    int failures = 1;
    for (int i = 1; i < a.result.thread_count; i++)
      failures &= !a.result.threads[i]->solved;
    if (failures) ck_assert_int_eq(a.result.nodes_explored, b.result.nodes_explored);
    ck_assert_int_ge(a.result.nodes_explored, b.result.nodes_explored);
    for (int i = 1; failures && i < a.result.thread_count; i++) {
      const char *body = strchr(text_string(&a.result.threads[i]->written), '\n');
      ck_assert_ptr_nonnull(strstr(text_string(&b.result.threads[0]->written), body));
    }
    search_close(&a.result);
    search_close(&b.result);
    arena_reset(memory);
  }
  arena_close(memory);
}
END_TEST

/* The paper's own count from whole texts: every sequence with begin and end, less the common prefix
   of consecutive parent segments; ours counts the begin of a resumed segment once. Critical path:
   what each turn adds to what it was given, and the longest child of each round. */
START_TEST(costs_by_an_independent_count) {
  arena *memory;
  ck_ok(arena_open(&memory, 256 << 20, &err));
  symbolic_options o = options_of("{\"search\":\"apr\"}");
  for (int n = 0; n < problems; n++) {
    sample s;
    solve(&s, &o, (uint64_t)n, memory);
    const search_thread *root = s.result.threads[0];
    int turns = search_turns(root);
    search_times *times = arena_take(memory, (size_t)s.result.thread_count, sizeof *times);
    search_costs costs = search_account(&s.result, times);
    int64_t total = 0, longest = 0, critical = 0, given = 0;
    for (int turn = 0; turn < turns; turn++) {
      text t;
      text_open(&t, 1 << 24);
      (void)search_turn(root, turn, &t, NULL);
      int64_t tokens = grammar_llama2_tokens(text_string(&t), t.bytes) + 2;
      if (turn == 0) {
        const char *end = strstr(text_string(&t), "Operations: []\n") + strlen("Operations: []\n");
        given = grammar_llama2_tokens(text_string(&t), (size_t)(end - text_string(&t)));
      } else {
        const char *joined = strstr(text_string(&t), "<Sub Searches>");
        const char *end = NULL;
        for (const char *at = joined; at; at = strstr(at + 1, "<Sub Searches>"))
          joined = at;
        end = strstr(joined, "<End Sub Searches>\n") + strlen("<End Sub Searches>\n");
        given = 1 + grammar_llama2_tokens(text_string(&t), (size_t)(end - text_string(&t)));
        total -= 1 + grammar_llama2_tokens(text_string(&t), (size_t)(joined - text_string(&t)));
      }
      total += tokens;
      critical += tokens - given;
      if (tokens > longest) longest = tokens;
      text_close(&t);
    }
    for (int round = 0; round < s.result.rounds; round++) {
      int64_t most = 0;
      for (int i = 1; i < s.result.thread_count; i++) {
        const search_thread *c = s.result.threads[i];
        if (c->round != round) continue;
        int64_t tokens = grammar_llama2_tokens(text_string(&c->written), c->written.bytes) + 2;
        const char *prompt_end = strstr(text_string(&c->written), "']\n") + 3;
        /* with the begin of sequence, without the newline that is generated */
        int64_t prompt = grammar_llama2_tokens(text_string(&c->written),
                                               (size_t)(prompt_end - text_string(&c->written)));
        total += tokens;
        if (tokens > longest) longest = tokens;
        if (tokens - prompt > most) most = tokens - prompt;
        ck_assert_int_eq(times[i].tokens_prompt, prompt);
        ck_assert_int_eq(times[i].tokens_generated, tokens - prompt);
        ck_assert_int_eq(times[i].end - times[i].start, tokens - prompt);
      }
      critical += most;
    }
    ck_assert_int_eq(costs.tokens_total, total);
    ck_assert_int_eq(costs.longest_sequence, longest);
    ck_assert_int_eq(costs.critical_path, critical);
    ck_assert_int_eq(costs.context_peak, longest - 1);
    ck_assert_int_eq(times[0].end, critical);
    search_close(&s.result);
    arena_reset(memory);
  }
  arena_close(memory);
}
END_TEST

/* Under a limit no sequence is longer, what was cut is a beginning of what it would have been, and
   a sample that nothing cut is the sample without a limit. */
START_TEST(context_limits_cut_at_a_line) {
  arena *memory;
  ck_ok(arena_open(&memory, 512 << 20, &err));
  int capped = 0, untouched = 0;
  for (int n = 0; n < problems; n++) {
    symbolic_options o = options_of(searches[n % SEARCHES].json);
    sample whole, cut;
    solve(&whole, &o, (uint64_t)n, memory);
    o.search.context = 200 + 61 * (n % 40);
    solve(&cut, &o, (uint64_t)n, memory);
    int any = 0;
    for (int i = 0; i < cut.result.thread_count; i++) {
      const search_thread *t = cut.result.threads[i];
      any |= t->capped;
      for (int turn = 0; turn < search_turns(t); turn++) {
        text held;
        text_open(&held, 1 << 24);
        (void)search_turn(t, turn, &held, NULL);
        ck_assert_int_le(1 + trace_llama2_tokens(text_string(&held), held.bytes), o.search.context);
        text_close(&held);
      }
      const text *whole_text = &whole.result.threads[i]->written;
      if (i || cut.result.thread_count == 1) {
        ck_assert_int_le(t->written.bytes, whole_text->bytes);
        ck_assert_mem_eq(text_string(&t->written), text_string(whole_text), t->written.bytes);
        ck_assert_int_eq(t->capped, t->written.bytes < whole_text->bytes);
      }
      if (t->capped) ck_assert(!t->solved);
    }
    if (!any) {
      ck_assert_int_eq(cut.result.thread_count, whole.result.thread_count);
      ck_assert_str_eq(text_string(&cut.result.threads[0]->written),
                       text_string(&whole.result.threads[0]->written));
      untouched++;
    }
    capped += cut.result.threads[0]->capped;
    search_close(&whole.result);
    search_close(&cut.result);
    arena_reset(memory);
  }
  ck_assert_int_gt(capped, problems / 10);
  ck_assert_int_gt(untouched, problems / 10);
  arena_close(memory);
}
END_TEST

/* The same place gives the same text; another seed, repeat or task another one. */
START_TEST(a_search_is_a_function_of_its_place) {
  arena *memory;
  ck_ok(arena_open(&memory, 64 << 20, &err));
  symbolic_options o = options_of("{\"search\":\"sosp\",\"beam\":5}");
  sample s;
  solve(&s, &o, 3, memory);
  hash other_task = hash_of("other", 5);
  static const struct {
    uint64_t seed;
    uint32_t repeat;
    int other;
  } places[] = {{1, 0, 0}, {2, 0, 0}, {1, 1, 0}, {1, 0, 1}};
  for (int i = 0; i < 4; i++) {
    search_result again;
    search_options drawn;
    ck_ok(symbolic_solve(&again, &drawn, &o, &s.problem, places[i].seed,
                         places[i].other ? &other_task : &s.task, places[i].repeat, memory, &err));
    int same = !strcmp(text_string(&again.threads[0]->written),
                       text_string(&s.result.threads[0]->written));
    ck_assert_int_eq(same, i == 0);
    search_close(&again);
  }
  search_close(&s.result);
  arena_close(memory);
}
END_TEST

START_TEST(a_full_arena_is_an_error) {
  arena *memory;
  ck_ok(arena_open(&memory, 20000, &err));
  symbolic_options o = options_of("{\"search\":\"apr\",\"beam\":10,\"child_beam\":15}");
  countdown_source source = countdown_published(2024, COUNTDOWN_TRAIN);
  countdown_problem p;
  ck_ok(countdown_generate(&source, 1, &p, &err));
  hash task = countdown_key(&p);
  search_result r;
  search_options drawn;
  ck_fails(symbolic_solve(&r, &drawn, &o, &p, 1, &task, 0, memory, &err), E_LIMIT, "20000");
  ck_assert_int_eq(r.thread_count, 0);
  arena_close(memory);
}
END_TEST

/* Depth-first search of six numbers writes without end; a context limit bounds it. */
START_TEST(an_endless_trace_is_an_error) {
  arena *memory;
  ck_ok(arena_open(&memory, (size_t)1 << 30, &err));
  countdown_problem p = {.target = 97, .count = 6, .number = {93, 95, 97, 99, 98, 96}};
  symbolic_options o = options_of("{\"search\":\"dfs\",\"heuristic\":\"sum\"}");
  hash task = countdown_key(&p);
  search_result r;
  search_options drawn;
  p.target = 9973; /* out of reach, and every state within the threshold */
  ck_fails(symbolic_solve(&r, &drawn, &o, &p, 1, &task, 0, memory, &err), E_LIMIT, "limit.context");
  arena_reset(memory);
  o.search.context = 4096;
  ck_ok(symbolic_solve(&r, &drawn, &o, &p, 1, &task, 0, memory, &err));
  ck_assert(r.threads[0]->capped);
  search_close(&r);
  arena_close(memory);
}
END_TEST

START_TEST(parameters_that_do_not_fit) {
  static const struct {
    const char *json, *piece;
  } bad[] = {{"{}", "needs 'search'"},
             {"{\"search\":\"dfs\",\"beam\":3}", "'beam' is not used by search 'dfs'"},
             {"{\"search\":\"sosp\",\"child_beam\":3}", "'child_beam' is not used"},
             {"{\"search\":\"bfs\",\"promising\":0.5}", "'promising' is not used"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    json_t *parameters = json_loads(bad[i].json, 0, NULL);
    ck_fails(symbolic_mode.resolve(parameters, &err), E_INPUT, bad[i].piece);
    json_decref(parameters);
  }
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1) problems = atoi(argv[1]);
  Suite *suite = suite_create("search");
  TCase *all = tcase_create("search");
  tcase_add_loop_test(all, traces_are_of_the_published_language, 0, SEARCHES);
  tcase_add_test(all, mutants_of_traces_are_refused);
  tcase_add_test(all, published_figures);
  tcase_add_test(all, apr_serial_is_the_same_search);
  tcase_add_test(all, costs_by_an_independent_count);
  tcase_add_test(all, context_limits_cut_at_a_line);
  tcase_add_test(all, a_search_is_a_function_of_its_place);
  tcase_add_test(all, a_full_arena_is_an_error);
  tcase_add_test(all, an_endless_trace_is_an_error);
  tcase_add_test(all, parameters_that_do_not_fit);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
