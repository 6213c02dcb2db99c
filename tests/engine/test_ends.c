/* How threads end: ids, strings, limits, the context, numbers that are not finite; and what is
   refused before it starts. */
#include "base/memory.h"
#include "tests/engine/engines.h"

#include <math.h>
#include <string.h>

static detail err;
static uint32_t prompt[ENGINES_CONTEXT];

enum { MOST = 60 };

typedef struct world {
  model *m;
  tokenizer *t;
  engine *e;
} world;

static world opened(void) {
  engine_options o = engines_options();
  world w = {.m = engines_model(), .t = engines_tokenizer()};
  w.e = engines_open(w.m, w.t, &o);
  engines_fill(prompt, ENGINES_CONTEXT, 1);
  return w;
}

static void closed(world *w) {
  engine_close(w->e);
  tokenizer_close(w->t);
  model_close(w->m);
}

static thread_request sampled(int most, uint32_t seed) {
  thread_request r = engines_request(prompt, 20, most);
  r.temperature = 1.5f;
  r.key = (random_key){{seed, 0}};
  return r;
}

/* ---- stop strings ---------------------------------------------------------------------------- */

/* The text after so many tokens; at the last one what was held back too. */
static size_t text_bytes_after(const world *w, const trace *t, int tokens) {
  text out;
  text_open(&out, JOB_TEXT_MAX);
  decoder *d = NULL;
  ck_ok(decoder_open(&d, w->t, DECODE_SKIP_SPECIAL, &err));
  for (int i = 0; i < tokens; i++)
    ck_ok(decoder_put(d, (int32_t)t->tokens[i], &out, &err));
  if (tokens == t->count) ck_ok(decoder_end(d, &out, &err));
  size_t bytes = out.bytes;
  decoder_close(d);
  text_close(&out);
  return bytes;
}

/* The first match in a whole text, by looking at every end. */
static int first_match(const text *all, const char *const *strings, int count, size_t *at,
                       size_t *end) {
  for (*end = 1; *end <= all->bytes; ++*end) {
    int best = -1;
    for (int k = 0; k < count; k++) {
      size_t length = strlen(strings[k]);
      if (length > *end || memcmp(all->data + *end - length, strings[k], length) != 0) continue;
      if (best < 0 || length > strlen(strings[best])) best = k;
    }
    if (best < 0) continue;
    *at = *end - strlen(strings[best]);
    return best;
  }
  return -1;
}

/* What a thread without stops writes says where one with stops must end: at the first token whose
   text holds the end of the first match. */
static int check_stops(const world *w, uint32_t seed, const char *const *strings, int count,
                       trace *whole, trace *part) {
  size_t at = 0, end = 0;
  thread_request r = sampled(MOST, seed);
  r.wants_text = 1;
  engines_alone(w->e, &r, whole);
  ck_assert_int_eq(whole->end, ENGINE_MOST_TOKENS);
  ck_assert_uint_eq(whole->text.bytes, text_bytes_after(w, whole, whole->count));
  int which = first_match(&whole->text, strings, count, &at, &end), tokens = 1;
  r.stops = strings;
  r.stop_count = count;
  engines_alone(w->e, &r, part);
  if (which < 0) {
    engines_same(whole, part, (int)seed);
    return 0;
  }
  while (text_bytes_after(w, whole, tokens) < end)
    tokens++;
  ck_assert_int_eq(part->end, ENGINE_STOP_STRING);
  ck_assert_int_eq(part->which, which);
  ck_assert_uint_eq(part->stop_at, at);
  ck_assert_int_eq(part->count, tokens);
  ck_assert(!memcmp(part->tokens, whole->tokens, (size_t)tokens * sizeof *part->tokens));
  return 1 + (text_bytes_after(w, whole, tokens - 1) > at); /* 2: it began in an earlier token */
}

