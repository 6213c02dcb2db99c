/* Searches by the symbolic workers, replayed by a model that writes what they wrote: in mode
   hogwild each worker's text, its steps and who ends whom are the same, and so is all that is
   counted. */
#include "base/json.h"
#include "solvers/symbolic.h"
#include "tests/pipeline/scripted.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

enum {
  PROBLEMS = 12,
  AHEAD = 300, /* words */
  WORKERS_MAX = 4,
  CONTEXT = 1 << 20,
  ARENA_BYTES = 256 << 20,
  SCHEDULES = 1
};

static const char *const layouts[] = {"combined", "interleaved", "contiguous", "independent"};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };
static detail err;

/* ---- the search ------------------------------------------------------------------------------ */

/* A token is a byte, as of the scripted model. */
static status measure_bytes(void *context, const char *bytes, size_t count, int64_t most,
                            int64_t *tokens, size_t *within, detail *why) {
  (void)context, (void)bytes, (void)why;
  *tokens = (int64_t)count;
  *within = (size_t)most < count ? (size_t)most : count;
  return OK;
}
static const search_tokens bytes_each = {.measure = measure_bytes};

static symbolic_options options_of(const char *layout, int workers) {
  symbolic_options o;
  json_t *parameters =
      json_pack("{ss,ss,si,ss,ss,ss}", "search", "hogwild", "layout", layout, "workers", workers,
                "order", "enumeration", "beam", "1-4", "child_beam", "1-5");
  ck_assert_ptr_nonnull(parameters);
  ck_ok(symbolic_mode.resolve(parameters, &err));
  ck_ok(symbolic_read(&o, parameters, &err));
  json_decref(parameters);
  o.search.tokens = &bytes_each;
  return o;
}

typedef struct search {
  const char *target;
  search_result result;
  search_costs costs;
  script_line lines[WORKERS_MAX]; /* [result.thread_count] */
} search;

/* What a worker samples. Who is stopped would go on, and where nobody reads another may be ahead.
 */
static const char *written_by(const search_thread *t, arena *memory) {
  text all;
  text_open(&all, 1 << 24);
  for (int k = 0; k < t->step_count; k++)
    text_add(&all, text_string(&t->written) + t->steps[k].start, t->steps[k].bytes);
  for (int i = 0; i < AHEAD && !t->ends; i++)
    text_put(&all, " and so on");
  if (t->ends) text_put(&all, "|");
  return scripted_keep(memory, &all);
}

static void solve(search *s, const symbolic_options *o, int n, arena *memory) {
  static const char *const paths[WORKERS_MAX] = {"0", "1", "2", "3"};
  countdown_source source = countdown_published(78, COUNTDOWN_TRAIN);
  countdown_problem problem;
  search_options drawn;
  search_times times[WORKERS_MAX];
  text target;
  text_open(&target, 1 << 12);
  ck_ok(countdown_generate(&source, (uint64_t)n, &problem, &err));
  countdown_target(&problem, &target);
  s->target = scripted_keep(memory, &target);
  hash place = countdown_key(&problem);
  ck_ok(symbolic_solve(&s->result, &drawn, o, &problem, 1, &place, 0, memory, &err));
  s->costs = search_account(&s->result, times);
  for (int i = 0; i < s->result.thread_count; i++)
    s->lines[i] = (script_line){paths[i], written_by(s->result.threads[i], memory)};
}

/* ---- the same -------------------------------------------------------------------------------- */

static runner_sample *replay(const runner_rules *rules, const search *s) {
  int count = s->result.thread_count;
  runner_sample *first = scripted_run(rules, "", s->target, s->lines, count, 0);
  ck_ok(runner_sample_state(first, &err));
  for (uint64_t seed = 1; seed <= SCHEDULES; seed++) {
    runner_sample *other = scripted_run(rules, "", s->target, s->lines, count, seed);
    scripted_same(first, other);
    runner_sample_free(other);
  }
  return first;
}

