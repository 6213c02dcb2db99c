#include "kernels/reference_internal.h"
#include "kernels/sample_internal.h"

#include <math.h>
#include <stdlib.h>

/* The ids of one row that may be drawn. */
typedef struct ids {
  const float *logits;
  uint32_t *id; /* borrowed */
  int count;
} ids;

/* Whether id a comes before id b: greater logit, then lower id. */
static int before(const ids *s, uint32_t a, uint32_t b) {
  return s->logits[a] > s->logits[b] || (s->logits[a] == s->logits[b] && a < b);
}

/* Restores the heap below position from, where a parent comes after its children. */
static void sink(ids *s, int from, int count) {
  for (int child; (child = 2 * from + 1) < count; from = child) {
    if (child + 1 < count && before(s, s->id[child], s->id[child + 1])) child++;
    if (!before(s, s->id[from], s->id[child])) return;
    uint32_t id = s->id[from];
    s->id[from] = s->id[child];
    s->id[child] = id;
  }
}

/* By heaps, since the C library's sort takes no context. */
static void sort(ids *s) {
  for (int i = s->count / 2 - 1; i >= 0; i--)
    sink(s, i, s->count);
  for (int last = s->count - 1; last > 0; last--) {
    uint32_t id = s->id[0];
    s->id[0] = s->id[last];
    s->id[last] = id;
    sink(s, 0, last);
  }
}

/* The ids that may be drawn, in order; 0 where a logit is not finite or nothing is left. */
static int candidates(const sample_args *a, const sample_row *row, ids *s) {
  enum { FREE, SUPPRESSED }; /* what s->id says of an id until the loop has passed it */
  for (int i = 0; i < a->vocabulary; i++)
    s->id[i] = FREE;
  for (int i = 0; i < row->suppressed_count; i++)
    s->id[a->suppressed[row->suppressed_first + i]] = SUPPRESSED;
  for (int i = 0; i < a->vocabulary; i++) {
    if (!number_is_finite(s->logits[i])) return 0;
    if (s->id[i] == FREE) s->id[s->count++] = (uint32_t)i;
  }
  sort(s);
  return s->count > 0;
}

static float scaled(const ids *s, const sample_row *row, int rank) {
  return (s->logits[s->id[rank]] - s->logits[s->id[0]]) / row->temperature;
}

/* How many ids the filters keep; *mass is theirs. */
static int filter(const ids *s, const sample_row *row, uint64_t *mass) {
  int kept = row->top_k && row->top_k < s->count ? row->top_k : s->count;
  uint64_t all = 0, head = 0;
  for (int i = 0; i < kept; i++)
    all += sample_mass(scaled(s, row, i));
  if (row->top_p < 1) {
    uint64_t wanted = (uint64_t)((double)row->top_p * (double)all);
    int rank = 0;
    while (rank < kept && (rank == 0 || head < wanted))
      head += sample_mass(scaled(s, row, rank++));
    kept = rank;
  }
  double least = (double)row->min_p * 0x1p+40;
  *mass = 0;
  for (int i = 0; i < kept; i++) {
    uint64_t one = sample_mass(scaled(s, row, i));
    if ((double)one < least) return i;
    *mass += one;
  }
  return kept;
}

static double draw(const ids *s, const sample_row *row, uint32_t *token) {
  uint64_t mass;
  int kept = filter(s, row, &mass);
  double best = -HUGE_VAL, logit = 0;
  for (int i = 0; i < kept; i++) {
    double x = (double)scaled(s, row, i);
    double score = x + sample_noise(row, s->id[i]);
    if (score > best || (score == best && s->id[i] < *token)) {
      best = score;
      logit = x;
      *token = s->id[i];
    }
  }
  return logit - sample_log_mass(mass);
}

static sample_result sample_one(const sample_args *a, const sample_row *row, ids *s) {
  sample_result result = {0};
  if (!candidates(a, row, s)) return (sample_result){.broken = 1};
  if (row->temperature > 0) {
    result.filtered_logprob = (float)draw(s, row, &result.token);
  } else {
    result.token = s->id[0];
  }
  float top = s->logits[0];
  uint64_t mass = 0;
  for (int i = 1; i < a->vocabulary; i++)
    top = s->logits[i] > top ? s->logits[i] : top;
  for (int i = 0; i < a->vocabulary; i++)
    mass += sample_mass(s->logits[i] - top);
  double below = (double)s->logits[result.token] - (double)top;
  result.logprob = (float)(below - sample_log_mass(mass));
  return result;
}

void reference_sample(const sample_args *a, uint32_t *scratch) {
  for (int r = 0; r < a->rows; r++) {
    int from = a->logits_row ? a->logits_row[r] : r;
    ids s = {a->logits + (size_t)from * a->vocabulary, scratch, 0};
    a->out[r] = sample_one(a, &a->row[r], &s);
  }
}
