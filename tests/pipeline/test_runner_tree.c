/* The runner over threads that call for children: examples with every count by hand. What threads
   write is what tests/pipeline/fake_tree.h reads. */
#include "tests/pipeline/tree_story.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;

static void is_span(const runner_thread *t, int at, runner_span_kind kind, size_t start,
                    size_t count, int64_t step, int round) {
  ck_assert_int_lt(at, t->span_count);
  const runner_span *s = &t->spans[at];
  ck_assert_int_eq(s->kind, kind);
  ck_assert_uint_eq(s->start, start);
  ck_assert_uint_eq(s->count, count);
  ck_assert_int_eq(s->step, step);
  ck_assert_int_eq(s->round, round);
}

static void runs(const runner_thread *t, const char *path, int64_t start, int64_t finish,
                 int64_t waited) {
  ck_assert_str_eq(t->path, path);
  ck_assert_int_eq(t->start, start);
  ck_assert_int_eq(t->finish, finish);
  ck_assert_int_eq(t->waited, waited);
}

/* ---- worked examples ------------------------------------------------------------------------- */

/* Prompts have a begin: 3, 2 and 3 tokens. The root writes 8 tokens up to step 8 and is cut behind
   the x; the children end at 12 and 13; "[1;22]" is fed there, and 4 tokens more end at 17. */
START_TEST(a_call_is_answered_in_its_place) {
  runner_sample *s = tree_run_within(&tree_two, "", 1000, 0);
  const runner_thread *root = scripted_thread(s, 0, 3), *child = root + 1;
  ck_assert_str_eq(text_string(&root->text), "abx<c,dd>[1;22]y=z");
  ck_assert_str_eq(text_string(&root->context), "abx[1;22]y=z");
  ck_assert_int_eq(root->span_count, 5);
  is_span(root, 0, THREAD_PROMPT, 0, 3, 0, -1);
  is_span(root, 1, THREAD_GENERATED, 3, 1, 1, -1);
  is_span(root, 2, THREAD_CUT, 4, 7, 2, -1);
  is_span(root, 3, THREAD_FED, 11, 6, 13, 0);
  is_span(root, 4, THREAD_GENERATED, 17, 4, 14, -1);
  ck_assert_uint_eq(root->spans[2].text_start, 3);
  ck_assert_uint_eq(root->spans[2].text_bytes, 6);
  ck_assert_uint_eq(root->held, 14);
  ck_assert_uint_eq(root->held_most, 14);
  ck_assert_str_eq(root->answer, "z");
  ck_assert_int_eq(root->parent, -1);
  runs(root, "0", 0, 17, 0);
  runs(child, "0.0", 8, 12, 1);
  runs(child + 1, "0.1", 8, 13, 0);
  ck_assert_str_eq(child->role, "child");
  ck_assert_int_eq(child->parent, 0);
  ck_assert_int_eq(child->round, 0);
  ck_assert_int_eq(child->spawned_at, 8);
  ck_assert_int_eq(child->joined_at, 8);
  ck_assert_int_eq(runner_sample_rounds(s), 1);
  ck_assert_int_eq(runner_sample_winner(s), 0);

  runner_costs c = scripted_costs(s);
  ck_assert_int_eq(c.tokens_prompt, 3 + 2 + 3);
  ck_assert_int_eq(c.tokens_generated, 12 + 4 + 5);
  ck_assert_int_eq(c.tokens_injected, 6);
  ck_assert_int_eq(c.tokens_total, 35);
  ck_assert_int_eq(c.critical_path, 17);
  /* 8, the second child's prompt and text 3 + 5, the 6 of the join, 4. */
  ck_assert_int_eq(c.critical_path_injected, 26);
  ck_assert_int_eq(c.longest_sequence, 14);
  ck_assert_int_eq(c.context_peak, 14);
  ck_assert_int_eq(c.forwards, 17);
  ck_assert_int_eq(c.wait_steps, 1);
  /* The root's prompt, x and 6 of the 7 that were cut attend to 1 to 10 keys; behind x and the
     prompt the join and all but the last token to 5 to 13. The children: 1 to 5, and 1 to 7. */
  ck_assert_int_eq(c.kv_token_steps, 55 + 81 + 15 + 28);
  ck_assert(c.flops == 2.0 * 2 * 576 * (10 + 9 + 5 + 7) + 2.0 * 2400 * 21 + 64.0 * 179);
  tree_free(s);
}
END_TEST

