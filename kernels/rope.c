#include "kernels/rope.h"

#include "kernels/kernels.h"
#include "kernels/math.h"

static const double turn = 6.28318530717958647693;

static status check(const rope_options *o, detail *err) {
  if (o->head_size < 2 || o->head_size > KERNELS_HEAD_MAX || o->head_size % 2) {
    return fault(err, E_INPUT, "head size %d: an even number up to %d is needed", o->head_size,
                 KERNELS_HEAD_MAX);
  }
  if (!(o->theta > 1 && o->theta <= 1e12)) {
    return fault(err, E_INPUT, "rotary base %g: more than 1 and at most 10^12 is needed", o->theta);
  }
  if (o->kind == ROPE_PLAIN) return OK;
  if (!(o->factor >= 1 && o->factor <= 1e6)) {
    return fault(err, E_INPUT, "rotary scaling by %g: 1 to 10^6 is needed", o->factor);
  }
  if (o->kind == ROPE_LINEAR) return OK;
  double low = o->low_frequency_factor, high = o->high_frequency_factor;
  if (!(low > 0 && low < high && high <= 1e6 && o->original_positions >= 1 &&
        o->original_positions <= 1e9)) {
    return fault(err, E_INPUT,
                 "llama3 rotary scaling needs 0 < low_freq_factor < high_freq_factor and "
                 "original_max_position_embeddings; they are %g, %g and %g",
                 low, high, o->original_positions);
  }
  return OK;
}

/* Hugging Face's "llama3": by how often a pair turns within the positions first trained on. */
static double llama3(const rope_options *o, double frequency) {
  double turns = o->original_positions * frequency / turn;
  double low = o->low_frequency_factor, high = o->high_frequency_factor;
  if (turns < low) return frequency / o->factor;
  if (turns > high) return frequency;
  double smooth = (turns - low) / (high - low);
  return (1 - smooth) * frequency / o->factor + smooth * frequency;
}

status rope_frequencies(const rope_options *o, double *frequencies, detail *err) {
  status failed = check(o, err);
  if (failed) return failed;
  double slope = -2.0 * math_log_double(o->theta) / o->head_size;
  for (int i = 0; i < o->head_size / 2; i++) {
    double frequency = math_exp_double(slope * i);
    if (o->kind == ROPE_LINEAR) frequency /= o->factor;
    if (o->kind == ROPE_LLAMA3) frequency = llama3(o, frequency);
    frequencies[i] = frequency;
  }
  return OK;
}

status rope_fill(const rope_options *o, int positions, float *table, detail *err) {
  double frequencies[KERNELS_HEAD_MAX / 2];
  status failed = rope_frequencies(o, frequencies, err);
  if (failed) return failed;
  if (positions < 1 || positions > ROPE_POSITIONS_MAX) {
    return fault(err, E_INPUT, "%d rotary positions: 1 to %d are possible", positions,
                 ROPE_POSITIONS_MAX);
  }
  int half = o->head_size / 2;
  for (int p = 0; p < positions; p++) {
    for (int i = 0; i < half; i++) {
      double angle = p * frequencies[i];
      table[(size_t)p * 2 * half + i] = (float)math_cos_double(angle);
      table[(size_t)p * 2 * half + half + i] = (float)math_sin_double(angle);
    }
  }
  return OK;
}
