/* The constants of math_exp, shared by its scalar and its vector forms.

   n = round(x / ln 2), r = x - n ln 2 in two parts, and e^r = 1 + (r + r^2 P(r)) with the
   polynomial of Cephes (Moshier 1989, expf); 2^n is added to the exponent. Adding EXP_ROUND rounds
   to a whole number and leaves it in the low bits. */
#ifndef KERNELS_EXP_INTERNAL_H
#define KERNELS_EXP_INTERNAL_H

#define EXP_LOWEST   (-0x1.5d589ep+6f) /* the first float whose result is surely normal */
#define EXP_HIGHEST  0x1.62e42ep+6f    /* the last whose result is finite */
#define EXP_ABOVE    0x1.62e430p+6f    /* the float after it */
#define EXP_LOG2E    0x1.715476p+0f
#define EXP_ROUND    0x1.8p+23f
#define EXP_LN2_HIGH 0x1.62e430p-1f
#define EXP_LN2_LOW  (-0x1.05c610p-29f)
#define EXP_P0       1.9875691500e-4f
#define EXP_P1       1.3981999507e-3f
#define EXP_P2       8.3334519073e-3f
#define EXP_P3       4.1665795894e-2f
#define EXP_P4       1.6666665459e-1f
#define EXP_P5       5.0000001201e-1f

#endif
