/* Ceilings give rates that a machine can have, and the yardstick computes the product that it is
   held against. No test looks at how fast anything is. */
#include "base/clock.h"
#include "kernels/ceiling.h"
#include "kernels/number.h"
#include "kernels/yardstick.h"
#include "tests/kernels/cases.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static detail err;

START_TEST(rates_are_finite) {
  ceiling *c;
  ck_ok(ceiling_open(&c, 3, 1 << 20, &err));
  for (int u = 0; u < CEILING_UNITS; u++) {
    if (!ceiling_has((ceiling_unit)u)) continue;
    for (int threads = 1; threads <= 3; threads += 2) {
      double rate = ceiling_arithmetic(c, (ceiling_unit)u, threads, 100000);
      ck_assert_msg(isfinite(rate) && rate > 0, "%s, %d threads", ceiling_unit_name(u), threads);
    }
  }
  static const size_t footprints[] = {0, 1, 64, 4032, 100000, 1 << 20, 1 << 30};
  for (size_t i = 0; i < sizeof footprints / sizeof *footprints; i++) {
    for (int threads = 1; threads <= 3; threads++) {
      double rate = ceiling_read(c, footprints[i], threads, 100000);
      ck_assert_msg(isfinite(rate) && rate > 0, "%zu bytes, %d threads", footprints[i], threads);
    }
  }
  ceiling_close(c);
  ceiling_close(NULL);
}
END_TEST

START_TEST(a_burst_lasts_as_long_as_asked) {
  ceiling *c;
  ck_ok(ceiling_open(&c, 1, 1 << 20, &err));
  int64_t start = clock_monotonic_ns();
  (void)ceiling_arithmetic(c, CEILING_PLAIN, 1, 3000000);
  ck_assert_int_ge(clock_monotonic_ns() - start, 3000000);
  start = clock_monotonic_ns();
  (void)ceiling_read(c, 4096, 1, 3000000);
  ck_assert_int_ge(clock_monotonic_ns() - start, 3000000);
  ceiling_close(c);
}
END_TEST

/* Each path of the processor has units, and a path that the machine has has units that it has. */
START_TEST(paths_have_units) {
  unsigned has = kernels_cpu_paths();
  for (unsigned path = CPU_PORTABLE; path <= CPU_TILES; path *= 2) {
    ceiling_unit product = CEILING_UNITS, other = CEILING_UNITS;
    ceiling_of_path(kernels_cpu_path_name((cpu_path)path), &product, &other);
    ck_assert(product < CEILING_UNITS && other < CEILING_UNITS && other != CEILING_TILES);
    ck_assert_int_eq(product == CEILING_TILES, path == CPU_AMX);
    ck_assert_int_eq(product == CEILING_BF16, path == CPU_BF16);
    if (has & path) ck_assert(ceiling_has(product) && ceiling_has(other));
  }
}
END_TEST

static uint16_t *bf16_numbers(random_stream *s, size_t count) {
  uint16_t *x = calloc(count, sizeof *x);
  ck_assert_ptr_nonnull(x);
  for (size_t i = 0; i < count; i++)
    x[i] = number_to_bf16((float)random_between(s, -1000, 1000) * 0x1p-10f);
  return x;
}

static float *fp32_numbers(const uint16_t *from, size_t count) {
  float *x = calloc(count, sizeof *x);
  ck_assert_ptr_nonnull(x);
  for (size_t i = 0; i < count; i++)
    x[i] = number_from_bf16(from[i]);
  return x;
}

/* Against double: k terms below 1 in fp32, whatever their order, are off by less than k^2 2^-24. */
static void check_product(yardstick *y, int rows, int n, int k, int fp32) {
  random_stream s = case_stream("yardstick");
  uint16_t *x = bf16_numbers(&s, (size_t)rows * (size_t)k), *w = bf16_numbers(&s, (size_t)n * k);
  float *out = calloc((size_t)rows * (size_t)n, sizeof *out);
  float *wide_x = fp32_numbers(x, (size_t)rows * k), *wide_w = fp32_numbers(w, (size_t)n * k);
  yardstick_product *p;
  yardstick_shape shape = {.rows = rows,
                           .n = n,
                           .k = k,
                           .fp32 = fp32,
                           .x = fp32 ? (void *)wide_x : x,
                           .w = fp32 ? (void *)wide_w : w,
                           .y = out};
  ck_ok(yardstick_product_open(&p, y, &shape, &err));
  ck_ok(yardstick_product_run(p, &err));
  yardstick_product_close(p);
  for (int r = 0; r < rows; r++) {
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int i = 0; i < k; i++) {
        sum += (double)number_from_bf16(x[(size_t)r * k + i]) *
               (double)number_from_bf16(w[(size_t)j * k + i]);
      }
      ck_assert_double_le(fabs(sum - (double)out[(size_t)r * n + j]), (double)k * k * 0x1p-24);
    }
  }
  free(x);
  free(w);
  free(wide_x);
  free(wide_w);
  free(out);
}

START_TEST(the_yardstick_multiplies) {
  yardstick *y;
  status missing = yardstick_open(&y, 2, &err);
  if (missing) { /* optional: then it says how to get it */
    ck_assert_int_eq(missing, E_DEVICE);
    ck_assert_msg(strstr(err.text, "apt install") || strstr(err.text, "processor"), "%s", err.text);
    return;
  }
  ck_assert_msg(!strncmp(yardstick_name(y), "oneDNN 2.", 9), "%s", yardstick_name(y));
  for (int fp32 = 0; fp32 < 2; fp32++) {
    check_product(y, 1, 64, 96, fp32);
    check_product(y, 17, 50, 70, fp32);
  }
  yardstick_close(y);
  yardstick_close(NULL);
  yardstick_product_close(NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ceiling");
  TCase *cases = tcase_create("ceilings");
  suite_add_tcase(suite, cases);
  tcase_add_test(cases, rates_are_finite);
  tcase_add_test(cases, a_burst_lasts_as_long_as_asked);
  tcase_add_test(cases, paths_have_units);
  tcase_add_test(cases, the_yardstick_multiplies);
  return support_run(suite);
}
