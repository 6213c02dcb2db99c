/* A thousand searches of the symbolic APR solver, replayed by a model that writes what they wrote:
   in mode spawn_join everything is as the published program has it, by an implementation of its own
   (tests/pipeline/apr_story.h), and as the search itself counts it. */
#include "solvers/demonstrate.h"
#include "solvers/trace_text.h"
#include "tests/pipeline/apr_story.h"
#include "tests/pipeline/scripted.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

enum { PROBLEMS = 1000, TOGETHER = 10, ASKED_MAX = 1024, ARENA_BYTES = 1 << 30, PATH_BYTES = 16 };

static const char LABEL[] = "Sub Call Budget: 10 ";
static detail err;

/* ---- scenes ---------------------------------------------------------------------------------- */

/* One problem, and what it must come to. */
typedef struct scene {
  const char *question, *target;
  story story;
  story_counts counts;
  int is_labelled, names_twice;
  int64_t explored, duplicate, tokens_ref; /* by the search */
  script_line *lines;                      /* [1 + children] */
  runner_task task;                        /* without its rules */
} scene;

static symbolic_options options_of(int order) {
  static const char *const orders[] = {"shuffled", "heuristic", "enumeration"};
  symbolic_options o;
  json_t *parameters = json_pack("{ssss}", "search", "apr", "order", orders[order]);
  ck_ok(symbolic_mode.resolve(parameters, &err));
  ck_ok(symbolic_read(&o, parameters, &err));
  json_decref(parameters);
  return o;
}

/* Successors that a child has shown before it found the goal. */
static int64_t explored_by(const story_child *c) {
  static const char EXPLORING[] = "\nExploring Operation: ";
  const char *goal = strstr(c->written, "Goal Reached");
  int64_t explored = 0;
  for (const char *at = strstr(c->written, EXPLORING); at && (!goal || at < goal);
       at = strstr(at + 1, EXPLORING))
    explored++;
  return explored;
}

static void search(scene *s, const countdown_problem *problem, const symbolic_options *o,
                   arena *memory) {
  search_result result;
  search_options drawn;
  text records;
  hash place = countdown_key(problem);
  text_open(&records, 1 << 26);
  ck_ok(symbolic_solve(&result, &drawn, o, problem, 1, &place, 0, memory, &err));
  ck_ok(demonstrate_records(&records, 0, problem, &drawn, &result, memory, &err));
  search_times *times = arena_take(memory, (size_t)result.thread_count, sizeof *times);
  ck_assert_ptr_nonnull(times);
  s->tokens_ref = search_account(&result, times).tokens_total;
  s->explored = result.nodes_explored;
  s->duplicate = result.nodes_duplicate;
  story_read(&s->story, text_string(&records), s->is_labelled ? LABEL : "", s->names_twice, memory);
  for (int i = 0; i < s->story.child_count; i++) {
    const story_child *c = &s->story.children[i];
    if (c->like < 0) continue; /* who searches again finds nothing new */
    s->explored += explored_by(c);
    s->duplicate += explored_by(c);
  }
  search_close(&result);
  text_close(&records);
}

/* What threads write, ends of sequence included. */
static void write_lines(scene *s, arena *memory) {
  text root;
  text_open(&root, 1 << 24);
  s->lines = arena_take(memory, (size_t)s->story.child_count + 1, sizeof *s->lines);
  ck_assert_ptr_nonnull(s->lines);
  for (int i = 0; i < s->story.turn_count; i++)
    text_format(&root, "%s|", s->story.turns[i].written);
  s->lines[0] = (script_line){"0", scripted_keep(memory, &root)};
  for (int i = 0; i < s->story.child_count; i++) {
    text path, own;
    text_open(&path, PATH_BYTES);
    text_open(&own, 1 << 24);
    text_format(&path, "0.%d", i);
    text_format(&own, "%s|", s->story.children[i].written);
    s->lines[1 + i] = (script_line){scripted_keep(memory, &path), scripted_keep(memory, &own)};
  }
}

/* The n-th problem, each third in an order of its own, half of them with a label, and every fifth
   with children that are called twice. */
