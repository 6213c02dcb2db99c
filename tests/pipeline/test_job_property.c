/* Properties of reading a job: a resolved document is read as the same job again, over random jobs;
   and no damage to a file does more than to have it refused with a line and a reason. */
#include "base/random.h"
#include "tests/pipeline/fake_modes.h"

#include <stdlib.h>
#include <string.h>

static random_stream stream_of(uint32_t number) {
  hash place = hash_of("job", 3);
  return random_start(random_key_of(7, &place, number, "0"));
}

/* ---- random jobs ---------------------------------------------------------------------------- */

/* An option with one value, or with a list of 1 to 3. */
static void put_numbers(text *t, random_stream *s, const char *key, uint32_t low, uint32_t step) {
  uint32_t count = random_below(s, 4), first = low + random_below(s, 20);
  text_format(t, ", %s: %s%u", key, count ? "[" : "", first);
  for (uint32_t i = 1; i < count; i++)
    text_format(t, ", %u", first + i * step);
  text_put(t, count ? "]" : "");
}

static void put_reals(text *t, random_stream *s) {
  double first = (double)random_next(s) / 4294967296.0;
  text_format(t, ", temperature: [%.17g, %.3g]", first, 1 + first / 2);
}

/* With a model of its own, or with the job's. */
static void put_reasoning(text *t, random_stream *s) {
  text_put(t, ", mode: reason");
  if (random_below(s, 3) == 0) text_put(t, ", model: [x/m, n]");
  if (random_below(s, 3) == 0) text_put(t, ", sampling: {temperature: [0.7, 1], min_p: 0.1}");
  if (random_below(s, 3) == 0) text_put(t, ", stop: [[a], ['b c', \"\\n\"], []]");
  if (random_below(s, 3) == 0) text_put(t, ", suppress: ['<|end|>']");
  text_put(t, "}\n");
}

static void put_entry(text *t, random_stream *s, int number) {
  static const char *const searches[] = {"dfs", "[bfs, sosp]", "apr", "[apr]"};
  uint32_t search = random_below(s, 4);
  text_format(t, "- {name: e%d", number);
  if (random_below(s, 4) == 0) {
    text_put(t, ", mode: plain}\n");
    return;
  }
  if (random_below(s, 4) == 0) {
    put_reasoning(t, s);
    return;
  }
  text_format(t, ", mode: fake, search: %s", searches[search]);
  if (random_below(s, 2)) put_numbers(t, s, "beam", 1, 5);
  if (search >= 2 && random_below(s, 2)) put_numbers(t, s, "child_beam", 1, 1);
  if (random_below(s, 3) == 0) put_reals(t, s);
  if (random_below(s, 3) == 0) text_put(t, ", targets: [1-20, 5-5, 7]");
  if (random_below(s, 4) == 0) text_put(t, ", prompt: [one, 'two words'], stop: [x]");
  if (random_below(s, 3) == 0) text_put(t, ", checker: countdown-lenient");
  if (random_below(s, 3) == 0) text_format(t, ", family: f%d", number);
  if (random_below(s, 2)) {
    text_put(t, ", limit: {children: 3");
    put_numbers(t, s, "context", 128, 1000);
    text_put(t, "}");
  }
  text_put(t, "}\n");
}

static void put_job(text *t, random_stream *s) {
  text_format(t, "name: job%u\ntasks: \"set %u@2\"\n", random_below(s, 100), random_below(s, 9));
  if (random_below(s, 2)) text_format(t, "seed: %u\n", random_next(s));
  if (random_below(s, 2)) text_format(t, "repeats: %u\n", 1 + random_below(s, 10000));
  if (random_below(s, 2)) text_format(t, "retries: %u\n", random_below(s, 9));
  if (random_below(s, 2)) text_format(t, "allowed_failures: %u\n", random_next(s));
  if (random_below(s, 2)) text_put(t, "checker: countdown\n");
  text_put(t, random_below(s, 2) ? "models: [some/p, q]\n" : "models: m\n");
  if (random_below(s, 2)) text_put(t, "sampling: {temperature: 1, top_k: [0, 50]}\n");
  if (random_below(s, 2)) text_put(t, "engine: {kv_memory: 1536MiB, slots: 7}\n");
  if (random_below(s, 2)) text_put(t, "record: {logprobs: true}\n");
  text_put(t, "conditions:\n- {name: always, mode: reason}\n");
  int entries = 2 + (int)random_below(s, 3);
  for (int i = 0; i < entries; i++)
    put_entry(t, s, i);
}