START_TEST(test_stop_strings) {
  static const char *const sets[][3] = {
      {"e"}, {"th", "he", "the"}, {"Q", "\n", "7"}, {"\xef\xbf\xbd", " "}, {"nothing like this"}};
  static const int counts[] = {1, 3, 3, 2, 1};
  world w = opened();
  trace *whole = engines_traces(1), *part = engines_traces(1);
  int stopped = 0, across = 0;
  for (uint32_t seed = 0; seed < 60; seed++) {
    size_t k = seed % 5;
    int met = check_stops(&w, seed, sets[k], counts[k], whole, part);
    stopped += met > 0;
    across += met > 1;
  }
  ck_assert_int_gt(stopped, 25);
  ck_assert_int_lt(stopped, 60);
  /* Two letters out of a thread's own text, from the end of one token to the start of the next. */
  for (uint32_t seed = 100; across < 5 && seed < 200; seed++) {
    char pair[2][3] = {{0}};
    const char *const own[2] = {pair[0], "never to be seen"};
    thread_request r = sampled(MOST, seed);
    r.wants_text = 1;
    engines_alone(w.e, &r, whole);
    size_t border = text_bytes_after(&w, whole, 30);
    if (border == 0 || border >= whole->text.bytes) continue;
    memcpy(pair[0], whole->text.data + border - 1, 2);
    if (!text_is_utf8(pair[0], 2, NULL)) continue;
    across += check_stops(&w, seed, own, 2, whole, part) == 2;
  }
  ck_assert_int_ge(across, 5);
  closed(&w);
}
END_TEST

/* ---- ids, limits, the context ---------------------------------------------------------------- */

START_TEST(test_end_ids) {
  world w = opened();
  trace *whole = engines_traces(1), *part = engines_traces(1);
  thread_request r = sampled(MOST, 3);
  engines_alone(w.e, &r, whole);
  for (int k = 0; k < MOST; k += 11) {
    uint32_t ends[2] = {whole->tokens[k], whole->tokens[k]};
    int first = 0;
    while (whole->tokens[first] != ends[0])
      first++;
    r.end_ids = ends;
    r.end_count = 2;
    engines_alone(w.e, &r, part);
    ck_assert_int_eq(part->end, ENGINE_END_ID);
    ck_assert_int_eq(part->which, 0);
    ck_assert_int_eq(part->count, first + 1);
    ck_assert(!memcmp(part->logprobs, whole->logprobs, sizeof(float) * (size_t)part->count));
  }
  closed(&w);
}
END_TEST

/* An id that ends a thread is told before the limit it falls on, and before a stop string. */
START_TEST(test_which_end_is_told) {
  world w = opened();
  trace *whole = engines_traces(1), *part = engines_traces(1);
  thread_request r = sampled(8, 5);
  static const char *const all[] = {" ", "e", "a", "t", "0", "\xef\xbf\xbd", "i", "o", "n"};
  engines_alone(w.e, &r, whole);
  r.end_ids = &whole->tokens[7];
  r.end_count = 1;
  engines_alone(w.e, &r, part);
  int first = 0;
  while (whole->tokens[first] != whole->tokens[7])
    first++;
  ck_assert_int_eq(part->count, first + 1);
  ck_assert_int_eq(part->end, ENGINE_END_ID);
  r.end_count = 0;
  r.stops = all;
  r.stop_count = 9;
  engines_alone(w.e, &r, part);
  ck_assert_int_eq(part->end, ENGINE_STOP_STRING);
  r.most_tokens = part->count; /* the stop string and the limit at once */
  engines_alone(w.e, &r, part);
  ck_assert_int_eq(part->end, ENGINE_STOP_STRING);
  closed(&w);
}
END_TEST