START_TEST(calls_within_calls) {
  runner_sample *s = tree_run_within(&tree_deep, "", 1000, 0);
  const runner_thread *t = scripted_thread(s, 0, 8);
  ck_assert_str_eq(text_string(&t[0].context), "qr[A;B;-]s[F]=ok");
  ck_assert_str_eq(text_string(&t[1].context), "au[1;2]=A");
  ck_assert_str_eq(text_string(&t[6].text), "exx(]]<t]]<=3");
  ck_assert_str_eq(text_string(&t[6].context), "exx(<t<=3");
  /* 9 tokens call; a writes 7 and its children 3 and 6, then 3 more; b 8 and 11, then 3; the second
     call takes 5, f 3 and the root's last turn 4. */
  runs(&t[1], "0.0", 9, 25, 6);
  runs(&t[2], "0.1", 9, 31, 0);
  runs(&t[3], "0.2", 9, 9, 0);
  runs(&t[4], "0.0.0", 16, 19, 3);
  runs(&t[5], "0.0.1", 16, 22, 0);
  runs(&t[6], "0.1.0", 17, 28, 0);
  runs(&t[7], "0.3", 36, 39, 0);
  runs(&t[0], "0", 0, 43, 0);
  ck_assert_str_eq(t[3].why, "unknown");
  ck_assert_uint_eq(t[3].count, 0);
  ck_assert_int_eq(t[3].joined_at, -1);
  ck_assert_int_eq(t[7].round, 1);
  ck_assert_int_eq(t[7].spawned_at, 14);
  is_span(&t[0], 3, THREAD_FED, 11, 7, 31, 0);
  ck_assert_int_eq(runner_sample_rounds(s), 4);
  runner_costs c = scripted_costs(s);
  ck_assert_int_eq(c.tokens_prompt, 7 * 2);
  ck_assert_int_eq(c.tokens_generated, 18 + 10 + 11 + 3 + 6 + 11 + 3);
  ck_assert_int_eq(c.tokens_injected, (7 + 3) + 5 + 3 + 2);
  ck_assert_int_eq(c.critical_path, 43);
  /* 9; b: its prompt 2, 8, its child 2 + 11 + 2, the join 3, 3; the join 7, 5; f: 2 + 3; 3; 4. */
  ck_assert_int_eq(c.critical_path_injected, 9 + (2 + 8 + 15 + 3 + 3) + 7 + 5 + 5 + 3 + 4);
  ck_assert_int_eq(c.wait_steps, 6 + 3);
  tree_free(s);
}
END_TEST

START_TEST(what_was_fed_is_cut_with_the_call) {
  runner_sample *s = tree_run_within(&tree_rewritten, "", 1000, 0);
  const runner_thread *t = scripted_thread(s, 0, 2);
  ck_assert_str_eq(text_string(&t->text), "qab]]<c>[1]=d");
  ck_assert_str_eq(text_string(&t->context), "qab[1]=d");
  ck_assert_int_eq(t->span_count, 7);
  is_span(t, 1, THREAD_GENERATED, 2, 2, 1, -1);
  is_span(t, 2, THREAD_CUT, 4, 2, 3, -1);
  is_span(t, 3, THREAD_FED_CUT, 6, 1, 4, -1);
  is_span(t, 4, THREAD_CUT, 7, 3, 5, -1);
  is_span(t, 5, THREAD_FED, 10, 3, 10, 0);
  is_span(t, 6, THREAD_GENERATED, 13, 3, 11, -1);
  ck_assert_uint_eq(t->held, 4 + 3 + 3);
  ck_assert_uint_eq(t->held_most, 4 + 3 + 3);
  runs(t, "0", 0, 13, 0);
  runner_costs c = scripted_costs(s);
  ck_assert_int_eq(c.tokens_injected, 1 + 3);
  ck_assert_int_eq(c.critical_path_injected, 4 + 1 + 3 + (2 + 3) + 3 + 3);
  /* The prompt, "ab]" 1 to 5; "<c>" 5 to 7; "[1]=d" 5 to 9; the child 1 to 4. */
  ck_assert_int_eq(c.kv_token_steps, 15 + 18 + 35 + 10);
  tree_free(s);
}
END_TEST

/* A thread that calls nobody over and over: of each call "<>" and its end of sequence are cut, and
   "[]" is fed. */
