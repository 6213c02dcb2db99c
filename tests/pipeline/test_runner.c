/* The runner and the modes on it, over texts that the test wrote: every count by hand, the same
   sample whatever the schedule, and samples cut from others equal to samples computed. */
#include "base/memory.h"
#include "tests/pipeline/scripted.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;
static const char TARGET[] = "{\"nums\":[1,2],\"target\":3}";

/* The bytes of each, which are its tokens. The prompt is ROOT and a begin: 40. */
#define ROOT  "Current State: 3:[1, 2], Operations: []"              /* 39 */
#define STEP  "Exploring Operation: 1+2=3, Resulting Numbers: [3]\n" /* 51 */
#define GOAL  "3,3 equal: Goal Reached\n"                            /* 24 */
#define FOUND "\n" STEP GOAL STEP GOAL "|"         /* 1 + 51 + 24 + 51 + 24 + 1 = 152 */
#define NONE  "\nNo solution found.|"              /* 1 + 18 + 1 = 20 */
#define ASKED GOAL "Moving to Node #0\n" ROOT "\n" /* 24 + 18 + 39 + 1 = 82 */
#define LONG                                                                                       \
  "\n" STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP   \
      STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP

#define SOSP "{\"protocol\":\"countdown-sosp\""

static runner_rules rules_of(const char *mode_name, const char *parameters) {
  runner_rules r;
  scripted_rules(&r, mode_name, parameters, 4096);
  return r;
}

static void is_span(const runner_thread *t, int at, runner_span_kind kind, size_t start,
                    size_t count, int64_t step) {
  ck_assert_int_lt(at, t->span_count);
  const runner_span *s = &t->spans[at];
  ck_assert_int_eq(s->kind, kind);
  ck_assert_uint_eq(s->start, start);
  ck_assert_uint_eq(s->count, count);
  ck_assert_int_eq(s->step, step);
}

/* ---- serial ---------------------------------------------------------------------------------- */