static void prepare(scene *s, const symbolic_options *o, int n, arena *memory) {
  countdown_source source = countdown_published(77, COUNTDOWN_TRAIN);
  countdown_problem problem;
  text question, target;
  text_open(&question, 1 << 12);
  text_open(&target, 1 << 12);
  ck_ok(countdown_generate(&source, (uint64_t)n, &problem, &err));
  countdown_question(&problem, &question);
  countdown_target(&problem, &target);
  *s = (scene){.question = scripted_keep(memory, &question),
               .target = scripted_keep(memory, &target),
               .is_labelled = n % 2,
               .names_twice = n % 5 == 0};
  search(s, &problem, o, memory);
  s->counts = story_count(&s->story);
  write_lines(s, memory);
  s->task = (runner_task){.question = s->question,
                          .target = s->target,
                          .content = hash_of(s->target, strlen(s->target)),
                          .seed = 3,
                          .repeat = (uint32_t)n};
}

/* ---- what the model is asked ----------------------------------------------------------------- */

typedef struct asked {
  random_key key;
  uint64_t before;
  text held;
} asked;

/* A generator that notes what it is asked to go on behind. */
typedef struct watch {
  generator inner;
  asked asked[ASKED_MAX]; /* [count] */
  int count;
} watch;

static status submit(void *self, const thread_request *request, thread_id *out, detail *why) {
  watch *w = self;
  asked *a = &w->asked[w->count++];
  ck_assert_int_le(w->count, ASKED_MAX);
  *a = (asked){.key = request->key, .before = request->sampled_before};
  text_open(&a->held, 1 << 24);
  ck_assert_uint_eq(request->tokens[0], SCRIPTED_BEGIN);
  ck_ok(tokenizer_decode(scripted_tokenizer(), (const int32_t *)request->tokens + 1,
                         (size_t)request->count - 1, DECODE_KEEP_SPECIAL, &a->held, &err));
  return w->inner.submit(w->inner.self, request, out, why);
}

static void release(void *self, thread_id thread) {
  watch *w = self;
  w->inner.release(w->inner.self, thread);
}

static status step(void *self, const engine_event **events, int *count, detail *why) {
  watch *w = self;
  return w->inner.step(w->inner.self, events, count, why);
}

/* Once, behind just this text. */
static void is_asked(const watch *w, const runner_task *task, const char *path, int64_t before,
                     const char *held) {
  random_key key = random_key_of(task->seed, &task->content, task->repeat, path);
  int times = 0;
  for (int i = 0; i < w->count; i++) {
    const asked *a = &w->asked[i];
    if (memcmp(&a->key, &key, sizeof key) != 0 || a->before != (uint64_t)before) continue;
    ck_assert_str_eq(text_string(&a->held), held);
    times++;
  }
  ck_assert_int_eq(times, 1);
}

/* Returns how many times the model was asked. */
static int is_asked_for(const watch *w, const scene *s, int is_greedy) {
  int64_t before = 0;
  int times = s->story.turn_count;
  for (int i = 0; i < s->story.turn_count; i++) {
    is_asked(w, &s->task, "0", before, s->story.turns[i].held);
    before += (int64_t)strlen(s->story.turns[i].written) + 1;
  }
  for (int i = 0; i < s->story.child_count; i++) {
    const story_child *c = &s->story.children[i];
    if (is_greedy && c->like >= 0) continue;
    is_asked(w, &s->task, s->lines[1 + i].path, 0, c->prompt);
    times++;
  }
  return times;
}

/* ---- threads --------------------------------------------------------------------------------- */

static void same_or_none(const char *found, const char *wanted) {
  ck_assert(!found == !wanted);
  if (found) ck_assert_str_eq(found, wanted);
}

/* The next span of a thread, whose text begins so. Returns where the one behind it begins. */
static size_t is_next(const runner_thread *t, int *at, runner_span_kind kind, size_t start,
                      int64_t step, int round, const char *words, size_t bytes, size_t specials) {
  const runner_span *span = &t->spans[*at];
  if (!bytes && !specials) return start;
  ck_assert_int_lt((*at)++, t->span_count);
  ck_assert_int_eq(span->kind, kind);
  ck_assert_uint_eq(span->start, start);
  ck_assert_uint_eq(span->count, bytes + specials);
  ck_assert_int_eq(span->step, step);
  ck_assert_int_eq(span->round, round);
  ck_assert_uint_eq(span->text_bytes, bytes);
  ck_assert_mem_eq(text_string(&t->text) + span->text_start, words, bytes);
  return start + span->count;
}