START_TEST(a_thread_calls_a_thousand_times) {
  enum { CALLS = 1000 };
  static char written[3 * CALLS + 8];
  for (int i = 0; i < CALLS; i++)
    memcpy(written + 3 * i, "<>|", 3);
  memcpy(written + 3 * CALLS, "=d|", 4);
  const script_line lines[] = {{"0", written}};
  const tree_story often = {&fake_tree_mode, "q", "", lines, 1};
  runner_sample *s = tree_run_within(&often, "", 10000, 0);
  const runner_thread *root = scripted_thread(s, 0, 1);
  ck_assert_int_eq(root->span_count, 2 + 2 * CALLS);
  ck_assert_int_eq(root->generated, 3 * CALLS + 3);
  ck_assert_uint_eq(root->held, 2 + 2 * CALLS + 3);
  for (int i = 1; i < 2 * CALLS; i += 2)
    ck_assert_uint_eq(root->spans[i].text_start, 1 + 4 * ((size_t)i / 2));
  ck_assert_uint_eq(root->text.bytes, 1 + 4 * CALLS + 2);
  ck_assert_str_eq(root->answer, "d");
  tree_free(s);
}
END_TEST

START_TEST(a_twin_is_not_computed_again) {
  runner_rules r = tree_rules(&tree_twins, "", 1000);
  int64_t sampled = 0, drawn = 0;
  runner_sample *s = scripted_run_counted(&r, tree_twins.question, TREE_TARGET, tree_twins.lines,
                                          tree_twins.count, &sampled);
  r.temperature = 1;
  runner_sample *each = scripted_run_counted(&r, tree_twins.question, TREE_TARGET, tree_twins.lines,
                                             tree_twins.count, &drawn);
  const runner_thread *t = scripted_thread(s, 0, 8), *own = scripted_thread(each, 0, 8);
  for (int i = 0; i < 8; i++) {
    ck_assert_uint_eq(t[i].count, own[i].count);
    ck_assert(!memcmp(t[i].tokens, own[i].tokens, t[i].count * sizeof *t[i].tokens));
    ck_assert_uint_eq(runner_bits(&t[i]), runner_bits(&own[i]));
    ck_assert_int_eq(t[i].finish, own[i].finish);
    ck_assert_int_eq(own[i].twin, -1);
  }
  ck_assert_int_eq(t[2].twin, 1);
  ck_assert_int_eq(t[3].twin, -1);
  ck_assert_int_eq(t[4].twin, 1);
  /* A prompt of 2 and a turn of 6 each, which were computed once; what follows was not shared. */
  ck_assert_int_eq(t[2].cached, 8);
  ck_assert_int_eq(t[4].cached, 8);
  ck_assert_int_eq(drawn - sampled, 2 * 6);
  runner_costs c = scripted_costs(s), d = scripted_costs(each);
  ck_assert(!memcmp(&c, &d, sizeof c));
  runner_sample_free(s);
  runner_sample_free(each);
  scripted_rules_close(&r);
}
END_TEST

START_TEST(the_first_solution_ends_the_others) {
  for (uint64_t seed = 0; seed < 50; seed++) {
    runner_sample *s = tree_run_within(&tree_first, "", 1000, seed);
    const runner_thread *t = scripted_thread(s, 0, 6);
    ck_assert_str_eq(text_string(&t[0].context), "q[-;1!;-;-]=done");
    runs(&t[1], "0.0", 10, 17, 0);
    runs(&t[2], "0.1", 10, 17, 0);
    runs(&t[3], "0.2", 10, 14, 3);
    runs(&t[4], "0.3", 10, 17, 0);
    runs(&t[5], "0.2.0", 14, 17, 0);
    ck_assert_str_eq(text_string(&t[1].text), "akkkkkkk");
    ck_assert_str_eq(text_string(&t[4].text), "akkkkkkk");
    ck_assert_str_eq(text_string(&t[5].text), "dnnn");
    for (int i = 0; i < 6; i++)
      ck_assert_int_eq(t[i].is_stopped, i != 0 && i != 2);
    ck_assert_int_eq(t[5].joined_at, -1);
    ck_assert_int_eq(scripted_costs(s).critical_path, 17 + 6);
    tree_free(s);
  }
}
END_TEST

/* ---- limits of a thread ---------------------------------------------------------------------- */

