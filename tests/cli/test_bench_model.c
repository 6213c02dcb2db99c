/* bench --model on a tiny model: what it prints is whole and consistent, what cannot be measured is
   said, and the bytes and operations that it counts are right. No test looks at how fast anything
   is. */
#include "pipeline/bench_model.h"
#include "tests/support/program.h"

#include <math.h>
#include <string.h>

static const char *tiny_model(void) {
  const char *folder = support_path("tiny");
  ck_ended(nightjar("model", "synth", "--config", "tiny-llama", "-o", folder), 0);
  return folder;
}

/* A number of an object that must be there, finite and positive. */
static double positive(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  ck_assert_msg(json_is_number(value), "%s is no number", name);
  double number = json_number_value(value);
  ck_assert_msg(isfinite(number) && number > 0, "%s is %g", name, number);
  return number;
}

static const char *string_of(const json_t *object, const char *name) {
  const char *value = json_string_value(json_object_get(object, name));
  ck_assert_msg(value != NULL, "%s is no string", name);
  return value;
}

/* Figures are printed with six digits. */
static void check_share(const json_t *of) {
  double share = positive(of, "share");
  double expected = positive(of, "ceiling_seconds") / positive(of, "seconds");
  ck_assert_double_le(fabs(share - expected), 1e-4 * expected);
  ck_assert_double_le(positive(of, "least_seconds"), positive(of, "seconds"));
}

/* The ceiling of each operation follows from what is printed beside it. */
static void check_operation(const json_t *one, bench_operation o) {
  ck_assert_str_eq(string_of(one, "operation"), bench_operation_name(o));
  ck_assert(json_integer_value(json_object_get(one, "calls")) >= 1);
  ck_assert(json_integer_value(json_object_get(one, "repeats")) >= 2);
  double stream = json_number_value(json_object_get(one, "stream_bytes"));
  double local = positive(one, "local_bytes") / positive(one, "local_bytes_s");
  double flops = json_number_value(json_object_get(one, "flops")) / positive(one, "peak_flops");
  double bytes = local + (stream > 0 ? stream / positive(one, "stream_bytes_s") : 0);
  double expected = bytes > flops ? bytes : flops;
  ck_assert_double_le(fabs(positive(one, "ceiling_seconds") - expected), 1e-4 * expected);
  check_share(one);
}

static void check_step(const json_t *step) {
  const json_t *operations = json_object_get(step, "operations");
  ck_assert(json_is_null(json_object_get(step, "skipped")));
  ck_assert_uint_eq(json_array_size(operations), BENCH_OPERATION_COUNT);
  for (size_t o = 0; o < BENCH_OPERATION_COUNT; o++)
    check_operation(json_array_get(operations, o), (bench_operation)o);
  check_share(step);
  (void)positive(step, "tokens_s");
  (void)positive(step, "flops");
}

static void check_machine(const json_t *root) {
  const json_t *machine = json_object_get(root, "machine");
  ck_assert_str_eq(string_of(machine, "path"), "portable");
  ck_assert_int_eq(json_integer_value(json_object_get(machine, "threads")), 2);
  ck_assert(json_is_boolean(json_object_get(machine, "loaded")));
  (void)positive(machine, "memory_bytes");
  const json_t *peaks = json_object_get(root, "peaks"), *reading = json_object_get(root, "reading");
  ck_assert_uint_ge(json_array_size(peaks), 1);
  for (size_t i = 0; i < json_array_size(peaks); i++) {
    (void)positive(json_array_get(peaks, i), "flops_one_thread");
    (void)positive(json_array_get(peaks, i), "flops_all_threads");
  }
  ck_assert_uint_ge(json_array_size(reading), 1);
  for (size_t i = 0; i < json_array_size(reading); i++)
    (void)positive(json_array_get(reading, i), "bytes_s_all_threads");
}