static void is_worker(const runner_thread *found, const search_thread *wanted, int has_steps) {
  int64_t step = 0;
  int done = 0;
  ck_assert_str_eq(text_string(&found->text), text_string(&wanted->written));
  ck_assert_int_eq(found->generated, wanted->tokens_generated);
  ck_assert_int_eq(found->finish, wanted->tokens_generated);
  ck_assert_int_eq(found->seen, wanted->tokens_seen);
  ck_assert(found->is_stopped || wanted->ends); /* or both, by one forward */
  ck_assert_ptr_null(found->limit);
  for (int k = 0; k < wanted->step_count && has_steps && wanted->steps[k].is_done; k++, done++) {
    step += wanted->steps[k].tokens;
    ck_assert_int_lt(k, found->commit_count);
    ck_assert_int_eq(found->commits[k].step, step);
  }
  ck_assert_int_eq(found->commit_count, done);
}

static void is_counted(const runner_costs *c, const search *s) {
  const search_costs *wanted = &s->costs;
  ck_assert_int_eq(c->tokens_prompt, wanted->tokens_prompt);
  ck_assert_int_eq(c->tokens_generated, wanted->tokens_generated);
  ck_assert_int_eq(c->tokens_injected, wanted->tokens_injected);
  ck_assert_int_eq(c->tokens_total, wanted->tokens_total);
  ck_assert_int_eq(c->critical_path, wanted->critical_path);
  ck_assert_int_eq(c->critical_path_injected, wanted->critical_path_injected);
  ck_assert_int_eq(c->forwards, wanted->critical_path);
  ck_assert_int_eq(c->longest_sequence, wanted->longest_sequence);
  ck_assert_int_eq(c->context_peak, wanted->context_peak);
  ck_assert_int_eq(c->wait_steps, wanted->wait_steps);
  ck_assert_int_eq(c->nodes_explored, s->result.nodes_explored);
  ck_assert_int_eq(c->nodes_duplicate, s->result.nodes_duplicate);
}

/* Each layout with one to four workers. */
START_TEST(a_search_is_what_a_model_would_make_of_it) {
  const char *layout = layouts[_i % LAYOUTS];
  int workers = 1 + _i / LAYOUTS, solved = 0, stopped = 0, duplicates = 0;
  char parameters[128];
  symbolic_options o = options_of(layout, workers);
  runner_rules rules;
  arena *memory;
  ck_ok(arena_open(&memory, ARENA_BYTES, &err));
  (void)snprintf(parameters, sizeof parameters,
                 "{\"protocol\":\"countdown-hogwild\",\"workers\":%d,\"layout\":\"%s\"}", workers,
                 layout);
  scripted_rules(&rules, "hogwild", parameters, CONTEXT);
  for (int n = 0; n < PROBLEMS; n++) {
    search s;
    solve(&s, &o, n, memory);
    runner_sample *of = replay(&rules, &s);
    ck_assert_int_eq(runner_sample_winner(of), s.result.answer);
    for (int i = 0; i < workers; i++) {
      const search_thread *t = s.result.threads[i];
      is_worker(scripted_thread(of, i, workers), t, layout_has_steps(o.search.layout));
      stopped += !t->ends;
    }
    runner_costs costs = scripted_costs(of);
    is_counted(&costs, &s);
    solved += s.result.answer >= 0;
    duplicates += s.result.nodes_duplicate > 0;
    runner_sample_free(of);
    search_close(&s.result);
    arena_reset(memory);
  }
  ck_assert_int_gt(solved, 0);
  ck_assert_int_lt(solved, PROBLEMS);
  if (workers > 1) ck_assert_int_eq(duplicates, PROBLEMS); /* the root, at least */
  /* Who sees a goal only with its step does not end by himself. */
  if (workers > 1 && o.search.layout == LAYOUT_INTERLEAVED) ck_assert_int_gt(stopped, 0);
  scripted_rules_close(&rules);
  arena_close(memory);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("gang_replay");
  TCase *all = tcase_create("gang_replay");
  tcase_add_loop_test(all, a_search_is_what_a_model_would_make_of_it, 0, LAYOUTS * WORKERS_MAX);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
