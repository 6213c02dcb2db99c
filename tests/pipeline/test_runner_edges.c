/* Where a sample has least room: prompts that do not fit, a finisher that the model wrote itself,
   limits that meet, threads that break, memory that runs out with the last token. */
#include "base/memory.h"
#include "tests/pipeline/scripted.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;
static const char TARGET[] = "{\"answer\":1}";

#define GENERIC "{\"protocol\":\"generic\",\"prompt\":\"{question}\",\"answer\":\"[a-z0-9]+\""
#define ASKS    GENERIC ",\"finisher\":{\"text\":\" so\",\"tokens\":4}"

static const runner_thread *threads_of(const runner_sample *s, int wanted) {
  int count;
  const runner_thread *threads = runner_sample_threads(s, &count);
  ck_assert_int_eq(count, wanted);
  return threads;
}

static runner_rules rules_of(const char *mode_name, const char *parameters) {
  runner_rules r;
  scripted_rules(&r, mode_name, parameters, 1000);
  return r;
}

/* ---- prompts --------------------------------------------------------------------------------- */

/* Contexts end behind 10 tokens, one of them a begin, and the finisher's place 260 behind that. */
START_TEST(a_prompt_beyond_the_context_stands_on_the_finishers_place) {
  static const struct {
    int question;
    int64_t asked;
    const char *answer;
  } cases[] = {{9, 4, "so1234"}, {100, 4, "so1234"}, {262, 4, "so1234"}, {263, 3, "so123"},
               {265, 1, "so1"},  {266, 0, "so"},     {400, 0, "so"}};
  const script_line lines[] = {{"0", "12345"}};
  runner_rules r = rules_of("serial", ASKS ",\"limit\":{\"context\":10}}");
  ck_assert_int_eq(r.positions, 10 + 4 + RUNNER_FINISHER_FED_MAX);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char question[512] = {0};
    memset(question, 'q', (size_t)cases[i].question);
    runner_sample *s = scripted_run(&r, question, TARGET, lines, 1, 0);
    const runner_thread *t = threads_of(s, 1);
    ck_ok(runner_sample_state(s, &err));
    ck_assert_int_eq(t->generated, cases[i].asked);
    ck_assert_int_eq(t->fed, 3);
    ck_assert_int_eq(t->finisher, 3 + cases[i].asked);
    ck_assert_int_eq(t->end, MODE_END_FINISHED);
    ck_assert_str_eq(t->limit, "context");
    ck_assert_str_eq(t->answer, cases[i].answer);
    runner_sample_free(s);
  }
  scripted_rules_close(&r);
}
END_TEST

START_TEST(a_prompt_without_a_token_says_what_to_do) {
  const script_line lines[] = {{"0", "1"}, {"1", "1"}};
  for (int n = 1; n <= 2; n++) {
    runner_rules r = rules_of("vote", n == 1 ? GENERIC ",\"n\":1}" : GENERIC ",\"n\":2}");
    r.begin_count = 0;
    runner_sample *s = scripted_run(&r, "", TARGET, lines, 2, 0);
    ck_fails(runner_sample_state(s, &err), E_INPUT, "write words into 'prompt', or begin: 1");
    runner_sample_free(s);
    scripted_rules_close(&r);
  }
}
END_TEST

/* The scripted tokenizer's ids with the words that they stand for, but no u with two dots, which
   is written as its two bytes, as Llama 2 writes a newline as its one. */
static tokenizer *with_byte_tokens(void) {
  tokenizer *t = NULL;
  encoder *e = NULL;
  text file;
  text_open(&file, 1 << 16);
  ck_ok(encoder_open(&e, scripted_tokenizer(), &err));
  text_put(&file, "{\"version\":\"1.0\",\"added_tokens\":[],\"decoder\":{\"type\":\"Sequence\","
                  "\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},\"model\":{"
                  "\"type\":\"BPE\",\"byte_fallback\":true,\"merges\":[],\"vocab\":{"
                  "\"<0xC3>\":300,\"<0xBC>\":301");
  for (char c = '0'; c <= 'z'; c++) {
    token_list ids = {0};
    ck_ok(encoder_encode(e, &c, 1, ENCODE_PLAIN, &ids, &err));
    if (c != '\\') text_format(&file, ",\"%c\":%d", c, (int)ids.ids[0]);
    token_list_close(&ids);
  }
  text_put(&file, "}}}");
  ck_ok(tokenizer_read(&t, file.data, file.bytes, "bytes", &err));
  encoder_close(e);
  text_close(&file);
  return t;
}