static void check_products(const json_t *products) {
  static const char *const weights[] = {"qkv", "output", "gate_up", "down", "vocabulary"};
  static const int rows[] = {1, 3};
  const json_t *list = json_object_get(products, "list");
  ck_assert_uint_eq(json_array_size(list), 10);
  int compared = !strncmp(string_of(products, "yardstick"), "oneDNN 2.", 9);
  ck_assert(json_is_null(json_object_get(products, "ratio_mean")) == !compared);
  for (size_t i = 0; i < 10; i++) {
    const json_t *one = json_array_get(list, i);
    ck_assert_str_eq(string_of(one, "weight"), weights[i % 5]);
    ck_assert_int_eq(json_integer_value(json_object_get(one, "rows")), rows[i / 5]);
    double seconds = positive(one, "seconds");
    if (!compared) continue;
    double expected = positive(one, "yardstick_seconds") / seconds;
    ck_assert_double_le(fabs(positive(one, "ratio") - expected), 1e-4 * expected);
    expected = positive(one, "fp32_seconds") / seconds; /* the path has nothing for bf16 */
    ck_assert_double_le(fabs(positive(one, "fp32_ratio") - expected), 1e-4 * expected);
  }
}

/* Gangs are measured beside the same rows apart. */
static void check_gangs(const json_t *step) {
  check_step(step);
  ck_assert_str_eq(string_of(step, "kind"), "gangs");
  ck_assert_int_eq(json_integer_value(json_object_get(step, "threads")), 6);
  ck_assert_int_eq(json_integer_value(json_object_get(step, "workers")), 3);
  double apart = positive(step, "apart_seconds");
  ck_assert_double_le(positive(step, "apart_least_seconds"), apart);
  ck_assert_double_ge(positive(step, "apart_ceiling_seconds"), positive(step, "ceiling_seconds"));
  double expected = apart / positive(step, "seconds");
  ck_assert_double_le(fabs(positive(step, "rate_ratio") - expected), 1e-4 * expected);
}

START_TEST(json_is_whole) {
  outcome o = nightjar("bench", "--model", tiny_model(), "--quick", "--threads", "2", "--path",
                       "portable", "--decode", "1x1,3x40,1x1025", "--gangs", "2x3x50,1x2x1025",
                       "--prefill", "17", "--products", "1,3", "--json");
  ck_ended(o, 0);
  json_t *root = program_json(o.out);
  const json_t *steps = json_object_get(root, "steps");
  check_machine(root);
  ck_assert_uint_eq(json_array_size(steps), 6);
  check_step(json_array_get(steps, 0));
  check_step(json_array_get(steps, 1));
  ck_holds(string_of(json_array_get(steps, 2), "skipped"), "1024 positions");
  ck_assert_ptr_null(json_object_get(json_array_get(steps, 1), "workers"));
  check_gangs(json_array_get(steps, 3));
  ck_holds(string_of(json_array_get(steps, 4), "skipped"), "1024 positions");
  check_step(json_array_get(steps, 5));
  ck_assert_str_eq(string_of(json_array_get(steps, 5), "kind"), "prefill");
  ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(steps, 1), "threads")), 3);
  check_products(json_object_get(root, "products"));
  json_decref(root);
}
END_TEST

/* At most four steps are printed with their bytes, more in tables of shares; lines fit. */
START_TEST(text_is_whole) {
  const char *folder = tiny_model();
  outcome o =
      nightjar("bench", "--model", folder, "--quick", "--decode", "2x20,1x2000", "--repeats", "7");
  ck_ended(o, 0);
  ck_holds(o.out, "2x20, each operation alone");
  ck_holds(o.out, "best");
  ck_holds(o.out, "skipped 1x2000: longer than the model's 1024 positions");
  ck_lacks(o.out, "yardstick");
  ck_lacks(o.out, "apart");
  for (int i = 0; i < BENCH_OPERATION_COUNT; i++)
    ck_holds(o.out, bench_operation_name((bench_operation)i));
  o = nightjar("bench", "--model", folder, "--quick", "--decode",
               "1x2,1x3,1x4,1x5,1x6,1x7,1x8,1x9,2x9", "--products", "2");
  ck_ended(o, 0);
  ck_lacks(o.out, "each operation alone");
  ck_holds(o.out, "ms a step");
  ck_holds(o.out, "yardstick: oneDNN");
  for (const char *line = o.out; *line; line += strcspn(line, "\n") + 1)
    ck_assert_msg(strcspn(line, "\n") <= 100, "%.*s", (int)strcspn(line, "\n"), line);
}
END_TEST

