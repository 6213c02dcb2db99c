#include "kernels/math.h"
#include "kernels/sample_internal.h"

uint64_t sample_mass(float x) {
  /* exp(x) has 24 bits, so its product with 2^40 is exact; adding and taking 2^23 rounds what may
     still have a fraction, to nearest even. */
  float scaled = math_exp(x) * 0x1p+40f;
  if (scaled < 0x1p+23f) scaled = (scaled + 0x1p+23f) - 0x1p+23f;
  return (uint64_t)scaled;
}

double sample_log_mass(uint64_t mass) {
  return math_log_double((double)mass * 0x1p-40);
}

double sample_noise(const sample_row *row, uint32_t id) {
  uint32_t words[4];
  random_words(row->key, row->counter, id / 4, words);
  double u = ((double)words[id % 4] + 0.5) * 0x1p-32;
  return -math_log_double(-math_log_double(u));
}
