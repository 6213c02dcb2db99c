/* Sampling without sorting: filters take ids from a heap only as far as they keep them, and noise
   is computed only for ids that could still win. */
#include "kernels/cpu_internal.h"
#include "kernels/math.h"
#include "kernels/sample_internal.h"

#include <math.h>

typedef struct heap {
  const float *logits;
  uint32_t *id; /* [count] a parent comes before its children; taken ids follow, the last first */
  int count;
} heap;

/* Greater logits come first, then lower ids. */
static int before(const heap *h, uint32_t a, uint32_t b) {
  return h->logits[a] > h->logits[b] || (h->logits[a] == h->logits[b] && a < b);
}

static void sink(heap *h, int from) {
  uint32_t id = h->id[from];
  for (int child; (child = 2 * from + 1) < h->count; from = child) {
    if (child + 1 < h->count && before(h, h->id[child + 1], h->id[child])) child++;
    if (before(h, id, h->id[child])) break;
    h->id[from] = h->id[child];
  }
  h->id[from] = id;
}

/* Moves the first id to the end of the array, and returns it. */
static uint32_t take(heap *h) {
  uint32_t first = h->id[0];
  h->id[0] = h->id[--h->count];
  h->id[h->count] = first;
  if (h->count) sink(h, 0);
  return first;
}

/* The ids that may be drawn, by rising id. */
static int candidates(const sample_args *a, const sample_row *row, uint32_t *id) {
  int count = 0;
  for (int i = 0; i < a->vocabulary; i++)
    id[i] = 0;
  for (int i = 0; i < row->suppressed_count; i++)
    id[a->suppressed[row->suppressed_first + i]] = 1;
  for (int i = 0; i < a->vocabulary; i++) {
    if (!id[i]) id[count++] = (uint32_t)i;
  }
  return count;
}

static int greatest(const float *logits, const uint32_t *id, int count) {
  int best = 0;
  for (int i = 1; i < count; i++) {
    if (logits[id[i]] > logits[id[best]]) best = i;
  }
  return best;
}

static float scaled(const float *logits, uint32_t id, float top, const sample_row *row) {
  return (logits[id] - top) / row->temperature;
}

/* Mass of many ids, gathered so that vectors can take them. */
static uint64_t mass_of(const cpu_device *d, const float *logits, const uint32_t *id, int count,
                        float top, float temperature) {
  enum { AT_ONCE = 256 };
  float z[AT_ONCE];
  uint64_t mass = 0;
  for (int from = 0; from < count; from += AT_ONCE) {
    int some = count - from < AT_ONCE ? count - from : AT_ONCE;
    for (int i = 0; i < some; i++)
      z[i] = logits[id[from + i]];
    d->ops->masses(z, some, top, temperature, &mass);
  }
  return mass;
}

/* Ids that a filter kept, as a part of the heap's array. */
typedef struct kept {
  const uint32_t *id;
  int count;
  uint64_t mass;
} kept;

static kept filter(const cpu_device *d, heap *h, float top, const sample_row *row) {
  int all = h->count, most = row->top_k && row->top_k < all ? row->top_k : all;
  double least = (double)row->min_p * 0x1p+40;
  uint64_t wanted = UINT64_MAX, head = 0;
  if (most == all && row->top_p >= 1 && row->min_p <= 0)
    return (kept){h->id, all, mass_of(d, h->logits, h->id, all, top, row->temperature)};
  if (row->top_p < 1 && most == all) {
    uint64_t mass = mass_of(d, h->logits, h->id, all, top, row->temperature);
    wanted = (uint64_t)((double)row->top_p * (double)mass);
  }
  for (int i = all / 2 - 1; i >= 0; i--)
    sink(h, i);
  if (row->top_p < 1 && most < all) { /* the first most ids are taken, and then judged */
    while (all - h->count < most)
      head += sample_mass(scaled(h->logits, take(h), top, row));
    wanted = (uint64_t)((double)row->top_p * (double)head);
  }
  uint64_t mass = 0;
  int count = 0;
  for (; count < most && (count == 0 || mass < wanted); count++) {
    uint32_t id = all - h->count > count ? h->id[all - 1 - count] : take(h);
    uint64_t one = sample_mass(scaled(h->logits, id, top, row));
    if ((double)one < least) break;
    mass += one;
  }
  return (kept){h->id + all - count, count, mass};
}

enum { DRAW_AT_ONCE = 64 };

/* x of some ids, and how likely each may be to win at most: noise -log(-log(u)) lifts x above best
   only where 1 - u < exp(x - best), since 1 - u is at most -log(u). The factor is far more than
   what rounding can take. */
static void weigh(const cpu_device *d, const float *logits, const uint32_t *id, int count,
                  float top, const sample_row *row, double best, float *x, float *chance) {
  for (int i = 0; i < count; i++) {
    x[i] = scaled(logits, id[i], top, row);
    chance[i] = (float)((double)x[i] - best);
  }
  d->ops->exps(chance, count);
  for (int i = 0; i < count; i++)
    chance[i] = chance[i] * 1.001f;
}

/* The winner, and its filtered log-probability. */
static double draw(const cpu_device *d, const float *logits, const kept *k, float top,
                   const sample_row *row, uint32_t *token) {
  float x[DRAW_AT_ONCE], chance[DRAW_AT_ONCE];
  double best = -HUGE_VAL, logit = 0;
  uint32_t words[4], have = UINT32_MAX;
  for (int from = 0; from < k->count; from += DRAW_AT_ONCE) {
    int count = k->count - from < DRAW_AT_ONCE ? k->count - from : DRAW_AT_ONCE;
    weigh(d, logits, k->id + from, count, top, row, best, x, chance);
    for (int i = 0; i < count; i++) {
      uint32_t id = k->id[from + i];
      if (x[i] < SAMPLE_HOPELESS) continue;
      if (have != id / 4) random_words(row->key, row->counter, have = id / 4, words);
      double u = ((double)words[id % 4] + 0.5) * 0x1p-32;
      if (1.0 - u > (double)chance[i]) continue; /* best has only grown since */
      double score = (double)x[i] + -math_log_double(-math_log_double(u));
      if (score > best || (score == best && id < *token)) {
        best = score;
        logit = (double)x[i];
        *token = id;
      }
    }
  }
  return logit - sample_log_mass(k->mass);
}

void cpu_sample(const cpu_device *d, const sample_args *a, int r, cpu_scratch *s) {
  const float *logits = a->logits + (size_t)(a->logits_row ? a->logits_row[r] : r) * a->vocabulary;
  const sample_row *row = &a->row[r];
  sample_result *out = &a->out[r];
  *out = (sample_result){0};
  float all_top = logits[0];
  for (int i = 0; i < a->vocabulary; i++) {
    if (!number_is_finite(logits[i])) out->broken = 1;
    all_top = logits[i] > all_top ? logits[i] : all_top;
  }
  int count = candidates(a, row, s->ids);
  if (count == 0) out->broken = 1;
  if (out->broken) return;
  uint32_t first = s->ids[greatest(logits, s->ids, count)];
  if (row->temperature > 0) {
    heap h = {logits, s->ids, count};
    kept k = filter(d, &h, logits[first], row);
    out->filtered_logprob = (float)draw(d, logits, &k, logits[first], row, &out->token);
  } else {
    out->token = first;
  }
  uint64_t mass = 0;
  d->ops->masses(logits, a->vocabulary, all_top, 1, &mass);
  double below = (double)logits[out->token] - (double)all_top;
  out->logprob = (float)(below - sample_log_mass(mass));
}
