/* Tiny models of every family against transformers on the same weights: what tests/oracle/logits.py
   wrote, whose documentation says what a line holds.

   The bound on compute fp32. Both sides sum in fp32, in other orders: a dot of n <= 256 terms may
   differ by n * 2^-24 of the sum of its terms' sizes, in practice its root. transformers turns
   positions into angles in fp32, which at position 700 is off by up to 700 * 2^-24 = 4e-5 radians,
   where our tables are made in double. Logits here are as large as 16, so that 1e-4 is six units of
   their last place and two of these angles; what was measured over all logits is 3.4e-5. The files
   have five digits behind the point, which adds 5e-6. */
#include "base/memory.h"
#include "tests/engine/prompt.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const families[] = {"tiny-llama",   "tiny-llama3", "tiny-llama-bias",
                                       "tiny-mistral", "tiny-qwen2",  "tiny-qwen3"};
enum { FAMILIES = sizeof families / sizeof families[0] };
static const double bound = 1e-4 + 5e-6;

typedef struct world {
  FILE *file;
  model *model;
  forward *exact, *rounded; /* compute fp32 and bf16 */
  int vocabulary;
  float *logits, *other; /* [PROMPT_TOKENS_MAX, vocabulary] */
} world;

static void world_open(world *w, const char *family) {
  detail err;
  char path[128], first[256];
  forward_options o = prompt_options("cpu", COMPUTE_FP32, PROMPT_TOKENS_MAX);
  *w = (world){0};
  (void)snprintf(path, sizeof path, "tests/oracle/logits/%s.txt", family);
  w->file = fopen(path, "r");
  ck_assert_msg(w->file != NULL, "cannot open %s", path);
  ck_assert_ptr_nonnull(fgets(first, sizeof first, w->file));
  ck_ok(prompt_model(&w->model, family, support_path(family), &err));
  ck_ok(forward_open(&w->exact, w->model, &o, &err));
  o.compute = COMPUTE_BF16;
  ck_ok(forward_open(&w->rounded, w->model, &o, &err));
  w->vocabulary = model_config_of(w->model)->vocabulary;
  w->logits = memory_zeroed((size_t)PROMPT_TOKENS_MAX * (size_t)w->vocabulary, sizeof(float));
  w->other = memory_zeroed((size_t)PROMPT_TOKENS_MAX * (size_t)w->vocabulary, sizeof(float));
  ck_assert(w->logits && w->other);
}

static void world_close(world *w) {
  memory_free(w->logits);
  memory_free(w->other);
  forward_close(w->exact);
  forward_close(w->rounded);
  model_close(w->model);
  (void)fclose(w->file);
}

/* The signs that logits.py projects with. */
static double sign(int id) {
  uint32_t x = (uint32_t)id * 2654435761u;
  x ^= x >> 15;
  x *= 2246822519u;
  return (x ^ x >> 13) & 1 ? 1 : -1;
}

static void check_row(world *w, int row) {
  uint32_t greatest;
  double top, sampled, projected, sum = 0;
  const float *z = w->logits + (size_t)row * (size_t)w->vocabulary;
  ck_assert_int_eq(fscanf(w->file, " row %u %lf %lf %lf", &greatest, &top, &sampled, &projected),
                   4);
  for (int i = 0; i < w->vocabulary; i++)
    sum += sign(i) * (double)z[i];
  uint32_t ours = prompt_greatest(z, w->vocabulary);
  ck_assert_msg(ours == greatest || (double)z[ours] - (double)z[greatest] < 2 * bound,
                "row %d: id %u, not %u", row, ours, greatest);
  ck_assert_double_eq_tol((double)z[greatest], top, bound);
  ck_assert_double_eq_tol((double)z[37 * row % w->vocabulary], sampled, bound);
  ck_assert_double_eq_tol(sum / sqrt(w->vocabulary), projected, bound);
}

/* Our bf16 against our fp32, which is transformers' within the bound. */
static void check_rounded(world *w, int prompt, const uint32_t *ids, double rms, double most) {
  detail err;
  int count = prompt_lengths[prompt];
  double squares = 0, greatest = 0;
  size_t values = (size_t)count * (size_t)w->vocabulary;
  ck_ok(prompt_feed(w->rounded, w->vocabulary, ids, 0, count, count, w->other, &err));
  for (size_t i = 0; i < values; i++) {
    double error = fabs((double)w->other[i] - (double)w->logits[i]) + bound;
    squares += error * error;
    if (error > greatest) greatest = error;
  }
  double ours = sqrt(squares / (double)values);
  ck_assert_msg(ours <= rms && greatest <= most,
                "prompt %d in bf16: rms %.5f and at most %.5f; transformers' is %.5f and %.5f",
                prompt, ours, greatest, rms, most);
}

/* Greedy tokens behind the prompt, up to the first that lies within the bound of another. */
static void check_continued(world *w, int prompt) {
  detail err;
  int at = prompt_lengths[prompt], followed = 1;
  const float *z = w->logits + (size_t)(at - 1) * (size_t)w->vocabulary;
  for (int i = 0; i < CONTINUED_TOKENS; i++) {
    uint32_t next;
    double gap;
    ck_assert_int_eq(fscanf(w->file, " next %u %lf", &next, &gap), 2);
    if (gap < 2 * bound) followed = 0;
    if (!followed) continue;
    ck_assert_msg(prompt_greatest(z, w->vocabulary) == next, "prompt %d, token %d: id %u, not %u",
                  prompt, i, prompt_greatest(z, w->vocabulary), next);
    ck_ok(prompt_feed(w->exact, w->vocabulary, &next, at + i, 1, 1, w->logits, &err));
    z = w->logits;
  }
}

START_TEST(test_family) {
  detail err;
  world w;
  uint32_t ids[PROMPT_TOKENS_MAX];
  world_open(&w, families[_i]);
  for (int p = 0; p < PROMPTS; p++) {
    int prompt, count;
    double rms, most;
    ck_assert_int_eq(fscanf(w.file, " prompt %d %d bf16 %lf %lf", &prompt, &count, &rms, &most), 4);
    ck_assert_int_eq(prompt, p);
    ck_assert_int_eq(count, prompt_lengths[p]);
    for (int i = 0; i < count; i++)
      ids[i] = prompt_token(p, i, w.vocabulary);
    ck_ok(prompt_feed(w.exact, w.vocabulary, ids, 0, count, count, w.logits, &err));
    for (int row = 0; row < count; row++)
      check_row(&w, row);
    check_rounded(&w, p, ids, rms, most);
    check_continued(&w, p);
  }
  world_close(&w);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("oracle");
  TCase *all = tcase_create("transformers");
  tcase_add_loop_test(all, test_family, 0, FAMILIES);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