START_TEST(test_suppressed) {
  world w = opened();
  trace *t = engines_traces(1);
  uint32_t all[ENGINES_VOCABULARY];
  for (uint32_t i = 0; i < ENGINES_VOCABULARY; i++)
    all[i] = i < 100 ? i : i + 2; /* all but two ids */
  thread_request r = sampled(40, 5);
  r.suppressed = all;
  r.suppressed_count = ENGINES_VOCABULARY - 2;
  engines_alone(w.e, &r, t);
  for (int i = 0; i < 40; i++)
    ck_assert(t->tokens[i] == 100 || t->tokens[i] == 101);
  ck_assert(memchr(t->tokens, 100, 160) && memchr(t->tokens, 101, 160));
  uint32_t every[ENGINES_VOCABULARY];
  for (uint32_t i = 0; i < ENGINES_VOCABULARY; i++)
    every[i] = i;
  r.suppressed = every;
  r.suppressed_count = ENGINES_VOCABULARY;
  engines_alone(w.e, &r, t); /* nothing is left */
  ck_assert_int_eq(t->count, 0);
  ck_assert_int_eq(t->end, ENGINE_BROKEN);
  closed(&w);
}
END_TEST

START_TEST(test_limits) {
  world w = opened();
  trace *t = engines_traces(1);
  thread_request r = sampled(1, 5);
  engines_alone(w.e, &r, t);
  ck_assert_int_eq(t->count, 1);
  ck_assert_int_eq(t->end, ENGINE_MOST_TOKENS);
  r.count = ENGINES_CONTEXT - 10;
  r.most_tokens = 10; /* the last of them stands on the last position */
  engines_alone(w.e, &r, t);
  ck_assert_int_eq(t->count, 10);
  ck_assert_int_eq(t->end, ENGINE_MOST_TOKENS);
  r.most_tokens = 11;
  engines_alone(w.e, &r, t);
  ck_assert_int_eq(t->count, 10);
  ck_assert_int_eq(t->end, ENGINE_CONTEXT);
  r.count = ENGINES_CONTEXT - 1;
  engines_alone(w.e, &r, t);
  ck_assert_int_eq(t->count, 1);
  ck_assert_int_eq(t->end, ENGINE_CONTEXT);
  closed(&w);
}
END_TEST

/* ---- numbers that are not finite ------------------------------------------------------------- */

/* A thread that feeds the bad id ends where it does, however often and however it is cut; those
   beside it see nothing of it. */
START_TEST(test_broken) {
  enum { BAD = 77, COUNT = 6 };
  engine_options o = engines_options();
  model *m = engines_model();
  trace *alone = engines_traces(COUNT), *t = engines_traces(COUNT);
  ck_ok(prompt_poison(model_folder(m), "model.embed_tokens.weight", BAD * 72, 0x7fc0, &err));
  model_close(m);
  m = NULL;
  ck_ok(model_open(&m, support_path("tiny-llama"), &err));
  o.allow_broken = 1;
  for (int rows = 8; rows <= 64; rows *= 8) {
    o.rows = rows;
    engine *e = engines_open(m, NULL, &o);
    uint32_t suppressed = BAD;
    for (int i = 0; i < COUNT; i++) {
      engines_fill(prompt, 60, 9);
      for (int k = 0; k < 60; k++)
        prompt[k] += prompt[k] == BAD;
      if (i % 2) prompt[30] = BAD;
      thread_request r = engines_request(prompt, 60, 10);
      r.suppressed = &suppressed;
      r.suppressed_count = 1;
      r.key = (random_key){{(uint32_t)i, 1}};
      r.temperature = 1;
      engines_submit(e, &r);
    }
    trace *into = rows == 8 ? alone : t;
    engines_drive(e, into, 1, COUNT, NULL, NULL);
    for (int i = 0; i < COUNT; i++) {
      ck_assert_int_eq(into[i].end, i % 2 ? ENGINE_BROKEN : ENGINE_MOST_TOKENS);
      ck_assert_int_eq(into[i].count, i % 2 ? 0 : 10);
    }
    ck_assert_int_le(cache_finds(engine_cache(e), prompt, 60), 30);
    engine_close(e);
  }
  for (int i = 0; i < COUNT; i++)
    engines_same(&alone[i], &t[i], i);
  model_close(m);
}
END_TEST

