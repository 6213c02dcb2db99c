/* The forward pass on tiny models of every family: committed bits, the same bits on every backend,
   path, number of threads and cut into steps. */
#include "base/memory.h"
#include "tests/engine/prompt.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const families[] = {"tiny-llama",   "tiny-llama3", "tiny-llama-bias",
                                       "tiny-mistral", "tiny-qwen2",  "tiny-qwen3"};
enum { FAMILIES = sizeof families / sizeof families[0], SAMPLED_TOKENS = 24 };
static const char *const compute_names[] = {"bf16", "fp32"};
static const char golden_file[] = "tests/golden/logits.txt";

static model *opened(const char *family) {
  detail err;
  model *m = NULL;
  ck_ok(prompt_model(&m, family, support_path(family), &err));
  return m;
}

static forward *ready(const model *m, const forward_options *o) {
  detail err;
  forward *f = NULL;
  ck_ok(forward_open(&f, m, o, &err));
  return f;
}

static void prompt_ids(const model *m, int prompt, uint32_t *out) {
  for (int i = 0; i < prompt_lengths[prompt]; i++)
    out[i] = prompt_token(prompt, i, model_config_of(m)->vocabulary);
}

/* The logits of a prompt's first tokens; the caller frees. */
static float *logits_of(const model *m, const forward_options *o, int prompt, int count, int step) {
  detail err;
  uint32_t ids[PROMPT_TOKENS_MAX];
  int vocabulary = model_config_of(m)->vocabulary;
  forward *f = ready(m, o);
  float *out = memory_zeroed((size_t)count * (size_t)vocabulary, sizeof *out);
  ck_assert_ptr_nonnull(out);
  prompt_ids(m, prompt, ids);
  ck_ok(prompt_feed(f, vocabulary, ids, 0, count, step, out, &err));
  forward_close(f);
  return out;
}

/* ---- committed bits -------------------------------------------------------------------------- */

static sample_result sampled(forward *f, int vocabulary, uint64_t counter) {
  detail err;
  hash task = hash_of("golden", 6);
  sample_result result;
  sample_row row = {.temperature = 1.25f,
                    .top_k = 40,
                    .top_p = 0.95f,
                    .key = random_key_of(PROMPT_SEED, &task, 0, "0"),
                    .counter = counter};
  sample_args a = {.rows = 1,
                   .vocabulary = vocabulary,
                   .logits = forward_logits(f),
                   .row = &row,
                   .out = &result};
  ck_ok(forward_kernels(f)->sample(forward_device(f), &a, &err));
  ck_assert_uint_eq(result.broken, 0);
  return result;
}

/* The logits of a prompt of 64 tokens, and 24 tokens sampled behind it with their
   log-probabilities. */
static hash bits_of(const model *m, const forward_options *o) {
  detail err;
  enum { PROMPT = 2 };
  hash_parts h;
  uint32_t ids[PROMPT_TOKENS_MAX];
  int vocabulary = model_config_of(m)->vocabulary, count = prompt_lengths[PROMPT];
  size_t row = (size_t)vocabulary * sizeof(float);
  forward *f = ready(m, o);
  float *logits = memory_zeroed((size_t)count, row);
  ck_assert_ptr_nonnull(logits);
  hash_start(&h);
  prompt_ids(m, PROMPT, ids);
  ck_ok(prompt_feed(f, vocabulary, ids, 0, count, o->rows, logits, &err));
  hash_part(&h, logits, (size_t)count * row);
  /* One row a step from here, so that the logits to sample from are the first. */
  ck_ok(prompt_feed(f, vocabulary, &ids[count - 1], count - 1, 1, 1, logits, &err));
  for (int i = 0; i < SAMPLED_TOKENS; i++) {
    sample_result drawn = sampled(f, vocabulary, (uint64_t)i);
    hash_part(&h, &drawn, sizeof drawn);
    ck_ok(prompt_feed(f, vocabulary, &drawn.token, count + i, 1, 1, logits, &err));
    hash_part(&h, logits, row);
  }
  memory_free(logits);
  forward_close(f);
  return hash_end(&h);
}

static void golden_line(const model *m, const char *family, const char *backend, int compute,
                        char out[160]) {
  char hex[HASH_HEX_BYTES];
  forward_options o = prompt_options(backend, (compute_type)compute, 64);
  hash bits = bits_of(m, &o);
  (void)snprintf(out, 160, "numerics %d %s %s %s\n", (int)FORWARD_NUMERICS_VERSION, family,
                 compute_names[compute], hash_hex(&bits, hex));
}