/* A decoder holds bytes until it knows what follows them; they are the prompt's all the same. */
START_TEST(the_last_word_of_a_prompt_is_no_answer) {
  const script_line lines[] = {{"0", "ab|"}};
  runner_rules r = rules_of("serial", "{\"protocol\":\"generic\",\"prompt\":\"{question}\"}");
  const tokenizer *own = r.tokenizer;
  tokenizer *bytes = with_byte_tokens();
  encoder_close(r.encoder);
  ck_ok(encoder_open(&r.encoder, bytes, &err));
  r.tokenizer = bytes;
  runner_sample *s = scripted_run(&r, "1\xc3\xbc", TARGET, lines, 1, 0);
  const runner_thread *t = threads_of(s, 1);
  ck_ok(runner_sample_state(s, &err));
  ck_assert_str_eq(text_string(&t->text), "1\xc3\xbc"
                                          "ab");
  ck_assert_int_eq(t->prompt, 4);
  ck_assert_uint_eq(t->spans[0].text_bytes, 3);
  ck_assert_uint_eq(t->spans[1].text_start, 3);
  ck_assert_uint_eq(t->spans[1].text_bytes, 2);
  ck_assert_str_eq(t->answer, "ab");
  runner_sample_free(s);
  r.tokenizer = own;
  scripted_rules_close(&r);
  tokenizer_close(bytes);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

/* A prompt of 30 tokens leaves room in neither, and less in the context. */
START_TEST(of_limits_that_a_prompt_meets_the_first_is_named) {
  const script_line lines[] = {{"0", "1"}};
  runner_rules r = rules_of("serial", GENERIC ",\"limit\":{\"tokens_total\":20,\"context\":10}}");
  runner_sample *s = scripted_run(&r, "a question of twenty-nine.....", TARGET, lines, 1, 0);
  ck_assert_str_eq(threads_of(s, 1)->limit, "tokens_total");
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* The larger sample wrote the finisher's words where the smaller one is fed them. What follows
   there has other random numbers: the 8th token, not the 6th. */
START_TEST(words_that_were_written_are_not_words_that_were_fed) {
  const script_line lines[] = {{"0", "12345 so6789|"}};
  runner_rules large = rules_of("serial", ASKS ",\"limit\":{\"tokens_thread\":20}}");
  runner_rules small = rules_of("serial", ASKS ",\"limit\":{\"tokens_thread\":5}}");
  runner_sample *from = scripted_run(&large, "", TARGET, lines, 1, 0), *derived = NULL;
  runner_sample *computed = scripted_run(&small, "", TARGET, lines, 1, 0);
  ck_assert_str_eq(text_string(&threads_of(from, 1)->text), "12345 so6789");
  ck_assert_str_eq(text_string(&threads_of(computed, 1)->text), "12345 so so6");
  ck_ok(runner_derive(&derived, from, &small, &err));
  ck_assert_ptr_null(derived);
  runner_sample_free(computed);
  runner_sample_free(from);
  scripted_rules_close(&small);
  scripted_rules_close(&large);
}
END_TEST

/* Two prompts of one token leave one of 3, which belongs to neither. */
START_TEST(a_first_token_that_was_cut_was_at_no_time) {
  const script_line lines[] = {{"0", "ab|"}, {"1", "ab|"}};
  runner_rules r = rules_of("vote", GENERIC ",\"n\":2,\"limit\":{\"tokens_total\":3}}");
  runner_sample *s = scripted_run(&r, "", TARGET, lines, 2, 0);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(threads_of(s, 2)[i].generated, 0);
    ck_assert_int_eq(threads_of(s, 2)[i].first_token_ns, -1);
  }
  runner_sample_free(s);
  scripted_rules_close(&r);
}
END_TEST

/* Of 12 tokens that two threads may sample the first, which is ahead, took more than its 6: they
   are under way while the sample is, and gone with it, whatever is kept. */
START_TEST(what_is_under_way_ends_with_its_sample) {
  const script_line lines[] = {{"0", "abcdefghijklmnopqrstuvwxyz|"}, {"1", "1234567890123456|"}};
  runner_rules r = rules_of("vote", GENERIC ",\"n\":2,\"limit\":{\"tokens_total\":14}}");
  int64_t wasted = 0;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    runner *own = NULL;
    scripted *s = scripted_open(lines, 2, seed);
    generator g = scripted_generator(s);
    runner_task task = {
        .rules = &r, .question = "", .target = TARGET, .content = hash_of("t", 1), .seed = 7};
    scripted_task(s, &task);
    int64_t before = 0;
    ck_ok(runner_open(&own, &g, &err));
    ck_ok(runner_add(own, &task, &err));
    while (runner_in_flight(own)) {
      ck_assert_int_ge(runner_under_way(own), before);
      ck_assert_int_le(runner_under_way(own), scripted_sampled(s));
      before = runner_under_way(own);
      ck_ok(runner_step(own, &err));
    }
    ck_assert_int_eq(runner_under_way(own), 0);
    wasted += scripted_sampled(s) - 12;
    runner_close(own);
    scripted_close(s);
  }
  ck_assert_int_gt(wasted, 0);
  scripted_rules_close(&r);
}
END_TEST