/* The steps that a round takes. */
static int64_t round_steps(const story *s, int round) {
  int64_t most = 0;
  for (int i = 0; i < s->child_count; i++) {
    int64_t own = (int64_t)strlen(s->children[i].written) + 1;
    if (s->children[i].round == round && own > most) most = own;
  }
  return most;
}

/* Where the root called in a round: its step, and how many tokens it had sampled. */
static int64_t called_at(const story *s, int round, int64_t *sampled) {
  int64_t step = 0;
  *sampled = 0;
  for (int i = 0; i <= round; i++) {
    int64_t own = (int64_t)strlen(s->turns[i].written) + 1;
    *sampled += own;
    step += own + (i < round ? round_steps(s, i) : 0);
  }
  return step;
}

static void is_root(const runner_thread *t, const story *s) {
  size_t at_token = 1 + strlen(s->turns[0].held);
  int64_t at = 0;
  int span = 0;
  (void)is_next(t, &span, THREAD_PROMPT, 0, 0, -1, s->turns[0].held, at_token - 1, 1);
  for (int i = 0; i < s->turn_count; i++) {
    const story_turn *turn = &s->turns[i];
    size_t call = turn->call, rest = strlen(turn->written) - call;
    if (!turn->joined) {
      at_token = is_next(t, &span, THREAD_GENERATED, at_token, at + 1, -1, turn->written, call, 1);
      at += (int64_t)call + 1;
      break;
    }
    at_token = is_next(t, &span, THREAD_GENERATED, at_token, at + 1, -1, turn->written, call, 0);
    at_token = is_next(t, &span, THREAD_CUT, at_token, at + 1 + (int64_t)call, -1,
                       turn->written + call, rest, 1);
    at += (int64_t)(call + rest) + 1 + round_steps(s, i);
    at_token =
        is_next(t, &span, THREAD_FED, at_token, at, i, turn->joined, strlen(turn->joined), 0);
  }
  ck_assert_int_eq(span, t->span_count);
  ck_assert_int_eq(t->finish, at);
  ck_assert_str_eq(t->path, "0");
  ck_assert_str_eq(t->role, "root");
  same_or_none(t->answer, s->solution);
}

/* All that the root holds at its end. */
static void is_context(const runner_thread *t, const story *s) {
  const story_turn *last = &s->turns[s->turn_count - 1];
  const char *whole = text_string(s->turn_count > 1 ? &t->context : &t->text);
  size_t held = strlen(last->held);
  ck_assert_uint_eq(strlen(whole), held + strlen(last->written));
  ck_assert_mem_eq(whole, last->held, held);
  ck_assert_str_eq(whole + held, last->written);
}

static void is_child(const runner_thread *t, const story *s, int i, int is_greedy) {
  const story_child *c = &s->children[i];
  int64_t sampled, start = called_at(s, c->round, &sampled);
  size_t prompt = strlen(c->prompt) + 1;
  int64_t own = (int64_t)strlen(c->written) + 1;
  int span = 0;
  (void)is_next(t, &span, THREAD_PROMPT, 0, start, -1, c->prompt, prompt - 1, 1);
  (void)is_next(t, &span, THREAD_GENERATED, prompt, start + 1, -1, c->written, strlen(c->written),
                1);
  ck_assert_int_eq(span, t->span_count);
  ck_assert_str_eq(t->role, "child");
  ck_assert_int_eq(t->parent, 0);
  ck_assert_int_eq(t->round, c->round);
  ck_assert_int_eq(t->twin, is_greedy && c->like >= 0 ? 1 + c->like : -1);
  ck_assert_int_eq(t->spawned_at, sampled);
  ck_assert_int_eq(t->joined_at, sampled);
  ck_assert_int_eq(t->start, start);
  ck_assert_int_eq(t->finish, start + own);
  ck_assert_int_eq(t->waited, round_steps(s, c->round) - own);
  same_or_none(t->answer, c->solution);
}

/* ---- counts ---------------------------------------------------------------------------------- */