/* The third child is refused, which its parent is to blame for. */
START_TEST(refused_children_are_counted) {
  const script_line lines[] = {{"0", "<a,b,c>|=d|"}, {"0.0", "=1|"}, {"0.1", "=2|"}};
  const tree_story of = {&fake_tree_mode, "2:q", "", lines, 3};
  runner_sample *s = tree_run_within(&of, "", 1000, 0);
  const runner_thread *t = scripted_thread(s, 0, 4);
  ck_assert_str_eq(text_string(&t[0].context), "q[1;2;-]=d");
  ck_assert_str_eq(t[0].limit, "children");
  ck_assert_int_eq(t[0].end, MODE_END_TOKEN);
  ck_assert_str_eq(t[3].why, "refused");
  ck_assert_str_eq(t[3].path, "0.2");
  ck_assert_int_eq(t[3].round, 0);
  for (int i = 0; i < 4; i++) { /* a store asks that of everybody */
    ck_assert_int_ge(t[i].ended_ns, runner_sample_started_ns(s));
    ck_assert_int_le(t[i].ended_ns, runner_sample_ended_ns(s));
  }
  tree_free(s);
}
END_TEST

/* A join of "[" 12 tokens "]" behind 2, with one behind it, is just too much for a context of 16;
   for one of 17 it is not. */
START_TEST(a_join_that_does_not_fit_is_not_fed) {
  const script_line lines[] = {{"0", "<a>|=d|"}, {"0.0", "=123456789012|"}};
  const tree_story of = {&fake_tree_mode, "q", "", lines, 2};
  runner_sample *s = tree_run_within(&of, "", 16, 0);
  const runner_thread *t = scripted_thread(s, 0, 2);
  ck_assert_str_eq(text_string(&t->text), "q<a>");
  ck_assert_str_eq(text_string(&t->context), "");
  ck_assert_str_eq(t->limit, "context");
  ck_assert_int_eq(t->end, MODE_END_LIMIT);
  ck_assert_int_eq(t->fed, 0);
  ck_assert_int_eq(t->span_count, 2);
  runs(t, "0", 0, 4 + 14, 0); /* it has waited for its child */
  ck_assert_int_eq(t[1].joined_at, 4);
  tree_free(s);

  s = tree_run_within(&of, "", 17, 0);
  t = scripted_thread(s, 0, 2);
  ck_assert_str_eq(text_string(&t->context), "q[123456789012]=");
  ck_assert_int_eq(t->fed, 14);
  ck_assert_str_eq(t->limit, "context");
  ck_assert_uint_eq(t->held_most, 17);
  tree_free(s);
}
END_TEST

/* A prompt of 20 with its begin, and a token behind it, in contexts of 20 and 21. */
START_TEST(a_child_whose_prompt_does_not_fit_never_begins) {
  const script_line lines[] = {{"0", "<a*19,b>|=d|"}, {"0.0", "="}, {"0.1", "=2|"}};
  const tree_story of = {&fake_tree_mode, "q", "", lines, 3};
  runner_sample *s = tree_run_within(&of, "", 20, 0);
  const runner_thread *t = scripted_thread(s, 0, 3);
  ck_assert_str_eq(text_string(&t->context), "q[-;2]=d");
  ck_assert_str_eq(t[1].limit, "context");
  ck_assert_uint_eq(t[1].count, 0);
  ck_assert_int_eq(t[1].span_count, 0);
  ck_assert_ptr_null(t[1].why);
  runs(&t[1], "0.0", 9, 9, 0);
  ck_assert_int_eq(scripted_costs(s).tokens_prompt, 2 + 2);
  ck_assert_int_eq(runner_sample_rounds(s), 1);
  tree_free(s);

  s = tree_run_within(&of, "", 21, 0);
  t = scripted_thread(s, 0, 3);
  ck_assert_int_eq(t[1].prompt, 20);
  ck_assert_int_eq(t[1].generated, 1);
  ck_assert_str_eq(t[1].limit, "context");
  tree_free(s);
}
END_TEST

/* Who has sampled what one thread may is not fed to write more; who is asked is. */
START_TEST(a_thread_that_may_sample_no_more_is_not_fed) {
  const script_line lines[] = {{"0", "x<a>|=d|"}, {"0.0", "=1|"}};
  const tree_story of = {&fake_tree_mode, "q", "", lines, 2};
  const tree_story asked = {&fake_tree_mode, "q", TREE_ASKS, lines, 2};
  runner_sample *s = tree_run_within(&of, ",\"limit\":{\"tokens_thread\":5}", 1000, 0);
  const runner_thread *t = scripted_thread(s, 0, 2);
  ck_assert_str_eq(text_string(&t->text), "qx<a>");
  ck_assert_str_eq(t->limit, "tokens_thread");
  ck_assert_int_eq(t->finish, 8);
  tree_free(s);
  s = tree_run_within(&asked, ",\"limit\":{\"tokens_thread\":5}", 1000, 0);
  t = scripted_thread(s, 0, 2);
  ck_assert_str_eq(text_string(&t->text), "qx<a> so==d");
  ck_assert_str_eq(t->limit, "tokens_thread");
  ck_assert_str_eq(t->answer, "d");
  ck_assert_int_eq(t->finisher, 4 + 3);
  runs(t, "0", 0, 8 + 3, 0);
  tree_free(s);
}
END_TEST