/* ---- threads that break ---------------------------------------------------------------------- */

/* A scripted generator in which one thread breaks where it would write an exclamation mark. */
static generator whole;

static status breaking_step(void *self, const engine_event **events, int *count, detail *why) {
  status failed = whole.step(self, events, count, why);
  for (int i = 0; !failed && i < *count; i++) {
    engine_event *ev = (engine_event *)(uintptr_t) & (*events)[i];
    if (!ev->text || ev->text[0] != '!') continue;
    whole.release(self, ev->thread);
    *ev = (engine_event){.thread = ev->thread, .end = ENGINE_BROKEN};
  }
  return failed;
}

static runner_sample *run_breaking(const runner_rules *rules, const script_line *lines, int count,
                                   uint64_t seed) {
  runner *r = NULL;
  scripted *s = scripted_open(lines, count, seed);
  whole = scripted_generator(s);
  generator g = whole;
  g.step = breaking_step;
  runner_task task = {
      .rules = rules, .question = "", .target = TARGET, .content = hash_of("t", 1), .seed = 7};
  scripted_task(s, &task);
  ck_ok(runner_open(&r, &g, &err));
  ck_ok(runner_add(r, &task, &err));
  while (runner_in_flight(r))
    ck_ok(runner_step(r, &err));
  runner_sample *out = runner_take(r);
  runner_close(r);
  scripted_close(s);
  return out;
}

/* Two prompts of one token leave 2 n of 2 n + 2: the second thread breaks behind its 6th token. A
   cut at 5 or 6 comes before that, whoever is ahead; one at 7 needs what could not be sampled. */