START_TEST(serial_to_its_end) {
  const script_line lines[] = {{"0", FOUND}};
  runner_rules r = rules_of("serial", SOSP "}");
  runner_sample *s = scripted_run(&r, "", TARGET, lines, 1, 0);
  const runner_thread *t = scripted_thread(s, 0, 1);
  ck_ok(runner_sample_state(s, &err));
  ck_assert_str_eq(t->role, "root");
  ck_assert_str_eq(t->path, "0");
  ck_assert_str_eq(text_string(&t->text), ROOT "\n" STEP GOAL STEP GOAL);
  ck_assert_int_eq(t->span_count, 2);
  is_span(t, 0, THREAD_PROMPT, 0, 40, 0);
  is_span(t, 1, THREAD_GENERATED, 40, 152, 1);
  ck_assert_uint_eq(t->spans[1].text_start, 39);
  ck_assert_uint_eq(t->spans[1].text_bytes, 151);
  ck_assert_int_eq(t->end, MODE_END_TOKEN);
  ck_assert_ptr_null(t->limit);
  ck_assert_int_eq(runner_sample_winner(s), 0);
  ck_assert_str_eq(t->answer, STEP "3,3 equal: Goal Reached");
  ck_assert_str_eq(t->vote_key, "(1+2)");

  runner_costs c = scripted_costs(s);
  ck_assert_int_eq(c.tokens_prompt, 40);
  ck_assert_int_eq(c.tokens_generated, 152);
  ck_assert_int_eq(c.tokens_injected, 0);
  ck_assert_int_eq(c.tokens_finisher, 0);
  ck_assert_int_eq(c.tokens_total, 192);
  /* In Llama-2 tokens: begin and end 2; the state with its newline 4+1+1+1+2+1+5+1 = 16; a step
     6+5+7+1+2 = 21; a goal 3+7 = 10. */
  ck_assert_int_eq(c.tokens_ref, 2 + 16 + 21 + 10 + 21 + 10);
  ck_assert_int_eq(c.critical_path, 152);
  ck_assert_int_eq(c.critical_path_injected, 152);
  ck_assert_int_eq(c.longest_sequence, 192);
  ck_assert_int_eq(c.forwards, 152);
  ck_assert_int_eq(c.context_peak, 192);
  ck_assert_int_eq(c.wait_steps, 0);
  /* 191 tokens go through the model, token i attending to i + 1 keys: 191 * 192 / 2. */
  ck_assert_int_eq(c.kv_token_steps, 18336);
  ck_assert(c.flops == 2.0 * 2 * 576 * 191 + 2.0 * 2400 * 152 + 4.0 * 2 * 2 * 4 * 18336);
  ck_assert_int_eq(c.nodes_explored, 1);
  ck_assert_int_eq(c.nodes_duplicate, 0);
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* Cut after 10 tokens and asked: a newline and ASKED are fed, 51 + 24 + 1 tokens answer. */
START_TEST(serial_with_a_finisher) {
  const script_line lines[] = {{"0", "\nExploring" STEP GOAL "|"}};
  runner_rules r = rules_of("serial", SOSP ",\"limit\":{\"tokens_thread\":10},"
                                           "\"finisher\":{\"tokens\":80}}");
  runner_sample *s = scripted_run(&r, "", TARGET, lines, 1, 0);
  const runner_thread *t = scripted_thread(s, 0, 1);
  ck_assert_str_eq(text_string(&t->text), ROOT "\nExploring\n" ASKED STEP GOAL);
  ck_assert_int_eq(t->span_count, 4);
  is_span(t, 0, THREAD_PROMPT, 0, 40, 0);
  is_span(t, 1, THREAD_GENERATED, 40, 10, 1);
  is_span(t, 2, THREAD_FED, 50, 83, 10);
  is_span(t, 3, THREAD_GENERATED, 133, 76, 11);
  ck_assert_str_eq(t->limit, "tokens_thread");
  ck_assert_int_eq(runner_sample_winner(s), 0);
  ck_assert_str_eq(t->vote_key, "(1+2)");
  runner_costs c = scripted_costs(s);
  ck_assert_int_eq(c.tokens_prompt, 40);
  ck_assert_int_eq(c.tokens_generated, 10 + 76);
  ck_assert_int_eq(c.tokens_injected, 83);
  ck_assert_int_eq(c.tokens_finisher, 83 + 76);
  ck_assert_int_eq(c.tokens_total, 209);
  ck_assert_int_eq(c.critical_path, 86);
  ck_assert_int_eq(c.critical_path_injected, 169);
  ck_assert_int_eq(c.longest_sequence, 209);
  ck_assert_int_eq(c.forwards, 86);
  ck_assert_int_eq(c.context_peak, 209);
  ck_assert_int_eq(c.kv_token_steps, 208 * 209 / 2);
  /* The goal that was fed is where the search ends: what is behind it is its recap. */
  ck_assert_int_eq(c.nodes_explored, 0);
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* ---- vote ------------------------------------------------------------------------------------ */

START_TEST(vote_of_three) {
  const script_line lines[] = {{"0", FOUND}, {"1", NONE}, {"2", FOUND}};
  runner_rules r = rules_of("vote", SOSP ",\"n\":3}");
  runner_sample *s = scripted_run(&r, "", TARGET, lines, 3, 0);
  ck_assert_int_eq(runner_sample_winner(s), 0);
  ck_assert_str_eq(scripted_thread(s, 1, 3)->role, "voter");
  ck_assert_str_eq(scripted_thread(s, 2, 3)->path, "2");
  ck_assert_ptr_null(scripted_thread(s, 1, 3)->answer);
  ck_assert_str_eq(scripted_thread(s, 2, 3)->vote_key, "(1+2)");
  runner_costs c = scripted_costs(s);
  ck_assert_int_eq(c.tokens_prompt, 3 * 40);
  ck_assert_int_eq(c.tokens_generated, 152 + 20 + 152);
  ck_assert_int_eq(c.tokens_injected, 0);
  ck_assert_int_eq(c.tokens_total, 444);
  ck_assert_int_eq(c.tokens_ref, 80 + (2 + 16 + 4) + 80);
  ck_assert_int_eq(c.critical_path, 152);
  ck_assert_int_eq(c.critical_path_injected, 152);
  ck_assert_int_eq(c.longest_sequence, 192);
  ck_assert_int_eq(c.context_peak, 192);
  ck_assert_int_eq(c.forwards, 152);
  ck_assert_int_eq(c.wait_steps, 152 - 20);
  ck_assert_int_eq(c.kv_token_steps, 18336 + 59 * 60 / 2 + 18336);
  ck_assert(c.flops == 2.0 * 2 * 576 * (191 + 59 + 191) + 2.0 * 2400 * 324 + 64.0 * 38442);
  ck_assert_int_eq(c.nodes_explored, 2);
  ck_assert_int_eq(c.nodes_duplicate, 1); /* the third thread did what the first had done */
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* Prompts of 80 leave 70 of 150 tokens: step 50 holds 20 + 50, step 51 one more. Of 100 they leave
   20: step 10, and the first thread's end at 20 never was. */
START_TEST(vote_within_a_budget) {
  const script_line lines[] = {{"0", NONE}, {"1", LONG}};
  static const struct {
    const char *parameters;
    int64_t first, second;
    mode_end first_end;
  } cases[] = {{SOSP ",\"n\":2,\"limit\":{\"tokens_total\":150}}", 20, 50, MODE_END_TOKEN},
               {SOSP ",\"n\":2,\"limit\":{\"tokens_total\":100}}", 10, 10, MODE_END_LIMIT},
               {SOSP ",\"n\":2,\"limit\":{\"tokens_total\":120}}", 20, 20, MODE_END_TOKEN},
               {SOSP ",\"n\":2,\"limit\":{\"tokens_total\":119}}", 19, 19, MODE_END_LIMIT},
               {SOSP ",\"n\":2,\"limit\":{\"tokens_total\":81}}", 0, 0, MODE_END_LIMIT},
               {SOSP ",\"n\":2,\"limit\":{\"tokens_total\":79}}", 0, 0, MODE_END_LIMIT}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    runner_rules r = rules_of("vote", cases[i].parameters);
    for (uint64_t seed = 0; seed < 20; seed++) {
      runner_sample *s = scripted_run(&r, "", TARGET, lines, 2, seed);
      const runner_thread *a = scripted_thread(s, 0, 2), *b = scripted_thread(s, 1, 2);
      ck_assert_int_eq(a->generated, cases[i].first);
      ck_assert_int_eq(b->generated, cases[i].second);
      ck_assert_uint_eq(b->count, (size_t)(40 + cases[i].second));
      ck_assert_int_eq(a->end, cases[i].first_end);
      ck_assert_int_eq(b->end, MODE_END_LIMIT);
      ck_assert_str_eq(b->limit, "tokens_total");
      ck_assert_int_eq(scripted_costs(s).tokens_total, 80 + cases[i].first + cases[i].second);
      runner_sample_free(s);
    }
    scripted_rules_close(&r);
  }
}
END_TEST

/* ---- limits of one thread -------------------------------------------------------------------- */

START_TEST(the_limit_that_is_met_is_named) {
  static const struct {
    const char *limit, *met;
    int64_t generated;
  } cases[] = {{"\"tokens_thread\":7", "tokens_thread", 7},
               {"\"context\":60", "context", 20},
               {"\"tokens_total\":90", "tokens_total", 50},
               {"\"tokens_total\":47,\"tokens_thread\":7", "tokens_thread", 7},
               {"\"context\":47,\"tokens_total\":47", "tokens_total", 7},
               {"\"context\":40", "context", 0},
               {"\"context\":12", "context", 0},
               {"\"tokens_total\":10", "tokens_total", 0}};
  const script_line lines[] = {{"0", LONG}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char parameters[256];
    (void)snprintf(parameters, sizeof parameters, SOSP ",\"limit\":{%s}}", cases[i].limit);
    runner_rules r = rules_of("serial", parameters);
    runner_sample *s = scripted_run(&r, "", TARGET, lines, 1, i);
    const runner_thread *t = scripted_thread(s, 0, 1);
    ck_assert_str_eq(t->limit, cases[i].met);
    ck_assert_int_eq(t->generated, cases[i].generated);
    ck_assert_int_eq(t->end, MODE_END_LIMIT);
    ck_assert_int_eq(runner_sample_winner(s), -1);
    runner_sample_free(s);
    scripted_rules_close(&r);
  }
}
END_TEST

/* A context of 300 and behind it 256 + 80 for the finisher, of which a longer prompt takes its
   share: "Answer: " is fed, and what is left of 636 may be sampled. */
START_TEST(a_finisher_has_its_place_and_no_more) {
  static const struct {
    int prompt;
    int64_t generated, fed;
  } cases[] = {{299, 81, 8}, {300, 80, 8}, {548, 80, 8}, {549, 79, 8},
               {627, 1, 8},  {628, 0, 8},  {900, 0, 8}};
  const script_line lines[] = {{"0", LONG}};
  runner_rules r;
  scripted_rules(&r, "serial",
                 "{\"protocol\":\"generic\",\"prompt\":\"{question}\",\"answer\":\"never\","
                 "\"finisher\":{\"text\":\"Answer: \",\"tokens\":80}}",
                 300);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char question[1000];
    memset(question, 'a', sizeof question);
    question[cases[i].prompt - 1] = 0; /* and a begin */
    runner_sample *s = scripted_run(&r, question, "{\"answer\":1}", lines, 1, i);
    const runner_thread *t = scripted_thread(s, 0, 1);
    ck_ok(runner_sample_state(s, &err));
    ck_assert_str_eq(t->limit, "context");
    ck_assert_int_eq(t->prompt, cases[i].prompt);
    ck_assert_int_eq(t->generated, cases[i].generated);
    ck_assert_int_eq(t->fed, cases[i].fed);
    runner_sample_free(s);
  }
  scripted_rules_close(&r);
}
END_TEST

/* ---- stops and failures ---------------------------------------------------------------------- */

START_TEST(a_stop_ends_what_is_read) {
  const script_line lines[] = {{"0", " 42.\nQuestion: and more"}};
  runner_rules r = rules_of("serial", "{\"protocol\":\"generic\",\"prompt\":\"Q: {question}\\nA:\","
                                      "\"stop\":[\"###\",\"\\nQuestion:\"]}");
  runner_sample *s = scripted_run(&r, "6 x 7?", "{\"answer\":42}", lines, 1, 0);
  const runner_thread *t = scripted_thread(s, 0, 1);
  ck_assert_int_eq(t->end, MODE_END_STOP);
  ck_assert_int_eq(t->which, 1);
  ck_assert_str_eq(text_string(&t->text), "Q: 6 x 7?\nA: 42.\nQuestion:");
  ck_assert_uint_eq(t->stop_at, strlen("Q: 6 x 7?\nA: 42."));
  ck_assert_str_eq(t->answer, "42.");
  ck_assert_str_eq(t->vote_key, "42");
  ck_assert_int_eq(scripted_costs(s).tokens_ref, -1);
  ck_assert_int_eq(scripted_costs(s).nodes_explored, -1);
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

START_TEST(a_task_that_cannot_be_put_fails_alone) {
  const script_line lines[] = {{"0", FOUND}};
  runner_rules r = rules_of("serial", SOSP "}");
  runner_sample *s = scripted_run(&r, "", "{\"nums\":[1]}", lines, 1, 0);
  ck_fails(runner_sample_state(s, &err), E_INPUT, "target");
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* ---- schedules ------------------------------------------------------------------------------- */

static const script_line eight[] = {{"0", FOUND LONG}, {"1", NONE LONG}, {"2", LONG},
                                    {"3", FOUND LONG}, {"4", "|" LONG},  {"5", LONG},
                                    {"6", NONE LONG},  {"7", FOUND LONG}};

static const char *const families[] = {
    SOSP ",\"n\":8", SOSP ",\"n\":8,\"limit\":{\"tokens_thread\":120}",
    SOSP ",\"n\":8,\"limit\":{\"tokens_total\":900}",
    SOSP ",\"n\":8,\"limit\":{\"tokens_total\":400,\"context\":100}"};
enum { FAMILIES = sizeof families / sizeof families[0] };

static runner_rules family_rules(int i, const char *more, int context) {
  char parameters[512];
  runner_rules r;
  (void)snprintf(parameters, sizeof parameters, "%s%s}", families[i % FAMILIES], more);
  scripted_rules(&r, "vote", parameters, context);
  return r;
}

START_TEST(no_schedule_changes_a_sample) {
  for (int i = 0; i < 2 * FAMILIES; i++) {
    const char *more = i < FAMILIES ? "" : ",\"finisher\":{\"tokens\":30}";
    runner_rules r = family_rules(i, more, 1500);
    runner_sample *first = scripted_run(&r, "", TARGET, eight, 8, 0);
    for (uint64_t seed = 1; seed <= 25; seed++) {
      runner_sample *s = scripted_run(&r, "", TARGET, eight, 8, seed);
      scripted_same(first, s);
      runner_sample_free(s);
    }
    runner_sample_free(first);
    scripted_rules_close(&r);
  }
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

START_TEST(without_memory_there_is_no_other_sample) {
  runner_rules r = family_rules(1, ",\"finisher\":{\"tokens\":30}", 1500), less;
  scripted_rules(&less, "vote",
                 SOSP ",\"n\":3,\"limit\":{\"tokens_thread\":120},"
                      "\"finisher\":{\"tokens\":30}}",
                 1500);
  runner_sample *whole = NULL, *part = NULL;
  ck_ok(scripted_try(&r, &less, "", TARGET, eight, 8, INT64_MAX, &whole, &part));
  ck_assert_ptr_nonnull(part);
  memory_fail_once(INT64_MAX);
  runner_sample_free(scripted_run(&r, "", TARGET, eight, 8, 0));
  int64_t most = 2 * memory_asked();
  memory_fail_once(-1);
  ck_assert_int_gt(most, 100);
  int refused = 0;
  for (int64_t i = 0; i < most; i++) {
    runner_sample *a = NULL, *b = NULL;
    status failed = scripted_try(&r, &less, "", TARGET, eight, 8, i, &a, &b);
    ck_assert(failed == OK || failed == E_MEMORY);
    refused += failed == E_MEMORY;
    if (!failed) {
      scripted_same(whole, a);
      ck_assert_ptr_nonnull(b);
      scripted_same(part, b);
    }
    runner_sample_free(a);
    runner_sample_free(b);
  }
  ck_assert_int_gt(refused, 100);
  runner_sample_free(whole);
  runner_sample_free(part);
  scripted_rules_close(&r);
  scripted_rules_close(&less);
}
END_TEST

/* ---- purity ---------------------------------------------------------------------------------- */

typedef struct heard {
  mode_event event;
  char *text;
  size_t commands; /* bytes of the log when its commands were out */
} heard;

/* A mode whose machine writes down what it hears and says; one at a time. */
static struct {
  const mode_machine *inner;
  mode_output out;
  text log;
  heard *events; /* [count] */
  int count;
} tape;

static status write_down(void *context, const mode_command *c, detail *why) {
  (void)context;
  text_format(&tape.log, "%d %u %d ", c->kind, c->thread, c->is_finisher);
  text_add(&tape.log, c->text ? c->text : "-", c->text ? c->text_bytes : 1);
  text_format(&tape.log, " %s\n", c->vote_key ? c->vote_key : "-");
  return tape.out.emit ? tape.out.emit(tape.out.context, c, why) : OK;
}

static status taped_open(void **state, const mode_setup *setup, arena *memory, detail *why) {
  return tape.inner->open(state, setup, memory, why);
}

static void taped_close(void *state) {
  tape.inner->close(state);
}

static status taped_on(void *state, const mode_event *e, const mode_output *out, detail *why) {
  const mode_output through = {.emit = write_down};
  tape.events = realloc(tape.events, (size_t)(tape.count + 1) * sizeof *tape.events);
  heard *h = &tape.events[tape.count++];
  *h = (heard){.event = *e, .text = calloc(1, e->text_bytes + 1)};
  if (e->text_bytes) memcpy(h->text, e->text, e->text_bytes);
  h->event.text = h->text;
  tape.out = *out;
  status failed = tape.inner->on(state, e, &through, why);
  h->commands = tape.log.bytes;
  return failed;
}

START_TEST(events_played_again_give_the_same_commands) {
  static const mode_machine taped = {.open = taped_open, .close = taped_close, .on = taped_on};
  runner_rules r = family_rules(3, ",\"finisher\":{\"tokens\":30}", 1500);
  mode own = *r.mode;
  tape.inner = own.machine;
  own.machine = &taped;
  r.mode = &own;
  text_open(&tape.log, 1 << 20);
  runner_sample *s = scripted_run(&r, "", TARGET, eight, 8, 3);
  ck_assert_int_gt(tape.count, 8);

  char *said = strdup(text_string(&tape.log));
  const mode_output silent = {.emit = write_down};
  mode_setup setup = {
      .protocol = r.protocol, .parameters = r.parameters, .question = "", .target = TARGET};
  arena *memory = NULL;
  void *state = NULL;
  ck_ok(arena_open(&memory, 1 << 24, &err));
  ck_ok(tape.inner->open(&state, &setup, memory, &err));
  text_clear(&tape.log);
  tape.out = (mode_output){0};
  for (int i = 0; i < tape.count; i++) {
    ck_ok(tape.inner->on(state, &tape.events[i].event, &silent, &err));
    ck_assert_uint_eq(tape.log.bytes, tape.events[i].commands);
  }
  ck_assert_str_eq(text_string(&tape.log), said);
  free(said);
  tape.inner->close(state);
  arena_close(memory);
  r.mode = mode_find("vote");
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* ---- samples from samples ---------------------------------------------------------------------
 */

START_TEST(a_smaller_sample_is_cut_from_a_larger_one) {
  static const char *const smaller[] = {SOSP ",\"n\":1}",
                                        SOSP ",\"n\":4}",
                                        SOSP ",\"n\":8,\"limit\":{\"tokens_thread\":30}}",
                                        SOSP ",\"n\":8,\"limit\":{\"tokens_thread\":152}}",
                                        SOSP ",\"n\":5,\"limit\":{\"tokens_total\":500}}",
                                        SOSP ",\"n\":3,\"limit\":{\"context\":70}}",
                                        SOSP ",\"n\":2,\"vote_key\":\"literal\"}"};
  runner_rules large = family_rules(0, "", 1500);
  runner_sample *from = scripted_run(&large, "", TARGET, eight, 8, 5);
  for (size_t i = 0; i < sizeof smaller / sizeof smaller[0]; i++) {
    runner_rules r;
    scripted_rules(&r, "vote", smaller[i], 1500);
    runner_sample *computed = scripted_run(&r, "", TARGET, eight, 8, i), *derived = NULL;
    ck_ok(runner_derive(&derived, from, &r, &err));
    ck_assert_ptr_nonnull(derived);
    scripted_same(computed, derived);
    runner_sample_free(computed);
    runner_sample_free(derived);
    scripted_rules_close(&r);
  }
  runner_rules one = rules_of("serial", SOSP "}");
  runner_sample *computed = scripted_run(&one, "", TARGET, eight, 8, 0), *derived = NULL;
  ck_ok(runner_derive(&derived, from, &one, &err));
  ck_assert_ptr_nonnull(derived);
  scripted_same(computed, derived);
  runner_sample_free(computed);
  runner_sample_free(derived);
  runner_sample_free(from);
  scripted_rules_close(&one);
  scripted_rules_close(&large);
}
END_TEST

/* A limit that is higher, a finisher that was never asked, and other prompts need tokens that are
   not there. */
START_TEST(what_was_not_sampled_is_not_made_up) {
  static const char *const others[] = {
      SOSP ",\"n\":8}", SOSP ",\"n\":9,\"limit\":{\"tokens_thread\":100}}",
      SOSP ",\"n\":8,\"limit\":{\"tokens_thread\":50},\"finisher\":{\"tokens\":5}}",
      SOSP ",\"n\":8,\"label\":{\"tokens\":512},\"limit\":{\"tokens_thread\":100}}"};
  runner_rules capped;
  scripted_rules(&capped, "vote", SOSP ",\"n\":8,\"limit\":{\"tokens_thread\":100}}", 1500);
  runner_sample *from = scripted_run(&capped, "", TARGET, eight, 8, 5), *derived = NULL;
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    runner_rules r;
    scripted_rules(&r, "vote", others[i], 1500);
    ck_ok(runner_derive(&derived, from, &r, &err));
    ck_assert_ptr_null(derived);
    scripted_rules_close(&r);
  }
  /* With a finisher that nobody needs, all is there. */
  const script_line lines[] = {{"0", NONE}};
  runner_rules asks = rules_of("serial", SOSP ",\"finisher\":{\"tokens\":5}}");
  runner_rules less = rules_of("serial", SOSP ",\"finisher\":{\"tokens\":5},"
                                              "\"limit\":{\"tokens_thread\":30}}");
  runner_sample *whole = scripted_run(&asks, "", TARGET, lines, 1, 0);
  ck_ok(runner_derive(&derived, whole, &less, &err));
  ck_assert_ptr_nonnull(derived);
  scripted_same(whole, derived);
  runner_sample_free(derived);
  runner_sample_free(whole);
  runner_sample_free(from);
  scripted_rules_close(&asks);
  scripted_rules_close(&less);
  scripted_rules_close(&capped);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runner");
  TCase *modes = tcase_create("modes");
  tcase_add_test(modes, serial_to_its_end);
  tcase_add_test(modes, serial_with_a_finisher);
  tcase_add_test(modes, vote_of_three);
  tcase_add_test(modes, vote_within_a_budget);
  tcase_add_test(modes, the_limit_that_is_met_is_named);
  tcase_add_test(modes, a_finisher_has_its_place_and_no_more);
  tcase_add_test(modes, a_stop_ends_what_is_read);
  tcase_add_test(modes, a_task_that_cannot_be_put_fails_alone);
  suite_add_tcase(suite, modes);
  TCase *schedules = tcase_create("schedules");
  tcase_add_test(schedules, no_schedule_changes_a_sample);
  tcase_add_test(schedules, without_memory_there_is_no_other_sample);
  tcase_add_test(schedules, events_played_again_give_the_same_commands);
  tcase_add_test(schedules, a_smaller_sample_is_cut_from_a_larger_one);
  tcase_add_test(schedules, what_was_not_sampled_is_not_made_up);
  suite_add_tcase(suite, schedules);
  return support_run(suite);
}
