/* The published APR search as a script for mode spawn_join: what the search's root and children
   wrote is told to the mode, and what that commands must be what the search spawned and joined. */
#include "base/memory.h"
#include "solvers/symbolic.h"
#include "tests/solvers/script.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;

#define APR "{\"protocol\":\"countdown-apr\"}"

enum { PROBLEMS = 200 };

typedef struct solved {
  countdown_problem problem;
  arena *memory;
  search_result result;
} solved;

static solved solve(const char *search, uint64_t n) {
  solved s;
  symbolic_options options;
  search_options drawn;
  json_t *parameters;
  countdown_source source = countdown_published(11, COUNTDOWN_TRAIN);
  ck_ok(json_read(&parameters, search, strlen(search), "parameters", 1, &err));
  ck_ok(symbolic_mode.resolve(parameters, &err));
  ck_ok(symbolic_read(&options, parameters, &err));
  json_decref(parameters);
  ck_ok(countdown_generate(&source, n, &s.problem, &err));
  hash task = countdown_key(&s.problem);
  ck_ok(arena_open(&s.memory, 256 << 20, &err));
  ck_ok(symbolic_solve(&s.result, &drawn, &options, &s.problem, 1, &task, 0, s.memory, &err));
  return s;
}

static void forget(solved *s) {
  search_close(&s->result);
  arena_close(s->memory);
}

/* What a thread holds is how this sequence begins; it writes the rest. */
static void write_rest(script *s, mode_thread thread, const text *sequence) {
  const text *held = &s->threads[thread].held;
  ck_assert_uint_le(held->bytes, sequence->bytes);
  ck_assert_mem_eq(held->data, sequence->data, held->bytes);
  char *rest = memory_copy_text(text_string(sequence) + held->bytes);
  script_writes(s, thread, MODE_END_TOKEN, rest);
  memory_free(rest);
}

/* The children of a round end in an order of their own. */
static void write_round(script *s, const search_result *r, int round, int *ended) {
  int first = 1 + *ended, count = 0;
  while (first + count < r->thread_count && r->threads[first + count]->round == round)
    count++;
  ck_assert_int_eq((int)s->count, first + count);
  for (int i = 0; i < count; i++) {
    int child = first + (round % 2 ? i : count - 1 - i);
    const search_thread *t = r->threads[child];
    ck_assert_uint_eq(s->threads[child].held.bytes, t->spans[0].bytes);
    write_rest(s, (mode_thread)child, &t->written);
  }
  *ended += count;
}

static void replay(const solved *of) {
  const search_thread *root = of->result.threads[0];
  text target, sequence;
  int ended = 0;
  text_open(&target, 1000);
  text_open(&sequence, 1 << 24);
  countdown_target(&of->problem, &target);
  script *s = script_begin("spawn_join", APR, "", text_string(&target));
  for (int turn = 0; turn < search_turns(root); turn++) {
    text_clear(&sequence);
    (void)search_turn(root, turn, &sequence, NULL);
    text_clear(&s->log);
    write_rest(s, 0, &sequence);
    if (turn + 1 < search_turns(root)) write_round(s, &of->result, turn, &ended);
  }
  ck_assert(s->is_done);
  ck_assert_int_eq(ended, of->result.thread_count - 1);
  const char *last = strstr(text_string(&s->log), "done ");
  ck_assert_str_eq(last ? last : "", root->solved ? "done 0\n" : "done -1\n");
  script_end(s);
  text_close(&sequence);
  text_close(&target);
}

START_TEST(the_published_search_is_what_is_spawned_and_joined) {
  static const char *const searches[] = {"{\"search\":\"apr\"}",
                                         "{\"search\":\"apr\",\"order\":\"heuristic\"}",
                                         "{\"search\":\"apr\",\"order\":\"enumeration\"}"};
  int rounds = 0, children = 0;
  for (uint64_t n = 0; n < PROBLEMS; n++) {
    solved of = solve(searches[_i], n);
    replay(&of);
    rounds += of.result.rounds;
    children += of.result.thread_count - 1;
    forget(&of);
  }
  ck_assert_int_gt(rounds, PROBLEMS / 2);
  ck_assert_int_gt(children, 2 * rounds);
}
END_TEST

/* The control begins as the parent does. */
START_TEST(the_control_begins_as_the_root_does) {
  for (uint64_t n = 0; n < 20; n++) {
    solved of = solve("{\"search\":\"apr-serial\"}", n);
    const search_thread *root = of.result.threads[0];
    text target;
    text_open(&target, 1000);
    countdown_target(&of.problem, &target);
    script *s =
        script_begin("serial", "{\"protocol\":\"countdown-apr-serial\"}", "", text_string(&target));
    ck_assert_uint_eq(s->threads[0].held.bytes, root->spans[0].bytes);
    write_rest(s, 0, &root->written);
    const char *last = strstr(text_string(&s->log), "done ");
    ck_assert_str_eq(last ? last : "", root->solved ? "done 0\n" : "done -1\n");
    script_end(s);
    text_close(&target);
    forget(&of);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("apr");
  TCase *c = tcase_create("apr");
  tcase_add_loop_test(c, the_published_search_is_what_is_spawned_and_joined, 0, 3);
  tcase_add_test(c, the_control_begins_as_the_root_does);
  suite_add_tcase(suite, c);
  return suite;
}

int main(void) {
  json_install();
  return support_run(make_suite());
}
