/* Our elementary functions against libm's, number formats, rotary tables. `test_math all` tries
   every float from 2^-30 to 128, either sign; what is not tried whole is tried by one in 257. */
#include "base/random.h"
#include "kernels/exp_internal.h"
#include "kernels/math.h"
#include "kernels/number.h"
#include "kernels/rope.h"
#include "tests/kernels/cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t stride = 257;
static detail err;

/* Distance in units of the last place of a float near exact. */
static double ulps(float got, double exact) {
  int exponent;
  frexp(exact, &exponent);
  return fabs((double)got - exact) / ldexp(1, exponent - 24);
}

/* From one float to the next to try. */
static uint32_t step(uint32_t bits) {
  uint32_t size = bits & 0x7fffffffu;
  return size >= 0x30800000u && size < 0x43000000u ? stride : 257;
}

START_TEST(exp_is_within_its_bound) {
  double worst = 0;
  for (uint64_t bits = 0; bits < 1ull << 32; bits += step((uint32_t)bits)) {
    float x = number_of_bits((uint32_t)bits), y = math_exp(x);
    if (x != x) {
      must(y != y);
      continue;
    }
    double exact = exp((double)x);
    if (x > -87.3365f && x < 88.7228f) {
      double error = ulps(y, exact);
      if (error > worst) worst = error;
    } else if (x < -87.3366f) {
      must_msg(y == 0 && !signbit(y), "exp(%a) = %a", (double)x, (double)y);
    } else if (x > 88.7229f) {
      must_msg(isinf(y) && y > 0, "exp(%a) = %a", (double)x, (double)y);
    }
  }
  printf("exp: %.4f ulp at most\n", worst);
  ck_assert_msg(worst < 1.02, "%f ulp", worst);
  ck_assert(math_exp(0.0f) == 1.0f && math_exp(-0.0f) == 1.0f);
  ck_assert(math_exp(EXP_LOWEST) >= 0x1p-126f && isfinite(math_exp(EXP_HIGHEST)));
}
END_TEST

static double uniform(random_stream *s, double low, double high) {
  double u = ((double)random_next(s) * 0x1p32 + random_next(s)) * 0x1p-64;
  return low + u * (high - low);
}

static double wide_ulps(double got, long double exact) {
  int exponent;
  frexpl(exact, &exponent);
  return (double)(fabsl((long double)got - exact) / ldexpl(1, exponent - 53));
}

START_TEST(double_functions_are_within_their_bounds) {
  random_stream s = case_stream("doubles");
  double e = 0, l = 0, n = 0, t = 0;
  for (int i = 0; i < 300000; i++) {
    double x = uniform(&s, -40, 40), p = uniform(&s, 0, i % 2 ? 2 : 1e6);
    double u = ((double)random_next(&s) + 0.5) * 0x1p-32, angle = uniform(&s, -1e6, 1e6);
    if (i % 3) angle = uniform(&s, 0, 10);
    e = fmax(e, wide_ulps(math_exp_double(x), expl(x)));
    if (p > 1e-3) l = fmax(l, wide_ulps(math_log_double(p), logl(p)));
    n = fmax(n, wide_ulps(math_log_double(u), logl(u)));
    t = fmax(t, (double)fabsl(math_sin_double(angle) - sinl(angle)));
    t = fmax(t, (double)fabsl(math_cos_double(angle) - cosl(angle)));
  }
  printf("double exp %.3f, log %.3f, log of uniforms %.3f ulp; sin, cos %.3g absolutely\n", e, l, n,
         t);
  ck_assert(e < 1 && l < 1 && n < 1);
  ck_assert(t < 0x1p-52);
  ck_assert(math_sin_double(0) == 0 && math_cos_double(0) == 1 && math_log_double(1) == 0);
}
END_TEST

START_TEST(formats_are_exact_or_rounded_once) {
  for (uint32_t x = 0; x < 65536; x++) {
    float wide = number_from_bf16((uint16_t)x);
    if (wide == wide) must(number_to_bf16(wide) == x);
    /* binary16 by its definition */
    int sign = x >> 15 ? -1 : 1, exponent = (int)(x >> 10 & 31), fraction = (int)(x & 1023);
    double value = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    float half = number_from_fp16((uint16_t)x);
    if (exponent == 31) {
      must(fraction ? half != half : isinf(half) && (half > 0) == (sign > 0));
    } else {
      must(half == (float)(sign * value) && !signbit(half) == (sign > 0));
    }
  }
  random_stream s = case_stream("bf16");
  for (int i = 0; i < 1000000; i++) {
    uint32_t bits = random_next(&s);
    float x = number_of_bits(bits), y = number_from_bf16(number_to_bf16(x));
    if (x != x) {
      must(y != y);
      continue;
    }
    float low = number_of_bits(bits & 0xffff0000u), high = number_of_bits(((bits >> 16) + 1) << 16);
    double down = fabs((double)x - (double)low), up = fabs((double)high - (double)x);
    if (isinf(x)) {
      must(y == x);
    } else if (isfinite(high)) {
      must(y == (down < up || (down == up && !(bits >> 16 & 1)) ? low : high));
    }
  }
}
END_TEST

