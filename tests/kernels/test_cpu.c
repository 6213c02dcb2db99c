/* Every path of the processor against the reference, by bytes; rows together and alone; threads. */
#include "base/memory.h"
#include "kernels/number.h"
#include "tests/kernels/cases.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static detail err;

static device_options options_of(compute_type c, int threads, unsigned paths) {
  return (device_options){.compute = c, .threads = threads, .paths = paths};
}

static void same(const kernel_case *c, const char *how, const case_bytes *wanted, int first,
                 const case_bytes *got) {
  const unsigned char *from = wanted->data + (size_t)first * wanted->row_bytes;
  for (size_t i = 0; i < got->bytes; i++) {
    must_msg(got->data[i] == from[i], "%s, %s: byte %zu of row %zu of %zu bytes", case_name(c), how,
             i % got->row_bytes, first + i / got->row_bytes, got->row_bytes);
  }
}

/* All rows, then some alone and in pieces, against the reference's bytes for all rows. */
static void check_case(const kernel_case *c, const kernels *k, const device_options *o) {
  device_options plain = options_of(o->compute, 1, 0);
  case_bytes wanted = case_run(kernels_find("reference"), c, &plain, 0, c->rows);
  if (k != kernels_find("reference")) {
    case_bytes all = case_run(k, c, o, 0, c->rows);
    same(c, "all rows", &wanted, 0, &all);
  }
  case_bytes one = case_run(k, c, o, c->rows - 1, 1);
  same(c, "the last row alone", &wanted, c->rows - 1, &one);
  if (c->rows < 3) return;
  int half = c->rows / 2;
  case_bytes middle = case_run(k, c, o, half - 1, 1), head = case_run(k, c, o, 0, half);
  same(c, "a middle row alone", &wanted, half - 1, &middle);
  same(c, "the first half", &wanted, 0, &head);
}

static void check_path(const char *backend, unsigned path, int threads) {
  for (int c = COMPUTE_BF16; c <= COMPUTE_FP32; c++) {
    device_options o = options_of((compute_type)c, threads, path);
    for (size_t i = 0; i < kernel_cases_count; i++) {
      check_case(&kernel_cases[i], kernels_find(backend), &o);
      case_forget();
    }
  }
}

START_TEST(reference_rows_are_independent) {
  check_path("reference", 0, 1);
}
END_TEST

static const cpu_path paths[] = {CPU_PORTABLE, CPU_AVX2, CPU_AVX512, CPU_BF16, CPU_AMX, CPU_TILES};

START_TEST(paths_have_the_bytes_of_the_reference) {
  cpu_path path = paths[_i];
  if (!(kernels_cpu_paths() & path)) {
    printf("absent on this machine, and not tested: %s\n", kernels_cpu_path_name(path));
    return;
  }
  check_path("cpu", path, 1);
  printf("tested against the reference: %s\n", kernels_cpu_path_name(path));
}
END_TEST

START_TEST(threads_do_not_matter) {
  for (int threads = 2; threads <= 3; threads++)
    check_path("cpu", 0, threads);
}
END_TEST

/* Keys and values that were moved without a turn are those that were appended, bit for bit. */
START_TEST(what_is_moved_is_the_same) {
  const unsigned masks[] = {0, CPU_PORTABLE, CPU_AVX2, CPU_AVX512, CPU_BF16, CPU_AMX, CPU_TILES};
  for (size_t p = 0; p < sizeof masks / sizeof *masks; p++) {
    if (p > 0 && !(kernels_cpu_paths() & masks[p])) continue;
    const kernels *k = kernels_find(p ? "cpu" : "reference");
    for (size_t i = 0; i < kernel_cases_count; i++) {
      kernel_case c = kernel_cases[i];
      if (c.operation != CASE_SPLICE || c.turn) continue;
      device_options o = options_of(COMPUTE_BF16, 1, masks[p]);
      case_bytes moved = case_run(k, &c, &o, 0, c.rows);
      c.operation = CASE_ATTENTION;
      case_bytes wanted = case_run(k, &c, &o, 0, c.rows);
      same(&kernel_cases[i], "moved", &wanted, 0, &moved);
      case_forget();
    }
  }
}
END_TEST

/* A key that a turn makes larger than can be stored is zero, so that a query of zeros finds a score
   of zero and not of zero times infinity. */
