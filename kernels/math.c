#include "kernels/math.h"

#include "base/status.h"
#include "kernels/exp_internal.h"
#include "kernels/number.h"

#include <math.h>

float math_exp(float x) {
  if (x < EXP_LOWEST) return 0.0f;
  if (x > EXP_HIGHEST) return number_of_bits(0x7f800000u);
  if (x != x) return x;
  float shifted = fmaf(x, EXP_LOG2E, EXP_ROUND);
  float n = shifted - EXP_ROUND;
  float r = fmaf(n, -EXP_LN2_HIGH, x);
  r = fmaf(n, -EXP_LN2_LOW, r);
  float p = fmaf(EXP_P0, r, EXP_P1);
  p = fmaf(p, r, EXP_P2);
  p = fmaf(p, r, EXP_P3);
  p = fmaf(p, r, EXP_P4);
  p = fmaf(p, r, EXP_P5);
  float y = fmaf(r * r, p, r) + 1.0f;
  return number_of_bits(number_bits(y) + (number_bits(shifted) << 23));
}

/* The double functions follow fdlibm (Sun Microsystems 1993): e_exp.c, e_log.c, k_sin.c, k_cos.c,
   without its cases for arguments that we refuse. */

static const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;

static double scaled(double x, int64_t exponent) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits += (uint64_t)exponent << 52;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* To the nearest whole number; |x| < 2^51. */
static double whole(double x) {
  const double shift = 0x1.8p+52;
  return x + shift - shift;
}

double math_exp_double(double x) {
  REQUIRE(x >= -700 && x <= 700);
  double n = whole(x * 1.44269504088896338700e+00);
  double high = x - n * ln2_high, low = n * ln2_low, r = high - low, t = r * r;
  double c = 4.13813679705723846039e-08;
  c = -1.65339022054652515390e-06 + t * c;
  c = 6.61375632143793436117e-05 + t * c;
  c = -2.77777777770155933842e-03 + t * c;
  c = r - t * (1.66666666666666019037e-01 + t * c);
  return scaled(1.0 - ((low - r * c / (2.0 - c)) - high), (int64_t)n);
}

double math_log_double(double x) {
  REQUIRE(x >= 0x1p-1022 && x < (double)INFINITY);
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  /* x = 2^n (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). */
  int64_t n = (int64_t)(bits >> 52) - 1023;
  if ((bits & 0xfffffffffffffu) > 0x6a09e667f3bcdu) n++;
  double f = scaled(x, -n) - 1.0, s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
  double p = 1.479819860511658591e-01;
  p = 1.531383769920937332e-01 + z * p;
  p = 1.818357216161805012e-01 + z * p;
  p = 2.222219843214978396e-01 + z * p;
  p = 2.857142874366239149e-01 + z * p;
  p = 3.999999999940941908e-01 + z * p;
  p = z * (6.666666666666735130e-01 + z * p);
  double k = (double)n;
  return k * ln2_high - ((half - (s * (half + p) + k * ln2_low)) - f);
}

static double sin_near_zero(double x) {
  double z = x * x, p = 1.58969099521155010221e-10;
  p = -2.50507602534068634195e-08 + z * p;
  p = 2.75573137070700676789e-06 + z * p;
  p = -1.98412698298579493134e-04 + z * p;
  p = 8.33333333332248946124e-03 + z * p;
  return x + z * x * (-1.66666666666666324348e-01 + z * p);
}

static double cos_near_zero(double x) {
  double z = x * x, p = -1.13596475577881948265e-11;
  p = 2.08757232129817482790e-09 + z * p;
  p = -2.75573143513906633035e-07 + z * p;
  p = 2.48015872894767294178e-05 + z * p;
  p = -1.38888888888741095749e-03 + z * p;
  p = z * (4.16666666666666019037e-02 + z * p);
  double half = 0.5 * z, most = 1.0 - half;
  return most + ((1.0 - most - half) + z * p);
}

/* x less the nearest multiple of pi / 2, of which the first two parts have 33 bits each, so that
   their products with n are exact; *quarter is n modulo 4. */
static double less_quarters(double x, int *quarter) {
  REQUIRE(x >= -1e6 && x <= 1e6);
  double n = whole(x * 6.36619772367581382433e-01);
  *quarter = (int)((int64_t)n & 3);
  double r = x - n * 1.57079632673412561417e+00, part = n * 6.07710050630396597660e-11;
  double rest = r - part;
  return rest - (n * 2.02226624879595063154e-21 - ((r - rest) - part));
}

static double turned(double x, int further) {
  int quarter;
  double r = less_quarters(x, &quarter);
  quarter = (quarter + further) & 3;
  double y = quarter & 1 ? cos_near_zero(r) : sin_near_zero(r);
  return quarter & 2 ? -y : y;
}

double math_sin_double(double x) {
  return turned(x, 0);
}

double math_cos_double(double x) {
  return turned(x, 1);
}
