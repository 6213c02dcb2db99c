#include "reports/consensus.h"

#include "base/memory.h"

size_t consensus_sizes(size_t draws, size_t sizes[CONSENSUS_SIZES_MAX]) {
  size_t count = 0;
  for (size_t k = 1; k <= draws && k <= CONSENSUS_SIZE_MAX; k = k < 8 ? k + 1 : 2 * k)
    sizes[count++] = k;
  return count;
}

int consensus_is_drawn(size_t draws, size_t k) {
  REQUIRE(k <= draws);
  uint64_t subsets = 1;
  if (k > draws - k) k = draws - k;
  for (size_t i = 0; i < k; i++) { /* grows with every step, since k is at most the half */
    subsets = subsets * (draws - i) / (i + 1);
    if (subsets > CONSENSUS_SUBSETS) return 1;
  }
  return 0;
}

/* How a vote stands: the most votes that a key has, and the keys that have so many. */
typedef struct standing {
  int32_t most, tied;
  double sum; /* of the tied keys' scores */
} standing;

/* What a count of subsets works with. */
typedef struct booth {
  const consensus_ballot *ballot;
  int32_t *votes;  /* [keys] */
  size_t *chosen;  /* [draws] all subsets: the draws of this one; drawn ones: a permutation */
  standing *after; /* [draws + 1] the standing after so many of the chosen */
} booth;

static standing cast(const booth *b, standing s, size_t draw) {
  int32_t key = b->ballot->key[draw];
  if (key < 0) return s;
  int32_t votes = ++b->votes[key];
  double score = b->ballot->score[key];
  if (votes > s.most) return (standing){votes, 1, score};
  if (votes == s.most) return (standing){votes, s.tied + 1, s.sum + score};
  return s;
}

static void take_back(const booth *b, size_t draw) {
  int32_t key = b->ballot->key[draw];
  if (key >= 0) b->votes[key]--;
}

static double worth(standing s) {
  return s.tied ? s.sum / s.tied : 0;
}

/* Visits the subsets of k in lexicographic order; neighbours share what their first draws gave. */
static double all_subsets(booth *b, size_t k) {
  double sum = 0, subsets = 0;
  for (size_t depth = 0, next = 0;;) {
    if (depth < k && next + (k - depth) <= b->ballot->draws) {
      b->chosen[depth] = next;
      b->after[depth + 1] = cast(b, b->after[depth], next);
      depth++;
      next++;
      continue;
    }
    if (depth == k) {
      sum += worth(b->after[k]);
      subsets += 1;
    }
    if (depth == 0) return sum / subsets;
    next = b->chosen[--depth];
    take_back(b, next++);
  }
}

/* The first k draws of a random permutation are a random subset, and its first k + 1 another: one
   permutation serves every size. Each starts from the one before, which is as random. */
static void drawn_subsets(booth *b, const size_t *sizes, size_t count, const char *drawn,
                          double *value) {
  size_t draws = b->ballot->draws, most = 0;
  random_stream stream = random_start(random_key_of(0, b->ballot->task, 0, "consensus"));
  for (size_t i = 0; i < draws; i++)
    b->chosen[i] = i;
  for (size_t i = 0; i < count; i++) {
    if (drawn[i]) most = sizes[i];
  }
  for (int subset = 0; subset < CONSENSUS_SUBSETS; subset++) {
    for (size_t i = 0; i < most; i++) {
      size_t at = i + random_below(&stream, (uint32_t)(draws - i)), draw = b->chosen[at];
      b->chosen[at] = b->chosen[i];
      b->chosen[i] = draw;
      b->after[i + 1] = cast(b, b->after[i], draw);
    }
    for (size_t i = 0; i < most; i++)
      take_back(b, b->chosen[i]);
    for (size_t i = 0; i < count; i++)
      if (drawn[i]) value[i] += worth(b->after[sizes[i]]);
  }
  for (size_t i = 0; i < count; i++)
    if (drawn[i]) value[i] /= CONSENSUS_SUBSETS;
}

/* Votes between wrong answers need not be counted, and hard tasks have no other. */
static int all_wrong(const consensus_ballot *b) {
  for (size_t i = 0; i < b->keys; i++)
    if (b->score[i] > 0) return 0;
  return 1;
}

static status open_booth(booth *out, const consensus_ballot *b, detail *err) {
  *out = (booth){b, memory_zeroed(b->keys + 1, sizeof *out->votes),
                 memory_zeroed(b->draws + 1, sizeof *out->chosen),
                 memory_zeroed(b->draws + 1, sizeof *out->after)};
  if (out->votes && out->chosen && out->after) return OK;
  return fault(err, E_MEMORY, "no memory to count the votes of %zu draws", b->draws);
}

static void close_booth(booth *b) {
  memory_free(b->votes);
  memory_free(b->chosen);
  memory_free(b->after);
}

status consensus_votes(const consensus_ballot *b, const size_t *sizes, size_t count, double *value,
                       detail *err) {
  REQUIRE(count <= CONSENSUS_SIZES_MAX && b->draws < UINT32_MAX);
  char drawn[CONSENSUS_SIZES_MAX] = {0};
  for (size_t i = 0; i < count; i++) {
    REQUIRE(sizes[i] > 0 && sizes[i] <= b->draws);
    value[i] = 0;
  }
  if (all_wrong(b)) return OK;
  booth w;
  int any = 0;
  status failed = open_booth(&w, b, err);
  for (size_t i = 0; i < count && !failed; i++) {
    drawn[i] = (char)consensus_is_drawn(b->draws, sizes[i]);
    any |= drawn[i];
    if (!drawn[i]) value[i] = all_subsets(&w, sizes[i]);
  }
  if (!failed && any) drawn_subsets(&w, sizes, count, drawn, value);
  close_booth(&w);
  return failed;
}

double consensus_pass(size_t draws, size_t correct, size_t k) {
  REQUIRE(correct <= draws && k >= 1 && k <= draws);
  double none = 1;
  if (draws - correct < k) return 1;
  for (size_t i = 0; i < k; i++)
    none *= (double)(draws - correct - i) / (double)(draws - i);
  return 1 - none;
}