static float value_beside_a_large_key(const kernels *k, unsigned path) {
  static const float rope[] = {1, 0, 0.75f, 0.75f}, q[2] = {0};
  static const float key[] = {3.2e38f, 3.2e38f}, value[] = {1, 2};
  static const int32_t home[] = {0}, moved[] = {19}, pages[] = {1}, none[4] = {0}, one[] = {0, 1};
  static const int32_t keys[] = {4};
  device_options o = {COMPUTE_BF16, 1, path, 1, 1, 2, 2, 16};
  device *d;
  float unused[2];
  uint16_t out[2];
  step_plan plan = {.rows = 1, .spans = 1, .write_slot = home, .write_position = none};
  rope_append_args append = {&plan, 0,    1,    q,     key,  value, 2,      2,
                             2,     NULL, NULL, 1e-6f, rope, 2,     unused, NULL};
  splice_args splice = {1, home, moved, 1, rope, 2};
  ck_ok(k->open(&d, &o, &err));
  ck_ok(k->rope_append(d, &append, &err));
  ck_ok(k->splice(d, &splice, &err));
  plan.row_span = one, plan.span_page = none, plan.span_keys = keys;
  plan.span_position = none, plan.pages = pages;
  attention_args a = {&plan, 0, 1, q, rope, 2, out};
  ck_ok(k->attention(d, &a, &err));
  k->close(d);
  return number_from_bf16(out[1]);
}

START_TEST(what_turns_too_large_is_zero) {
  ck_assert(value_beside_a_large_key(kernels_find("reference"), 0) == 0.5f);
  for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
    if (!(kernels_cpu_paths() & paths[p])) continue;
    ck_assert(value_beside_a_large_key(kernels_find("cpu"), paths[p]) == 0.5f);
  }
}
END_TEST

/* Products one right after another and with pauses that put the device's threads to sleep, on more
   threads than there are shares at times: all have the bytes of the first. */
START_TEST(threads_sleep_and_wake) {
  enum { N = 80, K = 64, ROWS = 3 };
  const kernels *cpu = kernels_find("cpu");
  static float w[N * K];
  static uint16_t x[ROWS * K];
  float first[ROWS * N], y[ROWS * N];
  random_stream s = case_stream("threads that sleep");
  for (int i = 0; i < N * K; i++)
    w[i] = case_number(&s);
  for (int i = 0; i < ROWS * K; i++)
    x[i] = (uint16_t)(0x3f80u | (random_next(&s) & 0x807fu));
  for (int threads = 1; threads <= 5; threads++) {
    device_options o = {COMPUTE_BF16, threads, 0, 1, 1, 32, 1, 16};
    weight_part part = {w, ELEMENT_FP32, N};
    weight_source source = {&part, 1, K};
    device *d;
    packed_weight *packed;
    ck_ok(cpu->open(&d, &o, &err));
    ck_ok(cpu->weight_pack(d, &packed, &source, &err));
    for (int i = 0; i < 60; i++) {
      product_args a = {.rows = ROWS, .x = x, .w = packed, .y = y};
      memset(y, 0xff, sizeof y);
      ck_ok(cpu->product(d, &a, &err));
      if (threads == 1 && i == 0) memcpy(first, y, sizeof y);
      must(!memcmp(first, y, sizeof y));
      if (i % 4 == 3) nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    cpu->weight_free(d, packed);
    cpu->close(d);
  }
}
END_TEST

enum { LEAST_N = 48, LEAST_K = 96, LEAST_ROWS = 9 };

static void product_of(const kernels *k, unsigned path, const uint16_t *x, const uint16_t *w,
                       float *y) {
  device_options o = {COMPUTE_BF16, 1, path, 1, 1, 32, 0, 16};
  weight_part part = {w, ELEMENT_BF16, LEAST_N};
  weight_source source = {&part, 1, LEAST_K};
  device *d;
  packed_weight *packed;
  ck_ok(k->open(&d, &o, &err));
  ck_ok(k->weight_pack(d, &packed, &source, &err));
  product_args a = {.rows = LEAST_ROWS, .x = x, .w = packed, .y = y};
  ck_ok(k->product(d, &a, &err));
  k->weight_free(d, packed);
  k->close(d);
}

static void draw_roots(random_stream *s, uint16_t *to, int count) {
  static const uint16_t roots[] = {0x2000, 0x1f80, 0x1800, 0x1873, 0, 0x0011};
  for (int i = 0; i < count; i++)
    to[i] = (uint16_t)(roots[random_below(s, 6)] | (random_next(s) & 0x8000u));
}

/* Sums that pass the least normal number, 2^-126: products are that, a half of it, or so little
   that it only matters whether a result is tiny before rounding or after. */
START_TEST(sums_at_the_least_number) {
  uint16_t x[LEAST_ROWS * LEAST_K], w[LEAST_N * LEAST_K];
  float wanted[LEAST_ROWS * LEAST_N], got[LEAST_ROWS * LEAST_N];
  random_stream s = case_stream("the least number");
  int least = 0;
  draw_roots(&s, x, LEAST_ROWS * LEAST_K);
  draw_roots(&s, w, LEAST_N * LEAST_K);
  product_of(kernels_find("reference"), 0, x, w, wanted);
  for (int i = 0; i < LEAST_ROWS * LEAST_N; i++)
    least += (number_bits(wanted[i]) & 0x7fffffffu) == 0x00800000u;
  ck_assert_int_ge(least, 10);
  for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
    if (!(kernels_cpu_paths() & paths[p])) continue;
    product_of(kernels_find("cpu"), paths[p], x, w, got);
    must_msg(!memcmp(got, wanted, sizeof got), "%s", kernels_cpu_path_name(paths[p]));
  }
}
END_TEST