START_TEST(test_golden) {
  char line[160];
  const char *backend = _i % 2 ? "cpu" : "reference", *family = families[_i / 2];
  size_t bytes;
  char *committed = support_read(golden_file, &bytes);
  model *m = opened(family);
  for (int compute = 0; compute < 2; compute++) {
    golden_line(m, family, backend, compute, line);
    ck_assert_msg(
        strstr(committed, line) != NULL,
        "%s lacks the line that follows (%s backend): where bits are meant to move, raise "
        "FORWARD_NUMERICS_VERSION and add what this test then prints\n%s",
        golden_file, backend, line);
  }
  model_close(m);
  free(committed);
}
END_TEST

/* ---- the same bits however it is run --------------------------------------------------------- */

/* One comparison of all: Check writes a line for every assertion, which takes longer than a logit.
 */
static void same_bits(const float *a, const float *b, size_t count, const char *what) {
  size_t i = 0;
  if (!memcmp(a, b, count * sizeof *a)) return;
  while (!memcmp(&a[i], &b[i], sizeof *a))
    i++;
  ck_abort_msg("%s: logit %zu is %.9g, not %.9g", what, i, (double)b[i], (double)a[i]);
}

static const char *what_of(const char *family, const char *path, int threads, int step) {
  static char out[128];
  (void)snprintf(out, sizeof out, "%s on %s, %d threads, %d rows a step", family, path, threads,
                 step);
  return out;
}

/* Every path of the machine against the reference, with steps of other lengths and more threads.
   The slow ones (portable, emulated tiles) go just past the first chunk of keys. */
START_TEST(test_paths) {
  enum { PROMPT = 3, TOKENS = 300, FEWER = 150 };
  static const struct {
    cpu_path path;
    int tokens, step, threads;
  } runs[] = {{CPU_PORTABLE, FEWER, 7, 2}, {CPU_AVX2, TOKENS, 300, 3}, {CPU_AVX2, TOKENS, 1, 1},
              {CPU_AVX512, TOKENS, 7, 1},  {CPU_AVX512, TOKENS, 1, 2}, {CPU_AVX512, TOKENS, 61, 3},
              {CPU_AMX, TOKENS, 1, 1},     {CPU_AMX, TOKENS, 7, 2},    {CPU_AMX, TOKENS, 61, 3},
              {CPU_TILES, FEWER, 61, 1}};
  const char *family = families[_i / 2];
  model *m = opened(family);
  forward_options o = prompt_options("reference", (compute_type)(_i % 2), TOKENS);
  size_t vocabulary = (size_t)model_config_of(m)->vocabulary;
  float *wanted = logits_of(m, &o, PROMPT, TOKENS, TOKENS);
  for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
    if (!(kernels_cpu_paths() & runs[i].path)) continue;
    const char *path = kernels_cpu_path_name(runs[i].path);
    o = prompt_options("cpu", (compute_type)(_i % 2), TOKENS);
    o.paths = runs[i].path;
    o.threads = runs[i].threads;
    float *got = logits_of(m, &o, PROMPT, runs[i].tokens, runs[i].step);
    same_bits(wanted, got, (size_t)runs[i].tokens * vocabulary,
              what_of(family, path, o.threads, runs[i].step));
    memory_free(got);
  }
  memory_free(wanted);
  model_close(m);
}
END_TEST

START_TEST(test_cuts) {
  enum { PROMPT = 4, TOKENS = PROMPT_TOKENS_MAX };
  static const int steps[] = {1, 15, 257};
  model *m = opened(families[_i]);
  forward_options o = prompt_options("cpu", COMPUTE_BF16, TOKENS);
  size_t count = (size_t)TOKENS * (size_t)model_config_of(m)->vocabulary;
  float *wanted = logits_of(m, &o, PROMPT, TOKENS, TOKENS);
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    float *got = logits_of(m, &o, PROMPT, TOKENS, steps[i]);
    same_bits(wanted, got, count, what_of(families[_i], "cpu", 1, steps[i]));
    memory_free(got);
  }
  memory_free(wanted);
  model_close(m);
}
END_TEST

/* ---- what is refused, and what is taken ------------------------------------------------------ */

START_TEST(test_options) {
  detail err;
  forward *f = NULL;
  model *m = opened("tiny-llama");
  forward_options good = prompt_options("cpu", COMPUTE_BF16, 4), o = good;
  o.backend = "tpu";
  ck_fails(forward_open(&f, m, &o, &err), E_INPUT, "there is no backend \"tpu\"");
  o = good;
  o.outputs = 5;
  ck_fails(forward_open(&f, m, &o, &err), E_INPUT, "4 rows and 5 outputs");
  o = good;
  o.positions = 1025;
  ck_fails(forward_open(&f, m, &o, &err), E_INPUT, "1 to 1024 are possible");
  o = good;
  o.threads = 0;
  ck_fails(forward_open(&f, m, &o, &err), E_INPUT, "threads");
  ck_assert_ptr_null(f);
  model_close(m);
}
END_TEST