START_TEST(gangs_stand_beside_their_rows_apart) {
  outcome o = nightjar("bench", "--model", tiny_model(), "--quick", "--gangs", "3x2x64,1x16x128",
                       "--threads", "1");
  ck_ended(o, 0);
  ck_holds(o.out, "of ceilings");
  ck_holds(o.out, "3x2x64, each operation alone");
  ck_holds(o.out, "1x16x128, each operation alone");
  for (const char *line = o.out; *line; line += strcspn(line, "\n") + 1)
    ck_assert_msg(strcspn(line, "\n") <= 100, "%.*s", (int)strcspn(line, "\n"), line);
}
END_TEST

/* Biases, norms of heads, tied embeddings and wide heads take other arguments. */
START_TEST(every_family_runs) {
  static const char *const families[] = {"tiny-llama-bias", "tiny-qwen2", "tiny-qwen3",
                                         "tiny-mistral"};
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    const char *folder = support_path(families[i]);
    ck_ended(nightjar("model", "synth", "--config", families[i], "-o", folder), 0);
    outcome o = nightjar("bench", "--model", folder, "--quick", "--decode", "2x18", "--prefill",
                         "5", "--threads", "1", "--repeats", "4", "--json");
    ck_ended(o, 0);
    json_t *root = program_json(o.out);
    const json_t *first = json_array_get(json_object_get(root, "steps"), 0);
    ck_assert(json_integer_value(json_object_get(first, "repeats")) >= 4);
    check_step(json_array_get(json_object_get(root, "steps"), 0));
    check_step(json_array_get(json_object_get(root, "steps"), 1));
    json_decref(root);
  }
}
END_TEST

/* ---- what is counted ------------------------------------------------------------------------- */

/* The bench model of 18 layers, hidden 1024, 16 heads of 64, feed-forward 2752, 32000 ids. */
static const model_config bench_config = {.layers = 18,
                                          .hidden = 1024,
                                          .heads = 16,
                                          .kv_heads = 16,
                                          .head_size = 64,
                                          .feed_forward = 2752,
                                          .vocabulary = 32000,
                                          .context = 4096};

static void sum_step(const bench_point *p, double *stream, double *product_flops) {
  *stream = *product_flops = 0;
  for (int o = 0; o < BENCH_OPERATION_COUNT; o++) {
    bench_cost c;
    bench_cost_of(&bench_config, p, (bench_operation)o, &c);
    *stream += c.calls * c.stream_bytes;
    if (bench_operation_is_product((bench_operation)o)) *product_flops += c.calls * c.flops;
  }
}

/* W = 520.9 MB of weights, k = 73,728 bytes of cache a token, P = 260.5 M parameters. */
START_TEST(a_step_moves_weights_and_cache) {
  const double parameters = 18 * (4 * 1024.0 * 1024 + 3 * 1024.0 * 2752) + 32000 * 1024.0;
  const int threads[] = {1, 32, 256}, tokens[] = {1, 512, 2048};
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      bench_point p = {.kind = BENCH_DECODE, .threads = threads[i], .tokens = tokens[j]};
      double stream, flops, seen = (double)threads[i] * tokens[j], rows = threads[i];
      sum_step(&p, &stream, &flops);
      ck_assert_double_eq(stream, 2 * parameters + 73728.0 * seen + 2.0 * 1024 * rows);
      ck_assert_double_eq(flops, 2 * parameters * rows + 18 * 4.0 * 1024 * seen);
      ck_assert_int_eq(bench_cache_bytes(&bench_config, &p, 1), 73728 * (int64_t)seen);
      int64_t whole = 73728LL * threads[i] * ((tokens[j] + 15) / 16 * 16);
      ck_assert_int_eq(bench_cache_bytes(&bench_config, &p, 16), whole);
    }
  }
}
END_TEST