START_TEST(what_breaks_behind_a_limit_never_was) {
  static const struct {
    const char *parameters;
    int64_t step; /* -1: it fails */
  } cases[] = {{GENERIC ",\"n\":2,\"limit\":{\"tokens_total\":12}}", 5},
               {GENERIC ",\"n\":2,\"limit\":{\"tokens_total\":14}}", 6},
               {GENERIC ",\"n\":2,\"limit\":{\"tokens_total\":15}}", 6},
               {GENERIC ",\"n\":2,\"limit\":{\"tokens_total\":16}}", -1},
               {GENERIC ",\"n\":2,\"limit\":{\"tokens_total\":500}}", -1},
               {GENERIC ",\"n\":2}", -1}};
  const script_line lines[] = {{"0", "abcdefghijklmnopqrstuvwxyz|"}, {"1", "123456!"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    runner_rules r = rules_of("vote", cases[i].parameters);
    for (uint64_t seed = 0; seed < 20; seed++) {
      runner_sample *s = run_breaking(&r, lines, 2, seed);
      if (cases[i].step < 0) {
        ck_fails(runner_sample_state(s, &err), E_DEVICE, "not finite");
      } else {
        ck_ok(runner_sample_state(s, &err));
        for (int k = 0; k < 2; k++) {
          const runner_thread *t = threads_of(s, 2) + k;
          ck_assert_int_eq(t->generated, cases[i].step);
          ck_assert_int_eq(t->end, MODE_END_LIMIT);
          ck_assert_str_eq(t->limit, "tokens_total");
        }
      }
      runner_sample_free(s);
    }
    scripted_rules_close(&r);
  }
}
END_TEST

static status failing_step(void *self, const engine_event **events, int *count, detail *why) {
  (void)self, (void)events, (void)count;
  return fault(why, E_DEVICE, "no device");
}

static int released;
static void counted_release(void *self, thread_id thread) {
  (void)self, (void)thread;
  released++;
}

START_TEST(a_generator_that_failed_is_left_alone) {
  const script_line lines[] = {{"0", "12"}, {"1", "12"}};
  runner_rules r = rules_of("vote", GENERIC ",\"n\":2}");
  runner *own = NULL;
  scripted *s = scripted_open(lines, 2, 0);
  whole = scripted_generator(s);
  generator g = whole;
  g.step = failing_step;
  g.release = counted_release;
  runner_task task = {
      .rules = &r, .question = "", .target = TARGET, .content = hash_of("t", 1), .seed = 7};
  scripted_task(s, &task);
  ck_ok(runner_open(&own, &g, &err));
  ck_ok(runner_add(own, &task, &err));
  ck_fails(runner_step(own, &err), E_DEVICE, "no device");
  runner_sample *dropped = runner_drop(own);
  ck_assert_ptr_nonnull(dropped);
  runner_sample_free(dropped);
  runner_close(own);
  ck_assert_int_eq(released, 0);
  for (thread_id id = 1; id <= 2; id++)
    whole.release(whole.self, id);
  scripted_close(s);
  scripted_rules_close(&r);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* A thread's arrays grow with its 257th token, and here that is the one that ends it: what is out
   of the generator by then is not taken out again. */
START_TEST(memory_that_ends_with_the_last_token_ends_the_run) {
  char line[300] = {0};
  memset(line, 'a', 255);
  line[255] = '|';
  const script_line lines[] = {{"0", line}};
  runner_rules r = rules_of("serial", GENERIC "}");
  int refused = 0;
  for (int64_t at = 0; at < 400; at++) {
    runner *own = NULL;
    scripted *s = scripted_open(lines, 1, 0);
    generator g = scripted_generator(s);
    runner_task task = {
        .rules = &r, .question = "", .target = TARGET, .content = hash_of("t", 1), .seed = 7};
    scripted_task(s, &task);
    memory_fail_once(at);
    status failed = runner_open(&own, &g, &err);
    if (!failed) failed = runner_add(own, &task, &err);
    while (!failed && runner_in_flight(own))
      failed = runner_step(own, &err);
    memory_fail_once(-1);
    ck_assert(failed == OK || failed == E_MEMORY);
    refused += failed != OK;
    runner_close(own);
    scripted_close(s);
  }
  ck_assert_int_gt(refused, 10);
  scripted_rules_close(&r);
}
END_TEST

/* A tokenizer of two letters and a begin, without a token for what it does not know. */
START_TEST(characters_without_a_token_are_counted) {
  static const char file[] =
      "{\"version\":\"1.0\",\"added_tokens\":[],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,"
      "\"b\":1,\"c\":2},\"merges\":[]}}";
  const script_line lines[] = {{"0", "|"}};
  runner_rules r = rules_of("serial", GENERIC "}");
  runner *own = NULL;
  tokenizer *letters = NULL;
  scripted *s = scripted_open(lines, 1, 0);
  generator g = scripted_generator(s);
  runner_task task = {.rules = &r, .question = "a?b!", .target = TARGET};
  ck_ok(tokenizer_read(&letters, file, sizeof file - 1, "letters", &err));
  encoder_close(r.encoder);
  ck_ok(encoder_open(&r.encoder, letters, &err));
  r.tokenizer = letters;
  scripted_task(s, &task);
  ck_ok(runner_open(&own, &g, &err));
  ck_ok(runner_add(own, &task, &err));
  ck_assert_int_eq(runner_dropped(own), 2);
  while (runner_in_flight(own))
    ck_ok(runner_step(own, &err));
  runner_sample *made = runner_take(own);
  const runner_thread *t = threads_of(made, 1);
  ck_assert_int_eq(t->prompt, 3);
  ck_assert_uint_eq(t->tokens[1], 0);
  ck_assert_uint_eq(t->tokens[2], 1);
  runner_sample_free(made);
  runner_close(own);
  scripted_close(s);
  scripted_rules_close(&r);
  tokenizer_close(letters);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runner_edges");
  TCase *edges = tcase_create("edges");
  tcase_add_test(edges, a_prompt_beyond_the_context_stands_on_the_finishers_place);
  tcase_add_test(edges, a_prompt_without_a_token_says_what_to_do);
  tcase_add_test(edges, characters_without_a_token_are_counted);
  tcase_add_test(edges, the_last_word_of_a_prompt_is_no_answer);
  tcase_add_test(edges, of_limits_that_a_prompt_meets_the_first_is_named);
  tcase_add_test(edges, words_that_were_written_are_not_words_that_were_fed);
  tcase_add_test(edges, a_first_token_that_was_cut_was_at_no_time);
  tcase_add_test(edges, what_is_under_way_ends_with_its_sample);
  tcase_add_test(edges, what_breaks_behind_a_limit_never_was);
  tcase_add_test(edges, a_generator_that_failed_is_left_alone);
  tcase_add_test(edges, memory_that_ends_with_the_last_token_ends_the_run);
  suite_add_tcase(suite, edges);
  return support_run(suite);
}