/* Each allocation in turn fails: a message, and nothing is lost. */
START_TEST(test_no_memory) {
  detail err;
  model *m = opened("tiny-qwen3");
  forward_options o = prompt_options("cpu", COMPUTE_BF16, 4);
  int64_t n = 0;
  for (;; n++) {
    forward *f = NULL;
    memory_fail_once(n);
    status failed = forward_open(&f, m, &o, &err);
    memory_fail_once(-1);
    forward_close(f);
    if (!failed) break;
    ck_assert_int_eq(failed, E_MEMORY);
    ck_assert_int_gt((int)strlen(err.text), 0);
  }
  ck_assert_int_gt(n, 20);
  model_close(m);
}
END_TEST

START_TEST(test_arithmetic) {
  detail err;
  model *m = opened("tiny-llama");
  forward_options o = prompt_options("cpu", COMPUTE_BF16, 1);
  o.pages = 3;
  forward_bytes b = forward_size(model_config_of(m), &o);
  ck_assert_int_eq(b.weights, 2 * (2 * (72 * (2 * 128 + 2 * 64) + 3 * 72 * 100) + 2 * 515 * 72));
  ck_assert_int_eq(b.cache, 2 * 2 * 64 * 2 * 3 * 16);
  ck_assert_int_eq(b.logits, 515 * 4);
  forward *f = NULL;
  memory_fail_after(3);
  ck_fails(forward_open(&f, m, &o, &err), E_MEMORY, "MB of cache (3 pages of 16 keys)");
  memory_fail_after(-1);
  model_close(m);
}
END_TEST

/* ---- weights that are not finite ------------------------------------------------------------- */

START_TEST(test_not_finite) {
  static const struct {
    const char *name;
    size_t index;
    uint16_t value;
    const char *says;
  } cases[] = {
      {"model.layers.1.mlp.down_proj.weight", 3 * 100 + 7, 0x7fc0, "holds nan at row 3, column 7"},
      {"model.embed_tokens.weight", 514 * 72 + 71, 0xff80, "holds -inf at row 514, column 71"},
      {"model.layers.0.input_layernorm.weight", 5, 0x7f80, "holds inf at row 0, column 5"},
  };
  detail err;
  forward *f = NULL;
  model *m = opened("tiny-llama");
  const char *folder = model_folder(m);
  ck_ok(prompt_poison(folder, cases[_i].name, cases[_i].index, cases[_i].value, &err));
  model_close(m);
  m = NULL;
  ck_ok(model_open(&m, support_path("tiny-llama"), &err));
  forward_options o = prompt_options("cpu", COMPUTE_BF16, 4);
  ck_fails(forward_open(&f, m, &o, &err), E_INPUT, cases[_i].says);
  ck_assert_ptr_nonnull(strstr(err.text, cases[_i].name));
  o.allow_broken = 1;
  ck_ok(forward_open(&f, m, &o, &err));
  forward_close(f);
  model_close(m);
}
END_TEST

/* A row whose keys are not finite is marked, and no other. */
START_TEST(test_broken_row) {
  detail err;
  forward *f = NULL;
  uint8_t broken[3];
  uint32_t ids[3] = {1, 2, 3};
  model *m = opened("tiny-llama");
  ck_ok(prompt_poison(model_folder(m), "model.embed_tokens.weight", 2 * 72, 0x7fc0, &err));
  model_close(m);
  m = NULL;
  ck_ok(model_open(&m, support_path("tiny-llama"), &err));
  forward_options o = prompt_options("cpu", COMPUTE_BF16, 3);
  o.allow_broken = 1;
  ck_ok(forward_open(&f, m, &o, &err));
  float *logits = memory_zeroed((size_t)3 * 515, sizeof *logits);
  ck_ok(prompt_feed(f, 515, ids, 0, 3, 3, logits, &err));
  ck_ok(forward_get_broken(f, broken, &err));
  ck_assert_int_eq(broken[0], 0);
  ck_assert_int_eq(broken[1], 1);
  ck_assert_int_eq(broken[2], 0);
  ids[1] = 4;
  ck_ok(prompt_feed(f, 515, ids, 0, 3, 3, logits, &err));
  ck_ok(forward_get_broken(f, broken, &err));
  ck_assert_int_eq(broken[1], 0);
  memory_free(logits);
  forward_close(f);
  model_close(m);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("forward");
  TCase *bits = tcase_create("bits"), *edges = tcase_create("edges");
  tcase_add_loop_test(bits, test_golden, 0, 2 * FAMILIES);
  tcase_add_loop_test(bits, test_paths, 0, 2 * FAMILIES);
  tcase_add_loop_test(bits, test_cuts, 0, FAMILIES);
  tcase_add_test(edges, test_options);
  tcase_add_test(edges, test_no_memory);
  tcase_add_test(edges, test_arithmetic);
  tcase_add_loop_test(edges, test_not_finite, 0, 3);
  tcase_add_test(edges, test_broken_row);
  suite_add_tcase(suite, bits);
  suite_add_tcase(suite, edges);
  return support_run(suite);
}