/* A gang stores as many tokens as one of its workers sees, and computes as if all were apart. */
START_TEST(a_gang_moves_its_pages_once) {
  const double parameters = 18 * (4 * 1024.0 * 1024 + 3 * 1024.0 * 2752) + 32000 * 1024.0;
  const int gangs[] = {1, 8}, workers[] = {1, 4, 16}, tokens[] = {128, 512, 2047};
  for (int i = 0; i < 2 * 3 * 3; i++) {
    int count = gangs[i / 9], each = workers[i / 3 % 3], all = count * each;
    bench_point p = {.kind = BENCH_GANGS, .threads = all, .tokens = tokens[i % 3], .workers = each};
    bench_point apart = bench_apart(&p);
    bench_view v = bench_view_of(&p);
    double stream, flops, stream_apart, flops_apart;
    ck_assert(v.history > 0 && v.header > 0 && v.step > 0);
    ck_assert_int_eq(v.history + 2 * v.header + each * v.step, p.tokens);
    sum_step(&p, &stream, &flops);
    sum_step(&apart, &stream_apart, &flops_apart);
    ck_assert_int_eq(bench_rows(&p), all);
    ck_assert_int_eq(bench_outputs(&p), all);
    ck_assert_double_eq(flops, flops_apart);
    double rows = 2 * parameters + 2.0 * 1024 * all;
    ck_assert_double_eq(stream, rows + 73728.0 * count * p.tokens);
    ck_assert_double_eq(stream_apart, rows + 73728.0 * all * p.tokens);
    ck_assert_int_eq(bench_cache_bytes(&bench_config, &p, 1), 73728LL * count * p.tokens);
    int pages = (v.history + 15) / 16 + 2 * ((v.header + 15) / 16) + each * ((v.step + 15) / 16);
    ck_assert_int_eq(bench_cache_bytes(&bench_config, &p, 16), 73728LL * 16 * count * pages);
  }
}
END_TEST

/* A prompt's row r sees r + 1 keys, and its last row alone needs logits. */
START_TEST(a_prompt_computes_half_a_square) {
  const double layers = 18 * (4 * 1024.0 * 1024 + 3 * 1024.0 * 2752), table = 32000 * 1024.0;
  bench_point p = {.kind = BENCH_PREFILL, .threads = 1, .tokens = 2048};
  double stream, flops;
  sum_step(&p, &stream, &flops);
  ck_assert_double_eq(stream, 2 * (layers + table) + 2.0 * 1024 * 2048);
  ck_assert_double_eq(flops, 2 * layers * 2048 + 2 * table + 18 * 4.0 * 1024 * (2048.0 * 2049 / 2));
  ck_assert_int_eq(bench_rows(&p), 2048);
  ck_assert_int_eq(bench_outputs(&p), 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bench_model");
  TCase *cases = tcase_create("bench --model");
  suite_add_tcase(suite, cases);
  tcase_add_test(cases, json_is_whole);
  tcase_add_test(cases, text_is_whole);
  tcase_add_test(cases, gangs_stand_beside_their_rows_apart);
  tcase_add_test(cases, every_family_runs);
  tcase_add_test(cases, a_step_moves_weights_and_cache);
  tcase_add_test(cases, a_gang_moves_its_pages_once);
  tcase_add_test(cases, a_prompt_computes_half_a_square);
  return support_run(suite);
}