/* ---- cuts ------------------------------------------------------------------------------------ */

/* The scripted tokenizer's ids with the words that they stand for, but a Q, which is written as it
   sounds. */
static tokenizer *with_long_words(void) {
  tokenizer *t = NULL;
  encoder *e = NULL;
  text file;
  text_open(&file, 1 << 16);
  ck_ok(encoder_open(&e, scripted_tokenizer(), &err));
  text_put(&file, "{\"version\":\"1.0\",\"added_tokens\":[],\"decoder\":{\"type\":\"Fuse\"},"
                  "\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{\"begin\":256");
  for (char c = '0'; c <= 'z'; c++) {
    token_list ids = {0};
    ck_ok(encoder_encode(e, &c, 1, ENCODE_PLAIN, &ids, &err));
    if (c == 'Q') text_format(&file, ",\"kw<c\":%d", (int)ids.ids[0]);
    if (c != 'Q' && c != '\\') text_format(&file, ",\"%c\":%d", c, (int)ids.ids[0]);
    token_list_close(&ids);
  }
  text_put(&file, "}}}");
  ck_ok(tokenizer_read(&t, file.data, file.bytes, "words", &err));
  encoder_close(e);
  text_close(&file);
  return t;
}

/* The call begins within a token of 4 letters: it goes, and the first 2 are fed with the join. */
START_TEST(a_cut_within_a_token_feeds_what_is_kept_of_it) {
  const script_line lines[] = {{"0", "aQ>|=z|"}, {"0.0", "=1|"}};
  const tree_story of = {&fake_tree_mode, "q", "", lines, 2};
  runner_rules r = tree_rules(&of, "", 1000);
  const tokenizer *own = r.tokenizer;
  tokenizer *words = with_long_words();
  encoder_close(r.encoder);
  ck_ok(encoder_open(&r.encoder, words, &err));
  r.tokenizer = words;
  runner_sample *s = tree_run(&of, &r, 0);
  const runner_thread *t = scripted_thread(s, 0, 2);
  ck_ok(runner_sample_state(s, &err));
  size_t begins = t->spans[0].text_bytes - 1; /* what the tokenizer says of a begin */
  ck_assert_str_eq(text_string(&t->text) + begins, "qakw<c>kw[1]=z");
  ck_assert_str_eq(text_string(&t->context) + begins, "qakw[1]=z");
  is_span(t, 0, THREAD_PROMPT, 0, 2, 0, -1);
  is_span(t, 1, THREAD_GENERATED, 2, 1, 1, -1);
  is_span(t, 2, THREAD_CUT, 3, 3, 2, -1);
  is_span(t, 3, THREAD_FED, 6, 5, 7, 0);
  ck_assert_str_eq(t->answer, "z");
  runner_sample_free(s);
  r.tokenizer = own;
  scripted_rules_close(&r);
  tokenizer_close(words);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runner_tree");
  TCase *trees = tcase_create("trees");
  tcase_add_test(trees, a_call_is_answered_in_its_place);
  tcase_add_test(trees, calls_within_calls);
  tcase_add_test(trees, what_was_fed_is_cut_with_the_call);
  tcase_add_test(trees, a_thread_calls_a_thousand_times);
  tcase_add_test(trees, a_twin_is_not_computed_again);
  tcase_add_test(trees, the_first_solution_ends_the_others);
  tcase_add_test(trees, refused_children_are_counted);
  tcase_add_test(trees, a_join_that_does_not_fit_is_not_fed);
  tcase_add_test(trees, a_child_whose_prompt_does_not_fit_never_begins);
  tcase_add_test(trees, a_thread_that_may_sample_no_more_is_not_fed);
  tcase_add_test(trees, a_cut_within_a_token_feeds_what_is_kept_of_it);
  suite_add_tcase(suite, trees);
  return support_run(suite);
}
