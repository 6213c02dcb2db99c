/* Workers that read each other on tiny models of random weights: their tokens are those of the
   plain definition, which tests/oracle/hogwild.py wrote down, and no schedule changes one. What a
   line of tests/oracle/hogwild says stands in that script.

   The greedy tokens there are at least 5e-4 above the second. Our logits of compute fp32 are within
   1e-4 of what double gives (tests/engine/test_oracle.c), so that none of them may differ. */
#include "base/memory.h"
#include "pipeline/synth_text.h"
#include "tests/pipeline/scripted.h"
#include "tests/pipeline/tiny.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 7, WORKERS_MAX = 4, TOKENS_MAX = 2048, CONTEXT = 1000 };
static const char *const models[] = {"tiny-llama"};
enum { MODELS = sizeof models / sizeof models[0] };

static detail err;

/* ---- a model and what is asked of it --------------------------------------------------------- */

static job_model *open_model(const char *name) {
  job_model *m = NULL;
  text learnt, words;
  text_open(&learnt, 64 << 20);
  text_open(&words, 64 << 20);
  ck_ok(synth_text(&learnt, &err));
  ck_ok(tokenizer_synth(&words, text_string(&learnt), learnt.bytes,
                        synth_find(name)->config.vocabulary, &err));
  const char *folder = tiny_model_of(name, name, SEED, ELEMENT_FP32, text_string(&words));
  ck_ok(job_model_open(&m, folder, NULL, NULL, &err));
  text_close(&words);
  text_close(&learnt);
  return m;
}

/* The words are those of the script. */
static void put_parameters(const char *layout, int workers, int forwards, const char *separator,
                           const char *prompt, const char *more, text *out) {
  text_format(out,
              "{\"protocol\":\"generic-hogwild\",\"layout\":\"%s\",\"workers\":%d,"
              "\"prompt\":\"%s{question}\",\"answer\":\"#(never)#\",\"until\":\"all\","
              "\"begin\":1,\"suppress\":[\"{end}\"],\"sampling\":{\"temperature\":0},"
              "\"names\":[\"A\",\"B\",\"C\",\"D\"],"
              "\"header\":{\"past\":\"past:\",\"others\":\"others:\",\"own\":\"..own:\","
              "\"split\":\"..\",\"workspace\":\"#{worker}#\"},"
              "\"step\":{\"separator\":\"%s\",\"rule\":\"separator\","
              "\"prefix\":\"{worker}{step}:\",\"opening\":\"go\",\"greeting\":\"yo\"},"
              "\"redundancy\":{\"text\":\"same? \",\"tokens\":90},"
              "\"limit\":{\"context\":%d,\"forwards\":%d%s}}",
              layout, workers, prompt, separator, (int)CONTEXT, forwards, more);
  ck_ok(text_state(out, &err));
}

typedef struct condition {
  json_t *parameters;
  runner_rules rules;
} condition;

static void open_condition(condition *c, const job_model *m, const char *words) {
  json_t *given = NULL;
  const mode *hogwild = mode_find("hogwild");
  ck_ok(json_read(&given, words, strlen(words), "parameters", 1, &err));
  ck_ok(hogwild->resolve(given, &err));
  ck_ok(job_model_settle(m, given, &c->parameters, &err));
  json_decref(given);
  ck_ok(runner_rules_open(&c->rules, hogwild, c->parameters, m, &err));
}

static void close_condition(condition *c) {
  runner_rules_close(&c->rules);
  json_decref(c->parameters);
}

/* ---- running --------------------------------------------------------------------------------- */

static engine_options ample(void) {
  return (engine_options){.backend = "cpu",
                          .compute = COMPUTE_FP32,
                          .threads = 1,
                          .positions = CONTEXT,
                          .page_keys = 16,
                          .slots = 16,
                          .rows = 320,
                          .pages = 1200,
                          .segments = 32,
                          .swap_bytes = 256 << 20};
}