static void table_is_right(const rope_options *o, int positions) {
  int half = o->head_size / 2;
  double frequency[KERNELS_HEAD_MAX / 2];
  float *table = malloc((size_t)positions * o->head_size * sizeof *table);
  ck_ok(rope_fill(o, positions, table, &err));
  ck_ok(rope_frequencies(o, frequency, &err));
  for (int p = 0; p < positions; p += p < 100 ? 1 : 997) {
    for (int i = 0; i < half; i++) {
      const float *turn = table + (size_t)p * o->head_size;
      long double angle = (long double)p * (long double)frequency[i];
      /* half an ulp below one, and what the double angle lacks */
      long double bound = 0x1p-25L + 0x1p-52L * (1 + angle);
      must(fabsl((long double)turn[i] - cosl(angle)) <= bound);
      must(fabsl((long double)turn[half + i] - sinl(angle)) <= bound);
    }
  }
  free(table);
}

START_TEST(rotary_tables_are_the_formula) {
  rope_options plain = {.kind = ROPE_PLAIN, .head_size = 80, .theta = 500000};
  double frequency[KERNELS_HEAD_MAX / 2], scaled[KERNELS_HEAD_MAX / 2];
  table_is_right(&plain, 131072);
  ck_ok(rope_frequencies(&plain, frequency, &err));
  for (int i = 0; i < 40; i++) {
    double exact = pow(500000, -2.0 * i / 80);
    must(fabs(frequency[i] - exact) <= 1e-14 * exact);
  }
  rope_options linear = {.kind = ROPE_LINEAR, .head_size = 80, .theta = 500000, .factor = 4};
  ck_ok(rope_frequencies(&linear, scaled, &err));
  for (int i = 0; i < 40; i++)
    must(scaled[i] == frequency[i] / 4);
}
END_TEST

/* Llama 3.1: by wavelength, as the paper's code says it: long ones are divided, short ones kept. */
START_TEST(llama3_scaling_blends_by_wavelength) {
  rope_options o = {ROPE_LLAMA3, 128, 500000, 8, 1, 4, 8192};
  double got[64];
  int kinds[3] = {0};
  ck_ok(rope_frequencies(&o, got, &err));
  for (int i = 0; i < 64; i++) {
    double f = pow(500000, -2.0 * i / 128), wavelength = 2 * 3.14159265358979323846 / f, wanted;
    if (wavelength < 8192.0 / 4) {
      wanted = f, kinds[0]++;
    } else if (wavelength > 8192.0 / 1) {
      wanted = f / 8, kinds[1]++;
    } else {
      double smooth = (8192 / wavelength - 1) / (4 - 1);
      wanted = (1 - smooth) * f / 8 + smooth * f, kinds[2]++;
    }
    ck_assert_msg(fabs(got[i] - wanted) <= 1e-13 * wanted, "%d: %.17g, not %.17g", i, got[i],
                  wanted);
  }
  ck_assert(kinds[0] && kinds[1] && kinds[2]);
  table_is_right(&o, 10000);
}
END_TEST

START_TEST(senseless_tables_are_refused) {
  float table[64];
  rope_options o = {.kind = ROPE_PLAIN, .head_size = 8, .theta = 10000};
  ck_ok(rope_fill(&o, 8, table, &err));
  ck_fails(rope_fill(&o, 0, table, &err), E_INPUT, "1000000");
  ck_fails(rope_fill(&o, ROPE_POSITIONS_MAX + 1, table, &err), E_INPUT, "1000001");
  o.head_size = 7;
  ck_fails(rope_fill(&o, 8, table, &err), E_INPUT, "head size 7");
  o = (rope_options){.kind = ROPE_PLAIN, .head_size = 8, .theta = (double)NAN};
  ck_fails(rope_fill(&o, 8, table, &err), E_INPUT, "rotary base");
  o = (rope_options){.kind = ROPE_LINEAR, .head_size = 8, .theta = 10000, .factor = 0.5};
  ck_fails(rope_fill(&o, 8, table, &err), E_INPUT, "scaling by 0.5");
  o = (rope_options){ROPE_LLAMA3, 8, 10000, 8, 4, 4, 8192};
  ck_fails(rope_fill(&o, 8, table, &err), E_INPUT, "low_freq_factor");
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "all")) stride = 1;
  Suite *suite = suite_create("math");
  TCase *functions = tcase_create("functions");
  tcase_add_test(functions, exp_is_within_its_bound);
  tcase_add_test(functions, double_functions_are_within_their_bounds);
  tcase_add_test(functions, formats_are_exact_or_rounded_once);
  suite_add_tcase(suite, functions);
  TCase *tables = tcase_create("tables");
  tcase_add_test(tables, rotary_tables_are_the_formula);
  tcase_add_test(tables, llama3_scaling_blends_by_wavelength);
  tcase_add_test(tables, senseless_tables_are_refused);
  suite_add_tcase(suite, tables);
  return support_run(suite);
}