/* Names two conditions of one checker, of a job that was read without contrasts. */
static void put_compare(text *t, random_stream *s, const job *j) {
  const job_condition *first = &j->conditions[0], *other = NULL;
  for (size_t i = 1; i < j->condition_count; i++) {
    const job_condition *c = &j->conditions[i];
    int alike = c->checker && first->checker ? !strcmp(c->checker, first->checker)
                                             : c->checker == first->checker;
    if (alike) other = c;
  }
  if (!other) return;
  text_format(t, "compare:\n- {a: '%s', b: '%s', margin: 0.%u}\n", first->name, other->name,
              1 + random_below(s, 99));
  if (random_below(s, 2)) {
    text_format(t, "- {b: '%s', a: '%s', axis: tokens_total, at: [%u, 3000.5, 4096]}\n",
                first->name, other->name, 1 + random_below(s, 2000));
  }
}

/* ---- equal jobs ----------------------------------------------------------------------------- */

static int same_text(const char *a, const char *b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_equal(const job *a, const job *b) {
  ck_assert_uint_eq(a->condition_count, b->condition_count);
  for (size_t i = 0; i < a->condition_count; i++) {
    const job_condition *x = &a->conditions[i], *y = &b->conditions[i];
    ck_assert_str_eq(x->name, y->name);
    ck_assert_str_eq(x->family, y->family);
    ck_assert(same_text(x->checker, y->checker));
    ck_assert(same_text(x->model, y->model));
    ck_assert_ptr_eq(x->mode, y->mode);
    ck_assert(json_equal(x->parameters, y->parameters));
    ck_assert(json_equal(x->axes, y->axes));
  }
  ck_assert_uint_eq(a->compare_count, b->compare_count);
  for (size_t i = 0; i < a->compare_count; i++) {
    const job_contrast *x = &a->compare[i], *y = &b->compare[i];
    ck_assert_str_eq(x->a, y->a);
    ck_assert_str_eq(x->b, y->b);
    ck_assert(same_text(x->axis, y->axis));
    ck_assert_double_eq(x->margin, y->margin);
    ck_assert_uint_eq(x->at_count, y->at_count);
    for (size_t k = 0; k < x->at_count; k++)
      ck_assert_double_eq(x->at[k], y->at[k]);
  }
  ck_assert_str_eq(a->name, b->name);
  ck_assert_str_eq(a->tasks, b->tasks);
  ck_assert_int_eq(a->seed, b->seed);
  ck_assert_int_eq(a->repeats, b->repeats);
  ck_assert_int_eq(a->retries, b->retries);
  ck_assert_int_eq(a->allowed_failures, b->allowed_failures);
  ck_assert_str_eq(a->engine.backend, b->engine.backend);
  ck_assert_int_eq(a->engine.fp32, b->engine.fp32);
  ck_assert_int_eq(a->engine.kv_memory_bytes, b->engine.kv_memory_bytes);
  ck_assert_int_eq(a->engine.slots, b->engine.slots);
  ck_assert_int_eq(a->engine.rows, b->engine.rows);
  ck_assert_int_eq(a->logprobs, b->logprobs);
}

static void check_reads_again(const job *j) {
  text document, again;
  fake_canonical(j->document, &document);
  job *second = fake_job(text_string(&document));
  check_equal(j, second);
  fake_canonical(second->document, &again);
  ck_assert_str_eq(text_string(&document), text_string(&again));
  text_close(&document);
  text_close(&again);
  job_close(second);
}

START_TEST(test_round_trip) {
  size_t conditions = 0, contrasts = 0;
  for (uint32_t number = 0; number < 500; number++) {
    random_stream s = stream_of(number);
    text t;
    text_open(&t, 1 << 20);
    put_job(&t, &s);
    job *bare = fake_job(text_string(&t));
    put_compare(&t, &s, bare);
    job_close(bare);
    job *j = fake_job(text_string(&t));
    check_reads_again(j);
    conditions += j->condition_count;
    contrasts += j->compare_count;
    job_close(j);
    text_close(&t);
  }
  ck_assert_uint_gt(conditions, 5000); /* the draws do reach sweeps and contrasts */
  ck_assert_uint_gt(contrasts, 400);
}
END_TEST

/* The largest sweep resolves to a document that is within the bounds of a file. */
START_TEST(test_largest) {
  text t;
  text_open(&t, 1 << 20);
  text_put(&t, "name: j\ntasks: t\nconditions:\n- {name: c, mode: fake, search: apr, beam: [1");
  for (int i = 2; i <= 100; i++)
    text_format(&t, ", %d", i);
  text_put(&t, "], limit: {context: [1000");
  for (int i = 1; i < 100; i++)
    text_format(&t, ", %d", 1000 + i);
  text_put(&t, "]}}\n");
  job *j = fake_job(text_string(&t));
  ck_assert_uint_eq(j->condition_count, JOB_CONDITIONS_MAX);
  ck_assert_str_eq(j->conditions[100].name, "c beam=2 limit.context=1000");
  check_reads_again(j);
  job_close(j);
  text_close(&t);
}
END_TEST

/* ---- damaged files -------------------------------------------------------------------------- */

static const char whole[] =
    "# a job with one of everything\nname: quickstart\ntasks: countdown-test@1\nseed: 42\n"
    "repeats: 0x2\nretries: 2\nallowed_failures: 1\nchecker: \"countdown\"\n"
    "models: [a/tiny, small]\nsampling: {temperature: 1}\nengine: {kv_memory: 4GiB, slots: 3}\n"
    "record: {logprobs: false}\nconditions:\n  - {name: r, mode: reason, stop: [[x], [y, z]]}\n"
    "  - {name: sos+, mode: fake, search: sosp, beam: [1, 2, 3]}\n"
    "  - name: apr\n    mode: fake\n    search: apr\n    targets: [10-20, 7]\n"
    "    temperature: 1.5e-1\n    limit: {context: [2048, 4096]}\n"
    "  - {name: \"p\\u0041\", mode: plain, family: q, axes: {}}\n"
    "compare:\n  - {a: pA, b: sos+, axis: tokens_ref, at: [2048, 4096.5], margin: 0.05}\n"
    "  - {a: q, b: 'sos+ beam=2'}\n";

static char damage_byte(random_stream *s) {
  static const char special[] = "{}[]:,-#&*!|>'\"%@`?\n \t\\~0123456789abx";
  if (random_below(s, 4)) return special[random_below(s, sizeof special - 1)];
  return (char)random_below(s, 256);
}

/* One flip, insertion, deletion, cut or copy of a piece; the bytes fit into twice the file. */
static size_t damage(char *bytes, size_t count, size_t most, random_stream *s) {
  size_t at = random_below(s, (uint32_t)count + 1);
  uint32_t kind = random_below(s, 8);
  if (kind < 3 && at < count) {
    bytes[at] = (char)(kind ? damage_byte(s) : bytes[at] ^ (1 << random_below(s, 8)));
  } else if (kind < 5 && count < most) {
    memmove(bytes + at + 1, bytes + at, count - at);
    bytes[at] = damage_byte(s);
    count++;
  } else if (kind < 7 && at < count) {
    memmove(bytes + at, bytes + at + 1, count - at - 1);
    count--;
  } else if (at < count) {
    size_t length = 1 + random_below(s, 40);
    if (length > count - at) length = count - at;
    if (length > most - count) length = most - count;
    memmove(bytes + at + length, bytes + at, count - at);
    count += length;
  }
  return count;
}

START_TEST(test_damage) {
  enum { FILES = 20000, ROOM = 2 * sizeof whole };
  int read = 0, refused = 0;
  job_close(fake_job(whole));
  char *bytes = malloc(ROOM);
  ck_assert_ptr_nonnull(bytes);
  for (uint32_t number = 0; number < FILES; number++) {
    random_stream s = stream_of(number);
    size_t count = sizeof whole - 1;
    memcpy(bytes, whole, count);
    for (uint32_t edits = 1 + random_below(&s, 3); edits; edits--)
      count = damage(bytes, count, ROOM, &s);
    detail err = {0};
    job *j = NULL;
    status code = fake_read(&j, bytes, count, &err);
    if (code) {
      ck_assert_msg(code == E_INPUT, "%s: %s", status_name(code), err.text);
      ck_assert_msg(err.line > 0 && err.text[0], "line %d: \"%s\"", err.line, err.text);
      ck_assert_str_eq(err.file, "job.yaml");
      refused++;
    } else {
      check_reads_again(j);
      job_close(j);
      read++;
    }
  }
  free(bytes);
  ck_assert_int_gt(read, FILES / 40);
  ck_assert_int_gt(refused, FILES / 4);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("job_property");
  TCase *cases = tcase_create("property");
  tcase_add_test(cases, test_round_trip);
  tcase_add_test(cases, test_largest);
  tcase_add_test(cases, test_damage);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