/* ---- refused --------------------------------------------------------------------------------- */

START_TEST(test_refused) {
  world w = opened();
  thread_id id = 0;
  const thread_request good = engines_request(prompt, 20, 5);
  thread_request r = good;
  uint32_t bad[2] = {3, ENGINES_VOCABULARY};
#define REFUSES(code, piece)                                                                       \
  ck_fails(engine_submit(w.e, &r, &id, &err), code, piece);                                        \
  r = good
  r.count = 0;
  REFUSES(E_INPUT, "0 tokens to feed");
  r.most_tokens = 0;
  REFUSES(E_INPUT, "at most 0 to sample");
  r.tokens = bad;
  r.count = 2;
  REFUSES(E_INPUT, "id 515 at 1; the model's vocabulary has 515");
  r.suppressed = bad;
  r.suppressed_count = 2;
  REFUSES(E_INPUT, "suppressed tokens: id 515 at 1");
  r.temperature = NAN;
  REFUSES(E_INPUT, "temperature nan");
  r.temperature = -1;
  REFUSES(E_INPUT, "temperature -1");
  r.top_k = -1;
  REFUSES(E_INPUT, "top_k -1");
  r.top_p = 0;
  REFUSES(E_INPUT, "top_p 0");
  r.min_p = 1.5f;
  REFUSES(E_INPUT, "min_p 1.5");
  r.stops = (const char *const[]){""};
  r.stop_count = 1;
  REFUSES(E_INPUT, "stop string 0 is empty");
  r.count = ENGINES_CONTEXT;
  REFUSES(E_LIMIT, "400 tokens from position 0 on leave none of 400 positions");
#undef REFUSES
  ck_assert(engine_is_idle(w.e));
  ck_assert_int_eq(engine_count(w.e).prompt_tokens, 0);
  closed(&w);
}
END_TEST

START_TEST(test_never_fits) {
  engine_options o = engines_options();
  model *m = engines_model();
  o.pages = 5;
  engine *e = engines_open(m, NULL, &o);
  thread_id id = 0;
  trace *t = engines_traces(1);
  thread_request r = engines_request(prompt, 61, 21);
  ck_fails(engine_submit(e, &r, &id, &err), E_LIMIT,
           "61 tokens to feed and up to 21 to sample stand on 6 pages of 16 keys; the cache has 5");
  r.most_tokens = 20; /* the last one is not fed: 80 tokens */
  engines_alone(e, &r, t);
  ck_assert_int_eq(t->count, 20);
  r.most_tokens = 5;
  r.wants_text = 1;
  ck_fails(engine_submit(e, &r, &id, &err), E_INPUT, "need a tokenizer");
  /* Segments that belong to nobody leave no room: said so, and mended by freeing them. */
  segment_id s;
  r.wants_text = 0;
  ck_ok(segment_new(engine_cache(e), &s, &err));
  ck_ok(segment_append(engine_cache(e), s, prompt, 40, 1, &err));
  id = engines_submit(e, &r);
  const engine_event *events;
  int count;
  ck_fails(engine_step(e, &events, &count, &err), E_LIMIT, "segments stand on 3 of 5 pages");
  segment_free(engine_cache(e), s);
  trace_clear(t);
  engines_drive(e, t, id, 1, NULL, NULL);
  ck_assert_int_eq(t->count, 5);
  engine_close(e);
  model_close(m);
}
END_TEST

/* ---- opening --------------------------------------------------------------------------------- */

