/* Conversions between the number formats of checkpoints, exact or rounded once to nearest even.
   Integer arithmetic, so that no floating-point mode matters. Pure, any thread. */
#ifndef KERNELS_NUMBER_H
#define KERNELS_NUMBER_H

#include <stdint.h>
#include <string.h>

static inline uint32_t number_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float number_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline float number_from_bf16(uint16_t x) {
  return number_of_bits((uint32_t)x << 16);
}

/* NaN stays NaN; what is too large becomes infinite. */
static inline uint16_t number_to_bf16(float x) {
  uint32_t bits = number_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
  return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* IEEE 754 binary16, exact. */
static inline float number_from_fp16(uint16_t x) {
  uint32_t sign = (uint32_t)(x & 0x8000u) << 16, exponent = x >> 10 & 31u, fraction = x & 0x3ffu;
  if (exponent == 31) return number_of_bits(sign | 0x7f800000u | fraction << 13);
  if (exponent) return number_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
  if (!fraction) return number_of_bits(sign);
  exponent = 113; /* a denormal: shifted until its leading one is where it is implied */
  while (!(fraction & 0x400u)) {
    fraction <<= 1;
    exponent--;
  }
  return number_of_bits(sign | exponent << 23 | (fraction & 0x3ffu) << 13);
}

static inline int number_is_finite(float x) {
  return (number_bits(x) & 0x7f800000u) != 0x7f800000u;
}

#endif