/* The released code counts a sequence's begin each time that the root goes on, and not the first
   letter of a join, which it takes for the call's. */
static int64_t published_total(const runner_costs *c, int rounds) {
  enum { BEGIN = 1, LETTER = 1 };
  return c->tokens_total + rounds * BEGIN - rounds * LETTER;
}

static void is_counted(const runner_costs *c, const scene *s) {
  const story_counts *wanted = &s->counts;
  int rounds = s->story.turn_count - 1;
  ck_assert_int_eq(c->tokens_prompt, wanted->prompts);
  ck_assert_int_eq(c->tokens_generated, wanted->generated);
  ck_assert_int_eq(c->tokens_injected, wanted->injected);
  ck_assert_int_eq(c->tokens_finisher, 0);
  ck_assert_int_eq(c->tokens_total, wanted->prompts + wanted->generated + wanted->injected);
  ck_assert_int_eq(published_total(c, rounds), wanted->published_total);
  ck_assert_int_eq(c->longest_sequence, wanted->longest);
  ck_assert_int_eq(c->context_peak, wanted->longest);
  ck_assert_int_eq(c->critical_path, wanted->path);
  ck_assert_int_eq(c->critical_path_injected, wanted->path_injected);
  ck_assert_int_eq(c->forwards, wanted->path);
  ck_assert_int_eq(c->wait_steps, wanted->waits);
  ck_assert_int_eq(c->nodes_explored, s->explored);
  ck_assert_int_eq(c->nodes_duplicate, s->duplicate);
  if (s->names_twice) return; /* which the search did not */
  int64_t label = s->is_labelled ? trace_llama2_tokens(LABEL, strlen(LABEL)) : 0;
  ck_assert_int_eq(c->tokens_ref, s->tokens_ref + label);
}

/* ---- playing --------------------------------------------------------------------------------- */

enum { GREEDY, DRAWN, WAYS };

typedef struct stage {
  runner_rules rules[WAYS][2]; /* without a label and with one */
  scene scenes[TOGETHER];      /* [count] */
  int count;
  watch watch;
} stage;

static void open_rules(stage *st) {
  for (int drawn = 0; drawn < WAYS; drawn++) {
    for (int label = 0; label < 2; label++) {
      char parameters[160];
      runner_rules *r = &st->rules[drawn][label];
      (void)snprintf(parameters, sizeof parameters,
                     "{\"protocol\":\"countdown-apr\",\"sampling\":{\"temperature\":%d}%s}", drawn,
                     label ? ",\"label\":{\"children\":10}" : "");
      scripted_rules(r, "spawn_join", parameters, 1 << 20);
      r->temperature = (float)drawn;
    }
  }
}

static void close_rules(stage *st) {
  for (int i = 0; i < WAYS * 2; i++)
    scripted_rules_close(&st->rules[i / 2][i % 2]);
}

/* All scenes at once. samples: [count] */
static void play(stage *st, int way, uint64_t seed, runner_sample **samples) {
  runner *r = NULL;
  scripted *s = scripted_open(NULL, 0, seed);
  st->watch.inner = scripted_generator(s);
  st->watch.count = 0;
  generator g = {.self = &st->watch, .submit = submit, .release = release, .step = step};
  ck_ok(runner_open(&r, &g, &err));
  for (int i = 0; i < st->count; i++) {
    scene *of = &st->scenes[i];
    of->task.rules = &st->rules[way][of->is_labelled];
    of->task.tag = &samples[i];
    scripted_task_lines(s, &of->task, of->lines, of->story.child_count + 1);
    ck_ok(runner_add(r, &of->task, &err));
  }
  while (runner_in_flight(r))
    ck_ok(runner_step(r, &err));
  for (runner_sample *one = runner_take(r); one; one = runner_take(r))
    *(runner_sample **)runner_sample_task(one)->tag = one;
  runner_close(r);
  scripted_close(s);
}

static void is_played(const runner_sample *made, const scene *s, int way) {
  int count;
  const runner_thread *t = runner_sample_threads(made, &count);
  ck_ok(runner_sample_state(made, &err));
  ck_assert_int_eq(count, 1 + s->story.child_count);
  ck_assert_int_eq(runner_sample_rounds(made), s->story.turn_count - 1);
  ck_assert_int_eq(runner_sample_winner(made), s->story.solution ? 0 : -1);
  is_root(t, &s->story);
  is_context(t, &s->story);
  for (int i = 0; i < s->story.child_count; i++)
    is_child(&t[1 + i], &s->story, i, way == GREEDY);
  runner_costs costs = scripted_costs(made);
  is_counted(&costs, s);
}