START_TEST(test_size) {
  engine_options o = engines_options();
  engine_bytes b, c;
  model *m = engines_model();
  const model_config *config = model_config_of(m);
  ck_ok(engine_size(config, &o, &b, &err));
  ck_assert_int_eq(b.pages, 600);
  ck_assert_int_eq(b.page, 2 * 2 * 64 * 2 * 16);
  ck_assert_int_eq(b.forward.cache, 600 * b.page);
  ck_assert_int_eq(b.swap, 0);
  int64_t sum = b.forward.weights + b.forward.cache + b.forward.workspace + b.forward.logits +
                b.swap + b.tables;
  o.pages = 0;
  o.memory_bytes = sum;
  ck_ok(engine_size(config, &o, &c, &err));
  ck_assert_int_eq(c.pages, 600);
  o.memory_bytes = sum - 1;
  ck_ok(engine_size(config, &o, &c, &err));
  ck_assert_int_eq(c.pages, 599);
  o.swap_bytes = 10 * b.page;
  o.memory_bytes = 1 << 18;
  ck_fails(engine_size(config, &o, &c, &err), E_LIMIT, "do not hold one thread of 400 tokens");
  ck_assert_ptr_nonnull(strstr(err.text, "cache of 25 pages of 16 keys"));
  o.memory_bytes = 0;
  ck_fails(engine_size(config, &o, &c, &err), E_INPUT, "neither pages nor memory_bytes");
  o = engines_options();
  o.rows = 7;
  ck_fails(engine_size(config, &o, &c, &err), E_INPUT, "8 slots and steps of 7 rows");
  o = engines_options();
  o.page_keys = 17;
  ck_fails(engine_size(config, &o, &c, &err), E_INPUT, "pages of 17 keys");
  o = engines_options();
  o.swap_bytes = INT64_MAX;
  ck_fails(engine_size(config, &o, &c, &err), E_INPUT, "swap_bytes of 9223372036854775807: ");
  o = engines_options();
  o.segments = INT32_MAX;
  ck_fails(engine_size(config, &o, &c, &err), E_INPUT, "8 slots and 2147483647 segments");
  o = engines_options();
  o.positions = 5000;
  ck_fails(engine_size(config, &o, &c, &err), E_INPUT, "5000 positions: the model has 1024");
  model_close(m);
}
END_TEST

/* Each allocation of opening and of submitting fails in turn: a message, and all is as it was. */
START_TEST(test_no_memory) {
  engine_options o = engines_options();
  model *m = engines_model();
  tokenizer *t = engines_tokenizer();
  engine *e = NULL;
  static const char *const stop[] = {"x"};
  int64_t n = 0;
  for (status failed = E_MEMORY; failed; n++) {
    memory_fail_once(n);
    failed = engine_open(&e, m, t, &o, &err);
    memory_fail_once(-1);
    ck_assert(!failed || failed == E_MEMORY);
  }
  ck_assert_int_gt(n, 40);
  thread_request r = engines_request(prompt, 20, 5);
  r.stops = stop;
  r.stop_count = 1;
  thread_id id = 0;
  n = 0;
  for (status failed = E_MEMORY; failed; n++) {
    memory_fail_once(n);
    failed = engine_submit(e, &r, &id, &err);
    memory_fail_once(-1);
    ck_assert(!failed || failed == E_MEMORY);
    ck_assert_int_eq(engine_count(e).waiting, !failed);
  }
  ck_assert_int_gt(n, 10);
  trace *told = engines_traces(1);
  engines_drive(e, told, id, 1, NULL, NULL);
  ck_assert_int_gt(told->count, 0);
  engine_close(e);
  engine_close(NULL);
  tokenizer_close(t);
  model_close(m);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("ends");
  TCase *ends = tcase_create("ends"), *refused = tcase_create("refused");
  tcase_add_test(ends, test_stop_strings);
  tcase_add_test(ends, test_end_ids);
  tcase_add_test(ends, test_which_end_is_told);
  tcase_add_test(ends, test_suppressed);
  tcase_add_test(ends, test_limits);
  tcase_add_test(ends, test_broken);
  tcase_add_test(refused, test_refused);
  tcase_add_test(refused, test_never_fits);
  tcase_add_test(refused, test_size);
  tcase_add_test(refused, test_no_memory);
  suite_add_tcase(suite, ends);
  suite_add_tcase(suite, refused);
  return support_run(suite);
}