static runner_sample *run_alone(const job_model *m, const engine_options *o,
                                const runner_rules *rules) {
  engine *e = NULL;
  runner *r = NULL;
  ck_ok(engine_open(&e, m->model, m->tokenizer, o, &err));
  generator g = generator_of_engine(e);
  runner_task task = {.rules = rules, .question = "", .target = "\"\"", .seed = 3};
  ck_ok(runner_open(&r, &g, &err));
  ck_ok(runner_add(r, &task, &err));
  while (runner_in_flight(r))
    ck_ok(runner_step(r, &err));
  runner_sample *s = runner_take(r);
  detail why = {0};
  ck_assert_msg(runner_sample_state(s, &why) == OK, "%s", why.text);
  ck_assert_int_eq(cache_count(engine_cache(e)).pages_used, 0); /* nothing is left of it */
  ck_assert_int_eq(cache_count(engine_cache(e)).segments, 0);
  ck_assert_int_eq(engine_count(e).ended, 0);
  runner_close(r);
  engine_close(e);
  return s;
}

/* ---- the plain definition -------------------------------------------------------------------- */

typedef struct golden {
  char layout[16], separator[16], prompt[16];
  int workers, forwards, commits;
  double gap;
  int count[WORKERS_MAX];
  uint32_t tokens[WORKERS_MAX][TOKENS_MAX];
} golden;

static int read_case(FILE *file, golden *g) {
  if (fscanf(file, " case %15s %d %d %15s %15s %d %lf", g->layout, &g->workers, &g->forwards,
             g->separator, g->prompt, &g->commits, &g->gap) != 7)
    return 0;
  if (!strcmp(g->separator, "space")) (void)snprintf(g->separator, sizeof g->separator, " ");
  ck_assert_int_le(g->workers, WORKERS_MAX);
  for (int w = 0; w < g->workers; w++) {
    ck_assert_int_eq(fscanf(file, " worker %d", &g->count[w]), 1);
    ck_assert_int_le(g->count[w], TOKENS_MAX);
    for (int i = 0; i < g->count[w]; i++)
      ck_assert_int_eq(fscanf(file, " %u", &g->tokens[w][i]), 1);
  }
  return 1;
}

/* A worker's tokens behind what all see. */
static size_t own_from(const runner_thread *t) {
  int i = 0;
  while (t->spans[i].kind == THREAD_PROMPT || t->spans[i + 1].kind == THREAD_FED)
    i++;
  return t->spans[i].start;
}

static void check_worker(const golden *g, const runner_thread *t, int w) {
  size_t from = own_from(t), count = t->count - from;
  size_t both = count < (size_t)g->count[w] ? count : (size_t)g->count[w];
  ck_assert_int_eq(t->worker, w);
  for (size_t i = 0; i < both; i++) {
    ck_assert_msg(t->tokens[from + i] == g->tokens[w][i],
                  "%s, %d workers: token %zu of worker %d is %u, not %u", g->layout, g->workers, i,
                  w, t->tokens[from + i], g->tokens[w][i]);
  }
  ck_assert_int_eq(t->generated, g->forwards);
  ck_assert_str_eq(t->limit, "forwards");
  /* what the script fed behind the last forward was never put in */
  ck_assert_uint_le(count, (size_t)g->count[w]);
  ck_assert_uint_ge(count + 16, (size_t)g->count[w]);
}

static void check_case(const job_model *m, const golden *g) {
  condition c;
  text words;
  int count, commits = 0;
  text_open(&words, 1 << 16);
  put_parameters(g->layout, g->workers, g->forwards, g->separator, g->prompt, "", &words);
  open_condition(&c, m, text_string(&words));
  engine_options o = ample();
  runner_sample *s = run_alone(m, &o, &c.rules);
  const runner_thread *threads = runner_sample_threads(s, &count);
  ck_assert_int_eq(count, g->workers);
  for (int w = 0; w < count; w++) {
    check_worker(g, &threads[w], w);
    commits += threads[w].commit_count;
  }
  ck_assert_int_eq(commits, g->commits);
  runner_sample_free(s);
  close_condition(&c);
  text_close(&words);
}

START_TEST(plain_definition) {
  char path[128], first[256];
  golden *g = calloc(1, sizeof *g);
  ck_assert_ptr_nonnull(g);
  (void)snprintf(path, sizeof path, "tests/oracle/hogwild/%s.txt", models[_i]);
  FILE *file = fopen(path, "r");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  ck_assert_ptr_nonnull(fgets(first, sizeof first, file));
  job_model *m = open_model(models[_i]);
  int cases = 0;
  while (read_case(file, g)) {
    check_case(m, g);
    cases++;
  }
  ck_assert(feof(file) && cases > 0);
  job_model_close(m);
  (void)fclose(file);
  free(g);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("hogwild_engine");
  TCase *all = tcase_create("hogwild_engine");
  tcase_add_loop_test(all, plain_definition, 0, MODELS);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
