#include "tests/pipeline/tree_story.h"

#include "tests/support/support.h"

#include <stdlib.h>

static detail err;

static const script_line two_lines[] = {{"0", "x<c,dd>|y=z|"}, {"0.0", "p=1|"}, {"0.1", "q=22|"}};
const tree_story tree_two = {&fake_tree_mode, "ab", "", two_lines, 3};

static const script_line deep_lines[] = {
    {"0", "r<a,b,?>|s<f>|=ok|"}, {"0.0", "u<c,d>|=A|"},    {"0.0.0", "=1|"}, {"0.0.1", "vvv=2|"},
    {"0.1", "wwww<e>|=B|"},      {"0.1.0", "xx(]]t]]=3|"}, {"0.3", "=F|"}};
const tree_story tree_deep = {&fake_tree_mode, "q", ",\"stop\":[\"]]\"]", deep_lines, 7};

static const script_line rewritten_lines[] = {{"0", "ab]]c>|=d|"}, {"0.0", "=1|"}};
const tree_story tree_rewritten = {&fake_tree_mode, "q", ",\"stop\":[\"]]\"]", rewritten_lines, 2};

static const script_line twin_lines[] = {
    {"0", "<p,p,q,p>|=end|"}, {"0.0", "ab<z>|=1|"}, {"0.1", "ab<z>|=1|"}, {"0.2", "abc=2|"},
    {"0.3", "ab<z>|=1|"},     {"0.0.0", "zz=9|"},   {"0.1.0", "zz=9|"},   {"0.3.0", "zz=9|"}};
const tree_story tree_twins = {&fake_tree_mode, "q", "", twin_lines, 8};

static const script_line first_lines[] = {{"0", "<a,b,c,a>|=done|"},
                                          {"0.0", "kkkkkkkkkkkkkkkkkkkkkkkk=0|"},
                                          {"0.1", "abc=1!|"},
                                          {"0.2", "<d>|=2|"},
                                          {"0.3", "kkkkkkkkkkkkkkkkkkkkkkkk=0|"},
                                          {"0.2.0", "nnnnnnnnnnnnn=5|"}};
const tree_story tree_first = {&fake_tree_first_mode, "q", "", first_lines, 6};

#define GENERIC "{\"protocol\":\"generic\",\"prompt\":\"{question}\",\"answer\":\"[a-z0-9]+\""

runner_rules tree_rules(const tree_story *of, const char *more, int context) {
  char parameters[512];
  runner_rules r;
  (void)snprintf(parameters, sizeof parameters, GENERIC "%s%s}", of->more, more);
  scripted_rules(&r, "serial", parameters, context);
  r.mode = of->mode;
  r.temperature = 0;
  return r;
}

runner_sample *tree_run(const tree_story *of, const runner_rules *r, uint64_t seed) {
  return scripted_run(r, of->question, TREE_TARGET, of->lines, of->count, seed);
}

runner_sample *tree_run_within(const tree_story *of, const char *more, int context, uint64_t seed) {
  runner_rules *r = malloc(sizeof *r);
  ck_assert_ptr_nonnull(r);
  *r = tree_rules(of, more, context);
  runner_sample *s = tree_run(of, r, seed);
  ck_ok(runner_sample_state(s, &err));
  return s;
}

void tree_free(runner_sample *s) {
  runner_rules *r = (runner_rules *)(uintptr_t)runner_sample_task(s)->rules;
  runner_sample_free(s);
  scripted_rules_close(r);
  free(r);
}

const char *tree_context(const runner_thread *t) {
  return text_string(t->held < t->count ? &t->context : &t->text);
}
