#include "tests/engine/engines.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static detail err;

model *engines_model(void) {
  model *m = NULL;
  ck_ok(prompt_model(&m, "tiny-llama", support_path("tiny-llama"), &err));
  ck_assert_int_eq(model_config_of(m)->vocabulary, ENGINES_VOCABULARY);
  return m;
}

tokenizer *engines_tokenizer(void) {
  tokenizer *t = NULL;
  ck_ok(job_tokenizer(&t, ENGINES_VOCABULARY, &err));
  return t;
}

engine_options engines_options(void) {
  return (engine_options){.backend = "cpu",
                          .compute = COMPUTE_BF16,
                          .threads = 1,
                          .positions = ENGINES_CONTEXT,
                          .page_keys = 16,
                          .slots = 8,
                          .rows = 64,
                          .pages = 600};
}

engine *engines_open(const model *m, const tokenizer *t, const engine_options *o) {
  engine *e = NULL;
  ck_ok(engine_open(&e, m, t, o, &err));
  return e;
}

thread_request engines_request(const uint32_t *tokens, int count, int most) {
  return (thread_request){.tokens = tokens, .count = count, .most_tokens = most, .top_p = 1};
}

void engines_fill(uint32_t *tokens, int count, uint32_t seed) {
  random_stream r = random_start((random_key){{seed, 3}});
  for (int i = 0; i < count; i++)
    tokens[i] = random_below(&r, ENGINES_VOCABULARY);
}

thread_id engines_submit(engine *e, const thread_request *r) {
  thread_id id = 0;
  ck_ok(engine_submit(e, r, &id, &err));
  return id;
}

void engines_drive(engine *e, trace *into, thread_id first, int count, after_step *after,
                   void *context) {
  int has_text = 0;
  while (!engine_is_idle(e)) {
    const engine_event *events;
    int told;
    memory_fail_once(INT64_MAX);
    ck_ok(engine_step(e, &events, &told, &err));
    int64_t asked = memory_asked();
    memory_fail_once(-1);
    for (int i = 0; i < told; i++) {
      thread_id id = events[i].thread;
      ck_assert(id >= first && id < first + (thread_id)count);
      ck_assert(i == 0 || events[i - 1].thread < id);
      ck_ok(trace_add(&into[id - first], &events[i], &err));
      has_text |= events[i].text != NULL;
    }
    ck_assert(has_text || asked == 0);
    if (after) after(e, context);
  }
  ck_ok(cache_check(engine_cache(e), &err));
}

enum { KEPT_MAX = 64 };
static traces kept[KEPT_MAX];
static int kept_count;

static void close_kept(void) {
  while (kept_count)
    traces_close(&kept[--kept_count]);
}

trace *engines_traces(int count) {
  trace *t = memory_zeroed((size_t)count, sizeof *t);
  ck_assert(t && kept_count < KEPT_MAX);
  if (!kept_count) (void)atexit(close_kept);
  kept[kept_count++] = (traces){t, count};
  for (int i = 0; i < count; i++)
    text_open(&t[i].text, JOB_TEXT_MAX);
  return t;
}

void engines_alone(engine *e, const thread_request *r, trace *out) {
  trace_clear(out);
  engines_drive(e, out, engines_submit(e, r), 1, NULL, NULL);
}

void engines_same(const trace *a, const trace *b, int index) {
  difference d;
  traces one = {(trace *)(uintptr_t)a, 1}, two = {(trace *)(uintptr_t)b, 1};
  ck_assert_msg(!traces_differ(&one, &two, &d), "thread %d, token %d: %s", index, d.token, d.text);
}