/* Rows from 1 to 70 of one product: every way in which blocks can be cut. */
START_TEST(every_number_of_rows) {
  kernel_case c = {.operation = CASE_PRODUCT, .rows = 70, .n = 77, .k = 75, .further = 1};
  for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
    if (!(kernels_cpu_paths() & paths[p])) continue;
    for (int kind = COMPUTE_BF16; kind <= COMPUTE_FP32; kind++) {
      device_options o = options_of((compute_type)kind, 1, paths[p]);
      case_bytes wanted = case_run(kernels_find("reference"), &c, &o, 0, c.rows);
      for (int rows = 1; rows <= c.rows; rows++) {
        case_bytes got = case_run(kernels_find("cpu"), &c, &o, c.rows - rows, rows);
        same(&c, kernels_cpu_path_name(paths[p]), &wanted, c.rows - rows, &got);
      }
      case_forget();
    }
  }
}
END_TEST

START_TEST(the_best_allowed_path_is_chosen) {
  const kernels *cpu = kernels_find("cpu");
  device_options o = {COMPUTE_BF16, 1, 0, 1, 1, 32, 1, 16};
  unsigned have = kernels_cpu_paths();
  cpu_path best = CPU_PORTABLE;
  device *d;
  for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
    o.paths = paths[p];
    if (have & paths[p]) {
      ck_ok(cpu->open(&d, &o, &err));
      ck_assert_str_eq(cpu->path(d), kernels_cpu_path_name(paths[p]));
      cpu->close(d);
      if (paths[p] != CPU_TILES) best = paths[p];
    } else {
      ck_fails(cpu->open(&d, &o, &err), E_DEVICE, "none of the paths");
    }
  }
  for (int all = 0; all < 2; all++) {
    o.paths = all ? have : 0;
    ck_ok(cpu->open(&d, &o, &err));
    ck_assert_str_eq(cpu->path(d), kernels_cpu_path_name(best));
    cpu->close(d);
  }
  cpu->close(NULL);
}
END_TEST

/* Every allocation of opening, packing and sampling fails in turn, and nothing is lost or broken.
 */
START_TEST(memory_runs_out_cleanly) {
  const kernels *cpu = kernels_find("cpu");
  device_options o = {COMPUTE_BF16, 2, 0, 1, 1, 32, 1, 16};
  float w[64] = {0}, logits[5] = {0};
  weight_part part = {w, ELEMENT_FP32, 2};
  weight_source source = {&part, 1, 32};
  sample_row row = {.top_p = 1};
  sample_result result;
  sample_args sample = {1, 5, logits, &row, NULL, &result, NULL};
  int failures = 0;
  for (int left = 0;; left++) {
    device *d = NULL;
    packed_weight *packed = NULL;
    memory_fail_after(left);
    status s = cpu->open(&d, &o, &err);
    if (!s) s = cpu->weight_pack(d, &packed, &source, &err);
    if (!s) s = cpu->sample(d, &sample, &err);
    memory_fail_after(-1);
    if (d && packed) cpu->weight_free(d, packed);
    cpu->close(d);
    if (!s) break;
    ck_assert_int_eq(s, E_MEMORY);
    failures++;
  }
  ck_assert_int_ge(failures, 9);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cpu");
  TCase *all = tcase_create("cpu");
  tcase_add_test(all, reference_rows_are_independent);
  tcase_add_loop_test(all, paths_have_the_bytes_of_the_reference, 0, sizeof paths / sizeof *paths);
  tcase_add_test(all, threads_do_not_matter);
  tcase_add_test(all, what_is_moved_is_the_same);
  tcase_add_test(all, what_turns_too_large_is_zero);
  tcase_add_test(all, threads_sleep_and_wake);
  tcase_add_test(all, sums_at_the_least_number);
  tcase_add_test(all, every_number_of_rows);
  tcase_add_test(all, the_best_allowed_path_is_chosen);
  tcase_add_test(all, memory_runs_out_cleanly);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
