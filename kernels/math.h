/* Our own elementary functions, so that a token's bits do not depend on a library's version. Only
   additions, multiplications, divisions and fused multiply-adds, each correctly rounded, in an
   order that is written here once: every backend of the processor gives these bits. Pure, any
   thread, in the default floating-point mode or in that of the kernels.

   Errors are the greatest found against libm by tests/kernels/test_math.c, in units of the last
   place of the exact value. */
#ifndef KERNELS_MATH_H
#define KERNELS_MATH_H

/* e^x: within 1.02 ulp over all floats. Zero below -87.33654 (where the result would be tiny),
   infinite above 88.72283; NaN for NaN. */
float math_exp(float x);

/* The same in double, for |x| <= 700: within 1.0 ulp. For what is made once: rotary tables. */
double math_exp_double(double x);

/* Natural logarithm of a normal positive number: within 1.0 ulp. */
double math_log_double(double x);

/* |x| <= 1,000,000 (radians): within 2^-52 absolutely, which tables rounded to fp32 do not see. */
double math_sin_double(double x);
double math_cos_double(double x);

#endif