/* Who is a twin is not computed, which is all that is different. */
static int64_t is_same(const runner_sample *greedy, const runner_sample *drawn) {
  int count, other;
  int64_t twins = 0;
  const runner_thread *t = runner_sample_threads(greedy, &count),
                      *u = runner_sample_threads(drawn, &other);
  runner_costs c = scripted_costs(greedy), d = scripted_costs(drawn);
  ck_assert_int_eq(count, other);
  ck_assert(!memcmp(&c, &d, sizeof c));
  for (int i = 0; i < count; i++) {
    ck_assert_uint_eq(runner_bits(&t[i]), runner_bits(&u[i]));
    ck_assert_int_eq(t[i].cached, t[i].twin < 0 ? u[i].cached : (int64_t)t[i].count);
    twins += t[i].twin >= 0;
  }
  return twins;
}

static void forget_asked(watch *w) {
  for (int i = 0; i < w->count; i++)
    text_close(&w->asked[i].held);
}

static int64_t play_both(stage *st, uint64_t seed) {
  runner_sample *samples[WAYS][TOGETHER] = {{0}};
  int64_t twins = 0;
  for (int way = 0; way < WAYS; way++) {
    int times = 0;
    play(st, way, WAYS * seed + (uint64_t)way, samples[way]);
    for (int i = 0; i < st->count; i++) {
      is_played(samples[way][i], &st->scenes[i], way);
      times += is_asked_for(&st->watch, &st->scenes[i], way == GREEDY);
    }
    ck_assert_int_eq(times, st->watch.count);
    forget_asked(&st->watch);
  }
  for (int i = 0; i < st->count; i++) {
    twins += is_same(samples[GREEDY][i], samples[DRAWN][i]);
    runner_sample_free(samples[GREEDY][i]);
    runner_sample_free(samples[DRAWN][i]);
  }
  return twins;
}

/* What the problems came to, so that all of it was there. */
typedef struct tally {
  int64_t problems, solved, children, twins, rounds_most, without_children;
} tally;

static void count_scenes(const stage *st, tally *sum) {
  for (int i = 0; i < st->count; i++) {
    const story *s = &st->scenes[i].story;
    sum->problems++;
    sum->solved += s->solution != NULL;
    sum->children += s->child_count;
    sum->without_children += !s->child_count;
    if (s->turn_count - 1 > sum->rounds_most) sum->rounds_most = s->turn_count - 1;
  }
}

/* Problems of one order of display. */
START_TEST(a_thousand_searches_are_as_published) {
  enum { ORDERS = 3 };
  arena *memory;
  stage *st = calloc(1, sizeof *st);
  symbolic_options o = options_of(_i);
  tally sum = {0};
  ck_assert_ptr_nonnull(st);
  ck_ok(arena_open(&memory, ARENA_BYTES, &err));
  open_rules(st);
  for (int n = _i; n < PROBLEMS;) {
    for (st->count = 0; st->count < TOGETHER && n < PROBLEMS; n += ORDERS)
      prepare(&st->scenes[st->count++], &o, n, memory);
    sum.twins += play_both(st, (uint64_t)n);
    count_scenes(st, &sum);
    arena_reset(memory);
  }
  ck_assert_int_ge(sum.problems, PROBLEMS / ORDERS);
  ck_assert_int_gt(sum.solved, sum.problems / 2);
  ck_assert_int_lt(sum.solved, sum.problems);
  ck_assert_int_gt(sum.children, 4 * sum.problems);
  ck_assert_int_gt(sum.twins, sum.problems / 8);
  ck_assert_int_gt(sum.rounds_most, 2);
  ck_assert_int_gt(sum.without_children, 0);
  close_rules(st);
  arena_close(memory);
  free(st);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("apr_replay");
  TCase *all = tcase_create("apr_replay");
  tcase_add_loop_test(all, a_thousand_searches_are_as_published, 0, 3);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
